package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"penstock/broker/brokertest"
)

// Commands of the story about slow networks:
//
//	line NAME LATE BYTES     a line to the broker's SSH, LATE each way, BYTES a second; sets $NAME to its port
//	drops NAME | silent NAME | speaks NAME  its connections are reset; nothing passes any more; what waits passes again
func init() {
	sceneCommands["line"] = noNeg((*story).line)
	for what, does := range map[string]func(*brokertest.Line){
		"drops": (*brokertest.Line).Drop, "silent": func(l *brokertest.Line) { l.Silence(true) }, "speaks": func(l *brokertest.Line) { l.Silence(false) },
	} {
		sceneCommands[what] = noNeg(func(s *story, _ *testscript.TestScript, args []string) error {
			if len(args) != 1 || s.lines[args[0]] == nil {
				return fmt.Errorf("usage: %s NAME, of a line", what)
			}
			does(s.lines[args[0]])
			return nil
		})
	}
}

func (s *story) line(ts *testscript.TestScript, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: line NAME LATE BYTES")
	}
	late, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	rate, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	l, err := brokertest.NewLine(net.JoinHostPort("127.0.0.1", strconv.Itoa(s.ssh)), late, rate)
	if err != nil {
		return err
	}
	ts.Defer(func() { _ = l.Close() }) // its listener is all that could complain
	if s.lines == nil {
		s.lines = map[string]*brokertest.Line{}
	}
	s.lines[args[0]] = l
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	return nil
}
