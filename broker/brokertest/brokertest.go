// Package brokertest is a small plant with a broker for tests: real policy and
// real recordings; an agreement, a log and a person's end that a test can bend.
// It is for tests alone and nothing but tests imports it.
package brokertest

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"penstock/approvals"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/policy"
)

// Names of the cast and the scene.
const (
	Ann    = policy.PersonID("ann")
	Krall  = policy.FirmID("krall")
	W1     = policy.WindowID("W-1")
	W2     = policy.WindowID("W-2")
	PLC    = policy.AssetName("plc")
	Maint  = policy.AccountName("maint")
	Viewer = policy.AccountName("viewer")
)

// Source is where Ann comes from.
var Source = netip.MustParseAddr("127.0.0.1")

// Everything is all the rights that account maint has.
const Everything = policy.Look | policy.Copy | policy.Set | policy.Operate | policy.Load

// Failer is what Plant needs of a test.
type Failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// ManyWriters makes plants whose machine any number of people may change at once.
var ManyWriters bool

// KeepHashes makes plants whose account maint says files: hashes.
var KeepHashes bool

// Files are rules for files of account maint, in the plant file's words.
var Files string

// Inspected makes plants whose port modbus is enforced by Penstock: 40012 and
// coil 18 may be set, coil 17 takes operate, 40090 is never written.
var Inspected bool

const sheet = "{40012: {name: Fill volume, right: set, unit: ml, min: 0, max: 1000}, coil 17: {name: Start, right: operate}, coil 18: {name: Lamp, right: set}, 40090: {name: Batch}}"

// Plant is a plant with one machine, "plc", at an address: ssh on the port,
// with the pinned keys; and a TCP port "modbus" on tcp, if that is not 0.
func Plant(t Failer, at netip.AddrPort, tcp uint16, pins ...string) *policy.Plant {
	t.Helper()
	keys := ""
	for i, k := range pins {
		if i > 0 {
			keys += ", "
		}
		keys += k
	}
	files := ""
	if KeepHashes {
		files = ", files: hashes"
	}
	if Files != "" {
		files = ", files: " + Files
	}
	modbus := ""
	if tcp != 0 {
		modbus = fmt.Sprintf("\n      modbus: {tcp: %d, rights: [look, copy, set, operate, load], enforced: nobody}", tcp)
	}
	if tcp != 0 && Inspected {
		modbus = fmt.Sprintf("\n      modbus: {tcp: %d, unit: 1, enforced: penstock, registers: %s}", tcp, sheet)
	}
	text := fmt.Sprintf(`
site: {id: kiel, name: Kiel, colour: teal, timezone: Europe/Berlin, control_room: "+49 431 555 0100"}
teams:
  shift:    {name: Shift}
  owner-1:  {name: Owner}
  security: {name: OT security}
lines:
  filling: {name: Filling, criticality: 1}
zones:
  dmz:    {name: DMZ,  levels: [3.5], sl_t: 3, owner: security, broker: here}
  line-1: {name: Line, levels: [1],   sl_t: 2, owner: owner-1, shift: shift}
conduits:
  - {name: dmz-line, from: dmz, to: line-1, carries: [ssh, sftp, modbus], rights: [look, copy, set, operate, load],
     owners: [security, owner-1], why: test, review: 2030-01-01}
assets:
  plc:
    tag: PLC-1
    name: Controller
    zone: line-1
    level: 1
    address: "%s"
    stops: [filling]
    one_writer: %t
    ports:
      ssh:
        tcp: %d
        host_keys: [%s]
        accounts:
          viewer: {rights: [look], enforced: device}
          maint:  {rights: [look, copy, set, operate, load], enforced: nobody%s}%s
rules:
  - {name: any, when: {right: [look, copy, set, operate, load]}, plan: [owner], open: shift, longest: 8h, proof: code}
`, at.Addr(), !ManyWriters, at.Port(), keys, files, modbus)
	p, problems := policy.ParseWith(policy.Options{Inspectors: []string{"modbus"}}, "plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if len(problems) > 0 {
		t.Fatalf("the test plant: %v", problems)
	}
	return p
}

// Agreement is an agreement that a test writes.
type Agreement struct {
	mu      sync.Mutex
	facts   map[policy.WindowID]policy.Facts
	err     error
	before  func()
	after   func()
	watches []chan approvals.Changed
	broken  bool
	Watched int // how often Watch was called
}

// Window sets a window's facts: Ann's, from a minute ago, for so long, with
// all that account maint can do.
func (a *Agreement) Window(w policy.WindowID, now time.Time, left time.Duration) policy.Facts {
	f := facts(w, now, left)
	a.Set(f)
	return f
}

// Put is Window, changed by change, and tells nobody.
func (a *Agreement) Put(w policy.WindowID, now time.Time, left time.Duration, change func(*policy.Facts)) {
	f := facts(w, now, left)
	change(&f)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.facts == nil {
		a.facts = map[policy.WindowID]policy.Facts{}
	}
	a.facts[w] = f
}

