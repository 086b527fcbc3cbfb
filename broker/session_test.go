package broker_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"penstock/approvals"
	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

func TestEventsOfASession(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, c := s.shell(t)
		if got := in(c, "ls\n"); got != "passed" {
			t.Fatal(got)
		}
		for range 2 {
			if err := c.Out(t.Context(), recording.Out, []byte("file\n")); err != nil {
				t.Fatal(err)
			}
		}
		d := c.Ask(t.Context(), "exec", map[string]any{"command": "ls", "allowed": "I lie"})
		if !d.Allow {
			t.Fatalf("exec: %+v", d)
		}
		if err := c.Mark(t.Context(), recording.Resize, []byte("80x24")); err != nil {
			t.Fatal(err)
		}
		c.Close("0", nil)
		c.Close("1", errors.New("again"))
		ses.End(nil)
		<-ses.Done()
		want := []string{"session.started", "channel.opened", "firstbyte", "channel.closed", "session.ended"}
		if got := s.log.Types(); !slices.Equal(got, want) {
			t.Errorf("events %v", got)
		}
		opened := brokertest.Bodies[audit.ChannelOpened](s.log)[0]
		if opened.Window != "W-1" || opened.Target != "127.0.0.1:2201" || opened.Kind != "shell" || opened.Rule != "any" || len(opened.Rights) != 5 || len(opened.Path) != 2 {
			t.Errorf("channel.opened: %+v", opened)
		}
		if closed := brokertest.Bodies[audit.ChannelClosed](s.log)[0]; closed != (audit.ChannelClosed{Session: "S-1", In: 3, Out: 10, Exit: "0"}) {
			t.Errorf("channel.closed: %+v", closed)
		}
		if ended := brokertest.Bodies[audit.SessionEnded](s.log)[0]; ended.Cause != "client" || ended.Close != audit.HashOf([]byte("close client")) {
			t.Errorf("session.ended: %+v", ended)
		}
		if q := s.tape.of(recording.Request); len(q) != 1 || q[0] != `{"allowed":true,"command":"ls","kind":"exec","rule":"any"}` {
			t.Errorf("request frames: %q", q)
		}
		if len(s.Sessions()) != 0 {
			t.Error("the session is still listed")
		}
	})
}

func TestAChannelThatFailedSaysWhy(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		c.Close("", &policy.Refusal{Rule: "target-unreachable", Why: "dial 127.0.0.1:2201: connection refused"})
		closed := brokertest.Bodies[audit.ChannelClosed](s.log)
		if len(closed) != 1 || closed[0].Cause != "refused (target-unreachable): dial 127.0.0.1:2201: connection refused" {
			t.Errorf("channel.closed: %+v", closed)
		}
	})
}

func TestWhoIsNotLetIn(t *testing.T) {
	for name, row := range map[string]struct {
		do      func(*scene)
		windows []policy.WindowID
		rule    string
	}{
		"a certificate without a window": {func(*scene) {}, nil, "no-window"},
		"a window that is not known":     {func(*scene) {}, []policy.WindowID{"W-9"}, "unknown-window"},
		"a window that is over":          {func(*scene) { time.Sleep(time.Hour) }, []policy.WindowID{"W-1"}, "window-ended"},
		"a paused window": {func(s *scene) {
			s.agreement.Change("W-1", func(f *policy.Facts) { f.Window.Paused, f.Window.Live = true, false })
		}, []policy.WindowID{"W-1"}, "window-paused"},
		"a window that was cut a moment ago": {func(s *scene) { s.Stop("W-1", errors.New("cut")) }, []policy.WindowID{"W-1"}, "window-cut"},
		"a window that has ended beside one that was cut": {func(s *scene) {
			s.agreement.Window(brokertest.W2, time.Now(), time.Hour)
			s.Stop("W-1", &policy.Refusal{Rule: "ended", Say: "W-1 ended by mia: done"})
			s.Stop("W-2", &policy.Refusal{Rule: "cut", Say: "W-2 cut by mia: the guard is open"})
		}, []policy.WindowID{"W-1", "W-2"}, "cut"},
		"a firm that was blocked a moment ago": {func(s *scene) {
			s.Block(policy.Block{ID: "B-1", Firm: brokertest.Krall}, nil)
		}, []policy.WindowID{"W-1"}, "blocked"},
		"a clock that is not accepted": {func(s *scene) { s.Refuse(&policy.Refusal{Rule: "clock-behind"}) }, []policy.WindowID{"W-1"}, "clock-behind"},
		"facts that cannot be had":     {func(s *scene) { s.agreement.Fail(errors.New("disk on fire")) }, []policy.WindowID{"W-1"}, "facts about W-1: disk on fire"},
		"facts that panic":             {func(s *scene) { s.agreement.Before(func() { panic("oh") }) }, []policy.WindowID{"W-1"}, "facts about W-1: panic: oh"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scene) {
				synctest.Wait()
				row.do(s)
				_, err := s.Admit(t.Context(), brokertest.Arrival(row.windows...), s.guest)
				if rule(err) != row.rule {
					t.Errorf("refused by %q, want %q", rule(err), row.rule)
				}
				if len(s.log.Types()) != 0 || len(s.Sessions()) != 0 {
					t.Errorf("something is left: %v %v", s.log.Types(), s.Sessions())
				}
			})
		})
	}
}

