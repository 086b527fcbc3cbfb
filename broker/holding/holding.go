// Package holding keeps files that vendors send where the plant file has them
// wait: durable here and not on the machine, until type and scanner have spoken
// and somebody of the plant, or the signed request, has let them through. Then it
// delivers them, over the same window, at the same gate. Files that they take out
// wait likewise: what was fetched is given to whoever asks in that window again.
//
// It decides nothing: the Desk does, and says so in the log. It trusts what it
// reads back only as far as the hash that was told when the file came: altered
// bytes are not delivered. Its folder has no word on anything else; whoever
// deletes from it makes a file that waits expire.
package holding

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/broker"
	"penstock/broker/sftp"
	"penstock/policy"
)

// Desk is what was agreed about files; *approvals.Desk is it.
type Desk interface {
	HoldFile(context.Context, audit.FileHeld) (approvals.File, error)
	LookedAt(ctx context.Context, id, kind, scan, why, database string) (approvals.File, error)
	ReleaseNamed(ctx context.Context, id string) (approvals.File, bool, error)
	DeliverFile(ctx context.Context, id string, s policy.SessionID, channel int) (approvals.File, error)
	DeliveredFile(ctx context.Context, id string, s policy.SessionID, channel int, why string) (approvals.File, error)
	ExpireFile(ctx context.Context, id, why string) (approvals.File, error)
	FilesWaiting(context.Context) ([]approvals.File, error)
	Fetched(context.Context, policy.WindowID, policy.AssetName, policy.AccountName, string) (approvals.File, bool, error)
	Over(context.Context, policy.WindowID) (bool, error)
}

// Dial logs in at a channel's machine; dial.Dialer.SSH is it.
type Dial func(context.Context, *broker.Channel, policy.AccountName) (ssh.Conn, error)

// Limits of what waits; zero fields take the defaults.
type Limits struct {
	Bytes int64         // in all; 4 GiB
	One   int64         // of one file; 1 GiB
	Age   time.Duration // of one file; 24 h. It ends with its window in any case
}

func (l Limits) defaults() Limits {
	return Limits{cmp.Or(l.Bytes, 4<<30), cmp.Or(l.One, 1<<30), cmp.Or(l.Age, 24*time.Hour)}
}

// Parts of a Holding.
type Parts struct {
	Dir     string // DATA/holding
	Desk    Desk
	Broker  *broker.Broker
	Dial    Dial
	Scanner Scanner // nil: there is none, and people look
	Limits  Limits
	Tell    func(alarm string) // tells OT security that the scanner cannot look; empty: it can again. nil: nobody is told
	Now     func() time.Time   // nil: time.Now
}

// Holding keeps files, and brings them on. Safe for concurrent use.
type Holding struct {
	Parts
	root *os.Root
	poke chan struct{}

	mu    sync.Mutex      // memory only
	used  int64           // bytes in the folder, those on their way in too
	mine  map[string]bool // names that are on their way in, and in no row yet
	under map[string]bool // files that somebody works on

	errands map[policy.AssetName]bool // machines that Penstock brings a file to by a session of its own
	tried   map[string]failure
	taken   map[string]bool   // files that are taken out now
	said    map[string]bool   // files of which the person was told that they are let out
	parts   map[place]*part   // uploads that broke off
	stopped map[string]string // files that somebody refuses: what the vendor reads
	named   map[string]bool   // files that the machine was asked to give their name

	health health // the scanner's
}

// Open makes the folder, and says what is in it.
func Open(p Parts) (*Holding, error) {
	h := &Holding{Parts: p, poke: make(chan struct{}, 1), mine: map[string]bool{}, under: map[string]bool{}, errands: map[policy.AssetName]bool{}, tried: map[string]failure{}, taken: map[string]bool{}, said: map[string]bool{}, parts: map[place]*part{}, stopped: map[string]string{}, named: map[string]bool{}}
	h.Limits = p.Limits.defaults()
	if h.Now == nil {
		h.Now = time.Now
	}
	if err := durable.MkdirAll(p.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the holding folder: %w", err)
	}
	var err error
	if h.root, err = os.OpenRoot(p.Dir); err != nil {
		return nil, fmt.Errorf("open the holding folder: %w", err)
	}
	names, err := os.ReadDir(p.Dir)
	if err != nil {
		return nil, fmt.Errorf("read the holding folder: %w", err)
	}
	for _, n := range names {
		if i, err := n.Info(); err == nil {
			h.used += i.Size()
		}
	}
	return h, nil
}

