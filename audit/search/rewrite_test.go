package search

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"penstock/audit"
)

// lies says in which file of the index's folder a text stands.
func (r *rig) lies(text string) string {
	r.t.Helper()
	list, err := os.ReadDir(filepath.Join(r.dir, "search"))
	r.must(err)
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(r.dir, "search", e.Name()))
		r.must(err)
		if bytes.Contains(b, []byte(text)) {
			return e.Name()
		}
	}
	return ""
}

// expire lets go of S-1, whose words are in the file.
func (r *rig) expire() {
	r.t.Helper()
	r.twoSessions().ends()
	r.fill()
	if r.lies("drifts") == "" {
		r.t.Fatal("what S-1 showed is not in the file: nothing is shown by its being gone")
	}
	r.tell("S-1", "penstock", audit.RecordingExpired{Session: "S-1", Rule: "keep-look"})
}

// TestGoneFromTheDisk: what an expired recording showed is in no file any more,
// and whoever searches meanwhile is answered.
func TestGoneFromTheDisk(t *testing.T) {
	r := newRig(t)
	r.expire()
	q, err := ParseQuery("restarted", time.UTC)
	r.must(err)
	over := make(chan struct{})
	var searching sync.WaitGroup
	for range 2 {
		searching.Go(func() {
			for {
				if found, err := r.f.Find(context.Background(), q); err != nil || len(found.Hits) != 1 {
					t.Errorf("while the file is written anew: %+v %v", found, err)
					return
				}
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	r.fill()
	close(over)
	searching.Wait()
	if where := r.lies("drifts"); where != "" {
		t.Errorf("what S-1 showed lies in %s", where)
	}
	r.want("drifts")
	r.want("file:milk", "f S-1")
	r.want("restarted", "s S-2")
	s := r.begin("S-3", "ann", "filler-plc", "shell") // it is filled on
	s.shows("a fresh line\r\n")
	s.ends()
	r.fill()
	r.want("fresh", "s S-3")
}

// TestGoneAfterACrash: the log's word was taken in, and the process ended before
// the file was written anew; half of a new one lies there.
func TestGoneAfterACrash(t *testing.T) {
	r := newRig(t)
	r.expire()
	_, err := r.f.Fold(context.Background())
	r.must(err)
	if r.lies("drifts") == "" {
		t.Fatal("the file was written anew already: nothing is shown")
	}
	r.must(os.WriteFile(filepath.Join(r.dir, "search", freshFile), []byte("half, drifts"), 0o600))
	r.reopen(false)
	if where := r.lies("drifts"); where != "" {
		t.Errorf("what S-1 showed lies in %s", where)
	}
	r.want("restarted", "s S-2")
}

// TestCounts: what is counted step by step is what counting all gives.
func TestCounts(t *testing.T) {
	r := newRig(t)
	r.expire()
	r.fill()
	r.must(r.f.db.View(func(tx *bolt.Tx) error {
		want := counts{}
		for _, name := range []string{"S-1", "S-2"} {
			want.add(lookup(tx, name), 1)
		}
		if got := countsOf(tx); got != want || got.Sessions != 2 || got.Left != 1 {
			t.Errorf("counted %+v, and there are %+v", got, want)
		}
		return nil
	}))
}
