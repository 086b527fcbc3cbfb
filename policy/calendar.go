package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/policy/source"
)

// Calendar is a set of times by the plant's wall clock: every Weekly, Once and
// Freeze together. Except are the rights that a freeze leaves alone: who asks
// for nothing else is not held by it.
type Calendar struct {
	Name   string
	Weekly []Weekly
	Once   []Span
	Freeze []Span
	Except Rights
}

// Weekly is a span of every week, in minutes from Sunday 00:00 by the wall
// clock. It ends after it begins; an end past Saturday is above 7×24×60.
type Weekly struct{ From, To int }

// Span is one span by the plant's clock, resolved to moments. To is the first
// moment after it.
type Span struct {
	Name     string
	From, To time.Time
}

// span is a half-open stretch of time: from is in it, to is not.
type span struct{ from, to time.Time }

func (f *file) calendars(v source.Value) {
	for _, e := range f.named(v, "calendar") {
		f.where["calendar/"+e.Key] = e.Name
		if e.Key == Overlong {
			e.Name.Refuse("an exception that waives it would read as one that waives the rules' longest", "give it another name")
		}
		s := e.Fields("weekly", "once", "freeze", "except")
		c := Calendar{Name: e.Key}
		for _, at := range f.list(s.Get("weekly")) {
			c.Weekly = append(c.Weekly, f.weekly(at)...)
		}
		c.Once, c.Freeze = f.spans(s.Get("once")), f.spans(s.Get("freeze"))
		if except := s.Get("except"); except.Here() {
			if c.Except = f.rights(except); len(c.Freeze) == 0 {
				except.Refuse("except is about a freeze, and there is none", "leave it out, or add freeze:")
			}
		}
		if len(c.Weekly)+len(c.Once)+len(c.Freeze) == 0 {
			e.Name.Refuse(fmt.Sprintf("calendar %s has no time in it", e.Key), "weekly: [Sun 00:00-06:00], once: or freeze:")
		}
		f.plant.Calendars = append(f.plant.Calendars, c)
	}
}

var (
	weekdays    = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
	weeklyWords = regexp.MustCompile(`^([A-Z][a-z]{2})(?:-([A-Z][a-z]{2}))? ([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})$`)
)

// weekly reads "Sun 00:00-06:00" or "Mon-Fri 22:00-06:00" (each of these
// nights); an end at or before the start is on the next day.
func (f *file) weekly(v source.Value) []Weekly {
	s := v.Text()
	if s == "" {
		return nil
	}
	bad := func() []Weekly {
		v.Refuse(fmt.Sprintf("%q is no weekly time", s), "write Sun 00:00-06:00 or Mon-Fri 22:00-06:00")
		return nil
	}
	m := weeklyWords.FindStringSubmatch(s)
	if m == nil {
		return bad()
	}
	first := slices.Index(weekdays, m[1])
	last := first
	if m[2] != "" {
		last = slices.Index(weekdays, m[2])
	}
	from, okFrom := minutes(m[3], m[4])
	to, okTo := minutes(m[5], m[6])
	if first < 0 || last < 0 || !okFrom || !okTo || from == 24*60 {
		return bad()
	}
	if to <= from {
		to += 24 * 60
	}
	var all []Weekly
	for day := first; ; day = (day + 1) % 7 {
		all = append(all, Weekly{day*24*60 + from, day*24*60 + to})
		if day == last {
			return all
		}
	}
}

func minutes(hh, mm string) (int, bool) {
	h, _ := strconv.Atoi(hh)
	m, _ := strconv.Atoi(mm)
	return h*60 + m, m < 60 && (h < 24 || h == 24 && m == 0)
}

func (f *file) spans(v source.Value) []Span {
	var all []Span
	for _, at := range f.list(v) {
		s := at.Fields("from", "to", "name")
		one := Span{Name: s.Need("name").Text(), From: f.moment(s.Need("from"), false), To: f.moment(s.Need("to"), true)}
		if one.From.IsZero() || one.To.IsZero() {
			continue
		}
		if !one.From.Before(one.To) {
			at.Refuse("this time ends before it begins", "swap from and to")
			continue
		}
		all = append(all, one)
	}
	return all
}

// moment reads "2026-12-05 22:00" or "2026-12-18"; a day alone is its first
// moment, or as an end the moment after its last.
func (f *file) moment(v source.Value, end bool) time.Time {
	s := v.Text()
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		if t, err = time.Parse(time.DateOnly, s); err == nil && end {
			t = t.AddDate(0, 0, 1)
		}
	}
	if err != nil || t.Year() < 1970 || t.Year() > 2200 {
		v.Refuse(fmt.Sprintf("%q is no day and no time", s), "write 2026-12-18 or 2026-12-05 22:00, by the plant's clock")
		return time.Time{}
	}
	return resolve(t, f.plant.location, end)
}

