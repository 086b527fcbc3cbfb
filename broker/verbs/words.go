package verbs

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"penstock/policy"
)

// printf prints text for a person; every argument that is a string is made
// safe for a terminal first.
func (c *call) printf(format string, args ...any) {
	fmt.Fprintf(c.t.Out, format, safe(args)...)
}

func (c *call) warnf(format string, args ...any) {
	fmt.Fprintf(c.t.Err, format, safe(args)...)
}

func safe(args []any) []any {
	for i, a := range args {
		switch v := a.(type) {
		case string:
			args[i] = clean(v)
		case fmt.Stringer:
			args[i] = clean(v.String())
		case error:
			args[i] = clean(v.Error())
		case policy.PersonID, policy.FirmID, policy.AssetName, policy.AccountName, policy.PortName, policy.WindowID, policy.RequestID, policy.Role:
			args[i] = clean(fmt.Sprint(v))
		}
	}
	return args
}

// clean shows what could move a terminal or turn its direction as \uXXXX.
func clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\n' {
			b.WriteRune(r)
		} else if r == unicode.ReplacementChar || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) {
			fmt.Fprintf(&b, "\\u%04X", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// end turns a verb's error into words and an exit code: the one place that does.
func (c *call) end(err error) int {
	var bad usageError
	var no *policy.Refusal
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &bad):
		c.fail(exitUsage, "usage", string(bad))
		return exitUsage
	case errors.As(err, &no):
		say := no.Say
		if say == "" {
			say = "This was refused (" + no.Rule + "). Ask OT security."
		}
		if no.Rule == "fields-missing" {
			say = asFlags(say)
		}
		c.fail(exitNo, no.Rule, c.Typed(say))
		return exitNo
	case errors.Is(err, ErrNoTerminal):
		c.fail(exitUsage, "no-terminal", "This asks for a secret and needs a terminal. Type: "+c.terminalCommand("desk", "password"))
		return exitUsage
	case errors.Is(err, io.EOF):
		c.fail(exitError, "interrupted", "Nothing was changed.")
		return exitError
	}
	c.fail(exitError, "fault", "Something is wrong here; nothing is promised about what you asked for. Look again with requests or windows, and tell OT security. ("+reason(err)+")")
	return exitError
}

// reason is a fault's text, cut: a vendor needs its first words to report it, not the broker's paths.
func reason(err error) string {
	s, _, _ := strings.Cut(err.Error(), ":")
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80])
	}
	return s
}

func (c *call) fail(code int, rule, say string) {
	if c.args.json {
		c.json(map[string]any{"error": rule, "say": say, "exit": code})
		return
	}
	c.warnf("Penstock: %s\n", say)
}

// json prints one value for a program.
func (c *call) json(v any) {
	e := json.NewEncoder(c.t.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // a reader who went away is no fault of ours
}

// when shows a moment in the plant's zone, and in UTC where that differs.
func (c *call) when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	local := t.In(c.Plant().Location())
	day := ""
	if now := c.now().In(c.Plant().Location()); now.YearDay() != local.YearDay() || now.Year() != local.Year() {
		day = local.Format("Mon 2 Jan ")
	}
	s := day + local.Format("15:04 MST")
	if _, offset := local.Zone(); offset != 0 {
		s += " (" + t.UTC().Format("15:04") + " UTC)"
	}
	return s
}

// moment reads a time as people write it: RFC 3339, or day and time of day in the plant's zone.
func (c *call) moment(name, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	zone := c.Plant().Location()
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04"} {
		t, err := policy.ParseClock(layout, s, zone)
		if _, skipped := errors.AsType[*policy.Refusal](err); err == nil || skipped {
			return t, err
		}
	}
	if clock, err := time.Parse("15:04", s); err == nil {
		now := c.now().In(zone)
		t, err := policy.OnClock(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), zone)
		if err == nil && t.Before(now.Add(-time.Hour)) {
			now = now.AddDate(0, 0, 1)
			t, err = policy.OnClock(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), zone)
		}
		return t, err
	}
	return time.Time{}, usage("--" + name + " is a time such as 22:00 or 2026-11-28 22:00 in the plant's zone (" + zone.String() + "), or RFC 3339")
}

