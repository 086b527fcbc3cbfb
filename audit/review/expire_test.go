package review_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/review"
	"penstock/audit/verify"
)

// proved checks the whole data folder and gives the findings that are wrong, and the notes.
func (r *rig) proved() (wrong, notes []string) {
	r.t.Helper()
	rep, err := verify.Dir(r.t.Context(), r.dir, verify.Trust{Identity: r.id.String()}, nil, nil)
	must(r.t, err)
	for _, f := range rep.Findings {
		if f.Weight == verify.Wrong {
			wrong = append(wrong, f.Where+": "+f.What)
		} else {
			notes = append(notes, f.Where+": "+f.What)
		}
	}
	return wrong, notes
}

func (r *rig) there(id string) bool {
	found, err := filepath.Glob(filepath.Join(r.dir, "recordings", "*", "*", "*", id))
	must(r.t, err)
	return len(found) > 0
}

func TestWhatExpiresAndWhatStays(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.rules.Always = []string{"load"}
	r.rules.OneIn = 0
	r.session("S-old", look)
	r.session("S-held", look)
	r.session("S-load", load)
	r.session("S-finding", look)
	r.session("S-ever", look, review.Target{Asset: "for-ever", Rights: []string{"look"}})
	r.session("S-firm", look)
	_, err := r.book.SetHold(t.Context(), sec("lena"), audit.HoldSet{Session: "S-held", Why: "Dispute 12"})
	must(t, err)
	_, err = r.book.Sign(t.Context(), sec("lena"), "S-finding", review.Opinion{Verdict: review.Finding, Text: "Why twice?"})
	must(t, err)
	r.days(89)
	must(t, r.book.Tend(t.Context()))
	if !r.there("S-old") {
		t.Fatal("gone a day before its time")
	}
	r.days(2)
	r.session("S-new", look)
	plan, err := r.book.Plan(t.Context(), sec("lena"))
	must(t, err)
	if !r.there("S-old") || len(plan.Goes) != 2 || plan.All != 7 || plan.Asks != "" {
		t.Errorf("the dry run: %+v", plan)
	}
	stays := map[string]string{}
	for _, k := range plan.Stays {
		stays[k.Session] = k.Why
	}
	if len(stays) != 2 || stays["S-held"] != "hold H-1" || stays["S-finding"] != "an open finding" {
		t.Errorf("stays: %v", stays)
	}
	must(t, r.book.Tend(t.Context()))
	if r.there("S-old") || r.there("S-firm") || !r.there("S-held") || !r.there("S-load") || !r.there("S-finding") || !r.there("S-ever") || !r.there("S-new") {
		t.Error("other recordings went than those that were due")
	}
	wrong, notes := r.proved()
	if len(wrong) > 0 || !strings.Contains(strings.Join(notes, "\n"), "S-old: its recording expired on 2027-02-21 (keep-look)") {
		t.Errorf("wrong %q, notes %q", wrong, notes)
	}
	if _, err := r.book.SetHold(t.Context(), sec("lena"), audit.HoldSet{Session: "S-old", Why: "late"}); refusedBy(err) != "gone" {
		t.Errorf("a hold on what is gone: %v", err)
	}
	must(t, r.book.LiftHold(t.Context(), sec("lena"), "H-1", "settled"))
	must(t, r.book.Tend(t.Context()))
	if r.there("S-held") {
		t.Error("S-held stays although its hold is lifted")
	}
	// Files that are gone without the log's word are missing, as before.
	must(t, os.RemoveAll(filepath.Join(r.dir, "recordings", "2026", "11", "22", "S-ever")))
	if wrong, _ := r.proved(); len(wrong) != 1 || !strings.Contains(wrong[0], "S-ever: its recording is missing") {
		t.Errorf("wrong: %q", wrong)
	}
}

