// Package connect is the vendor's end of an open window: one command that gets
// the certificate, opens every port of the window on this computer, says how
// long is left and what the plant says meanwhile, and comes back by itself when
// the line drops. It runs on a vendor's own computer, without the rights of an
// administrator, and needs nothing else of Penstock's there.
//
// It gives no access: the broker decides each stream anew, as it does for stock
// ssh, which can do all of this by hand. It trusts the authority in known_hosts
// for who the broker is, and nothing that a broker or a local program says
// beyond that; what it shows has no control characters of anybody else's.
//
// What it opens listens on this computer alone. Whoever else works on this
// computer can use it while it is open, as with ssh -L.
package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/crypto/ssh"
)

// Exit codes of DESIGN 5.3.
const (
	ExitDone    = 0
	ExitError   = 1
	ExitUsage   = 2
	ExitNo      = 3
	ExitNoReach = 4
)

// Stop is why the command ended other than well: what to say, and the exit code.
type Stop struct {
	Code int
	Say  string
}

func (s *Stop) Error() string { return s.Say }

func stop(code int, format string, args ...any) *Stop {
	return &Stop{Code: code, Say: fmt.Sprintf(format, args...)}
}

// Options of one call.
type Options struct {
	Broker     string   // host or host:port, as the invitation writes it
	Windows    []string // "W-17"; none: all that are open
	Identities []string // private key files; none: the agent and the usual ones
	KnownHosts []string // none: ~/.ssh/known_hosts and the system's
	Home       string   // of the person; empty: the system says
	Wait       bool     // until a window is opened
	Socks      string   // loopback address of a SOCKS5 listener; empty: none
	Device     bool     // listen on the machines' own addresses too
	JSON       bool     // a line of JSON for each event on Out
}

// Terminal is the person's end. Ask fails where nobody can answer.
type Terminal struct {
	Out, Err io.Writer
	Ask      func(ctx context.Context, prompt string, echo bool) (string, error)
	Live     bool // Err is a screen: a line that counts down may be kept there
}

func (o Options) home() string {
	if o.Home != "" {
		return o.Home
	}
	home, _ := os.UserHomeDir()
	return home
}

func (o Options) sshDir() string { return filepath.Join(o.home(), ".ssh") }

