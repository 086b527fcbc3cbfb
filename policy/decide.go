package policy

import (
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// Stage is where in an access Decide is asked; one function answers at all of them.
type Stage uint8

const (
	AtAsk       Stage = iota + 1 // the request is being written
	AtOpen                       // a person on shift opens the window
	AtAdmit                      // a connection of a proven person
	AtChannel                    // one shell, exec or stream
	AtOperation                  // one operation inside a channel
)

// Block refuses a person, a firm, an asset, a zone or everything (island)
// until a time. A zero Until has no end.
type Block struct {
	ID     string // B-3
	Person PersonID
	Firm   FirmID
	Asset  AssetName
	Zone   ZoneName
	All    bool       // an island: everything but the zones in Free
	Island bool       // of a zone: lifted by two people, as All always is
	Free   []ZoneName // zones that an island of everything was lifted for
	By     PersonID
	Why    string
	Until  time.Time
}

// IsIsland says whether it takes two people to lift the block.
func (b Block) IsIsland() bool { return b.All || b.Island }

// Query is one question. Kind names the channel request in SSH's words
// ("shell", "exec", "pty-req", "subsystem" for files, "subsystem netconf", …) and may be empty.
// At AtAsk, From and Until are the span asked for and Minutes the length.
type Query struct {
	Stage       Stage
	Source      netip.Addr
	Asset       AssetName
	Port        PortName
	Account     AccountName
	Rights      Rights
	Kind        string
	Session     SessionID // whose channel asks: it is no other writer to itself (one_writer)
	Key         string    // fingerprint of the key that the certificate is over; empty: none was asked for
	From, Until time.Time
	Minutes     int
	Emergency   bool   // AtAsk: of kind emergency; afterwards the window's facts say it
	OnSite      bool   // AtAsk: of kind on-site; afterwards the window's facts say it
	Probe       bool   // AtAsk: of kind connectivity; afterwards the window's facts say it
	Exception   bool   // AtAsk: of kind exception; afterwards the window's facts say it
	Jack        string // AtAsk: on site through this service jack; afterwards the window's facts say it
	Frame       string // AtAsk: of kind standing, its pattern in the plant file; afterwards the window's facts say it
}

// Facts are all that Decide knows beside the plant. Values only.
type Facts struct {
	Person PersonFacts
	Window WindowFacts
	Blocks []Block
	Live   LiveFacts
	Ask    AskFacts // at AtAsk
	// Backups are when machines were last backed up, as the log says; the plant file's own word counts where it is later.
	Backups map[AssetName]time.Time

	HostKeys []HostKey // that machines showed in place of pinned ones
}

// PersonFacts are of the person who would work, as the roster has them now.
type PersonFacts struct {
	ID       PersonID
	Firm     FirmID
	Plant    bool // the firm is the plant itself
	Machine  bool // a machine of the firm, which comes by standing agreements alone
	Disabled bool
	Keys     []string       // fingerprints of the SSH keys that count now
	Networks []netip.Prefix // of the firm; empty: the firm declared none and no source fits
	Until    time.Time      // end of the firm's contract; zero: none declared, which is no end

	Terms    bool       // the firm's contract has terms that each of its people accepts
	Accepted time.Time  // until when the person's acceptance of them is good; zero: they have accepted none
	Training []Training // that the person has
	Confirm  time.Time  // an access review has to confirm the person by then; zero: none waits for a word on them
}

// Training is something that a person has learned, and until when it is good.
type Training struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until"`
}

// Target is one way into one asset.
type Target struct {
	Asset   AssetName
	Port    PortName
	Account AccountName // empty on ports without accounts
}

// WindowFacts are made only by approvals. Agreed is evidence.Check's word on
// the log's own leaves, never a row's.
type WindowFacts struct {
	ID          WindowID
	Rev         uint64
	Agreed      bool      // the answers in the log suffice for exactly this window
	Live        bool      // open or ending, not paused, and Agreed
	Ending      bool      // live, but nothing new begins
	Idle        time.Time // while Ending: when everything ends that has nothing half done
	Over        string    // "ended", "cut", "closed" or "unused": it will never be live again; empty: it may
	Paused      bool      // open but held: sessions stay, no input passes
	From, Until time.Time // opened at, ends at
	People      []PersonID
	Targets     []Target
	Rights      Rights
	OnSite      bool         // a laptop at the machine itself: nothing of it ever passes here, and no connection is for it
	Probe       bool         // of kind connectivity: it proves the way, and nothing passes
	Jack        string       // on site through this service jack, and from nowhere else
	Waives      []string     // of kind exception: the calendars that were agreed to be passed over, and Overlong; nothing else is
	Exception   bool         // of kind exception: calendars and the rules' longest are waived, where the plant file still has exceptions
	Emergency   bool         // of kind emergency: calendars are waived, where the plant file still has an emergency
	Most        Rights       // of an emergency: with all that a second tap may add
	Standing    Standing     // of a machine's window: what it is held to besides
	Escort      bool         // agreed to under an escort, whatever the rules ask: it has a red item
	Network     netip.Prefix // agreed to as a red item: whence they may come besides the firm's networks
	Gates       []string     // that were agreed besides those of the rules
	Only        []Only       // registers that alone may be changed, by way in
}

