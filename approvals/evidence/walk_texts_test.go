package evidence_test

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// A text that a leaf names and that is none of its kind is found, whichever leaf it
// is: nothing is judged by what could be read of it.
func TestWalkTextsThatAreNone(t *testing.T) {
	none := func(s *evidencetest.Story) audit.Hash { return s.Put([]byte(`{"v":1}`)) }
	spoken := func(s *evidencetest.Story) {
		a := s.Answers["ines"]
		s.Add(15300, "ines", audit.SpokenSigned{Window: "W-1", Person: "ines", Says: a.Says, Document: none(s), At: at(15300)}, "W-1", spokenID)
	}
	findsEach(t, []alteration{
		{"a request", func(s *evidencetest.Story) {
			change(s.Step("request.submitted", 0), func(b *audit.RequestSubmitted) { b.Document = none(s) })
		}, "(request.submitted R-1): request: "},
		{"an answer", func(s *evidencetest.Story) {
			change(s.Step("answer.given", 0), func(b *audit.AnswerGiven) { b.Document = none(s) })
		}, "(answer.given R-1): answer: "},
		{"a claim", func(s *evidencetest.Story) {
			change(s.Step("window.agreed", 0), func(b *audit.WindowAgreed) { b.Claim = none(s) })
		}, "(window.agreed W-1): claim: "},
		{"a roster", after(by("olaf", "shift", audit.RosterWritten{Team: "shift", Document: audit.HashOf([]byte("x")), By: "olaf", At: at(15300)})), "its roster cannot be read"},
		{"a roster of another form", func(s *evidencetest.Story) {
			after(by("olaf", "shift", audit.RosterWritten{Team: "shift", Document: none(s), By: "olaf", At: at(15300)}))(s)
		}, "(roster.written shift): roster: "},
		{"a list of who has access", func(s *evidencetest.Story) {
			after(by("olaf", "firm/krall", audit.AccessListed{Scope: "firm/krall", Document: none(s), At: at(15300), Due: at(15300 + 86400), By: "olaf"}))(s)
		}, "access list: "},
		{"a word on what was heard", spoken, "W-1"},
		{"a change of the plant file", func(s *evidencetest.Story) {
			s.Add(15300, "ines", audit.PlantProposed{Change: "C-1", By: "ines", Document: none(s), From: s.Request.Plant, To: s.Request.Plant, Until: at(90000)}, "C-1", "change/C-1")
		}, "(plant.proposed C-1): "},
		{"a pattern", func(s *evidencetest.Story) {
			s.Add(15300, "ines", audit.PatternProposed{Pattern: "P-1", Frame: "callout", Firm: "krall", By: "ines", Document: none(s), Plant: s.Request.Plant}, "P-1", "pattern/P-1")
		}, "(pattern.proposed P-1): pattern: "},
		{"a list of an outage", func(s *evidencetest.Story) {
			s.Add(15300, "mia", audit.OutageWritten{Outage: "O-1", Rev: 1, By: "mia", Document: none(s), At: at(15300)}, "O-1", "outage/O-1")
		}, "(outage.written O-1): outage: "},
		{"a priority that is none", func(s *evidencetest.Story) {
			behind(s, s.Step("person.asked", 0), 150, "mia", audit.PriorityChanged{Request: "R-1", Rev: 1, To: "P9", Team: "shift", By: "mia", Why: "x", At: at(150)}, "R-1", "request/R-1")
		}, "P9"},
		{"an errand that is none", func(s *evidencetest.Story) {
			change(s.Step("cert.issued", 1), func(b *audit.CertIssued) { b.Session, b.Errand = "", "look around" })
		}, `"look around" is no errand of the broker`},
		{"an errand in somebody's session", func(s *evidencetest.Story) {
			change(s.Step("cert.issued", 1), func(b *audit.CertIssued) { b.Errand = "check" })
		}, `"check" is no errand of the broker`},
	})
}

