package recording

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"penstock/audit"
	"penstock/audit/durable"
)

// limits: a part ends, and the next begins with a fresh zstd stream, at the first of these.
type limits struct {
	time  time.Duration
	bytes int64 // of the file
	plain int64 // of data: a reader never decodes much more to reach a moment
}

var partLimits = limits{time.Minute, 4 << 20, 16 << 20}

// keptBuffer is what an idle channel's recorder holds on to.
const keptBuffer = 64 << 10

// tape writes one channel's parts. One goroutine at a time.
type tape struct {
	w       *Writer
	channel uint16
	kind    string
	aead    cipher.AEAD

	files []File // finished parts
	file  durable.File
	now   File          // the part being written, up to its last durable byte
	good  File          // … and up to its last whole written frame
	began time.Duration // time of the part's first frame
	plain int64         // bytes of data in the part

	seq   uint64 // of the next frame
	chain audit.Hash
	made  File // the part with what is in buf
	buf   []byte
	roll  *[rollSize]byte // what buf stands in; nil: in memory of its own
	pack  packer
	full  bool     // the part ends with what is in buf
	term  terminal // that is there; its size stands again at the beginning of each part
}

func newTape(w *Writer, ch uint16, kind string) (*tape, error) {
	aead, err := channelCipher(w.key, w.header, ch, kind)
	if err != nil {
		return nil, err
	}
	t := &tape{w: w, channel: ch, kind: kind, aead: aead, chain: chainStart(w.header, ch, kind), pack: packer{from: w.a.encoders}}
	return t, t.begin()
}

// begin opens the next part.
func (t *tape) begin() error {
	name := part{t.channel, t.kind, len(t.files)}.name()
	path := filepath.Join(t.w.dir, name)
	f, err := t.create(path)
	if err != nil {
		return fmt.Errorf("make %s: %w", name, err)
	}
	t.file, t.plain, t.full = f, 0, false
	t.pack.end() // a part's data can be had without the part before
	t.made = File{File: name, First: t.seq, Head: t.chain}
	t.good, t.now = t.made, t.made
	return nil
}

// create makes a file that is there after a power cut. What is left of a
// failure is removed: no close.json will name it.
func (t *tape) create(path string) (durable.File, error) {
	disk := t.w.a.p.Disk
	f, err := disk.FS().OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		if !errors.Is(err, fs.ErrExist) {
			disk.FS().Remove(path)
		}
		return nil, err
	}
	if err := disk.SyncDir(filepath.Dir(path)); err != nil {
		f.Close()
		disk.FS().Remove(path)
		return nil, err
	}
	return f, nil
}

// add seals items into buf until they, or the part, are at an end, and says how many.
func (t *tape) add(batch []item) (n int) {
	t.room(batch)
	for n < len(batch) && !t.full {
		run, data := join(batch[n:])
		t.frame(batch[n], data)
		n += run
	}
	if t.w.a.encoders.many() {
		t.pack.end()
	}
	return n
}

// room makes buf large enough for a batch: grown frame by frame it would be
// copied again with each. flush gives what is lent back.
func (t *tape) room(batch []item) {
	need := len(t.buf)
	for i := range batch {
		need += len(batch[i].data) + frameAdd*(1+len(batch[i].data)/maxPlain)
	}
	switch {
	case need <= cap(t.buf) || t.roll != nil:
	case need > keptBuffer:
		t.roll = rolls.Get().(*[rollSize]byte)
		t.buf = append(t.roll[:0], t.buf...)
	default:
		t.buf = slices.Grow(t.buf, need-len(t.buf))
	}
}

// join gives the bytes of the first item and of those after it that make one
// frame with it: the same direction, up to 64 KiB. An item larger than that is
// split by frame.
func join(batch []item) (run int, data []byte) {
	first := batch[0]
	run, size := 1, len(first.data)
	if !first.mark.bytes() {
		return 1, first.data
	}
	for run < len(batch) && batch[run].mark == first.mark && size+len(batch[run].data) <= maxPlain {
		size += len(batch[run].data)
		run++
	}
	if run == 1 {
		return 1, first.data
	}
	data = make([]byte, 0, size)
	for _, it := range batch[:run] {
		data = append(data, it.data...)
	}
	return run, data
}

