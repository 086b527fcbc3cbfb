package web

import (
	"fmt"
	"net/http"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/api"
	"penstock/policy"
)

// unsigned is what can be written without its proof.
type unsigned interface{ Unsigned() ([]byte, error) }

// draft is a text to be signed, and the request's where it answers one.
func draft(v unsigned, namespace string, request []byte) (api.Draft, error) {
	b, err := v.Unsigned()
	if err != nil {
		return api.Draft{}, fmt.Errorf("write what is to be signed: %w", err)
	}
	return api.Draft{Text: string(b), Namespace: namespace, Request: string(request)}, nil
}

func signedProof(in *api.Signed) evidence.Proof {
	return evidence.Proof{Kind: in.Kind, Key: in.Key, Data: in.Data}
}

// signedAnswer puts text and proof together; what it is worth is the Desk's to say.
func signedAnswer(in *api.Signed) (*evidence.Answer, error) {
	a, err := evidence.ParseAnswer([]byte(in.Text))
	if err != nil {
		return nil, badCall{fmt.Errorf("the signed text cannot be read: %w", err)}
	}
	a.Proof = signedProof(in)
	return &a, nil
}

func (s *server) draftAnswer(r *http.Request, by people.Actor) (any, error) {
	in, err := read[api.Answer](r)
	if err != nil {
		return nil, err
	}
	document, err := audit.ParseHash(in.Document)
	if err != nil {
		return nil, badCall{err}
	}
	a, err := s.Desk.Draft(r.Context(), by, requestID(r), document, replyOf(in))
	if err != nil {
		return nil, err
	}
	text, err := s.Desk.Document(r.Context(), by, requestID(r))
	if err != nil {
		return nil, err
	}
	return draft(a, evidence.AnswerNamespace, text)
}

func (s *server) draftExtension(r *http.Request, by people.Actor) (any, error) {
	step, err := read[api.Step](r)
	if err != nil {
		return nil, err
	}
	id := policy.WindowID(r.PathValue("id"))
	a, err := s.Desk.DraftExtension(r.Context(), by, id, step.Until)
	if err != nil {
		return nil, err
	}
	return s.draftAfterOpening(r, by, id, a)
}

func (s *server) draftStepUp(r *http.Request, by people.Actor) (any, error) {
	step, err := read[api.Step](r)
	if err != nil {
		return nil, err
	}
	rights, err := policy.ParseRights(step.Rights)
	if err != nil {
		return nil, badCall{err}
	}
	id := policy.WindowID(r.PathValue("id"))
	a, err := s.Desk.DraftStepUp(r.Context(), by, id, rights)
	if err != nil {
		return nil, err
	}
	return s.draftAfterOpening(r, by, id, a)
}

// draftAfterOpening is an opener's answer to a window that runs, to be signed.
func (s *server) draftAfterOpening(r *http.Request, by people.Actor, id policy.WindowID, a evidence.Answer) (any, error) {
	w, err := s.Desk.Window(r.Context(), by, id)
	if err != nil {
		return nil, err
	}
	text, err := s.Desk.Document(r.Context(), by, w.Request)
	if err != nil {
		return nil, err
	}
	return draft(a, evidence.AnswerNamespace, text)
}

// keys are the calls about keys that sign: a word for another's, and taking one away.
func (s *server) keys(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/v1/people/{id}/vouch/draft", s.plant(func(r *http.Request, by people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		v, err := s.Roster.DraftVouch(r.Context(), by, personID(r.PathValue("id")), step.Key)
		if err != nil {
			return nil, err
		}
		return draft(v, evidence.VouchNamespace, nil)
	}))
	mux.HandleFunc("POST /api/v1/people/{id}/vouch", s.plant(func(r *http.Request, by people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		if step.Signed == nil {
			return nil, badCall{fmt.Errorf("a word for a key is signed: the field signed is missing")}
		}
		v, err := evidence.ParseVouch([]byte(step.Signed.Text))
		if err != nil {
			return nil, badCall{fmt.Errorf("the signed text cannot be read: %w", err)}
		}
		if v.Proof = signedProof(step.Signed); v.Person != r.PathValue("id") {
			return nil, badCall{fmt.Errorf("the signed text is for a key of %.40q", v.Person)}
		}
		if err := s.Roster.Vouch(r.Context(), by, v); err != nil {
			return nil, err
		}
		return one(personJSON)(s.Roster.Person(r.Context(), personID(v.Person)))
	}))
	mux.HandleFunc("POST /api/v1/people/{id}/remove-key", s.plant(func(r *http.Request, by people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		id := personID(r.PathValue("id"))
		if err := s.Roster.RemoveKey(r.Context(), by, id, step.Key); err != nil {
			return nil, err
		}
		return one(personJSON)(s.Roster.Person(r.Context(), id))
	}))
}
