package inventory_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"penstock/policy"
	"penstock/policy/inventory"
)

const plantText = `site: {id: kiel, name: Kiel, timezone: Europe/Berlin}
teams: {it: {name: IT}, owner-1: {name: Owner}, ot-security: {name: OT security}}
lines: {filling: {name: Filling, criticality: 1}}
zones:
  dmz: {name: DMZ, levels: [3.5], sl_t: 3, owner: it, broker: here}
  line-1: {name: Filling line 1, levels: [1, 2], sl_t: 2, owner: owner-1}
  safety: {name: Safety, levels: [1], sl_t: 3, owner: owner-1, vendors: never}
conduits:
  - {name: c, from: dmz, to: line-1, carries: [ssh, modbus], rights: [look, copy, set], owners: [it, owner-1], why: x, review: 2027-03-31}
assets:
  own-plc: {tag: OWN, name: Own, zone: line-1, level: 1, address: 10.0.0.1, stops: [], ports: {modbus: {rights: [look]}}}
imported: [imported.yaml]
rules:
  - {name: all, when: {}, plan: [], open: shift, longest: 1h}
`

func plant(t testing.TB, imported string) *policy.Plant {
	t.Helper()
	p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(plantText), "imported.yaml": []byte(imported)})
	if problems != nil {
		t.Fatalf("%v\n%s", problems, imported)
	}
	return p
}

var day = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func merge(t testing.TB, p *policy.Plant, sheet string) (inventory.Result, []inventory.Problem) {
	t.Helper()
	read, err := inventory.CSV([]byte(sheet))
	if err != nil {
		t.Fatal(err)
	}
	r := inventory.Merge(p, "csv", read.Rows, day)
	return r, append(read.Problems, r.Problems...)
}

func did(r inventory.Result) string {
	var all []string
	for _, c := range r.Changes {
		all = append(all, fmt.Sprintf("%s %s %s", c.Does, c.Asset, c.Text))
	}
	return strings.Join(all, "\n")
}

