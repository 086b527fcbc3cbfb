package pack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/audit/verify"
)

// held is what the leaves in a pack say of one recording.
type held struct {
	id           string
	header, keys audit.Hash
	close        audit.Hash
	ended, gone  bool
	heads        []recording.Head
	told         *verify.Told
}

// proofFirst begins each proof (C2SP tlog-proof).
const proofFirst = "c2sp.org/tlog-proof@v1\n"

// events reads the proofs one by one, believes each leaf only by its proof, and
// gives it to the story.
func (c *checker) events(v note.Verifier, s Story) {
	r, err := c.raw(proofsName)
	if err != nil {
		c.wrong(proofsName, "cannot be read: %v", err)
		return
	}
	lines := bufio.NewReaderSize(r, 64<<10)
	last := int64(-1)
	for text, err := range proofs(lines) {
		var leaf audit.Leaf
		if err == nil {
			leaf, err = c.proved(v, text)
		}
		if err == nil && int64(leaf.Index) <= last {
			err = fmt.Errorf("leaf %d stands behind leaf %d", leaf.Index, last)
		}
		if err != nil {
			c.wrong(fmt.Sprintf("%s after leaf %d", proofsName, last), "%v", err)
			return
		}
		last = int64(leaf.Index)
		c.report.Leaves++
		c.leaf(leaf, s)
	}
	windows, wrong := s.Done(c.ctx)
	c.report.Windows = windows
	for _, w := range wrong {
		c.wrong("events", "%s", w)
	}
	for _, n := range s.Notes() {
		c.note("events", "%s", n)
	}
}

// proofs splits the file at each proof's first line.
func proofs(r *bufio.Reader) func(func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		var text bytes.Buffer
		for {
			line, err := r.ReadSlice('\n')
			if err != nil && err != io.EOF || text.Len() > maxSmall*2 {
				yield(nil, errors.New("a line is too long, or cannot be read"))
				return
			}
			if string(line) == proofFirst && text.Len() > 0 || err == io.EOF && text.Len()+len(line) > 0 {
				if err == io.EOF {
					text.Write(line)
				}
				if !yield(text.Bytes(), nil) {
					return
				}
				text.Reset()
			}
			if err == io.EOF {
				return
			}
			text.Write(line)
		}
	}
}

func (c *checker) proved(v note.Verifier, text []byte) (audit.Leaf, error) {
	p, err := audit.ParseProof(text)
	if err != nil {
		return audit.Leaf{}, err
	}
	if !bytes.Equal(p.Checkpoint, c.head.Note) {
		return audit.Leaf{}, errors.New("is proved under another checkpoint than the pack's")
	}
	if !bytes.Equal(p.Marshal(), text) {
		return audit.Leaf{}, errors.New("a proof is not in its one form")
	}
	return p.Check(v)
}

func (c *checker) leaf(l audit.Leaf, s Story) {
	where := fmt.Sprintf("leaf %d", l.Index)
	c.follows(where, l)
	for _, f := range s.Leaf(c.ctx, l) {
		c.wrong(where, "%s", strings.TrimPrefix(f, where+" "))
	}
	for _, n := range s.Notes() {
		c.note(where, "%s", strings.TrimPrefix(n, where+" "))
	}
	switch b := l.Body.(type) {
	case audit.SessionStarted:
		h := &held{id: b.Session, header: b.Header, keys: b.Keys, told: verify.NewTold(b)}
		if c.sessions[b.Session] == nil {
			c.sessions[b.Session], c.order = h, append(c.order, h)
		}
	case audit.SessionEnded:
		if h := c.sessions[b.Session]; h != nil {
			h.ended, h.close = true, b.Close
			h.told.Leaf(b)
		}
	case audit.RecordingHeads:
		c.heads(where, b)
	default:
		if h := c.sessions[l.Subject]; h != nil {
			h.gone = h.gone || verify.Gone(l.Body)
			h.told.Leaf(l.Body)
		}
	}
}

// follows: each event about a row is one above the last, so one that was left
// out in the middle is missed. What came after the last one cannot be.
func (c *checker) follows(where string, l audit.Leaf) {
	own := ""
	for row := range l.Rows {
		if _, id, _ := strings.Cut(row, "/"); id == l.Subject && follows(row) {
			own = row
		}
	}
	if own != "" && l.Rev > c.revs[own]+1 {
		c.wrong(where, "an event about %s before this one was left out of the pack", own)
	}
	if own != "" && l.Rev != c.revs[own]+1 {
		return // void: another change came first
	}
	for row := range l.Rows {
		c.revs[row]++
	}
}

