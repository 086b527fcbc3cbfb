package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/approvals"
	"penstock/audit"
	"penstock/broker"
	"penstock/policy"
)

// boards looks and draws once for all who see the same: a thousand open boards
// cost one look at the Desk and one drawing for each set of roles, and only when
// something has moved. Everything of it is made from the Desk's own answer to
// somebody who may see exactly this; nothing is decided on it.
type boards struct {
	mu    sync.Mutex // held while one draws: the others wait for that drawing
	next  audit.Index
	moved uint64 // how many leaves changed what a board shows
	of    map[boardFor]*boardFacts
}

// boardFor says who sees the same requests and windows: the Desk asks no more.
type boardFor struct {
	plant bool
	firm  policy.FirmID
}

const (
	boardAge = 5 * time.Second // bytes and minutes on a board are no older
	maxDrawn = 200             // drawings of one moment: sets of roles, and people who are on the board themselves
)

// boardFacts is what the boards of one moment are drawn from. It is shared: read it only.
type boardFacts struct {
	moved    uint64
	plant    *policy.Plant
	at       time.Time
	roll     roll
	requests []approvals.Request
	windows  []approvals.Window
	blocks   []policy.Block
	sessions []broker.Live
	needs    map[policy.WindowID]approvals.Conditions // of windows that are not over; for the plant's people
	handed   []approvals.Handover                     // not taken yet; likewise
	keys     []approvals.ChangedKey                   // of machines that show another than was pinned; likewise
	paper    []string                                 // alarms of sealed envelopes; likewise
	noPaper  []string                                 // what is to be said of them quietly; likewise
	outages  []approvals.Outage                       // likewise
	owed     []approvals.DueReview                    // emergencies that wait for their review; likewise
	spoken   []approvals.Spoken                       // likewise
	patterns []approvals.Pattern                      // that wait or stand; likewise
	gates    []approvals.Condition                    // of the whole plant; likewise
	files    []filesWaiting                           // at the broker, by window; likewise
	asked    map[string]int                           // open questions of reviewers, by person
	involved map[policy.PersonID]bool                 // whose name on the board changes what they see of it
	drawn    map[string][]byte                        // boards.mu
}

func newBoards() *boards { return &boards{of: map[boardFor]*boardFacts{}} }

// catchUp counts the leaves since the last look; mu is held.
func (b *boards) catchUp(ctx context.Context, log Log) error {
	for leaf, err := range log.Upto(ctx, b.next) {
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		b.next = leaf.Index + 1
		if moves(leaf) {
			b.moved++
		}
	}
	return nil
}

// facts are what this reader's board is drawn from; mu is held.
func (g *Pages) facts(v *visit) (*boardFacts, error) {
	b := g.boards
	if err := b.catchUp(v.ctx(), g.log); err != nil { // before the look: what moves during it is looked at again
		return nil, err
	}
	g.Desk.Settled()
	key := boardFor{v.actor.Plant, v.actor.Firm}
	f := b.of[key]
	if f != nil && f.moved == b.moved && f.plant == v.plant && v.now.Sub(f.at).Abs() < boardAge {
		return f, nil
	}
	f = &boardFacts{moved: b.moved, plant: v.plant, at: v.now, involved: map[policy.PersonID]bool{}, drawn: map[string][]byte{}}
	if err := g.look(v, f); err != nil {
		return nil, err
	}
	if b.of[key] == nil && len(b.of) >= maxDrawn {
		clear(b.of) // more firms than a plant has: each looks again
	}
	b.of[key] = f
	return f, nil
}

// look asks the Desk what this reader may see.
func (g *Pages) look(v *visit, f *boardFacts) (err error) {
	if f.roll, err = g.roll(v.ctx()); err != nil {
		return err
	}
	if f.requests, err = g.Desk.Requests(v.ctx(), v.actor); err != nil {
		return err
	}
	if f.windows, err = g.Desk.Windows(v.ctx(), v.actor); err != nil {
		return err
	}
	f.sessions = g.Broker.Sessions()
	if v.actor.Plant {
		if err := g.lookAsPlant(v, f); err != nil {
			return err
		}
	} else {
		f.sessions = slices.DeleteFunc(f.sessions, func(l broker.Live) bool { return l.Firm != v.actor.Firm })
	}
	f.involve()
	return nil
}

// lookAsPlant is the part of look that no vendor sees.
func (g *Pages) lookAsPlant(v *visit, f *boardFacts) (err error) {
	if f.blocks, err = g.Desk.Blocks(v.ctx()); err != nil {
		return err
	}
	if f.asked, err = g.Book.Asked(v.ctx()); err != nil {
		return err
	}
	if err = g.lookAtGates(v, f); err != nil {
		return err
	}
	if f.patterns, err = g.Desk.Patterns(v.ctx(), v.actor); err != nil {
		return err
	}
	f.spoken, err = g.Desk.Spoken(v.ctx(), v.actor)
	return err
}

