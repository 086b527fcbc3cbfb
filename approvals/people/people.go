// Package people knows firms, persons, their keys and invitations: who somebody
// is, and which of their keys count since which leaf.
//
// It proves nobody: broker/login makes the Actor from a proof, and every verb
// here and in approvals takes one and checks its right. Passwords and code
// secrets are only here as hashes of sealed documents.
package people

import (
	"net/netip"
	"time"

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
	Kind    KeyKind         `json:"kind"`
	ID      string          `json:"id"`                // SHA256:… of an ssh key, else the kind
	Public  string          `json:"public,omitempty"`  // authorized_keys form without options or comment
	Sealed  audit.Hash      `json:"sealed,omitzero"`   // document: password hash or secret, sealed
	Pending bool            `json:"pending,omitempty"` // until the sponsor confirms it
	By      policy.PersonID `json:"by,omitempty"`      // of an ssh key: who invited it; empty: the bootstrap file
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
