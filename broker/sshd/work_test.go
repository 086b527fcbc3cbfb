package sshd

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit"
	"penstock/broker/brokertest"
)

func TestCommandPasses(t *testing.T) {
	h := newHouse(t, Limits{})
	c := h.in(h.open(30))
	s := must(c.NewSession())
	var out, errs bytes.Buffer
	s.Stdout, s.Stderr = &out, &errs
	err := s.Run("echo to-out; echo to-err >&2; exit 7")
	var exit *ssh.ExitError
	if e, ok := err.(*ssh.ExitError); ok {
		exit = e
	}
	if exit == nil || exit.ExitStatus() != 7 || out.String() != "to-out\n" || errs.String() != "to-err\n" {
		t.Fatalf("err %v, out %q, stderr %q, log %s", err, out.String(), errs.String(), h.said.String())
	}
}

func TestHalfCloseAndBinary(t *testing.T) {
	h := newHouse(t, Limits{})
	c := h.in(h.open(30))
	s := must(c.NewSession())
	data := make([]byte, 3<<20)
	_, _ = rand.Read(data)
	s.Stdin = bytes.NewReader(data)
	out := must(s.StdoutPipe())
	h.ok(s.Start("cat; echo end"))
	got := must(io.ReadAll(out))
	h.ok(s.Wait())
	if !bytes.Equal(got, append(data, "end\n"...)) {
		t.Fatalf("%d bytes came back of %d, or others", len(got), len(data)+4)
	}
}

// endless is what somebody sends who does not look whether it is read.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A command that ends while its input still comes has said all it said: the
// write that fails takes nothing of the output with it, nor the exit code.
func TestOutputOfACommandThatEndsBeforeItsInput(t *testing.T) {
	h := newHouse(t, Limits{})
	c := h.in(h.open(30))
	for i := range 40 {
		s := must(c.NewSession())
		s.Stdin = endless{}
		var out bytes.Buffer
		s.Stdout = &out
		err := s.Run("head -c 100000 | tr '\\0' x; exit 7")
		var exit *ssh.ExitError
		if !errors.As(err, &exit) || exit.ExitStatus() != 7 || out.Len() != 100_000 {
			t.Fatalf("round %d: %d bytes, %v; %s", i, out.Len(), err, h.said)
		}
	}
}

// ask opens a session channel by hand, to send what clients do not.
func open(t *testing.T, c *ssh.Client) (ssh.Channel, <-chan *ssh.Request) {
	t.Helper()
	ch, reqs, err := c.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	return ch, reqs
}

type ptyWire struct {
	Term                      string
	Cols, Rows, Width, Height uint32
	Modes                     string
}

func TestTerminalPassesWithAllModes(t *testing.T) {
	h := newHouse(t, Limits{})
	c := h.in(h.open(30))
	ch, reqs := open(t, c)
	go ssh.DiscardRequests(reqs)
	payload := ssh.Marshal(ptyWire{"xterm-256color", 132, 43, 0, 0, "\x35\x00\x00\x00\x01\x80\x00\x00\x96\x00\x00"})
	if ok, err := ch.SendRequest("pty-req", true, payload); !ok || err != nil {
		t.Fatalf("pty-req: %v %v", ok, err)
	}
	env := func(name, value string) bool {
		ok, _ := ch.SendRequest("env", true, ssh.Marshal(struct{ N, V string }{name, value}))
		return ok
	}
	for name, value := range map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": "C"} {
		if !env(name, value) {
			t.Errorf("%s=%s is refused", name, value)
		}
	}
	for name, value := range map[string]string{"LD_PRELOAD": "/tmp/x.so", "PATH": "/tmp", "LC_ALL ": "C", "LANG": "$(id)", "LC_X": "a\nb", "BASH_ENV": "x", "": ""} {
		if env(name, value) {
			t.Errorf("%q=%q is passed on", name, value)
		}
	}
	if ok, _ := ch.SendRequest("shell", true, nil); !ok {
		t.Fatal("shell")
	}
	_, _ = ch.SendRequest("window-change", false, []byte{1, 2, 3})
	_, _ = ch.SendRequest("window-change", false, ssh.Marshal(struct{ C, R, W, H uint32 }{80, 24, 0, 0}))
	eventually(t, "the resize to arrive", func() bool { return strings.Contains(strings.Join(h.machine.requests(), "\n"), "window-change") })
	_, _ = io.WriteString(ch, "echo $LANG; exit 5\n")
	out, _ := io.ReadAll(ch)
	if string(out) != "de_DE.UTF-8\n" {
		t.Errorf("the shell says %q", out)
	}
	all := strings.Join(h.machine.requests(), "\n")
	if !strings.Contains(all, fmt.Sprintf("pty-req %q", payload)) {
		t.Errorf("pty-req did not reach the machine as it came: %s", all)
	}
	if !strings.Contains(all, "window-change") || strings.Contains(all, "LD_PRELOAD") {
		t.Errorf("the machine saw %s", all)
	}
}

