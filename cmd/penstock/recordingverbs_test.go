package main

import (
	"testing"
	"time"
)

func TestClockTime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "45": 45 * time.Second, "0": 0, "90": 90 * time.Second, "23:45": 23*time.Minute + 45*time.Second,
		"01:23:45": 5025 * time.Second, "1:23:45": 5025 * time.Second, "120:00:00": 120 * time.Hour,
	} {
		if got, err := clockTime(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"x", ":", "1:2", "1:60", "1:60:00", "1:00:00:00", "-1", "1.5", "99999999", "1:001", " 1"} {
		if got, err := clockTime(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
