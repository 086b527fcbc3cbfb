package verify

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/audit"
)

// Targets holds what a target's own sshd logged to the certificates that the
// log says were made for it: a login with our CA that no leaf knows, a leaf whose
// login is not there, another account or another time. It takes the leaves of a
// whole log, in order; Compare comes after them. It believes the target's log as
// far as it goes: whoever owns the target can leave lines out, and a login
// without a certificate of ours is counted only.
type Targets struct {
	CAs    []string // fingerprints of the CA to targets, SHA256:…; those that certificates of the log are seen with are added
	certs  map[string]*outbound
	bySpot map[spot]*outbound
}

// spot is one channel of one session.
type spot struct {
	session string
	channel int
}

// outbound is one certificate to a target.
type outbound struct {
	audit.CertIssued
	leaf   audit.Index
	wall   time.Time
	passed bool // bytes came from the target
	seen   int  // logins with it
}

// targetSkew is how far a target's clock may be off the broker's.
const targetSkew = 2 * time.Minute

// Leaf takes the next leaf.
func (t *Targets) Leaf(l audit.Leaf) {
	if t.certs == nil {
		t.certs, t.bySpot = map[string]*outbound{}, map[spot]*outbound{}
	}
	switch b := l.Body.(type) {
	case audit.CertIssued:
		if b.CA == "out" && len(b.Names) == 1 { // the walk says what else is wrong
			o := &outbound{CertIssued: b, leaf: l.Index, wall: l.Wall}
			t.certs[b.Serial], t.bySpot[spot{b.Session, b.Channel}] = o, o
		}
	case audit.ChannelClosed:
		at := spot{b.Session, b.Channel}
		if o := t.bySpot[at]; o != nil {
			o.passed = b.Out > 0
			delete(t.bySpot, at)
		}
	}
}

// Login is one accepted login, as sshd logged it.
type Login struct {
	Line   int
	At     time.Time // zero: the line has no time
	NoYear bool      // its time has neither year nor zone (RFC 3164)
	User   string
	From   string
	Cert   bool
	ID     string
	Serial string
	Key    string // fingerprint of the certified key
	CA     string // fingerprint
}

