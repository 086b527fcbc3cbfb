// Package people knows firms, persons, their keys and invitations: who somebody
// is, and which of their keys count since which leaf.
//
// It proves nobody: broker/login makes the Actor from a proof, and every verb
// here and in approvals takes one and checks its right. Passwords and code
// secrets are only here as hashes of sealed documents.
package people

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

var errUnbuilt = errors.New("not built yet")

// Firm is any organisation, the plant's own (Plant) too.
type Firm struct {
	ID       policy.FirmID   `json:"id"`
	Name     string          `json:"name"`
	Plant    bool            `json:"plant,omitempty"`
	Sponsor  policy.PersonID `json:"sponsor,omitempty"`
	Networks []netip.Prefix  `json:"networks,omitempty"`
	Until    time.Time       `json:"until,omitzero"`
}

// KeyKind is how a person proves who they are.
type KeyKind string

const (
	SSH      KeyKind = "ssh"
	Password KeyKind = "password"
	TOTP     KeyKind = "totp"
)

// Key is one way of one person to prove themselves.
type Key struct {
	Kind    KeyKind    `json:"kind"`
	ID      string     `json:"id"`                // SHA256:… of an ssh key, else the kind
	Public  string     `json:"public,omitempty"`  // authorized_keys form without options or comment
	Sealed  audit.Hash `json:"sealed,omitzero"`   // document: password hash or secret, sealed
	Pending bool       `json:"pending,omitempty"` // until the sponsor confirms it
}

// Person is a human. A disabled or pending person's keys open nothing.
type Person struct {
	ID       policy.PersonID `json:"id"`
	Firm     policy.FirmID   `json:"firm"`
	Name     string          `json:"name"`
	Roles    []policy.Role   `json:"roles,omitempty"`
	Keys     []Key           `json:"keys,omitempty"`
	Disabled bool            `json:"disabled,omitempty"`
	Rev      uint64          `json:"-"`
}

// Key of a kind that counts now (not pending); ok is false if there is none.
func (p Person) Key(kind KeyKind) (Key, bool) {
	for _, k := range p.Keys {
		if k.Kind == kind && !k.Pending {
			return k, true
		}
	}
	return Key{}, false
}

// Has says whether the person holds a role.
func (p Person) Has(r policy.Role) bool {
	for _, have := range p.Roles {
		if have == r {
			return true
		}
	}
	return false
}

// Invitation lets one named person bring a key, once.
type Invitation struct {
	Person policy.PersonID `json:"person"`
	Firm   policy.FirmID   `json:"firm"`
	Name   string          `json:"name"`
	Roles  []policy.Role   `json:"roles,omitempty"`
	By     policy.PersonID `json:"by"`
	Until  time.Time       `json:"until"`
	Code   string          `json:"-"` // only on return from Invite; hashed at rest
}

// Actor is a person who has just proved who they are. Only broker/login makes
// one; every verb takes one and checks its right.
type Actor struct {
	Person policy.PersonID
	Firm   policy.FirmID
	Plant  bool // the firm is the plant
	Roles  []policy.Role
	Proofs []KeyKind
	At     time.Time // of the proof
	Step   int64     // TOTP step that was spent, 0 if none
	Source netip.Addr
}

// Has says whether the actor holds a role.
func (a Actor) Has(r policy.Role) bool {
	for _, have := range a.Roles {
		if have == r {
			return true
		}
	}
	return false
}

// Proved says whether a kind of proof was given.
func (a Actor) Proved(k KeyKind) bool {
	for _, have := range a.Proofs {
		if have == k {
			return true
		}
	}
	return false
}

// Roster is the directory of firms and persons. Errors of its verbs:
// *policy.Refusal, state.ErrConflict, else a fault.
type Roster struct{}

// NewRoster reads rows and commits through the journal.
func NewRoster(j *state.Journal, rows state.Reader, docs *audit.Documents) *Roster {
	panic(errUnbuilt)
}

func (r *Roster) Person(ctx context.Context, id policy.PersonID) (Person, error) { // fs.ErrNotExist
	return Person{}, errUnbuilt
}
func (r *Roster) Firm(ctx context.Context, id policy.FirmID) (Firm, error) { // fs.ErrNotExist
	return Firm{}, errUnbuilt
}
func (r *Roster) People(ctx context.Context) ([]Person, error) { return nil, errUnbuilt }
func (r *Roster) Firms(ctx context.Context) ([]Firm, error)    { return nil, errUnbuilt }

// ByKey finds the person whose confirmed, present key this is; pending keys and
// disabled persons are fs.ErrNotExist. authorizedKey is in authorized_keys form
// without options or comment.
func (r *Roster) ByKey(ctx context.Context, authorizedKey string) (Person, error) {
	return Person{}, errUnbuilt
}

// Facts are the person as policy sees them.
func (r *Roster) Facts(ctx context.Context, id policy.PersonID) (policy.PersonFacts, error) {
	return policy.PersonFacts{}, errUnbuilt
}

// SetFirm makes or changes a firm. By somebody of the plant who may: Inviting roles.
func (r *Roster) SetFirm(ctx context.Context, by Actor, f Firm) error { return errUnbuilt }

// Invite makes an invitation and its code: 80 random bits, shown once, good for
// 24 h and one key. Only people of the plant invite; of the plant's own people only
// holders of the security role may invite.
func (r *Roster) Invite(ctx context.Context, by Actor, who Invitation) (Invitation, error) {
	return Invitation{}, errUnbuilt
}

// Join brings a proven key under a code; the key is pending. One answer for
// wrong, spent and late codes.
func (r *Roster) Join(ctx context.Context, code, authorizedKey string) (Person, error) {
	return Person{}, errUnbuilt
}

// Confirm makes a pending key count: by the firm's sponsor or the inviter, who
// has compared the fingerprint; never by the person.
func (r *Roster) Confirm(ctx context.Context, by Actor, who policy.PersonID, fingerprint string) error {
	return errUnbuilt
}

// Enroll adds or replaces the actor's own password or code generator; k.Sealed is already put.
func (r *Roster) Enroll(ctx context.Context, by Actor, k Key) error { return errUnbuilt }

// Disable ends a person's access; sessions end by the watch.
func (r *Roster) Disable(ctx context.Context, by Actor, who policy.PersonID, why string) error {
	return errUnbuilt
}

// Fold makes rows firm/…, person/…, invitation/… and key/… of leaves.
func Fold(docs *audit.Documents) state.Fold { panic(errUnbuilt) }
