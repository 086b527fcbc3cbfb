package dial

import "net/netip"

// What tests look at from outside.
var (
	ParsePins     = parsePins
	PinAlgorithms = pinAlgorithms
)

// Allowed is allowed.
func (d *Dialer) Allowed(to netip.AddrPort) error { return d.allowed(to) }
