package login

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/broker/seal"
	"penstock/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type memLog struct {
	mu   sync.Mutex
	all  []audit.Leaf
	dead bool // nothing can be written any more
}

func (l *memLog) Append(_ context.Context, ev audit.Event) (audit.Leaf, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return audit.Leaf{}, errors.New("the disk is full")
	}
	leaf := audit.Leaf{Event: ev, Index: audit.Index(len(l.all)), Node: "a"}
	l.all = append(l.all, leaf)
	return leaf, nil
}

func (l *memLog) Upto(_ context.Context, from audit.Index) iter.Seq2[audit.Leaf, error] {
	l.mu.Lock()
	all := append([]audit.Leaf(nil), l.all...)
	l.mu.Unlock()
	return func(yield func(audit.Leaf, error) bool) {
		for i := int(from); i < len(all); i++ {
			if !yield(all[i], nil) {
				return
			}
		}
	}
}

func (l *memLog) count(kind string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, leaf := range l.all {
		if leaf.Body.Type() == kind {
			n++
		}
	}
	return n
}

const password = "four unrelated words"

var here, there = netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("203.0.113.9")

type world struct {
	*Proofs
	t       *testing.T
	log     *memLog
	rows    *state.Memory
	journal *state.Journal
	secret  string

	mu  sync.Mutex
	at  time.Time
	dir string
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

func keyOf(n byte) string {
	k, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(append(make([]byte, 31), n)).Public())
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

// newWorld has mia, with password and code generator, and olaf with a key only.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	disk, err := durable.OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	docs, err := audit.OpenDocuments(filepath.Join(dir, "documents"), disk)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, log: &memLog{}, rows: state.NewMemory(), at: time.Unix(1_800_000_000, 0), dir: dir}
	w.journal = state.NewJournal("a", w.log, w.rows, people.Fold(docs), Fold())
	text := fmt.Sprintf("firms:\n  fjord: {name: Fjord, plant: true}\npeople:\n  mia: {name: Mia Voss, firm: fjord, roles: [shift], key: %s}\n  olaf: {name: Olaf Brandt, firm: fjord, roles: [ot-security], key: %s}\n", keyOf(1), keyOf(2))
	hash, err := docs.Put(t.Context(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.journal.Commit(t.Context(), "bootstrap/1", audit.Event{Subject: "bootstrap", Rev: 1, Actor: "penstock", Body: audit.LogCreated{Origin: "x", Bootstrap: hash}}); err != nil {
		t.Fatal(err)
	}
	roster := people.NewRoster(w.journal, w.rows, docs)
	roster.Now = w.clock
	w.Proofs, err = New(Parts{Roster: roster, Journal: w.journal, Rows: w.rows, Docs: docs, Log: w.log, Seal: filepath.Join(dir, "keys", "seal.key"), Now: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	w.cost = CheapCost // the full one takes seconds under the race detector
	if w.nobody, err = w.cost.nobodysPassword(); err != nil {
		t.Fatal(err)
	}
	a := w.bySSH(1)
	if err := w.SetPassword(t.Context(), a, password); err != nil {
		t.Fatal(err)
	}
	w.secret, _, err = w.NewSecret(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.EnrolSecret(t.Context(), a, w.secret, w.code()); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	return w
}

func (w *world) bySSH(n byte) people.Actor {
	w.t.Helper()
	a, err := w.SSHKey(w.t.Context(), here, keyOf(n))
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) code() string {
	c, err := totp.GenerateCode(w.secret, w.clock())
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func rule(err error) string {
	var no *policy.Refusal
	if errors.As(err, &no) {
		return no.Rule
	}
	return fmt.Sprint(err)
}

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	a, err := w.SignIn(t.Context(), here, "mia", password, w.code())
	if err != nil || a.Person != "mia" || !a.Plant || a.Step != w.clock().Unix()/30 || !a.Proved(people.TOTP) || !a.Proved(people.Password) || !a.Has("shift") {
		t.Fatalf("%+v %v", a, err)
	}
	a, err = w.SignIn(t.Context(), here, "mia", password, "")
	if err != nil || a.Step != 0 || a.Proved(people.TOTP) {
		t.Errorf("without a code: %+v %v", a, err)
	}
	if w.log.count("login.ok") != 3 { // the enrolment's too
		t.Errorf("%d login.ok", w.log.count("login.ok"))
	}
}

// TestOneAnswerForEveryWrong: each row differs from a right one in one thing.
func TestOneAnswerForEveryWrong(t *testing.T) {
	w := newWorld(t)
	used := w.code()
	if _, err := w.SignIn(t.Context(), here, "mia", password, used); err != nil {
		t.Fatal(err)
	}
	var said string
	for _, row := range []struct{ story, name, password, code string }{
		{"a wrong password", "mia", "wrong", ""},
		{"a wrong password and a right code", "mia", "wrong", w.code()},
		{"a wrong code", "mia", password, "000000"},
		{"a spent code", "mia", password, used},
		{"nobody of that name", "nobody", password, ""},
		{"a name that is none", "Mia Voss'; --", password, "1"},
		{"a person without a password", "olaf", password, ""},
		{"an empty password", "mia", "", ""},
		{"a password without end", "mia", strings.Repeat("x", 1<<20), ""},
	} {
		a, err := w.SignIn(t.Context(), netip.AddrFrom4([4]byte{10, 0, 0, byte(len(row.story))}), row.name, row.password, row.code)
		var no *policy.Refusal
		if !errors.As(err, &no) || a.Person != "" {
			t.Fatalf("%s: %+v %v", row.story, a, err)
		}
		if said == "" {
			said = no.Say
		}
		if no.Say != said || no.Rule != "login" {
			t.Errorf("%s is answered in its own way: %q", row.story, no.Say)
		}
	}
}

func TestNoCodeTwice(t *testing.T) {
	w := newWorld(t)
	code := w.code()
	var wait sync.WaitGroup
	good := make(chan people.Actor, 16)
	for i := range 4 { // web and ssh at the same moment
		wait.Go(func() {
			if a, err := w.Code(t.Context(), w.bySSH(1), code); err == nil {
				good <- a
			}
			_ = i
		})
	}
	wait.Wait()
	if len(good) != 1 {
		t.Fatalf("one code was good %d times", len(good))
	}
	w.pass(30 * time.Second)
	if _, err := w.Code(t.Context(), w.bySSH(1), code); rule(err) != "login" {
		t.Errorf("the code of the step before, used: %v", err)
	}
	late := w.code()
	w.pass(90 * time.Second)
	if _, err := w.Code(t.Context(), w.bySSH(1), late); rule(err) != "login" {
		t.Errorf("a code of 90 s ago: %v", err)
	}
	// The rows are a view: made anew from the log they still know what is spent.
	fresh := state.NewMemory()
	again := state.NewJournal("a", w.log, fresh, Fold())
	if _, err := again.CatchUp(t.Context()); err == nil {
		row, err := fresh.Get(t.Context(), "spent/mia")
		have, err2 := w.rows.Get(t.Context(), "spent/mia")
		if err != nil || err2 != nil || string(row.Value) != string(have.Value) {
			t.Errorf("from the log: %s %v, was: %s %v", row.Value, err, have.Value, err2)
		}
	}
}

func TestAnOlderStepIsNotGoodAfterANewer(t *testing.T) {
	w := newWorld(t)
	before := w.code()
	w.pass(30 * time.Second)
	if _, err := w.Code(t.Context(), w.bySSH(1), w.code()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Code(t.Context(), w.bySSH(1), before); rule(err) != "login" {
		t.Errorf("%v", err)
	}
}

func TestGuessingIsSlowAndLocksNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(time.Now)
		guess := func(from netip.Addr) error { return th.enter(t.Context(), "mia", from) }
		for i := range freeTries {
			if err := guess(here); err != nil {
				t.Fatalf("try %d: %v", i+1, err)
			}
		}
		if rule(guess(here)) != "login-wait" {
			t.Error("a sixth try at once")
		}
		if err := guess(there); err != nil {
			t.Errorf("the owner, from elsewhere: %v", err)
		}
		th.right("mia", there)
		wait := firstWait
		for range 8 {
			time.Sleep(wait - time.Second)
			if rule(guess(here)) != "login-wait" {
				t.Errorf("a try before %v were over", wait)
			}
			time.Sleep(time.Second)
			if err := guess(here); err != nil {
				t.Errorf("a try after %v: %v", wait, err)
			}
			wait = min(2*wait, maxWait)
		}
		for i := range 1000 { // from everywhere
			_ = th.enter(t.Context(), "mia", netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}))
		}
		start := time.Now()
		if err := guess(there); err != nil || time.Since(start) > softDelay {
			t.Errorf("the owner waits %v: %v", time.Since(start), err)
		}
	})
}

func TestManyAtOnceAreNoBetter(t *testing.T) {
	th := newThrottle(time.Now)
	let := 0
	for range 100 { // all come in before the first has been looked at
		if th.enter(t.Context(), "mia", here) == nil {
			let++
		}
	}
	if let != freeTries {
		t.Errorf("%d guesses at once were looked at, not %d", let, freeTries)
	}
}

func TestThrottleIsBounded(t *testing.T) {
	th := newThrottle(time.Now)
	for i := range 2 * maxTracked {
		_ = th.enter(t.Context(), fmt.Sprint("name", i), netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if len(th.pairs) > maxTracked || len(th.sources) > maxTracked || len(th.persons) > maxTracked {
		t.Errorf("%d %d %d are remembered", len(th.pairs), len(th.sources), len(th.persons))
	}
}

func TestRefusedLoginsAreToldOnceASecond(t *testing.T) {
	w := newWorld(t)
	before := w.log.count("login.refused")
	for range 200 {
		w.refused(t.Context(), "mia\x1b[2J\u202e", here, "wrong")
	}
	if n := w.log.count("login.refused") - before; n != 1 {
		t.Errorf("%d events", n)
	}
	w.pass(time.Second)
	w.refused(t.Context(), "mia", here, "wrong")
	all := w.log.all
	last := all[len(all)-1].Body.(audit.LoginRefused)
	if !strings.Contains(last.Why, "199 more") {
		t.Errorf("%+v", last)
	}
	if name := all[len(all)-2].Body.(audit.LoginRefused).Name; strings.ContainsAny(name, "\x1b\u202e") {
		t.Errorf("hostile text in the log: %q", name)
	}
}

func TestWeakPasswords(t *testing.T) {
	w := newWorld(t)
	a := w.bySSH(2)
	for _, weak := range []string{"", "short", "elevenchars", "Password1234", "olafolafolafolaf", "mein Olaf Brandt!", "aaaaaaaaaaaaaaaa", "with\x00a zero byte", "bad\xffutf8 bad utf8", strings.Repeat("xyzab", 60), "p-a-s-s-w-o-r-d-1-2-3"} {
		if err := w.SetPassword(t.Context(), a, weak); rule(err) != "weak-password" {
			t.Errorf("%.40q: %v", weak, err)
		}
	}
	if err := w.SetPassword(t.Context(), a, "ganz andere Wörter hier"); err != nil {
		t.Error(err)
	}
	if _, err := w.SignIn(t.Context(), here, "olaf", "ganz andere Wörter hier", ""); err != nil {
		t.Error(err)
	}
}

func TestEnrolAsksForACodeOfTheNewOne(t *testing.T) {
	w := newWorld(t)
	a := w.bySSH(2)
	secret, uri, err := w.NewSecret(t.Context(), a)
	if err != nil || !strings.HasPrefix(uri, "otpauth://totp/") || !strings.Contains(uri, secret) {
		t.Fatalf("%q %v", uri, err)
	}
	if err := w.EnrolSecret(t.Context(), a, secret, "000000"); rule(err) != "login" {
		t.Errorf("a wrong code: %v", err)
	}
	if _, err := w.Code(t.Context(), a, "000000"); rule(err) != "no-code-generator" {
		t.Errorf("not enrolled yet: %v", err)
	}
	// mia has one: another needs a code of the old.
	b := w.bySSH(1)
	other, _, err := w.NewSecret(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	code, err := totp.GenerateCode(other, w.clock())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.EnrolSecret(t.Context(), b, other, code); err == nil {
		t.Error("a thief of the key replaces the code generator")
	}
}

func TestUnknownKey(t *testing.T) {
	w := newWorld(t)
	if a, err := w.SSHKey(t.Context(), here, keyOf(9)); !errors.Is(err, fs.ErrNotExist) || a.Person != "" {
		t.Errorf("%+v %v", a, err)
	}
}

func TestSecretsAreSealed(t *testing.T) {
	w := newWorld(t)
	err := filepath.WalkDir(filepath.Join(w.dir, "documents"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), w.secret) || strings.Contains(string(b), "argon2id") {
			t.Errorf("%s holds a secret in the clear", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range w.log.all {
		if strings.Contains(fmt.Sprint(leaf.Body), w.secret) || strings.Contains(fmt.Sprint(leaf.Body), password) {
			t.Errorf("leaf %d holds a secret", leaf.Index)
		}
	}
	path := filepath.Join(w.dir, "keys", "seal.key")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Open(path, nil); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
}

func TestFullCostIsReadable(t *testing.T) {
	b, err := fullCost.hashPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	if fits, err := matches(b, password); !fits || err != nil {
		t.Errorf("%v %v", fits, err)
	}
	if fits, _ := matches(b, password+" "); fits {
		t.Error("another password fits")
	}
}

func FuzzPasswordDocument(f *testing.F) {
	f.Add([]byte(`{"v":1,"alg":"argon2id","time":1,"memory":8192,"threads":1,"salt":"AAAAAAAAAAA=","hash":""}`))
	f.Add([]byte(`{"v":1,"time":4294967295,"memory":4294967295,"threads":255}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if fits, _ := matches(b, "x"); fits {
			t.Errorf("%q fits", b)
		}
	})
}
