package evidence

import (
	"fmt"
	"time"

	"penstock/audit"
)

const (
	// MaxLeft bounds what is noted as left behind in one window: whoever works in
	// it can note it without anybody's yes.
	MaxLeft = 20
	// MaxLeftFor is how long something may be left behind, from when that is said.
	MaxLeftFor = 31 * 24 * time.Hour
)

// leftThing is something that was left behind, as the leaves tell it.
type leftThing struct {
	due  time.Time // zero: nobody said by when
	rang bool
	gone bool
}

// leftNoted: by whoever may take access away, or by somebody of the firm, who
// gives no time; while the window runs, or is over and not closed.
func (w *Walk) leftNoted(b audit.LeftNoted) {
	v := w.window(b.Window)
	if v == nil {
		return
	}
	p, r := w.known(b.By), w.requests[v.request]
	if firm := p != nil && r != nil && p.firm == r.firm && !w.ofPlant(p); firm {
		w.must(b.Due.IsZero(), "%s of the firm said by when it must be gone", short(b.By))
	} else {
		w.leftBy(b.By, v)
	}
	w.must(v.runs() || v.state == "ended" || v.state == "cut", "left behind while the window was %s", v.state)
	w.must(b.N == len(v.behind)+1 && b.N <= MaxLeft, "it is number %d, after %d", b.N, len(v.behind))
	w.document("what is left behind", b.Text)
	w.leftUntil(b.Due, b.At)
	v.behind = append(v.behind, &leftThing{due: b.Due})
}

func (v *window) runs() bool { return v.state == "open" || v.state == "paused" || v.state == "ending" }

// leftBy: somebody of the plant who may take access away, and did not work in it.
func (w *Walk) leftBy(id string, v *window) {
	if w.must(w.plantPerson(id), "said by %s, who is nobody of the plant", short(id)) {
		w.mayTake(id, false)
	}
	w.must(!w.worksIn(id, v), "said by %s, who worked in it", short(id))
}

// leftUntil: a time that somebody can still be held to.
func (w *Walk) leftUntil(due, at time.Time) {
	if !due.IsZero() {
		w.must(due.After(at) && due.Sub(at) <= MaxLeftFor, "at %s it must be gone by %s", clock(at), clock(due))
	}
}

// leftOf is the thing that a leaf is about, where it is still there.
func (w *Walk) leftOf(window string, n int) (*window, *leftThing) {
	v := w.window(window)
	if v == nil || !w.must(n >= 1 && n <= len(v.behind), "nothing with the number %d was left behind", n) {
		return nil, nil
	}
	w.must(!v.behind[n-1].gone, "it is gone already")
	return v, v.behind[n-1]
}

func (w *Walk) leftDue(b audit.LeftDue) {
	if v, l := w.leftOf(b.Window, b.N); l != nil {
		w.leftBy(b.By, v)
		w.must(!b.Due.IsZero(), "it does not say by when")
		w.leftUntil(b.Due, b.At)
		*l = leftThing{due: b.Due}
	}
}

func (w *Walk) leftRang(b audit.LeftRang) {
	if _, l := w.leftOf(b.Window, b.N); l != nil {
		w.must(w.leaf.Actor == penstock && b.Due.Equal(l.due) && !l.due.IsZero() && !b.At.Before(l.due) && !l.rang, "rung for at %s, and it must be gone by %s", clock(b.At), clock(l.due))
		l.rang = true
	}
}

func (w *Walk) leftGone(b audit.LeftGone) {
	if v, l := w.leftOf(b.Window, b.N); l != nil {
		w.leftBy(b.By, v)
		l.gone = true
	}
}

// leftHere is the first thing that is still there, as a number; zero: none.
func (v *window) leftHere() int {
	for i, l := range v.behind {
		if !l.gone {
			return i + 1
		}
	}
	return 0
}

// unrung: what was not gone in time, and the log goes on without anybody having
// been rung.
func (w *Walk) unrung() {
	for id, v := range w.windows {
		for i, l := range v.behind {
			late := !l.gone && !l.rang && !l.due.IsZero() && w.last.After(l.due.Add(lookTime))
			if !late || w.stopped || w.last.Before(w.started.Add(lookTime)) || w.stoodStill(l.due) || w.partial {
				continue
			}
			w.wrong = append(w.wrong, fmt.Sprintf("%s: what was left behind (%d) was to be gone by %s, nobody was rung, and the log goes on until %s", id, i+1, clock(l.due), clock(w.last)))
		}
	}
}
