package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/broker/api"
	"penstock/policy"
)

// outagesView is the list of outages, and a plan that somebody is making.
type outagesView struct {
	Now, Past []outageLine
	Plan      *planView
	Form      planForm
	Columns   string // of the file
}

type outageLine struct {
	ID, Name, State string
	From, To        stamp
	Rows            int
}

// planForm is what somebody has typed.
type planForm struct{ Name, From, To, Rows string }

// planView is what is wrong with a plan; rows count from 1.
type planView struct {
	Say       string // why it does not read
	Rows      int
	Bad       []plannedRow
	Look      []plannedRow
	Conflicts []string
	Escorts   string
	Ready     bool
}

type plannedRow struct {
	Row int
	Say string
}

func (g *Pages) outagesPage(v *visit) error {
	view, err := g.outages(v)
	if err != nil {
		return err
	}
	return g.show(v, http.StatusOK, "outages", "Outages", view)
}

func (g *Pages) outages(v *visit) (outagesView, error) {
	view := outagesView{Columns: api.RowColumns()}
	list, err := g.Desk.Outages(v.ctx(), v.actor)
	if err != nil {
		return view, err
	}
	for _, o := range list {
		line := outageLine{ID: o.ID, Name: o.Document.Name, From: v.at(o.Document.From), To: v.at(o.Document.To), Rows: len(o.Document.Rows)}
		switch {
		case o.Withdrawn != "":
			line.State = "taken back"
		case o.Past(v.now):
			line.State = "over"
		case v.now.Before(o.Document.From):
			line.State = "to come"
		default:
			line.State = "runs"
		}
		if o.Past(v.now) {
			view.Past = append(view.Past, line)
		} else {
			view.Now = append(view.Now, line)
		}
	}
	view.Past = view.Past[:min(len(view.Past), 20)]
	return view, nil
}

// readPlan takes a plan from the form; Say of the view is what does not read.
func (v *visit) readPlan() (form planForm, ask approvals.OutageAsk, say string) {
	f := v.r.PostForm
	form = planForm{strings.TrimSpace(f.Get("name")), f.Get("from"), f.Get("to"), f.Get("rows")}
	zone := v.plant.Location()
	from, err := policy.ParseClock("2006-01-02T15:04", form.From, zone)
	to, err2 := policy.ParseClock("2006-01-02T15:04", form.To, zone)
	if no, skipped := errors.AsType[*policy.Refusal](cmp.Or(err, err2)); skipped {
		return form, ask, no.Say
	}
	if err != nil || err2 != nil {
		return form, ask, "Say when it begins and when it ends."
	}
	in := api.OutageAsk{Name: form.Name, From: from, To: to}
	if strings.TrimSpace(form.Rows) != "" {
		if in.Rows, err = api.ParseRows(form.Rows, policy.ClockOf(zone), from, to); err != nil {
			return form, ask, err.Error()
		}
	}
	if ask, err = outageOf(in); err != nil {
		return form, ask, sayRow(err)
	}
	return form, ask, ""
}

func sayRow(err error) string {
	if no, ok := errors.AsType[*policy.Refusal](err); ok {
		return no.Say
	}
	return err.Error()
}

// planOutage says what is wrong with a plan, and asks for nothing.
func (g *Pages) planOutage(v *visit) error {
	view, err := g.outages(v)
	if err != nil {
		return err
	}
	form, ask, wrong := v.readPlan()
	view.Form, view.Plan = form, &planView{Say: wrong, Rows: len(ask.Rows)}
	if wrong != "" {
		return g.show(v, http.StatusOK, "outages", "Outages", view)
	}
	plan, err := g.Desk.PlanOutage(v.ctx(), v.actor, ask)
	if no, ok := errors.AsType[*policy.Refusal](err); ok {
		view.Plan.Say = no.Say
		return g.show(v, http.StatusOK, "outages", "Outages", view)
	}
	if err != nil {
		return err
	}
	p := view.Plan
	for i := range ask.Rows {
		if plan.Impossible[i] != "" {
			p.Bad = append(p.Bad, plannedRow{i + 1, plan.Impossible[i]})
		} else if len(plan.Look[i]) > 0 {
			p.Look = append(p.Look, plannedRow{i + 1, strings.Join(plan.Look[i], "; ")})
		}
	}
	for _, c := range plan.Conflicts {
		p.Conflicts = append(p.Conflicts, c.Say)
	}
	p.Escorts, p.Ready = plan.Escorts, len(p.Bad) == 0
	return g.show(v, http.StatusOK, "outages", "Outages", view)
}

