package siem

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"penstock/audit"
)

var source = Source{Origin: "kiel/penstock/audit/a", Version: "1"}

func leafOf(b audit.Body) audit.Leaf {
	return audit.Leaf{Event: audit.Event{Subject: "X-1", Rev: 1, Actor: "mia", Body: b}, Index: 7, Wall: time.UnixMilli(1_800_000_000_123), Boot: "b", Node: "a", Hash: audit.HashOf([]byte("x"))}
}

// filled is b with text in every text and something in everything else.
func filled(b audit.Body, text string) audit.Body {
	v := reflect.New(reflect.TypeOf(b)).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString(text)
		case []string:
			f.Set(reflect.ValueOf([]string{text, text}))
		case bool:
			f.SetBool(true)
		case time.Time:
			f.Set(reflect.ValueOf(time.Unix(1_800_000_000, 0).UTC()))
		case audit.Hash:
			f.Set(reflect.ValueOf(audit.HashOf([]byte(text))))
		case map[string]string:
			f.Set(reflect.ValueOf(map[string]string{text: text}))
		default:
			switch f.Kind() {
			case reflect.Int, reflect.Int64:
				f.SetInt(12)
			case reflect.Uint64:
				f.SetUint(12)
			}
		}
	}
	return v.Interface().(audit.Body)
}

