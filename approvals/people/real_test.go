package people

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"penstock/approvals/state"
	"penstock/approvals/state/bolt"
	"penstock/audit"
	"penstock/audit/durable"
)

// server is what cmd opens: disk, log, documents, rows, journal, roster.
type server struct {
	log   *audit.Log
	store *bolt.Store
	j     *state.Journal
	r     *Roster
	docs  *audit.Documents
}

func openServer(t *testing.T, dir string) *server {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	disk, err := durable.OpenDisk(dir)
	must(err)
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); disk.Run(running) }()
	t.Cleanup(func() { stop(); <-done })
	signer, _, err := audit.LogKeys(filepath.Join(dir, "keys"), "kiel.example/audit/a")
	must(err)
	log, err := audit.OpenLog(filepath.Join(dir, "log"), disk, audit.Options{
		Origin: "kiel.example/audit/a", Node: "a", Signer: signer, Clock: audit.SystemClock(),
	})
	must(err)
	docs, err := audit.OpenDocuments(filepath.Join(dir, "documents"), disk)
	must(err)
	store, err := bolt.Open(filepath.Join(dir, "state.db"))
	must(err)
	j := state.NewJournal("a", log, store, Fold(docs))
	_, err = j.CatchUp(ctx)
	must(err)
	told, err := j.Check(ctx)
	must(err)
	if len(told) > 0 {
		t.Errorf("told at start: %q", told)
	}
	return &server{log, store, j, NewRoster(j, store, docs), docs}
}

func (s *server) close(t *testing.T) {
	t.Helper()
	if err := s.store.Close(); err != nil {
		t.Error(err)
	}
	if err := s.log.Close(); err != nil {
		t.Error(err)
	}
}

// The real log, documents and store, through three lives of a server: the
// second finds state.db as it was, the third finds none.
func TestThreeLives(t *testing.T) {
	dir := t.TempDir()
	s := openServer(t, dir)
	hash, err := s.docs.Put(ctx, []byte(first()))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := s.j.Commit(ctx, "bootstrap/1", audit.Event{Subject: "bootstrap", Rev: 1, Actor: "penstock", Body: audit.LogCreated{Origin: "kiel", Bootstrap: hash}})
	if err != nil || leaf.Index != 0 {
		t.Fatalf("leaf %d, %v", leaf.Index, err)
	}
	olaf := Actor{Person: "olaf", Firm: "fjord", Plant: true, Proofs: []KeyKind{Password, TOTP}, At: time.Now(), Step: 1}
	overKey := Actor{Person: "olaf", Firm: "fjord", Plant: true, Proofs: []KeyKind{SSH}, At: time.Now()}
	if err := s.r.Enroll(ctx, overKey, Key{Kind: TOTP, Sealed: audit.HashOf([]byte("secret"))}); err != nil {
		t.Fatal(err)
	}
	inv, err := s.r.Invite(ctx, olaf, Invitation{Person: "kim", Firm: "krall", Name: "Kim Roth"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.log.Append(ctx, audit.Event{Body: audit.NodeStopped{}}); err != nil {
		t.Fatal(err)
	}
	s.close(t)

	s = openServer(t, dir)
	if _, err := s.r.Join(ctx, inv.Code, key("kim")); err != nil {
		t.Fatal(err)
	}
	if err := s.r.Confirm(ctx, olaf, "kim", fingerprint(key("kim"))); err != nil {
		t.Fatal(err)
	}
	before := stored(t, s.store)
	s.close(t)
	if err := os.Remove(filepath.Join(dir, "state.db")); err != nil {
		t.Fatal(err)
	}

	s = openServer(t, dir)
	defer s.close(t)
	if now := stored(t, s.store); !slices.EqualFunc(now, before, state.Row.Equal) {
		t.Fatalf("rows %v, want %v", now, before)
	}
	if kim, err := s.r.ByKey(ctx, key("kim")); err != nil || kim.ID != "kim" {
		t.Fatalf("kim: %+v, %v", kim, err)
	}
}

func stored(t *testing.T, s state.Store) (all []state.Row) {
	t.Helper()
	for r, err := range s.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}