func (g *Pages) proposeOutage(v *visit) error {
	_, ask, wrong := v.readPlan()
	if wrong != "" {
		return &policy.Refusal{Rule: "bad-plan", Say: wrong, Why: wrong}
	}
	o, err := g.Desk.ProposeOutage(v.ctx(), v.actor, ask)
	if err != nil {
		return err
	}
	return g.done(v, "/outages/"+o.ID, "Asked for: "+count(len(o.Rows), "row", "rows")+". Those who must agree are told.")
}

// outageView is one outage as it stands.
type outageView struct {
	ID, Name, By, Document string
	From, To               stamp
	Withdrawn              string
	Rev                    int
	Agreed, Waits, Not     int
	Phone                  string // two words
	Conflicts              []string
	Escorts                string
	Look                   []outageRow // that wait for the reader, and have something unusual
	Rest                   []outageRow // that wait for the reader
	Crews                  []crewView
	Unlisted               []string
	Passkey, Key           bool
	MayTake, Open          bool // withdraw; put rows on it
}

type outageRow struct {
	Request, Window, What, Rights, Firm, Crew, Area, State string
	Who                                                    []string
	Why, WorkOrder, Worst, Named                           string
	From, To                                               stamp
	Look, After                                            []string
	Gone, Changed                                          bool
}

type crewView struct {
	Name string
	Rows []outageRow
	Open int // windows that the reader could open now
}

