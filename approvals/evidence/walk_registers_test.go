package evidence_test

import (
	"strings"
	"testing"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/policy"
)

// registered is framed with a way in that Penstock reads along on, and a frame that
// is for two of its registers alone.
func registered(t *testing.T, edits ...string) *policy.Plant {
	t.Helper()
	text := evidencetest.PlantText() + `patterns:
  callout: {assets: [filler-plc], rights: [look, set], open: shift, longest: 2h, owners: [line-1-owner, ot-security], why: Night call-out, review: 2027-03-31, registers: {filler-plc: [Fill volume, Cap torque]}}
`
	return edited(t, text, append([]string{"carries: [ssh, sftp]", "carries: [ssh, sftp, modbus]",
		"enforced: nobody}, viewer: {rights: [look], enforced: device}}}}}", "enforced: nobody}, viewer: {rights: [look], enforced: device}}}, modbus: {unit: 1, enforced: penstock, unlisted: {read: look, write: operate}, registers: {40012: {name: Fill volume, right: set}, 40013: {name: Cap torque, right: set}, 40014: {name: Recipe, right: set}}}}}"}, edits...)...)
}

// The registers that a request names stand in its text: nobody changes others by a
// window, a pattern or another text than the one that was answered.
func TestWalkRegisters(t *testing.T) {
	fill, torque, recipe := "40012 (Fill volume)", "40013 (Cap torque)", "40014 (Recipe)"
	only := func(labels ...string) []evidence.Registers {
		return []evidence.Registers{{Asset: "filler-plc", Port: "modbus", Only: labels}}
	}
	for _, row := range []struct {
		story string
		do    func(c *callOut)
		after func(c *callOut)
		want  []string
	}{
		{"two in the frame, two in the pattern, one in the request", nil, nil, nil},
		{"the window has more", func(c *callOut) { c.claim = func(w *evidence.WindowClaim) { w.Registers = only(fill, torque) } }, nil,
			[]string{"the window lets filler-plc: 40012 (Fill volume), filler-plc: 40013 (Cap torque) be changed, and the request names filler-plc: 40012 (Fill volume)"}},
		{"the window has all", func(c *callOut) { c.claim = func(w *evidence.WindowClaim) { w.Registers = nil } }, nil, []string{"the window lets all be changed"}},
		{"the request has more than the pattern", func(c *callOut) { c.request = func(r *evidence.Request) { r.Registers = only(fill, recipe) } }, nil,
			[]string{"P-1 lets filler-plc: 40012 (Fill volume), filler-plc: 40013 (Cap torque) be changed, and the request", "*"}},
		{"the request has all", func(c *callOut) { c.request = func(r *evidence.Request) { r.Registers = nil } }, nil, []string{"be changed, and the request all", "*"}},
		{"the pattern has more than its frame", func(c *callOut) {
			c.pattern = func(p *evidence.Pattern) {
				p.Assets[0] = evidence.Target{Asset: "filler-plc", Port: "modbus"}
				p.Rights = []string{"look", "set"}
				p.Registers = only(fill, recipe)
			}
		}, nil,
			[]string{"callout is for", "*"}},
		{"the pattern has all", func(c *callOut) {
			c.pattern = func(p *evidence.Pattern) {
				p.Assets[0] = evidence.Target{Asset: "filler-plc", Port: "modbus"}
				p.Rights = []string{"look", "set"}
			}
		}, nil,
			[]string{"callout is for", "*"}},
		{"the pattern is by a way in where nobody holds them", func(c *callOut) {
			c.plant = registered(t, "maint: {rights: [look, load]", "maint: {rights: [look, set]")
			c.pattern = func(p *evidence.Pattern) {
				p.Assets[0], p.Rights = evidence.Target{Asset: "filler-plc", Port: "ssh", Account: "maint"}, []string{"look", "set"}
			}
		}, nil, []string{"callout is for", "*"}},
		{"a register that the plant file does not have", func(c *callOut) { c.request = func(r *evidence.Request) { r.Registers = only("40012 (Flow)") } }, nil,
			[]string{"names registers that the plant file does not hold", "*"}},
		{"the text that was answered named another", nil, func(c *callOut) {
			other := c.asked
			other.Registers = only(torque)
			evidence.Tell(c.plant, &other)
			change(c.Step("request.submitted", 1), func(b *audit.RequestSubmitted) { b.Document = c.PutJSON(other) })
		}, []string{"answers another revision", "and the request names filler-plc: 40013 (Cap torque)", "*"}},
	} {
		t.Run(row.story, func(t *testing.T) {
			c := &callOut{plant: registered(t), yes: []string{"olaf/line-1-owner", "ines/ot-security"}, night: []string{"mia/shift"}}
			c.pattern = func(p *evidence.Pattern) {
				p.Assets[0], p.Rights, p.Registers = evidence.Target{Asset: "filler-plc", Port: "modbus"}, []string{"look", "set"}, only(fill, torque)
			}
			c.request = func(r *evidence.Request) {
				r.Rights, r.WorkOrder, r.Registers = []string{"look", "set"}, "WO 1", only(fill)
			}
			if row.do != nil {
				before := c.request
				row.do(c)
				if after := c.request; row.do != nil {
					c.request = func(r *evidence.Request) { before(r); after(r) }
				}
			}
			c.tell(t)
			if row.after != nil {
				row.after(c)
			}
			_, wrong, _ := walk(c.Story)
			match(t, wrong, row.want)
			if row.want == nil && c.asked.Can != "Can change only: 40012 (Fill volume)." {
				t.Errorf("told as %q", c.asked.Can)
			}
		})
	}
}

// A text that is not in its one form is no text.
func TestRegistersAreParsedStrictly(t *testing.T) {
	c := &callOut{plant: registered(t), yes: []string{"olaf/line-1-owner", "ines/ot-security"}, night: []string{"mia/shift"}}
	c.pattern = func(p *evidence.Pattern) {
		p.Assets[0], p.Rights = evidence.Target{Asset: "filler-plc", Port: "modbus"}, []string{"look", "set"}
	}
	c.tell(t)
	for story, row := range map[string]struct {
		list []evidence.Registers
		want string
	}{
		"not a way in":  {[]evidence.Registers{{Asset: "capper-plc", Port: "modbus", Only: []string{"1 (x)"}}}, "none of the ways in"},
		"none of them":  {[]evidence.Registers{{Asset: "filler-plc", Port: "modbus"}}, "is not between 1 and"},
		"not sorted":    {[]evidence.Registers{{Asset: "filler-plc", Port: "modbus", Only: []string{"2 (y)", "1 (x)"}}}, "sorted, each once"},
		"one way twice": {[]evidence.Registers{{Asset: "filler-plc", Port: "modbus", Only: []string{"1 (x)"}}, {Asset: "filler-plc", Port: "modbus", Only: []string{"2 (y)"}}}, "sorted, each once"},
		"a line break":  {[]evidence.Registers{{Asset: "filler-plc", Port: "modbus", Only: []string{"1 (x)\n"}}}, "registers[0].only"},
	} {
		r := c.asked
		r.Registers = row.list
		b, err := audit.Canonical(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := evidence.ParseRequest(b); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", story, err)
		}
	}
}