// The cut comes while the facts that allow are on their way: nobody who is in
// knows of them, and they must not be believed.
func TestACutDuringAdmitOrOpen(t *testing.T) {
	for name, take := range map[string]func(*scene){
		"cut":   func(s *scene) { s.Stop(brokertest.W1, errors.New("cut")) },
		"block": func(s *scene) { s.Block(policy.Block{ID: "B-1", All: true}, nil) },
		"agreement": func(s *scene) {
			s.agreement.Quietly(brokertest.W1, func(f *policy.Facts) { f.Window.Live = false })
			s.agreement.Tell(approvals.Changed{Window: brokertest.W1})
			synctest.Wait() // all who are in have been asked about again
		},
		"narrower": func(s *scene) {
			s.agreement.Quietly(brokertest.W1, func(f *policy.Facts) { f.Window.Targets = nil })
			s.agreement.Tell(approvals.Changed{Window: brokertest.W1})
			synctest.Wait()
		},
	} {
		for _, at := range []string{"admit", "open"} {
			t.Run(name+" during "+at, func(t *testing.T) {
				inBubble(t, func(t *testing.T, s *scene) {
					var ses *broker.Session
					if at == "open" {
						ses = s.admit(t, brokertest.W1)
					}
					done := false
					s.agreement.After(func() {
						if !done {
							done = true
							take(s)
						}
					})
					if ses == nil {
						var err error
						if ses, err = s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), s.guest); err == nil {
							synctest.Wait()
							if name != "narrower" && len(s.Sessions()) != 0 {
								t.Error("a session lives in a window that was taken")
							}
						}
					}
					if ses != nil {
						if c, err := ses.Open(t.Context(), brokertest.Shell(brokertest.Maint)); err == nil {
							synctest.Wait()
							if got := in(c, "x"); got == "passed" {
								t.Error("bytes passed in a window that was taken")
							}
						}
					}
				})
			})
		}
	}
}

func TestTheWindowThatEndsLastIsBound(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.agreement.Window(brokertest.W2, time.Now(), 2*time.Hour)
		ses := s.admit(t, brokertest.W1, brokertest.W2)
		c := s.open(t, ses, brokertest.Shell(brokertest.Maint))
		if c.Window() != brokertest.W2 || c.Decision().Window != brokertest.W2 {
			t.Errorf("bound to %s", c.Window())
		}
		time.Sleep(time.Hour + time.Second)
		if got := in(c, "x"); got != "passed" {
			t.Errorf("the other window's end: %s", got)
		}
	})
}

func TestAWindowsEndClosesItsChannelsOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.agreement.Window(brokertest.W2, time.Now(), 2*time.Hour)
		s.agreement.Change(brokertest.W1, func(f *policy.Facts) {
			f.Window.Targets, f.Window.Rights = []policy.Target{{Asset: brokertest.PLC, Port: "ssh", Account: brokertest.Viewer}}, policy.Look
		})
		s.agreement.Change(brokertest.W2, func(f *policy.Facts) {
			f.Window.Targets = []policy.Target{{Asset: brokertest.PLC, Port: "ssh", Account: brokertest.Maint}}
		})
		ses := s.admit(t, brokertest.W1, brokertest.W2)
		one, two := s.open(t, ses, brokertest.Shell(brokertest.Viewer)), s.open(t, ses, brokertest.Shell(brokertest.Maint))
		if one.Window() != brokertest.W1 || two.Window() != brokertest.W2 {
			t.Fatalf("bound to %s and %s", one.Window(), two.Window())
		}
		s.Stop(brokertest.W1, &policy.Refusal{Rule: "window-ended", Say: "ended by Mia"})
		if got := in(one, "x"); got != "window-ended" {
			t.Errorf("in the window that ended: %s", got)
		}
		if got := in(two, "x"); got != "passed" {
			t.Errorf("in the other window: %s", got)
		}
		if _, err := ses.Open(t.Context(), brokertest.Shell(brokertest.Viewer)); err == nil {
			t.Error("a channel opened in a window that was stopped, though the agreement does not say so yet")
		}
		s.Stop(brokertest.W2, nil)
		<-ses.Done()
		if ended := brokertest.Bodies[audit.SessionEnded](s.log); ended[0].Cause != "cut" {
			t.Errorf("session.ended: %+v", ended)
		}
	})
}

