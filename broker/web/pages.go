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
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/login"
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

// Who may use a page; what exactly they may see and do there is the Desk's,
// the Roster's and the Book's to say.
type Who int

const (
	Anybody   Who = iota
	SignedIn      // the plant's people and vendors' people
	PlantOnly     // the plant's own
	KioskOnly     // an enrolled screen of the control room; no person
)

// Route is one path of the pages.
type Route struct {
	Pattern string // "POST /windows/{id}/open"
	Who     Who
	Giving  string // not empty: it gives something, so it wants a code of the last five minutes; the button's words
	do      func(*visit) error
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
	g.live, g.past, g.boards = newLive(log, g.Desk.Settled), newPast(log), newBoards()
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

// Routes are all paths of the pages, for whoever tests that each is guarded.
func (g *Pages) Routes() []Route { return g.routes }

func (g *Pages) table() []Route {
	return []Route{
		{"GET /static/{file}", Anybody, "", g.static},
		{"GET /sign-in", Anybody, "", g.signInPage},
		{"POST /sign-in", Anybody, "", g.signInPost},
		{"POST /sign-in/passkey/begin", Anybody, "", g.beginPasskeyIn},
		{"POST /sign-in/passkey", Anybody, "", g.passkeyIn},
		{"GET /envelope", Anybody, "", g.envelopePage},
		{"POST /envelope", Anybody, "", g.openEnvelope},
		{"GET /envelopes", PlantOnly, "", g.envelopesPage},
		{"GET /sign-in/service", Anybody, "", g.toService},
		{"GET " + login.ServiceBack, Anybody, "", g.fromService},
		{"POST /people/{id}/link", PlantOnly, "Link the account", doneOnce(g.link)},
		{"POST /sign-out", SignedIn, "", g.signOut},
		{"GET /{$}", SignedIn, "", g.board},
		{"GET /live", SignedIn, "", g.follow},
		{"GET /requests", SignedIn, "", g.requestList},
		{"GET /requests/new", SignedIn, "", g.askPage},
		{"GET /a/{tag}", SignedIn, "", g.byTag},
		{"GET /labels", PlantOnly, "", g.labels},
		{"POST /requests/new", SignedIn, "", g.ask},
		{"POST /requests/call", PlantOnly, "Call them in", g.callIn},
		{"POST /requests/{id}/call", PlantOnly, "Make a new code", g.callAgain},
		{"GET /requests/{id}", SignedIn, "", g.requestPage},
		{"POST /requests/{id}/yes", PlantOnly, "Say yes", g.sayYes},
		{"POST /requests/{id}/yes/draft", PlantOnly, "", g.draftYes},
		{"POST /requests/{id}/not-now", PlantOnly, "", g.notNow},
		{"POST /requests/{id}/tell", SignedIn, "", g.tell},
		{"POST /requests/{id}/priority", PlantOnly, "", g.prioritise},
		{"POST /requests/{id}/withdraw", SignedIn, "", g.withdraw},
		{"GET /requests/{id}/receipts", SignedIn, "", g.receiptFile},
		{"GET /windows/{id}", SignedIn, "", g.windowPage},
		{"GET /windows/{id}/receipts", SignedIn, "", g.receiptFile},
		{"POST /windows/{id}/open", PlantOnly, "Open", g.windowStep},
		{"POST /windows/{id}/open/draft", PlantOnly, "", g.draftTap},
		{"POST /windows/{id}/extend", PlantOnly, "Extend", g.windowStep},
		{"POST /windows/{id}/extend/draft", PlantOnly, "", g.draftLater},
		{"POST /windows/{id}/step-up", PlantOnly, "Give the second tap", g.windowStep},
		{"POST /windows/{id}/step-up/draft", PlantOnly, "", g.draftStep},
		{"POST /windows/{id}/go-on", PlantOnly, "Let it go on", g.windowStep},
		{"POST /windows/{id}/go-on/draft", PlantOnly, "", g.draftTap},
		{"POST /windows/{id}/pause", PlantOnly, "", g.windowStep},
		{"POST /windows/{id}/narrow", PlantOnly, "", g.windowStep},
		{"POST /windows/{id}/cut", PlantOnly, "", g.windowStep},
		{"POST /windows/{id}/file", PlantOnly, "Let it in", g.fileStep},
		{"POST /windows/{id}/file-no", PlantOnly, "", g.fileStep},
		{"POST /windows/{id}/gate", PlantOnly, "Say it", g.gateStep},
		{"POST /windows/{id}/gate-back", PlantOnly, "", g.gateStep},
		{"POST /windows/{id}/escort", PlantOnly, "Be the escort", g.escortStep},
		{"POST /windows/{id}/here", PlantOnly, "", g.escortStep},
		{"GET /handover", PlantOnly, "", g.handoverPage},
		{"POST /handover", PlantOnly, "", g.offerHandover},
		{"POST /handover/{id}/yes", PlantOnly, "Sign", g.takeHandover},
		{"POST /handover/{id}/yes/draft", PlantOnly, "", g.draftTaking},
		{"POST /gates/{gate}", PlantOnly, "Say that it runs", g.outageStep},
		{"POST /gates/{gate}/over", PlantOnly, "", g.outageStep},
		{"POST /windows/{id}/end", SignedIn, "", g.windowStep},
		{"POST /windows/{id}/hand-back", SignedIn, "", g.windowStep},
		{"POST /windows/{id}/accept", PlantOnly, "", g.windowStep},
		{"POST /windows/{id}/evidence", PlantOnly, "", g.evidencePage},
		{"GET /windows/{id}/watch", PlantOnly, "", g.windowWatch},
		{"GET /sessions/{id}/watch", PlantOnly, "", g.watchPage},
		{"GET /sessions/{id}/watch/stream", PlantOnly, "", g.watchStream},
		{"GET /blocks", PlantOnly, "", g.blockPage},
		{"POST /blocks", PlantOnly, "", doneOnce(g.block)},
		{"GET /blocks/{id}/receipts", PlantOnly, "", g.receiptFile},
		{"POST /blocks/{id}/lift", PlantOnly, "Lift the block", doneOnce(g.lift)},
		{"POST /blocks/{id}/yes/draft", PlantOnly, "", g.draftLift},
		{"POST /blocks/{id}/yes", PlantOnly, "Lift the island", doneOnce(g.liftIsland)},
		{"GET /kiosk", KioskOnly, "", g.kioskPage},
		{"GET /kiosk/requests/{id}", KioskOnly, "", g.kioskRequest},
		{"GET /kiosk/windows/{id}", KioskOnly, "", g.kioskWindowPage},
		{"GET /kiosk/handovers/{id}", KioskOnly, "", g.kioskHandoverPage},
		{"GET /kiosk/block", KioskOnly, "", g.kioskBlock},
		{"POST /kiosk/tap/{verb}/draft", KioskOnly, "", g.kioskDraft},
		{"POST /kiosk/tap/{verb}", KioskOnly, "", g.kioskTap},
		{"POST /kiosk/{verb}", KioskOnly, "", g.kioskTakes},
		{"GET /kiosks", PlantOnly, "", g.kiosksPage},
		{"POST /kiosks", PlantOnly, "Enrol it", doneOnce(g.enrolKiosk)},
		{"POST /kiosks/{id}/revoke", PlantOnly, "", g.revokeKiosk},
		{"GET /outages", PlantOnly, "", g.outagesPage},
		{"POST /outages/plan", PlantOnly, "", g.planOutage},
		{"POST /outages", PlantOnly, "", doneOnce(g.proposeOutage)},
		{"GET /outages/{id}", PlantOnly, "", g.outagePage},
		{"POST /outages/{id}/yes/draft", PlantOnly, "", g.draftList},
		{"POST /outages/{id}/yes", PlantOnly, "Sign the list", g.signList},
		{"POST /outages/{id}/rows", PlantOnly, "", g.putOnList},
		{"POST /outages/{id}/open", PlantOnly, "Open the windows of the crew", g.openCrew},
		{"POST /outages/{id}/withdraw", PlantOnly, "", g.withdrawOutage},
		{"GET /island", PlantOnly, "", g.islandPage},
		{"POST /island", PlantOnly, "", doneOnce(g.island)},
		{"GET /people", PlantOnly, "", g.peoplePage},
		{"GET /ports", PlantOnly, "", g.portsPage},
		{"GET /agents", PlantOnly, "", g.agentsPage},
		{"POST /agents/{zone}/invite", PlantOnly, "Invite an agent", doneOnce(g.agentInvite)},
		{"POST /agents/{zone}/confirm", PlantOnly, "Confirm the agent", doneOnce(g.agentConfirm)},
		{"POST /agents/{zone}/remove", PlantOnly, "", doneOnce(g.agentRemove)},
		{"GET /people/{id}", PlantOnly, "", g.personPage},
		{"POST /people/{id}/training", PlantOnly, "Write the training", doneOnce(g.train)},
		{"GET /firms/{id}", PlantOnly, "", g.firmPage},
		{"POST /firms/{id}/terms", PlantOnly, "Write the terms", doneOnce(g.setTerms)},
		{"GET /access", PlantOnly, "", g.accessPage},
		{"GET /access/{kind}/{id}", PlantOnly, "", g.accessListPage},
		{"POST /access/{kind}/{id}/begin", PlantOnly, "", doneOnce(g.beginAccess)},
		{"POST /access/{kind}/{id}/sign", PlantOnly, "Sign the review", doneOnce(g.signAccess)},
		{"GET /terms", SignedIn, "", g.termsPage},
		{"POST /terms", SignedIn, "", g.acceptTerms},
		{"GET /firms/{id}/end", PlantOnly, "", g.firmEndPage},
		{"POST /firms/{id}/end", PlantOnly, "", doneOnce(g.firmEnd)},
		{"POST /people/invite", PlantOnly, "Invite", doneOnce(g.invite)},
		{"POST /people/{id}/confirm", PlantOnly, "Confirm the key", doneOnce(g.confirm)},
		{"POST /people/{id}/phone", PlantOnly, "Write the number", doneOnce(g.phone)},
		{"POST /people/{id}/mail", PlantOnly, "Write the address", doneOnce(g.mail)},
		{"POST /people/{id}/disable", PlantOnly, "", doneOnce(g.disable)},
		{"GET /roster", PlantOnly, "", g.rosterPage},
		{"POST /roster/{team}/turns", PlantOnly, "Write the roster", g.addTurn},
		{"POST /roster/{team}/drop", PlantOnly, "Take the turn out", g.dropTurn},
		{"POST /roster/{team}/calendar", PlantOnly, "", g.readCalendar},
		{"POST /roster/{team}/calendar/write", PlantOnly, "Write the roster", g.writeCalendar},
		{"POST /roster/{team}/off", PlantOnly, "Keep no roster", g.noRoster},
		{"POST /roster/deputies", PlantOnly, "Let them stand in", g.lend},
		{"POST /roster/deputies/end", PlantOnly, "", g.takeBack},
		{"POST /people/{id}/vouch/draft", PlantOnly, "", g.draftVouch},
		{"POST /people/{id}/vouch", PlantOnly, "", g.vouch},
		{"POST /people/{id}/remove-key", PlantOnly, "", g.removeKey},
		{"GET /keys", PlantOnly, "", g.keysPage},
		{"POST /keys/new", PlantOnly, "Add a passkey", g.newPasskey},
		{"POST /keys", PlantOnly, "Add a passkey", g.enrolPasskey},
		{"GET /assets", PlantOnly, "", g.assetsPage},
		{"GET /assets/{id}", PlantOnly, "", g.assetPage},
		{"POST /assets/{id}/backup", PlantOnly, "Say that it is backed up", doneOnce(g.backedUp)},
		{"GET /measures", PlantOnly, "", g.measuresPage},
		{"POST /measures/baseline", PlantOnly, "Enter it", doneOnce(g.enterBaseline)},
		{"POST /measures/minutes", PlantOnly, "Enter them", doneOnce(g.enterMinutes)},
		{"GET /debt", PlantOnly, "", g.debtPage},
		{"POST /requests/{id}/spoken/yes/draft", PlantOnly, "", g.draftSpoken},
		{"POST /requests/{id}/spoken/yes", PlantOnly, "Write the yes down", g.saySpoken},
		{"GET /spoken", PlantOnly, "", g.spokenPage},
		{"POST /spoken/{id}/yes/draft", PlantOnly, "", g.draftCountersign},
		{"POST /spoken/{id}/yes", PlantOnly, "Sign it", g.countersign},
		{"POST /spoken/{id}/clear", PlantOnly, "Let it stand", g.clearSpoken},
		{"GET /standing", SignedIn, "", g.standingPage},
		{"POST /standing/new", SignedIn, "Ask", g.askStanding},
		{"GET /patterns", SignedIn, "", g.patternsPage},
		{"GET /patterns/new", PlantOnly, "", g.proposePage},
		{"POST /patterns/new", PlantOnly, "", doneOnce(g.propose)},
		{"GET /patterns/{id}", SignedIn, "", g.patternPage},
		{"POST /patterns/{id}/yes/draft", PlantOnly, "", g.drafts(g.Desk.DraftPattern)},
		{"POST /patterns/{id}/yes", PlantOnly, "Say yes", g.sayPattern},
		{"POST /patterns/{id}/no", PlantOnly, "", g.sayPattern},
		{"POST /patterns/{id}/withdraw", PlantOnly, "", g.withdrawPattern},
		{"POST /windows/{id}/doubt", PlantOnly, "", g.doubt},
		{"GET /targets", PlantOnly, "", g.targetsPage},
		{"POST /targets/{asset}/key/accept", PlantOnly, "Accept the key", g.keyWord},
		{"POST /targets/{asset}/key/confirm", PlantOnly, "Confirm the key", g.keyWord},
		{"POST /targets/{asset}/key/clear", PlantOnly, "Keep the pinned key", g.keyWord},
		{"GET /plant", PlantOnly, "", g.plantPage},
		{"GET /plant/{id}", PlantOnly, "", g.changePage},
		{"POST /plant/{id}/yes/draft", PlantOnly, "", g.drafts(g.Desk.DraftPlant)},
		{"POST /plant/{id}/yes", PlantOnly, "Say yes", g.sayPlant},
		{"POST /plant/{id}/no", PlantOnly, "", g.sayPlant},
		{"POST /plant/{id}/apply", PlantOnly, "Put in force", g.stepPlant},
		{"POST /plant/{id}/confirm", PlantOnly, "Keep it", g.stepPlant},
		{"POST /plant/{id}/back", PlantOnly, "", g.stepPlant},
		{"POST /plant/{id}/withdraw", PlantOnly, "", g.stepPlant},
		{"GET /import/firms", PlantOnly, "", g.importPage},
		{"POST /import/firms/plan", PlantOnly, "", g.readImport},
		{"POST /import/firms", PlantOnly, "Write it", doneOnce(g.writeImport)},
		{"POST /firms", PlantOnly, "Write the firm", doneOnce(g.firm)},
		{"GET /recordings", PlantOnly, "", g.recordingList},
		{"GET /search", PlantOnly, "", g.searchPage},
		{"GET /recordings/{id}", PlantOnly, "", g.recordingPage},
		{"GET /recordings/{id}/play", PlantOnly, "", g.playPage},
		{"GET /recordings/{id}/operations", PlantOnly, "", g.operationsList},
		{"GET /recordings/{id}/playing", PlantOnly, "", g.playBegin},
		{"GET /recordings/{id}/playing/{n}", PlantOnly, "", g.playOn},
		{"GET /recordings/{id}/keys", PlantOnly, "", g.keyFile},
		{"POST /recordings/{id}/unseal", PlantOnly, "", g.unseal},
		{"POST /recordings/{id}/seal", PlantOnly, "", g.sealAgain},
		{"GET /recordings/{id}/export", PlantOnly, "", g.exportPage},
		{"GET /recordings/{id}/proof", PlantOnly, "", g.proof},
		{"POST /recordings/{id}/verdict", PlantOnly, "Sign the verdict", g.verdict},
		{"POST /recordings/{id}/threads/{n}", PlantOnly, "", g.reply},
		{"POST /recordings/{id}/notes", PlantOnly, "", g.note},
		{"POST /recordings/{id}/delete", PlantOnly, "Delete the recording", g.deleteRecording},
		{"GET /reviews", PlantOnly, "", g.reviewsPage},
		{"GET /reviews/expiry", PlantOnly, "", g.expiryPage},
		{"POST /reviews/expiry", PlantOnly, "Let them go", g.expireNow},
		{"POST /holds", PlantOnly, "", g.setHold},
		{"POST /holds/{id}/lift", PlantOnly, "Lift the hold", g.liftHold},
		{"GET /log", PlantOnly, "", g.logPage},
		{"GET /log/checkpoint", PlantOnly, "", g.checkpoint},
		{"POST /log/checkpoint", PlantOnly, "", g.takenByPage},
	}
}

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
		return &policy.Refusal{Rule: "plant-only", Say: "Only people of the plant may see or do this.",
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
	a.Roles, a.Source = a.Narrow(p.Roles), source(v.r) // now, and not where they signed in
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

// failPage is the one place where an error becomes a page with words.
func (g *Pages) failPage(v *visit, err error) {
	p := problem(err)
	switch {
	case p.Status >= 500 && p.Status != http.StatusInsufficientStorage:
		p.Reference = reference()
		p.Detail = "Something went wrong here. Tell OT security this reference: " + p.Reference
		g.Slog.Error("a page failed", "method", v.r.Method, "path", v.r.URL.Path, "reference", p.Reference, "err", err)
	case p.Rule != "":
		g.Slog.Info("a page was refused", "method", v.r.Method, "path", v.r.URL.Path, "rule", p.Rule, "err", err)
	}
	back := "/"
	if v.r.Method == http.MethodPost {
		back = backTo(v.r.URL.Path)
	}
	title := "Not done"
	if v.r.Method == http.MethodGet {
		title = "Not shown"
	}
	if err := g.show(v, p.Status, "problem", title, problemView{Say: p.Detail, Back: back}); err != nil {
		g.Slog.Error("the page of a problem failed", "err", err)
		http.Error(v.w, p.Title, p.Status)
	}
}

type problemView struct{ Say, Back string }

// backTo is the page on which a button was.
func backTo(p string) string {
	parts := strings.Split(strings.Trim(p, "/"), "/")
	switch {
	case len(parts) >= 2 && (parts[0] == "requests" || parts[0] == "windows" || parts[0] == "recordings" || parts[0] == "plant" || parts[0] == "patterns" || parts[0] == "outages" && parts[1] != "plan"):
		return "/" + parts[0] + "/" + parts[1]
	case len(parts) == 3 && (parts[0] == "people" && (parts[2] == "disable" || parts[2] == "training" || parts[2] == "link") || parts[0] == "firms"):
		return "/" + parts[0] + "/" + parts[1]
	case len(parts) == 4 && parts[0] == "access":
		return "/access/" + parts[1] + "/" + parts[2]
	case parts[0] == "terms":
		return "/terms"
	case parts[0] == "import":
		return "/import/firms"
	case parts[0] == "people" || parts[0] == "firms":
		return "/people"
	case parts[0] == "keys" || parts[0] == "agents":
		return "/" + parts[0]
	case parts[0] == "blocks" || parts[0] == "roster" || parts[0] == "kiosks" || parts[0] == "kiosk":
		return "/" + parts[0]
	case parts[0] == "outages":
		return "/outages"
	case parts[0] == "handover" || parts[0] == "spoken":
		return "/" + parts[0]
	case parts[0] == "holds" || parts[0] == "reviews":
		return "/reviews"
	}
	return "/"
}

// frame is what stands around every page.
type frame struct {
	Title, Site, Colour, Zone, Room string
	Now                             stamp
	Name                            string // of who is signed in; empty: nobody
	Plant                           bool
	CodeUntil                       stamp // a code given is good until then
	Said                            string
	Receipt                         string // of what was said: a path
	Down                            string // why nobody is let in
	Path                            string
	Live                            bool   // the page follows what happens
	Every                           int    // seconds after which it asks for itself again, where nobody is signed in
	Home                            string // of a screen: where it goes back to by itself, and what its name leads to
	Since                           audit.Index
	Page                            any
}

// livePages ask for news when something happens.
var livePages = map[string]bool{"board": true, "request": true, "window": true, "handover": true, "watch": true, "outage": true}

// show renders to a buffer first: a page is whole or it is an error.
func (g *Pages) show(v *visit, status int, name, title string, page any) error {
	f := g.frameOf(v, name, title, page)
	if v.s != nil && !v.refreshing() {
		f.Said, f.Receipt = v.s.takeFlash()
	}
	b, err := g.render(name, f)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b) // the reader may be gone
	return nil
}

// frameOf is a page with what stands around it.
func (g *Pages) frameOf(v *visit, name, title string, page any) frame {
	f := frame{Title: title, Site: v.plant.Site.Name, Colour: v.plant.Site.Colour, Room: v.plant.Site.ControlRoom,
		Zone: v.plant.Site.Timezone, Now: v.at(v.now), Path: v.r.URL.Path, Since: v.since, Page: page}
	if kioskPath(v.r.URL.Path) {
		if f.Home = "/kiosk"; name != "kiosk-block" && name != "problem" && v.r.Method == http.MethodGet {
			f.Every = 3
		}
		if err := g.Broker.Ready(); err != nil {
			f.Down = say(err)
		}
	}
	if v.s != nil {
		f.Name, f.Plant, f.Live = v.name, v.actor.Plant, livePages[name]
		if v.hasCode() {
			f.CodeUntil = v.at(v.actor.At.Add(codeGood))
		}
		if err := g.Broker.Ready(); err != nil {
			f.Down = say(err)
		}
	}
	return f
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

// static serves the style sheet, the script and the icon.
func (g *Pages) static(v *visit) error {
	name := v.r.PathValue("file")
	types := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	kind, ok := types[path.Ext(name)]
	if !ok {
		return fmt.Errorf("static file %.40q: %w", name, fs.ErrNotExist)
	}
	b, err := staticFiles.ReadFile("static/" + name)
	if err != nil {
		return fmt.Errorf("static file: %w", err)
	}
	h := v.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "max-age=300")
	_, _ = v.w.Write(b) // the reader may be gone
	return nil
}

// done says what happened on the page that comes next.
func (g *Pages) done(v *visit, to, said string) error {
	about := ""
	if parts := strings.Split(strings.Trim(to, "/"), "/"); len(parts) == 2 && (parts[0] == "requests" || parts[0] == "windows") {
		about = to
	}
	return g.doneAbout(v, to, about, said)
}

// doneAbout says it with the receipt: about is the path of a request, a window or
// a block that the reader has just changed, or empty.
func (g *Pages) doneAbout(v *visit, to, about, said string) error {
	receipt := ""
	if has, err := g.receipted(v, path.Base(about)); err == nil && has && about != "" { // without one it is done all the same
		receipt = about + "/receipts"
	}
	v.s.setFlashes(said, receipt)
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// say is an error in words for the person; what is no refusal has none of its own.
func say(err error) string {
	if r, ok := errors.AsType[*policy.Refusal](err); ok {
		return r.Say
	}
	if errors.Is(err, approvals.ErrConflict) {
		return "Somebody else changed this in the same moment. Look again, then decide."
	}
	return "Something is wrong with the broker. Call whoever runs it."
}
