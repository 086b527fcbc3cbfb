package approvals

import (
	"crypto/ed25519"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// standingPlant is the kit's plant with a frame for a machine at the historian.
var standingPlant = sync.OnceValue(func() *policy.Plant {
	text := strings.ReplaceAll(plantText, "carries: [ssh]", "carries: [ssh, sftp]") + `
patterns:
  monitor: {assets: [historian], rights: [look, copy], machine: true, open: standing, confirm: every 90d, owners: [ot-security, it-network], why: Monitoring, review: 2027-11-23}
  people:  {assets: [historian], rights: [look, copy], open: shift, longest: 4h, owners: [ot-security, it-network], why: Calls, review: 2027-03-31}
`
	return plantOf(text)
})

// machine lets krall's monitor in with its key, and gives its fingerprint.
func (w *world) machine(t *testing.T, seed byte) string {
	t.Helper()
	inv, err := w.folk.Invite(w.ctx, w.as("olaf"), people.Invitation{Person: "monitor", Firm: "krall", Name: "Krall condition monitor", Machine: true})
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(slices.Repeat([]byte{seed}, 32)).Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.folk.Join(w.ctx, inv.Code, string(ssh.MarshalAuthorizedKey(pub))); err != nil {
		t.Fatal(err)
	}
	if err := w.folk.Confirm(w.ctx, w.as("olaf"), "monitor", ssh.FingerprintSHA256(pub)); err != nil {
		t.Fatal(err)
	}
	return ssh.FingerprintSHA256(pub)
}

// monitors is the ask for it, as long as the frame lets it stand.
func monitors(a *Ask) {
	on("historian", "reader")(a)
	a.Kind, a.People, a.Minutes, a.From, a.To = evidence.Machine, []policy.PersonID{"monitor"}, 0, time.Time{}, time.Time{}
	a.Machine = Machine{Frame: "monitor", Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32")}}
}

// stand goes the whole way to a machine's window that is open.
func (w *world) stand(t *testing.T) Window {
	t.Helper()
	r := w.submit(monitors)
	for _, id := range []policy.PersonID{"sara", "ida"} {
		var err error
		if r, err = w.signs(id, r, yesReply, w.ssh(id), nil); err != nil {
			t.Fatal(err)
		}
	}
	w.settle()
	win, err := w.desk.Window(w.ctx, w.as("sara"), r.Window)
	if err != nil || win.State != WindowOpen {
		t.Fatalf("%+v %v", win, err)
	}
	return win
}

// confirm is a signed extension.
func (w *world) confirm(id policy.PersonID, win policy.WindowID, until time.Time) error {
	a, err := w.desk.DraftExtension(w.ctx, w.stale(id), win, until)
	if err != nil {
		return err
	}
	evidencetest.Signed(w.ssh(id))(&a)
	_, err = w.desk.ExtendSigned(w.ctx, w.stale(id), win, a)
	return err
}

// comes is by which rule the machine is let in, or refused, where it comes from there by this key.
func (w *world) comes(t *testing.T, win policy.WindowID, key, from string) string {
	t.Helper()
	f, err := w.desk.Facts(w.ctx, win, "monitor")
	if err != nil {
		t.Fatal(err)
	}
	return w.plant().Decide(f, policy.Query{Stage: policy.AtAdmit, Source: netip.MustParseAddr(from), Key: key}, w.now()).Rule
}

func TestStandingAgreement(t *testing.T) {
	w := newWorldOf(t, nil, standingPlant)
	key := w.machine(t, 99)
	r := w.submit(monitors)
	if m := r.Document.Machine; m.Key != key || m.Keeper != "ann" || r.Document.Minutes != 90*24*60 || r.Document.Open != "auto" {
		t.Fatalf("the text says %+v", r.Document)
	}
	_, err := w.say("sara", r, evidence.Yes) // the rules let a code be enough for people's work
	wants(t, err, "key-needed")
	_, err = w.say("ann", r, evidence.Yes)
	wants(t, err, "not-plant")

	win := w.stand(t)
	first := win.Until
	if !first.Equal(w.now().Add(90 * day)) {
		t.Fatalf("open until %s", first)
	}
	for _, row := range []struct{ key, from, rule string }{
		{key, "198.51.100.7", "window"}, {key, "198.51.100.8", "standing-network"}, {"SHA256:other", "198.51.100.7", "key-gone"},
	} {
		if got := w.comes(t, win.ID, row.key, row.from); got != row.rule {
			t.Errorf("%v: %s", row, got)
		}
	}
	// nobody else's certificate names it, and the machine's names nothing else
	for id, n := range map[policy.PersonID]int{"monitor": 1, "ann": 0} {
		if list, err := w.desk.OpenFor(w.ctx, id); err != nil || len(list) != n {
			t.Errorf("%s: %v %v", id, list, err)
		}
	}

	// two weeks before its end it is owed, and told once
	w.pass(77 * day)
	w.settle()
	if debts, err := w.desk.Debts(w.ctx, w.as("sara")); err != nil || !slices.ContainsFunc(debts, func(d policy.Debt) bool { return d.Kind == "standing" }) {
		t.Errorf("77 days: %v %v", debts, err)
	}
	w.pass(day)
	w.settle()
	w.settle()
	told := 0
	for _, l := range w.log.leaves() {
		if b, is := l.Body.(audit.EndingTold); is && b.What == "standing "+string(win.ID) && b.Person == "ann" && slices.Equal(b.Teams, []string{"it-network", "ot-security"}) {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}

	// confirmed by an owner's signature, for 90 days and no more
	wants(t, w.confirm("mia", win.ID, w.now().Add(90*day)), "not-on-shift")
	wants(t, w.confirm("ida", win.ID, w.now().Add(91*day)), "extension")
	_, err = w.desk.Extend(w.ctx, w.as("ida"), win.ID, w.now().Add(90*day))
	wants(t, err, "key-needed")
	wants(t, w.confirm("ida", win.ID, w.now().Add(90*day)), "")
	if debts, err := w.desk.Debts(w.ctx, w.as("sara")); err != nil || slices.ContainsFunc(debts, func(d policy.Debt) bool { return d.Kind == "standing" }) {
		t.Errorf("confirmed: %v %v", debts, err)
	}
	w.at = first.Add(time.Hour)
	w.settle()
	if w.state(win.ID) != WindowOpen || w.comes(t, win.ID, key, "198.51.100.7") != "window" {
		t.Fatal("confirmed, and over")
	}
	w.restart()
	if w.comes(t, win.ID, key, "198.51.100.7") != "window" {
		t.Fatal("after a restart it does not count")
	}
	// nobody confirms it: it closes
	w.at = first.Add(79 * day)
	w.settle()
	if w.state(win.ID) != WindowEnded {
		t.Fatalf("unconfirmed it is %s", w.state(win.ID))
	}
	if got := w.comes(t, win.ID, key, "198.51.100.7"); got != "window-ended" {
		t.Error(got)
	}
	w.judge(t)
}

func TestStandingAsksAreRefused(t *testing.T) {
	w := newWorldOf(t, nil, standingPlant)
	_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(monitors))
	wants(t, err, "no-such-machine")
	w.machine(t, 99)
	for story, row := range map[string]struct {
		rule   string
		change func(*Ask)
	}{
		"a person":                  {"no-such-machine", func(a *Ask) { a.People = []policy.PersonID{"bob"} }},
		"two machines":              {"standing", func(a *Ask) { a.People = append(a.People, "ann") }},
		"a frame for people":        {"standing-frame", func(a *Ask) { a.Machine.Frame = "people" }},
		"no frame":                  {"standing-frame", func(a *Ask) { a.Machine.Frame = "" }},
		"another machine":           {"standing-frame", func(a *Ask) { on("filler-plc", "recipes")(a) }},
		"to change values":          {"standing-rights", func(a *Ask) { a.Rights |= policy.Set }},
		"from anywhere":             {"standing-network", func(a *Ask) { a.Machine.Networks = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} }},
		"from nowhere":              {"standing-network", func(a *Ask) { a.Machine.Networks = nil }},
		"from another firm's":       {"standing-network", func(a *Ask) { a.Machine.Networks = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")} }},
		"kept by nobody":            {"no-keeper", func(a *Ask) { a.Machine.Keeper = "nobody" }},
		"kept by another firm's":    {"no-keeper", func(a *Ask) { a.Machine.Keeper = "eve" }},
		"kept by itself":            {"no-keeper", func(a *Ask) { a.Machine.Keeper = "monitor" }},
		"unconfirmed for longer":    {"too-long", func(a *Ask) { a.Minutes = 91 * 24 * 60 }},
		"beyond the frame's review": {"standing-frame", func(a *Ask) { a.To = w.now().Add(366 * day) }},
		"in a list":                 {"no-such-outage", func(a *Ask) { a.Outage = "O-1" }},
		"with a file":               {"standing", func(a *Ask) { a.FileHashes = []audit.Hash{audit.HashOf([]byte("x"))} }},
		"as remote":                 {"standing", func(a *Ask) { a.Kind, a.To, a.Minutes = "", w.now().Add(time.Hour), 60 }},
		"a machine as a person": {"machine", func(a *Ask) {
			a.Kind, a.Machine, a.From, a.To, a.Minutes = "", Machine{}, w.now(), w.now().Add(time.Hour), 60
		}},
	} {
		t.Run(story, func(t *testing.T) {
			_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(monitors, row.change))
			wants(t, err, row.rule)
		})
	}
	_, _, err = w.desk.CallIn(w.ctx, w.as("sara"), w.ask(monitors))
	wants(t, err, "standing")
	_, err = w.desk.Submit(w.ctx, w.as("olaf"), w.ask(monitors)) // the plant names a keeper
	wants(t, err, "no-keeper")

	// a machine does nothing else here
	m := people.Actor{Person: "monitor", Firm: "krall", Machine: true, Proofs: []people.KeyKind{people.SSH}, At: w.now()}
	r := w.submit(monitors)
	_, err = w.desk.Submit(w.ctx, m, w.ask())
	wants(t, err, "machine")
	wants(t, w.desk.Withdraw(w.ctx, m, r.ID, "x"), "machine")
	wants(t, w.folk.Enroll(w.ctx, m, people.Key{Kind: people.TOTP, Sealed: audit.HashOf([]byte("x"))}), "machine")
	_, err = w.folk.Invite(w.ctx, w.as("sara"), people.Invitation{Person: "robot", Firm: "fjord", Name: "Robot", Machine: true})
	wants(t, err, "person-fields")
	_, err = w.folk.Invite(w.ctx, w.as("olaf"), people.Invitation{Person: "bob", Machine: true})
	wants(t, err, "person-there")
	w.judge(t)
}

// What ends it: a cut, its keeper or itself leaving, its firm's end, another key.
func TestStandingEnds(t *testing.T) {
	for story, end := range map[string]func(*testing.T, *world, policy.WindowID){
		"cut": func(t *testing.T, w *world, id policy.WindowID) {
			_, err := w.desk.Cut(w.ctx, w.as("mia"), id, "odd traffic")
			wants(t, err, "")
		},
		"its keeper leaves": func(t *testing.T, w *world, id policy.WindowID) {
			w.stops.then = func() {
				if p, err := w.folk.Person(w.ctx, "ann"); err != nil || p.Disabled {
					t.Errorf("the row came before the effect: %+v %v", p, err)
				}
			}
			l, err := w.desk.LeavingOf(w.ctx, w.as("olaf"), "ann")
			if err != nil || !slices.Equal(l.Ended, []policy.WindowID{id}) {
				t.Errorf("the preview says %+v %v", l, err)
			}
			w.stops.then = nil
			if _, err := w.desk.Leave(w.ctx, w.as("olaf"), "ann", "left"); err != nil {
				t.Fatal(err)
			}
			if told := w.stops.told(); !slices.Contains(told, "stop "+string(id)) {
				t.Errorf("the broker was told %q", told)
			}
		},
		"the machine is taken out": func(t *testing.T, w *world, id policy.WindowID) {
			_, err := w.desk.Leave(w.ctx, w.as("olaf"), "monitor", "scrapped")
			wants(t, err, "")
		},
		"its firm ends": func(t *testing.T, w *world, id policy.WindowID) {
			_, err := w.desk.EndFirm(w.ctx, w.as("sara"), "krall", "over")
			wants(t, err, "")
		},
	} {
		t.Run(story, func(t *testing.T) {
			w := newWorldOf(t, nil, standingPlant)
			key := w.machine(t, 99)
			win := w.stand(t)
			end(t, w, win.ID)
			if s := w.state(win.ID); s != WindowEnded && s != WindowCut {
				t.Errorf("it is %s", s)
			}
			if got := w.comes(t, win.ID, key, "198.51.100.7"); got == "window" {
				t.Error("it comes in")
			}
			w.judge(t)
		})
	}
	// a new key is no key of this agreement
	w := newWorldOf(t, nil, standingPlant)
	old := w.machine(t, 99)
	win := w.stand(t)
	fresh := w.machine(t, 98)
	for key, rule := range map[string]string{old: "key-gone", fresh: "standing-key"} {
		if got := w.comes(t, win.ID, key, "198.51.100.7"); got != rule {
			t.Errorf("%s, want %s", got, rule)
		}
	}
	w.judge(t)
}

// An island and a block hold it like everything else, and it is there again after.
func TestStandingIsBlocked(t *testing.T) {
	w := newWorldOf(t, nil, standingPlant)
	key := w.machine(t, 99)
	win := w.stand(t)
	if _, err := w.desk.Island(w.ctx, w.as("sara"), "", "incident"); err != nil {
		t.Fatal(err)
	}
	if got := w.comes(t, win.ID, key, "198.51.100.7"); got != "blocked" && got != "window-cut" {
		t.Error(got)
	}
	w.verified()
}

// What somebody with the log could write: the verifier finds each.
func TestStandingIsRecomputed(t *testing.T) {
	instead := func(of string, body func(policy.WindowID) audit.Body, l *audit.Leaf) {
		if b, is := l.Body.(audit.WindowMoved); is && b.To == of {
			l.Body = body(policy.WindowID(b.Window))
		}
	}
	cert := func(id policy.WindowID) audit.Body {
		return audit.CertIssued{CA: "in", Serial: "1", Person: "monitor", Key: "SHA256:x", Names: []string{"monitor"}, Windows: []string{string(id)}}
	}
	for _, row := range []struct {
		story, finding string
		change         func(*world, *audit.Leaf)
	}{
		{"nothing", "", asItIs},
		{"the claim has another key", "differ in what holds the machine", claimed(func(c *evidence.WindowClaim) { c.Machine.Key = "SHA256:x" })},
		{"the claim has another network", "differ in what holds the machine", claimed(func(c *evidence.WindowClaim) { c.Machine.Networks = []string{"198.51.100.0/24"} })},
		{"the claim hides the machine", "claim", claimed(func(c *evidence.WindowClaim) { c.Machine = evidence.Bound{} })},
		{"the machine was invited as a person", "is a machine: false", func(_ *world, l *audit.Leaf) {
			if b, is := l.Body.(audit.PersonInvited); is {
				b.Machine = false
				l.Body = b
			}
		}},
		{"its firm never had this network", "is bound to the network 198.51.100.7/32, which is none of krall", func(w *world, l *audit.Leaf) {
			if b, is := l.Body.(audit.LogCreated); is {
				text, err := w.docs.Get(w.ctx, b.Bootstrap)
				w.ok(err)
				b.Bootstrap = w.put([]byte(strings.ReplaceAll(string(text), "198.51.100.", "203.0.113.")))
				l.Body = b
			}
		}},
		{"it opens for longer", "by its minutes and span it ends at", func(_ *world, l *audit.Leaf) {
			if b, is := l.Body.(audit.WindowMoved); is && b.To == "opened" {
				b.Until = b.Until.Add(day)
				l.Body = b
			}
		}},
		{"a certificate for another key", "and the certificate is for", func(_ *world, l *audit.Leaf) { instead("paused", cert, l) }},
		{"it came from elsewhere", "and it came from 198.51.100.8", func(_ *world, l *audit.Leaf) {
			instead("paused", cert, l)
			instead("cut", func(id policy.WindowID) audit.Body {
				return audit.SessionStarted{Session: "S-1", Person: "monitor", Firm: "krall", Windows: []string{string(id)}, Source: "198.51.100.8", Serial: "1", Mode: "readable"}
			}, l)
		}},
	} {
		t.Run(row.story, func(t *testing.T) {
			w := newWorldOf(t, nil, standingPlant)
			w.machine(t, 99)
			win := w.stand(t)
			_, err := w.desk.Pause(w.ctx, w.as("mia"), win.ID, "look")
			wants(t, err, "")
			_, err = w.desk.Cut(w.ctx, w.as("mia"), win.ID, "looked")
			wants(t, err, "")
			w.finds(t, row.finding, row.change)
		})
	}
}
