package policy_test

import (
	"testing"
	"time"

	"penstock/policy"
)

// Times as people write them, on the nights when clocks change, on leap days, and
// where clocks change by half an hour.
func TestTimesOnTheClock(t *testing.T) {
	for _, row := range []struct{ zone, said, want string }{
		{"Europe/Berlin", "2026-11-22 03:07", "2026-11-22T03:07:00+01:00"},
		{"Europe/Berlin", "2027-03-28 01:59", "2027-03-28T01:59:00+01:00"},
		{"Europe/Berlin", "2027-03-28 02:00", ""},
		{"Europe/Berlin", "2027-03-28 02:30", ""},
		{"Europe/Berlin", "2027-03-28 03:00", "2027-03-28T03:00:00+02:00"},
		{"Europe/Berlin", "2026-10-25 02:30", "2026-10-25T02:30:00+02:00"}, // twice: the first
		{"Europe/Berlin", "2026-10-25 03:00", "2026-10-25T03:00:00+01:00"},
		{"Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-05T01:45:00+11:00"}, // back by half an hour
		{"Australia/Lord_Howe", "2026-10-04 02:15", ""},
		{"America/Santiago", "2026-09-06 00:30", ""}, // midnight is skipped
		{"Europe/Berlin", "2028-02-29 08:00", "2028-02-29T08:00:00+01:00"},
		{"Europe/Berlin", "2027-02-29 08:00", ""},
		{"Europe/Berlin", "2026-11-22 24:00", ""},
		{"UTC", "2027-03-28 02:30", "2027-03-28T02:30:00Z"},
	} {
		zone, err := time.LoadLocation(row.zone)
		if err != nil {
			t.Fatal(err)
		}
		got, err := policy.ParseClock("2006-01-02 15:04", row.said, zone)
		if (err == nil) != (row.want != "") || err == nil && got.Format(time.RFC3339) != row.want {
			t.Errorf("%s in %s is %s, %v; want %s", row.said, row.zone, got, err, row.want)
		}
	}
}