// Twenty thousand sizes at once: the machine and the recording get few, and the
// last; the break behind them arrives, and others in the connection work on.
func TestAFloodOfResizes(t *testing.T) {
	h := newHouse(t, Limits{})
	c := h.in(h.open(30))
	ch, reqs := open(t, c)
	go ssh.DiscardRequests(reqs)
	for _, r := range []struct {
		kind    string
		payload []byte
	}{{"pty-req", ssh.Marshal(ptyWire{"xterm", 80, 24, 0, 0, "\x00"})}, {"shell", nil}} {
		if ok, err := ch.SendRequest(r.kind, true, r.payload); !ok || err != nil {
			t.Fatalf("%s: %v %v", r.kind, ok, err)
		}
	}
	size := func(cols uint32) []byte { return ssh.Marshal(struct{ C, R, W, H uint32 }{cols, 24, 0, 0}) }
	began := time.Now()
	for i := range uint32(20_000) {
		if _, err := ch.SendRequest("window-change", false, size(100+i%7000)); err != nil {
			t.Fatal(err)
		}
	}
	last := fmt.Sprintf("window-change %q", size(99))
	if _, err := ch.SendRequest("window-change", false, size(99)); err != nil {
		t.Fatal(err)
	}
	if ok, err := ch.SendRequest("break", true, ssh.Marshal(struct{ Length uint32 }{500})); !ok || err != nil {
		t.Errorf("a break behind a flood: %v %v", ok, err)
	}
	if out, _, code, err := runLine(c, "echo beside"); err != nil || code != 0 || out != "beside\n" {
		t.Errorf("beside the flood: %q %d %v", out, code, err)
	}
	eventually(t, "the last size at the machine", func() bool { return slices.Contains(h.machine.requests(), last) })
	sizes := slices.DeleteFunc(h.machine.requests(), func(r string) bool { return !strings.HasPrefix(r, "window-change") })
	if most := 2*maxRequests + int(60*time.Since(began).Seconds()); len(sizes) > most || sizes[len(sizes)-1] != last {
		t.Errorf("%d sizes reached the machine, at most %d; the last is %s", len(sizes), most, sizes[len(sizes)-1])
	}
	_ = ch.Close()
}

// TestSignalsAndBreaks: what a client sends beside the bytes reaches the machine
// as it came and stands in the record; what is no signal's name does not.
func TestSignalsAndBreaks(t *testing.T) {
	h := newHouse(t, Limits{})
	c := h.in(h.open(30))
	ch, reqs := open(t, c)
	go ssh.DiscardRequests(reqs)
	if ok, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{"echo ready; cat"})); !ok || err != nil {
		t.Fatal(ok, err)
	}
	must(io.ReadFull(ch, make([]byte, len("ready\n"))))
	minute := []byte{0, 0, 1, 0xf4}
	for _, beside := range []struct {
		kind    string
		payload []byte
		ok      bool
	}{
		{"signal", ssh.Marshal(struct{ Name string }{"INT"}), true}, {"signal", ssh.Marshal(struct{ Name string }{"reload@maker.example"}), true},
		{"break", minute, true}, {"break", nil, false}, {"signal", ssh.Marshal(struct{ Name string }{"$(id)"}), false}, {"signal", []byte{0xff, 0xff, 0xff, 0xff}, false},
	} {
		// A signal before the machine's own start of the command is taken by nobody, as with sshd.
		eventually(t, fmt.Sprintf("%s %q is answered %v", beside.kind, beside.payload, beside.ok), func() bool {
			ok, err := ch.SendRequest(beside.kind, true, beside.payload)
			return err == nil && ok == beside.ok
		})
	}
	h.ok(ch.CloseWrite())
	_, _ = io.ReadAll(ch)
	all := strings.Join(h.machine.requests(), "\n")
	for _, want := range []string{fmt.Sprintf("signal %q", "\x00\x00\x00\x03INT"), "reload@maker.example", fmt.Sprintf("break %q", minute)} {
		if !strings.Contains(all, want) {
			t.Errorf("the machine did not see %s: %s", want, all)
		}
	}
	if strings.Contains(all, "$(id)") || strings.Contains(all, "break \"\"") {
		t.Errorf("the machine saw %s", all)
	}
}

