package approvals

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// gatedText is the same plant with every kind of gate on line 1.
var gatedText = strings.NewReplacer(
	"rules:\n", `gates:
  key:    {name: Key A3, kind: modbus-coil, at: "10.20.1.9:502/1/5", stale: 10s, stand_in: shift}
  guard:  {name: Guard closed, kind: modbus-input, at: "10.20.1.9:502/1/6", stale: 10s, safety: true}
  clear:  {name: Area clear, kind: manual, by: shift, stale: 2h}
  winter: {name: Winter overhaul, kind: outage, by: line-1-owner, stale: 12h}
rules:
  - {name: key,    when: {asset: filler-plc, right: [copy]}, gates: key}
  - {name: clear,  when: {asset: capper-plc, right: [copy]}, gates: clear, escort: true}
  - {name: guard,  when: {asset: filler-plc, right: [load]}, gates: [guard, winter], on_loss: end}
`).Replace(plantText)

var gatedPlant = sync.OnceValue(func() *policy.Plant {
	return plantOf(gatedText)
})

// says is what the input of a gate says, read twice as the poller would.
func (w *world) says(gate string, yes bool) {
	g, _ := w.plant().Gate(gate)
	for range 2 {
		if err := w.desk.GateRead(w.ctx, g, Reading{Known: true, Yes: yes, Why: map[bool]string{true: "on", false: "off"}[yes]}); err != nil {
			w.t.Fatalf("gate %s: %v", gate, err)
		}
	}
}

func (w *world) agree(change ...func(*Ask)) policy.WindowID {
	r := w.yes("olaf", w.submit(change...))
	if r.Window == "" {
		r = w.yes("sara", r)
	}
	if r.Window == "" {
		w.t.Fatalf("not agreed: %+v", r)
	}
	return r.Window
}

func (w *world) why(id policy.WindowID) string {
	row, err := w.desk.windowRow(w.ctx, id)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return row.Why
}

func TestGateOpensAndPauses(t *testing.T) {
	w := newWorldOf(t, nil, gatedPlant)
	id := w.agree()
	open := func() error { _, err := w.desk.Open(w.ctx, w.as("mia"), id); return err }
	wants(t, open(), "gate:key") // never read
	g, _ := w.plant().Gate("key")
	if err := w.desk.GateRead(w.ctx, g, Reading{Known: true, Yes: true}); err != nil {
		t.Fatal(err)
	}
	wants(t, open(), "gate:key") // one reading is not enough
	w.says("key", true)
	wants(t, open(), "")
	if f, err := w.desk.Facts(w.ctx, id, "ann"); err != nil || !f.Window.Live || !f.Live.Gates["key"] || f.Live.Gates["guard"] {
		t.Fatalf("facts: %+v, %v", f, err)
	}

	w.says("key", false)
	if w.state(id) != WindowPaused || !strings.Contains(w.why(id), "Key A3 (off)") {
		t.Fatalf("after the loss: %s, %q", w.state(id), w.why(id))
	}
	if told := w.stops.told(); told[len(told)-1] != "hold W-1" {
		t.Fatalf("the broker was told: %v", told)
	}
	_, err := w.desk.GoOn(w.ctx, w.as("mia"), id)
	wants(t, err, "gate:key")
	w.says("key", true)
	_, err = w.desk.GoOn(w.ctx, w.as("mia"), id)
	wants(t, err, "")
	w.verified()

	// What cannot be read counts until it is stale, and not a moment longer.
	fail := func() {
		if err := w.desk.GateRead(w.ctx, g, Reading{Why: "no route to host"}); err != nil {
			t.Fatal(err)
		}
	}
	w.pass(9 * time.Second)
	fail()
	if w.state(id) != WindowOpen {
		t.Fatalf("after 9 s without a reading: %s", w.state(id))
	}
	w.pass(time.Second)
	fail()
	if w.state(id) != WindowPaused || !strings.Contains(w.why(id), "no route to host") {
		t.Fatalf("after 10 s without a reading: %s, %q", w.state(id), w.why(id))
	}
	w.verified()
	w.judge(t)
}

