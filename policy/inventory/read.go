package inventory

import (
	"errors"
	"fmt"
)

// Bounds of one import.
const (
	MaxBytes = 16 << 20
	MaxRows  = 20_000 // as many assets as a plant file may have
)

// Row is one machine as its source has it. Line is the line, or the place in
// the list, where it stands.
type Row struct {
	Line                                   int
	ID                                     string // in the source
	Name, Tag, Title                       string
	Zone, Level, Address                   string
	Maker, Model, Firmware, Serial, Backup string
	Stops, Ports, HostKey                  string
}

// Problem is what is wrong with one line; the line is left out.
type Problem struct {
	Line int
	Text string
}

// String is what a person reads.
func (p Problem) String() string { return fmt.Sprintf("line %d: %s", p.Line, p.Text) }

// columns are the heads of a sheet, in the words that sheets use.
var columns = map[string][]string{
	"id": {"id", "external_id", "sys_id", "external id"}, "name": {"asset", "name", "hostname", "host"}, "tag": {"tag", "asset_tag", "asset tag", "painted tag"},
	"title": {"title", "display_name", "display name", "description", "beschreibung", "bezeichnung"}, "zone": {"zone"}, "level": {"level", "purdue", "purdue_level", "purdue level"},
	"address": {"address", "ip", "ip_address", "ip address", "ip-adresse"}, "maker": {"maker", "manufacturer", "vendor", "hersteller"}, "model": {"model", "type", "typ"},
	"firmware": {"firmware", "firmware_version", "firmware version"}, "serial": {"serial", "serial_number", "serial number", "seriennummer"},
	"backup": {"backup", "last_backup", "last backup"}, "stops": {"stops", "lines", "line"}, "ports": {"ports"}, "host_key": {"host_key", "host key"},
}

func (r *Row) field(column string) *string {
	return map[string]*string{"id": &r.ID, "name": &r.Name, "tag": &r.Tag, "title": &r.Title, "zone": &r.Zone, "level": &r.Level, "address": &r.Address, "maker": &r.Maker,
		"model": &r.Model, "firmware": &r.Firmware, "serial": &r.Serial, "backup": &r.Backup, "stops": &r.Stops, "ports": &r.Ports, "host_key": &r.HostKey}[column]
}

// Sheet is what a list of machines says.
type Sheet struct {
	Rows     []Row
	Ignored  []string // columns that mean nothing here
	Problems []Problem
	Note     string // how its bytes were read, where that was a guess
}

// CSV reads a sheet of machines; ReadTable says how. The error is for a sheet
// that cannot be read at all.
func CSV(sheet []byte) (Sheet, error) {
	t, err := ReadTable(sheet, columns, MaxRows)
	if err != nil {
		return Sheet{}, err
	}
	if !t.Has["name"] && !t.Has["tag"] {
		return Sheet{}, errors.New("no column is called asset, name or tag: the first line names the columns")
	}
	out := Sheet{Ignored: t.Ignored, Problems: t.Problems, Note: t.Note}
	for _, cells := range t.Rows {
		row := Row{Line: cells.Line}
		for column, text := range cells.Text {
			*row.field(column) = text
		}
		if row != (Row{Line: cells.Line}) {
			out.Rows = append(out.Rows, row)
		}
	}
	return out, nil
}
