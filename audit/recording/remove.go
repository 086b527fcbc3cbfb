package recording

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Has says whether there is a recording of the session in the archive.
func (a *Archive) Has(session string) bool {
	_, err := a.folder(session)
	return err == nil
}

// Remove takes a finished recording away, for good: its folder loses its name in
// one step, durably, then the key goes, then the rest. What a crash leaves of it
// after the first step Recover sweeps; before that all of it is there.
// fs.ErrNotExist where there is none. Whoever calls has said in the log why.
func (a *Archive) Remove(session string) error {
	a.mu.Lock()
	dir, ok := a.sessions.get(session)
	if _, running := a.writers[session]; running {
		a.mu.Unlock()
		return fmt.Errorf("the recording of %s is being written", session)
	}
	a.sessions.drop(session)
	a.mu.Unlock()
	if !ok {
		return fmt.Errorf("no recording of %q: %w", session, fs.ErrNotExist)
	}
	day, hidden := filepath.Dir(dir), filepath.Join(filepath.Dir(dir), "."+session)
	if err := a.p.Disk.FS().Rename(dir, hidden); err != nil {
		a.mu.Lock()
		a.sessions.put(session, day)
		a.mu.Unlock()
		return fmt.Errorf("remove the recording of %s: %w", session, err)
	}
	if err := a.p.Disk.SyncDir(day); err != nil {
		return fmt.Errorf("remove the recording of %s: %w", session, err)
	}
	if err := os.Remove(filepath.Join(hidden, keyFile)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("remove the key of the recording of %s: %w", session, err)
	}
	if err := os.RemoveAll(hidden); err != nil {
		return fmt.Errorf("remove the recording of %s: %w", session, err)
	}
	return a.p.Disk.SyncDir(day)
}
