package approvals

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Spoken is a yes on the telephone that a window counts on.
type Spoken struct {
	Window  policy.WindowID
	Request policy.RequestID
	Firm    policy.FirmID   // whose people work in the window
	Person  policy.PersonID // who said it
	Heard   policy.PersonID // by whom
	At      time.Time       // when
	Due     time.Time       // to be countersigned by then
	Says    string          // evidence.Countersign or Deny; empty: nothing yet
	Signed  time.Time       // when that was signed
	Missed  bool            // OT security was told
	Cleared policy.PersonID // who of OT security let it stand; empty: nobody
}

// Open says that it is still to be signed, and Late that its time is over, or that
// it is denied.
func (s Spoken) Open() bool { return s.Says != evidence.Countersign && s.Cleared == "" }
func (s Spoken) Late(now time.Time) bool {
	return s.Open() && (s.Says == evidence.Deny || !now.Before(s.Due))
}

// spokenRow is the value of spoken/W-n.
type spokenRow struct {
	Window  string     `json:"window"`
	Request string     `json:"request"`
	Rev     int        `json:"rev"`
	Firm    string     `json:"firm"`
	Person  string     `json:"person"`
	Heard   string     `json:"heard"`
	Answer  int        `json:"answer"` // its number among the request's
	At      time.Time  `json:"at"`
	Says    string     `json:"says,omitempty"`
	Signed  time.Time  `json:"signed,omitzero"`
	After   audit.Hash `json:"after,omitzero"` // what was signed
	Missed  bool       `json:"missed,omitempty"`
	Cleared string     `json:"cleared,omitempty"`

	row uint64 // revision of the row
}

func (s spokenRow) says() Spoken {
	return Spoken{policy.WindowID(s.Window), policy.RequestID(s.Request), policy.FirmID(s.Firm), policy.PersonID(s.Person), policy.PersonID(s.Heard), s.At, s.At.Add(evidence.CountersignIn), s.Says, s.Signed, s.Missed, policy.PersonID(s.Cleared)}
}

func spokenKey[T ~string](id T) string { return "spoken/" + string(id) }

func (d *Desk) spokenRow(ctx context.Context, id policy.WindowID) (s spokenRow, err error) {
	rev, there, err := d.read(ctx, spokenKey(id), &s)
	if s.row = rev; err == nil && !there {
		err = refuse("not-spoken", "No yes to %.40q was spoken. Look at its page again.", id)
	}
	return s, err
}

// spokenBy is somebody whose yes was heard on the telephone by who asks this, as
// their word counts now. Where every rule lets it be, once for a request, by
// somebody who has said yes to it themselves, and while none is left unsigned.
func (d *Desk) spokenBy(ctx context.Context, by people.Person, row requestRow, doc evidence.Request, who policy.PersonID) (people.Person, error) {
	q, err := d.quorum(ctx, doc)
	if err != nil {
		return people.Person{}, err
	}
	if !q.Spoken {
		return people.Person{}, refuse("spoken-not-allowed", "The plant's rules want a signature here, not a word on the telephone. Ask %s to sign from where they are.", who)
	}
	if !slices.ContainsFunc(row.Answers, func(a said) bool { return a.Person == string(by.ID) && a.Heard == "" && a.Says == evidence.Yes }) {
		return people.Person{}, refuse("say-yes-first", "Say yes yourself first. Then write down whose yes you heard.")
	}
	if who == by.ID || slices.ContainsFunc(row.Answers, func(a said) bool { return a.Heard != "" && a.Says == evidence.Yes }) {
		return people.Person{}, refuse("one-spoken", "One yes can be spoken, by somebody else than you. Whoever else has to agree must sign.")
	}
	p, err := d.roster.Person(ctx, who)
	if errors.Is(err, fs.ErrNotExist) || err == nil && p.Disabled {
		return p, refuse("no-such-person", "%.40q is nobody of this plant. See `people`.", who)
	}
	if err != nil {
		return p, fmt.Errorf("look up %s: %w", who, err)
	}
	firm, err := d.roster.Firm(ctx, p.Firm)
	if err != nil {
		return p, fmt.Errorf("look up firm %s: %w", p.Firm, err)
	}
	if !firm.Plant {
		return p, refuse("no-such-person", "%.40q is nobody of this plant. See `people`.", who)
	}
	if err := d.maySpeak(ctx, p, doc.Firm); err != nil {
		return p, err
	}
	return d.onDuty(ctx, p)
}

// maySpeak refuses another spoken yes while one of that person, or for that firm,
// is not signed after its time.
func (d *Desk) maySpeak(ctx context.Context, p people.Person, firm string) error {
	return d.each(ctx, "spoken/", func(id string) error {
		s, err := d.spokenRow(ctx, policy.WindowID(id))
		if err != nil || !s.says().Late(d.now()) || s.Person != string(p.ID) && s.Firm != firm {
			return err
		}
		return refuse("not-countersigned", "The yes that %s spoke to %s is not signed yet. Until it is, or OT security lets it stand, no other can be spoken.", s.Person, s.Window)
	})
}

