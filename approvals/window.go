package approvals

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// WindowState is one of the words of DESIGN section 3.
type WindowState string

const (
	WindowAgreed WindowState = "agreed"
	WindowOpen   WindowState = "open"
	WindowPaused WindowState = "paused"
	WindowEnding WindowState = "ending"
	WindowEnded  WindowState = "ended"
	WindowClosed WindowState = "closed"
	WindowCut    WindowState = "cut"
	WindowUnused WindowState = "unused"
)

// windowSteps is every step of a window (DESIGN section 3); what is not here
// is an error.
var windowSteps = map[WindowState][]WindowState{
	"":           {WindowAgreed},
	WindowAgreed: {WindowOpen, WindowUnused, WindowCut},
	WindowOpen:   {WindowPaused, WindowEnding, WindowEnded, WindowCut},
	WindowPaused: {WindowOpen, WindowEnding, WindowEnded, WindowCut},
	WindowEnding: {WindowEnded, WindowCut},
	WindowEnded:  {WindowClosed},
	WindowCut:    {WindowClosed},
}

// moves are the words of window.moved. Opened and wenton both make a window
// open, from one state each; extended, narrowed and stepped make no step; grace makes none where the
// window is ending already.
var moves = map[string]struct{ only, to WindowState }{
	"opened":  {WindowAgreed, WindowOpen},
	"wenton":  {WindowPaused, WindowOpen},
	"paused":  {to: WindowPaused},
	"pausing": {WindowOpen, WindowOpen},
	"ending":  {to: WindowEnding},
	"grace":   {to: WindowEnding},
	"ended":   {to: WindowEnded},
	"cut":     {to: WindowCut},
	"unused":  {to: WindowUnused},
}

// Window is where a window stands.
type Window struct {
	ID        policy.WindowID
	Request   policy.RequestID
	State     WindowState
	Claim     evidence.WindowClaim
	Firm      policy.FirmID
	Opened    time.Time // zero: not yet
	OpenedBy  policy.PersonID
	Until     time.Time // the end in force; zero while not open
	Why       string    // of the newest step
	By        policy.PersonID
	HandBack  string          // given text
	Pausing   policy.PersonID // while it is open: by whom it is paused once its transfer is done
	Left      []Left          // what its work left behind, gone or not
	HalfDone  []string        // while ending, or coming to a pause: what may still finish
	Call      *Call           // while it is agreed, of a call-in: how that stands
	Asked     []Asked         // teams whose people count in place of others, because those did not answer its request
	Emergency bool
	Drill     bool     // an emergency that is an exercise: as real as any, and counted by no measure
	MayStep   []string // of an emergency: rights that a second tap would add
	Pattern   string   // that stood for the plan; empty: none
	Kept      string   // of a window that opens by itself: why it has not yet, for a person; "": nothing keeps it
	Rev       uint64
}

// windowRow is the value of window/W-n.
type windowRow struct {
	Window   string      `json:"window"`
	Request  string      `json:"request"`
	Rev      int         `json:"rev"` // of the request document
	State    WindowState `json:"state"`
	Firm     string      `json:"firm"`
	Claim    audit.Hash  `json:"claim"`
	Answers  []string    `json:"answers"`           // places of the answers that it was agreed by
	Pattern  string      `json:"pattern,omitempty"` // that stood for the plan
	Opened   time.Time   `json:"opened,omitzero"`
	OpenedBy string      `json:"opened_by,omitempty"`
	Until    time.Time   `json:"until,omitzero"`
	Extended audit.Hash  `json:"extended,omitzero"` // the opener's newest answer that moved the end
	Idle     time.Time   `json:"idle,omitzero"`     // while ending: when ended what had nothing half done
	Ungraced time.Time   `json:"ungraced,omitzero"` // the end before a grace moved it; zero: none did
	By       string      `json:"by"`
	Why      string      `json:"why,omitempty"`
	HandBack audit.Hash  `json:"hand_back,omitzero"`

	HandBacks int `json:"hand_backs,omitempty"` // how often it was given

	Rights []string            `json:"rights,omitempty"` // narrowed or stepped up to, while it ran
	Most   []string            `json:"most,omitempty"`   // narrowed for good: a second tap gives no more than these
	Tapped audit.Hash          `json:"tapped,omitzero"`  // the opener's newest second tap
	Gates  map[string]saidGate `json:"gates,omitempty"`  // said by people for this window
	Escort escortRow           `json:"escort,omitzero"`
	Left   []leftRow           `json:"left,omitempty"`

	Pausing    string `json:"pausing,omitempty"`     // by whom: it is paused once its transfer is done
	PausingWhy string `json:"pausing_why,omitempty"` // and their reason

	row uint64 // revision of the row
}

