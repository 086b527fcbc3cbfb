package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// askView is the request form; a refused one comes back as it was filled in.
type askView struct {
	Say    string
	Once   string            // of this form: a double tap asks once
	Rule   string            // that refused it
	Wrong  map[string]string // by field: what to do there
	Firms  []firmChoice
	Ways   []wayChoice
	Rights []tick
	Form   url.Values
	Now    []tick // what is happening there
	Under  string // the pattern that the form began with, in words
	Site   tick   // what work on site means
	Jacks  []tick // service jacks of the plant
	Except *tick  // what an exception means; nil: the plant makes none
	Probe  tick   // what trying the way means
	Quick  *tick  // what an emergency means here; nil: the plant has none
	Vendor bool
	Before []pastView // on the machine that the form began with
}

// nowWords are what is happening, as whoever asks says it; how urgent the
// request is follows from that and from what stops.
var nowWords = map[string]string{policy.NowSafety: "A safety function does not work as it should", policy.NowStopped: "It stands still",
	policy.NowDegraded: "It runs, but worse than it should", policy.NowPlanned: "Nothing is wrong: planned work"}

type firmChoice struct {
	ID, Name string
	People   []tick
}

type wayChoice struct {
	Value, Tag, Title, Text, Worst string
	On                             bool
}

type tick struct {
	Value, Text string
	On          bool
}

func (g *Pages) askPage(v *visit) error {
	form := url.Values{}
	if asset := v.r.URL.Query().Get("asset"); asset != "" {
		form.Set("asset", asset)
	}
	if id := v.r.URL.Query().Get("pattern"); id != "" {
		p, err := g.Desk.Pattern(v.ctx(), v.actor, id)
		if err != nil {
			return err
		}
		d := p.Document
		form = url.Values{"pattern": {id}, "right": d.Rights, "minutes": {strconv.Itoa(min(d.Minutes, 60))}}
		if len(d.People) == 1 {
			form["person"] = d.People
		}
		if len(d.Assets) == 1 {
			form.Set("way", d.Assets[0].Asset+"/"+d.Assets[0].Port+"/"+d.Assets[0].Account)
		}
	}
	return g.showAsk(v, http.StatusOK, &policy.Refusal{}, form)
}

// moreField is one that some rules ask for.
type moreField struct {
	Name, Label, Value string
	Most               int // characters
}

// More are the fields that only some rules ask for.
func (a askView) More() (all []moreField) {
	for _, name := range askFields {
		if label, ok := askLabels[name]; ok && name != "reason" {
			all = append(all, moreField{name, label, a.Form.Get(name), map[bool]int{true: 500, false: 200}[name == "backout"]})
		}
	}
	return all
}

// askFields are the form's, in its order: what a draft carries over a sign-in.
var askFields = []string{"pattern", "person", "way", "right", "reason", "kind", "laptop", "jack", "now", "minutes", "from", "to", "work_order", "change", "backup", "backout", "area_clear", "registers", "file_hashes", "drill", "asset"}

// askLabels are the words of those that a rule may ask for.
var askLabels = map[string]string{"reason": "Why", "work_order": "Work order", "change": "Change", "backup": "Backup taken", "backout": "Backout", "area_clear": "Area clear: who says so"}

// askRules says where on the form a refusal stands; one that is not here
// stands above it.
var askRules = map[string]string{"nobody": "person", "no-such-person": "person", "no-such-firm": "person", "own-firm": "person", "not-active": "person",
	"firm-ended": "person", "unknown-person": "person", "person-disabled": "person", "key-gone": "person", "source-network": "person",
	"no-such-way": "way", "default-deny": "way", "not-possible": "way", "no-rights": "right", "emergency-rights": "right", "no-emergency": "kind", "on-site": "laptop", "on-site-laptop": "laptop", "jack": "laptop", "connectivity": "kind", "exception": "kind", "no-exception": "kind", "exception-ends": "to", "reviews-due": "kind",
	"bad-minutes": "minutes", "too-long": "minutes", "bad-span": "from", "bad-from": "from", "bad-to": "to", "span-empty": "from", "span-too-short": "to", "bad-text": "reason", "bad-hash": "file_hashes", "registers": "registers"}

