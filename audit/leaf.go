package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// MaxLeaf is the most bytes that a canonical leaf has.
const MaxLeaf = 4096

// leafVersion is the "v" of every leaf of this format.
const leafVersion = 1

// wireLeaf is a leaf as JSON. Its canonical form is what is hashed and stored.
type wireLeaf struct {
	V       int             `json:"v"`
	Type    string          `json:"type"`
	Subject string          `json:"subject"`
	Rev     uint64          `json:"rev"`
	Actor   string          `json:"actor"`
	Body    any             `json:"body"`
	Rows    map[string]Hash `json:"rows,omitempty"`
	Wall    string          `json:"wall"` // RFC 3339, UTC, nanoseconds without trailing zeros
	Mono    string          `json:"mono"` // ns since boot, decimal: it may pass 2^53
	Boot    string          `json:"boot"`
	Node    string          `json:"node"`
	Index   Index           `json:"index"`
}

// Canonical is the byte form that the log keeps: RFC 8785, at most MaxLeaf bytes.
func (l Leaf) Canonical() ([]byte, error) {
	if l.Body == nil {
		return nil, errors.New("a leaf without a body")
	}
	if l.Mono < 0 {
		return nil, errors.New("a leaf from before the boot")
	}
	b, err := Canonical(wireLeaf{
		V: leafVersion, Type: l.Body.Type(), Subject: l.Subject, Rev: l.Rev, Actor: l.Actor, Body: l.Body, Rows: l.Rows,
		Wall: l.Wall.UTC().Format(time.RFC3339Nano), Mono: strconv.FormatInt(int64(l.Mono), 10),
		Boot: l.Boot, Node: l.Node, Index: l.Index,
	})
	if err != nil {
		return nil, err
	}
	if len(b) > MaxLeaf {
		return nil, fmt.Errorf("a leaf of %d bytes, and %d is the most: put what is large into a document", len(b), MaxLeaf)
	}
	return b, nil
}

// ParseLeaf reads the canonical form, and only that: a field that this build
// does not know, in the leaf or in the body of a known type, or any other
// spelling of the same values is an error. An unknown type is an Unknown.
func ParseLeaf(b []byte) (Leaf, error) {
	if len(b) > MaxLeaf {
		return Leaf{}, fmt.Errorf("a leaf of %d bytes, and %d is the most", len(b), MaxLeaf)
	}
	var raw json.RawMessage
	w := wireLeaf{Body: &raw}
	if err := strictly(b, &w); err != nil {
		return Leaf{}, fmt.Errorf("leaf: %w", err)
	}
	if w.V != leafVersion {
		return Leaf{}, fmt.Errorf("leaf: version %d, and this build reads %d", w.V, leafVersion)
	}
	body, err := decodeBody(w.Type, raw)
	if err != nil {
		return Leaf{}, err
	}
	wall, err := time.Parse(time.RFC3339Nano, w.Wall)
	if err != nil {
		return Leaf{}, fmt.Errorf("leaf: wall: %w", err)
	}
	mono, err := strconv.ParseInt(w.Mono, 10, 64)
	if err != nil {
		return Leaf{}, fmt.Errorf("leaf: mono: %w", err)
	}
	l := Leaf{
		Event: Event{Subject: w.Subject, Rev: w.Rev, Actor: w.Actor, Body: body, Rows: w.Rows},
		Index: w.Index, Wall: wall.UTC(), Mono: time.Duration(mono), Boot: w.Boot, Node: w.Node, Hash: HashOf(b),
	}
	again, err := l.Canonical()
	if err != nil {
		return Leaf{}, fmt.Errorf("leaf: %w", err)
	}
	if !bytes.Equal(again, b) {
		return Leaf{}, errors.New("leaf: not the canonical form")
	}
	return l, nil
}

// strictly reads one JSON value with no unknown field and nothing behind it.
func strictly(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something behind the end")
	}
	return nil
}

// draft is a leaf that lacks only what the committer gives: index, mono and
// wall. The canonical order of the keys is that of the alphabet, so these
// three can be put between prepared pieces; TestDraftIsCanonical holds it to
// Leaf.Canonical.
type draft struct {
	leaf            Leaf
	head, mid, tail []byte // {… "index": | ,"mono":" … | ","node": … "wall":"
}

// longest is what index, mono and wall can need together.
const longest = len("9007199254740991") + len("9223372036854775807") + len("2006-01-02T15:04:05.999999999Z")

// newDraft checks an event and does the costly part of its leaf.
func newDraft(ev Event, node, boot string) (*draft, error) {
	if ev.Body == nil {
		return nil, errors.New("an event without a body")
	}
	ev.Rows = cloneRows(ev.Rows)
	b, err := Leaf{Event: ev, Boot: boot, Node: node, Wall: time.Unix(0, 0)}.Canonical()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ev.Body.Type(), err)
	}
	l, err := ParseLeaf(b) // what is returned is what will be read
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ev.Body.Type(), err)
	}
	d := &draft{leaf: l}
	if err := d.split(b); err != nil {
		return nil, fmt.Errorf("%s: %w", ev.Body.Type(), err)
	}
	return d, nil
}

// split cuts b at index, mono and wall. The last occurrence of each is the
// right one only behind the body, which stands before them all.
func (d *draft) split(b []byte) error {
	const wall = `"wall":"1970-01-01T00:00:00Z"}`
	const zero = `,"index":0,"mono":"0","node":`
	i := bytes.LastIndex(b, []byte(zero))
	if i < 0 || !bytes.HasSuffix(b, []byte(wall)) {
		return errors.New("an unexpected form of leaf")
	}
	d.head = b[:i+len(`,"index":`)]
	d.mid = []byte(`,"mono":"`)
	d.tail = b[i+len(`,"index":0,"mono":"0`) : len(b)-len(`1970-01-01T00:00:00Z"}`)]
	if n := len(d.head) + len(d.mid) + len(d.tail) + longest + len(`"}`); n > MaxLeaf {
		return fmt.Errorf("a leaf of up to %d bytes, and %d is the most: put what is large into a document", n, MaxLeaf)
	}
	return nil
}

// finish gives the leaf its place and time; b is its canonical form.
func (d *draft) finish(at Index, wall time.Time, mono time.Duration) (l Leaf, b []byte) {
	wall = wall.Round(0).UTC()
	b = make([]byte, 0, len(d.head)+len(d.mid)+len(d.tail)+longest+2)
	b = append(b, d.head...)
	b = strconv.AppendUint(b, uint64(at), 10)
	b = append(b, d.mid...)
	b = strconv.AppendInt(b, int64(mono), 10)
	b = append(b, d.tail...)
	b = wall.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `"}`...)
	l = d.leaf
	l.Index, l.Wall, l.Mono, l.Hash = at, wall, mono, HashOf(b)
	return l, b
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
