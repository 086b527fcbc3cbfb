package sftp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

// ruledPlant is the test plant with rules for files on account maint.
func ruledPlant(t testing.TB, rules string) *policy.Plant {
	t.Helper()
	brokertest.Files = rules
	defer func() { brokertest.Files = "" }()
	return brokertest.Plant(t, netip.MustParseAddrPort("127.0.0.1:2201"), 0, pin)
}

// real is OpenSSH's sftp and sftp-server with a channel of ours between them.
type real struct {
	t    *testing.T
	rig  *brokertest.Rig
	sock string

	holding Holding
}

func realSFTP(t *testing.T, rules string) *real {
	t.Helper()
	r := &real{t: t, rig: brokertest.New(t, ruledPlant(t, rules), broker.Limits{}), sock: filepath.Join(t.TempDir(), "s")}
	l, err := net.Listen("unix", r.sock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := r.rig.Session(t, &brokertest.Guest{})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.serve(s, c)
		}
	}()
	return r
}

// serve is one connection of the client.
func (r *real) serve(s *broker.Session, vendor net.Conn) {
	defer vendor.Close()
	j, err := Parse("subsystem", "sftp")
	if err != nil {
		r.t.Error(err)
		return
	}
	gate := r.rig.Channel(r.t, s, policy.Query{Asset: brokertest.PLC, Port: "sftp", Account: brokertest.Maint, Kind: j.Kind})
	defer gate.Close("0", nil)
	brokertest.ServeFiles(r.t, j.Carry(gate, r.holding, func(string) {}), vendor)
}

// sftp runs OpenSSH's client with these commands; each goes on after an error.
func (r *real) sftp(commands ...string) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := brokertest.SFTPClient(ctx, r.t, r.sock, commands).CombinedOutput()
	if err != nil {
		r.t.Fatalf("sftp: %v\n%s", err, out)
	}
	return string(out)
}

func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tree is a machine's folder with places that rules name, and others.
func tree(t *testing.T) (root, mine string) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"in/sub", "out", "etc"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put(t, root+"/etc/shadow", "secret")
	put(t, root+"/out/log", "a log")
	for name, to := range map[string]string{"in/leads-out": "../etc", "in/leads-to": "../etc/new", "in/stays": "sub", "out/leads-out": "../etc/shadow"} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root, put(t, filepath.Join(t.TempDir(), "mine"), "a recipe")
}

