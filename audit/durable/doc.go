// Package durable makes writes outlive a power cut: fsync of file and folder,
// whole-or-absent files, and one committer per disk that groups what waits.
//
// A failed fsync is final: Linux may drop the dirty pages and report success
// the next time, so a Disk that failed once never succeeds again. A flush that
// takes longer than the Disk's patience (2 s) is overdue: whoever gives something
// away waits until it is done (Overdue). After 30 s it counts as failed.
//
// The package trusts the kernel and the device to keep what they have said is
// kept. It does not find out what a device lies about, it does not check what
// it reads, and it does not lock: two processes may share a folder.
//
// Its file operations go through FS. Tests hand in a faultdisk.Disk, which
// fails before or after it persists and can lose its power.
package durable
