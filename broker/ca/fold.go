package ca

import (
	"context"
	"errors"
	"fmt"
	"time"

	"penstock/approvals/state"
	"penstock/audit"
)

// Row of one issued certificate. It leads to its leaf; nothing is decided on it.
type Row struct {
	Key     string    `json:"key"`
	CA      string    `json:"ca"`
	Person  string    `json:"person,omitempty"`
	Windows []string  `json:"windows,omitempty"`
	Before  time.Time `json:"before"`
}

func rowKey(serial string) string { return "cert/" + serial }

// Fold makes rows cert/<serial> of cert.issued leaves.
func Fold() state.Fold {
	return func(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
		ev, ok := leaf.Body.(audit.CertIssued)
		if !ok {
			return nil, nil
		}
		if ev.Serial == "" || ev.Serial != leaf.Subject || leaf.Rev != 1 {
			return nil, errors.New("cert.issued: a serial is issued once, under its own name")
		}
		value, err := audit.Canonical(Row{Key: ev.Key, CA: ev.CA, Person: ev.Person, Windows: ev.Windows, Before: ev.Before.UTC()})
		if err != nil {
			return nil, fmt.Errorf("cert.issued %s: %w", ev.Serial, err)
		}
		return []state.Change{{Row: state.Row{Key: rowKey(ev.Serial), Rev: 1, Value: value}}}, nil
	}
}
