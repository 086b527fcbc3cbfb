package recording

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"penstock/audit"
	"penstock/audit/durable"
)

// Head is one line of log/heads/YYYY-MM.txt: the newest durable frame of a
// channel at that second. Because the chain runs on over the parts of a
// channel, it commits to everything that the channel held before.
type Head struct {
	Session string     `json:"session"`
	Channel int        `json:"channel"`
	File    string     `json:"file"`
	Seq     uint64     `json:"seq"`
	Bytes   int64      `json:"bytes"` // of File, up to and with that frame
	Head    audit.Hash `json:"head"`
}

// ParseHead reads one line, without its newline; only the canonical form is accepted.
func ParseHead(line []byte) (Head, error) {
	var h Head
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return h, fmt.Errorf("head line: %w", err)
	}
	if again, err := audit.Canonical(h); err != nil || !bytes.Equal(again, line) {
		return h, fmt.Errorf("head line is not canonical")
	}
	return h, nil
}

// HeadsRoot is the RFC 6962 root (section 2.1) over head lines without their
// newlines: what recording.heads commits to.
func HeadsRoot(lines [][]byte) audit.Hash {
	if len(lines) == 0 {
		return audit.HashOf(nil)
	}
	level := make([]tlog.Hash, len(lines))
	for i, l := range lines {
		level[i] = tlog.RecordHash(l)
	}
	// Pairing level by level, the odd one carried up, makes the same tree as
	// splitting at the largest power of two.
	for len(level) > 1 {
		next := level[:0]
		for i := 0; i+1 < len(level); i += 2 {
			next = append(next, tlog.NodeHash(level[i], level[i+1]))
		}
		if len(level)%2 == 1 {
			next = append(next, level[len(level)-1])
		}
		level = next
	}
	return audit.Hash(level[0])
}

// headsEvery is how often open recordings are committed to the log.
const headsEvery = time.Second

// Run writes recording.heads once a second while anything changes, until ctx
// ends; then once more, and returns nil. A failing disk or log ends it with an
// error, and all recording with it.
func (a *Archive) Run(ctx context.Context) error {
	defer a.heads.close()
	tick := time.NewTicker(headsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := a.round(ctx); err != nil {
				return err
			}
		case <-a.failed:
			return a.err
		case <-a.p.Disk.Failed():
			err := fmt.Errorf("recording: the disk refused to sync")
			a.fail(err)
			return err
		case <-ctx.Done():
			return a.round(ctx)
		}
	}
}

// round commits heads once. It does not end with ctx: heads that were taken
// are written and committed, or recording has failed. What takes long only keeps
// everybody waiting: a leaf whose wait was given up might stand in the log or not.
func (a *Archive) round(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer a.Overdue().Watch(2*slowFlush, func() { cancel(context.DeadlineExceeded) })()
	err := a.commitHeads(ctx)
	if err != nil {
		a.fail(err)
		return err
	}
	a.headsAt.Store(time.Now().UnixNano())
	return nil
}

// commitHeads writes the heads that changed beside the log, and then their root into it.
func (a *Archive) commitHeads(ctx context.Context) error {
	changed := a.changedHeads()
	if len(changed) == 0 {
		return nil
	}
	lines := make([][]byte, len(changed))
	for i, h := range changed {
		line, err := audit.Canonical(h)
		if err != nil {
			return fmt.Errorf("recording heads: %w", err)
		}
		lines[i] = line
	}
	name, offset, size, err := a.heads.append(ctx, a.p.Disk.Until(a.p.Reserve), a.p.HeadsDir, lines)
	if err != nil {
		return fmt.Errorf("recording heads: %w", diskFull(err))
	}
	_, err = a.p.Log.Append(ctx, audit.Event{Subject: name, Actor: "penstock", Body: audit.RecordingHeads{
		File: name, Offset: offset, Bytes: size, Count: len(lines), Root: HeadsRoot(lines),
	}})
	if err != nil {
		return fmt.Errorf("recording heads: log: %w", err)
	}
	return nil
}

// changedHeads gives durable heads that no line has yet, by session and channel.
func (a *Archive) changedHeads() []Head {
	var changed []Head
	for _, w := range a.open() {
		w.mu.Lock()
		for _, s := range w.streams {
			s.mu.Lock()
			if !s.told {
				changed = append(changed, s.durable)
				s.told = true
			}
			s.mu.Unlock()
		}
		w.mu.Unlock()
	}
	slices.SortFunc(changed, func(x, y Head) int {
		return cmp.Or(cmp.Compare(x.Session, y.Session), cmp.Compare(x.Channel, y.Channel))
	})
	return changed
}

// headsFile is the month's file of head lines, append-only.
type headsFile struct {
	f    durable.File
	name string
	size int64
}

func (h *headsFile) append(ctx context.Context, disk *durable.Disk, dir string, lines [][]byte) (name string, offset, size int64, err error) {
	if err := h.turn(disk, dir, time.Now().UTC().Format("2006-01")+".txt"); err != nil {
		return "", 0, 0, err
	}
	text := append(bytes.Join(lines, []byte{'\n'}), '\n')
	n, err := h.f.Write(text)
	offset = h.size
	h.size += int64(n)
	if err != nil {
		return "", 0, 0, err
	}
	return h.name, offset, int64(n), disk.Sync(ctx, h.f)
}

// turn opens the month's file. A line that a crash left half is ended, not
// removed: no leaf names it.
func (h *headsFile) turn(disk *durable.Disk, dir, name string) error {
	if h.f != nil && h.name == name {
		return nil
	}
	h.close()
	path := filepath.Join(dir, name)
	f, err := disk.FS().OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	size, err := endLine(f)
	if err == nil {
		err = disk.SyncDir(dir)
	}
	if err != nil {
		f.Close()
		return err
	}
	h.f, h.name, h.size = f, name, size
	return nil
}

func endLine(f durable.File) (size int64, err error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return 0, err
	}
	size = info.Size()
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil || last[0] == '\n' {
		return size, err
	}
	if _, err := f.Write([]byte{'\n'}); err != nil {
		return size, err
	}
	return size + 1, nil
}

func (h *headsFile) close() {
	if h.f != nil {
		h.f.Close()
		h.f = nil
	}
}
