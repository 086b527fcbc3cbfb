package verbs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/approvals/people"
	"penstock/broker/ca"
	"penstock/policy"
)

// longestWait bounds cert@ --wait.
const longestWait = 12 * time.Hour

// Cert runs cert@: by has proved key and code. The certificate is all that
// goes to Out; on a no nothing does, and the code is 3.
func (c *Clerk) Cert(ctx context.Context, by people.Actor, key ssh.PublicKey, line string, t Terminal) int {
	t = bounded(t)
	k := &call{Clerk: c, ctx: ctx, by: by, key: key, t: t}
	words, err := split(line)
	if err != nil {
		return k.end(usage(err.Error()))
	}
	wait := false
	var only []policy.WindowID
	for _, w := range words {
		switch {
		case w == "--wait":
			wait = true
		case isID(w, "W"):
			only = append(only, policy.WindowID(w))
		default:
			return k.end(usage(w + " is not understood. Type: " + c.command("cert", "[W-17] [--wait] > FILE")))
		}
	}
	open, err := k.open(only)
	if no := (*policy.Refusal)(nil); wait && errors.As(err, &no) && no.Rule == "no-window" {
		open, err = k.wait(only)
	}
	if err != nil {
		return k.end(err)
	}
	return k.end(k.issue(open))
}

// issue certifies the key for the windows and prints the one line.
func (c *call) issue(open []approvals.Window) error {
	firm, err := c.Roster.Firm(c.ctx, c.by.Firm)
	if err != nil {
		return fmt.Errorf("read firm: %w", err)
	}
	claim := ca.Claim{Person: c.by.Person, Firm: c.by.Firm}
	networks := slices.Clone(firm.Networks)
	if c.by.Machine {
		networks = nil // its own alone
	}
	for _, w := range open {
		claim.Windows = append(claim.Windows, w.ID)
		networks = append(networks, w.Claim.Machine.Prefixes()...)
		if j, at := c.Plant().Jack(w.Claim.Jack); at && !slices.Contains(networks, j.Network) {
			networks = append(networks, j.Network)
		}
		if at, err := netip.ParsePrefix(w.Claim.Network); err == nil { // agreed to as a red item: the gate lets it through for that window alone
			networks = append(networks, at)
		}
		if w.Until.After(claim.Until) {
			claim.Until = w.Until
		}
	}
	cert, err := c.CA.IssueVendor(c.ctx, claim, c.key, networks)
	if err != nil {
		return err
	}
	blob := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(cert)))
	if _, err := io.WriteString(c.t.Out, blob+" "+string(c.by.Person)+"@"+c.Name+"\n"); err != nil {
		return fmt.Errorf("write the certificate: %w", err)
	}
	ids := make([]string, len(open))
	for i, w := range open {
		ids[i] = string(w.ID)
	}
	c.warnf("Penstock: certificate for %s, good to %s. Reach the machine with:\n", strings.Join(ids, ", "), c.when(time.Unix(int64(cert.ValidBefore), 0)))
	for _, w := range open {
		switch {
		case w.Claim.Jack != "":
			c.warnf("  %s, with the laptop %s plugged in at the service jack %s alone:\n", w.ID, w.Claim.Laptop, w.Claim.Jack)
		case w.Claim.Probe:
			c.warnf("  %s, to try the way; nothing passes:\n", w.ID)
		}
		for _, t := range targets(w) {
			c.warnf("    %s\n", c.reach(c.by.Person, t))
		}
	}
	return nil
}

// open are the person's open windows, those that open by use opened first. None is a refusal with the next step.
func (c *call) open(only []policy.WindowID) ([]approvals.Window, error) {
	if err := c.present(); err != nil {
		return nil, err
	}
	if err := c.atHome(); err != nil {
		return nil, err
	}
	// Windows whose rule says so open by asking for the certificate; one that may not open now stays as it is and is told below.
	useErr := c.Desk.OpenByUse(c.ctx, c.by.Person, only...)
	open, err := c.Desk.OpenFor(c.ctx, c.by.Person)
	if err != nil {
		return nil, fmt.Errorf("look for open windows: %w", err)
	}
	print := ssh.FingerprintSHA256(c.key)
	open = slices.DeleteFunc(open, func(w approvals.Window) bool { return w.Claim.Machine.Is() && w.Claim.Machine.Key != print })
	if len(only) > 0 {
		open = slices.DeleteFunc(open, func(w approvals.Window) bool { return !slices.Contains(only, w.ID) })
	}
	if len(open) > 0 {
		return open, nil
	}
	if no := (*policy.Refusal)(nil); errors.As(useErr, &no) {
		return nil, useErr
	}
	return nil, c.none(only)
}

