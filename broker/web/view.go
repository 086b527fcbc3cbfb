package web

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/policy"
)

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func minutesWords(n int) string {
	switch {
	case n < 120 && n != 60:
		return count(n, "minute", "minutes")
	case n == 60:
		return "1 hour"
	case n%(24*60) == 0 && n >= 48*60:
		return fmt.Sprintf("%d days", n/60/24)
	case n%60 == 0:
		return fmt.Sprintf("%d hours", n/60)
	}
	return fmt.Sprintf("%d h %d min", n/60, n%60)
}

// roll knows people and firms for one page.
type roll struct {
	people  map[policy.PersonID]people.Person
	firms   map[policy.FirmID]people.Firm
	screens map[policy.PersonID]string // kiosks: they take, and are no people
	duty    approvals.Duty             // whose word counts, by roles, rosters and deputies
}

func (g *Pages) roll(ctx context.Context) (roll, error) {
	n := roll{people: map[policy.PersonID]people.Person{}, firms: map[policy.FirmID]people.Firm{}}
	all, err := g.Roster.People(ctx)
	if err != nil {
		return n, fmt.Errorf("list people: %w", err)
	}
	firms, err := g.Roster.Firms(ctx)
	if err != nil {
		return n, fmt.Errorf("list firms: %w", err)
	}
	for _, p := range all {
		n.people[p.ID] = p
	}
	for _, f := range firms {
		n.firms[f.ID] = f
	}
	if n.screens, err = g.Desk.KioskNames(ctx); err != nil {
		return n, fmt.Errorf("list kiosks: %w", err)
	}
	if n.duty, err = g.Desk.Duty(ctx); err != nil {
		return n, fmt.Errorf("look who is on duty: %w", err)
	}
	return n, nil
}

func (n roll) person(id policy.PersonID) string {
	return cmp.Or(n.people[id].Name, n.screens[id], string(id))
}
func (n roll) firm(id policy.FirmID) string { return cmp.Or(n.firms[id].Name, string(id)) }

// call is somebody to ring up. It stands on pages of the plant's people only,
// and never in a title, which a locked screen may show.
type call struct{ Name, Firm, Number string }

// call is the first of these people whose number is known; nil: there is no
// button, or the reader is no person of the plant.
func (v *visit) call(n roll, ids []string) *call {
	if !v.actor.Plant {
		return nil
	}
	for _, id := range ids {
		if p := n.people[policy.PersonID(id)]; p.Phone != "" && p.ID != v.actor.Person {
			first, _, _ := strings.Cut(p.Name, " ")
			return &call{first, n.firm(p.Firm), p.Phone}
		}
	}
	return nil
}

func (n roll) list(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = n.person(policy.PersonID(id))
	}
	return out
}

// holders are the plant's people who could answer in a role now.
func (n roll) holders(r policy.Role, at time.Time, not ...string) (who []string) {
	for _, id := range n.duty.On(r, at) {
		if !slices.Contains(not, string(id)) {
			who = append(who, n.person(id))
		}
	}
	slices.Sort(who)
	return who
}

func (v *visit) role(r policy.Role) string {
	t, _ := v.plant.Team(r)
	return cmp.Or(t.Title, string(r))
}

// targetView is one way into one machine, in the plant's words.
type targetView struct {
	Asset, Tag, Title, Zone, By, Account string
	Stops                                []string // what the plant loses with it
	Worst                                policy.Rights
	Enforced                             policy.Enforced
	Known                                bool
}

func (v *visit) target(t evidence.Target) targetView {
	out := targetView{Asset: t.Asset, Title: t.Asset, By: t.Port, Account: t.Account, Worst: everyRight}
	a, ok := v.plant.Asset(policy.AssetName(t.Asset))
	if !ok {
		return out
	}
	z, _ := v.plant.Zone(a.Zone)
	out.Tag, out.Title, out.Zone, out.Known = a.Tag, cmp.Or(a.Title, string(a.Name)), z.Title, true
	out.Stops = v.plant.StopsWith(a.Name)
	out.Worst, out.Enforced = v.plant.Worst(t.Policy())
	out.By = wayIn(out.By)
	return out
}

// wayIn is a port's name as people say it.
func wayIn(port string) string {
	if strings.EqualFold(port, "ssh") {
		return "SSH"
	}
	return port
}

func (v *visit) targets(list []evidence.Target) []targetView {
	out := make([]targetView, len(list))
	for i, t := range list {
		out[i] = v.target(t)
	}
	return out
}

// Rights is the worst that the way in can do, in words.
func (t targetView) Rights() string { return t.Worst.InWords() }

// Way is by what one goes in: "SSH as viewer", "modbus".
func (t targetView) Way() string {
	if t.Account == "" {
		return t.By
	}
	return t.By + " as " + t.Account
}

// whereWords are a way in on a list to choose from; on site, the machine.
func (t targetView) whereWords() string {
	if t.By == "" {
		return t.Title + ", on site"
	}
	return t.Title + ", by " + t.Way() + ": " + t.Rights()
}

