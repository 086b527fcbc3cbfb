package sshd

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker/brokertest"
)

// over is a line of this house, and ann behind it with the certificate that she has.
func (h *house) over(late time.Duration, rate int, cert ssh.Signer) (*brokertest.Line, func() *ssh.Client) {
	h.t.Helper()
	l := must(brokertest.NewLine(h.addr, late, rate))
	h.t.Cleanup(func() { l.Close() })
	return l, func() *ssh.Client {
		c, err := ssh.Dial("tcp", l.Addr().String(), &ssh.ClientConfig{User: "ann+logs+filler-plc", Auth: []ssh.AuthMethod{ssh.PublicKeys(cert)},
			HostKeyCallback: ssh.FixedHostKey(h.ca.HostKey().PublicKey()), HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}})
		h.ok(err)
		h.t.Cleanup(func() { c.Close() })
		return c
	}
}

// echoes is a command that gives back what it gets, one line of it seen.
func echoes(t *testing.T, c *ssh.Client, line string) (in io.WriteCloser, out io.Reader) {
	t.Helper()
	s := must(c.NewSession())
	in, out = must(s.StdinPipe()), must(s.StdoutPipe())
	if err := s.Start("cat"); err != nil {
		t.Fatal(err)
	}
	said(t, in, out, line)
	return in, out
}

func said(t *testing.T, in io.Writer, out io.Reader, line string) {
	t.Helper()
	if _, err := io.WriteString(in, line); err != nil {
		t.Fatal(err)
	}
	if b := make([]byte, len(line)); must(io.ReadFull(out, b)) != len(b) || string(b) != line {
		t.Fatalf("%q came back of %q", b, line)
	}
}

// asked counts what a new approval would add to.
func (h *house) asked() (n int) {
	n = len(h.events("request.submitted")) + len(h.events("answer.given"))
	for _, leaf := range h.events("cert.issued") {
		if leaf.Body.(audit.CertIssued).CA == "in" {
			n++
		}
	}
	return n
}

// recorded is what a session that has ended left of both directions, closed.
func (h *house) recorded(ended audit.Leaf) (in, out string) {
	h.t.Helper()
	if ended.Body.(audit.SessionEnded).Close == (audit.Hash{}) {
		h.t.Errorf("the recording of %s is not closed", ended.Subject)
	}
	r := must(h.archive.Open(ended.Subject))
	defer r.Close()
	got := map[recording.Mark]*bytes.Buffer{recording.In: {}, recording.Out: {}}
	for f, err := range r.Frames(-1, 0) {
		h.ok(err)
		if b := got[f.Mark]; b != nil {
			b.Write(f.Data)
		}
	}
	return got[recording.In].String(), got[recording.Out].String()
}

// The line is far, narrow, and drops in the middle: the vendor comes again with the
// same certificate, nobody is asked anew, and both recordings are whole.
func TestALineThatDropsCostsNoApprovalAndNoRecording(t *testing.T) {
	h := newHouse(t, Limits{})
	line, dial := h.over(100*time.Millisecond, 64<<10, h.cert("ann", h.open(30)))
	before := h.asked()
	in, out := echoes(t, dial(), "before the line drops\n")
	_, _ = io.WriteString(in, strings.Repeat("under way ", 3000))
	_, err := io.ReadFull(out, make([]byte, 10)) // some of it has come back
	h.ok(err)
	line.Drop()
	eventually(t, "the session whose line dropped to end", func() bool { return len(h.events("session.ended")) == 1 })
	c := dial()
	echoes(t, c, "after it\n")
	c.Close()
	eventually(t, "the second session to end", func() bool { return len(h.events("session.ended")) == 2 })
	if n := h.asked() - before; n != 0 {
		t.Errorf("%d requests, answers or certificates more", n)
	}
	for i, want := range []string{"before the line drops\nunder way under way ", "after it\n"} {
		ended := h.events("session.ended")[i]
		if in, out := h.recorded(ended); !strings.HasPrefix(in, want) || !strings.HasPrefix(in, out) {
			t.Errorf("recording of %s: in %.60q, out %.60q", ended.Subject, in, out)
		}
	}
}

