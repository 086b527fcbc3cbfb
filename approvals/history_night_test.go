package approvals

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/approvals/evidence"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// wakefulPlant has a night with its red items, a backup that loading wants, and
// an emergency.
var wakefulPlant = nightly(`  - {name: fresh, when: {zone: line-1, right: load}, backup: 30d}
calendars: {nights: {weekly: [Mon-Sun 20:00-06:00]}}
night: {during: nights, red: [first-visit, network, number]}
emergency: {agree: [shift], starts_as: [look], second_tap: [copy], longest: 2h, tell: [ot-security], review: 3d, notice_above: 4 in 30d}
`)

// Strangers and friends ask by night and by day, people answer while others
// withdraw, revise, cut and extend in the same moment, machines are backed up and
// grow old, emergencies come, disks fail: no history has a red item by day or for
// more than looking, a hidden first visit, or a load without a young backup.
func TestNightHistories(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorldOf(t, nil, wakefulPlant)
		w.at = w.at.Add(time.Duration(rapid.IntRange(0, 47).Draw(t, "begins")) * 30 * time.Minute)
		m := machine{w}
		m.before(t)
		t.Repeat(map[string]func(*rapid.T){
			"ask": m.nightAsk, "ask2": m.nightAsk, "ask3": m.nightAsk, "yes": m.yes, "yes2": m.yes, "open": m.open, "open2": m.open,
			"race": m.race, "race2": m.race, "window": m.window, "extend": m.extend, "backup": m.backup, "debts": m.debts,
			"step up": func(t *rapid.T) {
				_, err := w.desk.StepUp(w.ctx, m.who(t), m.windowID(t), policy.Look|policy.Copy)
				m.try(t, err)
			},
			"hours": func(t *rapid.T) {
				w.pass(time.Duration(rapid.IntRange(1, 9).Draw(t, "hours")) * time.Hour)
				m.settles(t)
			},
			"time": m.time, "crash": m.crash, "duty": m.duty,
			"": func(t *rapid.T) { w.truth(t) },
		})
		w.restart()
		w.settle()
		w.judge(t)
		if err := w.awake(seen); err != nil {
			t.Fatal(err)
		}
		reached(seen, w)
	})
	reachedAll(t, seen, "red", "red and open", "load opened", "backup", "stepped", "raced", "agreed", "opened")
	t.Log(seen)
}

func (m machine) settles(t *rapid.T) {
	if _, err := m.w.desk.settle(m.w.ctx, map[string]head{}); err != nil {
		m.try(t, err)
	}
}

// before brings some histories to a stranger who is let in by night, to a load
// with a young backup, or to an emergency with its second tap.
func (m machine) before(t *rapid.T) {
	w := m.w
	opened := func(by policy.PersonID, yes string, change func(*Ask)) policy.WindowID {
		r, err := w.desk.Submit(w.ctx, w.as(by), w.ask(change))
		if err != nil {
			t.Fatalf("submit: %v", err)
		}
		for _, who := range strings.Fields(yes) {
			r = w.yes(policy.PersonID(who), r)
		}
		if _, err := w.desk.Open(w.ctx, w.as("mia"), r.Window); err != nil {
			t.Fatalf("open: %v", err)
		}
		return r.Window
	}
	if rapid.Bool().Draw(t, "a stranger before") {
		for hour := w.now().In(w.plant().Location()).Hour(); hour >= 6 && hour < 20; hour = w.now().In(w.plant().Location()).Hour() {
			w.pass(time.Hour)
		}
		opened("ann", "olaf", looks)
	}
	if rapid.Bool().Draw(t, "backed up before") {
		m.try(t, w.desk.BackedUp(w.ctx, w.as("mia"), "filler-plc", w.now().Add(-29*24*time.Hour), "", ""))
		opened("mia", "olaf sara", two)
	}
	if rapid.Bool().Draw(t, "grown old before") { // young when it was asked, and old when the shift comes to open it
		m.try(t, w.desk.BackedUp(w.ctx, w.as("mia"), "filler-plc", w.now().Add(-30*24*time.Hour+time.Hour), "", ""))
		if r, err := w.desk.Submit(w.ctx, w.as("mia"), w.ask(two)); err == nil {
			r = w.yes("sara", w.yes("olaf", r))
			w.pass(2 * time.Hour)
			m.settles(t)
			_, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
			m.try(t, err)
		}
	}
	if rapid.Bool().Draw(t, "an emergency before") {
		id := opened("mia", "max", func(a *Ask) {
			on("filler-plc", "recipes")(a)
			a.Kind, a.Happening, a.WorkOrder, a.Rights = evidence.Emergency, policy.NowStopped, "F-417", policy.Look|policy.Copy
		})
		_, err := w.desk.StepUp(w.ctx, w.as("mia"), id, policy.Look|policy.Copy)
		m.try(t, err)
	}
}

