// Package source reads one YAML document strictly and remembers where every
// value stood, so that whoever finds fault with a value can say file, line and
// column. The plant file, penstock.yaml and test tables are read with it.
//
// It gives a tree of Values and a list of Problems; it does not know what the
// words mean. It trusts no byte: size, depth and number of values are bounded,
// anchors, aliases, tags, merge keys and repeated keys are problems, and only
// UTF-8 is read. A value that has a problem reads as its zero value and the
// reading goes on, so that all problems come at once; a caller must look at
// Problems before it believes anything it read.
package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Bounds of one document.
const (
	MaxBytes  = 1 << 20 // of one file
	maxDepth  = 24
	maxValues = 200_000
	maxFound  = 200 // problems; the rest is counted in one more
)

// Place is where something stands in a file. Line and Column begin at 1; a
// Line of 0 is the file as a whole.
type Place struct {
	File         string
	Line, Column int
}

func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one thing wrong at one place. Hint says what would be right and
// may be empty.
type Problem struct {
	Place
	Text string
	Hint string
}

// String is "file:line:column: text (hint)".
func (p Problem) String() string {
	s := p.Place.String() + ": " + p.Text
	if p.Hint != "" {
		s += " (" + p.Hint + ")"
	}
	return s
}

// Problems are all that is wrong, in the order of their places. None is nil.
type Problems []Problem

// Error is one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Err is ps as an error; nil if there is none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// Report collects problems while one or several files are read. The zero
// Report is ready. It is for one goroutine.
type Report struct {
	found []Problem
	more  int
}

// Add notes a problem; beyond 200 they are only counted.
func (r *Report) Add(at Place, text, hint string) {
	if len(r.found) >= maxFound {
		r.more++
		return
	}
	r.found = append(r.found, Problem{at, printable(text), printable(hint)})
}

// Full says that further problems are only counted, so that nobody needs to
// find words for them.
func (r *Report) Full() bool { return len(r.found) >= maxFound }

// Problems is what was found, sorted by file, line and column, each once.
func (r *Report) Problems() Problems {
	if len(r.found) == 0 {
		return nil
	}
	ps := slices.Clone(r.found)
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	ps = slices.Compact(ps)
	if r.more > 0 {
		ps = append(ps, Problem{Place{File: ps[0].File}, fmt.Sprintf("and %d more problems", r.more), "mend these first"})
	}
	return ps
}

// Load reads the one YAML document in data. If it cannot be read at all the
// Value is absent and the report says why.
func Load(file string, data []byte, to *Report) Value {
	whole := Place{File: file}
	switch {
	case len(data) > MaxBytes:
		to.Add(whole, fmt.Sprintf("the file has %d bytes; at most %d are read", len(data), MaxBytes), "split it")
		return Value{at: whole, to: to}
	case !utf8.Valid(data):
		to.Add(whole, "the file is not UTF-8", "save it as UTF-8")
		return Value{at: whole, to: to}
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		addLoadError(file, err, to)
		return Value{at: whole, to: to}
	}
	if len(doc.Content) != 1 {
		to.Add(whole, "the file is empty", "")
		return Value{at: whole, to: to}
	}
	left := maxValues
	if !sound(file, doc.Content[0], 0, &left, to) {
		return Value{at: whole, to: to}
	}
	return Value{at: place(file, doc.Content[0]), node: doc.Content[0], to: to}
}

func place(file string, n *yaml.Node) Place { return Place{file, max(n.Line, 1), max(n.Column, 1)} }

// addLoadError turns what the YAML library says into problems with places.
func addLoadError(file string, err error, to *Report) {
	var many *yaml.LoadErrors
	if errors.As(err, &many) && len(many.Errors) > 0 {
		for _, one := range many.Errors {
			to.Add(Place{file, max(one.Mark.Line, 1), max(one.Mark.Column, 1)}, one.Message, "this is not YAML")
		}
		return
	}
	var one *yaml.LoadError
	if errors.As(err, &one) {
		to.Add(Place{file, max(one.Mark.Line, 1), max(one.Mark.Column, 1)}, one.Message, "this is not YAML; look at indentation, colons and quotes")
		return
	}
	to.Add(Place{File: file}, err.Error(), "one YAML document is wanted")
}

// sound refuses what no file of ours uses and what makes readers differ:
// aliases (also bombs of them), tags, merge keys, too much and too deep. It
// returns false where walking on would be unsafe.
func sound(file string, n *yaml.Node, depth int, left *int, to *Report) bool {
	if *left--; *left < 0 {
		to.Add(place(file, n), fmt.Sprintf("more than %d values in one file", maxValues), "split it")
		return false
	}
	if depth > maxDepth {
		to.Add(place(file, n), fmt.Sprintf("nested more than %d deep", maxDepth), "")
		return false
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		to.Add(place(file, n), "anchors and aliases are not read here", "write it out")
		return n.Kind != yaml.AliasNode
	}
	if n.Style&yaml.TaggedStyle != 0 {
		to.Add(place(file, n), "tags such as "+n.Tag+" are not read here", "leave the tag out")
	}
	for _, c := range n.Content {
		if !sound(file, c, depth+1, left, to) {
			return false
		}
	}
	return true
}

// printable keeps a hostile file from writing to a terminal through its own
// error message.
func printable(s string) string {
	clean := true
	for _, r := range s {
		if !showable(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if showable(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
