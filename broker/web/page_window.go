package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/policy"
)

type windowView struct {
	WindowLine
	Minutes          string
	Targets          []targetView
	From, To, Opened stamp
	Only             []string // registers that alone may be changed
	OpenedBy         string
	Why, By          string
	HandBackText     string
	Sessions         []inView
	Files            []heldView // that wait, or have
	Recordings       []RecordingLine
	MayRead          bool
	Later            []choice
	Vendor           bool
	Conditions       *conditionsView
	Receipts         bool       // of what the viewer did with it
	Under            *underView // the pattern that stood for the plan; nil: none
	Step             []tick     // what a second tap would add
	Bound            *boundView // of a machine; nil: people work in it
	Confirm          *stamp     // how far the reader can confirm a machine's
	Busy             []string   // transfers that are half done
	Next             []string   // what somebody who works in it types
}

// underView is the pattern that a window counted on.
type underView struct {
	ID, Frame, Purpose string
	MayDoubt           bool
}

func (g *Pages) windowPage(v *visit) error {
	w, err := g.Desk.Window(v.ctx(), v.actor, policy.WindowID(v.r.PathValue("id")))
	if err != nil {
		return err
	}
	view, err := g.windowOf(v, w)
	if err != nil {
		return err
	}
	return g.show(v, http.StatusOK, "window", view.ID+" "+view.Firm, view)
}

func (g *Pages) windowOf(v *visit, w approvals.Window) (windowView, error) {
	n, err := g.roll(v.ctx())
	if err != nil {
		return windowView{}, err
	}
	c := w.Claim
	out := windowView{WindowLine: g.windowLine(v, w, n), Minutes: minutesWords(c.Minutes), Targets: v.targets(c.Assets), Only: evidence.RegisterWords(c.Registers), From: v.at(c.From), To: v.at(c.To),
		Opened: v.at(w.Opened), OpenedBy: n.person(w.OpenedBy), Why: w.Why, By: n.person(w.By), HandBackText: w.HandBack, Vendor: !v.actor.Plant}
	if out.Receipts, err = g.receipted(v, string(w.ID)); err != nil {
		return windowView{}, err
	}
	if out.Files, err = g.heldOf(v, w, n); err != nil {
		return windowView{}, err
	}
	if out.Conditions, err = g.conditions(v, w, n); err != nil {
		return windowView{}, err
	}
	out.Sessions = g.insideOf(v, n, w)
	out.Bound = v.bound(c.Machine, c.People, n)
	if err := g.mayLater(v, &out, w); err != nil {
		return out, err
	}
	if runs(w) && v.actor.Plant {
		for _, b := range g.Broker.Busy(w.ID) {
			out.Busy = append(out.Busy, b.What)
		}
	}
	if out.May.Step {
		out.Step = stepTicks(w)
	}
	if w.Pattern != "" {
		p, err := g.Desk.Pattern(v.ctx(), v.actor, w.Pattern)
		if err != nil {
			return out, err
		}
		doubted := slices.ContainsFunc(p.Doubts, func(d approvals.Doubt) bool { return d.Window == w.ID })
		out.Under = &underView{p.ID, p.Document.Frame, p.Document.Purpose, v.actor.Plant && len(v.actor.Roles) > 0 && !w.Opened.IsZero() && !doubted}
	}
	runs := w.State == approvals.WindowOpen || w.State == approvals.WindowPaused
	if works := slices.Contains(c.People, string(v.actor.Person)); works && !c.OnSite() && (runs || w.State == approvals.WindowAgreed && c.Open == "vendor") {
		out.Next = g.nextLines(v, w)
	}
	out.Recordings, out.MayRead, err = g.recordingsOf(v, n, string(w.ID))
	return out, err
}

// insideOf are the sessions that have a channel in this window.
func (g *Pages) insideOf(v *visit, n roll, w approvals.Window) (list []inView) {
	windows := map[policy.WindowID]approvals.Window{w.ID: w}
	for _, l := range g.Broker.Sessions() {
		l.Channels = slices.DeleteFunc(slices.Clone(l.Channels), func(c broker.LiveChannel) bool { return c.Window != w.ID })
		if len(l.Channels) > 0 {
			list = append(list, g.inside(v, n, l, windows, map[policy.WindowID]bool{}))
		}
	}
	return list
}

// mayLater says to when the end may be moved: of a machine's window, by
// confirming it once more; else by so many minutes inside the span.
func (g *Pages) mayLater(v *visit, out *windowView, w approvals.Window) error {
	if !out.May.Extend {
		return nil
	}
	if out.Bound != nil {
		most, err := g.confirmTo(v, w.ID)
		if at := v.at(most); err == nil && most.After(w.Until) {
			out.Confirm = &at
		}
		return err
	}
	for _, m := range []int{15, 30, 60, 120} {
		if until := w.Until.Add(time.Duration(m) * time.Minute); !until.After(w.Claim.To) {
			out.Later = append(out.Later, choice{m, minutesWords(m), v.at(until)})
		}
	}
	return nil
}

