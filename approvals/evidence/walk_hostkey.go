package evidence

import (
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// shownKey is the newest key that a machine showed and nobody had pinned.
type shownKey struct {
	key       string
	pins      audit.Hash
	at        time.Time
	wall      time.Time // of the leaf
	accepted  string
	by        string
	confirmed bool
}

// judgeHostKey holds hostkey.* to the plant file in force, to the window whose
// job changed the key, and to who may say so. Channels are held to it by
// recompute: none is opened on a machine that showed another key, but where
// somebody who may has said that it is right.
func (w *Walk) judgeHostKey() {
	if w.keys == nil {
		w.keys = map[string]*shownKey{}
	}
	switch b := w.leaf.Body.(type) {
	case audit.HostKeyChanged:
		w.must(w.leaf.Actor == penstock, "said by %s, and only the broker sees a machine's key", short(w.leaf.Actor))
		w.must(slices.ContainsFunc(w.now(), func(p *policy.Plant) bool {
			return p == nil || audit.HashOf([]byte(p.PinsText(policy.AssetName(b.Asset)))) == b.Pins
		}), "it names the pins %s, which are not %s's in the plant file", b.Pins, short(b.Asset))
		w.keys[b.Asset] = &shownKey{key: b.Key, pins: b.Pins, at: b.At, wall: w.leaf.Wall}
	case audit.HostKeyAccepted:
		w.keyAccepted(b)
	case audit.HostKeyConfirmed:
		w.securityDid(b.By)
		if k := w.waits(b.Asset, b.Key); k != nil {
			w.must(k.by != b.By, "%s accepted this key and confirmed it as well", short(b.By))
			k.confirmed = true
		}
	case audit.HostKeyCleared:
		w.securityDid(b.By)
		w.must(b.Why != "", "it does not say why")
		if w.waits(b.Asset, b.Key) != nil {
			delete(w.keys, b.Asset)
		}
	}
}

// waits is a key that waits for a word; nil is a finding already.
func (w *Walk) waits(asset, key string) *shownKey {
	k := w.keys[asset]
	if !w.must(k != nil && k.key == key && !k.confirmed, "%s showed no such key that waited for a word", short(asset)) {
		return nil
	}
	return k
}

// keyAccepted: by an opener of a window that ran, for that machine, with a right
// by which a job can change its key, and that was open before the key was seen.
func (w *Walk) keyAccepted(b audit.HostKeyAccepted) {
	k, v := w.waits(b.Asset, b.Key), w.window(b.Window)
	if k == nil || v == nil {
		return
	}
	w.must(w.leaf.Actor == b.By && w.opens(b.By, v, b.At), "accepted by %s, who held no role that opens %s", short(b.By), short(b.Window))
	is, why := w.isOpen(v)
	w.must(is || v.state == "paused" || w.justTaken(v), "%s %s", short(b.Window), why)
	w.must(slices.ContainsFunc(v.claim.Assets, func(t Target) bool { return t.Asset == b.Asset }), "%s is not for %s", short(b.Window), short(b.Asset))
	rights := w.justAllowed(v)
	w.must(slices.Contains(rights, "load") || slices.Contains(rights, "device"), "in %s nobody may load or change the device, so its job changed no key", short(b.Window))
	w.must(!k.at.Before(v.opened), "the key was seen %s, before %s was opened", clock(k.at), short(b.Window))
	k.accepted, k.by = b.Window, b.By
}

// hostKeys are for Decide, as of a moment up to a little before the leaf: what
// was decided before a key was seen may reach the log after it.
func (w *Walk) hostKeys(plant *policy.Plant, at time.Time) (all []policy.HostKey) {
	for asset, k := range w.keys {
		pins := plant.PinsText(policy.AssetName(asset))
		if audit.HashOf([]byte(pins)) == k.pins && !at.Before(k.wall) {
			all = append(all, policy.HostKey{Asset: policy.AssetName(asset), Pins: pins, Key: k.key, At: k.at, Accepted: policy.WindowID(k.accepted), Confirmed: k.confirmed})
		}
	}
	return all
}
