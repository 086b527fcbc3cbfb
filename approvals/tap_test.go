package approvals

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// atKiosk is somebody who says at a kiosk that this is they, and has proved nothing.
func (w *world) atKiosk(id policy.PersonID, kiosk people.Actor) people.Actor {
	c := cast[id]
	return people.Actor{Person: id, Firm: c.firm, Plant: c.firm == "fjord", Roles: c.roles, Screen: kiosk.Person}
}

// tapped signs what a draft gave.
func tapped(p *evidencetest.Passkey, a evidence.Answer, err error) evidence.Answer {
	if err != nil {
		panic(err)
	}
	evidencetest.Signed(p.Sign)(&a)
	return a
}

// screen is a plant of keys with a kiosk, where mia and max have passkeys, and a
// window that mia may open.
func screen(t *testing.T) (w *world, kiosk people.Actor, mia, max *evidencetest.Passkey, win policy.WindowID) {
	t.Helper()
	w = newWorldOf(t, nil, signedPlant)
	kiosk, _ = w.kiosk(t)
	mia, max = evidencetest.NewPasskey("mia"), evidencetest.NewPasskey("max")
	w.enrol(t, "mia", "sven", mia)
	w.enrol(t, "max", "sven", max)
	r, err := w.signs("olaf", w.submit(), yesReply, w.ssh("olaf"), nil)
	if err != nil || r.Window == "" {
		t.Fatalf("not agreed: %v", err)
	}
	return w, kiosk, mia, max, r.Window
}

// At a kiosk a yes, an opening, a going on and a taking over are one tap each,
// over exactly that, and the verifier finds them so.
func TestATapGivesWhatItSays(t *testing.T) {
	w, kiosk, mia, max, _ := screen(t)
	asMax, asMia := w.atKiosk("max", kiosk), w.atKiosk("mia", kiosk)
	r := w.submit()
	a, err := w.desk.Draft(w.ctx, asMax, r.ID, r.Hash, Reply{Says: evidence.Yes, Limits: evidence.Limits{Minutes: 30}})
	yes := tapped(max, a, err)
	r, err = w.desk.Answer(w.ctx, asMax, r.ID, r.Hash, Reply{Signed: &yes})
	if err != nil || r.Window == "" || yes.Kiosk != "K-1" {
		t.Fatalf("a yes by a tap: %v %+v", err, r)
	}
	a, err = w.desk.DraftTap(w.ctx, asMia, r.Window, evidence.Opens)
	win, err := w.desk.OpenTapped(w.ctx, asMia, r.Window, tapped(mia, a, err))
	if err != nil || win.Until.Sub(w.now()) != 30*time.Minute {
		t.Fatalf("opened to %s: %v", win.Until, err)
	}
	_, err = w.desk.Pause(w.ctx, kiosk, r.Window, "guard door")
	wants(t, err, "")
	a, err = w.desk.DraftTap(w.ctx, asMia, r.Window, evidence.GoesOn)
	win, err = w.desk.GoOnTapped(w.ctx, asMia, r.Window, tapped(mia, a, err))
	if err != nil || win.State != WindowOpen {
		t.Fatalf("going on: %v %s", err, win.State)
	}
	h := w.offered(15 * time.Minute)
	a, err = w.desk.DraftTakeOver(w.ctx, asMax, h.ID, []policy.WindowID{r.Window})
	h, err = w.desk.TakeOverTapped(w.ctx, asMax, h.ID, []policy.WindowID{r.Window}, tapped(max, a, err))
	if err != nil || h.Left() != 0 {
		t.Fatalf("taking over: %v, %d left", err, h.Left())
	}
	noFindings(t, w)
	w.judge(t)
}