// resolve is the moment at which the wall clock of loc shows what wall shows
// in UTC. A reading that comes twice (the clock was put back) is the first of
// the two as a start and the second as an end, so that a span covers all that
// the clock shows; one that never comes (the clock was put forward) is the
// moment of the change.
func resolve(wall time.Time, loc *time.Location, end bool) time.Time {
	_, before := wall.Add(-24 * time.Hour).In(loc).Zone()
	_, after := wall.Add(24 * time.Hour).In(loc).Zone()
	early := wall.Add(-time.Duration(before) * time.Second).In(loc)
	if before == after {
		return early
	}
	late := wall.Add(-time.Duration(after) * time.Second).In(loc)
	if late.Before(early) {
		early, late = late, early
	}
	earlyFits, lateFits := shows(early, wall), shows(late, wall)
	switch {
	case earlyFits && lateFits && end, lateFits && !earlyFits:
		return late
	case earlyFits:
		return early
	}
	change, _ := late.ZoneBounds()
	return change
}

func shows(t, wall time.Time) bool {
	_, offset := t.Zone()
	return t.Add(time.Duration(offset) * time.Second).Equal(wall)
}

// times are the calendar's spans that touch from … to, sorted and merged.
// rights are what is asked: a freeze that leaves them alone is no part. They are
// put into room as far as they fit.
func (c *Calendar) times(room []span, loc *time.Location, rights Rights, from, to time.Time) []span {
	all := room[:0]
	add := func(s span) {
		if s.from.Before(to) && from.Before(s.to) {
			all = append(all, s)
		}
	}
	for _, s := range c.Once {
		add(span{s.From, s.To})
	}
	if !c.Except.Has(rights) {
		for _, s := range c.Freeze {
			add(span{s.From, s.To})
		}
	}
	if len(c.Weekly) > 0 {
		c.weeks(loc, from, to, add)
	}
	return merge(all)
}

// weeks adds the weekly spans of each week that from … to touches.
func (c *Calendar) weeks(loc *time.Location, from, to time.Time, add func(span)) {
	y, m, d := from.In(loc).Date()
	sunday := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	sunday = sunday.AddDate(0, 0, -int(sunday.Weekday())-7)
	for ; sunday.Before(to.Add(48 * time.Hour)); sunday = sunday.AddDate(0, 0, 7) {
		for _, w := range c.Weekly {
			start := sunday.Add(time.Duration(w.From) * time.Minute)
			stop := sunday.Add(time.Duration(w.To) * time.Minute)
			if start.After(to.Add(48*time.Hour)) || stop.Before(from.Add(-48*time.Hour)) {
				continue // far enough from any clock change to be sure
			}
			add(span{resolve(start, loc, false), resolve(stop, loc, true)})
		}
	}
}

func merge(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return a.from.Compare(b.from) })
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && !s.from.After(out[n-1].to) {
			if s.to.After(out[n-1].to) {
				out[n-1].to = s.to
			}
			continue
		}
		if s.from.Before(s.to) {
			out = append(out, s)
		}
	}
	return out
}

// both are the times in a and in b; each is sorted and merged.
func both(a, b []span) []span {
	var out []span
	for len(a) > 0 && len(b) > 0 {
		s := span{later(a[0].from, b[0].from), earlier(a[0].to, b[0].to)}
		if s.from.Before(s.to) {
			out = append(out, s)
		}
		if a[0].to.Before(b[0].to) {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// without are the times of a that are not in b.
func without(a, b []span) []span {
	var out []span
	for _, s := range a {
		for _, hole := range b {
			if !hole.from.Before(s.to) {
				break
			}
			if !hole.to.After(s.from) {
				continue
			}
			if s.from.Before(hole.from) {
				out = append(out, span{s.from, hole.from})
			}
			s.from = hole.to
			if !s.from.Before(s.to) {
				break
			}
		}
		if s.from.Before(s.to) {
			out = append(out, s)
		}
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// String is how the plant file writes the calendar's times, for people.
func (c *Calendar) String() string {
	var parts []string
	for _, w := range c.Weekly {
		parts = append(parts, w.String())
	}
	for _, s := range slices.Concat(c.Once, c.Freeze) {
		parts = append(parts, fmt.Sprintf("%s (%s to %s)", s.Name, s.From.Format("2006-01-02 15:04"), s.To.Format("2006-01-02 15:04")))
	}
	if len(parts) > 6 {
		parts = append(parts[:6], "…")
	}
	return strings.Join(parts, ", ")
}

// String is how the plant file writes it: "Sun 00:00-06:00".
func (w Weekly) String() string {
	return fmt.Sprintf("%s %02d:%02d-%02d:%02d", weekdays[w.From/1440%7], w.From/60%24, w.From%60, w.To/60%24, w.To%60)
}
