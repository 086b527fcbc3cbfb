package evidence_test

import (
	"fmt"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// Whatever is altered about who may go on, and who confirmed it, is found.
func TestWalkAccessReviews(t *testing.T) {
	// listed adds the list of a scope and a word on it; each may be altered before it is put.
	listed := func(scope string, people []string, list func(*evidence.AccessList), leaf func(*audit.AccessListed), word func(*audit.AccessSigned)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			l := evidence.AccessList{V: 1, Scope: scope, At: at(15300), Due: at(15300 + 86400)}
			for _, p := range people {
				l.Lines = append(l.Lines, evidence.AccessLine{Person: p, Since: at(40), By: "olaf"})
			}
			if list != nil {
				list(&l)
			}
			b := audit.AccessListed{Scope: scope, Document: s.PutJSON(l), At: l.At, Due: l.Due, By: "penstock"}
			if leaf != nil {
				leaf(&b)
			}
			s.Add(15300, "penstock", b, scope, "access/"+scope)
			if word == nil {
				return
			}
			a := audit.AccessSigned{Scope: scope, Document: b.Document, Kept: people, By: "olaf", At: at(15301)}
			word(&a)
			s.Add(15301, "olaf", a, scope, "access/"+scope)
		}
	}
	krall, security := []string{"ann"}, []string{"ines", "otto"}
	as := func(*audit.AccessSigned) {}
	findsEach(t, []alteration{
		{"as it was", listed("firm/krall", krall, nil, nil, as), ""},
		{"begun in Penstock's name", func(s *evidencetest.Story) {
			listed("firm/krall", krall, nil, nil, nil)(s)
			s.Step("access.listed", 0).Event.Actor = "mia"
		}, "begun by penstock, who is nobody of the plant"},
		{"the list of another scope", listed("firm/krall", krall, func(l *evidence.AccessList) { l.Scope = "firm/other" }, nil, nil), "the leaf and its list differ"},
		{"the leaf says another time", listed("firm/krall", krall, nil, func(b *audit.AccessListed) { b.At = at(15299) }, nil), "the leaf and its list differ"},
		{"the leaf says another day", listed("firm/krall", krall, nil, func(b *audit.AccessListed) { b.Due = at(15299 + 86400) }, nil), "the leaf and its list differ"},
		{"a list of tomorrow", listed("firm/krall", krall, func(l *evidence.AccessList) { l.At = at(15310) }, nil, nil), "its list is of"},
		{"a list of yesterday", listed("firm/krall", krall, func(l *evidence.AccessList) { l.At = at(15200) }, nil, nil), "its list is of"},
		{"a word on another list", listed("firm/krall", krall, nil, nil, func(a *audit.AccessSigned) { a.Document = audit.HashOf(nil) }), "it signs another list than the newest of firm/krall"},
		{"a word on no list", func(s *evidencetest.Story) {
			listed("firm/krall", krall, nil, nil, as)(s)
			s.Drop(s.Step("access.listed", 0))
		}, "it signs another list than the newest of firm/krall"},
		{"in another's name", listed("firm/krall", krall, nil, nil, func(a *audit.AccessSigned) { a.By = "ines" }), "olaf signed what ines says"},
		{"a word on nobody", listed("firm/krall", krall, nil, nil, func(a *audit.AccessSigned) { a.Kept = nil }), "it says nothing about anybody"},
		{"one's own", func(s *evidencetest.Story) {
			listed("role/ot-security", security, nil, nil, func(a *audit.AccessSigned) { a.By = "ines" })(s)
			s.Step("access.signed", 0).Event.Actor = "ines"
		}, "ines confirmed themself"},
		{"of somebody who was not asked about", listed("firm/krall", krall, nil, nil, func(a *audit.AccessSigned) { a.Kept = []string{"bob"} }), "bob was not to be confirmed"},
	})
}

