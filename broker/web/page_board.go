package web

import (
	"net/http"
	"slices"
	"strings"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/broker"
	"penstock/policy"
)

// boardView is the board (pages.md S3), as far as this build feeds it.
type boardView struct {
	Waits    []waitingView
	In       []inView
	Ready    []WindowLine
	Open     []WindowLine   // open, and nobody of it is in
	Standing []standingLine // machines that come in day and night
	OnSite   []WindowLine   // laptops at machines: open, and not recorded
	Off      []WindowLine   // of them those that a block or an island is for: somebody has to go there
	Left     []WindowLine
	Blocks   []blockView
	Closed   bool           // island: nobody comes in
	Alarm    []WindowLine   // emergencies that run
	Shown    []shownKeyView // machines that show another key than the plant pinned; for the plant's people
	Owed     []owedView     // emergencies whose review is due
	Paper    []string       // sealed envelopes that were opened
	NoPaper  []string       // that are missing, or old
	Often    string         // how many emergencies there were, where that is too often
	LastOut  *WindowLine    // shown where nobody is in and nothing waits
	Vendor   bool
	Outside  outsideView // for the plant's people
	Agents   []string    // ways into zones that are not there; likewise
	SIEM     []string    // what is wrong with it, for the plant's people
	Trial    bool        // loopback_targets is set; for the plant's people
	Review   string      // what waits of the past, for who reads recordings
	Gates    []gateView  // of the whole plant, for its people
	Handed   []handedOver
	Files    []filesWaiting
	Scanner  string       // why it cannot look into files that wait, and since when; for the plant's people
	Coming   []comingView // outages that run or begin
	Hands    bool         // the reader may hand a shift over

	Access   int           // access reviews that wait for the reader's word
	Ends     int           // contracts, terms and trainings that end soon, for who answers for them
	Terms    bool          // the reader's firm has terms that they have not accepted
	Spoken   []spokenLine  // that the reader has to sign, or OT security to look at
	Patterns []patternLine // that wait for the reader, or are up for review

	Duty     []dutyLine // who is on duty where a roster is kept, and where nobody is whom something waits for
	AskedYou int        // questions of reviewers to the reader
}

// comingView is an outage that runs or is to come.
type comingView struct {
	ID, Name         string
	From, To         stamp
	Runs             bool
	Windows, Waiting int // agreed; not answered yet
}

// handedOver is a handover that is not taken yet.
type handedOver struct {
	ID, Team, By string
	Left         int
	Due          stamp
	Rang         bool
}

type waitingView struct {
	ID, Does, What, Who, Firm, State string
	At                               stamp
	You                              bool
	Asked                            []string
	Next                             string // who is asked next, and when
	Priority                         string // P1 … P4
	Emergency                        bool
}

type inView struct {
	Session, Who, Firm string
	Since              stamp
	Windows            []inWindow
	Watched            []string // by whom
}

type inWindow struct {
	WindowLine
	Held     bool
	Channels []string
}

// Busy says that something is on the board for the plant, so that an empty
// column of it says what is not.
func (b boardView) Busy() bool {
	return !b.Vendor && len(b.Waits)+len(b.In)+len(b.Open)+len(b.Standing)+len(b.OnSite)+len(b.Ready)+len(b.Left)+len(b.Blocks) > 0
}

// Machines counts those that somebody is in.
func (b boardView) Machines() int {
	seen := map[string]bool{}
	for _, in := range b.In {
		for _, w := range in.Windows {
			for _, one := range w.Machines {
				seen[one] = true
			}
		}
	}
	return len(seen)
}

func (g *Pages) board(v *visit) error {
	f, err := g.boardFacts(v)
	if err != nil {
		return err
	}
	b, err := g.boardOf(v, f)
	if err != nil {
		return err
	}
	return g.show(v, http.StatusOK, "board", "Board", b)
}

func (g *Pages) boardOf(v *visit, f *boardFacts) (boardView, error) {
	b := boardView{Vendor: !v.actor.Plant}
	for _, q := range slices.Backward(f.requests) {
		if v.actor.Plant && q.Document.Outage != "" { // its list says so, under Coming
			continue
		}
		if q.State == approvals.RequestWaiting || q.State == approvals.RequestAsleep {
			b.Waits = append(b.Waits, v.waiting(q, f.roll))
		}
	}
	slices.SortStableFunc(b.Waits, func(x, y waitingView) int { // what asks the reader comes first
		switch {
		case x.You == y.You && x.Emergency != y.Emergency:
			return map[bool]int{true: -1, false: 1}[x.Emergency]
		case x.You == y.You:
			return strings.Compare(x.Priority, y.Priority)
		case x.You:
			return -1
		}
		return 1
	})
	g.sortWindows(v, &b, f)
	var err error
	if b.Standing, err = g.standingLines(v, f.roll); err != nil {
		return b, err
	}
	b.Blocks = v.blocks(f.blocks, f.roll)
	if v.actor.Plant {
		if err := g.forThePlant(v, &b, f); err != nil {
			return b, err
		}
	}
	if firm, p := f.roll.firms[v.actor.Firm], f.roll.people[v.actor.Person]; b.Vendor && !firm.Terms.IsZero() {
		b.Terms = p.Accepted.Terms != firm.Terms || !p.Accepted.Until.After(v.now)
	}
	b.Duty = v.onDuty(f)
	b.Closed = slices.ContainsFunc(b.Blocks, func(b blockView) bool { return b.All })
	return b, nil
}

