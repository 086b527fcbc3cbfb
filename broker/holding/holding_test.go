package holding

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/audit"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/broker/sftp"
	"penstock/policy"
)

func TestMain(m *testing.M) {
	brokertest.Bridge()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // faults are made on purpose
	os.Exit(m.Run())
}

const pin = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB2Usr139kuZ6rYGMdLox0VMMWPU69aeVI3Cg/binFZ"

// desk is a Desk in memory that objects to steps which are none.
type desk struct {
	t     *testing.T
	mu    sync.Mutex
	files []approvals.File
	named map[audit.Hash]bool
	steps []string
	over  bool
	fail  string // the step that fails, as if the process ended there
	moved chan struct{}
	goes  func() // called once, when a file has become delivering
}

func (d *desk) step(id string, from []approvals.FileState, to approvals.FileState, change func(*approvals.File)) (approvals.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.files, func(f approvals.File) bool { return f.ID == id })
	f := &d.files[i]
	if !slices.Contains(from, f.State) {
		d.t.Errorf("%s was %s and becomes %s", id, f.State, to)
	}
	if d.fail == string(to) {
		return *f, errors.New("the process ended")
	}
	f.State = to
	if change != nil {
		change(f)
	}
	d.steps = append(d.steps, id+" "+string(to))
	select {
	case d.moved <- struct{}{}:
	default:
	}
	return *f, nil
}

func (d *desk) HoldFile(_ context.Context, b audit.FileHeld) (approvals.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.ContainsFunc(d.files, func(f approvals.File) bool { return f.Out && f.State == approvals.FileRefused && f.SHA256 == b.SHA256 }) {
		return approvals.File{}, &policy.Refusal{Rule: "file-refused", Say: "This file was refused."}
	}
	f := approvals.File{Out: b.Direction == "out", ID: "F-" + string(rune('1'+len(d.files))), Window: policy.WindowID(b.Window), Session: policy.SessionID(b.Session), Person: policy.PersonID(b.Person), Asset: policy.AssetName(b.Asset),
		Account: policy.AccountName(b.Account), Path: b.Path, Bytes: b.Bytes, SHA256: b.SHA256, Source: b.Source, Key: b.Key, Kept: b.Kept, State: approvals.FileHeld, At: time.Now()}
	d.files = append(d.files, f)
	return f, nil
}

func (d *desk) LookedAt(_ context.Context, id, kind, scan, why, database string) (approvals.File, error) {
	to := approvals.FileLooked
	if scan == approvals.ScanFound {
		to = approvals.FileRefused
	}
	return d.step(id, []approvals.FileState{approvals.FileHeld}, to, func(f *approvals.File) { f.Kind, f.Scan, f.Why = kind, scan, why })
}

func (d *desk) ReleaseNamed(_ context.Context, id string) (approvals.File, bool, error) {
	d.mu.Lock()
	named := slices.ContainsFunc(d.files, func(f approvals.File) bool { return f.ID == id && d.named[f.SHA256] })
	d.mu.Unlock()
	if !named {
		return approvals.File{}, false, nil
	}
	f, err := d.release(id)
	return f, err == nil, err
}

func (d *desk) release(id string) (approvals.File, error) {
	return d.step(id, []approvals.FileState{approvals.FileLooked}, approvals.FileReleased, nil)
}

func (d *desk) DeliverFile(_ context.Context, id string, _ policy.SessionID, _ int) (approvals.File, error) {
	f, err := d.step(id, []approvals.FileState{approvals.FileReleased, approvals.FileDelivering}, approvals.FileDelivering, nil)
	d.mu.Lock()
	goes := d.goes
	d.goes = nil
	d.mu.Unlock()
	if goes != nil && err == nil {
		goes()
	}
	return f, err
}

func (d *desk) DeliveredFile(_ context.Context, id string, _ policy.SessionID, _ int, why string) (approvals.File, error) {
	return d.step(id, []approvals.FileState{approvals.FileDelivering}, approvals.FileDelivered, func(f *approvals.File) { f.Why = why })
}

func (d *desk) ExpireFile(_ context.Context, id, why string) (approvals.File, error) {
	return d.step(id, []approvals.FileState{approvals.FileHeld, approvals.FileLooked, approvals.FileReleased, approvals.FileDelivering}, approvals.FileExpired, func(f *approvals.File) { f.Why = why })
}