// nextLines fetch the certificate, and go in by each way that a shell has.
func (g *Pages) nextLines(v *visit, w approvals.Window) []string {
	a := g.Authorities()
	scp := "scp cert@"
	if a.Port != 22 && a.Port != 0 {
		scp = fmt.Sprintf("scp -P %d cert@", a.Port)
	}
	lines := []string{scp + a.Name + ":" + string(w.ID) + " ~/.ssh/id_ed25519-cert.pub"}
	for _, t := range w.Claim.Assets {
		if t.Port == "ssh" && t.Account != "" {
			lines = append(lines, g.sshLine(string(v.actor.Person)+"+"+t.Account+"+"+t.Asset))
		}
		a, _ := v.plant.Asset(policy.AssetName(t.Asset))
		if p, ok := a.Port(policy.PortName(t.Port)); ok && t.Account == "" {
			there := a.ForwardNumber(p)
			lines = append(lines, strings.Replace(g.sshLine(string(v.actor.Person)), "ssh ", fmt.Sprintf("ssh -N -L %d:%s:%d ", policy.LocalNumber(there), t.Asset, there), 1))
		}
	}
	return lines
}

// recordingsOf lists what was recorded in a window, from the log's own leaves:
// that a session was there is no secret of a recording.
func (g *Pages) recordingsOf(v *visit, n roll, window string) ([]RecordingLine, bool, error) {
	if !v.actor.Plant {
		return nil, false, nil
	}
	started, err := g.past.of(v.ctx(), window)
	if err != nil {
		return nil, false, err
	}
	var out []RecordingLine
	for _, s := range started {
		out = append(out, v.recordingLine(n, recording.Header{Session: s.Session, Person: s.Person, Firm: s.Firm, Windows: s.Windows, Started: s.at, Mode: s.Mode}))
	}
	return out, v.plant.MayRead(v.actor.Roles), nil
}

