package modbus

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"

	"penstock/policy"
	"penstock/policy/inspect"
)

// table is one of the four that a machine has (application protocol 4.3).
type table byte

const (
	coil table = iota
	discrete
	input
	holding
)

var tables = []string{"coil", "discrete", "input", "holding"}

func (t table) bit() bool { return t <= discrete }

// at names an object as sheets do, counted from 1.
func (t table) at(address int) string { return tables[t] + " " + strconv.Itoa(address+1) }

// object is a line of the sheet at its place.
type object struct {
	policy.Register
	address, size int
	scale         float64
}

// sheet is a port's register sheet, ready to ask.
type sheet struct {
	unit     byte
	umas     bool
	unlisted policy.Unlisted
	objects  [4][]object     // by table, in order of address
	called   [4][]string     // their names
	only     map[string]bool // labels of what alone may be changed; nil: what the rights allow
}

func newSheet(port policy.Port) (*sheet, error) {
	s := &sheet{unit: byte(port.Unit), umas: port.UMAS, unlisted: port.Unlisted}
	if only := port.Only(); only != nil {
		s.only = map[string]bool{}
		for _, label := range only {
			s.only[label] = true
		}
	}
	for _, r := range port.Registers {
		name, address, err := r.Place()
		if err != nil {
			return nil, fmt.Errorf("register sheet: %w", err)
		}
		t := slices.Index(tables, name)
		o := object{r, address, r.Size(), r.Scale}
		if o.scale == 0 {
			o.scale = 1
		}
		s.objects[t] = append(s.objects[t], o)
	}
	for t := range s.objects {
		slices.SortFunc(s.objects[t], func(a, b object) int { return a.address - b.address })
		for i := 1; i < len(s.objects[t]); i++ {
			if before := s.objects[t][i-1]; before.address+before.size > s.objects[t][i].address {
				return nil, fmt.Errorf("register sheet: %s and %s share a register", before.Object, s.objects[t][i].Object)
			}
		}
		for _, o := range s.objects[t] {
			s.called[t] = append(s.called[t], o.Name)
		}
	}
	return s, nil
}

// between says which objects have a part in n addresses from at on.
func (s *sheet) between(t table, at, n int) (from, to int) {
	all := s.objects[t]
	from = sort.Search(len(all), func(i int) bool { return all[i].address+all[i].size > at })
	for to = from; to < len(all) && all[to].address < at+n; to++ {
	}
	return from, to
}

// span lists those objects, and says whether some of the addresses are no object's.
func (s *sheet) span(t table, at, n int) (listed []object, unlisted bool) {
	from, to := s.between(t, at, n)
	listed = s.objects[t][from:to]
	covered := 0
	for i := range listed {
		o := &listed[i]
		covered += min(o.address+o.size, at+n) - max(o.address, at)
	}
	return listed, covered < n
}

// reading is what reading takes.
func (s *sheet) reading(t table, at, n int) (policy.Rights, *policy.Refusal) {
	need := policy.Look
	listed, unlisted := s.span(t, at, n)
	for i := range listed {
		if listed[i].Read == 0 {
			return need, refuse(ruleObject, "%s (%s) is never read from here", listed[i].Object, listed[i].Name)
		}
		if listed[i].Read&^harmless != 0 && !s.agreed(&listed[i]) {
			return need, notAgreed("reading " + listed[i].Label() + ", which does something,")
		}
		need |= listed[i].Read
	}
	if unlisted && s.only != nil && s.unlisted.Read&^harmless != 0 {
		return need, notAgreed("reading " + t.at(at) + ", which the sheet does not name,")
	}
	if unlisted {
		if s.unlisted.Read == 0 {
			return need, refuse(ruleObject, "reads of what the register sheet does not name are closed; %s is, or follows, such a register", t.at(at))
		}
		need |= s.unlisted.Read
	}
	return need, nil
}

// writing is what writing these words takes. Limits hold whatever the rights
// are. mask: not all bits of the one word are known, so limits cannot be held.
func (s *sheet) writing(t table, at int, words []uint16, mask bool) (policy.Rights, *policy.Refusal) {
	need := policy.Look
	listed, unlisted := s.span(t, at, len(words))
	for i := range listed {
		o := &listed[i]
		if o.Write == 0 {
			return need, refuse(ruleObject, "%s (%s) is never written from here", o.Object, o.Name)
		}
		need |= o.Write
		if !s.agreed(o) {
			return need, notAgreed("writing " + o.Label())
		}
		if !o.Limited {
			continue
		}
		if mask || o.address < at || o.address+o.size > at+len(words) {
			return need | o.Write, refuse(ruleLimits, "%s (%s) has limits: write it whole, in one request", o.Object, o.Name)
		}
		v := o.value(words[o.address-at : o.address-at+o.size])
		if !o.within(v) {
			return need, refuse(ruleLimits, "%s (%s) goes from %s to %s, and this is %s", o.Object, o.Name, o.text(o.Min), o.text(o.Max), o.text(v))
		}
	}
	if unlisted && s.only != nil {
		return need, notAgreed("writing " + t.at(at) + ", or what follows it, which the sheet does not name,")
	}
	if unlisted {
		if s.unlisted.Write == 0 {
			return need, refuse(ruleObject, "writes to what the register sheet does not name are closed; %s is, or is followed by, such a register", t.at(at))
		}
		need |= s.unlisted.Write
	}
	return need, nil
}

