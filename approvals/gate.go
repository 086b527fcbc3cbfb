package approvals

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// What a gate says.
const (
	GateYes     = "yes"
	GateNo      = "no"
	GateStoodIn = "stood-in" // a person stands for it, by name
	GateUnknown = "unknown"  // not read yet; counts as no
)

// saidGate is a person's word about one gate in one window.
type saidGate struct {
	Says  string    `json:"says"`
	By    string    `json:"by"`
	At    time.Time `json:"at"`
	Why   string    `json:"why,omitempty"`
	Stood bool      `json:"stood,omitempty"` // somebody stood in for it, now or before: once is all
}

// gateRow is the value of gate/NAME: what a person said about the whole plant.
type gateRow struct {
	Gate string    `json:"gate"`
	Says string    `json:"says"`
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Why  string    `json:"why,omitempty"`
}

func gateKey(name string) string { return "gate/" + name }

// Reading is one look at a gate's input. Known false: it could not be read, and
// Why says how that failed.
type Reading struct {
	Known, Yes bool
	Why        string // what was read, or what failed; for people
}

// input is what a gate's input said last. Memory only: a process that has just
// started knows nothing, and that counts as no.
type input struct {
	gate  policy.Gate // as it was read: another address is another input
	yes   bool
	at    time.Time // of the newest reading that said something
	since time.Time // when yes or no began
	twice bool      // the reading before said yes as well
	told  string    // what the log has, in this life of the process
	why   string
}

const (
	// lossSlack is how much longer a condition counts in Facts of a running window
	// than in the Desk's own look, which pauses: so that who holds it up is the
	// pause, and not a refusal that ends a channel.
	lossSlack = 10 * time.Second
	// firstLook is how long after its start a process waits for a gate's first
	// reading before a window that was open before counts it as lost.
	firstLook = 5 * time.Second
)

// GateRead takes what was read at a gate. One goroutine calls it for each gate.
// A yes counts after two readings in a row and once it is in the log; a no
// counts at once, in memory, and holds the windows that ask for the gate before
// anything is written. What cannot be read counts as no once the last reading
// is older than the gate's stale.
func (d *Desk) GateRead(ctx context.Context, g policy.Gate, r Reading) error {
	now := d.now()
	d.mu.Lock()
	in := d.inputs[g.Name]
	if in == nil || in.gate != g {
		in = &input{gate: g}
		d.inputs[g.Name] = in
	}
	was := in.told
	says := in.take(r, now)
	d.mu.Unlock()
	if says == "" || says == was {
		return nil
	}
	if says == GateNo {
		return d.lose(ctx, g, r, now)
	}
	d.telling.Lock()
	defer d.telling.Unlock()
	if _, err := d.log.Append(ctx, audit.Event{Subject: g.Name, Actor: penstock, Body: audit.GateChanged{Gate: g.Name, Says: says, Why: cleaned(r.Why), At: whole(now)}}); err != nil {
		return fmt.Errorf("write that gate %s says %s: %w", g.Name, says, err)
	}
	d.mu.Lock()
	in.yes, in.since, in.told, in.why = true, now, GateYes, r.Why
	d.mu.Unlock()
	d.again() // a window that opens by itself may have waited for it
	return nil
}

// take notes a reading, and says what the gate says by it: yes, no, or nothing
// that is known. d.mu is held. A no has taken effect here.
func (in *input) take(r Reading, now time.Time) string {
	switch {
	case r.Known && r.Yes:
		twice := in.twice || in.yes
		in.twice, in.at = true, now
		if twice {
			return GateYes
		}
		return ""
	case !r.Known && in.fresh(now, 0):
		return ""
	case !r.Known && in.told == "":
		return "" // never read: unknown
	}
	in.twice = false
	if r.Known {
		in.at = now
	}
	if in.told != GateNo {
		in.yes, in.since, in.told, in.why = false, now, GateNo, r.Why
		return GateNo
	}
	in.yes, in.why = false, r.Why
	return in.told
}

