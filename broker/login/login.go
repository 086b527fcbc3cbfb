// Package login turns proofs into people.Actor, for pages, CLI and desk@: the
// only place where an Actor is made.
//
// Passwords are argon2id, codes are TOTP (RFC 6238), each step once per person,
// passkeys are WebAuthn's, each challenge once;
// both are kept only as documents sealed to a key of keys/. Guessing is slow
// for the guesser and never locks the owner out for long. It trusts the roster
// for who holds which key, and the rows spent/<person> for which codes are
// used up: whoever edits such a row back and knows a code of the last minute
// can use that code again until the next start, when the row is made anew.
package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/broker/seal"
	"penstock/policy"
)

// Log is where refused logins, and those that spend no code, are told.
type Log interface {
	Append(context.Context, audit.Event) (audit.Leaf, error)
}

// roster is what login asks of people.Roster.
type roster interface {
	Person(ctx context.Context, id policy.PersonID) (people.Person, error) // fs.ErrNotExist
	Firm(ctx context.Context, id policy.FirmID) (people.Firm, error)       // fs.ErrNotExist
	ByKey(ctx context.Context, authorizedKey string) (people.Person, error)
	Enroll(ctx context.Context, by people.Actor, k people.Key) error
	EnrolPasskey(ctx context.Context, by people.Actor, k people.Key) error
	ByCredential(ctx context.Context, credential string) (people.Person, people.Key, error)   // fs.ErrNotExist
	ByAccount(ctx context.Context, issuer, subject string) (people.Person, people.Key, error) // fs.ErrNotExist
	People(ctx context.Context) ([]people.Person, error)
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
	Origin  func() string // where people see the pages, for passkeys; nil or empty: none
	Now     func() time.Time
	Cost    Cost  // of new passwords
	OIDC    *OIDC // the plant's own sign-in service; nil: none
}

// Proofs checks who somebody is. Safe for concurrent use.
type Proofs struct {
	roster    roster
	journal   *state.Journal
	rows      state.Reader
	docs      *audit.Documents
	log       Log
	plant     func() string
	origin    func() string
	now       func() time.Time
	begun     *challenges // sign-ins, by anybody
	envelopes envelopes
	going     ceremonies // sign-ins at the service
	service   *service   // nil: none
	making    ceremonies // new passkeys, by who is signed in: a flood of sign-ins pushes none out

	cost     Cost
	box      *seal.Box
	hashing  *hashing
	nobody   []byte // a password document that no password fits, for names that do not exist
	slow     *throttle
	browsers browsers
	told     *throttleLog

	proved, wrong atomic.Uint64
}

// New loads, or makes, the seal key.
func New(p Parts) (*Proofs, error) {
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Plant == nil {
		p.Plant = func() string { return "plant" }
	}
	if p.Origin == nil {
		p.Origin = func() string { return "" }
	}
	if p.Cost == (Cost{}) {
		p.Cost = fullCost
	}
	box, err := seal.Open(p.Seal, p.Docs)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	s := &Proofs{roster: p.Roster, envelopes: p.Roster, journal: p.Journal, rows: p.Rows, docs: p.Docs, log: p.Log, plant: p.Plant, origin: p.Origin, now: p.Now,
		service: newService(p.OIDC), cost: p.Cost, box: box, hashing: newHashing(), begun: newChallenges(), browsers: newBrowsers(), slow: newThrottle(p.Now), told: newThrottleLog(p.Now)}
	if s.nobody, err = s.cost.nobodysPassword(); err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	return s, nil
}

// errWrong is the one answer for every wrong: name, password, code, disabled.
func errWrong(why string) error {
	return &policy.Refusal{Rule: "login", Say: "That is not right. Check name, password and code, wait for the next code, and try again.", Why: why}
}

func errWait(d time.Duration) error {
	return &policy.Refusal{Rule: "login-wait",
		Say: fmt.Sprintf("Too many wrong attempts from here. Wait %d seconds and try again.", int(d/time.Second)+1), Why: "throttled"}
}

func errEnrolled(d time.Duration) error {
	return &policy.Refusal{Rule: "enrolled-often",
		Say: fmt.Sprintf("You have set %d passwords and code generators within a day. The one that you set last counts; set another in %d hours, or ask OT security.", mostEnrolled, int(d/time.Hour)+1), Why: "too many in a day"}
}

