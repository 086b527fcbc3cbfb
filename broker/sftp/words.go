package sftp

import (
	"errors"
	"fmt"
	"strings"
)

const maxWords = 256 // of one command

// word is one word of a command as the machine's shell would read it. Nothing is
// expanded but names: text is what is meant, quoted is how it is said to the
// shell again, pattern is text for path.Match where names are expanded.
type word struct {
	text, quoted, pattern string
	glob                  bool
}

var errShell = errors.New("only plain words pass")

// split reads a command strictly: words, quotes, backslashes, *, ? and [ in
// names, and ~ at the beginning. Whatever else a shell would act on is an error.
func split(command string) ([]word, error) {
	s := scanner{rest: command}
	var all []word
	for {
		s.rest = strings.TrimLeft(s.rest, " ")
		if s.rest == "" {
			return all, nil
		}
		if len(all) >= maxWords {
			return nil, fmt.Errorf("more than %d words", maxWords)
		}
		w, err := s.word()
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
}

type scanner struct {
	rest string
	text strings.Builder // what is meant
	run  strings.Builder // what of it is not yet in said
	said strings.Builder
	pat  strings.Builder
	glob bool
}

// literal takes characters that mean themselves.
func (s *scanner) literal(t string) {
	s.text.WriteString(t)
	s.run.WriteString(t)
	for i := range len(t) {
		if strings.IndexByte(`*?[]\`, t[i]) >= 0 {
			s.pat.WriteByte('\\')
		}
		s.pat.WriteByte(t[i])
	}
}

// special takes what the machine's shell is to act on.
func (s *scanner) special(t string) {
	s.flush()
	s.text.WriteString(t)
	s.said.WriteString(t)
}

func (s *scanner) flush() {
	if s.run.Len() > 0 {
		s.said.WriteString(quote(s.run.String()))
		s.run.Reset()
	}
}

func (s *scanner) word() (word, error) {
	s.text.Reset()
	s.said.Reset()
	s.pat.Reset()
	s.glob = false
	if s.rest[0] == '#' {
		return word{}, errShell
	}
	if s.rest[0] == '~' { // a home folder, of a plain name
		n := 1
		for n < len(s.rest) && plain(s.rest[n]) && s.rest[n] != '/' {
			n++
		}
		if n < len(s.rest) && s.rest[n] != '/' && s.rest[n] != ' ' {
			return word{}, errShell
		}
		s.special(s.rest[:n])
		if s.rest = s.rest[n:]; strings.HasPrefix(s.rest, "/") {
			s.special("/") // in quotes the ~ before it would mean itself (POSIX.1-2024 XCU 2.6.1)
			s.pat.WriteByte('/')
			s.rest = s.rest[1:]
		}
	}
	for s.rest != "" && s.rest[0] != ' ' {
		if err := s.next(); err != nil {
			return word{}, err
		}
	}
	s.flush()
	w := word{text: s.text.String(), quoted: s.said.String(), pattern: s.pat.String(), glob: s.glob}
	if w.text == "" {
		w.quoted = "''"
	}
	return w, nil
}

func (s *scanner) next() error {
	c := s.rest[0]
	switch {
	case c == '\'':
		inside, left, ok := strings.Cut(s.rest[1:], "'")
		if !ok {
			return errors.New("a quote has no end")
		}
		s.literal(inside)
		s.rest = left
		return nil
	case c == '"':
		return s.double()
	case c == '\\':
		if len(s.rest) < 2 || s.rest[1] == '\n' {
			return errShell
		}
		s.literal(s.rest[1:2])
		s.rest = s.rest[2:]
		return nil
	case c == '*' || c == '?':
		s.special(s.rest[:1])
		s.pat.WriteByte(c)
		s.glob, s.rest = true, s.rest[1:]
		return nil
	case c == '[':
		return s.class()
	case c < 0x20 || c == 0x7f || strings.IndexByte("|&;<>()$`{}", c) >= 0:
		return errShell
	}
	s.literal(s.rest[:1])
	s.rest = s.rest[1:]
	return nil
}

// double is what stands in double quotes, where nothing is expanded.
func (s *scanner) double() error {
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return nil
		case c == '$' || c == '`':
			return errShell
		case c == '\\' && i+1 < len(s.rest) && strings.IndexByte("$`\"\\", s.rest[i+1]) >= 0:
			i++
			s.literal(s.rest[i : i+1])
		case c == '\\' && i+1 < len(s.rest) && s.rest[i+1] == '\n':
			return errShell
		default:
			s.literal(s.rest[i : i+1])
		}
	}
	return errors.New("a quote has no end")
}

// class is [a-z] in a name: plain characters only.
func (s *scanner) class() error {
	inside, left, ok := strings.Cut(s.rest[1:], "]")
	negated := strings.HasPrefix(inside, "!") || strings.HasPrefix(inside, "^")
	members := strings.TrimLeft(inside, "!^")
	for i := range len(members) {
		ok = ok && plain(members[i]) && members[i] != '/'
	}
	if !ok || members == "" {
		return errors.New("a [ that is no plain set of characters")
	}
	s.special("[" + inside + "]")
	if negated {
		members = "^" + members
	}
	s.pat.WriteString("[" + members + "]")
	s.glob, s.rest = true, left
	return nil
}

// plain characters mean themselves in every shell.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-./:=@%+,", c) >= 0
}

// quote says text to a POSIX shell.
func quote(t string) string {
	for i := range len(t) {
		if !plain(t[i]) {
			return "'" + strings.ReplaceAll(t, "'", `'\''`) + "'"
		}
	}
	return t
}

// operand is a path that no program takes for an option, whatever names it stands for.
func (w word) operand() string {
	if w.text == "" || w.text[0] == '-' || strings.IndexByte("*?[", w.quoted[0]) >= 0 {
		return "./" + w.quoted
	}
	return w.quoted
}
