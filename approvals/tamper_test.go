package approvals

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// edit changes a row's value by hand, as somebody with the file would.
func (w *world) edit(key string, change func(map[string]any)) {
	row, err := w.store.Memory.Get(w.ctx, key)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	var v map[string]any
	if err := json.Unmarshal(row.Value, &v); err != nil {
		w.t.Fatalf("%v", err)
	}
	change(v)
	if row.Value, err = audit.Canonical(v); err != nil {
		w.t.Fatalf("%v", err)
	}
	w.hand(row)
}

func (w *world) hand(row state.Row) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.hand[row.Key] = row
}

func TestARowEditedByHandOpensNothing(t *testing.T) {
	set := func(field string, v any) func(*world) {
		return func(w *world) { w.edit("window/W-1", func(m map[string]any) { m[field] = v }) }
	}
	for _, tc := range []struct {
		story string
		edit  func(*world)
	}{
		{"ended to open", func(w *world) {
			if _, err := w.desk.End(w.ctx, w.as("mia"), "W-1", ""); err != nil {
				w.t.Fatalf("%v", err)
			}
			set("state", "open")(w)
		}},
		{"a later end", set("until", start.Add(7*time.Hour))},
		{"another claim", set("claim", audit.HashOf([]byte("x")).String())},
		{"other answers", set("answers", []string{"a/1"})},
		{"another request", set("request", "R-2")},
		{"the old row put back", func(w *world) {
			old, err := w.store.Memory.Get(w.ctx, "window/W-1")
			if err != nil {
				w.t.Fatalf("%v", err)
			}
			if _, err := w.desk.End(w.ctx, w.as("mia"), "W-1", ""); err != nil {
				w.t.Fatalf("%v", err)
			}
			w.hand(old)
		}},
		{"the old row put back under a newer leaf", func(w *world) {
			old, err := w.store.Memory.Get(w.ctx, "window/W-1")
			if err != nil {
				w.t.Fatalf("%v", err)
			}
			if _, err := w.desk.End(w.ctx, w.as("mia"), "W-1", ""); err != nil {
				w.t.Fatalf("%v", err)
			}
			old.Leaf.Index = audit.Index(len(w.log.leaves()) - 1)
			w.hand(old)
		}},
		{"the row under a leaf that is not there", func(w *world) {
			row, err := w.store.Memory.Get(w.ctx, "window/W-1")
			if err != nil {
				w.t.Fatalf("%v", err)
			}
			row.Leaf.Index += 1000
			w.hand(row)
		}},
		{"a window that was never agreed", func(w *world) {
			row, err := w.store.Memory.Get(w.ctx, "window/W-1")
			if err != nil {
				w.t.Fatalf("%v", err)
			}
			w.hand(state.Row{Key: "window/W-2", Rev: 1, Leaf: row.Leaf, Value: []byte(strings.ReplaceAll(string(row.Value), "W-1", "W-2"))})
		}},
		{"a block that is gone", func(w *world) {
			if _, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Person: "ann"}); err != nil {
				w.t.Fatalf("%v", err)
			}
			w.hand(state.Row{Key: "block/B-1"})
		}},
		{"a block that is lifted", func(w *world) {
			if _, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Person: "ann"}); err != nil {
				w.t.Fatalf("%v", err)
			}
			w.edit("block/B-1", func(m map[string]any) { m["lifted"] = "mia" })
		}},
	} {
		for _, when := range []string{"while it runs", "before it starts"} {
			t.Run(tc.story+" "+when, func(t *testing.T) {
				w := newWorld(t, nil)
				w.open()
				if !w.live("W-1") {
					t.Fatal("not live before the edit")
				}
				tc.edit(w)
				if when == "before it starts" { // and nobody ran Journal.Check
					w.desk.heads = heads{kinds: noRows(), files: map[string][]string{}}
				}
				id := policy.WindowID("W-1")
				if strings.HasPrefix(tc.story, "a window that") {
					id = "W-2"
				}
				if f, err := w.desk.Facts(w.ctx, id, "ann"); rule(err) != "row-differs" || f.Window.Live {
					t.Fatalf("facts %+v, %v", f.Window, err)
				}
				if list, err := w.desk.OpenFor(w.ctx, "ann"); len(list) > 0 && id == "W-1" {
					t.Fatalf("%+v %v", list, err)
				}
				if _, err := w.desk.Open(w.ctx, w.as("mia"), id); err == nil {
					t.Fatal("it opens")
				}
				select {
				case <-w.desk.repair:
				default:
					t.Fatal("nobody is told to make the row again")
				}
			})
		}
	}
}