func TestWhatIsWrittenPastTheBookIsFound(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.rules.Always, r.rules.OneIn = nil, 0
	r.session("S-1", look)
	r.session("S-2", look)
	s, _, err := r.book.Session(t.Context(), sec("lena"), "S-1")
	must(t, err)
	due := s.Ended.Add(90 * day)
	r.days(2)
	must(t, r.book.Tend(t.Context()))
	_, err = r.book.SetHold(t.Context(), sec("lena"), audit.HoldSet{Session: "S-2", Why: "x"})
	must(t, err)
	held, _, err := r.book.Session(t.Context(), sec("lena"), "S-2")
	must(t, err)
	rows := []struct {
		story, says string
		b           audit.Body
	}{
		{"before its time", "before it was due", audit.RecordingExpired{Session: "S-1", Rule: "keep-look", Due: due, Close: s.Close}},
		{"due before it ended", "due before the session ended", audit.RecordingExpired{Session: "S-1", Due: s.Ended.Add(-day), Close: s.Close}},
		{"another recording's hash", "another closing hash", audit.RecordingExpired{Session: "S-1", Due: s.Ended.Add(1), Close: held.Close}},
		{"held", "hold H-1", audit.RecordingExpired{Session: "S-2", Due: s.Ended.Add(1), Close: held.Close}},
		{"deleted by one", "did not ask", audit.RecordingDeleted{Session: "S-1", Asked: "lena", By: "max", Close: s.Close}},
		{"a reply to nothing", "no open thread", audit.ReviewReplied{Session: "S-1", Thread: 3, Person: "lena"}},
		{"no verdict", "no verdict", audit.ReviewSigned{Session: "S-1", Person: "lena", Verdict: "fine", Close: s.Close}},
		{"a verdict on something else", "another closing hash", audit.ReviewSigned{Session: "S-1", Person: "lena", Verdict: review.InOrder, Close: held.Close}},
		{"a hold that does not stand", "no hold", audit.HoldLifted{Hold: "H-9", By: "lena"}},
		{"a draw of no day", "no day begins", audit.ReviewDrawn{Size: 3, OneIn: 10}},
	}
	for _, row := range rows {
		r.tell("S-1", "root", row.b)
		wrong, _ := r.proved()
		if len(wrong) == 0 || !strings.Contains(wrong[len(wrong)-1], row.says) {
			t.Errorf("%s: %q", row.story, wrong)
		}
	}
	must(t, r.book.Tend(t.Context()))
	if !r.there("S-1") || !r.there("S-2") {
		t.Error("an event that does not hold took files away")
	}
}

func TestHoldAndExpiryAtOnce(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.rules.Always, r.rules.OneIn = nil, 0
	ids := []string{"S-a", "S-b", "S-c", "S-d", "S-e", "S-f", "S-g", "S-h"}
	for _, id := range ids {
		r.session(id, look)
	}
	r.days(1)
	must(t, r.book.Tend(t.Context())) // the draw
	r.days(90)
	plan, err := r.book.Plan(t.Context(), sec("lena"))
	if err != nil || len(plan.Goes) != len(ids) {
		t.Fatalf("%+v, %v", plan, err)
	}
	var wg sync.WaitGroup
	held := make([]error, len(ids))
	for i, id := range ids {
		wg.Go(func() {
			_, held[i] = r.book.SetHold(t.Context(), sec("lena"), audit.HoldSet{Session: id, Why: "now"})
		})
	}
	wg.Go(func() {
		// Some are held by then, so the number that was seen may be another: look again.
		for {
			p, err := r.book.Plan(t.Context(), sec("max"))
			if err != nil || len(p.Goes) == 0 {
				return
			}
			if _, err := r.book.Expire(t.Context(), sec("max"), len(p.Goes)); err != nil && refusedBy(err) != "decided-meanwhile" {
				t.Error(err)
				return
			}
		}
	})
	wg.Wait()
	for i, id := range ids {
		if (held[i] == nil) != r.there(id) || held[i] != nil && refusedBy(held[i]) != "gone" {
			t.Errorf("%s: held %v, there %t", id, held[i], r.there(id))
		}
	}
	if wrong, _ := r.proved(); len(wrong) > 0 {
		t.Errorf("wrong: %q", wrong)
	}
}

func TestAClockThatLeapsTakesNothingAway(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.rules.Always, r.rules.OneIn = nil, 0
	for i := range 3 {
		r.session("S-"+string(rune('a'+i)), look)
	}
	r.days(1)
	must(t, r.book.Tend(t.Context())) // the draw
	r.pass(365 * day)                 // nothing was written in that year
	stays := func(when, because string) {
		t.Helper()
		must(t, r.book.Tend(t.Context()))
		p, err := r.book.Plan(t.Context(), sec("lena"))
		must(t, err)
		if !r.there("S-a") || len(p.Goes) != 3 || !strings.Contains(p.Asks, because) {
			t.Errorf("%s: %+v", when, p)
		}
	}
	must(t, r.book.Tend(t.Context()))
	if b, err := r.book.Backlog(t.Context()); err != nil || !strings.Contains(b.Expiry, "the clock is 365 days ahead of the newest event") {
		t.Errorf("before anything is written: %+v, %v", b, err)
	}
	r.tell("a", "penstock", audit.NodeStarted{})
	stays("after the broker's start", "leapt ahead by 365 days")
	r.days(20)
	stays("weeks later", "leapt ahead by 365 days")
	r.untimely = errors.New("the clock waits for two people")
	if _, err := r.book.Expire(t.Context(), sec("lena"), 3); refusedBy(err) != "clock-not-trusted" {
		t.Errorf("while the clock waits: %v", err)
	}
	r.untimely = nil
	if _, err := r.book.Expire(t.Context(), review.Reader{Person: "jan", Roles: []string{"manager"}}, 3); refusedBy(err) != "not-security" {
		t.Errorf("by a manager: %v", err)
	}
	if _, err := r.book.Expire(t.Context(), sec("lena"), 2); refusedBy(err) != "decided-meanwhile" || !r.there("S-a") {
		t.Errorf("another number: %v", err)
	}
	_, err := r.book.Expire(t.Context(), sec("lena"), 3)
	if err != nil || r.there("S-a") {
		t.Errorf("lena has looked: %v", err)
	}
	r.session("S-z", look)
	r.days(91)
	if must(t, r.book.Tend(t.Context())); r.there("S-z") {
		t.Error("after somebody looked, it does not go by itself")
	}
}

