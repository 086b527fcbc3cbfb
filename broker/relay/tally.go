package relay

import (
	"cmp"
	"maps"
	"strings"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/policy"
	"penstock/policy/inspect"
)

// rowOf is a request's row before it is decided.
func rowOf(n uint64, r *inspect.Request) recording.Operation {
	row := recording.Operation{N: n, Service: r.Service, Code: r.Code, Unit: r.Unit, Object: r.Object, Count: r.Count, Names: r.Names, More: r.More, Right: rightOf(r.Need)}
	for _, c := range r.Changes {
		row.Changes = append(row.Changes, recording.Change{Name: c.Name, New: c.New, Object: c.Object, Old: c.Old})
	}
	return row
}

// rightOf is what an operation takes, without the look that is in everything.
func rightOf(need policy.Rights) string {
	switch need {
	case 0:
		return "never"
	case policy.Look:
		return "look"
	}
	return strings.Join((need &^ policy.Look).Words(), ", ")
}

// pending is a request that waits for the machine's answer.
type pending struct {
	n     uint64 // of its row
	looks bool   // it only looks: nothing needs to be said of it where it goes well
}

// mostRules bounds the rules that a summary names.
const mostRules = 20

// tally counts what was done on one stream.
type tally struct {
	allowed, refused   map[string]int
	failed, unanswered int
	objects            recording.Objects
}

func newTally() tally { return tally{allowed: map[string]int{}, refused: map[string]int{}} }

func (t *tally) decided(d *decided) {
	if d.no == nil {
		t.allowed[d.row.Right]++
		t.objects.Add(d.row)
		if !d.Silent {
			t.unanswered++
		}
		return
	}
	rule := cmp.Or(d.row.Rule, "fault")
	if _, known := t.refused[rule]; !known && len(t.refused) >= mostRules {
		rule = "other"
	}
	t.refused[rule]++
}

// answered takes answers off what waits, and gives the rows that say what came
// of it: of what was only looked at, none where it went well.
func (t *tally) answered(waiting map[uint64]pending, all []inspect.Answer) (rows []recording.Operation) {
	for _, a := range all {
		p, waits := waiting[a.Tag]
		if !waits {
			continue // what need not be answered was
		}
		delete(waiting, a.Tag)
		t.unanswered--
		if a.Failed {
			t.failed++
		}
		if a.Failed || !p.looks {
			rows = append(rows, recording.Operation{N: p.n, Outcome: a.Outcome, Failed: a.Failed})
		}
	}
	return rows
}

// Summary writes operations.summary, where anything was asked. It is called
// once, when nothing passes any more.
func (i *Inspected) Summary() error {
	i.mu.Lock()
	sum := audit.OperationsSummary{Allowed: maps.Clone(i.tally.allowed), Refused: maps.Clone(i.tally.refused), Failed: i.tally.failed, Unanswered: i.tally.unanswered}
	sum.Changed, sum.SetOff, sum.More = i.tally.objects.Told()
	if i.busy != nil {
		i.busy()
		i.busy = nil
	}
	i.mu.Unlock()
	if len(sum.Allowed)+len(sum.Refused) == 0 {
		return nil
	}
	return i.ch.Summarised(sum)
}
