package recording

import (
	"context"
	"errors"
	"iter"
	"time"

	"penstock/audit"
	"penstock/audit/durable"
)

var errUnbuilt = errors.New("not built yet")

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
)

// Archive is the folder of all recordings.
type Archive struct{}

// Parts of an Archive. Sealer wraps each session key: in readable mode to the
// broker's own age identity.
type Parts struct {
	Dir        string // DATA/recordings
	HeadsDir   string // DATA/log/heads
	Disk       *durable.Disk
	Log        Log
	Mode       string   // "readable"
	Recipients []string // age recipients, age1…: the broker's own in readable mode, the auditors' when sealed
	Identity   string   // age identity for reading, AGE-SECRET-KEY-1…; empty: Open fails
}

// OpenArchive opens or makes the folders.
func OpenArchive(p Parts) (*Archive, error) { return nil, errUnbuilt }

// Recover cuts torn tails of recordings that a crash left open, writes
// recording.recovered and session.ended{crash}. Before anything listens.
func (a *Archive) Recover(ctx context.Context) error { return errUnbuilt }

// Run writes recording.heads once a second while anything changes, until ctx ends.
func (a *Archive) Run(ctx context.Context) error { return errUnbuilt }

// Failed is closed when the disk or the log failed for good: no session may be admitted.
func (a *Archive) Failed() <-chan struct{} { panic(errUnbuilt) }

// Create makes a session's folder, header and key file, durable: ready for
// frames. The hashes are of session.json and keys.age. A session id that
// exists is an error.
func (a *Archive) Create(ctx context.Context, h Header) (w *Writer, header, keys audit.Hash, err error) {
	return nil, header, keys, errUnbuilt
}

// Writer is one session's recording. Safe for concurrent use by its streams.
type Writer struct{}

// Stream begins the frames of channel ch (from 0; kind: "exec", "shell", …).
func (w *Writer) Stream(ch int, kind string) (*Stream, error) { return nil, errUnbuilt }

// Failed is closed at the first error of any stream, flush or commit; Err says which.
func (w *Writer) Failed() <-chan struct{} { panic(errUnbuilt) }
func (w *Writer) Err() error              { panic(errUnbuilt) }

// Close ends all streams, writes close.json (files, sizes, last heads, cause),
// makes it durable and forgets the session key. The hash is close.json's.
func (w *Writer) Close(ctx context.Context, cause string) (audit.Hash, error) {
	return audit.Hash{}, errUnbuilt
}

// Stream is one channel's frames.
type Stream struct{}

// Commit returns once p is durable.
func (s *Stream) Commit(ctx context.Context, m Mark, p []byte) error { return errUnbuilt }

// Append returns at once; p is durable in 100 ms or the Writer fails. It copies
// p, and blocks while 1 MiB waits.
func (s *Stream) Append(m Mark, p []byte) error { return errUnbuilt }

// Close ends the stream; what was appended is durable on return.
func (s *Stream) Close(ctx context.Context) error { return errUnbuilt }

// Frame is one record as it was written.
type Frame struct {
	Channel int
	Kind    string
	Seq     uint64
	Mark    Mark
	At      time.Duration // since the session's start, monotonic
	Wall    time.Time
	Data    []byte
}

// Reader reads one recording and trusts no byte of it.
type Reader struct{}

// Open reads a session's recording; no person behind it: people go through review.Book.Read.
func (a *Archive) Open(session string) (*Reader, error) { return nil, errUnbuilt }

// Header is the session's.
func (r *Reader) Header() Header { panic(errUnbuilt) }

// Channels lists the recorded channels, in order.
func (r *Reader) Channels() []Channel { panic(errUnbuilt) }

// Channel is one recorded channel.
type Channel struct {
	Number int
	Kind   string
}

// Frames yields a channel's frames (ch < 0: of all channels, by time) from a
// moment on; a torn tail ends it with io.ErrUnexpectedEOF, damage with another error.
func (r *Reader) Frames(ch int, from time.Duration) iter.Seq2[Frame, error] { panic(errUnbuilt) }

// Close lets the files go.
func (r *Reader) Close() error { return errUnbuilt }
