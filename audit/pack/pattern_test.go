package pack_test

import (
	"strconv"
	"strings"
	"testing"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/audit/verify"
	"penstock/policy"
)

// A pack of a window holds the pattern that it counted on, with who agreed to that:
// without them one yes of the shift would be too little. A pack of another has none of it.
func TestPackOfAPattern(t *testing.T) {
	plant, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(evidencetest.PlantText() + `patterns:
  callout: {assets: [filler-plc], rights: [look, load], open: shift, longest: 2h, owners: [line-1-owner], why: Night call-out, review: 2027-03-31}
`)})
	if problems != nil {
		t.Fatal(problems)
	}
	s := evidencetest.New(plant)
	s.Revise() // W-1 counts on its own answers, and on no later ones
	s.Counts = nil
	at := evidencetest.At
	const day = 50000
	file, night := s.Put(plant.Document()), day+3600
	answer := func(second int, who, role string, to audit.Hash, until int) audit.Hash {
		return s.PutJSON(evidence.Answer{V: 1, Request: to, Person: who, Firm: "fjord", Role: role, Says: evidence.Yes, Nonce: evidencetest.Nonce(second), At: at(second), DecideBy: at(until),
			Proof: evidence.Proof{Kind: evidence.ProofTOTP, Data: strconv.FormatInt(at(second).Unix()/30, 10)}})
	}
	here := func() string { return "a/" + strconv.Itoa(len(s.Steps)+2) } // Build puts two leaves of the recording before
	s.Add(day-10, "penstock", audit.NodeStarted{Version: "test"}, "a")
	p := evidence.Pattern{V: 1, Pattern: "P-1", Frame: "callout", Firm: "krall", By: "ines", People: []string{"ann"}, Assets: s.Request.Assets, Rights: []string{"look", "load"}, Minutes: 60, Purpose: "Valve timing drifts",
		At: at(day), DecideBy: at(day + 3600), Until: at(day + 90000), Review: at(day + 90000), Plant: file, Nonce: evidencetest.Nonce(day)}
	text := s.PutJSON(p)
	s.Add(day, "ines", audit.PatternProposed{Pattern: "P-1", Frame: "callout", Firm: "krall", By: "ines", Document: text, Plant: file, DecideBy: p.DecideBy, Ends: p.Ends()}, "P-1", "pattern/P-1")
	var places []string
	for i, who := range [][2]string{{"olaf", "line-1-owner"}, {"ines", "ot-security"}} {
		second := day + 60*(i+1)
		places = append(places, here())
		s.Add(second, who[0], audit.PatternAnswered{Pattern: "P-1", Person: who[0], Firm: "fjord", Roles: []string{who[1]}, Says: evidence.Yes, Document: answer(second, who[0], who[1], text, day+3600)}, "P-1", "pattern/P-1")
	}
	s.Add(day+300, "penstock", audit.PatternMoved{Pattern: "P-1", To: "agreed", By: "penstock", At: at(day + 300), Answers: places}, "P-1", "pattern/P-1")
	r := evidence.Request{V: 1, Request: "R-2", Rev: 1, Firm: "krall", By: "ann", People: []string{"ann"}, Kind: "remote", Assets: p.Assets, Rights: p.Rights, Reason: "Again", Minutes: 60, From: at(night), To: at(night + 7200), Open: "shift",
		Plant: file, Pattern: text, Nonce: evidencetest.Nonce(night)}
	evidence.Tell(plant, &r)
	request := s.PutJSON(r)
	s.Add(night, "ann", audit.RequestSubmitted{Request: "R-2", Rev: 1, Firm: "krall", By: "ann", Document: request, Plant: file, Pattern: "P-1", At: at(night)}, "R-2", "request/R-2")
	place := here()
	s.Add(night+60, "mia", audit.AnswerGiven{Request: "R-2", Rev: 1, Person: "mia", Firm: "fjord", Roles: []string{"shift"}, Says: evidence.Yes, Document: answer(night+60, "mia", "shift", request, night+7200)}, "R-2", "request/R-2")
	claim, err := evidence.Narrow(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	claim.Window = "W-2"
	s.Add(night+61, "penstock", audit.WindowAgreed{Window: "W-2", Request: "R-2", Rev: 1, Firm: "krall", Claim: s.PutJSON(claim), Answers: []string{place}, Pattern: "P-1"}, "W-2", "window/W-2", "request/R-2")
	s.Add(night+70, "mia", audit.WindowMoved{Window: "W-2", To: "opened", By: "mia", At: at(night + 70), Until: at(night + 70 + 3600)}, "W-2", "window/W-2")
	s.Add(night+80, "mia", audit.WindowMoved{Window: "W-2", To: "cut", By: "mia", At: at(night + 80)}, "W-2", "window/W-2")

	f := evidencetest.Build(t, t.TempDir(), s)
	o := order(t, f)
	if holds(t, entries(t, made(t, o)), p.Purpose) {
		t.Error("the pack of W-1 holds a pattern that it never counted on")
	}
	o.Window = "W-2"
	b := made(t, o)
	if got := checked(t, b, verify.Trust{LogKey: f.Key}); !got.Proved() {
		t.Errorf("%+v", got.Findings)
	}
	list := entries(t, b)
	if !holds(t, list, p.Purpose) {
		t.Fatal("the pack does not hold the pattern")
	}
	for i := range list {
		if strings.Contains(list[i].name, "documents") {
			list[i].text = []byte(strings.Replace(string(list[i].text), p.Purpose, "Valve timing varies", 1))
		}
	}
	if checked(t, zipped(t, list), verify.Trust{LogKey: f.Key}).Proved() {
		t.Error("with another text of the pattern it is proved")
	}
}

// holds says whether some file of a pack has these words.
func holds(t *testing.T, list []entry, words string) bool {
	t.Helper()
	for _, e := range list {
		if strings.Contains(string(e.text), words) {
			return true
		}
	}
	return false
}
