package recording

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"penstock/audit"
)

// SmallParts makes parts end early, so that a small recording has several.
func SmallParts(a *Archive, bytes, plain int64, t time.Duration) {
	a.limits = limits{t, bytes, plain}
}

// NoncesOf counts the frames that were sealed with each channel's key, by nonce.
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

// Fixed writes channel 0 of a new session with frames whose times are given.
func Fixed(t testing.TB, a *Archive, h Header, kind string, frames []Frame) {
	t.Helper()
	w, _, _, err := a.Create(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	tape, err := newTape(w, 0, kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		tape.add([]item{{mark: f.Mark, at: f.At, wall: h.Started.Add(f.At).UnixNano(), data: f.Data}})
		if err := tape.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tape.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(w.dir, closeFile)); err != nil {
		t.Fatal(err) // it knows nothing of the tape
	}
}

// PlainText is what the text export makes of one stream.
func PlainText(pieces ...[]byte) string {
	var b bytes.Buffer
	p := &page{out: bufio.NewWriter(&b)}
	var t plainText
	for _, piece := range pieces {
		t.write(p, piece)
	}
	t.end(p)
	p.out.Flush()
	return b.String()
}

// CastOf makes a cast of frames without a recording.
func CastOf(version int, frames []Frame) string {
	var b bytes.Buffer
	c := &cast{out: bufio.NewWriter(&b), version: version, options: exportOptions{input: true}, term: plainTerminal, title: "t"}
	for _, f := range frames {
		c.frame(f)
	}
	c.end()
	c.out.Flush()
	return b.String()
}

// ReadFrames walks bytes as the first part of channel 0, without a key.
func ReadFrames(t testing.TB, dir string, b []byte, key []byte) (frames int, err error) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "c00-shell.000.brf"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := newScanner(dir, audit.Hash{}, channelFiles{0, "shell", 1}, key)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for {
		_, data, err := s.next()
		if err == io.EOF {
			return frames, nil
		}
		if err != nil {
			return frames, err
		}
		if len(data) > maxPlain {
			t.Fatalf("%d bytes in a frame", len(data))
		}
		frames++
	}
}

// SealOne makes a frame by hand: whatever plain text, flags and mark are given.
func SealOne(t testing.TB, key []byte, mark Mark, flags byte, plain []byte) []byte {
	t.Helper()
	aead, err := channelCipher(key, audit.Hash{}, 0, "shell")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := seal(nil, aead, chainStart(audit.Hash{}, 0, "shell"), head{mark: mark, flags: flags}, plain)
	return b
}

func ParseHeader(b []byte) (Header, error) { return parseHeader(b) }

// CommitHeads is one round of Run.
func CommitHeads(ctx context.Context, a *Archive) error {
	return a.round(ctx)
}

// Round commits heads once, as Run does each second.
func Round(ctx context.Context, a *Archive) error {
	defer a.heads.close()
	return a.round(ctx)
}
