package durable

import (
	"sync"
	"time"
)

// lostAfter is how many times its patience a Disk waits before what hangs
// counts as failed.
const lostAfter = 15

// Overdue counts what takes longer than it should: a disk that hangs for a
// moment, or a process with far too much to do. Then nothing has failed and
// nothing is known to be well: whoever hears of it gives nothing more away, and
// goes on once all that was overdue is done. An error is something else, and final.
type Overdue struct {
	lost time.Duration

	mu   sync.Mutex
	n    int
	well chan struct{} // closed while n is 0
	late chan struct{} // closed while it is not
}

// NewOverdue is for what stands in for a Disk; lost is the whole patience.
func NewOverdue(lost time.Duration) *Overdue {
	o := &Overdue{lost: lost, well: make(chan struct{}), late: make(chan struct{})}
	close(o.well)
	return o
}

// Well is closed while nothing is overdue. It is another channel after each change.
func (o *Overdue) Well() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.well
}

// Late is closed while something is overdue. It is another channel after each change.
func (o *Overdue) Late() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.late
}

func (o *Overdue) add(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch o.n += n; {
	case n > 0 && o.n == n:
		close(o.late)
		o.well = make(chan struct{})
	case o.n == 0:
		close(o.well)
		o.late = make(chan struct{})
	}
}

// Watch counts what begins now as overdue after soon, until done is called, and
// calls give, once, where the Disk's whole patience (15 times that of one flush)
// is over before: then it counts as failed. Both times are counted as Lapse does.
func (o *Overdue) Watch(soon time.Duration, give func()) (done func()) {
	w := &watched{o: o, more: max(o.lost-soon, time.Nanosecond), give: give}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop = Lapse(soon, w.late)
	return w.done
}

// watched is one thing under way.
type watched struct {
	o    *Overdue
	more time.Duration // after soon
	give func()

	mu      sync.Mutex // o.mu is taken inside it
	stop    func()
	counted bool
	over    bool
}

func (w *watched) late() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	w.counted = true
	w.o.add(1)
	w.stop = Lapse(w.more, w.give)
}

func (w *watched) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	w.over = true
	w.stop()
	if w.counted {
		w.o.add(-1)
	}
}
