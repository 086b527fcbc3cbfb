package inventory

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const maxCell = 1000 // bytes

// Table is a sheet whose columns are known: of machines, or of firms and people.
type Table struct {
	Rows     []Cells
	Has      map[string]bool // the columns that are there
	Ignored  []string        // those that mean nothing here
	Problems []Problem       // lines that are not among Rows
	Note     string          // how its bytes were read, where that was a guess
}

// Cells are one line: what its columns say, on one line each.
type Cells struct {
	Line int
	Text map[string]string
}

// ReadTable reads a sheet as Excel and others write it: commas, semicolons or
// tabs; UTF-8 with or without a mark, UTF-16 with one, or Windows-1252; cells with
// line breaks in quotes. columns gives each column the names that it may have in
// the first line; most is how many lines it may have. The error is for a sheet
// that cannot be read at all.
func ReadTable(sheet []byte, columns map[string][]string, most int) (t Table, err error) {
	text, note, err := decode(sheet)
	if err != nil {
		return t, err
	}
	t = Table{Has: map[string]bool{}, Note: note}
	comma, text := separator(text)
	if comma == 0 {
		return t, errors.New("the sheet is empty: its first line names the columns")
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.TrimLeadingSpace, r.ReuseRecord = comma, -1, true, true
	head, err := r.Read()
	if err != nil {
		return t, fmt.Errorf("the first line cannot be read: %w", err)
	}
	place, err := t.heads(head, columns)
	if err != nil {
		return t, err
	}
	for n := 0; ; n++ {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return t, fmt.Errorf("the sheet cannot be read further: %w", err)
		}
		if n == most {
			return t, fmt.Errorf("the sheet has more than %d lines, more than are read at once", most)
		}
		line, _ := r.FieldPos(0)
		row := Cells{Line: line, Text: make(map[string]string, len(place))}
		if p := row.fill(cells, place); p != "" {
			t.Problems = append(t.Problems, Problem{line, p})
		} else {
			t.Rows = append(t.Rows, row)
		}
	}
}

// decode makes UTF-8 of the sheet, or says what to do; note says what was guessed.
func decode(sheet []byte) (text, note string, err error) {
	if len(sheet) > MaxBytes {
		return "", "", fmt.Errorf("the file has %d bytes; at most %d are read", len(sheet), MaxBytes)
	}
	for _, mark := range []struct {
		bytes string
		order binary.ByteOrder
	}{{"\xff\xfe", binary.LittleEndian}, {"\xfe\xff", binary.BigEndian}} {
		if rest, ok := bytes.CutPrefix(sheet, []byte(mark.bytes)); ok {
			if len(rest)%2 != 0 {
				return "", "", errors.New("the file begins as UTF-16 and ends in half a character: save it again")
			}
			units := make([]uint16, len(rest)/2)
			for i := range units {
				units[i] = mark.order.Uint16(rest[2*i:])
			}
			return string(utf16.Decode(units)), "", nil
		}
	}
	sheet = bytes.TrimPrefix(sheet, []byte("\xef\xbb\xbf"))
	if bytes.IndexByte(sheet, 0) >= 0 {
		return "", "", errors.New("the file is not UTF-8 (in Excel: save as CSV UTF-8)")
	}
	if !utf8.Valid(sheet) {
		if text, ok := windows1252(sheet); ok {
			return text, "The file is not UTF-8; it was read as Windows-1252, as Excel writes plain CSV. Look at the umlauts and accents below, or save it as CSV UTF-8.", nil
		}
		return "", "", errors.New("the file is neither UTF-8 nor Windows-1252 (in Excel: save as CSV UTF-8)")
	}
	return string(sheet), "", nil
}

// high are the characters that Windows-1252 has at 0x80 to 0x9f; 0 where it has
// none (unicode.org, MAPPINGS/VENDORS/MICSFT/WINDOWS/CP1252.TXT).
var high = [32]rune{'€', 0, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0, 'Ž', 0,
	0, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0, 'ž', 'Ÿ'}

func windows1252(sheet []byte) (string, bool) {
	var b strings.Builder
	for _, c := range sheet {
		r := rune(c)
		if c >= 0x80 && c < 0xa0 {
			if r = high[c-0x80]; r == 0 {
				return "", false
			}
		}
		b.WriteRune(r)
	}
	return b.String(), true
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
func (t *Table) heads(cells []string, columns map[string][]string) (place map[int]string, err error) {
	place = map[int]string{}
next:
	for i, cell := range cells {
		word := strings.ToLower(strings.TrimSpace(cell))
		for column, words := range columns {
			if slices.Contains(words, word) {
				if t.Has[column] {
					return nil, fmt.Errorf("two columns mean %s: %q is one of them; leave one out", column, word)
				}
				t.Has[column], place[i] = true, column
				continue next
			}
		}
		if word != "" {
			t.Ignored = append(t.Ignored, shown(word))
		}
	}
	return place, nil
}

func (c *Cells) fill(cells []string, place map[int]string) (problem string) {
	for i, cell := range cells {
		column, known := place[i]
		if !known {
			continue
		}
		text, problem := Clean(cell)
		if problem != "" {
			return column + ": " + problem
		}
		c.Text[column] = text
	}
	return ""
}

// Clean is a cell's text on one line. What a spreadsheet would run is refused:
// this text stands in files that people open in one.
func Clean(cell string) (text, problem string) {
	text = strings.Join(strings.Fields(cell), " ")
	if text == "-" || strings.EqualFold(text, "n/a") {
		return "", ""
	}
	switch {
	case len(text) > maxCell:
		return "", fmt.Sprintf("the cell has %d bytes, at most %d", len(text), maxCell)
	case text != "" && strings.ContainsRune("=+-@", rune(text[0])) && !telephone.MatchString(text):
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

// telephone is what begins with a plus and is no formula.
var telephone = regexp.MustCompile(`^\+[0-9][0-9 ()/.-]*$`)

// shown is a piece of hostile text for a person.
func shown(s string) string {
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
