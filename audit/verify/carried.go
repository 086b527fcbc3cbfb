package verify

import (
	"maps"
	"slices"
	"strings"

	"penstock/audit/recording"
)

// carried holds a recording to what the log says of its session: whose it is, that
// each of its channels was opened there, and that it has all bytes that the log
// says passed. Where no key opens it, that it has something.
func (c *checker) carried(s *session, dir string, r recording.FolderReport) {
	defer func() { s.opened, s.closed = nil, nil }()
	if !r.Whole() || s.header.IsZero() || r.Header.Session != s.id { // found already
		return
	}
	where, b, h := c.in(dir), s.started, r.Header
	if h.Person != b.Person || h.Firm != b.Firm || !slices.Equal(h.Windows, b.Windows) || h.Serial != b.Serial || h.Source != b.Source || h.Mode != b.Mode {
		c.wrong(where+"/session.json", "is of %.64q of %.64q from %.64q in %.200q by %.64q, %.16q; and the log says %q of %q from %q in %q by %q, %q",
			h.Person, h.Firm, h.Source, h.Windows, h.Serial, h.Mode, b.Person, b.Firm, b.Source, b.Windows, b.Serial, b.Mode)
	}
	for _, n := range slices.Sorted(maps.Keys(r.Channels)) {
		has := r.Channels[n]
		kind, opened := s.opened[n]
		switch word, _, _ := strings.Cut(kind, " "); {
		case !opened && has.Frames > 0 && s.ended:
			c.wrong(where, "channel %d has %d frames, and the log has not opened it", n, has.Frames)
		case opened && word != has.Kind:
			c.wrong(where, "channel %d is a recording of %s, and the log opened it as %s", n, has.Kind, kind)
		}
	}
	if r.Close.IsZero() {
		return // a crash: what the vendor had seen in the last moment may be lost
	}
	for _, n := range slices.Sorted(maps.Keys(s.closed)) {
		said, has := s.closed[n], r.Channels[n]
		in := max(has.In, has.Passed)
		switch {
		case said.In > 0 && has.Frames == 0:
			c.wrong(where, "channel %d: the log says that %d bytes went in, and nothing of it was recorded", n, said.In)
		case r.Opened && !has.Thin && (said.In > in || said.Out > has.Out):
			c.wrong(where, "channel %d: the log says that %d bytes went in and %d out, and the recording has %d and %d", n, said.In, said.Out, in, has.Out)
		}
	}
}
