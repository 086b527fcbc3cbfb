package recording_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"penstock/audit"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(sealChild); dir != "" {
		if err := sealing(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func TestWhatIsRecordedIsRead(t *testing.T) {
	r := newRoom(t, t.TempDir())
	w, head, keys, err := r.Create(t.Context(), header("S-17"))
	must(t, err)
	shell, exec := stream(t, w, 0, "shell"), stream(t, w, 1, "exec")
	must(t, shell.Commit(t.Context(), 'q', []byte(`{"kind":"pty-req"}`)))
	must(t, shell.Commit(t.Context(), 'i', []byte("ls\r")))
	must(t, shell.Append('o', []byte("a b")))
	must(t, shell.Append('r', []byte("80x24")))
	must(t, exec.Commit(t.Context(), 'i', []byte("x")))
	must(t, shell.Append('o', []byte(" c\r\n")))
	must(t, shell.Commit(t.Context(), 'x', []byte("0")))
	closed, err := w.Close(t.Context(), "client")
	must(t, err)

	for name, want := range map[string]audit.Hash{"session.json": head, "keys.age": keys, "close.json": closed} {
		b, err := os.ReadFile(filepath.Join(r.path("S-17"), name))
		must(t, err)
		if audit.HashOf(b) != want {
			t.Errorf("%s has another hash than was returned", name)
		}
	}
	rd, err := r.Open("S-17")
	must(t, err)
	defer rd.Close()
	got, err := lines(rd, 0, 0)
	must(t, err)
	want := []string{
		`0 shell 0 q {"kind":"pty-req"}`, "0 shell 1 i ls\r", "0 shell 2 o a b", "0 shell 3 r 80x24",
		"0 shell 4 o  c\r\n", "0 shell 5 x 0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	all, err := lines(rd, -1, 0)
	must(t, err)
	if len(all) != 7 || !slices.Contains(all, "1 exec 0 i x") {
		t.Errorf("all channels: %q", all)
	}
	if _, err := lines(rd, 5, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a channel that is not there: %v", err)
	}
}
