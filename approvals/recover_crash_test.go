package approvals

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/policy"
)

// sealing is a plant that has envelopes.
var sealing = sync.OnceValue(func() *policy.Plant {
	return plantOf(plantText + "\nemergency: {agree: [shift], starts_as: [look], second_tap: [set], longest: 2h, tell: [ot-security], review: 3d, notice_above: 4 in 30d}\n")
})

// incident is a plant of which everything has to be taken back: a window that is
// open and one that is agreed, a request that waits, a screen, an agent's invitation,
// and an envelope that nobody is proved to have sealed.
func incident(t *testing.T) (w *world, open, agreed policy.WindowID, waits policy.RequestID, screen []byte) {
	t.Helper()
	w = newWorldOf(t, nil, sealing)
	open = w.open().ID
	agreed = w.yes("olaf", w.submit(on("filler-plc", "viewer"), func(a *Ask) { a.Rights = policy.Look })).Window
	waits = w.submit(two).ID
	_, screen = w.kiosk(t)
	w.folk.Zones = func(policy.ZoneName) bool { return true }
	_, _, err := w.folk.InviteAgent(w.ctx, w.as("sara"), "line-1")
	wants(t, err, "")
	w.forgedPaper(t)
	return w, open, agreed, waits, screen
}

// takenBack counts the leaves that take something away in a recovery, by type.
func (w *world) takenBack() map[string]int {
	n := map[string]int{}
	for _, leaf := range w.log.leaves() {
		if leaf.Actor == penstock && leaf.Subject != "recovery" {
			n[leaf.Body.Type()]++
		}
	}
	return n
}

// A crash before or after any write of a recovery, then a new process that begins
// it again: all is taken, each once, and the log is as good as it was before.
func TestARecoveryThatIsKilledAtAnyWrite(t *testing.T) {
	t.Parallel()
	var whole map[string]int
	var found []string // by the verifier, before a recovery: the envelope
	for _, where := range []string{"none", "log", "store"} {
		for _, when := range []string{"before", "after"} {
			for n := 1; ; n++ {
				w, open, agreed, waits, screen := incident(t)
				if whole == nil {
					found = w.verify()
				}
				switch where {
				case "log":
					w.log.fail, w.log.in = when, n
				case "store":
					w.store.fail, w.store.in = when, n
				}
				_, err := w.recovery()
				crashed := err != nil
				story := fmt.Sprintf("%s %s write %d", where, when, n)
				if crashed {
					w.restart()
					if _, err := w.recovery(); err != nil {
						t.Fatalf("%s: again: %v", story, err)
					}
				}
				if w.state(open) != WindowCut || w.state(agreed) != WindowCut || w.requestState(waits) != RequestWithdrawn {
					t.Errorf("%s: %s, %s, %s", story, w.state(open), w.state(agreed), w.requestState(waits))
				}
				if _, _, stands := w.desk.KioskBy(w.ctx, screen); stands {
					t.Errorf("%s: the screen still stands", story)
				}
				if all, err := w.folk.Agents(w.ctx); err != nil || len(all) != 1 || !all[0].Code.IsZero() {
					t.Errorf("%s: agents %+v, %v", story, all, err)
				}
				if all, err := w.folk.Envelopes(w.ctx); err != nil || len(all) != 0 {
					t.Errorf("%s: envelopes %+v, %v", story, all, err)
				}
				if all, err := w.folk.People(w.ctx); err != nil || slices.ContainsFunc(all, coded) {
					t.Errorf("%s: a code of before counts: %v", story, err)
				}
				if whole == nil {
					whole = w.takenBack()
				}
				if got := w.takenBack(); fmt.Sprint(got) != fmt.Sprint(whole) {
					t.Errorf("%s: taken %v, and without a crash %v", story, got, whole)
				}
				if after := w.verify(); !slices.Equal(found, after) {
					t.Errorf("%s: the verifier finds %q, and before the recovery %q", story, after, found)
				}
				if err := w.rebuilt(); err != nil {
					t.Errorf("%s: %v", story, err)
				}
				if !crashed {
					if where != "none" && n < len(whole) {
						t.Fatalf("%s: only %d writes were reached", story, n)
					}
					break
				}
			}
		}
	}
	for _, kind := range []string{"window.moved", "request.withdrawn", "person.suspended", "agent.removed", "kiosk.revoked", "envelope.voided"} {
		if whole[kind] == 0 {
			t.Errorf("a whole recovery writes no %s: %v", kind, whole)
		}
	}
}

func coded(p people.Person) bool {
	_, has := p.Key(people.TOTP)
	return has && !evidence.IsEnvelope(string(p.ID))
}
