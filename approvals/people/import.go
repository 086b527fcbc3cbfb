package people

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"penstock/audit"
	"penstock/policy"
	"penstock/policy/inventory"
)

// ImportChange is what an import does to one firm, or to one person of it.
type ImportChange struct {
	Line   int // where the list says it; 0: it does not
	Firm   policy.FirmID
	Person policy.PersonID // empty: the firm
	Does   string          // new, changed, invited, same, left-alone, missing
	Text   string
}

// LeftOut is a line that is not used, and why.
type LeftOut = inventory.Problem

// ImportPlan is what an import would do; Hash is its print, by which Import knows
// that nothing of it has changed since somebody looked.
type ImportPlan struct {
	Changes  []ImportChange
	Problems []LeftOut // lines that are left out
	Hash     audit.Hash

	steps []importStep
}

// importStep writes one change by the verb that a person would use.
type importStep struct {
	change ImportChange
	do     func(context.Context, Actor) (*Invitation, error)
}

// Imported is what an import did. What a verb refused is a problem; the rest is
// written all the same, and the same list brought again does what is left.
type Imported struct {
	Done        []ImportChange
	Invitations []Invitation // with their codes, which are nowhere else
	Problems    []LeftOut
}

// PlanImport compares a list with the firms and people that are here, and writes
// nothing. system names where the list comes from: its ids are this system's, and
// by them a firm or person is known again whatever they are called there now. An
// empty cell keeps what is here; nothing is taken away and nobody leaves: what the
// list has no more is named as missing. Ends of contracts are last days in zone.
// By a person of the plant; the steps ask for each verb's own right again.
func (r *Roster) PlanImport(ctx context.Context, by Actor, system string, s Sheet, zone *time.Location) (ImportPlan, error) {
	p, err := r.plantPerson(ctx, by)
	if err != nil {
		return ImportPlan{}, err
	}
	if !policy.ValidID(system) {
		return ImportPlan{}, refuse("bad-system", "Name the system that the list comes from by small letters, digits and hyphens, such as sap.", "system %.40q", system)
	}
	m := &importing{r: r, by: p, system: system, zone: zone, now: r.Now(), firms: map[policy.FirmID]*importFirm{}, seen: map[string]int{}}
	m.plan.Problems = slices.Clone(s.Problems)
	if err := m.read(ctx); err != nil {
		return ImportPlan{}, err
	}
	rows := m.rows(s.Rows)
	for _, f := range m.order {
		m.firm(f)
	}
	for _, row := range rows {
		m.person(row)
	}
	if len(m.plan.Problems) == 0 {
		m.missing()
	}
	return m.done()
}

// Import does what PlanImport says, if that is still what plan is the print of.
// leaveOut writes the rest where lines are left out. After an error that is no
// Refusal what was done is returned with it.
func (r *Roster) Import(ctx context.Context, by Actor, system string, s Sheet, zone *time.Location, plan audit.Hash, leaveOut bool) (Imported, error) {
	if _, err := r.giving(ctx, by); err != nil {
		return Imported{}, err
	}
	now, err := r.PlanImport(ctx, by, system, s, zone)
	if err != nil {
		return Imported{}, err
	}
	switch {
	case now.Hash != plan:
		return Imported{}, refuse("plan-changed", "Firms or people have changed since you looked at what this would do. Look at it again.", "plan %s is now %s", plan, now.Hash)
	case len(now.Problems) > 0 && !leaveOut:
		return Imported{}, refuse("lines-left-out", fmt.Sprintf("%d lines cannot be used, so nothing is written: mend them, or say that they are left out.", len(now.Problems)), "%d problems", len(now.Problems))
	}
	var out Imported
	for _, step := range now.steps {
		invited, err := step.do(ctx, by)
		if no, ok := errors.AsType[*policy.Refusal](err); ok {
			out.Problems = append(out.Problems, LeftOut{Line: step.change.Line, Text: no.Say})
			continue
		}
		if err != nil {
			return out, fmt.Errorf("import line %d: %w", step.change.Line, err)
		}
		out.Done = append(out.Done, step.change)
		if invited != nil {
			out.Invitations = append(out.Invitations, *invited)
		}
	}
	return out, nil
}

