package people

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/policy"
)

// fresh is how long a proof with a code is good for giving (DESIGN 5: step-up).
const fresh = 5 * time.Minute

func refuse(rule, say, why string, args ...any) error {
	return &policy.Refusal{Rule: rule, Say: say, Why: fmt.Sprintf(why, args...)}
}

func nobody(id policy.PersonID) error {
	return refuse("no-such-person", "There is no such person here, or the person is disabled. Look at the list of people.", "person %.40q is absent or disabled", id)
}

func noPending(id policy.PersonID, fingerprint string) error {
	return refuse("no-pending-key", "No key with this fingerprint waits for this person. Look at the list of people, and compare again.",
		"no pending key %.80q of %s", fingerprint, id)
}

func noKey(id policy.PersonID, key string) error {
	return refuse("no-such-key", "This person has no such key. Look at the list of people.", "no key %.80q of %s", key, id)
}

// wrongCode is the one answer to whatever is wrong with a code.
func wrongCode(why string) error {
	return refuse("code-refused", "This code does not work: mistyped, used, or older than a day. Ask your sponsor at the plant for a new one.", "%s", why)
}

func knownKey(fingerprint string, owner policy.PersonID) error {
	return refuse("key-known", "This key is known here already. Make a new one (ssh-keygen -t ed25519) and join with that; your code still works.",
		"key %s is or was %s's", fingerprint, owner)
}

func notYours(by, who any, right string) error {
	return refuse("not-yours", "This is for the firm's sponsor or OT security to do. Ask one of them.", "%v may not %s %v", by, right, who)
}

// plantPerson is the actor as the roster has them now: what a sign-in said an
// hour ago does not count where the person was disabled or lost a role since.
func (r *Roster) plantPerson(ctx context.Context, by Actor) (Person, error) {
	p, err := r.Person(ctx, by.Person)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Person{}, err
	}
	f, ferr := r.Firm(ctx, p.Firm)
	if ferr != nil && !errors.Is(ferr, fs.ErrNotExist) {
		return Person{}, ferr
	}
	if err != nil || ferr != nil || p.Disabled || !f.Plant || !by.Plant || by.Firm != p.Firm {
		return Person{}, refuse("plant-people-only", "Only people of the plant do this. Ask your sponsor.", "%.40q is not of the plant, or disabled", by.Person)
	}
	return p, nil
}

// giving is plantPerson with a code of the last five minutes, who signed in as
// themself: an envelope is no more than the way back in.
func (r *Roster) giving(ctx context.Context, by Actor) (Person, error) {
	p, err := r.wayBack(ctx, by)
	if err == nil {
		err = p.themself()
	}
	return p, err
}

// themself is nil for whoever did not come in by an envelope.
func (p Person) themself() error {
	if !evidence.IsEnvelope(string(p.ID)) {
		return nil
	}
	return refuse("envelope", "An envelope invites, confirms and vouches. Everything else waits for somebody who signs in as themself.", "by %s", p.ID)
}

// wayBack is giving, also for an envelope: for Invite and Confirm.
func (r *Roster) wayBack(ctx context.Context, by Actor) (Person, error) {
	p, err := r.plantPerson(ctx, by)
	if err != nil {
		return Person{}, err
	}
	if err := by.Whole(p.Roles); err != nil {
		return p, err
	}
	return p, r.withCode(p, by)
}

// Proved is nil for an active person of the plant with a code of the last five
// minutes: for what people sign outside the Roster and the Desk.
func (r *Roster) Proved(ctx context.Context, by Actor) error {
	_, err := r.giving(ctx, by)
	return err
}

// withCode: a code of the last five minutes, of a generator that has not been
// taken away since; or a passkey, likewise.
func (r *Roster) withCode(p Person, by Actor) error {
	if (p.PasskeyOf(by) || p.AccountOf(by)) && r.isFresh(by) || p.PaperOf(by) {
		return nil
	}
	if _, has := p.Key(TOTP); !has {
		return refuse("no-code-generator", "You have no code generator, or it was taken away. Enrol one first: ssh -t desk@… totp.", "%s has no code generator", by.Person)
	}
	if by.Step != 0 && r.isFresh(by) {
		return nil
	}
	return refuse("code-needed", "Give the code of your generator again: this needs one of the last five minutes.", "%s has no code of the last five minutes", by.Person)
}

// isFresh: not older than five minutes, and not of a clock that stood ahead.
func (r *Roster) isFresh(by Actor) bool {
	age := r.Now().Sub(by.At)
	return age <= fresh && age >= -time.Minute
}

func (r *Roster) isSecurity(p Person) bool {
	return !p.Disabled && slices.ContainsFunc(r.Security(), p.Has)
}

// mayInvite is the right over a firm's people: the firm's sponsor, or security;
// over the plant's own only security.
func (r *Roster) mayInvite(p Person, f Firm) bool {
	return r.isSecurity(p) || !f.Plant && f.Sponsor == p.ID
}

// security are the enabled holders of a security role who are not among the others.
func (r *Roster) security(ctx context.Context, others ...policy.PersonID) ([]Person, error) {
	all, err := r.People(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(p Person) bool { return !r.isSecurity(p) || slices.Contains(others, p.ID) }), nil
}

// mayConfirm: a vendor's key by the firm's sponsor or whoever invited; a plant
// person's by security, but by somebody else than who invited, so that nobody
// makes a second self alone. Where no third holder of the role is there, any
// other person of the plant with a role is the second pair of eyes.
func (r *Roster) mayConfirm(ctx context.Context, by, who Person, f Firm, key Key) (bool, error) {
	if by.ID == who.ID {
		return false, nil
	}
	if !f.Plant {
		return f.Sponsor == by.ID || key.By == by.ID && r.mayInvite(by, f), nil
	}
	if by.ID == key.By {
		return false, nil
	}
	others, err := r.security(ctx, who.ID, key.By)
	if err != nil {
		return false, err
	}
	return r.isSecurity(by) || len(others) == 0 && len(by.Roles) > 0, nil
}

// keepsSecurity refuses to leave the plant without anybody who could invite. It
// returns one who remains: the change rests on that one, or two people who take
// the role from each other at one moment would leave nobody.
func (r *Roster) keepsSecurity(ctx context.Context, without policy.PersonID) ([]Person, error) {
	rest, err := r.security(ctx, without)
	if err != nil || len(rest) > 0 {
		return rest[:min(1, len(rest))], err
	}
	return nil, refuse("last-security", "This is the last person with the security role: give the role to another one first.", "%s is the last holder of a security role", without)
}
