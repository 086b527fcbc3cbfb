package sshd

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/audit"
)

// atDesk runs one line of desk@ with a person's plain key.
func (h *house) atDesk(name, line string) (out, errs string, code int) {
	h.t.Helper()
	c, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf(name)))
	if err != nil {
		h.t.Fatalf("%s at the desk: %v", name, err)
	}
	defer c.Close()
	out, errs, code, err = runLine(c, line)
	h.ok(err)
	return out, errs, code
}

func TestDeskFromRequestToHandback(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	out, errs, code := h.atDesk("ann", "request --asset filler-plc --account logs --rights look,copy --minutes 60 --why Alarm F-417, fill volume drifts")
	if code != 0 || !strings.Contains(out, "R-1 is asked (P4). It waits for: Line 1 owner (olaf)") {
		t.Fatalf("exit %d, %s %s", code, out, errs)
	}
	if out, _, code = h.atDesk("ann", "request R-1"); code != 0 || !strings.Contains(out, "Alarm F-417, fill volume drifts") || !strings.Contains(out, "CE") {
		t.Errorf("request R-1: exit %d, %s", code, out)
	}
	var list []struct{ Request, State, Reason string }
	if out, _, _ = h.atDesk("ann", "requests --json"); json.Unmarshal([]byte(out), &list) != nil || len(list) != 1 || list[0].State != "waiting" {
		t.Errorf("requests --json: %s", out)
	}
	if out, _, _ = h.atDesk("ann", "assets"); !strings.Contains(out, "filler-plc") || !strings.Contains(out, "logs, maint") {
		t.Errorf("assets: %s", out)
	}
	r := must(h.desk.Request(h.ctx, h.actor("ann"), "R-1"))
	r, err := h.desk.Answer(h.ctx, h.actor("olaf"), "R-1", r.Hash, approvals.Reply{Says: "yes"})
	h.ok(err)
	if out, _, _ = h.atDesk("ann", "windows"); !strings.Contains(out, "waits for the shift") {
		t.Errorf("agreed: %s", out)
	}
	_, err = h.desk.Open(h.ctx, h.actor("mia"), r.Window)
	h.ok(err)
	if out, _, _ = h.atDesk("ann", "windows"); !strings.Contains(out, "open, ends") || !strings.Contains(out, "ann+logs+filler-plc@127.0.0.1") || !strings.Contains(out, "cert@127.0.0.1 >") {
		t.Errorf("open: %s", out)
	}
	if out, _, code = h.atDesk("ann", "extend W-1 --minutes 30 --why needs longer"); code != 0 || !strings.Contains(out, "call mia") || !strings.Contains(out, "R-2") {
		t.Errorf("extend: exit %d, %s", code, out)
	}
	_, err = h.desk.End(h.ctx, h.actor("mia"), r.Window, "done")
	h.ok(err)
	if out, _, _ = h.atDesk("ann", "windows"); !strings.Contains(out, "hand-back missing") {
		t.Errorf("ended: %s", out)
	}
	if _, errs, code = h.atDesk("ann", "handback W-1"); code != 2 {
		t.Errorf("a hand-back without words: exit %d, %s", code, errs)
	}
	if out, errs, code = h.atDesk("ann", `handback W-1 "set the dose to 4.1 ml"`); code != 0 {
		t.Errorf("hand-back: exit %d, %s %s", code, out, errs)
	}
	if w := must(h.desk.Window(h.ctx, h.actor("mia"), "W-1")); w.HandBack != "set the dose to 4.1 ml" {
		t.Errorf("handed back: %q", w.HandBack)
	}
	for _, leaf := range h.events("login.ok") {
		if ok := leaf.Body.(audit.LoginOK); ok.Step == 0 && (ok.Person != "ann" || ok.Source != "127.0.0.1") {
			t.Errorf("login.ok: %+v", ok)
		}
	}
	if len(h.events("login.ok")) < 10 {
		t.Error("who comes to the desk is not in the log")
	}
	if _, errs, code = h.atDesk("ann", "withdraw R-2 not needed"); code != 0 {
		t.Errorf("withdraw: exit %d, %s", code, errs)
	}
	out, errs, code = h.atDesk("ann", "help")
	if code != 0 || !strings.Contains(out, "--kind connectivity\n") {
		t.Errorf("help: exit %d, %s %s", code, out, errs)
	}
	for line := range strings.Lines(out) {
		if len(line) > 140 {
			t.Errorf("help has a line of %d characters: %s", len(line), line)
		}
	}
	sum := strings.Repeat("9f3c", 16)
	out, errs, code = h.atDesk("ann", "request --asset filler-plc --account logs --rights look,copy --minutes 60 --file-hash "+sum+" --why Recipe 14")
	if code != 0 || !strings.Contains(out, "1 file is named by its hash: once looked at, it is released by itself.") || !strings.Contains(out, "sha256:"+sum) {
		t.Errorf("a file by its hash: exit %d, %s %s", code, out, errs)
	}
	if _, errs, code = h.atDesk("ann", "request --asset filler-plc --account logs --rights look,copy --minutes 60 --file-hash 9f3c --why Recipe 14"); code == 0 || !strings.Contains(errs, "no SHA-256") {
		t.Errorf("half a hash: exit %d, %s", code, errs)
	}
}

