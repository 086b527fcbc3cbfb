package evidence_test

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// Every leaf that names who did it is by them: whoever writes "by ines" under
// another's name is found.
func TestWalkNamesWhoDidIt(t *testing.T) {
	for _, body := range []audit.Body{
		audit.FirmChanged{Firm: "krall", Name: "K", By: "ines"}, audit.FirmEnded{Firm: "krall", By: "ines"}, audit.PersonInvited{Person: "bob", Firm: "krall", By: "ines"},
		audit.PersonJoined{Person: "ines"}, audit.PersonConfirmed{Person: "ann", By: "ines"}, audit.PersonChanged{Person: "mia", Firm: "fjord", By: "ines"},
		audit.PersonDisabled{Person: "mia", By: "ines"}, audit.AccountLinked{Person: "mia", By: "ines"}, audit.TrainingNoted{Person: "ann", By: "ines"},
		audit.KeyEnrolled{Person: "ines", Kind: "totp", Key: "totp", By: "ines"}, audit.KeyRemoved{Person: "mia", By: "ines"}, audit.BlockSet{Block: "B-1", By: "ines"},
		audit.BlockLifted{Block: "B-1", By: "ines"}, audit.AgentInvited{Zone: "line-1", By: "ines"}, audit.AgentConfirmed{Zone: "line-1", By: "ines"},
		audit.AgentRemoved{Zone: "line-1", By: "ines"}, audit.DeputyEnded{Team: "shift", By: "ines"}, audit.RequestWithdrawn{By: "ines"}, audit.RequestWoken{By: "ines"},
		audit.HandbackGiven{Window: "W-1", By: "ines"}, audit.HandbackAccepted{Window: "W-1", By: "ines"},
	} {
		t.Run(body.Type(), func(t *testing.T) {
			s := evidencetest.New(evidencetest.Plant())
			s.Add(15300, "otto", body, "R-1", "any/R-1")
			_, wrong, _ := walk(s)
			match(t, wrong, []string{"otto did it, and the leaf says ines", "*"})
		})
	}
}

// A window that ended closes once somebody of the firm has said what was changed.
func TestWalkHandBacks(t *testing.T) {
	cut := func(s *evidencetest.Story) {
		s.Drop(s.Step("handback.given", 0))
		s.Move(4*3600, "mia", "cut", at(4*3600))
		s.Insert(s.Step("session.ended", 0))
		s.Drop(moved(s, "ended"))
	}
	by := func(name, who string) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			step := s.Step(name, 0)
			step.Event.Actor = who
			switch b := step.Event.Body.(type) {
			case audit.HandbackGiven:
				b.By = who
				step.Event.Body = b
			case audit.HandbackAccepted:
				b.By = who
				step.Event.Body = b
			}
		}
	}
	findsEach(t, []alteration{
		{"never handed back", func(s *evidencetest.Story) { s.Drop(s.Step("handback.given", 0)) }, "accepted, and nobody had handed it back"},
		{"cut, and closed without", cut, ""},
		{"handed back by the plant", by("handback.given", "olaf"), "handed back by olaf, who is not of the firm that worked in it"},
		{"accepted by whoever worked in it", by("handback.accepted", "ann"), "accepted by ann, who worked in it"},
		{"accepted by somebody without a role", func(s *evidencetest.Story) {
			by("handback.accepted", "olaf")(s)
			s.Add(15050, "ines", audit.PersonChanged{Person: "olaf", Firm: "fjord", Name: "Olaf", By: "ines"}, "olaf", "person/olaf")
			s.Insert(s.Step("handback.given", 0))
			change(s.Step("log.created", 0), func(b *audit.LogCreated) {
				b.Bootstrap = s.Put([]byte("firms:\n  fjord: {name: F, plant: true}\n  krall: {name: K, sponsor: mia, networks: [198.51.100.0/24]}\npeople:\n  olaf: {name: O, firm: fjord, key: " + evidencetest.Key("olaf") + "}\n"))
			})
		}, "taken by olaf, who holds no role for it"},
		{"closed by a step", func(s *evidencetest.Story) {
			s.Drop(s.Step("handback.given", 0))
			s.Drop(s.Step("handback.accepted", 0))
			s.Move(15100, "mia", "closed", time.Time{})
		}, `"closed" is no step of a window`},
	})
	for _, row := range []struct {
		claim evidence.WindowClaim
		want  bool
	}{{evidence.WindowClaim{}, true}, {evidence.WindowClaim{Probe: true}, false}, {evidence.WindowClaim{Machine: evidence.Bound{Frame: "f"}}, false}} {
		if row.claim.HandsBack() != row.want {
			t.Errorf("%+v hands back: %t", row.claim, !row.want)
		}
	}
}

// Whence people come is held to what the log has of their firm, and not to what
// the session's leaf says.
func TestWalkNetworks(t *testing.T) {
	from := func(source string) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			change(s.Step("session.started", 0), func(b *audit.SessionStarted) { b.Source = source })
		}
	}
	moves := func(second int, after string, networks ...string) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			behind(s, s.Step(after, 0), second, "ines", audit.FirmChanged{Firm: "krall", Name: "Krall", Sponsor: "olaf", Networks: networks, By: "ines"}, "krall", "firm/krall")
		}
	}
	const none = "source-network: source"
	findsEach(t, []alteration{
		{"from elsewhere", from("203.0.113.9:4000"), none},
		{"from where the leaf does not say", from(""), none},
		{"in an IPv6 dress", from("[::ffff:198.51.100.7]:4000"), ""},
		{"from a network that was taken away before", moves(3990, "window.agreed", "192.0.2.0/24"), none},
		{"from one that was taken away while the channel opened", moves(4020, "session.started", "192.0.2.0/24"), ""},
		{"from one that came before", func(s *evidencetest.Story) {
			from("192.0.2.9:4000")(s)
			moves(3990, "window.agreed", "192.0.2.0/24")(s)
		}, ""},
		{"from a network that cannot be read", moves(3990, "window.agreed", "everywhere"), none},
	})
}
