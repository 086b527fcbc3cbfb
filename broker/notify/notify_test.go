package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/audit/outsidetest"
	"penstock/policy"
)

const plantText = `
site: {id: kiel, name: Fjord Dairy Kiel, colour: teal, timezone: Europe/Berlin, control_room: "+49 431 555 0100"}
teams:
  shift: {name: Line 1 shift, asks_next: duty, after: 5m}
  duty:  {name: Duty engineer}
lines: {filling-1: {name: Filling line 1, criticality: 1}}
zones:
  dmz:    {name: DMZ, levels: [3.5], sl_t: 3, owner: duty, broker: here}
  line-1: {name: Line 1, levels: [1], sl_t: 2, owner: duty, shift: shift}
conduits:
  - {name: a, from: dmz, to: line-1, carries: [ssh], rights: [look], owners: [duty, shift], why: x, review: 2027-03-31}
assets:
  filler-plc: {tag: F-1, name: Filler, zone: line-1, level: 1, address: 10.20.1.11, stops: [filling-1], ports: {ssh: {accounts: {viewer: {rights: [look], enforced: device}}}}}
rules:
  - {name: look, when: {right: look}, plan: [], open: shift, longest: 8h}
emergency: {agree: [shift], starts_as: [look], second_tap: [set], longest: 2h, tell: [duty], review: 3d}
`

var thePlant = sync.OnceValue(func() *policy.Plant {
	p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(plantText)})
	if err := problems.Err(); err != nil {
		panic(err)
	}
	return p
})

type roster map[policy.PersonID]people.Person

func (r roster) Person(_ context.Context, id policy.PersonID) (people.Person, error) {
	p, ok := r[id]
	if !ok {
		return p, os.ErrNotExist
	}
	return p, nil
}

func (r roster) People(context.Context) (list []people.Person, err error) {
	for _, id := range slices.Sorted(maps.Keys(r)) {
		list = append(list, r[id])
	}
	return list, nil
}

var cast = roster{"mia": {ID: "mia", Name: "Mia Voss", Mail: "mia@kiel.example", Phone: "+494315550101"}, "max": {ID: "max", Name: "Max", Phone: "+494315550102", Roles: []policy.Role{"duty"}},
	"ann": {ID: "ann", Name: "Ann", Mail: "ann@krall.example"}, "gone": {ID: "gone", Mail: "gone@kiel.example", Disabled: true, Roles: []policy.Role{"duty"}}}

// memory is a log of leaves that grows.
type memory struct {
	mu    sync.Mutex
	all   []audit.Leaf
	grown chan struct{}
}

func newMemory() *memory { return &memory{grown: make(chan struct{})} }

func (m *memory) add(at time.Time, subject string, body audit.Body) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, audit.Leaf{Event: audit.Event{Subject: subject, Body: body}, Index: audit.Index(len(m.all)), Wall: at, Node: "a"})
	close(m.grown)
	m.grown = make(chan struct{})
}

func (m *memory) Size() audit.Index {
	m.mu.Lock()
	defer m.mu.Unlock()
	return audit.Index(len(m.all))
}

func (m *memory) Follow(ctx context.Context, from audit.Index) iter.Seq2[audit.Leaf, error] {
	return func(yield func(audit.Leaf, error) bool) {
		for i := int(from); ; {
			m.mu.Lock()
			all, grown := m.all, m.grown
			m.mu.Unlock()
			for ; i < len(all); i++ {
				if !yield(all[i], nil) {
					return
				}
			}
			select {
			case <-ctx.Done():
				yield(audit.Leaf{}, ctx.Err())
				return
			case <-grown:
			}
		}
	}
}

// sink notes what it is sent; fails says what the next sends answer.
type sink struct {
	mu    sync.Mutex
	got   []Notice
	fails []error
}

func (s *sink) Send(_ context.Context, n Notice, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.fails) > 0 {
		err := s.fails[0]
		s.fails = s.fails[1:]
		if err != nil {
			return err
		}
	}
	s.got = append(s.got, n)
	return nil
}

