// Package statetest holds every state.Store to its contract: one suite for
// Memory, bolt and what comes later. It trusts no store to have read the contract.
package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"penstock/approvals/state"
	"penstock/audit"
)

// T is what the suite needs of *testing.T and of *rapid.T.
type T interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Open makes an empty store. again closes it and opens the same one anew; nil
// for a store that does not last.
type Open func(t T) (store state.Store, again func() state.Store)

// Run is the suite.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Open)
	}{
		{"a row is as it was applied", oneRow},
		{"a row that is not there", absent},
		{"a conflict does nothing", conflict},
		{"a leaf is applied once", once},
		{"applied counts per node", perNode},
		{"a tombstone keeps its revision", tombstone},
		{"a bad change does nothing", bad},
		{"a value of the largest size", largest},
		{"a list is ordered and one moment", list},
		{"the caller owns what it reads", owned},
		{"a watch misses nothing after the call", watchFromCall},
		{"a watch yields a row in order", watchOrder},
		{"a slow watcher is cut off", watchSlow},
		{"a watch ends with its context", watchEnds},
		{"a watch that is left", watchLeft},
		{"one of many writers wins", race},
		{"an ended context does nothing", ended},
		{"mended rows are as given", mended},
		{"what was applied is there after a restart", durable},
		{"any history", history},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open) })
	}
}

func leaf(i int) audit.Leaf { return audit.Leaf{Index: audit.Index(i), Node: "a"} }

func row(key string, rev uint64, at int, value string) state.Change {
	r := state.Row{Key: key, Rev: rev, Leaf: leaf(at).Place()}
	if value != "" {
		r.Value = []byte(value)
	}
	return state.Change{Row: r}
}

func apply(t T, s state.Store, at int, changes ...state.Change) {
	t.Helper()
	if err := s.Apply(context.Background(), leaf(at), changes); err != nil {
		t.Fatalf("apply leaf %d: %v", at, err)
	}
}

func collect(t T, rows iter.Seq2[state.Row, error]) (all []state.Row) {
	t.Helper()
	for r, err := range rows {
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		all = append(all, r)
	}
	return all
}

func same(t T, have, want []state.Row) {
	t.Helper()
	if !slices.EqualFunc(have, want, state.Row.Equal) {
		t.Fatalf("rows\n have %v\n want %v", show(have), show(want))
	}
}

func show(rows []state.Row) (s []string) {
	for _, r := range rows {
		s = append(s, fmt.Sprintf("%s@%d(%s)=%.60q", r.Key, r.Rev, r.Leaf, r.Value))
	}
	return s
}

func applied(t T, s state.Store, node string, want audit.Index) {
	t.Helper()
	if have, err := s.Applied(context.Background(), node); err != nil || have != want {
		t.Fatalf("applied of %s: %d, %v; want %d", node, have, err, want)
	}
}

func oneRow(t *testing.T, open Open) {
	s, _ := open(t)
	c := row("window/W-1", 1, 4, `{"state":"agreed"}`)
	apply(t, s, 4, c)
	have, err := s.Get(context.Background(), "window/W-1")
	if err != nil || !have.Equal(c.Row) {
		t.Fatalf("get: %v, %v", have, err)
	}
	applied(t, s, "a", 5)
}

func absent(t *testing.T, open Open) {
	s, _ := open(t)
	have, err := s.Get(context.Background(), "window/W-1")
	if !errors.Is(err, fs.ErrNotExist) || have.Rev != 0 || have.Value != nil {
		t.Fatalf("get of nothing: %v, %v", have, err)
	}
	same(t, collect(t, s.List(context.Background(), "")), nil)
	applied(t, s, "a", 0)
}