// LiveFacts are the present as the broker knows it. An absent gate is no.
type LiveFacts struct {
	Writers map[AssetName]SessionID
	Escort  bool
	Gates   map[string]bool
	Held    bool // no input passes, so a gate or an escort that is lost ends nothing at AtOperation
}

// Duties are what an allowed channel must also do.
type Duties struct {
	StrictBoth bool       // bytes to the vendor durable before they are shown
	Escort     bool       // a named plant person watches
	Inspect    string     // the inspector's name; empty: none
	Hashes     bool       // a file's content is not recorded: offsets, lengths and hashes are
	Files      *FileRules // what may pass by sftp, scp, rsync and git beyond the rights; nil: nothing is asked for. The plant's own: read only
	HostKeys   []string   // pinned target keys, authorized_keys form without options; empty refuses an SSH dial. The plant's own: read only
	Old        []string   // algorithms beyond DESIGN 5.1's that this target is spoken to with. The plant's own: read only
	Via        *Hop       // the host that is gone through; nil: the target is dialled itself. The plant's own: read only
	Agent      ZoneName   // the zone through whose agent the target, or the host that is gone through, is dialled; empty: by the broker itself
	Login      Login      // how the broker proves itself to the target
	Only       []string   // labels of the registers that alone may be changed; nil: the rights and the sheet decide. The window's own: read only
	Probe      bool       // the machine is reached, logged in to and left: nothing passes either way
	InputOff   bool       // output goes on, the vendor's input is dropped (DESIGN 6: narrowed to look)
}

// Login says how the broker logs in at a target.
type Login struct {
	Principal string   // "maint@filler-plc.kiel"
	By        LoginBy  // certificate, or a sealed secret
	Prompts   []Prompt // of keyboard-interactive that are answered. The plant's own: read only
}

// Decision is what the rules say; what a person says is an Answer. The zero
// value denies. Rule is the deciding rule's name, Say is for the person (what
// to do next), Why for the log.
type Decision struct {
	Allow  bool
	Rule   string
	Say    string
	Why    string
	Path   []ZoneName     // the plant's own: read only
	Target netip.AddrPort // the one address that may be dialled
	Until  time.Time      // allowed at the latest until then
	Duties Duties
	Red    []string // at AtAsk: what a person must know who answers (Night.Red)
	Window WindowID // what it was decided on
	Rev    uint64
}

// Refusal is the decision as an error; nil if it allows.
func (d Decision) Refusal() error {
	if d.Allow {
		return nil
	}
	r := &Refusal{Rule: d.Rule, Say: d.Say, Why: d.Why}
	if r.Rule == "" {
		r.Rule = "default-deny"
	}
	return r
}

// Refusal travels as an error through all rooms: a no with two texts. Whatever
// error is not a Refusal refuses too, with a reference instead of a reason.
type Refusal struct {
	Rule string // names the rule, kebab-case, stable: tests and metrics use it
	Say  string // for the person: plain, what to do next
	Why  string // for the log: everything
}

// nowhere is how rooms that know no address write a line to type: "ssh desk@…".
var nowhere = regexp.MustCompile(`\b(ssh|scp)( -t)? ([a-z]+)@…`)

// Typed makes lines that can be typed of "ssh desk@…", "scp cert@…:W-1" and the
// like; desk is the line that reaches the desk ("ssh -p 2222 desk@broker.example").
func Typed(say, desk string) string {
	way, at, ok := strings.Cut(strings.TrimPrefix(desk, "ssh"), "desk@")
	if !ok {
		return say
	}
	return nowhere.ReplaceAllStringFunc(say, func(line string) string {
		m := nowhere.FindStringSubmatch(line)
		way := way
		if m[1] == "scp" {
			way = strings.Replace(way, " -p ", " -P ", 1)
		}
		return m[1] + m[2] + way + m[3] + "@" + at
	})
}

func (r *Refusal) Error() string {
	if r.Why != "" {
		return "refused (" + r.Rule + "): " + r.Why
	}
	return "refused (" + r.Rule + "): " + r.Say
}

// Need is how many distinct people of one role must say yes.
type Need struct {
	Role  Role
	Count int    // ≥ 1
	Rule  string // the rule that asks for it
}

// Quorum is who must agree to a set of rights on a set of assets, and who opens.
type Quorum struct {
	Needs   []Need        // never empty; sorted by role
	Open    string        // "shift", "auto" or "vendor"
	Openers []Role        // who may open, pause, extend: the shift roles of the assets' zones, at least one
	Longest time.Duration // the strictest rule's
	Proof   string        // ByKey, unless every rule that lets work be done says proof: code
	Spoken  bool          // one yes may be spoken: every rule that lets work be done says so, and neither load, device nor a safety function is in it
	Grace   time.Duration // the shortest of all rules that let work be done; one without a grace gives none
	Escort  bool
	Backup  time.Duration // the youngest backup that a rule asks for; 0: none is asked
	Ask     []string      // fields a request must fill: work_order, change, backout, …
}
