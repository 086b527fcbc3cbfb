package approvals

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
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
// open, from one state each; extended makes no step; grace makes none where the
// window is ending already.
var moves = map[string]struct{ only, to WindowState }{
	"opened": {WindowAgreed, WindowOpen},
	"wenton": {WindowPaused, WindowOpen},
	"paused": {to: WindowPaused},
	"ending": {to: WindowEnding},
	"grace":  {to: WindowEnding},
	"ended":  {to: WindowEnded},
	"cut":    {to: WindowCut},
	"closed": {to: WindowClosed},
	"unused": {to: WindowUnused},
}

// Window is where a window stands.
type Window struct {
	ID       policy.WindowID
	Request  policy.RequestID
	State    WindowState
	Claim    evidence.WindowClaim
	Firm     policy.FirmID
	Opened   time.Time // zero: not yet
	OpenedBy policy.PersonID
	Until    time.Time // the end in force; zero while not open
	Why      string    // of the newest step
	By       policy.PersonID
	HandBack string   // given text
	HalfDone []string // while ending: what may still finish
	Call     *Call    // while it is agreed, of a call-in: how that stands
	Asked    []Asked  // teams whose people count in place of others, because those did not answer its request
	Kept     string   // of a window that opens by itself: why it has not yet, for a person; "": nothing keeps it
	Rev      uint64
}

