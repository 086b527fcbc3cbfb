package sshd

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"penstock/audit/recording"
)

const maxSignals = 16 // signals and breaks that wait

// aside is what goes to the machine beside the bytes: resizes, signals, breaks.
// A goroutine passes them on while there are any.
type aside struct {
	mu      sync.Mutex
	size    []byte         // the newest window-change; nil: none waits
	pace    *rate.Limiter  // of sizes that go out; nil until there was one
	signals []*ssh.Request // and breaks
	pass    func()         // starts the goroutine; nil: the machine takes nothing, yet or any more
	passing bool
}

// resize keeps the newest size, also before the machine is reached.
func (a *aside) resize(raw []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.size = raw
	if a.pace == nil {
		a.pace = rate.NewLimiter(50, maxRequests)
	}
	a.start()
}

// signal is false where it is not taken: nobody to pass it to, or too many.
func (a *aside) signal(req *ssh.Request) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pass == nil || len(a.signals) >= maxSignals {
		return false
	}
	a.signals = append(a.signals, req)
	a.start()
	return true
}

// begin says how to start the goroutine, which calls next until there is no more.
func (a *aside) begin(pass func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pass = pass
	a.start()
}

// end starts no more of them.
func (a *aside) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pass = nil
}

// start starts the goroutine where it is needed and not there. mu is held.
func (a *aside) start() {
	if a.pass != nil && !a.passing && (a.size != nil || len(a.signals) > 0) {
		a.passing = true
		a.pass()
	}
}

// next is what to pass on now: a size, or else a signal. Without both the
// goroutine is to return.
func (a *aside) next() (size []byte, req *ssh.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.size != nil:
		size, a.size = a.size, nil
	case len(a.signals) > 0:
		req, a.signals = a.signals[0], a.signals[1:]
	default:
		a.signals, a.passing = nil, false
	}
	return size, req
}

// newest waits until a size may go out, and gives the one that counts by then:
// whoever drags a terminal's edge sends hundreds, and the last one is right.
func (a *aside) newest(ctx context.Context, size []byte) []byte {
	_ = a.pace.Wait(ctx) // only ctx ends it, and then nothing passes
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.size != nil {
		size, a.size = a.size, nil
	}
	return size
}

// outward passes on what waits, each recorded first. What waits when ctx ends
// has no answer: nobody is there to hear it.
func (w *wire) outward(ctx context.Context) error {
	for size, req := w.aside.next(); ctx.Err() == nil; size, req = w.aside.next() {
		switch {
		case size != nil:
			w.passSize(ctx, w.aside.newest(ctx, size))
		case req != nil:
			reply(req, w.passSignal(ctx, req))
		default:
			return nil
		}
	}
	return nil
}

func (w *wire) passSize(ctx context.Context, raw []byte) {
	cols, rows, _ := parseResize(raw)
	if w.gate.Mark(ctx, recording.Resize, fmt.Appendf(nil, "%dx%d", cols, rows)) == nil && w.passes(ctx) {
		_, _ = w.target.SendRequest("window-change", false, raw)
	}
}

func (w *wire) passSignal(ctx context.Context, req *ssh.Request) bool {
	detail := map[string]any{}
	if req.Type == "signal" {
		detail["signal"], _ = parseSignal(req.Payload)
	}
	if w.gate.Pass(ctx) != nil || !w.gate.Ask(ctx, req.Type, detail).Allow {
		return false
	}
	_, err := w.target.SendRequest(req.Type, false, req.Payload)
	return err == nil
}
