package approvals

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// uses is what the log says of people beside their rows: since when they are
// here, who let them in or gave them a role, and when they were last here. It is
// a fold that goes on from where the last call ended; nothing is decided on it.
type uses struct {
	mu    sync.Mutex // held while the log is read
	next  audit.Index
	began time.Time
	of    map[string]*use
	roles map[[2]string]roleGiven // by person and role
}

// use is of one person.
type use struct {
	since time.Time
	by    string
	last  time.Time
	roles []string
}

type roleGiven struct {
	by string
	at time.Time
}

// Used is what the log says of one person.
type Used struct {
	Since time.Time       // when they came
	By    policy.PersonID // who let them in; empty: the plant's first file
	Last  time.Time       // when they last signed in or worked; zero: never
}

func (u *uses) catchUp(ctx context.Context, log Log) error {
	if u.of == nil {
		u.of, u.roles = map[string]*use{}, map[[2]string]roleGiven{}
	}
	for leaf, err := range log.Upto(ctx, u.next) {
		if err != nil {
			return fmt.Errorf("read the log for who was here when: %w", err)
		}
		u.fold(leaf)
		u.next = leaf.Index + 1
	}
	return nil
}

func (u *uses) person(id string) *use {
	if u.of[id] == nil {
		u.of[id] = &use{since: u.began}
	}
	return u.of[id]
}

func (u *uses) fold(leaf audit.Leaf) {
	switch b := leaf.Body.(type) {
	case audit.LogCreated:
		u.began = leaf.Wall
	case audit.PersonInvited:
		one := u.person(b.Person)
		if one.by == "" && one.last.IsZero() {
			one.since, one.by = leaf.Wall, b.By
		}
		if one.roles == nil {
			u.gave(b.Person, b.Roles, b.By, leaf.Wall)
		}
	case audit.PersonChanged:
		u.gave(b.Person, b.Roles, b.By, leaf.Wall)
	case audit.LoginOK:
		u.person(b.Person).last = leaf.Wall
	case audit.SessionStarted:
		u.person(b.Person).last = leaf.Wall
	}
}

// gave notes who gave a role that the person had not.
func (u *uses) gave(person string, roles []string, by string, at time.Time) {
	one := u.person(person)
	for _, r := range roles {
		if !slices.Contains(one.roles, r) {
			u.roles[[2]string{person, r}] = roleGiven{by, at}
		}
	}
	one.roles = slices.Clone(roles)
}

// Used says since when somebody is here, and when they last were. It reads the
// log, the first time all of it.
func (d *Desk) Used(ctx context.Context, id policy.PersonID) (Used, error) {
	d.uses.mu.Lock()
	defer d.uses.mu.Unlock()
	if err := d.uses.catchUp(ctx, d.log); err != nil {
		return Used{}, err
	}
	one := d.uses.of[string(id)]
	if one == nil {
		return Used{Since: d.uses.began}, nil
	}
	return Used{one.since, policy.PersonID(one.by), one.last}, nil
}

// accessList writes who is in a scope now.
func (d *Desk) accessList(ctx context.Context, scope string, within time.Duration) (list evidence.AccessList, h audit.Hash, err error) {
	members, err := d.roster.Members(ctx, scope)
	if err != nil {
		return list, h, err
	}
	if len(members) == 0 || len(members) > evidence.MaxAccess {
		return list, h, refuse("no-such-review", "%.60q has %d people; a list has 1 to %d.", scope, len(members), evidence.MaxAccess)
	}
	d.uses.mu.Lock()
	defer d.uses.mu.Unlock()
	if err := d.uses.catchUp(ctx, d.log); err != nil {
		return list, h, err
	}
	now := d.second()
	list = evidence.AccessList{V: 1, Scope: scope, At: now, Due: now.Add(within)}
	kind, of, _ := strings.Cut(scope, "/")
	for _, p := range members {
		one := d.uses.person(string(p.ID))
		line := evidence.AccessLine{Person: string(p.ID), Since: whole(one.since), By: one.by, Used: utc(one.last)}
		if kind == "role" {
			g, ok := d.uses.roles[[2]string{string(p.ID), of}]
			if line.By = g.by; ok {
				line.Since = whole(g.at)
			}
		}
		list.Lines = append(list.Lines, line)
	}
	slices.SortFunc(list.Lines, func(a, b evidence.AccessLine) int { return cmp.Compare(a.Person, b.Person) })
	b, err := audit.Canonical(list)
	if err == nil {
		_, err = evidence.ParseAccess(b)
	}
	if err != nil {
		return list, h, fmt.Errorf("the list of %s: %w", scope, err)
	}
	if h, err = d.docs.Put(ctx, b); err != nil {
		return list, h, fmt.Errorf("keep the list of %s: %w", scope, err)
	}
	return list, h, nil
}

