// Package calendar reads a team's turns out of an iCalendar file (RFC 5545): all of
// them or none, within bounds of size, number and time. It gives no right and writes
// nothing: Desk.WriteRoster does. A file is whatever somebody uploaded; nothing in it
// is believed but when and, by the names that the caller knows, who.
package calendar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
	"github.com/teambition/rrule-go"

	"penstock/approvals/evidence"
)

// Bounds of a calendar that is read for its turns.
const (
	MaxBytes   = 1 << 20
	maxEvents  = 5000
	maxRepeats = 20000 // steps of one event's repetition, past ones too
	maxSingles = 1000  // dates that one event names besides, added or left out
)

// Turns reads the turns that an iCalendar file (RFC 5545) gives between
// two moments: who is the event's summary, looked up by who. Repetitions go by
// the clock on the wall, begin and end: a night shift that ends at 06:00 does so
// in the night when the clocks change, too, though RFC 5545 3.8.5.3 would keep
// its exact length and leave an hour with nobody on. Times without a zone are
// the plant's. Whatever cannot be read, or takes longer than ctx gives, is an error:
// half a roster is a hole.
func Turns(ctx context.Context, text []byte, from, to time.Time, plant *time.Location, who func(summary string) (string, error)) ([]evidence.Turn, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("the calendar has %d bytes, at most %d", len(text), MaxBytes)
	}
	cal, err := ics.ParseCalendar(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read the calendar: %w", err)
	}
	events := cal.Events()
	if len(events) > maxEvents {
		return nil, fmt.Errorf("the calendar has %d events, at most %d", len(events), maxEvents)
	}
	moved, err := movedInstances(events, plant)
	if err != nil {
		return nil, err
	}
	var turns []evidence.Turn
	var wrong []error
	for _, e := range events {
		if err := ctx.Err(); err != nil { // a rule that never meets a day is looked for long
			return nil, fmt.Errorf("read the calendar: its repetitions take too long: %w", err)
		}
		one, err := eventTurns(e, from, to, plant, moved)
		if err == nil && len(one) > 0 {
			var person string
			if person, err = who(text1(e, ics.ComponentPropertySummary)); err == nil {
				for i := range one {
					one[i].Person = person
				}
			}
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("event %q of %s: %w", cut(text1(e, ics.ComponentPropertySummary)), cut(text1(e, ics.ComponentPropertyDtStart)), err))
			if len(wrong) == 20 {
				break
			}
			continue
		}
		turns = append(turns, one...)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	slices.SortFunc(turns, func(a, b evidence.Turn) int {
		if c := a.From.Compare(b.From); c != 0 {
			return c
		}
		return strings.Compare(a.Person, b.Person)
	})
	return slices.Compact(turns), nil
}

func text1(e *ics.VEvent, name ics.ComponentProperty) string {
	if p := e.GetProperty(name); p != nil {
		return strings.TrimSpace(p.Value)
	}
	return ""
}

