//go:build race

package recording_test

// The race detector makes a flush of 2 000 streams slower than the 2 s that end
// a recording, where other packages are tested beside it.
const (
	soakStreams = 500
	soakPlayed  = 8 // MiB
)
