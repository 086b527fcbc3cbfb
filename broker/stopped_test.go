package broker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/broker/relay"
	"penstock/policy"
)

// childEnd is set for the child of TestStoppedAcrossTheEnd: how long its window lives.
const childEnd = "PENSTOCK_TEST_CHILD_END"

// child is a broker whose vendor is standard input and whose target is
// standard output. What it has to say goes to standard error.
func child() {
	left, err := time.ParseDuration(os.Getenv(childEnd))
	if err != nil {
		panic(err)
	}
	plant := brokertest.Plant(failer{}, netip.MustParseAddrPort("127.0.0.1:2201"), 0, pin)
	a := &brokertest.Agreement{}
	a.Window(brokertest.W1, time.Now(), left)
	b := broker.NewWith(func() *policy.Plant { return plant }, a, &brokertest.Log{}, newTape(), broker.Limits{}, broker.Clock{}, brokertest.IDs())
	go b.Run(context.Background())
	s, err := b.Admit(context.Background(), brokertest.Arrival(brokertest.W1), &brokertest.Guest{})
	if err != nil {
		panic(err)
	}
	c, err := s.Open(context.Background(), brokertest.Shell(brokertest.Maint))
	if err != nil {
		panic(err)
	}
	err = relay.ToTarget(c.Context(), c, os.Stdout, os.Stdin)
	fmt.Fprintln(os.Stderr, rule(err))
}

type failer struct{}

func (failer) Helper()                      {}
func (failer) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

// Promise 1 on real clocks: a process that is stopped across the end, with the
// vendor's bytes waiting for it, lets none of them through when it goes on.
func TestStoppedAcrossTheEnd(t *testing.T) {
	const left = 4 * time.Second // a slow machine has its first byte by then
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnd+"="+left.String())
	vendor, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	target, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // where the test has failed
	if _, err := vendor.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(target, first); err != nil || first[0] != 'a' {
		t.Fatalf("nothing passed before the end: %q, %v", first, err)
	}
	end := time.After(left + 200*time.Millisecond)
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("the child is not stopped: %v, %v", status, err)
	}
	if _, err := vendor.Write([]byte("rm -rf /\n")); err != nil {
		t.Fatal(err)
	}
	<-end // real time: that is the story
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	why, err := bufio.NewReader(said).ReadString('\n')
	if err != nil || why != "window-ended\n" {
		t.Errorf("the relay ended with %q, %v", why, err)
	}
	after, err := io.ReadAll(target)
	if err != nil || len(after) != 0 {
		t.Errorf("%q passed after the end, %v", after, err)
	}
	vendor.Close()
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Error(err)
	}
}
