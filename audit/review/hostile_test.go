package review_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/review"
	"penstock/audit/verify"
)

// plantWalk is what the verifier knows of the plant file: r.rules, and who may what.
type plantWalk struct{ r *rig }

func (w plantWalk) Leaf(context.Context, audit.Leaf) []string { return nil }
func (w plantWalk) Done(context.Context) (int64, []string)    { return 0, nil }
func (w plantWalk) Notes() []string                           { return nil }
func (w plantWalk) Draws(oneIn int) bool                      { return oneIn == w.r.rules.OneIn }
func (w plantWalk) Always() []string                          { return w.r.rules.Always }
func (w plantWalk) MayJudge(id string, security bool) bool {
	return slices.Contains([]string{"lena", "max"}, id) || !security && id == "hans"
}

func (w plantWalk) Keeps(plant audit.Hash, asset, port string, rights []string) (string, time.Duration, bool) {
	if plant != w.r.rules.Plant {
		return "", 0, false
	}
	return w.r.rules.Keeps(review.Target{Asset: asset, Port: port, Rights: rights})
}

// byPlant is proved, by the plant file too.
func (r *rig) byPlant() (wrong []string) {
	r.t.Helper()
	rep, err := verify.Dir(r.t.Context(), r.dir, verify.Trust{Identity: r.id.String()}, plantWalk{r}, nil)
	must(r.t, err)
	for _, f := range rep.Findings {
		if f.Weight == verify.Wrong {
			wrong = append(wrong, f.Where+": "+f.What)
		}
	}
	return wrong
}

// TestWhoOwnsTheKeyWritesPastTheBook: somebody with the broker's key writes what
// the Book would not; the verifier recomputes it by the plant file in force.
func TestWhoOwnsTheKeyWritesPastTheBook(t *testing.T) {
	rows := []struct {
		story, says string
		write       func(r *rig, s review.Session)
	}{
		{"a load that nobody reviewed expires", "without the review", func(r *rig, s review.Session) {
			r.tell("S-1", "penstock", audit.RecordingExpired{Session: "S-1", Rule: "keep-load", Due: s.Ended.Add(2555 * day).UTC(), Plant: r.rules.Plant, Close: s.Close})
		}},
		{"a load that nobody reviewed is deleted by two", "without the review", func(r *rig, s review.Session) {
			r.tell("S-1", "lena", audit.DeletionAsked{Session: "S-1", By: "lena", Why: "x"})
			r.tell("S-1", "max", audit.RecordingDeleted{Session: "S-1", Asked: "lena", By: "max", Close: s.Close})
		}},
		{"a draw that takes nobody", "draws one session in 0", func(r *rig, _ review.Session) {
			r.rules.OneIn = 0
			must(r.t, r.book.Tend(r.t.Context()))
			r.rules.OneIn = 10
		}},
		{"an administrator lifts a hold", `"root" is not OT security`, func(r *rig, _ review.Session) {
			r.tell("H-1", "lena", audit.HoldSet{Hold: "H-1", Session: "S-1", By: "lena", Why: "x"})
			r.tell("H-1", "root", audit.HoldLifted{Hold: "H-1", By: "root", Why: "x"})
		}},
		{"who only reads begins a deletion", `"hans" is not OT security`, func(r *rig, _ review.Session) {
			r.tell("S-1", "hans", audit.DeletionAsked{Session: "S-1", By: "hans", Why: "x"})
		}},
		{"a verdict by nobody", `"root" may not read`, func(r *rig, s review.Session) {
			r.tell("S-1", "root", audit.ReviewSigned{Session: "S-1", Person: "root", Verdict: review.InOrder, Close: s.Close})
		}},
		{"a verdict put into somebody's mouth", `it names "lena"`, func(r *rig, s review.Session) {
			r.tell("S-1", "root", audit.ReviewSigned{Session: "S-1", Person: "lena", Verdict: review.InOrder, Close: s.Close})
		}},
	}
	for _, row := range rows {
		t.Run(row.story, func(t *testing.T) {
			r := newRig(t)
			r.agreed()
			r.rules.Always = []string{"load"}
			r.session("S-1", load)
			s, _, err := r.book.Session(t.Context(), sec("lena"), "S-1")
			must(t, err)
			r.days(2)
			if !strings.HasPrefix(row.story, "a draw") {
				r.rules.OneIn = 0 // what is drawn depends on keys that are new each time
				must(t, r.book.Tend(t.Context()))
			}
			if strings.HasSuffix(row.story, "expires") {
				r.pass(2556 * day)
			}
			if wrong := r.byPlant(); len(wrong) > 0 {
				t.Fatalf("before: %q", wrong)
			}
			row.write(r, s)
			if wrong := r.byPlant(); len(wrong) != 1 || !strings.Contains(wrong[0], row.says) {
				t.Errorf("wrong: %q", wrong)
			}
		})
	}
}

// TestADrawThatNobodyMakesIsTold: a broker that never draws reviews nothing.
func TestADrawThatNobodyMakesIsTold(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.session("S-1", look)
	r.days(3)
	if _, notes := r.proved(); !strings.Contains(strings.Join(notes, "\n"), "1 sessions were not drawn") {
		t.Errorf("notes: %q", notes)
	}
}

// TestWhoAskedFirstIsNoSecondPerson: a colleague revises the request, and who
// had asked for it before still had a part in it.
func TestWhoAskedFirstIsNoSecondPerson(t *testing.T) {
	r := newRig(t)
	r.tell("R-1", "lena", audit.RequestSubmitted{Request: "R-1", Rev: 1, By: "lena"})
	r.tell("R-1", "sue", audit.RequestRevised{Request: "R-1", Rev: 2, By: "sue"})
	r.tell("W-1", "penstock", audit.WindowAgreed{Window: "W-1", Request: "R-1"})
	r.session("S-1", look)
	for _, who := range []string{"lena", "sue"} {
		if _, err := r.book.Sign(t.Context(), sec(who), "S-1", review.Opinion{Verdict: review.InOrder}); refusedBy(err) != "second-person" {
			t.Errorf("%s signs: %v", who, err)
		}
	}
}
