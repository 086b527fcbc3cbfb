// Package recording keeps everything that passed in a session: framed,
// compressed, sealed and hash-chained, so that a cut or a changed byte shows.
//
// A byte from the vendor is durable here before it is forwarded (Stream.Commit);
// bytes to the vendor within 100 ms (Stream.Append). The format is described,
// byte by byte, in audit/README.md. The package gives no person access: people
// read through review.Book. It trusts no byte that it reads back, the disk only
// for an fsync that did not fail, and the log only for what it was told there.
// It cannot know that a whole recording was removed: that is for audit/verify,
// which has the log.
//
// Begin with archive.go and writer.go to write, with reader.go to read.
package recording