func TestManyAtOnceAskForAPerson(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.rules.Always, r.rules.OneIn = nil, 0
	for i := range 6 {
		r.session("S-"+string(rune('a'+i)), look)
	}
	r.days(91)
	must(t, r.book.Tend(t.Context()))
	b, err := r.book.Backlog(t.Context())
	if err != nil || !r.there("S-a") || b.Expiry != "6 of 6 recordings would go at once" {
		t.Errorf("%+v, %v", b, err)
	}
}

// A crash at each step of an expiry, and the start after it.
func TestExpiryGoesOnAfterACrash(t *testing.T) {
	steps := map[string]func(folder, hidden string) error{
		"the event is written":     func(string, string) error { return nil },
		"the folder lost its name": os.Rename,
		"the key is gone":          func(f, h string) error { return errors.Join(os.Rename(f, h), os.Remove(filepath.Join(h, "keys.age"))) },
		"some of its files are gone": func(f, h string) error {
			return errors.Join(os.Rename(f, h), os.Remove(filepath.Join(h, "keys.age")), os.Remove(filepath.Join(h, "session.json")))
		},
		"all but the folder is gone":   func(f, h string) error { return errors.Join(os.RemoveAll(f), os.Mkdir(h, 0o700)) },
		"everything is gone, unsynced": func(f, _ string) error { return os.RemoveAll(f) },
	}
	for story, crash := range steps {
		t.Run(story, func(t *testing.T) {
			r := newRig(t)
			r.agreed()
			r.rules.Always, r.rules.OneIn = nil, 0
			r.session("S-1", look)
			r.days(91)
			r.covered = func() audit.Index { return r.log.Size() - 1 } // the event's own leaf is not outside yet
			must(t, r.book.Tend(t.Context()))
			if s, _, _ := r.book.Session(t.Context(), sec("lena"), "S-1"); s.Gone == nil || !r.there("S-1") {
				t.Fatal("the files went before the event was outside")
			}
			folder := filepath.Join(r.dir, "recordings", "2026", "11", "22", "S-1")
			must(t, crash(folder, filepath.Join(filepath.Dir(folder), ".S-1")))
			r.covered = r.log.Size
			r.restart()
			must(t, r.book.Tend(t.Context()))
			left, err := os.ReadDir(filepath.Dir(folder))
			if err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
			if wrong, _ := r.proved(); len(wrong) > 0 {
				t.Errorf("wrong: %q", wrong)
			}
		})
	}
}

func TestEarlyDeletionTakesTwo(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.rules.OneIn = 0
	r.session("S-1", load)
	r.days(2)
	must(t, r.book.Tend(t.Context()))
	max := review.Reader{Person: "max", Roles: []string{"manager"}}
	deny := func(story string, who review.Reader, confirm bool, rule string) {
		t.Helper()
		if done, err := r.book.Delete(t.Context(), who, "S-1", "Private mail was shown", confirm); done || refusedBy(err) != rule || !r.there("S-1") {
			t.Errorf("%s: %t, %v", story, done, err)
		}
	}
	deny("not reviewed", sec("lena"), false, "stays")
	r.reviewed("S-1")
	deny("not asked for", max, true, "not-asked")
	deny("who is no security begins", max, false, "not-security")
	deny("who opened begins", sec("mia"), false, "second-person")
	if err := r.book.Deletable(t.Context(), sec("lena"), "S-1"); err != nil {
		t.Errorf("the dry run: %v", err)
	}
	if done, err := r.book.Delete(t.Context(), sec("lena"), "S-1", "Private mail was shown", false); done || err != nil || !r.there("S-1") {
		t.Fatalf("lena asks: %t, %v", done, err)
	}
	deny("asked twice", sec("lena"), false, "decided-meanwhile")
	deny("lena confirms her own", sec("lena"), true, "second-person")
	deny("who worked confirms", sec("ann"), true, "second-person")
	_, err := r.book.SetHold(t.Context(), sec("lena"), audit.HoldSet{Firm: "krall", Why: "Dispute"})
	must(t, err)
	deny("held meanwhile", max, true, "stays")
	must(t, r.book.LiftHold(t.Context(), sec("lena"), "H-1", "over"))
	r.days(8)
	deny("asked too long ago", max, true, "not-asked")
	_, err = r.book.Delete(t.Context(), sec("lena"), "S-1", "Private mail was shown", false)
	must(t, err)
	if done, err := r.book.Delete(t.Context(), max, "S-1", "", true); !done || err != nil || r.there("S-1") {
		t.Errorf("max confirms: %t, %v", done, err)
	}
	if wrong, notes := r.proved(); len(wrong) > 0 || !strings.Contains(strings.Join(notes, "\n"), "lena asked, max confirmed (Private mail was shown)") {
		t.Errorf("wrong %q, notes %q", wrong, notes)
	}
}

