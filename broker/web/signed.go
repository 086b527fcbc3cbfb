package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"penstock/approvals"
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

// answering reads what somebody says, and to which text.
func answering(r *http.Request) (document audit.Hash, reply approvals.Reply, err error) {
	in, err := read[api.Answer](r)
	if err != nil {
		return document, reply, err
	}
	if document, err = audit.ParseHash(in.Document); err != nil {
		return document, reply, badCall{err}
	}
	reply = replyOf(in)
	if in.Signed != nil {
		reply.Signed, err = signedAnswer(in.Signed)
	}
	return document, reply, err
}

// drafter gives what somebody would sign to answer a pattern, or a change of the
// plant file, and its text.
type drafter = func(context.Context, people.Actor, string, audit.Hash, approvals.Reply) (evidence.Answer, []byte, error)

func drafts(draftOf drafter) func(*http.Request, people.Actor) (any, error) {
	return func(r *http.Request, by people.Actor) (any, error) {
		document, reply, err := answering(r)
		if err != nil {
			return nil, err
		}
		a, text, err := draftOf(r.Context(), by, r.PathValue("id"), document, reply)
		if err != nil {
			return nil, err
		}
		return draft(a, evidence.AnswerNamespace, text)
	}
}

// answers takes such an answer.
func answers[T, J any](answer func(context.Context, people.Actor, string, audit.Hash, approvals.Reply) (T, error), shown func(T) J) func(*http.Request, people.Actor) (any, error) {
	return func(r *http.Request, by people.Actor) (any, error) {
		document, reply, err := answering(r)
		if err != nil {
			return nil, err
		}
		return one(shown)(answer(r.Context(), by, r.PathValue("id"), document, reply))
	}
}

// saidOf is the yes or the no of such a form, to exactly the text that its page
// showed; keep is called once it was taken.
func (g *Pages) saidOf(v *visit) (document audit.Hash, reply approvals.Reply, keep func(), err error) {
	keep = func() {}
	if document, err = audit.ParseHash(v.r.PostForm.Get("document")); err != nil {
		return document, reply, keep, badCall{err}
	}
	reply = approvals.Reply{Says: evidence.Yes, Why: strings.TrimSpace(v.r.PostForm.Get("why"))}
	if strings.HasSuffix(v.r.URL.Path, "/no") {
		reply.Says = evidence.No
	} else if reply.Signed, err = g.signedForm(v); err == nil && reply.Signed != nil {
		keep, err = g.stepUpSigned(v, reply.Signed)
	}
	return document, reply, keep, err
}

// drafts is what the yes of such a form would sign.
func (g *Pages) drafts(draftOf drafter) func(*visit) error {
	return func(v *visit) error {
		document, err := audit.ParseHash(v.r.PostForm.Get("document"))
		if err != nil {
			return badCall{err}
		}
		a, _, err := draftOf(v.ctx(), v.actor, v.r.PathValue("id"), document, approvals.Reply{Says: evidence.Yes})
		if err != nil {
			return v.refusedPlan(err)
		}
		return g.plan(v, a, evidence.AnswerNamespace, document.String())
	}
}

func (s *server) draftAnswer(r *http.Request, by people.Actor) (any, error) {
	document, reply, err := answering(r)
	if err != nil {
		return nil, err
	}
	a, err := s.Desk.Draft(r.Context(), by, requestID(r), document, reply)
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
