package approvals

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// nth alters the nth leaf (from 0) of one type.
func nth[T audit.Body](n int, do func(l *audit.Leaf, b *T)) func(*world, *audit.Leaf) {
	return func(_ *world, l *audit.Leaf) {
		b, is := l.Body.(T)
		if !is {
			return
		}
		if n == 0 {
			do(l, &b)
			l.Body = b
		}
		n--
	}
}

type falseWord struct {
	story string
	alter func(*world, *audit.Leaf)
	want  string
}

func (w *world) findsEach(t *testing.T, rows []falseWord) {
	t.Helper()
	w.finds(t, "", asItIs)
	for _, row := range rows {
		t.Run(row.story, func(t *testing.T) { w.finds(t, row.want, row.alter) })
	}
}

// What is said of gates is held to who may say it, of which gate, when.
func TestTheVerifierFindsAFalseWordOnAGate(t *testing.T) {
	w := newWorldOf(t, nil, gatedPlant)
	filler, cap := w.agree(), w.agree(capper)
	w.says("guard", true) // 0
	say := func(id policy.WindowID, gate, says string) {
		t.Helper()
		_, err := w.desk.SayGate(w.ctx, w.as("mia"), id, gate, says, "broken")
		wants(t, err, "")
	}
	say(filler, "key", GateStoodIn)                                              // 1
	say(cap, "clear", GateYes)                                                   // 2
	wants(t, w.desk.SayOutage(w.ctx, w.as("olaf"), "winter", true, "begun"), "") // 3
	said := func(n int, do func(l *audit.Leaf, b *audit.GateChanged)) func(*world, *audit.Leaf) { return nth(n, do) }
	w.findsEach(t, []falseWord{
		{"what no gate says", said(0, func(_ *audit.Leaf, b *audit.GateChanged) { b.Says = "perhaps" }), `"perhaps" is nothing that a gate says`},
		{"a gate that there is not", said(0, func(_ *audit.Leaf, b *audit.GateChanged) { b.Gate = "door" }), "has no gate door"},
		{"an input's word by a person", said(0, func(l *audit.Leaf, _ *audit.GateChanged) { l.Actor = "mia" }), "mia says what an input said"},
		{"an input's word for one window", said(1, func(l *audit.Leaf, b *audit.GateChanged) { b.By, l.Actor = "", penstock }), "penstock says what an input said"},
		{"nobody stood in", said(0, func(_ *audit.Leaf, b *audit.GateChanged) { b.Says = "stood-in" }), "nobody stood in for it"},
		{"in another's name", said(2, func(l *audit.Leaf, _ *audit.GateChanged) { l.Actor = "max" }), "max said it, and the leaf says mia"},
		{"an hour earlier", said(2, func(_ *audit.Leaf, b *audit.GateChanged) { b.At = b.At.Add(-time.Hour) }), "and the log has it at"},
		{"an hour later", said(2, func(_ *audit.Leaf, b *audit.GateChanged) { b.At = b.At.Add(time.Hour) }), "and the log has it at"},
		{"an outage that the plant file does not have", said(3, func(_ *audit.Leaf, b *audit.GateChanged) { b.Gate = "door" }), "may not say that door runs"},
		{"stood in for a gate that there is not", said(1, func(_ *audit.Leaf, b *audit.GateChanged) { b.Gate = "door" }), "nobody may stand in for door"},
		{"a gate that there is not, for one window", said(2, func(_ *audit.Leaf, b *audit.GateChanged) { b.Gate = "door" }), "door is not said for a window"},
		{"stood in for a gate of safety", said(1, func(_ *audit.Leaf, b *audit.GateChanged) { b.Gate = "guard" }), "nobody may stand in for guard"},
		{"stood in where nobody may", said(1, func(_ *audit.Leaf, b *audit.GateChanged) { b.Gate = "clear" }), "nobody may stand in for clear"},
		{"stood in without the role", said(1, func(l *audit.Leaf, b *audit.GateChanged) { b.By, l.Actor = "olaf", "olaf" }), "olaf may not stand in for key"},
		{"stood in by who works in it", said(1, func(l *audit.Leaf, b *audit.GateChanged) { b.By, l.Actor = "ann", "ann" }), "ann may not stand in for key"},
		{"an input's gate by somebody's word", said(1, func(_ *audit.Leaf, b *audit.GateChanged) { b.Says = "yes" }), "key is not said for a window"},
		{"said without the role", said(2, func(l *audit.Leaf, b *audit.GateChanged) { b.By, l.Actor = "olaf", "olaf" }), "olaf may not say gate clear"},
		{"an outage said by the shift", said(3, func(l *audit.Leaf, b *audit.GateChanged) { b.By, l.Actor = "mia", "mia" }), "mia may not say that winter runs"},
		{"an outage that is none", said(3, func(_ *audit.Leaf, b *audit.GateChanged) { b.Gate = "clear" }), "olaf may not say that clear runs"},
	})

	_, err := w.desk.Cut(w.ctx, w.as("mia"), cap, "x")
	wants(t, err, "")
	late := w.walked(func(l *audit.Leaf) bool { // the cut came before the word
		if b, is := l.Body.(audit.GateChanged); is && b.Gate == "clear" {
			l.Body = audit.WindowMoved{Window: b.Window, To: "cut", By: "mia", At: b.At}
		} else if m, is := l.Body.(audit.WindowMoved); is && m.To == "cut" {
			l.Body = audit.GateChanged{Gate: "clear", Says: "yes", Window: m.Window, By: "mia", At: m.At}
		}
		return true
	})
	says(t, late, "it was cut")
}

