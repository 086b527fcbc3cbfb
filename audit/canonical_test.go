package audit

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"
	"golang.org/x/mod/sumdb/note"
)

func TestCanonical(t *testing.T) {
	raw := func(s string) any { return json.RawMessage(s) }
	for _, tt := range []struct {
		name string
		v    any
		want string // "": an error
	}{
		{"keys by UTF-16, nothing escaped that need not be", raw(`{"z":1,"\u20ac":2,"\ud83d\ude00":3,"\ufb33":4,"a":"\u003c<>&\u2028/\/"}`), "{\"a\":\"<<>&\u2028//\",\"z\":1,\"€\":2,\"😀\":3,\"\ufb33\":4}"},
		{"controls", raw(`"\u0000\u001f\b\t\n\f\r\"\\\u007f"`), `"\u0000\u001f\b\t\n\f\r\"\\` + "\x7f\""},
		{"largest integers", raw(`[9007199254740991,-9007199254740991,0]`), `[9007199254740991,-9007199254740991,0]`},
		{"map of Go", map[string]any{"b": []string{}, "a": nil, "c": true}, `{"a":null,"b":[],"c":true}`},
		{"a real replacement character", "\uFFFD", "\"\uFFFD\""},
		{"a backslash before ufffd", `\ufffd`, `"\\ufffd"`},
		{"depth 32", raw(strings.Repeat("[", 32) + strings.Repeat("]", 32)), strings.Repeat("[", 32) + strings.Repeat("]", 32)},

		{"depth 33", raw(strings.Repeat("[", 33) + strings.Repeat("]", 33)), ""},
		{"2^53", raw(`9007199254740992`), ""},
		{"-2^53", raw(`[-9007199254740992]`), ""},
		{"far too large", raw(`123456789012345678901234567890`), ""},
		{"uint64", uint64(1) << 60, ""},
		{"a float", 1.5, ""},
		{"an exponent", raw(`1e3`), ""},
		{"a float that is whole", raw(`1.0`), ""},
		{"minus zero", raw(`-0`), ""},
		{"key twice", raw(`{"a":1,"b":2,"a":1}`), ""},
		{"key twice, spelt apart", raw(`{"a":1,"\u0061":2}`), ""},
		{"key twice, deep", raw(`[{"x":{"a":1,"a":2}}]`), ""},
		{"not UTF-8 in Go", "a\xff", ""},
		{"not UTF-8 in a key", map[string]int{"\xff": 1}, ""},
		{"not UTF-8 in raw", raw("\"\xff\""), ""},
		{"half a pair", raw(`"\ud800"`), ""},
		{"the other half", raw(`"\udc00x"`), ""},
		{"no JSON", raw(`{`), ""},
		{"a channel", make(chan int), ""},
	} {
		b, err := Canonical(tt.v)
		if (err == nil) != (tt.want != "") || string(b) != tt.want {
			t.Errorf("%s: %q, %v", tt.name, b, err)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{}`, `{"b":1,"a":[true,null,"\u00e9"]}`, `1e2`, `{"a":1,"a":1}`, `"\ud800\udc00"`, `-0`, ` [ 1 , 2 ] `,
		`{"z":{"y":[1,{"b":"é","a":null}],"x":true},"a":-12,"ab":{},"aa":[]}`, `{"b":{"a":1,"a":1},"a":0}`, `{"é":1,"z":2}`,
		`{"b":"\"<&>\\\\\n\u001f","a":"\/\u2028"}`, `{"b\\":1,"a":"\r\n\t\b\f"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := Canonical(json.RawMessage(in))
		if err != nil {
			return
		}
		if want, err := jcs.Transform(in); err != nil || !bytes.Equal(b, want) {
			t.Fatalf("%q becomes %q, and jcs says %q, %v", in, b, want, err)
		}
		again, err := Canonical(json.RawMessage(b))
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q is canonical, and its canonical form is %q, %v", b, again, err)
		}
		if !json.Valid(b) {
			t.Fatalf("%q is no JSON", b)
		}
	})
}

