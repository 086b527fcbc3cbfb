package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/people"
	"penstock/policy"
)

// askView is the request form; a refused one comes back as it was filled in.
type askView struct {
	Say    string
	Firms  []firmChoice
	Ways   []wayChoice
	Rights []tick
	Form   url.Values
	Vendor bool
}

type firmChoice struct {
	ID, Name string
	People   []tick
}

type wayChoice struct {
	Value, Tag, Title, Text string
	On                      bool
}

type tick struct {
	Value, Text string
	On          bool
}

func (g *Pages) askPage(v *visit) error { return g.showAsk(v, http.StatusOK, "", url.Values{}) }

func (g *Pages) showAsk(v *visit, status int, say string, form url.Values) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := askView{Say: say, Form: form, Vendor: !v.actor.Plant, Ways: v.ways(form["way"])}
	for _, f := range n.firms {
		if f.Plant || !v.actor.Plant && f.ID != v.actor.Firm {
			continue
		}
		c := firmChoice{string(f.ID), f.Name, nil}
		for _, p := range n.people {
			if _, keyed := p.Key(people.SSH); p.Firm == f.ID && !p.Disabled && keyed {
				on := slices.Contains(form["person"], string(p.ID)) || len(form) == 0 && p.ID == v.actor.Person
				c.People = append(c.People, tick{string(p.ID), p.Name, on})
			}
		}
		slices.SortFunc(c.People, func(a, b tick) int { return strings.Compare(a.Text, b.Text) })
		if len(c.People) > 0 {
			view.Firms = append(view.Firms, c)
		}
	}
	slices.SortFunc(view.Firms, func(a, b firmChoice) int { return strings.Compare(a.Name, b.Name) })
	for _, w := range rightWords {
		value := w.right.Words()[0]
		view.Rights = append(view.Rights, tick{value, w.words, slices.Contains(form["right"], value) || len(form) == 0 && w.right == policy.Look})
	}
	return g.show(v, status, "ask", "Ask for access", view)
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
				all = append(all, wayChoice{value, a.Tag, a.Title, "by " + string(p.Name) + ": can " + rightsText(p.Worst), slices.Contains(chosen, value)})
			}
			for _, acc := range p.Accounts {
				value := string(a.Name) + "/" + string(p.Name) + "/" + string(acc.Name)
				text := "by " + string(p.Name) + " as " + string(acc.Name) + ": can " + rightsText(acc.Worst)
				all = append(all, wayChoice{value, a.Tag, a.Title, text, slices.Contains(chosen, value)})
			}
		}
	}
	return all
}

func (g *Pages) ask(v *visit) error {
	f := v.r.PostForm
	a, err := v.readAsk(g, f)
	if err == nil {
		var q approvals.Request
		if q, err = g.Desk.Submit(v.ctx(), v.actor, a); err == nil {
			return g.done(v, "/requests/"+string(q.ID), "Asked. "+string(q.ID)+" waits for an answer.")
		}
	}
	p := problem(err)
	if p.Status >= 500 {
		return err
	}
	return g.showAsk(v, p.Status, p.Detail, f)
}

func (v *visit) readAsk(g *Pages, f url.Values) (approvals.Ask, error) {
	rights, err := policy.ParseRights(f["right"])
	if err != nil {
		return approvals.Ask{}, &policy.Refusal{Rule: "no-rights", Say: "Tick what has to be done.", Why: err.Error()}
	}
	a := approvals.Ask{People: names[policy.PersonID](f["person"]), Rights: rights, Reason: f.Get("reason"), WorkOrder: f.Get("work_order"),
		Change: f.Get("change"), Backup: f.Get("backup"), Backout: f.Get("backout"), AreaClear: f.Get("area_clear")}
	if len(a.People) == 0 || len(f["way"]) == 0 {
		return a, &policy.Refusal{Rule: "nobody", Say: "Tick who will work, and on which machine."}
	}
	p, err := g.Roster.Person(v.ctx(), a.People[0])
	if err != nil {
		return a, &policy.Refusal{Rule: "no-such-person", Say: "One of these people is not known here.", Why: err.Error()}
	}
	a.Firm = p.Firm
	for _, w := range f["way"] {
		parts := strings.Split(w, "/")
		if len(parts) != 3 {
			return a, &policy.Refusal{Rule: "no-such-way", Say: "Tick a machine of the list.", Why: w}
		}
		a.Targets = append(a.Targets, policy.Target{Asset: policy.AssetName(parts[0]), Port: policy.PortName(parts[1]), Account: policy.AccountName(parts[2])})
	}
	if a.Minutes, err = strconv.Atoi(f.Get("minutes")); err != nil || a.Minutes < 1 {
		return a, &policy.Refusal{Rule: "bad-span", Say: "Say for how many minutes."}
	}
	return a, v.span(f, &a)
}

// span: without times it is from now, for as long as the work takes and four hours more.
func (v *visit) span(f url.Values, a *approvals.Ask) (err error) {
	a.From = v.now
	if s := f.Get("from"); s != "" {
		if a.From, err = v.localTime(s); err != nil {
			return err
		}
	}
	a.To = a.From.Add(time.Duration(a.Minutes)*time.Minute + 4*time.Hour)
	if s := f.Get("to"); s != "" {
		if a.To, err = v.localTime(s); err != nil {
			return err
		}
	}
	return nil
}
