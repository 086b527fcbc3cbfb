package approvals

import (
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// Any people do any things in any order, time passes, disks fail and the
// process starts again: no history breaks what must always be so.
func TestHistories(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, nil)
		m := machine{w}
		m.prelude(t)
		t.Repeat(map[string]func(*rapid.T){
			"submit":   m.submit,
			"revise":   m.revise,
			"withdraw": func(t *rapid.T) { m.try(t, w.desk.Withdraw(w.ctx, m.who(t), m.request(t), "")) },
			"answer":   m.answer, "answer2": m.answer, "yes": m.yes, "yes2": m.yes, "yes3": m.yes,
			"open": m.open, "open2": m.open, "open3": m.open,
			"extend": m.extend,
			"window": m.window,
			"block":  m.block,
			"lift":   func(t *rapid.T) { m.try(t, w.desk.Lift(w.ctx, m.who(t), m.pick(t, "block/"), "")) },
			"use":    func(t *rapid.T) { m.try(t, w.desk.OpenByUse(w.ctx, m.person(t))) },
			"time":   m.time,
			"people": m.people,
			"call":   m.call, "here": m.here,
			"duty": m.duty, "duty2": m.duty,
			"jump":  m.jump,
			"crash": m.crash,
			"busy":  func(t *rapid.T) { w.busy(rapid.SampledFrom([][]string{nil, {"upload"}}).Draw(t, "half done")...) },
			"":      func(t *rapid.T) { w.truth(t) },
		})
		w.restart()
		w.settle()
		w.judge(t)
		reached(seen, w)
	})
	reachedAll(t, seen, "written", "named", "made", "answered", "asked next", "agreed", "opened", "ended", "refused", "withdrawn", "question")
	t.Log(seen)
}

// reachedAll: a generator that reaches nothing proves nothing. A dozen
// histories may miss a rare thing without a fault anywhere; they miss no third of all.
func reachedAll(t *testing.T, seen map[string]int, all ...string) {
	t.Helper()
	missing := slices.DeleteFunc(slices.Clone(all), func(what string) bool { return seen[what] > 0 })
	many, err := strconv.Atoi(flag.Lookup("rapid.checks").Value.String())
	if err != nil {
		t.Fatal(err)
	}
	if len(missing) > len(all)/3 || many >= 300 && len(missing) > 0 {
		t.Errorf("no history reached %q: %v", missing, seen)
	}
}

// reached counts what the histories got to.
func reached(seen map[string]int, w *world) {
	for _, leaf := range w.log.leaves() {
		switch b := leaf.Body.(type) {
		case audit.WindowMoved:
			seen[b.To]++
		case audit.AnswerGiven:
			seen[map[string]string{"no": "refused", "not-before": "asleep", "yes": "yes", "question": "question"}[b.Says]]++
			if w.taken(b) {
				seen["row taken"]++
			}
		case audit.IslandAnswered:
			if b.Lifts {
				seen["lifted by two"]++
			}
		case audit.HandbackAccepted:
			seen["closed"]++
		case audit.PersonAsked:
			if b.For != "" {
				seen["asked next"]++
			}
		default:
			_, word, _ := strings.Cut(b.Type(), ".")
			seen[word]++
		}
	}
}

// prelude brings some histories to where windows are already.
func (m machine) prelude(t *rapid.T) {
	for range rapid.IntRange(0, 2).Draw(t, "asked before") {
		m.w.submit(two)
	}
	for range rapid.IntRange(0, 1).Draw(t, "agreed before") {
		m.w.yes("olaf", m.w.submit())
	}
	if rapid.Bool().Draw(t, "half done before") {
		m.w.busy("upload")
	}
	for range rapid.IntRange(0, 2).Draw(t, "open before") {
		m.w.open()
	}
}

type machine struct{ w *world }

func (m machine) person(t *rapid.T) policy.PersonID {
	return rapid.SampledFrom(names()).Draw(t, "person")
}

// who sometimes has an old code.
func (m machine) who(t *rapid.T) people.Actor {
	id := rapid.SampledFrom(append([]policy.PersonID{"mia", "mia", "mia", "max", "max", "olaf", "ann", "ann"}, names()...)).Draw(t, "who")
	if rapid.IntRange(0, 9).Draw(t, "stale") == 0 {
		return m.w.stale(id)
	}
	return m.w.as(id)
}

