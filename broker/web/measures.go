package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"penstock/approvals/measures"
	"penstock/approvals/people"
	"penstock/broker/api"
)

// measureCalls are the outcome measures, for OT security and who reads recordings.
func (s *server) measureCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/measures", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		return s.month(r, a, r.URL.Query().Get("month"))
	}))
	mux.HandleFunc("POST /api/v1/measures/{n}/baseline", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Baseline](r)
		if err != nil {
			return nil, err
		}
		n, _ := strconv.Atoi(r.PathValue("n")) // none is refused as none of the ten
		if err := s.Desk.EnterBaseline(r.Context(), a, n, in.Value, in.From); err != nil {
			return nil, err
		}
		in.By = string(a.Person)
		return in, nil
	}))
	mux.HandleFunc("POST /api/v1/measures/minutes", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.HandMinutes](r)
		if err != nil {
			return nil, err
		}
		return in, s.Desk.EnterMinutes(r.Context(), a, in.Month, in.Minutes, in.Why)
	}))
}

// month computes one month of the plant's clock, "2026-10"; empty: this one.
func (s *server) month(r *http.Request, by people.Actor, text string) (api.Month, error) {
	if err := s.Desk.MayMeasure(by); err != nil {
		return api.Month{}, err
	}
	at := s.Now().In(s.Plant().Location())
	if text != "" {
		t, err := time.Parse("2006-01", text)
		if err != nil || t.Year() < 2000 || t.Year() > 2199 {
			return api.Month{}, badCall{fmt.Errorf("%.20q is no month: write 2026-10", text)}
		}
		at = t
	}
	m, err := s.Measures.Month(r.Context(), at.Year(), at.Month())
	if err != nil {
		return api.Month{}, err
	}
	return monthJSON(at.Format("2006-01"), m), nil
}

func monthJSON(name string, m measures.Month) api.Month {
	out := api.Month{Month: name, Site: m.Site, Cuts: m.Cut.Cases, CutMillis: m.Cut.P99.Milliseconds(), Measures: []api.Measure{}}
	for _, one := range m.Measures {
		line := api.Measure{Number: one.Number, Name: one.Name, Unit: one.Unit, Is: one.Is, Why: one.Why, Cases: one.Cases,
			Median: one.Median, P90: one.P90, Share: one.Share, Value: one.Value, Days: one.Days}
		if b := one.Baseline; b != nil {
			line.Baseline = &api.Baseline{Value: b.Value, From: b.From, By: b.By, At: b.At, Proof: b.Proof}
		}
		out.Measures = append(out.Measures, line)
	}
	return out
}

// measuresView is the page of a month.
type measuresView struct {
	Month, Before, After string
	Site                 string
	Lines                []measureLine
	Cut                  string
}

type measureLine struct {
	Number          int
	Name, Is, Why   string
	Small           bool // there is no number
	Before, Entered string
	Unit            string
}

func (g *Pages) measuresPage(v *visit) error {
	m, err := g.month(v.r, v.actor, v.r.URL.Query().Get("month"))
	if err != nil {
		return err
	}
	at, err := time.Parse("2006-01", m.Month)
	if err != nil {
		return err
	}
	view := measuresView{Month: at.Format("January 2006"), Before: at.AddDate(0, -1, 0).Format("2006-01"), After: at.AddDate(0, 1, 0).Format("2006-01"), Site: m.Site}
	if at.AddDate(0, 1, 0).After(v.now) {
		view.After = ""
	}
	if m.Cuts > 0 {
		view.Cut = fmt.Sprintf("Time to cut, 99 of 100: %.1f s, of %d.", float64(m.CutMillis)/1000, m.Cuts)
	}
	for _, one := range m.Measures {
		line := measureLine{Number: one.Number, Name: one.Name, Is: MeasureText(one), Why: one.Why, Small: one.Is != measures.Measured, Unit: one.Unit}
		if b := one.Baseline; b != nil {
			line.Before = number(b.Value) + " " + one.Unit
			line.Entered = "from " + b.From + ", entered by " + b.By + map[string]string{"key": " over their own key", "code": " with a code: the server's word"}[b.Proof]
		}
		view.Lines = append(view.Lines, line)
	}
	return g.show(v, http.StatusOK, "measures", "Measures", view)
}

// MeasureText is what one measure came to, in words: for pages and terminals.
func MeasureText(m api.Measure) string {
	switch {
	case m.Is == measures.TooFew:
		return fmt.Sprintf("too few (%d)", m.Cases)
	case m.Is != measures.Measured:
		return m.Is
	case m.Number == 3:
		return fmt.Sprintf("%s min, of %d", number(m.Value), m.Cases)
	case m.Number == 10:
		return fmt.Sprintf("%s items and %s days for 100 assets", number(m.Value), number(m.Days))
	case m.Unit == "percent":
		return fmt.Sprintf("%.0f %%, of %d", m.Share, m.Cases)
	}
	return fmt.Sprintf("half within %s min, nine of ten within %s; of %d", number(m.Median), number(m.P90), m.Cases)
}

func number(f float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") }

// enterBaseline and enterMinutes are what people say beside the log.
func (g *Pages) enterBaseline(v *visit) error {
	n, _ := strconv.Atoi(v.r.PostForm.Get("n"))
	value, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(v.r.PostForm.Get("value")), ",", "."), 64)
	if err != nil {
		value = -1 // refused with what to write
	}
	if err := g.Desk.EnterBaseline(v.ctx(), v.actor, n, value, strings.TrimSpace(v.r.PostForm.Get("from"))); err != nil {
		return err
	}
	return g.done(v, "/measures", "Entered. The log has it with your name.")
}

func (g *Pages) enterMinutes(v *visit) error {
	f := v.r.PostForm
	n, _ := strconv.Atoi(strings.TrimSpace(f.Get("minutes")))
	if err := g.Desk.EnterMinutes(v.ctx(), v.actor, f.Get("month"), n, strings.TrimSpace(f.Get("why"))); err != nil {
		return err
	}
	return g.done(v, "/measures?month="+f.Get("month"), "Entered.")
}
