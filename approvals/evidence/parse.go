package evidence

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"penstock/audit"
	"penstock/policy"
)

// Bounds of a document's fields. Texts are counted in bytes.
const (
	MaxDocument = 64 << 10
	MaxList     = 64
	MaxReason   = 2 << 10 // reason, backout, why
	MaxText     = 512     // work order, change, backup, area clear
	MaxSpan     = 31 * 24 * time.Hour
	maxName     = 64
)

// ParseRequest reads a request document. The bytes must be the one canonical
// form of what they say; an error names the field and, in a text, the character.
func ParseRequest(b []byte) (Request, error) {
	var r Request
	if err := parse("request", b, &r); err != nil {
		return Request{}, err
	}
	if err := r.check(); err != nil {
		return Request{}, fmt.Errorf("request: %w", err)
	}
	return r, nil
}

// ParseAnswer reads an answer document with its proof, as strictly.
func ParseAnswer(b []byte) (Answer, error) {
	var a Answer
	if err := parse("answer", b, &a); err != nil {
		return Answer{}, err
	}
	if err := a.check(); err != nil {
		return Answer{}, fmt.Errorf("answer: %w", err)
	}
	return a, nil
}

// ParseClaim reads a window's claim, as strictly.
func ParseClaim(b []byte) (WindowClaim, error) {
	var w WindowClaim
	if err := parse("claim", b, &w); err != nil {
		return WindowClaim{}, err
	}
	if err := w.check(); err != nil {
		return WindowClaim{}, fmt.Errorf("claim: %w", err)
	}
	return w, nil
}

