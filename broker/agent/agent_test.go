package agent

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

const whole = "broker: broker.kiel.example:2222\nzone: line-1\nallow: [10.20.1.11:22, '[fd12:3456::7]:502']\n"

func TestTheAgentsFile(t *testing.T) {
	c, err := ParseConfig("/etc/penstock/agent.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if c.Key != "/etc/penstock/agent.key" || c.KnownHosts != "/etc/penstock/known_hosts" || len(c.Allow) != 2 || c.Zone != "line-1" {
		t.Errorf("%+v", c)
	}
	for name, row := range map[string][2]string{
		"no list":                       {"allow: [10.20.1.11:22, '[fd12:3456::7]:502']\n", ""},
		"a name":                        {"10.20.1.11:22", "plc.kiel:22"},
		"a range":                       {"10.20.1.11:22", "10.20.1.0/24"},
		"no port":                       {"10.20.1.11:22", "10.20.1.11"},
		"port 0":                        {"10.20.1.11:22", "10.20.1.11:0"},
		"this computer":                 {"10.20.1.11:22", "127.0.0.1:22"},
		"metadata":                      {"10.20.1.11:22", "169.254.169.254:80"},
		"any address":                   {"10.20.1.11:22", "0.0.0.0:22"},
		"IPv4 in IPv6":                  {"10.20.1.11:22", "'[::ffff:10.20.1.11]:22'"},
		"a key that is not known":       {"zone:", "zones: all\nzone:"},
		"no port of the broker":         {"broker.kiel.example:2222", "broker.kiel.example"},
		"a zone that is no name":        {"line-1", "Line 1"},
		"this computer, and it is said": {"zone: line-1\nallow: [10.20.1.11:22", "zone: line-1\nloopback_targets: true\nallow: [127.0.0.1:22"},
	} {
		_, err := ParseConfig("agent.yaml", []byte(strings.Replace(whole, row[0], row[1], 1)))
		if said := name == "this computer, and it is said"; (err == nil) != said {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAgentsKeyIsItsOwn(t *testing.T) {
	name := filepath.Join(t.TempDir(), "agent.key")
	if err := makeKey(name); err != nil {
		t.Fatal(err)
	}
	if _, err := readKey(name); err != nil {
		t.Error(err)
	}
	if err := makeKey(name); err == nil {
		t.Error("a key was written over")
	}
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := readKey(name); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others read: %v", err)
	}
}

func wish(host string, port uint32) []byte {
	return ssh.Marshal(struct {
		Host       string
		Port       uint32
		Originator string
		From       uint32
	}{host, port, "127.0.0.1", 0})
}

func FuzzWanted(f *testing.F) {
	allow := []netip.AddrPort{netip.MustParseAddrPort("10.20.1.11:22"), netip.MustParseAddrPort("[fd12:3456::7]:502")}
	for _, b := range [][]byte{wish("10.20.1.11", 22), wish("fd12:3456::7", 502), wish("10.20.1.11", 23), wish("10.20.1.12", 22), wish("localhost", 22),
		wish("::ffff:10.20.1.11", 22), wish("10.20.1.11", 65558), wish("010.020.001.011", 22), wish("", 0), nil, {0, 0, 0, 1}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if at, err := wanted(b, allow); err == nil && !slices.Contains(allow, at) {
			t.Fatalf("%s is let through", at)
		}
	})
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("broker: a:1\nzone: z\nkey: k\nknown_hosts: h\nloopback_targets: true\nallow: [127.0.0.1:1]\n"))
	f.Add([]byte("allow: {a: b}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseConfig("agent.yaml", b)
		if err != nil {
			return
		}
		for _, at := range c.Allow {
			if !at.IsValid() || at.Port() == 0 || at.Addr().IsUnspecified() || at.Addr().IsLoopback() && !c.Loopback {
				t.Fatalf("%s is in the list", at)
			}
		}
	})
}
