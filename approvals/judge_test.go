package approvals

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// judge holds a whole history to what must always be so, without asking the
// Desk: steps as DESIGN section 3 lists them, a quorum counted anew, windows
// inside limits inside requests, the verifier's own walk, and rows that come
// back from the log.
func (w *world) judge(t interface {
	Helper()
	Fatalf(string, ...any)
}) {
	t.Helper()
	walk := evidence.NewWalk(w.docs)
	h := newHistory(w)
	for _, leaf := range w.log.leaves() {
		wrong := slices.DeleteFunc(walk.Leaf(w.ctx, leaf), func(f string) bool {
			return strings.HasSuffix(f, "while no channel was open in it") // there are no sessions here
		})
		if len(wrong) > 0 {
			t.Fatalf("the verifier finds: %v", wrong)
		}
		if err := h.leaf(leaf); err != nil {
			t.Fatalf("leaf %d %s %s: %v\n%+v", leaf.Index, leaf.Body.Type(), leaf.Subject, err, leaf.Body)
		}
	}
	if err := w.rebuilt(); err != nil {
		t.Fatalf("%v", err)
	}
}

// rebuilt makes all rows from the log alone, and compares.
func (w *world) rebuilt() error {
	fresh := state.NewMemory()
	if _, err := state.NewJournal("a", w.log, fresh, people.Fold(w.docs), Fold(w.docs)).CatchUp(w.ctx); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	list := func(m *state.Memory) (rows []state.Row) {
		for row, err := range m.All(w.ctx) {
			if err == nil {
				rows = append(rows, row)
			}
		}
		return rows
	}
	have, want := list(w.store.Memory), list(fresh)
	if len(have) != len(want) {
		return fmt.Errorf("%d rows, and %d from the log", len(have), len(want))
	}
	for i := range have {
		if have[i].Key != want[i].Key || have[i].Rev != want[i].Rev || have[i].Leaf != want[i].Leaf || !bytes.Equal(have[i].Value, want[i].Value) {
			return fmt.Errorf("row %s is not what the log makes of it:\n%+v\n%+v", have[i].Key, have[i], want[i])
		}
	}
	return nil
}

// history is the test's own small reading of the leaves.
type history struct {
	w        *world
	requests map[string]*pastRequest
	windows  map[string]*pastWindow
	roles    map[string][]string // since somebody changed them
	gone     map[string]bool     // disabled
	rosters  map[string][]evidence.Turn
	lent     map[[2]string]audit.DeputyNamed // by team and whom they stand in for
	patterns map[string]*pastPattern
}

func newHistory(w *world) *history {
	return &history{w: w, requests: map[string]*pastRequest{}, windows: map[string]*pastWindow{}, roles: map[string][]string{}, gone: map[string]bool{},
		rosters: map[string][]evidence.Turn{}, lent: map[[2]string]audit.DeputyNamed{}, patterns: map[string]*pastPattern{}}
}

type pastRequest struct {
	state string
	doc   evidence.Request
	hash  audit.Hash
	yes   map[string]evidence.Answer // by place
	roles map[string][]string
	who   map[string]bool
	here  bool
	next  []audit.PersonAsked // because others did not answer
}

type pastWindow struct {
	state   string
	claim   evidence.WindowClaim
	request string
	pattern string
	until   time.Time
	graced  bool
}

// legal is DESIGN section 3 as text.
var legal = strings.Fields(`r:>waiting r:waiting>asleep r:waiting>agreed r:waiting>refused r:waiting>withdrawn r:waiting>unanswered r:waiting>superseded
r:asleep>waiting r:asleep>withdrawn r:asleep>unanswered r:asleep>superseded r:agreed>withdrawn r:agreed>superseded
w:>agreed w:agreed>open w:agreed>unused w:agreed>cut w:open>paused w:open>ending w:open>ended w:open>cut
w:paused>open w:paused>ending w:paused>ended w:paused>cut w:ending>ended w:ending>cut w:ended>closed w:cut>closed`)

