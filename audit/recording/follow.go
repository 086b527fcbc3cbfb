package recording

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// ErrNotRunning is returned, wrapped, for a session that is not being recorded
// now: what there was of it is read with Open.
var ErrNotRunning = errors.New("this session does not run")

// Follower reads one channel of a session that runs, from its first frame on
// and then as frames become durable, without a gap: past and present come from
// the same file, by the same chain. It holds nothing back and nothing up: what
// its reader has not asked for lies on the disk, and the recorder only closes a
// channel that it waits on.
//
// The key is the running recorder's, so sealed recordings can be followed too,
// while they run and no longer. For one goroutine.
type Follower struct {
	s *Stream
	w *Writer
	c *scanner
}

// Follow begins to read a channel of a running session; no person behind it:
// people go through review.Book.Watch. ErrNotRunning, wrapped, if the session
// has ended; fs.ErrNotExist if there is no such channel.
func (a *Archive) Follow(session string, ch int) (*Follower, error) {
	a.mu.Lock()
	w := a.writers[session]
	a.mu.Unlock()
	if w == nil {
		return nil, fmt.Errorf("follow %.100q: %w", session, ErrNotRunning)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.key == nil {
		return nil, fmt.Errorf("follow %s: %w", session, ErrNotRunning)
	}
	var s *Stream
	if ch >= 0 && ch <= 65535 {
		s = w.streams[uint16(ch)]
	}
	if s == nil {
		return nil, fmt.Errorf("follow channel %d of %s: %w", ch, session, fs.ErrNotExist)
	}
	key := bytes.Clone(w.key)
	defer clear(key)
	c, err := newScanner(w.dir, w.header, channelFiles{channel: s.channel, kind: s.kind}, key)
	if err != nil {
		return nil, fmt.Errorf("follow channel %d of %s: %w", ch, session, err)
	}
	return &Follower{s: s, w: w, c: c}, nil
}

// Next gives the next durable frame, and waits for it until ctx ends; then the
// same frame can be asked for again. io.EOF: the channel has ended, and every
// frame was given. *Damage is for good.
func (f *Follower) Next(ctx context.Context) (Frame, error) {
	for {
		ready, over, news := f.state(true)
		switch {
		case ready:
			h, data, err := f.c.next()
			if err != nil {
				return Frame{}, fmt.Errorf("follow %s: %w", f.w.session, notEnded(err))
			}
			return h.frame(f.s.kind, data), nil
		case over:
			if err := f.w.Err(); err != nil {
				return Frame{}, err
			}
			return Frame{}, io.EOF
		}
		select {
		case <-news:
		case <-f.s.done:
		case <-ctx.Done():
			return Frame{}, fmt.Errorf("follow %s: %w", f.w.session, context.Cause(ctx))
		}
	}
}

// Ready says whether Next would return without waiting.
func (f *Follower) Ready() bool {
	ready, over, _ := f.state(false)
	return ready || over
}

// state looks how far the recorder is. over is asked first: after it nothing
// becomes durable any more. news is closed by the next flush.
func (f *Follower) state(wait bool) (ready, over bool, news <-chan struct{}) {
	select {
	case <-f.s.done:
		over = true
	default:
	}
	f.s.mu.Lock()
	h := f.s.durable
	if wait && f.s.news == nil {
		f.s.news = make(chan struct{})
	}
	news = f.s.news
	f.s.mu.Unlock()
	if h.File == "" || h.Seq < f.c.seq {
		return false, over, news
	}
	if p, ok := parsePart(h.File); ok {
		f.c.parts = p.number + 1 // those that are there for certain
	}
	return true, over, news
}

// notEnded: a frame that was durable is not there. No reader may take that for an end.
func notEnded(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("a durable frame is not whole any more: %v", err)
	}
	return err
}

// Close lets the key and the file go.
func (f *Follower) Close() {
	f.c.close()
	f.c.aead = nil
	clear(f.c.plain)
}
