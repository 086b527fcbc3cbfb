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
	Kind      string   `json:"kind,omitempty"`      // remote, emergency, on-site, standing; empty: remote
	Laptop    string   `json:"laptop,omitempty"`    // of kind on-site: its name or tag; the targets name machines alone
	Machine   *Machine `json:"machine,omitempty"`   // of kind standing: what holds the one machine that is its people
	Starts    []string `json:"starts,omitempty"`    // of an emergency, computed: the rights until the second tap
	Waives    []string `json:"waives,omitempty"`    // of an emergency, computed: calendars that it passes over
	Happening string   `json:"happening,omitempty"` // safety, stopped, degraded or planned, as the one who asks sees it
	Outage    string   `json:"outage,omitempty"`    // O-1: it is to be a row of that list
	Drill     bool     `json:"drill,omitempty"`     // the plant's exercise: as real as any, and counted in no measure
	// FileHashes are SHA-256 of files that will be brought: where files wait, these
	// are released by themselves once they were looked at.
	FileHashes []string  `json:"file_hashes,omitempty"`
	Minutes    int       `json:"minutes"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Pattern    string    `json:"pattern,omitempty"` // to ask under; empty: the first that it lies inside; none: under none
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
	Open     string    `json:"open"`                // who opens it: shift, auto or vendor
	Kept     string    `json:"kept,omitempty"`      // of auto: why it has not opened yet
	HalfDone []string  `json:"half_done,omitempty"` // while ending: the transfers that may finish
	Gates    []Gate    `json:"gates,omitempty"`     // that its rules ask, as they stand; while it is not over
	Escort   *Escort   `json:"escort,omitempty"`    // where its rules ask for one

	Machine   *Machine `json:"machine,omitempty"` // of a standing agreement
	Laptop    string   `json:"laptop,omitempty"`  // of work on site: which laptop; not recorded, and no certificate is for it
	Emergency bool     `json:"emergency,omitempty"`
	Pattern   string   `json:"pattern,omitempty"`  // that stood for the plan
	MayStep   []string `json:"may_step,omitempty"` // of an emergency: what a second tap would add
	Receipted
}

// Handover is what one shift hands to the next and nobody has taken in full. Of
// an offer, Team, Due and Says are read; of a taking, Take.
type Handover struct {
	ID    string    `json:"id,omitempty"`
	Team  string    `json:"team,omitempty"`
	By    string    `json:"by,omitempty"`
	Due   time.Time `json:"due,omitzero"`
	Says  string    `json:"says,omitempty"`
	Items []Handed  `json:"items,omitempty"`
	Take  []string  `json:"take,omitempty"`
	Rang  bool      `json:"rang,omitempty"` // not taken ten minutes after Due
	Receipted
}

// Handed is one window of it, and who has taken it.
type Handed struct {
	Window string `json:"window"`
	By     string `json:"by,omitempty"`
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
	Gate   string    `json:"gate,omitempty"`
	Says   string    `json:"says,omitempty"`   // of a gate: yes, no, stood-in; of an escort: took, here, offered, left; of a priority: P1 to P4
	Rights []string  `json:"rights,omitempty"` // what a window is narrowed to, or an emergency's second tap adds
	To     string    `json:"to,omitempty"`     // to whom an escort is offered
	Zone   string    `json:"zone,omitempty"`   // that is an island, or for which one is lifted; empty: all
	Mail   string    `json:"mail,omitempty"`
	Phone  string    `json:"phone,omitempty"`

	Signed *Signed `json:"signed,omitempty"` // of an extension, or of a word for a key
}

// Session is one person who is in.
type Session struct {
	ID       string    `json:"id"`
	Person   string    `json:"person"`
	Firm     string    `json:"firm"`
	Source   string    `json:"source"`
	Started  time.Time `json:"started"`
	Channels []Channel `json:"channels"`
	Watched  []string  `json:"watched,omitempty"` // who of the plant looks on
}

// Channel is one shell, exec or stream of a session.
type Channel struct {
	Number int       `json:"number"`
	Window string    `json:"window"`
	Kind   string    `json:"kind"`
	Target Target    `json:"target"`
	Until  time.Time `json:"until"`
	In     int64     `json:"in"`
	Out    int64     `json:"out"`
	Held   bool      `json:"held,omitempty"`
}

// WatchLine is one line of a watched channel, as GET /sessions/S-1/watch
// streams them: application/x-ndjson, from the channel's first byte on, or from the
// screen as it stands where there was more than 64 KiB before. What the
// vendor types is never in it. Mark is
//
//	o  Data went to the vendor
//	r  the terminal has Cols and Rows; without one there is no terminal
//	s  it begins with the screen as it stands, which the next o draws; Text says where the rest is
//	m  Text is what Penstock itself said or did
//	x  Text is the exit status, or "signal NAME"
//	p  In and Out bytes have passed; once a second, in a channel that shows nothing to read
//	d  Text is an operation, or what came of one, in a channel that an inspector reads; Refused: it did not go on
//	.  nothing: still there
//	end  the last line: the channel has ended
//	out  the last line: the watcher may not look on any more, and Text says why
//
// Without one of those two at its end the line broke.
type WatchLine struct {
	At   float64 `json:"at"` // seconds since the session's start
	Mark string  `json:"mark"`
	Data []byte  `json:"data,omitempty"`
	Text string  `json:"text,omitempty"`
	Cols int     `json:"cols,omitempty"`
	Rows int     `json:"rows,omitempty"`
	In   int64   `json:"in,omitempty"`
	Out  int64   `json:"out,omitempty"`

	Refused bool `json:"refused,omitempty"`
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

// Recording is one recorded session.
type Recording struct {
	Session string    `json:"session"`
	Person  string    `json:"person"`
	Firm    string    `json:"firm"`
	Windows []string  `json:"windows"`
	Started time.Time `json:"started"`
	Mode    string    `json:"mode"`
}

// Found is the answer to a search.
type Found struct {
	Hits   []Hit    `json:"hits"`
	More   bool     `json:"more,omitempty"`   // there is more than these
	Broke  string   `json:"broke,omitempty"`  // what was not looked at
	Limits []string `json:"limits,omitempty"` // what is not in the index
}

// Hit is one thing that was found. Kind is shown, ran, file, log or session.
type Hit struct {
	Kind    string    `json:"kind"`
	Session string    `json:"session,omitempty"`
	Person  string    `json:"person,omitempty"`
	Firm    string    `json:"firm,omitempty"`
	Asset   string    `json:"asset,omitempty"`
	Channel int       `json:"channel"` // -1: of none
	At      time.Time `json:"at"`
	Second  float64   `json:"second,omitempty"` // since the channel's first frame
	Leaf    *uint64   `json:"leaf,omitempty"`
	Text    string    `json:"text"`
	Link    string    `json:"link"` // page
}

// Authorities are the public keys of the broker, authorized_keys form.
type Authorities struct {
	Host     string `json:"host"`     // for known_hosts @cert-authority lines
	Out      string `json:"out"`      // for TrustedUserCAKeys of targets
	HostKey  string `json:"host_key"` // plain, for clients that know no certificates
	LogKey   string `json:"log_key"`  // verifier key of the log
	Name     string `json:"name"`     // as vendors write the broker
	Port     int    `json:"port"`
	Site     string `json:"site"`
	TimeZone string `json:"time_zone"`
}

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

// Roster is who is on duty for one team. Where Kept is false nobody keeps one,
// and whoever holds the role counts. To write one, Turns are all of it; Off keeps none.
type Roster struct {
	Team     string   `json:"team"`
	Name     string   `json:"name,omitempty"`
	Kept     bool     `json:"kept,omitempty"`
	Off      bool     `json:"off,omitempty"`
	Now      []string `json:"now,omitempty"` // people whose word counts now
	Turns    []Turn   `json:"turns,omitempty"`
	Deputies []Deputy `json:"deputies,omitempty"`
}

// Turn is one person's time on duty; To is exclusive.
type Turn struct {
	Person string    `json:"person"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
}