// fresh: by the wall clock and by the monotonic one, so that neither a step nor
// a machine that slept makes an old value count.
func (in *input) fresh(now time.Time, slack time.Duration) bool {
	limit := in.gate.Stale + slack
	return !in.at.IsZero() && now.Sub(in.at) < limit && now.Round(0).Sub(in.at.Round(0)).Abs() < limit
}

// lose is what follows from an input's no, which counts in memory already.
func (d *Desk) lose(ctx context.Context, g policy.Gate, r Reading, now time.Time) error {
	ctx = context.WithoutCancel(ctx)
	concerned := d.holdAll(g.Name, "paused: waits for "+g.Title)
	if err := d.tellNo(ctx, g.Name, r.Why, now); err != nil {
		return err
	}
	d.again() // windows in which nobody is
	return d.settleHeld(ctx, concerned)
}

// tellNo writes an input's no that counts already, unless it says yes again
// meanwhile and the log has that.
func (d *Desk) tellNo(ctx context.Context, gate, why string, now time.Time) error {
	d.telling.Lock()
	defer d.telling.Unlock()
	d.mu.Lock()
	again := d.inputs[gate] != nil && d.inputs[gate].yes
	d.mu.Unlock()
	if again {
		return nil
	}
	ev := audit.Event{Subject: gate, Actor: penstock, Body: audit.GateChanged{Gate: gate, Says: GateNo, Why: cleaned(why), At: whole(now)}}
	if _, err := d.log.Append(ctx, ev); err != nil {
		return d.admitNothing(fmt.Errorf("write that gate %s says no", gate), err)
	}
	return nil
}

// expire writes the no of inputs whose newest reading has gone stale, where
// nothing else was read since that would have said so: before whatever is paused for it.
func (d *Desk) expire(ctx context.Context) error {
	now := d.now()
	var gone []*input
	d.mu.Lock()
	for _, in := range d.inputs {
		if in.yes && !in.fresh(now, 0) {
			in.yes, in.twice, in.told, in.since = false, false, GateNo, now
			in.why = "nothing was read for " + in.gate.Stale.String()
			gone = append(gone, in)
		}
	}
	d.mu.Unlock()
	slices.SortFunc(gone, func(a, b *input) int { return cmp.Compare(a.gate.Name, b.gate.Name) })
	for _, in := range gone {
		if err := d.tellNo(ctx, in.gate.Name, "nothing was read for "+in.gate.Stale.String(), now); err != nil {
			return err
		}
	}
	return nil
}

// way is what is known in memory of a window that runs.
type way struct {
	targets []policy.Target
	rights  policy.Rights
}

// holdAll holds, in memory, every running window that asks for a gate.
func (d *Desk) holdAll(gate, why string) []policy.WindowID {
	plant := d.plant()
	d.mu.Lock()
	var all []policy.WindowID
	for id, w := range d.ways {
		if slices.ContainsFunc(plant.Conditions(w.targets, w.rights).Gates, func(g policy.GateAsked) bool { return g.Name == gate }) {
			all = append(all, id)
		}
	}
	d.mu.Unlock()
	for _, id := range all {
		d.hold(id, why)
	}
	return all
}

// settleHeld looks at windows that were held in memory: each is paused or ended
// by its rules, or goes on where somebody stands in.
func (d *Desk) settleHeld(ctx context.Context, all []policy.WindowID) error {
	var errs []error
	for _, id := range all {
		_, err := d.settleWindow(ctx, id)
		if err != nil && !refused(err) {
			errs = append(errs, d.admitNothing(fmt.Errorf("write that %s is paused", id), err))
			continue // the hold stays
		}
		if !d.isPaused(ctx, id) {
			d.letGo(id)
		}
		d.unmark(d.held, id)
	}
	return errors.Join(errs...)
}

// letGo releases what the caller has held, and still marks as held, unless
// somebody else holds it as well: they see to it.
func (d *Desk) letGo(id policy.WindowID) {
	pauses := d.pausesOf(id)
	d.mu.Lock()
	sole := d.held[id] == 1
	d.mu.Unlock()
	if sole {
		d.release(id, pauses)
	}
}

