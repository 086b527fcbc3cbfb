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

// framed is the story's plant file with a frame for call-outs, and edits.
func framed(t *testing.T, edits ...string) *policy.Plant {
	t.Helper()
	text := evidencetest.PlantText() + `patterns:
  callout: {assets: [filler-plc], rights: [look, copy, set, load], open: shift, longest: 2h, owners: [line-1-owner, ot-security], why: Night call-out, review: 2027-03-31}
`
	return edited(t, text, edits...)
}

// callOut is the day after: a pattern is agreed, ann asks under it, mia's yes is
// enough and she opens. Each hook changes one document before it is put.
type callOut struct {
	*evidencetest.Story
	plant   *policy.Plant
	pattern func(*evidence.Pattern)
	answer  func(who string, a *evidence.Answer)
	request func(*evidence.Request)
	claim   func(*evidence.WindowClaim)
	yes     []string // to the pattern, each as person/role
	night   []string // to the request, likewise
	between func(c *callOut)
	before  func(c *callOut)

	text   audit.Hash
	asked  evidence.Request
	agreed *evidencetest.Step
	window *evidencetest.Step
	opened *evidencetest.Step
}

func (c *callOut) says(second int, who, role string, to audit.Hash, decideBy time.Time) (audit.Hash, evidence.Answer) {
	a := evidence.Answer{V: 1, Request: to, Person: who, Firm: "fjord", Role: role, Says: evidence.Yes, Nonce: evidencetest.Nonce(second), At: at(second), DecideBy: decideBy,
		Proof: evidence.Proof{Kind: evidence.ProofTOTP, Data: strconv.FormatInt(at(second).Unix()/30, 10)}}
	if c.answer != nil {
		c.answer(who, &a)
	}
	return c.PutJSON(a), a
}

func (c *callOut) move(second int, who, to string) *evidencetest.Step {
	return c.Add(second, who, audit.PatternMoved{Pattern: "P-1", To: to, By: who, At: at(second)}, "P-1", "pattern/P-1")
}

func (c *callOut) here() string { return "a/" + strconv.Itoa(len(c.Steps)) }

