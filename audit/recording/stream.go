package recording

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	maxWaiting = 1 << 20   // bytes that wait for the recorder; Append and Commit block above it
	enough     = 256 << 10 // waiting bytes that are flushed without waiting for company
	forever    = time.Hour // nothing waits
)

// Stream is one channel's frames. Callers put items into a bounded queue; the
// stream's own goroutine compresses, seals, writes and syncs them in order. It is
// there while there is something to do: a channel is mostly idle.
type Stream struct {
	w       *Writer
	channel uint16
	kind    string

	mu      sync.Mutex
	queue   []item
	waiting int           // bytes in queue, with itemCost
	room    chan struct{} // closed, and made anew, when the queue was taken
	urgent  bool          // somebody waits for durability, or there is enough
	busy    bool          // the recorder is there, or has ended
	ended   bool
	durable Head          // of the newest durable frame
	told    bool          // durable is in log/heads already
	news    chan struct{} // closed when durable moves; nil: nobody waits for it

	wake chan struct{} // capacity 1
	done chan struct{} // the recorder has ended; it is not there again

	tape *tape // the recorder's; settle's once done is closed
}

func newStream(w *Writer, ch uint16, kind string) (*Stream, error) {
	t, err := newTape(w, ch, kind)
	if err != nil {
		return nil, err
	}
	return &Stream{
		w: w, channel: ch, kind: kind, tape: t, told: true,
		room: make(chan struct{}), wake: make(chan struct{}, 1), done: make(chan struct{}),
	}, nil
}

// Commit returns once p is durable. It copies p. An error promises nothing: p
// may be in the recording, and must not be forwarded. ctx ends the wait only.
// More than 1 MiB is taken in pieces, between which other callers' may come.
func (s *Stream) Commit(ctx context.Context, m Mark, p []byte) error {
	begun := time.Now()
	for len(p) > maxWaiting {
		if err := s.put(ctx, m, p[:maxWaiting], nil); err != nil {
			return err
		}
		p = p[maxWaiting:]
	}
	done := make(chan struct{})
	if err := s.put(ctx, m, p, done); err != nil {
		return err
	}
	select {
	case <-done:
		s.w.a.commits.Since(begun)
		return nil
	case <-s.w.failed:
	case <-ctx.Done():
	}
	select {
	case <-done:
		return nil
	default:
	}
	if err := s.w.Err(); err != nil {
		return err
	}
	return fmt.Errorf("wait for the recording: %w", context.Cause(ctx))
}

// Append returns at once; p is on its way to the disk within 40 ms, durable
// within 100 ms on a disk that keeps up. It copies p, and blocks while 1 MiB
// waits, or anything is overdue (Archive.Overdue): a flush that takes 2 s is. One
// that takes 30 s fails the Writer.
func (s *Stream) Append(m Mark, p []byte) error {
	for len(p) > maxWaiting {
		if err := s.put(context.Background(), m, p[:maxWaiting], nil); err != nil {
			return err
		}
		p = p[maxWaiting:]
	}
	return s.put(context.Background(), m, p, nil)
}

