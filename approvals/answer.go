package approvals

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// mostAnswers bounds the lines of one revision, questions among them; the last
// eight are kept for a yes or a no.
const mostAnswers = 64

// AnswerLine is one answer for a list.
type AnswerLine struct {
	Person policy.PersonID
	Role   policy.Role
	Says   string
	Why    string
	Limits evidence.Limits
	At     time.Time
	Heard  policy.PersonID // by whom, where it was spoken on the telephone; the proof is theirs
	Proof  string          // kind: evidence.ProofTOTP, ProofWebAuthn, ProofSSHSIG; empty: none
	Leaf   audit.Place
}

// Reply is what an answer says.
type Reply struct {
	Says      string      // evidence.Yes, No, NotBefore, Question
	Role      policy.Role // empty: the one of the actor's roles that is still needed
	Why       string
	Limits    evidence.Limits
	NotBefore time.Time
	Spoken    policy.PersonID // whose yes the actor heard on the telephone; empty: it is the actor's own answer
	// Signed is the whole answer as the person signed it: what Draft gave, with its
	// proof. The other fields are taken from it then.
	Signed *evidence.Answer
}

// limited says whether it gives less than all of what it answers.
func (r Reply) limited() bool {
	l := r.Limits
	return len(l.Rights)+len(l.Assets)+l.Minutes > 0 || !l.Until.IsZero()
}

// Answer is one person's answer to exactly the revision whose document hash is
// given (a page gone stale is refused with what happened meanwhile). Yes asks
// for a signature by the person's own key or, where the plant's rules let that be
// enough, a code proved within 5 minutes (Actor.Step); no, not-before and question
// ask for neither.
func (d *Desk) Answer(ctx context.Context, by people.Actor, id policy.RequestID, document audit.Hash, r Reply) (Request, error) {
	_, err := again(func() (none, error) { return none{}, d.answer(ctx, by, id, document, r) })
	if err != nil {
		return Request{}, err
	}
	if _, err := d.settleRequest(ctx, id); err != nil {
		return Request{}, fmt.Errorf("the answer stands; what follows from it: %w", err)
	}
	return d.Request(ctx, by, id)
}

func (d *Desk) answer(ctx context.Context, by people.Actor, id policy.RequestID, document audit.Hash, r Reply) error {
	r, err := r.to(document)
	if err != nil {
		return err
	}
	a, person, row, err := d.fitted(ctx, by, id, document, r)
	if err != nil {
		return err
	}
	signer := person
	if r.Spoken != "" {
		if signer, err = d.presentPlant(ctx, by); err != nil {
			return err
		}
	}
	a, err = d.prove(ctx, by, signer, a, r.Signed,
		func() ([]given, error) { return d.answers(ctx, row) },
		func() (policy.Quorum, error) {
			doc, _, err := d.request(ctx, row.Document)
			if err != nil {
				return policy.Quorum{}, err
			}
			return d.quorum(ctx, doc)
		})
	if err != nil {
		return err
	}
	if row.State == RequestAsleep && r.Says != evidence.Question {
		body := audit.RequestWoken{By: string(by.Person), At: d.second()}
		if _, err := d.commit(ctx, requestKey(id), row.row+1, string(by.Person), body, person); err != nil {
			return err
		}
		row.row++
	}
	return d.give(ctx, person, signer, row, a)
}

// fitted is the answer that a reply makes, without its proof, and who gives it to what.
func (d *Desk) fitted(ctx context.Context, by people.Actor, id policy.RequestID, document audit.Hash, r Reply) (a evidence.Answer, p people.Person, row requestRow, err error) {
	if row, err = d.requestRow(ctx, id); err != nil {
		return a, p, row, err
	}
	doc, _, err := d.request(ctx, row.Document)
	if err != nil {
		return a, p, row, err
	}
	if p, err = d.voice(ctx, by, doc.Kind == evidence.Emergency); err != nil {
		return a, p, row, err
	}
	if r.Spoken != "" {
		if r.Says != evidence.Yes || r.limited() {
			return a, p, row, refuse("bad-answer", "What is spoken is a plain yes. A no, or limits, somebody gives themselves.")
		}
		if p, err = d.spokenBy(ctx, p, row, doc, r.Spoken); err != nil {
			return a, p, row, err
		}
	}
	p = row.standing(p)
	if err = d.mayAnswer(p, row, doc, document); err != nil {
		return a, p, row, err
	}
	if r, err = d.fit(ctx, p, row, doc, r); err != nil {
		if isRule(err, "not-asked") {
			err = cmp.Or(d.offDuty(ctx, by, d.teamsOf(ctx, doc)), err)
		}
		return a, p, row, err
	}
	a, err = d.compose(p, row, doc, r)
	if r.Spoken != "" {
		a.Heard = string(by.Person)
	}
	a.Kiosk = string(by.Screen)
	return a, p, row, err
}

