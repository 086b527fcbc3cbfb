package approvals

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// signedPlant is the kit's plant where only keys make a yes.
var signedPlant = sync.OnceValue(func() *policy.Plant {
	text := strings.ReplaceAll(plantText, ", proof: code", "")
	return plantOf(edited(text, `"+49 431 555 0100"}`, `"+49 431 555 0100", origin: "`+evidencetest.Origin+`"}`))
})

// ssh signs with the key that somebody has in the bootstrap file.
func (w *world) ssh(id policy.PersonID) evidencetest.Signer {
	return func(namespace string, text []byte) evidence.Proof {
		return evidencetest.SSHSignWith(keyNumber(slices.Index(names(), id)), namespace, text)
	}
}

// signs gives a signed yes; do may change the signed answer before it is sent.
func (w *world) signs(id policy.PersonID, r Request, reply Reply, sign evidencetest.Signer, do func(*evidence.Answer)) (Request, error) {
	by := w.stale(id) // a signature needs no code beside it
	a, err := w.desk.Draft(w.ctx, by, r.ID, r.Hash, reply)
	if err != nil {
		return Request{}, err
	}
	evidencetest.Signed(sign)(&a)
	if do != nil {
		do(&a)
	}
	return w.desk.Answer(w.ctx, by, r.ID, r.Hash, Reply{Signed: &a})
}

// enrol gives somebody a passkey; vouched for by sven's SSH key, unless by is empty.
func (w *world) enrol(t *testing.T, id, by policy.PersonID, p *evidencetest.Passkey) {
	t.Helper()
	k := people.Key{Kind: people.Passkey, ID: p.ID(), Public: p.Public(), Credential: "id-" + p.ID()[7:15], Name: "phone"}
	if err := w.folk.EnrolPasskey(w.ctx, w.as(id), k); err != nil {
		t.Fatal(err)
	}
	if by == "" {
		return
	}
	v, err := w.folk.DraftVouch(w.ctx, w.stale(by), id, p.ID())
	if err != nil {
		t.Fatal(err)
	}
	text, err := v.Unsigned()
	if err != nil {
		t.Fatal(err)
	}
	v.Proof = w.ssh(by)(evidence.VouchNamespace, text)
	if err := w.folk.Vouch(w.ctx, w.stale(by), v); err != nil {
		t.Fatal(err)
	}
}

var yesReply = Reply{Says: evidence.Yes}

