package notify

import (
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// TestWhatIsOverIsForgotten: years of finished jobs leave nothing in memory.
func TestWhatIsOverIsForgotten(t *testing.T) {
	s := newStory(Options{})
	tell := func(subject string, b audit.Body) {
		s.tell(t.Context(), audit.Leaf{Event: audit.Event{Subject: subject, Body: b}}, false)
	}
	ask := func(r string) { tell(r, audit.RequestSubmitted{Request: r, By: "ann"}) }
	agreed := func(r, w string) {
		ask(r)
		tell(w, audit.WindowAgreed{Request: r, Window: w})
	}
	agreed("R-1", "W-1")
	tell("W-1", audit.WindowMoved{Window: "W-1", To: "ended"})
	if len(s.requests) != 1 || len(s.windows) != 1 {
		t.Errorf("a job that waits for its hand-back is forgotten: %v, %v", s.requests, s.windows)
	}
	tell("W-1", audit.WindowMoved{Window: "W-1", To: "closed"})
	agreed("R-2", "W-2")
	tell("W-2", audit.WindowMoved{Window: "W-2", To: "unused"})
	ask("R-3")
	tell("R-3", audit.AnswerGiven{Request: "R-3", Says: "no"})
	ask("R-4")
	tell("R-4", audit.RequestWithdrawn{})
	ask("R-5")
	tell("R-5", audit.RequestUnanswered{})
	if len(s.requests) != 0 || len(s.windows) != 0 {
		t.Errorf("kept are %v, %v", s.requests, s.windows)
	}
}

// TestWhoHearsWhatEnds: the sponsor, OT security and whom it is about, once each;
// nobody who has left.
func TestWhoHearsWhatEnds(t *testing.T) {
	folk := roster{"olaf": {ID: "olaf"}, "lena": {ID: "lena", Roles: []policy.Role{"ot-security"}}, "sven": {ID: "sven", Roles: []policy.Role{"ot-security"}, Disabled: true}, "ann": {ID: "ann"}, "mia": {ID: "mia"}}
	plant, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(plantText)})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	s := newStory(Options{Roster: folk, Plant: func() *policy.Plant { return plant }})
	ends := time.Date(2027, 3, 31, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		body audit.Body
		to   []string
		says string
	}{
		{audit.EndingTold{Firm: "krall", What: "contract", Until: ends, Days: 30, Sponsor: "olaf"}, []string{"olaf", "lena"}, "krall: contract ends 31 Mar 2027, in 30 days at most."},
		{audit.EndingTold{Firm: "krall", Person: "ann", What: "terms", Until: ends, Sponsor: "lena"}, []string{"lena", "ann"}, "ann of krall: terms has ended."},
		{audit.AccessListed{Scope: "firm/krall", Due: ends, Sponsor: "olaf"}, []string{"olaf", "lena"}, "Who is in firm krall is to be confirmed by 31 Mar 2027."},
		{audit.AccessListed{Scope: "role/shift", Due: ends}, []string{"lena"}, "role shift"},
		{audit.AnswerGiven{Request: "R-1", Person: "olaf", Says: "yes", Heard: "mia"}, []string{"olaf"}, "Your yes to R-1 was heard on the telephone"},
		{audit.SpokenMissed{Window: "W-1", Person: "olaf", People: []string{"lena", "sven"}}, []string{"lena"}, "A yes to W-1 that was heard on the telephone is not signed"},
	} {
		list := s.tell(t.Context(), audit.Leaf{Event: audit.Event{Body: tc.body}}, true)
		if len(list) != 1 || !slices.Equal(ids(list[0].People), tc.to) || !strings.Contains(list[0].Text, tc.says) {
			t.Errorf("%+v: %+v", tc.body, list)
		}
	}
}
