// Package agent is the program inside a zone that no connection is let into: it
// dials the broker, and the broker reaches the zone's machines through it.
//
// It dials only what its own file lists, address and port, whatever the broker
// asks: who takes the broker over reaches no more of the zone than stands there.
// It believes the broker by the authority in known_hosts alone, keeps one key of
// its own, and sees of a session what its wire shows: SSH to a machine stays
// between broker and machine. It decides nothing and records nothing; what
// somebody who alters its file could do is add machines to its list, which
// still takes the plant file, a window and the broker.
package agent

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/broker/connect"
	"penstock/policy"
	"penstock/policy/source"
)

const (
	maxFile  = 64 << 10
	maxAllow = 1024
	dialTime = 15 * time.Second
	userName = "agent"
)

// Config is agent.yaml. Paths are relative to it.
type Config struct {
	Broker     string // host:port
	Zone       policy.ZoneName
	Key        string // private key file, 0600; made by Join
	KnownHosts string // with the @cert-authority line of the broker
	Allow      []netip.AddrPort
	Loopback   bool // loopback_targets: machines on this very computer (demo, tests)
}

// ReadConfig reads agent.yaml strictly; all problems at once.
func ReadConfig(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the agent's file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil || len(text) > maxFile {
		return Config{}, fmt.Errorf("read the agent's file: at most %d bytes: %w", maxFile, err)
	}
	return ParseConfig(path, text)
}

// ParseConfig is ReadConfig of text that stands at path.
func ParseConfig(path string, text []byte) (Config, error) {
	var report source.Report
	fields := source.Load(path, text, &report).Fields("broker", "zone", "key", "known_hosts", "allow", "loopback_targets")
	c := Config{Broker: fields.Need("broker").Text(), Zone: policy.ZoneName(fields.Need("zone").Text()), Loopback: fields.Get("loopback_targets").Bool(),
		Key: fields.Get("key").Text(), KnownHosts: fields.Get("known_hosts").Text()}
	if host, port, err := net.SplitHostPort(c.Broker); c.Broker != "" && (err != nil || host == "" || !portNumber(port)) {
		fields.Get("broker").Refuse(fmt.Sprintf("%q is no HOST:PORT", c.Broker), "the broker's name and port, such as broker.kiel.example:2222")
	}
	if c.Zone != "" && !policy.ValidID(string(c.Zone)) {
		fields.Get("zone").Refuse(fmt.Sprintf("%q is no zone", c.Zone), "the zone's name in the plant file, such as line-1")
	}
	all := fields.Need("allow").Items()
	if len(all) > maxAllow {
		fields.Get("allow").Refuse(fmt.Sprintf("%d addresses; at most %d", len(all), maxAllow), "")
		all = nil
	}
	for _, v := range all {
		c.Allow = append(c.Allow, c.allowed(v))
	}
	dir := filepath.Dir(path)
	c.Key, c.KnownHosts = beside(dir, c.Key, "agent.key"), beside(dir, c.KnownHosts, "known_hosts")
	if err := report.Problems().Err(); err != nil {
		return Config{}, err
	}
	return c, nil
}