func (s *sink) texts() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.got {
		list = append(list, n.Type+": "+n.Text+" → "+strings.Join(ids(n.People), ","))
	}
	return list
}

func night(log *memory, at time.Time) {
	log.add(at, "R-1", audit.RequestSubmitted{Request: "R-1", Rev: 1, By: "ann", Document: audit.HashOf([]byte("text"))})
	log.add(at, "R-1", audit.PersonAsked{Role: "shift", People: []string{"gone", "max", "mia"}})
}

func options(dir string, s Sink) Options {
	return Options{Dir: dir, Base: "https://broker.example", Plant: thePlant, Roster: cast, Now: time.Now, Slog: slog.New(slog.DiscardHandler),
		Words: func(audit.Hash) []string { return []string{"orange", "tiger"} }, Places: []Place{{"one", "somewhere", s}}}
}

// The night in words: who is asked and next, what was answered, and that nobody
// is on duty; no machine is named.
func TestTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, s := newMemory(), &sink{}
		n, err := Open(log, options(t.TempDir(), s))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		at := time.Now()
		night(log, at)
		log.add(at, "R-1", audit.PersonAsked{Role: "duty", For: "shift"})
		log.add(at, "R-1", audit.AnswerGiven{Request: "R-1", Says: "yes", Person: "mia"})
		log.add(at, "W-1", audit.WindowAgreed{Window: "W-1", Request: "R-1"})
		log.add(at, "W-1", audit.WindowMoved{Window: "W-1", To: "opened", By: "mia", Emergency: true, Until: at})
		log.add(at, "W-1", audit.WindowMoved{Window: "W-1", To: "stepped", By: "mia"})
		log.add(at, "W-1", audit.WindowMoved{Window: "W-1", To: "cut", By: "mia"})
		log.add(at, "R-1", audit.AnswerGiven{Request: "R-1", Says: "no", Person: "mia"})
		synctest.Wait()
		next := at.Add(5 * time.Minute).In(thePlant().Location()).Format("15:04")
		now := at.In(thePlant().Location()).Format("15:04")
		want := []string{
			"request.asked: Request R-1 waits for Line 1 shift. Next asked at " + next + ": Duty engineer. → max,mia",
			"request.asked: Request R-1 waits for Duty engineer, because Line 1 shift did not answer. Nobody of them is on duty now. → ",
			"request.answered: Somebody of the plant said yes to R-1. What is still missing stands on its page. → ann",
			"emergency.opened: EMERGENCY: W-1 was opened by one yes, and ends at " + now + ". → max",
			"window.opened: W-1 is open and ends at " + now + ". → ann",
			"emergency.stepped: EMERGENCY: W-1 may do more since now, by a second tap. → max",
			"window.cut: W-1 was cut. Call the control room. → ann",
			"request.answered: The plant said no to R-1. Why stands on its page. → ann",
		}
		if got := s.texts(); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for _, n := range s.got {
			if strings.Contains(strings.ToLower(n.Text+n.Title), "fill") {
				t.Errorf("%q names a machine or its line", n.Text)
			}
			if len(n.Words) != 2 {
				t.Errorf("%s has no words", n.ID)
			}
		}
		cancel()
		<-done
	})
}

// A place that is new hears of nothing old; one that was down hears what it
// missed, once, in order, unless it is older than an hour; what is refused for
// good holds nothing up.
func TestCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, s, dir := newMemory(), &sink{}, t.TempDir()
		run := func(during func()) {
			n, err := Open(log, options(dir, s))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- n.Run(ctx) }()
			synctest.Wait()
			during()
			cancel()
			<-done
		}
		night(log, time.Now())
		run(func() {
			if got := s.texts(); len(got) != 0 {
				t.Errorf("a new place was told of the past: %v", got)
			}
			s.fails = []error{fmt.Errorf("down"), permanent{fmt.Errorf("gone")}}
			night(log, time.Now())
			night(log, time.Now())
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if got := s.texts(); len(got) != 1 {
				t.Errorf("one was refused for good after a retry, the next one goes: %v", got)
			}
		})
		night(log, time.Now())
		time.Sleep(59 * time.Minute)
		run(func() {
			if got := s.texts(); len(got) != 2 {
				t.Errorf("the one that was missed: %v", got)
			}
		})
		run(func() {
			if got := s.texts(); len(got) != 2 {
				t.Errorf("told twice: %v", got)
			}
		})
		night(log, time.Now())
		time.Sleep(61 * time.Minute)
		run(func() {
			if got := s.texts(); len(got) != 2 {
				t.Errorf("of an hour ago: %v", got)
			}
		})
		if err := os.WriteFile(filepath.Join(dir, "one.cursor"), []byte("99999\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		run(func() {
			if got := s.texts(); len(got) != 2 {
				t.Errorf("a cursor behind the log's end: %v", got)
			}
		})
	})
}

