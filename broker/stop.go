package broker

import (
	"context"
	"fmt"
	"time"

	"penstock/policy"
)

// shutMoment is how long a taking verb waits for connections to be closed
// after everything was ended in memory; nothing passes in that moment either.
const shutMoment = 20 * time.Millisecond

// Stop ends every channel that is bound to the window, at once, in memory; it
// waits for no disk, network or lock that is held across them. No channel is
// opened in that window again. A session whose every window has ended ends.
// Stop, Hold, Release and Block make the Broker an approvals.Stopper.
func (b *Broker) Stop(w policy.WindowID, why error) {
	begun := time.Now()
	why = windowStopped(w, why)
	b.board.stop(w, why, b.clock.now())
	var ended []*Channel
	for _, s := range b.all() {
		ended = append(ended, s.windowGone(w, why)...)
	}
	b.metrics.cut(begun, ended)
	shut(ended)
}

// Hold stops the vendor's input of a window: it waits, and output goes on.
func (b *Broker) Hold(w policy.WindowID, why string) {
	b.board.hold(w, why, b.clock.now())
	for _, s := range b.all() {
		s.hold(w, fmt.Sprintf("Your window %s is %s. What you type waits until it goes on.", w, why))
	}
}

// Narrow leaves a window no more than these rights, at once: each channel is
// decided anew on what was heard last, and loses its input, or ends.
func (b *Broker) Narrow(w policy.WindowID, rights policy.Rights, why string) {
	b.board.narrow(w, rights, b.clock.now())
	now := b.clock.now()
	for _, s := range b.all() {
		all := s.open(w)
		for _, c := range all {
			c.askAgain(*c.pass.Load().facts, now)
		}
		if len(all) > 0 {
			s.guest.say(fmt.Sprintf("Your window %s was %s. What goes beyond that is not passed on.", w, why), all)
		}
	}
}

// Release lets the vendor's input of a window go on.
func (b *Broker) Release(w policy.WindowID) {
	b.board.release(w, b.clock.now())
	for _, s := range b.all() {
		for _, c := range s.open(w) {
			c.goesOn()
		}
		s.hold(w, fmt.Sprintf("Your window %s goes on.", w))
	}
}

// Block ends every session of a blocked person or firm, or of everybody, and
// every channel to a blocked asset or zone; until the log has the block, it is
// kept here and refuses.
func (b *Broker) Block(bl policy.Block, why error) {
	begun := time.Now()
	why = blocked(bl, why)
	b.board.post(bl, why, b.clock.now())
	var ended []*Channel
	for _, s := range b.all() {
		if bl.All || bl.Person != "" && bl.Person == s.person || bl.Firm != "" && bl.Firm == s.firm {
			ended = append(ended, s.end(why)...)
			continue
		}
		for _, c := range s.open("") {
			asset := c.Query().Asset
			if bl.Asset != "" && bl.Asset == asset || bl.Zone != "" && bl.Zone == b.zone(asset) {
				c.end(why)
				ended = append(ended, c)
			}
		}
	}
	b.metrics.cut(begun, ended)
	shut(ended)
}

func (b *Broker) zone(a policy.AssetName) policy.ZoneName {
	asset, _ := b.plant().Asset(a)
	return asset.Zone
}

// shut gives the connections of ended channels a moment to be closed.
func shut(all []*Channel) {
	if len(all) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutMoment)
	defer cancel()
	for _, c := range all {
		select {
		case <-c.shut:
		case <-ctx.Done():
			return
		}
	}
}

// windowGone ends the window's channels, and the session if it was the last window.
func (s *Session) windowGone(w policy.WindowID, why error) []*Channel {
	last, concerned := true, false
	s.mu.Lock()
	for _, st := range s.stays {
		if st.window == w {
			concerned = true
			if st.gone == nil {
				st.gone = why
			}
		}
		last = last && st.gone != nil
	}
	s.mu.Unlock()
	if !concerned {
		return nil
	}
	if last {
		return s.end(why)
	}
	all := s.open(w)
	for _, c := range all {
		c.end(why)
	}
	return all
}

// hold stops or releases the input of a window's channels, as the board has it,
// and tells the person. The board is read anew on each try, so that of several
// callers the last word stands.
func (s *Session) hold(w policy.WindowID, text string) {
	var changed []*Channel
	for _, c := range s.open(w) {
		if c.change(func(p *pass) bool { was := p.held; p.held = c.waits(); return was != p.held }) {
			changed = append(changed, c)
		}
	}
	if len(changed) > 0 {
		s.guest.say(text, changed)
	}
}

// within says how long there is until ctx ends, in words; "" where nothing can be said.
func within(ctx context.Context) string {
	end, ok := ctx.Deadline()
	left := time.Until(end).Round(time.Second)
	if !ok || left < time.Second {
		return ""
	}
	return " in " + left.String()
}

// Drain admits nobody more, tells everybody, waits for sessions to end until
// ctx ends, and then ends them.
func (b *Broker) Drain(ctx context.Context) error {
	b.mu.Lock()
	b.draining = true
	b.mu.Unlock()
	all := b.all()
	for _, s := range all {
		s.guest.say("This broker is about to stop"+within(ctx)+". Finish what you are doing and leave.", s.open(""))
	}
	for _, s := range all {
		select {
		case <-s.done:
		case <-ctx.Done():
		}
	}
	b.endAll(errDrained)
	late := time.NewTimer(2 * closeWriter)
	defer late.Stop()
	for _, s := range all {
		select {
		case <-s.done:
		case <-late.C:
			return fmt.Errorf("drain: %d sessions have not ended", len(b.all()))
		}
	}
	return nil
}