func (c *callOut) tell(t *testing.T) {
	c.Story = evidencetest.New(c.plant)
	c.Revise()
	c.Counts = nil
	c.Add(morning-10, "penstock", audit.NodeStarted{Version: "test"}, "a")
	file := c.Put(c.plant.Document())
	doc := evidence.Pattern{V: 1, Pattern: "P-1", Frame: "callout", Firm: "krall", By: "ines", People: []string{"ann"}, Assets: []evidence.Target{{Asset: "filler-plc", Port: "ssh", Account: "maint"}},
		Rights: []string{"look", "load"}, Minutes: 60, Purpose: "Valve timing", At: at(morning), DecideBy: at(morning + 86400), Until: at(morning + 30*86400), Review: at(morning + 60*86400), Plant: file, Nonce: evidencetest.Nonce(morning)}
	if c.pattern != nil {
		c.pattern(&doc)
	}
	c.text = c.PutJSON(doc)
	c.Add(morning, "ines", audit.PatternProposed{Pattern: "P-1", Frame: doc.Frame, Firm: doc.Firm, By: doc.By, Document: c.text, Plant: doc.Plant, DecideBy: doc.DecideBy, Ends: doc.Ends()}, "P-1", "pattern/P-1")
	var places []string
	for i, y := range c.yes {
		who, role, _ := strings.Cut(y, "/")
		h, _ := c.says(morning+60*(i+1), who, role, c.text, doc.DecideBy)
		places = append(places, c.here())
		c.Add(morning+60*(i+1), who, audit.PatternAnswered{Pattern: "P-1", Person: who, Firm: "fjord", Roles: []string{role}, Says: evidence.Yes, Document: h}, "P-1", "pattern/P-1")
	}
	c.agreed = c.move(morning+600, "penstock", "agreed")
	change(c.agreed, func(b *audit.PatternMoved) { b.Answers = places })
	if c.before != nil {
		c.before(c)
	}
	const night = morning + 3600
	c.asked = evidence.Request{V: 1, Request: "R-2", Rev: 1, Firm: "krall", By: "ann", People: []string{"ann"}, Kind: "remote", Assets: doc.Assets, Rights: []string{"look", "load"}, Reason: "Valve timing again",
		Minutes: 60, From: at(night), To: at(night + 7200), Open: "shift", Plant: file, Pattern: c.text, Nonce: evidencetest.Nonce(night)}
	if c.request != nil {
		c.request(&c.asked)
	}
	evidence.Tell(c.plant, &c.asked)
	c.Add(night, "ann", audit.RequestSubmitted{Request: "R-2", Rev: 1, Firm: "krall", By: "ann", Document: c.PutJSON(c.asked), Plant: file, Pattern: "P-1", At: at(night)}, "R-2", "request/R-2")
	var all []evidence.Answer
	places = nil
	for i, y := range c.night {
		who, role, _ := strings.Cut(y, "/")
		h, a := c.says(night+60*(i+1), who, role, c.PutJSON(c.asked), c.asked.To)
		places, all = append(places, c.here()), append(all, a)
		c.Add(night+60*(i+1), who, audit.AnswerGiven{Request: "R-2", Rev: 1, Person: who, Firm: "fjord", Roles: []string{role}, Says: evidence.Yes, Document: h}, "R-2", "request/R-2")
	}
	if c.between != nil {
		c.between(c)
	}
	claim, err := evidence.Narrow(c.asked, all)
	if err != nil {
		t.Fatal(err)
	}
	claim.Window = "W-2"
	if c.claim != nil {
		c.claim(&claim)
	}
	c.window = c.Add(night+300, "penstock", audit.WindowAgreed{Window: "W-2", Request: "R-2", Rev: 1, Firm: "krall", Claim: c.PutJSON(claim), Answers: places, Pattern: "P-1"}, "W-2", "window/W-2", "request/R-2")
	c.opened = c.Add(night+310, "mia", audit.WindowMoved{Window: "W-2", To: "opened", By: "mia", At: at(night + 310), Until: at(night + 310 + 60*claim.Minutes)}, "W-2", "window/W-2")
	c.Add(night+320, "mia", audit.WindowMoved{Window: "W-2", To: "cut", By: "mia", At: at(night + 320)}, "W-2", "window/W-2")
}

