package people

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// agentRow is the prefix of an agent's row; behind it stands its zone. A zone
// has one agent: its key is enrolled as a person's is, and counts for nothing else.
const agentRow = "agent/"

// Agent is the program inside a zone through which the broker reaches it. Row
// agent/<zone>: adding or changing one lets nobody in, since a row that differs
// from the log is refused; deleting one closes the way into the zone.
type Agent struct {
	Zone    policy.ZoneName `json:"zone"`
	Key     string          `json:"key,omitempty"` // fingerprint of the key that counts; empty: none
	Public  string          `json:"public,omitempty"`
	Pending string          `json:"pending,omitempty"` // fingerprint of a key that waits to be confirmed
	Brought string          `json:"brought,omitempty"` // and its public line
	By      policy.PersonID `json:"by,omitempty"`      // who invited the pending key, or the one that will be
	Code    audit.Hash      `json:"code,omitzero"`     // of the invitation that is open
	Until   time.Time       `json:"until,omitzero"`    // its end

	Rev uint64 `json:"-"`
}

// agentOwner stands in key rows: no person has such an id.
func agentOwner(zone policy.ZoneName) policy.PersonID { return policy.PersonID("agent of " + zone) }

// Agents are all that were ever invited, by zone.
func (r *Roster) Agents(ctx context.Context) (all []Agent, err error) {
	for row, err := range r.rows.List(ctx, agentRow) {
		if err != nil {
			return nil, fmt.Errorf("list agents: %w", err)
		}
		a := Agent{Rev: row.Rev}
		if err := json.Unmarshal(row.Value, &a); err != nil {
			return nil, fmt.Errorf("read %s: %w", row.Key, err)
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Agent) int { return strings.Compare(string(a.Zone), string(b.Zone)) })
	return all, nil
}

func (r *Roster) agent(ctx context.Context, zone policy.ZoneName) (a Agent, err error) {
	rev, _, err := read(ctx, r.rows, agentRow+string(zone), &a)
	a.Zone, a.Rev = zone, rev
	return a, err
}

