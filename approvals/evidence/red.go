package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// Red is what is out of order with who asks, for looking by night under an
// escort: a line each for whoever answers. The zero value is nothing.
type Red struct {
	First   []string `json:"first,omitempty"`   // people who never worked in a window here, sorted
	Network string   `json:"network,omitempty"` // the one that the asker came from, of none of the firm's: they may come from there
	Missing []string `json:"missing,omitempty"` // fields that the rules ask for, sorted
}

// IsZero says whether nothing is out of order.
func (r Red) IsZero() bool { return len(r.First) == 0 && r.Network == "" && len(r.Missing) == 0 }

func (r Red) check() error {
	err := network("red.network", r.Network)
	if len(r.First) > 0 {
		err = errors.Join(err, ids("red.first", r.First))
	}
	for i, f := range r.Missing {
		err = errors.Join(err, oneOf(fmt.Sprintf("red.missing[%d]", i), f, policy.Numbers...))
	}
	if !slices.IsSorted(r.Missing) || len(slices.Compact(slices.Clone(r.Missing))) != len(r.Missing) {
		err = errors.Join(err, errors.New("red.missing: not sorted, or one twice"))
	}
	return err
}

func network(field, s string) error {
	if s == "" {
		return nil
	}
	if p, err := netip.ParsePrefix(s); err != nil || p != policy.Address(p.Addr()) || p.String() != s {
		return fmt.Errorf("%s: %q is not one address (IPv6: one /64)", field, short(s))
	}
	return nil
}

// Unfilled are those of the fields that the rules ask for which a request lacks,
// sorted.
func Unfilled(r Request, ask []string) (missing []string) {
	have := map[string]string{"reason": r.Reason, "work_order": r.WorkOrder, "change": r.Change, "backup": r.Backup,
		"backout": r.Backout, "area_clear": r.AreaClear}
	for _, field := range ask {
		if text, known := have[field]; known && text == "" && !slices.Contains(missing, field) {
			missing = append(missing, field)
		}
	}
	slices.Sort(missing)
	return missing
}

// CheckRed is empty if the plant file makes red items of what a request says is
// out of order: for looking alone, under an escort, within one night's span. ask
// are the fields that the rules ask for. That it was night is Walk's to compare.
func CheckRed(plant *policy.Plant, r Request, ask []string) (findings []string) {
	must := func(is bool, format string, args ...any) {
		if !is {
			findings = append(findings, fmt.Sprintf(format, args...))
		}
	}
	must(r.Escort == !r.Red.IsZero(), "the request says of an escort: %t, which it has with a red item and only then", r.Escort)
	if r.Red.IsZero() {
		return findings
	}
	must(slices.Equal(r.Rights, policy.Look.Words()), "it has a red item and asks for %q: by night nothing but looking is asked so", r.Rights)
	must(r.To.Sub(r.From) <= policy.NightSpan, "it has a red item and a span of more than %s", policy.NightSpan)
	must(len(r.Red.First) == 0 || plant.Reddens(policy.RedFirst) && within(r.Red.First, r.People), "a first visit is no red item here, or not of who works")
	must(r.Red.Network == "" || plant.Reddens(policy.RedNetwork), "another network is no red item here")
	must(len(r.Red.Missing) == 0 || plant.MayMiss(r.Red.Missing) && slices.Equal(r.Red.Missing, Unfilled(r, ask)), "it lacks %q, and says that it lacks %q", Unfilled(r, ask), r.Red.Missing)
	return findings
}

// red: by night, by the plant file that the request names, at its leaf; and by
// day nobody comes for the first time unless the plant asks for them.
func (w *Walk) red(plant *policy.Plant, text Request, b audit.RequestSubmitted, ask []string) {
	for _, finding := range CheckRed(plant, text, ask) {
		w.must(false, "%s", finding)
	}
	if plant.Reddens(policy.RedFirst) && !w.insider(text.By) && text.Kind != Machine && !w.partial { // of a part of the log nobody can say who was never here
		for _, id := range text.People {
			w.must(w.been[id] || slices.Contains(text.Red.First, id), "%s was never here, and it does not say so", id)
		}
	}
	if text.Red.IsZero() {
		return
	}
	_, assets := text.ways()
	at, night := cmp.Or(b.At, w.leaf.Wall), false
	for _, when := range []time.Time{w.leaf.Wall, at, at.Add(-settleTime)} { // it was decided a moment before it was written
		night = night || plant.IsNight(assets, when, w.unmanned(string(plant.Night.Without), when))
	}
	w.must(night, "it has a red item, and it was day")
	w.must(!at.After(w.leaf.Wall.Add(settleTime)) && !at.Before(w.leaf.Wall.Add(-clockSlack)), "it says %s, and the log has it at %s", clock(at), clock(w.leaf.Wall))
	w.must(!text.To.After(w.leaf.Wall.Add(policy.NightSpan+clockSlack)), "it has a red item and goes on until %s", clock(text.To))
}

// unmanned says whether a roster is kept for a team, and nobody of it counts.
func (w *Walk) unmanned(team string, at time.Time) bool {
	if team == "" || !w.duty[team].Kept {
		return false
	}
	for id := range w.people {
		if slices.Contains(w.counting(id, at), team) {
			return false
		}
	}
	return true
}

// Lines are what is out of order, for people: one each, worst first. name gives a
// person's name, firm is the firm's.
func (r Red) Lines(name func(policy.PersonID) string, firm string) (lines []string) {
	for _, id := range r.First {
		lines = append(lines, "First visit of "+name(policy.PersonID(id))+".")
	}
	if r.Network != "" {
		from, _, _ := strings.Cut(r.Network, "/")
		lines = append(lines, "From "+from+", no network of "+firm+".")
	}
	if len(r.Missing) > 0 {
		lines = append(lines, "No "+strings.ReplaceAll(strings.Join(r.Missing, ", no "), "_", " ")+".")
	}
	return lines
}
