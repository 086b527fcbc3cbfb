package verbs

import (
	"cmp"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// submit fills an ask from the flags, submits it and says who is asked.
func (c *call) submit(ask approvals.Ask) error {
	if err := c.fill(&ask); err != nil {
		return err
	}
	r, err := c.Desk.Submit(c.ctx, c.by, ask)
	if err != nil {
		return err
	}
	if c.args.json {
		line := c.requestLine(r)
		line.Receipt, _ = c.receipt()
		c.json(line)
		return nil
	}
	c.printf("%s is asked (%s). It waits for: %s\n", r.ID, r.Document.Priority, c.asks(r.Needs))
	c.sayTold(r)
	c.sayUnder(r)
	c.sayWords(r)
	c.printf("See how it stands: %s\n", c.command("desk", "request "+string(r.ID)))
	c.receiptLine()
	return nil
}

func (c *call) fill(ask *approvals.Ask) (err error) {
	if err := c.fillTargets(ask); err != nil {
		return err
	}
	if words := c.args.list("rights"); len(words) > 0 {
		if ask.Rights, err = rightsOf(words); err != nil {
			return err
		}
	}
	if c.args.text("kind") == evidence.Connectivity { // it has no other
		ask.Rights = policy.Look
	}
	if ask.Rights == 0 {
		return usage("What do you want to do? --rights look,copy,set,operate,load,device; name only what you need")
	}
	stands, err := c.fillStanding(ask)
	if err == nil && !stands {
		err = c.fillSpan(ask)
	}
	if err != nil {
		return err
	}
	if people := c.args.list("people"); len(people) > 0 {
		ask.People = nil
		for _, p := range people {
			ask.People = append(ask.People, policy.PersonID(p))
		}
	}
	if firm := c.args.text("firm"); firm != "" {
		ask.Firm = policy.FirmID(firm)
	}
	for flag, to := range map[string]*string{"why": &ask.Reason, "work-order": &ask.WorkOrder, "change": &ask.Change,
		"backup": &ask.Backup, "backout": &ask.Backout, "area-clear": &ask.AreaClear, "now": &ask.Happening, "outage": &ask.Outage, "kind": &ask.Kind, "laptop": &ask.Laptop, "jack": &ask.Jack, "pattern": &ask.Pattern} {
		if v := c.args.text(flag); v != "" {
			*to = v
		}
	}
	if sums := c.args.list("file-hash"); len(sums) > 0 {
		if ask.FileHashes, err = approvals.FileHashes(sums); err != nil {
			return err
		}
	}
	if names := c.args.phrases("register"); len(names) > 0 {
		ask.Registers = names
	}
	if ask.Reason == "" {
		return usage(`Why? --why "Alarm F-417, fill volume drifts"`)
	}
	return nil
}

// fillSpan reads for how long, and between when and when.
func (c *call) fillSpan(ask *approvals.Ask) (err error) {
	if n, err := c.args.number("minutes"); err != nil {
		return err
	} else if n > 0 {
		ask.Minutes = n
	}
	if ask.Minutes == 0 && c.args.text("kind") == evidence.Connectivity {
		ask.Minutes = 15
	}
	if ask.Minutes == 0 {
		return usage("For how long? --minutes 60")
	}
	if ask.From, err = c.moment("from", c.args.text("from")); err != nil {
		return err
	}
	if ask.From.IsZero() {
		ask.From = c.now()
	}
	if ask.To, err = c.moment("to", c.args.text("to")); err != nil {
		return err
	}
	if ask.To.IsZero() {
		ask.To = ask.From.Add(12 * time.Hour)
	}
	return nil
}

// fillTargets reads --asset with --account or --port, and --target ACCOUNT@ASSET or
// ASSET:PORT, which may be repeated.
func (c *call) fillTargets(ask *approvals.Ask) error {
	var all []policy.Target
	if cmp.Or(c.args.text("kind"), ask.Kind) == evidence.OnSite && cmp.Or(c.args.text("jack"), ask.Jack) == "" {
		return c.fillMachines(ask)
	}
	if assets := c.args.list("asset"); len(assets) > 0 {
		accounts, ports := c.args.list("account"), c.args.list("port")
		if len(accounts) == 0 && len(ports) == 0 {
			return usage("As whom? --account NAME, for example --account maint; for a port without accounts --port NAME")
		}
		for _, a := range assets {
			for _, u := range accounts {
				all = append(all, policy.Target{Asset: policy.AssetName(a), Port: "ssh", Account: policy.AccountName(u)})
			}
			for _, p := range ports {
				all = append(all, policy.Target{Asset: policy.AssetName(a), Port: policy.PortName(p)})
			}
		}
	}
	for _, t := range c.args.list("target") {
		if account, asset, ok := strings.Cut(t, "@"); ok && account != "" && asset != "" {
			all = append(all, policy.Target{Asset: policy.AssetName(asset), Port: "ssh", Account: policy.AccountName(account)})
			continue
		}
		asset, what, ok := strings.Cut(t, ":")
		if !ok || asset == "" || what == "" {
			return usage("--target is ACCOUNT@ASSET, for example maint@filler-plc; or ASSET:PORT")
		}
		target := policy.Target{Asset: policy.AssetName(asset), Port: "ssh", Account: policy.AccountName(what)}
		if a, ok := c.Plant().Asset(target.Asset); ok {
			if p, ok := a.Port(policy.PortName(what)); ok && !p.Login() {
				target = policy.Target{Asset: target.Asset, Port: p.Name}
			}
		}
		all = append(all, target)
	}
	if len(all) > 64 {
		return usage("at most 64 targets in one request")
	}
	if len(all) > 0 {
		ask.Targets = all
	}
	if len(ask.Targets) == 0 {
		return usage("Which machine? --asset filler-plc --account maint")
	}
	return nil
}

// fillMachines reads --asset where a laptop comes to the machine itself.
func (c *call) fillMachines(ask *approvals.Ask) error {
	if assets := c.args.list("asset"); len(assets) > 0 {
		ask.Targets = nil
		for _, a := range assets {
			ask.Targets = append(ask.Targets, policy.Target{Asset: policy.AssetName(a)})
		}
	}
	switch {
	case len(ask.Targets) == 0:
		return usage("Which machine? --asset filler-plc")
	case len(ask.Targets) > 64:
		return usage("at most 64 machines in one request")
	case c.args.text("account")+c.args.text("port")+c.args.text("target") != "":
		return usage("On site there is no account and no port: --asset alone")
	}
	return nil
}
