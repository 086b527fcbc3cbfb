package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker/brokertest"
	"penstock/cmd/penstock/demo"
)

// TestFaults breaks a running plant from outside: the real binary, the real
// OpenSSH client, a real sshd. All of them begin with a copy of one plant in
// which ann has an open window and its certificate.
//
// SOAK_ROUNDS=n makes the loops of faults longer than CI can wait for.
func TestFaults(t *testing.T) {
	t.Parallel()
	bin := buildBinaries(t)
	golden := newGolden(t, bin)
	for _, f := range []struct {
		name string
		run  func(*testing.T, *rig)
	}{
		{"kill9 under load", killUnderLoad}, {"full disk", fullDisk},
		{"syncs fail in a session", syncsFailInSession}, {"syncs fail at the first start", syncsFailAtFirstStart}, {"writes fail", writesFail},
		{"second server", secondServer}, {"keys", brokenKeys}, {"rows", brokenRows},
		{"plant file", brokenPlantFile}, {"first people", brokenBootstrap}, {"first leaf torn", tornFirstLeaf},
		{"clock behind the log", clockBehindLog}, {"signals", signals}, {"recovered", recovered}, {"tampering", tampering}, {"cold start", coldStart},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.run(t, golden)
		})
	}
}

// rounds is how often a loop of faults runs: n in CI, more when asked.
func rounds(t *testing.T, n int) int {
	t.Helper()
	if s := os.Getenv("SOAK_ROUNDS"); s != "" {
		asked, err := strconv.Atoi(s)
		if err != nil || asked < 1 {
			t.Fatalf("SOAK_ROUNDS=%q is no number", s)
		}
		return asked
	}
	return n
}

// rig is one plant with its people, broker and target. Its data folder may be
// looked at and damaged while no broker runs.
type rig struct {
	*story
	t       *testing.T
	bin     string
	account string
	broker  *brokerProcess
}

// brokerProcess is one life of penstock serve.
type brokerProcess struct {
	cmd   *exec.Cmd
	errs  *lockedBuffer
	ready chan struct{}
	ended chan struct{}
}

func newRig(t *testing.T, bin string) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "fault") // short: unix sockets have short paths
	if err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{story: &story{dir: dir, people: map[string]*demo.Person{}}, t: t, bin: bin, account: me.Username}
	t.Cleanup(func() {
		r.kill()
		if r.sshd != nil {
			_ = r.sshd.Process.Kill() // may have ended
			_ = r.sshd.Wait()
		}
		os.RemoveAll(dir)
	})
	r.must(r.wrapSSH())
	return r
}

// newGolden is a plant up to an open window W-1 of ann's, with its certificate, stopped cleanly.
func newGolden(t *testing.T, bin string) *rig {
	r := newRig(t, bin)
	r.must(r.write(r.account))
	r.start()
	r.trust()
	for _, name := range []string{"olaf", "sec", "mia"} {
		r.enrolled(name)
	}
	said := r.talk("olaf", "penstock", "people", "invite", "krall/ann", "--name", "Ann Keller")
	m := demo.ShowsCode.FindStringSubmatch(said.Stdout)
	if m == nil {
		t.Fatalf("no invitation: %+v", said)
	}
	r.people["ann"].Invitation = m[1]
	r.talk("ann", r.ssh("join")...)
	print, err := exec.Command("ssh-keygen", "-lf", r.path("home", "ann", ".ssh", "id_ed25519.pub")).Output()
	r.must(err)
	r.talk("olaf", "penstock", "people", "confirm", "ann", strings.Fields(string(print))[1])
	r.enrolled("ann")
	r.talk("ann", r.ssh("desk", "request --target "+r.account+"@filler-plc --rights look,copy,set --minutes 120 --work-order WO-4711 --why 'Alarm F-417'")...)
	r.talk("olaf", "penstock", "answer", "R-1", "yes")
	r.talk("sec", "penstock", "answer", "R-1", "yes")
	r.talk("mia", "penstock", "open", "W-1")
	cert := r.talk("ann", r.ssh("cert")...).Stdout
	r.must(os.WriteFile(r.path("home", "ann", ".ssh", "id_ed25519-cert.pub"), []byte(cert), 0o600))
	r.stop()
	return r
}

