package approvals

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// edit changes a row's value by hand, as somebody with the file would.
func (w *world) edit(key string, change func(map[string]any)) {
	row, err := w.store.Memory.Get(w.ctx, key)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	var v map[string]any
	if err := json.Unmarshal(row.Value, &v); err != nil {
		w.t.Fatalf("%v", err)
	}
	change(v)
	if row.Value, err = audit.Canonical(v); err != nil {
		w.t.Fatalf("%v", err)
	}
	w.hand(row)
}

func (w *world) hand(row state.Row) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.hand[row.Key] = row
}

func TestARowEditedByHandOpensNothing(t *testing.T) {
	set := func(field string, v any) func(*world) {
		return func(w *world) { w.edit("window/W-1", func(m map[string]any) { m[field] = v }) }
	}
	for _, tc := range []struct {
		story string
		edit  func(*world)
	}{
		{"ended to open", func(w *world) {
			if _, err := w.desk.End(w.ctx, w.as("mia"), "W-1", ""); err != nil {
				w.t.Fatalf("%v", err)
			}
			set("state", "open")(w)
		}},
		{"a later end", set("until", start.Add(7*time.Hour))},
		{"another claim", set("claim", audit.HashOf([]byte("x")).String())},
		{"other answers", set("answers", []string{"a/1"})},
		{"another request", set("request", "R-2")},
		{"the old row put back", func(w *world) {
			old, err := w.store.Memory.Get(w.ctx, "window/W-1")
			if err != nil {
				w.t.Fatalf("%v", err)
			}
			if _, err := w.desk.End(w.ctx, w.as("mia"), "W-1", ""); err != nil {
				w.t.Fatalf("%v", err)
			}
			w.hand(old)
		}},
		{"the old row put back under a newer leaf", func(w *world) {
			old, err := w.store.Memory.Get(w.ctx, "window/W-1")
			if err != nil {
				w.t.Fatalf("%v", err)
			}
			if _, err := w.desk.End(w.ctx, w.as("mia"), "W-1", ""); err != nil {
				w.t.Fatalf("%v", err)
			}
			old.Leaf.Index = audit.Index(len(w.log.leaves()) - 1)
			w.hand(old)
		}},
		{"the row under a leaf that is not there", func(w *world) {
			row, err := w.store.Memory.Get(w.ctx, "window/W-1")
			if err != nil {
				w.t.Fatalf("%v", err)
			}
			row.Leaf.Index += 1000
			w.hand(row)
		}},
		{"a window that was never agreed", func(w *world) {
			row, err := w.store.Memory.Get(w.ctx, "window/W-1")
			if err != nil {
				w.t.Fatalf("%v", err)
			}
			w.hand(state.Row{Key: "window/W-2", Rev: 1, Leaf: row.Leaf, Value: []byte(strings.ReplaceAll(string(row.Value), "W-1", "W-2"))})
		}},
		{"a block that is gone", func(w *world) {
			if _, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Person: "ann"}); err != nil {
				w.t.Fatalf("%v", err)
			}
			w.hand(state.Row{Key: "block/B-1"})
		}},
		{"a block that is lifted", func(w *world) {
			if _, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Person: "ann"}); err != nil {
				w.t.Fatalf("%v", err)
			}
			w.edit("block/B-1", func(m map[string]any) { m["lifted"] = "mia" })
		}},
	} {
		for _, when := range []string{"while it runs", "before it starts"} {
			t.Run(tc.story+" "+when, func(t *testing.T) {
				w := newWorld(t, nil)
				w.open()
				if !w.live("W-1") {
					t.Fatal("not live before the edit")
				}
				tc.edit(w)
				if when == "before it starts" { // and nobody ran Journal.Check
					w.desk.heads = heads{rows: map[string]head{}}
				}
				id := policy.WindowID("W-1")
				if strings.HasPrefix(tc.story, "a window that") {
					id = "W-2"
				}
				if f, err := w.desk.Facts(w.ctx, id, "ann"); rule(err) != "row-differs" || f.Window.Live {
					t.Fatalf("facts %+v, %v", f.Window, err)
				}
				if list, err := w.desk.OpenFor(w.ctx, "ann"); len(list) > 0 && id == "W-1" {
					t.Fatalf("%+v %v", list, err)
				}
				if _, err := w.desk.Open(w.ctx, w.as("mia"), id); err == nil {
					t.Fatal("it opens")
				}
				select {
				case <-w.desk.repair:
				default:
					t.Fatal("nobody is told to make the row again")
				}
			})
		}
	}
}

// Run makes the row again, and the window's sessions may go on.
func TestRunMendsAnEditedRow(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	w.desk.journal = mending{w.desk.journal, w}
	w.edit("window/W-1", func(m map[string]any) { m["state"] = "paused" })
	mended := make(chan struct{})
	w.stops.then = func() { close(mended) }
	ctx, cancel := context.WithCancel(w.ctx)
	ran := make(chan error)
	go func() { ran <- w.desk.Run(ctx) }()
	<-mended
	cancel()
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
	if !w.live("W-1") {
		t.Fatal("not live after it was made again")
	}
}

// mending stands for a store that Journal.Check has put right.
type mending struct {
	journal
	w *world
}

func (m mending) Check(ctx context.Context) ([]string, error) {
	m.w.store.mu.Lock()
	clear(m.w.store.hand)
	m.w.store.mu.Unlock()
	defer m.w.stops.note("mended")
	return m.journal.Check(ctx)
}

// Cutting makes an edited row right by itself first.
func TestAnEditedRowDoesNotKeepAnybodyFromCutting(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	w.desk.journal = mending{w.desk.journal, w}
	w.edit("window/W-1", func(m map[string]any) { m["state"] = "closed" })
	_, err := w.desk.Cut(w.ctx, w.as("mia"), "W-1", "x")
	wants(t, err, "")
	if w.state("W-1") != WindowCut {
		t.Fatal(w.state("W-1"))
	}
}