// name is how a person is called, or the id where the roster does not say.
func (c *call) name(id policy.PersonID) string {
	if p, err := c.Roster.Person(c.ctx, id); err == nil && p.Name != "" {
		return p.Name
	}
	return string(id)
}

// says is who took something: somebody of the plant by name and team, a screen of
// the control room as the plant, or Penstock itself.
func (c *call) says(id policy.PersonID) string {
	if id == "penstock" {
		return "Penstock"
	}
	p, err := c.Roster.Person(c.ctx, id)
	if err != nil {
		return "the plant"
	}
	return c.Plant().Says(cmp.Or(p.Name, string(id)), p.Roles)
}

// title is what a role is called in the plant.
func (c *call) title(r policy.Role) string {
	if t, ok := c.Plant().Team(r); ok && t.Title != "" {
		return t.Title
	}
	return string(r)
}

// asFlags names fields that are missing as they are typed here: a page has labels for
// them, a line has --work-order.
func asFlags(say string) string {
	before, fields, ok := strings.Cut(strings.TrimSuffix(say, "."), "Fill in: ")
	if !ok {
		return say
	}
	words := strings.Split(fields, ", ")
	for i, f := range words {
		if f == "reason" {
			f = "why"
		}
		words[i] = "--" + strings.ReplaceAll(f, "_", "-") + " TEXT"
	}
	return before + "Add: " + strings.Join(words, " ")
}

// command is a line to type, as stock OpenSSH takes it.
func (c *Clerk) command(user, rest string) string {
	return strings.TrimSpace("ssh " + c.port() + user + "@" + c.Name + " " + rest)
}

// Typed is what somebody reads where the sentence's room knows no address: lines that can be typed as they stand.
func (c *Clerk) Typed(say string) string { return policy.Typed(say, c.command("desk", "")) }

// terminalCommand is a line that brings a terminal along, for secrets.
func (c *Clerk) terminalCommand(user, rest string) string {
	return strings.TrimSpace("ssh -t " + c.port() + user + "@" + c.Name + " " + rest)
}

func (c *Clerk) port() string {
	if c.Port == 0 || c.Port == 22 {
		return ""
	}
	return "-p " + strconv.Itoa(c.Port) + " "
}

// CertLine is the line that gets the certificate.
func (c *Clerk) CertLine() string {
	return c.command("cert", "> ~/.ssh/id_ed25519-cert.pub")
}

// PlusForm is the line that reaches a machine, with names to fill in.
func (c *Clerk) PlusForm(p policy.PersonID) string {
	return c.command(string(p)+"+ACCOUNT+ASSET", "")
}

// JumpForm is the line that reaches a machine through a jump, with names to fill in.
func (c *Clerk) JumpForm(p policy.PersonID) string {
	return "ssh -J " + c.jumpHost(p) + " ACCOUNT@ASSET." + c.Plant().Site.ID
}

func (c *Clerk) jumpHost(p policy.PersonID) string {
	if c.Port == 0 || c.Port == 22 {
		return string(p) + "@" + c.Name
	}
	return string(p) + "@" + c.Name + ":" + strconv.Itoa(c.Port)
}

// copyLine gets the certificate of the newest windows with scp.
func (c *Clerk) copyLine() string {
	port := ""
	if c.Port != 0 && c.Port != 22 {
		port = "-P " + strconv.Itoa(c.Port) + " "
	}
	return "scp " + port + "cert@" + c.Name + ":latest ~/.ssh/id_ed25519-cert.pub"
}

// reach is the line that reaches a target: a machine's account, or a forward
// to a port that has none.
func (c *Clerk) reach(p policy.PersonID, t policy.Target) string {
	if t.Account != "" {
		return c.command(string(p)+"+"+string(t.Account)+"+"+string(t.Asset), "")
	}
	asset, _ := c.Plant().Asset(t.Asset)
	port, ok := asset.Port(t.Port)
	if !ok {
		return "# " + string(t.Port) + " of " + string(t.Asset) + " is no longer in the plant file"
	}
	there := asset.ForwardNumber(port)
	return fmt.Sprintf("ssh -N -L %d:%s:%d %s%s@%s", policy.LocalNumber(there), t.Asset, there, c.port(), p, c.Name)
}
