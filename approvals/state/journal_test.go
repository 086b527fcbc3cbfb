package state_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/approvals/state"
	"penstock/approvals/state/statetest"
	"penstock/audit"
	"penstock/policy"
)

// The folds of these tests count: a firm's row is how often it was changed and
// by whom last, so a replay on other rows makes other bytes. person.confirmed
// changes two rows, block.lifted deletes one.
type count struct {
	N    int       `json:"n"`
	Name string    `json:"name"`
	At   time.Time `json:"at,omitzero"`
}

func next(ctx context.Context, rows state.Reader, key string, rev uint64, name string, at time.Time) (state.Change, error) {
	var c count
	row, err := rows.Get(ctx, key)
	if err == nil {
		err = json.Unmarshal(row.Value, &c)
	} else if row.Rev == 0 || row.Value == nil {
		err = nil
	}
	if err != nil {
		return state.Change{}, err
	}
	if rev == 0 {
		rev = row.Rev + 1
	}
	value, err := audit.Canonical(count{c.N + 1, name, at})
	return state.Change{Row: state.Row{Key: key, Rev: rev, Value: value}}, err
}

func firms(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	b, ok := leaf.Body.(audit.FirmChanged)
	switch {
	case !ok:
		return nil, nil
	case b.Name == "no":
		return nil, &policy.Refusal{Rule: "no", Say: "no"}
	case b.Name == "panic":
		panic("a bad fold")
	case b.Name == "void":
		return []state.Change{{Row: state.Row{Key: "firm/" + b.Firm, Rev: leaf.Rev + 1, Value: []byte("1")}}}, nil
	case b.Name == "elsewhere":
		b.Firm = "other"
	case b.Name == "large":
		return []state.Change{{Row: state.Row{Key: "firm/" + b.Firm, Rev: leaf.Rev, Value: make([]byte, state.MaxValue+1)}}}, nil
	}
	c, err := next(ctx, rows, "firm/"+b.Firm, leaf.Rev, b.Name, b.Until)
	return []state.Change{c}, err
}

func others(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	switch b := leaf.Body.(type) {
	case audit.PersonConfirmed:
		p, err1 := next(ctx, rows, "person/"+b.Person, leaf.Rev, b.By, time.Time{})
		f, err2 := next(ctx, rows, "firm/"+b.By, 0, b.Person, time.Time{})
		return []state.Change{p, f}, errors.Join(err1, err2)
	case audit.BlockLifted:
		return []state.Change{{Row: state.Row{Key: "firm/" + b.Block, Rev: leaf.Rev}}}, nil
	}
	return nil, nil
}

func journal(log state.Log, store state.Store) *state.Journal {
	return state.NewJournal("a", log, store, firms, others)
}

func change(firm string, rev uint64, name string) audit.Event {
	return audit.Event{Subject: firm, Rev: rev, Actor: "mia", Body: audit.FirmChanged{Firm: firm, Name: name}}
}

func commit(t statetest.T, j *state.Journal, firm string, rev uint64, name string) audit.Leaf {
	t.Helper()
	leaf, err := j.Commit(context.Background(), "firm/"+firm, change(firm, rev, name))
	if err != nil {
		t.Fatalf("commit %s@%d: %v", firm, rev, err)
	}
	return leaf
}

func rowsOf(t statetest.T, s state.Store) (all []string) {
	t.Helper()
	for r, err := range s.All(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s@%d %s %q", r.Key, r.Rev, r.Leaf, r.Value))
	}
	return all
}

func sameRows(t statetest.T, have, want []string) {
	t.Helper()
	if !slices.Equal(have, want) {
		t.Fatalf("rows\n have %s\n want %s", strings.Join(have, "\n      "), strings.Join(want, "\n      "))
	}
}

// fromLog are the rows that the log alone makes.
func fromLog(t statetest.T, log *statetest.Log) []string {
	t.Helper()
	s := state.NewMemory()
	if _, err := journal(log, s).CatchUp(context.Background()); err != nil {
		t.Fatalf("catch up from nothing: %v", err)
	}
	return rowsOf(t, s)
}

