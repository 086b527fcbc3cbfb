package sshd

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/pquerna/otp/totp"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/ca"
	"penstock/broker/dial"
	"penstock/broker/login"
	"penstock/broker/verbs"
	"penstock/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a broker with everything real in it, and one machine.
type house struct {
	t       *testing.T
	ctx     context.Context
	dir     string
	log     *audit.Log
	docs    *audit.Documents
	rows    *state.Memory
	journal *state.Journal
	roster  *people.Roster
	desk    *approvals.Desk
	ca      *ca.Authorities
	proofs  *login.Proofs
	broker  *broker.Broker
	door    *Door
	addr    string
	machine *machine
	plc     *controller
	archive *recording.Archive
	plant   *policy.Plant
	said    *lockedBuffer // slog

	listener *listener

	spoil atomic.Pointer[func()] // called whenever anybody reads the plant file

	codes map[string]string // TOTP secret of a person
	base  time.Time
	stop  func()       // what ends Serve
	ahead atomic.Int64 // of the authorities' and the door's clock
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = bytes.Buffer{}
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// keyOf is a person's own key: the same in every test.
func keyOf(name string) ssh.Signer {
	seed := make([]byte, 32)
	copy(seed, "seed of "+name)
	s, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		panic(err)
	}
	return s
}

const plantText = `
site: {id: kiel, name: Fjord Dairy Kiel, colour: teal, timezone: Europe/Berlin, control_room: "+49 431 555 0100"}
teams:
  shift:        {name: Shift}
  line-1-owner: {name: Line 1 owner}
  it-network:   {name: IT network}
  ot-security:  {name: OT security}
lines:
  filling-1: {name: Filling line 1, criticality: 1}
zones:
  dmz:    {name: DMZ,    levels: [3.5], sl_t: 3, owner: it-network, broker: here}
  line-1: {name: Line 1, levels: [1],   sl_t: 2, owner: line-1-owner, shift: shift}
conduits:
  - {name: b, from: dmz, to: line-1, carries: [ssh, modbus, tcp], rights: [look, copy, set, load], owners: [it-network, line-1-owner], why: x, review: 2037-03-31}
assets:
  filler-plc:
    {tag: F-1, name: Filler, zone: line-1, level: 1, address: 127.0.0.1, stops: [filling-1], ports: {ssh: {tcp: %d, host_keys: [%s], accounts: {logs: {rights: [look, copy], enforced: device}, maint: {rights: [look, copy, set, load], enforced: nobody}}}, modbus: {tcp: %d, rights: [look, copy], enforced: device}, tcp: {tcp: 9, rights: [look, copy], enforced: device}}}
  press-plc:
    {tag: P-1, name: Press, zone: line-1, level: 1, address: 127.0.0.1, stops: [filling-1], ports: {modbus: {rights: [look, copy], enforced: device}, ssh: {host_keys: [%s], accounts: {logs: {rights: [look, copy], enforced: device}}}}}
rules:
  - {name: line, when: {zone: line-1, right: [look, copy]}, plan: [owner], open: shift, longest: 8h, proof: code}
`

func newHouse(t *testing.T, limits Limits) *house {
	t.Helper()
	return newHouseOf(t, limits, plantText)
}

// newHouseOf is newHouse with another plant file, and a disk that may fail.
func newHouseOf(t *testing.T, limits Limits, text string, on ...func(dir string) durable.FS) *house {
	t.Helper()
	return newHouseWith(t, limits, broker.Limits{}, text, on...)
}

