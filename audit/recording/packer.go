package recording

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	zstdWindow = 256 << 10 // of every stream; a reader needs no more

	// An encoder takes 768 KiB. So few are lent at a time: a channel that goes
	// on keeps its own while keptEncoders are not exceeded, and above that each
	// is given back when a batch is packed.
	lentEncoders = 80
	keptEncoders = 64

	quietAfter = 2 * time.Second // without output: the encoder goes back
	plainFirst = 1 << 10         // bytes after a silence that are not worth an encoder

	// What is compressed already, or encrypted, costs more than all else of a recording
	// and gets no smaller: behind a piece of at least tryFrom bytes that did not shrink
	// by a sixteenth, so many stay as they are before it is tried again.
	tryFrom   = 8 << 10
	rawPieces = 31
)

// encoders lends zstd encoders to the channels of all sessions.
type encoders struct {
	lent chan struct{} // a token for each that is lent
	idle sync.Pool
}

func newEncoders() *encoders { return &encoders{lent: make(chan struct{}, lentEncoders)} }

// take waits while all are lent; those who may keep theirs are too few to take
// them all, and the others hold theirs only while they compute.
func (e *encoders) take() *zstd.Encoder {
	e.lent <- struct{}{}
	if z, ok := e.idle.Get().(*zstd.Encoder); ok {
		return z
	}
	// One goroutine, a small window. The options are constants; NewWriter
	// cannot refuse them.
	z, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(zstdWindow), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	return z
}

func (e *encoders) give(z *zstd.Encoder) {
	z.Reset(nil)
	e.idle.Put(z)
	<-e.lent
}

func (e *encoders) many() bool { return len(e.lent) > keptEncoders }

// packer compresses one channel's output, with an encoder while there is much
// of it. One goroutine at a time.
type packer struct {
	from  *encoders
	z     *zstd.Encoder // nil: none is lent
	plain int           // bytes since the last silence that went without one
	raw   int           // pieces to come that are not worth it
	out   bytes.Buffer
}

// pack gives the length of data and data through the stream, flushed; or data
// itself, with no flag, where it is not worth it: there is too little, or what came
// before did not shrink. The flags say which, and whether a stream begins. The
// result is good until the next call.
func (p *packer) pack(data []byte) (packed []byte, flags byte) {
	if p.raw > 0 && len(data) >= tryFrom {
		p.raw--
		return data, 0
	}
	if p.z == nil {
		if p.plain += len(data); p.plain <= plainFirst {
			return data, 0
		}
		p.z = p.from.take()
		p.z.Reset(&p.out)
		flags = flagAnew
	}
	p.out.Reset()
	p.out.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data))))
	if _, err := p.z.Write(data); err != nil {
		panic(fmt.Sprintf("compress: %v", err)) // into memory; record turns it into a failure
	}
	if err := p.z.Flush(); err != nil {
		panic(fmt.Sprintf("compress: %v", err))
	}
	if len(data) >= tryFrom && p.out.Len() > len(data)-len(data)/16 {
		p.raw = rawPieces
	}
	return p.out.Bytes(), flags | flagPacked
}

// end ends the stream, where there is one: the next output begins another.
func (p *packer) end() {
	if p.z != nil {
		p.from.give(p.z)
		p.z = nil
	}
}

// quiet ends the stream and lets all memory go.
func (p *packer) quiet() {
	p.end()
	p.plain, p.raw, p.out = 0, 0, bytes.Buffer{}
}
