package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// tmux runs a command of this story's own tmux server.
func (s *story) tmux(args ...string) (string, error) {
	cmd := exec.Command("tmux", append([]string{"-f", "/dev/null", "-S", s.path("tmux.sock")}, args...)...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "TMUX=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("tmux %s: %w: %s", args[0], err, out)
	}
	return string(out), nil
}

// screen runs a person's command in a terminal that can be looked at.
func (s *story) screen(ts *testscript.TestScript, args []string) error {
	if len(args) < 3 {
		return errors.New("usage: screen NAME PERSON CMD…")
	}
	_, st, err := s.prepare(ts, args[1:])
	if err != nil {
		return err
	}
	words := []string{"new-session", "-d", "-s", args[0], "-x", "100", "-y", "30", "-c", st.Dir, "env", "-i", "LANG=C.UTF-8"}
	if _, err := s.tmux(append(append(words, st.Env...), st.Args...)...); err != nil {
		return err
	}
	ts.Defer(func() { _, _ = s.tmux("kill-session", "-t", "="+args[0]) }) // may have ended with its command
	return nil
}

func (s *story) keys(_ *testscript.TestScript, args []string) error {
	_, err := s.tmux(append([]string{"send-keys", "-t", args[0]}, args[1:]...)...)
	return err
}

func (s *story) looked(args []string, what string, look func() (string, error)) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: %s NAME REGEXP", what)
	}
	re, err := regexp.Compile("(?s)" + args[1])
	if err != nil {
		return err
	}
	last := ""
	err = until(fmt.Sprintf("%s of %s is %s", what, args[0], args[1]), func() (bool, error) {
		var err error
		last, err = look()
		return re.MatchString(last), err
	})
	if err != nil {
		return fmt.Errorf("%w; it is:\n%s\n%s", err, indent(last), s.broken())
	}
	return nil
}

func (s *story) pane(_ *testscript.TestScript, args []string) error {
	return s.looked(args, "pane", func() (string, error) { return s.tmux("capture-pane", "-p", "-t", args[0]) })
}

func (s *story) title(_ *testscript.TestScript, args []string) error {
	return s.looked(args, "title", func() (string, error) { return s.tmux("display-message", "-p", "-t", args[0], "#{pane_title}") })
}

// looks is a screen with its colours and where the cursor is.
func (s *story) looks(name string) (string, error) {
	return s.tmux("capture-pane", "-p", "-e", "-t", name, ";", "display-message", "-p", "-t", name, "cursor #{cursor_x},#{cursor_y}")
}

// shot keeps a screen with its colours and where the cursor is, once it has not
// changed for a quarter of a second: a program that starts draws in steps.
func (s *story) shot(_ *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: shot NAME FILE")
	}
	last, same := "", 0
	err := until("the screen rests", func() (bool, error) {
		now, err := s.looks(args[0])
		if same++; now != last {
			last, same = now, 0
		}
		return same >= 12, err
	})
	if err != nil {
		return err
	}
	return os.WriteFile(s.path(args[1]), []byte(strings.TrimRight(last, "\n")+"\n"), 0o600)
}

// soon sets a variable to a time that is near, in whole seconds.
func (s *story) soon(ts *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: soon NAME SPAN")
	}
	span, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	ts.Setenv(args[0], time.Now().Add(span).UTC().Format(time.RFC3339))
	return nil
}

// comes waits for a time that soon has set: the story is about this very time.
func (s *story) comes(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: comes NAME")
	}
	at, err := time.Parse(time.RFC3339, ts.Getenv(args[0]))
	if err != nil {
		return err
	}
	if wait := time.Until(at); wait > 0 {
		<-time.After(wait)
	}
	return nil
}

// promptlyAfter compares two leaves' wall clocks: a taking, and that it was felt.
func (s *story) promptlyAfter(_ *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: promptly-after TYPE TYPE")
	}
	var walls [2]time.Time
	for i, kind := range args {
		found, err := s.leaves(kind, "")
		if err != nil || len(found) == 0 {
			return fmt.Errorf("no %s in the log: %w", kind, err)
		}
		m := regexp.MustCompile(`"wall":"([^"]+)"`).FindStringSubmatch(found[len(found)-1])
		if m == nil {
			return fmt.Errorf("no time in %s", found[len(found)-1])
		}
		if walls[i], err = time.Parse(time.RFC3339Nano, m[1]); err != nil {
			return err
		}
	}
	if late := walls[1].Sub(walls[0]); late > feltWithin {
		return fmt.Errorf("%s came %v after %s", args[1], late, args[0])
	}
	return nil
}
