package login

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"penstock/policy"
)

// hashing bounds how many passwords are hashed at once, of 64 MiB each: a
// guesser must take neither the machine's memory from the sessions nor the
// sign-in from the shift. Strangers share two places and a short queue; a third
// place is for people who have signed in from where they are before, for the
// machine's own console, and for those who set a password of their own.
type hashing struct {
	strangers, known chan struct{}
	waiting          atomic.Int32 // strangers
}

const maxWaiting = 64 // strangers who wait for a place: some seconds of work

func newHashing() *hashing {
	return &hashing{strangers: make(chan struct{}, 2), known: make(chan struct{}, 1)}
}

// enter takes a place; leave gives it back, once.
func (h *hashing) enter(ctx context.Context, known bool) (leave func(), err error) {
	places := h.strangers
	if known {
		places = h.known
	} else {
		defer h.waiting.Add(-1)
		if h.waiting.Add(1) > maxWaiting {
			return nil, &policy.Refusal{Rule: "login-busy", Say: "Too many people sign in at this moment. Try again in a few seconds.", Why: "the queue for password checks is full"}
		}
	}
	select {
	case places <- struct{}{}:
		return sync.OnceFunc(func() { <-places }), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to check a password: %w", context.Cause(ctx))
	}
}
