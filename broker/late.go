package broker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"penstock/audit"
	"penstock/policy"
)

const (
	lateEvent = 4 * time.Second  // an event that takes longer to write is overdue
	lateClose = 30 * time.Second // a recording that takes longer to close is left to the next start
	calm      = 2 * time.Second  // how long all is written in time before that is said
)

// recordingLate is why nobody is let in while something is overdue.
var recordingLate = &policy.Refusal{Rule: "recording-late",
	Say: "what passes cannot be recorded in time just now, so nobody is let in and nothing passes until it can; try again in a minute",
	Why: "a write to the disk or the log takes longer than it should"}

var errLost = errors.New("it took longer than 30 s")

// patiently gives a context for something that is written: it ends when that
// counts as lost, and not with ctx. From soon on it counts as overdue.
func patiently(ctx context.Context, o overdue, soon time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	done := o.Watch(soon, func() { cancel(errLost) })
	return ctx, func() { done(); cancel(nil) }
}

// late says why nobody is admitted while something is overdue.
func (b *Broker) late() error {
	select {
	case <-b.archive.Overdue().Well():
		return nil
	default:
		return recordingLate
	}
}

// lates tells everybody who is in when recording waits for the disk, and when it
// goes on. What waits is the recorder's work, not this.
func (b *Broker) lates(ctx context.Context) {
	defer recovered("lates")
	o := b.archive.Overdue()
	for {
		select {
		case <-o.Late():
		case <-ctx.Done():
			return
		}
		begun := time.Now()
		slog.Warn("recording is late: nobody is admitted and nothing passes until what waits is written")
		b.sayAll("What passes here cannot be recorded in time just now. It waits until it can, and so does what you type; nothing is lost.")
		if !b.calms(ctx, o) {
			return
		}
		took := time.Since(begun) - calm
		slog.Warn("recording is in time again", "after", took.Round(time.Millisecond))
		b.sayAll("All is recorded again; your work goes on.")
		_ = b.append(ctx, "", "recording", audit.RecordingLate{Millis: took.Milliseconds()}) // an error has ended everything
	}
}

// calms waits until nothing has been overdue for a moment; false: that will not be.
func (b *Broker) calms(ctx context.Context, o overdue) bool {
	for {
		select {
		case <-o.Well():
		case <-b.archive.Failed():
			return false
		case <-ctx.Done():
			return false
		}
		t := time.NewTimer(calm)
		select {
		case <-t.C:
			return true
		case <-o.Late():
			t.Stop()
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
}

func (b *Broker) sayAll(text string) {
	for _, s := range b.all() {
		s.guest.say(text, s.open(""))
	}
}
