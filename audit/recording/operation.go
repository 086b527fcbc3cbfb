package recording

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Operation is one row of what a client did on a machine whose protocol an
// inspector reads: a frame of mark Did. A row with a Service is the operation,
// recorded before its bytes go on; a later row of the same N without one says
// what came of it. Two rows with a Service and the same N: it was decided anew
// before it went on, and the later one holds.
type Operation struct { // in the order of the names, which is the canonical one
	Allowed bool     `json:"allowed,omitempty"`
	Changes []Change `json:"changes,omitempty"`
	Code    string   `json:"code,omitempty"` // of the service: "06", "08/04"
	Count   int      `json:"count,omitempty"`
	Failed  bool     `json:"failed,omitempty"` // the machine refused, or did not answer
	More    int      `json:"more,omitempty"`   // changes that are not listed
	N       uint64   `json:"n"`                // from 1, in the channel
	Names   []string `json:"names,omitempty"`  // the register sheet's
	Object  string   `json:"object,omitempty"` // the first: "holding 12"
	Outcome string   `json:"outcome,omitempty"`
	Right   string   `json:"right,omitempty"` // what it takes beside look: "set"; "look" where that is all
	Rule    string   `json:"rule,omitempty"`  // by which it was decided
	Service string   `json:"service,omitempty"`
	Unit    int      `json:"unit,omitempty"`
	Why     string   `json:"why,omitempty"` // it was refused
}

// Change is a value that an operation makes. Old is what the client last saw
// there, in the same unit; empty: it never looked.
type Change struct {
	Name   string `json:"name,omitempty"`
	New    string `json:"new"`
	Object string `json:"object"`
	Old    string `json:"old,omitempty"`
}

// Encode is the canonical form.
func (o Operation) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(o); err != nil {
		return nil, fmt.Errorf("write an operation: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// ParseOperation reads a frame of mark Did. It trusts no byte.
func ParseOperation(data []byte) (o Operation, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil || o.N == 0 {
		return o, fmt.Errorf("no operation: %q", data[:min(len(data), 60)])
	}
	return o, nil
}
