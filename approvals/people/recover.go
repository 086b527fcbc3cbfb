package people

import (
	"context"
	"fmt"
	"slices"
	"time"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
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
	first, err := firstKeys(ctx, r.rows, r.docs.Get)
	if err != nil {
		return 0, err
	}
	for i, one := range all {
		if err := again(func() error {
			p, err := r.Person(ctx, one.ID)
			back := p.lost(first[one.ID])
			if err != nil || p.Disabled || !p.suspendable() && len(back) == 0 {
				return err
			}
			n++
			return r.commit(ctx, personRow+string(p.ID), p.Rev+1, "penstock", audit.PersonSuspended{Person: string(p.ID), Back: back, At: r.Now().UTC().Truncate(time.Second)})
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

// lost are the fingerprints of a person's keys of the bootstrap file that they do not
// have any more: replaced by themself, or by whoever could write that somebody
// confirmed another.
func (p Person) lost(first []Key) (back []string) {
	for _, k := range first {
		if !slices.ContainsFunc(p.Keys, func(have Key) bool { return have.ID == k.ID }) {
			back = append(back, k.ID)
		}
	}
	return back
}

// firstKeys are those of the bootstrap file, by person.
func firstKeys(ctx context.Context, rows state.Reader, document func(context.Context, audit.Hash) ([]byte, error)) (map[policy.PersonID][]Key, error) {
	var b audit.LogCreated
	if _, ok, err := read(ctx, rows, bootstrapRow, &b); err != nil || !ok {
		return nil, err
	}
	text, err := document(ctx, b.Bootstrap)
	if err != nil {
		return nil, fmt.Errorf("bootstrap document %s: %w", b.Bootstrap, err)
	}
	file, err := ParseBootstrap("bootstrap", text, nil)
	if err != nil {
		return nil, fmt.Errorf("bootstrap document %s: %w", b.Bootstrap, err)
	}
	first := map[policy.PersonID][]Key{}
	for _, p := range file.People {
		first[p.ID] = p.Keys
	}
	return first, nil
}

// suspend leaves at most one ssh key to be confirmed again beside those that come back: the
// one that counted. An account of the sign-in service is linked anew.
func (p *Person) suspend(first []Key, back []string) error {
	counted := slices.ContainsFunc(p.Keys, func(k Key) bool { return k.Kind == SSH && !k.Pending })
	p.Keys = slices.DeleteFunc(p.Keys, func(k Key) bool {
		return k.Kind == Password || k.Kind == TOTP || k.Kind == Account || k.Kind == SSH && k.Pending && counted
	})
	for i, k := range p.Keys {
		if !k.first() {
			p.Keys[i].Pending, p.Keys[i].Vouched = true, ""
		}
	}
	for _, id := range back {
		n := slices.IndexFunc(first, func(k Key) bool { return k.ID == id })
		if n < 0 || p.pending(id) {
			return fmt.Errorf("%.60q is no key of the bootstrap file that %s has lost", id, p.ID)
		}
		k := first[n]
		k.Pending, k.By = true, Unsaid // as good as any other that waits
		p.Keys = append(p.Keys, k)
	}
	return nil
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
