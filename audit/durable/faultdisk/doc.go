// Package faultdisk is a disk for tests that can fail and lose its power.
//
// It is a durable.FS over a real folder (t.TempDir()), so that everything else,
// a verifier or another process, can read what is there. Beside it, in memory,
// it keeps what a device would have kept: a file's content only as of its last
// Sync, a name in a folder only as of the folder's last SyncDir. It is strict:
// real file systems often keep more, and none keeps less.
//
//	fault := faultdisk.New(dir)
//	disk, err := durable.OpenDisk(dir, durable.On(fault))
//	fault.Fail(7, faultdisk.After) // the 7th operation from now is done, and yet fails
//	…                              // use audit.OpenLog(…, disk, …), recording.OpenArchive(…, disk, …)
//	err = fault.PowerCut(faultdisk.Torn(rng)) // every open file is dead; dir holds what outlived it
//	disk, err = durable.OpenDisk(dir, durable.On(fault)) // the next start
//
// Operations that count are those that change something: open with O_CREATE of
// a new file or O_TRUNC, write, truncate, rename, remove, mkdir, sync, syncdir.
// To break each write of a story once, run it with Fail(1, …), Fail(2, …) and
// so on until Fired is false at its end.
//
// As on Linux, a Sync that failed loses what it should have written: a later
// Sync that succeeds does not bring it back. Renames are within one folder.
// Only files opened through the Disk are seen; it is for tests alone and
// nothing but tests imports it.
package faultdisk
