package approvals

import (
	"context"
	"crypto/ed25519"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/durable/faultdisk"
	"penstock/policy"
)

// cast: two firms, and a plant with more than one person for a role.
var cast = map[policy.PersonID]struct {
	firm  policy.FirmID
	roles []policy.Role
}{
	"ann": {"krall", nil}, "bob": {"krall", nil}, "eve": {"polar", nil},
	"mia": {"fjord", []policy.Role{"shift"}}, "max": {"fjord", []policy.Role{"shift", "line-1-owner"}},
	"olaf": {"fjord", []policy.Role{"line-1-owner"}}, "sara": {"fjord", []policy.Role{"ot-security"}},
	"sven": {"fjord", []policy.Role{"ot-security", "util-owner"}}, "ida": {"fjord", []policy.Role{"it-network"}},
	"tom": {"fjord", nil},
}

func names() []policy.PersonID {
	var list []policy.PersonID
	for id := range cast {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

// keyNumber is the SSH key of the nth of the cast.
func keyNumber(i int) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(slices.Repeat([]byte{byte(i + 1)}, 32))
}

// bootstrap is the first file, with a key for each of the cast.
func bootstrap() []byte {
	var b strings.Builder
	b.WriteString("firms:\n  fjord: {name: Fjord, plant: true}\n")
	b.WriteString("  krall: {name: Krall, sponsor: olaf, networks: [198.51.100.0/24]}\n  polar: {name: Polar, sponsor: sven, networks: [198.51.100.0/24]}\npeople:\n")
	for i, id := range names() {
		pub, err := ssh.NewPublicKey(keyNumber(i).Public())
		if err != nil {
			panic(err)
		}
		roles := ""
		if len(cast[id].roles) > 0 {
			roles = ", roles: [" + strings.Join(words(cast[id].roles), ", ") + "]"
		}
		fmt.Fprintf(&b, "  %s: {name: %s, firm: %s%s, key: %s}\n", id, id, cast[id].firm, roles, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))))
	}
	return []byte(b.String())
}

// memLog is a log in memory that can fail before or after it keeps a leaf.
type memLog struct {
	now  func() time.Time
	mu   sync.Mutex
	all  []audit.Leaf
	fail string // "", before, after: of the next Append, or the one that in counts down to
	in   int
	dead bool          // after a failure every call fails
	wait chan struct{} // if set, Append says so in busy and waits for it, like for a slow disk
	busy chan struct{}
}

var errDisk = errors.New("disk failed")

func (l *memLog) Append(_ context.Context, ev audit.Event) (audit.Leaf, error) {
	if l.wait != nil {
		select {
		case l.busy <- struct{}{}:
		default:
		}
		<-l.wait
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.in > 0 {
		l.in--
	}
	if l.dead || l.in == 0 && l.fail == "before" {
		l.dead = true
		return audit.Leaf{}, errDisk
	}
	leaf := audit.Leaf{Event: ev, Index: audit.Index(len(l.all)), Wall: l.now().UTC(), Node: "a"}
	l.all = append(l.all, leaf)
	if l.in == 0 && l.fail == "after" {
		l.dead = true
		return audit.Leaf{}, errDisk
	}
	return leaf, nil
}

func (l *memLog) leaves() []audit.Leaf {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

func (l *memLog) Upto(_ context.Context, from audit.Index) iter.Seq2[audit.Leaf, error] {
	all := l.leaves()
	return func(yield func(audit.Leaf, error) bool) {
		for i := int(from); i < len(all); i++ {
			if !yield(all[i], nil) {
				return
			}
		}
	}
}

func (l *memLog) Leaf(_ context.Context, at audit.Place) (audit.Leaf, error) {
	all := l.leaves()
	if at.Node != "a" || int(at.Index) >= len(all) {
		return audit.Leaf{}, fs.ErrNotExist
	}
	return all[at.Index], nil
}

// memStore is a state.Memory that can fail before or after it applies, and
// whose rows can be edited by hand.
type memStore struct {
	*state.Memory
	mu   sync.Mutex
	fail string
	in   int
	hand map[string]state.Row // rows that somebody edited
}

func (s *memStore) Get(ctx context.Context, key string) (state.Row, error) {
	s.mu.Lock()
	row, edited := s.hand[key]
	s.mu.Unlock()
	if edited {
		if row.Value == nil {
			return row, fs.ErrNotExist
		}
		return row, nil
	}
	return s.Memory.Get(ctx, key)
}

func (s *memStore) Apply(ctx context.Context, leaf audit.Leaf, changes []state.Change) error {
	s.mu.Lock()
	if s.in > 0 {
		s.in--
	}
	fail := s.fail
	if s.in > 0 {
		fail = ""
	}
	s.mu.Unlock()
	if fail == "before" {
		return errDisk
	}
	if err := s.Memory.Apply(ctx, leaf, changes); err != nil {
		return err
	}
	if fail == "after" {
		return errDisk
	}
	return nil
}

// stops notes what the Desk tells the broker.
type stops struct {
	mu    sync.Mutex
	done  []string
	then  func()   // called in Stop, Hold and Block
	half  []string // what Wind and HalfDone say
	wound func()   // what Wind was given to call
}

func (s *stops) note(format string, a ...any) {
	s.mu.Lock()
	s.done = append(s.done, fmt.Sprintf(format, a...))
	then := s.then
	s.mu.Unlock()
	if then != nil {
		then()
	}
}
func (s *stops) Stop(w policy.WindowID, _ error) { s.note("stop %s", w) }
func (s *stops) Wind(w policy.WindowID, idle time.Time, _ error, done func()) []string {
	s.mu.Lock()
	half := s.half
	s.wound = done
	s.mu.Unlock()
	s.note("wind %s, %d half done", w, len(half))
	return half
}
func (s *stops) HalfDone(policy.WindowID) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.half
}
func (s *stops) PauseAfter(w policy.WindowID, _ string, done func()) []string {
	s.mu.Lock()
	half := s.half
	s.wound = done
	s.mu.Unlock()
	s.note("pause %s after %d", w, len(half))
	return half
}
func (s *stops) Hold(w policy.WindowID, _ string)                    { s.note("hold %s", w) }
func (s *stops) Narrow(w policy.WindowID, r policy.Rights, _ string) { s.note("narrow %s to %s", w, r) }
func (s *stops) Release(w policy.WindowID)                           { s.note("release %s", w) }
func (s *stops) Block(b policy.Block, _ error)                       { s.note("block %s%s%s", b.Person, b.Firm, b.Asset) }
func (s *stops) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.done)
}