// importing is the making of one plan.
type importing struct {
	r      *Roster
	by     Person
	system string
	zone   *time.Location
	now    time.Time

	haveFirms  []Firm
	havePeople []Person
	open       []Invitation // that nobody has used yet, late ones too

	firms map[policy.FirmID]*importFirm
	order []*importFirm
	seen  map[string]int // "firm krall", "person ann" → line
	plan  ImportPlan
}

// importFirm is a firm as its lines have it together.
type importFirm struct {
	SheetRow
	id      policy.FirmID
	have    Firm
	there   bool
	refused bool // its people are left out with it
	where   map[string]int
}

func (m *importing) read(ctx context.Context) (err error) {
	if m.haveFirms, err = m.r.Firms(ctx); err != nil {
		return err
	}
	if m.havePeople, err = m.r.People(ctx); err != nil {
		return err
	}
	for row, err := range m.r.rows.List(ctx, inviteRow) {
		var inv Invitation
		if err == nil {
			err = json.Unmarshal(row.Value, &inv)
		}
		if err != nil {
			return fmt.Errorf("list invitations: %w", err)
		}
		m.open = append(m.open, inv)
	}
	return nil
}

func (m *importing) problem(line int, format string, args ...any) {
	m.plan.Problems = append(m.plan.Problems, LeftOut{Line: line, Text: fmt.Sprintf(format, args...)})
}

func (m *importing) say(line int, firm policy.FirmID, person policy.PersonID, does, format string, args ...any) ImportChange {
	c := ImportChange{line, firm, person, does, fmt.Sprintf(format, args...)}
	m.plan.Changes = append(m.plan.Changes, c)
	return c
}

func (m *importing) step(c ImportChange, do func(context.Context, Actor) (*Invitation, error)) {
	m.plan.steps = append(m.plan.steps, importStep{c, do})
}

// source is how this system's id is kept; a row without one has none.
func (m *importing) source(id string) string {
	if id == "" {
		return ""
	}
	return m.system + "/" + id
}

// rows gathers each firm's lines, and gives those that can be used.
func (m *importing) rows(all []SheetRow) (rows []SheetRow) {
	for _, row := range all {
		f, problem := m.firmOf(row)
		if problem == "" {
			problem = f.gather(row)
		}
		if problem != "" {
			m.problem(row.Line, "%s", problem)
			continue
		}
		row.Firm = string(f.id)
		rows = append(rows, row)
	}
	return rows
}

// firmOf finds the firm of a line: by the source's id, else by its short name,
// else by what its name makes.
func (m *importing) firmOf(row SheetRow) (*importFirm, string) {
	id, source := policy.FirmID(cmp.Or(row.Firm, shortName(row.FirmName))), m.source(row.FirmID)
	for _, have := range m.haveFirms {
		if source != "" && have.Source == source {
			id = have.ID
		}
	}
	if !policy.ValidID(string(id)) {
		return nil, fmt.Sprintf("firm: %.40q makes no short name of at most 32 small letters, digits and hyphens: write one in the column firm", cmp.Or(row.Firm, row.FirmName, row.FirmID))
	}
	f, ok := m.firms[id]
	if ok && f.FirmID != "" && row.FirmID != "" && f.FirmID != row.FirmID {
		return nil, fmt.Sprintf("firm_id: %s is %.40q in line %d and %.40q here: they are two firms, so give one another short name in the column firm", id, f.FirmID, f.Line, row.FirmID)
	}
	if ok {
		return f, ""
	}
	f = &importFirm{id: id, where: map[string]int{}}
	f.Line = row.Line
	if i := slices.IndexFunc(m.haveFirms, func(h Firm) bool { return h.ID == id }); i >= 0 {
		f.have, f.there = m.haveFirms[i], true
	}
	if m.another(f.have.Source, source) {
		return nil, fmt.Sprintf("firm_id: %s is %s here, and %s in this line: give the new firm another short name in the column firm", id, f.have.Source, source)
	}
	m.firms[id], m.order = f, append(m.order, f)
	return f, ""
}

