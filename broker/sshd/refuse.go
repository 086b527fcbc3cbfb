package sshd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"

	"penstock/audit"
	"penstock/policy"
)

// words turns an error into what the person reads: a refusal's own sentence,
// else a reference under which the log has everything.
func (d *Door) words(err error, attrs ...any) string {
	var r *policy.Refusal
	if errors.As(err, &r) && r.Say != "" {
		return clean(d.Clerk.Typed(r.Say), 1000)
	}
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	ref := hex.EncodeToString(b[:])
	d.Slog.Error("ssh door", append([]any{slog.String("reference", ref), slog.Any("err", err)}, attrs...)...)
	return "Something is wrong here and you were not let in (reference " + ref + "). Tell OT security this reference."
}

// ruleOf names the rule of an error for the log.
func ruleOf(err error) (rule, why string) {
	var r *policy.Refusal
	if errors.As(err, &r) {
		return r.Rule, r.Why
	}
	return "fault", err.Error()
}

// clean makes text safe to print on a terminal: no control or direction
// characters, newlines kept, cut to max runes.
func clean(s string, max int) string {
	n := 0
	return strings.Map(func(r rune) rune {
		if n++; n > max {
			return -1
		}
		if r == '\n' {
			return r
		}
		if r == unicode.ReplacementChar || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Cf, r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// teller writes access.refused, so that a flood cannot fill the log: of one
// source at most one a second, of all together at most ten; what was left out
// is counted in the next one. Proven people are counted apart: no stranger's
// flood hides that a machine showed another key.
type teller struct {
	log     Log
	now     func() time.Time
	metrics *metrics // counts also what is not told one by one

	mu               sync.Mutex
	strangers, known told
}

// told is what was told of one kind of people.
type told struct {
	last   map[netip.Addr]time.Time
	second time.Time
	inIt   int
	left   int
}

func newTeller(log Log, now func() time.Time) *teller {
	return &teller{log: log, now: now, metrics: newMetrics(),
		strangers: told{last: map[netip.Addr]time.Time{}}, known: told{last: map[netip.Addr]time.Time{}}}
}

const maxToldPerSecond = 10

func (t *teller) due(source netip.Addr, proven bool) (left int, tell bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kind := &t.strangers
	if proven {
		kind = &t.known
	}
	return kind.due(t.now(), network(source))
}

func (t *told) due(now time.Time, key netip.Addr) (left int, tell bool) {
	if since := now.Sub(t.second); since < 0 || since >= time.Second {
		t.second, t.inIt = now, 0
	}
	since := now.Sub(t.last[key])
	if since >= 0 && since < time.Second || t.inIt >= maxToldPerSecond {
		t.left++
		return 0, false
	}
	if len(t.last) >= maxSources {
		clear(t.last)
	}
	t.last[key] = now
	t.inIt++
	left, t.left = t.left, 0
	return left, true
}

// refused tells the log; person is empty unless proven. The refusal stands
// whether or not the log takes it.
func (t *teller) refused(source netip.Addr, person, rule, why string) {
	t.metrics.refusal(rule)
	left, tell := t.due(source, person != "")
	if !tell {
		return
	}
	if left > 0 {
		why = fmt.Sprintf("%s (%d more refusals were not told one by one)", why, left)
	}
	from := "unknown"
	if source.IsValid() {
		from = source.String()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, _ = t.log.Append(ctx, audit.Event{Subject: from, Actor: "penstock",
		Body: audit.AccessRefused{Person: person, Source: from, Rule: rule, Why: clean(why, 500)}})
}
