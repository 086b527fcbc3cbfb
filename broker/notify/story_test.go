package notify

import (
	"context"
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

// Of all files of a window that wait together it is told once, to those on duty who
// may let them in; of one that the request names to nobody; after the last of them was
// seen to, of the next again.
func TestFilesThatWaitAreToldOnce(t *testing.T) {
	plant, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(plantText)})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	s := newStory(Options{Roster: roster{"mia": {ID: "mia"}}, Plant: func() *policy.Plant { return plant }, FileAsks: func(_ context.Context, file string) ([]policy.PersonID, bool, error) {
		return map[string][]policy.PersonID{"F-2": {"mia"}, "F-3": {"mia"}, "F-4": {"mia"}}[file], file != "F-1", nil
	}})
	for _, step := range []struct {
		file, to string
		wanted   bool
		told     []string // people; nil: nothing is told
	}{
		{"F-1", "looked", true, nil}, // named by its hash
		{"F-2", "looked", true, []string{"mia"}},
		{"F-1", "released", true, nil},
		{"F-3", "looked", true, nil}, // it waits beside F-2
		{"F-2", "released", true, nil},
		{"F-2", "delivered", true, nil},
		{"F-3", "refused", true, nil},
		{"F-4", "looked", true, []string{"mia"}},
		{"F-4", "expired", true, nil},
		{"F-5", "looked", false, nil},       // of before the start
		{"F-6", "looked", true, []string{}}, // nobody is on duty: webhooks hear it all the same
	} {
		list := s.tell(t.Context(), audit.Leaf{Event: audit.Event{Subject: step.file, Body: audit.FileMoved{File: step.file, Window: "W-1", To: step.to}}}, step.wanted)
		if (len(list) == 1) != (step.told != nil) || len(list) > 1 {
			t.Errorf("%s %s: told %+v", step.file, step.to, list)
			continue
		}
		for _, n := range list {
			if !slices.Equal(ids(n.People), step.told) || n.Type != "file.waits" || n.Path != "/windows/W-1#files" || n.About != "W-1" {
				t.Errorf("%s: %+v", step.file, n)
			}
		}
	}
	s.tell(t.Context(), audit.Leaf{Event: audit.Event{Body: audit.FileMoved{File: "F-5", Window: "W-1", To: "expired"}}}, true)
	s.tell(t.Context(), audit.Leaf{Event: audit.Event{Body: audit.FileMoved{File: "F-6", Window: "W-1", To: "expired"}}}, true)
	if len(s.files) != 0 {
		t.Errorf("kept are %v", s.files)
	}
}

// OT security hears once that the scanner cannot look, and once that it can again.
func TestTheScannerIsTold(t *testing.T) {
	plant, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(plantText)})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	s := newStory(Options{Roster: roster{"mia": {ID: "mia"}, "sara": {ID: "sara", Roles: []policy.Role{"ot-security"}}}, Plant: func() *policy.Plant { return plant }})
	for alarm, want := range map[string]string{"reach clamd: connection refused": "has not looked", "": "again"} {
		list := s.tell(t.Context(), audit.Leaf{Event: audit.Event{Subject: "scanner", Body: audit.ScannerChanged{Alarm: alarm}}}, true)
		if len(list) != 1 || !slices.Equal(ids(list[0].People), []string{"sara"}) || list[0].Type != "scanner.changed" || !strings.Contains(list[0].Text, want) || strings.Contains(list[0].Text, "clamd") {
			t.Errorf("%q is told as %+v", alarm, list)
		}
	}
}

// Whoever taps their key at a screen of the control room reads on their own telephone
// what it was over: the screen may have shown something else.
func TestATapAtAScreenIsToldToItsPerson(t *testing.T) {
	plant, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(plantText)})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	atScreen, atHome := audit.HashOf([]byte("tapped")), audit.HashOf([]byte("signed at home"))
	s := newStory(Options{Roster: roster{"mia": {ID: "mia"}, "olaf": {ID: "olaf", Disabled: true}}, Plant: func() *policy.Plant { return plant },
		Screen: func(_ context.Context, answer audit.Hash) string {
			return map[audit.Hash]string{atScreen: "K-1"}[answer]
		}})
	for _, row := range []struct {
		body audit.Body
		says string // empty: nothing
	}{
		{audit.AnswerGiven{Request: "R-1", Person: "mia", Says: "yes", Document: atScreen}, "at the screen K-1, to answer R-1: yes."},
		{audit.WindowMoved{Window: "W-1", By: "mia", To: "opened", Answer: atScreen}, "to open W-1."},
		{audit.WindowMoved{Window: "W-1", By: "mia", To: "wenton", Answer: atScreen}, "to let W-1 go on."},
		{audit.HandoverAccepted{Handover: "H-1", By: "mia", Answer: atScreen}, "to take over H-1."},
		{audit.AnswerGiven{Request: "R-1", Person: "mia", Says: "yes", Document: atHome}, ""},
		{audit.WindowMoved{Window: "W-1", By: "K-1", To: "cut"}, ""},
		{audit.AnswerGiven{Request: "R-1", Person: "olaf", Says: "yes", Document: atScreen}, ""},
	} {
		said := ""
		for _, n := range s.tell(t.Context(), audit.Leaf{Event: audit.Event{Body: row.body}}, true) {
			if n.Type == "screen.tapped" {
				if said = n.Text; !slices.Equal(ids(n.People), []string{"mia"}) || n.Path == "" || n.Title == "" {
					t.Errorf("%+v", n)
				}
			}
		}
		if !strings.Contains(said, row.says) || (row.says == "") != (said == "") {
			t.Errorf("%+v is told as %q", row.body, said)
		}
	}
}
