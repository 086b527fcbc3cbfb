package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Index is the place of a leaf in one log, from 0.
type Index uint64

// Place names a leaf for good: rows and leaves refer to leaves by Place, never
// by Index alone, because two nodes are two logs.
type Place struct {
	Node  string `json:"node"`
	Index Index  `json:"index"`
}

func (p Place) String() string { return fmt.Sprintf("%s/%d", p.Node, p.Index) }

// Hash is a SHA-256, written as "sha256:" and 64 lower-case hex digits.
type Hash [sha256.Size]byte

// HashOf is the SHA-256 of b.
func HashOf(b []byte) Hash { return sha256.Sum256(b) }

// IsZero says whether h is no hash at all; JSON fields with omitzero use it.
func (h Hash) IsZero() bool { return h == Hash{} }

func (h Hash) String() string { return "sha256:" + hex.EncodeToString(h[:]) }

func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// ParseHash reads the written form; anything else is an error.
func ParseHash(s string) (Hash, error) {
	var h Hash
	digits, ok := strings.CutPrefix(s, "sha256:")
	if !ok || len(digits) != 2*len(h) || strings.ToLower(digits) != digits {
		return h, errors.New("a hash is sha256: and 64 lower-case hex digits")
	}
	if _, err := hex.Decode(h[:], []byte(digits)); err != nil {
		return Hash{}, fmt.Errorf("hash: %w", err)
	}
	return h, nil
}

func (h *Hash) UnmarshalText(b []byte) (err error) {
	*h, err = ParseHash(string(b))
	return err
}

// Body is one of the structs of leaves.go; Type is its event's name, such as
// "window.moved".
type Body interface{ Type() string }

// Event is what a writer hands to the log. Its canonical leaf is at most 4 KiB;
// what is larger is a document, put first and named by its hash.
type Event struct {
	Subject string // "W-17"
	Rev     uint64 // revision of the subject's row that this event makes; 0: it keeps no state
	Actor   string // person id, or "penstock" for what time or a crash did
	Body    Body
	Rows    map[string]Hash // for each row the event changes, SHA-256 of the new value; set by state.Journal
}

// Leaf is an event at its place, as the log keeps it.
type Leaf struct {
	Event
	Index Index
	Wall  time.Time     // UTC
	Mono  time.Duration // CLOCK_BOOTTIME of the node
	Boot  string        // id of that boot
	Node  string
	Hash  Hash // of the canonical leaf bytes (not the RFC 6962 leaf hash)
}

// Place is where the leaf stands.
func (l Leaf) Place() Place { return Place{l.Node, l.Index} }
