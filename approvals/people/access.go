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

const accessRow = "access/" // and the scope

// Access is the newest access review of one scope: everybody who may come in for
// a firm ("firm/krall"), or holds a role ("role/shift").
type Access struct {
	Scope    string     `json:"scope"`
	Document audit.Hash `json:"document"` // evidence.AccessList
	At       time.Time  `json:"at"`
	Due      time.Time  `json:"due"`
	Open     []string   `json:"open,omitempty"` // whom nobody has kept or ended yet
	Signed   []Signoff  `json:"signed,omitempty"`

	rev uint64
}

// Signoff is one person's word on some of a list.
type Signoff struct {
	By    string    `json:"by"`
	At    time.Time `json:"at"`
	Kept  []string  `json:"kept,omitempty"`
	Ended []string  `json:"ended,omitempty"`
}

// MaxSigned is how many people one sign-off may be about: its leaf has 4 KiB.
const MaxSigned = 60

func isScope(scope string) bool {
	kind, of, _ := strings.Cut(scope, "/")
	return (kind == "firm" && policy.ValidID(of)) || kind == "role" && of != "" && len(of) <= maxRole && checkName("a role", of) == nil
}

// Members are the people of a scope who are here, by id.
func (r *Roster) Members(ctx context.Context, scope string) (list []Person, err error) {
	kind, of, _ := strings.Cut(scope, "/")
	all, err := r.People(ctx)
	if err != nil {
		return nil, err
	}
	firms, err := r.Firms(ctx)
	if err != nil {
		return nil, err
	}
	plant := policy.FirmID("")
	for _, f := range firms {
		if f.Plant {
			plant = f.ID
		}
	}
	for _, p := range all {
		if !p.Disabled && (kind == "firm" && string(p.Firm) == of || kind == "role" && p.Firm == plant && p.Has(policy.Role(of))) {
			list = append(list, p)
		}
	}
	return list, nil
}

