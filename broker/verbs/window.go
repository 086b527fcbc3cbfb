package verbs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

func targets(w approvals.Window) []policy.Target {
	var all []policy.Target
	for _, t := range w.Claim.Assets {
		all = append(all, policy.Target{Asset: policy.AssetName(t.Asset), Port: policy.PortName(t.Port), Account: policy.AccountName(t.Account)})
	}
	return all
}

// stands is a window's state with the next step (words.md).
func (c *call) stands(w approvals.Window) string {
	switch w.State {
	case approvals.WindowAgreed:
		switch {
		case c.now().Before(w.Claim.From):
			if w.Claim.Open == "auto" {
				return "agreed, opens by itself at " + c.when(w.Claim.From)
			}
			return "agreed, can be opened from " + c.when(w.Claim.From)
		case w.Claim.Open == "vendor":
			return "agreed, opens when you get your certificate, to " + c.when(w.Claim.To) + " at the latest"
		case w.Claim.Open == "auto":
			if w.Kept != "" {
				return "agreed, opens by itself as soon as nothing keeps it: " + w.Kept
			}
			return "agreed, opens by itself now"
		}
		return "agreed, waits for the shift to open it, until " + c.when(w.Claim.To)
	case approvals.WindowOpen:
		if w.Pausing != "" {
			return "open, is paused by " + c.says(w.Pausing) + " once what is half done is done; nothing new begins"
		}
		return "open, ends " + c.when(w.Until)
	case approvals.WindowPaused:
		return "paused by " + c.says(w.By) + because(w.Why) + "; wait, or call " + c.Plant().Site.WhomToCall()
	case approvals.WindowEnding:
		return "ending: what is half done may finish, at most until " + c.when(w.Until)
	case approvals.WindowEnded:
		switch {
		case w.HandBack == "" && !w.Claim.HandsBack():
			return "ended; there is nothing to hand back"
		case w.HandBack == "":
			return "ended, hand-back missing: " + c.command("desk", "handback "+string(w.ID)+" WHAT YOU CHANGED")
		}
		return "ended, handed back; waits for the plant to accept it"
	case approvals.WindowCut:
		return "cut by " + c.says(w.By) + because(w.Why) + "; before you ask again, call " + c.Plant().Site.WhomToCall() + c.handbackHint(w)
	case approvals.WindowUnused:
		return "not used"
	}
	return string(w.State)
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ", because: " + why
}

func (c *call) handbackHint(w approvals.Window) string {
	if w.HandBack != "" || !w.Claim.HandsBack() {
		return ""
	}
	return "; tell what you changed: " + c.command("desk", "handback "+string(w.ID)+" WHAT YOU CHANGED")
}

// windowLine is a window for a program.
type windowLine struct {
	Window  string       `json:"window"`
	Request string       `json:"request"`
	State   string       `json:"state"`
	Says    string       `json:"says"`            // the state in words, with the next step
	Opens   string       `json:"opens,omitempty"` // shift, auto or vendor
	Yours   bool         `json:"yours"`           // the caller works in it
	Left    int64        `json:"left_seconds,omitempty"`
	Rights  []string     `json:"rights"`
	Targets []targetLine `json:"targets"`
	Laptop  string       `json:"laptop,omitempty"` // of work on site, which is not recorded
	Jack    string       `json:"jack,omitempty"`   // unless it comes through this service jack
	Until   time.Time    `json:"until,omitzero"`
	From    time.Time    `json:"from"`
	To      time.Time    `json:"to"`
	Type    []string     `json:"type,omitempty"`
	Behind  []leftLine   `json:"left_behind,omitempty"`
	Receipt string       `json:"receipt,omitempty"`
}

type targetLine struct {
	Asset   string `json:"asset"`
	Port    string `json:"port"`
	Account string `json:"account,omitempty"`
	Number  uint16 `json:"number,omitempty"` // as a forward asks for the port; absent: no longer in the plant file
	Host    string `json:"host,omitempty"`   // the asset's name with the site's, as its certificate says it
	Address string `json:"address,omitempty"`
	TCP     uint16 `json:"tcp,omitempty"` // with address: the port's number on the machine, for tools that insist on both
}

