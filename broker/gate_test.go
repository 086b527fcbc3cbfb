package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

// inBubble runs a test on a clock of its own.
func inBubble(t *testing.T, f func(*testing.T, *scene)) {
	t.Helper()
	inBubbleOf(t, testPlant(t), f)
}

func inBubbleOf(t *testing.T, plant *policy.Plant, f func(*testing.T, *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, plant, broker.Limits{})
		defer func() {
			if err := s.stop(); err != nil {
				t.Errorf("Run: %v", err)
			}
		}()
		f(t, s)
	})
}

// Promise 1: no bytes after the end, by whichever clock it has come. The test
// asks the gate itself, at the very moment, before any timer has fired.
func TestNothingPassesAfterTheEnd(t *testing.T) {
	for name, wait := range hours {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scene) {
				_, c := s.shell(t)
				if got := in(c, "before"); got != "passed" {
					t.Fatalf("before the end: %s", got)
				}
				wait(s)
				if got := in(c, "after"); got != "window-ended" {
					t.Errorf("In after the end: %s", got)
				}
				if err := c.Out(t.Context(), recording.Out, []byte("x")); rule(err) != "window-ended" {
					t.Errorf("Out after the end: %v", err)
				}
				if d := c.Ask(t.Context(), "exec", nil); d.Allow || d.Rule != "window-ended" {
					t.Errorf("Ask after the end: %+v", d)
				}
				if err := c.Look(); rule(err) != "window-ended" {
					t.Errorf("Look after the end: %v", err)
				}
				if len(s.tape.of(recording.Out)) != 0 {
					t.Error("bytes to the person were taken into the recording after the end")
				}
				if slices.Contains(s.tape.of(recording.In), "after") {
					t.Error("bytes after the end were taken into the recording as input")
				}
			})
		})
	}
}

// The same where each is the first to see the end: what glances before it looks.
func TestWhoeverIsFirstSeesTheEnd(t *testing.T) {
	for name, wait := range hours {
		for way, try := range map[string]func(*broker.Channel, broker.Moment) error{
			"Out": func(c *broker.Channel, _ broker.Moment) error {
				return c.Out(c.Context(), recording.Out, []byte("x"))
			},
			"Through": func(c *broker.Channel, m broker.Moment) error {
				_, err := c.Through(c.Context(), m, []byte("x"))
				return err
			},
			"Came and Through": func(c *broker.Channel, m broker.Moment) error {
				if err := c.Came(c.Context(), []byte("x")); err != nil {
					return err
				}
				_, err := c.Through(c.Context(), m, []byte("x"))
				return err
			},
		} {
			t.Run(way+", "+name, func(t *testing.T) {
				inBubble(t, func(t *testing.T, s *scene) {
					_, c := s.shell(t)
					m, err := c.Moment(c.Context())
					if err != nil {
						t.Fatal(err)
					}
					wait(s)
					if err := try(c, m); rule(err) != "window-ended" {
						t.Error(err)
					}
				})
			})
		}
	}
}

// hours are the ways in which an hour may pass.
var hours = func() map[string]func(*scene) {
	hour := time.Hour
	return map[string]func(*scene){
		"time passed":                    func(*scene) { time.Sleep(hour) },
		"the wall clock stepped forward": func(s *scene) { s.times.stepWall(hour) },
		"the machine slept":              func(s *scene) { s.times.sleepOver(hour) },
		"the wall clock stepped back, and the hour passed": func(s *scene) {
			s.times.stepWall(-3 * hour)
			time.Sleep(hour)
		},
		"the other two clocks stand still": func(s *scene) {
			s.times.die()
			time.Sleep(hour)
		},
		"the wall clock stepped back, and the machine slept": func(s *scene) {
			s.times.sleepOver(hour)
			s.times.stepWall(-3 * hour)
		},
	}
}()

// Monotonic time alone, in a window too short for anything to be asked again.
func TestMonotonicTimeAloneEndsAWindow(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.agreement.Window(brokertest.W1, time.Now(), 10*time.Second)
		_, c := s.shell(t)
		s.times.die()
		time.Sleep(10 * time.Second)
		if got := in(c, "x"); got != "window-ended" {
			t.Errorf("In after the end: %s", got)
		}
	})
}

