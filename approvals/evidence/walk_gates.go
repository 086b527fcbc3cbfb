package evidence

import (
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// gateWord is what a gate said last.
type gateWord struct {
	says  string
	by    string    // a person; empty: an input
	at    time.Time // when it was said
	wall  time.Time // of the leaf
	was   bool      // it let work be done until then
	stood bool      // somebody stood in for it, then or before
}

func (g gateWord) holds() bool { return g.says == "yes" || g.says == "stood-in" }

// escort is who watches a window, as the leaves tell it.
type escort struct {
	by, offered string
	seen        time.Time
	left        time.Time // wall of the leaf by which nobody watches; zero: none
}

func (e escort) had() bool { return e.by != "" || !e.left.IsZero() }

// there: has not missed two taps, or left a moment ago.
func (e escort) there(now time.Time, slack time.Duration) bool {
	if e.by == "" {
		return !e.left.IsZero() && !now.After(e.left.Add(slack))
	}
	return now.Before(e.seen.Add(2*EscortEvery + slack))
}

// firstLook is how much longer than its stale a process that starts waits for an
// input's first reading.
const firstLook = 5 * time.Second

// guard is a window that runs under conditions.
type guard struct {
	lost time.Time // wall of the leaf by which one was lost; zero: none was
	told bool      // that it went on all the same
}

// lostNow notes that something was lost; window empty: by all.
func (w *Walk) lostNow(window string) {
	for id, g := range w.guarded {
		if v := w.windows[id]; g.lost.IsZero() && (window == "" || window == id) && w.lost(v) != "" {
			g.lost = w.leaf.Wall
		}
	}
}

// overdue: what has lost a gate or its escort is paused or ended soon after.
func (w *Walk) overdue() {
	if !w.unread.IsZero() && !w.leaf.Wall.Before(w.unread) {
		w.unread = time.Time{}
		w.lostNow("") // what an input was to say first, it has not said
	}
	for id, g := range w.guarded {
		v := w.windows[id]
		if v.state != "open" && v.state != "ending" {
			delete(w.guarded, id)
			continue
		}
		lost := g.lost
		if missed := v.escort.seen.Add(2 * EscortEvery); v.escort.by != "" && w.leaf.Wall.After(missed) && (lost.IsZero() || missed.Before(lost)) {
			lost = missed
		}
		if lost.IsZero() || g.told || !w.leaf.Wall.After(lost.Add(lookTime)) {
			continue
		}
		what := w.lost(v)
		g.lost, g.told = time.Time{}, what != ""
		w.must(what == "" || w.started.After(lost) || w.stoodStill(lost), "%s went on for more than %s after it had lost %s", id, lookTime, what)
	}
}

// forgetInputs: a process that starts has read nothing yet, and is given the time
// for it.
func (w *Walk) forgetInputs() {
	w.unread = w.leaf.Wall
	if w.inForce == (audit.Hash{}) {
		return // the first start: there is nothing to read yet
	}
	for _, plant := range w.now() {
		if plant == nil {
			continue
		}
		for _, g := range plant.Gates {
			if until := w.firstRead(g); until.After(w.unread) {
				w.unread = until
			}
		}
	}
	for name, g := range w.gates {
		if g.by == "" {
			delete(w.gates, name)
		}
	}
}

// gateChanged: an input's word is the broker's, a person's is held to who they are.
func (w *Walk) gateChanged(b audit.GateChanged) {
	if !w.must(b.Says == "yes" || b.Says == "no" || b.Says == "stood-in", "%q is nothing that a gate says", short(b.Says)) {
		return
	}
	word := gateWord{says: b.Says, by: b.By, at: b.At, wall: w.leaf.Wall}
	var gate policy.Gate
	known := false
	for _, plant := range w.now() {
		if plant != nil && !known {
			gate, known = plant.Gate(b.Gate)
		}
	}
	w.must(known || b.Says == "no", "the plant file in force has no gate %s", short(b.Gate))
	if b.By == "" {
		w.must(w.leaf.Actor == penstock && b.Window == "", "%s says what an input said", short(w.leaf.Actor))
		w.must(!known || gate.Read(), "%s is said by people, and the leaf names none", b.Gate)
		w.must(b.Says != "stood-in", "nobody stood in for it")
	} else {
		w.must(w.leaf.Actor == b.By, "%s said it, and the leaf says %s", short(w.leaf.Actor), short(b.By))
		w.must(!b.At.After(w.leaf.Wall.Add(settleTime)) && !b.At.Before(w.leaf.Wall.Add(-clockSlack)), "it says %s, and the log has it at %s", clock(b.At), clock(w.leaf.Wall))
	}
	if b.Window != "" {
		w.saidFor(b, gate, known, word)
		return
	}
	if b.By != "" {
		if b.Says == "no" {
			w.mayTake(b.By, false)
		} else {
			p := w.known(b.By)
			w.must(known && gate.Kind == policy.GateOutage && p != nil && slices.Contains(w.counted(b.By, w.leaf.Wall, b.At), string(gate.By)), "%s may not say that %s runs", short(b.By), short(b.Gate))
		}
	}
	word.was = w.gates[b.Gate].holds()
	if _, there := w.gates[b.Gate]; there || len(w.gates) < maxSaid {
		w.gates[b.Gate] = word
	}
	w.lostNow("")
}

// saidFor is a person's word for one window.
func (w *Walk) saidFor(b audit.GateChanged, gate policy.Gate, known bool, word gateWord) {
	v := w.window(b.Window)
	if v == nil {
		return
	}
	w.must(v.state == "agreed" || v.state == "open" || v.state == "paused" || v.state == "ending", "it was %s", v.state)
	old := v.said[b.Gate]
	word.stood, word.was = old.stood || b.Says == "stood-in", old.holds()
	roles := w.voice(b.By, v.claim.Emergency(), w.leaf.Wall, b.At)
	switch b.Says {
	case "no":
		w.mayTake(b.By, false)
	case "stood-in":
		w.must(known && !gate.Safety && gate.StandIn != "", "nobody may stand in for %s", short(b.Gate))
		w.must(!w.worksIn(b.By, v) && slices.Contains(roles, string(gate.StandIn)), "%s may not stand in for %s", short(b.By), short(b.Gate))
		w.must(!old.stood, "somebody stood in for %s in %s before", short(b.Gate), b.Window)
		w.noteHere("%s stood in for gate %s in %s", b.By, short(b.Gate), b.Window)
	default:
		w.must(known && gate.Kind == policy.GateManual, "%s is not said for a window", short(b.Gate))
		may := !w.worksIn(b.By, v) && (gate.By != "" && slices.Contains(roles, string(gate.By)) || gate.By == "" && w.opens(b.By, v, b.At))
		w.must(may, "%s may not say gate %s of %s", short(b.By), short(b.Gate), b.Window)
	}
	if v.said == nil {
		v.said = map[string]gateWord{}
	}
	if len(v.said) < maxSaid {
		v.said[b.Gate] = word
	}
	w.lostNow(b.Window)
}

const maxSaid = 256

// holds says whether a gate lets work be done in a window now, or did until a
// moment ago: what was decided then may reach the log after the no.
func (w *Walk) holds(v *window, g policy.Gate) bool {
	recent := func(word gateWord) bool {
		return word.holds() || word.was && !w.leaf.Wall.After(word.wall.Add(settleTime))
	}
	said := v.said[g.Name]
	switch {
	case g.StandIn != "" && !g.Safety && (said.says == "stood-in" || said.was && said.stood && recent(said)):
		return true
	case g.Kind == policy.GateManual:
		return recent(said) && (g.Stale == 0 || w.leaf.Wall.Before(said.at.Add(g.Stale+settleTime)))
	case g.Kind == policy.GateOutage:
		word := w.gates[g.Name]
		return recent(word) && w.leaf.Wall.Before(word.at.Add(g.Stale+settleTime))
	}
	return recent(w.gates[g.Name])
}

// conditions are what a plant file asks of a window.
func (v *window) conditions(plant *policy.Plant) policy.Conditions {
	rights, err := policy.ParseRights(v.allowed())
	if plant == nil || err != nil {
		return policy.Conditions{}
	}
	var targets []policy.Target
	for _, t := range v.claim.Assets {
		targets = append(targets, policy.Target{Asset: policy.AssetName(t.Asset), Port: policy.PortName(t.Port), Account: policy.AccountName(t.Account)})
	}
	c := plant.Conditions(targets, rights)
	c.Escort = c.Escort || v.claim.Escort
	return c.With(v.claim.Gates)
}

// meets: by a plant file in force, every gate says yes, or did a moment ago,
// where a window opens or goes on; watched: so must its escort be there.
func (w *Walk) meets(id string, v *window, watched bool) {
	lacks := ""
	for _, plant := range w.now() {
		if plant == nil {
			return // a finding already
		}
		c := v.conditions(plant)
		if len(c.Gates) > 0 || c.Escort {
			w.guarded[id] = &guard{}
		}
		lacks = ""
		for _, a := range c.Gates {
			if g, _ := plant.Gate(a.Name); !w.holds(v, g) {
				lacks = "gate " + a.Name + " did not say yes"
			}
		}
		if watched && c.Escort && !v.escort.there(w.leaf.Wall, settleTime) {
			lacks = "no escort was there"
		}
		if lacks == "" {
			return
		}
	}
	w.must(lacks == "", "%s", lacks)
}

// firstRead is until when an input may have said nothing since the start.
func (w *Walk) firstRead(g policy.Gate) time.Time {
	if !g.Read() {
		return time.Time{}
	}
	return w.started.Add(g.Stale + firstLook)
}

// lost names a gate or the escort that a window lacks by a plant file in force; empty: none.
func (w *Walk) lost(v *window) string {
	for _, plant := range w.now() {
		if plant == nil {
			return "what cannot be told"
		}
		if what := w.lostBy(plant, v); what != "" {
			return what
		}
	}
	return ""
}

func (w *Walk) lostBy(plant *policy.Plant, v *window) string {
	c := v.conditions(plant)
	for _, a := range c.Gates {
		g, _ := plant.Gate(a.Name)
		word := w.gates[a.Name]
		if g.Kind == policy.GateManual {
			word = v.said[a.Name]
		}
		if word.says == "" && w.leaf.Wall.Before(w.firstRead(g)) && !w.started.IsZero() {
			continue
		}
		late := !g.Read() && g.Stale > 0 && !w.leaf.Wall.Before(word.at.Add(g.Stale-settleTime))
		if (!word.holds() || late) && v.said[a.Name].says != "stood-in" {
			return a.Name
		}
	}
	if c.Escort && v.escort.had() && !v.escort.there(w.leaf.Wall.Add(settleTime), 0) {
		return "escort"
	}
	return ""
}

// escortChanged: a person of the plant who may, who does not work in it, and of
// whom two taps were not missed.
func (w *Walk) escortChanged(b audit.EscortChanged) {
	v := w.window(b.Window)
	if v == nil {
		return
	}
	e := &v.escort
	w.must(v.state == "agreed" || v.state == "open" || v.state == "paused" || v.state == "ending", "it was %s", v.state)
	w.must(w.leaf.Actor == b.By || w.leaf.Actor == penstock && b.Says == "left" && w.gone(b.By), "%s said it, and the leaf says %s", short(w.leaf.Actor), short(b.By))
	w.must(!b.At.After(w.leaf.Wall.Add(settleTime)) && !b.At.Before(w.leaf.Wall.Add(-clockSlack)), "it says %s, and the log has it at %s", clock(b.At), clock(w.leaf.Wall))
	w.must(b.Says == "took" || e.by == b.By, "%s is not its escort", short(b.By))
	switch b.Says {
	case "took":
		w.must(w.mayEscort(b.By, v, w.counted(b.By, w.leaf.Wall, b.At)), "%s may not escort it", short(b.By))
		w.must(e.by == "" || e.by == b.By || e.offered == b.By || !e.there(w.leaf.Wall, 0), "%s watched it and had not handed it on", e.by)
		*e = escort{by: b.By, seen: b.At}
	case "here":
		w.must(e.there(w.leaf.Wall.Add(-settleTime), 0), "%s had missed two taps", short(b.By))
		e.seen = b.At
	case "offered":
		to := w.people[b.To] // on duty or not: it counts when it is taken
		w.must(to != nil && w.mayEscort(b.To, v, to.roles), "%s may not escort it", short(b.To))
		e.offered, e.seen = b.To, b.At
	case "left":
		*e = escort{left: w.leaf.Wall}
		w.lostNow(b.Window)
	default:
		w.must(false, "%q is nothing that an escort says", short(b.Says))
	}
}

func (w *Walk) mayEscort(id string, v *window, held []string) bool {
	p, plant := w.known(id), w.plant(w.inForce)
	if p == nil || plant == nil || !w.ofPlant(p) || w.worksIn(id, v) {
		return false
	}
	roles := make([]policy.Role, len(held))
	for i, r := range held {
		roles[i] = policy.Role(r)
	}
	return !slices.ContainsFunc(v.claim.Assets, func(t Target) bool { return !plant.MayEscort(roles, policy.AssetName(t.Asset)) })
}
