package pack_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"penstock/approvals/dossier"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/audit/verify"
)

// TestASessionLeftOutIsNotPromised: whoever has a pack can take a whole session
// out of it and make the pages and the manifest anew. What is left is true, and
// the check says that it may not be all.
func TestASessionLeftOutIsNotPromised(t *testing.T) {
	f := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	whole := entries(t, made(t, order(t, f)))
	byName := map[string][]byte{}
	for _, e := range whole {
		byName[e.name] = e.text
	}
	const first = "c2sp.org/tlog-proof@v1\n"
	told := dossier.Read(inMap{byName}, "W-1")
	var kept bytes.Buffer
	left := 0
	for text := range strings.SplitSeq(strings.TrimPrefix(string(byName["log/events.tlog-proofs"]), first), first) {
		p, err := audit.ParseProof([]byte(first + text))
		if err != nil {
			t.Fatal(err)
		}
		v, err := audit.LogVerifier(f.Dir + "/keys")
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := p.Check(v)
		if err != nil {
			t.Fatal(err)
		}
		if leaf.Subject == "S-2" {
			left++
			continue
		}
		kept.WriteString(first + text)
		told.Leaf(t.Context(), leaf)
	}
	if left == 0 {
		t.Fatal("the pack has no S-2")
	}
	var html, plain bytes.Buffer
	if told.Done(t.Context()); told.HTML(&html) != nil || told.Text(&plain) != nil {
		t.Fatal("the pages cannot be made")
	}
	var list []entry
	var m map[string]any
	var files []any
	for _, e := range whole {
		switch {
		case strings.Contains(e.name, "/S-2/"):
			continue
		case e.name == "manifest.json":
			if err := json.Unmarshal(e.text, &m); err != nil {
				t.Fatal(err)
			}
			m["files"] = files
			var err error
			if e.text, err = audit.Canonical(m); err != nil {
				t.Fatal(err)
			}
			list = append(list, e)
			continue
		case e.name == "index.html":
			e.text = html.Bytes()
		case e.name == "index.txt":
			e.text = plain.Bytes()
		case e.name == "log/events.tlog-proofs":
			e.text = kept.Bytes()
		}
		files = append(files, map[string]any{"name": e.name, "bytes": len(e.text), "sha256": audit.HashOf(e.text).String()})
		list = append(list, entry{e.name, e.text, zip.Store})
	}
	r := checked(t, zipped(t, list), verify.Trust{LogKey: f.Key})
	if !r.Proved() || r.Recordings != 1 {
		t.Errorf("it could tell that a session is missing, and promises less than it might:\n%s", said(r))
	}
	if !strings.Contains(said(r), "no session with its recording, finding, refusal or file was left out") {
		t.Errorf("it promises more than it shows:\n%s", said(r))
	}
}

// inMap reads documents out of a pack that was taken apart.
type inMap struct{ files map[string][]byte }

func (d inMap) Get(_ context.Context, h audit.Hash) ([]byte, error) {
	b, ok := d.files["documents/"+strings.TrimPrefix(h.String(), "sha256:")]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return b, nil
}
