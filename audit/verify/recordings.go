package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"filippo.io/age"

	"penstock/audit"
	"penstock/audit/recording"
)

// session is what the log says of one recording.
type session struct {
	id      string
	header  audit.Hash // zero: the log has no session.started
	told    *Told      // nil: the log has no session.started, or it was checked
	keys    audit.Hash
	close   audit.Hash
	ended   bool
	batch   int64 // recording.heads that had come when it ended
	heads   []recording.Head
	files   map[string]string
	checked bool
	absent  bool
}

// intern keeps one copy of a file's name for all its heads.
func (s *session) intern(file string) string {
	if known, ok := s.files[file]; ok {
		return known
	}
	if s.files == nil {
		s.files = map[string]string{}
	}
	s.files[file] = file
	return file
}

// record takes what a leaf says of recordings, and begins to check those that have ended.
func (c *checker) record(ctx context.Context, leaf audit.Leaf) error {
	where := fmt.Sprintf("leaf %d", leaf.Index)
	switch b := leaf.Body.(type) {
	case audit.SessionStarted:
		if c.sessions[b.Session] != nil {
			c.wrong(where, "session %s was started before", b.Session)
			return nil
		}
		s := &session{id: b.Session, header: b.Header, keys: b.Keys, told: NewTold(b)}
		c.sessions[b.Session], c.order = s, append(c.order, s)
	case audit.ChannelOpened:
		c.told(b.Session, b)
	case audit.ChannelClosed:
		c.told(b.Session, b)
	case audit.OperationsSummary:
		c.told(b.Session, b)
	case audit.SessionEnded:
		c.sessionEnded(where, b)
	case audit.RecordingRecovered:
		c.note(b.Session, "leaf %d: a crash tore %s, and %d bytes after its last whole frame were cut", leaf.Index, b.File, b.Lost)
	case audit.RecordingFailed:
		c.note(b.Session, "leaf %d: its recording failed: %s", leaf.Index, b.Why)
	case audit.RecordingHeads:
		if err := c.batch(leaf, b); err != nil {
			return err
		}
		return c.ripe(ctx)
	}
	return nil
}

// told keeps what a leaf says of a session whose recording is not being checked yet.
func (c *checker) told(session string, body audit.Body) {
	if s := c.sessions[session]; s != nil && !s.checked && s.told != nil {
		s.told.Leaf(body)
	}
}

func (c *checker) sessionEnded(where string, b audit.SessionEnded) {
	s := c.sessions[b.Session]
	switch {
	case s == nil && b.Cause == "crash": // the folder was made, and the crash came before session.started
		s = &session{id: b.Session}
		c.sessions[b.Session], c.order = s, append(c.order, s)
		c.note(b.Session, "%s: a crash came before it was admitted", where)
	case s == nil:
		c.wrong(where, "session %s ended and never started", b.Session)
		return
	case s.ended:
		c.wrong(where, "session %s ended before", b.Session)
		return
	}
	c.told(b.Session, b)
	s.ended, s.close, s.batch = true, b.Close, c.batches
	if b.Close.IsZero() {
		c.note(b.Session, "%s: it ended without a close.json (%s): only its heads commit to it", where, b.Cause)
	}
}

// lateBatches: heads that were on their way when a session ended still come.
const lateBatches = 3

// ripe checks sessions for which no more heads can come.
func (c *checker) ripe(ctx context.Context) error {
	var later []*session
	for _, s := range c.order {
		if !s.ended || c.batches < s.batch+lateBatches {
			later = append(later, s)
			continue
		}
		if err := c.check(ctx, s); err != nil {
			return err
		}
	}
	c.order = later
	return nil
}

// rest checks the recordings that are left at the log's end.
func (c *checker) rest(ctx context.Context) error {
	for _, s := range c.order {
		if err := c.check(ctx, s); err != nil {
			return err
		}
	}
	c.order = nil
	for _, id := range slices.Sorted(maps.Keys(c.sessions)) {
		if c.sessions[id].absent {
			c.mayBeGone(id)
		}
	}
	return nil
}