func TestOneMomentBeforeTheEndPasses(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		time.Sleep(time.Hour - time.Nanosecond)
		if got := in(c, "last"); got != "passed" {
			t.Errorf("a nanosecond before the end: %s", got)
		}
		time.Sleep(time.Nanosecond)
		if got := in(c, "late"); got != "window-ended" {
			t.Errorf("at the end: %s", got)
		}
	})
}

func TestAnIdleSessionEndsWithinASecond(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, c := s.shell(t)
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if c.Context().Err() == nil || rule(context.Cause(c.Context())) != "window-ended" {
			t.Errorf("the channel lives: %v", context.Cause(c.Context()))
		}
		select {
		case <-ses.Done():
		default:
			t.Error("the session lives a second after its only window's end")
		}
		if closed := s.guest.Closed(); len(closed) != 1 || rule(closed[0]) != "window-ended" {
			t.Errorf("the person was told: %v", closed)
		}
		if ended := brokertest.Bodies[audit.SessionEnded](s.log); len(ended) != 1 || ended[0].Cause != "window-end" || ended[0].Close.IsZero() {
			t.Errorf("session.ended: %+v", ended)
		}
	})
}

// twoWays is the test plant with a TCP port, whose output is durable first.
func twoWays(t *testing.T) *policy.Plant {
	return brokertest.Plant(t, netip.MustParseAddrPort("127.0.0.1:2201"), 502, pin)
}

// Promise 1, the look after the commit: the end comes while the bytes are on
// their way to the disk, the vendor's and the target's.
func TestTheEndComesWhileACommitRuns(t *testing.T) {
	for name, end := range map[string]func(*scene){
		"cut":        func(s *scene) { s.Stop(brokertest.W1, errors.New("cut by Mia")) },
		"clock":      func(s *scene) { s.times.stepWall(2 * time.Hour) },
		"blocked":    func(s *scene) { s.Block(policy.Block{ID: "B-1", Firm: brokertest.Krall}, nil) },
		"island":     func(s *scene) { s.Block(policy.Block{ID: "B-1", All: true}, nil) },
		"the person": func(s *scene) { s.Block(policy.Block{ID: "B-1", Person: brokertest.Ann}, nil) },
		"the asset":  func(s *scene) { s.Block(policy.Block{ID: "B-1", Asset: brokertest.PLC}, nil) },
		"the zone":   func(s *scene) { s.Block(policy.Block{ID: "B-1", Zone: "line-1"}, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubbleOf(t, twoWays(t), func(t *testing.T, s *scene) {
				ses, c := s.shell(t)
				modbus := s.open(t, ses, brokertest.Modbus())
				disk := make(chan struct{})
				s.tape.hangFrom(disk)
				got, back := make(chan string, 1), make(chan error, 1)
				go func() { got <- in(c, "rm -rf /") }()
				<-s.tape.hanging
				go func() { back <- modbus.Out(t.Context(), recording.Out, []byte("y")) }()
				<-s.tape.hanging
				began := time.Now()
				end(s)
				if took := time.Since(began); took > 50*time.Millisecond {
					t.Errorf("taking waited %v for a hanging commit", took)
				}
				close(disk)
				if got := <-got; got == "passed" {
					t.Error("bytes passed after the end")
				}
				if err := <-back; err == nil {
					t.Error("the target's bytes passed after the end")
				}
				if got := in(c, "more"); got == "passed" {
					t.Error("more bytes passed after the end")
				}
			})
		})
	}
}

// Promise 2: nothing is forwarded that is not durable.
func TestNoByteWithoutARecord(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		disk := make(chan struct{})
		s.tape.hangFrom(disk)
		got := make(chan string, 1)
		go func() { got <- in(c, "x") }()
		<-s.tape.hanging
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("In returned before the commit did")
		default:
		}
		close(disk)
		if got := <-got; got != "passed" {
			t.Errorf("after the commit: %s", got)
		}
		if in := s.tape.of(recording.In); len(in) != 1 || in[0] != "x" {
			t.Errorf("recorded: %q", in)
		}
	})
}

