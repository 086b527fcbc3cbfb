package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"penstock/cmd/penstock/demo"
)

// Commands of the stories that compare with plain ssh:
//
//	beside PERSON          PERSON has "machine" for a name of their way through Penstock; a new person "plain"
//	                       has the same name, and goes to the same sshd with nothing between
//	same [-stdin F] [-tty] [-turns F] PERSON CMD…  run CMD as plain and then as PERSON: standard output, errors,
//	                       terminal and exit code are the same, and stay for saw and exited
//	alike NAME NAME        wait until two screens are the same to the colour and the cursor
//	resized NAME COLS ROWS the terminal of a screen has another size
func init() {
	sceneCommands["beside"] = noNeg((*story).beside)
	sceneCommands["same"] = noNeg((*story).same)
	sceneCommands["alike"] = noNeg((*story).alike)
	sceneCommands["resized"] = noNeg((*story).resized)
}

func (s *story) beside(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: beside PERSON")
	}
	through, err := s.someone(args[0])
	if err != nil {
		return err
	}
	if err := s.newPerson("plain"); err != nil {
		return err
	}
	plain := s.people["plain"]
	key, err := publicKey(filepath.Join(plain.Home, ".ssh", "id_ed25519.pub"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path("direct_keys"), []byte(key+"\n"), 0o600); err != nil {
		return err
	}
	host, err := publicKey(s.path("target_host.pub"))
	if err != nil {
		return err
	}
	known := fmt.Sprintf("[localhost]:%d %s\n", s.sshdPort, host)
	if err := os.WriteFile(filepath.Join(plain.Home, ".ssh", "known_hosts"), []byte(known), 0o600); err != nil {
		return err
	}
	account := ts.Getenv("ACCOUNT")
	if err := named(plain, "localhost", s.sshdPort, account); err != nil {
		return err
	}
	return named(through, "localhost", s.ssh, through.Name+"+"+account+"+filler-plc")
}

// named puts the machine's name in front of a person's ssh configuration.
func named(p *demo.Person, host string, port int, user string) error {
	path := filepath.Join(p.Home, ".ssh", "config")
	rest, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, fmt.Appendf(nil, "Host machine\n  HostName %s\n  Port %d\n  User %s\n%s", host, port, user, rest), 0o600)
}

func (s *story) same(ts *testscript.TestScript, args []string) error {
	at := 0
	for at < len(args) && strings.HasPrefix(args[at], "-") {
		if at++; args[at-1] != "-tty" {
			at++
		}
	}
	if len(args) < at+2 {
		return errors.New("usage: same [-stdin FILE] [-tty] [-turns FILE] PERSON CMD…")
	}
	options, person, command := args[:at], args[at], args[at+1:]
	var said [2]demo.Said
	for i, name := range []string{"plain", person} {
		p, st, err := s.prepare(ts, append(append([]string{name}, options...), command...))
		if err != nil {
			return err
		}
		if said[i], err = p.Talk(context.Background(), st); err != nil {
			return err
		}
		s.note(ts, said[i])
	}
	if said[0] != said[1] {
		return fmt.Errorf("%q is not the same\nplain: %s\nhere:  %s\n%s", command, shownSaid(said[0]), shownSaid(said[1]), s.broken())
	}
	return nil
}

func shownSaid(a demo.Said) string {
	return fmt.Sprintf("exit %d, stdout %.2000q, stderr %.2000q, terminal %.2000q", a.Code, a.Stdout, a.Stderr, a.TTY)
}

func (s *story) alike(_ *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: alike NAME NAME")
	}
	var looks [2]string
	err := rarely(args[0]+" and "+args[1]+" look the same", func() (same bool, err error) {
		for i, name := range args {
			if looks[i], err = s.looks(name); err != nil {
				return false, err
			}
		}
		return looks[0] == looks[1], nil
	})
	if err != nil {
		return fmt.Errorf("%w:\n%s\n%s", err, indent(looks[0]), indent(looks[1]))
	}
	return nil
}

func (s *story) resized(_ *testscript.TestScript, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: resized NAME COLS ROWS")
	}
	for _, n := range args[1:] {
		if _, err := strconv.Atoi(n); err != nil {
			return err
		}
	}
	_, err := s.tmux("resize-window", "-t", args[0], "-x", args[1], "-y", args[2])
	return err
}