// forThePlant adds what only the plant's own people see.
func (g *Pages) forThePlant(v *visit, b *boardView, f *boardFacts) error {
	b.Outside = g.outside(v)
	b.Trial = g.Loopback
	b.Agents = g.agentsDown(v)
	b.Review, b.AskedYou = g.backlog(v), f.asked[string(v.actor.Person)]
	b.Scanner = g.scannerLine(v)
	b.SIEM = g.siemLines()
	if g.Notices != nil {
		b.SIEM = append(b.SIEM, g.Notices()...)
	}
	for _, h := range f.handed {
		b.Handed = append(b.Handed, handedOver{h.ID, v.role(h.Team), f.roll.person(h.By), h.Left(), v.at(h.Due), h.Rang})
	}
	for _, k := range f.keys {
		if a, _ := v.plant.Asset(k.Asset); k.Closed {
			b.Shown = append(b.Shown, shownKeyView{Title: a.Title, Accepted: string(k.Accepted)})
		}
	}
	for _, r := range f.owed {
		b.Owed = append(b.Owed, owedView{string(r.Window), f.roll.firm(r.Firm), r.Late, v.at(r.At)})
	}
	b.Paper, b.NoPaper = f.paper, f.noPaper
	for _, s := range f.spoken {
		if line := v.spokenWords(s, f.roll); s.Open() && (line.Mine || line.MayClear) {
			b.Spoken = append(b.Spoken, line)
		}
	}
	for _, p := range f.patterns {
		if line := v.patternLine(p, f.roll); line.You || line.Warn {
			b.Patterns = append(b.Patterns, line)
		}
	}
	b.Hands = v.takes()
	b.Coming, b.Files = v.coming(f), f.files
	ends, err := g.endings(v, f.roll)
	if err != nil {
		return err
	}
	b.Ends = len(ends)
	if b.Access, err = g.accessWaits(v); err != nil {
		return err
	}
	if text, above := v.howOften(f.windows); above {
		b.Often = text
	}
	for _, c := range f.gates {
		one := v.gate(c, f.roll)
		one.MaySay = one.Outage && !one.OK && v.standsFor(f.roll, nil)(c.Gate.By)
		one.MayBack = one.Outage && one.OK && v.takes()
		b.Gates = append(b.Gates, one)
	}
	return nil
}

// sortWindows puts each window where it belongs on the board.
func (g *Pages) sortWindows(v *visit, b *boardView, f *boardFacts) {
	n, byID, inside := f.roll, map[policy.WindowID]approvals.Window{}, map[policy.WindowID]bool{}
	for _, w := range f.windows {
		byID[w.ID] = w
	}
	still := v.stillThere(f.windows, f.blocks)
	later := map[policy.RequestID]bool{}
	for _, o := range f.outages {
		for _, r := range o.Document.Rows {
			later[policy.RequestID(r.Request)] = true
		}
	}
	for _, l := range f.sessions {
		if n.people[l.Person].Machine { // under Standing
			continue
		}
		in := g.inside(v, n, l, byID, inside)
		for i, w := range in.Windows {
			in.Windows[i].WindowLine = v.needing(w.WindowLine, f.needs[policy.WindowID(w.ID)], n)
		}
		b.In = append(b.In, in)
	}
	for _, w := range f.windows {
		line := v.needing(g.windowLine(v, w, n), f.needs[w.ID], n)
		switch w.State {
		case approvals.WindowAgreed:
			if later[w.Request] && v.now.Before(w.Claim.From) { // it comes with its outage
				continue
			}
			b.Ready = append(b.Ready, line)
		case approvals.WindowOpen, approvals.WindowPaused, approvals.WindowEnding:
			if w.Emergency {
				b.Alarm = append(b.Alarm, line)
			}
			if line.Jack != "" { // it is in, or open, as well
				b.OnSite = append(b.OnSite, line)
			}
			if line.Laptop != "" {
				b.OnSite = append(b.OnSite, line)
				if slices.Contains(still, w.ID) {
					b.Off = append(b.Off, line)
				}
			} else if !w.Claim.Machine.Is() && !inside[w.ID] {
				b.Open = append(b.Open, line)
			}
		case approvals.WindowEnded, approvals.WindowCut:
			b.Left = append(b.Left, line)
		}
		over := w.State == approvals.WindowEnded || w.State == approvals.WindowCut || w.State == approvals.WindowClosed
		if over && !w.Opened.IsZero() && (b.LastOut == nil || w.Until.After(b.LastOut.Until.Time)) {
			b.LastOut = &line
		}
	}
}

