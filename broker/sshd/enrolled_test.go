package sshd

import (
	"testing"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/people"
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