// copy is a plant of one's own, at ports of its own.
func (r *rig) copy(t *testing.T) *rig {
	t.Helper()
	c := newRig(t, r.bin)
	for _, name := range []string{"data", "home", "target_host", "target_host.pub", "out_ca.pub", "bootstrap.yaml", "plant.yaml", "penstock.yaml"} {
		if out, err := exec.Command("cp", "-a", r.path(name), c.path(name)).CombinedOutput(); err != nil {
			t.Fatalf("copy the plant: %v: %s", err, out)
		}
	}
	var err error
	c.story.ssh, err = brokertest.FreePort()
	c.must(err)
	c.sshdPort, err = brokertest.FreePort()
	c.must(err)
	c.edit("penstock.yaml", ":"+strconv.Itoa(r.story.ssh), ":"+strconv.Itoa(c.story.ssh))
	c.edit("plant.yaml", "number: "+strconv.Itoa(r.sshdPort), "number: "+strconv.Itoa(c.sshdPort))
	for name, p := range r.people {
		home := c.path("home", name)
		config := filepath.Join("home", name, ".ssh", "config")
		c.edit(config, p.Home, home)
		c.people[name] = p.Move(home) // codes that were given stay spent
	}
	return c
}

// edit replaces text in a file, which must be there.
func (r *rig) edit(name, old, text string) {
	r.t.Helper()
	b, err := os.ReadFile(r.path(name))
	r.must(err)
	if !bytes.Contains(b, []byte(old)) {
		r.t.Fatalf("%s has no %q", name, old)
	}
	r.must(os.WriteFile(r.path(name), bytes.ReplaceAll(b, []byte(old), []byte(text)), 0o600))
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("%v\n%s", err, r.log())
	}
}

// log is what the present broker said.
func (r *rig) log() string {
	if r.broker == nil {
		return ""
	}
	return "the broker said:\n" + indent(r.broker.errs.String())
}

// launch starts penstock serve, perhaps under another program, and waits for nothing.
func (r *rig) launch(under ...string) *brokerProcess {
	r.t.Helper()
	args := append(under, filepath.Join(r.bin, "penstock"), "serve", "--config", r.path("penstock.yaml"))
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), brokerRace)
	read, write, err := os.Pipe() // a tracer may outlive the broker and hold the pipe: Wait must not wait for its end
	r.must(err)
	cmd.Stderr = write
	r.must(cmd.Start())
	write.Close()
	b := &brokerProcess{cmd: cmd, errs: &lockedBuffer{}, ready: make(chan struct{}), ended: make(chan struct{})}
	lines := make(chan struct{})
	go func() {
		defer close(lines)
		scan := bufio.NewScanner(read)
		scan.Buffer(nil, 1<<20)
		for scan.Scan() {
			b.errs.add(scan.Text())
			var line struct{ Msg string }
			if json.Unmarshal(scan.Bytes(), &line) == nil && line.Msg == "ready" {
				close(b.ready)
			}
		}
	}()
	go func() {
		defer close(b.ended)
		_ = cmd.Wait() // its exit code is looked at where it matters
		select {
		case <-lines:
		case <-time.After(10 * time.Second):
		}
		read.Close()
	}()
	r.broker = b
	return b
}

// start starts the broker, which must come up.
func (r *rig) start(under ...string) *brokerProcess {
	r.t.Helper()
	b := r.launch(under...)
	if !b.up() {
		r.t.Fatalf("the broker did not come up\n%s", r.log())
	}
	return b
}

// up waits until the broker is ready (true) or has ended.
func (b *brokerProcess) up() bool {
	select {
	case <-b.ready:
		return true
	case <-b.ended:
	case <-time.After(patience):
		_ = b.cmd.Process.Signal(syscall.SIGQUIT) // what its goroutines wait for stands in its log then
		<-b.ended
	}
	select {
	case <-b.ready:
		return true
	default:
		return false
	}
}

