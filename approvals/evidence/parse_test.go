package evidence

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"penstock/audit"
)

func TestParseRequest(t *testing.T) {
	good := newStory(t).request
	if got, err := ParseRequest(canonical(t, good)); err != nil || got.Reason != good.Reason || !got.From.Equal(good.From) {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, row := range []struct {
		story string
		do    func(*Request)
		want  string
	}{
		{"another version", func(r *Request) { r.V = 2 }, "v: 2"},
		{"an id with a leading zero", func(r *Request) { r.Request = "R-01" }, "request:"},
		{"revision zero", func(r *Request) { r.Rev = 0 }, "rev:"},
		{"a firm with capitals", func(r *Request) { r.Firm = "Krall" }, "firm:"},
		{"nobody", func(r *Request) { r.People = nil }, "number of people"},
		{"65 people", func(r *Request) { r.People = strings.Split(strings.Repeat("ann ", 65), " ")[:65] }, "number of people"},
		{"people out of order", func(r *Request) { r.People = []string{"bob", "ann"} }, "people[1]"},
		{"one person twice", func(r *Request) { r.People = []string{"ann", "ann"} }, "people[1]"},
		{"no asset", func(r *Request) { r.Assets = []Target{} }, "number of assets"},
		{"assets out of order", func(r *Request) { r.Assets = []Target{maint, capper} }, "assets[1]"},
		{"an account with a space", func(r *Request) { r.Assets = []Target{{"filler-plc", "ssh", "ma int"}} }, "assets[0].account: character 3"},
		{"no rights", func(r *Request) { r.Rights = nil }, "rights"},
		{"an unknown right", func(r *Request) { r.Rights = []string{"look", "all"} }, "rights"},
		{"rights out of order", func(r *Request) { r.Rights = []string{"set", "look"} }, "rights"},
		{"rights without look", func(r *Request) { r.Rights = []string{"set"} }, "rights"},
		{"no reason", func(r *Request) { r.Reason = "" }, "reason: is empty"},
		{"a long reason", func(r *Request) { r.Reason = strings.Repeat("x", MaxReason+1) }, "reason: has"},
		{"a new line", func(r *Request) { r.Reason = "a\nb" }, "reason: character 2 is U+000A"},
		{"an escape sequence", func(r *Request) { r.Reason = "a\x1b[31m" }, "reason: character 2 is U+001B"},
		{"text that turns round", func(r *Request) { r.WorkOrder = "ab\u202ecd" }, "work_order: character 3 is U+202E"},
		{"a space of no width", func(r *Request) { r.Backout = "a\u200bb" }, "backout: character 2 is U+200B"},
		{"a soft hyphen", func(r *Request) { r.Change = "a\u00adb" }, "change: character 2 is U+00AD"},
		{"a tag character", func(r *Request) { r.Backup = "a\U000e0041" }, "backup: character 2"},
		{"an invisible letter", func(r *Request) { r.AreaClear = "a\u3164" }, "area_clear: character 2"},
		{"a space at the end", func(r *Request) { r.Reason = "a " }, "space"},
		{"no time", func(r *Request) { r.From = time.Time{} }, "from: is missing"},
		{"not in UTC", func(r *Request) { r.To = r.To.In(time.FixedZone("CET", 3600)) }, "to: is not in UTC"},
		{"an end before the begin", func(r *Request) { r.To = r.From }, "to: is not after"},
		{"a span of a year", func(r *Request) { r.To = r.From.AddDate(1, 0, 0) }, "31 days"},
		{"no minutes", func(r *Request) { r.Minutes = 0 }, "minutes"},
		{"more minutes than the span has", func(r *Request) { r.Minutes = 601 }, "minutes"},
		{"opens by magic", func(r *Request) { r.Open = "magic" }, "open"},
		{"no plant file", func(r *Request) { r.Plant = audit.Hash{} }, "plant: is missing"},
		{"a short nonce", func(r *Request) { r.Nonce = "AAAA" }, "nonce"},
		{"a padded nonce", func(r *Request) { r.Nonce += "=" }, "nonce"},
		{"a happening that is none", func(r *Request) { r.Happening = "panic" }, "happening"},
		{"a priority of its own", func(r *Request) { r.Priority = "P0" }, "priority"},
		{"no priority", func(r *Request) { r.Priority = "" }, "priority"},
		{"no worst case", func(r *Request) { r.Worst = "" }, "worst: is empty"},
		{"another kind", func(r *Request) { r.Kind = "by-drone" }, "kind"},
		{"a laptop that comes from outside", func(r *Request) { r.Laptop = "laptop 07" }, "laptop, jack: belong to work on site"},
		{"on site with a way in", func(r *Request) { r.Kind, r.Laptop = OnSite, "laptop 07" }, "names the machine alone"},
		{"on site with a laptop that nobody finds", func(r *Request) { r.Kind, r.Assets = OnSite, []Target{{Asset: "filler-plc"}} }, "laptop: is empty"},
		{"called in to work on site", func(r *Request) {
			r.Kind, r.Laptop, r.Assets, r.Called = OnSite, "laptop 07", []Target{{Asset: "filler-plc"}}, true
		}, "no call-in"},
		{"a way in without a port", func(r *Request) { r.Assets = []Target{{Asset: "filler-plc", Account: "maint"}} }, "has no port"},
	} {
		t.Run(row.story, func(t *testing.T) {
			r := newStory(t).request
			row.do(&r)
			_, err := ParseRequest(canonical(t, r))
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want %q in it", err, row.want)
			}
		})
	}
}

