package people

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/policy"
)

var berlin = func() *time.Location {
	l, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return l
}()

func (h *house) read(text string) Sheet {
	h.t.Helper()
	s, err := ReadSheet("csv", []byte(text))
	h.ok(err)
	return s
}

// plans is what an import of a sheet would do, a line each.
func (h *house) plans(by policy.PersonID, text string) (ImportPlan, string) {
	h.t.Helper()
	size := h.log.Size()
	p, err := h.r.PlanImport(ctx, h.actor(by), "sap", h.read(text), berlin)
	h.ok(err)
	if h.log.Size() != size {
		h.t.Error("a plan wrote something")
	}
	var all []string
	for _, c := range p.Changes {
		all = append(all, fmt.Sprintf("%s %s/%s %s", c.Does, c.Firm, c.Person, c.Text))
	}
	for _, p := range p.Problems {
		all = append(all, p.String())
	}
	return p, strings.Join(all, "\n")
}

func (h *house) imports(by policy.PersonID, text string) Imported {
	h.t.Helper()
	p, _ := h.plans(by, text)
	done, err := h.r.Import(ctx, h.actor(by), "sap", h.read(text), berlin, p.Hash, true)
	h.ok(err)
	return done
}

func (h *house) says(text string, want ...string) {
	h.t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			h.t.Errorf("no %q in\n%s", w, text)
		}
	}
}

// A list is looked at, written, brought again, and brought again by people who
// were renamed there, with one firm less.
func TestImportOfFirms(t *testing.T) {
	h := newHouse(t, documents(t))
	sheet := "\xef\xbb\xbffirm_id;firm;vendor;sponsor;contract_end;networks;engineer_id;engineer;phone;mail;plant code\r\n" +
		"4711;;Müller Kälte;Olaf Brandt;31.03.2027;203.0.113.0/24, 203.0.113.9;E1;\"Jörg\r\nMüller\";+49 431 555 0177;joerg@kaelte.example;x\r\n" +
		"4711;;Müller Kälte;;;;E2;Eva Groß;;;\r\n" +
		"4712;polar;Polar;mia;2026-12-31;;;;;;\r\n"
	plan, text := h.plans("sven", sheet)
	h.says(text, "new mueller-kaelte/ Müller Kälte, sponsor olaf, from 203.0.113.0/24 203.0.113.9/32, contract to 2027-03-31",
		"new polar/ Polar, sponsor mia, from nowhere yet: nobody of it gets in, contract to 2026-12-31",
		"invited mueller-kaelte/joerg-mueller Jörg Müller", "invited mueller-kaelte/eva-gross Eva Groß")
	if ignored := h.read(sheet).Ignored; !slices.Equal(ignored, []string{"plant code"}) {
		t.Errorf("ignored %q", ignored)
	}

	h.refused("plan-changed", func() error {
		_, err := h.r.Import(ctx, h.actor("sven"), "sap", h.read(strings.Replace(sheet, "31.03", "30.03", 1)), berlin, plan.Hash, true)
		return err
	})
	h.refused("code-needed", func() error {
		late := h.actor("sven")
		late.At = h.now.Add(-time.Hour)
		_, err := h.r.Import(ctx, late, "sap", h.read(sheet), berlin, plan.Hash, true)
		return err
	})
	done := h.imports("sven", sheet)
	if len(done.Done) != 4 || len(done.Invitations) != 2 || len(done.Problems) != 0 {
		t.Fatalf("%+v", done)
	}
	f, err := h.r.Firm(ctx, "mueller-kaelte")
	h.ok(err)
	if end := time.Date(2027, 4, 1, 0, 0, 0, 0, berlin); !f.Until.Equal(end) || f.Source != "sap/4711" || f.Sponsor != "olaf" || len(f.Networks) != 2 {
		t.Errorf("%+v", f)
	}
	if _, text = h.plans("sven", sheet); strings.Count(text, "same ") != 4 {
		t.Errorf("the same list again, before anybody came:\n%s", text)
	}
	i := slices.IndexFunc(done.Invitations, func(i Invitation) bool { return i.Person == "joerg-mueller" })
	_, err = h.r.Join(ctx, done.Invitations[i].Code, key("joerg"))
	h.ok(err)
	joerg, err := h.r.Person(ctx, "joerg-mueller")
	h.ok(err)
	if joerg.Mail != "joerg@kaelte.example" || joerg.Phone != "+494315550177" || joerg.Source != "sap/E1" {
		t.Errorf("%+v", joerg)
	}

	h.now = h.now.Add(25 * time.Hour) // Eva's code is over
	again := "firm_id;vendor;sponsor;networks;person_id;person_name;phone\n4711;Kälte-Müller AG;;203.0.113.0/24;E1;Jörg Schmidt;+49 431 555 0178\n4711;;;;E2;Eva Groß;\n"
	_, text = h.plans("sven", again)
	h.says(text, "changed mueller-kaelte/ name was Müller Kälte, becomes Kälte-Müller AG; networks was 203.0.113.0/24 203.0.113.9/32, becomes 203.0.113.0/24",
		"changed mueller-kaelte/joerg-mueller name was Jörg Müller, becomes Jörg Schmidt; phone was +494315550177, becomes +494315550178",
		"invited mueller-kaelte/eva-gross Eva Groß, sap/E2, again: the code of before is over", "missing polar/ the list does not have it any more")
	done = h.imports("sven", again)
	if joerg, err = h.r.Person(ctx, "joerg-mueller"); err != nil || joerg.Name != "Jörg Schmidt" || joerg.Phone != "+494315550178" || joerg.Source != "sap/E1" || len(done.Invitations) != 1 {
		t.Errorf("%+v %v, %+v", joerg, err, done)
	}
	if f, err = h.r.Firm(ctx, "polar"); err != nil || f.Name != "Polar" {
		t.Errorf("what the list has no more is gone: %+v %v", f, err)
	}
	h.ok(h.r.SetFirm(ctx, h.actor("sven"), Firm{ID: "polar", Name: "Polar Nord", Sponsor: "mia"}))
	if f, err = h.r.Firm(ctx, "polar"); err != nil || f.Source != "sap/4712" {
		t.Errorf("a firm that somebody writes by hand forgets where it came from: %+v %v", f, err)
	}
	h.rebuilt()
}

