package main

import (
	"testing"
	"time"
)

// What people type as a time, on the nights when clocks change too.
func TestTimesThatPeopleType(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2027, 3, 27, 22, 0, 0, 0, zone) // the night before clocks go forward
	for said, want := range map[string]string{
		"+90m": "2027-03-27T23:30:00+01:00", "+2d": "2027-03-29T23:00:00+02:00", "23:10": "2027-03-27T23:10:00+01:00", "05:10": "2027-03-28T05:10:00+02:00",
		"2026-10-25 02:30": "2026-10-25T02:30:00+02:00", "2028-02-29 05:10": "2028-02-29T05:10:00+01:00", "2027-03-28T01:30:00Z": "2027-03-28T01:30:00Z",
		"02:30": "", "2027-03-28 02:30": "", "2027-02-29 05:10": "", "25:00": "", "+-5m": "", "soon": "",
	} {
		got, err := parseTime(said, now, zone)
		if (err == nil) != (want != "") || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("%q is %s, %v; want %s", said, got.Format(time.RFC3339), err, want)
		}
		if err != nil && exitCode(err) != exitUsage {
			t.Errorf("%q exits with %d", said, exitCode(err))
		}
	}
}
