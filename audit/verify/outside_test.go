package verify_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"penstock/audit"
	"penstock/audit/verify"
)

// notary signs checkpoints with a folder's own key, as somebody who has it can.
type notary struct {
	t      *testing.T
	signer note.Signer
	key    note.Verifier
	stored []tlog.Hash
	size   int64
}

func newNotary(t *testing.T, f folder) *notary {
	t.Helper()
	b, err := os.ReadFile(f.path("keys/log.key"))
	if err != nil {
		t.Fatal(err)
	}
	n := &notary{t: t}
	if n.signer, err = note.NewSigner(strings.TrimSpace(string(b))); err != nil {
		t.Fatal(err)
	}
	if n.key, err = audit.LogVerifier(f.path("keys")); err != nil {
		t.Fatal(err)
	}
	r, err := audit.OpenReader(f.path("log"), n.key)
	if err != nil {
		t.Fatal(err)
	}
	for leaf, err := range r.From(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		raw, err := leaf.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		h, err := tlog.StoredHashes(n.size, raw, n)
		if err != nil {
			t.Fatal(err)
		}
		n.stored = append(n.stored, h...)
		n.size++
	}
	return n
}

func (n *notary) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, x := range at {
		out[i] = n.stored[x]
	}
	return out, nil
}

// at is the log's own checkpoint of a size.
func (n *notary) at(size int64) []byte {
	n.t.Helper()
	root, err := tlog.TreeHash(size, n)
	if err != nil {
		n.t.Fatal(err)
	}
	return n.sign(n.signer, size, root)
}

func (n *notary) sign(s note.Signer, size int64, root tlog.Hash) []byte {
	n.t.Helper()
	b, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", n.key.Name(), size, root)}, s)
	if err != nil {
		n.t.Fatal(err)
	}
	return b
}

// cosigned adds a witness's line.
func (n *notary) cosigned(b []byte, k *audit.WitnessKey) []byte {
	n.t.Helper()
	c, err := audit.ParseCheckpoint(b, n.key)
	if err != nil {
		n.t.Fatal(err)
	}
	line, err := k.Cosign(c, time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC))
	if err != nil {
		n.t.Fatal(err)
	}
	return append(append([]byte(nil), b...), line...)
}

