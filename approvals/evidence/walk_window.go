package evidence

import (
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// settleTime is how late after its end a window may be told as ended, and how
// long after a taking an event that was already on its way may still come.
const settleTime = 2 * time.Second

// lookTime is how long after a standstill the broker may take to notice that a
// window is over: it looks at the wall clock every 30 s.
const lookTime = 35 * time.Second

// window is a window as the leaves tell it.
type window struct {
	state   string
	request string
	pattern string // that it was agreed under
	plant   audit.Hash
	text    audit.Hash // request document
	claim   WindowClaim
	answers []heard
	opened  time.Time
	until   time.Time
	taken   time.Time // wall of the newest step that took it
	over    time.Time // wall of the leaf that ended or cut it; zero: none yet
	graced  bool      // its end was moved for a half-done transfer
	back    bool      // it was handed back
	behind  []*leftThing
	pausing bool // somebody has said: once its transfer is done
	nonces  map[string]bool
	quorum  policy.Quorum
	rights  []string            // narrowed to while it ran; empty: as agreed
	wider   []string            // before it was narrowed
	narrow  time.Time           // wall of that leaf
	most    []string            // narrowed for good to these; nil: it was not
	reached []string            // by second taps
	said    map[string]gateWord // by gate, for this window
	escort  escort
}

// steps is the table of a window's steps: from where each may be made, and
// where it leads. What is not here is not possible; handback.accepted closes it.
var steps = map[string]struct {
	from []string
	to   string
}{
	"opened":   {[]string{"agreed"}, "open"},
	"unused":   {[]string{"agreed"}, "unused"},
	"paused":   {[]string{"open"}, "paused"},
	"wenton":   {[]string{"paused"}, "open"},
	"extended": {[]string{"open", "paused"}, ""},
	"pausing":  {[]string{"open"}, ""},
	"narrowed": {[]string{"open", "paused"}, ""},
	"stepped":  {[]string{"open", "paused"}, ""},
	"ending":   {[]string{"open", "paused"}, "ending"},
	"grace":    {[]string{"open", "ending"}, "ending"},
	"ended":    {[]string{"open", "paused", "ending"}, "ended"},
	"cut":      {[]string{"agreed", "open", "paused", "ending"}, "cut"},
}

// judgeWindow says whether the leaf was about a request or a window.
func (w *Walk) judgeWindow() bool {
	switch b := w.leaf.Body.(type) {
	case audit.RequestSubmitted:
		w.must(w.requests[b.Request] == nil, "%s was submitted before", b.Request)
		w.must(b.Rev == 1, "it is submitted as revision %d", b.Rev)
		w.submitted(b)
	case audit.RequestRevised:
		w.revised(audit.RequestSubmitted(b))
	case audit.RequestWithdrawn:
		w.withdrawn(b)
	case audit.RequestUnanswered:
		if r := w.request(w.leaf.Subject); r != nil && w.must(r.awaits(), "it was %s", r.state) {
			r.state, r.answers = "unanswered", nil
		}
	case audit.RequestWoken:
		w.woken(b)
	case audit.PersonAsked:
		for _, p := range b.People {
			w.must(w.people[p] != nil, "%s was asked, whom the log does not know", p)
		}
		if b.For != "" {
			w.askedNext(b)
		}
	case audit.PriorityChanged:
		w.priorityChanged(b)
	case audit.QuestionAnswered:
		w.questionAnswered(b)
	case audit.CallMade:
		w.callMade(b)
	case audit.CallAnswered:
		w.callAnswered(b)
	case audit.AnswerGiven:
		w.answered(b)
	case audit.AnswerWithdrawn:
		w.answerWithdrawn(b)
	case audit.WindowAgreed:
		w.agree(b)
	case audit.WindowMoved:
		w.moved(b)
	case audit.GateChanged:
		w.gateChanged(b)
	case audit.EscortChanged:
		w.escortChanged(b)
	case audit.HandoverOffered:
		w.handoverOffered(b)
	case audit.HandoverAccepted:
		w.handoverAccepted(b)
	case audit.HandoverRang:
		h := w.handover(b.Handover)
		w.must(h == nil || w.leaf.Actor == penstock && !b.At.Before(h.due.Add(HandoverRings)), "rung for before its time")
	case audit.HandbackGiven:
		w.handedBack(b)
	case audit.HandbackAccepted:
		w.accepted(b)
	case audit.LeftNoted:
		w.leftNoted(b)
	case audit.LeftDue:
		w.leftDue(b)
	case audit.LeftRang:
		w.leftRang(b)
	case audit.LeftGone:
		w.leftGone(b)
	default:
		return false
	}
	return true
}

func (w *Walk) window(id string) *window {
	v := w.windows[id]
	w.must(v != nil, "the log does not know window %s", short(id))
	return v
}

func (w *Walk) worksIn(person string, v *window) bool { return slices.Contains(v.claim.People, person) }

// agree checks a window anew against everything that was answered.
func (w *Walk) agree(b audit.WindowAgreed) {
	w.agreed++
	r := w.request(b.Request)
	if r == nil || !w.must(w.windows[b.Window] == nil, "%s was agreed before", b.Window) {
		return
	}
	w.must(r.state == "waiting", "its request was %s", r.state)
	w.must(b.Rev == r.rev && b.Firm == r.firm, "it is of revision %d of %s, and the newest is %d of %s", b.Rev, b.Firm, r.rev, r.firm)
	if b.Pattern != "" {
		p := w.patterns[b.Pattern]
		w.must(b.Pattern == r.pattern && p != nil && p.stood(w.leaf.Wall), "it is agreed under %s, which its request does not name, or which did not stand", short(b.Pattern))
	}
	v := &window{state: "agreed", request: b.Request, pattern: b.Pattern, plant: r.plant, text: r.hash, nonces: map[string]bool{}}
	w.windows[b.Window] = v
	r.state, r.window = "agreed", b.Window
	doc := w.document("claim", b.Claim)
	if doc == nil {
		return
	}
	claim, err := ParseClaim(doc)
	if !w.must(err == nil, "%v", err) {
		return
	}
	w.must(claim.Window == b.Window, "its claim is for %s", claim.Window)
	v.claim = claim
	v.answers = w.named(r, b.Answers)
	w.stillHere(v.answers)
	w.recheck(b, v)
	w.wasSpoken(b.Window, v)
}

func (w *Walk) recheck(b audit.WindowAgreed, v *window) {
	plant, request := w.plant(v.plant), w.document("request", v.text)
	if plant == nil || request == nil {
		return
	}
	given, keys := w.bodies(v.answers)
	under := w.basis(w.requests[v.request], v.pattern != "")
	for _, f := range Check(plant, request, given, keys, v.claim, under...) {
		w.must(false, "%s", f)
	}
	if text, err := ParseRequest(request); err == nil {
		v.quorum, _ = QuorumOf(plant, text, under...) // an error is a finding of Check
	}
	if v.pattern != "" {
		w.noteHere("%s is agreed under pattern %s, which stands for the plan of the rules", b.Window, v.pattern)
	}
	for _, g := range given {
		if a, err := ParseAnswer(g.Body); err == nil {
			v.nonces[a.Nonce] = true
		}
	}
	if s := Strength(given); s != "" {
		w.noteHere("%s is %s", b.Window, s)
	}
}

// penstock is the actor of what time or a crash did.
const penstock = "penstock"

// moved takes one step of a window by the table, and holds it to who and when.
func (w *Walk) moved(b audit.WindowMoved) {
	v := w.window(b.Window)
	if v == nil {
		return
	}
	step, ok := steps[b.To]
	if !w.must(ok, "%q is no step of a window", short(b.To)) {
		return
	}
	w.must(slices.Contains(step.from, v.state), "it was %s, and from there it cannot be %s", v.state, b.To)
	w.movedBy(b, v)
	w.stepTo(b, v)
	if b.To == "wenton" || b.To == "paused" || b.To == "pausing" || b.To == "ending" {
		w.must(b.Until.IsZero() || !b.Until.After(v.until), "its end moves from %s to %s without an extension", clock(v.until), clock(b.Until))
	}
	if step.to != "" {
		v.state, v.pausing = step.to, false
	}
	v.pausing = v.pausing || b.To == "pausing"
	if v.state != "open" && v.state != "agreed" {
		v.taken = w.leaf.Wall
	}
	if b.To == "ended" || b.To == "cut" {
		v.over = w.leaf.Wall
	}
	if v.state == "unused" {
		w.finish(v, v.state)
	}
}

// movedBy: by whom the leaf names, who may, and when it says.
func (w *Walk) movedBy(b audit.WindowMoved, v *window) {
	w.must(w.leaf.Actor == b.By, "%s moved it, and the leaf says %s", short(w.leaf.Actor), short(b.By))
	if takes := b.To == "paused" || b.To == "ending" || b.To == "ended" || b.To == "cut" || b.To == "narrowed"; takes {
		w.must(b.By != penstock || b.To == "ended" || b.To == "cut" && w.recovering || b.To == "paused" && (w.lost(v) != "" || v.pausing || w.untaken(b.Window)), "%s by nobody, and no gate or escort was lost, and no handover late, and nobody had said so for after a transfer", b.To)
		if b.By != penstock {
			w.mayTake(b.By, w.worksIn(b.By, v) && (b.To == "ended" || b.To == "ending"))
		}
	} else {
		w.must(b.By == penstock || w.known(b.By) != nil, "moved by %s, whom the log does not know, or knows as disabled", short(b.By))
	}
	w.must(!b.At.After(w.leaf.Wall.Add(settleTime)) && !b.At.Before(w.leaf.Wall.Add(-clockSlack)) || b.By == penstock,
		"it says %s, and the log has it at %s", clock(b.At), clock(w.leaf.Wall))
}

// stepTo is what each step asks besides, and leaves behind.
func (w *Walk) stepTo(b audit.WindowMoved, v *window) {
	switch b.To {
	case "opened":
		w.stillHere(v.answers)
		if r := w.requests[v.request]; r != nil {
			w.unreviewed(r.firm)
		}
		w.tapped(b, v)
		w.open(b, v)
	case "extended":
		w.extend(b, v)
	case "narrowed":
		had := v.allowed()
		w.must(len(b.Rights) > 0 && within(b.Rights, had) && !within(had, b.Rights), "narrowed to %q, and it allowed %q", b.Rights, had)
		v.wider, v.rights, v.narrow, v.most = had, b.Rights, w.leaf.Wall, b.Rights
	case "stepped":
		w.steppedUp(b, v)
	case "grace":
		w.grace(b, v)
	case "wenton":
		w.tapped(b, v)
		w.must(w.opens(b.By, v, b.At), "%s may not open this window, so may not let it go on", b.By)
		w.meets(b.Window, v, v.escort.had())
	case "ended":
		w.endedLate(b, v)
	}
}

// allowed are the rights that are left of what was agreed.
func (v *window) allowed() []string {
	switch {
	case len(v.rights) > 0:
		return v.rights
	case v.claim.Emergency():
		return v.claim.Starts
	}
	return v.claim.Rights
}

// justAllowed are those that a channel may have, whose leaf was on its way while
// the window was narrowed.
func (w *Walk) justAllowed(v *window) []string {
	if len(v.rights) > 0 && !w.leaf.Wall.After(v.narrow.Add(settleTime)) {
		return v.wider
	}
	return v.allowed()
}

// opens: a person of the plant whose word counted in a role that opens, then or
// just before, who does not work in it.
func (w *Walk) opens(id string, v *window, at time.Time) bool {
	roles := w.voice(id, v.claim.Emergency(), w.leaf.Wall, at)
	if r := w.requests[v.request]; r != nil {
		roles = WithAsked(roles, r.next)
	}
	return !w.worksIn(id, v) && slices.ContainsFunc(v.quorum.Openers, func(r policy.Role) bool { return slices.Contains(roles, string(r)) })
}

func (w *Walk) open(b audit.WindowMoved, v *window) {
	w.mayOpenCall(v)
	w.inOrder(v)
	if p := w.patterns[v.pattern]; v.pattern != "" {
		w.must(p != nil && p.stood(w.leaf.Wall), "opened under %s, which did not stand any more", short(v.pattern))
	}
	switch v.claim.Open {
	case "auto":
		w.must(b.By == penstock || w.opens(b.By, v, b.At), "opened by %s, and it opens by itself", b.By)
	case "vendor":
		w.must(w.worksIn(b.By, v) || w.opens(b.By, v, b.At), "opened by %s, who neither works in it nor may open it", b.By)
	default:
		w.must(w.opens(b.By, v, b.At), "opened by %s, who held no role that opens it", b.By)
	}
	w.must(!b.At.Before(v.claim.From) && b.At.Before(v.claim.To), "opened at %s, outside its span %s to %s", clock(b.At), clock(v.claim.From), clock(v.claim.To))
	w.must(!b.At.After(w.leaf.Wall.Add(settleTime)), "opened at %s, and the log has it at %s", clock(b.At), clock(w.leaf.Wall))
	end := b.At.Add(time.Duration(v.claim.Minutes) * time.Minute)
	if end.After(v.claim.To) {
		end = v.claim.To
	}
	w.must(b.Until.Equal(end), "it ends at %s, and by its minutes and span it ends at %s", clock(b.Until), clock(end))
	v.opened, v.until = b.At, b.Until
	w.opensEmergency(b, v)
	w.opensOnSite(b, v)
	w.opensMachine(b, v)
	w.opensException(b, v)
	w.youngEnough(v.claim.Assets, v.allowed(), w.now()...)
	for _, id := range v.claim.People {
		w.been[id] = true
	}
	w.meets(b.Window, v, false)
}

// extend checks the opener's answer anew, and that it came before the end.
func (w *Walk) extend(b audit.WindowMoved, v *window) {
	p, doc := w.known(b.By), w.document("extension", b.Answer)
	plant, request := w.plant(v.plant), w.document("request", v.text)
	if doc == nil || plant == nil || request == nil || p == nil {
		return
	}
	ext := w.openersWord(b.By, b.At, v, doc, p)
	given, keys := w.bodies(v.answers)
	for _, f := range CheckExtension(plant, request, given, ext, append(keys, w.keysOf(b.By)...), v.claim, v.opened, w.basis(w.requests[v.request], false)...) {
		w.must(false, "%s", f)
	}
	if a, err := ParseAnswer(doc); err == nil {
		w.must(a.Person == b.By, "%s extended it by an answer of %s", b.By, a.Person)
		w.must(a.Until.Equal(b.Until), "the leaf ends it at %s, and the answer at %s", clock(b.Until), clock(a.Until))
		w.onceMore(v, a.Nonce)
	}
	w.must(w.leaf.Wall.Before(v.until.Add(settleTime)), "extended at %s, after its end %s", clock(w.leaf.Wall), clock(v.until))
	v.until = b.Until
}

// grace: once, by the rules, before the old end, and while somebody was in.
func (w *Walk) grace(b audit.WindowMoved, v *window) {
	w.must(b.By == penstock, "%s gave it a grace, which only the rules do", short(b.By))
	w.must(!v.graced, "its end was moved for a half-done transfer before")
	w.must(b.At.Before(v.until) && w.leaf.Wall.Before(v.until.Add(settleTime)), "its grace was written at %s, after its end %s", clock(w.leaf.Wall), clock(v.until))
	w.must(b.Until.After(v.until), "its grace moves the end from %s back to %s", clock(v.until), clock(b.Until))
	w.must(w.inUse(b.Window), "it was given a grace while no channel was open in it")
	plant, request := w.plant(v.plant), w.document("request", v.text)
	if plant != nil && request != nil {
		for _, f := range CheckGrace(plant, request, v.claim, v.opened, v.until, b.Until, w.basis(w.requests[v.request], false)...) {
			w.must(false, "%s", f)
		}
	}
	v.graced, v.until = true, b.Until
}

// endedLate: within settleTime of the end, unless the broker was not running
// then, or nothing at all was written meanwhile: it was stopped, its machine
// slept, or its clock was set forward. While a session runs, recording.heads
// breaks that silence every second.
func (w *Walk) endedLate(b audit.WindowMoved, v *window) {
	late := w.leaf.Wall.Sub(v.until)
	if v.until.IsZero() || late <= settleTime {
		return
	}
	if w.started.After(v.until) {
		w.noteHere("%s ended %s after its end, when the broker was started again", b.Window, late.Round(time.Second))
		return
	}
	if w.stoodStill(v.until) {
		w.noteHere("%s ended %s after its end: the broker stood still or its clock was set forward, for nothing was written from %s to %s",
			b.Window, late.Round(time.Second), clock(w.quiet.from), clock(w.quiet.to))
		return
	}
	w.must(false, "ended late: %s after its end %s", late.Round(time.Millisecond), clock(v.until))
}

// stoodStill says whether nothing was written at a moment, and until just now.
func (w *Walk) stoodStill(at time.Time) bool {
	q := w.quiet
	return !q.from.After(at.Add(settleTime)) && q.to.After(at) && !w.leaf.Wall.After(q.to.Add(lookTime))
}

// finish lets go of what a window that is over needs no more.
func (w *Walk) finish(v *window, state string) {
	v.state, v.answers, v.nonces = state, nil, nil
	if r := w.requests[v.request]; r != nil {
		r.answers = nil
	}
}

// unended: windows whose end has passed in the log without a leaf that ends them.
func (w *Walk) unended() {
	for id, v := range w.windows {
		running := v.state == "open" || v.state == "paused" || v.state == "ending"
		if !running || v.until.IsZero() || !w.last.After(v.until.Add(settleTime)) {
			continue
		}
		if w.stopped || w.last.Before(w.started.Add(10*time.Second)) {
			w.note("%s has passed its end %s while the broker was not running; no leaf ends it yet", id, clock(v.until))
			continue
		}
		w.wrong = append(w.wrong, id+" never ended: its end was "+clock(v.until)+", and the log goes on until "+clock(w.last))
	}
}