func cut(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// movedInstances are the moments of repetitions that another event with the
// same UID stands for (RECURRENCE-ID).
func movedInstances(events []*ics.VEvent, plant *time.Location) (map[string]map[int64]bool, error) {
	moved := map[string]map[int64]bool{}
	for _, e := range events {
		p := e.GetProperty(ics.ComponentPropertyRecurrenceId)
		if p == nil {
			continue
		}
		at, _, err := calendarTime(p.Value, p.ICalParameters, plant)
		if err != nil {
			return nil, fmt.Errorf("event %q: recurrence-id: %w", cut(text1(e, ics.ComponentPropertySummary)), err)
		}
		uid := text1(e, ics.ComponentPropertyUniqueId)
		if moved[uid] == nil {
			moved[uid] = map[int64]bool{}
		}
		moved[uid][at.Unix()] = true
	}
	return moved, nil
}

// eventTurns are one event's times that touch from … to.
func eventTurns(e *ics.VEvent, from, to time.Time, plant *time.Location, moved map[string]map[int64]bool) ([]evidence.Turn, error) {
	if strings.EqualFold(text1(e, ics.ComponentPropertyStatus), "CANCELLED") {
		return nil, nil
	}
	start := e.GetProperty(ics.ComponentPropertyDtStart)
	if start == nil {
		return nil, errors.New("it has no begin (DTSTART)")
	}
	first, day, err := calendarTime(start.Value, start.ICalParameters, plant)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	last, err := eventEnd(e, first, day, plant)
	if err != nil {
		return nil, err
	}
	if long := last.Sub(first); long <= 0 || long > 10*24*time.Hour {
		return nil, fmt.Errorf("it lasts %s; a turn lasts up to nine days", long)
	}
	begins, err := repeats(e, first, from, to, plant)
	if err != nil {
		return nil, err
	}
	not := moved[text1(e, ics.ComponentPropertyUniqueId)]
	if e.GetProperty(ics.ComponentPropertyRecurrenceId) != nil {
		not = nil
	}
	var turns []evidence.Turn
	for _, b := range begins {
		end := likeFirst(first, last, b)
		if not[b.Unix()] || !end.After(from) || !b.Before(to) {
			continue
		}
		turns = append(turns, evidence.Turn{From: b.UTC(), To: end.UTC()})
	}
	return turns, nil
}

// likeFirst is when the repetition that begins at b ends: as many days later and
// at the same time of day as the first one's end.
func likeFirst(first, last, b time.Time) time.Time {
	if b.Equal(first) {
		return last
	}
	f, l := first, last.In(first.Location())
	days := int(time.Date(l.Year(), l.Month(), l.Day(), 12, 0, 0, 0, time.UTC).Sub(time.Date(f.Year(), f.Month(), f.Day(), 12, 0, 0, 0, time.UTC)).Hours() / 24)
	b = b.In(first.Location())
	return time.Date(b.Year(), b.Month(), b.Day()+days, l.Hour(), l.Minute(), l.Second(), 0, first.Location())
}

func eventEnd(e *ics.VEvent, first time.Time, day bool, plant *time.Location) (time.Time, error) {
	if p := e.GetProperty(ics.ComponentPropertyDtEnd); p != nil {
		end, _, err := calendarTime(p.Value, p.ICalParameters, plant)
		if err != nil {
			return end, fmt.Errorf("end: %w", err)
		}
		return end, nil
	}
	if p := e.GetProperty(ics.ComponentPropertyDuration); p != nil {
		return afterDuration(first, strings.TrimSpace(p.Value))
	}
	if day {
		return first.AddDate(0, 0, 1), nil
	}
	return first, errors.New("it has no end (DTEND or DURATION)")
}

// afterDuration adds a duration of RFC 5545 3.3.6: P1W, P1D, PT8H, P1DT2H30M.
func afterDuration(t time.Time, s string) (time.Time, error) {
	bad := fmt.Errorf("duration %q is none of P1D, PT8H, P1DT2H30M", cut(s))
	rest, ok := strings.CutPrefix(strings.TrimPrefix(s, "+"), "P")
	if !ok || rest == "" || len(rest) > 20 {
		return t, bad
	}
	clock, n, digits := false, 0, 0
	for _, c := range rest {
		switch {
		case c >= '0' && c <= '9' && digits < 5:
			n, digits = n*10+int(c-'0'), digits+1
			continue
		case c == 'T' && digits == 0 && !clock:
			clock = true
			continue
		case digits == 0:
			return t, bad
		case c == 'W' && !clock:
			t = t.AddDate(0, 0, 7*n)
		case c == 'D' && !clock:
			t = t.AddDate(0, 0, n)
		case c == 'H' && clock:
			t = t.Add(time.Duration(n) * time.Hour)
		case c == 'M' && clock:
			t = t.Add(time.Duration(n) * time.Minute)
		case c == 'S' && clock:
			t = t.Add(time.Duration(n) * time.Second)
		default:
			return t, bad
		}
		n, digits = 0, 0
	}
	if digits > 0 {
		return t, bad
	}
	return t, nil
}

// repeats are the begins of an event: the first, what its rule and RDATE add,
// without EXDATE; those that cannot touch from … to may be left out.
func repeats(e *ics.VEvent, first, from, to time.Time, plant *time.Location) ([]time.Time, error) {
	begins := []time.Time{first}
	rules := e.GetProperties(ics.ComponentPropertyRrule)
	if len(rules) > 1 || len(e.GetProperties(ics.ComponentPropertyExrule)) > 0 { // RFC 5545 3.8.5.3, A.3
		return nil, errors.New("it has more than one rule: write an event for each, and left out dates as EXDATE")
	}
	for _, p := range rules {
		more, err := byRule(p.Value, first, from, to)
		if err != nil {
			return nil, fmt.Errorf("repetition %q: %w", cut(p.Value), err)
		}
		begins = append(begins, more...)
	}
	for _, p := range e.GetProperties(ics.ComponentPropertyRdate) {
		more, err := calendarTimes(p, plant)
		if err != nil {
			return nil, fmt.Errorf("rdate: %w", err)
		}
		if begins = append(begins, more...); len(begins) > maxRepeats+maxSingles {
			return nil, errors.New("it has too many dates: write fewer events, or a rule")
		}
	}
	except := map[int64]bool{}
	for _, p := range e.GetProperties(ics.ComponentPropertyExdate) {
		not, err := calendarTimes(p, plant)
		if err != nil {
			return nil, fmt.Errorf("exdate: %w", err)
		}
		for _, t := range not {
			except[t.Unix()] = true
		}
	}
	begins = slices.DeleteFunc(begins, func(b time.Time) bool { return except[b.Unix()] })
	slices.SortFunc(begins, time.Time.Compare)
	return slices.CompactFunc(begins, time.Time.Equal), nil
}

// byRule are the begins that a rule gives between eleven days before from and to.
// A rule that meets no day is looked for through to the year 9999 (a few tenths of
// a second): one an event, and Turns looks at its ctx between events.
func byRule(rule string, first, from, to time.Time) (begins []time.Time, err error) {
	o, err := rrule.StrToROptionInLocation(rule, first.Location())
	if err != nil {
		return nil, err
	}
	if err := readable(o); err != nil {
		return nil, err
	}
	o.Dtstart = first
	r, err := rrule.NewRRule(*o)
	if err != nil {
		return nil, err
	}
	early := from.AddDate(0, 0, -11)
	if !o.Until.IsZero() && o.Until.Before(early) {
		return nil, nil // it was over long ago
	}
	next := r.Iterator()
	for i := range maxRepeats {
		b, ok := next()
		if !ok && i == 0 && o.Until.IsZero() {
			return nil, errors.New("it never meets a day")
		}
		if !ok || !b.Before(to) {
			return begins, nil
		}
		if b.After(early) {
			begins = append(begins, b)
		}
	}
	return nil, fmt.Errorf("it repeats more than %d times before %s", maxRepeats, to.Format(time.DateOnly))
}

// readable lets through what turns are written with. What it stops the library
// would misread, or index past its tables with: a BYDAY's number belongs to
// months and years alone, up to the fifth of a month (RFC 5545 3.3.10).
func readable(o *rrule.ROption) error {
	if o.Freq > rrule.DAILY {
		return errors.New("turns repeat by day, week, month or year")
	}
	if len(o.Byhour)+len(o.Byminute)+len(o.Bysecond)+len(o.Bysetpos)+len(o.Byeaster) > 0 || o.Interval < 0 || o.Interval > 1000 {
		return errors.New("this way to repeat is not read: write the turns out")
	}
	most := 5
	if o.Freq == rrule.YEARLY && len(o.Bymonth) == 0 {
		most = 53
	}
	for _, d := range o.Byweekday {
		n := d.N()
		if n != 0 && o.Freq > rrule.MONTHLY || n > most || n < -most {
			return errors.New("the number before a weekday is up to 5 of a month, up to 53 of a year")
		}
	}
	return nil
}

func calendarTimes(p *ics.IANAProperty, plant *time.Location) (list []time.Time, err error) {
	for one := range strings.SplitSeq(p.Value, ",") {
		one, _, _ = strings.Cut(one, "/") // a period's begin
		t, _, err := calendarTime(one, p.ICalParameters, plant)
		if err != nil {
			return nil, err
		}
		if list = append(list, t); len(list) > maxSingles {
			return nil, fmt.Errorf("more than %d dates in one line", maxSingles)
		}
	}
	return list, nil
}

// calendarTime reads DATE and DATE-TIME (RFC 5545 3.3.4, 3.3.5); day says that
// it was a date. A time that the clock skips in spring is the moment after.
func calendarTime(s string, params map[string][]string, plant *time.Location) (t time.Time, day bool, err error) {
	zone := plant
	if id := params["TZID"]; len(id) > 0 {
		if zone, err = calendarZone(id[0]); err != nil {
			return t, false, err
		}
	}
	s = strings.TrimSpace(s)
	if utc, ok := strings.CutSuffix(s, "Z"); ok {
		t, err = time.ParseInLocation("20060102T150405", utc, time.UTC)
	} else if len(s) == len("20060102") {
		t, err = time.ParseInLocation("20060102", s, zone)
		day = true
	} else {
		t, err = time.ParseInLocation("20060102T150405", s, zone)
	}
	if err != nil || t.Year() < 1970 || t.Year() > 2199 {
		return t, day, fmt.Errorf("%q is no time of a calendar", cut(s))
	}
	return t, day, nil
}

// calendarZone reads a TZID: an IANA name, also behind a path as some programs
// write it, or one of Windows' names for places where plants are.
func calendarZone(id string) (*time.Location, error) {
	id = strings.Trim(id, `"`)
	if iana, ok := windowsZones[id]; ok {
		id = iana
	}
	if i := strings.Index(id, "/"); i == 0 || strings.Count(id, "/") > 2 { // "/freeassociation.sourceforge.net/Europe/Berlin"
		parts := strings.Split(id, "/")
		id = strings.Join(parts[max(0, len(parts)-2):], "/")
	}
	if id == "" || strings.EqualFold(id, "local") {
		return nil, errors.New("a time zone without a name")
	}
	l, err := time.LoadLocation(id)
	if err != nil {
		return nil, fmt.Errorf("time zone %q is not known; export the calendar with IANA names such as Europe/Berlin", cut(id))
	}
	return l, nil
}

// windowsZones are names that Outlook writes (Unicode CLDR, windowsZones.xml).
var windowsZones = map[string]string{
	"UTC": "UTC", "GMT Standard Time": "Europe/London", "W. Europe Standard Time": "Europe/Berlin",
	"Romance Standard Time": "Europe/Paris", "Central Europe Standard Time": "Europe/Budapest",
	"Central European Standard Time": "Europe/Warsaw", "E. Europe Standard Time": "Europe/Chisinau", "FLE Standard Time": "Europe/Kiev",
	"GTB Standard Time": "Europe/Bucharest", "Turkey Standard Time": "Europe/Istanbul", "Russian Standard Time": "Europe/Moscow",
	"Eastern Standard Time": "America/New_York", "Central Standard Time": "America/Chicago", "Mountain Standard Time": "America/Denver",
	"Pacific Standard Time": "America/Los_Angeles", "E. South America Standard Time": "America/Sao_Paulo",
	"India Standard Time": "Asia/Kolkata", "China Standard Time": "Asia/Shanghai", "Singapore Standard Time": "Asia/Singapore",
	"Tokyo Standard Time": "Asia/Tokyo", "Korea Standard Time": "Asia/Seoul", "AUS Eastern Standard Time": "Australia/Sydney",
	"South Africa Standard Time": "Africa/Johannesburg", "Arabian Standard Time": "Asia/Dubai",
}
