package review

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/audit"
)

const (
	// mostAtOnce of all recordings go by themselves in one round, and a tenth of
	// them: what is more asks for a person.
	mostAtOnce = 5
	mostARound = 500
	// deletionGood is how long one person's wish to delete waits for the second.
	deletionGood = 7 * 24 * time.Hour
)

// Due is a recording whose retention is over.
type Due struct {
	Session, Rule string
	Ended, Due    time.Time
}

// Kept is a recording that would be due, and why it stays.
type Kept struct {
	Due
	Why string
}

// Plan is what would go now, and what would not, without anything being done.
type Plan struct {
	At    time.Time
	All   int // recordings that are there, by the log
	Goes  []Due
	Stays []Kept
	Asks  string // why it does not happen by itself; "": it does
	Never string // why it does not happen at all
}

// Due says until when a session is kept: the longest of all that was done in
// it, by a plant file's word on each (Rules.Keeps). Not ok: for ever.
func (s *Session) Due(keeps func(Target) (string, time.Duration, bool)) (rule string, due time.Time, ok bool) {
	targets := s.Targets
	if len(targets) == 0 {
		targets = []Target{{}}
	}
	var keep time.Duration
	for _, t := range targets {
		one, d, ok := keeps(t)
		if !ok {
			return "", time.Time{}, false
		}
		if d > keep {
			rule, keep = one, d
		}
	}
	return rule, s.Ended.Add(keep), true
}

// stays says why a session's recording may not go, whoever wants it; "" it may.
// These are the rules that the verifier knows, too.
func (h *History) stays(s *Session) string {
	questions, findings := s.Open()
	switch hold := h.Held(s); {
	case s.Ended.IsZero():
		return "it has not ended"
	case s.Gone != nil:
		return "it is gone"
	case hold != "":
		return "hold " + hold
	case s.Undrawn:
		return "the draw for its day is still to come"
	case s.Drawn && !s.Reviewed():
		return "drawn for review"
	case findings > 0:
		return "an open finding"
	case questions > 0:
		return "an open question"
	}
	return ""
}

// keeps is stays, and what the plant file in force wants reviewed.
func (b *Book) keeps(s *Session, r Rules) string {
	if why := b.history.stays(s); why != "" {
		return why
	}
	if why := s.Reasons(r); len(why) > 0 && !s.Reviewed() {
		return "waits for review: " + strings.Join(why, ", ")
	}
	return ""
}

// plan looks at all recordings; mu is held.
func (b *Book) plan() Plan {
	r, p := b.house.Rules(), Plan{At: b.house.Now()}
	if err := b.house.Clock(); err != nil {
		p.Never = err.Error()
	}
	for _, s := range b.history.Sessions() {
		if s.Gone != nil {
			continue
		}
		p.All++
		if s.Ended.IsZero() {
			continue
		}
		rule, due, ok := s.Due(r.Keeps)
		if !ok || p.At.Before(due) {
			continue
		}
		d := Due{s.ID, rule, s.Ended, due}
		if why := b.keeps(s, r); why != "" {
			p.Stays = append(p.Stays, Kept{d, why})
		} else {
			p.Goes = append(p.Goes, d)
		}
	}
	p.Asks = b.asks(p)
	return p
}

// asks says why a person must look first: the date may be wrong.
func (b *Book) asks(p Plan) string {
	j, ahead := b.history.jump, b.house.Now().Sub(b.history.last)
	switch {
	case p.Never != "":
		return p.Never
	case j.by > 0 && j.at >= b.history.looked:
		return fmt.Sprintf("the log's clock leapt ahead by %d days on %s", int(j.by.Hours()/24), j.to.Format("2 Jan 2006"))
	case ahead > leap:
		return fmt.Sprintf("the clock is %d days ahead of the newest event", int(ahead.Hours()/24))
	case len(p.Goes) > mostAtOnce && len(p.Goes)*10 > p.All:
		return fmt.Sprintf("%d of %d recordings would go at once", len(p.Goes), p.All)
	}
	return ""
}