func (d *desk) FilesWaiting(context.Context) ([]approvals.File, error) {
	return slices.DeleteFunc(d.all(), func(f approvals.File) bool { return !f.Waits() }), nil
}

func (d *desk) all() []approvals.File {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.files)
}

func (d *desk) Fetched(_ context.Context, w policy.WindowID, a policy.AssetName, n policy.AccountName, path string) (found approvals.File, ok bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.files {
		if f.Waits() && f.Out && f.Window == w && f.Asset == a && f.Account == n && f.Path == path {
			found, ok = f, true
		}
	}
	return found, ok, nil
}

func (d *desk) Over(context.Context, policy.WindowID) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over, nil
}

// refuse is RefuseFile of the real one.
func (d *desk) refuse(id string) {
	_, _ = d.step(id, []approvals.FileState{approvals.FileHeld, approvals.FileLooked, approvals.FileReleased, approvals.FileDelivering}, approvals.FileRefused, nil)
}

// plant is a vendor with OpenSSH's sftp, a holding, and a machine with OpenSSH's sftp-server.
type plant struct {
	t     *testing.T
	rig   *brokertest.Rig
	desk  *desk
	parts Parts
	h     *Holding
	stop  func()
	root  string // the machine's
	said  []string
	mu    sync.Mutex
	began time.Time
	later time.Duration // its clock stands but for this: what failed is tried again by again alone, so what fails without a reason is seen
}

func newPlant(t *testing.T, scanner Scanner) *plant {
	t.Helper()
	return newPlantOf(t, scanner, "{in: {quarantine: true, most: 1MiB}}")
}

// newPlantOf has these rules for files.
func newPlantOf(t *testing.T, scanner Scanner, rules string) *plant {
	t.Helper()
	brokertest.Files = rules
	p := &plant{t: t, rig: brokertest.New(t, brokertest.Plant(t, netip.MustParseAddrPort("127.0.0.1:2201"), 0, pin), broker.Limits{}), began: time.Now(), desk: &desk{t: t, named: map[audit.Hash]bool{}, moved: make(chan struct{}, 1)}}
	brokertest.Files = ""
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p.root = root
	p.parts = Parts{Dir: filepath.Join(t.TempDir(), "holding"), Desk: p.desk, Broker: p.rig.Broker, Dial: p.dial, Scanner: scanner, Now: func() time.Time {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.began.Add(p.later)
	}}
	p.start()
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *plant) start() {
	p.t.Helper()
	h, err := Open(p.parts)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { defer close(over); _ = h.Run(ctx) }()
	p.h, p.stop = h, func() { cancel(); <-over }
}

// again has what failed tried again.
func (p *plant) again() {
	p.mu.Lock()
	p.later += tryEvery + time.Second
	p.mu.Unlock()
	p.h.Poke()
}

// dial gives a connection to a machine that runs OpenSSH's sftp-server.
func (p *plant) dial(_ context.Context, gate *broker.Channel, _ policy.AccountName) (ssh.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // a pipe without a buffer stops SSH at its first line
	if err != nil {
		return nil, err
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	b, err := l.Accept()
	if err != nil {
		return nil, err
	}
	if err := gate.Own(a); err != nil {
		return nil, err
	}
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, err
	}
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(signer)
	go serve(b, config, func(ch ssh.Channel) {
		server := exec.Command("/usr/lib/openssh/sftp-server")
		server.Stdin, server.Stdout = ch, ch
		_ = server.Run()
	})
	c, chans, reqs, err := ssh.NewClientConn(a, "machine", &ssh.ClientConfig{User: "maint", HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		return nil, err
	}
	go ssh.DiscardRequests(reqs)
	go func() {
		for n := range chans {
			_ = n.Reject(ssh.Prohibited, "")
		}
	}()
	return c, nil
}

// serve is an SSH server that asks nothing of anybody, with one subsystem.
func serve(b net.Conn, config *ssh.ServerConfig, subsystem func(ssh.Channel)) {
	_, chans, reqs, err := ssh.NewServerConn(b, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(reqs)
	for n := range chans {
		ch, reqs, err := n.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range reqs {
				_ = r.Reply(r.Type == "subsystem", nil)
				if r.Type == "subsystem" {
					go func() {
						defer ch.Close()
						subsystem(ch)
						_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ S uint32 }{0}))
					}()
				}
			}
		}()
	}
}

