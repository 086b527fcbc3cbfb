package recording

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"penstock/audit"
)

// One frame, integers big-endian:
//
//	"BRF1" | u32 length of ciphertext | u8 mark | u8 flags | u16 channel |
//	u64 seq | u64 mono ns | i64 wall ns | ciphertext with tag | 32 B hash
const (
	magic      = "BRF1"
	headerSize = 36
	hashSize   = sha256.Size
	tagSize    = chacha20poly1305.Overhead
	keySize    = chacha20poly1305.KeySize

	maxPlain  = 64 << 10            // bytes of one frame's data
	maxPacked = 4 + maxPlain + 1024 // length, and zstd of data that does not shrink
	maxCipher = maxPacked + tagSize // what a reader accepts
	overhead  = headerSize + tagSize + hashSize
)

const (
	flagPacked = 1 << iota // data went through the part's zstd stream; its length, u32, stands before it
	flagFirst              // first frame of a part
	flagAnew               // a zstd stream begins with this frame; never without flagPacked
	flagsKnown = flagPacked | flagFirst | flagAnew
)

// head is the fixed part of a frame.
type head struct {
	length  uint32
	mark    Mark
	flags   byte
	channel uint16
	seq     uint64
	mono    uint64
	wall    int64
}

func (h head) append(b []byte) []byte {
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, h.length)
	b = append(b, byte(h.mark), h.flags)
	b = binary.BigEndian.AppendUint16(b, h.channel)
	b = binary.BigEndian.AppendUint64(b, h.seq)
	b = binary.BigEndian.AppendUint64(b, h.mono)
	return binary.BigEndian.AppendUint64(b, uint64(h.wall))
}

// parseHead reads headerSize bytes. What it cannot be is said in words.
func parseHead(b []byte) (h head, wrong string) {
	if string(b[:4]) != magic {
		return h, "no frame begins here"
	}
	h.length = binary.BigEndian.Uint32(b[4:])
	h.mark, h.flags = Mark(b[8]), b[9]
	h.channel = binary.BigEndian.Uint16(b[10:])
	h.seq = binary.BigEndian.Uint64(b[12:])
	h.mono = binary.BigEndian.Uint64(b[20:])
	h.wall = int64(binary.BigEndian.Uint64(b[28:]))
	switch {
	case h.length < tagSize || h.length > maxCipher:
		return h, fmt.Sprintf("frame length %d is outside %d to %d", h.length, tagSize, maxCipher)
	case !h.mark.known():
		return h, fmt.Sprintf("unknown mark %q", byte(h.mark))
	case h.flags&^flagsKnown != 0:
		return h, fmt.Sprintf("unknown flags %#x", h.flags)
	case h.flags&flagAnew != 0 && h.flags&flagPacked == 0:
		return h, "a zstd stream begins with data that is not compressed"
	case h.mono > uint64(1<<63-1):
		return h, "time out of range"
	}
	return h, ""
}

func (h head) at() time.Duration { return time.Duration(h.mono) }

// chainStart binds a channel's chain to the session's header, the channel and its kind.
func chainStart(header audit.Hash, ch uint16, kind string) audit.Hash {
	b := append([]byte("brf1 start"), header[:]...)
	b = binary.BigEndian.AppendUint16(b, ch)
	return audit.HashOf(append(b, kind...))
}

// chainNext is the hash of a frame: frame is header and ciphertext.
func chainNext(prev audit.Hash, frame []byte) (h audit.Hash) {
	d := sha256.New()
	d.Write([]byte("brf1"))
	d.Write(prev[:])
	d.Write(frame)
	d.Sum(h[:0])
	return h
}

// channelCipher seals one channel's frames. Its key is used for that channel
// only, and its nonce is the sequence number, which never restarts: both sides
// of "a nonce is used once" (RFC 8439 section 2.8).
func channelCipher(session []byte, header audit.Hash, ch uint16, kind string) (cipher.AEAD, error) {
	info := binary.BigEndian.AppendUint16([]byte("penstock brf1 channel "), ch)
	key, err := hkdf.Key(sha256.New, session, header[:], string(info)+kind, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive channel key: %w", err)
	}
	defer clear(key)
	return chacha20poly1305.New(key)
}

func nonce(seq uint64) (n [chacha20poly1305.NonceSize]byte) {
	binary.BigEndian.PutUint64(n[4:], seq)
	return n
}

// seal appends the whole frame to dst and returns the new head of the chain.
func seal(dst []byte, aead cipher.AEAD, prev audit.Hash, h head, plain []byte) ([]byte, audit.Hash) {
	h.length = uint32(len(plain) + tagSize)
	start := len(dst)
	dst = h.append(dst)
	n := nonce(h.seq)
	dst = aead.Seal(dst, n[:], plain, dst[start:start+headerSize])
	next := chainNext(prev, dst[start:])
	return append(dst, next[:]...), next
}
