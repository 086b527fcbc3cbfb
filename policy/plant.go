package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Plant is a plant file that was read without a problem. It does not change:
// its fields are for reading, by any number of goroutines. Lists are in the
// order of their names, except Conduits, Rules, Patterns and Retention, which keep the
// file's.
type Plant struct {
	Site       Site
	Teams      []Team
	Lines      []Line
	Zones      []Zone
	Conduits   []Conduit
	Assets     []Asset
	Unplaced   []Unplaced // imported, and not reached by anybody
	Calendars  []Calendar
	Gates      []Gate
	Jacks      []Jack
	Rules      []Rule
	Patterns   []Pattern
	Emergency  Emergency
	Exception  Exception
	Night      Night
	Recordings Recordings
	Reviews    Reviews
	Retention  []Retention
	Access     Access
	ByFile     bool // plant_changes: by_file: whoever writes the file changes the plant; else the people whom it touches must agree

	document []byte
	location *time.Location
	start    ZoneName // where the broker stands and paths begin
	ways     ways

	teams     map[Role]*Team
	lines     map[LineName]*Line
	zones     map[ZoneName]*Zone
	assets    map[AssetName]*Asset
	calendars map[string]*Calendar
	gates     map[string]*Gate
}

// Site is the plant as a whole. ID is the last word of every asset's host
// name (filler-plc.kiel).
type Site struct {
	ID, Name, Colour, Timezone, ControlRoom string
	// Origin is where people see the pages, "https://penstock.kiel.example:8443": passkeys are
	// bound to it. Empty: no passkeys here.
	Origin string
}

// WhomToCall is whom a vendor's person calls where only people go on:
// "the control room, +49 431 555 0100". Never a person's own number.
func (s Site) WhomToCall() string {
	if s.ControlRoom == "" {
		return "the control room"
	}
	return "the control room, " + s.ControlRoom
}

// Says is somebody of the plant as a vendor reads of them: by name and by the
// first team of the plant file that they are in, "Mia Voss (Filling shift supervisor)".
func (p *Plant) Says(name string, roles []Role) string {
	for _, t := range p.Teams {
		if t.Title != "" && slices.Contains(roles, t.Name) {
			return name + " (" + t.Title + ")"
		}
	}
	return name
}

// Team is a role that people of the roster hold. AsksNext is asked too when
// nobody of this team answered within After, or at once where nobody of it is on
// duty; from then on the word of its people counts in place of this team's, for
// that request. Only people of Deputy may stand in for one of this team. A team
// with Any stands in plans alone: {either: 2} is two of all of them.
type Team struct {
	Name     Role
	Title    string
	AsksNext Role
	After    time.Duration
	Deputy   Role
	Any      []Role // a team of teams: whoever counts in one of these counts in it; nobody holds it itself
}

// Line is what the plant delivers. Criticality is 1 (most) to 4.
type Line struct {
	Name        LineName
	Title       string
	Criticality int
	Feeds       []LineName
}

// Zone is a zone of IEC 62443-3-2. Levels are Purdue levels ("0" … "5",
// "3.5"); SLT is the target security level, 0 to 4. VendorsNever closes it to
// everybody who is not of the plant. Shift is empty where nobody is on shift.
type Zone struct {
	Name         ZoneName
	Title        string
	Levels       []string
	SLT          int
	Owner        Role
	Shift        Role
	VendorsNever bool
	BrokerHere   bool
	ByAgent      bool   // reached_by: agent: only through its own agent, which dials out; no rule lets anybody in
	Night        string // a calendar by which it is night here; empty: the plant's
}

// Opener is the role that opens windows into the zone: its shift, else its owner.
func (z Zone) Opener() Role {
	if z.Shift != "" {
		return z.Shift
	}
	return z.Owner
}

// Conduit is a declared way from one zone to another, in that direction only,
// for the protocols it carries with at most its rights. Owners has two
// different roles, one a side. Review is a day (00:00 UTC).
type Conduit struct {
	Name     string
	From, To ZoneName
	Carries  []string
	Rights   Rights
	Owners   []Role
	Why      string
	Review   time.Time
}

