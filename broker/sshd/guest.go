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

// toLeave is how long a client that has been told may take to close its side: one
// that has nothing else open goes by itself, and what is closed under words that
// are still on their way, or beside bytes that nobody has read, may lose them.
const toLeave = time.Second

// Close says why on every channel and cuts; ≤ 4 s, in which nothing passes any
// more; safe to repeat.
func (g guest) Close(why error) {
	c := g.c
	c.mu.Lock()
	closing := c.closing != nil
	if !closing {
		c.closing = why
	}
	c.mu.Unlock()
	said := make(chan struct{})
	defer close(said)
	c.door.begin()
	go func() {
		defer c.door.done()
		lapse(wordTime+toLeave, said)
		c.Close()
	}()
	if !closing && c.ctx.Err() == nil {
		text := c.door.words(why)
		var wait sync.WaitGroup
		told := c.shown()
		for _, s := range told {
			wait.Go(func() { s.last(text) })
		}
		wait.Wait()
		if len(told) > 0 {
			lapse(toLeave, c.ctx.Done())
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

// enter puts a screen on the list; an error is why the connection is closing.
func (c *conn) enter(s *screen) (notes []string, closing error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != nil {
		return nil, c.closing
	}
	c.screens[s] = struct{}{}
	notes, c.notes = c.notes, nil
	return notes, nil
}

// endedBy is what somebody reads who asks for more in a session that has ended.
func (c *conn) endedBy(why error) string {
	if c.ctx.Err() != nil { // nobody is there to read it
		return "this session has ended"
	}
	return oneLine("this session has ended: " + c.door.words(why))
}

// isClosing is why the session has ended, nil where it has not.
func (c *conn) isClosing() error {
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
