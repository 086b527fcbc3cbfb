package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// answersAllowed are the buttons. Opens: the yes is all that is missing, so the
// same tap opens.
type answersAllowed struct {
	Answer, Withdraw, Opens bool
	Look                    bool   // look only, 30 minutes
	AskLook                 string // account with which looking would do: ask for that instead
	LookTargets             []string
	Shorter                 []choice
	Parts, Rights           []tick // what can be left out: ways in, and rights that none of them needs
	Next                    string // who is asked after this yes
	Key                     bool   // the rules ask for a key of one's own: a code is not enough
	Passkey                 bool   // the reader has a passkey that signs
	LookUntil, AskedUntil   stamp
}

// NoKey: the reader could not say yes here, whatever they tapped.
func (a answersAllowed) NoKey() bool { return a.Key && !a.Passkey }

type choice struct {
	Value int
	Text  string
	Until stamp
}

// mayAnswer works out which buttons are there, and says why the reader is asked.
func (v *visit) mayAnswer(out *requestView, q approvals.Request, n roll) {
	d := q.Document
	waits := q.State == approvals.RequestWaiting || q.State == approvals.RequestAsleep
	own := string(v.actor.Person) == d.By && !d.Called || string(v.actor.Firm) == d.Firm
	out.Yours = own
	out.May.Withdraw = (waits || out.Window != nil && out.Window.Word == string(approvals.WindowAgreed)) && (own || v.takes())
	if !waits || v.envelope() && d.Kind != evidence.Emergency {
		return
	}
	for _, need := range q.Needs {
		if !v.asked(q, need.Role, n) {
			continue
		}
		out.May.Answer = true
		out.YouWhy = v.whyAsked(need, q, n)
		rest := v.after(q, need.Role, n)
		if under := v.underWords(q.Pattern, n); len(rest) == 0 && under != "" {
			out.YouWhy = strings.Replace(out.YouWhy, ", whom rule "+need.Rule+" asks", "", 1) + " Your yes is enough: " + under
		} else if len(rest) == 0 {
			out.YouWhy += " Your yes is enough."
		}
		if len(rest) == 0 {
			out.May.Opens = d.Open == "shift" && (v.opens(n, q.Asked, d.Assets, d.Rights) || d.Kind == evidence.Emergency && v.quick(n, q.Asked)) && !v.now.Before(d.From)
			if !out.May.Opens {
				out.YouWhy += v.opensThen(d, out.Who)
			}
		} else {
			out.YouWhy += " Your yes is 1 of " + strconv.Itoa(len(rest)+1) + ". Asked at once: " + strings.Join(rest, ", ") + "."
			out.May.Next = strings.Join(rest, " and ")
		}
		v.offers(out, d)
		v.signing(out, d, n)
		return
	}
}

// signing is what the yes rests on.
func (v *visit) signing(out *requestView, d evidence.Request, n roll) {
	q, err := evidence.QuorumOf(v.plant, d)
	out.May.Key = (err != nil || q.Proof != policy.ByCode) && !v.envelope()
	out.May.Passkey = v.passkey(n)
}

// opensThen says what comes after the last yes.
func (v *visit) opensThen(d evidence.Request, who []string) string {
	switch {
	case d.Open != "shift":
		return " It " + v.opensHow(d.Open, d.From, who) + "."
	case v.now.Before(d.From):
		return " The shift opens it, not before " + v.at(d.From).Text() + "."
	}
	return " The shift opens it then."
}

// after are the roles still needed once the reader has said yes in one; with
// the name where one person holds it.
func (v *visit) after(q approvals.Request, r policy.Role, n roll) (rest []string) {
	not := append([]string{q.Document.By, string(v.actor.Person)}, q.Document.People...)
	done := false
	for _, need := range q.Needs {
		for range need.Count {
			if !done && need.Role == r {
				done = true
				continue
			}
			who := v.role(need.Role)
			if one := n.holders(need.Role, v.now, not...); len(one) == 1 {
				who += " " + one[0]
			}
			rest = append(rest, who)
		}
	}
	return rest
}

