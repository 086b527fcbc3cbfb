package evidence

import (
	"slices"
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
		w.must(w.leaf.Actor == b.By && (w.insider(b.By) || w.recovering && b.By == penstock), "revoked by %s, who is nobody of the plant", short(b.By))
		k.revoked = w.leaf.Wall
	}
}

// enrolledThen says whether a kiosk was enrolled at this leaf, or just before.
func (w *Walk) enrolledThen(id string) bool {
	k := w.kiosks[id]
	return k != nil && !w.leaf.Wall.After(k.until.Add(settleTime)) && (k.revoked.IsZero() || !w.leaf.Wall.After(k.revoked.Add(settleTime)))
}

func (w *Walk) kioskTakes(id string) {
	w.must(w.enrolledThen(id), "taken by kiosk %s, which was not enrolled", short(id))
}

// tapped holds a window's opening, or going on, to the tap that its leaf names. A
// yes that was the last one opens by the same tap.
func (w *Walk) tapped(b audit.WindowMoved, v *window) {
	if b.Answer.IsZero() {
		return
	}
	p, doc := w.known(b.By), w.document("tap", b.Answer)
	plant, request := w.plant(v.plant), w.document("request", v.text)
	if p == nil || doc == nil || plant == nil || request == nil {
		return
	}
	a, err := ParseAnswer(doc)
	if !w.must(err == nil, "%v", err) {
		return
	}
	w.must(a.Person == b.By, "%s moved it by a tap of %s", short(b.By), a.Person)
	if a.Says == Yes && b.To == "opened" {
		w.must(slices.ContainsFunc(v.answers, func(h heard) bool { return h.document == b.Answer }), "it was opened by a yes that is not one of those it was agreed on")
		w.must(!w.leaf.Wall.After(a.At.Add(signedGood)), "it was opened by a yes of %s", clock(a.At))
		return
	}
	says, rights := map[string]string{"opened": Opens, "wenton": GoesOn}[b.To], v.allowed()
	given, keys := w.bodies(v.answers)
	for _, f := range CheckTap(plant, request, says, given, w.openersWord(b.By, b.At, v, doc, p), append(keys, w.keysOf(b.By)...), v.claim, v.opened, rights, v.until, w.basis(w.requests[v.request], false)...) {
		w.must(false, "%s", f)
	}
	rev := w.revs["window/"+b.Window] // with this leaf
	w.must(a.Rev+1 == rev, "it was tapped at the window's revision %d, which was at %d", a.Rev, rev-1)
	w.stoodAt(a.Kiosk)
	w.onceMore(v, a.Nonce)
}

// takenByTap holds a taking over to the tap that its leaf names.
func (w *Walk) takenByTap(b audit.HandoverAccepted) {
	if b.Answer.IsZero() && b.Text.IsZero() {
		return
	}
	p, doc, text := w.known(b.By), w.document("tap", b.Answer), w.document("taking over", b.Text)
	if p == nil || doc == nil || text == nil {
		return
	}
	t, err := ParseTaking(text)
	if !w.must(err == nil, "%v", err) {
		return
	}
	w.must(t.Handover == b.Handover && slices.Equal(t.Windows, b.Windows), "the leaf and what was tapped differ")
	w.must(t.Plant == w.inForce || t.Plant == w.former && !w.leaf.Wall.After(w.newPlant.Add(signedGood)), "it names the plant file %s, and %s was in force", t.Plant, w.inForce)
	rev := w.revs["handover/"+b.Handover] // with this leaf
	w.must(t.Rev+1 == rev, "it was tapped at the handover's revision %d, which was at %d", t.Rev, rev-1)
	a, err := ParseAnswer(doc)
	if !w.must(err == nil && a.Person == b.By, "%s took it over by another's tap, or one that cannot be read: %v", short(b.By), err) {
		return
	}
	if plant := w.plant(t.Plant); plant != nil {
		g := Given{Leaf: w.leaf.Place(), Wall: w.leaf.Wall, Body: doc, Firm: p.firm, Roles: p.roles, Plant: w.ofPlant(p)}
		for _, f := range CheckTaking(plant, text, g, w.keysOf(b.By)) {
			w.must(false, "%s", f)
		}
	}
	w.stoodAt(a.Kiosk)
}

// stoodAt: a screen that a tap names was enrolled.
func (w *Walk) stoodAt(id string) {
	w.must(id == "" || w.enrolledThen(id), "tapped at kiosk %s, which was not enrolled", short(id))
}