// A sheet is imported, again, changed, without one machine, and with it again.
func TestImports(t *testing.T) {
	sheet := "id;asset;tag;title;zone;level;ip;hersteller;firmware;stops;ports;last_backup;colour\r\n" +
		"1;Filler PLC;FIL-1;\"Filler\r\ncontroller\";Filling line 1;1;10.20.1.11;Krall;4.20;filling;ssh/viewer=look~device ssh/maint=look+set modbus=look~device;22.09.2026;red\r\n" +
		"2;Capper;CAP-1;Capper;Halle 7;1;10.20.1.12;;;;;;\r\n" +
		"3;own plc;OWN;Own;line-1;1;10.0.0.9;;;;;;\r\n"
	r, problems := merge(t, plant(t, "{}"), sheet)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, want := range []string{"new filler-plc in zone line-1", `unplaced capper nobody reaches it: it lacks zone (the source says "Halle 7"`, "left-alone own-plc"} {
		if !strings.Contains(did(r), want) {
			t.Errorf("no %q in\n%s", want, did(r))
		}
	}
	p := plant(t, string(r.File))
	a, ok := p.Asset("filler-plc")
	if !ok || a.Title != "Filler controller" || a.Is.Firmware != "4.20" || a.Backup.Last.Format(time.DateOnly) != "2026-09-22" || len(a.Ports) != 2 || a.Source != (policy.Source{System: "csv", ID: "1"}) {
		t.Errorf("%+v", a)
	}
	if own, _ := p.Asset("own-plc"); own.Address.String() != "10.0.0.1" {
		t.Error("the plant's own asset was changed")
	}
	if _, ok := p.Asset("capper"); ok || len(p.Unplaced) != 1 {
		t.Error("a machine without a zone is an asset")
	}
	d := p.Decide(policy.Facts{Person: policy.PersonFacts{ID: "ann", Firm: "krall"}}, policy.Query{Stage: policy.AtAsk, Asset: "capper", Port: "ssh", Account: "x", Rights: policy.Look}, day)
	if d.Allow || d.Rule != "no-zone" || !strings.Contains(d.Say, "zone") {
		t.Errorf("%+v", d)
	}

	r, _ = merge(t, p, sheet)
	if got := strings.ReplaceAll(did(r), "left-alone", "same"); strings.Count(got, "same") != 3 {
		t.Errorf("the same sheet again: %s", got)
	}
	r, _ = merge(t, p, strings.ReplaceAll(strings.ReplaceAll(sheet, "Filler PLC", "Filler renamed"), "4.20", "4.21"))
	if got := did(r); !strings.Contains(got, "changed filler-plc firmware was 4.20, becomes 4.21") {
		t.Errorf("renamed there, and new firmware: %s", got)
	}
	r, _ = merge(t, p, "id;asset\n2;Capper\n")
	p = plant(t, string(r.File))
	if a, ok := p.Asset("filler-plc"); !ok || !a.Stale.Equal(day) || !strings.Contains(did(r), "stale filler-plc") {
		t.Errorf("gone from the sheet: %+v\n%s", a, did(r))
	}
	r, _ = merge(t, p, sheet)
	if a, _ := plant(t, string(r.File)).Asset("filler-plc"); !a.Stale.IsZero() || !strings.Contains(did(r), "back filler-plc") {
		t.Errorf("there again: %+v", a)
	}
	// A line that cannot be read is no machine that is gone.
	r, problems = merge(t, p, "id;asset;ip\n1;Filler PLC;not an address\n2;Capper;\n")
	if a, ok := plant(t, string(r.File)).Asset("filler-plc"); !ok || a.Address.String() != "10.20.1.11" || len(problems) != 1 || strings.Contains(did(r), "stale") {
		t.Errorf("%v\n%s", problems, did(r))
	}
	// Another system's import leaves these alone.
	r = inventory.Merge(p, "netbox", []inventory.Row{{ID: "9", Name: "new", Tag: "N", Zone: "line-1", Level: "1", Address: "10.0.0.7"}}, day)
	if a, ok := plant(t, string(r.File)).Asset("filler-plc"); !ok || a.Source.System != "csv" {
		t.Errorf("after another system's import: %+v", a)
	}
}

