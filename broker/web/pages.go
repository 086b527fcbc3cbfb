package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"iter"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

//go:embed all:static
var staticFiles embed.FS

// Log is what pages read of audit.Log, whose contract stands there.
type Log interface {
	Upto(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
	Follow(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
	Size() audit.Index
	Checkpoint() []byte
}

// Pages is everything that people see in a browser, with /api/v1 beside it.
// Reading, answering and stopping work without JavaScript.
type Pages struct {
	*server
	log      Log
	sessions *sessions
	live     *live
	boards   *boards
	zones    zones
	past     *past
	seeks    chan struct{} // a token for each piece of a recording that is made
	routes   []Route
	pages    templates
	handler  http.Handler
}

// NewPages makes the pages. api is New's handler, served under /api/v1/.
func NewPages(p Parts, log Log, api http.Handler) (*Pages, error) {
	if p.Now == nil {
		p.Now = time.Now
	}
	pages, err := listTemplates()
	if err != nil {
		return nil, err
	}
	g := &Pages{server: &server{Parts: p}, log: log, sessions: newSessions(p.Now), pages: pages, seeks: make(chan struct{}, mostSeeks)}
	g.live, g.past, g.boards = newLive(log, g.Desk.Settled, g.Slog), newPast(log), newBoards()
	g.routes = g.table()
	g.sessions.over = func(s *webSession) { g.Book.Seal(s.holder(), "") }
	mux := http.NewServeMux()
	for _, r := range g.routes {
		mux.HandleFunc(r.Pattern, g.serve(r))
	}
	mux.HandleFunc("/", g.serve(Route{Who: Anybody, do: func(v *visit) error {
		return fmt.Errorf("%s: %w", v.r.URL.Path, fs.ErrNotExist)
	}}))
	inner := http.NewServeMux()
	inner.Handle("/api/v1/", api)
	inner.Handle("/", g.guard(http.NewCrossOriginProtection().Handler(mux)))
	g.handler = inner
	return g, nil
}

func (g *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.handler.ServeHTTP(w, r) }

// visit is one call of one page.
type visit struct {
	w     http.ResponseWriter
	r     *http.Request
	s     *webSession // nil: nobody is signed in
	actor people.Actor
	plant *policy.Plant
	now   time.Time
	zone  *time.Location                 // the browser's; nil: not said
	since audit.Index                    // the log's size before anything was read for the page
	name  string                         // of the person
	saved map[policy.AssetName]time.Time // machines' last backups, where a page needs them
}

func (v *visit) ctx() context.Context { return v.r.Context() }

// refreshing says that the page itself asks for news, and nobody sits there
// who could be taken for active.
func (v *visit) refreshing() bool { return v.r.Header.Get("Penstock-Refresh") != "" }

func (g *Pages) serve(route Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, r: r, plant: g.Plant(), now: g.Now(), zone: g.zones.of(r), since: g.log.Size()}
		if err := g.enter(v, route); err != nil {
			g.failPage(v, err)
		}
	}
}

// enter finds out who calls, holds them to the route, and goes in.
func (g *Pages) enter(v *visit, route Route) error {
	if err := g.recognise(v); err != nil {
		return err
	}
	if route.Who == Anybody || route.Who == KioskOnly { // the latter asks for its certificate
		return route.do(v)
	}
	if v.s == nil {
		return g.sendToSignIn(v)
	}
	if route.Who == PlantOnly && !v.actor.Plant {
		return &policy.Refusal{Rule: "plant-only", Say: "Only people of the plant may see or do this. Ask your contact there.",
			Why: fmt.Sprintf("%s of %s asked for %s", v.actor.Person, v.actor.Firm, v.r.URL.Path)}
	}
	if v.r.Method == http.MethodPost {
		if err := v.r.ParseForm(); err != nil {
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				return err
			}
			return badCall{fmt.Errorf("the form cannot be read: %w", err)}
		}
		if asked, err := g.wantsCode(v, route.Giving); asked || err != nil {
			return err
		}
	}
	return route.do(v)
}

// recognise reads the session, and the person as the roster has them now.
func (g *Pages) recognise(v *visit) error {
	c, err := v.r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	s := g.sessions.find(c.Value, !v.refreshing() && v.r.URL.Path != "/live")
	if s == nil {
		return nil
	}
	a := s.who()
	p, err := g.Roster.Person(v.ctx(), a.Person)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look up who is signed in: %w", err)
	}
	if err != nil || !s.stands(p) {
		g.sessions.end(s)
		return nil
	}
	if err := g.inContract(v.ctx(), p); err != nil {
		if _, over := errors.AsType[*policy.Refusal](err); over {
			g.sessions.end(s)
			return nil
		}
		return err
	}
	a.Roles, a.Name, a.Source = a.Narrow(p.Roles), p.Name, source(v.r) // now, and not where they signed in
	v.s, v.actor, v.name = s, a, p.Name
	return nil
}

// sendToSignIn keeps the way back. A link in a mail or message comes without
// the cookie, which is SameSite=Strict: the page then asks for itself once
// more, from its own site.
func (g *Pages) sendToSignIn(v *visit) error {
	if v.refreshing() || v.r.URL.Path == "/live" {
		http.Error(v.w, "signed out", http.StatusUnauthorized)
		return nil
	}
	if v.r.Method != http.MethodGet {
		view := signInView{Say: "You were signed out meanwhile, so nothing was done. Sign in, look again, then decide.", Next: "/", Service: g.serviceHere(v, "/", false), Line: g.passwordLine(), Passkeys: g.passkeysHere(v)}
		if v.r.URL.Path == "/requests/new" && v.r.ParseForm() == nil {
			view.Say, view.Draft = "You were signed out meanwhile. Sign in: what you have written is kept.", draftFields(v.r.PostForm)
		}
		return g.show(v, http.StatusUnauthorized, "sign-in", "Sign in", view)
	}
	if v.r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return g.show(v, http.StatusOK, "once-more", "One moment", nil)
	}
	http.Redirect(v.w, v.r, "/sign-in?next="+template.URLQueryEscaper(v.r.URL.RequestURI()), http.StatusSeeOther)
	return nil
}

// contentPolicy: everything is ours, nothing inline, framed by nobody.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// playerPolicy lets the terminal of the player run, which is WebAssembly: on its page only.
var playerPolicy = strings.Replace(contentPolicy, "script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'", 1)

// guard bounds the body, recovers, and sets what every page says to the browser.
func (g *Pages) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			e := recover()
			if e == nil {
				return
			}
			if e == http.ErrAbortHandler {
				panic(e)
			}
			g.Slog.Error("a page panicked", "path", r.URL.Path, "panic", e, "stack", string(debug.Stack()))
			http.Error(w, "Something went wrong here.", http.StatusInternalServerError)
		}()
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit(r))
		next.ServeHTTP(w, r)
	})
}

func (g *Pages) render(name string, f frame) ([]byte, error) {
	t, err := g.pages.of(name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", f); err != nil {
		return nil, fmt.Errorf("render page %s: %w", name, err)
	}
	return b.Bytes(), nil
}
