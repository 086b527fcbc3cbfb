package evidence

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// A tap is an answer that somebody signs with their own key for one thing: a yes is
// to one text, open and go-on are to one window as it stands, and a taking over is a
// yes to one Taking. At a kiosk, whose computer nobody signs in to, everything that
// gives is a tap of a passkey, and names the screen. So a tap that a screen keeps
// back lets nothing else happen, and nothing a second time.

// taps says whether it is about a window that opens, or goes on, by a tap.
func (a Answer) taps() bool { return a.Says == Opens || a.Says == GoesOn }

// atKiosk holds the fields of a tap to the kind of answer.
func (a Answer) atKiosk() error {
	var errs []error
	if a.Kiosk != "" {
		errs = append(errs, counter("kiosk", "K-", a.Kiosk))
		if a.Heard != "" || slices.Contains([]string{Extend, StepUp, Countersign, Deny}, a.Says) {
			errs = append(errs, fmt.Errorf("kiosk: nobody taps %q there", a.Says))
		}
	}
	if a.taps() != (a.Rev > 0) || a.Rev > 1<<40 {
		errs = append(errs, errors.New("rev belongs to open and go-on, and only to them"))
	}
	if !a.taps() {
		return errors.Join(errs...)
	}
	l := a.Limits
	if len(l.Rights) == 0 || len(l.Assets) > 0 || !l.Until.IsZero() || (a.Says == Opens) != (l.Minutes > 0) {
		errs = append(errs, errors.New("open and go-on name the window's rights, open its minutes too, and nothing else"))
	}
	return errors.Join(errs...)
}

// CheckTap is empty if an opener's tap lets this window open (opened is
// zero then), or go on after a pause: with the rights and the minutes or end that
// it would have, by their own key. That it is about the window's newest state
// (Rev), that the screen was enrolled, and that the tap was not used before is the
// caller's to compare.
func CheckTap(plant *policy.Plant, request []byte, says string, yes []Given, tap Given, keys []Key, w WindowClaim, opened time.Time, rights []string, until time.Time, under ...Basis) (findings []string) {
	j, a, err := afterOpening(plant, request, says, tap, keys, w, opened, under...)
	if err != nil {
		return []string{err.Error()}
	}
	j.tapped(a)
	j.must(slices.Equal(a.Limits.Rights, rights), "it is for %q, and the window has %q", a.Limits.Rights, rights)
	j.must(says != Opens || a.Limits.Minutes == w.Minutes, "it is for %d minutes, and %d were agreed", a.Limits.Minutes, w.Minutes)
	j.must(says != GoesOn || a.Until.Equal(until), "it is for an end at %s, and the window ends at %s", clock(a.Until), clock(until))
	j.beside(yes, a, func(Answer) {})
	return j.findings
}

// tapped: by a key of the person's own, at a kiosk by a passkey.
func (j *judge) tapped(a Answer) {
	j.must(a.Proof.Signed() && (a.Kiosk == "" || a.Proof.Kind == ProofWebAuthn), "it is no tap of a key")
}

// Taking is the exact text that somebody says yes to who takes windows of a
// handover over by a tap: canonical JSON, put as a document, named by hash. Rev is
// the revision that the handover's row had.
type Taking struct {
	V        int        `json:"v"` // 1
	Handover string     `json:"handover"`
	Windows  []string   `json:"windows"` // sorted
	Rev      uint64     `json:"rev"`
	Plant    audit.Hash `json:"plant"` // in force; it says where the plant's pages are
}

// ParseTaking reads a taking's text, as strictly as a request's.
func ParseTaking(b []byte) (Taking, error) {
	var t Taking
	if err := parse("taking over", b, &t); err != nil {
		return Taking{}, err
	}
	err := errors.Join(isOne(t.V), counter("handover", "H-", t.Handover), between("number of windows", len(t.Windows), 1, MaxHandedOver), between("rev", int(min(t.Rev, 1<<30)), 1, 1<<20), set("plant", !t.Plant.IsZero()))
	for i, w := range t.Windows {
		err = errors.Join(err, counter("windows["+strconv.Itoa(i)+"]", "W-", w))
		if i > 0 && t.Windows[i-1] >= w {
			err = errors.Join(err, fmt.Errorf("windows[%d]: %q is not after the one before: sorted, each once", i, short(w)))
		}
	}
	if err != nil {
		return Taking{}, fmt.Errorf("taking over: %w", err)
	}
	return t, nil
}

// CheckTaking is empty if the tap takes exactly this over: a yes to this text, by
// a person of the plant with their own key.
func CheckTaking(plant *policy.Plant, text []byte, tap Given, keys []Key) (findings []string) {
	t, err := ParseTaking(text)
	if err != nil {
		return []string{err.Error()}
	}
	if plant == nil || audit.HashOf(plant.Document()) != t.Plant {
		return []string{fmt.Sprintf("taking %s over: the plant file is not the one that it names, %s", t.Handover, t.Plant)}
	}
	a, err := ParseAnswer(tap.Body)
	if err != nil {
		return []string{err.Error()}
	}
	// To the rules for answers it is a request that nobody works in.
	j := &judge{request: Request{Request: t.Handover, To: a.DecideBy}, hash: audit.HashOf(text), origin: plant.Site.Origin, about: at(tap)}
	j.must(a.Says == Yes && a.Limits.none() && len(a.Rows) == 0 && a.Heard == "", "it is no plain yes")
	j.must(a.Request == j.hash, "it answers something else than this taking over")
	j.tapped(a)
	j.outsider(a, tap)
	j.timely(a, tap)
	j.proved(a, tap, keys)
	return j.findings
}
