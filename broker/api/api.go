// Package api is the JSON of /api/v1 and its client: what pages, command line
// and other programs say to a broker and hear from it.
//
// It decides nothing and keeps nothing. Names are the words of DESIGN section 2;
// times are RFC 3339 in UTC, a zero time is left out.
package api

import "time"

// SignIn asks for a token. Without a code the token may look and take (pause,
// end, cut, block), not give.
type SignIn struct {
	Person   string `json:"person"`
	Password string `json:"password"`
	Code     string `json:"code,omitempty"`
}

// Token is a bearer token, good until Until for this person alone.
type Token struct {
	Token  string    `json:"token"`
	Until  time.Time `json:"until"`
	Person string    `json:"person"`
	Name   string    `json:"name"`
	Roles  []string  `json:"roles"`
}

// Target is one way into one asset.
type Target struct {
	Asset   string `json:"asset"`
	Port    string `json:"port"`
	Account string `json:"account,omitempty"`
}

// Ask is a request to be made. Port may be left out of a target with an account: ssh.
type Ask struct {
	Firm      string   `json:"firm"`
	People    []string `json:"people"`
	Targets   []Target `json:"targets"`
	Rights    []string `json:"rights"`
	Reason    string   `json:"reason"`
	WorkOrder string   `json:"work_order,omitempty"`
	Change    string   `json:"change,omitempty"`
	Backup    string   `json:"backup,omitempty"`
	Backout   string   `json:"backout,omitempty"`
	AreaClear string   `json:"area_clear,omitempty"`
	Kind      string   `json:"kind,omitempty"`      // remote, emergency, on-site, standing, connectivity, exception; empty: remote
	Laptop    string   `json:"laptop,omitempty"`    // of kind on-site: its name or tag; the targets name machines alone
	Jack      string   `json:"jack,omitempty"`      // of kind on-site: the service jack, through which it is recorded; targets then name ways in
	Machine   *Machine `json:"machine,omitempty"`   // of kind standing: what holds the one machine that is its people
	Starts    []string `json:"starts,omitempty"`    // of an emergency, computed: the rights until the second tap
	Waives    []string `json:"waives,omitempty"`    // of an emergency or exception, computed: calendars, and longest, that it passes over
	Happening string   `json:"happening,omitempty"` // safety, stopped, degraded or planned, as the one who asks sees it
	Outage    string   `json:"outage,omitempty"`    // O-1: it is to be a row of that list
	Drill     bool     `json:"drill,omitempty"`     // the plant's exercise: as real as any, and counted in no measure
	// FileHashes are SHA-256 of files that will be brought: where files wait, these
	// are released by themselves once they were looked at.
	FileHashes []string `json:"file_hashes,omitempty"`
	// Registers alone may be changed: by name, object or label of the plant file's
	// register sheet, with "asset: " before it where two machines have it.
	Registers []string  `json:"registers,omitempty"`
	Minutes   int       `json:"minutes"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Pattern   string    `json:"pattern,omitempty"` // to ask under; empty: the first that it lies inside; none: under none
}

// Limits narrow a yes; what is left out does not limit.
type Limits struct {
	Rights  []string  `json:"rights,omitempty"`
	Targets []Target  `json:"targets,omitempty"`
	Minutes int       `json:"minutes,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

// Answer is one person's reply to the revision whose document hash is Document.
type Answer struct {
	Spoken    string    `json:"spoken,omitempty"` // whose yes was heard on the telephone
	Document  string    `json:"document"`
	Says      string    `json:"says"` // yes, no, not-before, question
	Role      string    `json:"role,omitempty"`
	Why       string    `json:"why,omitempty"`
	Limits    Limits    `json:"limits,omitzero"`
	NotBefore time.Time `json:"not_before,omitzero"`
	Signed    *Signed   `json:"signed,omitempty"` // the whole answer as it was signed; only Document counts beside it
}

// Draft is a text that somebody shall sign: an answer, an extension, or a word
// for another's key. Text is canonical JSON; ssh-keygen -Y sign -n Namespace
// signs exactly these bytes. Request is the exact text that an answer is to.
type Draft struct {
	Text      string `json:"text"`
	Namespace string `json:"namespace"`
	Request   string `json:"request,omitempty"`
}

// Signed is a draft's text with its proof (evidence.Proof).
type Signed struct {
	Text string `json:"text"`
	Kind string `json:"kind"`
	Key  string `json:"key"`
	Data string `json:"data"`
}

// Told is what was said to a question; to say something only Text is given.
type Told struct {
	Person string    `json:"person,omitempty"`
	Text   string    `json:"text"`
	At     time.Time `json:"at,omitzero"`
}

// AnswerLine is one answer in a list.
type AnswerLine struct {
	Person string    `json:"person"`
	Role   string    `json:"role"`
	Says   string    `json:"says"`
	Why    string    `json:"why,omitempty"`
	Limits Limits    `json:"limits,omitzero"`
	Heard  string    `json:"heard,omitempty"` // by whom, where it was spoken on the telephone; the proof is theirs
	Proof  string    `json:"proof,omitempty"` // totp (the server's word), webauthn, sshsig
	At     time.Time `json:"at"`
}

// Need is who must still say yes.
type Need struct {
	Role  string `json:"role"`
	Count int    `json:"count"`
	Rule  string `json:"rule"`
}

// Request is a request's newest revision.
type Request struct {
	ID       string       `json:"id"`
	State    string       `json:"state"`
	Rev      int          `json:"rev"`
	Document string       `json:"document"` // sha256:… of the exact text
	Words    []string     `json:"words"`    // the eight words of that hash
	Ask      Ask          `json:"ask"`
	By       string       `json:"by"`
	Priority string       `json:"priority"` // P1 to P4, that counts
	Computed string       `json:"computed"` // from the plant file; another than Priority where somebody of the plant said so
	Can      string       `json:"can"`      // this line and the next two are computed, and part of the text that is answered
	Worst    string       `json:"worst"`
	Stopper  string       `json:"stopper"`
	Weak     string       `json:"weak,omitempty"`   // machines that are spoken to in old SSH, and who answers for it
	Files    string       `json:"files,omitempty"`  // which files pass, and what waits for a look
	Red      []string     `json:"red,omitempty"`    // what is out of order, worst first: by night, to look
	Escort   bool         `json:"escort,omitempty"` // they work under an escort, whatever the rules ask
	Open     string       `json:"open"`
	Needs    []Need       `json:"needs,omitempty"`
	Answers  []AnswerLine `json:"answers,omitempty"`
	Told     []Told       `json:"told,omitempty"` // to questions
	Window   string       `json:"window,omitempty"`
	Under    *Under       `json:"under,omitempty"` // the pattern that it names
	Receipted
	Asleep time.Time `json:"asleep_until,omitzero"`
	At     time.Time `json:"at"`
}

// Window is where a window stands.
type Window struct {
	ID       string    `json:"id"`
	Request  string    `json:"request"`
	State    string    `json:"state"`
	Firm     string    `json:"firm"`
	People   []string  `json:"people"`
	Targets  []Target  `json:"targets"`
	Rights   []string  `json:"rights"`
	Minutes  int       `json:"minutes"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Opened   time.Time `json:"opened,omitzero"`
	OpenedBy string    `json:"opened_by,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	By       string    `json:"by,omitempty"`
	Why      string    `json:"why,omitempty"`
	HandBack string    `json:"hand_back,omitempty"`
	Pausing  string    `json:"pausing,omitempty"`      // who has said: paused once its transfer is done
	Left     []Left    `json:"left,omitempty"`         // what its work left behind, gone or not
	NoBack   bool      `json:"no_hand_back,omitempty"` // of a machine, and of a connectivity test: it is closed without
	Open     string    `json:"open"`                   // who opens it: shift, auto or vendor
	Kept     string    `json:"kept,omitempty"`         // of auto: why it has not opened yet
	HalfDone []string  `json:"half_done,omitempty"`    // while ending: the transfers that may finish
	Gates    []Gate    `json:"gates,omitempty"`        // that its rules ask, as they stand; while it is not over
	Escort   *Escort   `json:"escort,omitempty"`       // where its rules ask for one

	Exception bool     `json:"exception,omitempty"`
	Jack      string   `json:"jack,omitempty"`    // of work on site through a service jack, which is recorded
	Probe     bool     `json:"probe,omitempty"`   // a connectivity test: nothing passes
	Machine   *Machine `json:"machine,omitempty"` // of a standing agreement
	Laptop    string   `json:"laptop,omitempty"`  // of work on site: which laptop; not recorded, and no certificate is for it
	Emergency bool     `json:"emergency,omitempty"`
	Pattern   string   `json:"pattern,omitempty"`  // that stood for the plan
	MayStep   []string `json:"may_step,omitempty"` // of an emergency: what a second tap would add
	Receipted
}

// Left is something that the work in a window left behind in a machine.
type Left struct {
	N      int       `json:"n"`
	What   string    `json:"what"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Due    time.Time `json:"due,omitzero"` // it must be gone by then
	DueBy  string    `json:"due_by,omitempty"`
	Rang   bool      `json:"rang,omitempty"` // it was not, and people were rung
	Gone   time.Time `json:"gone,omitzero"`
	GoneBy string    `json:"gone_by,omitempty"`
}

// Gate is a condition as it stands. Says is yes, no, stood-in, or unknown: not
// read yet, which counts as no. Of a window, Ends says that losing it ends the
// window, else that pauses it.
type Gate struct {
	Gate    string    `json:"gate"`
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`
	Says    string    `json:"says"`
	Since   time.Time `json:"since,omitzero"`
	By      string    `json:"by,omitempty"`
	Why     string    `json:"why,omitempty"`
	Ends    bool      `json:"ends,omitempty"`
	StandIn string    `json:"stand_in,omitempty"` // who may stand in for it; empty: nobody
}

// Escort is who watches a window. Due is when the next "here" is, Lost when two are missed.
type Escort struct {
	By      string    `json:"by,omitempty"`
	There   bool      `json:"there"`
	Since   time.Time `json:"since,omitzero"`
	Due     time.Time `json:"due,omitzero"`
	Lost    time.Time `json:"lost,omitzero"`
	Offered string    `json:"offered,omitempty"`
}

// Step is what a verb on a window, request, block or person carries.
type Step struct {
	Why    string    `json:"why,omitempty"`
	Text   string    `json:"text,omitempty"`    // of a hand-back
	Out    string    `json:"outside,omitempty"` // of accepting: what it was used for outside its pattern's purpose
	Until  time.Time `json:"until,omitzero"`    // of an extension
	Key    string    `json:"key,omitempty"`     // fingerprint that is confirmed; of an envelope its public key
	N      int       `json:"n,omitempty"`       // of something left behind
	Gate   string    `json:"gate,omitempty"`
	Says   string    `json:"says,omitempty"`   // of a gate: yes, no, stood-in; of an escort: took, here, offered, left; of a priority: P1 to P4
	Rights []string  `json:"rights,omitempty"` // what a window is narrowed to, or an emergency's second tap adds
	To     string    `json:"to,omitempty"`     // to whom an escort is offered
	Zone   string    `json:"zone,omitempty"`   // that is an island, or for which one is lifted; empty: all
	Mail   string    `json:"mail,omitempty"`
	Phone  string    `json:"phone,omitempty"`
	Give   []string  `json:"give,omitempty"` // roles that a person of the plant gets
	Take   []string  `json:"take,omitempty"` // and those that are taken from them

	Signed *Signed `json:"signed,omitempty"` // of an extension, or of a word for a key
}

// Block refuses a person, a firm, an asset, a zone or everybody.
type Block struct {
	ID     string    `json:"id,omitempty"`
	Person string    `json:"person,omitempty"`
	Firm   string    `json:"firm,omitempty"`
	Asset  string    `json:"asset,omitempty"`
	Zone   string    `json:"zone,omitempty"`
	All    bool      `json:"all,omitempty"`
	Island bool      `json:"island,omitempty"` // of a zone: two people lift it, as one of everybody
	Free   []string  `json:"free,omitempty"`   // zones that an island of everybody was lifted for
	Waits  []Lifting `json:"waits,omitempty"`  // one of two people has said that it may be lifted
	By     string    `json:"by,omitempty"`
	Why    string    `json:"why"`
	Until  time.Time `json:"until,omitzero"`
	Receipted
}

// Lifting is how far the lifting of a block is. An island waits for a second
// person's word until Until; Zone empty: for all that is left of it.
type Lifting struct {
	Block  string    `json:"block"`
	Zone   string    `json:"zone,omitempty"`
	By     string    `json:"by,omitempty"` // the first of two
	Until  time.Time `json:"until,omitzero"`
	Lifted bool      `json:"lifted"`
	Receipted
}

// Receipted is the server's signed word that the log holds what the caller has
// just done: a JWS in compact form, whose keys GET /keys gives. Empty where
// nothing was done.
type Receipted struct {
	Receipt string `json:"receipt,omitempty"`
}

// Given is the receipt.
func (r Receipted) Given() string { return r.Receipt }

// Problem is an error as application/problem+json (RFC 9457). Rule is set for
// a refusal, Reference for a fault: the log has the rest under it.
type Problem struct {
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Rule      string `json:"rule,omitempty"`
	Reference string `json:"reference,omitempty"`
}

func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}
