package holding

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/audit"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/broker/sftp"
)

// breaksOff has OpenSSH's client send a file slowly, and kills it on its way. It
// gives how much was kept of it.
func (p *plant) breaksOff(s *broker.Session, mine, path string) int64 {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	sock, over := p.bridge(s)
	client := brokertest.SFTPClient(ctx, p.t, sock, []string{"put " + mine + " " + path}, "-l", "1600") // 200 KiB a second
	p.h.mu.Lock()
	before := p.h.used
	p.h.mu.Unlock()
	if err := client.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.until("something of it came", func() bool {
		p.h.mu.Lock()
		defer p.h.mu.Unlock()
		return p.h.used > before+32<<10
	})
	_ = client.Process.Kill()
	_ = client.Wait()
	<-over
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	for _, part := range p.h.parts {
		return part.size
	}
	p.t.Fatal("nothing of it is kept")
	return 0
}

// counts waits until so many parts and bytes are held.
func (p *plant) counts(parts int, bytes int64) {
	p.t.Helper()
	p.until("what is held is counted", func() bool {
		p.h.mu.Lock()
		defer p.h.mu.Unlock()
		return len(p.h.parts) == parts && p.h.used == bytes
	})
}

func (p *plant) until(what string, is func() bool) {
	p.t.Helper()
	brokertest.Until(p.t, what, is)
}

// An upload that broke off is gone on with, by the clients' own ways; what then
// waits is the whole file. What is sent anew begins anew.
func TestAnUploadIsResumed(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 20_000) // 312 KiB
	for name, resume := range map[string]func(*plant, *broker.Session, string, string) string{
		"reput of sftp": func(p *plant, s *broker.Session, mine, path string) string {
			return p.sends(s, "reput "+mine+" "+path)
		},
		"put -a of sftp": func(p *plant, s *broker.Session, mine, path string) string {
			return p.sends(s, "cd "+p.root, "put -a "+mine+" "+filepath.Base(path))
		},
		"reput of psftp": func(p *plant, s *broker.Session, mine, path string) string {
			return p.psftp(s, "reput "+mine+" "+path)
		},
		"put of sftp": func(p *plant, s *broker.Session, mine, path string) string {
			return p.sends(s, "put "+mine+" "+path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t, nil)
			s := p.rig.Session(t, &brokertest.Guest{})
			mine, path := p.file(text), p.root+"/firmware"
			kept := p.breaksOff(s, mine, path)
			if kept >= int64(len(text)) || len(p.desk.files) != 0 {
				t.Fatalf("%d bytes are kept; %+v", kept, p.desk.files)
			}
			p.h.Poke()
			said := resume(p, s, mine, path)
			if len(p.desk.files) != 1 {
				t.Fatalf("%+v\n%s", p.desk.files, said)
			}
			if f := p.becomes("F-1", approvals.FileLooked); f.SHA256 != audit.HashOf([]byte(text)) || f.Path != path {
				t.Errorf("%+v", f)
			}
			if _, err := p.desk.release("F-1"); err != nil {
				t.Fatal(err)
			}
			p.h.Poke()
			p.becomes("F-1", approvals.FileDelivered)
			p.gone("delivered")
			if p.onMachine("firmware") != text {
				t.Errorf("%d bytes on the machine", len(p.onMachine("firmware")))
			}
			p.counts(0, 0)
		})
	}
}

