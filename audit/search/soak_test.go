package search

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"penstock/audit"
	"penstock/audit/recording"
)

const (
	soakHours  = 20          // where SOAK_HOURS does not say otherwise; scripts/soak says 1000
	soakAnswer = time.Second // that a search may take
	soakMemory = 96 << 20    // that is alive while it is filled and searched, whatever the hours
)

// TestSoakSearch: so many hours of sessions are taken in, and every kind of
// search is answered in under a second with memory that does not grow with them.
// The screens are fed frame by frame as from a recording; reading those from a
// disk is measured by the soak of audit/recording.
func TestSoakSearch(t *testing.T) {
	hours := soakHours
	if s := os.Getenv("SOAK_HOURS"); s != "" {
		var err error
		if hours, err = strconv.Atoi(s); err != nil || hours < 1 {
			t.Fatalf("SOAK_HOURS=%q", s)
		}
	}
	answer := soakAnswer
	if os.Getenv("SOAK_HOURS") == "" {
		answer *= 10 // CI runs on whatever machine there is, beside all else; scripts/soak is what measures
	}
	dir := t.TempDir()
	x, err := Open(dir, 4<<30)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	x.db.NoSync = true // the disk is not what is measured
	f := NewFiller(x, nil, nil, slog.New(slog.NewTextHandler(io.Discard, nil)))
	most := uint64(0)
	begun := time.Now()
	lines := 0
	for h := range hours {
		lines += hour(t, f, h)
		if h%10 == 0 {
			most = max(most, alive())
		}
	}
	info, err := os.Stat(filepath.Join(dir, "index.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d hours, %d lines, index of %d MiB, filled in %v", hours, lines, info.Size()>>20, time.Since(begun).Round(time.Millisecond))
	for text, found := range map[string]bool{
		"needle": true, `"state needle"`: true, "need": true, // rare
		"state": true, "sta": true, "2026": true, // on nearly every line
		`"valve state"`: true, `"state valve"`: false, "state valve pump motor": false, // common words, hard to refuse
		"person:ann state": true, "asset:asset-3 valve": true, "restart": true, "0x7": true, "zzz": false, "person:ann": true, "sta person:nobody": false,
	} {
		q, err := ParseQuery(text, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		got, err := f.Find(context.Background(), q)
		took := time.Since(begun)
		if err != nil || got.Broke != "" {
			t.Errorf("%s: %v %s", text, err, got.Broke)
		}
		if (len(got.Hits) > 0) != found {
			t.Errorf("%s: %d hits", text, len(got.Hits))
		}
		if took > answer {
			t.Errorf("%s took %v", text, took)
		}
		most = max(most, alive())
		t.Logf("%-30s %3d hits in %v", text, len(got.Hits), took.Round(100*time.Microsecond))
	}
	t.Logf("%d MiB alive at most", most>>20)
	if most > soakMemory {
		t.Errorf("%d MiB were alive; %d are the most for any number of hours", most>>20, soakMemory>>20)
	}
}

func alive() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// hour is one session of an hour on a terminal: commands, their output with
// numbers that never come again, a log that runs, a screen that is drawn anew.
func hour(t *testing.T, f *Filler, h int) int {
	t.Helper()
	name, person := fmt.Sprintf("S-%d", h), []string{"ann", "ben", "cai"}[h%3]
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(h) * time.Hour)
	asset := fmt.Sprintf("asset-%d", h%40)
	of := func(i int, b audit.Body) audit.Leaf {
		return audit.Leaf{Event: audit.Event{Subject: name, Actor: person, Body: b}, Index: audit.Index(h*10 + i), Wall: start, Node: "a"}
	}
	batch := []audit.Leaf{of(0, audit.SessionStarted{Session: name, Person: person, Firm: "krall", Windows: []string{"W-1"}}),
		of(1, audit.ChannelOpened{Session: name, Kind: "shell", Asset: asset, Port: "ssh"})}
	if err := f.db.Update(func(tx *bolt.Tx) error { return f.fold(tx, batch, map[string]bool{}) }); err != nil {
		t.Fatal(err)
	}
	r := newReading()
	rnd := rand.New(rand.NewPCG(uint64(h), 1))
	seq := uint64(0)
	show := func(at time.Duration, text string) {
		r.frame(recording.Frame{Kind: "shell", Seq: seq, Mark: recording.Out, At: at, Wall: start.Add(at), Data: []byte(text)})
		seq++
		if len(r.found) >= linesAtOnce {
			if err := f.settle(some{name: name, r: r}); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.frame(recording.Frame{Kind: "shell", Mark: recording.Request, Wall: start, Data: []byte(`{"allowed":true,"cols":120,"kind":"pty-req","rows":40}`)})
	seq++
	things := []string{"valve", "pump", "motor", "filler", "sensor", "recipe", "conveyor", "tank"}
	for minute := range 60 {
		at := time.Duration(minute) * time.Minute
		thing := things[rnd.IntN(len(things))]
		show(at, fmt.Sprintf("\x1b[1mann@plc:~$\x1b[0m show %s %d\r\n", thing, rnd.IntN(100)))
		for i := range 25 {
			show(at+time.Duration(i)*time.Second, fmt.Sprintf("%s %s state 0x%08x value %d.%02d unit %d\r\n", start.Add(at+time.Duration(i)*time.Second).Format(time.DateTime), things[rnd.IntN(len(things))], rnd.Uint32(), rnd.IntN(1000), rnd.IntN(100), i))
		}
		for i := range 5 { // a screen that is drawn anew each second
			show(at+time.Duration(40+i)*time.Second, fmt.Sprintf("\x1b[H\x1b[2JLoad %d.%02d  Tasks %d\x1b[3;1H%s running\x1b[40;1HF10 Quit", rnd.IntN(4), rnd.IntN(100), rnd.IntN(300), thing))
		}
		if minute == 30 && h%100 == 7 {
			show(at+50*time.Second, "the state needle was found\r\n$ systemctl restart filler\r\n")
		}
	}
	r.end()
	if err := f.settle(some{name: name, r: r}); err != nil {
		t.Fatal(err)
	}
	return r.kept
}
