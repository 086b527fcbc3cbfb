// Package review is the one way for a person to read a recording: the event
// that says so is durable before the first byte is shown.
//
// What waits for review, verdicts, holds and retention are folds of the log and
// come with a later issue; reading is complete.
package review
