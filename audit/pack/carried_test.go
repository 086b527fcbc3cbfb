package pack_test

import (
	"strings"
	"testing"

	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/audit/recording"
	"penstock/audit/verify"
)

// A pack that is checked alone is held to what its leaves say of each recording in
// it, as a data folder is: whose session it was, its channels, and how much passed.
func TestARecordingInAPackIsOfItsSession(t *testing.T) {
	closed := func(do func(*audit.ChannelClosed)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			step := s.Step("channel.closed", 0)
			b := step.Event.Body.(audit.ChannelClosed)
			do(&b)
			step.Event.Body = b
		}
	}
	for story, row := range map[string]struct {
		do    func(*evidencetest.Story)
		want  string
		blind bool // it is found without a key that opens the recording
	}{
		"as it was": {func(*evidencetest.Story) {}, "", true},
		"another person": {func(s *evidencetest.Story) { s.Header = func(h *recording.Header) { h.Person = "ben" } },
			`recordings/S-1/session.json: is of "ben" of "krall"`, true},
		"a channel of another kind": {func(s *evidencetest.Story) {
			step := s.Step("channel.opened", 0)
			b := step.Event.Body.(audit.ChannelOpened)
			b.Kind = "exec uptime"
			step.Event.Body = b
		}, "recordings/S-1/: channel 0 is a recording of shell, and the log opened it as exec uptime", true},
		"a channel that the log never opened": {func(s *evidencetest.Story) { s.Drop(s.Step("channel.opened", 0)) },
			"recordings/S-1/: channel 0 has 4 frames, and the log has not opened it", true},
		"a channel that was not recorded": {closed(func(b *audit.ChannelClosed) { b.Channel = 1 }),
			"recordings/S-1/: channel 1: the log says that 12 bytes went in, and nothing of it was recorded", true},
		"more went in than was recorded": {closed(func(b *audit.ChannelClosed) { b.In = 13 }),
			"recordings/S-1/: channel 0: the log says that 13 bytes went in and 40 out, and the recording has 12 and 40", false},
		"operations that were not recorded": {func(s *evidencetest.Story) {
			s.Add(8999, "penstock", audit.OperationsSummary{Session: "S-1", Window: "W-1", Asset: "filler-plc", Port: "ssh", Allowed: map[string]int{"set": 3}}, "S-1")
			s.Insert(before(s, "channel.closed"))
		}, "recordings/S-1/: channel 0: the log says that map[set:3] were let through", false},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			s := evidencetest.New(evidencetest.Plant())
			row.do(s)
			f := evidencetest.Build(t, t.TempDir(), s)
			b := made(t, order(t, f))
			for _, key := range []string{identity(t, f), ""} {
				wrong := ""
				for _, n := range checked(t, b, verify.Trust{LogKey: f.Key, Identity: key}).Findings {
					if n.Weight == verify.Wrong {
						wrong += n.Where + ": " + n.What + "\n"
					}
				}
				want := row.want
				if key == "" && !row.blind {
					want = ""
				}
				if !strings.Contains(wrong, want) || want == "" && strings.Contains(wrong, "recordings/") {
					t.Errorf("with a key %t: findings:\n%s", key != "", wrong)
				}
			}
		})
	}
}

// before is the step ahead of the first of a type.
func before(s *evidencetest.Story, name string) *evidencetest.Step {
	first := s.Step(name, 0)
	for i, step := range s.Steps {
		if step == first {
			return s.Steps[i-1]
		}
	}
	return nil
}
