package web

import (
	"fmt"
	"net/http"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// sealing are the calls about the two sealed envelopes. What is in them is made,
// printed and forgotten by whoever calls: the public half alone comes here.
func (s *server) sealing(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/envelopes", s.plant(func(r *http.Request, _ people.Actor) (any, error) {
		list, err := s.Roster.Envelopes(r.Context())
		return each(list, err, envelopeJSON)
	}))
	mux.HandleFunc("POST /api/v1/envelopes/{id}/draft", s.plant(func(r *http.Request, by people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		v, err := s.Roster.DraftSeal(r.Context(), by, personID(r.PathValue("id")), step.Key)
		if err != nil {
			return nil, err
		}
		return draft(v, evidence.VouchNamespace, nil)
	}))
	mux.HandleFunc("POST /api/v1/envelopes/{id}", s.plantDoes(s.seal))
}

func (s *server) seal(r *http.Request, by people.Actor) (any, error) {
	step, err := read[api.Step](r)
	if err != nil {
		return nil, err
	}
	if step.Signed == nil {
		return nil, badCall{fmt.Errorf("an envelope is sealed by a signed word: the field signed is missing")}
	}
	v, err := evidence.ParseVouch([]byte(step.Signed.Text))
	if err != nil {
		return nil, badCall{fmt.Errorf("the signed text cannot be read: %w", err)}
	}
	if v.Proof = signedProof(step.Signed); v.Person != r.PathValue("id") {
		return nil, badCall{fmt.Errorf("the signed text is for %.40q", v.Person)}
	}
	var role policy.Role
	if agree := s.Plant().Emergency.Agree; len(agree) > 0 {
		role = agree[0]
	}
	if err := s.Roster.Seal(r.Context(), by, v, role); err != nil {
		return nil, err
	}
	list, err := s.Roster.Envelopes(r.Context())
	for _, e := range list {
		if string(e.ID) == v.Person {
			return envelopeJSON(e), err
		}
	}
	return nil, err
}

func envelopeJSON(e people.Envelope) api.Envelope {
	return api.Envelope{ID: string(e.ID), Role: string(e.Role), Key: e.Key, By: string(e.By), Sealed: e.Sealed, Opened: e.Opened, Says: e.Says, Source: e.Source}
}