// windowRow is the value of window/W-n.
type windowRow struct {
	Window   string      `json:"window"`
	Request  string      `json:"request"`
	Rev      int         `json:"rev"` // of the request document
	State    WindowState `json:"state"`
	Firm     string      `json:"firm"`
	Claim    audit.Hash  `json:"claim"`
	Answers  []string    `json:"answers"` // places of the answers that it was agreed by
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

	Rights []string            `json:"rights,omitempty"` // narrowed to, while it ran
	Gates  map[string]saidGate `json:"gates,omitempty"`  // said by people for this window
	Escort escortRow           `json:"escort,omitzero"`

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

// windowRow reads a window's row as its newest leaf vouches for it.
func (d *Desk) windowRow(ctx context.Context, id policy.WindowID) (windowRow, error) {
	row, err := d.row(ctx, windowKey(id))
	if errors.Is(err, fs.ErrNotExist) {
		return windowRow{}, refuse("no-such-window", "There is no window %.40q. See `windows` for those you may see.", id)
	}
	if err != nil {
		return windowRow{}, err
	}
	w := windowRow{row: row.Rev}
	if err := decode(row, &w); err != nil {
		return w, err
	}
	d.saw(id, phase{w.row, w.State})
	return w, nil
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
	if findings := evidence.Check(plant, text, given, keys, claim); len(findings) > 0 {
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
	body := audit.WindowAgreed{Window: claim.Window, Request: r.Request, Rev: r.Rev, Firm: r.Firm, Claim: hash, Answers: places}
	_, err = d.commit(ctx, windowKey(claim.Window), 1, penstock, body)
	return err == nil, err
}

// Open starts the clock: by somebody of the plant with an opener's role, who
// does not work in the window; end = min(now + minutes, span's end).
func (d *Desk) Open(ctx context.Context, by people.Actor, id policy.WindowID) (Window, error) {
	return d.step(ctx, by, id, func(w windowRow, claim evidence.WindowClaim) (audit.WindowMoved, []people.Person, error) {
		p, err := d.opener(ctx, by, claim)
		if err != nil {
			return audit.WindowMoved{}, nil, err
		}
		body, err := d.opened(ctx, w, claim, string(by.Person))
		return body, []people.Person{p}, err
	})
}

// OpenByUse opens the person's agreed windows whose rule lets the vendor's first
// use open them (open: vendor); cert@ calls it before OpenFor. only names those
// that are meant; none: all, for one certificate is for all. A window that may
// not open now keeps no other from it; the first refusal is the answer.
func (d *Desk) OpenByUse(ctx context.Context, p policy.PersonID, only ...policy.WindowID) error {
	var no error
	err := d.each(ctx, "window/", func(id string) error {
		if len(only) > 0 && !slices.Contains(only, policy.WindowID(id)) {
			return nil
		}
		_, err := again(func() (none, error) {
			w, err := d.windowRow(ctx, policy.WindowID(id))
			if err != nil || w.State != WindowAgreed {
				return none{}, err
			}
			claim, err := d.claim(ctx, w)
			if err != nil || claim.Open != "vendor" || !slices.Contains(claim.People, string(p)) || d.now().Before(claim.From) {
				return none{}, err
			}
			user, err := d.roster.Person(ctx, p)
			if err != nil || user.Disabled {
				return none{}, err
			}
			body, err := d.opened(ctx, w, claim, string(p))
			if err != nil {
				return none{}, err
			}
			_, err = d.commit(ctx, windowKey(id), w.row+1, string(p), body, user)
			return none{}, err
		})
		if refused(err) {
			if no == nil {
				no = err
			}
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return no
}

// opened asks the rules whether a window may open now, and makes the event.
func (d *Desk) opened(ctx context.Context, w windowRow, claim evidence.WindowClaim, by string) (audit.WindowMoved, error) {
	now := d.second()
	if w.State != WindowAgreed {
		return audit.WindowMoved{}, illegal(w.Window, string(w.State), "open")
	}
	if now.Before(claim.From) {
		return audit.WindowMoved{}, refuse("too-early", "%s begins at %s. Open it then.", w.Window, claim.From.In(d.plant().Location()).Format("Mon 2 Jan 15:04 MST"))
	}
	if !now.Before(claim.To) {
		return audit.WindowMoved{}, refuse("too-late", "The span of %s is over. Ask anew.", w.Window)
	}
	if err := d.answeredCall(ctx, w, claim); err != nil {
		return audit.WindowMoved{}, err
	}
	if err := d.mayOpen(ctx, w, claim, now); err != nil {
		return audit.WindowMoved{}, err
	}
	until := now.Add(time.Duration(claim.Minutes) * time.Minute)
	if until.After(claim.To) {
		until = claim.To
	}
	return audit.WindowMoved{Window: w.Window, To: "opened", By: by, At: now, Until: until}, nil
}

// mayOpen asks Decide(AtOpen) on leaves. One person who may work in all of it
// is enough: each is asked about again at the door.
func (d *Desk) mayOpen(ctx context.Context, w windowRow, claim evidence.WindowClaim, now time.Time) error {
	rights, err := policy.ParseRights(claim.Rights)
	if err != nil {
		return fmt.Errorf("rights of %s: %w", w.Window, err)
	}
	var first error
	for _, person := range claim.People {
		facts, err := d.Facts(ctx, policy.WindowID(w.Window), policy.PersonID(person))
		if err != nil {
			return err
		}
		var no error
		for _, t := range asPolicy(claim.Assets) {
			q := policy.Query{Stage: policy.AtOpen, Asset: t.Asset, Port: t.Port, Account: t.Account, Rights: rights,
				From: claim.From, Until: claim.To, Minutes: claim.Minutes}
			if no = d.plant().Decide(facts, q, now).Refusal(); no != nil {
				break
			}
		}
		if no == nil {
			return nil
		}
		if first == nil {
			first = no
		}
	}
	return first
}

// opener: somebody of the plant who may open this window, with a code.
func (d *Desk) opener(ctx context.Context, by people.Actor, claim evidence.WindowClaim) (people.Person, error) {
	p, _, err := d.isOpener(ctx, by, claim)
	if err != nil {
		return p, err
	}
	return p, d.proved(by, p)
}

// isOpener is opener without what proves them.
func (d *Desk) isOpener(ctx context.Context, by people.Actor, claim evidence.WindowClaim) (people.Person, policy.Quorum, error) {
	p, err := d.presentPlant(ctx, by)
	if err != nil {
		return p, policy.Quorum{}, err
	}
	doc, _, err := d.request(ctx, claim.Request)
	if err != nil {
		return p, policy.Quorum{}, err
	}
	q, err := d.quorum(ctx, doc)
	if err != nil {
		return p, q, err
	}
	row, err := d.requestRow(ctx, policy.RequestID(doc.Request))
	if err != nil {
		return p, q, err
	}
	if p = row.standing(p); !hasAny(p, q.Openers) {
		if err := d.offDuty(ctx, by, q.Openers); err != nil {
			return p, q, err
		}
		return p, q, refuse("not-on-shift", "Only %s may do this.", strings.Join(words(q.Openers), " or "))
	}
	if string(p.Firm) == doc.Firm || slices.Contains(claim.People, string(p.ID)) {
		return p, q, refuse("own-request", "Whoever works in the window or is of that firm never opens it.")
	}
	return p, q, nil
}

// GoOn lets a paused window go on. The clock has not stopped meanwhile.
func (d *Desk) GoOn(ctx context.Context, by people.Actor, id policy.WindowID) (Window, error) {
	pauses := d.pausesOf(id)
	w, err := d.step(ctx, by, id, func(w windowRow, claim evidence.WindowClaim) (audit.WindowMoved, []people.Person, error) {
		p, err := d.opener(ctx, by, claim)
		if err != nil {
			return audit.WindowMoved{}, nil, err
		}
		if !d.now().Before(w.Until) && w.runs() {
			return audit.WindowMoved{}, nil, refuse("too-late", "%s has ended.", id)
		}
		if err := cmp.Or(d.met(ctx, w, claim), d.untaken(ctx, w)); err != nil && w.State == WindowPaused {
			return audit.WindowMoved{}, nil, err
		}
		return audit.WindowMoved{Window: w.Window, To: "wenton", By: string(by.Person), At: d.second(), Until: w.Until}, []people.Person{p}, nil
	})
	if err == nil {
		d.release(id, pauses)
	}
	return w, err
}

// Extend moves the end of a running window, by an opener's answer: past the
// request's minutes, never past the span, a limit or the rule's longest. It
// rests on a code, where the rules let that be enough; else see ExtendSigned.
func (d *Desk) Extend(ctx context.Context, by people.Actor, id policy.WindowID, until time.Time) (Window, error) {
	return d.extend(ctx, by, id, until, nil)
}

func (d *Desk) extend(ctx context.Context, by people.Actor, id policy.WindowID, until time.Time, signed *evidence.Answer) (Window, error) {
	return d.step(ctx, by, id, func(w windowRow, claim evidence.WindowClaim) (audit.WindowMoved, []people.Person, error) {
		p, q, err := d.isOpener(ctx, by, claim)
		if err != nil {
			return audit.WindowMoved{}, nil, err
		}
		if err := d.extendable(w, until); err != nil {
			return audit.WindowMoved{}, nil, err
		}
		a := d.extensionText(p, q, w, claim, whole(until))
		if signed != nil {
			err = d.signature(ctx, p, a, *signed)
			a = *signed
		} else if err = d.coded(by, p, q); err == nil {
			a.Proof = totp(by)
		}
		if err != nil {
			return audit.WindowMoved{}, nil, err
		}
		answer, err := d.extension(ctx, p, w, claim, a)
		if err != nil {
			return audit.WindowMoved{}, nil, err
		}
		return audit.WindowMoved{Window: w.Window, To: "extended", By: string(by.Person), At: d.second(), Until: whole(until), Answer: answer}, []people.Person{p}, nil
	})
}

// extendable: open or paused, before its end, and to a later one.
func (d *Desk) extendable(w windowRow, until time.Time) error {
	if !w.runs() || w.State == WindowEnding || !d.second().Before(w.Until) {
		return refuse("illegal-step", "%s is %s; only a window that is open can be extended.", w.Window, w.State)
	}
	if !whole(until).After(w.Until) {
		return refuse("not-later", "%s ends at %s already. End it now, or choose a later time.", w.Window, w.Until.Format(time.RFC3339))
	}
	return nil
}

// extensionText is the opener's answer without its proof.
func (d *Desk) extensionText(p people.Person, q policy.Quorum, w windowRow, claim evidence.WindowClaim, until time.Time) evidence.Answer {
	role := q.Openers[slices.IndexFunc(q.Openers, p.Has)]
	return evidence.Answer{V: 1, Request: claim.Request, Person: string(p.ID), Firm: string(p.Firm), Role: string(role), Says: evidence.Extend,
		Window: w.Window, Until: until, Nonce: nonce(), At: d.second(), DecideBy: w.Until}
}

// extension keeps the opener's answer, held to the verifier's own check.
func (d *Desk) extension(ctx context.Context, p people.Person, w windowRow, claim evidence.WindowClaim, a evidence.Answer) (audit.Hash, error) {
	doc, text, err := d.request(ctx, claim.Request)
	if err != nil {
		return audit.Hash{}, err
	}
	plant, err := d.plantOf(ctx, doc.Plant)
	if err != nil {
		return audit.Hash{}, err
	}
	hash, err := d.sign(ctx, a)
	if err != nil {
		return hash, err
	}
	body, err := audit.Canonical(a)
	if err != nil {
		return hash, err
	}
	yes, err := d.agreedBy(ctx, w)
	if err != nil {
		return hash, err
	}
	keys, g := d.extenders(evidence.Given{Wall: d.now(), Body: body, Firm: a.Firm, Roles: words(p.Roles), Plant: true})
	if findings := evidence.CheckExtension(plant, text, yes, g, keys, claim, w.Opened); len(findings) > 0 {
		_, first, _ := strings.Cut(findings[0], ": ")
		return hash, &policy.Refusal{Rule: "extension", Say: "It cannot be extended so far: " + first + ".", Why: strings.Join(findings, "; ")}
	}
	return hash, nil
}

// extenders are the keys that an extension may be signed with. Its own leaf is
// not known here: it was held to the keys of that moment when it was written, and
// the verifier holds it to them by the leaf. A code's generator is not looked for.
func (d *Desk) extenders(g evidence.Given) ([]evidence.Key, evidence.Given) {
	a, err := evidence.ParseAnswer(g.Body)
	if err != nil || !a.Proof.Signed() {
		return nil, g
	}
	g.Leaf = d.keys.next()
	return d.keys.ever(a.Person), g
}

// Pause holds the vendor's input at once; sessions stay, the clock runs on.
func (d *Desk) Pause(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Window, error) {
	if err := d.mayTake(by); err != nil {
		return Window{}, err
	}
	why = cleaned(why)
	said := fmt.Sprintf("paused by %s", by.Person)
	if why != "" {
		said += ": " + why
	}
	d.hold(id, said)
	defer d.unmark(d.held, id)
	w, err := d.taken(ctx, by, id, "paused", why)
	if refused(err) && !d.isPaused(ctx, id) {
		d.release(id, d.pausesOf(id))
	}
	return w, err
}

// End ends a window, by the plant or by somebody who works in it: at once, or
// where a transfer is half done, when that is done and at most at the window's
// end; until then it is ending, and HalfDone says why. A paused window ends at
// once: nothing passes in it that could finish.
func (d *Desk) End(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Window, error) {
	if err := d.mayTake(by); err != nil && !d.worksIn(ctx, by, id) {
		return Window{}, err
	}
	return d.wind(ctx, by, id, cleaned(why))
}

// Cut ends a window by force, from every state that is not over.
func (d *Desk) Cut(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Window, error) {
	if err := d.mayTake(by); err != nil {
		return Window{}, err
	}
	return d.stop(ctx, by, id, "cut", cleaned(why))
}

// worksIn: a person of the window's own people.
func (d *Desk) worksIn(ctx context.Context, by people.Actor, id policy.WindowID) bool {
	w, err := d.windowRow(ctx, id)
	if err != nil {
		return false
	}
	claim, err := d.claim(ctx, w)
	return err == nil && slices.Contains(claim.People, string(by.Person)) && w.Firm == string(by.Firm)
}

// wind is stop, but for what is half done.
func (d *Desk) wind(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Window, error) {
	if err := d.stoppable(id, WindowEnded); err != nil {
		return Window{}, err
	}
	s := d.stopper()
	if s == nil {
		return d.stop(ctx, by, id, "ended", why)
	}
	to, marks := "ending", d.winding
	d.mark(d.winding, id) // before Wind: facts that are asked for from here on say so
	if half := s.Wind(id, time.Time{}, byPerson("ended", id, by, why), d.again); len(half) == 0 {
		to, marks = "ended", d.stopped
		d.mark(d.stopped, id)
		d.unmark(d.winding, id)
	}
	w, err := d.taken(ctx, by, id, to, why)
	if refused(err) || err == nil {
		d.unmark(marks, id)
	}
	return w, err
}

func byPerson(to string, id policy.WindowID, by people.Actor, why string) error {
	return &policy.Refusal{Rule: to, Say: fmt.Sprintf("%s %s by %s: %s", id, to, by.Person, why)}
}

// stop is effect first, then the event.
func (d *Desk) stop(ctx context.Context, by people.Actor, id policy.WindowID, to, why string) (Window, error) {
	if err := d.stoppable(id, moves[to].to); err != nil {
		return Window{}, err
	}
	d.mark(d.stopped, id)
	if s := d.stopper(); s != nil {
		s.Stop(id, byPerson(to, id, by, why))
	}
	w, err := d.taken(ctx, by, id, to, why)
	if refused(err) || err == nil {
		d.unmark(d.stopped, id)
	}
	return w, err
}

// taken writes what has taken effect already. What cannot be written lets
// nobody in any more.
func (d *Desk) taken(ctx context.Context, by people.Actor, id policy.WindowID, to, why string) (Window, error) {
	ctx = context.WithoutCancel(ctx) // whoever asked may go; the event must come
	w, err := d.step(ctx, by, id, func(w windowRow, _ evidence.WindowClaim) (audit.WindowMoved, []people.Person, error) {
		to := to
		if to == "ending" && w.State == WindowPaused { // somebody has paused it meanwhile: nothing is to pass now
			to = "ended"
			d.stopper().Stop(id, byPerson(to, id, by, why))
		}
		m := audit.WindowMoved{Window: w.Window, To: to, By: string(by.Person), At: d.second(), Until: w.Until, Why: why}
		if end := moves[to].to; end == WindowEnded || end == WindowCut {
			m.Until = time.Time{}
			if w.runs() {
				m.Until = earlier(m.At, w.Until)
			}
		}
		return m, nil, nil
	})
	if err != nil && !refused(err) {
		return w, d.admitNothing(fmt.Errorf("write that %s is %s", id, to), err)
	}
	return w, err
}

// step makes one event of a window's newest state, anew while others were
// faster. The people that event returns are those whose standing it rests on.
func (d *Desk) step(ctx context.Context, by people.Actor, id policy.WindowID, event func(windowRow, evidence.WindowClaim) (audit.WindowMoved, []people.Person, error)) (Window, error) {
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
	return d.windowView(ctx, id)
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
		if err != nil || !slices.Contains(claim.People, string(p)) {
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
	w, err := d.windowRow(ctx, id)
	if err != nil {
		return Window{}, err
	}
	claim, err := d.claim(ctx, w)
	if err != nil {
		return Window{}, err
	}
	claim.Rights = w.allowed(claim)
	v := Window{ID: id, Request: policy.RequestID(w.Request), State: w.State, Claim: claim, Firm: policy.FirmID(w.Firm), Opened: w.Opened,
		OpenedBy: policy.PersonID(w.OpenedBy), Until: w.Until, Why: w.Why, By: policy.PersonID(w.By), Rev: w.row}
	r, err := d.requestRow(ctx, v.Request)
	if err != nil {
		return v, err
	}
	v.Asked = asSteps(r.Next)
	if w.State == WindowAgreed {
		doc, _, err := d.request(ctx, claim.Request)
		if err != nil {
			return v, err
		}
		if v.Call = r.Call.call(); doc.Called && v.Call == nil {
			v.Call = &Call{} // no code was made yet
		}
		v.Kept = d.keptBy(id)
	}
	if s := d.stopper(); w.State == WindowEnding && s != nil {
		v.HalfDone = s.HalfDone(id)
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
	r.value.Window = b.Window
	w.value.Request, w.value.Rev, w.value.Firm, w.value.Claim, w.value.Answers, w.value.By = b.Request, b.Rev, b.Firm, b.Claim, b.Answers, penstock
	return both(w.changed())(r.changed())
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
	case audit.HandbackAccepted:
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
	case b.To == "narrowed":
		if w.State != WindowOpen && w.State != WindowPaused || len(b.Rights) == 0 {
			return illegal(w.Window, string(w.State), "narrowed")
		}
		w.Rights = b.Rights
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
