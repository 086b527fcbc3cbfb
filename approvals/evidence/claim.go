package evidence

import (
	"fmt"
	"net/netip"

	"penstock/policy"
)

// Emergency says whether the window is an emergency's: it alone starts with less.
func (w WindowClaim) Emergency() bool { return len(w.Starts) > 0 }

// OnSite says whether the window is for a laptop at the machine itself, which
// nothing connects: through a service jack it is a connection like any other.
func (w WindowClaim) OnSite() bool { return w.Laptop != "" && w.Jack == "" }

// Facts are what a decision may know of a window from what was agreed alone: From
// and Until are the span, Rights and Most all that was agreed. What has become of
// it since is the caller's to add: the Desk's by its row, Walk's by the leaves.
func (w WindowClaim) Facts() (policy.WindowFacts, error) {
	rights, err := policy.ParseRights(w.Rights)
	if err != nil {
		return policy.WindowFacts{}, fmt.Errorf("rights of %s: %w", w.Window, err)
	}
	f := policy.WindowFacts{ID: policy.WindowID(w.Window), From: w.From, Until: w.To, Rights: rights, Most: rights,
		Emergency: w.Emergency(), OnSite: w.OnSite(), Probe: w.Probe, Jack: w.Jack, Exception: w.Exception, Waives: w.Waives,
		Standing: w.Machine.Policy(), Escort: w.Escort, Gates: w.Gates, Only: OnlyOf(w.Registers)}
	for _, id := range w.People {
		f.People = append(f.People, policy.PersonID(id))
	}
	for _, t := range w.Assets {
		f.Targets = append(f.Targets, t.Policy())
	}
	if w.Network != "" {
		if f.Network, err = netip.ParsePrefix(w.Network); err != nil {
			return f, fmt.Errorf("network of %s: %w", w.Window, err)
		}
	}
	return f, nil
}