func (w *windowRow) move(to WindowState) error {
	if !slices.Contains(windowSteps[w.State], to) {
		return illegal(w.Window, string(w.State), string(to))
	}
	w.State = to
	return nil
}

// withoutGrace is the end as people agreed to it.
func (w *windowRow) withoutGrace() time.Time {
	if w.Ungraced.IsZero() {
		return w.Until
	}
	return w.Ungraced
}

// runs says whether the window's clock runs.
func (w *windowRow) runs() bool {
	return w.State == WindowOpen || w.State == WindowPaused || w.State == WindowEnding
}

func windowKey[T ~string](id T) string { return "window/" + string(id) }

// Over says whether a window will never be live again.
func (d *Desk) Over(ctx context.Context, id policy.WindowID) (bool, error) {
	w, err := d.windowRow(ctx, id)
	if err != nil {
		return false, err
	}
	switch w.State {
	case WindowEnded, WindowCut, WindowClosed, WindowUnused:
		return true, nil
	}
	return false, nil
}

// windowRow reads a window's row as its newest leaf vouches for it.
func (d *Desk) windowRow(ctx context.Context, id policy.WindowID) (w windowRow, err error) {
	rev, there, err := d.read(ctx, windowKey(id), &w)
	if w.row = rev; err == nil && !there {
		err = refuse("no-such-window", "There is no window %.40q. See `windows` for those you may see.", id)
	}
	if err == nil {
		d.saw(id, phase{w.row, w.State})
	}
	return w, err
}

// claim reads what was agreed.
func (d *Desk) claim(ctx context.Context, w windowRow) (evidence.WindowClaim, error) {
	b, err := d.docs.Get(ctx, w.Claim)
	if err != nil {
		return evidence.WindowClaim{}, fmt.Errorf("read the claim of %s: %w", w.Window, err)
	}
	c, err := evidence.ParseClaim(b)
	if err == nil && c.Window != w.Window {
		err = fmt.Errorf("it is of %s", c.Window)
	}
	if err != nil {
		return c, fmt.Errorf("claim of %s: %w", w.Window, err)
	}
	return c, nil
}