// With the real client and the real server: what a rule names passes, by
// whichever path it is called; what it does not name never does.
func TestRulesForPaths(t *testing.T) {
	root, mine := tree(t)
	r := realSFTP(t, "{in: {paths: ["+root+"/in/]}, out: {paths: ["+root+"/out/*]}}")
	for _, c := range []struct {
		do, made string // made: what is on the machine afterwards; "": nothing new
	}{
		{"put " + mine + " " + root + "/in/a", "in/a"},
		{"put " + mine + " " + root + "/in/../in/sub/./b", "in/sub/b"},
		{"put " + mine + " " + root + "/in/stays/c", "in/sub/c"},
		{"put " + mine + " " + root + "/etc/d", ""},
		{"put " + mine + " " + root + "/in/../etc/d", ""},
		{"put " + mine + " " + root + "/in/leads-out/d", ""},
		{"put " + mine + " " + root + "/in/leads-to", ""},
		{"put " + mine + " " + root + "/in/leads-out/../in/e", "in/e"}, // .. of where the link leads
		{"rename " + root + "/in/a " + root + "/in/f", "in/f"},
		{"rename " + root + "/in/f " + root + "/in/e", "in/e"}, // over what is there
		{"rename " + root + "/in/e " + root + "/etc/e", ""},
		{"rename " + root + "/etc/shadow " + root + "/in/g", ""},
		{"rename " + root + "/in/sub " + root + "/in/h", ""},       // a folder
		{"rename " + root + "/in/leads-out " + root + "/in/i", ""}, // a link
		{"ln -s " + root + "/etc " + root + "/in/j", ""},           // links
		{"ln " + root + "/etc/shadow " + root + "/in/k", ""},       // and hard ones
		{"mkdir " + root + "/in/l", "in/l"},
		{"mkdir " + root + "/in/leads-out/m", ""},
		{"rmdir " + root + "/in/l", ""},
		{"chmod 600 " + root + "/in/leads-out/shadow", ""},
	} {
		before := listing(t, root)
		said := r.sftp(c.do)
		after := listing(t, root)
		if c.made == "" {
			for name := range after {
				if !before[name] {
					t.Errorf("%s made %s\n%s", c.do, name, said)
				}
			}
		} else if !after[c.made] {
			t.Errorf("%s did not make %s\n%s", c.do, c.made, said)
		}
	}
	if b, err := os.ReadFile(root + "/etc/shadow"); err != nil || string(b) != "secret" {
		t.Errorf("%q %v", b, err)
	}
	got := filepath.Join(t.TempDir(), "got")
	if r.sftp("get "+root+"/out/log "+got, "get "+root+"/etc/shadow "+got, "get "+root+"/out/leads-out "+got, "get "+root+"/in/e "+got); string(read(t, got)) != "a log" {
		t.Errorf("got %q", read(t, got))
	}
	rules := map[string]int{}
	for _, e := range brokertest.Bodies[audit.ChannelRefused](r.rig.Log) {
		rules[e.Rule]++
	}
	if rules["file-path"] < 8 || rules["file-link"] != 4 {
		t.Errorf("refusals are told as %v", rules)
	}
	for _, e := range brokertest.Bodies[audit.FileTransferred](r.rig.Log) {
		if p := strings.TrimPrefix(e.Path, root); strings.Contains(p, "..") || strings.Contains(p, "stays") {
			t.Errorf("told with the path %s, which is not where it went", e.Path)
		}
	}
}

// What may not be taken out is not moved to where it may, and a file that is open
// for reading is no way to change what stands outside of the places for files in.
func TestRulesAreNotWalkedAround(t *testing.T) {
	root, mine := tree(t)
	r := realSFTP(t, "{out: {paths: ["+root+"/out/*]}}")
	got := filepath.Join(t.TempDir(), "got")
	said := r.sftp("rename "+root+"/etc/shadow "+root+"/out/g", "get "+root+"/out/g "+got,
		"rename "+root+"/out/log "+root+"/out/old", "rename "+root+"/out/old "+root+"/in/old", "put "+mine+" "+root+"/in/a", "rename "+root+"/in/a "+root+"/in/b")
	if b, err := os.ReadFile(got); err == nil {
		t.Errorf("got %q\n%s", b, said)
	}
	if on := listing(t, root); !on["in/old"] || !on["in/b"] || !on["etc/shadow"] {
		t.Errorf("on the machine: %v\n%s", on, said)
	}

	s := greetedWith(t, "{in: {paths: [/in/]}}")
	s.must(openFile(1, "/etc/shadow", flagRead))
	s.machine(handleOf(1, "h"))
	s.passed, s.answer.buf = nil, nil
	s.must(req(fxFsetstat, 2).text("h").u32(attrMode).u32(0o100666).done())
	if a := s.ours(); len(s.passed) > 0 || len(a) < 13 || a[4] != fxStatus || a[12] != statusDenied {
		t.Errorf("the machine hears %q, and the vendor %q", s.passed, a)
	}
}

