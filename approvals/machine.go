package approvals

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/policy"
)

// Machine is what an Ask of kind standing says of the one machine that is its
// People. Its key is the one that counts at the asking.
type Machine struct {
	Frame    string          // its pattern in the plant file
	Keeper   policy.PersonID // of the firm, who answers for it; empty: whoever asks
	Networks []netip.Prefix  // whence it comes
}

// Standing is one machine's agreement that runs.
type Standing struct {
	Window
	Firm   policy.FirmID
	Owners []policy.Role // one of whom confirms it
	Most   time.Time     // the farthest that it can be confirmed to now
}

// bind writes what holds the machine into a request's text.
func (d *Desk) bind(ctx context.Context, by people.Actor, plant *policy.Plant, doc *evidence.Request, m Machine, now time.Time) error {
	if doc.Kind != evidence.Machine {
		if m.Frame != "" || m.Keeper != "" || len(m.Networks) > 0 {
			return refuse("standing", "A frame, a keeper and networks are said of a machine. Ask with the kind standing, or leave them out.")
		}
		return nil
	}
	if len(doc.People) != 1 {
		return refuse("standing", "A standing agreement is for one machine. Name it alone.")
	}
	if doc.Called || doc.Outage != "" || len(doc.FileHashes) > 0 {
		return refuse("standing", "A standing agreement is no call-in, stands on no outage's list and names no files. Ask for it by itself.")
	}
	f, there := plant.Pattern(m.Frame)
	if !there {
		return refuse("standing-frame", "The plant file has no pattern %.40q for machines. Say in which one: %s.", m.Frame, cmp.Or(strings.Join(frameNames(plant), ", "), "there is none; ask OT security to write one"))
	}
	if !by.Plant {
		m.Keeper = cmp.Or(m.Keeper, by.Person)
	}
	key, err := d.machineKey(ctx, doc.People[0])
	if err != nil {
		return err
	}
	if err := d.mayKeep(ctx, m.Keeper, doc.Firm); err != nil {
		return err
	}
	networks, err := d.machineNetworks(ctx, doc.Firm, m.Networks)
	if err != nil {
		return err
	}
	doc.Machine = evidence.Bound{Frame: m.Frame, Key: key, Keeper: string(m.Keeper), Networks: networks}
	if doc.From.Year() < 2000 {
		doc.From = now
	}
	if doc.To.Year() < 2000 {
		doc.To = whole(earlier(plant.Ends(f), doc.From.Add(evidence.MaxStanding)))
	}
	if doc.Minutes == 0 {
		doc.Minutes = int(min(f.Confirm, doc.To.Sub(doc.From)) / time.Minute)
	}
	return nil
}

func frameNames(plant *policy.Plant) (names []string) {
	for _, f := range plant.StandingFrames() {
		names = append(names, f.Name)
	}
	return names
}

// machineKey is the one key of a machine that counts.
func (d *Desk) machineKey(ctx context.Context, id string) (string, error) {
	p, err := d.roster.Person(ctx, policy.PersonID(id))
	if errors.Is(err, fs.ErrNotExist) || err == nil && (p.Disabled || !p.Machine) {
		return "", refuse("no-such-machine", "%.40q is no machine that the plant knows. It is invited as one, and brings its key: penstock people invite --machine.", id)
	}
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", id, err)
	}
	k, ok := p.Key(people.SSH)
	if !ok {
		return "", refuse("no-such-machine", "The key of %s is not confirmed yet. Its firm's sponsor confirms it first.", id)
	}
	return k.ID, nil
}

// mayKeep: a person of the firm who is here.
func (d *Desk) mayKeep(ctx context.Context, id policy.PersonID, firm string) error {
	p, err := d.roster.Person(ctx, id)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look up %s: %w", id, err)
	}
	if err != nil || p.Disabled || p.Machine || string(p.Firm) != firm {
		return refuse("no-keeper", "Somebody of %s answers for the machine, and it ends when they leave. %.40q is nobody of it who is here.", firm, id)
	}
	return nil
}

