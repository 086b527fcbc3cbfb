package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// handoverPage is what one shift hands to the next (pages.md S4).
type handoverPage struct {
	Open  []handoverView
	Offer []choiceText // teams that the reader may hand over
	Due   string       // proposed, by the plant's clock
}

type handoverView struct {
	ID, Team, By, Says string
	Due, Rings, Pauses stamp
	One                []handedLine // to be looked at one by one
	Rest               []handedLine // all look
	Taken              []handedLine
	MayTake, Mine      bool
	Rang, Late         bool
	Left, All          int
	Coming             []WindowLine // agreed, and may be opened in the next shift
}

type handedLine struct {
	WindowLine
	Half []string // transfers that are half done
	By   string   // who took it

	Place string // in an outage: which one, area and crew
}

func (g *Pages) handoverPage(v *visit) error {
	page, err := g.handoverOf(v)
	if err != nil {
		return err
	}
	return g.show(v, http.StatusOK, "handover", "Handover", page)
}

func (g *Pages) handoverOf(v *visit) (handoverPage, error) {
	n, err := g.roll(v.ctx())
	if err != nil {
		return handoverPage{}, err
	}
	all, err := g.Desk.Handovers(v.ctx(), v.actor)
	if err != nil {
		return handoverPage{}, err
	}
	page := handoverPage{Due: v.changesAt().Format("15:04")}
	for _, h := range all {
		view, err := g.handover(v, n, h)
		if err != nil {
			return page, err
		}
		page.Open = append(page.Open, view)
	}
	for _, t := range v.plant.Teams {
		opens := slices.ContainsFunc(v.plant.Zones, func(z policy.Zone) bool { return z.Opener() == t.Name })
		open := slices.ContainsFunc(all, func(h approvals.Handover) bool { return h.Team == t.Name })
		if opens && !open && v.actor.Has(t.Name) {
			page.Offer = append(page.Offer, choiceText{string(t.Name), t.Title})
		}
	}
	return page, nil
}

// changesAt is when a shift most likely changes: the nearest half hour that can
// still be offered.
func (v *visit) changesAt() time.Time {
	due := v.now.In(v.plant.Location()).Round(30 * time.Minute)
	if due.Before(v.now.Add(-evidence.HandoverRings / 2)) {
		due = due.Add(30 * time.Minute)
	}
	return due
}

func (g *Pages) handover(v *visit, n roll, h approvals.Handover) (handoverView, error) {
	rings, pauses := h.Due.Add(evidence.HandoverRings), h.Due.Add(evidence.HandoverPauses)
	out := handoverView{ID: h.ID, Team: v.role(h.Team), By: n.person(h.By), Says: h.Says, Due: v.at(h.Due), Rings: v.at(rings), Pauses: v.at(pauses),
		MayTake: v.actor.Has(h.Team) && v.actor.Person != h.By, Mine: v.actor.Person == h.By, Rang: h.Rang, Late: !v.now.Before(pauses), Left: h.Left(), All: len(h.Items)}
	places, err := g.Desk.InOutages(v.ctx(), v.actor)
	if err != nil {
		return out, err
	}
	for _, item := range h.Items {
		w, err := g.Desk.Window(v.ctx(), v.actor, item.Window)
		if err != nil {
			return out, err
		}
		line := handedLine{WindowLine: g.windowLine(v, w, n), Place: placeWords(places[w.Request])}
		if runs(w) {
			for _, b := range g.Broker.Busy(w.ID) {
				line.Half = append(line.Half, b.What)
			}
		}
		moves := rightsOf(w.Claim.Rights)&^(policy.Look|policy.Copy) != 0
		switch {
		case item.By != "":
			line.By = n.person(item.By)
			out.Taken = append(out.Taken, line)
		case moves || !runs(w) || len(line.Half) > 0 || len(line.Behind) > 0:
			out.One = append(out.One, line)
		default:
			out.Rest = append(out.Rest, line)
		}
	}
	if out.Coming, err = g.comingIn(v, n, h); err != nil {
		return out, err
	}
	for _, list := range [][]handedLine{out.One, out.Rest} {
		slices.SortStableFunc(list, func(a, b handedLine) int { return strings.Compare(a.Place, b.Place) })
	}
	return out, nil
}

