package dial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit/recording"
	"penstock/broker/vault"
	"penstock/policy"
)

// errandTime bounds one errand at a target.
const errandTime = 45 * time.Second

// Errands are what the broker does at targets for itself, in nobody's window:
// rotating a secret, looking whether a machine would let it in. Nothing of a
// vendor's passes, and nothing is asked of a target beyond the plant file's own
// words. It goes by the plant file in force: address, pins, host on the way.
type Errands struct {
	Dialer *Dialer
	Plant  func() *policy.Plant
	// Keys are the good host keys of a machine now; nil: those of the plant file.
	Keys func(context.Context, policy.AssetName) ([]string, error)
}

// errand is the way of one of them.
type errand struct {
	ctx   context.Context
	mu    sync.Mutex // of what follows
	owned []io.Closer
	notes []string
}

func (e *errand) Context() context.Context { return e.ctx }
func (e *errand) Look() error              { return context.Cause(e.ctx) }

func (e *errand) Own(c io.Closer) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.ctx.Err(); err != nil {
		c.Close()
		return err
	}
	e.owned = append(e.owned, c)
	return nil
}

// Mark keeps what a recording would: there is none.
func (e *errand) Mark(_ context.Context, _ recording.Mark, b []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.notes) < maxNotes {
		e.notes = append(e.notes, string(b))
	}
	return nil
}

const maxNotes = 16

func (e *errand) close() {
	e.mu.Lock()
	owned := e.owned
	e.owned = nil
	e.mu.Unlock()
	for _, c := range owned {
		c.Close()
	}
}

// place is where the plant file has an account: all that a leg needs.
func (e *Errands) place(ctx context.Context, asset policy.AssetName, account policy.AccountName) (leg, *policy.Hop, error) {
	plant := e.Plant()
	a, ok := plant.Asset(asset)
	port, ssh := a.Port("ssh")
	login, known := plant.LoginOf(asset, account)
	if !ok || !ssh || !known {
		return leg{}, nil, &policy.Refusal{Rule: "unknown-account", Say: fmt.Sprintf("The plant file has no account %s by ssh on %s.", account, asset), Why: fmt.Sprintf("no account %s on %s", account, asset)}
	}
	l := leg{asset: asset, account: account, target: netip.AddrPortFrom(a.Address, port.Number), keys: port.HostKeys, old: port.Old.Algorithms, login: login.LoginWay(), agent: plant.AgentOf(asset)}
	if e.Keys != nil {
		var err error
		if l.keys, err = e.Keys(ctx, asset); err != nil {
			return l, nil, err
		}
	}
	hop, err := e.hop(ctx, asset)
	return l, hop, err
}

// hop is the host on the way, with its good keys; nil: there is none.
func (e *Errands) hop(ctx context.Context, asset policy.AssetName) (*policy.Hop, error) {
	hop := e.Plant().Hop(asset)
	if hop == nil || e.Keys == nil {
		return hop, nil
	}
	now := *hop
	var err error
	now.HostKeys, err = e.Keys(ctx, hop.Asset)
	return &now, err
}

// enter logs in for an errand: with the given secret, or with what the account
// has. What it gives is closed with the errand.
func (e *Errands) enter(ctx context.Context, way *errand, name string, l leg, hop *policy.Hop, secret *vault.Secret, early bool) (ssh.Conn, error) {
	d := *e.Dialer
	l.way, l.whose = way, e.whose(name)
	l.whose.early = early
	if secret != nil {
		d.Secrets = given{d.Secrets, l, *secret}
	}
	return d.login(ctx, l, func(ctx context.Context) (net.Conn, error) {
		if hop == nil {
			return d.tcp(ctx, way, l.agent, l.target)
		}
		return d.through(ctx, l.whose, way, hop, l.agent, l.target)
	})
}

// given is one secret for one account: of the one that is tried; others are the vault's.
type given struct {
	others Secrets
	l      leg
	secret vault.Secret
}

func (g given) Use(ctx context.Context, u vault.Use) ([]vault.Secret, error) {
	if u.Asset == g.l.asset && u.Account == g.l.account {
		return []vault.Secret{g.secret}, nil
	}
	if g.others == nil {
		return nil, errors.New("this broker has no vault")
	}
	return g.others.Use(ctx, u)
}

// Try and Tell make an Errands a vault.Machine.
func (e *Errands) Try(ctx context.Context, asset policy.AssetName, account policy.AccountName, s vault.Secret) error {
	return e.with(ctx, asset, account, s, func(context.Context, ssh.Conn) error { return nil })
}

func (e *Errands) Tell(ctx context.Context, asset policy.AssetName, account policy.AccountName, s vault.Secret, run string, lines []string) error {
	return e.with(ctx, asset, account, s, func(ctx context.Context, c ssh.Conn) error { return tell(ctx, c, run, lines) })
}

func (e *Errands) with(ctx context.Context, asset policy.AssetName, account policy.AccountName, s vault.Secret, do func(context.Context, ssh.Conn) error) error {
	l, hop, err := e.place(ctx, asset, account)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, errandTime)
	defer cancel()
	way := &errand{ctx: ctx}
	defer way.close()
	c, err := e.enter(ctx, way, "rotate", l, hop, &s, false)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(ctx, c)
}

// tell runs a command, or the shell, gives it the lines and waits for its end.
// What it prints is thrown away: it may show what it was told.
func tell(ctx context.Context, c ssh.Conn, run string, lines []string) error {
	stop := context.AfterFunc(ctx, func() { c.Close() }) // nothing below has a time limit of its own
	defer stop()
	ch, reqs, err := c.OpenChannel("session", nil)
	if err != nil {
		return fmt.Errorf("open a session: %s", short(err.Error()))
	}
	defer ch.Close()
	exit := make(chan error, 1)
	go func() {
		defer recovered()
		exit <- exited(reqs)
	}()
	var drained sync.WaitGroup
	drained.Go(func() { _, _ = io.Copy(io.Discard, ch) })
	drained.Go(func() { _, _ = io.Copy(io.Discard, ch.Stderr()) })
	defer drained.Wait()
	defer ch.Close()
	kind, payload := "shell", []byte(nil)
	if run != "" {
		kind, payload = "exec", ssh.Marshal(struct{ Command string }{run})
	}
	if ok, err := ch.SendRequest(kind, true, payload); err != nil || !ok {
		return fmt.Errorf("the machine did not start the %s", kind)
	}
	if _, err := io.WriteString(ch, strings.Join(lines, "\n")+"\n"); err != nil {
		return errors.New("the machine took not all of what it was told")
	}
	_ = ch.CloseWrite() // it may have ended already
	select {
	case err := <-exit:
		return err
	case <-ctx.Done():
		return errors.New("the machine did not end in time")
	}
}

// exited waits for the machine's last word; none at all is no failure, because
// the login that follows says whether anything was changed.
func exited(reqs <-chan *ssh.Request) error {
	var last error
	for r := range reqs {
		if r.WantReply {
			_ = r.Reply(false, nil) // the connection may be gone
		}
		switch r.Type {
		case "exit-status":
			var s struct{ Status uint32 }
			if ssh.Unmarshal(r.Payload, &s) == nil && s.Status != 0 {
				last = fmt.Errorf("the machine ended it with status %d", s.Status)
			}
		case "exit-signal":
			last = errors.New("the machine ended it by a signal")
		}
	}
	return last
}
