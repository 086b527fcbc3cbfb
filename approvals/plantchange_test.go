package approvals

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/policy"
)

const pinned = "ssh: {host_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB2Usr139kuZ6rYGMdLox0VMMWPU69aeVI3Cg/binFZ], accounts"

// strictPlant is the kit's plant, which changes only by agreement, with edits.
func strictPlant(edits ...string) *policy.Plant {
	text := edited(plantText, "plant_changes: by_file\n", "")
	text = strings.ReplaceAll(text, "ssh: {accounts", pinned)
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			panic("the plant does not say " + edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	return plantOf(text)
}

// ruled is a world whose plant file can change.
type ruled struct {
	*world
	mu    sync.Mutex
	now   *policy.Plant
	taken []string // hashes that were put in force, in order
}

func newRuled(t *testing.T) *ruled {
	r := &ruled{world: newWorld(t, nil), now: strictPlant()}
	if _, err := r.log.Append(r.ctx, audit.Event{Subject: "plant", Actor: penstock, Body: audit.ConfigChanged{Kind: "plant", Document: r.put(r.now.Document())}}); err != nil {
		t.Fatal(err)
	}
	r.wire()
	return r
}

func (r *ruled) wire() {
	r.desk.plant = func() *policy.Plant { r.mu.Lock(); defer r.mu.Unlock(); return r.now }
	r.desk.take = func(_ context.Context, p *policy.Plant) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.now = p
		r.taken = append(r.taken, audit.HashOf(p.Document()).String())
	}
}

func (r *ruled) in(p *policy.Plant) bool {
	return string(r.desk.plant().Document()) == string(p.Document())
}

func (r *ruled) proposes(t *testing.T, who policy.PersonID, p *policy.Plant) PlantChange {
	t.Helper()
	c, err := r.desk.Propose(r.ctx, r.as(who), p.Document(), "a longer look")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (r *ruled) says(who policy.PersonID, c PlantChange, says string) (PlantChange, error) {
	return r.desk.AnswerPlant(r.ctx, r.as(who), c.ID, c.Hash, Reply{Says: says})
}

func (r *ruled) says2(t *testing.T, c PlantChange, who ...policy.PersonID) PlantChange {
	t.Helper()
	for _, id := range who {
		var err error
		if c, err = r.says(id, c, evidence.Yes); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

var longer = func() *policy.Plant { return strictPlant("open: shift,  longest: 8h", "open: shift,  longest: 9h") }

func TestPlantChangeNeedsWhomItTouches(t *testing.T) {
	r := newRuled(t)
	old, to := r.now, longer()
	c := r.proposes(t, "sara", to)
	if got := roleList(c.Left); c.State != ChangeWaiting || got != "1 × line-1-owner and 1 × ot-security" {
		t.Fatalf("%s, still needed: %s", c.State, got)
	}
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 0), "not-agreed")

	_, err := r.says("mia", c, evidence.Yes)
	wants(t, err, "not-asked")
	_, err = r.desk.AnswerPlant(r.ctx, r.as("ann"), c.ID, c.Hash, Reply{Says: evidence.Yes})
	wants(t, err, "not-plant")
	_, err = r.desk.AnswerPlant(r.ctx, r.as("tom"), c.ID, c.Hash, Reply{Says: evidence.Yes})
	wants(t, err, "no-role")
	_, err = r.desk.AnswerPlant(r.ctx, r.stale("olaf"), c.ID, c.Hash, Reply{Says: evidence.Yes})
	wants(t, err, "code-needed")
	_, err = r.desk.AnswerPlant(r.ctx, r.as("olaf"), c.ID, audit.HashOf([]byte("x")), Reply{Says: evidence.Yes})
	wants(t, err, "stale-revision")
	_, err = r.says("olaf", c, evidence.NotBefore)
	wants(t, err, "bad-answer")
	for _, narrow := range []Reply{{Limits: evidence.Limits{Minutes: 30}}, {Limits: evidence.Limits{Rights: []string{"look"}}}, {NotBefore: start.Add(time.Hour)}, {Spoken: "lena"}} {
		narrow.Says = evidence.Yes
		_, err = r.desk.AnswerPlant(r.ctx, r.as("olaf"), c.ID, c.Hash, narrow)
		wants(t, err, "bad-answer") // and not a yes to all of it
	}

	c = r.says2(t, c, "olaf")
	_, err = r.says("olaf", c, evidence.Yes)
	wants(t, err, "already-answered")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 0), "not-agreed")
	if !r.in(old) {
		t.Fatal("one yes put it in force")
	}
	c = r.says2(t, c, "sara") // who proposed it counts, once
	if len(c.Left) != 0 {
		t.Fatalf("still needed: %s", roleList(c.Left))
	}
	wants(t, r.desk.ApplyPlant(r.ctx, r.stale("sara"), c.ID, 0), "code-needed")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("mia"), c.ID, 0), "not-asked")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 48*time.Hour), "bad-time")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 0), "")
	if !r.in(to) || len(r.taken) != 1 {
		t.Fatal("it is not in force")
	}
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 0), "not-waiting")
	_, err = r.says("max", c, evidence.No)
	wants(t, err, "not-waiting")
	wants(t, r.desk.BackPlant(r.ctx, r.as("sara"), c.ID, ""), "illegal-step")
	r.judge(t)
}

