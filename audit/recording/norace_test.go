//go:build !race

package recording_test

const soakStreams = 2000 // scripts/test runs it
