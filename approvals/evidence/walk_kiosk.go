package evidence

import (
	"strings"
	"time"

	"penstock/audit"
)

// kiosk is a browser that may take access away, as the leaves tell it.
type kiosk struct{ until, revoked time.Time }

// KioskLife is the longest that a kiosk is enrolled for.
const KioskLife = 398 * 24 * time.Hour

// IsKiosk says whether an actor is a kiosk: no person's id begins so.
func IsKiosk(actor string) bool { return strings.HasPrefix(actor, "K-") }

func (w *Walk) kioskEnrolled(b audit.KioskEnrolled) {
	w.must(w.leaf.Actor == b.By && w.plantPerson(b.By) && w.isSecurity(b.By), "enrolled by %s, who is not OT security", short(b.By))
	w.must(w.kiosks[b.Kiosk] == nil && IsKiosk(b.Kiosk), "%s was enrolled before, or is no kiosk's name", short(b.Kiosk))
	w.must(b.Until.After(b.At) && b.Until.Sub(b.At) <= KioskLife, "it is enrolled until %s", clock(b.Until))
	w.kiosks[b.Kiosk] = &kiosk{until: b.Until}
}

func (w *Walk) kioskRevoked(b audit.KioskRevoked) {
	k := w.kiosks[b.Kiosk]
	if w.must(k != nil && k.revoked.IsZero(), "the log knows no kiosk %s that is still enrolled", short(b.Kiosk)) {
		w.must(w.leaf.Actor == b.By && w.insider(b.By), "revoked by %s, who is nobody of the plant", short(b.By))
		k.revoked = w.leaf.Wall
	}
}

// kioskTakes: one that was enrolled then, or just before.
func (w *Walk) kioskTakes(id string) {
	k := w.kiosks[id]
	w.must(k != nil && !w.leaf.Wall.After(k.until.Add(settleTime)) && (k.revoked.IsZero() || !w.leaf.Wall.After(k.revoked.Add(settleTime))), "taken by kiosk %s, which was not enrolled", short(id))
}
