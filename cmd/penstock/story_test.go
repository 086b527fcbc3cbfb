package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"penstock/broker/brokertest"
	"penstock/cmd/penstock/demo"
)

// Stories are .txtar scripts that run the real binaries with the real OpenSSH
// client against a real sshd. Beside testscript's own commands they have:
//
//	plant                  keys, plant.yaml, bootstrap.yaml, penstock.yaml and a target's host key
//	serve                  start penstock serve and wait until it is ready
//	halt | kill9 | hangup  SIGTERM and wait; SIGKILL and wait; SIGHUP
//	target [LINE…]         start an sshd that trusts the broker's out authority, for filler-plc; LINE… stand first in its configuration
//	[!] talk PERSON [-stdin F] [-tty] CMD…  run CMD as a person at a terminal
//	begin NAME PERSON CMD… the same in the background; "await NAME" waits for its end
//	invitation PERSON      give PERSON the code that the last talk printed
//	logged COUNT TYPE [REGEXP]  wait until the log has at least COUNT such leaves
//	saw REGEXP             the last talk showed REGEXP on its terminal, stdout or stderr
//	exited CODE            the last talk ended so
//	fingerprint PERSON     sets $FINGERPRINT
//	enrol PERSON…          each sets password and code generator over their own key
func TestStories(t *testing.T) {
	t.Parallel()
	bin := buildBinaries(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "stories"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			s := &story{env: e, dir: e.WorkDir, people: map[string]*demo.Person{}, background: map[string]*background{}}
			e.Values[storyKey{}] = s
			e.Defer(s.end)
			e.Setenv("PATH", filepath.Join(e.WorkDir, "bin")+":"+bin+":"+os.Getenv("PATH")+":/usr/sbin")
			me, err := user.Current()
			if err != nil {
				return err
			}
			e.Setenv("ACCOUNT", me.Username)
			e.Setenv("GORACE", quickRace)
			return s.wrapSSH()
		},
		Cmds: withScene(map[string]func(*testscript.TestScript, bool, []string){
			"plant": noNeg((*story).plant), "serve": noNeg((*story).serve), "halt": noNeg((*story).halt),
			"kill9": noNeg((*story).kill9), "hangup": noNeg((*story).hangup), "target": noNeg((*story).target),
			"talk": talkCommand, "begin": noNeg((*story).begin), "await": awaitCommand,
			"invitation": noNeg((*story).invite), "logged": noNeg((*story).logged), "saw": sawCommand,
			"enrol": noNeg((*story).enrol), "exited": noNeg((*story).exited), "fingerprint": noNeg((*story).fingerprint),
		}),
	})
}

// TestStoriesGoOn: testscript's own "stop" ends a script there and then, and
// all that stands below would never be looked at.
func TestStoriesGoOn(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "stories", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, word := range []string{"stop", "skip"} {
				if line == word || strings.HasPrefix(line, word+" ") || strings.HasPrefix(line, "[") {
					t.Errorf("%s:%d: %q leaves out what follows; to end the broker, say halt", name, i+1, line)
				}
			}
		}
	}
}

type storyKey struct{}

// story is the state of one script.
type story struct {
	size       int // KiB of the broker, see grown
	env        *testscript.Env
	dir        string
	people     map[string]*demo.Person
	background map[string]*background
	last       demo.Said
	lives      map[string]*liveRun
	lines      map[string]*brokertest.Line

	ssh, sshdPort int
	serving       *exec.Cmd
	served        chan struct{}
	errs          *lockedBuffer
	sshd          *exec.Cmd
	device        *device // in its place
}

type background struct {
	cancel context.CancelFunc
	done   chan struct{}
	out    demo.Said
	err    error
}

func storyOf(ts *testscript.TestScript) *story { return ts.Value(storyKey{}).(*story) }

func noNeg(f func(*story, *testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("this command takes no !")
		}
		ts.Check(f(storyOf(ts), ts, args))
	}
}

func (s *story) path(p ...string) string {
	return filepath.Join(append([]string{s.dir}, p...)...)
}