func aWitness(t *testing.T, name string) *audit.WitnessKey {
	t.Helper()
	text, err := audit.NewWitnessKey(name)
	if err != nil {
		t.Fatal(err)
	}
	k, err := audit.ParseWitnessKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestOutsideCopies: files from each kind of place, what each proves, and what
// is said of one that does not fit.
func TestOutsideCopies(t *testing.T) {
	f := build(t, t.TempDir(), night())
	n, w, stranger := newNotary(t, f), aWitness(t, "witness.kiel.example"), aWitness(t, "another")
	first, middle, last := n.at(3), n.at(n.size/2), n.at(n.size)
	syslog := []byte("Nov 22 109 1 penstock checkpoint size=3 " + audit.NoteText(first) + "\nNov 22 109 1 penstock " + audit.NoteText(middle) + "\n")
	line, err := json.Marshal(map[string]any{"v": 1, "copy": audit.NoteText(n.cosigned(last, w))})
	if err != nil {
		t.Fatal(err)
	}
	over := n.cosigned(first, w) // its line, put under another checkpoint
	forged := append(append([]byte(nil), last...), over[len(first):]...)
	_, otherSigner := otherKey(t, n.key.Name())
	kept := func(name string, text []byte) verify.Kept { return verify.Kept{Name: name, Text: text} }
	for what, c := range map[string]struct {
		kept      []verify.Kept
		inside    []byte // as log/outside/security.2026-11.txt
		witnesses []audit.WitnessVerifier
		proved    bool
		outside   int
		says      []string // in findings
		stretches []string
	}{
		"a syslog file and a checkpoint by hand": {[]verify.Kept{kept("by hand", last), kept("siem", syslog)}, nil, nil, true, 3, nil,
			[]string{fmt.Sprintf("0 %d siem", n.size/2), fmt.Sprintf("%d %d by hand", n.size/2, n.size)}},
		"cosigned": {[]verify.Kept{kept("notes", n.cosigned(middle, w))}, nil, []audit.WitnessVerifier{w.Verifier()}, true, 1,
			[]string{fmt.Sprintf("covers the first %d leaves", n.size/2)}, []string{fmt.Sprintf("0 %d notes, cosigned 2026-11-22T03:12:00Z by witness.kiel.example", n.size/2)}},
		"cosigned by nobody we know": {[]verify.Kept{kept("notes", n.cosigned(last, stranger))}, nil, nil, true, 1, []string{"was signed by a witness, too; give its key"}, []string{fmt.Sprintf("0 %d notes", n.size)}},
		"a forged cosignature":       {[]verify.Kept{kept("notes", forged)}, nil, []audit.WitnessVerifier{w.Verifier()}, false, 1, []string{"notes: carries a false signature in the name of a witness"}, nil},
		"the folder's own receipts": {nil, append(receiptOf(first), '\n'), nil, true, 0,
			[]string{"no outside checkpoint was given", "alone it proves nothing"}, nil},
		"the folder's own receipts, cosigned": {nil, append(line, '\n'), []audit.WitnessVerifier{w.Verifier()}, true, 1, nil,
			[]string{fmt.Sprintf("0 %d log/outside/security.2026-11.txt, cosigned 2026-11-22T03:12:00Z by witness.kiel.example", n.size)}},
		"a receipt of another tree": {nil, append(receiptOf(n.sign(n.signer, 3, tlog.Hash{1})), '\n'), nil, false, 0, []string{"log/outside/security.2026-11.txt: was signed for 3 other leaves: the log was rewritten"}, nil},
		"a fork":                    {[]verify.Kept{kept("siem", first), kept("mail", n.sign(n.signer, 3, tlog.Hash{1}))}, nil, nil, false, 1, []string{"of two different trees of 3 leaves, both signed by this log: a fork"}, nil},
		"from the future":           {[]verify.Kept{kept("siem", n.sign(n.signer, n.size+7, tlog.Hash{1}))}, nil, nil, false, 0, []string{"rolled back or cut"}, nil},
		"by another key":            {[]verify.Kept{kept("siem", n.sign(otherSigner, 3, tlog.Hash{1}))}, nil, nil, false, 0, []string{"is not one of this log"}, nil},
		"an empty file":             {[]verify.Kept{kept("siem", nil)}, nil, nil, false, 0, []string{"holds no checkpoint"}, nil},
	} {
		t.Run(what, func(t *testing.T) {
			dir := f.path("log/outside")
			if c.inside != nil {
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "security.2026-11.txt"), c.inside, 0o600); err != nil {
					t.Fatal(err)
				}
				defer os.RemoveAll(dir)
			}
			r, err := f.check(t, verify.Trust{LogKey: f.key, Checkpoints: c.kept, Witnesses: c.witnesses})
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, x := range r.Findings {
				said = append(said, x.Where+": "+x.What)
			}
			all := strings.Join(said, "\n")
			if r.Proved() != c.proved || r.Outside != c.outside {
				t.Errorf("proved %v, outside %d\n%s", r.Proved(), r.Outside, all)
			}
			for _, s := range c.says {
				if !strings.Contains(all, s) {
					t.Errorf("it does not say %q\n%s", s, all)
				}
			}
			for i, s := range c.stretches {
				if len(r.Stretches) != len(c.stretches) || fmt.Sprintf("%d %d %s", r.Stretches[i].From, r.Stretches[i].To, strings.Join(r.Stretches[i].By, "; ")) != s {
					t.Errorf("stretches %+v, want %q", r.Stretches, c.stretches)
				}
			}
		})
	}
	if err := os.MkdirAll(f.path("log/outside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path("log/outside/notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := f.check(t, f.trust()); err != nil || r.Proved() {
		t.Errorf("a foreign file among the receipts was not named: %v", err)
	}
}

// receiptOf is a receipt's line with a note in it.
func receiptOf(b []byte) []byte { return []byte(`{"v":1,"copy":"` + audit.NoteText(b) + `"}`) }

func otherKey(t *testing.T, name string) (note.Verifier, note.Signer) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return v, s
}