// Two people agree with keys of their own, the shift opens and extends; after a
// restart, and by the verifier, it is the same.
func TestSignedAnswersMakeAWindow(t *testing.T) {
	w := newWorldOf(t, nil, signedPlant)
	sara := evidencetest.NewPasskey("sara")
	w.enrol(t, "sara", "sven", sara)
	r := w.submit(two)
	if _, err := w.signs("olaf", r, Reply{Says: evidence.Yes, Limits: evidence.Limits{Minutes: 30}}, w.ssh("olaf"), nil); err != nil {
		t.Fatal(err)
	}
	r, err := w.signs("sara", r, yesReply, sara.Sign, nil)
	if err != nil || r.Window == "" {
		t.Fatalf("not agreed: %v %+v", err, r)
	}
	win, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	if err != nil || win.Until.Sub(w.now()) != 30*time.Minute {
		t.Fatalf("opened until %s: %v", win.Until, err)
	}
	_, err = w.desk.Extend(w.ctx, w.as("mia"), r.Window, w.now().Add(time.Hour))
	wants(t, err, "key-needed")
	a, err := w.desk.DraftExtension(w.ctx, w.stale("mia"), r.Window, w.now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	evidencetest.Signed(w.ssh("mia"))(&a)
	if win, err = w.desk.ExtendSigned(w.ctx, w.stale("mia"), r.Window, a); err != nil || win.Until.Sub(w.now()) != time.Hour {
		t.Fatalf("extended until %s: %v", win.Until, err)
	}
	// A key that is taken away afterwards leaves standing what it signed.
	if err := w.folk.RemoveKey(w.ctx, w.as("sven"), "sara", sara.ID()); err != nil {
		t.Fatal(err)
	}
	w.restart()
	if !w.live(r.Window) {
		t.Error("after a restart it is not live")
	}
	w.verified()
}

// A passkey that was taken away proves nothing from that moment on, whatever
// other passkeys the person has: one that waits, and one that counts.
func TestAPasskeyThatIsGoneProvesNothing(t *testing.T) {
	w := newWorldOf(t, nil, signedPlant)
	stolen, waits, other := evidencetest.NewPasskey("stolen"), evidencetest.NewPasskey("waits"), evidencetest.NewPasskey("other")
	w.enrol(t, "sara", "sven", stolen)
	by := w.stale("sara")
	by.Proofs, by.Step, by.Key, by.At = []people.KeyKind{people.Passkey}, 0, stolen.ID(), w.now()
	invite := func(id policy.PersonID) error {
		_, err := w.folk.Invite(w.ctx, by, people.Invitation{Person: id, Firm: "fjord", Name: "A"})
		return err
	}
	call := func() error {
		p, err := w.desk.roster.Person(w.ctx, "sara")
		if err != nil {
			t.Fatal(err)
		}
		return w.desk.proved(by, p)
	}
	wants(t, invite("new-one"), "")
	wants(t, call(), "")
	w.enrol(t, "sara", "", waits)
	if err := w.folk.RemoveKey(w.ctx, w.as("sven"), "sara", stolen.ID()); err != nil {
		t.Fatal(err)
	}
	wants(t, invite("new-two"), "code-needed")
	wants(t, call(), "code-needed")
	w.enrol(t, "sara", "sven", other)
	wants(t, invite("new-two"), "code-needed")
	wants(t, call(), "code-needed")
}

// A signed answer that is sent twice, by a retry or by whoever has seen it, is
// taken once: the second would make the whole request one that cannot be agreed.
func TestASignedAnswerIsTakenOnce(t *testing.T) {
	w := newWorldOf(t, nil, signedPlant)
	r := w.submit()
	a, err := w.desk.Draft(w.ctx, w.stale("olaf"), r.ID, r.Hash, Reply{Says: evidence.Question, Why: "Which filler?"})
	if err != nil {
		t.Fatal(err)
	}
	evidencetest.Signed(w.ssh("olaf"))(&a)
	send := func() error {
		_, err := w.desk.Answer(w.ctx, w.stale("olaf"), r.ID, r.Hash, Reply{Signed: &a})
		return err
	}
	wants(t, send(), "")
	wants(t, send(), "signed-before")
	if r, err = w.signs("olaf", r, yesReply, w.ssh("olaf"), nil); err != nil || r.State != RequestAgreed {
		t.Errorf("the yes after it: %s, %v", r.State, err)
	}
	w.verified()
}

func TestWhatIsNoSignedAnswer(t *testing.T) {
	for _, row := range []struct {
		story string
		rule  string
		do    func(*testing.T, *world, Request) error
	}{
		{"a code", "key-needed", func(_ *testing.T, w *world, r Request) error { _, err := w.say("sara", r, evidence.Yes); return err }},
		{"a passkey that nobody vouched for", "no-such-key", func(t *testing.T, w *world, r Request) error {
			p := evidencetest.NewPasskey("sara")
			w.enrol(t, "sara", "", p)
			_, err := w.signs("sara", r, yesReply, p.Sign, nil)
			return err
		}},
		{"a key of nobody", "no-such-key", func(_ *testing.T, w *world, r Request) error {
			_, err := w.signs("sara", r, yesReply, evidencetest.By("mallory"), nil)
			return err
		}},
		{"another's key", "no-such-key", func(_ *testing.T, w *world, r Request) error {
			_, err := w.signs("sara", r, yesReply, w.ssh("sven"), nil)
			return err
		}},
		{"a passkey that was taken away meanwhile", "no-such-key", func(t *testing.T, w *world, r Request) error {
			p := evidencetest.NewPasskey("sara")
			w.enrol(t, "sara", "sven", p)
			_, err := w.signs("sara", r, yesReply, p.Sign, func(*evidence.Answer) {
				if err := w.folk.RemoveKey(w.ctx, w.stale("sara"), "sara", p.ID()); err != nil {
					t.Fatal(err)
				}
			})
			return err
		}},
		{"at another origin", "bad-signature", func(t *testing.T, w *world, r Request) error {
			p := evidencetest.NewPasskey("sara")
			w.enrol(t, "sara", "sven", p)
			p.Origin = "https://evil.test"
			_, err := w.signs("sara", r, yesReply, p.Sign, nil)
			return err
		}},
		{"without user verification", "bad-signature", func(t *testing.T, w *world, r Request) error {
			p := evidencetest.NewPasskey("sara")
			w.enrol(t, "sara", "sven", p)
			p.Flags = 1
			_, err := w.signs("sara", r, yesReply, p.Sign, nil)
			return err
		}},
		{"altered after signing", "bad-signature", func(_ *testing.T, w *world, r Request) error {
			_, err := w.signs("sara", r, Reply{Says: evidence.Yes, Limits: evidence.Limits{Minutes: 10}}, w.ssh("sara"), func(a *evidence.Answer) { a.Limits = evidence.Limits{} })
			return err
		}},
		{"in another's name", "signed-other", func(_ *testing.T, w *world, r Request) error {
			_, err := w.signs("sara", r, yesReply, w.ssh("sara"), func(a *evidence.Answer) { a.Person = "sven" })
			return err
		}},
		{"six minutes old", "signed-late", func(_ *testing.T, w *world, r Request) error {
			_, err := w.signs("sara", r, yesReply, w.ssh("sara"), func(*evidence.Answer) { w.pass(6 * time.Minute) })
			return err
		}},
		{"twice", "already-answered", func(t *testing.T, w *world, r Request) error {
			var first evidence.Answer
			if _, err := w.signs("sara", r, yesReply, w.ssh("sara"), func(a *evidence.Answer) { first = *a }); err != nil {
				t.Fatal(err)
			}
			_, err := w.desk.Answer(w.ctx, w.as("sara"), r.ID, r.Hash, Reply{Signed: &first})
			return err
		}},
		{"to the revision before", "stale-revision", func(t *testing.T, w *world, r Request) error {
			_, err := w.signs("sara", r, yesReply, w.ssh("sara"), func(*evidence.Answer) {
				if _, err := w.desk.Revise(w.ctx, w.as("ann"), r.ID, w.ask(two, func(a *Ask) { a.Minutes = 90 })); err != nil {
					t.Fatal(err)
				}
			})
			return err
		}},
		{"to the revision before, sent to the new one", "signed-other", func(t *testing.T, w *world, r Request) error {
			a, err := w.desk.Draft(w.ctx, w.as("sara"), r.ID, r.Hash, yesReply)
			if err != nil {
				t.Fatal(err)
			}
			evidencetest.Signed(w.ssh("sara"))(&a)
			if r, err = w.desk.Revise(w.ctx, w.as("ann"), r.ID, w.ask(two, func(a *Ask) { a.Minutes = 90 })); err != nil {
				t.Fatal(err)
			}
			_, err = w.desk.Answer(w.ctx, w.as("sara"), r.ID, r.Hash, Reply{Signed: &a})
			return err
		}},
		{"of whoever asked's own firm", "not-plant", func(_ *testing.T, w *world, r Request) error {
			_, err := w.signs("bob", r, yesReply, w.ssh("bob"), nil)
			return err
		}},
	} {
		t.Run(row.story, func(t *testing.T) {
			w := newWorldOf(t, nil, signedPlant)
			r := w.submit(two)
			wants(t, row.do(t, w, r), row.rule)
			if _, err := w.signs("olaf", r, yesReply, w.ssh("olaf"), nil); err == nil {
				if q, err := w.desk.Request(context.Background(), w.as("olaf"), r.ID); err != nil || q.Window != "" && row.story != "twice" {
					t.Errorf("it made a window: %+v, %v", q.Window, err)
				}
			}
		})
	}
}

// Whoever can write leaves and has every key of the broker makes an answer that
// looks right in the rows; neither the Desk nor the verifier takes it.
func TestRootCannotForgeASignedAnswer(t *testing.T) {
	w := newWorldOf(t, nil, signedPlant)
	r := w.submit(two)
	if _, err := w.signs("olaf", r, yesReply, w.ssh("olaf"), nil); err != nil {
		t.Fatal(err)
	}
	mallory := evidencetest.NewPasskey("mallory")
	a, err := w.desk.Draft(w.ctx, w.as("sara"), r.ID, r.Hash, yesReply)
	if err != nil {
		t.Fatal(err)
	}
	evidencetest.Signed(mallory.Sign)(&a)
	vouch := evidence.Vouch{V: 1, Person: "sara", Kind: evidence.KeyPasskey, Key: mallory.ID(), Public: mallory.Public(), By: "sven", At: w.now(), Nonce: nonce()}
	text, err := vouch.Unsigned()
	if err != nil {
		t.Fatal(err)
	}
	vouch.Proof = mallory.Sign(evidence.VouchNamespace, text)
	put := func(v any) audit.Hash {
		b, err := audit.Canonical(v)
		if err != nil {
			t.Fatal(err)
		}
		return w.put(b)
	}
	person, err := w.folk.Person(w.ctx, "sara")
	if err != nil {
		t.Fatal(err)
	}
	// By the journal itself, as somebody with the process' memory would.
	w.commit("person/sara", audit.Event{Subject: "sara", Rev: person.Rev + 1, Actor: "sara", Body: audit.KeyEnrolled{Person: "sara", Kind: "passkey",
		Key: mallory.ID(), Public: mallory.Public(), Credential: "x", Name: "phone", By: "sara"}})
	w.commit("person/sara", audit.Event{Subject: "sara", Rev: person.Rev + 2, Actor: "sven", Body: audit.KeyVouched{Person: "sara", Key: mallory.ID(), By: "sven", Document: put(vouch)}})
	row, err := w.desk.requestRow(w.ctx, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.commit(requestKey(string(r.ID)), audit.Event{Subject: string(r.ID), Rev: row.row + 1, Actor: "sara", Body: audit.AnswerGiven{Request: string(r.ID), Rev: 1, Person: "sara",
		Firm: "fjord", Roles: []string{"ot-security"}, Says: evidence.Yes, Document: put(a)}})
	w.restart()
	w.settle()
	if s := w.requestState(r.ID); s != RequestWaiting {
		t.Errorf("the Desk took it: %s", s)
	}
	wrong := w.verify()
	if !slices.ContainsFunc(wrong, func(f string) bool {
		return strings.Contains(f, "key.vouched") && strings.Contains(f, "sven had no such key")
	}) {
		t.Errorf("the verifier says nothing of the vouch: %q", wrong)
	}
	_, err = w.desk.Answer(w.ctx, w.as("sara"), r.ID, r.Hash, Reply{Signed: &a})
	if err == nil {
		t.Error("and the key signs")
	}
}

// Calling in where only keys count: the ask and its code first, then the caller's
// own signature; the code that somebody reads out agrees to nothing.
func TestCallInIsSignedNext(t *testing.T) {
	w := newWorldOf(t, nil, signedPlant)
	r, code, err := w.desk.CallIn(w.ctx, w.as("max"), w.ask())
	if err != nil || r.State != RequestWaiting || len(r.Answers) > 0 || code == "" {
		t.Fatalf("%v %s %+v", err, r.State, r.Answers)
	}
	if _, err := w.desk.Here(w.ctx, w.as("ann"), code); err != nil {
		t.Fatal(err)
	}
	if r, err = w.signs("max", r, yesReply, w.ssh("max"), nil); err != nil || r.Window == "" {
		t.Fatalf("%v %+v", err, r)
	}
	if _, err := w.desk.Open(w.ctx, w.as("mia"), r.Window); err != nil {
		t.Fatal(err)
	}
	w.verified()
}

// Whose word lets a key sign, and whose does not.
func TestWhoMayVouch(t *testing.T) {
	w := newWorldOf(t, nil, signedPlant)
	phone := evidencetest.NewPasskey("mia")
	w.enrol(t, "mia", "", phone)
	word := func(by, who policy.PersonID, key string, sign evidencetest.Signer, do func(*evidence.Vouch)) error {
		v, err := w.folk.DraftVouch(w.ctx, w.stale(by), who, key)
		if err != nil {
			return err
		}
		if do != nil {
			do(&v)
		}
		text, err := v.Unsigned()
		if err != nil {
			t.Fatal(err)
		}
		v.Proof = sign(evidence.VouchNamespace, text)
		return w.folk.Vouch(w.ctx, w.stale(by), v)
	}
	id := phone.ID()
	for _, row := range []struct {
		story, rule string
		err         error
	}{
		{"the person", "vouch-self", word("mia", "mia", id, w.ssh("mia"), nil)},
		{"no OT security", "not-yours", word("olaf", "mia", id, w.ssh("olaf"), nil)},
		{"the vendor", "plant-people-only", word("ann", "mia", id, w.ssh("ann"), nil)},
		{"a key of nobody's", "no-waiting-key", word("sven", "mia", "SHA256:x", w.ssh("sven"), nil)},
		{"somebody who is not there", "no-such-person", word("sven", "zoe", id, w.ssh("sven"), nil)},
		{"a vendor's key", "not-yours", word("sven", "ann", w.print("ann"), w.ssh("sven"), nil)},
		{"a key of the first file", "no-waiting-key", word("sven", "mia", w.print("mia"), w.ssh("sven"), nil)},
		{"signed by another's key", "vouch", word("sven", "mia", id, w.ssh("sara"), nil)},
		{"signed by the key itself", "vouch", word("sven", "mia", id, phone.Sign, nil)},
		{"in another's name", "vouch", word("sven", "mia", id, w.ssh("sven"), func(v *evidence.Vouch) { v.By = "sara" })},
		{"six minutes ago", "vouch", word("sven", "mia", id, w.ssh("sven"), func(v *evidence.Vouch) { v.At = v.At.Add(-6 * time.Minute) })},
		{"as it should be", "", word("sven", "mia", id, w.ssh("sven"), nil)},
		{"a second time", "no-waiting-key", word("sara", "mia", id, w.ssh("sara"), nil)},
	} {
		if rule(row.err) != row.rule || row.rule == "" && row.err != nil {
			t.Errorf("%s: %v, want rule %q", row.story, row.err, row.rule)
		}
	}
	enrol := func(id policy.PersonID, name string, by people.Actor) error {
		p := evidencetest.NewPasskey(name)
		return w.folk.EnrolPasskey(w.ctx, by, people.Key{Kind: people.Passkey, ID: p.ID(), Public: p.Public(), Credential: "c-" + name, Name: name})
	}
	if err := enrol("sara", "mia", w.as("sara")); rule(err) != "passkey-known" {
		t.Errorf("one passkey for two: %v", err)
	}
	if err := enrol("sara", "other", w.stale("sara")); rule(err) != "code-needed" {
		t.Errorf("without a proof: %v", err)
	}
	if err := enrol("ann", "ann", w.as("ann")); rule(err) != "plant-people-only" {
		t.Errorf("a vendor's passkey: %v", err)
	}
	if err := w.folk.RemoveKey(w.ctx, w.stale("olaf"), "mia", id); rule(err) != "not-yours" {
		t.Errorf("taken away by somebody: %v", err)
	}
	if err := w.folk.RemoveKey(w.ctx, w.stale("mia"), "mia", id); err != nil {
		t.Errorf("taken away by its person: %v", err)
	}
	if err := enrol("mia", "mia", w.as("mia")); rule(err) != "passkey-known" {
		t.Errorf("it comes back: %v", err)
	}
	for i := range 5 {
		if err := enrol("mia", "spare"+string(rune('a'+i)), w.as("mia")); err != nil {
			t.Fatal(err)
		}
	}
	if err := enrol("mia", "sixth", w.as("mia")); rule(err) != "passkeys-full" {
		t.Errorf("a sixth: %v", err)
	}
	if differences, err := w.jour.Check(w.ctx); err != nil || len(differences) > 0 {
		t.Errorf("folded anew the rows differ: %q %v", differences, err)
	}
	w.verified()
}

// print is the fingerprint of somebody's key in the first file.
func (w *world) print(id policy.PersonID) string {
	p, err := w.folk.Person(w.ctx, id)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	k, _ := p.Key(people.SSH)
	return k.ID
}
