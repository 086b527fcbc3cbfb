package recording_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"penstock/audit/recording"
)

func newIdentity(t testing.TB) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	must(t, err)
	return id
}

// sealed is a room without a key of its own, whose recordings open with these.
func sealed(t testing.TB, dir string, auditors ...*age.X25519Identity) *room {
	t.Helper()
	return newRoom(t, dir, func(p *recording.Parts) {
		p.Mode, p.Identity, p.Recipients, p.SealedTo = "sealed", "", nil, nil
		for _, a := range auditors {
			p.Recipients, p.SealedTo = append(p.Recipients, a.Recipient().String()), append(p.SealedTo, "sec")
		}
	})
}

func record(t testing.TB, r *room, session, text string) {
	t.Helper()
	w := r.create(t, session)
	must(t, stream(t, w, 0, "shell").Commit(t.Context(), 'o', []byte(text)))
	_, err := w.Close(t.Context(), "client")
	must(t, err)
}

// opens says whether an identity opens a session, and that it then shows text.
func opens(t testing.TB, r *room, session, text string, id age.Identity) bool {
	t.Helper()
	rd, err := recording.OpenFolder(r.path(session), id)
	if _, foreign := errors.AsType[*age.NoIdentityMatchError](err); foreign {
		return false
	}
	must(t, err)
	defer rd.Close()
	got, err := lines(rd, 0, 0)
	if err != nil || len(got) != 1 || !strings.HasSuffix(got[0], text) {
		t.Errorf("%s: %q, %v", session, got, err)
	}
	return true
}

func TestASealedRecordingOpensForItsAuditorsAlone(t *testing.T) {
	dir := t.TempDir()
	mia, kim, stranger := newIdentity(t), newIdentity(t), newIdentity(t)
	r := sealed(t, dir, mia, kim)
	record(t, r, "S-1", "flow 812")
	if _, err := r.Open("S-1"); !errors.Is(err, recording.ErrSealed) {
		t.Errorf("the archive opens it: %v", err)
	}
	r = sealed(t, dir, mia) // kim leaves
	record(t, r, "S-2", "flow 813")
	for _, row := range []struct {
		who     string
		id      age.Identity
		session string
		want    bool
	}{{"mia", mia, "S-1", true}, {"kim", kim, "S-1", true}, {"a stranger", stranger, "S-1", false},
		{"mia, later", mia, "S-2", true}, {"kim, after leaving", kim, "S-2", false}} {
		if got := opens(t, r, row.session, "flow 81"+map[string]string{"S-1": "2", "S-2": "3"}[row.session], row.id); got != row.want {
			t.Errorf("%s opens %s: %v", row.who, row.session, got)
		}
	}
	// Readable again: the broker's key opens what comes, and nothing of before.
	r = newRoom(t, dir)
	record(t, r, "S-3", "flow 814")
	if !opens(t, r, "S-3", "flow 814", identity) {
		t.Error("a readable recording does not open")
	}
	if _, err := r.Open("S-1"); !errors.Is(err, recording.ErrSealed) {
		t.Errorf("the archive opens what was sealed before: %v", err)
	}
	all, err := r.List()
	must(t, err)
	if len(all) != 3 || all[0].Mode != "sealed" || len(all[0].SealedTo) != 2 || all[2].Mode != "readable" || all[2].SealedTo != nil {
		t.Errorf("%+v", all)
	}
}

func TestASessionKeyOpensItsRecordingOnly(t *testing.T) {
	mia := newIdentity(t)
	r := sealed(t, t.TempDir(), mia)
	record(t, r, "S-1", "flow 812")
	record(t, r, "S-2", "flow 813")
	one, err := recording.SessionKey(r.path("S-1"), mia)
	must(t, err)
	rd, err := r.OpenWith("S-1", one)
	must(t, err)
	clear(one) // the reader has its own
	if got, err := lines(rd, 0, 0); err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
	must(t, rd.Close())
	two, err := recording.SessionKey(r.path("S-2"), mia)
	must(t, err)
	for _, key := range [][]byte{two, make([]byte, 32), nil, two[:31]} {
		if _, err := r.OpenWith("S-1", key); !errors.Is(err, recording.ErrWrongKey) {
			t.Errorf("a key of %d bytes: %v", len(key), err)
		}
	}
}