// address splits Broker; 22 as ssh has it where no port is said.
func (o Options) address() (host, addr string, err error) {
	host, port := o.Broker, "22"
	if h, p, err := net.SplitHostPort(o.Broker); err == nil {
		host, port = h, p
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if host == "" || err != nil || n == 0 || strings.ContainsAny(host, " /@") {
		return "", "", stop(ExitUsage, "which broker? --broker HOST or HOST:PORT, as your invitation writes it (or PENSTOCK_BROKER in the environment)")
	}
	return host, net.JoinHostPort(host, port), nil
}

// Run connects and stays until the windows are over, ctx ends (nil), or it
// cannot go on (a *Stop).
func Run(ctx context.Context, o Options, t Terminal) error {
	host, addr, err := o.address()
	if err != nil {
		return err
	}
	if len(o.KnownHosts) == 0 {
		o.KnownHosts = []string{filepath.Join(o.sshDir(), "known_hosts"), globalKnownHosts(runtime.GOOS, os.Getenv)}
	}
	for i, f := range o.KnownHosts {
		o.KnownHosts[i] = inHome(o.home(), f)
	}
	trust, err := ReadTrust(o.KnownHosts, host)
	if err != nil {
		return err
	}
	socks, err := socksAddress(o.Socks)
	if err != nil {
		return err
	}
	ids, done, err := identities(ctx, o, t)
	if err != nil && ctx.Err() != nil { // Ctrl-C, asked for a passphrase
		return nil
	}
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	v := &visit{o: o, host: host, addr: addr, trust: trust, ids: ids, say: newTeller(o, t), ask: t.Ask, cancel: cancel, moved: make(chan struct{}),
		until: map[string]time.Time{}, over: map[string]string{}, said: map[string]string{}}
	defer v.say.done()
	for _, f := range trust.wide {
		v.say.line("note", f+" was written in UTF-16, as PowerShell's > does: it is read here, but not by ssh itself. Save it anew as UTF-8", nil)
	}
	if err := v.begin(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	err = v.stay(ctx, socks)
	var s *Stop
	if cause := context.Cause(ctx); errors.As(cause, &s) {
		err = s
	}
	if errors.As(err, &s) && s.Code == ExitDone {
		v.say.line("end", s.Say, nil)
		return nil
	}
	return err
}

// visit is one call of the command.
type visit struct {
	o      Options
	host   string
	addr   string
	trust  *Trust
	ids    []identity
	say    *teller
	ask    func(context.Context, string, bool) (string, error)
	cancel context.CancelCauseFunc
	ways   []way

	mu    sync.Mutex
	desk  *ssh.Client
	cert  certificate
	link  *ssh.Client          // nil while the line is down
	moved chan struct{}        // closed and made anew when link changes
	until map[string]time.Time // the end of each window that runs, by this computer's monotonic clock
	over  map[string]string    // the state of each window that is over
	said  map[string]string    // how each window stands, as it was told last
}

// begin finds the windows, gets the certificate, and reaches the broker with it.
func (v *visit) begin(ctx context.Context) error {
	all, err := v.windows(ctx)
	if err != nil {
		return err
	}
	mine, err := v.choose(all)
	if err != nil && !v.o.Wait {
		return err
	}
	waited := err != nil
	if err := v.certify(ctx, idsOf(mine), waited); err != nil {
		return err
	}
	if all, err = v.windows(ctx); err == nil { // the certificate may have opened one
		mine, err = v.choose(all)
	}
	if err != nil {
		return err
	}
	v.ways = waysOf(mine, v.o.Device)
	v.o.Windows = idsOf(mine)
	for _, w := range mine {
		v.stands(w)
		v.ends(w)
	}
	c, err := v.enter(ctx)
	if err != nil {
		return err
	}
	v.up(c)
	return nil
}

// certify takes the certificate that stock ssh left, else asks for one.
func (v *visit) certify(ctx context.Context, windows []string, wait bool) error {
	if c, ok := kept(v.ids, windows, v.trust.now()); ok && !wait {
		v.hold(c)
		return nil
	}
	args := append([]string(nil), v.o.Windows...)
	if wait {
		args = append(args, "--wait")
		v.say.line("waiting", "waiting for a window to be opened; stop with Ctrl-C", nil)
	}
	c, err := v.fetch(ctx, strings.Join(args, " "))
	if err != nil {
		return err
	}
	if err := c.keep(); err != nil {
		v.say.line("note", err.Error()+"; stock ssh will not find it, the ports below work", nil)
	}
	v.hold(c)
	return nil
}

func (v *visit) hold(c certificate) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cert = c
}

// up puts a live connection in the place of the lost one; down takes it out.
func (v *visit) up(c *ssh.Client) { v.setLink(c) }

func (v *visit) down() { v.setLink(nil) }

func (v *visit) setLink(c *ssh.Client) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.link = c
	close(v.moved)
	v.moved = make(chan struct{})
}

// linked waits for a live connection, for at most patience.
func (v *visit) linked(ctx context.Context, patience time.Duration) (*ssh.Client, error) {
	over := time.NewTimer(patience)
	defer over.Stop()
	for {
		v.mu.Lock()
		c, moved := v.link, v.moved
		v.mu.Unlock()
		if c != nil {
			return c, nil
		}
		select {
		case <-moved:
		case <-over.C:
			return nil, errors.New("the line to the broker is down")
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// socksAddress is where SOCKS is served: this computer alone.
func socksAddress(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	at, err := netip.ParseAddrPort(s)
	if err != nil || !at.Addr().IsLoopback() {
		return "", stop(ExitUsage, "--socks %s: an address of this computer alone, such as 127.0.0.1:1080", s)
	}
	return s, nil
}

// clean makes text safe for a terminal: no control or direction characters.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (r == unicode.ReplacementChar || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp)) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
