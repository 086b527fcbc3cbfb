package evidence_test

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/policy"
)

// takenOver is the signed night in which mia hands W-1 to otto at 5000, who has the
// shift too, and takes it by a tap of his key.
func takenOver(plant *policy.Plant) *evidencetest.Story {
	s := evidencetest.NewSigned()
	after := s.Step("firstbyte", 0)
	after = behind(s, after, 4900, "ines", audit.PersonChanged{Person: "otto", Firm: "fjord", Name: "otto", Roles: []string{"ot-security", "shift"}, By: "ines"}, "otto", "person/otto")
	after = behind(s, after, 5000, "mia", audit.HandoverOffered{Handover: "H-1", Team: "shift", By: "mia", Due: at(5400), At: at(5000), Windows: []string{"W-1"}, Text: s.Put([]byte("valve 3"))}, "H-1", "handover/H-1")
	taking := evidence.Taking{V: 1, Handover: "H-1", Windows: []string{"W-1"}, Rev: 1, Plant: audit.HashOf(plant.Document())}
	behind(s, after, 5200, "otto", audit.HandoverAccepted{Handover: "H-1", By: "otto", Windows: []string{"W-1"}, At: at(5200), Text: s.PutJSON(taking), Answer: s.PutJSON(takes(s, taking, nil))}, "H-1", "handover/H-1")
	return s
}

// takes is otto's tap over a taking.
func takes(s *evidencetest.Story, taking evidence.Taking, do func(*evidence.Answer)) evidence.Answer {
	a := evidence.Answer{V: 1, Request: s.PutJSON(taking), Person: "otto", Firm: "fjord", Role: "shift", Says: evidence.Yes, Nonce: evidencetest.Nonce(5190), At: at(5190), DecideBy: at(5490)}
	if do != nil {
		do(&a)
	}
	evidencetest.Signed(evidencetest.By(a.Person))(&a)
	return a
}

