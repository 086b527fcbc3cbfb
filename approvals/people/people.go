// Package people knows firms, persons, their keys and invitations: who somebody
// is, and which of their keys count since which leaf.
//
// It proves nobody: broker/login makes the Actor from a proof, and every verb
// here and in approvals takes one and checks its right. A verb believes of the
// Actor only who it is, when that was proved and with which code; firm, roles
// and whether the person is still here it reads anew. Passwords and code
// secrets are only here as hashes of sealed documents.
//
// How somebody comes in: the first people of the plant stand in the bootstrap
// file that the first leaf names. Everybody else is invited (Invite: a code of
// 80 bits, once, 24 h, kept as a hash), brings a proven key (Join: pending), and
// is confirmed by somebody who has compared the fingerprint (Confirm). A vendor's
// person is invited by the firm's sponsor or OT security, and confirmed by the
// sponsor or the inviter; a person of the plant is invited by one holder of a
// security role and confirmed by another, because whoever could do both alone
// could answer as two. Password and code generator are the person's own to set
// (Enroll), the first time over the ssh key.
//
// A person has one ssh key that counts and at most one that is pending, one
// password and one code generator. A key belongs to one person for good: taken
// away or replaced it does not come back, for nobody. Disabled is for good too.
//
// Rows are firm/…, person/…, invitation/… and key/… (fingerprint → person). The
// Roster reads them through Journal.Checked: a row that somebody edits while the
// server runs is refused by whatever reads it, and made again from the log at
// the next start. What Enroll names is sealed; its text is nowhere in here.
package people

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Firm is any organisation, the plant's own (Plant) too.
type Firm struct {
	ID       policy.FirmID   `json:"id"`
	Name     string          `json:"name"`
	Plant    bool            `json:"plant,omitempty"`
	Sponsor  policy.PersonID `json:"sponsor,omitempty"`
	Networks []netip.Prefix  `json:"networks,omitempty"`
	Until    time.Time       `json:"until,omitzero"`

	Terms     audit.Hash `json:"terms,omitzero"`       // document: what each of its people accepts; zero: nothing
	TermsDays int        `json:"terms_days,omitempty"` // how long an acceptance is good

	Source string `json:"source,omitempty"` // "system/id" in the system that it was imported from; empty: written here
}

// KeyKind is how a person proves who they are.
type KeyKind string

const (
	SSH      KeyKind = "ssh"
	Password KeyKind = "password"
	TOTP     KeyKind = "totp"
	Passkey  KeyKind = "passkey"
	Account  KeyKind = "oidc" // at the plant's own sign-in service
)

// Key is one way of one person to prove themselves.
type Key struct {
	Kind    KeyKind         `json:"kind"`
	ID      string          `json:"id"`                // SHA256:… of an ssh key or passkey, else the kind
	Public  string          `json:"public,omitempty"`  // authorized_keys form without options or comment; of a passkey the COSE key in base64url
	Sealed  audit.Hash      `json:"sealed,omitzero"`   // document: password hash or secret, sealed
	Pending bool            `json:"pending,omitempty"` // until the sponsor confirms it; of a passkey until somebody vouches for it
	By      policy.PersonID `json:"by,omitempty"`      // of an ssh key: who invited it; empty: the bootstrap file
	Vouched policy.PersonID `json:"vouched,omitempty"` // who signed that it is this person's

	Credential string `json:"credential,omitempty"` // of a passkey: its credential id in base64url
	AAGUID     string `json:"aaguid,omitempty"`     // of a passkey: the make of its authenticator, in hex
	Name       string `json:"name,omitempty"`       // of a passkey: what its person calls it

	Issuer  string `json:"issuer,omitempty"` // of an account: whose, and who it is there
	Subject string `json:"subject,omitempty"`
}