// An escort is somebody who may, is there, and hands on to somebody who may.
func TestTheVerifierFindsAFalseEscort(t *testing.T) {
	w := newWorldOf(t, nil, gatedPlant)
	id := w.agree(capper)
	tap := func(by policy.PersonID, says string, to policy.PersonID) {
		t.Helper()
		_, err := w.desk.Escort(w.ctx, w.as(by), id, says, to)
		wants(t, err, "")
	}
	tap("mia", EscortTook, "") // 0
	w.pass(time.Minute)
	tap("mia", EscortHere, "")       // 1
	tap("mia", EscortOffered, "max") // 2
	tap("max", EscortTook, "")       // 3
	tap("max", EscortLeft, "")       // 4
	said := func(n int, do func(l *audit.Leaf, b *audit.EscortChanged)) func(*world, *audit.Leaf) {
		return nth(n, do)
	}
	w.findsEach(t, []falseWord{
		{"what no escort says", said(1, func(_ *audit.Leaf, b *audit.EscortChanged) { b.Says = "asleep" }), `"asleep" is nothing that an escort says`},
		{"in another's name", said(1, func(l *audit.Leaf, _ *audit.EscortChanged) { l.Actor = "max" }), "max said it, and the leaf says mia"},
		{"left by penstock", said(4, func(l *audit.Leaf, _ *audit.EscortChanged) { l.Actor = penstock }), "penstock said it, and the leaf says max"},
		{"an hour earlier", said(1, func(_ *audit.Leaf, b *audit.EscortChanged) { b.At = b.At.Add(-time.Hour) }), "and the log has it at"},
		{"an hour later", said(1, func(_ *audit.Leaf, b *audit.EscortChanged) { b.At = b.At.Add(time.Hour) }), "and the log has it at"},
		{"handed to nobody", said(2, func(_ *audit.Leaf, b *audit.EscortChanged) { b.To = "zoe" }), "zoe may not escort it"},
		{"a tap of Penstock's", said(1, func(l *audit.Leaf, _ *audit.EscortChanged) { l.Actor = penstock }), "penstock said it, and the leaf says mia"},
		{"a tap of who is not it", said(1, func(l *audit.Leaf, b *audit.EscortChanged) { b.By, l.Actor = "max", "max" }), "max is not its escort"},
		{"taken by the vendor", said(0, func(l *audit.Leaf, b *audit.EscortChanged) { b.By, l.Actor = "ann", "ann" }), "ann may not escort it"},
		{"taken without a role", said(0, func(l *audit.Leaf, b *audit.EscortChanged) { b.By, l.Actor = "ida", "ida" }), "ida may not escort it"},
		{"taken from who watches", said(2, func(_ *audit.Leaf, b *audit.EscortChanged) { b.Says, b.To = "here", "" }), "mia watched it and had not handed it on"},
		{"handed to the vendor", said(2, func(_ *audit.Leaf, b *audit.EscortChanged) { b.To = "ann" }), "ann may not escort it"},
		{"a tap after two were missed", func(_ *world, l *audit.Leaf) { // the first came an hour before
			if b, is := l.Body.(audit.EscortChanged); is && b.Says == "took" && b.By == "mia" {
				b.At = b.At.Add(-time.Hour)
				l.Body = b
			}
		}, "mia had missed two taps"},
	})
}

