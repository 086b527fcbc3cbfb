package recording

import (
	"bufio"
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"

	"penstock/audit"
)

// scanner walks one channel's frames over its parts and believes none of them:
// bounds, sequence and chain always; the seal and the data where there is a key.
type scanner struct {
	dir     string
	header  audit.Hash
	channel uint16
	kind    string
	parts   int // that are there
	aead    cipher.AEAD

	number int // of the part at hand
	f      *os.File
	in     *bufio.Reader
	at     File // what was read of the part, up to the last good frame
	seq    uint64
	chain  audit.Hash
	last   time.Duration

	frame []byte // header, ciphertext and hash
	plain []byte
	zin   bytes.Reader
	z     *zstd.Decoder
	fresh bool // no zstd stream has begun in the part

	ended func(File) error // asked at the end of each part; may be nil
}

func newScanner(dir string, header audit.Hash, c channelFiles, key []byte) (*scanner, error) {
	s := &scanner{dir: dir, header: header, channel: c.channel, kind: c.kind, parts: c.parts}
	if key != nil {
		var err error
		if s.aead, err = channelCipher(key, header, c.channel, c.kind); err != nil {
			return nil, err
		}
	}
	s.chain = chainStart(header, c.channel, c.kind)
	s.number = -1
	return s, nil
}

func (s *scanner) name(number int) string { return part{s.channel, s.kind, number}.name() }

func (s *scanner) damage(off int64, format string, v ...any) error {
	return &Damage{s.name(s.number), off, fmt.Sprintf(format, v...)}
}

// torn is what a crash leaves: the last frame is not whole.
func (s *scanner) torn() error {
	if s.number < s.parts-1 { // the next part was begun when this one was durable
		return s.damage(s.at.Bytes, "the last frame is not whole, though another part follows")
	}
	return fmt.Errorf("%s at byte %d: the last frame is not whole: %w", s.name(s.number), s.at.Bytes, io.ErrUnexpectedEOF)
}

// next gives the next frame's head and, with a key, its data, good until the
// next call. io.EOF after the last whole frame; a torn one is
// io.ErrUnexpectedEOF, wrapped; whatever else is wrong is Damage.
func (s *scanner) next() (head, []byte, error) {
	for {
		if s.f == nil {
			if s.number+1 >= s.parts {
				return head{}, nil, io.EOF
			}
			if err := s.openPart(s.number + 1); err != nil {
				return head{}, nil, err
			}
		}
		h, err := s.read()
		if err == nil {
			data, err := s.data(h)
			return h, data, err
		}
		if err != io.EOF {
			return head{}, nil, err
		}
		if err := s.endPart(); err != nil {
			return head{}, nil, err
		}
	}
}

func (s *scanner) openPart(number int) error {
	s.number = number
	f, err := os.Open(filepath.Join(s.dir, s.name(number)))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return s.damage(-1, "is missing")
		}
		return fmt.Errorf("open recording: %w", err)
	}
	s.f, s.fresh = f, true
	if s.in == nil {
		size := int64(64 << 10)
		if info, err := f.Stat(); err == nil { // short sessions are many
			size = min(size, max(info.Size(), 4<<10))
		}
		s.in = bufio.NewReaderSize(f, int(size))
	}
	s.in.Reset(f)
	s.at = File{File: s.name(number), First: s.seq, Head: s.chain}
	return nil
}

func (s *scanner) endPart() error {
	s.f.Close()
	s.f = nil
	if s.at.Frames == 0 && s.number < s.parts-1 {
		return s.damage(0, "is empty, though another part follows")
	}
	if s.ended != nil {
		return s.ended(s.at)
	}
	return nil
}

// read takes one frame in and checks all that needs no key. io.EOF only between frames.
func (s *scanner) read() (head, error) {
	s.frame = grow(s.frame, headerSize)
	n, err := io.ReadFull(s.in, s.frame)
	switch {
	case err == io.EOF:
		return head{}, io.EOF
	case err == io.ErrUnexpectedEOF && n > 0:
		return head{}, s.torn()
	case err != nil:
		return head{}, fmt.Errorf("read %s: %w", s.name(s.number), err)
	}
	h, wrong := parseHead(s.frame)
	switch {
	case wrong != "":
		return h, s.damage(s.at.Bytes, "%s", wrong)
	case h.channel != s.channel:
		return h, s.damage(s.at.Bytes, "a frame of channel %d", h.channel)
	case h.seq != s.seq:
		return h, s.damage(s.at.Bytes, "frame %d stands where %d should", h.seq, s.seq)
	case (h.flags&flagFirst != 0) != (s.at.Frames == 0):
		return h, s.damage(s.at.Bytes, "a part's first frame in another place")
	case h.at() < s.last:
		return h, s.damage(s.at.Bytes, "time runs backwards")
	}
	size := headerSize + int(h.length) + hashSize
	s.frame = grow(s.frame, size)
	if _, err := io.ReadFull(s.in, s.frame[headerSize:]); err == io.EOF || err == io.ErrUnexpectedEOF {
		return h, s.torn()
	} else if err != nil {
		return h, fmt.Errorf("read %s: %w", s.name(s.number), err)
	}
	sealed := s.frame[:size-hashSize]
	next := chainNext(s.chain, sealed)
	if audit.Hash(s.frame[size-hashSize:]) != next {
		return h, s.damage(s.at.Bytes, "the hash chain does not fit")
	}
	s.chain, s.last = next, h.at()
	s.seq++
	s.at.Frames++
	s.at.Bytes += int64(size)
	s.at.Head = next
	return h, nil
}

