package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	dialTime    = 15 * time.Second
	loginTime   = 3 * time.Minute // a person types a code in it
	maxAnswer   = 1 << 20         // bytes of what desk@ prints
	maxFollowed = 64 << 20        // bytes of what it says while a window runs
)

// window is what desk@ says of one (broker/verbs, windowLine).
type window struct {
	Window  string   `json:"window"`
	State   string   `json:"state"`
	Opens   string   `json:"opens"`
	Says    string   `json:"says"`
	Yours   bool     `json:"yours"`
	Left    int64    `json:"left_seconds"`
	Targets []target `json:"targets"`
	Rights  []string `json:"rights"`
}

type target struct {
	Asset   string `json:"asset"`
	Port    string `json:"port"`
	Account string `json:"account"`
	Number  uint16 `json:"number"`  // as a forward asks for it
	Host    string `json:"host"`    // the asset's name with the site's behind it
	Address string `json:"address"` // the machine's own, for tools that insist on it
	TCP     uint16 `json:"tcp"`     // and its port there
}

// runs says whether streams can be opened in it, now or after a pause.
func (w window) runs() bool { return w.State == "open" || w.State == "paused" || w.State == "ending" }

// over says whether it never runs again.
func (w window) over() bool {
	switch w.State {
	case "ended", "cut", "closed", "unused":
		return true
	}
	return false
}

func idsOf(all []window) (ids []string) {
	for _, w := range all {
		ids = append(ids, w.Window)
	}
	return ids
}

// login makes one connection to the broker.
func (v *visit) login(ctx context.Context, user string, auth ...ssh.AuthMethod) (*ssh.Client, error) {
	dialer := net.Dialer{Timeout: dialTime}
	conn, err := dialer.DialContext(ctx, "tcp", v.addr)
	if err != nil {
		return nil, stop(ExitNoReach, "%s cannot be reached: %v", v.addr, err)
	}
	var banner strings.Builder
	var proven error
	config := &ssh.ClientConfig{Config: Algorithms(), User: user, Auth: auth, HostKeyAlgorithms: HostAlgorithms,
		HostKeyCallback: func(addr string, remote net.Addr, k ssh.PublicKey) error {
			proven = v.trust.HostKey(addr, remote, k)
			return proven
		},
		BannerCallback: func(m string) error {
			if banner.Len() < 4<<10 {
				banner.WriteString(m)
			}
			return nil
		}}
	_ = conn.SetDeadline(time.Now().Add(loginTime)) // a connection that takes none is dead, and the handshake says so
	over := context.AfterFunc(ctx, func() { conn.Close() })
	c, chans, reqs, err := NewClientConn(conn, v.addr, config)
	if over() && err == nil {
		_ = conn.SetDeadline(time.Time{})
		return ssh.NewClient(c, chans, reqs), nil
	}
	conn.Close()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case proven != nil:
		return nil, proven
	case strings.Contains(err.Error(), "no common algorithm for host key"):
		return nil, v.trust.nobody(v.host, "it has no certificate of the plant's")
	case strings.Contains(err.Error(), "unable to authenticate"):
		say := strings.TrimSpace(strings.TrimPrefix(clean(banner.String()), "Penstock: "))
		if say == "" {
			say = "the broker knows none of your keys, or the code was wrong"
		}
		return nil, stop(ExitNo, "%s (as %s at %s)", say, user, v.addr)
	}
	return nil, stop(ExitNoReach, "the line to %s broke while connecting: %s", v.addr, clean(err.Error()))
}

// HostAlgorithms are those of certificates: a bare host key is never enough.
var HostAlgorithms = []string{ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01}

// Algorithms are those that x/crypto calls safe, without SHA-1.
func Algorithms() ssh.Config {
	a := ssh.SupportedAlgorithms()
	var macs []string
	for _, m := range a.MACs {
		if !strings.HasPrefix(m, "hmac-sha1") {
			macs = append(macs, m)
		}
	}
	return ssh.Config{KeyExchanges: a.KeyExchanges, Ciphers: a.Ciphers, MACs: macs}
}

