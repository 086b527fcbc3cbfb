package evidence

import (
	"errors"
	"maps"
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// CountersignIn is how long after it was heard a spoken yes is to be signed by
// whoever said it.
const CountersignIn = 12 * time.Hour

// What the person says afterwards whose yes was heard.
const (
	Countersign = "countersign" // I said that
	Deny        = "deny"        // I did not
)

// Signer is whose key or code proves an answer: who heard it, where it was spoken.
func (a Answer) Signer() string {
	if a.Heard != "" {
		return a.Heard
	}
	return a.Person
}

// spoken holds the fields of a yes that was heard on the telephone, and of what is
// said to it afterwards, to the kind of answer.
func (a Answer) spoken() error {
	var errs []error
	if a.Heard != "" {
		errs = append(errs, id("heard", a.Heard))
		if a.Says != Yes || a.Heard == a.Person || !a.Limits.none() || len(a.Rows) > 0 {
			errs = append(errs, errors.New("heard belongs to somebody else's plain yes, and only to it"))
		}
	}
	if after := a.Says == Countersign || a.Says == Deny; after == a.Spoken.IsZero() {
		errs = append(errs, errors.New("spoken belongs to countersign and deny, and only to them"))
	}
	return errors.Join(errs...)
}

// heardYes judges a yes that somebody else heard: where every rule lets it be
// spoken, one of them, heard by somebody of the plant whose own yes counts.
func (j *judge) heardYes(a Answer, answers []Given) {
	if a.Heard == "" {
		return
	}
	j.must(j.quorum.Spoken, "the yes of %s was spoken, and the rules do not let it", a.Person)
	own, spoken := false, 0
	for _, g := range answers {
		o, err := ParseAnswer(g.Body)
		if err != nil || o.Request != j.hash || o.Says != Yes {
			continue
		}
		if o.Heard != "" {
			spoken++
		}
		own = own || o.Person == a.Heard && o.Heard == ""
	}
	j.must(spoken == 1, "%d yeses were spoken, and one is the most", spoken)
	j.must(own, "the yes of %s was heard by %s, who did not say yes", a.Person, a.Heard)
}

// CheckCountersign is empty if whoever is said to have spoken has signed that they
// did, or did not: this very yes, by their own key as the rules ask for, not before
// it was heard.
func CheckCountersign(plant *policy.Plant, request []byte, spoken, after Given, keys []Key, under ...Basis) (findings []string) {
	j, err := newJudge(plant, request, under)
	if err != nil {
		return []string{err.Error()}
	}
	yes, err := ParseAnswer(spoken.Body)
	if err != nil {
		return []string{err.Error()}
	}
	a, err := ParseAnswer(after.Body)
	if err != nil {
		return []string{err.Error()}
	}
	j.must(a.Says == Countersign || a.Says == Deny, "it says %s", a.Says)
	j.must(a.Person == yes.Person && a.Request == yes.Request && a.Request == j.hash && a.Spoken == audit.HashOf(spoken.Body), "it is about another yes than the one that was heard")
	j.must(!a.At.Before(yes.At.Add(-clockSlack)), "it was signed before that was heard")
	j.proved(a, after, keys)
	return j.findings
}

// spokenYes is a spoken yes that a window counts on, as the leaves tell it.
type spokenYes struct {
	person, heard, firm string
	yes                 heard
	at, due             time.Time
	done                bool // countersigned, or cleared by OT security
	denied              bool
}

// wasSpoken notes the yes that was spoken among those that a window counts on.
func (w *Walk) wasSpoken(window string, v *window) {
	for _, h := range v.answers {
		doc := w.document("answer", h.document)
		if doc == nil {
			continue
		}
		if a, err := ParseAnswer(doc); err == nil && a.Heard != "" {
			w.spoken[window] = &spokenYes{person: a.Person, heard: a.Heard, firm: w.requests[v.request].firm, yes: h, at: a.At, due: a.At.Add(CountersignIn)}
			w.noteHere("the yes of %s to %s was heard by %s on the telephone: not proved at that time", a.Person, window, a.Heard)
		}
	}
}

// maySpeak: nothing that this person spoke, or that was spoken for this firm, is
// still to be countersigned after its time.
func (w *Walk) maySpeak(person, firm string) {
	for _, id := range slices.Sorted(maps.Keys(w.spoken)) {
		s := w.spoken[id]
		late := !s.done && (s.denied || w.leaf.Wall.After(s.due.Add(settleTime))) && (s.person == person || s.firm == firm)
		w.must(!late, "a yes was spoken while that of %s to %s is not countersigned", s.person, id)
	}
}

// judgeSpoken says whether the leaf was about a spoken yes.
func (w *Walk) judgeSpoken() bool {
	switch b := w.leaf.Body.(type) {
	case audit.SpokenSigned:
		w.countersigned(b)
	case audit.SpokenMissed:
		if s := w.spokenOf(b.Window); s != nil {
			w.must(w.leaf.Actor == penstock && !s.done && b.Person == s.person && (s.denied || !w.leaf.Wall.Before(s.due.Add(-settleTime))), "missed before its time %s, or of somebody else", clock(s.due))
		}
	case audit.SpokenCleared:
		if s := w.spokenOf(b.Window); s != nil {
			w.must(w.leaf.Actor == b.By && w.plantPerson(b.By) && b.By != s.person && b.By != s.heard && w.isSecurity(b.By),
				"cleared by %s, who is not of OT security, or spoke or heard it", short(b.By))
			s.done = true
			w.noteHere("OT security (%s) let the yes of %s to %s stand without being countersigned: not proved", b.By, s.person, b.Window)
		}
	default:
		return false
	}
	return true
}

func (w *Walk) spokenOf(window string) *spokenYes {
	s := w.spoken[window]
	w.must(s != nil, "no yes to %s was spoken", short(window))
	return s
}

func (w *Walk) countersigned(b audit.SpokenSigned) {
	s, v := w.spokenOf(b.Window), w.window(b.Window)
	if s == nil || v == nil {
		return
	}
	p, doc := w.known(b.Person), w.document("countersignature", b.Document)
	plant, request := w.plant(v.plant), w.document("request", v.text)
	w.must(w.leaf.Actor == b.Person && b.Person == s.person && p != nil, "signed by %s, and %s was heard", short(w.leaf.Actor), s.person)
	if p == nil || doc == nil || plant == nil || request == nil {
		return
	}
	a, err := ParseAnswer(doc)
	if !w.must(err == nil && a.Person == b.Person && a.Says == b.Says, "the leaf and what was signed differ") {
		return
	}
	given, _ := w.bodies([]heard{s.yes})
	if len(given) == 0 {
		return // a finding already
	}
	after := Given{Leaf: w.leaf.Place(), Wall: w.leaf.Wall, Body: doc, Firm: p.firm, Plant: w.ofPlant(p)}
	for _, f := range CheckCountersign(plant, request, given[0], after, w.keysOf(b.Person), w.basis(w.requests[v.request], false)...) {
		w.must(false, "%s", f)
	}
	if s.denied = a.Says == Deny; s.denied {
		w.noteHere("%s denies the yes to %s that %s says to have heard", s.person, b.Window, s.heard)
		return
	}
	s.done = true
	late := ""
	if !w.leaf.Wall.Before(s.due) {
		late = ", after its time"
	}
	w.noteHere("the yes of %s to %s, heard at %s, was countersigned at %s%s", s.person, b.Window, clock(s.at), clock(w.leaf.Wall), late)
}

// unsigned tells what was spoken and never signed.
func (w *Walk) unsigned() {
	for _, id := range slices.Sorted(maps.Keys(w.spoken)) {
		if s := w.spoken[id]; !s.done {
			w.note("the yes of %s to %s, heard by %s at %s, is not countersigned: not proved", s.person, id, s.heard, clock(s.at))
		}
	}
}