// SayGate is a person's word about one gate of a window: yes of a manual one,
// stood-in for one where the plant lets that role stand in, no takes either
// back. Giving asks for a code and for somebody of the plant who does not work
// in the window; taking back for a role that may take, and it counts at once.
func (d *Desk) SayGate(ctx context.Context, by people.Actor, id policy.WindowID, gate, says, why string) (Window, error) {
	g, ok := d.plant().Gate(gate)
	if !ok {
		return Window{}, refuse("no-such-gate", "The plant has no gate %.40q. See `gates` for those there are.", gate)
	}
	if says != GateNo {
		return d.giveGate(ctx, by, id, g, says, why)
	}
	if err := d.mayTake(by); err != nil {
		return Window{}, err
	}
	d.hold(id, "paused: "+g.Title+" was taken back by "+d.says(by))
	_, err := d.conditioned(context.WithoutCancel(ctx), by, id, func(w windowRow, _ evidence.WindowClaim) (audit.Body, []people.Person, error) {
		if s, said := w.Gates[g.Name]; !said || s.Says == GateNo {
			return nil, nil, refuse("not-said", "Nobody has said %s for %s, so there is nothing to take back.", g.Title, id)
		}
		return audit.GateChanged{Gate: g.Name, Says: GateNo, Window: w.Window, By: string(by.Person), Why: cleaned(why), At: d.second()}, nil, nil
	})
	if err != nil && !refused(err) {
		return Window{}, d.admitNothing(fmt.Errorf("write that %s was taken back for %s", gate, id), err)
	}
	if serr := d.settleHeld(context.WithoutCancel(ctx), []policy.WindowID{id}); serr != nil {
		return Window{}, serr
	}
	if err != nil {
		return Window{}, err
	}
	return d.windowView(ctx, id)
}

func (d *Desk) giveGate(ctx context.Context, by people.Actor, id policy.WindowID, g policy.Gate, says, why string) (Window, error) {
	switch {
	case says == GateStoodIn && (g.Safety || g.StandIn == ""):
		return Window{}, refuse("no-stand-in", "Nobody may stand in for %s. It must say yes itself.", g.Title)
	case says == GateStoodIn && why == "":
		return Window{}, refuse("bad-text", "Say why you stand in for %s.", g.Title)
	case says != GateStoodIn && (says != GateYes || g.Kind != policy.GateManual):
		return Window{}, refuse("not-by-word", "%s is not said by a person for one window. See `gates` for what says it.", g.Title)
	}
	if err := text("why", why, evidence.MaxText); err != nil {
		return Window{}, err
	}
	return d.conditioned(ctx, by, id, func(w windowRow, claim evidence.WindowClaim) (audit.Body, []people.Person, error) {
		p, err := d.saysGate(ctx, by, g, claim, says)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case string(p.Firm) == w.Firm || slices.Contains(claim.People, string(p.ID)):
			return nil, nil, refuse("own-request", "Whoever works in %s or is of that firm never says its gates.", id)
		case !asks(d.everAsked(w, claim), g.Name):
			return nil, nil, refuse("not-asked", "No rule asks %s of %s.", g.Title, id)
		case says == GateStoodIn && w.Gates[g.Name].Stood:
			return nil, nil, refuse("stood-in-before", "Somebody stood in for %s in %s before; once is all. It must say yes itself.", g.Title, id)
		}
		return audit.GateChanged{Gate: g.Name, Says: says, Window: w.Window, By: string(by.Person), Why: why, At: d.second()}, []people.Person{p}, d.proved(by, p)
	})
}

// saysGate is somebody whose word counts at a gate now.
func (d *Desk) saysGate(ctx context.Context, by people.Actor, g policy.Gate, claim evidence.WindowClaim, says string) (people.Person, error) {
	who := g.By
	if says == GateStoodIn {
		who = g.StandIn
	}
	if who == "" {
		return d.opener(ctx, by, claim)
	}
	p, err := d.voice(ctx, by, claim.Emergency())
	if err != nil || p.Has(who) {
		return p, err
	}
	return p, cmp.Or(d.offDuty(ctx, by, []policy.Role{who}), error(refuse("not-on-shift", "Only %s may do this.", who)))
}

