package web

import (
	"net/http"
	"strings"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// accessView is all scopes whose people are confirmed anew from time to time.
type accessView struct {
	Lists []accessLine
	Every string // how often, in words; empty: not by the clock
}

type accessLine struct {
	Link, Name, State string
	Overdue, You      bool
}

func (v *visit) scope(n roll, scope string) string {
	kind, of, _ := strings.Cut(scope, "/")
	if kind == "firm" {
		return n.firm(policy.FirmID(of))
	}
	return v.role(policy.Role(of))
}

func (g *Pages) accessPage(v *visit) error {
	list, err := g.accessReviews(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	var view accessView
	if d := v.plant.Access.Every; d > 0 {
		view.Every = count(int(d.Hours()/24), "day", "days")
	}
	for _, a := range list {
		one := accessLine{Link: "/access/" + a.Scope, Name: v.scope(n, a.Scope), Overdue: a.Overdue, You: a.May && len(a.Open) > 0}
		switch {
		case a.At.IsZero():
			one.State = "never looked at"
		case len(a.Open) == 0:
			one.State = "signed, as of " + v.date(a.At)
		case a.Overdue:
			one.State = count(len(a.Open), "person", "people") + " kept out since " + v.date(a.Due)
		default:
			one.State = count(len(a.Open), "person waits", "people wait") + " for a word, by " + v.day(a.Due)
		}
		view.Lists = append(view.Lists, one)
	}
	return g.show(v, http.StatusOK, "access", "Access reviews", view)
}

// accessWaits counts the lists that wait for the reader's word.
func (g *Pages) accessWaits(v *visit) (n int, err error) {
	all, err := g.Roster.AccessReviews(v.ctx())
	for _, a := range all {
		waits, err := g.Roster.Waits(v.ctx(), a)
		if err != nil {
			return 0, err
		}
		if len(waits) > 0 && !(len(waits) == 1 && waits[0] == v.actor.Person) && g.Roster.MaySignAccess(v.ctx(), v.actor, a.Scope) == nil {
			n++
		}
	}
	return n, err
}

// accessListView is one list, to be gone through.
type accessListView struct {
	Scope, Name, Document string
	Role                  bool // a role's: who ends loses it, and stays
	Made, Due             string
	Overdue, May          bool
	Waits                 bool // somebody waits for a word
	Lines                 []accessPerson
	Signed                []string
	Most                  int
}

type accessPerson struct {
	ID, Name, Since, By, Used string
	Open                      bool // waits for a word, and the reader may give it
	Waits                     bool
	Own                       bool
}

func (g *Pages) accessListPage(v *visit) error {
	a, err := g.accessReview(v.ctx(), v.actor, scopeOf(v.r))
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := accessListView{Scope: a.Scope, Name: v.scope(n, a.Scope), Document: a.Document, Role: strings.HasPrefix(a.Scope, "role/"), Overdue: a.Overdue, May: a.May, Waits: len(a.Open) > 0, Most: people.MaxSigned}
	if !a.At.IsZero() {
		view.Made, view.Due = v.date(a.At), v.day(a.Due)
	}
	for _, l := range a.Lines {
		one := accessPerson{ID: l.Person, Name: n.person(policy.PersonID(l.Person)), Since: v.date(l.Since), Used: "never here", Waits: l.Open, Own: l.Person == string(v.actor.Person)}
		one.Open = l.Open && a.May && !one.Own
		if !l.Used.IsZero() {
			one.Used = "last here " + v.date(l.Used)
		}
		if one.By = "the plant's first file"; l.By != "" {
			one.By = n.person(policy.PersonID(l.By))
		}
		view.Lines = append(view.Lines, one)
	}
	for _, s := range a.Signed {
		says := v.at(s.At).Text() + " " + n.person(policy.PersonID(s.By)) + ":"
		if len(s.Kept) > 0 {
			says += " go on: " + strings.Join(n.list(s.Kept), ", ") + "."
		}
		if len(s.Ended) > 0 {
			says += " ended: " + strings.Join(n.list(s.Ended), ", ") + "."
		}
		view.Signed = append(view.Signed, says)
	}
	return g.show(v, http.StatusOK, "access-list", view.Name, view)
}

func (g *Pages) beginAccess(v *visit) error {
	if err := g.Desk.BeginAccess(v.ctx(), v.actor, scopeOf(v.r)); err != nil {
		return err
	}
	return g.done(v, "/access/"+scopeOf(v.r), "Here is who it is now.")
}

// signAccess takes a word on each person that has one: keep or end.
func (g *Pages) signAccess(v *visit) error {
	hash, err := audit.ParseHash(v.r.PostForm.Get("document"))
	if err != nil {
		return badCall{err}
	}
	var kept, ended []policy.PersonID
	for field, values := range v.r.PostForm {
		id, is := strings.CutPrefix(field, "person-")
		switch {
		case !is:
		case values[0] == "keep":
			kept = append(kept, policy.PersonID(id))
		case values[0] == "end":
			ended = append(ended, policy.PersonID(id))
		}
	}
	if err := g.Desk.SignAccess(v.ctx(), v.actor, scopeOf(v.r), hash, kept, ended); err != nil {
		return err
	}
	return g.done(v, "/access/"+scopeOf(v.r), "Signed.")
}
