package policy

import (
	"errors"
	"fmt"
	"time"
)

// OnClock is the moment at which a plant's clock shows this, as people write it. A
// time that the clock leaps over is refused, and of one that it shows twice the
// first is meant: nobody is to wait an hour longer than they wrote.
func OnClock(year int, month time.Month, day, hour, minute int, zone *time.Location) (time.Time, error) {
	t := time.Date(year, month, day, hour, minute, 0, 0, zone)
	if t.Hour() != hour || t.Minute() != minute {
		return time.Time{}, &Refusal{Rule: "bad-time", Say: fmt.Sprintf("%02d:%02d does not come on %s: the clocks go forward over it. Write a time before or after.", hour, minute, time.Date(year, month, day, 12, 0, 0, 0, zone).Format(time.DateOnly)),
			Why: fmt.Sprintf("%02d:%02d is skipped in %s", hour, minute, zone)}
	}
	for _, back := range []time.Duration{time.Hour, 30 * time.Minute} { // by how much clocks are set back
		if e := t.Add(-back); e.Hour() == hour && e.Minute() == minute && e.Day() == t.Day() {
			return e, nil
		}
	}
	return t, nil
}

// ClockOf is ParseClock in a zone, for the lines of a file: a refusal is its
// sentence alone.
func ClockOf(zone *time.Location) func(layout, s string) (time.Time, error) {
	return func(layout, s string) (time.Time, error) {
		t, err := ParseClock(layout, s, zone)
		if no, skipped := errors.AsType[*Refusal](err); skipped {
			return t, errors.New(no.Say)
		}
		return t, err
	}
}

// ParseClock is OnClock of a text in a layout of day, hour and minute.
func ParseClock(layout, s string, zone *time.Location) (time.Time, error) {
	t, err := time.Parse(layout, s)
	if err != nil {
		return time.Time{}, err
	}
	return OnClock(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), zone)
}
