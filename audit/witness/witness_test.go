package witness

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"penstock/audit"
)

// plantLog is a log of made-up leaves that can be forked.
type plantLog struct {
	signer note.Signer
	key    note.Verifier
	stored []tlog.Hash
	size   int64
}

func newLog(t *testing.T, origin string) *plantLog {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
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
	return &plantLog{signer: s, key: v}
}

func (l *plantLog) fork() *plantLog {
	return &plantLog{l.signer, l.key, append([]tlog.Hash(nil), l.stored...), l.size}
}

func (l *plantLog) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, x := range at {
		out[i] = l.stored[x]
	}
	return out, nil
}

func (l *plantLog) grow(t *testing.T, leaves ...string) *plantLog {
	t.Helper()
	for _, s := range leaves {
		h, err := tlog.StoredHashes(l.size, []byte(s), l)
		if err != nil {
			t.Fatal(err)
		}
		l.stored = append(l.stored, h...)
		l.size++
	}
	return l
}

func (l *plantLog) note(t *testing.T) []byte {
	t.Helper()
	root, err := tlog.TreeHash(l.size, l)
	if err != nil {
		t.Fatal(err)
	}
	b, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", l.key.Name(), l.size, root)}, l.signer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (l *plantLog) request(t *testing.T, old int64) string {
	t.Helper()
	var proof tlog.TreeProof
	if old > 0 && old < l.size {
		var err error
		if proof, err = tlog.ProveTree(l.size, old, l); err != nil {
			t.Fatal(err)
		}
	}
	return request(old, proof, l.note(t))
}

func request(old int64, proof tlog.TreeProof, signed []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "old %d\n", old)
	for _, h := range proof {
		fmt.Fprintln(&b, h)
	}
	return b.String() + "\n" + string(signed)
}

