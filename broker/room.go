package broker

import (
	"cmp"
	"context"
	"log/slog"
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

// forecast is how many bytes the recordings of running sessions will still
// need, if each goes on as it did until its last window's end.
func (b *Broker) forecast() float64 {
	now := b.clock.now()
	sum := 0.0
	for _, s := range b.all() {
		age := max(now.wall.Sub(s.started), time.Minute) // the first seconds are no measure
		sum += float64(s.writer.Written()) * s.left(now).Seconds() / age.Seconds()
	}
	return sum
}

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
