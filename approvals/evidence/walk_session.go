package evidence

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"penstock/audit"
	"penstock/policy"
)

const (
	vendorLife = time.Hour       // of a certificate, at most, after its leaf
	targetLife = 5 * time.Minute // of a certificate to a target
	loginTime  = 2 * time.Minute // from the certificate's proof to session.started
	maxChannel = 1 << 20         // channels of one session that Walk follows
	closeTime  = 2 * time.Minute // from a window's last leaf to channel.closed: a slow disk, and each file that broke off is told
)

// session is one that has started; it is forgotten when it has ended.
type session struct {
	person   string
	windows  []string
	began    time.Time
	source   netip.Addr // zero: the leaf's text has none
	started  audit.Index
	channels map[int]*channel
}

type channel struct {
	opened audit.ChannelOpened
	late   string // why no byte may have passed in it; empty: it fits
	closed bool

	inspected bool         // the plant file in force lets it through an inspector only
	summed    bool         // operations.summary is there
	sheets    []audit.Hash // plant files that were in force, where registers alone were agreed; nil: not so

	takes []*heldFile // files that waited here and were let out in it
}

func (w *Walk) judgeSession() {
	switch b := w.leaf.Body.(type) {
	case audit.CertIssued:
		w.issued(b)
	case audit.SessionStarted:
		w.sessionStarted(b)
	case audit.SessionEnded:
		w.sessionEnded(b)
	case audit.ChannelOpened:
		w.channelOpened(b)
	case audit.FileTransferred:
		w.fileTransferred(b)
	case audit.OperationsSummary:
		w.operations(b)
	case audit.ChannelClosed:
		w.channelClosed(b)
	case audit.FirstByte:
		if s := w.session(b.Session); s != nil {
			w.must(slices.Contains(s.windows, b.Window), "session %s does not name window %s", b.Session, short(b.Window))
		}
	}
}

// sessionEnded: at its start the broker also ends what a crash left between the
// recording's folder and session.started.
func (w *Walk) sessionEnded(b audit.SessionEnded) {
	if w.sessions[b.Session] == nil && b.Cause == "crash" {
		w.noteHere("session %s had a recording and was never admitted", short(b.Session))
		return
	}
	if s := w.session(b.Session); s != nil {
		if b.Cause != "crash" { // a crash closes nothing; the recording shows what passed
			w.leftOpen(b.Session, s)
		}
		delete(w.sessions, b.Session)
	}
}

func (w *Walk) session(id string) *session {
	s := w.sessions[id]
	w.must(s != nil, "session %s is not running", short(id))
	return s
}

// open says whether a window is open now, or was until a moment ago: what was
// under way when it was taken may still reach the log. since is when it was taken.
func (w *Walk) isOpen(v *window) (is bool, why string) {
	switch {
	case v.state == "agreed" || v.state == "unused":
		return false, "was never open"
	case v.state != "open":
		return false, "was " + v.state
	case !w.leaf.Wall.Before(v.until):
		return false, "had reached its end " + clock(v.until)
	}
	return true, ""
}

// moment says whether a window was taken so recently that an event may have crossed it.
func (w *Walk) justTaken(v *window) bool {
	end := v.taken
	if end.IsZero() || v.until.Before(end) && !v.until.IsZero() {
		end = v.until
	}
	return !end.IsZero() && !w.leaf.Wall.After(end.Add(settleTime))
}

func (w *Walk) issued(b audit.CertIssued) {
	switch b.CA {
	case "in":
		w.issuedIn(b)
	case "out":
		w.issuedOut(b)
	case "host":
	default:
		w.must(false, "%q is no certificate authority of a broker", short(b.CA))
	}
}

// issuedIn: to one person, for one confirmed key, on windows that were open.
func (w *Walk) issuedIn(b audit.CertIssued) {
	_, again := w.certs[b.Serial]
	w.must(!again, "serial %s was issued before", short(b.Serial))
	w.certs[b.Serial] = b
	p := w.justKnown(b.Person)
	if !w.must(p != nil, "to %s, whom the log does not know", short(b.Person)) {
		return
	}
	k := p.key(b.Key)
	w.must(k != nil && k.kind == "ssh" && !k.pending, "for the key %s, which no earlier leaf confirms for %s", short(b.Key), b.Person)
	w.must(len(b.Names) == 1 && b.Names[0] == b.Person, "it names %q, and its person is %s", b.Names, b.Person)
	w.must(len(b.Windows) > 0, "it names no window")
	var end time.Time
	for _, id := range b.Windows {
		v := w.window(id)
		if v == nil {
			continue
		}
		w.must(w.worksIn(b.Person, v), "%s does not work in %s", b.Person, id)
		w.neverOnSite(v)
		w.certifiesMachine(b, v)
		is, why := w.isOpen(v)
		w.must(is || v.state == "paused" || w.justTaken(v), "%s %s", id, why)
		if v.until.After(end) {
			end = v.until
		}
	}
	w.must(!b.Before.After(end), "it is good until %s, after the end of its windows %s", clock(b.Before), clock(end))
	w.must(!b.Before.After(w.leaf.Wall.Add(vendorLife+settleTime)), "it is good until %s, for more than %s", clock(b.Before), vendorLife)
}

