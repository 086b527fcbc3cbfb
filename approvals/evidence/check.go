package evidence

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// What the clocks of an answer may differ by.
const (
	clockSlack = 2 * time.Minute              // leaf's wall clock before the time that the answer says
	codeBefore = 90 * time.Second             // a phone's clock ahead of ours
	codeAfter  = 6*time.Minute + codeBefore/3 // a code's step lasts 30 s, is taken 30 s late, and is good for 5 minutes after
	signedGood = 10 * time.Minute             // from the text of a signed answer to its leaf: to read, sign and send
)

// Check is empty if the answers suffice for exactly this window: exact
// revision, distinct people and keys, nobody who works in the window or is of
// that firm, keys older than answers, in time, nonces and steps once, quorum
// recomputed from the plant file that the request names, window ⊆ intersection
// of the limits ⊆ request. Each finding is one sentence.
//
// The quorum is that of the request as it was asked: limits never lower who has
// to agree. Answers to another revision are passed over. keys nil means that the
// caller vouches for code generators itself (its sign-in has just used one); a
// signed answer, and anything else, must find the person's key among them.
// The claim's own id is the caller's to compare. A request that names a pattern
// comes with it (under); where that stood, its agreement stands for the rules' plan.
func Check(plant *policy.Plant, request []byte, answers []Given, keys []Key, w WindowClaim, under ...Basis) (findings []string) {
	j, err := newJudge(plant, request, under)
	if err != nil {
		return []string{err.Error()}
	}
	j.findings = append(CheckTold(plant, j.request), CheckRed(plant, j.request, j.quorum.Ask)...)
	for _, b := range under {
		if b.Stands {
			j.stands(plant, b, newest(answers))
		}
	}
	yes := j.yeses(answers, keys)
	j.quorate(yes)
	j.window(yes, w)
	return j.findings
}

// CheckExtension is empty if the opener's answer allows the window's new end:
// within the span, every limit's earlier end and the rule's longest since
// opened; by a person of the plant who may open and does not work in the
// window. yes are the answers that Check agreed the window on. That the answer
// came before the old end is the caller's to compare.
func CheckExtension(plant *policy.Plant, request []byte, yes []Given, extension Given, keys []Key, w WindowClaim, opened time.Time, under ...Basis) (findings []string) {
	j, a, err := afterOpening(plant, request, Extend, extension, keys, w, opened, under...)
	if err != nil {
		return []string{err.Error()}
	}
	j.must(a.Until.After(opened), "its new end %s is before the window was opened", clock(a.Until))
	j.must(!a.Until.After(j.request.To), "its new end %s is after the span's, %s", clock(a.Until), clock(j.request.To))
	j.must(!a.Until.After(w.To), "its new end %s is after the window's limit, %s", clock(a.Until), clock(w.To))
	j.confirms(a, opened)
	j.beside(yes, a, func(y Answer) {
		if end := y.Limits.Until; !end.IsZero() {
			j.must(!a.Until.After(end), "its new end %s is after the limit of %s, %s", clock(a.Until), y.Person, clock(end))
		}
	})
	return j.findings
}

// afterOpening judges an opener's answer to a window that runs: of this kind, to
// this request and window, by a person of the plant who may open and does not
// work in it, proved, and not before it was opened.
func afterOpening(plant *policy.Plant, request []byte, says string, g Given, keys []Key, w WindowClaim, opened time.Time, under ...Basis) (*judge, Answer, error) {
	j, err := newJudge(plant, request, under)
	if err != nil {
		return nil, Answer{}, err
	}
	a, err := ParseAnswer(g.Body)
	if err != nil {
		return nil, a, fmt.Errorf("%s%w", at(g), err)
	}
	j.about = at(g)
	does := map[string]string{Extend: "extends", StepUp: "steps up", Opens: "opens", GoesOn: "lets go on"}[says]
	j.must(a.Says == says, "it says %s, and not %s", a.Says, says)
	j.must(a.Request == j.hash, "it %s another request or revision", does)
	j.must(a.Window == w.Window, "it %s %s and not %s", does, a.Window, w.Window)
	j.must(slices.ContainsFunc(g.Roles, func(r string) bool { return slices.Contains(j.quorum.Openers, policy.Role(r)) }),
		"%s holds no role that opens this window", a.Person)
	j.outsider(a, g)
	j.timely(a, g)
	j.proved(a, g, keys)
	j.must(!a.At.Before(opened), "it was given before the window was opened")
	return j, a, nil
}

