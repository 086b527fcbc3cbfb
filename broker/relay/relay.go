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

// step is the most bytes that go to a target on one look, and that one read
// takes: an SSH packet's payload.
const step = 32 << 10

// ToTarget copies the vendor's bytes through Channel.In; reads at most 1 MiB
// ahead while In commits. nil at the vendor's end of file, when everything has
// been written; half-closing the target is the caller's. When it returns an
// error, one Read of vendor may still wait: it ends when the caller closes
// vendor, as it must once the channel has ended.
func ToTarget(ctx context.Context, ch *broker.Channel, target io.Writer, vendor io.Reader) error {
	a := readAhead(ctx, ch, vendor)
	defer a.stop()
	for {
		p, err := a.take()
		if len(p) > 0 {
			if err := through(ctx, ch, target, p); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read from the vendor: %w", err)
		}
	}
}

// through takes p through the gate and writes it in steps, each after a look.
func through(ctx context.Context, ch *broker.Channel, target io.Writer, p []byte) error {
	forward, err := ch.In(ctx, p)
	if err != nil || !forward {
		return err
	}
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
			return ended(ch, fmt.Errorf("write to the target: %w", err))
		}
		p = p[n:]
	}
	return nil
}

// ToVendor copies the target's bytes through Channel.Out. nil at the target's
// end of file. Where everything is durable before it is shown, it reads up to
// 1 MiB ahead while Out commits.
func ToVendor(ctx context.Context, ch *broker.Channel, m recording.Mark, vendor io.Writer, target io.Reader) error {
	if strict(ch) {
		return strictToVendor(ctx, ch, m, vendor, target)
	}
	r := reader{from: target}
	defer r.rest()
	return showAll(ctx, ch, m, vendor, r.read)
}

// strict is apart, and not inlined, so that a whole decision does not stand on
// the stack of who reads.
//
//go:noinline
func strict(ch *broker.Channel) bool { return ch.Decision().Duties.StrictBoth }

func strictToVendor(ctx context.Context, ch *broker.Channel, m recording.Mark, vendor io.Writer, target io.Reader) error {
	a := readAhead(ctx, ch, target)
	defer a.stop()
	return showAll(ctx, ch, m, vendor, a.take)
}

// showAll shows what next gives until its end.
func showAll(ctx context.Context, ch *broker.Channel, m recording.Mark, vendor io.Writer, next func() ([]byte, error)) error {
	for {
		p, err := next()
		if len(p) > 0 {
			if err := show(ctx, ch, m, vendor, p); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return ended(ch, fmt.Errorf("read from the target: %w", err))
		}
	}
}

func show(ctx context.Context, ch *broker.Channel, m recording.Mark, vendor io.Writer, p []byte) error {
	if err := ch.Out(ctx, m, p); err != nil {
		return err
	}
	if _, err := vendor.Write(p); err != nil {
		return ended(ch, fmt.Errorf("write to the vendor: %w", err))
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
