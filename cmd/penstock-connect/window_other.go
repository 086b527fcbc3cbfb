//go:build !windows

package main

// ownWindow says whether what the program writes is gone with it: never, in a terminal.
func ownWindow() bool { return false }
