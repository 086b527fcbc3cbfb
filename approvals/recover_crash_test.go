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
func (w *world) takenBack() (n map[string]int, all int) {
	n = map[string]int{}
	for _, leaf := range w.log.leaves() {
		if leaf.Actor == penstock && leaf.Subject != "recovery" {
			n[leaf.Body.Type()]++
			all++
		}
	}
	return n, all
}

// Each write of a recovery is the last one of a process: the next begins it again,
// and is met by the write after it. In the end all is taken, each thing once, and the
// log is as good as it was before.
func TestARecoveryThatIsKilledAtEachWrite(t *testing.T) {
	t.Parallel()
	var whole map[string]int
	for _, when := range []string{"", "before", "after"} {
		w, open, agreed, waits, screen := incident(t)
		found := w.verify()
		_, before := w.takenBack()
		killed := 0
		for writes := -1; when != ""; killed++ {
			w.log.fail, w.log.in = when, 2 // the first write says that it began: what comes behind it is met
			if when == "before" {
				w.log.in = 3
			}
			_, err := w.recovery()
			_, now := w.takenBack()
			if err == nil || now == writes { // all is taken
				break
			}
			writes = now
			w.restart()
		}
		w.restart()
		if _, err := w.recovery(); err != nil {
			t.Fatalf("%q: %v", when, err)
		}
		if w.state(open) != WindowCut || w.state(agreed) != WindowCut || w.requestState(waits) != RequestWithdrawn {
			t.Errorf("%q: %s, %s, %s", when, w.state(open), w.state(agreed), w.requestState(waits))
		}
		if _, _, stands := w.desk.KioskBy(w.ctx, screen); stands {
			t.Errorf("%q: the screen still stands", when)
		}
		if all, err := w.folk.Agents(w.ctx); err != nil || len(all) != 1 || !all[0].Code.IsZero() {
			t.Errorf("%q: agents %+v, %v", when, all, err)
		}
		if all, err := w.folk.Envelopes(w.ctx); err != nil || len(all) != 0 {
			t.Errorf("%q: envelopes %+v, %v", when, all, err)
		}
		if all, err := w.folk.People(w.ctx); err != nil || slices.ContainsFunc(all, coded) {
			t.Errorf("%q: a code of before counts: %v", when, err)
		}
		taken, writes := w.takenBack()
		if whole == nil {
			whole = taken
		}
		if fmt.Sprint(taken) != fmt.Sprint(whole) {
			t.Errorf("%q: taken %v, and without a crash %v", when, taken, whole)
		}
		if when != "" && killed < writes-before {
			t.Errorf("%q: it was killed %d times at %d writes", when, killed, writes-before)
		}
		if after := w.verify(); !slices.Equal(found, after) {
			t.Errorf("%q: the verifier finds %q, and before the recovery %q", when, after, found)
		}
		if err := w.rebuilt(); err != nil {
			t.Errorf("%q: %v", when, err)
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