// Bytes that say the same in another spelling are another document: refused.
func TestParseOnlyCanonical(t *testing.T) {
	good := string(canonical(t, newStory(t).request))
	for _, row := range []struct{ story, from, to string }{
		{"white space", `"v":1`, `"v": 1`},
		{"an unknown field", `"v":1`, `"v":1,"x":1`},
		{"a field twice", `"v":1`, `"v":1,"v":1`},
		{"a field in other letters", `"v":1`, `"V":1`},
		{"a number in other digits", `"v":1`, `"v":1.0`},
		{"an escaped letter", `"ann"`, `"\u0061nn"`},
		{"a time with an offset", `T21:00:00Z`, `T21:00:00+00:00`},
		{"a time with a useless fraction", `T21:00:00Z`, `T21:00:00.0Z`},
		{"null for a list", `"people":["ann"]`, `"people":null`},
		{"an empty optional text", `"people"`, `"backup":"","people"`},
		{"bytes that are not UTF-8", `Valve`, "Val\xffve"},
		{"something after it", `}`, `}{}`},
	} {
		t.Run(row.story, func(t *testing.T) {
			bad := strings.Replace(good, row.from, row.to, 1)
			if row.from == "}" {
				bad = good + "{}"
			}
			if bad == good {
				t.Fatal("the row changes nothing")
			}
			if _, err := ParseRequest([]byte(bad)); err == nil {
				t.Errorf("accepted: %s", bad)
			}
		})
	}
	if _, err := ParseRequest(make([]byte, MaxDocument+1)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("too long: %v", err)
	}
}

