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

// handoverRow is the value of handover/H-n.
type handoverRow struct {
	Handover string            `json:"handover"`
	Team     string            `json:"team"`
	By       string            `json:"by"`
	Due      time.Time         `json:"due"`
	At       time.Time         `json:"at"`
	Text     audit.Hash        `json:"text,omitzero"`
	Windows  []string          `json:"windows"`
	Taken    map[string]string `json:"taken,omitempty"` // by whom, by window
	Rang     bool              `json:"rang,omitempty"`

	row uint64
}

func handoverKey[T ~string](id T) string { return "handover/" + string(id) }

func (h handoverRow) left() []string {
	return slices.DeleteFunc(slices.Clone(h.Windows), func(w string) bool { return h.Taken[w] != "" })
}

const (
	newestHandover = 50 // rows that are looked at: one team has one open at a time
	longestNotice  = 12 * time.Hour
)

// Handover is what one shift hands to the next, as it stands.
type Handover struct {
	ID    string
	Team  policy.Role
	By    policy.PersonID
	Due   time.Time // when the shift changes
	At    time.Time
	Says  string
	Items []HandedOver
	Rang  bool // it was not taken in time, and both shifts were rung
}

// HandedOver is one window of it; By is empty while nobody has taken it.
type HandedOver struct {
	Window policy.WindowID
	By     policy.PersonID
}

// Left counts what nobody has taken yet.
func (h Handover) Left() int {
	n := 0
	for _, i := range h.Items {
		if i.By == "" {
			n++
		}
	}
	return n
}

// HandOver offers the next shift of a team every window that it opens and that
// runs, or is over and not closed. Whoever offers stays responsible until it is
// taken. Due is when the shift changes: ten minutes after that both are rung,
// ten more and the vendor's input in what was not taken is paused, but never
// while a transfer is half done.
func (d *Desk) HandOver(ctx context.Context, by people.Actor, team policy.Role, due time.Time, says string) (Handover, error) {
	now := d.second()
	due = whole(due)
	if due.Before(now.Add(-evidence.HandoverRings)) || due.After(now.Add(longestNotice)) {
		return Handover{}, refuse("bad-time", "A shift is handed over between a few minutes ago and %s from now.", longestNotice)
	}
	if says != "" {
		if err := text("what you say", says, evidence.MaxReason); err != nil {
			return Handover{}, err
		}
	}
	id, err := again(func() (string, error) {
		p, err := d.holder(ctx, by, team)
		if err != nil {
			return "", err
		}
		open, err := d.openHandovers(ctx)
		if err != nil {
			return "", err
		}
		if i := slices.IndexFunc(open, func(h handoverRow) bool { return h.Team == string(team) }); i >= 0 {
			return "", refuse("handover-open", "%s is not taken yet. Once it is, the next can be offered.", open[i].Handover)
		}
		windows, err := d.toHandOver(ctx, team)
		if err != nil {
			return "", err
		}
		if len(windows) == 0 || len(windows) > evidence.MaxHandedOver {
			return "", refuse("nothing-open", "There is nothing to hand over: no window of %s runs or waits for its hand-back.", team)
		}
		body := audit.HandoverOffered{Handover: d.heads.next("handover/H-"), Team: string(team), By: string(p.ID), Due: due, At: d.second(), Windows: windows}
		if says != "" {
			if body.Text, err = d.docs.Put(ctx, []byte(says)); err != nil {
				return "", fmt.Errorf("keep what is said at a handover: %w", err)
			}
		}
		_, err = d.commit(ctx, handoverKey(body.Handover), 1, string(p.ID), body, p)
		return body.Handover, err
	})
	if err != nil {
		return Handover{}, err
	}
	return d.handover(ctx, id)
}

// holder is somebody of the plant who holds a team's role, on duty or not: who
// comes takes over before their turn begins.
func (d *Desk) holder(ctx context.Context, by people.Actor, team policy.Role) (people.Person, error) {
	p, err := d.activePlant(ctx, by)
	if err != nil {
		return p, err
	}
	if !slices.Contains(p.Roles, team) {
		return p, refuse("not-on-shift", "Only %s hands over, and takes over, what %s opens.", team, team)
	}
	return p, nil
}

// toHandOver lists what a team opens and that runs, or waits for its hand-back.
func (d *Desk) toHandOver(ctx context.Context, team policy.Role) (ids []string, err error) {
	err = d.each(ctx, "window/", func(id string) error {
		w, err := d.windowRow(ctx, policy.WindowID(id))
		if err != nil || !w.runs() && w.State != WindowEnded && w.State != WindowCut {
			return err
		}
		claim, err := d.claim(ctx, w)
		if err != nil {
			return err
		}
		doc, _, err := d.request(ctx, claim.Request)
		if err != nil {
			return err
		}
		q, err := d.quorum(ctx, doc)
		if err == nil && slices.Contains(q.Openers, team) {
			ids = append(ids, id)
		}
		return err
	})
	return ids, err
}

