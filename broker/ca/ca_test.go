package ca

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io/fs"
	"iter"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"pgregory.net/rapid"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// memLog keeps leaves in memory; it can fail.
type memLog struct {
	mu   sync.Mutex
	all  []audit.Leaf
	fail error
}

func (l *memLog) Append(_ context.Context, ev audit.Event) (audit.Leaf, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return audit.Leaf{}, l.fail
	}
	leaf := audit.Leaf{Event: ev, Index: audit.Index(len(l.all)), Node: "a"}
	l.all = append(l.all, leaf)
	return leaf, nil
}

func (l *memLog) Upto(_ context.Context, from audit.Index) iter.Seq2[audit.Leaf, error] {
	return func(yield func(audit.Leaf, error) bool) {
		for i := int(from); i < len(l.all); i++ {
			if !yield(l.all[i], nil) {
				return
			}
		}
	}
}

func (l *memLog) Leaf(_ context.Context, at audit.Place) (audit.Leaf, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if int(at.Index) >= len(l.all) {
		return audit.Leaf{}, fs.ErrNotExist
	}
	return l.all[at.Index], nil
}

// edited is a store in which somebody has changed rows by hand.
type edited struct {
	state.Store
	hand map[string]state.Row
}

func (e *edited) Get(ctx context.Context, key string) (state.Row, error) {
	if row, ok := e.hand[key]; ok {
		return row, nil
	}
	return e.Store.Get(ctx, key)
}

type world struct {
	a    *Authorities
	log  *memLog
	rows *edited
	now  time.Time
	dir  string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{log: &memLog{}, rows: &edited{state.NewMemory(), map[string]state.Row{}}, now: time.Unix(1_800_000_000, 0), dir: t.TempDir()}
	var err error
	w.a, err = Open(w.parts())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) parts() Parts {
	return Parts{Dir: w.dir, Make: true, Journal: state.NewJournal("a", w.log, w.rows, Fold()), Rows: w.rows, Log: w.log, Now: func() time.Time { return w.now }}
}

func newKey() ssh.Signer {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		panic(err)
	}
	return s
}

type meta struct{ ssh.ConnMetadata }

func (meta) User() string         { return "mallory" }
func (meta) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(198, 51, 100, 7)} }

var networks = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}