var sftpQuery = policy.Query{Asset: brokertest.PLC, Port: "sftp", Account: brokertest.Maint, Kind: "sftp"}

// carry is one channel of the vendor's, with sftp-server at its other end.
func (p *plant) carry(s *broker.Session, vendor io.ReadWriter) {
	j, _ := sftp.Parse("subsystem", "sftp")
	gate, err := s.Open(context.Background(), sftpQuery)
	if err != nil {
		p.t.Error(err)
		return
	}
	defer gate.Close("0", nil)
	brokertest.ServeFiles(p.t, j.Carry(gate, p.h, func(text string) { p.mu.Lock(); defer p.mu.Unlock(); p.said = append(p.said, text) }), vendor)
}

// bridge is where one client of sftp -D comes; over is closed when its channel has ended.
func (p *plant) bridge(s *broker.Session) (sock string, over chan struct{}) {
	p.t.Helper()
	sock, over = filepath.Join(p.t.TempDir(), "s"), make(chan struct{})
	l, err := net.Listen("unix", sock)
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(over)
		defer l.Close()
		vendor, err := l.Accept()
		if err != nil {
			return
		}
		defer vendor.Close()
		p.carry(s, vendor)
	}()
	return sock, over
}

// sends has the real client send files; each is a text and a name on the machine.
func (p *plant) sends(s *broker.Session, commands ...string) string {
	p.t.Helper()
	sock, over := p.bridge(s)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	text, err := brokertest.SFTPClient(ctx, p.t, sock, commands).CombinedOutput()
	if err != nil {
		p.t.Fatalf("sftp: %v\n%s", err, text)
	}
	<-over
	return string(text)
}

// psftp has PuTTY's client do so, over SSH as it always is.
func (p *plant) psftp(s *broker.Session, commands ...string) string {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	defer l.Close()
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(signer)
	over := make(chan struct{})
	go func() {
		defer close(over)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		serve(c, config, func(ch ssh.Channel) { p.carry(s, ch) })
	}()
	batch := p.file(strings.Join(commands, "\n") + "\n")
	_, port, _ := net.SplitHostPort(l.Addr().String())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := exec.CommandContext(ctx, "psftp", "-batch", "-be", "-b", batch, "-P", port, "-hostkey", ssh.FingerprintSHA256(signer.PublicKey()), "ann@127.0.0.1")
	client.Env = append(os.Environ(), "HOME="+p.t.TempDir())
	text, err := client.CombinedOutput()
	if err != nil {
		p.t.Fatalf("psftp: %v\n%s", err, text)
	}
	<-over
	return string(text)
}

func (p *plant) file(text string) string {
	p.t.Helper()
	name := filepath.Join(p.t.TempDir(), "mine")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return name
}

// becomes waits for a file's state.
func (p *plant) becomes(id string, want approvals.FileState) approvals.File {
	p.t.Helper()
	late := time.After(time.Minute)
	for {
		files := p.desk.all()
		for _, f := range files {
			if f.ID == id && f.State == want {
				return f
			}
		}
		select {
		case <-p.desk.moved:
		case <-late:
			p.t.Fatalf("%s never was %s (%s): %+v", id, want, p.h.Trouble(id), files)
		}
	}
}