// nextShift is how far ahead a handover looks, from the change of shift.
const nextShift = 12 * time.Hour

// comingIn are the windows that are agreed and that this team may have to open in
// its next shift.
func (g *Pages) comingIn(v *visit, n roll, h approvals.Handover) (list []WindowLine, err error) {
	all, err := g.Desk.Windows(v.ctx(), v.actor)
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		c := w.Claim
		if w.State != approvals.WindowAgreed || !c.From.Before(h.Due.Add(nextShift)) || !c.To.After(h.Due) {
			continue
		}
		var assets []policy.AssetName
		for _, t := range c.Assets {
			assets = append(assets, policy.AssetName(t.Asset))
		}
		if q, err := v.plant.Quorum(assets, rightsOf(c.Rights)); err == nil && slices.Contains(q.Openers, h.Team) {
			line := g.windowLine(v, w, n)
			if line.State = "any time to " + v.at(c.To).Text(); c.From.After(v.now) {
				line.State = v.at(c.From).Text()
			}
			list = append(list, line)
		}
	}
	return list, nil
}

// placeWords is where in an outage a window is, so that a list of forty is one by
// area and crew.
func placeWords(p approvals.OutagePlace) string {
	var parts []string
	for _, part := range []string{p.Outage, p.Area, p.Crew} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " · ")
}

// offerHandover is the outgoing shift's.
func (g *Pages) offerHandover(v *visit) error {
	f := v.r.PostForm
	due, err := v.nextClock(f.Get("due"))
	if err != nil {
		return err
	}
	h, err := g.Desk.HandOver(v.ctx(), v.actor, policy.Role(f.Get("team")), due, strings.TrimSpace(f.Get("says")))
	if err != nil {
		return err
	}
	return g.done(v, "/handover", "Offered: "+count(len(h.Items), "window", "windows")+". It is yours until the next shift has taken it.")
}

// nextClock is a time of day by the plant's clock: the one that is nearest, a
// few minutes ago or in the next hours.
func (v *visit) nextClock(s string) (time.Time, error) {
	t, err := time.Parse("15:04", strings.TrimSpace(s))
	if err != nil {
		return time.Time{}, &policy.Refusal{Rule: "bad-time", Say: "Say when the shift changes, such as 06:00."}
	}
	now := v.now.In(v.plant.Location())
	day := now
	switch due := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), 0, 0, now.Location()); {
	case due.Before(now.Add(-12 * time.Hour)):
		day = now.AddDate(0, 0, 1)
	case due.After(now.Add(12 * time.Hour)):
		day = now.AddDate(0, 0, -1)
	}
	return policy.OnClock(day.Year(), day.Month(), day.Day(), t.Hour(), t.Minute(), now.Location())
}

// takeHandover is the incoming shift's: what was ticked, and all the rest by one tick.
func (g *Pages) takeHandover(v *visit) error {
	id, f := v.r.PathValue("id"), v.r.PostForm
	all, err := g.Desk.Handovers(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(h approvals.Handover) bool { return h.ID == id })
	if i < 0 { // a double tap, or somebody was faster
		return g.done(v, "/handover", id+" is taken.")
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view, err := g.handover(v, n, all[i])
	if err != nil {
		return err
	}
	signed, err := g.signedForm(v)
	if err != nil {
		return err
	}
	var h approvals.Handover
	if signed != nil {
		h, err = g.Desk.TakeOverTapped(v.ctx(), v.actor, id, view.ticked(f), *signed)
	} else {
		h, err = g.Desk.TakeOver(v.ctx(), v.actor, id, view.ticked(f))
	}
	if err != nil {
		return err
	}
	said := "Signed: all of it is yours."
	if left := h.Left(); left > 0 {
		said = "Signed. " + count(left, "window is", "windows are") + " not taken yet."
	}
	return g.done(v, "/handover", said)
}
