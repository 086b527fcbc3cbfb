package approvals

import (
	"context"
	"fmt"
	"time"

	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Backup is the last that is known of one machine. By is who said so; empty: it
// is the plant file's word.
type Backup struct {
	Last        time.Time
	Where, Tool string
	By          policy.PersonID
	At          time.Time // when they said so
}

// assetRow is the value of asset/NAME: what the log says of a machine.
type assetRow struct {
	Asset string    `json:"asset"`
	Last  time.Time `json:"last"`
	Where string    `json:"where,omitempty"`
	Tool  string    `json:"tool,omitempty"`
	By    string    `json:"by"`
	At    time.Time `json:"at"`

	row uint64
}

func assetKey[T ~string](name T) string { return "asset/" + string(name) }

const maxBackupText = 200 // bytes of where and of tool

// BackedUp says when a machine was last backed up: by somebody who may escort
// work on it (its shift, its owner, OT security), with a code, because a rule may
// let programs be loaded by it. A backup is of the past, of the last two years,
// and not older than what was said before.
func (d *Desk) BackedUp(ctx context.Context, by people.Actor, name policy.AssetName, last time.Time, where, tool string) error {
	for field, s := range map[string]string{"where": where, "tool": tool} {
		if err := text(field, s, maxBackupText); err != nil {
			return err
		}
	}
	last = whole(last)
	now := d.second()
	if last.After(now.Add(time.Minute)) || now.Sub(last) > 2*366*24*time.Hour {
		return refuse("bad-backup", "Say when the backup was made: a moment that is over, within the last two years.")
	}
	if last.After(now) {
		last = now
	}
	_, err := again(func() (none, error) {
		p, err := d.presentPlant(ctx, by)
		if err != nil {
			return none{}, err
		}
		plant := d.plant()
		if _, ok := plant.Asset(name); !ok {
			return none{}, refuse("unknown-asset", "There is no asset %.40q here; look at the list of assets.", name)
		}
		if !plant.MayEscort(p.Roles, name) {
			return none{}, refuse("not-on-shift", "%s has no role that may say this of %s. Its shift, its owner or OT security may.", p.ID, name)
		}
		if err := d.proved(by, p); err != nil {
			return none{}, err
		}
		row, err := d.assetRow(ctx, name)
		if err != nil {
			return none{}, err
		}
		if last.Before(row.Last) {
			return none{}, refuse("older-backup", "%s says that it was backed up %s. An older one changes nothing.", row.By, d.clock(row.Last))
		}
		body := audit.AssetBackup{Asset: string(name), Last: last, Where: where, Tool: tool, By: string(p.ID), At: now}
		if _, err = d.commit(ctx, assetKey(name), row.row+1, string(p.ID), body, p); err == nil {
			d.owedAnew()
		}
		return none{}, err
	})
	return err
}

func (d *Desk) clock(t time.Time) string {
	return t.In(d.plant().Location()).Format("2 Jan 2006 15:04")
}

func (d *Desk) assetRow(ctx context.Context, name policy.AssetName) (r assetRow, err error) {
	r = assetRow{Asset: string(name)}
	r.row, _, err = d.read(ctx, assetKey(name), &r)
	return r, err
}

// Backups are the newest of all machines, of the log and of the plant file.
func (d *Desk) Backups(ctx context.Context) (map[policy.AssetName]Backup, error) {
	all := map[policy.AssetName]Backup{}
	for i := range d.plant().Assets {
		if a := &d.plant().Assets[i]; !a.Backup.Last.IsZero() {
			all[a.Name] = Backup{Last: a.Backup.Last, Where: a.Backup.Where, Tool: a.Backup.Tool}
		}
	}
	err := d.each(ctx, "asset/", func(id string) error {
		name := policy.AssetName(id)
		r, err := d.assetRow(ctx, name)
		if err == nil && !r.Last.Before(all[name].Last) {
			all[name] = Backup{r.Last, r.Where, r.Tool, policy.PersonID(r.By), r.At}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("backups: %w", err)
	}
	return all, nil
}

// backupsOf is what the log says of these machines, for Decide.
func (d *Desk) backupsOf(ctx context.Context, targets []policy.Target) (map[policy.AssetName]time.Time, error) {
	var known map[policy.AssetName]time.Time
	for _, t := range targets {
		r, err := d.assetRow(ctx, t.Asset)
		if err != nil {
			return nil, fmt.Errorf("last backup of %s: %w", t.Asset, err)
		}
		if !r.Last.IsZero() {
			if known == nil {
				known = map[policy.AssetName]time.Time{}
			}
			known[t.Asset] = r.Last
		}
	}
	return known, nil
}

func (f folder) asset(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	b := leaf.Body.(audit.AssetBackup)
	r, err := load[assetRow](ctx, rows, assetKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	if b.Asset != leaf.Subject || b.Last.Before(r.value.Last) {
		return nil, refuse("illegal-step", "%s was backed up later than %s.", leaf.Subject, b.Last)
	}
	r.value = assetRow{Asset: b.Asset, Last: b.Last, Where: b.Where, Tool: b.Tool, By: b.By, At: b.At}
	return r.changed()
}
