package evidence_test

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// room is mia's passkey at the control room's screen.
var room = evidencetest.NewPasskey("mia at the screen")

// tappedNight is the signed night that mia opens by a tap at the screen K-1, pauses
// at 5000 and lets go on by a tap at 5100.
func tappedNight() *evidencetest.Story {
	s := evidencetest.NewSigned()
	after := s.Step("person.confirmed", 0)
	for _, step := range []*evidencetest.Step{
		s.Add(70, "ines", audit.KioskEnrolled{Kiosk: "K-1", Name: "Control room", Certificate: audit.HashOf([]byte("c")), Until: at(86400), By: "ines", At: at(70)}, "K-1", "kiosk/K-1"),
		s.Enrol(71, "mia", room),
		s.Vouch(72, "otto", "mia", room, evidencetest.By("otto"), nil),
	} {
		s.Drop(step)
		s.Steps = append(s.Steps, step)
		after = s.Insert(after)
	}
	s.Move(5000, "mia", "paused", time.Time{})
	paused := s.Insert(s.Step("firstbyte", 0))
	s.Move(5100, "mia", "wenton", at(7600))
	s.Insert(paused)
	opensBy(nil)(s)
	goesOnBy(nil)(s)
	return s
}

// taps has a step of mia's rest on a tap of hers, 5 seconds before it; do changes it
// before it is signed.
func taps(s *evidencetest.Story, step *evidencetest.Step, a evidence.Answer, do func(*evidence.Answer)) {
	b := step.Event.Body.(audit.WindowMoved)
	a.V, a.Request, a.Person, a.Firm, a.Role, a.Window, a.Kiosk = 1, s.PutJSON(s.Request), "mia", "fjord", "shift", "W-1", "K-1"
	a.At, a.DecideBy, a.Nonce = b.At.Add(-5*time.Second), b.At.Add(300*time.Second), evidencetest.Nonce(int(b.At.Unix()))
	a.Limits.Rights = []string{"look", "load"}
	if do != nil {
		do(&a)
	}
	sign := room.Sign
	if a.Kiosk == "" {
		sign = evidencetest.By("mia")
	}
	evidencetest.Signed(sign)(&a)
	change(step, func(b *audit.WindowMoved) { b.Answer = s.PutJSON(a) })
}

func opensBy(do func(*evidence.Answer)) func(*evidencetest.Story) {
	return func(s *evidencetest.Story) {
		taps(s, moved(s, "opened"), evidence.Answer{Says: evidence.Opens, Rev: 1, Limits: evidence.Limits{Minutes: 60}}, do)
	}
}

func goesOnBy(do func(*evidence.Answer)) func(*evidencetest.Story) {
	return func(s *evidencetest.Story) {
		taps(s, moved(s, "wenton"), evidence.Answer{Says: evidence.GoesOn, Rev: 3, Until: at(7600)}, do)
	}
}

