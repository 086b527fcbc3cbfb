package evidence

import (
	"maps"
	"slices"
	"time"

	"penstock/audit"
)

// outage is a list of work as the leaves tell it.
type outage struct {
	name     string
	from, to time.Time
	rows     map[string][]string   // of the newest revision: request → what comes before it
	lists    map[audit.Hash]string // every revision's document
	rev      int
	over     bool // withdrawn
}

// outageWritten: by somebody of the plant, or by Penstock where only texts are
// newer; each row names the newest text of a request that wants to be on it, and
// what is unusual is said as it is computed.
func (w *Walk) outageWritten(b audit.OutageWritten) {
	doc := w.document("list", b.Document)
	if doc == nil {
		return
	}
	o, err := ParseOutage(doc)
	if !w.must(err == nil, "%v", err) {
		return
	}
	w.must(o.Outage == b.Outage && o.Rev == b.Rev && o.By == b.By && w.leaf.Actor == b.By, "the leaf and the list differ")
	w.must(b.By == penstock && b.Rev > 1 || w.plantPerson(b.By), "written by %s, who is nobody of the plant", short(b.By))
	w.must(o.Plant == w.inForce || o.Plant == w.former && !w.leaf.Wall.After(w.newPlant.Add(crossTime)), "it names the plant file %s, and %s was in force", o.Plant, w.inForce)
	k := w.outages[b.Outage]
	if k == nil {
		w.must(b.Rev == 1, "it begins with revision %d", b.Rev)
		k = &outage{name: o.Name, from: o.From, to: o.To, lists: map[audit.Hash]string{}}
		w.outages[b.Outage] = k
	} else {
		w.must(b.Rev == k.rev+1 && !k.over, "revision %d follows revision %d, or one that was taken back", b.Rev, k.rev)
		w.must(o.Name == k.name && o.From.Equal(k.from) && o.To.Equal(k.to), "it is of another name or time than before")
	}
	before := k.rows
	k.rev, k.lists[b.Document], k.rows = b.Rev, b.Outage, map[string][]string{}
	for _, r := range o.Rows {
		k.rows[r.Request] = r.After
		_, was := before[r.Request]
		w.must(was || b.By != penstock, "penstock put %s on it", r.Request)
	}
	for _, request := range slices.Sorted(maps.Keys(before)) { // what was signed is the rows and their order
		after, is := k.rows[request]
		w.must(is, "%s is not on it any more", request)
		w.must(!is || slices.Equal(after, before[request]), "%s comes after %q, and came after %q when it was signed", request, after, before[request])
	}
	w.rowsOf(o)
}

// rowsOf holds each row to its request, and what is unusual to the texts.
func (w *Walk) rowsOf(o Outage) {
	texts := map[string]Request{}
	for _, row := range o.Rows {
		r := w.request(row.Request)
		if r == nil {
			continue
		}
		w.must(r.outage == o.Outage, "%s does not want to be on it", row.Request)
		w.must(r.hash == row.Document || !r.awaits() && r.state != "agreed", "it names another text of %s than the newest", row.Request)
		doc := w.document("request", row.Document)
		if doc == nil {
			continue
		}
		text, err := ParseRequest(doc)
		if w.must(err == nil && text.Request == row.Request, "it does not name a text of %s", row.Request) {
			texts[row.Request] = text
		}
	}
	plant := w.plant(o.Plant)
	if plant == nil {
		return
	}
	look := Unusual(plant, o, texts)
	for _, row := range o.Rows {
		w.must(slices.Equal(row.Look, look[row.Request]), "it tells what is unusual of %s as %q, and that is %q", row.Request, row.Look, look[row.Request])
	}
}

func (w *Walk) outageWithdrawn(b audit.OutageWithdrawn) {
	k := w.outages[b.Outage]
	if !w.must(k != nil && !k.over, "the log knows no outage %s that is still there", short(b.Outage)) {
		return
	}
	w.must(w.leaf.Actor == b.By && w.plantPerson(b.By), "taken back by %s, who is nobody of the plant", short(b.By))
	k.over = true
}

// inOutage: what wants to be on a list begins and ends within the outage.
func (w *Walk) inOutage(text Request) {
	k := w.outages[text.Outage]
	if w.must(k != nil && !k.over, "it is of outage %s, which the log does not know or which was taken back", short(text.Outage)) {
		w.must(!text.From.Before(k.from) && !text.To.After(k.to), "it is from %s to %s, and outage %s from %s to %s", clock(text.From), clock(text.To), text.Outage, clock(k.from), clock(k.to))
	}
}

// listed says whether an answer is to a list that names this text of a request;
// Check says whether it suffices.
func (w *Walk) listed(a Answer, id string, r *asked) bool {
	k := w.outages[r.outage]
	if k == nil || k.lists[a.Request] == "" || !slices.Contains(a.Rows, id) {
		return false
	}
	doc := w.document("list", a.Request)
	if doc == nil {
		return false
	}
	o, err := ParseOutage(doc)
	row, ok := o.Row(id)
	return err == nil && ok && row.Document == r.hash
}

// inOrder: what comes before a row in its outage is over when it opens, whether
// the outage was taken back or not.
func (w *Walk) inOrder(v *window) {
	r := w.requests[v.request]
	if r == nil || r.outage == "" {
		return
	}
	k := w.outages[r.outage]
	if k == nil {
		return
	}
	for _, first := range k.rows[v.request] {
		w.must(w.rowOver(first), "%s comes after %s in %s, which was not over", v.request, first, r.outage)
	}
}

// rowOver says whether nothing of a row runs any more, or ever will.
func (w *Walk) rowOver(request string) bool {
	r := w.requests[request]
	if r == nil || r.awaits() {
		return false
	}
	v := w.windows[r.window]
	return v == nil || r.state != "agreed" || v.state == "ended" || v.state == "cut" || v.state == "closed" || v.state == "unused"
}
