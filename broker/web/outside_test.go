package web

import (
	"strings"
	"testing"
	"time"

	"penstock/audit/publish"
	"penstock/audit/siem"
)

// TestOutsideWords: what the board and the log page say of copies outside.
func TestOutsideWords(t *testing.T) {
	v := &visit{now: galleryNow, plant: demoPlant(t)}
	ago := func(d time.Duration) time.Time { return galleryNow.Add(-d) }
	siem := publish.PlaceState{Name: "siem", Kind: "syslog", Where: "siem:6514"}
	good := siem
	good.Last = publish.Receipt{At: ago(2 * time.Second), Size: 20, Said: "read"}
	bad := siem
	bad.Failing, bad.Why, bad.Waiting = ago(14*time.Minute), "connection refused", 3
	for what, c := range map[string]struct {
		s    publish.State
		line string
		red  bool
	}{
		"nothing configured": {publish.State{Size: 20, Since: ago(time.Hour), Age: time.Hour}, "Nobody outside holds a copy: who owns this machine could rewrite everything since ", false},
		"covered":            {publish.State{Size: 20, Covered: 20, By: good.Last, Places: []publish.PlaceState{good}}, "Copy outside 2 s ago.", false},
		"alarm":              {publish.State{Size: 20, Age: 14 * time.Minute, Alarm: "no copy outside for 14 min: siem: connection refused", Places: []publish.PlaceState{bad}}, "Copies outside: no copy outside for 14 min: siem: connection refused.", true},
		"refused":            {publish.State{Size: 20, Age: 2 * time.Hour, Refuse: true, Places: []publish.PlaceState{bad}}, "No copy outside for 2 h. Nobody new is let in.", true},
		"by hand":            {publish.State{Size: 20, Covered: 10, Age: 3 * time.Hour, By: publish.Receipt{At: ago(3 * time.Hour), Size: 10, Said: "taken by lena, on their word"}}, "The last copy outside is 3 h old, taken by lena, on their word; ", false},
	} {
		view := v.outsideOf(c.s)
		if !strings.HasPrefix(view.Line, c.line) || view.Red != c.red {
			t.Errorf("%s: %q, red %v", what, view.Line, view.Red)
		}
	}
	if p := v.outsidePlace(bad); p.Bad != "Not reached for 14 min: connection refused. 3 checkpoints wait; the newest covers the others." {
		t.Errorf("%q", p.Bad)
	}
}

// TestSIEMWords: the board says only of a SIEM that is behind for long.
func TestSIEMWords(t *testing.T) {
	if lines := (&Pages{server: &server{}}).siemLines(); lines != nil {
		t.Errorf("without one: %q", lines)
	}
	g := &Pages{server: &server{Parts: Parts{SIEM: func() []siem.State {
		return []siem.State{{Name: "fine", Behind: 1, Lag: time.Second}, {Name: "soc", Behind: 40, Lag: 14 * time.Minute, Why: "connection refused"}}
	}}}}
	if lines := g.siemLines(); len(lines) != 1 || lines[0] != "Security monitoring (soc) has not been told of 40 events for 14 min. connection refused." {
		t.Errorf("%q", lines)
	}
}

// What the board says of a scanner that cannot look, and for how long.
func TestScannerWords(t *testing.T) {
	why := "reach clamd: connection refused"
	g := &Pages{server: &server{Parts: Parts{Scanner: func() (string, time.Time) { return why, galleryNow.Add(-37 * time.Minute) }}}}
	v := &visit{now: galleryNow, plant: demoPlant(t)}
	if line := g.scannerLine(v); !strings.Contains(line, "for 37 min: reach clamd: connection refused. Files that wait stay held") {
		t.Errorf("%q", line)
	}
	if why = ""; g.scannerLine(v) != "" {
		t.Errorf("%q", g.scannerLine(v))
	}
}

// The board says so by itself, to the plant's people and not to vendors.
func TestScannerOnTheBoard(t *testing.T) {
	h := newHouse(t, 1)
	h.pages.Scanner = func() (string, time.Time) {
		return "reach clamd: connection refused", time.Now().Add(-37 * time.Minute)
	}
	const says = "Files that wait stay held until it does"
	if page := h.get(h.cookie("mia0"), "/"); !strings.Contains(page.text, says) {
		t.Errorf("the shift's board does not say that the scanner cannot look:\n%s", page.text)
	}
	if page := h.get(h.cookie("ann"), "/"); strings.Contains(page.text, says) {
		t.Error("a vendor's board says how the plant's scanner is")
	}
}
