package main

import (
	"log/slog"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// mostSpared bounds how many file descriptors strangers leave to those who are in.
const mostSpared = 4096

// sparing closes who connects while file descriptors are scarce: a quarter of what
// this process may have is left to the log, recordings and the sessions there are.
// Out of descriptors, a folder cannot be synced, and that is final.
type sparing struct {
	net.Listener
	most int // a connection whose descriptor has a higher number is closed; the kernel gives the lowest free one
	slog *slog.Logger
	told time.Time // Accept's alone
}

func spare(l net.Listener, log *slog.Logger) net.Listener {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return l // no limit that is known
	}
	most := int(min(limit.Cur, 1<<30))
	return &sparing{Listener: l, most: most - min(most/4, mostSpared), slog: log}
}

func (l *sparing) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if numberOf(c) <= l.most {
			return c, nil
		}
		if time.Since(l.told) > time.Minute {
			l.told = time.Now()
			l.slog.Warn("file descriptors are scarce, so new connections are closed; raise LimitNOFILE (configs/penstock.service)", "open_at_least", l.most)
		}
		_ = c.Close() // one too many
	}
}

// numberOf is a connection's file descriptor; -1 where it has none.
func numberOf(c net.Conn) int {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return -1
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1
	}
	n := -1
	_ = raw.Control(func(fd uintptr) { n = int(fd) }) // closed meanwhile: -1
	return n
}

// tcp listens for people.
func (h *plantHouse) tcp(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return spare(l, h.slog), nil
}