func TestCommitMakesLeafAndRow(t *testing.T) {
	log, store := &statetest.Log{}, state.NewMemory()
	j := journal(log, store)
	commit(t, j, "krall", 1, "one")
	leaf := commit(t, j, "krall", 2, "two")
	row, err := store.Get(context.Background(), "firm/krall")
	if err != nil || row.Rev != 2 || row.Leaf != leaf.Place() || string(row.Value) != `{"n":2,"name":"two"}` {
		t.Fatalf("row %+v, %v", row, err)
	}
	if leaf.Rows["firm/krall"] != audit.HashOf(row.Value) || len(leaf.Rows) != 1 {
		t.Fatalf("the leaf names %v", leaf.Rows)
	}
	sameRows(t, fromLog(t, log), rowsOf(t, store))
}

func TestCommitRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		key      string
		ev       audit.Event
		conflict bool
	}{
		"a revision behind":           {"firm/krall", change("krall", 1, "x"), true},
		"a revision ahead":            {"firm/krall", change("krall", 3, "x"), true},
		"revision 0":                  {"firm/krall", change("krall", 0, "x"), true},
		"a new row not at 1":          {"firm/new", change("new", 2, "x"), true},
		"a fold that says no":         {"firm/krall", change("krall", 2, "no"), false},
		"a fold that panics":          {"firm/krall", change("krall", 2, "panic"), false},
		"a fold that skips":           {"firm/krall", change("krall", 2, "void"), false},
		"another row than named":      {"firm/krall", change("krall", 2, "elsewhere"), false},
		"a value above the bound":     {"firm/krall", change("krall", 2, "large"), false},
		"no row at all":               {"session/S-1", audit.Event{Subject: "S-1", Rev: 1, Body: audit.NodeStopped{}}, false},
		"no body":                     {"firm/krall", audit.Event{Subject: "krall", Rev: 2}, false},
		"an event too large to write": {"firm/krall", change("krall", 2, strings.Repeat("x", 5000)), false},
	} {
		t.Run(name, func(t *testing.T) {
			log, store := &statetest.Log{}, state.NewMemory()
			j := journal(log, store)
			commit(t, j, "krall", 1, "one")
			before := rowsOf(t, store)
			_, err := j.Commit(context.Background(), c.key, c.ev)
			if err == nil || errors.Is(err, state.ErrConflict) != c.conflict {
				t.Fatalf("%v", err)
			}
			var refusal *policy.Refusal
			if name == "a fold that says no" && !errors.As(err, &refusal) {
				t.Errorf("%v lost its refusal", err)
			}
			if log.Size() != 1 {
				t.Error("something was written")
			}
			sameRows(t, rowsOf(t, store), before)
			commit(t, j, "krall", 2, "two") // and the journal is whole
		})
	}
}

// What a fold sees at Commit is what it will see at replay: no local zone, no
// part of a second that JSON would not keep.
func TestCommitFoldsWhatWillBeRead(t *testing.T) {
	log, store := &statetest.Log{}, state.NewMemory()
	ev := change("krall", 1, "one")
	ev.Body = audit.FirmChanged{Firm: "krall", Name: "one", Networks: []string{}, Until: time.Now().In(time.FixedZone("x", 3600))}
	ev.Rows = map[string]audit.Hash{"firm/forged": {1}}
	if _, err := journal(log, store).Commit(context.Background(), "firm/krall", ev); err != nil {
		t.Fatal(err)
	}
	sameRows(t, fromLog(t, log), rowsOf(t, store))
}

func TestCommitIsNotStoppedHalfWay(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	log, store := &statetest.Log{}, state.NewMemory()
	log.Fail = func(audit.Event, bool) error { cancel(); return nil }
	j := journal(log, store)
	if _, err := j.Commit(ctx, "firm/krall", change("krall", 1, "one")); err != nil {
		t.Fatalf("a context that ended after the check: %v", err)
	}
	sameRows(t, fromLog(t, log), rowsOf(t, store))
	if _, err := j.Commit(ctx, "firm/krall", change("krall", 2, "two")); !errors.Is(err, context.Canceled) || log.Size() != 1 {
		t.Fatalf("a context that ended before: %v, %d leaves", err, log.Size())
	}
}