// Asset is a machine that can be reached. Tag is as painted. Safety is empty
// or says what it is ("SIS"): no vendor ever reaches such an asset.
type Asset struct {
	Name       AssetName
	Tag, Title string
	Zone       ZoneName
	Level      string
	Address    netip.Addr
	Is         Make
	Stops      []LineName
	Interlocks []Interlock
	Backup     Backup
	OneWriter  bool
	Safety     string
	Ports      []Port // by name
	Via        Via    // the host that it is reached through; zero: none
	Source     Source
	Stale      time.Time // a day: since then its source does not have it; zero: it has, or there is none

	rules []*Rule // that are for it
	hop   *Hop    // of Via; nil: none
}

// Source is the system that an asset was imported from, and its id there.
type Source struct{ System, ID string }

// Unplaced is a machine that an import knows and the plant has not placed: it is
// no asset, and no window can be for it. Said is what the source said of its zone.
type Unplaced struct {
	Name       AssetName
	Tag, Title string
	Said       string
	Lacks      string // zone, level, address: what keeps it from being an asset
	Address    string
	Is         Make
	Source     Source
	Stale      time.Time
}

// Make is what the machine is, as its maker names it.
type Make struct{ Maker, Model, Firmware, Serial string }

// Interlock trips another asset.
type Interlock struct {
	Name  string
	Trips AssetName
}

// Backup is the last known good copy.
type Backup struct {
	Last        time.Time // a day; zero: none known
	Where, Tool string
}

// Port is one way into an asset over TCP. Worst is the worst it can do where
// it has no accounts; what is undeclared is everything.
type Port struct {
	Name       PortName
	Number     uint16
	Accounts   []Account // by name; empty on ports without logins
	Worst      Rights
	Enforced   Enforced
	HostKeys   []string  // authorized_keys form, no options, no comment
	Old        Old       // algorithms beyond DESIGN 5.1's
	Jumps      []Account // by name; for reaching other assets through this one, and in no window
	StrictBoth bool
	Unit       int  // modbus unit id; 0 where none was said, which no port does that Penstock enforces
	UMAS       bool // the machine speaks UMAS inside Modbus (function 0x5A)
	Unlisted   Unlisted
	Registers  []Register

	only []string // of one window (Narrowed), never of the file
}

// Login says whether accounts log in at the port.
func (p Port) Login() bool { return len(p.Accounts) > 0 }

// Account looks an account of the port up.
func (p Port) Account(name AccountName) (Account, bool) {
	for i := range p.Accounts {
		if p.Accounts[i].Name == name {
			return p.Accounts[i], true
		}
	}
	return Account{}, false
}

// Account is a login at a port. Worst is the worst it can do on the device.
type Account struct {
	Name     AccountName
	Worst    Rights
	Enforced Enforced
	Hashes   bool // files: hashes; a file's content is not kept, its offsets, lengths and hash are
	Files    FileRules
	Login    LoginBy
	Prompts  []Prompt // that are answered; others end the login
	Rotate   Rotation // of its secret
	// Subsystems are SSH subsystems beside sftp that it may be asked for, such as
	// netconf; sorted. Each can do what the account can.
	Subsystems []string

	principal string // see Plant.Principal
}

// Unlisted is what reading and writing an object that is not in the register
// sheet takes; zero is never.
type Unlisted struct{ Read, Write Rights }

// Register is one object of a register sheet. Read and Write are the rights
// that reading and writing it take; Write zero: it may not be written.
type Register struct {
	Object      string // "40012", "coil 17"
	Name        string
	Read, Write Rights
	Unit        string
	Limited     bool // Min and Max hold, in Unit
	Min, Max    float64
	Why         string
	Type        string  // how the value stands on the wire, one of RegisterTypes; empty: u16
	Scale       float64 // a value in Unit is Scale times the number on the wire; 0 is 1
}

// RegisterTypes are the ways a value stands in registers. Those of 32 bits take
// two, the high word first; with -low the low word first.
var RegisterTypes = []string{"u16", "s16", "u32", "s32", "f32", "u32-low", "s32-low", "f32-low"}

