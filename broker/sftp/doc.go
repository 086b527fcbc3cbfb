// Package sftp reads along where files pass: SFTP version 3, both protocols of
// scp, and the streams of rsync and git. It decides each operation by the right
// that it needs, hashes what passes, and writes file.transferred.
//
// It dials nothing and records nothing itself: the channel's gate does, before
// any byte is looked at here. It trusts neither end: a request is passed on
// only whole and understood, a reply only where it was asked for. What a shell
// does with files it does not see.
package sftp
