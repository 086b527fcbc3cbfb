package verbs

import (
	"strings"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/policy"
)

// fillStanding reads what holds a machine, for --kind standing. It has no minutes
// and no span unless they are said: it stands as its frame says.
func (c *call) fillStanding(ask *approvals.Ask) (is bool, err error) {
	if c.args.text("kind") != evidence.Machine {
		return false, nil
	}
	ask.Machine = approvals.Machine{Frame: c.args.text("frame"), Keeper: policy.PersonID(c.args.text("keeper"))}
	if ask.Machine.Networks, err = people.Networks(strings.Join(c.args.list("network"), " ")); err != nil {
		return true, err
	}
	if len(c.args.list("people")) != 1 {
		return true, usage("Which machine? --people NAME, as the plant invited it")
	}
	n, err := c.args.number("minutes")
	if err != nil {
		return true, err
	}
	ask.Minutes = n
	if ask.From, err = c.moment("from", c.args.text("from")); err != nil {
		return true, err
	}
	ask.To, err = c.moment("to", c.args.text("to"))
	return true, err
}

// standingSays are the lines of a request for a machine.
func (c *call) standingSays(d evidence.Request) {
	if m := d.Machine; m.Is() {
		c.printf("  STANDING, day and night and without a code: keeper %s, from %s, in %s, by the key %s.\n", m.Keeper, strings.Join(m.Networks, ", "), m.Frame, m.Key)
	}
}