var errFull = &policy.Refusal{Rule: "holding-full", Say: "The plant's place for files that wait is full. Ask the control room to look at those that wait, or try again later.", Why: "bytes above the limit"}

// Begin is sftp.Holding.
func (h *Holding) Begin(gate *broker.Channel, way sftp.Way, path string, most int64) (sftp.Held, error) {
	if err := approvals.FilePath(path); err != nil { // before all of it has come
		return nil, err
	}
	most = h.most(most)
	name := rand.Text()
	h.mu.Lock()
	h.mine[name] = true // before it is in the folder: sweep looks there first
	h.mu.Unlock()
	f, err := h.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		h.mu.Lock()
		delete(h.mine, name)
		h.mu.Unlock()
		return nil, fmt.Errorf("keep a file: %w", err)
	}
	if way == sftp.In {
		h.forget(placeOf(gate, path)) // it is sent anew
	}
	return &coming{h: h, gate: gate, way: way, path: path, most: most, name: name, f: f}, nil
}

// most is what one file may have.
func (h *Holding) most(most int64) int64 {
	if most <= 0 || most > h.Limits.One {
		return h.Limits.One
	}
	return most
}

// coming is a file on its way in.
type coming struct {
	h    *Holding
	gate *broker.Channel
	way  sftp.Way
	path string
	most int64
	name string
	f    *os.File

	mu   sync.Mutex // before Holding's: a channel that ends gives the file up while bytes of it still come
	size int64
	next int64 // all before it came, in order
	over bool
}

// take makes room up to size. c.mu is held.
func (c *coming) take(size int64) error {
	if c.over {
		return fs.ErrClosed
	}
	if size > c.most {
		return &policy.Refusal{Rule: "file-size", Say: "This file is larger than what may wait at the plant. Ask the plant for more room, or split it.", Why: fmt.Sprintf("more than %d bytes", c.most)}
	}
	if size <= c.size {
		return nil
	}
	h := c.h
	h.makeRoom(size - c.size)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.used+size-c.size > h.Limits.Bytes {
		return errFull
	}
	h.used += size - c.size
	c.size = size
	return nil
}

func (c *coming) WriteAt(p []byte, at int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at < 0 || at > c.most {
		at = c.most + 1
	}
	if err := c.take(at + int64(len(p))); err != nil {
		return 0, err
	}
	n, err := c.f.WriteAt(p, at)
	if at <= c.next {
		c.next = max(c.next, at+int64(n))
	}
	return n, err
}

func (c *coming) Truncate(size int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.truncate(size)
}

func (c *coming) truncate(size int64) error {
	if err := c.take(size); err != nil {
		return err
	}
	if err := c.f.Truncate(size); err != nil {
		return err
	}
	c.h.give(c.size - size)
	c.size, c.next = size, min(c.next, size)
	return nil
}

func (c *coming) Size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}

