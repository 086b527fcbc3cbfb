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

// A pack holds how the plant file in force came to be agreed: without it nobody
// could say that the rules were the plant's.
func TestPackOfAPlantChange(t *testing.T) {
	file := func(edit string) *policy.Plant {
		text := strings.Replace(evidencetest.PlantText(), "plant_changes: by_file", "plant_changes: agreed", 1)
		p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(strings.Replace(text, "longest: 4h", edit, 1))})
		if problems != nil {
			t.Fatal(problems)
		}
		return p
	}
	from, to := file("longest: 4h"), file("longest: 6h")
	s := evidencetest.New(from)
	const second = 50000
	doc := evidence.PlantChange{V: 1, Change: "C-1", By: "ines", From: s.Put(from.Document()), To: s.Put(to.Document()), Why: "longer looks at night",
		At: evidencetest.At(second), Until: evidencetest.At(second + 3600), Nonce: evidencetest.Nonce(second)}
	s.Add(second-1, "penstock", audit.NodeStarted{Version: "test"}, "a")
	hash := s.PutJSON(doc)
	s.Add(second, "ines", audit.PlantProposed{Change: "C-1", By: "ines", Document: hash, From: doc.From, To: doc.To, Until: doc.Until}, "C-1", "change/C-1")
	for i, who := range [][2]string{{"olaf", "line-1-owner"}, {"ines", "ot-security"}} {
		at := evidencetest.At(second + 10 + i)
		a := evidence.Answer{V: 1, Request: hash, Person: who[0], Firm: "fjord", Role: who[1], Says: evidence.Yes, Nonce: evidencetest.Nonce(second + 10 + i), At: at, DecideBy: doc.Until,
			Proof: evidence.Proof{Kind: evidence.ProofTOTP, Data: strconv.FormatInt(at.Unix()/30, 10)}}
		s.Add(second+10+i, who[0], audit.PlantAnswered{Change: "C-1", Person: who[0], Firm: "fjord", Roles: []string{who[1]}, Says: evidence.Yes, Document: s.PutJSON(a)}, "C-1", "change/C-1")
	}
	s.Add(second+20, "ines", audit.ConfigChanged{Kind: "plant", Document: doc.To, Change: "C-1", By: "ines", At: evidencetest.At(second + 20)}, "C-1", "change/C-1")
	f := evidencetest.Build(t, t.TempDir(), s)
	b := made(t, order(t, f))
	if r := checked(t, b, verify.Trust{LogKey: f.Key}); !r.Proved() {
		t.Errorf("%+v", r.Findings)
	}
	list := entries(t, b)
	found := false
	for i := range list {
		if strings.Contains(list[i].name, "documents") && strings.Contains(string(list[i].text), doc.Why) {
			found = true
			list[i].text = []byte(strings.Replace(string(list[i].text), "longer", "shorter", 1))
		}
	}
	if r := checked(t, zipped(t, list), verify.Trust{LogKey: f.Key}); !found || r.Proved() {
		t.Errorf("the change's text is in the pack: %t; altered, it is proved: %t", found, r.Proved())
	}
}
