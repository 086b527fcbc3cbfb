package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPhoneWalk is one job on phones in the demo's plant, from an invitation to
// the proof: real Chromium, stock ssh, a process of its own. PENSTOCK_SHOTS
// names a folder for the README's pictures.
func TestPhoneWalk(t *testing.T) {
	t.Parallel()
	bin := buildFast(t)
	dir := filepath.Join(t.TempDir(), "demo")
	r := startDemo(t, bin, "--dir", dir, "--ssh", "127.0.0.1:0", "--https", "127.0.0.1:0", "--json")
	r.until("\n}\n")
	in, err := json.Marshal(map[string]any{"demo": json.RawMessage(r.shown()), "shots": os.Getenv("PENSTOCK_SHOTS")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join(house, "broker", "web", "ui", "phone.mjs"))
	cmd.Stdin, cmd.WaitDelay = bytes.NewReader(in), 5*time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("phone.mjs: %v (needs Debian's chromium and node 20, and (cd broker/web/ui && npm ci && npm run build))\n%s", err, out)
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.end(0)
	out, err := exec.Command(filepath.Join(bin, "penstock-verify"), filepath.Join(dir, "data")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Proved") {
		t.Errorf("penstock-verify: %v\n%s", err, out)
	}
}