// harmless is what reading takes where it does nothing.
const harmless = policy.Look | policy.Copy

func (s *sheet) agreed(o *object) bool { return s.only == nil || s.only[o.Label()] }

func notAgreed(what string) *policy.Refusal {
	return refuse(ruleAgreed, "%s was not agreed: this window is for some registers alone; ask for it by a new request", what)
}

// within holds a value to the limits; what is off by less than the wire can
// tell is within.
func (o *object) within(v float64) bool {
	slack := o.scale / 1e6
	return v >= o.Min-slack && v <= o.Max+slack // not so for what is no number
}

// value is what the words say, in the object's unit.
func (o *object) value(words []uint16) float64 {
	one := words[0]
	if o.size == 1 {
		if o.Type == "s16" {
			return float64(int16(one)) * o.scale
		}
		return float64(one) * o.scale
	}
	high, low := words[0], words[1]
	if len(o.Type) > 3 { // -low
		high, low = low, high
	}
	raw := uint32(high)<<16 | uint32(low)
	switch o.Type[0] {
	case 's':
		return float64(int32(raw)) * o.scale
	case 'f':
		return float64(math.Float32frombits(raw)) * o.scale
	}
	return float64(raw) * o.scale
}

// text is a value for a person, with its unit.
func (o *object) text(v float64) string {
	s := strconv.FormatFloat(v, 'g', 7, 64) // as exact as 32 bits can tell; hides what scaling adds
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		s = strconv.FormatFloat(v, 'f', -1, 64)
	}
	if o.Unit != "" {
		s += " " + o.Unit
	}
	return s
}

// names are the first few that the sheet has for a span.
func (s *sheet) names(t table, at, n int) []string {
	from, to := s.between(t, at, n)
	to = min(to, from+inspect.MostNames)
	return s.called[t][from:to:to]
}

// changes tells what writing these words would change.
func (s *sheet) changes(known *seen, t table, at int, words []uint16) (all []inspect.Change, more int) {
	listed, _ := s.span(t, at, len(words))
	for i := 0; i < len(words); {
		one, n := inspect.Change{Object: t.at(at + i)}, 1
		for len(listed) > 0 && listed[0].address+listed[0].size <= at+i {
			listed = listed[1:]
		}
		if len(listed) > 0 && listed[0].address <= at+i {
			o := &listed[0]
			one.Name = o.Name
			if whole := o.address == at+i && i+o.size <= len(words); whole {
				n = o.size
				one.New = t.say(o, words[i:i+n])
				one.Old = t.say(o, known.words(t, at+i, n))
			}
		}
		if one.New == "" {
			one.New, one.Old = t.say(nil, words[i:i+1]), t.say(nil, known.words(t, at+i, 1))
		}
		if i += n; len(all) < inspect.MostChanges {
			all = append(all, one)
		} else {
			more++
		}
	}
	return all, more
}

// say is the words of one object for a person; none: empty.
func (t table) say(o *object, words []uint16) string {
	switch {
	case len(words) == 0:
		return ""
	case t.bit() && words[0] != 0:
		return "on"
	case t.bit():
		return "off"
	case o == nil:
		return strconv.Itoa(int(words[0]))
	}
	return o.text(o.value(words))
}

// objects are n of a table.
type objects struct {
	t     table
	at, n int
}

// seen is what this stream last saw of the machine: the newest of each span
// that was read or written, a bounded number of them.
type seen struct {
	spans []span
	clock uint64
}

type span struct {
	t     table
	at    int
	words []uint16
	stamp uint64
}

const mostSpans = 128 // a client polls a few dozen; what was seen longest ago goes first

func (s *seen) note(t table, at int, words []uint16) {
	s.clock++
	oldest := 0
	for i := range s.spans {
		one := &s.spans[i]
		if one.t == t && one.at == at && len(one.words) == len(words) {
			copy(one.words, words)
			one.stamp = s.clock
			return
		}
		if one.stamp < s.spans[oldest].stamp {
			oldest = i
		}
	}
	next := span{t, at, slices.Clone(words), s.clock}
	if len(s.spans) < mostSpans {
		s.spans = append(s.spans, next)
	} else {
		s.spans[oldest] = next
	}
}

// words are n from at on, or none where one of them was not seen.
func (s *seen) words(t table, at, n int) []uint16 {
	words := make([]uint16, n)
	for i := range words {
		var newest uint64
		for j := range s.spans {
			if one := &s.spans[j]; one.t == t && one.at <= at+i && at+i < one.at+len(one.words) && one.stamp > newest {
				words[i], newest = one.words[at+i-one.at], one.stamp
			}
		}
		if newest == 0 {
			return nil
		}
	}
	return words
}

// The rules by which a request is refused whatever the rights are.
const (
	ruleFunction = "modbus-function"
	ruleObject   = "modbus-object"
	ruleValue    = "modbus-value"
	ruleLimits   = "register-limits"
	ruleUnit     = "modbus-unit"
	ruleAgreed   = "register-not-agreed"
)

func refuse(rule, format string, args ...any) *policy.Refusal {
	text := fmt.Sprintf(format, args...)
	return &policy.Refusal{Rule: rule, Say: text, Why: text}
}
