package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// patternsView is what was agreed by day for the night.
type patternsView struct {
	Standing, Waiting, Over []patternLine
	Frames                  []frameLine // what the plant file lets be agreed
	Vendor                  bool
}

type patternLine struct {
	ID, Frame, Firm, What, State string
	You                          bool // your yes is still needed
	Warn                         bool
}

// frameLine is a frame of the plant file; Why it may not be used.
type frameLine struct {
	Name, Why, What, Owners string
	Review                  string
	Machine                 bool
}

func (g *Pages) patternsPage(v *visit) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	list, err := g.Desk.Patterns(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	view := patternsView{Vendor: !v.actor.Plant}
	for _, p := range list {
		line := v.patternLine(p, n)
		switch p.State {
		case approvals.PatternAgreed:
			view.Standing = append(view.Standing, line)
		case approvals.PatternWaiting, approvals.PatternReview:
			view.Waiting = append(view.Waiting, line)
		default:
			view.Over = append(view.Over, line)
		}
	}
	if v.actor.Plant {
		for _, f := range v.plant.Patterns {
			view.Frames = append(view.Frames, v.frameLine(f))
		}
	}
	return g.show(v, http.StatusOK, "patterns", "Patterns", view)
}

func (v *visit) patternLine(p approvals.Pattern, n roll) patternLine {
	d := p.Document
	return patternLine{ID: p.ID, Frame: d.Frame, Firm: n.firm(policy.FirmID(d.Firm)), What: rightsOf(d.Rights).InWords() + ", " + strings.Join(v.machines(d.Assets), ", "), State: v.patternWords(p),
		You: v.patternAsks(p), Warn: p.State == approvals.PatternReview || p.State == approvals.PatternAgreed && p.Unfit != ""}
}

// machines are the titles of what ways lead to, each once.
func (v *visit) machines(ways []evidence.Target) (all []string) {
	for _, t := range v.targets(ways) {
		if !slices.Contains(all, t.Title) {
			all = append(all, t.Title)
		}
	}
	return all
}

func (v *visit) frameLine(f policy.Pattern) frameLine {
	line := frameLine{Name: f.Name, Why: f.Why, Review: v.dateOf(f.Review), Machine: f.Machine || f.Open == "standing"}
	var names, owners []string
	for _, a := range f.Assets {
		one, _ := v.plant.Asset(a)
		names = append(names, cmp.Or(one.Title, string(a)))
	}
	for _, o := range f.Owners {
		owners = append(owners, v.role(o))
	}
	line.What, line.Owners = f.Rights.InWords()+", "+strings.Join(names, ", "), strings.Join(owners, ", ")
	if f.Longest > 0 {
		line.What += ", " + minutesWords(int(f.Longest/time.Minute)) + " at most"
	}
	return line
}

// patternAsks says whether the viewer's yes is one of those that are missing.
func (v *visit) patternAsks(p approvals.Pattern) bool {
	said := slices.ContainsFunc(p.Answers, func(a approvals.AnswerLine) bool { return a.Person == v.actor.Person && a.Says == evidence.Yes })
	return p.State == approvals.PatternWaiting && !said && slices.ContainsFunc(p.Left, func(n policy.Need) bool { return v.actor.Has(n.Role) })
}

// patternWords is where a pattern stands, with what comes next.
func (v *visit) patternWords(p approvals.Pattern) string {
	switch p.State {
	case approvals.PatternWaiting:
		var roles []string
		for _, need := range p.Left {
			roles = append(roles, v.role(need.Role))
		}
		return "waits for " + strings.Join(roles, ", ")
	case approvals.PatternAgreed:
		if p.Unfit != "" {
			return "agreed, but nothing can be asked under it: " + p.Unfit
		}
		return "stands, to " + v.day(p.Document.Ends())
	case approvals.PatternReview:
		return "up for review: used outside its purpose " + count(len(p.Doubts), "time", "times") + "; it stands again once it is agreed again"
	case approvals.PatternReplaced:
		return "agreed again, as " + p.Follower
	}
	return string(p.State)
}