// wrong says beside which field each thing to do stands.
func (v *visit) wrong(r *policy.Refusal, form url.Values) (say string, at map[string]string) {
	at = map[string]string{}
	if r.Rule == "" {
		return r.Say, at
	}
	if field, ok := askRules[r.Rule]; ok {
		at[field] = r.Say
	}
	if r.Rule != "fields-missing" {
		return r.Say, at
	}
	var names []string
	for _, field := range askFields {
		if label, ok := askLabels[field]; ok && strings.TrimSpace(form.Get(field)) == "" && (field == "reason" || strings.Contains(r.Say, field)) {
			names = append(names, label)
			at[field] = "The plant asks for this here."
		}
	}
	return "The plant asks for more here. Fill in: " + strings.Join(names, ", ") + ".", at
}

func (g *Pages) showAsk(v *visit, status int, r *policy.Refusal, form url.Values) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := askView{Once: reference(), Rule: r.Rule, Form: form, Vendor: !v.actor.Plant, Ways: v.ways(form["way"])}
	view.Say, view.Wrong = v.wrong(r, form)
	if id := form.Get("pattern"); id != "" && id != approvals.NoPattern {
		if p, err := g.Desk.Pattern(v.ctx(), v.actor, id); err == nil { // else the Desk says so at the tap
			view.Under = p.ID + " (" + p.Document.Frame + "): " + p.Document.Purpose
		}
	}
	fresh := len(form) == 0 || len(form) == 1 && form.Has("asset")
	if err := g.askOn(v, &view, n); err != nil {
		return err
	}
	on := form["person"]
	if fresh {
		on = []string{string(v.actor.Person)}
	}
	view.Firms = v.firmChoices(n, on)
	for _, value := range policy.Happenings {
		view.Now = append(view.Now, tick{value, nowWords[value], form.Get("now") == value})
	}
	view.Quick, view.Site = v.quickTick(slices.Contains(form["kind"], evidence.Emergency)), siteTick(slices.Contains(form["kind"], evidence.OnSite))
	for _, j := range v.plant.Jacks {
		view.Jacks = append(view.Jacks, tick{j.Name, j.Title, form.Get("jack") == j.Name})
	}
	if v.plant.Exception.There() {
		view.Except = v.exceptTick(slices.Contains(form["kind"], evidence.Exception))
	}
	view.Probe = probeTick(slices.Contains(form["kind"], evidence.Connectivity))
	for _, value := range everyRight.Words() {
		view.Rights = append(view.Rights, tick{value, rightWord(value), slices.Contains(form["right"], value) || fresh && value == "look"})
	}
	return g.show(v, status, "ask", "Ask for access", view)
}

