package web

import (
	"net/http"
	"strings"

	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

func (s *server) people(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/people", s.plant(func(r *http.Request, _ people.Actor) (any, error) {
		list, err := s.Roster.People(r.Context())
		return each(list, err, personJSON)
	}))
	mux.HandleFunc("GET /api/v1/firms", s.plant(func(r *http.Request, _ people.Actor) (any, error) {
		list, err := s.Roster.Firms(r.Context())
		return each(list, err, firmJSON)
	}))
	mux.HandleFunc("POST /api/v1/firms", s.plant(s.setFirm))
	mux.HandleFunc("POST /api/v1/people/invite", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Invitation](r)
		if err != nil {
			return nil, err
		}
		return one(invitationJSON)(s.Roster.Invite(r.Context(), a, people.Invitation{Person: policy.PersonID(in.Person),
			Firm: policy.FirmID(in.Firm), Name: in.Name, Phone: in.Phone, Mail: in.Mail, Roles: names[policy.Role](in.Roles), Machine: in.Machine}))
	}))
	mux.HandleFunc("POST /api/v1/people/{id}/confirm", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		id := policy.PersonID(r.PathValue("id"))
		if err := s.Roster.Confirm(r.Context(), a, id, step.Key); err != nil {
			return nil, err
		}
		return one(personJSON)(s.Roster.Person(r.Context(), id))
	}))
	s.keys(mux)
	s.sealing(mux)
	mux.HandleFunc("POST /api/v1/people/{id}/phone", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		id := policy.PersonID(r.PathValue("id"))
		if err := s.Roster.SetPhone(r.Context(), a, id, step.Phone); err != nil {
			return nil, err
		}
		return one(personJSON)(s.Roster.Person(r.Context(), id))
	}))
	mux.HandleFunc("POST /api/v1/people/{id}/mail", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		id := policy.PersonID(r.PathValue("id"))
		if err := s.Roster.SetMail(r.Context(), a, id, step.Mail); err != nil {
			return nil, err
		}
		return one(personJSON)(s.Roster.Person(r.Context(), id))
	}))
	mux.HandleFunc("POST /api/v1/people/{id}/roles", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		id := policy.PersonID(r.PathValue("id"))
		if err := s.Roster.ChangeRoles(r.Context(), a, id, names[policy.Role](step.Give), names[policy.Role](step.Take)); err != nil {
			return nil, err
		}
		return one(personJSON)(s.Roster.Person(r.Context(), id))
	}))
	s.personCalls(mux)
	s.firmCalls(mux)
	s.importCalls(mux)
	s.accessCalls(mux)
	s.serviceCalls(mux)
}

func (s *server) setFirm(r *http.Request, a people.Actor) (any, error) {
	in, err := read[api.Firm](r)
	if err != nil {
		return nil, err
	}
	f := people.Firm{ID: policy.FirmID(in.ID), Name: in.Name, Sponsor: policy.PersonID(in.Sponsor), Until: in.Until}
	if f.Networks, err = people.Networks(strings.Join(in.Networks, " ")); err != nil {
		return nil, err
	}
	if err := s.Roster.SetFirm(r.Context(), a, f); err != nil {
		return nil, err
	}
	return one(firmJSON)(s.Roster.Firm(r.Context(), f.ID))
}

func personJSON(p people.Person) api.Person {
	out := api.Person{ID: string(p.ID), Firm: string(p.Firm), Name: p.Name, Phone: p.Phone, Mail: p.Mail, Roles: words(p.Roles), Disabled: p.Disabled, Machine: p.Machine}
	for _, t := range p.Training {
		out.Training = append(out.Training, api.Training{Name: t.Name, Until: t.Until})
	}
	for _, k := range p.Keys {
		out.Keys = append(out.Keys, api.Key{Kind: string(k.Kind), ID: k.ID, Pending: k.Pending, Signs: k.Signs(), Name: k.Name})
	}
	return out
}

func firmJSON(f people.Firm) api.Firm {
	out := api.Firm{ID: string(f.ID), Name: f.Name, Plant: f.Plant, Sponsor: string(f.Sponsor), Until: f.Until, Days: f.TermsDays}
	if !f.Terms.IsZero() {
		out.Terms = f.Terms.String()
	}
	for _, n := range f.Networks {
		out.Networks = append(out.Networks, n.String())
	}
	return out
}

func invitationJSON(i people.Invitation) api.Invitation {
	return api.Invitation{Person: string(i.Person), Firm: string(i.Firm), Name: i.Name, Phone: i.Phone, Roles: words(i.Roles),
		Until: i.Until, Code: i.Code, Mail: i.Mail, Machine: i.Machine}
}