func asks(c policy.Conditions, gate string) bool {
	return slices.ContainsFunc(c.Gates, func(g policy.GateAsked) bool { return g.Name == gate })
}

// conditioned makes one event about what a window that is not over needs.
func (d *Desk) conditioned(ctx context.Context, by people.Actor, id policy.WindowID,
	event func(windowRow, evidence.WindowClaim) (audit.Body, []people.Person, error)) (Window, error) {
	return d.happens(ctx, by, id, func(w windowRow, claim evidence.WindowClaim) (audit.Body, []people.Person, error) {
		if w.State != WindowAgreed && !w.runs() {
			return nil, nil, refuse("illegal-step", "%s is %s; what it waited for changes nothing any more.", id, w.State)
		}
		return event(w, claim)
	})
}

// SayOutage is a person's word that an outage runs, or does not run any more,
// for the whole plant.
func (d *Desk) SayOutage(ctx context.Context, by people.Actor, gate string, runs bool, why string) error {
	g, ok := d.plant().Gate(gate)
	if !ok || g.Kind != policy.GateOutage {
		return refuse("no-such-gate", "The plant has no outage gate %.40q. See `gates` for those there are.", gate)
	}
	if runs {
		if err := text("why", why, evidence.MaxText); err != nil {
			return err
		}
		return d.saidOutage(ctx, by, g, GateYes, why)
	}
	if err := d.mayTake(by); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	d.mu.Lock()
	d.unsaid[g.Name]++
	d.mu.Unlock()
	concerned := d.holdAll(g.Name, "paused: waits for "+g.Title)
	err := d.saidOutage(ctx, by, g, GateNo, cleaned(why))
	if err != nil && !refused(err) {
		return d.admitNothing(fmt.Errorf("write that %s is over", gate), err) // unsaid stays
	}
	d.mu.Lock()
	if d.unsaid[g.Name]--; d.unsaid[g.Name] <= 0 {
		delete(d.unsaid, g.Name)
	}
	d.mu.Unlock()
	return errors.Join(err, d.settleHeld(ctx, concerned))
}

func (d *Desk) saidOutage(ctx context.Context, by people.Actor, g policy.Gate, says, why string) error {
	_, err := again(func() (none, error) {
		row, err := d.row(ctx, gateKey(g.Name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return none{}, err
		}
		p, err := d.presentPlant(ctx, by)
		if err != nil {
			return none{}, err
		}
		if says == GateYes {
			if !p.Has(g.By) {
				return none{}, cmp.Or(d.offDuty(ctx, by, []policy.Role{g.By}), error(refuse("not-on-shift", "Only %s may do this.", g.By)))
			}
			if err := d.proved(by, p); err != nil {
				return none{}, err
			}
		}
		body := audit.GateChanged{Gate: g.Name, Says: says, By: string(by.Person), Why: why, At: d.second()}
		_, err = d.commit(ctx, gateKey(g.Name), row.Rev+1, string(by.Person), body, p)
		return none{}, err
	})
	return err
}

// gate makes the row of what was said about the whole plant, or the word about
// one window part of its row.
func (f folder) gate(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	b := leaf.Body.(audit.GateChanged)
	if b.Window != "" {
		return f.window(ctx, rows, leaf)
	}
	r, err := load[gateRow](ctx, rows, gateKey(b.Gate))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	r.value = gateRow{b.Gate, b.Says, b.By, b.At, b.Why}
	return r.changed()
}

// said takes a word about a gate into the window's row.
func (w *windowRow) said(b audit.GateChanged) error {
	if w.State != WindowAgreed && !w.runs() || b.By == "" || b.Says != GateYes && b.Says != GateNo && b.Says != GateStoodIn {
		return illegal(w.Window, string(w.State), "told about gate "+b.Gate)
	}
	old := w.Gates[b.Gate]
	if b.Says == GateStoodIn && old.Stood {
		return illegal(w.Window, string(w.State), "stood in for again at gate "+b.Gate)
	}
	if w.Gates == nil {
		w.Gates = map[string]saidGate{}
	}
	w.Gates[b.Gate] = saidGate{b.Says, b.By, b.At, b.Why, old.Stood || b.Says == GateStoodIn}
	return nil
}
