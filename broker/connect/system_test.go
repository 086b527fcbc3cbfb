package connect

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"golang.org/x/crypto/ssh"
)

// folder is t.TempDir where wine runs the test, too: its 8.0 knows no unlinkat.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "connect")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range append(files, dir) {
			err = errors.Join(err, os.Remove(f))
		}
		if err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A line that is pasted holds the file's name as one word, in the shells of each system.
func TestAFilesNameInALineToPaste(t *testing.T) {
	for _, row := range []struct{ system, name, want string }{
		{"linux", "/home/ann/.ssh/id_ed25519", "/home/ann/.ssh/id_ed25519"},
		{"linux", "/home/ann keller/.ssh/id_ed25519", "'/home/ann keller/.ssh/id_ed25519'"},
		{"darwin", "/Users/o'neill/k", `'/Users/o'\''neill/k'`},
		{"linux", `/home/a\b`, `'/home/a\b'`},
		{"linux", "-oProxyCommand=x", "-oProxyCommand=x"}, // behind -i it is a file's name
		{"windows", `C:\Users\ann\.ssh\id_ed25519`, `C:\Users\ann\.ssh\id_ed25519`},
		{"windows", `C:\Users\Ann Keller\.ssh\id_ed25519`, `"C:\Users\Ann Keller\.ssh\id_ed25519"`},
		{"windows", `C:\Users\Jürgen & Co\k`, `"C:\Users\Jürgen & Co\k"`},
		{"windows", `C:\Users\it's\k`, `"C:\Users\it's\k"`},
	} {
		if got := quoted(row.system, row.name); got != row.want {
			t.Errorf("%s on %s: %s", row.name, row.system, got)
		}
	}
}

