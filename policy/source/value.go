package source

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Value is one value of a document and its place. The zero Value and the value
// of a key that is not there are absent; reading an absent Value gives the
// zero value and no problem, so optional keys are simply read and required
// ones asked for with Fields.Need.
type Value struct {
	at   Place
	node *yaml.Node
	to   *Report
}

// Here says whether the document has this value.
func (v Value) Here() bool { return v.node != nil }

// Place is where the value stands; of an absent value, where it was missed.
func (v Value) Place() Place { return v.at }

// Refuse notes a problem at the value's place.
func (v Value) Refuse(text, hint string) {
	if v.to != nil {
		v.to.Add(v.at, text, hint)
	}
}

func (v Value) child(n *yaml.Node) Value { return Value{place(v.at.File, n), n, v.to} }

// Kind is "mapping", "list", "text" or, if absent, "nothing".
func (v Value) Kind() string {
	if v.node == nil {
		return "nothing"
	}
	switch v.node.Kind {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	}
	return "text"
}

// Entry is one key of a mapping and what stands under it.
type Entry struct {
	Key  string
	At   Place // of the key
	Name Value // the key as a Value, to refuse it
	Value
}

// Entries are a mapping's keys and values in the file's order. Repeated keys,
// keys that are no plain text, and bare yes, no, on and off are problems and
// left out.
func (v Value) Entries() []Entry {
	if v.node == nil {
		return nil
	}
	if v.node.Kind != yaml.MappingNode {
		v.Refuse("a mapping (name: …) is wanted here, not "+v.what(), "")
		return nil
	}
	seen := make(map[string]int, len(v.node.Content)/2)
	var all []Entry
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k, val := v.child(v.node.Content[i]), v.child(v.node.Content[i+1])
		key, ok := k.key()
		if !ok {
			continue
		}
		if line, twice := seen[key]; twice {
			k.Refuse(fmt.Sprintf("%q is here twice; first in line %d", key, line), "keep one")
			continue
		}
		seen[key] = k.at.Line
		all = append(all, Entry{key, k.at, k, val})
	}
	return all
}

// boolish are the words that YAML 1.1 readers take for true and false: as a
// key they name different things to different programs.
var boolish = []string{"yes", "no", "on", "off", "y", "n", "true", "false", "null", "~"}

func (v Value) key() (string, bool) {
	n := v.node
	switch {
	case n.Kind != yaml.ScalarNode:
		v.Refuse("a key must be plain text", "")
	case n.Value == "":
		v.Refuse("a key is empty", "")
	case n.Value == "<<":
		v.Refuse("merge keys are not read here", "write it out")
	case len(n.Value) > 200 || !showableText(n.Value):
		v.Refuse("a key must be up to 200 visible characters", "")
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && slices.Contains(boolish, strings.ToLower(n.Value)):
		v.Refuse(fmt.Sprintf("bare %s as a key is true or false to other YAML programs", n.Value), "use another word")
	default:
		return n.Value, true
	}
	return "", false
}

// Fields are a mapping whose keys are known beforehand.
type Fields struct {
	of     Value
	values map[string]Value
}

// Fields reads a mapping that may have exactly the known keys; any other is a
// problem that names the nearest known one.
func (v Value) Fields(known ...string) Fields {
	f := Fields{v, map[string]Value{}}
	for _, e := range v.Entries() {
		if !slices.Contains(known, e.Key) {
			hint := "known here: " + strings.Join(known, ", ")
			if near := Nearest(e.Key, known); near != "" {
				hint = "is " + near + " meant?"
			}
			e.Name.Refuse(fmt.Sprintf("unknown key %q", e.Key), hint)
			continue
		}
		f.values[e.Key] = e.Value
	}
	return f
}

// Get is the value of a key; absent if it is not there.
func (f Fields) Get(key string) Value {
	if v, ok := f.values[key]; ok {
		return v
	}
	return Value{at: f.of.at, to: f.of.to}
}

