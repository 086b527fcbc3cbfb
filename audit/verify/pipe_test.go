package verify_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"penstock/audit/verify"
)

// A folder with a pipe or a link to a device in it keeps nobody waiting, and
// fills nobody's memory.
func TestAPipeInTheFolderHangsNobody(t *testing.T) {
	f := build(t, t.TempDir(), night())
	for _, rel := range append(f.files(t), "keys/recordings.key") {
		for how, put := range map[string]func(string) error{
			"pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
			"link": func(path string) error { return os.Symlink("/dev/zero", path) },
		} {
			path, aside := f.path(rel), filepath.Join(t.TempDir(), "aside")
			if err := os.Rename(path, aside); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if err := put(path); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { _, err := f.check(t, verify.Trust{LogKey: f.key}); done <- err }()
			select {
			case err := <-done:
				if err == nil || !strings.Contains(err.Error(), rel) {
					t.Errorf("%s as a %s: %v", rel, how, err)
				}
			case <-time.After(time.Minute):
				t.Fatalf("%s as a %s: it hangs", rel, how)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(aside, path); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}
	if report, err := f.check(t, f.trust()); err != nil || !report.Proved() {
		t.Fatal(err, report.Findings)
	}
}