func TestParseAnswer(t *testing.T) {
	for _, row := range []struct {
		story string
		do    func(*Answer)
		want  string // empty: it holds
	}{
		{"a yes", func(*Answer) {}, ""},
		{"a yes with limits", func(a *Answer) {
			a.Limits = Limits{Rights: []string{"look"}, Assets: []Target{maint}, Minutes: 5, Until: night}
		}, ""},
		{"a no without proof", func(a *Answer) { a.Says, a.Proof, a.Why = No, Proof{}, "tank 3 is hot" }, ""},
		{"not before", func(a *Answer) { a.Says, a.NotBefore = NotBefore, night }, ""},
		{"an extension", func(a *Answer) { a.Says, a.Window, a.Until = Extend, "W-1", night }, ""},
		{"not before without a time", func(a *Answer) { a.Says = NotBefore }, "not_before"},
		{"a yes with not_before", func(a *Answer) { a.NotBefore = night }, "not_before"},
		{"an extension without a window", func(a *Answer) { a.Says, a.Until = Extend, night }, "only to"},
		{"an extension without an end", func(a *Answer) { a.Says, a.Window = Extend, "W-1" }, "only to"},
		{"a yes with a window", func(a *Answer) { a.Window = "W-1" }, "only to"},
		{"an extension of nothing", func(a *Answer) { a.Says, a.Window, a.Until = Extend, "17", night }, "window:"},
		{"a no with limits", func(a *Answer) { a.Says, a.Limits.Minutes = No, 5 }, "limits"},
		{"less than no minutes", func(a *Answer) { a.Limits.Minutes = -1 }, "limits.minutes"},
		{"limits out of order", func(a *Answer) { a.Limits.Assets = []Target{maint, capper} }, "limits.assets[1]"},
		{"an unknown word", func(a *Answer) { a.Says = "maybe" }, "says"},
		{"to nothing", func(a *Answer) { a.Request = audit.Hash{} }, "request"},
		{"no role", func(a *Answer) { a.Role = "" }, "role"},
		{"hostile why", func(a *Answer) { a.Why = "\u2066x" }, "why: character 1"},
	} {
		t.Run(row.story, func(t *testing.T) {
			a := newStory(t).answers[0]
			a.Request = audit.HashOf([]byte("r"))
			row.do(&a)
			got, err := ParseAnswer(canonical(t, a))
			switch {
			case row.want == "" && err != nil:
				t.Error(err)
			case row.want == "" && got.Says != a.Says:
				t.Errorf("it says %q", got.Says)
			case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
				t.Errorf("error %v, want %q in it", err, row.want)
			}
		})
	}
}

func TestWords(t *testing.T) {
	if len(words) != 256 {
		t.Fatalf("%d words, want 256", len(words))
	}
	begins := map[string]string{}
	for _, w := range words {
		if len(w) < 3 || len(w) > 8 {
			t.Errorf("%q has %d letters", w, len(w))
		}
		if other, ok := begins[w[:3]]; ok {
			t.Errorf("%q and %q begin alike", w, other)
		}
		begins[w[:3]] = w
	}
	h := audit.Hash{0, 1, 2, 3, 4, 254, 255, 128, 9}
	got := Words(h)
	if len(got) != 8 || got[0] != "acorn" || got[6] != "tulip" {
		t.Errorf("words %q", got)
	}
	h[7]++
	if again := Words(h); again[7] == got[7] || again[6] != got[6] {
		t.Errorf("the eighth byte does not make the eighth word: %q", again)
	}
}

// fuzzed: what a parser accepts is exactly its own canonical form.
func fuzzed[T any](t *testing.T, b []byte, parse func([]byte) (T, error)) {
	v, err := parse(b)
	if err != nil {
		return
	}
	again, err := audit.Canonical(v)
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("accepted %q, which is %q in canonical form (%v)", b, again, err)
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add(canonical(f, newStory(f).request))
	f.Add([]byte(`{"v":1}`))
	f.Add([]byte(`{"v":1,"people":["\ud800"]}`))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzed(t, b, ParseRequest) })
}

func FuzzParseAnswer(f *testing.F) {
	s := newStory(f)
	s.check(f)
	f.Add(s.given[0].Body)
	a := s.answers[0]
	a.Limits = Limits{Rights: []string{"look"}, Assets: []Target{maint}, Minutes: 5, Until: night}
	f.Add(canonical(f, a))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzed(t, b, ParseAnswer) })
}

func FuzzParseClaim(f *testing.F) {
	w, err := Narrow(newStory(f).request, nil)
	if err != nil {
		f.Fatal(err)
	}
	w.Window = "W-1"
	f.Add(canonical(f, w))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzed(t, b, ParseClaim) })
}