// nightAsk is ann's or bob's, from the firm's network or not, with a number or
// without; sometimes the plant's, an emergency, or for more than looking.
func (m machine) nightAsk(t *rapid.T) {
	by := rapid.SampledFrom([]policy.PersonID{"ann", "ann", "bob", "mia"}).Draw(t, "by")
	a := m.w.ask(looks)
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0:
		a = m.w.ask(two)
	case 1:
		a = m.w.ask(func(a *Ask) { a.WorkOrder = "WO-7" })
	case 2:
		a.Kind, a.Rights = evidence.Emergency, policy.Look|policy.Copy
		on("filler-plc", "recipes")(&a)
	}
	if cast[by].firm == "krall" {
		a.People = []policy.PersonID{by}
	}
	if rapid.IntRange(0, 2).Draw(t, "number") == 0 {
		a.WorkOrder = ""
	}
	actor := m.w.as(by)
	actor.Source = netip.MustParseAddr(rapid.SampledFrom([]string{"198.51.100.7", "203.0.113.9", "2001:db8::9"}).Draw(t, "from"))
	_, err := m.w.desk.Submit(m.w.ctx, actor, a)
	m.try(t, err)
}

// race lets two people do things to one request and its window at once. Whoever
// is slower is refused, or looks anew.
func (m machine) race(t *rapid.T) {
	r, ok := m.current(t)
	if !ok || m.w.log.fail != "" || m.w.store.fail != "" { // a fault in two at once is not one step's
		return
	}
	w, d := m.w, m.w.desk
	all := []func() error{
		func() error {
			_, err := d.Answer(w.ctx, w.as("olaf"), r.ID, r.Hash, Reply{Says: evidence.Yes})
			return err
		},
		func() error {
			_, err := d.Answer(w.ctx, w.as("max"), r.ID, r.Hash, Reply{Says: evidence.No, Why: "no"})
			return err
		},
		func() error { return d.Withdraw(w.ctx, w.as("ann"), r.ID, "") },
		func() error { _, err := d.Revise(w.ctx, w.as("ann"), r.ID, w.ask(looks)); return err },
		func() error { _, err := d.Open(w.ctx, w.as("mia"), r.Window); return err },
		func() error { _, err := d.Cut(w.ctx, w.as("max"), r.Window, "x"); return err },
		func() error { _, err := d.Extend(w.ctx, w.as("mia"), r.Window, w.now().Add(time.Hour)); return err },
		func() error { _, err := d.Narrow(w.ctx, w.as("mia"), r.Window, policy.Look, "x"); return err },
	}
	errs := make([]error, rapid.IntRange(2, 3).Draw(t, "at once"))
	var both sync.WaitGroup
	for i := range errs {
		one := rapid.SampledFrom(all).Draw(t, "one")
		both.Go(func() { errs[i] = one() })
	}
	both.Wait()
	for _, err := range errs {
		if !errors.Is(err, state.ErrConflict) {
			m.try(t, err)
		}
	}
	w.settle()
	w.raced++
}