// A loss holds in memory before a slow disk has it.
func TestGateLossWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, time.Now, gatedPlant)
		id := w.agree()
		w.says("key", true)
		if _, err := w.desk.Open(w.ctx, w.as("mia"), id); err != nil {
			t.Fatal(err)
		}
		if f, err := w.desk.Facts(w.ctx, id, "ann"); err != nil || !f.Window.Live {
			t.Fatalf("%+v %v", f, err)
		}
		w.log.busy, w.log.wait = make(chan struct{}, 1), make(chan struct{})
		done := make(chan struct{})
		go func() { w.says("key", false); close(done) }()
		<-w.log.busy // the disk has it, and is slow
		if told := w.stops.told(); told[len(told)-1] != "hold "+string(id) {
			t.Errorf("while the disk writes: %v", told)
		}
		if f, err := w.desk.Facts(w.ctx, id, "ann"); err != nil || f.Window.Live || !f.Window.Paused {
			t.Errorf("facts while the disk writes: %+v %v", f.Window, err)
		}
		close(w.log.wait)
		<-done
		if w.state(id) != WindowPaused {
			t.Errorf("after: %s", w.state(id))
		}
	})
}

// A step of the wall clock makes an old value no younger and no fresher.
func TestGateClockSteps(t *testing.T) {
	for name, step := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		w := newWorldOf(t, nil, gatedPlant)
		w.says("key", true)
		w.pass(step)
		if c := w.desk.Gates(w.ctx)[0]; c.Gate.Name != "guard" && c.Holds() {
			t.Errorf("%s: %+v", name, c)
		}
		for _, c := range w.desk.Gates(w.ctx) {
			if c.Holds() {
				t.Errorf("%s: gate %s still holds", name, c.Gate.Name)
			}
		}
	}
}

func TestStandIn(t *testing.T) {
	w := newWorldOf(t, nil, gatedPlant)
	id := w.agree()
	stand := func(by policy.PersonID, gate, why string) error {
		_, err := w.desk.SayGate(w.ctx, w.as(by), id, gate, GateStoodIn, why)
		return err
	}
	wants(t, stand("mia", "key", ""), "bad-text")
	wants(t, stand("sara", "key", "switch is broken"), "not-on-shift")
	wants(t, stand("ann", "key", "switch is broken"), "not-plant")
	wants(t, stand("mia", "guard", "it is closed"), "no-stand-in")
	wants(t, stand("mia", "clear", "it is clear"), "no-stand-in")
	_, err := w.desk.SayGate(w.ctx, w.stale("mia"), id, "key", GateStoodIn, "switch is broken")
	wants(t, err, "code-needed")
	_, err = w.desk.SayGate(w.ctx, w.as("mia"), id, "key", GateYes, "")
	wants(t, err, "not-by-word")
	wants(t, stand("mia", "key", "switch is broken"), "")
	_, err = w.desk.Open(w.ctx, w.as("mia"), id)
	wants(t, err, "")
	w.says("key", false)
	if w.state(id) != WindowOpen {
		t.Fatalf("the input's no ended what somebody stands for: %s", w.state(id))
	}
	_, err = w.desk.SayGate(w.ctx, w.as("max"), id, "key", GateNo, "")
	wants(t, err, "")
	if w.state(id) != WindowPaused {
		t.Fatalf("taken back: %s", w.state(id))
	}
	wants(t, stand("max", "key", "again"), "stood-in-before")
	w.verified()
	w.restart()
	wants(t, stand("max", "key", "again"), "stood-in-before")
	w.judge(t)
}

func capper(a *Ask) { on("capper-plc", "recipes")(a) }

