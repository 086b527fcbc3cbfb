package audit

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"penstock/audit/durable"
)

const testOrigin = "kiel.plant.example/audit/a"

func testOptions(t testing.TB) Options {
	t.Helper()
	skey, _, err := note.GenerateKey(rand.Reader, testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Origin: testOrigin, Node: "a", Signer: s, Clock: SystemClock()}
}

func someEvent(i int) Event {
	return Event{
		Subject: fmt.Sprintf("W-%d", i), Rev: uint64(i), Actor: "mia", Body: BlockLifted{Block: fmt.Sprintf("B-%d", i), By: "mia", Why: "<done> & gone"},
		Rows: map[string]Hash{"window/W-1": HashOf([]byte{byte(i)})},
	}
}

func TestAppendAndReadBack(t *testing.T) {
	base := t.TempDir()
	disk, err := durable.OpenDisk(base, durable.Patience(time.Minute)) // a busy machine is no fault
	if err != nil {
		t.Fatal(err)
	}
	o := testOptions(t)
	o.SegmentSize = 2000
	dir := filepath.Join(base, "log")
	ctx := context.Background()
	const rounds, each = 3, 300
	var wrote []Leaf
	for range rounds {
		l, err := OpenLog(dir, disk, o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range each {
			leaf, err := l.Append(ctx, someEvent(i))
			if err != nil {
				t.Fatal(err)
			}
			if leaf.Index != Index(len(wrote)) {
				t.Fatalf("leaf %d has index %d", len(wrote), leaf.Index)
			}
			wrote = append(wrote, leaf)
		}
		n := 0
		for leaf, err := range l.Upto(ctx, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(leaf) != fmt.Sprint(wrote[n]) {
				t.Fatalf("leaf %d reads\n%v, written was\n%v", n, leaf, wrote[n])
			}
			n++
		}
		if n != len(wrote) {
			t.Fatalf("read %d leaves of %d", n, len(wrote))
		}
		for _, want := range []Leaf{wrote[0], wrote[n/2], wrote[n-1]} {
			if got, err := l.Leaf(ctx, want.Place()); err != nil || got.Hash != want.Hash {
				t.Fatalf("leaf %v: %v", want.Place(), err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
