package evidence_test

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// lift is an island of everything, set when the night is over, which olaf and mia
// lift. Each hook changes one text before it is put.
type lift struct {
	text   func(*evidence.Lift)
	answer func(who string, a *evidence.Answer)
	leaf   func(who string, b *audit.IslandAnswered)
	block  audit.BlockSet
	zone   string
	before func(*evidencetest.Story) // ahead of the first word
	again  bool                      // mia says hers twice
}

func (l lift) tell(s *evidencetest.Story) {
	l.block.Block, l.block.By, l.block.Why = "B-1", "mia", "x"
	s.Add(15300, "mia", l.block, "B-1", "block/B-1")
	if l.before != nil {
		l.before(s)
	}
	doc := evidence.Lift{V: 1, Block: "B-1", Zone: l.zone, Rev: 1, Plant: s.Request.Plant}
	if l.text != nil {
		l.text(&doc)
	}
	text := s.PutJSON(doc)
	says := func(second int, who, role string, lifts bool) {
		a := evidence.Answer{V: 1, Request: text, Person: who, Firm: "fjord", Role: role, Says: evidence.Yes, Nonce: evidencetest.Nonce(second), At: at(second), DecideBy: at(second + 600),
			Proof: evidence.Proof{Kind: evidence.ProofTOTP, Data: codeAt(second)}}
		if l.answer != nil {
			l.answer(who, &a)
		}
		b := audit.IslandAnswered{Block: "B-1", Zone: l.zone, Text: text, Person: who, Firm: "fjord", Roles: []string{role}, Document: s.PutJSON(a), Lifts: lifts, At: at(second)}
		if l.leaf != nil {
			l.leaf(who, &b)
		}
		s.Add(second, who, b, "B-1", "block/B-1")
	}
	says(15400, "olaf", "line-1-owner", false)
	if l.again {
		says(15450, "ines", "ot-security", false)
	}
	says(15500, "mia", "shift", true)
}

func TestWalkIslands(t *testing.T) {
	all := audit.BlockSet{All: true}
	file := func(s *evidencetest.Story, second int) {
		other := edited(t, evidencetest.PlantText(), "Line 1 shift supervisor", "Line 1 shift leader")
		s.Add(second, "penstock", audit.ConfigChanged{Kind: "plant", Document: s.Put(other.Document())}, "plant")
	}
	rows := []alteration{
		{"an island of a zone", lift{block: audit.BlockSet{Island: true, Zone: "line-1"}}.tell, ""},
		{"one zone of an island of everything", lift{block: all, zone: "line-1"}.tell, ""},
		{"an island", lift{block: all}.tell, ""},
		{"what is no island", lift{block: audit.BlockSet{Zone: "line-1"}}.tell, "the log knows no island B-1 that is still there"},
		{"another island", lift{block: all, leaf: func(_ string, b *audit.IslandAnswered) { b.Block = "B-2" }}.tell, "the log knows no island B-2"},
		{"a text that is gone", lift{block: all, leaf: func(_ string, b *audit.IslandAnswered) { b.Text = audit.HashOf([]byte("gone")) }}.tell, "its lifting cannot be read"},
		{"a text of another form", lift{block: all, text: func(l *evidence.Lift) { l.V = 2 }}.tell, "lifting: "},
		{"a text of another island", lift{block: all, text: func(l *evidence.Lift) { l.Block = "B-2" }}.tell, "the leaf and the lifting's text differ"},
		{"a text of another zone", lift{block: all, text: func(l *evidence.Lift) { l.Zone = "line-1" }}.tell, "the leaf and the lifting's text differ"},
		{"a zone of one that is another's", lift{block: audit.BlockSet{Island: true, Zone: "line-1"}, zone: "dmz"}.tell, "zone dmz is not what this island is of"},
		{"a text by a plant file of before", lift{block: all, before: func(s *evidencetest.Story) { file(s, 15301) }}.tell, ""},
		{"a text by a plant file of long before", lift{block: all, before: func(s *evidencetest.Story) { file(s, 15400-int(evidence.LiftTime/time.Second)-1) }}.tell, "it names the plant file"},
		{"a text of an older state", lift{block: all, text: func(l *evidence.Lift) { l.Rev = 2 }}.tell, "its text is of revision 2, and the block was at 1"},
		{"a word to something else", lift{block: all, answer: func(_ string, a *evidence.Answer) { a.Request = audit.HashOf([]byte("else")) }}.tell, "it answers something else than this lifting"},
		{"a word that cannot be read", lift{block: all, answer: func(_ string, a *evidence.Answer) { a.V = 2 }}.tell, "answer: "},
		{"one word more than it takes", lift{block: all, again: true}.tell, "it is one word more than it takes"},
		{"lifted by one", lift{block: all, leaf: func(who string, b *audit.IslandAnswered) { b.Lifts = true }}.tell, "B-1 is lifted by 1 of the two people that it takes"},
		{"in another's name", func(s *evidencetest.Story) {
			lift{block: all}.tell(s)
			s.Step("island.answered", 0).Event.Actor = "ines"
		}, "ines"},
		{"a zone that was free already", func(s *evidencetest.Story) {
			lift{block: all, zone: "line-1"}.tell(s)
			l := s.Step("island.answered", 0).Event.Body.(audit.IslandAnswered)
			doc := evidence.Lift{V: 1, Block: "B-1", Zone: "line-1", Rev: 3, Plant: s.Request.Plant}
			l.Text = s.PutJSON(doc)
			s.Add(15600, "olaf", l, "B-1", "block/B-1")
		}, "zone line-1 is not what this island is of"},
	}
	findsEach(t, rows)
}