func facts(w policy.WindowID, now time.Time, left time.Duration) policy.Facts {
	return policy.Facts{
		Person: policy.PersonFacts{ID: Ann, Firm: Krall, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		Window: policy.WindowFacts{
			ID: w, Rev: 1, Agreed: true, Live: true, From: now.Add(-time.Minute), Until: now.Add(left), People: []policy.PersonID{Ann},
			Targets: []policy.Target{{Asset: PLC, Port: "ssh", Account: Maint}, {Asset: PLC, Port: "ssh", Account: Viewer}, {Asset: PLC, Port: "modbus"}},
			Rights:  Everything,
		},
	}
}

// Set puts facts in place and tells whoever watches.
func (a *Agreement) Set(f policy.Facts) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.facts == nil {
		a.facts = map[policy.WindowID]policy.Facts{}
	}
	a.facts[f.Window.ID] = f
	a.tell(approvals.Changed{Window: f.Window.ID})
}

// Change changes a window's facts and tells whoever watches.
func (a *Agreement) Change(w policy.WindowID, f func(*policy.Facts)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	facts := a.facts[w]
	f(&facts)
	a.facts[w] = facts
	a.tell(approvals.Changed{Window: w})
}

// Quietly changes a window's facts and tells nobody.
func (a *Agreement) Quietly(w policy.WindowID, f func(*policy.Facts)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	facts := a.facts[w]
	f(&facts)
	a.facts[w] = facts
}

// Tell tells whoever watches.
func (a *Agreement) Tell(ch approvals.Changed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tell(ch)
}

func (a *Agreement) tell(ch approvals.Changed) {
	for _, w := range a.watches {
		w <- ch
	}
}

// Fail makes Facts fail (nil: not any more).
func (a *Agreement) Fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

// Before is called in each Facts, before it answers.
func (a *Agreement) Before(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.before = f
}

// After is called in each Facts, when the answer stands and is not given yet.
func (a *Agreement) After(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.after = f
}

// Break ends all watches, and those to come.
func (a *Agreement) Break() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = true
	for _, w := range a.watches {
		close(w)
	}
	a.watches = nil
}

// Mend lets new watches live.
func (a *Agreement) Mend() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = false
}

// Facts is broker.Agreement's.
func (a *Agreement) Facts(ctx context.Context, w policy.WindowID, p policy.PersonID) (policy.Facts, error) {
	a.mu.Lock()
	before, after := a.before, a.after
	a.mu.Unlock()
	if before != nil {
		before()
	}
	f, err := a.answer(w, p)
	if after != nil {
		after()
	}
	if err != nil {
		return policy.Facts{}, err
	}
	return f, ctx.Err()
}

func (a *Agreement) answer(w policy.WindowID, p policy.PersonID) (policy.Facts, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.facts[w]
	if a.err != nil {
		return f, a.err
	}
	if !ok || f.Person.ID != p {
		return f, &policy.Refusal{Rule: "unknown-window", Say: "there is no such window"}
	}
	return f, nil
}

// Watch is broker.Agreement's; it subscribes at the call.
func (a *Agreement) Watch(ctx context.Context) iter.Seq2[approvals.Changed, error] {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.Watched++
	mine := make(chan approvals.Changed, 100)
	if a.broken {
		close(mine)
	} else {
		a.watches = append(a.watches, mine)
	}
	return func(yield func(approvals.Changed, error) bool) {
		defer func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.watches = slices.DeleteFunc(a.watches, func(w chan approvals.Changed) bool { return w == mine })
		}()
		for {
			select {
			case ch, ok := <-mine:
				if !ok {
					yield(approvals.Changed{}, fmt.Errorf("the watch broke"))
					return
				}
				if !yield(ch, nil) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// Log keeps events in memory and fails when told to.
type Log struct {
	mu     sync.Mutex
	events []audit.Event
	fail   string // type of event from which on Append fails; "*": any
	failed bool
}

// Append is broker.Log's.
func (l *Log) Append(_ context.Context, ev audit.Event) (audit.Leaf, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed || l.fail == "*" || l.fail == ev.Body.Type() {
		l.failed = true
		return audit.Leaf{}, fmt.Errorf("the log has failed")
	}
	l.events = append(l.events, ev)
	return audit.Leaf{Event: ev, Index: audit.Index(len(l.events) - 1), Node: "a"}, nil
}

// FailAt makes Append fail for good from an event of this type on ("*": any).
func (l *Log) FailAt(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = kind
}

// Types lists the types of the events, in order.
func (l *Log) Types() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, ev := range l.events {
		all = append(all, ev.Body.Type())
	}
	return all
}

// Bodies lists the events of one type.
func Bodies[T audit.Body](l *Log) []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []T
	for _, ev := range l.events {
		if b, ok := ev.Body.(T); ok {
			all = append(all, b)
		}
	}
	return all
}

// Guest keeps what it is told.
type Guest struct {
	mu      sync.Mutex
	told    []string
	closed  []error
	OnClose func(why error) // may be nil
}

// Tell and Close are broker.Guest's.
func (g *Guest) Tell(text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told = append(g.told, text)
}

func (g *Guest) Close(why error) {
	g.mu.Lock()
	g.closed = append(g.closed, why)
	g.mu.Unlock()
	if g.OnClose != nil {
		g.OnClose(why)
	}
}

// Told is what Tell got; Closed what Close got.
func (g *Guest) Told() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.told)
}

