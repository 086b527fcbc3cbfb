package demo

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	glider "github.com/gliderlabs/ssh"
	"golang.org/x/term"
)

// work is a login that wants a command line, or one command.
func (d *device) work(s *session) {
	if line := s.ssh.RawCommand(); line != "" {
		_ = s.ssh.Exit(d.console(s).run(strings.Fields(line))) // may be gone
		return
	}
	s.readKeys()
	c := d.console(s)
	read := s.plainLines(c)
	if pty, resized, ok := s.ssh.Pty(); ok {
		t := term.NewTerminal(struct {
			io.Reader
			io.Writer
		}{&keyReader{s: s}, s.ssh}, c.prompt())
		setSize(t, pty.Window)
		go func() {
			for w := range resized {
				setSize(t, w)
			}
		}()
		s.out, read = t, t.ReadLine
	}
	fmt.Fprintln(s.out, c.greeting())
	for {
		text, err := read()
		if err != nil {
			break
		}
		words := strings.Fields(text)
		if len(words) == 1 && (words[0] == "exit" || words[0] == "quit") {
			break
		}
		if len(words) > 0 {
			c.run(words)
		}
	}
	_ = s.ssh.Exit(0)
}

// setSize follows the person's terminal. One that says 0 by 0 has nobody at it,
// and a line would break after each sign.
func setSize(t *term.Terminal, w glider.Window) {
	if w.Width > 0 && w.Height > 0 {
		_ = t.SetSize(w.Width, w.Height) // what cannot be, stays as it was
	}
}

// readKeys makes what is typed readable in two places: the prompt, and what
// runs until a key is pressed.
func (s *session) readKeys() {
	s.keys = make(chan []byte)
	go func() {
		defer close(s.keys)
		for {
			b := make([]byte, 1024)
			n, err := s.ssh.Read(b)
			if n > 0 {
				select {
				case s.keys <- b[:n]:
				case <-s.ssh.Context().Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
}

// keyReader reads the session's keys as a stream.
type keyReader struct {
	s    *session
	rest []byte
}

func (r *keyReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		b, ok := <-r.s.keys
		if !ok {
			return 0, io.EOF
		}
		r.rest = b
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// plainLines reads lines where nobody asked for a terminal.
func (s *session) plainLines(c console) func() (string, error) {
	lines := bufio.NewScanner(&keyReader{s: s})
	return func() (string, error) {
		fmt.Fprint(s.out, c.prompt())
		if !lines.Scan() {
			return "", io.EOF
		}
		return lines.Text(), nil
	}
}

// each calls f now and once a second, until a key, an error or the connection's end.
func (s *session) each(f func() error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for f() == nil {
		select {
		case <-tick.C:
		case <-s.keys: // nil for a single command: only its end ends it
			return
		case <-s.ssh.Context().Done():
			return
		}
	}
}

func (s *session) printf(format string, args ...any) {
	fmt.Fprintf(s.out, format+"\n", args...)
}
