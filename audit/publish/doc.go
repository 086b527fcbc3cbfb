// Package publish carries the log's checkpoints off the machine: to a witness,
// a syslog server, object storage, a mailbox, or by hand. Whoever owns the
// machine can rewrite what no copy outside covers, and nothing else unseen.
//
// Nothing on the session path waits for it: it follows the log, keeps what it
// could not send, tries again, keeps receipts, and says how long the oldest
// event has been without a copy outside (the tamper window). It trusts no place:
// each answer is checked as far as that way allows, and a place that contradicts
// the log counts as no copy. It reads the log and writes log/outside; it
// imports nothing of Penstock but audit and audit/durable.
package publish
