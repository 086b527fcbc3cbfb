package audit

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"penstock/audit/durable/faultdisk"
)

// openTest is a log on a faulty disk in a fresh folder; the test closes it.
func openTest(t *testing.T, o Options) (l *Log, fault *faultdisk.Disk, base string) {
	t.Helper()
	base = t.TempDir()
	fault = faultdisk.New(base)
	l, err := openOn(fault, base, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, fault, base
}

func TestSecondServer(t *testing.T) {
	o := testOptions(t)
	l, fault, base := openTest(t, o)
	_, err := openOn(fault, base, o)
	if err == nil || !strings.Contains(err.Error(), filepath.Join(base, "log")) || !strings.Contains(err.Error(), "another server") {
		t.Errorf("the second server got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := openOn(fault, base, o)
	if err != nil {
		t.Fatalf("after the first has gone: %v", err)
	}
	again.Close()
}

func TestClockBehind(t *testing.T) {
	o := testOptions(t)
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	o.Clock = Clock{Wall: func() time.Time { return now }, Mono: func() time.Duration { return time.Hour }, Boot: "b"}
	l, fault, base := openTest(t, o)
	ctx := context.Background()
	if _, err := l.Append(ctx, someEvent(1)); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		by, want time.Duration
	}{{0, 0}, {-time.Minute, time.Minute}, {2 * time.Minute, 0}, {-3 * time.Hour, 3*time.Hour - time.Minute}} {
		now = now.Add(step.by)
		if got := l.ClockBehind(); got != step.want {
			t.Errorf("after a step of %v: %v behind, want %v", step.by, got, step.want)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := openOn(fault, base, o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := l.ClockBehind(); got != 3*time.Hour-time.Minute {
		t.Errorf("after a start: %v", got)
	}
	leaf, err := l.Append(ctx, someEvent(2))
	if err != nil || !leaf.Wall.Equal(now) {
		t.Errorf("a leaf of an earlier time is recorded as it is: %v, %v", leaf.Wall, err)
	}
}

func TestBrokenIsFinal(t *testing.T) {
	l, fault, _ := openTest(t, testOptions(t))
	ctx := context.Background()
	if _, err := l.Append(ctx, someEvent(0)); err != nil {
		t.Fatal(err)
	}
	fault.Fail(1, faultdisk.Before)
	if _, err := l.Append(ctx, someEvent(1)); !errors.Is(err, faultdisk.ErrInjected) {
		t.Fatalf("the broken write: %v", err)
	}
	<-l.Failed()
	if _, err := l.Append(ctx, someEvent(2)); !errors.Is(err, faultdisk.ErrInjected) {
		t.Errorf("afterwards: %v", err)
	}
	if leaf, err := l.Leaf(ctx, Place{"a", 0}); err != nil || leaf.Subject != "W-0" {
		t.Errorf("what was there before cannot be read: %v", err)
	}
	if l.Size() != 1 {
		t.Errorf("size %d", l.Size())
	}
	for _, err := range l.Follow(ctx, 1) {
		if !errors.Is(err, faultdisk.ErrInjected) {
			t.Errorf("who follows is told %v", err)
		}
	}
}

// An event that cannot be a leaf is refused and harms nobody.
func TestRefusedEventHarmsNobody(t *testing.T) {
	l, _, _ := openTest(t, testOptions(t))
	ctx := context.Background()
	for name, ev := range map[string]Event{
		"no body":       {Subject: "x"},
		"too large":     {Subject: "x", Body: BlockLifted{Why: strings.Repeat("x", MaxLeaf)}},
		"not UTF-8":     {Subject: "x", Body: BlockLifted{Why: "\xff"}},
		"not UTF-8 row": {Subject: "x", Body: NodeStopped{}, Rows: map[string]Hash{"\xff": {}}},
		"rev too large": {Subject: "x", Rev: 1 << 53, Body: NodeStopped{}},
		"a float":       {Subject: "x", Body: Unknown{"new.event", []byte(`{"a":1.5}`)}},
		"key twice":     {Subject: "x", Body: Unknown{"new.event", []byte(`{"a":1,"a":2}`)}},
		"wrong shape":   {Subject: "x", Body: Unknown{"block.lifted", []byte(`{"surprise":1}`)}},
	} {
		if _, err := l.Append(ctx, ev); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if leaf, err := l.Append(ctx, Event{Body: Unknown{"new.event", []byte(`{ "b":[1,"<é>"], "a":null}`)}}); err != nil {
		t.Error(err)
	} else if got := string(leaf.Body.(Unknown).Raw); got != `{"a":null,"b":[1,"<é>"]}` {
		t.Errorf("an unknown body is kept as %s", got)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for range 5 { // the write may win, the wait may end: the log lives on
		l.Append(cancelled, someEvent(1))
	}
	if _, err := l.Append(ctx, someEvent(2)); err != nil {
		t.Error(err)
	}
	if _, err := l.Leaf(ctx, Place{"a", 99}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a leaf to come: %v", err)
	}
	if _, err := l.Leaf(ctx, Place{"b", 0}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a leaf of another node: %v", err)
	}
}

func TestFollowUnderLoad(t *testing.T) {
	o := testOptions(t)
	o.SegmentSize = 3000
	l, _, _ := openTest(t, o)
	ctx := t.Context()
	const writers, each = 8, 40
	var readers, wg sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			next := Index(0)
			for leaf, err := range l.Follow(ctx, 0) {
				if err != nil || leaf.Index != next {
					t.Errorf("leaf %d where %d was to come: %v", leaf.Index, next, err)
					return
				}
				if next++; next == writers*each {
					return
				}
			}
		})
	}
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				leaf, err := l.Append(ctx, someEvent(w*each+i))
				if err != nil {
					t.Error(err)
					return
				}
				if c, err := ParseCheckpoint(l.Checkpoint(), selfVerifier{l.o.Signer}); err != nil || c.Size <= leaf.Index {
					t.Errorf("leaf %d is acknowledged, and the checkpoint covers %d: %v", leaf.Index, c.Size, err)
				}
			}
		})
	}
	wg.Wait()
	readers.Wait()
}

