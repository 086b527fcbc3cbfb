package search

import (
	"fmt"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"penstock/audit"
	"penstock/audit/recording"
)

// TestHostileWideLines: 4000 lines of the longest kind are more than a block
// may unpack to. They are found all the same, and can be taken out again.
func TestHostileWideLines(t *testing.T) {
	r := newRig(t)
	s := r.begin("S-1", "ann", "filler-plc", "shell")
	s.asks(`{"allowed":true,"cols":500,"kind":"pty-req","rows":24,"term":"xterm"}`)
	for i := 0; i < linesAtOnce; i += 100 {
		var b strings.Builder
		for n := range 100 {
			fmt.Fprintf(&b, "needle%04d %s\r\n", i+n, strings.Repeat("\U00020000", longest-20)) // letters of four bytes
		}
		s.shows(b.String())
	}
	s.ends()
	r.fill()
	r.want("needle0007", "s S-1") // fails where the block cannot be read again
	r.want("needle3999", "s S-1")
	r.tell("S-1", "penstock", audit.RecordingExpired{Session: "S-1", Rule: "keep-look"})
	r.fill()
	r.want("needle3999")
}

// TestHostileChannels: what is kept in memory of a session that runs does not
// grow with the channels that it has opened and closed.
func TestHostileChannels(t *testing.T) {
	r := newReading()
	for ch := range 3000 {
		r.frame(recording.Frame{Channel: ch, Kind: "exec", Mark: recording.Out, At: time.Duration(ch) * time.Second,
			Wall: time.Unix(int64(ch), 0), Data: fmt.Appendf(nil, "first\nlast %d", ch)})
	}
	held := 0
	for _, c := range r.chans {
		if c.screen != nil {
			held++
		}
	}
	if held > mostScreens {
		t.Errorf("%d screens are held", held)
	}
	r.end()
	all := map[string]bool{}
	for _, e := range r.found {
		all[e.Text] = true
	}
	for ch := range 3000 {
		if !all[fmt.Sprintf("last %d", ch)] {
			t.Fatalf("the last line of channel %d is not found", ch)
		}
	}
}

// TestHostileChannelsInTheIndex: what each search reads of a session does not
// grow with its channels without an end.
func TestHostileChannelsInTheIndex(t *testing.T) {
	r := newRig(t)
	leaves := []audit.Leaf{{Event: audit.Event{Subject: "S-1", Body: audit.SessionStarted{Session: "S-1", Person: "ann", Mode: "readable"}}}}
	for ch := range 3 * mostChannels {
		leaves = append(leaves, audit.Leaf{Index: audit.Index(ch + 1), Event: audit.Event{Subject: "S-1", Body: audit.ChannelOpened{Session: "S-1", Channel: ch, Asset: "hmi", Kind: "exec"}}})
	}
	for _, batch := range [][]audit.Leaf{leaves[:1], leaves[1:]} { // a session's first channel may come with the next look at the log
		r.must(r.f.db.Update(func(tx *bolt.Tx) error { return r.f.fold(tx, batch, map[string]bool{}) }))
	}
	r.must(r.f.db.View(func(tx *bolt.Tx) error {
		if s := lookup(tx, "S-1"); s == nil || len(s.Chans) != mostChannels || len(s.Assets) != 1 {
			t.Errorf("%+v", s)
		}
		return nil
	}))
}

// TestHostileLeaf: what goes wrong in the filling itself is told, and ends nothing.
func TestHostileLeaf(t *testing.T) {
	_, err := guarded(func() (bool, error) { panic("half a leaf") })
	if err == nil || !strings.Contains(err.Error(), "half a leaf") {
		t.Errorf("it says %v", err)
	}
}

// TestHostilePanic: what goes wrong inside one recording ends neither the broker
// nor the filling.
func TestHostilePanic(t *testing.T) {
	r := newRig(t)
	s := r.begin("S-1", "ann", "filler-plc", "shell")
	s.shows("hello there\n")
	s.ends()
	s2 := r.begin("S-2", "ben", "filler-plc", "shell")
	s2.shows("second one\n")
	s2.ends()
	r.f.archive = panics{r.archive}
	r.fill()
	r.want("second", "s S-2")
	if !strings.Contains(r.words.String(), "S-1") {
		t.Errorf("nobody is told: %s", r.words.String())
	}
}

type panics struct{ Archive }

func (p panics) Open(session string) (*recording.Reader, error) {
	if session == "S-1" {
		panic("a hostile recording")
	}
	return p.Archive.Open(session)
}
