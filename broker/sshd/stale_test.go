package sshd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// TestAConnectionIsNoSeasonTicket: stock clients keep one connection for many
// commands (ControlMaster). What it began with is asked for again.
func TestAConnectionIsNoSeasonTicket(t *testing.T) {
	atDesk := func(h *house) *ssh.Client {
		c, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf("ann")))
		h.ok(err)
		return c
	}
	atCert := func(h *house) *ssh.Client {
		c, _, err := h.dialAs("cert", ssh.PublicKeys(keyOf("ann")), (&asker{answers: []string{h.code("ann", 0)}}).method())
		h.ok(err)
		return c
	}
	takeKey := func(h *house) {
		h.ok(h.roster.RemoveKey(h.ctx, h.actor("lena"), "ann", ssh.FingerprintSHA256(keyOf("ann").PublicKey())))
	}
	disable := func(h *house) { h.ok(h.roster.Disable(h.ctx, h.actor("lena"), "ann", "left the firm")) }
	later := func(d time.Duration) func(*house) { return func(h *house) { h.ahead.Store(int64(d)) } }
	for _, c := range []struct {
		name string
		dial func(*house) *ssh.Client
		line string
		then func(*house)
		code int
	}{
		{"desk, nothing happened", atDesk, "requests --json", func(*house) {}, 0},
		{"desk, the key was taken away", atDesk, "requests --json", takeKey, 3},
		{"desk, the person was disabled", atDesk, "requests --json", disable, 3},
		{"cert, a moment later", atCert, "", later(4 * time.Minute), 0},
		{"cert, the code has aged", atCert, "", later(6 * time.Minute), 3},
		{"cert, the clock stepped back", atCert, "", later(-2 * time.Minute), 3},
		{"cert, the key was taken away", atCert, "", takeKey, 3},
		{"cert, the person was disabled", atCert, "", disable, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, Limits{PerSecond: 1000})
			h.open(30)
			conn := c.dial(h)
			if _, errs, code, err := runLine(conn, c.line); err != nil || code != 0 {
				t.Fatalf("before: %v %d %s", err, code, errs)
			}
			c.then(h)
			out, errs, code, err := runLine(conn, c.line)
			if err != nil || code != c.code || (code == 0) != (out != "") {
				t.Errorf("after: %v, exit %d, out %q, stderr %q", err, code, out, errs)
			}
		})
	}
}

// TestOneConnectionDoesNotFillTheLog: channels cost nothing, events do.
func TestOneConnectionDoesNotFillTheLog(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	h.open(30)
	before := len(h.events("login.ok"))
	c, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf("ann")))
	h.ok(err)
	for range 20 {
		_, _, _, err := runLine(c, "help")
		h.ok(err)
	}
	if n := len(h.events("login.ok")) - before; n != 1 {
		t.Errorf("%d login.ok of one connection at the desk", n)
	}
	c, _, err = h.dialAs("cert", ssh.PublicKeys(keyOf("ann")), (&asker{answers: []string{h.code("ann", 0)}}).method())
	h.ok(err)
	before = len(h.events("cert.issued"))
	codes := map[int]int{}
	for range 2 * maxLines {
		_, _, code, err := runLine(c, "")
		h.ok(err)
		codes[code]++
	}
	if n := len(h.events("cert.issued")) - before; n != maxLines {
		t.Errorf("one code made %d certificates, %s", n, fmt.Sprint(codes))
	}
}

// TestWaitingEndsWithTheKey: the laptop is stolen while cert@ --wait runs on it.
func TestWaitingEndsWithTheKey(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	w := h.agreed(30)
	c, _, err := h.dialAs("cert", ssh.PublicKeys(keyOf("ann")), (&asker{answers: []string{h.code("ann", 0)}}).method())
	h.ok(err)
	s := must(c.NewSession())
	out, errs := must(s.StdoutPipe()), must(s.StderrPipe())
	h.ok(s.Start("--wait"))
	if _, err := errs.Read(make([]byte, 64)); err != nil { // it says that it waits
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, errs) }()
	h.ok(h.roster.RemoveKey(h.ctx, h.actor("lena"), "ann", ssh.FingerprintSHA256(keyOf("ann").PublicKey())))
	_, err = h.desk.Open(h.ctx, h.actor("mia"), w)
	h.ok(err)
	got, _ := io.ReadAll(out)
	var exit *ssh.ExitError
	if err := s.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 3 || len(got) != 0 {
		t.Errorf("%v %q", err, got)
	}
}

// TestAnOpenFileChannelIsNoSeasonTicket: sftp is opened in time, and asked days later.
func TestAnOpenFileChannelIsNoSeasonTicket(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	h.open(30)
	c, _, err := h.dialAs("cert", ssh.PublicKeys(keyOf("ann")), (&asker{answers: []string{h.code("ann", 0)}}).method())
	h.ok(err)
	s := must(c.NewSession())
	in, out := must(s.StdinPipe()), must(s.StdoutPipe())
	h.ok(s.RequestSubsystem("sftp"))
	ask := func(kind byte, body []byte) (answer byte) {
		t.Helper()
		_, err := in.Write(append(binary.BigEndian.AppendUint32(nil, uint32(1+len(body))), append([]byte{kind}, body...)...))
		h.ok(err)
		head := make([]byte, 5)
		_, err = io.ReadFull(out, head)
		h.ok(err)
		_, err = io.CopyN(io.Discard, out, int64(binary.BigEndian.Uint32(head))-1)
		h.ok(err)
		return head[4]
	}
	open := ssh.Marshal(struct {
		ID          uint32
		Name        string
		Flags, Attr uint32
	}{1, "latest", 1, 0})
	if a := ask(sftpInit, []byte{0, 0, 0, 3}); a != sftpVersion {
		t.Fatalf("answer %d", a)
	}
	h.ahead.Store(int64(6 * time.Minute))
	before := len(h.events("cert.issued"))
	if a := ask(sftpOpen, open); a != sftpStatus || len(h.events("cert.issued")) != before {
		t.Errorf("a code six minutes old made a certificate: answer %d", a)
	}
}