// Plan is the dry run of Expire, for OT security and who reads recordings. It is
// a listing: review.opened.
func (b *Book) Plan(ctx context.Context, who Reader) (Plan, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.catchUp(ctx); err != nil {
		return Plan{}, err
	}
	if !b.reads(who) && !b.isSecurity(who) {
		return Plan{}, ErrMayNot
	}
	who.What, who.Form = "list", "expiry"
	if err := b.write(ctx, who, ""); err != nil {
		return Plan{}, err
	}
	return b.plan(), b.catchUp(ctx)
}

// Expire lets go what Plan shows, at most so many at once; OT security, who has
// seen that seen recordings would go. The rest of what Plan shows goes the same way.
func (b *Book) Expire(ctx context.Context, who Reader, seen int) (Plan, error) {
	b.mu.Lock()
	p, err := b.expireBy(ctx, who, seen)
	b.mu.Unlock()
	if err != nil {
		return Plan{}, err
	}
	return p, b.sweep(ctx)
}

func (b *Book) expireBy(ctx context.Context, who Reader, seen int) (Plan, error) {
	if err := b.security(ctx, who); err != nil {
		return Plan{}, err
	}
	p := b.plan()
	switch {
	case p.Never != "":
		return p, refuse("clock-not-trusted", "Nothing expires now: %s.", p.Never)
	case seen != len(p.Goes):
		return p, refuse("decided-meanwhile", "You saw %d, and now it is %d. Look at the dry run again.", seen, len(p.Goes))
	}
	p.Goes = p.Goes[:min(len(p.Goes), mostARound)]
	return p, b.expireAll(ctx, who.Person, p)
}

// expireByItself is the daily round's; mu is held.
func (b *Book) expireByItself(ctx context.Context) error {
	p := b.plan()
	if p.Asks != "" {
		if len(p.Goes) > 0 {
			b.house.Slog.Warn("recordings whose retention is over wait for a person: penstock recording expire", "recordings", len(p.Goes), "why", p.Asks)
		}
		return nil
	}
	p.Goes = p.Goes[:min(len(p.Goes), mostARound)]
	return b.expireAll(ctx, "penstock", p)
}

func (b *Book) expireAll(ctx context.Context, actor string, p Plan) error {
	plant := b.house.Rules().Plant
	for _, d := range p.Goes {
		s := b.history.Session(d.Session)
		body := audit.RecordingExpired{Session: d.Session, Rule: d.Rule, Due: d.Due.UTC(), Plant: plant, Close: s.Close}
		if err := b.tell(ctx, d.Session, actor, body); err != nil {
			return err
		}
		if s.Gone == nil {
			return fmt.Errorf("expire %s: the event does not hold against the log", d.Session)
		}
	}
	return nil
}

// sweep takes away the files of what is gone by events that a copy outside
// covers. It is the only place where files of a recording go.
func (b *Book) sweep(ctx context.Context) error {
	b.mu.Lock()
	covered := b.house.Covered()
	var gone []string
	for _, s := range b.history.Sessions() {
		if s.Gone != nil && s.goneAt < covered && b.archive.Has(s.ID) {
			gone = append(gone, s.ID)
		}
	}
	b.mu.Unlock()
	for _, id := range gone {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.archive.Remove(id); err != nil {
			return fmt.Errorf("take away the recording of %s: %w", id, err)
		}
		b.house.Slog.Info("the files of a recording are gone", "session", id)
	}
	return nil
}

