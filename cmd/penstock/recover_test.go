package main

import (
	"bytes"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/broker/ca"
)

// Whoever had the machine had the log's key, too, and could write that a recovery
// began and never ended. It goes by nothing of that: every key is made anew, also
// those that are not the ones which it says were taken away, and by whose word is
// written down. Twice is no worse than once.
func TestARecoveryThatNeverWas(t *testing.T) {
	t.Parallel()
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	h, f, _ := openedHouse(t, logger)
	keys := filepath.Join(f.Data, "keys")
	old, err := ca.Prints(keys)
	if err != nil || len(old) != 4 {
		t.Fatal(old, err)
	}
	stolen := filepath.Join(keys, "https.pem")
	forged := map[string]string{"host_ca": "SHA256:a", "in_ca": "SHA256:b", "out_ca": "SHA256:c", "host_key": "SHA256:d", "extra": "e"}
	if _, err := h.log.Append(t.Context(), audit.Event{Subject: "recovery", Actor: "penstock", Body: audit.RecoveryBegan{Says: "Mallory", Keys: forged}}); err != nil {
		t.Fatal(err)
	}
	invited := audit.PersonInvited{Person: "eve", Firm: "krall", Name: "Eve", By: "Mallory", Code: audit.HashOf([]byte("x")), Until: h.clock.clock.Wall().Add(time.Hour)}
	if _, err := h.journal.Commit(t.Context(), "invitation/"+hex.EncodeToString(invited.Code[:]), audit.Event{Subject: "eve", Rev: 1, Actor: "Mallory", Body: invited}); err != nil {
		t.Fatal(err)
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	secret := func(file string) string {
		b, err := os.ReadFile(filepath.Join(keys, file))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	opens := []string{"seal.key", "recordings.key"} // what was sealed before must still open
	before := map[string]string{"receipt.key": secret("receipt.key")}
	for _, file := range opens {
		before[file] = secret(file)
	}
	killed := [][]string{nil, {"in_ca"}, {"host_key", "receipt.key"}} // after it took a key away, and before it had made the next
	for _, gone := range killed {
		for _, file := range gone {
			if err := os.Remove(filepath.Join(keys, file)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(stolen, []byte("copied"), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		r := &recovery{file: f, says: "Lena Lang", yes: true, blind: true, out: &out, errs: t.Output()}
		blind := *r
		blind.blind = false
		if err := blind.run(t.Context()); err == nil || !strings.Contains(err.Error(), "--without-checkpoint") {
			t.Fatalf("it goes on without a checkpoint from outside: %v", err)
		}
		if err := r.run(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		if said := out.String(); !strings.Contains(said, "NOT PROVED") || !strings.Contains(said, "invited by Mallory, who is nobody of the plant") {
			t.Errorf("what is not proved is not said:\n%s", said)
		}
		made, err := ca.Prints(keys)
		if err != nil || len(made) != len(old) {
			t.Fatal(made, err)
		}
		for file := range old {
			if made[file] == old[file] {
				t.Errorf("%s is the one that was stolen:\n%s", file, out.String())
			}
		}
		for _, file := range opens {
			newest, rest, _ := strings.Cut(secret(file), "\n")
			if strings.Contains(before[file], newest) || strings.TrimSpace(rest) != strings.TrimSpace(before[file]) {
				t.Errorf("%s has no new key before the old ones", file)
			}
			before[file] = secret(file)
		}
		if secret("receipt.key") == before["receipt.key"] || strings.Count(secret("receipt.pub"), `"kid"`) < 2 {
			t.Errorf("receipts are signed by the key that was stolen, or those of before are nobody's: %s", secret("receipt.pub"))
		}
		before["receipt.key"] = secret("receipt.key")
		if _, err := os.Stat(stolen); err == nil {
			t.Error("the key for browsers is the one that was stolen")
		}
		old = made
	}

	var says []string
	reader, err := openLogReader(f.Data)
	if err != nil {
		t.Fatal(err)
	}
	for leaf, err := range reader.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if b, is := leaf.Body.(audit.RecoveryBegan); is {
			says = append(says, b.Says)
		}
	}
	if !slices.Equal(says, []string{"Mallory", "Lena Lang", "Lena Lang", "Lena Lang"}) {
		t.Errorf("recoveries by %s", strings.Join(says, ", "))
	}
}