// sshd's own words (auth.c auth_log, auth2-pubkey.c format_key): after the tag,
// never in the middle of a line, where a name that was typed could stand.
var (
	accepted     = regexp.MustCompile(`^Accepted ([a-z/-]+) for (\S{1,256}) from (\S{1,256}) port [0-9]{1,5} ssh2(?:: (.*))?$`)
	certified    = regexp.MustCompile(`^[A-Z0-9-]+-CERT (SHA256:[A-Za-z0-9+/]{43}) ID (.{0,512}) \(serial ([0-9]{1,20})\) CA [A-Z0-9-]+ (SHA256:[A-Za-z0-9+/]{43})$`)
	oldSyslog    = regexp.MustCompile(`^([A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}) \S+ sshd(?:-session)?(?:\[[0-9]+\])?: (.*)$`)
	newSyslog    = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:[.,][0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})) \S+ sshd(?:-session)?(?:\[[0-9]+\])?: (.*)$`)
	journalNames = []string{"sshd", "sshd-session"}
)

const maxTargetLine = 64 << 10

// ParseLogins reads a target's log: auth.log in the old form or with RFC 3339
// times, a journal export (journalctl -o json), or sshd's own file (-E), which
// has no times. Every other line is passed over.
func ParseLogins(r io.Reader) (list []Login, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxTargetLine)
	for n := 1; s.Scan(); n++ {
		at, noYear, text := undress(strings.TrimRight(s.Text(), "\r"))
		m := accepted.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		if len(list) == maxLogins {
			return list, fmt.Errorf("more than %d logins", maxLogins)
		}
		l := Login{Line: n, At: at, NoYear: noYear, User: m[2], From: m[3]}
		if c := certified.FindStringSubmatch(m[4]); c != nil && m[1] == "publickey" {
			l.Cert, l.Key, l.ID, l.Serial, l.CA = true, c[1], c[2], c[3], c[4]
		}
		list = append(list, l)
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return list, fmt.Errorf("a line is longer than %d bytes", maxTargetLine)
	}
	return list, s.Err()
}

const maxLogins = 1 << 20

// undress takes time and tag off a line; text is empty if it is not sshd's.
func undress(line string) (at time.Time, noYear bool, text string) {
	if m := newSyslog.FindStringSubmatch(line); m != nil {
		for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700"} {
			if at, err := time.Parse(form, strings.Replace(m[1], ",", ".", 1)); err == nil {
				return at, false, m[2]
			}
		}
		return at, false, ""
	}
	if m := oldSyslog.FindStringSubmatch(line); m != nil {
		at, err := time.Parse("Jan _2 15:04:05", m[1])
		if err != nil {
			return at, false, ""
		}
		return at, true, m[2]
	}
	if strings.HasPrefix(line, "{") {
		return journal(line)
	}
	return time.Time{}, false, line
}

// journal is one line of journalctl -o json.
func journal(line string) (time.Time, bool, string) {
	var j struct {
		Message string `json:"MESSAGE"`
		By      string `json:"SYSLOG_IDENTIFIER"`
		Comm    string `json:"_COMM"` // of the process that wrote it, by journald; SYSLOG_IDENTIFIER is the writer's own word
		Micros  string `json:"__REALTIME_TIMESTAMP"`
	}
	if json.Unmarshal([]byte(line), &j) != nil || !slices.Contains(journalNames, j.By) || j.Comm != "" && !slices.Contains(journalNames, j.Comm) {
		return time.Time{}, false, ""
	}
	micros, err := strconv.ParseInt(j.Micros, 10, 64)
	if err != nil || micros <= 0 {
		return time.Time{}, false, j.Message
	}
	return time.UnixMicro(micros), false, j.Message
}

// Compare holds one target's log to the certificates. zone is that of times
// without one.
func (t *Targets) Compare(name string, r io.Reader, zone *time.Location) ([]Finding, error) {
	logins, err := ParseLogins(r)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	c := &compared{t: t, name: name, zone: zone, assets: map[string]bool{}}
	for _, l := range logins { // first whose CA ours is
		if o := t.certs[l.Serial]; l.Cert && o != nil && o.Key == l.Key && !slices.Contains(t.CAs, l.CA) {
			t.CAs = append(t.CAs, l.CA)
		}
	}
	for _, l := range logins {
		c.login(l)
	}
	c.absent()
	c.summary()
	return c.found, nil
}

// compared is one Compare at work.
type compared struct {
	t           *Targets
	name        string
	zone        *time.Location
	assets      map[string]bool // whose certificates logged in here
	first, last time.Time
	ours, other int
	timeless    bool
	found       []Finding
}

func (c *compared) find(w Weight, where, format string, args ...any) {
	c.found = append(c.found, Finding{w, where, fmt.Sprintf(format, args...)})
}

func (c *compared) login(l Login) {
	where := fmt.Sprintf("%s line %d", c.name, l.Line)
	o := c.t.certs[l.Serial]
	if !l.Cert || o == nil && !slices.Contains(c.t.CAs, l.CA) {
		c.other++
		return
	}
	c.ours++
	if o == nil || o.Key != l.Key || o.KeyID != l.ID {
		c.find(Wrong, where, "a login as %s from %s with a certificate of our CA (serial %s, ID %s) that no leaf knows: the CA's key was used beside the broker, or somebody on the machine wrote the line (in a journal, look at its _PID and _EXE)", l.User, l.From, l.Serial, l.ID)
		return
	}
	o.seen++
	account, asset, _ := strings.Cut(o.Names[0], "@")
	c.assets[asset] = true
	switch {
	case account != l.User:
		c.find(Wrong, where, "a login as %s with the certificate of leaf %d, which is for %s", l.User, o.leaf, o.Names[0])
	case o.seen == 2:
		c.find(Wrong, where, "a second login with the certificate of leaf %d, which is for one channel of %s", o.leaf, o.Session)
	}
	c.time(where, l, o)
}

// time: within the certificate's own times, as far as clocks agree.
func (c *compared) time(where string, l Login, o *outbound) {
	if l.At.IsZero() {
		c.timeless = true
		return
	}
	at := l.At
	if l.NoYear {
		at = c.near(l.At, o.wall)
	}
	if c.first.IsZero() || at.Before(c.first) {
		c.first = at
	}
	if at.After(c.last) {
		c.last = at
	}
	if at.Before(o.wall.Add(-targetSkew)) || at.After(o.Before.Add(targetSkew)) {
		c.find(Wrong, where, "a login at %s with the certificate of leaf %d, made at %s and good until %s: a clock is off, or a line was altered",
			at.UTC().Format(time.RFC3339), o.leaf, o.wall.UTC().Format(time.RFC3339), o.Before.UTC().Format(time.RFC3339))
	}
}

// near gives a time without year the one that brings it nearest.
func (c *compared) near(at, to time.Time) (best time.Time) {
	for year := to.Year() - 1; year <= to.Year()+1; year++ {
		t := time.Date(year, at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, c.zone)
		if best.IsZero() || t.Sub(to).Abs() < best.Sub(to).Abs() {
			best = t
		}
	}
	return best
}

// absent are certificates for the same machines whose login is not there,
// within the time that the file spans; a file without times spans all.
func (c *compared) absent() {
	var list []*outbound
	for _, o := range c.t.certs {
		if o.seen > 0 {
			continue
		}
		_, asset, _ := strings.Cut(o.Names[0], "@")
		within := c.timeless || !o.wall.Before(c.first) && !o.wall.After(c.last)
		if c.assets[asset] && within {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *outbound) int { return int(a.leaf) - int(b.leaf) })
	for _, o := range list {
		where := fmt.Sprintf("leaf %d", o.leaf)
		if o.passed {
			c.find(Wrong, where, "the machine answered %s channel %d as %s, and %s has no login with its certificate (serial %s): the line was taken out, or the file is of another machine", o.Session, o.Channel, o.Names[0], c.name, o.Serial)
		} else {
			c.find(Note, where, "%s has no login with the certificate for %s (serial %s); nothing came from the machine by it, so it may never have got there", c.name, o.Names[0], o.Serial)
		}
	}
}

func (c *compared) summary() {
	if c.ours == 0 {
		c.find(Wrong, c.name, "holds no login with a certificate of this broker: it is of another machine, or was emptied")
	} else {
		c.find(Note, c.name, "%d logins with our certificates, compared with their leaves", c.ours)
	}
	if c.other > 0 {
		c.find(Note, c.name, "%d logins by other ways than this broker's certificates", c.other)
	}
	if c.timeless {
		c.find(Note, c.name, "has lines without a time: when those logins were could not be compared")
	}
}