// Place is the object's table ("coil", "discrete", "input", "holding") and its
// address on the wire, from 0. In a sheet objects count from 1: 40012,
// "holding 12" and "4x" reference 12 are the same register, address 11.
func (r Register) Place() (table string, address int, err error) {
	table, digits, named := strings.Cut(r.Object, " ")
	if !named {
		if digits = r.Object; len(digits) != 5 && len(digits) != 6 {
			return "", 0, fmt.Errorf("%q does not say which table: write coil, discrete, input or holding before it, or a number such as 40012", r.Object)
		}
		table = map[byte]string{'0': "coil", '1': "discrete", '3': "input", '4': "holding"}[digits[0]]
		digits = digits[1:]
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > 65536 || !slices.Contains([]string{"coil", "discrete", "input", "holding"}, table) {
		return "", 0, fmt.Errorf("%q is no register: a number such as 40012, or coil 17, discrete 3, input 4, holding 12, counted from 1", r.Object)
	}
	return table, n - 1, nil
}

// Size is how many addresses the object takes, 1 or 2.
func (r Register) Size() int {
	if strings.Contains(r.Type, "32") {
		return 2
	}
	return 1
}

// Gate is a condition asked before and during a window. StandIn may stand in
// for it, once, by name; empty: nobody may, and for a Safety gate never.
type Gate struct {
	Name, Title string
	Kind        string // GateCoil …
	At          string // of a gate that is read: address:port/unit/number, or http(s)://address/path
	Pointer     string // http: which value of the JSON answer (RFC 6901); empty: the whole text
	Is          string // the value that means yes; modbus: "on" (also where it is empty) or "off"
	Cert        string // https: SHA-256 of the input's certificate, hex; empty: a certificate that this machine trusts
	Stale       time.Duration
	By          Role // who may say it, where a person does; empty: who opens the window
	Safety      bool
	StandIn     Role
	Stands      LineName // its yes says that this line stands; empty: none
}

// Kinds of gates. The first three are read from an input again and again. A
// manual one is a person's word about one window ("the area is clear"), an
// outage one about the whole plant ("the outage runs").
const (
	GateCoil   = "modbus-coil"
	GateInput  = "modbus-input"
	GateHTTP   = "http"
	GateManual = "manual"
	GateOutage = "outage"
)

// Read says whether an input says it, and no person.
func (g Gate) Read() bool { return g.Kind == GateCoil || g.Kind == GateInput || g.Kind == GateHTTP }

// Rule is one row of the rules: for what it is, and what it asks. Open empty:
// the row only narrows (calendars, gates, escort) and cannot allow by itself.
type Rule struct {
	Name      string
	When      When
	Plan      []Need // Role "owner" is the owner of the asset's zone
	Open      string // shift, auto or vendor
	Longest   time.Duration
	Proof     string        // "key" or "code": what a yes rests on at the least; empty: see Quorum.Proof
	Spoken    bool          // a second yes may be spoken on the telephone, and is countersigned afterwards
	Grace     time.Duration // by how much the end may move, once, for a half-done transfer; 0: not at all
	Ask       []string
	Backup    time.Duration // the machine's last backup is no older; 0: not asked
	Escort    bool
	During    []string
	NotDuring []string
	Gates     []string
	Also      []Need   // who must agree besides; of a rule without a plan
	Training  []string // that everybody who works has; names of the plant's own
	At        []string // calendars: Also counts where the span asked for touches one of them; empty: always
	OnLoss    string   // pause or end: what becomes of a window that loses a gate or the escort of this rule; empty: pause
}

// When is what a rule is for; an empty column is everything.
type When struct {
	Rights Rights
	Zones  []ZoneName
	Assets []AssetName
	Lines  []LineName
	Ports  []PortName
}

// Pattern is the frame of an agreement made by day (pattern.go). Alone it changes
// no Quorum.
type Pattern struct {
	Name    string
	Assets  []AssetName
	Rights  Rights
	Open    string // shift, auto, vendor or standing
	Longest time.Duration
	Machine bool
	Confirm time.Duration
	Owners  []Role
	Why     string
	Review  time.Time
	Only    []Only // registers that alone may be changed under it
}

// Recordings says which roles may open one, and which of them may see what the
// vendor typed; nobody where it is empty.
type Recordings struct{ Read, Input []Role }

// ownerWord stands in plans for the owner of the asset's zone.
const ownerWord Role = "owner"

// Document is the bundle the plant was read from (see Bundle): the bytes that
// the log names by hash as the plant file.
func (p *Plant) Document() []byte { return slices.Clone(p.document) }

// Location is the plant's time zone.
func (p *Plant) Location() *time.Location { return p.location }

// Start is the zone where the broker stands: every path begins there.
func (p *Plant) Start() ZoneName { return p.start }

// Asset looks an asset up.
func (p *Plant) Asset(name AssetName) (Asset, bool) {
	if a, ok := p.assets[name]; ok {
		return *a, true
	}
	return Asset{}, false
}

// Zone looks a zone up.
func (p *Plant) Zone(name ZoneName) (Zone, bool) {
	if z, ok := p.zones[name]; ok {
		return *z, true
	}
	return Zone{}, false
}

// Team looks a team up; HasRole only asks whether it is there.
func (p *Plant) Team(name Role) (Team, bool) {
	if t, ok := p.teams[name]; ok {
		return *t, true
	}
	return Team{}, false
}

// HasRole says whether the plant file has such a team.
func (p *Plant) HasRole(name Role) bool { return p.teams[name] != nil && len(p.teams[name].Any) == 0 }

// Counting are roles with the teams of teams that they count in, sorted.
func (p *Plant) Counting(roles []string) []string {
	all := slices.Clone(roles)
	for i := range p.Teams {
		t := &p.Teams[i]
		if slices.ContainsFunc(t.Any, func(r Role) bool { return slices.Contains(roles, string(r)) }) {
			all = append(all, string(t.Name))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Roles are the names of all teams, sorted.
func (p *Plant) Roles() []Role {
	roles := make([]Role, len(p.Teams))
	for i := range p.Teams {
		roles[i] = p.Teams[i].Name
	}
	return roles
}

// security is the role that may take access away in every zone.
const security Role = "ot-security"

// IsSecurity says whether one of these roles is OT security.
func (p *Plant) IsSecurity(roles []Role) bool { return slices.Contains(roles, security) }

// Takes says whether a role may pause, end, cut and block: a zone's owner or
// shift, in every zone, and OT security.
func (p *Plant) Takes(role string) bool {
	return role == string(security) || role != "" && slices.ContainsFunc(p.Zones, func(z Zone) bool {
		return string(z.Owner) == role || string(z.Shift) == role
	})
}

// WritesRoster says whether one of these roles may write a team's roster: the
// owner of a zone whose shift or owner it is, and OT security.
func (p *Plant) WritesRoster(roles []string, team string) bool {
	return slices.Contains(roles, string(security)) || team != "" && slices.ContainsFunc(p.Zones, func(z Zone) bool {
		return (string(z.Shift) == team || string(z.Owner) == team) && slices.Contains(roles, string(z.Owner))
	})
}

// Deputies is the team whose people may stand in for those of another; not ok:
// the plant file names none, and anybody of the plant may.
func (p *Plant) Deputies(team string) (deputies string, ok bool) {
	t := p.teams[Role(team)]
	if t == nil || t.Deputy == "" {
		return "", false
	}
	return string(t.Deputy), true
}

// Host is the name under which the broker shows an asset: filler-plc.kiel.
func (p *Plant) Host(name AssetName) string { return string(name) + "." + p.Site.ID }

// MayRead says whether one of these roles may open a recording.
func (p *Plant) MayRead(roles []Role) bool {
	return slices.ContainsFunc(p.Recordings.Read, func(r Role) bool { return slices.Contains(roles, r) })
}

// MayReadInput says whether one of these roles may see what the vendor typed
// and sent, and not only what was shown.
func (p *Plant) MayReadInput(roles []Role) bool {
	return p.MayRead(roles) && slices.ContainsFunc(p.Recordings.Input, func(r Role) bool { return slices.Contains(roles, r) })
}

// MayWatch says whether one of these roles may look on while somebody works on
// an asset: the shift and the owner of its zone, OT security, and whoever reads
// recordings. An asset that is not declared is watched by readers only.
func (p *Plant) MayWatch(roles []Role, asset AssetName) bool {
	if p.MayRead(roles) || slices.Contains(roles, "ot-security") {
		return true
	}
	a, ok := p.Asset(asset)
	if !ok {
		return false
	}
	z, ok := p.Zone(a.Zone)
	return ok && (slices.Contains(roles, z.Owner) || slices.Contains(roles, z.Opener()))
}

// Gate looks a gate up.
func (p *Plant) Gate(name string) (Gate, bool) {
	if g, ok := p.gates[name]; ok {
		return *g, true
	}
	return Gate{}, false
}

// Port looks a port of the asset up.
func (a Asset) Port(name PortName) (Port, bool) {
	for i := range a.Ports {
		if a.Ports[i].Name == name {
			return a.Ports[i], true
		}
	}
	return Port{}, false
}
