package search

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	bolt "go.etcd.io/bbolt"

	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
)

// rig is a real log and a real archive, with an index beside them.
type rig struct {
	t       *testing.T
	dir     string
	disk    *durable.Disk
	log     *audit.Log
	id      *age.X25519Identity
	archive *recording.Archive
	words   bytes.Buffer
	f       *Filler
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir()}
	var err error
	r.disk, err = durable.OpenDisk(r.dir, durable.Patience(time.Minute)) // a busy machine is no fault
	r.must(err)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = r.disk.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ran })
	r.id, err = age.GenerateX25519Identity()
	r.must(err)
	signer, _, err := audit.LogKeys(filepath.Join(r.dir, "keys"), "kiel/penstock/audit/a")
	r.must(err)
	r.log, err = audit.OpenLog(filepath.Join(r.dir, "log"), r.disk, audit.Options{Origin: "kiel/penstock/audit/a", Node: "a", Signer: signer, Clock: audit.SystemClock()})
	r.must(err)
	t.Cleanup(func() { r.log.Close() })
	r.mode("readable", r.id)
	r.open(0)
	t.Cleanup(func() { r.f.Close() })
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) mode(mode string, to *age.X25519Identity) {
	r.t.Helper()
	var err error
	r.archive, err = recording.OpenArchive(recording.Parts{Dir: filepath.Join(r.dir, "recordings"), HeadsDir: filepath.Join(r.dir, "log", "heads"), Disk: r.disk, Log: r.log,
		Mode: mode, Recipients: []string{to.Recipient().String()}, Identity: r.id.String(), MinFree: -1, Ended: func(string) bool { return true }})
	r.must(err)
}

func (r *rig) open(most int64) {
	r.t.Helper()
	x, err := Open(filepath.Join(r.dir, "search"), most)
	r.must(err)
	r.f = NewFiller(x, r.log, r.archive, slog.New(slog.NewTextHandler(&r.words, nil)))
}

// reopen is another life of the process; gone: the index was deleted.
func (r *rig) reopen(gone bool) {
	r.t.Helper()
	r.must(r.f.Close())
	if gone {
		r.must(os.RemoveAll(filepath.Join(r.dir, "search")))
	}
	r.open(0)
	r.fill()
}

func (r *rig) fill() {
	r.t.Helper()
	for more := true; more; {
		var err error
		more, err = r.f.Fold(context.Background())
		r.must(err)
	}
	r.must(r.f.Read(context.Background()))
}

func (r *rig) tell(subject, actor string, b audit.Body) audit.Leaf {
	r.t.Helper()
	leaf, err := r.log.Append(r.t.Context(), audit.Event{Subject: subject, Actor: actor, Body: b})
	r.must(err)
	return leaf
}

// live is a session that runs.
type live struct {
	r    *rig
	name string
	w    *recording.Writer
	s    *recording.Stream
}

func (r *rig) begin(name, person, asset, kind string) *live {
	r.t.Helper()
	w, header, keys, err := r.archive.Create(r.t.Context(), recording.Header{Session: name, Node: "a", Person: person, Firm: "krall", Windows: []string{"W-1"}})
	r.must(err)
	r.tell(name, person, audit.SessionStarted{Session: name, Person: person, Firm: "krall", Windows: []string{"W-1"}, Mode: r.archive.Mode(), Header: header, Keys: keys})
	r.tell(name, person, audit.ChannelOpened{Session: name, Channel: 0, Window: "W-1", Kind: kind, Asset: asset, Port: "ssh", Account: "maint", Target: "10.0.0.1:22"})
	s, err := w.Stream(0, kind)
	r.must(err)
	return &live{r, name, w, s}
}

func (l *live) shows(text string) {
	l.r.t.Helper()
	l.r.must(l.s.Commit(l.r.t.Context(), recording.Out, []byte(text)))
}

func (l *live) asks(text string) {
	l.r.t.Helper()
	l.r.must(l.s.Commit(l.r.t.Context(), recording.Request, []byte(text)))
}

