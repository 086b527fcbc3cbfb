package people

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"penstock/policy"
)

// person compares one line's person with who is here.
func (m *importing) person(row SheetRow) {
	if row.PersonName == "" && row.Person == "" && row.PersonID == "" {
		return // a line for the firm alone
	}
	f := m.firms[policy.FirmID(row.Firm)]
	id, source := policy.PersonID(cmp.Or(row.Person, shortName(row.PersonName))), m.source(row.PersonID)
	have, there := Person{}, false
	for _, p := range m.havePeople {
		if source != "" && p.Source == source {
			id = p.ID // whatever they are called there now
		}
	}
	for _, p := range m.havePeople {
		if p.ID == id {
			have, there = p, true
		}
	}
	open, invited := m.invitation(id, source)
	if invited && !there {
		id = open.Person
	}
	if first, twice := m.seen["person "+string(id)]; twice {
		m.problem(row.Line, "person: %s stands in line %d already; two people have two short names in the column person", id, first)
		return
	}
	m.seen["person "+string(id)] = row.Line
	problem := ""
	switch {
	case f.refused && f.there && f.have.Plant:
		m.say(row.Line, f.id, id, "left-alone", "the plant's own people are invited one by one")
		return
	case f.refused:
		problem = fmt.Sprintf("person: %s is left out with the firm %s", id, f.id)
	case there && have.Disabled:
		m.say(row.Line, f.id, id, "left-alone", "has left, and does not come back; somebody else needs another short name")
		return
	case there && have.Firm != f.id, invited && !there && open.Firm != f.id:
		problem = fmt.Sprintf("person: %s is somebody of %s here, and a person does not move: write another short name in the column person", id, cmp.Or(have.Firm, open.Firm))
	case there && m.another(have.Source, source), invited && !there && m.another(open.Source, source):
		problem = fmt.Sprintf("person_id: %s is %s here, and %s in this line: give the other one another short name in the column person", id, cmp.Or(have.Source, open.Source), source)
	case !m.mayWrite(f):
		problem = fmt.Sprintf("person: people of %s are invited by its sponsor or OT security", f.id)
	case there:
		m.known(row, f.id, have)
		return
	default:
		problem = m.newcomer(row, f, id, open, invited)
	}
	if problem != "" {
		m.problem(row.Line, "%s", problem)
	}
}

// another says whether somebody known by an id of this system is not who this
// line is about: keys, patterns and windows of the one are not the other's.
func (m *importing) another(have, source string) bool {
	from, _, imported := strings.Cut(have, "/")
	return imported && from == m.system && source != "" && have != source
}

// mayWrite: of a new firm OT security alone, or nobody could be its sponsor.
func (m *importing) mayWrite(f *importFirm) bool {
	return m.r.isSecurity(m.by) || f.there && m.r.mayInvite(m.by, f.have)
}

// invitation is the newest that waits for somebody to use it.
func (m *importing) invitation(id policy.PersonID, source string) (newest Invitation, ok bool) {
	for _, inv := range m.open {
		if (inv.Person == id || source != "" && inv.Source == source) && (!ok || inv.Until.After(newest.Until)) {
			newest, ok = inv, true
		}
	}
	return newest, ok
}

// newcomer is invited; somebody whose code still works is not invited twice.
func (m *importing) newcomer(row SheetRow, f *importFirm, id policy.PersonID, open Invitation, invited bool) string {
	phone, mail, problem := row.reach()
	if problem != "" {
		return problem
	}
	if invited && m.now.Before(open.Until) {
		m.say(row.Line, f.id, id, "same", "invited by %s, and the code works until %s", open.By, open.Until.In(m.zone).Format("2006-01-02 15:04"))
		return ""
	}
	who := Invitation{Person: id, Firm: f.id, Name: row.PersonName, Phone: phone, Mail: mail, Source: m.source(row.PersonID)}
	if err := m.r.checkInvited(who, Firm{ID: f.id}); err != nil {
		if no, ok := errors.AsType[*policy.Refusal](err); ok {
			return "person: " + strings.TrimSuffix(strings.TrimPrefix(no.Say, "The person cannot be invited so: "), ".")
		}
		return "person: " + err.Error()
	}
	text := row.PersonName // how they are reached too: the code is read out to that number
	for _, said := range []string{who.Phone, who.Mail, who.Source} {
		if said != "" {
			text += ", " + said
		}
	}
	if invited {
		text += ", again: the code of before is over"
	}
	m.step(m.say(row.Line, f.id, id, "invited", "%s", text), func(ctx context.Context, by Actor) (*Invitation, error) {
		made, err := m.r.Invite(ctx, by, who)
		return &made, err
	})
	return ""
}

