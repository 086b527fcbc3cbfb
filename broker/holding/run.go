package holding

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/broker"
	"penstock/broker/sftp"
	"penstock/policy"
)

const (
	lookEvery = 2 * time.Second  // for what people have let through
	tryEvery  = 15 * time.Second // after something failed: the scanner, the machine, its window paused
	works     = 4                // files at once
	oneWork   = 30 * time.Minute // for one file at the scanner, or on its way
	lookLimit = 10 * time.Minute
)

// Run brings files on until ctx ends: it looks, delivers, lets expire, deletes.
// After a start it goes on where the log says that it was.
func (h *Holding) Run(ctx context.Context) error {
	defer h.root.Close()
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, works)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		h.askScanner(ctx, all.Go)
		h.forgetOver(ctx)
		files, err := h.sweep(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			slog.Error("what is held cannot be listed or swept; looking again", "err", err)
		}
		if err == nil {
			h.settled(files)
		}
		for _, f := range files {
			if !h.begin(f) {
				continue
			}
			all.Go(func() {
				defer h.done(f.ID)
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
					return
				}
				defer func() { <-slots }()
				h.work(ctx, f)
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-h.poke:
		case <-tick.C:
		}
	}
}

// begin is false where somebody is at it, or it failed a moment ago, or it waits for a person.
func (h *Holding) begin(f approvals.File) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.under[f.ID] || h.Now().Sub(h.tried[f.ID].at) < tryEvery {
		return false
	}
	h.under[f.ID] = true
	return true
}

func (h *Holding) done(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.under, id)
}

// failure is what kept a file when somebody was at it last.
type failure struct {
	at  time.Time
	why string
}

// Trouble says what keeps a file that waits; empty: nothing that is known here.
func (h *Holding) Trouble(id string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tried[id].why
}

// settled forgets what failed of files that are waited for no more.
func (h *Holding) settled(waiting []approvals.File) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.tried, func(id string, _ failure) bool {
		return !slices.ContainsFunc(waiting, func(f approvals.File) bool { return f.ID == id })
	})
	maps.DeleteFunc(h.stopped, func(id string, _ string) bool { // nobody holds it any more, and its row says that it is over
		return !h.taken[id] && !h.under[id] && !slices.ContainsFunc(waiting, func(f approvals.File) bool { return f.ID == id })
	})
	maps.DeleteFunc(h.said, func(id string, _ bool) bool {
		return !slices.ContainsFunc(waiting, func(f approvals.File) bool { return f.ID == id })
	})
}

// tellOnce says to the person, where they are in, that what they asked for was let out.
func (h *Holding) tellOnce(f approvals.File) {
	h.mu.Lock()
	told := h.said[f.ID]
	h.said[f.ID] = true
	h.mu.Unlock()
	if s := h.Broker.With(f.Person, f.Window); s != nil && !told {
		s.Say(fmt.Sprintf("%s is let out: %s. Get it again, and you have it.", f.ID, f.Path))
	}
}

// well: it took a step, and nothing keeps it any more.
func (h *Holding) well(f approvals.File) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tried, f.ID)
}

// later notes that something failed; it is tried again.
func (h *Holding) later(f approvals.File, what string, err error) {
	h.mu.Lock()
	h.tried[f.ID] = failure{h.Now(), plain(fmt.Sprintf("%s: %v", what, err))}
	h.mu.Unlock()
	slog.Warn("a file that waits", "file", f.ID, "what", what, "err", err)
}

// work is the next step of one file.
func (h *Holding) work(ctx context.Context, f approvals.File) {
	defer func() {
		if p := recover(); p != nil {
			h.later(f, "panic", fmt.Errorf("%v", p))
		}
	}()
	over, err := h.Desk.Over(ctx, f.Window)
	switch {
	case err != nil:
		h.later(f, "its window cannot be read", err)
	case over:
		h.expire(ctx, f, "its window is over")
	case h.Now().Sub(f.At) > h.Limits.Age:
		h.expire(ctx, f, "nobody let it through in time")
	case f.State == approvals.FileHeld:
		h.look(ctx, f)
	case f.State == approvals.FileLooked && !f.Out:
		if _, named, err := h.Desk.ReleaseNamed(ctx, f.ID); err != nil {
			h.later(f, "whether the request names it", err)
		} else if named {
			h.Poke()
		}
	case f.Out && f.State == approvals.FileReleased:
		h.tellOnce(f)
	case !f.Out: // what is taken out waits for whoever asks for it
		h.deliver(ctx, f)
	}
}

func (h *Holding) expire(ctx context.Context, f approvals.File, why string) {
	if _, err := h.Desk.ExpireFile(ctx, f.ID, why); err != nil {
		h.later(f, "it could not expire", err)
	}
	h.Poke() // its bytes are deleted
}

// look asks type and scanner. Without an answer of the scanner it stays held.
func (h *Holding) look(ctx context.Context, f approvals.File) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	file, err := h.same(f)
	if errors.Is(err, fs.ErrNotExist) {
		h.expire(ctx, f, "its bytes are gone")
		return
	}
	if err != nil {
		h.later(f, "what is held", err)
		return
	}
	defer file.Close()
	kind := kindOf(file, f.Bytes)
	verdict := Verdict{Says: approvals.ScanNone}
	if h.Scanner != nil {
		if verdict, err = h.Scanner.Scan(ctx, file, f.Bytes); err != nil {
			h.later(f, "the scanner has not spoken, so it stays held", err)
			return
		}
	}
	if f, err = h.Desk.LookedAt(ctx, f.ID, kind, verdict.Says, verdict.Found, verdict.Database); err != nil {
		h.later(f, "what was found", err)
		return
	}
	h.well(f)
	h.Poke()
}

