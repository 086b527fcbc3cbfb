package people

import (
	"errors"
	"testing"

	"penstock/policy"
)

// TestACodeCountsWhileItsGeneratorDoes: the phone is lost and its generator
// taken away; the code that it gave a minute ago gives nothing any more.
func TestACodeCountsWhileItsGeneratorDoes(t *testing.T) {
	h := newHouse(t, documents(t))
	olaf := h.actor("olaf") // sponsor of krall, with a code of this minute
	h.ok(h.r.RemoveKey(ctx, h.actor("nora"), "olaf", string(TOTP)))
	_, err := h.r.Invite(ctx, olaf, Invitation{Person: "kim", Firm: "krall", Name: "Kim Roth"})
	if no, ok := errors.AsType[*policy.Refusal](err); !ok || no.Rule != "no-code-generator" {
		t.Fatalf("got %v", err)
	}
}