// Steps of a change of the plant file and of a pattern that cannot be where they are.
func TestWalkStepsOutOfPlace(t *testing.T) {
	from := governed(t)
	to := governed(t, "longest: 4h", "longest: 6h")
	for _, row := range []struct {
		story string
		do    func(c *change10)
		want  string
	}{
		{"withdrawn when it was in force", func(c *change10) { c.agreed(); c.moved(morning+200, "ines", "withdrawn") }, "the change was kept"},
		{"unanswered when it was in force", func(c *change10) { c.agreed(); c.moved(morning+86400, "penstock", "unanswered") }, "the change was kept"},
		{"kept, and never in force", func(c *change10) { c.moved(morning+200, "ines", "kept") }, "the change was waiting, and has nothing to confirm"},
		{"answered when it was in force", func(c *change10) {
			c.agreed()
			c.answer(morning+200, "otto", "ot-security", evidence.Yes, nil)
		}, "the change was kept"},
		{"the yes of a leaver is taken back when it was in force", func(c *change10) {
			c.agreed()
			c.Add(morning+200, "ines", audit.PersonDisabled{Person: "olaf", By: "ines"}, "olaf", "person/olaf")
			c.Add(morning+201, "penstock", audit.AnswerWithdrawn{Request: "C-1", Person: "olaf"}, "C-1", "change/C-1")
		}, "the change was kept"},
		{"proposed in another's name", func(c *change10) { c.Step("plant.proposed", 0).Event.Actor = "olaf" }, "olaf proposed what ines wrote"},
		{"proposed by the vendor", func(c *change10) {
			c.doc.By = "ann"
			c.Step("plant.proposed", 0).Event.Actor = "ann"
			change(c.Step("plant.proposed", 0), func(b *audit.PlantProposed) { b.By, b.Document = "ann", c.PutJSON(c.doc) })
		}, "proposed by ann, who is nobody of the plant with a role"},
		{"withdrawn by the vendor", func(c *change10) { c.moved(morning+200, "ann", "withdrawn") }, "withdrawn by ann, who is nobody of the plant with a role"},
		{"withdrawn in another's name", func(c *change10) {
			c.moved(morning+200, "ines", "withdrawn")
			c.Step("plant.moved", 0).Event.Actor = "ann"
		}, "ann moved it, and the leaf says ines"},
		{"proposed twice", func(c *change10) {
			c.Add(morning+5, "ines", c.Step("plant.proposed", 0).Event.Body, "C-1", "change/C-1")
		}, "C-1 was proposed before"},
	} {
		t.Run(row.story, func(t *testing.T) {
			c := propose(evidencetest.New(from), from, to)
			row.do(c)
			_, wrong, _ := walk(c.Story)
			match(t, wrong, []string{row.want, "*"})
		})
	}
	for _, row := range []struct {
		story string
		do    func(c *callOut)
		want  string
	}{
		{"answered when it was agreed", func(c *callOut) {
			c.before = func(c *callOut) {
				h, _ := c.says(morning+700, "otto", "ot-security", c.text, at(morning+86400))
				c.Add(morning+700, "otto", audit.PatternAnswered{Pattern: "P-1", Person: "otto", Firm: "fjord", Roles: []string{"ot-security"}, Says: evidence.Yes, Document: h}, "P-1", "pattern/P-1")
			}
		}, "the pattern was agreed"},
		{"the yes of a leaver is taken back when it was agreed", func(c *callOut) {
			c.before = func(c *callOut) {
				c.Add(morning+700, "ines", audit.PersonDisabled{Person: "olaf", By: "ines"}, "olaf", "person/olaf")
				c.Add(morning+701, "penstock", audit.AnswerWithdrawn{Request: "P-1", Person: "olaf"}, "P-1", "pattern/P-1")
			}
		}, "the pattern was agreed"},
		{"proposed twice", func(c *callOut) {
			c.before = func(c *callOut) {
				c.Add(morning+700, "ines", c.Step("pattern.proposed", 0).Event.Body, "P-1", "pattern/P-1")
			}
		}, "P-1 was proposed before"},
		{"agreed when it had ended", func(c *callOut) {
			c.pattern = func(p *evidence.Pattern) { p.Until = at(morning + 300) }
		}, "ended at"},
	} {
		t.Run("a pattern: "+row.story, func(t *testing.T) {
			c := &callOut{plant: framed(t), yes: []string{"olaf/line-1-owner", "ines/ot-security"}, night: []string{"mia/shift"}}
			row.do(c)
			c.tell(t)
			_, wrong, _ := walk(c.Story)
			match(t, wrong, []string{row.want, "*"})
		})
	}
}

