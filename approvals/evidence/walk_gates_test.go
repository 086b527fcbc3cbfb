package evidence_test

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/policy"
)

// conditioned is the story's plant file with gates of each kind and an escort for
// loading programs into the filler.
func conditioned(t *testing.T, edits ...string) *policy.Plant {
	t.Helper()
	text := evidencetest.PlantText()
	return edited(t, text, append([]string{"rules:\n", `gates:
  key:    {name: Key A3, kind: modbus-coil, at: "10.20.1.9:502/1/5", stale: 10s, stand_in: shift}
  guard:  {name: Guard closed, kind: modbus-input, at: "10.20.1.9:502/1/6", stale: 10s, safety: true}
  clear:  {name: Area clear, kind: manual, by: line-1-owner, stale: 2h}
  free:   {name: Hatch shut, kind: manual, stale: 2h}
  winter: {name: Winter overhaul, kind: outage, by: line-1-owner, stale: 12h}
rules:
  - {name: gated, when: {asset: filler-plc, right: [load]}, gates: [key, guard, clear, free, winter], escort: true}
`}, edits...)...)
}

// short tells the night without extension, ended by mia at 4510: what a gate or an
// escort says in between is the test's.
func short(s *evidencetest.Story) {
	s.Drop(moved(s, "extended"))
	s.Step("channel.closed", 0).Wall, s.Step("session.ended", 0).Wall = at(4500), at(4501)
	ended := moved(s, "ended")
	ended.Wall, ended.Event.Actor = at(4510), "mia"
	change(ended, func(b *audit.WindowMoved) { b.At, b.By, b.Until = at(4510), "mia", at(4510) })
	s.Step("handback.given", 0).Wall, s.Step("handback.accepted", 0).Wall, s.Step("node.stopped", 0).Wall = at(4600), at(4610), at(4620)
}

// says is a gate's word: of an input where nobody is named, of a person for one window else.
func says(s *evidencetest.Story, after *evidencetest.Step, second int, gate, word, who, window string) *evidencetest.Step {
	b := audit.GateChanged{Gate: gate, Says: word, By: who, Window: window, At: at(second)}
	switch {
	case window != "":
		return behind(s, after, second, who, b, window, "window/"+window)
	case who != "":
		return behind(s, after, second, who, b, gate, "gate/"+gate)
	}
	return behind(s, after, second, "penstock", b, gate)
}

// watches is an escort's word about W-1.
func watches(s *evidencetest.Story, after *evidencetest.Step, second int, who, word, to string) *evidencetest.Step {
	return behind(s, after, second, who, audit.EscortChanged{Window: "W-1", By: who, Says: word, To: to, At: at(second)}, "W-1", "window/W-1")
}

// gate is the first word of a gate in the story.
func gate(s *evidencetest.Story, name string) *evidencetest.Step {
	for i := 0; ; i++ {
		step := s.Step("gate.changed", i)
		if step.Event.Body.(audit.GateChanged).Gate == name {
			return step
		}
	}
}

// watched is the short night under every kind of gate, and olaf for an escort.
func watched(plant *policy.Plant) *evidencetest.Story {
	s := evidencetest.New(plant)
	short(s)
	after := s.Step("window.agreed", 0)
	for _, g := range []struct{ gate, who, window string }{{"key", "", ""}, {"guard", "", ""}, {"winter", "olaf", ""}, {"clear", "olaf", "W-1"}, {"free", "mia", "W-1"}} {
		after = says(s, after, 3980, g.gate, "yes", g.who, g.window)
	}
	watches(s, after, 3990, "olaf", "took", "")
	watches(s, s.Step("firstbyte", 0), 4200, "olaf", "here", "")
	return s
}