// Whatever is altered about a backup, or about what the plant owes, is found.
func TestWalkBackupsAndDebts(t *testing.T) {
	backed := func(do func(*audit.AssetBackup)) audit.Event {
		b := audit.AssetBackup{Asset: "filler-plc", Last: at(14000), By: "mia", At: at(15300)}
		if do != nil {
			do(&b)
		}
		return by(b.By, b.Asset, b)
	}
	in := func(ev audit.Event, actor, subject string) audit.Event {
		ev.Actor, ev.Subject = actor, subject
		return ev
	}
	owed := []audit.DebtItem{{Kind: "backup", What: "filler-plc"}}
	opened, closed := by("penstock", "d", audit.DebtOpened{Items: owed}), by("penstock", "d", audit.DebtClosed{Items: owed})
	findsEach(t, []alteration{
		{"as it was", after(backed(nil), backed(nil), opened, closed, opened), ""},
		{"in another's name", after(in(backed(nil), "otto", "filler-plc")), "otto said it of filler-plc, and the leaf says mia of filler-plc"},
		{"of another machine", after(in(backed(nil), "mia", "capper-plc")), "mia said it of capper-plc, and the leaf says mia of filler-plc"},
		{"said by a vendor", after(backed(func(b *audit.AssetBackup) { b.By = "ann" })), "said by ann, who is nobody of the plant"},
		{"a backup of tomorrow", after(backed(func(b *audit.AssetBackup) { b.Last = at(15301) })), "it was backed up at"},
		{"said tomorrow", after(backed(func(b *audit.AssetBackup) { b.At = at(15310) })), "it was backed up at"},
		{"an older one than was said", after(backed(nil), backed(func(b *audit.AssetBackup) { b.Last = at(13999) })), "it was backed up later than"},
		{"a debt told by a person", after(in(opened, "mia", "d")), "mia says what is owed"},
		{"owed twice", after(opened, opened), "backup filler-plc is owed: true, and was so before"},
		{"owed no more, and never was", after(closed), "backup filler-plc is owed: false, and was so before"},
	})
}

