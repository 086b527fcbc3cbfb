package login

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	freeTries  = 5                // wrong ones before a wait
	firstWait  = 30 * time.Second // doubles up to
	maxWait    = 5 * time.Minute
	forget     = 15 * time.Minute // after the last wrong one
	maxTracked = 8192             // of each kind; the oldest go first

	softTries = 20          // wrong ones for one person, from anywhere, before each try is slowed
	softDelay = time.Second // which is all that others can do to an owner

	codeTries  = 20             // wrong codes for one person, from anywhere, behind a right password or key
	codeForget = 24 * time.Hour // after the last of them

	mostEnrolled = 20             // passwords and generators that one person sets in
	enrolledIn   = 24 * time.Hour // since the first of them
)

// throttle makes guessing slow. One person from one source waits hard: after
// five wrong ones 30 s, doubling to 5 min. One source for all persons waits
// the same after four times as many. One person from many sources is only
// slowed by a second: so nobody can lock the owner out from elsewhere.
//
// Codes are six digits, and a second is nothing where a thousand addresses
// guess at once. But whoever comes to guess one has the person's password or
// key already: there all sources together wait hard, but for those from which
// the person has given a right code before. For the same reason whoever is
// signed in, or has proven a key, and gives a code waits for what came by that
// proof alone, and for no stranger's tries: a whole plant may have one address,
// and somebody there who types a supervisor's name with wrong passwords must not
// keep them from opening a window.
type throttle struct {
	now func() time.Time

	mu      sync.Mutex
	pairs   map[string]*guesses
	sources map[string]*guesses
	persons map[string]*guesses
	steps   map[string]*guesses  // pairs, of codes by who is signed in; and people's own browsers
	codes   map[string]*guesses  // wrong codes of a person
	known   map[string]time.Time // pairs that were right, by what: last
	set     map[string]*guesses  // passwords and generators that a person has set; last is the first of them
}

// What a pair was right about.
const (
	knownPassword = "password\x00"
	knownCode     = "code\x00"
)

type guesses struct {
	wrong int
	last  time.Time
	until time.Time
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, pairs: map[string]*guesses{}, sources: map[string]*guesses{}, persons: map[string]*guesses{},
		steps: map[string]*guesses{}, codes: map[string]*guesses{}, known: map[string]time.Time{}, set: map[string]*guesses{}}
}

// place is the source as guesses are counted: an IPv6 network of 64 bits is one caller.
func place(from netip.Addr) string {
	from = from.Unmap()
	if !from.IsValid() {
		return "local"
	}
	if from.Is6() {
		p, _ := from.WithZone("").Prefix(64)
		return p.String()
	}
	return from.String()
}

// network is what one operator of many addresses has: an IPv4 network of 24 bits,
// an IPv6 one of 48.
func network(from netip.Addr) string {
	from = from.Unmap().WithZone("")
	bits := 24
	if from.Is6() {
		bits = 48
	}
	p, err := from.Prefix(bits)
	if err != nil {
		return "local"
	}
	return p.String()
}

func keyName(name string) string {
	if len(name) > 64 {
		name = name[:64]
	}
	return strings.ToLower(name)
}

// enter refuses while a wait runs, and slows a person who is being guessed at.
// The try is counted here as a wrong one, before it is looked at, so that many
// at once are no better than one after the other; right takes it back.
func (t *throttle) enter(ctx context.Context, name string, from netip.Addr) error {
	name, at := keyName(name), place(from)
	t.mu.Lock()
	now := t.now()
	wait := max(t.pairs[name+"\x00"+at].left(now), t.sources[at].left(now))
	soft := t.persons[name].left(now) > 0
	if wait <= 0 {
		count(t.pairs, name+"\x00"+at, now, freeTries, forget)
		count(t.sources, at, now, 4*freeTries, forget)
		count(t.persons, name, now, softTries, forget)
	}
	t.mu.Unlock()
	if wait > 0 {
		return errWait(wait)
	}
	if !soft {
		return nil
	}
	timer := time.NewTimer(softDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to sign in: %w", context.Cause(ctx))
	}
}

// enterStep is enter for somebody who is signed in, or has proven a key: name is
// theirs. Only who has come so far is counted; rightStep takes the try back.
func (t *throttle) enterStep(name string, from netip.Addr) error {
	return t.enterOwn(keyName(name) + "\x00" + place(from))
}

// enterAt is enter, where own is empty; else that browser's tries count alone.
func (t *throttle) enterAt(ctx context.Context, name string, from netip.Addr, own string) error {
	if own == "" {
		return t.enter(ctx, name, from)
	}
	return t.enterOwn(atBrowser + own)
}

func (t *throttle) rightAt(name string, from netip.Addr, own string) {
	if own == "" {
		t.right(name, from)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.steps, atBrowser+own)
}

const atBrowser = "\x00browser\x00" // no name is empty

func (t *throttle) enterOwn(pair string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if wait := t.steps[pair].left(now); wait > 0 {
		return errWait(wait)
	}
	count(t.steps, pair, now, freeTries, forget)
	return nil
}

func (t *throttle) rightStep(name string, from netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.steps, keyName(name)+"\x00"+place(from))
}

