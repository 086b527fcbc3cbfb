package policy

import (
	"fmt"
	"slices"
	"time"

	"penstock/policy/source"
)

// longest is the shortest longest of the rules for these rights.
func (w *walk) longest() (time.Duration, string) {
	var least time.Duration
	name := ""
	for _, r := range w.asset.rules {
		if r.Longest > 0 && (least == 0 || r.Longest < least) && r.matches(w.asset, PortName(w.protocol), w.agreedRights()) {
			least, name = r.Longest, r.Name
		}
	}
	if w.passesOver(Overlong) {
		least, name = w.p.Exception.Longest, "exception"
	}
	if w.probe() && (least == 0 || LongestProbe < least) {
		least, name = LongestProbe, "connectivity"
	}
	if e := &w.p.Emergency; w.emergency() && (least == 0 || e.Longest < least) {
		least, name = e.Longest, "emergency"
	}
	return least, name
}

// length holds a request to the rules' longest, and a window that has run as
// long as the rules now in force allow to its end.
func (w *walk) length() no {
	if w.frame() != "" {
		return w.confirmed()
	}
	longest, rule := w.longest()
	if w.q.Stage == AtAsk {
		if r := w.spanAsked(longest, rule); r != nil {
			return r
		}
	} else if from := w.f.Window.From; w.q.Stage != AtOpen {
		end := from.Add(longest)
		if !w.now.Before(end) {
			return refusal("too-long", fmt.Sprintf("this has run for the %s that rule %s allows; ask for a new window", source.Words(longest), rule), "opened %s, longest %s by rule %s", w.local(from), longest, rule)
		}
		w.until(end)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("length", "at most %s, by rule %s", source.Words(longest), rule)
}

func (w *walk) spanAsked(longest time.Duration, rule string) no {
	q := &w.q
	length := time.Duration(q.Minutes) * time.Minute
	switch {
	case q.Minutes < 1 || q.From.IsZero() || q.Until.IsZero():
		return refusal("span-empty", "say for how many minutes, and from when until when", "%d minutes from %s to %s", q.Minutes, w.local(q.From), w.local(q.Until))
	case length > longest:
		return refusal("too-long", fmt.Sprintf("%s is longer than the %s that rule %s allows; ask for less", source.Words(length), source.Words(longest), rule), "asked %s, longest %s by rule %s", length, longest, rule)
	case q.Until.Sub(q.From) > longestSpan:
		return refusal("span-too-long", fmt.Sprintf("say within at most %d days", int(longestSpan.Hours()/24)), "from %s to %s", w.local(q.From), w.local(q.Until))
	case q.Until.Sub(later(q.From, w.now)) < length:
		return refusal("span-too-short", "the minutes do not fit between the start and the end any more; move the end", "%s does not fit between %s and %s", length, w.local(later(q.From, w.now)), w.local(q.Until))
	}
	return nil
}

// calendar asks whether work may be done now; at the ask, whether there is a
// moment for it within the span.
func (w *walk) calendar() no {
	if w.q.Stage == AtAsk && w.excepted() {
		if w.trace == nil {
			return nil
		}
		return w.yes("calendar", "waived by the exception")
	}
	if w.emergency() {
		if w.trace == nil {
			return nil
		}
		return w.yes("calendar", "waived by the emergency")
	}
	if w.q.Stage == AtAsk {
		if w.frame() != "" { // it stands for months; whenever it connects it is asked
			return nil
		}
		return w.calendarAsked()
	}
	rights := w.effect()
	for _, r := range w.asset.rules {
		if len(r.During)+len(r.NotDuring) == 0 || !r.matches(w.asset, PortName(w.protocol), rights) {
			continue
		}
		if no := w.calendarNow(r, rights); no != nil {
			return no
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("calendar", "open now")
}

func (w *walk) calendarNow(r *Rule, rights Rights) no {
	var room [32]span // enough for a week of nights: nothing is allocated at a door
	horizon := w.now.Add(lookAhead)
	if u := w.d.Until; !u.IsZero() && u.Before(horizon) {
		horizon = later(u, w.now.Add(time.Minute))
	}
	for _, name := range r.During {
		if w.passesOver(name) {
			continue
		}
		c := w.p.calendars[name]
		times := c.times(room[:], w.p.location, rights, w.now, horizon)
		if len(times) == 0 || times[0].from.After(w.now) {
			return refusal("calendar:"+name, fmt.Sprintf("this work waits for %s: %s%s", name, c, w.next(c, rights)), "rule %s wants it during %s; now is %s", r.Name, name, w.local(w.now))
		}
		w.until(times[0].to)
	}
	for _, name := range r.NotDuring {
		if w.passesOver(name) {
			continue
		}
		c := w.p.calendars[name]
		times := c.times(room[:], w.p.location, rights, w.now, horizon)
		if len(times) == 0 {
			continue
		}
		if !times[0].from.After(w.now) {
			return refusal("freeze:"+name, fmt.Sprintf("no work until %s (%s); ask for a time after that", w.local(times[0].to), name), "rule %s forbids it during %s; now is %s", r.Name, name, w.local(w.now))
		}
		w.until(times[0].from)
	}
	return nil
}

// next says when the calendar's next time begins, if it is near.
func (w *walk) next(c *Calendar, rights Rights) string {
	times := c.times(nil, w.p.location, rights, w.now, w.now.Add(longestSpan))
	if len(times) == 0 {
		return ""
	}
	return "; next " + w.local(times[0].from)
}

func (w *walk) calendarAsked() no {
	from, to := later(w.q.From, w.now), w.q.Until
	if to.Sub(from) > longestSpan || !from.Before(to) {
		return nil // the length check has refused this
	}
	length := time.Duration(w.q.Minutes) * time.Minute
	fits, ok := w.firstFit(from, to, length)
	if u := w.f.Person.Until; ok && !u.IsZero() && u.Before(to) {
		if fits, ok = w.firstFit(from, u, length); !ok {
			return refusal("firm-ended", "your firm's contract ends before there is time for this; ask for less, or for an earlier time", "firm %s ends %s; no %s before that", w.f.Person.Firm, w.local(u), length)
		}
	}
	if ok {
		if w.trace == nil {
			return nil
		}
		return w.yes("calendar", "fits from %s to %s", w.local(fits.from), w.local(fits.to))
	}
	rule, why := w.shutBy(from, to, length)
	say := fmt.Sprintf("in that time the calendar leaves no %s for this work (%s)", source.Words(length), why)
	if next, ok := w.firstFit(from, from.Add(longestSpan), length); ok {
		say += "; the next is " + w.local(next.from)
	}
	return refusal(rule, say, "no %s between %s and %s: %s", length, w.local(from), w.local(to), why)
}

// firstFit is the first stretch of that length at which the calendars let the
// work be done.
func (w *walk) firstFit(from, to time.Time, length time.Duration) (span, bool) {
	for _, s := range w.p.opening(w.asset, PortName(w.protocol), w.q.Rights, from, to) {
		if s.to.Sub(s.from) >= length {
			return s, true
		}
	}
	return span{}, false
}

// shutBy names the calendar to blame: the first that alone leaves no time, or
// all together.
func (w *walk) shutBy(from, to time.Time, length time.Duration) (rule, why string) {
	fits := func(open []span) bool {
		return slices.ContainsFunc(open, func(s span) bool { return s.to.Sub(s.from) >= length })
	}
	all := []span{{from, to}}
	for _, r := range w.asset.rules {
		if !r.matches(w.asset, PortName(w.protocol), w.q.Rights) {
			continue
		}
		for _, name := range r.During {
			c := w.p.calendars[name]
			if !fits(both(all, c.times(nil, w.p.location, w.q.Rights, from, to))) {
				return "calendar:" + name, name + ": " + c.String()
			}
		}
		for _, name := range r.NotDuring {
			c := w.p.calendars[name]
			if !fits(without(all, c.times(nil, w.p.location, w.q.Rights, from, to))) {
				return "freeze:" + name, name + ": " + c.String()
			}
		}
	}
	return "calendar", "the calendars together"
}
