package approvals

import (
	"slices"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/policy"
)

// lift is one word for lifting an island, by a code.
func (w *world) lift(id policy.PersonID, block string, zone policy.ZoneName) (Lifting, error) {
	return w.desk.LiftIsland(w.ctx, w.as(id), block, zone, nil)
}

// blockedAsk says why nobody may ask for an account now; empty: they may.
func (w *world) blockedAsk(t *testing.T, change ...func(*Ask)) string {
	t.Helper()
	_, err := w.desk.Submit(w.ctx, w.as("max"), w.ask(change...))
	if rule(err) == "" && err != nil {
		t.Fatal(err)
	}
	return rule(err)
}

// An island of everything is lifted zone by zone, each by two people; a restart
// between their words changes nothing, and the verifier agrees.
func TestTwoPeopleLiftAnIslandZoneByZone(t *testing.T) {
	w := newWorld(t, nil)
	win := w.open()
	b, err := w.desk.Island(w.ctx, w.stale("mia"), "", "ransomware")
	wants(t, err, "")
	if f, _ := w.desk.Facts(w.ctx, win.ID, "ann"); !slices.ContainsFunc(f.Blocks, func(b policy.Block) bool { return b.All }) {
		t.Fatal("no island")
	}
	wants(t, w.desk.Lift(w.ctx, w.as("mia"), b.ID, ""), "two-people")
	l, err := w.lift("mia", b.ID, "line-1")
	wants(t, err, "")
	if l.Lifted {
		t.Error("one person lifted it")
	}
	w.restart()
	_, err = w.lift("mia", b.ID, "line-1")
	wants(t, err, "own-word")
	if got := w.blockedAsk(t); got != "blocked" {
		t.Errorf("after one word: %q", got)
	}
	if l, err = w.lift("sara", b.ID, "line-1"); err != nil || !l.Lifted || l.By != "mia" {
		t.Errorf("%+v %v", l, err)
	}
	if got := w.blockedAsk(t); got != "" {
		t.Errorf("line-1 after two words: %q", got)
	}
	if got := w.blockedAsk(t, on("historian", "reader")); got != "blocked" {
		t.Errorf("another zone: %q", got)
	}
	_, err = w.lift("mia", b.ID, "line-1")
	wants(t, err, "illegal-step")
	_, err = w.lift("sara", b.ID, "")
	wants(t, err, "")
	l, err = w.lift("olaf", b.ID, "")
	if err != nil || !l.Lifted || w.blockedAsk(t, on("historian", "reader")) != "" {
		t.Errorf("%+v %v", l, err)
	}
	w.verified()
}

func TestAnIslandOfOneZone(t *testing.T) {
	w := newWorld(t, nil)
	b, err := w.desk.Island(w.ctx, w.stale("mia"), "line-1", "fire")
	wants(t, err, "")
	if w.blockedAsk(t) != "blocked" || w.blockedAsk(t, on("historian", "reader")) != "" {
		t.Error("it closes another zone, or not its own")
	}
	_, err = w.lift("mia", b.ID, "ops")
	wants(t, err, "no-such-zone")
	for _, id := range []policy.PersonID{"mia", "sara"} {
		_, err = w.lift(id, b.ID, "")
		wants(t, err, "")
	}
	if w.blockedAsk(t) != "" {
		t.Error("it is still closed")
	}
	_, err = w.lift("mia", b.ID, "")
	wants(t, err, "illegal-step")
	_, err = w.desk.Block(w.ctx, w.as("mia"), policy.Block{Zone: "line-1", Island: true, Why: "x", Until: w.now().Add(time.Hour)})
	wants(t, err, "bad-block")
	w.verified()
}

