package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Commands of the stories of jumps and forwards:
//
//	meter                  a Modbus/TCP meter, 127.0.0.2:$MODBUS, called meter-plc; the broker reads its plant file again
//	configured PERSON      what "desk setup" prints goes to ~/.ssh/config and known_hosts, as the person would copy it
//	listening ADDR         wait until somebody listens there
//	transactions ADDR N    N Modbus requests to that address, each with its right answer
//	[!] behind-socks ADDR HOST PORT N  the same through the SOCKS at ADDR
//	agentprint FILE        sets $FINGERPRINT to that of a private key
//	mute ADDR              nothing comes back from that address any more
func init() {
	sceneCommands["meter"] = noNeg((*story).meter)
	sceneCommands["configured"] = noNeg((*story).configured)
	sceneCommands["listening"] = noNeg((*story).listening)
	sceneCommands["transactions"] = noNeg((*story).transactions)
	sceneCommands["behind-socks"] = behindSocks
	sceneCommands["agentprint"] = noNeg((*story).agentPrint)
	sceneCommands["mute"] = noNeg((*story).mute)
}

const meterAsset = `  meter-plc:
    tag: MET-1-PLC-01
    name: Energy meter
    zone: line-1
    level: 1
    address: %s
    stops: [filling-1]
    ports:
      modbus: {tcp: %d, rights: [look, copy, set], enforced: nobody}
`

// meter answers "read holding registers": register N holds N (MODBUS
// Application Protocol V1.1b3, 6.3).
func (s *story) meter(ts *testscript.TestScript, _ []string) error {
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		return err
	}
	s.env.Defer(func() { l.Close() })
	go serveEach(l, func(c net.Conn) { defer c.Close(); answerModbus(c) })
	port := l.Addr().(*net.TCPAddr).Port
	ts.Setenv("MODBUS", strconv.Itoa(port))
	return s.withMeter(ts, "127.0.0.2", port)
}

// withMeter writes it into the plant file, which the broker reads again.
func (s *story) withMeter(ts *testscript.TestScript, address string, port int) error {
	b, err := os.ReadFile(s.path("plant.yaml"))
	if err != nil {
		return err
	}
	text := strings.Replace(string(b), "carries: [ssh]", "carries: [ssh, modbus]", 1)
	head, rules, ok := strings.Cut(text, "rules:\n")
	if !ok {
		return errors.New("the plant file has no rules")
	}
	if err := os.WriteFile(s.path("plant.yaml"), []byte(head+fmt.Sprintf(meterAsset, address, port)+"rules:\n"+rules), 0o600); err != nil {
		return err
	}
	if err := s.hangup(ts, nil); err != nil {
		return err
	}
	return s.logged(ts, []string{"2", "config.changed", `"plant"`})
}

func answerModbus(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		var q [12]byte
		if _, err := io.ReadFull(r, q[:]); err != nil {
			return
		}
		first, count := binary.BigEndian.Uint16(q[8:]), binary.BigEndian.Uint16(q[10:])
		a := append([]byte{q[0], q[1], 0, 0}, binary.BigEndian.AppendUint16(nil, 3+2*count)...)
		a = append(a, q[6], q[7], byte(2*count))
		for i := range count {
			a = binary.BigEndian.AppendUint16(a, first+i)
		}
		if _, err := c.Write(a); err != nil {
			return
		}
	}
}

func (s *story) transactions(_ *testscript.TestScript, args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	return transact(c, n)
}

func transact(c net.Conn, n int) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for i := range n {
		q := []byte{byte(i >> 8), byte(i), 0, 0, 0, 6, 1, 3, 0, byte(i), 0, 1}
		if _, err := c.Write(q); err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
		var a [11]byte
		if _, err := io.ReadFull(c, a[:]); err != nil {
			return fmt.Errorf("answer %d: %w", i, err)
		}
		if a[0] != q[0] || a[1] != q[1] || a[10] != byte(i) {
			return fmt.Errorf("answer %d is % x", i, a)
		}
	}
	return nil
}

// behindSocks asks a SOCKS5 server for HOST and PORT (RFC 1928), then does N transactions.
func behindSocks(ts *testscript.TestScript, neg bool, args []string) {
	err := func() error {
		port, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		c, err := net.Dial("tcp", args[0])
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		ask := append([]byte{5, 1, 0, 5, 1, 0, 3, byte(len(args[1]))}, args[1]...)
		if ip := net.ParseIP(args[1]).To4(); ip != nil {
			ask = append([]byte{5, 1, 0, 5, 1, 0, 1}, ip...)
		}
		if _, err := c.Write(append(ask, byte(port>>8), byte(port))); err != nil {
			return err
		}
		var a [12]byte
		if _, err := io.ReadFull(c, a[:]); err != nil || a[3] != 0 {
			return fmt.Errorf("SOCKS answers % x: %w", a, errors.Join(err, errors.New("no")))
		}
		return transact(c, n)
	}()
	if (err != nil) != neg {
		ts.Fatalf("through SOCKS to %s port %s: %v", args[1], args[2], err)
	}
}

func (s *story) agentPrint(ts *testscript.TestScript, args []string) error {
	out, err := exec.Command("ssh-keygen", "-lf", s.path(args[0])).Output()
	if err != nil {
		return fmt.Errorf("ssh-keygen -l: %w", err)
	}
	ts.Setenv("FINGERPRINT", strings.Fields(string(out))[1])
	return nil
}

func (s *story) mute(_ *testscript.TestScript, args []string) error {
	c, err := net.Dial("tcp", args[0])
	if err != nil {
		return nil // nobody listens any more
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, _ = c.Write([]byte{0, 1, 0, 0, 0, 6, 1, 3, 0, 1, 0, 1}) // it may be closed already
	b, err := io.ReadAll(c)
	if len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%d bytes came back, %v", len(b), err)
	}
	return nil
}

func (s *story) listening(_ *testscript.TestScript, args []string) error {
	return until("somebody listens on "+args[0], func() (bool, error) {
		l, err := net.Listen("tcp", args[0]) // to connect would open a forward
		if err == nil {
			l.Close()
		}
		return err != nil, nil
	})
}

func (s *story) configured(ts *testscript.TestScript, args []string) error {
	said, err := s.run(ts, args[0], "ssh", "-p", strconv.Itoa(s.ssh), "desk@localhost", "setup")
	if err != nil {
		return err
	}
	home := s.path("home", args[0], ".ssh")
	var known, config []string
	for line := range strings.SplitSeq(said.Stdout, "\n") {
		switch {
		case strings.HasPrefix(line, "@cert-authority "):
			known = append(known, line)
		case strings.HasPrefix(line, "Host "), strings.HasPrefix(line, "    "):
			config = append(config, strings.ReplaceAll(line, "~/.ssh", home))
		}
	}
	if err := os.WriteFile(filepath.Join(home, "known_hosts"), []byte(strings.Join(known, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	// The story's own lines keep this person's files apart from the machine's.
	own := fmt.Sprintf("\nHost *\n    UserKnownHostsFile %s/known_hosts\n    GlobalKnownHostsFile /dev/null\n    StrictHostKeyChecking yes\n    IdentityAgent none\n", home)
	return os.WriteFile(filepath.Join(home, "config"), []byte(strings.Join(config, "\n")+own), 0o600)
}