// windowStep is every button of a window.
func (g *Pages) windowStep(v *visit) error {
	id, f := policy.WindowID(v.r.PathValue("id")), v.r.PostForm
	why := strings.TrimSpace(f.Get("why"))
	parts := strings.Split(v.r.URL.Path, "/")
	ctx, a, d := v.ctx(), v.actor, g.Desk
	v.s.tapped(tap{v.r.URL.Path, v.now})
	var w approvals.Window
	var err error
	said := ""
	switch parts[len(parts)-1] {
	case "open":
		w, err = g.tapped(v, id, d.Open, d.OpenTapped)
		said = "Open. Ends " + v.at(w.Until).Text() + " by itself."
	case "extend":
		w, err = g.extend(v, id)
		said = "Extended. Ends " + v.at(w.Until).Text() + "."
	case "step-up":
		w, err = g.stepUp(v, id)
		said = "Second tap given. They may: " + rightsOf(w.Claim.Rights).InWords() + "."
	case "pause":
		_, err = d.Pause(ctx, a, id, why)
		said = "Paused. Nothing they type passes. The clock runs on."
	case "pause-after":
		w, err = d.PauseAfter(ctx, a, id, why)
		said = "Paused as soon as the transfer is done. Nothing new begins."
		if w.State == approvals.WindowPaused {
			said = "Paused: nothing was half done any more."
		}
	case "go-on":
		_, err = g.tapped(v, id, d.GoOn, d.GoOnTapped)
		said = "It goes on."
	case "narrow":
		_, err = d.Narrow(ctx, a, id, policy.Look, why)
		said = "Look only now. What they see goes on."
	case "end":
		w, err = d.End(ctx, a, id, why)
		said = "Ended. The hand-back comes next."
		if w.State == approvals.WindowEnding {
			said = endingText(len(w.HalfDone), v.at(w.Until).Text())
		}
	case "cut":
		_, err = d.Cut(ctx, a, id, why)
		said = "Cut at " + v.at(g.Now()).Clock() + "."
	case "hand-back":
		_, err = d.HandBack(ctx, a, id, strings.TrimSpace(f.Get("text")))
		said = "Handed back. The plant takes it now."
	case "accept":
		outside := strings.TrimSpace(f.Get("outside"))
		_, err = d.AcceptOutside(ctx, a, id, outside)
		said = "Taken. The window is closed."
		if outside != "" {
			said = "Taken, and noted: outside the pattern's purpose. The window is closed."
		}
	}
	if err != nil && g.doneAlready(v, id, parts[len(parts)-1], err) { // a double tap
		http.Redirect(v.w, v.r, "/windows/"+string(id), http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	return g.done(v, cmp.Or(watchBack.FindString(f.Get("back")), leftBack.FindString(f.Get("back")), "/windows/"+string(id)), said)
}

// tapped opens a window, or lets it go on: by what the form signs or by a code.
func (g *Pages) tapped(v *visit, id policy.WindowID, coded func(context.Context, people.Actor, policy.WindowID) (approvals.Window, error),
	signed func(context.Context, people.Actor, policy.WindowID, evidence.Answer) (approvals.Window, error)) (approvals.Window, error) {
	a, err := g.signedForm(v)
	if err != nil {
		return approvals.Window{}, err
	}
	if a == nil {
		return coded(v.ctx(), v.actor, id)
	}
	return signed(v.ctx(), v.actor, id, *a)
}

// sameTap is how long after a step the same one by the same person is taken
// for the second half of a double tap.
const sameTap = 10 * time.Second

// stepLeads says which state each step leads to.
var stepLeads = map[string][]approvals.WindowState{"open": {approvals.WindowOpen}, "extend": {approvals.WindowOpen, approvals.WindowPaused}, "step-up": {approvals.WindowOpen, approvals.WindowPaused}, "pause": {approvals.WindowPaused}, "pause-after": {approvals.WindowPaused, approvals.WindowOpen}, "narrow": {approvals.WindowOpen, approvals.WindowPaused},
	"go-on": {approvals.WindowOpen}, "end": {approvals.WindowEnded, approvals.WindowEnding}, "cut": {approvals.WindowCut}, "accept": {approvals.WindowClosed}}

// doneAlready says whether a step was refused only because the same person has
// just done it: the page then shows it done, and not a refusal.
func (g *Pages) doneAlready(v *visit, id policy.WindowID, step string, refused error) bool {
	if _, ok := errors.AsType[*policy.Refusal](refused); !ok {
		return false
	}
	if !v.s.tappedTwice(v.r.URL.Path, v.now) {
		return false
	}
	w, err := g.Desk.Window(v.ctx(), v.actor, id)
	return err == nil && w.By == v.actor.Person && slices.Contains(stepLeads[step], w.State)
}

// watchBack is the one other page that a window's buttons lead back to.
var watchBack = regexp.MustCompile(`^/sessions/S-[0-9]{1,18}/watch\?channel=[0-9]{1,5}$`)

// windowBack is a window's page.
var windowBack = regexp.MustCompile(`^/windows/W-[0-9]{1,18}$`)

// refusalOf is the rule of a refusal; empty: it is none.
func refusalOf(err error) string {
	if r, ok := errors.AsType[*policy.Refusal](err); ok {
		return r.Rule
	}
	return ""
}

// endingText says what an "end" waits for.
func endingText(n int, until string) string {
	transfers := "1 transfer"
	if n != 1 {
		transfers = fmt.Sprintf("%d transfers", n)
	}
	return fmt.Sprintf("Ending: %s may finish, at most until %s. Cut stops it now.", transfers, until)
}

// extend moves the end that the page showed: a double tap moves it once.
func (g *Pages) extend(v *visit, id policy.WindowID) (approvals.Window, error) {
	signed, err := g.signedForm(v)
	if err != nil {
		return approvals.Window{}, err
	}
	if signed != nil {
		keep, err := g.stepUpSigned(v, signed)
		if err != nil {
			return approvals.Window{}, err
		}
		w, err := g.Desk.ExtendSigned(v.ctx(), v.actor, id, *signed)
		if err == nil {
			keep()
		}
		return w, err
	}
	until, err := g.later(v, id)
	if err != nil {
		return approvals.Window{}, err
	}
	if v.envelope() {
		a, err := g.Desk.DraftExtension(v.ctx(), v.actor, id, until)
		if signed, err = v.onPaper(a, err); err != nil {
			return approvals.Window{}, err
		}
		return g.Desk.ExtendSigned(v.ctx(), v.actor, id, *signed)
	}
	return g.Desk.Extend(v.ctx(), v.actor, id, until)
}

// later is the new end that the form asks for.
func (g *Pages) later(v *visit, id policy.WindowID) (time.Time, error) {
	f := v.r.PostForm
	w, err := g.Desk.Window(v.ctx(), v.actor, id)
	if err != nil {
		return time.Time{}, err
	}
	if w.Claim.Machine.Is() {
		return g.confirmTo(v, id)
	}
	if shown, err := time.Parse(time.RFC3339, f.Get("until")); err == nil {
		w.Until = shown
	}
	m, err := time.ParseDuration(f.Get("minutes") + "m")
	if err != nil || m <= 0 || m > 24*time.Hour {
		return time.Time{}, &policy.Refusal{Rule: "bad-time", Say: "Say by how many minutes."}
	}
	return w.Until.Add(m), nil
}
