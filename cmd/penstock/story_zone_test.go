package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"penstock/broker/brokertest"
)

// Commands of the story of a zone that lets no connection in:
//
//	zone                   a network namespace of its own, with no interface but its loopback: the meter-plc stands in it, at
//	                       10.20.1.11:502, and its 127.0.0.1:$PORT is the one way out, to the broker. "inzone CMD…" runs a
//	                       command there; $MODBUS is a port that is free on the vendor's side
func init() {
	sceneCommands["zone"] = noNeg((*story).zone)
}

// zoneProcess, in the environment, makes a test binary the process that a zone's
// namespace lives in: its value is the broker's port, and the socket that leads out.
const (
	zoneProcess = "PENSTOCK_TEST_ZONE_PORT"
	zoneSocket  = "PENSTOCK_TEST_ZONE_SOCKET"
	zoneMachine = "10.20.1.11"
)

// zone starts that process. A socket in the file system passes between network
// namespaces, and only the side inside dials it: there is no other way, in or out.
func (s *story) zone(ts *testscript.TestScript, _ []string) error {
	out, err := net.Listen("unix", s.path("way-out"))
	if err != nil {
		return err
	}
	s.env.Defer(func() { out.Close() })
	go serveEach(out, func(c net.Conn) { join(c, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.ssh))) })

	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), zoneProcess+"="+strconv.Itoa(s.ssh), zoneSocket+"="+s.path("way-out"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	enter := "-n"
	if uid := os.Getuid(); uid != 0 { // then inside one's own user namespace
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		enter = "-U --preserve-credentials -n"
	}
	stays, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("this computer lets nobody make a network namespace, which this story needs (root with CAP_SYS_ADMIN, or user namespaces): %w", err)
	}
	s.env.Defer(func() { stays.Close(); _ = cmd.Wait() }) // it ends with its input
	if b, err := io.ReadAll(io.LimitReader(said, 6)); err != nil || string(b) != "ready\n" {
		return fmt.Errorf("the zone's namespace is not there: %q, %w", b, errors.Join(err, errors.New("see above")))
	}
	if err := os.WriteFile(s.path("bin", "inzone"), fmt.Appendf(nil, "#!/bin/sh\nexec nsenter -t %d %s -- \"$@\"\n", cmd.Process.Pid, enter), 0o755); err != nil {
		return err
	}
	free, err := brokertest.FreePort()
	if err != nil {
		return err
	}
	ts.Setenv("MODBUS", strconv.Itoa(free))
	return s.withMeter(ts, zoneMachine, 502)
}

// liveInZone is that process: the machine, and the way out, until its input ends.
func liveInZone() error {
	for _, words := range [][]string{{"link", "set", "lo", "up"}, {"addr", "add", zoneMachine + "/32", "dev", "lo"}} {
		if out, err := exec.Command("ip", words...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %q: %w: %s", words, err, out)
		}
	}
	machine, err := net.Listen("tcp", zoneMachine+":502")
	if err != nil {
		return err
	}
	way, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Getenv(zoneProcess)))
	if err != nil {
		return err
	}
	go serveEach(machine, func(c net.Conn) { defer c.Close(); answerModbus(c) })
	go serveEach(way, func(c net.Conn) { join(c, "unix", os.Getenv(zoneSocket)) })
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func serveEach(l net.Listener, each func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go each(c)
	}
}

// join carries bytes both ways until either side ends.
func join(c net.Conn, network, address string) {
	defer c.Close()
	to, err := net.Dial(network, address)
	if err != nil {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, to}, {to, c}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // a line ends as it likes
			c.Close()
			to.Close()
		})
	}
	both.Wait()
}
