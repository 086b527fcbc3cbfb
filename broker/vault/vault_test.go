package vault_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/approvals/state/statetest"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/broker/seal"
	"penstock/broker/vault"
	"penstock/policy"
)

const plantText = `
site: {id: kiel, name: Kiel, timezone: Europe/Berlin}
teams: {owner-1: {name: Owner}, ot-security: {name: OT security}}
zones:
  dmz:    {name: DMZ,  levels: [3.5], sl_t: 3, owner: ot-security, broker: here}
  line-1: {name: Line, levels: [1],   sl_t: 2, owner: owner-1}
conduits:
  - {name: dmz-line, from: dmz, to: line-1, carries: [ssh], rights: [look], owners: [ot-security, owner-1], why: test, review: 2030-01-01}
assets:
  plc:
    tag: P
    name: Machine
    zone: line-1
    level: 1
    address: 10.0.1.1
    stops: []
    ports:
      ssh:
        accounts:
          maint: {rights: [look], login: password, rotate: {run: chpasswd, lines: ["{account}:{old}:{new}"]}}
          panel: {rights: [look], login: password}
          robot: {rights: [look], login: key, rotate: {run: "cat > .ssh/authorized_keys", lines: ["{new}"]}}
          cert:  {rights: [look]}
rules:
  - {name: any, when: {right: [look]}, plan: [owner], open: shift, longest: 8h}
`

// roster lets olaf seal, and nobody else.
type roster struct{}

func (roster) MaySeal(_ context.Context, by people.Actor) (people.Person, error) {
	if by.Person != "olaf" {
		return people.Person{}, &policy.Refusal{Rule: "not-security", Say: "no"}
	}
	return people.Person{}, nil
}

func (roster) MaySee(_ context.Context, by people.Actor) error {
	if by.Person == "ann" {
		return &policy.Refusal{Rule: "plant-people-only", Say: "no"}
	}
	return nil
}

var olaf = people.Actor{Person: "olaf"}

// machine takes one secret; it can be bent.
type machine struct {
	takes  string
	down   error                       // it is not reached
	change func(lines []string) string // what it is told to take; nil: it is not changed
	told   []string
	err    error // of Tell
	saw    func()
}

func (m *machine) Try(_ context.Context, _ policy.AssetName, _ policy.AccountName, s vault.Secret) error {
	switch {
	case m.down != nil:
		return m.down
	case string(s) != m.takes:
		return &policy.Refusal{Rule: "target-login", Say: "no", Why: "no"}
	}
	return nil
}

func (m *machine) Tell(ctx context.Context, a policy.AssetName, n policy.AccountName, s vault.Secret, run string, lines []string) error {
	if m.saw != nil {
		m.saw()
	}
	if err := m.Try(ctx, a, n, s); err != nil {
		return err
	}
	m.told = append([]string{run}, lines...)
	if m.change != nil {
		m.takes = m.change(lines)
	}
	return m.err
}

type world struct {
	*vault.Vault
	t       testing.TB
	dir     string
	docs    *audit.Documents
	log     *statetest.Log
	rows    *state.Memory
	machine *machine
	over    map[policy.WindowID]bool
	at      time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), log: &statetest.Log{}, rows: state.NewMemory(), machine: &machine{}, over: map[policy.WindowID]bool{}, at: time.Unix(1_800_000_000, 0)}
	disk, err := durable.OpenDisk(w.dir, durable.Patience(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if w.docs, err = audit.OpenDocuments(filepath.Join(w.dir, "documents"), disk); err != nil {
		t.Fatal(err)
	}
	w.open()
	return w
}

// open is a start of the process, with the log and rows that are there.
func (w *world) open() {
	w.t.Helper()
	plant, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(plantText)})
	if err := problems.Err(); err != nil {
		w.t.Fatal(err)
	}
	box, err := seal.Open(filepath.Join(w.dir, "keys", "seal.key"), w.docs)
	if err != nil {
		w.t.Fatal(err)
	}
	journal := state.NewJournal("a", w.log, w.rows, vault.Fold())
	if _, err := journal.CatchUp(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.Vault = vault.New(vault.Parts{Plant: func() *policy.Plant { return plant }, Roster: roster{}, Journal: journal, Rows: w.rows, Log: w.log, Box: box,
		Over:    func(_ context.Context, id policy.WindowID) (bool, error) { return w.over[id], nil },
		Machine: w.machine, Now: func() time.Time { return w.at }})
}

// crash ends the process as it stands and starts the next one.
func (w *world) crash() {
	w.t.Helper()
	w.log = w.log.Restart()
	w.open()
}

func (w *world) set(account policy.AccountName, s string) {
	w.t.Helper()
	if err := w.Set(w.t.Context(), olaf, "plc", account, vault.Secret(s)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) use(account policy.AccountName, window policy.WindowID) []string {
	w.t.Helper()
	all, err := w.Use(w.t.Context(), vault.Use{Asset: "plc", Account: account, Window: window, Session: "S-1"})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, s := range all {
		out = append(out, string(s))
	}
	return out
}

func (w *world) types() string {
	var all []string
	for leaf, err := range w.log.Upto(w.t.Context(), 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, strings.TrimPrefix(leaf.Body.Type(), "secret."))
	}
	return strings.Join(all, " ")
}

