package evidence_test

import (
	"testing"

	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// Keys are suspended and rotated in a recovery alone, which only the broker begins.
func TestWalkRecoveries(t *testing.T) {
	began, done := by("penstock", "recovery", audit.RecoveryBegan{Says: "incident"}), by("penstock", "recovery", audit.RecoveryDone{})
	suspended := func(who string) audit.Event { return by("penstock", who, audit.PersonSuspended{Person: who}) }
	rotated := func(old, now string) audit.Event {
		return by("penstock", "keys", audit.AuthoritiesRotated{Old: map[string]string{"in-ca": old}, New: map[string]string{"in-ca": now}})
	}
	as := func(ev audit.Event, actor string) audit.Event { ev.Actor = actor; return ev }
	findsEach(t, []alteration{
		{"as it was", after(began, suspended("ann"), rotated("a", "b"), done), ""},
		{"begun by a person", after(as(began, "ines")), "ines began it"},
		{"done, and never begun", after(done), "no recovery had begun"},
		{"suspended outside of one", after(began, done, suspended("ann")), "ann was suspended outside of a recovery"},
		{"suspended by a person", after(began, as(suspended("ann"), "ines")), "ann was suspended outside of a recovery"},
		{"somebody unknown suspended", after(began, suspended("zoe")), "the log does not know zoe"},
		{"rotated outside of one", after(rotated("a", "b")), "keys were rotated outside of a recovery"},
		{"rotated to the key that it was", after(began, rotated("a", "a")), "in-ca is the key that it was"},
		{"rotated from no key", after(began, rotated("", "b")), "in-ca is the key that it was"},
	})
}

// What people enter beside all that opens anything is theirs, and documents are
// what their names say.
func TestWalkSmallWords(t *testing.T) {
	findsEach(t, []alteration{
		{"a measure in another's name", after(by("mia", "m", audit.MeasureBaseline{Measure: 1, By: "olaf"})), "entered by olaf, who is nobody of the plant"},
		{"minutes in another's name", after(by("mia", "m", audit.MeasureMinutes{Month: "2026-11", By: "olaf"})), "entered by olaf, who is nobody of the plant"},
		{"minutes of a vendor's", after(by("ann", "m", audit.MeasureMinutes{Month: "2026-11", By: "ann"})), "entered by ann, who is nobody of the plant"},
		{"a machine looked at in another's name", after(by("mia", "filler-plc", audit.TargetChecked{Asset: "filler-plc", By: "olaf"})), "looked at by olaf, who is nobody of the plant"},
		{"a word for a key of nobody's", after(by("olaf", "zoe", audit.KeyVouched{Person: "zoe", Key: "x", By: "olaf"})), "zoe has no such key"},
		{"a word for a key that there is not", after(by("olaf", "mia", audit.KeyVouched{Person: "mia", Key: "x", By: "olaf"})), "mia has no such key"},
		{"other words under a document's name", func(s *evidencetest.Story) {
			s.Docs[audit.HashOf([]byte("valve 3 set to 40 ms"))] = []byte("nothing was changed")
		}, "its hand-back is not what the hash"},
		{"state without a row", func(s *evidencetest.Story) { s.Step("window.agreed", 0).Rows = nil }, "it changes state and names no row and revision"},
	})
}
