package approvals

import (
	"strings"
	"sync"
	"testing"

	"penstock/audit"
	"penstock/policy"
)

// quarantined is the plant whose filler's account maint has files wait.
var quarantined = sync.OnceValue(func() *policy.Plant {
	const was = "maint: {rights: [look, copy, set, load], enforced: nobody}"
	return plantOf(edited(plantText, was, "maint: {rights: [look, copy, set, load], enforced: nobody, files: {in: {quarantine: true, types: [text]}, out: {quarantine: true, types: [text, zip]}}}"))
})

var recipe = audit.HashOf([]byte("recipe"))

// sending is a window in which ann's session S-1 sends files by channel 0.
func sending(t *testing.T, change ...func(*Ask)) (*world, Window) {
	t.Helper()
	w := newWorldOf(t, nil, quarantined)
	r := w.submit(append([]func(*Ask){two}, change...)...)
	w.yes("olaf", r)
	r = w.yes("sara", r)
	win, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	if err != nil {
		t.Fatal(err)
	}
	return w, win
}

func (w *world) held(win Window, h audit.Hash) (File, error) {
	return w.desk.HoldFile(w.ctx, audit.FileHeld{Window: string(win.ID), Session: "S-1", Person: "ann", Source: "198.51.100.7", Key: "SHA256:x", Asset: "filler-plc", Account: "maint",
		Path: "/in/recipe", Bytes: 6, SHA256: h, Kept: "ABC"})
}

// fileWalk is what the verifier says of files; sessions are not in these logs.
func (w *world) fileWalk(t *testing.T) (wrong []string) {
	t.Helper()
	for _, f := range w.verify() {
		if !strings.Contains(f, "S-1") {
			wrong = append(wrong, f)
		}
	}
	return wrong
}

// A file goes from held to delivered only by each step, each by who may.
func TestAFileThatWaits(t *testing.T) {
	w, win := sending(t)
	f, err := w.held(win, recipe)
	wants(t, err, "")
	if f.ID != "F-1" || f.State != FileHeld || !f.Waits() {
		t.Fatalf("%+v", f)
	}
	_, err = w.desk.ReleaseFile(w.ctx, w.as("mia"), f.ID, recipe)
	wants(t, err, "not-looked-at")
	_, err = w.desk.DeliverFile(w.ctx, f.ID, "S-1", 0)
	wants(t, err, "illegal-step")
	_, err = w.desk.LookedAt(w.ctx, f.ID, "text", ScanClean, "", "db")
	wants(t, err, "")
	if _, named, err := w.desk.ReleaseNamed(w.ctx, f.ID); err != nil || named {
		t.Errorf("nobody named it: %v %v", named, err)
	}
	for who, want := range map[policy.PersonID]string{"ann": "not-plant", "bob": "not-plant", "olaf": "not-on-shift"} {
		_, err = w.desk.ReleaseFile(w.ctx, w.as(who), f.ID, recipe)
		wants(t, err, want)
	}
	_, err = w.desk.ReleaseFile(w.ctx, w.stale("mia"), f.ID, recipe)
	wants(t, err, "code-needed")
	_, err = w.desk.ReleaseFile(w.ctx, w.as("mia"), f.ID, audit.HashOf([]byte("other")))
	wants(t, err, "other-file")
	f, err = w.desk.ReleaseFile(w.ctx, w.as("mia"), f.ID, recipe)
	wants(t, err, "")
	if f.By != "mia" || f.State != FileReleased {
		t.Errorf("%+v", f)
	}
	w.restart()
	_, err = w.desk.DeliverFile(w.ctx, f.ID, "S-1", 0)
	wants(t, err, "")
	_, err = w.desk.DeliverFile(w.ctx, f.ID, "S-1", 1) // once more, after it broke off
	wants(t, err, "")
	_, err = w.desk.DeliveredFile(w.ctx, f.ID, "S-1", 1, "")
	wants(t, err, "")
	_, err = w.desk.RefuseFile(w.ctx, w.as("mia"), f.ID, "")
	wants(t, err, "illegal-step")
	if list, err := w.desk.Files(w.ctx, w.as("ann"), win.ID); err != nil || len(list) != 1 || list[0].State != FileDelivered || list[0].Waits() {
		t.Errorf("%+v %v", list, err)
	}
	_, err = w.desk.Files(w.ctx, w.as("eve"), win.ID)
	wants(t, err, "no-such-window")
	if wrong := w.fileWalk(t); len(wrong) > 0 {
		t.Errorf("the verifier: %q", wrong)
	}
	if err := w.rebuilt(); err != nil {
		t.Error(err)
	}
}