func (s *Stream) put(ctx context.Context, m Mark, p []byte, done chan<- struct{}) error {
	if !m.known() {
		return fmt.Errorf("record: unknown mark %q", byte(m))
	}
	if !m.bytes() && len(p) > maxPlain {
		return fmt.Errorf("record: a message of %d bytes; %d is the most", len(p), maxPlain)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("record: %w", context.Cause(ctx))
	}
	if m.bytes() && s.w.a.p.Reserve.Tapped() {
		err := fmt.Errorf("record: what is left of the disk is for the end: %w", ErrDiskFull)
		s.w.fail(err)
		return err
	}
	if m.bytes() || done != nil { // a note or an exit status gives nothing, and has room in the queue
		if err := s.steady(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	for {
		if err := s.w.Err(); err != nil {
			s.mu.Unlock()
			return err
		}
		if s.ended {
			s.mu.Unlock()
			return ErrClosed
		}
		if s.waiting == 0 || s.waiting+len(p)+itemCost <= maxWaiting {
			break
		}
		room := s.room
		s.mu.Unlock()
		select {
		case <-room:
		case <-s.w.failed:
		case <-ctx.Done():
			return fmt.Errorf("record: %w", context.Cause(ctx))
		}
		s.mu.Lock()
	}
	s.enqueue(m, p, done)
	s.urgent = s.urgent || done != nil || s.waiting >= enough
	s.stir()
	s.mu.Unlock()
	return nil
}

// steady waits while anything of the disk or the log is overdue.
func (s *Stream) steady(ctx context.Context) error {
	well := s.w.a.Overdue().Well()
	select {
	case <-well:
		return nil
	default:
	}
	select {
	case <-well:
		return nil
	case <-s.w.failed:
		return s.w.Err()
	case <-s.done:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("record: %w", context.Cause(ctx))
	}
}

// stir wakes the recorder, or starts it where it is not there. mu is held.
func (s *Stream) stir() {
	if !s.busy {
		s.busy = true
		go s.record()
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// failed lets the recorder end where the Writer has failed.
func (s *Stream) failed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stir()
}

// end lets the recorder finish what waits and return.
func (s *Stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.stir()
}

// wait for the recorder to return.
func (s *Stream) wait(ctx context.Context) error {
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the recorder of channel %d: %w", s.channel, context.Cause(ctx))
	}
}

// Close ends the stream; what was appended is durable on return. Closing again is safe.
func (s *Stream) Close(ctx context.Context) error {
	s.end()
	if err := s.wait(ctx); err != nil {
		return err
	}
	return s.w.Err()
}

// record is the recorder: the only goroutine that touches the tape. It goes
// when there is nothing to do, and ends with the stream or its Writer.
func (s *Stream) record() {
	ended := true // by a panic too
	defer func() {
		if ended {
			s.tape.rest()
			close(s.done)
		}
	}()
	defer func() {
		if r := recover(); r != nil {
			s.w.fail(fmt.Errorf("channel %d: the recorder panicked: %v", s.channel, r))
		}
	}()
	ended = s.work()
}

// work says whether the recorder has ended, or is only not needed now.
func (s *Stream) work() (ended bool) {
	timer := time.NewTimer(quietAfter)
	defer timer.Stop()
	for {
		batch, ended, wait := s.take()
		if len(batch) > 0 {
			if err := s.flush(batch); err != nil {
				s.w.fail(fmt.Errorf("channel %d: %w", s.channel, diskFull(err)))
				return true
			}
			continue
		}
		if ended {
			return true
		}
		timer.Reset(min(wait, quietAfter))
		select {
		case <-s.wake:
		case <-s.w.failed:
			return true
		case <-timer.C:
			if wait == forever && s.leave() {
				return false
			}
		}
	}
}

// leave lets go what a channel without traffic does not need, and the recorder too.
func (s *Stream) leave() bool {
	s.tape.quiet()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) > 0 || s.ended || s.w.Err() != nil {
		return false
	}
	s.busy = false
	return true
}

// take gives what is to be flushed now, or how long there is to wait.
func (s *Stream) take() (batch []item, ended bool, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil, s.ended, forever
	}
	if age := time.Since(s.w.start) - s.queue[0].at; !s.urgent && !s.ended && age < flushAfter {
		return nil, false, flushAfter - age
	}
	batch, s.queue, s.waiting, s.urgent = s.queue, nil, 0, false
	close(s.room)
	s.room = make(chan struct{})
	return batch, s.ended, 0
}

var errSlow = errors.New("the disk took longer than 30 s for one flush")

// flush makes a batch durable and lets those go who wait for it.
func (s *Stream) flush(batch []item) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	defer s.w.a.Overdue().Watch(slowFlush, func() {
		s.w.fail(fmt.Errorf("channel %d: %w", s.channel, errSlow))
		cancel(errSlow)
	})()
	for len(batch) > 0 {
		n := s.tape.add(batch)
		giveBack(batch[:n])
		if err := s.tape.flush(ctx); err != nil {
			return err
		}
		s.publish()
		for _, it := range batch[:n] {
			if it.done != nil {
				close(it.done)
			}
		}
		batch = batch[n:]
	}
	return nil
}

func (s *Stream) publish() {
	h := s.tape.head()
	s.mu.Lock()
	s.durable, s.told = h, false
	if s.news != nil {
		close(s.news)
		s.news = nil
	}
	s.mu.Unlock()
}

// settle gives the files as close.json lists them.
func (s *Stream) settle(ctx context.Context) ([]File, error) {
	return s.tape.settle(ctx)
}