// parse decodes b and holds it to its own canonical form. This one comparison
// refuses unknown and repeated fields, other spellings of numbers, times and
// field names, white space, and bytes that are not UTF-8.
func parse(what string, b []byte, v any) error {
	if len(b) > MaxDocument {
		return fmt.Errorf("%s: %d bytes, at most %d", what, len(b), MaxDocument)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	canonical, err := audit.Canonical(v)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if !bytes.Equal(canonical, b) {
		return fmt.Errorf("%s: byte %d is not as the canonical form has it", what, firstDifference(canonical, b))
	}
	return nil
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func (r Request) check() error {
	return errors.Join(
		isOne(r.V),
		counter("request", "R-", r.Request),
		between("rev", r.Rev, 1, 1<<20),
		id("firm", r.Firm),
		id("by", r.By),
		ids("people", r.People),
		oneOf("kind", r.Kind, Remote, Emergency, OnSite, Machine, Connectivity, Exception),
		targetsOf(r.AtMachine())("assets", r.Assets),
		r.onSite(), r.machine(), r.probe(), r.exception(),
		rights("rights", r.Rights),
		filled("reason", r.Reason, MaxReason),
		CheckText("work_order", r.WorkOrder, MaxText),
		CheckText("change", r.Change, MaxText),
		CheckText("backup", r.Backup, MaxText),
		CheckText("backout", r.Backout, MaxReason),
		CheckText("area_clear", r.AreaClear, MaxText),
		outageOf(r.Outage),
		happening(r.Happening),
		oneOf("priority", r.Priority, "P1", "P2", "P3", "P4"),
		filled("can", r.Can, MaxReason),
		filled("worst", r.Worst, MaxReason),
		filled("stopper", r.Stopper, MaxText),
		starts(r.Kind == Emergency, r.Starts),
		waives(r.Kind == Emergency || r.Kind == Exception, r.Waives),
		CheckText("weak", r.Weak, MaxReason), CheckText("files", r.Files, MaxReason),
		hashes("file_hashes", r.FileHashes),
		registers(r.Registers, r.Assets),
		r.Red.check(),
		spanOf(r.Kind == Machine, r.From, r.To, r.Minutes),
		oneOf("open", r.Open, "shift", "auto", "vendor"),
		set("plant", !r.Plant.IsZero()),
		nonce(r.Nonce),
	)
}

func (a Answer) check() error {
	return errors.Join(
		isOne(a.V),
		set("request", !a.Request.IsZero()),
		id("person", a.Person),
		id("firm", a.Firm),
		name("role", a.Role),
		oneOf("says", a.Says, Yes, No, NotBefore, Question, Extend, StepUp, Opens, GoesOn, Countersign, Deny),
		CheckText("why", a.Why, MaxReason),
		a.Limits.check(),
		a.fits(),
		nonce(a.Nonce),
		moment("at", a.At),
		moment("decide_by", a.DecideBy),
		a.Proof.check(),
	)
}

// fits says whether the fields that belong to one kind of answer are there
// with it, and only with it.
func (a Answer) fits() error {
	var errs []error
	if (a.Says == NotBefore) == a.NotBefore.IsZero() {
		errs = append(errs, errors.New("not_before belongs to not-before, and only to it"))
	} else if !a.NotBefore.IsZero() {
		errs = append(errs, moment("not_before", a.NotBefore))
	}
	if (a.Says == Extend || a.Says == GoesOn) == a.Until.IsZero() {
		errs = append(errs, errors.New("until belongs to extend and go-on, and only to them"))
	} else if !a.Until.IsZero() {
		errs = append(errs, moment("until", a.Until))
	}
	if of := a.Says == Extend || a.Says == StepUp || a.taps(); of != (a.Window != "") {
		errs = append(errs, errors.New("window belongs to extend, step-up, open and go-on, and only to them"))
	} else if of {
		errs = append(errs, counter("window", "W-", a.Window))
	}
	errs = append(errs, a.rows(), a.spoken(), a.atKiosk())
	switch l := a.Limits; {
	case a.Says == StepUp && (len(l.Rights) == 0 || len(l.Assets) > 0 || l.Minutes != 0 || !l.Until.IsZero()):
		errs = append(errs, errors.New("a step-up names the window's rights from then on, and nothing else"))
	case a.Says != Yes && a.Says != StepUp && !a.taps() && !l.none():
		errs = append(errs, errors.New("limits belong to yes and step-up, and only to them"))
	}
	return errors.Join(errs...)
}

// starts: an emergency's, and only an emergency's, begins with less.
func starts(emergency bool, words []string) error {
	if emergency != (len(words) > 0) {
		return errors.New("starts belongs to an emergency, and only to it")
	}
	if !emergency {
		return nil
	}
	return rights("starts", words)
}

func waives(emergency bool, list []string) error {
	if len(list) == 0 {
		return nil
	}
	if !emergency {
		return errors.New("waives belongs to an emergency or an exception, and only to these")
	}
	return ids("waives", list)
}

func (l Limits) none() bool {
	return len(l.Rights) == 0 && len(l.Assets) == 0 && l.Minutes == 0 && l.Until.IsZero()
}

func (l Limits) check() error {
	var errs []error
	if len(l.Rights) > 0 {
		errs = append(errs, rights("limits.rights", l.Rights))
	}
	if len(l.Assets) > 0 {
		errs = append(errs, places("limits.assets", l.Assets))
	}
	if !l.Until.IsZero() {
		errs = append(errs, moment("limits.until", l.Until))
	}
	return errors.Join(append(errs, between("limits.minutes", l.Minutes, 0, int(MaxSpan/time.Minute)))...)
}

func (p Proof) check() error {
	if p == (Proof{}) {
		return nil // a no, a question: nobody forges these to get in
	}
	return errors.Join(name("proof.kind", p.Kind), CheckText("proof.key", p.Key, maxName), CheckText("proof.data", p.Data, maxProof))
}

func (w WindowClaim) check() error {
	return errors.Join(
		isOne(w.V),
		counter("window", "W-", w.Window),
		set("request", !w.Request.IsZero()),
		ids("people", w.People),
		targetsOf(w.OnSite())("assets", w.Assets),
		CheckText("laptop", w.Laptop, maxName), jackOf(w.Laptop, w.Jack),
		rights("rights", w.Rights),
		starts(len(w.Starts) > 0, w.Starts),
		spanOf(w.Machine.Is(), w.From, w.To, w.Minutes), w.machine(),
		oneOf("open", w.Open, "shift", "auto", "vendor"),
		network("network", w.Network),
		gateNames(w.Gates),
		registers(w.Registers, w.Assets), waives(w.Exception, w.Waives),
	)
}

// rows: of a yes without limits, sorted, and what was looked at is among them.
func (a Answer) rows() error {
	if len(a.Rows) == 0 && len(a.Looked) == 0 {
		return nil
	}
	errs := []error{between("number of rows", len(a.Rows), 1, MaxRows)}
	if a.Says != Yes || !a.Limits.none() {
		errs = append(errs, errors.New("rows belong to a yes without limits, and only to it"))
	}
	for _, list := range [][]string{a.Rows, a.Looked} {
		for i, r := range list {
			errs = append(errs, counter("rows", "R-", r))
			if i > 0 && list[i-1] >= r {
				errs = append(errs, fmt.Errorf("rows: %q is not after the one before: sorted, each once", short(r)))
			}
		}
	}
	if !within(a.Looked, a.Rows) {
		errs = append(errs, errors.New("looked: names a row that is not taken"))
	}
	return errors.Join(errs...)
}

func outageOf(s string) error {
	if s == "" {
		return nil
	}
	return counter("outage", "O-", s)
}

func happening(s string) error {
	if s == "" {
		return nil
	}
	return oneOf("happening", s, policy.Happenings...)
}

func isOne(v int) error {
	if v != 1 {
		return fmt.Errorf("v: %d is not known to this build, which knows 1", v)
	}
	return nil
}

func set(field string, is bool) error {
	if !is {
		return fmt.Errorf("%s: is missing", field)
	}
	return nil
}

func between(field string, n, low, high int) error {
	if n < low || n > high {
		return fmt.Errorf("%s: %d is not between %d and %d", field, n, low, high)
	}
	return nil
}

func oneOf(field, s string, known ...string) error {
	if !slices.Contains(known, s) {
		return fmt.Errorf("%s: %q is not one of %s", field, short(s), strings.Join(known, ", "))
	}
	return nil
}

// counter holds an id to its form: R-1042, W-17.
func counter(field, prefix, s string) error {
	digits, ok := strings.CutPrefix(s, prefix)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || n == 0 || strconv.FormatUint(n, 10) != digits {
		return fmt.Errorf("%s: %q is not %s and a number from 1", field, short(s), prefix)
	}
	return nil
}

func id(field, s string) error {
	if !policy.ValidID(s) {
		return fmt.Errorf("%s: %q is not an id: a small letter, then small letters, digits and dashes, at most 32", field, short(s))
	}
	return nil
}

func ids(field string, list []string) error {
	if err := between("number of "+field, len(list), 1, MaxList); err != nil {
		return err
	}
	for i, s := range list {
		if err := id(fmt.Sprintf("%s[%d]", field, i), s); err != nil {
			return err
		}
		if i > 0 && list[i-1] >= s {
			return fmt.Errorf("%s[%d]: %q is not after the one before: sorted, each once", field, i, s)
		}
	}
	return nil
}

// name is what the plant file calls ports, accounts and roles: printable ASCII
// without space.
func name(field, s string) error {
	if s == "" || len(s) > maxName {
		return fmt.Errorf("%s: has %d characters, 1 to %d are possible", field, len(s), maxName)
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return fmt.Errorf("%s: character %d is not a printable ASCII character", field, i+1)
		}
	}
	return nil
}

// targets are ways in, each with its port.
func targets(field string, list []Target) error {
	err := places(field, list)
	for i, t := range list {
		if err == nil && t.Port == "" {
			err = fmt.Errorf("%s[%d]: has no port", field, i)
		}
	}
	return err
}

// places are ways in, or machines alone for work on site.
func places(field string, list []Target) error {
	if err := between("number of "+field, len(list), 1, MaxList); err != nil {
		return err
	}
	for i, t := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		err := id(at+".asset", t.Asset)
		if t.Port != "" {
			err = errors.Join(err, name(at+".port", t.Port))
		}
		if t.Account != "" {
			err = errors.Join(err, name(at+".account", t.Account))
		}
		if err != nil {
			return err
		}
		if i > 0 && list[i-1].Compare(t) >= 0 {
			return fmt.Errorf("%s: %s is not after the one before: sorted, each once", at, t)
		}
	}
	return nil
}

