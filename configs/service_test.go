package configs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The unit takes away what the broker does not need; whoever loosens it has to
// loosen this too.
func TestTheServiceIsHardened(t *testing.T) {
	text, err := os.ReadFile("penstock.service")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for _, want := range []string{
		"NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "ReadWritePaths=/var/lib/penstock", "PrivateTmp=yes",
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "SystemCallFilter=@system-service", "StateDirectoryMode=0700", "LimitCORE=0",
		"User=penstock", "ExecReload=/bin/kill -HUP $MAINPID", "ExecStart=/usr/local/bin/penstock serve --config /etc/penstock/penstock.yaml",
	} {
		found := false
		for _, line := range lines {
			found = found || line == want
		}
		if !found {
			t.Errorf("penstock.service has no line %s", want)
		}
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "WatchdogSec") || strings.HasPrefix(line, "User=root") {
			t.Errorf("penstock.service says %s", line)
		}
	}
	analyse(t, text)
}

// analyse asks systemd itself.
func analyse(t *testing.T, text []byte) {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing, which judges the unit: install systemd (./scripts/test does)")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "penstock.service")
	if err := os.WriteFile(unit, bytes.ReplaceAll(text, []byte("/usr/local/bin/penstock"), []byte(self)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, "verify", unit).CombinedOutput(); err != nil || strings.Contains(string(out), "penstock.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
