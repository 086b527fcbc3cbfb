package evidence

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// LiftTime is how long the two words by which an island is lifted may be apart.
const LiftTime = 30 * time.Minute

// Lift is the exact text that two people answer when an island is to be lifted:
// canonical JSON, put as a document, named by hash. Rev is the revision that the
// block's row had, so that no text is ever answered for another lifting.
type Lift struct {
	V     int        `json:"v"` // 1
	Block string     `json:"block"`
	Zone  string     `json:"zone,omitempty"` // empty: all that is left of it
	Rev   uint64     `json:"rev"`
	Plant audit.Hash `json:"plant"` // whose rules say what a yes rests on
}

// ParseLift reads a lifting's text, as strictly as a request's.
func ParseLift(b []byte) (Lift, error) {
	var l Lift
	if err := parse("lifting", b, &l); err != nil {
		return Lift{}, err
	}
	err := errors.Join(isOne(l.V), counter("block", "B-", l.Block), between("rev", int(min(l.Rev, 1<<30)), 1, 1<<20), set("plant", !l.Plant.IsZero()))
	if l.Zone != "" {
		err = errors.Join(err, id("zone", l.Zone))
	}
	if err != nil {
		return Lift{}, fmt.Errorf("lifting: %w", err)
	}
	return l, nil
}

// CheckLift is empty if the answers let this island be lifted: a yes of two
// different people of the plant with a shift, zone owner or OT security role,
// within LiftTime of each other, by keys older than the answers and proved as
// strongly as a change of the plant file would be (ChangeProof). keys nil means
// what it means for Check.
func CheckLift(plant *policy.Plant, text []byte, answers []Given, keys []Key) (findings []string) {
	l, err := ParseLift(text)
	if err != nil {
		return []string{err.Error()}
	}
	if plant == nil || audit.HashOf(plant.Document()) != l.Plant {
		return []string{fmt.Sprintf("lifting %s: the plant file is not the one that it names, %s", l.Block, l.Plant)}
	}
	var first, last time.Time
	for _, g := range answers {
		a, err := ParseAnswer(g.Body)
		if err != nil {
			continue // a finding of yeses
		}
		if first.IsZero() || a.At.Before(first) {
			first = a.At
		}
		if a.At.After(last) {
			last = a.At
		}
	}
	// To the rules for answers a lifting is a request that nobody works in.
	j := &judge{request: Request{Request: l.Block, To: first.Add(2 * LiftTime)}, hash: audit.HashOf(text), origin: plant.Site.Origin,
		quorum: policy.Quorum{Proof: plant.ChangeProof()}}
	var who []string
	for _, y := range j.yeses(answers, keys) {
		takes := slices.ContainsFunc(y.roles, plant.Takes)
		j.must(takes, "%s holds no shift, zone owner or OT security role", y.Person)
		j.must(y.Limits.none(), "the answer of %s has limits, and an island is lifted or not", y.Person)
		if takes && !slices.Contains(who, y.Person) {
			who = append(who, y.Person)
		}
	}
	j.must(len(who) >= 2, "%s is lifted by %d of the two people that it takes", l.Block, len(who))
	j.must(last.Sub(first) <= LiftTime, "the two words are %s apart, more than %s", last.Sub(first), LiftTime)
	return j.findings
}
