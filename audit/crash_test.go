package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"penstock/audit/durable"
	"penstock/audit/durable/faultdisk"
)

// openOn opens a log on a faulty disk.
func openOn(fault *faultdisk.Disk, base string, o Options) (*Log, error) {
	disk, err := durable.OpenDisk(base, durable.On(fault))
	if err != nil {
		return nil, err
	}
	return OpenLog(filepath.Join(base, "log"), disk, o)
}

// life is one start of a log that writes a few leaves; it returns those acknowledged.
func life(fault *faultdisk.Disk, base string, o Options, from, count int) (acked []Leaf, err error) {
	l, err := openOn(fault, base, o)
	if err != nil {
		return nil, err
	}
	for i := range count {
		leaf, err := l.Append(context.Background(), someEvent(from+i))
		if err != nil {
			return acked, errors.Join(err, l.Close())
		}
		acked = append(acked, leaf)
	}
	return acked, l.Close()
}

// Each write, sync and rename fails once, before and after it is done; the
// power goes; the next start has all that was acknowledged and nothing else.
func TestEachOperationFailsThenPowerCut(t *testing.T) {
	o := testOptions(t)
	o.SegmentSize = 300 // a leaf: new segments are in the story
	for _, tt := range []struct {
		name string
		when faultdisk.When
		keep func(n int) faultdisk.Keep
		from int // and then every second: of the two torn ones each takes the other half
		by   int
	}{
		{"before, unsynced is lost", faultdisk.Before, func(int) faultdisk.Keep { return faultdisk.Lost() }, 1, 1},
		{"before, a kill only", faultdisk.Before, func(int) faultdisk.Keep { return faultdisk.All() }, 1, 1},
		{"before, unsynced is torn", faultdisk.Before, tornBy, 1, 2},
		{"after, unsynced is lost", faultdisk.After, func(int) faultdisk.Keep { return faultdisk.Lost() }, 1, 1},
		{"half done, unsynced is torn", faultdisk.Half, tornBy, 2, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := tt.from
			for ; ; n += tt.by {
				if !failOnce(t, o, n, tt.when, tt.keep(n)) {
					break
				}
			}
			if n < 40 {
				t.Fatalf("only %d operations were broken: the story is too short", n)
			}
		})
	}
}

func tornBy(n int) faultdisk.Keep { return faultdisk.Torn(rand.New(rand.NewPCG(uint64(n), 7))) }

// failOnce runs two lives, the second of which breaks at operation n; false: it has fewer.
func failOnce(t *testing.T, o Options, n int, when faultdisk.When, keep faultdisk.Keep) bool {
	t.Helper()
	base, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	fault := faultdisk.New(base)
	fault.Fail(n, when)
	acked, _ := life(fault, base, o, 0, 2)
	more, _ := life(fault, base, o, 2, 2)
	acked = append(acked, more...)
	fired := fault.Fired()
	if err := fault.PowerCut(keep); err != nil {
		t.Fatal(err)
	}
	last, err := life(fault, base, o, 8, 2)
	if err != nil {
		t.Fatalf("operation %d: the start after the power cut: %v", n, err)
	}
	checkLog(t, fault, base, o, append(acked, last...), 10)
	if err := os.RemoveAll(base); err != nil {
		t.Fatal(err)
	}
	return fired
}

// checkLog reads the log offline: whole, everything acknowledged in it, and
// nothing that nobody wrote.
func checkLog(t *testing.T, fsys durable.FS, base string, o Options, acked []Leaf, tried int) {
	t.Helper()
	r, err := openReader(fsys, filepath.Join(base, "log"), selfVerifier{o.Signer})
	if err != nil {
		t.Fatal(err)
	}
	tries := map[string]bool{}
	for i := range tried {
		tries[someEvent(i).Subject] = true
	}
	there := map[Index]Hash{}
	for leaf, err := range r.All(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if _, ours := leaf.Body.(LogRecovered); !ours && !tries[leaf.Subject] {
			t.Fatalf("leaf %d, %s of %s: nobody wrote that", leaf.Index, leaf.Body.Type(), leaf.Subject)
		}
		there[leaf.Index] = leaf.Hash
	}
	for _, leaf := range acked {
		if there[leaf.Index] != leaf.Hash {
			t.Fatalf("leaf %d was acknowledged and is not there", leaf.Index)
		}
	}
}