// enrols counts what a person sets of their own: each is a hash, a document and
// events, which stay.
func (t *throttle) enrols(name string) error {
	name = keyName(name)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	g := t.set[name]
	if g == nil || now.Sub(g.last) >= enrolledIn || now.Before(g.last) {
		makeRoom(t.set, now)
		g = &guesses{last: now}
		t.set[name] = g
	}
	if g.wrong++; g.wrong > mostEnrolled {
		return errEnrolled(g.last.Add(enrolledIn).Sub(now))
	}
	return nil
}

// enterCode comes after enter or enterStep, where password or key were right and a code is
// looked at next: it refuses while all sources together wait. Counted as wrong
// before; rightCode takes it back.
func (t *throttle) enterCode(name string, from netip.Addr) error {
	name, at := keyName(name), place(from)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	_, known := t.known[knownCode+name+"\x00"+at]
	if wait := t.codes[name].left(now); wait > 0 && !known {
		return errWait(wait)
	}
	count(t.codes, name, now, codeTries, codeForget)
	return nil
}

// rightCode takes the try back and remembers where the person gives codes.
func (t *throttle) rightCode(name string, from netip.Addr) {
	name, at := keyName(name), place(from)
	t.mu.Lock()
	defer t.mu.Unlock()
	uncount(t.codes[name], codeTries)
	t.remember(knownCode + name + "\x00" + at)
}

// rightPassword remembers from where the person signs in.
func (t *throttle) rightPassword(name string, from netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.remember(knownPassword + keyName(name) + "\x00" + place(from))
}

func (t *throttle) remember(key string) { // mu is held
	if len(t.known) >= maxTracked {
		clear(t.known)
	}
	t.known[key] = t.now()
}

// signedIn says whether the person has signed in from there before, in this
// life of the process.
func (t *throttle) signedIn(name string, from netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.known[knownPassword+keyName(name)+"\x00"+place(from)]
	return ok
}

func (g *guesses) left(now time.Time) time.Duration {
	if g == nil {
		return 0
	}
	return g.until.Sub(now)
}

// right forgets the pair and takes back the try of source and person. What
// others got wrong stays counted.
func (t *throttle) right(name string, from netip.Addr) {
	name, at := keyName(name), place(from)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pairs, name+"\x00"+at)
	uncount(t.sources[at], 4*freeTries)
	uncount(t.persons[name], softTries)
}

func uncount(g *guesses, free int) {
	if g == nil || g.wrong == 0 {
		return
	}
	g.wrong--
	if g.wrong < free {
		g.until = time.Time{}
	}
}

func count(m map[string]*guesses, key string, now time.Time, free int, forget time.Duration) {
	g := m[key]
	if g == nil {
		makeRoom(m, now)
		g = &guesses{}
		m[key] = g
	}
	if now.Sub(g.last) > forget {
		g.wrong = 0
	}
	g.wrong++
	g.last = now
	if over := g.wrong - free; over >= 0 {
		wait := maxWait
		if over < 4 {
			wait = firstWait << over
		}
		g.until = now.Add(min(wait, maxWait))
	}
}

// makeRoom keeps a map bounded: the forgotten go, and of those that are fresh
// the older half; so the work is spread over thousands of tries.
func makeRoom(m map[string]*guesses, now time.Time) {
	if len(m) < maxTracked {
		return
	}
	var times []time.Time
	for k, g := range m {
		if now.Sub(g.last) > forget && g.left(now) <= 0 {
			delete(m, k)
		} else {
			times = append(times, g.last)
		}
	}
	if len(m) < maxTracked/2 {
		return
	}
	slices.SortFunc(times, time.Time.Compare)
	middle := times[len(times)/2]
	for k, g := range m {
		if !g.last.After(middle) {
			delete(m, k)
		}
	}
}

// throttleLog lets one line a second of each source through, ten of all
// together (addresses are cheap), and counts the rest.
type throttleLog struct {
	now    func() time.Time
	mu     sync.Mutex
	seen   map[string]*lines
	second time.Time
	inIt   int
}

const maxLines = 10 // a second

type lines struct {
	last time.Time
	left int
}

func newThrottleLog(now func() time.Time) *throttleLog {
	return &throttleLog{now: now, seen: map[string]*lines{}}
}

func (t *throttleLog) tell(from netip.Addr) (left int, tell bool) {
	at := place(from)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	l := t.seen[at]
	if l == nil {
		if len(t.seen) >= maxTracked {
			clear(t.seen)
		}
		l = &lines{}
		t.seen[at] = l
	}
	if since := now.Sub(t.second); since < 0 || since >= time.Second {
		t.second, t.inIt = now, 0
	}
	if now.Sub(l.last) < time.Second && now.Sub(l.last) >= 0 || t.inIt >= maxLines {
		l.left++
		return 0, false
	}
	t.inIt++
	left, l.left, l.last = l.left, 0, now
	return left, true
}

// quoted is a name as somebody gave it, fit for the log: cut, and nothing in it that moves a terminal.
func quoted(name string) string {
	clean := quotedAll(name)
	if r := []rune(clean); len(r) > 64 {
		clean = string(r[:64]) + "…"
	}
	return clean
}

// quotedAll is the whole of it, in which nothing moves a terminal.
func quotedAll(name string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
}