// try lets refusals be, and starts a new process after a fault.
func (m machine) try(t *rapid.T, err error) {
	if err == nil {
		return
	}
	if r := rule(err); r != "" {
		if r == "row-differs" {
			t.Fatalf("nobody edited a row: %v", err)
		}
		return
	}
	if !strings.Contains(err.Error(), errDisk.Error()) && !strings.Contains(err.Error(), "broken") {
		t.Fatalf("a fault that nobody made: %v", err)
	}
	m.w.restart()
	m.w.settle()
}

func (m machine) pick(t *rapid.T, prefix string) string {
	keys := m.w.desk.heads.keys(prefix)
	if len(keys) == 0 {
		return "none"
	}
	// mostly one of the newest: old ones are over
	return strings.TrimPrefix(rapid.SampledFrom(append(keys, keys[max(0, len(keys)-2):]...)).Draw(t, prefix), prefix)
}

func (m machine) request(t *rapid.T) policy.RequestID { return policy.RequestID(m.pick(t, "request/")) }
func (m machine) windowID(t *rapid.T) policy.WindowID { return policy.WindowID(m.pick(t, "window/")) }

func (m machine) ask(t *rapid.T) Ask {
	return m.w.ask(func(a *Ask) {
		switch rapid.IntRange(0, 4).Draw(t, "what") {
		case 1:
			two(a)
		case 2:
			on("historian", "reader")(a)
		case 3:
			on("chiller", "trend")(a)
		case 4:
			a.Targets = append(a.Targets, policy.Target{Asset: "capper-plc", Port: "ssh", Account: "recipes"}, policy.Target{Asset: "historian", Port: "ssh", Account: "reader"})
		}
		a.Minutes = rapid.IntRange(1, 240).Draw(t, "minutes")
		a.From = a.From.Add(time.Duration(max(0, rapid.IntRange(-120, 60).Draw(t, "from"))) * time.Minute)
		a.To = a.From.Add(time.Duration(a.Minutes+rapid.IntRange(-2, 300).Draw(t, "span")) * time.Minute)
		if rapid.Bool().Draw(t, "both") {
			a.People = []policy.PersonID{"bob", "ann"}
		}
	})
}

func (m machine) submit(t *rapid.T) {
	by := rapid.SampledFrom([]policy.PersonID{"ann", "bob", "mia", "max", "eve"}).Draw(t, "by")
	_, err := m.w.desk.Submit(m.w.ctx, m.w.as(by), m.ask(t))
	m.try(t, err)
}

func (m machine) revise(t *rapid.T) {
	_, err := m.w.desk.Revise(m.w.ctx, m.who(t), m.request(t), m.ask(t))
	m.try(t, err)
}

func (m machine) current(t *rapid.T) (Request, bool) {
	r, err := m.w.desk.Request(m.w.ctx, m.w.as("mia"), m.request(t))
	return r, err == nil
}

func (m machine) yes(t *rapid.T) {
	if r, ok := m.current(t); ok {
		by := m.w.as(rapid.SampledFrom([]policy.PersonID{"olaf", "max", "sara", "sven"}).Draw(t, "by"))
		_, err := m.w.desk.Answer(m.w.ctx, by, r.ID, r.Hash, Reply{Says: evidence.Yes})
		m.try(t, err)
	}
}

func (m machine) answer(t *rapid.T) {
	r, ok := m.current(t)
	if !ok {
		return
	}
	reply := Reply{Says: rapid.SampledFrom([]string{"not-before", "yes", "no", "question", "extend"}).Draw(t, "says")}
	if reply.Says == "not-before" {
		reply.NotBefore = m.w.now().Add(time.Duration(rapid.IntRange(-1, 300).Draw(t, "when")) * time.Minute)
	}
	if reply.Says == "yes" && rapid.Bool().Draw(t, "limited") {
		reply.Limits.Minutes = rapid.IntRange(0, 120).Draw(t, "limit")
		if rapid.Bool().Draw(t, "look only") {
			reply.Limits.Rights = []string{"look"}
		}
		if rapid.Bool().Draw(t, "earlier") {
			reply.Limits.Until = r.Document.To.Add(-time.Duration(rapid.IntRange(0, 300).Draw(t, "until")) * time.Minute)
		}
		if rapid.Bool().Draw(t, "one asset") {
			reply.Limits.Assets = r.Document.Assets[:1]
		}
	}
	_, err := m.w.desk.Answer(m.w.ctx, m.w.as(rapid.SampledFrom([]policy.PersonID{"olaf", "max", "sara", "sven", "mia", "ann"}).Draw(t, "by")), r.ID, r.Hash, reply)
	m.try(t, err)
}