func TestOneOfManyCommitsWins(t *testing.T) {
	log, store := &statetest.Log{}, state.NewMemory()
	j := journal(log, store)
	const many = 16
	results := make(chan error, many)
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			_, err := j.Commit(context.Background(), "firm/krall", change("krall", 1, fmt.Sprint(i)))
			results <- err
		})
	}
	wg.Wait()
	close(results)
	won := 0
	for err := range results {
		if err == nil {
			won++
		} else if !errors.Is(err, state.ErrConflict) {
			t.Error(err)
		}
	}
	if won != 1 || log.Size() != 1 {
		t.Fatalf("%d won, %d leaves", won, log.Size())
	}
}

// A failure of log or store, before or after it has kept anything, breaks the
// journal; the next start has exactly the rows of the log.
func TestFaults(t *testing.T) {
	lost := errors.New("lost")
	for name, c := range map[string]struct {
		log, store func(done bool) error
		leaves     int
	}{
		"append fails before": {func(kept bool) error { return when(!kept, lost) }, nil, 1},
		"append fails after":  {func(kept bool) error { return when(kept, lost) }, nil, 2},
		"apply fails before":  {nil, func(done bool) error { return when(!done, lost) }, 2},
		"apply fails after":   {nil, func(done bool) error { return when(done, lost) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			log := &statetest.Log{}
			inner := state.NewMemory()
			store := &statetest.Faulty{Store: inner}
			j := journal(log, store)
			commit(t, j, "krall", 1, "one")
			if c.log != nil {
				log.Fail = func(_ audit.Event, kept bool) error { return c.log(kept) }
			}
			if c.store != nil {
				store.Fail = func(_ audit.Leaf, done bool) error { return c.store(done) }
			}
			_, err := j.Commit(context.Background(), "firm/krall", change("krall", 2, "two"))
			if !errors.Is(err, lost) || !errors.Is(j.Err(), lost) {
				t.Fatalf("commit: %v, Err: %v", err, j.Err())
			}
			<-j.Failed()
			log.Fail, store.Fail = nil, nil
			if _, err := j.Commit(context.Background(), "firm/x", change("x", 1, "x")); !errors.Is(err, lost) {
				t.Fatalf("a broken journal goes on: %v", err)
			}
			if _, err := j.CatchUp(context.Background()); !errors.Is(err, lost) {
				t.Fatalf("a broken journal catches up: %v", err)
			}
			if _, err := j.Check(context.Background()); !errors.Is(err, lost) {
				t.Fatalf("a broken journal checks: %v", err)
			}
			if log.Size() != c.leaves {
				t.Fatalf("%d leaves, want %d", log.Size(), c.leaves)
			}
			next := log.Restart()
			j = journal(next, inner)
			if _, err := j.CatchUp(context.Background()); err != nil {
				t.Fatal(err)
			}
			sameRows(t, rowsOf(t, inner), fromLog(t, next))
			if d, err := j.Check(context.Background()); err != nil || len(d) > 0 {
				t.Fatalf("check: %q, %v", d, err)
			}
			commit(t, j, "krall", uint64(c.leaves)+1, "on")
		})
	}
}

func when(fails bool, err error) error {
	if fails {
		return err
	}
	return nil
}

// The first Commit of a process catches up by itself: a row that the log has
// and the store has not must not look free.
func TestCommitWithoutCatchUp(t *testing.T) {
	log := &statetest.Log{}
	commit(t, journal(log, state.NewMemory()), "krall", 1, "one")
	store := state.NewMemory()
	j := journal(log, store)
	if _, err := j.Commit(context.Background(), "firm/krall", change("krall", 1, "again")); !errors.Is(err, state.ErrConflict) {
		t.Fatalf("a second first revision: %v", err)
	}
	commit(t, j, "krall", 2, "two")
	sameRows(t, rowsOf(t, store), fromLog(t, log))
}

