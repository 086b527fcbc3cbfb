package recording

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
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
func (o *Operation) Encode() ([]byte, error) { return o.AppendTo(make([]byte, 0, 256)) }

// AppendTo is Encode behind what is in b. It is on the way of every operation, so it
// writes what the json package would, without looking the type up.
func (o *Operation) AppendTo(b []byte) ([]byte, error) {
	w := rowWriter{b: append(b, '{')}
	w.flag("allowed", o.Allowed)
	if len(o.Changes) > 0 {
		w.name("changes")
		for i, c := range o.Changes {
			w.b = append(w.b, "[,"[min(i, 1)], '{')
			w.text("name", c.Name)
			w.name("new")
			w.quote(c.New)
			w.name("object")
			w.quote(c.Object)
			w.text("old", c.Old)
			w.b = append(w.b, '}')
		}
		w.b = append(w.b, ']')
	}
	w.text("code", o.Code)
	w.number("count", int64(o.Count))
	w.flag("failed", o.Failed)
	w.number("more", int64(o.More))
	w.name("n")
	w.b = strconv.AppendUint(w.b, o.N, 10)
	if len(o.Names) > 0 {
		w.name("names")
		for i, n := range o.Names {
			w.b = append(w.b, "[,"[min(i, 1)])
			w.quote(n)
		}
		w.b = append(w.b, ']')
	}
	w.text("object", o.Object)
	w.text("outcome", o.Outcome)
	w.text("right", o.Right)
	w.text("rule", o.Rule)
	w.text("service", o.Service)
	w.number("unit", int64(o.Unit))
	w.text("why", o.Why)
	if w.err != nil {
		return b, fmt.Errorf("write an operation: %w", w.err)
	}
	return append(w.b, '}'), nil
}

// rowWriter writes an object's fields, each behind a comma but the first.
type rowWriter struct {
	b   []byte
	err error
}

func (w *rowWriter) name(n string) {
	if last := w.b[len(w.b)-1]; last != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(w.b, '"'), n...), `":`...)
}

func (w *rowWriter) flag(n string, v bool) {
	if v {
		w.name(n)
		w.b = append(w.b, "true"...)
	}
}

func (w *rowWriter) number(n string, v int64) {
	if v != 0 {
		w.name(n)
		w.b = strconv.AppendInt(w.b, v, 10)
	}
}

func (w *rowWriter) text(n, v string) {
	if v != "" {
		w.name(n)
		w.quote(v)
	}
}

func (w *rowWriter) quote(v string) {
	for i := range len(v) {
		if c := v[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			w.quoteRare(v)
			return
		}
	}
	w.b = append(append(append(w.b, '"'), v...), '"')
}

func (w *rowWriter) quoteRare(v string) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		w.err = err
	}
	w.b = append(w.b, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
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

// Words is the row for a person.
func (o Operation) Words() string {
	if o.Service == "" {
		return o.Outcome
	}
	var b strings.Builder
	b.WriteString(o.Service)
	if o.Object != "" && len(o.Changes) == 0 {
		b.WriteString(" " + o.Object)
		if o.Count > 1 {
			fmt.Fprintf(&b, " and %d more", o.Count-1)
		}
		if len(o.Names) > 0 {
			b.WriteString(" (" + strings.Join(o.Names, ", ") + ")")
		}
	}
	for i, c := range o.Changes[:min(len(o.Changes), mostWords)] {
		what := c.Object
		if c.Name != "" {
			what = c.Name + " (" + c.Object + ")"
		}
		b.WriteString([]string{": ", "; "}[min(i, 1)] + what + " ")
		if c.Old != "" {
			b.WriteString(c.Old + " → ")
		} else {
			b.WriteString("to ")
		}
		b.WriteString(c.New)
	}
	if more := len(o.Changes) - mostWords + o.More; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	if !o.Allowed {
		b.WriteString(", refused (" + o.Rule + ")")
		if o.Why != "" {
			b.WriteString(": " + o.Why)
		}
	}
	return b.String()
}

const mostWords = 4 // changes that words name

// Refused says that it did not go on.
func (o Operation) Refused() bool { return o.Service != "" && !o.Allowed }

// Looked says that it was let through and changes nothing.
func (o Operation) Looked() bool { return o.Allowed && o.Right == "look" }
