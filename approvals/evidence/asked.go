package evidence

import (
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// Asked is a step of asking: since At the people of Team count in place of For's.
type Asked struct {
	For  string    `json:"for"`
	Team string    `json:"team"`
	At   time.Time `json:"at"`
}

// AsksNext is whom the plant file asks next where a team, and those who were
// asked in its place, have not answered, and how long after the last of them was
// asked; to is empty where nobody is left. Nobody is asked twice.
func AsksNext(plant *policy.Plant, team string, asked []Asked) (to string, after time.Duration, last string, at time.Time) {
	last = team
	seen := []string{team}
	for _, s := range asked {
		if s.For == team {
			last, at = s.Team, s.At
			seen = append(seen, last)
		}
	}
	t, ok := plant.Team(policy.Role(last))
	if !ok || t.AsksNext == "" || slices.Contains(seen, string(t.AsksNext)) {
		return "", 0, last, at
	}
	return string(t.AsksNext), t.After, last, at
}

// WithAsked are a person's counting roles with those for which their team was
// asked in another's place, sorted.
func WithAsked(roles []string, asked []Asked) []string {
	out := slices.Clone(roles)
	for _, s := range asked {
		if slices.Contains(roles, s.Team) {
			out = append(out, s.For)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// askedNext holds a step of asking to the plant file that the request names: the
// next team in order, not before its time, or because nobody of those asked
// last was on duty.
func (w *Walk) askedNext(b audit.PersonAsked) {
	r := w.request(w.leaf.Subject)
	if r == nil {
		return
	}
	w.must(r.state == "waiting", "the request was %s", r.state)
	w.must(w.leaf.Actor == penstock, "%s asked the next team, which only the rules do", short(w.leaf.Actor))
	w.must(!b.At.After(w.leaf.Wall.Add(settleTime)) && !b.At.Before(w.leaf.Wall.Add(-clockSlack)), "it says %s, and the log has it at %s", clock(b.At), clock(w.leaf.Wall))
	w.must(slices.ContainsFunc(w.needsOf(r), func(n policy.Need) bool { return string(n.Role) == b.For }), "nobody of %s had to be asked", short(b.For))
	if plant := w.plant(r.plant); plant != nil {
		to, after, last, at := AsksNext(plant, b.For, r.next)
		if at.Before(r.since) {
			at = r.since
		}
		if w.must(to == b.Role, "it asks %s, and after %s the plant file asks %q", short(b.Role), short(last), to) {
			early := b.At.Before(at.Add(after)) && !w.nobodyOn(last, r)
			w.must(!early, "it asks %s at %s, and %s, who are on duty, have until %s", b.Role, clock(b.At), last, clock(at.Add(after)))
		}
	}
	if len(r.next) < maxAnswers {
		r.next = append(r.next, Asked{b.For, b.Role, b.At})
	}
}

// nobodyOn says whether nobody was on duty, now or just before, who could have
// answered in a team.
func (w *Walk) nobodyOn(team string, r *asked) bool {
	for id := range w.people {
		if id == r.by && !r.called || slices.Contains(r.workers, id) {
			continue
		}
		now, before := w.teamed(w.counting(id, w.leaf.Wall))[0], w.teamed(w.counting(id, w.leaf.Wall.Add(-settleTime)))[0]
		if slices.Contains(now, team) && slices.Contains(before, team) {
			return false
		}
	}
	return true
}