func TestManualGateAndEscort(t *testing.T) {
	w := newWorldOf(t, nil, gatedPlant)
	id := w.agree(capper)
	_, err := w.desk.Open(w.ctx, w.as("mia"), id)
	wants(t, err, "gate:clear")
	_, err = w.desk.SayGate(w.ctx, w.as("olaf"), id, "clear", GateYes, "")
	wants(t, err, "not-on-shift")
	_, err = w.desk.SayGate(w.ctx, w.as("mia"), id, "key", GateYes, "")
	wants(t, err, "not-by-word")
	_, err = w.desk.SayGate(w.ctx, w.as("mia"), id, "clear", GateYes, "I stand there")
	wants(t, err, "")
	_, err = w.desk.Open(w.ctx, w.as("mia"), id)
	wants(t, err, "")

	there := func() bool { f, err := w.desk.Facts(w.ctx, id, "ann"); return err == nil && f.Live.Escort }
	tap := func(by policy.PersonID, says string, to policy.PersonID) error {
		_, err := w.desk.Escort(w.ctx, w.as(by), id, says, to)
		return err
	}
	if there() {
		t.Fatal("an escort is there that nobody took")
	}
	wants(t, tap("ann", EscortTook, ""), "not-plant")
	wants(t, tap("ida", EscortTook, ""), "not-on-shift")
	_, err = w.desk.Escort(w.ctx, w.stale("mia"), id, EscortTook, "")
	wants(t, err, "code-needed")
	wants(t, tap("mia", EscortTook, ""), "")
	wants(t, tap("mia", EscortTook, ""), "is-escort") // a double tap
	wants(t, tap("max", EscortHere, ""), "not-escort")
	wants(t, tap("max", EscortTook, ""), "has-escort")
	wants(t, tap("mia", EscortOffered, "ann"), "own-escort")
	wants(t, tap("mia", EscortOffered, "max"), "")
	if !there() {
		t.Fatal("handed on and not taken: nobody is there")
	}
	wants(t, tap("max", EscortTook, ""), "")
	wants(t, tap("mia", EscortHere, ""), "not-escort")

	w.pass(9 * time.Minute)
	w.settle()
	if w.state(id) != WindowOpen || !there() {
		t.Fatalf("one tap missed: %s", w.state(id))
	}
	if _, err := w.desk.Escort(w.ctx, w.stale("max"), id, EscortHere, ""); err != nil {
		t.Fatalf("a tap wants a code: %v", err)
	}
	w.pass(10*time.Minute - time.Second)
	w.settle()
	if w.state(id) != WindowOpen {
		t.Fatalf("a tap was given: %s", w.state(id))
	}
	w.pass(time.Second)
	w.settle()
	if w.state(id) != WindowPaused || !strings.Contains(w.why(id), "max has not answered twice") {
		t.Fatalf("missed twice: %s, %q", w.state(id), w.why(id))
	}
	wants(t, tap("max", EscortHere, ""), "escort-missed")
	_, err = w.desk.GoOn(w.ctx, w.as("mia"), id)
	wants(t, err, "escort")
	wants(t, tap("mia", EscortTook, ""), "")
	_, err = w.desk.GoOn(w.ctx, w.as("mia"), id)
	wants(t, err, "")
	wants(t, tap("mia", EscortLeft, ""), "")
	if w.state(id) != WindowPaused {
		t.Fatalf("the escort has left: %s", w.state(id))
	}
	w.verified()
	w.judge(t)
}

// The word that the area is clear counts for its time, and for its window alone.
func TestManualGateEnds(t *testing.T) {
	w := newWorldOf(t, nil, gatedPlant)
	first, second := w.agree(capper), w.agree(capper)
	for _, err := range []error{
		func() error { _, err := w.desk.SayGate(w.ctx, w.as("mia"), first, "clear", GateYes, ""); return err }(),
		func() error { _, err := w.desk.Open(w.ctx, w.as("mia"), first); return err }(),
		func() error { _, err := w.desk.Extend(w.ctx, w.as("mia"), first, w.now().Add(4*time.Hour)); return err }(),
	} {
		wants(t, err, "")
	}
	_, err := w.desk.Open(w.ctx, w.as("mia"), second)
	wants(t, err, "gate:clear")
	w.pass(2*time.Hour - time.Second)
	w.settle()
	if w.state(first) != WindowOpen {
		t.Fatalf("before its time: %s", w.state(first))
	}
	w.pass(time.Second)
	w.settle()
	if w.state(first) != WindowPaused {
		t.Fatalf("after its time: %s", w.state(first))
	}
	w.verified()
}

func TestEscortsAtMostThree(t *testing.T) {
	w := newWorldOf(t, nil, gatedPlant)
	for n := range mostEscorted + 1 {
		_, err := w.desk.Escort(w.ctx, w.as("mia"), w.agree(capper), EscortTook, "")
		wants(t, err, map[bool]string{true: "escorts-enough"}[n == mostEscorted])
	}
}

