package dial

import (
	"fmt"
	"net"
	"net/netip"

	"penstock/policy"
)

// never are ranges in which no machine of a plant is: cloud metadata, "this
// network", reserved and translated addresses behind which another one hides.
var never = func() (all []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8",          // RFC 1122 3.2.1.3, this host on this network
		"240.0.0.0/4",        // RFC 1112 4, reserved; and broadcast
		"192.0.0.0/24",       // RFC 6890, IETF protocol assignments; one cloud's metadata
		"100.100.100.200/32", // cloud metadata
		"168.63.129.16/32",   // cloud metadata
		"fd00:ec2::254/128",  // cloud metadata
		"fd20:ce::254/128",   // cloud metadata
		"::/96",              // RFC 4291 2.5.5.1, IPv4-compatible; :: and ::1 are asked about by name
		"::ffff:0:0/96",      // RFC 4291 2.5.5.2, IPv4-mapped
		"64:ff9b::/96",       // RFC 6052, NAT64
		"64:ff9b:1::/48",     // RFC 8215, local NAT64
		"2002::/16",          // RFC 3056, 6to4
		"2001::/32",          // RFC 4380, Teredo
		"fec0::/10",          // RFC 3879, deprecated site-local
	} {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}()

func refuse(to netip.AddrPort, why string) *policy.Refusal {
	return &policy.Refusal{Rule: "target-address",
		Say: "Penstock does not dial the address that the plant file gives this machine; call OT security", Why: fmt.Sprintf("%s: %s", to, why)}
}

// allowed says why an address is never a target, nil if it may be one.
func (d *Dialer) allowed(to netip.AddrPort) error {
	a := to.Addr()
	switch {
	case !to.IsValid() || to.Port() == 0:
		return refuse(to, "no address and port")
	case a.Is4In6():
		return refuse(to, "an IPv4 address in IPv6 clothes")
	case a.Zone() != "":
		return refuse(to, "an address with a zone")
	case a.IsUnspecified():
		return refuse(to, "unspecified")
	case a.IsMulticast():
		return refuse(to, "multicast")
	case a.IsLinkLocalUnicast():
		return refuse(to, "link-local")
	case a.IsLoopback() && !d.Loopback:
		return refuse(to, "loopback; loopback_targets is not set")
	case !a.IsLoopback() && isNever(a):
		return refuse(to, "in a range that is never a plant's")
	case d.own(to):
		return refuse(to, "the broker's own listener")
	}
	return nil
}

func isNever(a netip.Addr) bool {
	for _, p := range never {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// own says whether one of the broker's listeners is behind the address: the
// very address, or its port on any address of this machine.
func (d *Dialer) own(to netip.AddrPort) bool {
	for _, l := range d.Own {
		if l.Port() == to.Port() && (l.Addr().Unmap() == to.Addr() || local(to.Addr())) {
			return true
		}
	}
	return false
}

// local says whether an address is this machine's. Not to know is yes.
func local(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, n := range all {
		if p, err := netip.ParsePrefix(n.String()); err == nil && p.Addr().Unmap() == a {
			return true
		}
	}
	return false
}
