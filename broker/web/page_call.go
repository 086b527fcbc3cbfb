package web

import (
	"net/http"
	"strings"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// calledView is the page with a code that is read out. It stands there once.
type calledView struct {
	ID, Code, Line, Phone string
	Who                   []string
	Until                 stamp
	Waits                 []string // who has to agree besides
	Window                string
	Sign                  bool // the reader's own yes is still to be signed
	Call                  *call
}

// callIn asks a firm's people in; the tap is the ask and the reader's own yes.
func (g *Pages) callIn(v *visit) error {
	f := v.r.PostForm
	v.s.asking.Lock()
	defer v.s.asking.Unlock()
	if id, again := v.s.askedBy(f.Get("once")); again { // a double tap calls once; a new code is on the request's page
		http.Redirect(v.w, v.r, "/requests/"+string(id), http.StatusSeeOther)
		return nil
	}
	a, err := v.readAsk(g, f)
	var q approvals.Request
	var code string
	if err == nil {
		q, code, err = g.Desk.CallIn(v.ctx(), v.actor, a)
	}
	if q.ID != "" {
		v.s.hasAsked(f.Get("once"), q.ID)
	}
	if err == nil {
		return g.showCalled(v, q, code)
	}
	if p := problem(err); q.ID == "" && p.Status < 500 {
		return g.showAsk(v, p.Status, &policy.Refusal{Rule: p.Rule, Say: p.Detail}, f)
	}
	if q.ID != "" && problem(err).Status < 500 { // it is asked; the yes is still to be given
		return g.done(v, "/requests/"+string(q.ID), string(q.ID)+" is asked. "+say(err))
	}
	return err
}

func (g *Pages) callAgain(v *visit) error {
	code, err := g.Desk.Call(v.ctx(), v.actor, requestID(v.r))
	if err != nil {
		return err
	}
	q, err := g.Desk.Request(v.ctx(), v.actor, requestID(v.r))
	if err != nil {
		return err
	}
	return g.showCalled(v, q, code)
}

func (g *Pages) showCalled(v *visit, q approvals.Request, code string) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := calledView{ID: string(q.ID), Code: code, Line: g.sshLine("desk") + " here " + code, Who: n.list(q.Document.People),
		Window: string(q.Window), Call: v.call(n, q.Document.People), Phone: strings.ToUpper(strings.Join(evidence.Words(q.Hash)[:2], " "))}
	view.Sign = string(v.actor.Person) == q.Document.By && !v.saidYes(q)
	if q.Call != nil {
		view.Until = v.at(q.Call.Until)
	}
	for _, need := range q.Needs {
		view.Waits = append(view.Waits, v.role(need.Role))
	}
	return g.show(v, http.StatusOK, "called", "Read this code out", view)
}

// calledWords says how a call-in stands; empty: it is none.
func (v *visit) calledWords(called bool, c *approvals.Call, n roll) string {
	switch {
	case !called:
		return ""
	case c == nil || c.Until.IsZero():
		return "Called in; no code was read out yet."
	case c.Here != "":
		return n.person(c.Here) + " answered the call " + v.at(c.At).Text() + "."
	case !v.now.Before(c.Until):
		return "Called in, and nobody has answered; the code is not good any more."
	}
	return "Called in; waits for them to type the code, to " + v.at(c.Until).Text() + "."
}
