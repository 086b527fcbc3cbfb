package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// counts says in which roles the reader's word counts now.
func (v *visit) counts(n roll) func(policy.Role) bool {
	roles := n.duty.Counts(v.actor.Person, v.now)
	if v.envelope() {
		roles = v.actor.Roles
	}
	return func(r policy.Role) bool { return slices.Contains(roles, r) }
}

// standsFor is counts with the teams in whose place the reader's was asked.
func (v *visit) standsFor(n roll, asked []approvals.Asked) func(policy.Role) bool {
	counts := v.counts(n)
	return func(r policy.Role) bool {
		return counts(r) || slices.ContainsFunc(asked, func(a approvals.Asked) bool { return a.For == r && counts(a.Team) })
	}
}

// whyAsked says why it is the reader who is asked.
func (v *visit) whyAsked(need policy.Need, q approvals.Request, n roll) string {
	if v.counts(n)(need.Role) {
		return "You are " + v.role(need.Role) + v.dutyWords(need.Role, n) + ", whom rule " + need.Rule + " asks."
	}
	for _, a := range slices.Backward(q.Asked) {
		if a.For == need.Role && v.counts(n)(a.Team) {
			return "You are " + v.role(a.Team) + v.dutyWords(a.Team, n) + ", asked " + v.at(a.At).Text() + " because " + v.role(a.For) + ", whom rule " + need.Rule + " asks, had not answered."
		}
	}
	return ""
}

// nextAsked says who is asked next if nobody answers, and when; empty: nobody.
func (v *visit) nextAsked(q approvals.Request) string {
	var next []string
	for _, a := range q.Next {
		if v.now.Before(a.At) {
			next = append(next, v.at(a.At).Text()+": "+v.role(a.Team))
		}
	}
	if len(next) == 0 {
		return ""
	}
	return "Next asked at " + strings.Join(next, ", ") + "."
}

// dutyWords says why the reader counts in a role just now: a turn, or somebody
// whom they stand in for.
func (v *visit) dutyWords(r policy.Role, n roll) string {
	if who, until, ok := n.duty.For(r, v.actor.Person, v.now); ok {
		return " for " + n.person(who) + " until " + v.at(until).Text()
	}
	if until := n.duty.Until(r, v.actor.Person, v.now); !until.IsZero() {
		return ", on duty until " + v.at(until).Text()
	}
	return ""
}

// nobody says that nobody who could answer in a role is on duty, and whom to
// ring up instead; empty: somebody is there. Numbers of people are for the plant's own.
func (v *visit) nobody(r policy.Role, n roll, not ...string) string {
	if len(n.holders(r, v.now, not...)) > 0 {
		return ""
	}
	said := "Nobody of " + v.role(r) + " is on duty now."
	if t, ok := n.duty.Next(r, v.now); ok {
		said += " Next: " + n.person(policy.PersonID(t.Person)) + ", " + v.at(t.From).Text() + "."
	}
	return said + " Call " + v.instead(r, n) + "."
}

// instead is whom to ring up where a team has nobody: the teams that are asked
// next, in order, and then the control room.
func (v *visit) instead(r policy.Role, n roll) string {
	seen := map[policy.Role]bool{r: true}
	for team, ok := v.plant.Team(r); v.actor.Plant && ok && team.AsksNext != "" && !seen[team.AsksNext]; team, ok = v.plant.Team(team.AsksNext) {
		seen[team.AsksNext] = true
		for _, id := range n.duty.On(team.AsksNext, v.now) {
			if p := n.people[id]; p.Phone != "" && id != v.actor.Person {
				return p.Name + ", " + v.role(team.AsksNext) + ", " + p.Phone
			}
		}
	}
	if room := v.plant.Site.ControlRoom; room != "" {
		return "the control room, " + room
	}
	return "the plant"
}

type rosterView struct {
	Teams []teamView
	Lend  []tick // teams of the reader's own
	To    []tick // people of the plant
}