// SignIn proves password and, unless code is empty, code: one answer for every
// wrong, at one speed. Without a code the actor may take and look, not give.
// It writes login.ok or login.refused. Errors: *policy.Refusal, else a fault.
func (p *Proofs) SignIn(ctx context.Context, from netip.Addr, name, password, code string) (people.Actor, error) {
	return p.SignInAt(ctx, from, "", name, password, code)
}

// SignInAt is SignIn at a browser that shows what Browser gave; empty: it has none.
func (p *Proofs) SignInAt(ctx context.Context, from netip.Addr, sign, name, password, code string) (people.Actor, error) {
	own := p.browsers.of(name, sign, p.now())
	if err := p.slow.enterAt(ctx, name, from, own); err != nil {
		p.refused(ctx, name, from, "throttled")
		return people.Actor{}, err
	}
	who, why, err := p.password(ctx, !from.IsValid() || own != "" || p.slow.signedIn(name, from), name, password)
	if err != nil {
		return people.Actor{}, err
	}
	a := people.Actor{Person: who.ID, Name: who.Name, Firm: who.Firm, Roles: who.Roles, Proofs: []people.KeyKind{people.Password}, At: p.now(), Source: from}
	if why == "" {
		p.slow.rightPassword(name, from)
	}
	if why == "" && code != "" {
		a.Step, why, err = p.codeFits(ctx, who, from, code)
		a.Proofs = append(a.Proofs, people.TOTP)
	} else if code != "" {
		p.pretend(code) // a wrong password costs what a right one costs
	}
	if err != nil {
		return people.Actor{}, err
	}
	if why != "" {
		p.refused(ctx, name, from, why)
		return people.Actor{}, errWrong(why)
	}
	if a, err = p.admit(ctx, a); err != nil {
		var r *policy.Refusal
		if errors.As(err, &r) { // a code used twice at the same moment
			p.refused(ctx, name, from, r.Why)
		}
		return people.Actor{}, err
	}
	p.slow.rightAt(name, from, own)
	if a.Step != 0 {
		p.slow.rightCode(name, from)
	}
	return a, nil
}

// codeFits is fits, unless too many sources guess at the person's code: to them
// a password that was right looks like a wrong one.
func (p *Proofs) codeFits(ctx context.Context, who people.Person, from netip.Addr, code string) (step int64, why string, err error) {
	if err := p.slow.enterCode(string(who.ID), from); err != nil {
		p.pretend(code)
		return 0, "the password was right; too many wrong codes from everywhere", nil
	}
	return p.fits(ctx, who, code)
}

// Code steps an actor up: good for 5 minutes for this person and sign-in. No
// code twice, web or ssh. It writes login.ok or login.refused.
func (p *Proofs) Code(ctx context.Context, a people.Actor, code string) (people.Actor, error) {
	name := string(a.Person)
	if err := p.slow.enterStep(name, a.Source); err != nil {
		p.refused(ctx, name, a.Source, "throttled")
		return people.Actor{}, err
	}
	who, err := p.present(ctx, a.Person)
	if err != nil {
		return people.Actor{}, err
	}
	if _, ok := who.Key(people.TOTP); !ok {
		return people.Actor{}, &policy.Refusal{Rule: "no-code-generator",
			Say: "You have no code generator yet. Set one up with: ssh -t desk@… totp", Why: "no totp key"}
	}
	if err := p.slow.enterCode(name, a.Source); err != nil {
		p.refused(ctx, name, a.Source, "throttled: too many wrong codes from everywhere")
		return people.Actor{}, err
	}
	step, why, err := p.fits(ctx, who, code)
	if err != nil {
		return people.Actor{}, err
	}
	if why == "" {
		a.Step, a.At, a.Roles, a.Firm, a.Name = step, p.now(), who.Roles, who.Firm, who.Name
		if !a.Proved(people.TOTP) {
			a.Proofs = append(append([]people.KeyKind{}, a.Proofs...), people.TOTP)
		}
		var r *policy.Refusal
		stepped, err := p.admit(ctx, a)
		if err == nil {
			p.slow.rightStep(name, a.Source)
			p.slow.rightCode(name, a.Source)
			return stepped, nil
		}
		if !errors.As(err, &r) {
			return people.Actor{}, err
		}
		why = r.Why
	}
	p.refused(ctx, name, a.Source, why)
	return people.Actor{}, errWrong(why)
}

