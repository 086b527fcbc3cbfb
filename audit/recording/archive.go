package recording

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"filippo.io/age"

	"penstock/audit"
	"penstock/audit/durable"
)

// Parts of an Archive. Recipients wrap each session key: in readable mode the
// broker's own age identity.
type Parts struct {
	Dir        string // DATA/recordings
	HeadsDir   string // DATA/log/heads
	Disk       *durable.Disk
	Log        Log
	Mode       string   // of new recordings: "readable" or "sealed"
	Recipients []string // age recipients, age1…: the broker's own in readable mode, the auditors' when sealed
	SealedTo   []string // the auditors by person, for session.json; none in readable mode
	Identity   string   // the broker's age identity, AGE-SECRET-KEY-1…, which opens readable recordings; empty: Open opens none

	// MinFree is how many bytes must be free on the disk for a new session; 0:
	// 512 MiB; below 0: not asked.
	MinFree int64
	// EndFree is where sessions are ended, one by one, and below a quarter of it
	// all at once; 0: 256 MiB, or half of MinFree if that is less; below 0: never.
	EndFree int64
	// Reserve is what heads may use up on a full disk, as the log may. While it is
	// not whole no session begins, and once it is tapped nothing of what passes is
	// recorded any more, so that it is there for the ends. Nil: there is none.
	Reserve *durable.Reserve
	// Ended says whether the log has session.ended of a session, so that
	// Recover does not write it twice. Nil: sessions with a close.json have ended.
	Ended func(session string) bool
	// Started says whether the log has session.started of a session: a folder
	// whose session never was admitted, and that holds no channel, is swept by
	// Recover, and gets no session.ended. Nil: all were.
	Started func(session string) bool
	// Gone says whether the log lets the recording of an admitted session be gone.
	// A folder that has lost its name, as Remove does it, and is not is somebody's
	// work: Recover tells of it and leaves it. Nil: all may.
	Gone func(session string) bool
}

// Archive is the folder of all recordings. Safe for concurrent use.
type Archive struct {
	p          Parts
	recipients []age.Recipient
	identities []age.Identity
	own        bool // session keys are wrapped to one of these
	limits     limits
	encoders   *encoders
	commits    durable.Latency
	headsAt    atomic.Int64 // when a round of heads was last through, unix nanoseconds; 0: never

	failOnce sync.Once
	failed   chan struct{}
	err      error // set before failed is closed

	mu       sync.Mutex
	sessions folders
	unborn   []string // folders of an interrupted Create
	writers  map[string]*Writer
	heads    headsFile // owned by Run
}

// OpenArchive opens or makes the folders.
func OpenArchive(p Parts) (*Archive, error) {
	a := &Archive{p: p, limits: partLimits, encoders: newEncoders(), failed: make(chan struct{}), sessions: newFolders(), writers: map[string]*Writer{}}
	a.p.bounds()
	if p.Mode != "readable" && p.Mode != "sealed" {
		return nil, fmt.Errorf("recordings are readable or sealed, not %q", p.Mode)
	}
	if len(p.Recipients) == 0 {
		return nil, errors.New("no recipient for session keys: name at least one age1… key")
	}
	var err error
	if a.recipients, err = age.ParseRecipients(strings.NewReader(strings.Join(p.Recipients, "\n"))); err != nil {
		return nil, fmt.Errorf("recipients of session keys: %w", err)
	}
	if p.Identity != "" {
		// The error of age names the line, not the key; it is safe to show.
		if a.identities, err = age.ParseIdentities(strings.NewReader(p.Identity)); err != nil {
			return nil, errors.New("the identity that reads recordings is not an AGE-SECRET-KEY-1… line")
		}
		a.own = slices.ContainsFunc(a.identities, func(one age.Identity) bool {
			x, ok := one.(*age.X25519Identity)
			return ok && slices.Contains(p.Recipients, x.Recipient().String())
		})
	}
	for _, dir := range []string{p.Dir, p.HeadsDir} {
		if err := p.Disk.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the archive: %w", err)
		}
	}
	return a, a.findSessions()
}

// findSessions reads the names of YYYY/MM/DD/S-…, and of what an interrupted
// Create left for Recover to sweep.
func (a *Archive) findSessions() error {
	days, err := filepath.Glob(filepath.Join(escapeGlob(a.p.Dir), "[0-9][0-9][0-9][0-9]", "[0-9][0-9]", "[0-9][0-9]"))
	if err != nil {
		return fmt.Errorf("list recordings: %w", err)
	}
	for _, day := range days {
		entries, err := os.ReadDir(day)
		if err != nil {
			return fmt.Errorf("list recordings: %w", err)
		}
		for _, e := range entries {
			path := filepath.Join(day, e.Name())
			switch {
			case e.IsDir() && hidden(e.Name()):
				a.unborn = append(a.unborn, path)
			case e.IsDir() && sessionName.MatchString(e.Name()):
				if other, ok := a.sessions.get(e.Name()); ok {
					return fmt.Errorf("two recordings of one session: %s and %s; move one of them away and run penstock-verify", other, path)
				}
				a.sessions.put(e.Name(), day)
			}
		}
	}
	return nil
}