// targetLine is a target for a program. Where the machine stands is told to
// those who work in the window, while it runs: their tools may want it.
func (c *call) targetLine(t policy.Target, address bool) targetLine {
	l := targetLine{Asset: string(t.Asset), Port: string(t.Port), Account: string(t.Account)}
	asset, _ := c.Plant().Asset(t.Asset)
	port, ok := asset.Port(t.Port)
	if !ok {
		return l
	}
	l.Number, l.Host = asset.ForwardNumber(port), c.Plant().Host(t.Asset)
	if address {
		l.Address, l.TCP = asset.Address.String(), port.Number
	}
	return l
}

func (c *call) windows() error {
	all, err := c.Desk.Windows(c.ctx, c.by)
	if err != nil {
		return err
	}
	if c.args.json {
		lines := []windowLine{}
		for _, w := range all {
			lines = append(lines, c.windowLine(w))
		}
		c.json(lines)
		return nil
	}
	if len(all) == 0 {
		c.printf("You have no window. Ask for one: %s\n", c.command("desk", "help"))
		return nil
	}
	for _, w := range all {
		c.printf("%s  %s\n      for %s, %s (%s)\n", w.ID, c.stands(w), list(w.Claim.People), c.where(targets(w)), strings.Join(w.Claim.Rights, ", "))
		if w.Claim.OnSite() {
			c.printf("      on site with the laptop %s, not recorded; no certificate is for it\n", w.Claim.Laptop)
		}
		if w.Claim.Jack != "" {
			c.printf("      on site with the laptop %s, at the service jack %s: plug it in there, then:\n", w.Claim.Laptop, w.Claim.Jack)
		}
		c.leftLines(w)
		for _, line := range c.windowLine(w).Type {
			c.printf("      %s\n", line)
		}
	}
	return nil
}

func (c *call) windowLine(w approvals.Window) windowLine {
	l := windowLine{Window: string(w.ID), Request: string(w.Request), State: string(w.State), Rights: w.Claim.Rights, Laptop: w.Claim.Laptop, Jack: w.Claim.Jack,
		Until: w.Until.UTC(), From: w.Claim.From.UTC(), To: w.Claim.To.UTC(), Targets: []targetLine{}}
	mine := slices.Contains(w.Claim.People, string(c.by.Person))
	l.Says, l.Opens, l.Yours, l.Behind = c.stands(w), w.Claim.Open, mine, stillLeft(w)
	if runs(w) {
		l.Left = int64(max(w.Until.Sub(c.now()), 0) / time.Second)
	}
	mine = mine && !w.Claim.OnSite() && w.Pausing == "" // nothing is typed for that, and nothing new begins
	if mine && (w.State == approvals.WindowOpen || w.State == approvals.WindowEnding || w.State == approvals.WindowAgreed && w.Claim.Open == "vendor") {
		l.Type = append(l.Type, c.CertLine())
	}
	for _, t := range targets(w) {
		l.Targets = append(l.Targets, c.targetLine(t, mine && runs(w)))
		if mine && (w.State == approvals.WindowOpen || w.State == approvals.WindowEnding) {
			l.Type = append(l.Type, c.reach(c.by.Person, t))
		}
	}
	return l
}

func (c *call) where(ts []policy.Target) string {
	words := make([]string, len(ts))
	for i, t := range ts {
		if words[i] = string(t.Asset) + " by " + string(t.Port); t.Port == "" {
			words[i] = string(t.Asset) + ", on site"
		}
		if t.Account != "" {
			words[i] += " as " + string(t.Account)
		}
	}
	return strings.Join(words, "; ")
}

func list(ids []string) string { return strings.Join(ids, ", ") }

func (c *call) handback() error {
	id, err := c.args.id(0, "W")
	if err != nil {
		return err
	}
	text := c.args.rest(1)
	if text == "" {
		return usage("Say what you changed: " + c.command("desk", "handback "+id+" WHAT YOU CHANGED"))
	}
	w, err := c.Desk.HandBack(c.ctx, c.by, policy.WindowID(id), text)
	if err != nil {
		return err
	}
	if c.args.json {
		line := c.windowLine(w)
		line.Receipt, _ = c.receipt()
		c.json(line)
		return nil
	}
	c.printf("Handed back %s. The plant looks at it and accepts it; you need to do nothing more.\n", w.ID)
	if w.Pattern != "" {
		if p, err := c.Desk.Pattern(c.ctx, c.by, w.Pattern); err == nil { // it is handed back, whatever can be read now
			c.printf("It was agreed under %s, for: %s. If you did anything else, hand it back again and say so: the plant asks itself whether that was outside the purpose.\n", p.ID, p.Document.Purpose)
		}
	}
	c.receiptLine()
	return nil
}

