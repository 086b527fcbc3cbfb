// Package ca is the three certificate authorities: host (shown to vendors), in
// (vendors' certificates; a private critical option makes any stock sshd refuse
// them) and out (broker to target). Never one key for two of them.
//
// Every certificate is an event before it is handed out. The package proves no
// person; it trusts keys/ and the rows that the log's cert.issued leaves make.
package ca

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

var errUnbuilt = errors.New("not built yet")

// WindowOption is the private critical option of in certificates: no stock
// sshd knows it, and so none accepts one. Its value lists the windows, comma-separated.
const WindowOption = "window-id@penstock"

// Claim is what an in certificate says.
type Claim struct {
	Serial  string
	Person  policy.PersonID
	Firm    policy.FirmID
	Windows []policy.WindowID
	Until   time.Time // asked for; the certificate ends at min(Until, now+60 min)
}

// Authorities hold the three keys.
type Authorities struct{}

// Parts of Authorities. Keys are files host_ca, in_ca, out_ca and host_key in
// Dir: OpenSSH private keys, 0600; wider is refused. They are made when absent and Make is set.
type Parts struct {
	Dir     string
	Make    bool
	Journal *state.Journal
	Rows    state.Reader
	Now     func() time.Time
}

// Open loads, or makes, the keys.
func Open(p Parts) (*Authorities, error) { return nil, errUnbuilt }

// CheckVendor is asked on offered keys, proven or not: no side effect, nothing
// logged as that person. It checks authority, type, validity, exactly one
// principal = person part of the user name, critical options, source-address,
// and that cert.issued has this serial with this key. The Permissions carry
// CriticalOptions so that x/crypto enforces source-address.
func (a *Authorities) CheckVendor(m ssh.ConnMetadata, person policy.PersonID, k ssh.PublicKey) (Claim, *ssh.Permissions, error) {
	return Claim{}, nil, errUnbuilt
}

// IssueVendor writes cert.issued and then signs: one person, one key, all of
// the person's open windows. from is the firm's networks (source-address);
// empty is a refusal.
func (a *Authorities) IssueVendor(ctx context.Context, c Claim, k ssh.PublicKey, from []netip.Prefix) (*ssh.Certificate, error) {
	return nil, errUnbuilt
}

// SignTarget makes a fresh key and a certificate of at most 5 min for exactly
// one principal; cert.issued first.
func (a *Authorities) SignTarget(ctx context.Context, principal, keyID string, session policy.SessionID, channel int) (ssh.Signer, error) {
	return nil, errUnbuilt
}

// HostSigner is the broker's host key with a certificate for the names.
func (a *Authorities) HostSigner(ctx context.Context, names ...string) (ssh.Signer, error) {
	return nil, errUnbuilt
}

// HostKey is the plain host key beside it, for clients that know no certificates.
func (a *Authorities) HostKey() ssh.Signer { panic(errUnbuilt) }

// Public keys of the authorities, for known_hosts and TrustedUserCAKeys.
func (a *Authorities) Host() ssh.PublicKey { panic(errUnbuilt) }
func (a *Authorities) In() ssh.PublicKey   { panic(errUnbuilt) }
func (a *Authorities) Out() ssh.PublicKey  { panic(errUnbuilt) }

// Fold makes rows cert/<serial> of cert.issued leaves.
func Fold() state.Fold { panic(errUnbuilt) }

// Row of one issued certificate.
type Row struct {
	Key     string    `json:"key"`
	CA      string    `json:"ca"`
	Person  string    `json:"person,omitempty"`
	Windows []string  `json:"windows,omitempty"`
	Before  time.Time `json:"before"`
}

var _ = audit.Hash{}
