package approvals

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Bounds of changes of the plant file.
const (
	mostChanges   = 20                  // that wait at a time
	changeTime    = 14 * 24 * time.Hour // to decide, where nobody says otherwise
	longestReview = 24 * time.Hour      // to confirm what was put in force
)

// ChangeState is one of the words of changeSteps.
type ChangeState string

const (
	ChangeWaiting    ChangeState = "waiting"
	ChangeRefused    ChangeState = "refused"
	ChangeWithdrawn  ChangeState = "withdrawn"
	ChangeUnanswered ChangeState = "unanswered"
	ChangeApplied    ChangeState = "applied" // in force, and goes back unless somebody confirms it
	ChangeKept       ChangeState = "kept"
	ChangeBack       ChangeState = "back"
)

// changeSteps is every step of a change of the plant file.
var changeSteps = map[ChangeState][]ChangeState{
	"":            {ChangeWaiting},
	ChangeWaiting: {ChangeRefused, ChangeWithdrawn, ChangeUnanswered, ChangeApplied, ChangeKept},
	ChangeApplied: {ChangeKept, ChangeBack},
}

// PlantChange is a change of the plant file with what was answered to it.
type PlantChange struct {
	ID       string // C-1
	State    ChangeState
	Document evidence.PlantChange
	Hash     audit.Hash    // of the canonical document
	Needs    []policy.Need // all who must say yes
	Left     []policy.Need // of these, who still has to; nil and waiting: it can be put in force
	Answers  []AnswerLine
	Confirm  time.Time // applied: goes back then
	Stale    bool      // waiting, but another plant file has come in force since: propose it anew
}

// changeRow is the value of change/C-n.
type changeRow struct {
	Change   string      `json:"change"`
	State    ChangeState `json:"state"`
	By       string      `json:"by"`
	Document audit.Hash  `json:"document"`
	From     audit.Hash  `json:"from"`
	To       audit.Hash  `json:"to"`
	Until    time.Time   `json:"until"`
	Answers  []said      `json:"answers,omitempty"`
	Gone     int         `json:"gone,omitempty"` // answers that were taken back
	Confirm  time.Time   `json:"confirm,omitzero"`

	row uint64 // revision of the row
}

func (c *changeRow) move(to ChangeState) error {
	if !slices.Contains(changeSteps[c.State], to) {
		return illegal(c.Change, string(c.State), string(to))
	}
	c.State = to
	return nil
}

func changeKey(id string) string { return "change/" + id }

func (d *Desk) changeRow(ctx context.Context, id string) (c changeRow, err error) {
	rev, there, err := d.read(ctx, changeKey(id), &c)
	if c.row = rev; err == nil && !there {
		err = refuse("no-such-change", "There is no change %.40q of the plant file. See `penstock policy changes`.", id)
	}
	return c, err
}

// governor is the actor as somebody of the plant with a role.
func (d *Desk) governor(ctx context.Context, by people.Actor) (people.Person, error) {
	p, err := d.presentPlant(ctx, by)
	if err == nil && len(p.Roles) == 0 {
		err = refuse("no-role", "Only somebody with a role in the plant may do this. Ask OT security.")
	}
	return p, err
}

// inForce is the hash of the plant file in force, taken once for each.
func (d *Desk) inForce() audit.Hash {
	p := d.plant()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hashed.plant != p {
		d.hashed.plant, d.hashed.hash = p, audit.HashOf(p.Document())
	}
	return d.hashed.hash
}

// ReadPlant reads a plant file's document (policy.Bundle) that somebody sent.
// All that is wrong with it is in the refusal.
func (d *Desk) ReadPlant(bundle []byte) (*policy.Plant, error) {
	if len(bundle) > audit.MaxDocument {
		return nil, refuse("plant-file-unsound", "The plant file and all that it names are more than %d bytes.", audit.MaxDocument)
	}
	p, problems := policy.ParseBundle(bundle)
	if len(problems) > 0 || p == nil {
		return nil, &policy.Refusal{Rule: "plant-file-unsound", Say: "This is no sound plant file:\n" + problems.Error(), Why: fmt.Sprintf("%d problems", len(problems))}
	}
	if now := d.plant().Site.ID; p.Site.ID != now {
		return nil, refuse("another-plant", "The file is of site %q, and this broker serves %q: another plant is another broker.", p.Site.ID, now)
	}
	return p, nil
}

// WithdrawPlant takes a change back that is not in force: whoever proposed it,
// or somebody who has to agree to it.
func (d *Desk) WithdrawPlant(ctx context.Context, by people.Actor, id, why string) error {
	return d.changeStep(ctx, by, id, false, func(v PlantChange) (audit.Body, error) {
		return audit.PlantMoved{Change: id, To: string(ChangeWithdrawn), By: string(by.Person), Why: cleaned(why), At: d.second()}, nil
	})
}

