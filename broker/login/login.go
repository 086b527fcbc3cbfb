// Package login turns proofs into people.Actor, for pages, CLI and desk@: the
// only place where an Actor is made.
//
// Passwords are argon2id, codes are TOTP (RFC 6238), each step once per person;
// both are kept only as documents sealed to a key of keys/. Guessing is slow
// for the guesser and never locks the owner out for long. It trusts the roster
// for who holds which key.
package login

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

var errUnbuilt = errors.New("not built yet")

// Log is where refused logins are told.
type Log interface {
	Append(context.Context, audit.Event) (audit.Leaf, error)
}

// Parts of Proofs. Seal is the file of the age identity that secrets are sealed to (keys/seal.key, 0600; made when absent).
type Parts struct {
	Roster  *people.Roster
	Journal *state.Journal
	Rows    state.Reader
	Docs    *audit.Documents
	Log     Log
	Seal    string
	Plant   func() string // the plant's name, for the authenticator app
	Now     func() time.Time
}

// Proofs checks who somebody is.
type Proofs struct{}

func New(p Parts) (*Proofs, error) { return nil, errUnbuilt }

// SignIn proves password and, unless code is empty, code: one answer for every
// wrong, at one speed. Without a code the actor may take and look, not give.
func (p *Proofs) SignIn(ctx context.Context, from netip.Addr, name, password, code string) (people.Actor, error) {
	return people.Actor{}, errUnbuilt
}

// Code steps an actor up: good for 5 minutes for this person and sign-in. No code twice, web or ssh.
func (p *Proofs) Code(ctx context.Context, a people.Actor, code string) (people.Actor, error) {
	return people.Actor{}, errUnbuilt
}

// SSHKey makes the actor of a key that x/crypto has verified (authorized_keys form).
// It writes no event: the caller's next step does. fs.ErrNotExist if nobody has it.
func (p *Proofs) SSHKey(ctx context.Context, from netip.Addr, authorizedKey string) (people.Actor, error) {
	return people.Actor{}, errUnbuilt
}

// SetPassword sets the actor's own password (12 to 256 characters; not the name, not a common one).
func (p *Proofs) SetPassword(ctx context.Context, a people.Actor, password string) error {
	return errUnbuilt
}

// NewSecret makes a TOTP secret that is not yet enrolled, with its otpauth URI, shown once.
func (p *Proofs) NewSecret(ctx context.Context, a people.Actor) (secret, uri string, err error) {
	return "", "", errUnbuilt
}

// EnrolSecret enrols it once a code of it has been given; the code's step is spent.
func (p *Proofs) EnrolSecret(ctx context.Context, a people.Actor, secret, code string) error {
	return errUnbuilt
}

// Fold makes rows spent/<person> of login.ok and key.enrolled leaves: the last TOTP step.
func Fold() state.Fold { panic(errUnbuilt) }

var _ = policy.ByNobody
