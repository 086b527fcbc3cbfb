package main

import (
	"io"
	"strings"
	"testing"
)

// A verb that lacks a flag says which and what it is for, as an error of usage,
// and asks nobody for a password first.
func TestWantsFlags(t *testing.T) {
	for call, want := range map[string]string{
		"extend W-1":                "penstock extend wants --until (new end: +30m",
		"step-up W-1":               "wants --rights (",
		"people vouch ann SHA256:x": "--sign-with (",
	} {
		root := rootCommand()
		root.SetArgs(strings.Fields(call))
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		err := root.ExecuteContext(t.Context())
		if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--help") {
			t.Errorf("%s: exit %d, %v", call, exitCode(err), err)
		}
	}
}