// issuedOut: one principal, for a channel that is open in a running session.
func (w *Walk) issuedOut(b audit.CertIssued) {
	w.must(!b.Before.After(w.leaf.Wall.Add(targetLife+settleTime)), "it is good until %s, for more than %s", clock(b.Before), targetLife)
	if !w.must(len(b.Names) == 1, "it names %d principals", len(b.Names)) {
		return
	}
	if b.Errand != "" {
		w.errand(b)
		return
	}
	c := w.openChannel(b.Session, b.Channel)
	if c == nil {
		return
	}
	if account, host, _ := strings.Cut(b.Names[0], "@"); c.opened.Via != "" && strings.HasPrefix(host, c.opened.Via+".") && w.forHost(c.opened, account) {
		return
	}
	want := c.opened.Account + "@" + c.opened.Asset + "."
	w.must(strings.HasPrefix(b.Names[0], want), "it names %q, and the channel is to %s", short(b.Names[0]), want)
}

// forHost says whether an account is the one for jumps on the host that a channel
// goes through.
func (w *Walk) forHost(b audit.ChannelOpened, account string) bool {
	return slices.ContainsFunc(w.now(), func(plant *policy.Plant) bool {
		if plant == nil {
			return true // a finding already
		}
		a, _ := plant.Asset(policy.AssetName(b.Asset))
		return string(a.Via.Asset) == b.Via && string(a.Via.Account) == account
	})
}

func (w *Walk) sessionStarted(b audit.SessionStarted) {
	_, again := w.sessions[b.Session]
	w.must(!again, "%s is running already", short(b.Session))
	s := &session{person: b.Person, windows: b.Windows, began: w.leaf.Wall, started: w.leaf.Index, channels: map[int]*channel{}}
	s.source = sourceOf(b.Source)
	w.sessions[b.Session] = s
	mode := cmp.Or(w.sealing, "readable")
	w.must(b.Mode == mode, "its recording is %q, and recordings were to be %s", short(b.Mode), mode)
	p := w.justKnown(b.Person)
	w.must(p != nil && p.firm == b.Firm, "%s is not known as a person of %s", short(b.Person), short(b.Firm))
	if w.delivers(b) {
		return
	}
	c, ok := w.certs[b.Serial]
	if !w.must(ok, "no certificate with the serial %s was issued", short(b.Serial)) {
		return
	}
	w.must(c.Person == b.Person, "its certificate %s is %s's", short(b.Serial), c.Person)
	w.must(w.leaf.Wall.Before(c.Before.Add(loginTime)) && !w.leaf.Wall.Before(c.After), "its certificate was good from %s to %s", clock(c.After), clock(c.Before))
	w.must(len(b.Windows) > 0, "it names no window")
	for _, id := range b.Windows {
		w.must(slices.Contains(c.Windows, id), "its certificate does not name %s", short(id))
		if v := w.window(id); v != nil {
			w.must(w.worksIn(b.Person, v), "%s does not work in %s", b.Person, id)
			w.machineCame(s, b.Firm, v)
		}
	}
}

// sourceOf reads "192.0.2.1" and "192.0.2.1:4000".
func sourceOf(s string) netip.Addr {
	if at, err := netip.ParseAddrPort(s); err == nil {
		return at.Addr()
	}
	at, _ := netip.ParseAddr(s)
	return at
}

// recompute asks the plant file in force what the broker asked: path, target,
// rights, account, calendars, gates, escort and the rules' longest, at the leaf's time. What
// the log does not have is taken as the broker had it: who else writes; in a part
// of the log, which may leave out what is said of the firm, its networks too.
func (w *Walk) recompute(s *session, v *window, b audit.ChannelOpened) {
	plants := w.now()
	p := w.people[s.person]
	var why string
	for _, plant := range plants {
		if plant == nil || p == nil {
			return // a finding already
		}
		// the decision came up to a moment before its leaf: a calendar may have begun or ended between
		for _, at := range []time.Time{w.leaf.Wall, w.leaf.Wall.Add(-settleTime)} {
			if why = w.decided(plant, s, v, b, at); why == "" {
				return
			}
		}
	}
	w.must(false, "by the plant file in force: %s", why)
}

