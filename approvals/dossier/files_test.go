package dossier

import (
	"context"
	"io/fs"
	"strings"
	"testing"

	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

type documents map[audit.Hash][]byte

func (d documents) Get(_ context.Context, h audit.Hash) ([]byte, error) {
	if b, ok := d[h]; ok {
		return b, nil
	}
	return nil, fs.ErrNotExist
}

// Whoever reads a dossier sees which files waited, and who let each through.
func TestFilesThatWaitedAreTold(t *testing.T) {
	s := evidencetest.New(evidencetest.Plant())
	sum := audit.HashOf([]byte("a log"))
	s.Add(7000, "ann", audit.FileHeld{File: "F-1", Direction: "out", Window: "W-1", Session: "S-1", Person: "ann", Asset: "filler-plc", Account: "maint", Path: "/out/log", Bytes: 5, SHA256: sum}, "F-1", "file/F-1")
	for _, m := range []audit.FileMoved{{To: "looked", By: "penstock", Kind: "text", Scan: "clean"}, {To: "released", By: "mia"}, {To: "delivering", By: "penstock"}, {To: "refused", By: "mia", Why: "not now"}} {
		m.File, m.Window, m.SHA256 = "F-1", "W-1", sum
		s.Add(7001, m.By, m, "F-1", "file/F-1")
	}
	s.Add(7002, "ann", audit.FileTransferred{Session: "S-1", Window: "W-1", Asset: "filler-plc", Account: "maint", By: "sftp", Direction: "out", Path: "/out/log", Bytes: 5, SHA256: sum, Hashed: "content", Whole: true, File: "F-1"}, "S-1")
	b := New(documents(s.Docs), "W-1")
	for _, l := range s.Leaves() {
		b.Leaf(t.Context(), l)
	}
	var told []string
	for _, r := range b.Windows()[0].Parts[files].Rows {
		told = append(told, r.Text)
	}
	for _, want := range []string{"F-1: /out/log, filler-plc as maint, 5 bytes, " + sum.String() + ": asked for by Ann (ann), fetched and held; it is to be taken out", "F-1: looked into by penstock: text by its first bytes, the scanner says clean", "F-1: let through by mia", "F-1: refused by mia: not now", "let out as F-1"} {
		if !strings.Contains(strings.ToLower(strings.Join(told, "\n")), strings.ToLower(want)) {
			t.Errorf("%q is not told in\n%s", want, strings.Join(told, "\n"))
		}
	}
}