// BeginAccess makes a list now, for somebody who may sign it.
func (d *Desk) BeginAccess(ctx context.Context, by people.Actor, scope string) error {
	if err := d.roster.MaySignAccess(ctx, by, scope); err != nil {
		return err
	}
	_, err := again(func() (none, error) {
		list, h, err := d.accessList(ctx, scope, d.plant().Access.Within)
		if err != nil {
			return none{}, err
		}
		return none{}, d.roster.ListAccess(ctx, by, list, h)
	})
	return err
}

// SignAccess says of people on a list who goes on and who ends: of a firm that is
// leaving, of a role the loss of it. Whoever ends has ended before the sign-off is
// written. By the firm's sponsor or OT security, with a code, never of oneself.
func (d *Desk) SignAccess(ctx context.Context, by people.Actor, scope string, document audit.Hash, kept, ended []policy.PersonID) error {
	if _, _, err := d.roster.CheckSign(ctx, by, scope, document, kept, ended); err != nil {
		return err
	}
	kind, of, _ := strings.Cut(scope, "/")
	for _, id := range ended {
		p, err := d.roster.Person(ctx, id)
		switch {
		case err != nil:
			return err
		case kind == "firm":
			_, err = d.Leave(ctx, by, id, "access review")
		case p.Disabled || !p.Has(policy.Role(of)): // lost since: the word on it is left
		default:
			err = d.roster.Change(ctx, by, id, p.Name, slices.DeleteFunc(slices.Clone(p.Roles), func(r policy.Role) bool { return string(r) == of }))
		}
		if err != nil {
			return err
		}
	}
	return d.roster.SignAccess(ctx, by, scope, document, kept, ended)
}

// AccessList reads a list's document.
func (d *Desk) AccessList(ctx context.Context, h audit.Hash) (evidence.AccessList, error) {
	b, err := d.docs.Get(ctx, h)
	if err != nil {
		return evidence.AccessList{}, fmt.Errorf("read access list %s: %w", h, err)
	}
	return evidence.ParseAccess(b)
}

// settleAccess makes the lists whose time has come; next is when the next one
// comes, or is due. A plant file without access_reviews makes none.
func (d *Desk) settleAccess(ctx context.Context) (next time.Time, err error) {
	every := d.plant().Access.Every
	if every == 0 {
		return never, nil
	}
	began, err := d.begun(ctx)
	if err != nil {
		return never, err
	}
	scopes, err := d.roster.Scopes(ctx)
	if err != nil {
		return never, err
	}
	next = never
	for _, scope := range scopes {
		a, _, err := d.roster.Access(ctx, scope)
		if err != nil {
			return next, err
		}
		at := began
		if !a.At.IsZero() {
			at = a.At
		}
		if due := at.Add(every); d.now().Before(due) {
			next = earlier(next, due)
			continue
		}
		if waits, err := d.roster.Waits(ctx, a); err != nil || len(waits) > 0 {
			if err != nil {
				return next, err
			}
			continue // whoever waits there is kept out, and given no time by another list
		}
		list, h, err := d.accessList(ctx, scope, d.plant().Access.Within)
		if err == nil {
			err = d.roster.ListAccess(ctx, people.Actor{}, list, h)
		}
		if errors.Is(err, state.ErrConflict) {
			next = d.now().Add(time.Second)
			continue
		}
		if refused(err) {
			slog.WarnContext(ctx, "an access review could not be begun", "scope", scope, "why", err)
			continue
		}
		if err != nil {
			return next, err
		}
		next = earlier(next, list.At.Add(every))
	}
	return next, nil
}

// begun is when the log began.
func (d *Desk) begun(ctx context.Context) (time.Time, error) {
	d.uses.mu.Lock()
	defer d.uses.mu.Unlock()
	if d.uses.next == 0 {
		for leaf, err := range d.log.Upto(ctx, 0) {
			return leaf.Wall, err
		}
	}
	return d.uses.began, nil
}

// accessDebts are what access reviews, and firms, owe.
func (d *Desk) accessDebts(ctx context.Context) (all []policy.Debt, err error) {
	reviews, err := d.roster.AccessReviews(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range reviews {
		waits, err := d.roster.Waits(ctx, a)
		if err != nil {
			return nil, err
		}
		if len(waits) > 0 && !d.now().Before(a.Due) {
			all = append(all, policy.Debt{Kind: "access", What: strings.Replace(a.Scope, "/", " ", 1), Since: a.Due,
				Text: "nobody has confirmed in time: " + strings.Join(words(waits), ", ") + "; they are kept out"})
		}
	}
	firms, err := d.roster.Firms(ctx)
	if err != nil {
		return nil, fmt.Errorf("list firms: %w", err)
	}
	for _, f := range firms {
		if f.Plant {
			continue
		}
		p, err := d.roster.Person(ctx, f.Sponsor)
		if err != nil {
			return nil, fmt.Errorf("look up the sponsor of %s: %w", f.ID, err)
		}
		if p.Disabled {
			all = append(all, policy.Debt{Kind: "access", What: "firm " + string(f.ID), Text: "its sponsor " + string(f.Sponsor) + " has left; name another one"})
		}
	}
	return all, nil
}
