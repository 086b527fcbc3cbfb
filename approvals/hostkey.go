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

// hostKeyRow is the value of hostkey/<asset>: the newest key that the machine
// showed and nobody had pinned, and what was said about it.
type hostKeyRow struct {
	Asset     string     `json:"asset"`
	Key       string     `json:"key"`
	Pins      audit.Hash `json:"pins"`
	Window    string     `json:"window,omitempty"` // in which it was seen
	Session   string     `json:"session,omitempty"`
	At        time.Time  `json:"at"`
	Accepted  string     `json:"accepted,omitempty"` // window
	AcceptBy  string     `json:"accept_by,omitempty"`
	AcceptAt  time.Time  `json:"accept_at,omitzero"`
	Confirm   string     `json:"confirm,omitempty"` // by whom
	ConfirmAt time.Time  `json:"confirm_at,omitzero"`
	Cleared   string     `json:"cleared,omitempty"` // by whom
	Why       string     `json:"why,omitempty"`     // of the newest word

	row uint64
}

func hostKeyKey[T ~string](asset T) string { return "hostkey/" + string(asset) }

// ChangedKey is what is known of a machine that showed another key than the
// plant pinned.
type ChangedKey struct {
	Asset     policy.AssetName
	Key       string // authorized_keys form
	At        time.Time
	Window    policy.WindowID // in which it was seen; empty: in none
	Session   policy.SessionID
	Accepted  policy.WindowID
	By        policy.PersonID // who accepted it
	Confirmed policy.PersonID
	Why       string
	Closed    bool // nothing new is opened on the machine, but in Accepted
}

// HostKeyShown takes in that a machine showed another key than the plant pins:
// from the first moment on, and in memory alone, nothing new is opened on it;
// then that is written. A key that is known already is written once.
func (d *Desk) HostKeyShown(ctx context.Context, asset policy.AssetName, key string, w policy.WindowID, s policy.SessionID, channel int) error {
	pins := d.plant().PinsText(asset)
	seen := policy.HostKey{Asset: asset, Pins: pins, Key: key, At: d.second()}
	number := d.shownNow(seen)
	defer d.unshown(number)
	_, err := again(func() (none, error) {
		row, err := d.hostKeyRow(ctx, asset)
		if err != nil {
			return none{}, err
		}
		if row.counts(pins) && row.Key == key { // known, whatever was said about it: only who dials elsewhere is refused
			return none{}, nil
		}
		body := audit.HostKeyChanged{Asset: string(asset), Key: key, Pins: audit.HashOf([]byte(pins)), Window: string(w), Session: string(s), Channel: channel, At: seen.At}
		_, err = d.commit(ctx, hostKeyKey(asset), row.row+1, penstock, body)
		return none{}, err
	})
	if err != nil {
		return d.admitNothing(errors.New("write that a machine shows another key"), err)
	}
	return nil
}

// shownNow has Facts know of a key before it is written.
func (d *Desk) shownNow(k policy.HostKey) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shown == nil {
		d.shown = map[int]policy.HostKey{}
	}
	d.blocks++
	d.shown[d.blocks] = k
	return d.blocks
}

func (d *Desk) unshown(number int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken == nil {
		delete(d.shown, number)
	}
}

// AcceptKey is an opener's word, with a code, that the job in a window changed a
// machine's key: the key is then good in that window, and nowhere else until OT
// security confirms it. The window runs, is for that machine with the right to
// load programs or to change the device, and was open before the key was seen.
func (d *Desk) AcceptKey(ctx context.Context, by people.Actor, asset policy.AssetName, id policy.WindowID, key, why string) error {
	why, err := d.said(why)
	if err != nil {
		return err
	}
	_, err = again(func() (none, error) {
		row, err := d.openKey(ctx, asset, key)
		if err != nil {
			return none{}, err
		}
		w, claim, err := d.claimed(ctx, id)
		if err != nil {
			return none{}, err
		}
		p, err := d.opener(ctx, by, claim)
		if err != nil {
			return none{}, err
		}
		if err := d.byTheJob(asset, row, w, claim); err != nil {
			return none{}, err
		}
		body := audit.HostKeyAccepted{Asset: string(asset), Key: key, Window: string(id), By: string(by.Person), Why: why, At: d.second()}
		_, err = d.commit(ctx, hostKeyKey(asset), row.row+1, string(by.Person), body, p)
		return none{}, err
	})
	return err
}

