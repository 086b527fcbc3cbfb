package pack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/audit/verify"
)

// chosen is what of a log belongs to one window.
type chosen struct {
	leaves   map[audit.Index]bool
	sessions []*session
	last     time.Time // wall of the last leaf under the checkpoint
}

// session is one that named the window, as far as the checkpoint goes.
type session struct {
	id      string
	ended   bool
	gone    bool // expired or deleted, by an event
	batches int  // recording.heads since it ended
	heads   map[int]*batch
}

// batch is the newest recording.heads with a line of one channel, and that line.
type batch struct {
	audit.RecordingHeads
	at   audit.Index
	head recording.Head
}

// ref is a leaf that changed rows: its rows, and the ids that stand in it.
type ref struct {
	at    audit.Index
	rows  []string
	names []string
	docs  []audit.Hash
}

// chooser reads the log once.
type chooser struct {
	dir      string
	docs     *verify.Documents
	window   string
	out      *chosen
	sessions map[string]*session
	refs     []ref
	byRow    map[string][]int
	words    map[string]string // one copy of each
	start    []string          // rows that are wanted
	agreed   bool
}

// choose reads a log up to its checkpoint; fs.ErrNotExist where it has no such window.
func choose(ctx context.Context, r *audit.Reader, dir, window string) (*chosen, error) {
	c := &chooser{dir: dir, docs: verify.NewDocuments(dir), window: window, out: &chosen{leaves: map[audit.Index]bool{}},
		sessions: map[string]*session{}, byRow: map[string][]int{}, words: map[string]string{}, start: []string{"window/" + window}}
	for leaf, err := range r.From(ctx, 0) {
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		if leaf.Index >= r.Size() {
			break
		}
		c.out.last = leaf.Wall
		if err := c.leaf(leaf); err != nil {
			return nil, err
		}
	}
	if !c.agreed {
		return nil, fmt.Errorf("window %.40q: %w", window, fs.ErrNotExist)
	}
	c.follow(ctx)
	for _, s := range c.out.sessions {
		for _, b := range s.heads {
			c.out.leaves[b.at] = true
		}
	}
	return c.out, nil
}

func (c *chooser) take(l audit.Leaf) { c.out.leaves[l.Index] = true }

func (c *chooser) leaf(l audit.Leaf) error {
	if len(l.Rows) > 0 {
		if err := c.refer(l); err != nil {
			return err
		}
	}
	switch b := l.Body.(type) {
	case audit.SecretUsed:
		if c.sessions[b.Session] != nil {
			c.take(l)
			c.start = append(c.start, "secret/"+b.Asset+"/"+b.Account)
		}
	case audit.FileHeld:
		if b.Window == c.window {
			c.start = append(c.start, "file/"+b.File)
		}
	case audit.WindowAgreed:
		c.agreed = c.agreed || b.Window == c.window
	case audit.CertIssued:
		if b.CA == "in" && slices.Contains(b.Windows, c.window) || b.CA != "in" && c.sessions[b.Session] != nil {
			c.take(l)
			c.want(b.Windows, b.Person)
		}
	case audit.SessionStarted:
		if slices.Contains(b.Windows, c.window) {
			s := &session{id: b.Session, heads: map[int]*batch{}}
			c.sessions[b.Session], c.out.sessions = s, append(c.out.sessions, s)
			c.want(b.Windows, b.Person)
			c.take(l)
		}
	case audit.RecordingHeads:
		return c.heads(l, b)
	case audit.EvidenceAsked:
		if b.Window == c.window {
			c.take(l)
		}
	default:
		if c.whichever(l) {
			return nil
		}
		if s := c.sessions[l.Subject]; s != nil {
			c.take(l)
			s.ended = s.ended || l.Body.Type() == "session.ended"
			s.gone = s.gone || verify.Gone(l.Body)
		}
	}
	return nil
}

// whichever takes what is needed to judge any window, and says whether the leaf
// was of that sort.
func (c *chooser) whichever(l audit.Leaf) bool {
	switch b := l.Body.(type) {
	case audit.LogCreated, audit.LogRecovered, audit.NodeStarted, audit.NodeStopped, audit.ClockStepped, audit.ClockAccepted, audit.RecordingLate,
		audit.BlockSet, audit.BlockLifted, audit.IslandAnswered, audit.KioskEnrolled, audit.KioskRevoked, audit.BackupRestored,
		audit.RosterWritten, audit.DeputyNamed, audit.DeputyEnded, // who was on duty decides whose word counted
		audit.AssetBackup,                                                               // how old one was decides what could be asked
		audit.AgentInvited, audit.AgentJoined, audit.AgentConfirmed, audit.AgentRemoved, // a channel goes through one that stands
		audit.HostKeyChanged, audit.HostKeyAccepted, audit.HostKeyConfirmed, audit.HostKeyCleared: // and to no machine that showed another key
		c.take(l)
		for row := range l.Rows {
			c.start = append(c.start, row)
		}
	case audit.ConfigChanged:
		if b.Kind == "plant" {
			c.take(l)
		}
		if b.Change != "" { // how it was agreed is judged too
			c.start = append(c.start, "change/"+b.Change)
		}
	case audit.GateChanged: // what is about one window comes with its row
		if b.Window == "" {
			c.take(l)
			for row := range l.Rows {
				c.start = append(c.start, row)
			}
		}
	case audit.PersonAsked: // changes no row; judged with its request
		c.refs = append(c.refs, ref{at: l.Index, names: c.intern(b.People)})
		kind := "request/"
		if strings.HasPrefix(l.Subject, "O-") {
			kind = "outage/"
		}
		c.under(kind+l.Subject, len(c.refs)-1)
	default:
		return false
	}
	return true
}