// wrapSSH lets the OpenSSH clients read the person's own ~/.ssh: they look up
// the home in the password file, and a story's people have none there.
func (s *story) wrapSSH() error {
	if err := os.MkdirAll(s.path("bin"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"ssh", "scp", "sftp"} {
		real, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("#!/bin/sh\nexec %s -F \"$HOME/.ssh/config\" \"$@\"\n", real)
		if err := os.WriteFile(s.path("bin", name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// cast are the people of the stories. Mallory is the attacker.
var cast = []struct{ name, firm, roles string }{
	{"mia", "fjord", "shift"}, {"jan", "fjord", "shift"}, {"olaf", "fjord", "line-1-owner"}, {"sec", "fjord", "ot-security"},
	{"sam", "fjord", "ot-security"}, {"ann", "krall", ""}, {"ben", "krall", ""}, {"mallory", "", ""},
}

// plant writes everything that a plant brings to a new broker.
func (s *story) plant(ts *testscript.TestScript, _ []string) error {
	if err := s.write(ts.Getenv("ACCOUNT")); err != nil {
		return err
	}
	ts.Setenv("PORT", strconv.Itoa(s.ssh))
	ts.Setenv("TARGET", strconv.Itoa(s.sshdPort))
	ts.Setenv("PENSTOCK_SOCKET", s.path("data", "penstock.sock"))
	return nil
}

// write makes keys and files for a plant whose target has one account; what is
// there already stays as it is.
func (s *story) write(account string) error {
	var err error
	if s.ssh, err = brokertest.FreePort(); err != nil {
		return err
	}
	if s.sshdPort, err = brokertest.FreePort(); err != nil {
		return err
	}
	for _, c := range cast {
		if err := s.newPerson(c.name); err != nil {
			return err
		}
	}
	if err := sshKeygen(s.path("target_host")); err != nil {
		return err
	}
	hostKey, err := publicKey(s.path("target_host.pub"))
	if err != nil {
		return err
	}
	boot, err := s.bootstrap()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"bootstrap.yaml": boot,
		"plant.yaml":     strings.NewReplacer("PORT", strconv.Itoa(s.sshdPort), "HOSTKEY", hostKey, "ACCOUNT", account).Replace(storyPlant),
		"penstock.yaml": fmt.Sprintf("name: localhost\ndata: data\nplant: plant.yaml\nbootstrap: bootstrap.yaml\n"+
			"ssh: {listen: 127.0.0.1:%d}\nhttps: off\nloopback_targets: true\n", s.ssh),
	} {
		if _, err := os.Stat(s.path(name)); err == nil {
			continue // the script brought its own
		}
		if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// bootstrap is the file of the plant's first people.
func (s *story) bootstrap() (string, error) {
	var boot strings.Builder
	boot.WriteString("firms:\n  fjord: {name: Fjord Dairy Kiel, plant: true}\n" +
		"  krall: {name: Krall Fillers, sponsor: olaf, networks: [127.0.0.0/8], until: 2099-01-01}\npeople:\n")
	for _, c := range cast {
		if c.firm != "fjord" {
			continue
		}
		key, err := publicKey(s.path("home", c.name, ".ssh", "id_ed25519.pub"))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&boot, "  %s: {name: %s, firm: fjord, roles: [%s], key: %s}\n", c.name, strings.ToUpper(c.name[:1])+c.name[1:], c.roles, key)
	}
	return boot.String(), nil
}

func (s *story) newPerson(name string) error {
	home := s.path("home", name)
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		return err
	}
	if err := sshKeygen(filepath.Join(home, ".ssh", "id_ed25519")); err != nil {
		return err
	}
	config := fmt.Sprintf("Host *\n  UserKnownHostsFile %[1]s/.ssh/known_hosts\n  GlobalKnownHostsFile /dev/null\n"+
		"  StrictHostKeyChecking yes\n  IdentityFile %[1]s/.ssh/id_ed25519\n  IdentityAgent none\n", home)
	if err := os.WriteFile(filepath.Join(home, ".ssh", "config"), []byte(config), 0o600); err != nil {
		return err
	}
	s.people[name] = &demo.Person{Name: name, Home: home, Password: "four gates stay shut " + strconv.Itoa(4711+len(s.people))}
	return nil
}

func sshKeygen(path string) error {
	out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", filepath.Base(path), "-f", path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	return nil
}

// publicKey is the key without its comment.
func publicKey(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	f := strings.Fields(string(b))
	return f[0] + " " + f[1], nil
}

// lockedBuffer collects a server's log lines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) add(line string) {
	l.mu.Lock()
	fmt.Fprintln(&l.b, line)
	l.mu.Unlock()
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts the broker and waits for its ready line; if it ends before, the
// step fails with what it said, unless the script wants that: "serve fails".
func (s *story) serve(ts *testscript.TestScript, args []string) error {
	wantFail := len(args) == 1 && args[0] == "fails"
	cmd := exec.Command(lookIn(ts.Getenv("PATH"), "penstock"), "serve", "--config", s.path("penstock.yaml"))
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), brokerRace)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	errs := &lockedBuffer{}
	ready := make(chan bool, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		scan := bufio.NewScanner(pipe)
		scan.Buffer(nil, 1<<20)
		for scan.Scan() {
			errs.add(scan.Text())
			var line struct{ Msg string }
			if json.Unmarshal(scan.Bytes(), &line) == nil && line.Msg == "ready" {
				ready <- true
			}
		}
		_ = cmd.Wait() // its exit code is looked at where it matters
	}()
	select {
	case <-ready:
		if wantFail {
			_ = cmd.Process.Kill()
			return errors.New("the broker started, and should not have")
		}
		s.serving, s.served, s.errs = cmd, ended, errs
		return s.trustBroker(ts)
	case <-ended:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		<-ended
		return fmt.Errorf("the broker was not ready in time:\n%s", errs)
	}
	s.last = demo.Said{Stderr: errs.String(), Code: cmd.ProcessState.ExitCode()}
	ts.Logf("%s", errs)
	if !wantFail {
		return errors.New("the broker ended before it was ready")
	}
	if s.last.Code == 0 {
		return errors.New("the broker ended with exit code 0")
	}
	return nil
}

// trustBroker gives everybody the broker's known_hosts line, as an invitation does.
func (s *story) trustBroker(ts *testscript.TestScript) error {
	out, err := exec.Command(lookIn(ts.Getenv("PATH"), "penstock"), "ca", "show", "--json", "--socket", s.path("data", "penstock.sock")).Output()
	if err != nil {
		return fmt.Errorf("ca show: %w", err)
	}
	var a struct {
		Host, Out, Site string
	}
	if err := json.Unmarshal(out, &a); err != nil {
		return err
	}
	line := fmt.Sprintf("@cert-authority localhost,*.%s %s\n", a.Site, a.Host)
	for _, p := range s.people {
		if err := os.WriteFile(filepath.Join(p.Home, ".ssh", "known_hosts"), []byte(line), 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(s.path("out_ca.pub"), []byte(a.Out+"\n"), 0o644)
}

func lookIn(path, name string) string {
	for dir := range strings.SplitSeq(path, ":") {
		p := filepath.Join(dir, name)
		if info, err := os.Stat(p); err == nil && info.Mode()&0o111 != 0 {
			return p
		}
	}
	return name
}

func (s *story) signal(sig os.Signal, wait bool) error {
	if s.serving == nil {
		return errors.New("no broker is running")
	}
	if err := s.serving.Process.Signal(sig); err != nil {
		return err
	}
	if !wait {
		return nil
	}
	select {
	case <-s.served:
	case <-time.After(patience):
		return fmt.Errorf("the broker did not end:\n%s", s.errs)
	}
	s.last = demo.Said{Stderr: s.errs.String(), Code: s.serving.ProcessState.ExitCode()}
	s.serving = nil
	return nil
}

func (s *story) halt(ts *testscript.TestScript, _ []string) error {
	if err := s.signal(syscall.SIGTERM, true); err != nil {
		return err
	}
	if s.last.Code != 0 {
		ts.Logf("%s", s.last.Stderr)
		return fmt.Errorf("the broker ended with exit code %d", s.last.Code)
	}
	return nil
}
func (s *story) kill9(*testscript.TestScript, []string) error { return s.signal(syscall.SIGKILL, true) }
func (s *story) hangup(*testscript.TestScript, []string) error {
	return s.signal(syscall.SIGHUP, false)
}

// target starts a stock sshd that admits the broker's out certificates.
func (s *story) target(ts *testscript.TestScript, args []string) error {
	if s.sshd != nil {
		return errors.New("the target runs already")
	}
	account := ts.Getenv("ACCOUNT")
	principals := fmt.Sprintf("%s@filler-plc.kiel\n", account)
	if err := os.WriteFile(s.path("principals"), []byte(principals), 0o644); err != nil {
		return err
	}
	config := strings.Join(args, "\n") + fmt.Sprintf(`
Port %d
ListenAddress 127.0.0.1
HostKey %s
TrustedUserCAKeys %s
AuthorizedPrincipalsFile %s
AuthorizedKeysFile %s
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
PermitRootLogin prohibit-password
AcceptEnv LANG LC_*
MaxSessions 64
MaxStartups 200
Subsystem sftp internal-sftp
LogLevel VERBOSE
`, s.sshdPort, s.path("target_host"), s.path("out_ca.pub"), s.path("principals"), s.path("direct_keys"))
	if err := os.WriteFile(s.path("sshd_config"), []byte(config), 0o600); err != nil {
		return err
	}
	if os.Getuid() == 0 { // Debian's sshd wants it, and no service has made it here
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return err
		}
	}
	log, err := os.Create(s.path("sshd.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(lookIn(ts.Getenv("PATH"), "sshd"), "-D", "-e", "-f", s.path("sshd_config"))
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.sshd = cmd
	return until("the target listens", func() (bool, error) {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.sshdPort)))
		if err != nil {
			return false, nil
		}
		return true, c.Close()
	})
}

// patience is how long a test waits for what another process does in its own
// time. It finds what hangs, and says nothing of speed: a machine that is five
// times slower than ours breaks no promise.
const patience = 2 * time.Minute

// until asks again until a condition of another process holds.
func until(what string, holds func() (bool, error)) error {
	return within(patience, 20*time.Millisecond, what, holds)
}

// rarely is until for a question that costs something to ask.
func rarely(what string, holds func() (bool, error)) error {
	return within(patience, 200*time.Millisecond, what, holds)
}

func within(limit, every time.Duration, what string, holds func() (bool, error)) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		ok, err := holds()
		if err != nil || ok {
			return err
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return fmt.Errorf("waited %v in vain: %s", limit, what)
		}
	}
}

