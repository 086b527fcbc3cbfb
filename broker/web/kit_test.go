package web

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/approvals/measures"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
	"penstock/audit/review"
	"penstock/broker"
	"penstock/broker/api"
	"penstock/broker/ca"
	"penstock/broker/login"
	"penstock/broker/seal"
	"penstock/broker/vault"
	"penstock/policy"
)

// house is pages with everything real behind them, on loopback by TLS, whose
// sessions a test can make without a password.
type house struct {
	t       *testing.T
	ctx     context.Context
	pages   *Pages
	desk    *approvals.Desk
	roster  *people.Roster
	journal *state.Journal
	docs    *audit.Documents
	server  *httptest.Server
	origin  string // https://localhost:PORT
	log     *audit.Log
	archive *recording.Archive
	plant   atomic.Pointer[policy.Plant]
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newHouse has ann and ben of a vendor, and shifts people of the plant on shift.
func newHouse(t *testing.T, shifts int) *house { return newHouseOf(t, shifts, true) }

// newHouseOf is newHouse, where a code is enough for a yes or is not.
func newHouseOf(t *testing.T, shifts int, codes bool) *house {
	t.Helper()
	return newHouseWith(t, shifts, codes, nil)
}

// newHouseBy is newHouse with a sign-in service.
func newHouseBy(t *testing.T, shifts int, service *login.OIDC) *house {
	t.Helper()
	return newHouseWith(t, shifts, true, service)
}

func newHouseWith(t *testing.T, shifts int, codes bool, service *login.OIDC) *house {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	h := &house{t: t, ctx: ctx}
	disk := must(durable.OpenDisk(dir))
	diskCtx, endDisk := context.WithCancel(context.Background())
	var all, committer sync.WaitGroup
	committer.Go(func() { _ = disk.Run(diskCtx) })
	signer, _, err := audit.LogKeys(filepath.Join(dir, "keys"), "test/penstock/a")
	if err != nil {
		t.Fatal(err)
	}
	log := must(audit.OpenLog(filepath.Join(dir, "log"), disk, audit.Options{Origin: "test/penstock/a", Node: "a", Signer: signer, Clock: audit.SystemClock()}))
	h.log = log
	h.docs = must(audit.OpenDocuments(filepath.Join(dir, "documents"), disk))
	rows := state.NewMemory()
	h.journal = state.NewJournal("a", log, rows, people.Fold(h.docs), approvals.Fold(h.docs), ca.Fold(), login.Fold(), vault.Fold())
	h.bootstrap(shifts)
	h.roster = people.NewRoster(h.journal, rows, h.docs)
	h.server = httptest.NewUnstartedServer(nil) // its address is known from here on
	_, port, _ := net.SplitHostPort(h.server.Listener.Addr().String())
	h.origin = "https://localhost:" + port
	thePlant := plantAt(t, h.origin, codes)
	h.roster.Origin = func() string { return h.origin }
	h.plant.Store(thePlant)
	plant := h.plant.Load
	must(log.Append(ctx, audit.Event{Subject: "plant", Actor: "penstock", Body: audit.ConfigChanged{Kind: "plant", Document: must(h.docs.Put(ctx, thePlant.Document()))}}))
	h.desk = approvals.NewDesk(approvals.Parts{Plant: plant, Roster: h.roster, Journal: h.journal, Rows: rows, Leaves: log, Log: log, Docs: h.docs,
		Take: func(_ context.Context, p *policy.Plant) { h.plant.Store(p) }})
	proofs := must(login.New(login.Parts{Roster: h.roster, Journal: h.journal, Rows: rows, Docs: h.docs, Log: log, Seal: filepath.Join(dir, "keys", "seal.key"), Cost: login.CheapCost,
		Origin: func() string { return h.origin }, OIDC: service}))
	keep := vault.New(vault.Parts{Plant: func() *policy.Plant { return loginPlant(t, h.origin) }, Roster: h.roster, Journal: h.journal, Rows: rows, Log: log,
		Box: must(seal.Open(filepath.Join(dir, "keys", "seal.key"), h.docs)), Over: h.desk.Over})
	id := must(age.GenerateX25519Identity())
	archive := must(recording.OpenArchive(recording.Parts{Dir: filepath.Join(dir, "recordings"), HeadsDir: filepath.Join(dir, "log", "heads"),
		Disk: disk, Log: log, Mode: "readable", Recipients: []string{id.Recipient().String()}, Identity: id.String(), MinFree: -1}))
	h.archive = archive
	clock := audit.SystemClock()
	b := broker.New(plant, h.desk, log, archive, broker.Limits{}, broker.Clock{Wall: clock.Wall, Boot: clock.Mono}, func() policy.SessionID { return "S-1" })
	h.desk.Stops(b)
	book := review.NewBook(archive, log, func([]string) bool { return true })
	book.Keeps(review.House{Log: log, Covered: log.Size, Clock: func() error { return nil }, Rules: func() review.Rules {
		return review.Rules{Always: thePlant.Reviews.Always, OneIn: thePlant.Reviews.OneIn, Security: func(roles []string) bool { return slices.Contains(roles, "ot-security") },
			Keeps: func(review.Target) (string, time.Duration, bool) { return "", 0, false }}
	}})
	parts := Parts{Plant: plant, Vault: keep, Roster: h.roster, Desk: h.desk, Proofs: proofs, Broker: b, Book: book, Measures: measures.NewBook(log, h.docs, plant), Slog: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Authorities: func() api.Authorities { return api.Authorities{Name: "broker.example", Port: 2222} }}
	h.pages = must(NewPages(parts, log, must(New(parts))))
	for _, run := range []func(context.Context) error{archive.Run, h.desk.Run, b.Run} {
		all.Go(func() {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
				t.Errorf("a part ended: %v", err)
			}
		})
	}
	h.server.Config.Handler = h.pages
	h.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	h.server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	h.server.StartTLS()
	t.Cleanup(func() {
		h.server.CloseClientConnections()
		h.server.Close()
		cancel()
		all.Wait()
		_ = log.Close()
		endDisk()
		committer.Wait()
	})
	return h
}