// On a page of their own a tap stands for a code, and is checked like the others.
func TestATapStandsForACode(t *testing.T) {
	w, _, mia, max, win := screen(t)
	as := w.stale("mia")
	_, err := w.desk.Open(w.ctx, as, win)
	wants(t, err, "code-needed")
	a, err := w.desk.DraftTap(w.ctx, as, win, evidence.Opens)
	_, err = w.desk.OpenTapped(w.ctx, as, win, tapped(mia, a, err))
	wants(t, err, "")
	h := w.offered(15 * time.Minute)
	a, err = w.desk.DraftTakeOver(w.ctx, w.stale("max"), h.ID, []policy.WindowID{win})
	if _, err := w.desk.TakeOverTapped(w.ctx, w.stale("max"), h.ID, []policy.WindowID{win}, tapped(max, a, err)); err != nil {
		t.Error(err)
	}
	noFindings(t, w)
	w.judge(t)
}

// A yes that was the last one opens by the same tap, and by no older one.
func TestAYesOpensByItsTap(t *testing.T) {
	w, kiosk, _, max, _ := screen(t)
	as := w.atKiosk("max", kiosk) // holds both roles
	give := func() (policy.WindowID, evidence.Answer) {
		r := w.submit()
		a, err := w.desk.Draft(w.ctx, as, r.ID, r.Hash, yesReply)
		yes := tapped(max, a, err)
		if r, err = w.desk.Answer(w.ctx, as, r.ID, r.Hash, Reply{Signed: &yes}); err != nil || r.Window == "" {
			t.Fatalf("not agreed: %v", err)
		}
		return r.Window, yes
	}
	win, yes := give()
	_, err := w.desk.OpenTapped(w.ctx, as, win, yes)
	wants(t, err, "")
	second, _ := give()
	_, err = w.desk.OpenTapped(w.ctx, as, second, yes)
	wants(t, err, "signed-other")
	third, late := give()
	w.pass(tapGood + time.Second)
	_, err = w.desk.OpenTapped(w.ctx, as, third, late)
	wants(t, err, "signed-other")
	noFindings(t, w)
}

