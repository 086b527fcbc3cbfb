package approvals

import (
	"testing"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

func (w *world) recovers(t *testing.T) (windows, requests, suspended int) {
	t.Helper()
	say := func(b audit.Body) {
		_, err := w.log.Append(w.ctx, audit.Event{Subject: "recovery", Actor: penstock, Body: b})
		wants(t, err, "")
	}
	told := func(int, int) {}
	say(audit.RecoveryBegan{Says: "Lena", At: w.now()})
	windows, requests, err := w.desk.Recover(w.ctx, told)
	wants(t, err, "")
	suspended, err = w.folk.Suspend(w.ctx, told)
	wants(t, err, "")
	agents, err := w.folk.DropAgents(w.ctx)
	wants(t, err, "")
	kiosks, err := w.desk.RevokeKiosks(w.ctx)
	wants(t, err, "")
	say(audit.RecoveryDone{Agents: agents, Kiosks: kiosks, Windows: windows, Requests: requests, People: suspended, At: w.now()})
	return windows, requests, suspended
}

// After an incident nothing that was agreed stands, and nobody's word counts but by
// the keys that the plant began with.
func TestRecover(t *testing.T) {
	w := newWorld(t, nil)
	open := w.open().ID
	agreed := w.yes("olaf", w.submit(on("filler-plc", "viewer"), func(a *Ask) { a.Rights = policy.Look })).Window
	waits := w.submit(two)
	over := w.open().ID
	_, err := w.desk.End(w.ctx, w.as("mia"), over, "")
	wants(t, err, "")

	k, der := w.kiosk(t)
	w.folk.Zones = func(policy.ZoneName) bool { return true }
	_, _, err = w.folk.InviteAgent(w.ctx, w.as("sara"), "line-1")
	wants(t, err, "")

	windows, requests, suspended := w.recovers(t)
	if _, _, stands := w.desk.KioskBy(w.ctx, der); stands {
		t.Errorf("%s, which whoever had the machine could have enrolled, still stands", k.Person)
	}
	if all, err := w.folk.Agents(w.ctx); err != nil || len(all) != 1 || !all[0].Code.IsZero() {
		t.Errorf("an agent's invitation of before stands: %+v, %v", all, err)
	}
	if windows != 2 || requests != 1 || suspended != len(cast) {
		t.Errorf("%d windows, %d requests, %d people", windows, requests, suspended)
	}
	if w.state(open) != WindowCut || w.state(agreed) != WindowCut || w.state(over) != WindowEnded || w.requestState(waits.ID) != RequestWithdrawn || w.live(open) {
		t.Errorf("%s, %s, %s, %s", w.state(open), w.state(agreed), w.state(over), w.requestState(waits.ID))
	}
	p, err := w.folk.Person(w.ctx, "olaf")
	wants(t, err, "")
	if _, coded := p.Key(people.TOTP); coded || len(p.Keys) != 1 || !p.Keys[0].Signs() {
		t.Errorf("olaf has %+v", p.Keys)
	}
	r := w.submit()
	if _, err := w.say("olaf", r, evidence.Yes); rule(err) != "no-code-generator" {
		t.Errorf("a code of before counts: %v", err)
	}
	windows, requests, suspended = w.recovers(t) // once more changes only what came since
	if windows != 0 || requests != 1 || suspended != 0 {
		t.Errorf("again: %d windows, %d requests, %d people", windows, requests, suspended)
	}
	w.verified()
	if err := w.rebuilt(); err != nil {
		t.Error(err)
	}
}

// A passkey that somebody vouched for waits again; what it signed before stands.
func TestARecoverySuspendsKeys(t *testing.T) {
	w := newWorldOf(t, nil, signedPlant)
	phone := evidencetest.NewPasskey("olaf")
	w.enrol(t, "olaf", "sara", phone)
	r := w.submit()
	if _, err := w.signs("olaf", r, Reply{Says: evidence.Yes}, phone.Sign, nil); err != nil {
		t.Fatal(err)
	}
	w.recovers(t)
	r = w.submit()
	if _, err := w.signs("olaf", r, Reply{Says: evidence.Yes}, phone.Sign, nil); err == nil {
		t.Error("a suspended passkey signs")
	}
	if _, err := w.signs("olaf", r, Reply{Says: evidence.Yes}, w.ssh("olaf"), nil); err != nil {
		t.Errorf("the key of the bootstrap file does not sign: %v", err)
	}
	w.verified()
}

// The broker cuts and withdraws by itself in a recovery alone.
func TestWhatOnlyARecoveryDoes(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	w.submit()
	w.kiosk(t)
	w.folk.Zones = func(policy.ZoneName) bool { return true }
	_, _, err := w.folk.InviteAgent(w.ctx, w.as("sara"), "line-1")
	wants(t, err, "")
	w.recovers(t)
	found := w.walked(func(l *audit.Leaf) bool { _, is := l.Body.(audit.RecoveryBegan); return !is })
	for _, want := range []string{"cut by nobody", "withdrawn by penstock", "suspended outside of a recovery", "no recovery had begun", "an agent removed by penstock", "revoked by penstock"} {
		says(t, found, want)
	}
}
