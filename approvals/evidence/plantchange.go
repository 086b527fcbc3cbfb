package evidence

import (
	"errors"
	"fmt"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// MaxChangeTime is how long a change of the plant file may wait for its answers.
const MaxChangeTime = 31 * 24 * time.Hour

// PlantChange is the exact text that is answered when the plant file shall
// change: canonical JSON, put as a document, named by hash. From and To are the
// two plant files, as documents.
type PlantChange struct {
	V      int        `json:"v"` // 1
	Change string     `json:"change"`
	By     string     `json:"by"`
	From   audit.Hash `json:"from"`
	To     audit.Hash `json:"to"`
	Why    string     `json:"why"`
	At     time.Time  `json:"at"`
	Until  time.Time  `json:"until"` // decided by then, or never
	Nonce  string     `json:"nonce"` // 32 random bytes, base64url without padding
}

// ParsePlantChange reads a change's document, as strictly as a request's.
func ParsePlantChange(b []byte) (PlantChange, error) {
	var c PlantChange
	if err := parse("plant change", b, &c); err != nil {
		return PlantChange{}, err
	}
	if err := c.check(); err != nil {
		return PlantChange{}, fmt.Errorf("plant change: %w", err)
	}
	return c, nil
}

func (c PlantChange) check() error {
	err := errors.Join(
		isOne(c.V),
		counter("change", "C-", c.Change),
		id("by", c.By),
		set("from", !c.From.IsZero()),
		set("to", !c.To.IsZero()),
		filled("why", c.Why, MaxReason),
		moment("at", c.At),
		moment("until", c.Until),
		nonce(c.Nonce),
	)
	switch {
	case c.From == c.To:
		err = errors.Join(err, errors.New("to: is the plant file that is to be changed"))
	case !c.Until.After(c.At) || c.Until.Sub(c.At) > MaxChangeTime:
		err = errors.Join(err, fmt.Errorf("until: is not within %d days after at", int(MaxChangeTime.Hours()/24)))
	}
	return err
}

// CheckPlantChange is empty if the answers suffice for this change of the plant
// file: everybody who answers for what it touches said yes (policy.MustAgree,
// recomputed from the two files), at least two different people of the plant,
// in time, with keys older than their answers, and proved as strongly as the
// file that is changed asks for (ChangeProof). Who proposed it may be one of
// them. keys nil means what it means for Check.
func CheckPlantChange(from, to *policy.Plant, change []byte, answers []Given, keys []Key) (findings []string) {
	c, err := ParsePlantChange(change)
	if err != nil {
		return []string{err.Error()}
	}
	for _, file := range []struct {
		name  string
		plant *policy.Plant
		want  audit.Hash
	}{{"from", from, c.From}, {"to", to, c.To}} {
		if file.plant == nil || audit.HashOf(file.plant.Document()) != file.want {
			return []string{fmt.Sprintf("change %s: the plant file is not the one that it names as %s, %s", c.Change, file.name, file.want)}
		}
	}
	// To the rules for answers a change is a request that nobody works in.
	j := &judge{request: Request{Request: c.Change, To: c.Until, Nonce: c.Nonce}, hash: audit.HashOf(change), origin: from.Site.Origin,
		quorum: policy.Quorum{Needs: policy.MustAgree(from, to), Proof: from.ChangeProof()}}
	for _, g := range answers {
		a, err := ParseAnswer(g.Body)
		if err != nil {
			continue // a finding of yeses
		}
		j.about = at(g)
		j.must(a.Limits.none(), "it has limits, and a plant file is agreed as it is or not")
		j.must(a.Says != Extend && a.Says != NotBefore, "it says %s to a change of the plant file", a.Says)
		j.must(!a.At.Before(c.At), "it was given before the change was proposed")
	}
	j.quorate(j.yeses(answers, keys))
	return j.findings
}