func TestWalkTaps(t *testing.T) {
	// byYes has it opened by the yes of somebody, in place of a tap.
	byYes := func(who string, second int) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			step := moved(s, "opened")
			step.Event.Actor, step.Wall = who, at(second)
			change(step, func(b *audit.WindowMoved) {
				b.By, b.Answer, b.At, b.Until = who, s.PutJSON(s.Answers[who]), at(second), at(second+3600)
			})
		}
	}
	screen := func(second int, until time.Time) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			if until.IsZero() {
				behind(s, s.Step("window.agreed", 0), second, "ines", audit.KioskRevoked{Kiosk: "K-1", By: "ines", At: at(second)}, "K-1", "kiosk/K-1")
				return
			}
			change(s.Step("kiosk.enrolled", 0), func(b *audit.KioskEnrolled) { b.Until = until })
		}
	}
	findsIn(t, tappedNight, []alteration{
		{"as it was", func(*evidencetest.Story) {}, ""},
		{"by a key of hers on a page of her own", opensBy(func(a *evidence.Answer) { a.Kiosk = "" }), ""},
		{"a tap that is gone", func(s *evidencetest.Story) {
			change(moved(s, "opened"), func(b *audit.WindowMoved) { b.Answer = audit.HashOf([]byte("gone")) })
		}, "its tap cannot be read"},
		{"a tap of another form", opensBy(func(a *evidence.Answer) { a.V = 2 }), "answer: "},
		{"another's tap", opensBy(func(a *evidence.Answer) { a.Person = "otto" }), "mia moved it by a tap of otto"},
		{"a tap to go on", opensBy(func(a *evidence.Answer) { a.Says, a.Limits.Minutes, a.Until = evidence.GoesOn, 0, at(7600) }), "it says go-on, and not open"},
		{"a tap to open", goesOnBy(func(a *evidence.Answer) { a.Says, a.Limits.Minutes, a.Until = evidence.Opens, 60, time.Time{} }), "it says open, and not go-on"},
		{"a tap for less", opensBy(func(a *evidence.Answer) { a.Limits.Rights = []string{"look"} }), `it is for ["look"], and the window has ["look" "load"]`},
		{"a tap for less time", opensBy(func(a *evidence.Answer) { a.Limits.Minutes = 59 }), "it is for 59 minutes, and 60 were agreed"},
		{"a tap for another end", goesOnBy(func(a *evidence.Answer) { a.Until = at(7601) }), "it is for an end at"},
		{"a tap at another state", opensBy(func(a *evidence.Answer) { a.Rev = 2 }), "it was tapped at the window's revision 2, which was at 1"},
		{"a tap for another window", opensBy(func(a *evidence.Answer) { a.Window = "W-2" }), "it opens W-2 and not W-1"},
		{"the nonce of another tap", goesOnBy(func(a *evidence.Answer) { a.Nonce = evidencetest.Nonce(int(at(4000).Unix())) }), "the answer's nonce was used before"},
		{"the nonce of a yes", opensBy(func(a *evidence.Answer) { a.Nonce = evidencetest.Nonce(200) }), "its nonce is that of the answer at leaf"},
		{"a tap kept back", opensBy(func(a *evidence.Answer) { a.At = at(4000 - 601) }), "an old answer was kept and sent late"},
		{"a code in place of a key", func(s *evidencetest.Story) {
			opensBy(nil)(s)
			a, err := evidence.ParseAnswer(s.Docs[moved(s, "opened").Event.Body.(audit.WindowMoved).Answer])
			if err != nil {
				t.Fatal(err)
			}
			a.Proof = evidence.Proof{Kind: evidence.ProofTOTP, Data: codeAt(3995)}
			change(moved(s, "opened"), func(b *audit.WindowMoved) { b.Answer = s.PutJSON(a) })
		}, "it is no tap of a key"},
		{"an SSH key at the screen", func(s *evidencetest.Story) {
			a, err := evidence.ParseAnswer(s.Docs[moved(s, "opened").Event.Body.(audit.WindowMoved).Answer])
			if err != nil {
				t.Fatal(err)
			}
			evidencetest.Signed(evidencetest.By("mia"))(&a)
			change(moved(s, "opened"), func(b *audit.WindowMoved) { b.Answer = s.PutJSON(a) })
		}, "it is no tap of a key"},
		{"a screen that there is not", opensBy(func(a *evidence.Answer) { a.Kiosk = "K-2" }), "tapped at kiosk K-2, which was not enrolled"},
		{"a screen that was revoked", screen(3990, time.Time{}), "tapped at kiosk K-1, which was not enrolled"},
		{"a screen whose time was over", screen(0, at(3990)), "tapped at kiosk K-1, which was not enrolled"},
		{"a yes that opens, of whom it was not agreed by", func(s *evidencetest.Story) {
			opensBy(func(a *evidence.Answer) {
				a.Says, a.Window, a.Rev, a.Limits = evidence.Yes, "", 0, evidence.Limits{}
			})(s)
		}, "it was opened by a yes that is not one of those it was agreed on"},
		{"a yes of somebody who opens nothing", byYes("olaf", 4000), "opened by olaf, who held no role that opens it"},
		{"a yes of an hour ago", byYes("olaf", 4000), "it was opened by a yes of"},
	})
}
