package recording

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"penstock/audit"
)

// Recover mends what a crash left: it cuts torn tails back to the last frame
// that the hash chain vouches for, says so in recording.recovered, writes
// close.json with cause "crash", and session.ended. A file that is shorter, or
// other, than its last head in log/heads is damage, not a torn tail: it is left
// as it is, told in recording.failed and marked in close.json. Before anything
// listens, and before Run. It may be interrupted and called again.
func (a *Archive) Recover(ctx context.Context) error {
	for _, dir := range a.unborn {
		session := strings.TrimPrefix(filepath.Base(dir), ".")
		if a.p.Gone != nil && !a.p.Gone(session) && a.p.Started != nil && a.p.Started(session) {
			if err := a.tellDamage(ctx, session, "its folder has lost its name, and no event lets it go: give "+filepath.Base(dir)+" its name back"); err != nil {
				return err
			}
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("sweep a recording that was not begun: %w", err)
		}
	}
	unfinished, err := a.unfinished(ctx)
	if err != nil {
		return err
	}
	if len(unfinished) == 0 {
		return nil
	}
	heads, err := a.lastHeads(unfinished)
	if err != nil {
		return err
	}
	for _, session := range slices.Sorted(maps.Keys(unfinished)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := a.recoverOne(ctx, session, heads[session]); err != nil {
			return fmt.Errorf("recover the recording of %s: %w", session, err)
		}
	}
	return nil
}