// A screen that somebody has taken over cannot spend a tap on anything else, nor
// twice, nor later, nor without one.
func TestATapIsForNothingElse(t *testing.T) {
	w, kiosk, mia, max, win := screen(t)
	other, err := w.signs("olaf", w.submit(), yesReply, w.ssh("olaf"), nil)
	if err != nil {
		t.Fatal(err)
	}
	as := w.atKiosk("mia", kiosk)
	a, err := w.desk.DraftTap(w.ctx, as, win, evidence.Opens)
	open := tapped(mia, a, err)
	openIt := func(by people.Actor, id policy.WindowID, tap evidence.Answer) error {
		_, err := w.desk.OpenTapped(w.ctx, by, id, tap)
		return err
	}
	changed := func(do func(*evidence.Answer)) evidence.Answer {
		b := open
		do(&b)
		return b
	}
	unseen := *mia
	unseen.Flags = 1
	stranger := as
	stranger.Screen = "K-7"
	for story, row := range map[string]struct {
		err  error
		want string
	}{
		"another window":              {openIt(as, other.Window, open), "signed-other"},
		"more minutes":                {openIt(as, win, changed(func(a *evidence.Answer) { a.Limits.Minutes = 90 })), "signed-other"},
		"more rights":                 {openIt(as, win, changed(func(a *evidence.Answer) { a.Limits.Rights = []string{"look"} })), "signed-other"},
		"another revision":            {openIt(as, win, changed(func(a *evidence.Answer) { a.Rev++ })), "signed-other"},
		"another screen":              {openIt(as, win, changed(func(a *evidence.Answer) { a.Kiosk = "K-2" })), "signed-other"},
		"at a screen not enrolled":    {openIt(stranger, win, open), "not-enrolled"},
		"on a person's own page":      {openIt(w.as("mia"), win, open), "signed-other"},
		"another's tap":               {openIt(as, win, tapped(max, a, nil)), "no-such-key"},
		"without finger or PIN":       {openIt(as, win, tapped(&unseen, a, nil)), "bad-signature"},
		"in another's name":           {openIt(w.atKiosk("max", kiosk), win, open), "signed-other"},
		"a key that is not a passkey": {openIt(as, win, changed(func(a *evidence.Answer) { evidencetest.Signed(w.ssh("mia"))(a) })), "tap"},
		"an extension's answer":       {openIt(as, win, changed(func(a *evidence.Answer) { a.Says = evidence.Extend })), "signed-other"},
		"without a tap, to open":      {func() error { _, err := w.desk.Open(w.ctx, as, win); return err }(), "tap-needed"},
		"without a tap, to cut":       {func() error { _, err := w.desk.Cut(w.ctx, as, win, ""); return err }(), "tap-needed"},
		"without a tap, to answer":    {func() error { r := w.submit(); _, err := w.desk.Answer(w.ctx, as, r.ID, r.Hash, yesReply); return err }(), "not-asked"},
		"without a tap, to say yes": {func() error {
			r := w.submit()
			_, err := w.desk.Answer(w.ctx, w.atKiosk("max", kiosk), r.ID, r.Hash, yesReply)
			return err
		}(), "tap-needed"},
		"without a tap, to say no": {func() error {
			r := w.submit()
			_, err := w.desk.Answer(w.ctx, w.atKiosk("max", kiosk), r.ID, r.Hash, Reply{Says: evidence.No})
			return err
		}(), "tap-needed"},
	} {
		if rule(row.err) != row.want {
			t.Errorf("%s: %v, want %q", story, row.err, row.want)
		}
	}
	if w.state(win) != WindowAgreed {
		t.Fatalf("it is %s", w.state(win))
	}
	wants(t, openIt(as, win, open), "")
	if err := openIt(as, win, open); rule(err) == "" {
		t.Error("it opens twice")
	}

	// A going on is for this one pause.
	pause := func() {
		if _, err := w.desk.Pause(w.ctx, kiosk, win, "x"); err != nil {
			t.Fatal(err)
		}
	}
	goOn := func(tap evidence.Answer) error { _, err := w.desk.GoOnTapped(w.ctx, as, win, tap); return err }
	pause()
	wants(t, goOn(open), "signed-other")
	a, err = w.desk.DraftTap(w.ctx, as, win, evidence.GoesOn)
	on := tapped(mia, a, err)
	wants(t, goOn(on), "")
	pause()
	wants(t, goOn(on), "signed-other")
	a, err = w.desk.DraftTap(w.ctx, as, win, evidence.GoesOn)
	late := tapped(mia, a, err)
	w.pass(signGood + time.Second)
	wants(t, goOn(late), "signed-late")
	a, err = w.desk.DraftTap(w.ctx, as, win, evidence.GoesOn)
	last := tapped(mia, a, err)
	wants(t, w.desk.RevokeKiosk(w.ctx, w.as("sara"), "K-1", "stolen"), "")
	wants(t, goOn(last), "not-enrolled")
	noFindings(t, w)
}