// mayAnswer: the newest revision, while it waits, by somebody of the plant who
// neither asked nor works in the window, and who has not answered it already.
func (d *Desk) mayAnswer(p people.Person, row requestRow, doc evidence.Request, document audit.Hash) error {
	if document != row.Document {
		return refuse("stale-revision", "%s has changed: it is revision %d now, and %s. Read it again before you answer.", row.Request, row.Rev, row.State)
	}
	if row.State == RequestAgreed {
		return refuse("already-agreed", "%s is agreed. To take it back, withdraw it, or cut window %s.", row.Request, row.Window)
	}
	if !row.waits() {
		return refuse("not-waiting", "%s is %s; it takes no answers.", row.Request, row.State)
	}
	if string(p.Firm) == doc.Firm || slices.Contains(doc.People, string(p.ID)) || string(p.ID) == doc.By && !doc.Called {
		return refuse("own-request", "Whoever asks, works in the window or is of that firm never answers it. Somebody else must.")
	}
	if !d.now().Before(doc.To.Add(-lastMinute)) {
		return refuse("too-late", "The span of %s is over. Whoever asked asks anew.", row.Request)
	}
	return nil
}

// fit checks what is said against the request and fills in the role.
func (d *Desk) fit(ctx context.Context, p people.Person, row requestRow, doc evidence.Request, r Reply) (Reply, error) {
	quorum, err := d.quorum(ctx, doc)
	if err != nil {
		return r, err
	}
	if err := text("why", r.Why, evidence.MaxReason); err != nil {
		return r, err
	}
	stands := slices.ContainsFunc(row.Answers, func(a said) bool { return a.Person == string(p.ID) && a.Says == evidence.Yes })
	if len(row.Answers) >= mostAnswers || len(row.Answers) >= mostAnswers-8 && (r.Says == evidence.Question || r.Says == evidence.NotBefore) {
		return r, refuse("too-many-answers", "%s has %d answers already. Let it be revised.", row.Request, len(row.Answers))
	}
	switch r.Says {
	case evidence.Yes:
		if stands {
			return r, refuse("already-answered", "You have said yes to this revision. Say no to take it back while it is not agreed.")
		}
		return d.fitYes(ctx, p, row, doc, quorum, r)
	case evidence.No, evidence.Question:
	case evidence.NotBefore:
		r.NotBefore = whole(r.NotBefore)
		if stands {
			return r, refuse("already-answered", "You have said yes to this revision. Say no to take it back.")
		}
		if !r.NotBefore.After(d.now()) || !r.NotBefore.Before(doc.To.Add(-lastMinute)) {
			return r, refuse("bad-time", "Not before must lie between now and %s, the end of the span.", doc.To.Format(time.RFC3339))
		}
	default:
		return r, refuse("bad-answer", "An answer is yes, no, not-before or question.")
	}
	r.Limits = evidence.Limits{}
	return pickRole(p, quorum.Needs, r)
}

// teamsOf are the roles that a request needs; none where that cannot be read.
func (d *Desk) teamsOf(ctx context.Context, doc evidence.Request) (teams []policy.Role) {
	q, err := d.quorum(ctx, doc)
	if err != nil {
		return nil
	}
	for _, n := range q.Needs {
		teams = append(teams, n.Role)
	}
	return teams
}

// pickRole sets a role in which the person was asked.
func pickRole(p people.Person, needs []policy.Need, r Reply) (Reply, error) {
	for _, n := range needs {
		if p.Has(n.Role) && (r.Role == "" || r.Role == n.Role) {
			r.Role = n.Role
			return r, nil
		}
	}
	return r, refuse("not-asked", "You were not asked: this needs %s, and you do not hold such a role.", roleList(needs))
}

