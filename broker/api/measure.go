package api

import "time"

// Month is what the ten outcome measures came to in one month of the plant's clock.
type Month struct {
	Month     string    `json:"month"` // 2026-10
	Site      string    `json:"site"`
	Measures  []Measure `json:"measures"`
	Cuts      int       `json:"cuts"`
	CutMillis int64     `json:"cut_p99_millis,omitempty"`
}

// Measure is one of them. Which numbers it has depends on its unit: minutes have
// Median and P90, percent Share, sums Value.
type Measure struct {
	Number   int       `json:"number"`
	Name     string    `json:"name"`
	Unit     string    `json:"unit"`
	Is       string    `json:"is"` // measured, too few, not measured
	Why      string    `json:"why,omitempty"`
	Cases    int       `json:"cases"`
	Median   float64   `json:"median,omitempty"`
	P90      float64   `json:"p90,omitempty"`
	Share    float64   `json:"share,omitempty"`
	Value    float64   `json:"value,omitempty"`
	Days     float64   `json:"days,omitempty"` // of 10: ages together, for 100 assets
	Baseline *Baseline `json:"baseline,omitempty"`
}

// Baseline is what the plant said that a measure was before, in its unit.
type Baseline struct {
	Value float64   `json:"value"`
	From  string    `json:"from"`
	By    string    `json:"by,omitempty"`
	At    time.Time `json:"at,omitzero"`
	Proof string    `json:"proof,omitempty"` // key, or code: the server's word
	Receipted
}

// HandMinutes are minutes of a month that somebody spent on questions of evidence.
type HandMinutes struct {
	Month   string `json:"month"`
	Minutes int    `json:"minutes"`
	Why     string `json:"why"`
	Receipted
}
