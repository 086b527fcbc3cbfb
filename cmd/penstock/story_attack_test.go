package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"penstock/cmd/penstock/demo"
)

// attack NAME … does what no stock client does, over the same socket. It
// succeeds where the attacker got in or got what they wanted; what they were
// told is for saw. SOURCE is the loopback address that they come from: the log
// names it, and each has limits of its own.
//
//	attack none USER SOURCE               no authentication at all
//	attack password USER SOURCE           passwords only
//	attack unproven USER OFFERED KEY SOURCE  offers the public key or certificate OFFERED, signs with KEY
//	attack guess CODE… SOURCE             join@ with a key of their own and each of the codes
//	attack together CODE SOURCE           eight keys give the same code at the same moment: more than one gets in
//	attack pty PERSON SOURCE              pty-req with a string length of 0xFFFFFFFF; then a well-behaved command must run
//	attack channels PERSON SOURCE         every kind of channel that is not carried: one was opened
//	attack opens PERSON N SOURCE          N channel opens, nothing else: all were taken
//	attack silent N SOURCE                N connections that say nothing, kept to the story's end
//	attack deaf PERSON COMMAND SOURCE     a command whose output nobody reads, kept to the story's end
func attackCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := storyOf(ts)
	if len(args) < 2 {
		ts.Fatalf("usage: attack NAME … SOURCE")
	}
	attack, ok := attacks[args[0]]
	if !ok {
		ts.Fatalf("no attack is called %s", args[0])
	}
	a := &attacker{s: s, ts: ts, source: args[len(args)-1], args: args[1 : len(args)-1]}
	err := attack(a)
	text := a.told.String()
	if err != nil {
		text += err.Error() + "\n"
	}
	s.note(ts, demo.Said{Stderr: text})
	var broken *brokenScene
	if errors.As(err, &broken) {
		ts.Check(err)
	}
	if neg == (err == nil) {
		ts.Fatalf("the attack ended so: %v\n%s", err, s.broken())
	}
}

// brokenScene is an error of the story itself: no attack has failed by it.
type brokenScene struct{ error }

func scene(err error) error {
	if err == nil {
		return nil
	}
	return &brokenScene{err}
}

type attacker struct {
	s      *story
	ts     *testscript.TestScript
	source string
	args   []string
	mu     sync.Mutex
	told   bytes.Buffer
}

var attacks = map[string]func(*attacker) error{
	"none": (*attacker).none, "password": (*attacker).password, "unproven": (*attacker).unproven, "guess": (*attacker).guess,
	"together": (*attacker).together, "pty": (*attacker).pty, "channels": (*attacker).channels, "opens": (*attacker).opens,
	"silent": (*attacker).silent, "deaf": (*attacker).deaf,
}

func (a *attacker) hear(text string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.told.Len() < 1<<20 {
		a.told.WriteString(text)
	}
	return nil
}

func (a *attacker) tcp() (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(a.source)}, Timeout: patience}
	return d.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(a.s.ssh)))
}

// dial tries to get in; the attacker does not care whose host key it is.
func (a *attacker) dial(user string, auth ...ssh.AuthMethod) (*ssh.Client, error) {
	nc, err := a.tcp()
	if err != nil {
		return nil, err
	}
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	c, chans, reqs, err := ssh.NewClientConn(nc, "localhost", &ssh.ClientConfig{User: user, Auth: auth,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), BannerCallback: a.hear})
	if err != nil {
		nc.Close()
		return nil, err
	}
	return ssh.NewClient(c, chans, reqs), nc.SetDeadline(time.Time{})
}

// gotIn is the end of an attack on the door: in is success.
func gotIn(c *ssh.Client, err error) error {
	if err == nil {
		c.Close()
	}
	return err
}

func (a *attacker) none() error { return gotIn(a.dial(a.args[0])) }

func (a *attacker) password() error {
	return gotIn(a.dial(a.args[0], ssh.Password("penstock"), ssh.KeyboardInteractive(func(_, _ string, q []string, _ []bool) ([]string, error) {
		return make([]string, len(q)), nil
	})))
}

