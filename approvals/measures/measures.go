// Package measures computes from a plant's log what its ten outcome measures came
// to in a month: how long people waited, what was left open, what was paid back.
//
// It gives numbers for teams and sites, never for a person. It judges nothing and
// writes nothing. It trusts the log's leaves and the documents that they name; a
// measure whose source is missing says so and is no zero, and one of fewer than
// five cases says that they are too few.
package measures

import (
	"math"
	"slices"
	"time"
)

// Few is how many cases a measure has at the least before a number is told of it.
const Few = 5

// What a measure says of itself.
const (
	Measured    = "measured"
	TooFew      = "too few"
	NotMeasured = "not measured"
)

// Measure is one of the ten, of one month. Which of the numbers it has depends on
// what it is: times have Median and P90, shares Share, sums Value.
type Measure struct {
	Number int
	Name   string
	Unit   string // minutes, percent, items
	Is     string // Measured …
	Why    string // of what is not measured, what is missing; else what is to be known beside the number
	Cases  int

	Median, P90 float64 // minutes
	Share       float64 // 0 to 100
	Value       float64
	Without     float64 // downtime avoided, without the three largest
	Days        float64 // debt: ages together, for 100 assets

	Baseline *Baseline
}

// Baseline is what the plant said a measure was before, in the measure's unit.
type Baseline struct {
	Value float64
	From  string // whence the plant has it
	By    string
	At    time.Time
	Proof string // what the word rests on: "key", or "code", which is the server's word
}

// Month is what one month came to.
type Month struct {
	Site     string
	From, To time.Time
	Measures []Measure // by number
	Cut      Cut
}

// Cut is beside them, and no outcome: from the tap to the end of the last session
// that it ended, the 99th of a hundred.
type Cut struct {
	Cases int
	P99   time.Duration
}

// names are the measures' names and units, by number from 1.
var names = []struct{ name, unit string }{
	{"time to engage", "minutes"}, {"access lead time", "minutes"}, {"downtime minutes avoided (estimate)", "minutes"}, {"audit minutes", "minutes"},
	{"work outside outages", "percent"}, {"emergency share, and paid for", "percent"}, {"first try works", "percent"}, {"handed over", "percent"},
	{"handed back", "percent"}, {"convergence debt", "items"},
}

func blank(number int) Measure {
	return Measure{Number: number, Name: names[number-1].name, Unit: names[number-1].unit, Is: Measured}
}

// times fills in a measure of waiting.
func (m Measure) times(all []time.Duration) Measure {
	if m.Cases = len(all); m.few() {
		return m
	}
	slices.Sort(all)
	m.Median, m.P90 = minutes(quantile(all, 0.5)), minutes(quantile(all, 0.9))
	return m
}

// share fills in a measure that is a part of its cases.
func (m Measure) share(part, cases int) Measure {
	if m.Cases = cases; m.few() {
		return m
	}
	m.Share = 100 * float64(part) / float64(cases)
	return m
}

func (m *Measure) few() bool {
	if m.Cases < Few {
		m.Is = TooFew
	}
	return m.Is == TooFew
}

func missing(number int, why string) Measure {
	m := blank(number)
	m.Is, m.Why = NotMeasured, why
	return m
}

func minutes(d time.Duration) float64 { return round(d.Minutes()) }

// quantile is the smallest value that at least this part of all do not pass; all
// are sorted, and at least one. The median of an even number is between its two.
func quantile(all []time.Duration, part float64) time.Duration {
	if part == 0.5 && len(all)%2 == 0 {
		return (all[len(all)/2-1] + all[len(all)/2]) / 2
	}
	return all[max(0, int(math.Ceil(part*float64(len(all))))-1)]
}

func round(f float64) float64 { return math.Round(f*10) / 10 }
