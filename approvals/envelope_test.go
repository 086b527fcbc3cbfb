package approvals

import (
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// paper is an envelope that sara has sealed, with the key that follows from it.
func (w *world) paper(t *testing.T, id policy.PersonID) ed25519.PrivateKey {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("p", 30) + string(id[len(id)-1]) + string(rune('a'+len(w.log.leaves())%26))))
	public, err := evidence.EnvelopePublic(key)
	wants(t, err, "")
	v, err := w.folk.DraftSeal(w.ctx, w.as("sara"), id, public)
	wants(t, err, "")
	text, err := v.Unsigned()
	wants(t, err, "")
	v.Proof, err = evidence.SignSSH(keyNumber(slices.Index(names(), "sara")), evidence.VouchNamespace, text)
	wants(t, err, "")
	wants(t, w.folk.Seal(w.ctx, w.as("sara"), v, "shift"), "")
	return key
}

func printOf(t *testing.T, key ed25519.PrivateKey) string {
	t.Helper()
	pub, err := ssh.NewPublicKey(key.Public())
	wants(t, err, "")
	return ssh.FingerprintSHA256(pub)
}

// torn is whoever opens it, as broker/login makes them.
func (w *world) torn(t *testing.T, id policy.PersonID, key ed25519.PrivateKey) people.Actor {
	t.Helper()
	e, err := w.folk.OpenEnvelope(w.ctx, id, printOf(t, key), "Mia Voss", "192.0.2.7")
	wants(t, err, "")
	return people.Actor{Person: id, Firm: e.Firm, Plant: true, Roles: []policy.Role{e.Role}, Proofs: []people.KeyKind{people.PaperCode}, At: w.now(), Key: e.Key}
}

func (w *world) onPaper(t *testing.T, key ed25519.PrivateKey, a evidence.Answer, err error) *evidence.Answer {
	t.Helper()
	wants(t, err, "")
	text, err := a.Unsigned()
	wants(t, err, "")
	a.Proof, err = evidence.SignSSH(key, evidence.AnswerNamespace, text)
	wants(t, err, "")
	return &a
}

// The control room's envelope, when nobody on shift can sign in: one emergency, from
// the yes to the second tap, and nothing else.
func TestTheControlRoomsEnvelope(t *testing.T) {
	w := newWorldOf(t, nil, anxious)
	w.roster(t, "shift", evidence.Turn{Person: "max", From: start.Add(-time.Hour), To: start.Add(8 * time.Hour)}) // of whom no phone answers
	key := w.paper(t, evidence.EnvelopeRoom)
	r := w.submit(down)
	a, err := w.folk.Person(w.ctx, evidence.EnvelopeRoom)
	if err == nil {
		t.Fatalf("it counts while it is sealed: %+v", a)
	}
	mia := w.torn(t, evidence.EnvelopeRoom, key)

	planned := w.submit(trends)
	_, err = w.desk.Draft(w.ctx, mia, planned.ID, planned.Hash, Reply{Says: evidence.Yes})
	wants(t, err, "envelope")
	_, err = w.desk.Answer(w.ctx, mia, r.ID, r.Hash, Reply{Says: evidence.Yes})
	if rule(err) == "" {
		t.Fatal("a yes without the paper's signature counts")
	}
	draft, err := w.desk.Draft(w.ctx, mia, r.ID, r.Hash, Reply{Says: evidence.Yes})
	signed := w.onPaper(t, key, draft, err)
	forged := *signed
	forged.Nonce = strings.Repeat("A", 43)
	_, err = w.desk.Answer(w.ctx, mia, r.ID, r.Hash, Reply{Signed: &forged})
	wants(t, err, "bad-signature")
	r, err = w.desk.Answer(w.ctx, mia, r.ID, r.Hash, Reply{Signed: signed})
	wants(t, err, "")
	win, err := w.desk.Open(w.ctx, mia, r.Window)
	wants(t, err, "")
	_, err = w.desk.SayGate(w.ctx, mia, win.ID, "clear", GateYes, "")
	wants(t, err, "")
	tap, err := w.desk.DraftStepUp(w.ctx, mia, win.ID, policy.Set)
	_, err = w.desk.StepUpSigned(w.ctx, mia, win.ID, *w.onPaper(t, key, tap, err))
	wants(t, err, "")
	if !w.live(win.ID) || w.rights(win.ID) != policy.Look|policy.Set {
		t.Fatalf("not live with %s", w.rights(win.ID))
	}
	w.restart()
	if _, err := w.desk.Pause(w.ctx, mia, win.ID, ""); err != nil {
		t.Fatal(err)
	}
	_, err = w.desk.GoOn(w.ctx, mia, win.ID)
	wants(t, err, "")
	w.pass(evidence.EnvelopeGood)
	w.settle()
	if _, err := w.folk.Person(w.ctx, evidence.EnvelopeRoom); err == nil {
		t.Error("it counts after its hours")
	}
	_, err = w.folk.OpenEnvelope(w.ctx, evidence.EnvelopeRoom, printOf(t, key), "Mia Voss", "")
	wants(t, err, "envelope-spent")
	w.paper(t, evidence.EnvelopeRoom) // sealed anew
	w.verified()
	if err := w.rebuilt(); err != nil {
		t.Error(err)
	}
}

