package sftp

import (
	"crypto/sha256"
	"hash"
	"sync"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker"
)

// Where an account says files: hashes, the recording keeps every byte of the
// protocol but those of files: of these it keeps offset, length and the hash so
// far (audit/README.md, frames h). What is not understood here is kept whole.

// pieces collects what is recorded in the place of some bytes: first all that
// are no content, then the content, so that many small packets are few frames.
type pieces struct {
	mark recording.Mark
	rest []byte
	all  []broker.Piece
	at   uint64 // of the content piece under way
	n    int
	sum  hash.Hash
	file string
	once *once // of what the vendor sends
}

func (p *pieces) bytes(b []byte) { p.rest = append(p.rest, b...) }

// content is part of a file; parts that follow each other are one piece.
func (p *pieces) content(file string, at uint64, b []byte, sum hash.Hash) {
	if p.n > 0 && (p.sum != sum || p.at+uint64(p.n) != at) {
		p.flush()
	}
	if p.n == 0 {
		p.file, p.at, p.sum = file, at, sum
	}
	p.once.write(sum, b)
	p.n += len(b)
}

func (p *pieces) flush() {
	if p.n == 0 {
		return
	}
	var h audit.Hash
	p.sum.Sum(h[:0])
	b, err := audit.Canonical(map[string]any{"at": p.at, "direction": directions[p.mark], "file": p.file, "length": p.n, "sha256": h})
	if err != nil { // strings and integers below 2^53 alone: it cannot be
		b = []byte(`{"error":"not to be written"}`)
	}
	p.all = append(p.all, broker.Piece{Mark: recording.Content, Data: b})
	p.n = 0
}

var directions = map[recording.Mark]string{recording.In: "in", recording.Out: "out"}

// thinner is what of one protocol is kept.
type thinner interface {
	thin(p *pieces, b []byte)
}

func (j *Job) thin(in *once) func(recording.Mark, []byte) []broker.Piece {
	var t thinner
	switch j.Kind {
	case "sftp":
		t = &thinFiles{sums: map[string]hash.Hash{}, asked: map[uint32]asked{}}
	case "scp":
		t = &thinCopies{s: newCopies(nil, j)}
	default:
		t = &thinStream{}
	}
	var mu sync.Mutex
	return func(m recording.Mark, b []byte) []broker.Piece {
		if directions[m] == "" { // standard error is no file
			return []broker.Piece{{Mark: m, Data: b}}
		}
		mu.Lock()
		defer mu.Unlock()
		p := &pieces{mark: m}
		if m == recording.In {
			in.begin(b)
			p.once = in
		}
		t.thin(p, b)
		p.flush()
		if len(p.rest) > 0 {
			p.all = append([]broker.Piece{{Mark: m, Data: p.rest}}, p.all...)
		}
		return p.all
	}
}

// thinFiles is SFTP: the data of write and of its answers. Requests go on whole,
// answers as they come: so the first are looked at whole, the others in their course.
type thinFiles struct {
	in     splitter
	out    answers
	broken bool // not SFTP: all is kept
	sums   map[string]hash.Hash
	asked  map[uint32]asked // reads without an answer
}

type asked struct {
	handle string
	at     uint64
}

const exact = 1<<53 - 1 // offsets that JSON says for sure

func (t *thinFiles) thin(p *pieces, b []byte) {
	if p.mark == recording.Out {
		t.answers(p, b)
		return
	}
	for !t.broken {
		raw, left, err := t.in.next(b)
		if err != nil {
			t.broken = true
			b = append(t.in.rest, b...)
			break
		}
		if raw == nil {
			return
		}
		b = left
		if !t.content(p, raw) {
			p.bytes(raw)
		}
	}
	if len(b) > 0 {
		p.bytes(b)
	}
}

// content takes a request that holds a file's bytes.
func (t *thinFiles) content(p *pieces, raw []byte) bool {
	f := &fields{b: raw[5:]}
	id := f.u32()
	switch raw[4] {
	case fxRead:
		if h, at := f.text(maxHandle), f.u64(); f.err == nil && len(t.asked) < 2*maxAsked {
			t.asked[id] = asked{h, at}
		}
	case fxClose:
		h := f.text(maxHandle)
		delete(t.sums, "i"+h)
		delete(t.sums, "o"+h)
	case fxWrite:
		h, at := f.text(maxHandle), f.u64()
		return t.keep(p, h, at, raw, f)
	}
	return false
}

// answers is where in the machine's answers we are. What the vendor has been
// shown is recorded, also of an answer that never becomes whole.
type answers struct {
	head []byte // length, kind, number and length of the data
	left int    // bytes of the packet behind the head
	sum  hash.Hash
	at   uint64
	file string
}