func conflict(t *testing.T, open Open) {
	s, _ := open(t)
	apply(t, s, 0, row("window/W-1", 1, 0, `1`))
	for _, c := range []state.Change{
		row("window/W-1", 1, 1, `2`), row("window/W-1", 3, 1, `2`), row("window/W-2", 2, 1, `2`),
	} {
		err := s.Apply(context.Background(), leaf(1), []state.Change{row("request/R-1", 1, 1, `1`), c, row("zone/z", 1, 1, `1`)})
		if !errors.Is(err, state.ErrConflict) {
			t.Fatalf("%s at %d: %v; want ErrConflict", c.Row.Key, c.Row.Rev, err)
		}
	}
	same(t, collect(t, s.All(context.Background())), []state.Row{row("window/W-1", 1, 0, `1`).Row})
	applied(t, s, "a", 1)
}

func once(t *testing.T, open Open) {
	s, _ := open(t)
	apply(t, s, 3, row("window/W-1", 1, 3, `1`))
	apply(t, s, 3, row("window/W-1", 2, 3, `2`)) // the leaf is in: nothing, nil
	apply(t, s, 2, row("window/W-1", 2, 2, `2`)) // and so is everything below it
	same(t, collect(t, s.All(context.Background())), []state.Row{row("window/W-1", 1, 3, `1`).Row})
	apply(t, s, 7)
	applied(t, s, "a", 8)
}

func perNode(t *testing.T, open Open) {
	s, _ := open(t)
	apply(t, s, 9, row("window/W-1", 1, 9, `1`))
	other := audit.Leaf{Index: 2, Node: "b"}
	c := state.Change{Row: state.Row{Key: "window/W-1", Rev: 2, Leaf: other.Place(), Value: []byte(`2`)}}
	if err := s.Apply(context.Background(), other, []state.Change{c}); err != nil {
		t.Fatal(err)
	}
	applied(t, s, "a", 10)
	applied(t, s, "b", 3)
	same(t, collect(t, s.All(context.Background())), []state.Row{c.Row})
}

func tombstone(t *testing.T, open Open) {
	s, _ := open(t)
	ctx := context.Background()
	apply(t, s, 0, row("key/k", 1, 0, `1`))
	apply(t, s, 1, row("key/k", 2, 1, ""))
	have, err := s.Get(ctx, "key/k")
	if !errors.Is(err, fs.ErrNotExist) || have.Rev != 2 || have.Leaf.Index != 1 || have.Value != nil {
		t.Fatalf("get of a tombstone: %v, %v", have, err)
	}
	same(t, collect(t, s.List(ctx, "")), nil)
	same(t, collect(t, s.All(ctx)), []state.Row{row("key/k", 2, 1, "").Row})
	if err := s.Apply(ctx, leaf(2), []state.Change{row("key/k", 1, 2, `again`)}); !errors.Is(err, state.ErrConflict) {
		t.Fatalf("a deleted row began anew: %v", err)
	}
	apply(t, s, 2, row("key/k", 3, 2, `again`))
	same(t, collect(t, s.List(ctx, "key/")), []state.Row{row("key/k", 3, 2, `again`).Row})
}

