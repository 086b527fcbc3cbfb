package policy_test

import (
	"testing"

	"penstock/policy"
)

// TestKeyGone: what is asked over a key that does not count any more is refused
// at every stage after the door; a query that names no key is judged without.
func TestKeyGone(t *testing.T) {
	for name, row := range map[string]struct {
		keys []string
		key  string
		rule string
	}{
		"the present key":   {[]string{"SHA256:a"}, "SHA256:a", ""},
		"one of two":        {[]string{"SHA256:b", "SHA256:a"}, "SHA256:a", ""},
		"a replaced key":    {[]string{"SHA256:b"}, "SHA256:a", "key-gone"},
		"no key left":       {nil, "SHA256:a", "key-gone"},
		"no key was asked":  {nil, "", ""},
		"only a like start": {[]string{"SHA256:ab"}, "SHA256:a", "key-gone"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, stage := range []policy.Stage{policy.AtAdmit, policy.AtChannel, policy.AtOperation} {
				s := working()
				s.q.Stage, s.q.Key, s.f.Person.Keys = stage, row.key, row.keys
				d := parse(t, example(t)).Decide(s.f, s.q, s.now)
				if row.rule == "" && !d.Allow || row.rule != "" && d.Rule != row.rule {
					t.Errorf("stage %d: %+v", stage, d)
				}
			}
		})
	}
}
