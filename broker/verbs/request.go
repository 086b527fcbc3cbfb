package verbs

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// request asks for access, or shows one request.
func (c *call) request() error {
	if len(c.args.words) > 0 {
		return c.showRequest()
	}
	ask := approvals.Ask{Firm: c.by.Firm, People: []policy.PersonID{c.by.Person}}
	return c.submit(ask)
}

// requestLine is a request for a program.
type requestLine struct {
	Request string       `json:"request"`
	State   string       `json:"state"`
	Rev     int          `json:"rev"`
	By      string       `json:"by"`
	People  []string     `json:"people"`
	Targets []targetLine `json:"targets"`
	Rights  []string     `json:"rights"`
	Kind    string       `json:"kind"`
	Laptop  string       `json:"laptop,omitempty"` // of work on site, which is not recorded
	Starts  []string     `json:"starts,omitempty"` // of an emergency: the rights until the second tap
	Reason  string       `json:"reason"`
	Now     string       `json:"now,omitempty"` // what is happening, as the asker sees it
	Urgent  string       `json:"priority"`      // P1 to P4, computed
	Can     string       `json:"can"`
	Worst   string       `json:"worst"`
	Stopper string       `json:"stopper"`
	Weak    string       `json:"weak,omitempty"`
	Files   string       `json:"files,omitempty"` // which files pass, and what waits for a look
	Sums    []audit.Hash `json:"file_hashes,omitempty"`
	Only    []string     `json:"registers,omitempty"` // that alone may be changed
	Red     []string     `json:"red,omitempty"`       // what is out of order, for whoever answers
	Escort  bool         `json:"escort,omitempty"`    // they work under an escort, whatever the rules ask
	Minutes int          `json:"minutes"`
	From    time.Time    `json:"from"`
	To      time.Time    `json:"to"`
	Waits   []string     `json:"waits_for,omitempty"` // roles
	Answers []answerLine `json:"answers,omitempty"`
	Window  string       `json:"window,omitempty"`
	Words   []string     `json:"words"` // of the text's hash
	Receipt string       `json:"receipt,omitempty"`
}

type answerLine struct {
	Role string    `json:"role"`
	Says string    `json:"says"`
	Why  string    `json:"why,omitempty"`
	At   time.Time `json:"at"`
}

func (c *call) requestLine(r approvals.Request) requestLine {
	d := r.Document
	l := requestLine{Request: string(r.ID), State: string(r.State), Rev: r.Rev, By: d.By, People: d.People, Rights: d.Rights, Kind: d.Kind, Laptop: d.Laptop, Starts: d.Starts, Reason: d.Reason,
		Now: d.Happening, Urgent: d.Priority, Can: d.Can, Worst: d.Worst, Stopper: d.Stopper, Weak: d.Weak, Files: d.Files, Sums: d.FileHashes, Only: evidence.RegisterWords(d.Registers), Red: d.Red.Lines(c.name, d.Firm), Escort: d.Escort,
		Minutes: d.Minutes, From: d.From.UTC(), To: d.To.UTC(), Window: string(r.Window), Words: evidence.Words(r.Hash), Targets: []targetLine{}}
	for _, t := range d.Assets {
		l.Targets = append(l.Targets, targetLine{Asset: t.Asset, Port: t.Port, Account: t.Account})
	}
	for _, n := range r.Needs {
		l.Waits = append(l.Waits, string(n.Role))
	}
	for _, a := range r.Answers {
		l.Answers = append(l.Answers, answerLine{string(a.Role), a.Says, a.Why, a.At.UTC()})
	}
	return l
}

// stood is a request's state with the next step (words.md).
func (c *call) stood(r approvals.Request) string {
	switch r.State {
	case approvals.RequestWaiting:
		return "waiting for " + c.asks(r.Needs) + c.askedNext(r)
	case approvals.RequestAsleep:
		return "asleep until " + c.when(r.Asleep)
	case approvals.RequestAgreed:
		return "agreed: window " + string(r.Window)
	case approvals.RequestSuperseded:
		return "replaced by a newer revision"
	}
	return string(r.State)
}

func (c *call) requests() error {
	all, err := c.Desk.Requests(c.ctx, c.by)
	if err != nil {
		return err
	}
	if c.args.json {
		lines := []requestLine{}
		for _, r := range all {
			lines = append(lines, c.requestLine(r))
		}
		c.json(lines)
		return nil
	}
	if len(all) == 0 {
		c.printf("Nothing has been asked for. Ask: %s\n", c.command("desk", "help"))
	}
	for _, r := range all {
		c.printf("%s  %s\n      %s: %s\n", r.ID, c.stood(r), r.Document.By, r.Document.Reason)
	}
	return nil
}

