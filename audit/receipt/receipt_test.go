package receipt

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/mod/sumdb/note"

	"penstock/audit"
	"penstock/audit/durable"
)

const origin = "kiel/penstock/audit/a"

// house is a data directory with a running log.
type house struct {
	t    *testing.T
	dir  string
	disk *durable.Disk
	v    note.Verifier
	log  *audit.Log
	now  time.Time
	sign *Signer
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)}
	disk, err := durable.OpenDisk(h.dir)
	h.must(err)
	h.disk = disk
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- disk.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	h.start()
	t.Cleanup(func() { h.log.Close() })
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) keys() string { return filepath.Join(h.dir, "keys") }

// start opens log and key, and says so, as serve does.
func (h *house) start() {
	h.t.Helper()
	signer, v, err := audit.LogKeys(h.keys(), origin)
	h.must(err)
	h.v = v
	h.log, err = audit.OpenLog(filepath.Join(h.dir, "log"), h.disk, audit.Options{Origin: origin, Node: "a", Signer: signer,
		Clock: audit.Clock{Wall: func() time.Time { return h.now }, Mono: func() time.Duration { return 0 }, Boot: "boot"}})
	h.must(err)
	h.sign, err = Open(h.keys())
	h.must(err)
	h.append("a", "penstock", audit.NodeStarted{Version: "test", Receipts: h.sign.Name()})
}

func (h *house) append(subject, actor string, body audit.Body) audit.Leaf {
	h.t.Helper()
	h.now = h.now.Add(time.Second)
	leaf, err := h.log.Append(context.Background(), audit.Event{Subject: subject, Actor: actor, Body: body})
	h.must(err)
	return leaf
}

func (h *house) yes(who string) audit.Leaf {
	return h.append("R-1", who, audit.AnswerGiven{Request: "R-1", Rev: 1, Person: who, Says: "yes", Document: audit.HashOf([]byte(who))})
}

func (h *house) receipt(leaf audit.Leaf, who string) []byte {
	h.t.Helper()
	s, err := h.sign.Sign(h.log, "kiel", leaf, who)
	h.must(err)
	return []byte(s)
}

func (h *house) hold(given Keys, receipts ...[]byte) []Held {
	h.t.Helper()
	r, err := audit.OpenReader(filepath.Join(h.dir, "log"), h.v)
	h.must(err)
	held, err := Hold(context.Background(), r, given, receipts...)
	h.must(err)
	return held
}

// wants holds one receipt: one sentence that is wrong, or with "" none.
func (h *house) wants(story string, receipt []byte, given Keys, wrong string) {
	h.t.Helper()
	held := h.hold(given, receipt)[0]
	all := strings.Join(held.Wrong, "; ")
	if wrong == "" && all != "" || wrong != "" && !strings.Contains(all, wrong) {
		h.t.Errorf("%s: %q, want %q", story, all, wrong)
	}
}

func TestReceiptSaysWhatTheLeafSays(t *testing.T) {
	h := newHouse(t)
	leaf := h.yes("mia")
	held := h.hold(nil, append(h.receipt(leaf, "mia"), '\n'))[0]
	if len(held.Wrong) > 0 || !held.Signed {
		t.Fatalf("%+v", held)
	}
	want := Claims{V: 1, Plant: "kiel", Log: origin, Node: "a", Index: leaf.Index, Leaf: leaf.Hash, Type: "answer.given", Subject: "R-1",
		Person: "mia", Document: audit.HashOf([]byte("mia")), At: leaf.Wall, Size: leaf.Index + 1, Root: held.Claims.Root}
	if held.Claims != want || held.Claims.Root.IsZero() {
		t.Errorf("%+v\nwant %+v", held.Claims, want)
	}
}

func TestReceiptIsForWhoDidIt(t *testing.T) {
	h := newHouse(t)
	leaf := h.yes("mia")
	for _, who := range []string{"olaf", "", "penstock"} {
		if _, err := h.sign.Sign(h.log, "kiel", leaf, who); !errors.Is(err, ErrNotTheirs) {
			t.Errorf("%q got one: %v", who, err)
		}
	}
	login := h.append("mia", "mia", audit.LoginOK{Person: "mia"})
	if _, err := h.sign.Sign(h.log, "kiel", login, "mia"); !errors.Is(err, ErrNotTheirs) {
		t.Errorf("a receipt for a sign-in: %v", err)
	}
	from := h.log.Size()
	h.yes("mia")
	last := h.append("W-1", "mia", audit.WindowMoved{Window: "W-1", To: "opened", By: "mia"})
	h.yes("olaf")
	desk := &Desk{h.sign, h.log, func() string { return "kiel" }}
	s, at, err := desk.Since(context.Background(), from, "mia")
	h.must(err)
	if c := h.hold(nil, []byte(s))[0].Claims; c.Index != last.Index || at != last.Index {
		t.Errorf("leaf %d, want %d", c.Index, last.Index)
	}
	if again, err := desk.Again(context.Background(), at, "mia"); err != nil || len(h.hold(nil, []byte(again))[0].Wrong) > 0 {
		t.Errorf("again: %v", err)
	}
	for _, i := range []audit.Index{at + 1, 9999} {
		if _, err := desk.Again(context.Background(), i, "mia"); !errors.Is(err, ErrNotTheirs) {
			t.Errorf("leaf %d: %v", i, err)
		}
	}
	if s, _, err := desk.Since(context.Background(), from, "sec"); s != "" || err != nil {
		t.Errorf("%q, %v: sec did nothing", s, err)
	}
}

