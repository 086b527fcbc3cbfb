package people

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Bounds of an account (OpenID Connect Core 1.0, 2: a subject has 255 at most).
const (
	maxIssuer  = 255
	maxSubject = 255
)

// AccountID names an account at a sign-in service: what its key row is called.
func AccountID(issuer, subject string) string {
	h := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return "oidc:" + base64.RawURLEncoding.EncodeToString(h[:])
}

// LinkAccount lets somebody of the plant sign in by an account of the plant's
// sign-in service: by issuer and subject, which its holder read out. By OT
// security, with a code, and never for oneself. An account belongs to one person
// for good; a person has one, and another in its place by taking the first away.
func (r *Roster) LinkAccount(ctx context.Context, by Actor, who policy.PersonID, issuer, subject string) error {
	p, err := r.giving(ctx, by)
	if err != nil {
		return err
	}
	have, firm, err := r.present(ctx, who)
	if err != nil {
		return err
	}
	if !r.isSecurity(p) || by.Person == who || !firm.Plant {
		return refuse("not-yours", "OT security links accounts, of the plant's own people, and nobody their own. Ask another one.", "%s links an account of %s", by.Person, who)
	}
	if u, err := url.Parse(issuer); err != nil || u.Host == "" || len(issuer) > maxIssuer || subject == "" || len(subject) > maxSubject || checkText("the subject", subject, maxSubject) != nil {
		return refuse("bad-account", "An account is the issuer's address and the subject that the page of signing in shows.", "issuer %.60q, subject %.60q", issuer, subject)
	}
	if _, has := have.Key(Account); has {
		return refuse("account-there", "This person has an account already. Take it away first.", "%s has one", who)
	}
	id := AccountID(issuer, subject)
	return r.commit(ctx, personRow+string(who), have.Rev+1, by.Person, audit.AccountLinked{Person: string(who), Key: id, Issuer: issuer, Subject: subject, By: string(by.Person)}, p)
}

// ByAccount finds the person who is here and to whom an account is linked; fs.ErrNotExist.
func (r *Roster) ByAccount(ctx context.Context, issuer, subject string) (Person, Key, error) {
	id := AccountID(issuer, subject)
	var owner keyOwner
	_, ok, err := read(ctx, r.rows, keyRow+id, &owner)
	if err != nil {
		return Person{}, Key{}, err
	}
	unknown := fmt.Errorf("account %s: %w", id, fs.ErrNotExist)
	if !ok {
		return Person{}, Key{}, unknown
	}
	p, err := r.Person(ctx, owner.Person)
	if err != nil {
		return Person{}, Key{}, err
	}
	i := slices.IndexFunc(p.Keys, func(k Key) bool { return k.Kind == Account && k.ID == id })
	if p.Disabled || i < 0 {
		return Person{}, Key{}, unknown
	}
	return p, p.Keys[i], nil
}

// AccountOf says whether the actor has proved the person's account anew, for
// giving: one that was taken away since proves nothing any more.
func (p Person) AccountOf(by Actor) bool {
	return by.Stepped && by.Proved(Account) && slices.ContainsFunc(p.Keys, func(k Key) bool { return k.Kind == Account && k.ID == by.Key })
}

func (f folding) linked(ctx context.Context, b audit.AccountLinked) ([]state.Change, error) {
	if b.Key != AccountID(b.Issuer, b.Subject) || b.By == b.Person {
		return nil, fmt.Errorf("account %s of %s: %w", b.Key, b.Person, errMismatch)
	}
	all, err := f.person(ctx, b.Person, func(p *Person) error {
		p.Keys = slices.DeleteFunc(p.Keys, func(k Key) bool { return k.Kind == Account })
		p.Keys = append(p.Keys, Key{Kind: Account, ID: b.Key, Issuer: b.Issuer, Subject: b.Subject, By: policy.PersonID(b.By)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	var owner keyOwner
	_, known, err := read(ctx, f.rows, keyRow+b.Key, &owner)
	switch {
	case err != nil:
		return nil, err
	case known && string(owner.Person) != b.Person:
		return nil, refuse("account-known", "This account is or was somebody else's here. Look whether it is the right one.", "%s is %s's", b.Key, owner.Person)
	case known:
		return all, nil
	}
	var own changes
	own.put(keyRow+b.Key, 1, keyOwner{policy.PersonID(b.Person)})
	more, err := own.done()
	return append(all, more...), errors.Join(err)
}