func TestWalkGates(t *testing.T) {
	plant := conditioned(t)
	first := func(s *evidencetest.Story) *evidencetest.Step { return s.Step("firstbyte", 0) }
	word := func(name string, do func(*audit.GateChanged)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) { change(gate(s, name), do) }
	}
	by := func(name, who string) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			gate(s, name).Event.Actor = who
			change(gate(s, name), func(b *audit.GateChanged) { b.By = who })
		}
	}
	pauses := func(s *evidencetest.Story, after *evidencetest.Step, second int) *evidencetest.Step {
		s.Move(second, "penstock", "paused", time.Time{})
		return s.Insert(after)
	}
	// ticks has something in the log each ten seconds, so that nothing stood still.
	ticks := func(s *evidencetest.Story, after *evidencetest.Step, from, to int) *evidencetest.Step {
		for ; from < to; from += 10 {
			after = behind(s, after, from, "penstock", audit.LoginRefused{Name: "x"}, "x")
		}
		return after
	}
	findsIn(t, func() *evidencetest.Story { return watched(plant) }, []alteration{
		{"as it was", func(*evidencetest.Story) {}, ""},
		{"a gate says what no gate says", word("key", func(b *audit.GateChanged) { b.Says = "perhaps" }), `"perhaps" is nothing that a gate says`},
		{"a gate that the plant file does not have", word("key", func(b *audit.GateChanged) { b.Gate = "moon" }), "the plant file in force has no gate moon"},
		{"a gate that it had before, which says no", func(s *evidencetest.Story) { says(s, first(s), 4100, "moon", "no", "", "") }, ""},
		{"an input's word by a person", func(s *evidencetest.Story) { gate(s, "key").Event.Actor = "mia" }, "mia says what an input said"},
		{"an input's word for one window", func(s *evidencetest.Story) {
			step := gate(s, "key")
			step.Rows = []string{"window/W-1"}
			step.Event.Subject = "W-1"
			change(step, func(b *audit.GateChanged) { b.Window = "W-1" })
		}, "penstock says what an input said"},
		{"a person's gate said by nobody", func(s *evidencetest.Story) {
			step := gate(s, "winter")
			step.Rows, step.Event.Actor = nil, "penstock"
			change(step, func(b *audit.GateChanged) { b.By = "" })
		}, "winter is said by people, and the leaf names none"},
		{"nobody stands in", word("key", func(b *audit.GateChanged) { b.Says = "stood-in" }), "nobody stood in for it"},
		{"said in another's name", func(s *evidencetest.Story) { gate(s, "clear").Event.Actor = "ines" }, "ines said it, and the leaf says olaf"},
		{"said before it was written", word("clear", func(b *audit.GateChanged) { b.At = at(3990) }), "and the log has it at"},
		{"said long before it was written", word("clear", func(b *audit.GateChanged) { b.At = at(3800) }), "and the log has it at"},
		{"an outage that the shift says", by("winter", "mia"), "mia may not say that winter runs"},
		{"an outage's word for an input's gate", func(s *evidencetest.Story) {
			says(s, first(s), 4100, "key", "yes", "olaf", "")
		}, "olaf may not say that key runs"},
		{"an outage that a stranger ends", func(s *evidencetest.Story) { says(s, first(s), 4100, "winter", "no", "ann", "") }, "taken by ann, who is nobody of the plant"},
		{"said for a window that was over", func(s *evidencetest.Story) {
			says(s, moved(s, "ended"), 4515, "clear", "yes", "olaf", "W-1")
		}, "it was ended"},
		{"said for a window that there is not", func(s *evidencetest.Story) {
			says(s, first(s), 4100, "clear", "yes", "olaf", "W-9")
		}, "does not know window W-9"},
		{"a no of a stranger for one window", func(s *evidencetest.Story) { says(s, first(s), 4100, "clear", "no", "ann", "W-1") }, "taken by ann, who is nobody of the plant"},
		{"somebody stands in for a key", func(s *evidencetest.Story) {
			s.Drop(gate(s, "key"))
			says(s, s.Step("window.agreed", 0), 3980, "key", "stood-in", "mia", "W-1")
		}, ""},
		{"somebody stands in for a safety gate", func(s *evidencetest.Story) { says(s, first(s), 4100, "guard", "stood-in", "mia", "W-1") }, "nobody may stand in for guard"},
		{"somebody stands in for a gate that asks for it", func(s *evidencetest.Story) { says(s, first(s), 4100, "clear", "stood-in", "mia", "W-1") }, "nobody may stand in for clear"},
		{"another stands in", func(s *evidencetest.Story) { says(s, first(s), 4100, "key", "stood-in", "olaf", "W-1") }, "olaf may not stand in for key"},
		{"somebody stands in twice", func(s *evidencetest.Story) {
			says(s, says(s, first(s), 4100, "key", "stood-in", "mia", "W-1"), 4110, "key", "stood-in", "mia", "W-1")
		}, "somebody stood in for key in W-1 before"},
		{"an input's gate said for one window", func(s *evidencetest.Story) { says(s, first(s), 4100, "guard", "yes", "olaf", "W-1") }, "guard is not said for a window"},
		{"a manual gate said by another role", by("clear", "mia"), "mia may not say gate clear of W-1"},
		{"an opener's gate said by who opens nothing", by("free", "ines"), "ines may not say gate free of W-1"},
		{"no word of an input when it opens", func(s *evidencetest.Story) { s.Drop(gate(s, "key")) }, "gate key did not say yes"},
		{"no word of a person when it opens", func(s *evidencetest.Story) { s.Drop(gate(s, "clear")) }, "gate clear did not say yes"},
		{"a person's word that is stale when it opens", func(s *evidencetest.Story) {
			step := gate(s, "clear")
			step.Wall = at(4000 - 7200 - 3)
			change(step, func(b *audit.GateChanged) { b.At = step.Wall })
		}, "gate clear did not say yes"},
		{"an outage's word that is stale when it opens", func(s *evidencetest.Story) {
			change(gate(s, "winter"), func(b *audit.GateChanged) { b.At = at(4000 - 12*3600 - 3) })
		}, "gate winter did not say yes"},
		{"no outage when it opens", func(s *evidencetest.Story) { s.Drop(gate(s, "winter")) }, "gate winter did not say yes"},
		{"goes on after a gate was lost", func(s *evidencetest.Story) {
			lost := says(s, first(s), 4100, "guard", "no", "", "")
			ticks(s, lost, 4110, 4190)
		}, "W-1 went on for more than 35s after it had lost guard"},
		{"paused when a gate was lost", func(s *evidencetest.Story) {
			pauses(s, says(s, first(s), 4100, "guard", "no", "", ""), 4102)
		}, ""},
		{"a gate is lost and comes back", func(s *evidencetest.Story) {
			lost := says(s, first(s), 4100, "guard", "no", "", "")
			ticks(s, says(s, lost, 4120, "guard", "yes", "", ""), 4125, 4190)
		}, ""},
		{"goes on after a person's word was lost", func(s *evidencetest.Story) {
			lost := says(s, first(s), 4100, "clear", "no", "olaf", "W-1")
			ticks(s, lost, 4110, 4190)
		}, "W-1 went on for more than 35s after it had lost clear"},
		{"wenton before the gate is back", func(s *evidencetest.Story) {
			paused := pauses(s, says(s, first(s), 4100, "guard", "no", "", ""), 4102)
			s.Move(4110, "mia", "wenton", time.Time{})
			s.Insert(paused)
		}, "gate guard did not say yes"},
		{"Penstock pauses what has all it needs", func(s *evidencetest.Story) {
			paused := pauses(s, first(s), 4102)
			s.Move(4110, "mia", "wenton", time.Time{})
			s.Insert(paused)
		}, "paused by nobody, and no gate or escort was lost"},
		{"goes on after the start, and no input is read", func(s *evidencetest.Story) {
			started := behind(s, first(s), 4100, "penstock", audit.NodeStarted{}, "a")
			ticks(s, started, 4105, 4200)
		}, "W-1 went on for more than 35s after it had lost"},
	})
}