func (w *world) issue(t testing.TB, key ssh.Signer) *ssh.Certificate {
	t.Helper()
	c, err := w.a.IssueVendor(t.Context(), Claim{Person: "ann", Firm: "krall", Windows: []policy.WindowID{"W-18", "W-17", "W-18"}, Until: w.now.Add(3 * time.Hour)}, key.PublicKey(), networks)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIssuedCertificate(t *testing.T) {
	w := newWorld(t)
	key := newKey()
	c := w.issue(t, key)
	if c.KeyId != "w=W-17,W-18;p=ann;c=krall" || c.CriticalOptions[WindowOption] != "W-17,W-18" || c.CriticalOptions["source-address"] != "198.51.100.0/24" || len(c.CriticalOptions) != 2 {
		t.Errorf("key id %q, options %v", c.KeyId, c.CriticalOptions)
	}
	if len(c.ValidPrincipals) != 1 || c.ValidPrincipals[0] != "ann" || c.Serial == 0 || c.Serial>>63 != 0 {
		t.Errorf("principals %v, serial %d", c.ValidPrincipals, c.Serial)
	}
	if c.ValidAfter != uint64(w.now.Unix()-120) || c.ValidBefore != uint64(w.now.Unix()+3600) {
		t.Errorf("valid %d to %d at %d", c.ValidAfter, c.ValidBefore, w.now.Unix())
	}
	if _, agent := c.Extensions["permit-agent-forwarding"]; agent || len(c.Extensions) != 2 {
		t.Errorf("extensions %v", c.Extensions)
	}
	claim, perms, err := w.a.CheckVendor(meta{}, "ann", c)
	if err != nil || claim.Person != "ann" || claim.Firm != "krall" || len(claim.Windows) != 2 || perms.CriticalOptions["source-address"] == "" {
		t.Fatalf("its own certificate: %+v %v %v", claim, perms, err)
	}
	ev := w.log.all[0].Body.(audit.CertIssued)
	if ev.CA != "in" || ev.Key != ssh.FingerprintSHA256(key.PublicKey()) || claim.Serial != ev.Serial {
		t.Errorf("the event says %+v", ev)
	}
	if !w.a.Running(key.PublicKey()) || w.a.Running(newKey().PublicKey()) {
		t.Error("Running does not say which key has a certificate")
	}
}

// TestCheckVendor: each row changes one thing in a good certificate and signs
// it again with the right authority, as somebody with the in key could.
func TestCheckVendor(t *testing.T) {
	w := newWorld(t)
	key, other := newKey(), newKey()
	good := w.issue(t, key)
	for story, change := range map[string]func(*ssh.Certificate){
		"another key":                 func(c *ssh.Certificate) { c.Key = other.PublicKey() },
		"another serial":              func(c *ssh.Certificate) { c.Serial++ },
		"serial 0":                    func(c *ssh.Certificate) { c.Serial = 0 },
		"a host certificate":          func(c *ssh.Certificate) { c.CertType = ssh.HostCert },
		"no principals":               func(c *ssh.Certificate) { c.ValidPrincipals = nil },
		"two principals":              func(c *ssh.Certificate) { c.ValidPrincipals = []string{"ann", "bob"} },
		"another principal":           func(c *ssh.Certificate) { c.ValidPrincipals = []string{"bob"} },
		"for ever":                    func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity },
		"a day":                       func(c *ssh.Certificate) { c.ValidBefore = c.ValidAfter + 86400 },
		"a minute more":               func(c *ssh.Certificate) { c.ValidBefore += 60 },
		"not yet valid":               func(c *ssh.Certificate) { c.ValidAfter = uint64(w.now.Unix() + 300) },
		"ends before it begins":       func(c *ssh.Certificate) { c.ValidBefore = c.ValidAfter - 1 },
		"another window":              func(c *ssh.Certificate) { c.CriticalOptions[WindowOption] = "W-99" },
		"no window":                   func(c *ssh.Certificate) { delete(c.CriticalOptions, WindowOption) },
		"no source-address":           func(c *ssh.Certificate) { delete(c.CriticalOptions, "source-address") },
		"an empty source-address":     func(c *ssh.Certificate) { c.CriticalOptions["source-address"] = "" },
		"an option more":              func(c *ssh.Certificate) { c.CriticalOptions["force-command"] = "id" },
		"an option that nobody knows": func(c *ssh.Certificate) { c.CriticalOptions["verify-required"] = "" },
		"a key id without end":        func(c *ssh.Certificate) { c.KeyId = strings.Repeat("x", 4096) },
	} {
		t.Run(story, func(t *testing.T) {
			c := *good
			c.CriticalOptions = clone(good.CriticalOptions)
			change(&c)
			if err := c.SignCert(rand.Reader, w.a.in); err != nil {
				t.Fatal(err)
			}
			if claim, perms, err := w.a.CheckVendor(meta{}, "ann", &c); err == nil || perms != nil || claim.Person != "" {
				t.Errorf("accepted: %+v", claim)
			}
		})
	}
	t.Run("as another person", func(t *testing.T) {
		if _, _, err := w.a.CheckVendor(meta{}, "bob", good); err == nil {
			t.Error("accepted")
		}
	})
	t.Run("a changed byte", func(t *testing.T) {
		c := *good
		c.Signature = &ssh.Signature{Format: good.Signature.Format, Blob: append([]byte(nil), good.Signature.Blob...)}
		c.Signature.Blob[7] ^= 1
		if _, _, err := w.a.CheckVendor(meta{}, "ann", &c); err == nil {
			t.Error("accepted")
		}
	})
	for story, by := range map[string]ssh.Signer{"the out authority": w.a.out, "the host authority": w.a.host, "a stranger": other} {
		t.Run("signed by "+story, func(t *testing.T) {
			c := *good
			if err := c.SignCert(rand.Reader, by); err != nil {
				t.Fatal(err)
			}
			if _, _, err := w.a.CheckVendor(meta{}, "ann", &c); err == nil {
				t.Error("accepted")
			}
		})
	}
	t.Run("a plain key", func(t *testing.T) {
		if _, _, err := w.a.CheckVendor(meta{}, "ann", key.PublicKey()); err == nil {
			t.Error("accepted")
		}
	})
	t.Run("an hour later", func(t *testing.T) {
		w.now = w.now.Add(time.Hour)
		var no *policy.Refusal
		if _, _, err := w.a.CheckVendor(meta{}, "ann", good); !errors.As(err, &no) || no.Rule != RuleExpired {
			t.Errorf("%v", err)
		}
	})
}

