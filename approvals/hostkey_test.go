package approvals

import (
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/policy"
)

// withPins is the plant with the filler's key pinned, and the capper reached
// through it.
var withPins = sync.OnceValue(func() *policy.Plant {
	return plantOf(edited(plantText,
		"address: 10.20.1.11, stops: [filling-1], ports: {ssh: {", "address: 10.20.1.11, stops: [filling-1], ports: {ssh: {host_keys: ["+oldKey+"], jumps: {hop: {login: certificate}}, ",
		"address: 10.20.1.12, stops: [filling-1], ports: {ssh: {", "address: 10.20.1.12, stops: [filling-1], via: {asset: filler-plc, account: hop}, ports: {ssh: {host_keys: ["+oldKey+"], "))
})

const (
	oldKey   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBdZAX4EhD8TFVFdp4lIKIqMTGIzPt2eBGIqD5GjVEtQ"
	newKey   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBdZAX4EhD8TFVFdp4lIKIqMTGIzPt2eBGIqD5GjVEtR"
	otherKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBdZAX4EhD8TFVFdp4lIKIqMTGIzPt2eBGIqD5GjVEtS"
)

// way is what Decide says of a channel of ann's in the window.
func (w *world) way(id policy.WindowID, asset, account string) policy.Decision {
	w.t.(testing.TB).Helper()
	f, err := w.desk.Facts(w.ctx, id, "ann")
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	q := policy.Query{Stage: policy.AtChannel, Source: f.Person.Networks[0].Addr(), Asset: policy.AssetName(asset), Port: "ssh", Account: policy.AccountName(account), Kind: "shell"}
	q.Rights = w.plant().Wanted(q, f.Window.Rights)
	return w.plant().Decide(f, q, w.now())
}

func (w *world) shows(key string, id policy.WindowID) {
	if err := w.desk.HostKeyShown(w.ctx, "filler-plc", key, id, "S-1", 0); err != nil {
		w.t.Fatalf("%v", err)
	}
}

// loading is an open window in which programs are loaded into the filler.
func loading(t *testing.T) (*world, Window) {
	t.Helper()
	w := newWorldOf(t, nil, withPins)
	r := w.yes("sara", w.yes("olaf", w.submit(two)))
	win, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	w.pass(time.Minute)
	return w, win
}

func TestAChangedKeyClosesTheMachine(t *testing.T) {
	w, win := loading(t)
	if d := w.way(win.ID, "filler-plc", "maint"); !d.Allow || d.Duties.HostKeys[0] != oldKey {
		t.Fatalf("before: %+v", d)
	}
	w.shows(newKey, win.ID)
	if d := w.way(win.ID, "filler-plc", "maint"); d.Rule != "host-key-changed" || !strings.Contains(d.Say, "OT security") {
		t.Errorf("%+v", d)
	}
	leaves := len(w.log.leaves())
	if w.shows(newKey, win.ID); len(w.log.leaves()) != leaves {
		t.Error("the same key is written twice")
	}
	w.restart()
	if d := w.way(win.ID, "filler-plc", "maint"); d.Rule != "host-key-changed" {
		t.Errorf("after a restart: %+v", d)
	}
	keys, err := w.desk.ChangedKeys(w.ctx)
	if err != nil || len(keys) != 1 || !keys[0].Closed || keys[0].Key != newKey || keys[0].Window != win.ID {
		t.Errorf("%+v %v", keys, err)
	}
	if good, err := w.desk.GoodKeys(w.ctx, "filler-plc"); rule(err) != "host-key-changed" || good != nil {
		t.Errorf("%v %v", good, err)
	}
	w.judge(t)
}

// What runs while the word is being written counts already.
func TestAChangedKeyCountsBeforeItIsWritten(t *testing.T) {
	w, win := loading(t)
	number := w.desk.shownNow(policy.HostKey{Asset: "filler-plc", Pins: oldKey, Key: newKey, At: w.now()})
	if d := w.way(win.ID, "filler-plc", "maint"); d.Rule != "host-key-changed" {
		t.Errorf("%+v", d)
	}
	w.desk.unshown(number)
	w.log.fail = "before"
	if err := w.desk.HostKeyShown(w.ctx, "filler-plc", newKey, win.ID, "S-1", 0); err == nil {
		t.Fatal("it could not be written")
	}
	if _, err := w.desk.Facts(w.ctx, win.ID, "ann"); err == nil {
		t.Error("somebody is admitted after it could not be written")
	}
}