// Run makes the row again, and the window's sessions may go on.
func TestRunMendsAnEditedRow(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	w.desk.journal = mending{w.desk.journal, w}
	w.edit("window/W-1", func(m map[string]any) { m["state"] = "paused" })
	mended := make(chan struct{})
	w.stops.then = func() { close(mended) }
	ctx, cancel := context.WithCancel(w.ctx)
	ran := make(chan error)
	go func() { ran <- w.desk.Run(ctx) }()
	<-mended
	cancel()
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
	if !w.live("W-1") {
		t.Fatal("not live after it was made again")
	}
}

// mending stands for a store that Journal.Check has put right.
type mending struct {
	journal
	w *world
}

func (m mending) Check(ctx context.Context) ([]string, error) {
	m.w.store.mu.Lock()
	clear(m.w.store.hand)
	m.w.store.mu.Unlock()
	defer m.w.stops.note("mended")
	return m.journal.Check(ctx)
}

// Cutting makes an edited row right by itself first.
func TestAnEditedRowDoesNotKeepAnybodyFromCutting(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	w.desk.journal = mending{w.desk.journal, w}
	w.edit("window/W-1", func(m map[string]any) { m["state"] = "closed" })
	_, err := w.desk.Cut(w.ctx, w.as("mia"), "W-1", "x")
	wants(t, err, "")
	if w.state("W-1") != WindowCut {
		t.Fatal(w.state("W-1"))
	}
}

// A leaf that says "agreed" without the answers for it makes a row, and opens nothing.
func TestAnAgreementThatItsAnswersDoNotBear(t *testing.T) {
	for _, tc := range []struct {
		story  string
		answer func(*world, Request) []string
		claim  func(*evidence.WindowClaim)
	}{
		{"no answer at all", func(*world, Request) []string { return nil }, nil},
		{"one of two", func(w *world, r Request) []string { return []string{w.forged(r, "olaf", "line-1-owner")} }, nil},
		{"one who answers twice", func(w *world, r Request) []string {
			return []string{w.forged(r, "olaf", "line-1-owner"), w.forged(r, "olaf", "line-1-owner")}
		}, nil},
		{"a vendor beside the owner", func(w *world, r Request) []string {
			return []string{w.forged(r, "olaf", "line-1-owner"), w.forged(r, "bob", "ot-security")}
		}, nil},
		{"a leaf that is no answer", func(w *world, r Request) []string { return []string{"a/0", "a/1"} }, nil},
		{"wider than what was asked", func(w *world, r Request) []string {
			return []string{w.forged(r, "olaf", "line-1-owner"), w.forged(r, "sara", "ot-security")}
		}, func(c *evidence.WindowClaim) { c.Minutes++ }},
		{"enough", func(w *world, r Request) []string {
			return []string{w.forged(r, "olaf", "line-1-owner"), w.forged(r, "sara", "ot-security")}
		}, func(*evidence.WindowClaim) {}},
	} {
		t.Run(tc.story, func(t *testing.T) {
			w := newWorld(t, nil)
			r := w.submit(two)
			places := tc.answer(w, r)
			claim, err := evidence.Narrow(r.Document, nil)
			if err != nil {
				t.Fatal(err)
			}
			claim.Window = "W-1"
			if tc.claim != nil {
				tc.claim(&claim)
			}
			b, err := audit.Canonical(claim)
			if err != nil {
				t.Fatal(err)
			}
			w.commit("window/W-1", audit.Event{Subject: "W-1", Rev: 1, Actor: penstock, Body: audit.WindowAgreed{Window: "W-1", Request: "R-1", Rev: 1, Firm: "krall", Claim: w.put(b), Answers: places}})
			w.commit("window/W-1", audit.Event{Subject: "W-1", Rev: 2, Actor: "mia", Body: audit.WindowMoved{Window: "W-1", To: "opened", By: "mia", At: start, Until: start.Add(time.Minute)}})
			f, err := w.desk.Facts(w.ctx, "W-1", "ann")
			if good := tc.story == "enough"; f.Window.Live != good || f.Window.Agreed != good {
				t.Fatalf("%+v %v", f.Window, err)
			}
		})
	}
}

