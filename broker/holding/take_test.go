package holding

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/approvals"
	"penstock/audit"
	"penstock/broker/brokertest"
)

const outWaits = "{out: {quarantine: true, most: 3MiB}}"

// machineFile makes a file on the machine.
func (p *plant) machineFile(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.root, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// got is what the vendor has of it.
func got(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

// told are the transfers of files that were taken out.
func (p *plant) told() (all []audit.FileTransferred) {
	for _, f := range brokertest.Bodies[audit.FileTransferred](p.rig.Log) {
		if f.Direction == "out" {
			all = append(all, f)
		}
	}
	return all
}

// letOut has somebody let a file out.
func (p *plant) letOut(id string) {
	p.t.Helper()
	p.becomes(id, approvals.FileLooked)
	if _, err := p.desk.release(id); err != nil {
		p.t.Fatal(err)
	}
}

// What is taken out waits: nothing passes before somebody has let it out, and then
// exactly what was fetched, also where the machine has another file by then.
func TestAFileThatIsTakenOutWaits(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 100_001) // not a multiple of any read
	for name, text := range map[string]string{"log": large, "empty": "", "small": "a log"} {
		p := newPlantOf(t, nil, outWaits)
		path := p.machineFile(name, text)
		mine, guest := filepath.Join(t.TempDir(), "mine"), &brokertest.Guest{}
		s := p.rig.Session(t, guest)
		get := "get " + path + " " + mine
		said := p.sends(s, get, get)
		if _, err := os.Stat(mine); err == nil && got(mine) != "" {
			t.Fatalf("%s passed before anybody let it out: %s", name, said)
		}
		if len(p.said) != 2 || !strings.Contains(p.said[0], name+" was fetched and is held at the plant as F-1") || !strings.Contains(p.said[1], "held at the plant as F-1") {
			t.Fatalf("said %q\n%s", p.said, said)
		}
		f := p.becomes("F-1", approvals.FileLooked)
		if !f.Out || f.Path != path || f.SHA256 != audit.HashOf([]byte(text)) || f.Bytes != int64(len(text)) {
			t.Errorf("%+v", f)
		}
		if len(p.told()) != 0 || len(p.desk.files) != 1 {
			t.Errorf("told %+v, %d files", p.told(), len(p.desk.files))
		}
		p.letOut("F-1")
		p.h.Poke()
		p.until("ann is told that it is let out", func() bool { return strings.Contains(strings.Join(guest.Told(), "\n"), "F-1 is let out: "+path) })
		p.machineFile(name, "another by now")
		p.sends(s, get)
		if got(mine) != text {
			t.Errorf("%s: got %d bytes, want %d", name, len(got(mine)), len(text))
		}
		p.becomes("F-1", approvals.FileDelivered)
		p.gone("taken")
		if all := p.told(); len(all) != 1 || !all[0].Whole || all[0].File != "F-1" || all[0].SHA256 != f.SHA256 || all[0].By != "sftp" {
			t.Errorf("%s is told as %+v", name, all)
		}
		// Once it was taken, the next one is another, and waits anew.
		p.sends(s, get)
		if f := p.becomes("F-2", approvals.FileLooked); f.SHA256 != audit.HashOf([]byte("another by now")) || got(mine) != text {
			t.Errorf("%+v", f)
		}
	}
}

// What was refused, is too large, is no plain file, is not there, or was altered does not come out.
func TestWhatIsNotTakenOut(t *testing.T) {
	p := newPlantOf(t, nil, outWaits)
	path, mine := p.machineFile("log", "a log"), filepath.Join(t.TempDir(), "mine")
	p.machineFile("large", strings.Repeat("x", 3<<20+1))
	s := p.rig.Session(t, &brokertest.Guest{})
	said := p.sends(s, "get "+p.root+"/large "+mine, "get "+p.root+"/none "+mine, "get "+p.root+" "+mine, "get "+path+" "+mine)
	p.becomes("F-1", approvals.FileLooked)
	if len(p.desk.files) != 1 || !strings.Contains(said, "not found") {
		t.Errorf("%+v\n%s", p.desk.files, said)
	}
	p.desk.refuse("F-1")
	p.h.Poke()
	p.gone("refused")
	p.sends(s, "get "+path+" "+mine) // it is the same file
	p.gone("refused before")
	refused := brokertest.Bodies[audit.ChannelRefused](p.rig.Log)
	if len(p.desk.files) != 1 || len(refused) == 0 || refused[len(refused)-1].Rule != "file-refused" {
		t.Errorf("%+v %+v", p.desk.files, refused)
	}
	p.machineFile("log", "another log")
	p.sends(s, "get "+path+" "+mine)
	p.letOut("F-2")
	if err := os.WriteFile(filepath.Join(p.parts.Dir, p.kept()[0].Name()), []byte("poison here"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.sends(s, "get "+path+" "+mine)
	if f := p.becomes("F-2", approvals.FileReleased); got(mine) != "" || len(p.told()) != 0 {
		t.Errorf("%+v: got %q, told %+v", f, got(mine), p.told())
	}
	if err := os.Remove(filepath.Join(p.parts.Dir, p.kept()[0].Name())); err != nil {
		t.Fatal(err)
	}
	p.sends(s, "get "+path+" "+mine) // what is gone is fetched anew, and waits anew
	p.becomes("F-2", approvals.FileExpired)
	p.becomes("F-3", approvals.FileLooked)
}

// A part of what was let out is told as a part, and it can be taken again; nobody
// takes it twice at once; one that broke off does not block the next.
func TestAFileIsTakenInParts(t *testing.T) {
	p := newPlantOf(t, nil, outWaits)
	text := strings.Repeat("0123456789abcdef", 10_000)
	path, mine := p.machineFile("log", text), filepath.Join(t.TempDir(), "mine")
	s := p.rig.Session(t, &brokertest.Guest{})
	p.sends(s, "get "+path+" "+mine)
	p.letOut("F-1")
	if err := os.WriteFile(mine, []byte(text[:1000]), 0o600); err != nil {
		t.Fatal(err)
	}
	p.sends(s, "reget "+path+" "+mine)
	if got(mine) != text {
		t.Errorf("got %d bytes", len(got(mine)))
	}
	if all := p.told(); len(all) != 1 || all[0].Whole || all[0].Offset != 1000 || all[0].Bytes != int64(len(text))-1000 || all[0].File != "F-1" {
		t.Fatalf("%+v", all)
	}
	p.becomes("F-1", approvals.FileDelivering)
	if !p.h.alone("F-1") {
		t.Error("it is taken by nobody now")
	}
	p.sends(s, "get "+path+" "+mine)
	if !strings.Contains(p.said[len(p.said)-1], "F-1 is being taken by somebody") {
		t.Errorf("said %q", p.said)
	}
	p.h.left("F-1")
	p.sends(s, "get "+path+" "+mine)
	p.becomes("F-1", approvals.FileDelivered)
	p.gone("taken")
}

// Whatever step the process ends at, what was fetched is neither lost nor given
// before it was let out, and a new process goes on.
func TestACrashWhileTakingOut(t *testing.T) {
	for _, step := range []string{"looked", "delivering", "delivered"} {
		p := newPlantOf(t, nil, outWaits)
		path, mine := p.machineFile("log", "a log"), filepath.Join(t.TempDir(), "mine")
		get := "get " + path + " " + mine
		p.desk.fail = step
		s := p.rig.Session(t, &brokertest.Guest{})
		p.sends(s, get)
		if step != "looked" {
			p.letOut("F-1")
			p.sends(s, get)
		}
		if has := got(mine) != ""; has != (step == "delivered") {
			t.Errorf("%s: got %q", step, got(mine))
		}
		p.stop()
		s.End(errors.New("the process ended"))
		<-s.Done()
		p.desk.mu.Lock()
		p.desk.fail = ""
		p.desk.mu.Unlock()
		p.start()
		s = p.rig.Session(t, &brokertest.Guest{})
		if step == "looked" {
			p.letOut("F-1")
		}
		p.sends(s, get)
		p.becomes("F-1", approvals.FileDelivered)
		if got(mine) != "a log" || len(p.desk.files) != 1 {
			t.Errorf("%s: got %q, %+v", step, got(mine), p.desk.files)
		}
		p.gone(step)
	}
}

// An upload passes on an account where only what is taken out waits.
func TestOnlyTheWayOutWaits(t *testing.T) {
	p := newPlantOf(t, nil, outWaits)
	s := p.rig.Session(t, &brokertest.Guest{})
	p.sends(s, "put "+p.file("recipe")+" "+p.root+"/recipe", "rename "+p.root+"/recipe "+p.root+"/other")
	if p.onMachine("other") != "recipe" || len(p.desk.files) != 0 {
		t.Errorf("%q %+v", p.onMachine("other"), p.desk.files)
	}
}
