package people

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

const endingRow = "ending/" // and firm or person, "/", and what

// Ending is a contract, an acceptance or a training that ends soon, or has ended.
type Ending struct {
	Firm    policy.FirmID
	Person  policy.PersonID // empty: it is the firm's contract
	What    string          // "contract", "terms", "training site-safety" or "standing W-12"
	Until   time.Time
	Sponsor policy.PersonID // of the firm
	Teams   []policy.Role   // who confirm a standing agreement
}

// StandingEnds begins What of a standing agreement that is to be confirmed.
const StandingEnds = "standing "

// warnDays are how many days before an end somebody is told of it, and at it.
var warnDays = []int{30, 14, 3, 0}

// days are e's own: of a standing agreement the last two weeks.
func (e Ending) days() []int {
	if strings.HasPrefix(e.What, StandingEnds) {
		return warnDays[1:]
	}
	return warnDays
}

// warned is how far an ending is: the newest of warnDays that has come; -1: none yet.
func (e Ending) warned(now time.Time) int {
	left := e.Until.Sub(now)
	for _, d := range slices.Backward(e.days()) {
		if left <= time.Duration(d)*24*time.Hour {
			return d
		}
	}
	return -1
}

// Endings are all that end within 30 days, or ended within 30 days, the first
// first: of vendors' firms, and of their people who are here.
func (r *Roster) Endings(ctx context.Context) (list []Ending, err error) {
	firms, err := r.Firms(ctx)
	if err != nil {
		return nil, err
	}
	everybody, err := r.People(ctx)
	if err != nil {
		return nil, err
	}
	now, of := r.Now(), map[policy.FirmID]Firm{}
	add := func(e Ending) {
		if e.warned(now) >= 0 && now.Sub(e.Until) < 30*24*time.Hour {
			list = append(list, e)
		}
	}
	for _, f := range firms {
		of[f.ID] = f
		if !f.Plant && !f.Until.IsZero() {
			add(Ending{Firm: f.ID, What: "contract", Until: f.Until, Sponsor: f.Sponsor})
		}
	}
	for _, p := range everybody {
		f := of[p.Firm]
		if p.Disabled || p.Machine || f.Plant || !f.Until.IsZero() && !now.Before(f.Until) {
			continue
		}
		if !f.Terms.IsZero() && p.Accepted.Terms == f.Terms {
			add(Ending{Firm: f.ID, Person: p.ID, What: "terms", Until: p.Accepted.Until, Sponsor: f.Sponsor})
		}
		for _, t := range p.Training {
			add(Ending{Firm: f.ID, Person: p.ID, What: "training " + t.Name, Until: t.Until, Sponsor: f.Sponsor})
		}
	}
	slices.SortStableFunc(list, func(a, b Ending) int { return a.Until.Compare(b.Until) })
	return list, nil
}

// toldRow is what was told of an ending last.
type toldRow struct {
	Until time.Time `json:"until"`
	Days  int       `json:"days"`
}

func (e Ending) key() string {
	who := string(e.Firm)
	if e.Person != "" {
		who = string(e.Person)
	}
	return who + "/" + strings.ReplaceAll(e.What, " ", "-")
}

// TellEndings writes what somebody is to be told of now, each step of warnDays
// once, and says when the next step comes; zero: none is known. more are those
// that the Desk knows of. The Desk calls it as time goes on; it gives and takes nothing.
func (r *Roster) TellEndings(ctx context.Context, more ...Ending) (next time.Time, err error) {
	list, err := r.Endings(ctx)
	if err != nil {
		return next, err
	}
	now := r.Now()
	for _, e := range append(list, more...) {
		if e.warned(now) < 0 {
			next = e.first(next)
			continue
		}
		var told toldRow
		row, ok, err := read(ctx, r.rows, endingRow+e.key(), &told)
		if err != nil {
			return next, err
		}
		days := e.warned(now)
		if !ok || !told.Until.Equal(e.Until) || told.Days > days {
			body := audit.EndingTold{Firm: string(e.Firm), Person: string(e.Person), What: e.What, Until: e.Until, Days: days, Sponsor: string(e.Sponsor), Teams: plain(e.Teams)}
			if err := r.commit(ctx, endingRow+e.key(), row+1, "penstock", body); err != nil {
				return next, fmt.Errorf("tell that %s of %s ends: %w", e.What, e.key(), err)
			}
		}
		for _, d := range e.days() {
			if at := e.Until.Add(-time.Duration(d) * 24 * time.Hour); at.After(now) && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
	}
	return next, nil
}

// first is when the first step of an ending comes, if that is before next.
func (e Ending) first(next time.Time) time.Time {
	at := e.Until.Add(-time.Duration(e.days()[0]) * 24 * time.Hour)
	if next.IsZero() || at.Before(next) {
		return at
	}
	return next
}

func (f folding) told(b audit.EndingTold) ([]state.Change, error) {
	e := Ending{Firm: policy.FirmID(b.Firm), Person: policy.PersonID(b.Person), What: b.What}
	var all changes
	all.put(endingRow+e.key(), f.leaf.Rev, toldRow{b.Until, b.Days})
	return all.done()
}
