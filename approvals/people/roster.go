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

	"penstock/approvals/evidence"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Roster is the directory of firms and persons. Errors of its verbs:
// *policy.Refusal, state.ErrConflict, else a fault. Set its options before the
// first verb.
type Roster struct {
	// Security names the roles whose holders may change firms, invite anybody and
	// confirm keys of the plant's people. Default: ot-security.
	Security func() []policy.Role
	// Roles says whether the plant file has a team. Default: any.
	Roles func(policy.Role) bool
	// Zones says whether the plant file has a zone that is reached by an agent. Default: any.
	Zones func(policy.ZoneName) bool
	// Now is the wall clock. Default: time.Now.
	Now func() time.Time
	// Origin is where people see the pages; empty: no passkeys. Default: empty.
	Origin func() string

	docs    *audit.Documents
	journal *state.Journal
	rows    state.Reader
}

// NewRoster reads rows and commits through the journal, which has Fold among
// its folds; a row that was edited by hand is an error of whatever reads it. docs must be the documents that the fold reads: the bootstrap
// file and what Enroll names are in there.
func NewRoster(j *state.Journal, rows state.Reader, docs *audit.Documents) *Roster {
	return &Roster{
		Security: func() []policy.Role { return []policy.Role{"ot-security"} },
		Roles:    func(policy.Role) bool { return true },
		Zones:    func(policy.ZoneName) bool { return true },
		Now:      time.Now,
		Origin:   func() string { return "" },
		docs:     docs,
		journal:  j, rows: j.Checked(rows),
	}
}

// Person reads one, or who an envelope makes its holder while it counts;
// fs.ErrNotExist.
func (r *Roster) Person(ctx context.Context, id policy.PersonID) (Person, error) {
	if evidence.IsEnvelope(string(id)) {
		return r.opened(ctx, id)
	}
	var p Person
	_, ok, err := read(ctx, r.rows, personRow+string(id), &p)
	if err == nil && !ok {
		err = fmt.Errorf("person %.40q: %w", id, fs.ErrNotExist)
	}
	return p, err
}

// Firm reads one; fs.ErrNotExist.
func (r *Roster) Firm(ctx context.Context, id policy.FirmID) (Firm, error) {
	f, _, err := r.firm(ctx, id)
	return f, err
}

func (r *Roster) firm(ctx context.Context, id policy.FirmID) (f Firm, rev uint64, err error) {
	rev, ok, err := read(ctx, r.rows, firmRow+string(id), &f)
	if err == nil && !ok {
		err = fmt.Errorf("firm %.40q: %w", id, fs.ErrNotExist)
	}
	return f, rev, err
}

// People are all, disabled ones too, by id.
func (r *Roster) People(ctx context.Context) ([]Person, error) {
	var all []Person
	for row, err := range r.rows.List(ctx, personRow) {
		p := Person{Rev: row.Rev}
		if err == nil {
			err = json.Unmarshal(row.Value, &p)
		}
		if err != nil {
			return nil, fmt.Errorf("list people: %w", err)
		}
		all = append(all, p)
	}
	return all, nil
}

// Firms are all, by id.
func (r *Roster) Firms(ctx context.Context) ([]Firm, error) {
	var all []Firm
	for row, err := range r.rows.List(ctx, firmRow) {
		var f Firm
		if err == nil {
			err = json.Unmarshal(row.Value, &f)
		}
		if err != nil {
			return nil, fmt.Errorf("list firms: %w", err)
		}
		all = append(all, f)
	}
	return all, nil
}

// ByKey finds the person whose confirmed, present key this is; pending keys and
// disabled persons are fs.ErrNotExist, and so is what is no key. Of
// authorizedKey, in authorized_keys form, only type and blob count.
func (r *Roster) ByKey(ctx context.Context, authorizedKey string) (Person, error) {
	public, fingerprint, err := parseKey(authorizedKey)
	if err != nil {
		return Person{}, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	unknown := fmt.Errorf("key %s: %w", fingerprint, fs.ErrNotExist)
	var owner keyOwner
	_, ok, err := read(ctx, r.rows, keyRow+fingerprint, &owner)
	if err != nil {
		return Person{}, err
	}
	if !ok {
		return Person{}, unknown
	}
	p, err := r.Person(ctx, owner.Person)
	if err != nil {
		return Person{}, err
	}
	counts := slices.ContainsFunc(p.Keys, func(k Key) bool {
		return k.Kind == SSH && !k.Pending && k.ID == fingerprint && k.Public == public
	})
	if p.Disabled || !counts || evidence.IsEnvelope(string(p.ID)) { // what is on paper opens no ssh
		return Person{}, unknown
	}
	return p, nil
}

// KeyWaits says whether a key was brought by somebody, and waits to be confirmed.
func (r *Roster) KeyWaits(ctx context.Context, authorizedKey string) bool {
	public, fingerprint, err := parseKey(authorizedKey)
	if err != nil {
		return false
	}
	var owner keyOwner
	if _, ok, err := read(ctx, r.rows, keyRow+fingerprint, &owner); err != nil || !ok {
		return false
	}
	p, err := r.Person(ctx, owner.Person)
	return err == nil && !p.Disabled && slices.ContainsFunc(p.Keys, func(k Key) bool {
		return k.Kind == SSH && k.Pending && k.ID == fingerprint && k.Public == public
	})
}

// Facts are the person as policy sees them; fs.ErrNotExist.
func (r *Roster) Facts(ctx context.Context, id policy.PersonID) (policy.PersonFacts, error) {
	p, err := r.Person(ctx, id)
	if err != nil {
		return policy.PersonFacts{}, err
	}
	f, err := r.Firm(ctx, p.Firm)
	if err != nil {
		return policy.PersonFacts{}, err
	}
	facts := policy.PersonFacts{
		ID: p.ID, Firm: p.Firm, Plant: f.Plant, Machine: p.Machine, Disabled: p.Disabled, Networks: f.Networks, Until: f.Until,
		Terms: !f.Terms.IsZero(), Training: p.Training,
	}
	if facts.Terms && p.Accepted.Terms == f.Terms {
		facts.Accepted = p.Accepted.Until
	}
	if !f.Plant {
		if facts.Confirm, err = r.confirmBy(ctx, "firm/"+string(f.ID), p.ID); err != nil {
			return facts, err
		}
	}
	for _, k := range p.Keys {
		if k.Kind == SSH && !k.Pending {
			facts.Keys = append(facts.Keys, k.ID)
		}
	}
	return facts, nil
}

// commit writes one event about a row, if the people whom it was decided on are
// still as they were read. What it refuses was not written.
func (r *Roster) commit(ctx context.Context, row string, rev uint64, actor policy.PersonID, body audit.Body, on ...Person) error {
	_, subject, _ := strings.Cut(row, "/")
	_, err := r.journal.CommitOn(ctx, row, audit.Event{Subject: subject, Rev: rev, Actor: string(actor), Body: body}, Seen(on...)...)
	return err
}

// Seen are people's rows as they were read, for Journal.CommitOn.
func Seen(people ...Person) (on []state.Seen) {
	for _, p := range people {
		row := personRow
		if evidence.IsEnvelope(string(p.ID)) {
			row = envelopeRow
		}
		on = append(on, state.Seen{Key: row + string(p.ID), Rev: p.Rev})
		on = append(on, p.On...)
	}
	return on
}

// retries bounds how often a verb that cannot be left half done begins again.
const retries = 8

// again calls f until it meets no conflict.
func again(f func() error) error {
	var err error
	for range retries {
		if err = f(); !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
	return err
}
