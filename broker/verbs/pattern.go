package verbs

import (
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// patternLine is a pattern for a program.
type patternLine struct {
	Pattern string       `json:"pattern"`
	State   string       `json:"state"`
	Frame   string       `json:"frame"`
	Purpose string       `json:"purpose"`
	People  []string     `json:"people"`
	Targets []targetLine `json:"targets"`
	Rights  []string     `json:"rights"`
	Minutes int          `json:"minutes"`
	Ends    time.Time    `json:"ends"`
}

// patterns are what one may be called in under.
func (c *call) patterns() error {
	all, err := c.Desk.Patterns(c.ctx, c.by)
	if err != nil {
		return err
	}
	lines := []patternLine{}
	for _, p := range all {
		d := p.Document
		l := patternLine{p.ID, string(p.State), d.Frame, d.Purpose, d.People, []targetLine{}, d.Rights, d.Minutes, d.Ends().UTC()}
		for _, t := range d.Assets {
			l.Targets = append(l.Targets, targetLine{Asset: t.Asset, Port: t.Port, Account: t.Account})
		}
		lines = append(lines, l)
	}
	if c.args.json {
		c.json(lines)
		return nil
	}
	said := false
	for i, p := range all {
		if p.State != approvals.PatternAgreed {
			continue
		}
		said = true
		var ways []policy.Target
		for _, t := range p.Document.Assets {
			ways = append(ways, t.Policy())
		}
		c.printf("%s  you may be called in under %s, to %s: %s\n      where   %s\n      what    %s, %d min at a time\n      who     %s\n", p.ID, p.Document.Frame, c.when(lines[i].Ends), p.Document.Purpose,
			c.where(ways), strings.Join(p.Document.Rights, ", "), p.Document.Minutes, strings.Join(p.Document.People, ", "))
		for _, r := range evidence.RegisterWords(p.Document.Registers) {
			c.printf("      only    %s\n", r)
		}
	}
	if !said {
		c.printf("Nothing was agreed by day for your firm: each request is agreed for itself.\n")
	}
	return nil
}

// sayUnder says that a request needs less because of a pattern.
func (c *call) sayUnder(r approvals.Request) {
	if u := r.Pattern; u != nil && u.Stands {
		c.printf("It lies inside pattern %s (%s), which the plant agreed by day.\n", u.ID, u.Frame)
	} else if u != nil {
		c.printf("Pattern %s does not count any more: %s.\n", u.ID, u.Why)
	}
}
