package evidence_test

import (
	"testing"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

const night = morning + 3600

// worked has ann let in by modbus in the night's window, and the inspector tell
// what was done.
func worked(c *callOut, done audit.OperationsSummary) {
	after := c.opened
	add := func(second int, body audit.Body, subject string) *evidencetest.Step {
		c.Add(second, "penstock", body, subject)
		after = c.Insert(after)
		return after
	}
	if done.Window == "" {
		done.Window = "W-2"
	}
	done.Session, done.Asset, done.Port = "S-2", "filler-plc", "modbus"
	add(night+311, audit.CertIssued{Serial: "79", CA: "in", Key: evidencetest.Fingerprint(evidencetest.AnnKey), KeyID: "w=W-2", Person: "ann", Windows: []string{"W-2"},
		Names: []string{"ann"}, After: at(night + 200), Before: at(night + 310 + 3000)}, "ann")
	add(night+312, audit.SessionStarted{Session: "S-2", Person: "ann", Firm: "krall", Windows: []string{"W-2"}, Serial: "79", Source: "198.51.100.7:4000", Mode: "readable"}, "S-2")
	add(night+313, audit.ChannelOpened{Session: "S-2", Window: "W-2", Kind: "direct-tcpip", Asset: "filler-plc", Port: "modbus", Target: "10.20.1.11:502", Path: []string{"dmz", "line-1"}, Rights: []string{"look", "set"}}, "S-2")
	add(night+314, done, "S-2")
	add(night+315, audit.ChannelClosed{Session: "S-2", In: 12, Out: 40, Cause: "client"}, "S-2")
	add(night+316, audit.SessionEnded{Session: "S-2", Cause: "client"}, "S-2")
}

// What the log names of the registers that were changed is held to those that were agreed.
func TestWalkObjects(t *testing.T) {
	set := func(spans ...string) map[string][]string { return map[string][]string{"set": spans} }
	allowed := map[string]int{"look": 3, "set": 2}
	resheet := func(c *callOut) {
		plant := registered(t, "40012: {name: Fill volume, right: set}", "40011: {name: Flow, right: set}, 40012: {name: Fill volume, right: set, type: u32}", "40013: {name: Cap torque, right: set}, ", "", "[Fill volume, Cap torque]", "[Fill volume]")
		c.Add(night+313, "penstock", audit.ConfigChanged{Kind: "plant", Document: c.Put(plant.Document())}, "plant")
		c.Insert(c.Step("channel.opened", 1))
	}
	for _, row := range []struct {
		story string
		done  audit.OperationsSummary
		all   bool // all registers were agreed
		after func(*callOut)
		want  []string
	}{
		{"the one that was agreed", audit.OperationsSummary{Allowed: allowed, Changed: set("holding 12")}, false, nil, nil},
		{"looked only", audit.OperationsSummary{Allowed: map[string]int{"look": 3}}, false, nil, nil},
		{"another one", audit.OperationsSummary{Allowed: allowed, Changed: set("holding 13")}, false, nil, []string{"holding 13 was changed outside what was agreed: 40012 (Fill volume)"}},
		{"the next one too", audit.OperationsSummary{Allowed: allowed, Changed: set("holding 12-13")}, false, nil, []string{"holding 12-13 was changed outside"}},
		{"one that the sheet does not name", audit.OperationsSummary{Allowed: allowed, Changed: set("holding 11-12")}, false, nil, []string{"holding 11-12 was changed outside"}},
		{"the same number of another table", audit.OperationsSummary{Allowed: allowed, Changed: set("coil 12", "holding 12")}, false, nil, []string{"coil 12 was changed outside"}},
		{"by what takes no right to change", audit.OperationsSummary{Allowed: map[string]int{"look": 1}, Changed: map[string][]string{"look": {"holding 13"}}}, false, nil, []string{"holding 13 was changed outside"}},
		{"a service without an object", audit.OperationsSummary{Allowed: allowed, Changed: set("holding 12"), SetOff: set("restart communications")}, false, nil, []string{"restart communications was changed outside"}},
		{"read what does something, and was agreed", audit.OperationsSummary{Allowed: allowed, SetOff: set("holding 12-14")}, false, nil, nil},
		{"read what does something, and was not agreed", audit.OperationsSummary{Allowed: allowed, SetOff: set("holding 14-15")}, false, nil, []string{"holding 14-15 was changed outside"}},
		{"nothing is named", audit.OperationsSummary{Allowed: allowed}, false, nil, []string{"2 operations that take set were let through, and nothing says what they changed"}},
		{"more than are named", audit.OperationsSummary{Allowed: allowed, Changed: set("holding 12"), More: 1}, false, nil, []string{"1 things that were changed are not named, where 40012 (Fill volume) alone"}},
		{"named, and not let through", audit.OperationsSummary{Allowed: map[string]int{"look": 1}, Changed: set("holding 12")}, false, nil, []string{"holding 12 was changed by what takes set, and no such operation"}},
		{"a new sheet has the register longer", audit.OperationsSummary{Allowed: allowed, Changed: set("holding 12-13")}, false, resheet, nil},
		{"what the new sheet calls otherwise", audit.OperationsSummary{Allowed: allowed, Changed: set("holding 11-12")}, false, resheet, []string{"holding 11-12 was changed outside"}},
		{"all were agreed", audit.OperationsSummary{Allowed: allowed, Changed: set("holding 12-14", "holding 99"), More: 2}, true, nil, nil},
	} {
		t.Run(row.story, func(t *testing.T) {
			only := []evidence.Registers{{Asset: "filler-plc", Port: "modbus", Only: []string{"40012 (Fill volume)"}}}
			c := &callOut{yes: []string{"olaf/line-1-owner", "ines/ot-security"}, night: []string{"mia/shift"}}
			text := []string{"40012: {name: Fill volume, right: set}", "40012: {name: Fill volume, read: set, right: set}", "40014: {name: Recipe, right: set}", "40015: {name: Strobe, read: set, right: set}, 40014: {name: Recipe, right: set}"}
			if row.all {
				only = nil
				text = append(text, ", registers: {filler-plc: [Fill volume, Cap torque]}", "")
			}
			c.plant = registered(t, text...)
			c.pattern = func(p *evidence.Pattern) {
				p.Assets[0], p.Rights, p.Registers = evidence.Target{Asset: "filler-plc", Port: "modbus"}, []string{"look", "set"}, only
			}
			c.request = func(r *evidence.Request) {
				r.Rights, r.WorkOrder, r.Registers = []string{"look", "set"}, "WO 1", only
			}
			c.tell(t)
			worked(c, row.done)
			if row.after != nil {
				row.after(c)
			}
			_, wrong, _ := walk(c.Story)
			match(t, wrong, row.want)
		})
	}
}
