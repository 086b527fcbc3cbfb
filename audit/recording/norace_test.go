//go:build !race

package recording_test

const (
	soakStreams = 2000 // scripts/test runs it
	soakPlayed  = 512  // MiB; it runs this, too
)
