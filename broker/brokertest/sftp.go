package brokertest

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const bridgeAt = "PENSTOCK_TEST_BRIDGE"

// Bridge is for a TestMain: where this process is what SFTPClient's client runs, it
// carries its two streams to the test's socket, and does not return.
func Bridge() {
	sock := os.Getenv(bridgeAt)
	if sock == "" {
		return
	}
	c, err := net.Dial("unix", sock)
	if err != nil {
		os.Exit(1)
	}
	go func() { _, _ = io.Copy(c, os.Stdin); _ = c.(*net.UnixConn).CloseWrite() }()
	_, _ = io.Copy(os.Stdout, c)
	os.Exit(0)
}

// SFTPClient is OpenSSH's sftp, not started yet, that speaks to whoever listens at
// the socket. It runs the commands, and goes on after one that fails.
func SFTPClient(ctx context.Context, t testing.TB, sock string, commands []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	batch := filepath.Join(t.TempDir(), "batch")
	if err := os.WriteFile(batch, []byte("-"+strings.Join(commands, "\n-")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := exec.CommandContext(ctx, "sftp", append(args, "-q", "-b", batch, "-D", self)...)
	client.Env = append(os.Environ(), bridgeAt+"="+sock, "GORACE=atexit_sleep_ms=10") // else what is built with the race detector stands a second at its end
	return client
}

// Carrier is broker/sftp's: what reads along between vendor and machine.
type Carrier interface {
	ToTarget(ctx context.Context, target io.Writer, vendor io.Reader) error
	ToVendor(ctx context.Context, vendor io.Writer, target io.Reader) error
}

// ServeFiles has OpenSSH's sftp-server at the carrier's other end, until the vendor
// has gone and it has ended.
func ServeFiles(t testing.TB, c Carrier, vendor io.ReadWriter) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	server := exec.CommandContext(ctx, "/usr/lib/openssh/sftp-server")
	in, _ := server.StdinPipe() // fails only where it was asked for before
	out, _ := server.StdoutPipe()
	if err := server.Start(); err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = server.Wait() }() // how it ended is the vendor's to see
	defer in.Close()
	shown := make(chan struct{})
	go func() { defer close(shown); _ = c.ToVendor(ctx, vendor, out) }()
	_ = c.ToTarget(ctx, in, vendor)
	in.Close()
	<-shown
}
