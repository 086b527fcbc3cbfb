package approvals

import (
	"context"
	"fmt"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// RequestState is one of the words of DESIGN section 3.
type RequestState string

const (
	RequestWaiting    RequestState = "waiting"
	RequestAsleep     RequestState = "asleep"
	RequestAgreed     RequestState = "agreed"
	RequestRefused    RequestState = "refused"
	RequestWithdrawn  RequestState = "withdrawn"
	RequestUnanswered RequestState = "unanswered"
	RequestSuperseded RequestState = "superseded" // a revision that another replaced
)

// requestSteps is every step of a revision of a request (DESIGN section 3);
// what is not here is an error. From agreed both steps are possible only while
// the window is not open yet, which becomes unused by the same event.
var requestSteps = map[RequestState][]RequestState{
	"":             {RequestWaiting},
	RequestWaiting: {RequestAsleep, RequestAgreed, RequestRefused, RequestWithdrawn, RequestUnanswered, RequestSuperseded},
	RequestAsleep:  {RequestWaiting, RequestWithdrawn, RequestUnanswered, RequestSuperseded},
	RequestAgreed:  {RequestWithdrawn, RequestSuperseded},
}

// Request is a request's newest revision with what was answered to it.
type Request struct {
	ID       policy.RequestID
	State    RequestState
	Rev      int // of the document
	Document evidence.Request
	Hash     audit.Hash    // of the canonical document
	Needs    []policy.Need // still to be answered
	Answers  []AnswerLine
	Priority policy.Priority // that counts: the computed one, unless Override
	Override *Override       // nil: it is the computed one
	Window   policy.WindowID // once agreed
	Pattern  *Under          // that it was asked under; nil: none
	Told     []Told          // to questions
	Call     *Call           // of a call-in: how it stands
	Asked    []Asked         // who was asked because others did not answer
	Next     []Asked         // who will be, and when
	Asleep   time.Time       // until, where asleep
	At       time.Time       // submitted or revised
}

// requestRow is the value of request/R-n.
type requestRow struct {
	Request  string           `json:"request"`
	Rev      int              `json:"rev"` // of the document, from 1
	State    RequestState     `json:"state"`
	Firm     string           `json:"firm"`
	By       string           `json:"by"`
	Document audit.Hash       `json:"document"`
	Plant    audit.Hash       `json:"plant"`
	At       time.Time        `json:"at"`
	Window   string           `json:"window,omitempty"`
	Pattern  string           `json:"pattern,omitempty"` // that it names
	Asleep   time.Time        `json:"asleep,omitzero"`
	Woken    time.Time        `json:"woken,omitzero"`
	Next     []evidence.Asked `json:"next,omitempty"` // who was asked because others did not answer
	Told     []toldRow        `json:"told,omitempty"` // to questions
	Call     *callRow         `json:"call,omitempty"`
	Answers  []said           `json:"answers,omitempty"` // to this revision
	Urgent   []urgentRow      `json:"urgent,omitempty"`  // priorities that people gave, to all revisions
	Count    int              `json:"count"`             // answers to all revisions
	Former   []former         `json:"former,omitempty"`

	row uint64 // revision of the row
}

// said is an answer as its leaf has it; row answer/R-n/N has the leaf's place.
type said struct {
	N        int        `json:"n"` // from 1, over all revisions
	Person   string     `json:"person"`
	Roles    []string   `json:"roles"`
	Says     string     `json:"says"`
	Document audit.Hash `json:"document"`
	Heard    string     `json:"heard,omitempty"` // by whom, where it was spoken
}

// former is a revision that another replaced.
type former struct {
	Rev      int          `json:"rev"`
	State    RequestState `json:"state"`
	Document audit.Hash   `json:"document"`
	At       time.Time    `json:"at"`
	Window   string       `json:"window,omitempty"` // that became unused by it
}

func (r *requestRow) move(to RequestState) error {
	if !slices.Contains(requestSteps[r.State], to) {
		return illegal(r.Request, string(r.State), string(to))
	}
	r.State = to
	return nil
}

// waits says whether answers are still wanted.
func (r *requestRow) waits() bool { return r.State == RequestWaiting || r.State == RequestAsleep }

func requestKey[T ~string](id T) string { return "request/" + string(id) }

// requestRow reads a request's row as its newest leaf vouches for it.
func (d *Desk) requestRow(ctx context.Context, id policy.RequestID) (r requestRow, err error) {
	rev, there, err := d.read(ctx, requestKey(id), &r)
	if r.row = rev; err == nil && !there {
		err = refuse("no-such-request", "There is no request %.40q. See `requests` for those you may see.", id)
	}
	return r, err
}

// Withdraw takes a request back, by whoever asked, the firm, or the plant; a
// window that is agreed but not open becomes unused.
func (d *Desk) Withdraw(ctx context.Context, by people.Actor, id policy.RequestID, why string) error {
	if err := text("why", why, evidence.MaxText); err != nil {
		return err
	}
	if err := notMachine(by); err != nil {
		return err
	}
	_, err := again(func() (none, error) {
		r, err := d.requestRow(ctx, id)
		if err != nil {
			return none{}, err
		}
		if err := seen(by, r.Firm, "request", string(id)); err != nil {
			return none{}, err
		}
		if by.Plant && string(by.Person) != r.By {
			if err := d.mayTake(by); err != nil {
				return none{}, err
			}
		}
		body := audit.RequestWithdrawn{By: string(by.Person), Why: why, Window: r.Window}
		_, err = d.commit(ctx, requestKey(id), r.row+1, string(by.Person), body)
		return none{}, err
	})
	return err
}

// Request is one request; everybody of the plant sees all, a vendor's person
// the firm's own.
func (d *Desk) Request(ctx context.Context, by people.Actor, id policy.RequestID) (Request, error) {
	row, err := d.requestRow(ctx, id)
	if err != nil {
		return Request{}, err
	}
	if err := seen(by, row.Firm, "request", string(id)); err != nil {
		return Request{}, err
	}
	return d.view(ctx, row)
}

// view reads what a row names.
func (d *Desk) view(ctx context.Context, row requestRow) (Request, error) {
	doc, _, err := d.request(ctx, row.Document)
	if err != nil {
		return Request{}, err
	}
	r := Request{ID: policy.RequestID(row.Request), State: row.State, Rev: row.Rev, Document: doc, Hash: row.Document,
		Window: policy.WindowID(row.Window), At: row.At, Call: row.Call.call()}
	if row.State == RequestAsleep {
		r.Asleep = row.Asleep
	}
	if r.Told, err = d.told(ctx, row); err != nil {
		return Request{}, err
	}
	r.Priority, r.Override = row.urgency(doc)
	given, err := d.answers(ctx, row)
	if err != nil {
		return Request{}, err
	}
	for _, g := range given {
		a := g.answer
		r.Answers = append(r.Answers, AnswerLine{Person: policy.PersonID(a.Person), Role: policy.Role(a.Role), Says: a.Says, Why: a.Why, Limits: a.Limits, At: a.At, Proof: a.Proof.Kind, Heard: policy.PersonID(a.Heard), Leaf: g.given.Leaf})
	}
	if r.Pattern, err = d.underView(ctx, row); err != nil {
		return Request{}, err
	}
	if row.waits() {
		quorum, err := d.quorum(ctx, doc)
		if err != nil {
			return Request{}, err
		}
		r.Needs = left(quorum.Needs, row.yes())
		plant, err := d.plantOf(ctx, doc.Plant)
		if err != nil {
			return Request{}, err
		}
		r.Asked = asSteps(row.Next)
		if row.State == RequestWaiting {
			r.Next = d.next(plant, quorum, row, given)
		}
	}
	return r, nil
}

// seen refuses a vendor's person what is another firm's, as if it were not there.
func seen(by people.Actor, firm, what, id string) error {
	if by.Plant || string(by.Firm) == firm {
		return nil
	}
	return refuse("no-such-"+what, "There is no %s %.40q. See `%ss` for those you may see.", what, id, what)
}

// request reads a request document and its bytes.
func (d *Desk) request(ctx context.Context, h audit.Hash) (evidence.Request, []byte, error) {
	b, err := d.docs.Get(ctx, h)
	if err != nil {
		return evidence.Request{}, nil, fmt.Errorf("read request document %s: %w", h, err)
	}
	r, err := evidence.ParseRequest(b)
	if err != nil {
		return r, nil, fmt.Errorf("request document %s: %w", h, err)
	}
	return r, b, nil
}

// request makes the rows of a request's own events.
func (f folder) request(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	r, err := load[requestRow](ctx, rows, requestKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	switch b := leaf.Body.(type) {
	case audit.RequestSubmitted:
		if err := v.move(RequestWaiting); err != nil {
			return nil, err
		}
		v.asked(b)
	case audit.RequestRevised:
		return f.revised(ctx, rows, r, audit.RequestSubmitted(b))
	case audit.RequestWithdrawn:
		old := v.State
		if err := v.move(RequestWithdrawn); err != nil {
			return nil, err
		}
		if old == RequestAgreed {
			return f.unused(ctx, rows, r, b.Window, b.By, b.Why)
		}
	case audit.RequestUnanswered:
		err = v.move(RequestUnanswered)
	case audit.RequestWoken:
		err, v.Asleep, v.Woken = v.move(RequestWaiting), time.Time{}, b.At
	}
	if err != nil {
		return nil, err
	}
	return r.changed()
}

// asked takes a revision's text in.
func (r *requestRow) asked(b audit.RequestSubmitted) {
	r.Request, r.Rev, r.Firm, r.By, r.Document, r.Plant, r.At = b.Request, b.Rev, b.Firm, b.By, b.Document, b.Plant, b.At
	r.Pattern = b.Pattern
	r.Window, r.Asleep, r.Answers, r.Woken, r.Next = "", time.Time{}, nil, time.Time{}, nil
	r.Call, r.Told = nil, nil
}

// revised makes the old revision superseded and lets the new one wait.
func (f folder) revised(ctx context.Context, rows state.Reader, r stored[requestRow], b audit.RequestSubmitted) ([]state.Change, error) {
	v := &r.value
	if b.Rev != v.Rev+1 {
		return nil, refuse("illegal-step", "Revision %d does not follow revision %d of %s.", b.Rev, v.Rev, v.Request)
	}
	agreed := v.State == RequestAgreed
	if err := v.move(RequestSuperseded); err != nil {
		return nil, err
	}
	v.Former = append(v.Former, former{v.Rev, v.State, v.Document, v.At, v.Window})
	window := v.Window
	v.asked(b)
	v.State = RequestWaiting // the new revision's first state
	if !agreed {
		return r.changed()
	}
	if window != b.Window {
		return nil, refuse("illegal-step", "%s has window %s, not %s.", v.Request, window, b.Window)
	}
	return f.unused(ctx, rows, r, window, b.By, "")
}

// unused adds the change of the window that goes with its request.
func (f folder) unused(ctx context.Context, rows state.Reader, r stored[requestRow], window, by, why string) ([]state.Change, error) {
	w, err := load[windowRow](ctx, rows, windowKey(window))
	if err != nil {
		return nil, err
	}
	if w.value.Request != r.value.Request {
		return nil, refuse("illegal-step", "%s is not a window of %s.", window, r.value.Request)
	}
	if err := w.value.move(WindowUnused); err != nil {
		return nil, err
	}
	w.value.By, w.value.Why = by, why
	return both(r.changed())(w.changed())
}
