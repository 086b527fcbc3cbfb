package evidence

import (
	"fmt"
	"slices"
	"time"

	"penstock/audit"
)

// MaxTurns bounds one team's roster: three turns a day for five months.
const MaxTurns = 500

// Roster is who is on duty for one team: canonical JSON, put as a document,
// named by roster.written. Turns are sorted by begin, person and end; times are
// UTC and end-exclusive. Turns may overlap: two are on then.
type Roster struct {
	V     int    `json:"v"` // 1
	Team  string `json:"team"`
	Turns []Turn `json:"turns"`
}

// Turn is one person's time on duty.
type Turn struct {
	Person string    `json:"person"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
}

// Compare orders turns by begin, person and end.
func (t Turn) Compare(o Turn) int {
	if c := t.From.Compare(o.From); c != 0 {
		return c
	}
	if t.Person != o.Person {
		return slices.Compare([]string{t.Person}, []string{o.Person})
	}
	return t.To.Compare(o.To)
}

// MaxTurn is the longest that one turn may be: a week on call, and two days.
const MaxTurn = 9 * 24 * time.Hour

// ParseRoster reads a roster document, as strictly as a request.
func ParseRoster(b []byte) (Roster, error) {
	var r Roster
	if err := parse("roster", b, &r); err != nil {
		return Roster{}, err
	}
	if err := r.check(); err != nil {
		return Roster{}, fmt.Errorf("roster: %w", err)
	}
	return r, nil
}

func (r Roster) check() error {
	if err := isOne(r.V); err != nil {
		return err
	}
	if err := name("team", r.Team); err != nil {
		return err
	}
	if err := between("number of turns", len(r.Turns), 0, MaxTurns); err != nil {
		return err
	}
	for i, t := range r.Turns {
		at := fmt.Sprintf("turns[%d]", i)
		if err := id(at+".person", t.Person); err != nil {
			return err
		}
		if err := moment(at+".from", t.From); err != nil {
			return err
		}
		if err := moment(at+".to", t.To); err != nil {
			return err
		}
		if long := t.To.Sub(t.From); long < time.Minute || long > MaxTurn {
			return fmt.Errorf("%s: lasts %s; a turn lasts a minute to %s", at, long, MaxTurn)
		}
		if i > 0 && r.Turns[i-1].Compare(t) >= 0 {
			return fmt.Errorf("%s: is not after the one before: sorted, each once", at)
		}
	}
	return nil
}

// Deputy stands in for somebody in one team for a time.
type Deputy struct {
	For    string    `json:"for"`
	Person string    `json:"person"`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
}

// MaxDeputy is how long a deputy may stand in by one word.
const MaxDeputy = 31 * 24 * time.Hour

// Duty is what the log says of one team: whether a roster is kept for it, the
// turns, and the deputies. The zero value is a team without a roster: whoever
// holds the role counts.
type Duty struct {
	Kept     bool
	Turns    []Turn
	Deputies []Deputy
}

// On says whether a holder of the team's role is on duty at a moment: where no
// roster is kept, always.
func (d Duty) On(person string, at time.Time) bool {
	return !d.Kept || !d.Ends(person, at).IsZero()
}

// Ends is when the turn ends that the person has at a moment; zero: none, or no
// roster is kept.
func (d Duty) Ends(person string, at time.Time) (end time.Time) {
	for _, t := range d.Turns {
		if t.Person == person && !at.Before(t.From) && at.Before(t.To) && t.To.After(end) {
			end = t.To
		}
	}
	return end
}

// Deputy is who stands in for a person at a moment; empty: nobody.
func (d Duty) Deputy(person string, at time.Time) string {
	for _, s := range d.Deputies {
		if s.For == person && !at.Before(s.From) && at.Before(s.Until) {
			return s.Person
		}
	}
	return ""
}

// Counting are the roles in which a person's word counts at a moment, sorted:
// those they hold and are on duty for, and those of people whom they stand in
// for, where that person holds the role and is on duty. A role is lent, not
// doubled: while somebody has a deputy their own word in it does not count, else
// one person could make a second voice. A deputy's deputy counts for nothing.
// roles gives what somebody of the plant holds; nobody, and who is disabled,
// holds nothing. The Desk and Walk both call it.
func Counting(person string, at time.Time, roles func(person string) []string, duty map[string]Duty) []string {
	own := roles(person)
	if own == nil {
		return nil
	}
	var count []string
	for _, r := range own {
		if d := duty[r]; d.On(person, at) && d.Deputy(person, at) == "" {
			count = append(count, r)
		}
	}
	for team, d := range duty {
		for _, s := range d.Deputies {
			if s.Person == person && d.Deputy(s.For, at) == person && d.On(s.For, at) && slices.Contains(roles(s.For), team) {
				count = append(count, team)
			}
		}
	}
	slices.Sort(count)
	return slices.Compact(count)
}

// duties is what Walk knows of rosters and deputies.
type duties map[string]Duty

// judgeDuty says whether the leaf was about a roster or a deputy.
func (w *Walk) judgeDuty() bool {
	switch b := w.leaf.Body.(type) {
	case audit.RosterWritten:
		w.roster(b)
	case audit.DeputyNamed:
		w.deputyNamed(b)
	case audit.DeputyEnded:
		w.must(w.plantPerson(b.By) || b.By == penstock && (w.gone(b.For) || w.gone(b.Person)), "ended by %s, who is nobody of the plant", short(b.By))
		d := w.duty[b.Team]
		i := slices.IndexFunc(d.Deputies, func(s Deputy) bool { return s.For == b.For && s.Person == b.Person })
		if w.must(i >= 0, "%s does not stand in for %s", short(b.Person), short(b.For)) {
			d.Deputies = slices.Delete(slices.Clone(d.Deputies), i, i+1)
			w.duty[b.Team] = d
		}
	default:
		return false
	}
	return true
}

// roster: by somebody whom the plant file lets write it, of people whom the log knows.
func (w *Walk) roster(b audit.RosterWritten) {
	w.must(w.leaf.Actor == b.By, "%s wrote it, and the leaf says %s", short(w.leaf.Actor), short(b.By))
	p := w.known(b.By)
	if b.By == penstock {
		w.dropped(b)
	} else if w.must(w.plantPerson(b.By), "written by %s, who is nobody of the plant", short(b.By)) {
		may := false
		for _, plant := range w.now() {
			may = may || plant == nil || plant.WritesRoster(p.roles, b.Team)
		}
		w.must(may, "written by %s, who may not write the roster of %s", b.By, short(b.Team))
	}
	d := w.duty[b.Team]
	d.Kept, d.Turns = !b.Document.IsZero(), nil
	if d.Kept {
		if doc := w.document("roster", b.Document); doc != nil {
			r, err := ParseRoster(doc)
			w.must(err == nil, "%v", err)
			w.must(err != nil || r.Team == b.Team, "its roster is of %s", short(r.Team))
			for _, t := range r.Turns {
				q := w.people[t.Person]
				w.must(q != nil && w.ofPlant(q), "%s has a turn, who is nobody of the plant", short(t.Person))
			}
			d.Turns = r.Turns
		}
	}
	w.duty[b.Team] = d
}

// deputyNamed: by whom they stand in for, who holds the role; never for more
// than MaxDeputy, and never longer than it says.
func (w *Walk) deputyNamed(b audit.DeputyNamed) {
	w.must(w.leaf.Actor == b.By && b.By == b.For, "%s named a deputy of %s", short(w.leaf.Actor), short(b.For))
	w.must(b.For != b.Person, "%s stands in for themself", short(b.For))
	p, q := w.known(b.For), w.known(b.Person)
	w.must(w.plantPerson(b.For) && p.has(b.Team), "%s does not hold %s, so nobody stands in for them", short(b.For), short(b.Team))
	w.must(w.plantPerson(b.Person), "%s, who is to stand in, is nobody of the plant", short(b.Person))
	w.must(b.Until.After(b.From) && b.Until.Sub(b.From) <= MaxDeputy, "it is from %s until %s", clock(b.From), clock(b.Until))
	for _, plant := range w.now() {
		if t, ok := plant.Deputies(b.Team); ok && q != nil {
			w.must(q.has(t), "%s does not hold %s, whose people stand in for %s", short(b.Person), t, short(b.Team))
			break
		}
	}
	d := w.duty[b.Team]
	d.Deputies = append(Named(d.Deputies, b.At, b.For), Deputy{b.For, b.Person, b.From, b.Until})
	w.must(len(d.Deputies) <= MaxList, "it is deputy %d of one team", len(d.Deputies))
	w.duty[b.Team] = d
}

// Named are the deputies that stay when somebody names a new one: what is over
// goes, and so does whom they had named before, because a role is lent once.
func Named(list []Deputy, at time.Time, who string) []Deputy {
	return slices.DeleteFunc(slices.Clone(list), func(s Deputy) bool { return !s.Until.After(at) || s.For == who })
}

// counts says whether these are the roles in which somebody's word counted for a
// request, at one of the moments or just before it.
func (w *Walk) counts(person string, roles []string, next []Asked, at ...time.Time) bool {
	is := func(t time.Time) bool {
		own := w.counting(person, t)
		return slices.ContainsFunc(w.teamed(own), func(all []string) bool { return sameSet(roles, WithAsked(all, next)) })
	}
	return slices.ContainsFunc(at, func(t time.Time) bool { return is(t) || is(t.Add(-settleTime)) })
}

// teamed are roles with the teams of teams of the plant file in force, and of
// the one before while that is just over.
func (w *Walk) teamed(roles []string) (ways [][]string) {
	for _, plant := range w.now() {
		if plant != nil {
			ways = append(ways, plant.Counting(roles))
		}
	}
	if len(ways) == 0 {
		return [][]string{roles}
	}
	return ways
}

func (w *Walk) counting(person string, at time.Time) []string {
	return Counting(person, at, func(id string) []string {
		p := w.known(id)
		if p == nil || !w.ofPlant(p) || IsEnvelope(id) { // whose word counts in emergencies alone: voice
			return nil
		}
		return slices.DeleteFunc(append([]string{}, p.roles...), func(r string) bool { return w.lapsed("role/"+r, id, at) })
	}, w.duty)
}

// counted are the roles in which a person's word counted at some of the moments,
// or just before.
func (w *Walk) counted(person string, at ...time.Time) (roles []string) {
	for _, t := range at {
		for _, all := range slices.Concat(w.teamed(w.counting(person, t)), w.teamed(w.counting(person, t.Add(-settleTime)))) {
			roles = append(roles, all...)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}
