package people

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Keys of the rows. The subject of an event is the id in the key of its row.
const (
	firmRow      = "firm/"
	personRow    = "person/"
	inviteRow    = "invitation/" // and the hex SHA-256 of the code
	keyRow       = "key/"        // and the fingerprint
	bootstrapRow = "bootstrap/1"
)

// keyOwner is the value of a key row. The row is never deleted: a key that was
// taken away does not come back, neither for its person nor for another.
type keyOwner struct {
	Person policy.PersonID `json:"person"`
}

// Fold makes rows bootstrap/1, firm/…, person/…, envelope/…, invitation/… and key/… of leaves.
func Fold(docs *audit.Documents) state.Fold {
	return func(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
		return folding{docs.Get, rows, leaf}.changes(ctx)
	}
}

type folding struct {
	document func(context.Context, audit.Hash) ([]byte, error)
	rows     state.Reader
	leaf     audit.Leaf
}

func (f folding) changes(ctx context.Context) ([]state.Change, error) {
	switch b := f.leaf.Body.(type) {
	case audit.LogCreated:
		return f.created(ctx, b)
	case audit.FirmChanged:
		return f.firm(b)
	case audit.FirmEnded:
		return f.ended(ctx, b)
	case audit.PersonSuspended:
		first, err := firstKeys(ctx, f.rows, f.document)
		if err != nil {
			return nil, err
		}
		return f.person(ctx, b.Person, func(p *Person) error { return p.suspend(first[p.ID], b.Back) })
	case audit.EnvelopeSealed:
		return f.sealed(ctx, b)
	case audit.EnvelopeOpened:
		return f.unsealed(ctx, b)
	case audit.EnvelopeVoided:
		return f.voided(ctx, b)
	case audit.PersonInvited:
		return f.invited(b)
	case audit.PersonJoined:
		return f.joined(ctx, b)
	case audit.PersonConfirmed:
		return f.person(ctx, b.Person, func(p *Person) error { return p.confirm(b) })
	case audit.PersonChanged:
		return f.person(ctx, b.Person, func(p *Person) error { return p.change(b) })
	case audit.PersonDisabled:
		return f.person(ctx, b.Person, func(p *Person) error { p.Disabled = true; return nil })
	case audit.AccountLinked:
		return f.linked(ctx, b)
	case audit.TermsAccepted:
		return f.accepted(ctx, b)
	case audit.TrainingNoted:
		return f.person(ctx, b.Person, func(p *Person) error { return p.train(b) })
	case audit.EndingTold:
		return f.told(b)
	case audit.AccessListed, audit.AccessSigned:
		return f.access(ctx)
	case audit.KeyEnrolled:
		if KeyKind(b.Kind) == Passkey {
			return f.passkey(ctx, b)
		}
		return f.person(ctx, b.Person, func(p *Person) error { return p.enroll(b) })
	case audit.KeyVouched:
		return f.person(ctx, b.Person, func(p *Person) error { return p.vouch(b) })
	case audit.AgentInvited:
		return f.agentInvited(ctx, b)
	case audit.AgentJoined:
		return f.agentJoined(ctx, b)
	case audit.AgentConfirmed:
		return f.agentConfirmed(ctx, b)
	case audit.AgentRemoved:
		return f.agentRemoved(ctx, b)
	case audit.KeyRemoved:
		return f.person(ctx, b.Person, func(p *Person) error { return p.remove(b) })
	}
	return nil, nil
}

// created makes the first people. It is the first event that makes rows.
func (f folding) created(ctx context.Context, b audit.LogCreated) ([]state.Change, error) {
	for _, kind := range []string{firmRow, personRow} {
		for _, err := range f.rows.List(ctx, kind) {
			if err != nil {
				return nil, err
			}
			return nil, errors.New("there are people already: log.created is the first event of a log")
		}
	}
	text, err := f.document(ctx, b.Bootstrap)
	if err != nil {
		return nil, fmt.Errorf("bootstrap document %s: %w", b.Bootstrap, err)
	}
	first, err := ParseBootstrap("bootstrap", text, nil)
	if err != nil {
		return nil, fmt.Errorf("bootstrap document %s: %w", b.Bootstrap, err)
	}
	var all changes
	all.put(bootstrapRow, f.leaf.Rev, b)
	for _, firm := range first.Firms {
		all.put(firmRow+string(firm.ID), 1, firm)
	}
	for _, p := range first.People {
		all.put(personRow+string(p.ID), 1, p)
		for _, k := range p.Keys {
			all.put(keyRow+k.ID, 1, keyOwner{p.ID})
		}
	}
	return all.done()
}

