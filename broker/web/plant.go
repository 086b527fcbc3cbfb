package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/api"
	"penstock/policy"
)

// maxPlant bounds a call that carries a plant file: a document's size, and what
// JSON adds to it.
const maxPlant = audit.MaxDocument + audit.MaxDocument/2

// mostDifferences is how many lines of a comparison one answer or page has.
const mostDifferences = 1000

// maxOutage bounds a plan: two hundred rows, as JSON or in a form.
const maxOutage = 1 << 20

// bodyLimit is the most that a call's body may have. The large ones are read
// only after the caller is known as somebody of the plant.
func bodyLimit(r *http.Request) int64 {
	switch r.URL.Path {
	case "/api/v1/plant/changes", "/api/v1/plant/compare":
		return maxPlant
	case "/api/v1/outages", "/api/v1/outages/plan", "/outages", "/outages/plan":
		return maxOutage
	case "/api/v1/firms/import/plan", "/api/v1/firms/import", "/import/firms":
		return maxImport
	case "/import/firms/plan":
		return uploadForm
	}
	if strings.HasPrefix(r.URL.Path, "/roster/") && strings.Contains(r.URL.Path, "/calendar") {
		return uploadForm
	}
	return maxBody
}

// plantCalls are changes of the plant file.
func (s *server) plantCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/plant", s.plant(func(*http.Request, people.Actor) (any, error) {
		return api.PlantFile{Document: string(s.Plant().Document())}, nil
	}))
	mux.HandleFunc("POST /api/v1/plant/compare", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.PlantFile](r)
		if err != nil {
			return nil, err
		}
		to, err := s.Desk.ReadPlant([]byte(in.Document))
		if err != nil {
			return nil, err
		}
		return one(diffJSON)(s.Desk.ComparePlant(r.Context(), a, to))
	}))
	mux.HandleFunc("GET /api/v1/plant/changes", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Desk.PlantChanges(r.Context(), a)
		return each(list, err, changeJSON)
	}))
	mux.HandleFunc("POST /api/v1/plant/changes", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.PlantFile](r)
		if err != nil {
			return nil, err
		}
		return one(changeJSON)(s.Desk.Propose(r.Context(), a, []byte(in.Document), in.Why))
	}))
	mux.HandleFunc("GET /api/v1/plant/changes/{id}", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		return one(changeJSON)(s.Desk.PlantChange(r.Context(), a, r.PathValue("id")))
	}))
	mux.HandleFunc("GET /api/v1/plant/changes/{id}/diff", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		return one(diffJSON)(s.Desk.ChangeDiff(r.Context(), a, r.PathValue("id")))
	}))
	mux.HandleFunc("POST /api/v1/plant/changes/{id}/answer", s.plantDoes(answers(s.Desk.AnswerPlant, changeJSON)))
	mux.HandleFunc("POST /api/v1/plant/changes/{id}/answer/draft", s.plant(drafts(s.Desk.DraftPlant)))
	for _, verb := range []string{"apply", "confirm", "back", "withdraw"} {
		mux.HandleFunc("POST /api/v1/plant/changes/{id}/"+verb, s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
			in, err := read[api.PlantStep](r)
			if err != nil {
				return nil, err
			}
			if err := s.plantStep(r, a, verb, in); err != nil {
				return nil, err
			}
			return one(changeJSON)(s.Desk.PlantChange(r.Context(), a, r.PathValue("id")))
		}))
	}
}

// plantStep is one of the steps after the answers, for page and API.
func (s *server) plantStep(r *http.Request, a people.Actor, verb string, in api.PlantStep) error {
	id := r.PathValue("id")
	switch verb {
	case "apply":
		var within time.Duration
		if in.Within != "" {
			var err error
			if within, err = time.ParseDuration(in.Within); err != nil || within <= 0 {
				return badCall{fmt.Errorf("%.40q is no length of time: write 10m", in.Within)}
			}
		}
		return s.Desk.ApplyPlant(r.Context(), a, id, within)
	case "confirm":
		return s.Desk.KeepPlant(r.Context(), a, id)
	case "back":
		return s.Desk.BackPlant(r.Context(), a, id, in.Why)
	}
	return s.Desk.WithdrawPlant(r.Context(), a, id, in.Why)
}

func changeJSON(c approvals.PlantChange) api.PlantChange {
	d := c.Document
	out := api.PlantChange{ID: c.ID, State: string(c.State), By: d.By, Why: d.Why, Document: c.Hash.String(), Words: evidence.Words(c.Hash),
		From: d.From.String(), To: d.To.String(), At: d.At, Until: d.Until, Confirm: c.Confirm, Stale: c.Stale, Needs: needsJSON(c.Needs), Left: needsJSON(c.Left)}
	for _, l := range c.Answers {
		out.Answers = append(out.Answers, api.AnswerLine{Person: string(l.Person), Role: string(l.Role), Says: l.Says, Why: l.Why, At: l.At})
	}
	return out
}

func needsJSON(list []policy.Need) []api.Need {
	out := make([]api.Need, 0, len(list))
	for _, n := range list {
		out = append(out, api.Need{Role: string(n.Role), Count: n.Count, Rule: n.Rule})
	}
	return out
}

func diffJSON(d approvals.PlantDiff) api.PlantDiff {
	out := api.PlantDiff{Differences: []api.PlantDifference{}, Needs: needsJSON(d.Needs), Unfit: []api.UnfitWindow{}}
	for _, one := range d.Differences[:min(len(d.Differences), mostDifferences)] {
		out.Differences = append(out.Differences, api.PlantDifference{Means: one.Means, What: one.What, Text: one.Text, Touches: words(one.Touches)})
	}
	out.More = len(d.Differences) - len(out.Differences)
	for _, u := range d.Unfit {
		out.Unfit = append(out.Unfit, api.UnfitWindow{Window: string(u.Window), Firm: string(u.Firm), State: string(u.State), Why: u.Why,
			Target: api.Target{Asset: string(u.Target.Asset), Port: string(u.Target.Port), Account: string(u.Target.Account)}})
	}
	return out
}
