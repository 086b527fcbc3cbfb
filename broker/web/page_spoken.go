package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// speakView is somebody whose yes the reader may have heard on the telephone.
type speakView struct{ ID, First, Name, Phone string }

// speak are those whose spoken yes the reader may write down (pages.md S2, the
// variant of who is alone).
func (g *Pages) speak(v *visit, out *requestView, q approvals.Request, n roll) error {
	list, err := g.Desk.MaySpeak(v.ctx(), v.actor, q.ID)
	if err != nil {
		return err
	}
	for _, id := range list {
		name := n.person(id)
		first, _, _ := strings.Cut(name, " ")
		out.Speak = append(out.Speak, speakView{string(id), first, name, n.people[id].Phone})
	}
	slices.SortFunc(out.Speak, func(a, b speakView) int { return strings.Compare(a.Name, b.Name) })
	if len(out.Speak) > 0 {
		out.SpeakBy = v.at(v.now.Add(evidence.CountersignIn))
		v.signing(out, q.Document, n)
	}
	return nil
}

// spokenReply reads which yes was heard.
func (v *visit) spokenReply() (audit.Hash, approvals.Reply, error) {
	document, err := audit.ParseHash(v.r.PostForm.Get("document"))
	if err != nil {
		return document, approvals.Reply{}, badCall{fmt.Errorf("the form does not say which text it answers: %w", err)}
	}
	return document, approvals.Reply{Says: evidence.Yes, Spoken: policy.PersonID(v.r.PostForm.Get("person"))}, nil
}

// draftSpoken is what writing a yes down would sign.
func (g *Pages) draftSpoken(v *visit) error {
	document, reply, err := v.spokenReply()
	if err != nil {
		return err
	}
	a, err := g.Desk.Draft(v.ctx(), v.actor, requestID(v.r), document, reply)
	if err != nil {
		return v.refusedPlan(err)
	}
	return g.plan(v, a, evidence.AnswerNamespace, document.String())
}

// saySpoken writes a yes down that was heard, and opens where it was the last one.
func (g *Pages) saySpoken(v *visit) error {
	document, reply, err := v.spokenReply()
	keep := func() {}
	if err == nil {
		reply.Signed, err = g.signedForm(v)
	}
	if err == nil && reply.Signed != nil { // one tap writes it down, and opens
		keep, err = g.stepUpSigned(v, reply.Signed)
	}
	if err != nil {
		return err
	}
	q, err := g.Desk.Answer(v.ctx(), v.actor, requestID(v.r), document, reply)
	if err != nil {
		return g.notTaken(v, err)
	}
	keep()
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	page, d := "/requests/"+string(q.ID), q.Document
	who := n.person(reply.Spoken)
	if q.Window == "" || d.Open != "shift" || !v.opens(n, q.Asked, d.Assets, d.Rights) || v.now.Before(d.From) {
		return g.done(v, page, "Written down. "+who+" signs it by "+v.at(v.now.Add(evidence.CountersignIn)).Text()+".")
	}
	w, err := g.Desk.Open(v.ctx(), v.actor, q.Window)
	if err != nil {
		if problem(err).Status >= 500 {
			return err
		}
		return g.done(v, page, "Written down. It is not open yet: "+say(err))
	}
	return g.done(v, page, "Open. Ends "+v.at(w.Until).Text()+" by itself. "+who+" signs that yes by "+v.at(v.now.Add(evidence.CountersignIn)).Text()+".")
}

// spokenLine is one yes on the telephone.
type spokenLine struct {
	Window, Request, Firm, Who, Heard, State string
	At, Due                                  stamp
	Mine, MayClear, Late                     bool
	Passkey, Key                             bool
}

type spokenView struct{ Open, Over []spokenLine }

func (g *Pages) spokenPage(v *visit) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	list, err := g.Desk.Spoken(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	var view spokenView
	for _, s := range list {
		line, err := g.spokenLine(v, s, n)
		if err != nil {
			return err
		}
		if s.Open() {
			view.Open = append(view.Open, line)
		} else {
			view.Over = append(view.Over, line)
		}
	}
	return g.show(v, http.StatusOK, "spoken", "Said on the phone", view)
}

func (g *Pages) spokenLine(v *visit, s approvals.Spoken, n roll) (spokenLine, error) {
	line := v.spokenWords(s, n)
	if !line.Mine {
		return line, nil
	}
	q, err := g.Desk.Request(v.ctx(), v.actor, s.Request)
	if err != nil {
		return line, err
	}
	var view requestView
	v.signing(&view, q.Document, n)
	line.Passkey, line.Key = view.May.Passkey, view.May.Key
	return line, nil
}

func (v *visit) spokenWords(s approvals.Spoken, n roll) spokenLine {
	line := spokenLine{Window: string(s.Window), Request: string(s.Request), Firm: n.firm(s.Firm), Who: n.person(s.Person), Heard: n.person(s.Heard), At: v.at(s.At), Due: v.at(s.Due), Late: s.Late(v.now)}
	line.Mine = s.Person == v.actor.Person && s.Says != evidence.Countersign
	line.MayClear = line.Late && v.plant.IsSecurity(v.actor.Roles) && s.Person != v.actor.Person && s.Heard != v.actor.Person
	switch {
	case s.Cleared != "":
		line.State = "stands without a signature, by " + n.person(s.Cleared)
	case s.Says == evidence.Countersign:
		line.State = "signed " + v.at(s.Signed).Text()
	case s.Says == evidence.Deny:
		line.State = "denied " + v.at(s.Signed).Text()
	case line.Late:
		line.State = "not signed in time"
	default:
		line.State = "to be signed by " + v.at(s.Due).Text()
	}
	return line
}

// draftCountersign is what the person signs of whom a yes was heard.
func (g *Pages) draftCountersign(v *visit) error {
	a, err := g.Desk.DraftCountersign(v.ctx(), v.actor, policy.WindowID(v.r.PathValue("id")), v.r.PostForm.Get("says"))
	if err != nil {
		return v.refusedPlan(err)
	}
	return g.plan(v, a, evidence.AnswerNamespace, a.Request.String())
}

func (g *Pages) countersign(v *visit) error {
	signed, err := g.signedForm(v)
	if err != nil {
		return err
	}
	s, err := g.Desk.Countersigns(v.ctx(), v.actor, policy.WindowID(v.r.PathValue("id")), v.r.PostForm.Get("says"), signed)
	if err != nil {
		return err
	}
	said := "Signed. It is proved from now on."
	if s.Says == evidence.Deny {
		said = "You say that it was not you. OT security is told. If it must not go on, cut it: page of the window."
	}
	return g.done(v, "/spoken", said)
}

func (g *Pages) clearSpoken(v *visit) error {
	if err := g.Desk.ClearSpoken(v.ctx(), v.actor, policy.WindowID(v.r.PathValue("id")), v.r.PostForm.Get("why")); err != nil {
		return err
	}
	return g.done(v, "/spoken", "It stands without a signature, and proves nothing.")
}
