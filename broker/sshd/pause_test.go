package sshd

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// never says that something did not happen in a while in which it would.
func never(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if so() {
			t.Fatalf("%s", what)
		}
	}
}

func (m *machine) has(kind string) bool {
	return strings.Contains("\n"+strings.Join(m.requests(), "\n"), "\n"+kind+" ")
}

// TestPauseHoldsACommandThatIsOnItsWay: the shift pauses while the broker is
// still logging in at the machine, to put a hand into it. The command, decided a
// moment before, must wait.
func TestPauseHoldsACommandThatIsOnItsWay(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	c := h.in(w)
	mia := h.actor("mia")
	paused := make(chan error, 1)
	var once sync.Once
	pause := func() {
		once.Do(func() {
			_, err := h.desk.Pause(h.ctx, mia, w, "hand in the machine")
			paused <- err
		})
	}
	h.machine.login.Store(&pause)
	s := must(c.NewSession())
	out := must(s.StdoutPipe())
	h.ok(s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}))
	h.ok(s.Start("echo moved"))
	h.ok(<-paused)
	never(t, "the command reached a machine whose window is paused", func() bool { return h.machine.has("exec") || h.machine.has("pty-req") })
	_, err := h.desk.GoOn(h.ctx, h.actor("mia"), w)
	h.ok(err)
	if got, _ := io.ReadAll(out); strings.TrimSpace(string(got)) == "" || !strings.Contains(string(got), "moved") {
		t.Errorf("after the pause: %q", got)
	}
}

// TestPauseHoldsEndOfFileAndResize: both are input to what runs there.
func TestPauseHoldsEndOfFileAndResize(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	s := must(h.in(w).NewSession())
	in, out := must(s.StdinPipe()), must(s.StdoutPipe())
	h.ok(s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}))
	h.ok(s.Start("cat >/dev/null; echo eof came"))
	eventually(t, "the command to run", func() bool { return h.machine.has("exec") })
	eventually(t, "the channel", func() bool { l := h.broker.Sessions(); return len(l) == 1 && len(l[0].Channels) == 1 })
	_, err := h.desk.Pause(h.ctx, h.actor("mia"), w, "hand in the machine")
	h.ok(err)
	eventually(t, "the pause", func() bool { return h.broker.Sessions()[0].Channels[0].Held })
	h.ok(s.WindowChange(40, 100))
	h.ok(in.Close())
	var said lockedBuffer
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(&said, out) }()
	never(t, "end of file or a resize reached a machine whose window is paused", func() bool {
		return strings.Contains(said.String(), "eof came") || h.machine.has("window-change")
	})
	_, err = h.desk.GoOn(h.ctx, h.actor("mia"), w)
	h.ok(err)
	<-done
	if !strings.Contains(said.String(), "eof came") {
		t.Errorf("after the pause: %q", said.String())
	}
}

// TestPauseHoldsTheEndOfAForward: to a controller a closed connection is a
// message too.
func TestPauseHoldsTheEndOfAForward(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	ended := make(chan struct{})
	until := func(c *net.TCPConn) { // until the end of file
		_, _ = io.Copy(io.Discard, c)
		close(ended)
	}
	h.plc.serve.Store(&until)
	c := h.outer(w)
	plc := h.plcOf(c)
	_, err := h.desk.Pause(h.ctx, h.actor("mia"), w, "hand in the machine")
	h.ok(err)
	eventually(t, "the pause", func() bool {
		l := h.broker.Sessions()
		return len(l) == 1 && len(l[0].Channels) == 1 && l[0].Channels[0].Held
	})
	h.ok(plc.CloseWrite())
	never(t, "the end of file reached a controller whose window is paused", func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	_, err = h.desk.GoOn(h.ctx, h.actor("mia"), w)
	h.ok(err)
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("after the pause the end of file does not come")
	}
}
