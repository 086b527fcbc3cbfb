package evidence

import (
	"slices"
	"time"

	"penstock/audit"
)

// call is a call-in as the leaves tell it.
type call struct {
	until time.Time
	here  string // who answered
}

// callMade: of a request that the plant wrote as a call, by somebody of the plant.
func (w *Walk) callMade(b audit.CallMade) {
	r := w.request(b.Request)
	if r == nil {
		return
	}
	w.must(r.called, "%s is no call-in", b.Request)
	w.must(w.leaf.Actor == b.By && w.plantPerson(b.By), "called by %s, who is nobody of the plant", short(b.By))
	w.must(r.awaits() || r.state == "agreed", "the request was %s", r.state)
	w.must(r.call.here == "", "%s had answered the call already", short(r.call.here))
	r.call = call{until: b.Until}
}

// callAnswered: by one of the people of the request, in time, once.
func (w *Walk) callAnswered(b audit.CallAnswered) {
	r := w.request(b.Request)
	if r == nil {
		return
	}
	w.must(w.leaf.Actor == b.Person && w.known(b.Person) != nil && slices.Contains(r.workers, b.Person), "answered by %s, who was not called", short(b.Person))
	w.must(r.call.here == "", "%s had answered the call already", short(r.call.here))
	w.must(!r.call.until.IsZero() && b.At.Before(r.call.until) && !w.leaf.Wall.After(r.call.until.Add(settleTime)), "answered at %s, and the code was good until %s", clock(b.At), clock(r.call.until))
	r.call.here = b.Person
}

// mayOpenCall: a window of a call-in opens only once somebody who was called is there.
func (w *Walk) mayOpenCall(v *window) {
	if r := w.requests[v.request]; r != nil && r.called {
		w.must(r.call.here != "", "opened before anybody had answered the call")
	}
}

// questionAnswered: by whoever asked, or somebody of the firm, to a question
// about the newest revision. It moves nothing.
func (w *Walk) questionAnswered(b audit.QuestionAnswered) {
	r := w.request(b.Request)
	if r == nil {
		return
	}
	p := w.known(b.By)
	w.must(w.leaf.Actor == b.By && p != nil && (b.By == r.by || p.firm == r.firm), "said by %s, who neither asked nor is of %s", short(b.By), r.firm)
	w.must(r.awaits() && b.Rev == r.rev && r.asks, "nobody had asked anything about revision %d", b.Rev)
	w.document("word", b.Text)
}