func step(kind string, state *string, to string) error {
	if !slices.Contains(legal, kind+":"+*state+">"+to) {
		return fmt.Errorf("illegal step %s:%s>%s", kind, *state, to)
	}
	*state = to
	return nil
}

func (h *history) leaf(leaf audit.Leaf) error {
	switch b := leaf.Body.(type) {
	case audit.PersonChanged:
		h.roles[b.Person] = b.Roles
	case audit.PersonDisabled:
		h.gone[b.Person] = true
	case audit.RosterWritten:
		delete(h.rosters, b.Team)
		if !b.Document.IsZero() {
			h.rosters[b.Team] = []evidence.Turn{}
			doc, err := h.w.docs.Get(h.w.ctx, b.Document)
			if err != nil {
				return err
			}
			r, err := evidence.ParseRoster(doc)
			if err != nil {
				return err
			}
			h.rosters[b.Team] = r.Turns
		}
	case audit.PersonAsked:
		if b.For != "" {
			r := h.requests[leaf.Subject]
			r.next = append(r.next, b)
		}
	case audit.PatternProposed, audit.PatternAnswered, audit.PatternMoved, audit.PatternDoubted:
		return h.pattern(leaf)
	case audit.CallAnswered:
		h.requests[leaf.Subject].here = true
	case audit.DeputyNamed:
		h.lent[[2]string{b.Team, b.For}] = b
	case audit.DeputyEnded:
		delete(h.lent, [2]string{b.Team, b.For})
	case audit.RequestSubmitted:
		h.requests[b.Request] = &pastRequest{}
		return h.text(b, "waiting")
	case audit.RequestRevised:
		r := h.requests[b.Request]
		if err := h.takeBack(r, b.Request, "superseded"); err != nil {
			return err
		}
		r.state = ""
		return h.text(audit.RequestSubmitted(b), "waiting")
	case audit.RequestWithdrawn:
		return h.takeBack(h.requests[leaf.Subject], leaf.Subject, "withdrawn")
	case audit.RequestUnanswered:
		return step("r", &h.requests[leaf.Subject].state, "unanswered")
	case audit.RequestWoken:
		return step("r", &h.requests[leaf.Subject].state, "waiting")
	case audit.AnswerGiven:
		return h.answer(leaf, b)
	case audit.WindowAgreed:
		return h.agreed(b)
	case audit.WindowMoved:
		if p := h.patterns[h.windows[b.Window].pattern]; b.To == "opened" && p != nil && !p.stands {
			return fmt.Errorf("%s opened under a pattern that does not stand", b.Window)
		}
		if r := h.requests[h.windows[b.Window].request]; b.To == "opened" && r.doc.Called && !r.here {
			return fmt.Errorf("%s opened before anybody had answered the call", b.Window)
		}
		return h.moved(leaf, b)
	case audit.HandbackAccepted:
		return step("w", &h.windows[b.Window].state, "closed")
	}
	return nil
}

func (h *history) text(b audit.RequestSubmitted, to string) error {
	r := h.requests[b.Request]
	text, err := h.w.docs.Get(h.w.ctx, b.Document)
	if err != nil {
		return err
	}
	r.doc, err = evidence.ParseRequest(text)
	r.hash, r.yes, r.roles, r.who, r.next = b.Document, map[string]evidence.Answer{}, map[string][]string{}, map[string]bool{}, nil
	r.here = false
	if err != nil {
		return err
	}
	return step("r", &r.state, to)
}

// takeBack: an agreed request goes only with a window that is not open.
func (h *history) takeBack(r *pastRequest, id, to string) error {
	if r.state == "agreed" {
		for _, v := range h.windows {
			if v.request == id && v.state != "unused" {
				if err := step("w", &v.state, "unused"); err != nil {
					return err
				}
			}
		}
	}
	return step("r", &r.state, to)
}

