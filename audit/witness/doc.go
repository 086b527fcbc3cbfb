// Package witness watches logs from another machine: it signs a checkpoint only
// if it continues the last one that it signed, and remembers that before it
// answers (c2sp.org/tlog-witness, tlog-cosignature). Who owns the broker can
// then neither take back what was witnessed nor show two histories.
//
// It sees sizes and root hashes only, never a leaf. It trusts the log's public
// key, which its operator was given, its own key and its own disk; it trusts no
// caller. It imports nothing of Penstock but audit and audit/durable.
package witness
