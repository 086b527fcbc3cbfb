package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/broker/api"
	"penstock/policy"
)

// plantView is the plant file: which one is in force, and what changes of it wait.
type plantView struct {
	Print    string // of the one in force
	ByFile   bool
	Counts   []string // zones, conduits, assets
	Waiting  []changeLine
	Before   []changeLine
	Propose  string // what to type
	Security bool
}

type changeLine struct {
	ID, Why, By, State string
	At                 stamp
	You                bool // your yes is still needed
}

func (g *Pages) plantPage(v *visit) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	list, err := g.Desk.PlantChanges(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	p := v.plant
	view := plantView{Print: audit.HashOf(p.Document()).String(), ByFile: p.ByFile, Propose: "penstock policy propose plant.yaml --as " + string(v.actor.Person) + ` --why "…"`,
		Counts: []string{count(len(p.Zones), "zone", "zones"), count(len(p.Conduits), "conduit", "conduits"), count(len(p.Assets), "asset", "assets")}}
	for _, c := range list {
		line := changeLine{ID: c.ID, Why: c.Document.Why, By: n.person(policy.PersonID(c.Document.By)), State: v.changeWords(c), At: v.at(c.Document.At), You: v.stillAsks(c)}
		if c.State == approvals.ChangeWaiting || c.State == approvals.ChangeApplied {
			view.Waiting = append(view.Waiting, line)
		} else {
			view.Before = append(view.Before, line)
		}
	}
	return g.show(v, http.StatusOK, "plant", "Plant file", view)
}

// stillAsks says whether the viewer's yes is one of those that are missing.
func (v *visit) stillAsks(c approvals.PlantChange) bool {
	return c.State == approvals.ChangeWaiting && !c.Stale && !v.saidTo(c) &&
		slices.ContainsFunc(c.Left, func(n policy.Need) bool { return v.actor.Has(n.Role) })
}

func (v *visit) saidTo(c approvals.PlantChange) bool {
	return slices.ContainsFunc(c.Answers, func(a approvals.AnswerLine) bool { return a.Person == v.actor.Person && a.Says == evidence.Yes })
}

// changeWords is where a change stands, with what comes next.
func (v *visit) changeWords(c approvals.PlantChange) string {
	switch c.State {
	case approvals.ChangeWaiting:
		switch {
		case c.Stale:
			return "overtaken: another plant file came in force; propose it anew"
		case len(c.Left) == 0:
			return "agreed, can be put in force"
		}
		var roles []string
		for _, need := range c.Left {
			roles = append(roles, v.role(need.Role))
		}
		return "waits for " + strings.Join(roles, ", ")
	case approvals.ChangeApplied:
		return "in force, goes back at " + v.at(c.Confirm).Clock() + " unless somebody confirms it"
	case approvals.ChangeKept:
		return "was put in force"
	case approvals.ChangeBack:
		return "went back to the file before it"
	}
	return string(c.State)
}

// changeView is one change: what it does, who has to agree, and the buttons.
type changeView struct {
	changeLine
	Document       string
	Phone          string // two words
	Words          []string
	Until, Confirm stamp
	Gains          []string
	Loses          []string
	Alters         []string
	More           int
	Unfit          []unfitView
	Needs          []needView
	Answers        []answerView
	MayAnswer      bool
	Passkey        bool // the reader has a passkey that signs
	Key            bool // a code is not enough for a yes
	MayStep        bool // put in force, confirm, take back, withdraw
	Ready, Applied bool
	Waits          bool
}

type unfitView struct{ Window, Firm, What, Why string }

