package recording

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// reserveSize is kept in each open session's folder and given back at its end,
// so that close.json and what the file system needs for it still fit.
const reserveSize = 256 << 10

// Room is what the recordings' disk still has room for.
type Room int

const (
	Enough Room = iota
	Low         // for the sessions that run, and no new one
	Scarce      // for sessions to end one by one
	Gone        // for all of them to end, now
)

func (r Room) String() string { return [...]string{"enough", "low", "scarce", "gone"}[r] }

const (
	defaultMinFree = 512 << 20
	defaultEndFree = 256 << 20
)

// bounds completes the limits of the free space, in bytes; below 0: never.
func (p *Parts) bounds() {
	if p.MinFree == 0 {
		p.MinFree = defaultMinFree
	}
	if p.EndFree == 0 {
		p.EndFree = min(defaultEndFree, p.MinFree/2)
	}
}

// Room asks the disk. Below MinFree it is Low, below EndFree Scarce, and below
// a quarter of that Gone: what is left then is for close.json, the log and
// what else ends a session in order.
func (a *Archive) Room() (Room, error) {
	if a.p.MinFree < 0 && a.p.EndFree <= 0 {
		return Enough, nil
	}
	free, err := freeBytes(a.p.Dir)
	if err != nil {
		return Gone, fmt.Errorf("ask for free space: %w", err)
	}
	return a.room(int64(free)), nil
}

func (a *Archive) room(free int64) Room {
	switch {
	case free < a.p.EndFree/4:
		return Gone
	case free < a.p.EndFree:
		return Scarce
	case free < a.p.MinFree:
		return Low
	}
	return Enough
}

// freeBytes are those that a process without privileges may still use.
func freeBytes(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

// reserve makes a file of reserveSize whose blocks are really there.
func reserve(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = syscall.Fallocate(int(f.Fd()), 0, 0, reserveSize)
	if errors.Is(err, syscall.EOPNOTSUPP) { // some file systems cannot: then by writing
		_, err = f.Write(make([]byte, reserveSize))
	}
	return errors.Join(err, f.Close())
}

// diskFull makes ENOSPC and EDQUOT the one error that callers ask for.
func diskFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w (%w)", ErrDiskFull, err)
	}
	return err
}