// A batch of several leaves, torn in its middle by the power, is cut as one
// tail: none of it was acknowledged, though whole frames stand behind the hole.
func TestTornBatchIsCut(t *testing.T) {
	o := testOptions(t)
	cuts := 0
	for seed := range uint64(25) {
		base := t.TempDir()
		fault := faultdisk.New(base)
		acked, err := life(fault, base, o, 0, 2)
		if err != nil {
			t.Fatal(err)
		}
		l, err := openOn(fault, base, o)
		if err != nil {
			t.Fatal(err)
		}
		fault.On(func(op faultdisk.Op) faultdisk.When {
			if op.Kind == "sync" {
				return faultdisk.Half // nothing of it is kept, but by chance
			}
			return faultdisk.Never
		})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if _, err := l.Append(context.Background(), someEvent(2+i)); err == nil {
					t.Error("a leaf was acknowledged without a sync")
				}
			})
		}
		wg.Wait()
		l.Close()
		tear(t, filepath.Join(base, "log", "entries", segmentName(0)), acked, seed)
		fault = faultdisk.New(base)
		again, err := openOn(fault, base, o)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if again.Size() > 2 {
			leaf, err := again.Leaf(context.Background(), Place{"a", again.Size() - 1})
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := leaf.Body.(LogRecovered); ok {
				cuts++
			}
		}
		again.Close()
		checkLog(t, fault, base, o, acked, 10)
	}
	if cuts == 0 {
		t.Error("no tail was ever cut")
	}
}

// tear zeroes some sectors of what was written behind the acknowledged leaves.
func tear(t *testing.T, path string, acked []Leaf, seed uint64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for range acked {
		_, _, size, err := parseFrame(b[at:])
		if err != nil {
			t.Fatal(err)
		}
		at += size
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	for ; at < len(b); at += 512 {
		if rng.IntN(3) == 0 {
			clear(b[at:min(len(b), at+512)])
		}
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

const childDir = "PENSTOCK_TEST_LOG_CHILD" // set in the process that is killed

// appendForever is the child of TestKill: it tells each leaf once it is durable.
func appendForever(dir, skey string) error {
	s, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	disk, err := durable.OpenDisk(dir)
	if err != nil {
		return err
	}
	go disk.Run(context.Background())
	l, err := OpenLog(filepath.Join(dir, "log"), disk, Options{
		Origin: testOrigin, Node: "a", Signer: s, Clock: SystemClock(), SegmentSize: 64 << 10})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				leaf, err := l.Append(context.Background(), someEvent(w*1000+i%1000))
				if err != nil {
					return
				}
				mu.Lock()
				fmt.Println(leaf.Index, leaf.Hash)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return l.Err()
}

// kill -9 at any moment under load loses nothing that was acknowledged.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	skey, vkey, err := note.GenerateKey(rand32{rand.NewChaCha8([32]byte{1})}, testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	acked := map[Index]Hash{}
	for round := range 4 {
		killOnce(t, dir, skey, 150+97*round, acked)
		s, err := note.NewSigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		disk, err := durable.OpenDisk(dir)
		if err != nil {
			t.Fatal(err)
		}
		l, err := OpenLog(filepath.Join(dir, "log"), disk, Options{Origin: testOrigin, Node: "a", Signer: s, Clock: SystemClock()})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r, err := OpenReader(filepath.Join(dir, "log"), v)
	if err != nil {
		t.Fatal(err)
	}
	there := map[Index]Hash{}
	for leaf, err := range r.All(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		there[leaf.Index] = leaf.Hash
	}
	for i, h := range acked {
		if there[i] != h {
			t.Errorf("leaf %d was acknowledged and is not there", i)
		}
	}
}

// killOnce lets a child acknowledge some leaves and kills it in the middle of more.
func killOnce(t *testing.T, dir, skey string, after int, acked map[Index]Hash) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childDir+"="+dir, childDir+"_KEY="+skey) // a test's key
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for s := bufio.NewScanner(out); s.Scan(); {
		var i Index
		var text string
		if _, err := fmt.Sscan(s.Text(), &i, &text); err != nil {
			continue // the kill cut the line
		}
		h, err := ParseHash(text)
		if err != nil {
			continue
		}
		acked[i] = h
		if n++; n == after {
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Wait(); err == nil || n < after {
		t.Fatalf("the child ended by itself after %d leaves: %v", n, err)
	}
}

// rand32 is a source of test keys that are the same in every run.
type rand32 struct{ *rand.ChaCha8 }

func (r rand32) Read(b []byte) (int, error) { return io.ReadFull(r.ChaCha8, b) }

// The file hashes is never synced: what a power cut left of it is not believed
// for leaves that no checkpoint covers, though they stand in older segments.
func TestHashesAboveTheCheckpointAreNotBelieved(t *testing.T) {
	o := testOptions(t)
	o.SegmentSize = 300 // a segment for each leaf
	base := t.TempDir()
	if _, err := life(faultdisk.New(base), base, o, 0, 2); err != nil {
		t.Fatal(err)
	}
	early := snapshot0(t, base, checkpoint, floorFile)
	acked, err := life(faultdisk.New(base), base, o, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	early["hashes"] = snapshot0(t, base, "hashes")["hashes"]
	clear(early["hashes"][3*32 : 4*32]) // leaf 2: no inner node stands on it yet
	for name, b := range early {
		if err := os.WriteFile(filepath.Join(base, "log", name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fault := faultdisk.New(base)
	if _, err := life(fault, base, o, 5, 1); err != nil {
		t.Fatal(err)
	}
	checkLog(t, fault, base, o, acked, 6)
}