// fitYes: the yes must still be needed, and must leave something to agree to.
func (d *Desk) fitYes(ctx context.Context, p people.Person, row requestRow, doc evidence.Request, q policy.Quorum, r Reply) (Reply, error) {
	if _, err := pickRole(p, q.Needs, r); err != nil {
		return r, err
	}
	before := left(q.Needs, row.yes())
	if places(left(q.Needs, append(row.yes(), p.Roles))) == places(before) {
		return r, refuse("not-needed", "Your yes would add nothing: still needed is %s.", roleList(before))
	}
	if err := d.fitPeople(ctx, doc); err != nil {
		return r, err
	}
	picked, err := pickRole(p, before, r)
	if err != nil { // another's yes moves to make room for this one
		picked, _ = pickRole(p, q.Needs, r)
	}
	picked.Limits.Until = utc(picked.Limits.Until)
	picked.Limits.Assets = slices.Clone(picked.Limits.Assets)
	slices.SortFunc(picked.Limits.Assets, evidence.Target.Compare)
	if err := d.narrower(picked.Limits, doc); err != nil {
		return r, err
	}
	yes, err := d.answers(ctx, row)
	if err != nil {
		return r, err
	}
	all := []evidence.Answer{}
	for _, y := range yes {
		all = append(all, y.answer)
	}
	all = append(all, evidence.Answer{Says: evidence.Yes, Request: row.Document, Person: string(p.ID), Limits: picked.Limits})
	claim, err := evidence.Narrow(doc, all)
	if err != nil {
		return r, refuse("limits-conflict", "These limits leave nothing to agree to: %v. Limit less, or say no.", err)
	}
	return picked, d.usable(ctx, q, doc, claim, picked.Limits)
}

// usable refuses limits under which no window could be opened: a narrower set
// of rights, say, on an account that can do more and that nobody stops. Found
// out now, it costs a word; at 03:00 it costs the night.
func (d *Desk) usable(ctx context.Context, q policy.Quorum, doc evidence.Request, claim evidence.WindowClaim, l evidence.Limits) error {
	if len(l.Rights) == 0 && len(l.Assets) == 0 && l.Minutes == 0 && l.Until.IsZero() {
		return nil
	}
	doc.Rights, doc.Assets, doc.Minutes, doc.From, doc.To = claim.Rights, claim.Assets, claim.Minutes, claim.From, claim.To
	_, err := d.possible(ctx, d.plant(), q, doc, &oddities{}, d.now())
	if no, ok := errors.AsType[*policy.Refusal](err); ok {
		return &policy.Refusal{Rule: "limit-unusable", Say: "So limited, nobody could work: " + no.Say + ".", Why: no.Rule + ": " + no.Why}
	}
	return err
}

// narrower refuses limits that would widen the request or are over already.
func (d *Desk) narrower(l evidence.Limits, doc evidence.Request) error {
	for _, t := range l.Assets {
		if !slices.Contains(doc.Assets, t) {
			return refuse("limit-widens", "%s is not in the request. A wider access needs a new revision.", t)
		}
	}
	if len(l.Rights) > 0 {
		asked, err := policy.ParseRights(doc.Rights)
		if err != nil {
			return err
		}
		limit, err := policy.ParseRights(l.Rights)
		if err != nil {
			return asRefusal("bad-limit", err)
		}
		if !asked.Has(limit) {
			return refuse("limit-widens", "The request asks for %s; %s is more. A wider access needs a new revision.", asked, limit)
		}
	}
	if l.Minutes < 0 || l.Minutes > doc.Minutes {
		return refuse("limit-widens", "A limit of minutes lies between 1 and the %d that were asked for.", doc.Minutes)
	}
	if !l.Until.IsZero() && (l.Until.After(doc.To) || !l.Until.After(d.now().Add(lastMinute)) || !l.Until.After(doc.From)) {
		return refuse("bad-limit", "An earlier end must lie after now and inside the span.")
	}
	return nil
}