// inside is one person who is in, with the windows that the channels are of.
func (g *Pages) inside(v *visit, n roll, l broker.Live, windows map[policy.WindowID]approvals.Window, seen map[policy.WindowID]bool) inView {
	in := inView{Session: string(l.Session), Who: n.person(l.Person), Firm: n.firm(l.Firm), Since: v.at(l.Started), Watched: l.Watched}
	at := map[policy.WindowID]int{}
	for _, c := range l.Channels {
		i, there := at[c.Window]
		if !there {
			i = len(in.Windows)
			at[c.Window], seen[c.Window] = i, true
			in.Windows = append(in.Windows, inWindow{WindowLine: g.windowLine(v, windows[c.Window], n)})
		}
		w := &in.Windows[i]
		w.Held = w.Held || c.Held
		w.Channels = append(w.Channels, v.channelWords(c))
	}
	return in
}

func (v *visit) channelWords(c broker.LiveChannel) string {
	t, _ := v.plant.Asset(c.Target.Asset)
	words := channelKind(c.Kind) + " on " + t.Tag
	if c.Target.Account != "" {
		words += " as " + string(c.Target.Account)
	}
	return words + ", " + bytesText(c.In) + " in, " + bytesText(c.Out) + " out"
}

// channelKind is a kind of channel in words (RFC 4254 has them as names).
func channelKind(kind string) string {
	switch kind {
	case "shell":
		return "a shell"
	case "exec":
		return "a command"
	case "sftp", "scp", "rsync", "git":
		return "files by " + kind
	case "direct-tcpip":
		return "a connection"
	}
	if name, ok := strings.CutPrefix(kind, "subsystem "); ok {
		return "the subsystem " + name
	}
	return kind
}

func bytesText(n int64) string {
	switch {
	case n < 10_000:
		return count(int(n), "byte", "bytes")
	case n < 10_000_000:
		return count(int(n/1000), "kB", "kB")
	}
	return count(int(n/1_000_000), "MB", "MB")
}

func (v *visit) waiting(q approvals.Request, n roll) waitingView {
	d := q.Document
	targets := v.targets(d.Assets)
	does, prep := wants(rightsOf(d.Rights), hasShell(targets))
	w := waitingView{ID: string(q.ID), Does: strings.TrimSpace(does + " " + prep), What: titles(targets), Who: strings.Join(n.list(d.People), ", "),
		Firm: n.firm(policy.FirmID(d.Firm)), At: v.at(q.At)}
	if q.State == approvals.RequestAsleep {
		w.State = "asleep until " + v.at(q.Asleep).Text()
	}
	for _, need := range q.Needs {
		if v.asked(q, need.Role, n) {
			w.You = true
		}
		w.Asked = append(w.Asked, v.role(need.Role))
	}
	w.Next, w.Priority, w.Emergency = v.nextAsked(q), q.Priority.String(), d.Kind == evidence.Emergency
	return w
}

// asked says whether the reader's yes in this role would count.
func (v *visit) asked(q approvals.Request, r policy.Role, n roll) bool {
	d := q.Document
	return v.actor.Plant && v.standsFor(n, q.Asked)(r) && string(v.actor.Firm) != d.Firm && (string(v.actor.Person) != d.By || d.Called) &&
		!slices.Contains(d.People, string(v.actor.Person)) && !v.saidYes(q)
}

func (v *visit) saidYes(q approvals.Request) bool {
	return slices.ContainsFunc(q.Answers, func(l approvals.AnswerLine) bool {
		return l.Person == v.actor.Person && l.Says == "yes"
	})
}

// dutyLine is one team on the board: who is on, or that nobody is and whom to call.
type dutyLine struct{ Team, On, Hole string }

func (v *visit) onDuty(f *boardFacts) (lines []dutyLine) {
	waits := map[policy.Role]bool{}
	for _, q := range f.requests {
		for _, need := range q.Needs {
			waits[need.Role] = true
		}
	}
	for _, t := range v.plant.Teams {
		if !f.roll.duty.Kept(t.Name) && !waits[t.Name] {
			continue
		}
		hole := v.nobody(t.Name, f.roll)
		if hole == "" && (!v.actor.Plant || !f.roll.duty.Kept(t.Name)) {
			continue
		}
		var on []string
		for _, id := range f.roll.duty.On(t.Name, v.now) {
			who := f.roll.person(id)
			if until := f.roll.duty.Until(t.Name, id, v.now); !until.IsZero() {
				who += " to " + v.at(until).Text()
			}
			on = append(on, who)
		}
		lines = append(lines, dutyLine{v.role(t.Name), strings.Join(on, ", "), hole})
	}
	return lines
}

// visits are the windows in which a person may have worked.
func (v *visit) visits(all []approvals.Window, person string, not policy.WindowID) (visits int, last stamp) {
	for _, w := range all {
		if w.ID == not || w.Opened.IsZero() || !slices.Contains(w.Claim.People, person) {
			continue
		}
		visits++
		if w.Opened.After(last.Time) {
			last = v.at(w.Opened)
		}
	}
	return visits, last
}
