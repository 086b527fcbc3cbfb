package people

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"penstock/policy"
)

// Bootstrap is the file that the first leaf of a new log names by hash: the
// first firms and people of the plant, their roles and SSH keys. It holds no
// secret; everybody sets password and code generator over their own key.
type Bootstrap struct {
	Firms  []Firm   // by id; exactly one is the plant
	People []Person // by id; each with one confirmed ssh key, at least two of the plant
}

// Bounds of the file. All rows that it makes are named by the one leaf of the
// log, which has 4 KiB: the first people only, the others are invited.
const (
	maxBootstrap = 64 << 10 // bytes
	maxProblems  = 100
	maxFirstRows = 3200 // bytes of the leaf
	rowHash      = 80   // bytes of a row's hash there, with its quotes, colon and comma
)

// ParseBootstrap reads the YAML file strictly; the text of an error has a line
// for each problem, with its line and column, and what to do. roles says whether
// the plant file has a team; nil takes any.
//
//	firms:
//	  fjord: {name: Fjord Dairy Kiel, plant: true}
//	  krall: {name: Krall Fillers, sponsor: olaf, networks: [198.51.100.0/24], until: 2027-03-31}
//	people:
//	  mia: {name: Mia Voss, firm: fjord, roles: [shift], phone: "+49 431 555 0101", key: ssh-ed25519 AAAA…}
//
// until is the last day, in UTC, or a time with its zone.
func ParseBootstrap(name string, b []byte, roles func(policy.Role) bool) (Bootstrap, error) {
	r := &bootReader{file: name, roles: roles}
	if len(b) > maxBootstrap {
		return Bootstrap{}, fmt.Errorf("%s: %d bytes; %d are the most: write down the first people only, and invite the others", name, len(b), maxBootstrap)
	}
	var doc yaml.Node
	if err := yaml.Load(b, &doc); err != nil {
		r.notYAML(err)
		return Bootstrap{}, r.err()
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return Bootstrap{}, fmt.Errorf("%s:1:1: the file is empty; it begins with firms: and people", name)
	}
	r.read(doc.Content[0])
	if err := r.err(); err != nil {
		return Bootstrap{}, err
	}
	return r.boot, nil
}

// bootReader walks the file once and keeps every problem.
type bootReader struct {
	file     string
	roles    func(policy.Role) bool
	boot     Bootstrap
	places   map[string]*yaml.Node // "firm/krall", and "person/mia firm" of its fields
	problems []bootProblem
}

type bootProblem struct {
	line, column int
	text         string
}

func (r *bootReader) add(n *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, bootProblem{max(n.Line, 1), max(n.Column, 1), fmt.Sprintf(format, args...)})
}

func (r *bootReader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b bootProblem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	var lines []string
	for _, p := range r.problems {
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", r.file, p.line, p.column, p.text))
	}
	lines = slices.Compact(lines)
	if n := len(lines) - maxProblems; n > 0 {
		lines = append(lines[:maxProblems], fmt.Sprintf("%s: and %d more", r.file, n))
	}
	return errors.New(strings.Join(lines, "\n"))
}

func (r *bootReader) notYAML(err error) {
	var many *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case errors.As(err, &many) && len(many.Errors) > 0:
		for _, e := range many.Errors {
			r.add(&yaml.Node{Line: e.Mark.Line, Column: e.Mark.Column}, "%s", e.Message)
		}
	case errors.As(err, &one):
		r.add(&yaml.Node{Line: one.Mark.Line, Column: one.Mark.Column}, "%s: this is not YAML; look at indentation, colons and quotes", one.Message)
	default:
		r.add(&yaml.Node{}, "%v: one YAML document is wanted", err)
	}
}

func (r *bootReader) read(root *yaml.Node) {
	r.places = map[string]*yaml.Node{}
	top := r.mapping(root, "the file", "firms", "people")
	if top == nil {
		return
	}
	for id, n := range r.entries(root, top["firms"], "firms") {
		r.firm(id, n)
	}
	for id, n := range r.entries(root, top["people"], "people") {
		r.person(id, n)
	}
	slices.SortFunc(r.boot.Firms, func(a, b Firm) int { return strings.Compare(string(a.ID), string(b.ID)) })
	slices.SortFunc(r.boot.People, func(a, b Person) int { return strings.Compare(string(a.ID), string(b.ID)) })
	if len(r.problems) == 0 { // what belongs together is asked of what is sound
		r.together(root)
	}
}