// SSHKey makes the actor of a key that x/crypto has verified (authorized_keys form).
// It writes no event: the caller's next step does. fs.ErrNotExist if nobody has it.
func (p *Proofs) SSHKey(ctx context.Context, from netip.Addr, authorizedKey string) (people.Actor, error) {
	who, err := p.roster.ByKey(ctx, authorizedKey)
	if err != nil {
		return people.Actor{}, fmt.Errorf("whose key: %w", err)
	}
	return p.ofFirm(ctx, people.Actor{Person: who.ID, Name: who.Name, Firm: who.Firm, Roles: who.Roles, Machine: who.Machine,
		Proofs: []people.KeyKind{people.SSH}, At: p.now(), Source: from})
}

// present reads a person who may prove something now.
func (p *Proofs) present(ctx context.Context, id policy.PersonID) (people.Person, error) {
	who, err := p.roster.Person(ctx, id)
	if err != nil {
		return people.Person{}, fmt.Errorf("read person %q: %w", id, err)
	}
	if who.Disabled {
		return people.Person{}, errWrong("disabled")
	}
	return who, nil
}

// ofFirm adds whether the actor's firm is the plant itself.
func (p *Proofs) ofFirm(ctx context.Context, a people.Actor) (people.Actor, error) {
	firm, err := p.roster.Firm(ctx, a.Firm)
	if err != nil {
		return people.Actor{}, fmt.Errorf("read firm %q of %q: %w", a.Firm, a.Person, err)
	}
	a.Plant = firm.Plant
	return a, nil
}

// admit writes login.ok, and spends the code's step in the same event, before
// the actor is handed out. Where no code was given, a failing log does not keep
// the actor back.
func (p *Proofs) admit(ctx context.Context, a people.Actor) (people.Actor, error) {
	a, err := p.ofFirm(ctx, a)
	if err != nil {
		return people.Actor{}, err
	}
	body := audit.LoginOK{Person: string(a.Person), Step: a.Step}
	if a.Source.IsValid() {
		body.Source = a.Source.Unmap().String()
	}
	for _, k := range a.Proofs {
		body.Proofs = append(body.Proofs, string(k))
	}
	if a.Step != 0 {
		if err := p.spend(ctx, a.Person, body); err != nil {
			return people.Actor{}, err
		}
		p.proved.Add(1)
		return a, nil
	}
	p.proved.Add(1)
	// Without a code nobody is given anything, and everything can be taken: a log
	// that fails must not stand between the shift and a cut.
	if _, err := p.log.Append(ctx, audit.Event{Subject: string(a.Person), Actor: string(a.Person), Body: body}); err != nil {
		slog.Error("a sign-in could not be written; it may look and take", "person", a.Person, "err", err)
	}
	return a, nil
}

// Counts are the proofs of this life of the process that were right, and those
// that were refused: wrong, or throttled. The log tells of the latter at most
// once a second and source; this counts each.
func (p *Proofs) Counts() (proved, refused uint64) { return p.proved.Load(), p.wrong.Load() }

// refused writes login.refused; of one source at most one a second, so that a
// guesser does not fill the log. What is left out is counted in the next one.
func (p *Proofs) refused(ctx context.Context, name string, from netip.Addr, why string) {
	p.wrong.Add(1)
	left, tell := p.told.tell(from)
	if !tell {
		return
	}
	if left > 0 {
		why = fmt.Sprintf("%s (and %d more from there)", why, left)
	}
	source := "local"
	if from.IsValid() {
		source = from.Unmap().String()
	}
	// The refusal stands whether or not the log takes it; a log that fails stops the broker by itself.
	_, _ = p.log.Append(context.WithoutCancel(ctx), audit.Event{Subject: source, Actor: "penstock",
		Body: audit.LoginRefused{Name: quoted(name), Source: source, Why: why}})
}
