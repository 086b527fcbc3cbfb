package verify

import (
	"context"
	"errors"

	"penstock/audit"
)

var errUnbuilt = errors.New("not built yet")

// Trust is what the checker believes before it looks.
type Trust struct {
	LogKey      string   // verifier key of the log (note vkey); empty: the folder's own keys/log.pub, which is said in a finding of weight Note
	Checkpoints [][]byte // signed notes that were kept outside
	Identity    string   // age identity that opens recordings; empty: readable mode's own key if the folder has it, else only outer hashes are checked
}

// Weight of a finding.
type Weight uint8

const (
	Note  Weight = iota + 1 // something to know, no fault
	Wrong                   // not proved: exit code 3
)

// Finding is one thing that is to be known or wrong.
type Finding struct {
	Weight Weight
	Where  string // file, offset, leaf or session
	What   string
}

// Report counts what was checked, beside the findings.
type Report struct {
	Leaves     int64
	Documents  int64
	Recordings int64
	Windows    int64
	Size       audit.Index
	Root       audit.Hash
	Findings   []Finding
}

// Proved says whether nothing was wrong.
func (r Report) Proved() bool {
	for _, f := range r.Findings {
		if f.Weight == Wrong {
			return false
		}
	}
	return true
}

// Walk is how verify reaches evidence without importing it: cmd gives
// evidence.Walk here. It sees each leaf in order and says what is wrong with
// windows and answers.
type Walk interface {
	Leaf(ctx context.Context, leaf audit.Leaf) []string
	Done(ctx context.Context) (windows int64, findings []string)
}

// Dir checks a data folder. An error means that it could not check.
func Dir(ctx context.Context, dir string, t Trust, walk Walk, progress func(done, all int64)) (Report, error) {
	return Report{}, errUnbuilt
}
