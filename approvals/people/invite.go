package people

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// Of an invitation's code (DESIGN 5.1).
const (
	codeBytes = 10 // 80 random bits
	codeLife  = 24 * time.Hour
)

// newCode is 16 letters and digits in groups of four (RFC 4648 base32).
func newCode() string {
	var b [codeBytes]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	s := base32.StdEncoding.EncodeToString(b[:])
	return strings.Join([]string{s[:4], s[4:8], s[8:12], s[12:]}, "-")
}

// hashCode forgives what people do to a code: small letters, spaces, hyphens,
// and the digits that base32 has not.
func hashCode(code string) audit.Hash {
	if len(code) > 64 {
		code = code[:64]
	}
	mended := strings.NewReplacer("-", "", " ", "", "0", "O", "1", "I", "8", "B").Replace(strings.ToUpper(code))
	return audit.HashOf([]byte(mended))
}

// Invite makes an invitation and its code: 80 random bits, shown once, good for
// 24 h and one key; only its hash is kept. By a person of the plant with a code
// of the last five minutes: for a vendor the firm's sponsor or security, for the
// plant's own security. Of somebody who is there already name, firm and roles
// stay as they are; nobody invites themself.
func (r *Roster) Invite(ctx context.Context, by Actor, who Invitation) (Invitation, error) {
	p, err := r.wayBack(ctx, by)
	if err != nil {
		return Invitation{}, err
	}
	if who.Person == by.Person {
		return Invitation{}, refuse("own-invitation", "Nobody invites themself: ask another person with the security role.", "%s invites themself", by.Person)
	}
	if who.Phone, err = cleanPhone(who.Phone); err != nil {
		return Invitation{}, badPhone(err)
	}
	if who.Mail, err = cleanMail(who.Mail); err != nil {
		return Invitation{}, badMail(err)
	}
	who, err = r.fill(ctx, who)
	if err != nil {
		return Invitation{}, err
	}
	firm, err := r.Firm(ctx, who.Firm)
	if errors.Is(err, fs.ErrNotExist) {
		return Invitation{}, refuse("no-such-firm", "There is no such firm here. Make the firm first.", "firm %.40q", who.Firm)
	}
	if err != nil {
		return Invitation{}, err
	}
	if !r.mayInvite(p, firm) {
		return Invitation{}, notYours(by.Person, who.Person, "invite")
	}
	if err := r.checkInvited(who, firm); err != nil {
		return Invitation{}, err
	}
	who.By, who.Code, who.Until = by.Person, newCode(), cleanTime(r.Now().Add(codeLife))
	return who, r.invite(ctx, p, who)
}

func (r *Roster) invite(ctx context.Context, by Person, who Invitation) error {
	code := hashCode(who.Code)
	return r.commit(ctx, inviteKey(code), 1, who.By, audit.PersonInvited{
		Person: string(who.Person), Firm: string(who.Firm), Name: who.Name, Phone: who.Phone, Roles: plain(who.Roles),
		By: string(who.By), Code: code, Until: who.Until, Mail: who.Mail, Source: who.Source, Machine: who.Machine,
	}, by)
}

// fill takes what is known of somebody who is there already.
func (r *Roster) fill(ctx context.Context, who Invitation) (Invitation, error) {
	have, err := r.Person(ctx, who.Person)
	if errors.Is(err, fs.ErrNotExist) {
		return who, nil
	}
	if err != nil {
		return who, err
	}
	differs := who.Machine && !have.Machine || who.Firm != "" && who.Firm != have.Firm || who.Name != "" && who.Name != have.Name ||
		len(who.Roles) > 0 && !slices.Equal(who.Roles, have.Roles) || who.Phone != "" && who.Phone != have.Phone || who.Mail != "" && who.Mail != have.Mail
	if have.Disabled || differs {
		return who, refuse("person-there", "This id is somebody who is here already, or was. A new key comes by an invitation with the id alone; somebody else needs another id.",
			"%s is there with other fields, or disabled", who.Person)
	}
	who.Firm, who.Name, who.Roles, who.Phone, who.Mail, who.Source, who.Machine = have.Firm, have.Name, have.Roles, have.Phone, have.Mail, have.Source, have.Machine
	return who, nil
}

func (r *Roster) checkInvited(who Invitation, firm Firm) error {
	bad := func(why string) error {
		return refuse("person-fields", "The person cannot be invited so: "+why+".", "%s", why)
	}
	if !policy.ValidID(string(who.Person)) || reserved[who.Person] {
		return bad("an id is a small letter, then small letters, digits and hyphens, at most 32, and not join, desk, cert or penstock")
	}
	if err := cmp.Or(checkName("the name", who.Name), checkText("the id of its source", who.Source, maxSource)); err != nil {
		return bad(err.Error())
	}
	if len(who.Roles) > 0 && !firm.Plant {
		return bad("roles are the plant's own, a vendor's person has none")
	}
	if who.Machine && firm.Plant {
		return bad("a machine is a vendor's; the plant's own do not come through here")
	}
	if err := checkRoles(who.Roles, r.Roles); err != nil {
		return bad(err.Error())
	}
	return nil
}

