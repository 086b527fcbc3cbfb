package demo

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// moved is where an asset of the example plant stands in the demo.
type moved struct {
	numbers map[string]int // TCP port by port name
	hostKey string         // "" keeps the pinned one
}

const plantHead = `# The demo's plant: the example that Penstock ships (configs/plant.yaml), written here
# at each start of penstock demo. Only this is different:
#   - every machine's address begins with 127 instead of 10: nothing here leaves this computer
#   - filler-plc, capper-drive and line-1-ews run, with the TCP ports and host keys of this folder
#   - the key switch A3 is read on this computer; it is on the panel (penstock demo key turns it), and a computer may be busy for a minute
#   - the pages are at localhost. A browser makes passkeys there once it trusts the certificate
#   - a code is enough for every yes, the server's word: nobody here has a passkey yet (people may enrol one, or sign by their SSH keys)
#   - plant_changes: by_file, because this file is written anew at each start
#   - operate on line 1 is not tied to the outage, so that the line can be started by Modbus any day
#   - a review that is due within a month, or was, is due whole years later, so that patterns can be agreed in whatever year this is
# Each changed rule and review says so beside it. Changes made by hand here are lost.
#
`

var changesLine = regexp.MustCompile(`(?m)^plant_changes: .*$`)

// demoPlant is the example plant file with its machines on this computer, as
// somebody would keep it at now. It edits the text in place, so that all else
// stays as it was reviewed.
func demoPlant(example []byte, assets map[string]moved, key, origin string, now time.Time) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Load(example, &doc); err != nil {
		return nil, fmt.Errorf("read the example plant file: %w", err)
	}
	if len(doc.Content) != 1 {
		return nil, fmt.Errorf("the example plant file is no document")
	}
	e := editor{text: example}
	root := doc.Content[0]
	if at := field(field(root, "site"), "origin"); at != nil {
		e.replace(at, origin)
	}
	all := field(root, "assets")
	if all == nil {
		return nil, fmt.Errorf("the example plant file has no assets")
	}
	for i := 0; i+1 < len(all.Content); i += 2 {
		name, asset := all.Content[i].Value, all.Content[i+1]
		e.address(field(asset, "address"))
		if to, ok := assets[name]; ok {
			e.ports(name, field(asset, "ports"), to)
		}
	}
	e.gates(field(root, "gates"), key)
	e.rules(field(root, "rules"))
	e.reviews(root, now)
	text, err := e.apply()
	if err != nil {
		return nil, fmt.Errorf("change the example plant file: %w", err)
	}
	text = changesLine.ReplaceAll(text, []byte("plant_changes: by_file            # demo: written anew at each start"))
	return append([]byte(plantHead), text...), nil
}

// demoStories are the example's stories: the demo's plant means the same, but
// for operate on any day, which none of them asks for alone.
func demoStories(example []byte) []byte {
	head := "# The example's stories (configs/plant.test.yaml) for the demo's plant.yaml.\n"
	return append([]byte(head), example...)
}

