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
// An account of the sign-in service is linked anew.
func (p *Person) suspend() {
	counted := slices.ContainsFunc(p.Keys, func(k Key) bool { return k.Kind == SSH && !k.Pending })
	p.Keys = slices.DeleteFunc(p.Keys, func(k Key) bool {
		return k.Kind == Password || k.Kind == TOTP || k.Kind == Account || k.Kind == SSH && k.Pending && counted
	})
	for i, k := range p.Keys {
		if !k.first() {
			p.Keys[i].Pending, p.Keys[i].Vouched = true, ""
		}
	}
}

// DropAgents takes the way into every zone that has an agent, and every agent's
// invitation that is open: whoever had the machine could have made both. For the
// way back after an incident only; can be begun again at any point.
func (r *Roster) DropAgents(ctx context.Context) (n int, err error) {
	all, err := r.Agents(ctx)
	for _, one := range all {
		if one.Key == "" && one.Pending == "" && one.Code.IsZero() {
			continue
		}
		err := again(func() error {
			a, err := r.agent(ctx, one.Zone)
			if err != nil {
				return err
			}
			return r.commit(ctx, agentRow+string(a.Zone), a.Rev+1, "penstock", audit.AgentRemoved{Zone: string(a.Zone), By: "penstock", Why: "everything is taken back after an incident"})
		})
		if err != nil {
			return n, err
		}
		n++
	}
	return n, err
}
