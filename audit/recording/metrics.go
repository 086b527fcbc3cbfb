package recording

import (
	"time"

	"penstock/audit/durable"
)

// Commits is how long Stream.Commit took, from the call to a durable frame.
func (a *Archive) Commits() *durable.Latency { return &a.commits }

// Running is how many recordings are open.
func (a *Archive) Running() int { return len(a.open()) }

// FreeBytes is what the recordings' disk still has for a process without privileges.
func (a *Archive) FreeBytes() (uint64, error) { return freeBytes(a.p.Dir) }

// HeadsAge is how long ago the heads of all open recordings were last
// committed to the log, and whether that ever happened: one second where all is well.
func (a *Archive) HeadsAge() (time.Duration, bool) {
	at := a.headsAt.Load()
	return max(0, time.Since(time.Unix(0, at))), at != 0
}
