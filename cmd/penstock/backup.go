package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/audit/recording"
	"penstock/policy"
)

// A backup is a tar in zstd, in this order: manifest.json, the log up to one
// checkpoint, the documents and recordings that this much of the log vouches
// for, keys/log.pub, keys.tar.age (the keys folder as a tar, sealed by age; only
// where a recipient was named), and END.json. What has no END.json is torn.
// state.db is not in it: the broker makes it from the log.
const (
	manifestName = "manifest.json"
	keysName     = "keys.tar.age"
	endName      = "END.json"
	checkName    = "log/checkpoint"
)

// manifest says what a backup is of.
type manifest struct {
	V      int         `json:"v"` // 1
	Origin string      `json:"origin"`
	Size   audit.Index `json:"size"` // leaves
	Taken  time.Time   `json:"taken"`
	By     string      `json:"by"`
	Keys   string      `json:"keys,omitempty"` // age recipient of the keys; empty: none in it
}

// ending closes a backup: what was in it before this entry.
type ending struct {
	Files  int      `json:"files"`
	Bytes  int64    `json:"bytes"`
	SHA256 string   `json:"sha256"` // of a line "NAME SIZE SHA256" for each entry, in order
	Notes  []string `json:"notes,omitempty"`
}

// maxNotes bounds what an ending says.
const maxNotes = 1000

// tally is the running sum over entries that both sides keep.
type tally struct {
	files int
	bytes int64
	lines hash.Hash
}

func newTally() *tally { return &tally{lines: sha256.New()} }

func (t *tally) add(name string, size int64, sum []byte) {
	t.files++
	t.bytes += size
	fmt.Fprintf(t.lines, "%s %d %x\n", name, size, sum)
}

func (t *tally) ending() ending {
	return ending{Files: t.files, Bytes: t.bytes, SHA256: hex.EncodeToString(t.lines.Sum(nil))}
}

var errBackupRuns = &policy.Refusal{Rule: "backup-running", Say: "A backup is being taken already. Wait until it is through.", Why: "two backups at once"}

// backup checks who asks, writes the event, and gives what streams the copy.
// The streaming function is to be called once, whatever comes.
func (h *plantHouse) backup(ctx context.Context, by people.Actor, recipient string) (func(context.Context, io.Writer) error, error) {
	if err := h.roster.MayBackUp(ctx, by); err != nil {
		return nil, err
	}
	var to age.Recipient
	if recipient != "" {
		r, err := age.ParseX25519Recipient(recipient)
		if err != nil {
			return nil, &policy.Refusal{Rule: "bad-recipient", Say: "The recipient is no age key: it looks like age1…, as age-keygen prints it.", Why: err.Error()}
		}
		to = r
	}
	if !h.backups.TryLock() {
		return nil, errBackupRuns
	}
	leaf, err := h.log.Append(ctx, audit.Event{Subject: "backup", Actor: string(by.Person), Body: audit.BackupTaken{Person: string(by.Person), Keys: recipient}})
	if err != nil {
		h.backups.Unlock()
		return nil, fmt.Errorf("write that a backup is taken: %w", err)
	}
	h.slog.Info("a backup is taken", "by", by.Person, "with_keys", recipient != "")
	m := manifest{V: 1, Taken: leaf.Wall, By: string(by.Person), Keys: recipient}
	return func(ctx context.Context, w io.Writer) error {
		defer h.backups.Unlock()
		err := h.stream(ctx, w, m, to)
		if err != nil {
			h.slog.Error("a backup broke off", "by", by.Person, "err", err)
		}
		return err
	}, nil
}

// stream writes the whole backup.
func (h *plantHouse) stream(ctx context.Context, w io.Writer, m manifest, to age.Recipient) error {
	h.archive.AwaitHeads(ctx.Done(), 3*time.Second) // so that running sessions are in it up to now
	note := h.log.Checkpoint()
	v, err := audit.LogVerifier(h.folder.keys())
	if err != nil {
		return err
	}
	c, err := audit.ParseCheckpoint(note, v)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	m.Origin, m.Size = c.Origin, c.Size
	held, err := readVouched(ctx, h.log, c.Size)
	if err != nil {
		return err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20))
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	b := &backupWriter{ctx: ctx, tar: tar.NewWriter(z), tally: newTally(), at: m.Taken}
	if err := h.fill(b, m, note, held, to); err != nil {
		return errors.Join(fmt.Errorf("back up: %w", err), z.Close())
	}
	return errors.Join(b.tar.Close(), z.Close())
}

// vouched is what the first leaves of a log vouch for.
type vouched struct {
	size     audit.Index
	named    map[audit.Hash]bool
	sessions map[string]bool  // started; true: ended
	heads    map[string]int64 // file in log/heads → bytes that leaves commit to
}

func readVouched(ctx context.Context, l *audit.Log, size audit.Index) (*vouched, error) {
	past := newHistory()
	held := &vouched{size: size, sessions: map[string]bool{}, heads: map[string]int64{}}
	for leaf, err := range l.Upto(ctx, 0) {
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		if leaf.Index >= size {
			break
		}
		if err := past.fold(leaf); err != nil {
			return nil, err
		}
		switch b := leaf.Body.(type) {
		case audit.SessionStarted:
			held.sessions[b.Session] = false
		case audit.SessionEnded:
			held.sessions[b.Session] = true
		case audit.RecordingHeads:
			held.heads[b.File] = max(held.heads[b.File], b.Offset+b.Bytes)
		}
	}
	held.named = past.named
	return held, nil
}

