package web

import (
	"net/http"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// spokenCalls are what was said on the telephone. To write a yes down is an answer
// to its request, with whose it is (api.Answer.Spoken).
func (s *server) spokenCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/spoken", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Desk.Spoken(r.Context(), a)
		return each(list, err, spokenJSON)
	}))
	mux.HandleFunc("POST /api/v1/spoken/{id}/answer", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Answer](r)
		if err != nil {
			return nil, err
		}
		var signed *evidence.Answer
		if in.Signed != nil {
			if signed, err = signedAnswer(in.Signed); err != nil {
				return nil, err
			}
		}
		return one(spokenJSON)(s.Desk.Countersigns(r.Context(), a, policy.WindowID(r.PathValue("id")), in.Says, signed))
	}))
	mux.HandleFunc("POST /api/v1/spoken/{id}/answer/draft", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Answer](r)
		if err != nil {
			return nil, err
		}
		id := policy.WindowID(r.PathValue("id"))
		text, err := s.Desk.DraftCountersign(r.Context(), a, id, in.Says)
		if err != nil {
			return nil, err
		}
		w, err := s.Desk.Window(r.Context(), a, id)
		if err != nil {
			return nil, err
		}
		request, err := s.Desk.Document(r.Context(), a, w.Request)
		if err != nil {
			return nil, err
		}
		return draft(text, evidence.AnswerNamespace, request)
	}))
	mux.HandleFunc("POST /api/v1/spoken/{id}/clear", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		return struct{}{}, s.Desk.ClearSpoken(r.Context(), a, policy.WindowID(r.PathValue("id")), step.Why)
	}))
}

func spokenJSON(s approvals.Spoken) api.Spoken {
	return api.Spoken{Window: string(s.Window), Request: string(s.Request), Firm: string(s.Firm), Person: string(s.Person), Heard: string(s.Heard), At: s.At, Due: s.Due, Says: s.Says, Signed: s.Signed, Missed: s.Missed, Cleared: string(s.Cleared)}
}
