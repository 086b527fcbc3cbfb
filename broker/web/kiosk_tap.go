package web

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/policy"
)

// At the screen a person says which name is theirs, and taps their own passkey
// over the text of one thing: an answer, an opening, a going on, a taking over.
// The text names that thing and the screen, so the tap is good for nothing else.

// tapper is somebody whose tap would count.
type tapper struct{ ID, Name string }

// tapping is what a page of the screen says of who may tap.
type tapping struct {
	Who []tapper
	As  string // who they say they are; empty: nobody yet
	Tap bool   // passkeys work here
	Way string // the page's own path
}

// Name is whoever was chosen.
func (t tapping) Name() string {
	for _, w := range t.Who {
		if w.ID == t.As {
			return w.Name
		}
	}
	return ""
}

// named is the visit of somebody who says who they are; it proves nothing.
func (g *Pages) named(v *visit, who string) (*visit, error) {
	a, err := g.Proofs.AtScreen(v.ctx(), v.actor, policy.PersonID(who))
	if err != nil {
		return nil, err
	}
	as := *v
	as.actor = a
	return &as, nil
}

// tappers finds whose tap would count; where it is one person, that is who stands
// there. The visit is theirs, or the screen's where nobody is chosen.
func (g *Pages) tappers(v *visit, n roll, may func(*visit) bool) (tapping, *visit, error) {
	t := tapping{Tap: g.passkeysHere(v), Way: v.r.URL.Path}
	is := v
	for _, id := range slices.Sorted(maps.Keys(n.people)) {
		p := n.people[id]
		signs := slices.ContainsFunc(p.Keys, func(k people.Key) bool { return k.Kind == people.Passkey && k.Signs() })
		if !n.firms[p.Firm].Plant || p.Disabled || !signs {
			continue
		}
		as, err := g.named(v, string(id))
		if err != nil {
			return t, is, err
		}
		if !may(as) {
			continue
		}
		t.Who = append(t.Who, tapper{string(id), n.person(id)})
		if string(id) == v.r.FormValue("as") {
			t.As, is = string(id), as
		}
	}
	if len(t.Who) == 1 {
		t.As = t.Who[0].ID
		as, err := g.named(v, t.As)
		return t, as, err
	}
	return t, is, nil
}

// kioskAsked is a request at the screen: what its page says, to whoever taps.
type kioskAsked struct {
	Request requestView
	By      tapping
	Sure    bool // nobody would stop it: it was asked once more
}

func (g *Pages) kioskRequest(v *visit) error {
	return g.asKiosk(v, func(v *visit) error { return g.kioskRequestAs(v, v.r.PathValue("id"), http.StatusOK, false) })
}

func (g *Pages) kioskRequestAs(v *visit, id string, status int, sure bool) error {
	q, err := g.Desk.Request(v.ctx(), v.actor, policy.RequestID(id))
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := kioskAsked{Sure: sure}
	var is *visit
	if view.By, is, err = g.tappers(v, n, func(as *visit) bool { return as.mayBeAsked(q, n) }); err != nil {
		return err
	}
	view.By.Way = "/kiosk/requests/" + id
	if view.Request, err = g.requestOf(is, q); err != nil {
		return err
	}
	return g.show(v, status, "kiosk-request", string(q.ID), view)
}

// mayBeAsked says whether the reader's answer would count.
func (v *visit) mayBeAsked(q approvals.Request, n roll) bool {
	waits := q.State == approvals.RequestWaiting || q.State == approvals.RequestAsleep
	return waits && slices.ContainsFunc(q.Needs, func(need policy.Need) bool { return v.asked(q, need.Role, n) })
}

// kioskWindow is a window at the screen, that a tap opens or lets go on.
type kioskWindow struct {
	Window  WindowLine
	Minutes string
	Targets []targetView
	Verb    string // open, go-on; empty: neither is to be done
	By      tapping
	Said    string
}

func (g *Pages) kioskWindowPage(v *visit) error {
	return g.asKiosk(v, func(v *visit) error {
		w, err := g.Desk.Window(v.ctx(), v.actor, windowID(v.r.PathValue("id")))
		if err != nil {
			return err
		}
		n, err := g.roll(v.ctx())
		if err != nil {
			return err
		}
		c, err := g.Desk.Conditions(v.ctx(), v.actor, w.ID)
		if err != nil {
			return err
		}
		view := kioskWindow{Said: v.kioskSaid(), Window: v.needing(g.windowLine(v, w, n), c, n), Minutes: minutesWords(w.Claim.Minutes), Targets: v.targets(w.Claim.Assets),
			Verb: map[approvals.WindowState]string{approvals.WindowAgreed: evidence.Opens, approvals.WindowPaused: evidence.GoesOn}[w.State]}
		if view.By, _, err = g.tappers(v, n, func(as *visit) bool { m := as.may(w, n); return m.Open || m.GoOn }); err != nil {
			return err
		}
		return g.show(v, http.StatusOK, "kiosk-window", string(w.ID), view)
	})
}

