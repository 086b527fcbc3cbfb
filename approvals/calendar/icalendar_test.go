package calendar

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
)

func ical(events ...string) []byte {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n")
	for i, e := range events {
		fmt.Fprintf(&b, "BEGIN:VEVENT\r\nUID:%d\r\nDTSTAMP:20260101T000000Z\r\n%s\r\nEND:VEVENT\r\n", i, strings.ReplaceAll(e, "\n", "\r\n"))
	}
	b.WriteString("END:VCALENDAR\r\n")
	return []byte(b.String())
}

var berlin = func() *time.Location {
	l, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return l
}()

func asIs(s string) (string, error) {
	if s == "" || s == "nobody" {
		return "", errors.New("nobody")
	}
	return s, nil
}

func turnWords(turns []evidence.Turn) string {
	var out []string
	for _, t := range turns {
		out = append(out, fmt.Sprintf("%s %s-%s", t.Person, t.From.In(berlin).Format("Jan2 15:04"), t.To.In(berlin).Format("Jan2 15:04")))
	}
	return strings.Join(out, "; ")
}

func TestCalendarTurns(t *testing.T) {
	for _, row := range []struct {
		story    string
		from, to string // of what is asked for, 2006-01-02
		text     []byte
		want     string // the turns, or what the error says
	}{
		{"a turn on the plant's clock", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T220000\nDTEND:20260602T060000"), "mia Jun1 22:00-Jun2 06:00"},
		{"in UTC, and with a duration", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T200000Z\nDURATION:PT8H30M"), "mia Jun1 22:00-Jun2 06:30"},
		{"a whole day", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART;VALUE=DATE:20260602"), "mia Jun2 00:00-Jun3 00:00"},
		{"Outlook's name of a zone", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART;TZID=W. Europe Standard Time:20260601T060000\nDTEND;TZID=W. Europe Standard Time:20260601T140000"), "mia Jun1 06:00-Jun1 14:00"},
		{"a folded line", "2026-06-01", "2026-06-03", ical("SUMMARY:mi\n a\nDTSTART:20260601T220000\nDTEND:20260602T060000"), "mia Jun1 22:00-Jun2 06:00"},
		{"every night, over the end of summer time: nobody is missing at 05:30", "2026-10-23", "2026-10-26", ical("SUMMARY:mia\nDTSTART;TZID=Europe/Berlin:20261001T220000\nDTEND;TZID=Europe/Berlin:20261002T060000\nRRULE:FREQ=DAILY"),
			"mia Oct22 22:00-Oct23 06:00; mia Oct23 22:00-Oct24 06:00; mia Oct24 22:00-Oct25 06:00; mia Oct25 22:00-Oct26 06:00"},
		{"and over its begin", "2027-03-28", "2027-03-29", ical("SUMMARY:mia\nDTSTART;TZID=Europe/Berlin:20270301T220000\nDTEND;TZID=Europe/Berlin:20270302T060000\nRRULE:FREQ=DAILY"),
			"mia Mar27 22:00-Mar28 06:00; mia Mar28 22:00-Mar29 06:00"},
		{"29 February of each year is none in 2027", "2027-02-01", "2027-04-01", ical("SUMMARY:mia\nDTSTART:20240229T060000\nDTEND:20240229T140000\nRRULE:FREQ=YEARLY"), ""},
		{"a rule with exceptions and additions", "2026-06-01", "2026-06-10", ical("SUMMARY:mia\nDTSTART:20260601T060000\nDTEND:20260601T140000\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE\nEXDATE:20260603T060000\nRDATE:20260605T060000"),
			"mia Jun1 06:00-Jun1 14:00; mia Jun5 06:00-Jun5 14:00; mia Jun8 06:00-Jun8 14:00"},
		{"one instance that another took", "2026-06-01", "2026-06-03", []byte(strings.ReplaceAll(string(ical(
			"SUMMARY:mia\nDTSTART:20260601T060000\nDTEND:20260601T140000\nRRULE:FREQ=DAILY;COUNT=2",
			"SUMMARY:max\nRECURRENCE-ID:20260602T060000\nDTSTART:20260602T070000\nDTEND:20260602T140000")), "UID:1", "UID:0")), "mia Jun1 06:00-Jun1 14:00; max Jun2 07:00-Jun2 14:00"},
		{"cancelled", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nSTATUS:CANCELLED\nDTSTART:20260601T220000\nDTEND:20260602T060000"), ""},
		{"somebody else's, long ago", "2026-06-01", "2026-06-03", ical("SUMMARY:nobody\nDTSTART:20200601T220000\nDTEND:20200602T060000"), ""},
		{"the first Monday of each month", "2026-07-01", "2026-09-01", ical("SUMMARY:mia\nDTSTART:20260601T220000\nDTEND:20260602T060000\nRRULE:FREQ=MONTHLY;BYDAY=1MO"), "mia Jul6 22:00-Jul7 06:00; mia Aug3 22:00-Aug4 06:00"},
		{"a rule that was over long ago", "2026-06-01", "2026-06-03", ical("SUMMARY:nobody\nDTSTART:20200601T220000\nDTEND:20200602T060000\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;UNTIL=20210101T000000Z"), ""},

		{"nobody's", "2026-06-01", "2026-06-03", ical("SUMMARY:nobody\nDTSTART:20260601T220000\nDTEND:20260602T060000"), "error: nobody"},
		{"no end", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T220000"), "error: it has no end"},
		{"ends before it begins", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T220000\nDTEND:20260601T060000"), "error: it lasts -16h"},
		{"a year long", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T220000\nDTEND:20270601T060000"), "error: up to nine days"},
		{"every second", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T220000\nDTEND:20260602T060000\nRRULE:FREQ=SECONDLY"), "error: by day, week"},
		{"30 February of each year", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T220000\nDTEND:20260602T060000\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"), "error: never meets a day"},
		{"a 53rd Monday of the month", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T220000\nDTEND:20260602T060000\nRRULE:FREQ=MONTHLY;BYDAY=53MO"), "error: up to 5 of a month"},
		{"the 53rd last Monday of January", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T220000\nDTEND:20260602T060000\nRRULE:FREQ=YEARLY;BYMONTH=1;BYDAY=-53MO"), "error: up to 5 of a month"},
		{"the second Monday of a day", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T220000\nDTEND:20260602T060000\nRRULE:FREQ=DAILY;BYDAY=2MO"), "error: up to 5 of a month"},
		{"a year after Easter", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T220000\nDTEND:20260602T060000\nRRULE:FREQ=YEARLY;BYEASTER=400"), "error: this way to repeat"},
		{"two rules", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T220000\nDTEND:20260602T060000\nRRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY"), "error: more than one rule"},
		{"a rule of what is left out", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T220000\nDTEND:20260602T060000\nRRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY"), "error: more than one rule"},
		{"a zone that is nowhere", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART;TZID=Middle-earth/Shire:20260601T220000\nDTEND:20260602T060000"), "error: is not known"},
		{"a day that is none", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260231T220000\nDTEND:20260602T060000"), "error: no time of a calendar"},
		{"two thousand days left out", "2026-06-01", "2026-06-03", ical("SUMMARY:mia\nDTSTART:20260601T220000\nDTEND:20260602T060000\nEXDATE:" + strings.Repeat("20260601T220000,", 2000) + "20260601T220000"), "error: more than 1000 dates"},
		{"no calendar", "2026-06-01", "2026-06-03", []byte("hello"), "error: read the calendar"},
	} {
		t.Run(row.story, func(t *testing.T) {
			from, _ := time.ParseInLocation(time.DateOnly, row.from, berlin)
			to, _ := time.ParseInLocation(time.DateOnly, row.to, berlin)
			turns, err := Turns(t.Context(), row.text, from, to, berlin, asIs)
			if want, fails := strings.CutPrefix(row.want, "error: "); fails {
				if err == nil || !strings.Contains(err.Error(), want) || turns != nil {
					t.Fatalf("%v, %v; want an error that says %q", turns, err, want)
				}
				return
			}
			if err != nil || turnWords(turns) != row.want {
				t.Fatalf("%q, %v\nwant %q", turnWords(turns), err, row.want)
			}
		})
	}
}

// Whatever a calendar is, it is read or refused, and a turn that is read lies
// where it was asked for.
func FuzzCalendarTurns(f *testing.F) {
	f.Add(ical("SUMMARY:mia\nDTSTART;TZID=Europe/Berlin:20261001T220000\nDTEND;TZID=Europe/Berlin:20261002T060000\nRRULE:FREQ=DAILY"))
	f.Add(ical("SUMMARY:mia\nDTSTART;VALUE=DATE:20260602\nRRULE:FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=400\nRDATE;VALUE=PERIOD:20260101T000000Z/PT8H"))
	f.Add(ical("SUMMARY:mia\nDTSTART:20260601T060000\nDURATION:P1DT2H\nEXDATE:20260601T060000,20260602T060000\nRECURRENCE-ID:20260601T060000"))
	for _, rule := range []string{"YEARLY;BYDAY=-53MO", "MONTHLY;BYDAY=-5SU,5MO", "YEARLY;BYMONTH=1,12;BYDAY=-5MO,5SU", "WEEKLY;BYWEEKNO=53,-53;WKST=SU", "YEARLY;BYYEARDAY=-366,366",
		"DAILY;BYMONTH=2;BYMONTHDAY=30"} {
		f.Add(ical("SUMMARY:mia\nDTSTART:20261001T220000\nDTEND:20261002T060000\nRRULE:FREQ=" + rule))
	}
	from := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	to := from.AddDate(0, 0, 40)
	f.Fuzz(func(t *testing.T, text []byte) {
		turns, err := Turns(t.Context(), text, from, to, berlin, asIs)
		if err != nil {
			return
		}
		for _, turn := range turns {
			if !turn.To.After(turn.From) || !turn.To.After(from) || !turn.From.Before(to) || turn.Person == "" {
				t.Fatalf("%+v", turn)
			}
		}
	})
}

func TestHoles(t *testing.T) {
	now := time.Date(2026, 6, 1, 6, 0, 0, 0, time.UTC)
	h := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	got := Holes([]evidence.Turn{{From: h(-1), To: h(8)}, {From: h(7), To: h(9)}, {From: h(10), To: h(12)}}, now)
	if len(got) != 1 || !got[0].From.Equal(h(9)) || !got[0].To.Equal(h(10)) {
		t.Errorf("%v", got)
	}
}

// TestTurnsInTime: a calendar that takes too long is refused as a whole.
func TestTurnsInTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	from := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	turns, err := Turns(ctx, ical("SUMMARY:mia\nDTSTART:20261001T220000\nDTEND:20261002T060000"), from, from.AddDate(0, 0, 9), berlin, asIs)
	if !errors.Is(err, context.Canceled) || turns != nil {
		t.Errorf("%v, %v", turns, err)
	}
}

func TestWhose(t *testing.T) {
	team := []Member{{"mia", "Mia Voss"}, {"max", "Max Beck"}, {"max2", "Max Beck"}}
	who := Whose(team, map[string]string{"M. Voss": "mia"})
	for summary, want := range map[string]string{"mia": "mia", " MIA voss ": "mia", "m. voss": "mia", "max": "max", "Max Beck": "error: max and max2 have this name", "ann": "error: nobody's of the team", "": "error: nobody's"} {
		got, err := who(summary)
		if says, fails := strings.CutPrefix(want, "error: "); fails && (err == nil || !strings.Contains(err.Error(), says)) || !fails && (err != nil || got != want) {
			t.Errorf("%q is %q, %v; want %q", summary, got, err, want)
		}
	}
}
