// Package audit keeps what has happened: one append-only Merkle log of events
// for each node, and the documents that its leaves name by hash.
//
// The log is C2SP tlog over canonical JSON leaves (RFC 8785). It shows that
// history was not changed between two checkpoints; against somebody who owns
// the machine it proves only as much as the checkpoints that have left it.
// The package imports nothing of ours but durable: what witnesses must not
// depend on what it witnesses.
package audit
