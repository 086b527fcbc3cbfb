package sshd

import (
	"context"

	"penstock/audit/recording"
	"penstock/policy"
)

// wayWorks is what the recording says of a connectivity test that came through.
const wayWorks = "the way works: reached, and closed; nothing passed"

// ruleWorks marks the word that a forward of such a test ends with. It is no refusal.
const ruleWorks = "way-works"

// proven tells of a machine that was reached and logged in to, with exit status 0.
func (w *wire) proven() {
	w.exit = "0"
	w.say("The way to " + string(w.who.asset) + " works: the machine was reached, it showed the pinned host key, and " + string(w.who.account) + " logged in. It is closed again: this window is for trying the way, and nothing passes.")
	w.goodbye(nil, &exitRequest{"exit-status", exitStatus(0)})
}

// proven tells the same of a forward. The port was reached, so nothing is wrong;
// but all that SSH has for a word to the person is a channel that is not opened.
func (s *stream) proven(ctx context.Context) error {
	s.target.Close()
	if err := s.gate.Mark(ctx, recording.Note, []byte(wayWorks)); err != nil {
		return err
	}
	q := s.gate.Query()
	return &policy.Refusal{Rule: ruleWorks, Say: "the way to " + string(q.Asset) + " by " + string(q.Port) + " works: the port was reached. It is closed again: this window is for trying the way, and nothing passes",
		Why: wayWorks}
}
