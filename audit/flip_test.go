package audit

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/audit/durable/faultdisk"
)

// smallLog is a closed log of count leaves in two segments.
func smallLog(t *testing.T, o Options, count int) (base string) {
	t.Helper()
	base = t.TempDir()
	if _, err := life(faultdisk.New(base), base, o, 0, count); err != nil {
		t.Fatal(err)
	}
	return base
}

// findings reads a log offline and says what is wrong with it.
func findings(t *testing.T, base string, o Options) (leaves int, found []*Damage) {
	t.Helper()
	r, err := OpenReader(filepath.Join(base, "log"), selfVerifier{o.Signer})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range r.All(context.Background()) {
		if err == nil {
			leaves++
			continue
		}
		d, ok := err.(*Damage)
		if !ok {
			t.Fatal(err)
		}
		found = append(found, d)
	}
	return leaves, found
}

// serves opens a log as the server does and reads all of it.
func serves(base string, o Options) (leaves []Leaf, err error) {
	l, err := openOn(faultdisk.New(base), base, o)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	for leaf, err := range l.Upto(context.Background(), 0) {
		if err != nil {
			return leaves, err
		}
		leaves = append(leaves, leaf)
	}
	return leaves, nil
}

// restore puts files back as they were.
func restore(t *testing.T, base string, files map[string][]byte) {
	t.Helper()
	log := filepath.Join(base, "log")
	if err := os.RemoveAll(log); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(log, "entries"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(log, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func snapshot(t *testing.T, base string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range []string{"checkpoint", "checkpoint.synced", "hashes", "entries/00000000.seg", "entries/00000001.seg"} {
		b, err := os.ReadFile(filepath.Join(base, "log", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = b
	}
	return files
}

func TestEveryByteFlipped(t *testing.T) {
	t.Parallel()
	o := testOptions(t)
	o.SegmentSize = 500
	base := smallLog(t, o, 3)
	whole := snapshot(t, base)
	for name, b := range whole {
		restore(t, base, whole)
		for at := range b {
			if name == "hashes" && at%16 != 0 {
				continue
			}
			bad := bytes.Clone(b)
			bad[at] ^= 1 << (at % 8)
			if err := os.WriteFile(filepath.Join(base, "log", name), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			leaves, found := findings(t, base, o)
			if name == "hashes" {
				served, err := serves(base, o)
				if len(found) != 0 || err != nil || leaves != 3 || len(served) != 3 {
					t.Fatalf("hashes, byte %d: it can be made again, and yet: %v, %v", at, found, err)
				}
				continue
			}
			if len(found) == 0 {
				t.Fatalf("%s, byte %d: unnoticed by the reader", name, at)
			}
			if strings.HasPrefix(name, "entries") && (len(found) != 1 || leaves != 2 || !strings.HasSuffix(found[0].File, name)) {
				t.Fatalf("%s, byte %d: %d leaves are left, and found is %v", name, at, leaves, found)
			}
			if at%8 != 0 { // the server's start costs more, and reads with the same code
				continue
			}
			if _, err := serves(base, o); err == nil {
				t.Fatalf("%s, byte %d: unnoticed by the server", name, at)
			}
		}
	}
}

// Cut at each length: damage, or a clean recovery where no checkpoint covers
// what is gone.
func TestEveryLengthCut(t *testing.T) {
	t.Parallel()
	o := testOptions(t)
	o.SegmentSize = 300
	base := smallLog(t, o, 1)
	early := snapshot0(t, base, "checkpoint", "checkpoint.synced") // covers 1 leaf
	o.SegmentSize = 301                                            // the next two leaves share a segment
	if _, err := life(faultdisk.New(base), base, o, 1, 2); err != nil {
		t.Fatal(err)
	}
	whole := snapshot(t, base)
	for _, covered := range []int{3, 1} {
		files := map[string][]byte{}
		for name, b := range whole {
			files[name] = b
			if covered == 1 && early[name] != nil {
				files[name] = early[name]
			}
		}
		for _, name := range []string{"entries/00000000.seg", "entries/00000001.seg"} {
			for size := range len(whole[name]) {
				restore(t, base, files)
				if err := os.Truncate(filepath.Join(base, "log", name), int64(size)); err != nil {
					t.Fatal(err)
				}
				checkCut(t, base, o, name, size, covered, whole)
			}
		}
	}
}

func snapshot0(t *testing.T, base string, names ...string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(base, "log", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = b
	}
	return files
}

// checkCut judges one cut by how many whole frames it leaves.
func checkCut(t *testing.T, base string, o Options, name string, size, covered int, whole map[string][]byte) {
	t.Helper()
	frames := 0
	inFirst := 0
	for b := whole["entries/00000000.seg"]; len(b) > 0; inFirst++ {
		_, _, n, err := parseFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	border := false
	for b := whole[name][:size]; ; frames++ {
		_, _, n, err := parseFrame(b)
		if err != nil {
			border = len(b) == 0
			break
		}
		b = b[n:]
	}
	_, found := findings(t, base, o)
	if strings.HasSuffix(name, "0.seg") || inFirst+frames < covered {
		if len(found) == 0 {
			t.Fatalf("%s cut to %d, %d covered: unnoticed by the reader", name, size, covered)
		}
		if size%8 != 0 { // the server's start costs more, and reads with the same code
			return
		}
		if _, err := serves(base, o); err == nil {
			t.Fatalf("%s cut to %d, %d covered: unnoticed by the server", name, size, covered)
		}
		return
	}
	if len(found) != 0 {
		t.Fatalf("%s cut to %d, %d covered: the reader calls a torn tail damage: %v", name, size, covered, found)
	}
	if !border && size%4 != 0 {
		return
	}
	served, err := serves(base, o)
	want := inFirst + frames
	if !border {
		want++ // log.recovered
	}
	if err != nil || len(served) != want {
		t.Fatalf("%s cut to %d, %d covered: %d leaves of %d, %v", name, size, covered, len(served), want, err)
	}
	if border {
		return
	}
	if r, ok := served[want-1].Body.(LogRecovered); !ok || int(r.Size) != want-1 || r.Lost == 0 {
		t.Fatalf("%s cut to %d: the last leaf is %+v", name, size, served[want-1])
	}
	if _, err := serves(base, o); err != nil {
		t.Fatalf("%s cut to %d: after the recovery: %v", name, size, err)
	}
}

// A leaf altered with care, checksum and all, is named as long as the file
// hashes is that of the signed tree.
func TestCarefulEditIsNamed(t *testing.T) {
	o := testOptions(t)
	o.SegmentSize = 1000
	base := smallLog(t, o, 5)
	path := filepath.Join(base, "log", "entries", segmentName(0))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, _, n, err := parseFrame(b)
	if err != nil {
		t.Fatal(err)
	}
	leaf, first, m, err := parseFrame(b[n:])
	if err != nil {
		t.Fatal(err)
	}
	edited := bytes.Replace(leaf, []byte(`"actor":"mia"`), []byte(`"actor":"ann"`), 1)
	b = append(appendFrame(b[:n:n], edited, first), b[n+m:]...)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, found := findings(t, base, o); len(found) != 1 || found[0].Index != 1 {
		t.Errorf("with hashes: %v", found)
	}
	if err := os.Remove(filepath.Join(base, "log", "hashes")); err != nil {
		t.Fatal(err)
	}
	if _, found := findings(t, base, o); len(found) != 1 || !strings.Contains(found[0].What, "leaves 0 to 4") {
		t.Errorf("without hashes: %v", found)
	}
	if _, err := serves(base, o); err == nil {
		t.Error("the server noticed nothing")
	}
}

// A log rolled back to an older copy of itself is whole; the checkpoint that
// left the machine says otherwise.
func TestRollback(t *testing.T) {
	o := testOptions(t)
	o.SegmentSize = 1000
	base := smallLog(t, o, 4)
	old := snapshot(t, base)
	if _, err := life(faultdisk.New(base), base, o, 4, 2); err != nil {
		t.Fatal(err)
	}
	c, err := ParseCheckpoint(snapshot(t, base)["checkpoint"], selfVerifier{o.Signer})
	if err != nil {
		t.Fatal(err)
	}
	restore(t, base, old)
	if _, found := findings(t, base, o); len(found) != 0 {
		t.Fatalf("the old copy is not whole: %v", found)
	}
	r, err := OpenReader(filepath.Join(base, "log"), selfVerifier{o.Signer})
	if err != nil {
		t.Fatal(err)
	}
	var found []error
	for _, err := range r.All(context.Background(), c) {
		if err != nil && err != io.EOF {
			found = append(found, err)
		}
	}
	if len(found) != 1 || !strings.Contains(found[0].Error(), "covers 6 leaves") {
		t.Errorf("found %v", found)
	}
	// Made anew from leaf 4 on, it has the size and another root.
	if _, err := life(faultdisk.New(base), base, o, 70, 4); err != nil {
		t.Fatal(err)
	}
	found = nil
	r, err = OpenReader(filepath.Join(base, "log"), selfVerifier{o.Signer})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range r.All(context.Background(), c) {
		if err != nil {
			found = append(found, err)
		}
	}
	if len(found) != 1 || !strings.Contains(found[0].Error(), "not all those of the signed checkpoint of size 6") {
		t.Errorf("found %v", found)
	}
}
