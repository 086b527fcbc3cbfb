package main

import (
	"strings"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for name, row := range map[string]struct {
		values []float64
		q      float64
		want   float64
	}{
		"the median of one":       {[]float64{7}, 0.5, 7},
		"of three, in any order":  {[]float64{9, 1, 5}, 0.5, 5},
		"of four, the lower":      {[]float64{4, 1, 3, 2}, 0.5, 2},
		"one outlier of a round":  {[]float64{1, 1, 900}, 0.5, 1},
		"p99 of a hundred":        {hundred, 0.99, 99},
		"p99 of few is the worst": {[]float64{1, 2, 3}, 0.99, 3},
		"the greatest":            {hundred, 1, 100},
	} {
		t.Run(name, func(t *testing.T) {
			if got := quantile(row.values, row.q); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
	values := []float64{3, 1, 2}
	if median(values); values[0] != 3 {
		t.Error("the median sorted what it was given")
	}
}

func TestGoals(t *testing.T) {
	for name, row := range map[string]struct {
		penstock, stock float64
		goal            goal
		met             bool
	}{
		"a ratio at its limit":        {35, 100, goal{Of: ratio, Limit: 0.35}, true},
		"a ratio over it":             {36, 100, goal{Of: ratio, Limit: 0.35}, false},
		"at least, and it is":         {40, 100, goal{Of: ratio, Least: true, Limit: 0.4}, true},
		"at least, and it is not":     {39, 100, goal{Of: ratio, Least: true, Limit: 0.4}, false},
		"a little over ssh -J":        {1.25, 0.5, goal{Of: over, Limit: 1}, true},
		"too much over ssh -J":        {1.75, 0.5, goal{Of: over, Limit: 1}, false},
		"quicker than ssh -J":         {0.25, 0.5, goal{Of: over, Limit: 1}, true},
		"a value, whatever the other": {150, 1, goal{Of: plain, Limit: 150}, true},
		"a value over its limit":      {151, 1000, goal{Of: plain, Limit: 150}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := line{Value: map[string]float64{penstock: row.penstock, stock: row.stock}, Goal: &row.goal}.judged()
			if l.Goal.Met != row.met {
				t.Errorf("met is %v, want %v", l.Goal.Met, row.met)
			}
		})
	}
}

func TestTable(t *testing.T) {
	r := result{Machine: "4 × a machine", Date: "2026-11-22", Rounds: 3, Lines: []line{
		line{What: "set-up", Unit: "ms", Value: map[string]float64{direct: 134, stock: 262, penstock: 57, jump: 80}, Goal: &goal{Of: ratio, Limit: 0.35}}.judged(),
		line{What: "p50", Unit: "ms", Value: map[string]float64{stock: 0.34, penstock: 2}, Goal: &goal{Of: over, Limit: 1}}.judged(),
		line{What: "idle", Unit: "KiB", Value: map[string]float64{penstock: 120.4}, Goal: &goal{Of: plain, Limit: 150}}.judged(),
		{What: "sync", Unit: "ms", Value: map[string]float64{penstock: 0.2}},
	}}
	const want = `4 × a machine, 2026-11-22, 3 rounds. Medians; only ratios carry over to another machine.
             direct  ssh -J  penstock  by -J  penstock to ssh -J  goal
set-up  ms   134     262     57        80     0.22                ≤ 0.35 of ssh -J: met
p50     ms   –       0.34    2.00      –      5.88                ≤ ssh -J + 1 ms: NOT MET
idle    KiB  –       –       120       –                          ≤ 150 KiB: met
sync    ms   –       –       0.20      –
`
	var got strings.Builder
	if err := r.print(&got); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestUsedTime(t *testing.T) {
	got, err := usedTime("4711 (a) b) S 1 4711 4711 0 -1 4194560 100 0 0 0 150 25 3 4 20 0 9 0 100")
	if err != nil || got != 1820*time.Millisecond {
		t.Fatalf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "1 (x) S 1", "1 (x) S 1 1 1 0 -1 1 1 0 0 0 many 2 0"} {
		if got, err := usedTime(bad); err == nil {
			t.Errorf("usedTime(%q) = %v", bad, got)
		}
	}
}

func TestSwitchesOf(t *testing.T) {
	got, err := switchesOf("Name:\tpenstock\nThreads:\t9\nvoluntary_ctxt_switches:\t40\nnonvoluntary_ctxt_switches:\t2\n")
	if err != nil || got != 42 {
		t.Fatalf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "voluntary_ctxt_switches:\t40\n", "voluntary_ctxt_switches:\tmany\nnonvoluntary_ctxt_switches:\t2\n"} {
		if got, err := switchesOf(bad); err == nil {
			t.Errorf("switchesOf(%q) = %v", bad, got)
		}
	}
}