// beside compares an opener's answer with each yes that the window was agreed on.
func (j *judge) beside(yes []Given, a Answer, with func(Answer)) {
	for _, g := range yes {
		y, err := ParseAnswer(g.Body)
		if err != nil {
			j.findings = append(j.findings, at(g)+err.Error())
			continue
		}
		j.must(y.Nonce != a.Nonce, "its nonce is that of the answer at leaf %s", g.Leaf)
		if y.Says == Yes && y.Request == j.hash {
			with(y)
		}
	}
}

// Grace is the end that a window's rules let it move to, once, for a half-done
// transfer: never past the span, a limit's earlier end or the rules' longest.
// It is old where they give none.
func Grace(q policy.Quorum, w WindowClaim, opened, old time.Time) time.Time {
	until := old.Add(q.Grace)
	for _, end := range []time.Time{w.To, opened.Add(q.Longest)} {
		if end.Before(until) {
			until = end
		}
	}
	if until.Before(old) {
		return old
	}
	return until
}

// CheckGrace is empty if the rules that the request names let the end move from
// old to until for a half-done transfer. That it came once, and before the old
// end, is the caller's to compare.
func CheckGrace(plant *policy.Plant, request []byte, w WindowClaim, opened, old, until time.Time, under ...Basis) (findings []string) {
	j, err := newJudge(plant, request, under)
	if err != nil {
		return []string{err.Error()}
	}
	j.must(j.quorum.Grace > 0, "no rule gives a grace")
	most := Grace(j.quorum, w, opened, old)
	j.must(!until.After(most), "its grace moves the end to %s, and the rules allow %s", clock(until), clock(most))
	return j.findings
}

// Strength says in one sentence what the weakest counted proof of a yes is
// worth; empty if there is no yes.
func Strength(answers []Given) string {
	said := ""
	for _, g := range answers {
		a, err := ParseAnswer(g.Body)
		if err != nil || a.Says != Yes && a.Says != Extend && a.Says != StepUp {
			continue
		}
		if !a.Proof.Signed() {
			return "agreed by the server's word (codes), not by keys"
		}
		said = "agreed by signatures of the people's own keys"
	}
	return said
}

// judge holds one request and what is found against what was answered to it.
type judge struct {
	request  Request
	hash     audit.Hash
	origin   string // of the plant's pages
	quorum   policy.Quorum
	gates    []string // that the pattern asks besides
	about    string   // what must's findings begin with
	findings []string
}

func newJudge(plant *policy.Plant, request []byte, under []Basis) (*judge, error) {
	r, err := ParseRequest(request)
	if err != nil {
		return nil, err
	}
	if plant == nil || audit.HashOf(plant.Document()) != r.Plant {
		return nil, fmt.Errorf("request %s: the plant file is not the one that the request names, %s", r.Request, r.Plant)
	}
	q, err := QuorumOf(plant, r, under...)
	if err != nil {
		return nil, fmt.Errorf("request %s: who has to agree: %w", r.Request, err)
	}
	j := &judge{request: r, hash: audit.HashOf(request), origin: plant.Site.Origin, quorum: q}
	for _, b := range under {
		p, err := ParsePattern(b.Text)
		if err != nil {
			return nil, err
		}
		j.gates = p.Gates
	}
	return j, nil
}

// QuorumOf is who has to agree to a request, by the plant file and, where the
// request names one, by its pattern.
func QuorumOf(plant *policy.Plant, r Request, under ...Basis) (policy.Quorum, error) {
	switch {
	case len(under) == 1 && !r.Pattern.IsZero() && r.Kind == Remote:
		return quorumUnder(plant, r, under[0])
	case len(under) > 0 || !r.Pattern.IsZero():
		return policy.Quorum{}, errors.New("it is judged without the pattern that it names, or by one that it does not name")
	}
	set, err := policy.ParseRights(r.Rights)
	if err != nil {
		return policy.Quorum{}, err
	}
	var assets []policy.AssetName
	for _, t := range r.Assets {
		if n := policy.AssetName(t.Asset); !slices.Contains(assets, n) {
			assets = append(assets, n)
		}
	}
	if r.Kind == Exception {
		return exceptionQuorum(plant, r, assets, set)
	}
	if r.Kind == Connectivity {
		return plant.ProbeQuorum(assets, set)
	}
	if r.Kind == Machine {
		return standingQuorum(plant, r, set)
	}
	if r.Kind == Emergency {
		return plant.EmergencyQuorum(assets, set)
	}
	q, err := plant.Quorum(assets, set, policy.Within{From: r.From, To: r.To})
	switch {
	case r.AtMachine():
		q = atMachine(q)
	case r.Kind == OnSite:
		q = throughJack(q)
	}
	return q, err
}