func TestWalkEscorts(t *testing.T) {
	plant := conditioned(t)
	first := func(s *evidencetest.Story) *evidencetest.Step { return s.Step("escort.changed", 0) }
	by := func(who string) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			first(s).Event.Actor = who
			change(first(s), func(b *audit.EscortChanged) { b.By = who })
		}
	}
	when := func(at time.Time) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) { change(first(s), func(b *audit.EscortChanged) { b.At = at }) }
	}
	missed := int(2 * evidence.EscortEvery / time.Second)
	findsIn(t, func() *evidencetest.Story { return watched(plant) }, []alteration{
		{"as it was", func(*evidencetest.Story) {}, ""},
		{"nobody was there", func(s *evidencetest.Story) { s.Drop(first(s)); s.Drop(first(s)) }, "escort"},
		{"another says that he watches", func(s *evidencetest.Story) { first(s).Event.Actor = "ines" }, "ines said it, and the leaf says olaf"},
		{"before it was written", when(at(3993)), "and the log has it at"},
		{"long before it was written", when(at(3800)), "and the log has it at"},
		{"the vendor watches herself", by("ann"), "ann may not escort it"},
		{"somebody whom the log does not know", by("zoe"), "zoe may not escort it"},
		{"a tap of somebody else", func(s *evidencetest.Story) {
			watches(s, s.Step("escort.changed", 1), 4210, "ines", "here", "")
		}, "ines is not its escort"},
		{"another takes it who was not offered it", func(s *evidencetest.Story) {
			watches(s, s.Step("escort.changed", 1), 4210, "ines", "took", "")
		}, "olaf watched it and had not handed it on"},
		{"it is handed on", func(s *evidencetest.Story) {
			offered := watches(s, s.Step("escort.changed", 1), 4210, "olaf", "offered", "ines")
			watches(s, offered, 4215, "ines", "took", "")
		}, ""},
		{"it is offered to the vendor", func(s *evidencetest.Story) {
			watches(s, s.Step("escort.changed", 1), 4210, "olaf", "offered", "ann")
		}, "ann may not escort it"},
		{"it is offered to nobody", func(s *evidencetest.Story) {
			watches(s, s.Step("escort.changed", 1), 4210, "olaf", "offered", "zoe")
		}, "zoe may not escort it"},
		{"it is offered to one and taken by another", func(s *evidencetest.Story) {
			offered := watches(s, s.Step("escort.changed", 1), 4210, "olaf", "offered", "ines")
			watches(s, offered, 4215, "mia", "took", "")
		}, "olaf watched it and had not handed it on"},
		{"an escort says something", func(s *evidencetest.Story) {
			watches(s, s.Step("escort.changed", 1), 4210, "olaf", "sleeps", "")
		}, `"sleeps" is nothing that an escort says`},
		{"taken when it was over", func(s *evidencetest.Story) {
			watches(s, moved(s, "ended"), 4515, "olaf", "took", "")
		}, "it was ended"},
		{"a window that there is not", func(s *evidencetest.Story) {
			change(first(s), func(b *audit.EscortChanged) { b.Window = "W-9" })
		}, "does not know window W-9"},
		{"they leave, and it goes on", func(s *evidencetest.Story) {
			after := watches(s, s.Step("escort.changed", 1), 4210, "olaf", "left", "")
			for second := 4215; second < 4300; second += 10 {
				after = behind(s, after, second, "penstock", audit.LoginRefused{Name: "x"}, "x")
			}
		}, "W-1 went on for more than 35s after it had lost escort"},
		{"they leave, and it is paused", func(s *evidencetest.Story) {
			left := watches(s, s.Step("escort.changed", 1), 4210, "olaf", "left", "")
			s.Move(4211, "penstock", "paused", time.Time{})
			s.Insert(left)
		}, ""},
		{"Penstock says that they left", func(s *evidencetest.Story) {
			step := watches(s, s.Step("escort.changed", 1), 4210, "olaf", "left", "")
			step.Event.Actor = "penstock"
		}, "penstock said it, and the leaf says olaf"},
		{"two taps missed, and a late one counts", func(s *evidencetest.Story) {
			s.Drop(s.Step("escort.changed", 1))
			s.Step("channel.closed", 0).Wall, s.Step("session.ended", 0).Wall = at(4700), at(4701)
			change(moved(s, "ended"), func(b *audit.WindowMoved) { b.At, b.Until = at(4710), at(4710) })
			moved(s, "ended").Wall = at(4710)
			for _, name := range []string{"handback.given", "handback.accepted", "node.stopped"} {
				s.Step(name, 0).Wall = at(4720)
			}
			watches(s, s.Step("firstbyte", 0), 3990+missed+3, "olaf", "here", "")
		}, "olaf had missed two taps"},
		{"a channel begins and nobody watches", func(s *evidencetest.Story) {
			left := watches(s, s.Step("escort.changed", 1), 4210, "olaf", "left", "")
			again := s.Step("channel.opened", 0).Event.Body.(audit.ChannelOpened)
			again.Channel = 1
			behind(s, left, 4220, "penstock", again, "S-1")
		}, "it is refused by escort"},
		{"it goes on and nobody watches", func(s *evidencetest.Story) {
			left := watches(s, s.Step("escort.changed", 1), 4210, "olaf", "left", "")
			s.Move(4211, "penstock", "paused", time.Time{})
			paused := s.Insert(left)
			s.Move(4220, "mia", "wenton", time.Time{})
			s.Insert(paused)
		}, "no escort was there"},
	})
}
