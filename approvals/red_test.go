package approvals

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

func nightly(night string) func() *policy.Plant {
	return sync.OnceValue(func() *policy.Plant {
		pinned := edited(plantText, "ports: {ssh: {accounts: {viewer", "ports: {ssh: {host_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB2Usr139kuZ6rYGMdLox0VMMWPU69aeVI3Cg/binFZ], accounts: {viewer")
		text := pinned + "  - {name: number, when: {zone: line-1, right: look}, ask: [work_order]}\n" + night
		p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
		if err := problems.Err(); err != nil {
			panic(err)
		}
		return p
	})
}

var (
	redPlant    = nightly("calendars: {nights: {weekly: [Mon-Sun 20:00-06:00]}}\nnight: {during: nights, red: [first-visit, network, number]}\n")
	mannedPlant = nightly("night: {without: line-1-owner, red: [first-visit]}\n")
)

// midnight is seven past three on Tuesday, by the plant's clock.
var midnight = time.Date(2026, 11, 24, 2, 7, 0, 0, time.UTC)

func looks(a *Ask) {
	on("filler-plc", "viewer")(a)
	a.Rights, a.WorkOrder, a.Minutes = policy.Look, "WO-7", 30
}

// from is ann at an address.
func (w *world) from(address string) people.Actor {
	a := w.as("ann")
	a.Source = netip.MustParseAddr(address)
	return a
}

// A stranger, from elsewhere, without a number: by night it is asked, with what
// is out of order in the signed text, and the escort with it.
func TestRedByNight(t *testing.T) {
	w := newWorldOf(t, nil, redPlant)
	w.at = midnight
	r, err := w.desk.Submit(w.ctx, w.from("203.0.113.9"), w.ask(looks, func(a *Ask) { a.WorkOrder, a.To = "", a.From.Add(40*time.Hour) }))
	wants(t, err, "")
	d := r.Document
	if !slices.Equal(d.Red.First, []string{"ann"}) || d.Red.Network != "203.0.113.9/32" || !slices.Equal(d.Red.Missing, []string{"work_order"}) || !d.Escort {
		t.Fatalf("%+v", d)
	}
	if span := d.To.Sub(d.From); span > policy.NightSpan {
		t.Fatalf("it goes on for %s", span)
	}
	lines := d.Red.Lines(func(policy.PersonID) string { return "Ann Keller" }, "Krall")
	if want := []string{"First visit of Ann Keller.", "From 203.0.113.9, no network of Krall.", "No work order."}; !slices.Equal(lines, want) {
		t.Fatalf("%q", lines)
	}
	win, err := w.desk.Open(w.ctx, w.as("mia"), w.yes("olaf", r).Window)
	wants(t, err, "")
	decide := func(from string) policy.Decision {
		f, err := w.desk.Facts(w.ctx, win.ID, "ann")
		if err != nil {
			t.Fatal(err)
		}
		return w.plant().Decide(f, policy.Query{Stage: policy.AtAdmit, Source: netip.MustParseAddr(from)}, w.now())
	}
	if d := decide("203.0.113.9"); !d.Allow {
		t.Fatalf("%+v", d)
	}
	if d := decide("203.0.113.8"); d.Rule != "source-network" {
		t.Fatalf("%+v", d)
	}
	c, err := w.desk.Conditions(w.ctx, w.as("mia"), win.ID)
	if err != nil || !c.Escort.Asked {
		t.Fatalf("no escort is asked: %+v %v", c, err)
	}
	_, err = w.desk.Escort(w.ctx, w.as("mia"), win.ID, "took", "")
	wants(t, err, "")
	// She is known from now on: the next request says nothing of it.
	w.pass(time.Hour)
	r, err = w.desk.Submit(w.ctx, w.from("198.51.100.7"), w.ask(looks))
	wants(t, err, "")
	if !r.Document.Red.IsZero() || r.Document.Escort {
		t.Fatalf("%+v", r.Document)
	}
	w.settle()
	w.judge(t)
}