func TestWhoSetsAndLiftsHolds(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.session("S-1", look)
	manager := review.Reader{Person: "max", Roles: []string{"manager"}}
	for _, row := range []struct {
		story string
		who   review.Reader
		set   audit.HoldSet
		rule  string
	}{
		{"no security", manager, audit.HoldSet{All: true, Why: "x"}, "not-security"},
		{"nobody", review.Reader{Roles: []string{"security"}}, audit.HoldSet{All: true, Why: "x"}, "not-security"},
		{"no reason", sec("lena"), audit.HoldSet{All: true}, "text-missing"},
		{"nothing", sec("lena"), audit.HoldSet{Why: "x"}, "hold-names"},
		{"two things", sec("lena"), audit.HoldSet{Session: "S-1", Firm: "krall", Why: "x"}, "hold-names"},
	} {
		if _, err := r.book.SetHold(t.Context(), row.who, row.set); refusedBy(err) != row.rule {
			t.Errorf("%s: %v", row.story, err)
		}
	}
	for _, set := range []audit.HoldSet{{Session: "S-1"}, {Window: "W-1"}, {Person: "ann"}, {Firm: "krall"}, {Asset: "filler-plc"}, {All: true}} {
		set.Why = "Dispute"
		h, err := r.book.SetHold(t.Context(), sec("lena"), set)
		must(t, err)
		if by := r.book.HeldBy("S-1"); by != h.Hold {
			t.Errorf("%+v does not hold S-1 (%q)", set, by)
		}
		if err := r.book.LiftHold(t.Context(), manager, h.Hold, "over"); refusedBy(err) != "not-security" {
			t.Errorf("a manager lifts: %v", err)
		}
		must(t, r.book.LiftHold(t.Context(), sec("lena"), h.Hold, "over"))
	}
	for _, set := range []audit.HoldSet{{Window: "W-2"}, {Person: "ben"}, {Firm: "other"}, {Asset: "chiller-plc"}} {
		set.Why = "Dispute"
		h, err := r.book.SetHold(t.Context(), sec("lena"), set)
		must(t, err)
		if by := r.book.HeldBy("S-1"); by != "" {
			t.Errorf("%+v holds S-1 by %s (%s)", set, by, h.Hold)
		}
	}
}

// plantWord is a walk that knows nothing but what a plant file says of retention.
type plantWord struct {
	plantWalk
	rule string
	keep time.Duration
}

func (p plantWord) Keeps(_ audit.Hash, _, _ string, _ []string) (string, time.Duration, bool) {
	return p.rule, p.keep, p.rule != ""
}

func TestTheVerifierAsksThePlantFile(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.rules.Always, r.rules.OneIn = nil, 0
	r.session("S-1", look)
	r.days(91)
	must(t, r.book.Tend(t.Context())) // draws, and lets go
	if r.there("S-1") {
		t.Fatal("S-1 is there")
	}
	for _, row := range []struct {
		story string
		walk  plantWord
		says  string
	}{
		{"as the plant file says", plantWord{plantWalk{r}, "keep-look", 90 * day}, ""},
		{"the plant file keeps it longer", plantWord{plantWalk{r}, "keep-look", 365 * day}, "the plant file in force says keep-look on 2027-11-22"},
		{"by another rule", plantWord{plantWalk{r}, "keep-zone", 90 * day}, "says keep-zone"},
		{"the plant file keeps it for ever", plantWord{plantWalk: plantWalk{r}}, "keeps it for ever"},
	} {
		rep, err := verify.Dir(t.Context(), r.dir, verify.Trust{Identity: r.id.String()}, row.walk, nil)
		must(t, err)
		if rep.Proved() != (row.says == "") {
			t.Errorf("%s: proved %t", row.story, rep.Proved())
		}
		if !slices.ContainsFunc(rep.Findings, func(f verify.Finding) bool { return strings.Contains(f.What, row.says) }) {
			t.Errorf("%s: %+v", row.story, rep.Findings)
		}
	}
}