func TestHostilePtyRequests(t *testing.T) {
	h := newHouse(t, Limits{})
	c := h.in(h.open(30))
	nameless, reqs := open(t, c)
	go ssh.DiscardRequests(reqs)
	if ok, err := nameless.SendRequest("pty-req", true, ssh.Marshal(ptyWire{"", 80, 24, 0, 0, ""})); !ok || err != nil {
		t.Errorf("a terminal without TERM, as cron has it: %v, %v", ok, err)
	}
	nameless.Close()
	for story, payload := range map[string][]byte{
		"a first length of 0xFFFFFFFF": {0xff, 0xff, 0xff, 0xff},
		"the same with something":      append([]byte{0xff, 0xff, 0xff, 0xff}, make([]byte, 64)...),
		"empty":                        nil,
		"TERM with an escape":          ssh.Marshal(ptyWire{"xterm\x1b]0;x", 80, 24, 0, 0, ""}),
		"TERM with a path":             ssh.Marshal(ptyWire{"../../etc", 80, 24, 0, 0, ""}),
		"a long TERM":                  ssh.Marshal(ptyWire{strings.Repeat("x", 41), 80, 24, 0, 0, ""}),
		"a wide screen":                ssh.Marshal(ptyWire{"xterm", 1 << 31, 24, 0, 0, ""}),
		"2 KiB of modes":               ssh.Marshal(ptyWire{"xterm", 80, 24, 0, 0, strings.Repeat("\x01", 2048)}),
	} {
		ch, reqs := open(t, c)
		go ssh.DiscardRequests(reqs)
		if ok, err := ch.SendRequest("pty-req", true, payload); ok || err != nil {
			t.Errorf("%s: accepted %v, %v", story, ok, err)
		}
		ch.Close()
	}
	if out, _, code, err := runLine(c, "echo alive"); err != nil || code != 0 || out != "alive\n" {
		t.Errorf("the connection did not survive: %v %d %q", err, code, out)
	}
}