// An outage's list, written when the night is over: whatever is altered is found.
func TestWalkOutageLists(t *testing.T) {
	list := func(text func(*evidence.Outage), leaf func(*audit.OutageWritten)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			o := evidence.Outage{V: 1, Outage: "O-1", Rev: 1, By: "mia", Name: "Winter overhaul", From: at(20000), To: at(40000), Plant: s.Request.Plant}
			if text != nil {
				text(&o)
			}
			b := audit.OutageWritten{Outage: "O-1", Rev: o.Rev, By: o.By, Document: s.PutJSON(o), At: at(15300)}
			if leaf != nil {
				leaf(&b)
			}
			s.Add(15300, b.By, b, "O-1", "outage/O-1")
		}
	}
	// again writes a second revision behind the first.
	again := func(text func(*evidence.Outage)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			list(nil, nil)(s)
			list(func(o *evidence.Outage) {
				o.Rev = 2
				text(o)
			}, nil)(s)
		}
	}
	back := func(who string) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			list(nil, nil)(s)
			s.Add(15301, who, audit.OutageWithdrawn{Outage: "O-1", By: who, At: at(15301)}, "O-1", "outage/O-1")
		}
	}
	row := func(s *evidencetest.Story) evidence.OutageRow {
		return evidence.OutageRow{Request: "R-1", Document: s.PutJSON(s.Request), Look: []string{"loads programs"}}
	}
	findsEach(t, []alteration{
		{"as it was", list(nil, nil), ""},
		{"the leaf says another revision", list(nil, func(b *audit.OutageWritten) { b.Rev = 2 }), "the leaf and the list differ"},
		{"the leaf names another outage", list(nil, func(b *audit.OutageWritten) { b.Outage = "O-2" }), "the leaf and the list differ"},
		{"in another's name", list(nil, func(b *audit.OutageWritten) { b.By = "olaf" }), "the leaf and the list differ"},
		{"written by the vendor", list(func(o *evidence.Outage) { o.By = "ann" }, nil), "written by ann, who is nobody of the plant"},
		{"begun by Penstock", list(func(o *evidence.Outage) { o.By = "penstock" }, nil), "written by penstock, who is nobody of the plant"},
		{"by another plant file", list(func(o *evidence.Outage) { o.Plant = audit.HashOf([]byte("x")) }, nil), "it names the plant file"},
		{"a later revision first", list(func(o *evidence.Outage) { o.Rev = 2 }, nil), "it begins with revision 2"},
		{"a revision is left out", again(func(o *evidence.Outage) { o.Rev = 3 }), "revision 3 follows revision 1"},
		{"another name", again(func(o *evidence.Outage) { o.Name = "Summer" }), "it is of another name or time than before"},
		{"another time", again(func(o *evidence.Outage) { o.To = at(40001) }), "it is of another name or time than before"},
		{"a request that does not want to be on it", func(s *evidencetest.Story) {
			list(func(o *evidence.Outage) { o.Rows = []evidence.OutageRow{row(s)} }, nil)(s)
		}, "R-1 does not want to be on it"},
		{"a request that there is not", func(s *evidencetest.Story) {
			list(func(o *evidence.Outage) {
				r := row(s)
				r.Request = "R-9"
				o.Rows = []evidence.OutageRow{r}
			}, nil)(s)
		}, "R-9"},
		{"another text of a request", func(s *evidencetest.Story) {
			list(func(o *evidence.Outage) {
				r := row(s)
				r.Document = s.Put([]byte("{}"))
				o.Rows = []evidence.OutageRow{r}
			}, nil)(s)
		}, "it names another text of R-1 than the newest"},
		{"what is unusual is not told", func(s *evidencetest.Story) {
			list(func(o *evidence.Outage) {
				r := row(s)
				r.Look = nil
				o.Rows = []evidence.OutageRow{r}
			}, nil)(s)
		}, "it tells what is unusual of R-1 as []"},
		{"Penstock puts a request on it", func(s *evidencetest.Story) {
			again(func(o *evidence.Outage) { o.By, o.Rows = "penstock", []evidence.OutageRow{row(s)} })(s)
		}, "penstock put R-1 on it"},
		{"a row is taken away", func(s *evidencetest.Story) {
			list(func(o *evidence.Outage) { o.Rows = []evidence.OutageRow{row(s)} }, nil)(s)
			list(func(o *evidence.Outage) { o.Rev = 2 }, nil)(s)
		}, "R-1 is not on it any more"},
		{"taken back by the vendor", back("ann"), "taken back by ann, who is nobody of the plant"},
		{"taken back in another's name", func(s *evidencetest.Story) {
			back("mia")(s)
			s.Step("outage.withdrawn", 0).Event.Actor = "ann"
		}, "taken back by mia, who is nobody of the plant"},
		{"taken back twice", func(s *evidencetest.Story) {
			back("mia")(s)
			s.Add(15302, "mia", audit.OutageWithdrawn{Outage: "O-1", By: "mia", At: at(15302)}, "O-1", "outage/O-1")
		}, "the log knows no outage O-1 that is still there"},
		{"written when it was taken back", func(s *evidencetest.Story) {
			back("mia")(s)
			list(func(o *evidence.Outage) { o.Rev = 2 }, nil)(s)
		}, "revision 2 follows revision 1, or one that was taken back"},
		{"a request for an outage that there is not", func(s *evidencetest.Story) {
			rewrite(s, func(r *evidence.Request) { r.Outage = "O-1" })
		}, "it is of outage O-1, which the log does not know"},
		{"a request that is longer than its outage", func(s *evidencetest.Story) {
			list(func(o *evidence.Outage) { o.From, o.To = at(3600), at(5*3600) }, nil)(s)
			step := s.Step("outage.written", 0)
			step.Wall = at(90)
			s.Insert(s.Step("person.confirmed", 0))
			rewrite(s, func(r *evidence.Request) { r.Outage = "O-1" })
		}, "and outage O-1 from"},
	})
}

