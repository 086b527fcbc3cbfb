package approvals

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// came is a session that was let in by a window, as the broker writes it.
func (w *world) came(session string, id policy.WindowID) {
	ev := audit.Event{Subject: session, Actor: "ann", Body: audit.SessionStarted{Session: session, Person: "ann", Firm: "krall", Windows: []string{string(id)}}}
	if _, err := w.log.Append(w.ctx, ev); err != nil {
		w.t.Fatalf("%v", err)
	}
}

func (w *world) judged(session, verdict string) {
	ev := audit.Event{Subject: session, Actor: "sara", Body: audit.ReviewSigned{Session: session, Person: "sara", Verdict: verdict}}
	if _, err := w.log.Append(w.ctx, ev); err != nil {
		w.t.Fatalf("%v", err)
	}
}

func trends(a *Ask) { on("historian", "reader")(a); a.To = a.From.Add(12 * 24 * time.Hour) }

func polar(a *Ask) { trends(a); a.Firm, a.People = "polar", []policy.PersonID{"eve"} }

// An emergency is paid for by a second person's look at each session; planned
// work of its firm waits for that once it is late, at the ask and at the opening.
func TestAnEmergencyIsPaidFor(t *testing.T) {
	w := newWorldOf(t, nil, anxious)
	w.at = start.Add(-9 * time.Hour) // Sunday night
	win := w.stands(t)
	w.came("S-1", win.ID)
	w.came("S-2", win.ID)
	if list, err := w.desk.ReviewsDue(w.ctx, w.as("mia")); err != nil || len(list) != 0 {
		t.Fatalf("while it runs: %v, %v", list, err)
	}
	_, err := w.desk.End(w.ctx, w.as("mia"), win.ID, "")
	wants(t, err, "")
	util := func(a *Ask) { on("chiller", "trend")(a); a.To = a.From.Add(10 * 24 * time.Hour) }
	r := w.submit(util)
	planned := w.yes("sven", r).Window
	w.pass(3*24*time.Hour - time.Minute)
	list, err := w.desk.ReviewsDue(w.ctx, w.as("mia"))
	if err != nil || len(list) != 1 || list[0].Late || !slices.Equal(list[0].Sessions, []policy.SessionID{"S-1", "S-2"}) {
		t.Fatalf("before it is late: %+v, %v", list, err)
	}
	_, err = w.desk.ReviewsDue(w.ctx, w.as("ann"))
	wants(t, err, "not-plant")
	early := w.submit(trends)
	w.pass(2 * time.Minute)

	ask := func(change ...func(*Ask)) error {
		a := w.ask(change...)
		_, err := w.desk.Submit(w.ctx, w.as(a.People[0]), a)
		return err
	}
	wants(t, ask(trends), "reviews-due")
	_, err = w.desk.Revise(w.ctx, w.as("ann"), early.ID, w.ask(trends))
	wants(t, err, "reviews-due")
	wants(t, w.desk.OpenByUse(w.ctx, "ann", planned), "reviews-due")
	wants(t, ask(polar), "") // another firm's
	wants(t, ask(down), "")  // an emergency is never held by it
	w.judged("S-1", "in-order")
	w.judged("S-2", "question")
	wants(t, ask(trends), "reviews-due") // a question is no end
	w.judged("S-2", "finding")
	wants(t, ask(trends), "")
	w.restart()
	wants(t, w.desk.OpenByUse(w.ctx, "ann", planned), "")

	for story, verdict := range map[string]string{"": "finding", "planned for krall, whose emergency W-1": "question"} {
		walk := evidence.NewWalk(w.docs)
		var found []string
		for _, leaf := range w.log.leaves() {
			if b, is := leaf.Body.(audit.ReviewSigned); is && b.Verdict == "finding" {
				b.Verdict = verdict
				leaf.Body = b
			}
			found = append(found, slices.DeleteFunc(walk.Leaf(context.Background(), leaf), func(f string) bool { return strings.Contains(f, "session.started") })...)
		}
		if got := strings.Join(found, "\n"); story == "" && got != "" || !strings.Contains(got, story) {
			t.Errorf("verdict %s: found %s", verdict, got)
		}
	}
}

// One by which nobody came in owes nothing.
func TestAnEmergencyThatNobodyUsed(t *testing.T) {
	w := newWorldOf(t, nil, anxious)
	win := w.stands(t)
	_, err := w.desk.Cut(w.ctx, w.as("mia"), win.ID, "")
	wants(t, err, "")
	w.pass(9 * 24 * time.Hour)
	if list, err := w.desk.ReviewsDue(w.ctx, people.Actor{Plant: true}); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}
