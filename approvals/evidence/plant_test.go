package evidence

import (
	"testing"

	"penstock/audit"
	"penstock/policy"
)

// plantText asks for line-1-owner to set, for the owner and ot-security to
// load, and for two of ot-security beside the owner to reach the device itself.
const plantText = `
site: {id: kiel, name: Fjord Dairy Kiel, timezone: Europe/Berlin}
teams:
  shift: {name: Line 1 shift supervisor}
  line-1-owner: {name: Line 1 process owner}
  ot-security: {name: OT security}
lines:
  filling-1: {name: Filling line 1, criticality: 1}
zones:
  dmz: {name: Plant DMZ, levels: [3.5], sl_t: 3, owner: ot-security, broker: here}
  line-1: {name: Filling line 1, levels: [1, 2], sl_t: 2, owner: line-1-owner, shift: shift}
conduits:
  - name: dmz-line-1
    from: dmz
    to: line-1
    carries: [ssh, sftp]
    rights: [look, copy, set, operate, load, device]
    owners: [ot-security, line-1-owner]
    why: Filler maker's remote service
    review: 2027-03-31
assets:
  filler-plc:
    {tag: FIL-1-PLC-01, name: Filler controller, zone: line-1, level: 1, address: 10.20.1.11, stops: [filling-1],
     ports: {ssh: {accounts: {maint: {rights: [look, copy, set, operate, load, device], enforced: nobody}, viewer: {rights: [look], enforced: device}}}}}
  capper-plc:
    {tag: CAP-1-PLC-01, name: Capper controller, zone: line-1, level: 1, address: 10.20.1.12, stops: [filling-1],
     ports: {ssh: {accounts: {maint: {rights: [look, copy, set, operate, load, device], enforced: nobody}}}}}
rules:
  - {name: look,   when: {right: look},   plan: [],                                   open: shift, longest: 4h}
  - {name: copy,   when: {right: copy},   plan: [],                                   open: shift, longest: 4h}
  - {name: set,    when: {right: set},    plan: [owner],                              open: shift, longest: 4h, ask: [work_order]}
  - {name: load,   when: {right: load},   plan: [owner, ot-security],                 open: shift, longest: 4h}
  - {name: device, when: {right: device}, plan: [owner, {ot-security: 2}], open: shift, longest: 4h}
recordings: {read: [ot-security]}
`

func testPlant(t testing.TB, text string) (*policy.Plant, audit.Hash) {
	t.Helper()
	p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return p, audit.HashOf(p.Document())
}