// By day, and for more than looking, each is a wall with the rule's name; and
// somebody of the plant who asks for a stranger knows them.
func TestWallsByDay(t *testing.T) {
	for _, row := range []struct {
		story string
		at    time.Time
		from  string
		ask   func(*Ask)
		rule  string
	}{
		{"a stranger by day", start, "198.51.100.7", looks, "first-visit"},
		{"a stranger by night, to copy", midnight, "198.51.100.7", func(a *Ask) { a.WorkOrder = "WO-7" }, "first-visit"},
	} {
		w := newWorldOf(t, nil, redPlant)
		w.at = row.at
		_, err := w.desk.Submit(w.ctx, w.from(row.from), w.ask(row.ask))
		wants(t, err, row.rule)
	}
	w := newWorldOf(t, nil, redPlant)
	r, err := w.desk.Submit(w.ctx, w.as("mia"), w.ask(looks))
	wants(t, err, "")
	if !r.Document.Red.IsZero() {
		t.Fatalf("%+v", r.Document)
	}
	_, err = w.desk.Open(w.ctx, w.as("mia"), w.yes("olaf", r).Window)
	wants(t, err, "")
	_, err = w.desk.Submit(w.ctx, w.from("203.0.113.9"), w.ask(looks))
	wants(t, err, "source-network")
	_, err = w.desk.Submit(w.ctx, w.from("198.51.100.9"), w.ask(looks, func(a *Ask) { a.WorkOrder = "" }))
	wants(t, err, "fields-missing")
	_, err = w.desk.Submit(w.ctx, w.from("198.51.100.9"), w.ask(looks))
	wants(t, err, "")
	w.judge(t)
}

// Night by the roster: whenever nobody of the team that plans is on duty.
func TestNightByTheRoster(t *testing.T) {
	w := newWorldOf(t, nil, mannedPlant)
	submit := func() (Request, error) { return w.desk.Submit(w.ctx, w.as("ann"), w.ask(looks)) }
	_, err := submit()
	wants(t, err, "first-visit") // no roster is kept: somebody always is
	w.roster(t, "line-1-owner", turn("olaf", 0, time.Hour))
	_, err = submit()
	wants(t, err, "first-visit")
	w.pass(time.Hour)
	r, err := submit()
	wants(t, err, "")
	if !slices.Equal(r.Document.Red.First, []string{"ann"}) {
		t.Fatalf("%+v", r.Document.Red)
	}
	w.judge(t)
}

// Whoever alters what was red, or when, is found by Check or by the walk.
func TestAlteredRedItemsAreFound(t *testing.T) {
	w := newWorldOf(t, nil, redPlant)
	w.at = midnight
	r, err := w.desk.Submit(w.ctx, w.from("203.0.113.9"), w.ask(looks))
	wants(t, err, "")
	plant := w.plant()
	ask := []string{"work_order"}
	for _, row := range []struct {
		story string
		alter func(*evidence.Request)
		says  string
	}{
		{"as it was", func(*evidence.Request) {}, ""},
		{"no escort", func(d *evidence.Request) { d.Escort = false }, "escort"},
		{"an escort for nothing", func(d *evidence.Request) { d.Red = evidence.Red{} }, "escort"},
		{"more than to look", func(d *evidence.Request) { d.Rights = []string{"look", "copy"} }, "nothing but looking"},
		{"for days", func(d *evidence.Request) { d.To = d.From.Add(13 * time.Hour) }, "span"},
		{"of somebody else", func(d *evidence.Request) { d.Red.First = []string{"eve"} }, "who works"},
		{"it says that a number is missing", func(d *evidence.Request) { d.Red.Missing = ask }, "lacks"},
		{"it hides that a number is missing", func(d *evidence.Request) { d.WorkOrder, d.Red.Missing = "", []string{"change"} }, "lacks"},
	} {
		d := r.Document
		row.alter(&d)
		if found := strings.Join(evidence.CheckRed(plant, d, ask), "; "); (found == "") != (row.says == "") || !strings.Contains(found, row.says) {
			t.Errorf("%s: %q", row.story, found)
		}
	}
	{
		if len(evidence.CheckRed(thePlant(), r.Document, nil)) == 0 {
			t.Error("a plant without a night has a red item")
		}
	}
	w.verified()
	w.finds(t, "it was day", func(_ *world, l *audit.Leaf) {
		if b, ok := l.Body.(audit.RequestSubmitted); ok {
			b.At = b.At.Add(6 * time.Hour)
			l.Body, l.Wall = b, l.Wall.Add(6*time.Hour)
		}
	})
	// A text that hides that she was never here.
	hidden := r.Document
	hidden.Red, hidden.Escort = evidence.Red{}, false
	b, err := audit.Canonical(hidden)
	if err != nil {
		t.Fatal(err)
	}
	hash := w.put(b)
	w.finds(t, "was never here", func(_ *world, l *audit.Leaf) {
		if b, ok := l.Body.(audit.RequestSubmitted); ok {
			b.Document = hash
			l.Body = b
		}
	})
}