func TestWhatEndsAChannelLater(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*policy.Facts)
		rule   string
	}{
		"the window ends elsewhere":    {func(f *policy.Facts) { f.Window.Live = false }, "window-not-open"},
		"the person leaves the window": {func(f *policy.Facts) { f.Window.People = nil }, "not-in-window"},
		"the person is disabled":       {func(f *policy.Facts) { f.Person.Disabled = true }, "person-disabled"},
		"the firm loses its networks":  {func(f *policy.Facts) { f.Person.Networks = nil }, "source-network"},
		"the target leaves the window": {func(f *policy.Facts) { f.Window.Targets = nil }, "target-not-in-window"},
		"the answers do not suffice":   {func(f *policy.Facts) { f.Window.Agreed = false }, "window-not-agreed"},
		"a block in the log":           {func(f *policy.Facts) { f.Blocks = []policy.Block{{ID: "B-1", Asset: brokertest.PLC}} }, "blocked"},
		"the end is moved to the past": {func(f *policy.Facts) { f.Window.Until = time.Now() }, "window-ended"},
		"rights that the account tops": {func(f *policy.Facts) { f.Window.Rights = policy.Look | policy.Copy }, "account-can-more"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scene) {
				_, c := s.shell(t)
				s.agreement.Change(brokertest.W1, row.change)
				<-c.Context().Done()
				if got := in(c, "x"); got != row.rule {
					t.Errorf("ended by %s, want %s", got, row.rule)
				}
			})
		})
	}
}

func TestAMissedChangeIsFoundByTheSweep(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		s.agreement.Quietly(brokertest.W1, func(f *policy.Facts) { f.Person.Disabled = true })
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if got := in(c, "x"); got != "person-disabled" {
			t.Errorf("after the sweep: %s", got)
		}
	})
}

func TestFactsThatCannotBeHadEndASession(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, _ := s.shell(t)
		s.agreement.Fail(errors.New("disk on fire"))
		s.agreement.Tell(approvals.Changed{Person: brokertest.Ann})
		<-ses.Done()
		if closed := s.guest.Closed(); rule(closed[0]) != "facts-unknown" {
			t.Errorf("told %v", closed)
		}
	})
}

func TestAWatchThatBreaks(t *testing.T) {
	plant := testPlant(t)
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, plant, broker.Limits{})
		ses, c := s.shell(t)
		s.agreement.Break()
		s.agreement.Mend()
		synctest.Wait()
		if _, err := s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), s.guest); err != nil {
			t.Errorf("admit must wait for the new watch: %v", err)
		}
		if got := in(c, "x"); got != "passed" {
			t.Errorf("one new try: %s", got)
		}
		s.agreement.Break() // soon after the first time: given up
		<-ses.Done()
		if _, err := s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), s.guest); rule(err) != "starting" {
			t.Errorf("admitted without a watch: %v", err)
		}
		if err := s.stop(); err == nil {
			t.Error("Run said nothing of a watch that broke")
		}
	})
}

func TestAChangeWhileTheWatchIsBrokenIsSeen(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		synctest.Wait()
		s.agreement.Break()
		s.agreement.Mend()
		s.agreement.Quietly(brokertest.W1, func(f *policy.Facts) { f.Person.Disabled = true })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := in(c, "x"); got != "person-disabled" {
			t.Errorf("after the new watch: %s", got)
		}
	})
}

func TestOneWriter(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, first := s.shell(t)
		ses := s.admit(t, brokertest.W1)
		if _, err := ses.Open(t.Context(), brokertest.Shell(brokertest.Maint)); rule(err) != "one-writer" {
			t.Errorf("a second writer: %v", err)
		}
		look := s.open(t, ses, brokertest.Shell(brokertest.Viewer))
		first.Close("0", nil)
		s.open(t, ses, brokertest.Shell(brokertest.Maint))
		look.Close("0", nil)
	})
}