// Nobody goes on with what another sent, or for another place, and a part yields
// to whatever needs its room, and to its window's end.
func TestPartsAreBounded(t *testing.T) {
	p := newPlant(t, nil)
	p.h.Limits.Bytes = 100
	begin := func(path string) *coming {
		t.Helper()
		held, err := p.h.Begin(nil, sftp.In, path, 0)
		if err != nil {
			t.Fatal(err)
		}
		return held.(*coming)
	}
	leave := func(path, text string) {
		t.Helper()
		c := begin(path)
		if _, err := c.WriteAt([]byte(text), 0); err != nil {
			t.Fatal(err)
		}
		c.Leave()
	}
	leave("/in/a", strings.Repeat("a", 60))
	if _, there := p.h.Part(nil, "/in/b"); there {
		t.Error("another place has a part")
	}
	if size, there := p.h.Part(nil, "/in/a"); !there || size != 60 {
		t.Errorf("%d %v", size, there)
	}
	gate := p.rig.Channel(t, p.rig.Session(t, &brokertest.Guest{}), sftpQuery)
	if _, there := p.h.Part(gate, "/in/a"); there {
		t.Error("another person has a part")
	}
	if _, there := p.h.Resume(gate, "/in/a", "/in/a", 0); there {
		t.Error("another person goes on")
	}
	// What came out of order behind a hole is sent again.
	c := begin("/in/hole")
	for _, at := range []int64{0, 20} {
		if _, err := c.WriteAt([]byte("0123456789"), at); err != nil {
			t.Fatal(err)
		}
	}
	c.Leave()
	if size, _ := p.h.Part(nil, "/in/hole"); size != 10 {
		t.Errorf("%d bytes", size)
	}
	p.counts(2, 70)
	c = begin("/in/new")
	if _, err := c.WriteAt([]byte(strings.Repeat("n", 95)), 0); err != nil { // the parts make room
		t.Fatal(err)
	}
	p.counts(0, 95)
	c.Drop()
	p.h.Limits.Bytes = 1 << 20
	for i := range mostParts + 5 {
		leave("/in/"+strings.Repeat("x", i+1), "x")
	}
	p.counts(mostParts, mostParts)
	p.desk.mu.Lock()
	p.desk.over = true
	p.desk.mu.Unlock()
	p.h.Poke()
	p.gone("their window is over")
}

// Whatever is done to names while a file waits, it goes where it was to go when it
// was sent, and nothing that waits is a name on the machine.
func TestNamesWhileAFileWaits(t *testing.T) {
	p := newPlant(t, nil)
	s := p.rig.Session(t, &brokertest.Guest{})
	for name, text := range map[string]string{"recipe": "old", "other": "other"} {
		p.machineFile(name, text)
	}
	if err := os.Symlink(p.root+"/recipe", p.root+"/link"); err != nil {
		t.Fatal(err)
	}
	said := p.sends(s, "put "+p.file("by its link")+" "+p.root+"/link", // goes to recipe
		"put "+p.file("new")+" "+p.root+"/fresh", "rename "+p.root+"/fresh "+p.root+"/else", "rm "+p.root+"/fresh", "chmod 777 "+p.root+"/fresh",
		"rename "+p.root+"/other "+p.root+"/recipe", // over what one waits for
		"put "+p.file("second")+" "+p.root+"/recipe", "put "+p.file("third")+" "+p.root+"/recipe")
	if n := strings.Count(said, "o such file"); n != 3 {
		t.Errorf("%d times no such file:\n%s", n, said)
	}
	if p.onMachine("recipe") != "other" || p.onMachine("else") != "" {
		t.Errorf("on the machine: %q %q", p.onMachine("recipe"), p.onMachine("else"))
	}
	for id, want := range map[string]string{"F-1": "by its link", "F-4": "third", "F-3": "second"} { // in any order, each when it is let in
		if f := p.becomes(id, approvals.FileLooked); f.Path != p.root+"/recipe" {
			t.Errorf("%+v", f)
		}
		if _, err := p.desk.release(id); err != nil {
			t.Fatal(err)
		}
		p.h.Poke()
		p.becomes(id, approvals.FileDelivered)
		if p.onMachine("recipe") != want {
			t.Errorf("%s: %q, want %q", id, p.onMachine("recipe"), want)
		}
	}
	if to, err := os.Readlink(p.root + "/link"); err != nil || to != p.root+"/recipe" {
		t.Errorf("the link is %q %v", to, err)
	}
}

