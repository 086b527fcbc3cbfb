// Package ca is the three certificate authorities: host (shown to vendors), in
// (vendors' certificates; a private critical option makes any stock sshd refuse
// them) and out (broker to target). Never one key for two of them.
//
// Every certificate is an event before it is handed out. The package proves no
// person: it says what a certificate is worth, and x/crypto says who holds its
// key. It trusts the files of keys/ and the log's cert.issued leaves; a row is
// only the way to the leaf.
package ca

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// WindowOption is the private critical option of in certificates: no stock
// sshd knows it, and so none accepts one. Its value lists the windows, comma-separated.
const WindowOption = "window-id@penstock"

const (
	backdate   = 120 * time.Second // clocks of clients and targets are not exact
	vendorLife = 60 * time.Minute
	targetLife = 5 * time.Minute
	hostLife   = 365 * 24 * time.Hour
	hostRenew  = 30 * 24 * time.Hour
)

// Claim is what an in certificate says.
type Claim struct {
	Serial  string
	Key     string // fingerprint of the certified key, as cert.issued has it; IssueVendor sets it itself
	Person  policy.PersonID
	Firm    policy.FirmID
	Windows []policy.WindowID
	Until   time.Time // asked for; the certificate ends at min(Until, now+60 min)
}

// Log is the log: one leaf of it, checked against its tree, and one event more.
type Log interface {
	Leaf(context.Context, audit.Place) (audit.Leaf, error) // fs.ErrNotExist if there is none
	// Append returns once the event is durable; an error is final.
	Append(context.Context, audit.Event) (audit.Leaf, error)
}

// Authorities hold the three keys and the plain host key. Safe for concurrent use.
type Authorities struct {
	journal *state.Journal
	rows    state.Reader
	log     Log
	now     func() time.Time

	host, in, out ssh.Signer
	hostKey       ssh.Signer

	mu      sync.Mutex // of the three below; never held across I/O
	hosts   map[string]hostCert
	pace    map[policy.PersonID]*rate.Limiter
	running map[string]time.Time // key fingerprint → end of its newest in certificate

	renewing sync.Mutex // held while a host certificate is written; only HostSigner takes it
}

// Parts of Authorities. Keys are files host_ca, in_ca, out_ca and host_key in
// Dir: OpenSSH private keys, 0600; wider is refused. They are made when absent and Make is set.
type Parts struct {
	Dir     string
	Make    bool
	Journal *state.Journal
	Rows    state.Reader
	Log     Log // rows are not believed about certificates
	Now     func() time.Time
	Running map[string]time.Time // what Running is to know of earlier lives: ends by key fingerprint; may be nil
}

// Open loads, or makes, the keys.
func Open(p Parts) (*Authorities, error) {
	if p.Journal == nil || p.Rows == nil || p.Log == nil {
		return nil, errors.New("open authorities: Journal, Rows and Log are needed")
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	a := &Authorities{journal: p.Journal, rows: p.Rows, log: p.Log, now: p.Now,
		hosts: map[string]hostCert{}, pace: map[policy.PersonID]*rate.Limiter{}, running: map[string]time.Time{}}
	seen := map[string]string{}
	for _, k := range []struct {
		file, kind string
		to         *ssh.Signer
	}{{"host_ca", ssh.KeyAlgoED25519, &a.host}, {"in_ca", ssh.KeyAlgoED25519, &a.in},
		{"out_ca", ssh.KeyAlgoECDSA256, &a.out}, {"host_key", ssh.KeyAlgoED25519, &a.hostKey}} {
		signer, err := loadKey(p.Dir, k.file, k.kind, p.Make)
		if err != nil {
			return nil, fmt.Errorf("open authorities: %w", err)
		}
		print := ssh.FingerprintSHA256(signer.PublicKey())
		if other, twice := seen[print]; twice {
			return nil, fmt.Errorf("open authorities: %s and %s in %s hold the same key; each needs its own: remove one of them and start again", other, k.file, p.Dir)
		}
		seen[print] = k.file
		*k.to = signer
	}
	for key, until := range p.Running {
		if until.After(p.Now()) {
			a.running[key] = until
		}
	}
	return a, nil
}

// HostKey is the plain host key beside the certificate, for clients that know no certificates.
func (a *Authorities) HostKey() ssh.Signer { return a.hostKey }

// Host, In and Out are the authorities' public keys, for known_hosts and TrustedUserCAKeys.
func (a *Authorities) Host() ssh.PublicKey { return a.host.PublicKey() }
func (a *Authorities) In() ssh.PublicKey   { return a.in.PublicKey() }
func (a *Authorities) Out() ssh.PublicKey  { return a.out.PublicKey() }

// issue writes cert.issued and then signs.
func (a *Authorities) issue(ctx context.Context, authority ssh.Signer, cert *ssh.Certificate, ev audit.CertIssued, actor string) error {
	ev.Key, ev.KeyID, ev.Names = ssh.FingerprintSHA256(cert.Key), cert.KeyId, cert.ValidPrincipals
	ev.After, ev.Before = time.Unix(int64(cert.ValidAfter), 0).UTC(), time.Unix(int64(cert.ValidBefore), 0).UTC()
	serial, err := newSerial()
	if err != nil {
		return err
	}
	cert.Serial, ev.Serial = serial, strconv.FormatUint(serial, 10)
	if err := a.write(ctx, audit.Event{Subject: ev.Serial, Actor: actor, Body: ev}, ev); err != nil {
		return fmt.Errorf("write cert.issued: %w", err)
	}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		return fmt.Errorf("sign certificate %s: %w", ev.Serial, err)
	}
	return nil
}

// write makes the event durable. Only an in certificate is asked for again, at
// the door, and so has a row to be found by; two for one person may meet.
func (a *Authorities) write(ctx context.Context, event audit.Event, ev audit.CertIssued) error {
	if ev.CA != "in" {
		_, err := a.log.Append(ctx, event)
		return err
	}
	for try := 0; ; try++ {
		person := policy.PersonID(ev.Person)
		_, row, err := held(ctx, a.rows, person)
		if err != nil {
			return err
		}
		event.Rev = row.Rev + 1
		if _, err = a.journal.Commit(ctx, rowKey(person), event); !errors.Is(err, state.ErrConflict) || try == 8 {
			return err
		}
	}
}

// newSerial is random, 63 bits, never 0.
func newSerial() (uint64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("draw a serial: %w", err)
	}
	return max(binary.BigEndian.Uint64(b[:])>>1, 1), nil
}
