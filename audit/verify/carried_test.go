package verify_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/audit/recording"
	"penstock/audit/verify"
)

// Whoever writes log and recordings anew, each whole in itself, has them tell the
// same: whose session it was, its channels, and how much passed.
func TestARecordingIsOfItsSession(t *testing.T) {
	closed := func(s *evidencetest.Story, do func(*audit.ChannelClosed)) {
		step := s.Step("channel.closed", 0)
		b := step.Event.Body.(audit.ChannelClosed)
		do(&b)
		step.Event.Body = b
	}
	header := func(do func(*recording.Header)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) { s.Header = do }
	}
	const other = "/session.json: is of"
	for story, row := range map[string]struct {
		do    func(*evidencetest.Story)
		want  string
		blind bool // it is found without a key that opens the recording
	}{
		"as it was":                           {func(*evidencetest.Story) {}, "", true},
		"another person":                      {header(func(h *recording.Header) { h.Person = "ben" }), other, true},
		"another firm":                        {header(func(h *recording.Header) { h.Firm = "other" }), other, true},
		"another window":                      {header(func(h *recording.Header) { h.Windows = []string{"W-2"} }), other, true},
		"another credential":                  {header(func(h *recording.Header) { h.Serial = "78" }), other, true},
		"from elsewhere":                      {header(func(h *recording.Header) { h.Source = "203.0.113.9:4000" }), other, true},
		"a channel that the log never opened": {func(s *evidencetest.Story) { s.Drop(s.Step("channel.opened", 0)) }, "channel 0 has 4 frames, and the log has not opened it", true},
		"a channel of another kind": {func(s *evidencetest.Story) {
			step := s.Step("channel.opened", 0)
			b := step.Event.Body.(audit.ChannelOpened)
			b.Kind = "exec uptime"
			step.Event.Body = b
		}, "channel 0 is a recording of shell, and the log opened it as exec uptime", true},
		"a channel that was not recorded":  {func(s *evidencetest.Story) { closed(s, func(b *audit.ChannelClosed) { b.Channel = 1 }) }, "channel 1: the log says that 12 bytes went in, and nothing of it was recorded", true},
		"more went in than was recorded":   {func(s *evidencetest.Story) { closed(s, func(b *audit.ChannelClosed) { b.In = 13 }) }, "channel 0: the log says that 13 bytes went in and 40 out, and the recording has 12 and 40", false},
		"more was shown than was recorded": {func(s *evidencetest.Story) { closed(s, func(b *audit.ChannelClosed) { b.Out = 41 }) }, "channel 0: the log says that 12 bytes went in and 41 out, and the recording has 12 and 40", false},
	} {
		t.Run(story, func(t *testing.T) {
			s := evidencetest.New(evidencetest.Plant())
			row.do(s)
			f := build(t, t.TempDir(), s)
			for _, blind := range []bool{false, true} {
				if blind {
					if err := os.Remove(filepath.Join(f.dir, "keys", "recordings.key")); err != nil {
						t.Fatal(err)
					}
				}
				r, err := verify.Dir(t.Context(), f.dir, f.trust(), nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				want, wrong := row.want, strings.Join(weights(r, verify.Wrong), "\n")
				if blind && !row.blind {
					want = ""
				}
				if !strings.Contains(wrong, want) || want == "" && wrong != "" {
					t.Errorf("blind %t: findings:\n%s", blind, wrong)
				}
			}
		})
	}
}
