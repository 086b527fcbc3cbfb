package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Bounds of what is searched for a moment that fits.
const (
	longestSpan = 62 * 24 * time.Hour // of a request
	lookAhead   = 8 * 24 * time.Hour  // for the next change of a calendar
)

// Decide says whether f.Person may do what q asks at now, and why (or why
// not). It is a function of its arguments and the plant alone.
//
// At AtOpen and AtAdmit, q.Asset may be empty. At AtOpen the whole window is
// then meant: every target is asked with all the window's rights, and the
// first no is the answer. At AtAdmit only those checks are asked that need no asset.
func (p *Plant) Decide(f Facts, q Query, now time.Time) Decision {
	w := walks.Get().(*walk)
	w.facts, w.p, w.q, w.now = f, p, q, now
	w.f = &w.facts
	d := w.decide()
	*w = walk{} // nothing of one decision is there for the next
	walks.Put(w)
	return d
}

// walks are used again: a decision at a door costs no memory.
var walks = sync.Pool{New: func() any { return new(walk) }}

// walk is one decision on its way through the checks. Explain walks the same
// way, with a trace.
type walk struct {
	p   *Plant
	f   *Facts
	q   Query
	now time.Time
	d   Decision

	facts Facts // what f points to, in Decide

	asset    *Asset
	zone     *Zone
	port     *Port
	way      Account // the account, or the port as if it were one
	protocol string  // what conduits must carry

	trace *[]Step // nil: nobody wants to know
}

// Step is one check and its outcome in words.
type Step struct {
	Check string
	OK    bool
	Rule  string // what refused; empty if OK
	Text  string
}

// no is a refusal in the making; nil means yes.
type no = *Refusal

// check is one question. Asset says that it makes sense only with an asset;
// last that nothing after it does if the answer is no.
type check struct {
	name  string
	at    stages
	asset bool
	last  bool
	ask   func(*walk) no
}

type stages uint8

func at(all ...Stage) stages {
	var s stages
	for _, one := range all {
		s |= 1 << one
	}
	return s
}

var (
	always  = at(AtAsk, AtOpen, AtAdmit, AtChannel, AtOperation)
	session = at(AtAdmit, AtChannel, AtOperation)
	channel = at(AtChannel, AtOperation)
)

// checks are asked in this order; the first no is the decision. Whatever does
// not depend on the moment comes first: it is what a person can mend.
var checks = []check{
	{"person", always, false, false, (*walk).person},
	{"asset", always, true, true, (*walk).findAsset},
	{"block", always, false, false, (*walk).block},
	{"zone", always, true, false, (*walk).zoneLets},
	{"jack", always, true, false, (*walk).jack},
	{"way in", always, true, true, (*walk).findWay},
	{"source", session, false, false, (*walk).source},
	{"window", at(AtOpen, AtAdmit, AtChannel, AtOperation), false, false, (*walk).window},
	{"rights", always, true, true, (*walk).rights},
	{"machine", always, false, false, (*walk).machine},
	{"conduit", always, true, false, (*walk).conduit},
	{"account", always, true, false, (*walk).account},
	{"rule", always, true, true, (*walk).rule},
	{"training", always, false, false, (*walk).training},
	{"length", always, true, false, (*walk).length},
	{"calendar", always, true, false, (*walk).calendar},
	{"backup", at(AtAsk, AtOpen), true, false, (*walk).backup},
	{"unusual", at(AtAsk), true, false, (*walk).unusual},
	{"gate", at(AtOpen, AtChannel, AtOperation), true, false, (*walk).gate},
	{"escort", channel, true, false, (*walk).escort},
	{"one writer", channel, true, false, (*walk).oneWriter},
	{"host key", channel, true, false, (*walk).hostKey},
	{"changed key", at(AtChannel), true, false, (*walk).changedKey},
}

func (w *walk) decide() Decision {
	w.d.Window, w.d.Rev = w.f.Window.ID, w.f.Window.Rev
	if w.q.Stage < AtAsk || w.q.Stage > AtOperation {
		r := refusal("default-deny", "refused; tell the plant's OT security", "no stage %d", w.q.Stage)
		w.note("stage", r)
		return *w.refused(r)
	}
	if w.q.Rights != 0 {
		w.q.Rights |= Look
	}
	if w.q.Asset == "" && w.q.Stage == AtOpen {
		return w.wholeWindow()
	}
	w.untilKnown()
	var first *Decision // the first no; Explain goes on to hear the others
	for i := range checks {
		c := &checks[i]
		if c.at&at(w.q.Stage) == 0 || c.asset && w.q.Asset == "" && w.q.Stage == AtAdmit {
			continue
		}
		r := c.ask(w)
		if r == nil {
			continue
		}
		if first == nil {
			first = w.refused(r)
		}
		w.note(c.name, r)
		if w.trace == nil || c.last {
			return *first
		}
	}
	if first != nil {
		return *first
	}
	w.allow()
	return w.d
}

