package people

import (
	"errors"
	"testing"
	"time"

	"penstock/policy"
)

// A backup is a copy of everything: only security, with a fresh code.
func TestWhoTakesABackup(t *testing.T) {
	for story, c := range map[string]struct {
		by     policy.PersonID
		change func(*Actor)
		rule   string
	}{
		"security with a code":       {"sven", func(*Actor) {}, ""},
		"security without a code":    {"sven", func(a *Actor) { a.Step = 0 }, "code-needed"},
		"security with an old code":  {"sven", func(a *Actor) { a.At = a.At.Add(-6 * time.Minute) }, "code-needed"},
		"the shift":                  {"mia", func(*Actor) {}, "not-security"},
		"a sponsor":                  {"olaf", func(*Actor) {}, "not-security"},
		"a vendor":                   {"ann", func(*Actor) {}, "plant-people-only"},
		"a vendor who says security": {"ann", func(a *Actor) { a.Plant, a.Roles = true, []policy.Role{"ot-security"} }, "plant-people-only"},
		"a shift that says security": {"mia", func(a *Actor) { a.Roles = []policy.Role{"ot-security"} }, "not-security"},
		"nobody":                     {"sven", func(a *Actor) { a.Person = "nope" }, "plant-people-only"},
	} {
		t.Run(story, func(t *testing.T) {
			h := newHouse(t, documents(t))
			a := h.actor(c.by)
			c.change(&a)
			err := h.r.MayBackUp(ctx, a)
			var no *policy.Refusal
			if got := errors.As(err, &no); got != (c.rule != "") || got && no.Rule != c.rule || !got && err != nil {
				t.Errorf("said %v, want rule %q", err, c.rule)
			}
		})
	}
}
