package review

import (
	"context"
	"fmt"
	"strconv"

	"penstock/audit"
	"penstock/audit/recording"
)

// Watched says who may look on while somebody works on an asset; it is the
// plant file's word (policy.Plant.MayWatch). Until it is called nobody may.
func (b *Book) Watched(may func(roles []string, asset string) bool) { b.watches = may }

// MayWatch says whether somebody may look on, with no event: for a button, and
// for whoever asks again while a watch runs.
func (b *Book) MayWatch(who Reader, asset string) bool {
	return who.Person != "" && b.watches != nil && b.watches(who.Roles, asset)
}

// Watching is a person's look at a channel of a session that runs.
type Watching struct {
	*recording.Follower
	book    *Book
	who     Reader
	session string
}

// Watch is Read while the session runs: review.opened, durable, and then the
// channel from its first frame on. asset is the one that the channel is on, by
// the broker's word. ErrMayNot for who may not look on there;
// recording.ErrNotRunning and fs.ErrNotExist, with the event written, where
// there is nothing to follow.
func (b *Book) Watch(ctx context.Context, who Reader, session string, ch int, asset string) (*Watching, error) {
	who.What, who.Form = "watch", "channel "+strconv.Itoa(ch)
	if !b.MayWatch(who, asset) {
		return nil, fmt.Errorf("watch %.100q: %w", session, ErrMayNot)
	}
	if err := b.write(ctx, who, session); err != nil {
		return nil, fmt.Errorf("watch %.100q: %w", session, err)
	}
	f, err := b.archive.Follow(session, ch)
	if err != nil {
		return nil, err
	}
	return &Watching{f, b, who, session}, nil
}

// Leave ends the look and writes review.closed; ctx ends the wait for the log.
func (w *Watching) Leave(ctx context.Context, why string) error {
	w.Close()
	body := audit.ReviewClosed{Session: w.session, Person: w.who.Person, Form: w.who.Form, Why: why}
	if _, err := w.book.log.Append(ctx, audit.Event{Subject: w.session, Actor: w.who.Person, Body: body}); err != nil {
		return fmt.Errorf("watch %s: %w", w.session, err)
	}
	return nil
}
