// Package main is the penstock command: it wires the rooms together and
// speaks to people on a terminal. All decisions are made in the rooms.
//
// Begin with serve.go, open.go and rooms.go, which put a broker together; the verbs
// of the command line are the other files, by subject.
package main

import "errors"

// Exit codes of every verb (DESIGN 5.3).
const (
	exitError   = 1 // something failed
	exitUsage   = 2 // the words of the call are off
	exitNo      = 3 // the answer is no: denied, not verified
	exitNoReach = 4 // the broker could not be reached
)

// exit is an error that carries the process's exit code.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string { return e.err.Error() }
func (e exit) Unwrap() error { return e.err }

// exitCode is the code for what a verb returned.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[exit](err); ok {
		return e.code
	}
	return exitError
}
