package approvals

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/measures"
	"penstock/audit"
	"penstock/policy"
)

// monthPlant has what the ten measures ask about: an outage calendar, a night, an
// emergency, and a gate that says that the line stands.
var monthPlant = sync.OnceValue(func() *policy.Plant {
	text := edited(plantText,
		"viewer: {rights: [look], enforced: device}, recipes: {rights: [look, copy], enforced: device}, maint:",
		"viewer: {rights: [look], enforced: device}, panel: {rights: [look, set], enforced: nobody}, maint:",
		"rules:\n", `calendars:
  weekend: {weekly: [Sat-Sun 00:00-24:00]}
  nights:  {weekly: [Mon-Sun 18:00-06:00]}
night: {during: nights, red: [network]}
gates:
  stopped: {name: Line 1 stands, kind: outage, by: shift, stale: 12h, stands: filling-1}
rules:
  - {name: weekend, when: {zone: line-1, right: [set, load]}, during: weekend}
`) + `
emergency: {agree: [shift], starts_as: [look], second_tap: [set], longest: 2h, tell: [ot-security], review: 3d, notice_above: 9 in 30d}
recordings: {read: [ot-security]}
`
	return plantOf(text)
})

// script plays a month at a Desk: what the broker and the reviewers' book would
// write goes straight to the log.
type script struct {
	*world
	t    *testing.T
	n    int    // sessions
	late func() // a review that comes too late
}

func (s *script) clock(day, hour, minute int) {
	s.at = time.Date(2026, 10, day, hour, minute, 0, 0, time.UTC)
}

func (s *script) note(actor, subject string, body audit.Body) {
	s.t.Helper()
	if _, err := s.log.Append(s.ctx, audit.Event{Subject: subject, Actor: actor, Body: body}); err != nil {
		s.t.Fatal(err)
	}
}

// asked and opened is a window of ann's; the yes comes after wait.
func (s *script) window(wait time.Duration, yes []policy.PersonID, change ...func(*Ask)) policy.WindowID {
	s.t.Helper()
	r := s.submit(change...)
	s.pass(wait)
	for _, who := range yes {
		r = s.yes(who, r)
	}
	win, err := s.desk.Open(s.ctx, s.as("mia"), r.Window)
	wants(s.t, err, "")
	return win.ID
}

// session is ann's in a window: a channel and its first byte.
func (s *script) session(id policy.WindowID, rights ...string) string {
	s.t.Helper()
	s.n++
	name := fmt.Sprintf("S-%d", s.n)
	s.note("penstock", name, audit.SessionStarted{Session: name, Person: "ann", Firm: "krall", Windows: []string{string(id)}})
	s.note("penstock", name, audit.ChannelOpened{Session: name, Channel: 1, Window: string(id), Kind: "shell", Asset: "filler-plc", Port: "ssh", Rights: rights})
	s.note("penstock", name, audit.FirstByte{Session: name, Window: string(id)})
	return name
}

func (s *script) end(id policy.WindowID) {
	s.t.Helper()
	_, err := s.desk.End(s.ctx, s.as("mia"), id, "done")
	wants(s.t, err, "")
}

func (s *script) handBack(id policy.WindowID, after time.Duration) {
	s.t.Helper()
	_, err := s.desk.HandBack(s.ctx, s.as("ann"), id, "as it was")
	wants(s.t, err, "")
	s.pass(after)
	_, err = s.desk.Accept(s.ctx, s.as("olaf"), id)
	wants(s.t, err, "")
}

func stopped(a *Ask)  { looks(a); a.Happening = policy.NowStopped }
func upkeep(a *Ask)   { looks(a); a.Happening = policy.NowPlanned }
func drilled(a *Ask)  { stopped(a); a.Drill = true }
func planned2(a *Ask) { two(a); a.Happening, a.Minutes = policy.NowPlanned, 60 }

// One of the first six days: the line stands, ann looks after ten minutes and the day's number.
func (s *script) stop(day int) {
	s.clock(day, 7, 50)
	wants(s.t, s.desk.SayOutage(s.ctx, s.as("mia"), "stopped", true, "it stands"), "")
	s.clock(day, 8, 0)
	id := s.window(time.Duration(day)*time.Minute, []policy.PersonID{"olaf"}, stopped)
	if day >= 5 { // the first attempt does not come through; on the sixth only after mia has done something
		s.pass(7 * time.Minute)
		s.note("penstock", "ann", audit.AccessRefused{Person: "ann", Source: "198.51.100.7", Rule: "source-network", Why: "x"})
		if day == 6 {
			_, err := s.desk.Pause(s.ctx, s.as("mia"), id, "wait")
			wants(s.t, err, "")
			_, err = s.desk.GoOn(s.ctx, s.as("mia"), id)
			wants(s.t, err, "")
		}
	}
	s.clock(day, 8, 10+day)
	s.session(id, "look")
	s.clock(day, 8, 40)
	wants(s.t, s.desk.SayOutage(s.ctx, s.as("mia"), "stopped", false, ""), "")
	s.end(id)
}

