package web

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// lookMinutes is the short look of the first button.
const lookMinutes = 30

// requestView is the page at 03:00 (pages.md S2).
type requestView struct {
	Receipts                 bool // of what the viewer did with it
	ID, State, Document      string
	Priority                 string // P1 … P4
	Urgency                  string // whence the priority is
	MayUrgent                bool
	Rev                      int
	At                       stamp
	Who                      []string
	Firm, Checked            string
	Does, Prep               string
	Targets                  []targetView
	Can, Worst, Enforced     string
	Only                     []string // registers that alone may be changed
	Weak                     string   // machines that are spoken to in old SSH
	Files                    string   // which files pass, and what waits for a look
	Named                    string   // that files are named by their hash, and what follows
	Sums                     []string
	Danger                   bool // nobody but a person stops what goes beyond
	Stops, Why, Length       string
	Until                    stamp
	Asleep                   stamp
	From, To                 stamp
	Inside                   string   // who else is in
	Now                      []string // what the inputs say that its rules ask for
	Opens                    string   // where no shift does
	Unusual                  []string
	Drill                    bool
	Escort                   bool   // they look under an escort, whatever the rules ask
	Phone                    string // two words
	Words                    []string
	WorkOrder, Change        string
	Backup, Backout, Area    string
	Path, Interlocks         []string
	Before                   []WindowLine // this firm on these machines
	Past                     []pastView   // what anybody handed back of them
	Answers                  []answerView
	YouWhy                   string
	Speak                    []speakView      // whose yes the reader may have heard on the telephone
	SpeakBy                  stamp            // and when that has to be signed
	Under                    *approvals.Under // the pattern that it names; nil: none
	Called                   string           // how a call-in stands
	Tell                     bool             // the reader may answer a question
	MayCall                  bool             // make a new code
	Next                     string           // who is asked next, and when
	Needs                    []needView
	May                      answersAllowed
	Window                   *WindowLine
	Call                     *call  // whom to ring up about it
	Meanwhile                string // the tap was not taken
	Outcome                  string // who decided, and what
	Emergency                *emergencyView
	Laptop                   string     // of work on site
	Jack                     string     // of work on site through a service jack: laptop and jack
	Except                   []string   // of an exception: what it waives
	Probe                    bool       // it only tries the way
	Bound                    *boundView // of a machine; nil: people would work in it
	Vendor, Yours, Withdrawn bool
}

type needView struct {
	Role   string
	Count  int
	People []string
	Rule   string
	Nobody string // nobody who could answer is on duty, and whom to call
}

type answerView struct {
	Who, Role, Says, Why, Limits string
	Proof                        string
	At                           stamp
}

func (g *Pages) requestPage(v *visit) error {
	return g.showRequest(v, http.StatusOK, "")
}

func (g *Pages) showRequest(v *visit, status int, meanwhile string) error {
	q, err := g.Desk.Request(v.ctx(), v.actor, requestID(v.r))
	if err != nil {
		return err
	}
	view, err := g.requestOf(v, q)
	if err != nil {
		return err
	}
	view.Meanwhile = meanwhile
	return g.show(v, status, "request", view.ID+" "+view.Firm, view)
}

