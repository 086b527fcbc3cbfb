package approvals

import (
	"slices"
	"sync"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// anxious is thePlant with an emergency, a freeze that keeps everybody out of
// line 1, a panel where values are set, and a gate for that.
var anxious = sync.OnceValue(func() *policy.Plant {
	text := edited(plantText,
		"viewer: {rights: [look], enforced: device}, recipes: {rights: [look, copy], enforced: device}, maint:",
		"viewer: {rights: [look], enforced: device}, recipes: {rights: [look, copy], enforced: device}, panel: {rights: [look, set], enforced: nobody}, maint:",
		"rules:\n", `calendars:
  campaign: {freeze: [{from: 2026-11-20, to: 2027-01-04, name: Christmas campaign}]}
gates:
  clear: {name: Nobody at the filler, kind: manual, by: shift}
rules:
  - {name: campaign, when: {zone: line-1}, not_during: campaign}
  - {name: hands,    when: {zone: line-1, right: [set]}, gates: [clear]}
`) + `
emergency: {agree: [shift], starts_as: [look], second_tap: [set], longest: 2h, tell: [ot-security], review: 3d, notice_above: 4 in 30d}
`
	return plantOf(text)
})

// down is what ann asks when the line stands: the panel, to look and to set.
func down(a *Ask) {
	on("filler-plc", "panel")(a)
	a.Kind, a.Rights, a.WorkOrder, a.Backup = evidence.Emergency, policy.Look|policy.Set, "F-417", "vault/1"
	a.Happening = policy.NowStopped
}

// stands is an emergency that mia has agreed to and opened.
func (w *world) stands(t *testing.T, change ...func(*Ask)) Window {
	t.Helper()
	r := w.yes("mia", w.submit(append([]func(*Ask){down}, change...)...))
	win, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	return win
}

func (w *world) stepUp(by policy.PersonID, id policy.WindowID, r policy.Rights) error {
	_, err := w.desk.StepUp(w.ctx, w.as(by), id, r)
	return err
}

func TestEmergency(t *testing.T) {
	w := newWorldOf(t, nil, anxious)
	_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask())
	wants(t, err, "freeze:campaign") // planned work waits
	for _, never := range []func(*Ask){
		func(a *Ask) { two(a); a.Kind = evidence.Emergency }, // loads programs
		func(a *Ask) { down(a); a.Minutes = 121 },
	} {
		_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(never))
		if got := rule(err); got != "emergency-rights" && got != "too-long" {
			t.Errorf("got %v", err)
		}
	}
	r := w.submit(down)
	if d := r.Document; !slices.Equal(d.Starts, []string{"look"}) || !slices.Equal(d.Waives, []string{"campaign"}) || d.Open != "shift" {
		t.Fatalf("the text says %q, %q, %q", d.Starts, d.Waives, d.Open)
	}
	if len(r.Needs) != 1 || r.Needs[0].Role != "shift" || r.Needs[0].Count != 1 {
		t.Fatalf("asked are %v", r.Needs)
	}
	_, err = w.say("olaf", r, evidence.Yes)
	wants(t, err, "not-asked")
	win := w.yes("mia", r).Window
	if win == "" {
		t.Fatal("one yes of the shift was not enough")
	}
	opened, err := w.desk.Open(w.ctx, w.as("mia"), win) // the gate is asked for what is set, and nobody sets yet
	wants(t, err, "")
	if !opened.Emergency || !slices.Equal(opened.MayStep, []string{"set"}) || w.rights(win) != policy.Look {
		t.Fatalf("opened as %+v with %s", opened, w.rights(win))
	}
	if b := w.newest(); !b.Emergency || !slices.Equal(b.Waived, []string{"campaign"}) {
		t.Errorf("the event says %+v", b)
	}
	if d := w.channel(win, "panel"); d.Rule != "account-can-more" {
		t.Errorf("a panel that nobody holds to looking: %+v", d)
	}

	wants(t, w.stepUp("ann", win, policy.Set), "not-plant")
	wants(t, w.stepUp("ida", win, policy.Set), "not-on-shift")
	wants(t, w.stepUp("mia", win, policy.Load), "step-up")
	wants(t, w.stepUp("mia", win, policy.Look), "step-up")
	_, err = w.desk.StepUp(w.ctx, w.stale("mia"), win, policy.Set)
	if rule(err) == "" {
		t.Error("a second tap without a code counts")
	}
	wants(t, w.stepUp("mia", win, policy.Set), "gate:clear")
	_, err = w.desk.SayGate(w.ctx, w.as("mia"), win, "clear", GateYes, "")
	wants(t, err, "")
	wants(t, w.stepUp("max", win, policy.Set), "")
	if got := w.rights(win); got != policy.Look|policy.Set || !w.live(win) {
		t.Fatalf("after the second tap: %s", got)
	}
	if d := w.channel(win, "panel"); !d.Allow {
		t.Errorf("after the second tap: %+v", d)
	}
	w.restart()
	if got := w.rights(win); got != policy.Look|policy.Set || !w.live(win) {
		t.Fatalf("after a restart: %s", got)
	}
	_, err = w.desk.Narrow(w.ctx, w.as("mia"), win, policy.Look, "")
	wants(t, err, "")
	wants(t, w.stepUp("mia", win, policy.Set), "step-up") // narrowed for good
	w.pass(61 * time.Minute)
	w.settle()
	w.verified()
	w.judge(t)
}