func TestRowlessLeavesCostNoTransaction(t *testing.T) {
	log := &statetest.Log{}
	seed := journal(log, state.NewMemory())
	commit(t, seed, "krall", 1, "one")
	for range 50 {
		if _, err := log.Append(context.Background(), audit.Event{Body: audit.FirstByte{Session: "S-1"}}); err != nil {
			t.Fatal(err)
		}
	}
	store := &statetest.Faulty{Store: state.NewMemory()}
	j := journal(log, store)
	applied, err := j.CatchUp(context.Background())
	if err != nil || applied != 1 || store.Writes != 2 {
		t.Fatalf("%d applied with %d transactions, %v", applied, store.Writes, err)
	}
	if at, _ := store.Applied(context.Background(), "a"); at != 51 {
		t.Fatalf("applied %d; the next start looks at them again", at)
	}
	if _, err := j.CatchUp(context.Background()); err != nil || store.Writes != 2 {
		t.Fatalf("nothing new cost a transaction: %d, %v", store.Writes, err)
	}
}

// A leaf whose revision does not follow changes nothing, and a fold that would
// refuse it is not asked. The rest of the log goes on.
func TestVoidLeaves(t *testing.T) {
	log, store := &statetest.Log{}, state.NewMemory()
	j := journal(log, store)
	first := commit(t, j, "krall", 1, "one")
	for _, name := range []string{"late", "no"} {
		ev := change("krall", 1, name)
		ev.Rows = map[string]audit.Hash{"firm/krall": {1}}
		if _, err := log.Append(context.Background(), ev); err != nil {
			t.Fatal(err)
		}
	}
	fresh := state.NewMemory()
	j = journal(log, fresh)
	if n, err := j.CatchUp(context.Background()); err != nil || n != 1 {
		t.Fatalf("applied %d, %v", n, err)
	}
	row, err := fresh.Get(context.Background(), "firm/krall")
	if err != nil || row.Leaf != first.Place() {
		t.Fatalf("%+v, %v", row, err)
	}
	if d, err := j.Check(context.Background()); err != nil || len(d) > 0 {
		t.Fatalf("check: %q, %v", d, err)
	}
	commit(t, j, "krall", 2, "two")
}

// Of an event on two rows the one named like the subject decides: that the
// other one's revision happens to fit does not make the leaf count.
func TestVoidLeafOnTwoRows(t *testing.T) {
	log, store := &statetest.Log{}, state.NewMemory()
	j := journal(log, store)
	confirmed := func(rev uint64) audit.Event {
		return audit.Event{Subject: "kim", Rev: rev, Body: audit.PersonConfirmed{Person: "kim", By: "krall"}}
	}
	for rev := range uint64(2) {
		if _, err := j.Commit(context.Background(), "person/kim", confirmed(rev+1)); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, j, "krall", 3, "three")
	before := rowsOf(t, store)
	ev := confirmed(4) // kim is at 2, krall at 3
	ev.Rows = map[string]audit.Hash{"person/kim": {1}, "firm/krall": {1}}
	if _, err := log.Append(context.Background(), ev); err != nil {
		t.Fatal(err)
	}
	if n, err := journal(log, store).CatchUp(context.Background()); err != nil || n != 0 {
		t.Fatalf("applied %d, %v", n, err)
	}
	sameRows(t, rowsOf(t, store), before)
	sameRows(t, fromLog(t, log), before)
}

// A log whose leaves do not make what they say is refused by name, and no row is touched.
func TestLogThatDoesNotFold(t *testing.T) {
	good := audit.HashOf([]byte(`{"n":2,"name":"two"}`))
	for name, c := range map[string]struct {
		name string
		rows map[string]audit.Hash
	}{
		"another hash":        {"two", map[string]audit.Hash{"firm/krall": {1}}},
		"a row too many":      {"two", map[string]audit.Hash{"firm/krall": good, "firm/other": good}},
		"a row too few":       {"elsewhere", map[string]audit.Hash{"firm/krall": good}},
		"a refused step":      {"no", map[string]audit.Hash{"firm/krall": good}},
		"a fold that panics":  {"panic", map[string]audit.Hash{"firm/krall": good}},
		"a value above bound": {"large", map[string]audit.Hash{"firm/krall": good}},
	} {
		t.Run(name, func(t *testing.T) {
			log, store := &statetest.Log{}, state.NewMemory()
			commit(t, journal(log, store), "krall", 1, "one")
			before := rowsOf(t, store)
			ev := change("krall", 2, c.name)
			ev.Rows = c.rows
			if _, err := log.Append(context.Background(), ev); err != nil {
				t.Fatal(err)
			}
			j := journal(log, store)
			_, err := j.CatchUp(context.Background())
			var fault *state.Fault
			if !errors.As(err, &fault) || fault.Leaf.Index != 1 || !strings.Contains(err.Error(), "leaf a/1 (firm.changed)") {
				t.Fatalf("catch up: %v", err)
			}
			if _, err := j.Check(context.Background()); !errors.As(err, &fault) {
				t.Fatalf("check: %v", err)
			}
			if _, err := j.Commit(context.Background(), "firm/krall", change("krall", 2, "two")); err == nil {
				t.Fatal("a journal that could not catch up takes changes")
			}
			sameRows(t, rowsOf(t, store), before)
		})
	}
}

