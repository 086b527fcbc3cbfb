package evidence

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// MaxRows bounds the list of one outage: two hundred rows are 64 KiB.
const MaxRows = 200

// Outage is the list of the work in one outage: canonical JSON, put as a
// document, named by hash. Whoever must agree signs the list once, naming the
// rows that they take (Answer.Rows); each row names its request's exact text by
// hash, so that one signature answers all of them and no other.
type Outage struct {
	V      int         `json:"v"` // 1
	Outage string      `json:"outage"`
	Rev    int         `json:"rev"` // from 1
	By     string      `json:"by"`  // who wrote this revision; penstock where a row's request was revised
	Name   string      `json:"name"`
	From   time.Time   `json:"from"`
	To     time.Time   `json:"to"`
	Plant  audit.Hash  `json:"plant"` // by which Look was computed
	Rows   []OutageRow `json:"rows"`
}

// OutageRow is one piece of work.
type OutageRow struct {
	Request  string     `json:"request"`
	Document audit.Hash `json:"document"`        // the request's text
	Crew     string     `json:"crew,omitempty"`  // who is opened together
	Area     string     `json:"area,omitempty"`  // of the plant, in its own words
	After    []string   `json:"after,omitempty"` // requests of other rows whose windows are over first
	Look     []string   `json:"look,omitempty"`  // what is unusual (Unusual): it is taken by itself or not at all
}

// ParseOutage reads an outage's list, as strictly as a request's text.
func ParseOutage(b []byte) (Outage, error) {
	var o Outage
	if err := parse("outage", b, &o); err != nil {
		return Outage{}, err
	}
	if err := o.check(); err != nil {
		return Outage{}, fmt.Errorf("outage: %w", err)
	}
	return o, nil
}

func (o Outage) check() error {
	errs := []error{isOne(o.V), counter("outage", "O-", o.Outage), between("rev", o.Rev, 1, 1<<20), id("by", o.By), filled("name", o.Name, maxName),
		moment("from", o.From), moment("to", o.To), set("plant", !o.Plant.IsZero()), between("number of rows", len(o.Rows), 0, MaxRows)}
	if !o.To.After(o.From) || o.To.Sub(o.From) > MaxSpan {
		errs = append(errs, fmt.Errorf("to: is not within %d days after from", int(MaxSpan.Hours()/24)))
	}
	known := map[string]bool{}
	for i, r := range o.Rows {
		at := fmt.Sprintf("rows[%d]", i)
		errs = append(errs, counter(at+".request", "R-", r.Request), set(at+".document", !r.Document.IsZero()),
			CheckText(at+".crew", r.Crew, maxName), CheckText(at+".area", r.Area, maxName), between(at+": number of after", len(r.After), 0, MaxList), between(at+": number of look", len(r.Look), 0, MaxList))
		for _, l := range r.Look {
			errs = append(errs, filled(at+".look", l, MaxText))
		}
		if known[r.Request] {
			errs = append(errs, fmt.Errorf("%s: %s is listed twice", at, short(r.Request)))
		}
		known[r.Request] = true
	}
	for i, r := range o.Rows {
		for k, after := range r.After {
			if !known[after] || after == r.Request || slices.Contains(r.After[:k], after) {
				errs = append(errs, fmt.Errorf("rows[%d].after: %q is no other row, or stands there twice", i, short(after)))
			}
		}
	}
	if len(errs) > 0 && errors.Join(errs...) == nil {
		if r := o.circle(); r != "" {
			return fmt.Errorf("rows: %s would have to be over before it begins", r)
		}
	}
	return errors.Join(errs...)
}

// circle is a row that comes after itself; empty: none does.
func (o Outage) circle() string {
	for _, r := range o.Rows {
		if o.Before(r.Request, r.Request) {
			return r.Request
		}
	}
	return ""
}

// Row is the row of a request.
func (o Outage) Row(request string) (OutageRow, bool) {
	i := slices.IndexFunc(o.Rows, func(r OutageRow) bool { return r.Request == request })
	if i < 0 {
		return OutageRow{}, false
	}
	return o.Rows[i], true
}

// Before says whether the work of one row is over before that of another begins.
func (o Outage) Before(first, then string) bool {
	rows := map[string][]string{}
	for _, r := range o.Rows {
		rows[r.Request] = r.After
	}
	seen := map[string]bool{}
	var reaches func(string) bool
	reaches = func(at string) bool {
		for _, b := range rows[at] {
			if b == first {
				return true
			}
			if !seen[b] {
				seen[b] = true
				if reaches(b) {
					return true
				}
			}
		}
		return false
	}
	return reaches(then)
}

// Conflict is what does not go together in a list.
type Conflict struct {
	Rule string   // two-writers, two-orders, two-firms, order
	Rows []string // requests
	Say  string
}

// Conflicts are what does not go together among the rows of a list, as far as
// its texts and the plant file say: two who change one machine that has one
// writer, one machine on two work orders at one time, and an order that the
// times forbid. Rows that come one after the other are in nobody's way. texts
// are the requests, by id.
func Conflicts(plant *policy.Plant, o Outage, texts map[string]Request) (list []Conflict) {
	for i, row := range o.Rows {
		a, ok := texts[row.Request]
		if !ok {
			continue
		}
		for _, after := range row.After {
			if b, ok := texts[after]; ok && !a.To.Add(-time.Duration(a.Minutes)*time.Minute).After(b.From) {
				list = append(list, Conflict{"order", []string{row.Request, after}, fmt.Sprintf("%s comes after %s, which begins only when %s is over.", row.Request, after, row.Request)})
			}
		}
		for _, other := range o.Rows[:i] {
			b, ok := texts[other.Request]
			if !ok || !a.From.Before(b.To) || !b.From.Before(a.To) || o.Before(row.Request, other.Request) || o.Before(other.Request, row.Request) {
				continue
			}
			list = append(list, clashes(plant, b, a)...)
		}
	}
	return list
}

