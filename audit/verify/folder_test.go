package verify_test

import (
	"context"
	"io/fs"
	"path/filepath"
	"testing"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit/verify"
)

// folder is a data folder that real parts have written.
type folder struct {
	dir        string
	key        string
	checkpoint []byte
}

func night() *evidencetest.Story { return evidencetest.Two() }

func build(t *testing.T, dir string, s *evidencetest.Story) folder {
	t.Helper()
	f := evidencetest.Build(t, dir, s)
	return folder{f.Dir, f.Key, f.Checkpoint}
}

// check runs Dir with all that an auditor can bring.
func (f folder) check(t *testing.T, trust verify.Trust) (verify.Report, error) {
	t.Helper()
	return verify.Dir(context.Background(), f.dir, trust, evidence.NewWalk(verify.NewDocuments(f.dir)), nil)
}

func (f folder) trust() verify.Trust {
	return verify.Trust{LogKey: f.key, Checkpoints: []verify.Kept{{Name: "outside checkpoint 1", Text: f.checkpoint}}}
}

// files are all files of the folder but the private keys, slash-separated.
func (f folder) files(t *testing.T) (list []string) {
	t.Helper()
	err := filepath.WalkDir(f.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) == ".key" {
			return err
		}
		rel, err := filepath.Rel(f.dir, path)
		list = append(list, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func (f folder) path(rel string) string { return filepath.Join(f.dir, filepath.FromSlash(rel)) }