// want are windows that a certificate or session names beside this one: whether
// they were open is judged too, so their own leaves come along.
func (c *chooser) want(windows []string, person string) {
	for _, w := range windows {
		c.start = append(c.start, "window/"+w)
	}
	if person != "" {
		c.start = append(c.start, "person/"+person)
	}
}

func (c *chooser) intern(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		known, ok := c.words[w]
		if !ok {
			known, c.words[w] = w, w
		}
		out[i] = known
	}
	return out
}

func (c *chooser) under(row string, i int) { c.byRow[row] = append(c.byRow[row], i) }

// refer keeps what is needed to follow a leaf later.
func (c *chooser) refer(l audit.Leaf) error {
	body, err := json.Marshal(l.Body)
	if err != nil {
		return err
	}
	r := ref{at: l.Index, names: c.intern(append(ids(body), l.Actor))}
	for row := range l.Rows {
		if follows(row) {
			r.rows = append(r.rows, c.intern([]string{row})...)
		}
	}
	switch l.Body.(type) {
	case audit.RequestSubmitted, audit.RequestRevised, audit.AnswerGiven, audit.WindowAgreed, audit.PlantProposed, audit.PlantAnswered, audit.PatternProposed, audit.PatternAnswered, audit.RosterWritten, audit.IslandAnswered, audit.OutageWritten:
		r.docs = verify.Named(l.Body)
	}
	slices.Sort(r.rows)
	for _, row := range r.rows {
		c.under(row, len(c.refs))
	}
	r.rows = append(r.rows, c.named(l.Body)...) // one way only: not all that was ever done under a pattern belongs to one window
	c.refs = append(c.refs, r)
	return nil
}

// named are rows that an event only names: the pattern under which a request was
// asked, and the window by which a pattern was doubted.
func (c *chooser) named(body audit.Body) []string {
	switch b := body.(type) {
	case audit.RequestSubmitted:
		if b.Pattern != "" {
			return c.intern([]string{"pattern/" + b.Pattern})
		}
	case audit.RequestRevised:
		if b.Pattern != "" {
			return c.intern([]string{"pattern/" + b.Pattern})
		}
	case audit.PatternDoubted:
		return c.intern([]string{"window/" + b.Window})
	}
	return nil
}

// follows: rows that lead from one leaf to the next.
func follows(row string) bool {
	kind, _, _ := strings.Cut(row, "/")
	switch kind {
	case "window", "request", "person", "key", "invitation", "firm", "block", "roster", "gate", "handover", "change", "pattern", "spoken", "outage", "kiosk", "bootstrap", "envelope", "agent", "hostkey", "secret", "file":
		return true
	}
	return false
}

// follow takes in what the first rows lead to, by rows and by ids, until nothing new is wanted.
func (c *chooser) follow(ctx context.Context) {
	seen := map[string]bool{}
	for queue := c.start; len(queue) > 0; {
		row := queue[0]
		queue = queue[1:]
		if seen[row] {
			continue
		}
		seen[row] = true
		for _, i := range c.byRow[row] {
			r := c.refs[i]
			if c.out.leaves[r.at] && r.docs == nil && len(r.names) == 0 {
				continue
			}
			c.out.leaves[r.at] = true
			queue = append(queue, r.rows...)
			queue = append(queue, c.whoIn(ctx, r, seen)...)
		}
	}
}

// whoIn are the rows, not seen yet, of people, firms and envelopes that a leaf or its documents name.
func (c *chooser) whoIn(ctx context.Context, r ref, seen map[string]bool) (rows []string) {
	names := r.names
	for _, h := range r.docs {
		if doc, err := c.docs.Get(ctx, h); err == nil { // what is missing is a finding of the check
			names = append(names[:len(names):len(names)], ids(doc)...)
		}
	}
	for _, n := range names {
		for _, kind := range []string{"person/", "firm/", "envelope/"} {
			if !seen[kind+n] && len(c.byRow[kind+n]) > 0 {
				rows = append(rows, kind+n)
			}
		}
	}
	return rows
}

// ids are the strings in some JSON that can be a person's or firm's id.
func ids(doc []byte) (list []string) {
	d := json.NewDecoder(strings.NewReader(string(doc)))
	for {
		t, err := d.Token()
		if err != nil {
			return list
		}
		if s, ok := t.(string); ok && len(s) <= 32 && s != "" && s[0] >= 'a' && s[0] <= 'z' && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
}

// lateBatches: heads that were on their way when a session ended still come.
const lateBatches = 3

// heads keeps the newest line of each channel of a wanted session.
func (c *chooser) heads(l audit.Leaf, b audit.RecordingHeads) error {
	running := false
	for _, s := range c.out.sessions {
		if s.ended {
			s.batches++
		}
		running = running || s.batches <= lateBatches
	}
	if !running || !headsName.MatchString(b.File) || b.Bytes < 0 || b.Bytes > maxBatch {
		return nil
	}
	text, err := section(filepath.Join(c.dir, "log", "heads", b.File), b.Offset, b.Bytes)
	if err != nil {
		return fmt.Errorf("head lines of leaf %d: %w", l.Index, err)
	}
	for line := range strings.Lines(string(text)) {
		h, err := recording.ParseHead([]byte(strings.TrimSuffix(line, "\n")))
		if s := c.sessions[h.Session]; err == nil && s != nil {
			s.heads[h.Channel] = &batch{b, l.Index, h}
		}
	}
	return nil
}

func section(path string, offset, n int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(f, offset, n), b); err != nil {
		return nil, fmt.Errorf("read %d bytes at %d: %w", n, offset, err)
	}
	return b, nil
}