// TestASealedSessionIsFollowedAndRecoveredWithoutAKey: what runs is watched
// with the recorder's key in memory; after a crash nobody has it, and the chain
// mends the files all the same.
func TestASealedSessionIsFollowedAndRecoveredWithoutAKey(t *testing.T) {
	mia := newIdentity(t)
	before := sealed(t, t.TempDir(), mia)
	w := before.create(t, "S-1")
	must(t, stream(t, w, 0, "shell").Commit(t.Context(), 'o', []byte("flow 812")))
	f, err := before.Follow("S-1", 0)
	must(t, err)
	if fr, err := f.Next(t.Context()); err != nil || string(fr.Data) != "flow 812" {
		t.Errorf("%q, %v", fr.Data, err)
	}
	f.Close()
	if found := holding(t, before.dir, "flow 812"); found != "" {
		t.Errorf("%s holds what was shown", found)
	}
	after := t.TempDir()
	must(t, os.CopyFS(after, os.DirFS(before.dir)))
	_, err = w.Close(t.Context(), "client")
	must(t, err)
	if _, err := before.Follow("S-1", 0); !errors.Is(err, recording.ErrNotRunning) {
		t.Errorf("followed after its end: %v", err)
	}
	part := filepath.Join(after, "recordings", "2026", "11", "22", "S-1", "c00-shell.000.brf")
	torn, err := os.OpenFile(part, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = torn.WriteString("BRF1 torn")
	must(t, err)
	must(t, torn.Close())
	r := sealed(t, after, mia)
	must(t, r.Recover(t.Context()))
	if got := r.log.of("recording.recovered"); len(got) != 1 {
		t.Errorf("recovered: %+v", got)
	}
	if !opens(t, r, "S-1", "flow 812", mia) {
		t.Error("the auditor cannot open what was recovered")
	}
}

// holding names a file below dir with text in it.
func holding(t testing.TB, dir, text string) (found string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			found = path
		}
		return err
	}))
	return found
}

func TestTheSessionKeyIsWipedAtTheEnd(t *testing.T) {
	r := sealed(t, t.TempDir(), newIdentity(t))
	w := r.create(t, "S-1")
	key := recording.KeyOf(w)
	if len(key) != 32 || bytes.Equal(key, make([]byte, 32)) {
		t.Fatalf("the key while it runs: %d bytes", len(key))
	}
	_, err := w.Close(t.Context(), "client")
	must(t, err)
	if !bytes.Equal(key, make([]byte, 32)) {
		t.Error("the key is still there")
	}
}

func TestRecipientsAreCheckedWithoutQuotingThem(t *testing.T) {
	id := newIdentity(t)
	must(t, recording.CheckRecipient(id.Recipient().String()))
	must(t, recording.CheckRecipients([]string{id.Recipient().String(), newIdentity(t).Recipient().String()}))
	for _, line := range []string{id.String(), strings.ToLower(id.String()), "", "age1", "age1qqq", id.Recipient().String() + "\n" + id.String(), "ssh-ed25519 AAAA"} {
		err := recording.CheckRecipient(line)
		if err == nil || line != "" && len(line) > 10 && strings.Contains(err.Error(), line) || strings.Contains(err.Error(), id.String()) {
			t.Errorf("%q: %v", line, err)
		}
	}
	hybrid, err := age.GenerateHybridIdentity()
	must(t, err)
	must(t, recording.CheckRecipient(hybrid.Recipient().String()))
	if err := recording.CheckRecipients([]string{id.Recipient().String(), hybrid.Recipient().String()}); err == nil {
		t.Error("kinds that do not mix were taken")
	}
}

func TestIdentityBehindAPassphrase(t *testing.T) {
	id := newIdentity(t).String()
	lock, err := age.NewScryptRecipient("correct horse")
	must(t, err)
	lock.SetWorkFactor(10)
	var plain, armored bytes.Buffer
	w, err := age.Encrypt(&plain, lock)
	must(t, err)
	_, err = w.Write([]byte("# mine\n" + id + "\n"))
	must(t, err)
	must(t, w.Close())
	a := armor.NewWriter(&armored)
	_, err = a.Write(plain.Bytes())
	must(t, err)
	must(t, a.Close())
	ask := func(words string) func() (string, error) { return func() (string, error) { return words, nil } }
	for _, file := range [][]byte{plain.Bytes(), armored.Bytes(), []byte(id)} {
		text, err := recording.IdentityText(file, ask("correct horse"))
		if err != nil || !strings.Contains(text, id) {
			t.Errorf("%.20q: %v", file, err)
		}
		if _, err := recording.Identities(text); err != nil {
			t.Error(err)
		}
	}
	for _, ask := range []func() (string, error){nil, ask("wrong"), ask("")} {
		if text, err := recording.IdentityText(armored.Bytes(), ask); err == nil || text != "" {
			t.Errorf("%q, %v", text, err)
		}
	}
	if _, err := recording.Identities("AGE-SECRET-KEY-1WRONG"); err == nil || strings.Contains(err.Error(), "WRONG") {
		t.Error(err)
	}
}

func TestPlayKeepsThePaceAndTheTerminal(t *testing.T) {
	r := newRoom(t, t.TempDir())
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "shell")
	must(t, s.Commit(t.Context(), 'o', []byte("one\r\n\x1b]0;title\x07\x1b[31mtwo\r\n")))
	must(t, s.Commit(t.Context(), 'i', []byte("secret")))
	must(t, s.Commit(t.Context(), 'm', []byte("paused")))
	_, err := w.Close(t.Context(), "client")
	must(t, err)
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	var out strings.Builder
	must(t, recording.Play(t.Context(), &out, rd, 0, 0, 1000))
	if got := out.String(); got != "one\ntwo\n[penstock] paused\n" {
		t.Errorf("%q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begun := time.Now()
	must(t, recording.Play(ctx, &strings.Builder{}, rd, 0, 0, 1e-6))
	if time.Since(begun) > time.Minute {
		t.Error("it went on after it was told to stop")
	}
}