// Each story alters one thing; the verifier says which.
func TestWalkPatterns(t *testing.T) {
	for _, row := range []struct {
		story string
		do    func(c *callOut)
		after func(c *callOut)
		want  []string
	}{
		{"agreed by day, one yes at night", nil, nil, nil},
		{"no yes at night", func(c *callOut) { c.night = nil }, nil, []string{"1 yes of shift missing"}},
		{"the owner alone at night", func(c *callOut) { c.night = []string{"olaf/line-1-owner"} }, nil, []string{"1 yes of shift missing"}},
		{"security did not agree by day", func(c *callOut) { c.yes = c.yes[:1] }, nil, []string{"1 yes of ot-security missing", "1 yes of ot-security missing"}},
		{"nobody agreed by day", func(c *callOut) { c.yes = nil }, nil, []string{"missing", "missing", "missing", "missing"}},
		{"longer than the pattern", func(c *callOut) { c.request = func(r *evidence.Request) { r.Minutes = 61 } }, nil,
			[]string{"P-1 is for 60 minutes", "P-1 is for 60 minutes", "the rules allow 1h0m0s"}},
		{"more rights than the pattern", func(c *callOut) {
			c.request = func(r *evidence.Request) { r.Rights, r.WorkOrder = []string{"look", "set", "load"}, "4712" }
		}, nil,
			[]string{"P-1 is for", "P-1 is for"}},
		{"another way in", func(c *callOut) {
			c.request = func(r *evidence.Request) { r.Assets = []evidence.Target{{Asset: "filler-plc", Port: "modbus"}} }
		}, nil, []string{"a way in that P-1 does not have", "a way in that P-1 does not have"}},
		{"past the pattern's end", func(c *callOut) { c.pattern = func(p *evidence.Pattern) { p.Until = at(morning + 5000) } }, nil, []string{"P-1 ends at", "P-1 ends at"}},
		{"past its review", func(c *callOut) { c.pattern = func(p *evidence.Pattern) { p.Review = at(morning + 5000) } }, nil, []string{"P-1 ends at", "P-1 ends at"}},
		{"a pattern wider than its frame", func(c *callOut) {
			c.pattern = func(p *evidence.Pattern) { p.Rights = []string{"look", "operate", "load"} }
		}, nil,
			[]string{"callout is for look, copy, set, load", "*"}},
		{"a pattern longer than its frame", func(c *callOut) { c.pattern = func(p *evidence.Pattern) { p.Minutes = 121 } }, nil, []string{"callout is for 120 minutes", "*"}},
		{"a frame that there is not", func(c *callOut) { c.pattern = func(p *evidence.Pattern) { p.Frame = "x" } }, nil, []string{"no pattern x", "*"}},
		{"somebody unknown on call", func(c *callOut) { c.pattern = func(p *evidence.Pattern) { p.People = []string{"ann", "zoe"} } }, nil, []string{"zoe is on call"}},
		{"withdrawn before it was asked", func(c *callOut) { c.before = func(c *callOut) { c.move(morning+700, "olaf", "withdrawn") } }, nil,
			[]string{"which was withdrawn", "did not stand", "did not stand any more"}},
		{"withdrawn before it was agreed", func(c *callOut) { c.between = func(c *callOut) { c.move(morning+3600+200, "ines", "withdrawn") } }, nil,
			[]string{"did not stand", "did not stand any more"}},
		{"withdrawn before it was opened", nil, func(c *callOut) { c.move(morning+3600+302, "ines", "withdrawn"); c.Insert(c.window) }, []string{"did not stand any more"}},
		{"withdrawn by the shift", nil, func(c *callOut) { c.move(morning+9000, "mia", "withdrawn") }, []string{"who neither proposed it nor had to agree"}},
		{"ended before its time", nil, func(c *callOut) { c.move(morning+9000, "penstock", "ended") }, []string{"ended before its time"}},
		{"agreed by somebody's word", nil, func(c *callOut) {
			c.agreed.Event.Actor = "ines"
			change(c.agreed, func(b *audit.PatternMoved) { b.By = "ines" })
		}, []string{"which only the answers do"}},
		{"the leaf of the request names no pattern", nil, func(c *callOut) {
			change(c.Step("request.submitted", 1), func(b *audit.RequestSubmitted) { b.Pattern = "" })
		}, []string{"the text names the pattern", "*"}},
		{"the window counts on no pattern", nil, func(c *callOut) { change(c.window, func(b *audit.WindowAgreed) { b.Pattern = "" }) },
			[]string{"1 yes of line-1-owner missing", "1 yes of ot-security missing"}},
		{"the text of the pattern is replaced", nil, func(c *callOut) {
			var p evidence.Pattern
			p, _ = evidence.ParsePattern(c.Docs[c.text])
			p.Minutes = 90
			wider := c.PutJSON(p)
			change(c.Step("pattern.proposed", 0), func(b *audit.PatternProposed) { b.Document = wider })
		}, []string{"answers something else", "answers something else", "missing", "missing", "which is not \"P-1\"", "*"}},
		{"it names a plant file that nobody has", func(c *callOut) {
			c.pattern = func(p *evidence.Pattern) { p.Plant = audit.HashOf([]byte("x")) }
		}, nil, []string{"cannot be read", "*"}},
		{"used outside its purpose twice", nil, func(c *callOut) {
			c.doubt(morning+9000, "mia", "W-2")
			c.doubt(morning+9001, "olaf", "W-2")
		}, []string{"was said to be outside its purpose before"}},
		{"a doubt about another's window", nil, func(c *callOut) { c.doubt(morning+9000, "mia", "W-1") }, []string{"W-1 is no window that was opened under P-1"}},
		{"for another firm", func(c *callOut) { c.pattern = func(p *evidence.Pattern) { p.Firm = "other" } }, nil, []string{"P-1 is for other, and the request for krall", "*"}},
		{"extended as long as the pattern is", nil, func(c *callOut) { c.extend(60) }, nil},
		{"extended past the pattern", nil, func(c *callOut) { c.extend(61) }, []string{"is more than 1h0m0s after the opening"}},
		{"proposed twice", nil, func(c *callOut) {
			c.Add(morning+1, "ines", c.Step("pattern.proposed", 0).Event.Body, "P-1", "pattern/P-1")
			c.Insert(c.Step("pattern.proposed", 0))
		}, []string{"P-1 was proposed before", "*"}},
		{"proposed by another than who wrote it", nil, func(c *callOut) { c.Step("pattern.proposed", 0).Event.Actor = "mia" }, []string{"mia proposed what ines wrote"}},
		{"proposed by the vendor", nil, func(c *callOut) {
			c.Step("pattern.proposed", 0).Event.Actor = "ann"
			change(c.Step("pattern.proposed", 0), func(b *audit.PatternProposed) { b.By = "ann" })
		}, []string{"proposed by ann, who is nobody of the plant with a role", "*"}},
		{"the leaf says another firm than the text", nil, func(c *callOut) {
			change(c.Step("pattern.proposed", 0), func(b *audit.PatternProposed) { b.Firm = "fjord" })
		}, []string{"text differ"}},
		{"answered after it was agreed", nil, func(c *callOut) {
			yes := c.Step("pattern.answered", 1)
			c.Add(morning+601, "ines", yes.Event.Body, "P-1", "pattern/P-1")
			c.Insert(c.agreed)
		}, []string{"the pattern was agreed", "*"}},
		{"agreed twice", nil, func(c *callOut) {
			c.Add(morning+601, "penstock", c.agreed.Event.Body, "P-1", "pattern/P-1")
			c.Insert(c.agreed)
		}, []string{"the pattern was agreed", "*"}},
		{"agreed in the place of another", nil, func(c *callOut) { change(c.agreed, func(b *audit.PatternMoved) { b.Follows = "P-7" }) },
			[]string{`it takes the place of "P-7", and its text says ""`, "*"}},
		{"it counts on what is no answer", nil, func(c *callOut) {
			change(c.agreed, func(b *audit.PatternMoved) { b.Answers = append(b.Answers, "a/1") })
		}, []string{"it counts on leaf a/1, which is no answer to this pattern"}},
		{"moved by another than the leaf says", nil, func(c *callOut) { c.agreed.Event.Actor = "ines" }, []string{"ines moved it, and the leaf says penstock"}},
		{"withdrawn after its end", nil, func(c *callOut) {
			c.move(morning+31*86400, "penstock", "ended")
			c.move(morning+31*86400+1, "ines", "withdrawn")
		}, []string{"the pattern was ended"}},
		{"ended twice", nil, func(c *callOut) {
			c.move(morning+31*86400, "penstock", "ended")
			c.move(morning+31*86400+1, "penstock", "ended")
		}, []string{"the pattern was ended"}},
		{"unanswered after it was agreed", nil, func(c *callOut) { c.move(morning+86400+10, "penstock", "unanswered") }, []string{"the pattern was agreed"}},
		{"unanswered before its time", nil, func(c *callOut) {
			c.move(morning+500, "penstock", "unanswered")
			c.Insert(c.Step("pattern.answered", 1))
		},
			[]string{"unanswered before its time", "*"}},
		{"a step that there is not", nil, func(c *callOut) { c.move(morning+9000, "ines", "widened") }, []string{`"widened" is no step of a pattern`}},
		{"a doubt in another's name", nil, func(c *callOut) {
			c.doubt(morning+9000, "mia", "W-2")
			c.Steps[len(c.Steps)-1].Event.Actor = "olaf"
		}, []string{"olaf said it, and the leaf says mia"}},
		{"a doubt by who worked in it", nil, func(c *callOut) { c.doubt(morning+9000, "ann", "W-2") }, []string{"said by ann"}},
	} {
		t.Run(row.story, func(t *testing.T) {
			c := &callOut{plant: framed(t), yes: []string{"olaf/line-1-owner", "ines/ot-security"}, night: []string{"mia/shift"}}
			if row.do != nil {
				row.do(c)
			}
			c.tell(t)
			if row.after != nil {
				row.after(c)
			}
			_, wrong, notes := walk(c.Story)
			match(t, wrong, row.want)
			if row.want == nil && !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "W-2 is agreed under pattern P-1") }) {
				t.Errorf("notes: %q", notes)
			}
		})
	}
}

