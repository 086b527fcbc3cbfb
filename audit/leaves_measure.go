package audit

import "time"

// MeasureBaseline: the plant says what an outcome measure was before, in tenths of
// its unit, and whence it has that. Proof is what the word rests on: code, which is
// the server's word.
type MeasureBaseline struct {
	Measure int       `json:"measure"`
	Tenths  int64     `json:"tenths"`
	From    string    `json:"from"`
	By      string    `json:"by"`
	Proof   string    `json:"proof"`
	At      time.Time `json:"at"`
}

// MeasureMinutes are minutes of a month that somebody spent by hand on questions
// of evidence, beside what the log has.
type MeasureMinutes struct {
	Month   string    `json:"month"` // 2026-10
	Minutes int       `json:"minutes"`
	Why     string    `json:"why"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
}

var _ = events(MeasureBaseline{}, MeasureMinutes{})

func (MeasureBaseline) Type() string { return "measure.baseline" }
func (MeasureMinutes) Type() string  { return "measure.minutes" }
