package web

import (
	"cmp"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"penstock/approvals"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/api"
	"penstock/policy"
)

// heldFiles are files that wait, in the API.
func (s *server) heldFiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/windows/{id}/files", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Desk.Files(r.Context(), a, policy.WindowID(r.PathValue("id")))
		return each(list, err, heldJSON)
	}))
	mux.HandleFunc("POST /api/v1/files/{id}/release", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.HeldStep](r)
		if err != nil {
			return nil, err
		}
		sum, err := audit.ParseHash(step.SHA256)
		if err != nil {
			return nil, badCall{err}
		}
		return one(heldJSON)(s.Desk.ReleaseFile(r.Context(), a, r.PathValue("id"), sum))
	}))
	mux.HandleFunc("POST /api/v1/files/{id}/refuse", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.HeldStep](r)
		if err != nil {
			return nil, err
		}
		return one(heldJSON)(s.Desk.RefuseFile(r.Context(), a, r.PathValue("id"), step.Why))
	}))
}

func heldJSON(f approvals.File) api.HeldFile {
	return api.HeldFile{ID: f.ID, Window: string(f.Window), Person: string(f.Person), Asset: string(f.Asset), Account: string(f.Account), Out: f.Out, Path: f.Path, Bytes: f.Bytes,
		SHA256: f.SHA256.String(), State: string(f.State), By: f.By, Why: f.Why, Kind: f.Kind, Scan: f.Scan, At: f.At, Moved: f.Moved}
}

// heldView is a file that waits, or has, as its window shows it.
type heldView struct {
	ID, Name, Where, Size, Says string
	SHA256, Short               string
	At                          stamp
	MayRelease, MayRefuse       bool
	Red                         bool
	Out                         bool // it is taken out of the machine
	Going                       bool // it is on its way, or was taken in part
}

var scanWords = map[string]string{approvals.ScanClean: "the scanner found nothing", approvals.ScanNone: "there is no scanner here", approvals.ScanFound: "the scanner found something"}

// letWords are what is said of files that come in (false), and of those that are taken out.
var letWords = map[bool]struct{ by, next, going, done, said string }{
	false: {"let in by ", ", on its way", "let in, on its way to the machine", "on the machine", "%s is let in. Penstock delivers it now."},
	true:  {"let out by ", "; the vendor takes it when they ask for it again", "let out; it is being taken, or was taken in part", "taken out by the vendor", "%s is let out. The vendor takes it when they ask for it again."},
}

// heldOf are a window's files, those that wait for somebody first.
func (g *Pages) heldOf(v *visit, w approvals.Window, n roll) ([]heldView, error) {
	files, err := g.Desk.Files(v.ctx(), v.actor, w.ID)
	if err != nil {
		return nil, err
	}
	works := w.Firm == v.actor.Firm
	opens := v.actor.Plant && !works && v.opensWindow(w, n)
	var waits, past []heldView
	for _, f := range files {
		a, _ := v.plant.Asset(f.Asset)
		h := heldView{Out: f.Out, ID: f.ID, Name: path.Base(f.Path), Where: path.Dir(f.Path) + " on " + cmp.Or(a.Tag, string(f.Asset)), Size: bytesText(f.Bytes), At: v.at(f.Moved), SHA256: f.SHA256.String(), Short: shortHash(f.SHA256)}
		looked := f.Kind + " by its first bytes; " + scanWords[f.Scan]
		runs := w.State == approvals.WindowOpen || w.State == approvals.WindowPaused || w.State == approvals.WindowEnding
		switch f.State {
		case approvals.FileHeld:
			h.Says = "held, nobody has looked yet: it waits for the scanner" + g.trouble(f)
			h.MayRefuse = v.actor.Plant
		case approvals.FileLooked:
			h.Says = "held: " + looked
			h.MayRelease, h.MayRefuse = opens && runs, v.actor.Plant
		case approvals.FileReleased, approvals.FileDelivering:
			if h.Says = letWords[f.Out].by + by(f.By, n) + letWords[f.Out].next + g.trouble(f); f.State == approvals.FileDelivering {
				h.Says = letWords[f.Out].going + g.trouble(f) // its newest step is Penstock's own
			}
			h.MayRefuse, h.Going = v.actor.Plant, f.State == approvals.FileDelivering
		case approvals.FileDelivered:
			h.Says = letWords[f.Out].done + because(f.Why)
		case approvals.FileRefused:
			h.Says, h.Red = "refused by "+by(f.By, n)+because(f.Why)+begunWords(f), true
		default:
			h.Says = "gone, deleted" + because(f.Why)
		}
		if f.Waits() {
			waits = append(waits, h)
		} else {
			past = append(past, h)
		}
	}
	return append(waits, past...), nil
}

