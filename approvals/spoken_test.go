package approvals

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/policy"
)

// spokenPlant wants two yeses to look, and lets one be spoken.
var spokenPlant = sync.OnceValue(func() *policy.Plant {
	return plantOf(edited(plantText, "plan: [owner],              open: shift,  longest: 8h, proof: code}", "plan: [owner, ot-security], open: shift,  longest: 8h, proof: code, spoken: true}"))
})

func (w *world) hears(by, who policy.PersonID, r Request) (Request, error) {
	return w.desk.Answer(w.ctx, w.as(by), r.ID, r.Hash, Reply{Says: evidence.Yes, Spoken: who})
}

// spoken is a window that max has opened: his yes, and sara's that he heard.
func (w *world) spoken(t testing.TB) Window {
	t.Helper()
	r, err := w.hears("max", "sara", w.yes("max", w.submit()))
	if err != nil || r.State != RequestAgreed {
		t.Fatalf("%s %v", r.State, err)
	}
	win, err := w.desk.Open(w.ctx, w.as("max"), r.Window)
	if err != nil {
		t.Fatal(err)
	}
	return win
}

// The second yes was heard on the telephone: the window opens on it, and who said
// it signs that within twelve hours.
func TestSpokenYes(t *testing.T) {
	w := newWorldOf(t, nil, spokenPlant)
	r := w.submit()
	if list, err := w.desk.MaySpeak(w.ctx, w.as("max"), r.ID); err != nil || len(list) != 0 {
		t.Errorf("before his own yes: %v %v", list, err)
	}
	_, err := w.hears("max", "sara", r)
	wants(t, err, "say-yes-first")
	r = w.yes("max", r)
	if list, err := w.desk.MaySpeak(w.ctx, w.as("max"), r.ID); err != nil || strings.Join(words(list), " ") != "sara sven" {
		t.Errorf("whose yes could be spoken: %v %v", list, err)
	}
	for who, rule := range map[policy.PersonID]string{"max": "one-spoken", "zoe": "no-such-person", "ann": "no-such-person", "olaf": "not-needed", "ida": "not-asked"} {
		_, err := w.hears("max", who, r)
		wants(t, err, rule)
	}
	_, err = w.hears("mia", "sara", r)
	wants(t, err, "say-yes-first")
	_, err = w.desk.Answer(w.ctx, w.stale("max"), r.ID, r.Hash, Reply{Says: evidence.Yes, Spoken: "sara"})
	wants(t, err, "code-needed")
	_, err = w.desk.Answer(w.ctx, w.as("max"), r.ID, r.Hash, Reply{Says: evidence.Yes, Spoken: "sara", Limits: evidence.Limits{Minutes: 5}})
	wants(t, err, "bad-answer")
	_, err = w.desk.Answer(w.ctx, w.as("max"), r.ID, r.Hash, Reply{Says: evidence.No, Spoken: "sara"})
	wants(t, err, "bad-answer")
	r, err = w.hears("max", "sara", r)
	if err != nil || r.State != RequestAgreed || r.Answers[1].Heard != "max" {
		t.Fatalf("%+v %v", r, err)
	}
	win, err := w.desk.Open(w.ctx, w.as("max"), r.Window)
	wants(t, err, "")
	if !w.live(win.ID) {
		t.Fatal("it is not live")
	}
	w.pass(2 * time.Hour)
	if list, err := w.desk.Spoken(w.ctx, w.as("sara")); err != nil || len(list) != 1 || !list[0].Open() || list[0].Heard != "max" || !list[0].Due.Equal(start.Add(12*time.Hour)) {
		t.Errorf("%+v %v", list, err)
	}
	_, err = w.desk.Countersigns(w.ctx, w.as("sven"), win.ID, evidence.Countersign, nil)
	wants(t, err, "not-spoken")
	_, err = w.desk.Countersigns(w.ctx, w.stale("sara"), win.ID, evidence.Countersign, nil)
	wants(t, err, "code-needed")
	wants(t, w.desk.ClearSpoken(w.ctx, w.as("sven"), win.ID, "x"), "too-early")
	s, err := w.desk.Countersigns(w.ctx, w.as("sara"), win.ID, evidence.Countersign, nil)
	if err != nil || s.Open() || !s.Signed.Equal(w.now()) {
		t.Fatalf("%+v %v", s, err)
	}
	_, err = w.desk.Countersigns(w.ctx, w.as("sara"), win.ID, evidence.Deny, nil)
	wants(t, err, "already-answered")
	w.judge(t)
	w.noted(t, "was heard by max on the telephone: not proved at that time", "heard at 2026-11-23T08:00:00Z, was countersigned at 2026-11-23T10:00:00Z")
	w.restart()
	if s, err := w.desk.Spoken(w.ctx, w.as("max")); err != nil || len(s) != 1 || s[0].Open() {
		t.Errorf("after a restart: %+v %v", s, err)
	}
}

