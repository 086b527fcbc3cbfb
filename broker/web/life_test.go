package web

import (
	"context"
	"iter"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time          { return c.now }
func (c *handClock) forward(d time.Duration) { c.now = c.now.Add(d) }

func newClock() *handClock { return &handClock{time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)} }

// TestSessionLife: one row a story of how long a session counts.
func TestSessionLife(t *testing.T) {
	for _, row := range []struct {
		name   string
		visits []time.Duration // since the one before
		active bool            // a person, not the page by itself
		counts bool            // at the last
	}{
		{"at once", []time.Duration{0}, true, true},
		{"just before idle", []time.Duration{sessionIdle - 1}, true, true},
		{"idle", []time.Duration{sessionIdle}, true, false},
		{"kept awake by work", []time.Duration{25 * time.Minute, 25 * time.Minute, 25 * time.Minute}, true, true},
		{"not kept awake by a page that refreshes itself", []time.Duration{25 * time.Minute, 25 * time.Minute}, false, false},
		{"work does not make it longer than a shift", repeat(20*time.Minute, 36), true, false},
		{"nearly a shift", repeat(20*time.Minute, 35), true, true},
		{"a clock that went back", []time.Duration{-2 * time.Minute}, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newClock()
			all := newSessions(c.Now)
			s, token, err := all.begin(people.Actor{Person: "mia"}, entry{})
			if err != nil {
				t.Fatal(err)
			}
			var found *webSession
			for _, d := range row.visits {
				c.forward(d)
				found = all.find(token, row.active)
			}
			if (found == s) != row.counts {
				t.Errorf("counts: %v", found == s)
			}
			if !row.counts {
				<-s.ended // else a stream of it goes on
			}
		})
	}
}

func repeat(d time.Duration, n int) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = d
	}
	return all
}

func TestSessionsAreBounded(t *testing.T) {
	c := newClock()
	all := newSessions(c.Now)
	var first *webSession
	for i := range maxSessionsPerson + 5 {
		s, _, err := all.begin(people.Actor{Person: "mia"}, entry{})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = s
		}
		c.forward(time.Second)
	}
	if len(all.all) != maxSessionsPerson {
		t.Errorf("one person has %d sessions", len(all.all))
	}
	<-first.ended
	if all.find(strings.Repeat("x", 101), true) != nil || all.find("", true) != nil {
		t.Error("what is no token finds a session")
	}
	for i := 0; len(all.all) < maxSessions; i++ {
		all.all[[32]byte{byte(i), byte(i >> 8), 1}] = &webSession{seen: c.now, began: c.now, ended: make(chan struct{})}
	}
	if _, _, err := all.begin(people.Actor{Person: "olaf"}, entry{}); err == nil {
		t.Error("there is no bound on sessions")
	}
}

// TestACodeIsNotLostBesideARefresh: what a page reads does not write back.
func TestACodeIsNotLostBesideARefresh(t *testing.T) {
	c := newClock()
	all := newSessions(c.Now)
	s, token, err := all.begin(people.Actor{Person: "mia"}, entry{})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 200 {
				all.find(token, false)
			}
		})
	}
	s.stepUp(people.Actor{Person: "mia", Step: 7}, "123456")
	wait.Wait()
	if got := all.find(token, true).who().Step; got != 7 {
		t.Errorf("step %d", got)
	}
	all.end(s)
	all.end(s) // again is harmless
	if all.find(token, true) != nil {
		t.Error("a session came back after its end")
	}
}

// stillLog has no leaf and never gets one.
type stillLog struct{ Log }

func (stillLog) Size() audit.Index { return 0 }
func (stillLog) Follow(ctx context.Context, _ audit.Index) iter.Seq2[audit.Leaf, error] {
	return func(yield func(audit.Leaf, error) bool) {
		<-ctx.Done()
		yield(audit.Leaf{}, ctx.Err())
	}
}

// TestWatchersAreBounded: a thousand pages may follow, one word waits for each,
// and nobody follows the log when the last has gone.
func TestWatchersAreBounded(t *testing.T) {
	l := newLive(stillLog{}, func() {}, slog.New(slog.DiscardHandler))
	var all []*watcher
	for range maxStreams {
		w := &watcher{news: make(chan struct{}, 1)}
		if !l.join(w) {
			t.Fatal("refused too early")
		}
		all = append(all, w)
	}
	if l.join(&watcher{news: make(chan struct{}, 1)}) {
		t.Error("one too many")
	}
	other := &watcher{news: make(chan struct{}, 1), may: func(string) bool { return false }}
	l.leave(all[0])
	if !l.join(other) {
		t.Fatal("no room after one left")
	}
	for range 3 { // nobody reads, and nobody is waited for
		l.tell(audit.Leaf{Event: audit.Event{Subject: "R-1", Body: audit.RequestUnanswered{}}})
	}
	if len(all[1].news) != 1 || len(other.news) != 0 {
		t.Errorf("words waiting: %d, for another firm %d", len(all[1].news), len(other.news))
	}
	for _, w := range append(all, other) {
		l.leave(w)
	}
	if l.stop != nil {
		t.Error("the log is still followed")
	}
}

