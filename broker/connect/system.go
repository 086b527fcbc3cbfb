package connect

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// What differs between the computers that vendors have; system is as
// runtime.GOOS says it, so that each is tested on every one.

// globalKnownHosts is the file that counts for everybody on a computer
// (ssh(1), FILES; Win32-OpenSSH keeps it below ProgramData).
func globalKnownHosts(system string, env func(string) string) string {
	if system != "windows" {
		return "/etc/ssh/ssh_known_hosts"
	}
	data := env("ProgramData")
	if data == "" {
		data = `C:\ProgramData`
	}
	return data + `\ssh\ssh_known_hosts`
}

// inHome is a name as a person types it, where the shell knows no ~ (cmd.exe)
// or passes it on (PowerShell).
func inHome(home, name string) string {
	if rest, ok := strings.CutPrefix(name, "~"); ok && rest != "" && (rest[0] == '/' || rest[0] == filepath.Separator) {
		return filepath.Join(home, rest[1:])
	}
	return name
}

// asTyped are names that no shell sees anything in.
var asTyped = regexp.MustCompile(`^[A-Za-z0-9_./:@+-][A-Za-z0-9_./:@+=-]*$`)

// quoted is a file's name as the shells of a system take it. Double quotes are
// the only ones that cmd.exe and PowerShell have in common; $ and ` in them
// mean something to PowerShell alone, and only a file of the person's own has them.
func quoted(system, name string) string {
	switch {
	case asTyped.MatchString(name):
		return name
	case system == "windows":
		if asTyped.MatchString(strings.ReplaceAll(name, `\`, "/")) {
			return name
		}
		return `"` + name + `"`
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// agentPipe is where Windows' own agent service listens (Win32-OpenSSH, ssh-agent).
const agentPipe = `\\.\pipe\openssh-ssh-agent`

// Of CreateFile on Windows, in the high bits that os.OpenFile hands through: the
// pipe can be closed while it is read, and whoever holds it may not act as the person.
const overlappedAnonymous = 0x40000000 | 0x00100000 // FILE_FLAG_OVERLAPPED, SECURITY_SQOS_PRESENT with SECURITY_ANONYMOUS

// agentAt is where the agent listens: SSH_AUTH_SOCK, else on Windows its
// service's pipe. Git's shell there sets a path that is no socket of Windows'.
func agentAt(system, socket string) (address string, pipe bool) {
	if system != "windows" {
		return socket, false
	}
	if p := strings.ReplaceAll(socket, "/", `\`); strings.HasPrefix(strings.ToLower(p), `\\.\pipe\`) {
		return p, true
	}
	return agentPipe, true
}

func dialAgent(system, socket string) (io.ReadWriteCloser, error) {
	address, pipe := agentAt(system, socket)
	if pipe {
		return os.OpenFile(address, os.O_RDWR|overlappedAnonymous, 0)
	}
	if address == "" {
		return nil, errors.New("no agent is named")
	}
	return net.DialTimeout("unix", address, time.Second)
}

// narrow is text as ssh reads it. Windows PowerShell's > and >>, and Notepad if
// asked, write UTF-16, perhaps behind lines that are not; nothing in these files
// has a character beyond ASCII. wide says that ssh itself cannot read it.
func narrow(b []byte) (text []byte, wide bool) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if big := bytes.HasPrefix(b, []byte("\xfe\xff")); big || bytes.HasPrefix(b, []byte("\xff\xfe")) {
		units := make([]uint16, 0, len(b)/2)
		for i := 2; i+1 < len(b); i += 2 {
			lo, hi := b[i], b[i+1]
			if big {
				lo, hi = hi, lo
			}
			units = append(units, uint16(hi)<<8|uint16(lo))
		}
		return []byte(string(utf16.Decode(units))), true
	}
	if bytes.IndexByte(b, 0) < 0 {
		return b, false
	}
	return bytes.ReplaceAll(b, []byte{0}, nil), true
}

// aliasLines give a computer an address of its own that leads nowhere else, and take it away.
func aliasLines(system string, a netip.Addr) (give, take string) {
	at := a.String()
	switch {
	case system == "darwin" && a.Is6():
		return "sudo ifconfig lo0 inet6 " + at + " prefixlen 128 alias", "sudo ifconfig lo0 inet6 " + at + " -alias"
	case system == "darwin":
		return "sudo ifconfig lo0 alias " + at + "/32", "sudo ifconfig lo0 -alias " + at
	case system == "windows" && a.Is6(): // interface 1 is the loopback, whatever the language calls it; "active" is gone with a restart
		return "netsh interface ipv6 add address 1 " + at + "/128 store=active skipassource=true", "netsh interface ipv6 delete address 1 " + at
	case system == "windows":
		return "netsh interface ipv4 add address 1 " + at + " 255.255.255.255 store=active skipassource=true", "netsh interface ipv4 delete address 1 " + at
	case a.Is6():
		return "sudo ip addr add " + at + "/128 dev lo", "sudo ip addr del " + at + "/128 dev lo"
	}
	return "sudo ip addr add " + at + "/32 dev lo", "sudo ip addr del " + at + "/32 dev lo"
}

// hasAddress says whether a computer has an address already. All of 127.… is
// Linux' and Windows' own; macOS has 127.0.0.1 and what was given to it.
func hasAddress(system string, a netip.Addr, all []net.Addr) bool {
	if a.Is4() && a.IsLoopback() && system != "darwin" {
		return true
	}
	for _, x := range all {
		if p, err := netip.ParsePrefix(x.String()); err == nil && p.Addr().Unmap() == a.Unmap() {
			return true
		}
	}
	return false
}

// whoHolds says how to find the program that has a port of this computer.
func whoHolds(system string, at netip.AddrPort) string {
	switch system {
	case "windows":
		return "Another program or Windows itself holds it (file sharing 445, Siemens' S7DOS 102); which one, a window opened as administrator says:\n    netstat -abno -p tcp"
	case "darwin":
		return "Another program holds it; which one, says: sudo lsof -nP -iTCP:" + strconv.Itoa(int(at.Port()))
	}
	return "Another program holds it; which one, says: sudo ss -Hltnp 'sport = :" + strconv.Itoa(int(at.Port())) + "'"
}
