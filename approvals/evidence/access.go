package evidence

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"penstock/audit"
)

// MaxAccess bounds the people of one list.
const MaxAccess = 300

// AccessList is who may come in for one firm, or holds one role, at a moment:
// canonical JSON, put as a document, named by access.listed. Lines are sorted by
// person. Since and Used are the broker's reading of the log.
type AccessList struct {
	V     int          `json:"v"`     // 1
	Scope string       `json:"scope"` // "firm/krall" or "role/shift"
	At    time.Time    `json:"at"`
	Due   time.Time    `json:"due"`
	Lines []AccessLine `json:"lines"`
}

// AccessLine is one person of it.
type AccessLine struct {
	Person string    `json:"person"`
	Since  time.Time `json:"since"`         // when they came, or were given the role
	By     string    `json:"by,omitempty"`  // who let them in, or gave it; empty: the plant's first file
	Used   time.Time `json:"used,omitzero"` // when they last signed in or worked; zero: never
}

// ParseAccess reads a list, as strictly as a request.
func ParseAccess(b []byte) (AccessList, error) {
	var l AccessList
	if err := parse("access list", b, &l); err != nil {
		return AccessList{}, err
	}
	if err := l.check(); err != nil {
		return AccessList{}, fmt.Errorf("access list: %w", err)
	}
	return l, nil
}

func (l AccessList) check() error {
	if err := isOne(l.V); err != nil {
		return err
	}
	kind, of, _ := strings.Cut(l.Scope, "/")
	if kind != "firm" && kind != "role" || name("scope", of) != nil {
		return fmt.Errorf("scope: %q is no firm/… and no role/…", short(l.Scope))
	}
	if err := moment("at", l.At); err != nil {
		return err
	}
	if err := moment("due", l.Due); err != nil {
		return err
	}
	if err := between("number of lines", len(l.Lines), 1, MaxAccess); err != nil {
		return err
	}
	for i, one := range l.Lines {
		at := fmt.Sprintf("lines[%d]", i)
		if err := id(at+".person", one.Person); err != nil {
			return err
		}
		if err := moment(at+".since", one.Since); err != nil {
			return err
		}
		if !one.Used.IsZero() {
			if err := moment(at+".used", one.Used); err != nil {
				return err
			}
		}
		if i > 0 && l.Lines[i-1].Person >= one.Person {
			return fmt.Errorf("%s: is not after the one before: sorted, each once", at)
		}
	}
	return nil
}

// access is the newest list of a scope, as the leaves tell it.
type access struct {
	document audit.Hash
	at, due  time.Time
	open     map[string]bool
}

// members are the people of a scope who are here.
func (w *Walk) members(scope string) map[string]bool {
	kind, of, _ := strings.Cut(scope, "/")
	all := map[string]bool{}
	for id, p := range w.people {
		if !p.disabled && (kind == "firm" && p.firm == of || kind == "role" && w.ofPlant(p) && p.has(of)) {
			all[id] = true
		}
	}
	return all
}

// judgeAccess says whether the leaf was about an access review.
func (w *Walk) judgeAccess() bool {
	switch b := w.leaf.Body.(type) {
	case audit.AccessListed:
		w.accessListed(b)
	case audit.AccessSigned:
		w.accessSigned(b)
	default:
		return false
	}
	return true
}

// accessListed: of everybody who is in the scope, and never to give those time
// whom the list before was to confirm.
func (w *Walk) accessListed(b audit.AccessListed) {
	w.must(w.leaf.Actor == b.By && (b.By == penstock || w.plantPerson(b.By)), "begun by %s, who is nobody of the plant", short(b.By))
	if old := w.access[b.Scope]; old != nil {
		for _, id := range slices.Sorted(maps.Keys(old.open)) {
			w.must(w.gone(id) || !w.members(b.Scope)[id], "%s, whom the list before was to confirm, is put on a new one", short(id))
		}
	}
	one := &access{document: b.Document, at: b.At, due: b.Due, open: map[string]bool{}}
	w.access[b.Scope] = one
	doc := w.document("access list", b.Document)
	if doc == nil {
		return
	}
	l, err := ParseAccess(doc)
	if !w.must(err == nil, "%v", err) {
		return
	}
	w.inTime(l)
	w.must(l.Scope == b.Scope && l.At.Equal(b.At) && l.Due.Equal(b.Due), "the leaf and its list differ")
	for _, line := range l.Lines {
		one.open[line.Person] = true
	}
	is := w.members(b.Scope)
	for _, id := range slices.Sorted(maps.Keys(is)) {
		w.must(one.open[id], "%s is in %s, and not on its list", id, short(b.Scope))
	}
	for _, id := range slices.Sorted(maps.Keys(one.open)) {
		w.must(is[id], "%s is on the list of %s, and not in it", short(id), short(b.Scope))
	}
}

