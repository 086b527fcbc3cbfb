package sshd

import (
	"sync"
	"time"
)

// guest is a vendor's connection as the broker speaks to it.
type guest struct{ c *conn }

// Tell shows a sentence on every open channel; ≤ 200 ms, shown or not.
func (g guest) Tell(text string) {
	text = clean(text, 500)
	var wait sync.WaitGroup
	for _, s := range g.c.shown() {
		s.tell(text, &wait)
	}
	wait.Wait()
}

// Close says why on every channel and cuts; ≤ 500 ms; safe to repeat.
func (g guest) Close(why error) {
	c := g.c
	c.mu.Lock()
	closing := c.closing
	c.closing = true
	c.mu.Unlock()
	said := make(chan struct{})
	defer close(said)
	c.door.begin()
	go func() {
		defer c.door.done()
		lapse(450*time.Millisecond, said)
		c.Close()
	}()
	if !closing && c.ctx.Err() == nil {
		text := c.door.words(why)
		var wait sync.WaitGroup
		for _, s := range c.shown() {
			wait.Go(func() { s.last(text) })
		}
		wait.Wait()
		// The last words are in the socket's buffer; a client that has read them goes by itself.
		select {
		case <-c.ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	c.Close()
}

func (c *conn) shown() []*screen {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*screen, 0, len(c.screens))
	for s := range c.screens {
		all = append(all, s)
	}
	return all
}

// enter puts a screen on the list; false where the connection is closing.
func (c *conn) enter(s *screen) (notes []string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return nil, false
	}
	c.screens[s] = struct{}{}
	notes, c.notes = c.notes, nil
	return notes, true
}

func (c *conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

func (c *conn) leave(s *screen) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.screens, s)
}

// note shows a sentence, or keeps it for the next screen where there is none
// now: the protocol has no words for a refused global request, and the channel
// that was asked for after it may be there first.
func (c *conn) note(text string) {
	c.mu.Lock()
	shown := len(c.screens) > 0
	if !shown && len(c.notes) < 4 {
		c.notes = append(c.notes, text)
	}
	c.mu.Unlock()
	if shown {
		guest{c}.Tell(text)
	}
}
