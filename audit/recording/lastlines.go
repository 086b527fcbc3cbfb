package recording

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"unicode/utf8"
)

// Size is the terminal's size where this frame sets it: the request for a
// terminal (RFC 4254 section 6.2), or a change of its size.
func (f Frame) Size() (cols, rows int, ok bool) {
	var t terminal
	switch f.Mark {
	case Request:
		ok = t.request(f.Data)
	case Resize:
		ok = t.resize(f.Data)
	}
	return t.cols, t.rows, ok
}

const (
	lastParts = 2        // parts of a recording that LastLines reads
	lastBytes = 64 << 10 // of text that it holds
	lastLine  = 2000     // bytes of one line: its end
)

// LastLines reads what is durable now and gives the last lines of the output,
// as ExportText writes them: safe to show anywhere, and no terminal. The follower stands
// behind them afterwards. Errors are Next's; io.EOF is none.
func (f *Follower) LastLines(ctx context.Context, most int) (string, error) {
	f.state(false)
	if f.c.number < 0 && f.c.parts > lastParts {
		if err := f.c.startAt(f.c.parts - lastParts); err != nil {
			return "", err
		}
	}
	var tail tailWriter
	p := &page{out: bufio.NewWriter(&tail)}
	var outs, errs plainText
	for f.Ready() {
		frame, err := f.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
		switch frame.Mark {
		case Out:
			outs.write(p, frame.Data)
		case Err:
			errs.write(p, frame.Data)
		}
	}
	outs.end(p)
	errs.end(p)
	_ = p.out.Flush() // into memory
	return tail.lines(most), nil
}

// tailWriter keeps the end of what is written.
type tailWriter struct{ b []byte }

func (t *tailWriter) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 2*lastBytes {
		t.b = append(t.b[:0], t.b[len(t.b)-lastBytes:]...)
	}
	return len(p), nil
}

func (t *tailWriter) lines(most int) string {
	b := bytes.TrimRight(t.b, "\n")
	if len(b) > lastBytes {
		b = b[len(b)-lastBytes:]
	}
	for at, n := len(b), 0; at > 0; n++ {
		at = bytes.LastIndexByte(b[:at], '\n')
		if n == most-1 {
			b = b[at+1:]
			break
		}
	}
	var out []byte
	for line := range bytes.Lines(b) {
		if len(line) > lastLine {
			out = append(out, "… "...)
			line = bytes.TrimLeftFunc(line[len(line)-lastLine:], func(r rune) bool { return r == utf8.RuneError })
		}
		out = append(out, line...)
	}
	return valid(out)
}