// TakeOver takes windows of a handover, by somebody else of the team with a
// code, who works in none of them. Both names and times are in the log.
func (d *Desk) TakeOver(ctx context.Context, by people.Actor, id string, windows []policy.WindowID) (Handover, error) {
	return d.takeOver(ctx, by, id, windows, nil)
}

func (d *Desk) takeOver(ctx context.Context, by people.Actor, id string, windows []policy.WindowID, tap *evidence.Answer) (Handover, error) {
	_, err := again(func() (none, error) {
		h, p, take, err := d.taking(ctx, by, id, windows)
		if err != nil {
			return none{}, err
		}
		body := audit.HandoverAccepted{Handover: id, By: string(p.ID), Windows: take, At: d.second()}
		if tap == nil {
			err = d.proved(by, p)
		} else {
			body.Text, body.Answer, err = d.tapTaking(ctx, by, p, h, take, *tap)
		}
		if err != nil {
			return none{}, err
		}
		_, err = d.commit(ctx, handoverKey(id), h.row+1, string(p.ID), body, p)
		return none{}, err
	})
	if err != nil {
		return Handover{}, err
	}
	return d.handover(ctx, id)
}

// taking is who would take which of these windows, that nobody has taken, of which
// handover; the windows are sorted.
func (d *Desk) taking(ctx context.Context, by people.Actor, id string, windows []policy.WindowID) (h handoverRow, p people.Person, take []string, err error) {
	if h, err = d.handoverRow(ctx, id); err != nil {
		return h, p, nil, err
	}
	if p, err = d.holder(ctx, by, policy.Role(h.Team)); err != nil {
		return h, p, nil, err
	}
	if h.By == string(p.ID) {
		return h, p, nil, refuse("own-handover", "Whoever hands over does not take it. The next shift does.")
	}
	left := h.left()
	for _, w := range windows {
		if !slices.Contains(h.Windows, string(w)) {
			return h, p, nil, refuse("not-in-handover", "%.40q is not in %s. Take what is on its list.", w, id)
		}
		if slices.Contains(left, string(w)) && !slices.Contains(take, string(w)) { // else somebody was faster: it is taken
			take = append(take, string(w))
		}
	}
	if len(take) == 0 {
		return h, p, nil, refuse("nothing-taken", "Say which of %s you take: %s.", id, strings.Join(left, ", "))
	}
	for _, one := range take {
		if d.worksIn(ctx, by, policy.WindowID(one)) {
			return h, p, nil, refuse("own-request", "Whoever works in %s does not take it over. Somebody else of the shift does.", one)
		}
	}
	slices.Sort(take)
	return h, p, take, nil
}