// compose is the text of an answer, without its proof.
func (d *Desk) compose(p people.Person, row requestRow, doc evidence.Request, r Reply) (evidence.Answer, error) {
	a := evidence.Answer{V: 1, Request: row.Document, Person: string(p.ID), Firm: string(p.Firm), Role: string(r.Role), Says: r.Says,
		Why: r.Why, Limits: r.Limits, NotBefore: r.NotBefore, Nonce: nonce(), At: d.second(), DecideBy: doc.To}
	if a.Limits.Rights != nil && len(a.Limits.Rights) == 0 { // some mean all of it by that, some nothing
		return a, refuse("bad-limit", "A limit to no right at all is no limit. Leave rights out to allow what was asked, name look alone, or say no.")
	}
	if len(a.Limits.Rights) > 0 {
		rights, err := policy.ParseRights(a.Limits.Rights)
		if err != nil {
			return a, asRefusal("bad-limit", err)
		}
		a.Limits.Rights = rights.Words()
	}
	return a, nil
}

// give writes the answer with its proof, and its event.
func (d *Desk) give(ctx context.Context, p, signer people.Person, row requestRow, a evidence.Answer) error {
	hash, err := d.sign(ctx, a)
	if err != nil {
		return err
	}
	body := audit.AnswerGiven{Request: row.Request, Rev: row.Rev, Person: a.Person, Firm: a.Firm, Roles: sorted(words(p.Roles)),
		Says: a.Says, Document: hash, NotBefore: a.NotBefore, Heard: a.Heard}
	on := []people.Person{p}
	if signer.ID != p.ID {
		on = append(on, signer)
	}
	_, err = d.commit(ctx, requestKey(row.Request), row.row+1, a.Signer(), body, on...)
	return err
}

// totp is the server's word that a code was given.
func totp(by people.Actor) evidence.Proof {
	return evidence.Proof{Kind: "totp", Data: strconv.FormatInt(by.Step, 10)}
}

// sign puts an answer as a document, held to the form that the verifier reads.
func (d *Desk) sign(ctx context.Context, a evidence.Answer) (audit.Hash, error) {
	b, err := audit.Canonical(a)
	if err != nil {
		return audit.Hash{}, asRefusal("bad-answer", err)
	}
	if _, err := evidence.ParseAnswer(b); err != nil {
		return audit.Hash{}, asRefusal("bad-answer", err)
	}
	hash, err := d.docs.Put(ctx, b)
	if err != nil {
		return hash, fmt.Errorf("keep the answer: %w", err)
	}
	return hash, nil
}

// answerRow is the value of answer/R-n/N: its row says at which leaf the
// answer stands, which the request's own row cannot know.
type answerRow struct {
	Request  string     `json:"request"`
	N        int        `json:"n"`
	Document audit.Hash `json:"document"`
}

func answerKey(request string, n int) string { return fmt.Sprintf("answer/%s/%d", request, n) }

// given is an answer as the log has it.
type given struct {
	given  evidence.Given
	answer evidence.Answer
}

// uttered is what a leaf says of the answer that its document is.
type uttered struct {
	person, says, firm string
	roles              []string
	document           audit.Hash
}

// answers reads the answers to a request's newest revision from their leaves.
func (d *Desk) answers(ctx context.Context, r requestRow) ([]given, error) {
	return d.answersTo(ctx, r.Request, r.Answers, toRevision(r.Request, r.Rev))
}

// given reads one answer from its leaf, which must be an answer to this revision.
func (d *Desk) given(ctx context.Context, at audit.Place, request string, rev int) (given, error) {
	return d.givenAt(ctx, at, request, toRevision(request, rev))
}

func toRevision(request string, rev int) func(audit.Body) (uttered, bool) {
	return func(body audit.Body) (uttered, bool) {
		b, ok := body.(audit.AnswerGiven)
		return uttered{b.Person, b.Says, b.Firm, b.Roles, b.Document}, ok && b.Request == request && b.Rev == rev
	}
}

