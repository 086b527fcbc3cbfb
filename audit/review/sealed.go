package review

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"penstock/audit/recording"
)

// UnsealedFor is how long a session key that was given opens a recording, for
// the sitting that gave it.
const UnsealedFor = 20 * time.Minute

const (
	mostKeys   = 200 // of all sittings
	mostOfOne  = 20  // of one sitting
	keyRefused = "the key of another recording, or none"
)

// KeyAsked is the form of an unseal event before a key was given: the person
// has the key file, which opens nothing by itself.
const KeyAsked = "key file"

// ErrTooMany is returned, wrapped, where too many recordings are open at once.
var ErrTooMany = errors.New("too many sealed recordings are open: close one, or wait until one closes by itself")

// sitting is one recording, opened by one sign-in.
type sitting struct{ holder, session string }

// ring holds the session keys of sealed recordings that are open, in memory
// only and for a time only.
type ring struct {
	mu   sync.Mutex
	keys map[sitting]*heldKey
}

type heldKey struct {
	key   []byte
	drop  func()
	until time.Time
	timer *time.Timer
}

// put takes a key in; one that was there before is wiped.
func (r *ring) put(at sitting, key []byte) (until time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(at, nil)
	own := 0
	for k := range r.keys {
		if k.holder == at.holder {
			own++
		}
	}
	if len(r.keys) >= mostKeys || own >= mostOfOne {
		return until, ErrTooMany
	}
	held, drop, err := recording.HoldKey(key)
	if err != nil {
		return until, err
	}
	h := &heldKey{key: held, drop: drop, until: time.Now().Add(UnsealedFor)}
	h.timer = time.AfterFunc(UnsealedFor, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.remove(at, h)
	})
	if r.keys == nil {
		r.keys = map[sitting]*heldKey{}
	}
	r.keys[at] = h
	return h.until, nil
}

// remove wipes a key; only is the one that is meant, nil any. mu is held.
func (r *ring) remove(at sitting, only *heldKey) {
	h := r.keys[at]
	if h == nil || only != nil && h != only {
		return
	}
	h.timer.Stop()
	h.drop()
	delete(r.keys, at)
}

// copy of a key, to be wiped after use; nil: there is none.
func (r *ring) copy(at sitting) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.keys[at]
	if at.holder == "" || h == nil || !time.Now().Before(h.until) {
		return nil
	}
	return bytes.Clone(h.key)
}

// KeyFile gives a session's keys.age to a person who may read: review.opened
// first, as of any reading. It opens nothing without one of the auditors' keys.
func (b *Book) KeyFile(ctx context.Context, who Reader, session string) ([]byte, error) {
	who.What, who.Form = "unseal", KeyAsked
	if err := b.enter(ctx, who, session); err != nil {
		return nil, fmt.Errorf("key file of %.100q: %w", session, err)
	}
	return b.archive.KeyFile(session)
}

// Unseal takes the session key that who has unwrapped with an auditor's key:
// for who.Holder alone, for UnsealedFor, Read then opens this recording. The
// key is checked, review.opened is durable, and then it counts. key is wiped.
// recording.ErrWrongKey for a key that opens nothing there, with an event too.
func (b *Book) Unseal(ctx context.Context, who Reader, session string, key []byte) (time.Time, error) {
	defer clear(key)
	who.What, who.Form = "unseal", ""
	if who.Holder == "" || who.Person == "" || b.may == nil || !b.may(who.Roles) {
		return time.Time{}, fmt.Errorf("unseal %.100q: %w", session, ErrMayNot)
	}
	r, err := b.archive.OpenWith(session, key)
	if err == nil {
		err = r.Close()
	}
	if errors.Is(err, recording.ErrWrongKey) {
		who.Form = keyRefused
	} else if err != nil {
		return time.Time{}, err
	}
	if werr := b.write(ctx, who, session); werr != nil {
		return time.Time{}, fmt.Errorf("unseal %.100q: %w", session, werr)
	}
	if err != nil {
		return time.Time{}, err
	}
	return b.ring.put(sitting{who.Holder, session}, key)
}

// Unsealed says until when a recording is open for a holder; zero: it is not.
func (b *Book) Unsealed(holder, session string) (until time.Time) {
	b.ring.mu.Lock()
	defer b.ring.mu.Unlock()
	if h := b.ring.keys[sitting{holder, session}]; h != nil && time.Now().Before(h.until) {
		until = h.until
	}
	return until
}

// Seal wipes what a holder has opened: one recording, or all where session is
// empty. What is being read at the moment is read to its end.
func (b *Book) Seal(holder, session string) {
	b.ring.mu.Lock()
	defer b.ring.mu.Unlock()
	for at := range b.ring.keys {
		if at.holder == holder && (session == "" || at.session == session) {
			b.ring.remove(at, nil)
		}
	}
}

// open opens a recording with the broker's key or the holder's.
func (b *Book) open(who Reader, session string) (*recording.Reader, error) {
	r, err := b.archive.Open(session)
	if !errors.Is(err, recording.ErrSealed) {
		return r, err
	}
	key := b.ring.copy(sitting{who.Holder, session})
	if key == nil {
		return nil, err
	}
	defer clear(key)
	return b.archive.OpenWith(session, key)
}