func (f folding) firm(b audit.FirmChanged) ([]state.Change, error) {
	firm := Firm{ID: policy.FirmID(b.Firm), Name: b.Name, Plant: b.Plant, Sponsor: policy.PersonID(b.Sponsor), Until: b.Until, Terms: b.Terms, TermsDays: b.TermsDays, Source: b.Source}
	for _, n := range b.Networks {
		prefix, err := netip.ParsePrefix(n)
		if err != nil {
			return nil, fmt.Errorf("network of firm %s: %w", b.Firm, err)
		}
		firm.Networks = append(firm.Networks, prefix)
	}
	var all changes
	all.put(firmRow+b.Firm, f.leaf.Rev, firm)
	return all.done()
}

// ended brings the end of a contract forward.
func (f folding) ended(ctx context.Context, b audit.FirmEnded) ([]state.Change, error) {
	var firm Firm
	_, ok, err := read(ctx, f.rows, firmRow+b.Firm, &firm)
	if err != nil {
		return nil, err
	}
	if !ok || firm.Plant || !firm.Until.IsZero() && !b.At.Before(firm.Until) {
		return nil, fmt.Errorf("firm %.40q has no contract that could end at %s", b.Firm, b.At)
	}
	firm.Until = b.At
	var all changes
	all.put(firmRow+b.Firm, f.leaf.Rev, firm)
	return all.done()
}

func (f folding) invited(b audit.PersonInvited) ([]state.Change, error) {
	var all changes
	all.put(inviteKey(b.Code), f.leaf.Rev, Invitation{
		Person: policy.PersonID(b.Person), Firm: policy.FirmID(b.Firm), Name: b.Name, Phone: b.Phone,
		Roles: typed[policy.Role](b.Roles), By: policy.PersonID(b.By), Until: b.Until, Mail: b.Mail, Source: b.Source, Machine: b.Machine,
	})
	return all.done()
}

// joined spends the invitation: its row goes, and with it the code. Two joins
// with one code are one after the other here, and the second finds no row.
func (f folding) joined(ctx context.Context, b audit.PersonJoined) ([]state.Change, error) {
	var inv Invitation
	invRev, ok, err := read(ctx, f.rows, inviteKey(b.Code), &inv)
	if err != nil {
		return nil, err
	}
	if !ok || string(inv.Person) != b.Person {
		return nil, wrongCode("no invitation has this code, or it is spent")
	}
	public, fingerprint, err := parseKey(b.Public)
	if err != nil || public != b.Public || fingerprint != b.Key {
		return nil, fmt.Errorf("key %s of person.joined is not what it says: %w", b.Key, errors.Join(err, errMismatch))
	}
	p := Person{ID: inv.Person, Firm: inv.Firm, Name: inv.Name, Phone: inv.Phone, Mail: inv.Mail, Roles: inv.Roles, Source: inv.Source, Machine: inv.Machine}
	if _, _, err := read(ctx, f.rows, personRow+b.Person, &p); err != nil {
		return nil, err
	}
	if !inv.fits(p) {
		return nil, wrongCode("the person is disabled, or not any more as invited")
	}
	var all changes
	var owner keyOwner
	_, known, err := read(ctx, f.rows, keyRow+b.Key, &owner)
	switch {
	case err != nil:
		return nil, err
	case !known:
		all.put(keyRow+b.Key, 1, keyOwner{p.ID})
	case owner.Person != p.ID || !p.pending(b.Key):
		return nil, knownKey(b.Key, owner.Person)
	}
	p.Keys = slices.DeleteFunc(p.Keys, func(k Key) bool { return k.Kind == SSH && k.Pending })
	p.Keys = append(p.Keys, Key{Kind: SSH, ID: b.Key, Public: b.Public, Pending: true, By: cmp.Or(inv.By, Unsaid)})
	all.put(personRow+b.Person, f.leaf.Rev, p)
	all.delete(inviteKey(b.Code), invRev+1)
	return all.done()
}

// Unsaid is who invited, where an invitation does not say: no verb makes one, and
// its key must not look as if the plant began with it. No person has such an id.
const Unsaid = "?"