func (r SheetRow) reach() (phone, mail, problem string) {
	phone, err := cleanPhone(r.Phone)
	if err != nil {
		return "", "", "phone: " + err.Error()
	}
	if mail, err = cleanMail(r.Mail); err != nil {
		return "", "", "mail: " + err.Error()
	}
	return phone, mail, ""
}

// known is somebody who is here: what the list says otherwise is written by the
// verbs of one person.
func (m *importing) known(row SheetRow, firm policy.FirmID, have Person) {
	phone, mail, problem := row.reach()
	if err := checkText("person_name", row.PersonName, maxName); err != nil {
		problem = err.Error()
	}
	if problem != "" {
		m.problem(row.Line, "%s", problem)
		return
	}
	var diff []string
	add := func(what, was, is string, do func(context.Context, Actor) error) {
		if is == "" || was == is {
			return
		}
		diff = append(diff, fmt.Sprintf("%s was %s, becomes %s", what, cmp.Or(was, "none"), is))
		c := ImportChange{row.Line, firm, have.ID, "changed", diff[len(diff)-1]}
		m.step(c, func(ctx context.Context, by Actor) (*Invitation, error) { return nil, do(ctx, by) })
	}
	if row.PersonName != "" && row.PersonName != have.Name && !m.r.isSecurity(m.by) {
		m.problem(row.Line, "person_name: %s is %q here and %q in the list, and names are changed by OT security", have.ID, have.Name, row.PersonName)
		return
	}
	add("name", have.Name, row.PersonName, func(ctx context.Context, by Actor) error {
		return m.r.Change(ctx, by, have.ID, row.PersonName, have.Roles)
	})
	add("phone", have.Phone, phone, func(ctx context.Context, by Actor) error { return m.r.SetPhone(ctx, by, have.ID, phone) })
	add("mail", have.Mail, mail, func(ctx context.Context, by Actor) error { return m.r.SetMail(ctx, by, have.ID, mail) })
	if len(diff) == 0 {
		m.say(row.Line, firm, have.ID, "same", "")
		return
	}
	m.say(row.Line, firm, have.ID, "changed", "%s", strings.Join(diff, "; "))
}

// missing names who was imported from this system and is not in the list any
// more. Nothing is done to them: whoever leaves is said to leave by a person.
func (m *importing) missing() {
	for _, f := range m.haveFirms {
		if system, _, ok := strings.Cut(f.Source, "/"); ok && system == m.system && m.seen["firm "+string(f.ID)] == 0 && (f.Until.IsZero() || f.Until.After(m.now)) {
			m.say(0, f.ID, "", "missing", "the list does not have it any more; it stays until somebody ends its contract")
		}
	}
	for _, p := range m.havePeople {
		if system, _, ok := strings.Cut(p.Source, "/"); ok && system == m.system && m.seen["person "+string(p.ID)] == 0 && !p.Disabled {
			m.say(0, p.Firm, p.ID, "missing", "the list does not have them any more; they stay until somebody says that they have left")
		}
	}
	slices.SortStableFunc(m.plan.Changes, func(a, b ImportChange) int { return cmp.Compare(cmp.Or(a.Line, 1<<30), cmp.Or(b.Line, 1<<30)) })
}
