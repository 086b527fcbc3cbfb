package recording

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"filippo.io/age"

	"penstock/audit"
)

// Reader reads one recording and trusts no byte of it. Its memory does not grow
// with the recording. Several Frames may run at once.
type Reader struct {
	dir      string
	header   Header
	hash     audit.Hash
	key      []byte
	closed   atomic.Bool
	channels []channelFiles
	files    map[string]File // of close.json; nil while the session runs or before recovery
}

// OpenFolder opens a recording's folder with whatever identity its key is
// wrapped to. It works anywhere: nothing of a broker is needed. A folder whose
// names do not fit, or do not fit close.json, is Damage.
func OpenFolder(dir string, identities ...age.Identity) (*Reader, error) {
	return openFolder(dir, func() ([]byte, error) { return SessionKey(dir, identities...) })
}

// OpenFolderWith is OpenFolder with the session key itself, which is copied.
// ErrWrongKey, wrapped, if a channel's first frame does not open with it; a
// recording without a frame opens with any.
func OpenFolderWith(dir string, key []byte) (*Reader, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("open recording: %d bytes: %w", len(key), ErrWrongKey)
	}
	r, err := openFolder(dir, func() ([]byte, error) { return slices.Clone(key), nil })
	if err != nil {
		return nil, err
	}
	if err := r.fitsKey(); err != nil {
		r.Close()
		return nil, fmt.Errorf("open recording of %s: %w", r.header.Session, err)
	}
	return r, nil
}

// fitsKey opens the first frame of the first channel that has one.
func (r *Reader) fitsKey() error {
	for _, c := range r.channels {
		s, err := newScanner(r.dir, r.hash, c, r.key)
		if err != nil {
			return err
		}
		before := s.chain
		_, _, err = s.next()
		whole := s.chain != before // the frame is there, and in its place
		s.close()
		if err == nil {
			return nil
		}
		if whole {
			return ErrWrongKey
		}
	}
	return nil
}

func openFolder(dir string, sessionKey func() ([]byte, error)) (_ *Reader, err error) {
	r := &Reader{dir: dir}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	if r.header, r.hash, err = readHeader(dir); err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	if r.key, err = sessionKey(); err != nil {
		return nil, fmt.Errorf("open recording of %s: %w", r.header.Session, err)
	}
	c, err := listFolder(dir)
	if err != nil {
		return nil, err
	}
	if len(c.wrong) > 0 {
		return nil, fmt.Errorf("open recording of %s: %w", r.header.Session, c.wrong[0])
	}
	r.channels = c.channels
	closed, _, err := readClosed(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, nil
	case err != nil:
		return nil, fmt.Errorf("open recording of %s: %w", r.header.Session, err)
	}
	if wrong := compareNames(closed, c); len(wrong) > 0 {
		return nil, fmt.Errorf("open recording of %s: %w", r.header.Session, wrong[0])
	}
	if closed.Header != r.hash {
		return nil, fmt.Errorf("open recording of %s: %w", r.header.Session, &Damage{closeFile, 0, "closes another session"})
	}
	r.files = map[string]File{}
	for _, f := range closed.Files {
		r.files[f.File] = f
	}
	return r, nil
}

// compareNames says which files are missing or too many against close.json.
func compareNames(c Closed, have contents) (wrong []*Damage) {
	there := map[string]bool{}
	for _, ch := range have.channels {
		for n := range ch.parts {
			there[part{ch.channel, ch.kind, n}.name()] = true
		}
	}
	for _, f := range c.Files {
		if !there[f.File] {
			wrong = append(wrong, &Damage{f.File, -1, "is missing"})
		}
		delete(there, f.File)
	}
	for name := range there {
		wrong = append(wrong, &Damage{name, -1, "was not there when the recording was closed"})
	}
	slices.SortFunc(wrong, func(a, b *Damage) int { return cmp.Compare(a.File, b.File) })
	return wrong
}

// Header is the session's.
func (r *Reader) Header() Header { return r.header }

// Channels lists the recorded channels, in order.
func (r *Reader) Channels() []Channel {
	all := make([]Channel, len(r.channels))
	for i, c := range r.channels {
		all[i] = Channel{int(c.channel), c.kind}
	}
	return all
}

// Close forgets the key. Not while Frames runs; Frames after it is ErrClosed.
func (r *Reader) Close() error {
	if !r.closed.Swap(true) {
		clear(r.key)
	}
	return nil
}