// TestForgedReceipts: what somebody without the key can make of what they have seen.
func TestForgedReceipts(t *testing.T) {
	h := newHouse(t)
	good := h.receipt(h.yes("mia"), "mia")
	set, err := ParseKeys(h.sign.Set())
	h.must(err)
	head, payload, sig := split(good)
	_, foreign, err := ed25519.GenerateKey(nil)
	h.must(err)
	other, err := newSigner(foreign)
	h.must(err)
	theirs, err := other.signer.Sign(payload)
	h.must(err)
	byOther, err := theirs.CompactSerialize()
	h.must(err)
	kid := h.sign.public.KeyID
	x, err := base64.RawURLEncoding.DecodeString(h.sign.Name())
	h.must(err)
	as := func(options *jose.SignerOptions, alg jose.SignatureAlgorithm, key any) []byte {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
		h.must(err)
		j, err := s.Sign(payload)
		h.must(err)
		c, err := j.CompactSerialize()
		h.must(err)
		return []byte(c)
	}
	opts := func(t string) *jose.SignerOptions {
		return (&jose.SignerOptions{}).WithType(jose.ContentType(t)).WithHeader("kid", kid)
	}
	block, err := audit.ReadPrivate(filepath.Join(h.keys(), KeyFile))
	h.must(err)
	own, err := parsePrivate(block)
	h.must(err)
	embedded := opts(typ)
	embedded.EmbedJWK = true
	for _, row := range []struct {
		story   string
		receipt []byte
		wrong   string
	}{
		{"as given", good, ""},
		{"no receipt at all", []byte("hello"), "is no receipt"},
		{"alg none", join([]byte(`{"alg":"none","kid":"`+kid+`","typ":"`+typ+`"}`), payload, nil), "is no receipt"},
		{"HS256 with the public key as secret", as(opts(typ), jose.HS256, x), "is no receipt"},
		{"HS256 with the published set as secret", as(opts(typ), jose.HS256, h.sign.Set()), "is no receipt"},
		{"another's key under our name", as(opts(typ), jose.EdDSA, foreign), "signature is not right"},
		{"another's key under its own name", []byte(byOther), "is none of those"},
		{"another's key, brought along in the header", as(embedded, jose.EdDSA, foreign), "is no receipt"},
		{"our key over another kind of token", as(opts("JWT"), jose.EdDSA, own), "its typ is"},
		{"no typ", as((&jose.SignerOptions{}).WithHeader("kid", kid), jose.EdDSA, own), "its typ is"},
		{"a header more", as(opts(typ).WithHeader("x5u", "https://evil.example"), jose.EdDSA, own), "is no receipt"},
		{"another's words under this signature", join(head, []byte(strings.Replace(string(payload), `"mia"`, `"ann"`, 1)), sig), "signature is not right"},
		{"two signatures' JSON form", []byte(`{"payload":"` + base64.RawURLEncoding.EncodeToString(payload) + `","signatures":[]}`), "is no receipt"},
		{"too long", []byte(strings.Repeat("a", MaxSize+1)), "is no receipt"},
	} {
		h.wants(row.story, row.receipt, nil, row.wrong)
		h.wants(row.story+", with a set kept outside", row.receipt, set, row.wrong)
	}
	var altered [][]byte
	for i := range good { // one altered sign anywhere
		bad := slices.Clone(good)
		if bad[i] = 'A'; good[i] == 'A' {
			bad[i] = 'B'
		}
		altered = append(altered, bad)
	}
	for i, held := range h.hold(set, altered...) {
		if held.Signed || len(held.Wrong) == 0 {
			t.Fatalf("byte %d altered: %+v", i, held)
		}
	}
}

func split(compact []byte) (head, payload, sig []byte) {
	var out [3][]byte
	for i, p := range strings.Split(string(compact), ".") {
		out[i], _ = base64.RawURLEncoding.DecodeString(p)
	}
	return out[0], out[1], out[2]
}

func join(parts ...[]byte) []byte {
	var out []string
	for _, p := range parts {
		out = append(out, base64.RawURLEncoding.EncodeToString(p))
	}
	return []byte(strings.Join(out, "."))
}