// more asks for the same machines and accounts again, with what the flags say.
func (c *call) more() error {
	id, err := c.args.id(0, "W")
	if isRequest := len(c.args.words) > 0 && isID(c.args.words[0], "R"); err != nil && !isRequest {
		return err
	} else if isRequest {
		return c.again(policy.RequestID(c.args.words[0]))
	}
	w, err := c.Desk.Window(c.ctx, c.by, policy.WindowID(id))
	if err != nil {
		return err
	}
	return c.again(w.Request)
}

// extend asks for more time with the rights that there are: the shift may also
// just move the end, and the text says so.
func (c *call) extend() error {
	id, err := c.args.id(0, "W")
	if err != nil {
		return err
	}
	if c.args.text("minutes") == "" {
		return usage("How many minutes more? " + c.command("desk", "extend "+id+" --minutes 30 --why TEXT"))
	}
	w, err := c.Desk.Window(c.ctx, c.by, policy.WindowID(id))
	if err != nil {
		return err
	}
	if !c.args.json {
		c.printf("Only the plant moves the end of %s. Whoever opened it can do so at once: %s\n", w.ID, c.callLine(w))
	}
	return c.again(w.Request)
}

func (c *call) callLine(w approvals.Window) string {
	who := "the shift"
	if w.OpenedBy != "" && policy.ValidID(string(w.OpenedBy)) {
		who = c.name(w.OpenedBy)
	}
	if room := c.Plant().Site.ControlRoom; room != "" {
		return "call " + who + ", control room " + room + "."
	}
	return "call " + who + "."
}

// again submits a request like an earlier one.
func (c *call) again(id policy.RequestID) error {
	r, err := c.Desk.Request(c.ctx, c.by, id)
	if err != nil {
		return err
	}
	doc := r.Document
	rights, err := policy.ParseRights(doc.Rights)
	if err != nil {
		return fmt.Errorf("rights of %s: %w", id, err)
	}
	ask := approvals.Ask{Firm: policy.FirmID(doc.Firm), Kind: doc.Kind, Rights: rights, Reason: doc.Reason, WorkOrder: doc.WorkOrder,
		Change: doc.Change, Backup: doc.Backup, Backout: doc.Backout, AreaClear: doc.AreaClear, Laptop: doc.Laptop, Jack: doc.Jack, FileHashes: doc.FileHashes, Registers: evidence.RegisterWords(doc.Registers), Minutes: doc.Minutes}
	for _, p := range doc.People {
		ask.People = append(ask.People, policy.PersonID(p))
	}
	for _, t := range doc.Assets {
		ask.Targets = append(ask.Targets, policy.Target{Asset: policy.AssetName(t.Asset), Port: policy.PortName(t.Port), Account: policy.AccountName(t.Account)})
	}
	return c.submit(ask)
}

// asks names who has to answer.
func (c *call) asks(needs []policy.Need) string {
	duty, err := c.Desk.Duty(c.ctx) // without it the roles are still told
	var words []string
	for _, n := range needs {
		var names []string
		on := duty.On(n.Role, c.now())
		for _, id := range on[:min(len(on), 4)] {
			names = append(names, c.name(id))
		}
		word := c.title(n.Role)
		if n.Count > 1 {
			word = fmt.Sprintf("%d of %s", n.Count, word)
		}
		if len(names) == 0 && err == nil {
			word += " (nobody is on duty now" + c.callInstead() + ")"
		}
		if len(names) > 0 {
			word += " (" + strings.Join(names, ", ") + ")"
		}
		words = append(words, word)
	}
	return strings.Join(words, "; ")
}

// callInstead is whom a vendor rings up: the control room, never a person's number.
func (c *call) callInstead() string {
	if room := c.Plant().Site.ControlRoom; room != "" {
		return ": call the control room, " + room
	}
	return ": call the plant"
}

// askedNext says who is asked next if nobody answers, and when.
func (c *call) askedNext(r approvals.Request) string {
	var next []string
	for _, a := range r.Next {
		if c.now().Before(a.At) {
			next = append(next, c.when(a.At)+" "+c.title(a.Team))
		}
	}
	if len(next) == 0 {
		return ""
	}
	return "; next asked: " + strings.Join(next, ", ")
}