// gather adds what a line says of its firm; two lines may not differ in it.
func (f *importFirm) gather(row SheetRow) string {
	for _, column := range []string{"firm_id", "firm_name", "sponsor", "until", "networks"} {
		mine, said := f.field(column), *row.field(column)
		if said == "" || said == *mine {
			continue
		}
		if *mine != "" {
			return fmt.Sprintf("%s: %.60q here and %.60q in line %d: one firm has one", column, said, *mine, f.where[column])
		}
		*mine, f.where[column] = said, row.Line
	}
	return ""
}

// firm compares a firm with what is here.
func (m *importing) firm(f *importFirm) {
	m.seen["firm "+string(f.id)] = f.Line
	if f.there && f.have.Plant {
		f.refused = true
		m.say(f.Line, f.id, "", "left-alone", "this is the plant itself; its people are invited one by one, with their roles")
		return
	}
	want, problem := m.wanted(f)
	if problem != "" {
		f.refused = true
		m.problem(f.Line, "%s", problem)
		return
	}
	if f.there && !f.have.Until.IsZero() && !f.have.Until.After(m.now) && want.Until != f.have.Until {
		f.refused = true
		m.say(f.Line, f.id, "", "left-alone", "its contract ended here on %s, and the list says %s: an import renews nothing that is over; write the firm by hand", m.day(f.have.Until), m.day(want.Until))
		return
	}
	does, text := "new", fmt.Sprintf("%s, sponsor %s, from %s, contract to %s", want.Name, want.Sponsor, cmp.Or(prefixes(want.Networks), "nowhere yet: nobody of it gets in"), m.day(want.Until))
	if want.Source != "" {
		text += ", " + want.Source
	}
	if f.there {
		diff := m.differences(f.have, want)
		if len(diff) == 0 {
			m.say(f.Line, f.id, "", "same", "")
			return
		}
		does, text = "changed", strings.Join(diff, "; ")
	}
	if !m.r.isSecurity(m.by) {
		f.refused = true
		m.problem(f.Line, "firm: %s is %s (%s), and firms are written by OT security", f.id, does, text)
		return
	}
	if !want.Until.IsZero() && !want.Until.After(m.now) {
		text += ", which is over: nobody of it gets in"
	}
	m.step(m.say(f.Line, f.id, "", does, "%s", text), func(ctx context.Context, by Actor) (*Invitation, error) { return nil, m.r.SetFirm(ctx, by, want) })
}

// wanted is the firm as it is to be.
func (m *importing) wanted(f *importFirm) (Firm, string) {
	want := f.have
	want.ID, want.Name, want.Source = f.id, cmp.Or(f.FirmName, f.have.Name), cmp.Or(m.source(f.FirmID), f.have.Source)
	for _, part := range []struct {
		column, said string
		read         func(string) error
	}{
		{"sponsor", f.Sponsor, func(s string) (err error) { want.Sponsor, err = m.sponsor(s); return err }},
		{"until", f.Until, func(s string) (err error) { want.Until, err = lastDay(s, m.zone); return err }},
		{"networks", f.Networks, func(s string) (err error) { want.Networks, err = networks(s); return err }},
	} {
		if part.said == "" {
			continue
		}
		if err := part.read(part.said); err != nil {
			return want, part.column + ": " + err.Error()
		}
	}
	switch {
	case want.Name == "":
		return want, "firm_name: a new firm has a name"
	case want.Sponsor == "":
		return want, "sponsor: a new firm has a sponsor among the plant's people"
	}
	if err := checkName("firm_name", want.Name); err != nil {
		return want, err.Error()
	}
	if _, err := cleanNetworks(want.Networks); err != nil {
		return want, "networks: " + err.Error()
	}
	return want, ""
}

