package pack

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/audit/verify"
)

// Documents is how a Story reads what leaves name.
type Documents interface {
	Get(context.Context, audit.Hash) ([]byte, error)
}

// Story judges the leaves of a pack, in order, and then tells them to people.
// cmd gives approvals' reading of them here: audit knows no window.
type Story interface {
	verify.Walk
	HTML(io.Writer) error
	Text(io.Writer) error
}

// Order says which pack to make.
type Order struct {
	Dir    string        // data folder
	Key    note.Verifier // the log's
	Window string
	// Checkpoint is the running log's newest, in which its folder may lag; nil: the stored one.
	Checkpoint []byte
	Story      func(docs Documents, window string) Story
	// Open opens a recording to be exported as text, or pcapng where a channel is
	// TCP; it is asked for each session once. A nil Reader: that one is sealed, and
	// not exported. nil: the pack has no exports.
	Open func(ctx context.Context, session string) (*recording.Reader, error)
	// Input exports TCP channels too: what the vendor sent is in them, which is a
	// right of its own.
	Input bool
}

// Made says what went out.
type Made struct {
	SHA256 audit.Hash
	Bytes  int64
	Size   audit.Index // leaves under the checkpoint
	Left   []string    // recordings that the folder did not have
}

// writer is one pack being written.
type writer struct {
	Order
	ctx context.Context
	r   *audit.Reader
	c   *chosen
	zip *zip.Writer
	m   manifest
	sum hash.Hash
	n   int64
	to  io.Writer
}

// Write makes a pack of the window under the stored checkpoint.
// fs.ErrNotExist: the log has no such window. After another error w holds a part, which no check accepts.
func Write(ctx context.Context, w io.Writer, o Order) (Made, error) {
	p := &writer{Order: o, ctx: ctx, sum: sha256.New(), to: w}
	p.zip = zip.NewWriter(p)
	if err := p.write(); err != nil {
		return Made{}, fmt.Errorf("evidence of %s: %w", o.Window, err)
	}
	return Made{SHA256: audit.Hash(p.sum.Sum(nil)), Bytes: p.n, Size: p.r.Size(), Left: p.m.Left}, nil
}

// Write counts and sums what goes out.
func (p *writer) Write(b []byte) (int, error) {
	n, err := p.to.Write(b)
	p.sum.Write(b[:n])
	p.n += int64(n)
	return n, err
}

func (p *writer) write() (err error) {
	log := filepath.Join(p.Dir, "log")
	if p.Checkpoint != nil {
		p.r, err = audit.OpenReaderAt(log, p.Key, p.Checkpoint)
	} else {
		p.r, err = audit.OpenReader(log, p.Key)
	}
	if err != nil {
		return err
	}
	if d := p.r.Problem(); d != nil {
		return d
	}
	if p.c, err = choose(p.ctx, p.r, p.Dir, p.Window); err != nil {
		return err
	}
	p.m = manifest{V: 1, Kind: kind, Window: p.Window, Origin: p.r.Head().Origin, Size: p.r.Size(), Root: p.r.Head().Root,
		Made: p.c.last.UTC().Truncate(time.Second), Exports: p.Open != nil, Left: []string{}, Files: []file{}}
	docs := &noting{from: verify.NewDocuments(p.Dir), used: map[audit.Hash]bool{}}
	story := p.Story(docs, p.Window)
	for _, step := range []func() error{
		p.key,
		func() error { return p.events(story) },
		p.heads,
		p.outside,
		func() error { return p.documents(docs) },
		p.recordings,
		func() error { return p.rendered(htmlName, story.HTML) },
		func() error { return p.rendered(textName, story.Text) },
		p.manifest,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return p.zip.Close()
}

// create begins a file; the same call with the same name gives the same bytes.
func create(z *zip.Writer, name string, made time.Time) (io.Writer, error) {
	return z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: made})
}

