package main

import (
	"net"
	"testing"
)

// TestAnIPv6HostIsOneSource: it has 2^64 addresses, and as many connections if
// each address counts for itself.
func TestAnIPv6HostIsOneSource(t *testing.T) {
	l := &boundedListener{by: map[string]int{}}
	let := 0
	for i := range 2 * maxHTTPSSource {
		ip := net.ParseIP("2001:db8::")
		ip[15], ip[14] = byte(i), byte(i>>8)
		source, err := network(&net.TCPAddr{IP: ip, Port: i + 1})
		if err != nil {
			t.Fatal(err)
		}
		if l.enter(source) {
			let++
		}
	}
	if let != maxHTTPSSource {
		t.Errorf("one IPv6 host has %d connections", let)
	}
	for address, want := range map[string]string{"192.0.2.7:1": "192.0.2.7/32", "[::ffff:192.0.2.7]:1": "192.0.2.7/32", "[fe80::1%eth0]:1": "fe80::/64"} {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := network(a); err != nil || got != want {
			t.Errorf("%s counts as %s, %v", address, got, err)
		}
	}
	if source, _ := network(&net.TCPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 1}); !l.enter(source) {
		t.Error("somebody else is kept out")
	}
}