// pretender shows a key that it does not have.
type pretender struct {
	shown ssh.PublicKey
	ssh.Signer
}

func (p pretender) PublicKey() ssh.PublicKey { return p.shown }

func (a *attacker) unproven() error {
	b, err := os.ReadFile(a.s.path(a.args[1]))
	if err != nil {
		return scene(err)
	}
	shown, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return scene(err)
	}
	own, err := readSigner(a.s.path(a.args[2]))
	if err != nil {
		return scene(err)
	}
	return gotIn(a.dial(a.args[0], ssh.PublicKeys(pretender{shown, own})))
}

func readSigner(path string) (ssh.Signer, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(b)
}

// freshKey is a key that nobody knows.
func (a *attacker) freshKey(name string) (ssh.Signer, error) {
	path := filepath.Join(a.s.dir, name)
	if _, err := os.Stat(path); err != nil {
		if err := sshKeygen(path); err != nil {
			return nil, err
		}
	}
	return readSigner(path)
}

// join brings a key and gives codes one after the other, and no more than asked for.
func (a *attacker) join(key ssh.Signer, codes []string) error {
	return gotIn(a.dial("join", ssh.PublicKeys(key), ssh.KeyboardInteractive(func(_, text string, q []string, _ []bool) ([]string, error) {
		_ = a.hear(text + "\n" + strings.Join(q, "\n") + "\n")
		if len(q) == 0 {
			return nil, nil
		}
		if len(codes) == 0 {
			return nil, errors.New("no code is left to guess")
		}
		code := codes[0]
		codes = codes[1:]
		return []string{code}, nil
	})))
}

func (a *attacker) guess() error {
	key, err := a.freshKey("guesser_" + a.source)
	if err != nil {
		return scene(err)
	}
	return a.join(key, a.args)
}

func (a *attacker) together() error {
	const many = 8
	var keys []ssh.Signer
	for i := range many {
		key, err := a.freshKey(fmt.Sprintf("together_%d", i))
		if err != nil {
			return scene(err)
		}
		keys = append(keys, key)
	}
	var all sync.WaitGroup
	in := make(chan bool, many)
	for i, key := range keys {
		all.Go(func() {
			one := &attacker{s: a.s, source: fmt.Sprintf("127.0.9.%d", i+1)}
			in <- one.join(key, []string{a.args[0]}) == nil
			_ = a.hear(one.told.String())
		})
	}
	all.Wait()
	close(in)
	n := 0
	for ok := range in {
		if ok {
			n++
		}
	}
	switch n {
	case 0:
		return scene(errors.New("nobody got in with a good code"))
	case 1:
		return errors.New("exactly one got in")
	}
	return nil
}

// inside is somebody of the cast with their own good certificate.
func (a *attacker) inside(person string) (*ssh.Client, error) {
	dir := a.s.path("home", person, ".ssh")
	key, err := readSigner(filepath.Join(dir, "id_ed25519"))
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "id_ed25519-cert.pub"))
	if err != nil {
		return nil, err
	}
	cert, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewCertSigner(cert.(*ssh.Certificate), key)
	if err != nil {
		return nil, err
	}
	return a.dial(person+"+"+a.ts.Getenv("AT")[:strings.IndexByte(a.ts.Getenv("AT"), '@')], ssh.PublicKeys(signer))
}

func (a *attacker) pty() error {
	c, err := a.inside(a.args[0])
	if err != nil {
		return scene(err)
	}
	defer c.Close()
	for _, payload := range [][]byte{
		{0xff, 0xff, 0xff, 0xff}, {0xff, 0xff, 0xff, 0xff, 'x', 't', 'e', 'r', 'm'}, {}, {0, 0, 0, 5, 'x'},
		append([]byte{0, 0, 0, 1, 'x'}, bytes.Repeat([]byte{0xff}, 20)...),
	} {
		ch, reqs, err := c.OpenChannel("session", nil)
		if err != nil {
			return scene(err)
		}
		go ssh.DiscardRequests(reqs)
		ok, err := ch.SendRequest("pty-req", true, payload)
		if err != nil {
			return scene(fmt.Errorf("pty-req %x ended the connection: %w", payload, err))
		}
		ch.Close()
		if ok {
			return nil // taken
		}
	}
	out, err := output(c, "echo well")
	if err != nil || out != "well\n" {
		return scene(fmt.Errorf("afterwards the same connection gives %q: %w", out, err))
	}
	return errors.New("each was refused, and the connection goes on")
}

