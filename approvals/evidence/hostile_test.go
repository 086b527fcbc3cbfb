package evidence_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// A log that is still being written is whole up to any leaf: nothing of it is
// wrong before the rest has come. (Of a window that runs on, only time can say
// more.)
func TestEveryBeginningHolds(t *testing.T) {
	plant := evidencetest.Plant()
	for n := 1; n <= len(evidencetest.New(plant).Steps); n++ {
		s := evidencetest.New(plant)
		s.Revise()
		s.Steps = s.Steps[:n]
		w := evidence.NewWalk(documents(s.Docs))
		var wrong []string
		for _, leaf := range s.Leaves() {
			wrong = append(wrong, w.Leaf(context.Background(), leaf)...)
		}
		_, last := w.Done(context.Background())
		if wrong = append(wrong, last...); len(wrong) > 0 {
			t.Errorf("the first %d leaves: %q", n, wrong)
		}
	}
}

// Whatever somebody who signs the log makes of it, Walk answers: it does not
// panic and does not run on, and what is not as it was is found.
func TestWalkOfAnyLog(t *testing.T) {
	plant := evidencetest.Plant()
	rapid.Check(t, func(t *rapid.T) {
		s := evidencetest.New(plant)
		at := func(what string) int { return rapid.IntRange(0, len(s.Steps)-1).Draw(t, what) }
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			i, j := at("step"), at("other")
			switch rapid.SampledFrom([]string{"drop", "twice", "swap", "actor", "body", "document"}).Draw(t, "change") {
			case "drop":
				s.Steps = slices.Delete(s.Steps, i, i+1)
			case "twice":
				again := *s.Steps[i]
				s.Steps = slices.Insert(s.Steps, j, &again)
			case "swap":
				s.Steps[i], s.Steps[j] = s.Steps[j], s.Steps[i]
			case "actor":
				s.Steps[i].Event.Actor = rapid.SampledFrom([]string{"", "ann", "mallory", "penstock"}).Draw(t, "actor")
			case "body":
				s.Steps[i].Event.Body = s.Steps[j].Event.Body
			case "document":
				for h := range s.Docs {
					if rapid.Bool().Draw(t, "lose") {
						delete(s.Docs, h)
					}
				}
			}
			if len(s.Steps) == 0 {
				return
			}
		}
		walk(s)
	})
}

// Without the step that gives a right, what rests on it is found.
func TestEachGivingIsNeeded(t *testing.T) {
	plant := evidencetest.Plant()
	for _, row := range []struct {
		name string
		n    int
	}{
		{"config.changed", 0}, {"key.enrolled", 0}, {"key.enrolled", 1}, {"key.enrolled", 3}, {"person.invited", 0}, {"person.joined", 0},
		{"person.confirmed", 0}, {"request.submitted", 0}, {"answer.given", 0}, {"answer.given", 1}, {"window.agreed", 0}, {"window.moved", 0},
		{"cert.issued", 0}, {"session.started", 0}, {"channel.opened", 0},
	} {
		s := evidencetest.New(plant)
		s.Drop(s.Step(row.name, row.n))
		if _, wrong, _ := walk(s); len(wrong) == 0 {
			t.Errorf("without %s %d nothing is wrong", row.name, row.n)
		}
	}
}

// A document may hold anything: a hostile bootstrap file is a finding.
func FuzzBootstrap(f *testing.F) {
	f.Add(evidencetest.Bootstrap())
	f.Add([]byte("firms: &a {x: *a}\npeople: {}\n"))
	f.Add([]byte("firms:\n  a: {plant: true}\n  a: {plant: true}\npeople:\n  b: {firm: a, key: ssh-ed25519 AAAA}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := evidence.NewWalk(documents{audit.HashOf(b): b})
		leaf := audit.Leaf{Event: audit.Event{Subject: "bootstrap", Rev: 1, Actor: "penstock", Body: audit.LogCreated{Bootstrap: audit.HashOf(b)},
			Rows: map[string]audit.Hash{"bootstrap/1": {}}}, Node: "a"}
		for _, finding := range w.Leaf(context.Background(), leaf) {
			if !strings.HasPrefix(finding, "leaf 0 (log.created bootstrap): ") {
				t.Errorf("finding without its leaf: %q", finding)
			}
		}
	})
}