// A short name that is somebody's is not another one's, however much a list says so:
// the keys, patterns and windows of the first would be called the second's.
func TestImportTakesNobodysPlace(t *testing.T) {
	h := newHouse(t, documents(t))
	done := h.imports("sven", "firm_id;firm;vendor;sponsor;networks;person_id;person;engineer;phone\n4711;kaelte;Kälte;olaf;203.0.113.0/24;E1;jo;Jo Kahn;+49 431 555 0177\n")
	if len(done.Invitations) != 1 {
		t.Fatalf("%+v", done)
	}
	other := "firm_id;firm;person_id;person;engineer;phone\n4711;kaelte;E2;jo;Jo Krug;+49 431 555 0199\n"
	_, text := h.plans("sven", other) // the first one's code is not used yet
	h.says(text, "person_id: jo is sap/E1 here, and sap/E2 in this line")
	_, err := h.r.Join(ctx, done.Invitations[0].Code, key("jo"))
	h.ok(err)
	_, text = h.plans("sven", other)
	h.says(text, "person_id: jo is sap/E1 here, and sap/E2 in this line")
	if done = h.imports("sven", other); len(done.Done) != 0 {
		t.Errorf("%+v", done.Done)
	}
	if jo, err := h.r.Person(ctx, "jo"); err != nil || jo.Name != "Jo Kahn" || jo.Phone != "+494315550177" {
		t.Errorf("jo is somebody else now: %+v %v", jo, err)
	}
}

