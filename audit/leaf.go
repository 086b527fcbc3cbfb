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
