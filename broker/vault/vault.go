// Package vault keeps the secrets by which the broker logs in at targets that
// know no certificates: passwords and private keys.
//
// It keeps them as documents sealed to keys/seal.key; log and rows name a
// document by its hash. It gives one to the dial, once its use is in the log,
// and to a person of OT security who says why (Show), and to nobody else. After
// a window it replaces the secrets that were used in it, where the plant file
// says how (Run): the new one is durable before the target is changed, and the
// old one stays until the new one has logged in.
//
// It trusts the plant file for what an account is, and the log for which
// document is its secret. Rows are secret/<asset>/<account>: whoever alters one
// while the server runs makes that secret unusable, not readable.
package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/broker/seal"
	"penstock/policy"
)

// Secret is a password, or a private key in OpenSSH's form. Whoever holds one
// writes it nowhere.
type Secret []byte

// Use is one use of an account's secret: in a channel of a vendor's session, or
// without one on an errand of the broker's own.
type Use struct {
	Asset   policy.AssetName
	Account policy.AccountName
	Window  policy.WindowID
	Session policy.SessionID
	Channel int
	Errand  string // "rotate" or "check"; empty in a session
}

// Parts of a Vault, in the order they are built.
type Parts struct {
	Plant   func() *policy.Plant
	Roster  Roster
	Journal *state.Journal
	Rows    state.Store
	Log     Log
	Box     *seal.Box
	// Over says whether a window will never be live again.
	Over func(context.Context, policy.WindowID) (bool, error)
	// Machine changes secrets on targets; nil: nothing is rotated.
	Machine Machine
	Now     func() time.Time // wall clock; nil: time.Now
}

// Vault is where secrets are set, used, shown and rotated. Errors of every verb:
// *policy.Refusal, state.ErrConflict, else a fault. Safe for concurrent use.
type Vault struct {
	Parts
	rows     state.Reader // checked against the log
	poke     chan struct{}
	rotating sync.Mutex // one rotation at a time; held across I/O, and nothing that takes access needs it
}

// New does no I/O.
func New(p Parts) *Vault {
	if p.Now == nil {
		p.Now = time.Now
	}
	return &Vault{Parts: p, rows: p.Journal.Checked(p.Rows), poke: make(chan struct{}, 1)}
}

// SetMachine gives what changes secrets on targets: it is built later. Before Run.
func (v *Vault) SetMachine(m Machine) { v.Machine = m }

// sealed is what a document holds: the secret with its place, so that one
// account's document in another's row opens nothing.
type sealed struct {
	Asset   string `json:"asset"`
	Account string `json:"account"`
	Kind    string `json:"kind"`
	Secret  []byte `json:"secret"`
}

// Use gives the secrets of an account that may log in now, the newest first: two
// while one is being rotated. That they are used is durable on return.
func (v *Vault) Use(ctx context.Context, u Use) ([]Secret, error) {
	row, err := v.row(ctx, u.Asset, u.Account)
	if err != nil {
		return nil, err
	}
	if a, ok := v.Plant().LoginOf(u.Asset, u.Account); !ok || string(a.Login) != row.Kind {
		return nil, fmt.Errorf("the plant file does not say login: %s for %s on %s", row.Kind, u.Account, u.Asset)
	}
	if err := v.used(ctx, row, u); err != nil {
		return nil, fmt.Errorf("write that the secret is used: %w", err)
	}
	var all []Secret
	for _, h := range []audit.Hash{row.Next, row.Document} {
		if h.IsZero() {
			continue
		}
		s, err := v.open(ctx, row, h)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// used writes secret.used: with a row the first time in a window, so that what
// is rotated after it survives a restart.
func (v *Vault) used(ctx context.Context, row Row, u Use) error {
	ev := audit.Event{Subject: row.subject(), Actor: penstock, Body: audit.SecretUsed{Asset: row.Asset, Account: row.Account,
		Window: string(u.Window), Session: string(u.Session), Channel: u.Channel, Errand: u.Errand}}
	for try := 0; ; try++ {
		if u.Window == "" || slices.Contains(row.Used, string(u.Window)) || len(row.Used) >= mostUsed {
			_, err := v.Log.Append(ctx, ev)
			return err
		}
		ev.Rev = row.rev + 1
		_, err := v.Journal.Commit(ctx, row.key(), ev)
		if !errors.Is(err, state.ErrConflict) || try == mostTries {
			return err
		}
		if row, err = v.row(ctx, u.Asset, u.Account); err != nil {
			return err
		}
		ev.Rev = 0
	}
}

func (v *Vault) open(ctx context.Context, row Row, h audit.Hash) (Secret, error) {
	b, err := v.Box.Get(ctx, h)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	var s sealed
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("sealed document %s is no secret", h) // the decoder's words could hold some of it
	}
	if s.Asset != row.Asset || s.Account != row.Account || s.Kind != row.Kind {
		clear(s.Secret)
		return nil, fmt.Errorf("sealed document %s is for another account", h)
	}
	return s.Secret, nil
}

func (v *Vault) seal(ctx context.Context, row Row, secret Secret) (audit.Hash, error) {
	b, err := json.Marshal(sealed{row.Asset, row.Account, row.Kind, secret})
	if err != nil {
		return audit.Hash{}, errors.New("a secret cannot be written down")
	}
	defer clear(b)
	h, err := v.Box.Put(ctx, b)
	if err != nil {
		return h, fmt.Errorf("seal the secret: %w", err)
	}
	return h, nil
}

// row reads an account's row; a *policy.Refusal where no secret is kept.
func (v *Vault) row(ctx context.Context, asset policy.AssetName, account policy.AccountName) (Row, error) {
	row, err := read(ctx, v.rows, string(asset), string(account))
	if err != nil {
		return row, err
	}
	if row.Document.IsZero() {
		return row, &policy.Refusal{Rule: "no-secret", Say: fmt.Sprintf("No secret is sealed for %s on %s. OT security gives it: penstock target secret set %s %s.", account, asset, asset, account)}
	}
	return row, nil
}

// Known is what may be told of one account's secret: all but itself.
type Known struct {
	Row
	Wanted policy.LoginBy // by the plant file
	Rotate bool           // the plant file says how
	Jump   bool           // it is for reaching others
}

// Secrets are all accounts of the plant file that log in with a secret, sealed
// or not, in the file's order.
func (v *Vault) Secrets(ctx context.Context) ([]Known, error) {
	plant := v.Plant()
	var all []Known
	for i := range plant.Assets {
		port, _ := plant.Assets[i].Port("ssh")
		for n, a := range append(slices.Clone(port.Accounts), port.Jumps...) {
			if !a.Login.Sealed() {
				continue
			}
			row, err := read(ctx, v.rows, string(plant.Assets[i].Name), string(a.Name))
			if err != nil {
				return nil, err
			}
			all = append(all, Known{Row: row, Wanted: a.Login, Rotate: a.Rotate.Is(), Jump: n >= len(port.Accounts)})
		}
	}
	return all, nil
}

const (
	penstock  = "penstock"
	mostTries = 8
	mostUsed  = 64 // windows since a secret was made
)

func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

var _ Roster = (*people.Roster)(nil)