// machineNetworks are sorted and masked, each inside one of the firm's.
func (d *Desk) machineNetworks(ctx context.Context, firm string, asked []netip.Prefix) (all []string, err error) {
	f, err := d.roster.Firm(ctx, policy.FirmID(firm))
	if err != nil {
		return nil, fmt.Errorf("look up firm %s: %w", firm, err)
	}
	if len(asked) == 0 {
		return nil, refuse("standing-network", "Say whence the machine comes: one address or a few, such as 198.51.100.7/32.")
	}
	for _, n := range asked {
		n = n.Masked()
		if !evidence.Inside(f.Networks, n) {
			return nil, refuse("standing-network", "%s is in none of the firm's networks: %s. Have the plant add it first, or name one inside.", n, networkWords(f.Networks))
		}
		all = append(all, n.String())
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func networkWords(networks []netip.Prefix) string {
	if len(networks) == 0 {
		return "it has none"
	}
	var out []string
	for _, n := range networks {
		out = append(out, n.String())
	}
	return strings.Join(out, ", ")
}

// unkept says whether a machine's keeper has left, so that it may do nothing.
func (d *Desk) unkept(ctx context.Context, claim evidence.WindowClaim) (bool, error) {
	if !claim.Machine.Is() {
		return false, nil
	}
	p, err := d.roster.Person(ctx, policy.PersonID(claim.Machine.Keeper))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return true, fmt.Errorf("look up %s, who keeps the machine: %w", claim.Machine.Keeper, err)
	}
	return p.Disabled, nil
}

// notMachine keeps a machine from whatever a person does at the desk.
func notMachine(by people.Actor) error {
	if by.Machine {
		return refuse("machine", "A machine asks for nothing and answers nothing here; its keeper does.")
	}
	return nil
}

// Standings are the machines' agreements that run, the next to be confirmed first.
// Everybody of the plant sees all, a vendor's person the firm's own.
func (d *Desk) Standings(ctx context.Context, by people.Actor) (all []Standing, err error) {
	all, err = d.standings(ctx)
	return slices.DeleteFunc(all, func(s Standing) bool { return seen(by, string(s.Firm), "window", string(s.ID)) != nil }), err
}

// noMachine remembers windows that are neither a machine's nor an exception, or
// over: of years of them only the others are read anew.
func (d *Desk) noMachine(id string, is bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if is {
		d.manned[id] = true
	}
	return d.manned[id]
}

func (d *Desk) standings(ctx context.Context) (all []Standing, err error) {
	err = d.each(ctx, "window/", func(id string) error {
		if d.noMachine(id, false) {
			return nil
		}
		w, claim, err := d.claimed(ctx, policy.WindowID(id))
		if err != nil {
			return err
		}
		if over := !w.runs() && w.State != WindowAgreed; over || !claim.Machine.Is() && !claim.Exception {
			d.noMachine(id, true)
			return nil
		}
		if !w.runs() || !claim.Machine.Is() {
			return nil
		}
		v, err := d.windowView(ctx, policy.WindowID(id))
		if err != nil {
			return err
		}
		s := Standing{Window: v, Firm: v.Firm, Most: claim.To}
		doc, _, err := d.request(ctx, claim.Request)
		if err != nil {
			return err
		}
		q, err := d.quorum(ctx, doc)
		if err != nil {
			return err
		}
		s.Owners, s.Most = q.Openers, earlier(claim.To, d.second().Add(q.Longest))
		all = append(all, s)
		return nil
	})
	slices.SortFunc(all, func(a, b Standing) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.ID, b.ID)) })
	return all, err
}

// confirmSoon is how long before its end a standing agreement is a debt.
const confirmSoon = 14 * 24 * time.Hour

// standingDebts are the standing agreements that nobody has confirmed, shortly
// before they close.
func (d *Desk) standingDebts(ctx context.Context) (debts []policy.Debt, err error) {
	all, err := d.standings(ctx)
	for _, s := range all {
		if from := s.Until.Add(-confirmSoon); !d.now().Before(from) {
			text := fmt.Sprintf("one of %s confirms it, or it closes by itself on %s", strings.Join(words(s.Owners), ", "), s.Until.In(d.plant().Location()).Format("2 Jan 15:04"))
			if !s.Until.Before(s.Claim.To) {
				text = "its agreement ends then; agree it anew, or let it close by itself on " + s.Until.In(d.plant().Location()).Format("2 Jan 15:04")
			}
			debts = append(debts, policy.Debt{Kind: "standing", What: string(s.ID) + " " + strings.Join(s.Claim.People, ", "), Since: from, Text: text})
		}
	}
	return debts, err
}

// standingEndings are they for those who tell people of ends.
func (d *Desk) standingEndings(ctx context.Context) (ends []people.Ending, err error) {
	all, err := d.standings(ctx)
	for _, s := range all {
		f, err := d.roster.Firm(ctx, s.Firm)
		if err != nil {
			return ends, fmt.Errorf("look up firm %s: %w", s.Firm, err)
		}
		ends = append(ends, people.Ending{Firm: s.Firm, Person: policy.PersonID(s.Claim.Machine.Keeper), What: people.StandingEnds + string(s.ID), Until: s.Until, Sponsor: f.Sponsor, Teams: s.Owners})
	}
	return ends, err
}
