package measures

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/policy"
)

// What counts as in time.
const (
	tryAgain  = 5 * time.Minute
	takeOver  = 20 * time.Minute
	handBack  = 24 * time.Hour
	sameShift = 30 * time.Minute // between one turn's end and the next one's begin
)

// Month computes one calendar month of the plant's clock, from the log as it is
// now. Drills are left out.
func (b *Book) Month(ctx context.Context, year int, month time.Month) (Month, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.catchUp(ctx); err != nil {
		return Month{}, err
	}
	loc := b.plant().Location()
	m := &counting{Book: b, ctx: ctx, Month: Month{Site: b.plant().Site.Name, From: time.Date(year, month, 1, 0, 0, 0, 0, loc), To: time.Date(year, month+1, 1, 0, 0, 0, 0, loc)}}
	for _, one := range []func() Measure{m.engage, m.lead, m.downtime, m.audit, m.outside, m.emergency, m.firstTry, m.handedOver, m.handedBack, m.debt} {
		got := one()
		if all := b.bases[got.Number]; len(all) > 0 {
			got.Baseline = &all[len(all)-1]
		}
		m.Measures = append(m.Measures, got)
	}
	m.cut()
	return m.Month, nil
}

type counting struct {
	*Book
	ctx context.Context
	Month
}

func (m *counting) in(t time.Time) bool { return !t.IsZero() && !t.Before(m.From) && t.Before(m.To) }

// each are the windows that are no drills, in the order of their names: sums of
// floats must be the same each time.
func (m *counting) each(yield func(*window, *request) bool) {
	for _, id := range slices.Sorted(maps.Keys(m.windows)) {
		w := m.windows[id]
		if r := m.requests[w.request]; r != nil && !r.drill && !yield(w, r) {
			return
		}
	}
}

func (m *counting) engage() Measure {
	var all []time.Duration
	silent := 0
	for _, r := range m.requests {
		if r.drill || !m.in(r.submitted) || r.priority != "P1" && r.priority != "P2" {
			continue
		}
		if r.engaged.IsZero() {
			silent++
			continue
		}
		all = append(all, r.engaged.Sub(r.submitted))
	}
	got := blank(1)
	if silent > 0 {
		got.Why = fmt.Sprintf("%d more had no answer of a team that was asked", silent)
	}
	return got.times(all)
}

// leadOf is how long a window's people waited for their first byte; not ok: none came.
func leadOf(w *window, r *request) (from time.Time, lead time.Duration, ok bool) {
	from = r.submitted
	if r.from.After(from) {
		from = r.from
	}
	return from, max(0, w.first.Sub(from)), !w.first.IsZero()
}

func (m *counting) lead() Measure {
	var all []time.Duration
	for w, r := range m.each {
		if _, lead, ok := leadOf(w, r); ok && m.in(w.first) {
			all = append(all, lead)
		}
	}
	return blank(2).times(all)
}

// downtime: only where a line that the machine stops stood from the request to
// the first byte, by a gate whose yes says so; never more than the stop was long.
func (m *counting) downtime() Measure {
	base := m.bases[2]
	switch {
	case !slices.ContainsFunc(m.plant().Gates, func(g policy.Gate) bool { return g.Stands != "" }):
		return missing(3, "no gate of the plant file says that a line stands (stands: filling-1)")
	case len(base) == 0:
		return missing(3, "nobody has entered what access lead time was before")
	}
	before := time.Duration(base[len(base)-1].Value * float64(time.Minute))
	var saved []float64
	for w, r := range m.each {
		from, lead, ok := leadOf(w, r)
		if !ok || !m.in(w.first) {
			continue
		}
		if stop, stood := m.stood(w, from, w.first); stood {
			saved = append(saved, minutes(min(max(0, before-lead), stop)))
		}
	}
	got := blank(3)
	if got.Cases = len(saved); got.few() {
		return got
	}
	slices.Sort(saved)
	for i, n := range saved {
		got.Value += n
		if i < len(saved)-3 {
			got.Without += n
		}
	}
	got.Why = fmt.Sprintf("an estimate, of %d windows at a line that stood; without the three largest %.0f", len(saved), got.Without)
	return got
}