// firmChoices are the people who may work, by firm: those whose key was confirmed.
func (v *visit) firmChoices(n roll, on []string) (all []firmChoice) {
	for _, f := range n.firms {
		if f.Plant || !v.actor.Plant && f.ID != v.actor.Firm {
			continue
		}
		c := firmChoice{string(f.ID), f.Name, nil}
		for _, p := range n.people {
			if _, keyed := p.Key(people.SSH); p.Firm == f.ID && !p.Disabled && !p.Machine && keyed {
				c.People = append(c.People, tick{string(p.ID), p.Name, slices.Contains(on, string(p.ID))})
			}
		}
		slices.SortFunc(c.People, func(a, b tick) int { return strings.Compare(a.Text, b.Text) })
		if len(c.People) > 0 {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b firmChoice) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// askOn puts the machine that the form began with first, ticks its only way in,
// and tells what was done there before.
func (g *Pages) askOn(v *visit, view *askView, n roll) error {
	asset := view.Form.Get("asset")
	if asset == "" {
		return nil
	}
	of := func(w wayChoice) bool { return strings.HasPrefix(w.Value, asset+"/") }
	slices.SortStableFunc(view.Ways, func(a, b wayChoice) int {
		return map[bool]int{true: 0, false: 1}[of(a)] - map[bool]int{true: 0, false: 1}[of(b)]
	})
	if len(view.Ways) == 1 && of(view.Ways[0]) || len(view.Ways) > 1 && of(view.Ways[0]) && !of(view.Ways[1]) {
		view.Ways[0].On = true
	}
	all, err := g.Desk.Windows(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	view.Before = g.lastTime(v, all, []evidence.Target{{Asset: asset}}, "", n)
	return nil
}

// ways are all that a vendor could reach at all.
func (v *visit) ways(chosen []string) (all []wayChoice) {
	for _, a := range v.plant.Assets {
		z, _ := v.plant.Zone(a.Zone)
		if a.Safety != "" || z.VendorsNever {
			continue
		}
		for _, p := range a.Ports {
			if !p.Login() {
				value := string(a.Name) + "/" + string(p.Name) + "/"
				all = append(all, wayChoice{value, a.Tag, a.Title, "by " + wayIn(string(p.Name)) + ": can " + p.Worst.InWords(), v.wayWorst(a, p.Name, ""), slices.Contains(chosen, value)})
			}
			for _, acc := range p.Accounts {
				value := string(a.Name) + "/" + string(p.Name) + "/" + string(acc.Name)
				text := "by " + wayIn(string(p.Name)) + " as " + string(acc.Name) + ": can " + acc.Worst.InWords()
				all = append(all, wayChoice{value, a.Tag, a.Title, text, v.wayWorst(a, p.Name, acc.Name), slices.Contains(chosen, value)})
			}
		}
	}
	return all
}

// wayWorst is what a way in can come to, and who stops it.
func (v *visit) wayWorst(a policy.Asset, port policy.PortName, account policy.AccountName) string {
	t := v.target(evidence.Target{Asset: string(a.Name), Port: string(port), Account: string(account)})
	say := "Worst case: " + policy.WorstCase(t.Worst, t.Stops) + " " + strings.ToUpper(t.Stopper()[:1]) + t.Stopper()[1:] + "."
	if weak := v.plant.Told([]policy.Target{{Asset: a.Name, Port: port, Account: account}}, policy.Look).Weak; weak != "" {
		say += " " + weak
	}
	if files := v.plant.Told([]policy.Target{{Asset: a.Name, Port: port, Account: account}}, policy.Look|policy.Copy|policy.Load).Files; files != "" {
		say += " " + files
	}
	return say
}

func (g *Pages) ask(v *visit) error {
	f := v.r.PostForm
	return g.askOnce(v, func() (approvals.Ask, error) { return v.readAsk(g, f) }, func(p *api.Problem) error {
		return g.showAsk(v, p.Status, &policy.Refusal{Rule: p.Rule, Say: p.Detail}, f)
	})
}

// askOnce asks for what a form says; again shows it with what is wrong. A double
// tap asks once.
func (g *Pages) askOnce(v *visit, read func() (approvals.Ask, error), again func(*api.Problem) error) error {
	once := v.r.PostForm.Get("once")
	v.s.asking.Lock()
	defer v.s.asking.Unlock()
	if id, did := v.s.askedBy(once); did {
		http.Redirect(v.w, v.r, "/requests/"+string(id), http.StatusSeeOther)
		return nil
	}
	a, err := read()
	if err == nil {
		var q approvals.Request
		if q, err = g.Desk.Submit(v.ctx(), v.actor, a); err == nil {
			v.s.hasAsked(once, q.ID)
			return g.done(v, "/requests/"+string(q.ID), "Asked. "+string(q.ID)+" waits for an answer.")
		}
	}
	p := problem(err)
	if p.Status >= 500 {
		return err
	}
	return again(p)
}

func (v *visit) readAsk(g *Pages, f url.Values) (approvals.Ask, error) {
	rights, err := policy.ParseRights(f["right"])
	if err != nil {
		return approvals.Ask{}, &policy.Refusal{Rule: "no-rights", Say: "Tick what has to be done.", Why: err.Error()}
	}
	a := approvals.Ask{People: names[policy.PersonID](f["person"]), Rights: rights, Reason: f.Get("reason"), WorkOrder: f.Get("work_order"),
		Change: f.Get("change"), Backup: f.Get("backup"), Backout: f.Get("backout"), AreaClear: f.Get("area_clear"), Laptop: f.Get("laptop"), Happening: f.Get("now"), Drill: f.Get("drill") == "yes", Pattern: f.Get("pattern")}
	if a.Kind, err = kindOf(f["kind"]); err != nil {
		return a, err
	}
	if a.Kind == evidence.Connectivity {
		a.Rights = policy.Look
	}
	if len(a.People) == 0 || len(f["way"]) == 0 {
		return a, &policy.Refusal{Rule: map[bool]string{true: "nobody", false: "no-such-way"}[len(a.People) == 0], Say: "Tick who will work, and on which machine."}
	}
	if a.FileHashes, err = approvals.FileHashes(strings.Split(f.Get("file_hashes"), "\n")); err != nil {
		return a, err
	}
	a.Registers = linesOf(f.Get("registers"))
	p, err := g.Roster.Person(v.ctx(), a.People[0])
	if err != nil {
		return a, &policy.Refusal{Rule: "no-such-person", Say: "One of these people is not known here. Choose from the list, or have your sponsor invite them.", Why: err.Error()}
	}
	a.Firm = p.Firm
	if a.Targets, err = readWays(f["way"]); err != nil {
		return a, err
	}
	if a.Kind == evidence.OnSite {
		a.Jack = f.Get("jack")
	}
	if a.Kind == evidence.OnSite && a.Jack == "" {
		a.Targets = machines(a.Targets)
	}
	if a.Minutes, err = strconv.Atoi(f.Get("minutes")); err != nil || a.Minutes < 1 {
		return a, &policy.Refusal{Rule: "bad-minutes", Say: "Say for how many minutes."}
	}
	if a.Kind == evidence.Connectivity {
		a.Minutes = min(a.Minutes, int(policy.LongestProbe/time.Minute))
	}
	return a, v.span(f, &a)
}

// linesOf are the lines of a field that say something.
func linesOf(s string) (all []string) {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// span: without times it is from now, for as long as the work takes and four hours more.
func (v *visit) span(f url.Values, a *approvals.Ask) (err error) {
	a.From = v.now
	if s := f.Get("from"); s != "" {
		if a.From, err = v.localTime(s); err != nil {
			return badMoment("bad-from", err)
		}
	}
	a.To = a.From.Add(time.Duration(a.Minutes)*time.Minute + 4*time.Hour)
	if s := f.Get("to"); s != "" {
		if a.To, err = v.localTime(s); err != nil {
			return badMoment("bad-to", err)
		}
	}
	return nil
}

// badMoment is a time that does not read, or that the plant's clock leaps over.
func badMoment(rule string, err error) error {
	say := "Write the time as the field shows it, on the plant's clock."
	if no, skipped := errors.AsType[*policy.Refusal](err); skipped {
		say = no.Say
	}
	return &policy.Refusal{Rule: rule, Say: say, Why: err.Error()}
}

// rightWord is one right as people say it: look is in every set, and is left out of others.
func rightWord(right string) string {
	r := rightsOf([]string{right})
	if r != policy.Look {
		r &^= policy.Look
	}
	return r.InWords()
}
