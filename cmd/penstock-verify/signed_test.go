package main

import (
	"strings"
	"testing"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// Somebody with root, the database and the log's own key writes the folder anew,
// every hash and checkpoint right. What they cannot make is a signature: each
// folder is sound in itself, and is not proved.
func TestForgedFolders(t *testing.T) {
	mallory := evidencetest.NewPasskey("mallory")
	forge := func(s *evidencetest.Story, sign evidencetest.Signer) {
		a := s.Answers["ines"]
		a.Proof = evidence.Proof{}
		evidencetest.Signed(sign)(&a)
		step := s.Step("answer.given", 1)
		b := step.Event.Body.(audit.AnswerGiven)
		b.Document = s.PutJSON(a)
		step.Event.Body = b
	}
	after := func(s *evidencetest.Story, steps ...func() *evidencetest.Step) {
		at := s.Step("key.vouched", 0)
		for _, add := range steps {
			add()
			at = s.Insert(at)
		}
	}
	for _, row := range []struct {
		story string
		do    func(*evidencetest.Story)
		want  string
	}{
		{"", func(*evidencetest.Story) {}, "W-1 is agreed by signatures of the people's own keys"},
		{"an answer with a signature of nobody", func(s *evidencetest.Story) { forge(s, mallory.Sign) }, "ines had no such key when it was given"},
		{"a passkey enrolled in her name", func(s *evidencetest.Story) {
			after(s, func() *evidencetest.Step { return s.Enrol(61, "ines", mallory) })
			forge(s, mallory.Sign)
		}, "ines had no such key when it was given"},
		{"and vouched for by somebody's key that is not theirs", func(s *evidencetest.Story) {
			after(s, func() *evidencetest.Step { return s.Enrol(61, "ines", mallory) },
				func() *evidencetest.Step { return s.Vouch(62, "otto", "ines", mallory, mallory.Sign, nil) })
			forge(s, mallory.Sign)
		}, "its key " + mallory.ID() + " does not count: the word for it at leaf"},
		{"a code in place of the signature", func(s *evidencetest.Story) {
			forge(s, func(string, []byte) evidence.Proof { return evidence.Proof{Kind: evidence.ProofTOTP, Data: "59506210"} })
		}, "it rests on a code, the server's word, and the rules ask for a key of ines's own"},
	} {
		t.Run(row.story, func(t *testing.T) {
			s := evidencetest.NewSigned()
			row.do(s)
			f := evidencetest.Build(t, t.TempDir(), s)
			code, out, errs := verified(t, f.Dir, "--key", strings.TrimSpace(f.Key))
			want := exitNo
			if row.story == "" {
				want = exitProved
			}
			if code != want || !strings.Contains(out, row.want) {
				t.Errorf("exit %d, want %d, and %q:\n%s%s", code, want, row.want, out, errs)
			}
		})
	}
}
