package policy

import (
	"fmt"
	"slices"
	"time"

	"penstock/policy/source"
)

// Reviews says what of the past a second person must look at. Where the plant
// file does not say, it is everything in reviewWords, and one in ten of the rest.
type Reviews struct {
	Always []string      // of reviewWords
	OneIn  int           // of the rest, one in so many, by a draw; 0: none
	Within time.Duration // after which it is late; 0: never
}

// reviewWords are the reasons for which a session can always be reviewed.
var reviewWords = []string{"load", "device", "emergency", "refusal", "stand-in", "first-visit"}

// Retention is one row of how long recordings are kept: of all that match any
// channel of a session the longest counts.
type Retention struct {
	Name string
	When When
	Keep time.Duration
}

const (
	leastKept = 24 * time.Hour
	mostKept  = 100 * 365 * 24 * time.Hour
)

func (f *file) reviews(v source.Value) {
	r := Reviews{Always: slices.Clone(reviewWords), OneIn: 10, Within: 7 * 24 * time.Hour}
	s := v.Fields("always", "one_in", "within")
	if at := s.Get("always"); at.Here() {
		r.Always = nil
		for _, one := range f.list(at) {
			word := one.OneOf(reviewWords...)
			if word != "" && slices.Contains(r.Always, word) {
				one.Refuse(fmt.Sprintf("%s is here twice", word), "")
				continue
			}
			r.Always = append(r.Always, word)
		}
	}
	if at := s.Get("one_in"); at.Here() {
		r.OneIn = at.Int(0, 1000)
	}
	if at := s.Get("within"); at.Here() {
		r.Within = at.Duration(time.Hour, 366*24*time.Hour)
	}
	f.plant.Reviews = r
}

func (f *file) retention(v source.Value) {
	names := map[string]bool{}
	for _, item := range f.list(v) {
		s := item.Fields("name", "when", "keep")
		f.plant.Retention = append(f.plant.Retention, Retention{Name: f.once(s.Need("name"), names), When: f.when(s.Get("when")),
			Keep: s.Need("keep").Duration(leastKept, mostKept)})
	}
}

// Keeps says how long a recording is kept for what was done on an asset by a
// port with these rights, and by which row: of those that match the longest. ok
// is false where one of the rights is matched by no row: it is kept for ever. An
// asset that is not declared any more is matched by rows without a place only.
func (p *Plant) Keeps(asset AssetName, port PortName, rights Rights) (rule string, keep time.Duration, ok bool) {
	a := p.assets[asset]
	if a == nil {
		a = &Asset{Name: asset}
	}
	for right := Look; right <= Device; right <<= 1 {
		if (rights | Look).Has(right) && !p.keepsOne(a, port, right, &rule, &keep) {
			return "", 0, false
		}
	}
	return rule, keep, true
}

func (p *Plant) keepsOne(a *Asset, port PortName, right Rights, rule *string, keep *time.Duration) (ok bool) {
	for i := range p.Retention {
		r := &p.Retention[i]
		if row := (&Rule{When: r.When}); !row.When.meant(a) || !row.matches(a, port, right) {
			continue
		}
		ok = true
		if r.Keep > *keep {
			*rule, *keep = r.Name, r.Keep
		}
	}
	return ok
}