// Scopes are all that are reviewed: each vendor's firm and each role with somebody in it.
func (r *Roster) Scopes(ctx context.Context) (scopes []string, err error) {
	firms, err := r.Firms(ctx)
	if err != nil {
		return nil, err
	}
	people, err := r.People(ctx)
	if err != nil {
		return nil, err
	}
	vendor := map[policy.FirmID]bool{}
	for _, f := range firms {
		vendor[f.ID] = !f.Plant
	}
	for _, p := range people {
		switch {
		case p.Disabled:
		case vendor[p.Firm]:
			scopes = append(scopes, "firm/"+string(p.Firm))
		default:
			for _, role := range p.Roles {
				scopes = append(scopes, "role/"+string(role))
			}
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes), nil
}

// Access reads the newest list of a scope; ok is false if there was none.
func (r *Roster) Access(ctx context.Context, scope string) (a Access, ok bool, err error) {
	a.rev, ok, err = read(ctx, r.rows, accessRow+scope, &a)
	return a, ok, err
}

// AccessReviews are the newest lists of all scopes, by scope.
func (r *Roster) AccessReviews(ctx context.Context) (list []Access, err error) {
	for row, err := range r.rows.List(ctx, accessRow) {
		var a Access
		if err == nil {
			err = json.Unmarshal(row.Value, &a)
		}
		if err != nil {
			return nil, fmt.Errorf("list access reviews: %w", err)
		}
		list = append(list, a)
	}
	return list, nil
}

// Waits are those whom nobody has kept or ended yet, and who are still in the scope.
func (r *Roster) Waits(ctx context.Context, a Access) (list []policy.PersonID, err error) {
	if len(a.Open) == 0 {
		return nil, nil
	}
	members, err := r.Members(ctx, a.Scope)
	for _, p := range members {
		if slices.Contains(a.Open, string(p.ID)) {
			list = append(list, p.ID)
		}
	}
	return list, err
}

// confirmBy is when somebody has to be confirmed, of the newest list, where it
// still waits for a word on them; zero: it does not.
func (r *Roster) confirmBy(ctx context.Context, scope string, who policy.PersonID) (time.Time, error) {
	a, ok, err := r.Access(ctx, scope)
	if err != nil || !ok || !slices.Contains(a.Open, string(who)) {
		return time.Time{}, err
	}
	return a.Due, nil
}

// Lapsed are the roles that somebody holds and that nobody confirmed in time:
// they give nothing until somebody does. What they may take, they may.
func (r *Roster) Lapsed(ctx context.Context, p Person) (roles []policy.Role, err error) {
	for _, role := range p.Roles {
		due, err := r.confirmBy(ctx, "role/"+string(role), p.ID)
		if err != nil {
			return nil, err
		}
		if !due.IsZero() && !r.Now().Before(due) {
			roles = append(roles, role)
		}
	}
	return roles, nil
}

// ListAccess begins a review of a scope with a list that is put already. By
// Penstock (an empty actor) or somebody who may sign it, and never while somebody
// of the list before waits: nobody is given time by a new one.
func (r *Roster) ListAccess(ctx context.Context, by Actor, list evidence.AccessList, document audit.Hash) error {
	actor, on := policy.PersonID("penstock"), []Person(nil)
	if by.Person != "" {
		p, err := r.signsAccess(ctx, by, list.Scope)
		if err != nil {
			return err
		}
		actor, on = p.ID, []Person{p}
	}
	have, _, err := r.Access(ctx, list.Scope)
	if err != nil {
		return err
	}
	waits, err := r.Waits(ctx, have)
	if err != nil {
		return err
	}
	if len(waits) > 0 {
		return refuse("access-waits", "The list before still waits for a word on "+strings.Join(plain(waits), ", ")+". Sign that one first.", "%s of %s waits", waits, list.Scope)
	}
	sponsor := ""
	if of, is := strings.CutPrefix(list.Scope, "firm/"); is {
		f, err := r.Firm(ctx, policy.FirmID(of))
		if err != nil {
			return err
		}
		sponsor = string(f.Sponsor)
	}
	for _, line := range list.Lines {
		p, err := r.Person(ctx, policy.PersonID(line.Person))
		if err != nil {
			return err
		}
		on = append(on, p)
	}
	return r.commit(ctx, accessRow+list.Scope, have.rev+1, actor, audit.AccessListed{Scope: list.Scope, Document: document, At: list.At, Due: list.Due, By: string(actor), Sponsor: sponsor}, on...)
}

// MaySignAccess is nil where the actor may say who of a scope goes on.
func (r *Roster) MaySignAccess(ctx context.Context, by Actor, scope string) error {
	_, err := r.signsAccess(ctx, by, scope)
	return err
}

// signsAccess: a firm's sponsor, or security; of the security role itself, where
// one holds it, anybody else of the plant with a role.
func (r *Roster) signsAccess(ctx context.Context, by Actor, scope string) (Person, error) {
	p, err := r.plantPerson(ctx, by)
	if err == nil {
		err = p.themself()
	}
	if err != nil {
		return p, err
	}
	kind, of, _ := strings.Cut(scope, "/")
	if !isScope(scope) {
		return p, refuse("no-such-review", "An access review is of a firm or a role, such as firm/krall or role/shift.", "scope %.60q", scope)
	}
	if r.isSecurity(p) {
		return p, nil
	}
	if kind == "firm" {
		f, err := r.Firm(ctx, policy.FirmID(of))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return p, err
		}
		if err == nil && !f.Plant && f.Sponsor == p.ID {
			return p, nil
		}
	} else if slices.Contains(r.Security(), policy.Role(of)) && len(p.Roles) > 0 {
		members, err := r.Members(ctx, scope)
		if err != nil || len(members) == 1 {
			return p, err
		}
	}
	return p, notYours(by.Person, scope, "sign the access review of")
}

