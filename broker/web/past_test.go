package web

import (
	"context"
	"iter"
	"testing"

	"penstock/audit"
)

// keptLog is a log in memory that counts what is read of it.
type keptLog struct {
	stillLog
	leaves []audit.Leaf
	read   int
}

func (l *keptLog) add(body audit.Body) {
	l.leaves = append(l.leaves, audit.Leaf{Index: audit.Index(len(l.leaves)), Event: audit.Event{Body: body}})
}

func (l *keptLog) Upto(_ context.Context, from audit.Index) iter.Seq2[audit.Leaf, error] {
	return func(yield func(audit.Leaf, error) bool) {
		for _, leaf := range l.leaves[from:] {
			l.read++
			if !yield(leaf, nil) {
				return
			}
		}
	}
}

// TestPastReadsOnce: a page reads what is new, and never the whole log again.
func TestPastReadsOnce(t *testing.T) {
	l := &keptLog{}
	for range 1000 {
		l.add(audit.NodeStopped{})
	}
	l.add(audit.SessionStarted{Session: "S-1", Windows: []string{"W-1"}})
	l.add(audit.SessionEnded{Session: "S-1"})
	l.add(audit.SessionEnded{Session: "S-0"}) // of a life before
	p := newPast(l)
	for range 3 {
		s, ok, err := p.session(t.Context(), "S-1")
		if err != nil || !ok || s.begin != 1000 || s.end != 1002 {
			t.Fatalf("%+v %v %v", s, ok, err)
		}
	}
	l.add(audit.SessionStarted{Session: "S-2", Windows: []string{"W-1", "W-2"}})
	list, err := p.of(t.Context(), "W-1")
	if err != nil || len(list) != 2 || list[0].Session != "S-2" || list[0].end != 0 {
		t.Errorf("sessions of W-1: %+v %v", list, err)
	}
	if _, ok, _ := p.session(t.Context(), "S-9"); ok || l.read != len(l.leaves) {
		t.Errorf("%d leaves were read of %d", l.read, len(l.leaves))
	}
}

// TestPastOfWhatNeverEnded: a session that a damaged folder keeps from its end is
// looked for as far as there is something of it, however long the log goes on.
func TestPastOfWhatNeverEnded(t *testing.T) {
	l := &keptLog{}
	of := func(subject string, body audit.Body) {
		l.add(body)
		l.leaves[len(l.leaves)-1].Subject = subject
	}
	of("S-1", audit.SessionStarted{Session: "S-1", Windows: []string{"W-1"}})
	of("S-1", audit.ChannelOpened{Session: "S-1"})
	of("W-2", audit.WindowMoved{Window: "W-2"})
	of("W-1", audit.WindowMoved{Window: "W-1"})
	for range 1000 {
		of("S-1", audit.ReviewOpened{Session: "S-1"})
	}
	p := newPast(l)
	if s, ok, err := p.session(t.Context(), "S-1"); err != nil || !ok || s.last != 4 || s.end != 0 {
		t.Errorf("%+v %v %v", s, ok, err)
	}
	of("S-1", audit.ChannelClosed{Session: "S-1"})
	if s, _, _ := p.session(t.Context(), "S-1"); s.last != audit.Index(len(l.leaves)) {
		t.Errorf("what is new of it is not read: %+v", s)
	}
}