// Of a handover a tap takes what was ticked, once.
func TestATapTakesWhatWasTicked(t *testing.T) {
	w, kiosk, mia, max, win := screen(t)
	as, first := w.atKiosk("max", kiosk), w.atKiosk("mia", kiosk)
	second, err := w.signs("olaf", w.submit(), yesReply, w.ssh("olaf"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []policy.WindowID{win, second.Window} {
		a, err := w.desk.DraftTap(w.ctx, first, id, evidence.Opens)
		if _, err := w.desk.OpenTapped(w.ctx, first, id, tapped(mia, a, err)); err != nil {
			t.Fatal(err)
		}
	}
	h := w.offered(15 * time.Minute)
	both := []policy.WindowID{win, second.Window}
	a, err := w.desk.DraftTakeOver(w.ctx, as, h.ID, both[:1])
	one := tapped(max, a, err)
	take := func(ids []policy.WindowID, tap evidence.Answer) error {
		_, err := w.desk.TakeOverTapped(w.ctx, as, h.ID, ids, tap)
		return err
	}
	wants(t, take(both, one), "signed-other")
	_, err = w.desk.TakeOver(w.ctx, as, h.ID, both)
	wants(t, err, "tap-needed")
	wants(t, take(both[:1], one), "")
	wants(t, take(both[1:], one), "signed-other")
	noFindings(t, w)
}

// Whoever writes leaves as the broker does, and not with the person's key, is found.
func TestTheVerifierFindsAFalseTap(t *testing.T) {
	w, kiosk, mia, max, win := screen(t)
	as := w.atKiosk("mia", kiosk)
	a, err := w.desk.DraftTap(w.ctx, as, win, evidence.Opens)
	open := tapped(mia, a, err)
	if _, err := w.desk.OpenTapped(w.ctx, as, win, open); err != nil {
		t.Fatal(err)
	}
	h := w.offered(15 * time.Minute)
	a, err = w.desk.DraftTakeOver(w.ctx, w.atKiosk("max", kiosk), h.ID, []policy.WindowID{win})
	if _, err := w.desk.TakeOverTapped(w.ctx, w.atKiosk("max", kiosk), h.ID, []policy.WindowID{win}, tapped(max, a, err)); err != nil {
		t.Fatal(err)
	}
	noFindings(t, w)
	put := func(v any) audit.Hash {
		b, err := audit.Canonical(v)
		if err != nil {
			t.Fatal(err)
		}
		return w.put(b)
	}
	signed := func(do func(*evidence.Answer)) audit.Hash { // by mia's own key, over something else
		b := open
		do(&b)
		evidencetest.Signed(mia.Sign)(&b)
		return put(b)
	}
	opened := func(answer audit.Hash) func(audit.Body) audit.Body {
		return func(b audit.Body) audit.Body {
			if m, ok := b.(audit.WindowMoved); ok && m.To == "opened" {
				m.Answer = answer
				return m
			}
			return b
		}
	}
	unsigned := open
	unsigned.Limits.Minutes = 90
	for story, row := range map[string]struct {
		alter func(audit.Body) audit.Body
		want  string
	}{
		"with other words":   {opened(put(unsigned)), "what was signed is not this text"},
		"more minutes":       {opened(signed(func(a *evidence.Answer) { a.Limits.Minutes = 90 })), "90 minutes"},
		"other rights":       {opened(signed(func(a *evidence.Answer) { a.Limits.Rights = []string{"look"} })), "the window has"},
		"an older state":     {opened(signed(func(a *evidence.Answer) { a.Rev++ })), "revision"},
		"another window":     {opened(signed(func(a *evidence.Answer) { a.Window = "W-9" })), "and not W-1"},
		"at no kiosk":        {opened(signed(func(a *evidence.Answer) { a.Kiosk = "K-4" })), "kiosk K-4, which was not enrolled"},
		"another's":          {opened(signed(func(a *evidence.Answer) { a.Person = "max" })), "by a tap of max"},
		"of an hour earlier": {opened(signed(func(a *evidence.Answer) { a.At = a.At.Add(-time.Hour) })), "kept and sent late"},
		"a going on":         {opened(signed(func(a *evidence.Answer) { a.Says, a.Limits.Minutes, a.Until = evidence.GoesOn, 0, a.DecideBy })), "it says go-on"},
		"a yes to something else": {opened(signed(func(a *evidence.Answer) {
			a.Says, a.Window, a.Rev, a.Limits = evidence.Yes, "", 0, evidence.Limits{}
		})), "not one of those"},
		"taken over by another's": {func(b audit.Body) audit.Body {
			if m, ok := b.(audit.HandoverAccepted); ok {
				m.Answer = put(open)
				return m
			}
			return b
		}, "by another's tap"},
		"taken over by less than all that is named": {func(b audit.Body) audit.Body {
			if m, ok := b.(audit.HandoverAccepted); ok {
				m.Text = put(evidence.Taking{V: 1, Handover: "H-1", Windows: []string{"W-1", "W-2"}, Rev: 1, Plant: audit.HashOf(signedPlant().Document())})
				return m
			}
			return b
		}, "what was tapped differ"},
	} {
		t.Run(story, func(t *testing.T) {
			w.finds(t, row.want, func(_ *world, l *audit.Leaf) { l.Body = row.alter(l.Body) })
		})
	}
}
