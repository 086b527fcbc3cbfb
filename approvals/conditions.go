package approvals

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// Condition is one gate as it stands, for a window or for the whole plant.
type Condition struct {
	Gate  policy.Gate
	Says  string // GateYes …
	Since time.Time
	By    policy.PersonID // who said it; empty: an input
	Why   string
	Ends  bool // losing it ends the window, else it pauses
	Stood bool // somebody stood in for it in this window, now or before
	Later bool // of an emergency: asked at the second tap, and not before
}

// Holds says whether it lets work be done.
func (c Condition) Holds() bool { return c.Says == GateYes || c.Says == GateStoodIn }

// Escorting is a window's escort as it stands.
type Escorting struct {
	Asked   bool
	By      policy.PersonID // empty: nobody
	Since   time.Time
	Due     time.Time // when the next "still here" is due
	Lost    time.Time // when it is missed twice
	There   bool
	Offered policy.PersonID
}

// Conditions are what a window waits for, or needs while it runs.
type Conditions struct {
	Gates  []Condition
	Escort Escorting
}

// Conditions are those of a window now; everybody who sees the window sees them.
func (d *Desk) Conditions(ctx context.Context, by people.Actor, id policy.WindowID) (Conditions, error) {
	w, err := d.windowRow(ctx, id)
	if err != nil {
		return Conditions{}, err
	}
	if err := seen(by, w.Firm, "window", string(id)); err != nil {
		return Conditions{}, err
	}
	claim, err := d.claim(ctx, w)
	if err != nil {
		return Conditions{}, err
	}
	asked, all, plant := d.conditionsOf(w, claim), d.everAsked(w, claim), d.plant()
	var c Conditions
	for _, a := range all.Gates {
		g, _ := plant.Gate(a.Name)
		one := d.gateNow(ctx, g, &w, 0)
		one.Ends, one.Later = a.Ends, !asks(asked, a.Name)
		c.Gates = append(c.Gates, one)
	}
	e := w.Escort
	c.Escort = Escorting{Asked: all.Escort, By: policy.PersonID(e.By), Since: e.Since, There: e.there(d.now(), 0), Offered: policy.PersonID(e.Offered)}
	if e.By != "" {
		c.Escort.Due, c.Escort.Lost = e.Seen.Add(evidence.EscortEvery), e.Seen.Add(2*evidence.EscortEvery)
	}
	return c, nil
}

// Gates are all gates that are about the whole plant, as they stand.
func (d *Desk) Gates(ctx context.Context) []Condition {
	var all []Condition
	for _, g := range d.plant().Gates {
		if g.Kind != policy.GateManual {
			all = append(all, d.gateNow(ctx, g, nil, 0))
		}
	}
	return all
}

func (d *Desk) conditionsOf(w windowRow, claim evidence.WindowClaim) policy.Conditions {
	return d.conditionsFor(claim, w.allowed(claim))
}

// everAsked are also those that an emergency's second tap would ask for, so that
// they can be said before it.
func (d *Desk) everAsked(w windowRow, claim evidence.WindowClaim) policy.Conditions {
	return d.conditionsFor(claim, append(w.mayStep(claim), w.allowed(claim)...))
}

func (d *Desk) conditionsFor(claim evidence.WindowClaim, words []string) policy.Conditions {
	rights, err := policy.ParseRights(words)
	if err != nil { // the claim was parsed before: it cannot be
		rights = ^policy.Rights(0)
	}
	c := d.plant().Conditions(asPolicy(claim.Assets), rights)
	c.Escort = c.Escort || claim.Escort
	return c.With(claim.Gates)
}

// gateNow is what a gate says. w is the window that asks; nil: none does. What
// cannot be told is no.
func (d *Desk) gateNow(ctx context.Context, g policy.Gate, w *windowRow, slack time.Duration) Condition {
	c := Condition{Gate: g, Says: GateNo}
	var said saidGate
	if w != nil {
		said = w.Gates[g.Name]
	}
	c.Stood = said.Stood
	switch {
	case said.Says == GateStoodIn && g.StandIn != "" && !g.Safety:
		c.Says, c.By, c.Since, c.Why = GateStoodIn, policy.PersonID(said.By), said.At, said.Why
	case g.Kind == policy.GateManual:
		d.byWord(&c, said, slack)
	case g.Kind == policy.GateOutage:
		d.outage(ctx, &c, slack)
	default:
		d.byInput(&c, slack)
	}
	return c
}

func (d *Desk) byWord(c *Condition, s saidGate, slack time.Duration) {
	c.By, c.Since, c.Why = policy.PersonID(s.By), s.At, s.Why
	if s.Says == GateYes && (c.Gate.Stale == 0 || d.now().Before(s.At.Add(c.Gate.Stale+slack))) {
		c.Says = GateYes
	}
}

func (d *Desk) outage(ctx context.Context, c *Condition, slack time.Duration) {
	row, err := d.row(ctx, gateKey(c.Gate.Name))
	var r gateRow
	if err == nil {
		err = decode(row, &r)
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.Why = "what was said about it cannot be read"
		}
		return
	}
	c.By, c.Since, c.Why = policy.PersonID(r.By), r.At, r.Why
	d.mu.Lock()
	taken := d.unsaid[c.Gate.Name] > 0
	d.mu.Unlock()
	if r.Says == GateYes && !taken && d.now().Before(r.At.Add(c.Gate.Stale+slack)) {
		c.Says = GateYes
	}
}

func (d *Desk) byInput(c *Condition, slack time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.inputs[c.Gate.Name]
	if in == nil || in.gate != c.Gate || in.told == "" {
		c.Says = GateUnknown
		return
	}
	c.Since, c.Why = in.since, in.why
	if in.yes && in.fresh(d.now(), slack) {
		c.Says = GateYes
	}
}