// field is a mapping's value, or nil.
func field(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// editor collects changes of a text by place, and makes them from the end on.
type editor struct {
	text  []byte
	edits []edit
	err   error
}

type edit struct {
	at   int
	old  string // what must stand there
	text string
}

// at is a node's place in the text. The parser counts lines and columns from 1,
// columns in signs.
func (e *editor) at(n *yaml.Node) int {
	start := 0
	for range n.Line - 1 {
		i := bytes.IndexByte(e.text[start:], '\n')
		if i < 0 {
			return len(e.text)
		}
		start += i + 1
	}
	line, _, _ := bytes.Cut(e.text[start:], []byte("\n"))
	signs := []rune(string(line))
	return start + len(string(signs[:min(len(signs), n.Column-1)]))
}

func (e *editor) replace(n *yaml.Node, text string) {
	e.edits = append(e.edits, edit{e.at(n), n.Value, text})
}

// before puts a new entry in front of a mapping's first.
func (e *editor) before(m *yaml.Node, entry string) {
	first := m.Content[0]
	text := entry + ", "
	if m.Style&yaml.FlowStyle == 0 {
		text = entry + "\n" + strings.Repeat(" ", first.Column-1)
	}
	e.edits = append(e.edits, edit{e.at(first), "", text})
}

func (e *editor) address(n *yaml.Node) {
	if n == nil {
		return
	}
	rest, ok := strings.CutPrefix(n.Value, "10.")
	if !ok {
		e.err = cmp.Or(e.err, fmt.Errorf("the address %s does not begin with 10", n.Value))
	}
	e.replace(n, "127."+rest)
}

func (e *editor) ports(asset string, ports *yaml.Node, to moved) {
	for name, number := range to.numbers {
		port := field(ports, name)
		if port == nil || len(port.Content) == 0 {
			e.err = cmp.Or(e.err, fmt.Errorf("%s has no port %s", asset, name))
			continue
		}
		if tcp := field(port, "tcp"); tcp != nil {
			e.replace(tcp, fmt.Sprint(number))
		} else {
			e.before(port, fmt.Sprintf("tcp: %d", number))
		}
		keys := field(port, "host_keys")
		if to.hostKey == "" || keys == nil {
			continue
		}
		if len(keys.Content) != 1 {
			e.err = cmp.Or(e.err, fmt.Errorf("%s has %d host keys", asset, len(keys.Content)))
			continue
		}
		e.replace(keys.Content[0], to.hostKey)
	}
}

// line is the whole line that a node begins on.
func (e *editor) line(n *yaml.Node) (start int, text string) {
	start = bytes.LastIndexByte(e.text[:e.at(n)], '\n') + 1
	line, _, _ := bytes.Cut(e.text[start:], []byte("\n"))
	return start, string(line)
}

// gates moves the key switch to where it is read here.
func (e *editor) gates(gates *yaml.Node, key string) {
	at := field(field(gates, "line-1-key"), "at")
	if at == nil || !bytes.HasPrefix(e.text[e.at(at):], []byte(`"`)) {
		e.err = cmp.Or(e.err, fmt.Errorf("the example plant file has no gate line-1-key that looks as it did"))
		return
	}
	e.edits = append(e.edits, edit{e.at(at), `"` + at.Value + `"`, `"` + key + `"`})
	e.replace(field(field(gates, "line-1-key"), "stale"), "60s")
}

var longestWords = regexp.MustCompile(`longest: \w+`)

// rules takes out what nobody can fulfil in this build. The line of a rule that
// is changed or left out says so.
func (e *editor) rules(rules *yaml.Node) {
	for _, r := range rules.Content {
		start, line := e.line(r)
		changed := line
		code := longestWords.ReplaceAllString(line, "$0, proof: code")
		switch name := field(r, "name"); {
		case name != nil && name.Value == "calendar":
			changed = strings.Replace(line, "right: [operate, ", "right: [", 1) + "    # demo: without operate"
		case field(r, "open") != nil && field(r, "proof") == nil:
			changed = code + "    # demo: a code is enough"
		default:
			continue
		}
		if len(changed) <= len(line) {
			e.err = cmp.Or(e.err, fmt.Errorf("a rule does not look as it did: %s", line))
		}
		e.edits = append(e.edits, edit{start, line, changed})
	}
}

// reviewsAhead is how far ahead the next review is at least: a pattern ends with
// the day of its frame's review, and one of two days shows nobody what it is.
const reviewsAhead = 30 // days

// reviews moves each review that would be due too soon by whole years. Of the
// emergency it is a length of time and stays.
func (e *editor) reviews(n *yaml.Node, now time.Time) {
	if at := field(n, "review"); at != nil {
		if day, err := time.Parse(time.DateOnly, at.Value); err == nil && day.Before(now.AddDate(0, 0, reviewsAhead)) {
			years := 1
			for day.AddDate(years, 0, 0).Before(now.AddDate(0, 0, reviewsAhead)) {
				years++
			}
			e.replace(at, day.AddDate(years, 0, 0).Format(time.DateOnly))
			start, line := e.line(at)
			e.edits = append(e.edits, edit{start + len(line), "", "    # demo: was " + at.Value})
		}
	}
	for _, part := range n.Content {
		e.reviews(part, now)
	}
}

func (e *editor) apply() ([]byte, error) {
	if e.err != nil {
		return nil, e.err
	}
	slices.SortFunc(e.edits, func(a, b edit) int { return cmp.Compare(b.at, a.at) })
	text := slices.Clone(e.text)
	for _, d := range e.edits {
		if !bytes.HasPrefix(text[d.at:], []byte(d.old)) {
			return nil, fmt.Errorf("%q does not stand where the parser says", d.old)
		}
		text = slices.Concat(text[:d.at], []byte(d.text), text[d.at+len(d.old):])
	}
	return text, nil
}
