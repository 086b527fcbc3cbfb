package recording

import (
	"cmp"
	"maps"
	"slices"

	"penstock/audit"
)

// Objects are those that operations of one channel changed, and those that they
// set off: what does something by being read, or is asked for without an object.
// Both by the right that it took, as rows have it. The log's summary and whoever
// holds it to the rows make the same of the same rows. The zero value has none.
type Objects struct {
	changed, setOff map[string][]audit.Span // by right, sorted, none touching another of its name
	spans           int
	lost            int // rows that had no room: then nobody can say that a list is all
}

const (
	mostSpans = 1 << 12 // kept of one channel
	mostText  = 1800    // bytes of them in the log, whose leaf is 4 KiB: a hundred, and people agree to 64 of one way in
	mostRight = 64      // keys: of six rights there are as many sets
)

// Add takes a row that was let through.
func (o *Objects) Add(row Operation) {
	switch {
	case !row.Allowed:
	case len(row.Changes) > 0:
		o.changed = o.add(o.changed, row)
	case row.Right != "look" && row.Right != "copy":
		o.setOff = o.add(o.setOff, row)
	}
}

func (o *Objects) add(to map[string][]audit.Span, row Operation) map[string][]audit.Span {
	if to == nil {
		to = map[string][]audit.Span{}
	}
	s := audit.ParseSpan(cmp.Or(row.Object, row.Service)).Many(row.Count)
	all, known := to[row.Right]
	if !known && len(to) >= mostRight {
		o.lost++
		return to
	}
	before := len(all)
	all = with(all, s)
	if o.spans += len(all) - before; o.spans > mostSpans {
		o.lost++
		all, o.spans = slices.DeleteFunc(all, func(k audit.Span) bool { return k == s }), mostSpans
	}
	to[row.Right] = all
	return to
}

// Told is what the log says of them: spans as text, in order, as many as there is
// room for, and how many more there are.
func (o *Objects) Told() (changed, setOff map[string][]string, more int) {
	room := mostText
	more = o.lost
	tell := func(by map[string][]audit.Span) (told map[string][]string) {
		for _, right := range slices.Sorted(maps.Keys(by)) {
			for _, s := range by[right] {
				text := s.String()
				if room -= len(text) + 3; room < 0 { // in quotes, with a comma
					more++
					continue
				}
				if told == nil {
					told = map[string][]string{}
				}
				told[right] = append(told[right], text)
			}
		}
		return told
	}
	changed = tell(o.changed)
	return changed, tell(o.setOff), more
}

// within says whether each of these objects is one of the other's.
func (o *Objects) within(other *Objects) bool {
	return held(o.changed, other.changed) && held(o.setOff, other.setOff)
}

func held(some, all map[string][]audit.Span) bool {
	for right, spans := range some {
		for _, s := range spans {
			if !slices.ContainsFunc(all[right], func(k audit.Span) bool {
				return k == s || k.Numbered() && s.Numbered() && k.Of == s.Of && k.From <= s.From && s.To <= k.To
			}) {
				return false
			}
		}
	}
	return true
}

// spansOf reads a list as Told gives it.
func spansOf(told map[string][]string) map[string][]audit.Span {
	by := map[string][]audit.Span{}
	for right, texts := range told {
		for _, text := range texts {
			by[right] = with(by[right], audit.ParseSpan(text))
		}
	}
	return by
}

// with puts a span among those that are there, as one with those that it touches.
// The list is the caller's to change.
func with(all []audit.Span, s audit.Span) []audit.Span {
	from, found := slices.BinarySearchFunc(all, s, order)
	if found {
		return all
	}
	if !s.Numbered() {
		return slices.Insert(all, from, s)
	}
	to := from
	if from > 0 && touches(all[from-1], s) {
		from--
	}
	for to < len(all) && touches(s, all[to]) {
		to++
	}
	for _, k := range all[from:to] {
		s.From, s.To = min(s.From, k.From), max(s.To, k.To)
	}
	return slices.Replace(all, from, to, s)
}

func order(a, b audit.Span) int {
	return cmp.Or(cmp.Compare(a.Of, b.Of), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
}

// touches says whether b, which begins not before a, goes on where a is or ends.
func touches(a, b audit.Span) bool {
	return a.Numbered() && b.Numbered() && a.Of == b.Of && b.From <= a.To+1
}
