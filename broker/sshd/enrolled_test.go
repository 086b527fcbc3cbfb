package sshd

import (
	"runtime"
	"testing"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/people"
	"penstock/audit"
)

// TestACertificateGoesWithItsKey: a laptop is lost, its key is taken away, and
// the certificate that was issued for it an hour ago opens nothing any more.
func TestACertificateGoesWithItsKey(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	w := h.open(30)
	cert := h.cert("ann", w)
	c, _, err := h.dialAs("ann+logs+filler-plc", ssh.PublicKeys(cert))
	if err != nil {
		t.Fatalf("before: %v", err)
	}
	c.Close()
	h.ok(h.roster.RemoveKey(h.ctx, h.actor("lena"), "ann", ssh.FingerprintSHA256(keyOf("ann").PublicKey())))
	if c, _, err := h.dialAs("ann+logs+filler-plc", ssh.PublicKeys(cert)); err == nil {
		c.Close()
		t.Fatal("the certificate of a key that was taken away still opens the door")
	}
	if p, err := h.roster.Person(h.ctx, "ann"); err != nil {
		t.Fatal(err)
	} else if _, has := p.Key(people.SSH); has {
		t.Fatal("the key is still ann's")
	}
}

// TestASessionGoesWithItsKey: the same while ann is in.
func TestASessionGoesWithItsKey(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	c := h.in(h.open(30))
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	for len(h.broker.Sessions()) == 0 {
		runtime.Gosched() // the shell is admitted in its own goroutine
	}
	h.ok(h.roster.RemoveKey(h.ctx, h.actor("lena"), "ann", ssh.FingerprintSHA256(keyOf("ann").PublicKey())))
	if err := c.Wait(); err == nil {
		t.Error("the connection ended without a word")
	}
	for _, leaf := range h.events("session.ended") {
		if b := leaf.Body.(audit.SessionEnded); b.Cause != "policy" {
			t.Errorf("the session ended by %q: %s", b.Cause, b.Why)
		}
	}
}