// decided says how a decision by the plant differs from the leaf's; empty: it does not.
func (w *Walk) decided(plant *policy.Plant, s *session, v *window, b audit.ChannelOpened, at time.Time) string {
	rights, err := policy.ParseRights(b.Rights)
	if err != nil {
		return err.Error()
	}
	claimed, err := policy.ParseRights(w.justAllowed(v))
	if err != nil {
		return err.Error()
	}
	window, err := v.claim.Facts()
	if err != nil {
		return err.Error()
	}
	window.Agreed, window.Live, window.From, window.Until, window.Rights = true, true, v.opened, at.Add(time.Hour), claimed
	f := policy.Facts{Person: w.facts(s.person), Window: window,
		Live: policy.LiveFacts{Escort: v.escort.there(at, settleTime) || v.escort.there(at.Add(-settleTime), 0), Gates: map[string]bool{}}}
	f.HostKeys = w.hostKeys(plant, at)
	f.Person.Networks = w.networks(s)
	for _, g := range plant.Gates {
		f.Live.Gates[g.Name] = w.holds(v, g)
	}
	q := policy.Query{Stage: policy.AtChannel, Source: s.source, Asset: policy.AssetName(b.Asset), Port: policy.PortName(b.Port),
		Account: policy.AccountName(b.Account), Kind: b.Kind, Session: policy.SessionID(b.Session)}
	q.Rights = plant.Wanted(q, rights)
	d := plant.Decide(f, q, at)
	path := make([]string, len(d.Path))
	for i, z := range d.Path {
		path[i] = string(z)
	}
	switch {
	case !d.Allow:
		return "it is refused by " + d.Rule + ": " + short(d.Why)
	case d.Target.String() != b.Target:
		return "it goes to " + d.Target.String() + ", and the leaf says " + short(b.Target)
	case string(d.Duties.Via.Name()) != b.Via:
		return fmt.Sprintf("it goes through %q, and the leaf says %q", d.Duties.Via.Name(), short(b.Via))
	case string(d.Duties.Agent) != b.Agent:
		return fmt.Sprintf("it goes through the agent of %q, and the leaf says %q", d.Duties.Agent, short(b.Agent))
	case !slices.Equal(path, b.Path):
		return fmt.Sprintf("its path is %q, and the leaf says %q", path, b.Path)
	}
	return ""
}

// networks are whence the person of a session may come, by the leaves. The plant's
// own come from anywhere.
func (w *Walk) networks(s *session) []netip.Prefix {
	p := w.people[s.person]
	if f := w.firms[p.firm]; f != nil && !f.plant && !w.partial {
		return f.from(w.leaf.Wall)
	}
	if !s.source.IsValid() {
		return nil
	}
	return []netip.Prefix{netip.PrefixFrom(s.source, s.source.BitLen())}
}

// inUse says whether a channel of a running session is bound to the window.
func (w *Walk) inUse(window string) bool {
	for _, s := range w.sessions {
		for _, c := range s.channels {
			if c.opened.Window == window && !c.closed {
				return true
			}
		}
	}
	return false
}

// channelOpened: bound to a window that is open and names person, way in and
// rights. One that crossed the window's taking is let stand if no byte passed.
func (w *Walk) channelOpened(b audit.ChannelOpened) {
	s := w.session(b.Session)
	v := w.window(b.Window)
	if s == nil || v == nil {
		return
	}
	_, again := s.channels[b.Channel]
	w.must(!again, "channel %d was opened before", b.Channel)
	w.must(len(s.channels) < maxChannel, "more than %d channels", maxChannel)
	c := &channel{opened: b, inspected: w.inspects(b)}
	if w.onlyIn(b) != nil {
		c.sheets = w.filesNow()
	}
	s.channels[b.Channel] = c
	w.must(slices.Contains(s.windows, b.Window), "session %s does not name window %s", b.Session, b.Window)
	w.must(w.worksIn(s.person, v), "%s does not work in %s", s.person, b.Window)
	w.neverOnSite(v)
	t := Target{Asset: b.Asset, Port: b.Port, Account: b.Account}
	byLogin := t // files pass by the ssh port's login (policy: sftp)
	if t.Port == "sftp" {
		byLogin.Port = "ssh"
	}
	w.must(slices.Contains(v.claim.Assets, t) || slices.Contains(v.claim.Assets, byLogin), "%s does not name %s", b.Window, t)
	w.must(within(b.Rights, w.justAllowed(v)), "its rights are %q, and %s allows %q", b.Rights, b.Window, v.allowed())
	w.recompute(s, v, b)
	if is, why := w.isOpen(v); !is {
		if w.must(w.justTaken(v), "%s %s", b.Window, why) {
			c.late = b.Window + " " + why
		}
	}
	if b.Agent != "" && !w.agents[b.Agent].stood(w.leaf.Wall) {
		c.late = "it goes through the agent of " + short(b.Agent) + ", which was not confirmed, or was removed"
	}
	if id := w.blocked(s.person, b, v); id != "" {
		c.late = "block " + id + " was set"
	}
}