func TestInside(t *testing.T) {
	for next, want := range map[string]string{
		"/": "/", "/requests/R-1?x=1": "/requests/R-1?x=1", "": "/", "//evil.example": "/", "https://evil.example/": "/", "/\\evil": "/",
		"javascript:alert(1)": "/", "/%2fevil.example": "/", "/a\nb": "/", "evil": "/", "/log?before=3": "/log?before=3",
	} {
		if got := inside(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func FuzzInside(f *testing.F) {
	for _, s := range []string{"/", "//x", "/\\x", "/requests/R-1", "/%2f%2fx", "https:/x", "/?next=//x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := inside(next)
		base := &url.URL{Scheme: "https", Host: "broker.example"}
		u, err := base.Parse(got)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.HasPrefix(got, "/\\") {
			t.Errorf("%q leads to %q: %v", next, got, err)
		}
	})
}

// TestLocalTime: an hour is the next such hour on the plant's clock.
func TestLocalTime(t *testing.T) {
	plant := demoPlant(t)
	v := &visit{plant: plant, now: time.Date(2026, 11, 22, 2, 7, 0, 0, time.UTC)} // 03:07 in Kiel
	for in, want := range map[string]string{
		"06:00": "2026-11-22T06:00:00+01:00", "03:07": "2026-11-23T03:07:00+01:00", "02:30": "2026-11-23T02:30:00+01:00", "2026-12-24T18:00": "2026-12-24T18:00:00+01:00",
		"2027-03-28T02:30": "", "2026-10-25T02:30": "2026-10-25T02:30:00+02:00", // the nights when clocks change
		"25:00": "", "six": "", "": "", "2026-13-01T00:00": "",
	} {
		got, err := v.localTime(in)
		if (err == nil) != (want != "") || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("%q is %s, %v; want %s", in, got, err, want)
		}
	}
}

// TestTheMiddleBlock: what the page says in the night follows from rights and from
// who enforces them, one row a story.
func TestTheMiddleBlock(t *testing.T) {
	v := &visit{plant: demoPlant(t), now: time.Date(2026, 11, 22, 2, 7, 0, 0, time.UTC)}
	for _, row := range []struct {
		account, port, rights string
		does, can, worst, by  string
		stops                 string
		danger                bool
	}{
		{"viewer", "ssh", "look", "look at", "look", "somebody sees what they should not.", "The machine", "Filling line 1 stops.", false},
		{"recipes", "ssh", "look copy", "take files out of", "take files out", "somebody else learns how you work.", "The machine", "Filling line 1 stops.", false},
		{"recipes", "ssh", "look copy set", "change values on", "take files out, change values", "wrong values, Filling line 1 may stop.", "The machine", "", false},
		{"maint", "ssh", "look copy set operate load", "work in a shell on", "do anything, also load programs", "a wrong program runs, Filling line 1 stops.", "Nobody", "", true},
		{"maint", "ssh", "look copy set operate load device", "work in a shell on", "do anything, also change the device itself", "Filling line 1 stops and the device may have to be replaced.", "Nobody", "", true},
		// asked for little, and nobody stops the rest
		{"maint", "ssh", "look", "look at", "look; and what was not asked for: take files out, change values, start and stop, load programs", "a wrong program runs, Filling line 1 stops.", "Nobody", "", true},
		// a TCP port has no account; this one is read along
		{"", "modbus", "look", "look at", "look", "somebody sees what they should not.", "Penstock", "Filling line 1 stops.", false},
		{"", "modbus", "look set operate", "start and stop", "change values, start and stop", "Filling line 1 stops.", "Penstock", "", false},
		{"", "modbus", "look set", "change values on", "change only: Fill volume, Cap torque", "wrong values, Filling line 1 may stop.", "Penstock", "", false},
	} {
		d := requestFor(row.account, strings.Fields(row.rights))
		d.Assets[0].Port = row.port
		var out requestView
		v.describe(&out, d)
		does := strings.TrimSpace(out.Does + " " + out.Prep)
		if does != row.does || out.Can != "Can "+row.can+"." || out.Worst != "Worst case: "+row.worst || !strings.HasPrefix(out.Enforced, row.by+" stop") || out.Stops != row.stops || out.Danger != row.danger {
			t.Errorf("%s %s for %s: does %q, can %q, worst %q, by %q, stops %q, danger %v", row.account, row.port, row.rights, does, out.Can, out.Worst, out.Enforced, out.Stops, out.Danger)
		}
	}
	var gone requestView
	v.describe(&gone, requestFor("nobody-there", []string{"look"}))
	if gone.Targets[0].Worst != 0 && !gone.Danger {
		t.Errorf("an account that is not in the plant file is harmless: %+v", gone.Targets[0])
	}
	var away requestView
	d := requestFor("viewer", []string{"look"})
	d.Assets[0].Asset = "no-such-machine"
	v.describe(&away, d)
	if !away.Danger || len(away.Unusual) != 1 || away.Targets[0].Worst&policy.Load == 0 {
		t.Errorf("a machine that is not in the plant file: %+v", away)
	}
}
