package approvals

import (
	"strings"
	"sync"

	"penstock/policy"
)

// plantText has one zone for each way to open: line-1 by the shift, ops by
// itself, utilities by the vendor's first use.
const plantText = `
site: {id: kiel, name: Fjord Dairy Kiel, colour: teal, timezone: Europe/Berlin, control_room: "+49 431 555 0100"}
plant_changes: by_file
teams:
  shift:        {name: Shift}
  line-1-owner: {name: Line 1 owner, asks_next: util-owner, after: 30m}
  util-owner:   {name: Utilities owner, asks_next: it-network, after: 20m}
  ot-security:  {name: OT security}
  it-network:   {name: IT network}
lines:
  filling-1: {name: Filling line 1, criticality: 1}
zones:
  dmz:       {name: DMZ,       levels: [3.5], sl_t: 3, owner: it-network, broker: here}
  ops:       {name: Ops,       levels: [3],   sl_t: 2, owner: ot-security}
  line-1:    {name: Line 1,    levels: [1],   sl_t: 2, owner: line-1-owner, shift: shift}
  utilities: {name: Utilities, levels: [1],   sl_t: 2, owner: util-owner, shift: shift}
conduits:
  - {name: a, from: dmz, to: ops,       carries: [ssh], rights: [look, copy, set, load], owners: [it-network, ot-security],  why: x, review: 2027-03-31}
  - {name: b, from: dmz, to: line-1,    carries: [ssh], rights: [look, copy, set, load], owners: [it-network, line-1-owner], why: x, review: 2027-03-31}
  - {name: c, from: dmz, to: utilities, carries: [ssh], rights: [look, copy, set, load], owners: [it-network, util-owner],   why: x, review: 2027-03-31}
assets:
  filler-plc:
    {tag: F-1, name: Filler, zone: line-1, level: 1, address: 10.20.1.11, stops: [filling-1], ports: {ssh: {accounts: {viewer: {rights: [look], enforced: device}, recipes: {rights: [look, copy], enforced: device}, maint: {rights: [look, copy, set, load], enforced: nobody}}}}}
  capper-plc:
    {tag: C-1, name: Capper, zone: line-1, level: 1, address: 10.20.1.12, stops: [filling-1], ports: {ssh: {accounts: {viewer: {rights: [look], enforced: device}, recipes: {rights: [look, copy], enforced: device}}}}}
  historian:
    {tag: H-1, name: Historian, zone: ops, level: 3, address: 10.10.0.30, stops: [], ports: {ssh: {accounts: {reader: {rights: [look, copy], enforced: device}}}}}
  chiller:
    {tag: U-1, name: Chiller, zone: utilities, level: 1, address: 10.30.1.11, stops: [filling-1], ports: {ssh: {accounts: {trend: {rights: [look, copy], enforced: device}}}}}
rules:
  - {name: line,  when: {zone: line-1, right: [look, copy]},    plan: [owner],              open: shift,  longest: 8h, proof: code}
  - {name: load,  when: {zone: line-1, right: [set, load]},     plan: [owner, ot-security], open: shift,  longest: 4h, proof: code, ask: [work_order, backup]}
  - {name: ops,   when: {zone: ops, right: [look, copy]},       plan: [owner],              open: auto,   longest: 8h, proof: code, grace: 5m}
  - {name: utils, when: {zone: utilities, right: [look, copy]}, plan: [owner],              open: vendor, longest: 8h, proof: code}
`

var thePlant = sync.OnceValue(func() *policy.Plant { return plantOf(plantText) })

// plantOf is a plant file of the tests, which must be sound.
func plantOf(text string) *policy.Plant {
	p, problems := policy.ParseWith(policy.Options{Inspectors: []string{"modbus"}}, "plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if err := problems.Err(); err != nil {
		panic(err)
	}
	return p
}

// edited is a text in which each second of the edits stands in place of the first,
// which must be there: else a test would be about the plant as it was.
func edited(text string, edits ...string) string {
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			panic("the plant file does not say " + edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	return text
}
