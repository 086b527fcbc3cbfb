package policy

import (
	"net/netip"
	"slices"
	"strings"
)

// neverTargets are ranges in which no machine of a plant is: cloud metadata, "this
// network", reserved and translated addresses behind which another one hides.
var neverTargets = func() (all []netip.Prefix) {
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

// NeverTarget says why an address is no machine's of any plant; empty: it may be
// one. Loopback is no such address: whether targets may be on the broker's own
// machine is the server's to say (loopback_targets).
func NeverTarget(a netip.Addr) string {
	switch {
	case a.Is4In6():
		return "an IPv4 address in IPv6 clothes"
	case a.Zone() != "":
		return "an address with a zone"
	case a.IsUnspecified():
		return "unspecified"
	case a.IsMulticast():
		return "multicast"
	case a.IsLinkLocalUnicast():
		return "link-local"
	case a.IsLoopback():
		return ""
	}
	for _, p := range neverTargets {
		if p.Contains(a) {
			return "in a range that is never a plant's"
		}
	}
	return ""
}

// notPublic are networks that are nobody's on the Internet (RFC 6890 and what IANA
// added to its registries of special addresses), beside those that netip knows.
var notPublic = func() []netip.Prefix {
	var list []netip.Prefix
	for _, s := range strings.Fields(`0.0.0.0/8 100.64.0.0/10 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4
		64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 5f00::/16 fec0::/10`) {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}()

// Public says whether an address can be somebody else's on the Internet.
func Public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}