// kioskHandover is a handover at the screen.
type kioskHandover struct {
	Handover handoverView
	By       tapping
}

func (g *Pages) kioskHandoverPage(v *visit) error {
	return g.asKiosk(v, func(v *visit) error {
		h, view, n, err := g.handoverAt(v, v.r.PathValue("id"))
		if err != nil {
			return err
		}
		page := kioskHandover{Handover: view}
		page.By, _, err = g.tappers(v, n, func(as *visit) bool { return as.actor.Has(h.Team) && as.actor.Person != h.By })
		if err != nil {
			return err
		}
		page.Handover.MayTake = page.By.As != ""
		for _, list := range [][]handedLine{page.Handover.One, page.Handover.Rest} {
			for i := range list {
				list[i].Screen = true
			}
		}
		for i := range page.Handover.Coming {
			page.Handover.Coming[i].Screen = true
		}
		return g.show(v, http.StatusOK, "kiosk-handover", h.ID, page)
	})
}

func (g *Pages) handoverAt(v *visit, id string) (h approvals.Handover, view handoverView, n roll, err error) {
	all, err := g.Desk.Handovers(v.ctx(), v.actor)
	if err != nil {
		return h, view, n, err
	}
	i := slices.IndexFunc(all, func(h approvals.Handover) bool { return h.ID == id })
	if i < 0 {
		return h, view, n, &policy.Refusal{Rule: "no-such-handover", Say: "It is taken already: there is nothing left to do.", Why: id}
	}
	if n, err = g.roll(v.ctx()); err != nil {
		return h, view, n, err
	}
	view, err = g.handover(v, n, all[i])
	return all[i], view, n, err
}

// screenTap is one thing that a person gives at the screen.
type screenTap struct {
	is       *visit // whoever says that it is they
	document string // which text an answer must name; empty: none is on the page
	again    func() error
	draft    func() (evidence.Answer, error)
	do       func(people.Actor, evidence.Answer) (to string, err error)
}

// tapOf reads what a form of the screen is for.
func (g *Pages) tapOf(v *visit) (t screenTap, err error) {
	f, verb := v.r.PostForm, v.r.PathValue("verb")
	if f.Get("as") == "" {
		return t, &policy.Refusal{Rule: "who-are-you", Say: "Choose your name first, then tap your key.", Why: "no name in the form"}
	}
	if t.is, err = g.named(v, f.Get("as")); err != nil {
		return t, err
	}
	id, by := windowID(f.Get("window")), t.is.actor
	switch verb {
	case "answer":
		return t, g.answerTap(v, &t)
	case evidence.Opens, evidence.GoesOn:
		t.draft = func() (evidence.Answer, error) { return g.Desk.DraftTap(v.ctx(), by, id, verb) }
		t.do = func(by people.Actor, signed evidence.Answer) (string, error) {
			does := map[string]func() (approvals.Window, error){
				evidence.Opens:  func() (approvals.Window, error) { return g.Desk.OpenTapped(v.ctx(), by, id, signed) },
				evidence.GoesOn: func() (approvals.Window, error) { return g.Desk.GoOnTapped(v.ctx(), by, id, signed) }}
			_, err := does[verb]()
			return "/kiosk?said=" + verb, err
		}
	case "take":
		take, err := g.toTake(v)
		if err != nil {
			return t, err
		}
		t.draft = func() (evidence.Answer, error) {
			return g.Desk.DraftTakeOver(v.ctx(), by, f.Get("handover"), take)
		}
		t.do = func(by people.Actor, signed evidence.Answer) (string, error) {
			_, err := g.Desk.TakeOverTapped(v.ctx(), by, f.Get("handover"), take, signed)
			return "/kiosk?said=take", err
		}
	default:
		return t, badCall{errors.New("no verb of this screen")}
	}
	return t, nil
}

// toTake is what was ticked, and all the rest by one tick.
func (g *Pages) toTake(v *visit) ([]policy.WindowID, error) {
	_, view, _, err := g.handoverAt(v, v.r.PostForm.Get("handover"))
	if err != nil {
		return nil, err
	}
	return view.ticked(v.r.PostForm), nil
}

// noWords are the reasons that stand beside a no as chips.
var noWords = map[string]string{"no": "", "wrong-machine": "Wrong machine.", "no-work-order": "No work order.", "running": "The line runs."}