// stood says whether a line that one of the window's machines stops stood all the
// while, and for how long altogether.
func (m *counting) stood(w *window, from, to time.Time) (long time.Duration, is bool) {
	p := m.then(m.ctx, from)
	if p == nil {
		return 0, false
	}
	for _, g := range p.Gates {
		if g.Stands == "" || !slices.ContainsFunc(w.claim.Assets, func(t evidence.Target) bool {
			a, _ := p.Asset(policy.AssetName(t.Asset))
			return slices.Contains(a.Stops, g.Stands)
		}) {
			continue
		}
		for _, s := range m.stands[g.Name] {
			if !s.from.After(from) && (s.to.IsZero() || !s.to.Before(to)) {
				end := s.to
				if end.IsZero() || end.After(m.To) {
					end = m.To
				}
				return end.Sub(s.from), true
			}
		}
	}
	return 0, false
}

func (m *counting) audit() Measure {
	var all []time.Duration
	for _, p := range m.packs {
		if m.in(p.delivered) {
			all = append(all, m.working(p.asked, p.delivered))
		}
	}
	hand, month := 0, m.From.Format("2006-01")
	for _, h := range m.byHand {
		if h.month == month {
			hand += h.minutes
		}
	}
	got := blank(4).times(all)
	for _, d := range all {
		got.Value += minutes(d)
	}
	got.Value += float64(hand)
	got.Why = fmt.Sprintf("working minutes; %.0f together, with %d entered by hand", got.Value, hand)
	return got
}

// working is the part of a time that is not night in the zone where the broker
// stands; all of it where the plant file has no night.
func (m *counting) working(from, to time.Time) time.Duration {
	p := m.then(m.ctx, from)
	if p == nil {
		return to.Sub(from)
	}
	return p.ByDay(p.Start(), from, to)
}

func (m *counting) outside() Measure {
	out, cases := 0, 0
	for w := range m.each {
		if !m.in(w.opened) || !changes(w.claim.Rights) {
			continue
		}
		p := m.then(m.ctx, w.opened)
		rights, err := policy.ParseRights(w.claim.Rights)
		if p == nil || err != nil {
			continue
		}
		has, closed := false, false
		for _, t := range w.claim.Assets {
			h, open := p.Outage(policy.AssetName(t.Asset), rights, w.opened)
			has, closed = has || h, closed || h && !open
		}
		if has {
			cases++
		}
		if closed {
			out++
		}
	}
	return blank(5).share(out, cases)
}

func (m *counting) emergency() Measure {
	quick, opened, due, paid := 0, 0, 0, 0
	for w := range m.each {
		if m.in(w.opened) {
			if opened++; w.emergency {
				quick++
			}
		}
		p := m.plantOf(m.ctx, w.plant)
		if !w.emergency || w.ended.IsZero() || p == nil || len(w.sessions) == 0 {
			continue
		}
		if by := w.ended.Add(p.Emergency.Review); m.in(by) {
			if due++; !slices.ContainsFunc(w.sessions, func(id string) bool { s := m.sessions[id]; return s == nil || s.signed.IsZero() || s.signed.After(by) }) {
				paid++
			}
		}
	}
	got := blank(6).share(quick, opened)
	switch {
	case due == 0:
		got.Why = "no emergency's review was due"
	case due < Few:
		got.Why = fmt.Sprintf("%d emergencies' reviews were due: too few to say how many were in time", due)
	default:
		got.Why = fmt.Sprintf("%.0f %% of %d emergencies that were due were reviewed in time", 100*float64(paid)/float64(due), due)
	}
	return got
}

func (m *counting) firstTry() Measure {
	works, cases := 0, 0
	for w := range m.each {
		first := w.channel
		if !w.tried.IsZero() {
			first = w.tried
		}
		if !m.in(first) {
			continue
		}
		cases++
		alone := !w.channel.IsZero() && w.channel.Sub(first) <= tryAgain && (w.acted.IsZero() || w.acted.After(w.channel))
		if w.tried.IsZero() || alone {
			works++
		}
	}
	return blank(7).share(works, cases)
}

