package recording

import (
	"testing"
	"time"
)

// SmallParts makes parts end early, so that a small recording has several.
func SmallParts(a *Archive, bytes, plain int64, t time.Duration) {
	a.limits = limits{t, bytes, plain}
}

// Sealed counts the frames that were sealed with each channel's key, by nonce.
func NoncesOf(t *testing.T, dir string) map[string]int {
	t.Helper()
	c, err := listFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, ch := range c.channels {
		_, hash, err := readHeader(dir)
		if err != nil {
			t.Fatal(err)
		}
		s, err := newScanner(dir, hash, ch, nil)
		if err != nil {
			t.Fatal(err)
		}
		for {
			h, _, err := s.next()
			if err != nil {
				break
			}
			n := nonce(h.seq)
			seen[string(n[:])+ch.kind+string(rune(ch.channel))]++
		}
		s.close()
	}
	return seen
}