// Need is Get for a key that must be there.
func (f Fields) Need(key string) Value {
	v := f.Get(key)
	if !v.Here() && f.of.Here() && f.of.Kind() == "mapping" {
		f.of.Refuse("there is no "+key+" here", "add "+key+": …")
	}
	return v
}

// Items are the values of a list. One value alone is a problem: a list says
// that there may be more.
func (v Value) Items() []Value {
	if v.node == nil {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		hint := ""
		if v.Kind() == "text" {
			hint = "write [" + short(v.node.Value) + "]"
		}
		v.Refuse("a list is wanted here, not "+v.what(), hint)
		return nil
	}
	all := make([]Value, len(v.node.Content))
	for i, n := range v.node.Content {
		all[i] = v.child(n)
	}
	return all
}

// OneOrMore are the values of a list, or the one value that stands alone.
func (v Value) OneOrMore() []Value {
	if v.Kind() == "text" {
		return []Value{v}
	}
	return v.Items()
}

// Text is a scalar as it was written (4.2 stays "4.2"): one line of visible
// characters, at most 1000 bytes, not empty.
func (v Value) Text() string {
	if v.node == nil {
		return ""
	}
	switch s := v.node.Value; {
	case v.node.Kind != yaml.ScalarNode:
		v.Refuse("text is wanted here, not "+v.what(), "")
	case s == "" || v.node.Tag == "!!null":
		v.Refuse("a value is missing here", "")
	case len(s) > 1000:
		v.Refuse("the text is longer than 1000 bytes", "")
	case !showableText(s):
		v.Refuse("the text has characters that cannot be seen", "write it as one visible line")
	default:
		return s
	}
	return ""
}

// OneOf is a text that must be one of words.
func (v Value) OneOf(words ...string) string {
	s := v.Text()
	if s == "" || slices.Contains(words, s) {
		return s
	}
	hint := "one of " + strings.Join(words, ", ")
	if near := Nearest(s, words); near != "" {
		hint = "is " + near + " meant?"
	}
	v.Refuse(fmt.Sprintf("%q is not known here", s), hint)
	return ""
}

// Bool is true or false, and nothing else.
func (v Value) Bool() bool {
	switch s := v.Text(); s {
	case "true":
		return true
	case "false", "":
	default:
		v.Refuse(fmt.Sprintf("%q is neither true nor false", s), "write true or false")
	}
	return false
}

// Int is a whole decimal number from low to high.
func (v Value) Int(low, high int) int {
	s := v.Text()
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		v.Refuse(fmt.Sprintf("%q is no whole number from %d to %d", s, low, high), "")
		return 0
	}
	return n
}

// Number is a finite decimal number.
func (v Value) Number() float64 {
	s := v.Text()
	if s == "" {
		return 0
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || strings.ContainsAny(s, "xXpP_") {
		v.Refuse(fmt.Sprintf("%q is no number", s), "")
		return 0
	}
	return n
}

// Duration is a length of time with its unit, such as 90s, 30m, 4h, 1h30m or
// 3d (a day is 24 hours, a year 365 days), from low to high.
func (v Value) Duration(low, high time.Duration) time.Duration {
	s := v.Text()
	if s == "" {
		return 0
	}
	d, err := ParseDuration(s)
	switch {
	case err != nil:
		v.Refuse(err.Error(), "write a number with its unit: 90s, 30m, 4h, 3d")
	case d < low || d > high:
		v.Refuse(fmt.Sprintf("%s is not from %s to %s", s, Words(low), Words(high)), "")
	default:
		return d
	}
	return 0
}

// Size is a number of bytes with its unit, such as 800KiB, 50MiB or 2GiB, from
// low to high.
func (v Value) Size(low, high int64) int64 {
	s := v.Text()
	if s == "" {
		return 0
	}
	for _, u := range units {
		digits, has := strings.CutSuffix(s, u.name)
		if !has {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			break
		}
		if size := int64(n) * u.bytes; size >= low && size <= high {
			return size
		}
		v.Refuse(fmt.Sprintf("%s is not from %s to %s", s, Size(low), Size(high)), "")
		return 0
	}
	v.Refuse(fmt.Sprintf("%q is no size", s), "write a number with its unit: 800KiB, 50MiB, 2GiB")
	return 0
}

var units = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}}