// Somebody edits rows. Each edit is named, and made again from the log.
func TestEditedRows(t *testing.T) {
	type edit struct {
		row     state.Row
		applied audit.Index
	}
	at := func(i audit.Index) audit.Place { return audit.Place{Node: "a", Index: i} }
	for name, c := range map[string]struct {
		edit edit
		says string
	}{
		"a value":               {edit{state.Row{Key: "firm/krall", Rev: 2, Leaf: at(1), Value: []byte(`{"n":2,"name":"TWO"}`)}, 5}, "row firm/krall differs from what leaf a/1 made: the value"},
		"a revision":            {edit{state.Row{Key: "firm/krall", Rev: 9, Leaf: at(1), Value: []byte(`{"n":2,"name":"two"}`)}, 5}, "row firm/krall differs from what leaf a/1 made: the revision (9 for 2)"},
		"a leaf":                {edit{state.Row{Key: "firm/krall", Rev: 2, Leaf: at(0), Value: []byte(`{"n":2,"name":"two"}`)}, 5}, "row firm/krall differs from what leaf a/1 made: the leaf (a/0 for a/1)"},
		"a row taken":           {edit{state.Row{Key: "firm/krall"}, 5}, "row firm/krall is missing; leaf a/1 made it"},
		"the last row taken":    {edit{state.Row{Key: "firm/zett"}, 5}, "row firm/zett is missing; leaf a/4 made it"},
		"a row deleted":         {edit{state.Row{Key: "firm/krall", Rev: 2, Leaf: at(1)}, 5}, "row firm/krall differs from what leaf a/1 made: the value"},
		"a tombstone revived":   {edit{state.Row{Key: "firm/gone", Rev: 2, Leaf: at(3), Value: []byte(`{}`)}, 5}, "row firm/gone differs from what leaf a/3 made: the value"},
		"a row too many":        {edit{state.Row{Key: "firm/mallory", Rev: 1, Leaf: at(0), Value: []byte(`{}`)}, 5}, `row "firm/mallory" is one that no leaf made`},
		"a last row too many":   {edit{state.Row{Key: "window/W-1", Rev: 1, Leaf: at(0), Value: []byte(`{}`)}, 5}, `row "window/W-1" is one that no leaf made`},
		"a tombstone too many":  {edit{state.Row{Key: "firm/mallory", Rev: 7, Leaf: at(0)}, 5}, `row "firm/mallory" is one that no leaf made`},
		"what is applied ahead": {edit{state.Row{Key: "firm/mallory"}, 99}, "the rows claim 99 leaves of node a, the log has 5"},
	} {
		t.Run(name, func(t *testing.T) {
			log, store := &statetest.Log{}, state.NewMemory()
			j := journal(log, store)
			commit(t, j, "krall", 1, "one")
			commit(t, j, "krall", 2, "two")
			commit(t, j, "gone", 1, "one")
			if _, err := j.Commit(context.Background(), "firm/gone", audit.Event{Subject: "gone", Rev: 2, Body: audit.BlockLifted{Block: "gone"}}); err != nil {
				t.Fatal(err)
			}
			commit(t, j, "zett", 1, "one")
			before := rowsOf(t, store)
			if err := store.Mend(context.Background(), "a", c.edit.applied, []state.Row{c.edit.row}); err != nil {
				t.Fatal(err)
			}
			j = journal(log, store)
			if _, err := j.CatchUp(context.Background()); err != nil {
				t.Fatal(err)
			}
			told, err := j.Check(context.Background())
			if err != nil || !slices.Equal(told, []string{c.says}) {
				t.Fatalf("told %q, %v", told, err)
			}
			sameRows(t, rowsOf(t, store), before)
			if told, err := j.Check(context.Background()); err != nil || len(told) > 0 {
				t.Fatalf("told again %q, %v", told, err)
			}
			commit(t, j, "krall", 3, "three")
			sameRows(t, rowsOf(t, store), fromLog(t, log))
		})
	}
}