// newHouseWith is newHouseOf with other limits of the broker.
func newHouseWith(t *testing.T, limits Limits, most broker.Limits, text string, on ...func(dir string) durable.FS) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), said: &lockedBuffer{}, codes: map[string]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	h.ctx = ctx
	var all sync.WaitGroup
	var options []durable.Option
	for _, fs := range on {
		options = append(options, durable.On(fs(h.dir)))
	}
	disk := must(durable.OpenDisk(h.dir, options...))
	diskCtx, endDisk := context.WithCancel(context.Background())
	diskDone := make(chan error, 1)
	go func() { diskDone <- disk.Run(diskCtx) }()
	t.Cleanup(func() { // in the order of a real stop
		cancel()
		if h.broker != nil {
			drain, done := context.WithTimeout(context.Background(), 100*time.Millisecond)
			_ = h.broker.Drain(drain)
			done()
		}
		all.Wait()
		if h.log != nil {
			h.log.Close()
		}
		endDisk()
		<-diskDone
	})
	signer, _, err := audit.LogKeys(filepath.Join(h.dir, "keys"), "test/penstock/a")
	h.ok(err)
	h.log = must(audit.OpenLog(filepath.Join(h.dir, "log"), disk, audit.Options{Origin: "test/penstock/a", Node: "a", Signer: signer, Clock: audit.SystemClock()}))
	h.docs = must(audit.OpenDocuments(filepath.Join(h.dir, "documents"), disk))
	h.rows = state.NewMemory()
	h.journal = state.NewJournal("a", h.log, h.rows, people.Fold(h.docs), approvals.Fold(h.docs), ca.Fold(), login.Fold())
	h.bootstrap()
	h.roster = people.NewRoster(h.journal, h.rows, h.docs)
	h.ca = must(ca.Open(ca.Parts{Dir: filepath.Join(h.dir, "keys"), Make: true, Journal: h.journal, Rows: h.rows, Log: h.log,
		Now: h.now}))
	h.machine = newMachine(t, h.ca.Out())
	h.plc = newController(t)
	h.plant = thePlant(t, text, h.machine, h.plc.port)
	h.ok(h.append(audit.ConfigChanged{Kind: "plant", Document: must(h.docs.Put(ctx, h.plant.Document()))}))
	plant := func() *policy.Plant {
		if f := h.spoil.Load(); f != nil {
			(*f)()
		}
		return h.plant
	}
	h.desk = approvals.NewDesk(approvals.Parts{Plant: plant, Roster: h.roster, Journal: h.journal, Rows: h.rows, Log: h.log, Leaves: h.log, Docs: h.docs})
	h.proofs = must(login.New(login.Parts{Roster: h.roster, Journal: h.journal, Rows: h.rows, Docs: h.docs, Log: h.log, Seal: filepath.Join(h.dir, "keys", "seal.key"), Cost: login.CheapCost}))
	id := must(age.GenerateX25519Identity())
	archive := must(recording.OpenArchive(recording.Parts{Dir: filepath.Join(h.dir, "recordings"), HeadsDir: filepath.Join(h.dir, "log", "heads"),
		Disk: disk, Log: h.log, Mode: "readable", Recipients: []string{id.Recipient().String()}, Identity: id.String(), MinFree: -1}))
	h.archive = archive
	clock := audit.SystemClock()
	var sessions atomic.Int64
	h.broker = broker.New(plant, h.desk, h.log, archive, most, broker.Clock{Wall: clock.Wall, Boot: clock.Mono},
		func() policy.SessionID { return policy.SessionID(fmt.Sprintf("S-%d", sessions.Add(1))) })
	h.desk.Stops(h.broker)
	l := &listener{Listener: must(net.Listen("tcp", "127.0.0.1:0"))}
	h.addr, h.listener = l.Addr().String(), l
	h.door = must(New(Parts{Plant: plant, Broker: h.broker, CA: h.ca, Dialer: &dial.Dialer{CA: h.ca, Broker: "a", Loopback: true, Agents: dial.NewAgents()}, Proofs: h.proofs,
		Roster: h.roster, Log: h.log, Names: []string{"127.0.0.1"}, Limits: limits, Now: h.now, Slog: slog.New(slog.NewTextHandler(h.said, nil)),
		Clerk: &verbs.Clerk{Desk: h.desk, Roster: h.roster, Proofs: h.proofs, CA: h.ca, Plant: plant, Name: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}}))
	doors, endDoors := context.WithCancel(ctx)
	h.stop = endDoors
	for _, run := range []func(context.Context) error{archive.Run, h.desk.Run, h.broker.Run, func(ctx context.Context) error { return h.door.Serve(doors, l) }} {
		all.Go(func() {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil && len(on) == 0 { // a disk that fails ends parts
				t.Errorf("a part ended: %v", err)
			}
		})
	}
	h.base = time.Now()                                           // now, so that no step passes before the first code
	for _, name := range []string{"ann", "mia", "olaf", "lena"} { // whoever gives access has a generator
		h.enrol(name)
	}
	return h
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (h *house) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) append(b audit.Body) error {
	_, err := h.log.Append(h.ctx, audit.Event{Subject: "test", Actor: "penstock", Body: b})
	return err
}

