package audit

import "time"

// FirmEnded: a firm's contract ended at At, earlier than was written.
type FirmEnded struct {
	Firm string    `json:"firm"`
	By   string    `json:"by"`
	Why  string    `json:"why,omitempty"`
	At   time.Time `json:"at"`
}

// TermsAccepted: a person has accepted the text that their firm's record named
// then; it is good until Until.
type TermsAccepted struct {
	Person string    `json:"person"`
	Firm   string    `json:"firm"`
	Terms  Hash      `json:"terms"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"`
}

// TrainingNoted: By says that a person has a training, good until Until; without
// Until that they have it no longer.
type TrainingNoted struct {
	Person   string    `json:"person"`
	Training string    `json:"training"`
	Until    time.Time `json:"until,omitzero"`
	By       string    `json:"by"`
}

// EndingTold: somebody is told that a firm's contract, or a person's terms or
// training, ends at Until: Days days before at the most, or 0 when it has ended.
// What is contract, terms, training and its name, or standing and the window of a
// machine whose keeper Person is.
type EndingTold struct {
	Firm   string    `json:"firm"`
	Person string    `json:"person,omitempty"`
	What   string    `json:"what"`
	Until  time.Time `json:"until"`
	Days   int       `json:"days"`

	Sponsor string   `json:"sponsor,omitempty"` // of the firm
	Teams   []string `json:"teams,omitempty"`   // who confirm a standing agreement
}

// AccountLinked: Person signs in by an account of the plant's sign-in service,
// which Key names, from here on, by the word of By.
type AccountLinked struct {
	Person  string `json:"person"`
	Key     string `json:"key"`
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
	By      string `json:"by"`
}

var _ = events(AccountLinked{}, TermsAccepted{}, TrainingNoted{}, EndingTold{}, FirmEnded{}, FirmChanged{}, PersonInvited{},
	PersonJoined{}, PersonConfirmed{}, PersonChanged{}, PersonDisabled{}, KeyEnrolled{}, KeyVouched{}, KeyRemoved{})

func (AccountLinked) Type() string { return "account.linked" }
func (TermsAccepted) Type() string { return "terms.accepted" }
func (TrainingNoted) Type() string { return "training.noted" }
func (EndingTold) Type() string    { return "ending.told" }
func (FirmEnded) Type() string     { return "firm.ended" }

// FirmChanged makes or changes a firm; the fields are all of it. Terms names the
// text that each of its people accepts, for TermsDays days; zero: none.
type FirmChanged struct {
	Firm     string    `json:"firm"`
	Name     string    `json:"name"`
	Plant    bool      `json:"plant,omitempty"`
	Sponsor  string    `json:"sponsor,omitempty"`
	Networks []string  `json:"networks,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	By       string    `json:"by"`

	Terms     Hash `json:"terms,omitzero"`
	TermsDays int  `json:"terms_days,omitempty"`

	Source string `json:"source,omitempty"` // "system/id" there, if it was imported
}

// PersonInvited: an invitation whose code is Code by hash; ends at Until. Phone
// is "+" and digits (E.164), or empty. Source is as a firm's.
type PersonInvited struct {
	Person string    `json:"person"`
	Firm   string    `json:"firm"`
	Name   string    `json:"name"`
	Phone  string    `json:"phone,omitempty"`
	Roles  []string  `json:"roles,omitempty"`
	By     string    `json:"by"`
	Code   Hash      `json:"code"`
	Until  time.Time `json:"until"`
	Mail   string    `json:"mail,omitempty"`
	Source string    `json:"source,omitempty"`

	Machine bool `json:"machine,omitempty"` // it is a vendor's machine, for standing agreements alone
}

// PersonJoined: the code was given over a proven key, which is pending until PersonConfirmed.
type PersonJoined struct {
	Person string `json:"person"`
	Code   Hash   `json:"code"`
	Key    string `json:"key"` // fingerprint, SHA256:…
	Public string `json:"public"`
}

// PersonConfirmed: the sponsor saw the fingerprint and vouches for it.
type PersonConfirmed struct {
	Person string `json:"person"`
	Key    string `json:"key"`
	By     string `json:"by"`
}

// PersonChanged gives the person's name, firm, roles, phone and mail anew.
type PersonChanged struct {
	Person string   `json:"person"`
	Firm   string   `json:"firm"`
	Name   string   `json:"name"`
	Phone  string   `json:"phone,omitempty"`
	Mail   string   `json:"mail,omitempty"`
	Roles  []string `json:"roles,omitempty"`
	By     string   `json:"by"`
}

type PersonDisabled struct {
	Person string `json:"person"`
	By     string `json:"by"`
	Why    string `json:"why,omitempty"`
}

// KeyEnrolled adds a passkey to a person, or adds or replaces their key, password
// or code generator. Kind is ssh, passkey, password or totp. Public is set for
// ssh and passkey (authorized_keys form; the COSE key in base64url); Credential,
// AAGUID and Name are a passkey's: its credential id in base64url, the make of
// its authenticator in hex, and what its person calls it. Sealed names the
// document with the password hash or the secret, sealed to a key of keys/.
type KeyEnrolled struct {
	Person     string `json:"person"`
	Kind       string `json:"kind"`
	Key        string `json:"key"` // fingerprint for ssh and passkey, else the kind
	Public     string `json:"public,omitempty"`
	Credential string `json:"credential,omitempty"`
	AAGUID     string `json:"aaguid,omitempty"`
	Name       string `json:"name,omitempty"`
	Sealed     Hash   `json:"sealed,omitzero"`
	By         string `json:"by"`
}

// KeyVouched: By signed that a key is this person's; from here on it can sign
// answers. Document is the canonical evidence.Vouch with its proof.
type KeyVouched struct {
	Person   string `json:"person"`
	Key      string `json:"key"`
	By       string `json:"by"`
	Document Hash   `json:"document"`
}

type KeyRemoved struct {
	Person string `json:"person"`
	Key    string `json:"key"`
	By     string `json:"by"`
}

func (FirmChanged) Type() string     { return "firm.changed" }
func (PersonInvited) Type() string   { return "person.invited" }
func (PersonJoined) Type() string    { return "person.joined" }
func (PersonConfirmed) Type() string { return "person.confirmed" }
func (PersonChanged) Type() string   { return "person.changed" }
func (PersonDisabled) Type() string  { return "person.disabled" }
func (KeyEnrolled) Type() string     { return "key.enrolled" }
func (KeyVouched) Type() string      { return "key.vouched" }
func (KeyRemoved) Type() string      { return "key.removed" }
