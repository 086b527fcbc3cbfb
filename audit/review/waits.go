package review

import (
	"context"
	"fmt"
	"slices"
	"time"

	"penstock/audit"
)

// Rules are the plant file's word on reviews and retention, in force now.
type Rules struct {
	Plant  audit.Hash
	Always []string      // load, device, refusal, first-visit, stand-in; words that nothing matches are let be
	OneIn  int           // of the rest
	Within time.Duration // after which a review is late; 0: never
	Quick  time.Duration // the same of an emergency's, where that is sooner; 0: as Within
	// Keeps says how long a recording is kept for one way of working; not ok: for ever.
	Keeps    func(Target) (rule string, keep time.Duration, ok bool)
	Security func(roles []string) bool // who sets holds and begins what is taken away
}

// Reasons say why a session is to be reviewed; none: it is not, or not yet.
func (s *Session) Reasons(r Rules) (why []string) {
	can := func(right string) bool {
		return slices.ContainsFunc(s.Targets, func(t Target) bool { return slices.Contains(t.Rights, right) })
	}
	is := map[string]bool{"load": s.loads || can("load"), "device": can("device"), "refusal": s.Refused > 0, "first-visit": len(s.First) > 0, "stand-in": s.stood}
	if s.quick { // whatever the plant file says of always: it says by when, where it has emergencies
		why = append(why, "emergency")
	}
	for _, word := range r.Always {
		if is[word] {
			why = append(why, word)
		}
	}
	if s.Drawn {
		why = append(why, "drawn")
	}
	return why
}

// Reviewed says whether a second person has come to an end with it: a question
// alone is no end.
func (s *Session) Reviewed() bool {
	return slices.ContainsFunc(s.Verdicts, func(v Verdict) bool { return v.Verdict != Question })
}

// Open counts questions and findings that are not settled.
func (s *Session) Open() (questions, findings int) {
	for _, t := range s.Threads {
		switch {
		case t.Settled:
		case t.ReviewSigned.Verdict == Question:
			questions++
		default:
			findings++
		}
	}
	return questions, findings
}

// Waiting is a session that waits for its review.
type Waiting struct {
	Session
	Reasons []string
	Late    bool
}

// Backlog is what is to be done, for a board and for metrics.
type Backlog struct {
	Waiting, Late       int
	Oldest              time.Time // end of the oldest session that waits; zero: none
	Questions, Findings int       // open
	Undrawn             int       // sessions whose draw is still to come
	Holds               int
	Expiry              string // why what is over does not go by itself; "": it does, or nothing is over
}

// Waits lists what waits for review, oldest first: review.opened{list}.
func (b *Book) Waits(ctx context.Context, who Reader) ([]Waiting, error) {
	who.What, who.Form = "list", "waits for review"
	if err := b.enter(ctx, who, ""); err != nil {
		return nil, fmt.Errorf("list what waits for review: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.catchUp(ctx); err != nil {
		return nil, err
	}
	return b.waits(b.house.Rules(), b.house.Now()), nil
}

func (b *Book) waits(r Rules, now time.Time) (list []Waiting) {
	for _, s := range b.history.Sessions() {
		if s.Ended.IsZero() || s.Gone != nil || s.Reviewed() {
			continue
		}
		if why := s.Reasons(r); len(why) > 0 {
			within := r.Within
			if s.quick && r.Quick > 0 && (within == 0 || r.Quick < within) {
				within = r.Quick
			}
			list = append(list, Waiting{s.copy(), why, within > 0 && now.Sub(s.Ended) > within})
		}
	}
	return list
}

// copy is the session as it stands: threads change afterwards.
func (s *Session) copy() Session {
	c := *s
	c.Threads = slices.Clone(s.Threads)
	return c
}

// Threads lists sessions with questions and findings that are open and concern
// somebody: all of them for who reads recordings, else those put to them. No
// recording is read, so it is no event.
func (b *Book) Threads(ctx context.Context, who Reader) (list []Session, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.catchUp(ctx); err != nil {
		return nil, err
	}
	for _, s := range b.history.Sessions() {
		c := s.copy()
		if !b.reads(who) {
			c.Threads = slices.DeleteFunc(c.Threads, func(t Thread) bool { return t.To != who.Person })
		}
		if who.Person != "" && slices.ContainsFunc(c.Threads, func(t Thread) bool { return !t.Settled }) {
			list = append(list, c)
		}
	}
	return list, nil
}

// Backlog counts; it names nothing, so it is no event.
func (b *Book) Backlog(ctx context.Context) (Backlog, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.catchUp(ctx); err != nil {
		return Backlog{}, err
	}
	out := Backlog{Holds: len(b.history.holds)}
	for _, w := range b.waits(b.house.Rules(), b.house.Now()) {
		out.Waiting++
		if w.Late {
			out.Late++
		}
		if out.Oldest.IsZero() {
			out.Oldest = w.Ended
		}
	}
	for _, s := range b.history.Sessions() {
		q, f := s.Open()
		out.Questions, out.Findings = out.Questions+q, out.Findings+f
		if s.Undrawn && !s.Ended.IsZero() {
			out.Undrawn++
		}
	}
	if p := b.plan(); len(p.Goes) > 0 {
		out.Expiry = p.Asks
	}
	return out, nil
}

// Asked counts open questions by the person whom they are put to.
func (b *Book) Asked(ctx context.Context) (map[string]int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.catchUp(ctx); err != nil {
		return nil, err
	}
	asked := map[string]int{}
	for _, s := range b.history.Sessions() {
		for _, t := range s.Threads {
			if !t.Settled && t.To != "" {
				asked[t.To]++
			}
		}
	}
	return asked, nil
}
