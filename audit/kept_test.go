package audit

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"penstock/audit/durable"
)

// reads counts how often a segment is opened to be read.
type reads struct {
	durable.FS
	n atomic.Int64
}

func (r *reads) OpenFile(name string, flag int, perm os.FileMode) (durable.File, error) {
	if flag == os.O_RDONLY && strings.HasSuffix(name, ".seg") {
		r.n.Add(1)
	}
	return r.FS.OpenFile(name, flag, perm)
}

// TestKeptLeaves: who follows the log, and who looks up the same leaf again,
// reads no disk; what they get is what the disk has.
func TestKeptLeaves(t *testing.T) {
	base := t.TempDir()
	count := &reads{FS: durable.OS}
	disk, err := durable.OpenDisk(base, durable.On(count), durable.Patience(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	l, err := OpenLog(filepath.Join(base, "log"), disk, testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const many = 3 * keptLeaves
	var wrote []Leaf
	for i := range many {
		leaf, err := l.Append(t.Context(), someEvent(i))
		if err != nil {
			t.Fatal(err)
		}
		wrote = append(wrote, leaf)
	}
	count.n.Store(0)
	at := many - keptLeaves
	for leaf, err := range l.Upto(t.Context(), Index(at)) {
		if err != nil || leaf.Hash != wrote[at].Hash {
			t.Fatalf("leaf %d: %v, %v", at, leaf.Hash, err)
		}
		at++
	}
	if n := count.n.Load(); n != 0 || at != many {
		t.Errorf("the newest leaves took %d looks at the disk, to leaf %d", n, at)
	}
	for range 3 {
		if leaf, err := l.Leaf(t.Context(), wrote[5].Place()); err != nil || leaf.Hash != wrote[5].Hash {
			t.Fatalf("leaf 5: %v", err)
		}
	}
	if n := count.n.Load(); n != 1 {
		t.Errorf("the same leaf three times took %d looks at the disk", n)
	}
	for i := range many - keptLeaves { // those looked up before make room
		if leaf, err := l.Leaf(t.Context(), wrote[i].Place()); err != nil || leaf.Hash != wrote[i].Hash {
			t.Fatalf("leaf %d: %v", i, err)
		}
	}
	if len(l.kept.looked) != keptLeaves {
		t.Errorf("%d leaves are kept", len(l.kept.looked))
	}
	// From what is kept no more to what is, and on: each leaf once.
	at = many - keptLeaves - 3
	for leaf, err := range l.Upto(t.Context(), Index(at)) {
		if err != nil || leaf.Hash != wrote[at].Hash {
			t.Fatalf("leaf %d: %v, %v", at, leaf.Hash, err)
		}
		at++
	}
	if at != many {
		t.Errorf("read to leaf %d of %d", at, many)
	}
}