func TestPlantChangeIsRefusedByOneNo(t *testing.T) {
	r := newRuled(t)
	c := r.says2(t, r.proposes(t, "ida", longer()), "olaf", "sara")
	c, err := r.says("max", c, evidence.No)
	wants(t, err, "")
	if c.State != ChangeRefused {
		t.Fatalf("it is %s", c.State)
	}
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 0), "not-waiting")
	wants(t, r.desk.WithdrawPlant(r.ctx, r.as("ida"), c.ID, ""), "illegal-step")
	r.judge(t)
}

func TestWhatCannotBeProposed(t *testing.T) {
	r := newRuled(t)
	propose := func(who policy.PersonID, bundle []byte, why string) error {
		_, err := r.desk.Propose(r.ctx, r.as(who), bundle, why)
		return err
	}
	wants(t, propose("ann", longer().Document(), "x"), "not-plant")
	wants(t, propose("tom", longer().Document(), "x"), "no-role")
	wants(t, propose("sara", longer().Document(), ""), "bad-text")
	wants(t, propose("sara", longer().Document(), "x\x1b"), "bad-text")
	wants(t, propose("sara", []byte("{}"), "x"), "plant-file-unsound")
	wants(t, propose("sara", r.now.Document(), "x"), "nothing-changes")
	wants(t, propose("sara", strictPlant("id: kiel", "id: ulm").Document(), "x"), "another-plant")
	wants(t, propose("sara", longer().Document(), "x"), "")
	wants(t, propose("sara", longer().Document(), "x"), "proposed-already")
	_, err := r.desk.PlantChanges(r.ctx, r.as("ann"))
	wants(t, err, "not-plant")
	for i := 1; i < mostChanges; i++ {
		wants(t, propose("sara", strictPlant("review: 2027-03-31", "review: 2027-04-"+string(rune('0'+i/10))+string(rune('0'+i%10))).Document(), "x"), "")
	}
	wants(t, propose("sara", strictPlant("review: 2027-03-31", "review: 2029-04-01").Document(), "x"), "too-many-changes")
	r.judge(t)
}

// Two changes of one file: the first to come in force makes the other stale.
func TestPlantChangesOvertakeEachOther(t *testing.T) {
	r := newRuled(t)
	first := r.says2(t, r.proposes(t, "sara", longer()), "olaf", "sara")
	second := r.says2(t, r.proposes(t, "sara", strictPlant("open: shift,  longest: 8h", "open: shift,  longest: 7h")), "olaf", "sara")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("olaf"), first.ID, 0), "")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("olaf"), second.ID, 0), "stale-change")
	c, err := r.desk.PlantChange(r.ctx, r.as("mia"), second.ID)
	if err != nil || !c.Stale {
		t.Errorf("%+v %v", c, err)
	}
	wants(t, r.desk.WithdrawPlant(r.ctx, r.as("olaf"), second.ID, "overtaken"), "")
	r.judge(t)
}