func portNumber(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

func beside(dir, path, otherwise string) string {
	if path == "" {
		path = otherwise
	}
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// allowed is one line of the list: an address and a port, never a name or a range.
func (c Config) allowed(v source.Value) netip.AddrPort {
	at, err := netip.ParseAddrPort(v.Text())
	why := ""
	switch {
	case err != nil || at.Port() == 0:
		why = "is no address and port"
	case policy.NeverTarget(at.Addr()) != "":
		why = "is never a machine of a plant: " + policy.NeverTarget(at.Addr())
	case at.Addr().IsLoopback() && !c.Loopback:
		why = "is this very computer"
	}
	if why != "" {
		v.Refuse(fmt.Sprintf("%q %s", v.Text(), why), "one machine's address and port, such as 10.20.1.11:22")
	}
	return at
}

// login connects as the agent.
func login(ctx context.Context, c Config, auth ...ssh.AuthMethod) (ssh.Conn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	host, _, err := net.SplitHostPort(c.Broker)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("the broker's address: %w", err)
	}
	trust, err := connect.ReadTrust([]string{c.KnownHosts}, host)
	if err != nil {
		return nil, nil, nil, err
	}
	dialer := net.Dialer{Timeout: dialTime}
	conn, err := dialer.DialContext(ctx, "tcp", c.Broker)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("reach the broker: %w", err)
	}
	said := ""
	config := &ssh.ClientConfig{Config: connect.Algorithms(), User: userName, Auth: auth, HostKeyAlgorithms: connect.HostAlgorithms, HostKeyCallback: trust.HostKey,
		BannerCallback: func(m string) error { said = m[:min(len(m), 1000)]; return nil }}
	_ = conn.SetDeadline(time.Now().Add(3 * time.Minute)) // a code may be typed; a connection that takes none is dead, and the handshake says so
	over := context.AfterFunc(ctx, func() { conn.Close() })
	sc, chans, reqs, err := connect.NewClientConn(conn, c.Broker, config)
	if !over() {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, nil, nil, fmt.Errorf("log in at the broker: %w %s", err, strings.TrimSpace(strconv.QuoteToASCII(said)))
	}
	_ = conn.SetDeadline(time.Time{})
	return sc, chans, reqs, nil
}

// readKey is the agent's own key; a file that others can read is refused.
func readKey(name string) (ssh.Signer, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("the agent's key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the agent's key %s can be read by others: chmod 600", name)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("the agent's key: %w", err)
	}
	return ssh.ParsePrivateKey(b)
}

// makeKey makes it once, 0600.
func makeKey(name string) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make the agent's key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "penstock agent")
	if err != nil {
		return fmt.Errorf("make the agent's key: %w", err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make the agent's key: %w", err)
	}
	err = pem.Encode(f, block)
	return errors.Join(err, f.Sync(), f.Close())
}

// Join brings the agent's key, which it makes where there is none, to the broker
// under an invitation's code. What the broker says goes to out.
func Join(ctx context.Context, c Config, ask func(ctx context.Context, prompt string, echo bool) (string, error), out io.Writer) error {
	if _, err := os.Stat(c.Key); errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(c.Key); err != nil {
			return err
		}
	}
	key, err := readKey(c.Key)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "The key of this agent:\n    %s\n", ssh.FingerprintSHA256(key.PublicKey()))
	tries := 0
	code := func(_, _ string, questions []string, echos []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i := range questions {
			if tries++; tries > 3 {
				return nil, errors.New("three wrong codes")
			}
			var err error
			if answers[i], err = ask(ctx, "Code of the invitation: ", echos[i]); err != nil {
				return nil, err
			}
		}
		return answers, nil
	}
	conn, chans, reqs, err := login(ctx, c, ssh.PublicKeys(key), ssh.KeyboardInteractive(code))
	if err != nil {
		return err
	}
	defer conn.Close()
	client := ssh.NewClient(conn, chans, reqs)
	s, err := client.NewSession()
	if err != nil {
		return fmt.Errorf("hear what comes next: %w", err)
	}
	said, err := s.Output("join")
	if err != nil {
		return fmt.Errorf("hear what comes next: %w", err)
	}
	_, err = fmt.Fprintf(out, "%s", clean(said))
	return err
}

// clean keeps what the broker says from moving a terminal.
func clean(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (r < ' ' || r == 0x7f || r > 0x7e && r < 0xa0 || r == '\uFFFD') {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(string(b[:min(len(b), 4<<10)]), "?"))
}

// Run is the way into the zone until ctx ends: it dials again, later and later,
// when the line is gone. nil once ctx has ended; an error where it never can.
func Run(ctx context.Context, c Config, log *slog.Logger) error {
	if _, err := readKey(c.Key); err != nil {
		return fmt.Errorf("%w; penstock agent join makes one", err)
	}
	pause := time.Second
	for ctx.Err() == nil {
		began := time.Now()
		err := serve(ctx, c, log)
		if ctx.Err() != nil {
			break
		}
		if errors.Is(err, errElsewhere) {
			return err
		}
		if time.Since(began) > time.Minute {
			pause = time.Second
		}
		log.Warn("no way to the broker; trying again", "err", err, "in", pause.String())
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, 30*time.Second)
	}
	return nil
}

var errElsewhere = errors.New("the broker has this key for another zone than agent.yaml says")
