package api

import "time"

// Envelope is one of the two sealed ones, as it stands.
type Envelope struct {
	ID     string    `json:"id"`
	Role   string    `json:"role"`
	Key    string    `json:"key"`
	By     string    `json:"by"`
	Sealed time.Time `json:"sealed"`
	Opened time.Time `json:"opened,omitzero"`
	Says   string    `json:"says,omitempty"` // who opened it, by their own word
	Source string    `json:"source,omitempty"`
	Receipted
}

// Firm is any organisation, the plant's own too.
type Firm struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Plant    bool      `json:"plant,omitempty"`
	Sponsor  string    `json:"sponsor,omitempty"`
	Networks []string  `json:"networks,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	Terms    string    `json:"terms,omitempty"` // hash of the text that its people accept; written by /firms/ID/terms
	Days     int       `json:"days,omitempty"`  // an acceptance is good
}

// Terms are the text that a firm's people accept before they work.
type Terms struct {
	Text     string    `json:"text"`
	Hash     string    `json:"hash,omitempty"`
	Days     int       `json:"days,omitempty"`    // an acceptance is good
	Accepted time.Time `json:"accepted,omitzero"` // by the reader, until when
}

// Training is what somebody has learned, and until when that is good.
type Training struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until,omitzero"` // in a call: zero takes it away
}

// Account is who somebody is at the plant's sign-in service.
type Account struct {
	Subject string `json:"subject"`
}

// Ending is a contract, an acceptance of terms or a training that ends soon, or has ended.
type Ending struct {
	Firm    string    `json:"firm"`
	Person  string    `json:"person,omitempty"`
	What    string    `json:"what"`
	Until   time.Time `json:"until"`
	Sponsor string    `json:"sponsor"`
}

// AccessReview is the newest list of who may come in for a firm, or holds a role.
type AccessReview struct {
	Scope    string         `json:"scope"`              // "firm/krall", "role/shift"
	Document string         `json:"document,omitempty"` // hash of the list
	At       time.Time      `json:"at,omitzero"`        // zero: there was none yet
	Due      time.Time      `json:"due,omitzero"`
	Overdue  bool           `json:"overdue,omitempty"`
	Open     []string       `json:"open,omitempty"` // who waits for a word
	May      bool           `json:"may,omitempty"`  // the reader may sign
	Lines    []AccessLine   `json:"lines,omitempty"`
	Signed   []AccessSigned `json:"signed,omitempty"`
}

// AccessLine is one person of a list.
type AccessLine struct {
	Person string    `json:"person"`
	Since  time.Time `json:"since"`
	By     string    `json:"by,omitempty"` // empty: the plant's first file
	Used   time.Time `json:"used,omitzero"`
	Open   bool      `json:"open,omitempty"`
}

// AccessSigned is one person's word on some of a list.
type AccessSigned struct {
	By    string    `json:"by"`
	At    time.Time `json:"at"`
	Kept  []string  `json:"kept,omitempty"`
	Ended []string  `json:"ended,omitempty"`
}

// AccessWord signs some of a list.
type AccessWord struct {
	Document string   `json:"document"`
	Keep     []string `json:"keep,omitempty"`
	End      []string `json:"end,omitempty"`
}

// Person is a human and their keys, secrets left out.
type Person struct {
	ID       string   `json:"id"`
	Firm     string   `json:"firm"`
	Name     string   `json:"name"`
	Phone    string   `json:"phone,omitempty"`
	Mail     string   `json:"mail,omitempty"`
	Roles    []string `json:"roles,omitempty"`
	Keys     []Key    `json:"keys,omitempty"`
	Disabled bool     `json:"disabled,omitempty"`
	Machine  bool     `json:"machine,omitempty"`

	Accepted time.Time  `json:"accepted,omitzero"` // the firm's terms as they are now, until when
	Training []Training `json:"training,omitempty"`
}

// PersonShown is one person with what they may do.
type PersonShown struct {
	Person
	May []Power `json:"may"`
}

// Power is one thing that somebody may do, in words.
type Power struct {
	Does string `json:"does"`
	Role string `json:"role,omitempty"` // that gives it
	From string `json:"from"`           // where it stands: "rule look", "zone line-1", "sponsor of firm krall"
	Not  string `json:"not,omitempty"`  // why it does not count at this moment
}

// Leaving is what ends when somebody leaves, or a firm's contract ends. Says is all
// of it in sentences; the others name what each is about.
type Leaving struct {
	People    []string `json:"people"`
	Firm      string   `json:"firm,omitempty"`
	Says      []string `json:"says"`
	Ended     []string `json:"ended"`     // windows
	Runs      []string `json:"runs"`      // windows that go on for others
	Rests     []string `json:"rests"`     // windows that run by the person's word
	Unused    []string `json:"unused"`    // windows that were agreed
	Withdrawn []string `json:"withdrawn"` // requests
	Answers   []string `json:"answers"`   // requests whose yes is taken back
	Escorts   []string `json:"escorts"`   // windows
	Sponsors  []string `json:"sponsors"`  // firms
}

// Key is one way of a person to prove themselves.
type Key struct {
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	Pending bool   `json:"pending,omitempty"`
	Signs   bool   `json:"signs,omitempty"` // answers signed with it count
	Name    string `json:"name,omitempty"`  // of a passkey
}

// Invitation lets one named person bring a key. Code is only in the answer to the inviter.
type Invitation struct {
	Person  string    `json:"person"`
	Firm    string    `json:"firm"`
	Name    string    `json:"name"`
	Phone   string    `json:"phone,omitempty"`
	Roles   []string  `json:"roles,omitempty"`
	Until   time.Time `json:"until,omitzero"`
	Code    string    `json:"code,omitempty"`
	Machine bool      `json:"machine,omitempty"` // a vendor's machine, for standing agreements alone
	Mail    string    `json:"mail,omitempty"`
}
