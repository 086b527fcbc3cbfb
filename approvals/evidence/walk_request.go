package evidence

import (
	"cmp"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// asked is a request as the leaves tell it. The states are DESIGN section 3's.
type asked struct {
	state   string
	rev     int
	hash    audit.Hash // of the document of the newest revision
	plant   audit.Hash
	firm    string
	by      string
	workers []string
	to      time.Time
	since   time.Time // asked, or woken
	called  bool
	quick   bool // an emergency
	asks    bool // somebody of the plant asked something
	call    call
	next    []Asked // who was asked because others did not answer
	needs   []policy.Need
	night   []policy.Need // where its pattern stands
	pattern string        // that it names
	answers []heard       // to the newest revision
	until   time.Time     // asleep until then
	window  string
	keeper  string // of its machine
	outage  string // on whose list it is, or is to be
}

// crossTime is how long a request may be on its way when the plant file changes:
// its documents are made durable in between.
const crossTime = 10 * time.Second

func (r *asked) awaits() bool { return r.state == "waiting" || r.state == "asleep" }

// request and window find what a leaf names; nil is a finding already.
func (w *Walk) request(id string) *asked {
	r := w.requests[id]
	w.must(r != nil, "the log does not know request %s", short(id))
	return r
}

// submitted takes one revision's document and holds the leaf to it.
func (w *Walk) submitted(b audit.RequestSubmitted) {
	r := &asked{state: "waiting", rev: b.Rev, hash: b.Document, plant: b.Plant, firm: b.Firm, by: b.By, since: cmp.Or(b.At, w.leaf.Wall)}
	w.requests[b.Request] = r
	doc := w.document("request", b.Document)
	if doc == nil {
		return
	}
	text, err := ParseRequest(doc)
	if !w.must(err == nil, "%v", err) {
		return
	}
	w.must(text.Request == b.Request && text.Rev == b.Rev && text.Firm == b.Firm && text.By == b.By && text.Plant == b.Plant,
		"the leaf and the request's text differ")
	w.must(w.leaf.Actor == b.By, "%s submitted what %s wrote", short(w.leaf.Actor), b.By)
	crossed := b.Plant == w.former && !w.leaf.Wall.After(w.newPlant.Add(crossTime))
	w.must(b.Plant == w.inForce || crossed, "it names the plant file %s, and %s was in force", b.Plant, w.inForce)
	r.to, r.workers, r.called, r.outage, r.keeper = text.To, text.People, text.Called, text.Outage, text.Machine.Keeper
	if text.Outage != "" {
		w.inOutage(text)
	}
	w.must(!text.Called || w.plantPerson(text.By), "%s, who is nobody of the plant, called them in", text.By)
	if r.quick = text.Kind == Emergency; !r.quick {
		w.noneOverdue(text.Firm)
	}
	w.workers(text)
	if plant := w.plant(b.Plant); plant != nil {
		for _, finding := range CheckTold(plant, text) {
			w.must(false, "%s", finding)
		}
		w.under(r, text, b.Pattern)
		q, err := QuorumOf(plant, text, w.basis(r, false)...)
		w.must(err == nil, "who has to agree: %v", err)
		r.needs = q.Needs
		w.red(plant, text, b, q.Ask)
		w.youngEnough(text.Assets, text.Rights, plant)
	}
}

// under finds the pattern that a request names, which must be of the log, and must
// have stood when it was asked.
func (w *Walk) under(r *asked, text Request, id string) {
	if text.Pattern.IsZero() {
		w.must(id == "", "the leaf names pattern %s, and the text names none", short(id))
		return
	}
	p := w.patterns[id]
	if !w.must(p != nil && p.text == text.Pattern, "the text names the pattern %s, which is not %q of the log", text.Pattern, short(id)) {
		return
	}
	w.must(p.stood(w.leaf.Wall), "it is asked under %s, which was %s", id, p.state)
	r.pattern = id
	for _, f := range p.doc.Uses(text, w.leaf.Wall.Add(-settleTime)) {
		w.must(false, "%s", f)
	}
	if q, err := QuorumOf(w.plant(r.plant), text, Basis{Text: w.document("pattern", p.text), Stands: true}); err == nil {
		r.night = q.Needs
	}
}

// workers: known people of the firm, asked for by the firm or by the plant.
func (w *Walk) workers(text Request) {
	by := w.known(text.By)
	w.must(by != nil && (by.firm == text.Firm || w.ofPlant(by)), "%s wrote it, who is neither of %s nor of the plant", text.By, text.Firm)
	for _, id := range text.People {
		p := w.known(id)
		w.must(p != nil && p.firm == text.Firm, "%s shall work, who is not known as a person of %s", id, text.Firm)
	}
	w.machines(text)
}

// woken: when its time has come, or earlier by a person of the plant who answers.
func (w *Walk) woken(b audit.RequestWoken) {
	r := w.request(w.leaf.Subject)
	if r == nil || !w.must(r.state == "asleep", "it was %s", r.state) {
		return
	}
	r.state, r.since = "waiting", b.At
	w.must(w.insider(b.By) || b.By == penstock && !w.leaf.Wall.Before(r.until), "woken by %s, before its time %s", short(b.By), clock(r.until))
}

// revised: a new text; what was answered to the old one is void.
func (w *Walk) revised(b audit.RequestSubmitted) {
	old := w.request(b.Request)
	if old == nil {
		return
	}
	w.must(b.Rev == old.rev+1, "revision %d follows revision %d", b.Rev, old.rev)
	w.must(b.Window == "" || b.Window == old.window, "it names window %s, and the request's is %q", short(b.Window), old.window)
	w.takeBack(old)
	w.submitted(b)
}

func (w *Walk) withdrawn(b audit.RequestWithdrawn) {
	r := w.request(w.leaf.Subject)
	if r == nil {
		return
	}
	w.must(b.Window == "" || b.Window == r.window, "it names window %s, and the request's is %q", b.Window, r.window)
	w.must(w.people[b.By] != nil || b.By == penstock && (w.recovering || w.left(r)), "withdrawn by %s, whom the log does not know, and nobody has left", b.By)
	w.takenBy(b.By)
	w.takeBack(r)
	r.state = "withdrawn"
}

// takeBack: only while it awaits, or while its window is not open, which is then unused.
func (w *Walk) takeBack(r *asked) {
	v := w.windows[r.window]
	w.must(r.awaits() || r.state == "agreed" && v != nil && v.state == "agreed", "it was %s and could not be taken back", r.state)
	if v != nil && v.state == "agreed" {
		w.finish(v, "unused")
	}
	r.answers = nil
}
