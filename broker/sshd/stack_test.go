package sshd

import (
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// waiting are the goroutines of an idle shell, and of an idle forward, that this program has a say in, by a
// function that each has on its stack, and how many there are of it. A collection
// halves a stack of which less than a quarter is in use, 800 bytes of the runtime's
// own included (runtime.shrinkstack), so one that waits below 1248 bytes comes down
// to 4 KiB, and one that waits at 1249 stays at 8.
var waiting = map[string]int{
	"penstock/broker/dial.(*swift).Read":                 2 + 1, // of the shell's vendor and machine, and of the forward's vendor
	"penstock/broker/dial.deaf":                          1,
	"penstock/broker/sshd.(*wire).input":                 1,
	"penstock/broker/sshd.(*wire).output":                1,
	"penstock/broker/sshd.(*wire).errors":                1,
	"penstock/broker/sshd.(*wire).inward":                1,
	"penstock/broker/sshd.(*job).serve":                  1,
	"penstock/broker/sshd.(*stream).inward":              1,
	"penstock/broker/sshd.(*stream).outward":             1,
	"github.com/gliderlabs/ssh.(*Server).HandleConn":     1 + 1,
	"github.com/gliderlabs/ssh.(*Server).handleRequests": 1 + 1,
}

const idleShells = "PENSTOCK_IDLE_SHELLS" // set: this is the process whose stacks are looked at

// TestWhoWaitsIsShallow looks at the stacks of shells that wait, as the runtime
// prints them of a process that is told to quit.
func TestWhoWaitsIsShallow(t *testing.T) {
	const shells = 3
	if os.Getenv(idleShells) != "" {
		quitIdle(t, shells)
	}
	cmd := exec.CommandContext(t.Context(), must(os.Executable()), "-test.run=^"+t.Name()+"$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), idleShells+"=1", "GOTRACEBACK=system")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "SIGQUIT: quit") {
		t.Fatalf("no stacks: %v: %.2000s", err, out)
	}
	for name, each := range waiting {
		all := whoAre(string(out), name)
		if len(all) != each*shells {
			t.Errorf("%d goroutines are in %s, want %d", len(all), name, each*shells)
		}
		for _, one := range all {
			if deep := depth(t, one); deep > deepest {
				t.Errorf("who waits in %s keeps %d bytes on its stack, at most %d:\n%s", name, deep, deepest, one)
			}
		}
	}
}

// quitIdle ends this process when all of its shells wait.
func quitIdle(t *testing.T, shells int) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	h.plc.does(func(nc *net.TCPConn) { _, _ = io.Copy(nc, nc) })
	for range shells {
		shell(t, h.in(w))
		there := []byte("there")
		ch := h.plcOf(h.outer(w))
		must(ch.Write(there))
		must(io.ReadFull(ch, there))
	}
	buf := make([]byte, 4<<20)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !allWait(string(buf[:runtime.Stack(buf, true)]), shells) {
		<-poll.C
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGQUIT)
	select {}
}

// allWait says whether everybody is there who waits in an idle shell, and nobody is at work.
func allWait(trace string, shells int) bool {
	for name, each := range waiting {
		all := whoAre(trace, name)
		if len(all) != each*shells || slices.ContainsFunc(all, func(one string) bool {
			state, _, _ := strings.Cut(one, "\n")
			return strings.Contains(state, "[run")
		}) {
			return false
		}
	}
	return true
}

// whoAre are the goroutines of a trace that have a function on their stack.
func whoAre(trace, name string) (all []string) {
	for one := range strings.SplitSeq(trace, "\n\ngoroutine ") {
		if strings.Contains(one, "\n"+name+"(") {
			all = append(all, one)
		}
	}
	return all
}

var frameAt = regexp.MustCompile(` fp=0x([0-9a-f]+) sp=0x([0-9a-f]+) `)

// depth is how many bytes one goroutine of a trace has on its stack.
func depth(t *testing.T, trace string) uint64 {
	t.Helper()
	all := frameAt.FindAllStringSubmatch(trace, -1)
	if len(all) == 0 {
		t.Fatalf("no frames: %s", trace)
	}
	top, err := strconv.ParseUint(all[0][2], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	bottom, err := strconv.ParseUint(all[len(all)-1][1], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return bottom - top
}