func (g *Pages) requestOf(v *visit, q approvals.Request) (requestView, error) {
	n, err := g.roll(v.ctx())
	if err != nil {
		return requestView{}, err
	}
	d := q.Document
	out := requestView{ID: string(q.ID), State: requestWords[q.State], Document: q.Hash.String(), Rev: q.Rev, At: v.at(q.At), Priority: q.Priority.String(),
		Who: n.list(d.People), Firm: n.firm(policy.FirmID(d.Firm)), Why: d.Reason, Length: minutesWords(d.Minutes), From: v.at(d.From), To: v.at(d.To),
		Asleep: v.at(q.Asleep), Words: evidence.Words(q.Hash), WorkOrder: d.WorkOrder, Change: d.Change, Backup: d.Backup, Backout: d.Backout,
		Area: d.AreaClear, Escort: d.Escort, Drill: d.Drill, Laptop: atMachine(d), Jack: v.jackWords(d.Laptop, d.Jack), Vendor: !v.actor.Plant}
	out.Probe = d.Kind == evidence.Connectivity
	if d.Kind == evidence.Exception {
		out.Except = d.Waives
	}
	out.Bound = v.bound(d.Machine, d.People, n)
	out.Urgency = v.urgency(q, n)
	out.MayUrgent = v.actor.Plant && (q.State == approvals.RequestWaiting || q.State == approvals.RequestAsleep)
	out.Phone = strings.ToUpper(strings.Join(out.Words[:2], " "))
	if err := g.backups(v); err != nil {
		return out, err
	}
	v.describe(&out, d)
	if out.Receipts, err = g.receipted(v, string(q.ID)); err != nil {
		return out, err
	}
	if err := g.around(v, &out, q, n); err != nil {
		return out, err
	}
	v.talk(&out, q, n)
	out.Needs = v.needs(q, n)
	out.Next, out.Under = v.nextAsked(q), q.Pattern
	out.Called = v.calledWords(d.Called, q.Call, n)
	out.MayCall = v.mayCall(q, n)
	if d.Open != "shift" {
		out.Opens = v.opensHow(d.Open, d.From, out.Who)
	}
	out.Outcome = v.outcome(q, n)
	if q.Window != "" {
		w, err := g.Desk.Window(v.ctx(), v.actor, q.Window)
		if err != nil {
			return out, err
		}
		line := g.windowLine(v, w, n)
		out.Window = &line
	}
	if out.Emergency, err = g.emergencyOf(v, d); err != nil {
		return out, err
	}
	v.mayAnswer(&out, q, n)
	if out.May.Opens { // else it is not theirs to wait for
		out.Now = g.inputsNow(v, d, n)
	}
	if v.actor.Plant && !out.May.Answer && q.State == approvals.RequestWaiting {
		if err := g.speak(v, &out, q, n); err != nil {
			return out, err
		}
	}
	if out.May.Answer {
		out.Call = v.call(n, d.People)
	}
	return out, nil
}

// talk is the answers and what the asker said to them, in order, and whether the reader may say more.
func (v *visit) talk(out *requestView, q approvals.Request, n roll) {
	d := q.Document
	for _, l := range q.Answers {
		out.Answers = append(out.Answers, answerView{n.person(l.Person), v.role(l.Role), saysWords[l.Says], l.Why, v.limits(l.Limits), v.proofOf(l, n), v.at(l.At)})
	}
	for _, t := range q.Told {
		out.Answers = append(out.Answers, answerView{Who: n.person(t.Person), Role: out.Firm, Says: "answers", Why: t.Text, At: v.at(t.At)})
	}
	slices.SortStableFunc(out.Answers, func(a, b answerView) int { return a.At.Compare(b.At.Time) })
	out.Tell = (v.actor.Firm == policy.FirmID(d.Firm) || string(v.actor.Person) == d.By) && (q.State == approvals.RequestWaiting || q.State == approvals.RequestAsleep) &&
		slices.ContainsFunc(q.Answers, func(l approvals.AnswerLine) bool { return l.Says == evidence.Question })
}

// needs are those who still have to answer, and who of them could.
func (v *visit) needs(q approvals.Request, n roll) (list []needView) {
	d := q.Document
	not := slices.Concat(d.People, []string{d.By})
	for _, need := range q.Needs {
		list = append(list, needView{v.role(need.Role), need.Count, n.holders(need.Role, v.now, not...), need.Rule, v.nobody(need.Role, n, not...)})
	}
	return list
}

// mayCall: whoever called them in, or could open the window, may give another code.
func (v *visit) mayCall(q approvals.Request, n roll) bool {
	d := q.Document
	live := q.State == approvals.RequestWaiting || q.State == approvals.RequestAsleep || q.State == approvals.RequestAgreed
	return d.Called && live && v.actor.Plant && (q.Call == nil || q.Call.Here == "") &&
		(string(v.actor.Person) == d.By || v.opens(n, q.Asked, d.Assets, d.Rights))
}