// OT security's way back in: what it vouches for counts, and its own word in an
// agreement does not.
func TestOTSecuritysEnvelope(t *testing.T) {
	w := newWorldOf(t, nil, anxious)
	one, two := w.paper(t, evidence.EnvelopeRoom), w.paper(t, evidence.EnvelopeSecurity)
	w.torn(t, evidence.EnvelopeRoom, one)
	lena := w.torn(t, evidence.EnvelopeSecurity, two)
	inv, err := w.folk.Invite(w.ctx, lena, people.Invitation{Person: "noor", Firm: "fjord", Name: "Noor", Roles: []policy.Role{"ot-security"}})
	wants(t, err, "")
	if inv.Code == "" {
		t.Error("nobody is invited")
	}
	_, err = w.folk.Invite(w.ctx, w.as("sara"), people.Invitation{Person: evidence.EnvelopeRoom, Firm: "fjord", Name: "Paper"})
	if rule(err) == "" {
		t.Error("a person has the name of an envelope")
	}
	r := w.submit(down)
	_, err = w.desk.Draft(w.ctx, lena, r.ID, r.Hash, Reply{Says: evidence.Yes})
	wants(t, err, "not-asked") // an emergency asks the shift
	w.verified()
}

// Outside of an emergency neither envelope gives anything but the way back in: who
// found both on a desk has not got the plant.
func TestAnEnvelopeGivesNothingElse(t *testing.T) {
	w, win := loading(t)
	w.shows(newKey, win.ID)
	b, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Firm: "polar", Why: "x"})
	wants(t, err, "")
	island, err := w.desk.Island(w.ctx, w.as("mia"), "utilities", "x")
	wants(t, err, "")
	w.torn(t, evidence.EnvelopeRoom, w.paper(t, evidence.EnvelopeRoom))
	lena := w.torn(t, evidence.EnvelopeSecurity, w.paper(t, evidence.EnvelopeSecurity))
	mia := lena
	room, err := w.folk.Person(w.ctx, evidence.EnvelopeRoom)
	wants(t, err, "")
	mia.Person, mia.Roles, mia.Key = evidence.EnvelopeRoom, room.Roles, room.Keys[0].ID
	der := w.certificate(t, false, 24*time.Hour)
	for name, do := range map[string]func() error{
		"a block":      func() error { return w.desk.Lift(w.ctx, lena, b.ID, "") },
		"a block, too": func() error { return w.desk.Lift(w.ctx, mia, b.ID, "") },
		"an island":    func() error { _, err := w.desk.LiftIsland(w.ctx, lena, island.ID, "", nil); return err },
		"a key":        func() error { return w.desk.ConfirmKey(w.ctx, lena, "filler-plc", newKey, "") },
		"a machine":    func() error { return w.desk.CheckTarget(w.ctx, lena, "filler-plc", "") },
		"a kiosk":      func() error { _, err := w.desk.EnrolKiosk(w.ctx, lena, "x", der, time.Time{}); return err },
		"a deputy": func() error {
			return w.desk.NameDeputy(w.ctx, mia, "shift", "max", w.now(), w.now().Add(time.Hour))
		},
		"a roster":      func() error { return w.desk.WriteRoster(w.ctx, lena, "shift", 0, nil) },
		"an outage":     func() error { _, err := w.desk.ProposeOutage(w.ctx, lena, w.overhaul(1)); return err },
		"a role":        func() error { return w.folk.Change(w.ctx, lena, "mia", "Mia", []policy.Role{"ot-security"}) },
		"an account":    func() error { return w.folk.LinkAccount(w.ctx, lena, "mia", "https://login.test", "a") },
		"a secret":      func() error { _, err := w.folk.MaySeal(w.ctx, lena); return err },
		"a backup":      func() error { return w.folk.MayBackUp(w.ctx, lena) },
		"who goes on":   func() error { return w.folk.MaySignAccess(w.ctx, lena, "role/shift") },
		"a review":      func() error { return w.folk.Proved(w.ctx, lena) },
		"a review, too": func() error { return w.folk.Proved(w.ctx, mia) },
	} {
		if err := do(); rule(err) != "envelope" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, b := range []audit.Body{
		audit.BlockLifted{Block: b.ID, By: "envelope-2"},
		audit.HostKeyConfirmed{Asset: "filler-plc", Key: newKey, By: "envelope-2", At: w.now()},
		audit.TargetChecked{Asset: "filler-plc", By: "envelope-2", At: w.now()},
		audit.KioskEnrolled{Kiosk: "K-1", Name: "x", Certificate: audit.HashOf(der), Until: w.now().Add(time.Hour), By: "envelope-2", At: w.now()},
		audit.DeputyNamed{Team: "shift", For: "envelope-1", Person: "max", From: w.now(), Until: w.now().Add(time.Hour), By: "envelope-1", At: w.now()},
		audit.RosterWritten{Team: "shift", By: "envelope-2", Document: audit.HashOf(nil), At: w.now()},
		audit.PersonChanged{Person: "mia", Firm: "fjord", Name: "Mia", Roles: []string{"ot-security"}, By: "envelope-2"},
		audit.AccountLinked{Person: "mia", Key: "x", By: "envelope-2"},
		audit.AgentInvited{Zone: "line-1", By: "envelope-2", Until: w.now().Add(time.Hour)},
		audit.AccessListed{Scope: "role/shift", By: "envelope-2", At: w.now(), Due: w.now().Add(time.Hour)},
		audit.MeasureBaseline{By: "envelope-2"},
	} {
		walk := evidence.NewWalk(w.docs)
		all := w.log.leaves()
		for _, leaf := range all {
			walk.Leaf(w.ctx, leaf)
		}
		by := "envelope-2"
		if _, is := b.(audit.DeputyNamed); is {
			by = "envelope-1"
		}
		forged := all[len(all)-1]
		forged.Index, forged.Wall, forged.Event = forged.Index+1, w.now(), audit.Event{Actor: by, Body: b, Rev: 1, Rows: map[string]audit.Hash{"forged/1": {}}}
		if found := strings.Join(walk.Leaf(w.ctx, forged), "\n"); !strings.Contains(found, by+", who ") && !strings.Contains(found, by+" does not hold") {
			t.Errorf("%s by an envelope: found %q", b.Type(), found)
		}
	}
	w.verified()
}