// open reads the identities that open recordings.
func (c *checker) open() error {
	text, own := c.trust.Identity, filepath.Join(c.dir, "keys", "recordings.key")
	if text == "" {
		b, err := bounded(own, maxSmall)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			c.note("recordings", "no key opens them: hashes were checked, not what they hold")
			return nil
		}
		if err != nil {
			return err
		}
		text = string(b)
	}
	ids, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil {
		return errors.New("the identity that opens recordings is not an AGE-SECRET-KEY-1… line") // age's error could quote it
	}
	c.folders.identities = ids
	return nil
}

// check reads a recording in a goroutine of its own, of which there are at most
// as many as processors; it waits for a place.
func (c *checker) check(ctx context.Context, s *session) error {
	s.checked = true
	heads := s.heads
	s.heads = nil
	dir, ok := c.folders.find(s.id)
	c.report.Recordings++
	if !ok {
		s.absent = true // rest says so: its expiry may be told by a later leaf
		return nil
	}
	return c.pool.do(ctx, func() error { return c.folder(s, dir, heads) })
}

func (c *checker) folder(s *session, dir string, heads []recording.Head) error {
	key, err := c.sessionKey(s, dir)
	if err != nil {
		return err
	}
	r, err := recording.VerifyFolder(dir, s.header, key, heads...)
	if err != nil {
		return fmt.Errorf("recording %s: %w", s.id, err)
	}
	if r.Header.Session != s.id && r.Header.Session != "" { // first: the rest follows from it
		c.wrong(c.in(dir)+"/session.json", "is of %s: the recordings were swapped", r.Header.Session)
	}
	for _, f := range r.Findings {
		w := Wrong
		if !s.ended && errors.Is(f, io.ErrUnexpectedEOF) {
			w = c.leftover() // being written, or torn by a crash that the next start mends
		}
		c.find(w, c.at(dir, f), "%s", said(f))
	}
	c.folderNames(s, dir, r)
	if s.told != nil {
		in := c.in(dir)
		s.told.Hold(r, func(file, format string, args ...any) { c.wrong(path.Join(in, file), format, args...) })
		s.told = nil
	}
	c.mu.Lock()
	if r.Opened {
		c.report.Opened++
	}
	c.mu.Unlock()
	c.passed(size(dir))
	return nil
}

// folderNames holds the files around the frames to the hashes in the log.
func (c *checker) folderNames(s *session, dir string, r recording.FolderReport) {
	in := c.in(dir)
	if want := filepath.ToSlash(filepath.Join("recordings", r.Header.Started.Format("2006/01/02"), s.id)); in != want && r.Header.Session == s.id {
		c.wrong(in, "lies in another folder than its day's, %s", want)
	}
	if !s.keys.IsZero() && r.Keys != s.keys {
		c.wrong(in+"/keys.age", "is not the one that the log names")
	}
	switch {
	case s.ended && s.close.IsZero():
	case s.ended && r.Close.IsZero():
		c.wrong(in+"/close.json", "is missing")
	case s.ended && r.Close != s.close:
		c.wrong(in+"/close.json", "is not the one that the log names")
	case !s.ended && r.Close.IsZero():
		c.find(c.leftover(), s.id, "has no end: it is running, or the broker stopped without ending it")
	case !s.ended:
		c.find(c.leftover(), s.id, "is closed, and the log does not say so yet")
	}
}

// sessionKey is nil where no identity opens it; that is said.
func (c *checker) sessionKey(s *session, dir string) ([]byte, error) {
	if len(c.folders.identities) == 0 {
		return nil, nil
	}
	key, err := recording.SessionKey(dir, c.folders.identities...)
	var damage *recording.Damage
	var foreign *age.NoIdentityMatchError
	switch {
	case errors.As(err, &foreign):
		c.note(s.id, "is sealed to somebody else: hashes were checked, not what it holds")
	case errors.As(err, &damage):
		c.wrong(c.at(dir, damage), "%s", said(damage))
	case err != nil && !errors.Is(err, fs.ErrNotExist): // VerifyFolder says what is missing
		return nil, err
	}
	return key, nil
}

