package approvals

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// framedPlant is the kit's plant with a frame and a gate that only patterns ask.
var framedPlant = sync.OnceValue(func() *policy.Plant {
	text := edited(plantText, "rules:\n", `gates:
  line-key: {name: Key A3, kind: outage, by: shift, stale: 12h}
  area:     {name: Area clear, kind: manual}
rules:
  - {name: area, when: {zone: utilities, right: [set]}, gates: [area, line-key]}
`) + `
patterns:
  callout: {assets: [filler-plc], rights: [look, copy, set, load], open: shift, longest: 3h, owners: [line-1-owner, ot-security], why: Night call-out, review: 2027-03-31}
  monitor: {assets: [historian], rights: [look], machine: true, open: standing, confirm: every 90d, owners: [ot-security, it-network], why: Monitoring, review: 2027-03-31}
`
	return plantOf(text)
})

// callout is an agreement for ann and bob on the filler, for two hours at a time.
func callout(change ...func(*PatternAsk)) PatternAsk {
	a := PatternAsk{Frame: "callout", Firm: "krall", People: []policy.PersonID{"ann", "bob"}, Rights: policy.Look | policy.Copy | policy.Set | policy.Load,
		Targets: []policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "maint"}, {Asset: "filler-plc", Port: "ssh", Account: "recipes"}},
		Minutes: 120, Purpose: "Fill volume drifts", Until: start.Add(60 * 24 * time.Hour)}
	for _, c := range change {
		c(&a)
	}
	return a
}

func (w *world) propose(t testing.TB, a PatternAsk) Pattern {
	t.Helper()
	p, err := w.desk.ProposePattern(w.ctx, w.as("olaf"), a)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) saysTo(p Pattern, who policy.PersonID, says string) (Pattern, error) {
	return w.desk.AnswerPattern(w.ctx, w.as(who), p.ID, p.Hash, Reply{Says: says})
}

// pattern is one that olaf and sara have agreed by day.
func (w *world) pattern(t testing.TB, change ...func(*PatternAsk)) Pattern {
	t.Helper()
	p := w.propose(t, callout(change...))
	for _, who := range []policy.PersonID{"olaf", "sara"} {
		var err error
		if p, err = w.saysTo(p, who, evidence.Yes); err != nil {
			t.Fatal(err)
		}
	}
	if p.State != PatternAgreed {
		t.Fatalf("%s is %s, left %v", p.ID, p.State, p.Left)
	}
	return p
}

// night is what ann asks at night, inside the pattern.
func night(a *Ask) { two(a); a.To = a.From.Add(3 * time.Hour) }

// By day two agree; at night one yes of the shift is enough, and opens.
func TestPatternNeedsOneYesAtNight(t *testing.T) {
	w := newWorldOf(t, nil, framedPlant)
	if r := w.submit(night); roleList(r.Needs) != "1 × line-1-owner and 1 × ot-security" || r.Pattern != nil {
		t.Fatalf("without a pattern: %s %v", roleList(r.Needs), r.Pattern)
	}
	p := w.pattern(t)
	w.pass(18 * time.Hour)
	r := w.submit(night)
	if r.Pattern == nil || r.Pattern.ID != p.ID || !r.Pattern.Stands || roleList(r.Needs) != "1 × shift" || r.Needs[0].Rule != "callout" || len(r.Pattern.By) != 2 {
		t.Fatalf("needs %v under %+v", r.Needs, r.Pattern)
	}
	_, err := w.say("ida", r, evidence.Yes)
	wants(t, err, "not-asked")
	if r = w.yes("mia", r); r.State != RequestAgreed {
		t.Fatalf("it is %s, needs %s", r.State, roleList(r.Needs))
	}
	win, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	if win.Pattern != p.ID || !w.live(win.ID) {
		t.Fatalf("%+v live %v", win, w.live(win.ID))
	}
	if p, err = w.desk.Pattern(w.ctx, w.as("sara"), p.ID); err != nil || len(p.Windows) != 1 {
		t.Fatalf("its use is not counted: %v %v", p.Windows, err)
	}
	// A longer window than the pattern's is no extension under it.
	_, err = w.desk.Extend(w.ctx, w.as("mia"), win.ID, win.Opened.Add(2*time.Hour+time.Minute))
	wants(t, err, "extension")
	w.judge(t)
	w.restart()
	if !w.live(win.ID) {
		t.Error("not live after a restart")
	}
}