func TestTheShiftAcceptsAKeyOfTheJob(t *testing.T) {
	w, win := loading(t)
	w.shows(newKey, win.ID)
	for _, row := range []struct {
		who  policy.PersonID
		key  string
		rule string
	}{
		{"ann", newKey, "not-plant"},
		{"tom", newKey, "not-on-shift"},
		{"sara", newKey, "not-on-shift"},
		{"mia", otherKey, "another-key"},
	} {
		wants(t, w.desk.AcceptKey(w.ctx, w.as(row.who), "filler-plc", win.ID, row.key, ""), row.rule)
	}
	wants(t, w.desk.AcceptKey(w.ctx, w.stale("mia"), "filler-plc", win.ID, newKey, ""), "code-needed")
	wants(t, w.desk.AcceptKey(w.ctx, w.as("mia"), "filler-plc", win.ID, newKey, "firmware 4.3 is in"), "")
	d := w.way(win.ID, "filler-plc", "maint")
	if !d.Allow || strings.Join(d.Duties.HostKeys, "|") != oldKey+"|"+newKey {
		t.Errorf("%+v", d)
	}
	// Nowhere else, and not once the window is over.
	second := w.yes("olaf", w.submit())
	other, err := w.desk.Open(w.ctx, w.as("mia"), second.Window)
	wants(t, err, "")
	if d := w.way(other.ID, "filler-plc", "recipes"); d.Rule != "host-key-changed" {
		t.Errorf("in another window: %+v", d)
	}
	// A third key is another story.
	w.shows(otherKey, win.ID)
	if d := w.way(win.ID, "filler-plc", "maint"); d.Rule != "host-key-changed" {
		t.Errorf("a third key: %+v", d)
	}
	w.judge(t)
}

func TestOTSecurityConfirmsAKey(t *testing.T) {
	w, win := loading(t)
	w.shows(newKey, win.ID)
	wants(t, w.desk.AcceptKey(w.ctx, w.as("mia"), "filler-plc", win.ID, newKey, ""), "")
	_, err := w.desk.End(w.ctx, w.as("mia"), win.ID, "")
	wants(t, err, "")
	wants(t, w.desk.ConfirmKey(w.ctx, w.as("mia"), "filler-plc", newKey, ""), "not-security")
	wants(t, w.desk.ConfirmKey(w.ctx, w.stale("sara"), "filler-plc", newKey, ""), "code-needed")
	wants(t, w.desk.ConfirmKey(w.ctx, w.as("sara"), "filler-plc", otherKey, ""), "another-key")
	wants(t, w.desk.ConfirmKey(w.ctx, w.as("sara"), "filler-plc", newKey, "firmware 4.3"), "")
	wants(t, w.desk.ConfirmKey(w.ctx, w.as("sven"), "filler-plc", newKey, ""), "no-changed-key")
	r := w.yes("olaf", w.submit())
	next, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	if d := w.way(next.ID, "filler-plc", "recipes"); !d.Allow || strings.Join(d.Duties.HostKeys, "|") != newKey {
		t.Errorf("the old key is not good any more: %+v", d)
	}
	if good, err := w.desk.GoodKeys(w.ctx, "filler-plc"); err != nil || strings.Join(good, "|") != newKey {
		t.Errorf("%v %v", good, err)
	}
	w.judge(t)
}

// Who has both offices gives one of the two words.
func TestAKeyIsNotConfirmedByWhoAcceptedIt(t *testing.T) {
	w, win := loading(t)
	wants(t, w.folk.Change(w.ctx, w.as("sara"), "mia", "Mia", []policy.Role{"shift", "ot-security"}), "")
	w.shows(newKey, win.ID)
	wants(t, w.desk.AcceptKey(w.ctx, w.as("mia"), "filler-plc", win.ID, newKey, ""), "")
	wants(t, w.desk.ConfirmKey(w.ctx, w.as("mia"), "filler-plc", newKey, ""), "two-people")
	wants(t, w.desk.ConfirmKey(w.ctx, w.as("sara"), "filler-plc", newKey, ""), "")
	w.verified()
}

func TestOTSecurityClearsAKey(t *testing.T) {
	w, win := loading(t)
	w.shows(newKey, win.ID)
	wants(t, w.desk.ClearKey(w.ctx, w.as("sara"), "filler-plc", newKey, ""), "no-text")
	wants(t, w.desk.ClearKey(w.ctx, w.as("olaf"), "filler-plc", newKey, "a laptop had its address"), "not-security")
	wants(t, w.desk.ClearKey(w.ctx, w.as("sara"), "filler-plc", newKey, "a laptop had its address"), "")
	if d := w.way(win.ID, "filler-plc", "maint"); !d.Allow || strings.Join(d.Duties.HostKeys, "|") != oldKey {
		t.Errorf("%+v", d)
	}
	w.shows(newKey, win.ID) // and again
	if d := w.way(win.ID, "filler-plc", "maint"); d.Rule != "host-key-changed" {
		t.Errorf("%+v", d)
	}
	w.judge(t)
}