func TestRowsAreNotBelieved(t *testing.T) {
	w := newWorld(t)
	key := newKey()
	good := w.issue(t, key)
	forged, err := w.a.Unissued("ann", key.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	key1 := rowKey("ann")
	row, err := w.rows.Get(t.Context(), key1)
	if err != nil {
		t.Fatal(err)
	}
	try := func(story string, c *ssh.Certificate, value []byte, at audit.Place) {
		t.Helper()
		w.rows.hand[key1] = state.Row{Key: key1, Rev: row.Rev, Leaf: at, Value: value}
		if _, _, err := w.a.CheckVendor(meta{}, "ann", c); err == nil {
			t.Error(story)
		}
	}
	serial := func(c *ssh.Certificate) string { return strconv.FormatUint(c.Serial, 10) }
	added := bytes.ReplaceAll(row.Value, []byte(serial(good)), []byte(serial(forged)))
	try("a row made by hand lets a certificate in that no event names", forged, added, row.Leaf)
	try("a row that the log does not vouch for is believed", good, append(bytes.Clone(row.Value), ' '), row.Leaf)
	try("a row without a leaf is believed", good, row.Value, audit.Place{Node: "a", Index: 99})
	other, err := w.a.IssueVendor(t.Context(), Claim{Person: "ben", Firm: "krall", Windows: []policy.WindowID{"W-17"}, Until: w.now.Add(time.Hour)}, key.PublicKey(), networks)
	if err != nil {
		t.Fatal(err)
	}
	bens, err := w.rows.Get(t.Context(), rowKey("ben"))
	if err != nil {
		t.Fatal(err)
	}
	try("ben's row under ann's name is believed", other, bens.Value, bens.Leaf)
	delete(w.rows.hand, key1)
	if _, _, err := w.a.CheckVendor(meta{}, "ann", good); err != nil {
		t.Errorf("the row as the log made it: %v", err)
	}
}

// TestEndedCertificatesLeaveTheRow: rows do not grow with the years, and one that
// is made again from the log alone is the same.
func TestEndedCertificatesLeaveTheRow(t *testing.T) {
	w := newWorld(t)
	key := newKey()
	first := w.issue(t, key)
	kept := func() int {
		t.Helper()
		row, _, err := held(t.Context(), w.rows, "ann")
		if err != nil {
			t.Fatal(err)
		}
		return len(row.Issued)
	}
	for day := range 40 {
		for range 3 {
			w.issue(t, key)
			if _, err := w.a.SignTarget(t.Context(), "maint@filler-plc.kiel", "broker=a", "S-1", 1); err != nil {
				t.Fatal(err)
			}
			if _, err := w.a.HostSigner(t.Context(), "filler-plc.kiel"); err != nil {
				t.Fatal(err)
			}
			w.now = w.now.Add(8 * time.Hour)
		}
		if n := kept(); n > 5 {
			t.Fatalf("day %d: %d certificates are kept", day, n)
		}
	}
	if _, _, err := w.a.CheckVendor(meta{}, "ann", first); err == nil || !strings.Contains(err.Error(), "no cert.issued event") {
		t.Errorf("a certificate of last month: %v", err)
	}
	for range maxKept + 8 {
		w.issue(t, key)
	}
	if n := kept(); n != maxKept {
		t.Errorf("%d certificates of one hour are kept, %d are the most", n, maxKept)
	}
	if c := w.issue(t, key); c != nil {
		if _, _, err := w.a.CheckVendor(meta{}, "ann", c); err != nil {
			t.Errorf("the newest: %v", err)
		}
	}

	again := state.NewMemory()
	if _, err := state.NewJournal("a", w.log, again, Fold()).CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	have, want := rowsOf(t, w.rows), rowsOf(t, again)
	if len(have) != 1 || len(want) != 1 || !have[0].Equal(want[0]) {
		t.Errorf("%d rows, made again %d", len(have), len(want))
	}
}

// A machine's key needs no code, so whoever has it could fill the log with
// certificates; nobody gets more than is of use.
func TestACertificateIsNotFetchedWithoutEnd(t *testing.T) {
	w := newWorld(t)
	key := newKey().PublicKey()
	fetch := func() error {
		_, err := w.a.IssueVendor(t.Context(), Claim{Person: "ann", Firm: "krall", Windows: []policy.WindowID{"W-17"}, Until: w.now.Add(time.Hour)}, key, networks)
		return err
	}
	for i := range issueBurst {
		if err := fetch(); err != nil {
			t.Fatalf("certificate %d: %v", i, err)
		}
	}
	var no *policy.Refusal
	if err := fetch(); !errors.As(err, &no) || no.Rule != "many-certificates" {
		t.Errorf("one more: %v", err)
	}
	if c, err := w.a.IssueVendor(t.Context(), Claim{Person: "ben", Firm: "krall", Windows: []policy.WindowID{"W-17"}, Until: w.now.Add(time.Hour)}, newKey().PublicKey(), networks); err != nil || c == nil {
		t.Errorf("somebody else: %v", err)
	}
	w.now = w.now.Add(issueEvery)
	if err := fetch(); err != nil {
		t.Errorf("later: %v", err)
	}
}

func rowsOf(t *testing.T, s state.Store) (all []state.Row) {
	t.Helper()
	for row, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	return all
}

// TestTwoCertificatesAtOnce: of one person, at the same moment.
func TestTwoCertificatesAtOnce(t *testing.T) {
	w := newWorld(t)
	key := newKey()
	var both sync.WaitGroup
	for range 4 {
		both.Go(func() {
			c, err := w.a.IssueVendor(t.Context(), Claim{Person: "ann", Firm: "krall", Windows: []policy.WindowID{"W-17"}, Until: w.now.Add(time.Hour)}, key.PublicKey(), networks)
			if err != nil {
				t.Error(err)
				return
			}
			if _, _, err := w.a.CheckVendor(meta{}, "ann", c); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
}

func TestNothingIsSignedWithoutItsEvent(t *testing.T) {
	w := newWorld(t)
	w.log.fail = errors.New("disk failed")
	if c, err := w.a.IssueVendor(t.Context(), Claim{Person: "ann", Firm: "krall", Windows: []policy.WindowID{"W-1"}, Until: w.now.Add(time.Hour)}, newKey().PublicKey(), networks); err == nil || c != nil {
		t.Error("a vendor's certificate")
	}
	if s, err := w.a.SignTarget(t.Context(), "maint@filler-plc.kiel", "broker=a", "S-1", 1); err == nil || s != nil {
		t.Error("a target's certificate")
	}
	if s, err := w.a.HostSigner(t.Context(), "broker"); err == nil || s != nil {
		t.Error("a host certificate")
	}
}

func TestIssueVendorRefuses(t *testing.T) {
	w := newWorld(t)
	key := newKey().PublicKey()
	ok := Claim{Person: "ann", Firm: "krall", Windows: []policy.WindowID{"W-1"}, Until: w.now.Add(time.Hour)}
	for story, f := range map[string]func() (Claim, ssh.PublicKey, []netip.Prefix){
		"no networks": func() (Claim, ssh.PublicKey, []netip.Prefix) { return ok, key, nil },
		"no window":   func() (Claim, ssh.PublicKey, []netip.Prefix) { c := ok; c.Windows = nil; return c, key, networks },
		"no such window": func() (Claim, ssh.PublicKey, []netip.Prefix) {
			c := ok
			c.Windows = []policy.WindowID{"W-1,W-2"}
			return c, key, networks
		},
		"a person's name": func() (Claim, ssh.PublicKey, []netip.Prefix) {
			c := ok
			c.Person = "ann;c=fjord"
			return c, key, networks
		},
		"a window long over": func() (Claim, ssh.PublicKey, []netip.Prefix) { c := ok; c.Until = w.now; return c, key, networks },
		"a certificate":      func() (Claim, ssh.PublicKey, []netip.Prefix) { return ok, &ssh.Certificate{Key: key}, networks },
		"no key":             func() (Claim, ssh.PublicKey, []netip.Prefix) { return ok, nil, networks },
		"too many windows": func() (Claim, ssh.PublicKey, []netip.Prefix) {
			c := ok
			c.Windows = make([]policy.WindowID, maxWindows+1)
			return c, key, networks
		},
	} {
		if c, err := w.a.IssueVendor(t.Context(), first(f()), second(f()), third(f())); err == nil || c != nil {
			t.Errorf("%s: issued", story)
		}
	}
	if len(w.log.all) != 0 {
		t.Error("a refusal is an event cert.issued")
	}
}

func first(c Claim, _ ssh.PublicKey, _ []netip.Prefix) Claim          { return c }
func second(_ Claim, k ssh.PublicKey, _ []netip.Prefix) ssh.PublicKey { return k }
func third(_ Claim, _ ssh.PublicKey, n []netip.Prefix) []netip.Prefix { return n }

func TestSignTarget(t *testing.T) {
	w := newWorld(t)
	s, err := w.a.SignTarget(t.Context(), "maint@filler-plc.kiel", "broker=a;w=W-17;s=S-1;p=krall/ann", "S-1", 2)
	if err != nil {
		t.Fatal(err)
	}
	c := s.PublicKey().(*ssh.Certificate)
	if len(c.ValidPrincipals) != 1 || c.ValidPrincipals[0] != "maint@filler-plc.kiel" || c.ValidBefore-uint64(w.now.Unix()) > 300 || len(c.Extensions) != 1 || len(c.CriticalOptions) != 0 {
		t.Errorf("%+v", c)
	}
	if string(c.SignatureKey.Marshal()) != string(w.a.Out().Marshal()) {
		t.Error("not signed by the out authority")
	}
	hop, err := w.a.SignHop(t.Context(), "hop@line-1-ews.kiel", "broker=a", "S-1", 2)
	if err != nil {
		t.Fatal(err)
	}
	if c := hop.PublicKey().(*ssh.Certificate); len(c.Extensions) != 1 || c.Extensions["permit-port-forwarding"] != "" || c.ValidPrincipals[0] != "hop@line-1-ews.kiel" {
		t.Errorf("for a host on the way: %+v", c)
	} else if _, ok := c.Extensions["permit-port-forwarding"]; !ok {
		t.Error("a host on the way may forward nothing")
	}
	again, err := w.a.SignTarget(t.Context(), "maint@filler-plc.kiel", "x", "S-1", 3)
	if err != nil || string(again.PublicKey().(*ssh.Certificate).Key.Marshal()) == string(c.Key.Marshal()) {
		t.Errorf("the key is not fresh: %v", err)
	}
	for _, bad := range []string{"", "a b", "a\nb", strings.Repeat("x", 129), "ä"} {
		if _, err := w.a.SignTarget(t.Context(), bad, "id", "S-1", 1); err == nil {
			t.Errorf("principal %q", bad)
		}
		if _, err := w.a.SignTarget(t.Context(), "id", bad, "S-1", 1); err == nil {
			t.Errorf("key id %q", bad)
		}
	}
}

func TestHostCertificateIsRenewedMonthly(t *testing.T) {
	w := newWorld(t)
	sign := func() *ssh.Certificate {
		s, err := w.a.HostSigner(t.Context(), "broker.example", "127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		return s.PublicKey().(*ssh.Certificate)
	}
	one := sign()
	checker := ssh.CertChecker{Clock: func() time.Time { return w.now }, IsHostAuthority: func(k ssh.PublicKey, _ string) bool { return string(k.Marshal()) == string(w.a.Host().Marshal()) }}
	if err := checker.CheckHostKey("broker.example:2222", meta{}.RemoteAddr(), one); err != nil {
		t.Error(err)
	}
	if sign().Serial != one.Serial || len(w.log.all) != 1 {
		t.Error("a new certificate for each connection")
	}
	w.now = w.now.Add(31 * 24 * time.Hour)
	if two := sign(); two.Serial == one.Serial || two.ValidBefore <= one.ValidBefore {
		t.Error("after a month it is the old one")
	}
	w.log.fail = errors.New("disk failed")
	w.now = w.now.Add(31 * 24 * time.Hour)
	if sign().Serial == one.Serial {
		t.Error("the first one came back")
	}
	for _, bad := range [][]string{nil, {"*"}, {"a,b"}, {""}} {
		if _, err := w.a.HostSigner(t.Context(), bad...); err == nil {
			t.Errorf("names %q", bad)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	w := newWorld(t)
	if a, err := Open(w.parts()); err != nil || string(a.In().Marshal()) != string(w.a.In().Marshal()) {
		t.Fatalf("opened again: %v", err)
	}
	for _, name := range []string{"host_ca", "in_ca", "out_ca", "host_key"} {
		path := filepath.Join(w.dir, name)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%s: %v %v", name, info.Mode(), err)
		}
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(w.parts()); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("%s readable by the group: %v", name, err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(filepath.Join(w.dir, "in_ca"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "out_ca"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(w.parts()); err == nil || !strings.Contains(err.Error(), "same key") {
		t.Errorf("one key for two authorities: %v", err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "out_ca"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(w.parts()); err == nil || strings.Contains(err.Error(), "rubbish") {
		t.Errorf("a damaged key: %v", err)
	}
	if err := os.Remove(filepath.Join(w.dir, "out_ca")); err != nil {
		t.Fatal(err)
	}
	p := w.parts()
	p.Make = false
	if _, err := Open(p); err == nil || !strings.Contains(err.Error(), "backup") {
		t.Errorf("a missing key: %v", err)
	}
}

func TestKeyIDIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		windows := rapid.SliceOfN(rapid.StringMatching(`W-[0-9]{1,12}`), 0, maxWindows).Draw(t, "windows")
		person := rapid.StringMatching(`[a-z][a-z0-9-]{0,31}`).Draw(t, "person")
		firm := rapid.StringMatching(`[a-z][a-z0-9-]{0,31}`).Draw(t, "firm")
		id := keyID(windows, policy.PersonID(person), policy.FirmID(firm))
		if len(id) > maxKeyID || keyIDPart(id, "p") != person || keyIDPart(id, "c") != firm {
			t.Fatalf("%q", id)
		}
	})
}