// world is a Desk with the real Journal, Roster, Documents, policy and
// evidence over a log and rows in memory.
type world struct {
	t     interface{ Fatalf(string, ...any) }
	plant func() *policy.Plant
	ctx   context.Context
	clock func() time.Time // nil: the field at
	at    time.Time
	docs  *audit.Documents
	log   *memLog
	store *memStore
	stops *stops
	desk  *Desk
	folk  *people.Roster
	jour  *state.Journal
	past  *history // what truth has read of the log
	read  int
	code  string // the newest that was read out
	raced int    // how often two did something at once
}

// start is a Monday morning.
var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func (w *world) now() time.Time {
	if w.clock != nil {
		return w.clock()
	}
	return w.at
}

func (w *world) pass(d time.Duration) { w.at = w.at.Add(d) }

// documentsAt opens real documents on a disk that syncs nothing.
func documentsAt(dir string) *audit.Documents {
	disk, err := durable.OpenDisk(dir, durable.On(faultdisk.New(dir)))
	if err != nil {
		panic(err)
	}
	docs, err := audit.OpenDocuments(dir+"/documents", disk)
	if err != nil {
		panic(err)
	}
	return docs
}

var sharedDocs *audit.Documents

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "approvals")
	if err != nil {
		panic(err)
	}
	sharedDocs = documentsAt(dir)
	// Twelve, always the same, are some 30 ms each, and five times that with the race
	// detector. Whoever looks for faults asks for thousands, which are new each time.
	flags := map[string]string{"rapid.steps": "40", "rapid.checks": "12", "rapid.seed": "4711"}
	if many := os.Getenv("PENSTOCK_HISTORIES"); many != "" {
		flags["rapid.checks"], flags["rapid.seed"] = many, "0"
	}
	for name, value := range flags { // the command line's own come after
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func newWorld(t interface{ Fatalf(string, ...any) }, clock func() time.Time) *world {
	return newWorldOf(t, clock, thePlant)
}

func newWorldOf(t interface{ Fatalf(string, ...any) }, clock func() time.Time, plant func() *policy.Plant) *world {
	w := &world{t: t, plant: plant, ctx: context.Background(), clock: clock, at: start, docs: sharedDocs, stops: &stops{}}
	w.log = &memLog{now: w.now}
	w.store = &memStore{Memory: state.NewMemory(), hand: map[string]state.Row{}}
	w.restart()
	first := w.put(bootstrap())
	w.commit("bootstrap/1", audit.Event{Subject: "bootstrap", Rev: 1, Actor: penstock, Body: audit.LogCreated{Origin: "test", Bootstrap: first}})
	if _, err := w.log.Append(w.ctx, audit.Event{Subject: "plant", Actor: penstock, Body: audit.ConfigChanged{Kind: "plant", Document: w.put(plant().Document())}}); err != nil {
		t.Fatalf("%v", err)
	}
	sealed := w.put([]byte("sealed"))
	for _, id := range names() {
		w.commit("person/"+string(id), audit.Event{Subject: string(id), Rev: 2, Actor: string(id),
			Body: audit.KeyEnrolled{Person: string(id), Kind: "totp", Key: "totp", Sealed: sealed, By: string(id)}})
	}
	return w
}

func (w *world) put(b []byte) audit.Hash {
	h, err := w.docs.Put(w.ctx, b)
	if err != nil {
		w.t.Fatalf("put: %v", err)
	}
	return h
}

func (w *world) commit(key string, ev audit.Event) {
	if _, err := w.jour.Commit(w.ctx, key, ev); err != nil {
		w.t.Fatalf("commit %s: %v", key, err)
	}
}

// restart is a new process over the same log, rows and documents.
func (w *world) restart() {
	if len(w.plant().Gates) > 0 && len(w.log.leaves()) > 0 { // a process that starts has read no input, and the log says that it started
		w.log.dead, w.log.fail = false, ""
		if _, err := w.log.Append(w.ctx, audit.Event{Subject: "a", Actor: penstock, Body: audit.NodeStarted{}}); err != nil {
			w.t.Fatalf("%v", err)
		}
	}
	w.log.dead, w.log.fail, w.log.in, w.store.fail, w.store.in = false, "", 0, "", 0
	w.jour = state.NewJournal("a", w.log, w.store, people.Fold(w.docs), Fold(w.docs))
	if _, err := w.jour.CatchUp(w.ctx); err != nil {
		w.t.Fatalf("catch up: %v", err)
	}
	roster := people.NewRoster(w.jour, w.store, w.docs)
	roster.Now, roster.Origin = w.now, func() string { return w.plant().Site.Origin }
	w.folk = roster
	w.desk = NewDesk(Parts{Plant: w.plant, Roster: roster, Journal: w.jour, Rows: w.store, Leaves: w.log, Docs: w.docs, Log: w.log, Now: w.now})
	w.desk.Stops(w.stops)
}

// as is a person who has just given password and code.
func (w *world) as(id policy.PersonID) people.Actor {
	c := cast[id]
	return people.Actor{Person: id, Firm: c.firm, Plant: c.firm == "fjord", Roles: c.roles,
		Proofs: []people.KeyKind{people.Password, people.TOTP}, At: w.now(), Step: w.now().Unix() / 30}
}

// stale is a person whose code is too old to give anything.
func (w *world) stale(id policy.PersonID) people.Actor {
	a := w.as(id)
	a.At = a.At.Add(-codeGood - time.Second)
	return a
}

// ask is an hour on the filler within eight hours, to look and copy.
func (w *world) ask(change ...func(*Ask)) Ask {
	a := Ask{Firm: "krall", People: []policy.PersonID{"ann"}, Targets: []policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "recipes"}},
		Rights: policy.Look | policy.Copy, Reason: "valve drifts", Minutes: 60, From: w.now(), To: w.now().Add(8 * time.Hour)}
	for _, c := range change {
		c(&a)
	}
	return a
}