// Compare orders targets by asset, port and account.
func (t Target) Compare(o Target) int {
	return slices.Compare([]string{t.Asset, t.Port, t.Account}, []string{o.Asset, o.Port, o.Account})
}

// String is what a page shows: "filler-plc by ssh as maint", "filler-plc, on site".
func (t Target) String() string {
	if t.Port == "" {
		return t.Asset + ", on site"
	}
	s := t.Asset + " by " + t.Port
	if t.Account != "" {
		s += " as " + t.Account
	}
	return s
}

// rights wants the words of a set in its own order, look among them.
func rights(field string, words []string) error {
	r, err := policy.ParseRights(words)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	if !slices.Equal(r.Words(), words) {
		return fmt.Errorf("%s: %q is written %q", field, words, r.Words())
	}
	return nil
}

func span(from, to time.Time, minutes int) error { return spanWithin(MaxSpan, from, to, minutes) }

func spanWithin(most time.Duration, from, to time.Time, minutes int) error {
	if err := errors.Join(moment("from", from), moment("to", to)); err != nil {
		return err
	}
	switch whole := to.Sub(from); {
	case whole <= 0:
		return errors.New("to: is not after from")
	case whole > most:
		return fmt.Errorf("to: is more than %d days after from", int(most.Hours()/24))
	case minutes < 1 || minutes > int(whole/time.Minute):
		return fmt.Errorf("minutes: %d do not fit between from and to, which are %d minutes apart; ask for fewer, or name a later end", minutes, int(whole/time.Minute))
	}
	return nil
}

