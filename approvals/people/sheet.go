package people

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"penstock/policy/inventory"
)

// Bounds of one import of firms and people.
const (
	MaxSheet     = 2 << 20 // bytes
	maxSheetRows = 5000
	maxSteps     = 1000 // firms and people that one import writes; a code is good for a day
)

// Sheet is what another system says of firms and their people, as it was read.
type Sheet struct {
	Rows     []SheetRow
	Ignored  []string // columns that mean nothing here
	Problems []LeftOut
	Note     string // how its bytes were read, where that was a guess
}

// SheetRow is one line: a firm, and one person of it where Person or PersonName
// says so. What is empty is kept as it is here.
type SheetRow struct {
	Line                                             int
	FirmID, Firm, FirmName, Sponsor, Until, Networks string
	PersonID, Person, PersonName, Phone, Mail        string
}

var sheetColumns = map[string][]string{
	"firm_id": {"firm_id", "vendor_id", "supplier_id", "lieferantennummer", "kreditor"}, "firm": {"firm", "firm_short", "vendor_short"},
	"firm_name": {"firm_name", "vendor", "vendor_name", "supplier", "company", "firma", "lieferant"}, "sponsor": {"sponsor", "owner", "ansprechpartner"},
	"until": {"until", "contract_end", "contract end", "contract until", "vertragsende"}, "networks": {"networks", "network", "addresses", "netze"},
	"person_id": {"person_id", "engineer_id", "employee_id", "personalnummer"}, "person": {"person", "person_short", "engineer_short"},
	"person_name": {"person_name", "engineer", "engineer_name", "name"}, "phone": {"phone", "telephone", "mobile", "telefon"}, "mail": {"mail", "email", "e-mail"},
}

func (r *SheetRow) field(column string) *string {
	return map[string]*string{"firm_id": &r.FirmID, "firm": &r.Firm, "firm_name": &r.FirmName, "sponsor": &r.Sponsor, "until": &r.Until, "networks": &r.Networks,
		"person_id": &r.PersonID, "person": &r.Person, "person_name": &r.PersonName, "phone": &r.Phone, "mail": &r.Mail}[column]
}

// ReadSheet reads a list of firms and their people: a sheet as Excel and others
// write it (inventory.ReadTable), a line for each person, or for a firm alone; or
// JSON, a list of firms, each with its people:
//
//	[{"id": "4711", "firm": "krall", "name": "Krall Fillers", "sponsor": "olaf", "until": "2027-03-31", "networks": ["198.51.100.0/24"],
//	  "people": [{"id": "E-1", "person": "ann", "name": "Ann Keller", "phone": "+49 431 555 0121", "mail": "ann@krall.example"}]}]
//
// The error is for what cannot be read at all.
func ReadSheet(format string, text []byte) (Sheet, error) {
	if len(text) > MaxSheet {
		return Sheet{}, fmt.Errorf("the file has %d bytes; at most %d are read at once: part it", len(text), MaxSheet)
	}
	switch format {
	case "csv":
		return readCSV(text)
	case "json":
		return readJSON(text)
	}
	return Sheet{}, fmt.Errorf("the format is csv or json, not %.20q", format)
}

func readCSV(text []byte) (Sheet, error) {
	t, err := inventory.ReadTable(text, sheetColumns, maxSheetRows)
	if err != nil {
		return Sheet{}, err
	}
	if !t.Has["firm"] && !t.Has["firm_name"] {
		return Sheet{}, errors.New("no column is called firm or firm_name: the first line names the columns: firm, firm_name, sponsor, until, networks, person, person_name, phone, mail, …")
	}
	out := Sheet{Ignored: t.Ignored, Problems: t.Problems, Note: t.Note}
	for _, cells := range t.Rows {
		row := SheetRow{Line: cells.Line}
		for column, text := range cells.Text {
			*row.field(column) = text
		}
		if row != (SheetRow{Line: cells.Line}) {
			out.Rows = append(out.Rows, row)
		}
	}
	return out, nil
}

type jsonFirm struct {
	ID       string       `json:"id"`
	Firm     string       `json:"firm"`
	Name     string       `json:"name"`
	Sponsor  string       `json:"sponsor"`
	Until    string       `json:"until"`
	Networks []string     `json:"networks"`
	People   []jsonPerson `json:"people"`
}

type jsonPerson struct {
	ID     string `json:"id"`
	Person string `json:"person"`
	Name   string `json:"name"`
	Phone  string `json:"phone"`
	Mail   string `json:"mail"`
}

// readJSON makes a row of each firm, and one of each of its people; lines count
// these, from 1.
func readJSON(text []byte) (Sheet, error) {
	var firms []jsonFirm
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	d.DisallowUnknownFields()
	if err := d.Decode(&firms); err != nil {
		return Sheet{}, fmt.Errorf("a list of firms is wanted, each with firm, name, sponsor, until, networks and people: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Sheet{}, errors.New("there is something after the list of firms")
	}
	var out Sheet
	line := 0
	add := func(row SheetRow) {
		if line++; line > maxSheetRows {
			return
		}
		row.Line = line
		for column := range sheetColumns {
			clean, problem := inventory.Clean(*row.field(column))
			if problem != "" {
				out.Problems = append(out.Problems, LeftOut{Line: line, Text: column + ": " + problem})
				return
			}
			*row.field(column) = clean
		}
		out.Rows = append(out.Rows, row)
	}
	for _, f := range firms {
		firm := SheetRow{FirmID: f.ID, Firm: f.Firm, FirmName: f.Name, Sponsor: f.Sponsor, Until: f.Until, Networks: strings.Join(f.Networks, " ")}
		add(firm)
		for _, p := range f.People {
			add(SheetRow{FirmID: f.ID, Firm: f.Firm, FirmName: f.Name, PersonID: p.ID, Person: p.Person, PersonName: p.Name, Phone: p.Phone, Mail: p.Mail})
		}
	}
	if line > maxSheetRows {
		return Sheet{}, fmt.Errorf("there are %d firms and people; at most %d are read at once: part it", line, maxSheetRows)
	}
	return out, nil
}