// atHome: a machine has no second factor, so its key alone opens nothing, and has
// nothing written or told from anywhere but the networks that were agreed for it.
func (c *call) atHome() error {
	if !c.by.Machine {
		return nil
	}
	windows, err := c.Desk.Windows(c.ctx, c.by) // its own
	if err != nil {
		return fmt.Errorf("look whence the machine may come: %w", err)
	}
	var all, past []netip.Prefix
	for _, w := range windows {
		if over(w.State) {
			past = append(past, w.Claim.Machine.Prefixes()...)
		} else {
			all = append(all, w.Claim.Machine.Prefixes()...)
		}
	}
	if len(all) == 0 { // what was agreed last is told there alone, too
		all = past
	}
	if len(all) == 0 || slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(c.by.Source.Unmap()) }) {
		return nil
	}
	return &policy.Refusal{Rule: "standing-network", Say: fmt.Sprintf("This machine's agreement is for connections from %v, and this one comes from %s. Run it there, or have the agreement made anew.", all, c.by.Source),
		Why: fmt.Sprintf("the key of the machine %s came from %s", c.by.Person, c.by.Source)}
}

// none says why no window is open and what comes next.
func (c *call) none(only []policy.WindowID) error {
	say := "None of your windows is open, so there is no certificate."
	if len(only) > 0 {
		say = "That window is not open, so there is no certificate."
	}
	windows, err := c.Desk.Windows(c.ctx, c.by)
	if err == nil {
		for _, w := range windows {
			if !slices.Contains(w.Claim.People, string(c.by.Person)) || len(only) > 0 && !slices.Contains(only, w.ID) || over(w.State) {
				continue
			}
			if w.Claim.OnSite() {
				say += fmt.Sprintf("\n  %s: is for work on site with a laptop; no certificate is for it", w.ID)
				continue
			}
			say += fmt.Sprintf("\n  %s: %s", w.ID, c.stands(w))
		}
	}
	say += "\nAsk the shift to open it, or wait for it: " + c.command("cert", "--wait > FILE")
	return &policy.Refusal{Rule: "no-window", Say: say, Why: "no open window for this person"}
}

func over(s approvals.WindowState) bool {
	return s == approvals.WindowClosed || s == approvals.WindowUnused || s == approvals.WindowEnded || s == approvals.WindowCut
}

// wait blocks until a window is open, the person goes, or 12 h are over.
func (c *call) wait(only []policy.WindowID) ([]approvals.Window, error) {
	ctx, cancel := context.WithTimeout(c.ctx, longestWait)
	defer cancel()
	c.warnf("Penstock: waiting for a window to be opened. Stop with Ctrl-C.\n")
	outer := c.ctx
	defer func() { c.ctx = outer }()
	c.ctx = ctx
	changes := c.Desk.Watch(ctx) // before the look: nothing is missed between
	open, err := c.open(only)
	if !none(err) {
		return open, err
	}
	for change, err := range changes {
		if err != nil {
			return nil, fmt.Errorf("watch the windows: %w", err)
		}
		if change.Window == "" {
			continue
		}
		if open, err := c.open(only); !none(err) {
			return open, err
		}
	}
	return nil, &policy.Refusal{Rule: "no-window", Say: "No window was opened meanwhile. Ask the shift, and try again.", Why: "waiting ended"}
}

// keyGone is the rule that ends a wait at once.
const keyGone = "key-gone"

// present: after the code was given the key may be taken away, a moment or
// twelve hours later; then nothing is opened by this use of it.
func (c *call) present() error {
	who, err := c.Proofs.SSHKey(c.ctx, c.by.Source, line(c.key))
	if errors.Is(err, fs.ErrNotExist) || err == nil && who.Person != c.by.Person {
		return &policy.Refusal{Rule: keyGone, Say: "The key that you came with does not count here any more. Ask your contact at the plant.",
			Why: "the key was taken away, or the person disabled, while waiting"}
	}
	return err
}

// none says whether a later look may find an open window.
func none(err error) bool {
	var no *policy.Refusal
	return errors.As(err, &no) && no.Rule != keyGone
}