// byTheJob says why a key cannot have been changed by the work in a window.
func (d *Desk) byTheJob(asset policy.AssetName, row hostKeyRow, w windowRow, claim evidence.WindowClaim) error {
	rights := w.allowed(claim)
	switch {
	case !w.runs() || !d.now().Before(w.Until):
		return refuse("not-open", "%s does not run. A key is accepted while the job that changed it runs; else OT security confirms it.", w.Window)
	case !slices.ContainsFunc(claim.Assets, func(t evidence.Target) bool { return t.Asset == string(asset) }):
		return refuse("not-of-window", "%s is not for %s, so its job did not change that machine's key. Call OT security.", w.Window, asset)
	case !slices.Contains(rights, "load") && !slices.Contains(rights, "device"):
		return refuse("not-by-the-job", "In %s nobody may load programs or change the device, so its job did not change the key. Do not go on; call OT security.", w.Window)
	case row.At.Before(w.Opened):
		return refuse("not-by-the-job", "%s showed this key before %s was opened, so its job did not change it. Do not go on; call OT security.", asset, w.Window)
	}
	return nil
}

// ConfirmKey is OT security's word, with a code, that a machine's new key is
// right: it is good in place of the pinned ones, until the plant file pins
// others. Whoever accepted it does not confirm it as well.
func (d *Desk) ConfirmKey(ctx context.Context, by people.Actor, asset policy.AssetName, key, why string) error {
	return d.securitySays(ctx, by, asset, key, why, func(row hostKeyRow, why string) (audit.Body, error) {
		if row.AcceptBy == string(by.Person) {
			return nil, refuse("two-people", "You accepted this key for %s. Somebody else of OT security confirms it.", row.Accepted)
		}
		return audit.HostKeyConfirmed{Asset: string(asset), Key: key, By: string(by.Person), Why: why, At: d.second()}, nil
	})
}

// ClearKey is OT security's word, with a code, that what was seen is over: the
// pinned keys stay, and the machine may be opened again.
func (d *Desk) ClearKey(ctx context.Context, by people.Actor, asset policy.AssetName, key, why string) error {
	if why == "" {
		return refuse("no-text", "Say what it was: the log keeps it.")
	}
	return d.securitySays(ctx, by, asset, key, why, func(_ hostKeyRow, why string) (audit.Body, error) {
		return audit.HostKeyCleared{Asset: string(asset), Key: key, By: string(by.Person), Why: why, At: d.second()}, nil
	})
}

func (d *Desk) securitySays(ctx context.Context, by people.Actor, asset policy.AssetName, key, why string, body func(hostKeyRow, string) (audit.Body, error)) error {
	why, err := d.said(why)
	if err != nil {
		return err
	}
	_, err = again(func() (none, error) {
		p, err := d.activePlant(ctx, by)
		if err != nil {
			return none{}, err
		}
		if !d.plant().IsSecurity(p.Roles) {
			return none{}, refuse("not-security", "Only OT security decides about a machine's key for good. Ask one of them.")
		}
		if err := d.proved(by, p); err != nil {
			return none{}, err
		}
		row, err := d.openKey(ctx, asset, key)
		if err != nil {
			return none{}, err
		}
		b, err := body(row, why)
		if err != nil {
			return none{}, err
		}
		_, err = d.commit(ctx, hostKeyKey(asset), row.row+1, string(by.Person), b, p)
		return none{}, err
	})
	return err
}

func (d *Desk) said(why string) (string, error) {
	if why == "" {
		return "", nil
	}
	return why, text("why", why, evidence.MaxText)
}

// openKey is the row of a key that waits for a word, if it is the one that the
// person saw.
func (d *Desk) openKey(ctx context.Context, asset policy.AssetName, key string) (hostKeyRow, error) {
	row, err := d.hostKeyRow(ctx, asset)
	switch {
	case err != nil:
		return row, err
	case !row.counts(d.plant().PinsText(asset)) || row.Confirm != "":
		return row, refuse("no-changed-key", "No key of %.40q waits for a word. See `target key list`.", asset)
	case row.Key != key:
		return row, refuse("another-key", "%s shows yet another key now. Nothing was done: look again.", asset)
	}
	return row, nil
}

// ChangedKeys are the machines that showed another key than the plant file in
// force pins, for people of the plant.
func (d *Desk) ChangedKeys(ctx context.Context) ([]ChangedKey, error) {
	var list []ChangedKey
	err := d.each(ctx, "hostkey/", func(asset string) error {
		row, err := d.hostKeyRow(ctx, policy.AssetName(asset))
		if err != nil || !row.counts(d.plant().PinsText(policy.AssetName(asset))) {
			return err
		}
		list = append(list, ChangedKey{Asset: policy.AssetName(asset), Key: row.Key, At: row.At, Window: policy.WindowID(row.Window), Session: policy.SessionID(row.Session),
			Accepted: policy.WindowID(row.Accepted), By: policy.PersonID(row.AcceptBy), Confirmed: policy.PersonID(row.Confirm), Why: row.Why, Closed: row.Confirm == ""})
		return nil
	})
	return list, err
}