func (m machine) backup(t *rapid.T) {
	asset := rapid.SampledFrom([]policy.AssetName{"filler-plc", "historian"}).Draw(t, "asset")
	days := rapid.IntRange(0, 40).Draw(t, "days")
	m.try(t, m.w.desk.BackedUp(m.w.ctx, m.who(t), asset, m.w.now().Add(-time.Duration(days)*24*time.Hour), "", ""))
}

func (m machine) debts(t *rapid.T) {
	if rapid.Bool().Draw(t, "anew") {
		m.w.desk.owedAnew()
	}
	_, err := m.w.desk.settleDebts(m.w.ctx)
	m.try(t, err)
}

// awake holds the whole log to the night by reckoning of its own: hours of the
// clock in Kiel, a list of who was here, and one of backups.
func (w *world) awake(seen map[string]int) error {
	zone := w.plant().Location()
	was, last := map[string]bool{}, time.Time{}
	texts, claims, rights := map[string]evidence.Request{}, map[string]evidence.WindowClaim{}, map[string]evidence.Request{}
	load := func(list []string) bool { return slices.Contains(list, "load") }
	young := func(at time.Time) bool { return !last.IsZero() && at.Sub(last) <= 30*24*time.Hour }
	for _, leaf := range w.log.leaves() {
		b := leaf.Body
		if again, is := b.(audit.RequestRevised); is {
			b = audit.RequestSubmitted(again)
		}
		switch b := b.(type) {
		case audit.AssetBackup:
			if b.Asset == "filler-plc" {
				last = b.Last
			}
		case audit.RequestSubmitted:
			text, err := w.docs.Get(w.ctx, b.Document)
			if err != nil {
				return err
			}
			d, err := evidence.ParseRequest(text)
			if err != nil {
				return err
			}
			texts[b.Request] = d
			hour := leaf.Wall.In(zone).Hour()
			night := hour >= 20 || hour < 6
			looking := slices.Equal(d.Rights, []string{"look"})
			stranger := cast[policy.PersonID(d.By)].firm != "fjord" && slices.ContainsFunc(d.People, func(p string) bool { return !was[p] })
			red := len(d.Red.First)+len(d.Red.Missing) > 0 || d.Red.Network != ""
			switch {
			case red && (!night || !looking || !d.Escort):
				return fmt.Errorf("%s is red at %d o'clock, for %q, escort %t", d.Request, hour, d.Rights, d.Escort)
			case stranger != (len(d.Red.First) > 0):
				return fmt.Errorf("%s: a first visit %t, and it says %q", d.Request, stranger, d.Red.First)
			case (d.WorkOrder == "") != slices.Contains(d.Red.Missing, "work_order") && !strings.Contains(d.Assets[0].Asset, "historian"):
				return fmt.Errorf("%s: work order %q, missing %q", d.Request, d.WorkOrder, d.Red.Missing)
			case d.Red.Network != "" && strings.HasPrefix(d.Red.Network, "198.51.100."):
				return fmt.Errorf("%s: the firm's own network is red", d.Request)
			case load(d.Rights) && !young(leaf.Wall):
				return fmt.Errorf("%s loads with the backup of %s", d.Request, last)
			}
			if red {
				seen["red"]++
			}
		case audit.WindowAgreed:
			text, err := w.docs.Get(w.ctx, b.Claim)
			if err != nil {
				return err
			}
			c, err := evidence.ParseClaim(text)
			if err != nil {
				return err
			}
			claims[b.Window], rights[b.Window] = c, texts[b.Request]
		case audit.WindowMoved:
			c, d := claims[b.Window], rights[b.Window]
			if b.To == "opened" {
				for _, p := range c.People {
					was[p] = true
				}
				if load(c.Rights) && !young(leaf.Wall) {
					return fmt.Errorf("%s opened with the backup of %s", b.Window, last)
				}
				if load(c.Rights) {
					seen["load opened"]++
				}
				if !d.Red.IsZero() {
					seen["red and open"]++
				}
			}
			if c.Escort != d.Escort || c.Network != d.Red.Network {
				return fmt.Errorf("%s: its escort and network are not the request's", b.Window)
			}
		}
	}
	seen["raced"] += w.raced
	return nil
}