// Two graces of a second, and other moments at which a night is altered.
func TestWalkMoments(t *testing.T) {
	findsEach(t, []alteration{
		{"opened a second after its span", func(s *evidencetest.Story) {
			step := moved(s, "opened")
			step.Wall = s.Claim.To
			change(step, func(b *audit.WindowMoved) { b.At = s.Claim.To })
		}, "outside its span"},
		{"opened by the owner, who works in it", func(s *evidencetest.Story) {
			s.Claim.People = []string{"ann", "mia"}
			change(s.Step("window.agreed", 0), func(b *audit.WindowAgreed) { b.Claim = s.PutJSON(s.Claim) })
		}, "opened by mia, who held no role that opens it"},
		{"a certificate for another's name", func(s *evidencetest.Story) {
			change(s.Step("cert.issued", 0), func(b *audit.CertIssued) { b.Names = []string{"bob"} })
		}, `it names ["bob"], and its person is ann`},
		{"a channel in a window that its session does not name", func(s *evidencetest.Story) {
			change(s.Step("session.started", 0), func(b *audit.SessionStarted) { b.Windows = []string{"W-9"} })
		}, "session S-1 does not name window W-1"},
		{"a channel to what the window names by another port", func(s *evidencetest.Story) {
			change(s.Step("channel.opened", 0), func(b *audit.ChannelOpened) { b.Port = "http" })
		}, "does not name filler-plc by http"},
		{"a pause of tomorrow", func(s *evidencetest.Story) {
			s.Move(5000, "mia", "paused", time.Time{})
			change(s.Insert(s.Step("firstbyte", 0)), func(b *audit.WindowMoved) { b.At = at(5003) })
		}, "and the log has it at"},
		{"taken over by who works in it", func(s *evidencetest.Story) {
			s.Claim.People = []string{"ann", "otto"}
			change(s.Step("window.agreed", 0), func(b *audit.WindowAgreed) { b.Claim = s.PutJSON(s.Claim) })
			a := behind(s, s.Step("firstbyte", 0), 4900, "ines", audit.PersonChanged{Person: "otto", Firm: "fjord", Name: "otto", Roles: []string{"ot-security", "shift"}, By: "ines"}, "otto", "person/otto")
			a = behind(s, a, 5000, "mia", audit.HandoverOffered{Handover: "H-1", Team: "shift", By: "mia", Due: at(5400), At: at(5000), Windows: []string{"W-1"}}, "H-1", "handover/H-1")
			behind(s, a, 5200, "otto", audit.HandoverAccepted{Handover: "H-1", By: "otto", Windows: []string{"W-1"}, At: at(5200)}, "H-1", "handover/H-1")
		}, "otto works in W-1"},
	})
}
