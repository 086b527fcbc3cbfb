package web

import (
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

// standingView is the page of machines that come in day and night.
type standingView struct {
	Say      string // what to do about the form
	Runs     []standingLine
	Waits    []waitingView
	Machines []tick // that the plant knows
	Keepers  []tick
	Frames   []frameLine
	Ways     []wayChoice
	Form     url.Values
	Vendor   bool
	Once     string
}

// standingLine is one machine that stands.
type standingLine struct {
	WindowLine
	boundView
	In      bool // it is connected
	Owners  string
	Confirm *stamp // the farthest that the reader can confirm it to; nil: they cannot
	Soon    bool   // it closes within two weeks
}

// boundView is what holds a machine.
type boundView struct {
	Machine, Keeper, Networks, Key, Frame string
}

func (v *visit) bound(b evidence.Bound, who []string, n roll) *boundView {
	if !b.Is() {
		return nil
	}
	return &boundView{strings.Join(n.list(who), ", "), n.person(policy.PersonID(b.Keeper)), strings.Join(b.Networks, ", "), b.Key, b.Frame}
}

func (g *Pages) standingPage(v *visit) error {
	return g.showStanding(v, http.StatusOK, "", url.Values{})
}

func (g *Pages) showStanding(v *visit, status int, say string, form url.Values) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := standingView{Say: say, Form: form, Vendor: !v.actor.Plant, Once: reference()}
	if view.Runs, err = g.standingLines(v, n); err != nil {
		return err
	}
	all, err := g.Desk.Requests(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	for _, q := range all {
		if q.Document.Kind == evidence.Machine && (q.State == approvals.RequestWaiting || q.State == approvals.RequestAsleep) {
			view.Waits = append(view.Waits, v.waiting(q, n))
		}
	}
	for _, p := range n.people {
		if n.firms[p.Firm].Plant || p.Disabled || !v.actor.Plant && p.Firm != v.actor.Firm {
			continue
		}
		one := tick{string(p.ID), p.Name + ", " + n.firm(p.Firm), form.Get("machine") == string(p.ID)}
		if p.Machine {
			view.Machines = append(view.Machines, one)
			continue
		}
		one.On = form.Get("keeper") == string(p.ID) || form.Get("keeper") == "" && p.ID == v.actor.Person
		view.Keepers = append(view.Keepers, one)
	}
	byText := func(a, b tick) int { return strings.Compare(a.Text, b.Text) }
	slices.SortFunc(view.Machines, byText)
	slices.SortFunc(view.Keepers, byText)
	var may []policy.AssetName
	for _, f := range v.plant.StandingFrames() {
		view.Frames = append(view.Frames, v.frameLine(f))
		may = append(may, f.Assets...)
	}
	view.Ways = slices.DeleteFunc(v.ways(form["way"]), func(w wayChoice) bool {
		asset, _, _ := strings.Cut(w.Value, "/")
		return !slices.Contains(may, policy.AssetName(asset))
	})
	return g.show(v, status, "standing", "Standing", view)
}

// standingLines are the machines that stand, the next to be confirmed first.
func (g *Pages) standingLines(v *visit, n roll) (lines []standingLine, err error) {
	all, err := g.Desk.Standings(v.ctx(), v.actor)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	in := map[policy.WindowID]bool{}
	for _, l := range g.Broker.Sessions() {
		for _, c := range l.Channels {
			in[c.Window] = true
		}
	}
	for _, s := range all {
		line := standingLine{WindowLine: g.windowLine(v, s.Window, n), boundView: *v.bound(s.Claim.Machine, s.Claim.People, n), In: in[s.ID], Soon: s.Until.Sub(v.now) < 14*24*time.Hour}
		var owners []string
		for _, o := range s.Owners {
			owners = append(owners, v.role(o))
		}
		line.Owners = strings.Join(owners, " or ")
		if line.May.Extend && s.Most.After(s.Until) {
			at := v.at(s.Most)
			line.Confirm = &at
		}
		lines = append(lines, line)
	}
	return lines, nil
}

func (g *Pages) askStanding(v *visit) error {
	f := v.r.PostForm
	return g.askOnce(v, func() (approvals.Ask, error) { return v.readStanding(g, f) }, func(p *api.Problem) error {
		return g.showStanding(v, p.Status, p.Detail, f)
	})
}

func (v *visit) readStanding(g *Pages, f url.Values) (a approvals.Ask, err error) {
	a = approvals.Ask{Kind: evidence.Machine, People: []policy.PersonID{policy.PersonID(f.Get("machine"))}, Rights: policy.Look, Reason: f.Get("reason"), WorkOrder: f.Get("work_order"),
		Machine: approvals.Machine{Frame: f.Get("frame"), Keeper: policy.PersonID(f.Get("keeper"))}}
	if f.Get("copy") != "" {
		a.Rights |= policy.Copy
	}
	p, err := g.Roster.Person(v.ctx(), a.People[0])
	if err != nil {
		return a, &policy.Refusal{Rule: "no-such-machine", Say: "Choose the machine. It is invited first, on the page People, and brings its key.", Why: err.Error()}
	}
	a.Firm = p.Firm
	if a.Machine.Networks, err = people.Networks(f.Get("networks")); err != nil {
		return a, err
	}
	if a.Targets, err = readWays(f["way"]); err != nil {
		return a, err
	}
	if s := f.Get("until"); s != "" {
		if a.To, err = v.dayEnd(s); err != nil {
			return a, err
		}
	}
	if s := f.Get("days"); s != "" {
		days, err := strconv.Atoi(s)
		if err != nil || days < 1 || days > 90 {
			return a, &policy.Refusal{Rule: "bad-minutes", Say: "It is confirmed after 1 to 90 days.", Why: "days " + s}
		}
		a.Minutes = days * 24 * 60
	}
	return a, nil
}

// confirmTo is how far a standing agreement can be confirmed to now.
func (g *Pages) confirmTo(v *visit, id policy.WindowID) (time.Time, error) {
	all, err := g.Desk.Standings(v.ctx(), v.actor)
	if err != nil {
		return time.Time{}, err
	}
	for _, s := range all {
		if s.ID == id {
			return s.Most, nil
		}
	}
	return time.Time{}, &policy.Refusal{Rule: "illegal-step", Say: "It does not run any more. Look again."}
}