// deliver brings a file to its machine. What fails is tried again while the window runs.
func (h *Holding) deliver(ctx context.Context, f approvals.File) {
	ctx, cancel := context.WithTimeout(ctx, oneWork)
	defer cancel()
	file, err := h.same(f)
	if errors.Is(err, fs.ErrNotExist) {
		h.expire(ctx, f, "its bytes are gone")
		return
	}
	if err == nil {
		defer file.Close()
		err = h.bring(ctx, f, file)
	}
	switch {
	case errors.Is(err, errAnother): // whose end looks again
	case err != nil:
		h.later(f, "it could not be delivered; trying again", err)
	default:
		h.Poke()
	}
}

// errAnother is no failure: Penstock's own sessions go to a machine one after the
// other, since many machines take one writer at a time.
var errAnother = errors.New("another file is on its way to this machine")

// errand is false where Penstock is on its way to this machine already.
func (h *Holding) errand(a policy.AssetName) (over func(), ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.errands[a] {
		return nil, false
	}
	h.errands[a] = true
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.errands, a)
	}, true
}

// bring opens a channel of the vendor's own session, or of one that Penstock
// opens in their name and for nothing else.
func (h *Holding) bring(ctx context.Context, f approvals.File, file *os.File) (err error) {
	s := h.Broker.With(f.Person, f.Window)
	if s == nil {
		over, ok := h.errand(f.Asset)
		if !ok {
			return errAnother
		}
		defer over()
		a, err := arrival(f)
		if err != nil {
			return fmt.Errorf("whence %s came: %w", f.ID, err)
		}
		if s, err = h.Broker.Admit(ctx, a, silent{}); err != nil {
			return fmt.Errorf("open a session: %w", err)
		}
		defer func() { s.End(errDelivered); <-s.Done() }()
	}
	gate, err := s.Open(ctx, policy.Query{Asset: f.Asset, Port: "sftp", Account: f.Account, Kind: "sftp"})
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	defer func() { gate.Close("", err) }()
	if gate.Window() != f.Window {
		return fmt.Errorf("the channel is in %s, and the file is of %s", gate.Window(), f.Window)
	}
	if d := gate.AskFor(ctx, "sftp", policy.Load|policy.Look, map[string]any{"operation": "deliver", "file": f.ID, "path": f.Path}); !d.Allow {
		return d.Refusal()
	}
	machine, closes, err := h.reach(ctx, gate, f.Account)
	if err != nil {
		return err
	}
	defer closes()
	again := f.State == approvals.FileDelivering
	defer h.unnamed(f.ID) // after its row says that it is there
	if err := h.goes(f.ID, false); err != nil {
		return err
	}
	if f, err = h.Desk.DeliverFile(ctx, f.ID, gate.Session(), gate.Number()); err != nil {
		return fmt.Errorf("say that it goes: %w", err)
	}
	there, err := sftp.Deliver(ctx, gate, machine, sftp.Delivery{File: f.ID, Path: f.Path, Bytes: f.Bytes, SHA256: f.SHA256, From: file, Again: again, Goes: func(naming bool) error { return h.goes(f.ID, naming) }})
	if no, ok := errors.AsType[*policy.Refusal](err); ok && no.Rule == "file-refused" {
		s.Say(no.Say)
	}
	if err != nil {
		return err
	}
	why := ""
	if there {
		why = "it was there already, whole: the delivery before had come to its end"
	}
	if _, err := h.Desk.DeliveredFile(ctx, f.ID, gate.Session(), gate.Number(), why); err != nil {
		return fmt.Errorf("say that it is there: %w", err)
	}
	s.Say(fmt.Sprintf("%s is on the machine now: %s.", f.ID, f.Path))
	return nil
}

var errDelivered = &policy.Refusal{Rule: "delivered", Say: "The file was delivered.", Why: "the delivery is over"}

// reach starts the machine's sftp server; all of it ends with the channel.
func (h *Holding) reach(ctx context.Context, gate *broker.Channel, account policy.AccountName) (ssh.Channel, func(), error) {
	c, err := h.Dial(ctx, gate, account)
	if err != nil {
		return nil, nil, fmt.Errorf("reach %s: %w", gate.Query().Asset, err)
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	closes := func() { stop(); c.Close() }
	machine, reqs, err := c.OpenChannel("session", nil)
	if err != nil {
		closes()
		return nil, nil, fmt.Errorf("open a session on %s: %w", gate.Query().Asset, err)
	}
	go ssh.DiscardRequests(reqs)
	go func() { _, _ = io.Copy(io.Discard, machine.Stderr()) }()
	if err := gate.Pass(ctx); err != nil {
		closes()
		return nil, nil, err
	}
	if ok, err := machine.SendRequest("subsystem", true, ssh.Marshal(struct{ Name string }{"sftp"})); err != nil || !ok {
		closes()
		return nil, nil, errors.Join(fmt.Errorf("%s has no sftp", gate.Query().Asset), err)
	}
	return machine, closes, nil
}