// reserved ids would be taken for the SSH front door's own names (DESIGN 5.1),
// for the server as an actor, or for an envelope.
var reserved = map[policy.PersonID]bool{"join": true, "desk": true, "cert": true, "agent": true, "penstock": true, evidence.EnvelopeRoom: true, evidence.EnvelopeSecurity: true}

// Join brings a proven key under a code; the key is pending until Confirm. One
// answer for wrong, spent and late codes, and for those of an inviter who is
// disabled by now; each of them costs the same reads. A key that anybody has or
// had is refused, and then the code still works.
func (r *Roster) Join(ctx context.Context, code, authorizedKey string) (Person, error) {
	public, fingerprint, err := parseKey(authorizedKey)
	if err != nil {
		return Person{}, refuse("key-refused", "This key cannot be used: "+err.Error()+".", "%v", err)
	}
	var p Person
	err = again(func() (err error) {
		p, err = r.join(ctx, hashCode(code), public, fingerprint)
		return err
	})
	return p, err
}

func (r *Roster) join(ctx context.Context, code audit.Hash, public, fingerprint string) (Person, error) {
	inv := Invitation{Person: "nobody", By: "nobody"} // a wrong code reads as many rows
	_, found, err := read(ctx, r.rows, inviteKey(code), &inv)
	if err != nil {
		return Person{}, err
	}
	var p, inviter Person
	rev, there, err1 := read(ctx, r.rows, personRow+string(inv.Person), &p)
	_, invited, err2 := read(ctx, r.rows, personRow+string(inv.By), &inviter)
	if err := errors.Join(err1, err2); err != nil {
		return Person{}, err
	}
	switch {
	case !found:
		return Person{}, wrongCode("no invitation has this code, or it is spent")
	case !r.Now().Before(inv.Until):
		return Person{}, wrongCode("the code is late")
	case !invited || inviter.Disabled:
		return Person{}, wrongCode("the inviter is disabled")
	case there && !inv.fits(p):
		return Person{}, wrongCode("the person is disabled, or not any more as invited")
	}
	err = r.commit(ctx, personRow+string(inv.Person), rev+1, inv.Person, audit.PersonJoined{
		Person: string(inv.Person), Code: code, Key: fingerprint, Public: public,
	}, inviter)
	if err != nil {
		return Person{}, err
	}
	return r.Person(ctx, inv.Person)
}

// Confirm makes a pending key count, and the person's earlier ssh key not any
// more. By somebody who has compared the fingerprint, with a code: for a vendor
// the firm's sponsor or the inviter; for the plant's own a holder of a security
// role who did not invite. Never by the person.
func (r *Roster) Confirm(ctx context.Context, by Actor, who policy.PersonID, fingerprint string) error {
	p, err := r.wayBack(ctx, by)
	if err != nil {
		return err
	}
	joined, firm, err := r.present(ctx, who)
	if _, absent := errors.AsType[*policy.Refusal](err); absent {
		return r.invitedOnly(ctx, who, err)
	}
	if err != nil {
		return err
	}
	i := slices.IndexFunc(joined.Keys, func(k Key) bool { return k.Kind == SSH && k.Pending && k.ID == fingerprint })
	if i < 0 {
		return noPending(who, fingerprint)
	}
	may, err := r.mayConfirm(ctx, p, joined, firm, joined.Keys[i])
	if err != nil {
		return err
	}
	if !may {
		return refuse("confirm", "This key is for another one to confirm: a vendor's for the firm's sponsor or the inviter, a plant person's for OT security, not the inviter and never the person.",
			"%s may not confirm %s of %s", by.Person, fingerprint, who)
	}
	return r.commit(ctx, personRow+string(who), joined.Rev+1, by.Person, audit.PersonConfirmed{
		Person: string(who), Key: fingerprint, By: string(by.Person),
	}, p)
}

// invitedOnly says that somebody who was invited has brought no key yet; absent
// is the answer where nobody of this name was invited either.
func (r *Roster) invitedOnly(ctx context.Context, who policy.PersonID, absent error) error {
	for row, err := range r.rows.List(ctx, inviteRow) {
		var inv Invitation
		if err == nil {
			err = json.Unmarshal(row.Value, &inv)
		}
		switch {
		case err != nil:
			return fmt.Errorf("list invitations: %w", err)
		case inv.Person != who:
		case r.Now().Before(inv.Until):
			return refuse("no-key-yet", "This person is invited and has not brought a key yet: there is nothing to confirm. They type the line that came with the invitation "+
				"(ssh join@…) and give its code; then compare the fingerprint with them, and confirm.", "%s is invited until %s and has no key", who, inv.Until)
		default:
			absent = refuse("invitation-late", "This person never brought a key, and their invitation is over. Invite them again.",
				"the invitation of %s ended %s", who, inv.Until)
		}
	}
	return absent
}

// present is somebody who is there and not disabled, and the firm.
func (r *Roster) present(ctx context.Context, id policy.PersonID) (Person, Firm, error) {
	p, err := r.Person(ctx, id)
	if errors.Is(err, fs.ErrNotExist) || err == nil && p.Disabled {
		return Person{}, Firm{}, nobody(id)
	}
	if err != nil {
		return Person{}, Firm{}, err
	}
	f, err := r.Firm(ctx, p.Firm)
	return p, f, err
}
