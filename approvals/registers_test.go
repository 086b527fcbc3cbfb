package approvals

import (
	"slices"
	"sync"
	"testing"

	"penstock/approvals/evidence"
	"penstock/policy"
)

// sheetPlant is the kit's plant with a register sheet on the capper, and a frame
// that is for one of its registers.
var sheetPlant = sync.OnceValue(func() *policy.Plant {
	return plantOf(edited(plantText, "to: line-1,    carries: [ssh]", "to: line-1,    carries: [ssh, modbus]",
		"{tag: C-1, name: Capper, zone: line-1, level: 1, address: 10.20.1.12, stops: [filling-1], ports: {", "{tag: C-1, name: Capper, zone: line-1, level: 1, address: 10.20.1.12, stops: [filling-1], ports: {modbus: {unit: 1, enforced: penstock, unlisted: {read: look, write: set}, registers: {40001: {name: Torque, right: set}, 40002: {name: Speed, right: set}}}, ") + "patterns:\n  caps: {assets: [capper-plc], rights: [look, set], open: shift, longest: 2h, owners: [line-1-owner, ot-security], why: Night, review: 2027-03-31, registers: {capper-plc: [Torque]}}\n")
})

func capping(a *Ask) {
	a.Targets, a.Rights, a.WorkOrder, a.Backup = []policy.Target{{Asset: "capper-plc", Port: "modbus"}}, policy.Look|policy.Set, "WO 1", "tape 9"
}

// Registers that are named stand in the text, in the window and in the facts of
// each decision; a pattern's are taken by whoever asks under it.
func TestRegistersOfARequest(t *testing.T) {
	w := newWorldOf(t, nil, sheetPlant)
	_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(capping, func(a *Ask) { a.Registers = []string{"Temperature"} }))
	wants(t, err, "registers")
	_, err = w.desk.Submit(w.ctx, w.as("ann"), w.ask(func(a *Ask) { a.Registers = []string{"Torque"} })) // by ssh nobody reads along
	wants(t, err, "registers")

	r := w.submit(capping, func(a *Ask) { a.Registers = []string{"speed"} })
	if got := evidence.RegisterWords(r.Document.Registers); !slices.Equal(got, []string{"capper-plc: 40002 (Speed)"}) || r.Document.Can != "Can change only: 40002 (Speed)." {
		t.Fatalf("%q %q", got, r.Document.Can)
	}
	r = w.yes("sara", w.yes("olaf", r))
	win, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	f, err := w.desk.Facts(w.ctx, win.ID, "ann")
	if err != nil || len(f.Window.Only) != 1 || !slices.Equal(f.Window.Only[0].Registers, []string{"40002 (Speed)"}) {
		t.Fatalf("%+v %v", f.Window.Only, err)
	}

	p := w.pattern(t, func(a *PatternAsk) {
		*a = PatternAsk{Frame: "caps", Firm: "krall", People: []policy.PersonID{"ann"}, Targets: []policy.Target{{Asset: "capper-plc", Port: "modbus"}}, Rights: policy.Look | policy.Set, Minutes: 120, Purpose: "Caps leak"}
	})
	if got := evidence.RegisterWords(p.Document.Registers); !slices.Equal(got, []string{"capper-plc: 40001 (Torque)"}) {
		t.Fatalf("a pattern without any has those of its frame: %q", got)
	}
	r = w.submit(capping, func(a *Ask) { a.Pattern = p.ID })
	if got := evidence.RegisterWords(r.Document.Registers); !slices.Equal(got, []string{"capper-plc: 40001 (Torque)"}) || r.Pattern == nil {
		t.Errorf("asked under the pattern: %q %+v", got, r.Pattern)
	}
	_, err = w.desk.Submit(w.ctx, w.as("ann"), w.ask(capping, func(a *Ask) { a.Pattern, a.Registers = p.ID, []string{"Speed"} }))
	wants(t, err, "pattern-wider")
	if r := w.submit(capping); r.Pattern != nil {
		t.Error("all registers lie inside a pattern for one")
	}
	_, err = w.desk.ProposePattern(w.ctx, w.as("sara"), PatternAsk{Frame: "caps", Firm: "krall", People: []policy.PersonID{"ann"}, Targets: []policy.Target{{Asset: "capper-plc", Port: "modbus"}}, Rights: policy.Look | policy.Set, Minutes: 120, Purpose: "Caps leak", Registers: []string{"Speed"}})
	wants(t, err, "pattern-frame")
	w.judge(t)
}