func FuzzParseLeaf(f *testing.F) {
	f.Add([]byte(`{"actor":"mia","body":{"block":"B-1","by":"mia"},"boot":"b","index":0,"mono":"12","node":"a","rev":1,"subject":"B-1","type":"block.lifted","v":1,"wall":"2026-11-22T03:00:00.5Z"}`))
	f.Add([]byte(`{"actor":"","body":{"a":1},"boot":"b","index":7,"mono":"0","node":"a","rev":0,"rows":{"x":"sha256:` + strings.Repeat("0", 64) + `"},"subject":"","type":"new.event","v":1,"wall":"1970-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseLeaf(b)
		if err != nil {
			return
		}
		again, err := l.Canonical()
		if err != nil || !bytes.Equal(again, b) || l.Hash != HashOf(b) {
			t.Fatalf("%q reads, and is written as %q, %v", b, again, err)
		}
	})
}

func TestParseLeafIsStrict(t *testing.T) {
	good := `{"actor":"mia","body":{"block":"B-1","by":"mia"},"boot":"b","index":0,"mono":"12","node":"a","rev":1,"subject":"B-1","type":"block.lifted","v":1,"wall":"2026-11-22T03:00:00.5Z"}`
	if _, err := ParseLeaf([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"a field more":           {`"v":1`, `"v":1,"x":1`},
		"a field more in a body": {`"by":"mia"`, `"by":"mia","x":1`},
		"an empty optional":      {`"by":"mia"`, `"by":"mia","why":""`},
		"a field less":           {`"boot":"b",`, ``},
		"other order":            {`"block":"B-1","by":"mia"`, `"by":"mia","block":"B-1"`},
		"a space":                {`"v":1`, `"v": 1`},
		"another case":           {`"actor"`, `"Actor"`},
		"an escape":              {`"B-1","type"`, `"\u0042-1","type"`},
		"another version":        {`"v":1`, `"v":2`},
		"zeros in the time":      {`.5Z`, `.50Z`},
		"a zone":                 {`.5Z`, `.5+00:00`},
		"no time":                {`03:00:00.5Z`, `25:00:00Z`},
		"mono below 0":           {`"12"`, `"-12"`},
		"mono with a zero":       {`"12"`, `"012"`},
		"index too large":        {`"index":0`, `"index":9007199254740992`},
		"something behind":       {`.5Z"}`, `.5Z"}{}`},
		"too long":               {`"mia"}`, `"mia"}` + strings.Repeat(" ", MaxLeaf)},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s: changes nothing", name)
		}
		if _, err := ParseLeaf([]byte(bad)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add(appendFrame(nil, []byte(`{}`), true))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x80, 0, 0x10, 1, 0, 0, 0, 0, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		leaf, first, size, err := parseFrame(b)
		if err == nil && !bytes.Equal(appendFrame(nil, leaf, first), b[:size]) {
			t.Fatalf("%x reads, and is written otherwise", b[:size])
		}
	})
}

// testCheckpoint is a note of a fixed key, for seeds.
func testCheckpoint(t testing.TB) ([]byte, note.Verifier) {
	o := testOptions(t)
	b, err := signCheckpoint(o.Signer, o.Origin, 3, (&frontier{}).root())
	if err != nil {
		t.Fatal(err)
	}
	return b, selfVerifier{o.Signer}
}

func FuzzParseCheckpointText(f *testing.F) {
	f.Add("o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
	f.Add("o\n18\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nmore\n")
	f.Add("o\n01\nx\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCheckpointText(text)
		if err != nil {
			return
		}
		lines := strings.SplitAfterN(text, "\n", 4)
		if lines[0] != c.Origin+"\n" || lines[2] != c.root().String()+"\n" {
			t.Fatalf("%q reads as %+v", text, c)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	b, _ := testCheckpoint(f)
	f.Add(Proof{Index: 2, Checkpoint: b, Extra: []byte("x")}.Marshal())
	f.Add([]byte("c2sp.org/tlog-proof@v1\nindex 0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"))
	f.Add([]byte("c2sp.org/tlog-proof@v1\nindex 00\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseProof(b)
		if err == nil && len(p.Extra) > 0 && !bytes.Equal(p.Marshal(), b) {
			t.Fatalf("%q reads, and is written as %q", b, p.Marshal())
		}
	})
}

// A reader of foreign bytes ends, and says what is wrong, whatever they are.
func FuzzReader(f *testing.F) {
	leaf := []byte(`{"actor":"","body":{},"boot":"b","index":0,"mono":"0","node":"a","rev":0,"subject":"","type":"node.stopped","v":1,"wall":"1970-01-01T00:00:00Z"}`)
	one := appendFrame(nil, leaf, true)
	far := appendFrame(nil, bytes.Replace(leaf, []byte(`"index":0`), []byte(`"index":9007199254740991`), 1), true)
	f.Add(one)
	f.Add(append(bytes.Clone(one), far...))
	f.Add(append(append(bytes.Clone(one), 0, 0, 0), one...))
	f.Add(one[:len(one)-1])
	b, v := testCheckpoint(f)
	f.Fuzz(func(t *testing.T, segment []byte) {
		readForeign(t, segment, b, v)
	})
}

// appendFrame: u32 length | u32 CRC-32C of length and leaf | leaf, big-endian.
func appendFrame(b, leaf []byte, first bool) []byte {
	start := len(b)
	return endFrame(append(beginFrame(b), leaf...), start, first)
}