// agree makes a window of a request whose answers suffice; false if they do
// not (yet).
func (d *Desk) agree(ctx context.Context, r requestRow) (bool, error) {
	all, err := d.answers(ctx, r)
	if err != nil {
		return false, err
	}
	var given []evidence.Given
	var yes []evidence.Answer
	var places []string
	for _, a := range all {
		if a.answer.Says == evidence.Yes {
			given, yes, places = append(given, a.given), append(yes, a.answer), append(places, a.given.Leaf.String())
		}
	}
	if len(yes) == 0 {
		return false, nil
	}
	doc, text, err := d.request(ctx, r.Document)
	if err != nil {
		return false, err
	}
	plant, err := d.plantOf(ctx, r.Plant)
	if err != nil {
		return false, err
	}
	claim, err := evidence.Narrow(doc, yes)
	if err != nil || !d.now().Before(claim.To) {
		return false, nil // what is left of it is nothing: no, or time, will end it
	}
	claim.Window = d.heads.next("window/W-")
	keys, err := d.keysOf(ctx, given...)
	if err != nil {
		return false, err
	}
	under, pattern, err := d.basisNow(ctx, r, doc)
	if err != nil {
		return false, err
	}
	for _, b := range under {
		if p, err := evidence.ParsePattern(b.Text); err == nil { // it was parsed before
			claim.Gates = p.Gates
		}
	}
	if findings := evidence.Check(plant, text, given, keys, claim, under...); len(findings) > 0 {
		return false, nil
	}
	b, err := audit.Canonical(claim)
	if err != nil {
		return false, fmt.Errorf("claim of %s: %w", claim.Window, err)
	}
	hash, err := d.docs.Put(ctx, b)
	if err != nil {
		return false, fmt.Errorf("keep the claim of %s: %w", claim.Window, err)
	}
	body := audit.WindowAgreed{Window: claim.Window, Request: r.Request, Rev: r.Rev, Firm: r.Firm, Claim: hash, Answers: places, Pattern: pattern}
	_, err = d.commit(ctx, windowKey(claim.Window), 1, penstock, body)
	return err == nil, err
}

// step makes one step of a window out of its newest state, anew while others
// were faster. The people that event returns are those whose standing it rests on.
func (d *Desk) step(ctx context.Context, by people.Actor, id policy.WindowID, event func(windowRow, evidence.WindowClaim) (audit.WindowMoved, []people.Person, error)) (Window, error) {
	return d.happens(ctx, by, id, func(w windowRow, claim evidence.WindowClaim) (audit.Body, []people.Person, error) {
		return event(w, claim)
	})
}

// happens is step for whatever event changes a window's row.
func (d *Desk) happens(ctx context.Context, by people.Actor, id policy.WindowID, event func(windowRow, evidence.WindowClaim) (audit.Body, []people.Person, error)) (Window, error) {
	_, err := again(func() (none, error) {
		w, claim, err := d.mended(ctx, id)
		if err != nil {
			return none{}, err
		}
		body, on, err := event(w, claim)
		if err != nil {
			return none{}, err
		}
		_, err = d.commit(ctx, windowKey(id), w.row+1, string(by.Person), body, on...)
		return none{}, err
	})
	if err != nil {
		return Window{}, err
	}
	return d.windowView(ctx, id)
}

// mended reads a window; a row that differs from the log is made again first,
// so that an edited row does not keep anybody from cutting.
func (d *Desk) mended(ctx context.Context, id policy.WindowID) (windowRow, evidence.WindowClaim, error) {
	w, err := d.windowRow(ctx, id)
	if isRule(err, "row-differs") {
		if err := d.rebuild(ctx); err != nil {
			return w, evidence.WindowClaim{}, err
		}
		w, err = d.windowRow(ctx, id)
	}
	if err != nil {
		return w, evidence.WindowClaim{}, err
	}
	claim, err := d.claim(ctx, w)
	return w, claim, err
}

// claimed is a window's row, and what was agreed of it.
func (d *Desk) claimed(ctx context.Context, id policy.WindowID) (windowRow, evidence.WindowClaim, error) {
	w, err := d.windowRow(ctx, id)
	if err != nil {
		return w, evidence.WindowClaim{}, err
	}
	claim, err := d.claim(ctx, w)
	return w, claim, err
}

// Window is one window; everybody of the plant sees all, a vendor's person the
// firm's own.
func (d *Desk) Window(ctx context.Context, by people.Actor, id policy.WindowID) (Window, error) {
	row, err := d.windowRow(ctx, id)
	if err != nil {
		return Window{}, err
	}
	if err := seen(by, row.Firm, "window", string(id)); err != nil {
		return Window{}, err
	}
	w, err := d.windowView(ctx, id)
	if err == nil && !maySee(by, w) {
		return Window{}, seen(people.Actor{}, row.Firm, "window", string(id)) // as if it were not there
	}
	return w, err
}