func TestPlantChangeGoesBackUnlessConfirmed(t *testing.T) {
	r := newRuled(t)
	old, to := r.now, longer()
	apply := func() PlantChange {
		c := r.says2(t, r.proposes(t, "sara", to), "olaf", "sara")
		wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 10*time.Minute), "")
		if !r.in(to) {
			t.Fatal("not in force")
		}
		return c
	}
	c := apply()
	r.pass(9 * time.Minute)
	r.settle()
	if !r.in(to) {
		t.Fatal("it went back too soon")
	}
	r.pass(time.Minute)
	wants(t, r.desk.KeepPlant(r.ctx, r.as("sara"), c.ID), "too-late")
	r.settle()
	if v, err := r.desk.PlantChange(r.ctx, r.as("sara"), c.ID); err != nil || !r.in(old) || v.State != ChangeBack {
		t.Fatalf("nobody confirmed it: %+v %v", v, err)
	}

	c = apply()
	wants(t, r.desk.BackPlant(r.ctx, r.as("mia"), c.ID, "x"), "not-asked")
	wants(t, r.desk.BackPlant(r.ctx, r.stale("olaf"), c.ID, "the filler waits for it"), "")
	if !r.in(old) {
		t.Fatal("it was not taken back")
	}

	r.pass(time.Minute)
	c = apply()
	wants(t, r.desk.KeepPlant(r.ctx, r.stale("olaf"), c.ID), "code-needed")
	wants(t, r.desk.KeepPlant(r.ctx, r.as("olaf"), c.ID), "")
	r.pass(time.Hour)
	r.settle()
	if !r.in(to) {
		t.Fatal("what was confirmed went back")
	}
	r.judge(t)

	// The broker was down when the time came: it goes back at the next start.
	r.now = to
	back := strictPlant("open: shift,  longest: 8h", "open: shift,  longest: 6h")
	to = back
	c = apply()
	r.restart()
	r.wire()
	r.pass(time.Hour)
	r.settle()
	if !r.in(longer()) {
		t.Fatal("after a restart it did not go back")
	}
	r.judge(t)
}

// A change on trial goes back to the file before it, and would take with it what
// was agreed meanwhile, and nobody agreed to that: so nothing follows it before
// it is kept or back.
func TestNothingFollowsAChangeOnTrial(t *testing.T) {
	r := newRuled(t)
	trial := r.says2(t, r.proposes(t, "sara", longer()), "olaf", "sara")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), trial.ID, 10*time.Minute), "")
	next := strictPlant("open: shift,  longest: 8h", "open: shift,  longest: 9h", "lines:", "plant_changes: by_file\nlines:")
	c := r.says2(t, r.proposes(t, "sara", next), "sara", "ida")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 0), "on-trial")
	wants(t, r.desk.KeepPlant(r.ctx, r.as("olaf"), trial.ID), "")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 10*time.Minute), "")
	wants(t, r.desk.PlantFromFile(r.ctx, strictPlant()), "on-trial") // which the one on trial would let it
	r.pass(time.Hour)
	r.settle()
	if !r.in(longer()) {
		t.Error("what was kept did not stay")
	}
	r.judge(t)
}

// Whose word counts for the plant file is whose word counts for a request, also
// to the verifier: with a team of teams in the file, and by a deputy.
func TestPlantChangeByWhoseWordCounts(t *testing.T) {
	r := newRuled(t)
	either := []string{"  it-network:   {name: IT network}\n", "  it-network:   {name: IT network}\n  either: {name: Either, any: [line-1-owner, it-network]}\n"}
	c := r.says2(t, r.proposes(t, "sara", strictPlant(either...)), "sara", "ida")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 0), "")
	c = r.says2(t, r.proposes(t, "sara", strictPlant(append(either, "open: shift,  longest: 8h", "open: shift,  longest: 9h")...)), "olaf", "sara")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("olaf"), c.ID, 0), "")
	r.judge(t)
	wants(t, r.desk.NameDeputy(r.ctx, r.as("olaf"), "line-1-owner", "tom", r.world.now(), r.world.now().Add(time.Hour)), "")
	c = r.says2(t, r.proposes(t, "tom", strictPlant(append(either, "open: shift,  longest: 8h", "open: shift,  longest: 7h")...)), "tom", "sara")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("tom"), c.ID, 10*time.Minute), "")
	wants(t, r.desk.KeepPlant(r.ctx, r.as("tom"), c.ID), "")
	r.judge(t)
}