func (m machine) open(t *rapid.T) {
	by := m.w.as(rapid.SampledFrom([]policy.PersonID{"mia", "mia", "mia", "max", "sara", "ann"}).Draw(t, "by"))
	_, err := m.w.desk.Open(m.w.ctx, by, m.windowID(t))
	m.try(t, err)
}

func (m machine) extend(t *rapid.T) {
	until := m.w.now().Add(time.Duration(rapid.IntRange(-30, 400).Draw(t, "until")) * time.Minute)
	_, err := m.w.desk.Extend(m.w.ctx, m.w.as(rapid.SampledFrom([]policy.PersonID{"mia", "mia", "max", "sara", "ann"}).Draw(t, "by")), m.windowID(t), until)
	m.try(t, err)
}

func (m machine) window(t *rapid.T) {
	d, w, by, id := m.w.desk, m.w.ctx, m.who(t), m.windowID(t)
	var err error
	verb := rapid.IntRange(0, 6).Draw(t, "verb")
	if v, err := d.Window(w, m.w.as("mia"), id); err == nil && rapid.Bool().Draw(t, "sensible") {
		switch {
		case v.State == WindowPaused:
			verb, by = 1, m.w.as("mia")
		case v.State == WindowEnded && v.HandBack == "":
			verb, by = 4, m.w.as("ann")
		case v.State == WindowEnded:
			verb, by = 5, m.w.as("olaf")
		}
	}
	switch verb {
	case 0:
		_, err = d.Pause(w, by, id, "x")
	case 1:
		_, err = d.GoOn(w, by, id)
	case 2:
		_, err = d.End(w, by, id, "x")
	case 3:
		_, err = d.Cut(w, by, id, "x")
	case 4:
		_, err = d.HandBack(w, by, id, "all well")
	case 5:
		_, err = d.Accept(w, by, id)
	case 6:
		_, err = d.Narrow(w, by, id, policy.Look, "x")
	}
	m.try(t, err)
}

func (m machine) block(t *rapid.T) {
	b := rapid.SampledFrom([]policy.Block{{Person: "bob"}, {Firm: "polar"}, {Asset: "historian", Until: m.w.now().Add(time.Hour)}, {Person: "ann", Until: m.w.now().Add(time.Minute)}}).Draw(t, "block")
	_, err := m.w.desk.Block(m.w.ctx, m.who(t), b)
	m.try(t, err)
}

// time passes in steps of no more than Run's, which looks at every next moment.
func (m machine) time(t *rapid.T) {
	for range rapid.IntRange(1, 12).Draw(t, "looks") {
		next, err := m.w.desk.settle(m.w.ctx, map[string]head{})
		if err != nil {
			m.try(t, err)
			continue
		}
		if !next.After(m.w.now()) {
			t.Fatalf("the next moment %s is not after now, %s", next, m.w.now())
		}
		m.w.pass(min(next.Sub(m.w.now()), time.Duration(rapid.IntRange(1, 1800).Draw(t, "seconds"))*time.Second))
	}
	if _, err := m.w.desk.settle(m.w.ctx, map[string]head{}); err != nil {
		m.try(t, err)
	}
}

// people come and go, and get and lose roles, while others hold Actors of them.
func (m machine) people(t *rapid.T) {
	id := rapid.SampledFrom([]policy.PersonID{"bob", "max", "olaf", "sven", "ida", "eve"}).Draw(t, "id")
	p, err := m.w.desk.roster.Person(m.w.ctx, id)
	if err != nil || p.Disabled {
		return
	}
	var body audit.Body = audit.PersonDisabled{Person: string(id), By: "sara"}
	actor := "sara"
	switch rapid.IntRange(0, 4).Draw(t, "what") {
	case 0:
	case 1:
		body, actor = audit.KeyEnrolled{Person: string(id), Kind: "totp", Key: "totp", Sealed: audit.HashOf([]byte("sealed")), By: string(id)}, string(id)
	case 2:
		body = audit.KeyRemoved{Person: string(id), Key: "totp", By: "sara"}
	default:
		roles := []string{}
		if cast[id].firm == "fjord" {
			roles = rapid.SampledFrom([][]string{nil, {"shift"}, {"line-1-owner"}, {"ot-security", "shift"}}).Draw(t, "roles")
		}
		body = audit.PersonChanged{Person: string(id), Firm: string(p.Firm), Name: p.Name, Roles: roles, By: "sara"}
	}
	_, err = m.w.jour.Commit(m.w.ctx, "person/"+string(id), audit.Event{Subject: string(id), Rev: p.Rev + 1, Actor: actor, Body: body})
	if rule(err) == "no-such-key" {
		return
	}
	m.try(t, err)
}

