package siem

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"penstock/audit/durable"
	"penstock/audit/syslog"
)

// Sink takes events to one place.
type Sink interface {
	// Deliver returns once the place has all of them, in order, as far as its
	// way can know. After an error it may have some. It obeys ctx.
	Deliver(ctx context.Context, batch []Event) error
}

// syslogSink sends a batch in one connection; package syslog says what its end proves.
type syslogSink struct{ sender *syslog.Sender }

// NewSyslog is the server at HOST:PORT, by RFC 5424 over TLS.
func NewSyslog(address string, config *tls.Config) (Sink, error) {
	s, err := syslog.New(address, config)
	if err != nil {
		return nil, err
	}
	return syslogSink{s}, nil
}

var severities = map[int]syslog.Severity{informational: syslog.Info, low: syslog.Notice, medium: syslog.Warning, high: syslog.Error}

func (s syslogSink) Deliver(ctx context.Context, batch []Event) error {
	all := make([]syslog.Message, len(batch))
	for i, e := range batch {
		all[i] = syslog.Message{Severity: severities[e.Severity], At: e.At, ID: messageID(e.Type), Text: string(e.JSON)}
	}
	_, err := s.sender.Send(ctx, all...) // whether it was proved is nothing that sending again would change
	return err
}

// messageID is the type where it may stand in a syslog header (RFC 5424 section 6.2.7).
func messageID(name string) string {
	if name == "" || len(name) > 32 || bytes.ContainsFunc([]byte(name), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "event"
	}
	return name
}

// fileSink appends lines to a file for a collector on this machine: PATH, and
// when it would pass most bytes it becomes PATH.1, that PATH.2, up to keep.
type fileSink struct {
	path string
	most int64
	keep int
}

// NewFile writes to path, at most about most × (keep + 1) bytes in all. A
// collector that is slower than that loses lines, which the log still has.
func NewFile(path string, most int64, keep int) Sink { return fileSink{path, most, keep} }

// Deliver is durable on return.
func (s fileSink) Deliver(_ context.Context, batch []Event) error {
	var out []byte
	for _, e := range batch {
		out = append(append(out, e.JSON...), '\n')
	}
	f, size, err := s.open()
	if err != nil {
		return fmt.Errorf("the file for the SIEM: %w", err)
	}
	if size > 0 && size+int64(len(out)) > s.most {
		f.Close()
		if err := s.rotate(); err != nil {
			return fmt.Errorf("begin a new file for the SIEM: %w", err)
		}
		if f, size, err = s.open(); err != nil {
			return fmt.Errorf("the file for the SIEM: %w", err)
		}
	}
	defer f.Close()
	if _, err := f.Write(out); err != nil {
		// What stands of it would come again: take it back, and if that fails too, the next open does.
		return errors.Join(fmt.Errorf("write the file for the SIEM: %w", err), f.Truncate(size))
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write the file for the SIEM: %w", err)
	}
	return durable.SyncDir(filepath.Dir(s.path))
}

// open gives the file and its size, without the line that a crash tore: that one comes again, whole.
func (s fileSink) open() (*os.File, int64, error) {
	if info, err := os.Lstat(s.path); err == nil && !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no file", s.path)
	}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return nil, 0, err
	}
	size, err := wholeLines(f)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, size, nil
}

// wholeLines is how far a file consists of whole lines. No line is longer than
// maxEvent; a longer end without one is not ours, and stays.
func wholeLines(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	from := max(0, info.Size()-2*maxEvent)
	tail, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return 0, err
	}
	if i := bytes.LastIndexByte(tail, '\n'); i >= 0 {
		return from + int64(i) + 1, nil
	}
	if from == 0 {
		return 0, nil
	}
	return info.Size(), nil
}

func (s fileSink) rotate() error {
	for n := s.keep; n > 0; n-- {
		from := s.path
		if n > 1 {
			from += "." + strconv.Itoa(n-1)
		}
		if err := os.Rename(from, s.path+"."+strconv.Itoa(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if s.keep == 0 {
		return os.Remove(s.path)
	}
	return nil
}
