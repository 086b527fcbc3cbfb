package approvals

import (
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// nightPlant lets the line be loaded in the nights to Sunday alone, and not
// during the campaign; looking is free.
var nightPlant = sync.OnceValue(func() *policy.Plant {
	text := plantText + `  - {name: night, when: {zone: line-1, right: [set, load]}, during: night, not_during: campaign}
calendars:
  night:    {weekly: [Sun 02:30-03:30]}
  campaign: {freeze: [{from: "2028-02-29", to: "2028-02-29", name: Leap campaign}]}
`
	return plantOf(text)
})

// nightWorld is a world under nightPlant, at a time by the plant's clock.
func nightWorld(t *testing.T, at time.Time) *world {
	w := newWorld(t, nil)
	w.at = at
	w.desk.plant = nightPlant
	if _, err := w.log.Append(w.ctx, audit.Event{Subject: "plant", Actor: penstock, Body: audit.ConfigChanged{Kind: "plant", Document: w.put(nightPlant().Document())}}); err != nil {
		t.Fatal(err)
	}
	return w
}

// channel is what the door asks when ann's channel opens.
func (w *world) channel(id policy.WindowID, account policy.AccountName) policy.Decision {
	f, err := w.desk.Facts(w.ctx, id, "ann")
	if err != nil {
		w.t.Fatalf("facts: %v", err)
	}
	q := policy.Query{Stage: policy.AtChannel, Asset: "filler-plc", Port: "ssh", Account: account, Kind: "shell"}
	q.Rights = w.desk.plant().Wanted(q, f.Window.Rights)
	q.Source = f.Person.Networks[0].Addr()
	d := w.desk.plant().Decide(f, q, w.now())
	if d.Rule == "host-key-not-pinned" { // the last check of all: this plant pins none
		d.Allow = true
	}
	return d
}

// Work at night over a change of the clocks, from the request to the channel:
// "any time Sat 22:00 to Sun 12:00", in a calendar whose begin comes twice or
// never. All times by UTC; Kiel is at +2 before the change in October, +1 after.
func TestNightsOfClockChanges(t *testing.T) {
	utc := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for name, row := range map[string]struct {
		from, to    string // Sat 22:00, Sun 12:00 in Kiel
		begin, end  string // of Sun 02:30-03:30 in Kiel
		fits, tight int    // minutes that fit into it, and one more that does not
	}{
		"an ordinary night":       {"2026-11-21T21:00:00Z", "2026-11-22T11:00:00Z", "2026-11-22T01:30:00Z", "2026-11-22T02:30:00Z", 60, 61},
		"02:30 comes twice":       {"2026-10-24T20:00:00Z", "2026-10-25T11:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z", 120, 121},
		"02:30 never comes":       {"2027-03-27T21:00:00Z", "2027-03-28T10:00:00Z", "2027-03-28T01:00:00Z", "2027-03-28T01:30:00Z", 30, 31},
		"the night of a leap day": {"2032-02-28T21:00:00Z", "2032-02-29T11:00:00Z", "2032-02-29T01:30:00Z", "2032-02-29T02:30:00Z", 60, 61},
	} {
		t.Run(name, func(t *testing.T) {
			from, to, begin, end := utc(row.from), utc(row.to), utc(row.begin), utc(row.end)
			if s := from.In(nightPlant().Location()).Format("Mon 15:04") + to.In(nightPlant().Location()).Format(" Mon 15:04"); s != "Sat 22:00 Sun 12:00" {
				t.Fatal(s)
			}
			w := nightWorld(t, from.Add(-time.Hour))
			night := func(minutes int) func(*Ask) {
				return func(a *Ask) { two(a); a.From, a.To, a.Minutes = from, to, minutes }
			}
			_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(night(row.tight)))
			wants(t, err, "calendar:night")
			r := w.submit(night(row.fits))
			w.yes("olaf", r)
			id := w.yes("sara", r).Window
			w.at = begin.Add(-time.Second)
			_, err = w.desk.Open(w.ctx, w.as("mia"), id)
			wants(t, err, "calendar:night")
			if !strings.Contains(err.Error(), "night") || w.state(id) != WindowAgreed {
				t.Errorf("%v, %s", err, w.state(id))
			}
			w.at = begin.Add(10 * time.Second)
			v, err := w.desk.Open(w.ctx, w.as("mia"), id)
			wants(t, err, "")
			if want := w.at.Add(time.Duration(row.fits) * time.Minute); !v.Until.Equal(want) {
				t.Errorf("it ends %s, want %s: minutes are minutes, whatever the clock shows", v.Until, want)
			}
			if d := w.channel(id, "maint"); !d.Allow {
				t.Errorf("in the night: %s %s", d.Rule, d.Why)
			}
			w.at = end.Add(-time.Second)
			if d := w.channel(id, "maint"); !d.Allow {
				t.Errorf("a second before the night ends: %s %s", d.Rule, d.Why)
			}
			w.at = end // the window still has its ten seconds
			if d := w.channel(id, "maint"); d.Allow || d.Rule != "calendar:night" || !w.live(id) {
				t.Errorf("after the night: %v by %s; live %t", d.Allow, d.Rule, w.live(id))
			}
			w.at = v.Until
			w.settle()
			if w.state(id) != WindowEnded {
				t.Errorf("after its minutes: %s", w.state(id))
			}
			w.judge(t)
		})
	}
}

// A freeze of one leap day: what it forbids is refused at the ask, and what it
// leaves alone goes on.
func TestAFreezeOnALeapDay(t *testing.T) {
	w := nightWorld(t, time.Date(2028, 2, 28, 8, 0, 0, 0, time.UTC))
	_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(func(a *Ask) {
		two(a)
		a.From, a.To = time.Date(2028, 2, 28, 23, 0, 0, 0, time.UTC), time.Date(2028, 2, 29, 22, 0, 0, 0, time.UTC)
	}))
	if r := rule(err); r != "freeze:campaign" && r != "calendar:night" {
		t.Errorf("loading on the frozen day: %v", err)
	}
	w.pass(15*time.Hour + time.Minute) // Tue 29 Feb, 00:01 in Kiel
	v := w.open()
	if d := w.channel(v.ID, "recipes"); !d.Allow {
		t.Errorf("copying is free: %s %s", d.Rule, d.Why)
	}
}
