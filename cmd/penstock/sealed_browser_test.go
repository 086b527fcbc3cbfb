package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// newSealedHouse is a pages house whose recordings are sealed to two keys of
// sec's, a plain one and one that is given in a file behind a passphrase.
func newSealedHouse(t *testing.T, change ...func(edit func(name, old, with string))) (h *pagesHouse, plain, locked *age.X25519Identity) {
	t.Helper()
	ids := make([]*age.X25519Identity, 2)
	for i := range ids {
		var err error
		if ids[i], err = age.GenerateX25519Identity(); err != nil {
			t.Fatal(err)
		}
	}
	h = newPagesHouse(t, append(change, func(edit func(name, old, with string)) {
		edit("penstock.yaml", "loopback_targets: true\n", fmt.Sprintf("loopback_targets: true\nrecordings: {mode: sealed, auditors: [{person: sec, key: %s}, {person: sec, key: %s}]}\n",
			ids[0].Recipient(), ids[1].Recipient()))
	})...)
	return h, ids[0], ids[1]
}

// lockedFile is an armored age file with an identity in it, behind a passphrase.
func lockedFile(t *testing.T, id, words string) []byte {
	t.Helper()
	lock, err := age.NewScryptRecipient(words)
	if err != nil {
		t.Fatal(err)
	}
	lock.SetWorkFactor(12)
	var b bytes.Buffer
	a := armor.NewWriter(&b)
	w, err := age.Encrypt(a, lock)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(id + "\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestUnsealInABrowser opens a sealed recording with real Chromium.
func TestUnsealInABrowser(t *testing.T) {
	t.Parallel()
	h, plain, locked := newSealedHouse(t)
	h.record(t)
	h.enrol(t, "sec")
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	const words = "correct horse 7"
	dir := t.TempDir()
	in := map[string]any{"url": h.server.URL, "password": h.people["sec"].Password, "words": words, "shots": os.Getenv("PENSTOCK_SHOTS"),
		"secrets": []string{plain.String(), locked.String(), words, "AGE-SECRET-KEY"}}
	for name, text := range map[string]string{"plain": "# sec\n" + plain.String() + "\n", "stranger": stranger.String(), "none": "hello", "locked": string(lockedFile(t, locked.String(), words))} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		in[name] = path
	}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	ui, err := filepath.Abs(filepath.Join(house, "broker", "web", "ui"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join(ui, "unseal.mjs"))
	cmd.Stdin, cmd.WaitDelay = bytes.NewReader(b), 5*time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("unseal.mjs: %v (needs Debian's chromium, node 20, and npm ci and npm run build in %s)\n%s", err, ui, out)
	}
	h.signedIn(t, "sec").get("/log").want(t, http.StatusOK, "opened sealed S-7 with an auditor&#39;s key", "asked for the key file of sealed S-7", "recordings: play S-7", "sealed, opened by keys of")
	// What was opened is in no file of the broker.
	for _, secret := range []string{plain.String(), words, "flow 812"} {
		if found := holds(t, string(h.folder), secret); found != "" {
			t.Errorf("%s holds %q", found, secret)
		}
	}
}

// holds names a file below dir with text in it.
func holds(t *testing.T, dir, text string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), text) {
			found = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
