package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/approvals/calendar"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// A calendar that is taken in: how far ahead, and how long its repetitions may be
// worked out.
const (
	calendarDays = 60
	calendarTime = 5 * time.Second
)

// calendarView is what a calendar would write, before anything is written.
type calendarView struct {
	ID, Name string
	Wrong    []string // why nothing can be written, a line each
	Turns    []turnView
	Holes    []turnView // nobody is on duty then
	Stands   int        // turns that stand now, and go
	To       string     // the last day that is written
	Who      string     // names that stand for somebody, as they were typed
	Write    string     // the turns again, for the second step
}

// readCalendar shows what an uploaded calendar says. It writes nothing.
func (g *Pages) readCalendar(v *visit) error {
	team := roleName(v.r.PathValue("team"))
	if !v.plant.WritesRoster(words(v.actor.Roles), string(team)) {
		return &policy.Refusal{Rule: "not-yours", Say: "The roster of " + v.role(team) + " is written by OT security and the owner of its zone. Ask one of them."}
	}
	text, err := v.uploaded("calendar")
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := calendarView{ID: string(team), Name: v.role(team), Who: v.r.PostForm.Get("who"), To: v.date(v.now.AddDate(0, 0, calendarDays))}
	for _, t := range n.duty.Turns(team) {
		if t.To.After(v.now) {
			view.Stands++
		}
	}
	ctx, cancel := context.WithTimeout(v.ctx(), calendarTime)
	defer cancel()
	turns, err := calendar.Turns(ctx, text, v.now, v.now.AddDate(0, 0, calendarDays), v.plant.Location(), calendar.Whose(n.members(team), saidNames(view.Who)))
	if err == nil && len(turns) > evidence.MaxTurns {
		err = fmt.Errorf("it has %d turns in %d days, at most %d", len(turns), calendarDays, evidence.MaxTurns)
	}
	if err != nil { // about the file, never of a place inside the broker
		view.Wrong = strings.Split(err.Error(), "\n")
		return g.show(v, http.StatusUnprocessableEntity, "calendar", "A roster from a calendar", view)
	}
	view.Turns, view.Write = v.turnViews(turns, n), turnLines(turns)
	view.Holes = v.turnViews(calendar.Holes(turns, v.now), n)
	return g.show(v, http.StatusOK, "calendar", "A roster from a calendar", view)
}

func (v *visit) turnViews(turns []evidence.Turn, n roll) (list []turnView) {
	for _, t := range turns {
		one := turnView{Person: t.Person, From: v.at(t.From), To: v.at(t.To)}
		if t.Person != "" {
			one.Who = n.person(policy.PersonID(t.Person))
		}
		list = append(list, one)
	}
	return list
}

// members are those whose turns a team's roster may have.
func (n roll) members(team policy.Role) (list []calendar.Member) {
	for _, p := range n.people {
		if p.Has(team) && !p.Disabled && n.firms[p.Firm].Plant {
			list = append(list, calendar.Member{ID: string(p.ID), Name: p.Name})
		}
	}
	slices.SortFunc(list, func(a, b calendar.Member) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// saidNames reads "M. Voss = mia", one on a line, or several with semicolons.
func saidNames(s string) map[string]string {
	said := map[string]string{}
	for _, line := range strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == ';' }) {
		if name, id, ok := strings.Cut(line, "="); ok && strings.TrimSpace(id) != "" {
			said[strings.TrimSpace(name)] = strings.TrimSpace(id)
		}
	}
	return said
}

// turnLines are turns for the form that writes them: short name, begin and end in
// seconds, a line each. parseTurns reads them; Desk.WriteRoster judges them.
func turnLines(turns []evidence.Turn) string {
	var b strings.Builder
	for _, t := range turns {
		fmt.Fprintf(&b, "%s %d %d\n", t.Person, t.From.Unix(), t.To.Unix())
	}
	return b.String()
}

func parseTurns(s string) ([]evidence.Turn, error) {
	turns := []evidence.Turn{}
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) != 3 || len(turns) == evidence.MaxTurns {
			return nil, badCall{errors.New("the turns are not those of the page")}
		}
		from, err1 := strconv.ParseInt(f[1], 10, 64)
		to, err2 := strconv.ParseInt(f[2], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, badCall{fmt.Errorf("the turns are not those of the page: %w", err)}
		}
		turns = append(turns, evidence.Turn{Person: f[0], From: time.Unix(from, 0).UTC(), To: time.Unix(to, 0).UTC()})
	}
	return turns, nil
}

// writeCalendar writes the turns that readCalendar showed.
func (g *Pages) writeCalendar(v *visit) error {
	turns, err := parseTurns(v.r.PostForm.Get("turns"))
	if err != nil {
		return err
	}
	if len(turns) == 0 {
		return &policy.Refusal{Rule: "no-turns", Say: "The calendar has no turn in these days. To keep no roster, say so on the roster's page."}
	}
	if err := g.Desk.WriteRoster(v.ctx(), v.actor, roleName(v.r.PathValue("team")), 0, turns); err != nil {
		return err
	}
	return g.done(v, "/roster", "Written: "+count(len(turns), "turn", "turns")+". From now on the roster says whose word counts.")
}