func (g *Pages) changePage(v *visit) error {
	c, err := g.Desk.PlantChange(v.ctx(), v.actor, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	d, err := g.Desk.ChangeDiff(v.ctx(), v.actor, c.ID)
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	return g.show(v, http.StatusOK, "change", c.ID, v.change(c, d, n))
}

func (v *visit) change(c approvals.PlantChange, d approvals.PlantDiff, n roll) changeView {
	view := changeView{changeLine: changeLine{ID: c.ID, Why: c.Document.Why, By: n.person(policy.PersonID(c.Document.By)), State: v.changeWords(c), At: v.at(c.Document.At), You: v.stillAsks(c)},
		Document: c.Hash.String(), Words: evidence.Words(c.Hash), Until: v.at(c.Document.Until), Confirm: v.at(c.Confirm),
		Waits: c.State == approvals.ChangeWaiting, Applied: c.State == approvals.ChangeApplied}
	view.Phone = strings.ToUpper(strings.Join(view.Words[:2], " "))
	v.differences(&view, d)
	for _, u := range d.Unfit {
		a, _ := v.plant.Asset(u.Target.Asset)
		view.Unfit = append(view.Unfit, unfitView{string(u.Window), n.firm(u.Firm), a.Title + ", " + a.Tag, u.Why})
	}
	asked := policy.PersonID(c.Document.By) == v.actor.Person
	for _, need := range c.Needs {
		one := needView{Role: v.role(need.Role), Count: need.Count}
		for _, p := range n.people {
			if !p.Disabled && n.firms[p.Firm].Plant && p.Has(need.Role) {
				one.People = append(one.People, p.Name)
			}
		}
		slices.Sort(one.People)
		if len(one.People) < need.Count {
			one.Nobody = fmt.Sprintf("Too few people hold this role: %s cannot be agreed until somebody is given it.", c.ID)
		}
		view.Needs = append(view.Needs, one)
		asked = asked || v.actor.Has(need.Role)
		view.MayAnswer = view.MayAnswer || v.actor.Has(need.Role)
	}
	view.MayAnswer = view.MayAnswer && view.Waits
	view.Passkey, view.Key = v.passkey(n), v.plant.ChangeProof() == policy.ByKey
	view.MayStep = asked && (view.Waits || view.Applied)
	view.Ready = view.Waits && !c.Stale && len(c.Left) == 0
	for _, a := range c.Answers {
		view.Answers = append(view.Answers, answerView{Who: n.person(a.Person), Role: v.role(a.Role), Says: a.Says, Why: a.Why, At: v.at(a.At)})
	}
	return view
}

func (v *visit) differences(view *changeView, d approvals.PlantDiff) {
	for i, one := range d.Differences {
		if i == mostDifferences {
			view.More = len(d.Differences) - mostDifferences
			break
		}
		switch one.Means {
		case policy.Gains:
			view.Gains = append(view.Gains, one.Text)
		case policy.Loses:
			view.Loses = append(view.Loses, one.Text)
		default:
			view.Alters = append(view.Alters, one.What+" "+one.Text)
		}
	}
}

// sayPlant takes a yes or a no.
func (g *Pages) sayPlant(v *visit) error {
	id := v.r.PathValue("id")
	document, reply, keep, err := g.saidOf(v)
	if err != nil {
		return err
	}
	if _, err := g.Desk.AnswerPlant(v.ctx(), v.actor, id, document, reply); err != nil {
		return err
	}
	keep()
	said := "You said yes."
	if reply.Says == evidence.No {
		said = "You said no. The change is refused."
	}
	return g.done(v, "/plant/"+id, said)
}

// stepPlant is one of the steps after the answers.
func (g *Pages) stepPlant(v *visit) error {
	id, verb := v.r.PathValue("id"), v.r.URL.Path[strings.LastIndexByte(v.r.URL.Path, '/')+1:]
	in := api.PlantStep{Why: strings.TrimSpace(v.r.PostForm.Get("why"))}
	if verb == "apply" {
		in.Within = v.r.PostForm.Get("within")
	}
	if err := g.plantStep(v.r, v.actor, verb, in); err != nil {
		return err
	}
	said := map[string]string{"apply": "It is in force.", "confirm": "Confirmed. It stays.", "back": "Taken back. The file before it is in force.", "withdraw": "Withdrawn."}[verb]
	return g.done(v, "/plant/"+id, said)
}