func TestPatternIsAgreedByWhomItTakes(t *testing.T) {
	w := newWorldOf(t, nil, framedPlant)
	_, err := w.desk.ProposePattern(w.ctx, w.as("ann"), callout())
	wants(t, err, "not-plant")
	_, err = w.desk.ProposePattern(w.ctx, w.as("tom"), callout())
	wants(t, err, "no-role")
	for _, row := range []struct {
		rule   string
		change func(*PatternAsk)
	}{
		{"no-such-frame", func(a *PatternAsk) { a.Frame = "x" }},
		{"pattern-frame", func(a *PatternAsk) { a.Frame = "monitor" }},
		{"pattern-frame", func(a *PatternAsk) { a.Rights |= policy.Device }},
		{"pattern-frame", func(a *PatternAsk) { a.Minutes = 181 }},
		{"pattern-frame", func(a *PatternAsk) {
			a.Targets = []policy.Target{{Asset: "capper-plc", Port: "ssh", Account: "viewer"}}
		}},
		{"pattern-frame", func(a *PatternAsk) { a.Targets = []policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "root"}} }},
		{"pattern-frame", func(a *PatternAsk) { a.Gates = []string{"no-gate"} }},
		{"pattern-frame", func(a *PatternAsk) { a.Review = time.Date(2027, 4, 2, 0, 0, 0, 0, time.UTC) }},
		{"no-such-firm", func(a *PatternAsk) { a.Firm, a.People = "fjord", []policy.PersonID{"tom"} }},
		{"no-such-person", func(a *PatternAsk) { a.People = []policy.PersonID{"eve"} }},
		{"no-such-pattern", func(a *PatternAsk) { a.Follows = "P-9" }},
		{"bad-text", func(a *PatternAsk) { a.Purpose = "" }},
		{"bad-text", func(a *PatternAsk) { a.Until = start.Add(-time.Hour) }},
	} {
		_, err := w.desk.ProposePattern(w.ctx, w.as("olaf"), callout(row.change))
		wants(t, err, row.rule)
	}
	p := w.propose(t, callout())
	if roleList(p.Left) != "1 × line-1-owner and 1 × ot-security" {
		t.Fatalf("left: %s", roleList(p.Left))
	}
	_, err = w.saysTo(p, "mia", evidence.Yes)
	wants(t, err, "not-asked")
	_, err = w.saysTo(p, "ann", evidence.Yes)
	wants(t, err, "not-plant")
	_, err = w.desk.AnswerPattern(w.ctx, w.stale("olaf"), p.ID, p.Hash, Reply{Says: evidence.Yes})
	wants(t, err, "code-needed")
	_, err = w.desk.AnswerPattern(w.ctx, w.as("olaf"), p.ID, p.Document.Plant, Reply{Says: evidence.Yes})
	wants(t, err, "stale-revision")
	if p, err = w.saysTo(p, "olaf", evidence.Yes); err != nil || p.State != PatternWaiting {
		t.Fatalf("one yes: %s %v", p.State, err)
	}
	_, err = w.saysTo(p, "olaf", evidence.Yes)
	wants(t, err, "already-answered")
	if r := w.submit(night); r.Pattern != nil {
		t.Error("asked under a pattern that waits")
	}
	p, err = w.saysTo(p, "sven", evidence.No)
	if err != nil || p.State != PatternRefused {
		t.Fatalf("a no leaves it %s, %v", p.State, err)
	}
	_, err = w.saysTo(p, "sara", evidence.Yes)
	wants(t, err, "not-waiting")
	w.judge(t)
}

