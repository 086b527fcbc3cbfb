package connect

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	firstRetry = time.Second
	slowRetry  = 30 * time.Second
	certLeast  = 10 * time.Second // a certificate that is good for less is asked for anew
	nearEnd    = 16 * time.Minute // the broker warns from 15 on
	endSlack   = 10 * time.Second // the broker says the end; only where nobody says anything do we
)

// stay listens, follows the windows and keeps the line up until they are over.
func (v *visit) stay(ctx context.Context, socks string) error {
	open, err := v.listen(ctx, socks)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	defer all.Wait()
	defer func() {
		for _, l := range open {
			l.l.Close()
		}
		v.mu.Lock()
		link, desk := v.link, v.desk
		v.mu.Unlock()
		if link != nil {
			link.Close()
		}
		if desk != nil {
			desk.Close()
		}
	}()
	for _, l := range open {
		all.Go(func() { v.serve(ctx, l) })
	}
	all.Go(func() { v.again(ctx, "watching your windows", v.watch) })
	all.Go(func() { v.again(ctx, "the line", v.carry) })
	all.Go(func() { v.count(ctx) })
	<-ctx.Done()
	return nil
}

// again runs one part until ctx ends, later and later after it failed. A no of
// the broker's ends the command; a broken line does not while a window runs.
func (v *visit) again(ctx context.Context, _ string, part func(context.Context) error) {
	pause := firstRetry
	for ctx.Err() == nil {
		began := time.Now()
		err := part(ctx)
		if s := (*Stop)(nil); errors.As(err, &s) && s.Code != ExitNoReach {
			v.cancel(s)
			return
		}
		if time.Since(began) > slowRetry {
			pause = firstRetry
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, slowRetry)
	}
}

// carry holds the line that the streams use, and comes back where it is gone.
// The windows were agreed: nobody is asked again, only a certificate that has
// run out is fetched anew.
func (v *visit) carry(ctx context.Context) error {
	v.mu.Lock()
	c, cert := v.link, v.cert
	v.mu.Unlock()
	if c == nil {
		if !cert.good(v.trust.now(), certLeast) {
			if err := v.certify(ctx, v.o.Windows, false); err != nil {
				return err
			}
		}
		var err error
		if c, err = v.enter(ctx); err != nil {
			return err
		}
		v.up(c)
		v.say.line("up", "the line is back; what you had open has to be opened again", nil)
	}
	stopAsking := Alive(c.Conn, aliveMisses)
	over := context.AfterFunc(ctx, func() { c.Close() })
	_ = c.Wait() // why the other end went is what follow says
	over()
	stopAsking()
	v.down()
	if ctx.Err() == nil {
		v.say.line("down", "the line to the broker broke; trying again", nil)
	}
	return nil
}

// watch follows the windows at the desk.
func (v *visit) watch(ctx context.Context) error { return v.follow(ctx, v.heard) }

// heard takes one word about a window.
func (v *visit) heard(w window) {
	if !slices.Contains(v.o.Windows, w.Window) { // of another nothing was asked, and its end is not this visit's
		return
	}
	v.ends(w)
	if !w.over() || v.o.JSON || len(v.o.Windows) > 1 { // else the last word of the command says it
		v.stands(w)
	}
	if !w.over() {
		return
	}
	v.mu.Lock()
	v.over[w.Window] = w.State
	left := len(v.o.Windows) - len(v.over)
	cut := false
	for _, s := range v.over {
		cut = cut || s == "cut"
	}
	v.mu.Unlock()
	switch {
	case left > 0:
	case cut:
		v.cancel(stop(ExitNo, "%s %s", w.Window, clean(w.Says)))
	default:
		v.cancel(stop(ExitDone, "%s is over: %s", strings.Join(v.o.Windows, ", "), clean(w.Says)))
	}
}

// stands says how a window stands, where that is new or its end is near.
func (v *visit) stands(w window) {
	v.mu.Lock()
	same := v.said[w.Window] == w.Says && time.Duration(w.Left)*time.Second > nearEnd
	v.said[w.Window] = w.Says
	v.mu.Unlock()
	if same {
		return
	}
	text := w.Window + " " + clean(w.Says)
	if w.runs() {
		text += ", " + spell(time.Duration(w.Left)*time.Second) + " left"
	}
	v.say.line("window", text, map[string]any{"window": w.Window, "state": w.State, "left_seconds": w.Left})
}

// ends notes when a window ends, by this computer's own clock.
func (v *visit) ends(w window) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if w.runs() && w.Left > 0 {
		v.until[w.Window] = time.Now().Add(time.Duration(w.Left) * time.Second)
	} else {
		delete(v.until, w.Window)
	}
}

// end is when the last window ends, as far as it was told; zero: not told.
func (v *visit) end() (last time.Time, up bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, at := range v.until {
		if at.After(last) {
			last = at
		}
	}
	return last, v.link != nil
}

// count shows what is left, and ends where nobody has said so in time.
func (v *visit) count(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		until, up := v.end()
		if until.IsZero() {
			continue
		}
		left := time.Until(until)
		v.say.left(left, up)
		if left < -endSlack && !up {
			v.cancel(stop(ExitNo, "your window has ended by this computer's clock, and the broker cannot be reached; look at ssh desk@%s windows", v.host))
			return
		}
	}
}

// serve takes one listener's connections.
func (v *visit) serve(ctx context.Context, l *listener) {
	var streams sync.WaitGroup
	defer streams.Wait()
	places := make(chan struct{}, maxStreams)
	for {
		c, err := l.l.Accept()
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return
		}
		if err != nil {
			select {
			case <-time.After(100 * time.Millisecond): // out of file descriptors
				continue
			case <-ctx.Done():
				return
			}
		}
		if !ownComputer(c) {
			v.say.line("refused", "a connection from "+c.RemoteAddr().String()+" is not of this computer and was refused", nil)
			c.Close()
			continue
		}
		select {
		case places <- struct{}{}:
		default:
			c.Close()
			continue
		}
		streams.Go(func() {
			defer func() { <-places }()
			l.take(ctx, c)
		})
	}
}
