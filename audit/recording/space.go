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