func (h *house) bootstrap() {
	var b strings.Builder
	b.WriteString("firms:\n  fjord: {name: Fjord, plant: true}\n  krall: {name: Krall, sponsor: olaf, networks: [127.0.0.0/8]}\n  polar: {name: Polar, sponsor: olaf, networks: [198.51.100.0/24]}\npeople:\n")
	for _, p := range [][3]string{{"ann", "krall", ""}, {"bob", "krall", ""}, {"eve", "polar", ""}, {"mia", "fjord", "shift"}, {"olaf", "fjord", "line-1-owner"}, {"lena", "fjord", "ot-security"}} {
		fmt.Fprintf(&b, "  %s: {name: %s, firm: %s, roles: [%s], key: %s}\n", p[0], p[0], p[1], p[2], authorized(keyOf(p[0]).PublicKey()))
	}
	text := strings.ReplaceAll(b.String(), ", roles: []", "")
	hash := must(h.docs.Put(h.ctx, []byte(text)))
	_, err := h.journal.Commit(h.ctx, "bootstrap/1", audit.Event{Subject: "bootstrap", Rev: 1, Actor: "penstock", Body: audit.LogCreated{Origin: "test", Bootstrap: hash}})
	h.ok(err)
}

// actor is somebody who has just proved key and code.
func (h *house) actor(name string) people.Actor {
	p := must(h.roster.Person(h.ctx, policy.PersonID(name)))
	f := must(h.roster.Firm(h.ctx, p.Firm))
	if _, has := p.Key(people.TOTP); !has && f.Plant {
		_, err := h.journal.Commit(h.ctx, "person/"+name, audit.Event{Subject: name, Rev: p.Rev + 1, Actor: name,
			Body: audit.KeyEnrolled{Person: name, Kind: "totp", Key: "totp", Sealed: must(h.docs.Put(h.ctx, []byte("sealed"))), By: name}})
		h.ok(err)
	}
	return people.Actor{Person: p.ID, Firm: p.Firm, Plant: f.Plant, Roles: p.Roles, Proofs: []people.KeyKind{people.SSH, people.TOTP}, At: time.Now(), Step: time.Now().Unix() / 30, Source: netip.MustParseAddr("127.0.0.1")}
}

// enrol gives a person a code generator, with a code of the step before now.
func (h *house) enrol(name string) {
	a := must(h.proofs.SSHKey(h.ctx, netip.MustParseAddr("127.0.0.1"), authorized(keyOf(name).PublicKey())))
	secret, _, err := h.proofs.NewSecret(h.ctx, a)
	h.ok(err)
	h.codes[name] = secret
	err = h.proofs.EnrolSecret(h.ctx, a, secret, h.code(name, -1))
	if err != nil { // a step has passed since base was read; none passes now
		h.base = time.Now()
		err = h.proofs.EnrolSecret(h.ctx, a, secret, h.code(name, -1))
	}
	h.ok(err)
}

func (h *house) code(name string, step int) string {
	return must(totp.GenerateCode(h.codes[name], h.base.Add(time.Duration(step)*30*time.Second)))
}

// agreed brings a window about and opens it.
func (h *house) open(minutes int) policy.WindowID {
	h.t.Helper()
	w := h.agreed(minutes)
	_, err := h.desk.Open(h.ctx, h.actor("mia"), w)
	h.ok(err)
	return w
}

func (h *house) agreed(minutes int) policy.WindowID {
	h.t.Helper()
	now := time.Now()
	r, err := h.desk.Submit(h.ctx, h.actor("ann"), approvals.Ask{Firm: "krall", People: []policy.PersonID{"ann"},
		Targets: []policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "logs"}, {Asset: "filler-plc", Port: "modbus"}, {Asset: "filler-plc", Port: "tcp"}}, Rights: policy.Look | policy.Copy, Reason: "test", Minutes: minutes, From: now, To: now.Add(3 * time.Hour)})
	h.ok(err)
	r, err = h.desk.Answer(h.ctx, h.actor("olaf"), r.ID, r.Hash, approvals.Reply{Says: "yes"})
	h.ok(err)
	if r.Window == "" {
		h.t.Fatalf("request %s is %s, without a window", r.ID, r.State)
	}
	return r.Window
}

// cert issues ann's certificate as cert@ does.
func (h *house) cert(name string, w ...policy.WindowID) ssh.Signer {
	h.t.Helper()
	c, err := h.ca.IssueVendor(h.ctx, ca.Claim{Person: policy.PersonID(name), Firm: "krall", Windows: w, Until: time.Now().Add(time.Hour)}, keyOf(name).PublicKey(), []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	h.ok(err)
	return must(ssh.NewCertSigner(c, keyOf(name)))
}

// dialAs is a raw client; whatever the door says before it lets in is in banners.
func (h *house) dialAs(user string, auth ...ssh.AuthMethod) (*ssh.Client, string, error) {
	var banners strings.Builder
	cfg := &ssh.ClientConfig{User: user, Auth: auth, HostKeyCallback: ssh.FixedHostKey(h.ca.HostKey().PublicKey()),
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}, BannerCallback: func(m string) error { banners.WriteString(m); return nil }, Timeout: 10 * time.Second}
	c, err := ssh.Dial("tcp", h.addr, cfg)
	if err == nil {
		h.t.Cleanup(func() { c.Close() })
	}
	return c, banners.String(), err
}

