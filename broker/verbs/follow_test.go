package verbs

import (
	"testing"
	"time"
)

func TestWarningsBeforeTheEnd(t *testing.T) {
	for _, row := range []struct {
		left time.Duration
		n    int
		next time.Duration // at most
	}{
		{time.Hour, 0, time.Minute},
		{15*time.Minute + 5*time.Second, 0, 6 * time.Second},
		{15 * time.Minute, 1, time.Minute},
		{5*time.Minute + time.Second, 1, 2 * time.Second},
		{time.Minute, 3, time.Minute + time.Second},
		{3 * time.Second, 3, 4 * time.Second},
		{0, 3, time.Minute},
	} {
		if n, next := behind(row.left); n != row.n || next > row.next || next <= 0 {
			t.Errorf("%v left: %d warnings behind, the next look in %v", row.left, n, next)
		}
	}
}