// offers are the narrower answers that lead to a window that works: what the
// account can do more than the window is refused at the door, so looking only
// is offered where the way in can do no more, or Penstock stops the rest.
func (v *visit) offers(out *requestView, d evidence.Request) {
	out.May.AskedUntil = out.Until
	if d.Machine.Is() || d.Kind == evidence.Connectivity { // there is nothing less to agree to
		v.parts(out, d)
		return
	}
	short := min(lookMinutes, d.Minutes)
	out.May.LookUntil = v.at(v.endIfOpened(short, d.From, d.To))
	for i, t := range out.Targets {
		if t.Enforced == policy.ByPenstock || t.Worst == policy.Look {
			out.May.LookTargets = append(out.May.LookTargets, strconv.Itoa(i))
		}
	}
	asksMore := rightsOf(d.Rights) != policy.Look || d.Minutes > lookMinutes
	out.May.Look = len(out.May.LookTargets) > 0 && asksMore
	if !out.May.Look && !d.AtMachine() && rightsOf(d.Rights) != policy.Look {
		out.May.AskLook = v.lookAccount(d)
	}
	for _, m := range []int{30, 60, 120} {
		if m < d.Minutes {
			out.May.Shorter = append(out.May.Shorter, choice{m, minutesWords(m), v.at(v.endIfOpened(m, d.From, d.To))})
		}
	}
	v.parts(out, d)
}

// parts are what a yes can leave out: of several ways in each, and the rights
// that no way in can do by itself. Any other right belongs to its way in: with
// the one and without the other the door would refuse.
func (v *visit) parts(out *requestView, d evidence.Request) {
	held := policy.Look
	for i, t := range out.Targets {
		if len(out.Targets) > 1 {
			out.May.Parts = append(out.May.Parts, tick{strconv.Itoa(i), t.whereWords(), true})
		}
		if t.Enforced != policy.ByPenstock && !d.AtMachine() {
			held |= t.Worst
		}
	}
	for _, w := range (rightsOf(d.Rights) &^ held).Words() {
		out.May.Rights = append(out.May.Rights, tick{w, rightsOf([]string{w}).InWords(), true})
	}
}

// lookAccount names a way in with which looking would do.
func (v *visit) lookAccount(d evidence.Request) string {
	for _, t := range d.Assets {
		a, _ := v.plant.Asset(policy.AssetName(t.Asset))
		for _, p := range a.Ports {
			for _, acc := range p.Accounts {
				if acc.Worst == policy.Look {
					return string(acc.Name) + " on " + a.Tag
				}
			}
		}
	}
	return ""
}

// opens says whether the reader holds a role that opens such a window.
func (v *visit) opens(n roll, asked []approvals.Asked, assets []evidence.Target, rights []string) bool {
	if !v.actor.Plant {
		return false
	}
	var list []policy.AssetName
	for _, t := range assets {
		list = append(list, policy.AssetName(t.Asset))
	}
	quorum, err := v.plant.Quorum(list, rightsOf(rights))
	return err == nil && slices.ContainsFunc(quorum.Openers, v.standsFor(n, asked))
}

// yesForm is the form of a yes, with the request that it answers as the reader saw it.
type yesForm struct {
	request  approvals.Request
	view     requestView
	document audit.Hash // the text that was on the page
	reply    approvals.Reply
	asked    bool // it is not the short look
}

// answered is the request that a form is about, as it was shown; not yet the reply.
func (g *Pages) answered(v *visit, id policy.RequestID) (y yesForm, err error) {
	if y.request, err = g.Desk.Request(v.ctx(), v.actor, id); err != nil {
		return y, err
	}
	if y.view, err = g.requestOf(v, y.request); err != nil {
		return y, err
	}
	if y.document, err = audit.ParseHash(v.r.PostForm.Get("document")); err != nil {
		return y, badCall{fmt.Errorf("the form does not say which text it answers: %w", err)}
	}
	return y, nil
}

func (g *Pages) readYes(v *visit) (yesForm, error) {
	y, err := g.answered(v, requestID(v.r))
	if err != nil {
		return y, err
	}
	err = v.reply(&y)
	return y, err
}

// sayYes answers, and opens where that is all that is missing.
func (g *Pages) sayYes(v *visit) error {
	y, err := g.readYes(v)
	if err != nil {
		return err
	}
	if v.wantsSure(y) {
		return g.show(v, http.StatusOK, "sure", "Are you sure?", sureView{v.narrowed(y.view, y.request, y.reply.Limits), again(v.r.PostForm)})
	}
	reply := y.reply
	keep := func() {}
	tap, err := g.signedForm(v)
	if reply.Signed = tap; err == nil && tap != nil {
		keep, err = g.stepUpSigned(v, tap)
	}
	if err != nil {
		return err
	}
	if reply.Signed == nil && v.envelope() {
		a, err := g.Desk.Draft(v.ctx(), v.actor, y.request.ID, y.document, reply)
		if reply.Signed, err = v.onPaper(a, err); err != nil {
			return g.notTaken(v, err)
		}
	}
	after, err := g.Desk.Answer(v.ctx(), v.actor, y.request.ID, y.document, reply)
	if err != nil {
		return g.notTaken(v, err)
	}
	keep()
	return g.open(v, y.view, after, tap)
}

