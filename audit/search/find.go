package search

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"

	"penstock/audit"
)

// Kinds of hits.
const (
	KindScreen  = 's' // it stood on a screen
	KindCommand = 'c' // it was run
	KindFile    = 'f' // a file passed
	KindEvent   = 'e' // the log says so
	KindSession = 'S' // the session itself fits: nothing was asked of what it showed
)

// Hit is one thing found.
type Hit struct {
	Kind                         byte
	Session, Person, Firm, Asset string // Session empty: of no session
	Channel                      int    // -1: of none
	Wall                         time.Time
	Second                       float64     // since the channel's first frame, for KindScreen and KindCommand
	Leaf                         audit.Index // for KindFile and KindEvent
	Text                         string
	Sealed                       bool // of the session's recording nothing is in the index
}

// Found is the answer, newest session first.
type Found struct {
	Hits  []Hit
	More  bool   // there is more than these
	Broke string // what was not looked at, in words; empty: nothing
	Took  time.Duration
	State State
}

// State is what the index holds.
type State struct {
	Next, Size audit.Index // leaves that are in, of so many
	Sessions   int
	Sealed     int // sessions of which only the log's words are in
	Left       int // sessions of which something is not in for another reason
	Bytes      int64
}

const (
	mostHits     = 100
	mostPostings = 4 << 20 // entries that are held at once: 16 MiB
	mostKeys     = 500_000 // words that one beginning of a word may stand for
)

// Find looks a query up; ctx bounds how long. What ctx broke off is said in
// Broke, and is no error.
func (f *Filler) Find(ctx context.Context, q Query) (Found, error) {
	begun := time.Now()
	s := &seeker{Index: f.Index, ctx: ctx, q: q, sessions: map[uint64]*session{}}
	err := f.view(func(tx *bolt.Tx) error {
		s.tx = tx
		s.found.State = state(tx, audit.Index(f.size.Load()))
		if len(q.Terms) == 0 {
			return s.list()
		}
		return s.seek()
	})
	if err != nil {
		return Found{}, fmt.Errorf("search: %w", err)
	}
	s.found.Took = time.Since(begun)
	return s.found, nil
}

func state(tx *bolt.Tx, size audit.Index) State {
	c := countsOf(tx)
	return State{Next: nextLeaf(tx), Size: size, Sessions: c.Sessions, Sealed: c.Sealed, Left: c.Left, Bytes: tx.Size()}
}

// seeker is one search at work.
type seeker struct {
	*Index
	ctx      context.Context
	tx       *bolt.Tx
	q        Query
	found    Found
	sessions map[uint64]*session
	held     int
	over     bool // no time is left
}

// postings are numbers of entries by unit.
type postings map[string][]uint32

// seek intersects what the words stand in, and looks at the texts.
func (s *seeker) seek() error {
	var all postings
	var last []string // of each term the last word, which may be a beginning
	var whole []string
	for _, t := range s.q.Terms {
		w := tokens(t.Text)
		last = append(last, w[len(w)-1])
		whole = append(whole, w[:len(w)-1]...)
	}
	for _, w := range byLength(whole) {
		all = s.narrow(all, s.exact(w, all))
	}
	for _, w := range byLength(last) {
		if utf8.RuneCountInString(w) < prefixFrom {
			all = s.narrow(all, s.exact(w, all))
		} else {
			all = s.narrow(all, s.beginning(w, all))
		}
	}
	units := make([]string, 0, len(all))
	for u := range all {
		units = append(units, u)
	}
	slices.Sort(units)
	for _, u := range slices.Backward(units) {
		if err := s.look([]byte(u), all[u]); err != nil || s.found.More || s.over {
			return err
		}
	}
	return nil
}

// byLength: long words stand in fewer places.
func byLength(all []string) []string {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}

// narrow keeps what both have; nil is everything.
func (s *seeker) narrow(a, b postings) postings {
	if a == nil {
		return b
	}
	for u, have := range a {
		with := b[u]
		kept := have[:0]
		for i, j := 0, 0; i < len(have) && j < len(with); {
			switch {
			case have[i] == with[j]:
				kept = append(kept, have[i])
				i++
				j++
			case have[i] < with[j]:
				i++
			default:
				j++
			}
		}
		if len(kept) == 0 {
			delete(a, u)
		} else {
			a[u] = kept
		}
	}
	return a
}

// exact is where a word stands, of the units in within; nil: of all.
func (s *seeker) exact(w string, within postings) postings {
	if within == nil {
		return s.scan(append([]byte(w), 0), nil)
	}
	p := postings{}
	for u := range within {
		if v := s.tx.Bucket(bWords).Get(wordKey(w, []byte(u))); v != nil {
			p[u] = s.numbers(nil, v)
		}
	}
	return p
}

// beginning is where words stand that begin so.
func (s *seeker) beginning(w string, within postings) postings {
	return s.scan([]byte(w), within)
}

