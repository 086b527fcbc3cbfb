package sshd

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// What an idle session with a shell open may cost; doubling it fails.
const (
	idleSessions   = 6
	idleGoroutines = 17  // 15 now, of which x/crypto has 6 and gliderlabs 3
	idleKiB        = 320 // heap and stacks; 145 on a calm machine, 240 seen on a busy one; scripts/bench holds the real limit
	idleSettles    = 20 * time.Second
)

// cost is what each of some shells adds to this process: goroutines, and KiB of
// heap and stacks after collections, each of which halves the stacks that a
// handshake has made deep. It waits for those to go that are not needed for long.
func cost(t *testing.T, most int, dial func() *ssh.Client) (goroutines int, kib int64) {
	t.Helper()
	inUse := func() int64 {
		for range 4 {
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	shell(t, dial()) // what the first one costs is not each one's
	settled(1 << 20)
	before, used := runtime.NumGoroutine(), inUse()
	for range idleSessions {
		shell(t, dial())
	}
	n := settled(before+idleSessions*most) - before
	return (n + idleSessions - 1) / idleSessions, (inUse() - used) / idleSessions / 1024
}

// settled waits until there are at most so many goroutines, and no fewer a moment later.
func settled(most int) int {
	poll := time.NewTicker(time.Second)
	defer poll.Stop()
	late := time.After(idleSettles)
	for last := runtime.NumGoroutine(); ; {
		select {
		case <-poll.C:
			n := runtime.NumGoroutine()
			if n <= most && n >= last {
				return n
			}
			last = n
		case <-late:
			return runtime.NumGoroutine()
		}
	}
}

// shell leaves a shell open that has answered once.
func shell(t *testing.T, c *ssh.Client) {
	t.Helper()
	ch, reqs := open(t, c)
	go ssh.DiscardRequests(reqs)
	if ok, err := ch.SendRequest("shell", true, nil); err != nil || !ok {
		t.Fatalf("a shell: %v %v", ok, err)
	}
	if _, err := fmt.Fprintln(ch, "echo there"); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.Read(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
}

// TestAnIdleSessionIsSmall holds what the broker adds to a shell that waits: the
// same client and the same machine, once through the broker and once without it.
func TestAnIdleSessionIsSmall(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	login := must(h.ca.SignTarget(h.ctx, "logs@filler-plc.kiel", "test", "S-0", 0))
	direct := func() *ssh.Client {
		c, err := ssh.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", h.machine.port), &ssh.ClientConfig{User: "logs",
			Auth: []ssh.AuthMethod{ssh.PublicKeys(login)}, HostKeyCallback: ssh.FixedHostKey(h.machine.host.PublicKey())})
		h.ok(err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	own, ownKiB := cost(t, 1<<20, direct)
	all, allKiB := cost(t, own+idleGoroutines, func() *ssh.Client { return h.in(w) })
	t.Logf("%d goroutines and %d KiB each, without the broker %d and %d KiB", all, allKiB, own, ownKiB)
	if all-own > idleGoroutines {
		buf := make([]byte, 1<<20)
		t.Errorf("an idle session has %d goroutines of the broker, at most %d:\n%s", all-own, idleGoroutines, buf[:runtime.Stack(buf, true)])
	}
	if kib := allKiB - ownKiB; kib > idleKiB {
		t.Errorf("an idle session holds %d KiB of heap and stacks in the broker, at most %d", kib, idleKiB)
	}
}