func (j *judge) must(is bool, format string, args ...any) {
	if !is {
		j.findings = append(j.findings, j.about+fmt.Sprintf(format, args...))
	}
}

// yes is an answer that counts, with the roles its person held at its leaf.
type yes struct {
	Answer
	roles []string
}

// yeses are the answers to this revision that count. Every other yes is a
// finding that says why it does not.
func (j *judge) yeses(answers []Given, keys []Key) []yes {
	var count []yes
	nonces := map[string]audit.Place{}
	steps := map[string]audit.Place{}
	for _, g := range answers {
		a, err := ParseAnswer(g.Body)
		if err != nil {
			j.findings = append(j.findings, at(g)+err.Error())
			continue
		}
		listed := j.listed(a, g)
		if a.Request != j.hash && !listed {
			continue
		}
		j.about = at(g)
		before := len(j.findings)
		j.must(listed || len(a.Rows) == 0, "it takes rows of a list, and answers this request alone")
		if listed {
			j.looked(a, g)
		}
		first, seen := nonces[a.Nonce]
		j.must(!seen, "its nonce was used at leaf %s already", first)
		j.must(a.Nonce != j.request.Nonce, "its nonce is the request's")
		nonces[a.Nonce] = g.Leaf
		j.must(a.Says != No || !j.asked(g), "%s, who had to be asked, said no", a.Person)
		if a.Says != Yes {
			continue
		}
		j.must(slices.Contains(g.Roles, a.Role), "%s answered as %s and does not hold that role", a.Person, a.Role)
		j.outsider(a, g)
		j.timely(a, g)
		j.proved(a, g, keys)
		j.heardYes(a, answers)
		step := a.Person + " " + a.Proof.Kind + " " + a.Proof.Data
		first, seen = steps[step]
		j.must(!seen, "its proof was used for the answer at leaf %s already", first)
		steps[step] = g.Leaf
		if len(j.findings) == before {
			count = append(count, yes{a, g.Roles})
		}
	}
	j.about = ""
	return count
}

// asked says whether a person of the plant holds a role that has to agree.
func (j *judge) asked(g Given) bool {
	return g.Plant && slices.ContainsFunc(j.quorum.Needs, func(n policy.Need) bool { return slices.Contains(g.Roles, string(n.Role)) })
}

// outsider: of the plant, and neither a worker, the asker nor of their firm.
func (j *judge) outsider(a Answer, g Given) {
	r := j.request
	j.must(a.Firm == g.Firm, "it says that %s is of %s, and the log says %s", a.Person, a.Firm, g.Firm)
	j.must(g.Plant, "%s is of %s, which is not the plant", a.Person, g.Firm)
	j.must(g.Firm != r.Firm, "%s is of %s, whose people work in the window", a.Person, g.Firm)
	j.must(!slices.Contains(r.People, a.Person), "%s works in the window", a.Person)
	j.must(!IsEnvelope(a.Person) || r.Kind == Emergency, "%s counts in an emergency alone", a.Person)
	j.must(a.Person != r.By || a.Says == Extend || a.Says == StepUp || a.taps() || r.Called, "%s wrote the request", a.Person)
}

func (j *judge) timely(a Answer, g Given) {
	j.must(!a.At.After(a.DecideBy), "it was given at %s, after %s, when it had to be decided", clock(a.At), clock(a.DecideBy))
	j.must(!a.DecideBy.After(j.request.To), "it could be decided until %s, after the span's end %s", clock(a.DecideBy), clock(j.request.To))
	j.must(!g.Wall.Before(a.At.Add(-clockSlack)), "the log has it at %s, before it was given at %s", clock(g.Wall), clock(a.At))
	j.must(!g.Wall.After(a.DecideBy.Add(clockSlack)), "the log has it at %s, after %s, when it had to be decided", clock(g.Wall), clock(a.DecideBy))
}

