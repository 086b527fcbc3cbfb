package verify

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"penstock/audit"
)

// key is the log's: the one given, else the folder's own, which is said.
func (c *checker) key() (note.Verifier, error) {
	own := filepath.Join(c.dir, "keys", "log.pub")
	held, err := bounded(own, maxSmall)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if c.trust.LogKey != "" {
		v, err := note.NewVerifier(strings.TrimSpace(c.trust.LogKey))
		if err != nil {
			return nil, fmt.Errorf("the log's key as given: %w", err)
		}
		if string(held) != strings.TrimSpace(c.trust.LogKey)+"\n" {
			c.wrong("keys/log.pub", "is not the key that was given")
		}
		return v, nil
	}
	if err != nil {
		return nil, fmt.Errorf("no key to check the log with: give the log's verifier key, or a folder with keys/log.pub: %w", err)
	}
	v, err := note.NewVerifier(strings.TrimSpace(string(held)))
	if err != nil {
		return nil, fmt.Errorf("keys/log.pub is no verifier key, so the log cannot be checked: give the key, from where it was kept: %w", err)
	}
	// The library reads the hash in capitals, too: one key, and not the bytes that were written.
	text := strings.TrimSpace(string(held))
	if string(held) != text+"\n" || !strings.HasPrefix(text, fmt.Sprintf("%s+%08x+", v.Name(), v.KeyHash())) {
		c.wrong("keys/log.pub", "is not as Penstock writes it")
	}
	c.note("keys/log.pub", "the log's key came from the folder itself: somebody who made the folder anew could have made a key of their own")
	return v, nil
}

// log reads every leaf, and gives each to whom it concerns.
func (c *checker) log(ctx context.Context, v note.Verifier) error {
	outside, err := c.outside(v)
	if err != nil {
		return err
	}
	c.notes(v)
	r, err := audit.OpenReader(filepath.Join(c.dir, "log"), v)
	if err != nil {
		return err
	}
	c.report.Origin, c.report.Size, c.report.Root = r.Head().Origin, r.Size(), r.Head().Root
	kept, err := c.receipts(ctx, r)
	if err != nil {
		return err
	}
	outside.add(kept...)
	before := size(filepath.Join(c.dir, "log", "entries"))
	stored := openHashes(filepath.Join(c.dir, "log", "hashes"))
	defer stored.close()
	for leaf, err := range r.All(ctx) {
		if d, ok := errors.AsType[*audit.Damage](err); ok {
			where := c.in(d.File)
			if d.Offset >= 0 {
				where += fmt.Sprintf(" byte %d", d.Offset)
			}
			c.wrong(fmt.Sprintf("%s leaf %d", where, d.Index), "%s", d.What)
			c.damaged = true
			continue
		}
		if err != nil {
			return err
		}
		if err := c.leaf(ctx, leaf, stored, outside); err != nil {
			return err
		}
	}
	c.compared(outside)
	c.hashes(stored)
	c.uncovered(r)
	if more := before - c.entries; more > 0 && !c.damaged {
		c.find(c.leftover(), fmt.Sprintf("log/entries leaf %d", c.tree.size), "%d bytes after the last whole leaf: being written, or torn by a crash", more)
	}
	c.walked(ctx)
	return nil
}

// frameHead is what stands before each leaf in a segment: length and checksum.
const frameHead = 8

func (c *checker) leaf(ctx context.Context, leaf audit.Leaf, stored *hashFile, outside *marks) error {
	raw, err := leaf.Canonical()
	if err != nil {
		return err
	}
	c.report.Leaves++
	c.entries += int64(len(raw)) + frameHead
	c.passed(int64(len(raw)) + frameHead)
	if !c.damaged {
		stored.compare(c.tree.add(tlog.RecordHash(raw)))
		outside.grown(&c.tree)
		c.step(ctx, leaf)
		c.reviewed(leaf)
	}
	c.last = leaf
	switch leaf.Body.(type) {
	case audit.NodeStarted:
		c.crashed = c.crashed || c.running
		c.started, c.running = leaf.Wall, true
	case audit.NodeStopped:
		c.running = false
	}
	if err := c.mention(ctx, leaf); err != nil {
		return err
	}
	return c.record(ctx, leaf)
}

// step gives a leaf to the walk. Behind a damaged leaf nothing is known of windows.
func (c *checker) step(ctx context.Context, leaf audit.Leaf) {
	if c.walk == nil {
		return
	}
	where := fmt.Sprintf("leaf %d", leaf.Index)
	for _, f := range c.walk.Leaf(ctx, leaf) {
		c.wrong(where, "%s", strings.TrimPrefix(f, where+" "))
	}
	for _, n := range c.walk.Notes() {
		c.note(where, "%s", strings.TrimPrefix(n, where+" "))
	}
}

func (c *checker) walked(ctx context.Context) {
	if c.walk == nil {
		c.note("log", "windows and answers were not judged, only log, documents and recordings")
		return
	}
	if c.damaged {
		c.wrong("log", "windows, answers and sessions behind the first damaged leaf were not judged")
		return
	}
	windows, findings := c.walk.Done(ctx)
	c.report.Windows = windows
	for _, f := range findings {
		c.wrong("log", "%s", f)
	}
	for _, n := range c.walk.Notes() {
		c.note("log", "%s", n)
	}
}

