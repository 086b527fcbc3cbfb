package review

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"penstock/audit/recording"
)

const (
	// PlayingFor is how long one playing goes on: a shift.
	PlayingFor = 12 * time.Hour

	mostPlayings    = 1000 // of all people; the oldest goes
	mostPlayingsOne = 20   // of one person
)

// ErrNoPlaying is returned, wrapped, where a playing was not begun here, by
// this person and sign-in, or is over: it can be begun again, which is an event.
var ErrNoPlaying = errors.New("this playing is over: load the page again")

// playings are readings that go on: one event when each began, and the right
// asked again for each piece.
type playings struct {
	mu  sync.Mutex
	all []*playing // oldest first
}

type playing struct {
	id, person, holder, session string
	channel                     int
	begun                       time.Time
}

// Play is Read for a channel that is played piece by piece: the event says which
// channel, and the id that it gives opens it again with PlayOn, for this person
// and sign-in.
func (b *Book) Play(ctx context.Context, who Reader, session string, channel int) (string, *recording.Reader, error) {
	who.What, who.Form = "play", fmt.Sprintf("channel %d", channel)
	r, err := b.Read(ctx, who, session)
	if err != nil {
		return "", nil, err
	}
	p := &playing{rand.Text(), who.Person, who.Holder, session, channel, b.now()}
	b.playing.add(p)
	return p.id, r, nil
}

// PlayOn opens what Play began, with no event of its own; the right is asked
// anew, and a sealed recording must still be open. ErrNoPlaying, wrapped, else.
func (b *Book) PlayOn(who Reader, session, id string) (channel int, _ *recording.Reader, err error) {
	if who.Person == "" || b.may == nil || !b.may(who.Roles) {
		return 0, nil, fmt.Errorf("play on %.100q: %w", session, ErrMayNot)
	}
	p := b.playing.find(id)
	if p == nil || p.person != who.Person || p.holder != who.Holder || p.session != session || b.now().Sub(p.begun).Abs() > PlayingFor {
		return 0, nil, fmt.Errorf("play on %.100q: %w", session, ErrNoPlaying)
	}
	r, err := b.open(who, session)
	return p.channel, r, err
}

func (l *playings) add(p *playing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own, first := 0, -1
	for i, o := range l.all {
		if o.person == p.person {
			if own++; first < 0 {
				first = i
			}
		}
	}
	switch {
	case own >= mostPlayingsOne:
		l.all = slices.Delete(l.all, first, first+1)
	case len(l.all) >= mostPlayings:
		l.all = slices.Delete(l.all, 0, 1)
	}
	l.all = append(l.all, p)
}

func (l *playings) find(id string) *playing {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.all, func(p *playing) bool { return p.id == id }); i >= 0 {
		return l.all[i]
	}
	return nil
}
