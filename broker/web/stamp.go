package web

import (
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"time"
)

// stamp is a moment as the plant's clock shows it, with the reader's own beside
// it where that shows another hour.
type stamp struct {
	time.Time
	now   time.Time
	yours *time.Location // nil: the browser did not say
}

func (v *visit) at(t time.Time) stamp {
	if t.IsZero() {
		return stamp{}
	}
	return stamp{t.In(v.plant.Location()), v.now.In(v.plant.Location()), v.zone}
}

// Text is the hour; with its day where that is not today.
func (s stamp) Text() string {
	if s.IsZero() {
		return "not said"
	}
	text := dated(s.Time, s.now)
	if there, other := s.there(); other {
		text += " (" + dated(there, s.Time) + " for you)"
	}
	return text
}

// Clock is the hour with seconds.
func (s stamp) Clock() string {
	text := s.Format("15:04:05")
	if there, other := s.there(); other {
		text += " (" + there.Format("15:04") + " for you)"
	}
	return text
}

// there is the moment on the reader's clock, and whether that is another.
func (s stamp) there() (time.Time, bool) {
	if s.yours == nil || s.IsZero() {
		return s.Time, false
	}
	there := s.In(s.yours)
	_, here := s.Zone()
	_, offset := there.Zone()
	return there, offset != here
}

// Yours is the reader's own zone, where it shows another hour now; else empty.
func (s stamp) Yours() string {
	if _, other := s.there(); !other {
		return ""
	}
	return s.yours.String()
}

// Elsewhere is the hour on the reader's clock.
func (s stamp) Elsewhere() string {
	there, _ := s.there()
	return there.Format("15:04")
}

// dated is an hour, with its day where that is neither the day of now nor the
// next hours: at 23:12 nobody takes 00:12 for another night's.
func dated(t, now time.Time) string {
	y, m, d := t.Date()
	ny, nm, nd := now.Date()
	switch {
	case y == ny && m == nm && d == nd:
		return t.Format("15:04")
	case t.After(now) && t.Sub(now) < 12*time.Hour:
		return t.Format("15:04")
	case t.Sub(now).Abs() < 300*24*time.Hour:
		return t.Format("Mon 2 Jan 15:04")
	}
	return t.Format("2 Jan 2006 15:04")
}

// dayText is a day without an hour, with its year where that is not the year of
// now: a contract's end is read months before.
func dayText(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	if t.Year() == now.Year() {
		return t.Format("Mon 2 Jan")
	}
	return t.Format("2 Jan 2006")
}

// date is the day of a moment on the plant's calendar; empty: not known.
func (v *visit) date(t time.Time) string { return v.dateOf(t.In(v.plant.Location())) }

// dateOf is a day that somebody wrote as one, in the plant file or in a form: it
// is that day in every zone.
func (v *visit) dateOf(day time.Time) string { return dayText(day, v.now.In(v.plant.Location())) }

var isoDay = regexp.MustCompile(`\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?\d{4}-\d{2}-\d{2}\b`)

// days writes the days in a sentence of the plant file's as pages write days.
func (v *visit) days(says string) string {
	return isoDay.ReplaceAllStringFunc(says, func(s string) string {
		if day, err := time.Parse(time.DateOnly, s[len(s)-len(time.DateOnly):]); err == nil {
			return v.dateOf(day)
		}
		return s
	})
}

// ISO is for programs and for the countdown.
func (s stamp) ISO() string { return s.Format(time.RFC3339) }

// Left counts down in hours and minutes, "0:41", and what is far off in days; app.js does the same.
func (s stamp) Left() string {
	left := s.Sub(s.now).Round(time.Minute)
	if left < 0 {
		left = 0
	}
	if left >= 48*time.Hour {
		return fmt.Sprintf("%d days", int(left.Hours())/24)
	}
	return fmt.Sprintf("%d:%02d", int(left.Hours()), int(left.Minutes())%60)
}

// Ago is how long it has been: "3 min", "9 h", "4 days".
func (s stamp) Ago() string { return span(s.now.Sub(s.Time)) }

func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return "under a minute"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// zoneCookie is where the page's script puts the browser's time zone, an IANA
// name. It says how times are shown and nothing else, and is believed for that.
const zoneCookie = "__Host-penstock-zone"

// zones are the time zones that browsers have named: loading one reads a file.
type zones struct {
	mu    sync.Mutex
	known map[string]*time.Location
}

const maxZones = 700 // there are some 600 names

// of is the zone of a call; nil if it names none.
func (z *zones) of(r *http.Request) *time.Location {
	c, err := r.Cookie(zoneCookie)
	if err != nil || c.Value == "" || len(c.Value) > 64 || c.Value == "Local" {
		return nil
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if at, ok := z.known[c.Value]; ok {
		return at
	}
	at, err := time.LoadLocation(c.Value) // refuses names that lead out of the zones' folder
	if err != nil {
		at = nil
	}
	if z.known == nil || len(z.known) >= maxZones {
		z.known = map[string]*time.Location{}
	}
	z.known[c.Value] = at
	return at
}
