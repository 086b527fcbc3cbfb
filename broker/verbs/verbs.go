// Package verbs is what desk@ and cert@ understand: lines of text in, text for
// people or JSON out. No channel and no socket in it; it trusts the Actor that
// it is given.
package verbs

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/approvals/people"
	"penstock/broker/ca"
	"penstock/broker/login"
	"penstock/policy"
)

var errUnbuilt = errors.New("not built yet")

// Clerk serves desk@ and cert@.
type Clerk struct {
	Desk   *approvals.Desk
	Roster *people.Roster
	Proofs *login.Proofs
	CA     *ca.Authorities
	Plant  func() *policy.Plant
	Name   string // the broker's host name as vendors write it
	Port   int    // of SSH as vendors reach it
	Now    func() time.Time
}

// Terminal is the person's end: text out, and questions answered (echo off for secrets).
type Terminal struct {
	Out, Err io.Writer
	Ask      func(prompt string, echo bool) (string, error)
	Width    int  // columns, 80 if unknown
	TTY      bool // a person watches
}

// Desk runs one line of desk@ and returns its exit code (DESIGN 5.3).
func (c *Clerk) Run(ctx context.Context, by people.Actor, key ssh.PublicKey, line string, t Terminal) int {
	return exitError
}

// Cert runs cert@: by has proved key and code. The certificate is all that
// goes to Out; on a no nothing does, and the code is 3.
func (c *Clerk) Cert(ctx context.Context, by people.Actor, key ssh.PublicKey, line string, t Terminal) int {
	return exitError
}

const exitError = 1

var _ = errUnbuilt