// A file with holes is held, counted and hashed as what it is, whole.
func TestAFileWithHolesWaits(t *testing.T) {
	p := newPlant(t, nil)
	gate := p.rig.Channel(t, p.rig.Session(t, &brokertest.Guest{}), sftpQuery)
	held, err := p.h.Begin(gate, sftp.In, "/in/holes", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Truncate(1 << 16); err != nil {
		t.Fatal(err)
	}
	if _, err := held.WriteAt([]byte("end"), 1<<20); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{-1, 1 << 40, 1<<63 - 1} {
		if _, err := held.WriteAt([]byte("x"), at); err == nil {
			t.Errorf("a byte at %d is taken", at)
		}
	}
	if err := held.Truncate(1 << 40); err == nil {
		t.Error("a length of a terabyte is taken")
	}
	if _, err := held.Done(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := append(make([]byte, 1<<20), "end"...)
	if f := p.becomes("F-1", approvals.FileLooked); f.SHA256 != audit.HashOf(want) || f.Bytes != 1<<20+3 {
		t.Errorf("%+v", f)
	}
	p.counts(0, 1<<20+3)
}

// WinSCP sends a file as NAME.filepart and then gives it its name: it waits under
// that, once, and what is on the machine stays.
func TestAFileThatIsNamedWhenItIsWhole(t *testing.T) {
	p := newPlant(t, nil)
	s := p.rig.Session(t, &brokertest.Guest{})
	p.machineFile("recipe", "old")
	if err := os.Mkdir(p.root+"/folder", 0o700); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("0123456789abcdef", 10_000)
	part := p.root + "/recipe.filepart"
	said := p.sends(s, "put "+p.file(text)+" "+part, "rename "+part+" "+p.root+"/folder", "rename "+part+" "+p.root+"/recipe", "rename "+part+" "+p.root+"/recipe", "put "+p.file("")+" "+p.root+"/empty.filepart", "rename "+p.root+"/empty.filepart "+p.root+"/empty")
	if f := p.becomes("F-1", approvals.FileLooked); f.Path != p.root+"/recipe" || f.SHA256 != audit.HashOf([]byte(text)) {
		t.Errorf("%+v\n%s", f, said)
	}
	if f := p.becomes("F-2", approvals.FileLooked); f.Path != p.root+"/empty" || f.Kind != "empty" {
		t.Errorf("%+v\n%s", f, said)
	}
	if !strings.Contains(said, "o such file") || p.onMachine("recipe") != "old" || len(p.desk.all()) != 2 || len(p.said) < 2 || !strings.Contains(strings.Join(p.said, "\n"), "recipe is held at the plant as F-1") {
		t.Errorf("%+v, said %q\n%s", p.desk.all(), p.said, said)
	}
	if kept := p.breaksOff(s, p.file(text), part); kept == 0 { // and WinSCP goes on with it under that name
		t.Error("nothing is kept")
	}
	p.sends(s, "reput "+p.file(text)+" "+part, "rename "+part+" "+p.root+"/recipe")
	if f := p.becomes("F-3", approvals.FileLooked); f.SHA256 != audit.HashOf([]byte(text)) {
		t.Errorf("%+v", f)
	}
}

// A channel's end gives up a file of which bytes still come: what is counted is
// what is in the folder, whichever of the two is first.
func TestGivenUpWhileBytesCome(t *testing.T) {
	p := newPlant(t, nil)
	for range 50 {
		held, err := p.h.Begin(nil, sftp.In, "/srv/x", 0)
		if err != nil {
			t.Fatal(err)
		}
		var comes sync.WaitGroup
		comes.Go(func() {
			for at := int64(0); ; at += 512 {
				if _, err := held.WriteAt(make([]byte, 512), at); err != nil {
					return // it was given up
				}
			}
		})
		brokertest.Until(t, "something of it came", func() bool { return held.Size() > 0 })
		held.Leave()
		comes.Wait()
		p.h.forget(place{path: "/srv/x"})
	}
	p.counts(0, 0)
}
