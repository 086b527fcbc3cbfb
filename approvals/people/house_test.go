package people

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/state"
	"penstock/approvals/state/statetest"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/policy"
)

// key is the public key of a name, always the same one.
func key(name string) string {
	seed := sha256.Sum256([]byte(name))
	pub, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(seed[:]).Public())
	if err != nil {
		panic(err)
	}
	return authorized(pub)
}

func fingerprint(text string) string {
	_, f, err := parseKey(text)
	if err != nil {
		panic(err)
	}
	return f
}

// first is the bootstrap file of the tests: mia on shift, olaf who sponsors
// krall, sven and nora of OT security, ann of krall.
func first() string {
	return fmt.Sprintf(`
firms:
  fjord: {name: Fjord Dairy Kiel, plant: true}
  krall: {name: Krall Fillers, sponsor: olaf, networks: [198.51.100.0/24], until: 2027-03-31}
people:
  mia: {name: Mia Voss, firm: fjord, roles: [shift], key: %s}
  olaf: {name: Olaf Brandt, firm: fjord, roles: [maintenance], key: %s}
  sven: {name: Sven Ott, firm: fjord, roles: [ot-security], key: %s}
  nora: {name: Nora Lind, firm: fjord, roles: [ot-security, shift], key: %s}
  ann: {name: Ann Berg, firm: krall, key: %s}
`, key("mia"), key("olaf"), key("sven"), key("nora"), key("ann"))
}

// house is a roster with a real journal and real documents.
type house struct {
	t     testingT
	log   *statetest.Log
	docs  *audit.Documents
	store *state.Memory
	j     *state.Journal
	r     *Roster
	now   time.Time
}

type testingT interface {
	statetest.T
	Error(args ...any)
	Errorf(format string, args ...any)
}

var ctx = context.Background()

func documents(t *testing.T) *audit.Documents {
	t.Helper()
	disk, err := durable.OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); disk.Run(running) }()
	t.Cleanup(func() { stop(); <-done })
	docs, err := audit.OpenDocuments(t.TempDir(), disk)
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func newHouse(t testingT, docs *audit.Documents) *house {
	t.Helper()
	h := &house{t: t, docs: docs}
	h.bootstrap(first())
	return h
}

func (h *house) bootstrap(file string) {
	h.t.Helper()
	h.log, h.store, h.now = &statetest.Log{Now: func() time.Time { return h.now }}, state.NewMemory(), time.Date(2026, 11, 22, 3, 7, 0, 0, time.UTC)
	h.wire()
	hash, err := h.docs.Put(ctx, []byte(file))
	h.ok(err)
	_, err = h.j.Commit(ctx, "bootstrap/1", audit.Event{
		Subject: "bootstrap", Rev: 1, Actor: "penstock", Body: audit.LogCreated{Origin: "kiel", Bootstrap: hash},
	})
	h.ok(err)
	for _, id := range []policy.PersonID{"mia", "olaf", "sven", "nora"} {
		if _, err := h.r.Person(ctx, id); err == nil {
			h.ok(h.r.Enroll(ctx, h.overKey(id), Key{Kind: TOTP, Sealed: audit.HashOf([]byte(id))}))
		}
	}
}

func (h *house) wire() {
	h.j = state.NewJournal("a", h.log, h.store, Fold(h.docs))
	h.r = NewRoster(h.j, h.store, h.docs)
	h.r.Now = func() time.Time { return h.now }
	h.r.Roles = func(r policy.Role) bool {
		return slices.Contains([]policy.Role{"shift", "maintenance", "ot-security"}, r)
	}
}

// actor is a person who has just given a code.
func (h *house) actor(id policy.PersonID) Actor {
	h.t.Helper()
	p, err := h.r.Person(ctx, id)
	if err != nil {
		h.t.Fatal(err)
	}
	f, err := h.r.Firm(ctx, p.Firm)
	if err != nil {
		h.t.Fatal(err)
	}
	return Actor{
		Person: id, Firm: p.Firm, Plant: f.Plant, Roles: p.Roles,
		Proofs: []KeyKind{Password, TOTP}, At: h.now, Step: h.now.Unix() / 30,
	}
}

// overKey is a person who has just proved their ssh key and nothing else.
func (h *house) overKey(id policy.PersonID) Actor {
	a := h.actor(id)
	a.Proofs, a.Step = []KeyKind{SSH}, 0
	return a
}

func (h *house) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// refused asks for a refusal by name, and that nothing was written by it.
func (h *house) refused(rule string, do func() error) {
	h.t.Helper()
	size := h.log.Size()
	err := do()
	var r *policy.Refusal
	if !errors.As(err, &r) || r.Rule != rule {
		h.t.Fatalf("%v; want a refusal by %s", err, rule)
	}
	if r.Say == "" || r.Why == "" || !strings.HasSuffix(r.Say, ".") {
		h.t.Errorf("a refusal says what to do and why: %+v", r)
	}
	if h.log.Size() != size {
		h.t.Errorf("%s was refused and written", rule)
	}
}

func (h *house) invite(by, who policy.PersonID, firm policy.FirmID, roles ...policy.Role) Invitation {
	h.t.Helper()
	inv, err := h.r.Invite(ctx, h.actor(by), Invitation{Person: who, Firm: firm, Name: "Some One", Roles: roles})
	h.ok(err)
	return inv
}

// enters is invitation, join and confirmation.
func (h *house) enters(inviter, confirmer, who policy.PersonID, firm policy.FirmID, roles ...policy.Role) {
	h.t.Helper()
	_, err := h.r.Join(ctx, h.invite(inviter, who, firm, roles...).Code, key(string(who)))
	h.ok(err)
	h.ok(h.r.Confirm(ctx, h.actor(confirmer), who, fingerprint(key(string(who)))))
}

func (h *house) byKey(text string) policy.PersonID {
	p, err := h.r.ByKey(ctx, text)
	if err != nil {
		return ""
	}
	return p.ID
}

// rebuilt compares the rows with those that a deleted state.db comes back with.
func (h *house) rebuilt() {
	h.t.Helper()
	fresh := state.NewMemory()
	if _, err := state.NewJournal("a", h.log, fresh, Fold(h.docs)).CatchUp(ctx); err != nil {
		h.t.Fatal(err)
	}
	if have, want := rows(h.t, h.store), rows(h.t, fresh); !slices.Equal(have, want) {
		h.t.Fatalf("rows\n have %s\n want %s", strings.Join(have, "\n      "), strings.Join(want, "\n      "))
	}
}

func rows(t testingT, s *state.Memory) (all []string) {
	for r, err := range s.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s@%d %s %s", r.Key, r.Rev, r.Leaf, r.Value))
	}
	return all
}
