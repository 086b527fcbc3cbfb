package web

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// Of a session of the pages. The store is our own and small, because the
// libraries read a session when a call begins and write it when it ends: a page
// that refreshes itself beside a sign-out would bring the session back, and
// beside a code it would lose the code.
const (
	cookieName        = "__Host-penstock"
	browserCookie     = "__Host-penstock-at-" // and a person: they have signed in at this browser before; it opens nothing
	sessionIdle       = 30 * time.Minute
	sessionLife       = 12 * time.Hour
	maxSessions       = 10_000
	maxSessionsPerson = 20
	codeGood          = 5 * time.Minute // as the Desk has it
)

// sessions are kept in memory only: after a restart everybody signs in again.
// Somebody who could alter them would be signed in; nothing of them is on disk.
type sessions struct {
	over func(*webSession) // told of each session that ended, with mu held; nil: nobody
	now  func() time.Time

	mu  sync.Mutex
	all map[[sha256.Size]byte]*webSession // by hash of the token: a look into memory is no token
}

type webSession struct {
	key   [sha256.Size]byte
	began time.Time
	by    entry
	ended chan struct{} // closed when the session is over

	stepping sync.Mutex // one code at a time: the second of a double tap waits for the first
	asking   sync.Mutex // one new request at a time, held while it is written
	forms    forms

	mu      sync.Mutex
	actor   people.Actor
	seen    time.Time         // last time that the person did something
	code    [sha256.Size]byte // that actor.Step is of
	flash   string
	receipt string // where the receipt of what flash says is
	streams int
	asked   []askedOnce // newest last
	taps    []tap       // newest last
}

// entry is what somebody came in by: with another password in its place, or
// without the passkey, the session is over.
type entry struct {
	password audit.Hash         // sealed
	passkey  string             // fingerprint
	paper    ed25519.PrivateKey // what an envelope's code makes: it is in memory alone, while the session is
	account  string             // id, of the sign-in service's; until is when it is asked anew
	until    time.Time
}

func byPassword(sealed audit.Hash) entry { return entry{password: sealed} }
func byPasskey(id string) entry          { return entry{passkey: id} }

func byPaper(key ed25519.PrivateKey, id string) entry { return entry{passkey: id, paper: key} }

func byAccount(id string, until time.Time) entry {
	return entry{account: id, until: until}
}

func (e entry) stands(p people.Person) bool {
	if e.account != "" {
		return slices.ContainsFunc(p.Keys, func(k people.Key) bool { return k.Kind == people.Account && k.ID == e.account })
	}
	if e.passkey != "" {
		return slices.ContainsFunc(p.Keys, func(k people.Key) bool { return k.ID == e.passkey && k.Signs() })
	}
	k, has := p.Key(people.Password)
	return has && k.Sealed == e.password
}

// askedOnce is a form that was sent, and what came of it.
type askedOnce struct {
	form    string
	request policy.RequestID
}

// tap is one step of a window that somebody asked for.
type tap struct {
	what string
	at   time.Time
}

// tapped keeps a step that begins.
func (s *webSession) tapped(t tap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taps = append(s.taps, t)
	s.taps = s.taps[max(0, len(s.taps)-maxAsked):]
}

// tappedTwice says whether a step was asked for more than once in a moment.
func (s *webSession) tappedTwice(what string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, t := range s.taps {
		if t.what == what && now.Sub(t.at).Abs() <= sameTap {
			n++
		}
	}
	return n > 1
}

// maxAsked forms are remembered: a second tap comes at once.
const maxAsked = 20

// askedBy is the request that a form has become already.
func (s *webSession) askedBy(form string) (policy.RequestID, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if a.form == form && form != "" {
			return a.request, true
		}
	}
	return "", false
}

func (s *webSession) hasAsked(form string, q policy.RequestID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, askedOnce{form, q})
	s.asked = s.asked[max(0, len(s.asked)-maxAsked):]
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, all: map[[sha256.Size]byte]*webSession{}}
}