// extend has mia move the window's end to so many minutes after it was opened.
func (c *callOut) extend(minutes int) {
	const second = morning + 3600 + 315
	until := at(morning + 3600 + 310 + 60*minutes)
	a := evidence.Answer{V: 1, Request: c.PutJSON(c.asked), Person: "mia", Firm: "fjord", Role: "shift", Says: evidence.Extend, Window: "W-2", Until: until,
		Nonce: evidencetest.Nonce(second), At: at(second), DecideBy: c.asked.To, Proof: evidence.Proof{Kind: evidence.ProofTOTP, Data: strconv.FormatInt(at(second).Unix()/30, 10)}}
	c.Add(second, "mia", audit.WindowMoved{Window: "W-2", To: "extended", By: "mia", At: at(second), Until: until, Answer: c.PutJSON(a)}, "W-2", "window/W-2")
	c.Insert(c.opened)
}

func (c *callOut) doubt(second int, who, window string) {
	c.Add(second, who, audit.PatternDoubted{Pattern: "P-1", Window: window, By: who, Why: "labels", At: at(second)}, "P-1", "pattern/P-1")
}

// The vendor never agrees to its own pattern, and one person is one voice.
func TestCheckPattern(t *testing.T) {
	for story, row := range map[string]struct {
		yes  []string
		edit func(who string, a *evidence.Answer)
		want []string
	}{
		"one person as both": {[]string{"olaf/line-1-owner", "olaf/ot-security"}, nil, []string{"*"}},
		"a code of tomorrow": {[]string{"olaf/line-1-owner", "ines/ot-security"}, func(who string, a *evidence.Answer) {
			if who == "olaf" && a.At.Before(at(morning+3600)) {
				a.Proof.Data = strconv.FormatInt(at(morning+86400).Unix()/30, 10)
			}
		}, []string{"its code is of", "1 yes of line-1-owner missing", "its code is of", "1 yes of line-1-owner missing"}},
		"with limits": {[]string{"olaf/line-1-owner", "ines/ot-security"}, func(who string, a *evidence.Answer) {
			if who == "olaf" {
				a.Limits.Minutes = 5
			}
		}, []string{"it has limits", "it has limits"}},
	} {
		t.Run(story, func(t *testing.T) {
			c := &callOut{plant: framed(t), yes: row.yes, night: []string{"mia/shift"}, answer: row.edit}
			c.tell(t)
			_, wrong, _ := walk(c.Story)
			match(t, wrong, row.want)
		})
	}
}

func FuzzParsePattern(f *testing.F) {
	p := evidence.Pattern{V: 1, Pattern: "P-1", Frame: "callout", Firm: "krall", By: "ines", People: []string{"ann"}, Assets: []evidence.Target{{Asset: "filler-plc", Port: "ssh", Account: "maint"}}, Rights: []string{"look"},
		Minutes: 60, Gates: []string{"a", "b"}, Purpose: "x", At: at(0), DecideBy: at(60), Until: at(90), Review: at(90), Plant: audit.HashOf([]byte("p")), Nonce: evidencetest.Nonce(1)}
	b, err := audit.Canonical(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(strings.Replace(string(b), `"v":1`, `"v":2`, 1)))
	f.Add([]byte(strings.Replace(string(b), `["a","b"]`, `["b","a"]`, 1)))
	f.Add([]byte(strings.Replace(string(b), `P-1`, `P-01`, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := evidence.ParsePattern(b)
		if err != nil {
			return
		}
		if again, err := audit.Canonical(p); err != nil || string(again) != string(b) {
			t.Errorf("read %q, wrote %q: %v", b, again, err)
		}
	})
}
