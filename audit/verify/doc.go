// Package verify checks a whole data folder offline: log, documents, heads and
// recordings. It trusts the log's verifier key and the checkpoints it is
// given, and nothing else in the folder. What it could not check is a finding
// too, never silence.
package verify
