package search

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	bolt "go.etcd.io/bbolt"

	"penstock/audit"
	"penstock/audit/durable"
)

// format is what the index is made as; another one is made again.
const format = "2"

// The index is a bbolt file:
//
//	meta   format, next (the leaf after those that are in), counts, stale (rewrite.go)
//	docs   id → session
//	ids    name of a session → id
//	text   unit, number of its first entry → entries, packed
//	words  word, 0, unit → numbers of entries, as uvarints
//
// id is the leaf that began it, 8 bytes; a unit is an id and the kind of its
// entries, a byte.
var bMeta, bDocs, bIDs, bText, bWords = []byte("meta"), []byte("docs"), []byte("ids"), []byte("text"), []byte("words")

// Kinds of units.
const (
	leaves byte = iota // what the log says of a session
	screens
	others // leaves that are of no session, 4096 places of the log to a unit
)

// session is what is known of one.
type session struct {
	ID      uint64           `json:"id"`
	Name    string           `json:"name"`
	Person  string           `json:"person"`
	Firm    string           `json:"firm"`
	Windows []string         `json:"windows"`
	Assets  []string         `json:"assets,omitempty"`
	Started time.Time        `json:"started"`
	Ended   bool             `json:"ended,omitempty"`
	Sealed  bool             `json:"sealed,omitempty"`
	Done    bool             `json:"done,omitempty"` // the recording is in, or never will be
	Left    string           `json:"left,omitempty"` // what is not in the index, in words
	Chans   map[int]*channel `json:"chans,omitempty"`
	Count   [2]uint32        `json:"count"` // entries, of leaves and of screens
}

type channel struct {
	Asset string `json:"asset"`
	Kind  string `json:"kind"`
}

// entry is one text.
type entry struct {
	Kind byte // of Hit
	Chan uint16
	Wall int64 // ms since 1970
	Ref  uint64
	Text string
}

// Index is the file. One Filler writes it; any number of people search.
type Index struct {
	dir  string
	swap sync.RWMutex // held by who searches; held alone while another file takes db's place
	torn atomic.Bool  // its file is damaged, and bbolt may hold its locks
	db   *bolt.DB     // changed by the filler's goroutine alone, which reads it without swap
	most int64
	enc  *zstd.Encoder
	dec  *zstd.Decoder
}

const (
	largestBlock = 4 << 20 // bytes that a block may unpack to
	fullBlock    = 1 << 20 // bytes of text after which the next block begins; one entry has less
)

// Open opens the index in dir, or begins a new one where there is none or where
// it cannot be read: everything in it can be made again. most bounds the file
// in bytes: above it what was on the screens of the oldest sessions is left out.
func Open(dir string, most int64) (*Index, error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the search index: %w", err)
	}
	path := filepath.Join(dir, indexFile)
	x := &Index{dir: dir, most: most}
	if err := os.RemoveAll(filepath.Join(dir, freshFile)); err != nil {
		return nil, fmt.Errorf("take away an index that was not written to its end: %w", err)
	}
	var err error
	if x.enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true)); err != nil {
		return nil, err
	}
	if x.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(largestBlock)); err != nil {
		return nil, err
	}
	for range 2 {
		if x.db, err = openFile(path); err == nil {
			return x, nil
		}
		if errors.Is(err, bolt.ErrTimeout) {
			break // another process has it
		}
		if gone := os.Remove(path); gone != nil {
			return nil, fmt.Errorf("the search index cannot be read (%w), nor be taken away: %w", err, gone)
		}
	}
	return nil, fmt.Errorf("open the search index: %w", err)
}

// openFile opens an index of this format, or begins one. A torn file makes
// bbolt fail, or panic where it looks at pages.
func openFile(path string) (db *bolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, fmt.Errorf("damaged: %v", r) // not closed: bbolt may hold its locks
		}
		if err != nil && db != nil {
			_ = db.Close() // it is thrown away
			db = nil
		}
	}()
	if db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: 5 * time.Second, FreelistType: bolt.FreelistMapType}); err != nil {
		return nil, err
	}
	return db, db.Update(func(tx *bolt.Tx) error {
		fresh := tx.Bucket(bMeta) == nil
		for _, name := range [][]byte{bMeta, bDocs, bIDs, bText, bWords} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		if fresh {
			return tx.Bucket(bMeta).Put([]byte("format"), []byte(format))
		}
		if f := tx.Bucket(bMeta).Get([]byte("format")); string(f) != format {
			return fmt.Errorf("format %q, and this build makes %s", f, format)
		}
		return nil
	})
}

// Close is for when nobody fills or searches any more.
func (x *Index) Close() error {
	x.enc.Close()
	x.dec.Close()
	if x.torn.Load() {
		return nil
	}
	return x.db.Close()
}