// sealedBy is the same envelope with another's own word for its key.
func (w *world) sealedBy(t *testing.T, who policy.PersonID, b audit.EnvelopeSealed) audit.EnvelopeSealed {
	t.Helper()
	doc, err := w.docs.Get(w.ctx, b.Document)
	wants(t, err, "")
	v, err := evidence.ParseVouch(doc)
	wants(t, err, "")
	v.By = string(who)
	text, err := v.Unsigned()
	wants(t, err, "")
	v.Proof, err = evidence.SignSSH(keyNumber(slices.Index(names(), who)), evidence.VouchNamespace, text)
	wants(t, err, "")
	doc, err = audit.Canonical(v)
	wants(t, err, "")
	b.By, b.Document = string(who), w.put(doc)
	return b
}

// The broker itself holds an envelope to who sealed it, after any rebuild: a yes by
// a key for which somebody without that office has given their word opens nothing.
func TestAnEnvelopeOfNobodysOpensNothing(t *testing.T) {
	w := newWorldOf(t, nil, anxious)
	key := w.paper(t, evidence.EnvelopeRoom)
	mia := w.torn(t, evidence.EnvelopeRoom, key)
	for i, leaf := range w.log.all {
		if b, is := leaf.Body.(audit.EnvelopeSealed); is {
			w.log.all[i].Body, w.log.all[i].Actor = w.sealedBy(t, "tom", b), "tom"
		}
	}
	w.restart()
	r := w.submit(down)
	a, err := w.desk.Draft(w.ctx, mia, r.ID, r.Hash, Reply{Says: evidence.Yes})
	_, err = w.desk.Answer(w.ctx, mia, r.ID, r.Hash, Reply{Signed: w.onPaper(t, key, a, err)})
	wants(t, err, "key-not-vouched")
}

