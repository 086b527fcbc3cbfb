package sftp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

// Packets of SFTP version 3 (draft-ietf-secsh-filexfer-02, section 3).
const (
	fxInit     = 1
	fxVersion  = 2
	fxOpen     = 3
	fxClose    = 4
	fxRead     = 5
	fxWrite    = 6
	fxLstat    = 7
	fxFstat    = 8
	fxSetstat  = 9
	fxFsetstat = 10
	fxOpendir  = 11
	fxReaddir  = 12
	fxRemove   = 13
	fxMkdir    = 14
	fxRmdir    = 15
	fxRealpath = 16
	fxStat     = 17
	fxRename   = 18
	fxReadlink = 19
	fxSymlink  = 20
	fxStatus   = 101
	fxHandle   = 102
	fxData     = 103
	fxName     = 104
	fxAttrs    = 105
	fxExtended = 200
	fxReply    = 201

	// Status codes (section 7).
	statusOK          = 0
	statusEOF         = 1
	statusNoFile      = 2
	statusDenied      = 3
	statusFailure     = 4
	statusBad         = 5
	statusUnsupported = 8

	// pflags of open (section 6.3).
	flagRead   = 1
	flagWrite  = 2
	flagAppend = 4
	flagCreate = 8
	flagTrunc  = 16
	flagExcl   = 32

	// attributes (section 5).
	attrSize     = 1
	attrOwner    = 2
	attrMode     = 4
	attrTimes    = 8
	attrExtended = 1 << 31
)

const (
	maxPacket = 256<<10 + 1024 // behind the length; stock clients send 256 KiB (OpenSSH, SFTP_MAX_MSG_LENGTH)
	maxData   = 255 << 10      // of one read or write that limits@openssh.com offers
	maxPath   = 4096           // bytes, as Linux takes
	maxHandle = 256            // bytes (section 6.3)
	maxNames  = 4096           // in one reply
)

var errShort = errors.New("cut short")

// fields reads the fields of one packet; the first error stays.
type fields struct {
	b   []byte
	err error
}

func (f *fields) take(n int) []byte {
	if f.err != nil || n < 0 || n > len(f.b) {
		f.err = errShort
		return nil
	}
	p := f.b[:n]
	f.b = f.b[n:]
	return p
}

