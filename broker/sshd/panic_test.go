package sshd

import (
	"bytes"
	"context"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"penstock/audit"
)

// A fault of ours ends the channel that it is met in, with words, and nothing
// beside it: neither the connection's other channels nor what comes next.
func TestAPanicEndsItsChannelAlone(t *testing.T) {
	h := newHouse(t, Limits{})
	win := h.open(30)
	c := h.in(win)
	s := must(c.NewSession())
	in, out := must(s.StdinPipe()), must(s.StdoutPipe())
	h.ok(s.Start("echo here; cat"))
	must(io.ReadFull(out, make([]byte, 5))) // its own beginning is past before there is a fault
	for where, try := range map[string]func() string{
		"sshd.(*job).begun": func() string {
			_, said, code, err := runLine(c, "true")
			if err != nil || code != 255 {
				t.Errorf("a command that met a fault: exit %d, %v", code, err)
			}
			return said
		},
		"sshd.(*Door).lead": func() string {
			_, err := c.Dial("tcp", "filler-plc:502")
			if err == nil {
				return "nothing"
			}
			return err.Error()
		},
	} {
		fault := func() {
			if at := debug.Stack(); bytes.Contains(at, []byte(where)) && !bytes.Contains(at, []byte("(*Broker).facts")) { // that makes an error of it
				panic("a fault of ours")
			}
		}
		h.spoil.Store(&fault)
		if said := try(); !strings.Contains(said, "what else you have open goes on") {
			t.Errorf("%s: the vendor reads %q", where, said)
		}
		h.spoil.Store(nil)
		_, err := io.WriteString(in, "still here\n")
		h.ok(err)
		if _, err := io.ReadFull(out, make([]byte, 11)); err != nil {
			t.Errorf("%s: the command beside it is gone: %v", where, err)
		}
	}
	if out, said, code, err := runLine(c, "echo next"); err != nil || code != 0 || out != "next\n" {
		t.Errorf("the next command: %q %q, exit %d, %v", out, said, code, err)
	}
	h.ok(in.Close())
	h.ok(s.Wait())
	if ended := h.events("session.ended"); len(ended) != 0 {
		t.Errorf("the session has ended: %+v", ended)
	}
}

// brokenChannel is a machine's side whose reading is a fault.
type brokenChannel struct{ ssh.Channel }

func (brokenChannel) Read([]byte) (int, error)    { panic("a fault of ours") }
func (brokenChannel) Write(p []byte) (int, error) { return len(p), nil }
func (brokenChannel) Stderr() io.ReadWriter       { return new(bytes.Buffer) }

// The same in the middle of the relay.
func TestAPanicInTheRelayEndsItsChannelAlone(t *testing.T) {
	h := newHouse(t, Limits{})
	gate := h.gate(h.open(30))
	p := &page{in: strings.NewReader("")}
	j := &job{d: h.door, c: aloneConn(nopConn{}), ch: p, screen: newScreen(p), gone: context.Background()}
	j.screen.pty.Store(true)
	w := &wire{job: j, gate: gate, hush: func() bool { return true }, target: brokenChannel{}, reqs: make(chan *ssh.Request), close: func() {}}
	w.pump()
	w.over()
	if !strings.Contains(p.said(), "Something is wrong here") || j.c.ctx.Err() != nil {
		t.Errorf("the vendor reads %q, the connection: %v", p.said(), j.c.ctx.Err())
	}
	j.c.Close()
	if closed := h.events("channel.closed"); len(closed) != 1 || !strings.Contains(closed[0].Body.(audit.ChannelClosed).Cause, "panic") {
		t.Errorf("channel.closed: %+v", closed)
	}
}

type nopConn struct{ net.Conn }

func (nopConn) Close() error { return nil }