func key(t *testing.T) *audit.WitnessKey {
	t.Helper()
	text, err := audit.NewWitnessKey("witness.kiel.example")
	if err != nil {
		t.Fatal(err)
	}
	k, err := audit.ParseWitnessKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func post(w *Witness, body string) *httptest.ResponseRecorder {
	out := httptest.NewRecorder()
	w.ServeHTTP(out, httptest.NewRequest(http.MethodPost, "/add-checkpoint", strings.NewReader(body)))
	return out
}

// TestRules walks the answers of tlog-witness, each in its place of the story.
func TestRules(t *testing.T) {
	dir, k, l := t.TempDir(), key(t), newLog(t, "kiel/penstock/audit/a")
	stranger := newLog(t, "elsewhere").grow(t, "x")
	forger := newLog(t, "kiel/penstock/audit/a").grow(t, "x") // the name, and another key
	quiet := slog.New(slog.DiscardHandler)
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	o := Options{Key: k, Logs: []note.Verifier{l.key}, Now: func() time.Time { return now }, Slog: quiet}
	w, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	answers := func(what, body string, code int, text string) {
		t.Helper()
		out := post(w, body)
		if out.Code != code || text != "" && out.Body.String() != text {
			t.Errorf("%s: %d %q, want %d %q", what, out.Code, out.Body, code, text)
		}
		if code == http.StatusConflict && out.Header().Get("Content-Type") != "text/x.tlog.size" {
			t.Errorf("%s: content type %q", what, out.Header().Get("Content-Type"))
		}
	}
	cosigned := func(what string, l *plantLog, old int64) {
		t.Helper()
		out := post(w, l.request(t, old))
		found, _, err := audit.Cosignatures(append(l.note(t), out.Body.Bytes()...), l.key, k.Verifier())
		if out.Code != http.StatusOK || err != nil || len(found) != 1 || !found[0].At.Equal(now) {
			t.Errorf("%s: %d %q %v %v", what, out.Code, out.Body, found, err)
		}
	}

	answers("unknown origin", stranger.request(t, 0), http.StatusNotFound, "")
	answers("another key", forger.request(t, 0), http.StatusForbidden, "")
	l.grow(t, "1", "2", "3")
	short := l.fork()
	answers("not what is remembered", l.request(t, 2), http.StatusConflict, "0\n")
	answers("old above the checkpoint", request(9, nil, l.note(t)), http.StatusBadRequest, "")
	answers("a proof where none belongs", request(0, tlog.TreeProof{{1}}, l.note(t)), http.StatusUnprocessableEntity, "")
	cosigned("the first", l, 0)
	cosigned("the same again", l, 3)
	l.grow(t, "4", "5")
	now = now.Add(time.Minute)
	cosigned("grown", l, 3)
	answers("rolled back", short.request(t, 0), http.StatusConflict, "5\n")
	answers("rolled back, and knows it", request(3, nil, short.note(t)), http.StatusConflict, "5\n")
	fork := short.fork().grow(t, "4'", "5'")
	answers("a fork of this size", fork.request(t, 5), http.StatusConflict, "5\n")
	longer := fork.fork().grow(t, "6'")
	answers("a longer fork", longer.request(t, 5), http.StatusUnprocessableEntity, "")
	l.grow(t, "6")
	answers("no proof", request(5, nil, l.note(t)), http.StatusUnprocessableEntity, "")
	now = now.Add(-time.Hour)
	if out := post(w, l.request(t, 5)); out.Code != http.StatusOK {
		t.Errorf("a clock that went back: %d %q", out.Code, out.Body)
	} else if found, _, err := audit.Cosignatures(append(l.note(t), out.Body.Bytes()...), l.key, k.Verifier()); err != nil || found[0].At.Before(now.Add(time.Hour)) {
		t.Errorf("the witness took back its own time: %v %v", found, err)
	}

	// A new life remembers, and the fork it was shown is still there to be held up.
	if w, err = Open(dir, o); err != nil {
		t.Fatal(err)
	}
	answers("rolled back over a restart", short.request(t, 0), http.StatusConflict, "6\n")
	seen := w.Seen()
	if len(seen) != 1 || seen[0].Size != 6 || seen[0].Refused == 0 {
		t.Errorf("%+v", seen)
	}
	b, err := os.ReadFile(filesOf(dir, l.key.Name()).refused)
	if err != nil {
		t.Fatal(err)
	}
	proof := audit.FindNotes(b)
	if len(proof) != 3 || !bytes.Equal(proof[0], fork.note(t)) || !bytes.Equal(proof[1], longer.note(t)) {
		t.Errorf("%d refused checkpoints were kept", len(proof))
	}
}

// TestForgets: a witness that lost or changed what it remembers does not start.
func TestForgets(t *testing.T) {
	k, l := key(t), newLog(t, "a")
	l.grow(t, "1", "2")
	o := Options{Key: k, Logs: []note.Verifier{l.key}}
	for what, spoil := range map[string]func(string, files) error{
		"removed": func(_ string, f files) error { return os.Remove(f.note) },
		"empty":   func(_ string, f files) error { return os.WriteFile(f.note, nil, 0o600) },
		"flipped": func(_ string, f files) error {
			b, err := os.ReadFile(f.note)
			if err == nil {
				b[len(b)-10] ^= 1
				err = os.WriteFile(f.note, b, 0o600)
			}
			return err
		},
		"without our line": func(_ string, f files) error { return os.WriteFile(f.note, l.fork().note(t), 0o600) },
	} {
		dir := t.TempDir()
		w, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if out := post(w, l.request(t, 0)); out.Code != http.StatusOK {
			t.Fatal(out.Body)
		}
		if err := spoil(dir, filesOf(dir, "a")); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, o); err == nil {
			t.Errorf("%s: it started", what)
		}
	}
}

// TestForget: a log that was rightly brought back begins anew, and what was
// remembered of it is still there.
func TestForget(t *testing.T) {
	dir, l := t.TempDir(), newLog(t, "a").grow(t, "1")
	old := l.fork()
	o := Options{Key: key(t), Logs: []note.Verifier{l.key}, Slog: slog.New(slog.DiscardHandler)}
	w, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if out := post(w, l.grow(t, "2", "3").request(t, 0)); out.Code != http.StatusOK {
		t.Fatal(out.Body)
	}
	kept, err := Forget(dir, "a", time.Now())
	if err != nil || len(kept) != 2 {
		t.Fatal(kept, err)
	}
	if b, err := os.ReadFile(kept[1]); err != nil || !bytes.HasPrefix(b, []byte("a\n3\n")) {
		t.Errorf("%q %v", b, err)
	}
	if w, err = Open(dir, o); err != nil {
		t.Fatal(err)
	}
	if out := post(w, old.request(t, 0)); out.Code != http.StatusOK {
		t.Errorf("%d %s", out.Code, out.Body)
	}
	if _, err := Forget(dir, "b", time.Now()); err == nil {
		t.Error("forgot what it never knew")
	}
}

