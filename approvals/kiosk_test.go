package approvals

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// certificate is a self-signed one of a browser.
func (w *world) certificate(t *testing.T, weak bool, life time.Duration) []byte {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Penstock kiosk"}, NotBefore: w.now().Add(-time.Hour), NotAfter: w.now().Add(life)}
	var der []byte
	if weak {
		key, err := rsa.GenerateKey(rand.Reader, 1024)
		if err == nil {
			der, err = x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
		}
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err == nil {
		der, err = x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (w *world) kiosk(t *testing.T) (people.Actor, []byte) {
	t.Helper()
	der := w.certificate(t, false, 300*24*time.Hour)
	if _, err := w.desk.EnrolKiosk(w.ctx, w.as("sara"), "Control room 1", der, time.Time{}); err != nil {
		t.Fatal(err)
	}
	a, _, ok := w.desk.KioskBy(w.ctx, der)
	if !ok {
		t.Fatal("it is not known by its certificate")
	}
	return a, der
}

// A kiosk pauses, cuts, blocks and makes an island, while the disk is slow and
// after a restart; it gives nothing.
func TestAKioskOnlyTakes(t *testing.T) {
	w := newWorld(t, nil)
	win, second := w.open(), w.open()
	k, der := w.kiosk(t)
	w.restart()
	if a, _, ok := w.desk.KioskBy(w.ctx, der); !ok || a.Person != k.Person {
		t.Fatalf("after a restart: %+v %t", a, ok)
	}
	_, err := w.desk.Pause(w.ctx, k, win.ID, "guard door")
	wants(t, err, "")
	for name, give := range map[string]func() error{
		"go on":    func() error { _, err := w.desk.GoOn(w.ctx, k, win.ID); return err },
		"open":     func() error { _, err := w.desk.Open(w.ctx, k, win.ID); return err },
		"extend":   func() error { _, err := w.desk.Extend(w.ctx, k, win.ID, w.now().Add(2*time.Hour)); return err },
		"answer":   func() error { r := w.submit(); _, err := w.desk.Answer(w.ctx, k, r.ID, r.Hash, yesReply); return err },
		"ask":      func() error { _, err := w.desk.Submit(w.ctx, k, w.ask()); return err },
		"withdraw": func() error { return w.desk.Withdraw(w.ctx, k, w.submit().ID, "") },
		"lift":     func() error { return w.desk.Lift(w.ctx, k, "B-1", "") },
		"word":     func() error { _, err := w.desk.LiftIsland(w.ctx, k, "B-1", "", nil); return err },
		"enrol": func() error {
			_, err := w.desk.EnrolKiosk(w.ctx, k, "x", w.certificate(t, false, time.Hour), time.Time{})
			return err
		},
		"revoke":   func() error { return w.desk.RevokeKiosk(w.ctx, k, "K-1", "") },
		"accept":   func() error { _, err := w.desk.Accept(w.ctx, k, win.ID); return err },
		"hand":     func() error { _, err := w.desk.HandOver(w.ctx, k, "shift", w.now(), ""); return err },
		"outage":   func() error { _, err := w.desk.ProposeOutage(w.ctx, k, w.overhaul(1)); return err },
		"priority": func() error { _, err := w.desk.Prioritise(w.ctx, k, w.submit().ID, 1, "x"); return err },
	} {
		if err := give(); rule(err) == "" {
			t.Errorf("a kiosk may %s: %v", name, err)
		}
	}
	_, err = w.desk.Cut(w.ctx, k, second.ID, "smoke")
	wants(t, err, "")
	if said := w.desk.byPerson("cut", second.ID, k, "smoke").(*policy.Refusal).Say; !strings.Contains(said, "cut by the control room: smoke") {
		t.Errorf("the vendor reads %q", said)
	}
	_, err = w.desk.Block(w.ctx, k, policy.Block{Firm: "krall", Why: "laptop"})
	wants(t, err, "")
	_, err = w.desk.Island(w.ctx, k, "line-1", "fire")
	wants(t, err, "")
	noFindings(t, w)
}

func TestAKioskEnds(t *testing.T) {
	w := newWorld(t, nil)
	k, der := w.kiosk(t)
	win := w.open()
	wants(t, w.desk.RevokeKiosk(w.ctx, w.stale("mia"), "K-1", "stolen"), "")
	if _, _, ok := w.desk.KioskBy(w.ctx, der); ok {
		t.Error("it is known after it was revoked")
	}
	_, err := w.desk.Cut(w.ctx, k, win.ID, "")
	wants(t, err, "not-enrolled")
	_, err = w.desk.EnrolKiosk(w.ctx, w.as("sara"), "again", der, time.Time{})
	wants(t, err, "enrolled-before")
	k, der = w.kiosk(t)
	w.restart()
	w.pass(301 * 24 * time.Hour)
	if _, _, ok := w.desk.KioskBy(w.ctx, der); ok {
		t.Error("it is known after its certificate's end")
	}
	_, err = w.desk.Island(w.ctx, k, "", "")
	wants(t, err, "not-enrolled")
}

func TestWhoEnrolsAKiosk(t *testing.T) {
	w := newWorld(t, nil)
	good := w.certificate(t, false, 300*24*time.Hour)
	for name, row := range map[string]struct {
		by   people.Actor
		der  []byte
		name string
		want string
	}{
		"the shift":          {w.as("mia"), good, "x", "not-security"},
		"a vendor":           {w.as("ann"), good, "x", "not-plant"},
		"an old code":        {w.stale("sara"), good, "x", "code-needed"},
		"no name":            {w.as("sara"), good, " ", "bad-text"},
		"a weak key":         {w.as("sara"), w.certificate(t, true, time.Hour), "x", "bad-certificate"},
		"one that is over":   {w.as("sara"), w.certificate(t, false, -time.Minute), "x", "bad-certificate"},
		"no certificate":     {w.as("sara"), []byte("hello"), "x", "bad-certificate"},
		"far too much of it": {w.as("sara"), make([]byte, 17<<10), "x", "bad-certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.desk.EnrolKiosk(w.ctx, row.by, row.name, row.der, time.Time{})
			wants(t, err, row.want)
		})
	}
	if w.desk.HasKiosks(w.ctx) {
		t.Error("one is enrolled")
	}
}

// A leaf by a kiosk that nobody enrolled, or that was revoked, is found.
func TestTheVerifierFindsAFalseKiosk(t *testing.T) {
	w := newWorld(t, nil)
	add := func(n int, by string) {
		id := "B-" + string(rune('0'+n))
		if _, err := w.log.Append(w.ctx, audit.Event{Subject: id, Rev: 1, Actor: by, Body: audit.BlockSet{Block: id, Firm: "krall", By: by, Why: "x"}, Rows: map[string]audit.Hash{"block/" + id: {1}}}); err != nil {
			t.Fatal(err)
		}
	}
	found := func() int {
		return len(slices.DeleteFunc(w.verify(), func(f string) bool { return !strings.Contains(f, "which was not enrolled") }))
	}
	add(1, "K-1")
	if found() != 1 {
		t.Error("a kiosk that nobody enrolled")
	}
	w.kiosk(t)
	add(2, "K-1")
	if found() != 1 {
		t.Error("one that is enrolled is found wrong")
	}
	wants(t, w.desk.RevokeKiosk(w.ctx, w.as("sara"), "K-1", ""), "")
	w.pass(time.Minute)
	add(3, "K-1")
	if found() != 2 {
		t.Error("one that was revoked")
	}
	if !evidence.IsKiosk("K-1") || evidence.IsKiosk("kate") {
		t.Error("who is a kiosk")
	}
}
