package sftp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"penstock/audit"
	"penstock/policy"
)

const (
	maxScpLine = 8 << 10 // of scp's records and messages; bytes
	maxDepth   = 64      // folders
)

// side is what the source of scp's old protocol may send next. There is no
// paper on it; this is what OpenSSH's, PuTTY's and dropbear's do.
type side uint8

const (
	atAnswer  side = iota // nothing: the sink has not answered yet
	atRecord              // a line: C file, D folder, E end of folder, T times, or a message
	atContent             // the bytes of a file
	atStatus              // a zero byte, or a message, after them
	atMessage             // the rest of a message after a file
)

// copies reads scp's old protocol along: one side is the source of files, the
// other the sink, which answers each record with a zero byte or a message.
type copies struct {
	c *Carrier
	j *Job

	mu      sync.Mutex
	at      side
	line    []byte // of the source, not whole yet
	answer  []byte // of the sink, not whole yet
	folders []string
	record  byte // what waits for its answer: 0 the beginning, C D E T, or '.' a file's end
	name    string
	left    uint64 // bytes of the file
	now     *file
}

func newCopies(c *Carrier, j *Job) *copies { return &copies{c: c, j: j} }

func (s *copies) who(source bool) string {
	if source == s.j.in {
		return "vendor"
	}
	return "machine"
}

func (s *copies) fromVendor(_ context.Context, p []byte, send func([]byte) error) error {
	pass, told, err := s.take(p, s.j.in)
	if err != nil {
		return err
	}
	if err := s.c.tell(told); err != nil {
		return err
	}
	return send(pass)
}

func (s *copies) fromTarget(p []byte, show func([]byte) error) error {
	pass, told, err := s.take(p, !s.j.in)
	if err != nil {
		return err
	}
	if err := s.c.tell(told); err != nil {
		return err
	}
	return show(pass)
}

// take gives what of p, and of what was kept of it before, goes on: whole
// records, and content as it comes. source says whose bytes they are.
func (s *copies) take(p []byte, source bool) (pass []byte, told []audit.FileTransferred, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(p) > 0 && err == nil {
		var n int
		var goes []byte
		var f []audit.FileTransferred
		if source {
			n, goes, err = s.fromSource(p)
		} else {
			n, goes, f, err = s.fromSink(p)
		}
		if no, ok := errors.AsType[*policy.Refusal](err); ok && no.Rule == "file-size" && s.j.in {
			goes, err = nil, s.tooLarge(no)
		}
		p, pass, told = p[n:], append(pass, goes...), append(told, f...)
	}
	if err != nil {
		return nil, nil, err
	}
	return pass, told, nil
}

// tooLarge answers the vendor in the machine's stead, which never hears of the file.
func (s *copies) tooLarge(no *policy.Refusal) error {
	s.at, s.record, s.left = atRecord, 0, 0
	if err := s.c.gate.Refuse(s.c.gate.Context(), "scp", map[string]any{"operation": "write", "path": safe(s.where())}, no); err != nil {
		return err
	}
	return s.c.out.put([]byte("\x01scp: " + no.Say + "\n"))
}

// fromSource takes one step; n bytes are used, and pass goes on.
func (s *copies) fromSource(p []byte) (n int, pass []byte, err error) {
	switch s.at {
	case atAnswer:
		return 0, nil, broken(s.who(true), "scp: it goes on without an answer")
	case atContent:
		n = int(min(uint64(len(p)), s.left))
		if s.c != nil { // else it is only looked at, for the recording, which has its own hash
			s.content().add(s.content().next, p[:n])
		}
		if s.left -= uint64(n); s.left == 0 {
			s.at = atStatus
		}
		return n, p[:n], nil
	case atStatus:
		if p[0] == 0 {
			s.at, s.record = atAnswer, '.'
			return 1, p[:1], nil
		}
		s.now.failed = "the sender could not read all of it"
		s.at = atMessage
	}
	n, line, err := s.wholeLine(&s.line, p, s.who(true))
	if line == nil || err != nil {
		return n, nil, err
	}
	if s.at == atMessage {
		s.at, s.record = atAnswer, '.'
		return n, line, s.message(line, true)
	}
	return n, line, s.readRecord(line)
}

// content is that of the file under way.
func (s *copies) content() *content {
	c := &s.now.out
	if s.j.in {
		c = &s.now.in
	}
	return c
}

// wholeLine collects a line; nil: it is not whole yet.
func (s *copies) wholeLine(kept *[]byte, p []byte, who string) (n int, line []byte, err error) {
	n = len(p)
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		n = i + 1
	}
	*kept = append(*kept, p[:n]...)
	if len(*kept) > maxScpLine {
		return n, nil, broken(who, "scp: a line of more than %d bytes", maxScpLine)
	}
	if (*kept)[len(*kept)-1] != '\n' {
		return n, nil, nil
	}
	line = *kept
	*kept = nil
	return n, line, nil
}

// message is a warning (1) or the end (2) in words.
func (s *copies) message(line []byte, source bool) error {
	if line[0] != 1 && line[0] != 2 {
		return broken(s.who(source), "scp: a record that begins with %#x", line[0])
	}
	return nil
}

