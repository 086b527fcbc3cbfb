package approvals

import (
	"slices"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/policy"
)

// A sign-in by the plant's own service answers nothing; proved anew it opens; one
// that lacks a role of the person's gives nothing at all, and what it lacks it
// does not take by either.
func TestWhatAnAccountGives(t *testing.T) {
	w := newWorld(t, nil)
	link := func(id policy.PersonID) people.Actor {
		w.ok(w.folk.LinkAccount(w.ctx, w.as("sara"), id, "https://login.test", string(id)))
		_, k, err := w.folk.ByAccount(w.ctx, "https://login.test", string(id))
		w.ok(err)
		a := w.as(id)
		a.Proofs, a.Step, a.Key = []people.KeyKind{people.Account}, 0, k.ID
		return a
	}
	olaf, mia := link("olaf"), link("mia")
	r := w.submit()
	for _, stepped := range []bool{false, true} {
		olaf.Stepped = stepped
		_, err := w.desk.Answer(w.ctx, olaf, r.ID, r.Hash, Reply{Says: evidence.Yes})
		wants(t, err, "code-needed")
	}
	w.yes("olaf", r)
	r, err := w.desk.Request(w.ctx, w.as("olaf"), r.ID)
	w.ok(err)
	_, err = w.desk.Open(w.ctx, mia, r.Window)
	wants(t, err, "code-needed")
	mia.Stepped = true
	narrow := mia
	narrow.Without = []policy.Role{"shift"}
	_, err = w.desk.Open(w.ctx, narrow, r.Window)
	wants(t, err, "group-missing")
	late := mia
	late.At = late.At.Add(-codeGood - 1e9)
	_, err = w.desk.Open(w.ctx, late, r.Window)
	wants(t, err, "code-needed")
	_, err = w.desk.Open(w.ctx, mia, r.Window)
	w.ok(err)
	w.ok(w.folk.RemoveKey(w.ctx, w.as("sara"), "mia", mia.Key))
	_, err = w.desk.Pause(w.ctx, mia, r.Window, "x")
	w.ok(err)
	_, err = w.desk.GoOn(w.ctx, mia, r.Window) // the account is taken away
	wants(t, err, "code-needed")
	narrow.Roles = narrow.Narrow(narrow.Roles)
	_, err = w.desk.Cut(w.ctx, narrow, r.Window, "x")
	wants(t, err, "not-on-shift")
	w.judge(t)
}

// Nor does it give what asks for no yes: a roster, a deputy, a kiosk, a machine's
// key, a block taken away. A code beside it does not bring the role.
func TestANarrowSignInGivesNothing(t *testing.T) {
	w, win := loading(t)
	w.shows(newKey, win.ID)
	b, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Firm: "polar", Why: "x"})
	wants(t, err, "")
	island, err := w.desk.Island(w.ctx, w.as("mia"), "utilities", "x")
	wants(t, err, "")
	narrow := w.as("sara")
	narrow.Without = []policy.Role{"ot-security"} // the service says that she is not of it any more
	for name, do := range map[string]func() error{
		"a block": func() error { return w.desk.Lift(w.ctx, narrow, b.ID, "") },
		"an island": func() error {
			_, err := w.desk.LiftIsland(w.ctx, narrow, island.ID, "", nil)
			return err
		},
		"what is signed for an island": func() error {
			_, _, err := w.desk.DraftLift(w.ctx, narrow, island.ID, "")
			return err
		},
		"a key":     func() error { return w.desk.ConfirmKey(w.ctx, narrow, "filler-plc", newKey, "") },
		"a machine": func() error { return w.desk.CheckTarget(w.ctx, narrow, "filler-plc", "") },
		"a kiosk": func() error {
			_, err := w.desk.EnrolKiosk(w.ctx, narrow, "x", w.certificate(t, false, 24*time.Hour), time.Time{})
			return err
		},
		"a deputy": func() error {
			return w.desk.NameDeputy(w.ctx, narrow, "ot-security", "tom", w.now(), w.now().Add(time.Hour))
		},
	} {
		if err := do(); rule(err) != "group-missing" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhoLinksAnAccount(t *testing.T) {
	w := newWorld(t, nil)
	stepped := func(id policy.PersonID) people.Actor { return w.as(id) }
	for _, tc := range []struct {
		story                string
		by                   people.Actor
		who                  policy.PersonID
		issuer, subject, why string
	}{
		{"the shift", stepped("mia"), "olaf", "https://login.test", "a", "not-yours"},
		{"one's own", stepped("sara"), "sara", "https://login.test", "a", "not-yours"},
		{"a vendor's", stepped("sara"), "ann", "https://login.test", "a", "not-yours"},
		{"without a code", w.stale("sara"), "mia", "https://login.test", "a", "code-needed"},
		{"no issuer", stepped("sara"), "mia", "", "a", "bad-account"},
		{"no subject", stepped("sara"), "mia", "https://login.test", "", "bad-account"},
		{"a subject that moves a terminal", stepped("sara"), "mia", "https://login.test", "\x1b[2J", "bad-account"},
		{"as it should be", stepped("sara"), "mia", "https://login.test", "a", ""},
		{"a second one", stepped("sara"), "mia", "https://login.test", "b", "account-there"},
		{"somebody else's", stepped("sara"), "olaf", "https://login.test", "a", "account-known"},
	} {
		if err := w.folk.LinkAccount(w.ctx, tc.by, tc.who, tc.issuer, tc.subject); rule(err) != tc.why || tc.why == "" && err != nil {
			t.Errorf("%s: %v, want %q", tc.story, err, tc.why)
		}
	}
	if p, err := w.folk.Person(w.ctx, "mia"); err != nil || !slices.ContainsFunc(p.Keys, func(k people.Key) bool { return k.Kind == people.Account && k.Subject == "a" && !k.Signs() }) {
		t.Errorf("mia: %+v %v", p, err)
	}
	if _, err := w.desk.Leave(w.ctx, w.as("sara"), "mia", "left"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.folk.ByAccount(w.ctx, "https://login.test", "a"); err == nil {
		t.Error("who has left signs in")
	}
	w.judge(t)
}
