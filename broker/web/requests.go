package web

import (
	"net/http"
	"strings"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

func (s *server) requests(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/requests", s.signedIn(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Desk.Requests(r.Context(), a)
		return each(list, err, requestJSON)
	}))
	mux.HandleFunc("POST /api/v1/requests", s.does(func(r *http.Request, a people.Actor) (any, error) {
		ask, err := readAsk(r)
		if err != nil {
			return nil, err
		}
		return one(requestJSON)(s.Desk.Submit(r.Context(), a, ask))
	}))
	mux.HandleFunc("GET /api/v1/requests/{id}", s.signedIn(func(r *http.Request, a people.Actor) (any, error) {
		return one(requestJSON)(s.Desk.Request(r.Context(), a, requestID(r)))
	}))
	mux.HandleFunc("POST /api/v1/requests/{id}/revise", s.does(func(r *http.Request, a people.Actor) (any, error) {
		ask, err := readAsk(r)
		if err != nil {
			return nil, err
		}
		return one(requestJSON)(s.Desk.Revise(r.Context(), a, requestID(r), ask))
	}))
	mux.HandleFunc("POST /api/v1/requests/{id}/tell", s.does(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Told](r)
		if err != nil {
			return nil, err
		}
		return one(requestJSON)(s.Desk.Tell(r.Context(), a, requestID(r), in.Text))
	}))
	mux.HandleFunc("POST /api/v1/call-in", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		ask, err := readAsk(r)
		if err != nil {
			return nil, err
		}
		q, code, err := s.Desk.CallIn(r.Context(), a, ask)
		if err != nil {
			return nil, err
		}
		return s.callJSON(q, code), nil
	}))
	mux.HandleFunc("POST /api/v1/requests/{id}/call", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		code, err := s.Desk.Call(r.Context(), a, requestID(r))
		if err != nil {
			return nil, err
		}
		q, err := s.Desk.Request(r.Context(), a, requestID(r))
		if err != nil {
			return nil, err
		}
		return s.callJSON(q, code), nil
	}))
	mux.HandleFunc("POST /api/v1/requests/{id}/priority", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		return one(requestJSON)(s.prioritised(r, a, step.Says, step.Why))
	}))
	mux.HandleFunc("POST /api/v1/requests/{id}/withdraw", s.does(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		if err := s.Desk.Withdraw(r.Context(), a, requestID(r), step.Why); err != nil {
			return nil, err
		}
		return one(requestJSON)(s.Desk.Request(r.Context(), a, requestID(r)))
	}))
	mux.HandleFunc("POST /api/v1/requests/{id}/draft", s.plant(s.draftAnswer))
	mux.HandleFunc("POST /api/v1/requests/{id}/answer", s.plantDoes(s.answerRequest))
}

// prioritised gives a request another priority than the computed one, for page and API.
func (s *server) prioritised(r *http.Request, a people.Actor, says, why string) (approvals.Request, error) {
	to, err := policy.ParsePriority(says)
	if err != nil {
		return approvals.Request{}, badCall{err}
	}
	return s.Desk.Prioritise(r.Context(), a, requestID(r), to, strings.TrimSpace(why))
}

func requestID(r *http.Request) policy.RequestID { return policy.RequestID(r.PathValue("id")) }

func (s *server) answerRequest(r *http.Request, a people.Actor) (any, error) {
	document, reply, err := answering(r)
	if err != nil {
		return nil, err
	}
	return one(requestJSON)(s.Desk.Answer(r.Context(), a, requestID(r), document, reply))
}

func replyOf(in api.Answer) approvals.Reply {
	return approvals.Reply{Says: in.Says, Role: policy.Role(in.Role), Why: in.Why, NotBefore: in.NotBefore, Spoken: policy.PersonID(in.Spoken),
		Limits: evidence.Limits{Rights: in.Limits.Rights, Assets: evidenceTargets(in.Limits.Targets),
			Minutes: in.Limits.Minutes, Until: in.Limits.Until}}
}

func readAsk(r *http.Request) (approvals.Ask, error) {
	in, err := read[api.Ask](r)
	if err != nil {
		return approvals.Ask{}, err
	}
	return askOf(in)
}