func (h *history) answer(leaf audit.Leaf, b audit.AnswerGiven) error {
	r := h.requests[b.Request]
	text, err := h.w.docs.Get(h.w.ctx, b.Document)
	if err != nil {
		return err
	}
	a, err := evidence.ParseAnswer(text)
	if err != nil {
		return err
	}
	c := cast[policy.PersonID(a.Person)]
	roles := []string{}
	for team := range thePlantTeams() {
		if h.voice(a.Person, team, leaf.Wall) {
			roles = append(roles, team)
		}
		for _, s := range r.next {
			if s.For == team && h.voice(a.Person, s.Role, leaf.Wall) && !slices.Contains(roles, team) {
				roles = append(roles, team)
			}
		}
	}
	if h.gone[a.Person] {
		return fmt.Errorf("an answer of %s, who is disabled", a.Person)
	}
	if c.firm != "fjord" || slices.Contains(r.doc.People, a.Person) || r.doc.By == a.Person && !r.doc.Called {
		return fmt.Errorf("an answer of %s, who is a vendor, a worker or the asker", a.Person)
	}
	switch b.Says {
	case "yes":
		if r.who[a.Person] || r.state != "waiting" {
			return fmt.Errorf("%s says yes twice, or the request is %s", a.Person, r.state)
		}
		r.who[a.Person] = true
		r.yes[leaf.Place().String()], r.roles[leaf.Place().String()] = a, roles
	case "no":
		return step("r", &r.state, "refused")
	case "not-before":
		return step("r", &r.state, "asleep")
	}
	return nil
}

// agreed counts the quorum by trying everything.
func (h *history) agreed(b audit.WindowAgreed) error {
	r := h.requests[b.Request]
	text, err := h.w.docs.Get(h.w.ctx, b.Claim)
	if err != nil {
		return err
	}
	claim, err := evidence.ParseClaim(text)
	if err != nil {
		return err
	}
	rights, _ := policy.ParseRights(r.doc.Rights)
	q, err := h.w.plant().Quorum(assetsOf(asPolicy(r.doc.Assets)), rights)
	if err != nil {
		return err
	}
	var needed []string
	if r.doc.Kind == evidence.Emergency { // one of the team that the plant file names, and no right beyond its two lists
		e := h.w.plant().Emergency
		if rights&^(e.StartsAs|e.SecondTap) != 0 {
			return fmt.Errorf("an emergency for %s", rights)
		}
		q.Needs = []policy.Need{{Role: e.Agree[0], Count: 1}}
	}
	if r.doc.Kind == evidence.Connectivity { // the shift of the one zone, to look and for half an hour
		if rights != policy.Look || claim.Minutes > 30 || !claim.Probe {
			return fmt.Errorf("a connectivity test for %s, %d minutes", rights, claim.Minutes)
		}
		q.Needs = []policy.Need{{Role: "shift", Count: 1}}
	}
	for _, n := range q.Needs {
		for range n.Count {
			needed = append(needed, string(n.Role))
		}
	}
	if b.Pattern != "" {
		if needed, err = h.under(b.Pattern, r.doc); err != nil {
			return err
		}
	}
	var have [][]string
	for _, p := range b.Answers {
		a, ok := r.yes[p]
		if !ok {
			return fmt.Errorf("it counts %s, which is no yes", p)
		}
		have = append(have, r.roles[p])
		if err := inside(claim, a.Limits, r.doc); err != nil {
			return err
		}
	}
	if !covers(needed, have) {
		return fmt.Errorf("needed %v, said yes %v", needed, have)
	}
	h.windows[b.Window] = &pastWindow{claim: claim, request: b.Request, pattern: b.Pattern}
	if err := step("r", &r.state, "agreed"); err != nil {
		return err
	}
	return step("w", &h.windows[b.Window].state, "agreed")
}

// pastPattern is who said yes to a pattern, and whether it stands.
type pastPattern struct {
	text   audit.Hash
	doc    evidence.Pattern
	yes    map[string][]string // by person
	doubts int
	stands bool
}