// add writes a file, and its line in the manifest.
func (p *writer) add(name string, from func(io.Writer) error) error {
	if err := p.ctx.Err(); err != nil {
		return context.Cause(p.ctx)
	}
	if !known.MatchString(name) {
		return fmt.Errorf("%q is no name for a file of a pack", name)
	}
	w, err := create(p.zip, name, p.m.Made)
	if err != nil {
		return err
	}
	t := &tally{sum: sha256.New()}
	if err := from(io.MultiWriter(w, t)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p.m.Files = append(p.m.Files, file{name, t.n, audit.Hash(t.sum.Sum(nil))})
	return nil
}

func (p *writer) bytes(name string, b []byte) error {
	return p.add(name, func(w io.Writer) error { _, err := w.Write(b); return err })
}

// rendered keeps the page's own writes together.
func (p *writer) rendered(name string, render func(io.Writer) error) error {
	return p.add(name, render)
}

type tally struct {
	sum hash.Hash
	n   int64
}

func (t *tally) Write(b []byte) (int, error) {
	t.n += int64(len(b))
	return t.sum.Write(b)
}

func (p *writer) key() error {
	b, err := os.ReadFile(filepath.Join(p.Dir, "keys", "log.pub"))
	if err != nil {
		return err
	}
	if err := p.bytes(keyName, b); err != nil {
		return err
	}
	return p.bytes(checkpointName, p.r.Checkpoint())
}

// events writes the proofs one after the other; the story sees each leaf.
func (p *writer) events(story Story) error {
	return p.add(proofsName, func(w io.Writer) error {
		for proof, err := range p.r.Proofs(p.ctx, func(i audit.Index) bool { return p.c.leaves[i] }) {
			if err != nil {
				return err
			}
			leaf, err := audit.ParseLeaf(proof.Extra)
			if err != nil {
				return err
			}
			story.Leaf(p.ctx, leaf)
			story.Notes()
			if _, err := w.Write(proof.Marshal()); err != nil {
				return err
			}
		}
		story.Done(p.ctx)
		return nil
	})
}

// heads writes each batch of head lines that is the newest of a channel.
func (p *writer) heads() error {
	batches := map[string]audit.RecordingHeads{}
	for _, s := range p.c.sessions {
		for _, b := range s.heads {
			batches[batchName(b.RecordingHeads)] = b.RecordingHeads
		}
	}
	for _, name := range slices.Sorted(maps.Keys(batches)) {
		b := batches[name]
		text, err := section(filepath.Join(p.Dir, "log", "heads", b.File), b.Offset, b.Bytes)
		if err != nil {
			return err
		}
		if err := p.bytes(name, text); err != nil {
			return err
		}
	}
	return nil
}

func batchName(b audit.RecordingHeads) string {
	return fmt.Sprintf("%s%s.%d", headsFolder, b.File, b.Offset)
}

// documents writes those that judging and telling the leaves asked for.
func (p *writer) documents(docs *noting) error {
	for _, h := range slices.SortedFunc(maps.Keys(docs.used), func(a, b audit.Hash) int { return bytes.Compare(a[:], b[:]) }) {
		b, err := docs.from.Get(p.ctx, h)
		if err != nil {
			return err
		}
		if err := p.bytes(documentName(h), b); err != nil {
			return err
		}
	}
	return nil
}

// noting remembers which documents were there when they were asked for.
type noting struct {
	from *verify.Documents
	used map[audit.Hash]bool
}

func (n *noting) Get(ctx context.Context, h audit.Hash) ([]byte, error) {
	b, err := n.from.Get(ctx, h)
	if err == nil {
		n.used[h] = true
	}
	return b, err
}

// recordings writes each folder as far as the checkpoint knows it: a session
// that runs ends at its newest head lines.
func (p *writer) recordings() error {
	for _, s := range p.c.sessions {
		found, err := filepath.Glob(filepath.Join(escape(filepath.Join(p.Dir, "recordings")), "[0-9][0-9][0-9][0-9]", "[0-9][0-9]", "[0-9][0-9]", s.id))
		if err != nil || len(found) > 1 {
			return errors.Join(err, fmt.Errorf("%d recordings of %s", len(found), s.id))
		}
		if len(found) == 0 {
			if !s.gone {
				p.m.Left = append(p.m.Left, s.id)
			}
			continue
		}
		if err := p.recording(s, found[0]); err != nil {
			return err
		}
		if p.Open != nil && s.ended {
			if err := p.export(s.id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *writer) recording(s *session, dir string) error {
	entries, err := os.ReadDir(dir) // by name: the parts of a channel in order
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := recordings + s.id + "/" + e.Name()
		if !known.MatchString(name) || !e.Type().IsRegular() || e.Name() == "close.json" && !s.ended {
			continue // reserve; what does not belong is a finding of the folder's own check
		}
		path := filepath.Join(dir, e.Name())
		n := int64(-1)
		if !s.ended && strings.HasSuffix(e.Name(), ".brf") {
			if n, err = s.upTo(e.Name()); err != nil {
				return err
			}
			if n == 0 {
				continue
			}
		}
		if err := p.file(name, path, n); err != nil {
			return err
		}
	}
	return nil
}

// upTo is how much of a part of a running session the log vouches for: all of
// those before its channel's newest head (-1), that one up to the head, none of those after.
func (s *session) upTo(name string) (int64, error) {
	for _, b := range s.heads {
		if channelOf(b.head.File) != channelOf(name) {
			continue
		}
		switch c := cmp.Or(cmp.Compare(len(name), len(b.head.File)), strings.Compare(name, b.head.File)); {
		case c < 0:
			return -1, nil
		case c == 0:
			return b.head.Bytes, nil
		}
	}
	return 0, nil
}

func channelOf(name string) string { before, _, _ := strings.Cut(name, "."); return before }

// file writes the first n bytes of a file, -1: all.
func (p *writer) file(name, path string, n int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return p.add(name, func(w io.Writer) error {
		if n < 0 {
			_, err := io.Copy(w, f)
			return err
		}
		_, err := io.CopyN(w, f, n)
		return err
	})
}

func (p *writer) export(id string) error {
	r, err := p.Open(p.ctx, id)
	if err != nil || r == nil {
		return err
	}
	defer r.Close()
	for _, ch := range r.Channels() {
		if ch.Kind == tcpKind && !p.Input {
			continue
		}
		name, write := exportOf(id, ch)
		if err := p.add(name, func(w io.Writer) error { return write(w, r) }); err != nil {
			return err
		}
	}
	return nil
}

// tcpKind is a channel of a TCP port (RFC 4254 section 7.2).
const tcpKind = "direct-tcpip"

// exportOf names a channel's export, and makes it.
func exportOf(id string, ch recording.Channel) (name string, write func(io.Writer, *recording.Reader) error) {
	name = fmt.Sprintf("%s%s/c%02d-%s", exports, id, ch.Number, ch.Kind)
	if ch.Kind == tcpKind {
		return name + ".pcapng", func(w io.Writer, r *recording.Reader) error { return recording.ExportPcapng(w, r, ch.Number) }
	}
	return name + ".txt", func(w io.Writer, r *recording.Reader) error { return recording.ExportText(w, r, ch.Number) }
}

func (p *writer) manifest() error {
	b, err := audit.Canonical(p.m)
	if err != nil {
		return err
	}
	w, err := create(p.zip, manifestName, p.m.Made)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// escape keeps Glob from reading a folder's own name as a pattern.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
