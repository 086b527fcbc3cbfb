package approvals

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/policy"
)

// oneWriterPlant is the kit's plant, where one at a time changes the filler.
var oneWriterPlant = sync.OnceValue(func() *policy.Plant {
	return plantOf(edited(plantText, "{tag: F-1, name: Filler,", "{tag: F-1, name: Filler, one_writer: true,"))
})

// Before a list is signed it says what other work is in its way: of another
// outage, of a window that is agreed or runs, of another firm. Such a row is looked
// at by itself; what is over, or only looks, is in nobody's way.
func TestConflictsWithOtherWork(t *testing.T) {
	w := newWorldOf(t, nil, oneWriterPlant)
	loads := func(firm policy.FirmID, who policy.PersonID, order string, from time.Time) RowAsk {
		r := RowAsk{Ask: w.ask(two), Crew: "A"}
		r.Firm, r.People, r.WorkOrder, r.From, r.To = firm, []policy.PersonID{who}, order, from, from.Add(4*time.Hour)
		return r
	}
	begin := w.now().Add(time.Hour)
	first := w.plans(t, OutageAsk{Name: "Overhaul", From: begin, To: begin.Add(24 * time.Hour), Rows: []RowAsk{loads("krall", "ann", "WO-1", begin)}})
	if len(first.Conflicts) != 0 {
		t.Fatalf("alone: %+v", first.Conflicts)
	}
	looks := RowAsk{Ask: w.ask(on("filler-plc", "recipes")), Crew: "A"}
	looks.Firm, looks.People, looks.From, looks.To = "polar", []policy.PersonID{"eve"}, begin.Add(14*time.Hour), begin.Add(16*time.Hour)
	ask := OutageAsk{Name: "Service of Polar", From: begin, To: begin.Add(24 * time.Hour), Rows: []RowAsk{loads("polar", "eve", "WO-2", begin.Add(2*time.Hour)), looks, loads("polar", "eve", "WO-2", begin.Add(7*time.Hour))}}
	plan, err := w.desk.PlanOutage(w.ctx, w.as("tom"), ask)
	wants(t, err, "")
	if len(plan.Conflicts) != 1 || plan.Conflicts[0].Rule != "two-writers" || !strings.Contains(plan.Conflicts[0].Say, "R-1 and request R-1 of krall") || !strings.Contains(plan.Conflicts[0].Say, ", in O-1 change filler-plc at the same time, and it has one writer.") {
		t.Fatalf("%+v", plan.Conflicts)
	}
	if len(plan.Look[0]) < 2 || len(plan.Look[1]) != 0 {
		t.Errorf("to be looked at: %v", plan.Look)
	}
	second := w.plans(t, ask)
	if len(second.Conflicts) != 1 {
		t.Fatalf("%+v", second.Conflicts)
	}
	clash := func(o Outage, row int) bool {
		return slices.ContainsFunc(o.Rows[row].Look, func(l string) bool { return strings.Contains(l, "one writer") })
	}
	if first = w.outage(t, "olaf", first.ID); !clash(first, 0) || !clash(second, 0) || clash(second, 1) || clash(second, 2) {
		t.Errorf("%q %+v", first.Rows[0].Look, second.Rows)
	}
	if slices.ContainsFunc(second.Document.Rows[0].Look, func(l string) bool { return strings.Contains(l, "one writer") }) {
		t.Error("what is so just now stands in the signed text")
	}
	_, err = w.desk.AnswerList(w.ctx, w.as("olaf"), second.ID, second.Hash, ListReply{Rows: []policy.RequestID{policy.RequestID(second.Rows[0].Request)}})
	wants(t, err, "look-first")

	// The same as a window that another firm has, outside of every list.
	r := w.submit(two, func(a *Ask) { a.From, a.To, a.Minutes = begin.Add(7*time.Hour), begin.Add(8*time.Hour), 30 })
	r = w.yes("sara", w.yes("olaf", r))
	second = w.outage(t, "olaf", second.ID)
	if !clash(second, 2) || !slices.ContainsFunc(second.Conflicts, func(c evidence.Conflict) bool { return strings.Contains(c.Say, string(r.Window)+" of krall") }) {
		t.Errorf("%+v", second.Conflicts)
	}
	if err := w.desk.Withdraw(w.ctx, w.as("ann"), r.ID, "not needed"); err != nil {
		t.Fatal(err)
	}
	if second = w.outage(t, "olaf", second.ID); clash(second, 2) {
		t.Errorf("what was withdrawn is in the way: %+v", second.Conflicts)
	}
	taken, err := w.takes("olaf", second, policy.RequestID(second.Rows[0].Request), policy.RequestID(second.Rows[2].Request))
	if err != nil || len(taken.Rows) != 3 {
		t.Errorf("%+v %v", taken, err)
	}
	w.judge(t)
}

func TestElsewhere(t *testing.T) {
	plant := oneWriterPlant()
	at := start
	ask := func(firm, order, asset string, hours int, rights ...string) evidence.Request {
		return evidence.Request{Request: "R-1", Firm: firm, WorkOrder: order, Rights: rights, Assets: []evidence.Target{{Asset: asset, Port: "ssh", Account: "maint"}}, From: at.Add(time.Duration(hours) * time.Hour), To: at.Add(time.Duration(hours+2) * time.Hour)}
	}
	mine := ask("krall", "1", "capper-plc", 0, "look", "set")
	for story, row := range map[string]struct {
		other evidence.Request
		rule  string
	}{
		"another firm looks while one changes": {ask("polar", "1", "capper-plc", 1, "look"), "two-firms"},
		"the same firm on another order":       {ask("krall", "2", "capper-plc", 1, "look"), "two-orders"},
		"the same firm on the same order":      {ask("krall", "1", "capper-plc", 1, "look", "set"), ""},
		"another machine":                      {ask("polar", "2", "filler-plc", 1, "look", "set"), ""},
		"afterwards":                           {ask("polar", "2", "capper-plc", 2, "look", "set"), ""},
	} {
		list := evidence.Elsewhere(plant, mine, row.other, "W-9")
		rule := ""
		if len(list) > 0 {
			rule = list[0].Rule
		}
		if rule != row.rule || len(list) > 1 {
			t.Errorf("%s: %+v", story, list)
		}
	}
	if list := evidence.Elsewhere(plant, ask("krall", "", "capper-plc", 0, "look"), ask("polar", "2", "capper-plc", 0, "look", "copy"), "W-9"); len(list) != 0 {
		t.Errorf("two that only look: %+v", list)
	}
}