// KeepPlant confirms a change that was put in force for a time. It asks for a code.
func (d *Desk) KeepPlant(ctx context.Context, by people.Actor, id string) error {
	return d.changeStep(ctx, by, id, true, func(v PlantChange) (audit.Body, error) {
		if v.State == ChangeApplied && !d.now().Before(v.Confirm) {
			return nil, refuse("too-late", "%s had to be confirmed before; it goes back.", id)
		}
		return audit.PlantMoved{Change: id, To: string(ChangeKept), By: string(by.Person), At: d.second()}, nil
	})
}

// ApplyPlant puts an agreed change in force: document and event first, then it
// counts, then every session is asked about again. within zero is for good;
// else it goes back by itself unless somebody confirms it within that time. It
// asks for a code.
func (d *Desk) ApplyPlant(ctx context.Context, by people.Actor, id string, within time.Duration) error {
	if within < 0 || within > longestReview {
		return refuse("bad-time", "A change is confirmed within at most %d hours.", int(longestReview.Hours()))
	}
	return d.changeStep(ctx, by, id, true, func(v PlantChange) (audit.Body, error) {
		switch {
		case v.State != ChangeWaiting:
			return nil, refuse("not-waiting", "%s is %s; it cannot be put in force.", id, v.State)
		case v.Stale:
			return nil, refuse("stale-change", "Another plant file has come in force since %s was proposed. Let it be proposed anew.", id)
		case len(v.Left) > 0:
			return nil, refuse("not-agreed", "Still needed is a yes of %s.", roleList(v.Left))
		}
		if err := d.nothingOnTrial(ctx); err != nil {
			return nil, err
		}
		if err := d.agreedChange(ctx, v); err != nil {
			return nil, err
		}
		body := audit.ConfigChanged{Kind: "plant", Document: v.Document.To, Change: id, By: string(by.Person), At: d.second()}
		if within > 0 {
			body.Confirm = body.At.Add(within)
		}
		return body, nil
	})
}

// nothingOnTrial refuses what would follow a change that waits to be confirmed:
// if that goes back, it is to the file before it, and what came since would go
// too, which nobody agreed to.
func (d *Desk) nothingOnTrial(ctx context.Context) error {
	return d.each(ctx, "change/", func(id string) error {
		c, err := d.changeRow(ctx, id)
		if err == nil && c.State == ChangeApplied {
			err = refuse("on-trial", "%s is in force until %s and goes back then. Confirm it, or take it back, first.", id, c.Confirm.In(d.plant().Location()).Format("2006-01-02 15:04"))
		}
		return err
	})
}

// agreedChange asks evidence.CheckPlantChange, on the log's own leaves.
func (d *Desk) agreedChange(ctx context.Context, v PlantChange) error {
	row, err := d.changeRow(ctx, v.ID)
	if err != nil {
		return err
	}
	all, err := d.plantAnswers(ctx, row)
	if err != nil {
		return err
	}
	var given []evidence.Given
	for _, a := range all {
		given = append(given, a.given)
	}
	from, err := d.plantOf(ctx, row.From)
	if err != nil {
		return err
	}
	to, err := d.plantOf(ctx, row.To)
	if err != nil {
		return err
	}
	text, err := d.docs.Get(ctx, row.Document)
	if err != nil {
		return fmt.Errorf("read change %s: %w", v.ID, err)
	}
	keys, err := d.keysOf(ctx, given...)
	if err != nil {
		return err
	}
	if findings := evidence.CheckPlantChange(from, to, text, given, keys); len(findings) > 0 {
		return &policy.Refusal{Rule: "not-agreed", Say: fmt.Sprintf("%s is not agreed: %s.", v.ID, findings[0]), Why: fmt.Sprint(findings)}
	}
	return nil
}

// BackPlant takes back what was put in force for a time. It asks for no code:
// the plant file that comes back is one that was in force.
func (d *Desk) BackPlant(ctx context.Context, by people.Actor, id, why string) error {
	return d.changeStep(ctx, by, id, false, func(v PlantChange) (audit.Body, error) {
		return audit.ConfigChanged{Kind: "plant", Document: v.Document.From, Change: id, By: string(by.Person), Back: true, Why: cleaned(why), At: d.second()}, nil
	})
}

// changeStep takes one step of a change by somebody who has to agree to it, or
// proposed it, and lets it take effect.
func (d *Desk) changeStep(ctx context.Context, by people.Actor, id string, code bool, event func(PlantChange) (audit.Body, error)) error {
	d.governing.Lock()
	defer d.governing.Unlock()
	_, err := again(func() (none, error) {
		row, err := d.changeRow(ctx, id)
		if err != nil {
			return none{}, err
		}
		p, err := d.governor(ctx, by)
		if err != nil {
			return none{}, err
		}
		v, err := d.changeView(ctx, row)
		if err != nil {
			return none{}, err
		}
		if p.ID != policy.PersonID(v.Document.By) && !slices.ContainsFunc(v.Needs, func(n policy.Need) bool { return p.Has(n.Role) }) {
			return none{}, refuse("not-asked", "Only who proposed %s, or has to agree to it, may do this: %s.", id, roleList(v.Needs))
		}
		if code {
			if err := d.proved(by, p); err != nil {
				return none{}, err
			}
		}
		body, err := event(v)
		if err != nil {
			return none{}, err
		}
		return none{}, d.changeCommit(ctx, row, string(by.Person), body, p)
	})
	return err
}