// fails starts the broker, which must refuse: with exit code 1 and words that
// match, and without a crash.
func (r *rig) fails(words string) {
	r.t.Helper()
	b := r.launch()
	if b.up() {
		r.t.Fatalf("the broker came up\n%s", r.log())
	}
	<-b.ended
	r.sane()
	if code := b.cmd.ProcessState.ExitCode(); code != 1 {
		r.t.Errorf("exit code %d, want 1\n%s", code, r.log())
	}
	if !regexp.MustCompile(words).MatchString(b.errs.String()) {
		r.t.Errorf("want %q\n%s", words, r.log())
	}
}

// end sends a signal and waits for the broker's end; it gives the exit code.
func (r *rig) end(sig os.Signal) int {
	r.t.Helper()
	_ = r.broker.cmd.Process.Signal(sig) // may have ended
	select {
	case <-r.broker.ended:
	case <-time.After(patience):
		r.t.Fatalf("the broker did not end\n%s", r.log())
	}
	r.sane()
	return r.broker.cmd.ProcessState.ExitCode()
}

// stop ends the broker as a service manager does; it must end well.
func (r *rig) stop() {
	r.t.Helper()
	if code := r.end(syscall.SIGTERM); code != 0 {
		r.t.Fatalf("exit code %d\n%s", code, r.log())
	}
}

func (r *rig) kill() {
	if r.broker != nil {
		_ = r.broker.cmd.Process.Kill() // may have ended
		<-r.broker.ended
	}
}

// sane looks for what no fault may do to a broker.
func (r *rig) sane() {
	r.t.Helper()
	if bad := regexp.MustCompile(`(?m)^(panic:|fatal error:|WARNING: DATA RACE|goroutine \d+ \[)|panic`).FindString(r.broker.errs.String()); bad != "" {
		r.t.Errorf("the broker crashed (%s)\n%s", bad, r.log())
	}
}

// said waits until the broker's log says something.
func (r *rig) said(words string) {
	r.t.Helper()
	re := regexp.MustCompile(words)
	r.must(until("the broker says "+words, func() (bool, error) {
		return re.MatchString(r.broker.errs.String()), nil
	}))
}

// trust gives everybody the broker's known_hosts line.
func (r *rig) trust() {
	r.t.Helper()
	out, err := exec.Command(filepath.Join(r.bin, "penstock"), "ca", "show", "--json", "--socket", r.path("data", "penstock.sock")).Output()
	r.must(err)
	var a struct{ Host, Out, Site string }
	r.must(json.Unmarshal(out, &a))
	line := fmt.Sprintf("@cert-authority localhost,*.%s %s\n", a.Site, a.Host)
	for _, p := range r.people {
		r.must(os.WriteFile(filepath.Join(p.Home, ".ssh", "known_hosts"), []byte(line), 0o600))
	}
	r.must(os.WriteFile(r.path("out_ca.pub"), []byte(a.Out+"\n"), 0o644))
}

// ssh is the words of stock ssh to the broker.
func (r *rig) ssh(who string, command ...string) []string {
	return append([]string{"ssh", "-o", "ConnectTimeout=20", "-p", strconv.Itoa(r.story.ssh), who + "@localhost"}, command...)
}

// ann is ssh's words for ann's work on the target.
func (r *rig) ann(command ...string) []string {
	return r.ssh("ann+"+r.account+"+filler-plc", command...)
}

// say runs a person's command at a terminal of their own.
func (r *rig) say(name string, args ...string) demo.Said {
	r.t.Helper()
	said, err := r.people[name].Talk(context.Background(), r.words(name, args, ""))
	r.must(err)
	return said
}

// talk is say of something that must work.
func (r *rig) talk(name string, args ...string) demo.Said {
	r.t.Helper()
	said := r.say(name, args...)
	if said.Code != 0 {
		r.t.Fatalf("%s: %v: exit code %d\n%s\n%s", name, args, said.Code, indent(said.Stdout+said.Stderr+said.TTY), r.log())
	}
	return said
}