// urgency says whence the priority is.
func (v *visit) urgency(q approvals.Request, n roll) string {
	if o := q.Override; o != nil {
		return n.person(o.By) + " (" + v.role(o.Team) + ") holds it for " + o.To.String() + ": " + o.Why + ". Computed: " + q.Document.Priority + "."
	}
	what := strings.ToLower(nowWords[q.Document.Happening])
	if what == "" {
		what = "not said what is happening"
	}
	return "Computed from what stops with it, and from: " + what + "."
}

// prioritise is a person's word against the computed priority.
func (g *Pages) prioritise(v *visit) error {
	q, err := g.prioritised(v.r, v.actor, v.r.PostForm.Get("says"), v.r.PostForm.Get("why"))
	if err != nil {
		return g.notTaken(v, err)
	}
	return g.done(v, "/requests/"+string(q.ID), "It counts as "+q.Priority.String()+" now.")
}

// describe computes the middle block from rights, enforced and stops.
func (v *visit) describe(out *requestView, d evidence.Request) {
	rights := rightsOf(d.Rights)
	out.Targets = v.targets(d.Assets)
	out.Does, out.Prep = wants(rights, hasShell(out.Targets))
	for _, t := range out.Targets {
		if !t.Known {
			out.Unusual = append(out.Unusual, t.Asset+" is not in the plant file any more.")
		}
	}
	told := v.plant.Told(policyTargets(d.Assets), rights, evidence.OnlyOf(d.Registers)...)
	out.Only = evidence.RegisterWords(d.Registers)
	out.Can, out.Worst, out.Enforced = cmp.Or(d.Can, told.Can), cmp.Or(d.Worst, told.Worst), cmp.Or(d.Stopper, told.Stopper)
	if out.Weak = cmp.Or(d.Weak, told.Weak); out.Weak != "" {
		out.Unusual = append(out.Unusual, out.Weak)
	}
	out.Files, out.Named = cmp.Or(d.Files, told.Files), d.Named()
	for _, h := range d.FileHashes {
		out.Sums = append(out.Sums, strings.TrimPrefix(h.String(), "sha256:"))
	}
	out.Danger = told.By == policy.ByNobody && told.Reach != policy.Look
	if d.Kind == evidence.Connectivity { // whatever the way in can do, nothing passes
		out.Danger, out.Does, out.Prep = false, "try the way", "to"
	}
	said := !slices.ContainsFunc(told.Stops, func(line string) bool { return !strings.Contains(out.Worst, line) })
	switch {
	case len(told.Stops) > 0 && said: // the worst case says it
	case len(told.Stops) > 0:
		out.Stops = strings.Join(told.Stops, ", ") + map[bool]string{true: " stops.", false: " stop."}[len(told.Stops) == 1]
	default:
		out.Stops = "no line stops."
	}
	out.Until = v.at(v.endIfOpened(d.Minutes, d.From, d.To))
	v.unusual(out, d, rights)
}

func policyTargets(list []evidence.Target) (out []policy.Target) {
	for _, t := range list {
		out = append(out, t.Policy())
	}
	return out
}

// endIfOpened is when it would end, opened as early as may be.
func (v *visit) endIfOpened(minutes int, from, to time.Time) time.Time {
	start := v.now
	if from.After(start) {
		start = from
	}
	end := start.Add(time.Duration(minutes) * time.Minute)
	if end.After(to) {
		end = to
	}
	return end
}

// oldBackup is when a backup is worth a word before somebody writes.
const oldBackup = 30 * 24 * time.Hour

