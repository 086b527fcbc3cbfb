package people

import (
	"context"
	"iter"
	"testing"

	"penstock/approvals/state"
	"penstock/policy"
)

// meanwhile does something else once, after the next list of people was read.
type meanwhile struct {
	state.Reader
	do func()
}

func (m *meanwhile) List(ctx context.Context, prefix string) iter.Seq2[state.Row, error] {
	rows := m.Reader.List(ctx, prefix)
	return func(yield func(state.Row, error) bool) {
		for row, err := range rows {
			if !yield(row, err) {
				return
			}
		}
		if do := m.do; do != nil {
			m.do = nil
			do()
		}
	}
}

// Two holders of the security role disable each other, or take the role from
// each other, at one moment: one stays, or nobody could ever invite again.
func TestTheLastSecurityStaysWhenTwoTakeTheRoleAtOnce(t *testing.T) {
	docs := documents(t)
	for name, take := range map[string]func(h *house, r *Roster, by, who policy.PersonID) error{
		"disable": func(h *house, r *Roster, by, who policy.PersonID) error {
			return r.Disable(ctx, h.actor(by), who, "x")
		},
		"change": func(h *house, r *Roster, by, who policy.PersonID) error {
			return r.Change(ctx, h.actor(by), who, "Some One", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, docs)
			other := *h.r
			m := &meanwhile{h.r.rows, func() { h.ok(take(h, &other, "sven", "nora")) }}
			h.r.rows = m
			if err := take(h, h.r, "nora", "sven"); err == nil {
				t.Error("both were done")
			}
			if m.do != nil {
				t.Fatal("nothing happened meanwhile")
			}
			rest, err := h.r.security(ctx)
			h.ok(err)
			if len(rest) != 1 {
				t.Errorf("%d holders of the security role are left", len(rest))
			}
			h.rebuilt()
		})
	}
}