func (w *world) known(account string) vault.Known {
	w.t.Helper()
	all, err := w.Secrets(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, k := range all {
		if k.Account == account {
			return k
		}
	}
	w.t.Fatalf("nothing is known of %s", account)
	return vault.Known{}
}

func ruleOf(err error) string {
	var r *policy.Refusal
	if errors.As(err, &r) {
		return r.Rule
	}
	return fmt.Sprint(err)
}

func sshKey(t testing.TB) string {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

func TestSetAndUse(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Use(t.Context(), vault.Use{Asset: "plc", Account: "maint", Window: "W-1"}); ruleOf(err) != "no-secret" {
		t.Errorf("nothing is sealed: %v", err)
	}
	w.set("maint", "correct horse")
	if got := w.use("maint", "W-1"); len(got) != 1 || got[0] != "correct horse" {
		t.Errorf("%q", got)
	}
	w.use("maint", "W-1")
	w.use("maint", "W-2")
	if k := w.known("maint"); strings.Join(k.Used, " ") != "W-1 W-2" || k.By != "olaf" || !k.Rotate {
		t.Errorf("%+v", k)
	}
	if got := w.types(); got != "sealed used used used" {
		t.Errorf("events: %s", got)
	}
	w.set("maint", "battery staple")
	if got := w.use("maint", ""); len(got) != 1 || got[0] != "battery staple" {
		t.Errorf("%q", got)
	}
	if k := w.known("maint"); len(k.Used) != 0 {
		t.Errorf("a new secret was used by %v", k.Used)
	}
	w.crash()
	if got := w.use("maint", ""); got[0] != "battery staple" {
		t.Errorf("after a restart: %q", got)
	}
}

// No file, leaf or row has a secret in it.
func TestNoSecretIsWrittenDown(t *testing.T) {
	w := newWorld(t)
	key := sshKey(t)
	w.set("maint", "correct horse")
	w.set("robot", key)
	w.machine.takes, w.machine.change = "correct horse", func(lines []string) string { return strings.Split(lines[0], ":")[2] }
	w.use("maint", "W-1")
	w.over["W-1"] = true
	if err := w.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	secrets := []string{"correct horse", w.machine.takes, strings.Split(key, "\n")[2]}
	look := func(where string, b []byte) {
		for _, s := range secrets {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("%s holds a secret", where)
			}
		}
	}
	err := filepath.WalkDir(filepath.Join(w.dir, "documents"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		look(path, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for leaf, err := range w.log.Upto(t.Context(), 0) {
		b, cerr := leaf.Canonical()
		if err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
		look(leaf.Body.Type(), b)
	}
	for row, err := range w.rows.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		look(row.Key, row.Value)
	}
}

func TestWhoMaySet(t *testing.T) {
	w := newWorld(t)
	for name, row := range map[string]struct {
		by      policy.PersonID
		account policy.AccountName
		secret  string
		rule    string
	}{
		"the shift":                 {"mia", "maint", "x", "not-security"},
		"an account by certificate": {"olaf", "cert", "x", "no-secret-wanted"},
		"an account that is not":    {"olaf", "nobody", "x", "no-secret-wanted"},
		"an empty password":         {"olaf", "maint", "", "bad-secret"},
		"a password of two lines":   {"olaf", "maint", "a\nb", "bad-secret"},
		"a password without an end": {"olaf", "maint", strings.Repeat("x", 300), "bad-secret"},
		"a password for a key":      {"olaf", "robot", "x", "bad-secret"},
		"a key as long as a book":   {"olaf", "robot", strings.Repeat("x", 20_000), "bad-secret"},
		"the public half of a key":  {"olaf", "robot", "ssh-ed25519 AAAA", "bad-secret"},
	} {
		if err := w.Set(t.Context(), people.Actor{Person: row.by}, "plc", row.account, vault.Secret(row.secret)); ruleOf(err) != row.rule {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.types() != "" {
		t.Errorf("events: %s", w.types())
	}
}

func TestShow(t *testing.T) {
	w := newWorld(t)
	w.set("maint", "correct horse")
	for name, row := range map[string]struct{ by, why, rule string }{
		"the shift":        {"mia", "because", "not-security"},
		"without a reason": {"olaf", " ", "no-text"},
	} {
		if s, err := w.Show(t.Context(), people.Actor{Person: policy.PersonID(row.by)}, "plc", "maint", row.why); ruleOf(err) != row.rule || s != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := w.Show(t.Context(), olaf, "plc", "maint", "the panel must be set by hand")
	if err != nil || string(s) != "correct horse" {
		t.Fatalf("%q %v", s, err)
	}
	if got := w.types(); got != "sealed shown" {
		t.Errorf("events: %s", got)
	}
	// Whoever has seen it keeps nothing: it is rotated at once.
	w.machine.takes, w.machine.change = "correct horse", func(lines []string) string { return strings.Split(lines[0], ":")[2] }
	if err := w.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.machine.takes == "correct horse" || w.use("maint", "")[0] != w.machine.takes {
		t.Error("it was not rotated")
	}
	if _, err := w.List(t.Context(), people.Actor{Person: "ann"}); ruleOf(err) != "plant-people-only" {
		t.Errorf("a vendor lists secrets: %v", err)
	}
	if all, err := w.List(t.Context(), people.Actor{Person: "mia"}); err != nil || len(all) != 3 {
		t.Errorf("%+v %v", all, err)
	}
}

// A document that is another account's opens nothing.
func TestAnotherAccountsDocument(t *testing.T) {
	w := newWorld(t)
	w.set("maint", "correct horse")
	maint := w.known("maint")
	stolen := audit.Event{Subject: "plc/panel", Rev: 1, Actor: "olaf", Body: audit.SecretSealed{Asset: "plc", Account: "panel", Kind: "password", Document: maint.Document, By: "olaf", At: w.at}}
	journal := state.NewJournal("a", w.log, w.rows, vault.Fold())
	if _, err := journal.Commit(t.Context(), "secret/plc/panel", stolen); err != nil {
		t.Fatal(err)
	}
	if all, err := w.Use(t.Context(), vault.Use{Asset: "plc", Account: "panel"}); err == nil || all != nil {
		t.Errorf("%q %v", all, err)
	}
}