func (l *live) ends() {
	l.r.t.Helper()
	closed, err := l.w.Close(context.Background(), "client")
	l.r.must(err)
	l.r.tell(l.name, "penstock", audit.SessionEnded{Session: l.name, Cause: "client", Close: closed})
}

// finds gives the hits of a query, a line each.
func (r *rig) finds(text string) []string {
	r.t.Helper()
	q, err := ParseQuery(text, time.UTC)
	r.must(err)
	found, err := r.f.Find(context.Background(), q)
	r.must(err)
	if found.Broke != "" {
		r.t.Errorf("%s: %s", text, found.Broke)
	}
	lines := []string{}
	for _, h := range found.Hits {
		lines = append(lines, fmt.Sprintf("%c %s %s %d %s", h.Kind, h.Session, h.Asset, h.Channel, h.Text))
	}
	return lines
}

func (r *rig) want(query string, want ...string) {
	r.t.Helper()
	got := r.finds(query)
	if len(got) != len(want) {
		r.t.Errorf("%s: %d hits, wanted %d:\n%s", query, len(got), len(want), strings.Join(got, "\n"))
		return
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			r.t.Errorf("%s: hit %d is %q, wanted %q", query, i, got[i], want[i])
		}
	}
}

const hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// twoSessions are one that has ended, with a command and a file, and one that runs.
func (r *rig) twoSessions() *live {
	r.t.Helper()
	one := r.begin("S-1", "ann", "filler-plc", "shell")
	one.asks(`{"allowed":true,"cols":80,"kind":"pty-req","rows":24,"term":"xterm"}`)
	one.shows("$ show al\x1b[31marm\x1b[0m\r\nF-417 fill volume drifts\r\n")
	h, err := audit.ParseHash("sha256:" + hash)
	r.must(err)
	r.tell("S-1", "ann", audit.FileTransferred{Session: "S-1", Channel: 0, Window: "W-1", Asset: "filler-plc", By: "sftp", Direction: "in", Path: "/recipes/Milk 14.csv", Bytes: 4, SHA256: h, Hashed: "content", Whole: true})
	one.ends()
	two := r.begin("S-2", "ben", "hmi", "exec")
	two.asks(`{"allowed":true,"command":"systemctl restart filler","kind":"exec"}`)
	two.asks(`{"allowed":false,"command":"rm -rf /","kind":"exec","rule":"r"}`)
	two.shows("restarted the filler\n")
	r.tell("B-1", "mia", audit.BlockSet{Block: "B-1", Firm: "thermo", By: "mia", Why: "laptop lost in Aarhus"})
	return two
}

func (r *rig) whole() {
	r.t.Helper()
	r.want("alarm", "s S-1 filler-plc 0 $ show alarm")
	r.want("f-417", "s S-1 filler-plc 0 F-417 fill volume drifts")
	r.want(`"fill volume"`, "s S-1 filler-plc 0 F-417")
	r.want(`"volume fill"`)
	r.want("volume fill", "s S-1")
	r.want("drif", "s S-1") // the beginning of a word
	r.want("ift")           // its end is none
	r.want("restart filler person:ben", "s S-2 hmi 0 restarted the filler", "c S-2 hmi 0 systemctl restart filler")
	r.want("restart person:ann")
	r.want("restart asset:hmi after:2020-01-01", "s S-2", "c S-2")
	r.want("restart before:2020-01-01")
	r.want(`file:milk`, "f S-1 filler-plc 0 /recipes/Milk 14.csv")
	r.want("sha256:"+hash, "f S-1")
	r.want("sha256:"+hash[:12], "f S-1")
	r.want("file:alarm")
	r.want("aarhus", "e   -1 block.set B-1")
	r.want("rm", []string{}...)
	r.want("asset:filler-plc", "S S-1")
}