// A machine with Windows takes a backslash for a slash, and names for the same whatever their case and the dots
// and spaces behind them: what leads elsewhere there, or to where files may be taken out, does not pass.
func TestNamesAsWindowsReadsThem(t *testing.T) {
	const in, out = "{in: {paths: [/C:/in/**]}}", "{out: {paths: ['/C:/out/*.log']}}"
	rename := func(to string) []byte { return req(fxRename, 2).text("/C:/etc/secret").text(to).done() }
	for _, c := range []struct {
		rules string
		p     []byte
		goes  bool
	}{
		{in, openFile(2, `/C:/in/..\..\Windows\x`, flagWrite|flagCreate), false},
		{in, req(fxRename, 2).text("/C:/in/a").text(`/C:/in/..\..\Windows\x`).done(), false},
		{in, req(fxExtended, 2).text("posix-rename@openssh.com").text("/C:/in/a").text(`/C:/in/..\x`).done(), false},
		{in, req(fxRemove, 2).text(`/C:/in/..\..\boot.ini`).done(), false},
		{in, noAttrs(req(fxMkdir, 2).text(`/C:/in/..\x`)), false},
		{in, openFile(2, "/C:/in/x", flagWrite|flagCreate), true},
		{out, openFile(2, `/C:/out/..\secret.log`, flagRead), false},
		{out, rename(`/C:/etc\..\out/x.log`), false},
		{out, rename("/C:/OUT/x.log"), false},
		{out, rename("/C:/out/x.LOG"), false},
		{out, rename("/C:/out./x.log. ."), false},
		{out, rename("/C:/OUT~1/x.log"), false},
		{out, rename("/C:/out/x.log::$DATA"), false},
		{out, rename("/C:/etc/other"), true},
	} {
		s := greetedWith(t, c.rules)
		if err := s.machined(c.p, plainMachine); err != nil {
			t.Fatal(err)
		}
		if a := s.ours(); c.goes != (len(s.passed) > 0) || !c.goes && (len(a) < 13 || a[4] != fxStatus || a[12] != statusDenied) {
			t.Errorf("%s, %q: the machine hears %q, and the vendor %q", c.rules, c.p, s.passed, a)
		}
	}
}