// outcome is who decided, and what, where it is decided.
func (v *visit) outcome(q approvals.Request, n roll) string {
	if q.State == approvals.RequestWaiting || len(q.Answers) == 0 {
		return ""
	}
	l := q.Answers[len(q.Answers)-1]
	says := saysWords[l.Says]
	if limits := v.limits(l.Limits); l.Says == evidence.Yes && len(l.Limits.Rights) > 0 {
		says = "said " + limits
	} else if l.Says == evidence.Yes && limits != "" {
		says += ", " + limits
	}
	text := n.person(l.Person) + " " + says + " at " + v.at(l.At).Text()
	if l.Why != "" {
		text += ": " + l.Why
	}
	return text
}

// mostUnusual is how many red lines somebody reads at night.
const mostUnusual = 3

// unusual lists what stands in red, worst first: what was not in the plant file
// before it, and what was left behind after it (around).
func (v *visit) unusual(out *requestView, d evidence.Request, rights policy.Rights) {
	type old struct {
		line string
		age  time.Duration
	}
	var backups []old
	for _, t := range d.Assets {
		a, ok := v.plant.Asset(policy.AssetName(t.Asset))
		if !ok {
			continue
		}
		z, _ := v.plant.Zone(a.Zone)
		for _, i := range a.Interlocks {
			trips, _ := v.plant.Asset(i.Trips)
			line := i.Name + " trips " + trips.Title
			if !slices.Contains(out.Interlocks, line) {
				out.Interlocks = append(out.Interlocks, line)
			}
		}
		if !slices.Contains(out.Path, z.Title) {
			out.Path = append(out.Path, z.Title)
		}
		if rights&^(policy.Look|policy.Copy) == 0 {
			continue
		}
		of := " of " + a.Title
		if len(d.Assets) == 1 { // it stands above already
			of = ""
		}
		last := v.plant.LastBackup(a.Name, v.saved)
		switch age := v.now.Sub(last); {
		case last.IsZero():
			backups = append(backups, old{"No backup" + of + " is known.", time.Duration(1<<63 - 1)})
		case age > oldBackup:
			backups = append(backups, old{"Backup" + of + " is " + span(age) + " old.", age})
		}
	}
	slices.SortStableFunc(backups, func(a, b old) int { return cmp.Compare(b.age, a.age) })
	for _, b := range slices.Compact(backups) {
		out.Unusual = append(out.Unusual, b.line)
	}
}

// leftBehind says what this firm did not leave in order on one of these machines.
func (v *visit) leftBehind(w approvals.Window, n roll) string {
	switch {
	case w.State == approvals.WindowCut:
		return n.firm(w.Firm) + " was cut here " + v.at(w.Until).Text() + "."
	case w.State == approvals.WindowEnded && w.HandBack == "" && w.Claim.HandsBack():
		return string(w.ID) + ": no hand-back since " + v.at(w.Until).Text() + "."
	}
	return ""
}

