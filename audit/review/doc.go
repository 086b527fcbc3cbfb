// Package review is the one way for a person to read a recording: the event
// that says so is durable before the first byte is shown.
//
// What waits for review, verdicts, legal holds, retention and expiry are folds of
// the log (History), which penstock-verify folds alike: who had a part in a
// session is no second person, and what is held, drawn or in question does not
// go. The rules come from the plant file, by functions. It trusts whoever calls
// it to have proved the person.
package review
