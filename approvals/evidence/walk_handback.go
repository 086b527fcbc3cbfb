package evidence

import "penstock/audit"

// HandsBack says whether whoever worked in a window tells what was changed before
// it is closed. A test of the way changes nothing; at a machine's end nobody sits.
func (w WindowClaim) HandsBack() bool { return !w.Probe && w.Machine.IsZero() }

// handedBack: by a person of the firm, once the window is over.
func (w *Walk) handedBack(b audit.HandbackGiven) {
	v := w.window(b.Window)
	if v == nil {
		return
	}
	p, r := w.justKnown(b.By), w.requests[v.request]
	w.must(p != nil && r != nil && p.firm == r.firm, "handed back by %s, who is not of the firm that worked in it", short(b.By))
	if w.must(v.state == "ended" || v.state == "cut", "handed back while it was %s", v.state) {
		v.back = true
	}
	w.document("hand-back", b.Text)
}

// accepted: by somebody of the plant who may take access away and did not work in
// it; what ended by itself only once somebody has told what was changed.
func (w *Walk) accepted(b audit.HandbackAccepted) {
	v := w.window(b.Window)
	if v == nil {
		return
	}
	if w.must(w.plantPerson(b.By), "accepted by %s, who is nobody of the plant", short(b.By)) {
		w.mayTake(b.By, false)
	}
	w.must(!w.worksIn(b.By, v), "accepted by %s, who worked in it", short(b.By))
	w.must(v.state != "ended" || v.back || !v.claim.HandsBack(), "accepted, and nobody had handed it back")
	n := v.leftHere()
	w.must(n == 0, "accepted, and what was left behind (%d) was not gone", n)
	if w.must(v.state == "ended" || v.state == "cut", "accepted while it was %s", v.state) {
		w.finish(v, "closed")
	}
}