// heads holds a batch of head lines to its leaf.
func (c *checker) heads(where string, b audit.RecordingHeads) {
	name := batchName(b)
	text, err := c.read(name, maxBatch)
	if err != nil {
		c.wrong(name, "the head lines of %s cannot be read: %v", where, err)
		return
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\n'})
	if int64(len(text)) != b.Bytes || len(lines) != b.Count || recording.HeadsRoot(lines) != b.Root {
		c.wrong(name, "the lines are not those that %s commits to", where)
		return
	}
	for _, line := range lines {
		h, err := recording.ParseHead(line)
		if err != nil {
			c.wrong(name, "%v", err)
		} else if s := c.sessions[h.Session]; s != nil {
			s.heads = append(s.heads, h)
		}
	}
}

// recordings are checked as they are in a data folder, one after the other.
func (c *checker) recordings() error {
	var ids []age.Identity
	if c.trust.Identity != "" {
		var err error
		if ids, err = age.ParseIdentities(strings.NewReader(c.trust.Identity)); err != nil {
			return errors.New("the identity that opens recordings is not an AGE-SECRET-KEY-1… line") // age's error could quote it
		}
	} else if len(c.order) > 0 {
		c.note("recordings", "no key opens them: hashes were checked, not what they hold")
	}
	for _, h := range c.order {
		if err := c.recording(h, ids); err != nil {
			return err
		}
	}
	for _, f := range c.m.Files {
		parts := strings.Split(f.Name, "/")
		if (parts[0]+"/" == recordings || parts[0]+"/" == exports) && c.sessions[parts[1]] == nil {
			c.wrong(f.Name, "no event in the pack names this recording")
		}
	}
	return nil
}

func (c *checker) recording(h *held, ids []age.Identity) error {
	c.report.Recordings++
	files := c.below(recordings + h.id + "/")
	if len(files) == 0 {
		switch {
		case h.gone:
			c.note(h.id, "its recording expired or was deleted, as an event says; whether it might, penstock-verify DATA judges by the whole log")
		case slices.Contains(c.m.Left, h.id):
			c.wrong(h.id, "its recording is missing: the broker did not have it when the pack was made")
		default:
			c.wrong(h.id, "its recording is missing from the pack")
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "penstock-pack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	dir = filepath.Join(dir, h.id)
	if err := c.extract(dir, files); err != nil {
		return err
	}
	return c.folder(h, dir, ids)
}

// below are the files of a folder in the pack.
func (c *checker) below(folder string) (list []string) {
	for _, f := range c.m.Files {
		if strings.HasPrefix(f.Name, folder) && c.files[f.Name] != nil {
			list = append(list, f.Name)
		}
	}
	return list
}

func (c *checker) extract(dir string, files []string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, name := range files {
		r, err := c.raw(name)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(filepath.Join(dir, filepath.Base(name)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("lay out %s to check it: %w", name, err)
		}
	}
	return nil
}

func (c *checker) folder(h *held, dir string, ids []age.Identity) error {
	in := recordings + h.id + "/"
	key, err := c.sessionKey(h, dir, ids)
	if err != nil {
		return err
	}
	r, err := recording.VerifyFolder(dir, h.header, key, h.heads...)
	if err != nil {
		return fmt.Errorf("recording %s: %w", h.id, err)
	}
	for _, f := range r.Findings {
		c.damage(in, f)
	}
	if r.Header.Session != h.id {
		c.wrong(in+"session.json", "is of %.64q: the recordings were swapped", r.Header.Session)
	}
	if r.Keys != h.keys {
		c.wrong(in+"keys.age", "is not the one that the log names")
	}
	switch {
	case h.ended && !h.close.IsZero() && r.Close != h.close:
		c.wrong(in+"close.json", "is missing, or is not the one that the log names")
	case !h.ended:
		c.note(h.id, "was still running when the pack was made: its recording goes as far as the log knew it")
	}
	h.told.Hold(r, func(file, format string, args ...any) { c.wrong(in+file, format, args...) })
	if r.Opened {
		c.report.Opened++
	}
	return c.exported(h, dir, ids, r.Opened && r.Whole())
}

func (c *checker) damage(in string, err error) {
	var d *recording.Damage
	if !errors.As(err, &d) {
		c.wrong(in, "%v", err)
		return
	}
	where := in + d.File
	if d.Offset >= 0 {
		where += fmt.Sprintf(" byte %d", d.Offset)
	}
	c.wrong(where, "%s", d.What)
}

func (c *checker) sessionKey(h *held, dir string, ids []age.Identity) ([]byte, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	key, err := recording.SessionKey(dir, ids...)
	var damage *recording.Damage
	var foreign *age.NoIdentityMatchError
	switch {
	case errors.As(err, &foreign):
		c.note(h.id, "is sealed to somebody else: hashes were checked, not what it holds")
	case errors.As(err, &damage):
		c.damage(recordings+h.id+"/", damage)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return key, nil
}

// exported makes each export anew from the recording and compares.
func (c *checker) exported(h *held, dir string, ids []age.Identity, open bool) error {
	have := c.below(exports + h.id + "/")
	if len(have) == 0 {
		return nil
	}
	if !open {
		c.note(exports+h.id, "was not compared with the recording, which no key opened: it is the broker's word")
		return nil
	}
	r, err := recording.OpenFolder(dir, ids...)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, ch := range r.Channels() {
		name, write := exportOf(h.id, ch)
		i := slices.Index(have, name)
		if i < 0 {
			c.wrong(name, "is missing")
			continue
		}
		have = slices.Delete(have, i, i+1)
		in, err := c.raw(name)
		if err != nil {
			return err
		}
		same := &streamed{from: bufio.NewReader(in)}
		if err := write(same, r); err != nil {
			c.wrong(name, "%v", err)
		} else if n, _ := io.Copy(io.Discard, same.from); n > 0 {
			c.wrong(name, "has %d bytes more than the recording gives", n)
		}
	}
	for _, name := range have {
		c.wrong(name, "is of no channel of the recording")
	}
	return nil
}

// streamed fails where what is written is not what stands there.
type streamed struct {
	from *bufio.Reader
	at   int64
	buf  []byte
}

func (w *streamed) Write(b []byte) (int, error) {
	w.buf = slices.Grow(w.buf[:0], len(b))[:len(b)]
	if _, err := io.ReadFull(w.from, w.buf); err != nil || !bytes.Equal(w.buf, b) {
		return 0, fmt.Errorf("is not what the recording gives, from byte %d on", w.at)
	}
	w.at += int64(len(b))
	return len(b), nil
}
