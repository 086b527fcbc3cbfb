package approvals

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/approvals/state/bolt"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/policy"
)

// realParts is a Desk over the real log, documents and state.db in a folder.
type realParts struct {
	*world
	t     *testing.T
	dir   string
	log   *audit.Log
	store *bolt.Store
	end   func()
}

func openReal(t *testing.T, dir string) *realParts {
	t.Helper()
	r := &realParts{world: &world{t: t, ctx: t.Context(), at: start, stops: &stops{}}, t: t, dir: dir}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	disk, err := durable.OpenDisk(dir)
	must(err)
	signer, _, err := audit.LogKeys(filepath.Join(dir, "keys"), "kiel.example/audit/a")
	must(err)
	clock := audit.SystemClock()
	clock.Wall = r.now
	r.log, err = audit.OpenLog(filepath.Join(dir, "log"), disk, audit.Options{Origin: "kiel.example/audit/a", Node: "a", Signer: signer, Clock: clock})
	must(err)
	r.docs, err = audit.OpenDocuments(filepath.Join(dir, "documents"), disk)
	must(err)
	r.store, err = bolt.Open(filepath.Join(dir, "state.db"))
	must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- disk.Run(ctx) }()
	r.end = func() {
		must(r.log.Close())
		cancel()
		must(<-ran)
		must(r.store.Close())
	}
	r.jour = state.NewJournal("a", r.log, r.store, people.Fold(r.docs), Fold(r.docs))
	_, err = r.jour.CatchUp(r.ctx)
	must(err)
	roster := people.NewRoster(r.jour, r.store, r.docs)
	r.desk = NewDesk(Parts{Plant: thePlant, Roster: roster, Journal: r.jour, Rows: r.store, Leaves: r.log, Docs: r.docs, Log: r.log, Now: r.now})
	r.desk.Stops(r.stops)
	return r
}

// edit changes bytes of a row in the closed file.
func (r *realParts) edit(key, old, new string) {
	db, err := bbolt.Open(filepath.Join(r.dir, "state.db"), 0o600, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("rows"))
		row := b.Get([]byte(key))
		if !bytes.Contains(row, []byte(old)) {
			r.t.Fatalf("row %s has no %q: %q", key, old, row)
		}
		return b.Put([]byte(key), bytes.Replace(row, []byte(old), []byte(new), 1))
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// The real file, edited with the server down; and then deleted.
func TestOnRealFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := openReal(t, dir)
	r.commit("bootstrap/1", audit.Event{Subject: "bootstrap", Rev: 1, Actor: penstock, Body: audit.LogCreated{Origin: "test", Bootstrap: r.put(bootstrap())}})
	sealed := r.put([]byte("sealed"))
	for _, id := range names() {
		r.commit("person/"+string(id), audit.Event{Subject: string(id), Rev: 2, Actor: string(id),
			Body: audit.KeyEnrolled{Person: string(id), Kind: "totp", Key: "totp", Sealed: sealed, By: string(id)}})
	}
	if _, err := r.log.Append(r.ctx, audit.Event{Subject: "plant", Actor: penstock, Body: audit.ConfigChanged{Kind: "plant", Document: r.put(thePlant().Document())}}); err != nil {
		t.Fatal(err)
	}
	r.open()
	r.open(func(a *Ask) { a.Minutes = 30 })
	if _, err := r.desk.End(r.ctx, r.as("mia"), "W-1", "done"); err != nil {
		t.Fatal(err)
	}
	if !r.live("W-2") || r.live("W-1") {
		t.Fatal("one is open, one has ended")
	}
	r.end()

	r.edit("window/W-1", `"state":"ended"`, `"state":"open"`)
	r.edit("window/W-2", `"until":"2026-11-23T08:30:00Z"`, `"until":"2026-11-23T15:30:00Z"`)
	r = openReal(t, dir) // nobody runs Journal.Check
	for _, id := range []policy.WindowID{"W-1", "W-2"} {
		if f, err := r.desk.Facts(r.ctx, id, "ann"); rule(err) != "row-differs" || f.Window.Live {
			t.Fatalf("%s: %+v %v", id, f.Window, err)
		}
	}
	if differences, err := r.jour.Check(r.ctx); err != nil || len(differences) != 2 {
		t.Fatalf("%q %v", differences, err)
	}
	if r.state("W-1") != WindowEnded || !r.live("W-2") {
		t.Fatal("not made again")
	}
	r.end()

	if err := os.Remove(filepath.Join(dir, "state.db")); err != nil {
		t.Fatal(err)
	}
	r = openReal(t, dir)
	if r.state("W-1") != WindowEnded || !r.live("W-2") {
		t.Fatal("not rebuilt")
	}
	v, err := r.desk.Request(r.ctx, r.as("ann"), "R-1")
	if err != nil || len(v.Answers) != 1 || v.Answers[0].Says != evidence.Yes {
		t.Fatalf("%+v %v", v, err)
	}
	r.pass(30 * time.Minute)
	r.settle()
	if r.state("W-2") != WindowEnded {
		t.Fatal(r.state("W-2"))
	}
	r.end()
}

// BenchmarkFacts is what each channel's opening costs here, with
// twenty blocks in force.
func BenchmarkFacts(b *testing.B) {
	w := newWorld(b, nil)
	w.open()
	for range 20 {
		if _, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Person: "eve"}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := w.desk.Facts(w.ctx, "W-1", "ann"); err != nil {
			b.Fatal(err)
		}
	}
}