func (h *plantHouse) fill(b *backupWriter, m manifest, note []byte, held *vouched, to age.Recipient) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	steps := []func() error{
		func() error { return b.bytes(manifestName, text) },
		func() error { return b.bytes(checkName, note) },
		func() error { return h.fillLog(b, held) },
		func() error { return h.fillDocuments(b, held) },
		func() error { return h.fillRecordings(b, held) },
		func() error { return b.whole("keys/log.pub", filepath.Join(h.folder.keys(), "log.pub")) },
		func() error { return h.fillKeys(b, to) },
		b.end,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (h *plantHouse) fillLog(b *backupWriter, held *vouched) error {
	extents, err := h.log.Extents(held.size)
	if err != nil {
		return err
	}
	for _, e := range extents {
		if err := b.file("log/"+e.Name, filepath.Join(h.folder.log(), filepath.FromSlash(e.Name)), e.Bytes); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(held.heads)) {
		if err := b.file("log/heads/"+name, filepath.Join(h.folder.heads(), name), held.heads[name]); err != nil {
			return err
		}
	}
	return nil
}

// fillDocuments copies what leaves name. Not every hash in a leaf is a
// document's, and that of one is checked by restore and by penstock-verify.
func (h *plantHouse) fillDocuments(b *backupWriter, held *vouched) error {
	for hash := range held.named {
		digits := strings.TrimPrefix(hash.String(), "sha256:")
		err := b.whole(path.Join("documents", digits[:2], digits), filepath.Join(h.folder.documents(), digits[:2], digits))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// fillRecordings copies each recording as far as the log vouches for it. One
// that is damaged or gone is noted: the others must be saved all the same.
func (h *plantHouse) fillRecordings(b *backupWriter, held *vouched) error {
	heads, err := recording.HeadsOf(h.folder.heads(), held.heads, func(s string) bool { ended, known := held.sessions[s]; return known && !ended })
	if err != nil {
		return err
	}
	for _, session := range slices.Sorted(maps.Keys(held.sessions)) {
		pieces, err := h.archive.Pieces(session, held.sessions[session], heads[session])
		if errors.Is(err, fs.ErrNotExist) {
			b.note("the recording of %s is missing", session)
			continue
		}
		if err != nil {
			return err
		}
		for _, p := range pieces {
			err := b.file("recordings/"+p.Name, filepath.Join(h.folder.recordings(), filepath.FromSlash(p.Name)), p.Bytes)
			if short, ok := errors.AsType[*tooShort](err); ok {
				b.note("%s", short.Error())
				continue
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// fillKeys seals the keys folder. It is small: a few keys of some hundred bytes.
func (h *plantHouse) fillKeys(b *backupWriter, to age.Recipient) error {
	if to == nil {
		return nil
	}
	entries, err := os.ReadDir(h.folder.keys())
	if err != nil {
		return err
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to)
	if err != nil {
		return fmt.Errorf("seal the keys: %w", err)
	}
	inner := &backupWriter{ctx: b.ctx, tar: tar.NewWriter(w), tally: newTally(), at: b.at}
	for _, e := range entries {
		if !keyFileName.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Size() > maxKey {
			return fmt.Errorf("keys/%s has %d bytes: that is no key", e.Name(), info.Size())
		}
		if err := inner.whole(e.Name(), filepath.Join(h.folder.keys(), e.Name())); err != nil {
			return err
		}
	}
	if err := errors.Join(inner.tar.Close(), w.Close()); err != nil {
		return fmt.Errorf("seal the keys: %w", err)
	}
	return b.bytes(keysName, sealed.Bytes())
}

// backupWriter writes entries and sums them up.
type backupWriter struct {
	ctx   context.Context
	tar   *tar.Writer
	tally *tally
	at    time.Time
	notes []string
}

// tooShort is a file that has fewer bytes than were there, or than the log vouches for.
type tooShort struct {
	name      string
	want, has int64
}

func (t *tooShort) Error() string {
	return fmt.Sprintf("%s has %d bytes, and the log vouches for %d: it is left out", t.name, t.has, t.want)
}

func (b *backupWriter) note(format string, a ...any) {
	if len(b.notes) < maxNotes {
		b.notes = append(b.notes, fmt.Sprintf(format, a...))
	}
}

func (b *backupWriter) bytes(name string, text []byte) error {
	return b.entry(name, int64(len(text)), bytes.NewReader(text))
}

// whole copies all of a file that does not change any more.
func (b *backupWriter) whole(name, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return b.file(name, from, info.Size())
}

// file copies the first n bytes of a file that may grow.
func (b *backupWriter) file(name, from string, n int64) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < n {
		return &tooShort{name, n, info.Size()}
	}
	return b.entry(name, n, io.LimitReader(f, n))
}

func (b *backupWriter) entry(name string, n int64, from io.Reader) error {
	if err := b.ctx.Err(); err != nil {
		return context.Cause(b.ctx)
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: n, Mode: 0o600, ModTime: b.at.Truncate(time.Second), Format: tar.FormatUSTAR}
	if n > 8<<30-1 { // more than USTAR can say
		header.Format = tar.FormatPAX
	}
	if err := b.tar.WriteHeader(header); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	sum := sha256.New()
	copied, err := io.Copy(io.MultiWriter(b.tar, sum), stoppable{b.ctx, from})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if copied != n {
		return fmt.Errorf("%s: copied %d bytes of %d: it has been cut meanwhile", name, copied, n)
	}
	b.tally.add(name, n, sum.Sum(nil))
	return nil
}

func (b *backupWriter) end() error {
	e := b.tally.ending()
	e.Notes = b.notes
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return b.bytes(endName, text)
}

// stoppable ends a long copy with its context.
type stoppable struct {
	ctx  context.Context
	from io.Reader
}

func (s stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.from.Read(p)
}