// A key is accepted only where the job in the window can have changed it.
func TestAKeyThatNoJobChanged(t *testing.T) {
	w := newWorldOf(t, nil, withPins)
	win := w.open() // to look and copy
	w.pass(time.Minute)
	w.shows(newKey, win.ID)
	wants(t, w.desk.AcceptKey(w.ctx, w.as("mia"), "filler-plc", win.ID, newKey, ""), "not-by-the-job")
	later := w.yes("sara", w.yes("olaf", w.submit(two)))
	wants(t, w.desk.AcceptKey(w.ctx, w.as("mia"), "filler-plc", later.Window, newKey, ""), "not-open")
	w.pass(time.Minute)
	_, err := w.desk.Open(w.ctx, w.as("mia"), later.Window)
	wants(t, err, "")
	wants(t, w.desk.AcceptKey(w.ctx, w.as("mia"), "filler-plc", later.Window, newKey, ""), "not-by-the-job") // seen before it was opened
	capper := w.open(on("capper-plc", "recipes"))
	wants(t, w.desk.AcceptKey(w.ctx, w.as("mia"), "filler-plc", capper.ID, newKey, ""), "not-of-window")
	if d := w.way(capper.ID, "capper-plc", "recipes"); d.Rule != "host-key-changed" || !strings.Contains(d.Say, "filler-plc") {
		t.Errorf("behind a host that shows another key: %+v", d)
	}
	wants(t, w.desk.ConfirmKey(w.ctx, w.as("sara"), "filler-plc", newKey, ""), "")
	if d := w.way(capper.ID, "capper-plc", "recipes"); !d.Allow || strings.Join(d.Duties.Via.HostKeys, "|") != newKey || strings.Join(d.Duties.HostKeys, "|") != oldKey {
		t.Errorf("behind a host whose key was confirmed: %+v %+v", d, d.Duties.Via)
	}
	w.judge(t)
}

// Another pin in the plant file is the newer word.
func TestANewPinEndsTheAlarm(t *testing.T) {
	w, win := loading(t)
	w.shows(newKey, win.ID)
	text := strings.Replace(string(withPins().Document()), "host_keys: ["+oldKey+"], jumps", "host_keys: ["+newKey+"], jumps", 1)
	p, problems := policy.ParseBundle([]byte(text))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	w.plant = func() *policy.Plant { return p }
	w.restart()
	if d := w.way(win.ID, "filler-plc", "maint"); !d.Allow || strings.Join(d.Duties.HostKeys, "|") != newKey {
		t.Errorf("%+v", d)
	}
	if keys, err := w.desk.ChangedKeys(w.ctx); err != nil || len(keys) != 0 {
		t.Errorf("%+v %v", keys, err)
	}
}

// A row that somebody edits says nothing.
func TestAKeyThatWasConfirmedByHand(t *testing.T) {
	w, win := loading(t)
	w.shows(newKey, win.ID)
	w.edit("hostkey/filler-plc", func(m map[string]any) { m["confirm"] = "sara" })
	if _, err := w.desk.Facts(w.ctx, win.ID, "ann"); rule(err) != "row-differs" {
		t.Errorf("%v", err)
	}
}

func TestWhoHasTheBrokerLookAtAMachine(t *testing.T) {
	w := newWorldOf(t, nil, withPins)
	for _, row := range []struct {
		who   policy.PersonID
		asset policy.AssetName
		rule  string
	}{
		{"ann", "filler-plc", "not-plant"}, {"mia", "filler-plc", "not-security"}, {"sven", "filler-plc", ""}, {"olaf", "filler-plc", ""},
		{"olaf", "historian", "not-security"}, {"sara", "nobody", "unknown-asset"},
	} {
		wants(t, w.desk.CheckTarget(w.ctx, w.as(row.who), row.asset, "maint"), row.rule)
	}
	wants(t, w.desk.CheckTarget(w.ctx, w.stale("sara"), "filler-plc", ""), "code-needed")
	looked := 0
	for _, leaf := range w.log.leaves() {
		if leaf.Body.Type() == "target.checked" {
			looked++
		}
	}
	if looked != 2 {
		t.Errorf("%d leaves", looked)
	}
	w.judge(t)
}
