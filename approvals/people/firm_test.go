package people

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
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

// However a firm's networks come in, the whole world is none of them, nor half of it.
func TestNoFirmComesFromEverywhere(t *testing.T) {
	for _, c := range []struct {
		network, says string
	}{
		{"0.0.0.0/0", "is the whole world"}, {"::/0", "is the whole world"}, {"0.0.0.0/1", "is a large part of the world"}, {"128.0.0.0/7", "more than a /8"}, {"2000::/3", "more than a /16"},
		{"10.0.0.0/8", ""}, {"2001:db8::/32", ""},
	} {
		h := newHouse(t, documents(t))
		n := netip.MustParsePrefix(c.network)
		err := h.r.SetFirm(ctx, h.actor("sven"), Firm{ID: "polar", Name: "Polar", Sponsor: "mia", Networks: []netip.Prefix{n}})
		if c.says == "" && err != nil || c.says != "" && (!is(err, "firm-fields") || !strings.Contains(err.(*policy.Refusal).Say, c.says)) {
			t.Errorf("%s by hand: %v", c.network, err)
		}
		file := strings.Replace(first(), "networks: [198.51.100.0/24]", "networks: ["+c.network+"]", 1)
		if _, err := ParseBootstrap("people.yaml", []byte(file), h.r.Roles); (err != nil) != (c.says != "") {
			t.Errorf("%s in the first file: %v", c.network, err)
		}
	}
}
