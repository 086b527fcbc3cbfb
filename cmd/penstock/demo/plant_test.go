package demo

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The demo is for whoever comes, in whatever year: nothing in its plant file is
// overdue, and what was moved says so.
func TestDemoReviewsAreAhead(t *testing.T) {
	example, err := os.ReadFile("../../../configs/plant.yaml")
	if err != nil {
		t.Fatal(err)
	}
	review := regexp.MustCompile(`review: (\d{4}-\d{2}-\d{2})`)
	days := review.FindAllSubmatch(example, -1)
	first, last := "9999", ""
	for _, d := range days {
		first, last = min(first, string(d[1])), max(last, string(d[1]))
	}
	at := func(day string, later int) time.Time {
		d, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		return d.AddDate(0, 0, later)
	}
	for _, row := range []struct {
		name  string
		now   time.Time
		moved bool
	}{
		{"long before the first", at(first, -reviewsAhead), false},
		{"a month before the first", at(first, 1-reviewsAhead), true},
		{"the day after the last", at(last, 1), true},
		{"a leap day", at("2028-02-29", 0), true},
		{"years later", at("2043-03-01", 0), true},
	} {
		plant, err := demoPlant(example, nil, "127.20.1.9:1502/1/5", "https://localhost:8443", row.now)
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		text := string(plant)
		found := review.FindAllStringSubmatch(text, -1)
		if len(found) != len(days) || len(days) < 3 {
			t.Errorf("%s: %d reviews of %d", row.name, len(found), len(days))
		}
		for i, d := range found {
			day := at(d[1], 0)
			if ahead := day.Sub(row.now); ahead < reviewsAhead*24*time.Hour || ahead > 2*366*24*time.Hour {
				t.Errorf("%s: a review on %s", row.name, d[1])
			}
			if was := at(string(days[i][1]), 0); day.Month() != was.Month() || day.Day() != was.Day() {
				t.Errorf("%s: a review on %s that was on %s: not by whole years", row.name, d[1], days[i][1])
			}
		}
		if strings.Contains(text, "    # demo: was ") != row.moved {
			t.Errorf("%s: moved: %v", row.name, !row.moved)
		}
		if !strings.Contains(text, "review: 3d,") {
			t.Errorf("%s: the emergency's review was changed", row.name)
		}
	}
}