// mapping gives the values of a mapping by their keys, nil where n is none;
// known are all the keys there may be.
func (r *bootReader) mapping(n *yaml.Node, what string, known ...string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode || n.Anchor != "" {
		r.add(n, "%s is a mapping of %s", what, strings.Join(known, ", "))
		return nil
	}
	values := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode || k.Anchor != "":
			r.add(k, "a key is a plain word")
		case values[k.Value] != nil:
			r.add(k, "%.40q is there twice; take one out", k.Value)
		case known != nil && !slices.Contains(known, k.Value):
			r.add(k, "unknown key %.40q; here are %s", k.Value, strings.Join(known, ", "))
		default:
			values[k.Value] = v
			if known == nil {
				r.places[what+"/"+k.Value] = k
			}
		}
	}
	return values
}

// entries is a mapping of ids.
func (r *bootReader) entries(root, n *yaml.Node, what string) map[string]*yaml.Node {
	if n == nil {
		r.add(root, "%s: is missing", what)
		return nil
	}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		r.add(n, "%s: is a mapping of ids, and not empty", what)
		return nil
	}
	all := r.mapping(n, what)
	for id := range all {
		if !policy.ValidID(id) || what == "people" && reserved[policy.PersonID(id)] {
			r.add(r.places[what+"/"+id], "%.40q is no id: a small letter, then small letters, digits and hyphens, at most 32, and not join, desk, cert or penstock", id)
		}
	}
	return all
}

// word is a scalar's text, "" if absent.
func (r *bootReader) word(n *yaml.Node, what string) string {
	if n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode || n.Anchor != "" || n.Tag == "!!null" || n.Style&yaml.TaggedStyle != 0 {
		r.add(n, "%s is a plain word or text", what)
		return ""
	}
	if n.Value == "" {
		r.add(n, "%s is empty", what)
	}
	return n.Value
}

func (r *bootReader) words(n *yaml.Node, what string) (list []*yaml.Node) {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode || n.Anchor != "" || len(n.Content) > maxNetworks {
		r.add(n, "%s is a list such as [one, two], of at most %d", what, maxNetworks)
		return nil
	}
	for _, c := range n.Content {
		if r.word(c, "an entry of "+what) != "" {
			list = append(list, c)
		}
	}
	return list
}

func (r *bootReader) name(at, n *yaml.Node) string {
	if n == nil {
		r.add(at, "name: is missing")
		return ""
	}
	s := r.word(n, "name")
	if err := checkName("the name", s); s != "" && err != nil {
		r.add(n, "%v", err)
	}
	return s
}

func (r *bootReader) firm(id string, n *yaml.Node) {
	fields := r.mapping(n, "firm "+id, "name", "plant", "sponsor", "networks", "until")
	if fields == nil {
		return
	}
	f := Firm{ID: policy.FirmID(id), Name: r.name(n, fields["name"])}
	if v := fields["plant"]; v != nil {
		f.Plant = r.flag(v)
	}
	f.Sponsor = policy.PersonID(r.word(fields["sponsor"], "sponsor"))
	if v := fields["until"]; v != nil {
		f.Until = r.until(v)
	}
	var prefixes []netip.Prefix
	for _, v := range r.words(fields["networks"], "networks") {
		p, err := netip.ParsePrefix(v.Value)
		if err != nil || p != p.Masked() {
			r.add(v, "%.60q is no network; write 198.51.100.0/24 (host bits zero)", v.Value)
			continue
		}
		prefixes = append(prefixes, p)
	}
	words, err := cleanNetworks(prefixes)
	if err != nil {
		r.add(n, "%v", err)
	}
	for _, w := range words {
		f.Networks = append(f.Networks, netip.MustParsePrefix(w))
	}
	r.boot.Firms = append(r.boot.Firms, f)
}

func (r *bootReader) flag(n *yaml.Node) bool {
	switch s := r.word(n, "plant"); {
	case s == "true" && n.Tag == "!!bool":
		return true
	case s == "false" && n.Tag == "!!bool":
		return false
	}
	r.add(n, "plant is true or false")
	return false
}

// until takes the last day, or a moment.
func (r *bootReader) until(n *yaml.Node) time.Time {
	s := r.word(n, "until")
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day.AddDate(0, 0, 1)
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil || at.Year() < 1970 || at.Year() > 9998 {
		r.add(n, "until is the last day, 2027-03-31, or a moment, 2027-03-31T18:00:00+02:00")
		return time.Time{}
	}
	return cleanTime(at)
}

