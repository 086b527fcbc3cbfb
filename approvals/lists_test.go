package approvals

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"

	"penstock/approvals/state"
	"penstock/audit"
)

// countedDocs counts what is read of the disk.
type countedDocs struct {
	documents
	gets *atomic.Int64
}

func (c countedDocs) Get(ctx context.Context, h audit.Hash) ([]byte, error) {
	c.gets.Add(1)
	return c.documents.Get(ctx, h)
}

// TestListsReadNothingTwice: a list that nobody changed costs no document, one
// step costs that one's, and what is kept is what would be read.
func TestListsReadNothingTwice(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	w.submit()
	var gets atomic.Int64
	w.desk.docs = countedDocs{w.desk.docs, &gets}
	list := func() ([]Request, []Window, int64) {
		gets.Store(0)
		rs, err := w.desk.Requests(w.ctx, w.as("mia"))
		wants(t, err, "")
		ws, err := w.desk.Windows(w.ctx, w.as("mia"))
		wants(t, err, "")
		return rs, ws, gets.Load()
	}
	_, _, first := list()
	if _, _, again := list(); first == 0 || again != 0 {
		t.Errorf("%d documents were read first, %d the second time", first, again)
	}
	_, err := w.desk.Pause(w.ctx, w.as("mia"), "W-1", "CIP")
	wants(t, err, "")
	rs, ws, one := list()
	if one == 0 || one >= first || ws[0].State != WindowPaused {
		t.Errorf("after one step %d documents were read, and W-1 is %s", one, ws[0].State)
	}
	for _, r := range rs {
		fresh, err := w.desk.Request(w.ctx, w.as("mia"), r.ID)
		wants(t, err, "")
		if !reflect.DeepEqual(fresh, r) {
			t.Errorf("kept\n%+v\nread\n%+v", r, fresh)
		}
	}
	fresh, err := w.desk.Window(w.ctx, w.as("mia"), "W-1")
	wants(t, err, "")
	if !reflect.DeepEqual(fresh, ws[0]) {
		t.Errorf("kept\n%+v\nread\n%+v", ws[0], fresh)
	}
	w.restart()
	rs2, ws2, _ := list()
	if !reflect.DeepEqual(rs, rs2) || !reflect.DeepEqual(ws, ws2) {
		t.Error("a restart shows something else")
	}
}

func TestListsAreBounded(t *testing.T) {
	l, from := &lists{}, map[string]kept[int]{}
	for i := range 2 * mostKept {
		row := state.Row{Key: fmt.Sprint(i), Value: []byte{1}}
		if got, err := known(l, from, row, func() (int, error) { return i, nil }); err != nil || got != i {
			t.Fatal(got, err)
		}
	}
	if len(from) != mostKept {
		t.Errorf("%d are kept", len(from))
	}
	row := state.Row{Key: "x", Value: []byte{1}}
	for _, read := range []int{1, 2} { // the second is not read
		if got, _ := known(l, from, row, func() (int, error) { return read, nil }); got != 1 {
			t.Errorf("read as %d", got)
		}
	}
	row.Value = []byte{2}
	if got, _ := known(l, from, row, func() (int, error) { return 3, nil }); got != 3 {
		t.Errorf("another value is still read as %d", got)
	}
}