// What somebody with the log and the server's keys could write about envelopes.
func TestEnvelopesAreRecomputed(t *testing.T) {
	other := ed25519.NewKeyFromSeed([]byte(strings.Repeat("x", 32)))
	for _, row := range []struct {
		story, finding string
		change         func(*world, *audit.Leaf) (drop bool)
	}{
		{"nothing", "", func(*world, *audit.Leaf) bool { return false }},
		{"a key that nobody sealed", "the signed word differ", func(w *world, l *audit.Leaf) bool {
			if b, is := l.Body.(audit.EnvelopeSealed); is {
				public, _ := evidence.EnvelopePublic(other)
				b.Public, b.Key = public, printOf(t, other)
				l.Body = b
			}
			return false
		}},
		{"sealed by somebody whose key did not sign it", "differ", func(_ *world, l *audit.Leaf) bool {
			if b, is := l.Body.(audit.EnvelopeSealed); is {
				b.By, l.Actor = "ida", "ida"
				l.Body = b
			}
			return false
		}},
		{"sealed by somebody of the plant with a key of their own, and no office", "sealed by tom, who is not of OT security", func(w *world, l *audit.Leaf) bool {
			if b, is := l.Body.(audit.EnvelopeSealed); is {
				l.Body, l.Actor = w.sealedBy(t, "tom", b), "tom"
			}
			return false
		}},
		{"answered, and never opened", "the log does not know envelope-1", func(_ *world, l *audit.Leaf) bool {
			_, is := l.Body.(audit.EnvelopeOpened)
			return is
		}},
		{"answered after its hours", "the log does not know envelope-1", func(_ *world, l *audit.Leaf) bool {
			if _, is := l.Body.(audit.EnvelopeOpened); is {
				l.Wall = l.Wall.Add(-evidence.EnvelopeGood - time.Minute)
			}
			return false
		}},
	} {
		t.Run(row.story, func(t *testing.T) {
			w := newWorldOf(t, nil, anxious)
			key := w.paper(t, evidence.EnvelopeRoom)
			r := w.submit(down)
			mia := w.torn(t, evidence.EnvelopeRoom, key)
			a, err := w.desk.Draft(w.ctx, mia, r.ID, r.Hash, Reply{Says: evidence.Yes})
			_, err = w.desk.Answer(w.ctx, mia, r.ID, r.Hash, Reply{Signed: w.onPaper(t, key, a, err)})
			wants(t, err, "")
			says(t, w.walked(func(l *audit.Leaf) bool { return !row.change(w, l) }), row.finding)
		})
	}
}

// An envelope that was opened, or has lain for a year, is owed until it is sealed anew.
func TestEnvelopesAreOwed(t *testing.T) {
	w := newWorldOf(t, nil, anxious)
	owed := func() (all []string) {
		t.Helper()
		list, err := w.desk.Debts(w.ctx, w.as("sara"))
		wants(t, err, "")
		for _, d := range list {
			if d.Kind == "envelope" {
				all = append(all, d.What+": "+d.Text)
			}
		}
		return all
	}
	if got := owed(); len(got) != 0 {
		t.Fatalf("a plant without envelopes owes %q", got)
	}
	w.paper(t, evidence.EnvelopeRoom)
	if got := owed(); len(got) != 1 || !strings.HasPrefix(got[0], "envelope 2 (OT security): it was never sealed") {
		t.Fatalf("%q", got)
	}
	key := w.paper(t, evidence.EnvelopeSecurity)
	if got := owed(); len(got) != 0 {
		t.Fatalf("%q", got)
	}
	w.torn(t, evidence.EnvelopeSecurity, key)
	if got := owed(); len(got) != 1 || !strings.Contains(got[0], "none was sealed in its place") {
		t.Fatalf("%q", got)
	}
	w.paper(t, evidence.EnvelopeSecurity)
	w.pass(366 * 24 * time.Hour)
	if got := owed(); len(got) != 2 || !strings.Contains(got[0], "more than a year ago") {
		t.Fatalf("%q", got)
	}
}
