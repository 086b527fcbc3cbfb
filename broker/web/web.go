// Package web answers browsers and /api/v1: the one way for pages, command line
// and other programs to ask, answer, open, stop and read.
//
// It proves people through broker/login, changes state through approvals.Desk
// and people.Roster, and opens recordings through review.Book; it decides
// nothing itself: which buttons a page shows is a courtesy, and the Desk decides
// again at the tap. It trusts no caller: the private socket's permissions keep
// others out of the way, but whoever reaches it is nobody until a password is given.
//
// Pages are rendered here, whole or not at all, and read, answer and stop
// without JavaScript; static/ is served as it stands, ui/ has what is bundled
// into it and the tests in a real browser.
//
// Begin with routes.go: every page, and who may come there. page_X.go draws one, event_X.go
// tells leaves of the log in words, and the other files of a subject answer the API.
package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/measures"
	"penstock/approvals/people"
	"penstock/audit/publish"
	"penstock/audit/receipt"
	"penstock/audit/review"
	"penstock/audit/search"
	"penstock/audit/siem"
	"penstock/audit/verify"
	"penstock/broker"
	"penstock/broker/api"
	"penstock/broker/login"
	"penstock/broker/vault"
	"penstock/policy"
)

// maxBody bounds one call's JSON.
const maxBody = 64 << 10

// Parts of the handler, in the order they are built.
type Parts struct {
	Plant    func() *policy.Plant
	Roster   *people.Roster
	Desk     *approvals.Desk
	Proofs   *login.Proofs
	Broker   *broker.Broker
	Book     *review.Book
	Receipts *receipt.Desk
	Vault    *vault.Vault
	// CheckTarget and ScanTarget dial a machine for whoever may have that done, once
	// the Desk has said so: nil, there is no dialer here.
	CheckTarget func(context.Context, policy.AssetName, policy.AccountName) []api.TargetFinding
	ScanTarget  func(context.Context, policy.AssetName) (api.TargetKeys, error)
	Authorities func() api.Authorities
	// AcceptClock takes one person's word that the clock is right again; the
	// answer says whether one more person is needed.
	AcceptClock func(context.Context, people.Actor) (string, error)
	BackUp      BackUp
	Measures    *measures.Book
	Evidence    Evidence
	// VerifyRecording holds one recording to the log.
	VerifyRecording func(ctx context.Context, session string) (verify.Report, error)
	// Outside is how far copies of the log outside cover it; nil: not known here.
	Outside func() publish.State
	// Scanner says why the scanner cannot look into files that wait, and since when, "" where it can;
	// FileTrouble what keeps one of them, in the broker's own words. nil: there is no holding here.
	Scanner     func() (why string, since time.Time)
	FileTrouble func(file string) string
	// Search looks something up in what happened; nil: there is no search here.
	Search func(context.Context, search.Query) (search.Found, error)
	// SIEM is how far the plant's security monitoring has the log; nil, or none of them: not told of.
	SIEM func() []siem.State
	// Notices are what is wrong with telling people; nil: nobody is told of anything.
	Notices func() []string
	// Agents are the lines of zones that dial out; its functions may be nil: there are none.
	Agents AgentLines
	// Ports is what firewalls must let through, by the files in force; nil: not known here.
	Ports func() []api.Port
	// TakeCheckpoint writes that this person takes the newest checkpoint, by way
	// of "page" or "command", and gives it.
	TakeCheckpoint func(ctx context.Context, by people.Actor, way string) ([]byte, error)
	// Loopback: targets may be on this very machine (loopback_targets), which the board says.
	Loopback bool
	Slog     *slog.Logger
	Now      func() time.Time
}

type server struct {
	Parts
	tokens *tokens
}

// New makes the handler of /api/v1.
func New(p Parts) (http.Handler, error) {
	if p.Now == nil {
		p.Now = time.Now
	}
	t, err := newTokens(p.Now, p.Plant().Site.ID)
	if err != nil {
		return nil, err
	}
	s := &server{p, t}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/sign-in", s.handle(s.signIn))
	mux.HandleFunc("POST /api/v1/sign-out", s.signedIn(func(r *http.Request, _ people.Actor) (any, error) {
		s.tokens.revoke(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		return struct{}{}, nil
	}))
	mux.HandleFunc("GET /api/v1/authorities", s.handle(func(*http.Request) (any, error) { return s.Authorities(), nil }))
	s.requests(mux)
	s.windows(mux)
	s.people(mux)
	s.agents(mux)
	s.ports(mux)
	s.rosterCalls(mux)
	s.outageCalls(mux)
	s.kioskCalls(mux)
	s.plantCalls(mux)
	s.patternCalls(mux)
	s.standings(mux)
	s.spokenCalls(mux)
	s.assetCalls(mux)
	s.measureCalls(mux)
	s.recordings(mux)
	s.reviews(mux)
	s.receipts(mux)
	s.targetCalls(mux)
	mux.HandleFunc("POST /api/v1/clock/accept", s.signedIn(s.acceptClock))
	mux.HandleFunc("POST /api/v1/backup", s.backup)
	mux.HandleFunc("POST /api/v1/windows/{id}/evidence", s.evidence)
	mux.HandleFunc("POST /api/v1/checkpoint", s.plant(s.takenByCommand))
	mux.HandleFunc("/", s.handle(func(r *http.Request) (any, error) {
		return nil, fmt.Errorf("%s: %w", r.URL.Path, fs.ErrNotExist)
	}))
	return s.guard(http.NewCrossOriginProtection().Handler(mux)), nil
}

// guard bounds the body, recovers, and forbids caching and guessing of types.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.Slog.Error("a handler panicked", "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
			s.fail(w, r, errors.New("panic in handler"))
		}()
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit(r))
		next.ServeHTTP(w, r)
	})
}

