package people

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"

	"penstock/approvals/state"
)

// Somebody edits rows while the server runs: they let nobody in, give nobody a
// role, and bring nobody back.
func TestEditedRowsAreNotBelieved(t *testing.T) {
	for name, c := range map[string]struct {
		row  string
		edit func(state.Row) state.Row
	}{
		"a role for the shift": {"person/mia", func(r state.Row) state.Row {
			r.Value = bytes.Replace(r.Value, []byte(`"shift"`), []byte(`"ot-security"`), 1)
			return r
		}},
		"another key": {"person/mia", func(r state.Row) state.Row {
			r.Value = bytes.ReplaceAll(r.Value, []byte(key("mia")), []byte(key("mal")))
			return r
		}},
		"somebody taken": {"person/mia", func(r state.Row) state.Row { r.Value = nil; return r }},
		"somebody wiped": {"person/mia", func(r state.Row) state.Row { r.Rev = 0; return r }},
		"somebody comes back": {"person/ann", func(r state.Row) state.Row {
			r.Value = bytes.Replace(r.Value, []byte(`"disabled":true,`), nil, 1)
			return r
		}},
		"a key goes to another": {"key/" + fingerprint(key("mia")), func(r state.Row) state.Row { r.Value = []byte(`{"person":"sven"}`); return r }},
		"a key of nobody":       {"key/" + fingerprint(key("mal")), func(r state.Row) state.Row { return state.Row{Key: r.Key, Rev: 1, Value: []byte(`{"person":"mia"}`)} }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, documents(t))
			h.ok(h.r.Disable(ctx, h.actor("olaf"), "ann", "left"))
			mia := h.actor("mia")
			if told, err := h.j.Check(ctx); err != nil || len(told) > 0 {
				t.Fatalf("%q, %v", told, err)
			}
			h.ok(h.r.SetFirm(ctx, h.actor("sven"), Firm{ID: "zett", Name: "Zett", Sponsor: "olaf"})) // rows go on changing
			before, err := h.store.Get(ctx, c.row)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			before.Key = c.row
			edited := c.edit(before)
			if edited.Equal(before) {
				t.Fatal("nothing was edited")
			}
			h.ok(h.store.Mend(ctx, "a", 3, []state.Row{edited}))

			for _, k := range []string{"mia", "mal", "ann"} {
				if p, err := h.r.ByKey(ctx, key(k)); err == nil && (k != "mia" || p.ID != "mia" || !p.Has("shift") || p.Has("ot-security")) {
					t.Errorf("the key of %s lets %+v in", k, p)
				}
			}
			if _, err := h.r.Invite(ctx, mia, Invitation{Person: "kim", Firm: "krall", Name: "Kim Roth"}); err == nil {
				t.Error("the shift invites")
			}
			if facts, err := h.r.Facts(ctx, "ann"); err == nil && !facts.Disabled {
				t.Error("ann came back")
			}
			if _, err := h.r.People(ctx); (err == nil) != (c.row[:4] == "key/") {
				t.Errorf("the list of people: %v", err)
			}
			if told, err := h.j.Check(ctx); err != nil || len(told) != 1 {
				t.Errorf("told %q, %v", told, err)
			}
			if h.byKey(key("mia")) != "mia" {
				t.Error("made again, and mia is kept out")
			}
			h.rebuilt()
		})
	}
}