// Size says a number of bytes as a plant file does, exactly.
func Size(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", n>>30)
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%dB", n)
}

// ParseDuration reads 90s, 30m, 4h, 1h30m, 3d, 7y: whole numbers with the units
// y (365 days), d, h, m, s, the larger first, each once.
func ParseDuration(s string) (time.Duration, error) {
	units := []struct {
		letter byte
		length time.Duration
	}{{'y', 365 * 24 * time.Hour}, {'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}
	bad := fmt.Errorf("%q is no length of time", s)
	var sum time.Duration
	rest, next := s, 0
	for rest != "" {
		i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if i < 1 || i > 6 {
			return 0, bad
		}
		n, err := strconv.Atoi(rest[:i])
		if err != nil {
			return 0, bad
		}
		for next < len(units) && units[next].letter != rest[i] {
			next++
		}
		if next == len(units) || time.Duration(n) > (math.MaxInt64-sum)/units[next].length {
			return 0, bad
		}
		sum += time.Duration(n) * units[next].length
		rest, next = rest[i+1:], next+1
	}
	if s == "" {
		return 0, bad
	}
	return sum, nil
}

// Words is a length of time as the files write it: 4h, 1h30m, 3d.
func Words(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		letter string
		length time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if n := d / u.length; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.letter)
			d -= n * u.length
		}
	}
	if b.Len() == 0 {
		return "less than 1s"
	}
	return b.String()
}

// Addr is an IP address. A name is a problem: nothing may decide where a name
// leads at the moment of use.
func (v Value) Addr() netip.Addr {
	s := v.Text()
	if s == "" {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		v.Refuse(fmt.Sprintf("%q is no IP address", s), "write the address itself, such as 10.20.1.11; names are not looked up")
		return netip.Addr{}
	}
	return a
}

// Date is a day such as 2027-03-31, at 00:00 UTC.
func (v Value) Date() time.Time {
	s := v.Text()
	if s == "" {
		return time.Time{}
	}
	d, err := time.Parse(time.DateOnly, s)
	if err != nil || d.Year() < 1970 || d.Year() > 2200 {
		v.Refuse(fmt.Sprintf("%q is no date", s), "write it as 2027-03-31")
		return time.Time{}
	}
	return d
}

func (v Value) what() string {
	switch v.Kind() {
	case "mapping":
		return "a mapping"
	case "list":
		return "a list"
	}
	if v.node.Value == "" {
		return "nothing"
	}
	return fmt.Sprintf("%q", short(v.node.Value))
}

func short(s string) string {
	if len(s) <= 40 {
		return s
	}
	cut := 40
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// showable keeps controls, bidirectional overrides and other invisible
// characters out of what a person will read and sign.
func showable(r rune) bool {
	return r == ' ' || (unicode.IsGraphic(r) && !unicode.Is(unicode.Zs, r) && r != utf8.RuneError)
}

func showableText(s string) bool {
	for _, r := range s {
		if !showable(r) {
			return false
		}
	}
	return true
}

// Nearest is the known word that word was probably meant to be; empty if none
// is near, if the word is longer than 40 bytes, or if more than 1000 are known:
// a hint is not worth more work than that.
func Nearest(word string, known []string) string {
	best, least := "", len(word)/3+1
	if len(word) > 40 || len(known) > 1000 {
		return ""
	}
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k), least); d <= least && (best == "" || d < least) {
			best, least = k, d
		}
	}
	return best
}

// distance is the optimal string alignment distance of a and b (insert,
// delete, replace, swap neighbours), or more than limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, row := []int(nil), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if before != nil && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
