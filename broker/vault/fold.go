package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Row is the value of secret/<asset>/<account>: which documents log in, and what
// they were used for since the newest was made.
type Row struct {
	Asset    string     `json:"asset"`
	Account  string     `json:"account"`
	Kind     string     `json:"kind"`
	Document audit.Hash `json:"document"`
	Public   string     `json:"public,omitempty"` // fingerprint of a key
	By       string     `json:"by"`               // whoever gave it, or penstock, which rotated it
	At       time.Time  `json:"at"`
	Used     []string   `json:"used,omitempty"` // windows, and "shown to" whom, since

	Next       audit.Hash `json:"next,omitzero"` // being put in its place
	NextPublic string     `json:"next_public,omitempty"`
	Failed     string     `json:"failed,omitempty"` // why it was not rotated
	FailedAt   time.Time  `json:"failed_at,omitzero"`
	Tries      int        `json:"tries,omitempty"`
	Lost       bool       `json:"lost,omitempty"` // neither of the two logs in

	rev uint64
}

func (r Row) subject() string { return r.Asset + "/" + r.Account }
func (r Row) key() string     { return "secret/" + r.subject() }

// Is says whether a secret is sealed.
func (r Row) Is() bool { return !r.Document.IsZero() }

func read(ctx context.Context, rows state.Reader, asset, account string) (Row, error) {
	r := Row{Asset: asset, Account: account}
	row, err := rows.Get(ctx, r.key())
	if r.rev = row.Rev; isAbsent(err) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read row %s: %w", r.key(), err)
	}
	rev := r.rev
	if err := json.Unmarshal(row.Value, &r); err != nil {
		return r, fmt.Errorf("row %s: %w", row.Key, err)
	}
	r.rev = rev
	return r, nil
}

// Fold makes rows secret/<asset>/<account> of secret.* leaves, and refuses a
// step that does not follow.
func Fold() state.Fold {
	return func(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
		if leaf.Rev == 0 {
			return nil, nil
		}
		asset, account, ok := of(leaf.Body)
		if !ok {
			return nil, nil
		}
		r, err := read(ctx, rows, asset, account)
		if err != nil || leaf.Rev != r.rev+1 {
			return nil, err
		}
		if leaf.Subject != r.subject() || !policy.ValidID(asset) || account == "" {
			return nil, fmt.Errorf("%s: it is about an account on an asset", leaf.Body.Type())
		}
		if err := r.step(leaf.Body); err != nil {
			return nil, err
		}
		value, err := audit.Canonical(r)
		if err != nil {
			return nil, fmt.Errorf("row %s: %w", r.key(), err)
		}
		return []state.Change{{Row: state.Row{Key: r.key(), Rev: leaf.Rev, Value: value}}}, nil
	}
}

func of(b audit.Body) (asset, account string, ok bool) {
	switch b := b.(type) {
	case audit.SecretSealed:
		return b.Asset, b.Account, true
	case audit.SecretUsed:
		return b.Asset, b.Account, true
	case audit.SecretShown:
		return b.Asset, b.Account, true
	case audit.SecretRotating:
		return b.Asset, b.Account, true
	case audit.SecretRotated:
		return b.Asset, b.Account, true
	case audit.SecretKept:
		return b.Asset, b.Account, true
	}
	return "", "", false
}

// step is the table of what follows what.
func (r *Row) step(body audit.Body) error {
	switch b := body.(type) {
	case audit.SecretSealed:
		*r = Row{Asset: r.Asset, Account: r.Account, Kind: b.Kind, Document: b.Document, Public: b.Public, By: b.By, At: b.At, rev: r.rev}
		return nil
	case audit.SecretUsed:
		if !r.Is() {
			return r.illegal("used")
		}
		r.note(b.Window)
	case audit.SecretShown:
		if !r.Is() {
			return r.illegal("shown")
		}
		r.note("shown to " + b.By)
	case audit.SecretRotating:
		if b.From != r.Document || !r.Next.IsZero() {
			return r.illegal("rotated")
		}
		r.Next, r.NextPublic = b.To, b.Public
	case audit.SecretRotated:
		if r.Next.IsZero() || b.Document != r.Next {
			return r.illegal("put in place")
		}
		*r = Row{Asset: r.Asset, Account: r.Account, Kind: r.Kind, Document: r.Next, Public: r.NextPublic, By: penstock, At: b.At, rev: r.rev}
	case audit.SecretKept:
		if r.Next.IsZero() || b.Document != r.Document {
			return r.illegal("kept")
		}
		r.Failed, r.FailedAt, r.Lost, r.Tries = b.Why, b.At, b.Lost, r.Tries+1
		if !b.Lost {
			r.Next, r.NextPublic = audit.Hash{}, ""
		}
	}
	return nil
}

func (r *Row) note(what string) {
	if !slices.Contains(r.Used, what) && len(r.Used) < mostUsed {
		r.Used = append(r.Used, what)
	}
}

func (r *Row) illegal(how string) error {
	return &policy.Refusal{Rule: "illegal-step", Say: fmt.Sprintf("The secret of %s on %s cannot be %s now. Look again.", r.Account, r.Asset, how),
		Why: fmt.Sprintf("%s: %s; sealed %t, being rotated %t", r.key(), how, r.Is(), !r.Next.IsZero())}
}
