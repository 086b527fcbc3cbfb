package holding

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"penstock/approvals"
	"penstock/audit"
	"penstock/broker/brokertest"
	"penstock/policy"
)

const noMore = "F-1 was refused by Mia Voss (Shift): wrong log. It goes no further."

// refuses is what the Desk does with a file that is on its way: effect, then event.
func (p *plant) refuses(id string) {
	p.t.Helper()
	if !p.h.StopFile(id, noMore) {
		p.t.Errorf("%s cannot be stopped", id)
	}
	p.desk.refuse(id)
}

// What was let out and is taken just now stops in the middle, at one's next read;
// no cut is needed for it, and it does not come out another time.
func TestAHalfTakenFileIsStopped(t *testing.T) {
	p := newPlantOf(t, nil, outWaits)
	path, mine := p.machineFile("log", strings.Repeat("0123456789abcdef", 10_000)), filepath.Join(t.TempDir(), "mine")
	get := "get " + path + " " + mine
	s := p.rig.Session(t, &brokertest.Guest{})
	p.sends(s, get)
	p.letOut("F-1")
	gate, err := s.Open(context.Background(), sftpQuery)
	if err != nil {
		t.Fatal(err)
	}
	taken, waits, err := p.h.Take(t.Context(), gate, path)
	if err != nil || taken == nil {
		t.Fatalf("%v %q %v", taken, waits, err)
	}
	half := make([]byte, 1000)
	if n, err := taken.ReadAt(half, 0); n != 1000 || err != nil {
		t.Fatal(n, err)
	}
	p.refuses("F-1")
	p.h.Poke()
	p.gone("refused") // its bytes; whoever has it open reads no more all the same
	n, err := taken.ReadAt(half, 1000)
	if no, ok := errors.AsType[*policy.Refusal](err); n != 0 || !ok || no.Say != noMore {
		t.Errorf("%d bytes more, %v", n, err)
	}
	taken.Close(t.Context(), false)
	gate.Close("0", nil)
	p.sends(s, get)
	if said := p.said[len(p.said)-1]; got(mine) != "" || len(p.desk.files) != 1 {
		t.Errorf("got %d bytes, said %q", len(got(mine)), said)
	}
}

// The client of who takes it says so, and the session goes on.
func TestTheClientSaysThatItWasStopped(t *testing.T) {
	p := newPlantOf(t, nil, outWaits)
	path, other, mine := p.machineFile("log", strings.Repeat("0123456789abcdef", 10_000)), p.machineFile("other", "more"), filepath.Join(t.TempDir(), "mine")
	s := p.rig.Session(t, &brokertest.Guest{})
	p.sends(s, "get "+path+" "+mine)
	p.letOut("F-1")
	p.desk.mu.Lock()
	p.desk.goes = func() { p.refuses("F-1") } // before its first byte
	p.desk.mu.Unlock()
	p.sends(s, "-get "+path+" "+mine, "get "+other+" "+mine+"2")
	all := strings.Join(p.said, "\n")
	if !strings.Contains(all, noMore) || !strings.Contains(all, "other was fetched") || got(mine) != "" {
		t.Errorf("got %d bytes, said %q", len(got(mine)), all)
	}
	if told := p.told(); len(told) > 0 && told[0].Bytes > 0 {
		t.Errorf("told %+v", told)
	}
}

// A delivery stops in the middle, and takes away what it wrote; once the machine is
// asked to give the file its name nobody stops it.
func TestADeliveryIsStopped(t *testing.T) {
	p := newPlant(t, nil)
	guest := &brokertest.Guest{}
	s := p.rig.Session(t, guest)
	p.sends(s, "put "+p.file("recipe")+" "+p.root+"/recipe")
	p.becomes("F-1", approvals.FileLooked)
	p.desk.mu.Lock()
	p.desk.goes = func() { p.refuses("F-1") }
	p.desk.mu.Unlock()
	if _, err := p.desk.release("F-1"); err != nil {
		t.Fatal(err)
	}
	p.h.Poke()
	p.until("ann is told", func() bool { return strings.Contains(strings.Join(guest.Told(), "\n"), noMore) })
	p.gone("refused")
	if left, _ := filepath.Glob(filepath.Join(p.root, "*")); len(left) != 0 {
		t.Errorf("on the machine: %q", left)
	}
	if left, _ := filepath.Glob(filepath.Join(p.root, ".pen*")); len(left) != 0 {
		t.Errorf("on the machine: %q", left)
	}
	if told := brokertest.Bodies[audit.FileTransferred](p.rig.Log); len(told) != 0 {
		t.Errorf("told %+v", told)
	}
	if err := p.h.goes("F-2", true); err != nil || p.h.StopFile("F-2", "late") {
		t.Errorf("it gets its name (%v), and was stopped", err)
	}
	p.h.unnamed("F-2")
	if !p.h.StopFile("F-2", "in time") || p.h.goes("F-2", true) == nil {
		t.Error("it was stopped, and gets its name")
	}
	p.h.GoFile("F-2")
	if err := p.h.goes("F-2", false); err != nil {
		t.Error(err)
	}
}
