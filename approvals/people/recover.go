package people

import (
	"context"
	"slices"
	"time"

	"penstock/audit"
)

// Suspend lets no key of anybody count any more but what stands in the bootstrap
// file, after an incident: somebody else confirms and vouches for each again, and
// passwords and code generators are set anew over the ssh key. It takes only, so
// it asks for no right; penstock recover alone calls it. What was suspended before
// is passed over, so it can be begun again. It gives how many were.
func (r *Roster) Suspend(ctx context.Context, told func(done, all int)) (n int, err error) {
	all, err := r.People(ctx)
	if err != nil {
		return 0, err
	}
	for i, one := range all {
		if err := again(func() error {
			p, err := r.Person(ctx, one.ID)
			if err != nil || p.Disabled || !p.suspendable() {
				return err
			}
			n++
			return r.commit(ctx, personRow+string(p.ID), p.Rev+1, "penstock", audit.PersonSuspended{Person: string(p.ID), At: r.Now().UTC().Truncate(time.Second)})
		}); err != nil {
			return n, err
		}
		told(i+1, len(all))
	}
	return n, nil
}

// first is a key of the bootstrap file: what the plant begins again with.
func (k Key) first() bool { return k.Kind == SSH && k.By == "" }

func (p Person) suspendable() bool {
	return slices.ContainsFunc(p.Keys, func(k Key) bool { return !k.first() && (!k.Pending || k.Vouched != "") })
}

// suspend leaves at most one ssh key to be confirmed again: the one that counted.
func (p *Person) suspend() {
	counted := slices.ContainsFunc(p.Keys, func(k Key) bool { return k.Kind == SSH && !k.Pending })
	p.Keys = slices.DeleteFunc(p.Keys, func(k Key) bool {
		return k.Kind == Password || k.Kind == TOTP || k.Kind == SSH && k.Pending && counted
	})
	for i, k := range p.Keys {
		if !k.first() {
			p.Keys[i].Pending, p.Keys[i].Vouched = true, ""
		}
	}
}