func (c *call) showRequest() error {
	id, err := c.args.id(0, "R")
	if err != nil {
		return err
	}
	r, err := c.Desk.Request(c.ctx, c.by, policy.RequestID(id))
	if errors.Is(err, fs.ErrNotExist) {
		return &policy.Refusal{Rule: "no-request", Say: "There is no request " + id + " of your firm.", Why: "absent"}
	}
	if err != nil {
		return err
	}
	if c.args.json {
		c.json(c.requestLine(r))
		return nil
	}
	d := r.Document
	var ts []policy.Target
	for _, t := range d.Assets {
		ts = append(ts, policy.Target{Asset: policy.AssetName(t.Asset), Port: policy.PortName(t.Port), Account: policy.AccountName(t.Account)})
	}
	c.printf("%s, revision %d: %s\n", r.ID, r.Rev, c.stood(r))
	c.printf("  who     %s (asked by %s)\n  where   %s\n  what    %s\n", list(d.People), d.By, c.where(ts), strings.Join(d.Rights, ", "))
	c.printf("  when    %d min, between %s and %s\n  why     %s\n", d.Minutes, c.when(d.From), c.when(d.To), d.Reason)
	for _, f := range [][2]string{{"order", d.WorkOrder}, {"change", d.Change}, {"backup", d.Backup}, {"backout", d.Backout}, {"area", d.AreaClear}} {
		if f[1] != "" {
			c.printf("  %-7s %s\n", f[0], f[1])
		}
	}
	for _, r := range evidence.RegisterWords(d.Registers) {
		c.printf("  only    %s\n", r)
	}
	c.sayTold(r)
	c.sayUnder(r)
	words := evidence.Words(r.Hash)
	c.printf("  say     %s (the first two of its eight words: %s)\n", strings.ToUpper(strings.Join(words[:2], " ")), strings.Join(words, " "))
	for _, a := range r.Answers {
		c.printf("  %s says %s%s (%s)\n", c.title(a.Role), a.Says, because(a.Why), c.when(a.At))
	}
	for _, t := range r.Told {
		c.printf("  %s answers: %s (%s)\n", c.name(t.Person), t.Text, c.when(t.At))
	}
	if r.State == approvals.RequestWaiting && len(r.Answers) > len(r.Told) && r.Answers[len(r.Answers)-1].Says == "question" {
		c.printf("Answer: %s\n", c.command("desk", "tell "+string(r.ID)+" \"'…'\""))
	}
	if r.State == approvals.RequestAgreed {
		c.printf("Next: %s\n", c.command("desk", "windows"))
	}
	return nil
}

// here answers a call-in.
func (c *call) here() error {
	code := strings.Join(c.args.words, "")
	if code == "" {
		return usage("Which code? The plant reads it to you on the phone: here K7Q-4MD")
	}
	r, err := c.Desk.Here(c.ctx, c.by, code)
	if err != nil {
		return err
	}
	if c.args.json {
		c.json(c.requestLine(r))
		return nil
	}
	c.printf("You are called in: %s, %s.\n", r.ID, r.Document.Reason)
	c.printf("  where   %s\n  what    %s\n  long    %d min\n", c.where(targetsOf(r)), strings.Join(r.Document.Rights, ", "), r.Document.Minutes)
	c.printf("  say     %s (they have the same words)\n", strings.ToUpper(strings.Join(evidence.Words(r.Hash)[:2], " ")))
	if r.State == approvals.RequestAgreed {
		c.printf("%s is agreed; the plant opens it now that you are here. Then:\n    %s\n", r.Window, c.CertLine())
		return nil
	}
	c.printf("It waits for: %s\n", c.asks(r.Needs)+c.askedNext(r))
	return nil
}

func targetsOf(r approvals.Request) (list []policy.Target) {
	for _, t := range r.Document.Assets {
		list = append(list, policy.Target{Asset: policy.AssetName(t.Asset), Port: policy.PortName(t.Port), Account: policy.AccountName(t.Account)})
	}
	return list
}

// tell answers a question of the plant's.
func (c *call) tell() error {
	id, err := c.args.id(0, "R")
	if err != nil {
		return err
	}
	r, err := c.Desk.Tell(c.ctx, c.by, policy.RequestID(id), c.args.rest(1))
	if err != nil {
		return err
	}
	if c.args.json {
		c.json(c.requestLine(r))
		return nil
	}
	c.printf("Said. What you have asked for stays as it is.\n")
	return nil
}