// hidden says whether a folder is one that Create had not finished: it never
// held a frame, and nobody was told of it.
func hidden(name string) bool {
	session, ok := strings.CutPrefix(name, ".")
	return ok && sessionName.MatchString(session)
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// Failed is closed when the disk or the log failed for good: no session may be admitted.
func (a *Archive) Failed() <-chan struct{} { return a.failed }

// Overdue hears of what takes too long on the archive's disk or in the log's.
// While anything is, no bytes are taken into a recording; whoever admits people
// or writes to the log beside the archive looks there too.
func (a *Archive) Overdue() *durable.Overdue { return a.p.Disk.Overdue() }

// Mode is "readable" or "sealed".
func (a *Archive) Mode() string { return a.p.Mode }

// fail is for faults of what all recordings stand on. Every open Writer fails with it.
func (a *Archive) fail(err error) {
	a.failOnce.Do(func() {
		a.err = err
		close(a.failed)
		for _, w := range a.open() {
			w.fail(err)
		}
	})
}

func (a *Archive) open() []*Writer {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]*Writer, 0, len(a.writers))
	for _, w := range a.writers {
		all = append(all, w)
	}
	return all
}

// ready says why nothing can be recorded now, nil if it can.
func (a *Archive) ready() error {
	select {
	case <-a.failed:
		return fmt.Errorf("recording has failed: %w", a.err)
	case <-a.p.Disk.Failed():
		return errors.New("recording has failed: the disk refused to sync")
	default:
	}
	if !a.p.Reserve.Whole() {
		return fmt.Errorf("the closing reserve is not whole: %w", ErrDiskFull)
	}
	if a.p.MinFree < 0 {
		return nil
	}
	free, err := a.free()
	if err != nil {
		return err
	}
	if free < a.p.MinFree {
		return fmt.Errorf("%d MiB are free, a new session needs %d MiB: %w", free>>20, a.p.MinFree>>20, ErrDiskFull)
	}
	return nil
}

// Create makes a session's folder, header and key file, durable: ready for
// frames. The hashes are of session.json and keys.age. A session id that
// exists is an error; too little space is ErrDiskFull.
func (a *Archive) Create(ctx context.Context, h Header) (w *Writer, header, keys audit.Hash, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, header, keys, fmt.Errorf("begin recording: %w", err)
	}
	if err := a.ready(); err != nil {
		return nil, header, keys, err
	}
	h.V, h.Mode, h.SealedTo, h.Started = 1, a.p.Mode, a.p.SealedTo, h.Started.UTC()
	if !sessionName.MatchString(h.Session) {
		return nil, header, keys, fmt.Errorf("begin recording: %q is no name of a session", h.Session)
	}
	if h.Started.IsZero() {
		h.Started = time.Now().UTC()
	}
	dir := filepath.Join(a.p.Dir, h.Started.Format("2006/01/02"), h.Session)
	if err := a.take(h.Session, dir); err != nil {
		return nil, header, keys, err
	}
	w, err = a.create(dir, h)
	if err != nil {
		a.mu.Lock()
		a.sessions.drop(h.Session)
		a.mu.Unlock()
		return nil, header, keys, fmt.Errorf("begin recording of %s: %w", h.Session, diskFull(err))
	}
	a.mu.Lock()
	a.writers[h.Session] = w
	a.mu.Unlock()
	select {
	case <-a.failed: // between the first look and the map
		w.fail(a.err)
	default:
	}
	return w, w.header, w.keys, nil
}

// take holds the session's name: one recording a name, for ever.
func (a *Archive) take(session, dir string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if other, ok := a.sessions.get(session); ok {
		return fmt.Errorf("begin recording: session %s is recorded already in %s", session, other)
	}
	a.sessions.put(session, filepath.Dir(dir))
	return nil
}

// create fills a hidden folder and moves it to its name whole, so that a folder
// with a session's name always has a header and a key.
func (a *Archive) create(dir string, h Header) (made *Writer, err error) {
	text, err := audit.Canonical(h)
	if err != nil {
		return nil, err
	}
	if _, err := parseHeader(text); err != nil {
		return nil, err
	}
	key, wrapped, err := wrapKey(h.Session, a.recipients)
	if err != nil {
		return nil, err
	}
	defer func() {
		if made == nil {
			keys.drop(key)
		}
	}()
	day, hidden := filepath.Dir(dir), filepath.Join(filepath.Dir(dir), "."+h.Session)
	if err := a.p.Disk.MkdirAll(day, 0o700); err != nil {
		return nil, err
	}
	if err := fillFolder(a.p.Disk, hidden, text, wrapped); err != nil {
		os.RemoveAll(hidden)
		return nil, err
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		os.RemoveAll(hidden)
		return nil, fmt.Errorf("%s is there already", dir)
	}
	if err := a.p.Disk.FS().Rename(hidden, dir); err != nil {
		os.RemoveAll(hidden)
		return nil, err
	}
	if err := a.p.Disk.SyncDir(day); err != nil {
		return nil, err
	}
	return newWriter(a, dir, h, key, audit.HashOf(text), audit.HashOf(wrapped)), nil
}

