package web

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"rsc.io/qr"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// labelView is one label to be stuck on a machine: it leads to the form with the
// machine filled in, and carries no power.
type labelView struct {
	Tag, Title, Link string
	Size             int    // modules a side, with the quiet zone
	path             string // of the dark modules
}

// Path draws the dark modules in SVG.
func (l labelView) Path() string { return l.path }

// quiet is the margin that a QR code needs, in modules (ISO/IEC 18004).
const quiet = 4

// byTag leads from what is painted on a machine to asking for it there.
func (g *Pages) byTag(v *visit) error {
	tag := v.r.PathValue("tag")
	for i := range v.plant.Assets {
		if a := &v.plant.Assets[i]; strings.EqualFold(a.Tag, tag) {
			http.Redirect(v.w, v.r, "/requests/new?asset="+url.QueryEscape(string(a.Name)), http.StatusSeeOther)
			return nil
		}
	}
	return fmt.Errorf("tag %.40q: %w", tag, fs.ErrNotExist)
}

// labels is the sheet to print: of one asset, or of all that have a tag.
func (g *Pages) labels(v *visit) error {
	origin := cmp.Or(v.plant.Site.Origin, "https://"+v.r.Host)
	one := policy.AssetName(v.r.URL.Query().Get("asset"))
	var all []labelView
	for i := range v.plant.Assets {
		a := &v.plant.Assets[i]
		if a.Tag == "" || one != "" && a.Name != one {
			continue
		}
		l, err := label(a.Tag, cmp.Or(a.Title, string(a.Name)), origin)
		if err != nil {
			return fmt.Errorf("label of %s: %w", a.Name, err)
		}
		all = append(all, l)
	}
	if one != "" && len(all) == 0 {
		return fmt.Errorf("asset %.40q: %w", one, fs.ErrNotExist)
	}
	return g.show(v, http.StatusOK, "labels", "Labels", all)
}

// label draws the code of one machine. Level M still reads with 15 % of it scratched.
func label(tag, title, origin string) (labelView, error) {
	l := labelView{Tag: tag, Title: title, Link: origin + "/a/" + url.PathEscape(tag)}
	code, err := qr.Encode(l.Link, qr.M)
	if err != nil {
		return l, err
	}
	l.Size = code.Size + 2*quiet
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	l.path = path.String()
	return l, nil
}

// mostBefore is how many past windows a page shows.
const mostBefore = 3

// pastView is a window that was: why it was asked for, and what they did, in their
// own words of then.
type pastView struct {
	ID, Firm, Cause, Fix string
	At                   stamp
}

// lastTime are the newest past windows on any of these machines that the viewer
// may see, each with why it was asked for and what was handed back.
func (g *Pages) lastTime(v *visit, all []approvals.Window, on []evidence.Target, not policy.WindowID, n roll) (past []pastView) {
	for _, w := range all {
		if len(past) == mostBefore {
			break
		}
		if w.ID == not || w.Opened.IsZero() || w.HandBack == "" || !sameMachine(w.Claim.Assets, on) {
			continue
		}
		cause := "cannot be read" // what was once must not keep anybody from answering now
		if q, err := g.Desk.Request(v.ctx(), v.actor, w.Request); err == nil && policy.WindowID(q.Window) == w.ID {
			cause = q.Document.Reason
		}
		past = append(past, pastView{string(w.ID), n.firm(w.Firm), cause, w.HandBack, v.at(w.Opened)})
	}
	return past
}

func sameMachine(a, b []evidence.Target) bool {
	return slices.ContainsFunc(a, func(t evidence.Target) bool {
		return slices.ContainsFunc(b, func(x evidence.Target) bool { return x.Asset == t.Asset })
	})
}
