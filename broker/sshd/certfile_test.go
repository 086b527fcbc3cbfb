package sshd

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"penstock/audit"
)

// asCertifier is ann at cert@, key and code proven.
func (h *house) asCertifier(step int) *ssh.Client {
	h.t.Helper()
	code := h.code("ann", step)
	c, banner, err := h.dialAs("cert", ssh.PublicKeys(keyOf("ann")), ssh.KeyboardInteractive(func(_, _ string, q []string, _ []bool) ([]string, error) {
		if len(q) == 0 {
			return nil, nil
		}
		return []string{code}, nil
	}))
	if err != nil {
		h.t.Fatalf("cert@: %v %s", err, banner)
	}
	return c
}

func TestCertificateBySFTP(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	c := h.asCertifier(0)
	f := must(sftp.NewClient(c))
	defer f.Close()
	for _, name := range []string{string(w), "latest"} {
		info := must(f.Stat(name))
		r := must(f.Open(name))
		b := must(io.ReadAll(r))
		h.ok(r.Close())
		k, _, _, _, err := ssh.ParseAuthorizedKey(b)
		h.ok(err)
		cert, ok := k.(*ssh.Certificate)
		if !ok || info.Size() != int64(len(b)) || info.Mode() != 0o600 || !bytes.Equal(cert.Key.Marshal(), keyOf("ann").PublicKey().Marshal()) {
			t.Errorf("%s: %v, %d bytes", name, info, len(b))
		}
	}
	in := 0
	for _, leaf := range h.events("cert.issued") {
		if leaf.Body.(audit.CertIssued).CA == "in" {
			in++
		}
	}
	if in != 2 {
		t.Errorf("%d certificates were made for two names", in)
	}
	for what, try := range map[string]func() error{
		"write":  func() error { _, err := f.Create("latest"); return err },
		"remove": func() error { return f.Remove("latest") },
		"rename": func() error { return f.Rename("latest", "x") },
		"mkdir":  func() error { return f.Mkdir("x") },
		"chmod":  func() error { return f.Chmod("latest", 0o777) },
		"link":   func() error { return f.Symlink("/etc/passwd", "latest") },
		"list":   func() error { _, err := f.ReadDir("/"); return err },
		"climb":  func() error { _, err := f.Open("../../etc/passwd"); return err },
		"other":  func() error { _, err := f.Open("id_ed25519"); return err },
	} {
		if try() == nil {
			t.Errorf("%s is done", what)
		}
	}
}

func TestNoCertificateBySFTP(t *testing.T) {
	h := newHouse(t, Limits{})
	h.agreed(30) // and not open
	c := h.asCertifier(0)
	s := must(c.NewSession())
	in, out, errs := must(s.StdinPipe()), must(s.StdoutPipe()), must(s.StderrPipe())
	h.ok(s.RequestSubsystem("sftp"))
	f := must(sftp.NewClientPipe(out, in))
	if _, err := f.Open("latest"); err == nil {
		t.Error("a certificate without an open window")
	}
	f.Close()
	if said := must(io.ReadAll(errs)); !strings.Contains(string(said), "None of your windows is open") {
		t.Errorf("stderr: %q", said)
	}
	desk, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf("ann")))
	h.ok(err)
	if _, err := sftp.NewClient(desk); err == nil {
		t.Error("desk@ serves files")
	}
}

// Stock scp, by both of its protocols.
func TestStockCopy(t *testing.T) {
	for _, flags := range [][]string{{}, {"-O"}} {
		h := newHouse(t, Limits{PerSecond: 1000})
		ann := newStock(h, "ann")
		ann.setUp()
		ann.answers(h.code("ann", 0))
		to := ann.path("id_ed25519-cert.pub")
		args := append(flags, "-P", ann.port(), "cert@127.0.0.1:latest", to)
		if _, errs, code := ann.runs("scp", "", args...); code == 0 || !strings.Contains(errs, "None of your windows is open") {
			t.Errorf("%v without a window: exit %d, %s", flags, code, errs)
		}
		if _, err := os.Stat(to); err == nil {
			t.Errorf("%v: a file without a certificate", flags)
		}
		w := h.open(30)
		ann.answers(h.code("ann", 1))
		args[len(args)-2] = "cert@127.0.0.1:" + string(w)
		if _, errs, code := ann.runs("scp", "", args...); code != 0 || !strings.Contains(errs, "certificate for "+string(w)) {
			t.Fatalf("%v: exit %d, %s", flags, code, errs)
		}
		if out, errs, code := ann.ssh("", "logs@filler-plc.kiel", "echo in"); code != 0 || out != "in\n" {
			t.Errorf("%v: with the copied certificate: exit %d, %q %s", flags, code, out, errs)
		}
	}
}

func TestSCPSource(t *testing.T) {
	for line, want := range map[string]string{
		"scp -f W-17": "W-17", "scp -v -f latest": "latest", "scp -p -f -- W-1": "W-1", "scp -f ../x": "../x",
		"scp -t W-17": "", "scp -f": "", "scp -f -x W-1": "", "scp W-17": "", "": "", "W-17": "", "scp -f -- -- x": "", "scp -- -f W-1": "",
	} {
		name, ok := scpSource(line)
		if ok != (want != "") || ok && name != want {
			t.Errorf("%q: %q %v", line, name, ok)
		}
	}
}

// Whatever bytes come as sftp, nothing panics and nothing is written.
func FuzzCertFiles(f *testing.F) {
	packet := func(kind byte, body ...[]byte) []byte {
		b := append([]byte{kind}, bytes.Join(body, nil)...)
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
	}
	text := func(s string) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...) }
	number := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	init := packet(1, number(3))
	f.Add(bytes.Join([][]byte{init, packet(17, number(1), text("latest")), packet(3, number(2), text("/latest"), number(1), number(0)), packet(5, number(3), text("1"), number(0), number(0), number(32768))}, nil))
	f.Add(bytes.Join([][]byte{init, packet(16, number(1), text(".")), packet(11, number(2), text("/")), packet(200, number(3), text("statvfs@openssh.com"), text("/"))}, nil))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Add(bytes.Join([][]byte{init, packet(3, number(2), number(0xffffffff))}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		files := &certFiles{made: map[string][]byte{"latest": []byte("cert")}, code: 1} // makes nothing
		var out bytes.Buffer
		_ = files.serve(pipeEnd{bytes.NewReader(b), &out})
		for rest := out.Bytes(); len(rest) > 0; { // whole packets, each of a known kind
			n := binary.BigEndian.Uint32(rest)
			if int(n) > len(rest)-4 || n < 5 || n > 64<<10 || !slices.Contains([]byte{sftpVersion, sftpStatus, sftpHandle, sftpData, sftpName, sftpAttrs}, rest[4]) {
				t.Fatalf("answered %x", out.Bytes())
			}
			rest = rest[4+n:]
		}
		if len(files.made) != 1 || string(files.made["latest"]) != "cert" {
			t.Fatal("the file was changed")
		}
	})
}

type pipeEnd struct {
	io.Reader
	io.Writer
}
