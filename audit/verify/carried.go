package verify

import (
	"maps"
	"slices"
	"strings"

	"penstock/audit"
	"penstock/audit/recording"
)

// mostSummed bounds what is kept of one session.
const mostSummed = 1 << 12

// Told is what the log's leaves say of one session that its recording has to bear
// out. Not safe for concurrent use.
type Told struct {
	started audit.SessionStarted
	opened  map[int]string              // kind, by channel
	closed  map[int]audit.ChannelClosed // by channel
	summed  []audit.OperationsSummary   // bounded by the channels of a session
	ended   bool
}

// NewTold begins at a session.started.
func NewTold(b audit.SessionStarted) *Told {
	return &Told{started: b, opened: map[int]string{}, closed: map[int]audit.ChannelClosed{}}
}

// Leaf takes what a leaf of this session says.
func (t *Told) Leaf(body audit.Body) {
	switch b := body.(type) {
	case audit.ChannelOpened:
		t.opened[b.Channel] = b.Kind
	case audit.ChannelClosed:
		t.closed[b.Channel] = b
	case audit.OperationsSummary:
		if len(t.summed) < mostSummed {
			t.summed = append(t.summed, b)
		}
	case audit.SessionEnded:
		t.ended = true
	}
}

// Hold gives to wrong what the recording of the session does not bear out: whose it
// is, that each of its channels was opened there, that it has all bytes that the log
// says passed, and that what was done in them is what its rows say. Where no key
// opens it, that it has something. File is empty where it is of the whole recording.
// A recording that is damaged, or another session's, is a finding already.
func (t *Told) Hold(r recording.FolderReport, wrong func(file, format string, args ...any)) {
	if !r.Whole() || r.Header.Session != t.started.Session {
		return
	}
	t.operations(r, wrong)
	b, h := t.started, r.Header
	if h.Person != b.Person || h.Firm != b.Firm || !slices.Equal(h.Windows, b.Windows) || h.Serial != b.Serial || h.Source != b.Source || h.Mode != b.Mode {
		wrong("session.json", "is of %.64q of %.64q from %.64q in %.200q by %.64q, %.16q; and the log says %q of %q from %q in %q by %q, %q",
			h.Person, h.Firm, h.Source, h.Windows, h.Serial, h.Mode, b.Person, b.Firm, b.Source, b.Windows, b.Serial, b.Mode)
	}
	for _, n := range slices.Sorted(maps.Keys(r.Channels)) {
		has := r.Channels[n]
		kind, opened := t.opened[n]
		switch word, _, _ := strings.Cut(kind, " "); {
		case !opened && has.Frames > 0 && t.ended:
			wrong("", "channel %d has %d frames, and the log has not opened it", n, has.Frames)
		case opened && word != has.Kind:
			wrong("", "channel %d is a recording of %s, and the log opened it as %s", n, has.Kind, kind)
		}
	}
	if !r.Close.IsZero() { // after a crash what the vendor had seen in the last moment may be lost
		t.passed(r, wrong)
	}
}

// passed holds the bytes of each channel to what the log says of them.
func (t *Told) passed(r recording.FolderReport, wrong func(file, format string, args ...any)) {
	for _, n := range slices.Sorted(maps.Keys(t.closed)) {
		said, has := t.closed[n], r.Channels[n]
		in := max(has.In, has.Passed)
		switch {
		case said.In > 0 && has.Frames == 0:
			wrong("", "channel %d: the log says that %d bytes went in, and nothing of it was recorded", n, said.In)
		case r.Opened && !has.Thin && (said.In > in || said.Out > has.Out):
			wrong("", "channel %d: the log says that %d bytes went in and %d out, and the recording has %d and %d", n, said.In, said.Out, in, has.Out)
		}
	}
}

// operations holds what the log says was done on inspected channels to the rows
// of the recording, where a key opens it.
func (t *Told) operations(r recording.FolderReport, wrong func(file, format string, args ...any)) {
	if !r.Opened {
		return
	}
	for _, sum := range t.summed {
		did := r.Did[sum.Channel]
		refused := 0
		for _, n := range sum.Refused {
			refused += n
		}
		fits := fewerBy(refused, did.Refused)
		for right, n := range sum.Allowed {
			fits = fits && fewerBy(n, did.Allowed[right])
		}
		for right, n := range did.Allowed {
			fits = fits && fewerBy(sum.Allowed[right], n)
		}
		if !fits {
			wrong("", "channel %d: the log says that %v were let through and %d refused, and its rows say %v and %d", sum.Channel, sum.Allowed, refused, did.Allowed, did.Refused)
		}
		if !did.Tells(sum.Changed, sum.SetOff, sum.More) {
			changed, setOff, more := did.All.Told()
			wrong("", "channel %d: the log says that it changed %v, set off %v and %d more, and its rows say %v, %v and %d", sum.Channel, sum.Changed, sum.SetOff, sum.More, changed, setOff, more)
		}
	}
}

// fewerBy says that told is what was recorded, less at most the last batch.
func fewerBy(told, recorded int) bool {
	return told <= recorded && recorded-told <= recording.LastBatch
}