// patternView is one pattern: the joint decision record, and the buttons.
type patternView struct {
	patternLine
	Document            string
	Phone               string // two words
	Words               []string
	Purpose, By         string
	At, DecideBy        stamp
	Ends, Until, Review string
	Agreed, Over        stamp
	OverBy, Why         string
	Targets             []targetView
	Can, Worst, Stopper string
	Only                []string // registers that alone may be changed
	Length              string
	People              []string
	Gates               []string
	Needs               []needView
	Answers             []answerView
	Doubts              []doubtView
	Windows             []string
	Follows, Follower   string
	MayAnswer, MayCall  bool
	MayWithdraw         bool
	MayAgain            bool
	Key, Passkey        bool
	Stands              bool
}

type doubtView struct {
	Window, Who, Why string
	At               stamp
}

func (g *Pages) patternPage(v *visit) error {
	p, err := g.Desk.Pattern(v.ctx(), v.actor, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	return g.show(v, http.StatusOK, "pattern", p.ID+" "+p.Document.Frame, v.pattern(p, n))
}

func (v *visit) pattern(p approvals.Pattern, n roll) patternView {
	d := p.Document
	told := v.plant.Told(policyTargets(d.Assets), rightsOf(d.Rights), evidence.OnlyOf(d.Registers)...)
	view := patternView{patternLine: v.patternLine(p, n), Document: p.Hash.String(), Words: evidence.Words(p.Hash), Purpose: d.Purpose, By: n.person(policy.PersonID(d.By)), At: v.at(d.At), DecideBy: v.at(d.DecideBy),
		Ends: v.day(d.Ends()), Until: v.day(d.Until), Review: v.day(d.Review), Agreed: v.at(p.Agreed), Over: v.at(p.Over), Why: p.Why,
		Only: evidence.RegisterWords(d.Registers), Targets: v.targets(d.Assets), Can: told.Can, Worst: told.Worst, Stopper: told.Stopper, Length: minutesWords(d.Minutes), People: n.list(d.People), Follows: d.Follows, Follower: p.Follower}
	view.Phone = strings.ToUpper(strings.Join(view.Words[:2], " "))
	if p.OverBy != "" {
		view.OverBy = n.person(p.OverBy)
	}
	for _, name := range d.Gates {
		gate, _ := v.plant.Gate(name)
		view.Gates = append(view.Gates, cmp.Or(gate.Title, name))
	}
	asked := string(v.actor.Person) == d.By
	for _, need := range p.Needs {
		view.Needs = append(view.Needs, needView{Role: v.role(need.Role), Count: need.Count, Rule: need.Rule})
		asked = asked || v.actor.Has(need.Role)
		view.MayAnswer = view.MayAnswer || v.actor.Has(need.Role)
	}
	for _, a := range p.Answers {
		view.Answers = append(view.Answers, answerView{n.person(a.Person), v.role(a.Role), saysWords[a.Says], a.Why, "", proofWords[a.Proof], v.at(a.At)})
	}
	for _, b := range p.Doubts {
		view.Doubts = append(view.Doubts, doubtView{string(b.Window), n.person(b.By), b.Why, v.at(b.At)})
	}
	view.Windows = words(p.Windows)
	live := p.State == approvals.PatternAgreed || p.State == approvals.PatternReview
	view.Stands = p.State == approvals.PatternAgreed
	view.MayAnswer = v.actor.Plant && view.MayAnswer && p.State == approvals.PatternWaiting
	view.MayWithdraw = v.actor.Plant && asked && (live || p.State == approvals.PatternWaiting)
	view.MayCall = v.actor.Plant && view.Stands && p.Unfit == ""
	view.MayAgain = v.actor.Plant && p.State != approvals.PatternWaiting && p.Follower == "" && len(v.actor.Roles) > 0
	view.Key, view.Passkey = p.Proof == policy.ByKey, v.passkey(n)
	return view
}

// sayPattern takes a yes or a no.
func (g *Pages) sayPattern(v *visit) error {
	id := v.r.PathValue("id")
	document, reply, keep, err := g.saidOf(v)
	if err != nil {
		return err
	}
	p, err := g.Desk.AnswerPattern(v.ctx(), v.actor, id, document, reply)
	if err != nil {
		return err
	}
	keep()
	said := "Your yes stands."
	switch {
	case reply.Says == evidence.No:
		said = "You said no. The pattern is refused."
	case p.State == approvals.PatternAgreed:
		said = "Agreed. It stands from now on."
	}
	return g.done(v, "/patterns/"+id, said)
}

func (g *Pages) withdrawPattern(v *visit) error {
	id := v.r.PathValue("id")
	if err := g.Desk.WithdrawPattern(v.ctx(), v.actor, id, strings.TrimSpace(v.r.PostForm.Get("why"))); err != nil {
		return err
	}
	return g.done(v, "/patterns/"+id, "Withdrawn, at once. What is open runs on; cut it if it must not.")
}

// doubt is the operator's or a reviewer's word that a window was used outside its
// pattern's purpose.
func (g *Pages) doubt(v *visit) error {
	id := v.r.PathValue("id")
	p, err := g.Desk.DoubtPattern(v.ctx(), v.actor, policy.WindowID(id), v.r.PostForm.Get("why"))
	if err != nil {
		return err
	}
	said := "Noted: outside the purpose of " + p.ID + "."
	if p.State == approvals.PatternReview {
		said += " It is up for review, and stands no more until it is agreed again."
	}
	return g.done(v, "/windows/"+id, said)
}

// patternAskView is the form to propose a pattern; a refused one comes back as it
// was filled in.
type patternAskView struct {
	Say, Rule string
	Form      url.Values
	Frame     frameLine
	Frames    []frameLine // to choose from, where none is chosen
	Firms     []firmChoice
	Ways      []wayChoice
	Rights    []tick
	Gates     []tick
	Most      int // minutes
	Latest    string
	Must      string // who must agree
}

// proposePage begins with a frame, or with a pattern that is to be agreed again.
func (g *Pages) proposePage(v *visit) error {
	form := url.Values{}
	q := v.r.URL.Query()
	if frame := q.Get("frame"); frame != "" {
		form.Set("frame", frame)
	}
	if again := q.Get("again"); again != "" {
		p, err := g.Desk.Pattern(v.ctx(), v.actor, again)
		if err != nil {
			return err
		}
		d := p.Document
		form = url.Values{"frame": {d.Frame}, "follows": {p.ID}, "person": d.People, "right": d.Rights, "minutes": {strconv.Itoa(d.Minutes)}, "purpose": {d.Purpose}, "gate": d.Gates}
		frame, _ := v.plant.Pattern(d.Frame)
		only := evidence.RegisterWords(d.Registers)
		if !slices.Equal(only, evidence.RegisterWords(evidence.AsRegisters(policy.OnlyFor(frame.Only, policyTargets(d.Assets))))) { // fewer than the frame's
			form.Set("registers", strings.Join(only, "\n"))
		}
		for _, t := range d.Assets {
			form.Add("way", t.Asset+"/"+t.Port+"/"+t.Account)
		}
	}
	return g.showPropose(v, http.StatusOK, &policy.Refusal{}, form)
}

func (g *Pages) showPropose(v *visit, status int, r *policy.Refusal, form url.Values) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := patternAskView{Say: r.Say, Rule: r.Rule, Form: form}
	frame, there := v.plant.Pattern(form.Get("frame"))
	if !there || frame.Machine || frame.Open == "standing" {
		for _, f := range v.plant.Patterns {
			if line := v.frameLine(f); !line.Machine {
				view.Frames = append(view.Frames, line)
			}
		}
		return g.show(v, status, "propose", "Propose a pattern", view)
	}
	view.Frame, view.Most, view.Latest = v.frameLine(frame), int(frame.Longest/time.Minute), frame.Review.Format(time.DateOnly)
	view.Firms = v.firmChoices(n, form["person"])
	for _, w := range v.ways(form["way"]) {
		if slices.Contains(frame.Assets, policy.AssetName(strings.SplitN(w.Value, "/", 2)[0])) {
			view.Ways = append(view.Ways, w)
		}
	}
	for _, value := range frame.Rights.Words() {
		view.Rights = append(view.Rights, tick{value, rightWord(value), slices.Contains(form["right"], value) || value == "look"})
	}
	for _, gate := range v.plant.Gates {
		view.Gates = append(view.Gates, tick{gate.Name, gate.Title, slices.Contains(form["gate"], gate.Name)})
	}
	if q, err := v.plant.PatternQuorum(frame, frame.Assets, frame.Rights); err == nil {
		var must []string
		for _, need := range q.Needs {
			must = append(must, v.role(need.Role))
		}
		view.Must = strings.Join(must, ", ")
	}
	return g.show(v, status, "propose", "Propose a pattern", view)
}