// MaySpeak are the people whose spoken yes the actor could write down for a request
// now: those on duty whose yes is missing. Empty: none, or the rules do not let it.
func (d *Desk) MaySpeak(ctx context.Context, by people.Actor, id policy.RequestID) (list []policy.PersonID, err error) {
	row, err := d.requestRow(ctx, id)
	if err != nil || row.State != RequestWaiting || !by.Plant {
		return nil, err
	}
	doc, _, err := d.request(ctx, row.Document)
	if err != nil {
		return nil, err
	}
	me, err := d.presentPlant(ctx, by)
	if refused(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	q, err := d.quorum(ctx, doc)
	if err != nil || !q.Spoken {
		return nil, err
	}
	duty, err := d.Duty(ctx)
	if err != nil {
		return nil, err
	}
	for _, who := range named[policy.PersonID](d.stillAsked(duty, row, doc, left(q.Needs, row.yes()))) {
		if _, err := d.spokenBy(ctx, me, row, doc, who); err == nil {
			list = append(list, who)
		} else if !refused(err) {
			return nil, err
		}
	}
	return list, nil
}

// stillAsked are those on duty who could give a yes that is missing.
func (d *Desk) stillAsked(duty Duty, row requestRow, doc evidence.Request, needs []policy.Need) (who []string) {
	for _, n := range needs {
		who = append(who, duty.askable(n.Role, doc, d.now())...)
		for _, s := range row.Next {
			if s.For == string(n.Role) {
				who = append(who, duty.askable(policy.Role(s.Team), doc, d.now())...)
			}
		}
	}
	return sorted(who)
}

// Spoken are the yeses on the telephone that windows count on, newest first.
func (d *Desk) Spoken(ctx context.Context, by people.Actor) ([]Spoken, error) {
	if err := d.ofPlant(by); err != nil {
		return nil, err
	}
	return listed(ctx, d, "spoken/", func(row state.Row) (Spoken, bool, error) {
		var s spokenRow
		err := decode(row, &s)
		return s.says(), true, err
	})
}

// DraftCountersign is what the person signs of whom a yes was heard: that they said
// it, or that they did not.
func (d *Desk) DraftCountersign(ctx context.Context, by people.Actor, id policy.WindowID, says string) (evidence.Answer, error) {
	a, _, _, err := d.countersignText(ctx, by, id, says)
	return a, err
}

func (d *Desk) countersignText(ctx context.Context, by people.Actor, id policy.WindowID, says string) (evidence.Answer, people.Person, spokenRow, error) {
	s, err := d.spokenRow(ctx, id)
	if err != nil {
		return evidence.Answer{}, people.Person{}, s, err
	}
	p, err := d.activePlant(ctx, by)
	if err != nil {
		return evidence.Answer{}, p, s, err
	}
	if string(by.Person) != s.Person {
		return evidence.Answer{}, p, s, refuse("not-spoken", "%s is said to have spoken that yes, and nobody else can sign it.", s.Person)
	}
	if says != evidence.Countersign && says != evidence.Deny {
		return evidence.Answer{}, p, s, refuse("bad-answer", "Sign that you said it, or that you did not.")
	}
	if s.Says == evidence.Countersign || s.Says == says {
		return evidence.Answer{}, p, s, refuse("already-answered", "You have signed this already.")
	}
	g, err := d.spokenAnswer(ctx, s)
	if err != nil {
		return evidence.Answer{}, p, s, err
	}
	return evidence.Answer{V: 1, Request: g.answer.Request, Person: s.Person, Firm: string(p.Firm), Role: g.answer.Role, Says: says, Spoken: audit.HashOf(g.given.Body),
		Nonce: nonce(), At: d.second(), DecideBy: d.second().Add(evidence.CountersignIn)}, p, s, nil
}

// spokenAnswer is the yes as it was heard, from its leaf.
func (d *Desk) spokenAnswer(ctx context.Context, s spokenRow) (given, error) {
	return d.answerTo(ctx, s.Request, s.Answer, toRevision(s.Request, s.Rev))
}

// Countersigns says of a spoken yes whether its person said it, signed by their own
// key or, where the rules let that be enough for a yes, by a code. A denial rings OT
// security, and no other yes is spoken by them or for that firm until that is settled.
func (d *Desk) Countersigns(ctx context.Context, by people.Actor, id policy.WindowID, says string, signed *evidence.Answer) (Spoken, error) {
	_, err := again(func() (none, error) {
		if signed != nil {
			says = signed.Says
		}
		a, p, s, err := d.countersignText(ctx, by, id, says)
		if err != nil {
			return none{}, err
		}
		_, claim, err := d.claimed(ctx, id)
		if err != nil {
			return none{}, err
		}
		doc, _, err := d.request(ctx, claim.Request)
		if err != nil {
			return none{}, err
		}
		if signed != nil {
			a.DecideBy = signed.DecideBy // of the draft's own moment
			if err := d.signature(ctx, p, a, *signed); err != nil {
				return none{}, err
			}
			a = *signed
		} else {
			q, err := d.quorum(ctx, doc)
			if err != nil {
				return none{}, err
			}
			if err := d.coded(by, p, q); err != nil {
				return none{}, err
			}
			a.Proof = totp(by)
		}
		hash, err := d.sign(ctx, a)
		if err != nil {
			return none{}, err
		}
		body := audit.SpokenSigned{Window: s.Window, Person: s.Person, Says: a.Says, Document: hash, At: d.second()}
		_, err = d.commit(ctx, spokenKey(id), s.row+1, s.Person, body, p)
		return none{}, err
	})
	if err != nil {
		return Spoken{}, err
	}
	if _, err := d.settleSpoken(ctx, string(id)); err != nil {
		return Spoken{}, fmt.Errorf("it is signed; what follows from it: %w", err)
	}
	s, err := d.spokenRow(ctx, id)
	return s.says(), err
}

// ClearSpoken lets a yes stand that nobody countersigned, by OT security, with a
// code: its person has left, say. It proves nothing, and further ones can be spoken.
func (d *Desk) ClearSpoken(ctx context.Context, by people.Actor, id policy.WindowID, why string) error {
	if why = cleaned(why); why == "" {
		return refuse("bad-text", "Say why it stands without a signature.")
	}
	_, err := again(func() (none, error) {
		s, err := d.spokenRow(ctx, id)
		if err != nil {
			return none{}, err
		}
		p, err := d.activePlant(ctx, by)
		if err != nil {
			return none{}, err
		}
		if !d.plant().IsSecurity(p.Roles) || s.Person == string(p.ID) || s.Heard == string(p.ID) {
			return none{}, refuse("not-asked", "Only somebody of OT security, who neither spoke nor heard it, may do this.")
		}
		if !s.says().Late(d.now()) {
			return none{}, refuse("too-early", "%s can still sign it, to %s.", s.Person, s.says().Due.In(d.plant().Location()).Format("15:04"))
		}
		if err := d.proved(by, p); err != nil {
			return none{}, err
		}
		_, err = d.commit(ctx, spokenKey(id), s.row+1, string(by.Person), audit.SpokenCleared{Window: s.Window, By: string(by.Person), Why: why, At: d.second()}, p)
		return none{}, err
	})
	return err
}

// settleSpoken tells OT security of a spoken yes that was not signed in time.
func (d *Desk) settleSpoken(ctx context.Context, id string) (time.Time, error) {
	return d.due(func() (time.Time, bool, error) {
		s, err := d.spokenRow(ctx, policy.WindowID(id))
		if err != nil || !s.says().Open() || s.Missed {
			return never, false, err
		}
		if !s.says().Late(d.now()) {
			return s.says().Due, false, nil
		}
		all, err := d.roster.People(ctx)
		if err != nil {
			return never, false, fmt.Errorf("list people for who is told: %w", err)
		}
		var who []string
		for _, p := range all {
			if !p.Disabled && d.plant().IsSecurity(p.Roles) && len(who) < evidence.MaxList {
				who = append(who, string(p.ID))
			}
		}
		_, err = d.commit(ctx, spokenKey(id), s.row+1, penstock, audit.SpokenMissed{Window: s.Window, Person: s.Person, People: sorted(who), At: d.second()})
		return never, true, err
	})
}

// spoken makes the rows of spoken.*; that of a window's first comes with window.agreed.
func (f folder) spoken(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	r, err := load[spokenRow](ctx, rows, spokenKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	if v.Window == "" || !v.says().Open() {
		return nil, illegal(leaf.Subject, "signed", "signed again")
	}
	switch b := leaf.Body.(type) {
	case audit.SpokenSigned:
		if b.Person != v.Person || b.Says != evidence.Countersign && b.Says != evidence.Deny {
			return nil, illegal(leaf.Subject, "spoken by "+v.Person, "signed by "+b.Person)
		}
		v.Says, v.Signed, v.After = b.Says, b.At, b.Document
	case audit.SpokenMissed:
		v.Missed = true
	case audit.SpokenCleared:
		v.Cleared = b.By
	}
	return r.changed()
}

// spokenOf is the row of a window that counts on a spoken yes; nil: it does not.
func (f folder) spokenOf(ctx context.Context, window string, r requestRow) (*stored[spokenRow], error) {
	i := slices.IndexFunc(r.Answers, func(a said) bool { return a.Heard != "" && a.Says == evidence.Yes })
	if i < 0 {
		return nil, nil
	}
	a := r.Answers[i]
	text, err := f.docs.Get(ctx, a.Document)
	if err != nil {
		return nil, fmt.Errorf("read answer %s: %w", a.Document, err)
	}
	yes, err := evidence.ParseAnswer(text)
	if err != nil {
		return nil, fmt.Errorf("answer %s: %w", a.Document, err)
	}
	return &stored[spokenRow]{key: spokenKey(window), value: spokenRow{Window: window, Request: r.Request, Rev: r.Rev, Firm: r.Firm, Person: a.Person, Heard: a.Heard, Answer: a.N, At: yes.At}}, nil
}