// TestRemembersFirst: where the disk takes nothing, nothing is cosigned, and
// nothing more until a new start has looked at what is there.
func TestRemembersFirst(t *testing.T) {
	dir, l := t.TempDir(), newLog(t, "a")
	w, err := Open(filepath.Join(dir, "gone"), Options{Key: key(t), Logs: []note.Verifier{l.key}})
	if err != nil {
		t.Fatal(err)
	}
	l.grow(t, "1")
	if out := post(w, l.request(t, 0)); out.Code != http.StatusInternalServerError || strings.Contains(out.Body.String(), "—") {
		t.Fatalf("%d %q", out.Code, out.Body)
	}
	if err := os.Mkdir(filepath.Join(dir, "gone"), 0o700); err != nil {
		t.Fatal(err)
	}
	if out := post(w, l.request(t, 0)); out.Code != http.StatusInternalServerError {
		t.Errorf("after a failed write: %d", out.Code)
	}
}

// TestRace: two histories race for one witness; it takes one of them, whole.
func TestRace(t *testing.T) {
	k, l := key(t), newLog(t, "a")
	w, err := Open(t.TempDir(), Options{Key: k, Logs: []note.Verifier{l.key}})
	if err != nil {
		t.Fatal(err)
	}
	l.grow(t, "1")
	sides := []*plantLog{l.fork().grow(t, "a"), l.fork().grow(t, "b")}
	if out := post(w, l.request(t, 0)); out.Code != http.StatusOK {
		t.Fatal(out.Body)
	}
	bodies := []string{sides[0].request(t, 1), sides[1].request(t, 1)}
	var wg sync.WaitGroup
	codes := make([]int, 2)
	for i := range sides {
		wg.Go(func() { codes[i] = post(w, bodies[i]).Code })
	}
	wg.Wait()
	if codes[0]+codes[1] != http.StatusOK+http.StatusConflict {
		t.Errorf("answers %v", codes)
	}
}

func TestHTTPBounds(t *testing.T) {
	l := newLog(t, "a").grow(t, "1")
	w, err := Open(t.TempDir(), Options{Key: key(t), Logs: []note.Verifier{l.key}})
	if err != nil {
		t.Fatal(err)
	}
	if out := post(w, "old 0\n\n"+strings.Repeat("a", maxBody)); out.Code != http.StatusBadRequest {
		t.Errorf("a huge body: %d", out.Code)
	}
	for method, path := range map[string]string{"GET": "/add-checkpoint", "POST": "/logs"} {
		out := httptest.NewRecorder()
		w.ServeHTTP(out, httptest.NewRequest(method, path, nil))
		if out.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d", method, path, out.Code)
		}
	}
	out := httptest.NewRecorder()
	w.ServeHTTP(out, httptest.NewRequest("GET", "/logs", nil))
	if out.Code != http.StatusOK || !strings.Contains(out.Body.String(), `"origin":"a"`) {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}

func TestParseRequest(t *testing.T) {
	h := tlog.RecordHash([]byte("x")).String()
	good := "old 1\n" + h + "\n\nnote\n"
	if old, proof, signed, err := parseRequest([]byte(good)); err != nil || old != 1 || len(proof) != 1 || string(signed) != "note\n" {
		t.Fatal(old, proof, signed, err)
	}
	for _, bad := range []string{"", "old 1\n", "old 01\n\nnote\n", "old -1\n\nnote\n", "old +1\n\nnote\n", "1\n\nnote\n", "old 1\nAAAA\n\nnote\n",
		"old 9007199254740993\n\nnote\n", "old 1\r\n\r\nnote\n", "old 1\n" + strings.Repeat(h+"\n", maxProof+1) + "\nnote\n"} {
		if _, _, _, err := parseRequest([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte("old 0\n\norigin\n1\nAAAA\n\n— origin AAAA\n"))
	f.Add([]byte("old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		old, proof, signed, err := parseRequest(b)
		if err == nil && request(int64(old), proof, signed) != string(b) {
			t.Fatalf("%q is read, and written as something else", b)
		}
	})
}

func TestErrorsAreTold(t *testing.T) {
	l := newLog(t, "a").grow(t, "1")
	w, err := Open(t.TempDir(), Options{Key: key(t), Logs: []note.Verifier{l.key}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Add(0, nil, []byte("b\n1\n")); !errors.Is(err, ErrUnknownLog) {
		t.Error(err)
	}
	if _, err := Open(t.TempDir(), Options{Key: key(t)}); err == nil {
		t.Error("a witness of nothing was opened")
	}
	if _, err := Open(t.TempDir(), Options{Key: key(t), Logs: []note.Verifier{l.key, l.key}}); err == nil {
		t.Error("two keys of one log were taken")
	}
}
