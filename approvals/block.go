package approvals

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// blockRow is the value of block/B-n. A lifted block keeps its row.
type blockRow struct {
	Block  string    `json:"block"`
	Person string    `json:"person,omitempty"`
	Firm   string    `json:"firm,omitempty"`
	Asset  string    `json:"asset,omitempty"`
	Zone   string    `json:"zone,omitempty"`
	All    bool      `json:"all,omitempty"`
	Island bool      `json:"island,omitempty"`
	Free   []string  `json:"free,omitempty"` // zones that an island of everything was lifted for
	Words  []liftRow `json:"words,omitempty"`
	By     string    `json:"by"`
	Why    string    `json:"why"`
	Until  time.Time `json:"until,omitzero"`
	Lifted string    `json:"lifted,omitempty"` // by whom

	row uint64 // revision of the row
}

func blockKey[T ~string](id T) string { return "block/" + string(id) }

func (b blockRow) block() policy.Block {
	return policy.Block{ID: b.Block, Person: policy.PersonID(b.Person), Firm: policy.FirmID(b.Firm), Asset: policy.AssetName(b.Asset),
		Zone: policy.ZoneName(b.Zone), All: b.All, Island: b.Island, Free: named[policy.ZoneName](b.Free), By: policy.PersonID(b.By), Why: b.Why, Until: b.Until}
}

// Block refuses a person, a firm, an asset or a zone until a time (zero: until
// it is lifted), at once. It makes the id.
func (d *Desk) Block(ctx context.Context, by people.Actor, b policy.Block) (policy.Block, error) {
	if err := d.mayStop(by); err != nil {
		return b, err
	}
	scopes := 0
	for _, one := range []bool{b.Person != "", b.Firm != "", b.Asset != "", b.Zone != "", b.All} {
		if one {
			scopes++
		}
	}
	if scopes != 1 {
		return b, refuse("bad-block", "A block is of one person, or one firm, or one asset, or one zone, or of everybody.")
	}
	if b.Island && b.Zone == "" && !b.All || b.IsIsland() && !b.Until.IsZero() {
		return b, refuse("bad-block", "An island is of a zone or of everything, and stays until two people lift it.")
	}
	b.By, b.Why, b.Until, b.Free = by.Person, cleaned(b.Why), utc(b.Until), nil
	if err := d.writable(b); err != nil {
		return b, err
	}
	if b.Why == "" {
		b.Why = "no reason given"
	}
	number := d.blockNow(&b)
	defer d.unblock(number)
	if s := d.stopper(); s != nil {
		s.Block(b, &policy.Refusal{Rule: "blocked", Say: fmt.Sprintf("Blocked by %s: %s. Call %s.", d.says(by), b.Why, d.plant().Site.WhomToCall())})
	}
	return d.blocked(context.WithoutCancel(ctx), by, b)
}

// writable refuses, before it takes effect, what no leaf could hold, and an
// asset or zone that the plant does not have: such a block would stop nobody.
func (d *Desk) writable(b policy.Block) error {
	for _, id := range []string{string(b.Person), string(b.Firm), string(b.Asset), string(b.Zone)} {
		if id != "" && !policy.ValidID(id) {
			return refuse("bad-block", "%.40q is no id: a small letter, then small letters, digits and dashes. See `people` and `assets`.", id)
		}
	}
	if _, there := d.plant().Asset(b.Asset); b.Asset != "" && !there {
		return refuse("bad-block", "The plant has no asset %s. See `assets` for its names.", b.Asset)
	}
	if _, there := d.plant().Zone(b.Zone); b.Zone != "" && !there {
		return refuse("bad-block", "The plant has no zone %s. See the plant file for its names.", b.Zone)
	}
	if !b.Until.IsZero() && (!b.Until.After(d.now()) || b.Until.Year() > lastYear) {
		return refuse("bad-block", "A block ends after now and before the year %d, or not at all until it is lifted.", lastYear+1)
	}
	return nil
}

// lastYear that documents hold (evidence's rule for every moment).
const lastYear = 2199

