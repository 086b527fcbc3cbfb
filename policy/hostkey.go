package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// HostKey is a key that a machine showed in place of the pinned ones, and what
// people of the plant have said about it. It counts while the plant file pins
// what it pinned then: another pin is the plant's newer word.
type HostKey struct {
	Asset     AssetName
	Pins      string // PinsText of then
	Key       string // authorized_keys form
	At        time.Time
	Accepted  WindowID // whose opener said that the job in it changed the key; empty: nobody's
	Confirmed bool     // by OT security
}

// PinsText is an asset's pinned keys as one text, of which evidence keeps the hash.
func (p *Plant) PinsText(asset AssetName) string {
	a, ok := p.assets[asset]
	if !ok {
		return ""
	}
	port, _ := a.Port("ssh")
	return strings.Join(port.HostKeys, "\n")
}

// GoodKeys are an asset's pinned keys, or the one that OT security confirmed in
// their place, for what the broker does in nobody's window.
func (p *Plant) GoodKeys(asset AssetName, shown []HostKey) ([]string, error) {
	a, ok := p.assets[asset]
	if !ok {
		return nil, &Refusal{Rule: "unknown-asset", Say: fmt.Sprintf("the plant has no asset %.40q; look at the list of assets", asset)}
	}
	w := &walk{p: p, f: &Facts{HostKeys: shown}, asset: a}
	if k := w.keyOf(a); k != nil && !k.Confirmed {
		return nil, refusal("host-key-changed", fmt.Sprintf("%s shows another key than the plant pinned; somebody of OT security decides about it first", asset), "%s showed %s", asset, k.Key)
	}
	port, _ := a.Port("ssh")
	return w.goodKeys(a, port.HostKeys), nil
}

// keyOf is what is known of an asset's changed key; nil: nothing that counts.
func (w *walk) keyOf(a *Asset) *HostKey {
	for i := range w.f.HostKeys {
		if k := &w.f.HostKeys[i]; k.Asset == a.Name && k.Pins == w.p.PinsText(a.Name) {
			return k
		}
	}
	return nil
}

// changedKey refuses what would be opened on a machine that showed another key,
// or through such a host, and says which keys are good where people have said so.
func (w *walk) changedKey() no {
	ways := []*Asset{w.asset}
	if host := w.p.assets[w.asset.Via.Asset]; host != nil {
		ways = append(ways, host)
	}
	for _, a := range ways {
		k := w.keyOf(a)
		if k == nil || k.Confirmed || k.Accepted != "" && k.Accepted == w.f.Window.ID {
			continue
		}
		say := fmt.Sprintf("%s shows another key than the plant pinned, so nothing is opened on it; call OT security", a.Name)
		return refusal("host-key-changed", say, "%s showed %s at %s; accepted for %q", a.Name, k.Key, w.local(k.At), k.Accepted)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("changed key", "no machine on the way showed another key, or people of the plant have said that it is right")
}

// goodKeys are an asset's pinned keys, with the one that people said is right:
// beside them in its window, in their place once OT security has confirmed it.
func (w *walk) goodKeys(a *Asset, pinned []string) []string {
	k := w.keyOf(a)
	switch {
	case k == nil:
		return pinned
	case k.Confirmed:
		return []string{k.Key}
	case k.Accepted != "" && k.Accepted == w.f.Window.ID:
		return append(slices.Clone(pinned), k.Key)
	}
	return pinned
}

// goodHop is the host on the way, with its good keys.
func (w *walk) goodHop() *Hop {
	host := w.p.assets[w.asset.Via.Asset]
	if w.asset.hop == nil || host == nil || w.keyOf(host) == nil {
		return w.asset.hop
	}
	hop := *w.asset.hop
	hop.HostKeys = w.goodKeys(host, hop.HostKeys)
	return &hop
}
