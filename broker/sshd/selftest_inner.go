package sshd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/broker/ca"
	"penstock/policy"
)

// selfTestInner tries to log in behind a jump. The outer login is taken as
// given, in the name of somebody who is enrolled: what must hold is the inner one.
func (d *Door) selfTestInner(ctx context.Context) error {
	person, attempts, own, err := d.innerAttempts(ctx)
	if err != nil {
		return fmt.Errorf("ssh self-test, behind a jump: %w", err)
	}
	outer := &vendor{claim: ca.Claim{Person: person, Key: ssh.FingerprintSHA256(own)}}
	for _, a := range attempts {
		in, err := d.tryInner(ctx, a, outer)
		if in {
			return fmt.Errorf("ssh self-test: somebody got in behind a jump %s, as %q. Do not start this broker: take the version before it, and report this", a.what, a.user)
		}
		if err != nil {
			return fmt.Errorf("ssh self-test: try to get in behind a jump %s: %w", a.what, err)
		}
	}
	return nil
}

func (d *Door) innerAttempts(ctx context.Context) (policy.PersonID, []attempt, ssh.PublicKey, error) {
	person, enrolled, err := d.someone(ctx)
	if err != nil {
		return "", nil, nil, err
	}
	own, err := newSigner()
	if err != nil {
		return "", nil, nil, err
	}
	key := func(s ssh.Signer) []ssh.AuthMethod { return []ssh.AuthMethod{ssh.PublicKeys(s)} }
	const account = "root"
	all := []attempt{
		{"without any key", account, nil},
		{"with the outer key, plain", account, key(own)},
		{"with a password", account, []ssh.AuthMethod{ssh.Password("self-test"), ssh.KeyboardInteractive(answerAnything)}},
	}
	for _, shown := range append([]ssh.PublicKey{own.PublicKey()}, enrolled...) {
		cert, err := d.CA.Unissued(person, shown)
		if err != nil {
			return "", nil, nil, err
		}
		signer, err := ssh.NewCertSigner(cert, thief{own, shown})
		if err != nil {
			return "", nil, nil, err
		}
		all = append(all, attempt{"with a certificate that no event names", account, key(signer)})
	}
	for _, k := range enrolled {
		all = append(all, attempt{"with an enrolled plain key that was not proven", account, key(thief{own, k})})
	}
	return person, all, own.PublicKey(), nil
}

// tryInner is one login behind a jump that was let through.
func (d *Door) tryInner(ctx context.Context, a attempt, outer *vendor) (in bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client, server := memPipe(selfAddr, doorAddr)
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	d.slots <- struct{}{} // nothing listens yet: there is room; closing the connection gives it back
	c := newConn(d, server, netip.MustParseAddr("127.0.0.1"))
	c.quiet = true
	i := &inner{d: d, c: c, outer: outer, asset: "self-test"}
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer c.Close()
		if sc, _, _, err := ssh.NewServerConn(server, i.config(d.CA.HostKey())); err == nil {
			sc.Close()
		}
	}()
	hostSeen := false
	sc, _, _, err := ssh.NewClientConn(client, "self-test", &ssh.ClientConfig{User: a.user, Auth: a.auth, HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
		HostKeyCallback: func(string, net.Addr, ssh.PublicKey) error { hostSeen = true; return nil }})
	if err == nil {
		sc.Close()
	}
	client.Close()
	<-served
	switch {
	case err == nil:
		return true, nil
	case !hostSeen || ctx.Err() != nil: // it must have come as far as authentication
		return false, fmt.Errorf("it did not come to authentication: %w", errors.Join(err, context.Cause(ctx)))
	}
	return false, nil
}
