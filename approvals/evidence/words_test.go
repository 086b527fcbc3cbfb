package evidence_test

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// said is one person's yes by a code to some text, and where the log has it.
func said(t *testing.T, text []byte, second int, who string, do func(*evidence.Answer)) evidence.Given {
	t.Helper()
	a := evidence.Answer{V: 1, Request: audit.HashOf(text), Person: who, Firm: "fjord", Role: "shift", Says: evidence.Yes, Nonce: evidencetest.Nonce(second), At: at(second), DecideBy: at(second + 600),
		Proof: evidence.Proof{Kind: evidence.ProofTOTP, Data: codeAt(second)}}
	if do != nil {
		do(&a)
	}
	body, err := audit.Canonical(a)
	if err != nil {
		t.Fatal(err)
	}
	return evidence.Given{Leaf: audit.Place{Node: "a", Index: audit.Index(second)}, Wall: at(second), Body: body, Firm: "fjord", Roles: []string{a.Role}, Plant: true}
}

// Two people lift an island, who hold a role for it, within half an hour, and
// without a limit.
func TestCheckLift(t *testing.T) {
	plant := evidencetest.Plant()
	text, err := audit.Canonical(evidence.Lift{V: 1, Block: "B-1", Rev: 1, Plant: audit.HashOf(plant.Document())})
	if err != nil {
		t.Fatal(err)
	}
	half := int(evidence.LiftTime / time.Second)
	for _, row := range []struct {
		story string
		given []evidence.Given
		want  string
	}{
		{"as it was", []evidence.Given{said(t, text, 100, "mia", nil), said(t, text, 100+half, "olaf", nil)}, ""},
		{"one person", []evidence.Given{said(t, text, 100, "mia", nil)}, "B-1 is lifted by 1 of the two people that it takes"},
		{"one person twice", []evidence.Given{said(t, text, 100, "mia", nil), said(t, text, 200, "mia", nil)}, "B-1 is lifted by 1 of the two people that it takes"},
		{"too far apart", []evidence.Given{said(t, text, 100, "mia", nil), said(t, text, 101+half, "olaf", nil)}, "the two words are 30m1s apart"},
		{"without a role", []evidence.Given{said(t, text, 100, "mia", nil), said(t, text, 200, "ida", func(a *evidence.Answer) { a.Role = "it-network" })}, "ida holds no shift, zone owner or OT security role"},
		{"with a limit", []evidence.Given{said(t, text, 100, "mia", nil), said(t, text, 200, "olaf", func(a *evidence.Answer) { a.Limits.Minutes = 5 })}, "the answer of olaf has limits"},
	} {
		t.Run(row.story, func(t *testing.T) {
			found := evidence.CheckLift(plant, text, row.given, nil)
			if row.want == "" {
				match(t, found, nil)
			} else {
				match(t, found, []string{row.want, "*"})
			}
		})
	}
}

// Windows are taken over by a plain yes to exactly this text, with a key.
func TestCheckTaking(t *testing.T) {
	plant := evidencetest.SignedPlant()
	put := func(handover string) []byte {
		text, err := audit.Canonical(evidence.Taking{V: 1, Handover: handover, Windows: []string{"W-1"}, Rev: 1, Plant: audit.HashOf(plant.Document())})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	text, other := put("H-1"), put("H-2")
	keys := []evidence.Key{{Person: "mia", Kind: evidence.KeySSH, ID: evidencetest.Fingerprint(evidencetest.Key("mia")), Public: []byte(evidencetest.Key("mia")), Since: audit.Place{Node: "a"}}}
	for _, row := range []struct {
		story string
		do    func(*evidence.Answer)
		want  string
	}{
		{"as it was", nil, ""},
		{"no", func(a *evidence.Answer) { a.Says = evidence.No }, "it is no plain yes"},
		{"with a limit", func(a *evidence.Answer) { a.Limits.Minutes = 5 }, "it is no plain yes"},
		{"heard on the telephone", func(a *evidence.Answer) { a.Heard = "olaf" }, "it is no plain yes"},
		{"something else", func(a *evidence.Answer) { a.Request = audit.HashOf(other) }, "it answers something else than this taking over"},
	} {
		t.Run(row.story, func(t *testing.T) {
			g := said(t, text, 100, "mia", func(a *evidence.Answer) {
				a.Proof = evidence.Proof{}
				if row.do != nil {
					row.do(a)
				}
				evidencetest.Signed(evidencetest.By("mia"))(a)
			})
			found := evidence.CheckTaking(plant, text, g, keys)
			if row.want == "" {
				match(t, found, nil)
			} else {
				match(t, found, []string{row.want, "*"})
			}
		})
	}
	t.Run("by a code", func(t *testing.T) {
		match(t, evidence.CheckTaking(plant, text, said(t, text, 100, "mia", nil), keys), []string{"it is no tap of a key", "*"})
	})
}