// Whoever looked at a plan saw the number that the code will be read out to: a list
// with another number, address or id is another plan.
func TestImportPlanSaysHowNewPeopleAreReached(t *testing.T) {
	h := newHouse(t, documents(t))
	sheet := "firm_id;firm;vendor;sponsor;networks;person_id;person;engineer;phone;mail\n4711;kaelte;Kälte;olaf;203.0.113.0/24;E1;jo;Jo Kahn;+49 431 555 0177;jo@kaelte.example\n"
	plan, text := h.plans("sven", sheet)
	h.says(text, "+494315550177", "jo@kaelte.example", "sap/E1", "sap/4711")
	for _, edit := range [][2]string{{"0177", "0199"}, {"jo@kaelte", "jo@kalte"}, {"E1;", "E2;"}, {"4711;", "4712;"}} {
		h.refused("plan-changed", func() error {
			_, err := h.r.Import(ctx, h.actor("sven"), "sap", h.read(strings.Replace(sheet, edit[0], edit[1], 1)), berlin, plan.Hash, true)
			return err
		})
	}
}

// Who has left and what is over do not come back by a list, and nobody moves.
func TestImportLeavesAlone(t *testing.T) {
	h := newHouse(t, documents(t))
	h.ok(h.r.Disable(ctx, h.actor("sven"), "ann", "left"))
	h.now = time.Date(2027, 5, 1, 0, 0, 0, 0, time.UTC)
	const head = "firm;firm_name;sponsor;until;person;person_name\n"
	_, text := h.plans("sven", head+"krall;;;2030-12-31;;\nfjord;;;;mia;Mia Voss\n")
	h.says(text, "left-alone krall/ its contract ended here on 2027-04-01, and the list says 2030-12-31: an import renews nothing that is over",
		"left-alone fjord/ this is the plant itself", "left-alone fjord/mia")
	h.now = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	_, text = h.plans("sven", head+"krall;;;;ann;Ann Berg\nkrall;;;;mia;Mia\n")
	h.says(text, "left-alone krall/ann has left, and does not come back", "line 3: person: mia is somebody of fjord here, and a person does not move")
	_, text = h.plans("olaf", head+"krall;Krall AG;;;;\nother;Other;olaf;;eva;Eva\n") // the sponsor of krall, of no security role
	h.says(text, "firm: krall is changed", "firms are written by OT security", "line 3: person: eva is left out with the firm other")
	_, text = h.plans("olaf", head+"krall;;;;eva;Eva Lund\n")
	h.says(text, "invited krall/eva Eva Lund")
	if done := h.imports("olaf", head+"krall;;;;eva;Eva Lund\n"); len(done.Invitations) != 1 {
		t.Errorf("%+v", done)
	}
	h.refused("plant-people-only", func() error {
		_, err := h.r.PlanImport(ctx, Actor{Person: "eva", Firm: "krall"}, "sap", Sheet{}, berlin)
		return err
	})
}

