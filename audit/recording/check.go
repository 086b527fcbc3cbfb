package recording

import (
	"os"
	"path/filepath"

	"penstock/audit"
)

// Check is VerifyFolder of one session's recording, without its key, held to
// the header's hash; size is what it has, in bytes: above most nothing is read.
func (a *Archive) Check(session string, header audit.Hash, most int64) (rep FolderReport, size int64, err error) {
	dir, err := a.folder(session)
	if err != nil {
		return rep, 0, err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return rep, 0, err
	}
	for _, f := range files {
		if info, err := os.Lstat(filepath.Join(dir, f.Name())); err == nil {
			size += info.Size()
		}
	}
	if size > most {
		return rep, size, nil
	}
	rep, err = VerifyFolder(dir, header, nil)
	return rep, size, err
}
