package approvals

import (
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/policy"
)

var backupPlant = nightly("  - {name: fresh, when: {zone: line-1, right: load}, backup: 30d}\n")

// Work that a rule wants a young backup for waits until somebody has made one and
// said so; and it grows old again before the opening.
func TestABackupIsAskedFor(t *testing.T) {
	w := newWorldOf(t, nil, backupPlant)
	_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(two))
	wants(t, err, "no-backup")
	if !strings.Contains(err.(*policy.Refusal).Say, "penstock asset backup filler-plc") {
		t.Fatal(err)
	}
	_, err = w.desk.Submit(w.ctx, w.as("ann"), w.ask(func(a *Ask) { a.WorkOrder = "WO-1" })) // to look and copy, nobody asks
	wants(t, err, "")
	said := start.Add(-29 * 24 * time.Hour)
	for _, row := range []struct {
		story string
		by    policy.PersonID
		asset policy.AssetName
		last  time.Time
		rule  string
	}{
		{"a vendor", "ann", "filler-plc", said, "not-plant"},
		{"somebody without a role there", "ida", "filler-plc", said, "not-on-shift"},
		{"a machine that is not there", "mia", "press", said, "unknown-asset"},
		{"tomorrow", "mia", "filler-plc", start.Add(24 * time.Hour), "bad-backup"},
		{"three years ago", "mia", "filler-plc", start.AddDate(-3, 0, 0), "bad-backup"},
		{"as it is", "mia", "filler-plc", said, ""},
		{"an older one after it", "mia", "filler-plc", said.Add(-time.Hour), "older-backup"},
	} {
		t.Run(row.story, func(t *testing.T) {
			wants(t, w.desk.BackedUp(w.ctx, w.as(row.by), row.asset, row.last, "vault://1", "Studio"), row.rule)
		})
	}
	wants(t, w.desk.BackedUp(w.ctx, w.stale("mia"), "filler-plc", start, "", ""), "code-needed")
	r := w.submit(two)
	if r.Window = w.yes("sara", w.yes("olaf", r)).Window; r.Window == "" {
		t.Fatal("not agreed")
	}
	all, err := w.desk.Backups(w.ctx)
	if b := all["filler-plc"]; err != nil || !b.Last.Equal(said) || b.Where != "vault://1" || b.By != "mia" {
		t.Fatalf("%+v %v", b, err)
	}
	w.judge(t)

	// Whoever takes the word out of the log is found.
	says(t, w.walked(func(l *audit.Leaf) bool { _, is := l.Body.(audit.AssetBackup); return !is }), "wants a backup of filler-plc")
	// And whoever says it without a right is, too.
	w.finds(t, "no role that may say this of filler-plc", func(_ *world, l *audit.Leaf) {
		if b, is := l.Body.(audit.AssetBackup); is {
			b.By, l.Actor = "ida", "ida"
			l.Body = b
		}
	})
}

// A backup that was young when it was asked for may be old when the shift opens.
func TestABackupGrowsOld(t *testing.T) {
	w := newWorldOf(t, nil, backupPlant)
	wants(t, w.desk.BackedUp(w.ctx, w.as("mia"), "filler-plc", start.Add(-30*24*time.Hour+time.Hour), "", ""), "")
	r := w.yes("sara", w.yes("olaf", w.submit(two)))
	w.pass(2 * time.Hour)
	_, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "old-backup")
	wants(t, w.desk.BackedUp(w.ctx, w.as("mia"), "filler-plc", w.now(), "", ""), "")
	_, err = w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	w.judge(t)
}

func (w *world) debts(t testing.TB) (opened, closed []string) {
	t.Helper()
	for range 100 {
		next, err := w.desk.settleDebts(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if next.After(w.now()) {
			break
		}
	}
	for _, leaf := range w.log.leaves() {
		switch b := leaf.Body.(type) {
		case audit.DebtOpened:
			for _, it := range b.Items {
				opened = append(opened, it.Kind+" "+it.What)
			}
		case audit.DebtClosed:
			for _, it := range b.Items {
				closed = append(closed, it.Kind+" "+it.What)
			}
		}
	}
	return opened, closed
}

// What is owed is written once, whoever starts again; what is paid is written
// once as well; and a thing that is owed again is new.
func TestDebtEvents(t *testing.T) {
	w := newWorldOf(t, nil, backupPlant)
	if opened, _ := w.debts(t); len(opened) > 0 {
		t.Fatalf("at once after a start: %q", opened)
	}
	w.pass(2 * time.Minute)
	opened, closed := w.debts(t)
	if len(closed) > 0 || !slices.Contains(opened, "backup asset filler-plc") || !slices.Contains(opened, "host-key asset chiller") || !slices.Contains(opened, "unused asset historian") {
		t.Fatalf("%q %q", opened, closed)
	}
	n := len(opened)
	w.restart()
	w.pass(2 * time.Minute)
	if again, _ := w.debts(t); len(again) != n {
		t.Fatalf("a start writes them again: %q", again)
	}
	list, err := w.desk.Debts(w.ctx, w.as("sara"))
	wants(t, err, "")
	if len(list) != n || slices.ContainsFunc(list, func(d policy.Debt) bool { return d.Since.IsZero() }) {
		t.Fatalf("%d of %d, each with its age: %+v", len(list), n, list)
	}
	_, err = w.desk.Debts(w.ctx, w.as("ann"))
	wants(t, err, "not-plant")
	wants(t, w.desk.BackedUp(w.ctx, w.as("mia"), "filler-plc", w.now(), "", ""), "")
	w.open(func(a *Ask) { a.WorkOrder = "WO-1" })
	w.pass(2 * time.Hour) // what is used is looked up once an hour
	w.settle()
	w.desk.owedAnew()
	if _, closed = w.debts(t); !slices.Equal(closed, []string{"backup asset filler-plc", "unused asset filler-plc"}) {
		t.Fatalf("%q", closed)
	}
	w.judge(t)
	// Half a year later the backup is old: owed again, since the day that it was made.
	made := w.now()
	w.pass(181 * 24 * time.Hour)
	opened, _ = w.debts(t)
	if got := len(slices.DeleteFunc(opened, func(s string) bool { return s != "backup asset filler-plc" })); got != 2 {
		t.Fatalf("owed %d times", got)
	}
	for _, leaf := range w.log.leaves() {
		if b, is := leaf.Body.(audit.DebtOpened); is && b.Items[0].What == "asset filler-plc" && b.Items[0].Kind == "backup" && !b.Items[0].Since.IsZero() && made.Sub(b.Items[0].Since).Abs() > 3*time.Hour {
			t.Fatalf("since %s", b.Items[0].Since)
		}
	}
	w.judge(t)
}
