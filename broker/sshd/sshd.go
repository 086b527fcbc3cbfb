// Package sshd is the SSH front door: who comes in, as what, and with which
// limits. Authentication lives in x/crypto callbacks only; gliderlabs/ssh is
// listener, connection loop and channel dispatch (reference/ssh-traps.md).
//
// It trusts no offered key, only proven ones, and no user name but the last.
package sshd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker"
	"penstock/broker/ca"
	"penstock/broker/dial"
	"penstock/broker/login"
	"penstock/broker/verbs"
	"penstock/policy"
)

var errUnbuilt = errors.New("not built yet")

// Log is where refusals at the door are told.
type Log interface {
	Append(context.Context, audit.Event) (audit.Leaf, error)
}

// Limits of the door; zero fields take the defaults.
type Limits struct {
	Handshakes  int           // under way at once, all sources; 64
	PerSource   int           // connections of one source at once; 16
	PerSecond   float64       // new connections of one source; 5, burst 20
	Grace       time.Duration // to finish authentication; 30 s (cert@ waits for a code: 120 s)
	Connections int           // at once; 1000
	Opens       float64       // channel opens per second in one connection; 10, burst 64
}

// Parts of a Door.
type Parts struct {
	Plant  func() *policy.Plant
	Broker *broker.Broker
	CA     *ca.Authorities
	Dialer *dial.Dialer
	Proofs *login.Proofs
	Roster *people.Roster
	Clerk  *verbs.Clerk
	Log    Log
	Names  []string // host certificate names
	Limits Limits
	Slog   *slog.Logger
	Now    func() time.Time
}

// Door listens for SSH.
type Door struct{}

func New(p Parts) (*Door, error) { return nil, errUnbuilt }

// Serve accepts until ctx ends; it returns when every connection is closed.
func (d *Door) Serve(ctx context.Context, l net.Listener) error { return errUnbuilt }

// SelfTest tries to get in over an in-memory connection without a key, with a
// plain key as a person, and with a certificate whose key is not proven. nil: nobody got in.
func (d *Door) SelfTest(ctx context.Context) error { return errUnbuilt }