func TestPatternIsNotWidened(t *testing.T) {
	w := newWorldOf(t, nil, framedPlant)
	p := w.pattern(t, func(a *PatternAsk) {
		a.People, a.Minutes, a.Until = []policy.PersonID{"ann"}, 60, start.Add(10*time.Hour)
		a.Targets = a.Targets[:1]
	})
	for name, change := range map[string]func(*Ask){
		"another person":  func(a *Ask) { a.People = []policy.PersonID{"ann", "bob"} },
		"another account": on("filler-plc", "recipes"),
		"another asset":   on("capper-plc", "recipes"),
		"longer":          func(a *Ask) { a.Minutes = 61 },
		"files by hash":   func(a *Ask) { a.FileHashes = []audit.Hash{recipe} },
		"later":           func(a *Ask) { a.To = start.Add(11 * time.Hour) },
	} {
		wider := func(a *Ask) { night(a); a.Rights = policy.Look | policy.Copy; change(a) }
		if name != "another account" && name != "another asset" {
			wider = func(a *Ask) { night(a); change(a) }
		}
		if r := w.submit(wider); r.Pattern != nil {
			t.Errorf("%s: asked under %s", name, r.Pattern.ID)
		} else if err := w.desk.Withdraw(w.ctx, w.as("ann"), r.ID, ""); err != nil {
			t.Fatal(err)
		}
		_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(wider, func(a *Ask) { a.Pattern = p.ID }))
		wants(t, err, "pattern-wider")
	}
	if r := w.submit(night, func(a *Ask) { a.Pattern = NoPattern }); r.Pattern != nil {
		t.Error("asked under a pattern that nobody wanted")
	}
	_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(night, func(a *Ask) { a.Pattern = "P-7" }))
	wants(t, err, "no-such-pattern")
	w.judge(t)
}

// Either party takes it back, at once: what waits needs the others again, what is
// agreed does not open, and what is open runs on.
func TestPatternWithdrawn(t *testing.T) {
	w := newWorldOf(t, nil, framedPlant)
	p := w.pattern(t)
	open := w.yes("mia", w.submit(night))
	if _, err := w.desk.Open(w.ctx, w.as("mia"), open.Window); err != nil {
		t.Fatal(err)
	}
	agreed := w.yes("mia", w.submit(night))
	waits := w.submit(night)
	wants(t, w.desk.WithdrawPattern(w.ctx, w.as("ann"), p.ID, ""), "not-plant")
	wants(t, w.desk.WithdrawPattern(w.ctx, w.as("mia"), p.ID, ""), "not-asked")
	wants(t, w.desk.WithdrawPattern(w.ctx, w.stale("sven"), p.ID, "Krall changed its people"), "")
	_, err := w.desk.Open(w.ctx, w.as("mia"), agreed.Window)
	wants(t, err, "pattern-over")
	if !w.live(open.Window) {
		t.Error("what was open does not run on")
	}
	r, err := w.desk.Request(w.ctx, w.as("mia"), waits.ID)
	if err != nil || roleList(r.Needs) != "1 × line-1-owner and 1 × ot-security" || r.Pattern.Stands {
		t.Fatalf("%s %+v %v", roleList(r.Needs), r.Pattern, err)
	}
	_, err = w.say("mia", r, evidence.Yes)
	wants(t, err, "not-asked")
	if r = w.yes("sara", w.yes("olaf", r)); r.State != RequestAgreed {
		t.Fatalf("two yeses, as without a pattern: %s", r.State)
	}
	win, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	if win.Pattern != "" {
		t.Error("it counts on the pattern")
	}
	if r := w.submit(night); r.Pattern != nil {
		t.Error("asked under a withdrawn pattern")
	}
	wants(t, w.desk.WithdrawPattern(w.ctx, w.as("sara"), p.ID, ""), "illegal-step")
	w.judge(t)
}

// Withdrawing takes effect before it is written: the disk is slow, and nothing
// rests on the pattern any more.
func TestPatternWithdrawnBeforeItIsWritten(t *testing.T) {
	w := newWorldOf(t, nil, framedPlant)
	p := w.pattern(t)
	r := w.yes("mia", w.submit(night))
	w.log.busy, w.log.wait = make(chan struct{}, 1), make(chan struct{})
	done := make(chan error)
	go func() { done <- w.desk.WithdrawPattern(w.ctx, w.as("olaf"), p.ID, "") }()
	<-w.log.busy
	_, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "pattern-over")
	close(w.log.wait)
	wants(t, <-done, "")
	w.judge(t)
}

