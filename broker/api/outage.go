package api

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OutageAsk is an outage as somebody plans it, for POST /outages/plan, which
// only says what is wrong with it, and POST /outages.
type OutageAsk struct {
	Name string    `json:"name"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Rows []RowAsk  `json:"rows"`
}

// RowAsk is one row of it. With Request it is one that is there and wants to be
// on the list; else it is asked for.
type RowAsk struct {
	Ask     Ask    `json:"ask,omitzero"`
	Request string `json:"request,omitempty"`
	Crew    string `json:"crew,omitempty"`
	Area    string `json:"area,omitempty"`
	After   []int  `json:"after,omitempty"` // rows of the same call, from 1, that are over first
}

// Plan is what is wrong with an outage before it is one; rows count from 1, and
// conflicts call them …
type Plan struct {
	Rows      []PlannedRow `json:"rows"`
	Conflicts []Conflict   `json:"conflicts,omitempty"`
	Escorts   string       `json:"escorts,omitempty"`
}

// PlannedRow is a row that is not possible, or has something unusual.
type PlannedRow struct {
	Row        int      `json:"row"`
	Impossible string   `json:"impossible,omitempty"`
	Look       []string `json:"look,omitempty"`
}

// Conflict is what does not go together in a list.
type Conflict struct {
	Rule string   `json:"rule"`
	Rows []string `json:"rows"`
	Say  string   `json:"say"`
}

// Outage is one list of work as it stands; the rows are there where one is asked for.
type Outage struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	From      time.Time   `json:"from"`
	To        time.Time   `json:"to"`
	Rev       int         `json:"rev"`
	Document  string      `json:"document"` // hash of the list, which a yes names
	By        string      `json:"by"`
	Withdrawn string      `json:"withdrawn,omitempty"`
	Listed    int         `json:"listed"`
	Rows      []OutageRow `json:"rows,omitempty"`
	Unlisted  []string    `json:"unlisted,omitempty"` // requests that want to be on it
	Conflicts []Conflict  `json:"conflicts,omitempty"`
	Escorts   string      `json:"escorts,omitempty"`
	Receipted
}

// OutageRow is one row as it stands.
type OutageRow struct {
	Request  string   `json:"request"`
	Document string   `json:"document"`
	Crew     string   `json:"crew,omitempty"`
	Area     string   `json:"area,omitempty"`
	After    []string `json:"after,omitempty"`
	Look     []string `json:"look,omitempty"` // what is unusual: it is taken one by one
	State    string   `json:"state"`
	Window   string   `json:"window,omitempty"`
	Runs     string   `json:"runs,omitempty"` // state of the window
	Needs    []Need   `json:"needs,omitempty"`
	Yours    bool     `json:"yours,omitempty"`
	Changed  bool     `json:"changed,omitempty"`
	Ask      Ask      `json:"ask"`
}

// ListAnswer is a yes to rows of the list whose hash is Document. Without Rows it
// is to all that wait for the caller and have nothing unusual, or were Looked at.
type ListAnswer struct {
	Document string   `json:"document"`
	Rows     []string `json:"rows,omitempty"`
	Looked   []string `json:"looked,omitempty"`
	Signed   *Signed  `json:"signed,omitempty"`
}

// ListTaken is what came of it: of each row that was not answered, why.
type ListTaken struct {
	Outage Outage            `json:"outage"`
	Rows   []string          `json:"rows"`
	Not    map[string]string `json:"not,omitempty"`
	Receipted
}

// CrewOpen names a crew; Opened is what came of one of its windows.
type CrewOpen struct {
	Crew string `json:"crew"`
}
type Opened struct {
	Window string `json:"window"`
	Until  string `json:"until,omitempty"`
	Say    string `json:"say,omitempty"` // why it is not open
}

// rowColumns are the columns of an outage's file. Those with a star must be there.
var rowColumns = []string{"crew", "area", "firm*", "people*", "targets*", "rights*", "from", "to", "minutes*", "work_order", "change", "backup", "backout", "area_clear", "after", "why*"}

// RowColumns is the first line of an outage's file.
func RowColumns() string { return strings.ReplaceAll(strings.Join(rowColumns, ";"), "*", "") }

// MaxRowFile bounds an outage's file, in bytes.
const MaxRowFile = 256 << 10

// maxRows is how many rows one outage has at most.
const maxRows = 200

// Clock reads a time of day in a layout as the plant's clock shows it
// (policy.ParseClock, which this package cannot import).
type Clock func(layout, s string) (time.Time, error)

// ParseRows reads an outage's rows from CSV, as a planner's spreadsheet writes
// it: a line of names, then a line each; separated by semicolons, commas or tabs,
// with or without a byte-order mark. Times without a zone are on the clock, and an
// empty one is the outage's own; people and targets are separated by spaces. All
// that is wrong is said at once, by line.
func ParseRows(text string, clock Clock, from, to time.Time) ([]RowAsk, error) {
	if len(text) > MaxRowFile {
		return nil, fmt.Errorf("the file has more than %d bytes", MaxRowFile)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	first, _, _ := strings.Cut(text, "\n")
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	switch {
	case strings.Contains(first, ";"):
		r.Comma = ';'
	case strings.Contains(first, "\t"):
		r.Comma = '\t'
	}
	columns, err := readColumns(r)
	if err != nil {
		return nil, err
	}
	var rows []RowAsk
	var wrong []error
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the file is no CSV: %w", err)
		}
		line, _ := r.FieldPos(0)
		if strings.TrimSpace(strings.Join(fields, "")) == "" {
			continue
		}
		if len(rows) >= maxRows {
			return nil, fmt.Errorf("line %d: more than %d rows", line, maxRows)
		}
		row, err := readRow(columns, fields, clock, from, to)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("line %d: %w", line, err))
		}
		rows = append(rows, row)
	}
	if len(wrong) > 20 {
		wrong = append(wrong[:20], fmt.Errorf("and %d lines more", len(wrong)-20))
	}
	return rows, errors.Join(wrong...)
}

// readColumns says in which field each column is.
func readColumns(r *csv.Reader) (map[string]int, error) {
	names, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("the file has no line of names: %s", RowColumns())
	}
	at := map[string]int{}
	for i, name := range names {
		name = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_")
		if name == "" {
			continue
		}
		if !slices.Contains(rowColumns, name) && !slices.Contains(rowColumns, name+"*") {
			return nil, fmt.Errorf("%.40q is no column; there are %s", name, RowColumns())
		}
		if _, twice := at[name]; twice {
			return nil, fmt.Errorf("column %s stands there twice", name)
		}
		at[name] = i
	}
	for _, name := range rowColumns {
		if need, must := strings.CutSuffix(name, "*"); must {
			if _, there := at[need]; !there {
				return nil, fmt.Errorf("column %s is missing; there are %s", need, RowColumns())
			}
		}
	}
	return at, nil
}

func readRow(columns map[string]int, fields []string, clock Clock, from, to time.Time) (RowAsk, error) {
	get := func(name string) string {
		if i, ok := columns[name]; ok && i < len(fields) {
			return strings.TrimSpace(fields[i])
		}
		return ""
	}
	var wrong []error
	row := RowAsk{Crew: get("crew"), Area: get("area")}
	a := &row.Ask
	a.Firm, a.People, a.Reason = get("firm"), words(get("people")), get("why")
	a.WorkOrder, a.Change, a.Backup, a.Backout, a.AreaClear = get("work_order"), get("change"), get("backup"), get("backout"), get("area_clear")
	a.Rights = words(get("rights"))
	for _, t := range words(get("targets")) {
		one, err := ParseTarget(t)
		wrong = append(wrong, err)
		a.Targets = append(a.Targets, one)
	}
	for name, have := range map[string]bool{"firm": a.Firm != "", "people": len(a.People) > 0, "targets": len(a.Targets) > 0, "rights": len(a.Rights) > 0, "why": a.Reason != ""} {
		if !have {
			wrong = append(wrong, fmt.Errorf("%s is empty", name))
		}
	}
	var err error
	a.Minutes, err = minutes(get("minutes"))
	wrong = append(wrong, err)
	a.From, err = moment(get("from"), clock, from)
	wrong = append(wrong, err)
	a.To, err = moment(get("to"), clock, to)
	wrong = append(wrong, err)
	for _, s := range words(get("after")) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			wrong = append(wrong, fmt.Errorf("after: %.20q is no row's number; rows count from 1", s))
		}
		row.After = append(row.After, n)
	}
	slices.SortStableFunc(wrong, func(a, b error) int { return strings.Compare(text(a), text(b)) })
	return row, errors.Join(wrong...)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// words are separated by spaces or commas.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == '\u00a0' })
}

// ParseTarget reads ACCOUNT@ASSET or ASSET:PORT.
func ParseTarget(s string) (Target, error) {
	if account, asset, ok := strings.Cut(s, "@"); ok && account != "" && asset != "" {
		return Target{Asset: asset, Port: "ssh", Account: account}, nil
	}
	if asset, port, ok := strings.Cut(s, ":"); ok && asset != "" && port != "" {
		return Target{Asset: asset, Port: port}, nil
	}
	return Target{}, fmt.Errorf("%.80q is no target: say account@asset, or asset:port", s)
}

func minutes(s string) (int, error) {
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n <= 31*24*60 {
		return n, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= time.Minute && d <= 31*24*time.Hour {
		return int(d / time.Minute), nil
	}
	return 0, fmt.Errorf("minutes: %.20q is no number of minutes, such as 240 or 4h", s)
}

func moment(s string, clock Clock, otherwise time.Time) (time.Time, error) {
	if s == "" {
		return otherwise, nil
	}
	for _, form := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "02.01.2006 15:04"} {
		if _, err := time.Parse(form, s); err == nil { // what the clock says of it: it leaps over some
			return clock(form, s)
		}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%.40q is no time, such as 2026-12-05 22:00", s)
}