// Frames yields a channel's frames (ch < 0: of all channels, by time, then by
// channel) from a moment on; a torn tail ends it with io.ErrUnexpectedEOF,
// damage with *Damage, both wrapped or not. A channel that is not there is fs.ErrNotExist.
func (r *Reader) Frames(ch int, from time.Duration) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		if r.closed.Load() {
			yield(Frame{}, ErrClosed)
			return
		}
		var chosen []channelFiles
		for _, c := range r.channels {
			if ch < 0 || int(c.channel) == ch {
				chosen = append(chosen, c)
			}
		}
		if ch >= 0 && len(chosen) == 0 {
			yield(Frame{}, fmt.Errorf("channel %d of %s: %w", ch, r.header.Session, fs.ErrNotExist))
			return
		}
		m := merge{r: r, from: from}
		defer m.close()
		if err := m.plan(chosen); err != nil {
			yield(Frame{}, err)
			return
		}
		for {
			f, err := m.next()
			if err == io.EOF {
				return
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// merge reads several channels by time. Only channels whose time has come are
// open, so a session of thousands of short channels needs few files at once.
type merge struct {
	r       *Reader
	from    time.Duration
	waiting []planned // by first time
	open    []*cursor
	torn    error
}

type planned struct {
	files channelFiles
	first time.Duration
	part  int // where reading begins
}

type cursor struct {
	s    *scanner
	kind string
	f    Frame // the next one
	err  error // instead of it
}

// plan finds for each channel the part in which the moment lies, by the parts'
// first headers; what they say is checked when they are read.
func (m *merge) plan(channels []channelFiles) error {
	for _, c := range channels {
		p := planned{files: c}
		for lo, hi := 0, c.parts; lo < hi; {
			mid := (lo + hi) / 2
			h, err := firstHead(m.r.dir, part{c.channel, c.kind, mid}.name())
			if err != nil && err != io.EOF {
				return err
			}
			if err == nil && h.at() < m.from { // an equal time may stand in the part before
				p.part, lo = mid, mid+1
			} else {
				hi = mid
			}
		}
		h, err := firstHead(m.r.dir, part{c.channel, c.kind, p.part}.name())
		if err != nil && err != io.EOF {
			return err
		}
		p.first = h.at() // 0 for an empty one
		m.waiting = append(m.waiting, p)
	}
	slices.SortStableFunc(m.waiting, func(a, b planned) int { return cmp.Compare(a.first, b.first) })
	return nil
}

// next gives the earliest frame. A torn tail of one channel is told when the
// others have been read; damage where it stands.
func (m *merge) next() (Frame, error) {
	for len(m.waiting) > 0 {
		if c := m.earliest(); c != nil && c.f.At < m.waiting[0].first {
			break
		}
		p := m.waiting[0]
		m.waiting = m.waiting[1:]
		if err := m.begin(p); err != nil {
			return Frame{}, err
		}
	}
	c := m.earliest()
	if c == nil {
		if m.torn != nil {
			return Frame{}, m.torn
		}
		return Frame{}, io.EOF
	}
	if c.err != nil {
		return Frame{}, c.err
	}
	f := c.f
	m.advance(c)
	return f, nil
}

func (m *merge) earliest() *cursor {
	var first *cursor
	for _, c := range m.open {
		if first == nil || c.f.At < first.f.At || c.f.At == first.f.At && c.f.Channel < first.f.Channel {
			first = c
		}
	}
	return first
}

func (m *merge) begin(p planned) error {
	s, err := newScanner(m.r.dir, m.r.hash, p.files, m.r.key)
	if err != nil {
		return err
	}
	if m.r.files != nil {
		s.ended = m.r.fits
	}
	if err := s.startAt(p.part); err != nil {
		s.close()
		return err
	}
	c := &cursor{s: s, kind: p.files.kind, f: Frame{Channel: int(p.files.channel), At: p.first}}
	m.open = append(m.open, c)
	m.advance(c)
	return nil
}

// fits compares a part that was read to its end with close.json.
func (r *Reader) fits(have File) error {
	want := r.files[have.File]
	if want.Damaged != "" {
		return &Damage{have.File, want.Bytes, "was found damaged after a crash: " + want.Damaged}
	}
	if have != want {
		return &Damage{have.File, have.Bytes, fmt.Sprintf("ends after %d bytes and %d frames; it was closed with %d bytes and %d frames", have.Bytes, have.Frames, want.Bytes, want.Frames)}
	}
	return nil
}

// frame is what a reader is given; data is copied.
func (h head) frame(kind string, data []byte) Frame {
	return Frame{
		Channel: int(h.channel), Kind: kind, Seq: h.seq, Mark: h.mark, At: h.at(),
		Wall: time.Unix(0, h.wall).UTC(), Data: bytes.Clone(data),
	}
}

// advance puts the cursor on its next frame from the moment on, or out of the merge.
func (m *merge) advance(c *cursor) {
	for {
		h, data, err := c.s.next()
		if errors.Is(err, io.ErrUnexpectedEOF) && m.torn == nil {
			m.torn = err
		}
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			c.s.close()
			m.open = slices.DeleteFunc(m.open, func(o *cursor) bool { return o == c })
			return
		}
		if err != nil {
			c.err = err
			return
		}
		if h.at() < m.from {
			continue
		}
		c.f = h.frame(c.kind, data)
		return
	}
}

func (m *merge) close() {
	for _, c := range m.open {
		c.s.close()
	}
}
