package web

import (
	"context"
	"net/http"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// rosterCalls are who is on duty, and who stands in for whom.
func (s *server) rosterCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/roster", s.plant(func(r *http.Request, _ people.Actor) (any, error) {
		duty, err := s.Desk.Duty(r.Context())
		if err != nil {
			return nil, err
		}
		list := []api.Roster{}
		for _, t := range s.Plant().Teams {
			list = append(list, rosterJSON(t, duty, s.Now()))
		}
		return list, nil
	}))
	verb := func(path string, does func(*http.Request, people.Actor, policy.Role) error) {
		mux.HandleFunc("POST /api/v1/roster/{team}"+path, s.plant(func(r *http.Request, a people.Actor) (any, error) {
			team := policy.Role(r.PathValue("team"))
			if err := does(r, a, team); err != nil {
				return nil, err
			}
			duty, err := s.Desk.Duty(r.Context())
			if err != nil {
				return nil, err
			}
			t, _ := s.Plant().Team(team)
			return rosterJSON(t, duty, s.Now()), nil
		}))
	}
	verb("", s.writeRoster)
	verb("/turns", turnVerb(s.Desk.AddTurn))
	verb("/drop", turnVerb(s.Desk.DropTurn))
	verb("/deputy", func(r *http.Request, a people.Actor, team policy.Role) error {
		in, err := read[api.Deputy](r)
		if err != nil {
			return err
		}
		return s.Desk.NameDeputy(r.Context(), a, team, policy.PersonID(in.Person), in.From, in.Until)
	})
	verb("/deputy/end", func(r *http.Request, a people.Actor, team policy.Role) error {
		in, err := read[api.Deputy](r)
		if err != nil {
			return err
		}
		return s.Desk.EndDeputy(r.Context(), a, team, policy.PersonID(in.For), policy.PersonID(in.Person))
	})
}

func (s *server) writeRoster(r *http.Request, a people.Actor, team policy.Role) error {
	in, err := read[api.Roster](r)
	if err != nil {
		return err
	}
	var turns []evidence.Turn
	if !in.Off {
		turns = []evidence.Turn{}
		for _, t := range in.Turns {
			turns = append(turns, evidence.Turn(t))
		}
	}
	return s.Desk.WriteRoster(r.Context(), a, team, 0, turns)
}

func turnVerb(does func(context.Context, people.Actor, policy.Role, evidence.Turn) error) func(*http.Request, people.Actor, policy.Role) error {
	return func(r *http.Request, a people.Actor, team policy.Role) error {
		in, err := read[api.Turn](r)
		if err != nil {
			return err
		}
		return does(r.Context(), a, team, evidence.Turn(in))
	}
}

func rosterJSON(t policy.Team, d approvals.Duty, now time.Time) api.Roster {
	out := api.Roster{Team: string(t.Name), Name: t.Title, Kept: d.Kept(t.Name), Now: words(d.On(t.Name, now))}
	for _, turn := range d.Turns(t.Name) {
		out.Turns = append(out.Turns, api.Turn(turn))
	}
	for _, s := range d.Deputies(t.Name) {
		if s.Until.After(now) {
			out.Deputies = append(out.Deputies, api.Deputy(s))
		}
	}
	return out
}
