// Package verify checks a whole data folder offline: log, documents, heads and
// recordings, and by a Walk what the windows in it say. It trusts the log's
// verifier key and the checkpoints it is given, and nothing else in the folder.
// What it could not check is a finding too, never silence.
//
// Every byte of log/, documents/, recordings/ and keys/log.pub is held to
// something signed, with these exceptions, each told in a finding: leaves that
// no checkpoint covers yet, head lines and documents that no leaf names (what a
// crash leaves; after a clean stop they are wrong), and log/hashes, which is
// compared although it is made again from the entries. state.db is an index of
// the log and is not read; the private keys prove nothing and are not read, but
// for the identity that opens readable recordings.
//
// Memory: a few words for each document, request, window, certificate and
// session in the log, and the head lines of sessions that have not ended.
// Recordings are read frame by frame, as many at once as there are processors.
package verify