func TestBoundsOfSessionsAndChannels(t *testing.T) {
	plant := testPlant(t)
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, plant, broker.Limits{Sessions: 3, SessionsPerPerson: 2, Channels: 2})
		defer s.stop()
		one := s.admit(t, brokertest.W1)
		two := s.admit(t, brokertest.W1)
		if _, err := s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), s.guest); rule(err) != "too-many-sessions" {
			t.Errorf("a third session of one person: %v", err)
		}
		two.End(nil)
		<-two.Done()
		s.admit(t, brokertest.W1)
		a := s.open(t, one, brokertest.Shell(brokertest.Viewer))
		s.open(t, one, brokertest.Shell(brokertest.Viewer))
		if _, err := one.Open(t.Context(), brokertest.Shell(brokertest.Viewer)); rule(err) != "too-many-channels" {
			t.Errorf("a third channel: %v", err)
		}
		a.Close("0", nil)
		if c := s.open(t, one, brokertest.Shell(brokertest.Viewer)); c.Number() != 2 {
			t.Errorf("a number was used twice: %d", c.Number())
		}
	})
}

// Who has just come in is one session, and not one more on the way in: many who
// come at the same time get all the places there are.
func TestWhoHasJustComeInCountsOnce(t *testing.T) {
	plant := testPlant(t)
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, plant, broker.Limits{SessionsPerPerson: 2})
		defer s.stop()
		moved, second := false, errors.New("nobody was in while somebody came in")
		s.agreement.After(func() {
			switch {
			case !moved: // so that what came by meanwhile is asked about again, before Admit returns
				moved = true
				s.Release(brokertest.W1)
			case len(s.Sessions()) == 1 && second != nil:
				_, second = s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), s.guest)
			}
		})
		s.admit(t, brokertest.W1)
		if second != nil {
			t.Errorf("the second of two: %v", second)
		}
	})
}

func TestTenThousandOpens(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses := s.admit(t, brokertest.W1)
		refused := 0
		for range 10_000 {
			if _, err := ses.Open(t.Context(), policy.Query{Asset: "nothing", Port: "ssh", Account: "x", Kind: "shell"}); err != nil {
				refused++
			}
		}
		if leaves := len(brokertest.Bodies[audit.ChannelRefused](s.log)); refused != 10_000 || leaves > 70 {
			t.Errorf("%d refused, %d leaves", refused, leaves)
		}
		time.Sleep(time.Minute)
		s.open(t, ses, brokertest.Shell(brokertest.Maint))
	})
}

func TestWhatIsOwnedIsClosedAtTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		before := newCloser()
		if err := c.Own(before); err != nil {
			t.Fatal(err)
		}
		s.Stop(brokertest.W1, errors.New("cut"))
		select {
		case <-before.done:
		default:
			t.Error("Stop returned before the connection was closed")
		}
		after := newCloser()
		if err := c.Own(after); rule(err) != "window-cut" {
			t.Errorf("Own after the end: %v", err)
		}
		<-after.done
	})
}

type stuck struct{ free chan struct{} }

func (s stuck) Close() error { <-s.free; return nil }

type mad struct{}

func (mad) Close() error { panic("no") }

func TestAConnectionThatDoesNotCloseHoldsUpNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, c := s.shell(t)
		free := make(chan struct{})
		defer close(free)
		_ = c.Own(stuck{free})
		_ = c.Own(mad{})
		began := time.Now()
		s.Stop(brokertest.W1, errors.New("cut"))
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("Stop took %v", took)
		}
		<-ses.Done()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the session took %v to end", took)
		}
	})
}

// End returns when nobody is between a look and its consequence.
func TestEndWaitsForTheLastByte(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, c := s.shell(t)
		conn := newCloser()
		_ = c.Own(conn)
		var passed atomic.Int64
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			for in(c, "x") == "passed" {
				passed.Add(1)
			}
		}()
		runtime.Gosched()
		ses.End(errors.New("gone"))
		at := passed.Load()
		select {
		case <-conn.done:
		default:
			t.Error("End returned before the connection was closed")
		}
		<-stop
		if n := passed.Load() - at; n > 1 { // the one that had passed and was not counted yet
			t.Errorf("%d passed after End", n)
		}
	})
}