// maySee: a vendor's machine has one key and no code, so it is told of its own windows alone.
func maySee(by people.Actor, w Window) bool {
	return !by.Machine || slices.Contains(w.Claim.People, string(by.Person))
}

// OpenFor lists a person's windows that are open now and agreed by the log's
// leaves: what a certificate may name.
func (d *Desk) OpenFor(ctx context.Context, p policy.PersonID) ([]Window, error) {
	var list []Window
	err := d.each(ctx, "window/", func(id string) error {
		w, err := d.windowRow(ctx, policy.WindowID(id))
		if err != nil || !w.runs() {
			return err
		}
		claim, err := d.claim(ctx, w)
		if err != nil || !slices.Contains(claim.People, string(p)) || claim.OnSite() { // no certificate is for work on site
			return err
		}
		facts, err := d.Facts(ctx, policy.WindowID(id), p)
		if err != nil || !facts.Window.Live || facts.Window.Ending {
			return err
		}
		v, err := d.windowView(ctx, policy.WindowID(id))
		list = append(list, v)
		return err
	})
	return list, err
}

func (d *Desk) windowView(ctx context.Context, id policy.WindowID) (Window, error) {
	w, claim, err := d.claimed(ctx, id)
	if err != nil {
		return Window{}, err
	}
	emergency, more := claim.Emergency(), w.mayStep(claim)
	claim.Rights = w.allowed(claim)
	v := Window{Emergency: emergency, MayStep: more, ID: id, Request: policy.RequestID(w.Request), State: w.State, Claim: claim, Firm: policy.FirmID(w.Firm), Opened: w.Opened,
		OpenedBy: policy.PersonID(w.OpenedBy), Until: w.Until, Why: w.Why, By: policy.PersonID(w.By), Pattern: w.Pattern, Rev: w.row}
	r, err := d.requestRow(ctx, v.Request)
	if err != nil {
		return v, err
	}
	v.Asked = asSteps(r.Next)
	if emergency || w.State == WindowAgreed {
		doc, _, err := d.request(ctx, claim.Request)
		if err != nil {
			return v, err
		}
		v.Drill = doc.Drill
		if w.State == WindowAgreed {
			if v.Call = r.Call.call(); doc.Called && v.Call == nil {
				v.Call = &Call{} // no code was made yet
			}
			v.Kept = d.keptBy(id)
		}
	}
	if s := d.stopper(); (w.State == WindowEnding || w.Pausing != "") && s != nil {
		v.HalfDone = s.HalfDone(id)
	}
	v.Pausing = policy.PersonID(w.Pausing)
	if v.Left, err = d.leftIn(ctx, w); err != nil {
		return v, err
	}
	if !w.HandBack.IsZero() {
		b, err := d.docs.Get(ctx, w.HandBack)
		if err != nil {
			return v, fmt.Errorf("read the hand-back of %s: %w", id, err)
		}
		v.HandBack = string(b)
	}
	return v, nil
}

// agreed makes the window's row and lets its request be agreed, by one event.
func (f folder) agreed(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	b := leaf.Body.(audit.WindowAgreed)
	w, err := load[windowRow](ctx, rows, windowKey(leaf.Subject))
	if err != nil || leaf.Rev != w.rev+1 {
		return nil, err
	}
	r, err := load[requestRow](ctx, rows, requestKey(b.Request))
	if err != nil {
		return nil, err
	}
	if b.Rev != r.value.Rev {
		return nil, refuse("illegal-step", "%s is at revision %d; revision %d cannot be agreed.", b.Request, r.value.Rev, b.Rev)
	}
	w.value.Window = b.Window
	if err := errors.Join(r.value.move(RequestAgreed), w.value.move(WindowAgreed)); err != nil {
		return nil, err
	}
	if err := stands(ctx, rows, b.Pattern, r.value.Pattern); err != nil {
		return nil, err
	}
	r.value.Window, w.value.Pattern = b.Window, b.Pattern
	w.value.Request, w.value.Rev, w.value.Firm, w.value.Claim, w.value.Answers, w.value.By = b.Request, b.Rev, b.Firm, b.Claim, b.Answers, penstock
	s, err := f.spokenOf(ctx, b.Window, r.value)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return both(w.changed())(r.changed())
	}
	return both(both(w.changed())(r.changed()))(s.changed())
}

