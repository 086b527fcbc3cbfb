package sshd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/crypto/ssh"
)

// SFTP version 3 (draft-ietf-secsh-filexfer-02), as much as reading one file
// takes; whatever else is asked for is not supported. One request after the
// other: pkg/sftp's server works on several at once, and a client that names a
// handle before it was given one races it.
const (
	sftpInit     = 1
	sftpVersion  = 2
	sftpOpen     = 3
	sftpClose    = 4
	sftpRead     = 5
	sftpLstat    = 7
	sftpFstat    = 8
	sftpRealpath = 16
	sftpStat     = 17
	sftpStatus   = 101
	sftpHandle   = 102
	sftpData     = 103
	sftpName     = 104
	sftpAttrs    = 105

	sftpOK          = 0
	sftpEOF         = 1
	sftpNoFile      = 2
	sftpDenied      = 3
	sftpBadMessage  = 5
	sftpUnsupported = 8

	sftpLongest = 34000 // bytes of a packet, as in the draft, section 3
	sftpMostIn  = 4096  // requests in one channel
)

var sftpSays = map[uint32]string{sftpOK: "done", sftpEOF: "end of file", sftpNoFile: "no certificate",
	sftpDenied: "only reading is possible here", sftpBadMessage: "not understood", sftpUnsupported: "only reading is possible here"}

// sftp serves scp as it is today, and sftp.
func (t *desk) sftp(ctx context.Context, who certifier) int {
	f := t.certFiles(ctx, who)
	if err := f.serve(t.ch); err != nil && ctx.Err() == nil {
		t.d.Slog.Warn("sftp at cert@", "source", t.c.source, "err", err)
		return 1
	}
	return f.code
}

// serve answers requests to the end of file.
func (f *certFiles) serve(rw io.ReadWriter) error {
	var head [5]byte
	for range sftpMostIn {
		if _, err := io.ReadFull(rw, head[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a request: %w", err)
		}
		n := binary.BigEndian.Uint32(head[:])
		if n < 5 || n > sftpLongest {
			return fmt.Errorf("a request of %d bytes", n)
		}
		body := make([]byte, n-1)
		if _, err := io.ReadFull(rw, body); err != nil {
			return fmt.Errorf("read a request: %w", err)
		}
		answer := f.answer(head[4], body)
		if _, err := rw.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...)); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	return errors.New("too many requests")
}

func (f *certFiles) answer(kind byte, body []byte) []byte {
	if kind == sftpInit {
		return append([]byte{sftpVersion}, ssh.Marshal(struct{ V uint32 }{3})...)
	}
	id := binary.BigEndian.Uint32(body)
	switch kind {
	case sftpClose:
		return status(id, sftpOK)
	case sftpRead:
		return f.read(id, body)
	case sftpOpen, sftpLstat, sftpStat, sftpFstat, sftpRealpath:
	default:
		return status(id, sftpUnsupported)
	}
	var wire struct {
		ID   uint32
		Name string
		Rest []byte `ssh:"rest"` // pflags and attributes of open
	}
	if ssh.Unmarshal(body, &wire) != nil || len(wire.Name) > maxHost {
		return status(id, sftpBadMessage)
	}
	name := strings.TrimPrefix(path.Clean("/"+wire.Name), "/")
	switch {
	case kind == sftpRealpath:
		return append([]byte{sftpName}, ssh.Marshal(struct {
			ID, Count  uint32
			Name, Long string
			Flags      uint32
		}{id, 1, "/" + clean(name, maxHost), "/" + clean(name, maxHost), 0})...)
	case name == "" && kind != sftpOpen:
		return attrs(id, 0, 0o040500)
	case kind == sftpOpen && (len(wire.Rest) < 4 || binary.BigEndian.Uint32(wire.Rest)&^1 != 0): // SSH_FXF_READ alone
		return status(id, sftpDenied)
	}
	b, err := f.get(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return status(id, sftpNoFile)
	case err != nil:
		return status(id, sftpDenied)
	case kind == sftpOpen: // the handle is the name: nothing is kept open
		return append([]byte{sftpHandle}, ssh.Marshal(struct {
			ID     uint32
			Handle string
		}{id, name})...)
	}
	return attrs(id, uint64(len(b)), 0o100600)
}

// read gives what was made before; it makes nothing.
func (f *certFiles) read(id uint32, body []byte) []byte {
	var wire struct {
		ID     uint32
		Handle string
		At     uint64
		Length uint32
	}
	if ssh.Unmarshal(body, &wire) != nil {
		return status(id, sftpBadMessage)
	}
	b, ok := f.made[wire.Handle]
	if !ok {
		return status(id, sftpNoFile)
	}
	if wire.At >= uint64(len(b)) {
		return status(id, sftpEOF)
	}
	b = b[wire.At:]
	return append([]byte{sftpData}, ssh.Marshal(struct {
		ID   uint32
		Data string
	}{id, string(b[:min(len(b), int(min(wire.Length, 32<<10)))])})...)
}

func status(id, code uint32) []byte {
	return append([]byte{sftpStatus}, ssh.Marshal(struct {
		ID, Code       uint32
		Text, Language string
	}{id, code, sftpSays[code], "en"})...)
}

// attrs are size and permissions (flags 1 and 4; section 5 of the draft).
func attrs(id uint32, size uint64, mode uint32) []byte {
	return append([]byte{sftpAttrs}, ssh.Marshal(struct {
		ID, Flags uint32
		Size      uint64
		Mode      uint32
	}{id, 1 | 4, size, mode})...)
}