// Done: the bytes, their folder, then the event; what the event does not name is swept.
func (c *coming) Done(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := sha256.New()
	if n, err := io.Copy(sum, io.NewSectionReader(c.f, 0, c.size)); err != nil || n != c.size {
		return "", fmt.Errorf("read back what was kept: %d of %d bytes: %w", n, c.size, err)
	}
	if err := errors.Join(c.f.Sync(), durable.SyncDir(c.h.Dir)); err != nil {
		return "", fmt.Errorf("make the file durable: %w", err)
	}
	q := c.gate.Query()
	direction := ""
	if c.way == sftp.Out {
		direction = "out"
	}
	file, err := c.h.Desk.HoldFile(ctx, audit.FileHeld{Direction: direction, Window: string(c.gate.Window()), Session: string(c.gate.Session()), Channel: c.gate.Number(), Person: string(c.gate.Person()),
		Source: q.Source.String(), Key: q.Key, Asset: string(q.Asset), Account: string(q.Account), Path: c.path, Bytes: c.size, SHA256: audit.Hash(sum.Sum(nil)), Kept: c.name})
	if err != nil {
		return "", err
	}
	c.over = true
	c.f.Close()
	c.h.mu.Lock()
	delete(c.h.mine, c.name)
	c.h.mu.Unlock()
	c.h.Poke()
	if c.way == sftp.Out {
		return fmt.Sprintf("%s was fetched and is held at the plant as %s. It comes to you when it was looked at and somebody there lets it out: then get it again. See: ssh desk@… files %s",
			filepath.Base(c.path), file.ID, file.Window), nil
	}
	return fmt.Sprintf("%s is held at the plant as %s. It is not on the machine yet: it is delivered when it was looked at and somebody there lets it through. See: ssh desk@… files %s",
		filepath.Base(c.path), file.ID, file.Window), nil
}

func (c *coming) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
}

func (c *coming) drop() {
	if c.over {
		return
	}
	c.over = true
	c.f.Close()
	c.h.remove(c.name, c.size)
	c.h.mu.Lock()
	delete(c.h.mine, c.name)
	c.h.mu.Unlock()
}

func (h *Holding) give(n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.used -= n
}

func (h *Holding) remove(name string, size int64) {
	if err := h.root.Remove(name); err == nil {
		h.give(size)
	} else if !errors.Is(err, os.ErrNotExist) {
		slog.Error("what is held cannot be deleted", "err", err)
	}
}

// Poke has Run look again.
func (h *Holding) Poke() {
	select {
	case h.poke <- struct{}{}:
	default:
	}
}

// sweep gives the files that wait, and deletes what none of them names. What is in
// the folder is read first, then what is on its way in, then the
// rows: whoever has left the second by then is in the third.
func (h *Holding) sweep(ctx context.Context) ([]approvals.File, error) {
	entries, folder := os.ReadDir(h.Dir)
	h.mu.Lock()
	keep := maps.Clone(h.mine)
	h.mu.Unlock()
	files, err := h.Desk.FilesWaiting(ctx)
	if err != nil {
		return nil, err
	}
	if folder != nil {
		return files, fmt.Errorf("read the holding folder: %w", folder)
	}
	for _, f := range files {
		keep[f.Kept] = true
	}
	for _, e := range entries {
		if i, err := e.Info(); err == nil && !keep[e.Name()] {
			h.remove(e.Name(), i.Size())
		}
	}
	return files, nil
}

// arrival is the vendor's, as they were when they sent the file, for a delivery after they left.
func arrival(f approvals.File) (broker.Arrival, error) {
	source, err := netip.ParseAddr(f.Source)
	return broker.Arrival{Errand: true, Person: f.Person, Windows: []policy.WindowID{f.Window}, Serial: f.ID, Key: f.Key, Source: source, Client: "Penstock, delivering " + f.ID}, err
}

// silent is the person's end of a delivery: nobody is there.
type silent struct{}

func (silent) Tell(string) {}
func (silent) Close(error) {}

// same says whether the bytes are still those that came.
func (h *Holding) same(f approvals.File) (*os.File, error) {
	if strings.ContainsAny(f.Kept, "/\\.") || f.Kept == "" {
		return nil, fmt.Errorf("%s is kept under no name of ours", f.ID)
	}
	file, err := h.root.Open(f.Kept)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	if n, err := io.Copy(sum, file); err != nil || n != f.Bytes || audit.Hash(sum.Sum(nil)) != f.SHA256 {
		file.Close()
		return nil, errors.Join(fmt.Errorf("%s is %s by now, and was %s", f.ID, hex.EncodeToString(sum.Sum(nil))[:12], f.SHA256), err)
	}
	return file, nil
}