// TestEveryType: each type of leaf that this build knows is mapped, fits the
// schema whatever its body says, and stands in the README's table.
func TestEveryType(t *testing.T) {
	s := readSchema(t)
	if s.Version != Schema {
		t.Fatalf("the extract is of %s", s.Version)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, b := range audit.Bodies() {
		known[b.Type()] = true
		if _, ok := rules[b.Type()]; !ok {
			t.Errorf("%s has no line in rules (audit/siem/mapping.go), and needs one in audit/README.md", b.Type())
			continue
		}
		_, rest, _ := bytes.Cut(readme, []byte("\n| `"+b.Type()+"` |"))
		row, _, _ := bytes.Cut(rest, []byte("\n"))
		for _, body := range append(variants[b.Type()], b, filled(b, "198.51.100.7:4022"), filled(b, "a\nb\x00\u202e\u2066ü\U0001f600")) {
			e := source.Event(leafOf(body))
			for _, w := range s.check(e.JSON) {
				t.Errorf("%s: %s\n%s", b.Type(), w, e.JSON)
			}
			if kind := typeOf(t, e); !strings.Contains(string(row), kind) {
				t.Errorf("audit/README.md's table does not say that %s can be %s: it says %q", b.Type(), kind, row)
			}
		}
	}
	for name := range rules {
		if !known[name] {
			t.Errorf("rules has %s, which no leaf is", name)
		}
	}
	e := source.Event(leafOf(audit.Unknown{Name: "of.tomorrow", Raw: json.RawMessage(`{"x":"y"}`)}))
	if w := s.check(e.JSON); w != nil || !bytes.Contains(e.JSON, []byte(`"body":{"x":"y"}`)) || typeOf(t, e) != "99" {
		t.Errorf("a type that this build does not know: %v %s", w, e.JSON)
	}
}

func typeOf(t *testing.T, e Event) string {
	t.Helper()
	var w struct {
		TypeUID int `json:"type_uid"`
	}
	if err := json.Unmarshal(e.JSON, &w); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(w.TypeUID)
}

// variants are bodies whose words change their mapping.
var variants = map[string][]audit.Body{
	"channel.opened":   {audit.ChannelOpened{Kind: "direct-tcpip", Target: "10.0.0.1:502"}, audit.ChannelOpened{Kind: "shell"}},
	"channel.refused":  {audit.ChannelRefused{Kind: "direct-tcpip", Rule: "r", Why: "w"}},
	"key.enrolled":     {audit.KeyEnrolled{Kind: "password"}, audit.KeyEnrolled{Kind: "totp"}},
	"file.transferred": {audit.FileTransferred{Direction: "out"}, audit.FileTransferred{Direction: "in", Whole: true, Hashed: "content", Path: "/a/b"}},
}

// TestMapped: what a SIEM looks for first is where OCSF has it.
func TestMapped(t *testing.T) {
	for _, c := range []struct {
		body audit.Body
		want string
	}{
		{audit.LoginRefused{Name: "eve", Source: "198.51.100.7:4022", Why: "wrong code"},
			`"class_uid":3002,"type_uid":300201,"severity_id":2,"status_id":2,"status_detail":"wrong code","time":1800000000123`},
		{audit.LoginRefused{Name: "eve", Source: "198.51.100.7:4022"}, `"user":{"uid":"eve"},"src_endpoint":{"ip":"198.51.100.7","port":4022}`},
		{audit.SessionStarted{Session: "S-1", Person: "ann", Source: "2001:db8::7"}, `"src_endpoint":{"ip":"2001:db8::7","uid":"S-1"},"dst_endpoint":{"uid":"penstock/a"}`},
		{audit.ChannelOpened{Kind: "direct-tcpip", Session: "S-1", Asset: "filler-plc", Port: "modbus", Target: "10.0.0.1:502"},
			`"dst_endpoint":{"ip":"10.0.0.1","port":502,"uid":"filler-plc","svc_name":"modbus"}`},
		{audit.ChannelClosed{Session: "S-1", In: 3, Out: 9}, `"traffic":{"bytes_in":3,"bytes_out":9}`},
		{audit.FileTransferred{Path: "/etc/x.conf", Bytes: 9, Hashed: "content", SHA256: audit.HashOf(nil), Direction: "in", Whole: true, Asset: "hmi"},
			`"device":{"type_id":0,"name":"hmi"},"file":{"type_id":0,"name":"x.conf","path":"/etc/x.conf","size":9,"hashes":[{"algorithm_id":3,"value":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}`},
		{audit.WindowMoved{Window: "W-1", To: "cut", Why: "smoke"}, `"type_uid":300403,"severity_id":3,"status_id":1,"status_detail":"smoke"`},
		{audit.KeyEnrolled{Person: "ann", Kind: "totp"}, `"type_uid":300110`},
	} {
		if e := source.Event(leafOf(c.body)); !bytes.Contains(e.JSON, []byte(c.want)) {
			t.Errorf("%T: wanted %s in\n%s", c.body, c.want, e.JSON)
		}
	}
}

// TestHostile: whatever a text holds, the event is one bounded line of ASCII, and the text comes back out.
func TestHostile(t *testing.T) {
	for _, text := range []string{"a\nb\r\nc", "\u202egnp.exe", "\x1b]0;x\a", "\u2028\u2029", strings.Repeat("a\n", 500), strings.Repeat("\u202e", 1200), strings.Repeat("\U0001f600", 900)} {
		e := source.Event(leafOf(audit.LoginRefused{Name: text, Source: text, Why: text}))
		if len(e.JSON) > maxEvent || bytes.ContainsFunc(e.JSON, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%.20q: %d bytes, %.200q", text, len(e.JSON), e.JSON)
		}
		var back struct {
			Unmapped struct {
				Body    audit.LoginRefused
				LeftOut string `json:"left_out"`
			}
		}
		if err := json.Unmarshal(e.JSON, &back); err != nil {
			t.Fatal(err)
		}
		if (back.Unmapped.Body.Why == text) == (back.Unmapped.LeftOut != "") {
			t.Errorf("%.20q: body %.20q, left out %q", text, back.Unmapped.Body.Why, back.Unmapped.LeftOut)
		}
	}
}

// FuzzEvent: no body breaks the line.
func FuzzEvent(f *testing.F) {
	f.Add("window.moved", "W-1", `{"to":"cut","why":"x\ny"}`)
	f.Add("channel.closed", "S-1", `{"in":1e300,"out":-1,"session":7}`)
	f.Add("file.transferred", "", `{"path":"///","sha256":"sha256:","hashed":"content"}`)
	f.Add("login.ok", "\xff", `[]`)
	f.Fuzz(func(t *testing.T, name, subject, raw string) {
		if !json.Valid([]byte(raw)) {
			raw = `{}`
		}
		l := leafOf(audit.Unknown{Name: name, Raw: json.RawMessage(raw)})
		l.Subject = subject
		e := source.Event(l)
		if len(e.JSON) > maxEvent || !json.Valid(e.JSON) || bytes.ContainsFunc(e.JSON, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q", e.JSON)
		}
	})
}