func askOf(in api.Ask) (approvals.Ask, error) {
	rights, err := policy.ParseRights(in.Rights)
	if err != nil {
		return approvals.Ask{}, badCall{err}
	}
	ask := approvals.Ask{Firm: policy.FirmID(in.Firm), People: names[policy.PersonID](in.People), Rights: rights,
		Reason: in.Reason, WorkOrder: in.WorkOrder, Change: in.Change, Backup: in.Backup, Backout: in.Backout,
		AreaClear: in.AreaClear, Kind: in.Kind, Laptop: in.Laptop, Jack: in.Jack, Happening: in.Happening, Drill: in.Drill, Minutes: in.Minutes, From: in.From, To: in.To, Pattern: in.Pattern, Outage: in.Outage, Registers: in.Registers}
	if ask.Machine, err = machineOf(in.Machine); err != nil {
		return ask, err
	}
	if ask.FileHashes, err = approvals.FileHashes(in.FileHashes); err != nil {
		return ask, err
	}
	for _, t := range in.Targets {
		if t.Port == "" && t.Account != "" {
			t.Port = "ssh"
		}
		ask.Targets = append(ask.Targets, policy.Target{Asset: policy.AssetName(t.Asset),
			Port: policy.PortName(t.Port), Account: policy.AccountName(t.Account)})
	}
	return ask, nil
}

func askJSON(d evidence.Request) api.Ask {
	var sums []string
	for _, h := range d.FileHashes {
		sums = append(sums, h.String())
	}
	return api.Ask{Firm: d.Firm, People: d.People, Targets: apiTargets(d.Assets), Rights: d.Rights, Reason: d.Reason,
		WorkOrder: d.WorkOrder, Change: d.Change, Backup: d.Backup, Backout: d.Backout, AreaClear: d.AreaClear, Kind: d.Kind, Laptop: d.Laptop, Jack: d.Jack, Starts: d.Starts, Waives: d.Waives, Happening: d.Happening, Drill: d.Drill,
		Minutes: d.Minutes, From: d.From, To: d.To, Outage: d.Outage, FileHashes: sums, Registers: evidence.RegisterWords(d.Registers), Machine: machineJSON(d.Machine)}
}

func requestJSON(q approvals.Request) api.Request {
	d := q.Document
	out := api.Request{ID: string(q.ID), State: string(q.State), Rev: q.Rev, Document: q.Hash.String(),
		Words: evidence.Words(q.Hash), By: d.By, Priority: q.Priority.String(), Computed: d.Priority, Can: d.Can, Worst: d.Worst, Stopper: d.Stopper, Weak: d.Weak, Files: d.Files, Escort: d.Escort, Open: d.Open, Window: string(q.Window), Asleep: q.Asleep, At: q.At,
		Ask: askJSON(d)}
	out.Under = underJSON(q.Pattern)
	out.Red = d.Red.Lines(func(id policy.PersonID) string { return string(id) }, d.Firm)
	for _, n := range q.Needs {
		out.Needs = append(out.Needs, api.Need{Role: string(n.Role), Count: n.Count, Rule: n.Rule})
	}
	for _, t := range q.Told {
		out.Told = append(out.Told, api.Told{Person: string(t.Person), Text: t.Text, At: t.At})
	}
	for _, l := range q.Answers {
		out.Answers = append(out.Answers, api.AnswerLine{Person: string(l.Person), Role: string(l.Role), Says: l.Says,
			Why: l.Why, At: l.At, Heard: string(l.Heard), Proof: l.Proof, Limits: api.Limits{Rights: l.Limits.Rights, Targets: apiTargets(l.Limits.Assets),
				Minutes: l.Limits.Minutes, Until: l.Limits.Until}})
	}
	return out
}

func apiTargets(list []evidence.Target) []api.Target {
	out := make([]api.Target, 0, len(list))
	for _, t := range list {
		out = append(out, api.Target(t))
	}
	return out
}

func evidenceTargets(list []api.Target) []evidence.Target {
	var out []evidence.Target
	for _, t := range list {
		out = append(out, evidence.Target(t))
	}
	return out
}

// one and each put a room's value into the API's form, and pass errors on.
func one[T, J any](f func(T) J) func(T, error) (any, error) {
	return func(v T, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		return f(v), nil
	}
}

func each[T, J any](list []T, err error, f func(T) J) (any, error) {
	if err != nil {
		return nil, err
	}
	out := make([]J, 0, len(list))
	for _, v := range list {
		out = append(out, f(v))
	}
	return out, nil
}

func (s *server) callJSON(q approvals.Request, code string) api.Call {
	out := api.Call{Request: string(q.ID), State: string(q.State), Window: string(q.Window), Code: code, Line: s.sshLine("desk") + " here " + code}
	if q.Call != nil {
		out.Until = q.Call.Until
	}
	return out
}