func (r *bootReader) person(id string, n *yaml.Node) {
	fields := r.mapping(n, "person "+id, "name", "firm", "roles", "phone", "mail", "key")
	if fields == nil {
		return
	}
	p := Person{ID: policy.PersonID(id), Name: r.name(n, fields["name"]), Firm: policy.FirmID(r.word(fields["firm"], "firm"))}
	if v := fields["mail"]; v != nil {
		var err error
		if p.Mail, err = cleanMail(r.word(v, "mail")); err != nil {
			r.add(v, "%v", err)
		}
	}
	if v := fields["phone"]; v != nil {
		var err error
		if p.Phone, err = cleanPhone(r.word(v, "phone")); err != nil {
			r.add(v, "%v", err)
		}
	}
	for _, v := range r.words(fields["roles"], "roles") {
		p.Roles = append(p.Roles, policy.Role(v.Value))
	}
	if v := fields["roles"]; v != nil {
		if err := checkRoles(p.Roles, r.roles); err != nil {
			r.add(v, "%v", err)
		}
	}
	v := fields["key"]
	if v == nil {
		r.add(n, "key: is missing: the person's one ssh public key, the line of the .pub file")
	} else if text := r.word(v, "key"); text != "" {
		public, fingerprint, err := parseKey(text)
		if err != nil {
			r.add(v, "%v", err)
		}
		p.Keys = []Key{{Kind: SSH, ID: fingerprint, Public: public}}
		r.places["key/"+id] = v
	}
	r.boot.People = append(r.boot.People, p)
}

// together asks what no entry can answer alone.
func (r *bootReader) together(root *yaml.Node) {
	firms := map[policy.FirmID]Firm{}
	var plant policy.FirmID
	for _, f := range r.boot.Firms {
		firms[f.ID] = f
		if f.Plant && plant != "" {
			r.add(r.places["firms/"+string(f.ID)], "two firms are the plant, %s and %s; one is", plant, f.ID)
		} else if f.Plant {
			plant = f.ID
		}
	}
	if plant == "" {
		r.add(root, "no firm is the plant; one has plant: true")
		return
	}
	staff := r.staff(firms, plant)
	for _, f := range r.boot.Firms {
		at := r.places["firms/"+string(f.ID)]
		if f.Plant && f.Sponsor != "" {
			r.add(at, "the plant has no sponsor; a vendor has")
		} else if !f.Plant && !staff[f.Sponsor] {
			r.add(at, "firm %s needs a sponsor: the id of one of the plant's people below", f.ID)
		}
	}
	if len(staff) < 2 {
		r.add(root, "at least two people of the plant are wanted: nobody agrees with themself")
	}
	if n := r.leafBytes(); n > maxFirstRows {
		r.add(root, "too many people and firms for the first leaf (%d of %d bytes): write down the first ones only, and invite the others", n, maxFirstRows)
	}
}

// staff are the plant's people; it also looks at firms, keys and roles of all.
func (r *bootReader) staff(firms map[policy.FirmID]Firm, plant policy.FirmID) map[policy.PersonID]bool {
	staff := map[policy.PersonID]bool{}
	keys := map[string]policy.PersonID{}
	for _, p := range r.boot.People {
		at := r.places["people/"+string(p.ID)]
		f, ok := firms[p.Firm]
		switch {
		case !ok:
			r.add(at, "%s needs a firm that stands above; %.40q does not", p.ID, p.Firm)
		case f.ID == plant:
			staff[p.ID] = true
		case len(p.Roles) > 0:
			r.add(at, "%s has roles; they are the plant's own, a vendor's person has none", p.ID)
		}
		for _, k := range p.Keys {
			if other, twice := keys[k.ID]; twice {
				r.add(r.places["key/"+string(p.ID)], "this key is %s's too; each person has their own", other)
			}
			keys[k.ID] = p.ID
		}
	}
	return staff
}

func (r *bootReader) leafBytes() int {
	n := len(bootstrapRow) + rowHash
	for _, f := range r.boot.Firms {
		n += len(firmRow) + len(f.ID) + rowHash
	}
	for _, p := range r.boot.People {
		n += len(personRow) + len(p.ID) + rowHash
		for _, k := range p.Keys {
			n += len(keyRow) + len(k.ID) + rowHash
		}
	}
	return n
}
