package search

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// A cut file faults where its pages are missing, once more on the way back of a
// change perhaps: that ends no process, holds nobody up, and the next start begins
// anew.
func TestACutIndexEndsNothing(t *testing.T) {
	torn := 0
	for seed := range 40 {
		dir := t.TempDir()
		path := filepath.Join(dir, indexFile)
		cutIndex(t, path, seed)
		over := make(chan error, 1)
		go func() { over <- useCut(dir) }()
		select {
		case err := <-over:
			if errors.Is(err, errTorn) {
				torn++
			}
		case <-time.After(time.Minute):
			t.Fatalf("layout %d: still waits", seed)
		}
		x, err := Open(dir, 1<<30)
		if err == nil {
			err = x.Close()
		}
		if err != nil {
			t.Fatalf("layout %d: %v", seed, err)
		}
	}
	if torn == 0 {
		t.Error("no index was found to be damaged: nothing was shown")
	}
}

// cutIndex leaves the first half of an index that was written now and then.
func cutIndex(t *testing.T, path string, seed int) {
	t.Helper()
	db, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db.NoSync = true
	for i := range 10 + seed*3 {
		err := db.Update(func(tx *bolt.Tx) error {
			return tx.Bucket(bText).Put([]byte(fmt.Sprint(i*7%50)), make([]byte, 100*(1+(seed*i)%37)))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err == nil {
		err = errors.Join(db.Close(), os.Truncate(path, info.Size()/2))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// useCut searches and fills it as Run does.
func useCut(dir string) error {
	x, err := Open(dir, 1<<30)
	if err != nil {
		return err
	}
	_ = x.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bText).ForEach(func(_, v []byte) error { _ = string(v); return nil })
	}) // an error, or none
	_, err = guarded(func() (bool, error) {
		return false, x.db.Update(func(tx *bolt.Tx) error {
			for i := range 50 {
				if err := tx.Bucket(bText).Put([]byte(fmt.Sprint(i)), make([]byte, 1000)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if errors.Is(err, errTorn) {
		NewFiller(x, nil, nil, slog.New(slog.DiscardHandler)).giveUp(err)
	}
	return errors.Join(err, x.Close())
}
