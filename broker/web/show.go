package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"penstock/approvals"
	"penstock/audit"
	"penstock/policy"
)

// failPage is the one place where an error becomes a page with words.
func (g *Pages) failPage(v *visit, err error) {
	p := problem(err)
	p.Detail = policy.Typed(p.Detail, g.sshLine("desk"))
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

// backTo is the page on which a button was: the board, where no other is said.
func backTo(p string) string {
	parts := strings.Split(strings.Trim(p, "/"), "/")
	own := "/" + strings.Join(parts[:min(len(parts), 2)], "/")
	switch parts[0] {
	case "requests":
		if own == "/requests/call" { // a button of the form
			return "/requests/new"
		}
		return own
	case "windows", "recordings", "plant", "patterns", "assets", "reviews":
		return own
	case "outages":
		if own == "/outages/plan" {
			return "/outages"
		}
		return own
	case "people":
		if len(parts) == 3 && slices.Contains([]string{"disable", "training", "link"}, parts[2]) {
			return own
		}
		return "/people"
	case "firms":
		if len(parts) == 3 {
			return own
		}
		return "/people"
	case "access":
		return "/" + strings.Join(parts[:min(len(parts), 3)], "/")
	case "import":
		return "/import/firms"
	case "holds":
		return "/reviews"
	case "terms", "keys", "agents", "secrets", "targets", "standing", "measures", "log", "envelope", "blocks", "roster", "kiosks", "kiosk", "handover", "spoken":
		return "/" + parts[0]
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