// Whatever is altered about a roster or a deputy is found.
func TestWalkDuty(t *testing.T) {
	roster := func(team, actor, by string, turns ...evidence.Turn) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			s.Add(15300, actor, audit.RosterWritten{Team: "shift", Document: s.PutJSON(evidence.Roster{V: 1, Team: team, Turns: turns}), By: by, At: at(15300)}, "shift", "roster/shift")
		}
	}
	turn := func(who string) evidence.Turn { return evidence.Turn{Person: who, From: at(15000), To: at(20000)} }
	named := func(do func(*audit.DeputyNamed)) audit.Event {
		b := audit.DeputyNamed{Team: "shift", For: "mia", Person: "otto", From: at(15300), Until: at(20000), By: "mia", At: at(15300)}
		if do != nil {
			do(&b)
		}
		return by("mia", "shift", b)
	}
	ended := func(who, person string) audit.Event {
		return by(who, "shift", audit.DeputyEnded{Team: "shift", For: "mia", Person: person, By: who, At: at(15301)})
	}
	many := func() (all []audit.Event) {
		for i := range evidence.MaxList + 1 {
			all = append(all, named(func(b *audit.DeputyNamed) { b.For = fmt.Sprintf("p%d", i) }))
		}
		return all
	}
	both := func(all ...func(*evidencetest.Story)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			for _, do := range all {
				do(s)
			}
		}
	}
	written := roster("shift", "olaf", "olaf", turn("mia"), turn("otto"))
	leaver := after(by("ines", "otto", audit.PersonDisabled{Person: "otto", By: "ines"}))
	findsEach(t, []alteration{
		{"as it was", both(written, after(named(nil), ended("olaf", "otto"))), ""},
		{"a leaver's turn is taken out", both(written, leaver, roster("shift", "penstock", "penstock", turn("mia"))), ""},
		{"written in another's name", roster("shift", "mia", "olaf", turn("mia")), "mia wrote it, and the leaf says olaf"},
		{"another team's roster", roster("ot-security", "olaf", "olaf", turn("mia")), "its roster is of ot-security"},
		{"a vendor's turn", roster("shift", "olaf", "olaf", turn("ann")), "ann has a turn, who is nobody of the plant"},
		{"Penstock writes the first one", roster("shift", "penstock", "penstock", turn("mia")), "Penstock wrote a roster where none was kept"},
		{"Penstock gives a turn", both(written, leaver, roster("shift", "penstock", "penstock", turn("ines"), turn("mia"))), "Penstock gave ines a turn"},
		{"Penstock takes a turn", both(written, roster("shift", "penstock", "penstock", turn("mia"))), "Penstock took a turn from otto, who has not left"},
		{"Penstock keeps none any more", both(written, after(by("penstock", "shift", audit.RosterWritten{Team: "shift", By: "penstock"}))), "Penstock wrote a roster where none was kept"},
		{"a deputy whom another named", after(named(func(b *audit.DeputyNamed) { b.For, b.By = "olaf", "olaf" })), "mia named a deputy of olaf"},
		{"one's own deputy", after(named(func(b *audit.DeputyNamed) { b.Person = "mia" })), "mia stands in for themself"},
		{"a vendor for a deputy", after(named(func(b *audit.DeputyNamed) { b.Person = "ann" })), "ann, who is to stand in, is nobody of the plant"},
		{"for no time", after(named(func(b *audit.DeputyNamed) { b.Until = b.From })), "it is from"},
		{"for longer than a month", after(named(func(b *audit.DeputyNamed) { b.Until = b.From.Add(evidence.MaxDeputy + time.Second) })), "it is from"},
		{"more than there may be", after(many()...), "it is deputy 65 of one team"},
		{"ended by a vendor", after(named(nil), ended("ann", "otto")), "ended by ann, who is nobody of the plant"},
		{"ended by Penstock, and nobody has left", after(named(nil), ended("penstock", "otto")), "ended by penstock, who is nobody of the plant"},
		{"ended by a vendor, and somebody has left", both(after(named(nil)), leaver, after(ended("ann", "otto"))), "ended by ann, who is nobody of the plant"},
		{"ended by Penstock for a leaver", both(after(named(nil)), leaver, after(ended("penstock", "otto"))), ""},
		{"ended, and never named", after(named(nil), ended("olaf", "ines")), "ines does not stand in for mia"},
	})
	t.Run("somebody of another team than may stand in", func(t *testing.T) {
		plant := edited(t, evidencetest.PlantText(), "shift: {name: Line 1 shift supervisor}", "shift: {name: Line 1 shift supervisor, deputy: line-1-owner}")
		s := evidencetest.New(plant)
		after(named(func(b *audit.DeputyNamed) { b.Person = "olaf" }), named(nil))(s)
		_, wrong, _ := walk(s)
		match(t, wrong, []string{"otto does not hold line-1-owner, whose people stand in for shift"})
	})
}

// Whatever is altered about whom the plant file asks next is found.
func TestWalkAsksNext(t *testing.T) {
	next := func(do func(*audit.PersonAsked)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			inPlace(s, 221, 230)
			change(s.Step("person.asked", 1), do)
		}
	}
	findsEach(t, []alteration{
		{"after it was agreed", func(s *evidencetest.Story) {
			behind(s, s.Step("window.agreed", 0), 330, "penstock", audit.PersonAsked{Role: "shift", People: []string{"mia"}, For: "line-1-owner", At: at(330)}, "R-1", "request/R-1")
		}, "the request was agreed"},
		{"it says a later time", next(func(b *audit.PersonAsked) { b.At = at(224) }), "and the log has it at"},
		{"it says an earlier time", next(func(b *audit.PersonAsked) { b.At = at(100) }), "and the log has it at"},
		{"for a team that need not agree", next(func(b *audit.PersonAsked) { b.For = "shift" }), "nobody of shift had to be asked"},
	})
}

