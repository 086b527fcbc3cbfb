package brokertest

import (
	"testing"
	"time"
)

// patience finds what hangs, and says nothing of speed.
const patience = 2 * time.Minute

// Until looks again until it is so: for what another process, or a goroutine that
// tells nobody, finishes in its own time.
func Until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("it never was that %s", what)
		}
	}
}
