package web

import (
	"cmp"
	"slices"
	"strings"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// WindowLine is one window on a list. May says what the reader may do with it.
type WindowLine struct {
	ID, Request, Firm, What, Rights, State, Word string
	Who                                          []string
	Machines                                     []string // by tag
	Screen                                       bool     // it stands on a page of the control room's screen
	Until                                        stamp
	May                                          stepsAllowed
	Emergency                                    bool
	Laptop                                       string   // of work on site
	Jack                                         string   // of work on site through a service jack: laptop and jack
	Except                                       bool     // an exception from calendars and lengths
	Probe                                        bool     // it only tries the way
	Call                                         *call    // for the plant's people, where a number is known
	Lacks                                        []string // what it waits for: gates, an escort; for the plant's people
	Escort                                       string   // who watches, or "you"
	Behind                                       []leftView
	TapBy                                        *stamp // the reader is the escort, and says so by then
}

// stepsAllowed are the buttons that would work for the reader.
type stepsAllowed struct{ Open, Extend, Pause, GoOn, End, Cut, HandBack, Accept, Watch, Narrow, Step, Note, PauseAfter bool }

func (g *Pages) windowLine(v *visit, w approvals.Window, n roll) WindowLine {
	c := w.Claim
	var machines []string
	for _, t := range v.targets(c.Assets) {
		machines = append(machines, cmp.Or(t.Tag, t.Asset))
	}
	return WindowLine{Machines: machines, ID: string(w.ID), Request: string(w.Request), Firm: n.firm(w.Firm), What: titles(v.targets(c.Assets)),
		Rights: rightsOf(c.Rights).InWords(), State: v.windowState(w, n), Word: string(w.State), Who: n.list(c.People), Until: v.at(w.Until), May: v.may(w, n), Call: v.call(n, c.People), Emergency: w.Emergency, Laptop: laptopAt(c), Jack: v.jackWords(c.Laptop, c.Jack), Probe: c.Probe, Except: c.Exception, Behind: v.behind(w, n)}
}

// may is which buttons would work; the Desk decides again at the tap.
func (v *visit) may(w approvals.Window, n roll) (m stepsAllowed) {
	works := slices.Contains(w.Claim.People, string(v.actor.Person)) && w.Firm == v.actor.Firm
	runs := w.State == approvals.WindowOpen || w.State == approvals.WindowPaused
	over := w.State == approvals.WindowEnded || w.State == approvals.WindowCut
	takes := v.takes()
	opens := v.opensWindow(w, n) && w.Firm != v.actor.Firm && !works
	m.Open = opens && w.State == approvals.WindowAgreed && (w.Call == nil || w.Call.Here != "") && !v.now.Before(w.Claim.From) && v.now.Before(w.Claim.To)
	m.Extend = opens && runs && w.Until.Before(w.Claim.To)
	m.Step = opens && runs && len(w.MayStep) > 0
	m.GoOn = opens && w.State == approvals.WindowPaused
	m.Pause = takes && w.State == approvals.WindowOpen && !w.Claim.OnSite() // Penstock holds no laptop
	m.PauseAfter = m.Pause && w.Pausing == ""
	m.Narrow = takes && runs && rightsOf(w.Claim.Rights) != policy.Look && !w.Claim.OnSite() && v.narrows(w.Claim.Assets)
	m.End = (takes || works) && runs
	m.Cut = takes && (runs || w.State == approvals.WindowAgreed || w.State == approvals.WindowEnding)
	m.Watch = !w.Claim.OnSite() && v.mayWatch(w) && (runs || w.State == approvals.WindowEnding)
	m.Note = (runs || over || w.State == approvals.WindowEnding) && (takes && w.Firm != v.actor.Firm && !works || !v.actor.Plant && w.Firm == v.actor.Firm)
	m.HandBack = over && w.HandBack == "" && w.Claim.HandsBack() && w.Firm == v.actor.Firm
	m.Accept = takes && over && !stillLeft(w) && (w.HandBack != "" || !w.Claim.HandsBack() || w.State == approvals.WindowCut)
	return m
}

// narrows says whether "look only" means anything: where nobody stops what is
// sent by a port without logins, only a pause does.
func (v *visit) narrows(assets []evidence.Target) bool {
	return slices.ContainsFunc(v.targets(assets), func(t targetView) bool { return t.Account != "" || t.Enforced != policy.ByNobody })
}

// takes says whether the reader may pause, end, cut and block (the Desk's mayTake).
func (v *visit) takes() bool {
	if !v.actor.Plant {
		return false
	}
	if v.actor.Has("ot-security") {
		return true
	}
	return slices.ContainsFunc(v.plant.Zones, func(z policy.Zone) bool {
		return v.actor.Has(z.Owner) || z.Shift != "" && v.actor.Has(z.Shift)
	})
}

func titles(targets []targetView) string {
	var out []string
	for _, t := range targets {
		if !slices.Contains(out, t.Title) {
			out = append(out, t.Title)
		}
	}
	return strings.Join(out, ", ")
}

// needing is a window's line with what it waits for.
func (v *visit) needing(line WindowLine, c approvals.Conditions, n roll) WindowLine {
	for _, g := range c.Gates {
		if !g.Holds() {
			line.Lacks = append(line.Lacks, g.Gate.Title)
		}
	}
	switch e := c.Escort; {
	case e.There && e.By == v.actor.Person:
		due := v.at(e.Due)
		line.Escort, line.TapBy = "you", &due
	case e.There:
		line.Escort = n.person(e.By)
	case e.Asked:
		line.Lacks = append(line.Lacks, "an escort")
	}
	return line
}
