package approvals

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/policy"
)

// codeGood is how long a code that was given stands for giving access.
const codeGood = 5 * time.Minute

func refuse(rule, format string, a ...any) *policy.Refusal {
	say := fmt.Sprintf(format, a...)
	return &policy.Refusal{Rule: rule, Say: say}
}

// proved asks for a code, or a passkey, within the last five minutes: for all
// that gives access. What takes it away never calls this. A code of a generator
// that was taken away since (a lost phone) counts for nothing, nor does such a
// passkey; p is the person as read now.
func (d *Desk) proved(by people.Actor, p people.Person) error {
	if by.Screen != "" {
		return refuse("tap-needed", "At a screen of the control room this is one tap of your own key, over exactly this. Look again, then tap.")
	}
	if err := by.Whole(p.Roles); err != nil {
		return err
	}
	if (p.PasskeyOf(by) || p.AccountOf(by)) && d.justNow(by) || p.PaperOf(by) {
		return nil
	}
	return d.justCoded(by, p)
}

func (d *Desk) justCoded(by people.Actor, p people.Person) error {
	if by.Screen != "" {
		return refuse("tap-needed", "At a screen of the control room nobody gives a code. Tap your own key.")
	}
	if err := by.Whole(p.Roles); err != nil {
		return err
	}
	if _, has := p.Key(people.TOTP); !has {
		return refuse("no-code-generator", "You have no code generator, or it was taken away. Enrol one first: ssh -t desk@… totp.")
	}
	if by.Step == 0 || !by.Proved(people.TOTP) || !d.justNow(by) {
		return refuse("code-needed", "Give the code of your generator again: it must be less than 5 minutes old for this.")
	}
	return nil
}

func (d *Desk) justNow(by people.Actor) bool {
	age := d.now().Sub(by.At)
	return age <= codeGood && age >= -30*time.Second
}

// coded: an answer may rest on a code where the plant says so, and the code was
// given just now.
func (d *Desk) coded(by people.Actor, p people.Person, q policy.Quorum) error {
	if q.Proof != policy.ByCode {
		return refuse("key-needed", "A code is not enough for this: the plant's rules ask for a signature with a key of your own. "+
			"Use your passkey, or: penstock answer … --sign-with KEYFILE. To get one, see the page Your keys.")
	}
	return d.justCoded(by, p)
}

// present is the actor as the roster has them now: an Actor may be older than
// a change of roles or of the person's being disabled.
func (d *Desk) present(ctx context.Context, by people.Actor) (people.Person, error) {
	if err := notMachine(by); err != nil {
		return people.Person{}, err
	}
	p, err := d.roster.Person(ctx, by.Person)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (p.Disabled || p.Machine || p.Firm != by.Firm) {
		return p, refuse("not-active", "You are not an active person of this plant any more. Ask the plant's OT security.")
	}
	if err != nil {
		return p, fmt.Errorf("look up %s: %w", by.Person, err)
	}
	return p, nil
}

// presentPlant is activePlant, with the roles in which their word counts now:
// for whatever gives access.
func (d *Desk) presentPlant(ctx context.Context, by people.Actor) (people.Person, error) {
	p, err := d.activePlant(ctx, by)
	if err != nil {
		return p, err
	}
	if err := by.Whole(p.Roles); err != nil {
		return p, err
	}
	return d.onDuty(ctx, p)
}

// voice is presentPlant, for something of an emergency or not: an envelope that
// was opened counts in emergencies alone, on duty or not.
func (d *Desk) voice(ctx context.Context, by people.Actor, emergency bool) (people.Person, error) {
	if !evidence.IsEnvelope(string(by.Person)) || !emergency {
		return d.presentPlant(ctx, by)
	}
	p, err := d.insider(ctx, by)
	p.Roles = named[policy.Role](d.plant().Counting(words(p.Roles)))
	return p, err
}

// activePlant is insider, for somebody who signed in as themself: nothing rests on
// an envelope but what voice lets it.
func (d *Desk) activePlant(ctx context.Context, by people.Actor) (people.Person, error) {
	p, err := d.insider(ctx, by)
	if err == nil && evidence.IsEnvelope(string(p.ID)) {
		return p, refuse("envelope", "An envelope counts in an emergency alone. Everything else waits for somebody who signs in as themself.")
	}
	return p, err
}

// insider is present, for somebody of the plant itself, on duty or not.
func (d *Desk) insider(ctx context.Context, by people.Actor) (people.Person, error) {
	p, err := d.present(ctx, by)
	if err != nil {
		return p, err
	}
	firm, err := d.roster.Firm(ctx, p.Firm)
	if err != nil {
		return p, fmt.Errorf("look up firm %s: %w", p.Firm, err)
	}
	if !by.Plant || !firm.Plant {
		return p, refuse("not-plant", "Only the plant's own people may do this.")
	}
	return p, nil
}

// mayTake says whether somebody may pause, end, cut or block: anybody of the
// plant who holds a shift, owner or security role, for every zone. It looks at
// memory only, because taking waits for nothing.
func (d *Desk) mayTake(by people.Actor) error {
	if by.Screen != "" { // the screen itself takes, and nobody has to say who they are
		return refuse("tap-needed", "At a screen of the control room the screen itself pauses, cuts and blocks.")
	}
	if !by.Plant {
		return refuse("not-plant", "Only the plant's own people may do this. Call the control room.")
	}
	plant := d.plant()
	if slices.ContainsFunc(by.Roles, func(r policy.Role) bool { return plant.Takes(string(r)) }) {
		return nil
	}
	return refuse("not-on-shift", "Only somebody with a shift, zone owner or OT security role may do this. Call the control room.")
}

// mayStop is mayTake, also for a kiosk: who may pause, cut and block, and make an
// island, at once.
func (d *Desk) mayStop(by people.Actor) error {
	if by.Kiosk {
		return d.kioskStands(by.Person)
	}
	return d.mayTake(by)
}

// hasAny says whether a person holds one of the roles.
func hasAny(p people.Person, roles []policy.Role) bool { return slices.ContainsFunc(roles, p.Has) }

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

func named[T ~string](list []string) []T {
	out := make([]T, len(list))
	for i, v := range list {
		out[i] = T(v)
	}
	return out
}
