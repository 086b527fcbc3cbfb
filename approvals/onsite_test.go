package approvals

import (
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// beside is ann's laptop at the filler, to look and take files out.
func beside(a *Ask) {
	a.Kind, a.Laptop, a.Targets = evidence.OnSite, "laptop 07", []policy.Target{{Asset: "filler-plc"}}
}

func TestOnSite(t *testing.T) {
	w := newWorld(t, nil)
	for _, row := range []struct {
		rule   string
		change func(*Ask)
	}{
		{"on-site-laptop", func(a *Ask) { a.Laptop = " " }},
		{"on-site", func(a *Ask) { a.Targets[0].Port = "ssh" }},
		{"on-site", func(a *Ask) { a.FileHashes = []audit.Hash{audit.HashOf([]byte("x"))} }},
		{"on-site", func(a *Ask) { a.Kind = "" }},
		{"no-rule", func(a *Ask) { a.Rights = policy.Device }},
		{"too-long", func(a *Ask) { a.Minutes = 8*60 + 1; a.To = a.To.Add(8 * time.Hour) }},
	} {
		_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(beside, row.change))
		wants(t, err, row.rule)
	}
	_, _, err := w.desk.CallIn(w.ctx, w.as("olaf"), w.ask(beside))
	wants(t, err, "on-site")

	asked, err := w.desk.Submit(w.ctx, w.as("mia"), w.ask(beside, func(a *Ask) {
		a.Targets = []policy.Target{{Asset: "chiller"}} // its rule lets the vendor's first use open
	}))
	wants(t, err, "")
	if d := asked.Document; d.Open != "shift" || d.Laptop != "laptop 07" || !strings.Contains(d.Stopper, "Nobody") {
		t.Fatalf("the text says %+v", d)
	}

	win := w.open(beside)
	if win.Claim.Laptop != "laptop 07" || win.State != WindowOpen || !win.Until.Equal(w.now().Add(time.Hour)) {
		t.Fatalf("opened as %+v", win)
	}
	// no certificate and no connection
	list, err := w.desk.OpenFor(w.ctx, "ann")
	if err != nil || len(list) > 0 {
		t.Errorf("a certificate would be for %v (%v)", list, err)
	}
	for _, stage := range []policy.Stage{policy.AtAdmit, policy.AtChannel, policy.AtOperation} {
		facts, err := w.desk.Facts(w.ctx, win.ID, "ann")
		wants(t, err, "")
		facts.Person.Networks = nil
		facts.Person.Plant = true // no network keeps them out
		d := w.plant().Decide(facts, policy.Query{Stage: stage, Asset: "filler-plc", Port: "ssh", Account: "recipes", Rights: policy.Look | policy.Copy}, w.now())
		if d.Rule != "on-site" {
			t.Errorf("stage %d: allow %t by %s", stage, d.Allow, d.Rule)
		}
	}
	w.restart()
	if f, err := w.desk.Facts(w.ctx, win.ID, "ann"); err != nil || !f.Window.OnSite || !f.Window.Live {
		t.Fatalf("after a restart: %+v, %v", f.Window, err)
	}
	w.pass(61 * time.Minute)
	w.settle()
	if w.state(win.ID) != WindowEnded {
		t.Fatalf("after its end it is %s", w.state(win.ID))
	}
	_, err = w.desk.HandBack(w.ctx, w.as("ann"), win.ID, "Valve replaced")
	wants(t, err, "")
	if w.state(win.ID) == WindowClosed {
		t.Fatal("closed before the plant took it")
	}
	w.verified()
	w.judge(t)

	w.noted(t, `on site, not recorded: ["ann"] work at the machine with the laptop "laptop 07"`)
}

// An island and a block keep it from being opened; a cut takes it from the board.
func TestOnSiteIsTakenLikeAnyOther(t *testing.T) {
	w := newWorld(t, nil)
	agreed, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(beside))
	wants(t, err, "")
	agreed = w.yes("olaf", agreed)
	open := w.open(beside)
	_, err = w.desk.Cut(w.ctx, w.as("mia"), open.ID, "wrong machine")
	wants(t, err, "")
	if w.state(open.ID) != WindowCut || w.live(open.ID) {
		t.Errorf("cut, and it is %s", w.state(open.ID))
	}
	_, err = w.desk.Island(w.ctx, w.as("sara"), "", "incident")
	wants(t, err, "")
	_, err = w.desk.Open(w.ctx, w.as("mia"), agreed.Window)
	wants(t, err, "blocked")
	w.verified()
}

// What somebody with the log could write: the verifier finds each.
func TestOnSiteIsRecomputed(t *testing.T) {
	for _, row := range []struct {
		story, finding string
		change         func(*world, *audit.Leaf)
	}{
		{"nothing", "", asItIs},
		{"the claim names another laptop", "is for the laptop", claimed(func(c *evidence.WindowClaim) { c.Laptop = "laptop 08" })},
		{"the claim hides that it was on site", "claim", claimed(func(c *evidence.WindowClaim) { c.Laptop = "" })},
		{"it opens by itself", "and the rules say shift", claimed(func(c *evidence.WindowClaim) { c.Open = "auto" })},
		{"a certificate is for it", "is on site: nobody connects by it", func(w *world, l *audit.Leaf) {
			if b, is := l.Body.(audit.WindowMoved); is && b.To == "ended" {
				l.Body = audit.CertIssued{CA: "in", Serial: "1", Person: "ann", Windows: []string{b.Window}}
			}
		}},
	} {
		t.Run(row.story, func(t *testing.T) {
			w := newWorld(t, nil)
			w.open(beside)
			w.pass(61 * time.Minute)
			w.settle()
			w.finds(t, row.finding, row.change)
		})
	}
}
