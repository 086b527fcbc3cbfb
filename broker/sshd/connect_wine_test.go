//go:build wine

package sshd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// computer of Windows, as wine has one: ./scripts/windows runs this.
type windowsPC struct {
	*house
	env  []string
	exe  string
	home string
}

func (h *house) windowsPC() *windowsPC {
	w := &windowsPC{house: h, exe: filepath.Join(h.t.TempDir(), "penstock-connect.exe")}
	prefix := must(os.MkdirTemp("", "wine"))
	w.env = append(os.Environ(), "WINEPREFIX="+prefix, "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml=", "TERM=xterm")
	h.t.Cleanup(func() {
		end := exec.Command("wineserver", "-k", "-w") // of this prefix alone
		end.Env = w.env
		_ = end.Run() // it may have ended by itself
		h.ok(os.RemoveAll(prefix))
	})
	w.run("wineserver", "-p") // stays until it is told to end, so that no test's output is what it holds
	w.run("wine", "wineboot", "-i")
	// Go's runtime needs one function of a library that wine has from version 9 on.
	lib := filepath.Join(prefix, "drive_c", "windows", "system32", "bcryptprimitives.dll")
	if _, err := os.Stat(lib); err != nil {
		h.ok(os.WriteFile(lib, forwarder("bcryptprimitives.dll", "ProcessPrng", "advapi32.SystemFunction036"), 0o644))
	}
	build := exec.Command("go", "build", "-o", w.exe, "penstock/cmd/penstock-connect")
	build.Env = append(os.Environ(), "GOOS=windows", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		h.t.Fatalf("%v: %s", err, out)
	}
	homes := must(filepath.Glob(filepath.Join(prefix, "drive_c", "users", "*", "AppData")))
	if len(homes) != 1 {
		h.t.Fatalf("whose home: %q", homes)
	}
	w.home = filepath.Dir(homes[0])
	return w
}

// run starts what may leave servers behind: they keep a file open, where a pipe would never end.
func (w *windowsPC) run(name string, args ...string) {
	w.t.Helper()
	out := must(os.CreateTemp(w.t.TempDir(), "out"))
	defer out.Close()
	c := exec.Command(name, args...)
	c.Env, c.Stdout, c.Stderr = w.env, out, out
	if err := c.Run(); err != nil {
		w.t.Fatalf("%s %q: %v: %s", name, args, err, must(os.ReadFile(out.Name())))
	}
}

// forwarder is a library with one function, which is another library's (Microsoft's PE
// format: one section, the export directory, whose address leads to a name in it).
func forwarder(library, function, to string) []byte {
	const page, sector = 0x1000, 0x200
	var texts []byte
	at := func(s string) uint32 {
		where := uint32(page + 40 + 12 + len(texts)) // behind the directory and its three tables
		texts = append(append(texts, s...), 0)
		return where
	}
	name, symbol, target := at(library), at(function), at(to)
	little := func(values ...any) []byte {
		var b bytes.Buffer
		for _, v := range values {
			_ = binary.Write(&b, binary.LittleEndian, v) // to memory, of fixed sizes
		}
		return b.Bytes()
	}
	section := append(little(uint32(0), uint32(0), uint32(0), name, uint32(1), uint32(1), uint32(1), uint32(page+40), uint32(page+44), uint32(page+48),
		target, symbol, uint32(0)), texts...)
	size := uint32(len(section))
	head := append([]byte("MZ"), make([]byte, 62)...)
	head[60] = 64
	head = append(head, little([]byte("PE\x00\x00"), uint16(0x8664), uint16(1), [3]uint32{}, uint16(240), uint16(0x2022),
		uint16(0x20b), uint16(0), uint32(0), uint32(sector), [3]uint32{},
		uint64(0x180000000), uint32(page), uint32(sector), uint16(6), uint16(0), uint16(0), uint16(0), uint16(6), uint16(0), uint32(0),
		uint32(2*page), uint32(sector), uint32(0), uint16(3), uint16(0x160), uint64(1<<20), uint64(page), uint64(1<<20), uint64(page), uint32(0), uint32(16),
		uint32(page), size, [15]uint64{},
		[]byte(".edata\x00\x00"), size, uint32(page), uint32(sector), uint32(sector), [3]uint32{}, uint32(0x40000040))...)
	head = append(head, make([]byte, sector-len(head))...)
	return append(append(head, section...), make([]byte, sector-len(section))...)
}