func (g *Guest) Closed() []error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.closed)
}

// IDs gives S-1, S-2, …
func IDs() func() policy.SessionID {
	var mu sync.Mutex
	n := 0
	return func() policy.SessionID {
		mu.Lock()
		defer mu.Unlock()
		n++
		return policy.SessionID(fmt.Sprintf("S-%d", n))
	}
}

// Arrival is Ann with the windows.
func Arrival(w ...policy.WindowID) broker.Arrival {
	return broker.Arrival{Person: Ann, Windows: w, Serial: "42", Source: Source, Client: "SSH-2.0-OpenSSH_9.2p1", Kex: "mlkem768x25519-sha256"}
}

// Shell asks for a shell at the account; Modbus for the TCP port.
func Shell(a policy.AccountName) policy.Query {
	return policy.Query{Asset: PLC, Port: "ssh", Account: a, Kind: "shell"}
}

func Modbus() policy.Query { return policy.Query{Asset: PLC, Port: "modbus", Kind: "direct-tcpip"} }

// Rig is a broker that runs, with a real archive on a real disk.
type Rig struct {
	Broker    *broker.Broker
	Agreement *Agreement
	Log       *Log
	Archive   *recording.Archive
	Dir       string // of the recordings
}

// Archive opens a real archive in a temporary folder; it and its disk run until the test's end.
func Archive(t testing.TB, log recording.Log) (*recording.Archive, string) {
	return ArchiveOn(t, log, t.TempDir())
}

// ArchiveOn is Archive in a folder, on a disk with options.
func ArchiveOn(t testing.TB, log recording.Log, dir string, options ...durable.Option) (*recording.Archive, string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	disk, err := durable.OpenDisk(dir, append([]durable.Option{durable.Patience(time.Minute)}, options...)...) // a busy machine is no fault
	if err != nil {
		t.Fatal(err)
	}
	Run(t, "disk", disk.Run)
	ar, err := recording.OpenArchive(recording.Parts{
		Dir: filepath.Join(dir, "recordings"), HeadsDir: filepath.Join(dir, "log", "heads"), Disk: disk, Log: log,
		Mode: "readable", Recipients: []string{id.Recipient().String()}, Identity: id.String(), MinFree: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return ar, filepath.Join(dir, "recordings")
}

// Run runs f until the test's end, and waits for it then.
func Run(t testing.TB, name string, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Logf("%s: %v", name, err)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%s does not end", name)
		}
	})
}

// New makes a Rig with one window, W-1, open for an hour.
func New(t testing.TB, plant *policy.Plant, l broker.Limits) *Rig {
	t.Helper()
	r := &Rig{Agreement: &Agreement{}, Log: &Log{}}
	r.Archive, r.Dir = Archive(t, r.Log)
	r.Agreement.Window(W1, time.Now(), time.Hour)
	r.Broker = broker.New(func() *policy.Plant { return plant }, r.Agreement, r.Log, r.Archive, l, broker.Clock{}, IDs())
	Run(t, "broker", r.Broker.Run)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := r.Broker.Drain(ctx); err != nil {
			t.Error(err)
		}
	})
	return r
}

// Session lets Ann in.
func (r *Rig) Session(t testing.TB, g broker.Guest) *broker.Session {
	t.Helper()
	s, err := r.Broker.Admit(context.Background(), Arrival(W1), g)
	if err != nil {
		t.Fatalf("admit: %v", err)
	}
	return s
}

// Channel opens one.
func (r *Rig) Channel(t testing.TB, s *broker.Session, q policy.Query) *broker.Channel {
	t.Helper()
	c, err := s.Open(context.Background(), q)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return c
}

// Input reads back all that a session's recording has of the vendor's bytes in a channel.
func (r *Rig) Input(t testing.TB, s policy.SessionID, ch int) []byte {
	return r.Recorded(t, s, ch, recording.In)
}

// Recorded reads back one mark's bytes of a channel.
func (r *Rig) Recorded(t testing.TB, s policy.SessionID, ch int, m recording.Mark) []byte {
	t.Helper()
	rd, err := r.Archive.Open(string(s))
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	var all []byte
	for f, err := range rd.Frames(ch, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Mark == m {
			all = append(all, f.Data...)
		}
	}
	return all
}