// pattern: stands from two people's yeses until somebody takes it back, its time
// has come, or it was used outside its purpose twice.
func (h *history) pattern(leaf audit.Leaf) error {
	p := h.patterns[leaf.Subject]
	switch b := leaf.Body.(type) {
	case audit.PatternProposed:
		text, err := h.w.docs.Get(h.w.ctx, b.Document)
		if err != nil {
			return err
		}
		p = &pastPattern{text: b.Document, yes: map[string][]string{}}
		h.patterns[b.Pattern] = p
		return json.Unmarshal(text, &p.doc)
	case audit.PatternAnswered:
		if b.Says == "yes" {
			p.yes[b.Person] = b.Roles
		}
	case audit.PatternMoved:
		p.stands = b.To == "agreed"
		if old := h.patterns[b.Follows]; old != nil {
			old.stands = false
		}
		if p.stands && !covers([]string{"line-1-owner", "ot-security"}, slices.Collect(maps.Values(p.yes))) {
			return fmt.Errorf("agreed by %v", p.yes)
		}
	case audit.PatternDoubted:
		if p.doubts++; p.doubts == 2 {
			p.stands = false
		}
	}
	return nil
}

// under is who must say yes at night; the request must lie inside the pattern.
func (h *history) under(id string, r evidence.Request) ([]string, error) {
	p := h.patterns[id]
	part := func(a, b []string) bool {
		return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
	}
	ways := func(list []evidence.Target) (out []string) {
		for _, t := range list {
			out = append(out, t.String())
		}
		return out
	}
	if p == nil || !p.stands || p.text != r.Pattern {
		return nil, fmt.Errorf("%s does not stand, or is not what the request names", id)
	}
	if !part(r.People, p.doc.People) || !part(ways(r.Assets), ways(p.doc.Assets)) || !part(r.Rights, p.doc.Rights) || r.Minutes > p.doc.Minutes || r.To.After(p.doc.Until) {
		return nil, fmt.Errorf("%+v is wider than %s: %+v", r, id, p.doc)
	}
	return []string{"shift"}, nil
}

func covers(needed []string, have [][]string) bool {
	if len(needed) == 0 {
		return true
	}
	for i, roles := range have {
		if slices.Contains(roles, needed[0]) && covers(needed[1:], slices.Delete(slices.Clone(have), i, i+1)) {
			return true
		}
	}
	return false
}

// inside: window ⊆ limits ⊆ request.
func inside(c evidence.WindowClaim, l evidence.Limits, r evidence.Request) error {
	sub := func(a, b []string) bool {
		return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
	}
	targets := func(a, b []evidence.Target) bool {
		return !slices.ContainsFunc(a, func(s evidence.Target) bool { return !slices.Contains(b, s) })
	}
	switch {
	case !sub(c.People, r.People), !sub(c.Rights, r.Rights), !targets(c.Assets, r.Assets), c.Minutes > r.Minutes, c.From.Before(r.From), c.To.After(r.To):
		return fmt.Errorf("the window is wider than the request")
	case len(l.Rights) > 0 && !sub(c.Rights, append([]string{"look"}, l.Rights...)), len(l.Assets) > 0 && !targets(c.Assets, l.Assets),
		l.Minutes > 0 && c.Minutes > l.Minutes, !l.Until.IsZero() && c.To.After(l.Until):
		return fmt.Errorf("the window is wider than a limit")
	}
	return nil
}