// wantsSure: what nobody would stop is asked about once more.
func (v *visit) wantsSure(y yesForm) bool {
	return v.narrowed(y.view, y.request, y.reply.Limits).Danger && y.document == y.request.Hash && y.view.May.Answer && y.asked && v.r.PostForm.Get("sure") != "yes"
}

type sureView struct {
	Request requestView
	Fields  []field // of the form, as it came
}

// again is a form as it came, without what is asked for anew.
func again(f url.Values) (fields []field) {
	for name, values := range f {
		for _, value := range values {
			if name != "document" && name != "sure" && name != "code" && name != signingField && name != signedText && name != signedAssertion {
				fields = append(fields, field{name, value})
			}
		}
	}
	return fields
}

// narrowed is the page of what is left of a request by an answer's limits.
func (v *visit) narrowed(view requestView, q approvals.Request, l evidence.Limits) requestView {
	if len(l.Assets) == 0 && len(l.Rights) == 0 {
		return view
	}
	d := q.Document
	if len(l.Assets) > 0 {
		d.Assets = l.Assets
	}
	if len(l.Rights) > 0 {
		d.Rights = l.Rights
	}
	left := requestView{ID: view.ID, Document: view.Document, Who: view.Who, Firm: view.Firm, May: view.May}
	v.describe(&left, d)
	return left
}

// reply reads the form of a yes.
func (v *visit) reply(y *yesForm) error {
	f, r, asks := v.r.PostForm, &y.reply, y.request.Document
	r.Says, y.asked = evidence.Yes, f.Get("look") == ""
	if m := f.Get("minutes"); m != "" {
		var err error
		if r.Limits.Minutes, err = strconv.Atoi(m); err != nil || r.Limits.Minutes < 1 {
			return badCall{fmt.Errorf("%.20q is no number of minutes", m)}
		}
	}
	if y.asked {
		return v.leaveOut(y.request, y.view, f, &r.Limits)
	}
	if rightsOf(asks.Rights) != policy.Look {
		r.Limits.Rights = []string{"look"}
	}
	if len(y.view.May.LookTargets) < len(asks.Assets) {
		for _, at := range y.view.May.LookTargets {
			i, _ := strconv.Atoi(at) // our own numbers
			r.Limits.Assets = append(r.Limits.Assets, asks.Assets[i])
		}
	}
	r.Limits.Minutes = min(lookMinutes, asks.Minutes)
	return nil
}

// leaveOut narrows a yes to the ways in and the rights that stayed ticked. The
// rights go down to what the ways in that are left can do at the most.
func (v *visit) leaveOut(q approvals.Request, view requestView, f url.Values, l *evidence.Limits) error {
	if f.Get("parts") == "" {
		return nil
	}
	kept, able := view.Targets, policy.Look
	if len(view.May.Parts) > 0 {
		kept = nil
		for i, t := range view.Targets {
			if slices.Contains(f["keep"], strconv.Itoa(i)) {
				kept, l.Assets = append(kept, t), append(l.Assets, q.Document.Assets[i])
			}
		}
		if len(kept) == 0 {
			return &policy.Refusal{Rule: "nothing-left", Say: "No way in is left. Leave one ticked, or say no.", Why: "every target of the request was left out"}
		}
		if len(kept) == len(view.Targets) {
			l.Assets = nil
		}
	}
	for _, t := range kept {
		able |= t.Worst
	}
	asked := rightsOf(q.Document.Rights)
	left := asked & able
	for _, r := range view.May.Rights {
		if !slices.Contains(f["right"], r.Value) {
			left &^= rightsOf([]string{r.Value}) &^ policy.Look // which is part of every right
		}
	}
	if left != asked {
		l.Rights = left.Words()
	}
	return nil
}