// fileStops is a holding in memory.
type fileStops struct {
	said map[string]string
	late bool
}

func (s *fileStops) StopFile(id, said string) bool { s.said[id] = said; return !s.late }
func (s *fileStops) GoFile(id string)              { delete(s.said, id) }

// Whoever may take stops a file that is on its way, without a code, and at once.
func TestAFileOnItsWayIsRefused(t *testing.T) {
	w, win := sending(t)
	stops := &fileStops{said: map[string]string{}}
	w.desk.StopsFiles(stops)
	f, err := w.held(win, recipe)
	wants(t, err, "")
	for _, step := range []func() (File, error){
		func() (File, error) { return w.desk.LookedAt(w.ctx, f.ID, "text", ScanClean, "", "db") },
		func() (File, error) { return w.desk.ReleaseFile(w.ctx, w.as("mia"), f.ID, recipe) },
		func() (File, error) { return w.desk.DeliverFile(w.ctx, f.ID, "S-1", 0) },
	} {
		f, err = step()
		wants(t, err, "")
	}
	_, err = w.desk.RefuseFile(w.ctx, w.as("ann"), f.ID, "")
	wants(t, err, "not-plant")
	_, err = w.desk.RefuseFile(w.ctx, w.as("mia"), "F-9", "")
	wants(t, err, "no-such-file")
	if len(stops.said) != 0 {
		t.Errorf("stopped: %q", stops.said)
	}
	stops.late = true
	_, err = w.desk.RefuseFile(w.ctx, w.as("mia"), f.ID, "")
	wants(t, err, "file-there")
	stops.late = false
	f, err = w.desk.RefuseFile(w.ctx, w.stale("mia"), f.ID, "wrong recipe")
	wants(t, err, "")
	if f.State != FileRefused || !f.Begun || f.Waits() || !strings.Contains(stops.said[f.ID], "refused by mia (Shift): wrong recipe") {
		t.Errorf("%+v; the vendor reads %q", f, stops.said)
	}
	_, err = w.desk.RefuseFile(w.ctx, w.as("mia"), f.ID, "once more")
	if wants(t, err, "illegal-step"); stops.said[f.ID] == "" {
		t.Error("a second no let it go on")
	}
	_, err = w.desk.DeliveredFile(w.ctx, f.ID, "S-1", 0, "")
	wants(t, err, "illegal-step")
	if wrong := w.fileWalk(t); len(wrong) > 0 {
		t.Errorf("the verifier: %q", wrong)
	}
	if err := w.rebuilt(); err != nil {
		t.Error(err)
	}
}

