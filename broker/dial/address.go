package dial

import (
	"fmt"
	"net"
	"net/netip"

	"penstock/policy"
)

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
	case policy.NeverTarget(a) != "":
		return refuse(to, policy.NeverTarget(a))
	case a.IsLoopback() && !d.Loopback:
		return refuse(to, "loopback; loopback_targets is not set")
	case d.own(to):
		return refuse(to, "the broker's own listener")
	}
	return nil
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