// A rule that ends: the window is over at once, and an outage is said for all.
func TestLossEnds(t *testing.T) {
	w := newWorldOf(t, nil, gatedPlant)
	w.says("key", true)
	w.says("guard", true)
	id := w.agree(two)
	open := func() error { _, err := w.desk.Open(w.ctx, w.as("mia"), id); return err }
	wants(t, open(), "gate:winter")
	wants(t, w.desk.SayOutage(w.ctx, w.as("mia"), "winter", true, ""), "not-on-shift")
	wants(t, w.desk.SayOutage(w.ctx, w.stale("olaf"), "winter", true, ""), "code-needed")
	wants(t, w.desk.SayOutage(w.ctx, w.as("olaf"), "key", true, ""), "no-such-gate")
	wants(t, w.desk.SayOutage(w.ctx, w.as("olaf"), "winter", true, "begun"), "")
	wants(t, open(), "")
	if _, err := w.desk.Facts(w.ctx, id, "ann"); err != nil {
		t.Fatal(err)
	}
	wants(t, w.desk.SayOutage(w.ctx, w.as("mia"), "winter", false, "over"), "")
	if w.state(id) != WindowEnded || !strings.Contains(w.why(id), "Winter overhaul") {
		t.Fatalf("after the outage: %s, %q", w.state(id), w.why(id))
	}
	w.verified()
	w.judge(t)
}

// The log says who kept a gate that was lost from pausing: nobody may.
func (w *world) lostBefore(l audit.Leaf) bool {
	for _, old := range w.log.leaves()[:l.Index] {
		if b, is := old.Body.(audit.GateChanged); is && b.Says == "no" {
			return true
		}
	}
	return false
}

func TestWalkFindsGates(t *testing.T) {
	w := newWorldOf(t, nil, gatedPlant)
	w.says("key", true)
	id := w.agree()
	if _, err := w.desk.Open(w.ctx, w.as("mia"), id); err != nil {
		t.Fatal(err)
	}
	w.says("key", false)
	w.settle() // nobody is in: it is found by the look, not by the hold
	w.says("key", true)
	if _, err := w.desk.GoOn(w.ctx, w.as("mia"), id); err != nil {
		t.Fatal(err)
	}
	for range 60 { // the broker lives: it writes every second
		w.pass(time.Second)
		if _, err := w.log.Append(w.ctx, audit.Event{Subject: "S-1", Actor: penstock, Body: audit.RecordingHeads{}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.desk.Pause(w.ctx, w.as("mia"), id, "x"); err != nil {
		t.Fatal(err)
	}
	w.verified()

	alter := map[string]func(audit.Leaf) (audit.Leaf, bool){
		"gate key did not say yes": func(l audit.Leaf) (audit.Leaf, bool) { // the first yes is gone
			if b, is := l.Body.(audit.GateChanged); is && b.Says == "yes" {
				b.Says = "no"
				l.Body = b
			}
			return l, true
		},
		"no gate or escort was lost": func(l audit.Leaf) (audit.Leaf, bool) {
			b, is := l.Body.(audit.GateChanged)
			return l, !(is && b.Says == "no")
		},
		"after it had lost key": func(l audit.Leaf) (audit.Leaf, bool) { // the pause that had to come is another gate's word
			if b, is := l.Body.(audit.WindowMoved); is && b.By == penstock && b.To == "paused" || is && b.To == "wenton" {
				return l, false
			}
			if b, is := l.Body.(audit.GateChanged); is && b.Says == "yes" && w.lostBefore(l) {
				return l, false
			}
			return l, true
		},
		"is said by people": func(l audit.Leaf) (audit.Leaf, bool) {
			if b, is := l.Body.(audit.GateChanged); is {
				b.Gate = "clear"
				l.Body = b
			}
			return l, true
		},
	}
	for want, change := range alter {
		walk := evidence.NewWalk(w.docs)
		var found []string
		next, revs := audit.Index(0), uint64(0)
		for _, leaf := range w.log.leaves() {
			leaf, keep := change(leaf)
			if !keep {
				if leaf.Rev > 0 {
					revs++
				}
				continue
			}
			if _, is := leaf.Body.(audit.WindowMoved); is {
				leaf.Rev -= revs
			}
			leaf.Index = next
			next++
			found = append(found, walk.Leaf(w.ctx, leaf)...)
		}
		if !strings.Contains(strings.Join(found, "\n"), want) {
			t.Errorf("altered, the verifier does not say %q:\n%s", want, strings.Join(found, "\n"))
		}
	}
}