func TestBadSheetsOfFirms(t *testing.T) {
	h := newHouse(t, documents(t))
	const head = "firm_id;firm;firm_name;sponsor;until;networks;person_id;person;person_name;phone;mail\n"
	for story, row := range map[string][2]string{
		"a sponsor who is nobody":     {"1;polar;Polar;nobody;;;;;;;\n", `line 2: sponsor: "nobody" is nobody of the plant`},
		"a vendor as the sponsor":     {"1;polar;Polar;ann;;;;;;;\n", `line 2: sponsor: "ann" is nobody of the plant`},
		"no sponsor":                  {"1;polar;Polar;;;;;;;;\n", "line 2: sponsor: a new firm has a sponsor"},
		"29 February of no leap year": {"1;polar;Polar;mia;29.02.2027;;;;;;\n", `line 2: until: "29.02.2027" is no day`},
		"29 February of a leap year":  {"1;polar;Polar;mia;29.02.2028;;;;;;\n", "contract to 2028-02-29"},
		"an American day":             {"1;polar;Polar;mia;03/31/2027;;;;;;\n", "is no day; write it as 2027-03-31"},
		"a network that is none":      {"1;polar;Polar;mia;;10.0.0.0/33;;;;;\n", `line 2: networks: "10.0.0.0/33" is no network`},
		"the whole world":             {"1;polar;Polar;mia;;0.0.0.0/0;;;;;\n", "line 2: networks: 0.0.0.0/0 is the whole world"},
		"a formula":                   {"1;polar;=cmd|' /C calc'!A0;mia;;;;;;;\n", "line 2: firm_name: \"=cmd|' /C calc'!A0\" begins like a formula"},
		"a name that turns around":    {"1;polar;Po\u202elar;mia;;;;;;;\n", "line 2: firm_name: there is a character in it that cannot be seen"},
		"two sponsors of one firm":    {"1;polar;Polar;mia;;;;;;;\n1;polar;;olaf;;;;;;;\n", `line 3: sponsor: "olaf" here and "mia" in line 2: one firm has one`},
		"two firms of one name":       {"1;;Polar;mia;;;;;;;\n2;;Polar;mia;;;;;;;\n", `line 3: firm_id: polar is "1" in line 2 and "2" here: they are two firms`},
		"no short name":               {"1;;株式会社;mia;;;;;;;\n", `line 2: firm: "株式会社" makes no short name`},
		"two people of one name":      {";krall;;;;;;;Eva Lund;;\n;krall;;;;;;;Eva Lund;;\n", "line 3: person: eva-lund stands in line 2 already"},
		"a person named as a door":    {";krall;;;;;;desk;Desk;;\n", "not join, desk, cert or penstock"},
		"a number nobody can ring":    {";krall;;;;;;eva;Eva;0431 555;\n", "line 2: phone: "},
		"mail that is none":           {";krall;;;;;;eva;Eva;;nowhere\n", `line 2: mail: "nowhere" is no mailbox`},
		"a long name":                 {";krall;;;;;;eva;" + strings.Repeat("x", 90) + ";;\n", "line 2: person: the name has 90 characters"},
	} {
		if _, text := h.plans("sven", head+row[0]); !strings.Contains(text, row[1]) {
			t.Errorf("%s: no %q in\n%s", story, row[1], text)
		}
	}
	for story, row := range map[string][3]string{
		"50 000 lines":          {"csv", "firm\n" + strings.Repeat("x\n", 50_000), "more than 5000 lines"},
		"too many bytes":        {"csv", strings.Repeat("x", MaxSheet+1), "part it"},
		"no column for a firm":  {"csv", "person\nann\n", "no column is called firm"},
		"half a character":      {"csv", "\xff\xfea", "UTF-16"},
		"neither of the two":    {"csv", "firm\n\x81\n", "neither UTF-8 nor Windows-1252"},
		"an unknown format":     {"xlsx", "", "csv or json"},
		"JSON of another shape": {"json", `{"firms":[]}`, "a list of firms is wanted"},
		"an unknown key":        {"json", `[{"firm":"x","colour":"red"}]`, "colour"},
		"50 000 in JSON":        {"json", "[" + strings.Repeat("{},", 50_000) + "{}]", "at most 5000"},
		"JSON that goes on":     {"json", "[] []", "after the list"},
	} {
		if _, err := ReadSheet(row[0], []byte(row[1])); err == nil || !strings.Contains(err.Error(), row[2]) {
			t.Errorf("%s: %v, want %q", story, err, row[2])
		}
	}
	var many strings.Builder
	many.WriteString("firm;person;person_name\n")
	for i := range maxSteps + 1 {
		fmt.Fprintf(&many, "krall;p%d;P\n", i)
	}
	h.refused("too-many", func() error {
		_, err := h.r.PlanImport(ctx, h.actor("sven"), "sap", h.read(many.String()), berlin)
		return err
	})
	h.refused("bad-system", func() error {
		_, err := h.r.PlanImport(ctx, h.actor("sven"), "sap/1", Sheet{}, berlin)
		return err
	})
	bad := head + "1;polar;Polar;nobody;;;;;;;\n2;thermo;Thermo;mia;;;;;;;\n"
	p, _ := h.plans("sven", bad)
	h.refused("lines-left-out", func() error {
		_, err := h.r.Import(ctx, h.actor("sven"), "sap", h.read(bad), berlin, p.Hash, false)
		return err
	})
	if done := h.imports("sven", bad); len(done.Done) != 1 || done.Done[0].Firm != "thermo" {
		t.Errorf("the rest, where one line is left out: %+v", done)
	}
}