// at is where damage in a recording lies.
func (c *checker) at(dir string, err error) string {
	var d *recording.Damage
	if !errors.As(err, &d) {
		if file, rest, ok := strings.Cut(err.Error(), " at byte "); ok && filepath.Base(file) == file { // of a torn file
			byteAt, _, _ := strings.Cut(rest, ":")
			return c.in(filepath.Join(dir, file)) + " byte " + byteAt
		}
		return c.in(dir)
	}
	where := c.in(filepath.Join(dir, d.File))
	if d.Offset >= 0 {
		where += fmt.Sprintf(" byte %d", d.Offset)
	}
	return where
}

func said(err error) string {
	var d *recording.Damage
	if errors.As(err, &d) {
		return d.What
	}
	return err.Error()
}

// folders are the sessions' folders below recordings/.
type folders struct {
	root       string
	identities []age.Identity
	dirs       map[string]string
	twice      []string
	strange    []string // neither a day nor a session
	unfinished []string
}

// list reads YYYY/MM/DD/S-….
func (f *folders) list(root string) error {
	f.root, f.dirs, f.twice, f.strange, f.unfinished = root, map[string]string{}, nil, nil, nil
	return f.level(root, 0)
}

var digitsOf = []int{4, 2, 2}

func (f *folders) level(dir string, depth int) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) && depth == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case !e.IsDir():
			f.strange = append(f.strange, path)
		case depth < len(digitsOf) && len(e.Name()) == digitsOf[depth] && strings.Trim(e.Name(), "0123456789") == "":
			if err := f.level(path, depth+1); err != nil {
				return err
			}
		case depth == len(digitsOf) && strings.HasPrefix(e.Name(), "."):
			f.unfinished = append(f.unfinished, path)
		case depth == len(digitsOf):
			if _, ok := f.dirs[e.Name()]; ok {
				f.twice = append(f.twice, path)
			} else {
				f.dirs[e.Name()] = path
			}
		default:
			f.strange = append(f.strange, path)
		}
	}
	return nil
}

// find looks once more where a live server may have made the folder since.
func (f *folders) find(id string) (string, bool) {
	if dir, ok := f.dirs[id]; ok {
		return dir, true
	}
	for range 2 {
		found, err := filepath.Glob(filepath.Join(f.root, "[0-9][0-9][0-9][0-9]", "[0-9][0-9]", "[0-9][0-9]", "S-*"))
		if err != nil {
			return "", false
		}
		if i := slices.IndexFunc(found, func(p string) bool { return filepath.Base(p) == id }); i >= 0 {
			f.dirs[id] = found[i]
			return found[i], true
		}
	}
	return "", false
}

// foldersLeft tells of folders and files that no leaf names.
func (c *checker) foldersLeft() {
	for id, dir := range c.folders.dirs {
		if c.sessions[id] == nil {
			c.find(c.leftover(), c.in(dir), "no leaf names this recording: a crash came before its session was admitted, or somebody put it there")
		}
	}
	for _, p := range c.folders.twice {
		c.wrong(c.in(p), "a second recording of one session")
	}
	for _, p := range c.folders.strange {
		c.wrong(c.in(p), "does not belong among the recordings")
	}
	for _, p := range c.folders.unfinished {
		c.find(c.leftover(), c.in(p), "an unfinished recording, left by a crash")
	}
}

// pool runs checks of recordings, at most one a processor. The first error ends it.
type pool struct {
	once  sync.Once
	slots chan struct{}
	wg    sync.WaitGroup
	mu    sync.Mutex
	err   error
}

func (p *pool) do(ctx context.Context, f func() error) error {
	p.once.Do(func() { p.slots = make(chan struct{}, runtime.NumCPU()) })
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.wg.Go(func() {
		defer func() { <-p.slots }()
		if err := f(); err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.err = errors.Join(p.err, err)
		}
	})
	return nil
}

func (p *pool) wait() error {
	p.wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Gone says whether a leaf about a session tells that its recording was taken
// away by the rules: at the end of its retention, or earlier by two people.
// Then that it is missing is no fault, if the event itself holds (review.History).
func Gone(body audit.Body) bool {
	switch body.Type() {
	case "recording.expired", "recording.deleted":
		return true
	}
	return false
}
