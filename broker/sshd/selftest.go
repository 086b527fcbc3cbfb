package sshd

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/people"
	"penstock/policy"
)

// attempt is one try to get in that must fail.
type attempt struct {
	what string
	user string
	auth []ssh.AuthMethod
}

// SelfTest tries to get in over an in-memory connection, through the handlers
// that serve everybody: without a key, with a plain key as a person, with an
// enrolled key and somebody else's signature, with certificates of another
// authority, and with one of the right authority that no event names; then the
// same behind a jump, as the very person and key that would have come through
// the door. nil: nobody got in.
func (d *Door) SelfTest(ctx context.Context) error {
	attempts, err := d.attempts(ctx)
	if err != nil {
		return fmt.Errorf("ssh self-test: %w", err)
	}
	for _, a := range attempts {
		in, err := d.try(ctx, a)
		if in {
			return fmt.Errorf("ssh self-test: somebody got in %s, as %q. Do not start this broker: take the version before it, and report this", a.what, a.user)
		}
		if err != nil {
			return fmt.Errorf("ssh self-test: try to get in %s: %w", a.what, err)
		}
	}
	return d.selfTestInner(ctx)
}

// thief holds one key and shows another: it signs with its own.
type thief struct {
	ssh.Signer
	shown ssh.PublicKey
}

func (t thief) PublicKey() ssh.PublicKey { return t.shown }

func (d *Door) attempts(ctx context.Context) ([]attempt, error) {
	person, enrolled, err := d.someone(ctx)
	if err != nil {
		return nil, err
	}
	own, err := newSigner()
	if err != nil {
		return nil, err
	}
	foreignCA, err := newSigner()
	if err != nil {
		return nil, err
	}
	unissued, err := d.CA.Unissued(person, own.PublicKey())
	if err != nil {
		return nil, err
	}
	foreign := *unissued
	if err := foreign.SignCert(rand.Reader, foreignCA); err != nil {
		return nil, err
	}
	withUnissued, err := ssh.NewCertSigner(unissued, own)
	if err != nil {
		return nil, err
	}
	withForeign, err := ssh.NewCertSigner(&foreign, own)
	if err != nil {
		return nil, err
	}
	as := string(person) + "+root+self-test"
	key := func(s ssh.Signer) []ssh.AuthMethod { return []ssh.AuthMethod{ssh.PublicKeys(s)} }
	all := []attempt{
		{"with an own plain key", as, key(own)},
		{"with an own plain key", "desk", key(own)},
		{"with an own plain key", "cert", key(own)},
		{"with a certificate of another authority", as, key(withForeign)},
		{"with a certificate that no event names", as, key(withUnissued)},
		{"with a certificate that no event names", string(person), key(withUnissued)},
		{"with an own key in a certificate", "desk", key(withUnissued)},
		{"with a password", as, []ssh.AuthMethod{ssh.Password("self-test"), ssh.KeyboardInteractive(answerAnything)}},
		{"with an invitation that was never made", "join", []ssh.AuthMethod{ssh.PublicKeys(own), ssh.RetryableAuthMethod(ssh.KeyboardInteractive(answerAnything), 1)}},
	}
	for _, user := range []string{"join", "desk", "cert", as, string(person), "root", ""} {
		all = append(all, attempt{"without any key", user, nil})
	}
	for _, k := range enrolled {
		s := thief{own, k}
		all = append(all,
			attempt{"with an enrolled key that was not proven", "desk", key(s)},
			attempt{"with an enrolled key that was not proven", "cert", key(s)},
			attempt{"with an enrolled plain key that was not proven", as, key(s)})
	}
	return all, nil
}

func answerAnything(_, _ string, questions []string, _ []bool) ([]string, error) {
	answers := make([]string, len(questions))
	for i := range answers {
		answers[i] = "000000"
	}
	return answers, nil
}

// someone is a person of the roster and one enrolled key; on a roster without
// people there is nobody to be mistaken for, and a name is made up.
func (d *Door) someone(ctx context.Context) (policy.PersonID, []ssh.PublicKey, error) {
	all, err := d.Roster.People(ctx)
	if err != nil {
		return "", nil, fmt.Errorf("read people: %w", err)
	}
	for _, p := range all {
		k, ok := p.Key(people.SSH)
		if !ok || p.Disabled {
			continue
		}
		public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.Public))
		if err != nil {
			return "", nil, fmt.Errorf("key of %s: %w", p.ID, err)
		}
		return p.ID, []ssh.PublicKey{public}, nil
	}
	return "self-test", nil, nil
}

func newSigner() (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(private)
}

var (
	selfAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	doorAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 22}
)

// try is one attempt; in says that it succeeded. err is where the test itself did not work.
func (d *Door) try(ctx context.Context, a attempt) (in bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client, server := memPipe(selfAddr, doorAddr)
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	d.slots <- struct{}{} // nothing listens yet: there is room
	c := newConn(d, server, netip.MustParseAddr("127.0.0.1"))
	c.quiet = true
	d.mu.Lock()
	d.conns[c] = struct{}{}
	d.active++
	d.mu.Unlock()
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer d.left(c)
		defer d.recovered("self-test", c)
		d.srv.HandleConn(c)
	}()
	var hostSeen bool
	sc, chans, reqs, err := ssh.NewClientConn(client, "self-test", &ssh.ClientConfig{User: a.user, Auth: a.auth,
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
		HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
			if string(k.Marshal()) != string(d.CA.HostKey().PublicKey().Marshal()) {
				return errors.New("the door shows a host key that is not ours")
			}
			hostSeen = true
			return nil
		}})
	if err == nil {
		go ssh.DiscardRequests(reqs)
		go func() {
			for nc := range chans {
				_ = nc.Reject(ssh.Prohibited, "")
			}
		}()
		sc.Close()
	}
	client.Close()
	<-served
	if err == nil {
		return true, nil
	}
	if !hostSeen || ctx.Err() != nil { // it must have come as far as authentication
		return false, fmt.Errorf("it did not come to authentication: %w", errors.Join(err, context.Cause(ctx)))
	}
	if c.panicked.Load() {
		return false, errors.New("the door panicked")
	}
	return false, nil
}