// involve notes whose own part in something the board shows: that board is theirs alone.
func (f *boardFacts) involve() {
	for _, s := range f.spoken {
		f.involved[s.Person], f.involved[s.Heard] = true, true
	}
	for _, p := range f.patterns {
		for _, a := range p.Answers {
			f.involved[a.Person] = f.involved[a.Person] || p.State == approvals.PatternWaiting
		}
	}
	for who := range f.asked {
		f.involved[policy.PersonID(who)] = true
	}
	for _, q := range f.requests {
		if q.State != approvals.RequestWaiting && q.State != approvals.RequestAsleep {
			continue
		}
		f.involved[policy.PersonID(q.Document.By)] = true
		for _, p := range q.Document.People {
			f.involved[policy.PersonID(p)] = true
		}
		for _, l := range q.Answers {
			f.involved[l.Person] = true
		}
	}
	for _, w := range f.windows {
		for _, p := range w.Claim.People {
			f.involved[policy.PersonID(p)] = true
		}
	}
}

// lookAtGates is the part of look that is about gates and escorts.
func (g *Pages) lookAtGates(v *visit, f *boardFacts) error {
	var err error
	if f.paper, f.noPaper, err = g.envelopeAlarms(v); err != nil {
		return err
	}
	if f.keys, err = g.Desk.ChangedKeys(v.ctx()); err != nil {
		return err
	}
	if f.owed, err = g.Desk.ReviewsDue(v.ctx(), v.actor); err != nil {
		return err
	}
	if f.handed, err = g.Desk.Handovers(v.ctx(), v.actor); err != nil {
		return err
	}
	if f.outages, err = g.Desk.Outages(v.ctx(), v.actor); err != nil {
		return err
	}
	if f.files, err = g.filesWaiting(v); err != nil {
		return err
	}
	f.gates, f.needs = g.Desk.Gates(v.ctx()), map[policy.WindowID]approvals.Conditions{}
	for _, w := range f.windows {
		if w.State != approvals.WindowAgreed && !runs(w) {
			continue
		}
		c, err := g.Desk.Conditions(v.ctx(), v.actor, w.ID)
		if err != nil {
			return err
		}
		f.needs[w.ID] = c
		f.involved[c.Escort.By], f.involved[c.Escort.Offered] = true, true
	}
	return nil
}

// boardFacts looks, or takes what another has just seen.
func (g *Pages) boardFacts(v *visit) (*boardFacts, error) {
	g.boards.mu.Lock()
	defer g.boards.mu.Unlock()
	return g.facts(v)
}

// boardNews is the board as an event of a stream, drawn once for all who see
// the same.
func (g *Pages) boardNews(v *visit) ([]byte, error) {
	g.boards.mu.Lock()
	defer g.boards.mu.Unlock()
	f, err := g.facts(v)
	if err != nil {
		return nil, err
	}
	key := f.seenBy(v)
	if b, ok := f.drawn[key]; ok {
		return b, nil
	}
	page, err := g.boardOf(v, f)
	if err != nil {
		return nil, err
	}
	b, err := g.renderParts("board", g.frameOf(v, "board", "Board", page))
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(string(b)) // one line, whatever is in it
	if err != nil {
		return nil, fmt.Errorf("write a board as an event: %w", err)
	}
	event := slices.Concat([]byte("event: parts\ndata: "), text, []byte("\n\n"))
	if len(f.drawn) < maxDrawn {
		f.drawn[key] = event
	}
	return event, nil
}

// seenBy tells boards apart that differ: by roles, by a code that still counts,
// by a clock that shows another hour, and by the person where the board is
// about them.
func (f *boardFacts) seenBy(v *visit) string {
	roles := words(v.actor.Roles)
	slices.Sort(roles)
	roles = append(roles, "now")
	roles = append(roles, words(f.roll.duty.Counts(v.actor.Person, v.now))...)
	who := policy.PersonID("")
	if f.involved[v.actor.Person] {
		who = v.actor.Person
	}
	return fmt.Sprintf("%s|%s|%t|%s", strings.Join(roles, ","), who, v.hasCode(), v.at(v.now).Yours())
}

// renderParts draws what moves of a page: its state and its parts, no frame.
func (g *Pages) renderParts(name string, f frame) ([]byte, error) {
	t, err := g.pages.of(name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, part := range []string{"state", "page"} {
		if err := t.ExecuteTemplate(&b, part, f); err != nil {
			return nil, fmt.Errorf("render the parts of page %s: %w", name, err)
		}
	}
	return b.Bytes(), nil
}