// Handovers are those that are not taken yet; the plant's people see them.
func (d *Desk) Handovers(ctx context.Context, by people.Actor) ([]Handover, error) {
	if !by.Plant {
		return nil, nil
	}
	open, err := d.openHandovers(ctx)
	if err != nil {
		return nil, err
	}
	var list []Handover
	for _, h := range open {
		one, err := d.handover(ctx, h.Handover)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

func (d *Desk) handoverRow(ctx context.Context, id string) (h handoverRow, err error) {
	rev, there, err := d.read(ctx, handoverKey(id), &h)
	if h.row = rev; err == nil && !there {
		err = refuse("no-such-handover", "There is no handover %.40q. See the page of handovers.", id)
	}
	return h, err
}

func (d *Desk) handover(ctx context.Context, id string) (Handover, error) {
	h, err := d.handoverRow(ctx, id)
	if err != nil {
		return Handover{}, err
	}
	out := Handover{ID: h.Handover, Team: policy.Role(h.Team), By: policy.PersonID(h.By), Due: h.Due, At: h.At, Rang: h.Rang}
	for _, w := range h.Windows {
		out.Items = append(out.Items, HandedOver{policy.WindowID(w), policy.PersonID(h.Taken[w])})
	}
	if !h.Text.IsZero() {
		b, err := d.docs.Get(ctx, h.Text)
		if err != nil {
			return out, fmt.Errorf("read what was said at %s: %w", id, err)
		}
		out.Says = string(b)
	}
	return out, nil
}

// openHandovers have something that nobody has taken and that is not over since.
func (d *Desk) openHandovers(ctx context.Context) ([]handoverRow, error) {
	if err := d.heads.load(ctx, d.log, &d.keys); err != nil {
		return nil, err
	}
	var open []handoverRow
	keys := d.heads.keys("handover/")
	for _, key := range keys[max(0, len(keys)-newestHandover):] {
		h, err := d.handoverRow(ctx, strings.TrimPrefix(key, "handover/"))
		if err != nil {
			return nil, err
		}
		for _, id := range h.left() {
			w, err := d.windowRow(ctx, policy.WindowID(id))
			if err != nil {
				return nil, err
			}
			if w.State != WindowClosed {
				open = append(open, h)
				break
			}
		}
	}
	return open, nil
}

// settleHandovers rings for what was not taken in time, and pauses it after that.
func (d *Desk) settleHandovers(ctx context.Context) (next time.Time, err error) {
	next = never
	open, err := d.openHandovers(ctx)
	if err != nil {
		return next, err
	}
	now := d.now()
	for _, h := range open {
		rings, pauses := h.Due.Add(evidence.HandoverRings), h.Due.Add(evidence.HandoverPauses)
		switch {
		case now.Before(rings):
			next = earlier(next, rings)
			continue
		case !h.Rang:
			who, err := d.rung(ctx, h.By, []policy.Role{policy.Role(h.Team)})
			if err != nil {
				return next, err
			}
			body := audit.HandoverRang{Handover: h.Handover, At: d.second(), Windows: h.left(), People: who}
			if _, err := d.commit(ctx, handoverKey(h.Handover), h.row+1, penstock, body); err != nil && !errors.Is(err, state.ErrConflict) {
				return next, err
			}
		}
		if now.Before(pauses) {
			next = earlier(next, pauses)
			continue
		}
		for _, id := range h.left() {
			when, err := d.pauseUntaken(ctx, h, policy.WindowID(id))
			if err != nil {
				return next, err
			}
			next = earlier(next, when)
		}
	}
	return next, nil
}

// rung are both shifts and whom the plant file asks next: who said it, and who of
// the teams and of the ones after them is on duty.
func (d *Desk) rung(ctx context.Context, by string, teams []policy.Role) ([]string, error) {
	duty, err := d.Duty(ctx)
	if err != nil {
		return nil, err
	}
	who, now := []string{by}, d.now()
	for _, team := range teams {
		who = append(who, words(duty.On(team, now))...)
		if t, ok := d.plant().Team(team); ok && t.AsksNext != "" {
			who = append(who, words(duty.On(t.AsksNext, now))...)
		}
	}
	who = sorted(who)
	return who[:min(len(who), evidence.MaxList)], nil
}

// transferLook is how soon a half-done transfer is looked at again.
const transferLook = 2 * time.Second

// pauseUntaken holds a window that nobody has taken; what is half done in it
// finishes first.
func (d *Desk) pauseUntaken(ctx context.Context, h handoverRow, id policy.WindowID) (next time.Time, err error) {
	return d.due(func() (time.Time, bool, error) {
		w, err := d.windowRow(ctx, id)
		if err != nil || w.State != WindowOpen {
			return never, false, err
		}
		if len(d.stopper().HalfDone(id)) > 0 {
			return d.now().Add(transferLook), false, nil
		}
		why := fmt.Sprintf("its handover %s was not taken", h.Handover)
		d.hold(id, "paused: "+why)
		defer d.unmark(d.held, id)
		body := audit.WindowMoved{Window: w.Window, To: "paused", By: penstock, At: d.second(), Until: w.Until, Why: why}
		if _, err := d.commit(ctx, windowKey(id), w.row+1, penstock, body); err != nil {
			d.letGo(id)
			return never, false, err
		}
		return never, true, nil
	})
}

// untaken refuses to let a window go on that the next shift has not taken.
func (d *Desk) untaken(ctx context.Context, w windowRow) error {
	open, err := d.openHandovers(ctx)
	if err != nil {
		return err
	}
	for _, h := range open {
		if slices.Contains(h.left(), w.Window) && !d.now().Before(h.Due.Add(evidence.HandoverPauses)) {
			return refuse("handover", "%s waits until the next shift takes it over: %s.", w.Window, h.Handover)
		}
	}
	return nil
}

// handover makes the row of what was offered, taken and rung for.
func (f folder) handover(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	r, err := load[handoverRow](ctx, rows, handoverKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	switch b := leaf.Body.(type) {
	case audit.HandoverOffered:
		if r.rev != 0 {
			return nil, illegal(b.Handover, "offered", "offered again")
		}
		r.value = handoverRow{Handover: b.Handover, Team: b.Team, By: b.By, Due: b.Due, At: b.At, Text: b.Text, Windows: b.Windows}
	case audit.HandoverAccepted:
		if r.rev == 0 || b.By == r.value.By {
			return nil, illegal(b.Handover, "offered by "+r.value.By, "taken by "+b.By)
		}
		if r.value.Taken == nil {
			r.value.Taken = map[string]string{}
		}
		for _, w := range b.Windows {
			if !slices.Contains(r.value.Windows, w) || r.value.Taken[w] != "" {
				return nil, illegal(b.Handover, "with other windows", "taken with "+w)
			}
			r.value.Taken[w] = b.By
		}
	case audit.HandoverRang:
		if r.rev == 0 || r.value.Rang {
			return nil, illegal(b.Handover, "rung for", "rung for again")
		}
		r.value.Rang = true
	}
	return r.changed()
}
