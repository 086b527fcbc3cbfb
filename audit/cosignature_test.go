package audit

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// The example of c2sp.org/tlog-cosignature has a line of a witness whose key is
// not printed there, so what can be held to it is the form: 4 bytes of key id,
// 8 bytes of time, 64 of signature, and the time that it says.
func TestCosignatureForm(t *testing.T) {
	line := "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
	b, err := base64.StdEncoding.DecodeString(line)
	if err != nil || len(b) != 4+8+64 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if at := string(cosigned(1679315147, "x\n")); at != "cosignature/v1\ntime 1679315147\nx\n" {
		t.Fatalf("message %q", at)
	}
	if !bytes.Equal(b[4:12], []byte{0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb}) { // 1679315147
		t.Fatalf("time %x", b[4:12])
	}
}

func signedNote(t *testing.T, size string) ([]byte, note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{7}, 64)), "kiel/log")
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
	b, err := note.Sign(&note.Note{Text: "kiel/log\n" + size + "\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"}, s)
	if err != nil {
		t.Fatal(err)
	}
	return b, v
}

func TestCosign(t *testing.T) {
	text, err := NewWitnessKey("witness.kiel.example")
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseWitnessKey(text)
	if err != nil {
		t.Fatal(err)
	}
	w, err := ParseWitnessVerifier(k.Verifier().String())
	if err != nil {
		t.Fatal(err)
	}
	b, v := signedNote(t, "5")
	c, err := ParseCheckpoint(b, v)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1679315147, 0).UTC()
	line, err := k.Cosign(c, at)
	if err != nil {
		t.Fatal(err)
	}
	both := append(bytes.Clone(b), line...)
	found, strangers, err := Cosignatures(both, v, w)
	if err != nil || len(found) != 1 || strangers != 0 || !found[0].At.Equal(at) || found[0].Witness != "witness.kiel.example" || !bytes.Equal(found[0].Line, line) {
		t.Fatalf("%+v %d %v", found, strangers, err)
	}
	if _, err := ParseCheckpoint(both, v); err != nil {
		t.Errorf("the log's own reader does not pass over the witness's line: %v", err)
	}
	// Without the witness's key the line counts for nothing.
	if found, strangers, err := Cosignatures(both, v); err != nil || len(found) != 0 || strangers != 1 {
		t.Errorf("unknown witness: %v %d %v", found, strangers, err)
	}
	// Over another checkpoint it is refused.
	other, _ := signedNote(t, "6")
	if _, _, err := Cosignatures(append(other, line...), v, w); err == nil {
		t.Error("a cosignature of another checkpoint was taken")
	}
	// Another time is another message.
	raw, _ := base64.StdEncoding.DecodeString(strings.Fields(string(line))[2])
	raw[11]++
	moved := append(bytes.Clone(b), []byte("— witness.kiel.example "+base64.StdEncoding.EncodeToString(raw)+"\n")...)
	if _, _, err := Cosignatures(moved, v, w); err == nil {
		t.Error("a cosignature with another time was taken")
	}
}

func TestWitnessKeysRefused(t *testing.T) {
	text, _ := NewWitnessKey("w")
	k, _ := ParseWitnessKey(text)
	good := k.Verifier().String()
	logs := "kiel/log+" + strings.SplitN(good, "+", 2)[1]
	for _, bad := range []string{"", "w", "w+00000000", "w+00000000+" + strings.SplitN(good, "+", 3)[2], strings.ToUpper(good[:1]) + good[1:] + "=", logs, " " + good} {
		if _, err := ParseWitnessVerifier(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, bad := range []string{"", text + "x", "PENSTOCK-WITNESS-KEY+w", "AGE" + text} {
		_, err := ParseWitnessKey(bad)
		if err == nil {
			t.Errorf("key %q was taken", bad)
		} else if len(bad) > 40 && strings.Contains(err.Error(), strings.SplitN(text, "+", 3)[2]) {
			t.Error("the error shows the key")
		}
	}
	if _, err := NewWitnessKey("two words"); err == nil {
		t.Error("a name with a space was taken")
	}
}

func TestFindNotes(t *testing.T) {
	a, v := signedNote(t, "5")
	b, _ := signedNote(t, "6")
	syslog := "<109>1 2026-11-22T03:00:00Z kiel penstock - checkpoint - origin=kiel/log " + NoteText(a) + "\n" +
		"<109>1 … " + NoteText(a) + " again\n{\"x\":\"" + NoteText(b) + "\"}\nnote=!!! note=AAA\n"
	found := FindNotes([]byte(syslog))
	if len(found) != 2 || !bytes.Equal(found[0], a) || !bytes.Equal(found[1], b) {
		t.Fatalf("%d notes: %q", len(found), found)
	}
	for i, n := range found[:2] {
		if c, err := ParseCheckpoint(n, v); err != nil || c.Size != Index(5+i) {
			t.Errorf("note %d: %v %v", i, c.Size, err)
		}
	}
	if one := FindNotes(a); len(one) != 1 || !bytes.Equal(one[0], a) {
		t.Errorf("a bare note: %q", one)
	}
	if none := FindNotes([]byte("nothing here")); len(none) != 0 {
		t.Errorf("%q", none)
	}
}

func FuzzOutside(f *testing.F) {
	f.Add([]byte("origin\n5\nAAAA\n\n— origin AAAA\n"))
	f.Add([]byte("x note=bm90ZQ== y note="))
	f.Add([]byte("w+01020304+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, n := range FindNotes(b) {
			if len(n) == 0 && len(b) > 0 {
				t.Fatal("an empty note")
			}
		}
		if v, err := ParseWitnessVerifier(string(b)); err == nil && !strings.EqualFold(v.String(), string(b)) {
			t.Fatalf("%q is read as %q", b, v)
		}
	})
}