// Whatever is altered about terms, training and what leavers leave behind is found.
func TestWalkLeavers(t *testing.T) {
	terms := func(do func(*audit.TermsAccepted)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			h := s.Put([]byte("terms"))
			b := audit.TermsAccepted{Person: "ann", Firm: "krall", Terms: h, At: at(15301), Until: at(15301).AddDate(0, 0, 30)}
			if do != nil {
				do(&b)
			}
			after(by("olaf", "krall", audit.FirmChanged{Firm: "krall", Name: "Krall", Sponsor: "olaf", Terms: h, TermsDays: 30, By: "olaf"}), by("ann", b.Person, b))(s)
		}
	}
	// untold is a night of which the window was never agreed, with olaf's answer taken back.
	untold := func(gone bool, do func(*audit.AnswerWithdrawn)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			last := s.Step("answer.given", 0)
			if gone {
				last = behind(s, last, 201, "ines", audit.PersonDisabled{Person: "olaf", By: "ines"}, "olaf", "person/olaf")
			}
			b := audit.AnswerWithdrawn{Request: "R-1", Rev: 1, Person: "olaf"}
			if do != nil {
				do(&b)
			}
			behind(s, last, 202, "penstock", b, "R-1", "request/R-1")
		}
	}
	findsEach(t, []alteration{
		{"terms as they are", terms(nil), ""},
		{"terms of another firm", terms(func(b *audit.TermsAccepted) { b.Firm = "fjord" }), "the log does not know ann of fjord"},
		{"terms of a firm that there is not", terms(func(b *audit.TermsAccepted) { b.Firm = "more" }), "the log does not know ann of more"},
		{"terms accepted by nobody", terms(func(b *audit.TermsAccepted) { b.Person = "zoe" }), "the log does not know zoe of krall"},
		{"other terms", terms(func(b *audit.TermsAccepted) { b.Terms = audit.HashOf(nil) }), "and the terms of krall are"},
		{"terms that there are not", func(s *evidencetest.Story) {
			after(by("ann", "ann", audit.TermsAccepted{Person: "ann", Firm: "krall", At: at(15300), Until: at(15300)}))(s)
		}, "and the terms of krall are"},
		{"terms accepted tomorrow", terms(func(b *audit.TermsAccepted) { b.At, b.Until = at(15401), at(15401).AddDate(0, 0, 30) }), "for 30 days"},
		{"training of nobody", after(by("olaf", "zoe", audit.TrainingNoted{Person: "zoe", Training: "site-safety", By: "olaf"})), "the log does not know zoe"},
		{"an answer taken back, and nobody has left", untold(false, nil), "the answer of olaf, who has not left, was taken back by penstock"},
		{"an answer taken back by a person", func(s *evidencetest.Story) {
			untold(true, nil)(s)
			s.Step("answer.withdrawn", 0).Event.Actor = "mia"
		}, "was taken back by mia"},
		{"an answer that was never given", func(s *evidencetest.Story) {
			untold(true, nil)(s)
			given := s.Step("answer.given", 0)
			s.Drop(given)
		}, "olaf had said nothing that still counts"},
		{"to another revision", untold(true, func(b *audit.AnswerWithdrawn) { b.Rev = 2 }), "revision 1 was waiting"},
		{"after it was agreed", func(s *evidencetest.Story) {
			last := behind(s, s.Step("window.agreed", 0), 310, "ines", audit.PersonDisabled{Person: "olaf", By: "ines"}, "olaf", "person/olaf")
			behind(s, last, 311, "penstock", audit.AnswerWithdrawn{Request: "R-1", Rev: 1, Person: "olaf"}, "R-1", "request/R-1")
		}, "revision 1 was agreed"},
	})
}