func (h *history) moved(leaf audit.Leaf, b audit.WindowMoved) error {
	v := h.windows[b.Window]
	if v == nil {
		return fmt.Errorf("no such window")
	}
	to := map[string]string{"opened": "open", "wenton": "open", "paused": "paused", "ending": "ending", "ended": "ended", "cut": "cut", "unused": "unused"}[b.To]
	switch b.To {
	case "opened":
		v.until = b.Until
		if b.At.Before(v.claim.From) || b.Until.After(v.claim.To) || b.Until.Sub(b.At) > time.Duration(v.claim.Minutes)*time.Minute {
			return fmt.Errorf("open outside of its claim")
		}
	case "pausing":
		if v.state != "open" || b.By == penstock {
			return fmt.Errorf("a pause after its transfer, in state %s, by %s", v.state, b.By)
		}
		return nil
	case "narrowed":
		if v.state != "open" && v.state != "paused" || len(b.Rights) == 0 || len(b.Rights) >= len(v.claim.Rights) {
			return fmt.Errorf("narrowed in state %s to %v of %v", v.state, b.Rights, v.claim.Rights)
		}
		return nil
	case "stepped":
		if v.state != "open" && v.state != "paused" || len(v.claim.Starts) == 0 || len(b.Rights) > len(v.claim.Rights) || !leaf.Wall.Before(v.until) {
			return fmt.Errorf("stepped up in state %s to %v of %v", v.state, b.Rights, v.claim.Rights)
		}
		return nil
	case "extended":
		if v.state != "open" && v.state != "paused" || b.Until.After(v.claim.To) || !leaf.Wall.Before(v.until) {
			return fmt.Errorf("extended in state %s to %s", v.state, b.Until)
		}
		v.until = b.Until
		return nil
	case "grace":
		if v.state != "open" && v.state != "ending" || v.graced || b.By != penstock || !b.At.Before(v.until) || !leaf.Wall.Before(v.until) ||
			b.Until.After(v.claim.To) || b.Until.Sub(v.until) > 5*time.Minute {
			return fmt.Errorf("a grace in state %s to %s", v.state, b.Until)
		}
		v.graced, v.until = true, b.Until
		if v.state == "ending" {
			return nil
		}
		to = "ending"
	case "ended", "cut":
		if !v.until.IsZero() && b.Until.After(v.until) {
			return fmt.Errorf("its end moved out by ending")
		}
	}
	return step("w", &v.state, to)
}

// truth: facts call live exactly what the history has open, now.
func (w *world) truth(t interface{ Fatalf(string, ...any) }) {
	if w.past == nil {
		w.past = newHistory(w)
	}
	for _, leaf := range w.log.leaves()[w.read:] {
		w.read++
		if err := w.past.leaf(leaf); err != nil {
			t.Fatalf("leaf %d: %v", leaf.Index, err)
		}
	}
	for id, v := range w.past.windows {
		f, err := w.desk.Facts(context.Background(), policy.WindowID(id), "ann")
		live := err == nil && f.Window.Live
		should := (v.state == "open" || v.state == "ending") && w.now().Before(v.until)
		if live && !should || should && !live && err == nil {
			t.Fatalf("%s is %s until %s, now %s: live %v", id, v.state, v.until, w.now(), live)
		}
		if live && !f.Window.Agreed {
			t.Fatalf("%s is live and not agreed", id)
		}
	}
}

// voice says whether somebody speaks for a team: they hold it and lent it to
// nobody, or somebody who holds it lent it to them; and whose it is is on duty.
func (h *history) voice(person, team string, at time.Time) bool {
	holds := func(id string) bool {
		roles, changed := h.roles[id]
		if !changed {
			roles = words(cast[policy.PersonID(id)].roles)
		}
		turns, kept := h.rosters[team]
		on := slices.ContainsFunc(turns, func(t evidence.Turn) bool { return t.Person == id && !t.From.After(at) && t.To.After(at) })
		return !h.gone[id] && slices.Contains(roles, team) && (!kept || on)
	}
	now := func(b audit.DeputyNamed) bool { return !b.From.After(at) && b.Until.After(at) }
	if b, lent := h.lent[[2]string{team, person}]; holds(person) && (!lent || !now(b)) {
		return true
	}
	for key, b := range h.lent {
		if key[0] == team && b.Person == person && now(b) && holds(b.For) {
			return true
		}
	}
	return false
}

func thePlantTeams() map[string]bool {
	teams := map[string]bool{}
	for _, r := range thePlant().Roles() {
		teams[string(r)] = true
	}
	return teams
}

func assetsOf(list []policy.Target) []policy.AssetName {
	var names []policy.AssetName
	for _, t := range list {
		if !slices.Contains(names, t.Asset) {
			names = append(names, t.Asset)
		}
	}
	slices.Sort(names)
	return names
}