// What is not signed in time rings OT security, and keeps that person, and whoever
// would speak for that firm, from speaking again, until it is signed or cleared.
func TestSpokenYesMissed(t *testing.T) {
	for _, row := range []struct {
		how    string
		settle func(w *world, id policy.WindowID) error
		says   string
	}{
		{"signed late", func(w *world, id policy.WindowID) error {
			_, err := w.desk.Countersigns(w.ctx, w.as("sara"), id, evidence.Countersign, nil)
			return err
		}, ", after its time"},
		{"cleared", func(w *world, id policy.WindowID) error {
			wants(t, w.desk.ClearSpoken(w.ctx, w.as("sara"), id, "mine"), "not-asked")
			wants(t, w.desk.ClearSpoken(w.ctx, w.as("olaf"), id, "not mine"), "not-asked")
			wants(t, w.desk.ClearSpoken(w.ctx, w.stale("sven"), id, "she has left"), "code-needed")
			return w.desk.ClearSpoken(w.ctx, w.as("sven"), id, "she has left")
		}, "let the yes of sara to W-1 stand without being countersigned"},
	} {
		t.Run(row.how, func(t *testing.T) {
			w := newWorldOf(t, nil, spokenPlant)
			win := w.spoken(t)
			w.pass(12*time.Hour - time.Second)
			w.settle()
			if w.missed() != "" {
				t.Fatal("rung before its time")
			}
			w.pass(time.Second)
			w.settle()
			w.settle()
			if got := w.missed(); got != "W-1 of sara to sara,sven;" {
				t.Errorf("rung: %q", got)
			}
			r := w.yes("max", w.submit())
			if list, err := w.desk.MaySpeak(w.ctx, w.as("max"), r.ID); err != nil || len(list) != 0 {
				t.Errorf("may speak for krall: %v %v", list, err)
			}
			_, err := w.hears("max", "sven", r) // another person, the same firm
			wants(t, err, "not-countersigned")
			wants(t, row.settle(w, win.ID), "")
			if _, err := w.hears("max", "sven", r); err != nil {
				t.Error(err)
			}
			w.judge(t)
			w.noted(t, row.says)
		})
	}
}

func (w *world) missed() (said string) {
	for _, leaf := range w.log.leaves() {
		if b, ok := leaf.Body.(audit.SpokenMissed); ok {
			said += b.Window + " of " + b.Person + " to " + strings.Join(b.People, ",") + ";"
		}
	}
	return said
}

func TestSpokenYesDenied(t *testing.T) {
	w := newWorldOf(t, nil, spokenPlant)
	win := w.spoken(t)
	s, err := w.desk.Countersigns(w.ctx, w.as("sara"), win.ID, evidence.Deny, nil)
	if err != nil || !s.Open() || s.Says != evidence.Deny {
		t.Fatalf("%+v %v", s, err)
	}
	if w.missed() == "" {
		t.Error("OT security is not rung at once")
	}
	_, err = w.hears("max", "sven", w.yes("max", w.submit()))
	wants(t, err, "not-countersigned")
	if _, err := w.desk.Countersigns(w.ctx, w.as("sara"), win.ID, evidence.Countersign, nil); err != nil {
		t.Error("she cannot say that she did, after all:", err)
	}
	w.judge(t)
	w.noted(t, "sara denies the yes to W-1 that max says to have heard")
}

// Only where every rule says so, and never to load programs.
func TestSpokenYesOnlyWhereAllowed(t *testing.T) {
	w := newWorldOf(t, nil, spokenPlant)
	r := w.yes("max", w.submit(two))
	if list, err := w.desk.MaySpeak(w.ctx, w.as("max"), r.ID); err != nil || len(list) != 0 {
		t.Errorf("to load: %v %v", list, err)
	}
	_, err := w.hears("max", "sara", r)
	wants(t, err, "spoken-not-allowed")
	w.judge(t)
}