func (v *visit) signers() []ssh.Signer {
	all := make([]ssh.Signer, len(v.ids))
	for i, id := range v.ids {
		all[i] = id.Signer
	}
	return all
}

// atDesk is the connection to desk@, made anew where it is gone.
func (v *visit) atDesk(ctx context.Context) (*ssh.Client, error) {
	v.mu.Lock()
	c := v.desk
	v.mu.Unlock()
	if c != nil {
		if _, _, err := c.SendRequest("keepalive@openssh.com", true, nil); err == nil {
			return c, nil
		}
		c.Close()
	}
	c, err := v.login(ctx, "desk", ssh.PublicKeys(v.signers()...))
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	v.desk = c
	v.mu.Unlock()
	return c, nil
}

// windows are the firm's, as desk@ lists them.
func (v *visit) windows(ctx context.Context) ([]window, error) {
	c, err := v.atDesk(ctx)
	if err != nil {
		return nil, err
	}
	out, _, err := command(ctx, c, "windows --json")
	if err != nil {
		return nil, err
	}
	all, err := parseWindows(out)
	if err != nil {
		return nil, stop(ExitError, "the broker's list of windows: %s", clean(err.Error()))
	}
	return all, nil
}

func parseWindows(b []byte) ([]window, error) {
	var all []window
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	for i := range all {
		if err := all[i].sound(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// name is what a plant's names may be made of. They come into lines that a
// person pastes into a shell, some with sudo before them: nothing else is shown.
var name = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$`)

// sound holds a broker's word to names and addresses. An address that is none,
// or has an interface's name behind it, is as good as not told.
func (w *window) sound() error {
	if !name.MatchString(w.Window) {
		return fmt.Errorf("%.40q is no window", w.Window)
	}
	for i, t := range w.Targets {
		for _, n := range []string{t.Asset, t.Port, t.Account, t.Host} {
			if n != "" && !name.MatchString(n) {
				return fmt.Errorf("%.40q is no name of a plant's", n)
			}
		}
		if a, err := netip.ParseAddr(t.Address); err != nil || a.Zone() != "" {
			w.Targets[i].Address = ""
		}
	}
	return nil
}

// choose are the windows that this call is about: those named, or all of the
// person's that run or will once the certificate is asked for.
func (v *visit) choose(all []window) ([]window, error) {
	var mine []window
	said := ""
	for _, w := range all {
		named := slices.Contains(v.o.Windows, w.Window)
		if !w.Yours || len(v.o.Windows) > 0 && !named {
			continue
		}
		if w.runs() || w.State == "agreed" && w.Opens == "vendor" {
			mine = append(mine, w)
		} else if named || !w.over() {
			said += "\n  " + w.Window + ": " + clean(w.Says)
		}
	}
	if len(mine) == 0 {
		if said == "" {
			said = "\n  You have asked for nothing that was agreed: ssh desk@" + v.host + " help"
		}
		return nil, stop(ExitNo, "no window of yours is open.%s\nTo wait for it, the same with --wait", said)
	}
	return mine, nil
}

// fetch gets a certificate from cert@; the code is asked for at the terminal.
func (v *visit) fetch(ctx context.Context, line string) (certificate, error) {
	asked := func(_, instruction string, questions []string, echos []bool) ([]string, error) {
		if s := strings.TrimSpace(clean(instruction)); s != "" && len(questions) > 0 {
			v.say.line("code", s, nil)
		}
		answers := make([]string, len(questions))
		for i, q := range questions {
			var err error
			if answers[i], err = v.ask(ctx, clean(q), echos[i]); err != nil {
				return nil, err
			}
		}
		return answers, nil
	}
	c, err := v.login(ctx, "cert", ssh.PublicKeys(v.signers()...), ssh.KeyboardInteractive(asked))
	if err != nil {
		return certificate{}, err
	}
	defer c.Close()
	out, said, err := command(ctx, c, line)
	if err != nil {
		return certificate{}, err
	}
	cert, err := parseCertificate(out, v.ids)
	if err != nil {
		return certificate{}, fmt.Errorf("%w; the broker said: %s", err, clean(said))
	}
	return cert, nil
}

// enter logs in as the certificate's person.
func (v *visit) enter(ctx context.Context) (*ssh.Client, error) {
	v.mu.Lock()
	cert := v.cert
	v.mu.Unlock()
	s, err := ssh.NewCertSigner(cert.Certificate, cert.key.Signer)
	if err != nil {
		return nil, fmt.Errorf("use the certificate: %w", err)
	}
	return v.login(ctx, cert.person(), ssh.PublicKeys(s))
}

// command runs one line and gives what it printed. A no of the broker's is a
// *Stop in the broker's words.
func command(ctx context.Context, c *ssh.Client, line string) (out []byte, said string, err error) {
	s, err := c.NewSession()
	if err != nil {
		return nil, "", stop(ExitNoReach, "the broker takes no line: %s", clean(err.Error()))
	}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	stdout, stderr := &bounded{}, &bounded{}
	s.Stdout, s.Stderr = stdout, stderr
	if line == "" {
		err = s.Shell()
	} else {
		err = s.Start(line)
	}
	if err == nil {
		err = s.Wait()
	}
	said = strings.TrimSpace(strings.TrimPrefix(clean(stderr.b.String()), "Penstock: "))
	var status *ssh.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, said, context.Cause(ctx)
	case errors.As(err, &status) && status.ExitStatus() == ExitNo:
		return nil, said, stop(ExitNo, "%s", said+refusal(stdout.b.Bytes()))
	case errors.As(err, &status):
		return nil, said, stop(ExitError, "the broker said: %s", said+refusal(stdout.b.Bytes()))
	case err != nil:
		return nil, said, stop(ExitNoReach, "the line to the broker broke: %s", clean(err.Error()))
	}
	return stdout.b.Bytes(), said, nil
}

// refusal is the sentence of a no in JSON.
func refusal(b []byte) string {
	var no struct{ Say string }
	if json.Unmarshal(b, &no) != nil {
		return ""
	}
	return clean(no.Say)
}

// bounded keeps the first maxAnswer bytes.
type bounded struct{ b bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxAnswer - b.b.Len(); room > 0 {
		b.b.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

// follow reads what happens to the windows until the line ends; heard gets each word.
func (v *visit) follow(ctx context.Context, heard func(window)) error {
	c, err := v.atDesk(ctx)
	if err != nil {
		return err
	}
	s, err := c.NewSession()
	if err != nil {
		return stop(ExitNoReach, "the broker takes no line: %s", clean(err.Error()))
	}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	out, err := s.StdoutPipe()
	if err == nil {
		err = s.Start("follow --json " + strings.Join(v.o.Windows, " "))
	}
	if err != nil {
		return stop(ExitNoReach, "the broker takes no line: %s", clean(err.Error()))
	}
	defer Alive(c.Conn, aliveMisses)()
	err = hear(out, heard)
	var said *Stop
	switch {
	case errors.As(err, &said):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, io.EOF):
		return nil
	}
	return stop(ExitNoReach, "the line to the broker broke: %s", clean(err.Error()))
}

// hear reads the desk's words about windows until they end, which is an error
// too (io.EOF), or until one of them is no word about a window (*Stop).
func hear(out io.Reader, heard func(window)) error {
	words := json.NewDecoder(io.LimitReader(out, maxFollowed))
	for {
		var w struct {
			window
			Say string `json:"say"` // of a no
		}
		if err := words.Decode(&w); err != nil {
			return err
		}
		if w.Window == "" {
			return stop(ExitNo, "%s", orElse(clean(w.Say), "the broker's word about your window cannot be read"))
		}
		if err := w.sound(); err != nil {
			return stop(ExitError, "the broker's word about your window: %s", clean(err.Error()))
		}
		heard(w.window)
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
