package sftp

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"
	"testing"

	"penstock/audit/recording"
	"penstock/broker/brokertest"
)

// counted counts the bytes that are hashed.
type counted struct {
	hash.Hash
	marshaled
	n *int
}

func counting(n *int) counted {
	h := sha256.New()
	return counted{h, h.(marshaled), n}
}

func (c counted) Write(p []byte) (int, error) {
	*c.n += len(p)
	return c.Hash.Write(p)
}

// What two hashes have in common is hashed once, and each is what it would be alone.
func TestOnceIsTheHashItself(t *testing.T) {
	lot := make([]byte, 200<<10)
	_, _ = rand.Read(lot)
	piece := func(i int) []byte { return lot[i*worthStep:][:worthStep] }
	elsewhere := bytes.Clone(piece(0))
	for name, c := range map[string]struct {
		first, second [][]byte
		hashed        int // pieces
	}{
		"the same":                   {[][]byte{piece(0), piece(1), piece(2)}, [][]byte{piece(0), piece(1), piece(2)}, 3},
		"the second begins later":    {[][]byte{piece(0), piece(1)}, [][]byte{piece(1)}, 3},
		"the second lacks one":       {[][]byte{piece(0), piece(1), piece(2)}, [][]byte{piece(0), piece(2)}, 4},
		"otherwise put together":     {[][]byte{lot[:2*worthStep]}, [][]byte{piece(0), piece(1)}, 4},
		"too small to look for":      {[][]byte{lot[:100]}, [][]byte{lot[:100]}, 0},
		"not of the lot":             {[][]byte{elsewhere}, [][]byte{elsewhere}, 2},
		"equal, at different places": {[][]byte{piece(0)}, [][]byte{elsewhere}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var o once
			o.begin(lot)
			n := 0
			for _, pieces := range [][][]byte{c.first, c.second} {
				h := counting(&n)
				for _, p := range pieces {
					o.write(h, p)
				}
				if want := sha256.Sum256(bytes.Join(pieces, nil)); !bytes.Equal(h.Sum(nil), want[:]) {
					t.Error("another hash than sha256's")
				}
			}
			if n/worthStep != c.hashed {
				t.Errorf("%d pieces were hashed, want %d", n/worthStep, c.hashed)
			}
		})
	}
}

// Memory that is used again, as buffers are, holds other bytes than before: nothing
// is known of it in the next lot, and never of what stands beside a lot.
func TestOnceForgetsALot(t *testing.T) {
	buffer := make([]byte, 4*worthStep)
	for name, lot := range map[string][]byte{"a lot": buffer, "beside the lot": buffer[2*worthStep:], "before a longer": buffer[:worthStep-1]} {
		t.Run(name, func(t *testing.T) {
			var o once
			for i := range 3 {
				buffer[17] = byte(i)
				if i == 0 || name == "a lot" {
					o.begin(lot)
				}
				h := sha256.New()
				o.write(h, buffer[:worthStep])
				if want := sha256.Sum256(buffer[:worthStep]); !bytes.Equal(h.Sum(nil), want[:]) {
					t.Errorf("use %d: the hash of what stood there before", i)
				}
			}
		})
	}
}

// An upload of which the recording keeps hashes is hashed once: what the reader adds to
// what the recording did is nothing.
func TestAnUploadIsHashedOnce(t *testing.T) {
	brokertest.KeepHashes = true
	defer func() { brokertest.KeepHashes = false }()
	text := strings.Repeat("x", worthStep)
	for name, c := range map[string]struct {
		scene  func() (*scene, *Carrier)
		lot    string
		pieces int
	}{
		"sftp": {func() (*scene, *Carrier) {
			s := opened(t, flagWrite|flagCreate|flagTrunc)
			return s, s.r.(*files).c
		}, string(write(7, "h", 0, text)) + string(write(8, "h", worthStep, text)) + string(write(9, "h", 2*worthStep, text)), 3},
		"scp": {func() (*scene, *Carrier) {
			s := start(t, brokertest.Maint, "exec", "scp -t /in", nil)
			s.machine([]byte{0})
			s.must(fmt.Appendf(nil, "C0644 %d a\n", 3*worthStep))
			s.machine([]byte{0})
			return s, s.r.(*copies).c
		}, strings.Repeat(text, 3), 1},
		"git": {func() (*scene, *Carrier) {
			s := start(t, brokertest.Maint, "exec", "git-receive-pack x", nil)
			return s, s.r.(*stream).c
		}, strings.Repeat(text, 3), 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, carrier := c.scene()
			if carrier.in == nil {
				t.Fatal("the recording does not share its hash")
			}
			j := &Job{Kind: name, in: true}
			thin := j.thin(carrier.in)
			if name == "scp" {
				j.paths = []word{{text: "/in"}}
				thin(recording.Out, []byte{0})
				thin(recording.In, fmt.Appendf(nil, "C0644 %d a\n", 3*worthStep))
				thin(recording.Out, []byte{0})
			}
			lot := []byte(c.lot)
			thin(recording.In, lot)
			if n := len(carrier.in.steps); n != c.pieces {
				t.Errorf("the recording hashed %d pieces, want %d", n, c.pieces)
			}
			s.must(lot)
			if n := len(carrier.in.steps); n != c.pieces {
				t.Errorf("the reader hashed %d more", n-c.pieces)
			}
		})
	}
}
