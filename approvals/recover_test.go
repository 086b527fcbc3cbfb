package approvals

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

func (w *world) recovers(t *testing.T) (windows, requests, suspended int) {
	t.Helper()
	done, err := w.recovery()
	wants(t, err, "")
	return done.Windows, done.Requests, done.People
}

// recovery takes everything back as penstock recover does, as far as this room goes.
func (w *world) recovery() (done audit.RecoveryDone, err error) {
	say := func(b audit.Body) error {
		_, err := w.log.Append(w.ctx, audit.Event{Subject: "recovery", Actor: penstock, Body: b})
		return err
	}
	told := func(int, int) {}
	walk := evidence.NewWalk(w.docs)
	for _, leaf := range w.log.leaves() {
		walk.Leaf(w.ctx, leaf)
	}
	unsealed := walk.Unsealed()
	if err := say(audit.RecoveryBegan{Says: "Lena", At: w.now()}); err != nil {
		return done, err
	}
	if done.Windows, done.Requests, err = w.desk.Recover(w.ctx, told); err != nil {
		return done, err
	}
	if done.People, err = w.folk.Suspend(w.ctx, told); err != nil {
		return done, err
	}
	if done.Agents, err = w.folk.DropAgents(w.ctx); err != nil {
		return done, err
	}
	if done.Kiosks, err = w.desk.RevokeKiosks(w.ctx); err != nil {
		return done, err
	}
	for _, id := range slices.Sorted(maps.Keys(unsealed)) {
		if _, err := w.folk.VoidEnvelope(w.ctx, policy.PersonID(id), unsealed[id]); err != nil {
			return done, err
		}
	}
	done.At = w.now()
	return done, say(done)
}

// forgedPaper puts a room's envelope in place whose code whoever had the machine knows,
// by the word that sara gave for another one.
func (w *world) forgedPaper(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	w.paper(t, evidence.EnvelopeRoom)
	leaves := w.log.leaves()
	sealed := leaves[len(leaves)-1].Body.(audit.EnvelopeSealed)
	forger := ed25519.NewKeyFromSeed([]byte(strings.Repeat("f", 32)))
	public, err := evidence.EnvelopePublic(forger)
	wants(t, err, "")
	sealed.Public, sealed.Key = public, printOf(t, forger)
	w.commit("envelope/envelope-1", audit.Event{Subject: "envelope-1", Rev: 2, Actor: "sara", Body: sealed})
	return forger
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

// Whoever had the machine sealed an envelope whose code they know, and confirmed a key of
// their own for somebody, which takes that person's own away: after a recovery the
// one opens nothing, and the other waits beside the own key, which is back.
func TestARecoveryFromWhatWasForged(t *testing.T) {
	w := newWorldOf(t, nil, anxious)
	good := w.paper(t, evidence.EnvelopeSecurity)
	forger := w.forgedPaper(t)

	evil := ed25519.NewKeyFromSeed([]byte(strings.Repeat("e", 32)))
	public, err := evidence.EnvelopePublic(evil)
	wants(t, err, "")
	code := audit.HashOf([]byte("code"))
	w.commit("invitation/"+hex.EncodeToString(code[:]), audit.Event{Subject: "olaf", Rev: 1, Actor: "sara", Body: audit.PersonInvited{Person: "olaf", Firm: "fjord", Name: "olaf", Roles: []string{"line-1-owner"}, Code: code, By: "sara", Until: w.now().Add(time.Hour)}})
	p, err := w.folk.Person(w.ctx, "olaf")
	wants(t, err, "")
	w.commit("person/olaf", audit.Event{Subject: "olaf", Rev: p.Rev + 1, Actor: "olaf", Body: audit.PersonJoined{Person: "olaf", Code: code, Key: printOf(t, evil), Public: public}})
	w.commit("person/olaf", audit.Event{Subject: "olaf", Rev: p.Rev + 2, Actor: "sven", Body: audit.PersonConfirmed{Person: "olaf", Key: printOf(t, evil), By: "sven"}})
	before := w.verify()

	w.recovers(t)
	if _, err := w.folk.OpenEnvelope(w.ctx, evidence.EnvelopeRoom, printOf(t, forger), "Mallory", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the forged envelope opens: %v", err)
	}
	all, err := w.folk.Envelopes(w.ctx)
	if err != nil || len(all) != 1 || all[0].Key != printOf(t, good) {
		t.Errorf("envelopes %+v, %v", all, err)
	}
	p, err = w.folk.Person(w.ctx, "olaf")
	wants(t, err, "")
	own := printOf(t, keyNumber(slices.Index(names(), "olaf")))
	waits := func(id string) bool {
		return slices.ContainsFunc(p.Keys, func(k people.Key) bool { return k.ID == id && k.Pending && !k.Signs() })
	}
	if len(p.Keys) != 2 || !waits(own) || !waits(printOf(t, evil)) {
		t.Errorf("olaf has %+v", p.Keys)
	}
	if after := w.verify(); !slices.Equal(before, after) { // what was forged is found as before, and nothing that the recovery did is
		t.Errorf("the verifier finds %q, and before the recovery %q", after, before)
	}
	w.finds(t, "is no key of the bootstrap file", func(_ *world, l *audit.Leaf) {
		if b, is := l.Body.(audit.PersonSuspended); is && len(b.Back) > 0 {
			b.Back = []string{printOf(t, forger)}
			l.Body = b
		}
	})
	w.finds(t, "held no such key", func(_ *world, l *audit.Leaf) {
		if b, is := l.Body.(audit.EnvelopeVoided); is {
			b.Key = printOf(t, good)
			l.Body = b
		}
	})
	says(t, w.walked(func(l *audit.Leaf) bool { _, is := l.Body.(audit.RecoveryBegan); return !is }), "envelope-1 was made void outside of a recovery")
	w.paper(t, evidence.EnvelopeRoom) // and it is sealed anew
	w.recovers(t)
	if all, err := w.folk.Envelopes(w.ctx); err != nil || len(all) != 2 {
		t.Errorf("a second recovery takes a good one: %+v, %v", all, err)
	}
	if err := w.rebuilt(); err != nil {
		t.Error(err)
	}
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