// forged writes an answer straight to the journal, past the Desk's own checks.
func (w *world) forged(r Request, who policy.PersonID, role string) string {
	row, err := w.desk.requestRow(w.ctx, r.ID)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	firm := string(cast[who].firm)
	a := evidence.Answer{V: 1, Request: r.Hash, Person: string(who), Firm: firm, Role: role, Says: evidence.Yes, Nonce: nonce(), At: start, DecideBy: r.Document.To, Proof: totp(w.as(who))}
	hash, err := w.desk.sign(w.ctx, a)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	body := audit.AnswerGiven{Request: string(r.ID), Rev: r.Rev, Person: string(who), Firm: firm, Roles: []string{role}, Says: evidence.Yes, Document: hash}
	leaf, err := w.jour.Commit(w.ctx, requestKey(r.ID), audit.Event{Subject: string(r.ID), Rev: row.row + 1, Actor: string(who), Body: body})
	if rule(err) == "illegal-step" { // the fold takes one yes of each person
		return "a/1"
	}
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return leaf.Place().String()
}

// A leaf that opens a window for longer than was agreed, or past its span, opens nothing.
func TestAnEndThatWasNotAgreed(t *testing.T) {
	for until, good := range map[time.Duration]bool{time.Hour: true, time.Hour + time.Second: false, 9 * time.Hour: false} {
		w := newWorld(t, nil)
		r := w.yes("olaf", w.submit())
		w.commit("window/W-1", audit.Event{Subject: "W-1", Rev: 2, Actor: "mia", Body: audit.WindowMoved{Window: string(r.Window), To: "opened", By: "mia", At: start, Until: start.Add(until)}})
		if w.live("W-1") != good {
			t.Errorf("open for %s: live %v", until, !good)
		}
	}
}

// An extension counts by the opener's answer alone, to exactly the end it says.
func TestAnExtensionThatNobodyAnswered(t *testing.T) {
	for _, tc := range []struct {
		story string
		who   policy.PersonID
		role  string
		says  time.Duration
		good  bool
	}{
		{"as it should be", "mia", "shift", 3 * time.Hour, true},
		{"the answer says another end", "mia", "shift", 2 * time.Hour, false},
		{"a vendor", "bob", "shift", 3 * time.Hour, false},
		{"the worker", "ann", "shift", 3 * time.Hour, false},
		{"a role that opens nothing", "olaf", "line-1-owner", 3 * time.Hour, false},
		{"another person's yes", "", "", 0, false},
	} {
		t.Run(tc.story, func(t *testing.T) {
			w := newWorld(t, nil)
			w.open()
			row, err := w.desk.requestRow(w.ctx, "R-1")
			if err != nil {
				t.Fatal(err)
			}
			hash := row.Answers[0].Document
			if tc.who != "" {
				a := evidence.Answer{V: 1, Request: row.Document, Person: string(tc.who), Firm: string(cast[tc.who].firm), Role: tc.role, Says: evidence.Extend,
					Window: "W-1", Until: start.Add(tc.says), Nonce: nonce(), At: start, DecideBy: start.Add(time.Hour), Proof: totp(w.as(tc.who))}
				if hash, err = w.desk.sign(w.ctx, a); err != nil {
					t.Fatal(err)
				}
			}
			w.commit("window/W-1", audit.Event{Subject: "W-1", Rev: 3, Actor: "mia", Body: audit.WindowMoved{Window: "W-1", To: "extended", By: "mia", At: start, Until: start.Add(3 * time.Hour), Answer: hash}})
			if w.live("W-1") != tc.good {
				t.Fatalf("live %v", !tc.good)
			}
		})
	}
}

// Facts look at the clock themselves: nobody has settled anything here.
func TestFactsLookAtTheClock(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	w.pass(time.Hour - time.Second)
	if !w.live("W-1") {
		t.Fatal("too early")
	}
	w.pass(time.Second)
	if w.live("W-1") {
		t.Fatal("live after its end")
	}
	w.pass(-2 * time.Hour)
	if w.live("W-1") {
		t.Fatal("live before it was opened")
	}
}
