package review

import (
	"context"
	"fmt"

	"penstock/audit"
)

// Evidence writes evidence.asked, durable, for a person who may read recordings:
// nothing of a pack goes out before it. exports says that what passed shall be
// in it, readable; each recording is still opened by Read.
func (b *Book) Evidence(ctx context.Context, who Reader, window string, exports bool) error {
	if who.Person == "" || b.may == nil || !b.may(who.Roles) {
		return ErrMayNot
	}
	return b.put(ctx, window, who, audit.EvidenceAsked{Window: window, Person: who.Person, Exports: exports})
}

// Delivered writes that the whole pack went out, and what it was.
func (b *Book) Delivered(ctx context.Context, who Reader, window string, sum audit.Hash, bytes int64) error {
	return b.put(ctx, window, who, audit.EvidenceDelivered{Window: window, Person: who.Person, SHA256: sum, Bytes: bytes})
}

// put writes an event that History does not fold.
func (b *Book) put(ctx context.Context, window string, who Reader, body audit.Body) error {
	if _, err := b.log.Append(ctx, audit.Event{Subject: window, Actor: who.Person, Body: body}); err != nil {
		return fmt.Errorf("write %s of %s: %w", body.Type(), window, err)
	}
	return nil
}
