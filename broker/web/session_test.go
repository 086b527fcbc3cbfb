package web

import (
	"testing"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
)

// TestASessionStandsWithItsPassword: a browser on a stolen laptop stays signed
// in until something of the person changes.
func TestASessionStandsWithItsPassword(t *testing.T) {
	first, second := audit.HashOf([]byte("first")), audit.HashOf([]byte("second"))
	password := func(sealed audit.Hash) []people.Key {
		return []people.Key{{Kind: people.SSH, ID: "SHA256:x"}, {Kind: people.Password, ID: "password", Sealed: sealed}}
	}
	s, _, err := newSessions(time.Now).begin(people.Actor{Person: "mia", Firm: "fjord"}, byPassword(first))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		p      people.Person
		stands bool
	}{
		"as it was":                   {people.Person{ID: "mia", Firm: "fjord", Keys: password(first)}, true},
		"another password":            {people.Person{ID: "mia", Firm: "fjord", Keys: password(second)}, false},
		"the password was taken away": {people.Person{ID: "mia", Firm: "fjord"}, false},
		"disabled":                    {people.Person{ID: "mia", Firm: "fjord", Keys: password(first), Disabled: true}, false},
		"of another firm":             {people.Person{ID: "mia", Firm: "krall", Keys: password(first)}, false},
		"somebody else":               {people.Person{ID: "olaf", Firm: "fjord", Keys: password(first)}, false},
	} {
		if got := s.stands(c.p); got != c.stands {
			t.Errorf("%s: stands %v", name, got)
		}
	}
}