func TestWhatIsNotCarriedIsSaid(t *testing.T) {
	h := newHouse(t, Limits{})
	c := h.in(h.open(30))
	for _, kind := range []string{"direct-streamlocal@openssh.com", "tun@openssh.com", "x11", "auth-agent@openssh.com", "forwarded-tcpip", "nonsense"} {
		_, _, err := c.OpenChannel(kind, nil)
		var open *ssh.OpenChannelError
		if !errors.As(err, &open) || len(open.Message) < 40 {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, kind := range []string{"tcpip-forward", "streamlocal-forward@openssh.com", "cancel-tcpip-forward", "hostkeys-prove-00@openssh.com"} {
		if ok, _, err := c.SendRequest(kind, true, nil); ok || err != nil {
			t.Errorf("%s: %v %v", kind, ok, err)
		}
	}
	if ok, _, err := c.SendRequest("keepalive@openssh.com", true, nil); !ok || err != nil {
		t.Errorf("keepalive: %v %v", ok, err)
	}
	s := must(c.NewSession())
	if ok, _ := s.SendRequest("auth-agent-req@openssh.com", true, nil); ok {
		t.Error("the agent is forwarded")
	}
	if ok, _ := s.SendRequest("x11-req", true, nil); ok {
		t.Error("X11 is forwarded")
	}
	var errs bytes.Buffer
	s.Stderr = &errs
	if err := s.Run("true"); err != nil {
		t.Fatalf("true: %v; %s", err, errs.String())
	}
	for _, want := range []string{"Remote forwards are not carried", "Leave out -A", "Leave out -X"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("stderr lacks %q: %s", want, errs.String())
		}
	}
	for line, say := range map[string]string{"scp -t /tmp": "does not carry sftp", "rsync --server -e.L . /x": "does not carry sftp", "git-upload-pack x": "does not carry sftp",
		"scp -t $(id)": "cannot be read for sure", "/usr/lib/openssh/sftp-server": "cannot be read for sure"} {
		out, errs, code, err := runLine(c, line)
		if err != nil || code != 255 || out != "" || !strings.Contains(errs, say) {
			t.Errorf("%s: %v, exit %d, %q %q", line, err, code, out, errs)
		}
	}
	ch, reqs := open(t, c)
	go ssh.DiscardRequests(reqs)
	if _, err := ch.SendRequest("subsystem", true, ssh.Marshal(struct{ N string }{"sftp"})); err != nil {
		t.Fatal(err)
	}
	if said, _ := io.ReadAll(ch.Stderr()); !strings.Contains(string(said), "does not carry sftp") {
		t.Errorf("sftp: %q", said)
	}
}

func TestSecondCommandInOneChannel(t *testing.T) {
	h := newHouse(t, Limits{})
	c := h.in(h.open(30))
	ch, reqs := open(t, c)
	go ssh.DiscardRequests(reqs)
	exec := ssh.Marshal(struct{ C string }{"cat"})
	if ok, _ := ch.SendRequest("exec", true, exec); !ok {
		t.Fatal("the first is refused")
	}
	for _, kind := range []string{"exec", "shell", "subsystem"} {
		if ok, _ := ch.SendRequest(kind, true, exec); ok {
			t.Errorf("a second %s in the channel is accepted", kind)
		}
	}
	ch.Close()
}

func TestRefusedMachineIsSaid(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	for user, want := range map[string]string{"ann+maint+filler-plc": "", "ann+logs+boiler": "", "ann+root+filler-plc": ""} {
		c, _, err := h.dialAs(user, ssh.PublicKeys(h.cert("ann", w)))
		if err != nil {
			t.Fatal(err)
		}
		out, errs, code, err := runLine(c, "id")
		if err != nil || code != 255 || out != "" || !strings.HasPrefix(errs, "Penstock: ") || strings.Contains(errs, "reference") || !strings.Contains(errs, want) {
			t.Errorf("%s: %v, exit %d, out %q, stderr %q", user, err, code, out, errs)
		}
		c.Close()
	}
	if n := h.machine.accepted.Load(); n != 0 {
		t.Errorf("the machine was dialled %d times", n)
	}
}

func TestAgreedIsNotOpen(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.agreed(30)
	c, _, err := h.dialAs("ann+logs+filler-plc", ssh.PublicKeys(h.cert("ann", w)))
	if err != nil {
		t.Fatal(err)
	}
	out, errs, code, err := runLine(c, "id")
	if err != nil || code != 255 || out != "" || errs == "" || h.machine.accepted.Load() != 0 {
		t.Errorf("%v, exit %d, out %q, stderr %q", err, code, out, errs)
	}
}

func TestCutWhileConnected(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	c := h.in(w)
	s := must(c.NewSession())
	var errs lockedBuffer
	s.Stderr = &errs
	in, out := must(s.StdinPipe()), must(s.StdoutPipe())
	h.ok(s.Start("cat"))
	_, _ = io.WriteString(in, "x")
	b := make([]byte, 1)
	if _, err := io.ReadFull(out, b); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := h.desk.Cut(h.ctx, h.actor("mia"), w, "water on the floor"); err != nil {
		t.Fatal(err)
	}
	err := s.Wait()
	if took := time.Since(start); err == nil || took > patience {
		t.Errorf("after %v: %v", took, err)
	}
	if !strings.Contains(errs.String(), "water on the floor") {
		t.Errorf("the reason is not shown: %q", errs.String())
	}
	if out, _, code, err := runLine(c, "echo still here"); err == nil && code == 0 || out != "" {
		t.Errorf("a command runs after the cut: %q %d %v", out, code, err)
	}
}

func TestStopTellsThePeopleInside(t *testing.T) {
	h := newHouse(t, Limits{})
	s := must(h.in(h.open(30)).NewSession())
	var errs lockedBuffer
	s.Stderr = &errs
	_, out := must(s.StdinPipe()), must(s.StdoutPipe())
	h.ok(s.Start("echo in; cat"))
	if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	idle, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf("ann")))
	h.ok(err)
	h.stop()
	_ = idle.Wait() // a connection without a session is closed at once
	drain, done := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer done()
	_ = h.broker.Drain(drain)
	if err := s.Wait(); err == nil || !strings.Contains(errs.String(), "being stopped") {
		t.Errorf("%v, stderr %q", err, errs.String())
	}
	if _, err := net.Dial("tcp", h.addr); err == nil {
		t.Error("the door still listens")
	}
}

func TestRecordHasWhatPassed(t *testing.T) {
	h := newHouse(t, Limits{})
	c := h.in(h.open(30))
	_, _, _, err := runLine(c, "cat; exit 3")
	h.ok(err)
	c.Close()
	eventually(t, "session.ended", func() bool { return len(h.events("session.ended")) == 1 })
	if h.said.String() != "" {
		t.Errorf("a session without trouble is an error in the log: %s", h.said.String())
	}
	closed := h.events("channel.closed")
	if len(h.events("session.ended")) != 1 || len(closed) != 1 || closed[0].Body.(audit.ChannelClosed).Exit != "3" {
		t.Fatalf("channel.closed: %+v", closed)
	}
	if h.events("session.ended")[0].Body.(audit.SessionEnded).Cause != "client" {
		t.Errorf("session.ended: %+v", h.events("session.ended")[0].Body)
	}
	issued := map[string]int{}
	for _, leaf := range h.events("cert.issued") {
		issued[leaf.Body.(audit.CertIssued).CA]++
	}
	if issued["in"] != 1 || issued["out"] != 1 || issued["host"] != 1 {
		t.Errorf("certificates issued: %v", issued)
	}
}

// patience is how long a test waits for what comes in its own time. It finds
// what hangs; how soon an end comes is held in broker, by a clock of its own.
const patience = time.Minute

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	brokertest.Until(t, what, so)
}
