package broker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"penstock/broker"
	"penstock/broker/brokertest"
)

const pausedByMia = "paused by Mia. Call the control room"

// soon is what becomes of a byte within a second.
func soon(c *broker.Channel) string {
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	_, err := c.In(ctx, []byte("x"))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "waits"
	case err != nil:
		return rule(err)
	}
	return "passed"
}

// "Pause at 100 %": the transfer finishes, and from then on its own channel waits,
// before the next byte; everything else waits at once, and nothing new begins.
func TestAPauseAfterATransfer(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, shell := s.shell(t)
		upload := s.open(t, ses, brokertest.Shell(brokertest.Maint))
		done := upload.Busy("upload of recipe.bin")
		var over atomic.Int32
		half := s.PauseAfter("W-1", pausedByMia, func() { over.Add(1) })
		if !slices.Equal(half, []string{"upload of recipe.bin"}) {
			t.Fatalf("half done: %q", half)
		}
		if got := soon(shell); got != "waits" {
			t.Errorf("the shell: %s", got)
		}
		if _, err := ses.Open(t.Context(), brokertest.Shell(brokertest.Viewer)); rule(err) != "window-paused" {
			t.Errorf("a new channel: %v", err)
		}
		time.Sleep(10 * time.Minute) // more than one round of questions
		if got := soon(upload); got != "passed" || over.Load() != 0 {
			t.Errorf("the upload ten minutes later: %s; done called %d times", got, over.Load())
		}
		if told := strings.Join(s.guest.Told(), "\n"); !strings.Contains(told, "as soon as what is half done is done: upload of recipe.bin") {
			t.Errorf("the person was told %q", told)
		}
		upload.Busy("upload of the next file") // what comes after it does not put the pause off
		done()
		if got := soon(upload); got != "waits" {
			t.Errorf("the next byte after the transfer: %s", got)
		}
		time.Sleep(2 * time.Second)
		if over.Load() != 1 || s.HalfDone("W-1") != nil {
			t.Errorf("done called %d times; half done %q", over.Load(), s.HalfDone("W-1"))
		}
		if told := strings.Join(s.guest.Told(), "\n"); !strings.Contains(told, pausedByMia) {
			t.Errorf("the person was told %q", told)
		}
		s.Release("W-1")
		if a, b := soon(upload), soon(shell); a != "passed" || b != "passed" {
			t.Errorf("it goes on: the upload %s, the shell %s", a, b)
		}
	})
}

func TestAPauseAfterNothingIsAPause(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		c.Busy("upload")()
		if half := s.PauseAfter("W-1", pausedByMia, func() { t.Error("done is called for what waits already") }); half != nil {
			t.Fatalf("half done: %q", half)
		}
		if got := soon(c); got != "waits" {
			t.Errorf("the next byte: %s", got)
		}
		time.Sleep(2 * time.Second)
	})
}
