package web

import (
	"errors"
	"net/http"
	"strings"

	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// personPageView is one person: what they may do, and what would end with them.
type personPageView struct {
	ID, Name, Firm, Phone, Mail string
	Disabled                    bool
	Roles                       []string
	May                         []api.Power
	Since, Last, By             string
	Vendor                      bool
	FirmID, Accepted            string // of a vendor's; terms accepted to
	Training                    []string
	Asked                       []string // trainings that the plant file asks for
	MayTrain                    bool
	Service                     string // that an account of the person may be linked to, by the reader
	Keys                        []keyView
	Leaving                     []string // what would end; nil: the reader may not end it
	Look                        []lookAt // for others to look at then
	WhyNot                      string   // why the reader may not
}

func (g *Pages) personPage(v *visit) error {
	id := policy.PersonID(v.r.PathValue("id"))
	shown, err := g.personShown(v.ctx(), id)
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	p := n.people[id]
	view := personPageView{ID: string(id), Name: p.Name, Firm: n.firm(p.Firm), Phone: p.Phone, Mail: p.Mail, Disabled: p.Disabled, May: shown.May}
	view.Vendor, view.FirmID, view.Training, view.Asked = !n.firms[p.Firm].Plant, string(p.Firm), v.trainings(p), v.plant.Trainings()
	view.MayTrain = view.Vendor && !p.Disabled && (v.actor.Has("ot-security") || n.firms[p.Firm].Sponsor == v.actor.Person)
	used, err := g.Desk.Used(v.ctx(), id)
	if err != nil {
		return err
	}
	view.Since, view.By = v.date(used.Since), "the plant's first file"
	if view.Last = "never here"; !used.Last.IsZero() {
		view.Last = "last here " + v.at(used.Last).Text()
	}
	if used.By != "" {
		view.By = n.person(used.By)
	}
	if !shown.Accepted.IsZero() {
		view.Accepted = v.day(shown.Accepted)
	}
	if name, _, ok := g.Proofs.Service(); ok && !view.Vendor && !p.Disabled && v.actor.Has("ot-security") && id != v.actor.Person {
		if _, has := p.Key(people.Account); !has {
			view.Service = name
		}
	}
	for _, r := range p.Roles {
		view.Roles = append(view.Roles, v.role(r))
	}
	if !p.Disabled {
		view.Keys = v.keysOf(p, n, false)
		l, err := g.Desk.LeavingOf(v.ctx(), v.actor, id)
		if no, ok := errors.AsType[*policy.Refusal](err); ok {
			view.WhyNot = no.Say
		} else if err != nil {
			return err
		} else if view.Leaving, view.Look, err = g.leavingSays(v.ctx(), l); err != nil {
			return err
		}
	}
	return g.show(v, http.StatusOK, "person", p.Name, view)
}

func (g *Pages) disable(v *visit) error {
	id := policy.PersonID(v.r.PathValue("id"))
	if _, err := g.Desk.Leave(v.ctx(), v.actor, id, strings.TrimSpace(v.r.PostForm.Get("why"))); err != nil {
		return err
	}
	return g.done(v, "/people/"+string(id), "Their access has ended, and what rested on it.")
}

// firmEndView is what would end with a firm's contract.
type firmEndView struct {
	ID, Name string
	Leaving  []string
	Look     []lookAt
}

func (g *Pages) firmEndPage(v *visit) error {
	id := policy.FirmID(v.r.PathValue("id"))
	l, err := g.Desk.LeavingFirm(v.ctx(), v.actor, id)
	if err != nil {
		return err
	}
	says, look, err := g.leavingSays(v.ctx(), l)
	if err != nil {
		return err
	}
	f, err := g.Roster.Firm(v.ctx(), id)
	if err != nil {
		return err
	}
	return g.show(v, http.StatusOK, "firm-end", "Contract ended", firmEndView{string(id), f.Name, says, look})
}

func (g *Pages) firmEnd(v *visit) error {
	id := policy.FirmID(v.r.PathValue("id"))
	if _, err := g.Desk.EndFirm(v.ctx(), v.actor, id, strings.TrimSpace(v.r.PostForm.Get("why"))); err != nil {
		return err
	}
	return g.done(v, "/people", "The contract has ended, and so has what its people did.")
}