func (h *house) events(kind string) (all []audit.Leaf) {
	for leaf, err := range h.log.Upto(h.ctx, 0) {
		h.ok(err)
		if leaf.Body.Type() == kind {
			all = append(all, leaf)
		}
	}
	return all
}

// in is ann inside, through a certificate.
func (h *house) in(w policy.WindowID) *ssh.Client {
	h.t.Helper()
	c, banner, err := h.dialAs("ann+logs+filler-plc", ssh.PublicKeys(h.cert("ann", w)))
	if err != nil {
		h.t.Fatalf("ann is not let in: %v %s", err, banner)
	}
	return c
}

func thePlant(t *testing.T, text string, m *machine, plc int) *policy.Plant {
	t.Helper()
	text = fmt.Sprintf(text, m.port, authorized(m.host.PublicKey()), plc, authorized(m.host.PublicKey()))
	p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return p
}

// machine is a target: x/crypto's server, which trusts the out authority, and a real shell behind it.
type machine struct {
	port     int
	host     ssh.Signer
	accepted atomic.Int64
	login    atomic.Pointer[func()] // called while somebody logs in

	mu   sync.Mutex
	seen []string // requests, in order
}

func (m *machine) saw(s string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = append(m.seen, s)
}

func (m *machine) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = nil
}

func (m *machine) requests() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.seen...)
}

func newMachine(t *testing.T, out ssh.PublicKey) *machine {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	m := &machine{port: l.Addr().(*net.TCPAddr).Port, host: keyOf("machine")}
	checker := &ssh.CertChecker{IsUserAuthority: func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), out.Marshal()) }}
	cfg := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if f := m.login.Load(); f != nil {
			(*f)()
		}
		cert, ok := k.(*ssh.Certificate)
		if !ok || !checker.IsUserAuthority(cert.SignatureKey) {
			return nil, errors.New("no")
		}
		return &cert.Permissions, checker.CheckCert(c.User()+"@filler-plc.kiel", cert)
	}}
	cfg.AddHostKey(m.host)
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { l.Close(); cancel(); all.Wait() })
	all.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			m.accepted.Add(1)
			all.Go(func() {
				defer context.AfterFunc(ctx, func() { nc.Close() })()
				defer nc.Close()
				_, chans, reqs, err := ssh.NewServerConn(nc, cfg)
				if err != nil {
					return
				}
				all.Go(func() { ssh.DiscardRequests(reqs) })
				for c := range chans {
					ch, reqs, err := c.Accept()
					if err == nil {
						all.Go(func() { m.session(ctx, ch, reqs) })
					}
				}
			})
		}
	})
	return m
}

func (m *machine) session(ctx context.Context, ch ssh.Channel, reqs <-chan *ssh.Request) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var env []string
	var run sync.WaitGroup
	for req := range reqs {
		m.saw(req.Type + " " + fmt.Sprintf("%q", req.Payload))
		switch req.Type {
		case "env":
			var e struct{ Name, Value string }
			if ssh.Unmarshal(req.Payload, &e) == nil {
				env = append(env, e.Name+"="+e.Value)
			}
		case "shell", "exec":
			var e struct{ Command string }
			_ = ssh.Unmarshal(req.Payload, &e)
			cmd := exec.CommandContext(ctx, "sh", "-c", e.Command)
			if req.Type == "shell" {
				cmd = exec.CommandContext(ctx, "sh")
			}
			cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, env...)
			if req.WantReply { // first, as sshd does: a short command may close the channel
				_ = req.Reply(true, nil)
			}
			run.Go(func() { runCommand(cmd, ch) })
			continue
		}
		if req.WantReply {
			_ = req.Reply(true, nil)
		}
	}
	cancel()
	run.Wait()
}

func runCommand(cmd *exec.Cmd, ch ssh.Channel) {
	defer ch.Close()
	in, err := cmd.StdinPipe()
	if err != nil {
		return
	}
	cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return
	}
	go func() { _, _ = io.Copy(in, ch); in.Close() }()
	err = cmd.Wait()
	status := uint32(0)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = uint32(exit.ExitCode())
	}
	_ = ch.CloseWrite()
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
}