// frame seals data into one frame, or as many as it needs.
func (t *tape) frame(it item, data []byte) {
	for {
		piece := data[:min(len(data), maxPlain)]
		t.one(it, piece)
		if data = data[len(piece):]; len(data) == 0 {
			return
		}
	}
}

// one seals data. A part begins with the terminal's size, where there is one:
// what stood on the screen can be had without all parts before it.
func (t *tape) one(it item, data []byte) {
	if t.made.Frames == 0 && len(t.files) > 0 && t.term.cols > 0 && it.mark != Resize {
		t.seal(item{mark: Resize, at: it.at, wall: it.wall}, fmt.Appendf(nil, "%dx%d", t.term.cols, t.term.rows))
	}
	t.term.take(it.mark, data)
	t.seal(it, data)
}

func (t *tape) seal(it item, data []byte) {
	h := head{mark: it.mark, channel: t.channel, seq: t.seq, mono: uint64(it.at), wall: it.wall}
	if t.made.Frames == 0 {
		h.flags |= flagFirst
		t.began = it.at
	}
	plain := data
	if it.mark.packed() && len(data) > 0 {
		var flags byte
		plain, flags = t.pack.pack(data)
		h.flags |= flags
	}
	before := len(t.buf)
	t.buf, t.chain = seal(t.buf, t.aead, t.chain, h, plain)
	t.seq++
	t.plain += int64(len(data))
	t.made.Frames++
	t.made.Bytes += int64(len(t.buf) - before)
	t.made.Head = t.chain
	l := t.w.a.limits
	t.full = t.made.Bytes >= l.bytes || t.plain >= l.plain || it.at-t.began >= l.time
}

// flush writes buf, syncs it, and begins the next part where this one is full.
func (t *tape) flush(ctx context.Context) error {
	if _, err := t.file.Write(t.buf); err != nil {
		return fmt.Errorf("write %s: %w", t.made.File, err)
	}
	t.w.written.Add(int64(len(t.buf)))
	t.good = t.made
	if t.buf = t.buf[:0]; t.roll != nil {
		rolls.Put(t.roll)
		t.buf, t.roll = nil, nil
	} else if cap(t.buf) > keptBuffer {
		t.buf = nil
	}
	if err := t.w.a.p.Disk.Sync(ctx, t.file); err != nil {
		return fmt.Errorf("sync %s: %w", t.made.File, err)
	}
	t.now = t.good
	if !t.full {
		return nil
	}
	err := t.file.Close()
	t.file = nil
	t.files = append(t.files, t.now)
	if err != nil {
		return fmt.Errorf("close %s: %w", t.now.File, err)
	}
	return t.begin()
}

// head is that of the newest durable frame.
func (t *tape) head() Head {
	at := t.now
	if at.Frames == 0 && len(t.files) > 0 {
		at = t.files[len(t.files)-1]
	}
	return Head{Session: t.w.session, Channel: int(t.channel), File: at.File, Seq: at.First + at.Frames - 1, Bytes: at.Bytes, Head: at.Head}
}

// quiet lets go what a channel without traffic does not need.
func (t *tape) quiet() {
	t.pack.quiet()
	t.buf, t.roll = nil, nil
}

// rest lets go what only a running recorder needs.
func (t *tape) rest() {
	t.quiet()
	t.aead = nil
}

// settle ends the last part. After a failed write it is cut back to its last
// whole frame. It is called once, after the recorder has returned.
func (t *tape) settle(ctx context.Context) ([]File, error) {
	if t.file == nil { // the next part could not be begun
		return t.files, nil
	}
	defer t.file.Close()
	if t.w.Err() != nil {
		if err := t.file.Truncate(t.good.Bytes); err != nil {
			return nil, fmt.Errorf("cut %s back: %w", t.good.File, err)
		}
		if err := t.w.a.p.Disk.Sync(ctx, t.file); err != nil {
			return nil, fmt.Errorf("sync %s: %w", t.good.File, err)
		}
		t.now = t.good
	}
	return append(t.files, t.now), nil
}
