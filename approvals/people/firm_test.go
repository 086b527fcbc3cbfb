package people

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"penstock/policy"
)

// What somebody types for a firm or a machine is read the same way at every door.
func TestNetworks(t *testing.T) {
	all, err := Networks(" 198.51.100.7,203.0.113.9/24;2001:db8::1\n10.0.0.0/8|192.0.2.1\t")
	var want []netip.Prefix
	for _, s := range []string{"198.51.100.7/32", "203.0.113.0/24", "2001:db8::1/128", "10.0.0.0/8", "192.0.2.1/32"} {
		want = append(want, netip.MustParsePrefix(s))
	}
	if err != nil || !slices.Equal(all, want) {
		t.Errorf("%v %v", all, err)
	}
	if none, err := Networks(" ,\n"); none != nil || err != nil {
		t.Errorf("nothing typed: %v %v", none, err)
	}
	for _, s := range []string{"krall.example", "198.51.100.0/33", "198.51.100.7/", "fe80::1%eth0", "198.51.100.7 or so"} {
		if all, err := Networks(s); all != nil || !is(err, "bad-network") {
			t.Errorf("%q is read as %v (%v)", s, all, err)
		}
	}
}

func is(err error, rule string) bool {
	no, ok := errors.AsType[*policy.Refusal](err)
	return ok && no.Rule == rule && no.Say != ""
}
