package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// A time that is none is said before anybody signs in: a code is good once.
func TestATimeIsReadBeforeTheSignIn(t *testing.T) {
	for _, line := range [][]string{{"extend", "W-1", "--until", "soon"}, {"left", "by", "W-1", "1", "--until", "25:00"}, {"left", "note", "W-1", "force on I 4.2", "--until", "+x"},
		{"answer", "R-1", "not-before", "--not-before", "later"}, {"block", "--firm", "krall", "--why", "x", "--until", "tomorrow"}} {
		t.Run(strings.Join(line[:2], " "), func(t *testing.T) {
			root := rootCommand()
			root.SetArgs(append(line, "--as", "mia", "--socket", filepath.Join(t.TempDir(), "nobody.sock")))
			if err := root.ExecuteContext(t.Context()); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "is no time") {
				t.Errorf("exit %d: %v", exitCode(err), err) // 4: it was on its way to the broker
			}
		})
	}
}

func TestAVerdictIsReadBeforeTheSignIn(t *testing.T) {
	root := rootCommand()
	root.SetArgs([]string{"recording", "review", "S-1", "fine", "--as", "lena", "--socket", filepath.Join(t.TempDir(), "nobody.sock")})
	if err := root.ExecuteContext(t.Context()); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "in-order, question or finding") {
		t.Errorf("exit %d: %v", exitCode(err), err) // 4: it was on its way to the broker
	}
}
