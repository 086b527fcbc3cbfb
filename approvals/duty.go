package approvals

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// dutyRow is the value of roster/TEAM: a roster is kept where Document names
// one; Deputies are those named and not over when the newest was.
type dutyRow struct {
	Team     string            `json:"team"`
	Document audit.Hash        `json:"document,omitzero"`
	Deputies []evidence.Deputy `json:"deputies,omitempty"`

	row uint64
}

func rosterKey[T ~string](team T) string { return "roster/" + string(team) }

func (d *Desk) dutyRow(ctx context.Context, team policy.Role) (r dutyRow, err error) {
	r = dutyRow{Team: string(team)}
	r.row, _, err = d.read(ctx, rosterKey(team), &r)
	return r, err
}

// turns reads the roster that a row names; the newest few are kept parsed.
func (d *Desk) turns(ctx context.Context, h audit.Hash) ([]evidence.Turn, error) {
	d.mu.Lock()
	turns, known := d.rosters[h]
	d.mu.Unlock()
	if known || h.IsZero() {
		return turns, nil
	}
	b, err := d.docs.Get(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("read roster %s: %w", h, err)
	}
	r, err := evidence.ParseRoster(b)
	if err != nil {
		return nil, fmt.Errorf("roster %s: %w", h, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.rosters) >= 64 {
		clear(d.rosters)
	}
	d.rosters[h] = r.Turns
	return r.Turns, nil
}

// Duty is whose word counts in which team, by roles, rosters and deputies, as
// they are at one look. It does not change; its lists are for reading.
type Duty struct {
	teams map[string]evidence.Duty
	roles map[string][]string // of the plant's active people
	rows  []state.Seen        // what it rests on

	lapsed map[string][]policy.Role // of them, those that nobody confirmed in time: they count for nothing
	plant  *policy.Plant            // its teams of teams
}

// Duty looks.
func (d *Desk) Duty(ctx context.Context) (Duty, error) {
	if err := d.heads.load(ctx, d.log, &d.keys); err != nil {
		return Duty{}, err
	}
	all, err := d.roster.People(ctx)
	if err != nil {
		return Duty{}, fmt.Errorf("list people for who is on duty: %w", err)
	}
	out := Duty{plant: d.plant(), teams: map[string]evidence.Duty{}, roles: map[string][]string{}, lapsed: map[string][]policy.Role{}}
	ofPlant := map[policy.FirmID]bool{}
	for _, p := range all {
		if _, known := ofPlant[p.Firm]; !known {
			f, err := d.roster.Firm(ctx, p.Firm)
			if err != nil {
				return Duty{}, fmt.Errorf("look up firm %s: %w", p.Firm, err)
			}
			ofPlant[p.Firm] = f.Plant
		}
		if !p.Disabled && ofPlant[p.Firm] {
			out.roles[string(p.ID)] = append([]string{}, words(p.Roles)...)
			if out.lapsed[string(p.ID)], err = d.roster.Lapsed(ctx, p); err != nil {
				return Duty{}, fmt.Errorf("access reviews of %s: %w", p.ID, err)
			}
		}
	}
	for _, key := range d.heads.keys("roster/") {
		team := strings.TrimPrefix(key, "roster/")
		r, err := d.dutyRow(ctx, policy.Role(team))
		if err != nil {
			return Duty{}, err
		}
		turns, err := d.turns(ctx, r.Document)
		if err != nil {
			return Duty{}, err
		}
		out.teams[team] = evidence.Duty{Kept: !r.Document.IsZero(), Turns: turns, Deputies: r.Deputies}
		out.rows = append(out.rows, state.Seen{Key: key, Rev: r.row})
	}
	return out, nil
}

// Counts are the roles in which somebody's word counts at a moment.
func (d Duty) Counts(who policy.PersonID, at time.Time) []policy.Role {
	if d.plant == nil {
		return nil
	}
	return named[policy.Role](d.plant.Counting(evidence.Counting(string(who), at, d.confirmed, d.teams)))
}

// confirmed are somebody's roles without those that no access review confirmed in time.
func (d Duty) confirmed(id string) []string {
	if len(d.lapsed[id]) == 0 {
		return d.roles[id]
	}
	return slices.DeleteFunc(slices.Clone(d.roles[id]), func(r string) bool { return slices.Contains(d.lapsed[id], policy.Role(r)) })
}

// Lapsed says whether nobody confirmed somebody's role in time.
func (d Duty) Lapsed(team policy.Role, who policy.PersonID) bool {
	return slices.Contains(d.lapsed[string(who)], team)
}

// On are the people whose word counts in a team at a moment, sorted.
func (d Duty) On(team policy.Role, at time.Time) (who []policy.PersonID) {
	for id := range d.roles {
		if slices.Contains(d.Counts(policy.PersonID(id), at), team) {
			who = append(who, policy.PersonID(id))
		}
	}
	slices.Sort(who)
	return who
}

// Kept says whether a roster is kept for a team.
func (d Duty) Kept(team policy.Role) bool { return d.teams[string(team)].Kept }

// Until is when somebody's turn ends; zero: they have none, or none is kept.
func (d Duty) Until(team policy.Role, who policy.PersonID, at time.Time) time.Time {
	return d.teams[string(team)].Ends(string(who), at)
}

// For is whom somebody stands in for in a team at a moment, and until when; ok
// is false where they stand there for themself.
func (d Duty) For(team policy.Role, who policy.PersonID, at time.Time) (For policy.PersonID, until time.Time, ok bool) {
	for _, s := range d.teams[string(team)].Deputies {
		if s.Person == string(who) && !at.Before(s.From) && at.Before(s.Until) {
			return policy.PersonID(s.For), s.Until, true
		}
	}
	return "", time.Time{}, false
}

// Next is the next turn of a team that begins after a moment; ok is false if
// the roster has none.
func (d Duty) Next(team policy.Role, at time.Time) (evidence.Turn, bool) {
	for _, t := range d.teams[string(team)].Turns { // sorted by begin
		if t.From.After(at) {
			return t, true
		}
	}
	return evidence.Turn{}, false
}

// Turns and Deputies are what stands in a team's roster.
func (d Duty) Turns(team policy.Role) []evidence.Turn      { return d.teams[string(team)].Turns }
func (d Duty) Deputies(team policy.Role) []evidence.Deputy { return d.teams[string(team)].Deputies }

// onDuty gives a person the roles in which their word counts now. What is
// committed on such a person is committed on the rosters as they are.
func (d *Desk) onDuty(ctx context.Context, p people.Person) (people.Person, error) {
	duty, err := d.Duty(ctx)
	if err != nil {
		return p, err
	}
	p.Roles, p.On = duty.Counts(p.ID, d.second()), duty.rows
	return p, nil
}

// offDuty is the refusal for somebody who holds one of these roles and whose
// word does not count in it now; nil for who holds none of them.
func (d *Desk) offDuty(ctx context.Context, by people.Actor, teams []policy.Role) error {
	duty, err := d.Duty(ctx)
	if err != nil {
		return err
	}
	now := d.now()
	held, counts := duty.roles[string(by.Person)], duty.Counts(by.Person, now)
	i := slices.IndexFunc(teams, func(r policy.Role) bool { return slices.Contains(held, string(r)) && !slices.Contains(counts, r) })
	if i < 0 {
		return nil
	}
	team := teams[i]
	if duty.Lapsed(team, by.Person) {
		return refuse("access-review", "Nobody has confirmed in time that you still hold %s, so your word does not count there. OT security signs it on the page Access reviews. Pausing, ending, cutting and blocking go on.", team)
	}
	if s := (evidence.Duty{Deputies: duty.Deputies(team)}).Deputy(string(by.Person), now); s != "" {
		return refuse("deputy-stands-in", "%s stands in for you in %s. End that first, on the page of the roster, if you want to decide yourself.", s, team)
	}
	on := words(duty.On(team, now))
	who := "Nobody is on duty there: whoever writes the roster can put you on."
	if len(on) > 0 {
		who = "On duty: " + strings.Join(on, ", ") + "."
	}
	return refuse("off-duty", "By the roster you are not on duty for %s now. %s", team, who)
}

// WriteRoster gives a team's roster anew, all of it, if its row is still at rev
// (0: whatever it is). Turns nil keeps no roster for the team any more. By OT
// security and the owner of a zone whose team it is, with a code. Turns that
// ended a day ago are left out; the document before has them.
func (d *Desk) WriteRoster(ctx context.Context, by people.Actor, team policy.Role, rev uint64, turns []evidence.Turn) error {
	_, err := again(func() (none, error) {
		p, row, err := d.writesRoster(ctx, by, team)
		if err != nil {
			return none{}, err
		}
		if rev != 0 && row.row != rev {
			return none{}, refuse("stale-roster", "Somebody else has written this roster meanwhile. Look again, then change it.")
		}
		return none{}, d.writeRoster(ctx, p, row, turns)
	})
	return err
}

// AddTurn puts one turn into a team's roster, which begins with it where none was kept.
func (d *Desk) AddTurn(ctx context.Context, by people.Actor, team policy.Role, t evidence.Turn) error {
	return d.changeTurns(ctx, by, team, func(turns []evidence.Turn) []evidence.Turn { return append(turns, t) })
}

// DropTurn takes one turn out; one that is not there is refused.
func (d *Desk) DropTurn(ctx context.Context, by people.Actor, team policy.Role, t evidence.Turn) error {
	t.From, t.To = whole(t.From), whole(t.To)
	return d.changeTurns(ctx, by, team, func(turns []evidence.Turn) []evidence.Turn {
		i := slices.Index(turns, t)
		if i < 0 {
			return nil
		}
		return slices.Delete(turns, i, i+1)
	})
}

func (d *Desk) changeTurns(ctx context.Context, by people.Actor, team policy.Role, change func([]evidence.Turn) []evidence.Turn) error {
	_, err := again(func() (none, error) {
		p, row, err := d.writesRoster(ctx, by, team)
		if err != nil {
			return none{}, err
		}
		turns, err := d.turns(ctx, row.Document)
		if err != nil {
			return none{}, err
		}
		turns = change(append([]evidence.Turn{}, turns...))
		if turns == nil {
			return none{}, refuse("no-such-turn", "This turn is not in the roster any more. Look again.")
		}
		return none{}, d.writeRoster(ctx, p, row, turns)
	})
	return err
}

func (d *Desk) writesRoster(ctx context.Context, by people.Actor, team policy.Role) (people.Person, dutyRow, error) {
	p, err := d.activePlant(ctx, by)
	if err != nil {
		return p, dutyRow{}, err
	}
	if !d.plant().HasRole(team) {
		return p, dutyRow{}, refuse("no-such-team", "There is no team %.40q in the plant file.", team)
	}
	if !d.plant().WritesRoster(words(p.Roles), string(team)) {
		return p, dutyRow{}, refuse("not-yours", "The roster of %s is written by OT security and the owner of its zone. Ask one of them.", team)
	}
	if err := d.proved(by, p); err != nil {
		return p, dutyRow{}, err
	}
	row, err := d.dutyRow(ctx, team)
	return p, row, err
}

func (d *Desk) writeRoster(ctx context.Context, by people.Person, row dutyRow, turns []evidence.Turn) error {
	body := audit.RosterWritten{Team: row.Team, By: string(by.ID), At: d.second()}
	on := []people.Person{by}
	if turns != nil {
		doc := evidence.Roster{V: 1, Team: row.Team, Turns: []evidence.Turn{}}
		for _, t := range turns {
			t.From, t.To = whole(t.From), whole(t.To)
			if t.To.After(d.now().Add(-24 * time.Hour)) {
				doc.Turns = append(doc.Turns, t)
			}
		}
		slices.SortFunc(doc.Turns, evidence.Turn.Compare)
		doc.Turns = slices.Compact(doc.Turns)
		more, err := d.rostered(ctx, row.Team, doc.Turns)
		if err != nil {
			return err
		}
		on = append(on, more...)
		if body.Document, err = d.keepRoster(ctx, doc); err != nil {
			return err
		}
	}
	_, err := d.commit(ctx, rosterKey(row.Team), row.row+1, string(by.ID), body, on...)
	return err
}

// rostered are the people of the turns: of the plant, active, and with the role.
func (d *Desk) rostered(ctx context.Context, team string, turns []evidence.Turn) (list []people.Person, err error) {
	seen := map[string]bool{}
	for _, t := range turns {
		if seen[t.Person] {
			continue
		}
		seen[t.Person] = true
		p, err := d.plantsPerson(ctx, policy.PersonID(t.Person))
		if err != nil {
			return nil, err
		}
		if !p.Has(policy.Role(team)) {
			return nil, refuse("not-in-team", "%s does not hold %s, so a turn would count for nothing. OT security gives roles.", t.Person, team)
		}
		list = append(list, p)
	}
	return list, nil
}

func (d *Desk) plantsPerson(ctx context.Context, id policy.PersonID) (people.Person, error) {
	p, err := d.roster.Person(ctx, id)
	no := refuse("no-such-person", "%.40q is nobody of the plant, or is disabled. Look at the list of people.", id)
	if errors.Is(err, fs.ErrNotExist) || err == nil && p.Disabled {
		return p, no
	}
	if err != nil {
		return p, fmt.Errorf("look up %s: %w", id, err)
	}
	f, err := d.roster.Firm(ctx, p.Firm)
	if err != nil {
		return p, fmt.Errorf("look up firm %s: %w", p.Firm, err)
	}
	if !f.Plant {
		return p, no
	}
	return p, nil
}

func (d *Desk) keepRoster(ctx context.Context, doc evidence.Roster) (audit.Hash, error) {
	b, err := audit.Canonical(doc)
	if err == nil {
		_, err = evidence.ParseRoster(b)
	}
	if err != nil {
		return audit.Hash{}, &policy.Refusal{Rule: "bad-roster", Say: "This is no roster: " + err.Error() + ".", Why: err.Error()}
	}
	h, err := d.docs.Put(ctx, b)
	if err != nil {
		return h, fmt.Errorf("keep the roster: %w", err)
	}
	return h, nil
}

// NameDeputy lets somebody stand in for the actor in one team until a time, 31
// days at most, with a code. Meanwhile the actor's own word in that team does
// not count. Where the plant file names the team's deputy, only its people can.
func (d *Desk) NameDeputy(ctx context.Context, by people.Actor, team policy.Role, person policy.PersonID, from, until time.Time) error {
	_, err := again(func() (none, error) { return none{}, d.nameDeputy(ctx, by, team, person, from, until) })
	return err
}

func (d *Desk) nameDeputy(ctx context.Context, by people.Actor, team policy.Role, person policy.PersonID, from, until time.Time) error {
	p, err := d.activePlant(ctx, by)
	if err != nil {
		return err
	}
	if !p.Has(team) || !d.plant().HasRole(team) {
		return refuse("not-yours", "You do not hold %.40q, so nobody can stand in for you there.", team)
	}
	if err := d.proved(by, p); err != nil {
		return err
	}
	q, err := d.plantsPerson(ctx, person)
	if err != nil {
		return err
	}
	now := d.second()
	from, until = whole(from), whole(until)
	if from.Before(now) {
		from = now
	}
	switch deputies, named := d.plant().Deputies(string(team)); {
	case q.ID == p.ID:
		return refuse("own-deputy", "Nobody stands in for themself. Name another person.")
	case named && !q.Has(policy.Role(deputies)):
		return refuse("no-deputy", "The plant file lets people of %s stand in for %s. %s is none of them.", deputies, team, q.ID)
	case !until.After(from) || until.Sub(from) > evidence.MaxDeputy:
		return refuse("bad-time", "Say until when: after now, and 31 days at most.")
	}
	row, err := d.dutyRow(ctx, team)
	if err != nil {
		return err
	}
	if len(evidence.Named(row.Deputies, now, string(p.ID))) >= evidence.MaxList {
		return refuse("too-many-deputies", "%s has %d deputies already. End one first.", team, evidence.MaxList)
	}
	body := audit.DeputyNamed{Team: string(team), For: string(p.ID), Person: string(q.ID), From: from, Until: until, By: string(p.ID), At: now}
	_, err = d.commit(ctx, rosterKey(team), row.row+1, string(p.ID), body, p, q)
	return err
}

// EndDeputy ends it earlier, by either of the two or OT security; no code.
func (d *Desk) EndDeputy(ctx context.Context, by people.Actor, team policy.Role, who, person policy.PersonID) error {
	_, err := again(func() (none, error) {
		p, err := d.activePlant(ctx, by)
		if err != nil {
			return none{}, err
		}
		if p.ID != who && p.ID != person && !d.plant().IsSecurity(p.Roles) {
			return none{}, refuse("not-yours", "Only %s, %s and OT security may end this.", who, person)
		}
		row, err := d.dutyRow(ctx, team)
		if err != nil {
			return none{}, err
		}
		body := audit.DeputyEnded{Team: string(team), For: string(who), Person: string(person), By: string(p.ID), At: d.second()}
		_, err = d.commit(ctx, rosterKey(team), row.row+1, string(p.ID), body, p)
		return none{}, err
	})
	return err
}

// duty makes the rows of rosters and deputies.
func (f folder) duty(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	r, err := load[dutyRow](ctx, rows, rosterKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	v.Team = leaf.Subject
	switch b := leaf.Body.(type) {
	case audit.RosterWritten:
		v.Document = b.Document
	case audit.DeputyNamed:
		v.Deputies = append(evidence.Named(v.Deputies, b.At, b.For), evidence.Deputy{For: b.For, Person: b.Person, From: b.From, Until: b.Until})
	case audit.DeputyEnded:
		i := slices.IndexFunc(v.Deputies, func(s evidence.Deputy) bool { return s.For == b.For && s.Person == b.Person })
		if i < 0 {
			return nil, refuse("no-such-deputy", "%s does not stand in for %s there. Look again.", b.Person, b.For)
		}
		v.Deputies = slices.Delete(v.Deputies, i, i+1)
	}
	return r.changed()
}