// Nor does a byte reach the vendor before it is durable, where the plant says so: by
// default on a TCP port, and for files; a shell's output is on its way at once.
func TestStrictBothHoldsOutput(t *testing.T) {
	inBubbleOf(t, twoWays(t), func(t *testing.T, s *scene) {
		ses := s.admit(t, brokertest.W1)
		files := brokertest.Shell(brokertest.Maint)
		files.Port, files.Kind = "sftp", "sftp"
		shell, strict := s.open(t, ses, brokertest.Shell(brokertest.Maint)), []*broker.Channel{s.open(t, ses, brokertest.Modbus()), s.open(t, ses, files)}
		disk := make(chan struct{})
		s.tape.hangFrom(disk)
		if err := shell.Out(t.Context(), recording.Out, []byte("$ ")); err != nil {
			t.Errorf("a shell's output: %v", err)
		}
		out := make(chan error, len(strict))
		for _, c := range strict {
			go func() { out <- c.Out(t.Context(), recording.Out, []byte("y")) }()
			synctest.Wait()
			if len(out) > 0 {
				t.Fatalf("%s: Out returned before the commit did: %v", c.Query().Kind, <-out)
			}
		}
		close(disk)
		for range strict {
			if err := <-out; err != nil {
				t.Errorf("after the commit: %v", err)
			}
		}
	})
}

func TestARecorderThatFailsEndsTheSession(t *testing.T) {
	for _, at := range []string{"create", "stream", "commit", "append", "close-stream", "close"} {
		t.Run(at, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scene) {
				s.tape.failAt(at)
				forwarded := ""
				ses, err := s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), s.guest)
				if (err != nil) != (at == "create") {
					t.Fatalf("admit: %v", err)
				}
				if err != nil {
					if rule(err) != "recording-failed" || len(s.log.Types()) != 0 || len(s.Sessions()) != 0 {
						t.Errorf("%v, events %v, sessions %v", err, s.log.Types(), s.Sessions())
					}
					return
				}
				c, err := ses.Open(t.Context(), brokertest.Shell(brokertest.Maint))
				if err == nil {
					if in(c, "x") == "passed" {
						forwarded += "x"
					}
					_ = c.Out(t.Context(), recording.Out, []byte("y"))
					if in(c, "z") == "passed" {
						forwarded += "z"
					}
					c.Close("0", nil)
				}
				ses.End(nil)
				<-ses.Done()
				if recorded := strings.Join(s.tape.of(recording.In), ""); !strings.HasPrefix(recorded, forwarded) {
					t.Errorf("forwarded %q, recorded %q", forwarded, recorded)
				}
				if at == "stream" || at == "commit" {
					if forwarded != "" {
						t.Errorf("forwarded %q", forwarded)
					}
				}
				ended := brokertest.Bodies[audit.SessionEnded](s.log)
				if len(ended) != 1 {
					t.Fatalf("session.ended: %+v", ended)
				}
				if at != "close" && ended[0].Cause != "recorder" {
					t.Errorf("cause %s", ended[0].Cause)
				}
				if len(s.Sessions()) != 0 {
					t.Error("a session is left")
				}
			})
		})
	}
}

func TestALogThatFailsEndsEverything(t *testing.T) {
	for _, at := range []string{"session.started", "channel.opened", "channel.refused", "firstbyte", "channel.closed", "session.ended"} {
		t.Run(at, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scene) {
				other := s.admit(t, brokertest.W1)
				s.log.FailAt(at)
				ses, err := s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), s.guest)
				var c *broker.Channel
				if err == nil {
					_, _ = ses.Open(t.Context(), policy.Query{Asset: "nothing", Port: "ssh", Account: "x"})
					c, err = ses.Open(t.Context(), brokertest.Shell(brokertest.Maint))
				}
				if err == nil {
					_ = c.Out(t.Context(), recording.Out, []byte("y"))
					c.Close("0", nil)
					ses.End(nil)
				}
				<-other.Done()
				if ses != nil {
					<-ses.Done()
				}
				if notes := s.tape.of(recording.Note); len(notes) > 0 && !slices.Contains(s.log.Types(), "channel.opened") {
					t.Errorf("recorded of a channel that the log has not opened, which is a finding: %q", notes)
				}
				if rule(s.Ready()) != "recording-failed" {
					t.Errorf("ready: %v", s.Ready())
				}
				if _, err := s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), s.guest); rule(err) != "recording-failed" {
					t.Errorf("admitted after the log failed: %v", err)
				}
			})
		})
	}
}

