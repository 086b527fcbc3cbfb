package recording_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"penstock/audit/recording"
)

// While a session runs the archive reads it with the recorder's own key, and
// keys.age is not opened; once it has ended there is no other.
func TestARunningSessionIsReadWithoutItsKeyFile(t *testing.T) {
	r := newRoom(t, t.TempDir())
	w := r.create(t, "S-1")
	must(t, stream(t, w, 0, "shell").Commit(t.Context(), 'o', []byte("flow 812")))
	if n, runs := r.Written("S-1"); !runs || n == 0 {
		t.Errorf("%d bytes are written, it runs: %v", n, runs)
	}
	must(t, os.Truncate(filepath.Join(r.path("S-1"), "keys.age"), 0))
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	if got, err := lines(rd, 0, 0); err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
	_, err = w.Close(t.Context(), "client")
	must(t, err)
	if _, runs := r.Written("S-1"); runs {
		t.Error("it has ended, and runs")
	}
	if _, err := r.Open("S-1"); err == nil {
		t.Error("the key of a session that has ended is still there")
	}
}

// What the broker could not read later it does not read while it runs.
func TestARunningSessionOfOthersIsSealed(t *testing.T) {
	for name, change := range map[string]func(*recording.Parts){
		"sealed":           func(p *recording.Parts) { p.Mode = "sealed" },
		"to somebody else": func(p *recording.Parts) { p.Recipients = []string{newIdentity(t).Recipient().String()} },
		"sealed, and to nobody else": func(p *recording.Parts) {
			p.Mode, p.Recipients = "sealed", []string{newIdentity(t).Recipient().String()}
		},
		"by a broker without its key": func(p *recording.Parts) { p.Identity = "" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t, t.TempDir(), change)
			w := r.create(t, "S-1")
			must(t, stream(t, w, 0, "shell").Commit(t.Context(), 'o', []byte("flow 812")))
			if name == "sealed" { // wrapped to the broker all the same: its file says so, and nothing else does
				must(t, os.Truncate(filepath.Join(r.path("S-1"), "keys.age"), 0))
			}
			if _, err := r.Open("S-1"); err == nil || name != "sealed" && !errors.Is(err, recording.ErrSealed) {
				t.Errorf("it is open: %v", err)
			}
			_, err := w.Close(t.Context(), "client")
			must(t, err)
		})
	}
}