// blocked writes what is in force already.
func (d *Desk) blocked(ctx context.Context, by people.Actor, b policy.Block) (policy.Block, error) {
	_, err := again(func() (none, error) {
		if err := d.heads.load(ctx, d.log, &d.keys); err != nil {
			return none{}, err
		}
		b.ID = d.heads.next("block/B-")
		body := audit.BlockSet{Block: b.ID, Person: string(b.Person), Firm: string(b.Firm), Asset: string(b.Asset), Zone: string(b.Zone),
			All: b.All, Island: b.Island, By: string(b.By), Why: b.Why, Until: b.Until}
		_, err := d.commit(ctx, blockKey(b.ID), 1, string(by.Person), body)
		return none{}, err
	})
	if err != nil {
		return b, d.admitNothing(errors.New("write the block"), err)
	}
	return b, nil
}

// Island lets nobody into a zone, or into any where zone is empty, until two
// people have lifted it.
func (d *Desk) Island(ctx context.Context, by people.Actor, zone policy.ZoneName, why string) (policy.Block, error) {
	return d.Block(ctx, by, policy.Block{All: zone == "", Zone: zone, Island: zone != "", Why: why})
}

// Lift takes a block away. It gives access back, so it asks for a code. An island
// is lifted by two people: LiftIsland.
func (d *Desk) Lift(ctx context.Context, by people.Actor, id, why string) error {
	if err := d.mayTake(by); err != nil {
		return err
	}
	_, err := again(func() (none, error) {
		p, err := d.activePlant(ctx, by)
		if err != nil {
			return none{}, err
		}
		if err := d.proved(by, p); err != nil {
			return none{}, err
		}
		b, err := d.blockRow(ctx, id)
		if err != nil {
			return none{}, err
		}
		if b.block().IsIsland() {
			return none{}, refuse("two-people", "%s is an island: two people lift it. Say so on the page Blocks, or: penstock lift %s --as …", id, id)
		}
		body := audit.BlockLifted{Block: id, By: string(by.Person), Why: cleaned(why)}
		_, err = d.commit(ctx, blockKey(id), b.row+1, string(by.Person), body, p)
		return none{}, err
	})
	return err
}

// Blocks are those in force now, those among them that are not written yet.
func (d *Desk) Blocks(ctx context.Context) ([]policy.Block, error) {
	var list []policy.Block
	err := d.eachLiving(ctx, "block/", func(id string) (over bool, err error) {
		b, err := d.blockRow(ctx, id)
		if err == nil && b.Lifted == "" && (b.Until.IsZero() || d.now().Before(b.Until)) {
			list = append(list, b.block())
		}
		return b.Lifted != "", err
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.blocking {
		list = append(list, b)
	}
	return list, err
}

// block makes the row of block.set and block.lifted.
func (f folder) block(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	r, err := load[blockRow](ctx, rows, blockKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	switch b := leaf.Body.(type) {
	case audit.BlockSet:
		if r.rev != 0 {
			return nil, illegal(b.Block, "set", "set again")
		}
		r.value = blockRow{Block: b.Block, Person: b.Person, Firm: b.Firm, Asset: b.Asset, Zone: b.Zone, All: b.All, Island: b.Island, By: b.By, Why: b.Why, Until: b.Until}
	case audit.BlockLifted:
		if r.rev == 0 {
			return nil, illegal(leaf.Subject, "", "lifted")
		}
		if r.value.Lifted != "" {
			return nil, illegal(leaf.Subject, "lifted by "+r.value.Lifted, "lifted again")
		}
		if r.value.block().IsIsland() {
			return nil, illegal(leaf.Subject, "an island", "lifted by one")
		}
		r.value.Lifted = b.By
	}
	return r.changed()
}

// eachLiving is each, of those alone of which f has never said that they are over
// for good.
func (d *Desk) eachLiving(ctx context.Context, prefix string, f func(id string) (over bool, err error)) error {
	if err := d.heads.load(ctx, d.log, &d.keys); err != nil {
		return err
	}
	for _, key := range d.heads.living(prefix) {
		over, err := f(strings.TrimPrefix(key, prefix))
		if err != nil {
			return err
		}
		if over {
			d.heads.retire(key)
		}
	}
	return nil
}

// each calls f for every id of a kind that the log knows.
func (d *Desk) each(ctx context.Context, prefix string, f func(id string) error) error {
	if err := d.heads.load(ctx, d.log, &d.keys); err != nil {
		return err
	}
	for _, key := range d.heads.keys(prefix) {
		if err := f(strings.TrimPrefix(key, prefix)); err != nil {
			return err
		}
	}
	return nil
}