// proved: by a proof as strong as the rules ask for, with a key that the person
// had before, and nobody else.
func (j *judge) proved(a Answer, g Given, keys []Key) {
	switch a.Proof.Kind {
	case ProofTOTP:
		j.byCode(a, g, keys)
	case ProofWebAuthn, ProofSSHSIG:
		j.byKey(a, g, keys)
	default:
		j.must(false, "its proof %q is of no kind that this build can check", a.Proof.Kind)
		return
	}
	for _, k := range keys {
		if k.Person == a.Signer() && len(k.Public) > 0 {
			shared := slices.IndexFunc(keys, func(o Key) bool { return o.Person != a.Signer() && slices.Equal(o.Public, k.Public) })
			j.must(shared < 0, "%s and another person have the same key", a.Signer())
		}
	}
}

// byCode: the server's word, where the rules let that be enough.
func (j *judge) byCode(a Answer, g Given, keys []Key) {
	j.must(j.quorum.Proof == policy.ByCode, "it rests on a code, the server's word, and the rules ask for a key of %s's own", a.Signer())
	step, err := strconv.ParseInt(a.Proof.Data, 10, 64)
	if err != nil || step <= 0 || step > 1<<40 || strconv.FormatInt(step, 10) != a.Proof.Data {
		j.must(false, "its code's step %q is not a number from 1", short(a.Proof.Data))
		return
	}
	after := a.At.Sub(time.Unix(step*30, 0))
	j.must(after >= -codeBefore && after <= codeAfter, "its code is of %s and it was given at %s", clock(time.Unix(step*30, 0).UTC()), clock(a.At))
	if keys != nil {
		j.must(hadBefore(keys, a, g.Leaf), "%s had no code generator before the answer", a.Signer())
	}
}

// byKey: the person's own signature over this answer and no other.
func (j *judge) byKey(a Answer, g Given, keys []Key) {
	k, ok := keyFor(keys, a.Signer(), a.Proof)
	if !ok || k.Since.Node != g.Leaf.Node || k.Since.Index >= g.Leaf.Index {
		j.must(false, "%s had no such key when it was given: %s", a.Signer(), short(a.Proof.Key))
		return
	}
	j.must(k.Broken == "", "its key %s does not count: %s", short(k.ID), k.Broken)
	j.must(!g.Wall.After(a.At.Add(signedGood)), "it was signed for %s, and the log has it at %s: an old answer was kept and sent late", clock(a.At), clock(g.Wall))
	text, err := a.Unsigned()
	if err == nil {
		err = CheckProof(a.Proof, k, AnswerNamespace, text, j.origin)
	}
	j.must(err == nil, "%v", err)
}

// hadBefore: of another node's log nothing is known about before and after, so
// a key must be of the log that holds the answer.
func hadBefore(keys []Key, a Answer, leaf audit.Place) bool {
	return slices.ContainsFunc(keys, func(k Key) bool {
		return k.Person == a.Signer() && k.Kind == a.Proof.Kind && k.Since.Node == leaf.Node && k.Since.Index < leaf.Index
	})
}

// quorate: enough people for every role, each of them once over all roles.
func (j *judge) quorate(given []yes) {
	voices := map[string][]string{}
	for _, y := range given {
		voices[y.Person] = y.roles
	}
	j.must(len(j.quorum.Needs) > 0, "the plant file asks nobody, and somebody must always agree")
	for _, field := range Unfilled(j.request, j.quorum.Ask) {
		j.must(slices.Contains(j.request.Red.Missing, field), "the request does not say %s, which the rules ask for", field)
	}
	for _, n := range missing(j.quorum.Needs, voices) {
		j.must(false, "%d yes of %s missing, which rule %s asks for", n.Count, n.Role, n.Rule)
	}
}

// missing is what remains of the needs when as many as possible are met, each
// person meeting one (a largest matching of persons to needs, by augmenting paths).
func missing(needs []policy.Need, voices map[string][]string) []policy.Need {
	people := make([]string, 0, len(voices))
	for p := range voices {
		people = append(people, p)
	}
	slices.Sort(people)
	met := map[string]int{} // person → need
	var left []policy.Need
	for i, n := range needs {
		open := 0
		for range min(max(n.Count, 1), 1+len(people)) {
			if !meet(needs, i, people, voices, met, map[string]bool{}) {
				open++
			}
		}
		if open > 0 {
			n.Count = max(n.Count, 1) - (min(max(n.Count, 1), 1+len(people)) - open)
			left = append(left, n)
		}
	}
	return left
}

