package holding

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/broker/brokertest"
)

// moody is a scanner that says how it is.
type moody struct {
	Scanner
	err error
}

func (m *moody) Well(context.Context) error { return m.err }

// That the scanner cannot look stands on the board at once, and is told once, when
// it has lasted; so is that it can again.
func TestAScannerThatIsIllIsToldOnce(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	var told []string
	scanner := &moody{}
	h, err := Open(Parts{Dir: t.TempDir(), Desk: &desk{t: t}, Scanner: scanner, Now: func() time.Time { return now }, Tell: func(alarm string) { told = append(told, alarm) }})
	if err != nil {
		t.Fatal(err)
	}
	defer h.root.Close()
	asked := 0
	after := func(d time.Duration, err error) {
		now, scanner.err = now.Add(d), err
		h.askScanner(t.Context(), func(f func()) { asked++; f() })
	}
	down, old := errors.New("no answer\x1b[2J"), errors.New("its database is old")
	after(0, nil)
	after(time.Second, down) // not due
	if why, _ := h.Ill(); why != "" || asked != 1 {
		t.Errorf("%q, asked %d times", why, asked)
	}
	after(wellEvery, down)
	after(wellEvery, nil) // back before anybody was told
	if len(told) != 0 {
		t.Errorf("told %q", told)
	}
	after(wellEvery, down)
	began := now
	if why, since := h.Ill(); why != "no answer?[2J" || since != began {
		t.Errorf("%q since %v", why, since)
	}
	for range 5 {
		after(wellEvery, old)
	}
	if why, since := h.Ill(); why != "its database is old" || since != began || !slices.Equal(told, []string{"its database is old"}) {
		t.Errorf("%q since %v, told %q", why, since, told)
	}
	after(wellEvery, nil)
	after(wellEvery, nil)
	if why, _ := h.Ill(); why != "" || !slices.Equal(told, []string{"its database is old", ""}) {
		t.Errorf("%q, told %q", why, told)
	}
}

// The real conversation: one that does not answer, and one whose database is too old, are not well.
func TestClamdIsWell(t *testing.T) {
	if err := realClamd(t).Well(t.Context()); err != nil {
		t.Errorf("the real one: %v", err)
	}
	sock := filepath.Join(t.TempDir(), "clamd")
	c := Clamd{Network: "unix", Address: sock, Oldest: 7 * 24 * time.Hour}
	if err := c.Well(t.Context()); err == nil {
		t.Error("nobody is there")
	}
	says(t, sock, "ClamAV 1.4.0/27000/Sat Nov 21 09:39:00 2020", "stream: OK")
	if err := c.Well(t.Context()); err == nil || !strings.Contains(err.Error(), "old") {
		t.Errorf("one of 2020: %v", err)
	}
}

// What keeps a file is said, as long as it keeps it.
func TestWhatKeepsAFileIsSaid(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "clamd")
	p := newPlant(t, Clamd{Network: "unix", Address: sock})
	p.sends(p.rig.Session(t, &brokertest.Guest{}), "put "+p.file("recipe")+" "+p.root+"/recipe")
	p.until("it failed", func() bool { return p.h.Trouble("F-1") != "" })
	if why := p.h.Trouble("F-1"); !strings.Contains(why, "reach clamd") {
		t.Errorf("%q", why)
	}
	says(t, sock, "ClamAV 1.4.0/27000/Sat Nov 21 09:39:00 2026", "stream: OK")
	p.again()
	p.becomes("F-1", approvals.FileLooked)
	p.until("nothing keeps it", func() bool { return p.h.Trouble("F-1") == "" })
}