// refused is say of something that must not work, for a reason.
func (r *rig) refused(reason, name string, args ...string) {
	r.t.Helper()
	said := r.say(name, args...)
	if all := said.Stdout + said.Stderr + said.TTY; said.Code == 0 || !regexp.MustCompile("(?i)"+reason).MatchString(all) {
		r.t.Errorf("%s: %v: exit code %d, want a refusal with %q\n%s\n%s", name, args, said.Code, reason, indent(all), r.log())
	}
}

func (r *rig) words(name string, args []string, stdin string) demo.Start {
	path := r.path("bin") + ":" + r.bin + ":" + os.Getenv("PATH")
	args = append([]string{lookIn(path, args[0])}, args[1:]...)
	return demo.Start{Dir: r.dir, Stdin: stdin, Args: args, Env: []string{"HOME=" + r.people[name].Home, "PENSTOCK_AS=" + name,
		"PENSTOCK_SOCKET=" + r.path("data", "penstock.sock"), "PATH=" + path, "TERM=xterm-256color"}}
}

// enrolled sets somebody's code generator and password over their own key.
func (r *rig) enrolled(name string) {
	r.t.Helper()
	r.desk(name, "totp")
	r.desk(name, "password")
}

// desk is a verb of desk@ that asks at a terminal.
func (r *rig) desk(name, verb string) {
	r.t.Helper()
	st := r.words(name, []string{"ssh", "-tt", "-p", strconv.Itoa(r.story.ssh), "desk@localhost", verb}, "")
	st.OnTTY = true
	said, err := r.people[name].Talk(context.Background(), st)
	r.must(err)
	if said.Code != 0 {
		r.t.Fatalf("%s of %s: %s\n%s", verb, name, indent(said.TTY), r.log())
	}
}

// aim starts the target.
func (r *rig) aim() {
	r.t.Helper()
	r.must(os.WriteFile(r.path("principals"), []byte(r.account+"@filler-plc.kiel\n"), 0o644))
	config := fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s\nTrustedUserCAKeys %s\nAuthorizedPrincipalsFile %s\n"+
		"AuthorizedKeysFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n"+
		"PidFile none\nPermitRootLogin prohibit-password\nMaxSessions 64\nMaxStartups 200\n",
		r.sshdPort, r.path("target_host"), r.path("out_ca.pub"), r.path("principals"))
	r.must(os.WriteFile(r.path("sshd_config"), []byte(config), 0o600))
	if os.Getuid() == 0 { // Debian's sshd wants it, and no service has made it here
		r.must(os.MkdirAll("/run/sshd", 0o755))
	}
	r.sshd = exec.Command(lookIn(os.Getenv("PATH")+":/usr/sbin", "sshd"), "-D", "-E", r.path("sshd.log"), "-f", r.path("sshd_config"))
	r.must(r.sshd.Start())
	r.must(until("the target listens", func() (bool, error) {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(r.sshdPort)))
		if err != nil {
			return false, nil
		}
		return true, c.Close()
	}))
}

// verify runs penstock-verify; it gives its words and exit code.
func (r *rig) verify(dir string) (string, int) {
	r.t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(filepath.Join(r.bin, "penstock-verify"), dir)
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // the exit code says it
	return out.String(), cmd.ProcessState.ExitCode()
}

// proved checks that the whole record is proved.
func (r *rig) proved() {
	r.t.Helper()
	if said, code := r.verify(r.path("data")); code != 0 {
		r.t.Errorf("penstock-verify: exit code %d\n%s\n%s", code, indent(said), r.log())
	}
}

// stream is one ssh that pushes numbered lines into a file at the target.
type stream struct {
	file string // at the target
	cmd  *exec.Cmd
	errs *bytes.Buffer
	sent chan struct{} // closed when ssh takes no more
}