// handle turns a function that needs nobody signed in into a handler.
func (s *server) handle(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		answer(w, v)
	}
}

// signedIn is handle for a function that needs an Actor.
func (s *server) signedIn(f func(*http.Request, people.Actor) (any, error)) http.HandlerFunc {
	return s.handle(func(r *http.Request) (any, error) {
		a, err := s.actor(r)
		if err != nil {
			return nil, err
		}
		return f(r, a)
	})
}

// plant is signedIn for what only the plant's own people may do or see.
func (s *server) plant(f func(*http.Request, people.Actor) (any, error)) http.HandlerFunc {
	return s.signedIn(s.ofPlant(f))
}

func (s *server) ofPlant(f func(*http.Request, people.Actor) (any, error)) func(*http.Request, people.Actor) (any, error) {
	return func(r *http.Request, a people.Actor) (any, error) {
		if !a.Plant {
			return nil, &policy.Refusal{Rule: "plant-only", Say: "Only people of the plant may do this. Ask your contact there.",
				Why: fmt.Sprintf("%s of %s asked for %s", a.Person, a.Firm, r.URL.Path)}
		}
		return f(r, a)
	}
}

func (s *server) actor(r *http.Request) (people.Actor, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return people.Actor{}, errSignedOut
	}
	a, ok := s.tokens.check(token)
	if !ok {
		return people.Actor{}, errSignedOut
	}
	if from := source(r); from.IsValid() { // now, and not where they signed in
		a.Source = from
	}
	// A person who was disabled meanwhile is nobody at once.
	p, err := s.Roster.Person(r.Context(), a.Person)
	if err != nil {
		return people.Actor{}, fmt.Errorf("look up who is signed in: %w", err)
	}
	if p.Disabled {
		return people.Actor{}, errSignedOut
	}
	if err := s.inContract(r.Context(), p); err != nil {
		return people.Actor{}, err
	}
	a.Firm, a.Name, a.Roles = p.Firm, p.Name, a.Narrow(p.Roles)
	return a, nil
}

func (s *server) signIn(r *http.Request) (any, error) {
	in, err := read[api.SignIn](r)
	if err != nil {
		return nil, err
	}
	a, err := s.Proofs.SignIn(r.Context(), source(r), in.Person, in.Password, in.Code)
	if err != nil {
		return nil, err
	}
	p, err := s.Roster.Person(r.Context(), a.Person)
	if err != nil {
		return nil, fmt.Errorf("look up who signs in: %w", err)
	}
	if err := s.inContract(r.Context(), p); err != nil {
		return nil, err
	}
	token, until, err := s.tokens.issue(a)
	if err != nil {
		return nil, err
	}
	return api.Token{Token: token, Until: until, Person: string(a.Person), Name: p.Name, Roles: words(p.Roles)}, nil
}

func (s *server) acceptClock(r *http.Request, a people.Actor) (any, error) {
	say, err := s.AcceptClock(r.Context(), a)
	return map[string]string{"say": say}, err
}

// source is where a call came from; the zero Addr on the private socket.
func source(r *http.Request) netip.Addr {
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return ap.Addr()
	}
	return netip.Addr{}
}

// badCall is an error of the caller's words; its text goes back as it is.
type badCall struct{ error }

var errSignedOut = errors.New("sign in first: the token is missing, spent or older than five minutes")

// read decodes one call's JSON strictly.
func read[T any](r *http.Request) (T, error) {
	var v T
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return v, err
		}
		return v, badCall{fmt.Errorf("the call's JSON cannot be read: %w", err)}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, badCall{errors.New("the call holds more than one JSON value")}
	}
	return v, nil
}

func answer(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil { // only a program error can get here
		http.Error(w, "the answer cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // the caller may be gone
}

// reference names one fault for person and log.
func reference() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}

func names[T ~string](list []string) []T {
	out := make([]T, len(list))
	for i, w := range list {
		out[i] = T(w)
	}
	return out
}
