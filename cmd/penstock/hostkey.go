package main

import (
	"context"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/broker/dial"
)

// keyPatience is how long the word that a machine shows another key may take to
// be written: the dial that saw it is refused in any case.
const keyPatience = 15 * time.Second

// keyChanged closes the way to a machine that shows a key nobody has pinned.
func (h *plantHouse) keyChanged(ctx context.Context, o dial.Other) {
	ctx, cancel := context.WithTimeout(ctx, keyPatience)
	defer cancel()
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(o.Key)))
	h.slog.Error("a machine shows another key than the plant pinned, so nothing is opened on it", "asset", o.Asset, "key", ssh.FingerprintSHA256(o.Key), "window", o.Window, "session", o.Session)
	if err := h.desk.HostKeyShown(ctx, o.Asset, line, o.Window, o.Session, o.Channel); err != nil {
		h.slog.Error("that a machine shows another key could not be written", "asset", o.Asset, "err", err)
	}
}