func (s *story) someone(name string) (*demo.Person, error) {
	p := s.people[name]
	if p == nil {
		return nil, fmt.Errorf("%s is not in the cast", name)
	}
	return p, nil
}

func (s *story) prepare(ts *testscript.TestScript, args []string) (*demo.Person, demo.Start, error) {
	if len(args) < 2 {
		return nil, demo.Start{}, errors.New("usage: talk PERSON [-stdin FILE] [-tty] CMD…")
	}
	p, err := s.someone(args[0])
	if err != nil {
		return nil, demo.Start{}, err
	}
	st := demo.Start{Dir: s.dir}
	args = args[1:]
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "-tty":
			st.OnTTY = true
			args = args[1:]
		case "-stdin":
			st.Stdin = ts.ReadFile(args[1])
			args = args[2:]
		case "-turns": // a file of lines: waited-for TAB typed
			for line := range strings.Lines(ts.ReadFile(args[1])) {
				after, typed, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
				if !ok {
					return nil, demo.Start{}, fmt.Errorf("%q: say what to wait for, a tab, and what to type", line)
				}
				typed, err := strconv.Unquote(`"` + typed + `"`)
				if err != nil {
					return nil, demo.Start{}, err
				}
				st.Types = append(st.Types, demo.Turn{After: after, Typed: typed})
			}
			st.OnTTY = true
			args = args[2:]
		default:
			return nil, demo.Start{}, fmt.Errorf("talk knows no %s", args[0])
		}
	}
	for _, e := range s.env.Vars {
		if !strings.HasPrefix(e, "HOME=") && !strings.HasPrefix(e, "PENSTOCK_") {
			st.Env = append(st.Env, e)
		}
	}
	st.Env = append(st.Env, "HOME="+p.Home, "PENSTOCK_AS="+p.Name, "PENSTOCK_SOCKET="+ts.Getenv("PENSTOCK_SOCKET"),
		"PATH="+ts.Getenv("PATH"), "TERM=xterm-256color")
	args[0] = lookIn(ts.Getenv("PATH"), args[0])
	st.Args = args
	return p, st, nil
}

func talkCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := storyOf(ts)
	p, st, err := s.prepare(ts, args)
	ts.Check(err)
	out, err := p.Talk(context.Background(), st)
	ts.Check(err)
	s.note(ts, out)
	if neg == (out.Code == 0) {
		ts.Fatalf("exit code %d\n%s", out.Code, s.broken())
	}
}

// note keeps what a command said for saw, and in files for testscript's own commands.
func (s *story) note(ts *testscript.TestScript, out demo.Said) {
	s.last = out
	ts.Logf("[exit %d]\n%s", out.Code, indent(out.Stdout+out.Stderr+out.TTY))
	for name, text := range map[string]string{"stdout.txt": out.Stdout, "stderr.txt": out.Stderr, "tty.txt": out.TTY} {
		ts.Check(os.WriteFile(s.path(name), []byte(text), 0o600))
	}
}

// broken is the broker's own log, for a step that failed.
func (s *story) broken() string {
	if s.errs == nil {
		return ""
	}
	return "the broker said:\n" + indent(s.errs.String())
}

func indent(text string) string {
	if text == "" {
		return ""
	}
	if len(text) > 20_000 {
		text = text[:20_000] + "…"
	}
	return "  | " + strings.ReplaceAll(strings.TrimSuffix(strings.ReplaceAll(text, "\r", ""), "\n"), "\n", "\n  | ")
}