// Where files wait, none on the machine is cut or made longer, by whatever request, also where no path is ruled.
func TestNothingIsCutWhereFilesWait(t *testing.T) {
	size := func(p packet) []byte { return p.u32(attrSize).u64(0).done() }
	for name, p := range map[string][]byte{
		"setstat":     size(req(fxSetstat, 2).text("/x")),
		"lsetstat":    size(req(fxExtended, 2).text("lsetstat@openssh.com").text("/x")),
		"fsetstat":    size(req(fxFsetstat, 2).text("h")), // of a file that is open for reading: some servers do it by its path
		"open":        size(req(fxOpen, 2).text("/x").u32(flagWrite | flagCreate | flagTrunc)),
		"copy-data":   req(fxExtended, 2).text("copy-data").text("h").u64(0).u64(0).text("h").u64(0).done(),
		"a hard link": req(fxExtended, 2).text("hardlink@openssh.com").text("/y").text("/x").done(),
		"a link":      req(fxSymlink, 2).text("/y").text("/x").done(),
	} {
		s := greetedWith(t, "{in: {quarantine: true}}")
		s.must(openFile(1, "/x", flagRead))
		s.machine(handleOf(1, "h"))
		s.passed = nil
		s.must(p)
		if a := s.ours(); len(s.passed) > 0 || len(a) < 13 || a[4] != fxStatus || a[12] != statusDenied {
			t.Errorf("%s: the machine hears %q, and the vendor %q", name, s.passed, a)
		}
	}
	s := greetedWith(t, "{in: {quarantine: true}}")
	s.must(req(fxSetstat, 2).text("/x").u32(attrMode).u32(0o100600).done())
	if len(s.passed) == 0 {
		t.Error("a mode is not set where only what comes in waits")
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func listing(t *testing.T, root string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir(root, func(p string, _ os.DirEntry, err error) error {
		all[strings.TrimPrefix(p, root+"/")] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRulesForSizes(t *testing.T) {
	root, _ := tree(t)
	r := realSFTP(t, "{in: {most: 64KiB}, out: {most: 64KiB}}")
	full := put(t, filepath.Join(t.TempDir(), "full"), strings.Repeat("x", 64<<10))
	more := put(t, filepath.Join(t.TempDir(), "more"), strings.Repeat("x", 64<<10+1))
	put(t, root+"/out/full", strings.Repeat("x", 64<<10))
	put(t, root+"/out/more", strings.Repeat("x", 64<<10+1))
	got := t.TempDir()
	said := r.sftp("put "+full+" "+root+"/in/full", "put "+more+" "+root+"/in/more", "get "+root+"/out/full "+got+"/full", "get "+root+"/out/more "+got+"/more",
		"put "+full+" "+root+"/in/twice", "reput "+more+" "+root+"/in/twice")
	for name, want := range map[string]int{root + "/in/full": 64 << 10, got + "/full": 64 << 10} {
		if b, err := os.ReadFile(name); err != nil || len(b) != want {
			t.Errorf("%s: %d bytes, %v\n%s", name, len(b), err, said)
		}
	}
	for _, name := range []string{root + "/in/more", got + "/more", root + "/in/twice"} {
		if b, err := os.ReadFile(name); err == nil && len(b) > 64<<10 {
			t.Errorf("%s has %d bytes", name, len(b))
		}
	}
	for _, e := range brokertest.Bodies[audit.FileTransferred](r.rig.Log) {
		if strings.HasSuffix(e.Path, "more") && (e.Whole || e.Why != "larger than may pass") {
			t.Errorf("%+v", e)
		}
	}
	if n := len(brokertest.Bodies[audit.ChannelRefused](r.rig.Log)); n != 3 {
		t.Errorf("%d refusals are told, want one for each file", n)
	}
}

// Who appends from two handles, or two channels, writes more than each of them has seen: where there is a size,
// nothing is appended.
func TestNothingIsAppendedWhereThereIsASize(t *testing.T) {
	s := greetedWith(t, "{in: {most: 1KiB}}")
	for id, flags := range map[uint32]uint32{1: flagWrite | flagAppend, 2: flagWrite | flagAppend | flagCreate, 3: flagRead | flagWrite | flagAppend, 4: flagWrite | flagAppend | flagTrunc | flagCreate} {
		if err := s.machined(openFile(id, "/none", flags), plainMachine); err != nil {
			t.Fatal(err)
		}
		if a := s.ours(); len(s.passed) > 0 || len(a) < 13 || a[4] != fxStatus || a[12] != statusDenied {
			t.Errorf("flags %#x: the machine hears %q, and the vendor %q", flags, s.passed, a)
		}
	}
	if err := s.machined(openFile(9, "/none", flagWrite|flagCreate), plainMachine); err != nil || len(s.passed) == 0 {
		t.Errorf("nothing is written where there is a size: %v", err)
	}
}

// A machine's file that grows past what was asked about is not shown beyond it.
func TestAFileThatGrows(t *testing.T) {
	s := greetedWith(t, "{out: {most: 1KiB}}")
	over := make(chan error, 1)
	go func() { over <- s.vendor(openFile(1, "/out", flagRead)) }()
	s.answers(fxRealpath, func(id uint32) []byte { return req(fxName, id).u32(1).text("/out").text("").u32(0).done() })
	s.answers(fxLstat, func(id uint32) []byte { return req(fxAttrs, id).u32(attrSize | attrMode).u64(10).u32(0o100600).done() })
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	s.machine(handleOf(1, "h"))
	s.must(req(fxRead, 2).text("h").u64(0).u32(2048).done())
	show := s.machine(req(fxData, 2).text(strings.Repeat("x", 1025)).done())
	if len(show) < 9 || show[4] != fxStatus || strings.Contains(string(show), "xxx") {
		t.Errorf("shown: %q", show)
	}
}

func greetedWith(t *testing.T, rules string) *scene {
	t.Helper()
	brokertest.Files = rules
	defer func() { brokertest.Files = "" }()
	return greeted(t, brokertest.Maint, nil)
}

// answers waits for a question of ours and answers it.
func (s *scene) answers(kind byte, with func(id uint32) []byte) {
	s.t.Helper()
	f, id := s.r.(*files), uint32(0)
	brokertest.Until(s.t, fmt.Sprintf("we asked a question of kind %d", kind), func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for n, r := range f.asked {
			if r.answer != nil && r.kind == kind {
				id = n
				return true
			}
		}
		return false
	})
	if show := s.machine(with(id)); len(show) > 0 {
		s.t.Errorf("the vendor saw the answer to our own question: %q", show)
	}
}

// What cannot be held to the rules is not carried; what can be, is.
func TestRulesForOldProtocols(t *testing.T) {
	paths, sizes := &policy.FileRules{In: policy.FileRule{Paths: []string{"/in/**"}}}, &policy.FileRules{In: policy.FileRule{Most: 4}, Out: policy.FileRule{Most: 4}}
	waits := &policy.FileRules{In: policy.FileRule{Quarantine: true}, Out: policy.FileRule{Quarantine: true}}
	out := &policy.FileRules{Out: policy.FileRule{Paths: []string{"/out/**"}}}
	for _, c := range []struct {
		command string
		rules   *policy.FileRules
		held    bool
	}{
		// On the machine itself these copy, link or move what may not be taken out to where it may, or remove what no rule names.
		{"rsync --server -re.L --copy-dest=/etc . /out/", out, true}, {"rsync --server -re.L --link-dest /etc . /out/", out, true}, {"rsync --server -bre.L --backup-dir=/out . /etc/", out, true},
		{"rsync --server -re.L --partial-dir=/etc . /out/", out, true}, {"rsync --server -re.L . /in/", out, false},
		{"rsync --server --sender -re.L --remove-source-files . /etc/x", paths, true}, {"rsync --server --sender -re.L --remove-sent-files . /etc/x", paths, true},
		{"scp -t /in/a", waits, true}, {"scp -f /in/a", waits, true}, {"rsync --server -e.LsfxCIvu . /in/", waits, true}, {"rsync --server --sender -e.LsfxCIvu . /in/", waits, true},
		{"git-receive-pack /in/r", waits, true}, {"git-upload-pack /in/r", waits, true},
		{"scp -t /in/a", paths, true}, {"scp -f /in/a", paths, false}, {"scp -t /in/a", sizes, false}, {"scp -t /in/a", nil, false},
		{"rsync --server -e.LsfxCIvu . /in/", paths, true}, {"rsync --server -e.LsfxCIvu . /in/", sizes, true}, {"rsync --server --sender -e.LsfxCIvu . /in/", paths, false},
		{"git-receive-pack /in/r", paths, true}, {"git-upload-pack /in/r", paths, false},
	} {
		j, err := Parse("exec", c.command)
		if err != nil || j == nil {
			t.Fatal(c.command, err)
		}
		if no := j.Held(c.rules); (no != nil) != c.held {
			t.Errorf("%s: %v", c.command, no)
		}
	}
	brokertest.Files = "{in: {most: 4B}, out: {most: 4B}}"
	defer func() { brokertest.Files = "" }()
	s := start(t, brokertest.Maint, "exec", "scp -t /in/", nil)
	s.machine([]byte{0})
	s.must([]byte("C0644 5 large\n"))
	if got := s.ours(); len(got) == 0 || got[0] != 1 || !strings.Contains(string(got), "large is larger than the 4B") || len(s.passed) > 0 {
		t.Errorf("answered %q, and %q went on", got, s.passed)
	}
	s.must([]byte("C0644 4 fits\n"))
	s.machine([]byte{0})
	s.must([]byte("abcd\x00"))
	if string(s.passed) != "C0644 4 fits\nabcd\x00" {
		t.Errorf("%q went on", s.passed)
	}
}
