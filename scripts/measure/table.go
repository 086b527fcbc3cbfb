package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// The ways to the target, as columns.
const (
	direct   = "direct"   // ssh
	stock    = "ssh -J"   // through a stock sshd
	penstock = "penstock" // ssh person+account+asset@broker
	jump     = "by -J"    // ssh -J person@broker account@asset.site
	baseline = stock      // what ratios are of

	hashes = "hashes only" // as penstock, to an account of whose files hashes are kept; no column of its own
)

var columns = []string{direct, stock, penstock, jump}

// line is one thing measured by each way; a way that was not measured is absent.
type line struct {
	What  string             `json:"what"`
	Unit  string             `json:"unit"`
	Value map[string]float64 `json:"value"`
	Goal  *goal              `json:"goal,omitempty"`
}

// goal is what issues 3 and 6 ask of the column penstock.
type goal struct {
	Of    kind    `json:"of"`
	Least bool    `json:"least"` // the limit is the least, not the most
	Limit float64 `json:"limit"`
	Met   bool    `json:"met"`
}

type kind string

const (
	ratio kind = "ratio" // to ssh -J
	over  kind = "over"  // ssh -J, in the line's unit
	plain kind = "plain" // the value itself
)

// judged is the line with its goal decided.
func (l line) judged() line {
	if l.Goal == nil {
		return l
	}
	g := *l.Goal
	got := l.Value[penstock]
	switch g.Of {
	case ratio:
		got /= l.Value[baseline]
	case over:
		got -= l.Value[baseline]
	}
	g.Met = got <= g.Limit
	if g.Least {
		g.Met = got >= g.Limit
	}
	l.Goal = &g
	return l
}

// text is the goal for a person.
func (g goal) text(unit string) string {
	sign := "≤"
	if g.Least {
		sign = "≥"
	}
	limit := strconv.FormatFloat(g.Limit, 'f', -1, 64)
	met := "met"
	if !g.Met {
		met = "NOT MET"
	}
	switch g.Of {
	case over:
		return fmt.Sprintf("≤ ssh -J + %s %s: %s", limit, unit, met)
	case plain:
		return fmt.Sprintf("%s %s %s: %s", sign, limit, unit, met)
	}
	return fmt.Sprintf("%s %s of ssh -J: %s", sign, limit, met)
}

type result struct {
	Machine string `json:"machine"`
	Date    string `json:"date"`
	Rounds  int    `json:"rounds"`
	Lines   []line `json:"lines"`
}

func (r result) print(w io.Writer) error {
	fmt.Fprintf(w, "%s, %s, %d rounds. Medians; only ratios carry over to another machine.\n", r.Machine, r.Date, r.Rounds)
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\t\t%s\tpenstock to ssh -J\tgoal\n", strings.Join(columns, "\t"))
	for _, l := range r.Lines {
		fmt.Fprintf(t, "%s\t%s", l.What, l.Unit)
		for _, c := range columns {
			v, ok := l.Value[c]
			fmt.Fprintf(t, "\t%s", number(v, ok))
		}
		base, ok := l.Value[baseline]
		got, has := l.Value[penstock]
		of, goal := "", ""
		if ok && has && base > 0 {
			of = strconv.FormatFloat(got/base, 'f', 2, 64)
		}
		if l.Goal != nil {
			goal = l.Goal.text(l.Unit)
		}
		fmt.Fprintf(t, "\t%s\t%s\n", of, goal)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("lay out the table: %w", err)
	}
	for l := range strings.Lines(table.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(l, " \n")); err != nil {
			return fmt.Errorf("print the table: %w", err)
		}
	}
	return nil
}

func number(v float64, ok bool) string {
	switch {
	case !ok:
		return "–"
	case v < 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// quantile is the nearest-rank quantile q, over 0 and at most 1, of values,
// which may be in any order but not none.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	rank := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// medians are those of each way.
func medians(of map[string][]float64) map[string]float64 { return quantiles(of, 0.5) }

func quantiles(of map[string][]float64, q float64) map[string]float64 {
	all := map[string]float64{}
	for way, values := range of {
		all[way] = quantile(values, q)
	}
	return all
}

// machineName is the processor and how many of them, as far as the kernel tells.
func machineName() string {
	model := runtime.GOARCH
	text, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for l := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d × %s", runtime.NumCPU(), model)
}