// A line that falls silent and tells nobody: within three keepalives the session is
// over, its recording closed, its machine left; the vendor comes in by another line.
func TestASessionOverASilentLineIsFound(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	cert := h.cert("ann", h.open(30))
	dead, dial := h.over(0, 0, cert)
	echoes(t, dial(), "x\n")
	silent := h.door.open()[0]
	dead.Silence(true)
	_, again := h.over(0, 0, cert)
	echoes(t, again(), "y\n")
	neverAnswers(t, silent)
	eventually(t, "the session over the dead line to end", func() bool { return len(h.events("session.ended")) >= 1 })
	ended := h.events("session.ended")[0]
	if ended.Subject != "S-1" || ended.Body.(audit.SessionEnded).Cause != "client" || ended.Body.(audit.SessionEnded).Close == (audit.Hash{}) {
		t.Errorf("session.ended: %+v", ended)
	}
	if closed := h.events("channel.closed"); len(closed) != 1 {
		t.Errorf("%d channels closed: the machine is not left, or the living one is", len(closed))
	}
}

// A line so narrow that a keepalive stands behind what the vendor fetches for longer
// than a dead peer is given: the vendor is there, and stays. (TestToxiproxy has such a
// line; here the answer is kept back, and so no machine is too fast or too slow.)
func TestANarrowLineIsNotADeadOne(t *testing.T) {
	h := newHouse(t, Limits{})
	nc := must(net.Dial("tcp", h.addr))
	conn, chans, unanswered, err := ssh.NewClientConn(nc, h.addr, &ssh.ClientConfig{User: "ann+logs+filler-plc", Auth: []ssh.AuthMethod{ssh.PublicKeys(h.cert("ann", h.open(30)))},
		HostKeyCallback: ssh.FixedHostKey(h.ca.HostKey().PublicKey()), HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}})
	h.ok(err)
	none := make(chan *ssh.Request)
	close(none)
	vendor := ssh.NewClient(conn, chans, none)
	defer vendor.Close()
	in, out := echoes(t, vendor, "x\n")
	c := h.connOf(nc.LocalAddr())
	go c.ask()
	asked := <-unanswered
	for range 2 * aliveMisses {
		said(t, in, out, "something else comes\n")
		c.ask()
	}
	if c.ctx.Err() != nil || !c.asking.Load() {
		t.Error("a vendor of whom something comes is taken for dead, or was not asked")
	}
	h.ok(asked.Reply(false, nil))
	eventually(t, "the answer has come", func() bool { return !c.asking.Load() })
}

// A vendor whose line takes nothing any more, with everything full on the way: a
// cut returns at once and the machine is left, long before anybody finds the line dead.
func TestAStallingVendorHoldsNoCut(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	line, dial := h.over(0, 0, h.cert("ann", w))
	c := dial()
	for range 4 { // an SSH window is 2 MiB: one alone might fit in between
		s := must(c.NewSession())
		out := must(s.StdoutPipe())
		h.ok(s.Start("yes"))
		_, err := io.ReadFull(out, make([]byte, 64<<10))
		h.ok(err)
		go func() { _, _ = io.Copy(io.Discard, out) }() // it would read, and its line is silent
	}
	line.Silence(true)
	passed := func() (n int64) {
		for _, one := range h.broker.Sessions()[0].Channels {
			n += one.Out
		}
		return n
	}
	last, since := int64(-1), time.Now()
	eventually(t, "everything on the way to be full", func() bool {
		if now := passed(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
	mia, begun := h.actor("mia"), time.Now()
	_, err := h.desk.Cut(h.ctx, mia, w, "water on the floor")
	h.ok(err)
	if took := time.Since(begun); took > aliveEvery {
		t.Errorf("the cut took %v: it waited for the vendor", took)
	}
	eventually(t, "session and connection to end", func() bool { return len(h.events("session.ended")) == 1 && len(h.door.open()) == 0 })
	if took := time.Since(begun); took > aliveMisses*aliveEvery/2 {
		t.Errorf("they ended %v after the cut: with the line, and not with the cut", took)
	}
	if cause := h.events("session.ended")[0].Body.(audit.SessionEnded).Cause; cause != "cut" {
		t.Errorf("it ended by %q", cause)
	}
}
