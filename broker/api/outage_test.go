package api

import (
	"penstock/policy"
	"reflect"
	"strings"
	"testing"
	"time"
)

var (
	outageFrom = time.Date(2026, 12, 5, 21, 0, 0, 0, time.UTC)
	outageTo   = time.Date(2026, 12, 7, 5, 0, 0, 0, time.UTC)
)

func berlin(t testing.TB) *time.Location {
	t.Helper()
	l, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A planner's spreadsheet, as Excel in Germany writes it, and as others do.
func TestRowsOfASpreadsheet(t *testing.T) {
	const line1 = "A;Hall 1;krall;ann,ben;maint@filler-plc filler-plc:modbus;look set;05.12.2026 22:00;;4h;WO-1;;;;;;\"Valve; fill head 3\""
	const line2 = "B;;thermo;ola;viewer@pasteur-plc;look;2026-12-06 06:00;2026-12-06T10:30:00+01:00;90;;;;;;1;Trend"
	want := []RowAsk{
		{Crew: "A", Area: "Hall 1", Ask: Ask{Firm: "krall", People: []string{"ann", "ben"}, Targets: []Target{{"filler-plc", "ssh", "maint"}, {"filler-plc", "modbus", ""}},
			Rights: []string{"look", "set"}, Reason: "Valve; fill head 3", WorkOrder: "WO-1", Minutes: 240, From: outageFrom, To: outageTo}},
		{Crew: "B", After: []int{1}, Ask: Ask{Firm: "thermo", People: []string{"ola"}, Targets: []Target{{"pasteur-plc", "ssh", "viewer"}}, Rights: []string{"look"}, Reason: "Trend", Minutes: 90,
			From: time.Date(2026, 12, 6, 5, 0, 0, 0, time.UTC), To: time.Date(2026, 12, 6, 9, 30, 0, 0, time.UTC)}},
	}
	file := RowColumns() + "\r\n" + line1 + "\r\n;;;;;;;;;;;;;;;\r\n" + line2 + "\r\n"
	for name, text := range map[string]string{"semicolons": file, "a byte-order mark": "\ufeff" + file, "other names": strings.Replace(file, "work_order", "Work order", 1),
		"tabs": strings.ReplaceAll(strings.ReplaceAll(file, `"Valve; fill head 3"`, "Valve! fill head 3"), ";", "\t")} {
		got, err := ParseRows(text, policy.ClockOf(berlin(t)), outageFrom, outageTo)
		if err != nil || len(got) != 2 {
			t.Errorf("%s: %v, %d rows", name, err, len(got))
			continue
		}
		got[0].Ask.Reason = strings.Replace(got[0].Ask.Reason, "!", ";", 1)
		for i := range got {
			got[i].Ask.From, got[i].Ask.To = got[i].Ask.From.UTC(), got[i].Ask.To.UTC()
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRowsThatDoNotRead(t *testing.T) {
	good := "krall;ann;maint@filler-plc;look;60;why\n"
	head := "firm;people;targets;rights;minutes;why\n"
	for name, row := range map[string]struct{ text, want string }{
		"nothing":             {"", "no line of names"},
		"a column too many":   {"colour;" + head + "red;" + good, `"colour" is no column`},
		"a column too few":    {strings.Replace(head, ";why", "", 1), "column why is missing"},
		"a column twice":      {"firm;" + head, "twice"},
		"nobody":              {head + "krall;;maint@filler-plc;look;60;why\n", "line 2: people is empty"},
		"no target":           {head + "krall;ann;filler-plc;look;60;why\n", "is no target"},
		"no number":           {head + "krall;ann;maint@filler-plc;look;soon;why\n", "no number of minutes"},
		"minus an hour":       {head + "krall;ann;maint@filler-plc;look;-60;why\n", "no number of minutes"},
		"a quote that runs":   {head + "krall;\"ann;maint@filler-plc;look;60;why\n", "no CSV"},
		"no time":             {"from;" + head + "noon;" + good, "is no time"},
		"a time leapt over":   {"from;" + head + "2027-03-28 02:30;" + good, "line 2: 02:30 does not come on 2027-03-28"},
		"after nothing":       {"after;" + head + "0;" + good, "rows count from 1"},
		"a row too many":      {head + strings.Repeat(good, 201), "more than 200 rows"},
		"more than ever":      {head + strings.Repeat("x", MaxRowFile), "more than 262144 bytes"},
		"forty wrong, in all": {head + strings.Repeat("krall;;x@y;look;60;why\n", 40), "and 20 lines more"},
	} {
		if _, err := ParseRows(row.text, policy.ClockOf(berlin(t)), outageFrom, outageTo); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What reads has what the rules of asking need, and never more rows than bounds.
func FuzzParseRows(f *testing.F) {
	f.Add(RowColumns() + "\nA;Hall;krall;ann;maint@filler-plc;look;;;60;WO;;;;;1;why\n")
	f.Add("\ufefffirm,people,targets,rights,minutes,why\nkrall,ann,filler-plc:modbus,look,4h,=1+1\n")
	f.Add("firm\tpeople\ttargets\trights\tminutes\twhy\n\x00\t\xff\t@\t:\t9\t\"\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := ParseRows(text, policy.ClockOf(time.UTC), outageFrom, outageTo)
		if err != nil {
			return
		}
		if len(rows) > maxRows {
			t.Fatalf("%d rows", len(rows))
		}
		for _, r := range rows {
			if r.Ask.Firm == "" || len(r.Ask.People) == 0 || len(r.Ask.Targets) == 0 || r.Ask.Minutes < 1 || r.Ask.From.IsZero() || r.Ask.To.IsZero() {
				t.Fatalf("%+v", r)
			}
		}
	})
}