// moment wants UTC in the years that a calendar of a plant can mean.
func moment(field string, t time.Time) error {
	if t.Year() < 2000 || t.Year() > 2199 {
		return fmt.Errorf("%s: is missing, or not between the years 2000 and 2199", field)
	}
	if _, offset := t.Zone(); offset != 0 {
		return fmt.Errorf("%s: is not in UTC", field)
	}
	return nil
}

func nonce(s string) error {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 32 {
		return errors.New("nonce: is not 32 bytes in base64url without padding")
	}
	return nil
}

func filled(field, s string, limit int) error {
	if s == "" {
		return fmt.Errorf("%s: is empty", field)
	}
	return CheckText(field, s, limit)
}

// CheckText is the rule for what a person writes: UTF-8 on one line, at most
// limit bytes, no control character and none that is invisible or turns the
// direction of what follows, because a page, a terminal and a log must show
// the same words. The error names the field and the character.
func CheckText(field, s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%s: has %d bytes, at most %d", field, len(s), limit)
	}
	n := 0
	for i, c := range s {
		n++
		if c == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return fmt.Errorf("%s: character %d is not UTF-8", field, n)
			}
		}
		if unicode.In(c, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) || hidden(c) {
			return fmt.Errorf("%s: character %d is U+%04X, which may not stand in a text", field, n, c)
		}
	}
	if strings.TrimSpace(s) != s {
		return fmt.Errorf("%s: begins or ends with a space", field)
	}
	return nil
}

// hidden are characters that show nothing though Unicode files them as letters or marks.
func hidden(c rune) bool {
	switch {
	case c == 0x034F, c == 0x115F, c == 0x1160, c == 0x17B4, c == 0x17B5, c == 0x2800, c == 0x3164, c == 0xFFA0,
		c >= 0x180B && c <= 0x180F, c >= 0xFE00 && c <= 0xFE0F, c >= 0xE0100 && c <= 0xE01EF,
		c&0xFFFE == 0xFFFE, c >= 0xFDD0 && c <= 0xFDEF:
		return true
	}
	return false
}

// short keeps hostile text out of an error's length.
func short(s string) string {
	if len(s) > maxName {
		return s[:maxName] + "…"
	}
	return s
}

const maxFileHashes = 32 // of one request

// hashes are sorted, each once.
func hashes(field string, all []audit.Hash) error {
	sorted := slices.IsSortedFunc(all, func(a, b audit.Hash) int { return strings.Compare(a.String(), b.String()) })
	if len(all) > maxFileHashes || !sorted || len(slices.Compact(slices.Clone(all))) != len(all) || slices.ContainsFunc(all, audit.Hash.IsZero) {
		return fmt.Errorf("%s: at most %d hashes, sorted, each once", field, maxFileHashes)
	}
	return nil
}
