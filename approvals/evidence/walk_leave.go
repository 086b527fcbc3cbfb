package evidence

import (
	"slices"
	"strings"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// gone says whether somebody was disabled by an earlier leaf.
func (w *Walk) gone(id string) bool {
	p := w.people[id]
	return p != nil && p.disabled
}

// over says whether a firm's contract was over at a moment, or just after.
func (f *firm) over(at time.Time) bool {
	return f != nil && !f.until.IsZero() && !at.Add(settleTime).Before(f.until)
}

// left says whether a request lost what it rested on: its firm's contract,
// whoever asked, all who were to work, or somebody who had said yes to it.
func (w *Walk) left(r *asked) bool {
	yes := slices.ContainsFunc(r.answers, func(h heard) bool { return w.gone(w.sayer(h)) })
	if v := w.windows[r.window]; v != nil && r.state == "agreed" {
		yes = yes || slices.ContainsFunc(v.answers, func(h heard) bool { return w.gone(w.sayer(h)) })
	}
	return yes || w.gone(r.by) || r.keeper != "" && w.gone(r.keeper) || w.firms[r.firm].over(w.leaf.Wall) ||
		len(r.workers) > 0 && !slices.ContainsFunc(r.workers, func(id string) bool { return !w.gone(id) })
}

// stillHere: what is agreed to rests on the yes of nobody who had left.
func (w *Walk) stillHere(answers []heard) {
	for _, h := range answers {
		if who := w.sayer(h); w.gone(who) {
			w.must(w.justKnown(who) != nil, "it rests on the yes of %s, who had left", short(who))
		}
	}
}

// sayer is who gave an answer, by its document; empty where that cannot be read.
func (w *Walk) sayer(h heard) string {
	doc := w.document("answer", h.document)
	if doc == nil {
		return ""
	}
	a, err := ParseAnswer(doc)
	if err != nil {
		return ""
	}
	return a.Person
}

// answerWithdrawn: the yes of somebody who has left, while its request awaits.
func (w *Walk) answerWithdrawn(b audit.AnswerWithdrawn) {
	w.must(w.leaf.Actor == penstock && w.gone(b.Person), "the answer of %s, who has not left, was taken back by %s", short(b.Person), short(w.leaf.Actor))
	without := func(list []heard) []heard {
		before := len(list)
		list = slices.DeleteFunc(slices.Clone(list), func(h heard) bool { return w.sayer(h) == b.Person })
		w.must(len(list) < before, "%s had said nothing that still counts", short(b.Person))
		return list
	}
	switch {
	case strings.HasPrefix(b.Request, "P-"):
		if p := w.pattern(b.Request); p != nil {
			w.must(p.state == "waiting", "the pattern was %s", p.state)
			p.asked = without(p.asked)
		}
		return
	case strings.HasPrefix(b.Request, "C-"):
		if c := w.plantChange(b.Request); c != nil {
			w.must(c.state == "waiting", "the change was %s", c.state)
			c.answers = without(c.answers)
		}
		return
	}
	r := w.request(b.Request)
	if r == nil {
		return
	}
	w.must(r.awaits() && b.Rev == r.rev, "revision %d was %s", r.rev, r.state)
	r.answers = without(r.answers)
}

// dropped: Penstock writes a roster only to leave out the turns of people who
// have left, and changes nothing else of it.
func (w *Walk) dropped(b audit.RosterWritten) {
	was, doc := w.duty[b.Team], w.document("roster", b.Document)
	if !w.must(was.Kept && doc != nil, "Penstock wrote a roster where none was kept") {
		return
	}
	r, err := ParseRoster(doc)
	if err != nil {
		return // found already
	}
	for _, t := range r.Turns {
		w.must(slices.Contains(was.Turns, t), "Penstock gave %s a turn", short(t.Person))
	}
	for _, t := range was.Turns {
		past := !t.To.After(w.leaf.Wall.Add(-23 * time.Hour)) // whoever writes a roster leaves these out
		w.must(slices.Contains(r.Turns, t) || past || w.gone(t.Person), "Penstock took a turn from %s, who has not left", short(t.Person))
	}
}

// termsAccepted: by the person alone, of the text that the firm's record names,
// for as long as it says.
func (w *Walk) termsAccepted(b audit.TermsAccepted) {
	p, f := w.known(b.Person), w.firms[b.Firm]
	if !w.must(p != nil && f != nil && p.firm == b.Firm, "the log does not know %s of %s", short(b.Person), short(b.Firm)) {
		return
	}
	w.must(w.leaf.Actor == b.Person, "%s accepted terms in the name of %s", short(w.leaf.Actor), b.Person)
	w.must(!b.Terms.IsZero() && b.Terms == f.terms, "%s accepted %s, and the terms of %s are %s", b.Person, b.Terms, b.Firm, f.terms)
	w.must(!b.At.After(w.leaf.Wall.Add(settleTime)) && b.Until.Equal(b.At.Add(time.Duration(f.days)*24*time.Hour)), "good until %s, and it was given at %s for %d days", clock(b.Until), clock(b.At), f.days)
	w.document("terms", b.Terms)
	p.accepted.terms, p.accepted.until = b.Terms, b.Until
}

// trainingNoted: by somebody else, of the plant.
func (w *Walk) trainingNoted(b audit.TrainingNoted) {
	w.must(w.plantPerson(b.By), "noted by %s, who is nobody of the plant", short(b.By))
	w.must(b.By != b.Person, "%s noted their own training", short(b.Person))
	p := w.known(b.Person)
	if !w.must(p != nil, "the log does not know %s", short(b.Person)) {
		return
	}
	p.training = slices.DeleteFunc(slices.Clone(p.training), func(t policy.Training) bool { return t.Name == b.Training })
	if !b.Until.IsZero() {
		p.training = append(p.training, policy.Training{Name: b.Training, Until: b.Until})
	}
}

// facts are a person as the rules are asked about them.
func (w *Walk) facts(id string) policy.PersonFacts {
	f := policy.PersonFacts{ID: policy.PersonID(id)}
	p := w.people[id]
	if p == nil {
		return f
	}
	f.Firm, f.Training, f.Machine = policy.FirmID(p.firm), p.training, p.machine
	if firm := w.firms[p.firm]; firm != nil {
		f.Until, f.Terms = firm.until, !firm.terms.IsZero()
		if f.Terms && p.accepted.terms == firm.terms {
			f.Accepted = p.accepted.until
		}
	}
	if one := w.access["firm/"+p.firm]; one != nil && one.open[id] {
		f.Confirm = one.due
	}
	return f
}