func TestPlantChangeUnanswered(t *testing.T) {
	r := newRuled(t)
	c := r.proposes(t, "sara", longer())
	r.pass(changeTime - time.Minute)
	r.settle()
	if v, _ := r.desk.PlantChange(r.ctx, r.as("sara"), c.ID); v.State != ChangeWaiting {
		t.Fatalf("too soon: %s", v.State)
	}
	r.pass(time.Minute)
	r.settle()
	if v, _ := r.desk.PlantChange(r.ctx, r.as("sara"), c.ID); v.State != ChangeUnanswered {
		t.Fatalf("in its time: %s", v.State)
	}
	r.judge(t)
}

// What cannot be written is not in force.
func TestPlantChangeThatCannotBeWritten(t *testing.T) {
	r := newRuled(t)
	old := r.now
	c := r.says2(t, r.proposes(t, "sara", longer()), "olaf", "sara")
	r.log.fail = "before"
	if err := r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 0); err == nil || !r.in(old) {
		t.Fatalf("in force without an event: %v", err)
	}
}

func TestPlantFromFile(t *testing.T) {
	r := newRuled(t)
	wants(t, r.desk.PlantFromFile(r.ctx, r.now), "")
	wants(t, r.desk.PlantFromFile(r.ctx, longer()), "plant-not-agreed")
	by := strictPlant("lines:", "plant_changes: by_file\nlines:")
	wants(t, r.desk.PlantFromFile(r.ctx, by), "plant-not-agreed") // the one in force decides, not the new one
	c := r.says2(t, r.proposes(t, "sara", by), "sara", "ida")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 0), "")
	wants(t, r.desk.PlantFromFile(r.ctx, longer()), "")
	if !r.in(longer()) {
		t.Error("it was not taken")
	}
	r.judge(t)
}

func TestDiffNamesWindowsThatNoLongerFit(t *testing.T) {
	r := newRuled(t)
	q := r.submit()
	r.yes("olaf", q)
	win, err := r.desk.Open(r.ctx, r.as("mia"), "W-1")
	wants(t, err, "")
	less := strictPlant("recipes: {rights: [look, copy], enforced: device}, maint", "recipes: {rights: [look, copy, set], enforced: device}, maint")
	d, err := r.desk.ComparePlant(r.ctx, r.as("mia"), less)
	if err != nil || len(d.Unfit) != 1 || d.Unfit[0].Window != win.ID || !strings.Contains(d.Unfit[0].Why, "can do more") {
		t.Fatalf("%+v %v", d.Unfit, err)
	}
	d, err = r.desk.ComparePlant(r.ctx, r.as("mia"), longer())
	if err != nil || len(d.Unfit) != 0 || len(d.Differences) == 0 {
		t.Fatalf("%+v %v", d, err)
	}
	_, err = r.desk.ComparePlant(r.ctx, r.as("ann"), longer())
	wants(t, err, "not-plant")
}

// Where one rule asks for keys, so does a change of the rules.
func TestPlantChangeBySignature(t *testing.T) {
	r := newRuled(t)
	r.now = strictPlant("longest: 8h, proof: code}\n  - {name: load", "longest: 8h}\n  - {name: load")
	if _, err := r.log.Append(r.ctx, audit.Event{Subject: "plant", Actor: penstock, Body: audit.ConfigChanged{Kind: "plant", Document: r.put(r.now.Document())}}); err != nil {
		t.Fatal(err)
	}
	r.read = 0
	c := r.proposes(t, "sara", longer())
	_, err := r.says("olaf", c, evidence.Yes)
	wants(t, err, "key-needed")
	for _, who := range []policy.PersonID{"olaf", "sara"} {
		a, text, err := r.desk.DraftPlant(r.ctx, r.as(who), c.ID, c.Hash, Reply{Says: evidence.Yes})
		if err != nil || audit.HashOf(text) != c.Hash {
			t.Fatalf("%v %v", audit.HashOf(text), err)
		}
		evidencetest.Signed(r.ssh(who))(&a)
		if who == "olaf" {
			other := a
			other.Why = "and more"
			_, err = r.desk.AnswerPlant(r.ctx, r.stale(who), c.ID, c.Hash, Reply{Signed: &other})
			wants(t, err, "bad-signature")
		}
		if c, err = r.desk.AnswerPlant(r.ctx, r.stale(who), c.ID, c.Hash, Reply{Signed: &a}); err != nil {
			t.Fatalf("%s: %v", who, err)
		}
	}
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 0), "")
	if !r.in(longer()) {
		t.Error("not in force")
	}
}