// untilKnown begins Decision.Until with what ends anyway.
func (w *walk) untilKnown() {
	w.d.Until = w.f.Person.Until
	if !w.f.Person.Plant {
		if w.f.Person.Terms && !w.f.Person.Machine {
			w.until(w.f.Person.Accepted)
		}
		w.until(w.f.Person.Confirm)
	}
	if w.q.Stage == AtAsk {
		w.until(w.q.Until)
		return
	}
	w.until(w.f.Window.Until)
}

// until moves Decision.Until forward to t, if t is a time and earlier.
func (w *walk) until(t time.Time) {
	if !t.IsZero() && (w.d.Until.IsZero() || t.Before(w.d.Until)) {
		w.d.Until = t
	}
}

func (w *walk) refused(r *Refusal) *Decision {
	return &Decision{Rule: r.Rule, Say: r.Say, Why: r.Why, Window: w.f.Window.ID, Rev: w.f.Window.Rev}
}

func (w *walk) note(name string, r *Refusal) {
	if w.trace != nil {
		*w.trace = append(*w.trace, Step{name, false, r.Rule, r.Why})
	}
}

// yes notes an outcome for Explain; nothing is formatted for nobody.
func (w *walk) yes(name, format string, args ...any) no {
	*w.trace = append(*w.trace, Step{name, true, "", fmt.Sprintf(format, args...)})
	return nil
}

func refusal(rule, say, why string, args ...any) no {
	return &Refusal{Rule: rule, Say: say, Why: fmt.Sprintf(why, args...)}
}

// allow fills in what an allowed channel may count on and must do.
func (w *walk) allow() {
	w.d.Allow = true
	if w.asset == nil {
		w.d.Rule, w.d.Why = "window", "the window lets this person in"
		return
	}
	if w.onSite() {
		w.d.Why = "every check says yes, for work at the machine itself"
		return
	}
	w.d.Target = netip.AddrPortFrom(w.asset.Address, w.port.Number)
	w.d.Why = "every check says yes"
	duties := &w.d.Duties
	duties.StrictBoth = w.port.StrictBoth || w.protocol != string(w.port.Name)
	if w.way.Enforced == ByPenstock {
		duties.Inspect = string(w.port.Name)
		duties.Only = w.f.Window.only(w.asset.Name, w.port.Name)
	}
	if w.probe() {
		duties.Probe, duties.InputOff, duties.Inspect = true, true, ""
	}
	duties.Hashes = w.way.Hashes
	duties.Files = w.port.fileRules(w.way.Name)
	duties.HostKeys = w.goodKeys(w.asset, w.port.HostKeys)
	duties.Old, duties.Via = w.port.Old.Algorithms, w.goodHop()
	duties.Login = w.way.LoginWay()
	duties.Agent = w.p.agentOf(w.asset)
}

// agentOf is the zone whose agent dials an asset, or the host on the way to it;
// empty where the broker does.
func (p *Plant) agentOf(a *Asset) ZoneName {
	if host := p.assets[a.Via.Asset]; host != nil {
		a = host
	}
	if z := p.zones[a.Zone]; z != nil && z.ByAgent {
		return z.Name
	}
	return ""
}

// AgentOf is agentOf by name, for errands of the broker's own.
func (p *Plant) AgentOf(name AssetName) ZoneName {
	if a := p.assets[name]; a != nil {
		return p.agentOf(a)
	}
	return ""
}

// Principal is the one name an out certificate carries: account@asset.site.
func (p *Plant) Principal(a AssetName, n AccountName) string {
	return string(n) + "@" + p.Host(a)
}

// wholeWindow asks for every target of the window; all must be allowed.
func (w *walk) wholeWindow() Decision {
	if len(w.f.Window.Targets) == 0 {
		r := refusal("empty-window", "this window names no asset; ask for a new one", "window %s has no target", w.f.Window.ID)
		w.note("window", r)
		return *w.refused(r)
	}
	var whole Decision
	for i, t := range w.f.Window.Targets {
		one := walk{p: w.p, f: w.f, q: w.q, now: w.now, trace: w.trace}
		one.q.Asset, one.q.Port, one.q.Account, one.q.Rights = t.Asset, t.Port, t.Account, w.f.Window.Rights
		if t.Asset == "" {
			one.q.Asset = "-" // nothing is called so: an empty one would ask for the whole window again
		}
		d := one.decide()
		if !d.Allow {
			return d
		}
		if i == 0 {
			whole = d
			whole.Path, whole.Target, whole.Duties = nil, netip.AddrPort{}, Duties{Escort: d.Duties.Escort}
		}
		whole.Duties.Escort = whole.Duties.Escort || d.Duties.Escort
		if !d.Until.IsZero() && (whole.Until.IsZero() || d.Until.Before(whole.Until)) {
			whole.Until = d.Until
		}
	}
	return whole
}

// local is a moment for a person: the plant's clock with its zone.
func (w *walk) local(t time.Time) string {
	return t.In(w.p.location).Format("Mon 2006-01-02 15:04 MST")
}

func list[T ~string](words []T) string {
	all := make([]string, len(words))
	for i, word := range words {
		all[i] = string(word)
	}
	return strings.Join(all, ", ")
}
