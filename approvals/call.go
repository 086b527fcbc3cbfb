package approvals

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

const (
	callGood  = 30 * time.Minute // how long a code that was read out is good
	callTries = 5                // wrong codes of one person
	callRest  = 10 * time.Minute // in which they are counted
)

// Call is how a call-in stands.
type Call struct {
	Until time.Time       // the code is good until then
	By    policy.PersonID // of the plant, who reads it out
	Here  policy.PersonID // who has answered with the code; empty: nobody yet
	At    time.Time       // when
}

// callRow is the call of a request's revision.
type callRow struct {
	Code  audit.Hash `json:"code"`
	Until time.Time  `json:"until"`
	By    string     `json:"by"`
	Here  string     `json:"here,omitempty"`
	At    time.Time  `json:"at,omitzero"`
}

func (c *callRow) call() *Call {
	if c == nil {
		return nil
	}
	return &Call{c.Until, policy.PersonID(c.By), policy.PersonID(c.Here), c.At}
}

// callSigns are those of a code: none is taken for another when it is read out.
const callSigns = "23456789ABCDEFGHJKMNPQRSTVWXYZ"

// newCode is six signs as they are read out: K7Q-4MD. It is no credential: it
// counts only for the people named, over their own keys.
func newCode() string {
	var b strings.Builder
	for b.Len() < 7 {
		if b.Len() == 3 {
			b.WriteByte('-')
		}
		var one [1]byte
		rand.Read(one[:]) // never fails (crypto/rand)
		if n := int(one[0]); n < 256-256%len(callSigns) {
			b.WriteByte(callSigns[n%len(callSigns)])
		}
	}
	return b.String()
}

// codeHash is a code as the log has it, bound to the text that it is for. Thirty
// bits are soon guessed by whoever reads the log, and are worth nothing without
// the key of somebody named.
func codeHash(document audit.Hash, code string) audit.Hash {
	plain := strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToUpper(code))
	return sha256.Sum256([]byte("penstock-call-v1\n" + document.String() + "\n" + plain))
}

// CallIn asks a firm's people in, by somebody whose yes the rules ask for: one
// tap with a code is the ask and that yes. Where the rules ask for a key of their
// own, it is the ask alone, and they sign the yes next. The code that it gives is
// read out; nobody opens the window before one of them has answered with it (Here).
func (d *Desk) CallIn(ctx context.Context, by people.Actor, a Ask) (Request, string, error) {
	p, err := d.presentPlant(ctx, by)
	if err != nil {
		return Request{}, "", err
	}
	if err := d.proved(by, p); err != nil {
		return Request{}, "", err
	}
	a.CallIn = true
	plant := d.plant()
	doc, err := d.filled(ctx, by, plant, "", 1, a, d.second())
	if err != nil {
		return Request{}, "", err
	}
	q, err := d.quorumAsked(ctx, plant, &doc, a.Pattern)
	if err != nil {
		return Request{}, "", err
	}
	if !slices.ContainsFunc(q.Needs, func(n policy.Need) bool { return p.Has(n.Role) }) {
		return Request{}, "", refuse("not-asked", "Your own yes would not count here: this needs %s. Ask for them instead, and the others say yes.", roleList(q.Needs))
	}
	r, err := d.Submit(ctx, by, a)
	if err != nil {
		return r, "", err
	}
	if q.Proof == policy.ByCode {
		if r, err = d.Answer(ctx, by, r.ID, r.Hash, Reply{Says: evidence.Yes}); err != nil {
			return r, "", err
		}
	}
	code, err := d.Call(ctx, by, r.ID)
	if err != nil {
		return r, "", err
	}
	r, err = d.Request(ctx, by, r.ID)
	return r, code, err
}

// Call makes a new code for a call-in that nobody has answered; the one before
// does not count any more. By whoever called, or whoever may open.
func (d *Desk) Call(ctx context.Context, by people.Actor, id policy.RequestID) (string, error) {
	return again(func() (string, error) {
		row, err := d.requestRow(ctx, id)
		if err != nil {
			return "", err
		}
		p, err := d.presentPlant(ctx, by)
		if err != nil {
			return "", err
		}
		doc, _, err := d.request(ctx, row.Document)
		if err != nil {
			return "", err
		}
		q, err := d.quorum(ctx, doc)
		if err != nil {
			return "", err
		}
		if string(by.Person) != doc.By && !hasAny(row.standing(p), q.Openers) {
			return "", refuse("not-on-shift", "Only %s, who called, and %s may make a new code.", doc.By, strings.Join(words(q.Openers), " or "))
		}
		if err := d.proved(by, p); err != nil {
			return "", err
		}
		if !doc.Called {
			return "", refuse("no-call", "%s is no call-in: they asked for it themselves.", id)
		}
		code, now := newCode(), d.second()
		until := earlier(now.Add(callGood), doc.To)
		body := audit.CallMade{Request: row.Request, Code: codeHash(row.Document, code), Until: until, By: string(by.Person), At: now}
		_, err = d.commit(ctx, requestKey(id), row.row+1, string(by.Person), body, p)
		return code, err
	})
}

