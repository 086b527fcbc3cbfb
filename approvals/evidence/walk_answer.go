package evidence

import (
	"slices"

	"penstock/audit"
	"penstock/policy"
)

// heard is one answer.given: the answer, and the keys that its person had then.
type heard struct {
	Given
	document audit.Hash
	keys     []Key
}

// answered: the document says what the leaf says, and the leaf says of the
// person what earlier leaves say.
func (w *Walk) answered(b audit.AnswerGiven) {
	r := w.request(b.Request)
	if r == nil {
		return
	}
	a, h, ok := w.said(b, r.next)
	if !ok {
		return
	}
	w.must((a.Request == r.hash || w.listed(a, b.Request, r)) && b.Rev == r.rev, "it answers another revision than the newest, %d", r.rev)
	if !w.must(r.awaits(), "the request was %s", r.state) {
		return
	}
	w.must(r.state == "waiting" || a.Says == Question, "the request was asleep")
	w.must(len(r.answers) < maxAnswers, "it is answer %d to one revision", len(r.answers)+1)
	if a.Heard != "" {
		w.maySpeak(a.Person, r.firm)
	}
	r.answers = append(r.answers[:min(len(r.answers), maxAnswers)], h)
	r.hear(a, h, w.needsOf(r))
}

// said holds an answer, to whatever it is, to its leaf and to what earlier
// leaves say of the person. next: the teams that were asked after others.
func (w *Walk) said(b audit.AnswerGiven, next []Asked) (a Answer, h heard, ok bool) {
	return w.heard(b, func(a Answer) (bool, []string) {
		if IsEnvelope(b.Person) {
			r := w.requests[b.Request]
			roles := w.voice(b.Person, r != nil && r.quick)
			return len(roles) > 0 && sameSet(b.Roles, roles), roles
		}
		return w.counts(b.Person, b.Roles, next, w.leaf.Wall, a.At), WithAsked(w.teamed(w.counting(b.Person, w.leaf.Wall))[0], next)
	})
}

// saidHolding is said where it does not matter who is on duty: the roles are
// those that the person holds.
func (w *Walk) saidHolding(b audit.AnswerGiven) (a Answer, h heard, ok bool) {
	return w.heard(b, func(Answer) (bool, []string) {
		p := w.known(b.Person)
		return sameSet(b.Roles, p.roles) && !IsEnvelope(b.Person), p.roles
	})
}

// heard is said, with whoever knows which roles the person had: whether those of
// the leaf are right, and what earlier leaves say.
func (w *Walk) heard(b audit.AnswerGiven, had func(Answer) (bool, []string)) (a Answer, h heard, ok bool) {
	p := w.known(b.Person)
	if !w.must(p != nil, "the log does not know %s", short(b.Person)) {
		return a, h, false
	}
	doc := w.document("answer", b.Document)
	if doc == nil {
		return a, h, false
	}
	a, err := ParseAnswer(doc)
	if !w.must(err == nil, "%v", err) {
		return a, h, false
	}
	w.must(a.Person == b.Person && a.Says == b.Says && a.Firm == b.Firm && a.NotBefore.Equal(b.NotBefore) && a.Heard == b.Heard, "the leaf and the answer's text differ")
	w.must(w.leaf.Actor == a.Signer() && w.known(a.Signer()) != nil, "%s gave the answer of %s", short(w.leaf.Actor), b.Person)
	w.must(b.Firm == p.firm, "it says that %s is of %s, and earlier leaves say %s", b.Person, b.Firm, p.firm)
	if a.Kiosk != "" {
		w.stoodAt(a.Kiosk)
		w.must(a.Proof.Kind == ProofWebAuthn, "it was given at a kiosk, and by no tap of a passkey")
	}
	is, roles := had(a)
	if w.must(is, "it says that %s holds %q, and earlier leaves say %q", b.Person, b.Roles, roles) {
		roles = b.Roles
	}
	return a, heard{document: b.Document, keys: w.keysOf(a.Signer()),
		Given: Given{Leaf: w.leaf.Place(), Wall: w.leaf.Wall, Firm: p.firm, Roles: slices.Clone(roles), Plant: w.ofPlant(p)}}, true
}

const maxAnswers = 256

// hear moves the request: one no of somebody who had to be asked refuses it.
func (r *asked) hear(a Answer, h heard, needs []policy.Need) {
	had := h.Plant && slices.ContainsFunc(needs, func(n policy.Need) bool { return slices.Contains(h.Roles, string(n.Role)) })
	r.asks = r.asks || a.Says == Question
	switch {
	case a.Says == No && had:
		r.state = "refused"
	case a.Says == NotBefore:
		r.state, r.until = "asleep", a.NotBefore
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// named are the answers that the leaf counts on, by place.
func (w *Walk) named(r *asked, places []string) []heard {
	var list []heard
	for _, place := range places {
		i := slices.IndexFunc(r.answers, func(h heard) bool { return h.Leaf.String() == place })
		if w.must(i >= 0, "it counts on leaf %s, which is no answer to this revision", short(place)) {
			list = append(list, r.answers[i])
		}
	}
	return list
}

// bodies reads the answers' documents again and gathers their people's keys.
func (w *Walk) bodies(list []heard) (given []Given, keys []Key) {
	keys = []Key{}
	for _, h := range list {
		h.Body = w.document("answer", h.document)
		if h.Body != nil {
			if a, err := ParseAnswer(h.Body); err == nil && len(a.Rows) > 0 {
				h.Outage = w.document("outage", a.Request)
			}
			given = append(given, h.Given)
			keys = append(keys, h.keys...)
		}
	}
	return given, keys
}