func TestABlockIsForgottenOnceTheLogHasSpoken(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		block := policy.Block{ID: "B-1", Firm: brokertest.Krall}
		s.Block(block, nil)
		admit := func() string {
			ses, err := s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), s.guest)
			if err == nil {
				ses.End(nil)
			}
			return rule(err)
		}
		if got := admit(); got != "blocked" {
			t.Errorf("before the log has it: %q", got)
		}
		s.agreement.Quietly(brokertest.W1, func(f *policy.Facts) { f.Blocks = []policy.Block{block} })
		s.agreement.Tell(approvals.Changed{Block: "B-1"})
		synctest.Wait()
		if got := admit(); got != "blocked" {
			t.Errorf("while the log has it: %q", got)
		}
		s.agreement.Quietly(brokertest.W1, func(f *policy.Facts) { f.Blocks = nil })
		s.agreement.Tell(approvals.Changed{Block: "B-1"})
		synctest.Wait()
		if got := admit(); got != "" {
			t.Errorf("after it was lifted: %q", got)
		}
	})
}

func TestDrain(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		quick, slow := s.admit(t, brokertest.W1), s.admit(t, brokertest.W1)
		go func() {
			time.Sleep(time.Minute)
			quick.End(nil)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		began := time.Now()
		if err := s.Drain(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 5*time.Minute || took > 6*time.Minute {
			t.Errorf("drain took %v", took)
		}
		<-slow.Done()
		var causes []string
		for _, e := range brokertest.Bodies[audit.SessionEnded](s.log) {
			causes = append(causes, e.Cause)
		}
		if !slices.Equal(causes, []string{"client", "drain"}) {
			t.Errorf("causes %v", causes)
		}
		if _, err := s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), s.guest); rule(err) != "drain" {
			t.Errorf("admitted while draining: %v", err)
		}
		if told := strings.Join(s.guest.Told(), "\n"); !strings.Contains(told, "about to stop") {
			t.Errorf("told %q", told)
		}
	})
}

type badGuest struct{ brokertest.Guest }

func (*badGuest) Tell(string) { panic("Tell") }
func (*badGuest) Close(error) { panic("Close") }

func TestAGuestThatPanics(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, err := s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), &badGuest{})
		if err != nil {
			t.Fatal(err)
		}
		c := s.open(t, ses, brokertest.Shell(brokertest.Maint))
		s.Hold(brokertest.W1, "x")
		synctest.Wait()
		s.Release(brokertest.W1)
		if got := in(c, "x"); got != "passed" {
			t.Error(got)
		}
		ses.End(nil)
		<-ses.Done()
	})
}

// deafGuest's Tell returns when the test says so.
type deafGuest struct {
	brokertest.Guest
	hears chan struct{}
}

func (g *deafGuest) Tell(string) { <-g.hears }

func TestAGuestThatDoesNotReturn(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		deaf := &deafGuest{hears: make(chan struct{})}
		defer close(deaf.hears)
		ses, err := s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), deaf)
		if err != nil {
			t.Fatal(err)
		}
		c := s.open(t, ses, brokertest.Shell(brokertest.Maint))
		s.Hold(brokertest.W1, "x")
		synctest.Wait()
		at := time.Now()
		ses.End(nil)
		if got := in(c, "x"); got == "passed" {
			t.Error("bytes passed after the end")
		}
		<-ses.Done()
		if took := time.Since(at); took > 2*time.Second {
			t.Errorf("a person's end that hangs kept the session for %s", took)
		}
	})
}

func TestSessionsList(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		in(c, "abc")
		s.Hold(brokertest.W1, "x")
		live := s.Sessions()
		if got := fmt.Sprintf("%+v", live[0].Channels); len(live) != 1 || live[0].Firm != brokertest.Krall ||
			!strings.Contains(got, "Kind:shell Target:plc by ssh as maint") || !strings.Contains(got, "In:3 Out:0 Held:true") {
			t.Errorf("%+v", live)
		}
		s.Release(brokertest.W1)
	})
}

func TestCauseWords(t *testing.T) {
	for word, err := range map[string]error{
		"client":     errors.New("EOF"),
		"window-end": &policy.Refusal{Rule: "window-ended"},
		"cut":        &policy.Refusal{Rule: "cut"},
		"recorder":   fmt.Errorf("x: %w", &policy.Refusal{Rule: "recording-failed"}),
		"drain":      &policy.Refusal{Rule: "drain"},
		"policy":     &policy.Refusal{Rule: "source-network"},
	} {
		if got := broker.CauseWord(err); got != word {
			t.Errorf("%v is %s, want %s", err, got, word)
		}
	}
}
