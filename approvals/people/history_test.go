package people

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/approvals/evidence"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Any history over the verbs, by anybody, keeps what must always hold.
func TestHistories(t *testing.T) {
	docs := documents(t)
	rapid.Check(t, func(t *rapid.T) {
		h := newHouse(t, docs)
		ids := []policy.PersonID{"mia", "olaf", "sven", "nora", "ann", "kim", "tom"}
		var codes []Invitation
		spent := map[string]bool{}
		retired := map[string]bool{} // keys that counted once and do not any more
		counted := map[string]policy.PersonID{}

		person := func(label string) policy.PersonID { return rapid.SampledFrom(ids).Draw(t, label) }
		actor := func() (Actor, bool) {
			id := person("by")
			if _, err := h.r.Person(ctx, id); err != nil {
				return Actor{}, false
			}
			a := h.actor(id)
			if rapid.IntRange(0, 4).Draw(t, "proof") == 0 {
				a = h.overKey(id)
			}
			return a, true
		}
		roles := func() []policy.Role {
			return rapid.SampledFrom([][]policy.Role{nil, nil, {"shift"}, {"ot-security"}}).Draw(t, "roles")
		}
		verbs := map[string]func(Actor) error{
			"invite": func(a Actor) error {
				inv, err := h.r.Invite(ctx, a, Invitation{
					Person: person("who"), Name: rapid.SampledFrom([]string{"", "Some One"}).Draw(t, "name"), Roles: roles(),
					Firm: rapid.SampledFrom([]policy.FirmID{"", "fjord", "krall", "zett"}).Draw(t, "firm"),
				})
				if err == nil {
					codes = append(codes, inv)
				}
				return err
			},
			"join": func(Actor) error {
				if len(codes) == 0 {
					return nil
				}
				inv := rapid.SampledFrom(codes).Draw(t, "code")
				k := key(fmt.Sprint("key", rapid.IntRange(0, 6).Draw(t, "key")))
				p, err := h.r.Join(ctx, inv.Code, k)
				if err != nil {
					return err
				}
				if spent[inv.Code] || p.ID != inv.Person || !h.now.Before(inv.Until) {
					t.Fatalf("a code of %s was good for %s, spent %v", inv.Person, p.ID, spent[inv.Code])
				}
				spent[inv.Code] = true
				return nil
			},
			"confirm": func(a Actor) error {
				who := person("who")
				p, _ := h.r.Person(ctx, who)
				for _, k := range p.Keys {
					if k.Pending {
						err := h.r.Confirm(ctx, a, who, k.ID)
						if err == nil && (a.Person == who || a.Step == 0 || !a.Plant) {
							t.Fatalf("%+v confirmed %s", a, who)
						}
						if f, ferr := h.r.Firm(ctx, p.Firm); err == nil && ferr == nil && f.Plant && k.By == a.Person {
							t.Fatalf("%s invited and confirmed %s of the plant", a.Person, who)
						}
						return err
					}
				}
				return nil
			},
			"disable": func(a Actor) error { return h.r.Disable(ctx, a, person("who"), "because") },
			"change": func(a Actor) error {
				who := person("who")
				err := h.r.Change(ctx, a, who, "Some One", roles())
				if err == nil && a.Person == who {
					t.Fatalf("%s changed themself", who)
				}
				return err
			},
			"enroll": func(a Actor) error {
				return h.r.Enroll(ctx, a, Key{Kind: rapid.SampledFrom([]KeyKind{Password, TOTP}).Draw(t, "kind"), Sealed: audit.HashOf([]byte(h.now.String()))})
			},
			"remove": func(a Actor) error {
				who := person("who")
				p, _ := h.r.Person(ctx, who)
				if len(p.Keys) == 0 {
					return nil
				}
				return h.r.RemoveKey(ctx, a, who, rapid.SampledFrom(p.Keys).Draw(t, "key").ID)
			},
			"firm": func(a Actor) error {
				return h.r.SetFirm(ctx, a, Firm{ID: "zett", Name: "Zett", Sponsor: person("sponsor")})
			},
			"time": func(Actor) error {
				h.now = h.now.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "hours")) * time.Hour)
				return nil
			},
			"restart": func(Actor) error {
				h.log = h.log.Restart()
				if rapid.Bool().Draw(t, "lost") {
					h.store = state.NewMemory()
				}
				h.wire()
				_, err := h.j.CatchUp(ctx)
				return err
			},
		}
		names := slices.Sorted(maps.Keys(verbs))
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			a, ok := actor()
			if !ok {
				continue
			}
			size := h.log.Size()
			name := rapid.SampledFrom(names).Draw(t, "verb")
			err := verbs[name](a)
			var refusal *policy.Refusal
			if err != nil && (!errors.As(err, &refusal) || h.log.Size() != size) {
				t.Fatalf("%s: %v, %d leaves written", name, err, h.log.Size()-size)
			}
			h.invariants(counted, retired)
		}
		h.rebuilt()
		h.verified()
		if told, err := h.j.Check(ctx); err != nil || len(told) > 0 {
			t.Fatalf("check: %q, %v", told, err)
		}
	})
}

// verified asks the verifier's own walk: a history of the verbs is no fault.
func (h *house) verified() {
	h.t.Helper()
	walk := evidence.NewWalk(h.docs)
	for leaf, err := range h.log.Upto(ctx, 0) {
		h.ok(err)
		if wrong := walk.Leaf(ctx, leaf); len(wrong) > 0 {
			h.t.Fatalf("the verifier finds: %q", wrong)
		}
	}
	if _, wrong := walk.Done(ctx); len(wrong) > 0 {
		h.t.Fatalf("the verifier finds: %q", wrong)
	}
}

// invariants are recomputed from what the roster shows.
func (h *house) invariants(counted map[string]policy.PersonID, retired map[string]bool) {
	h.t.Helper()
	all, err := h.r.People(ctx)
	h.ok(err)
	owner := map[string]policy.PersonID{}
	now := map[string]bool{}
	security := 0
	for _, p := range all {
		kinds := map[string]int{}
		for _, k := range p.Keys {
			kinds[fmt.Sprint(k.Kind, k.Pending)]++
			if k.Kind != SSH {
				continue
			}
			if other, twice := owner[k.ID]; twice {
				h.t.Fatalf("key %s is %s's and %s's", k.ID, other, p.ID)
			}
			owner[k.ID] = p.ID
			found := h.byKey(k.Public)
			if counts := !k.Pending && !p.Disabled; counts && found != p.ID || !counts && found != "" {
				h.t.Fatalf("key %s of %+v is %q's", k.ID, p, found)
			}
			if found != "" {
				now[k.Public] = true
			}
		}
		for kind, n := range kinds {
			if n > 1 {
				h.t.Fatalf("%s has %d keys of kind %s: %+v", p.ID, n, kind, p.Keys)
			}
		}
		f, err := h.r.Firm(ctx, p.Firm)
		h.ok(err)
		if !f.Plant && len(p.Roles) > 0 {
			h.t.Fatalf("%s of a vendor has roles %v", p.ID, p.Roles)
		}
		if !p.Disabled && f.Plant && p.Has("ot-security") {
			security++
		}
	}
	if security == 0 {
		h.t.Fatalf("nobody has the security role")
	}
	for k, who := range counted {
		if !now[k] {
			retired[k] = true
		}
		if got := h.byKey(k); now[k] && got != who {
			h.t.Fatalf("a key of %s is %s's", who, got)
		}
	}
	for k := range now {
		if retired[k] {
			h.t.Fatalf("a key that was taken away came back: %s", k)
		}
		counted[k] = h.byKey(k)
	}
}
