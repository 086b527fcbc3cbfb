package web

import (
	"net/http"
	"strconv"
	"strings"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/api"
	"penstock/policy"
)

// outageCalls are the calls about outages.
func (s *server) outageCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/outages", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Desk.Outages(r.Context(), a)
		return each(list, err, outageJSON)
	}))
	mux.HandleFunc("GET /api/v1/outages/{id}", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		return one(outageJSON)(s.Desk.Outage(r.Context(), a, r.PathValue("id")))
	}))
	mux.HandleFunc("POST /api/v1/outages/plan", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		ask, err := readOutage(r)
		if err != nil {
			return nil, err
		}
		plan, err := s.Desk.PlanOutage(r.Context(), a, ask)
		return planJSON(plan, len(ask.Rows)), err
	}))
	mux.HandleFunc("POST /api/v1/outages", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		ask, err := readOutage(r)
		if err != nil {
			return nil, err
		}
		return one(outageJSON)(s.Desk.ProposeOutage(r.Context(), a, ask))
	}))
	mux.HandleFunc("POST /api/v1/outages/{id}/rows", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		ask, err := readOutage(r)
		if err != nil {
			return nil, err
		}
		return one(outageJSON)(s.Desk.PutOnOutage(r.Context(), a, r.PathValue("id"), ask.Rows))
	}))
	mux.HandleFunc("POST /api/v1/outages/{id}/answer/draft", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		document, reply, err := readList(r)
		if err != nil {
			return nil, err
		}
		yes, list, err := s.Desk.DraftList(r.Context(), a, r.PathValue("id"), document, reply)
		if err != nil {
			return nil, err
		}
		return draft(yes, evidence.AnswerNamespace, list)
	}))
	mux.HandleFunc("POST /api/v1/outages/{id}/answer", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		document, reply, err := readList(r)
		if err != nil {
			return nil, err
		}
		return one(takenJSON)(s.Desk.AnswerList(r.Context(), a, r.PathValue("id"), document, reply))
	}))
	mux.HandleFunc("POST /api/v1/outages/{id}/open", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.CrewOpen](r)
		if err != nil {
			return nil, err
		}
		list, err := s.Desk.OpenCrew(r.Context(), a, r.PathValue("id"), in.Crew)
		return each(list, err, func(o approvals.Opened) api.Opened {
			return api.Opened{Window: string(o.Window), Until: o.Until, Say: o.Say}
		})
	}))
	mux.HandleFunc("POST /api/v1/outages/{id}/withdraw", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		return api.Receipted{}, s.Desk.WithdrawOutage(r.Context(), a, r.PathValue("id"), step.Why)
	}))
}

func readOutage(r *http.Request) (approvals.OutageAsk, error) {
	in, err := read[api.OutageAsk](r)
	if err != nil {
		return approvals.OutageAsk{}, err
	}
	return outageOf(in)
}

func outageOf(in api.OutageAsk) (approvals.OutageAsk, error) {
	out := approvals.OutageAsk{Name: strings.TrimSpace(in.Name), From: in.From, To: in.To}
	for i, row := range in.Rows {
		one := approvals.RowAsk{Request: policy.RequestID(row.Request), Crew: row.Crew, Area: row.Area}
		if row.Request == "" {
			var err error
			if one.Ask, err = askOf(row.Ask); err != nil {
				return out, &policy.Refusal{Rule: "bad-row", Say: "Row " + strconv.Itoa(i+1) + ": " + err.Error(), Why: err.Error()}
			}
		}
		for _, n := range row.After {
			one.After = append(one.After, n-1)
		}
		out.Rows = append(out.Rows, one)
	}
	return out, nil
}

func readList(r *http.Request) (document audit.Hash, reply approvals.ListReply, err error) {
	in, err := read[api.ListAnswer](r)
	if err != nil {
		return document, reply, err
	}
	if document, err = audit.ParseHash(in.Document); err != nil {
		return document, reply, badCall{err}
	}
	reply = approvals.ListReply{Rows: names[policy.RequestID](in.Rows), Looked: names[policy.RequestID](in.Looked)}
	if in.Signed != nil {
		reply.Signed, err = signedAnswer(in.Signed)
	}
	return document, reply, err
}

func planJSON(p approvals.Plan, rows int) api.Plan {
	out := api.Plan{Rows: []api.PlannedRow{}, Conflicts: conflictsJSON(p.Conflicts), Escorts: p.Escorts}
	for i := range rows {
		if p.Impossible[i] != "" || len(p.Look[i]) > 0 {
			out.Rows = append(out.Rows, api.PlannedRow{Row: i + 1, Impossible: p.Impossible[i], Look: p.Look[i]})
		}
	}
	return out
}

func conflictsJSON(list []evidence.Conflict) (out []api.Conflict) {
	for _, c := range list {
		out = append(out, api.Conflict{Rule: c.Rule, Rows: c.Rows, Say: c.Say})
	}
	return out
}

func outageJSON(o approvals.Outage) api.Outage {
	d := o.Document
	out := api.Outage{ID: o.ID, Name: d.Name, From: d.From, To: d.To, Rev: d.Rev, Document: o.Hash.String(), By: d.By, Withdrawn: string(o.Withdrawn),
		Listed: len(d.Rows), Unlisted: words(o.Unlisted), Conflicts: conflictsJSON(o.Conflicts), Escorts: o.Escorts}
	for _, r := range o.Rows {
		row := api.OutageRow{Request: r.Request, Document: r.Document.String(), Crew: r.Crew, Area: r.Area, After: r.After, Look: r.Look, State: string(r.State),
			Window: string(r.Window), Runs: string(r.Runs), Yours: r.Yours, Changed: r.Changed, Ask: askJSON(r.Text)}
		for _, n := range r.Needs {
			row.Needs = append(row.Needs, api.Need{Role: string(n.Role), Count: n.Count, Rule: n.Rule})
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

func takenJSON(t approvals.Taken) api.ListTaken {
	out := api.ListTaken{Outage: outageJSON(t.Outage), Rows: words(t.Rows)}
	for id, why := range t.Not {
		if out.Not == nil {
			out.Not = map[string]string{}
		}
		out.Not[string(id)] = why
	}
	return out
}