// clashes are of two rows at the same time.
func clashes(plant *policy.Plant, a, b Request) (list []Conflict) {
	both := []string{a.Request, b.Request}
	seen := map[string]bool{}
	for _, t := range a.Assets {
		if seen[t.Asset] || !slices.ContainsFunc(b.Assets, func(o Target) bool { return o.Asset == t.Asset }) {
			continue
		}
		seen[t.Asset] = true
		asset, _ := plant.Asset(policy.AssetName(t.Asset))
		switch {
		case asset.OneWriter && changes(a) && changes(b):
			list = append(list, Conflict{"two-writers", both, fmt.Sprintf("%s and %s change %s at the same time, and it has one writer.", a.Request, b.Request, t.Asset)})
		case a.WorkOrder != b.WorkOrder && (changes(a) || changes(b)):
			list = append(list, Conflict{"two-orders", both, fmt.Sprintf("%s is on two work orders at the same time: %s (%s) and %s (%s).", t.Asset, orNone(a.WorkOrder), a.Request, orNone(b.WorkOrder), b.Request)})
		}
	}
	return list
}

// Elsewhere are what does not go together between a row and work that is on no
// list, or on another one: name says which, and when.
func Elsewhere(plant *policy.Plant, row, other Request, name string) (list []Conflict) {
	if !row.From.Before(other.To) || !other.From.Before(row.To) || !changes(row) && !changes(other) {
		return nil
	}
	seen := map[string]bool{}
	for _, t := range row.Assets {
		if seen[t.Asset] || !slices.ContainsFunc(other.Assets, func(o Target) bool { return o.Asset == t.Asset }) {
			continue
		}
		seen[t.Asset] = true
		asset, _ := plant.Asset(policy.AssetName(t.Asset))
		one := Conflict{Rows: []string{row.Request}}
		switch {
		case asset.OneWriter && changes(row) && changes(other):
			one.Rule, one.Say = "two-writers", fmt.Sprintf("%s and %s change %s at the same time, and it has one writer.", row.Request, name, t.Asset)
		case row.Firm != other.Firm:
			one.Rule, one.Say = "two-firms", fmt.Sprintf("Two firms are on %s at the same time, and not only to look: %s in %s, and %s.", t.Asset, row.Firm, row.Request, name)
		case row.WorkOrder != other.WorkOrder:
			one.Rule, one.Say = "two-orders", fmt.Sprintf("%s is on two work orders at the same time: %s (%s) and %s (%s).", t.Asset, orNone(row.WorkOrder), row.Request, orNone(other.WorkOrder), name)
		default:
			continue
		}
		list = append(list, one)
	}
	return list
}

func orNone(order string) string {
	if order == "" {
		return "none"
	}
	return order
}

// changes says whether a request asks for more than to look and to take out.
func changes(r Request) bool {
	return slices.ContainsFunc(r.Rights, func(w string) bool { return w != "look" && w != "copy" })
}

// Unusual says of each row what somebody looks at by itself before taking it, by
// request: it loads programs or changes the device, nobody stops what goes beyond, it is in a conflict.
// A row that is not in it goes with the rest.
func Unusual(plant *policy.Plant, o Outage, texts map[string]Request) map[string][]string {
	all := map[string][]string{}
	for _, row := range o.Rows {
		r, ok := texts[row.Request]
		if !ok {
			continue
		}
		for right, say := range map[string]string{"load": "loads programs", "device": "changes the device itself"} {
			if slices.Contains(r.Rights, right) {
				all[row.Request] = append(all[row.Request], say)
			}
		}
		if changes(r) && r.WorkOrder == "" {
			all[row.Request] = append(all[row.Request], "changes something, and names no work order")
		}
	}
	for _, c := range Conflicts(plant, o, texts) {
		for _, id := range c.Rows {
			all[id] = append(all[id], strings.TrimSuffix(c.Say, "."))
		}
	}
	for id := range all {
		slices.Sort(all[id])
		all[id] = slices.Compact(all[id])
		all[id] = all[id][:min(len(all[id]), 8)]
	}
	return all
}

// listed says whether an answer to an outage's list is one to this request: the
// list is the one that was signed, it names this very text, and the row was
// taken, by itself where something in it is unusual.
func (j *judge) listed(a Answer, g Given) bool {
	if len(g.Outage) == 0 || audit.HashOf(g.Outage) != a.Request {
		return false
	}
	o, err := ParseOutage(g.Outage)
	if err != nil || o.Outage != j.request.Outage || !slices.Contains(a.Rows, j.request.Request) {
		return false
	}
	row, ok := o.Row(j.request.Request)
	return ok && row.Document == j.hash
}

// looked: what is unusual was taken by itself.
func (j *judge) looked(a Answer, g Given) {
	o, err := ParseOutage(g.Outage)
	if err != nil {
		return // listed has said so
	}
	row, _ := o.Row(j.request.Request)
	j.must(len(row.Look) == 0 || slices.Contains(a.Looked, j.request.Request), "%s took %s with the rest, and it had to be looked at: %s", a.Person, j.request.Request, strings.Join(row.Look, ", "))
}