// propose puts a pattern before those who must agree.
func (g *Pages) propose(v *visit) error {
	f := v.r.PostForm
	a, err := v.readPattern(g, f)
	if err == nil {
		var p approvals.Pattern
		if p, err = g.Desk.ProposePattern(v.ctx(), v.actor, a); err == nil {
			return g.done(v, "/patterns/"+p.ID, "Proposed. It stands once everybody has agreed who must.")
		}
	}
	pr := problem(err)
	if pr.Status >= 500 {
		return err
	}
	return g.showPropose(v, pr.Status, &policy.Refusal{Rule: pr.Rule, Say: pr.Detail}, f)
}

func (v *visit) readPattern(g *Pages, f url.Values) (approvals.PatternAsk, error) {
	a := approvals.PatternAsk{Frame: f.Get("frame"), Follows: f.Get("follows"), People: names[policy.PersonID](f["person"]), Gates: f["gate"], Purpose: f.Get("purpose"), Registers: linesOf(f.Get("registers"))}
	rights, err := policy.ParseRights(f["right"])
	if err != nil {
		return a, &policy.Refusal{Rule: "no-rights", Say: "Tick what may be done.", Why: err.Error()}
	}
	a.Rights = rights
	if len(a.People) == 0 || len(f["way"]) == 0 {
		return a, &policy.Refusal{Rule: "nobody", Say: "Tick who is on call, and by which way in."}
	}
	p, err := g.Roster.Person(v.ctx(), a.People[0])
	if err != nil {
		return a, &policy.Refusal{Rule: "no-such-person", Say: "One of these people is not known here. Choose from the list, or have them invited first.", Why: err.Error()}
	}
	a.Firm = p.Firm
	if a.Targets, err = readWays(f["way"]); err != nil {
		return a, err
	}
	if a.Minutes, err = strconv.Atoi(f.Get("minutes")); err != nil || a.Minutes < 1 {
		return a, &policy.Refusal{Rule: "bad-minutes", Say: "Say for how many minutes at a time."}
	}
	for field, to := range map[string]*time.Time{"until": &a.Until, "review": &a.Review} {
		if s := f.Get(field); s != "" {
			if *to, err = v.dayEnd(s); err != nil {
				return a, err
			}
		}
	}
	return a, nil
}