// begin makes a session and its token: a new one at each sign-in.
func (t *sessions) begin(a people.Actor, by entry) (*webSession, string, error) {
	token := rand.Text() + rand.Text() // 260 bits
	now := t.now()
	s := &webSession{key: sha256.Sum256([]byte(token)), began: now, seen: now, actor: a, by: by, ended: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	var mine []*webSession
	for _, old := range t.all {
		switch {
		case old.over(now):
			t.drop(old)
		case old.who().Person == a.Person:
			mine = append(mine, old)
		}
	}
	if len(mine) >= maxSessionsPerson { // the oldest makes room, so that nobody locks themself out
		t.drop(slices.MinFunc(mine, func(a, b *webSession) int { return a.began.Compare(b.began) }))
	}
	if len(t.all) >= maxSessions {
		return nil, "", &policy.Refusal{Rule: "sessions-full", Say: "Too many people are signed in. Call whoever runs the broker."}
	}
	t.all[s.key] = s
	return s, token, nil
}

// find gives the session of a token, nil if there is none any more. active
// says that a person did this, and not the page by itself.
func (t *sessions) find(token string, active bool) *webSession {
	if len(token) > 100 {
		return nil
	}
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.all[sha256.Sum256([]byte(token))]
	if s == nil {
		return nil
	}
	if s.over(now) {
		t.drop(s)
		return nil
	}
	if active {
		s.mu.Lock()
		s.seen = now
		s.mu.Unlock()
	}
	return s
}

// byKey is the session of a key that toService gave; nil: there is none any more.
func (t *sessions) byKey(text string) *webSession {
	var key [sha256.Size]byte
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(key) {
		return nil
	}
	copy(key[:], b)
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.all[key]; s != nil && !s.over(t.now()) {
		return s
	}
	return nil
}

// end signs out. Again is harmless.
func (t *sessions) end(s *webSession) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(s)
}

// drop forgets a session; mu is held.
func (t *sessions) drop(s *webSession) {
	if t.all[s.key] == s {
		delete(t.all, s.key)
		close(s.ended)
		if t.over != nil {
			t.over(s)
		}
	}
}

func (s *webSession) over(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.by.until.IsZero() && !now.Before(s.by.until) || now.Sub(s.seen) >= sessionIdle || now.Sub(s.began) >= sessionLife || now.Before(s.began.Add(-time.Minute))
}

// stands says whether the person may still be who signed in: present, of the
// same firm, and with the password or passkey of then. Whoever changes a password,
// or has it taken away, throws everybody out who came in by it.
func (s *webSession) stands(p people.Person) bool {
	a := s.who()
	return !p.Disabled && p.ID == a.Person && p.Firm == a.Firm && s.by.stands(p)
}

func (s *webSession) who() people.Actor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.actor
}

// stepUp keeps a code that was given.
func (s *webSession) stepUp(a people.Actor, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.actor, s.code = a, sha256.Sum256([]byte(code))
}

// gave says whether this session's code that counts is this very one.
func (s *webSession) gave(code string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	given := sha256.Sum256([]byte(code))
	return subtle.ConstantTimeCompare(s.code[:], given[:]) == 1
}

func (s *webSession) setFlash(text string) { s.setFlashes(text, "") }

func (s *webSession) setFlashes(text, receipt string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flash, s.receipt = text, receipt
}

func (s *webSession) takeFlash() (text, receipt string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, receipt = s.flash, s.receipt
	s.flash, s.receipt = "", ""
	return text, receipt
}

// setCookie: no script reads it, no other site sends it, no plain HTTP carries
// it, and no other host can set it (__Host-).
func setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// hasCode says whether a code that was given, or a passkey, still counts.
func (v *visit) hasCode() bool {
	if v.actor.Proved(people.PaperCode) { // as long as the envelope counts
		return true
	}
	age := v.now.Sub(v.actor.At)
	given := v.actor.Step != 0 && v.actor.Proved(people.TOTP) || v.actor.Proved(people.Passkey) || v.actor.Stepped
	return given && age < codeGood && age > -30*time.Second
}

// codeView asks for a code between a button and its effect. Fields are the
// form's own, sent again as they came.
type codeView struct {
	Does, Say, Action, Back string
	Service                 *serviceView // where one can prove oneself instead
	Fields                  []field
}

type field struct{ Name, Value string }

// wantsCode takes the code that stands in the form; without one that counts it
// asks for it on a page of its own, and nothing is done yet.
func (g *Pages) wantsCode(v *visit, does string) (asked bool, err error) {
	if does == "" || v.signs() {
		return false, nil
	}
	why := ""
	code := v.r.PostForm.Get("code")
	v.r.PostForm.Del("code")
	if code != "" {
		v.s.stepping.Lock()
		defer v.s.stepping.Unlock()
		if v.actor = v.s.who(); v.hasCode() && v.s.gave(code) {
			return false, nil // the second of a double tap: no code counts twice, and this one counts already
		}
		a, err := g.Proofs.Code(v.ctx(), v.actor, code)
		if err == nil {
			v.s.stepUp(a, code)
			v.actor = a
			return false, nil
		}
		if _, refused := errors.AsType[*policy.Refusal](err); !refused {
			return false, err
		}
		why = say(err)
	} else if v.hasCode() {
		return false, nil
	}
	view := codeView{Does: does, Say: why, Action: v.r.URL.Path, Back: backTo(v.r.URL.Path)}
	view.Service = g.serviceHere(v, view.Back, true)
	for name, values := range v.r.PostForm {
		if name == secretField || name == secretAgain { // no page holds one
			continue
		}
		for _, value := range values {
			view.Fields = append(view.Fields, field{name, value})
		}
	}
	status := http.StatusOK
	if why != "" {
		status = http.StatusForbidden
	}
	return true, g.show(v, status, "code", does, view)
}
