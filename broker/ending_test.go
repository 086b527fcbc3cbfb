package broker_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"penstock/broker/brokertest"
	"penstock/policy"
)

var byMia = &policy.Refusal{Rule: "ended", Say: "W-1 ended by mia"}

// "end" while a transfer is half done: the transfer's channel stays, everything
// else of the window ends at once, nothing new begins; when it is done, all is over.
func TestWhatIsHalfDoneMayFinish(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, shell := s.shell(t)
		upload := s.open(t, ses, brokertest.Shell(brokertest.Maint))
		done := upload.Busy("upload of recipe.bin")
		var over atomic.Int32
		half := s.Wind("W-1", time.Time{}, byMia, func() { over.Add(1) })
		if !slices.Equal(half, []string{"upload of recipe.bin"}) {
			t.Fatalf("half done: %q", half)
		}
		if got := in(shell, "x"); got != "window-cut" && got != "ended" {
			t.Errorf("the shell after the end: %s", got)
		}
		if got := in(upload, "x"); got != "passed" {
			t.Errorf("the upload goes on: %s", got)
		}
		if _, err := ses.Open(t.Context(), brokertest.Shell(brokertest.Viewer)); rule(err) != "window-ending" {
			t.Errorf("a new channel: %v", err)
		}
		if _, err := s.Admit(t.Context(), brokertest.Arrival("W-1"), &brokertest.Guest{}); rule(err) != "window-ending" {
			t.Errorf("a new session: %v", err)
		}
		time.Sleep(10 * time.Minute) // more than one round of questions
		if got := in(upload, "x"); got != "passed" {
			t.Errorf("the upload ten minutes later: %s", got)
		}
		if told := strings.Join(s.guest.Told(), "\n"); !strings.Contains(told, "upload of recipe.bin") || !strings.Contains(told, "may finish, at most until") {
			t.Errorf("the person was told %q", told)
		}
		done()
		time.Sleep(500 * time.Millisecond)
		if got := in(upload, "last words"); got != "passed" {
			t.Errorf("half a second after it was done: %s", got)
		}
		if half := s.HalfDone("W-1"); len(half) != 1 || over.Load() != 0 {
			t.Errorf("its last words are on their way: %q, done called %d times", half, over.Load())
		}
		time.Sleep(2 * time.Second)
		if got := in(upload, "x"); got == "passed" || over.Load() != 1 || s.HalfDone("W-1") != nil {
			t.Errorf("two seconds later: %s; done called %d times, half done %q", got, over.Load(), s.HalfDone("W-1"))
		}
		<-ses.Done()
	})
}

func TestNothingHalfDoneEndsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, c := s.shell(t)
		c.Busy("upload")()
		if half := s.Wind("W-1", time.Time{}, byMia, func() { t.Error("done is called for what has ended already") }); half != nil {
			t.Fatalf("half done: %q", half)
		}
		if got := in(c, "x"); got == "passed" {
			t.Error("a byte passed after the end")
		}
		<-ses.Done()
	})
}

func TestWhatIsHalfDoneEndsAtTheWindowsEndAndByCut(t *testing.T) {
	for name, end := range map[string]func(*scene){
		"its end": func(*scene) { time.Sleep(time.Hour) },
		"cut":     func(s *scene) { s.Stop("W-1", errors.New("cut")) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scene) {
				_, c := s.shell(t)
				c.Busy("upload")
				s.Wind("W-1", time.Time{}, byMia, func() {})
				if got := in(c, "x"); got != "passed" {
					t.Fatal(got)
				}
				end(s)
				if got := in(c, "x"); got == "passed" {
					t.Error("a byte passed after " + name)
				}
			})
		})
	}
}

// A paused window has nothing that may finish: "end" must not let input go on.
func TestEndOfAHeldWindowIsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		c.Busy("upload")
		s.Hold("W-1", "paused by mia")
		if half := s.Wind("W-1", time.Time{}, byMia, func() {}); half != nil {
			t.Errorf("half done: %q", half)
		}
		if got := in(c, "x"); got == "passed" {
			t.Error("a byte passed")
		}
	})
}

// A grace is for what is half done alone: the shell beside it ends when the
// window was to end, also where nothing ticks, and the transfer at the new end.
func TestAGraceIsForWhatIsHalfDone(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, shell := s.shell(t)
		upload := s.open(t, ses, brokertest.Shell(brokertest.Maint))
		upload.Busy("upload")
		old := time.Now().Add(time.Hour)
		time.Sleep(time.Hour - 5*time.Second)
		s.agreement.Change("W-1", func(f *policy.Facts) {
			f.Window.Ending, f.Window.Idle, f.Window.Until = true, old, old.Add(5*time.Minute)
		})
		s.Wind("W-1", old, byMia, func() {})
		time.Sleep(4 * time.Second)
		if got := in(shell, "x"); got != "passed" {
			t.Errorf("the shell a second before the end: %s", got)
		}
		time.Sleep(time.Second)
		if got := in(shell, "x"); got == "passed" {
			t.Error("the shell has a grace")
		}
		if got := in(upload, "x"); got != "passed" {
			t.Errorf("the upload at the old end: %s", got)
		}
		time.Sleep(5*time.Minute - time.Second)
		if got := in(upload, "x"); got != "passed" {
			t.Errorf("the upload a second before the new end: %s", got)
		}
		time.Sleep(time.Second)
		if got := in(upload, "x"); got == "passed" {
			t.Error("the upload passes the new end")
		}
	})
}

// Where another node began the ending, the facts alone do the same.
func TestAnEndingThatOnlyTheFactsTell(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, shell := s.shell(t)
		upload := s.open(t, ses, brokertest.Shell(brokertest.Maint))
		done := upload.Busy("upload")
		s.agreement.Change("W-1", func(f *policy.Facts) { f.Window.Ending, f.Window.Idle = true, time.Now() })
		time.Sleep(time.Second)
		if got := in(shell, "x"); got == "passed" {
			t.Error("the shell goes on")
		}
		if got := in(upload, "x"); got != "passed" {
			t.Errorf("the upload: %s", got)
		}
		done()
		time.Sleep(2 * time.Second)
		if got := in(upload, "x"); got == "passed" {
			t.Error("the upload goes on when it is done")
		}
		<-ses.Done()
	})
}

// Where the rules end the work before the window ends, the person reads which.
func TestTheRulesEndWorkAndSayWhy(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.agreement.Window("W-1", time.Now(), 10*time.Hour)
		ses, c := s.shell(t)
		time.Sleep(8*time.Hour - time.Minute - time.Second) // the rule's longest is 8 h; it was opened a minute ago
		if got := in(c, "x"); got != "passed" {
			t.Fatal(got)
		}
		if told := strings.Join(s.guest.Told(), "\n"); !strings.Contains(told, "ends (this has run for the 8h that rule any allows") {
			t.Errorf("told %q", told)
		}
		time.Sleep(time.Second)
		if got := in(c, "x"); got != "too-long" {
			t.Errorf("at the rule's end: %s", got)
		}
		if _, err := ses.Open(t.Context(), brokertest.Shell(brokertest.Maint)); rule(err) != "too-long" {
			t.Errorf("a new channel: %v", err)
		}
	})
}