// Two uses outside the purpose put it up for review; agreed again, it stands.
func TestPatternUpForReview(t *testing.T) {
	w := newWorldOf(t, nil, framedPlant)
	p := w.pattern(t)
	var used []policy.WindowID
	for range 3 {
		r := w.yes("mia", w.submit(night))
		if _, err := w.desk.Open(w.ctx, w.as("mia"), r.Window); err != nil {
			t.Fatal(err)
		}
		used = append(used, r.Window)
	}
	doubt := func(by people.Actor, win policy.WindowID) Pattern {
		t.Helper()
		v, err := w.desk.DoubtPattern(w.ctx, by, win, "It was the labels, not the volume")
		wants(t, err, "")
		return v
	}
	_, err := w.desk.DoubtPattern(w.ctx, w.as("ann"), used[0], "x")
	wants(t, err, "not-plant")
	_, err = w.desk.DoubtPattern(w.ctx, w.as("mia"), used[0], " ")
	wants(t, err, "bad-text")
	if v := doubt(w.as("mia"), used[0]); v.State != PatternAgreed || len(v.Doubts) != 1 {
		t.Fatalf("%s %v", v.State, v.Doubts)
	}
	_, err = w.desk.DoubtPattern(w.ctx, w.as("olaf"), used[0], "again")
	wants(t, err, "doubted-already")
	if r := w.submit(night); r.Pattern == nil {
		t.Error("one doubt is enough")
	}
	if v := doubt(w.as("sara"), used[1]); v.State != PatternReview {
		t.Fatalf("%s", v.State)
	}
	if r := w.submit(night); r.Pattern != nil {
		t.Error("asked under a pattern that is up for review")
	}
	again := w.pattern(t, func(a *PatternAsk) { a.Follows, a.Purpose = p.ID, "Fill volume drifts, or labels" })
	old, err := w.desk.Pattern(w.ctx, w.as("ida"), p.ID)
	if err != nil || old.State != PatternReplaced || old.Follower != again.ID {
		t.Fatalf("%s %s %v", old.State, old.Follower, err)
	}
	if r := w.submit(night); r.Pattern == nil || r.Pattern.ID != again.ID {
		t.Errorf("%+v", r.Pattern)
	}
	doubt(w.as("sara"), used[2]) // of a pattern that is over: it is noted
	w.judge(t)
	w.restart()
	if v, err := w.desk.Pattern(w.ctx, w.as("sara"), p.ID); err != nil || v.State != PatternReplaced || len(v.Doubts) != 3 {
		t.Errorf("after a restart: %s %v %v", v.State, v.Doubts, err)
	}
}

func TestPatternEnds(t *testing.T) {
	w := newWorldOf(t, nil, framedPlant)
	p := w.pattern(t, func(a *PatternAsk) { a.Until = start.Add(24 * time.Hour) })
	waits := w.propose(t, callout())
	w.pass(23 * time.Hour)
	r := w.yes("mia", w.submit(night, func(a *Ask) { a.To = start.Add(24 * time.Hour); a.Minutes = 30 }))
	w.pass(time.Hour)
	_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(night, func(a *Ask) { a.Pattern = p.ID }))
	wants(t, err, "pattern-over")
	w.settle()
	if got := w.state(r.Window); got != WindowUnused {
		t.Errorf("its window is %s", got)
	}
	w.pass(changeTime)
	w.settle()
	for id, want := range map[string]PatternState{p.ID: PatternEnded, waits.ID: PatternUnanswered} {
		if v, err := w.desk.Pattern(w.ctx, w.as("sara"), id); err != nil || v.State != want {
			t.Errorf("%s is %s, want %s, %v", id, v.State, want, err)
		}
	}
	w.judge(t)
}