// begunWords say of a file that was refused on its way what may have come through.
func begunWords(f approvals.File) string {
	switch {
	case !f.Begun:
		return ""
	case f.Out:
		return "; they may have part of it: see the files of the session"
	}
	return "; it was on its way: look at the machine whether any of it is there"
}

// filesWaiting are the files of one window that wait for a person, or for the scanner.
type filesWaiting struct {
	Window         string
	Looked, Unseen int
}

func (g *Pages) filesWaiting(v *visit) (all []filesWaiting, err error) {
	files, err := g.Desk.FilesWaiting(v.ctx())
	for _, f := range files {
		if f.State != approvals.FileHeld && f.State != approvals.FileLooked {
			continue
		}
		i := slices.IndexFunc(all, func(w filesWaiting) bool { return w.Window == string(f.Window) })
		if i < 0 {
			all, i = append(all, filesWaiting{Window: string(f.Window)}), len(all)
		}
		if f.State == approvals.FileLooked {
			all[i].Looked++
		} else {
			all[i].Unseen++
		}
	}
	return all, err
}

// scannerLine says that nobody can look into files, and for how long; empty: somebody can.
func (g *Pages) scannerLine(v *visit) string {
	if g.Scanner == nil {
		return ""
	}
	why, since := g.Scanner()
	if why == "" {
		return ""
	}
	return fmt.Sprintf("The scanner has not looked since %s, for %s: %s. Files that wait stay held until it does.", v.at(since).Text(), span(v.now.Sub(since)), why)
}

// trouble is what keeps a file that waits, where something failed.
func (g *Pages) trouble(f approvals.File) string {
	if g.FileTrouble == nil || f.State == approvals.FileLooked {
		return ""
	}
	return because(g.FileTrouble(f.ID))
}

// by: what the broker did has no person's name.
func by(who string, n roll) string {
	if who == "penstock" {
		return "Penstock"
	}
	return n.person(personID(who))
}

func shortHash(h audit.Hash) string {
	s := strings.TrimPrefix(h.String(), "sha256:")
	return s[:min(len(s), 12)]
}

// fileStep lets a file of a window in, or refuses it.
func (g *Pages) fileStep(v *visit) error {
	id, f := v.r.PathValue("id"), v.r.PostForm
	said := ""
	var err error
	if strings.HasSuffix(v.r.URL.Path, "/file-no") {
		_, err = g.Desk.RefuseFile(v.ctx(), v.actor, f.Get("file"), strings.TrimSpace(f.Get("why")))
		said = fmt.Sprintf("%s is refused. It goes no further.", f.Get("file"))
	} else {
		sum, perr := audit.ParseHash(f.Get("sha256"))
		if perr != nil {
			return badCall{perr}
		}
		var let approvals.File
		let, err = g.Desk.ReleaseFile(v.ctx(), v.actor, f.Get("file"), sum)
		said = fmt.Sprintf(letWords[let.Out].said, f.Get("file"))
	}
	if err != nil {
		return err
	}
	return g.done(v, "/windows/"+id, said)
}

func fileMovedWords(b audit.FileMoved) string {
	words := map[string]string{"looked": "looked into " + b.File + ": " + b.Kind + ", " + scanWords[b.Scan], "released": "let " + b.File + " through", "refused": "refused " + b.File,
		"delivering": "hands " + b.File + " on", "delivered": b.File + " is where it was to go", "expired": b.File + " is gone"}
	return cmp.Or(words[b.To], b.File+" "+b.To) + because(b.Why)
}
