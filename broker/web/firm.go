package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/api"
	"penstock/policy"
)

// firmCalls are about what runs out: terms, trainings, and what is told of them.
func (s *server) firmCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/endings", s.plant(func(r *http.Request, _ people.Actor) (any, error) {
		list, err := s.Roster.Endings(r.Context())
		return each(list, err, func(e people.Ending) api.Ending {
			return api.Ending{Firm: string(e.Firm), Person: string(e.Person), What: e.What, Until: e.Until, Sponsor: string(e.Sponsor)}
		})
	}))
	mux.HandleFunc("GET /api/v1/firms/{id}/terms", s.plant(func(r *http.Request, _ people.Actor) (any, error) {
		return s.termsOf(r, policy.FirmID(r.PathValue("id")), "")
	}))
	mux.HandleFunc("POST /api/v1/firms/{id}/terms", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Terms](r)
		if err != nil {
			return nil, err
		}
		id := policy.FirmID(r.PathValue("id"))
		if err := s.Roster.SetTerms(r.Context(), a, id, in.Text, in.Days); err != nil {
			return nil, err
		}
		return one(firmJSON)(s.Roster.Firm(r.Context(), id))
	}))
	mux.HandleFunc("POST /api/v1/people/{id}/training", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Training](r)
		if err != nil {
			return nil, err
		}
		id := policy.PersonID(r.PathValue("id"))
		if err := s.Roster.NoteTraining(r.Context(), a, id, in.Name, in.Until); err != nil {
			return nil, err
		}
		return one(personJSON)(s.Roster.Person(r.Context(), id))
	}))
	mux.HandleFunc("GET /api/v1/terms", s.signedIn(func(r *http.Request, a people.Actor) (any, error) {
		return s.termsOf(r, a.Firm, a.Person)
	}))
	mux.HandleFunc("POST /api/v1/terms", s.signedIn(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Terms](r)
		if err != nil {
			return nil, err
		}
		hash, err := audit.ParseHash(in.Hash)
		if err != nil {
			return nil, badCall{err}
		}
		until, err := s.Roster.AcceptTerms(r.Context(), a, hash)
		return api.Terms{Hash: in.Hash, Accepted: until}, err
	}))
}

// termsOf are a firm's terms, and until when somebody has accepted them.
func (s *server) termsOf(r *http.Request, id policy.FirmID, who policy.PersonID) (api.Terms, error) {
	text, hash, err := s.Roster.Terms(r.Context(), id)
	if err != nil {
		return api.Terms{}, err
	}
	f, err := s.Roster.Firm(r.Context(), id)
	if err != nil {
		return api.Terms{}, fmt.Errorf("look up firm %s: %w", id, err)
	}
	out := api.Terms{Text: text, Days: f.TermsDays}
	if hash.IsZero() {
		return out, nil
	}
	out.Hash = hash.String()
	p, err := s.Roster.Person(r.Context(), who)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, fmt.Errorf("look up %s: %w", who, err)
	}
	if err == nil && p.Accepted.Terms == hash {
		out.Accepted = p.Accepted.Until
	}
	return out, nil
}
