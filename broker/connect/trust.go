package connect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Bounds of a known_hosts file; bytes, and authorities of one host.
const (
	maxKnownHosts  = 4 << 20
	maxAuthorities = 64
)

// authority is one @cert-authority or @revoked line of a known_hosts file
// (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
type authority struct {
	patterns []string
	key      ssh.PublicKey
	revoked  bool
}

// Trust is whom we believe to be the broker: certificates of the authorities
// that the person put into known_hosts, and nobody else. A key that was only
// seen before, or that is shown now, is never enough.
type Trust struct {
	files []string
	wide  []string // of files, those that ssh itself cannot read
	lines []authority
	now   func() time.Time
}

// ReadTrust reads the files that are there. Without a line for host it is an
// error that says which line is needed.
func ReadTrust(files []string, host string) (*Trust, error) {
	t := &Trust{files: files, now: time.Now}
	for _, f := range files {
		b, err := readBounded(f, maxKnownHosts)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read known hosts: %w", err)
		}
		b, wide := narrow(b)
		if wide {
			t.wide = append(t.wide, f)
		}
		t.lines = append(t.lines, parseAuthorities(b)...)
	}
	for _, l := range t.lines {
		if !l.revoked && l.covers(host, "") {
			return t, nil
		}
	}
	return nil, stop(ExitError, "no line in %s says who %s is, and nobody's word is taken for it. Add the line that begins with\n"+
		"    @cert-authority %s\nIt stands in what you were given with your invitation, and is what this prints: ssh desk@%s setup\n"+
		"Compare the key with your contact at the plant before you believe it.", strings.Join(files, " or "), host, host, host)
}

func readBounded(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return b, err
}

// parseAuthorities keeps the marked lines; what cannot be read is passed over,
// as ssh does: less is believed, never more.
func parseAuthorities(b []byte) (all []authority) {
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(line)
		if !bytes.HasPrefix(line, []byte("@")) || len(all) >= maxAuthorities {
			continue
		}
		marker, hosts, key, _, _, err := ssh.ParseKnownHosts(line)
		if err != nil || marker != "cert-authority" && marker != "revoked" {
			continue
		}
		all = append(all, authority{patterns: hosts, key: key, revoked: marker == "revoked"})
	}
	return all
}

// covers says whether the line is about a host: its patterns with * and ?, a !
// before one that is not meant, and [host]:port for one port alone.
func (a authority) covers(host, port string) bool {
	host = strings.ToLower(host)
	yes := false
	for _, p := range a.patterns {
		p, not := strings.CutPrefix(strings.ToLower(p), "!")
		if strings.HasPrefix(p, "[") {
			h, n, err := net.SplitHostPort(p)
			if err != nil || port != "" && n != port {
				continue
			}
			p = h
		}
		if ok, err := path.Match(globOf(p), host); err != nil || !ok {
			continue
		}
		if not {
			return false
		}
		yes = true
	}
	return yes
}

// globOf is an ssh pattern for path.Match: only * and ? have a meaning.
func globOf(p string) string {
	return strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`).Replace(p)
}

// HostKey is what ssh.ClientConfig asks: a host certificate of a trusted
// authority, for this very name, in its time.
func (t *Trust) HostKey(addr string, remote net.Addr, key ssh.PublicKey) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("whose host key: %w", err)
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return t.nobody(host, "it showed a bare key and no certificate of the plant's")
	}
	if len(cert.ValidPrincipals) == 0 { // x/crypto would take it for every name
		return t.nobody(host, "its certificate names nobody")
	}
	checker := ssh.CertChecker{Clock: t.now,
		IsHostAuthority: func(k ssh.PublicKey, _ string) bool { return t.believes(k, host, port) },
		IsRevoked:       func(c *ssh.Certificate) bool { return t.revoked(c.SignatureKey) || t.revoked(c.Key) }}
	if err := checker.CheckHostKey(addr, remote, cert); err != nil {
		return t.nobody(host, err.Error())
	}
	return nil
}

func (t *Trust) believes(k ssh.PublicKey, host, port string) bool {
	for _, l := range t.lines {
		if !l.revoked && bytes.Equal(l.key.Marshal(), k.Marshal()) && l.covers(host, port) {
			return true
		}
	}
	return false
}

func (t *Trust) revoked(k ssh.PublicKey) bool {
	for _, l := range t.lines {
		if l.revoked && bytes.Equal(l.key.Marshal(), k.Marshal()) {
			return true
		}
	}
	return false
}

func (t *Trust) nobody(host, why string) error {
	return stop(ExitNo, "what answers as %s is not proved to be the broker (%s), so nothing was sent. "+
		"Do not go around this: call your contact at the plant. The lines that count are in %s", host, clean(why), strings.Join(t.files, ", "))
}