var waits = Notice{ID: "a/7", Type: "request.asked", At: time.Unix(1795000000, 0), Title: "Penstock Kiel", Text: "Request R-1 waits for you.", Path: "/requests/R-1",
	Words: []string{"orange", "tiger", "a", "b", "c", "d", "e", "f"}, About: "R-1", People: []people.Person{cast["mia"], cast["max"]}}

// A real mail server takes one letter, to who has an address.
func TestMailReal(t *testing.T) {
	server := outsidetest.Mailbox(t)
	m, err := NewMail(MailOptions{Server: server.Address, From: "penstock@kiel.example", TLS: &tls.Config{RootCAs: server.Pool}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Send(context.Background(), waits, "https://broker.example/requests/R-1"); err != nil {
		t.Fatal(err)
	}
	var letters []string
	outsidetest.Awaits(t, "the letter", func() bool {
		letters, _ = filepath.Glob(filepath.Join(server.Keeps, "new", "*"))
		return len(letters) > 0
	})
	text, err := os.ReadFile(letters[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"To: <mia@kiel.example>", "Subject: Penstock Kiel: R-1", "Request R-1 waits for you.", "https://broker.example/requests/R-1", "ORANGE TIGER", "Nothing is decided by this letter"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the letter lacks %q:\n%s", want, text)
		}
	}
	if len(letters) != 1 {
		t.Errorf("%d letters, and only mia has an address", len(letters))
	}
	stranger, err := NewMail(MailOptions{Server: server.Address, From: "penstock@kiel.example", TLS: &tls.Config{RootCAs: x509.NewCertPool()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Send(context.Background(), waits, "x"); err == nil {
		t.Error("a certificate that nobody trusts was believed")
	}
}

func receiver(t *testing.T, answer func(*http.Request, []byte) int) (HTTPOptions, *httptest.Server) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if code := answer(r, body); code == http.StatusFound {
			http.Redirect(w, r, "https://127.0.0.1:1/", code)
		} else {
			w.WriteHeader(code)
		}
	}))
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return HTTPOptions{URL: s.URL, TLS: &tls.Config{RootCAs: pool}, Now: time.Now, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, s
}

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// A receiver that knows the secret can check who sent it and when, as Standard
// Webhooks says.
func TestWebhook(t *testing.T) {
	var header http.Header
	var body []byte
	o, _ := receiver(t, func(r *http.Request, b []byte) int { header, body = r.Header, b; return 204 })
	o.Now = func() time.Time { return time.Unix(1614265330, 0) }
	w, err := NewWebhook(o, secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Send(context.Background(), waits, "https://broker.example/requests/R-1"); err != nil {
		t.Fatal(err)
	}
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("msg_a_7.1614265330." + string(body)))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); header.Get("webhook-signature") != want || header.Get("webhook-id") != "msg_a_7" || header.Get("webhook-timestamp") != "1614265330" {
		t.Errorf("signed %v, want %s", header, want)
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil || e.Type != "request.asked" || e.Data.About != "R-1" || len(e.Data.People) != 2 || e.Data.Words[0] != "orange" {
		t.Errorf("%s, %v", body, err)
	}
	for _, bad := range []string{"", "whsec_", "whsec_YWJj", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!"} {
		if _, err := NewWebhook(o, bad); err == nil || bad != "" && strings.Contains(err.Error(), bad) && len(bad) > 8 {
			t.Errorf("secret %q: %v", bad, err)
		}
	}
}

// The specification's own example (standardwebhooks.com, "Signature scheme").
func TestWebhookExample(t *testing.T) {
	key, _ := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(`msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}`))
	if got := base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("%s", got)
	}
}