// tries counts wrong codes, so that nobody guesses one on the phone's time.
type tries struct {
	mu    sync.Mutex
	wrong map[policy.PersonID][]time.Time
}

// spend says whether somebody may try a code now, and counts it as a wrong one
// until forgive.
func (t *tries) spend(who policy.PersonID, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	late := slices.DeleteFunc(t.wrong[who], func(at time.Time) bool { return now.Sub(at) > callRest })
	if len(late) >= callTries {
		t.wrong[who] = late
		return false
	}
	if t.wrong == nil || len(t.wrong) > 1000 {
		t.wrong = map[policy.PersonID][]time.Time{}
	}
	t.wrong[who] = append(late, now)
	return true
}

func (t *tries) forgive(who policy.PersonID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.wrong, who)
}

// Here answers a call-in with the code that was read out, by one of the people
// named in it, once. One answer for a wrong, a spent and a late code; five wrong
// ones in ten minutes are the last for a while.
func (d *Desk) Here(ctx context.Context, by people.Actor, code string) (Request, error) {
	p, err := d.present(ctx, by)
	if err != nil {
		return Request{}, err
	}
	if err := d.heads.load(ctx, d.log, &d.keys); err != nil {
		return Request{}, err
	}
	if !d.tries.spend(by.Person, d.now()) {
		return Request{}, refuse("too-many-codes", "Too many wrong codes. Wait ten minutes, or let the plant make a new one and read it slowly.")
	}
	return again(func() (Request, error) {
		row, err := d.called(ctx, by, code)
		if err != nil {
			return Request{}, err
		}
		body := audit.CallAnswered{Request: row.Request, Person: string(by.Person), At: d.second()}
		if _, err := d.commit(ctx, requestKey(row.Request), row.row+1, string(by.Person), body, p); err != nil {
			return Request{}, err
		}
		d.tries.forgive(by.Person)
		return d.Request(ctx, by, policy.RequestID(row.Request))
	})
}

// called finds the call that a code answers.
func (d *Desk) called(ctx context.Context, by people.Actor, code string) (found requestRow, err error) {
	no := refuse("code-refused", "This code does not work: mistyped, used, or older than half an hour. Let the plant read it again, or make a new one.")
	for _, key := range d.heads.keys("request/") {
		r, err := d.requestRow(ctx, policy.RequestID(strings.TrimPrefix(key, "request/")))
		if err != nil {
			return r, err
		}
		c := r.Call
		if c == nil || c.Here != "" || r.Firm != string(by.Firm) || !d.now().Before(c.Until) || !r.waits() && r.State != RequestAgreed {
			continue
		}
		if hash := codeHash(r.Document, code); subtle.ConstantTimeCompare(hash[:], c.Code[:]) != 1 {
			continue
		}
		doc, _, err := d.request(ctx, r.Document)
		if err != nil {
			return r, err
		}
		if slices.Contains(doc.People, string(by.Person)) {
			return r, nil
		}
	}
	return found, no
}

// answeredCall is nil unless a request is a call-in that nobody has answered:
// then nothing opens yet.
func (d *Desk) answeredCall(ctx context.Context, w windowRow, claim evidence.WindowClaim) error {
	doc, _, err := d.request(ctx, claim.Request)
	if err != nil || !doc.Called {
		return err
	}
	row, err := d.requestRow(ctx, policy.RequestID(w.Request))
	if err != nil {
		return err
	}
	if row.Call == nil || row.Call.Here == "" {
		return refuse("nobody-here", "Nobody of %s has answered the call yet. Read the code out; %s opens when they have typed it.", doc.Firm, w.Window)
	}
	return nil
}

// call makes the row of a call's steps.
func (f folder) call(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	r, err := load[requestRow](ctx, rows, requestKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	if !v.waits() && v.State != RequestAgreed {
		return nil, refuse("illegal-step", "%s is %s; nobody is called in for it.", leaf.Subject, v.State)
	}
	answered := v.Call != nil && v.Call.Here != ""
	switch b := leaf.Body.(type) {
	case audit.CallMade:
		if answered {
			return nil, refuse("call-answered", "%s has answered the call already.", v.Call.Here)
		}
		v.Call = &callRow{Code: b.Code, Until: b.Until, By: b.By}
	case audit.CallAnswered:
		if v.Call == nil || answered || !b.At.Before(v.Call.Until) {
			return nil, refuse("code-refused", "This code does not work any more. Let the plant make a new one.")
		}
		v.Call.Here, v.Call.At = b.Person, b.At
	}
	return r.changed()
}