func (s *story) begin(ts *testscript.TestScript, args []string) error {
	if len(args) < 3 {
		return errors.New("usage: begin NAME PERSON CMD…")
	}
	p, st, err := s.prepare(ts, args[1:])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{cancel: cancel, done: make(chan struct{})}
	s.background[args[0]] = b
	go func() {
		defer close(b.done)
		b.out, b.err = p.Talk(ctx, st)
	}()
	return nil
}

func awaitCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := storyOf(ts)
	b := s.background[args[0]]
	if b == nil {
		ts.Fatalf("nothing called %s was begun", args[0])
	}
	select {
	case <-b.done:
	case <-time.After(2 * patience):
		ts.Fatalf("%s has not ended\n%s", args[0], s.broken())
	}
	ts.Check(b.err)
	s.note(ts, b.out)
	if neg == (b.out.Code == 0) {
		ts.Fatalf("exit code %d\n%s", b.out.Code, s.broken())
	}
}

func (s *story) invite(ts *testscript.TestScript, args []string) error {
	p, err := s.someone(args[0])
	if err != nil {
		return err
	}
	m := demo.ShowsCode.FindStringSubmatch(s.last.Stdout)
	if m == nil {
		return errors.New("the last talk printed no invitation code")
	}
	p.Invitation = m[1]
	return nil
}

func sawCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := storyOf(ts)
	re, err := regexp.Compile("(?s)" + args[0])
	ts.Check(err)
	all := s.last.Stdout + "\n" + s.last.Stderr + "\n" + s.last.TTY
	if re.MatchString(all) == neg {
		ts.Fatalf("saw %s: %v; shown was:\n%s", args[0], !neg, indent(all))
	}
}

// logged waits until the log, read from outside, has count leaves of a type.
func (s *story) logged(ts *testscript.TestScript, args []string) error {
	count, err := strconv.Atoi(args[0])
	if err != nil || len(args) < 2 {
		return errors.New("usage: logged COUNT TYPE [REGEXP]")
	}
	match := ""
	if len(args) > 2 {
		match = args[2]
	}
	err = until("the log has "+strings.Join(args, " "), func() (bool, error) {
		found, err := s.leaves(args[1], match)
		return len(found) >= count, err
	})
	if err != nil {
		told, _ := s.leaves(args[1], "") // only to show them
		ts.Logf("%s\n%s", indent(strings.Join(told, "\n")), s.broken())
	}
	return err
}