// changeCommit writes a step and, where it changes the plant file, lets that
// count. The new plant is read before the event: what cannot be read is not in
// force.
func (d *Desk) changeCommit(ctx context.Context, row changeRow, actor string, body audit.Body, on ...people.Person) error {
	b, swaps := body.(audit.ConfigChanged)
	if !swaps {
		_, err := d.commit(ctx, changeKey(row.Change), row.row+1, actor, body, on...)
		return err
	}
	plant, err := d.plantOf(ctx, b.Document)
	if err != nil {
		return err
	}
	if d.take == nil {
		return errors.New("the desk has nobody who puts a plant file in force")
	}
	if _, err := d.commit(ctx, changeKey(row.Change), row.row+1, actor, body, on...); err != nil {
		return err
	}
	d.take(context.WithoutCancel(ctx), plant)
	return nil
}

// PlantFromFile takes the plant file as it stands on the broker's disk, where
// the one in force lets whoever writes that file change the plant.
func (d *Desk) PlantFromFile(ctx context.Context, p *policy.Plant) error {
	d.governing.Lock()
	defer d.governing.Unlock()
	hash := audit.HashOf(p.Document())
	if hash == d.inForce() {
		return nil
	}
	if !d.plant().ByFile {
		return &policy.Refusal{Rule: "plant-not-agreed", Why: "plant file " + hash.String() + " was not agreed; the one in force is " + d.inForce().String(),
			Say: "The plant file on the disk is not the one in force, and nobody has agreed to it, so it was not taken. Propose it: penstock policy propose FILE."}
	}
	if err := d.nothingOnTrial(ctx); err != nil {
		return err
	}
	if d.take == nil {
		return errors.New("the desk has nobody who puts a plant file in force")
	}
	if _, err := d.docs.Put(ctx, p.Document()); err != nil {
		return fmt.Errorf("keep the plant file: %w", err)
	}
	if _, err := d.log.Append(ctx, audit.Event{Subject: "plant", Actor: penstock, Body: audit.ConfigChanged{Kind: "plant", Document: hash}}); err != nil {
		return fmt.Errorf("write that the plant file changed: %w", err)
	}
	d.take(context.WithoutCancel(ctx), p)
	return nil
}

// settleChange does what time does to a change: unanswered, or back.
func (d *Desk) settleChange(ctx context.Context, id string) (time.Time, error) {
	return d.due(func() (time.Time, bool, error) {
		d.governing.Lock()
		defer d.governing.Unlock()
		c, err := d.changeRow(ctx, id)
		if err != nil {
			return never, false, err
		}
		switch now := d.now(); {
		case c.State == ChangeWaiting && now.Before(c.Until):
			return c.Until, false, nil
		case c.State == ChangeApplied && now.Before(c.Confirm):
			return c.Confirm, false, nil
		case c.State == ChangeWaiting:
			return never, true, d.changeCommit(ctx, c, penstock, audit.PlantMoved{Change: id, To: string(ChangeUnanswered), By: penstock, At: d.second()})
		case c.State == ChangeApplied:
			return never, true, d.changeCommit(ctx, c, penstock, audit.ConfigChanged{Kind: "plant", Document: c.From, Change: id, By: penstock, Back: true, Why: "nobody confirmed it", At: d.second()})
		}
		return never, false, nil
	})
}

// change makes the row of plant.* and of config.changed by a change.
func (f folder) change(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	r, err := load[changeRow](ctx, rows, changeKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	switch b := leaf.Body.(type) {
	case audit.PlantProposed:
		if r.rev != 0 {
			return nil, illegal(b.Change, string(v.State), "proposed again")
		}
		r.value = changeRow{Change: b.Change, State: ChangeWaiting, By: b.By, Document: b.Document, From: b.From, To: b.To, Until: b.Until}
	case audit.PlantAnswered:
		if v.State != ChangeWaiting {
			return nil, illegal(leaf.Subject, string(v.State), "answered")
		}
		if b.Says == evidence.No {
			err = v.move(ChangeRefused)
		}
		n := len(v.Answers) + v.Gone + 1
		v.Answers = append(v.Answers, said{N: n, Person: b.Person, Roles: b.Roles, Says: b.Says, Document: b.Document})
		line := stored[answerRow]{key: answerKey(v.Change, n), value: answerRow{v.Change, n, b.Document}}
		if err != nil {
			return nil, err
		}
		return both(r.changed())(line.changed())
	case audit.PlantMoved:
		err = v.move(ChangeState(b.To))
		v.Confirm = time.Time{}
	case audit.ConfigChanged:
		switch {
		case b.Back:
			err, v.Confirm = v.move(ChangeBack), time.Time{}
		case b.Confirm.IsZero():
			err = v.move(ChangeKept)
		default:
			err, v.Confirm = v.move(ChangeApplied), b.Confirm
		}
	}
	if err != nil {
		return nil, err
	}
	return r.changed()
}