func TestTheArchiveFailsWhileNobodyTypes(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, _ := s.shell(t)
		close(s.tape.gone)
		<-ses.Done()
		if rule(s.Ready()) != "recording-failed" {
			t.Errorf("ready: %v", s.Ready())
		}
	})
}

func TestAPauseHoldsInputAndNotOutput(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		s.Hold(brokertest.W1, "paused by mia: a pallet fell")
		got := make(chan string, 2)
		go func() { got <- in(c, "held") }()
		asked := make(chan bool, 1)
		go func() { asked <- c.Ask(context.Background(), "signal", map[string]string{"signal": "INT"}).Allow }()
		synctest.Wait()
		if err := c.Out(t.Context(), recording.Out, []byte("still shown")); err != nil {
			t.Errorf("output while paused: %v", err)
		}
		if len(got) != 0 || len(asked) != 0 || len(s.tape.of(recording.In)) != 0 {
			t.Error("input did not wait")
		}
		if _, err := s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), s.guest); rule(err) != "window-paused" {
			t.Errorf("admitted in a pause that the agreement does not know yet: %v", err)
		}
		s.Release(brokertest.W1)
		if got := <-got; got != "passed" || !<-asked {
			t.Errorf("after the pause: %s", got)
		}
		synctest.Wait()
		told := strings.Join(s.guest.Told(), "\n")
		if !strings.Contains(told, "is paused by mia: a pallet fell") || !strings.Contains(told, "goes on") {
			t.Errorf("told: %q", told)
		}
		if notes := strings.Join(s.tape.of(recording.Note), "\n"); !strings.Contains(notes, "a pallet fell") {
			t.Errorf("notes: %q", notes)
		}
	})
}

func TestAPauseComesWhileACommitRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		disk := make(chan struct{})
		s.tape.hangFrom(disk)
		got := make(chan string, 1)
		go func() { got <- in(c, "x") }()
		<-s.tape.hanging
		s.Hold(brokertest.W1, "wait")
		close(disk)
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("bytes passed a pause")
		}
		s.Release(brokertest.W1)
		if got := <-got; got != "passed" {
			t.Errorf("after the pause: %s", got)
		}
	})
}

func TestAPausedChannelStillEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		s.Hold(brokertest.W1, "wait")
		got := make(chan string, 1)
		go func() { got <- in(c, "x") }()
		time.Sleep(time.Hour + time.Second)
		if got := <-got; got != "window-ended" {
			t.Errorf("In: %s", got)
		}
	})
}

func TestAPauseOfTheAgreement(t *testing.T) {
	pause := func(on bool) func(*policy.Facts) {
		return func(f *policy.Facts) { f.Window.Paused, f.Window.Live = on, !on }
	}
	inBubble(t, func(t *testing.T, s *scene) {
		ses, c := s.shell(t)
		s.agreement.Change(brokertest.W1, pause(true))
		synctest.Wait()
		got := make(chan string, 1)
		go func() { got <- in(c, "x") }()
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("bytes passed a pause")
		}
		if _, err := ses.Open(t.Context(), brokertest.Shell(brokertest.Viewer)); rule(err) != "window-paused" {
			t.Errorf("a channel opened in a pause: %v", err)
		}
		s.agreement.Change(brokertest.W1, pause(false))
		if got := <-got; got != "passed" {
			t.Errorf("after the pause: %s", got)
		}
	})
}