func TestDeskShowsTheOwnFirmOnly(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	w := h.open(30)
	for _, line := range []string{"requests", "windows", "assets", "windows --json", "requests --json"} {
		if out, _, _ := h.atDesk("eve", line); strings.Contains(out, "R-1") || strings.Contains(out, string(w)) || strings.Contains(out, "filler") {
			t.Errorf("eve of another firm: %s: %s", line, out)
		}
	}
	for _, line := range []string{"request R-1", "withdraw R-1", "handback W-1 x", "more W-1 --why x", "extend W-1 --minutes 5 --why x"} {
		if out, errs, code := h.atDesk("eve", line); code == 0 || strings.Contains(out+errs, "filler") || strings.Contains(out+errs, "ann") {
			t.Errorf("eve: %s: exit %d, %s %s", line, code, out, errs)
		}
	}
	if out, _, code := h.atDesk("ann", "request R-1"); code != 0 || !strings.Contains(out, "filler-plc") {
		t.Errorf("ann: exit %d, %s", code, out)
	}
}

func TestDeskSaysNoInWords(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	for line, want := range map[string]int{
		"request":                    2,
		"request --asset filler-plc": 2,
		"request --asset filler-plc --account logs --rights dance --minutes 5 --why x":                  2,
		"request --asset filler-plc --account logs --rights look --minutes 99999 --why x":               2,
		"request --asset boiler --account logs --rights look --minutes 30 --why x":                      3,
		"request --asset filler-plc --account maint --rights device --minutes 30 --why x":               3,
		"request --asset filler-plc --account logs --rights look --minutes 30 --why \x1b]0;x":           3,
		"request --asset filler-plc --account logs --rights look --minutes 30 --why x --people eve":     3,
		"request --asset filler-plc --account logs --rights look --minutes 30 --why x --from yesterday": 2,
		"request R-99":      3,
		"handback W-99 x":   3,
		"handback 'W-1":     2,
		"dance":             2,
		"windows --dance x": 2,
	} {
		out, errs, code := h.atDesk("ann", line)
		if code != want || !strings.HasPrefix(errs, "Penstock: ") || strings.ContainsRune(out+errs, 0x1b) || strings.Contains(errs, "Something is wrong") {
			t.Errorf("%q: exit %d, not %d: %s %s", line, code, want, out, errs)
		}
	}
	if out, _, code := h.atDesk("ann", "request --asset boiler --account logs --rights look --minutes 30 --why x --json"); code != 3 || !json.Valid([]byte(out)) {
		t.Errorf("for a program: exit %d, %s", code, out)
	}
	if out, _, code := h.atDesk("ann", ""); code != 0 || !strings.Contains(out, "handback") {
		t.Errorf("no word at all: exit %d, %s", code, out)
	}
	if _, errs, code := h.atDesk("ann", "password"); code != 2 || !strings.Contains(errs, "ssh -t ") {
		t.Errorf("a password without a terminal: exit %d, %s", code, errs)
	}
	if out, _, code := h.atDesk("ann", "key"); code != 0 || !strings.Contains(out, ssh.FingerprintSHA256(keyOf("ann").PublicKey())) {
		t.Errorf("key: exit %d, %s", code, out)
	}
}

