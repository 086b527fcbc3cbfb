package evidence_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/policy"
)

// governed is the story's plant file, changed only by those whom it touches.
func governed(t *testing.T, edits ...string) *policy.Plant {
	t.Helper()
	text := strings.Replace(evidencetest.PlantText(), "plant_changes: by_file", "plant_changes: agreed", 1)
	return edited(t, text, edits...)
}

// edited is a plant file in which each second text stands in the place of the first.
func edited(t *testing.T, text string, edits ...string) *policy.Plant {
	t.Helper()
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("the plant file does not say %q", edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	p, problems := policy.ParseWith(policy.Options{Inspectors: []string{"modbus"}}, "plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if problems != nil {
		t.Fatal(problems)
	}
	return p
}

// change10 is ten seconds of somebody's change of the plant file, on the day after.
type change10 struct {
	*evidencetest.Story
	doc     evidence.PlantChange
	hash    audit.Hash
	answers map[string]*evidencetest.Step
	applied *evidencetest.Step
}

const morning = 50000

func propose(s *evidencetest.Story, from, to *policy.Plant) *change10 {
	c := &change10{Story: s, answers: map[string]*evidencetest.Step{}}
	s.Add(morning-10, "penstock", audit.NodeStarted{Version: "test"}, "a")
	c.doc = evidence.PlantChange{V: 1, Change: "C-1", By: "ines", From: s.Put(from.Document()), To: s.Put(to.Document()), Why: "A longer look",
		At: at(morning), Until: at(morning + 86400), Nonce: evidencetest.Nonce(morning)}
	c.hash = s.PutJSON(c.doc)
	s.Add(morning, "ines", audit.PlantProposed{Change: "C-1", By: "ines", Document: c.hash, From: c.doc.From, To: c.doc.To, Until: c.doc.Until}, "C-1", "change/C-1")
	return c
}

func (c *change10) answer(second int, who, role, says string, do func(*evidence.Answer)) {
	a := evidence.Answer{V: 1, Request: c.hash, Person: who, Firm: "fjord", Role: role, Says: says, Nonce: evidencetest.Nonce(second), At: at(second), DecideBy: c.doc.Until}
	if says == evidence.Yes {
		a.Proof = evidence.Proof{Kind: evidence.ProofTOTP, Data: strconv.FormatInt(at(second).Unix()/30, 10)}
	}
	if do != nil {
		do(&a)
	}
	c.answers[who] = c.Add(second, who, audit.PlantAnswered{Change: "C-1", Person: who, Firm: "fjord", Roles: []string{role}, Says: says, Document: c.PutJSON(a)}, "C-1", "change/C-1")
}

func (c *change10) apply(second int, who string, confirm time.Time) {
	c.applied = c.Add(second, who, audit.ConfigChanged{Kind: "plant", Document: c.doc.To, Change: "C-1", By: who, Confirm: confirm, At: at(second)}, "C-1", "change/C-1")
}

func (c *change10) back(second int, who string) {
	c.Add(second, who, audit.ConfigChanged{Kind: "plant", Document: c.doc.From, Change: "C-1", By: who, Back: true, At: at(second)}, "C-1", "change/C-1")
}

func (c *change10) moved(second int, who, to string) {
	c.Add(second, who, audit.PlantMoved{Change: "C-1", To: to, By: who, At: at(second)}, "C-1", "change/C-1")
}

// agreed is the whole of it: proposed, answered by owner and OT security, in force.
func (c *change10) agreed() {
	c.answer(morning+60, "olaf", "line-1-owner", evidence.Yes, nil)
	c.answer(morning+120, "ines", "ot-security", evidence.Yes, nil)
	c.apply(morning+180, "ines", time.Time{})
}

func TestWalkPlantChanges(t *testing.T) {
	from := governed(t)
	to := governed(t, "longest: 4h", "longest: 6h")
	other := governed(t, "longest: 4h", "longest: 7h")
	if len(policy.MustAgree(from, to)) != 2 {
		t.Fatalf("must agree: %v", policy.MustAgree(from, to))
	}
	confirm := at(morning + 780)
	for _, row := range []struct {
		story string
		do    func(c *change10)
		want  []string
	}{
		{"agreed and put in force", func(c *change10) { c.agreed() }, nil},
		{"somebody writes the file on the broker", func(c *change10) {
			c.Add(morning+5, "penstock", audit.ConfigChanged{Kind: "plant", Document: c.doc.To}, "plant")
		}, []string{"nobody agreed"}},
		{"and writes by_file into it", func(c *change10) {
			by := strings.Replace(string(from.Document()), "plant_changes: agreed", "plant_changes: by_file", 1)
			c.Add(morning+5, "penstock", audit.ConfigChanged{Kind: "plant", Document: c.Put([]byte(by))}, "plant")
			c.Add(morning+6, "penstock", audit.ConfigChanged{Kind: "plant", Document: c.doc.To}, "plant")
		}, []string{"nobody agreed"}},
		{"the owner was not asked", func(c *change10) {
			c.answer(morning+120, "ines", "ot-security", evidence.Yes, nil)
			c.apply(morning+180, "ines", time.Time{})
		}, []string{"1 yes of line-1-owner missing"}},
		{"nobody was asked", func(c *change10) { c.apply(morning+180, "ines", time.Time{}) }, []string{"1 yes of line-1-owner missing", "1 yes of ot-security missing"}},
		{"two of the same role", func(c *change10) {
			c.answer(morning+60, "otto", "ot-security", evidence.Yes, nil)
			c.answer(morning+120, "ines", "ot-security", evidence.Yes, nil)
			c.apply(morning+180, "ines", time.Time{})
		}, []string{"1 yes of line-1-owner missing"}},
		{"the owner said no", func(c *change10) {
			c.answer(morning+60, "olaf", "line-1-owner", evidence.No, nil)
			c.apply(morning+180, "ines", time.Time{})
		}, []string{"the change was refused", "said no", "missing", "missing"}},
		{"an answer to something else", func(c *change10) {
			c.answer(morning+60, "olaf", "line-1-owner", evidence.Yes, func(a *evidence.Answer) { a.Request = audit.HashOf([]byte("x")) })
			c.answer(morning+120, "ines", "ot-security", evidence.Yes, nil)
			c.apply(morning+180, "ines", time.Time{})
		}, []string{"it answers something else", "1 yes of line-1-owner missing"}},
		{"an answer with limits", func(c *change10) {
			c.answer(morning+60, "olaf", "line-1-owner", evidence.Yes, func(a *evidence.Answer) { a.Limits.Minutes = 5 })
			c.answer(morning+120, "ines", "ot-security", evidence.Yes, nil)
			c.apply(morning+180, "ines", time.Time{})
		}, []string{"it has limits"}},
		{"without a code", func(c *change10) {
			c.answer(morning+60, "olaf", "line-1-owner", evidence.Yes, func(a *evidence.Answer) { a.Proof = evidence.Proof{} })
			c.answer(morning+120, "ines", "ot-security", evidence.Yes, nil)
			c.apply(morning+180, "ines", time.Time{})
		}, []string{"proof", "1 yes of line-1-owner missing"}},
		{"another file than agreed", func(c *change10) {
			c.agreed()
			change(c.applied, func(b *audit.ConfigChanged) { b.Document = c.Put(other.Document()) })
		}, []string{"is not the plant file that was agreed"}},
		{"an agreed change of another file", func(c *change10) {
			c.Add(morning+1, "penstock", audit.ConfigChanged{Kind: "plant", Document: c.Put(other.Document())}, "plant")
			c.agreed()
		}, []string{"nobody agreed", "of another plant file than the one in force"}},
		{"put in force twice", func(c *change10) {
			c.agreed()
			c.apply(morning+200, "ines", time.Time{})
		}, []string{"the change was kept", "of another plant file"}},
		{"put in force by a vendor", func(c *change10) {
			c.agreed()
			change(c.applied, func(b *audit.ConfigChanged) { b.By = "ann" })
			c.applied.Event.Actor = "ann"
		}, []string{"put in force by ann"}},
		{"too late", func(c *change10) {
			c.agreed()
			c.applied.Wall = at(morning + 2*86400)
		}, []string{"had to be decided"}},
		{"withdrawn, and put in force all the same", func(c *change10) {
			c.moved(morning+10, "ines", "withdrawn")
			c.agreed()
		}, []string{"was withdrawn", "was withdrawn", "was withdrawn", "missing", "missing"}},
		{"a change that nobody proposed", func(c *change10) {
			c.Drop(c.Step("plant.proposed", 0))
			c.apply(morning+180, "ines", time.Time{})
		}, []string{"does not know change C-1"}},
		{"a text that says otherwise than the leaf", func(c *change10) {
			change(c.Step("plant.proposed", 0), func(b *audit.PlantProposed) { b.To = c.Put(other.Document()) })
			c.agreed()
		}, []string{"the leaf and the change's text differ"}},
		{"a change of a file that is not in force", func(c *change10) {
			c.Add(morning-1, "penstock", audit.ConfigChanged{Kind: "plant", Document: c.Put(other.Document())}, "plant")
			c.Insert(c.Step("node.started", 1))
			c.agreed()
		}, []string{"nobody agreed", "and sha256", "of another plant file than the one in force"}},
		{"confirmed", func(c *change10) {
			c.agreed()
			change(c.applied, func(b *audit.ConfigChanged) { b.Confirm = confirm })
			c.moved(morning+600, "olaf", "kept")
		}, nil},
		{"confirmed too late", func(c *change10) {
			c.agreed()
			change(c.applied, func(b *audit.ConfigChanged) { b.Confirm = confirm })
			c.moved(morning+2000, "olaf", "kept")
		}, []string{"had to be confirmed"}},
		{"never confirmed, and back by itself", func(c *change10) {
			c.agreed()
			change(c.applied, func(b *audit.ConfigChanged) { b.Confirm = confirm })
			c.back(morning+781, "penstock")
		}, nil},
		{"back by itself before its time", func(c *change10) {
			c.agreed()
			change(c.applied, func(b *audit.ConfigChanged) { b.Confirm = confirm })
			c.back(morning+400, "penstock")
		}, []string{"before its time"}},
		{"back by a person, before its time", func(c *change10) {
			c.agreed()
			change(c.applied, func(b *audit.ConfigChanged) { b.Confirm = confirm })
			c.back(morning+400, "olaf")
		}, nil},
		{"back in another's name", func(c *change10) {
			c.agreed()
			change(c.applied, func(b *audit.ConfigChanged) { b.Confirm = confirm })
			c.back(morning+400, "olaf")
			c.Steps[len(c.Steps)-1].Event.Actor = "ann"
		}, []string{"ann took it back, and the leaf says olaf"}},
		{"back to something else", func(c *change10) {
			c.agreed()
			change(c.applied, func(b *audit.ConfigChanged) { b.Confirm = confirm })
			c.back(morning+781, "penstock")
			change(c.Steps[len(c.Steps)-1], func(b *audit.ConfigChanged) { b.Document = c.Put(other.Document()) })
		}, []string{"goes back to another plant file"}},
		{"back after it was kept", func(c *change10) {
			c.agreed()
			c.back(morning+781, "penstock")
		}, []string{"the change was kept, and cannot go back"}},
		{"never confirmed, and still in force", func(c *change10) {
			c.agreed()
			change(c.applied, func(b *audit.ConfigChanged) { b.Confirm = confirm })
			c.Add(morning+900, "penstock", audit.LoginRefused{Name: "x"}, "x")
		}, []string{"C-1 of the plant file had to be confirmed"}},
		{"unanswered in its time", func(c *change10) { c.moved(morning+86400, "penstock", "unanswered") }, nil},
		{"unanswered too soon", func(c *change10) { c.moved(morning+600, "penstock", "unanswered") }, []string{"unanswered before its time"}},
		{"a step that is none", func(c *change10) { c.moved(morning+600, "ines", "forced") }, []string{`"forced" is no step`}},
	} {
		t.Run(row.story, func(t *testing.T) {
			c := propose(evidencetest.New(from), from, to)
			row.do(c)
			_, wrong, _ := walk(c.Story)
			match(t, wrong, row.want)
		})
	}
}

func TestWalkSaysWhoChangesThePlantFile(t *testing.T) {
	s := evidencetest.New(evidencetest.Plant())
	s.Add(morning, "penstock", audit.ConfigChanged{Kind: "plant", Document: s.Put(governed(t).Document())}, "plant")
	_, wrong, notes := walk(s)
	match(t, wrong, nil)
	if !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "changed 1 times by who could write it") }) {
		t.Errorf("notes: %q", notes)
	}
}

func FuzzParsePlantChange(f *testing.F) {
	c := evidence.PlantChange{V: 1, Change: "C-1", By: "ines", From: audit.HashOf([]byte("a")), To: audit.HashOf([]byte("b")), Why: "x", At: at(0), Until: at(60), Nonce: evidencetest.Nonce(1)}
	b, err := audit.Canonical(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(strings.Replace(string(b), `"v":1`, `"v":2`, 1)))
	f.Add([]byte(strings.Replace(string(b), `C-1`, `C-01`, 1)))
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := evidence.ParsePlantChange(b)
		if err != nil {
			return
		}
		again, err := audit.Canonical(c)
		if err != nil || string(again) != string(b) {
			t.Errorf("read %q, wrote %q: %v", b, again, err)
		}
	})
}

// Who asks for keys to let somebody look does not change that by a code.
func TestPlantChangeAsksForAKey(t *testing.T) {
	from := governed(t, "longest: 4h, proof: code, grace: 5m", "longest: 4h, grace: 5m")
	c := propose(evidencetest.New(from), from, governed(t))
	c.agreed()
	_, wrong, _ := walk(c.Story)
	match(t, wrong, []string{"a key of olaf's own", "a key of ines's own", "missing", "missing", "*"})
}