func key64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func unit(id uint64, kind byte) []byte { return append(key64(id), kind) }

func nextLeaf(tx *bolt.Tx) audit.Index {
	if b := tx.Bucket(bMeta).Get([]byte("next")); len(b) == 8 {
		return audit.Index(binary.BigEndian.Uint64(b))
	}
	return 0
}

// lookup is a session by its name; nil: not known.
func lookup(tx *bolt.Tx, name string) *session {
	id := tx.Bucket(bIDs).Get([]byte(name))
	if id == nil {
		return nil
	}
	return read(tx, id)
}

func read(tx *bolt.Tx, id []byte) *session {
	var s session
	if b := tx.Bucket(bDocs).Get(id); b == nil || json.Unmarshal(b, &s) != nil {
		return nil
	}
	if s.Chans == nil { // left out while there are none
		s.Chans = map[int]*channel{}
	}
	return &s
}

func (s *session) write(tx *bolt.Tx) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := tx.Bucket(bIDs).Put([]byte(s.Name), key64(s.ID)); err != nil {
		return err
	}
	if err := count(tx, read(tx, key64(s.ID)), s); err != nil {
		return err
	}
	return tx.Bucket(bDocs).Put(key64(s.ID), b)
}

// add puts entries behind the first n of a unit.
func (x *Index) add(tx *bolt.Tx, u []byte, n uint32, all []entry) error {
	if len(all) == 0 {
		return nil
	}
	numbers := map[string][]byte{}
	for i, e := range all {
		for _, w := range words(e.Text) {
			numbers[w] = binary.AppendUvarint(numbers[w], uint64(n)+uint64(i))
		}
	}
	bucket := tx.Bucket(bWords)
	for w, more := range numbers {
		k := wordKey(w, u)
		if err := bucket.Put(k, append(bytes.Clone(bucket.Get(k)), more...)); err != nil {
			return err
		}
	}
	for len(all) > 0 {
		size, i := 0, 0
		for i < len(all) && size < fullBlock {
			size += len(all[i].Text)
			i++
		}
		if err := tx.Bucket(bText).Put(binary.BigEndian.AppendUint32(bytes.Clone(u), n), x.enc.EncodeAll(pack(all[:i]), nil)); err != nil {
			return err
		}
		n, all = n+uint32(i), all[i:]
	}
	return nil
}

func wordKey(word string, u []byte) []byte { return append(append([]byte(word), 0), u...) }

// drop takes a unit out.
func (x *Index) drop(tx *bolt.Tx, u []byte) error {
	gone := map[string]bool{}
	var blocks [][]byte
	c := tx.Bucket(bText).Cursor()
	for k, v := c.Seek(u); bytes.HasPrefix(k, u); k, v = c.Next() {
		all, err := x.unpack(v)
		if err != nil {
			return err
		}
		for _, e := range all {
			for _, w := range words(e.Text) {
				gone[w] = true
			}
		}
		blocks = append(blocks, bytes.Clone(k))
	}
	for w := range gone {
		if err := tx.Bucket(bWords).Delete(wordKey(w, u)); err != nil {
			return err
		}
	}
	for _, k := range blocks {
		if err := tx.Bucket(bText).Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// pack: kind, channel, wall, ref, text, one after the other.
func pack(all []entry) []byte {
	var b []byte
	for _, e := range all {
		b = append(b, e.Kind)
		b = binary.AppendUvarint(b, uint64(e.Chan))
		b = binary.AppendVarint(b, e.Wall)
		b = binary.AppendUvarint(b, e.Ref)
		b = binary.AppendUvarint(b, uint64(len(e.Text)))
		b = append(b, e.Text...)
	}
	return b
}

var errDamaged = errors.New("the search index is damaged: delete its folder and start again, and it is made anew")

// unpack reads a block and trusts no byte of it.
func (x *Index) unpack(v []byte) (all []entry, err error) {
	b, err := x.dec.DecodeAll(v, nil)
	if err != nil {
		return nil, fmt.Errorf("%w (%v)", errDamaged, err)
	}
	r := bytes.NewReader(b)
	for r.Len() > 0 {
		kind, _ := r.ReadByte() // there is one
		ch, err1 := binary.ReadUvarint(r)
		wall, err2 := binary.ReadVarint(r)
		ref, err3 := binary.ReadUvarint(r)
		n, err4 := binary.ReadUvarint(r)
		if errors.Join(err1, err2, err3, err4) != nil || n > uint64(r.Len()) {
			return nil, errDamaged
		}
		at := len(b) - r.Len()
		all = append(all, entry{kind, uint16(ch), wall, ref, string(b[at : at+int(n)])})
		_, _ = r.Seek(int64(n), 1) // within
	}
	return all, nil
}