// GoodKeys are the keys by which the broker itself knows a machine: what is
// pinned, or what OT security has confirmed in its place. A machine that showed
// another key is refused until then.
func (d *Desk) GoodKeys(ctx context.Context, asset policy.AssetName) ([]string, error) {
	keys, err := d.hostKeys(ctx)
	if err != nil {
		return nil, err
	}
	return d.plant().GoodKeys(asset, keys)
}

// hostKeys are for Decide: those of the rows, and those that are not written yet.
func (d *Desk) hostKeys(ctx context.Context) ([]policy.HostKey, error) {
	var list []policy.HostKey
	d.mu.Lock()
	for _, k := range d.shown { // first: a row beside it may be the older word
		list = append(list, k)
	}
	d.mu.Unlock()
	err := d.each(ctx, "hostkey/", func(asset string) error {
		row, err := d.hostKeyRow(ctx, policy.AssetName(asset))
		pins := d.plant().PinsText(policy.AssetName(asset))
		if err != nil || !row.counts(pins) || slices.ContainsFunc(list, func(k policy.HostKey) bool { return string(k.Asset) == asset && k.Key != row.Key }) {
			return err
		}
		list = slices.DeleteFunc(list, func(k policy.HostKey) bool { return string(k.Asset) == asset })
		list = append(list, policy.HostKey{Asset: policy.AssetName(asset), Pins: pins, Key: row.Key, At: row.At, Accepted: policy.WindowID(row.Accepted), Confirmed: row.Confirm != ""})
		return nil
	})
	return list, err
}

// counts says whether the row is about the keys that are pinned now, and not over.
func (r hostKeyRow) counts(pins string) bool {
	return r.Key != "" && r.Cleared == "" && r.Pins == audit.HashOf([]byte(pins))
}

func (d *Desk) hostKeyRow(ctx context.Context, asset policy.AssetName) (r hostKeyRow, err error) {
	r = hostKeyRow{Asset: string(asset)}
	r.row, _, err = d.read(ctx, hostKeyKey(asset), &r)
	return r, err
}

// hostKey makes the row of what a machine showed, and of what was said about it.
func (f folder) hostKey(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	r, err := load[hostKeyRow](ctx, rows, hostKeyKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	waits := func(asset, key string) error {
		if asset != leaf.Subject || v.Key != key || v.Cleared != "" || v.Confirm != "" {
			return refuse("illegal-step", "No key %.80q of %s waits for a word.", key, leaf.Subject)
		}
		return nil
	}
	switch b := leaf.Body.(type) {
	case audit.HostKeyChanged:
		if b.Asset != leaf.Subject || b.Key == "" {
			return nil, fmt.Errorf("hostkey.changed: it is about a key of a machine")
		}
		*v = hostKeyRow{Asset: b.Asset, Key: b.Key, Pins: b.Pins, Window: b.Window, Session: b.Session, At: b.At}
	case audit.HostKeyAccepted:
		if err := waits(b.Asset, b.Key); err != nil {
			return nil, err
		}
		v.Accepted, v.AcceptBy, v.AcceptAt, v.Why = b.Window, b.By, b.At, b.Why
	case audit.HostKeyConfirmed:
		if err := waits(b.Asset, b.Key); err != nil {
			return nil, err
		}
		v.Confirm, v.ConfirmAt, v.Why = b.By, b.At, b.Why
	case audit.HostKeyCleared:
		if err := waits(b.Asset, b.Key); err != nil {
			return nil, err
		}
		v.Cleared, v.Why = b.By, b.Why
	}
	return r.changed()
}

// CheckTarget lets somebody of OT security, or the owner of a machine's zone,
// with a code, have the broker look whether it gets in there: the event is
// durable on return, and the caller dials after it.
func (d *Desk) CheckTarget(ctx context.Context, by people.Actor, asset policy.AssetName, account policy.AccountName) error {
	p, err := d.activePlant(ctx, by)
	if err != nil {
		return err
	}
	a, ok := d.plant().Asset(asset)
	z, _ := d.plant().Zone(a.Zone)
	switch {
	case !ok:
		return refuse("unknown-asset", "The plant has no asset %.40q. See `assets` for its names.", asset)
	case !d.plant().IsSecurity(p.Roles) && !p.Has(z.Owner):
		return refuse("not-security", "Only OT security and whoever answers for the machine's zone may have the broker log in to it. Ask one of them.")
	}
	if err := d.proved(by, p); err != nil {
		return err
	}
	body := audit.TargetChecked{Asset: string(asset), Account: string(account), By: string(by.Person), At: d.second()}
	if _, err := d.log.Append(ctx, audit.Event{Subject: string(asset), Actor: string(by.Person), Body: body}); err != nil {
		return fmt.Errorf("write that a machine is looked at: %w", err)
	}
	return nil
}