// Addresses inside a network, by number or by a name that leads there, are not
// called; nor are redirects followed.
func TestNotInside(t *testing.T) {
	called := 0
	o, s := receiver(t, func(*http.Request, []byte) int { called++; return http.StatusFound })
	w, err := NewWebhook(o, secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Send(context.Background(), waits, "x"); err == nil || called != 1 {
		t.Errorf("a redirect: %v, called %d", err, called)
	}
	o.Networks = nil
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"} {
		o.URL = "https://" + host + port
		w, err := NewWebhook(o, secret)
		if err != nil {
			t.Fatal(err)
		}
		err = w.Send(context.Background(), waits, "x")
		if err == nil || called != 1 || !strings.Contains(err.Error(), "inside a network") {
			t.Errorf("%s: %v, called %d", host, err, called)
		}
	}
	for _, a := range strings.Fields("10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 255.255.255.255 224.0.0.1 fe80::1 fd00::1 :: 64:ff9b::7f00:1 2002:7f00:1:: fec0::1") {
		if policy.Public(netip.MustParseAddr(a)) {
			t.Errorf("%s counts as public", a)
		}
	}
	for _, a := range strings.Fields("8.8.8.8 2606:4700::1111") {
		if !policy.Public(netip.MustParseAddr(a)) {
			t.Errorf("%s does not count as public", a)
		}
	}
	for _, bad := range []string{"http://hooks.example/", "https://a:b@hooks.example/", "ftp://x", "https://"} {
		if o.URL = bad; true {
			if _, err := NewWebhook(o, secret); err == nil {
				t.Errorf("%s was taken", bad)
			}
		}
	}
}

// A pager is called once for each person with a number, with hostile text quoted.
func TestCall(t *testing.T) {
	var bodies []string
	status := 200
	o, _ := receiver(t, func(r *http.Request, b []byte) int {
		if r.Header.Get("Authorization") != "Bearer t" {
			t.Errorf("headers: %v", r.Header)
		}
		bodies = append(bodies, string(b))
		return status
	})
	n := waits
	n.People = []people.Person{{ID: "mia", Name: `Mia "quote" </script>`, Phone: "+494315550101"}, {ID: "max", Name: "Max"}}
	c, err := NewCall(o, `{"to": {{json .Phone}}, "who": {{json .Name}}, "text": {{json .Text}}}`, http.Header{"Authorization": {"Bearer t"}}, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(context.Background(), n, "https://x"); err != nil {
		t.Fatal(err)
	}
	var got struct{ To, Who, Text string }
	if len(bodies) != 1 || json.Unmarshal([]byte(bodies[0]), &got) != nil || got.Who != n.People[0].Name || got.To != "+494315550101" {
		t.Errorf("%q", bodies)
	}
	for _, row := range []struct {
		status int
		final  bool
	}{{503, false}, {429, false}, {404, true}, {410, true}} {
		status = row.status
		n.People = n.People[:1]
		err := c.Send(context.Background(), n, "https://x")
		if _, final := err.(permanent); err == nil || final != row.final && !strings.Contains(fmt.Sprintf("%T", err), "join") {
			t.Errorf("%d: %v", row.status, err)
		}
	}
	for _, bad := range []string{"{{.Nothing}}", "{{json", `{{range $i := .People}}{{end}}{{template "x"}}`} {
		if _, err := NewCall(o, bad, nil, false); err == nil {
			t.Errorf("template %q was taken", bad)
		}
	}
	long, err := NewCall(o, `{{range .People}}{{.}}{{end}}`, http.Header{}, false)
	if err != nil {
		t.Fatal(err)
	}
	n.People = []people.Person{{ID: "x", Name: strings.Repeat("x", maxCall+1)}}
	if err := long.Send(context.Background(), n, "x"); err == nil {
		t.Error("a body without end was sent")
	}
}