func TestAFileThatIsRefused(t *testing.T) {
	w, win := sending(t)
	for name, c := range map[string]struct {
		kind, scan string
		by         policy.PersonID
		why        string
	}{
		"by the scanner":               {"text", ScanFound, "", "found: Eicar"},
		"for its type":                 {"exe", ScanClean, "", "it is exe by its first bytes, and may be: text"},
		"by the shift, with no code":   {"text", ScanClean, "mia", "not now"},
		"by the owner before any look": {"", "", "olaf", "not now"},
	} {
		f, err := w.held(win, recipe)
		wants(t, err, "")
		if c.scan != "" {
			f, err = w.desk.LookedAt(w.ctx, f.ID, c.kind, c.scan, "found: Eicar", "db")
			wants(t, err, "")
		}
		if c.by != "" {
			f, err = w.desk.RefuseFile(w.ctx, w.stale(c.by), f.ID, c.why)
			wants(t, err, "")
		}
		if f.State != FileRefused || f.Why != c.why || f.Waits() {
			t.Errorf("%s: %+v", name, f)
		}
		_, err = w.desk.ReleaseFile(w.ctx, w.as("mia"), f.ID, recipe)
		wants(t, err, "illegal-step")
	}
	_, err := w.desk.RefuseFile(w.ctx, w.as("ann"), "F-1", "")
	wants(t, err, "not-plant")
	_, err = w.desk.HoldFile(w.ctx, audit.FileHeld{Window: string(win.ID), Path: "/in/\x1b[2J"})
	wants(t, err, "file-name")
	if wrong := w.fileWalk(t); len(wrong) > 0 {
		t.Errorf("the verifier: %q", wrong)
	}
}

// What the signed request names by its hash needs nobody's further yes, once it was looked at.
func TestAFileThatWasNamed(t *testing.T) {
	w, win := sending(t, func(a *Ask) { a.FileHashes = []audit.Hash{recipe} })
	for _, c := range []struct {
		h     audit.Hash
		named bool
	}{{recipe, true}, {audit.HashOf([]byte("other")), false}} {
		f, err := w.held(win, c.h)
		wants(t, err, "")
		_, err = w.desk.LookedAt(w.ctx, f.ID, "text", ScanNone, "", "")
		wants(t, err, "")
		f, named, err := w.desk.ReleaseNamed(w.ctx, f.ID)
		if err != nil || named != c.named || (f.State == FileReleased) != c.named {
			t.Errorf("%s: %+v %v %v", c.h, f, named, err)
		}
	}
	_, err := w.desk.Cut(w.ctx, w.as("mia"), win.ID, "")
	wants(t, err, "")
	_, err = w.desk.DeliverFile(w.ctx, "F-1", "S-1", 0)
	wants(t, err, "illegal-step")
	_, err = w.desk.ReleaseFile(w.ctx, w.as("mia"), "F-2", audit.HashOf([]byte("other")))
	wants(t, err, "illegal-step")
	_, err = w.desk.ExpireFile(w.ctx, "F-1", "its window is over")
	wants(t, err, "")
	if wrong := w.fileWalk(t); len(wrong) > 0 {
		t.Errorf("the verifier: %q", wrong)
	}
}

// What waits is bounded, in all and of one window.
func TestFilesThatWaitAreBounded(t *testing.T) {
	w, win := sending(t)
	hold := func(window string) error {
		_, err := w.desk.HoldFile(w.ctx, audit.FileHeld{Window: window, Session: "S-1", Person: "ann", Asset: "filler-plc", Account: "maint", Path: "/in/recipe", Bytes: 6, SHA256: recipe, Kept: "ABC"})
		return err
	}
	for range mostOwnFiles {
		if err := hold(string(win.ID)); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, hold(string(win.ID)), "files-waiting")
	for range mostFiles - mostOwnFiles {
		if err := hold("W-7"); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, hold("W-8"), "files-waiting")
	_, err := w.desk.RefuseFile(w.ctx, w.as("mia"), "F-7", "")
	wants(t, err, "")
	wants(t, hold("W-8"), "")
}