// AgentByKey is the agent whose confirmed key this is; fs.ErrNotExist.
func (r *Roster) AgentByKey(ctx context.Context, authorizedKey string) (Agent, error) {
	public, fingerprint, err := parseKey(authorizedKey)
	if err != nil {
		return Agent{}, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	all, err := r.Agents(ctx)
	if err != nil {
		return Agent{}, err
	}
	for _, a := range all {
		if a.Key == fingerprint && a.Public == public {
			return a, nil
		}
	}
	return Agent{}, fmt.Errorf("agent with key %s: %w", fingerprint, fs.ErrNotExist)
}

// InviteAgent makes the code with which an agent of the zone is brought: 80
// random bits, shown once, good for 24 h and one key. By OT security, with a
// code of the last five minutes.
func (r *Roster) InviteAgent(ctx context.Context, by Actor, zone policy.ZoneName) (code string, until time.Time, err error) {
	p, err := r.securityGiving(ctx, by)
	if err != nil {
		return "", time.Time{}, err
	}
	if !policy.ValidID(string(zone)) || !r.Zones(zone) {
		return "", time.Time{}, refuse("no-such-zone", "The plant file has no zone of that name that is reached_by: agent. Say so there first.", "zone %.40q", zone)
	}
	a, err := r.agent(ctx, zone)
	if err != nil {
		return "", time.Time{}, err
	}
	code, until = newCode(), r.Now().Add(codeLife).UTC().Truncate(time.Second)
	return code, until, r.commit(ctx, agentRow+string(zone), a.Rev+1, by.Person,
		audit.AgentInvited{Zone: string(zone), By: string(by.Person), Code: hashCode(code), Until: until}, p)
}

// JoinAgent brings a proven key under a code; it waits for ConfirmAgent. One
// answer for wrong, spent and late codes. A key that anybody has or had is
// refused, and the code still works.
func (r *Roster) JoinAgent(ctx context.Context, code, authorizedKey string) (Agent, error) {
	public, fingerprint, err := parseKey(authorizedKey)
	if err != nil {
		return Agent{}, refuse("key-refused", "This key cannot be used: "+err.Error()+".", "%v", err)
	}
	hash := hashCode(code)
	all, err := r.Agents(ctx)
	if err != nil {
		return Agent{}, err
	}
	i := slices.IndexFunc(all, func(a Agent) bool { return a.Code == hash && r.Now().Before(a.Until) })
	if i < 0 {
		return Agent{}, wrongCode("no agent's invitation has this code, or it is spent or late")
	}
	a := all[i]
	inviter, err := r.Person(ctx, a.By)
	if err != nil || inviter.Disabled {
		return Agent{}, wrongCode("the inviter is disabled")
	}
	err = r.commit(ctx, agentRow+string(a.Zone), a.Rev+1, "penstock", audit.AgentJoined{Zone: string(a.Zone), Code: hash, Key: fingerprint, Public: public}, inviter)
	if err != nil {
		return Agent{}, err
	}
	return r.agent(ctx, a.Zone)
}

// ConfirmAgent makes the pending key the zone's one agent. By somebody who has
// compared the fingerprint where the agent runs, with a code: OT security, and
// not who invited it; where nobody else holds that role, any other person of the
// plant with a role.
func (r *Roster) ConfirmAgent(ctx context.Context, by Actor, zone policy.ZoneName, fingerprint string) error {
	p, err := r.giving(ctx, by)
	if err != nil {
		return err
	}
	a, err := r.agent(ctx, zone)
	if err != nil {
		return err
	}
	if a.Pending == "" || a.Pending != fingerprint {
		return refuse("no-pending-agent", "No key with this fingerprint waits to be confirmed for this zone. Compare it again.", "%s for agent of %.40q, pending %q", fingerprint, zone, a.Pending)
	}
	may, err := r.mayConfirm(ctx, p, Person{}, Firm{Plant: true}, Key{By: a.By})
	if err != nil {
		return err
	}
	if !may {
		return refuse("confirm", "Somebody else than who invited the agent confirms it: OT security, and where nobody else holds that role, anybody of the plant with a role.",
			"%s may not confirm the agent of %s, invited by %s", by.Person, zone, a.By)
	}
	return r.commit(ctx, agentRow+string(zone), a.Rev+1, by.Person, audit.AgentConfirmed{Zone: string(zone), Key: fingerprint, By: string(by.Person)}, p)
}

// RemoveAgent closes the way into the zone: the agent's connection first (the
// caller has ended it, which waits for nothing), then this. By OT security; no code is asked for.
func (r *Roster) RemoveAgent(ctx context.Context, by Actor, zone policy.ZoneName, why string) error {
	if err := r.MayRemoveAgent(ctx, by); err != nil {
		return err
	}
	if err := checkText("the reason", why, maxWhy); err != nil {
		return refuse("reason", "The reason cannot be kept so: "+err.Error()+".", "%v", err)
	}
	return again(func() error {
		a, err := r.agent(ctx, zone)
		if err != nil {
			return err
		}
		if a.Key == "" && a.Pending == "" && a.Code.IsZero() {
			return refuse("no-agent", "This zone has no agent. Invite one first.", "agent of %.40q", zone)
		}
		return r.commit(ctx, agentRow+string(zone), a.Rev+1, by.Person, audit.AgentRemoved{Zone: string(zone), By: string(by.Person), Why: why})
	})
}

// MayRemoveAgent is nil for OT security.
func (r *Roster) MayRemoveAgent(ctx context.Context, by Actor) error {
	p, err := r.plantPerson(ctx, by)
	if err == nil && !r.isSecurity(p) {
		err = refuse("security-only", "This is for OT security to do. Ask one of them.", "%s holds no security role", by.Person)
	}
	return err
}

func (r *Roster) securityGiving(ctx context.Context, by Actor) (Person, error) {
	p, err := r.giving(ctx, by)
	if err == nil && !r.isSecurity(p) {
		err = refuse("security-only", "This is for OT security to do. Ask one of them.", "%s holds no security role", by.Person)
	}
	return p, err
}

var errNoAgent = errors.New("the agent's row does not fit")

// agentChanges folds events of agents.
func (f folding) agentChanges(ctx context.Context, zone string, change func(*Agent, *changes) error) ([]state.Change, error) {
	if !policy.ValidID(zone) {
		return nil, fmt.Errorf("%w: %.40q is no zone", errNoAgent, zone)
	}
	var a Agent
	if _, _, err := read(ctx, f.rows, agentRow+zone, &a); err != nil {
		return nil, err
	}
	a.Zone = policy.ZoneName(zone)
	var all changes
	if err := change(&a, &all); err != nil {
		return nil, err
	}
	all.put(agentRow+zone, f.leaf.Rev, a)
	return all.done()
}

func (f folding) agentInvited(ctx context.Context, b audit.AgentInvited) ([]state.Change, error) {
	return f.agentChanges(ctx, b.Zone, func(a *Agent, _ *changes) error {
		a.Pending, a.Brought = "", ""
		a.By, a.Code, a.Until = policy.PersonID(b.By), b.Code, b.Until
		return nil
	})
}

// agentJoined spends the code: two joins with one are one after the other here.
func (f folding) agentJoined(ctx context.Context, b audit.AgentJoined) ([]state.Change, error) {
	return f.agentChanges(ctx, b.Zone, func(a *Agent, all *changes) error {
		if a.Code != b.Code || b.Code.IsZero() {
			return wrongCode("no agent's invitation has this code, or it is spent")
		}
		public, fingerprint, err := parseKey(b.Public)
		if err != nil || public != b.Public || fingerprint != b.Key {
			return fmt.Errorf("key %s of agent.joined is not what it says: %w", b.Key, errors.Join(err, errMismatch))
		}
		var owner keyOwner
		_, known, err := read(ctx, f.rows, keyRow+b.Key, &owner)
		if err != nil {
			return err
		}
		if known {
			return knownKey(b.Key, owner.Person)
		}
		all.put(keyRow+b.Key, 1, keyOwner{agentOwner(a.Zone)})
		a.Pending, a.Brought, a.Code, a.Until = b.Key, b.Public, audit.Hash{}, time.Time{}
		return nil
	})
}

func (f folding) agentConfirmed(ctx context.Context, b audit.AgentConfirmed) ([]state.Change, error) {
	return f.agentChanges(ctx, b.Zone, func(a *Agent, _ *changes) error {
		if a.Pending == "" || a.Pending != b.Key || b.By == string(a.By) {
			return fmt.Errorf("%w: %s does not wait for %s", errNoAgent, b.Key, b.By)
		}
		a.Key, a.Public, a.Pending, a.Brought = a.Pending, a.Brought, "", ""
		return nil
	})
}

func (f folding) agentRemoved(ctx context.Context, b audit.AgentRemoved) ([]state.Change, error) {
	return f.agentChanges(ctx, b.Zone, func(a *Agent, _ *changes) error {
		*a = Agent{Zone: a.Zone}
		return nil
	})
}