// around is who asks, who is in, and what was before.
func (g *Pages) around(v *visit, out *requestView, q approvals.Request, n roll) error {
	d := q.Document
	all, err := g.Desk.Windows(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	visits, last := v.visits(all, d.People[0], q.Window)
	out.Checked = "First visit."
	if visits > 0 {
		out.Checked = count(visits, "visit", "visits") + ", last " + last.Text() + "."
	}
	if d.By != d.People[0] {
		out.Checked += " Written by " + n.person(policy.PersonID(d.By)) + "."
	}
	if v.actor.Plant {
		out.Inside = g.othersInside(v, n)
	}
	out.Past = g.lastTime(v, all, d.Assets, q.Window, n)
	var behind []string
	for _, w := range all {
		same := sameMachine(w.Claim.Assets, d.Assets)
		if w.ID != q.Window && same && string(w.Firm) == d.Firm && !w.Opened.IsZero() && len(out.Before) < mostBefore {
			out.Before = append(out.Before, g.windowLine(v, w, n))
			if line := v.leftBehind(w, n); line != "" && v.actor.Plant {
				behind = append(behind, line)
			}
		}
	}
	out.Unusual = slices.Concat(d.Red.Lines(n.person, out.Firm), behind, out.Unusual)
	out.Unusual = out.Unusual[:min(len(out.Unusual), mostUnusual)]
	return nil
}

// mostNow is how many inputs a request's page tells of.
const mostNow = 2

// inputsNow says what the inputs show that the rules for this work ask for: what
// says no comes first.
func (g *Pages) inputsNow(v *visit, d evidence.Request, n roll) (lines []string) {
	asked := v.plant.Conditions(policyTargets(d.Assets), rightsOf(d.Rights))
	var yes []string
	for _, c := range g.Desk.Gates(v.ctx()) {
		if !slices.ContainsFunc(asked.Gates, func(a policy.GateAsked) bool { return a.Name == c.Gate.Name }) {
			continue
		}
		one := v.gate(c, n)
		line := one.Title + ": " + one.Says
		if !one.Since.IsZero() {
			line += " since " + one.Since.Text()
		}
		if line += "."; one.OK {
			yes = append(yes, line)
			continue
		}
		lines = append(lines, line)
	}
	lines = append(lines, yes...)
	return lines[:min(len(lines), mostNow)]
}

func (g *Pages) othersInside(v *visit, n roll) string {
	var who []string
	for _, l := range g.Broker.Sessions() {
		line := n.person(l.Person) + " (" + n.firm(l.Firm) + ")"
		if !slices.Contains(who, line) {
			who = append(who, line)
		}
	}
	if len(who) == 0 {
		return "Nobody else is in."
	}
	return strings.Join(who, ", ") + map[bool]string{true: " is in.", false: " are in."}[len(who) == 1]
}

func (v *visit) limits(l evidence.Limits) string {
	var out []string
	if len(l.Rights) > 0 {
		out = append(out, rightsOf(l.Rights).InWords()+" only")
	}
	if l.Minutes > 0 {
		out = append(out, minutesWords(l.Minutes))
	}
	if !l.Until.IsZero() {
		out = append(out, "to "+v.at(l.Until).Text())
	}
	for _, t := range l.Assets {
		out = append(out, v.target(t).Title)
	}
	return strings.Join(out, ", ")
}

func (g *Pages) tell(v *visit) error {
	if _, err := g.Desk.Tell(v.ctx(), v.actor, requestID(v.r), v.r.PostForm.Get("text")); err != nil {
		return g.notTaken(v, err)
	}
	return g.done(v, "/requests/"+v.r.PathValue("id"), "Said. What was asked for stays as it is; to change it, ask anew.")
}

func (g *Pages) withdraw(v *visit) error {
	if err := g.Desk.Withdraw(v.ctx(), v.actor, requestID(v.r), strings.TrimSpace(v.r.PostForm.Get("why"))); err != nil {
		return g.notTaken(v, err)
	}
	return g.done(v, "/requests/"+v.r.PathValue("id"), "Withdrawn.")
}

type requestLine struct {
	ID, Does, What, Firm, State string
	At                          stamp
}

func (g *Pages) requestList(v *visit) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	all, err := g.Desk.Requests(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	var lines []requestLine
	for _, q := range all[:min(len(all), 100)] {
		w := v.waiting(q, n)
		lines = append(lines, requestLine{w.ID, w.Does, w.What, w.Firm, requestWords[q.State], w.At})
	}
	return g.show(v, http.StatusOK, "requests", "Requests", lines)
}

// proofOf is what an answer rests on; one that was heard, on who heard it.
func (v *visit) proofOf(l approvals.AnswerLine, n roll) string {
	if l.Heard == "" {
		return proofWords[l.Proof]
	}
	return "on the phone, heard by " + n.person(l.Heard) + "; not proved until it is signed"
}

// proofWords say what an answer rests on.
var proofWords = map[string]string{evidence.ProofTOTP: "by a code: the server's word", evidence.ProofWebAuthn: "signed with their passkey", evidence.ProofSSHSIG: "signed with their SSH key"}
