package bolt

import (
	"os"
	"path/filepath"
	"testing"

	"penstock/approvals/state"
	"penstock/approvals/state/statetest"
)

func TestStore(t *testing.T) {
	statetest.Run(t, func(t statetest.T) (state.Store, func() state.Store) {
		path := filepath.Join(tempDir(t), "state.db")
		s := mustOpen(t, path)
		return s, func() state.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return mustOpen(t, path)
		}
	})
}

func tempDir(t statetest.T) string {
	dir, err := os.MkdirTemp("", "bolt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func mustOpen(t statetest.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