// liveFacts are the present as a window has it. What runs has a little longer
// than what is to begin: see lossSlack.
func (d *Desk) liveFacts(ctx context.Context, id policy.WindowID) (policy.LiveFacts, error) {
	w, err := d.windowRow(ctx, id)
	if err != nil {
		return policy.LiveFacts{}, err
	}
	slack := time.Duration(0)
	if w.runs() {
		slack = lossSlack
	}
	f := policy.LiveFacts{Escort: w.Escort.there(d.now(), slack), Gates: map[string]bool{}}
	for _, g := range d.plant().Gates {
		f.Gates[g.Name] = d.gateNow(ctx, g, &w, slack).Holds()
	}
	return f, nil
}

// isHeld says whether a taking holds the window's input and is not written yet.
func (d *Desk) isHeld(id policy.WindowID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.held[id] > 0
}

// loss is a condition that a running window does not meet any more.
type loss struct {
	rule, say string
	ends      bool
}

// losses of a window now. An escort that never came is no loss: what needs one
// was never let in.
func (d *Desk) losses(ctx context.Context, w windowRow, claim evidence.WindowClaim) []loss {
	var all []loss
	asked, plant := d.conditionsOf(w, claim), d.plant()
	for _, a := range asked.Gates {
		g, _ := plant.Gate(a.Name)
		c := d.gateNow(ctx, g, &w, 0)
		if c.Holds() || c.Says == GateUnknown && d.now().Sub(d.began) < g.Stale+firstLook {
			continue
		}
		say := "it waits for " + g.Title
		if c.Why != "" {
			say += " (" + c.Why + ")"
		}
		all = append(all, loss{"gate:" + g.Name, say, a.Ends})
	}
	if e := w.Escort; asked.Escort && (e.Left || e.By != "" && !e.there(d.now(), 0)) {
		say := "its escort has left"
		if !e.Left {
			say = "its escort " + e.By + " has not answered twice"
		}
		all = append(all, loss{"escort", say, asked.EscortEnds})
	}
	return all
}

// met refuses to let a window go on while it lacks something that its rules ask.
func (d *Desk) met(ctx context.Context, w windowRow, claim evidence.WindowClaim) error {
	asked, plant := d.conditionsOf(w, claim), d.plant()
	for _, a := range asked.Gates {
		g, _ := plant.Gate(a.Name)
		if c := d.gateNow(ctx, g, &w, 0); !c.Holds() {
			return &policy.Refusal{Rule: "gate:" + g.Name, Say: fmt.Sprintf("%s waits for %s. Once that is so, try again; the window's page says who says it.", w.Window, g.Title), Why: c.Says + ": " + c.Why}
		}
	}
	if asked.Escort && (w.Escort.By != "" || w.Escort.Left) && !w.Escort.there(d.now(), 0) {
		return refuse("escort", "%s waits for an escort. Somebody takes it first, on the window's page; then try again.", w.Window)
	}
	return nil
}

// giveUp pauses a window that has lost something, or ends it: by its rules, and
// where it is ending already, because then nothing lets it go on.
func (d *Desk) giveUp(ctx context.Context, w windowRow, lost []loss) error {
	id, ends := policy.WindowID(w.Window), w.State == WindowEnding
	var says []string
	for _, l := range lost {
		says, ends = append(says, l.say), ends || l.ends
	}
	why, now := cleaned(strings.Join(says, "; ")), d.second()
	body := audit.WindowMoved{Window: w.Window, To: "paused", By: penstock, At: now, Until: w.Until, Why: why}
	d.hold(id, "paused: "+why) // also where it ends: Stop is for good, and somebody may stand in this very moment
	defer d.unmark(d.held, id)
	if ends {
		d.mark(d.stopped, id)
		defer d.unmark(d.stopped, id)
		body.To, body.Until = "ended", earlier(now, w.Until)
	}
	if _, err := d.commit(ctx, windowKey(id), w.row+1, penstock, body); err != nil {
		d.letGo(id) // somebody was faster: whoever looks anew holds it again if it is lost still
		return err
	}
	if ends {
		d.stopper().Stop(id, &policy.Refusal{Rule: "ended", Say: fmt.Sprintf("%s ended: %s.", id, why)})
	}
	return nil
}

// readUntil is how long what an input said counts; where it has said nothing since
// the start, how long that is waited for. Zero: it is no input.
func (d *Desk) readUntil(name string) time.Time {
	g, _ := d.plant().Gate(name)
	if !g.Read() {
		return time.Time{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if in := d.inputs[name]; in != nil && in.gate == g && in.told != "" {
		return in.at.Add(g.Stale)
	}
	return d.began.Add(g.Stale + firstLook)
}

// nextLoss is when a condition ends by itself, if nobody does anything.
func (d *Desk) nextLoss(w windowRow, claim evidence.WindowClaim, next time.Time) time.Time {
	for _, a := range d.conditionsOf(w, claim).Gates {
		if over := d.readUntil(a.Name); over.After(d.now()) {
			next = earlier(next, over)
		}
	}
	if e := w.Escort; e.By != "" && w.State != WindowPaused {
		if lost := e.Seen.Add(2 * evidence.EscortEvery); lost.After(d.now()) {
			next = earlier(next, lost)
		}
	}
	for name, s := range w.Gates {
		g, _ := d.plant().Gate(name)
		if over := s.At.Add(g.Stale); s.Says == GateYes && g.Stale > 0 && over.After(d.now()) {
			next = earlier(next, over)
		}
	}
	return next
}
