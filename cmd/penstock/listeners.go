package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

// listeners are all that serve answers on.
type listeners struct {
	ssh     net.Listener
	socket  net.Listener   // the API for the command line on this machine
	https   *httpsListener // nil: no pages are served
	private net.Listener   // metrics, health and profiles; nil: they are not served
}

// listenAll listens everywhere that the server's file names, or nowhere.
func (h *plantHouse) listenAll() (at listeners, err error) {
	defer func() {
		if err != nil {
			at.close()
		}
	}()
	if at.ssh, at.https, err = h.listen(); err != nil {
		return at, err
	}
	if at.socket, err = listenSocket(h.file.Socket); err != nil {
		return at, err
	}
	if at.private, err = listenPrivate(h.file.Private); err != nil || at.private == nil {
		return at, err
	}
	h.ownAddress(at.private.Addr())
	return at, nil
}

// close is safe after a server has closed its own.
func (l listeners) close() {
	for _, one := range []net.Listener{l.private, l.socket, l.ssh} {
		if one != nil {
			one.Close()
		}
	}
	if l.https != nil {
		l.https.Close()
	}
}

// maxSocketPath is what sockaddr_un holds on Linux (unix(7)), without the final zero; bytes.
const maxSocketPath = 107

// listenSocket listens on a unix socket that only its owner can reach. A
// socket left by a crash is replaced; one on which somebody answers is a server
// with another data directory, and stays.
func listenSocket(path string) (net.Listener, error) {
	if len(path) > maxSocketPath { // the system says only "invalid argument"
		return nil, fmt.Errorf("the path of the private socket has %d bytes and may have %d: give a shorter one with socket: in the server's file (%s)", len(path), maxSocketPath, path)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("%s is in the way of the private socket", path)
		}
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
			return nil, fmt.Errorf("another server answers on %s: give this one a socket of its own", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("take away the old private socket: %w", err)
		}
	}
	// The data directory is 0700, so nobody slips in before the chmod. Elsewhere it
	// is the umask that keeps others out for that moment, and the password after it.
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on the private socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("close the private socket to others: %w", err)
	}
	return l, nil
}