// enrol lets people set up password and code generator over their own key.
func (s *story) enrol(ts *testscript.TestScript, args []string) error {
	for _, name := range args {
		for _, verb := range []string{"totp", "password"} {
			p, st, err := s.prepare(ts, []string{name, "ssh", "-tt", "-p", strconv.Itoa(s.ssh), "desk@localhost", verb})
			if err != nil {
				return err
			}
			st.OnTTY = true
			out, err := p.Talk(context.Background(), st)
			if err != nil {
				return err
			}
			if out.Code != 0 {
				return fmt.Errorf("%s could not enrol %s: %s\n%s", name, verb, indent(out.TTY), s.broken())
			}
		}
	}
	return nil
}

// end leaves nothing behind that the story started.
func (s *story) end() {
	for _, b := range s.background {
		b.cancel()
		<-b.done
	}
	for _, cmd := range []*exec.Cmd{s.serving, s.sshd} {
		if cmd != nil && cmd.Process != nil {
			_ = cmd.Process.Kill() // may have ended
		}
	}
	if s.serving != nil {
		<-s.served
	}
	if s.sshd != nil {
		_ = s.sshd.Wait()
	}
}

const storyPlant = `site: {id: kiel, name: Fjord Dairy Kiel, timezone: Europe/Berlin, control_room: "+49 431 555 0100"}
plant_changes: by_file
teams:
  shift: {name: Line 1 shift supervisor}
  line-1-owner: {name: Line 1 process owner}
  ot-security: {name: OT security}
  it-network: {name: IT network}
lines:
  filling-1: {name: Filling line 1, criticality: 1}
zones:
  dmz: {name: Plant DMZ, levels: [3.5], sl_t: 3, owner: it-network, broker: here}
  line-1: {name: Filling line 1, levels: [0, 1, 2], sl_t: 2, owner: line-1-owner, shift: shift}
conduits:
  - name: dmz-line-1
    from: dmz
    to: line-1
    carries: [ssh]
    rights: [look, copy, set, operate]
    owners: [ot-security, line-1-owner]
    why: Filler maker's remote service, contract 4711
    review: 2099-03-31
assets:
  filler-plc:
    tag: FIL-1-PLC-01
    name: Filler controller
    zone: line-1
    level: 1
    address: 127.0.0.1
    stops: [filling-1]
    ports:
      ssh:
        number: PORT
        host_keys: ["HOSTKEY"]
        accounts:
          ACCOUNT: {rights: [look, copy, set], enforced: nobody}
          root-all: {rights: [look, copy, set, operate], enforced: nobody}
rules:
  - {name: look, when: {right: look}, plan: [], open: shift, longest: 2h, proof: code}
  - {name: copy, when: {right: copy}, plan: [owner], open: shift, longest: 4h, proof: code}
  - {name: set, when: {right: set}, plan: [owner, ot-security], open: shift, longest: 4h, proof: code, ask: [work_order]}
recordings: {read: [ot-security], input: [ot-security]}
`

// exited checks the last talk's exit code.
func (s *story) exited(ts *testscript.TestScript, args []string) error {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if s.last.Code != want {
		return fmt.Errorf("exit code %d, want %d\n%s", s.last.Code, want, s.broken())
	}
	return nil
}

// fingerprint sets $FINGERPRINT to that of a person's key, as their own terminal shows it.
func (s *story) fingerprint(ts *testscript.TestScript, args []string) error {
	p, err := s.someone(args[0])
	if err != nil {
		return err
	}
	out, err := exec.Command("ssh-keygen", "-lf", filepath.Join(p.Home, ".ssh", "id_ed25519.pub")).Output()
	if err != nil {
		return fmt.Errorf("ssh-keygen -l: %w", err)
	}
	ts.Setenv("FINGERPRINT", strings.Fields(string(out))[1])
	return nil
}