// unfinished lists sessions without close.json, and completes those that have
// one but whose session.ended the log does not know.
func (a *Archive) unfinished(ctx context.Context) (map[string]Header, error) {
	found := map[string]Header{}
	for session, dir := range a.sessions.all() {
		if a.p.Started != nil && !a.p.Started(session) {
			if err := a.sweep(session, dir); err != nil {
				return nil, fmt.Errorf("sweep the recording of %s, which was never admitted: %w", session, err)
			}
			continue
		}
		c, hash, err := readClosed(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			h, _, err := readHeader(dir)
			if err != nil {
				// Told at each start, until somebody has looked: nothing of it can be vouched for.
				if err := a.tellDamage(ctx, session, err.Error()); err != nil {
					return nil, err
				}
				continue
			}
			found[session] = h
		case a.p.Ended == nil || a.p.Ended(session):
		case err != nil:
			return nil, fmt.Errorf("recover the recording of %s: %w", session, err)
		default:
			if err := a.tellEnded(ctx, session, c, hash); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// sweep takes away what Create made for a session that the log never admitted.
// With a channel in it, it is none that we made: it stays, and penstock-verify names it.
func (a *Archive) sweep(session, dir string) error {
	c, err := listFolder(dir)
	if err != nil || len(c.channels) > 0 || len(c.wrong) > 0 {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	a.sessions.drop(session)
	return a.p.Disk.SyncDir(filepath.Dir(dir))
}

func (a *Archive) tellEnded(ctx context.Context, session string, c Closed, hash audit.Hash) error {
	body := audit.SessionEnded{Session: session, Cause: c.Cause, Close: hash}
	for _, f := range c.Files {
		if f.Damaged != "" {
			body.Why = "damage was found in the recording"
		}
	}
	if _, err := a.p.Log.Append(ctx, audit.Event{Subject: session, Actor: "penstock", Body: body}); err != nil {
		return fmt.Errorf("recover the recording of %s: log: %w", session, err)
	}
	return nil
}

// lastHeads reads the newest head line of each file of the given sessions.
// Lines are written after their frames are durable, so each counts, also one
// whose leaf the crash prevented.
func (a *Archive) lastHeads(sessions map[string]Header) (map[string]map[string]Head, error) {
	oldest := time.Now().UTC()
	for _, h := range sessions {
		if h.Started.Before(oldest) {
			oldest = h.Started
		}
	}
	last := map[string]map[string]Head{}
	entries, err := os.ReadDir(a.p.HeadsDir)
	if err != nil {
		return nil, fmt.Errorf("read heads: %w", err)
	}
	for _, e := range entries {
		// A day earlier, because clocks are set.
		if e.Name() < oldest.AddDate(0, 0, -1).Format("2006-01")+".txt" || !strings.HasSuffix(e.Name(), ".txt") {
			continue
		}
		if err := eachHead(filepath.Join(a.p.HeadsDir, e.Name()), func(h Head) {
			if _, ok := sessions[h.Session]; !ok {
				return
			}
			if last[h.Session] == nil {
				last[h.Session] = map[string]Head{}
			}
			if h.Seq >= last[h.Session][h.File].Seq {
				last[h.Session][h.File] = h
			}
		}); err != nil {
			return nil, fmt.Errorf("read heads: %w", err)
		}
	}
	return last, nil
}

// eachHead calls f for every whole head line; what a crash left half is passed over.
func eachHead(path string, f func(Head)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewReader(file)
	for {
		// A power cut may leave zeros, as many as one write had: no line is
		// that long, and what is not a line is passed over.
		line, more, err := in.ReadLine()
		for ; more && err == nil; _, more, err = in.ReadLine() {
			line = nil
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h, err := ParseHead(line); err == nil {
			f(h)
		}
	}
}

func (a *Archive) recoverOne(ctx context.Context, session string, heads map[string]Head) error {
	dir, _ := a.sessions.get(session)
	keys, err := readBounded(filepath.Join(dir, keyFile), maxKeyFile)
	if err != nil {
		return err
	}
	_, header, err := readHeader(dir)
	if err != nil {
		return err
	}
	c, err := listFolder(dir)
	if err != nil {
		return err
	}
	out := Closed{V: 1, Session: session, Header: header, Keys: audit.HashOf(keys), Cause: "crash", Ended: time.Now().UTC(), Files: []File{}}
	for _, d := range c.wrong {
		if err := a.tellDamage(ctx, session, d.Error()); err != nil {
			return err
		}
	}
	for _, ch := range c.channels {
		files, err := a.recoverChannel(ctx, dir, header, session, ch, heads)
		if err != nil {
			return err
		}
		out.Files = append(out.Files, files...)
	}
	if err := a.missing(ctx, session, out, heads); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, reserveFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	hash, err := writeClosed(a.p.Disk, dir, out)
	if err != nil {
		return diskFull(err)
	}
	if a.p.Ended != nil && a.p.Ended(session) {
		return nil // without a close.json, as on a full disk: a session ends once, and its heads speak for it
	}
	return a.tellEnded(ctx, session, out, hash)
}

// missing tells of files that were committed to and are gone.
func (a *Archive) missing(ctx context.Context, session string, c Closed, heads map[string]Head) error {
	for _, name := range slices.Sorted(maps.Keys(heads)) {
		if slices.ContainsFunc(c.Files, func(f File) bool { return f.File == name }) {
			continue
		}
		if err := a.tellDamage(ctx, session, (&Damage{name, -1, "is missing"}).Error()); err != nil {
			return err
		}
	}
	return nil
}

func (a *Archive) tellDamage(ctx context.Context, session, what string) error {
	slog.Error("recording is damaged; run penstock-verify and compare with a copy", "session", session, "what", what)
	_, err := a.p.Log.Append(ctx, audit.Event{Subject: session, Actor: "penstock", Body: audit.RecordingFailed{Session: session, Why: short(what)}})
	return err
}

// recoverChannel walks the chain, which needs no key, and gives the files as
// they are afterwards.
func (a *Archive) recoverChannel(ctx context.Context, dir string, header audit.Hash, session string, ch channelFiles, heads map[string]Head) ([]File, error) {
	s, err := newScanner(dir, header, ch, nil)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var files []File
	committed := commitCheck(heads, ch)
	s.ended = func(f File) error { files = append(files, f); return nil }
	for {
		_, _, err := s.next()
		var damage *Damage
		switch {
		case err == nil:
			committed.frame(s)
			continue
		case err == io.EOF:
			if n := len(files); n > 0 {
				if err := a.rewrite(dir, files[n-1], false); err != nil {
					return nil, err
				}
			}
			return a.finish(ctx, session, files, committed.open())
		case !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &damage):
			return nil, err
		}
		return a.tail(ctx, dir, session, s, files, committed, err)
	}
}

// finish marks files that lack what was committed.
func (a *Archive) finish(ctx context.Context, session string, files []File, open []Head) ([]File, error) {
	for _, h := range open {
		for i := range files {
			if files[i].File != h.File {
				continue
			}
			files[i].Damaged = fmt.Sprintf("frame %d is not the one that log/heads names", h.Seq)
			if err := a.tellDamage(ctx, session, h.File+": "+files[i].Damaged); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// tail decides over the first frame that does not fit: torn, and cut, if it
// lies in the channel's last part behind everything that was committed to;
// otherwise damage, and left alone.
func (a *Archive) tail(ctx context.Context, dir, session string, s *scanner, files []File, committed *commits, why error) ([]File, error) {
	at := s.at
	at.File = s.name(s.number)
	size, err := fileSize(filepath.Join(dir, at.File))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	gone := err != nil
	if !gone && s.number == s.parts-1 && len(committed.open()) == 0 {
		if err := a.cut(ctx, dir, session, at, size-at.Bytes); err != nil {
			return nil, err
		}
		return append(files, at), nil
	}
	at.Damaged = short(why.Error())
	if err := a.tellDamage(ctx, session, why.Error()); err != nil {
		return nil, err
	}
	if at.Bytes = size; !gone {
		files = append(files, at)
	}
	for n := s.number + 1; n < s.parts; n++ { // cannot be reached through the chain
		name := s.name(n)
		size, err := fileSize(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil {
			files = append(files, File{File: name, Bytes: size, Damaged: "stands behind damage"})
		}
	}
	return files, nil
}

func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	if err != nil {
		return 0, fmt.Errorf("look at %s: %w", filepath.Base(path), err)
	}
	return info.Size(), nil
}

// cut says what is lost, and then takes it away: interrupted between the two it
// says so again, which is better than never.
func (a *Archive) cut(ctx context.Context, dir, session string, at File, lost int64) error {
	_, err := a.p.Log.Append(ctx, audit.Event{Subject: session, Actor: "penstock", Body: audit.RecordingRecovered{Session: session, File: at.File, Lost: lost}})
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return a.rewrite(dir, at, true)
}

// rewrite puts a channel's last part on the disk once more, in place, and cuts
// it where that is asked for. After a failed fsync of an earlier life Linux may
// show bytes that the disk does not have, and a sync alone would not bring
// them there; close.json must not vouch for those.
func (a *Archive) rewrite(dir string, at File, cut bool) error {
	f, err := a.p.Disk.FS().OpenFile(filepath.Join(dir, at.File), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	for off := int64(0); off < at.Bytes; off += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), at.Bytes-off)]
		if _, err := f.ReadAt(b, off); err != nil {
			return fmt.Errorf("rewrite %s: %w", at.File, err)
		}
		if _, err := f.WriteAt(b, off); err != nil {
			return fmt.Errorf("rewrite %s: %w", at.File, err)
		}
	}
	if cut {
		if err := f.Truncate(at.Bytes); err != nil {
			return fmt.Errorf("cut %s: %w", at.File, err)
		}
	}
	return a.p.Disk.SyncNow(f)
}

// commits are a channel's committed heads that were not met yet.
type commits struct{ left map[string]Head }

// commitCheck takes those of one channel.
func commitCheck(heads map[string]Head, ch channelFiles) *commits {
	c := &commits{map[string]Head{}}
	for name, h := range heads {
		if p, ok := parsePart(name); ok && p.channel == ch.channel && p.kind == ch.kind {
			c.left[name] = h
		}
	}
	return c
}

// frame ticks off the head of the frame that the scanner has just read.
func (c *commits) frame(s *scanner) {
	h, ok := c.left[s.at.File]
	if ok && h.Seq == s.seq-1 && h.Head == s.at.Head && h.Bytes == s.at.Bytes {
		delete(c.left, s.at.File)
	}
}

func (c *commits) open() []Head {
	return slices.SortedFunc(maps.Values(c.left), func(a, b Head) int { return cmp.Compare(a.File, b.File) })
}