// Signs says whether answers signed with it count: it is of the bootstrap file,
// or somebody has vouched for it. Who decides on it asks evidence.Keyring.
func (k Key) Signs() bool {
	return !k.Pending && (k.Kind == Passkey && k.Vouched != "" || k.Kind == SSH && (k.By == "" || k.Vouched != ""))
}

// Person is a human, or a vendor's Machine. A disabled or pending person's keys open nothing.
type Person struct {
	ID       policy.PersonID `json:"id"`
	Firm     policy.FirmID   `json:"firm"`
	Name     string          `json:"name"`
	Phone    string          `json:"phone,omitempty"` // E.164, "+494315550121"; shown to the plant's people only
	Mail     string          `json:"mail,omitempty"`  // where notices go; shown to the plant's people only
	Roles    []policy.Role   `json:"roles,omitempty"`
	Keys     []Key           `json:"keys,omitempty"`
	Disabled bool            `json:"disabled,omitempty"`
	Machine  bool            `json:"machine,omitempty"` // no human: a vendor's machine, which comes by standing agreements alone

	Accepted Acceptance        `json:"accepted,omitzero"`
	Training []policy.Training `json:"training,omitempty"` // by name
	Source   string            `json:"source,omitempty"`   // as a firm's

	Rev uint64       `json:"-"`
	On  []state.Seen `json:"-"` // what else Roles rest on: rosters, where approvals has asked who is on duty
}

// Acceptance is of one text of terms, until when it is good.
type Acceptance struct {
	Terms audit.Hash `json:"terms"`
	Until time.Time  `json:"until"`
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
	Person  policy.PersonID `json:"person"`
	Firm    policy.FirmID   `json:"firm"`
	Name    string          `json:"name"`
	Phone   string          `json:"phone,omitempty"`
	Roles   []policy.Role   `json:"roles,omitempty"`
	By      policy.PersonID `json:"by"`
	Until   time.Time       `json:"until"`
	Mail    string          `json:"mail,omitempty"`
	Source  string          `json:"source,omitempty"`  // as a firm's
	Machine bool            `json:"machine,omitempty"` // it is a vendor's machine
	Code    string          `json:"-"`                 // only on return from Invite; hashed at rest
}

// Actor is a person who has just proved who they are. Only broker/login makes
// one; every verb takes one and checks its right.
type Actor struct {
	Person policy.PersonID
	Name   string // that others read; as it was when they signed in, or at their newest step
	Firm   policy.FirmID
	Plant  bool // the firm is the plant
	Roles  []policy.Role
	Proofs []KeyKind
	At     time.Time // of the proof
	Step   int64     // TOTP step that was spent, 0 if none
	Key    string    // fingerprint of the passkey in Proofs, or id of the account; empty if none
	Source netip.Addr
	Kiosk  bool // no person: a browser that OT security enrolled, which may only take
	// Screen is the kiosk at which the person gives by a tap of their own passkey:
	// what they do there rests on the text that they signed, and on nothing else.
	Screen policy.PersonID

	Machine bool // no person either: a vendor's machine

	Stepped bool          // the account was proved anew for this, at the sign-in service
	Without []policy.Role // that the sign-in did not carry: what the person holds of them does not count
}

// Narrow leaves the roles that the sign-in carried.
func (a Actor) Narrow(roles []policy.Role) []policy.Role {
	if len(a.Without) == 0 {
		return roles
	}
	return slices.DeleteFunc(slices.Clone(roles), func(r policy.Role) bool { return slices.Contains(a.Without, r) })
}

// Whole refuses to let somebody give by a sign-in that did not carry a role which
// they hold: their word is of all their roles or of none.
func (a Actor) Whole(roles []policy.Role) error {
	for _, r := range roles {
		if slices.Contains(a.Without, r) {
			return refuse("group-missing", fmt.Sprintf("Your sign-in did not bring the group of %s, which you hold here. To give anything sign in by passkey, or by password and code, or have the group put right.", r),
				"%s holds %s, and the sign-in service did not say so", a.Person, r)
		}
	}
	return nil
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