// What is taken out waits for a person in any case, is taken by whoever of its
// window asks for it, and what was refused is not fetched again.
func TestAFileThatIsTakenOut(t *testing.T) {
	w, win := sending(t, func(a *Ask) { a.FileHashes = []audit.Hash{recipe} })
	fetch := func(h audit.Hash) (File, error) {
		return w.desk.HoldFile(w.ctx, audit.FileHeld{Direction: "out", Window: string(win.ID), Session: "S-1", Person: "ann", Source: "198.51.100.7", Key: "SHA256:x", Asset: "filler-plc", Account: "maint",
			Path: "/out/log", Bytes: 6, SHA256: h, Kept: "ABC"})
	}
	newest := func(path, want string) {
		t.Helper()
		f, ok, err := w.desk.Fetched(w.ctx, win.ID, "filler-plc", "maint", path)
		if err != nil || ok != (want != "") || f.ID != want {
			t.Errorf("%s: %+v %v %v, want %q", path, f, ok, err, want)
		}
	}
	if _, err := w.held(win, recipe); err != nil { // one on its way in is no answer to who takes out
		t.Fatal(err)
	}
	newest("/in/recipe", "")
	newest("/out/log", "")
	f, err := fetch(recipe)
	wants(t, err, "")
	newest("/out/log", "F-2")
	newest("/out/other", "")
	_, err = w.desk.LookedAt(w.ctx, f.ID, "zip", ScanNone, "", "") // which may not come in
	wants(t, err, "")
	if _, named, err := w.desk.ReleaseNamed(w.ctx, f.ID); err != nil || named {
		t.Errorf("a request names what is brought: %v %v", named, err)
	}
	if who, waits, err := w.desk.FileAsks(w.ctx, f.ID); err != nil || !waits || len(who) == 0 {
		t.Errorf("%v %v %v", who, waits, err)
	}
	_, err = w.desk.DeliverFile(w.ctx, f.ID, "S-1", 0)
	wants(t, err, "illegal-step")
	_, err = w.desk.ReleaseFile(w.ctx, w.as("ann"), f.ID, recipe)
	wants(t, err, "not-plant")
	_, err = w.desk.ReleaseFile(w.ctx, w.as("mia"), f.ID, recipe)
	wants(t, err, "")
	w.restart()
	newest("/out/log", "F-2")
	_, err = w.desk.DeliverFile(w.ctx, f.ID, "S-1", 0)
	wants(t, err, "")
	_, err = w.desk.DeliveredFile(w.ctx, f.ID, "S-1", 0, "")
	wants(t, err, "")
	newest("/out/log", "")

	f, err = fetch(recipe)
	wants(t, err, "")
	_, err = w.desk.RefuseFile(w.ctx, w.as("olaf"), f.ID, "no customer data")
	wants(t, err, "")
	_, err = fetch(recipe)
	wants(t, err, "file-refused")
	_, err = fetch(audit.HashOf([]byte("other")))
	wants(t, err, "")
	f, err = w.desk.LookedAt(w.ctx, "F-4", "exe", ScanNone, "", "")
	if wants(t, err, ""); f.State != FileRefused {
		t.Errorf("%+v", f)
	}
	if wrong := w.fileWalk(t); len(wrong) > 0 {
		t.Errorf("the verifier: %q", wrong)
	}
	if err := w.rebuilt(); err != nil {
		t.Error(err)
	}
}

// A window's files are those of its own, also after a start, and only theirs are read.
func TestFilesOfAWindow(t *testing.T) {
	w, win := sending(t)
	for range 2 {
		if _, err := w.held(win, recipe); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.desk.HoldFile(w.ctx, audit.FileHeld{Window: "W-7", Session: "S-1", Person: "ann", Asset: "filler-plc", Account: "maint", Path: "/in/other", Bytes: 6, SHA256: recipe, Kept: "DEF"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		list, err := w.desk.Files(w.ctx, w.as("mia"), win.ID)
		if err != nil || len(list) != 2 || list[0].ID != "F-1" || list[1].ID != "F-2" {
			t.Errorf("%+v %v", list, err)
		}
		if got := w.desk.heads.filesOf("W-7"); len(got) != 1 || got[0] != "F-3" {
			t.Errorf("%q", got)
		}
		w.restart()
	}
}