// TestLogsThatForget: what a receipt is for.
func TestLogsThatForget(t *testing.T) {
	h := newHouse(t)
	h.yes("olaf")
	copied := t.TempDir()
	h.must(os.CopyFS(copied, os.DirFS(h.dir)))
	h.must(os.Chmod(filepath.Join(copied, "keys", "log.key"), 0o600)) // CopyFS widens
	h.must(os.Chmod(filepath.Join(copied, "keys", KeyFile), 0o600))
	leaf := h.yes("mia")
	receipt := h.receipt(leaf, "mia")
	h.wants("the log as it went on", receipt, nil, "")
	h.append("W-1", "olaf", audit.WindowMoved{Window: "W-1", To: "opened", By: "olaf"})
	h.wants("and later", receipt, nil, "")

	back := &house{t: t, dir: copied, disk: h.disk, v: h.v, now: h.now}
	back.wants("rolled back to a copy", receipt, nil, "rolled back or cut")
	// A fork, by somebody who has every key of the broker: the same people, and mia said no.
	back.start()
	t.Cleanup(func() { back.log.Close() })
	back.append("R-1", "mia", audit.AnswerGiven{Request: "R-1", Rev: 1, Person: "mia", Says: "no"})
	back.wants("forked", receipt, nil, "rewritten, or is a fork")
	if held := h.hold(nil, back.receipt(back.yes("mia"), "mia")); len(held[0].Wrong) == 0 {
		t.Error("the fork's receipt fits the real log")
	}

	// What the leaves cannot tell, the tree does: it is compared by who reads all of the log.
	if c, ok := h.hold(nil, receipt)[0].Checkpoint(); !ok || c.Size != leaf.Index+1 || c.Root.IsZero() {
		t.Errorf("no tree beside it: %+v", c)
	}
}

// TestAnotherLogsReceipt: another plant, or another node of this one.
func TestAnotherLogsReceipt(t *testing.T) {
	h := newHouse(t)
	receipt := h.receipt(h.yes("mia"), "mia")
	_, payload, _ := split(receipt)
	moved := strings.Replace(string(payload), origin, "oslo/penstock/audit/a", 1)
	j, err := h.sign.signer.Sign([]byte(moved))
	h.must(err)
	c, err := j.CompactSerialize()
	h.must(err)
	h.wants("another plant's", []byte(c), nil, "is of the log")
}

func TestKeysThatGoAndCome(t *testing.T) {
	h := newHouse(t)
	before := h.receipt(h.yes("mia"), "mia")
	h.must(h.log.Close())
	h.start() // a restart keeps the key
	if set, err := ParseKeys(h.sign.Set()); err != nil || len(set) != 1 {
		t.Fatalf("%v, %v", set, err)
	}
	h.wants("after a restart", before, nil, "")
	h.must(h.log.Close())
	h.must(os.Remove(filepath.Join(h.keys(), KeyFile)))
	h.start()
	after := h.receipt(h.yes("olaf"), "olaf")
	b, err := os.ReadFile(filepath.Join(h.keys(), PubFile))
	h.must(err)
	set, err := ParseKeys(b)
	h.must(err)
	if len(set) != 2 || string(b) != string(h.sign.Set())+"\n" {
		t.Fatalf("receipt.pub: %s", b)
	}
	for _, keys := range []Keys{nil, set} {
		h.wants("of the old key", before, keys, "")
		h.wants("of the new key", after, keys, "")
	}
	delete(set, h.sign.public.KeyID)
	h.wants("of a key that nobody gave", after, set, "were given")
	// A key that was named only later signed nothing before.
	_, payload, _ := split(before)
	j, err := h.sign.signer.Sign(payload)
	h.must(err)
	c, err := j.CompactSerialize()
	h.must(err)
	h.wants("backdated with the new key", []byte(c), nil, "names before it")
}

func TestKeyFileIsRefused(t *testing.T) {
	for _, row := range []struct {
		story string
		spoil func(dir string) error
		say   string
	}{
		{"others may read it", func(d string) error { return os.Chmod(filepath.Join(d, KeyFile), 0o640) }, "may be read by others"},
		{"no key", func(d string) error { return os.WriteFile(filepath.Join(d, KeyFile), []byte("hello\n"), 0o600) }, "no PEM"},
		{"a public set with a private key in it", func(d string) error {
			_, k, _ := ed25519.GenerateKey(nil)
			b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k}}})
			return errors.Join(err, os.WriteFile(filepath.Join(d, PubFile), b, 0o644))
		}, "no Ed25519 public key"},
	} {
		t.Run(row.story, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := Open(dir); err != nil {
				t.Fatal(err)
			}
			if err := row.spoil(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), row.say) {
				t.Errorf("%v, want %q", err, row.say)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	claims := `{"at":"2026-11-22T03:00:00Z","index":3,"leaf":"sha256:` + strings.Repeat("0", 64) + `","log":"k","node":"a","person":"mia","plant":"kiel","root":"sha256:` +
		strings.Repeat("0", 64) + `","size":4,"subject":"R-1","type":"answer.given","v":1}`
	for _, head := range []string{`{"alg":"EdDSA","kid":"k","typ":"` + typ + `"}`, `{"alg":"none"}`, `{"alg":"HS256","typ":"` + typ + `"}`, `{`} {
		f.Add(join([]byte(head), []byte(claims), make([]byte, 64)))
		f.Add(join([]byte(head), []byte(`{"v":1}`), nil))
	}
	f.Add([]byte("..\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := parse(b)
		if err == nil && (u.V != 1 || u.key != "" && len(b) > MaxSize) {
			t.Errorf("%q was read as %+v", b, u.Claims)
		}
	})
}
