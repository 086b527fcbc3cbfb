package evidence

import (
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// CheckStepUp is empty if an opener's second tap lets an emergency's window have
// the rights that it names: some of those that were agreed, by the plant file
// that the request names, and by somebody who may open it. That it came while the
// window ran, and that nothing was narrowed for good, is the caller's to compare.
func CheckStepUp(plant *policy.Plant, request []byte, yes []Given, tap Given, keys []Key, w WindowClaim, opened time.Time, under ...Basis) (findings []string) {
	j, a, err := afterOpening(plant, request, StepUp, tap, keys, w, opened, under...)
	if err != nil {
		return []string{err.Error()}
	}
	j.must(j.request.Kind == Emergency && w.Emergency(), "%s is no emergency, which alone has a second tap", w.Window)
	j.must(within(a.Limits.Rights, w.Rights), "it gives %q, and %q was agreed", a.Limits.Rights, w.Rights)
	j.beside(yes, a, func(Answer) {})
	return j.findings
}

// opensEmergency holds the leaf that opens a window to what its request says of an
// emergency: the leaf tells it, with the calendars that were waived.
func (w *Walk) opensEmergency(b audit.WindowMoved, v *window) {
	w.must(b.Emergency == v.claim.Emergency(), "the leaf says emergency %t, and what was agreed says %t", b.Emergency, v.claim.Emergency())
	if !v.claim.Emergency() {
		if r := w.requests[v.request]; r != nil {
			w.noneOverdue(r.firm)
		}
		return
	}
	text, err := ParseRequest(w.document("request", v.text))
	if w.must(err == nil, "%v", err) {
		w.must(slices.Equal(b.Waived, text.Waives), "the leaf says that %q are waived, and the request %q", b.Waived, text.Waives)
	}
	w.noteHere("%s is an emergency: one yes, and calendars waived: %q", b.Window, b.Waived)
}

// steppedUp checks the opener's second tap anew: while the window runs, by an
// answer of theirs, to no more than was agreed and narrowing has left.
func (w *Walk) steppedUp(b audit.WindowMoved, v *window) {
	p, doc := w.known(b.By), w.document("second tap", b.Answer)
	plant, request := w.plant(v.plant), w.document("request", v.text)
	if doc == nil || plant == nil || request == nil || p == nil {
		return
	}
	tap := w.openersWord(b.By, b.At, v, doc, p)
	given, keys := w.bodies(v.answers)
	for _, f := range CheckStepUp(plant, request, given, tap, append(keys, w.keysOf(b.By)...), v.claim, v.opened) {
		w.must(false, "%s", f)
	}
	if a, err := ParseAnswer(doc); err == nil {
		w.must(a.Person == b.By, "%s stepped it up by an answer of %s", b.By, a.Person)
		w.must(slices.Equal(a.Limits.Rights, b.Rights), "the leaf gives it %q, and the answer %q", b.Rights, a.Limits.Rights)
		w.onceMore(v, a.Nonce)
	}
	w.youngEnough(v.claim.Assets, b.Rights, w.now()...)
	w.must(within(v.allowed(), b.Rights), "it allowed %q, and the second tap gives %q", v.allowed(), b.Rights)
	w.must(v.most == nil || within(b.Rights, v.most), "it was narrowed for good to %q, and the second tap gives %q", v.most, b.Rights)
	w.must(w.leaf.Wall.Before(v.until.Add(settleTime)), "stepped up at %s, after its end %s", clock(w.leaf.Wall), clock(v.until))
	v.rights = b.Rights
	v.reached = append(v.reached, b.Rights...)
	w.meets(b.Window, v, v.escort.had())
}

// openersWord is an opener's answer as the log has it at this leaf.
func (w *Walk) openersWord(who string, when time.Time, v *window, doc []byte, p *person) Given {
	roles := w.voice(who, v.claim.Emergency(), w.leaf.Wall, when)
	if r := w.requests[v.request]; r != nil {
		roles = WithAsked(roles, r.next)
	}
	return Given{Leaf: w.leaf.Place(), Wall: w.leaf.Wall, Body: doc, Firm: p.firm, Roles: roles, Plant: w.ofPlant(p)}
}

// onceMore: no answer about a window counts twice.
func (w *Walk) onceMore(v *window, nonce string) {
	w.must(!v.nonces[nonce], "the answer's nonce was used before")
	if v.nonces == nil { // a log whose leaf of the agreement was broken
		v.nonces = map[string]bool{}
	}
	v.nonces[nonce] = true
}