func TestBadSheets(t *testing.T) {
	le := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune("asset;zone\nplc-ä;line-1\n")) {
		le = binary.LittleEndian.AppendUint16(le, u)
	}
	many := "asset\n" + strings.Repeat("a\n", 50_000)
	for story, row := range map[string]struct {
		sheet    string
		rows     int
		problems string // of lines
		err      string
	}{
		"a mark, and commas":               {"\xef\xbb\xbfasset,zone\nplc,line-1\n", 1, "", ""},
		"sep= of Excel":                    {"sep=;\r\nasset;zone\r\nplc;line-1\r\n", 1, "", ""},
		"tabs":                             {"asset\tzone\nplc\tline-1\n", 1, "", ""},
		"UTF-16":                           {string(le), 1, "", ""},
		"UTF-16 cut in half":               {string(le[:len(le)-1]), 0, "", "half a character"},
		"UTF-16 without a mark":            {string(le[2:]), 0, "", "not UTF-8"},
		"neither UTF-8 nor Windows-1252":   {"asset\nplc-\x81\n", 0, "", "save as CSV UTF-8"},
		"a formula":                        {"asset;title\nplc;=HYPERLINK(1)\nplc-2;ok\n", 1, "line 2: title: \"=HYPERLINK(1)\" begins like a formula", ""},
		"at":                               {"asset;title\nplc;@SUM(1)\n", 0, "formula", ""},
		"plus":                             {"asset;title\nplc;+cmd|' /C calc'!A0\n", 0, "formula", ""},
		"a dash alone is nothing":          {"asset;title\nplc;-\n", 1, "", ""},
		"an escape sequence":               {"asset;title\nplc;\x1b[2J\n", 0, "cannot be seen", ""},
		"text that turns around":           {"asset;title\nplc;\u202egnp\n", 0, "cannot be seen", ""},
		"a long cell":                      {"asset;title\nplc;" + strings.Repeat("x", 2000) + "\n", 0, "at most 1000", ""},
		"a quote that is not closed":       {"asset;title\nplc;\"x\n", 0, "", "cannot be read"},
		"nothing":                          {"", 0, "", "is empty"},
		"no name":                          {"zone\nline-1\n", 0, "", "no column is called"},
		"a column twice":                   {"asset;name\na;b\n", 0, "", "two columns mean"},
		"50 000 lines":                     {many, 0, "", "more than 20000"},
		"too large":                        {strings.Repeat("x", inventory.MaxBytes+1), 0, "", "at most"},
		"lines of other lengths":           {"asset;zone\nplc\nplc-2;line-1;more\n", 2, "", ""},
		"an empty line, and one of blanks": {"asset;zone\n\n ; \nplc;line-1\n", 1, "", ""},
	} {
		sheet, err := inventory.CSV([]byte(row.sheet))
		rows, problems := sheet.Rows, sheet.Problems
		if (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
			t.Errorf("%s: error %v, want %q", story, err, row.err)
		}
		if len(rows) != row.rows && err == nil {
			t.Errorf("%s: %d rows: %+v", story, len(rows), rows)
		}
		if (len(problems) > 0) != (row.problems != "") || len(problems) > 0 && !strings.Contains(problems[0].String(), row.problems) {
			t.Errorf("%s: %v", story, problems)
		}
	}
	for story, row := range map[string][2]string{
		"one id twice":        {"id;asset\n1;a\n1;b\n", ""},
		"one name twice":      {"asset\nplc\nPLC\n", "plc stands in line 2 already"},
		"a multicast address": {"asset;ip\nplc;224.0.0.1\n", "no address of one machine"},
		"an unknown line":     {"asset;stops\nplc;bottling\n", `no line "bottling"`},
		"a name of signs":     {"asset\n???\n", "makes no id"},
		"a name that is long": {"asset\n" + strings.Repeat("a", 40) + "\n", "makes no id"},
		"no way in":           {"asset;ports\nplc;ssh viewer\n", "an ssh port has accounts"},
		"rights of nobody":    {"asset;ports\nplc;modbus=fly\n", `unknown right "fly"`},
		"a day that is none":  {"asset;backup\nplc;soon\n", "no day of a backup"},
	} {
		r, problems := merge(t, plant(t, "{}"), row[0])
		if row[1] == "" {
			continue // the second of two machines with one id keeps a name of its own
		}
		if len(problems) != 1 || !strings.Contains(problems[0].Text, row[1]) {
			t.Errorf("%s: %v\n%s", story, problems, did(r))
		}
	}
}

func TestNetBoxAndServiceNow(t *testing.T) {
	rows, problems, err := inventory.NetBox([]byte(`{"count":1,"next":null,"results":[{"id":7,"name":"filler-plc","asset_tag":"FIL-1","serial":"K-1","device_type":{"model":"FX5","manufacturer":{"name":"Krall"}},
		"location":{"name":"line-1"},"primary_ip4":{"address":"10.20.1.11/24"},"custom_fields":{"purdue_level":1,"firmware":"4.2","stops":["filling"]}},{"id":8,"name":"=x"}]}`))
	if err != nil || len(rows) != 1 || len(problems) != 1 || rows[0].ID != "7" || rows[0].Address != "10.20.1.11" || rows[0].Level != "1" || rows[0].Zone != "line-1" || rows[0].Maker != "Krall" {
		t.Errorf("%+v %v %v", rows, problems, err)
	}
	if r := inventory.Merge(plant(t, "{}"), "netbox", rows, day); did(r) != "new filler-plc in zone line-1" {
		t.Error(did(r))
	}
	if _, _, err := inventory.NetBox([]byte(`{"next":"https://x/?offset=50","results":[]}`)); err == nil || !strings.Contains(err.Error(), "one page of several") {
		t.Error(err)
	}
	rows, _, err = inventory.ServiceNow([]byte(`{"result":[{"sys_id":"a1","name":"Filler","asset_tag":"FIL-1","ip_address":"10.20.1.11","manufacturer":{"display_value":"Krall"},"zone":{"display_value":"Filling line 1"},"purdue_level":"1"}]}`))
	if err != nil || len(rows) != 1 || rows[0].ID != "a1" || rows[0].Maker != "Krall" || rows[0].Zone != "Filling line 1" {
		t.Errorf("%+v %v", rows, err)
	}
	if _, _, err := inventory.ServiceNow([]byte(`[1]`)); err == nil {
		t.Error("a list of numbers is a list of devices")
	}
}