// meet finds a person for one more of need i, moving others to needs that they
// could meet as well.
func meet(needs []policy.Need, i int, people []string, voices map[string][]string, met map[string]int, tried map[string]bool) bool {
	for _, p := range people {
		if tried[p] || !slices.Contains(voices[p], string(needs[i].Role)) {
			continue
		}
		tried[p] = true
		if now, taken := met[p]; !taken || meet(needs, now, people, voices, met, tried) {
			met[p] = i
			return true
		}
	}
	return false
}

// window: nothing wider than the request, the limits and the rules.
func (j *judge) window(given []yes, w WindowClaim) {
	answers := make([]Answer, len(given))
	for i, y := range given {
		answers[i] = y.Answer
	}
	widest, err := Narrow(j.request, answers)
	if err != nil {
		j.must(false, "%v", err)
		return
	}
	r := j.request
	j.must(w.Request == j.hash, "the window is of another request or revision")
	j.must(len(w.People) > 0 && within(w.People, widest.People), "the window is for %q, and the request for %q", w.People, widest.People)
	j.must(len(w.Assets) > 0 && within(w.Assets, widest.Assets), "the window has a way in that the request and the limits do not have")
	j.must(len(w.Rights) > 0 && within(w.Rights, widest.Rights), "the window's rights are %q, and the request and the limits allow %q", w.Rights, widest.Rights)
	j.must(registersWithin(w.Registers, widest.Registers, w.Assets), "the window lets %s be changed, and the request names %s", registersSay(w.Registers), registersSay(widest.Registers))
	j.must(w.Minutes > 0 && w.Minutes <= widest.Minutes, "the window is %d minutes long, and the request and the limits allow %d", w.Minutes, widest.Minutes)
	j.must(!w.From.Before(widest.From), "the window begins at %s, before the span's begin %s", clock(w.From), clock(widest.From))
	j.must(!w.To.After(widest.To), "the window ends at %s, after %s, which the request and the limits allow", clock(w.To), clock(widest.To))
	j.must(w.From.Before(w.To), "the window ends before it begins")
	j.must(time.Duration(w.Minutes)*time.Minute <= j.quorum.Longest, "the window is %d minutes long, and the rules allow %s", w.Minutes, j.quorum.Longest)
	j.must(r.Open == j.quorum.Open, "the request says that %s opens, and the rules say %s", r.Open, j.quorum.Open)
	j.must(slices.Equal(w.Starts, widest.Starts), "the window starts with %q, and by request and limits it starts with %q", w.Starts, widest.Starts)
	j.must(w.Escort == r.Escort && w.Network == r.Red.Network, "the window and the request differ in who watches, or whence they may come")
	j.must(w.Laptop == r.Laptop, "the window is for the laptop %q, and the request for %q", short(w.Laptop), short(r.Laptop))
	j.must(slices.Equal(w.Waives, widest.Waives), "the window waives %q, and the request says %q", w.Waives, widest.Waives)
	j.must(w.Exception == (r.Kind == Exception), "the window is an exception: %t, and the request is %s", w.Exception, r.Kind)
	j.must(w.Jack == r.Jack, "the window is for the service jack %q, and the request for %q", short(w.Jack), short(r.Jack))
	j.must(w.Probe == (r.Kind == Connectivity), "the window tries the way: %t, and the request is %s", w.Probe, r.Kind)
	j.must(w.Machine.equal(r.Machine), "the window and the request differ in what holds the machine")
	j.must(within(j.gates, w.Gates), "the window does not ask the gates %q, which the pattern asks", j.gates)
	j.must(w.Open == j.quorum.Open, "the window says that %s opens, and the rules say %s", w.Open, j.quorum.Open)
	for _, y := range given {
		j.must(y.At.Before(w.To), "the answer of %s is as late as the window's end", y.Person)
	}
}

func within[T comparable](part, whole []T) bool {
	return !slices.ContainsFunc(part, func(v T) bool { return !slices.Contains(whole, v) })
}

func at(g Given) string { return "answer at leaf " + g.Leaf.String() + ": " }

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