// grow gives b the length n and keeps what is in it.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		b = append(make([]byte, 0, max(n, 4<<10)), b...)
	}
	return b[:n]
}

// data opens the frame that read took in. nil without a key.
func (s *scanner) data(h head) ([]byte, error) {
	if s.aead == nil {
		return nil, nil
	}
	start := s.at.Bytes - int64(len(s.frame))
	n := nonce(h.seq)
	plain, err := s.aead.Open(s.plain[:0], n[:], s.frame[headerSize:len(s.frame)-hashSize], s.frame[:headerSize])
	if err != nil {
		return nil, s.damage(start, "the seal is broken, or the key is another's")
	}
	s.plain = plain
	if h.flags&flagPacked == 0 {
		if len(plain) > maxPlain {
			return nil, s.damage(start, "%d bytes in one frame", len(plain))
		}
		return plain, nil
	}
	return s.unpack(h, plain, start)
}

func (s *scanner) unpack(h head, plain []byte, start int64) ([]byte, error) {
	if len(plain) < 4 {
		return nil, s.damage(start, "compressed data without its length")
	}
	size := binary.BigEndian.Uint32(plain)
	if size == 0 || size > maxPlain {
		return nil, s.damage(start, "%d bytes in one frame", size)
	}
	s.zin.Reset(plain[4:])
	s.fresh = s.fresh || h.flags&flagAnew != 0
	if err := s.unpacker(); err != nil {
		return nil, err
	}
	out := make([]byte, size)
	if _, err := io.ReadFull(s.z, out); err != nil {
		return nil, s.damage(start, "cannot be decompressed: %v", err)
	}
	if s.zin.Len() != 0 {
		return nil, s.damage(start, "%d bytes follow the compressed data", s.zin.Len())
	}
	return out, nil
}

// unpacker readies the decoder. It works in the caller's goroutine and takes no
// byte beyond those of the frame at hand; its memory is bounded by the window.
func (s *scanner) unpacker() (err error) {
	if s.z == nil {
		s.z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(4*zstdWindow), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return fmt.Errorf("decompress: %w", err)
		}
	}
	if !s.fresh {
		return nil
	}
	s.fresh = false
	if err := s.z.Reset(&s.zin); err != nil {
		return fmt.Errorf("decompress: %w", err)
	}
	return nil
}

// startAt begins with a later part: the chain's head is taken from the end of
// the part before it, and the sequence from the part itself. Both are as good
// as the part's first seal.
func (s *scanner) startAt(number int) error {
	if number == 0 {
		return nil
	}
	s.number = number - 1
	f, err := os.Open(filepath.Join(s.dir, s.name(s.number)))
	if err != nil {
		return fmt.Errorf("open recording: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open recording: %w", err)
	}
	if info.Size() < headerSize+tagSize+hashSize {
		return s.damage(info.Size(), "is too short, though another part follows")
	}
	if _, err := f.ReadAt(s.chain[:], info.Size()-hashSize); err != nil {
		return fmt.Errorf("read %s: %w", s.name(s.number), err)
	}
	h, err := firstHead(s.dir, s.name(number))
	if err != nil {
		return err
	}
	s.seq = h.seq
	return nil
}

// firstHead reads a part's first header; io.EOF if the part is empty or torn there.
func firstHead(dir, name string) (head, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return head{}, &Damage{name, -1, "is missing"}
		}
		return head{}, fmt.Errorf("open recording: %w", err)
	}
	defer f.Close()
	var b [headerSize]byte
	if _, err := io.ReadFull(f, b[:]); err == io.EOF || err == io.ErrUnexpectedEOF {
		return head{}, io.EOF
	} else if err != nil {
		return head{}, fmt.Errorf("read %s: %w", name, err)
	}
	h, wrong := parseHead(b[:])
	if wrong != "" {
		return h, &Damage{name, 0, wrong}
	}
	return h, nil
}

// close lets the file and the decoder go.
func (s *scanner) close() {
	if s.f != nil {
		s.f.Close()
		s.f = nil
	}
	if s.z != nil {
		s.z.Close()
		s.z = nil
	}
	s.parts = 0
}
