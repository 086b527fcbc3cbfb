package web

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/audit"
	"penstock/broker/api"
)

// leftView is something that is still left behind in a machine (pages.md S4).
type leftView struct {
	Window, What, By, DueBy string
	N                       int
	At, Due                 stamp
	Late                    bool
	May                     bool // the reader may say by when, and that it is gone
}

// behind is what of a window's work is still there.
func (v *visit) behind(w approvals.Window, n roll) (all []leftView) {
	for _, l := range w.Left {
		if l.GoneBy == "" {
			all = append(all, leftView{string(w.ID), l.What, n.person(l.By), n.person(l.DueBy), l.N, v.at(l.At), v.at(l.Due), l.Late(v.now), v.holdsTo(w)})
		}
	}
	return all
}

// holdsTo: of the plant, and neither worked in the window nor of its firm.
func (v *visit) holdsTo(w approvals.Window) bool {
	return v.takes() && w.Firm != v.actor.Firm && !slices.Contains(w.Claim.People, string(v.actor.Person))
}

func stillLeft(w approvals.Window) bool {
	return slices.ContainsFunc(w.Left, func(l approvals.Left) bool { return l.GoneBy == "" })
}

// LeftLate says that something of it was to be gone by now.
func (l WindowLine) LeftLate() bool {
	return slices.ContainsFunc(l.Behind, func(b leftView) bool { return b.Late })
}

// leftBack are the pages that words about what is left behind lead back to.
var leftBack = regexp.MustCompile(`^/(handover|windows/W-[0-9]{1,18})$`)

func (v *visit) leftTo() string {
	return cmp.Or(leftBack.FindString(v.r.PostForm.Get("back")), "/windows/"+v.r.PathValue("id"))
}

// noteLeft notes something that work left behind.
func (g *Pages) noteLeft(v *visit) error {
	var due time.Time
	if s := v.r.PostForm.Get("due"); s != "" {
		var err error
		if due, err = v.localTime(s); err != nil {
			return err
		}
	}
	if _, err := g.Desk.NoteLeft(v.ctx(), v.actor, windowID(v.r.PathValue("id")), strings.TrimSpace(v.r.PostForm.Get("what")), due); err != nil {
		return err
	}
	return g.done(v, v.leftTo(), "Noted. The window is closed once it is gone.")
}

// leftStep is the plant's word on something that was left behind.
func (g *Pages) leftStep(v *visit) error {
	id := windowID(v.r.PathValue("id"))
	n, err := strconv.Atoi(v.r.PathValue("n"))
	if err != nil {
		return badCall{fmt.Errorf("%.20q is no number", v.r.PathValue("n"))}
	}
	if strings.HasSuffix(v.r.URL.Path, "/gone") {
		_, err := g.Desk.LeftGone(v.ctx(), v.actor, id, n)
		if refusalOf(err) == "gone" { // a double tap, or somebody was faster
			err = nil
		}
		if err != nil {
			return err
		}
		return g.done(v, v.leftTo(), "It is gone, by your word.")
	}
	due, err := v.localTime(v.r.PostForm.Get("due"))
	if err != nil {
		return err
	}
	if _, err := g.Desk.LeftBy(v.ctx(), v.actor, id, n, due); err != nil {
		return err
	}
	return g.done(v, v.leftTo(), "It must be gone by "+v.at(due).Text()+". If it is not, you and the shift are rung.")
}

func (v *visit) leftWords(body audit.Body) (does, class string) {
	by := func(due time.Time) string {
		if due.IsZero() {
			return ""
		}
		return ", must be gone by " + v.at(due).Text()
	}
	switch b := body.(type) {
	case audit.LeftNoted:
		return fmt.Sprintf("left behind (%d)%s", b.N, by(b.Due)), "refused"
	case audit.LeftDue:
		return fmt.Sprintf("left behind (%d)%s", b.N, by(b.Due)), "moved"
	case audit.LeftRang:
		return fmt.Sprintf("left behind (%d), not gone by %s: %s rung", b.N, v.at(b.Due).Text(), count(len(b.People), "person", "people")), "refused"
	case audit.LeftGone:
		return fmt.Sprintf("left behind (%d) is gone", b.N), "moved"
	}
	return "", ""
}

func leftJSON(all []approvals.Left) (out []api.Left) {
	for _, l := range all {
		out = append(out, api.Left{N: l.N, What: l.What, By: string(l.By), At: l.At, Due: l.Due, DueBy: string(l.DueBy), Rang: l.Rang, Gone: l.Gone, GoneBy: string(l.GoneBy)})
	}
	return out
}

// behindForms are the forms of what is left behind in some windows, and where they
// lead back to. They stand after the list, which may stand in another form.
type behindForms struct {
	Back  string
	Lines []WindowLine
}

func (w windowView) BehindForms() behindForms {
	return behindForms{"/windows/" + w.ID, []WindowLine{w.WindowLine}}
}

// Behind are the forms of what the windows of a handover left behind.
func (h handoverView) Behind() behindForms {
	out := behindForms{Back: "/handover"}
	for _, line := range h.One {
		out.Lines = append(out.Lines, line.WindowLine)
	}
	return out
}