func (f *fields) u32() uint32 {
	if p := f.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (f *fields) u64() uint64 {
	if p := f.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// bytes is a string of at most max bytes; it is part of the packet.
func (f *fields) bytes(max int) []byte {
	n := f.u32()
	if f.err == nil && uint64(n) > uint64(max) {
		f.err = fmt.Errorf("a string of %d bytes", n)
	}
	return f.take(int(min(n, maxPacket)))
}

func (f *fields) text(max int) string { return string(f.bytes(max)) }

// attrs reads attributes; size is set where they say one.
func (f *fields) attrs() (flags uint32, size uint64) {
	flags = f.u32()
	if flags&attrSize != 0 {
		size = f.u64()
	}
	if flags&attrOwner != 0 {
		f.take(8)
	}
	if flags&attrMode != 0 {
		f.take(4)
	}
	if flags&attrTimes != 0 {
		f.take(8)
	}
	if flags&attrExtended != 0 {
		for n := f.u32(); n > 0 && f.err == nil; n-- {
			f.bytes(maxPacket)
			f.bytes(maxPacket)
		}
	}
	if flags&^uint32(attrSize|attrOwner|attrMode|attrTimes|attrExtended) != 0 && f.err == nil {
		f.err = fmt.Errorf("attributes %#x that version 3 does not have", flags)
	}
	return flags, size
}

// end is nil if everything was read and nothing is left over.
func (f *fields) end() error {
	if f.err == nil && len(f.b) > 0 {
		return fmt.Errorf("%d bytes too many", len(f.b))
	}
	return f.err
}

// splitter cuts a stream into packets. It keeps at most one.
type splitter struct {
	rest []byte
	lent *[4 + maxPacket]byte // what rest stands in; nil: in memory of its own
	kept bool                 // what was given last stands in rest, and not in p
}

// whole are lent to splitters while a large packet comes.
var whole = sync.Pool{New: func() any { return new([4 + maxPacket]byte) }}

// ownRest is the most of a packet that a splitter keeps in memory of its own.
const ownRest = 4 << 10

// next gives the first whole packet of p, from its kind on, with all that it is
// on the wire; what is left is for the next call. raw nil: there is none yet.
// raw is good until the next call.
func (s *splitter) next(p []byte) (raw, left []byte, err error) {
	s.kept = false
	if len(s.rest) == 0 { // mostly: packets stand whole in what was read
		s.giveBack() // what was given last
		n, err := packetSize(p)
		if err != nil {
			return nil, nil, err
		}
		if n > 0 && n <= len(p) {
			return p[:n], p[n:], nil
		}
		s.keep(p, n)
		return nil, nil, nil
	}
	if len(s.rest) < 5 {
		n := min(5-len(s.rest), len(p))
		s.keep(p[:n], 0)
		p = p[n:]
	}
	n, err := packetSize(s.rest)
	if err != nil || n == 0 {
		return nil, nil, err
	}
	more := min(n-len(s.rest), len(p))
	s.keep(p[:more], n)
	if p = p[more:]; len(s.rest) < n {
		return nil, nil, nil
	}
	raw, s.rest, s.kept = s.rest, s.rest[:0], true
	return raw, p, nil
}

// keep puts p behind what is kept of a packet of n bytes; 0: not known yet.
func (s *splitter) keep(p []byte, n int) {
	if s.lent == nil && n > ownRest {
		s.lent = whole.Get().(*[4 + maxPacket]byte)
		s.rest = append(s.lent[:0], s.rest...)
	}
	s.rest = append(s.rest, p...)
}

// giveBack lets a large packet's room go: an idle channel holds none.
func (s *splitter) giveBack() {
	if s.lent != nil {
		whole.Put(s.lent)
		s.rest, s.lent = nil, nil
	}
}

// packetSize is that of the packet at the beginning of p, with its length; 0: too little is there to say.
func packetSize(p []byte) (int, error) {
	if len(p) < 5 {
		return 0, nil
	}
	n := binary.BigEndian.Uint32(p)
	if n < 1 || n > maxPacket {
		return 0, fmt.Errorf("a packet of %d bytes, where 1 to %d may be", n, maxPacket)
	}
	return 4 + int(n), nil
}

// run is packets that stand one behind the other in one buffer, and go on as they came.
type run []byte

// maxRun is how long a run grows: of a file that breaks off, so much may be told as
// passed that passed the gate and did not come to the other side.
const maxRun = 256 << 10

// on puts p behind the run. Where it does not stand there, what was there before is
// sent, and a run begins with p. now: p is good for this call only.
func (r *run) on(p []byte, now bool, send func([]byte) error) error {
	if n := len(*r); n > 0 && n < maxRun && len(p) > 0 && cap(*r) >= n+len(p) && &(*r)[:n+1][n] == &p[0] {
		*r = (*r)[:n+len(p)]
		return nil
	}
	if before := r.end(); len(before) > 0 {
		if err := send(before); err != nil {
			return err
		}
	}
	if *r = p; now {
		return send(r.end())
	}
	return nil
}

// end gives what is there, and leaves nothing.
func (r *run) end() []byte {
	p := *r
	*r = nil
	return p
}

// packet builds one.
type packet []byte

func newPacket(kind byte) packet { return packet{0, 0, 0, 0, kind} }

func (p packet) u32(v uint32) packet { return binary.BigEndian.AppendUint32(p, v) }
func (p packet) u64(v uint64) packet { return binary.BigEndian.AppendUint64(p, v) }
func (p packet) text(s string) packet {
	return append(p.u32(uint32(len(s))), s...)
}

// done fills in the length.
func (p packet) done() []byte {
	binary.BigEndian.PutUint32(p, uint32(len(p)-4))
	return p
}

func statusPacket(id, code uint32, say string) []byte {
	return newPacket(fxStatus).u32(id).u32(code).text(say).text("en").done()
}