// dayEnd is the end of a day on the plant's clock.
func (v *visit) dayEnd(s string) (time.Time, error) {
	d, err := time.ParseInLocation(time.DateOnly, s, v.plant.Location())
	if err != nil {
		return d, &policy.Refusal{Rule: "bad-to", Say: fmt.Sprintf("%.40q is no day. Write it as 2027-03-31.", s), Why: err.Error()}
	}
	return d.AddDate(0, 0, 1), nil
}

// readWays reads ASSET/PORT/ACCOUNT.
func readWays(list []string) (all []policy.Target, err error) {
	for _, w := range list {
		parts := strings.Split(w, "/")
		if len(parts) != 3 {
			return nil, &policy.Refusal{Rule: "no-such-way", Say: "Tick a machine of the list.", Why: w}
		}
		all = append(all, policy.Target{Asset: policy.AssetName(parts[0]), Port: policy.PortName(parts[1]), Account: policy.AccountName(parts[2])})
	}
	return all, nil
}

// underWords are the line of S2: why the reader's yes is enough.
func (v *visit) underWords(u *approvals.Under, n roll) string {
	if u == nil || !u.Stands {
		return ""
	}
	var roles []string
	for _, a := range u.By {
		if r := v.role(a.Role); !slices.Contains(roles, r) {
			roles = append(roles, r)
		}
	}
	return fmt.Sprintf("%s agreed this pattern on %s (%s).", strings.Join(roles, " and "), v.at(u.Agreed).Format("2 Jan"), u.Frame)
}