// A row was edited, and the log is ahead of the store: the leaves that are to
// be caught up do not bear the edited row. The log decides, and Check tells it.
func TestEditedRowBeforeCatchUp(t *testing.T) {
	log, store := &statetest.Log{}, state.NewMemory()
	j := journal(log, store)
	commit(t, j, "krall", 1, "one")
	behind, err := store.Get(context.Background(), "firm/krall")
	if err != nil {
		t.Fatal(err)
	}
	commit(t, j, "krall", 2, "two")
	before := rowsOf(t, store)
	behind.Value = []byte(`{"n":41,"name":"one"}`)
	if err := store.Mend(context.Background(), "a", 1, []state.Row{behind}); err != nil {
		t.Fatal(err)
	}
	j = journal(log, store)
	if _, err := j.CatchUp(context.Background()); err != nil {
		t.Fatal(err)
	}
	sameRows(t, rowsOf(t, store), before)
	told, err := j.Check(context.Background())
	if err != nil || len(told) != 1 || !strings.Contains(told[0], "row firm/krall differs") {
		t.Fatalf("told %q, %v", told, err)
	}
}

// After Check a row that is edited while the process runs is not built upon:
// its value must not get into the log.
func TestEditedRowWhileRunning(t *testing.T) {
	log, store := &statetest.Log{}, state.NewMemory()
	j := journal(log, store)
	commit(t, j, "krall", 1, "one")
	if _, err := j.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	commit(t, j, "krall", 2, "two")
	row, err := store.Get(context.Background(), "firm/krall")
	if err != nil {
		t.Fatal(err)
	}
	row.Value = []byte(`{"n":41,"name":"two"}`)
	for _, edited := range []state.Row{row, {Key: "firm/krall"}, {Key: "firm/krall", Rev: 2}, {Key: "firm/new", Rev: 3, Value: []byte(`1`)}} {
		if err := store.Mend(context.Background(), "a", 2, []state.Row{edited}); err != nil {
			t.Fatal(err)
		}
		_, err := j.Commit(context.Background(), edited.Key, change(strings.TrimPrefix(edited.Key, "firm/"), edited.Rev+1, "three"))
		if err == nil || errors.Is(err, state.ErrConflict) || log.Size() != 2 {
			t.Fatalf("built upon %+v: %v", edited, err)
		}
	}
	if told, err := j.Check(context.Background()); err != nil || len(told) != 2 {
		t.Fatalf("told %q, %v", told, err)
	}
	commit(t, j, "krall", 3, "three")
	sameRows(t, rowsOf(t, store), fromLog(t, log))
}

// Readers of checked rows meet no false alarm while rows change.
func TestCheckedWhileRowsChange(t *testing.T) {
	log, store := &statetest.Log{}, state.NewMemory()
	j := journal(log, store)
	for _, f := range []string{"a", "b", "c"} {
		commit(t, j, f, 1, "x")
	}
	if _, err := j.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	rows := j.Checked(store)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if row, err := rows.Get(context.Background(), "firm/a"); err != nil {
					t.Errorf("%+v, %v", row, err)
					return
				}
				n := 0
				for _, err := range rows.List(context.Background(), "firm/") {
					if n++; err != nil {
						t.Error(err)
						return
					}
				}
				if n < 2 {
					t.Errorf("%d rows", n)
					return
				}
			}
		})
	}
	for rev := uint64(2); rev < 150; rev++ {
		commit(t, j, "a", rev, fmt.Sprint(rev))
		ev := audit.Event{Subject: "c", Rev: rev, Body: audit.BlockLifted{Block: "c"}}
		if rev%2 == 1 {
			ev = change("c", rev, "back")
		}
		if _, err := j.Commit(context.Background(), "firm/c", ev); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	wg.Wait()
}

