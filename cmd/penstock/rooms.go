package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/approvals/measures"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/audit/receipt"
	"penstock/audit/search"
	"penstock/broker"
	"penstock/broker/api"
	"penstock/broker/ca"
	"penstock/broker/dial"
	"penstock/broker/login"
	"penstock/broker/seal"
	"penstock/broker/sshd"
	"penstock/broker/vault"
	"penstock/broker/verbs"
	"penstock/broker/web"
	"penstock/policy"
)

// openRooms makes the rooms above log, rows and recordings, each of the ones before it.
func (h *plantHouse) openRooms(past *history, clock audit.Clock) error {
	if err := h.openDesk(past, clock); err != nil {
		return err
	}
	if err := h.openSecrets(clock); err != nil {
		return err
	}
	h.openBroker(past, clock)
	if err := h.openFollowers(clock); err != nil {
		return err
	}
	if err := h.openDialer(clock); err != nil {
		return err
	}
	if err := h.openDoor(); err != nil {
		return err
	}
	return h.openPages(clock)
}

// openDesk makes who people are, what they agree, and the authorities that sign for it.
func (h *plantHouse) openDesk(past *history, clock audit.Clock) error {
	var err error
	h.roster = people.NewRoster(h.journal, h.store, h.docs)
	h.roster.Now = clock.Wall
	h.roster.Roles = func(r policy.Role) bool { return h.plant().HasRole(r) }
	h.roster.Zones = func(name policy.ZoneName) bool { z, ok := h.plant().Zone(name); return ok && z.ByAgent }
	h.roster.Origin = func() string { return h.plant().Site.Origin }
	h.desk = approvals.NewDesk(approvals.Parts{Plant: h.plant, Roster: h.roster, Journal: h.journal, Rows: h.store,
		Leaves: h.log, Log: h.log, Docs: h.docs, Now: clock.Wall, Take: h.takePlant})
	h.ca, err = ca.Open(ca.Parts{Dir: h.folder.keys(), Make: true, Journal: h.journal, Rows: h.store, Log: h.log, Running: past.certs})
	return err
}

// openSecrets makes what is sealed to seal.key: what people prove themselves by, and the machines' secrets.
func (h *plantHouse) openSecrets(clock audit.Clock) error {
	service, err := h.file.OIDC.open(h.plant())
	if err != nil {
		return err
	}
	key := filepath.Join(h.folder.keys(), "seal.key")
	h.proofs, err = login.New(login.Parts{Roster: h.roster, Journal: h.journal, Rows: h.store, Docs: h.docs, Log: h.log,
		Seal: key, Plant: func() string { return h.plant().Site.Name },
		Origin: func() string { return h.plant().Site.Origin }, Cost: passwordCost, Now: clock.Wall, OIDC: service})
	if err != nil {
		return err
	}
	box, err := seal.Open(key, h.docs)
	if err != nil {
		return err
	}
	h.vault = vault.New(vault.Parts{Plant: h.plant, Roster: h.roster, Journal: h.journal, Rows: h.store, Log: h.log, Box: box, Over: h.desk.Over, Now: clock.Wall})
	return nil
}

// openBroker makes what holds sessions to what was agreed, and what keeps everybody out.
func (h *plantHouse) openBroker(past *history, clock audit.Clock) {
	h.sessions.Store(past.sessions)
	h.broker = broker.New(h.plant, h.desk, h.log, h.archive, broker.Limits{Node: h.file.Node}, broker.Clock{Wall: clock.Wall, Boot: clock.Mono},
		func() policy.SessionID { return policy.SessionID(fmt.Sprintf("S-%d", h.sessions.Add(1))) })
	h.desk.Stops(h.broker)
	h.broker.Expects(func() (time.Duration, error) {
		ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
		defer cancel()
		t, err := h.desk.Tally(ctx)
		return t.Agreed, err
	})
	h.admission = &admission{set: h.broker.Refuse, reasons: map[string]*policy.Refusal{}}
	h.clock = &clockGuard{log: h.log, refuse: func(r *policy.Refusal) { h.admission.refuse("clock", r) }, slog: h.slog, clock: clock, state: past.clock}
}

// openFollowers makes what reads the log after the others: copies, reviews, SIEM, notices, search.
func (h *plantHouse) openFollowers(clock audit.Clock) error {
	if err := h.openOutside(clock); err != nil {
		return err
	}
	h.openReviews(clock)
	if err := h.openSIEM(context.Background(), clock); err != nil {
		return err
	}
	if err := h.openNotices(); err != nil {
		return err
	}
	h.openSearch()
	return nil
}

