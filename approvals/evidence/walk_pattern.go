package evidence

import (
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// pattern is an agreement made by day as the leaves tell it. States: waiting →
// refused | withdrawn | unanswered | agreed; agreed → review | withdrawn | ended |
// replaced; review → withdrawn | ended | replaced.
type pattern struct {
	state   string
	text    audit.Hash
	doc     Pattern
	asked   []heard
	agreed  []heard         // that it was agreed by
	lapsed  time.Time       // wall of the leaf by which it stood no more
	doubted map[string]bool // windows that were used outside its purpose
}

// stood: it stands, or did a moment ago: what was decided then may reach the log later.
func (p *pattern) stood(now time.Time) bool {
	return p.state == "agreed" || !p.lapsed.IsZero() && !now.After(p.lapsed.Add(settleTime))
}

// judgePattern says whether the leaf was about a pattern.
func (w *Walk) judgePattern() bool {
	switch b := w.leaf.Body.(type) {
	case audit.PatternProposed:
		w.patternProposed(b)
	case audit.PatternAnswered:
		w.patternAnswered(b)
	case audit.PatternMoved:
		w.patternMoved(b)
	case audit.PatternDoubted:
		w.patternDoubted(b)
	default:
		return false
	}
	return true
}

// pattern finds what a leaf names; nil is a finding already.
func (w *Walk) pattern(id string) *pattern {
	p := w.patterns[id]
	w.must(p != nil, "the log does not know pattern %s", short(id))
	return p
}

func (w *Walk) patternProposed(b audit.PatternProposed) {
	if !w.must(w.patterns[b.Pattern] == nil, "%s was proposed before", b.Pattern) {
		return
	}
	text := w.document("pattern", b.Document)
	if text == nil {
		return
	}
	doc, err := ParsePattern(text)
	if !w.must(err == nil, "%v", err) {
		return
	}
	w.must(doc.Pattern == b.Pattern && doc.Frame == b.Frame && doc.Firm == b.Firm && doc.By == b.By && doc.Plant == b.Plant && doc.Follows == b.Follows &&
		doc.DecideBy.Equal(b.DecideBy) && doc.Ends().Equal(b.Ends), "the leaf and the pattern's text differ")
	w.must(w.leaf.Actor == b.By, "%s proposed what %s wrote", short(w.leaf.Actor), b.By)
	w.must(w.governs(b.By), "proposed by %s, who is nobody of the plant with a role", short(b.By))
	crossed := b.Plant == w.former && !w.leaf.Wall.After(w.newPlant.Add(crossTime))
	w.must(b.Plant == w.inForce || crossed, "it names the plant file %s, and %s was in force", b.Plant, w.inForce)
	if old := w.patterns[b.Follows]; b.Follows != "" {
		w.must(old != nil && old.doc.Firm == b.Firm, "it follows %s, which is no pattern of %s", short(b.Follows), b.Firm)
	}
	for _, id := range doc.People {
		p := w.known(id)
		w.must(p != nil && p.firm == doc.Firm, "%s is on call, who is not known as a person of %s", id, doc.Firm)
	}
	w.patterns[b.Pattern] = &pattern{state: "waiting", text: b.Document, doc: doc, doubted: map[string]bool{}}
}

// patternAnswered: as answered is for requests.
func (w *Walk) patternAnswered(b audit.PatternAnswered) {
	p := w.pattern(b.Pattern)
	if p == nil {
		return
	}
	a, h, ok := w.said(audit.AnswerGiven{Person: b.Person, Firm: b.Firm, Roles: b.Roles, Says: b.Says, Document: b.Document}, nil)
	if !ok {
		return
	}
	w.must(a.Request == p.text, "it answers something else than this pattern")
	if !w.must(p.state == "waiting", "the pattern was %s", p.state) || !w.must(len(p.asked) < maxAnswers, "it has too many answers") {
		return
	}
	p.asked = append(p.asked, h)
	if a.Says == No && w.mustAgree(p, h.Roles) {
		p.state = "refused"
	}
}

// mustAgree says whether one of the roles has to agree to a pattern.
func (w *Walk) mustAgree(p *pattern, roles []string) bool {
	plant := w.plant(p.doc.Plant)
	if plant == nil {
		return false
	}
	q, err := PatternQuorum(plant, p.doc)
	return err == nil && slices.ContainsFunc(q.Needs, func(n policy.Need) bool { return slices.Contains(roles, string(n.Role)) })
}

func (w *Walk) patternMoved(b audit.PatternMoved) {
	p := w.pattern(b.Pattern)
	if p == nil {
		return
	}
	w.must(w.leaf.Actor == b.By, "%s moved it, and the leaf says %s", short(w.leaf.Actor), short(b.By))
	live := p.state == "agreed" || p.state == "review"
	switch b.To {
	case "agreed":
		w.patternAgreed(p, b)
	case "withdrawn":
		w.must(live || p.state == "waiting", "the pattern was %s", p.state)
		w.takenBy(b.By)
		who := w.people[b.By]
		w.must(who != nil && w.ofPlant(who) && (b.By == p.doc.By || w.mustAgree(p, who.held) || w.mustAgree(p, who.roles)), "withdrawn by %s, who neither proposed it nor had to agree", short(b.By))
	case "unanswered":
		w.must(p.state == "waiting", "the pattern was %s", p.state)
		w.must(b.By == penstock && !w.leaf.Wall.Before(p.doc.DecideBy.Add(-settleTime)), "unanswered before its time %s", clock(p.doc.DecideBy))
	case "ended":
		w.must(live, "the pattern was %s", p.state)
		w.must(b.By == penstock && !w.leaf.Wall.Before(p.doc.Ends().Add(-settleTime)), "ended before its time %s", clock(p.doc.Ends()))
	default:
		w.must(false, "%q is no step of a pattern", short(b.To))
		return
	}
	if p.state == "agreed" {
		p.lapsed = w.leaf.Wall
	}
	p.state = b.To
}

// patternAgreed checks a pattern anew against everything that was answered.
func (w *Walk) patternAgreed(p *pattern, b audit.PatternMoved) {
	w.must(p.state == "waiting", "the pattern was %s", p.state)
	w.must(b.By == penstock, "%s agreed it, which only the answers do", short(b.By))
	w.must(b.Follows == p.doc.Follows, "it takes the place of %q, and its text says %q", short(b.Follows), p.doc.Follows)
	w.must(w.leaf.Wall.Before(p.doc.Ends()), "agreed after its end %s", clock(p.doc.Ends()))
	for _, place := range b.Answers {
		i := slices.IndexFunc(p.asked, func(h heard) bool { return h.Leaf.String() == place })
		if w.must(i >= 0, "it counts on leaf %s, which is no answer to this pattern", short(place)) {
			p.agreed = append(p.agreed, p.asked[i])
		}
	}
	w.stillHere(p.agreed)
	plant, text := w.plant(p.doc.Plant), w.document("pattern", p.text)
	if plant != nil && text != nil {
		given, keys := w.bodies(p.agreed)
		for _, f := range CheckPattern(plant, text, given, keys) {
			w.must(false, "%s", f)
		}
		if s := Strength(given); s != "" {
			w.noteHere("pattern %s is %s", b.Pattern, s)
		}
	}
	if old := w.patterns[b.Follows]; b.Follows != "" && w.must(old != nil && old.state != "waiting", "it takes the place of %s, which was not agreed", short(b.Follows)) {
		if old.state == "agreed" {
			old.lapsed = w.leaf.Wall
		}
		if old.state == "agreed" || old.state == "review" {
			old.state = "replaced"
		}
	}
}

// patternDoubted: by somebody of the plant who may take access away, of a window
// that counted on the pattern and was opened; once for each window.
func (w *Walk) patternDoubted(b audit.PatternDoubted) {
	p, v := w.pattern(b.Pattern), w.window(b.Window)
	if p == nil || v == nil {
		return
	}
	w.must(w.leaf.Actor == b.By, "%s said it, and the leaf says %s", short(w.leaf.Actor), short(b.By))
	w.must(v.pattern == b.Pattern && !v.opened.IsZero(), "%s is no window that was opened under %s", short(b.Window), b.Pattern)
	w.must(!p.doubted[b.Window], "%s was said to be outside its purpose before", b.Window)
	who := w.people[b.By]
	w.must(who != nil && w.ofPlant(who) && !w.worksIn(b.By, v), "said by %s, who is nobody of the plant, or worked in it", short(b.By))
	p.doubted[b.Window] = true
	if len(p.doubted) >= DoubtsToReview && p.state == "agreed" {
		p.state, p.lapsed = "review", w.leaf.Wall
		w.noteHere("pattern %s is up for review: %d windows were used outside its purpose", b.Pattern, len(p.doubted))
	}
}

// basis is the pattern that a request names, for judging it; nil and no finding
// where it names none. stood: it counts as standing.
func (w *Walk) basis(r *asked, stands bool) []Basis {
	p := w.patterns[r.pattern]
	if p == nil {
		return nil
	}
	b := Basis{Text: w.document("pattern", p.text), Stands: stands}
	if stands {
		b.Plant = w.plant(p.doc.Plant)
		b.Answers, b.Keys = w.bodies(p.agreed)
	}
	return []Basis{b}
}

// needsOf are those who have to agree to a request now.
func (w *Walk) needsOf(r *asked) []policy.Need {
	p := w.patterns[r.pattern]
	if p == nil || !p.stood(w.leaf.Wall) {
		return r.needs
	}
	return r.night
}