// open goes on from a yes that was the last one; tap is how that was signed, which
// then opens as well.
func (g *Pages) open(v *visit, before requestView, q approvals.Request, tap *evidence.Answer) error {
	page := "/requests/" + string(q.ID)
	if q.State != approvals.RequestAgreed || q.Window == "" {
		return g.done(v, page, "Your yes stands. Asked next: "+before.May.Next+".")
	}
	if !before.May.Opens {
		return g.done(v, page, "Agreed."+v.opensThen(q.Document, before.Who))
	}
	open := g.Desk.Open
	if tap != nil {
		open = func(ctx context.Context, by people.Actor, id policy.WindowID) (approvals.Window, error) {
			return g.Desk.OpenTapped(ctx, by, id, *tap)
		}
	}
	w, err := open(v.ctx(), v.actor, q.Window)
	if err != nil {
		if _, ok := errors.AsType[*policy.Refusal](err); !ok {
			return err
		}
		return g.done(v, page, "Your yes stands. It is not open yet: "+say(err))
	}
	return g.done(v, page, "Open. Ends "+v.at(w.Until).Text()+" by itself.")
}

// notTaken shows the page as it is now, with who decided meanwhile and what.
func (g *Pages) notTaken(v *visit, err error) error {
	r, ok := errors.AsType[*policy.Refusal](err)
	if !ok || !slices.Contains([]string{"stale-revision", "already-agreed", "not-waiting", "already-answered", "not-needed"}, r.Rule) {
		return err
	}
	if q, err := g.Desk.Request(v.ctx(), v.actor, requestID(v.r)); err == nil && v.justSaid(q) { // a double tap
		http.Redirect(v.w, v.r, "/requests/"+string(q.ID), http.StatusSeeOther)
		return nil
	}
	g.Slog.Info("an answer came too late", "request", v.r.PathValue("id"), "rule", r.Rule)
	return g.showRequest(v, http.StatusConflict, "Your tap was not taken, because this changed meanwhile. "+r.Say)
}

// justSaid says whether the newest answer is the reader's own to this very text,
// from a moment ago.
func (v *visit) justSaid(q approvals.Request) bool {
	if len(q.Answers) == 0 || v.r.PostForm.Get("document") != q.Hash.String() {
		return false
	}
	l := q.Answers[len(q.Answers)-1]
	return l.Person == v.actor.Person && v.now.Sub(l.At).Abs() <= sameTap
}

// notNow is every answer that is no yes.
func (g *Pages) notNow(v *visit) error {
	f := v.r.PostForm
	document, err := audit.ParseHash(f.Get("document"))
	if err != nil {
		return badCall{fmt.Errorf("the form does not say which text it answers: %w", err)}
	}
	why := strings.TrimSpace(f.Get("why"))
	reply := approvals.Reply{Says: evidence.No, Why: strings.TrimSpace(noWords[f.Get("says")] + " " + why)}
	said := "You said no. They are told why."
	switch f.Get("says") {
	case "no", "wrong-machine", "no-work-order":
	case "look-only":
		reply = lookInstead(f.Get("account"))
		said = "Asked. The request goes on waiting."
	case "question":
		if why == "" {
			return &policy.Refusal{Rule: "no-question", Say: "Write the question first."}
		}
		reply.Says, said = evidence.Question, "Asked. The request goes on waiting."
	case "not-before":
		reply.Says, said = evidence.NotBefore, "It sleeps until then, and waits for you again."
		if reply.NotBefore, err = v.localTime(f.Get("time")); err != nil {
			return err
		}
	default:
		return badCall{errors.New("the form does not say what you answer")}
	}
	if _, err := g.Desk.Answer(v.ctx(), v.actor, requestID(v.r), document, reply); err != nil {
		return g.notTaken(v, err)
	}
	return g.done(v, "/requests/"+v.r.PathValue("id"), said)
}

// localTime reads a moment on the plant's clock: an hour (the next such), or a
// day with its hour.
func (v *visit) localTime(s string) (time.Time, error) {
	at, err := policy.ParseClock("2006-01-02T15:04", s, v.plant.Location())
	if _, skipped := errors.AsType[*policy.Refusal](err); err == nil || skipped {
		return at, err
	}
	t, err := time.Parse("15:04", s)
	if err != nil {
		return time.Time{}, badCall{fmt.Errorf("%.40q is no time; write it as 06:00", s)}
	}
	now := v.now.In(v.plant.Location())
	at, err = policy.OnClock(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), now.Location())
	if err == nil && !at.After(now) {
		next := now.AddDate(0, 0, 1)
		at, err = policy.OnClock(next.Year(), next.Month(), next.Day(), t.Hour(), t.Minute(), now.Location())
	}
	return at, err
}

// passkey says whether the reader has a passkey that signs, in this browser's place.
func (v *visit) passkey(n roll) bool {
	return v.plant.Site.Origin == "https://"+v.r.Host && slices.ContainsFunc(n.people[v.actor.Person].Keys, func(k people.Key) bool { return k.Kind == people.Passkey && k.Signs() })
}