// Stopper says who stops what goes beyond the window.
func (t targetView) Stopper() string {
	switch t.Enforced {
	case policy.ByPenstock:
		return "Penstock stops the rest"
	case policy.ByDevice:
		return "the machine stops the rest"
	}
	return "nobody stops the rest"
}

const everyRight = policy.Look | policy.Copy | policy.Set | policy.Operate | policy.Load | policy.Device

func rightsOf(words []string) policy.Rights {
	r, err := policy.ParseRights(words)
	if err != nil {
		return everyRight // what cannot be read is told as everything
	}
	return r
}

// wants says what the rights mean, weightiest first: "CHANGE VALUES on".
func wants(r policy.Rights, shell bool) (does, prep string) {
	switch {
	case shell && r&^(policy.Look|policy.Copy) != 0:
		return "work in a shell", "on"
	case r.Has(policy.Device):
		return "change the device itself", "of"
	case r.Has(policy.Load):
		return "load programs", "into"
	case r.Has(policy.Operate):
		return "start and stop", ""
	case r.Has(policy.Set):
		return "change values", "on"
	case r.Has(policy.Copy):
		return "take files out", "of"
	}
	return "look", "at"
}

// hasShell says whether somebody would work in a shell that nobody holds to
// what was asked. Where the device enforces an account, what was asked is what
// it is: "change values", by whatever way.
func hasShell(targets []targetView) bool {
	return slices.ContainsFunc(targets, func(t targetView) bool { return t.Account != "" && t.Enforced == policy.ByNobody })
}

// opensHow says what opens an agreed window, and when.
func (v *visit) opensHow(open string, from time.Time, people []string) string {
	early := v.now.Before(from)
	switch {
	case open == "vendor":
		who := strings.Join(people, " or ") + " fetches the certificate"
		if early {
			return "opens when " + who + ", from " + v.at(from).Text()
		}
		return "opens when " + who
	case open == "auto" && early:
		return "opens by itself " + v.at(from).Text()
	case open == "auto":
		return "opens by itself now"
	case early:
		return "can be opened from " + v.at(from).Text()
	}
	return "waits for the shift"
}

// stateWords are a window's state with its next step (words.md).
func (v *visit) windowState(w approvals.Window, n roll) string {
	by := n.person(w.By)
	switch w.State {
	case approvals.WindowAgreed:
		if w.Call != nil && w.Call.Here == "" {
			return "agreed. " + v.calledWords(true, w.Call, n)
		}
		if w.Kept != "" {
			return "agreed, opens by itself as soon as nothing keeps it: " + w.Kept
		}
		return "agreed, " + v.opensHow(w.Claim.Open, w.Claim.From, n.list(w.Claim.People))
	case approvals.WindowOpen:
		if w.Pausing != "" {
			return "open, is paused once its transfer is done, ends " + v.at(w.Until).Text()
		}
		return "open, ends " + v.at(w.Until).Text()
	case approvals.WindowPaused:
		return "paused by " + by + ", ends " + v.at(w.Until).Text() + " all the same"
	case approvals.WindowEnding:
		if len(w.HalfDone) > 0 {
			return strings.TrimSuffix(endingText(len(w.HalfDone), v.at(w.Until).Text()), " Cut stops it now.")
		}
		return "ending, a transfer is being finished"
	case approvals.WindowEnded:
		switch {
		case w.HandBack == "" && !w.Claim.HandsBack():
			return "ended, nothing to hand back, waits to be closed"
		case w.HandBack == "":
			return "ended, hand-back missing"
		}
		return "ended, hand-back waits to be taken"
	case approvals.WindowCut:
		switch {
		case w.Opened.IsZero() || w.HandBack == "" && !w.Claim.HandsBack():
			return "cut by " + by
		case w.HandBack == "":
			return "cut by " + by + ", hand-back missing"
		}
		return "cut by " + by + ", hand-back waits to be taken"
	case approvals.WindowClosed:
		return "closed"
	case approvals.WindowUnused:
		return "not used"
	}
	return string(w.State)
}

var requestWords = map[approvals.RequestState]string{
	approvals.RequestWaiting: "waiting", approvals.RequestAsleep: "asleep", approvals.RequestAgreed: "agreed", approvals.RequestRefused: "refused",
	approvals.RequestWithdrawn: "withdrawn", approvals.RequestUnanswered: "unanswered", approvals.RequestSuperseded: "replaced",
}

var saysWords = map[string]string{evidence.Yes: "said yes", evidence.No: "said no", evidence.NotBefore: "said not now", evidence.Question: "asks"}

// Names that the log and the recordings hold as text.
func personID(s string) policy.PersonID   { return policy.PersonID(s) }
func firmID(s string) policy.FirmID       { return policy.FirmID(s) }
func windowID(s string) policy.WindowID   { return policy.WindowID(s) }
func assetName(s string) policy.AssetName { return policy.AssetName(s) }
func roleName(s string) policy.Role       { return policy.Role(s) }
