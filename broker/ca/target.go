package ca

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit"
	"penstock/policy"
)

// SignTarget makes a fresh key and a certificate of at most 5 min for exactly
// one principal; cert.issued first. keyID is printable ASCII, at most 128 bytes.
// The key is in memory only and is forgotten with the Signer.
func (a *Authorities) SignTarget(ctx context.Context, principal, keyID string, session policy.SessionID, channel int) (ssh.Signer, error) {
	return a.signTarget(ctx, "permit-pty", backdate, principal, keyID, audit.CertIssued{Session: string(session), Channel: channel})
}

// SignHop is SignTarget for a host on the way to a target: its certificate lets
// a stream through and no shell with a terminal.
func (a *Authorities) SignHop(ctx context.Context, principal, keyID string, session policy.SessionID, channel int) (ssh.Signer, error) {
	return a.signTarget(ctx, "permit-port-forwarding", backdate, principal, keyID, audit.CertIssued{Session: string(session), Channel: channel})
}

// SignErrand is SignTarget, or for a host on the way SignHop, for what the broker
// does at a target for itself, in no session: "rotate" or "check". early: good
// since a day, and no longer than any other, for a machine whose clock is behind.
func (a *Authorities) SignErrand(ctx context.Context, principal, keyID, errand string, hop, early bool) (ssh.Signer, error) {
	extension := "permit-pty"
	if hop {
		extension = "permit-port-forwarding"
	}
	since := backdate
	if early {
		since = 24 * time.Hour
	}
	return a.signTarget(ctx, extension, since, principal, keyID, audit.CertIssued{Errand: errand})
}

func (a *Authorities) signTarget(ctx context.Context, extension string, since time.Duration, principal, keyID string, ev audit.CertIssued) (ssh.Signer, error) {
	if !oneWord(principal) || !oneWord(keyID) {
		return nil, fmt.Errorf("sign for target: principal %q or key id %q is not one printable word of at most %d bytes", principal, keyID, maxKeyID)
	}
	if (ev.Session == "") == (ev.Errand == "") {
		return nil, errors.New("sign for target: it is for a session or for an errand")
	}
	private, err := generate(a.out.PublicKey().Type())
	if err != nil {
		return nil, fmt.Errorf("sign for target: %w", err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, fmt.Errorf("sign for target: %w", err)
	}
	now := a.now()
	cert := &ssh.Certificate{
		Key: key.PublicKey(), CertType: ssh.UserCert, KeyId: keyID, ValidPrincipals: []string{principal},
		ValidAfter: uint64(now.Add(-since).Unix()), ValidBefore: uint64(now.Add(targetLife).Unix()),
		Permissions: ssh.Permissions{Extensions: map[string]string{extension: ""}},
	}
	ev.CA = "out"
	if err := a.issue(ctx, a.out, cert, ev, "penstock"); err != nil {
		return nil, fmt.Errorf("sign for target %s: %w", principal, err)
	}
	return ssh.NewCertSigner(cert, key)
}

// oneWord: what a principal or key id may be; sshd's logs and files split at
// blanks and commas have a meaning of their own in principals files.
func oneWord(s string) bool {
	return s != "" && len(s) <= maxKeyID && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