type teamView struct {
	ID, Name string
	Kept     bool
	Now      []onView
	Hole     string
	Turns    []turnView
	All      int    // turns that are not over
	Shown    string // which of them these are; empty: all of them
	Sooner   string // the query of the page before; empty: these are the first
	Later    string
	Unfolded bool
	Lent     []lentView
	May      bool // write it
	Members  []tick
	Zone     string
	Who      string // names of an upload; empty here
}

type onView struct {
	Who, For string
	Until    stamp
	Phone    string
}

type turnView struct {
	Who, Person string
	From, To    stamp
	Now         bool
}

type lentView struct {
	For, Person, Who, By string
	From, Until          stamp
	May                  bool
}

// mostTurns is how many turns a page shows of one team at once.
const mostTurns = 42

// turns are a team's that are not over: so many, from the one that the query
// names. An upload may hold a year.
func (v *visit) turns(out *teamView, n roll) {
	var left []evidence.Turn
	for _, turn := range n.duty.Turns(roleName(out.ID)) {
		if turn.To.After(v.now) {
			left = append(left, turn)
		}
	}
	first := 0
	if q := v.r.URL.Query(); q.Get("team") == out.ID {
		out.Unfolded = true
		first, _ = strconv.Atoi(q.Get("turn")) // what is no number shows the first
		first = max(0, min(first, len(left)-1))
	}
	end := min(first+mostTurns, len(left))
	for _, turn := range left[first:end] {
		out.Turns = append(out.Turns, turnView{n.person(policy.PersonID(turn.Person)), turn.Person, v.at(turn.From), v.at(turn.To), !turn.From.After(v.now)})
	}
	if out.All = len(left); len(out.Turns) == out.All {
		return
	}
	out.Shown = fmt.Sprintf("%d to %d of %d", first+1, end, out.All)
	query := func(turn int) string { return "?team=" + out.ID + "&turn=" + strconv.Itoa(turn) + "#" + out.ID }
	if first > 0 {
		out.Sooner = query(max(0, first-mostTurns))
	}
	if end < len(left) {
		out.Later = query(end)
	}
}

func (g *Pages) rosterPage(v *visit) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := rosterView{}
	for _, t := range v.plant.Teams {
		if !v.plant.HasRole(t.Name) { // a team of teams has no roster of its own
			continue
		}
		team := v.team(t, n)
		if team.Kept || team.May || v.actor.Has(t.Name) || len(team.Lent) > 0 {
			view.Teams = append(view.Teams, team)
		}
		if v.actor.Has(t.Name) {
			view.Lend = append(view.Lend, tick{Value: string(t.Name), Text: v.role(t.Name)})
		}
	}
	slices.SortStableFunc(view.Teams, func(a, b teamView) int { // those with a roster first
		switch {
		case a.Kept == b.Kept:
			return 0
		case a.Kept:
			return -1
		}
		return 1
	})
	for _, p := range n.people {
		if n.firms[p.Firm].Plant && !p.Disabled && p.ID != v.actor.Person {
			view.To = append(view.To, tick{Value: string(p.ID), Text: p.Name})
		}
	}
	slices.SortFunc(view.To, func(a, b tick) int { return strings.Compare(a.Text, b.Text) })
	return g.show(v, http.StatusOK, "roster", "Who is on duty", view)
}

