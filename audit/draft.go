package audit

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// draft is a leaf that lacks only what the committer gives: index, mono and
// wall. The canonical order of the keys is that of the alphabet, so these
// three can be put between prepared pieces; TestDraftIsCanonical holds it to
// Leaf.Canonical.
type draft struct {
	leaf            Leaf
	head, mid, tail []byte // {… "index": | ,"mono":" | ","node": … "wall":"
}

// longest is what index, mono and wall can need together.
const longest = len("9007199254740991") + len("9223372036854775807") + len("2006-01-02T15:04:05.999999999Z")

// newDraft checks an event and does the costly part of its leaf. What Append
// returns is what will be read.
func newDraft(ev Event, node, boot string) (*draft, error) {
	if ev.Body == nil {
		return nil, errors.New("an event without a body")
	}
	raw, err := canonical(ev.Body, maxDepth-1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ev.Body.Type(), err)
	}
	body, err := readBack(ev.Body, raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ev.Body.Type(), err)
	}
	ev.Body, ev.Rows = body, cloneRows(ev.Rows)
	d := &draft{leaf: Leaf{Event: ev, Boot: boot, Node: node}, mid: []byte(`,"mono":"`)}
	var w writer
	w.put(`{"actor":`).text(ev.Actor).put(`,"body":`).put(string(raw)).put(`,"boot":`).text(boot).put(`,"index":`)
	d.head, w.out = w.out, nil
	w.put(`","node":`).text(node).put(`,"rev":`).number(ev.Rev).rows(ev.Rows)
	w.put(`,"subject":`).text(ev.Subject).put(`,"type":`).text(body.Type()).put(`,"v":`).number(leafVersion).put(`,"wall":"`)
	d.tail = w.out
	if w.err != nil {
		return nil, fmt.Errorf("%s: %w", body.Type(), w.err)
	}
	if n := d.most(); n > MaxLeaf {
		return nil, fmt.Errorf("%s: a leaf of up to %d bytes, and %d is the most: put what is large into a document", body.Type(), n, MaxLeaf)
	}
	return d, nil
}

// readBack gives the body that a reader will find in raw, the canonical form of
// given; an error if a reader would not take it, or would write it otherwise.
func readBack(given Body, raw []byte) (Body, error) {
	body, err := decodeBody(given.Type(), raw)
	if err != nil || reflect.DeepEqual(given, body) { // equal values are written alike
		return body, err
	}
	again, err := canonical(body, maxDepth-1)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, raw) {
		return nil, errors.New("a body that is read otherwise than it is written")
	}
	return body, nil
}

// writer puts canonical JSON together.
type writer struct {
	out []byte
	err error // the first
}

func (w *writer) put(s string) *writer {
	w.out = append(w.out, s...)
	return w
}

func (w *writer) text(s string) *writer {
	if bare(s) {
		return w.put(`"`).put(s).put(`"`)
	}
	return w.value(s)
}

// bare says whether a string needs nothing but its quotes.
func bare(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (w *writer) value(v any) *writer {
	b, err := Canonical(v)
	if w.err == nil {
		w.err = err
	}
	w.out = append(w.out, b...)
	return w
}

func (w *writer) number(n uint64) *writer {
	if n >= 1<<53 {
		return w.value(n) // which says why not
	}
	w.out = strconv.AppendUint(w.out, n, 10)
	return w
}

// rows writes the member rows, if there are any.
func (w *writer) rows(rows map[string]Hash) *writer {
	if len(rows) == 0 {
		return w
	}
	keys := make([]string, 0, len(rows))
	for key := range rows {
		if !bare(key) { // other rules of order
			return w.put(`,"rows":`).value(rows)
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	w.put(`,"rows":`)
	for i, key := range keys {
		if i == 0 {
			w.put(`{`)
		} else {
			w.put(`,`)
		}
		w.text(key).put(`:"`).put(rows[key].String()).put(`"`)
	}
	return w.put(`}`)
}

// most is how many bytes write can add.
func (d *draft) most() int {
	return len(d.head) + len(d.mid) + len(d.tail) + longest + len(`"}`)
}

// write appends the leaf's canonical form at its place and time; wall is in
// UTC, without a monotonic reading.
func (d *draft) write(b []byte, at Index, wall time.Time, mono time.Duration) []byte {
	b = append(b, d.head...)
	b = strconv.AppendUint(b, uint64(at), 10)
	b = append(b, d.mid...)
	b = strconv.AppendInt(b, int64(mono), 10)
	b = append(b, d.tail...)
	b = wall.AppendFormat(b, time.RFC3339Nano)
	return append(b, `"}`...)
}

// finish gives the leaf that b, of write with the same arguments, is.
func (d *draft) finish(at Index, wall time.Time, mono time.Duration, b []byte) Leaf {
	l := d.leaf
	l.Index, l.Wall, l.Mono, l.Hash = at, wall, mono, HashOf(b)
	return l
}

func cloneRows(rows map[string]Hash) map[string]Hash {
	if len(rows) == 0 {
		return nil
	}
	m := make(map[string]Hash, len(rows))
	for k, h := range rows {
		m[k] = h
	}
	return m
}