func bad(t *testing.T, open Open) {
	s, _ := open(t)
	empty := row("window/W-1", 1, 0, "")
	empty.Row.Value = []byte{}
	for name, changes := range map[string][]state.Change{
		"no key":         {row("", 1, 0, `1`)},
		"no kind":        {row("/W-1", 1, 0, `1`)},
		"no id":          {row("window/", 1, 0, `1`)},
		"no slash":       {row("window", 1, 0, `1`)},
		"a NUL":          {row("window/\x00", 1, 0, `1`)},
		"a long key":     {row("window/"+string(bytes.Repeat([]byte("x"), state.MaxKey)), 1, 0, `1`)},
		"revision 0":     {row("window/W-1", 0, 0, `1`)},
		"empty value":    {empty},
		"a huge value":   {row("window/W-1", 1, 0, string(make([]byte, state.MaxValue+1)))},
		"one key twice":  {row("window/W-1", 1, 0, `1`), row("window/W-1", 2, 0, `2`)},
		"too many rows":  many(state.MaxChanges + 1),
		"good, then bad": {row("window/W-1", 1, 0, `1`), row("", 1, 0, `1`)},
	} {
		if err := s.Apply(context.Background(), leaf(0), changes); err == nil || errors.Is(err, state.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	same(t, collect(t, s.All(context.Background())), nil)
	applied(t, s, "a", 0)
}

func many(n int) (changes []state.Change) {
	for i := range n {
		changes = append(changes, row(fmt.Sprintf("window/W-%05d", i), 1, 0, `1`))
	}
	return changes
}

func largest(t *testing.T, open Open) {
	s, _ := open(t)
	c := row("window/W-1", 1, 0, string(bytes.Repeat([]byte("x"), state.MaxValue)))
	apply(t, s, 0, append(many(state.MaxChanges - 1)[1:], c)...)
	have, err := s.Get(context.Background(), "window/W-1")
	if err != nil || !have.Equal(c.Row) {
		t.Fatalf("%d bytes, %v", len(have.Value), err)
	}
}

func list(t *testing.T, open Open) {
	s, _ := open(t)
	ctx := context.Background()
	var want []state.Row
	for i, key := range []string{"window/W-2", "window/W-10", "window/W-1", "windows/no", "request/R-1", "window/ü", "wind/x"} {
		apply(t, s, i, row(key, 1, i, `1`))
	}
	for _, k := range []string{"window/W-1", "window/W-10", "window/W-2", "window/ü"} {
		r, err := s.Get(ctx, k)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, r)
	}
	same(t, collect(t, s.List(ctx, "window/")), want)
	// What changes while a list is read is not in it, and does not wait for it.
	var have []state.Row
	for r, err := range s.List(ctx, "window/") {
		if err != nil {
			t.Fatal(err)
		}
		if have = append(have, r); len(have) == 1 {
			apply(t, s, 7, row("window/W-2", 2, 7, `2`), row("window/W-3", 1, 7, `1`))
		}
	}
	same(t, have, want)
	for range s.List(ctx, "") {
		break // a reader that leaves holds nothing
	}
	apply(t, s, 8, row("window/W-4", 1, 8, `1`))
}

func owned(t *testing.T, open Open) {
	s, _ := open(t)
	ctx := context.Background()
	c := row("window/W-1", 1, 0, `value`)
	watch := s.Watch(ctx, "")
	apply(t, s, 0, c)
	copy(c.Row.Value, "xxxxx")
	r, err := s.Get(ctx, "window/W-1")
	if err != nil {
		t.Fatal(err)
	}
	copy(r.Value, "yyyyy")
	copy(collect(t, s.List(ctx, ""))[0].Value, "zzzzz")
	for seen, err := range watch {
		if err != nil || string(seen.Value) != "value" {
			t.Fatalf("watched %q, %v", seen.Value, err)
		}
		copy(seen.Value, "wwwww")
		break
	}
	same(t, collect(t, s.List(ctx, "")), []state.Row{row("window/W-1", 1, 0, `value`).Row})
}

func watchFromCall(t *testing.T, open Open) {
	s, _ := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	apply(t, s, 0, row("window/W-1", 1, 0, `before`))
	watch := s.Watch(ctx, "window/")
	apply(t, s, 1, row("window/W-1", 2, 1, `1`), row("request/R-1", 1, 1, `other`))
	apply(t, s, 2, row("window/W-1", 3, 2, ""))
	want := []state.Row{row("window/W-1", 2, 1, `1`).Row, row("window/W-1", 3, 2, "").Row}
	same(t, take(t, watch, 2), want)
}

func take(t T, watch iter.Seq2[state.Row, error], n int) (rows []state.Row) {
	t.Helper()
	for r, err := range watch {
		if err != nil {
			t.Fatalf("watch: %v", err)
		}
		if rows = append(rows, r); len(rows) == n {
			break
		}
	}
	return rows
}

func watchOrder(t *testing.T, open Open) {
	s, _ := open(t)
	const n = 60
	var wg sync.WaitGroup
	defer wg.Wait()
	for w := range 3 {
		watch := s.Watch(context.Background(), "window/")
		wg.Go(func() {
			next := map[string]uint64{}
			seen := 0
			for r, err := range watch {
				if next[r.Key]++; err != nil || r.Rev != next[r.Key] {
					t.Errorf("watcher %d: %s at %d, %v; want %d", w, r.Key, r.Rev, err, next[r.Key])
					return
				}
				if seen++; seen == n {
					return
				}
			}
		})
	}
	for i := range n {
		apply(t, s, i, row(fmt.Sprintf("window/W-%d", i%3), uint64(i/3)+1, i, fmt.Sprint(i)))
	}
}

func watchSlow(t *testing.T, open Open) {
	s, _ := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	slow, other := s.Watch(ctx, "window/"), s.Watch(ctx, "request/")
	apply(t, s, 0, many(state.MaxChanges)...)
	apply(t, s, 1, row("window/W-00000", 2, 1, `2`), row("request/R-1", 1, 1, `1`))
	var last error
	for r, err := range slow {
		if last = err; err == nil && r.Key == "window/W-00000" && r.Rev == 2 {
			t.Fatal("a queue without a bound")
		}
	}
	if last == nil || ctx.Err() != nil {
		t.Fatalf("a slow watcher ended with %v; want an error of its own", last)
	}
	same(t, take(t, other, 1), []state.Row{row("request/R-1", 1, 1, `1`).Row})
}

func watchEnds(t *testing.T, open Open) {
	s, _ := open(t)
	why := errors.New("enough")
	for name, before := range map[string]bool{"before the first look": true, "while it waits": false} {
		ctx, cancel := context.WithCancelCause(context.Background())
		watch := s.Watch(ctx, "")
		if before {
			cancel(why)
		} else {
			go cancel(why)
		}
		var last error
		for _, err := range watch {
			last = err
		}
		if !errors.Is(last, why) {
			t.Errorf("%s: ended with %v", name, last)
		}
		for _, err := range watch {
			if err == nil {
				t.Error("ranged over twice and yields")
			}
		}
	}
}

func watchLeft(t *testing.T, open Open) {
	s, _ := open(t)
	watch := s.Watch(context.Background(), "")
	apply(t, s, 0, row("window/W-1", 1, 0, `1`))
	take(t, watch, 1)
	for i := 1; i < 4; i++ { // nobody reads any more: nothing waits, nothing grows
		apply(t, s, i, many(state.MaxChanges)[i])
	}
}

func race(t *testing.T, open Open) {
	s, _ := open(t)
	const writers = 8
	won := make(chan int, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			err := s.Apply(context.Background(), audit.Leaf{Index: 0, Node: fmt.Sprint(w)},
				[]state.Change{row("window/W-1", 1, 0, fmt.Sprint(w+1)), row(fmt.Sprintf("window/W-1%d", w), 1, 0, `1`)})
			if err == nil {
				won <- w
			} else if !errors.Is(err, state.ErrConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(won)
	var winners []int
	for w := range won {
		winners = append(winners, w)
	}
	if len(winners) != 1 {
		t.Fatalf("winners %v; want one", winners)
	}
	same(t, collect(t, s.All(context.Background())), []state.Row{
		row("window/W-1", 1, 0, fmt.Sprint(winners[0]+1)).Row, row(fmt.Sprintf("window/W-1%d", winners[0]), 1, 0, `1`).Row})
}

func ended(t *testing.T, open Open) {
	s, _ := open(t)
	apply(t, s, 0, row("window/W-1", 1, 0, `1`))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, get := s.Get(ctx, "window/W-1")
	_, at := s.Applied(ctx, "a")
	for name, err := range map[string]error{
		"Get":     get,
		"Applied": at,
		"Apply":   s.Apply(ctx, leaf(1), []state.Change{row("window/W-1", 2, 1, `2`)}),
		"Mend":    s.Mend(ctx, "a", 7, []state.Row{{Key: "window/W-1"}}),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v; want context.Canceled", name, err)
		}
	}
	var last error
	for _, err := range s.List(ctx, "") {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("List: %v; want context.Canceled", last)
	}
	same(t, collect(t, s.All(context.Background())), []state.Row{row("window/W-1", 1, 0, `1`).Row})
	applied(t, s, "a", 1)
}

func mended(t *testing.T, open Open) {
	s, _ := open(t)
	ctx := context.Background()
	apply(t, s, 5, row("window/W-1", 1, 5, `1`), row("window/W-2", 1, 5, `1`), row("window/W-3", 1, 5, `1`))
	watch := s.Watch(ctx, "")
	want := []state.Row{row("window/W-1", 4, 2, `4`).Row, row("window/W-2", 1, 5, `1`).Row, row("window/W-4", 2, 1, "").Row}
	err := s.Mend(ctx, "a", 3, []state.Row{want[0], {Key: "window/W-3"}, want[2]})
	if err != nil {
		t.Fatal(err)
	}
	same(t, collect(t, s.All(ctx)), want)
	applied(t, s, "a", 3)
	if seen := take(t, watch, 3); seen[0].Key != "window/W-1" || seen[1].Value != nil {
		t.Fatalf("watched %v", show(seen))
	}
	apply(t, s, 3, row("window/W-3", 1, 3, `new`), row("window/W-1", 5, 3, `5`))
}

func durable(t *testing.T, open Open) {
	s, again := open(t)
	if again == nil {
		return // the contract's last line is not for a store in memory
	}
	apply(t, s, 0, row("window/W-1", 1, 0, `1`), row("key/k", 1, 0, `1`))
	apply(t, s, 1, row("key/k", 2, 1, ""))
	before := collect(t, s.All(context.Background()))
	watch := s.Watch(context.Background(), "")
	s = again()
	same(t, collect(t, s.All(context.Background())), before)
	applied(t, s, "a", 2)
	var last error
	for _, err := range watch {
		last = err
	}
	if last == nil {
		t.Error("a watch of a closed store ended without an error")
	}
}

// history compares any run of Apply with a plain map.
func history(t *testing.T, open Open) {
	rapid.Check(t, func(t *rapid.T) {
		s, _ := open(t)
		want := map[string]state.Row{}
		next := 0
		key := rapid.SampledFrom([]string{"window/a", "window/b", "window/ab", "request/a", "key/a"})
		for range rapid.IntRange(1, 12).Draw(t, "leaves") {
			at := next + rapid.IntRange(-2, 2).Draw(t, "step")
			if at < 0 {
				at = 0
			}
			var changes []state.Change
			fits := true
			for _, k := range rapid.SliceOfNDistinct(key, 0, 3, rapid.ID[string]).Draw(t, "keys") {
				rev := want[k].Rev + 1 + uint64(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1}).Draw(t, "skew"))
				fits = fits && rev == want[k].Rev+1
				changes = append(changes, row(k, rev, at, rapid.SampledFrom([]string{"", "1", "{}"}).Draw(t, "value")))
			}
			err := s.Apply(context.Background(), leaf(at), changes)
			switch {
			case at < next || fits:
				if err != nil {
					t.Fatalf("leaf %d: %v", at, err)
				}
			case !errors.Is(err, state.ErrConflict):
				t.Fatalf("leaf %d: %v; want ErrConflict", at, err)
			}
			if at >= next && fits {
				next = at + 1
				for _, c := range changes {
					want[c.Row.Key] = c.Row
				}
			}
		}
		var rows []state.Row
		for _, r := range want {
			rows = append(rows, r)
		}
		slices.SortFunc(rows, func(a, b state.Row) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) })
		same(t, collect(t, s.All(context.Background())), rows)
		applied(t, s, "a", audit.Index(next))
	})
}