// CheckSign refuses a sign-off before anybody is ended by it: another list than
// the newest, the signer themself, somebody who does not wait. With a code,
// because it keeps people in.
func (r *Roster) CheckSign(ctx context.Context, by Actor, scope string, document audit.Hash, kept, ended []policy.PersonID) (Access, Person, error) {
	p, err := r.signsAccess(ctx, by, scope)
	if err == nil && len(kept) > 0 {
		err = r.withCode(p, by)
	}
	if err != nil {
		return Access{}, p, err
	}
	a, ok, err := r.Access(ctx, scope)
	if err != nil {
		return a, p, err
	}
	all := slices.Concat(kept, ended)
	switch {
	case !ok || a.Document != document:
		return a, p, refuse("stale-review", "There is a newer list of this. Look again, then sign.", "%s signs %s, the newest of %s is %s", by.Person, document, scope, a.Document)
	case len(all) == 0 || len(all) > MaxSigned:
		return a, p, refuse("access-empty", fmt.Sprintf("Say of 1 to %d people at a time whether they go on.", MaxSigned), "%d people", len(all))
	case slices.Contains(all, by.Person):
		return a, p, refuse("own-access", "Nobody confirms themself. Leave yourself out; somebody else signs for you.", "%s signs for themself", by.Person)
	}
	slices.Sort(all)
	for i, id := range all {
		if i > 0 && all[i-1] == id || !slices.Contains(a.Open, string(id)) {
			return a, p, refuse("access-not-open", fmt.Sprintf("%.40q does not wait for a word on this list, or is named twice. Look again.", id), "%s of %s", id, scope)
		}
	}
	return a, p, nil
}

// SignAccess writes the sign-off. Whoever is Ended has been ended before:
// approvals.Desk, which does that, is the one to call.
func (r *Roster) SignAccess(ctx context.Context, by Actor, scope string, document audit.Hash, kept, ended []policy.PersonID) error {
	return again(func() error {
		a, p, err := r.CheckSign(ctx, by, scope, document, kept, ended)
		if err != nil {
			return err
		}
		on := []Person{p}
		for _, id := range kept { // who goes on is in it still, as they were read
			one, err := r.Person(ctx, id)
			if err != nil {
				return err
			}
			on = append(on, one)
		}
		sort := func(ids []policy.PersonID) []string { words := plain(ids); slices.Sort(words); return words }
		return r.commit(ctx, accessRow+scope, a.rev+1, p.ID, audit.AccessSigned{Scope: scope, Document: document, Kept: sort(kept), Ended: sort(ended),
			By: string(p.ID), At: cleanTime(r.Now())}, on...)
	})
}

// access makes the row of a list and of what is signed of it.
func (f folding) access(ctx context.Context) ([]state.Change, error) {
	var a Access
	var all changes
	switch b := f.leaf.Body.(type) {
	case audit.AccessListed:
		text, err := f.document(ctx, b.Document)
		if err != nil {
			return nil, fmt.Errorf("access list %s: %w", b.Document, err)
		}
		list, err := evidence.ParseAccess(text)
		if err != nil || list.Scope != b.Scope {
			return nil, fmt.Errorf("access list %s of %.60q: %w", b.Document, b.Scope, errors.Join(err, errMismatch))
		}
		a = Access{Scope: b.Scope, Document: b.Document, At: b.At, Due: b.Due}
		for _, line := range list.Lines {
			a.Open = append(a.Open, line.Person)
		}
	case audit.AccessSigned:
		_, ok, err := read(ctx, f.rows, accessRow+b.Scope, &a)
		if err != nil {
			return nil, err
		}
		if !ok || a.Document != b.Document {
			return nil, refuse("stale-review", "There is a newer list of this. Look again, then sign.", "signed %s", b.Document)
		}
		for _, id := range slices.Concat(b.Kept, b.Ended) {
			i := slices.Index(a.Open, id)
			if i < 0 || id == b.By {
				return nil, refuse("access-not-open", "They do not wait for a word on this list. Look again.", "%s of %s by %s", id, b.Scope, b.By)
			}
			a.Open = slices.Delete(a.Open, i, i+1)
		}
		a.Signed = append(a.Signed, Signoff{b.By, b.At, b.Kept, b.Ended})
	}
	all.put(accessRow+a.Scope, f.leaf.Rev, a)
	return all.done()
}