func (s *seeker) scan(prefix []byte, within postings) postings {
	p := postings{}
	mixed := map[string]bool{}
	c, n := s.tx.Bucket(bWords).Cursor(), 0
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if n++; n > mostKeys || s.held > mostPostings || n%1000 == 0 && s.ctx.Err() != nil {
			s.broke("too much begins with these words: say more of them, or a person, asset or day")
			break
		}
		u := string(k[len(k)-9:])
		if _, ok := within[u]; within != nil && !ok {
			continue
		}
		if len(p[u]) > 0 {
			mixed[u] = true
		}
		p[u] = s.numbers(p[u], v)
	}
	for u := range mixed { // of several words
		slices.Sort(p[u])
		p[u] = slices.Compact(p[u])
	}
	return p
}

func (s *seeker) numbers(to []uint32, v []byte) []uint32 {
	for len(v) > 0 {
		n, size := binary.Uvarint(v)
		if size <= 0 {
			break // damaged: what it stood for is not found
		}
		to, v = append(to, uint32(n)), v[size:]
		s.held++
	}
	return to
}

func (s *seeker) broke(why string) {
	if s.found.Broke == "" {
		s.found.Broke = why
	}
}

// look reads the entries of one unit, newest first, and keeps those that fit.
func (s *seeker) look(u []byte, numbers []uint32) error {
	id, kind := binary.BigEndian.Uint64(u), u[8]
	var of *session
	if kind != others {
		if of = s.session(id); of == nil || !s.fits(of) {
			return nil
		}
	} else if s.q.Person != "" || s.q.Asset != "" {
		return nil // leaves of no session name them in many ways: as words
	}
	var block []entry
	var first uint32
	for _, n := range slices.Backward(numbers) {
		if block == nil || n < first {
			var err error
			if block, first, err = s.block(u, n); err != nil {
				return err
			}
			if s.ctx.Err() != nil {
				s.over = true
				s.broke("this took too long and was broken off: say more words, or a person, asset or day")
				return nil
			}
		}
		if int(n-first) >= len(block) {
			continue
		}
		e := block[n-first]
		if !s.matches(e) {
			continue
		}
		h := hit(of, e)
		if s.q.Asset != "" && h.Asset != "" && h.Asset != s.q.Asset {
			continue
		}
		if len(s.found.Hits) == mostHits {
			s.found.More = true
			return nil
		}
		s.found.Hits = append(s.found.Hits, h)
	}
	return nil
}

// block is the one in which a number of a unit is, and its first number.
func (s *seeker) block(u []byte, n uint32) ([]entry, uint32, error) {
	c := s.tx.Bucket(bText).Cursor()
	at := binary.BigEndian.AppendUint32(bytes.Clone(u), n)
	k, v := c.Seek(at)
	if !bytes.Equal(k, at) {
		k, v = c.Prev()
	}
	if !bytes.HasPrefix(k, u) || len(k) != len(at) {
		return []entry{}, n, nil
	}
	all, err := s.unpack(v)
	return all, binary.BigEndian.Uint32(k[9:]), err
}

func (s *seeker) session(id uint64) *session {
	if _, ok := s.sessions[id]; !ok {
		s.sessions[id] = read(s.tx, key64(id))
	}
	return s.sessions[id]
}

// fits says whether a session can hold what is asked for.
func (s *seeker) fits(of *session) bool {
	return (s.q.Person == "" || fold(of.Person) == s.q.Person) && (s.q.Asset == "" || slices.Contains(of.Assets, s.q.Asset))
}

func (s *seeker) matches(e entry) bool {
	wall := time.UnixMilli(e.Wall)
	if !s.q.After.IsZero() && wall.Before(s.q.After) || !s.q.Before.IsZero() && !wall.Before(s.q.Before) {
		return false
	}
	text := fold(e.Text)
	for _, t := range s.q.Terms {
		if t.In != "" && e.Kind != KindFile || !strings.Contains(text, t.Text) {
			return false
		}
	}
	return true
}

func hit(of *session, e entry) Hit {
	h := Hit{Kind: e.Kind, Channel: -1, Wall: time.UnixMilli(e.Wall).UTC(), Text: e.Text}
	if e.Kind == KindScreen || e.Kind == KindCommand {
		h.Second, h.Channel = float64(e.Ref)/1000, int(e.Chan)
	} else {
		h.Leaf = audit.Index(e.Ref)
	}
	if of == nil {
		return h
	}
	h.Session, h.Person, h.Firm, h.Sealed = of.Name, of.Person, of.Firm, of.Sealed
	if c := of.Chans[int(e.Chan)]; c != nil && (h.Channel >= 0 || e.Kind == KindFile) {
		h.Asset, h.Channel = c.Asset, int(e.Chan)
	}
	return h
}

// list gives sessions, where nothing is asked of what they showed.
func (s *seeker) list() error {
	c := s.tx.Bucket(bDocs).Cursor()
	for k, v := c.Last(); k != nil; k, v = c.Prev() {
		var of session
		if json.Unmarshal(v, &of) != nil || !s.fits(&of) || !s.matches(entry{Wall: of.Started.UnixMilli()}) {
			continue
		}
		if len(s.found.Hits) == mostHits {
			s.found.More = true
			return nil
		}
		s.found.Hits = append(s.found.Hits, Hit{Kind: KindSession, Session: of.Name, Person: of.Person, Firm: of.Firm, Channel: -1, Wall: of.Started, Text: strings.Join(of.Assets, ", "), Sealed: of.Sealed})
	}
	return nil
}