func TestTotpAndPasswordOnATerminal(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	c, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf("bob")))
	h.ok(err)
	s := must(c.NewSession())
	in, errs := must(s.StdinPipe()), must(s.StderrPipe())
	h.ok(s.Start("totp"))
	var text strings.Builder
	for b := make([]byte, 256); !strings.Contains(text.String(), "shows now: "); {
		n, err := errs.Read(b)
		text.Write(b[:n])
		h.ok(err)
	}
	_, rest, _ := strings.Cut(text.String(), "secret=")
	secret, _, _ := strings.Cut(rest, "&")
	secret, _, _ = strings.Cut(secret, "\n")
	code, err := totp.GenerateCode(secret, time.Now())
	h.ok(err)
	_, _ = io.WriteString(in, code+"\n")
	go func() { _, _ = io.Copy(io.Discard, errs) }()
	if err := s.Wait(); err != nil {
		t.Fatalf("totp: %v: %s", err, text.String())
	}

	s = must(c.NewSession())
	h.ok(s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}))
	in, out := must(s.StdinPipe()), must(s.StdoutPipe())
	h.ok(s.Start("password"))
	_, _ = io.WriteString(in, "four quite unrelated\rfour quite unrelated\r")
	said, _ := io.ReadAll(out)
	if err := s.Wait(); err != nil || !strings.Contains(string(said), "Your password is set.\r\n") || strings.Contains(string(said), "unrelated") {
		t.Errorf("password: %v %q", err, said)
	}
}

func TestCertWaitsForTheShift(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	w := h.agreed(30)
	c, _, err := h.dialAs("cert", ssh.PublicKeys(keyOf("ann")), (&asker{answers: []string{h.code("ann", 0)}}).method())
	h.ok(err)
	s := must(c.NewSession())
	out, errs := must(s.StdoutPipe()), must(s.StderrPipe())
	h.ok(s.Start("--wait"))
	b := make([]byte, 64)
	n, err := errs.Read(b)
	if err != nil || !strings.Contains(string(b[:n]), "waiting") {
		t.Fatalf("%q %v", b[:n], err)
	}
	go func() { _, _ = io.Copy(io.Discard, errs) }()
	_, err = h.desk.Open(h.ctx, h.actor("mia"), w)
	h.ok(err)
	got, _ := io.ReadAll(out)
	if err := s.Wait(); err != nil || !strings.HasPrefix(string(got), "ssh-ed25519-cert-v01@openssh.com ") {
		t.Errorf("%v %q", err, got)
	}
}

func TestWaitingEndsWithThePerson(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	h.agreed(30)
	c, _, err := h.dialAs("cert", ssh.PublicKeys(keyOf("ann")), (&asker{answers: []string{h.code("ann", 0)}}).method())
	h.ok(err)
	s := must(c.NewSession())
	h.ok(s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}))
	in, out := must(s.StdinPipe()), must(s.StdoutPipe())
	h.ok(s.Start("--wait"))
	_, _ = io.WriteString(in, "\x03")
	got, _ := io.ReadAll(out)
	if err := s.Wait(); err == nil || len(got) != 0 {
		t.Errorf("after ^C: %v %q", err, got)
	}
}
