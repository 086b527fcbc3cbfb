package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

const width = 80

// screen shows the demo to whoever watches. On a terminal it has colours and
// waits between steps; a key goes on at once.
type screen struct {
	out    io.Writer
	colour bool
	keys   <-chan struct{} // nil: no waiting
	close  func()
}

// newScreen looks at what out is. Paced screens also read keys, and put the
// terminal back as it was when they are closed.
func newScreen(out io.Writer, paced bool) *screen {
	s := &screen{out: out, close: func() {}}
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return s
	}
	s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if paced {
		s.readKeys()
	}
	return s
}

// readKeys makes each key count without Enter; Ctrl-C stays a signal.
func (s *screen) readKeys() {
	fd := int(os.Stdin.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return // standard input is no terminal: nobody can press a key
	}
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || group != unix.Getpgrp() {
		return // in the background: to touch the terminal would stop the demo
	}
	now := *before
	now.Lflag &^= unix.ICANON | unix.ECHO
	if unix.IoctlSetTermios(fd, unix.TCSETS, &now) != nil {
		return
	}
	keys := make(chan struct{}, 1)
	go func() { // ends with the process
		key := make([]byte, 16)
		for {
			if n, err := os.Stdin.Read(key); n == 0 || err != nil {
				return
			}
			select {
			case keys <- struct{}{}:
			default:
			}
		}
	}()
	s.keys = keys
	s.close = func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) } // the terminal may be gone
}

const (
	bold = "1"
	dim  = "2"
	cyan = "36"
)

func (s *screen) paint(style, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (s *screen) line(text string) { fmt.Fprintln(s.out, text) }

// title begins a part.
func (s *screen) title(text string) {
	rule := strings.Repeat("─", max(3, width-4-len([]rune(text))))
	s.line("\n" + s.paint(bold, "── "+text+" "+rule))
}

// say is a sentence of the narrator.
func (s *screen) say(text string) {
	s.line("")
	for _, l := range wrap(text, width) {
		s.line(l)
	}
}

// prompt shows a command as its person types it.
func (s *screen) prompt(who, line string) {
	s.line("")
	first, rest, more := strings.Cut(line, "\n")
	s.line("  " + s.paint(bold+";"+cyan, who+"$ ") + s.paint(bold, first))
	if more {
		for l := range strings.SplitSeq(rest, "\n") {
			s.line("  " + strings.Repeat(" ", len(who)+2) + s.paint(bold, strings.TrimSpace(l)))
		}
	}
}

// output shows what came back, indented, and never two empty lines together;
// with most above 0 no more lines than that.
func (s *screen) output(text string, most int) {
	blank := true
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if most > 0 && len(lines) > most {
		left := len(lines) - most
		lines = append(lines[:most:most], fmt.Sprintf("… and %d lines more", left))
	}
	for _, l := range lines {
		if strings.TrimSpace(l) == "" {
			if !blank {
				s.line("")
			}
			blank = true
			continue
		}
		blank = false
		for _, part := range wrap(strings.TrimRight(l, " "), width-4) {
			s.line("    " + s.paint(dim, part))
		}
	}
}

// pause lets a person read n signs, or press a key.
func (s *screen) pause(ctx context.Context, n int) {
	if s.keys == nil {
		return
	}
	select {
	case <-time.After(min(2*time.Second+time.Duration(n)*25*time.Millisecond, 12*time.Second)):
	case <-s.keys:
	case <-ctx.Done():
	}
}

var (
	lineEnds    = regexp.MustCompile(`\r+\n`)                                           // ssh ends its own lines with \r\n, and the terminal adds another \r
	overwritten = regexp.MustCompile(`(?m)^[^\n]*\r`)                                   // progress
	goodbye     = regexp.MustCompile(`(?m)^(?:Shared c|C)onnection to \S+ closed\.\n?`) // ssh says it after each line typed at a terminal
	escapes     = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|\x07`)
	asksHere    = regexp.MustCompile(`(?m)^((?:\([^)\n]*\) )?(?:Password|New password|Once more|Code)[^\n]*: ?)$`)
	uriShown    = regexp.MustCompile(`otpauth://\S+`)
	secretIs    = regexp.MustCompile(`(secret +)[A-Z2-7 ]{16,}`)
)

const hidden = "••••"

// clean makes what a terminal showed fit to be shown again: no carriage
// returns, no escapes, and none of the secrets.
func clean(text string, secrets []string) string {
	text = lineEnds.ReplaceAllString(text, "\n")
	text = escapes.ReplaceAllString(overwritten.ReplaceAllString(text, ""), "")
	text = goodbye.ReplaceAllString(text, "")
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, hidden)
		}
	}
	text = uriShown.ReplaceAllString(text, "otpauth://"+hidden)
	text = secretIs.ReplaceAllString(text, "${1}"+hidden)
	text = ShowsCode.ReplaceAllStringFunc(text, func(shown string) string {
		return strings.ReplaceAll(shown, strings.TrimSpace(shown), hidden)
	})
	return asksHere.ReplaceAllString(text, "${1}"+hidden)
}

// wrap breaks a line at spaces; what hangs over keeps the line's indent.
func wrap(text string, width int) []string {
	runes := []rune(text)
	if len(runes) <= width {
		return []string{text}
	}
	indent := 0
	for indent < len(runes) && runes[indent] == ' ' {
		indent++
	}
	indent = min(indent, width/2)
	at := width
	for at > indent && runes[at] != ' ' {
		at--
	}
	if at <= indent { // one long word stays whole: somebody may copy it
		at = width
		for at < len(runes) && runes[at] != ' ' {
			at++
		}
		if at == len(runes) {
			return []string{text}
		}
	}
	rest := strings.Repeat(" ", indent) + strings.TrimLeft(string(runes[at:]), " ")
	return append([]string{strings.TrimRight(string(runes[:at]), " ")}, wrap(rest, width)...)
}
