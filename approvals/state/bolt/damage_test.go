package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"penstock/approvals/state"
	"penstock/approvals/state/statetest"
	"penstock/audit"
)

var ctx = context.Background()

// owners is a fold of one kind: a firm's row is its newest event.
func owners(_ context.Context, _ state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	b, ok := leaf.Body.(audit.FirmChanged)
	if !ok {
		return nil, nil
	}
	value, err := audit.Canonical(b)
	return []state.Change{{Row: state.Row{Key: "firm/" + b.Firm, Rev: leaf.Rev, Value: value}}}, err
}

func commit(t *testing.T, j *state.Journal, firm string, rev uint64) {
	t.Helper()
	_, err := j.Commit(ctx, "firm/"+firm, audit.Event{Subject: firm, Rev: rev, Body: audit.FirmChanged{Firm: firm, Name: fmt.Sprint("name ", rev)}})
	if err != nil {
		t.Fatal(err)
	}
}

func all(t *testing.T, s *Store) (rows []string) {
	t.Helper()
	for r, err := range s.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, fmt.Sprintf("%s@%d %s %s", r.Key, r.Rev, r.Leaf, r.Value))
	}
	return rows
}

// edit is somebody with a bolt tool, while the server is down.
func edit(t *testing.T, path string, do func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err == nil {
		err = errors.Join(db.Update(do), db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRowsEditedInTheFile(t *testing.T) {
	row := func(change func([]byte) []byte) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			b := tx.Bucket(rowsBucket)
			return b.Put([]byte("firm/krall"), change(bytes.Clone(b.Get([]byte("firm/krall")))))
		}
	}
	for name, c := range map[string]struct {
		edit func(*bbolt.Tx) error
		says string
	}{
		"a value":     {row(func(b []byte) []byte { return bytes.Replace(b, []byte("name 2"), []byte("name 9"), 1) }), "row firm/krall differs from what leaf a/1 made: the value"},
		"a revision":  {row(func(b []byte) []byte { b[0]++; return b }), "row firm/krall differs from what leaf a/1 made: the revision"},
		"rubbish":     {row(func([]byte) []byte { return []byte("rubbish") }), "row firm/krall differs from what leaf a/1 made"},
		"nothing":     {row(func([]byte) []byte { return nil }), "row firm/krall differs from what leaf a/1 made"},
		"half a row":  {row(func(b []byte) []byte { return b[:2] }), "row firm/krall differs from what leaf a/1 made"},
		"a row taken": {func(tx *bbolt.Tx) error { return tx.Bucket(rowsBucket).Delete([]byte("firm/krall")) }, "row firm/krall is missing"},
		"a row put there": {func(tx *bbolt.Tx) error {
			return tx.Bucket(rowsBucket).Put([]byte("window/W-9"), []byte("\x01\x00\x01a={}"))
		}, `row "window/W-9" is one that no leaf made`},
		"applied put away": {func(tx *bbolt.Tx) error { return tx.Bucket(appliedBucket).Delete([]byte("a")) }, ""},
		"applied rubbish":  {func(tx *bbolt.Tx) error { return tx.Bucket(appliedBucket).Put([]byte("a"), []byte("x")) }, ""},
		"applied ahead": {func(tx *bbolt.Tx) error {
			return tx.Bucket(appliedBucket).Put([]byte("a"), bytes.Repeat([]byte{255}, 8))
		}, "the rows claim"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			log := &statetest.Log{}
			s := mustOpen(t, path)
			j := state.NewJournal("a", log, s, owners)
			commit(t, j, "krall", 1)
			commit(t, j, "krall", 2)
			commit(t, j, "zett", 1)
			before := all(t, s)
			s.Close()
			edit(t, path, c.edit)

			s = mustOpen(t, path)
			j = state.NewJournal("a", log, s, owners)
			if _, err := j.CatchUp(ctx); err != nil {
				t.Fatal(err)
			}
			told, err := j.Check(ctx)
			if err != nil || c.says == "" && len(told) > 0 || c.says != "" && (len(told) != 1 || !strings.HasPrefix(told[0], c.says)) {
				t.Fatalf("told %q, %v", told, err)
			}
			if now := all(t, s); !slices.Equal(now, before) {
				t.Fatalf("rows %q, want %q", now, before)
			}
			commit(t, j, "krall", 3)
		})
	}
}

func TestDeletedFileComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	log := &statetest.Log{}
	s := mustOpen(t, path)
	j := state.NewJournal("a", log, s, owners)
	for i := range 5 {
		commit(t, j, fmt.Sprint("f", i%2), uint64(i/2)+1)
	}
	before := all(t, s)
	s.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, path)
	n, err := state.NewJournal("a", log, s, owners).CatchUp(ctx)
	if now := all(t, s); err != nil || n != 5 || !slices.Equal(now, before) {
		t.Fatalf("%d leaves, %v: rows %q, want %q", n, err, now, before)
	}
}

func TestSecondServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	mustOpen(t, path)
	synctest.Test(t, func(t *testing.T) { // the second one waits in the bubble's time
		began := time.Now()
		_, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "another Penstock server") {
			t.Fatalf("%v", err)
		}
		if waited := time.Since(began); waited < time.Second || waited > 2*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	mustOpen(t, path).Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
		t.Fatalf("a file that others may read: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "no", "state.db")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("no folder: %v", err)
	}
}

// A file that is not rows says so, and what to do.
func TestGarbage(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole.db")
	s := mustOpen(t, whole)
	j := state.NewJournal("a", &statetest.Log{}, s, owners)
	for i := range 40 {
		commit(t, j, fmt.Sprint("f", i), 1)
	}
	s.Close()
	good, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.db")
	edit(t, other, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		return b.Put(formatKey, []byte("penstock rows 9"))
	})
	newer, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"text":            []byte(strings.Repeat("this is not a database\n", 2000)),
		"a little":        []byte("x"),
		"zeros":           make([]byte, 64<<10),
		"both metas gone": append(make([]byte, 8192), good[8192:]...),
		"another format":  newer,
	} {
		path := filepath.Join(t.TempDir(), "state.db")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A page of rubbish, or a file cut short, anywhere: an error or the right
	// rows, and never the end of the process.
	for at := 0; at < len(good); at += 4096 {
		for name, b := range map[string][]byte{
			"rubbish": slices.Concat(good[:at], bytes.Repeat([]byte{0xA5}, 4096), good[at+4096:]),
			"cut":     good[:at],
		} {
			path := filepath.Join(t.TempDir(), "state.db")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := use(path); err != nil && !strings.Contains(err.Error(), path) {
				t.Errorf("%s at %d: %v names no file", name, at, err)
			}
		}
	}
}

func use(path string) error {
	s, err := Open(path)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, err := range s.All(ctx) {
		if err != nil {
			return err
		}
	}
	if _, err := s.Applied(ctx, "a"); err != nil {
		return err
	}
	return s.Apply(ctx, audit.Leaf{Index: 1000, Node: "a"},
		[]state.Change{{Row: state.Row{Key: "firm/new", Rev: 1, Value: []byte("1")}}})
}

func FuzzRow(f *testing.F) {
	f.Add([]byte("\x01\x00\x01a={}"))
	f.Add([]byte("\x02\x07\x01a-"))
	f.Add([]byte("\x00\x00\x00="))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\xff\xff\x03a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode([]byte("firm/x"), b)
		if err != nil {
			return
		}
		again, err := decode([]byte("firm/x"), encode(r))
		if err != nil || !again.Equal(r) || r.Rev == 0 {
			t.Fatalf("%+v reads back as %+v, %v", r, again, err)
		}
	})
}

// A change to a cut file may fault once more on its way back, and leave bbolt's
// locks held: whatever pages the cut took, the file is let go of, and the next
// change is an error and no wait.
func TestACutFileHoldsNobodyUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	torn := 0
	for seed := range uint64(40) {
		cutRows(t, path, rand.New(rand.NewPCG(seed, 1)))
		over := make(chan bool, 1)
		go func() {
			s, err := Open(path)
			if err != nil {
				over <- false
				return
			}
			for i := range 20 {
				_ = s.Mend(ctx, "a", audit.Index(i), []state.Row{{Key: fmt.Sprintf("firm/%d", i), Rev: 900, Value: make([]byte, 1000)}}) // an error or none
			}
			_ = s.Close()
			over <- s.torn.Load() != nil
		}()
		select {
		case was := <-over:
			if was {
				torn++
			}
		case <-time.After(time.Minute):
			t.Fatalf("seed %d: still waits", seed)
		}
	}
	if torn == 0 {
		t.Error("no change was torn: nothing was shown")
	}
}

// cutRows leaves the first half of a file of rows that were changed now and then.
func cutRows(t *testing.T, path string, r *rand.Rand) {
	t.Helper()
	_ = os.Remove(path) // of the round before
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	s.db.NoSync = true
	revs := map[string]uint64{}
	for i := range 10 + r.IntN(150) {
		key := fmt.Sprintf("firm/%d", r.IntN(60))
		revs[key]++
		row := state.Row{Key: key, Rev: revs[key], Value: make([]byte, 1+r.IntN(2500))}
		if err := s.Apply(ctx, audit.Leaf{Index: audit.Index(i), Node: "a"}, []state.Change{{Row: row}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}