// A handover is offered and taken by people of the team, once.
func TestTheVerifierFindsAFalseHandover(t *testing.T) {
	w := newWorld(t, nil)
	win := w.open()
	h := w.offered(15 * time.Minute)
	if _, err := w.desk.TakeOver(w.ctx, w.as("max"), h.ID, []policy.WindowID{win.ID}); err != nil {
		t.Fatal(err)
	}
	offered := func(do func(l *audit.Leaf, b *audit.HandoverOffered)) func(*world, *audit.Leaf) { return nth(0, do) }
	taken := func(do func(l *audit.Leaf, b *audit.HandoverAccepted)) func(*world, *audit.Leaf) { return nth(0, do) }
	w.findsEach(t, []falseWord{
		{"offered by who is not of the team", offered(func(l *audit.Leaf, b *audit.HandoverOffered) { b.By, l.Actor = "ida", "ida" }), "ida may not hand over what shift opens"},
		{"offered in another's name", offered(func(l *audit.Leaf, _ *audit.HandoverOffered) { l.Actor = "ida" }), "may not hand over what shift opens"},
		{"a window that there is not", offered(func(_ *audit.Leaf, b *audit.HandoverOffered) { b.Windows = append(b.Windows, "W-9") }), "the log does not know window W-9"},
		{"taken by who offered it", taken(func(l *audit.Leaf, b *audit.HandoverAccepted) { b.By, l.Actor = "mia", "mia" }), "mia may not take over from mia"},
		{"taken in another's name", taken(func(l *audit.Leaf, _ *audit.HandoverAccepted) { l.Actor = "ida" }), "may not take over from"},
		{"taken by who is not of the team", taken(func(l *audit.Leaf, b *audit.HandoverAccepted) { b.By, l.Actor = "ida", "ida" }), "ida may not take over from"},
		{"taken over what was not offered", offered(func(_ *audit.Leaf, b *audit.HandoverOffered) { b.Windows = nil }), "was not there to be taken"},
		{"a handover that there is not", taken(func(_ *audit.Leaf, b *audit.HandoverAccepted) { b.Handover = "H-9" }), "the log does not know handover H-9"},
	})
}

// The two words that lift an island are over one text, which says what is lifted.
func TestTheVerifierFindsAFalseLifting(t *testing.T) {
	w := newWorld(t, nil)
	b, err := w.desk.Island(w.ctx, w.as("mia"), "", "fire")
	wants(t, err, "")
	for _, id := range []policy.PersonID{"mia", "sara"} {
		_, err := w.lift(id, b.ID, "line-1")
		wants(t, err, "")
	}
	word := func(n int, do func(l *audit.Leaf, b *audit.IslandAnswered)) func(*world, *audit.Leaf) {
		return nth(n, do)
	}
	text := func(n int, do func(*evidence.Lift)) func(*world, *audit.Leaf) {
		return word(n, func(_ *audit.Leaf, b *audit.IslandAnswered) {
			doc, err := w.docs.Get(w.ctx, b.Text)
			w.ok(err)
			l, err := evidence.ParseLift(doc)
			w.ok(err)
			do(&l)
			doc, err = audit.Canonical(l)
			w.ok(err)
			b.Text = w.put(doc)
		})
	}
	w.findsEach(t, []falseWord{
		{"of a block that there is not", word(0, func(_ *audit.Leaf, b *audit.IslandAnswered) { b.Block = "B-9" }), "the log knows no island B-9"},
		{"of a block that is no island", nth(0, func(_ *audit.Leaf, b *audit.BlockSet) { b.All, b.Firm = false, "krall" }), "the log knows no island B-1"},
		{"the leaf says another zone", word(0, func(_ *audit.Leaf, b *audit.IslandAnswered) { b.Zone = "" }), "the leaf and the lifting's text differ"},
		{"a zone that it is not of", nth(0, func(_ *audit.Leaf, b *audit.BlockSet) { b.All, b.Island, b.Zone = false, true, "office" }), "zone line-1 is not what this island is of"},
		{"by another plant file", text(0, func(l *evidence.Lift) { l.Plant = audit.HashOf([]byte("x")) }), "it names the plant file"},
		{"by an older revision", text(0, func(l *evidence.Lift) { l.Rev++ }), "its text is of revision"},
		{"a word to something else", text(1, func(l *evidence.Lift) { l.Rev++ }), "it answers something else than this lifting"},
		{"lifted with the first word", word(0, func(_ *audit.Leaf, b *audit.IslandAnswered) { b.Lifts = true }), "two people"},
		{"one word twice", word(1, func(l *audit.Leaf, b *audit.IslandAnswered) {
			for _, leaf := range w.log.leaves() {
				if first, is := leaf.Body.(audit.IslandAnswered); is {
					l.Actor, *b = "mia", first
					break
				}
			}
			b.Lifts = true
		}), "two people"},
	})
}