// wide is text as PowerShell's > writes it.
func wide(text string) []byte {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// console is penstock-connect.exe in a console window.
type console struct {
	t     *testing.T
	keys  *os.File
	seen  lockedBuffer
	ended chan error
	cmd   *exec.Cmd
}

func (w *windowsPC) types(args ...string) *console {
	w.t.Helper()
	c := &console{t: w.t, ended: make(chan error, 1), cmd: exec.Command("wine", append([]string{w.exe, "--broker", w.addr}, args...)...)}
	c.cmd.Env = w.env
	c.keys = must(pty.StartWithSize(c.cmd, &pty.Winsize{Rows: 50, Cols: 250}))
	_ = must(term.MakeRaw(int(c.keys.Fd()))) // what is typed before wine reads is to be a key, too
	go func() {
		_, _ = io.Copy(&c.seen, c.keys) // ends with the program
		c.ended <- c.cmd.Wait()
	}()
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("on the screen: %q", c.seen.String())
		}
		_ = c.cmd.Process.Kill() // it may have ended
		c.keys.Close()
	})
	return c
}

// sees waits for words on the screen.
func (c *console) sees(pattern string) []string {
	c.t.Helper()
	re := regexp.MustCompile(pattern)
	var got []string
	eventually(c.t, fmt.Sprintf("%s is seen", pattern), func() bool {
		got = re.FindStringSubmatch(c.seen.String())
		return got != nil
	})
	return got
}

func (c *console) ends(code int) {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(2 * time.Minute):
		c.t.Fatalf("it does not end: %q", c.seen.String())
	}
	if got := c.cmd.ProcessState.ExitCode(); got != code {
		c.t.Errorf("exit %d, not %d: %q", got, code, c.seen.String())
	}
}

// A vendor's engineer with a Windows laptop: what PowerShell wrote into known_hosts is
// read, the code is asked for in the console, the ports are there, the plant's words are
// seen, Ctrl-C ends it well, a second call needs no code, and a cut is a no.
func TestConnectOnWindows(t *testing.T) {
	h := newHouse(t, Limits{})
	window := h.open(30)
	w := h.windowsPC()
	own := h.computer("ann")
	h.ok(os.Mkdir(filepath.Join(w.home, ".ssh"), 0o700))
	h.ok(os.WriteFile(filepath.Join(w.home, ".ssh", "id_ed25519"), must(os.ReadFile(filepath.Join(own, ".ssh", "id_ed25519"))), 0o600))
	h.ok(os.WriteFile(filepath.Join(w.home, ".ssh", "known_hosts"), wide(string(must(os.ReadFile(filepath.Join(own, ".ssh", "known_hosts"))))), 0o600))

	// The program's own tests, as Windows runs them.
	w.run("env", "GOOS=windows", "CGO_ENABLED=0", "go", "test", "-count=1", "-exec", "wine", "penstock/broker/connect")

	c := w.types()
	c.sees(`UTF-16`)
	c.sees(`Code from your generator`)
	_, err := io.WriteString(c.keys, h.code("ann", 0)+"\r")
	h.ok(err)
	at := c.sees(`filler-plc:modbus +(127\.0\.0\.1:[0-9]+)`)[1]
	c.sees(`ssh -p [0-9]+ -o HostKeyAlias=filler-plc\.kiel -i C:\\users\\`)
	c.sees(`ready; Ctrl-C ends it`)
	c.sees(`[0-9]+:[0-9][0-9] min left, 0 open`)
	if got, err := echo(at, "over"); err != nil || got != "over" {
		t.Errorf("through the port: %q, %v", got, err)
	}
	h.ok(c.cmd.Process.Signal(os.Interrupt)) // as a terminal does at Ctrl-C; wine makes Windows' event of it
	c.ends(0)
	if b := must(os.ReadFile(filepath.Join(w.home, ".ssh", "id_ed25519-cert.pub"))); !strings.HasPrefix(string(b), "ssh-ed25519-cert-v01@openssh.com ") {
		t.Errorf("%q", b)
	}

	c = w.types("--device-addresses")
	c.sees(`ready; Ctrl-C ends it`)
	_, err = h.desk.Pause(h.ctx, h.actor("mia"), window, "Guard door 3 is open")
	h.ok(err)
	c.sees(`Guard door 3 is open`)
	_, err = h.desk.Cut(h.ctx, h.actor("mia"), window, "smoke")
	h.ok(err)
	c.sees(`smoke`)
	c.sees(`Press Enter to close this window`) // it is alone in its console, as after a double click
	_, err = io.WriteString(c.keys, "\r")
	h.ok(err)
	c.ends(3)
	if strings.Contains(c.seen.String(), "generator") {
		t.Errorf("asked for a code again: %q", c.seen.String())
	}
}
