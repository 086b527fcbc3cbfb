package publish

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"penstock/audit"
	"penstock/audit/witness"
)

func witnessKey(t *testing.T) *audit.WitnessKey {
	t.Helper()
	text, err := audit.NewWitnessKey("witness.kiel.example")
	if err != nil {
		t.Fatal(err)
	}
	k, err := audit.ParseWitnessKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func trusts(s *httptest.Server) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func (r *rig) newest() audit.Checkpoint {
	r.t.Helper()
	c, err := audit.ParseCheckpoint(r.log.Checkpoint(), r.v)
	r.must(err)
	return c
}

// to is a way to a witness that is served by h.
func (r *rig) to(h http.Handler, key audit.WitnessVerifier) *Witness {
	r.t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.StartTLS()
	r.t.Cleanup(s.Close)
	w, err := NewWitness(s.URL, key, r.log, r.v, trusts(s), time.Now)
	r.must(err)
	return w
}

func TestWitness(t *testing.T) {
	r, k := newRig(t), witnessKey(t)
	real, err := witness.Open(t.TempDir(), witness.Options{Key: k, Logs: []note.Verifier{r.v}, Slog: slog.New(slog.DiscardHandler)})
	r.must(err)
	w := r.to(real, k.Verifier())
	for _, n := range []int{1, 3, 40} {
		r.grow(n)
		c := r.newest()
		copied, err := w.Send(context.Background(), c)
		r.must(err)
		found, _, err := audit.Cosignatures(copied.Note, r.v, k.Verifier())
		if err != nil || len(found) != 1 || !strings.Contains(copied.Said, "cosigned") {
			t.Fatalf("%v %v %q", found, err, copied.Said)
		}
	}
	// A broker that was started again does not know what was seen, and asks.
	again := r.to(real, k.Verifier())
	r.grow(5)
	if _, err := again.Send(context.Background(), r.newest()); err != nil {
		t.Error(err)
	}
	// This one is behind now, and catches up.
	r.grow(1)
	if _, err := w.Send(context.Background(), r.newest()); err != nil {
		t.Error(err)
	}
	other := newRig(t)
	if _, err := NewWitness("http://plain", k.Verifier(), other.log, other.v, nil, time.Now); err == nil {
		t.Error("plain HTTP was taken")
	}
	stranger := other.to(real, k.Verifier())
	other.grow(2)
	if _, err := stranger.Send(context.Background(), other.newest()); err == nil || !strings.Contains(err.Error(), "knows this log by another key") {
		t.Errorf("another key: %v", err)
	}
}

// TestWitnessLies: nothing that a witness, or somebody in its place, can answer
// counts as a copy unless it is its signature under this checkpoint.
func TestWitnessLies(t *testing.T) {
	r, k, wrong := newRig(t), witnessKey(t), witnessKey(t)
	r.grow(2)
	earlier := r.newest()
	r.grow(3)
	line := func(k *audit.WitnessKey, c audit.Checkpoint) string {
		b, err := k.Cosign(c, time.Now())
		r.must(err)
		return string(b)
	}
	answer := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); fmt.Fprint(w, body) }
	}
	contradiction := func(err error) bool { _, ok := errors.AsType[*Contradiction](err); return ok }
	for what, c := range map[string]struct {
		answer  http.HandlerFunc
		says    string
		against bool
	}{
		"garbage":                {answer(200, "ok"), "no cosignature", false},
		"nothing":                {answer(200, ""), "without a signature of its key", false},
		"for another root":       {answer(200, line(k, earlier)), "no cosignature", false},
		"by another key":         {answer(200, line(wrong, r.newest())), "without a signature of its key", false},
		"a larger size":          {answer(409, "99\n"), "it has seen 99 leaves", true},
		"the same fork for ever": {answer(409, "5\n"), "another tree of 5 leaves", true},
		"no size":                {answer(409, "many"), "without the size", false},
		"a size with a sign":     {answer(409, "+3\n"), "without the size", false},
		"does not continue":      {answer(422, ""), "does not continue", true},
		"unknown":                {answer(404, ""), "--log-key", false},
		"broken":                 {answer(500, "a\nb\x1b"), "answered 500 a b ", false},
		"endless":                {answer(200, strings.Repeat("— w AAAA\n", maxAnswer)), "too long", false},
		"sent elsewhere":         {func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, "https://127.0.0.1:1/", 307) }, "answered 307", false},
		"another size each time": {func() http.HandlerFunc {
			n := 0
			return func(w http.ResponseWriter, _ *http.Request) { n++; answer(409, fmt.Sprintf("%d\n", n%4+1))(w, nil) }
		}(), "another size", false},
	} {
		_, err := r.to(c.answer, k.Verifier()).Send(context.Background(), r.newest())
		if err == nil || !strings.Contains(short(err.Error()), c.says) || contradiction(err) != c.against {
			t.Errorf("%s: %v (contradiction: %v)", what, err, contradiction(err))
		}
	}
	// Another line beside its own is left out: nobody has checked it.
	both := r.to(answer(200, line(wrong, r.newest())+line(k, r.newest())), k.Verifier())
	if copied, err := both.Send(context.Background(), r.newest()); err != nil {
		t.Error(err)
	} else if n := strings.Count(string(copied.Note), "\n— "); n != 2 {
		t.Errorf("%d signature lines were kept", n)
	}
	// A clock that is far off is said.
	slow, err := k.Cosign(r.newest(), time.Now().Add(-time.Hour))
	r.must(err)
	if copied, err := r.to(answer(200, string(slow)), k.Verifier()).Send(context.Background(), r.newest()); err != nil || !strings.Contains(copied.Said, "differ by 1h") {
		t.Errorf("%q %v", copied.Said, err)
	}
}

// TestWitnessReached: a wrong certificate, a server that is down, and one that
// never answers.
func TestWitnessReached(t *testing.T) {
	r, k := newRig(t), witnessKey(t)
	r.grow(1)
	hang := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		<-hang
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.StartTLS()
	stranger, err := NewWitness(s.URL, k.Verifier(), r.log, r.v, &tls.Config{RootCAs: x509.NewCertPool()}, time.Now)
	r.must(err)
	if _, err := stranger.Send(context.Background(), r.newest()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("wrong certificate: %v", err)
	}
	w, err := NewWitness(s.URL, k.Verifier(), r.log, r.v, trusts(s), time.Now)
	r.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { _, err := w.Send(ctx, r.newest()); done <- err }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a witness that never answers: %v", err)
	}
	close(hang)
	s.Close()
	if _, err := w.Send(context.Background(), r.newest()); err == nil || !strings.Contains(err.Error(), "not reached") {
		t.Errorf("down: %v", err)
	}
}
