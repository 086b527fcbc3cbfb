package main

import (
	"context"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/broker/api"
	"penstock/broker/dial"
	"penstock/policy"
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

// checkTarget and scanTarget are the dialer's errands, as the API has them.
func (h *plantHouse) checkTarget(ctx context.Context, asset policy.AssetName, account policy.AccountName) []api.TargetFinding {
	var out []api.TargetFinding
	for _, f := range h.errands.Check(ctx, asset, account) {
		out = append(out, api.TargetFinding{What: f.What, OK: f.OK, Text: f.Text, Do: f.Do})
	}
	return out
}

func (h *plantHouse) scanTarget(ctx context.Context, asset policy.AssetName) (api.TargetKeys, error) {
	shown, err := h.errands.Scan(ctx, asset)
	out := api.TargetKeys{Asset: string(asset), Keys: []string{}, Fingerprints: []string{}, Pinned: []string{}, Old: shown.Old}
	for _, k := range shown.Keys {
		out.Keys = append(out.Keys, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))))
		out.Fingerprints = append(out.Fingerprints, k.Type()+" "+ssh.FingerprintSHA256(k))
	}
	a, _ := h.plant().Asset(asset)
	port, _ := a.Port("ssh")
	for _, pin := range port.HostKeys {
		if k, _, _, _, err := ssh.ParseAuthorizedKey([]byte(pin)); err == nil {
			out.Pinned = append(out.Pinned, k.Type()+" "+ssh.FingerprintSHA256(k))
		}
	}
	return out, err
}