// Blocks and the island are never waived.
func TestABlockHoldsAgainstAnEmergency(t *testing.T) {
	w := newWorldOf(t, nil, anxious)
	r := w.yes("mia", w.submit(down))
	_, err := w.desk.Island(w.ctx, w.as("sara"), "", "incident")
	wants(t, err, "")
	_, err = w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "blocked")
	_, err = w.desk.Submit(w.ctx, w.as("ann"), w.ask(down))
	wants(t, err, "blocked")
}

// What somebody with the log could write: the verifier finds each.
func TestAnEmergencyIsRecomputed(t *testing.T) {
	type moved = audit.WindowMoved
	set := func(to string, change func(*world, *moved)) func(*world, *audit.Leaf) {
		return func(w *world, l *audit.Leaf) {
			if b, is := l.Body.(moved); is && b.To == to {
				change(w, &b)
				l.Body = b
			}
		}
	}
	for _, row := range []struct {
		story, finding string
		change         func(*world, *audit.Leaf)
	}{
		{"nothing", "", func(*world, *audit.Leaf) {}},
		{"the opening hides that it was an emergency", "the leaf says emergency false", set("opened", func(_ *world, b *moved) { b.Emergency = false })},
		{"the opening hides what was waived", "are waived, and the request", set("opened", func(_ *world, b *moved) { b.Waived = nil })},
		{"rights without an answer", "second tap cannot be read", set("stepped", func(_ *world, b *moved) { b.Answer = audit.HashOf([]byte("kept nowhere")) })},
		{"other rights than were tapped", "and the answer", set("stepped", func(_ *world, b *moved) { b.Rights = []string{"look", "set", "load"} })},
		{"somebody else's tap", "by an answer of", set("stepped", func(_ *world, b *moved) { b.By = "max" })},
		{"a tap by somebody who may not open", "holds no role that opens", func(w *world, l *audit.Leaf) {
			if b, is := l.Body.(moved); is && b.To == "stepped" {
				b.By, l.Actor = "ida", "ida"
				b.Answer = w.altered(b.Answer, func(a *evidence.Answer) { a.Person, a.Role = "ida", "it-network" })
				l.Body = b
			}
		}},
		{"a tap for more than was agreed", "was agreed", set("stepped", func(w *world, b *moved) {
			b.Rights = []string{"look", "set", "load"}
			b.Answer = w.altered(b.Answer, func(a *evidence.Answer) { a.Limits.Rights = b.Rights })
		})},
		{"a tap that takes looking away", "it allowed [\"look\"], and the second tap gives", set("stepped", func(w *world, b *moved) {
			b.Rights = []string{"set"}
			b.Answer = w.altered(b.Answer, func(a *evidence.Answer) { a.Limits.Rights = b.Rights })
		})},
		{"a tap when it was over", "stepped up at", func(_ *world, l *audit.Leaf) {
			if b, is := l.Body.(moved); is && b.To == "stepped" {
				l.Wall = b.At.Add(24 * time.Hour)
			}
		}},
		{"an extension passed off as a tap", "and not step-up", set("stepped", func(w *world, b *moved) {
			b.Answer = w.altered(b.Answer, func(a *evidence.Answer) { a.Says, a.Limits, a.Until = evidence.Extend, evidence.Limits{}, a.At })
		})},
	} {
		t.Run(row.story, func(t *testing.T) {
			w := newWorldOf(t, nil, anxious)
			win := w.stands(t)
			_, err := w.desk.SayGate(w.ctx, w.as("mia"), win.ID, "clear", GateYes, "")
			wants(t, err, "")
			wants(t, w.stepUp("mia", win.ID, policy.Set), "")
			w.finds(t, row.finding, row.change)
		})
	}
}

// altered is an answer's document with something else in it.
func (w *world) altered(h audit.Hash, change func(*evidence.Answer)) audit.Hash {
	b, err := w.docs.Get(w.ctx, h)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	a, err := evidence.ParseAnswer(b)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	change(&a)
	if b, err = audit.Canonical(a); err != nil {
		w.t.Fatalf("%v", err)
	}
	return w.put(b)
}

// A row edited to have more than the second tap gave makes nobody's window live.
func TestARowGivesAnEmergencyNothing(t *testing.T) {
	w := newWorldOf(t, nil, anxious)
	win := w.stands(t)
	w.edit("window/"+string(win.ID), func(v map[string]any) { v["rights"] = []string{"look", "set"} })
	if _, err := w.desk.Facts(w.ctx, win.ID, "ann"); rule(err) != "row-differs" {
		t.Errorf("got %v", err)
	}
}

// The same by a limit: the shift agrees to looking alone, and no tap gives more.
func TestAnEmergencyAgreedToLookAlone(t *testing.T) {
	w := newWorldOf(t, nil, anxious)
	r := w.submit(down, on("filler-plc", "panel"))
	_, err := w.desk.Answer(w.ctx, w.as("mia"), r.ID, r.Hash, Reply{Says: evidence.Yes, Limits: evidence.Limits{Rights: []string{"look"}}})
	wants(t, err, "limit-unusable") // the panel cannot be held to looking
}

// A window says that it is a drill, so that whoever counts emergencies leaves it out.
func TestADrillSaysSo(t *testing.T) {
	w := newWorldOf(t, nil, anxious)
	real := w.stands(t)
	r, err := w.desk.Submit(w.ctx, w.as("olaf"), w.ask(down, func(a *Ask) { a.Firm, a.Drill = "krall", true }))
	wants(t, err, "")
	win, err := w.desk.Open(w.ctx, w.as("mia"), w.yes("mia", r).Window)
	wants(t, err, "")
	if !win.Emergency || !win.Drill || real.Drill {
		t.Errorf("%+v %+v", win, real)
	}
}