// What Excel writes as plain CSV is read, and that it was a guess is said.
func TestWindows1252(t *testing.T) {
	sheet, err := inventory.CSV([]byte("asset;title\nplc;Abf\xfcller \x96 5 \x80\n"))
	if err != nil || len(sheet.Rows) != 1 || sheet.Rows[0].Title != "Abfüller – 5 €" || !strings.Contains(sheet.Note, "Windows-1252") {
		t.Errorf("%+v, %v", sheet, err)
	}
	if sheet, err = inventory.CSV([]byte("asset;title\nplc;Abfüller\n")); err != nil || sheet.Note != "" {
		t.Errorf("%+v, %v", sheet, err)
	}
}

// Four hundred machines in one sheet are one import.
func TestFourHundred(t *testing.T) {
	var b strings.Builder
	b.WriteString("id;asset;zone;level;ip;ports\n")
	for i := range 400 {
		fmt.Fprintf(&b, "%d;plc %d;line-1;1;10.20.%d.%d;ssh/viewer=look~device\n", i, i, i/200, i%200+1)
	}
	r, problems := merge(t, plant(t, "{}"), b.String())
	if p := plant(t, string(r.File)); len(problems) > 0 || len(p.Assets) != 401 {
		t.Errorf("%d assets, %v", len(p.Assets), problems)
	}
}

// Whatever comes in, what is written is a file that the plant file can name.
func FuzzImport(f *testing.F) {
	for _, s := range []string{"id;asset;zone\n1;plc;line-1\n", "sep=,\nasset,title\n\"a\",\"b\nc\"\n", "asset;ports\nplc;ssh/x=look~device modbus\n", "\xff\xfea\x00", "asset;ip;level;zone;backup\nplc;10.0.0.1;1;line-1;22.09.2026\n",
		"[{\"id\":1,\"name\":\"x\",\"location\":{\"name\":\"line-1\"}}]", "tag;stops\n\"a\"\"b\";filling\n", "asset;title\nnull;yes: no # {\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		sheet, err := inventory.CSV(b)
		rows := sheet.Rows
		if err != nil {
			if rows, _, err = inventory.NetBox(b); err != nil {
				return
			}
		}
		if len(rows) > 50 {
			rows = rows[:50]
		}
		r := inventory.Merge(plant(t, "{}"), "fuzz", rows, day)
		_, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(plantText), "imported.yaml": r.File})
		for _, p := range problems {
			known := strings.Contains(p.Text, "can do more") || strings.Contains(p.Text, "no usual TCP port") || strings.Contains(p.Text, "no port of its own") || strings.Contains(p.Text, "are both TCP") || strings.Contains(p.Text, "is no host key") ||
				strings.Contains(p.Text, "is here twice") || strings.Contains(p.Text, "must lie between") || strings.Contains(p.Text, "is not between") || strings.Contains(p.Text, "stands in zone")
			if !known {
				t.Errorf("%s\n%s", p, bytes.TrimSpace(r.File))
			}
		}
	})
}
