package relay

import "time"

// Hurry makes the stream wait less for the rest of a frame.
func (i *Inspected) Hurry(t time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.bodyTime = t
}

// Together is for tests.
var Together = together
