// Package relay pumps bytes between a vendor and a target through the
// channel's gate: one direction each, bounded, half-close kept.
//
// It keeps no record and makes no decision: Channel.In and Out do. It trusts
// neither end; a side that does not read holds up its own direction only, and
// at most 2 MiB of it.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"

	"penstock/audit/recording"
	"penstock/broker"
)

const (
	step     = 32 << 10  // the most bytes that are written on one look: an SSH packet's payload
	appended = 256 << 10 // the most that is read at once of what is shown before it is durable: the recorder's queue takes four of them
)

// ToTarget copies the vendor's bytes through Channel.In, as many at once as have
// come, at most MaxIn: while one lot is made durable the next gathers where the
// vendor's bytes come in. nil at the vendor's end of file, when everything has
// been written; half-closing the target is the caller's. Where the channel ends
// while a Read of vendor waits, it returns once the caller has closed vendor, as
// it must.
func ToTarget(ctx context.Context, ch *broker.Channel, target io.Writer, vendor io.Reader) error {
	return Through(ctx, ch, vendor, func(p []byte) error { return forward(ctx, ch, target, p) })
}

// Through is ToTarget for what use does with each lot that In let through: it
// writes in steps of at most 32 KiB, each but the first after Channel.Pass, and none
// once input is off.
func Through(ctx context.Context, ch *broker.Channel, vendor io.Reader, use func([]byte) error) error {
	r := NewReader(vendor, broker.MaxIn)
	defer r.Rest()
	for {
		p, err := r.Take()
		if len(p) > 0 {
			if goes, err := ch.In(ctx, p); err != nil {
				return err
			} else if goes {
				if err := use(p); err != nil {
					return ended(ch, err)
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return ended(ch, fmt.Errorf("read from the vendor: %w", err))
		}
	}
}

// forward writes p in steps, each after a look.
func forward(ctx context.Context, ch *broker.Channel, target io.Writer, p []byte) error {
	for first := true; len(p) > 0; first = false {
		if !first {
			if err := ch.Pass(ctx); err != nil {
				return err
			}
			if ch.Decision().Duties.InputOff { // narrowed since In let it through
				return ch.Mark(ctx, recording.Note, fmt.Appendf(nil, "narrowed: the last %d bytes of input before this were not passed on", len(p)))
			}
		}
		n := min(len(p), step)
		if _, err := target.Write(p[:n]); err != nil {
			return fmt.Errorf("write to the target: %w", err)
		}
		p = p[n:]
	}
	return nil
}

// ToVendor copies the target's bytes through Channel.Out. nil at the target's
// end of file.
func ToVendor(ctx context.Context, ch *broker.Channel, m recording.Mark, vendor io.Writer, target io.Reader) error {
	r := NewReader(target, atOnce(ch))
	defer r.Rest()
	for { // not Show's: who waits here waits for as long as the session, with all that stands on its stack
		p, err := r.Take()
		if over, err := taken(ctx, ch, m, vendor, p, err); over {
			return err
		}
	}
}

// atOnce is how much is read at once: where everything is durable before it is
// shown, as much as one commit takes. It is apart, and not inlined, so that a whole
// decision does not stand on the stack of who reads.
//
//go:noinline
func atOnce(ch *broker.Channel) int {
	if ch.Decision().Duties.StrictBoth {
		return broker.MaxIn
	}
	return appended
}

// Show is ToVendor for what next gives until its end: bytes that are good until
// the next call.
func Show(ctx context.Context, ch *broker.Channel, m recording.Mark, vendor io.Writer, next func() ([]byte, error)) error {
	for {
		p, err := next()
		if over, err := taken(ctx, ch, m, vendor, p, err); over {
			return err
		}
	}
}

// taken shows what a read gave, and says whether nothing comes after it, and why.
func taken(ctx context.Context, ch *broker.Channel, m recording.Mark, vendor io.Writer, p []byte, read error) (over bool, err error) {
	if len(p) > 0 {
		if err := show(ctx, ch, m, vendor, p); err != nil {
			return true, err
		}
	}
	if errors.Is(read, io.EOF) {
		return true, nil
	}
	if read != nil {
		return true, ended(ch, fmt.Errorf("read from the target: %w", read))
	}
	return false, nil
}

// show records p, and writes it in steps, each after a look.
func show(ctx context.Context, ch *broker.Channel, m recording.Mark, vendor io.Writer, p []byte) error {
	if err := ch.Out(ctx, m, p); err != nil {
		return err
	}
	for first := true; len(p) > 0; first = false {
		if !first {
			if err := ch.Look(); err != nil {
				return err
			}
		}
		n := min(len(p), step)
		if _, err := vendor.Write(p[:n]); err != nil {
			return ended(ch, fmt.Errorf("write to the vendor: %w", err))
		}
		p = p[n:]
	}
	return nil
}

// ended is why the channel ended, where it has: that says more than an error
// of a connection that was closed for it.
func ended(ch *broker.Channel, err error) error {
	if why := ch.Look(); why != nil {
		return why
	}
	return err
}