func (m *importing) differences(have, want Firm) (all []string) {
	add := func(what, was, is string) {
		if was != is {
			all = append(all, fmt.Sprintf("%s was %s, becomes %s", what, cmp.Or(was, "none"), cmp.Or(is, "none")))
		}
	}
	add("name", have.Name, want.Name)
	add("sponsor", string(have.Sponsor), string(want.Sponsor))
	add("networks", prefixes(have.Networks), prefixes(want.Networks))
	add("contract's end", m.day(have.Until), m.day(want.Until))
	add("id there", have.Source, want.Source)
	return all
}

func prefixes(list []netip.Prefix) string {
	return strings.Join(networkWords(list), " ")
}

// day is the last day of a contract.
func (m *importing) day(end time.Time) string {
	if end.IsZero() {
		return "no end"
	}
	return end.Add(-time.Second).In(m.zone).Format(time.DateOnly)
}

// sponsor finds a person of the plant by short name, mail or name.
func (m *importing) sponsor(said string) (policy.PersonID, error) {
	var found []Person
	for _, p := range m.havePeople {
		plant := slices.ContainsFunc(m.haveFirms, func(f Firm) bool { return f.ID == p.Firm && f.Plant })
		if plant && !p.Disabled && (string(p.ID) == said || strings.EqualFold(p.Name, said) || p.Mail != "" && strings.EqualFold(p.Mail, said)) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 1:
		return found[0].ID, nil
	case 0:
		return "", fmt.Errorf("%.60q is nobody of the plant who is here: write the short name of somebody who is", said)
	}
	return "", fmt.Errorf("%.60q is %s or %s: write the short name", said, found[0].ID, found[1].ID)
}

var dayForms = []string{time.DateOnly, "02.01.2006", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "02.01.2006 15:04"}

// lastDay reads a contract's last day; the contract ends with it.
func lastDay(s string, zone *time.Location) (time.Time, error) {
	for _, form := range dayForms {
		if t, err := time.Parse(form, s); err == nil && t.Year() >= 2000 && t.Year() <= 2200 {
			return cleanTime(time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, zone)), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is no day; write it as 2027-03-31", s)
}

var notInShort = regexp.MustCompile(`[^a-z0-9]+`)

// latin are letters that a short name writes by others.
var latin = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "æ", "ae", "ø", "oe", "å", "aa", "é", "e", "è", "e", "ê", "e", "ë", "e", "á", "a", "à", "a", "â", "a",
	"ç", "c", "í", "i", "ï", "i", "ñ", "n", "ó", "o", "ò", "o", "ô", "o", "ú", "u", "ù", "u", "û", "u", "š", "s", "ž", "z")

// shortName makes a short name of a name.
func shortName(s string) string {
	return strings.Trim(notInShort.ReplaceAllString(latin.Replace(strings.ToLower(s)), "-"), "-")
}

func (m *importing) done() (ImportPlan, error) {
	if n := len(m.plan.steps); n > maxSteps {
		return ImportPlan{}, refuse("too-many", fmt.Sprintf("This would write %d firms and people, at most %d at once: part the list.", n, maxSteps), "%d steps", n)
	}
	slices.SortStableFunc(m.plan.Problems, func(a, b LeftOut) int { return cmp.Compare(a.Line, b.Line) })
	text, err := json.Marshal([]any{m.system, m.plan.Changes, m.plan.Problems})
	if err != nil {
		return ImportPlan{}, fmt.Errorf("print of an import: %w", err)
	}
	m.plan.Hash = audit.HashOf(text)
	return m.plan, nil
}
