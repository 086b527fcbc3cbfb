package dial_test

import (
	"fmt"
	"net/netip"
	"os/user"
	"testing"

	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/broker/dial"
	"penstock/policy"
)

// machine is an asset of a test's plant: where it is, its pins, and more of its
// ssh port and of its account maint, in the plant file's words.
type machine struct {
	at    netip.AddrPort
	pins  string // of host_keys; empty: a key that nobody has
	port  string // "old_algorithms: {…}"
	maint string // "login: password"
	asset string // "via: {…}"
	tcp   int    // a port modbus beside ssh
}

func (m machine) yaml(name string, accounts string) string {
	line := func(s string) string {
		if s == "" {
			return ""
		}
		return ", " + s
	}
	modbus := ""
	if m.tcp != 0 {
		modbus = fmt.Sprintf(", modbus: {tcp: %d, rights: [look], enforced: nobody}", m.tcp)
	}
	if m.pins != "" {
		m.pins = "host_keys: [" + m.pins + "], "
	}
	return fmt.Sprintf("  %s: {tag: %s, name: A machine, zone: line-1, level: 1, address: %q, stops: []%s, ports: {ssh: {tcp: %d, %saccounts: {%s}%s}%s}}\n",
		name, name, m.at.Addr(), line(m.asset), m.at.Port(), m.pins, accounts, line(m.port), modbus)
}

// plantOf has the machine plc, and host, which others are reached through.
func plantOf(t testing.TB, plc, host machine) *policy.Plant {
	t.Helper()
	text := `
site: {id: kiel, name: Kiel, timezone: Europe/Berlin}
teams: {shift: {name: Shift}, owner-1: {name: Owner}, security: {name: OT security}}
zones:
  dmz:    {name: DMZ,  levels: [3.5], sl_t: 3, owner: security, broker: here}
  line-1: {name: Line, levels: [1],   sl_t: 2, owner: owner-1, shift: shift}
conduits:
  - {name: dmz-line, from: dmz, to: line-1, carries: [ssh, modbus], rights: [look, copy, set, operate, load], owners: [security, owner-1], why: test, review: 2030-01-01}
rules:
  - {name: any, when: {right: [look, copy, set, operate, load]}, plan: [owner], open: shift, longest: 8h, proof: code}
assets:
` + plc.yaml("plc", me()+": {rights: [look, copy, set, operate, load], enforced: nobody"+comma(plc.maint)+"}")
	if host.at.IsValid() {
		text += host.yaml("host", "own: {rights: [look], enforced: device}")
	}
	p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, text)
	}
	return p
}

func comma(s string) string {
	if s == "" {
		return ""
	}
	return ", " + s
}

// staged is a broker of such a plant with a channel of Ann's to plc.
func staged(t testing.TB, plc, host machine) *stage {
	t.Helper()
	ca := &authority{key: newKey(t)}
	return stagedBy(t, ca, plc, host)
}

func stagedBy(t testing.TB, ca *authority, plc, host machine) *stage {
	t.Helper()
	s := &stage{ca: ca, dialer: &dial.Dialer{CA: ca, Broker: "a", Loopback: true}}
	s.Rig = brokertest.New(t, plantOf(t, plc, host), broker.Limits{})
	s.Agreement.Change(brokertest.W1, func(f *policy.Facts) {
		f.Window.Targets = []policy.Target{{Asset: "plc", Port: "ssh", Account: myself()}, {Asset: "plc", Port: "modbus"}}
	})
	s.session = s.Session(t, &brokertest.Guest{})
	s.channel = s.Channel(t, s.session, brokertest.Shell(myself()))
	return s
}

// me is who runs the test: the one account of this machine that a real sshd lets
// somebody without root log in as.
func me() string {
	u, err := user.Current()
	if err != nil {
		panic(err)
	}
	return u.Username
}

func myself() policy.AccountName { return policy.AccountName(me()) }