// escorted is the test plant whose rule asks for an escort and a gate.
func escorted(t *testing.T) *policy.Plant {
	t.Helper()
	var b struct {
		Files map[string]string
		Main  string
	}
	if err := json.Unmarshal(testPlant(t).Document(), &b); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(b.Files[b.Main], "rules:\n", "gates:\n  clear: {name: Area clear, kind: manual}\nrules:\n  - {name: e, when: {right: set}, escort: true, gates: clear}\n", 1)
	p, problems := policy.Parse(b.Main, map[string][]byte{b.Main: []byte(text)})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return p
}

// What loses its gate or escort while the Desk has paused it keeps its channel,
// with no input; nothing begins; and it ends nothing once all is there again.
// Without the pause the same loss ends the channel.
func TestALossUnderAPauseEndsNothing(t *testing.T) {
	inBubbleOf(t, escorted(t), func(t *testing.T, s *scene) {
		there := func(yes bool) policy.LiveFacts {
			return policy.LiveFacts{Escort: yes, Gates: map[string]bool{"clear": yes}}
		}
		s.agreement.Quietly(brokertest.W1, func(f *policy.Facts) { f.Live = there(true) })
		_, c := s.shell(t)
		s.agreement.Change(brokertest.W1, func(f *policy.Facts) { f.Window.Paused, f.Window.Live, f.Live = true, false, there(false) })
		synctest.Wait()
		got := make(chan string, 1)
		go func() { got <- in(c, "x") }()
		synctest.Wait()
		if err := c.Look(); err != nil || len(got) != 0 {
			t.Fatalf("paused: %v, %d passed", err, len(got))
		}
		s.agreement.Change(brokertest.W1, func(f *policy.Facts) { f.Window.Paused, f.Window.Live, f.Live = false, true, there(true) })
		if got := <-got; got != "passed" {
			t.Errorf("after the pause: %s", got)
		}
		s.agreement.Change(brokertest.W1, func(f *policy.Facts) { f.Live = there(false) })
		synctest.Wait()
		if err := c.Look(); rule(err) != "gate:clear" {
			t.Errorf("lost without a pause: %v", err)
		}
	})
}

// Between Hold and its event the agreement still says "open": that must not
// let the input go on.
func TestAHoldOutlivesOldFacts(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, c := s.shell(t)
		s.Hold(brokertest.W1, "wait")
		s.agreement.Change(brokertest.W1, func(f *policy.Facts) { f.Window.Rev++ })
		s.Recheck(t.Context())
		synctest.Wait()
		got := make(chan string, 1)
		go func() { got <- in(c, "x") }()
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("old facts ended a pause")
		}
		if _, err := ses.Open(t.Context(), brokertest.Shell(brokertest.Viewer)); rule(err) != "window-paused" {
			t.Errorf("a channel opened in a pause: %v", err)
		}
		s.Release(brokertest.W1)
		<-got
	})
}

func TestWarnings(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		var at []time.Duration
		end := time.Now().Add(time.Hour)
		for seen := 0; c.Look() == nil; time.Sleep(50 * time.Millisecond) {
			synctest.Wait()
			if n := len(s.guest.Told()); n > seen {
				seen = n
				at = append(at, time.Until(end).Round(time.Second))
			}
		}
		if want := []time.Duration{15 * time.Minute, 5 * time.Minute, time.Minute}; !slices.Equal(at, want) {
			t.Errorf("told %v before the end: %q", at, s.guest.Told())
		}
		if notes := s.tape.of(recording.Note); !strings.Contains(strings.Join(notes, "\n"), "ends in 5 minutes, at ") {
			t.Errorf("notes: %q", notes)
		}
	})
}

func TestAWindowThatIsNearlyOverWarnsOnlyOfWhatComes(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.agreement.Window(brokertest.W1, time.Now(), 4*time.Minute)
		s.shell(t)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if told := s.guest.Told(); len(told) != 0 {
			t.Errorf("told %q", told)
		}
		time.Sleep(2*time.Minute - time.Second)
		synctest.Wait()
		if told := s.guest.Told(); len(told) != 1 {
			t.Errorf("told %q", told)
		}
	})
}

