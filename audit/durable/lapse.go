package durable

import (
	"sync"
	"time"
)

// lapseSteps are what a limit here is made of.
const lapseSteps = 20

// Lapse calls f once d has passed, unless stop is called before. It counts in
// twenty waits, one begun after the other: a process that was stopped (SIGSTOP), a
// virtual machine that stood still, or one with far too much to do loses one wait by
// it, and not the whole time, in which what is waited for had no chance to run.
func Lapse(d time.Duration, f func()) (stop func()) {
	l := &lapse{step: max(d/lapseSteps, time.Nanosecond), f: f}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(l.step, l.next)
	return l.stop
}

type lapse struct {
	step time.Duration
	f    func()

	mu    sync.Mutex
	timer *time.Timer
	n     int
	over  bool
}

func (l *lapse) next() {
	if l.last() {
		l.f()
	}
}

// last says whether this was the last wait, and else begins the next one.
func (l *lapse) last() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	if l.n++; l.n < lapseSteps {
		l.timer.Reset(l.step)
		return false
	}
	l.over = true
	return true
}

func (l *lapse) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.timer.Stop()
}