// Deputy stands in for somebody in a team; to name one, For is empty: it is whoever asks.
type Deputy struct {
	For    string    `json:"for,omitempty"`
	Person string    `json:"person"`
	From   time.Time `json:"from,omitzero"`
	Until  time.Time `json:"until,omitzero"`
}

// Call is a call-in that was made: Code is read out on the phone, and shown once.
type Call struct {
	Request string    `json:"request"`
	State   string    `json:"state"`
	Window  string    `json:"window,omitempty"`
	Code    string    `json:"code"`
	Until   time.Time `json:"until"`
	Line    string    `json:"line"` // what they type
}

// HeldFile is a file that waits at the broker, or has.
type HeldFile struct {
	ID      string    `json:"id"`
	Window  string    `json:"window"`
	Person  string    `json:"person"` // who sent it
	Asset   string    `json:"asset"`
	Account string    `json:"account"`
	Out     bool      `json:"out,omitempty"` // fetched from the machine, for the vendor to take
	Path    string    `json:"path"`
	Bytes   int64     `json:"bytes"`
	SHA256  string    `json:"sha256"`
	State   string    `json:"state"` // held, looked, released, delivering, delivered, refused, expired
	By      string    `json:"by,omitempty"`
	Why     string    `json:"why,omitempty"`
	Kind    string    `json:"kind,omitempty"` // by its first bytes
	Scan    string    `json:"scan,omitempty"` // clean, found, none
	At      time.Time `json:"at"`
	Moved   time.Time `json:"moved"`
}

// HeldStep lets a file in, by the hash that was seen, or refuses it.
type HeldStep struct {
	SHA256 string `json:"sha256,omitempty"`
	Why    string `json:"why,omitempty"`
}
