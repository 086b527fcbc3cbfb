package web

import (
	"cmp"
	"slices"
	"strings"

	"penstock/approvals"
	"penstock/policy"
)

// conditionsView is what a window waits for, or needs while it runs.
type conditionsView struct {
	Window string
	Gates  []gateView
	Escort *escortView
	Runs   bool
	Shut   bool // a gate says no, so it does not open
}

type gateView struct {
	Gate, Title, Says, By, Why  string
	OK                          bool
	Since                       stamp
	Ends                        bool
	MaySay, MayStandIn, MayBack bool
	SayWords                    string // of the button: "Area clear: yes"
	Outage                      bool
	Later                       bool // asked at an emergency's second tap
}

type escortView struct {
	By, Offered string
	There       bool
	Due, Lost   stamp
	MayTake     bool
	Mine        bool
	Others      []choiceText // to whom it can be handed on
}

type choiceText struct{ Value, Text string }

// conditions are a window's; nil: its rules ask for nothing, or it is over.
func (g *Pages) conditions(v *visit, w approvals.Window, n roll) (*conditionsView, error) {
	if !v.actor.Plant || w.State != approvals.WindowAgreed && !runs(w) {
		return nil, nil
	}
	c, err := g.Desk.Conditions(v.ctx(), v.actor, w.ID)
	if err != nil {
		return nil, err
	}
	if len(c.Gates) == 0 && !c.Escort.Asked {
		return nil, nil
	}
	out := &conditionsView{Window: string(w.ID), Runs: runs(w)}
	for _, one := range c.Gates {
		view := v.gate(one, n)
		counts := v.standsFor(n, nil)
		outsider := w.Firm != v.actor.Firm && !slices.Contains(w.Claim.People, string(v.actor.Person))
		switch {
		case one.Gate.Kind == policy.GateManual && !one.Holds():
			view.MaySay = outsider && (one.Gate.By != "" && counts(one.Gate.By) || one.Gate.By == "" && v.opensWindow(w, n))
			view.SayWords = view.Title + ": yes"
		case one.Gate.Kind == policy.GateOutage && !one.Holds():
			view.MaySay, view.SayWords = counts(one.Gate.By), view.Title+": it runs"
		}
		if one.Holds() && one.By != "" && !view.Outage {
			view.MayBack = v.takes()
		}
		view.MayStandIn = outsider && !one.Holds() && !one.Gate.Safety && one.Gate.StandIn != "" && !one.Stood && counts(one.Gate.StandIn)
		if !one.Holds() && !one.Later {
			out.Shut = true
		}
		out.Gates = append(out.Gates, view)
	}
	if c.Escort.Asked {
		out.Escort = g.escort(v, w, n, c.Escort)
	}
	return out, nil
}

func (v *visit) gate(c approvals.Condition, n roll) gateView {
	out := gateView{Gate: c.Gate.Name, Title: cmp.Or(c.Gate.Title, c.Gate.Name), OK: c.Holds(), Why: c.Why, Since: v.at(c.Since), Ends: c.Ends, Outage: c.Gate.Kind == policy.GateOutage, Later: c.Later}
	if c.By != "" {
		out.By = n.person(c.By)
	}
	switch c.Says {
	case approvals.GateYes:
		out.Says = "yes"
	case approvals.GateStoodIn:
		out.Says = "stood in for"
	case approvals.GateUnknown:
		out.Says = "not known"
	default:
		out.Says = "no"
	}
	return out
}

func (g *Pages) escort(v *visit, w approvals.Window, n roll, e approvals.Escorting) *escortView {
	out := &escortView{There: e.There, Due: v.at(e.Due), Lost: v.at(e.Lost), Mine: e.By == v.actor.Person && e.There}
	if e.By != "" {
		out.By = n.person(e.By)
	}
	if e.Offered != "" {
		out.Offered = n.person(e.Offered)
	}
	may := func(roles []policy.Role) bool {
		for _, t := range w.Claim.Assets {
			if !v.plant.MayEscort(roles, policy.AssetName(t.Asset)) {
				return false
			}
		}
		return true
	}
	free := !e.There || e.Offered == v.actor.Person
	out.MayTake = free && !out.Mine && may(n.duty.Counts(v.actor.Person, v.now)) && w.Firm != v.actor.Firm && !slices.Contains(w.Claim.People, string(v.actor.Person))
	if out.Mine {
		for id, p := range n.people {
			if id != v.actor.Person && !p.Disabled && n.firms[p.Firm].Plant && may(p.Roles) {
				out.Others = append(out.Others, choiceText{string(id), p.Name})
			}
		}
		slices.SortFunc(out.Others, func(a, b choiceText) int { return strings.Compare(a.Text, b.Text) })
	}
	return out
}

// gateStep is a person's word about one gate of a window.
func (g *Pages) gateStep(v *visit) error {
	id, f := policy.WindowID(v.r.PathValue("id")), v.r.PostForm
	says, said := approvals.GateYes, "Said. The log has it with your name."
	switch {
	case strings.HasSuffix(v.r.URL.Path, "/gate-back"):
		says, said = approvals.GateNo, "Taken back. What ran on it is paused."
	case f.Get("says") == approvals.GateStoodIn:
		says, said = approvals.GateStoodIn, "You stand in for it, by name. A second person looks at what is done."
	}
	w, err := g.Desk.SayGate(v.ctx(), v.actor, id, f.Get("gate"), says, strings.TrimSpace(f.Get("why")))
	if err != nil {
		return err
	}
	return g.done(v, cmp.Or(watchBack.FindString(f.Get("back")), "/windows/"+string(w.ID)), said)
}

// escortStep is one tap of an escort.
func (g *Pages) escortStep(v *visit) error {
	id, f := policy.WindowID(v.r.PathValue("id")), v.r.PostForm
	says, said := approvals.EscortTook, "You are the escort. Say every five minutes that you still watch."
	if strings.HasSuffix(v.r.URL.Path, "/here") {
		switch f.Get("says") {
		case approvals.EscortOffered:
			says, said = approvals.EscortOffered, "Handed on. It is yours until they take it."
		case approvals.EscortLeft:
			says, said = approvals.EscortLeft, "You watch no longer. What they type waits."
		default:
			says, said = approvals.EscortHere, "Noted. Five more minutes."
		}
	}
	w, err := g.Desk.Escort(v.ctx(), v.actor, id, says, policy.PersonID(f.Get("to")))
	if r := refusalOf(err); says == approvals.EscortTook && r == "is-escort" { // a double tap
		err, w.ID = nil, id
	}
	if err != nil {
		return err
	}
	return g.done(v, cmp.Or(watchBack.FindString(f.Get("back")), "/windows/"+string(w.ID)), said)
}

// outageStep is a person's word that an outage runs, or is over.
func (g *Pages) outageStep(v *visit) error {
	begun := !strings.HasSuffix(v.r.URL.Path, "/over")
	if err := g.Desk.SayOutage(v.ctx(), v.actor, v.r.PathValue("gate"), begun, strings.TrimSpace(v.r.PostForm.Get("why"))); err != nil {
		return err
	}
	said := "Said: it is over. What ran on it is paused or ended."
	if begun {
		said = "Said: it runs."
	}
	return g.done(v, cmp.Or(windowBack.FindString(v.r.PostForm.Get("back")), "/"), said)
}
