package approvals

import (
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// The whole way of one access, and a person at the door of each step.
func TestTheWholeWay(t *testing.T) {
	w := newWorld(t, nil)
	r := w.submit(two)
	if len(r.Needs) != 2 || r.State != RequestWaiting || r.Document.Open != "shift" {
		t.Fatalf("%+v", r)
	}
	r = w.yes("olaf", r)
	if len(r.Needs) != 1 || r.Needs[0].Role != "ot-security" {
		t.Fatalf("needs %v", r.Needs)
	}
	r = w.yes("sara", r)
	if r.State != RequestAgreed || r.Window != "W-1" {
		t.Fatalf("%+v", r)
	}
	if w.live("W-1") {
		t.Fatal("agreed is not open")
	}
	win, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	if win.State != WindowOpen || !win.Until.Equal(start.Add(time.Hour)) || !w.live("W-1") {
		t.Fatalf("%+v", win)
	}
	list, err := w.desk.OpenFor(w.ctx, "ann")
	wants(t, err, "")
	if len(list) != 1 || list[0].ID != "W-1" {
		t.Fatalf("%+v", list)
	}
	_, err = w.desk.End(w.ctx, w.stale("ann"), "W-1", "done")
	wants(t, err, "")
	if f, err := w.desk.Facts(w.ctx, "W-1", "ann"); err != nil || f.Window.Live || f.Window.Over != "ended" {
		t.Fatalf("%+v %v", f.Window, err)
	}
	_, err = w.desk.Accept(w.ctx, w.as("olaf"), "W-1")
	wants(t, err, "no-handback")
	_, err = w.desk.HandBack(w.ctx, w.as("ann"), "W-1", "replaced recipe 7")
	wants(t, err, "")
	win, err = w.desk.Accept(w.ctx, w.as("olaf"), "W-1")
	wants(t, err, "")
	if win.State != WindowClosed || win.HandBack != "replaced recipe 7" {
		t.Fatalf("%+v", win)
	}
	asked := 0
	for _, leaf := range w.log.leaves() {
		if b, ok := leaf.Body.(audit.PersonAsked); ok {
			asked++
			if b.Role == "ot-security" && strings.Join(b.People, " ") != "sara sven" {
				t.Fatalf("asked %v", b)
			}
		}
	}
	if asked != 2 {
		t.Fatalf("%d events say who was asked", asked)
	}
	w.judge(t)
}

func TestSubmit(t *testing.T) {
	hour := time.Hour
	for _, tc := range []struct {
		story string
		by    policy.PersonID
		ask   func(*Ask)
		rule  string
	}{
		{"as it should be", "ann", func(*Ask) {}, ""},
		{"the plant calls a vendor in", "mia", func(*Ask) {}, ""},
		{"another firm's person", "eve", func(*Ask) {}, "no-such-firm"},
		{"a firm nobody knows", "mia", func(a *Ask) { a.Firm = "nope" }, "no-such-firm"},
		{"the plant for itself", "mia", func(a *Ask) { a.Firm = "fjord" }, "own-firm"},
		{"a worker of another firm", "ann", func(a *Ask) { a.People = []policy.PersonID{"eve"} }, "no-such-person"},
		{"nobody works", "ann", func(a *Ask) { a.People = nil }, "bad-text"},
		{"no reason", "ann", func(a *Ask) { a.Reason = " " }, "fields-missing"},
		{"the rule asks for more", "ann", func(a *Ask) { two(a); a.Backup = "" }, "fields-missing"},
		{"escape codes in the reason", "ann", func(a *Ask) { a.Reason = "x\x1b[2J" }, "bad-text"},
		{"text that turns around", "ann", func(a *Ask) { a.Reason = "a\u202eb" }, "bad-text"},
		{"too long a text", "ann", func(a *Ask) { a.Reason = strings.Repeat("x", 2049) }, "bad-text"},
		{"no such asset", "ann", on("press", "x"), "unknown-asset"},
		{"no such account", "ann", on("filler-plc", "root"), "unknown-account"},
		{"an account that can do more", "ann", func(a *Ask) { on("filler-plc", "maint")(a); a.Rights = policy.Look }, "account-can-more"},
		{"longer than the rule", "ann", func(a *Ask) { a.Minutes = 500; a.To = a.From.Add(12 * hour) }, "too-long"},
		{"a span of 15 days", "ann", func(a *Ask) { a.To = a.From.Add(15 * 24 * hour) }, "bad-span"},
		{"it began two hours ago", "ann", func(a *Ask) { a.From = a.From.Add(-2 * hour) }, "bad-span"},
		{"it began a minute ago", "ann", func(a *Ask) { a.From = a.From.Add(-time.Minute) }, ""},
		{"it ends before it begins", "ann", func(a *Ask) { a.To = a.From.Add(-hour) }, "bad-span"},
		{"no minutes", "ann", func(a *Ask) { a.Minutes = 0 }, "bad-text"},
	} {
		t.Run(tc.story, func(t *testing.T) {
			w := newWorld(t, nil)
			r, err := w.desk.Submit(w.ctx, w.as(tc.by), w.ask(tc.ask))
			wants(t, err, tc.rule)
			if tc.rule == "" && (r.ID != "R-1" || r.Document.From.Before(start)) {
				t.Fatalf("%+v", r)
			}
			w.judge(t)
		})
	}
}

func TestAFirmCannotFlood(t *testing.T) {
	w := newWorld(t, nil)
	for range mostWaiting {
		w.submit()
	}
	_, err := w.desk.Submit(w.ctx, w.as("bob"), w.ask())
	wants(t, err, "too-many-waiting")
	_, err = w.desk.Submit(w.ctx, w.as("mia"), w.ask())
	wants(t, err, "")
	_, err = w.desk.Submit(w.ctx, w.as("eve"), w.ask(func(a *Ask) { a.Firm, a.People = "polar", []policy.PersonID{"eve"} }))
	wants(t, err, "")
	wants(t, w.desk.Withdraw(w.ctx, w.as("ann"), "R-1", "not now"), "")
	for range mostADay - mostWaiting - 1 {
		_, err = w.desk.Revise(w.ctx, w.as("ann"), "R-3", w.ask())
		wants(t, err, "")
	}
	_, err = w.desk.Revise(w.ctx, w.as("ann"), "R-3", w.ask())
	wants(t, err, "too-many-today")
	w.pass(24 * time.Hour)
	_, err = w.desk.Submit(w.ctx, w.as("ann"), w.ask())
	wants(t, err, "too-many-waiting") // nobody settled meanwhile: they still wait
	w.settle()
	_, err = w.desk.Submit(w.ctx, w.as("ann"), w.ask())
	wants(t, err, "")
	w.judge(t)
}

func TestAnswer(t *testing.T) {
	for _, tc := range []struct {
		story string
		by    policy.PersonID
		reply Reply
		rule  string
		state RequestState
	}{
		{"the owner agrees", "olaf", Reply{Says: "yes"}, "", RequestAgreed},
		{"anybody who holds the role", "max", Reply{Says: "yes"}, "", RequestAgreed},
		{"in a role that is not held", "olaf", Reply{Says: "yes", Role: "ot-security"}, "not-asked", RequestWaiting},
		{"one who was not asked", "sara", Reply{Says: "yes"}, "not-asked", RequestWaiting},
		{"a no of one who was not asked", "sara", Reply{Says: "no"}, "not-asked", RequestWaiting},
		{"one without a role", "tom", Reply{Says: "yes"}, "not-asked", RequestWaiting},
		{"the worker", "ann", Reply{Says: "yes"}, "not-plant", RequestWaiting},
		{"the worker's colleague", "bob", Reply{Says: "yes"}, "not-plant", RequestWaiting},
		{"another vendor", "eve", Reply{Says: "yes"}, "not-plant", RequestWaiting},
		{"no", "olaf", Reply{Says: "no", Why: "we run"}, "", RequestRefused},
		{"not before tonight", "olaf", Reply{Says: "not-before", NotBefore: start.Add(4 * time.Hour)}, "", RequestAsleep},
		{"not before the end", "olaf", Reply{Says: "not-before", NotBefore: start.Add(8 * time.Hour)}, "bad-time", RequestWaiting},
		{"a question", "olaf", Reply{Says: "question", Why: "which valve?"}, "", RequestWaiting},
		{"nonsense", "olaf", Reply{Says: "perhaps"}, "bad-answer", RequestWaiting},
		{"an extension is no answer", "olaf", Reply{Says: "extend"}, "bad-answer", RequestWaiting},
		{"hostile why", "olaf", Reply{Says: "no", Why: "\x1b"}, "bad-text", RequestWaiting},
		{"fewer rights than the account has", "olaf", Reply{Says: "yes", Limits: evidence.Limits{Rights: []string{"look"}}}, "limit-unusable", RequestWaiting},
		{"rights as asked", "olaf", Reply{Says: "yes", Limits: evidence.Limits{Rights: []string{"look", "copy"}}}, "", RequestAgreed},
		{"fewer minutes", "olaf", Reply{Says: "yes", Limits: evidence.Limits{Minutes: 30}}, "", RequestAgreed},
		{"more rights", "olaf", Reply{Says: "yes", Limits: evidence.Limits{Rights: []string{"load"}}}, "limit-widens", RequestWaiting},
		{"no right at all", "olaf", Reply{Says: "yes", Limits: evidence.Limits{Rights: []string{}}}, "bad-limit", RequestWaiting},
		{"another asset", "olaf", Reply{Says: "yes", Limits: evidence.Limits{Assets: []evidence.Target{{Asset: "historian", Port: "ssh", Account: "reader"}}}}, "limit-widens", RequestWaiting},
		{"more minutes", "olaf", Reply{Says: "yes", Limits: evidence.Limits{Minutes: 61}}, "limit-widens", RequestWaiting},
		{"a later end", "olaf", Reply{Says: "yes", Limits: evidence.Limits{Until: start.Add(9 * time.Hour)}}, "bad-limit", RequestWaiting},
		{"an earlier end", "olaf", Reply{Says: "yes", Limits: evidence.Limits{Until: start.Add(2 * time.Hour)}}, "", RequestAgreed},
	} {
		t.Run(tc.story, func(t *testing.T) {
			w := newWorld(t, nil)
			r := w.submit()
			_, err := w.desk.Answer(w.ctx, w.as(tc.by), r.ID, r.Hash, tc.reply)
			wants(t, err, tc.rule)
			if got := w.requestState(r.ID); got != tc.state {
				t.Fatalf("request is %s, want %s", got, tc.state)
			}
			w.judge(t)
		})
	}
}

func TestAnswersInARow(t *testing.T) {
	w := newWorld(t, nil)
	r := w.submit(two)
	_, err := w.desk.Answer(w.ctx, w.stale("olaf"), r.ID, r.Hash, Reply{Says: "yes"})
	wants(t, err, "code-needed")
	noCode := w.as("olaf")
	noCode.Step = 0
	_, err = w.desk.Answer(w.ctx, noCode, r.ID, r.Hash, Reply{Says: "yes"})
	wants(t, err, "code-needed")
	_, err = w.desk.Answer(w.ctx, w.stale("olaf"), r.ID, r.Hash, Reply{Says: "question"})
	wants(t, err, "")
	w.yes("olaf", r)
	_, err = w.say("olaf", r, "yes")
	wants(t, err, "already-answered")
	_, err = w.say("max", r, "yes")
	wants(t, err, "not-needed")
	_, err = w.desk.Answer(w.ctx, w.as("sara"), r.ID, audit.HashOf([]byte("another text")), Reply{Says: "yes"})
	wants(t, err, "stale-revision")
	_, err = w.desk.Answer(w.ctx, w.as("sara"), r.ID, r.Hash, Reply{Says: "yes", Limits: evidence.Limits{Minutes: 10}})
	wants(t, err, "")
	c, err := w.desk.Window(w.ctx, w.as("ann"), "W-1")
	wants(t, err, "")
	if c.Claim.Minutes != 10 {
		t.Fatalf("%+v", c.Claim)
	}
	_, err = w.say("olaf", r, "no")
	wants(t, err, "already-agreed")
	w.judge(t)
}

func TestLimitsThatLeaveNothing(t *testing.T) {
	w := newWorld(t, nil)
	only := func(account string) evidence.Limits {
		return evidence.Limits{Assets: []evidence.Target{{Asset: "filler-plc", Port: "ssh", Account: account}}}
	}
	r := w.submit(two)
	_, err := w.desk.Answer(w.ctx, w.as("olaf"), r.ID, r.Hash, Reply{Says: "yes", Limits: only("maint")})
	wants(t, err, "")
	_, err = w.desk.Answer(w.ctx, w.as("sara"), r.ID, r.Hash, Reply{Says: "yes", Limits: evidence.Limits{Until: start.Add(time.Second)}})
	wants(t, err, "bad-limit")

	r = w.submit(func(a *Ask) {
		a.Targets = append(a.Targets, policy.Target{Asset: "capper-plc", Port: "ssh", Account: "recipes"}, policy.Target{Asset: "historian", Port: "ssh", Account: "reader"})
	})
	_, err = w.desk.Answer(w.ctx, w.as("olaf"), r.ID, r.Hash, Reply{Says: "yes", Limits: only("recipes")})
	wants(t, err, "")
	capper := evidence.Limits{Assets: []evidence.Target{{Asset: "capper-plc", Port: "ssh", Account: "recipes"}}}
	_, err = w.desk.Answer(w.ctx, w.as("sara"), r.ID, r.Hash, Reply{Says: "yes", Limits: capper})
	wants(t, err, "limits-conflict")
	r = w.yes("sara", r)
	c, err := w.desk.Window(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	if len(c.Claim.Assets) != 1 || c.Claim.Assets[0].Asset != "filler-plc" {
		t.Fatalf("%+v", c.Claim)
	}
	w.judge(t)
}

func TestYesThenNo(t *testing.T) {
	w := newWorld(t, nil)
	r := w.yes("olaf", w.submit(two))
	_, err := w.say("olaf", r, "no")
	wants(t, err, "")
	if s := w.requestState(r.ID); s != RequestRefused {
		t.Fatal(s)
	}
	_, err = w.say("sara", r, "yes")
	wants(t, err, "not-waiting")
	w.judge(t)
}

// Whoever asked for a firm does not answer, even with the role.
func TestTheAskerDoesNotAnswer(t *testing.T) {
	w := newWorld(t, nil)
	r, err := w.desk.Submit(w.ctx, w.as("olaf"), w.ask())
	wants(t, err, "")
	_, err = w.say("olaf", r, "yes")
	wants(t, err, "own-request")
	w.yes("max", r)
	w.judge(t)
}

func TestReviseVoidsAnswers(t *testing.T) {
	w := newWorld(t, nil)
	old := w.yes("olaf", w.submit(two))
	r, err := w.desk.Revise(w.ctx, w.as("ann"), old.ID, w.ask(two, func(a *Ask) { a.Minutes = 90 }))
	wants(t, err, "")
	if r.Rev != 2 || len(r.Answers) != 0 || len(r.Needs) != 2 || r.State != RequestWaiting {
		t.Fatalf("%+v", r)
	}
	_, err = w.say("sara", old, "yes")
	wants(t, err, "stale-revision")
	w.yes("sara", r)
	r = w.yes("olaf", r)
	if r.Window != "W-1" {
		t.Fatal("not agreed")
	}
	r, err = w.desk.Revise(w.ctx, w.as("bob"), r.ID, w.ask(two))
	wants(t, err, "")
	if s := w.state("W-1"); s != WindowUnused || r.Window != "" {
		t.Fatal(s)
	}
	w.yes("olaf", r)
	r = w.yes("sven", r)
	_, err = w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	_, err = w.desk.Revise(w.ctx, w.as("ann"), r.ID, w.ask(two))
	wants(t, err, "illegal-step")
	wants(t, w.desk.Withdraw(w.ctx, w.as("ann"), r.ID, ""), "illegal-step")
	w.judge(t)
}

func TestWhoSeesWhat(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	_, err := w.desk.Request(w.ctx, w.as("eve"), "R-1")
	wants(t, err, "no-such-request")
	_, err = w.desk.Window(w.ctx, w.as("eve"), "W-1")
	wants(t, err, "no-such-window")
	wants(t, w.desk.Withdraw(w.ctx, w.as("eve"), "R-1", ""), "no-such-request")
	_, err = w.desk.End(w.ctx, w.as("eve"), "W-1", "")
	wants(t, err, "not-plant")
	for id, want := range map[policy.PersonID]int{"eve": 0, "bob": 1, "tom": 1} {
		rs, err := w.desk.Requests(w.ctx, w.as(id))
		wants(t, err, "")
		ws, err := w.desk.Windows(w.ctx, w.as(id))
		wants(t, err, "")
		if len(rs) != want || len(ws) != want {
			t.Fatalf("%s sees %d and %d", id, len(rs), len(ws))
		}
	}
}