// TestFind: from the log and from recordings, while a session runs, after its
// end, in another life, and made again from nothing.
func TestFind(t *testing.T) {
	r := newRig(t)
	two := r.twoSessions()
	r.fill()
	r.whole()
	two.shows("later it said goodbye\n")
	r.fill()
	r.want("goodbye", "s S-2 hmi 0 later it said goodbye")
	r.whole()
	r.reopen(false) // the reading of S-2 was broken off, and begins again
	r.want("goodbye", "s S-2")
	r.whole()
	two.ends()
	r.fill()
	r.whole()
	before := r.finds("maint")
	r.reopen(true)
	r.whole()
	if after := r.finds("maint"); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("made again it finds\n%q\nand before it found\n%q", after, before)
	}
	// Somebody, or a disk, wrote over it.
	path := filepath.Join(r.dir, "search", "index.db")
	r.must(r.f.Close())
	r.must(os.WriteFile(path, bytes.Repeat([]byte("x"), 100_000), 0o600))
	r.open(0)
	r.fill()
	r.whole()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

// TestASizeOfNothingIsNone: some clients have no size (RFC 4254, 6.2: zero is to
// be ignored), and one that says so hides nothing.
func TestASizeOfNothingIsNone(t *testing.T) {
	r := newRig(t)
	one := r.begin("S-1", "ann", "filler-plc", "shell")
	one.asks(`{"allowed":true,"cols":0,"kind":"pty-req","rows":0,"term":"xterm"}`)
	one.shows("F-417 fill volume drifts\r\n")
	one.asks(`{"allowed":true,"cols":0,"kind":"window-change","rows":0}`)
	one.shows("line stopped\r\n")
	one.ends()
	r.fill()
	r.want(`"fill volume"`, "s S-1 filler-plc 0 F-417")
	r.want(`"line stopped"`, "s S-1 filler-plc 0 line stopped")
}

// TestSeconds: a hit leads to its moment.
func TestSeconds(t *testing.T) {
	r := newReading()
	at := func(seq uint64, after time.Duration, text string) {
		r.frame(recording.Frame{Channel: 3, Kind: "shell", Seq: seq, Mark: recording.Out, At: time.Minute + after, Wall: time.Unix(1000, 0).Add(after), Data: []byte(text)})
	}
	at(0, 0, "hello\n")
	at(1, 90*time.Second, "th")
	at(1, 90*time.Second, "th") // had already
	at(2, 90*time.Second, "ere\n")
	at(3, 100*time.Second, "hello\n") // seen already
	if len(r.found) != 2 || r.found[1].Text != "there" || r.found[1].Ref != 90_000 || r.found[1].Wall != 1_090_000 || r.found[1].Chan != 3 {
		t.Errorf("%+v", r.found)
	}
}

// TestSealed: of a sealed recording the index has only what the log says, also
// while the session runs, and no byte of it is in the index's file.
func TestSealed(t *testing.T) {
	auditor, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	sealed(t, auditor)
	sealed(t, nil) // even where the broker could open it
}

func sealed(t *testing.T, to *age.X25519Identity) {
	t.Helper()
	r := newRig(t)
	if to == nil {
		to = r.id
	}
	r.mode("sealed", to)
	r.f.archive = r.archive
	s := r.begin("S-7", "ann", "filler-plc", "shell")
	s.shows("TOPSECRETRECIPE\n")
	r.fill()
	s.ends()
	r.fill()
	r.want("topsecretrecipe")
	r.want("channel.opened maint", "e S-7")
	q, _ := ParseQuery("maint", time.UTC)
	found, err := r.f.Find(context.Background(), q)
	r.must(err)
	if found.State.Sealed != 1 || !found.Hits[0].Sealed {
		t.Errorf("nobody is told: %+v", found)
	}
	b, err := os.ReadFile(filepath.Join(r.dir, "search", "index.db"))
	r.must(err)
	if bytes.Contains(bytes.ToLower(b), []byte("topsecret")) {
		t.Error("a sealed screen stands in the index")
	}
}