// window makes the row of every later step.
func (f folder) window(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	w, err := load[windowRow](ctx, rows, windowKey(leaf.Subject))
	if err != nil || leaf.Rev != w.rev+1 {
		return nil, err
	}
	v := &w.value
	switch b := leaf.Body.(type) {
	case audit.WindowMoved:
		err = v.moved(b)
	case audit.GateChanged:
		err = v.said(b)
	case audit.EscortChanged:
		err = v.escorted(b)
	case audit.HandbackGiven:
		if v.State != WindowEnded && v.State != WindowCut {
			return nil, illegal(v.Window, string(v.State), "handed back")
		}
		v.HandBack = b.Text
		v.HandBacks++
	case audit.LeftNoted, audit.LeftDue, audit.LeftRang, audit.LeftGone:
		err = v.leaves(b)
	case audit.HandbackAccepted:
		if len(v.leftHere()) > 0 {
			return nil, illegal(v.Window, "not rid of what was left behind", "closed")
		}
		err = v.move(WindowClosed)
		v.By, v.Why = b.By, ""
	}
	if err != nil {
		return nil, err
	}
	return w.changed()
}

func (w *windowRow) moved(b audit.WindowMoved) error {
	m, known := moves[b.To]
	switch {
	case b.To == "extended":
		if w.State != WindowOpen && w.State != WindowPaused || !b.Until.After(w.Until) || b.Answer.IsZero() {
			return illegal(w.Window, string(w.State), "extended to "+b.Until.Format(time.RFC3339))
		}
		w.Extended = b.Answer
	case b.To == "pausing":
		if w.State != WindowOpen || b.By == penstock {
			return illegal(w.Window, string(w.State), "paused once its transfer is done")
		}
		w.Pausing, w.PausingWhy = b.By, b.Why
		return nil
	case b.To == "narrowed":
		if w.State != WindowOpen && w.State != WindowPaused || len(b.Rights) == 0 {
			return illegal(w.Window, string(w.State), "narrowed")
		}
		w.Rights, w.Most = b.Rights, b.Rights
	case b.To == "stepped":
		if w.State != WindowOpen && w.State != WindowPaused || len(b.Rights) == 0 || b.Answer.IsZero() {
			return illegal(w.Window, string(w.State), "stepped up")
		}
		w.Rights, w.Tapped = b.Rights, b.Answer
	case b.To == "grace":
		if w.State != WindowOpen && w.State != WindowEnding || !w.Ungraced.IsZero() || !b.Until.After(w.Until) || b.By != penstock {
			return illegal(w.Window, string(w.State), "given a grace to "+b.Until.Format(time.RFC3339))
		}
		if w.State == WindowOpen {
			w.State, w.Idle = WindowEnding, w.Until
		}
		w.Ungraced = w.Until
	case !known || m.only != "" && m.only != w.State:
		return illegal(w.Window, string(w.State), b.To)
	default:
		if err := w.move(m.to); err != nil {
			return err
		}
		if b.To == "paused" && b.By == penstock && w.Pausing != "" && strings.HasPrefix(b.Why, transferDone) {
			b.By, b.Why = w.Pausing, w.PausingWhy // people read whose word it was
		}
		w.Pausing, w.PausingWhy = "", ""
	}
	if b.To == "ending" {
		w.Idle = b.At
	}
	if b.To == "opened" {
		w.Opened, w.OpenedBy = b.At, b.By
	}
	if !b.Until.IsZero() {
		w.Until = b.Until
	}
	w.By, w.Why = b.By, b.Why
	return nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