// answersTo reads all answers to something from their leaves; of is false for a
// leaf that is none of them.
func (d *Desk) answersTo(ctx context.Context, subject string, all []said, of func(audit.Body) (uttered, bool)) ([]given, error) {
	var list []given
	for _, a := range all {
		g, err := d.answerTo(ctx, subject, a.N, of)
		if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	return list, nil
}

// answerTo reads the answer with a number.
func (d *Desk) answerTo(ctx context.Context, subject string, n int, of func(audit.Body) (uttered, bool)) (given, error) {
	row, err := d.row(ctx, answerKey(subject, n))
	if err != nil {
		return given{}, fmt.Errorf("answer %d of %s: %w", n, subject, err)
	}
	return d.givenAt(ctx, row.Leaf, subject, of)
}

func (d *Desk) givenAt(ctx context.Context, at audit.Place, subject string, of func(audit.Body) (uttered, bool)) (given, error) {
	leaf, err := d.leaves.Leaf(ctx, at)
	if err != nil {
		return given{}, fmt.Errorf("read answer at leaf %s: %w", at, err)
	}
	u, ok := of(leaf.Body)
	if !ok {
		return given{}, &policy.Refusal{Rule: "row-differs", Say: "The broker's index does not fit its log. Tell OT security.", Why: fmt.Sprintf("leaf %s is no answer to %s as it stands", at, subject)}
	}
	return d.givenBy(ctx, leaf, u)
}

// givenBy reads the document of an answer, which must be what its leaf says.
func (d *Desk) givenBy(ctx context.Context, leaf audit.Leaf, u uttered) (given, error) {
	at := leaf.Place()
	b, err := d.docs.Get(ctx, u.document)
	if err != nil {
		return given{}, fmt.Errorf("read answer document %s: %w", u.document, err)
	}
	a, err := evidence.ParseAnswer(b)
	if err != nil {
		return given{}, fmt.Errorf("answer at leaf %s: %w", at, err)
	}
	if a.Person != u.person || a.Says != u.says {
		return given{}, fmt.Errorf("answer at leaf %s: the leaf says %s of %s, the document %s of %s", at, u.says, u.person, a.Says, a.Person)
	}
	f, err := d.roster.Firm(ctx, policy.FirmID(u.firm))
	if err != nil {
		return given{}, fmt.Errorf("look up firm %s of the answer at leaf %s: %w", u.firm, at, err)
	}
	var list []byte
	if len(a.Rows) > 0 {
		if list, err = d.docs.Get(ctx, a.Request); err != nil {
			return given{}, fmt.Errorf("read the list that the answer at leaf %s is to: %w", at, err)
		}
	}
	// Firm and roles are the leaf's word; the verifier holds them against the
	// log's earlier leaves.
	return given{evidence.Given{Leaf: at, Wall: leaf.Wall, Body: b, Firm: u.firm, Roles: u.roles, Plant: f.Plant, Outage: list}, a}, nil
}

// answer makes the rows of answer.given.
func (f folder) answer(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	b := leaf.Body.(audit.AnswerGiven)
	r, err := load[requestRow](ctx, rows, requestKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	if b.Request != v.Request || b.Rev != v.Rev || !v.waits() {
		return nil, refuse("illegal-step", "%s is %s at revision %d; it takes no answer to revision %d.", leaf.Subject, v.State, v.Rev, b.Rev)
	}
	switch b.Says {
	case evidence.No:
		err = v.move(RequestRefused)
	case evidence.NotBefore:
		err, v.Asleep = v.move(RequestAsleep), b.NotBefore
	case evidence.Yes:
		if v.State != RequestWaiting || slices.ContainsFunc(v.Answers, func(a said) bool { return a.Person == b.Person && a.Says == evidence.Yes }) {
			err = refuse("illegal-step", "%s is %s, or %s said yes already.", v.Request, v.State, b.Person)
		}
	case evidence.Question:
	default:
		err = refuse("illegal-step", "An answer does not say %.20q.", b.Says)
	}
	if err != nil {
		return nil, err
	}
	v.Count++
	v.Answers = append(v.Answers, said{v.Count, b.Person, b.Roles, b.Says, b.Document, b.Heard})
	line := stored[answerRow]{key: answerKey(v.Request, v.Count), value: answerRow{v.Request, v.Count, b.Document}}
	return both(r.changed())(line.changed())
}

func roleList(needs []policy.Need) string {
	if len(needs) == 0 {
		return "nothing"
	}
	s := ""
	for i, n := range needs {
		if i > 0 {
			s += " and "
		}
		s += fmt.Sprintf("%d × %s", n.Count, n.Role)
	}
	return s
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return whole(t)
}

// text holds what a person writes to evidence's rule.
func text(field, s string, most int) error {
	if err := evidence.CheckText(field, s, most); err != nil {
		return asRefusal("bad-text", err)
	}
	return nil
}