// inTime: a list is of the moment when it was written, and due when the plant file
// says, or that before it, where that was changed a moment ago.
func (w *Walk) inTime(l AccessList) {
	w.must(!l.At.After(w.leaf.Wall.Add(settleTime)) && !w.leaf.Wall.After(l.At.Add(crossTime)), "its list is of %s", clock(l.At))
	var within time.Duration
	for _, p := range w.now() {
		if p != nil {
			within = max(within, p.Access.Within)
		}
	}
	w.must(within == 0 || l.Due.Sub(l.At) <= within, "it is due in %s, and the plant file says within %s", l.Due.Sub(l.At), within)
}

// unreviewed finds that nobody was asked for longer than the plant file lets it
// rest whether people of a firm go on; called where one of its windows is opened.
func (w *Walk) unreviewed(firm string) {
	p := w.plant(w.inForce)
	if p == nil || p.Access.Every == 0 || firm == "" || w.partial {
		return
	}
	since := w.began
	if one := w.access["firm/"+firm]; one != nil {
		if len(one.open) > 0 {
			return // whoever nobody confirmed is kept out, and no new list gives them time
		}
		since = one.at
	}
	if w.newPlant.After(since) { // the rule may be that old only
		since = w.newPlant
	}
	w.must(!w.leaf.Wall.After(since.Add(p.Access.Every+p.Access.Within)), "nobody was asked since %s whether people of %s go on, and the plant file says every %s", clock(since), short(firm), p.Access.Every)
}

// accessSigned: by somebody else of the plant than whom it is about: the firm's
// sponsor or OT security; whoever was ended has left, or lost the role.
func (w *Walk) accessSigned(b audit.AccessSigned) {
	one := w.access[b.Scope]
	if !w.must(one != nil && one.document == b.Document, "it signs another list than the newest of %s", short(b.Scope)) {
		return
	}
	w.must(w.leaf.Actor == b.By, "%s signed what %s says", short(w.leaf.Actor), short(b.By))
	w.must(w.signsAccess(b.By, b.Scope), "signed by %s, who is neither the sponsor nor of OT security", short(b.By))
	w.must(len(b.Kept)+len(b.Ended) > 0, "it says nothing about anybody")
	for _, id := range slices.Concat(b.Kept, b.Ended) {
		w.must(id != b.By, "%s confirmed themself", short(id))
		w.must(one.open[id], "%s was not to be confirmed", short(id))
		delete(one.open, id)
	}
	for _, id := range b.Ended {
		w.must(!w.members(b.Scope)[id], "%s was ended by it, and is in %s still", short(id), short(b.Scope))
	}
}

// signsAccess: the firm's sponsor, or OT security; of the security role's own
// list anybody else of the plant with a role, where it has one holder.
func (w *Walk) signsAccess(id, scope string) bool {
	if !w.plantPerson(id) {
		return false
	}
	p := w.known(id)
	kind, of, _ := strings.Cut(scope, "/")
	if w.isSecurity(id) || kind == "firm" && w.firms[of] != nil && w.firms[of].sponsor == id {
		return true
	}
	return scope == "role/ot-security" && len(p.roles) > 0 && len(w.members(scope)) == 1
}

// lapsed says whether nobody confirmed a person in a scope by its day.
func (w *Walk) lapsed(scope, id string, at time.Time) bool {
	one := w.access[scope]
	return one != nil && one.open[id] && !at.Before(one.due)
}