func (c *call) withdraw() error {
	id, err := c.args.id(0, "R")
	if err != nil {
		return err
	}
	if err := c.Desk.Withdraw(c.ctx, c.by, policy.RequestID(id), c.args.rest(1)); err != nil {
		return err
	}
	if c.args.json {
		text, _ := c.receipt()
		c.json(map[string]string{"request": id, "state": string(approvals.RequestWithdrawn), "receipt": text})
		return nil
	}
	c.printf("%s is withdrawn.\n", id)
	c.receiptLine()
	return nil
}

// assets lists the machines that the person's firm has asked for; people of
// the plant see all. What else there is, a vendor hears from the sponsor.
func (c *call) assets() error {
	seen := map[policy.AssetName]bool{}
	if !c.by.Plant {
		all, err := c.Desk.Requests(c.ctx, c.by)
		if err != nil {
			return err
		}
		for _, r := range all {
			for _, t := range r.Document.Assets {
				seen[policy.AssetName(t.Asset)] = true
			}
		}
	}
	type line struct {
		Asset    string   `json:"asset"`
		Tag      string   `json:"tag"`
		Accounts []string `json:"accounts"`
		Ports    []string `json:"ports"`
	}
	lines := []line{}
	for _, a := range c.Plant().Assets {
		if !c.by.Plant && !seen[a.Name] {
			continue
		}
		l := line{Asset: string(a.Name), Tag: a.Tag, Accounts: []string{}, Ports: []string{}}
		for _, p := range a.Ports {
			l.Ports = append(l.Ports, string(p.Name))
			for _, u := range p.Accounts {
				l.Accounts = append(l.Accounts, string(u.Name))
			}
		}
		slices.Sort(l.Accounts)
		lines = append(lines, l)
	}
	if c.args.json {
		c.json(lines)
		return nil
	}
	if len(lines) == 0 {
		c.printf("You have not asked for a machine yet. Your contact at the plant tells you its name; then: %s\n", c.command("desk", "help"))
	}
	for _, l := range lines {
		c.printf("%-20s %-16s by %s", l.Asset, l.Tag, strings.Join(l.Ports, ", "))
		if len(l.Accounts) > 0 {
			c.printf(" as %s", strings.Join(l.Accounts, ", "))
		}
		c.printf("\n")
	}
	return nil
}

// sayTold prints the computed lines of the text: whoever answers reads the same.
func (c *call) sayTold(r approvals.Request) {
	if d := r.Document; d.Kind == evidence.Emergency {
		c.printf("  EMERGENCY: it begins with %s; more by the plant's second tap.", strings.Join(d.Starts, ", "))
		if len(d.Waives) > 0 {
			c.printf(" Waived: %s.", strings.Join(d.Waives, ", "))
		}
		c.printf("\n")
	}
	if d := r.Document; d.Jack != "" {
		c.printf("  ON SITE, recorded: with the laptop %s at the service jack %s.\n", d.Laptop, d.Jack)
	} else if d.AtMachine() {
		c.printf("  ON SITE, not recorded: with the laptop %s. No certificate is for it.\n", d.Laptop)
	}
	if d := r.Document; d.Kind == evidence.Exception {
		c.printf("  EXCEPTION: it waives %s.\n", strings.Join(d.Waives, ", "))
	}
	c.standingSays(r.Document)
	c.printf("  %s %s\n  %s\n", r.Document.Can, r.Document.Stopper, r.Document.Worst)
	if weak := r.Document.Weak; weak != "" {
		c.printf("  ! %s\n", weak)
	}
	if files := r.Document.Files; files != "" {
		c.printf("  %s\n", files)
	}
	if named := r.Document.Named(); named != "" {
		c.printf("  %s\n", named)
		for _, h := range r.Document.FileHashes {
			c.printf("      %s\n", h)
		}
	}
	for _, line := range r.Document.Red.Lines(c.name, r.Document.Firm) {
		c.printf("  ! %s\n", line)
	}
	if r.Document.Escort {
		c.printf("  An escort watches: nothing passes before somebody of the plant is there.\n")
	}
}

// sayWords prints the eight words of the text's hash: whoever answers it sees the
// same ones, unless somebody shows them another text.
func (c *call) sayWords(r approvals.Request) {
	words := evidence.Words(r.Hash)
	c.printf("Say these aloud on the phone: %s\nAll eight words of its text: %s\n", strings.ToUpper(strings.Join(words[:2], " ")), strings.Join(words, " "))
}