// lookInstead asks whether looking would be enough.
func lookInstead(account string) approvals.Reply {
	return approvals.Reply{Says: evidence.Question, Why: "Would looking be enough? Then ask again for look only, account " + account + "."}
}

// answerTap is a yes, or a no, to one request.
func (g *Pages) answerTap(v *visit, t *screenTap) error {
	f, is := v.r.PostForm, t.is
	id := policy.RequestID(f.Get("request"))
	y, err := g.answered(is, id)
	if err != nil {
		return err
	}
	t.document, y.reply = y.document.String(), approvals.Reply{Says: evidence.No}
	if says := f.Get("says"); says != "" {
		why, known := noWords[says]
		switch {
		case says == "look-only":
			y.reply = lookInstead(f.Get("account"))
		case !known:
			return badCall{errors.New("the form does not say what you answer")}
		default:
			y.reply.Why = why
		}
	} else {
		if err := is.reply(&y); err != nil {
			return err
		}
		if is.wantsSure(y) {
			t.again = func() error { return g.kioskRequestAs(v, string(id), http.StatusOK, true) }
		}
	}
	t.draft = func() (evidence.Answer, error) { return g.Desk.Draft(v.ctx(), is.actor, id, y.document, y.reply) }
	t.do = func(by people.Actor, signed evidence.Answer) (string, error) {
		after, err := g.Desk.Answer(v.ctx(), by, id, y.document, approvals.Reply{Signed: &signed})
		switch {
		case err != nil:
			return "", err
		case signed.Says == evidence.Question:
			return "/kiosk?said=asks", nil
		case signed.Says != evidence.Yes:
			return "/kiosk?said=no", nil
		case after.State != approvals.RequestAgreed || after.Window == "" || !y.view.May.Opens:
			return "/kiosk?said=yes", nil
		}
		_, err = g.Desk.OpenTapped(v.ctx(), by, after.Window, signed)
		if _, no := errors.AsType[*policy.Refusal](err); no { // the yes stands; its page says what it waits for
			return "/kiosk/windows/" + string(after.Window) + "?said=waits", nil
		}
		return "/kiosk?said=open", err
	}
	return nil
}

// kioskDraft is what a tap would sign.
func (g *Pages) kioskDraft(v *visit) error {
	return g.asKiosk(v, func(v *visit) error {
		t, err := g.tapOf(v)
		if err != nil {
			return v.refusedPlan(err)
		}
		if t.again != nil {
			return v.answerJSON(signPlan{Go: "plain"})
		}
		a, err := t.draft()
		if err != nil {
			return v.refusedPlan(err)
		}
		return g.plan(t.is, a, evidence.AnswerNamespace, t.document)
	})
}

// kioskTap does one thing for whoever has tapped their own passkey over it, as
// that person and by their right, and forgets them.
func (g *Pages) kioskTap(v *visit) error {
	return g.asKiosk(v, func(v *visit) error {
		t, err := g.tapOf(v)
		if err != nil {
			return err
		}
		if t.again != nil {
			return t.again()
		}
		signed, err := g.signedForm(t.is)
		if err != nil {
			return err
		}
		if signed == nil {
			if _, err := t.draft(); err != nil { // what would be refused anyway says why
				return err
			}
			return &policy.Refusal{Rule: "tap-needed", Say: "This is one tap of your own key, at this screen. Nothing was done. Without your key: sign in on your phone.", Why: "no assertion came"}
		}
		by, err := g.Proofs.Signed(v.ctx(), t.is.actor, *signed)
		if err != nil {
			return err
		}
		to, err := t.do(by, *signed)
		if err != nil {
			return err
		}
		http.Redirect(v.w, v.r, to, http.StatusSeeOther)
		return nil
	})
}

// ticked are the windows that a form of a handover takes.
func (h handoverView) ticked(f url.Values) []policy.WindowID {
	take := names[policy.WindowID](f["take"])
	if f.Get("rest") != "" {
		for _, line := range h.Rest {
			take = append(take, policy.WindowID(line.ID))
		}
	}
	return take
}

// kioskSaid is what a screen without a session may say after a tap.
var kioskSaid = map[string]string{"pause": "Paused.", "cut": "Cut. Nobody of it is in.", "block": "Blocked. Whoever was in by it is out.",
	"island": "Island. Nobody is in, and nobody comes in, until two people lift it.", "open": "Open. The clock runs.", "go-on": "It goes on.", "take": "Taken over.",
	"yes": "Your yes stands.", "no": "You said no. They are told why.", "asks": "Asked. The request goes on waiting.", "waits": "Your yes stands. It is not open yet."}

func (v *visit) kioskSaid() string { return kioskSaid[strings.TrimSpace(v.r.URL.Query().Get("said"))] }
