package recording

import (
	"context"
	"errors"
	"fmt"
	"time"

	"penstock/audit"
)

// Log is where the archive says what it did: durable on return, an error is final.
type Log interface {
	Append(context.Context, audit.Event) (audit.Leaf, error)
}

// Header is what is known of a session before its first byte: session.json in
// its folder, canonical, its hash in session.started.
type Header struct {
	V       int        `json:"v"` // 1
	Session string     `json:"session"`
	Node    string     `json:"node"`
	Person  string     `json:"person"`
	Firm    string     `json:"firm"`
	Windows []string   `json:"windows"`
	Serial  string     `json:"serial"`
	Source  string     `json:"source"`
	Client  string     `json:"client"`
	Kex     string     `json:"kex"`
	Plant   audit.Hash `json:"plant"`   // plant file in force
	Started time.Time  `json:"started"` // UTC
	Mode    string     `json:"mode"`    // readable or sealed
	// SealedTo names the auditors, by person, to whom the key is wrapped; none if readable.
	SealedTo []string `json:"sealed_to,omitempty"`
}

// Mark says what a frame holds.
type Mark byte

const (
	In      Mark = 'i' // bytes from the vendor
	Out     Mark = 'o' // bytes to the vendor, standard output
	Err     Mark = 'e' // bytes to the vendor, standard error
	Resize  Mark = 'r' // "COLSxROWS"
	Request Mark = 'q' // a channel request: canonical JSON {kind, …, allowed, rule}
	Note    Mark = 'm' // what Penstock itself said or did: warning, pause, cut
	Exit    Mark = 'x' // exit status as decimal text, or "signal NAME"
	EOF     Mark = 'f' // end of one direction: "in" or "out"
	Passed  Mark = 'w' // bytes that an inspector made anew for the machine
	Did     Mark = 'p' // an operation that an inspector understood, or what came of it: canonical JSON, an Operation
	Content Mark = 'h' // part of a file whose content is not kept: canonical JSON {at, direction, file, length, sha256 so far}
)

func (m Mark) known() bool {
	switch m {
	case In, Out, Err, Resize, Request, Note, Exit, EOF, Passed, Did, Content:
		return true
	}
	return false
}

// bytes says whether frames of this mark are a stream, whose pieces may be
// joined, and not messages.
func (m Mark) bytes() bool { return m == In || m == Out || m == Err || m == Passed }

// packed says whether frames of this mark go through the part's compressor.
// What a vendor chose (input, requests) never does: the length of a compressed
// frame would tell how much of it was already there.
func (m Mark) packed() bool { return m == Out || m == Err }

// Frame is one record as it was written.
type Frame struct {
	Channel int
	Kind    string
	Seq     uint64 // from 0, without a gap, over all parts of the channel
	Mark    Mark
	At      time.Duration // since the session's start, monotonic
	Wall    time.Time
	Data    []byte // at most 64 KiB; the caller's to keep
}

// Channel is one recorded channel.
type Channel struct {
	Number int
	Kind   string
}

// Damage is a byte that is not as it was written, or a file that is missing or
// does not belong. Offset is in bytes, -1 where the whole file is meant.
type Damage struct {
	File   string
	Offset int64
	What   string
}

func (d *Damage) Error() string {
	if d.Offset < 0 {
		return fmt.Sprintf("recording damaged: %s: %s", d.File, d.What)
	}
	return fmt.Sprintf("recording damaged: %s at byte %d: %s", d.File, d.Offset, d.What)
}

// ErrDiskFull is returned, wrapped, where too little space is left to record.
var ErrDiskFull = errors.New("the disk for recordings is nearly full: free space on it, or move old recordings away after their retention")

// ErrSealed is returned, wrapped, for a recording to which the broker has no key.
var ErrSealed = errors.New("the recording is sealed: only an auditor's key opens it")

// ErrWrongKey is returned, wrapped, for a session key that opens nothing of a recording.
var ErrWrongKey = errors.New("this is not the key of this recording")

// ErrClosed is returned for a Stream or Writer that has been closed.
var ErrClosed = errors.New("the recording is closed")
