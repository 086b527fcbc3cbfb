package approvals

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// debtRow is the value of debt/KIND:THING. It stays when nothing is owed any more.
type debtRow struct {
	Kind   string    `json:"kind"`
	What   string    `json:"what"`
	Since  time.Time `json:"since,omitzero"`
	Opened time.Time `json:"opened"`
	Closed time.Time `json:"closed,omitzero"` // zero: it is owed still

	row uint64
}

func debtID(kind, what string) string {
	return kind + ":" + strings.ReplaceAll(strings.ReplaceAll(what, "/", "_"), " ", ":")
}

// debtLook is when the debts were last looked at, and what was used then.
type debtLook struct {
	mu    sync.Mutex // never held across I/O
	plant *policy.Plant
	day   string // of the plant, of the last look that found nothing more to write
	used  map[policy.AssetName]time.Time
	until time.Time // used counts until then
}

const (
	firstDebts = time.Minute // after a start: people come first
	someDebts  = 8           // leaves at one look; the next goes on
	usedFor    = time.Hour
)

// Debts are what the plant owes now, the longest owed first: of each thing and
// kind once. What has no date of its own is owed since the leaf that said so.
func (d *Desk) Debts(ctx context.Context, by people.Actor) ([]policy.Debt, error) {
	if !by.Plant {
		return nil, refuse("not-plant", "Only the plant's own people may see what it owes.")
	}
	all, err := d.debtsNow(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if !all[i].Since.IsZero() {
			continue
		}
		if r, err := d.debtRow(ctx, debtID(all[i].Kind, all[i].What)); err != nil {
			return nil, err
		} else if r.row > 0 && r.Closed.IsZero() {
			all[i].Since = r.Opened
		}
	}
	slices.SortStableFunc(all, func(a, b policy.Debt) int {
		if a.Since.IsZero() != b.Since.IsZero() {
			return map[bool]int{true: 1, false: -1}[a.Since.IsZero()]
		}
		return a.Since.Compare(b.Since)
	})
	return all, nil
}

// debtsNow asks the plant file in force and the log; several of one kind about one
// thing are one.
func (d *Desk) debtsNow(ctx context.Context) ([]policy.Debt, error) {
	used, err := d.used(ctx)
	if err != nil {
		return nil, err
	}
	backups, err := d.Backups(ctx)
	if err != nil {
		return nil, err
	}
	k := policy.Known{Used: used, Backups: map[policy.AssetName]time.Time{}}
	for name, b := range backups {
		k.Backups[name] = b.Last
	}
	var all []policy.Debt
	at := map[string]int{}
	owed, err := d.accessDebts(ctx)
	if err != nil {
		return nil, err
	}
	exceptions, err := d.exceptionDebts(ctx)
	if err != nil {
		return nil, err
	}
	machines, err := d.standingDebts(ctx)
	if err != nil {
		return nil, err
	}
	envelopes, err := d.envelopeDebts(ctx)
	if err != nil {
		return nil, err
	}
	for _, one := range slices.Concat(d.plant().Debts(d.now(), k), owed, machines, exceptions, envelopes) {
		id := debtID(one.Kind, one.What)
		if i, twice := at[id]; twice {
			all[i].Text += "; " + one.Text
			continue
		}
		at[id] = len(all)
		all = append(all, one)
	}
	return all, nil
}