// The gates of a pattern are asked besides those of the rules.
func TestPatternGates(t *testing.T) {
	w := newWorldOf(t, nil, framedPlant)
	w.pattern(t, func(a *PatternAsk) { a.Gates = []string{"line-key"} })
	r := w.yes("mia", w.submit(night))
	_, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "gate:line-key")
	if err := w.desk.SayOutage(w.ctx, w.as("mia"), "line-key", true, ""); err != nil {
		t.Fatal(err)
	}
	_, err = w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	w.pass(time.Minute)
	if err := w.desk.SayOutage(w.ctx, w.as("mia"), "line-key", false, "door open"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := w.state(r.Window); got != WindowPaused {
		t.Errorf("it lost the gate and is %s", got)
	}
	w.judge(t)
	// a channel that somebody with the log lets begin between the loss and the pause
	walk := evidence.NewWalk(w.docs)
	for _, l := range w.log.leaves() {
		if b, is := l.Body.(audit.WindowMoved); !is || b.To != "paused" {
			walk.Leaf(w.ctx, l)
			continue
		}
		var found []string
		for i, body := range []audit.Body{
			audit.CertIssued{CA: "in", Serial: "1", Person: "ann", Names: []string{"ann"}, Windows: []string{string(r.Window)}, Before: w.now().Add(time.Hour)},
			audit.SessionStarted{Session: "S-1", Person: "ann", Firm: "krall", Windows: []string{string(r.Window)}, Source: "198.51.100.7:4000", Serial: "1", Mode: "readable"},
			audit.ChannelOpened{Session: "S-1", Window: string(r.Window), Kind: "shell", Asset: "filler-plc", Port: "ssh", Account: "maint", Path: []string{"dmz", "line-1"}, Rights: r.Document.Rights},
		} {
			forged := l
			forged.Index, forged.Wall, forged.Event = l.Index+audit.Index(i), l.Wall.Add(10*time.Second), audit.Event{Actor: penstock, Body: body}
			found = walk.Leaf(w.ctx, forged)
		}
		if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, "refused by gate:line-key") }) {
			t.Errorf("the verifier on a channel without the pattern's gate: %q", found)
		}
		break
	}
}

// One tap calls somebody on call in: the shift's own yes is enough under a pattern.
func TestPatternCallIn(t *testing.T) {
	w := newWorldOf(t, nil, framedPlant)
	call := func(change ...func(*Ask)) (Request, string, error) {
		return w.desk.CallIn(w.ctx, w.as("mia"), w.ask(append([]func(*Ask){night}, change...)...))
	}
	_, _, err := call()
	wants(t, err, "not-asked")
	p := w.pattern(t)
	r, code, err := call(func(a *Ask) { a.Pattern = p.ID })
	wants(t, err, "")
	if r.State != RequestAgreed || r.Pattern == nil {
		t.Fatalf("%s %v", r.State, r.Pattern)
	}
	if _, err := w.desk.Here(w.ctx, w.as("ann"), code); err != nil {
		t.Fatal(err)
	}
	_, err = w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	w.judge(t)
}

// Whoever calls in is told at once that their yes does not count, by the text that
// would be written: what a pattern does not have needs who would normally agree.
func TestACallInBeyondThePatternIsNotFiled(t *testing.T) {
	w := newWorldOf(t, nil, framedPlant)
	w.pattern(t)
	_, _, err := w.desk.CallIn(w.ctx, w.as("mia"), w.ask(night, func(a *Ask) { a.FileHashes = []audit.Hash{recipe} }))
	wants(t, err, "not-asked")
	list, err := w.desk.Requests(w.ctx, w.as("mia"))
	wants(t, err, "")
	if len(list) != 0 {
		t.Errorf("refused, and filed: %+v", list)
	}
}

// A vendor's person sees the patterns of their own firm.
func TestPatternSeen(t *testing.T) {
	w := newWorldOf(t, nil, framedPlant)
	p := w.pattern(t)
	if list, err := w.desk.Patterns(w.ctx, w.as("bob")); err != nil || len(list) != 1 || list[0].ID != p.ID {
		t.Errorf("%v %v", list, err)
	}
	if list, err := w.desk.Patterns(w.ctx, w.as("eve")); err != nil || len(list) != 0 {
		t.Errorf("another firm sees %v %v", list, err)
	}
	_, err := w.desk.Pattern(w.ctx, w.as("eve"), p.ID)
	wants(t, err, "no-such-pattern")
}

// The fold's own look, whoever commits: no window is agreed under a pattern that
// does not stand, or that its request does not name.
func TestNoEventUsesAPatternThatDoesNotStand(t *testing.T) {
	w := newWorldOf(t, nil, framedPlant)
	p := w.pattern(t)
	wants(t, stands(w.ctx, w.desk.rows, p.ID, p.ID), "")
	wants(t, stands(w.ctx, w.desk.rows, p.ID, "P-9"), "illegal-step")
	wants(t, w.desk.WithdrawPattern(w.ctx, w.as("olaf"), p.ID, ""), "")
	wants(t, stands(w.ctx, w.desk.rows, p.ID, p.ID), "illegal-step")
	wants(t, stands(w.ctx, w.desk.rows, "", p.ID), "")
}