// A Saturday with a program loaded, inside the outage; the last is not handed back.
func (s *script) load(day int) {
	s.clock(day, 10, 0)
	id := s.window(0, []policy.PersonID{"olaf", "sara"}, planned2)
	s.pass(30 * time.Minute)
	s.session(id, "look", "copy", "set", "load")
	s.clock(day, 10, 50)
	s.end(id)
	if day < 24 {
		s.handBack(id, time.Hour)
	}
}

// An emergency outside it; of five four are reviewed in time, three handed back.
func (s *script) emergency(day int) {
	s.clock(day, 3, 0)
	id := s.window(2*time.Minute, []policy.PersonID{"mia"}, down)
	s.pass(3 * time.Minute)
	name := s.session(id, "look")
	s.note("penstock", name, audit.OperationsSummary{Session: name, Channel: 1, Window: string(id), Asset: "filler-plc", Port: "modbus", Allowed: map[string]int{"set": 2}})
	s.clock(day, 4, 0)
	verdict := audit.ReviewSigned{Session: name, Person: "lena", Verdict: "in-order"}
	if day == 23 {
		_, err := s.desk.Cut(s.ctx, s.as("mia"), id, "enough")
		wants(s.t, err, "")
		s.pass(2 * time.Second)
		s.late = func() { s.note("lena", name, verdict) } // the day after it was due, or nothing more is planned
	} else {
		s.end(id)
	}
	s.note("penstock", name, audit.SessionEnded{Session: name, Cause: "window-end"})
	if day < 23 {
		s.clock(day, 12, 0)
		s.note("lena", name, verdict)
	}
	if day < 22 {
		s.handBack(id, time.Hour)
	}
}

// Five days with two shifts.
func (s *script) rostered() {
	var turns []evidence.Turn
	for day := 26; day <= 30; day++ {
		at := time.Date(2026, 10, day, 0, 0, 0, 0, time.UTC)
		turns = append(turns, evidence.Turn{Person: "mia", From: at.Add(5 * time.Hour), To: at.Add(13 * time.Hour)}, evidence.Turn{Person: "max", From: at.Add(13 * time.Hour), To: at.Add(21 * time.Hour)})
	}
	s.roster(s.t, "shift", turns...)
}

// A change of shift with a window that runs; the last is taken late.
func (s *script) shift(day int) {
	s.clock(day, 12, 30)
	id := s.window(0, []policy.PersonID{"olaf"}, upkeep, func(a *Ask) { a.Minutes = 120 })
	s.clock(day, 12, 55)
	h, err := s.desk.HandOver(s.ctx, s.as("mia"), "shift", time.Date(2026, 10, day, 13, 0, 0, 0, time.UTC), "")
	wants(s.t, err, "")
	s.clock(day, 13, 5)
	if day == 30 {
		s.clock(day, 13, 25)
	}
	_, err = s.desk.TakeOver(s.ctx, s.as("max"), h.ID, untaken(h))
	wants(s.t, err, "")
	_, err = s.desk.End(s.ctx, s.as("max"), id, "done")
	wants(s.t, err, "")
}

// Somebody asks for the evidence of a window, and has it.
func (s *script) question(day, hour int, took time.Duration) {
	s.clock(day, hour, 0)
	s.note("lena", "W-1", audit.EvidenceAsked{Window: "W-1", Person: "lena"})
	s.pass(took)
	s.note("lena", "W-1", audit.EvidenceDelivered{Window: "W-1", Person: "lena"})
}

// What people enter by hand, and who may.
func (s *script) entered() {
	wants(s.t, s.desk.EnterMinutes(s.ctx, s.as("sara"), "2026-10", 40, "questions by phone"), "")
	wants(s.t, s.desk.EnterMinutes(s.ctx, s.as("sara"), "2026-09", 400, "the month before"), "")
	wants(s.t, s.desk.EnterMinutes(s.ctx, s.as("mia"), "2026-10", 40, "x"), "not-measuring")
	wants(s.t, s.desk.EnterBaseline(s.ctx, s.as("sara"), 2, 60, "40 tickets of 2025"), "")
	wants(s.t, s.desk.EnterBaseline(s.ctx, s.as("sara"), 11, 60, "x"), "bad-baseline")
	wants(s.t, s.desk.EnterBaseline(s.ctx, s.stale("sara"), 2, 1, "x"), "code-needed")
}

// drill is one of the plant's own; a vendor has none.
func (s *script) drill() policy.WindowID {
	s.t.Helper()
	_, err := s.desk.Submit(s.ctx, s.as("ann"), s.ask(drilled))
	wants(s.t, err, "not-plant")
	r, err := s.desk.Submit(s.ctx, s.as("mia"), s.ask(drilled))
	wants(s.t, err, "")
	win, err := s.desk.Open(s.ctx, s.as("mia"), s.yes("olaf", r).Window)
	wants(s.t, err, "")
	return win.ID
}

