package inventory

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of one import.
const (
	MaxBytes = 16 << 20
	MaxRows  = 20_000 // as many assets as a plant file may have
	maxCell  = 1000   // bytes
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

// CSV reads a sheet as Excel and others write it: commas, semicolons or tabs;
// UTF-8 with or without a mark, or UTF-16 with one; cells with line breaks in
// quotes. ignored are the columns that mean nothing here. The error is for a
// sheet that cannot be read at all.
func CSV(sheet []byte) (rows []Row, ignored []string, problems []Problem, err error) {
	text, err := decode(sheet)
	if err != nil {
		return nil, nil, nil, err
	}
	r := csv.NewReader(strings.NewReader(text))
	if r.Comma, text = separator(text); r.Comma == 0 {
		return nil, nil, nil, errors.New("the sheet is empty: its first line names the columns: asset, tag, title, zone, level, address, …")
	}
	r = csv.NewReader(strings.NewReader(text))
	r.Comma, _ = separator(text)
	r.FieldsPerRecord, r.TrimLeadingSpace, r.ReuseRecord = -1, true, true
	head, err := r.Read()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("the first line cannot be read: %w", err)
	}
	place, ignored, err := heads(head)
	if err != nil {
		return nil, nil, nil, err
	}
	for n := 0; ; n++ {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, ignored, problems, nil
		}
		if err != nil {
			return nil, nil, nil, fmt.Errorf("the sheet cannot be read further: %w", err)
		}
		if n == MaxRows {
			return nil, nil, nil, fmt.Errorf("the sheet has more than %d lines, more than a plant file may have assets", MaxRows)
		}
		line, _ := r.FieldPos(0)
		row := Row{Line: line}
		if p := fill(&row, cells, place); p != "" {
			problems = append(problems, Problem{line, p})
		} else if row != (Row{Line: line}) {
			rows = append(rows, row)
		}
	}
}

// decode makes UTF-8 of the sheet, or says what to do.
func decode(sheet []byte) (string, error) {
	if len(sheet) > MaxBytes {
		return "", fmt.Errorf("the file has %d bytes; at most %d are read", len(sheet), MaxBytes)
	}
	for _, mark := range []struct {
		bytes string
		order binary.ByteOrder
	}{{"\xff\xfe", binary.LittleEndian}, {"\xfe\xff", binary.BigEndian}} {
		if rest, ok := bytes.CutPrefix(sheet, []byte(mark.bytes)); ok {
			if len(rest)%2 != 0 {
				return "", errors.New("the file begins as UTF-16 and ends in half a character: save it again")
			}
			units := make([]uint16, len(rest)/2)
			for i := range units {
				units[i] = mark.order.Uint16(rest[2*i:])
			}
			return string(utf16.Decode(units)), nil
		}
	}
	sheet = bytes.TrimPrefix(sheet, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(sheet) || bytes.IndexByte(sheet, 0) >= 0 {
		return "", errors.New("the file is not UTF-8 (in Excel: save as CSV UTF-8)")
	}
	return string(sheet), nil
}

// separator is what parts the cells: what the line sep= says, else what is most
// often in the first line. It gives the text without that line.
func separator(text string) (rune, string) {
	first, rest, _ := strings.Cut(text, "\n")
	if s, ok := strings.CutPrefix(strings.TrimSpace(first), "sep="); ok && len(s) == 1 && strings.Contains(",;\t|", s) {
		return rune(s[0]), rest
	}
	if strings.TrimSpace(first) == "" {
		return 0, text
	}
	best := ','
	for _, c := range ";\t" {
		if strings.Count(first, string(c)) > strings.Count(first, string(best)) {
			best = c
		}
	}
	return best, text
}

// heads finds the columns; a column twice is an error.
func heads(cells []string) (place map[int]string, ignored []string, err error) {
	place = map[int]string{}
	seen := map[string]bool{}
next:
	for i, cell := range cells {
		word := strings.ToLower(strings.TrimSpace(cell))
		for column, words := range columns {
			if slices.Contains(words, word) {
				if seen[column] {
					return nil, nil, fmt.Errorf("two columns mean %s: %q is one of them; leave one out", column, word)
				}
				seen[column], place[i] = true, column
				continue next
			}
		}
		if word != "" {
			ignored = append(ignored, shown(word))
		}
	}
	if !seen["name"] && !seen["tag"] {
		return nil, nil, errors.New("no column is called asset, name or tag: the first line names the columns")
	}
	return place, ignored, nil
}

func fill(row *Row, cells []string, place map[int]string) string {
	for i, cell := range cells {
		column, known := place[i]
		if !known {
			continue
		}
		text, problem := clean(cell)
		if problem != "" {
			return column + ": " + problem
		}
		*row.field(column) = text
	}
	return ""
}

// clean is a cell's text on one line. What a spreadsheet would run is refused:
// this text stands in files that people open in one.
func clean(cell string) (text, problem string) {
	text = strings.Join(strings.Fields(cell), " ")
	if text == "-" || strings.EqualFold(text, "n/a") {
		return "", ""
	}
	switch {
	case len(text) > maxCell:
		return "", fmt.Sprintf("the cell has %d bytes, at most %d", len(text), maxCell)
	case text != "" && strings.ContainsRune("=+-@", rune(text[0])):
		return "", fmt.Sprintf("%q begins like a formula; write it without the first character", shown(text))
	case !printable(text):
		return "", "there is a character in it that cannot be seen"
	}
	return text, ""
}

func printable(s string) bool {
	for _, c := range s {
		if c == utf8.RuneError || c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c >= 0x200b && c <= 0x200f || c >= 0x2028 && c <= 0x202e || c >= 0x2060 && c <= 0x206f || c == 0xfeff {
			return false
		}
	}
	return true
}

// shown is a piece of hostile text for a person.
func shown(s string) string {
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
