package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"penstock/approvals"
	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// personCalls are about one person, and who leaves.
func (s *server) personCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/people/{id}", s.plant(func(r *http.Request, _ people.Actor) (any, error) {
		return s.personShown(r.Context(), policy.PersonID(r.PathValue("id")))
	}))
	mux.HandleFunc("GET /api/v1/people/{id}/leaving", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		l, err := s.Desk.LeavingOf(r.Context(), a, policy.PersonID(r.PathValue("id")))
		return s.leavingJSON(r.Context(), l, err)
	}))
	mux.HandleFunc("POST /api/v1/people/{id}/disable", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		l, err := s.Desk.Leave(r.Context(), a, policy.PersonID(r.PathValue("id")), step.Why)
		return s.leavingJSON(r.Context(), l, err)
	}))
	mux.HandleFunc("GET /api/v1/firms/{id}/leaving", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		l, err := s.Desk.LeavingFirm(r.Context(), a, policy.FirmID(r.PathValue("id")))
		return s.leavingJSON(r.Context(), l, err)
	}))
	mux.HandleFunc("POST /api/v1/firms/{id}/end", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		l, err := s.Desk.EndFirm(r.Context(), a, policy.FirmID(r.PathValue("id")), step.Why)
		return s.leavingJSON(r.Context(), l, err)
	}))
}

func (s *server) leavingJSON(ctx context.Context, l approvals.Leaving, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	says, look, err := s.leavingSays(ctx, l)
	for _, one := range look {
		says = append(says, one.Says)
	}
	return api.Leaving{People: words(l.People), Firm: string(l.Firm), Says: says, Ended: words(l.Ended), Runs: words(l.Runs), Rests: words(l.Rests), Unused: words(l.Unused),
		Withdrawn: words(l.Withdrawn), Answers: words(l.Answers), Escorts: words(l.Escorts), Sponsors: words(l.Sponsors)}, err
}

// lookAt is what somebody else has to do once a person has left.
type lookAt struct{ Link, ID, Says string }

// leavingSays is what ends, and what others have to look at, a sentence each;
// what nobody sees but matters (keys, sign-ins) first.
func (s *server) leavingSays(ctx context.Context, l approvals.Leaving) (says []string, look []lookAt, err error) {
	add := func(format string, args ...any) { says = append(says, fmt.Sprintf(format, args...)) }
	who := strings.Join(words(l.People), ", ")
	if l.Firm != "" {
		add("Nobody of %s (%s) gets in or asks for anything, until a new end of the contract is written.", l.Firm, who)
	} else {
		p, err := s.Roster.Person(ctx, l.People[0])
		if err != nil {
			return nil, nil, fmt.Errorf("look up who leaves: %w", err)
		}
		add("%s's keys, passkeys, password, codes, certificates and sign-ins count for nothing any more, for good.", cmp.Or(p.Name, who))
		if len(p.Roles) > 0 {
			var roles []string
			for _, r := range p.Roles {
				t, _ := s.Plant().Team(r)
				roles = append(roles, cmp.Or(t.Title, string(r)))
			}
			add("Their roles end: %s.", strings.Join(roles, ", "))
		}
	}
	for _, in := range s.Broker.Sessions() {
		if slices.Contains(l.People, in.Person) {
			add("%s, in which %s is now, is cut.", in.Session, in.Person)
		}
	}
	each := func(list []string, format string) {
		for _, id := range list {
			add(format, id)
		}
	}
	each(words(l.Ended), "%s ends: nobody is left who works in it.")
	each(words(l.Runs), "%s goes on for the others who work in it.")
	each(words(l.Unused), "%s, agreed and not open, is not opened any more: whoever needs it asks anew.")
	each(words(l.Withdrawn), "%s is withdrawn.")
	each(words(l.Answers), "Their yes to %s is taken back; somebody else is asked.")
	each(l.Said, "Their yes to %s is taken back; somebody else has to give it.")
	each(words(l.Escorts), "%s, which they watch, is paused until somebody else takes it.")
	for _, t := range l.Turns {
		add("Their turn on the roster of %s goes, from %s to %s.", t.Team, t.From.In(s.Plant().Location()).Format("Mon 2 Jan 15:04"), t.To.In(s.Plant().Location()).Format("Mon 2 Jan 15:04"))
	}
	for _, d := range l.Deputies {
		add("%s stands in for %s in %s no longer.", d.Person, d.For, d.Team)
	}
	for _, id := range words(l.Rests) {
		look = append(look, lookAt{"/windows/" + id, id, "Look at " + id + ": it runs by their word, and goes on."})
	}
	for _, id := range l.Stands {
		look = append(look, lookAt{"/patterns/" + id, id, "Look at " + id + ": it stands by their yes, and goes on."})
	}
	for _, id := range words(l.Sponsors) {
		look = append(look, lookAt{"/firms/" + id, id, "Firm " + id + " needs another sponsor."})
	}
	return says, look, nil
}

// personShown is one person, what they may do, and why.
func (s *server) personShown(ctx context.Context, id policy.PersonID) (api.PersonShown, error) {
	p, err := s.Roster.Person(ctx, id)
	if err != nil {
		return api.PersonShown{}, err
	}
	f, err := s.Roster.Firm(ctx, p.Firm)
	if err != nil {
		return api.PersonShown{}, fmt.Errorf("look up the firm of %s: %w", id, err)
	}
	out := api.PersonShown{Person: personJSON(p)}
	if !f.Terms.IsZero() && p.Accepted.Terms == f.Terms {
		out.Accepted = p.Accepted.Until
	}
	if !p.Disabled {
		out.May, err = s.powers(ctx, p, f)
	}
	return out, err
}

// powers are what a person may do, with where each stands. It says no more than
// Plant.Powers and the firms' records: verbs judge by the same two.
func (s *server) powers(ctx context.Context, p people.Person, f people.Firm) (all []api.Power, err error) {
	if !f.Plant {
		facts, err := s.Roster.Facts(ctx, p.ID)
		if err != nil {
			return nil, fmt.Errorf("facts of %s: %w", p.ID, err)
		}
		says := "ask for access"
		if len(f.Networks) == 0 {
			says += ", and come from nowhere: the firm has no networks"
		} else {
			var from []string
			for _, n := range f.Networks {
				from = append(from, n.String())
			}
			says += ", and come from " + strings.Join(from, ", ")
		}
		if !f.Until.IsZero() {
			says += ", to " + dated(f.Until.In(s.Plant().Location()), s.Now().In(s.Plant().Location()))
		}
		one := api.Power{Does: says, From: "firm " + string(f.ID)}
		if no := s.Plant().Lapsed(facts, s.Now()); no != nil {
			one.Not = no.Say
		}
		return []api.Power{one}, nil
	}
	duty, err := s.Desk.Duty(ctx)
	if err != nil {
		return nil, fmt.Errorf("look who is on duty: %w", err)
	}
	counts := duty.Counts(p.ID, s.Now())
	for _, one := range s.Plant().Powers(p.Roles) {
		power := api.Power{Does: one.Does, Role: string(one.By), From: one.From}
		if !slices.Contains(counts, one.By) {
			power.Not = "not on duty for " + string(one.By) + " now, so giving waits; taking does not"
		}
		all = append(all, power)
	}
	firms, err := s.Roster.Firms(ctx)
	if err != nil {
		return nil, fmt.Errorf("list firms: %w", err)
	}
	for _, one := range firms {
		if one.Sponsor == p.ID {
			all = append(all, api.Power{Does: "invite and confirm people of " + one.Name + ", and end their access", From: "sponsor of firm " + string(one.ID)})
		}
	}
	return all, nil
}