// openDialer makes the ways to the machines, for sessions and for the broker's own errands.
func (h *plantHouse) openDialer(clock audit.Clock) error {
	h.dialer = &dial.Dialer{CA: h.ca, Secrets: h.vault, Broker: h.file.Node, Loopback: h.file.Loopback, Agents: dial.NewAgents()}
	h.dialer.Changed = h.keyChanged
	h.errands = &dial.Errands{Dialer: h.dialer, Plant: h.plant, Keys: h.desk.GoodKeys}
	h.vault.SetMachine(h.errands)
	return h.openHolding(clock)
}

// openDoor makes the door for SSH and the clerk behind desk@.
func (h *plantHouse) openDoor() error {
	signer, err := receipt.Open(h.folder.keys())
	if err != nil {
		return err
	}
	h.receipts = &receipt.Desk{Signer: signer, Log: h.log, Plant: func() string { return h.plant().Site.ID }}
	clerk := &verbs.Clerk{Desk: h.desk, Roster: h.roster, Proofs: h.proofs, CA: h.ca, Plant: h.plant, Receipts: h.receipts,
		Name: h.file.Name, Port: h.file.SSHPort}
	h.door, err = sshd.New(sshd.Parts{Plant: h.plant, Broker: h.broker, CA: h.ca, Dialer: h.dialer, Holding: h.holding, Proofs: h.proofs,
		Roster: h.roster, Clerk: clerk, Log: h.log, Names: []string{h.file.Name}, Slog: h.slog, Inspectors: inspectors,
		Limits: sshd.Limits{Drain: h.file.Drain + drainTime}})
	return err
}

// openPages makes the API and the pages, which call it.
func (h *plantHouse) openPages(clock audit.Clock) (err error) {
	parts := web.Parts{Plant: h.plant, Roster: h.roster, Desk: h.desk, Proofs: h.proofs, Broker: h.broker, Book: h.book,
		Vault: h.vault, Receipts: h.receipts, Authorities: h.authorities, Measures: measures.NewBook(h.log, h.docs, h.plant),
		AcceptClock: h.clock.accept, BackUp: h.backup, TakeCheckpoint: h.takeCheckpoint,
		Evidence: h.evidence, VerifyRecording: h.verifyRecording, CheckTarget: h.checkTarget, ScanTarget: h.scanTarget,
		Outside: h.outside.State, SIEM: h.siem.States, Notices: h.noticeLines, Scanner: h.holding.Ill, FileTrouble: h.holding.Trouble,
		Agents: h.agentLines(), Ports: func() []api.Port { return portRows(h.file, h.plant()) },
		Loopback: h.file.Loopback, Slog: h.slog, Now: clock.Wall}
	if h.search != nil {
		parts.Search = h.search.Find
	}
	if h.web, err = web.New(parts); err != nil {
		return err
	}
	h.pages, err = web.NewPages(parts, h.log, h.web)
	return err
}

// searchBytes is the most that the index of what happened may have. What is above it is said on the page.
const searchBytes = 4 << 30

// openSearch: a broker without its index still keeps the record; that nobody can
// search is told.
func (h *plantHouse) openSearch() {
	x, err := search.Open(h.folder.search(), searchBytes)
	if err != nil {
		h.slog.Error("there is no search: its index could not be opened", "err", err)
		return
	}
	h.search = search.NewFiller(x, h.log, h.archive, h.slog)
}

func (h *plantHouse) authorities() api.Authorities {
	line := func(k ssh.PublicKey) string { return string(trimLine(ssh.MarshalAuthorizedKey(k))) }
	site := h.plant().Site
	return api.Authorities{Host: line(h.ca.Host()), Out: line(h.ca.Out()), HostKey: line(h.ca.HostKey().PublicKey()),
		LogKey: h.logKey, Name: h.file.Name, Port: h.file.SSHPort, Site: site.ID, TimeZone: h.plant().Location().String()}
}

func (h *plantHouse) hostKeyPrint() string { return ssh.FingerprintSHA256(h.ca.HostKey().PublicKey()) }

// ownAddress tells the dialer an address of ours, which is never a target.
func (h *plantHouse) ownAddress(a net.Addr) {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return
	}
	h.dialer.Own = append(h.dialer.Own, ap)
}