const dataHead = 4 + 1 + 4 + 4

func (t *thinFiles) answers(p *pieces, b []byte) {
	o := &t.out
	for len(b) > 0 && !t.broken {
		n := min(o.left, len(b))
		switch {
		case o.left == 0:
			if n = t.head(b); n == 0 {
				continue
			}
			p.bytes(b[:n])
		case o.sum != nil:
			p.content(o.file, o.at, b[:n], o.sum)
			o.at, o.left = o.at+uint64(n), o.left-n
		default:
			p.bytes(b[:n])
			o.left -= n
		}
		b = b[n:]
	}
	if len(b) > 0 {
		p.bytes(b)
	}
}

// head takes n bytes of a packet's beginning. 0: this is not SFTP.
func (t *thinFiles) head(b []byte) (n int) {
	o := &t.out
	want := 5
	if len(o.head) >= 5 {
		want = t.headSize()
	}
	n = min(want-len(o.head), len(b))
	o.head = append(o.head, b[:n]...)
	if len(o.head) < 5 {
		return n
	}
	size, err := packetSize(o.head)
	if err != nil {
		t.broken = true
		return 0
	}
	if len(o.head) < t.headSize() {
		return n
	}
	o.left, o.sum = size-len(o.head), nil
	t.answered(o)
	o.head = o.head[:0]
	return n
}

// headSize is how much says what the packet is.
func (t *thinFiles) headSize() int {
	size, _ := packetSize(t.out.head)
	if t.out.head[4] == fxData {
		return min(size, dataHead)
	}
	return min(size, 5+4)
}

// answered finds the read that a packet answers; its data goes to that file's hash.
func (t *thinFiles) answered(o *answers) {
	f := &fields{b: o.head[5:]}
	id := f.u32()
	r, ok := t.asked[id]
	if f.err != nil || o.head[4] == fxVersion {
		return
	}
	delete(t.asked, id)
	if n := f.u32(); ok && o.head[4] == fxData && f.err == nil && int(n) == o.left && r.at <= exact-maxPacket {
		o.sum, o.at, o.file = t.sumOf("o", r.handle), r.at, safe(r.handle)
	}
}

// sumOf is the running hash of one direction of a handle; nil: there are too many.
func (t *thinFiles) sumOf(way, handle string) hash.Hash {
	sum := t.sums[way+handle]
	if sum == nil && len(t.sums) < 2*maxOpen {
		sum = sha256.New()
		t.sums[way+handle] = sum
	}
	return sum
}

// keep records what stands before the data, and of the data its hash.
func (t *thinFiles) keep(p *pieces, handle string, at uint64, raw []byte, f *fields) bool {
	data := f.bytes(maxPacket)
	if f.end() != nil || at > exact-maxPacket || len(data) == 0 {
		return false
	}
	sum := t.sumOf("i", handle)
	if sum == nil {
		return false
	}
	p.bytes(raw[:len(raw)-len(data)])
	p.content(safe(handle), at, data, sum)
	return true
}

// thinCopies is scp's old protocol, followed like the transfer itself.
type thinCopies struct {
	s      *copies
	broken bool
	sum    hash.Hash
	at     uint64
}

func (t *thinCopies) thin(p *pieces, b []byte) {
	source := t.s.j.in == (p.mark == recording.In)
	for len(b) > 0 && !t.broken {
		var n int
		var goes []byte
		var err error
		content := source && t.s.at == atContent
		if source {
			n, goes, err = t.s.fromSource(b)
		} else {
			n, goes, _, err = t.s.fromSink(b)
			t.sum, t.at = nil, 0
		}
		if t.broken = err != nil; t.broken {
			break
		}
		b = b[n:]
		if len(goes) == 0 {
			continue
		}
		if !content || t.at > exact-maxPacket {
			p.bytes(goes)
			continue
		}
		if t.sum == nil {
			t.sum = sha256.New()
		}
		p.content(safe(t.s.name), t.at, goes, t.sum)
		t.at += uint64(len(goes))
	}
	if t.broken && len(b) > 0 {
		p.bytes(b)
	}
}

// thinStream is rsync and git: all of it.
type thinStream struct {
	sums [2]hash.Hash
	at   [2]uint64
}

func (t *thinStream) thin(p *pieces, b []byte) {
	way := 0
	if p.mark == recording.Out {
		way = 1
	}
	if t.sums[way] == nil {
		t.sums[way] = sha256.New()
	}
	if t.at[way] > exact-uint64(broker.MaxIn) {
		p.bytes(b)
		return
	}
	p.content("", t.at[way], b, t.sums[way])
	t.at[way] += uint64(len(b))
}
