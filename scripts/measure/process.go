package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// daemon is a process that stays until it is ended.
type daemon struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

// start runs a daemon, which the kernel ends should this process die. Call it
// on main's thread only.
func start(log string, stdout *os.File, args ...string) (*daemon, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open a log: %w", err)
	}
	defer f.Close()
	d := &daemon{cmd: exec.Command(args[0], args[1:]...), log: log, ended: make(chan struct{})}
	d.cmd.Stderr = f
	if stdout != nil {
		d.cmd.Stdout = stdout
	}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	go func() {
		_ = d.cmd.Wait() // ended by us, or its log says why
		close(d.ended)
	}()
	return d, nil
}

// unitSlack is TimerSlackNSec of configs/penstock.service: the broker is measured
// as its unit runs it.
const unitSlack = 500 * time.Microsecond

// withSlack starts programs that the kernel may wake so much late (prctl(2),
// PR_SET_TIMERSLACK: a thread hands its own on to what it starts). Call it on
// main's thread only.
func withSlack(slack time.Duration, start func() error) error {
	own, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err == nil {
		err = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0)
	}
	if err != nil {
		return fmt.Errorf("set a timer slack: %w", err)
	}
	if err := start(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(own), 0, 0, 0); err != nil {
		return fmt.Errorf("set the timer slack back: %w", err)
	}
	return nil
}

// stop asks, waits for at most 20 s, then ends it.
func (d *daemon) stop(sig syscall.Signal) {
	_ = d.cmd.Process.Signal(sig) // may have ended
	select {
	case <-d.ended:
	case <-time.After(20 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.ended
	}
}

// until asks every 20 ms whether something has come to be, for at most 60 s.
func (d *daemon) until(ctx context.Context, what string, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-d.ended:
			return fmt.Errorf("%s: %s ended at once; %s says why", what, d.cmd.Path, d.log)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; %s may say why", what, ctx.Err(), d.log)
		case <-tick.C:
		}
	}
	return nil
}

// pids are the daemon and all that descends from it.
func (d *daemon) pids() []int { return family(d.cmd.Process.Pid, 0) }

func family(pid, depth int) []int {
	all := []int{pid}
	if depth > 8 {
		return all
	}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is sound
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // has ended
		}
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(all, family(child, depth+1)...)
			}
		}
	}
	return all
}

// memory of processes as the kernel counts it, KiB: what they share is divided
// among those that share it.
type memory struct {
	all       float64 // proportional set size
	anonymous float64 // of that, what is no file's
}

func memoryOf(pids []int) (memory, error) {
	var sum memory
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // has ended
		}
		if errors.Is(err, os.ErrPermission) {
			return sum, fmt.Errorf("read how much memory a process has: %w; the broker lets nobody of its user look into its memory: run this as root", err)
		}
		if err != nil {
			return sum, fmt.Errorf("read how much memory a process has: %w", err)
		}
		for word, to := range map[string]*float64{"Pss:": &sum.all, "Pss_Anon:": &sum.anonymous} {
			kib, err := rolledUp(string(text), word)
			if err != nil {
				return sum, err
			}
			*to += kib
		}
	}
	return sum, nil
}

// rolledUp is one figure of a smaps_rollup, KiB.
func rolledUp(text, name string) (float64, error) {
	words := strings.Fields(text)
	i := slices.Index(words, name)
	if i < 0 || i+1 >= len(words) {
		return 0, fmt.Errorf("smaps_rollup tells no %s", strings.TrimSuffix(name, ":"))
	}
	kib, err := strconv.ParseFloat(words[i+1], 64)
	if err != nil {
		return 0, fmt.Errorf("read smaps_rollup: %w", err)
	}
	return kib, nil
}

func listens(port int) bool {
	c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func findSSHD() (string, error) {
	if p, err := exec.LookPath("sshd"); err == nil && filepath.IsAbs(p) {
		return p, nil // sshd starts itself again and wants its whole path
	}
	for _, p := range []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/lib/ssh/sshd"} {
		if info, err := os.Stat(p); err == nil && info.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", errors.New("sshd is missing: install the package openssh-server (it need not run as a service)")
}
