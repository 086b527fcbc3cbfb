package evidence

import (
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// What the plant file says of reviews, holds and retention, for who judges them
// (audit/verify); at the newest leaf.

// now is the plant file in force, and for a moment after a change the one before. nil in it is a finding already.
func (w *Walk) now() []*policy.Plant {
	var plants []*policy.Plant
	for _, h := range w.filesNow() {
		plants = append(plants, w.plant(h))
	}
	return plants
}

// Keeps says how long the plant file in force keeps a recording for one way of
// working (policy.Plant.Keeps). Not ok: for ever, or plant is not in force.
func (w *Walk) Keeps(plant audit.Hash, asset, port string, rights []string) (rule string, keep time.Duration, ok bool) {
	crossed := plant == w.former && !w.leaf.Wall.After(w.newPlant.Add(crossTime))
	if plant != w.inForce && !crossed {
		return "", 0, false
	}
	p := w.plant(plant)
	set, err := policy.ParseRights(rights)
	if p == nil || err != nil && len(rights) > 0 {
		return "", 0, false
	}
	return p.Keeps(policy.AssetName(asset), policy.PortName(port), set)
}

// Draws says whether the plant file in force draws one session in so many for review.
func (w *Walk) Draws(oneIn int) bool {
	return slices.ContainsFunc(w.now(), func(p *policy.Plant) bool { return p == nil || p.Reviews.OneIn == oneIn })
}

// Always are the reasons for which the plant file in force wants a session
// reviewed; around a change those that both files name.
func (w *Walk) Always() (words []string) {
	for i, p := range w.now() {
		switch {
		case p == nil:
			return nil
		case i == 0:
			words = slices.Clone(p.Reviews.Always)
		default:
			words = slices.DeleteFunc(words, func(word string) bool { return !slices.Contains(p.Reviews.Always, word) })
		}
	}
	return words
}

// MayJudge says whether somebody holds a role, or held one when they signed in,
// that is OT security's; without security, also one that reads recordings.
func (w *Walk) MayJudge(id string, security bool) bool {
	who := w.people[id]
	if who == nil || !w.ofPlant(who) {
		return false
	}
	var roles []policy.Role
	for _, r := range slices.Concat(who.roles, who.held) {
		roles = append(roles, policy.Role(r))
	}
	return slices.ContainsFunc(w.now(), func(p *policy.Plant) bool {
		return p == nil || p.IsSecurity(roles) || !security && p.MayRead(roles)
	})
}
