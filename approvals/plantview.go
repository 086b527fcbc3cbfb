package approvals

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// PlantChange is one change of the plant file, for the plant's own people.
func (d *Desk) PlantChange(ctx context.Context, by people.Actor, id string) (PlantChange, error) {
	if err := d.ofPlant(by); err != nil {
		return PlantChange{}, err
	}
	row, err := d.changeRow(ctx, id)
	if err != nil {
		return PlantChange{}, err
	}
	return d.changeView(ctx, row)
}

// PlantChanges are the newest 500, newest first.
func (d *Desk) PlantChanges(ctx context.Context, by people.Actor) ([]PlantChange, error) {
	if err := d.ofPlant(by); err != nil {
		return nil, err
	}
	return listed(ctx, d, "change/", func(row state.Row) (PlantChange, bool, error) {
		c := changeRow{row: row.Rev}
		if err := decode(row, &c); err != nil {
			return PlantChange{}, false, err
		}
		v, err := d.changeView(ctx, c)
		return v, true, err
	})
}

// ofPlant: what the plant's rules are about is not for vendors to read.
func (d *Desk) ofPlant(by people.Actor) error {
	if !by.Plant {
		return refuse("not-plant", "Only the plant's own people may see this.")
	}
	return nil
}

func (d *Desk) changeView(ctx context.Context, row changeRow) (PlantChange, error) {
	b, err := d.docs.Get(ctx, row.Document)
	if err != nil {
		return PlantChange{}, fmt.Errorf("read change %s: %w", row.Change, err)
	}
	doc, err := evidence.ParsePlantChange(b)
	if err != nil {
		return PlantChange{}, fmt.Errorf("change %s: %w", row.Change, err)
	}
	v := PlantChange{ID: row.Change, State: row.State, Document: doc, Hash: row.Document, Confirm: row.Confirm}
	v.Stale = row.State == ChangeWaiting && row.From != d.inForce()
	if v.Needs, err = d.mustAgree(ctx, row); err != nil {
		return v, err
	}
	given, err := d.plantAnswers(ctx, row)
	if err != nil {
		return v, err
	}
	var yes [][]policy.Role
	for _, g := range given {
		a := g.answer
		v.Answers = append(v.Answers, AnswerLine{Person: policy.PersonID(a.Person), Role: policy.Role(a.Role), Says: a.Says, Why: a.Why, At: a.At, Leaf: g.given.Leaf})
		if a.Says == evidence.Yes {
			yes = append(yes, named[policy.Role](g.given.Roles))
		}
	}
	if row.State == ChangeWaiting {
		v.Left = left(v.Needs, yes)
	}
	return v, nil
}

// mustAgree keeps its answers: two plant files of ten thousand assets are a
// second's work to compare.
func (d *Desk) mustAgree(ctx context.Context, row changeRow) ([]policy.Need, error) {
	key := [2]audit.Hash{row.From, row.To}
	d.mu.Lock()
	needs, known := d.agreeing[key]
	d.mu.Unlock()
	if known {
		return needs, nil
	}
	from, err := d.plantOf(ctx, row.From)
	if err != nil {
		return nil, err
	}
	to, err := d.plantOf(ctx, row.To)
	if err != nil {
		return nil, err
	}
	needs = policy.MustAgree(from, to)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.agreeing) >= 64 {
		clear(d.agreeing)
	}
	d.agreeing[key] = needs
	return needs, nil
}

// plantAnswers reads the answers to a change from their leaves.
func (d *Desk) plantAnswers(ctx context.Context, c changeRow) ([]given, error) {
	return d.answersTo(ctx, c.Change, c.Answers, func(body audit.Body) (uttered, bool) {
		b, ok := body.(audit.PlantAnswered)
		return uttered{b.Person, b.Says, b.Firm, b.Roles, b.Document}, ok && b.Change == c.Change
	})
}

// PlantDiff is what a plant file would change, against the one in force.
type PlantDiff struct {
	Differences []policy.Difference
	Needs       []policy.Need // who must say yes
	Unfit       []UnfitWindow // windows that would not fit any more
}

// UnfitWindow is an agreed or open window in which somebody could not work any
// more under another plant file.
type UnfitWindow struct {
	Window policy.WindowID
	Firm   policy.FirmID
	State  WindowState
	Target policy.Target
	Why    string
}

// ComparePlant says what a plant file would change if it came in force now, for
// somebody of the plant.
func (d *Desk) ComparePlant(ctx context.Context, by people.Actor, to *policy.Plant) (PlantDiff, error) {
	if err := d.ofPlant(by); err != nil {
		return PlantDiff{}, err
	}
	return d.diff(ctx, by, d.plant(), to)
}

// ChangeDiff is what a change says otherwise than the file that it changes.
func (d *Desk) ChangeDiff(ctx context.Context, by people.Actor, id string) (PlantDiff, error) {
	v, err := d.PlantChange(ctx, by, id)
	if err != nil {
		return PlantDiff{}, err
	}
	from, err := d.plantOf(ctx, v.Document.From)
	if err != nil {
		return PlantDiff{}, err
	}
	to, err := d.plantOf(ctx, v.Document.To)
	if err != nil {
		return PlantDiff{}, err
	}
	return d.diff(ctx, by, from, to)
}

func (d *Desk) diff(ctx context.Context, by people.Actor, from, to *policy.Plant) (PlantDiff, error) {
	all := PlantDiff{Differences: policy.Diff(from, to), Needs: policy.MustAgree(from, to)}
	windows, err := d.Windows(ctx, by)
	if err != nil {
		return all, err
	}
	for _, w := range windows {
		if w.State != WindowAgreed && w.State != WindowOpen && w.State != WindowPaused && w.State != WindowEnding {
			continue
		}
		unfit, err := d.unfit(ctx, w, from, to)
		if err != nil {
			return all, err
		}
		all.Unfit = append(all.Unfit, unfit...)
	}
	return all, nil
}

// unfit asks both files about every way into a window, as if it were open, with
// the escort there and every gate saying yes: what is left is the file's word.
func (d *Desk) unfit(ctx context.Context, w Window, from, to *policy.Plant) ([]UnfitWindow, error) {
	var list []UnfitWindow
	for _, person := range w.Claim.People {
		f, err := d.Facts(ctx, w.ID, policy.PersonID(person))
		if err != nil {
			return nil, err
		}
		now := d.now()
		f.Window.Live, f.Window.Paused, f.Window.Ending = true, false, false
		if w.State == WindowAgreed {
			f.Window.From, f.Window.Until = now, now.Add(lastMinute)
		}
		source := netip.Addr{}
		if len(f.Person.Networks) > 0 {
			source = f.Person.Networks[0].Addr()
		}
		for _, t := range f.Window.Targets {
			q := policy.Query{Stage: policy.AtChannel, Source: source, Asset: t.Asset, Port: t.Port, Account: t.Account}
			f.Live = policy.LiveFacts{Escort: true, Gates: to.AllGates()}
			q.Rights = to.Wanted(q, f.Window.Rights)
			after := to.Decide(f, q, now)
			f.Live.Gates = from.AllGates()
			q.Rights = from.Wanted(q, f.Window.Rights)
			if !after.Allow && from.Decide(f, q, now).Allow {
				one := UnfitWindow{w.ID, w.Firm, w.State, t, after.Say}
				if !slices.Contains(list, one) {
					list = append(list, one)
				}
			}
		}
	}
	return list, nil
}