// A month is played at a Desk; the ten measures of it are what was played.
func TestTheTenMeasuresOfAMonth(t *testing.T) {
	w := newWorldOf(t, func() time.Time { return time.Date(2026, 9, 30, 8, 0, 0, 0, time.UTC) }, monthPlant)
	w.clock = nil // from here on the script's
	s := &script{world: w, t: t}
	for day := 1; day <= 31; day++ {
		s.clock(day, 0, 0)
		if day <= 6 {
			s.stop(day)
		}
		if day == 3 || day == 10 || day == 17 || day == 24 {
			s.load(day)
		}
		if day == 11 {
			s.clock(day, 8, 0)
			id := s.drill()
			s.session(id, "look", "set")
			s.end(id)
		}
		if day >= 12 && day <= 16 {
			s.question(day, 9, 3*time.Minute)
		}
		if day == 16 {
			s.question(day, 20, 9*time.Minute)
			s.entered()
		}
		if day >= 19 && day <= 23 {
			s.emergency(day)
		}
		if day == 26 {
			s.clock(day, 6, 0)
			s.late()
			s.rostered()
		}
		if day >= 26 && day <= 30 {
			s.shift(day)
		}
	}
	wants(t, w.desk.WriteRoster(w.ctx, w.as("olaf"), "shift", 0, nil), "")
	opened, _ := w.debts(t)
	s.clock(33, 8, 0) // the month after
	s.end(s.window(0, []policy.PersonID{"olaf"}, stopped))

	book := measures.NewBook(w.log, w.docs, w.plant)
	month := func(m time.Month) map[int]measures.Measure {
		got, err := book.Month(context.Background(), 2026, m)
		if err != nil {
			t.Fatal(err)
		}
		all := map[int]measures.Measure{}
		for _, one := range got.Measures {
			all[one.Number] = one
		}
		if len(all) != 10 {
			t.Fatalf("%d measures", len(all))
		}
		return all
	}
	oct := month(time.October)
	for _, row := range []struct {
		number int
		is     string
		cases  int
		median float64
		p90    float64
		share  float64
		value  float64
		why    string
	}{
		{1, measures.Measured, 11, 2, 5, 0, 0, ""},        // 1 to 6 minutes, and five times 2
		{2, measures.Measured, 15, 13, 30, 0, 0, ""},      // 11 to 16, five times 5, four times 30
		{3, measures.Measured, 6, 0, 0, 0, 279, "135"},    // an hour before, less 11 to 16; at most the 50 that it stood
		{4, measures.Measured, 6, 3, 3, 0, 55, "by hand"}, // by night nobody works; 40 by hand
		{5, measures.Measured, 9, 0, 0, 100 * 5. / 9, 0, ""},
		{6, measures.Measured, 20, 0, 0, 25, 0, "80 % of 5"},
		{7, measures.Measured, 15, 0, 0, 100 * 14. / 15, 0, ""},
		{8, measures.Measured, 5, 0, 0, 80, 0, ""},
		{9, measures.Measured, 9, 0, 0, 100 * 6. / 9, 0, ""},
		{10, measures.Measured, len(opened), 0, 0, 0, float64(len(opened)) * 25, ""},
	} {
		got := oct[row.number]
		near := func(a, b float64) bool { return a-b < 0.06 && b-a < 0.06 }
		if got.Is != row.is || got.Cases != row.cases || !near(got.Median, row.median) || !near(got.P90, row.p90) || !near(got.Share, row.share) || !near(got.Value, row.value) || !strings.Contains(got.Why, row.why) {
			t.Errorf("%d: %+v\nplayed: %+v", row.number, got, row)
		}
	}
	if b := oct[2].Baseline; b == nil || b.Value != 60 || b.By != "sara" || b.Proof != "code" || b.From != "40 tickets of 2025" {
		t.Errorf("baseline %+v", b)
	}
	for n, want := range map[int]string{1: measures.TooFew, 2: measures.TooFew, 5: measures.TooFew, 6: measures.TooFew} {
		if got := month(time.November)[n]; got.Is != want || got.Median != 0 || got.Share != 0 {
			t.Errorf("November %d: %+v", n, got)
		}
	}
	// Without its source a measure is not measured, and is no zero.
	bare := newWorld(t, nil)
	got, err := measures.NewBook(bare.log, bare.docs, bare.plant).Month(context.Background(), 2026, time.November)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range got.Measures {
		if (one.Number == 3 || one.Number == 8 || one.Number == 10) != (one.Is == measures.NotMeasured) || one.Is == measures.NotMeasured && one.Why == "" {
			t.Errorf("%+v", one)
		}
	}
}

// untaken are the windows of a handover that nobody has taken.
func untaken(h Handover) (all []policy.WindowID) {
	for _, one := range h.Items {
		if one.By == "" {
			all = append(all, one.Window)
		}
	}
	return all
}
