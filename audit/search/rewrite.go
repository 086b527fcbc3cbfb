package search

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"

	"penstock/audit/durable"
)

// What a recording that is gone had shown goes out of the index in one
// transaction, and bbolt keeps the bytes of freed pages until it needs them. So
// the file is written anew then, and the old one taken away: what has expired
// shall not lie in a folder that somebody copies.

const (
	indexFile = "index.db"
	freshFile = "index.db.new" // what a crash left of one is thrown away
	compactTx = 1 << 20        // bytes of a transaction while it is written
	tryAgain  = time.Hour      // after a failure: it may need as much room as the index has
)

var keyStale = []byte("stale")

// stale notes that the file has bytes of what is gone, in the transaction that takes it out.
func stale(tx *bolt.Tx) error { return tx.Bucket(bMeta).Put(keyStale, []byte{1}) }

// clean writes the file anew, if it has bytes of what is gone. People search
// meanwhile; they wait only while one file takes the other's place.
func (f *Filler) clean() error {
	if time.Now().Before(f.notBefore) {
		return nil
	}
	dirty := false
	if err := f.db.View(func(tx *bolt.Tx) error { dirty = tx.Bucket(bMeta).Get(keyStale) != nil; return nil }); err != nil || !dirty {
		return err
	}
	if err := f.rewrite(); err != nil {
		f.notBefore = time.Now().Add(tryAgain)
		return fmt.Errorf("write the search index without what is gone: %w", err)
	}
	return nil
}

func (x *Index) rewrite() (err error) {
	path, fresh := filepath.Join(x.dir, indexFile), filepath.Join(x.dir, freshFile)
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	dst, err := bolt.Open(fresh, 0o600, &bolt.Options{Timeout: time.Second, NoSync: true})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(fresh) // the next start would
		}
	}()
	err = bolt.Compact(dst, x.db, compactTx)
	if err == nil {
		err = dst.Update(func(tx *bolt.Tx) error { return tx.Bucket(bMeta).Delete(keyStale) })
	}
	if err == nil {
		err = dst.Sync()
	}
	if closed := dst.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	x.swap.Lock()
	defer x.swap.Unlock()
	if err := x.db.Close(); err != nil {
		return err
	}
	moved := os.Rename(fresh, path)
	if moved == nil {
		moved = durable.SyncDir(x.dir)
	}
	if x.db, err = openFile(path); err != nil { // the closed one stays in its place: whoever searches is told that it is
		x.db = new(bolt.DB)
	}
	if moved != nil {
		return moved
	}
	return err
}

// view is a look at the index for who is not its filler.
func (x *Index) view(look func(*bolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = asError(p)
		}
	}()
	x.swap.RLock()
	defer x.swap.RUnlock()
	return x.db.View(look)
}

// counts are how many sessions are in, and of how many something is not.
type counts struct{ Sessions, Sealed, Left int }

var keyCounts = []byte("counts")

func countsOf(tx *bolt.Tx) (c counts) {
	_ = json.Unmarshal(tx.Bucket(bMeta).Get(keyCounts), &c) // absent: none
	return c
}

// add counts a session n times.
func (c *counts) add(s *session, n int) {
	c.Sessions += n
	switch {
	case s.Sealed:
		c.Sealed += n
	case s.Left != "":
		c.Left += n
	}
}

// count takes one version of a session out of the counts and the next in.
func count(tx *bolt.Tx, old, now *session) error {
	before := countsOf(tx)
	c := before
	if old != nil {
		c.add(old, -1)
	}
	c.add(now, 1)
	if c == before {
		return nil
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return tx.Bucket(bMeta).Put(keyCounts, b)
}
