package recording

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// vault holds session keys in pages of their own: outside the collected heap,
// which copies nothing but forgets nothing either, never in a core dump, and
// never in swap where the system lets this process lock that little memory.
// A page is never given back, so a stale slice is a zero key and no fault.
type vault struct {
	mu   sync.Mutex
	free [][]byte
}

var keys vault

// put moves a key into the vault: the slice that was given is wiped.
func (v *vault) put(key []byte) ([]byte, error) {
	defer clear(key)
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.free) == 0 {
		if err := v.grow(); err != nil {
			return nil, err
		}
	}
	slot := v.free[len(v.free)-1]
	v.free = v.free[:len(v.free)-1]
	copy(slot, key)
	return slot, nil
}

func (v *vault) grow() error {
	size := unix.Getpagesize()
	page, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("memory for session keys: %w", err)
	}
	_ = unix.Mlock(page)                         // RLIMIT_MEMLOCK may say no; the unit file turns swap off as well
	_ = unix.Madvise(page, unix.MADV_DONTDUMP)   // a kernel without it: the process allows no dump anyway
	_ = unix.Madvise(page, unix.MADV_WIPEONFORK) // likewise
	for ; len(page) >= keySize; page = page[keySize:] {
		v.free = append(v.free, page[:keySize:keySize])
	}
	return nil
}

// HoldKey keeps a session key for a while where a recorder's is kept; the slice
// that was given is wiped. After drop, which is called once, held is zero.
func HoldKey(key []byte) (held []byte, drop func(), err error) {
	if len(key) != keySize {
		clear(key)
		return nil, nil, fmt.Errorf("%d bytes: %w", len(key), ErrWrongKey)
	}
	if held, err = keys.put(key); err != nil {
		return nil, nil, err
	}
	return held, func() { keys.drop(held) }, nil
}

// drop wipes a key and takes its place back. Nil is nothing.
func (v *vault) drop(slot []byte) {
	if slot == nil {
		return
	}
	clear(slot)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.free = append(v.free, slot)
}
