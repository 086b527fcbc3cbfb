package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// firmPageView is one firm: contract, networks, terms, and who of it may work.
type firmPageView struct {
	ID, Name, Sponsor, SponsorCall string
	SponsorGone                    bool
	Until                          string
	Over                           bool
	Networks                       []string
	Terms                          string
	Days                           int
	People                         []firmPerson
	Security, MayEnd               bool
}

type firmPerson struct {
	ID, Name string
	Not      string // why they may not work now
	Training []string
	Accepted string
	Keys     int
}

func (g *Pages) firmPage(v *visit) error {
	id := policy.FirmID(v.r.PathValue("id"))
	f, err := g.Roster.Firm(v.ctx(), id)
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	text, _, err := g.Roster.Terms(v.ctx(), id)
	if err != nil {
		return err
	}
	view := firmPageView{ID: string(id), Name: f.Name, Terms: text, Days: cmp.Or(f.TermsDays, 365), Security: v.actor.Has("ot-security")}
	if f.Sponsor != "" {
		view.Sponsor, view.SponsorCall, view.SponsorGone = n.person(f.Sponsor), n.people[f.Sponsor].Phone, n.people[f.Sponsor].Disabled
	}
	for _, p := range f.Networks {
		view.Networks = append(view.Networks, p.String())
	}
	if !f.Until.IsZero() {
		view.Until, view.Over = v.day(f.Until), !f.Until.After(v.now)
	}
	view.MayEnd = !f.Plant && !view.Over && (view.Security || f.Sponsor == v.actor.Person)
	for _, p := range n.people {
		if p.Firm != id || p.Disabled {
			continue
		}
		one := firmPerson{ID: string(p.ID), Name: p.Name, Training: v.trainings(p)}
		for _, k := range p.Keys {
			if !k.Pending {
				one.Keys++
			}
		}
		if !f.Terms.IsZero() && p.Accepted.Terms == f.Terms {
			one.Accepted = v.day(p.Accepted.Until)
		}
		facts, err := g.Roster.Facts(v.ctx(), p.ID)
		if err != nil {
			return err
		}
		if no := v.plant.Lapsed(facts, v.now); no != nil {
			one.Not = no.Say
		}
		view.People = append(view.People, one)
	}
	slices.SortFunc(view.People, func(a, b firmPerson) int { return strings.Compare(a.Name, b.Name) })
	return g.show(v, http.StatusOK, "firm", f.Name, view)
}

// day is the last day on which something that ends then is good.
func (v *visit) day(end time.Time) string {
	return v.date(end.Add(-time.Second))
}

func (v *visit) trainings(p people.Person) (all []string) {
	for _, t := range p.Training {
		word := t.Name + " to " + v.day(t.Until)
		if !t.Until.After(v.now) {
			word = t.Name + " ran out " + v.day(t.Until)
		}
		all = append(all, word)
	}
	return all
}

func (g *Pages) setTerms(v *visit) error {
	id := policy.FirmID(v.r.PathValue("id"))
	days, err := strconv.Atoi(cmp.Or(strings.TrimSpace(v.r.PostForm.Get("days")), "365"))
	if err != nil {
		return &policy.Refusal{Rule: "bad-terms", Say: "Write for how many days an acceptance is good, such as 365."}
	}
	if err := g.Roster.SetTerms(v.ctx(), v.actor, id, v.r.PostForm.Get("terms"), days); err != nil {
		return err
	}
	return g.done(v, "/firms/"+string(id), "Written. Whoever has not accepted this text does so before they work again.")
}

func (g *Pages) train(v *visit) error {
	id, f := policy.PersonID(v.r.PathValue("id")), v.r.PostForm
	var until time.Time
	if f.Get("gone") == "" {
		var err error
		if until, err = v.dayEnd(f.Get("until")); err != nil {
			return err
		}
	}
	if err := g.Roster.NoteTraining(v.ctx(), v.actor, id, strings.TrimSpace(f.Get("training")), until); err != nil {
		return err
	}
	return g.done(v, "/people/"+string(id), "Written.")
}

// termsView is what a vendor's person accepts.
type termsView struct {
	Text, Hash string
	Until      string // accepted to then; empty: not
}

func (g *Pages) termsPage(v *visit) error {
	t, err := g.termsOf(v.r, v.actor.Firm, v.actor.Person)
	if err != nil {
		return err
	}
	view := termsView{Text: t.Text, Hash: t.Hash}
	if t.Accepted.After(v.now) {
		view.Until = v.day(t.Accepted)
	}
	return g.show(v, http.StatusOK, "terms", "Terms", view)
}

func (g *Pages) acceptTerms(v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return badCall{err}
	}
	hash, err := audit.ParseHash(v.r.PostForm.Get("terms"))
	if err != nil {
		return badCall{err}
	}
	if _, err := g.Roster.AcceptTerms(v.ctx(), v.actor, hash); err != nil {
		return err
	}
	return g.done(v, "/terms", "Accepted.")
}