// blocked is the block that stands against a channel; empty if none.
func (w *Walk) blocked(who string, b audit.ChannelOpened, v *window) string {
	var zone policy.ZoneName
	if plant := w.plant(w.inForce); plant != nil {
		if a, ok := plant.Asset(policy.AssetName(b.Asset)); ok {
			zone = a.Zone
		}
	}
	firm := ""
	if p := w.people[who]; p != nil {
		firm = p.firm
	}
	for _, id := range slices.Sorted(maps.Keys(w.blocks)) {
		k := w.blocks[id]
		if k.hits(who, firm, b.Asset, zone) && (k.Until.IsZero() || w.leaf.Wall.Before(k.Until)) {
			return id
		}
	}
	return ""
}

// fileTransferred: within a channel that is open, in its window, and as its rights go.
func (w *Walk) fileTransferred(b audit.FileTransferred) {
	c := w.openChannel(b.Session, b.Channel)
	if c == nil {
		return
	}
	o, need := c.opened, "copy"
	if b.Direction == "in" {
		need = "load"
	}
	w.must(b.Window == o.Window && b.Asset == o.Asset && b.Account == o.Account, "channel %d is %s on %s in %s, and the file %s on %s in %s",
		b.Channel, o.Account, o.Asset, o.Window, short(b.Account), short(b.Asset), short(b.Window))
	w.waitsFirst(b, c)
	w.must(slices.Contains(o.Rights, need) || b.Bytes == 0, "a file went %s without the right to %s", b.Direction, need)
}

// inspects says whether the plant file in force has an inspector on the channel's port.
func (w *Walk) inspects(b audit.ChannelOpened) bool {
	plant := w.plant(w.inForce)
	if plant == nil {
		return false
	}
	asset, _ := plant.Asset(policy.AssetName(b.Asset))
	port, there := asset.Port(policy.PortName(b.Port))
	return there && !port.Login() && port.Enforced == policy.ByPenstock
}

// openChannel is a channel of a session that is open; nil, and a finding, where it is not.
func (w *Walk) openChannel(session string, n int) *channel {
	s := w.session(session)
	if s == nil {
		return nil
	}
	c := s.channels[n]
	if !w.must(c != nil && !c.closed, "channel %d of %s is not open", n, session) {
		return nil
	}
	return c
}

func (w *Walk) channelClosed(b audit.ChannelClosed) {
	c := w.openChannel(b.Session, b.Channel)
	if c == nil {
		return
	}
	w.outlived(b.Session, b.Channel, c)
	w.probed(c, b)
	w.must(!c.inspected || b.In == 0 || c.summed, "%d bytes went to %s by %s, which Penstock enforces, and nothing says which operations they were", b.In, c.opened.Asset, c.opened.Port)
	w.must(c.late == "" || b.In == 0, "%d bytes went to %s although %s", b.In, c.opened.Asset, c.late)
	c.closed = true
}

// outlived: a channel is over soon after its window.
func (w *Walk) outlived(session string, n int, c *channel) {
	v := w.windows[c.opened.Window]
	if v == nil || v.over.IsZero() || w.stoodStill(v.over) {
		return
	}
	w.must(!w.leaf.Wall.After(v.over.Add(closeTime)), "channel %d of %s was open %s after %s was over", n, session,
		w.leaf.Wall.Sub(v.over).Round(time.Second), c.opened.Window)
}

// leftOpen: a channel that crossed its window's taking must have said that no byte passed.
func (w *Walk) leftOpen(id string, s *session) {
	for n, c := range s.channels {
		if !c.closed {
			w.outlived(id, n, c)
		}
		w.must(c.closed || c.late == "", "%s ended without closing channel %d, which was opened although %s", id, n, c.late)
	}
}

// unclosed: sessions without an end. The broker ends, at its start, what a crash left.
func (w *Walk) unclosed() {
	for _, id := range slices.Sorted(maps.Keys(w.sessions)) {
		s := w.sessions[id]
		if w.started.After(s.began.Add(0)) && w.last.After(w.started.Add(10*time.Second)) {
			w.wrong = append(w.wrong, fmt.Sprintf("session %s (leaf %d) has no end, and the broker was started again since", id, s.started))
			continue
		}
		w.note("session %s (leaf %d) has no end yet: it is running, or the broker stopped without ending it", id, s.started)
	}
}
