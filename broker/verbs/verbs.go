// Package verbs is what desk@ and cert@ understand: lines of text in, text for
// people or JSON out. No channel and no socket in it.
//
// It decides nothing: the Desk, the Roster and the Proofs do, and it puts their
// refusals into words. It trusts the Actor that it is given, and no word of the
// line; what it prints has no control characters of anybody else's.
package verbs

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/audit/receipt"
	"penstock/broker/ca"
	"penstock/broker/login"
	"penstock/policy"
)

// Exit codes of DESIGN 5.3.
const (
	exitDone  = 0
	exitError = 1
	exitUsage = 2
	exitNo    = 3
)

// ErrNoTerminal is what Ask returns for a question without echo where there is no terminal.
var ErrNoTerminal = errors.New("there is no terminal to ask on without echo")

// Clerk serves desk@ and cert@.
type Clerk struct {
	Desk   *approvals.Desk
	Roster *people.Roster
	Proofs *login.Proofs
	CA     *ca.Authorities
	Plant  func() *policy.Plant
	// Receipts are of what a person asks, withdraws or hands back; nil: none are given.
	Receipts *receipt.Desk

	Name string // the broker's host name as vendors write it
	Port int    // of SSH as vendors reach it
	Now  func() time.Time
}

// Terminal is the person's end: text out, and questions answered (echo off for secrets).
type Terminal struct {
	Out, Err io.Writer
	Ask      func(prompt string, echo bool) (string, error)
	Width    int  // columns, 80 if unknown
	TTY      bool // a person watches
}

// call is one line being served.
type call struct {
	*Clerk
	ctx  context.Context
	by   people.Actor
	key  ssh.PublicKey
	args args
	t    Terminal
	mark audit.Index // the log's end before the verb did anything
}

// verb is one word of desk@.
type verb struct {
	name  string
	usage string
	says  string
	flags []string
	run   func(*call) error
}

func (c *Clerk) verbs() []verb {
	asking := []string{"asset", "account", "port", "target", "rights", "minutes", "from", "to", "why", "work-order", "change", "backup", "backout", "area-clear", "file-hash", "register", "now", "people", "firm", "kind", "laptop", "jack", "frame", "keeper", "network", "pattern", "outage"}
	return []verb{
		{"help", "help", "this text", nil, (*call).help},
		{"setup", "setup", "the lines for ssh, PuTTY and WinSCP, ready to copy", nil, (*call).setup},
		{"assets", "assets", "the machines you have asked for, and their accounts", nil, (*call).assets},
		{"request", "request --asset A --account U --rights look,copy --minutes 60 --why TEXT …", "ask for access; request R-1 shows one", asking, (*call).request},
		{"requests", "requests", "what your firm has asked for, and how it stands", nil, (*call).requests},
		{"patterns", "patterns", "what the plant agreed by day, under which you may be called in", nil, (*call).patterns},
		{"here", "here K7Q-4MD", "answer the plant's call with the code that was read to you", nil, (*call).here},
		{"tell", `tell R-1 "TEXT"`, "answer a question of the plant's", nil, (*call).tell},
		{"withdraw", "withdraw R-1 [WHY]", "take a request back", nil, (*call).withdraw},
		{"windows", "windows", "your windows, how they stand, and what to type", nil, (*call).windows},
		{"files", "files W-1", "the files that you sent and that wait at the plant, and how they stand", nil, (*call).files},
		{"follow", "follow W-1", "what happens to your window as it happens: time left, pauses, the end", nil, (*call).follow},
		{"handback", `handback W-1 "WHAT YOU CHANGED"`, "tell the plant what you changed", nil, (*call).handback},
		{"left", `left W-1 "FORCE ON I 4.2"`, "tell the plant what stays behind: a force, a bridge; alone it lists it", nil, (*call).left},
		{"more", "more W-1 --minutes 30 --rights look,copy --why TEXT", "ask for more of the same", asking, (*call).more},
		{"extend", "extend W-1 --minutes 30 --why TEXT", "ask for more time", []string{"minutes", "why", "work-order", "from", "to"}, (*call).extend},
		{"receipt", "receipt INDEX", "the broker's signed receipt of what you did, to be kept: > FILE", nil, (*call).showReceipt},
		{"terms", "terms", "the plant's terms for your firm, and how to accept them", nil, (*call).terms},
		{"accept-terms", "accept-terms MARK", "accept the terms that you have read", nil, (*call).acceptTerms},
		{"key", "key", "the fingerprint of the key you came with", nil, (*call).showKey},
		{"totp", "totp", "set up, or replace, your code generator", nil, (*call).totp},
		{"password", "password", "set your password (for the web pages)", nil, (*call).password},
	}
}