func TestWalkHandovers(t *testing.T) {
	plant := evidencetest.SignedPlant()
	taking := evidence.Taking{V: 1, Handover: "H-1", Windows: []string{"W-1"}, Rev: 1, Plant: audit.HashOf(plant.Document())}
	offered := func(do func(*audit.HandoverOffered)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) { change(s.Step("handover.offered", 0), do) }
	}
	accepted := func(do func(*audit.HandoverAccepted)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) { change(s.Step("handover.accepted", 0), do) }
	}
	tapped := func(text func(*evidence.Taking), answer func(*evidence.Answer)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			doc := taking
			if text != nil {
				text(&doc)
			}
			change(s.Step("handover.accepted", 0), func(b *audit.HandoverAccepted) {
				b.Text, b.Answer = s.PutJSON(doc), s.PutJSON(takes(s, doc, answer))
			})
		}
	}
	// rings moves nobody's hand on the windows: it is rung for instead, at a second.
	rings := func(s *evidencetest.Story, second int) *evidencetest.Step {
		s.Drop(s.Step("handover.accepted", 0))
		return behind(s, s.Step("handover.offered", 0), second, "penstock", audit.HandoverRang{Handover: "H-1", Windows: []string{"W-1"}, At: at(second)}, "H-1", "handover/H-1")
	}
	due, late := 5400+int(evidence.HandoverRings/time.Second), 5400+int(evidence.HandoverPauses/time.Second)
	// file has another plant file come in force, ahead of the offer or behind it.
	file := func(s *evidencetest.Story, after *evidencetest.Step, second int) {
		other := edited(t, evidencetest.PlantText(), "Line 1 shift supervisor", "Line 1 shift leader")
		behind(s, after, second, "penstock", audit.ConfigChanged{Kind: "plant", Document: s.Put(other.Document())}, "plant")
	}
	findsIn(t, func() *evidencetest.Story { return takenOver(plant) }, []alteration{
		{"as it was", func(*evidencetest.Story) {}, ""},
		{"offered twice", func(s *evidencetest.Story) {
			behind(s, s.Step("handover.offered", 0), 5010, "mia", s.Step("handover.offered", 0).Event.Body, "H-1", "handover/H-1")
		}, "H-1 was offered before"},
		{"offered by the owner", func(s *evidencetest.Story) {
			s.Step("handover.offered", 0).Event.Actor = "olaf"
			offered(func(b *audit.HandoverOffered) { b.By = "olaf" })(s)
		}, "olaf may not hand over what shift opens"},
		{"offered by the vendor", func(s *evidencetest.Story) {
			s.Step("handover.offered", 0).Event.Actor = "ann"
			offered(func(b *audit.HandoverOffered) { b.By = "ann" })(s)
		}, "ann may not hand over what shift opens"},
		{"offered in another's name", func(s *evidencetest.Story) { s.Step("handover.offered", 0).Event.Actor = "olaf" }, "mia may not hand over what shift opens"},
		{"a window that there is not", offered(func(b *audit.HandoverOffered) { b.Windows = []string{"W-1", "W-9"} }), "does not know window W-9"},
		{"what was said is gone", offered(func(b *audit.HandoverOffered) { b.Text = audit.HashOf([]byte("gone")) }), "its what was said cannot be read"},
		{"another handover is taken", accepted(func(b *audit.HandoverAccepted) { b.Handover = "H-2" }), "the log does not know handover H-2"},
		{"taken by who offered it", func(s *evidencetest.Story) {
			s.Step("handover.accepted", 0).Event.Actor = "mia"
			accepted(func(b *audit.HandoverAccepted) { b.By, b.Text, b.Answer = "mia", audit.Hash{}, audit.Hash{} })(s)
		}, "mia may not take over from mia"},
		{"taken by another team", func(s *evidencetest.Story) {
			s.Step("handover.accepted", 0).Event.Actor = "olaf"
			accepted(func(b *audit.HandoverAccepted) { b.By, b.Text, b.Answer = "olaf", audit.Hash{}, audit.Hash{} })(s)
		}, "olaf may not take over from mia"},
		{"taken in another's name", func(s *evidencetest.Story) { s.Step("handover.accepted", 0).Event.Actor = "olaf" }, "otto may not take over from mia"},
		{"taken twice", func(s *evidencetest.Story) {
			change(s.Step("handover.accepted", 0), func(b *audit.HandoverAccepted) {
				b.Windows, b.Text, b.Answer = []string{"W-1", "W-1"}, audit.Hash{}, audit.Hash{}
			})
		}, "W-1 was not there to be taken"},
		{"by a code", accepted(func(b *audit.HandoverAccepted) { b.Text, b.Answer = audit.Hash{}, audit.Hash{} }), ""},
		{"by a text of another form", tapped(func(d *evidence.Taking) { d.V = 2 }, nil), "taking over: "},
		{"by a tap over other windows", tapped(func(d *evidence.Taking) { d.Windows = []string{"W-1", "W-2"} }, nil), "the leaf and what was tapped differ"},
		{"by a tap over another handover", tapped(func(d *evidence.Taking) { d.Handover = "H-2" }, nil), "the leaf and what was tapped differ"},
		{"by a tap over an older state", tapped(func(d *evidence.Taking) { d.Rev = 2 }, nil), "it was tapped at the handover's revision 2, which was at 1"},
		{"by another's tap", tapped(nil, func(a *evidence.Answer) { a.Person = "mia" }), "otto took it over by another's tap"},
		{"by a no", tapped(nil, func(a *evidence.Answer) { a.Says = evidence.No }), "it is no plain yes"},
		{"at a screen that there is not", tapped(nil, func(a *evidence.Answer) { a.Kiosk = "K-1" }), "tapped at kiosk K-1, which was not enrolled"},
		{"by a plant file that was just changed", func(s *evidencetest.Story) { file(s, s.Step("handover.offered", 0), 5100) }, ""},
		{"by a plant file of long before", func(s *evidencetest.Story) { file(s, s.Step("firstbyte", 0), 4500) }, "it names the plant file"},
		{"rung for before its time", func(s *evidencetest.Story) { rings(s, due-1) }, "rung for before its time"},
		{"rung for by a person", func(s *evidencetest.Story) { rings(s, due).Event.Actor = "mia" }, "rung for before its time"},
		{"rung for, and paused too early", func(s *evidencetest.Story) {
			rang := rings(s, due)
			s.Move(late-3, "penstock", "paused", time.Time{})
			s.Insert(rang)
		}, "paused by nobody, and no gate or escort was lost, and no handover late"},
		{"rung for, and paused", func(s *evidencetest.Story) {
			rang := rings(s, due)
			s.Move(late, "penstock", "paused", time.Time{})
			s.Insert(rang)
		}, ""},
		{"taken, and paused for being late", func(s *evidencetest.Story) {
			s.Move(late, "penstock", "paused", time.Time{})
			s.Insert(s.Step("handover.accepted", 0))
		}, "paused by nobody"},
	})
}
