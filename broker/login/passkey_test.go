package login

import (
	"encoding/json"
	"net/netip"
	"testing"

	"penstock/approvals/people"
)

// Challenges are handed out to whoever asks. One caller's flood pushes out
// neither another's sign-in nor a passkey that is being made, and a thousand
// callers' no such making.
func TestAFloodOfChallengesIsTheFloodersOwn(t *testing.T) {
	h := newWorld(t)
	origin := "https://broker.test"
	h.origin = func() string { return origin }
	mine, err := h.BeginSignIn(netip.MustParseAddr("10.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.BeginPasskey(t.Context(), people.Actor{Person: "mia", Firm: "fjord", Plant: true})
	if err != nil {
		t.Fatal(err)
	}
	var making struct{ Challenge string }
	if err := json.Unmarshal(b, &making); err != nil {
		t.Fatal(err)
	}
	for range 3 * maxCeremonies {
		if _, err := h.BeginSignIn(netip.MustParseAddr("10.0.0.2")); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(h.begun.all); n > ceremoniesOne+2 {
		t.Errorf("one caller has %d challenges", n)
	}
	if _, ok := h.begun.spend(mine.Challenge, "", h.now()); !ok {
		t.Error("another caller's sign-in was pushed out")
	}
	for i := range 3 * maxCeremonies {
		if _, err := h.BeginSignIn(elsewhere(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := h.making.spend(making.Challenge, "mia", h.now()); !ok {
		t.Error("a passkey that is being made was pushed out")
	}
	if n := len(h.begun.all); n > maxCeremonies {
		t.Errorf("%d challenges", n)
	}
}