// jump is a machine that slept, or a clock that was set forward.
func (m machine) jump(t *rapid.T) {
	m.w.pass(time.Duration(rapid.IntRange(3, 600).Draw(t, "minutes")) * time.Minute)
	if _, err := m.w.desk.settle(m.w.ctx, map[string]head{}); err != nil {
		m.try(t, err)
	}
}

// crash lets one of the next writes fail.
func (m machine) crash(t *rapid.T) {
	when := rapid.SampledFrom([]string{"before", "after"}).Draw(t, "when")
	n := rapid.IntRange(1, 3).Draw(t, "write")
	if rapid.Bool().Draw(t, "log") {
		m.w.log.fail, m.w.log.in = when, n
	} else {
		m.w.store.fail, m.w.store.in = when, n
	}
}

// duty writes rosters with holes, keeps none any more, and names and ends deputies.
func (m machine) duty(t *rapid.T) {
	d, w := m.w.desk, m.w
	team := rapid.SampledFrom([]policy.Role{"shift", "line-1-owner", "ot-security"}).Draw(t, "team")
	who := rapid.SampledFrom(map[policy.Role][]policy.PersonID{"shift": {"mia", "max"}, "line-1-owner": {"olaf", "max"}, "ot-security": {"sara", "sven"}}[team]).Draw(t, "who")
	switch rapid.IntRange(0, 5).Draw(t, "duty") {
	case 0, 1:
		from := w.now().Add(time.Duration(rapid.IntRange(-60, 60).Draw(t, "from")) * time.Minute)
		m.try(t, d.AddTurn(w.ctx, w.as("sara"), team, evidence.Turn{Person: string(who), From: from, To: from.Add(time.Duration(rapid.IntRange(1, 600).Draw(t, "long")) * time.Minute)}))
	case 2, 3:
		m.try(t, d.WriteRoster(w.ctx, w.as("sara"), team, 0, nil))
	case 4:
		to := rapid.SampledFrom([]policy.PersonID{"tom", "ida", "mia", "olaf"}).Draw(t, "deputy")
		m.try(t, d.NameDeputy(w.ctx, w.as(who), team, to, w.now(), w.now().Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "until"))*time.Minute)))
	case 5:
		duty, err := d.Duty(w.ctx)
		if err != nil {
			m.try(t, err)
			return
		}
		for _, s := range duty.Deputies(team) {
			m.try(t, d.EndDeputy(w.ctx, w.as(policy.PersonID(s.For)), team, policy.PersonID(s.For), policy.PersonID(s.Person)))
		}
	}
}

// call calls somebody in, or makes a new code; mostly ann answers it at once.
func (m machine) call(t *rapid.T) {
	by := rapid.SampledFrom([]policy.PersonID{"olaf", "max", "mia", "ann"}).Draw(t, "by")
	var code string
	var err error
	if rapid.IntRange(0, 3).Draw(t, "again") == 0 {
		code, err = m.w.desk.Call(m.w.ctx, m.w.as(by), m.request(t))
	} else {
		_, code, err = m.w.desk.CallIn(m.w.ctx, m.w.as(by), m.w.ask())
	}
	if err == nil {
		m.w.code = code
	}
	m.try(t, err)
	if rapid.IntRange(0, 2).Draw(t, "answers") > 0 {
		m.here(t)
	}
}

func (m machine) here(t *rapid.T) {
	_, err := m.w.desk.Here(m.w.ctx, m.w.as(rapid.SampledFrom([]policy.PersonID{"ann", "ann", "ann", "bob", "eve"}).Draw(t, "here")), m.w.code)
	m.try(t, err)
}
