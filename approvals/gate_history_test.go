package approvals

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/policy"
)

// The same on a plant with gates: inputs turn, go stale and break, people say
// gates, stand in, escort, narrow and hand over, between everything else.
func TestGatedHistories(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorldOf(t, nil, gatedPlant)
		m := machine{w}
		w.says("key", true)
		for range rapid.IntRange(0, 2).Draw(t, "open before") {
			w.open()
		}
		for range rapid.IntRange(0, 2).Draw(t, "agreed before") {
			w.agree(capper)
		}
		t.Repeat(map[string]func(*rapid.T){
			"submit": m.submit, "yes": m.yes, "yes2": m.yes,
			"open": m.open, "open2": m.open,
			"window": m.window, "window2": m.window,
			"gate": m.gate, "gate2": m.gate,
			"said": m.said, "said2": m.said,
			"escort": m.escort, "escort2": m.escort,
			"handover": m.handover,
			"people":   m.people, "duty": m.duty,
			"time": m.time, "jump": m.jump, "crash": m.crash,
			"busy": func(t *rapid.T) {
				w.busy(rapid.SampledFrom([][]string{nil, {"upload"}}).Draw(t, "half done")...)
			},
			"": func(t *rapid.T) { w.truth(t) },
		})
		w.restart()
		w.settle()
		w.judge(t)
		reached(seen, w)
	})
	reachedAll(t, seen, "opened", "paused", "changed", "offered")
	t.Log(seen)
}

// gate is an input that says something once or twice, or cannot be read.
func (m machine) gate(t *rapid.T) {
	g, _ := m.w.plant().Gate(rapid.SampledFrom([]string{"key", "key", "guard"}).Draw(t, "gate"))
	r := rapid.SampledFrom([]Reading{{Known: true, Yes: true, Why: "on"}, {Known: true, Yes: true, Why: "on"}, {Known: true, Why: "off"}, {Why: "no route"}}).Draw(t, "reading")
	for range rapid.IntRange(1, 2).Draw(t, "times") {
		m.try(t, m.w.desk.GateRead(m.w.ctx, g, r))
	}
}

func (m machine) said(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "outage") == 0 {
		m.try(t, m.w.desk.SayOutage(m.w.ctx, m.who(t), "winter", rapid.Bool().Draw(t, "runs"), ""))
		return
	}
	gate := rapid.SampledFrom([]string{"clear", "key", "guard"}).Draw(t, "gate")
	says := rapid.SampledFrom([]string{GateYes, GateYes, GateStoodIn, GateNo}).Draw(t, "says")
	_, err := m.w.desk.SayGate(m.w.ctx, m.who(t), m.windowID(t), gate, says, "why")
	m.try(t, err)
}

func (m machine) escort(t *rapid.T) {
	says := rapid.SampledFrom([]string{EscortTook, EscortTook, EscortHere, EscortOffered, EscortLeft}).Draw(t, "says")
	_, err := m.w.desk.Escort(m.w.ctx, m.who(t), m.windowID(t), says, m.person(t))
	m.try(t, err)
}

func (m machine) handover(t *rapid.T) {
	if rapid.Bool().Draw(t, "offer") {
		due := m.w.now().Add(time.Duration(rapid.IntRange(-9, 60).Draw(t, "due")) * time.Minute)
		_, err := m.w.desk.HandOver(m.w.ctx, m.who(t), "shift", due, "")
		m.try(t, err)
		return
	}
	open, err := m.w.desk.Handovers(m.w.ctx, m.w.as("mia"))
	if err != nil || len(open) == 0 {
		m.try(t, err)
		return
	}
	var take []policy.WindowID
	for _, i := range open[0].Items {
		if rapid.Bool().Draw(t, "take") {
			take = append(take, i.Window)
		}
	}
	_, err = m.w.desk.TakeOver(m.w.ctx, m.who(t), open[0].ID, take)
	m.try(t, err)
}
