package people

import (
	"context"
	"slices"

	"penstock/audit"
	"penstock/policy"
)

// Change gives a person's name and roles anew. By another holder of a security
// role, with a code: nobody gives themself a role.
func (r *Roster) Change(ctx context.Context, by Actor, who policy.PersonID, name string, roles []policy.Role) error {
	p, err := r.giving(ctx, by)
	if err != nil {
		return err
	}
	if !r.isSecurity(p) || by.Person == who {
		return rolesNotYours(by.Person, who)
	}
	have, firm, err := r.present(ctx, who)
	if err != nil {
		return err
	}
	if err := r.checkInvited(Invitation{Person: who, Name: name, Roles: roles}, firm); err != nil {
		return err
	}
	var rest []Person
	if r.isSecurity(have) && !r.isSecurity(Person{Roles: roles}) {
		if rest, err = r.keepsSecurity(ctx, who); err != nil {
			return err
		}
	}
	return r.commit(ctx, personRow+string(who), have.Rev+1, by.Person, audit.PersonChanged{
		Person: string(who), Firm: string(have.Firm), Name: name, Phone: have.Phone, Mail: have.Mail, Roles: plain(roles), By: string(by.Person),
	}, append(rest, p)...)
}

// ChangeRoles gives somebody of the plant roles and takes others from them; what
// is not named stays, so that a page gone stale takes back nobody else's change.
// By whom, and with what, as Change.
func (r *Roster) ChangeRoles(ctx context.Context, by Actor, who policy.PersonID, give, take []policy.Role) error {
	p, err := r.giving(ctx, by)
	if err != nil {
		return err
	}
	if !r.isSecurity(p) { // before it is said who is here
		return rolesNotYours(by.Person, who)
	}
	have, _, err := r.present(ctx, who)
	if err != nil {
		return err
	}
	roles := slices.DeleteFunc(slices.Clone(have.Roles), func(role policy.Role) bool { return slices.Contains(take, role) })
	for _, role := range give {
		if slices.Contains(take, role) {
			return refuse("person-fields", "One role cannot be given and taken at once. Say which it is.", "%s is both", role)
		}
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	if slices.Equal(roles, have.Roles) {
		return refuse("no-change", "That is how it is already: nothing was written.", "%s has %q", who, have.Roles)
	}
	return r.Change(ctx, by, who, have.Name, roles)
}

func rolesNotYours(by, who policy.PersonID) error {
	return refuse("not-yours", "Names and roles are changed by OT security, and nobody changes their own. Ask another one.", "%s may not change %s", by, who)
}

// SetPhone gives a person's number anew; empty takes it away. By whoever may
// invite them, with a code, and never by the person: who is rung up about a
// request is somebody whose number the plant knows, not whom a stolen sign-in names.
func (r *Roster) SetPhone(ctx context.Context, by Actor, who policy.PersonID, number string) error {
	number, err := cleanPhone(number)
	if err != nil {
		return badPhone(err)
	}
	return r.reach(ctx, by, who, func(p *Person) { p.Phone = number })
}

// SetMail gives the address to which notices about requests go anew, by the same
// people; empty takes it away.
func (r *Roster) SetMail(ctx context.Context, by Actor, who policy.PersonID, address string) error {
	address, err := cleanMail(address)
	if err != nil {
		return badMail(err)
	}
	return r.reach(ctx, by, who, func(p *Person) { p.Mail = address })
}

// reach changes how somebody is reached.
func (r *Roster) reach(ctx context.Context, by Actor, who policy.PersonID, change func(*Person)) error {
	p, err := r.giving(ctx, by)
	if err != nil {
		return err
	}
	have, firm, err := r.present(ctx, who)
	if err != nil {
		return err
	}
	if by.Person == who || !r.mayInvite(p, firm) {
		return refuse("not-yours", "A number or an address is written by the firm's sponsor or OT security, and nobody writes their own. Ask another one.", "%s may not write the number of %s", by.Person, who)
	}
	change(&have)
	return r.commit(ctx, personRow+string(who), have.Rev+1, by.Person, audit.PersonChanged{
		Person: string(who), Firm: string(have.Firm), Name: have.Name, Phone: have.Phone, Mail: have.Mail, Roles: plain(have.Roles), By: string(by.Person),
	}, p)
}

func badMail(err error) error {
	return refuse("bad-mail", "This is no address that a letter reaches: "+err.Error()+".", "%v", err)
}

func badPhone(err error) error {
	return refuse("bad-phone", "This is no number that can be rung up: "+err.Error()+".", "%v", err)
}

func machineKey(id string) error {
	return refuse("machine", "A machine has its one ssh key and nothing else. A new one comes by an invitation.", "%.40s is a machine", id)
}

// Enroll adds or replaces the actor's own password or code generator; k.Sealed
// is already put. The first of a kind over the person's own ssh key; another one
// in its place with a code. Either proof is of the last five minutes.
func (r *Roster) Enroll(ctx context.Context, by Actor, k Key) error {
	if k.Kind != Password && k.Kind != TOTP || k.Sealed.IsZero() {
		return refuse("enroll", "Only a password or a code generator is enrolled here; a new ssh key comes by an invitation.", "%.20q", k.Kind)
	}
	p, _, err := r.present(ctx, by.Person)
	if err != nil {
		return err
	}
	if p.Machine {
		return machineKey(string(p.ID))
	}
	if _, there := p.Key(k.Kind); there {
		if err := r.withCode(p, by); err != nil {
			return err
		}
	} else if !by.Proved(SSH) || !r.isFresh(by) {
		return refuse("key-needed", "The first password and the first code generator are set over your own ssh key: ssh desk@… setup says how.",
			"%s enrolls the first %s without a fresh ssh key", by.Person, k.Kind)
	}
	return r.commit(ctx, personRow+string(by.Person), p.Rev+1, by.Person, audit.KeyEnrolled{
		Person: string(by.Person), Kind: string(k.Kind), Key: string(k.Kind), Sealed: k.Sealed, By: string(by.Person),
	})
}

// RemoveKey takes a key, password or code generator away (a lost phone), by
// whoever may invite the person, and a passkey by its person too. To take an ssh key or passkey needs no code; a password or
// generator does, because the next one is then set over the ssh key alone.
func (r *Roster) RemoveKey(ctx context.Context, by Actor, who policy.PersonID, key string) error {
	p, err := r.plantPerson(ctx, by)
	if err != nil {
		return err
	}
	have, firm, err := r.present(ctx, who)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(have.Keys, func(k Key) bool { return k.ID == key })
	own := i >= 0 && by.Person == who && have.Keys[i].Kind == Passkey
	if !own && (!r.mayInvite(p, firm) || by.Person == who) {
		return notYours(by.Person, who, "take a key from")
	}
	if i < 0 {
		return noKey(who, key)
	}
	if k := have.Keys[i].Kind; k != SSH && k != Passkey && k != Account {
		if err := r.withCode(p, by); err != nil {
			return err
		}
	}
	return r.commit(ctx, personRow+string(who), have.Rev+1, by.Person, audit.KeyRemoved{
		Person: string(who), Key: key, By: string(by.Person),
	}, p)
}