// fits: an invitation never changes somebody who is there. One that was made
// before the person's roles were is void.
func (inv Invitation) fits(p Person) bool {
	return !p.Disabled && p.Firm == inv.Firm && p.Machine == inv.Machine && slices.Equal(p.Roles, inv.Roles)
}

var errMismatch = errors.New("text and fingerprint differ")

// person changes the row of somebody who is there and not disabled.
func (f folding) person(ctx context.Context, id string, change func(*Person) error) ([]state.Change, error) {
	var p Person
	_, ok, err := read(ctx, f.rows, personRow+id, &p)
	if err != nil {
		return nil, err
	}
	if !ok || p.Disabled {
		return nil, nobody(policy.PersonID(id))
	}
	if err := change(&p); err != nil {
		return nil, err
	}
	var all changes
	all.put(personRow+id, f.leaf.Rev, p)
	return all.done()
}

// confirm makes the pending key the person's one ssh key.
func (p *Person) confirm(b audit.PersonConfirmed) error {
	if !p.pending(b.Key) || b.By == b.Person {
		return noPending(p.ID, b.Key)
	}
	p.Keys = slices.DeleteFunc(p.Keys, func(k Key) bool { return k.Kind == SSH && k.ID != b.Key })
	for i := range p.Keys {
		if p.Keys[i].Kind == SSH {
			p.Keys[i].Pending = false
		}
	}
	return nil
}

func (p *Person) pending(fingerprint string) bool {
	return slices.ContainsFunc(p.Keys, func(k Key) bool { return k.Kind == SSH && k.Pending && k.ID == fingerprint })
}

func (p *Person) change(b audit.PersonChanged) error {
	if p.Firm != policy.FirmID(b.Firm) {
		return fmt.Errorf("%s is of firm %s; a person does not move", b.Person, p.Firm)
	}
	p.Name, p.Roles, p.Phone, p.Mail = b.Name, typed[policy.Role](b.Roles), b.Phone, b.Mail
	return nil
}

func (p *Person) enroll(b audit.KeyEnrolled) error {
	if p.Machine {
		return machineKey(b.Person)
	}
	kind := KeyKind(b.Kind)
	if kind != Password && kind != TOTP || b.Key != b.Kind || b.Sealed.IsZero() {
		return fmt.Errorf("a %.20q is not enrolled so; ssh keys come by invitation", b.Kind)
	}
	p.Keys = slices.DeleteFunc(p.Keys, func(k Key) bool { return k.Kind == kind })
	p.Keys = append(p.Keys, Key{Kind: kind, ID: b.Key, Sealed: b.Sealed})
	return nil
}

func (p *Person) remove(b audit.KeyRemoved) error {
	before := len(p.Keys)
	p.Keys = slices.DeleteFunc(p.Keys, func(k Key) bool { return k.ID == b.Key })
	if len(p.Keys) == before {
		return noKey(p.ID, b.Key)
	}
	return nil
}

func inviteKey(code audit.Hash) string { return inviteRow + hex.EncodeToString(code[:]) }

// read fills v from a row; ok is false, and v as it was, where there is none.
// rev is the row's, or its tombstone's.
func read(ctx context.Context, rows state.Reader, key string, v any) (rev uint64, ok bool, err error) {
	row, err := rows.Get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return row.Rev, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read %s: %w", key, err)
	}
	if p, is := v.(*Person); is {
		*p = Person{} // nothing of a default may shine through
	}
	if err := json.Unmarshal(row.Value, v); err != nil {
		return 0, false, fmt.Errorf("read %s: %w", key, err)
	}
	if p, is := v.(*Person); is {
		p.Rev = row.Rev
	}
	return row.Rev, true, nil
}

// changes collects rows, and the first error.
type changes struct {
	list []state.Change
	err  error
}

func (c *changes) put(key string, rev uint64, v any) {
	value, err := audit.Canonical(v)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("row %s: %w", key, err)
	}
	c.list = append(c.list, state.Change{Row: state.Row{Key: key, Rev: rev, Value: value}})
}

func (c *changes) delete(key string, rev uint64) {
	c.list = append(c.list, state.Change{Row: state.Row{Key: key, Rev: rev}})
}

func (c *changes) done() ([]state.Change, error) {
	if c.err != nil {
		return nil, c.err
	}
	return c.list, nil
}

func typed[T ~string](words []string) (list []T) {
	for _, w := range words {
		list = append(list, T(w))
	}
	return list
}

func plain[T ~string](words []T) (list []string) {
	for _, w := range words {
		list = append(list, string(w))
	}
	return list
}