// handedOver counts each window that ran when a rostered shift of its openers
// changed.
func (m *counting) handedOver() Measure {
	taken, cases := 0, 0
	changes := 0
	for team, list := range m.rosters {
		for _, at := range m.turnsOver(list) {
			changes++
			for w := range m.each {
				if w.opened.IsZero() || !w.opened.Before(at) || !w.ended.IsZero() && !w.ended.After(at) || !m.opens(w, team, at) {
					continue
				}
				cases++
				if m.takenBy(w, team, at) {
					taken++
				}
			}
		}
	}
	if changes == 0 {
		return missing(8, "no team has a roster in which one turn follows another")
	}
	return blank(8).share(taken, cases)
}

// turnsOver are the moments of the month at which one person's turn ends and
// another's begins, by the roster as it was then.
func (m *counting) turnsOver(list []roster) (at []time.Time) {
	for i, r := range list {
		for _, t := range r.turns {
			if !m.in(t.To) || t.To.Before(r.wall) || i+1 < len(list) && !t.To.Before(list[i+1].wall) || slices.Contains(at, t.To) {
				continue
			}
			if slices.ContainsFunc(r.turns, func(o evidence.Turn) bool { return o.Person != t.Person && o.From.Sub(t.To).Abs() <= sameShift }) {
				at = append(at, t.To)
			}
		}
	}
	return at
}

func (m *counting) opens(w *window, team string, at time.Time) bool {
	p := m.then(m.ctx, at)
	return p != nil && slices.ContainsFunc(w.claim.Assets, func(t evidence.Target) bool {
		a, known := p.Asset(policy.AssetName(t.Asset))
		z, _ := p.Zone(a.Zone)
		return known && string(z.Opener()) == team
	})
}

// takenBy says whether a handover of the team that was due then was accepted for
// the window in time.
func (m *counting) takenBy(w *window, team string, at time.Time) bool {
	for _, h := range m.hands {
		when, taken := h.taken[w.claim.Window]
		if h.team == team && h.due.Sub(at).Abs() <= sameShift && taken && when.Before(at.Add(takeOver)) {
			return true
		}
	}
	return false
}

func (m *counting) handedBack() Measure {
	back, cases := 0, 0
	for w := range m.each {
		if !m.in(w.ended) || !w.moved {
			continue
		}
		cases++
		if !w.given.IsZero() && !w.accepted.IsZero() && w.accepted.Sub(w.ended) <= handBack {
			back++
		}
	}
	return blank(9).share(back, cases)
}

// debt is what is owed at the month's end, for 100 assets.
func (m *counting) debt() Measure {
	end := m.To
	if m.last.Before(end) {
		end = m.last
	}
	p := m.then(m.ctx, end)
	if p == nil || len(p.Assets)+len(p.Unplaced) == 0 || len(m.owed)+len(m.ended) == 0 {
		return missing(10, "nothing was looked at: no debt.opened in the log")
	}
	got := blank(10)
	days := 0.0
	add := func(o owed) {
		if o.opened.After(end) || !o.closed.IsZero() && !o.closed.After(end) {
			return
		}
		since := o.opened
		if !o.since.IsZero() && o.since.Before(since) {
			since = o.since
		}
		got.Cases++
		days += end.Sub(since).Hours() / 24
	}
	for _, o := range m.owed {
		add(o)
	}
	for _, o := range m.ended {
		add(o)
	}
	per := 100 / float64(len(p.Assets)+len(p.Unplaced))
	got.Value, got.Days = round(float64(got.Cases)*per), round(days*per)
	return got
}

// cut is from the tap to the end of the last session that it ended.
func (m *counting) cut() {
	var all []time.Duration
	for w := range m.each {
		if m.in(w.cut) && !w.last.IsZero() {
			all = append(all, w.last.Sub(w.cut))
		}
	}
	if m.Month.Cut.Cases = len(all); len(all) > 0 {
		slices.Sort(all)
		m.Month.Cut.P99 = quantile(all, 0.99)
	}
}