func output(c *ssh.Client, command string) (string, error) {
	session, err := c.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	b, err := session.Output(command)
	return string(b), err
}

// channels asks for every kind of channel that there is, and for one that there is not.
func (a *attacker) channels() error {
	c, err := a.inside(a.args[0])
	if err != nil {
		return scene(err)
	}
	defer c.Close()
	type forward struct {
		Host  string
		Port  uint32
		From  string
		FPort uint32
	}
	to := ssh.Marshal(forward{"127.0.0.1", 22, "127.0.0.1", 1})
	for _, kind := range []string{"x11", "auth-agent@openssh.com", "tun@openssh.com", "direct-streamlocal@openssh.com",
		"forwarded-tcpip", "forwarded-streamlocal@openssh.com", "direct-tcpip", "no-such-thing@evil"} {
		ch, reqs, err := c.OpenChannel(kind, to)
		if err == nil {
			go ssh.DiscardRequests(reqs)
			ch.Close()
			return nil
		}
		var no *ssh.OpenChannelError
		if !errors.As(err, &no) {
			return scene(fmt.Errorf("%s ended the connection: %w", kind, err))
		}
		_ = a.hear(kind + ": " + no.Message + "\n")
	}
	for _, kind := range []string{"tcpip-forward", "streamlocal-forward@openssh.com", "cancel-tcpip-forward"} {
		if ok, _, err := c.SendRequest(kind, true, ssh.Marshal(struct {
			Host string
			Port uint32
		}{"127.0.0.1", 0})); err != nil || ok {
			return scene(fmt.Errorf("%s: %v %w", kind, ok, err))
		}
	}
	if out, err := output(c, "echo well"); err != nil || out != "well\n" {
		return scene(fmt.Errorf("afterwards the same connection gives %q: %w", out, err))
	}
	return errors.New("each was refused, and the connection goes on")
}

func (a *attacker) opens() error {
	n, err := strconv.Atoi(a.args[1])
	if err != nil {
		return scene(err)
	}
	c, err := a.inside(a.args[0])
	if err != nil {
		return scene(err)
	}
	defer c.Close()
	opened, refused := 0, 0
	for range n {
		_, reqs, err := c.OpenChannel("session", nil)
		var no *ssh.OpenChannelError
		switch {
		case err == nil:
			opened++
			go ssh.DiscardRequests(reqs)
		case errors.As(err, &no):
			if refused++; refused == 1 {
				_ = a.hear(no.Message + "\n")
			}
		default:
			return fmt.Errorf("%d were opened, %d refused, then the connection was closed: %w", opened, refused, err)
		}
	}
	return nil
}

func (a *attacker) silent() error {
	n, err := strconv.Atoi(a.args[0])
	if err != nil {
		return scene(err)
	}
	for range n {
		c, err := a.tcp()
		if err != nil {
			return scene(err)
		}
		a.ts.Defer(func() { c.Close() })
	}
	return nil
}

func (a *attacker) deaf() error {
	c, err := a.inside(a.args[0])
	if err != nil {
		return scene(err)
	}
	a.ts.Defer(func() { c.Close() })
	ch, reqs, err := c.OpenChannel("session", nil)
	if err != nil {
		return scene(err)
	}
	go ssh.DiscardRequests(reqs)
	if ok, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{a.args[1]})); err != nil || !ok {
		return scene(fmt.Errorf("exec: %v %w", ok, err))
	}
	// The first byte says that it runs; then nobody reads, and the window is never adjusted.
	if _, err := io.ReadFull(ch, make([]byte, 1)); err != nil {
		return scene(err)
	}
	return nil
}
