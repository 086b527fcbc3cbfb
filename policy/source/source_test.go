package source_test

import (
	"strings"
	"testing"
	"time"

	"penstock/policy/source"
)

// read plays a small schema over the text and returns what was found.
func read(text string) source.Problems {
	var r source.Report
	f := source.Load("f.yaml", []byte(text), &r).Fields("name", "colour", "long", "many", "count", "on_air", "from", "day", "sub")
	f.Need("name").Text()
	f.Get("colour").OneOf("teal", "amber")
	f.Get("long").Duration(time.Minute, 48*time.Hour)
	for _, v := range f.Get("many").Items() {
		v.Text()
	}
	f.Get("count").Int(1, 9)
	f.Get("on_air").Bool()
	f.Get("from").Addr()
	f.Get("day").Date()
	for _, e := range f.Get("sub").Entries() {
		e.Number()
	}
	return r.Problems()
}

func TestProblems(t *testing.T) {
	for story, row := range map[string]struct{ text, want string }{
		"unknown key, with the nearest":      {"name: a\ncolor: teal\n", `f.yaml:2:1: unknown key "color" (is colour meant?)`},
		"unknown key, far from all":          {"name: a\nzzz: 1\n", `f.yaml:2:1: unknown key "zzz" (known here: name, colour, long, many, count, on_air, from, day, sub)`},
		"a key twice":                        {"name: a\nname: b\n", `f.yaml:2:1: "name" is here twice; first in line 1 (keep one)`},
		"a missing key":                      {"colour: teal\n", `f.yaml:1:1: there is no name here (add name: …)`},
		"a nearly right word":                {"name: a\ncolour: tael\n", `f.yaml:2:9: "tael" is not known here (is teal meant?)`},
		"a duration without its unit":        {"name: a\nlong: 30\n", `f.yaml:2:7: "30" is no length of time (write a number with its unit: 90s, 30m, 4h, 3d)`},
		"a duration out of bounds":           {"name: a\nlong: 3d\n", `f.yaml:2:7: 3d is not from 1m to 2d`},
		"one where many are wanted":          {"name: a\nmany: x\n", `f.yaml:2:7: a list is wanted here, not "x" (write [x])`},
		"a list where text is wanted":        {"name: [a]\n", `f.yaml:1:7: text is wanted here, not a list`},
		"a mapping where a list is":          {"name: a\nmany: {a: b}\n", `f.yaml:2:7: a list is wanted here, not a mapping`},
		"an empty value":                     {"name:\n", `f.yaml:1:6: a value is missing here`},
		"a null":                             {"name: ~\n", `f.yaml:1:7: a value is missing here`},
		"yes is not true":                    {"name: a\non_air: yes\n", `f.yaml:2:9: "yes" is neither true nor false (write true or false)`},
		"a bare yes as key":                  {"name: a\nsub: {yes: 1}\n", `f.yaml:2:7: bare yes as a key is true or false to other YAML programs (use another word)`},
		"a bare On as key":                   {"name: a\nsub: {On: 1}\n", `f.yaml:2:7: bare On as a key is true or false to other YAML programs (use another word)`},
		"a host name for an address":         {"name: a\nfrom: plc.kiel\n", `f.yaml:2:7: "plc.kiel" is no IP address (write the address itself, such as 10.20.1.11; names are not looked up)`},
		"a day that never comes":             {"name: a\nday: 2027-02-30\n", `f.yaml:2:6: "2027-02-30" is no date (write it as 2027-03-31)`},
		"not a number":                       {"name: a\nsub: {x: .nan}\n", `f.yaml:2:10: ".nan" is no number`},
		"an alias":                           {"name: &a x\ncolour: *a\n", "f.yaml:1:7: anchors and aliases are not read here (write it out)\nf.yaml:2:9: anchors and aliases are not read here (write it out)"},
		"a merge key":                        {"name: a\nsub: {<<: {x: 1}}\n", `f.yaml:2:7: merge keys are not read here (write it out)`},
		"a tag":                              {"name: !!binary aGk=\n", `f.yaml:1:7: tags such as !!binary are not read here (leave the tag out)`},
		"an escape sequence in the name":     {"name: \"a\\e[2Jb\"\n", `f.yaml:1:7: the text has characters that cannot be seen (write it as one visible line)`},
		"letters that turn the line around":  {"name: a\n\"x\\u202ey\": 1\n", `f.yaml:2:1: a key must be up to 200 visible characters`},
		"bytes that are not UTF-8":           {"name: \xff\n", `f.yaml: the file is not UTF-8 (save it as UTF-8)`},
		"nothing at all":                     {"", `f.yaml`},
		"a second document":                  {"name: a\n---\nname: b\n", `f.yaml`},
		"a list for the whole":               {"- a\n", `f.yaml:1:1: a mapping (name: …) is wanted here, not a list`},
		"a sound file":                       {"name: 4.2\ncolour: teal\nlong: 1h30m\nmany: [a, b]\ncount: 3\non_air: true\nfrom: 10.0.0.1\nday: 2027-03-31\nsub: {\"yes\": 1.5}\n", ""},
		"several at once, in file order":     {"count: 10\nname: a\nfrom: x\n", "f.yaml:1:8: \"10\" is no whole number from 1 to 9\nf.yaml:3:7: \"x\" is no IP address (write the address itself, such as 10.20.1.11; names are not looked up)"},
		"a syntax error has its place":       {"name: a\nmany: [a, b\ncount: 3\n", `f.yaml:`},
		"a tab for indentation has its line": {"name: a\nsub:\n\tx: 1\n", `f.yaml:3:`},
	} {
		t.Run(story, func(t *testing.T) {
			got := read(row.text).Error()
			exact := strings.HasSuffix(row.want, ")") || strings.Count(row.want, ":") > 2 || row.want == ""
			if exact && got != row.want || !strings.HasPrefix(got, row.want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, row.want)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := byte('b'); c < 'k'; c++ {
		p := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+p+",", 8) + "*" + p + "]\n"
	}
	for story, text := range map[string]string{
		"too large":     "name: " + strings.Repeat("a", source.MaxBytes),
		"too deep":      "name: " + strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"far too deep":  "name: " + strings.Repeat("[", 200_000),
		"too many":      "many: [" + strings.Repeat("a,", 300_000) + "]",
		"a bomb":        bomb,
		"long text":     "name: " + strings.Repeat("a", 1001),
		"many problems": "name: a\n" + strings.Repeat("? [a]\n: b\n", 5000),
	} {
		t.Run(story, func(t *testing.T) {
			begin := time.Now()
			ps := read(text)
			if len(ps) == 0 || len(ps) > 201 {
				t.Errorf("%d problems", len(ps))
			}
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "30m": 30 * time.Minute, "4h": 4 * time.Hour, "1h30m": 90 * time.Minute, "3d": 72 * time.Hour, "1d12h": 36 * time.Hour} {
		got, err := source.ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
		if back := source.Words(want); text != "90s" && text != "1d12h" && text != "90m" && back != text {
			t.Errorf("Words(%s) = %s, not %s", want, back, text)
		}
	}
	for _, bad := range []string{"", "4", "h", "4H", "30m1h", "4h4h", "-4h", "4.5h", "9999999h", "4h ", "1w", "999999d", "300y"} {
		if d, err := source.ParseDuration(bad); err == nil {
			t.Errorf("%q is %s", bad, d)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"carries", "rights", "owners", "review"}
	for word, want := range map[string]string{"carry": "", "carrys": "carries", "rigths": "rights", "Owner": "owners", "reveiw": "review", "x": "", "": "", strings.Repeat("x", 5000): ""} {
		if got := source.Nearest(word, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"name: a\n", "a: &x [*x]\n", "? {a: b}\n: c\n", "- - - -\n", "\"\\u202e\": x", "name: |\n  a\n  b\n", "%YAML 1.1\n---\na: b", "\xef\xbb\xbfname: a", "a: !!set {x}", "{a: {a: {a", "a: 0x1p-2"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, p := range read(string(text)) {
			if p.File != "f.yaml" || p.Line < 0 || p.Column < 0 || p.Text == "" {
				t.Errorf("a problem without its place: %+v", p)
			}
			for _, r := range p.String() {
				if r < ' ' || r == 0x7f || r >= 0x202a && r <= 0x202e {
					t.Errorf("a problem writes %U to the terminal", r)
				}
			}
		}
	})
}