// used says when somebody last had a window on each machine. It is looked up
// anew once an hour: a year is what it is compared with.
func (d *Desk) used(ctx context.Context) (map[policy.AssetName]time.Time, error) {
	d.debt.mu.Lock()
	used, fresh := d.debt.used, d.now().Before(d.debt.until)
	d.debt.mu.Unlock()
	if used != nil && fresh {
		return used, nil
	}
	used = map[policy.AssetName]time.Time{}
	err := d.each(ctx, "window/", func(id string) error {
		w, err := d.windowRow(ctx, policy.WindowID(id))
		if err != nil || w.Opened.IsZero() {
			return err
		}
		claim, err := d.claim(ctx, w)
		if err != nil {
			return err
		}
		for _, t := range claim.Assets {
			if n := policy.AssetName(t.Asset); w.Opened.After(used[n]) {
				used[n] = w.Opened
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("when machines were used: %w", err)
	}
	d.debt.mu.Lock()
	defer d.debt.mu.Unlock()
	d.debt.used, d.debt.until = used, d.now().Add(usedFor)
	return used, nil
}

func (d *Desk) debtRow(ctx context.Context, id string) (r debtRow, err error) {
	r.row, _, err = d.read(ctx, "debt/"+id, &r)
	return r, err
}

// settleDebts writes what is owed since the last look and what is not any more:
// once a day of the plant, and with each plant file that comes in force. next is
// when to look again.
func (d *Desk) settleDebts(ctx context.Context) (next time.Time, err error) {
	now, plant := d.now(), d.plant()
	if first := d.began.Add(firstDebts); now.Before(first) {
		return first, nil
	}
	local := now.In(plant.Location())
	day := local.Format(time.DateOnly)
	next = time.Date(local.Year(), local.Month(), local.Day()+1, 0, 5, 0, 0, plant.Location())
	d.debt.mu.Lock()
	done := d.debt.plant == plant && d.debt.day == day
	d.debt.mu.Unlock()
	if done {
		return next, nil
	}
	opened, closed, err := d.news(ctx)
	if err != nil {
		return next, err
	}
	for n := 0; n < someDebts && len(opened)+len(closed) > 0; n++ {
		if opened, closed, err = d.tellDebts(ctx, opened, closed); err != nil {
			return now.Add(relook), err
		}
	}
	if len(opened)+len(closed) > 0 {
		return now, nil
	}
	d.debt.mu.Lock()
	defer d.debt.mu.Unlock()
	d.debt.plant, d.debt.day = plant, day
	return next, nil
}

// owedAnew lets the next look ask again, though it is the same day.
func (d *Desk) owedAnew() {
	d.debt.mu.Lock()
	defer d.debt.mu.Unlock()
	d.debt.day = ""
}

// debtChange is one item with the revision of its row.
type debtChange struct {
	item audit.DebtItem
	rev  uint64
}

// news compares what is owed with the rows.
func (d *Desk) news(ctx context.Context) (opened, closed []debtChange, err error) {
	all, err := d.debtsNow(ctx)
	if err != nil {
		return nil, nil, err
	}
	now := map[string]bool{}
	for _, one := range all {
		id := debtID(one.Kind, one.What)
		now[id] = true
		r, err := d.debtRow(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		if r.row == 0 || !r.Closed.IsZero() {
			opened = append(opened, debtChange{audit.DebtItem{Kind: one.Kind, What: one.What, Since: whole(one.Since)}, r.row})
		}
	}
	err = d.each(ctx, "debt/", func(id string) error {
		r, err := d.debtRow(ctx, id)
		if err == nil && !now[id] && r.Closed.IsZero() {
			closed = append(closed, debtChange{audit.DebtItem{Kind: r.Kind, What: r.What, Since: r.Since}, r.row})
		}
		return err
	})
	return opened, closed, err
}

// tellDebts writes one leaf of them and gives the rest.
func (d *Desk) tellDebts(ctx context.Context, opened, closed []debtChange) (_, _ []debtChange, err error) {
	list, ends := opened, false
	if len(list) == 0 {
		list, ends = closed, true
	}
	n := min(len(list), audit.MaxDebts)
	var items []audit.DebtItem
	for _, c := range list[:n] {
		items = append(items, c.item)
	}
	var body audit.Body = audit.DebtOpened{Items: items, At: d.second()}
	if ends {
		body = audit.DebtClosed{Items: items, At: d.second()}
	}
	first := list[0]
	if _, err := d.commit(ctx, "debt/"+debtID(first.item.Kind, first.item.What), first.rev+1, penstock, body); err != nil {
		return nil, nil, err
	}
	if ends {
		return opened, closed[n:], nil
	}
	return opened[n:], closed, nil
}

// debt makes the rows of what is owed, or not any more.
func (f folder) debt(ctx context.Context, rows state.Reader, leaf audit.Leaf) (all []state.Change, err error) {
	opens, isOpen := leaf.Body.(audit.DebtOpened)
	closes, _ := leaf.Body.(audit.DebtClosed)
	for i, item := range append(slices.Clone(opens.Items), closes.Items...) {
		id := debtID(item.Kind, item.What)
		r, err := load[debtRow](ctx, rows, "debt/"+id)
		if err != nil {
			return nil, err
		}
		if i == 0 && leaf.Rev != r.rev+1 {
			return nil, nil
		}
		if i == 0 && id != leaf.Subject || isOpen && r.rev > 0 && r.value.Closed.IsZero() || !isOpen && (r.rev == 0 || !r.value.Closed.IsZero()) {
			return nil, refuse("illegal-step", "%s is owed already, or is not.", id)
		}
		if isOpen {
			r.value = debtRow{Kind: item.Kind, What: item.What, Since: item.Since, Opened: opens.At}
		} else {
			r.value.Closed = closes.At
		}
		changes, err := r.changed()
		if err != nil {
			return nil, err
		}
		all = append(all, changes...)
	}
	return all, nil
}