func fillFolder(disk *durable.Disk, dir string, header, keys []byte) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := disk.FS().Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := durable.Allocate(filepath.Join(dir, reserveFile), reserveSize); err != nil {
		return err
	}
	return disk.FillFolder(dir, map[string][]byte{headerFile: header, keyFile: keys}, 0o600)
}

// forget takes a finished Writer out of the once-a-second round.
func (a *Archive) forget(session string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.writers, session)
}

// folder of a session; fs.ErrNotExist.
func (a *Archive) folder(session string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	dir, ok := a.sessions.get(session)
	if !ok {
		return "", fmt.Errorf("no recording of %q: %w", session, fs.ErrNotExist)
	}
	return dir, nil
}

// Open reads a session's recording, also while it runs; no person behind it:
// people go through review.Book.Read. fs.ErrNotExist if there is none;
// ErrSealed, wrapped, if the broker has no key to it.
func (a *Archive) Open(session string) (*Reader, error) {
	dir, err := a.folder(session)
	if err != nil {
		return nil, err
	}
	if len(a.identities) == 0 {
		return nil, fmt.Errorf("open recording of %s: %w", session, ErrSealed)
	}
	r, err := openFolder(dir, func() ([]byte, error) {
		if key := a.runningKey(session); key != nil {
			return key, nil
		}
		return SessionKey(dir, a.identities...)
	})
	if _, foreign := errors.AsType[*age.NoIdentityMatchError](err); foreign {
		return nil, fmt.Errorf("open recording of %s: %w", session, ErrSealed)
	}
	return r, err
}

// runningKey is a copy of the key of a session that runs, where keys.age would
// give the same; nil: that has to be asked, which makes 180 KiB of garbage each time.
func (a *Archive) runningKey(session string) []byte {
	if !a.own || a.p.Mode != "readable" {
		return nil
	}
	a.mu.Lock()
	w := a.writers[session]
	a.mu.Unlock()
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Clone(w.key)
}

// Written is how many bytes of frames a session that runs has written; false: it
// does not run.
func (a *Archive) Written(session string) (n int64, runs bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.writers[session]
	if w == nil {
		return 0, false
	}
	return w.Written(), true
}

// OpenWith is Open with a session key that an auditor has unwrapped; the key
// is copied. ErrWrongKey, wrapped, if it opens nothing of this recording.
func (a *Archive) OpenWith(session string, key []byte) (*Reader, error) {
	dir, err := a.folder(session)
	if err != nil {
		return nil, err
	}
	return OpenFolderWith(dir, key)
}

// KeyFile is a session's keys.age, for who holds one of the identities that it
// is wrapped to. It says nothing to anybody else.
func (a *Archive) KeyFile(session string) ([]byte, error) {
	dir, err := a.folder(session)
	if err != nil {
		return nil, err
	}
	b, err := readBounded(filepath.Join(dir, keyFile), maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("key file of %s: %w", session, err)
	}
	return b, nil
}

// Header is List for one session; fs.ErrNotExist if there is none.
func (a *Archive) Header(session string) (Header, error) {
	dir, err := a.folder(session)
	if err != nil {
		return Header{}, err
	}
	h, _, err := readHeader(dir)
	if _, damaged := errors.AsType[*Damage](err); damaged {
		return Header{Session: session}, nil
	}
	return h, err
}

// List gives the headers of all recordings, oldest first. Like Open, it has no
// person behind it. Where session.json is damaged the header has V 0 and only
// the session's name, so that one bad file does not hide the others. Headers
// are as they lie there: only a check against the log proves them.
func (a *Archive) List() ([]Header, error) {
	a.mu.Lock()
	dirs := make([]string, 0, a.sessions.len())
	for _, dir := range a.sessions.all() {
		dirs = append(dirs, dir)
	}
	a.mu.Unlock()
	all := make([]Header, 0, len(dirs))
	for _, dir := range dirs {
		h, _, err := readHeader(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // Create is at work on it
		}
		var damage *Damage
		if errors.As(err, &damage) {
			h, err = Header{Session: filepath.Base(dir)}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list recordings: %w", err)
		}
		all = append(all, h)
	}
	slices.SortFunc(all, func(x, y Header) int {
		if c := x.Started.Compare(y.Started); c != 0 {
			return c
		}
		return strings.Compare(x.Session, y.Session)
	})
	return all, nil
}