// Words half an hour apart do not meet; a vendor, somebody without a role and
// somebody without a code say nothing.
func TestWhoMayNotLiftAnIsland(t *testing.T) {
	w := newWorld(t, nil)
	b, err := w.desk.Island(w.ctx, w.as("mia"), "line-1", "fire")
	wants(t, err, "")
	for id, want := range map[policy.PersonID]string{"ann": "not-plant", "tom": "not-on-shift"} {
		_, err := w.lift(id, b.ID, "")
		wants(t, err, want)
	}
	_, err = w.desk.LiftIsland(w.ctx, w.stale("mia"), b.ID, "", nil)
	wants(t, err, "code-needed")
	_, err = w.lift("mia", "B-9", "")
	wants(t, err, "no-such-block")
	_, err = w.lift("mia", b.ID, "")
	wants(t, err, "")
	w.pass(evidence.LiftTime)
	if l, err := w.lift("sara", b.ID, ""); err != nil || l.Lifted {
		t.Errorf("the first word was too old: %+v %v", l, err)
	}
	if waits, err := w.desk.Liftings(w.ctx, w.as("mia")); err != nil || len(waits[b.ID]) != 1 || waits[b.ID][0].By != "sara" {
		t.Errorf("%+v %v", waits, err)
	}
	if l, err := w.lift("mia", b.ID, ""); err != nil || !l.Lifted {
		t.Errorf("%+v %v", l, err)
	}
	plain, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Zone: "line-1", Why: "x"})
	wants(t, err, "")
	_, err = w.lift("mia", plain.ID, "")
	wants(t, err, "no-island")
	w.verified()
}

// Where the rules ask for keys, so does lifting; a code, another's key and an
// altered word do not do.
func TestAnIslandIsLiftedByKeys(t *testing.T) {
	w := newWorldOf(t, nil, signedPlant)
	b, err := w.desk.Island(w.ctx, w.as("mia"), "", "ransomware")
	wants(t, err, "")
	_, err = w.lift("mia", b.ID, "")
	wants(t, err, "key-needed")
	signs := func(id, key policy.PersonID, do func(*evidence.Answer)) (Lifting, error) {
		a, _, err := w.desk.DraftLift(w.ctx, w.stale(id), b.ID, "")
		if err != nil {
			return Lifting{}, err
		}
		evidencetest.Signed(w.ssh(key))(&a)
		if do != nil {
			do(&a)
		}
		return w.desk.LiftIsland(w.ctx, w.stale(id), b.ID, "", &a)
	}
	_, err = signs("mia", "sara", nil)
	wants(t, err, "no-such-key")
	_, err = signs("mia", "mia", func(a *evidence.Answer) { a.DecideBy = a.DecideBy.Add(time.Hour) })
	wants(t, err, "signed-other")
	_, err = signs("mia", "mia", func(*evidence.Answer) { w.pass(6 * time.Minute) })
	wants(t, err, "signed-late")
	_, err = signs("mia", "mia", nil)
	wants(t, err, "")
	l, err := signs("sara", "sara", nil)
	if err != nil || !l.Lifted {
		t.Fatalf("%+v %v", l, err)
	}
	w.verified()
}

// Somebody with the broker's process writes leaves as they like: a plain lift, and
// one person's word alone, are found.
func TestTheVerifierFindsAnIslandLiftedByOne(t *testing.T) {
	for name, forged := range map[string]func(t *testing.T, w *world, block string) audit.Body{
		"by a plain lift": func(_ *testing.T, _ *world, block string) audit.Body {
			return audit.BlockLifted{Block: block, By: "mia"}
		},
		"by one word": func(t *testing.T, w *world, block string) audit.Body {
			a, text, err := w.desk.DraftLift(w.ctx, w.as("mia"), block, "")
			if err != nil {
				t.Fatal(err)
			}
			a.Proof = totp(w.as("mia"))
			hash, err := w.desk.sign(w.ctx, a)
			if err != nil {
				t.Fatal(err)
			}
			return audit.IslandAnswered{Block: block, Text: w.put(text), Person: "mia", Firm: "fjord", Roles: []string{"shift"}, Document: hash, Lifts: true, At: w.now()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			b, err := w.desk.Island(w.ctx, w.as("mia"), "", "fire")
			wants(t, err, "")
			leaf := audit.Event{Subject: b.ID, Rev: 2, Actor: "mia", Body: forged(t, w, b.ID), Rows: map[string]audit.Hash{"block/" + b.ID: {1}}}
			if _, err := w.log.Append(w.ctx, leaf); err != nil {
				t.Fatal(err)
			}
			says(t, w.verify(), "two people")
		})
	}
}
