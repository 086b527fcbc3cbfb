package sshd

import (
	"context"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit"
	"penstock/audit/outsidetest"
)

// badLines are ann's, with her stock client and somebody else's bad networks.
type badLines struct {
	*stock
	*outsidetest.Networks
	mu    sync.Mutex
	typed []string // what came back of it whole, of each session
}

// badLine is one network, and perhaps one ssh over it.
type badLine struct {
	*badLines
	outsidetest.Network
	t     *testing.T
	in    io.WriteCloser
	out   io.Reader
	errs  *lockedBuffer
	cmd   *exec.Cmd
	typed strings.Builder
}

func (b *badLines) line(t *testing.T) *badLine {
	return &badLine{badLines: b, Network: b.To(b.h.addr), t: t, errs: &lockedBuffer{}}
}

func (l *badLine) args(command string) []string {
	_, port, _ := net.SplitHostPort(l.Address)
	return []string{"-p", port, "ann+logs+filler-plc@127.0.0.1", command}
}

// begins is a cat on the machine.
func (l *badLine) begins() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	l.t.Cleanup(cancel)
	l.cmd = l.command(ctx, "ssh", l.args("cat")...)
	l.cmd.Stderr = l.errs
	l.in, l.out = must(l.cmd.StdinPipe()), must(l.cmd.StdoutPipe())
	if err := l.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
}

// says types a text and has it come back, to the byte.
func (l *badLine) says(text string) {
	l.t.Helper()
	l.typed.WriteString(text)
	go func() { _, _ = io.WriteString(l.in, text) }()
	b := make([]byte, len(text))
	if n, err := io.ReadFull(l.out, b); err != nil || string(b) != text {
		l.t.Fatalf("%d of %d bytes came back, %v: %s", n, len(text), err, l.errs)
	}
}

// gone waits for the client's end; nothing of its own configuration brings that about.
func (l *badLine) gone() int {
	_, _ = io.Copy(io.Discard, l.out)
	_ = l.cmd.Wait()
	l.mu.Lock()
	l.badLines.typed = append(l.badLines.typed, l.typed.String())
	l.mu.Unlock()
	return l.cmd.ProcessState.ExitCode()
}

// A stock client over toxiproxy: far and narrow it works, to the byte, and is not
// taken for dead; a line that breaks or stalls ends the session, the latter by the
// keepalives; then ann is in again by the certificate that she has. Nobody is asked
// anew, and nothing that was recorded is lost.
func TestToxiproxy(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	h.door.alive = 1500 * time.Millisecond
	w := h.open(30)
	ann := &badLines{stock: newStock(h, "ann"), Networks: outsidetest.Toxiproxy(t)}
	ann.setUp()
	ann.file("id_ed25519-cert.pub", string(ssh.MarshalAuthorizedKey(h.cert("ann", w).PublicKey())))
	before := h.asked()
	back := func(t *testing.T) {
		t.Helper()
		l := ann.line(t)
		l.begins()
		l.says("back by the same certificate\n")
		l.in.Close()
		if code := l.gone(); code != 0 {
			t.Errorf("back again: exit %d, %s", code, l.errs)
		}
	}
	t.Run("lines", func(t *testing.T) {
		t.Run("far, narrow, and it breaks", func(t *testing.T) {
			t.Parallel()
			l := ann.line(t)
			l.Toxic("latency", map[string]int{"latency": 100, "jitter": 25}) // 200 there and back
			l.Toxic("bandwidth", map[string]int{"rate": 32})
			l.begins()
			l.says("far away\n")
			begun := time.Now()
			l.says(strings.Repeat("narrow, too\n", 16<<10)) // 192 KiB, both ways
			if took := time.Since(begun); took < aliveMisses*h.door.alive {
				t.Errorf("the line is not narrow: %v", took)
			}
			l.Toxic("reset_peer", map[string]int{"timeout": 0})
			go func() { _, _ = io.WriteString(l.in, "lost on the way\n") }()
			if code := l.gone(); code != 255 {
				t.Errorf("the client of a line that broke ended with %d", code)
			}
			back(t)
		})
		t.Run("nobody comes in", func(t *testing.T) {
			t.Parallel()
			l := ann.line(t)
			l.Toxic("reset_peer", map[string]int{"timeout": 0})
			if out, errs, code := ann.ssh("", l.args("echo inside")...); code != 255 || out != "" || !strings.Contains(errs, "reset") && !strings.Contains(errs, "Broken pipe") {
				t.Errorf("a line that is reset: exit %d, %q %s", code, out, errs)
			}
		})
		t.Run("it stalls", func(t *testing.T) {
			t.Parallel()
			l := ann.line(t)
			l.Toxic("latency", map[string]int{"latency": 50, "jitter": 20})
			l.begins()
			l.says("before it stalls\n")
			begun := time.Now()
			l.Toxic("timeout", map[string]int{"timeout": 0}) // nothing passes, and nobody is told
			if code := l.gone(); code != 255 {
				t.Errorf("the client of a line that stalled ended with %d", code)
			}
			if took := time.Since(begun); took < aliveMisses*h.door.alive/2 {
				t.Errorf("it ended after %v: by the line, and not by the keepalives", took)
			}
			back(t)
		})
		t.Run("it closes slowly", func(t *testing.T) {
			t.Parallel()
			l := ann.line(t)
			l.Toxic("slow_close", map[string]int{"delay": 1000})
			l.begins()
			l.says("all of it\n")
			l.in.Close()
			if code := l.gone(); code != 0 || l.errs.String() != "" {
				t.Errorf("exit %d, %s", code, l.errs)
			}
		})
	})
	eventually(t, "every session to end", func() bool { return len(h.events("session.ended")) == len(ann.typed) })
	if n := h.asked() - before; n != 0 {
		t.Errorf("%d requests, answers or certificates more", n)
	}
	for _, ended := range h.events("session.ended") {
		in, out := h.recorded(ended)
		whole := false
		for _, typed := range ann.typed {
			whole = whole || strings.HasPrefix(in, typed) && strings.HasPrefix(out, typed) && len(in)-len(typed) <= len("lost on the way\n")
		}
		if cause := ended.Body.(audit.SessionEnded).Cause; cause != "client" || !whole {
			t.Errorf("%s ended by %q; its recording: in %d %.40q, out %d", ended.Subject, cause, len(in), in, len(out))
		}
	}
}
