package sshd

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"penstock/policy"
)

// stock is the real OpenSSH client of a person, with a home of its own.
type stock struct {
	h    *house
	home string
}

func newStock(h *house, name string) *stock {
	h.t.Helper()
	s := &stock{h, h.t.TempDir()}
	seed := make([]byte, 32)
	copy(seed, "seed of "+name)
	block := must(ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(seed), name))
	s.file("id_ed25519", string(pem.EncodeToMemory(block)))
	s.file("id_ed25519.pub", authorized(keyOf(name).PublicKey())+"\n")
	return s
}

func (s *stock) path(name string) string { return filepath.Join(s.home, name) }

func (s *stock) file(name, text string) {
	s.h.ok(os.WriteFile(s.path(name), []byte(text), 0o600))
}

func (s *stock) read(name string) string { return string(must(os.ReadFile(s.path(name)))) }

// setUp takes known_hosts and config from what desk@ setup prints, as a person would copy them.
func (s *stock) setUp() {
	s.h.t.Helper()
	s.file("config", "UserKnownHostsFile /dev/null\nStrictHostKeyChecking no\nIdentityFile "+s.path("id_ed25519")+"\nIdentitiesOnly yes\n")
	out, errs, code := s.ssh("", "-p", s.port(), "desk@127.0.0.1", "setup")
	if code != 0 {
		s.h.t.Fatalf("setup: exit %d: %s", code, errs)
	}
	var known, config []string
	for line := range strings.SplitSeq(out, "\n") {
		switch {
		case strings.HasPrefix(line, "@cert-authority "):
			known = append(known, line)
		case strings.HasPrefix(line, "Host "), strings.HasPrefix(line, "    "):
			config = append(config, strings.ReplaceAll(line, "~/.ssh/", s.home+"/"))
		}
	}
	if len(known) != 1 || !strings.Contains(out, policy.KeptOnWindows(known[0], "known_hosts")) {
		s.h.t.Errorf("the line of known_hosts for Windows is not that of step 1: %s", out)
	}
	s.file("known_hosts", strings.Join(known, "\n")+"\n")
	s.file("config", "UserKnownHostsFile "+s.path("known_hosts")+"\nGlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\n"+strings.Join(config, "\n")+"\n")
}

func (s *stock) port() string {
	_, port, _ := net.SplitHostPort(s.h.addr)
	return port
}

func (s *stock) ssh(stdin string, args ...string) (out, errs string, code int) {
	s.h.t.Helper()
	return s.runs("ssh", stdin, args...)
}

func (s *stock) runs(program, stdin string, args ...string) (out, errs string, code int) {
	s.h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := s.command(ctx, program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.h.t.Fatalf("ssh: %v", err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// command is a program with the person's own configuration and nothing else.
func (s *stock) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, append([]string{"-F", s.path("config")}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "LANG=C", "SSH_ASKPASS=" + s.path("askpass"), "SSH_ASKPASS_REQUIRE=force", "DISPLAY=:none"}
	return cmd
}

// answers makes the person type this at the next prompt.
func (s *stock) answers(text string) {
	s.h.ok(os.WriteFile(s.path("askpass"), []byte("#!/bin/sh\necho \""+text+"\"\n"), 0o700))
}

// TestStockClient is the vendor's path with the lines that the product prints.
func TestStockClient(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Fatal("the OpenSSH client is needed: apt-get install openssh-client")
	}
	h := newHouse(t, Limits{PerSecond: 1000})
	w := h.open(30)
	ann := newStock(h, "ann")
	ann.setUp()
	const me = "ann+logs+filler-plc@127.0.0.1"

	_, errs, code := ann.ssh("", me, "id")
	if code != 255 || strings.Count(errs, "You need today's certificate") != 1 {
		t.Errorf("without a certificate: exit %d, %s", code, errs)
	}
	ann.answers("000000")
	if out, errs, code := ann.ssh("", "cert@127.0.0.1"); code != 255 || out != "" || !strings.Contains(errs, "That is not right") {
		t.Errorf("a wrong code: exit %d, stdout %q, stderr %s", code, out, errs)
	}
	ann.answers(h.code("ann", 0))
	out, errs, code := ann.ssh("", "cert@127.0.0.1")
	if code != 0 || strings.Count(out, "\n") != 1 || !strings.Contains(errs, "ssh -p "+ann.port()+" "+me) {
		t.Fatalf("cert@: exit %d, stdout %q, stderr %s", code, out, errs)
	}
	ann.file("id_ed25519-cert.pub", out)

	out, errs, code = ann.ssh("from stdin\n", me, "cat; echo oops >&2; exit 7")
	if code != 7 || out != "from stdin\n" || errs != "oops\n" {
		t.Errorf("a command: exit %d, stdout %q, stderr %q", code, out, errs)
	}
	out, errs, code = ann.ssh("echo in a shell; exit 4\n", "-T", me)
	if code != 4 || out != "in a shell\n" {
		t.Errorf("a shell: exit %d, stdout %q, stderr %q", code, out, errs)
	}
	if _, errs, code = ann.ssh("", "-A", "-R", "9:127.0.0.1:9", me, "exit 3"); code != 3 || !strings.Contains(errs, "remote port forwarding failed") {
		t.Errorf("-A -R: exit %d, %s", code, errs)
	}
	if _, errs, code = ann.ssh("", "-W", "filler-plc:503", me); code == 0 || !strings.Contains(errs, "has no port 503 in the plant file") {
		t.Errorf("-W: exit %d, %s", code, errs)
	}
	out, errs, code = ann.ssh("from stdin\n", "logs@filler-plc.kiel", "cat; echo oops >&2; exit 7")
	if code != 7 || out != "from stdin\n" || errs != "oops\n" {
		t.Errorf("a command through a jump: exit %d, stdout %q, stderr %q", code, out, errs)
	}
	if out, errs, code = ann.ssh("echoed\n", "-W", "filler-plc:"+strconv.Itoa(h.plc.port), "ann@127.0.0.1"); code != 0 || out != "echoed\n" {
		t.Errorf("-W: exit %d, stdout %q, stderr %s", code, out, errs)
	}
	if out, _, code = ann.ssh("", "desk@127.0.0.1", "windows", "--json"); code != 0 || !strings.Contains(out, `"window": "`+string(w)+`"`) || !strings.Contains(out, `"state": "open"`) {
		t.Errorf("windows --json: exit %d, %s", code, out)
	}
	if _, errs, code = ann.ssh("", "desk@127.0.0.1", "dance"); code != 2 || !strings.Contains(errs, "help") {
		t.Errorf("no verb: exit %d, %s", code, errs)
	}
	mallory := newStock(h, "mallory")
	mallory.file("config", ann.read("config"))
	mallory.file("config", strings.ReplaceAll(ann.read("config"), ann.home, mallory.home))
	mallory.file("known_hosts", ann.read("known_hosts"))
	mallory.file("id_ed25519-cert.pub", ann.read("id_ed25519-cert.pub")) // a copy of ann's certificate
	for _, user := range []string{me, "desk@127.0.0.1", "cert@127.0.0.1"} {
		if out, errs, code := mallory.ssh("", user, "id"); code != 255 || out != "" || !strings.Contains(errs, "Permission denied") {
			t.Errorf("mallory with a copy of ann's certificate as %s: exit %d, %q %s", user, code, out, errs)
		}
	}
}
