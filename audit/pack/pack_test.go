package pack_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"penstock/approvals/dossier"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/audit/pack"
	"penstock/audit/recording"
	"penstock/audit/verify"
)

func story(docs pack.Documents, window string) pack.Story { return dossier.Read(docs, window) }

// order is a pack of the story's window, with exports.
func order(t testing.TB, f evidencetest.Folder) pack.Order {
	t.Helper()
	v, err := audit.LogVerifier(filepath.Join(f.Dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	return pack.Order{Dir: f.Dir, Key: v, Window: "W-1", Story: story, Open: func(_ context.Context, id string) (*recording.Reader, error) {
		ids, err := age.ParseIdentities(strings.NewReader(identity(t, f)))
		if err != nil {
			return nil, err
		}
		return recording.OpenFolder(filepath.Join(f.Dir, "recordings", "2026", "11", "21", id), ids...)
	}}
}

func identity(t testing.TB, f evidencetest.Folder) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(f.Dir, "keys", "recordings.key"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func made(t testing.TB, o pack.Order) []byte {
	t.Helper()
	var b bytes.Buffer
	m, err := pack.Write(t.Context(), &b, o)
	if err != nil {
		t.Fatal(err)
	}
	if m.SHA256 != audit.HashOf(b.Bytes()) || m.Bytes != int64(b.Len()) {
		t.Errorf("it says %s and %d bytes", m.SHA256, m.Bytes)
	}
	return b.Bytes()
}

func checked(t testing.TB, b []byte, trust verify.Trust) verify.Report {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pack.zip")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	r, _, err := pack.Check(t.Context(), path, trust, story, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhole(t *testing.T) {
	f := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	o := order(t, f)
	b := made(t, o)
	if !bytes.Equal(b, made(t, o)) {
		t.Error("the same moment gave two packs")
	}
	r := checked(t, b, verify.Trust{LogKey: f.Key, Identity: identity(t, f), Checkpoints: []verify.Kept{{Name: "kept", Text: f.Checkpoint}}})
	if !r.Proved() || r.Windows != 1 || r.Recordings != 2 || r.Opened != 2 || r.Outside != 1 {
		t.Errorf("%+v", r)
	}
	for _, n := range r.Findings {
		t.Log(n)
	}
}
