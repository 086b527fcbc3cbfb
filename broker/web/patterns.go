package web

import (
	"net/http"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// patternCalls are what was agreed by day for the night.
func (s *server) patternCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/patterns", s.signedIn(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Desk.Patterns(r.Context(), a)
		return each(list, err, patternJSON)
	}))
	mux.HandleFunc("GET /api/v1/patterns/{id}", s.signedIn(func(r *http.Request, a people.Actor) (any, error) {
		return one(patternJSON)(s.Desk.Pattern(r.Context(), a, r.PathValue("id")))
	}))
	mux.HandleFunc("POST /api/v1/patterns", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Pattern](r)
		if err != nil {
			return nil, err
		}
		rights, err := policy.ParseRights(in.Rights)
		if err != nil {
			return nil, badCall{err}
		}
		ask := approvals.PatternAsk{Frame: in.Frame, Follows: in.Follows, Firm: policy.FirmID(in.Firm), People: names[policy.PersonID](in.People), Rights: rights,
			Minutes: in.Minutes, Gates: in.Gates, Registers: in.Only, Purpose: in.Purpose, Until: in.Until, Review: in.Review}
		for _, t := range in.Targets {
			ask.Targets = append(ask.Targets, policy.Target{Asset: policy.AssetName(t.Asset), Port: policy.PortName(t.Port), Account: policy.AccountName(t.Account)})
		}
		return one(patternJSON)(s.Desk.ProposePattern(r.Context(), a, ask))
	}))
	mux.HandleFunc("POST /api/v1/patterns/{id}/answer", s.plantDoes(answers(s.Desk.AnswerPattern, patternJSON)))
	mux.HandleFunc("POST /api/v1/patterns/{id}/answer/draft", s.plant(drafts(s.Desk.DraftPattern)))
	mux.HandleFunc("POST /api/v1/patterns/{id}/withdraw", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		if err := s.Desk.WithdrawPattern(r.Context(), a, r.PathValue("id"), step.Why); err != nil {
			return nil, err
		}
		return one(patternJSON)(s.Desk.Pattern(r.Context(), a, r.PathValue("id")))
	}))
	mux.HandleFunc("POST /api/v1/windows/{id}/doubt", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		return one(patternJSON)(s.Desk.DoubtPattern(r.Context(), a, policy.WindowID(r.PathValue("id")), step.Why))
	}))
}

func patternJSON(p approvals.Pattern) api.Pattern {
	d := p.Document
	out := api.Pattern{ID: p.ID, State: string(p.State), Frame: d.Frame, Follows: d.Follows, Firm: d.Firm, By: d.By, People: d.People, Targets: apiTargets(d.Assets), Rights: d.Rights, Minutes: d.Minutes,
		Gates: d.Gates, Only: evidence.RegisterWords(d.Registers), Purpose: d.Purpose, Document: p.Hash.String(), Words: evidence.Words(p.Hash), At: d.At, DecideBy: d.DecideBy, Until: d.Until, Review: d.Review, Agreed: p.Agreed,
		Needs: needsJSON(p.Needs), Left: needsJSON(p.Left), Windows: words(p.Windows), Over: p.Over, OverBy: string(p.OverBy), Why: p.Why, Follower: p.Follower, Unfit: p.Unfit}
	for _, l := range p.Answers {
		out.Answers = append(out.Answers, api.AnswerLine{Person: string(l.Person), Role: string(l.Role), Says: l.Says, Why: l.Why, At: l.At, Proof: l.Proof})
	}
	for _, b := range p.Doubts {
		out.Doubts = append(out.Doubts, api.Doubt{Window: string(b.Window), By: string(b.By), Why: b.Why, At: b.At})
	}
	return out
}

func underJSON(u *approvals.Under) *api.Under {
	if u == nil {
		return nil
	}
	return &api.Under{ID: u.ID, Frame: u.Frame, Purpose: u.Purpose, Stands: u.Stands, Why: u.Why}
}