func shiftName(i int) string { return fmt.Sprintf("mia%d", i) }

func (h *house) bootstrap(shifts int) {
	var b strings.Builder
	b.WriteString("firms:\n  fjord: {name: Fjord Dairy Kiel, plant: true}\n  krall: {name: Krall Fillers, sponsor: olaf, networks: [127.0.0.0/8]}\npeople:\n")
	cast := [][2]string{{"ann", "firm: krall"}, {"ben", "firm: krall"}, {"olaf", "firm: fjord, roles: [line-1-owner]"}, {"lena", "firm: fjord, roles: [ot-security]"}}
	for i := range shifts {
		cast = append(cast, [2]string{shiftName(i), "firm: fjord, roles: [shift]"})
	}
	for i, p := range cast {
		key := must(ssh.NewPublicKey(ed25519.NewKeyFromSeed(slices.Repeat([]byte{byte(i + 1)}, 32)).Public()))
		fmt.Fprintf(&b, "  %s: {name: %s, %s, key: %s}\n", p[0], p[0], p[1], strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))
	}
	hash := must(h.docs.Put(h.ctx, []byte(b.String())))
	must(h.journal.Commit(h.ctx, "bootstrap/1", audit.Event{Subject: "bootstrap", Rev: 1, Actor: "penstock", Body: audit.LogCreated{Origin: "test", Bootstrap: hash}}))
}

// actor is somebody who has just given password and code.
func (h *house) actor(name string) (people.Actor, audit.Hash) {
	h.t.Helper()
	sealed := must(h.docs.Put(h.ctx, []byte("sealed")))
	for _, kind := range []people.KeyKind{people.Password, people.TOTP} {
		p := must(h.roster.Person(h.ctx, policy.PersonID(name)))
		if _, has := p.Key(kind); !has {
			must(h.journal.Commit(h.ctx, "person/"+name, audit.Event{Subject: name, Rev: p.Rev + 1, Actor: name,
				Body: audit.KeyEnrolled{Person: name, Kind: string(kind), Key: string(kind), Sealed: sealed, By: name}}))
		}
	}
	p := must(h.roster.Person(h.ctx, policy.PersonID(name)))
	f := must(h.roster.Firm(h.ctx, p.Firm))
	return people.Actor{Person: p.ID, Firm: p.Firm, Plant: f.Plant, Roles: p.Roles, Proofs: []people.KeyKind{people.Password, people.TOTP}, At: time.Now(),
		Step: time.Now().Unix() / 30, Source: netip.MustParseAddr("127.0.0.1")}, sealed
}

// cookie is a session of somebody's, made in the store.
func (h *house) cookie(name string) *http.Cookie {
	h.t.Helper()
	a, proof := h.actor(name)
	_, token, err := h.pages.sessions.begin(a, byPassword(proof))
	if err != nil {
		h.t.Fatal(err)
	}
	return &http.Cookie{Name: cookieName, Value: token}
}

// askToLook is a request of ann's that the shift alone may answer.
func (h *house) askToLook() approvals.Request {
	h.t.Helper()
	a, _ := h.actor("ann")
	now := time.Now()
	q, err := h.desk.Submit(h.ctx, a, approvals.Ask{Firm: "krall", People: []policy.PersonID{"ann"}, Targets: []policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "viewer"}},
		Rights: policy.Look, Reason: "Alarm F-417", Minutes: 60, From: now, To: now.Add(4 * time.Hour)})
	if err != nil {
		h.t.Fatal(err)
	}
	return q
}
