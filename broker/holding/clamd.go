package holding

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"penstock/approvals"
)

// Verdict is what a scanner says.
type Verdict struct {
	Says     string // approvals.ScanClean or ScanFound
	Found    string // its word for what was found
	Database string // what it says of its database
}

// Scanner looks into a file. An error is no verdict: the file stays held.
type Scanner interface {
	Scan(ctx context.Context, r io.ReaderAt, size int64) (Verdict, error)
	Well(ctx context.Context) error // nil: it would look into one now
}

// Clamd is a scanner that speaks clamd's protocol (clamd(8)): VERSION and INSTREAM.
type Clamd struct {
	Network, Address string        // unix or tcp
	Oldest           time.Duration // its database is no older; 0: any, and it need not say its age
	Now              func() time.Time
}

const (
	scanPatience = 30 * time.Second // for one step of the conversation
	scanAnswer   = 5 * time.Minute  // for its word on one file
	scanChunk    = 64 << 10
	scanReply    = 4 << 10 // bytes
)

// Scan asks for the database's age first: a scanner that is too old says nothing.
func (c Clamd) Scan(ctx context.Context, r io.ReaderAt, size int64) (v Verdict, err error) {
	v.Database, err = c.version(ctx)
	if err != nil {
		return v, err
	}
	conn, stop, err := c.dial(ctx)
	if err != nil {
		return v, err
	}
	defer stop()
	if err := stream(conn, r, size); err != nil {
		// It may have said why before it closed.
		if reply, rerr := answer(conn, scanPatience); rerr == nil {
			return v, fmt.Errorf("clamd does not take the file: %q", reply)
		}
		return v, fmt.Errorf("give the file to clamd: %w", err)
	}
	reply, err := answer(conn, scanAnswer)
	if err != nil {
		return v, fmt.Errorf("hear clamd: %w", err)
	}
	v.Says, v.Found, err = readReply(reply)
	return v, err
}

// Well is Scanner: it answers, and its database is not too old.
func (c Clamd) Well(ctx context.Context) error {
	_, err := c.version(ctx)
	return err
}

func (c Clamd) dial(ctx context.Context) (net.Conn, func(), error) {
	dialer := net.Dialer{Timeout: scanPatience}
	conn, err := dialer.DialContext(ctx, c.Network, c.Address)
	if err != nil {
		return nil, nil, fmt.Errorf("reach clamd: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	return conn, func() { stop(); conn.Close() }, nil
}

// stream is INSTREAM: pieces with their length before them, an empty one last.
func stream(conn net.Conn, r io.ReaderAt, size int64) error {
	if err := conn.SetDeadline(time.Now().Add(scanPatience)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("zINSTREAM\x00")); err != nil {
		return err
	}
	buf := make([]byte, 4+scanChunk)
	for at := int64(0); at < size; {
		n := int(min(scanChunk, size-at))
		if _, err := r.ReadAt(buf[4:4+n], at); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		binary.BigEndian.PutUint32(buf, uint32(n))
		if err := conn.SetDeadline(time.Now().Add(scanPatience)); err != nil {
			return err
		}
		if _, err := conn.Write(buf[:4+n]); err != nil {
			return err
		}
		at += int64(n)
	}
	_, err := conn.Write([]byte{0, 0, 0, 0})
	return err
}

// answer reads to the zero byte.
func answer(conn net.Conn, patience time.Duration) (string, error) {
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	b, err := bufio.NewReader(io.LimitReader(conn, scanReply)).ReadString(0)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(b, "\x00"), nil
}

// readReply reads "stream: OK", "stream: NAME FOUND"; all else is no verdict.
func readReply(reply string) (says, found string, err error) {
	rest, ok := strings.CutPrefix(reply, "stream: ")
	name, isFound := strings.CutSuffix(rest, " FOUND")
	switch {
	case ok && rest == "OK":
		return approvals.ScanClean, "", nil
	case ok && isFound && name != "":
		return approvals.ScanFound, "found: " + plain(name), nil
	}
	return "", "", fmt.Errorf("clamd says %q", plain(reply))
}

// plain keeps what a scanner says to one short line of printable ASCII.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), 200)]
}

// version is clamd's own word, such as "ClamAV 1.0.7/27466/Sat Nov 21 09:39:00 2026";
// one whose database is too old, or says no age where one is wanted, is an error.
func (c Clamd) version(ctx context.Context) (string, error) {
	conn, stop, err := c.dial(ctx)
	if err != nil {
		return "", err
	}
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(scanPatience)); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte("zVERSION\x00")); err != nil {
		return "", fmt.Errorf("ask clamd for its version: %w", err)
	}
	reply, err := answer(conn, scanPatience)
	if err != nil {
		return "", fmt.Errorf("ask clamd for its version: %w", err)
	}
	if !strings.HasPrefix(reply, "ClamAV ") {
		return "", fmt.Errorf("what answers is not clamd: %q", plain(reply))
	}
	if c.Oldest == 0 {
		return plain(reply), nil
	}
	made, err := databaseTime(reply)
	if err != nil {
		return "", fmt.Errorf("clamd does not say how old its database is: %q", plain(reply))
	}
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	if age := now().Sub(made); age > c.Oldest+24*time.Hour { // its clock's zone is not said
		return "", fmt.Errorf("clamd's database is of %s, more than %s old", made.Format(time.DateOnly), c.Oldest)
	}
	return plain(reply), nil
}

func databaseTime(version string) (time.Time, error) {
	parts := strings.SplitN(version, "/", 3)
	if len(parts) != 3 {
		return time.Time{}, errors.New("no database")
	}
	return time.Parse(time.ANSIC, strings.TrimSpace(parts[2]))
}