// push starts a stream whose lines begin with its name.
func (r *rig) push(name string) *stream {
	r.t.Helper()
	s := &stream{file: r.path("target-" + name), errs: &bytes.Buffer{}, sent: make(chan struct{})}
	st := r.words("ann", r.ann("cat >> "+s.file), "")
	s.cmd = exec.Command(st.Args[0], st.Args[1:]...)
	s.cmd.Dir, s.cmd.Env, s.cmd.Stderr = st.Dir, st.Env, s.errs
	in, err := s.cmd.StdinPipe()
	r.must(err)
	r.must(s.cmd.Start())
	go func() {
		defer close(s.sent)
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(in, "%s %08d %s\n", name, i, strings.Repeat("x", i%400)); err != nil {
				return
			}
			if i%100 == 99 {
				time.Sleep(time.Millisecond) // leaves some of the machine to the others
			}
		}
	}()
	r.t.Cleanup(func() { _ = s.cmd.Process.Kill() }) // may have ended
	return s
}

// flows waits until bytes have reached the target, or the stream ended.
func (s *stream) flows(least int64) error {
	return until(s.file+" grows", func() (bool, error) {
		info, err := os.Stat(s.file)
		if err == nil && info.Size() >= least {
			return true, nil
		}
		select {
		case <-s.sent:
			return true, nil
		default:
			return false, nil
		}
	})
}

// over waits until ssh has ended and nobody at the target writes any more.
func (s *stream) over() error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.cmd.Wait() // it was cut off
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		return fmt.Errorf("ssh of %s has not ended", s.file)
	}
	return rarely("nobody writes "+s.file, func() (bool, error) { return !heldOpen(s.file), nil })
}

// heldOpen says whether any process has a file open.
func heldOpen(path string) bool {
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is well formed
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && to == path {
			return true
		}
	}
	return false
}

// recorded checks that whatever reached the target is in a recording, and gives
// the number of bytes that did.
func (r *rig) recorded(streams ...*stream) (bytesThere int) {
	r.t.Helper()
	inputs := r.inputs()
	for _, s := range streams {
		there, err := os.ReadFile(s.file)
		if err != nil && !os.IsNotExist(err) {
			r.t.Fatal(err)
		}
		bytesThere += len(there)
		if len(there) == 0 {
			continue
		}
		name, _, _ := strings.Cut(string(there), " ")
		if in := inputs[name]; !bytes.HasPrefix(in, there) {
			r.t.Errorf("%s: %d bytes reached the target, and the recording has %d, which differ at %d", name, len(there), len(in), differAt(in, there))
		}
	}
	return bytesThere
}

func differAt(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// inputs is what each recording says went to the target, by its first word.
func (r *rig) inputs() map[string][]byte {
	r.t.Helper()
	key, err := os.ReadFile(r.path("data", "keys", "recordings.key"))
	r.must(err)
	id, err := age.ParseX25519Identity(strings.TrimSpace(string(key)))
	r.must(err)
	all := map[string][]byte{}
	for _, dir := range r.folders() {
		rd, err := recording.OpenFolder(dir, id)
		r.must(err)
		for _, ch := range rd.Channels() {
			var b bytes.Buffer
			if err := recording.ExportRaw(&b, rd, ch.Number, 'i'); err != nil {
				r.t.Errorf("%s: channel %d: %v", dir, ch.Number, err)
			}
			if name, _, ok := strings.Cut(b.String(), " "); ok {
				all[name] = b.Bytes()
			}
		}
		r.must(rd.Close())
	}
	return all
}

// folders are the folders of all recordings.
func (r *rig) folders() []string {
	list, err := filepath.Glob(r.path("data", "recordings", "*", "*", "*", "S-*"))
	r.must(err)
	return list
}

// leaves reads the whole log from outside, while no broker writes it.
func (r *rig) leaves() []audit.Leaf {
	r.t.Helper()
	v, err := audit.LogVerifier(r.path("data", "keys"))
	r.must(err)
	rd, err := audit.OpenReader(r.path("data", "log"), v)
	r.must(err)
	var all []audit.Leaf
	for leaf, err := range rd.All(context.Background()) {
		r.must(err)
		all = append(all, leaf)
	}
	return all
}
