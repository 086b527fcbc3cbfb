package ca

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

const (
	keptEnded = 24 * time.Hour // an ended certificate is told that it has ended, and when, for so long
	maxKept   = 64             // certificates of one person; the oldest go
)

// Row cert/<person> is the in certificates that one person was issued. It leads
// to its newest leaf, which vouches for it; nothing is decided on it. Out and
// host certificates are asked for by nobody: they are events, and keep no row.
type Row struct {
	Issued []audit.CertIssued `json:"issued"` // in the order of the log
}

func rowKey(p policy.PersonID) string { return "cert/" + string(p) }

// with is the row after one more was issued. What had ended for a day when this
// one was made is left out: the rule knows events only, so that a row made again
// from the log is the same.
func (r Row) with(ev audit.CertIssued) (Row, error) {
	next := make([]audit.CertIssued, 0, len(r.Issued)+1)
	for _, old := range r.Issued {
		if old.Serial == ev.Serial {
			return r, fmt.Errorf("cert.issued: serial %s was issued before", ev.Serial)
		}
		if ev.After.Before(old.Before.Add(keptEnded)) {
			next = append(next, old)
		}
	}
	next = append(next, ev)
	return Row{Issued: slices.Clip(next[max(0, len(next)-maxKept):])}, nil
}

// held reads the row of one person; where there is none yet it is empty and rev 0.
func held(ctx context.Context, rows state.Reader, p policy.PersonID) (r Row, at state.Row, err error) {
	at, err = rows.Get(ctx, rowKey(p))
	if errors.Is(err, fs.ErrNotExist) {
		return Row{}, at, nil
	}
	if err != nil {
		return Row{}, at, err
	}
	if err := json.Unmarshal(at.Value, &r); err != nil {
		return Row{}, at, fmt.Errorf("row %s: %w", at.Key, err)
	}
	return r, at, nil
}

// Fold makes rows cert/<person> of cert.issued leaves.
func Fold() state.Fold {
	return func(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
		ev, ok := leaf.Body.(audit.CertIssued)
		if !ok || ev.CA != "in" {
			return nil, nil
		}
		if ev.Serial == "" || ev.Serial != leaf.Subject || !policy.ValidID(ev.Person) {
			return nil, errors.New("cert.issued: it is about a serial, of a person")
		}
		row, _, err := held(ctx, rows, policy.PersonID(ev.Person))
		if err != nil {
			return nil, err
		}
		if row, err = row.with(ev); err != nil {
			return nil, err
		}
		value, err := audit.Canonical(row)
		if err != nil {
			return nil, fmt.Errorf("cert.issued %s: %w", ev.Serial, err)
		}
		return []state.Change{{Row: state.Row{Key: rowKey(policy.PersonID(ev.Person)), Rev: leaf.Rev, Value: value}}}, nil
	}
}
