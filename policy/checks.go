package policy

import (
	"fmt"
	"slices"
	"time"

	"penstock/policy/source"
)

func (w *walk) person() no {
	p := &w.f.Person
	switch {
	case p.ID == "" || p.Firm == "":
		return refusal("unknown-person", "nobody is named here; sign in again", "person %q of firm %q", p.ID, p.Firm)
	case p.Disabled:
		return refusal("person-disabled", "your access is switched off; call your contact at the plant", "%s is disabled", p.ID)
	case !p.Until.IsZero() && !w.now.Before(p.Until):
		return refusal("firm-ended", "your firm's contract here has ended; call your contact at the plant", "firm %s ended %s", p.Firm, w.local(p.Until))
	case w.q.Stage == AtAsk && !p.Until.IsZero() && !w.q.From.IsZero() && !w.q.From.Before(p.Until):
		return refusal("firm-ended", "your firm's contract ends before that; ask for an earlier time", "firm %s ends %s, asked from %s", p.Firm, w.local(p.Until), w.local(w.q.From))
	}
	if r := w.standing(p); r != nil {
		return r
	}
	if w.q.Key != "" && !slices.Contains(p.Keys, w.q.Key) {
		return refusal("key-gone", "your key was replaced or taken away; bring the new one, or call your contact at the plant", "key %s of %s does not count any more", w.q.Key, p.ID)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("person", "%s of %s", p.ID, p.Firm)
}

func (w *walk) findAsset() no {
	a, ok := w.p.assets[w.q.Asset]
	if !ok {
		if i := slices.IndexFunc(w.p.Unplaced, func(u Unplaced) bool { return u.Name == w.q.Asset }); i >= 0 {
			return refusal("no-zone", fmt.Sprintf("the plant has not placed %s yet, so nobody reaches it; ask OT security to say its %s", w.q.Asset, w.p.Unplaced[i].Lacks), "asset %s was imported and lacks: %s", w.q.Asset, w.p.Unplaced[i].Lacks)
		}
		say := fmt.Sprintf("there is no asset %q here", w.q.Asset)
		if near := source.Nearest(string(w.q.Asset), w.assetNames()); near != "" && ValidID(string(w.q.Asset)) {
			say += "; is " + near + " meant?"
		}
		return refusal("unknown-asset", say, "asset %q is not in the plant file", w.q.Asset)
	}
	w.asset, w.zone = a, w.p.zones[a.Zone]
	if w.trace == nil {
		return nil
	}
	return w.yes("asset", "%s (%s), %s, in zone %s", a.Name, a.Tag, a.Title, a.Zone)
}

func (w *walk) assetNames() []string {
	names := make([]string, len(w.p.Assets))
	for i := range w.p.Assets {
		names[i] = string(w.p.Assets[i].Name)
	}
	return names
}

func (w *walk) block() no {
	for i := range w.f.Blocks {
		if b := &w.f.Blocks[i]; w.holds(b) && w.names(b) {
			until := "until somebody lifts it"
			if !b.Until.IsZero() {
				until = "until " + w.local(b.Until)
			}
			say := "blocked " + until + "; call your contact at the plant"
			switch {
			case b.All:
				say = "the plant lets nobody in " + until
			case b.Island:
				say = "zone " + string(b.Zone) + " of the plant lets nobody in " + until
			}
			return refusal("blocked", say, "block %s by %s %s: %s", b.ID, b.By, until, b.Why)
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("block", "none of %d blocks is for this", len(w.f.Blocks))
}

// holds says whether the block is in force now; for a request, whether it
// leaves no time in the span.
func (w *walk) holds(b *Block) bool {
	if b.Until.IsZero() {
		return true
	}
	last := w.now
	if w.q.Stage == AtAsk && !w.q.Until.IsZero() {
		last = later(w.now, w.q.Until.Add(-time.Duration(w.q.Minutes)*time.Minute))
	}
	return last.Before(b.Until)
}

func (w *walk) names(b *Block) bool {
	return b.All && (len(b.Free) == 0 || w.asset != nil && !slices.Contains(b.Free, w.asset.Zone)) ||
		b.Person != "" && b.Person == w.f.Person.ID ||
		b.Firm != "" && b.Firm == w.f.Person.Firm ||
		b.Asset != "" && b.Asset == w.q.Asset ||
		b.Asset != "" && w.asset != nil && b.Asset == w.asset.Via.Asset ||
		b.Zone != "" && w.asset != nil && (b.Zone == w.asset.Zone || b.Zone == w.hostZone())
}

// hostZone is the zone of the host that is gone through; empty: none is.
func (w *walk) hostZone() ZoneName {
	if host := w.p.assets[w.asset.Via.Asset]; host != nil {
		return host.Zone
	}
	return ""
}

func (w *walk) zoneLets() no {
	if !w.f.Person.Plant {
		switch {
		case w.zone.VendorsNever:
			return refusal("zone-never", fmt.Sprintf("zone %s is never open to vendors; the plant's own people do this work", w.zone.Name), "zone %s says vendors: never", w.zone.Name)
		case w.asset.Safety != "":
			return refusal("safety-never", fmt.Sprintf("%s is a safety asset; no vendor reaches it", w.asset.Name), "asset %s has safety: %s", w.asset.Name, w.asset.Safety)
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("zone", "%s lets such a person in, where the rest agrees", w.zone.Name)
}

// findWay looks the port and the account up. sftp is the ssh port with its
// accounts, for which conduits must carry sftp; the ssh port's only subsystem
// is sftp.
func (w *walk) findWay() no {
	if w.onSite() {
		return w.atMachine()
	}
	name := w.q.Port
	w.protocol = string(name)
	if name == "sftp" {
		name = "ssh"
	} else if name == "ssh" && w.q.Kind == "subsystem" {
		w.protocol = "sftp"
	}
	for i := range w.asset.Ports {
		if w.asset.Ports[i].Name == name {
			w.port = &w.asset.Ports[i]
		}
	}
	if w.port == nil {
		return refusal("unknown-port", fmt.Sprintf("%s has no port %q; it has: %s", w.asset.Name, w.q.Port, orNone(portNames(w.asset))), "asset %s has no port %q", w.asset.Name, w.q.Port)
	}
	w.way = Account{Worst: w.port.Worst, Enforced: w.port.Enforced}
	if !w.port.Login() {
		if w.q.Account != "" {
			return refusal("unknown-account", fmt.Sprintf("%s of %s has no accounts; leave the account out", w.port.Name, w.asset.Name), "port %s has no accounts", w.port.Name)
		}
	} else {
		a, ok := w.port.Account(w.q.Account)
		if !ok {
			return refusal("unknown-account", fmt.Sprintf("%s has no account %q by %s; it has: %s", w.asset.Name, w.q.Account, w.port.Name, accountNames(w.port)), "no account %q at %s of %s", w.q.Account, w.port.Name, w.asset.Name)
		}
		w.way = a
	}
	if w.trace == nil {
		return nil
	}
	files := ""
	if w.way.Files.Is() {
		files = "; files " + w.way.Files.words()
	}
	return w.yes("way in", "by %s as %s; at its worst it can %s; the rest is stopped by %s%s", w.protocol, orNone(string(w.way.Name)), w.way.Worst, w.way.Enforced, files)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func portNames(a *Asset) string {
	var all []PortName
	for _, p := range a.Ports {
		all = append(all, p.Name)
	}
	return list(all)
}

func accountNames(p *Port) string {
	var all []AccountName
	for _, a := range p.Accounts {
		all = append(all, a.Name)
	}
	return list(all)
}

// source holds vendors to their firm's networks.
func (w *walk) source() no {
	if !w.f.Person.Plant {
		if !inside(w.f.Person.Networks, w.q.Source) && !w.f.Window.byNight(w.q.Source) {
			return refusal("source-network", "your address is not in your firm's networks; connect from there, or have the plant add this one", "source %s is in none of %v of firm %s", w.q.Source, w.f.Person.Networks, w.f.Person.Firm)
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("source", "%s is where this person may come from", w.q.Source)
}

func (w *walk) window() no {
	f := &w.f.Window
	if r := w.neverOnSite(); r != nil {
		return r
	}
	if r := w.windowState(f); r != nil {
		return r
	}
	if !slices.Contains(f.People, w.f.Person.ID) && w.q.Stage != AtOpen {
		return refusal("not-in-window", "you are not in this window; ask the plant to have you added", "%s is not among the people of %s", w.f.Person.ID, f.ID)
	}
	if w.q.Asset != "" && !slices.ContainsFunc(f.Targets, w.isTarget) {
		return refusal("target-not-in-window", fmt.Sprintf("this window is not for %s; ask for it", w.asked()), "%s is not among the targets of %s", w.asked(), f.ID)
	}
	if !f.Rights.Has(w.q.Rights) {
		return refusal("rights-beyond-window", fmt.Sprintf("this window allows: %s; ask for more if you need %s", f.Rights, w.q.Rights&^f.Rights), "asked %s, window %s has %s", w.q.Rights, f.ID, f.Rights)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("window", "%s names this person, this way in and these rights, until %s", f.ID, w.local(f.Until))
}

func (w *walk) windowState(f *WindowFacts) no {
	live := w.q.Stage != AtOpen
	fresh := w.q.Stage != AtOperation
	switch {
	case f.ID == "":
		return refusal("no-window", "you have no window here; ask for one", "no window is named")
	case !f.Agreed:
		return refusal("window-not-agreed", "this window is not agreed; wait for the plant's answers", "the answers in the log do not suffice for %s", f.ID)
	case f.Over != "":
		return windowOver(f)
	case live && f.Until.IsZero() || !f.Until.IsZero() && !w.now.Before(f.Until):
		return refusal("window-ended", fmt.Sprintf("your window %s has ended; ask for a new one", f.ID), "window %s ended %s", f.ID, w.local(f.Until))
	case live && (f.From.IsZero() || w.now.Before(f.From)) || !live && w.now.Before(f.From):
		return refusal("window-not-open", fmt.Sprintf("your window %s is not open yet; wait for the shift", f.ID), "window %s begins %s", f.ID, w.local(f.From))
	case live && f.Paused:
		return refusal("window-paused", fmt.Sprintf("the plant has paused your window %s; wait", f.ID), "window %s is paused", f.ID)
	case live && !f.Live:
		return refusal("window-not-open", fmt.Sprintf("your window %s is not open; wait for the shift to open it", f.ID), "window %s is not live", f.ID)
	case live && fresh && f.Ending:
		return refusal("window-ending", fmt.Sprintf("your window %s is ending; finish what is running, nothing new begins", f.ID), "window %s is ending", f.ID)
	}
	return nil
}

// windowOver says how a window came to its end, and what to do now.
func windowOver(f *WindowFacts) no {
	say := "your window %s has ended; ask for a new one"
	rule := "window-ended"
	switch f.Over {
	case "cut":
		say, rule = "your window %s was cut by the plant; call the control room before you ask again", "window-cut"
	case "unused":
		say, rule = "your window %s was never opened, and its time has passed; ask for a new one", "window-unused"
	}
	return refusal(rule, fmt.Sprintf(say, f.ID), "window %s is %s", f.ID, f.Over)
}

// isTarget also lets sftp through on a window for the ssh port: it is the same
// login, and the conduits decide whether files pass. A window for sftp alone
// is for nothing else.
func (w *walk) isTarget(t Target) bool {
	same := string(t.Port) == w.protocol || w.protocol == "sftp" && t.Port == "ssh"
	return same && t.Asset == w.q.Asset && t.Account == w.q.Account
}

func (w *walk) asked() string {
	s := fmt.Sprintf("%s by %s", w.q.Asset, w.q.Port)
	if w.q.Account != "" {
		s += " as " + string(w.q.Account)
	}
	return s
}

func (w *walk) rights() no {
	if w.q.Rights&everything != w.q.Rights || w.q.Rights == 0 {
		return refusal("no-rights", "say what you need to do: look, copy, set, operate, load or device", "rights %d", w.q.Rights)
	}
	return nil
}

func (w *walk) conduit() no {
	if w.onSite() {
		return nil
	}
	rights := w.effect()
	w.d.Path = w.p.path(w.asset.Zone, w.protocol, rights)
	if w.d.Path == nil {
		miss := w.p.miss(w.asset.Zone, w.protocol, rights)
		return refusal("no-conduit", fmt.Sprintf("no way leads to %s by %s with these rights: %s", w.asset.Name, w.protocol, miss), "%s by %s with %s: %s", w.asset.Name, w.protocol, rights, miss)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("conduit", "path %s carries %s with %s", list(w.d.Path), w.protocol, rights)
}

// account holds the worst that the way in can do to what was asked and to
// what the window allows.
func (w *walk) account() no {
	if w.onSite() {
		return nil
	}
	if !w.way.Worst.Has(w.q.Rights) && w.way.Enforced != ByPenstock {
		return refusal("account-cannot", fmt.Sprintf("%s cannot %s%s", w.wayName(), w.q.Rights&^w.way.Worst, w.fitting(w.q.Rights)), "%s can %s, asked %s", w.wayName(), w.way.Worst, w.q.Rights)
	}
	allowed := w.q.Rights
	if w.q.Stage != AtAsk {
		allowed = w.f.Window.Rights
	}
	if w.q.Stage == AtOpen && w.emergency() {
		allowed |= w.f.Window.Most // such an account waits for the second tap; each channel asks again
	}
	if more := w.way.Worst &^ allowed; more != 0 && w.way.Enforced != ByPenstock {
		if w.q.Stage == AtOperation && allowed == Look {
			w.d.Duties.InputOff = true // narrowed to look while it ran: the picture goes on, the hands are off
		} else {
			return refusal("account-can-more", fmt.Sprintf("%s can do more than you ask for (%s)%s", w.wayName(), more, w.fitting(allowed)), "%s can %s, allowed is %s, nobody stops the rest", w.wayName(), w.way.Worst, allowed)
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("account", "%s can do no more than is allowed, or is stopped", w.wayName())
}

func (w *walk) wayName() string {
	if w.way.Name != "" {
		return "account " + string(w.way.Name)
	}
	return string(w.port.Name) + " of " + string(w.asset.Name)
}

// fitting names a way into the asset that covers the rights asked and can do
// no more than what is allowed.
func (w *walk) fitting(allowed Rights) string {
	ports := []*Port{w.port} // another account of the same port is the nearest
	for i := range w.asset.Ports {
		if other := &w.asset.Ports[i]; other != w.port {
			ports = append(ports, other)
		}
	}
	for _, port := range ports {
		ways := port.Accounts
		if !port.Login() {
			ways = []Account{{Worst: port.Worst, Enforced: port.Enforced}}
		}
		for _, a := range ways {
			if !a.Worst.Has(w.q.Rights) || a.Worst&^allowed != 0 && a.Enforced != ByPenstock || w.p.path(w.asset.Zone, string(port.Name), w.q.Rights) == nil {
				continue
			}
			if a.Name != "" {
				return "; use " + string(a.Name)
			}
			return "; use " + string(port.Name)
		}
	}
	return "; no way into " + string(w.asset.Name) + " fits exactly: ask for what this one can do, or have the plant set up an account"
}

// rule looks for the rules that match: every right needs one that can allow.
func (w *walk) rule() no {
	rights := w.effect()
	if left := w.p.uncovered(w.asset, PortName(w.protocol), rights); left != 0 {
		return noRule(w.asset, left)
	}
	var strictest *Rule
	w.d.Duties.Escort = w.f.Window.Escort && w.q.Stage != AtAsk
	for _, r := range w.asset.rules {
		if !r.matches(w.asset, PortName(w.protocol), rights) {
			continue
		}
		w.d.Duties.Escort = w.d.Duties.Escort || r.Escort
		if r.Open != "" && (strictest == nil || stricter(r, strictest)) {
			strictest = r
		}
	}
	w.d.Rule = strictest.Name
	if w.trace == nil {
		return nil
	}
	return w.yes("rule", "the strictest that matches is %s", strictest.Name)
}

// effect is what the channel can really do, and so what the rules are asked
// for: where nobody stops the account, a question for look alone does not make
// it harmless. Opening a window is opening all of it.
func (w *walk) effect() Rights {
	switch {
	case w.q.Stage == AtOpen:
		return w.q.Rights | w.f.Window.Rights
	case w.way.Enforced == ByPenstock:
		return w.q.Rights
	}
	return w.q.Rights | w.way.Worst&w.agreedRights()
}

// longest is the shortest longest of the rules for these rights.
func (w *walk) longest() (time.Duration, string) {
	var least time.Duration
	name := ""
	for _, r := range w.asset.rules {
		if r.Longest > 0 && (least == 0 || r.Longest < least) && r.matches(w.asset, PortName(w.protocol), w.agreedRights()) {
			least, name = r.Longest, r.Name
		}
	}
	if e := &w.p.Emergency; w.emergency() && (least == 0 || e.Longest < least) {
		least, name = e.Longest, "emergency"
	}
	return least, name
}

// emergency: so was asked, and the plant file in force still has it.
func (w *walk) emergency() bool {
	if w.q.Stage == AtAsk {
		return w.q.Emergency && w.p.Emergency.There()
	}
	return w.f.Window.Emergency && w.p.Emergency.There()
}

// agreedRights are what the window as a whole is for; at the ask, what is asked.
func (w *walk) agreedRights() Rights {
	if w.q.Stage == AtAsk {
		return w.q.Rights
	}
	return w.f.Window.Rights
}

// length holds a request to the rules' longest, and a window that has run as
// long as the rules now in force allow to its end.
func (w *walk) length() no {
	if w.frame() != "" {
		return w.confirmed()
	}
	longest, rule := w.longest()
	if w.q.Stage == AtAsk {
		if r := w.spanAsked(longest, rule); r != nil {
			return r
		}
	} else if from := w.f.Window.From; w.q.Stage != AtOpen {
		end := from.Add(longest)
		if !w.now.Before(end) {
			return refusal("too-long", fmt.Sprintf("this has run for the %s that rule %s allows; ask for a new window", source.Words(longest), rule), "opened %s, longest %s by rule %s", w.local(from), longest, rule)
		}
		w.until(end)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("length", "at most %s, by rule %s", source.Words(longest), rule)
}

func (w *walk) spanAsked(longest time.Duration, rule string) no {
	q := &w.q
	length := time.Duration(q.Minutes) * time.Minute
	switch {
	case q.Minutes < 1 || q.From.IsZero() || q.Until.IsZero():
		return refusal("span-empty", "say for how many minutes, and from when until when", "%d minutes from %s to %s", q.Minutes, w.local(q.From), w.local(q.Until))
	case length > longest:
		return refusal("too-long", fmt.Sprintf("%s is longer than the %s that rule %s allows; ask for less", source.Words(length), source.Words(longest), rule), "asked %s, longest %s by rule %s", length, longest, rule)
	case q.Until.Sub(q.From) > longestSpan:
		return refusal("span-too-long", fmt.Sprintf("say within at most %d days", int(longestSpan.Hours()/24)), "from %s to %s", w.local(q.From), w.local(q.Until))
	case q.Until.Sub(later(q.From, w.now)) < length:
		return refusal("span-too-short", "the minutes do not fit between the start and the end any more; move the end", "%s does not fit between %s and %s", length, w.local(later(q.From, w.now)), w.local(q.Until))
	}
	return nil
}

// calendar asks whether work may be done now; at the ask, whether there is a
// moment for it within the span.
func (w *walk) calendar() no {
	if w.emergency() {
		if w.trace == nil {
			return nil
		}
		return w.yes("calendar", "waived by the emergency")
	}
	if w.q.Stage == AtAsk {
		if w.frame() != "" { // it stands for months; whenever it connects it is asked
			return nil
		}
		return w.calendarAsked()
	}
	rights := w.effect()
	for _, r := range w.asset.rules {
		if len(r.During)+len(r.NotDuring) == 0 || !r.matches(w.asset, PortName(w.protocol), rights) {
			continue
		}
		if no := w.calendarNow(r, rights); no != nil {
			return no
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("calendar", "open now")
}

func (w *walk) calendarNow(r *Rule, rights Rights) no {
	var room [32]span // enough for a week of nights: nothing is allocated at a door
	horizon := w.now.Add(lookAhead)
	if u := w.d.Until; !u.IsZero() && u.Before(horizon) {
		horizon = later(u, w.now.Add(time.Minute))
	}
	for _, name := range r.During {
		c := w.p.calendars[name]
		times := c.times(room[:], w.p.location, rights, w.now, horizon)
		if len(times) == 0 || times[0].from.After(w.now) {
			return refusal("calendar:"+name, fmt.Sprintf("this work waits for %s: %s%s", name, c, w.next(c, rights)), "rule %s wants it during %s; now is %s", r.Name, name, w.local(w.now))
		}
		w.until(times[0].to)
	}
	for _, name := range r.NotDuring {
		c := w.p.calendars[name]
		times := c.times(room[:], w.p.location, rights, w.now, horizon)
		if len(times) == 0 {
			continue
		}
		if !times[0].from.After(w.now) {
			return refusal("freeze:"+name, fmt.Sprintf("no work until %s (%s)", w.local(times[0].to), name), "rule %s forbids it during %s; now is %s", r.Name, name, w.local(w.now))
		}
		w.until(times[0].from)
	}
	return nil
}

// next says when the calendar's next time begins, if it is near.
func (w *walk) next(c *Calendar, rights Rights) string {
	times := c.times(nil, w.p.location, rights, w.now, w.now.Add(longestSpan))
	if len(times) == 0 {
		return ""
	}
	return "; next " + w.local(times[0].from)
}

func (w *walk) calendarAsked() no {
	from, to := later(w.q.From, w.now), w.q.Until
	if to.Sub(from) > longestSpan || !from.Before(to) {
		return nil // the length check has refused this
	}
	length := time.Duration(w.q.Minutes) * time.Minute
	fits, ok := w.firstFit(from, to, length)
	if u := w.f.Person.Until; ok && !u.IsZero() && u.Before(to) {
		if fits, ok = w.firstFit(from, u, length); !ok {
			return refusal("firm-ended", "your firm's contract ends before there is time for this; ask for less, or for an earlier time", "firm %s ends %s; no %s before that", w.f.Person.Firm, w.local(u), length)
		}
	}
	if ok {
		if w.trace == nil {
			return nil
		}
		return w.yes("calendar", "fits from %s to %s", w.local(fits.from), w.local(fits.to))
	}
	rule, why := w.shutBy(from, to, length)
	say := fmt.Sprintf("in that time the calendar leaves no %s for this work (%s)", source.Words(length), why)
	if next, ok := w.firstFit(from, from.Add(longestSpan), length); ok {
		say += "; the next is " + w.local(next.from)
	}
	return refusal(rule, say, "no %s between %s and %s: %s", length, w.local(from), w.local(to), why)
}

// firstFit is the first stretch of that length at which the calendars let the
// work be done.
func (w *walk) firstFit(from, to time.Time, length time.Duration) (span, bool) {
	for _, s := range w.p.opening(w.asset, PortName(w.protocol), w.q.Rights, from, to) {
		if s.to.Sub(s.from) >= length {
			return s, true
		}
	}
	return span{}, false
}

// shutBy names the calendar to blame: the first that alone leaves no time, or
// all together.
func (w *walk) shutBy(from, to time.Time, length time.Duration) (rule, why string) {
	fits := func(open []span) bool {
		return slices.ContainsFunc(open, func(s span) bool { return s.to.Sub(s.from) >= length })
	}
	all := []span{{from, to}}
	for _, r := range w.asset.rules {
		if !r.matches(w.asset, PortName(w.protocol), w.q.Rights) {
			continue
		}
		for _, name := range r.During {
			c := w.p.calendars[name]
			if !fits(both(all, c.times(nil, w.p.location, w.q.Rights, from, to))) {
				return "calendar:" + name, name + ": " + c.String()
			}
		}
		for _, name := range r.NotDuring {
			c := w.p.calendars[name]
			if !fits(without(all, c.times(nil, w.p.location, w.q.Rights, from, to))) {
				return "freeze:" + name, name + ": " + c.String()
			}
		}
	}
	return "calendar", "the calendars together"
}

func (w *walk) gate() no {
	rights := w.effect()
	asked := 0
	for _, r := range w.asset.rules {
		if len(r.Gates) == 0 || !r.matches(w.asset, PortName(w.protocol), rights) {
			continue
		}
		for _, name := range r.Gates {
			if asked++; !w.f.Live.Gates[name] && !w.held() {
				return refusal("gate:"+name, fmt.Sprintf("waits for: %s", w.p.gates[name].Title), "rule %s asks gate %s, and it does not say yes", r.Name, name)
			}
		}
	}
	for _, name := range w.f.Window.Gates {
		if asked++; !w.f.Live.Gates[name] && !w.held() {
			title := name
			if g := w.p.gates[name]; g != nil {
				title = g.Title
			}
			return refusal("gate:"+name, fmt.Sprintf("waits for: %s", title), "what was agreed asks gate %s, and it does not say yes", name)
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("gate", "%d asked, all say yes", asked)
}

// held: what is open stays while its input waits.
func (w *walk) held() bool { return w.f.Live.Held && w.q.Stage == AtOperation }

func (w *walk) escort() no {
	if w.d.Duties.Escort && !w.f.Live.Escort && !w.held() {
		return refusal("escort", "somebody of the plant must watch this work; wait until the escort is there", "no escort is watching")
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("escort", "asked: %t, there: %t", w.d.Duties.Escort, w.f.Live.Escort)
}

// oneWriter keeps two sessions from changing one machine at a time.
func (w *walk) oneWriter() no {
	writer := w.f.Live.Writers[w.asset.Name]
	if w.asset.OneWriter && w.effect()&^(Look|Copy) != 0 && writer != "" && writer != w.q.Session {
		return refusal("one-writer", fmt.Sprintf("somebody else is changing %s now; wait, or ask for look only", w.asset.Name), "session %s writes to %s", writer, w.asset.Name)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("one writer", "nobody else writes, or many may")
}

func (w *walk) hostKey() no {
	if w.port.Name == "ssh" && len(w.port.HostKeys) == 0 {
		return refusal("host-key-not-pinned", fmt.Sprintf("the plant has not pinned the host key of %s yet; ask OT security to add it", w.asset.Name), "port ssh of %s has no host_keys in the plant file", w.asset.Name)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("host key", "%d pinned", len(w.port.HostKeys))
}
