package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// emergencyView is what a page says loudly of an emergency: what it begins with,
// what a second tap adds, what is waived, and how often there was one.
type emergencyView struct {
	Starts, Adds string
	Waived       []string
	Often        string // how many there were, where the plant wants to hear it
	TooOften     bool
}

// owedView is an emergency that waits for its review.
type owedView struct {
	Window, Firm string
	Late         bool
	At           stamp
}

func (g *Pages) emergencyOf(v *visit, d evidence.Request) (*emergencyView, error) {
	if d.Kind != evidence.Emergency {
		return nil, nil
	}
	starts := rightsOf(d.Starts)
	out := &emergencyView{Starts: starts.InWords(), Waived: d.Waives}
	if more := rightsOf(d.Rights) &^ starts; more != 0 {
		out.Adds = more.InWords()
	}
	all, err := g.Desk.Windows(v.ctx(), v.actor)
	if err != nil || !v.actor.Plant {
		return out, err
	}
	out.Often, out.TooOften = v.howOften(all)
	return out, nil
}

// howOften counts the emergencies that were opened within the plant's time for it; drills are none.
func (v *visit) howOften(all []approvals.Window) (text string, above bool) {
	e := v.plant.Emergency
	if e.NoticeIn == 0 {
		return "", false
	}
	n := 0
	for _, w := range all {
		if w.Emergency && !w.Drill && !w.Opened.IsZero() && w.Opened.After(v.now.Add(-e.NoticeIn)) {
			n++
		}
	}
	days := int(e.NoticeIn / (24 * time.Hour))
	return fmt.Sprintf("%d in %d days; more than %d is too often", n, days, e.NoticeAbove), n > e.NoticeAbove
}

// quickTick says what an emergency means in this plant; nil: it has none.
func (v *visit) quickTick(on bool) *tick {
	e := v.plant.Emergency
	if !e.There() {
		return nil
	}
	text := "One yes of " + v.role(e.Agree[0]) + ". It begins with: " + e.Starts(e.StartsAs).InWords() + "."
	if more := e.SecondTap &^ (e.StartsAs | policy.Look); more != 0 {
		text += " Only by a second tap: " + more.InWords() + "."
	}
	return &tick{evidence.Emergency, text + " Everybody who must know is told at once, and it is reviewed.", on}
}

// quick says whether the reader gives an emergency's one yes, and opens it.
func (v *visit) quick(n roll, asked []approvals.Asked) bool {
	return v.actor.Plant && slices.ContainsFunc(v.plant.Emergency.Agree, v.standsFor(n, asked))
}

// opensWindow says whether the reader opens a window, and steps it up.
func (v *visit) opensWindow(w approvals.Window, n roll) bool {
	if f := w.Claim.Machine.Frame; f != "" { // its frame's owners confirm a machine's, and let it go on
		frame, _ := v.plant.Pattern(f)
		return v.actor.Plant && slices.ContainsFunc(frame.Owners, v.standsFor(n, w.Asked))
	}
	return v.opens(n, w.Asked, w.Claim.Assets, w.Claim.Rights) || w.Emergency && v.quick(n, w.Asked)
}

// stepTicks are the rights that a second tap would add.
func stepTicks(w approvals.Window) (all []tick) {
	for _, r := range w.MayStep {
		all = append(all, tick{r, rightWord(r), true})
	}
	return all
}

// stepUp is the second tap, as the form has it or as it was signed.
func (g *Pages) stepUp(v *visit, id policy.WindowID) (approvals.Window, error) {
	signed, err := g.signedForm(v)
	if err != nil {
		return approvals.Window{}, err
	}
	if signed == nil {
		rights, err := stepRights(v)
		if err != nil {
			return approvals.Window{}, err
		}
		if v.envelope() {
			a, err := g.Desk.DraftStepUp(v.ctx(), v.actor, id, rights)
			if signed, err = v.onPaper(a, err); err != nil {
				return approvals.Window{}, err
			}
			return g.Desk.StepUpSigned(v.ctx(), v.actor, id, *signed)
		}
		return g.Desk.StepUp(v.ctx(), v.actor, id, rights)
	}
	keep, err := g.stepUpSigned(v, signed)
	if err != nil {
		return approvals.Window{}, err
	}
	w, err := g.Desk.StepUpSigned(v.ctx(), v.actor, id, *signed)
	if err == nil {
		keep()
	}
	return w, err
}

// draftStep is what the second tap of this form would sign.
func (g *Pages) draftStep(v *visit) error {
	rights, err := stepRights(v)
	if err != nil {
		return v.refusedPlan(err)
	}
	a, err := g.Desk.DraftStepUp(v.ctx(), v.actor, policy.WindowID(v.r.PathValue("id")), rights)
	if err != nil {
		return v.refusedPlan(err)
	}
	return g.plan(v, a, evidence.AnswerNamespace, a.Request.String())
}

func stepRights(v *visit) (policy.Rights, error) {
	rights, err := policy.ParseRights(append([]string{"look"}, v.r.PostForm["right"]...))
	if err != nil || rights == policy.Look {
		return 0, &policy.Refusal{Rule: "no-rights", Say: "Tick what they may do besides.", Why: strings.Join(v.r.PostForm["right"], " ")}
	}
	return rights, nil
}