// TestGone: what the log says is gone is not found any more.
func TestGone(t *testing.T) {
	r := newRig(t)
	r.twoSessions().ends()
	r.fill()
	r.tell("S-1", "penstock", audit.RecordingExpired{Session: "S-1", Rule: "keep-look"})
	r.fill()
	r.want("drifts")
	r.want("file:milk", "f S-1")
	r.want("restarted", "s S-2")
	q, _ := ParseQuery("milk", time.UTC)
	if found, err := r.f.Find(context.Background(), q); err != nil || found.State.Left != 1 {
		t.Errorf("%+v %v", found.State, err)
	}
}

// TestBroughtBack: an index that knows more than the log is made again.
func TestBroughtBack(t *testing.T) {
	r := newRig(t)
	r.twoSessions().ends()
	r.fill()
	r.f.log = shorter{r.log}
	more, err := r.f.Fold(context.Background())
	if err != nil || !more {
		t.Fatal(more, err)
	}
	r.want("drifts")
	r.f.log = r.log
	r.fill()
	r.whole()
}

type shorter struct{ *audit.Log }

func (shorter) Size() audit.Index { return 3 }

// TestBound: a full index leaves the oldest screens out, and says so.
func TestBound(t *testing.T) {
	r := newRig(t)
	r.twoSessions().ends()
	r.fill()
	r.f.most = 1
	r.must(r.f.bound())
	r.want("drifts")
	r.want("restarted", "s S-2")
	r.want("file:milk", "f S-1")
	q, _ := ParseQuery("milk", time.UTC)
	if found, err := r.f.Find(context.Background(), q); err != nil || found.State.Left != 1 {
		t.Errorf("%+v %v", found.State, err)
	}
}

// TestManyEndedAreOneTransaction: each transaction is two syncs of the disk, and
// short sessions come in dozens.
func TestManyEndedAreOneTransaction(t *testing.T) {
	r := newRig(t)
	for i := range 12 {
		l := r.begin(fmt.Sprintf("S-%d", i+1), "ann", "filler-plc", "exec")
		l.shows(fmt.Sprintf("alarm number%d\n", i))
		l.ends()
	}
	number := func() (n int) {
		r.must(r.f.db.View(func(tx *bolt.Tx) error { n = tx.ID(); return nil }))
		return n
	}
	before := number()
	if _, err := r.f.Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := number() - before; took != 2 {
		t.Errorf("12 sessions that ended took %d transactions; the log's part and the screens' part are 2", took)
	}
	if got := r.finds("alarm"); len(got) != 12 {
		t.Errorf("found %d of 12", len(got))
	}
	if len(r.f.running) != 0 {
		t.Errorf("%d ended sessions are still held", len(r.f.running))
	}
}

// opens says how often recordings were opened.
type opens struct {
	Archive
	opened int
}

func (c *opens) Open(session string) (*recording.Reader, error) {
	c.opened++
	return c.Archive.Open(session)
}

// TestAnIdleSessionIsNotReadAgain: hundreds of sessions may be open all day, and
// each minute is a look at those that run.
func TestAnIdleSessionIsNotReadAgain(t *testing.T) {
	r := newRig(t)
	c := &opens{Archive: r.archive}
	r.f.archive = c
	l := r.begin("S-1", "ann", "filler-plc", "shell")
	for i, step := range []struct {
		does   func()
		opened int
	}{
		{func() { l.shows("first alarm\n") }, 1},
		{func() {}, 1},
		{func() { l.shows("second alarm\n"); l.shows("$ ") }, 2},
		{func() {}, 2},
		{l.ends, 3},
	} {
		step.does()
		r.fill()
		if c.opened != step.opened {
			t.Errorf("step %d: opened %d times, want %d", i, c.opened, step.opened)
		}
	}
	r.want("first", "s S-1 filler-plc 0 first alarm")
	r.want("second", "s S-1 filler-plc 0 second alarm")
}