// Delete is for a recording that must go before its time, held by nothing and
// reviewed. The first call, by OT security, says so and why; the second, by
// somebody else who reads recordings, confirms it: then it goes. Neither may
// have had a part in the session. done says whether it has gone.
func (b *Book) Delete(ctx context.Context, who Reader, session, why string, confirm bool) (done bool, err error) {
	if !confirm {
		if why, err = text(why, true); err != nil {
			return false, err
		}
	}
	_, err = b.step(ctx, who, session, func(s *Session) (audit.Body, error) {
		if err := b.deletable(s, who); err != nil {
			return nil, err
		}
		d := s.Deletion
		if d != nil && b.house.Now().Sub(d.At) > deletionGood {
			d = nil
		}
		switch {
		case !confirm && !b.isSecurity(who):
			return nil, refuse("not-security", "Only OT security begins this. Ask one of them.")
		case !confirm && d != nil:
			return nil, refuse("decided-meanwhile", "%s has asked for it already. A second person must confirm it.", d.By)
		case !confirm:
			return audit.DeletionAsked{Session: s.ID, By: who.Person, Why: why}, nil
		case d == nil:
			return nil, refuse("not-asked", "Nobody has asked for it within the last 7 days. OT security begins.")
		case d.By == who.Person:
			return nil, refuse("second-person", "You asked for it, so somebody else must confirm it.")
		}
		done = true
		return audit.RecordingDeleted{Session: s.ID, Asked: d.By, By: who.Person, Why: d.Why, Close: s.Close}, nil
	})
	if err != nil || !done {
		return false, err
	}
	return true, b.sweep(ctx)
}

// deletable says in words why a recording may not go before its time; nil: it may.
func (b *Book) deletable(s *Session, who Reader) error {
	if !b.reads(who) && !b.isSecurity(who) {
		return ErrMayNot
	}
	if err := b.second(s, who); err != nil {
		return err
	}
	if why := b.keeps(s, b.house.Rules()); why != "" {
		return refuse("stays", "The recording of %s stays: %s.", s.ID, why)
	}
	return nil
}

// Deletable is the dry run of Delete: the refusal that it would meet, or nil.
func (b *Book) Deletable(ctx context.Context, who Reader, session string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.catchUp(ctx); err != nil {
		return err
	}
	s := b.history.Session(session)
	if s == nil {
		return errUnknown(session)
	}
	return b.deletable(s, who)
}

func (h *History) expired(leaf audit.Leaf, b audit.RecordingExpired) error {
	s := h.sessions[b.Session]
	if s == nil {
		return errUnknown(b.Session)
	}
	if why := h.stays(s); why != "" {
		return fmt.Errorf("the recording of %s may not go: %s", s.ID, why)
	}
	switch {
	case leaf.Wall.Before(b.Due):
		return fmt.Errorf("it went on %s, before it was due on %s", leaf.Wall.Format(time.DateOnly), b.Due.Format(time.DateOnly))
	case b.Close != s.Close:
		return errors.New("it names another closing hash than session.ended")
	case !b.Due.After(s.Ended):
		return errors.New("it was due before the session ended")
	}
	s.Gone, s.goneAt = &Gone{At: leaf.Wall, Rule: b.Rule}, leaf.Index
	if leaf.Actor != "penstock" { // a person has looked at the date
		h.looked = leaf.Index
	}
	return nil
}

func (h *History) deleted(leaf audit.Leaf, b audit.RecordingDeleted) error {
	s := h.sessions[b.Session]
	if s == nil {
		return errUnknown(b.Session)
	}
	if why := h.stays(s); why != "" {
		return fmt.Errorf("the recording of %s may not go: %s", s.ID, why)
	}
	d := s.Deletion
	switch {
	case d == nil || d.By != b.Asked || leaf.Wall.Sub(d.At) > deletionGood:
		return fmt.Errorf("%s did not ask for it within the 7 days before", b.Asked)
	case b.By == b.Asked:
		return fmt.Errorf("%s alone deleted it, and two must", b.By)
	case slices.Contains([]string{b.By, b.Asked}, s.Person) || h.Part(s, b.By) != "" || h.Part(s, b.Asked) != "":
		return errors.New("who deleted it had a part in the session")
	case b.Close != s.Close:
		return errors.New("it names another closing hash than session.ended")
	}
	s.Gone, s.goneAt = &Gone{At: leaf.Wall, By: b.By, Asked: b.Asked, Why: b.Why}, leaf.Index
	return nil
}