func TestCheckOfALogThatCannotBeRead(t *testing.T) {
	log, store := &statetest.Log{}, state.NewMemory()
	j := journal(log, store)
	commit(t, j, "krall", 1, "one")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := j.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if j.Err() != nil {
		t.Fatalf("broken by a reader who left: %v", j.Err())
	}
}

// Any history of changes, crashes, lost stores and edits ends with the rows of the log.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		log := &statetest.Log{}
		inner := state.NewMemory()
		store := &statetest.Faulty{Store: inner}
		j := journal(log, store)
		crash := errors.New("crash")
		restart := func() {
			log, store = log.Restart(), &statetest.Faulty{Store: inner}
			j = journal(log, store)
			if _, err := j.CatchUp(ctx); err != nil {
				t.Fatalf("catch up: %v", err)
			}
		}
		firm := rapid.SampledFrom([]string{"a", "b", "c"})
		actions := map[string]func(*rapid.T){
			"change": func(t *rapid.T) {
				f := firm.Draw(t, "firm")
				row, _ := inner.Get(ctx, "firm/"+f)
				ev := change(f, row.Rev+1, rapid.SampledFrom([]string{"x", "y", "no", "void"}).Draw(t, "name"))
				ev.Rev += uint64(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "skew"))
				size := log.Size()
				if _, err := j.Commit(ctx, "firm/"+f, ev); err != nil && log.Size() != size {
					t.Fatalf("refused and written: %v", err)
				}
			},
			"two rows": func(t *rapid.T) {
				p, f := firm.Draw(t, "person"), firm.Draw(t, "firm")
				row, _ := inner.Get(ctx, "person/"+p)
				ev := audit.Event{Subject: p, Rev: row.Rev + 1, Body: audit.PersonConfirmed{Person: p, By: f}}
				if _, err := j.Commit(ctx, "person/"+p, ev); err != nil {
					t.Fatal(err)
				}
			},
			"delete": func(t *rapid.T) {
				f := firm.Draw(t, "firm")
				row, _ := inner.Get(ctx, "firm/"+f)
				ev := audit.Event{Subject: f, Rev: row.Rev + 1, Body: audit.BlockLifted{Block: f}}
				if _, err := j.Commit(ctx, "firm/"+f, ev); err != nil {
					t.Fatal(err)
				}
			},
			"crash": func(t *rapid.T) {
				f, done := firm.Draw(t, "firm"), rapid.Bool().Draw(t, "done")
				if rapid.Bool().Draw(t, "in the log") {
					log.Fail = func(_ audit.Event, kept bool) error { return when(kept == done, crash) }
				} else {
					store.Fail = func(_ audit.Leaf, applied bool) error { return when(applied == done, crash) }
				}
				row, _ := inner.Get(ctx, "firm/"+f)
				if _, err := j.Commit(ctx, "firm/"+f, change(f, row.Rev+1, "crash")); !errors.Is(err, crash) {
					t.Fatalf("%v", err)
				}
				restart()
			},
			"lose the store": func(*rapid.T) { inner = state.NewMemory(); restart() },
			"edit": func(t *rapid.T) {
				f := firm.Draw(t, "firm")
				rev := uint64(rapid.IntRange(0, 3).Draw(t, "rev"))
				at := audit.Index(rapid.IntRange(0, log.Size()).Draw(t, "applied"))
				if err := inner.Mend(ctx, "a", at, []state.Row{{Key: "firm/" + f, Rev: rev, Value: []byte(`{"n":41,"name":"z"}`)}}); err != nil {
					t.Fatal(err)
				}
				restart()
				if _, err := j.Check(ctx); err != nil {
					t.Fatal(err)
				}
			},
		}
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			actions[rapid.SampledFrom(slices.Sorted(maps.Keys(actions))).Draw(t, "step")](t)
		}
		sameRows(t, rowsOf(t, inner), fromLog(t, log))
	})
}