// askAlso are what a request may say besides: help names them under it.
var askAlso = []struct{ flags, says string }{
	{"--kind emergency", "the quick way, where the plant has one"},
	{"--kind on-site --laptop NAME", "with a laptop at the machine itself: no account, not recorded"},
	{"--kind on-site --laptop NAME --jack J", "with a laptop at a service jack: by an account, recorded"},
	{"--kind standing --people MACHINE --frame F --network 198.51.100.7", "a machine of yours, day and night"},
	{"--kind connectivity", "only tries whether the way works; nothing passes"},
	{"--kind exception", "outside a calendar, or for longer than the rules allow, where the plant makes exceptions"},
	{"--register 'Fill volume'", "what alone you will change, where Penstock reads along"},
	{"--file-hash SHA256", "a file that you will bring, where files wait at the plant"},
}

// machineVerbs are those that a machine has: nothing that asks or answers.
var machineVerbs = []string{"help", "setup", "windows", "follow", "key"}

// Run serves one line of desk@ and returns its exit code (DESIGN 5.3).
func (c *Clerk) Run(ctx context.Context, by people.Actor, key ssh.PublicKey, line string, t Terminal) int {
	k := &call{Clerk: c, ctx: ctx, by: by, key: key, t: bounded(t)}
	words, err := split(line)
	if err != nil {
		return k.end(usage(err.Error()))
	}
	if len(words) == 0 {
		words = []string{"help"}
	}
	for _, v := range c.verbs() {
		if v.name != words[0] {
			continue
		}
		if by.Machine && !slices.Contains(machineVerbs, v.name) {
			return k.end(&policy.Refusal{Rule: "machine", Say: "A machine has no " + v.name + " here; its keeper does that. For it there are: " + strings.Join(machineVerbs, ", ") + ".", Why: string(by.Person) + " is a machine"})
		}
		if v.name != "help" {
			if err := k.atHome(); err != nil {
				return k.end(err)
			}
		}
		if k.args, err = parseArgs(words[1:], v.flags); err != nil {
			return k.end(usage(err.Error() + "\nUsage: " + c.command("desk", v.usage)))
		}
		if c.Receipts != nil {
			k.mark = c.Receipts.Mark()
		}
		return k.end(v.run(k))
	}
	return k.end(usage(words[0] + " is no verb here. Try: " + c.command("desk", "help")))
}

func bounded(t Terminal) Terminal {
	if t.Width < 40 || t.Width > 500 {
		t.Width = 80
	}
	return t
}

func (c *Clerk) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// Joined tells a person whose key has just come under an invitation what happens next.
func (c *Clerk) Joined(ctx context.Context, who people.Person, fingerprint string, t Terminal) int {
	k := &call{Clerk: c, ctx: ctx, t: bounded(t)}
	sponsor := "the person who invited you"
	if firm, err := c.Roster.Firm(ctx, who.Firm); err == nil && firm.Sponsor != "" {
		sponsor = k.name(firm.Sponsor)
	}
	k.printf("Welcome, %s.\nYour key waits for %s to confirm it. Tell them this fingerprint, by telephone or face to face:\n\n    %s\n\n", who.Name, sponsor, fingerprint)
	k.printf("When it is confirmed, set up your code generator and your ssh:\n\n    %s\n    %s\n", c.terminalCommand("desk", "totp"), c.command("desk", "setup"))
	return exitDone
}
