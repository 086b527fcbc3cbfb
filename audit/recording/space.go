package recording

import (
	"fmt"
	"math"
	"syscall"

	"penstock/audit/durable"
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

// Room asks the disk, and the log's, if that is another. Below MinFree it is
// Low, below EndFree Scarce, and below a quarter of that Gone: what is left then
// is for close.json, the log and what else ends a session in order. Gone it is
// too once a write has tapped the closing reserve, and Low until that is whole;
// with room for all of it above MinFree, Room fills it.
func (a *Archive) Room() (Room, error) {
	free, err := a.free()
	if err != nil {
		return Gone, err
	}
	if !a.p.Reserve.Whole() && free >= max(a.p.MinFree, 0)+a.p.Reserve.Size() {
		if err := a.p.Reserve.Fill(); err != nil {
			return Gone, err
		}
	}
	switch room := a.room(free); {
	case a.p.Reserve.Tapped():
		return Gone, nil
	case !a.p.Reserve.Whole():
		return max(Low, room), nil
	default:
		return room, nil
	}
}

// free is what there is on the recordings' disk, or on the log's, if that has less.
func (a *Archive) free() (int64, error) {
	least := int64(math.MaxInt64)
	for _, dir := range []string{a.p.Dir, a.p.HeadsDir} {
		free, err := freeBytes(dir)
		if err != nil {
			return 0, fmt.Errorf("ask for free space: %w", err)
		}
		least = min(least, int64(free))
	}
	return least, nil
}

func (a *Archive) room(free int64) Room {
	switch {
	case a.p.MinFree < 0 && a.p.EndFree <= 0:
		return Enough
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

// diskFull makes ENOSPC and EDQUOT the one error that callers ask for.
func diskFull(err error) error {
	if durable.Full(err) {
		return fmt.Errorf("%w (%w)", ErrDiskFull, err)
	}
	return err
}
