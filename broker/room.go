package broker

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"slices"
	"time"

	"penstock/audit/recording"
)

// askRoom is how often the disk is asked, and how long one session's end has to
// show before the next is ended.
const askRoom = time.Second

// rooms watches the recordings' disk. Nobody new comes in while it is low; while
// it is scarce the session that began first is ended, one a second; when it is
// gone all are, while there is room to close their recordings in order. A disk
// that cannot be asked counts as gone.
func (b *Broker) rooms(ctx context.Context) {
	t := time.NewTicker(askRoom)
	defer t.Stop()
	for {
		room, err := b.archive.Room()
		b.roomIs(room, err)
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

func (b *Broker) roomIs(room recording.Room, err error) {
	defer recovered("room")
	b.mu.Lock()
	before := b.room
	b.room = room
	b.mu.Unlock()
	if room != before {
		slog.Warn("room on the recordings' disk", "is", room.String(), "was", before.String(), "err", err)
	}
	switch room {
	case recording.Scarce:
		if s := b.eldest(); s != nil {
			s.end(diskGone)
		}
	case recording.Gone:
		b.endAll(diskGone)
	}
}

// eldest is the session that began first, of those that have not ended.
func (b *Broker) eldest() *Session {
	all := slices.DeleteFunc(b.all(), func(s *Session) bool { return s.over.Load() })
	if len(all) == 0 {
		return nil
	}
	return slices.MinFunc(all, func(x, y *Session) int {
		return cmp.Or(x.started.Compare(y.started), cmp.Compare(len(x.id), len(y.id)), cmp.Compare(x.id, y.id))
	})
}

// busyTerminal is what a second of a window is taken to need, in bytes, before
// a session of this life has shown otherwise.
const busyTerminal = 1 << 10

// Expects has agreed asked, at each forecast, how long the windows that are
// agreed and not yet open may last, together. Before Run.
func (b *Broker) Expects(agreed func() (time.Duration, error)) { b.agreed = agreed }

// forecast is how many bytes recordings will still need: those of running
// sessions, if each goes on as it did until its last window's end, and those of
// windows that are agreed and not yet open, if in each a session runs for all of
// it that writes as sessions of this life did on average. Where nobody can say
// how long those are it is infinite: half of it would look like an answer.
func (b *Broker) forecast() float64 {
	now := b.clock.now()
	b.mu.Lock()
	bytes, seconds, agreed := b.wrote, b.ran.Seconds(), b.agreed
	b.mu.Unlock()
	sum := 0.0
	for _, s := range b.all() {
		age, wrote := s.age(now), float64(s.writer.Written())
		sum += wrote * s.left(now).Seconds() / age.Seconds()
		bytes, seconds = bytes+wrote, seconds+age.Seconds()
	}
	if agreed == nil {
		return sum
	}
	lasts, err := agreed()
	if err != nil {
		slog.Error("how much room agreed windows will need is not known", "err", err)
		return math.Inf(1)
	}
	rate := float64(busyTerminal)
	if seconds > 0 {
		rate = bytes / seconds
	}
	return sum + rate*lasts.Seconds()
}

// age is how long a session has run; its first seconds are no measure.
func (s *Session) age(now reading) time.Duration { return max(now.wall.Sub(s.started), time.Minute) }

// left is how long the last of the session's windows still lasts.
func (s *Session) left(now reading) (longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.stays {
		if st.gone == nil {
			longest = max(longest, st.due.remaining(now))
		}
	}
	return longest
}