func (v *visit) team(t policy.Team, n roll) teamView {
	out := teamView{ID: string(t.Name), Name: v.role(t.Name), Kept: n.duty.Kept(t.Name), Zone: v.plant.Site.Timezone,
		May: v.plant.WritesRoster(words(v.actor.Roles), string(t.Name))}
	for _, id := range n.duty.On(t.Name, v.now) {
		on := onView{Who: n.person(id), Until: v.at(n.duty.Until(t.Name, id, v.now)), Phone: n.people[id].Phone}
		if who, until, ok := n.duty.For(t.Name, id, v.now); ok {
			on.For, on.Until = n.person(who), v.at(until)
		}
		out.Now = append(out.Now, on)
	}
	if out.Kept && len(out.Now) == 0 {
		out.Hole = v.nobody(t.Name, n)
	}
	v.turns(&out, n)
	for _, s := range n.duty.Deputies(t.Name) {
		if s.Until.After(v.now) {
			may := s.For == string(v.actor.Person) || s.Person == string(v.actor.Person) || v.actor.Has("ot-security")
			out.Lent = append(out.Lent, lentView{s.For, s.Person, n.person(policy.PersonID(s.For)), n.person(policy.PersonID(s.Person)), v.at(s.From), v.at(s.Until), may})
		}
	}
	for _, p := range n.people {
		if p.Has(t.Name) && !p.Disabled && n.firms[p.Firm].Plant {
			out.Members = append(out.Members, tick{Value: string(p.ID), Text: cmp.Or(p.Name, string(p.ID))})
		}
	}
	slices.SortFunc(out.Members, func(a, b tick) int { return strings.Compare(a.Text, b.Text) })
	return out
}

// turnOf reads a turn: of a list by its own moments, or of a form on the plant's clock.
func (v *visit) turnOf() (t evidence.Turn, err error) {
	f := v.r.PostForm
	t.Person = f.Get("person")
	if t.From, err = v.dayAndHour(f.Get("from")); err != nil {
		return t, err
	}
	t.To, err = v.dayAndHour(f.Get("to"))
	return t, err
}

func (v *visit) dayAndHour(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	t, err := policy.ParseClock("2006-01-02T15:04", s, v.plant.Location())
	if _, skipped := errors.AsType[*policy.Refusal](err); err != nil && !skipped {
		return t, &policy.Refusal{Rule: "bad-time", Say: fmt.Sprintf("%.40q is no time. Write it as 2026-11-22T22:00, on the plant's clock.", s)}
	}
	return t, err
}

func (g *Pages) addTurn(v *visit) error {
	t, err := v.turnOf()
	if err != nil {
		return err
	}
	if err := g.Desk.AddTurn(v.ctx(), v.actor, roleName(v.r.PathValue("team")), t); err != nil {
		return err
	}
	return g.done(v, "/roster", "Written. From now on the roster says whose word counts.")
}

func (g *Pages) dropTurn(v *visit) error {
	t, err := v.turnOf()
	if err != nil {
		return err
	}
	if err := g.Desk.DropTurn(v.ctx(), v.actor, roleName(v.r.PathValue("team")), t); err != nil {
		return err
	}
	return g.done(v, "/roster", "Taken out.")
}

func (g *Pages) noRoster(v *visit) error {
	if err := g.Desk.WriteRoster(v.ctx(), v.actor, roleName(v.r.PathValue("team")), 0, nil); err != nil {
		return err
	}
	return g.done(v, "/roster", "No roster is kept there any more: whoever holds the role counts at any hour.")
}

func (g *Pages) lend(v *visit) error {
	f := v.r.PostForm
	until, err := v.dayAndHour(f.Get("until"))
	if err != nil {
		return err
	}
	who := policy.PersonID(f.Get("person"))
	if err := g.Desk.NameDeputy(v.ctx(), v.actor, roleName(f.Get("team")), who, v.now, until); err != nil {
		return err
	}
	return g.done(v, "/roster", "Until "+v.at(until).Text()+" their word counts there, and yours does not.")
}

func (g *Pages) takeBack(v *visit) error {
	f := v.r.PostForm
	if err := g.Desk.EndDeputy(v.ctx(), v.actor, roleName(f.Get("team")), policy.PersonID(f.Get("for")), policy.PersonID(f.Get("person"))); err != nil {
		return err
	}
	return g.done(v, "/roster", "Ended.")
}