func (g *Pages) outagePage(v *visit) error {
	o, err := g.Desk.Outage(v.ctx(), v.actor, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := v.outage(o, n)
	view.Passkey = v.passkey(n) && g.passkeysHere(v)
	return g.show(v, http.StatusOK, "outage", o.ID, view)
}

func (v *visit) outage(o approvals.Outage, n roll) outageView {
	d := o.Document
	view := outageView{ID: o.ID, Name: d.Name, By: n.person(policy.PersonID(d.By)), Document: o.Hash.String(), From: v.at(d.From), To: v.at(d.To), Rev: d.Rev,
		Unlisted: words(o.Unlisted), Escorts: o.Escorts, MayTake: v.takes(), Open: !o.Past(v.now), Key: v.plant.ChangeProof() == policy.ByKey}
	view.Phone = strings.ToUpper(strings.Join(evidence.Words(o.Hash)[:2], " "))
	if o.Withdrawn != "" {
		view.Withdrawn = n.person(o.Withdrawn)
	}
	for _, c := range o.Conflicts {
		view.Conflicts = append(view.Conflicts, c.Say)
	}
	for _, r := range o.Rows {
		line := v.outageRow(r, n)
		switch {
		case r.State == approvals.RequestAgreed:
			view.Agreed++
		case r.State == approvals.RequestWaiting || r.State == approvals.RequestAsleep:
			view.Waits++
		default:
			view.Not++
		}
		if view.Open && r.Yours && !r.Changed {
			if len(r.Look) > 0 {
				view.Look = append(view.Look, line)
			} else {
				view.Rest = append(view.Rest, line)
			}
		}
		i := slices.IndexFunc(view.Crews, func(c crewView) bool { return c.Name == r.Crew })
		if i < 0 {
			view.Crews, i = append(view.Crews, crewView{Name: r.Crew}), len(view.Crews)
		}
		c := &view.Crews[i]
		c.Rows = append(c.Rows, line)
		opens := v.opens(n, nil, r.Text.Assets, r.Text.Rights) && string(v.actor.Firm) != r.Text.Firm
		if opens && r.State == approvals.RequestAgreed && r.Runs == approvals.WindowAgreed && !v.now.Before(r.Text.From) && v.now.Before(r.Text.To) {
			c.Open++
		}
	}
	return view
}

func (v *visit) outageRow(r approvals.OutageRow, n roll) outageRow {
	d := r.Text
	line := outageRow{Request: r.Request, Window: string(r.Window), What: titles(v.targets(d.Assets)), Rights: rightsOf(d.Rights).InWords(), Firm: n.firm(policy.FirmID(d.Firm)),
		Crew: r.Crew, Area: r.Area, Who: n.list(d.People), Why: d.Reason, WorkOrder: d.WorkOrder, Worst: d.Worst, Named: d.Named(), From: v.at(d.From), To: v.at(d.To), Look: r.Look, After: r.After,
		Gone: r.Over(), Changed: r.Changed}
	switch {
	case r.State == approvals.RequestAgreed:
		line.State = map[approvals.WindowState]string{approvals.WindowAgreed: "agreed, not open", approvals.WindowOpen: "open", approvals.WindowPaused: "paused", approvals.WindowEnding: "ending",
			approvals.WindowEnded: "ended", approvals.WindowCut: "cut", approvals.WindowClosed: "closed", approvals.WindowUnused: "not used"}[r.Runs]
	case len(r.Needs) > 0:
		var roles []string
		for _, need := range r.Needs {
			roles = append(roles, v.role(need.Role))
		}
		line.State = "waits for " + strings.Join(roles, ", ")
	default:
		line.State = string(r.State)
	}
	return line
}

// listReply reads which rows somebody has looked at, and which list it was.
func (v *visit) listReply() (audit.Hash, approvals.ListReply, error) {
	document, err := audit.ParseHash(v.r.PostForm.Get("document"))
	if err != nil {
		return document, approvals.ListReply{}, badCall{fmt.Errorf("the form does not say which list it answers: %w", err)}
	}
	return document, approvals.ListReply{Looked: names[policy.RequestID](v.r.PostForm["look"])}, nil
}

// draftList is what this form would sign.
func (g *Pages) draftList(v *visit) error {
	document, reply, err := v.listReply()
	if err != nil {
		return err
	}
	a, _, err := g.Desk.DraftList(v.ctx(), v.actor, v.r.PathValue("id"), document, reply)
	if err != nil {
		return v.refusedPlan(err)
	}
	return g.plan(v, a, evidence.AnswerNamespace, document.String())
}

// signList takes the reader's yes to all that needs no look, and to what they have looked at.
func (g *Pages) signList(v *visit) error {
	id, keep := v.r.PathValue("id"), func() {}
	document, reply, err := v.listReply()
	if err != nil {
		return err
	}
	if reply.Signed, err = g.signedForm(v); err == nil && reply.Signed != nil {
		keep, err = g.stepUpSigned(v, reply.Signed)
	}
	if err != nil {
		return err
	}
	taken, err := g.Desk.AnswerList(v.ctx(), v.actor, id, document, reply)
	if err != nil {
		return err
	}
	keep()
	said := "Signed: " + count(len(taken.Rows), "row", "rows") + "."
	for _, r := range taken.Outage.Rows { // in the list's order
		if why, not := taken.Not[policy.RequestID(r.Request)]; not {
			said += " " + r.Request + " is not answered: " + why
		}
	}
	return g.done(v, "/outages/"+id, said)
}

func (g *Pages) putOnList(v *visit) error {
	id, f := v.r.PathValue("id"), v.r.PostForm
	row := approvals.RowAsk{Request: policy.RequestID(f.Get("request")), Crew: f.Get("crew"), Area: f.Get("area")}
	if _, err := g.Desk.PutOnOutage(v.ctx(), v.actor, id, []approvals.RowAsk{row}); err != nil {
		return err
	}
	return g.done(v, "/outages/"+id, string(row.Request)+" is on the list.")
}

func (g *Pages) openCrew(v *visit) error {
	id := v.r.PathValue("id")
	list, err := g.Desk.OpenCrew(v.ctx(), v.actor, id, v.r.PostForm.Get("crew"))
	if err != nil {
		return err
	}
	open, not := 0, ""
	for _, o := range list {
		if o.Say == "" {
			open++
			continue
		}
		not += " " + string(o.Window) + " stays closed: " + o.Say
	}
	return g.done(v, "/outages/"+id, count(open, "window is", "windows are")+" open."+not)
}

func (g *Pages) withdrawOutage(v *visit) error {
	id := v.r.PathValue("id")
	if err := g.Desk.WithdrawOutage(v.ctx(), v.actor, id, v.r.PostForm.Get("why")); err != nil {
		return err
	}
	return g.done(v, "/outages/"+id, "Taken back, with all that has not begun.")
}

// coming are the outages that run, or begin within a fortnight.
func (v *visit) coming(f *boardFacts) (list []comingView) {
	states := map[string]approvals.RequestState{}
	for _, q := range f.requests {
		states[string(q.ID)] = q.State
	}
	for _, o := range slices.Backward(f.outages) {
		if o.Past(v.now) || o.Document.From.After(v.now.Add(14*24*time.Hour)) {
			continue
		}
		one := comingView{ID: o.ID, Name: o.Document.Name, From: v.at(o.Document.From), To: v.at(o.Document.To), Runs: !v.now.Before(o.Document.From)}
		for _, r := range o.Document.Rows {
			switch states[r.Request] {
			case approvals.RequestAgreed:
				one.Windows++
			case approvals.RequestWaiting, approvals.RequestAsleep:
				one.Waiting++
			}
		}
		list = append(list, one)
	}
	return list
}