func on(asset, account string) func(*Ask) {
	return func(a *Ask) {
		a.Targets = []policy.Target{{Asset: policy.AssetName(asset), Port: "ssh", Account: policy.AccountName(account)}}
	}
}

// two needs the owner and security.
func two(a *Ask) {
	on("filler-plc", "maint")(a)
	a.Rights = policy.Look | policy.Copy | policy.Set | policy.Load
	a.WorkOrder, a.Backup = "WO-7", "vault/1"
}

func (w *world) submit(change ...func(*Ask)) Request {
	r, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(change...))
	if err != nil {
		w.t.Fatalf("submit: %v", err)
	}
	return r
}

func (w *world) say(id policy.PersonID, r Request, says string) (Request, error) {
	return w.desk.Answer(w.ctx, w.as(id), r.ID, r.Hash, Reply{Says: says})
}

func (w *world) yes(id policy.PersonID, r Request) Request {
	r, err := w.say(id, r, evidence.Yes)
	if err != nil {
		w.t.Fatalf("yes of %s: %v", id, err)
	}
	return r
}

// open goes the whole way to a window that max has opened.
func (w *world) open(change ...func(*Ask)) Window {
	r := w.yes("olaf", w.submit(change...))
	if r.Window == "" {
		w.t.Fatalf("not agreed: %+v", r)
	}
	win, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	return win
}

func (w *world) settle() {
	if _, err := w.desk.settle(w.ctx, map[string]head{}); err != nil {
		w.t.Fatalf("settle: %v", err)
	}
}

func (w *world) state(id policy.WindowID) WindowState {
	row, err := w.desk.windowRow(w.ctx, id)
	if err != nil {
		w.t.Fatalf("window %s: %v", id, err)
	}
	return row.State
}

func (w *world) requestState(id policy.RequestID) RequestState {
	row, err := w.desk.requestRow(w.ctx, id)
	if err != nil {
		w.t.Fatalf("request %s: %v", id, err)
	}
	return row.State
}

func (w *world) live(id policy.WindowID) bool {
	f, err := w.desk.Facts(w.ctx, id, "ann")
	return err == nil && f.Window.Live
}

func rule(err error) string {
	var r *policy.Refusal
	if errors.As(err, &r) {
		return r.Rule
	}
	return ""
}

// wants fails unless err is a refusal by this rule.
func wants(t testing.TB, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && rule(err) != want {
		t.Fatalf("got %v, want rule %q", err, want)
	}
}