func TestAnExtensionMovesTheEndAndWarnsAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		time.Sleep(56 * time.Minute)
		s.agreement.Change(brokertest.W1, func(f *policy.Facts) { f.Window.Until = f.Window.Until.Add(time.Hour) })
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := in(c, "x"); got != "passed" {
			t.Errorf("in the extension: %s", got)
		}
		if told := s.guest.Told(); len(told) != 5 || !strings.Contains(told[2], "now ends at") {
			t.Errorf("told %q", told)
		}
		time.Sleep(4 * time.Minute)
		if got := in(c, "x"); got != "window-ended" {
			t.Errorf("after the extension: %s", got)
		}
	})
}

// A clock that steps back must not make an extension longer than it is.
func TestAnExtensionIsCountedOnTheSameClock(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		s.times.stepWall(-30 * time.Minute)
		s.agreement.Change(brokertest.W1, func(f *policy.Facts) { f.Window.Until = f.Window.Until.Add(10 * time.Minute) })
		time.Sleep(70*time.Minute - time.Nanosecond)
		if got := in(c, "x"); got != "passed" {
			t.Errorf("in the extension: %s", got)
		}
		time.Sleep(time.Nanosecond)
		if got := in(c, "x"); got != "window-ended" {
			t.Errorf("after the extension: %s", got)
		}
	})
}

func TestNarrowedToLookSwallowsInput(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		s.agreement.Change(brokertest.W1, func(f *policy.Facts) { f.Window.Rights = policy.Look })
		synctest.Wait()
		if got := in(c, "x"); got != "swallowed" {
			t.Errorf("input on an account that can do more: %s", got)
		}
		if d := c.Ask(t.Context(), "exec", nil); d.Allow {
			t.Error("an exec passed")
		}
		if err := c.Out(t.Context(), recording.Out, []byte("y")); err != nil {
			t.Errorf("output: %v", err)
		}
		if in := s.tape.of(recording.In); len(in) != 1 {
			t.Errorf("what was swallowed is not on the record: %q", in)
		}
	})
}

func TestTooManyBytesAtOnceAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		if _, err := c.In(t.Context(), make([]byte, broker.MaxIn+1)); err == nil {
			t.Error("In took more than its most")
		}
		if err := c.Out(t.Context(), recording.Out, make([]byte, broker.MaxIn+1)); err == nil {
			t.Error("Out took more than its most")
		}
		if err := c.Out(t.Context(), recording.In, []byte("x")); err == nil {
			t.Error("Out took input")
		}
		if err := c.Mark(t.Context(), recording.In, []byte("x")); err == nil {
			t.Error("Mark took input")
		}
	})
}

// Narrowed to look, a shell on an account that can do more drops what is typed
// from that moment on, and shows what comes; facts that were asked for before
// do not undo it, and those that say it too take over.
func TestNarrowed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, c := s.shell(t)
		if got := in(c, "x"); got != "passed" {
			t.Fatal(got)
		}
		s.Narrow(brokertest.W1, policy.Look, "narrowed by mia to: look")
		if forward, err := c.In(t.Context(), []byte("y")); forward || err != nil {
			t.Fatalf("after Narrow: %t, %v", forward, err)
		}
		s.agreement.Change(brokertest.W1, func(f *policy.Facts) { f.Window.Rev++ }) // old facts: all rights
		s.Recheck(t.Context())
		synctest.Wait()
		if forward, err := c.In(t.Context(), []byte("y")); forward || err != nil {
			t.Errorf("old facts gave it back: %t, %v", forward, err)
		}
		if err := c.Out(t.Context(), recording.Out, []byte("z")); err != nil {
			t.Errorf("output: %v", err)
		}
		if _, err := ses.Open(t.Context(), brokertest.Shell(brokertest.Maint)); rule(err) != "account-can-more" {
			t.Errorf("another shell that can do more: %v", err)
		}
		s.agreement.Change(brokertest.W1, func(f *policy.Facts) { f.Window.Rights = policy.Look })
		s.Recheck(t.Context())
		synctest.Wait()
		if forward, err := c.In(t.Context(), []byte("y")); forward || err != nil {
			t.Errorf("the facts say it too: %t, %v", forward, err)
		}
		if !strings.Contains(strings.Join(s.guest.Told(), "\n"), "narrowed by mia") {
			t.Error("the person was not told")
		}
	})
}
