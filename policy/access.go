package policy

import (
	"time"

	"penstock/policy/source"
)

// Access says how often who may come in, and who holds a role, is confirmed
// anew. Zero: not by the clock; OT security begins a review when it wants one.
type Access struct {
	Every  time.Duration // from one list to the next, and from the log's beginning to the first
	Within time.Duration // after which whoever nobody confirmed is kept out
}

func (f *file) access(v source.Value) {
	f.plant.Access.Within = 14 * 24 * time.Hour
	if !v.Here() {
		return
	}
	s := v.Fields("every", "within")
	a := Access{Every: s.Need("every").Duration(7*24*time.Hour, 2*366*24*time.Hour), Within: f.plant.Access.Within}
	if at := s.Get("within"); at.Here() {
		a.Within = at.Duration(24*time.Hour, 90*24*time.Hour)
	}
	if a.Every != 0 && a.Within >= a.Every {
		s.Get("within").Refuse("the next list would come before this one is due", "less than every")
	}
	f.plant.Access = a
}