// kept is what lies in the holding folder.
func (p *plant) kept() []os.DirEntry {
	p.t.Helper()
	all, err := os.ReadDir(p.parts.Dir)
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

func (p *plant) gone(what string) {
	p.t.Helper()
	p.until(what+": its bytes are deleted", func() bool { return len(p.kept()) == 0 })
}

// failed waits until F-1 is to be tried again.
func (p *plant) failed(what string) {
	p.t.Helper()
	p.until(what+" has failed", func() bool {
		p.h.mu.Lock()
		defer p.h.mu.Unlock()
		return p.h.tried["F-1"].why != ""
	})
}

func (p *plant) onMachine(name string) string {
	b, err := os.ReadFile(filepath.Join(p.root, name))
	if err != nil {
		return ""
	}
	return string(b)
}

func (p *plant) delivered() (n int) {
	for _, f := range brokertest.Bodies[audit.FileTransferred](p.rig.Log) {
		if f.By == "penstock" && f.Whole {
			n++
		}
	}
	return n
}

// A file waits, goes on when it was let through, whole and under its name, also
// over one that is there; the vendor's session carries it, or one of its own.
func TestAFileIsDelivered(t *testing.T) {
	for _, stays := range []bool{true, false} {
		p := newPlant(t, nil)
		if err := os.WriteFile(p.root+"/recipe", []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		s := p.rig.Session(t, &brokertest.Guest{})
		said := p.sends(s, "put "+p.file("new recipe")+" "+p.root+"/recipe", "put "+p.file("")+" "+p.root+"/empty", "ls -l "+p.root+"/recipe")
		if p.onMachine("recipe") != "old" || len(p.said) != 2 || !strings.Contains(p.said[0], "recipe is held at the plant as F-1") {
			t.Fatalf("on the machine: %q; said %q\n%s", p.onMachine("recipe"), p.said, said)
		}
		if f := p.becomes("F-1", approvals.FileLooked); f.Kind != "text" || f.Scan != approvals.ScanNone || f.SHA256 != audit.HashOf([]byte("new recipe")) {
			t.Errorf("%+v", f)
		}
		if f := p.becomes("F-2", approvals.FileLooked); f.Kind != "empty" {
			t.Errorf("%+v", f)
		}
		if !stays {
			s.End(errors.New("left"))
			<-s.Done()
		}
		for _, id := range []string{"F-1", "F-2"} { // both at once: this machine has one writer
			if _, err := p.desk.release(id); err != nil {
				t.Fatal(err)
			}
		}
		p.h.Poke()
		p.becomes("F-1", approvals.FileDelivered)
		p.becomes("F-2", approvals.FileDelivered)
		if p.onMachine("recipe") != "new recipe" || p.delivered() != 2 {
			t.Errorf("on the machine: %q, told %d times", p.onMachine("recipe"), p.delivered())
		}
		p.gone("delivered")
		entries, err := os.ReadDir(p.root)
		if err != nil || len(entries) != 2 {
			t.Errorf("on the machine: %v %v", entries, err)
		}
		started := len(brokertest.Bodies[audit.SessionStarted](p.rig.Log))
		if stays && started != 1 || !stays && started != 3 {
			t.Errorf("%d sessions were started", started)
		}
	}
}

// What cannot be sent whole is refused, and nothing of it stays.
func TestWhatDoesNotWait(t *testing.T) {
	p := newPlant(t, nil)
	s := p.rig.Session(t, &brokertest.Guest{})
	if err := os.WriteFile(p.root+"/half", []byte("ha"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := p.sends(s, "reput "+p.file("half")+" "+p.root+"/half", "put "+p.file(strings.Repeat("x", 1<<20+1))+" "+p.root+"/large", "ln -s /etc "+p.root+"/link", "put "+p.file("a")+" "+p.root+"/none/a")
	if p.onMachine("half") != "ha" || p.onMachine("large") != "" || len(p.desk.files) != 0 {
		t.Errorf("%q, %d files", p.onMachine("half"), len(p.desk.files))
	}
	if !strings.Contains(said, "No such file") {
		t.Error(said)
	}
	p.gone("refused")
	if p.h.used != 0 {
		t.Errorf("%d bytes are counted, and nothing is there", p.h.used)
	}
	p.h.Limits.Bytes = 10
	p.sends(s, "put "+p.file("eleven bytes")+" "+p.root+"/a", "put "+p.file("fits")+" "+p.root+"/b")
	p.becomes("F-1", approvals.FileLooked)
	if len(p.desk.files) != 1 || p.desk.files[0].Path != p.root+"/b" {
		t.Errorf("%+v", p.desk.files)
	}
}

// Whatever step the process ends at, a new one goes on: nothing is lost, and
// nothing delivered twice.
func TestACrashAtEachStep(t *testing.T) {
	for _, step := range []approvals.FileState{approvals.FileLooked, approvals.FileReleased, approvals.FileDelivering, approvals.FileDelivered} {
		p := newPlant(t, nil)
		p.desk.named[audit.HashOf([]byte("recipe"))] = true
		p.desk.fail = string(step)
		s := p.rig.Session(t, &brokertest.Guest{})
		p.sends(s, "put "+p.file("recipe")+" "+p.root+"/recipe")
		p.failed(string(step))
		p.stop()
		if err := os.WriteFile(filepath.Join(p.parts.Dir, "ORPHAN"), []byte("of an upload that broke off"), 0o600); err != nil {
			t.Fatal(err)
		}
		p.desk.mu.Lock()
		p.desk.fail = ""
		p.desk.mu.Unlock()
		p.start()
		f := p.becomes("F-1", approvals.FileDelivered)
		if p.onMachine("recipe") != "recipe" || p.delivered() != 1 {
			t.Errorf("after %s: %q, delivered %d times", step, p.onMachine("recipe"), p.delivered())
		}
		if there := strings.Contains(f.Why, "there already"); there != (step == approvals.FileDelivered) {
			t.Errorf("after %s: %q", step, f.Why)
		}
		p.gone(string(step))
	}
}

// slowDesk is a Desk on which something happens while the files are listed.
type slowDesk struct {
	*desk
	meanwhile func()
}

func (d slowDesk) FilesWaiting(ctx context.Context) ([]approvals.File, error) {
	list, err := d.desk.FilesWaiting(ctx)
	d.meanwhile()
	return list, err
}

// A file that comes to its end while the files are listed is not swept away.
func TestAFileThatComesWhileItIsSwept(t *testing.T) {
	d := &desk{t: t, moved: make(chan struct{}, 1)}
	h, err := Open(Parts{Dir: t.TempDir(), Desk: d})
	if err != nil {
		t.Fatal(err)
	}
	defer h.root.Close()
	held, err := h.Begin(nil, sftp.In, "/in/a", 0)
	if err != nil {
		t.Fatal(err)
	}
	c := held.(*coming)
	defer c.f.Close()
	h.Desk = slowDesk{d, func() { // the end of coming.Done
		if _, err := d.HoldFile(t.Context(), audit.FileHeld{Kept: c.name}); err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		delete(h.mine, c.name)
		h.mu.Unlock()
	}}
	if _, err := h.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.root.Stat(c.name); err != nil {
		t.Errorf("the file that was just held: %v", err)
	}
	h.Desk = d
	if err := h.root.WriteFile("left", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.root.Stat("left"); err == nil {
		t.Error("what nobody names is kept")
	}
}

// What is over, too old, gone or altered is not delivered.
func TestWhatIsNotDelivered(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*plant)
		want approvals.FileState
	}{
		"its window is over":   {func(p *plant) { p.desk.mu.Lock(); p.desk.over = true; p.desk.mu.Unlock() }, approvals.FileExpired},
		"nobody answered":      {func(p *plant) { p.mu.Lock(); p.later += 25 * time.Hour; p.mu.Unlock() }, approvals.FileExpired},
		"its bytes were taken": {func(p *plant) { os.Remove(filepath.Join(p.parts.Dir, p.kept()[0].Name())); p.desk.release("F-1") }, approvals.FileExpired},
		"its bytes were altered": {func(p *plant) {
			os.WriteFile(filepath.Join(p.parts.Dir, p.kept()[0].Name()), []byte("poison"), 0o600)
			p.desk.release("F-1")
		}, approvals.FileReleased},
		"its folder is a link now": {func(p *plant) {
			os.Rename(p.root+"/in", p.root+"/was")
			os.Symlink("/etc", p.root+"/in")
			p.desk.release("F-1")
		}, approvals.FileDelivering},
	} {
		p := newPlant(t, nil)
		if err := os.Mkdir(p.root+"/in", 0o700); err != nil {
			t.Fatal(err)
		}
		s := p.rig.Session(t, &brokertest.Guest{})
		p.sends(s, "put "+p.file("recipe")+" "+p.root+"/in/recipe")
		p.becomes("F-1", approvals.FileLooked)
		c.do(p)
		p.h.Poke()
		p.becomes("F-1", c.want)
		if c.want != approvals.FileExpired {
			p.failed(name)
		}
		if p.delivered() != 0 || p.onMachine("in/recipe") != "" || p.onMachine("was/recipe") != "" {
			t.Errorf("%s: it was delivered", name)
		}
	}
}
