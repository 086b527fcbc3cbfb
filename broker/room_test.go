package broker_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

func over(all []*broker.Session) (text string) {
	for _, s := range all {
		select {
		case <-s.Done():
			text += "x"
		default:
			text += "."
		}
	}
	return text
}

func TestADiskThatFills(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		var all []*broker.Session
		for range 4 {
			all = append(all, s.admit(t, brokertest.W1))
			time.Sleep(time.Millisecond)
		}
		c := s.open(t, all[0], brokertest.Shell(brokertest.Maint))
		for _, step := range []struct {
			room recording.Room
			over string
		}{
			{recording.Low, "...."},
			{recording.Scarce, "x..."}, // who began first
			{recording.Scarce, "xx.."},
			{recording.Low, "xx.."}, // room again, not for new ones
			{recording.Gone, "xxxx"},
		} {
			s.tape.roomIs(step.room)
			time.Sleep(time.Second)
			synctest.Wait()
			if _, err := s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), s.guest); rule(err) != "disk-low" || !strings.Contains(err.(*policy.Refusal).Say, "control room") {
				t.Errorf("%v: somebody new: %v", step.room, err)
			}
			if got := over(all); got != step.over {
				t.Fatalf("%v: %s have ended, want %s", step.room, got, step.over)
			}
		}
		if got := in(c, "x"); got != "disk-full" {
			t.Errorf("the gate says %s", got)
		}
		for _, cause := range s.tape.causes() {
			if cause != "recorder" {
				t.Errorf("closed with cause %q", cause)
			}
		}
		s.tape.roomIs(recording.Enough)
		if n := s.Forecast(); n != 0 {
			t.Errorf("%v bytes are still to come of nobody", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		_, c = s.shell(t)
		in(c, strings.Repeat("x", 6000)) // in a minute that has hardly begun, of about an hour
		if n := s.Forecast(); n < 58*6000 || n > 63*6000 {
			t.Errorf("%v bytes are still to come, want about an hour of 6000 a minute", n)
		}
		running := s.Forecast()
		s.Expects(func() (time.Duration, error) { return 10 * time.Hour, nil })
		if n := s.Forecast() - running; n < 600*1200 || n > 600*1500 { // five sessions count a minute each, one wrote 6000 bytes, all some words
			t.Errorf("%v bytes for ten hours that are agreed, want those of the average session", n)
		}
		s.Expects(func() (time.Duration, error) { return 0, errors.New("nobody can say") })
		if n := s.Forecast(); !math.IsInf(n, 1) {
			t.Errorf("%v bytes where nobody can say", n)
		}
	})
}
