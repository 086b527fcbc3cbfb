// Package relay pumps bytes between a vendor and a target through the
// channel's gate: one direction each, bounded, half-close kept.
package relay

import (
	"context"
	"errors"
	"io"

	"penstock/audit/recording"
	"penstock/broker"
)

var errUnbuilt = errors.New("not built yet")

// ToTarget copies the vendor's bytes through Channel.In; reads at most 1 MiB
// ahead while In commits. nil at the vendor's end of file.
func ToTarget(ctx context.Context, ch *broker.Channel, target io.Writer, vendor io.Reader) error {
	return errUnbuilt
}

// ToVendor copies the target's bytes through Channel.Out. nil at the target's end of file.
func ToVendor(ctx context.Context, ch *broker.Channel, m recording.Mark, vendor io.Writer, target io.Reader) error {
	return errUnbuilt
}
