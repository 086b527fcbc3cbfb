package policy

import "testing"

// No line that somebody is told to type wants root on their own computer.
func TestLocalNumber(t *testing.T) {
	for there, want := range map[uint16]uint16{22: 2022, 23: 2023, 24: 1024, 502: 1502, 1023: 2023, 1024: 1024, 4840: 4840, 65535: 65535} {
		if got := LocalNumber(there); got != want {
			t.Errorf("a forward to %d takes %d, want %d", there, got, want)
		}
	}
}