func TestSheetOfFirmsInJSON(t *testing.T) {
	s, err := ReadSheet("json", []byte(`[{"id":"4711","firm":"polar","name":"Polar","sponsor":"mia","until":"2027-03-31","networks":["203.0.113.0/24"],
		"people":[{"id":"E1","person":"eva","name":"Eva Lund","phone":"+49 431 555 0121","mail":"eva@polar.example"},{"name":"=x"}]}]`))
	if err != nil || len(s.Rows) != 2 || len(s.Problems) != 1 || s.Problems[0].Line != 3 {
		t.Fatalf("%+v %v", s, err)
	}
	want := SheetRow{Line: 2, FirmID: "4711", Firm: "polar", FirmName: "Polar", PersonID: "E1", Person: "eva", PersonName: "Eva Lund", Phone: "+49 431 555 0121", Mail: "eva@polar.example"}
	if s.Rows[1] != want || s.Rows[0].Networks != "203.0.113.0/24" {
		t.Errorf("%+v", s.Rows)
	}
}

// Sixty firms with three people each are one list, and quickly written.
func TestSixtyFirms(t *testing.T) {
	h := newHouse(t, documents(t))
	begin := time.Now()
	var b strings.Builder
	b.WriteString("firm_id;firm;firm_name;sponsor;until;networks;person_id;person;person_name;phone\n")
	for i := range 60 {
		for j := range 3 {
			fmt.Fprintf(&b, "%d;vendor-%d;Vendor %d;olaf;2027-12-31;203.0.113.%d/32;%d-%d;p-%d-%d;Engineer %d of %d;+49 431 555 %04d\n", i, i, i, i, i, j, i, j, j, i, i*3+j)
		}
	}
	done := h.imports("sven", b.String())
	if len(done.Done) != 240 || len(done.Invitations) != 180 || len(done.Problems) != 0 {
		t.Fatalf("%d done, %d invited, %v", len(done.Done), len(done.Invitations), done.Problems)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	h.rebuilt()
}

// Whatever comes in, a plan names lines of the list, and writes nothing.
func FuzzSheet(f *testing.F) {
	for _, s := range []string{"firm;sponsor\nx;mia\n", "firm_id,vendor,until\n1,\"A\nB\",31.03.2027\n", "firm;person;phone\nkrall;ann;+49 431\n", "\xff\xfef\x00", "firm\nM\xfcller\n"} {
		f.Add("csv", []byte(s))
	}
	f.Add("json", []byte(`[{"firm":"krall","people":[{"name":"Ann"}]}]`))
	f.Fuzz(func(t *testing.T, format string, b []byte) {
		s, err := ReadSheet(format, b)
		if err != nil {
			return
		}
		for _, row := range s.Rows {
			if row.Line < 1 || strings.ContainsAny(row.FirmName+row.PersonName+row.Sponsor, "\n\x00\x1b") {
				t.Errorf("%+v", row)
			}
		}
		for _, p := range s.Problems {
			if p.Line < 1 || p.Text == "" {
				t.Errorf("%+v", p)
			}
		}
	})
}