func TestNamesInTheHome(t *testing.T) {
	home := filepath.FromSlash("/home/ann")
	for in, want := range map[string]string{"~/.ssh/k": filepath.FromSlash("/home/ann/.ssh/k"), "~": "~", "~bob/k": "~bob/k", "k": "k", "/k": "/k", "": ""} {
		if got := inHome(home, in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func TestWhereTheSystemsFilesAre(t *testing.T) {
	env := func(name string) string { return map[string]string{"ProgramData": `D:\Data`}[name] }
	for _, row := range []struct {
		system string
		env    func(string) string
		want   string
	}{{"linux", env, "/etc/ssh/ssh_known_hosts"}, {"darwin", env, "/etc/ssh/ssh_known_hosts"}, {"windows", env, `D:\Data\ssh\ssh_known_hosts`},
		{"windows", func(string) string { return "" }, `C:\ProgramData\ssh\ssh_known_hosts`}} {
		if got := globalKnownHosts(row.system, row.env); got != row.want {
			t.Errorf("%s: %s", row.system, got)
		}
	}
}

func TestWhereTheAgentIs(t *testing.T) {
	for _, row := range []struct {
		system, socket, want string
		pipe                 bool
	}{
		{"linux", "/tmp/agent", "/tmp/agent", false}, {"linux", "", "", false}, {"darwin", `\\.\pipe\x`, `\\.\pipe\x`, false},
		{"windows", "", `\\.\pipe\openssh-ssh-agent`, true}, {"windows", "/tmp/ssh-a1/agent.7", `\\.\pipe\openssh-ssh-agent`, true},
		{"windows", `\\.\pipe\pageant.ann.0a`, `\\.\pipe\pageant.ann.0a`, true}, {"windows", "//./pipe/pageant.ann.0a", `\\.\pipe\pageant.ann.0a`, true},
		{"windows", `\\.\PIPE\x`, `\\.\PIPE\x`, true}, {"windows", `\\elsewhere\pipe\x`, `\\.\pipe\openssh-ssh-agent`, true},
	} {
		if got, pipe := agentAt(row.system, row.socket); got != row.want || pipe != row.pipe {
			t.Errorf("%s on %s: %s, %t", row.socket, row.system, got, pipe)
		}
	}
}

// wide is text as Windows PowerShell's > writes it, and behind a file that stands already.
func wide(text string, mark bool) []byte {
	var b []byte
	if mark {
		b = []byte{0xff, 0xfe}
	}
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

// What PowerShell has written is read like any other, and said where ssh cannot.
func TestFilesThatPowerShellWrote(t *testing.T) {
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer(t, "plant").PublicKey())))
	one, two := "@cert-authority broker.example,*.kiel "+key+"\r\n", "@revoked * "+key+"\r\n"
	big := wide(one+two, true)
	for i := 0; i+1 < len(big); i += 2 {
		big[i], big[i+1] = big[i+1], big[i]
	}
	for name, row := range map[string]struct {
		text []byte
		wide bool
	}{
		"as ssh writes it":           {[]byte(one + two), false},
		"UTF-8 with a mark":          {[]byte("\xef\xbb\xbf" + one + two), false},
		"by >":                       {wide(one+two, true), true},
		"by > and torn":              {append(wide(one+two, true), 'x'), true},
		"by >> behind ssh's":         {append([]byte(one), wide(two, false)...), true},
		"the other way round":        {big, true},
		"by >> without a line's end": {append([]byte("# mine\n"), wide(one+two, false)...), true},
	} {
		text, isWide := narrow(row.text)
		all := parseAuthorities(text)
		if isWide != row.wide || len(all) != 2 || all[0].revoked || !all[1].revoked || !all[0].covers("broker.example", "22") {
			t.Errorf("%s: %t, %+v", name, isWide, all)
		}
	}

	file := filepath.Join(folder(t), "known_hosts")
	if err := os.WriteFile(file, wide(one, true), 0o600); err != nil {
		t.Fatal(err)
	}
	trust, err := ReadTrust([]string{file}, "broker.example")
	if err != nil || len(trust.wide) != 1 || trust.wide[0] != file {
		t.Errorf("%+v, %v", trust, err)
	}
}

// A certificate that PowerShell wrote serves, and is written anew so that ssh can read it.
func TestACertificateThatPowerShellWrote(t *testing.T) {
	now := time.Now()
	id := identity{Signer: signer(t, "file"), file: filepath.Join(folder(t), "id_ed25519")}
	c := &ssh.Certificate{Key: id.PublicKey(), CertType: ssh.UserCert, KeyId: "w=W-1;p=ann", ValidPrincipals: []string{"ann"},
		ValidAfter: uint64(now.Add(-time.Hour).Unix()), ValidBefore: uint64(now.Add(time.Hour).Unix())}
	if err := c.SignCert(bytes.NewReader(make([]byte, 64)), signer(t, "in")); err != nil {
		t.Fatal(err)
	}
	line := ssh.MarshalAuthorizedKey(c)
	if err := os.WriteFile(id.file+"-cert.pub", wide(string(line), true), 0o600); err != nil {
		t.Fatal(err)
	}
	got, ok := kept([]identity{id}, []string{"W-1"}, now)
	if !ok || got.person() != "ann" || got.file == "" {
		t.Fatalf("%+v, %t", got, ok)
	}
	if b, err := os.ReadFile(id.file + "-cert.pub"); err != nil || !bytes.Equal(b, line) {
		t.Errorf("%q, %v", b, err)
	}
}

func TestAKeyInPuTTYsForm(t *testing.T) {
	file := filepath.Join(folder(t), "ann.ppk")
	if err := os.WriteFile(file, []byte("PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := fromFile(t.Context(), file, Terminal{}, nil)
	var s *Stop
	if !errors.As(err, &s) || s.Code != ExitUsage || !strings.Contains(s.Say, "Export OpenSSH key") {
		t.Error(err)
	}
}

func TestWhatGivesAnAddressToAComputer(t *testing.T) {
	for _, row := range []struct{ system, address, give, take string }{
		{"linux", "10.20.1.11", "sudo ip addr add 10.20.1.11/32 dev lo", "sudo ip addr del 10.20.1.11/32 dev lo"},
		{"linux", "fd00::11", "sudo ip addr add fd00::11/128 dev lo", "sudo ip addr del fd00::11/128 dev lo"},
		{"darwin", "10.20.1.11", "sudo ifconfig lo0 alias 10.20.1.11/32", "sudo ifconfig lo0 -alias 10.20.1.11"},
		{"darwin", "fd00::11", "sudo ifconfig lo0 inet6 fd00::11 prefixlen 128 alias", "sudo ifconfig lo0 inet6 fd00::11 -alias"},
		{"windows", "10.20.1.11", "netsh interface ipv4 add address 1 10.20.1.11 255.255.255.255 store=active skipassource=true", "netsh interface ipv4 delete address 1 10.20.1.11"},
		{"windows", "fd00::11", "netsh interface ipv6 add address 1 fd00::11/128 store=active skipassource=true", "netsh interface ipv6 delete address 1 fd00::11"},
	} {
		if give, take := aliasLines(row.system, netip.MustParseAddr(row.address)); give != row.give || take != row.take {
			t.Errorf("%s: %s; %s", row.system, give, take)
		}
	}
}

// Where the computer has the address, giving it once more does not help.
func TestWhyAMachinesAddressIsNotListenedOn(t *testing.T) {
	inUse := &net.OpError{Op: "listen", Err: errors.New("bind: address already in use")}
	w := way{target: target{Asset: "filler-plc", Port: "s7"}}
	for _, row := range []struct{ system, at, says, not string }{
		{"windows", "192.0.2.7:102", "netsh interface ipv4 add address 1 192.0.2.7", "sudo"},
		{"windows", "192.0.2.7:102", "opened as administrator", "netstat"},
		{"windows", "127.0.0.2:102", "netstat -abno", "netsh"},
		{"darwin", "127.0.0.2:102", "sudo ifconfig lo0 alias 127.0.0.2/32", "lsof"},
		{"darwin", "127.0.0.1:102", "sudo lsof -nP -iTCP:102", "ifconfig"},
		{"linux", "127.0.0.2:102", "ip_unprivileged_port_start=102", "ip addr"},
		{"linux", "127.0.0.2:5900", "sport = :5900", "ip_unprivileged_port_start"},
		{"linux", "192.0.2.7:102", "sudo ip addr add 192.0.2.7/32", "ss -H"},
	} {
		text, _ := notThere(row.system, w, netip.MustParseAddrPort(row.at), inUse)
		if !strings.Contains(text, row.says) || strings.Contains(text, row.not) || !strings.Contains(text, "address already in use") {
			t.Errorf("%s %s: %s", row.system, row.at, text)
		}
	}
}

// The counting line moves no cursor by codes that a console of Windows shows as they stand.
func TestTheCountingLineIsPlain(t *testing.T) {
	var out, live bytes.Buffer
	s := newTeller(Options{}, Terminal{Out: &out, Err: &live, Live: true})
	s.left(time.Hour, false)
	long := live.Len() - 1
	s.left(time.Minute, true)
	s.line("window", "W-1 is paused", nil)
	s.done()
	text := live.String()
	if strings.ContainsRune(text, 0x1b) {
		t.Errorf("%q", text)
	}
	lines := strings.Split(text, "\r")
	if len(lines) != 5 || len(lines[2]) != long || lines[3] != strings.Repeat(" ", long) || lines[4] != "" {
		t.Errorf("what stood there is not wiped: %q", lines)
	}
}

// An agent is found where the system has one; on Windows by the tests that run there.
func TestNoAgentIsNoError(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Setenv("SSH_AUTH_SOCK", `\\.\pipe\penstock-nobody-listens`)
	} else {
		t.Setenv("SSH_AUTH_SOCK", filepath.Join(folder(t), "nobody"))
	}
	keys, done := fromAgent()
	done()
	if len(keys) != 0 {
		t.Errorf("%v", keys)
	}
}