func (s *copies) readRecord(line []byte) error {
	if len(line) < 2 {
		return broken(s.who(true), "scp: an empty record")
	}
	text := string(line[1 : len(line)-1])
	switch line[0] {
	case 'C', 'D':
		return s.readFile(line[0], text)
	case 'T':
		for _, t := range strings.SplitN(text, " ", 5) {
			if _, err := strconv.ParseInt(t, 10, 64); err != nil {
				return broken(s.who(true), "scp: times that are no numbers")
			}
		}
	case 'E':
		if text != "" || len(s.folders) == 0 {
			return broken(s.who(true), "scp: the end of a folder that did not begin")
		}
	default: // nobody answers a message between files
		return s.message(line, true)
	}
	s.at, s.record = atAnswer, line[0]
	return nil
}

// readFile reads "MODE SIZE NAME" of a file or folder.
func (s *copies) readFile(kind byte, text string) error {
	f := strings.SplitN(text, " ", 3)
	if len(f) != 3 {
		return broken(s.who(true), "scp: a record without mode, size and name")
	}
	_, modeErr := strconv.ParseUint(f[0], 8, 16)
	size, sizeErr := strconv.ParseUint(f[1], 10, 62)
	name := f[2]
	switch {
	case modeErr != nil || sizeErr != nil:
		return broken(s.who(true), "scp: mode or size is no number")
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return broken(s.who(true), "scp: a name that leads elsewhere: %s", safe(name))
	case kind == 'D' && (!s.j.recursive || len(s.folders) >= maxDepth):
		return broken(s.who(true), "scp: a folder that nobody asked for")
	case !s.j.in && len(s.folders) == 0 && !s.wanted(name): // CVE-2019-6111
		return broken(s.who(true), "scp: it sends %s, which nobody asked for", safe(name))
	}
	s.at, s.record, s.name, s.left = atAnswer, kind, name, size
	if kind == 'C' {
		if no := s.scpSize(size); no != nil {
			return no
		}
	}
	return nil
}

// wanted says whether a name that the machine sends is one of those asked for.
func (s *copies) wanted(name string) bool {
	return slices.ContainsFunc(s.j.paths, func(w word) bool {
		base := path.Base(w.pattern)
		if s.j.recursive && (base == "." || base == ".." || base == "/") || w.pattern == "" || strings.HasPrefix(w.text, "~") && !strings.Contains(w.text, "/") {
			return s.j.recursive
		}
		ok, err := path.Match(base, name)
		return ok && err == nil
	})
}

// fromSink takes one answer.
func (s *copies) fromSink(p []byte) (n int, pass []byte, told []audit.FileTransferred, err error) {
	if len(s.answer) == 0 && p[0] == 0 {
		if s.at != atAnswer {
			return 0, nil, nil, broken(s.who(false), "scp: an answer to nothing")
		}
		return 1, p[:1], s.answered(true), nil
	}
	n, line, err := s.wholeLine(&s.answer, p, s.who(false))
	if line == nil || err != nil {
		return n, nil, nil, err
	}
	if err := s.message(line, false); err != nil {
		return n, nil, nil, err
	}
	if s.at == atAnswer {
		told = s.answered(false)
	} else if s.now != nil {
		s.now.failed = "the receiver could not take all of it"
	}
	return n, line, told, nil
}

// answered moves on after an answer, well or not.
func (s *copies) answered(well bool) (told []audit.FileTransferred) {
	record := s.record
	s.at, s.record = atRecord, 0
	switch {
	case record == '.':
		if !well {
			s.now.failed = "the receiver could not take all of it"
		}
		s.now.closed, s.now.eof = true, true
		told = s.now.told("scp")
		s.now = nil
	case !well:
	case record == 'C':
		s.now = s.begin()
		s.at = atContent
		if s.left == 0 {
			s.at = atStatus
		}
	case record == 'D':
		s.folders = append(s.folders, s.name)
	case record == 'E':
		s.folders = s.folders[:len(s.folders)-1]
	}
	return told
}

func (s *copies) begin() *file {
	f := &file{path: s.where(), flags: flagRead, read: !s.j.in}
	if s.j.in {
		f.flags = flagWrite | flagTrunc
	}
	f.in.waiting, f.out.waiting = new(int), new(int) // nothing waits: there are no offsets
	if s.c != nil {
		f.in.once = s.c.in
		f.done = s.c.gate.Busy(f.half())
	}
	return f
}

// where is the path that was asked for, and behind it what was sent, where the
// path must be a folder: whether it is one, only the machine knows.
func (s *copies) where() string {
	base := s.j.paths[0].text
	if s.j.in && !s.j.recursive && !s.j.folder && !strings.HasSuffix(base, "/") && base != "." && base != "~" {
		return base
	}
	if !s.j.in {
		for _, w := range s.j.paths {
			top := s.name
			if len(s.folders) > 0 {
				top = s.folders[0]
			}
			if ok, _ := path.Match(path.Base(w.pattern), top); ok {
				base = path.Dir(w.text) + "/" + top
				break
			}
		}
	}
	names := append(slices.Clone(s.folders), s.name)
	if path.Base(base) == names[0] {
		names = names[1:]
	}
	return path.Join(append([]string{base}, names...)...)
}

// ended tells of the file that broke off.
func (s *copies) ended(string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		return
	}
	if err := s.c.tell(s.now.told("scp")); err != nil {
		slog.Error("a transfer could not be told", "err", err)
	}
	s.now = nil
}