func TestFollowEnds(t *testing.T) {
	l, _, _ := openTest(t, testOptions(t))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	follow := func(ctx context.Context) {
		var last error
		for _, err := range l.Follow(ctx, 0) {
			last = err
		}
		ended <- last
	}
	go follow(ctx)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ctx ended: %v", err)
	}
	go follow(context.Background())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("the log was closed: %v", err)
	}
	if _, err := l.Append(context.Background(), someEvent(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("append to a closed log: %v", err)
	}
}

// Whatever is appended, in whatever lives and segments, reads back, and proves
// itself, to somebody who has only the key.
func TestAppendReadProve(t *testing.T) {
	t.Parallel()
	o := testOptions(t)
	v := selfVerifier{o.Signer}
	rapid.Check(t, func(t *rapid.T) {
		base, err := os.MkdirTemp(tempBase, "prove-")
		if err != nil {
			t.Fatal(err)
		}
		o.SegmentSize = rapid.Int64Range(1, 5000).Draw(t, "segment size")
		fault := faultdisk.New(base)
		var wrote []Leaf
		var points []Checkpoint
		for range rapid.IntRange(1, 3).Draw(t, "lives") {
			l, err := openOn(fault, base, o)
			if err != nil {
				t.Fatal(err)
			}
			for range rapid.IntRange(0, 12).Draw(t, "leaves") {
				ev := Event{Subject: rapid.String().Draw(t, "subject"), Actor: rapid.String().Draw(t, "actor"),
					Rev: rapid.Uint64Range(0, 1<<53-1).Draw(t, "rev"), Body: BlockLifted{Why: rapid.String().Draw(t, "why")}}
				leaf, err := l.Append(context.Background(), ev)
				if err != nil {
					t.Fatal(err)
				}
				wrote = append(wrote, leaf)
				c, err := ParseCheckpoint(l.Checkpoint(), v)
				if err != nil {
					t.Fatal(err)
				}
				points = append(points, c)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		r, err := openReader(fault, filepath.Join(base, "log"), v)
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for leaf, err := range r.All(context.Background(), points...) {
			if err != nil || leaf.Hash != wrote[i].Hash {
				t.Fatalf("leaf %d: %v", i, err)
			}
			i++
		}
		if i != len(wrote) {
			t.Fatalf("%d leaves of %d", i, len(wrote))
		}
		if i == 0 {
			return
		}
		k := rapid.IntRange(0, i-1).Draw(t, "leaf")
		p, err := r.Proof(context.Background(), Index(k))
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseProof(p.Marshal())
		if err != nil {
			t.Fatal(err)
		}
		if leaf, err := again.Check(v); err != nil || leaf.Hash != wrote[k].Hash {
			t.Fatalf("the proof of leaf %d: %v", k, err)
		}
		tree, err := r.ProveTree(points[k].Size, r.Size())
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckTree(tree, int64(r.Size()), r.Head().root(), int64(points[k].Size), points[k].root()); err != nil {
			t.Fatalf("consistency from %d to %d: %v", points[k].Size, r.Size(), err)
		}
		again.Index++
		if _, err := again.Check(v); err == nil {
			t.Fatal("a proof for another leaf is believed")
		}
	})
}

func TestDraftIsCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ev := Event{Subject: rapid.String().Draw(t, "subject"), Actor: rapid.String().Draw(t, "actor"), Rev: 7,
			Body: Unknown{"x.y", []byte(`{"index":0,"mono":"0","node":"","wall":"1970-01-01T00:00:00Z"}`)},
			Rows: rapid.MapOf(rapid.String(), rapid.Just(Hash{1})).Draw(t, "rows")}
		if rapid.Bool().Draw(t, "known") {
			ev.Body = BlockLifted{Block: rapid.String().Draw(t, "block"), By: "mia", Why: rapid.StringMatching(`[a-z<>&"\\]*`).Draw(t, "why")}
		}
		const boot = `,"index":0,"mono":"0","node":`
		d, err := newDraft(ev, "a", boot)
		// The longest that this event can become: what is refused is refused for that, and nothing else is.
		_, fits := Leaf{Event: ev, Boot: boot, Node: "a", Index: 1<<53 - 1, Mono: 1<<63 - 1, Wall: time.Unix(1<<33, 999999999)}.Canonical()
		if (err == nil) != (fits == nil) {
			t.Fatalf("the draft says %v, its longest leaf %v", err, fits)
		}
		if err != nil {
			return
		}
		at := Index(rapid.Uint64Range(0, 1<<53-1).Draw(t, "index"))
		wall := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC()
		mono := time.Duration(rapid.Int64Range(0, 1<<62).Draw(t, "mono"))
		b := d.write(nil, at, wall, mono)
		leaf := d.finish(at, wall, mono, b)
		want, err := leaf.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		if string(b) != string(want) {
			t.Fatalf("%s\n%s", b, want)
		}
		if back, err := ParseLeaf(b); err != nil || back.Hash != leaf.Hash || back.Index != at {
			t.Fatal(err)
		}
	})
}