// Who heard it signs that with their own key, as they would their own yes; so does
// who said it.
func TestSpokenYesSigned(t *testing.T) {
	text := strings.ReplaceAll(string(spokenPlant().Document()), ", proof: code, spoken", ", spoken")
	w := newWorldOf(t, nil, func() *policy.Plant {
		p, problems := policy.ParseBundle([]byte(text))
		if err := problems.Err(); err != nil {
			panic(err)
		}
		return p
	})
	sign := func(who policy.PersonID, a evidence.Answer) *evidence.Answer {
		t.Helper()
		b, err := a.Unsigned()
		if err != nil {
			t.Fatal(err)
		}
		a.Proof = evidencetest.SSHSignWith(keyNumber(slices.Index(names(), who)), evidence.AnswerNamespace, b)
		return &a
	}
	answer := func(r Request, signer policy.PersonID, reply Reply) (Request, error) {
		t.Helper()
		d, err := w.desk.Draft(w.ctx, w.as("max"), r.ID, r.Hash, reply)
		if err != nil {
			t.Fatal(err)
		}
		return w.desk.Answer(w.ctx, w.as("max"), r.ID, r.Hash, Reply{Signed: sign(signer, d)})
	}
	r := w.submit()
	r, err := answer(r, "max", Reply{Says: evidence.Yes})
	wants(t, err, "")
	_, err = answer(r, "sara", Reply{Says: evidence.Yes, Spoken: "sara"})
	wants(t, err, "no-such-key")
	r, err = answer(r, "max", Reply{Says: evidence.Yes, Spoken: "sara"})
	if err != nil || r.State != RequestAgreed {
		t.Fatalf("%s %v", r.State, err)
	}
	_, err = w.desk.Countersigns(w.ctx, w.as("sara"), r.Window, evidence.Countersign, nil)
	wants(t, err, "key-needed")
	d, err := w.desk.DraftCountersign(w.ctx, w.as("sara"), r.Window, evidence.Countersign)
	wants(t, err, "")
	_, err = w.desk.Countersigns(w.ctx, w.as("sara"), r.Window, "", sign("max", d))
	wants(t, err, "no-such-key")
	_, err = w.desk.Countersigns(w.ctx, w.as("sara"), r.Window, "", sign("sara", d))
	wants(t, err, "")
	w.judge(t)
}

// Each log is altered in one place; the verifier says which.
func TestWalkFindsSpoken(t *testing.T) {
	w := newWorldOf(t, nil, spokenPlant)
	win := w.spoken(t)
	w.pass(time.Hour)
	if _, err := w.desk.Countersigns(w.ctx, w.as("sara"), win.ID, evidence.Countersign, nil); err != nil {
		t.Fatal(err)
	}
	redo := func(h *audit.Hash, edit func(*evidence.Answer)) {
		t.Helper()
		b, err := w.docs.Get(w.ctx, *h)
		if err != nil {
			t.Fatal(err)
		}
		a, err := evidence.ParseAnswer(b)
		if err != nil {
			t.Fatal(err)
		}
		edit(&a)
		if b, err = audit.Canonical(a); err != nil {
			t.Fatal(err)
		}
		*h = w.put(b)
	}
	heard := func(edit func(*audit.AnswerGiven)) func(*audit.Leaf) bool {
		return func(l *audit.Leaf) bool {
			b, ok := l.Body.(audit.AnswerGiven)
			if !ok || b.Heard == "" {
				return true
			}
			edit(&b)
			l.Body = b
			return true
		}
	}
	signed := func(edit func(*audit.Leaf, *audit.SpokenSigned)) func(*audit.Leaf) bool {
		return func(l *audit.Leaf) bool {
			if b, ok := l.Body.(audit.SpokenSigned); ok {
				edit(l, &b)
				l.Body = b
			}
			return true
		}
	}
	for story, row := range map[string]struct {
		edit func(*audit.Leaf) bool // false: the leaf is left out
		want string
	}{
		"as it was": {func(*audit.Leaf) bool { return true }, ""},
		"as if she had given it herself": {heard(func(b *audit.AnswerGiven) {
			b.Heard = ""
			redo(&b.Document, func(a *evidence.Answer) { a.Heard = "" })
		}), "max gave the answer of sara"},
		"the leaf says nothing of who heard it": {heard(func(b *audit.AnswerGiven) { b.Heard = "" }), "the leaf and the answer's text differ"},
		"heard by somebody who did not say yes": {heard(func(b *audit.AnswerGiven) {
			b.Heard = "mia"
			redo(&b.Document, func(a *evidence.Answer) { a.Heard = "mia" })
		}), "was heard by mia, who did not say yes"},
		"whose word does not count": {heard(func(b *audit.AnswerGiven) {
			b.Person = "ida"
			redo(&b.Document, func(a *evidence.Answer) { a.Person = "ida" })
		}), "it says that ida holds"},
		"another countersigned": {signed(func(l *audit.Leaf, b *audit.SpokenSigned) { l.Actor, b.Person = "sven", "sven" }), "signed by sven, and sara was heard"},
		"of another yes": {signed(func(_ *audit.Leaf, b *audit.SpokenSigned) {
			redo(&b.Document, func(a *evidence.Answer) { a.Spoken = audit.HashOf([]byte("kept nowhere")) })
		}), "about another yes than the one that was heard"},
		"by no code": {signed(func(_ *audit.Leaf, b *audit.SpokenSigned) {
			redo(&b.Document, func(a *evidence.Answer) { a.Proof = evidence.Proof{} })
		}), "is of no kind that this build can check"},
		"a denial told as a signature": {signed(func(_ *audit.Leaf, b *audit.SpokenSigned) {
			redo(&b.Document, func(a *evidence.Answer) { a.Says = evidence.Deny })
		}), "the leaf and what was signed differ"},
	} {
		t.Run(story, func(t *testing.T) {
			says(t, w.walked(row.edit), row.want)
		})
	}
}