// notes holds the stored checkpoints to their one spelling: what a note's
// reader passes over, such as spare bits of a signature, was not written by us.
func (c *checker) notes(v note.Verifier) {
	for _, name := range []string{"checkpoint", "checkpoint.synced"} {
		b, err := bounded(filepath.Join(c.dir, "log", name), maxSmall)
		if errors.Is(err, fs.ErrNotExist) {
			c.wrong("log/"+name, "is missing")
		}
		if err != nil {
			continue // the log's reader says so
		}
		_, err = audit.ParseCheckpoint(b, v)
		if err == nil {
			err = strict(b)
		}
		if err != nil {
			c.wrong("log/"+name, "%v", err)
		}
	}
}

// strict: each signature line's base64 in its only form (C2SP signed-note).
func strict(b []byte) error {
	_, lines, _ := strings.Cut(string(b), "\n\n")
	for l := range strings.Lines(lines) {
		fields := strings.Split(strings.TrimSuffix(l, "\n"), " ")
		if len(fields) != 3 {
			return errors.New("a signature line is not as it is written")
		}
		if _, err := base64.StdEncoding.Strict().DecodeString(fields[2]); err != nil {
			return fmt.Errorf("a signature line is not as it is written: %w", err)
		}
	}
	return nil
}

// uncovered tells of leaves that no signature covers.
func (c *checker) uncovered(r *audit.Reader) {
	if more := c.tree.size - int64(r.Size()); more > 0 && !c.damaged {
		c.find(c.leftover(), "log", "%d leaves after leaf %d are not under a signed checkpoint yet", more, int64(r.Size())-1)
	}
}

// tree is the RFC 6962 tree of the leaves so far, as its right edge.
type tree struct {
	size int64
	edge []tlog.Hash // roots of whole subtrees, the largest first
}

// add takes a leaf's hash and gives the hashes that it completes, in the order
// in which tlog.StoredHashes keeps them.
func (t *tree) add(h tlog.Hash) []tlog.Hash {
	made := []tlog.Hash{h}
	for range bits.TrailingZeros64(^uint64(t.size)) {
		h = tlog.NodeHash(t.edge[len(t.edge)-1], h)
		t.edge = t.edge[:len(t.edge)-1]
		made = append(made, h)
	}
	t.edge = append(t.edge, h)
	t.size++
	return made
}

func (t *tree) root() tlog.Hash {
	h := t.edge[len(t.edge)-1]
	for i := len(t.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.edge[i], h)
	}
	return h
}

// hashFile is log/hashes, which can be made again from the entries: nothing
// rests on it, and it is compared all the same.
type hashFile struct {
	f     *os.File
	r     *bufio.Reader
	at    int64
	first int64 // byte of the first difference; -1: none
	short bool
}

func openHashes(path string) *hashFile {
	f, err := os.Open(path)
	if err != nil {
		return &hashFile{first: -1, short: true}
	}
	return &hashFile{f: f, r: bufio.NewReaderSize(f, 64<<10), first: -1}
}

func (h *hashFile) close() {
	if h.f != nil {
		h.f.Close()
	}
}

func (h *hashFile) compare(want []tlog.Hash) {
	for _, w := range want {
		if h.short || h.first >= 0 {
			return
		}
		var have tlog.Hash
		if _, err := io.ReadFull(h.r, have[:]); err != nil {
			h.short = true
			return
		}
		if have != w {
			h.first = h.at
			for have[h.first-h.at] == w[h.first-h.at] {
				h.first++
			}
			return
		}
		h.at += int64(len(have))
	}
}

func (c *checker) hashes(h *hashFile) {
	switch {
	case c.damaged:
	case h.first >= 0:
		c.wrong(fmt.Sprintf("log/hashes byte %d", h.first), "is not the hash of the entries; the file is made again at the next start, and nothing rests on it")
	case h.short:
		c.find(c.leftover(), "log/hashes", "is missing or shorter than the log; it is made again at the next start, and nothing rests on it")
	default:
		if _, err := h.r.ReadByte(); err == nil {
			c.find(c.leftover(), fmt.Sprintf("log/hashes byte %d", h.at), "goes on after the last leaf")
		}
	}
}

var hashWord = regexp.MustCompile(`"sha256:[0-9a-f]{64}"`)

// mention reads the documents that a leaf names, and keeps every other hash in
// its body, for what lies beside.
func (c *checker) mention(ctx context.Context, leaf audit.Leaf) error {
	for _, h := range Named(leaf.Body) {
		if h.IsZero() || c.mentioned[h] {
			continue
		}
		c.mentioned[h] = true
		c.report.Documents++
		b, err := c.documents.Get(ctx, h)
		c.passed(int64(len(b)))
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			c.wrong(fmt.Sprintf("%s (leaf %d)", documentName(h), leaf.Index), "%s", plain(err))
		}
	}
	body, err := json.Marshal(leaf.Body)
	if err != nil {
		return err
	}
	for _, word := range hashWord.FindAll(body, -1) {
		if h, err := audit.ParseHash(string(bytes.Trim(word, `"`))); err == nil && !c.mentioned[h] {
			c.mentioned[h] = false
		}
	}
	return nil
}
