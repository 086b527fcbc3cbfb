package web

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/policy"
)

func samplePlant() plantView {
	return plantView{Print: "sha256:" + strings.Repeat("9f3c", 16), Counts: []string{"5 zones", "3 conduits", "10 assets"}, Propose: `penstock policy propose plant.yaml --as mia --why "…"`,
		Waiting: []changeLine{{"C-4", "The filler maker takes its own logs", "Lena Lang", "waits for Line 1 process owner", after(-120), true}},
		Before:  []changeLine{{"C-3", "New pasteuriser controller", "Lena Lang", "was put in force", after(-9000), false}}}
}

func sampleChange() changeView {
	return changeView{changeLine: samplePlant().Waiting[0], Document: "sha256:" + strings.Repeat("9f3c", 16), Phone: "ORANGE TIGER",
		Words: []string{"orange", "tiger", "meadow", "axle", "lemon", "river", "cello", "north"}, Until: after(20000),
		Gains:  []string{"on filler-plc by ssh as viewer, filler-plc by sftp as viewer: can copy as well"},
		Loses:  []string{"on chiller-plc by ssh as trend: the longest was 8h, becomes 4h"},
		Alters: []string{"account viewer at port ssh of filler-plc rights was look, becomes look, copy"},
		Unfit:  []unfitView{{"W-208", "Krall Fillers", "Filler controller, FIL-1-PLC-01", "account viewer can do more than you ask for (copy); use recipes"}},
		Needs: []needView{{Role: "Line 1 process owner", Count: 1, People: []string{"Olaf Brandt"}},
			{Role: "OT security", Count: 1, Nobody: "Too few people hold this role: C-4 cannot be agreed until somebody is given it."}},
		Answers:   []answerView{{Who: "Lena Lang", Role: "OT security", Says: "yes", At: after(-60)}},
		MayAnswer: true, MayStep: true, Waits: true}
}

func sampleApplied() changeView {
	c := sampleChange()
	c.State, c.You, c.MayAnswer, c.Waits, c.Applied, c.Confirm, c.Unfit = "in force, goes back at 03:17 unless somebody confirms it", false, false, false, true, after(10), nil
	return c
}

func keyedChange() changeView {
	c := sampleChange()
	c.Key = true
	return c
}

// send fills in a form as somebody, and gives the page that follows.
func (h *house) send(t *testing.T, c *http.Cookie, path string, form url.Values) string {
	t.Helper()
	req := must(http.NewRequest(http.MethodPost, h.server.URL+path, strings.NewReader(form.Encode())))
	if form == nil {
		req = must(http.NewRequest(http.MethodGet, h.server.URL+path, nil))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.AddCookie(c)
	client := h.server.Client()
	client.CheckRedirect = func(r *http.Request, _ []*http.Request) error { r.AddCookie(c); return nil }
	resp := must(client.Do(req))
	defer resp.Body.Close()
	return string(must(io.ReadAll(resp.Body)))
}

// A new plant file goes by its page from the proposal into force, is taken back
// by one tap, and a vendor never sees it.
func TestPlantChangeOnPages(t *testing.T) {
	h := newHouse(t, 1)
	lena, olaf, ann := h.cookie("lena"), h.cookie("olaf"), h.cookie("ann")
	old := h.plant.Load()
	to, problems := policy.ParseBundle([]byte(strings.Replace(string(old.Document()), "viewer:  {rights: [look], enforced: device}", "viewer:  {rights: [look, copy], enforced: device}", 1)))
	if problems != nil {
		t.Fatal(problems)
	}
	a, _ := h.actor("lena")
	c := must(h.desk.Propose(h.ctx, a, to.Document(), "take logs"))

	if page := h.send(t, ann, "/plant/"+c.ID, nil); strings.Contains(page, "take logs") {
		t.Error("a vendor reads a change of the plant file")
	}
	page := h.send(t, olaf, "/plant", nil)
	if !strings.Contains(page, "C-1") || !strings.Contains(page, ">you<") {
		t.Errorf("the list does not say that olaf is asked: %s", page)
	}
	page = h.send(t, olaf, "/plant/C-1", nil)
	for _, want := range []string{"filler-plc by ssh as viewer: can copy as well", "Yes, as it is here", "take logs"} {
		if !strings.Contains(page, want) {
			t.Errorf("the change's page does not say %q", want)
		}
	}
	document := url.Values{"document": {c.Hash.String()}}
	if page := h.send(t, lena, "/plant/C-1/apply", url.Values{"within": {"10m"}}); !strings.Contains(page, "Still needed is a yes of") {
		t.Errorf("put in force without answers: %s", page)
	}
	h.send(t, olaf, "/plant/C-1/yes", document)
	if page := h.send(t, lena, "/plant/C-1/yes", document); !strings.Contains(page, "You said yes.") || !strings.Contains(page, "Put in force") {
		t.Errorf("after both answers: %s", page)
	}
	if page := h.send(t, lena, "/plant/C-1/apply", url.Values{"within": {"10m"}}); !strings.Contains(page, "It is in force.") || string(h.plant.Load().Document()) != string(to.Document()) {
		t.Errorf("not in force: %s", page)
	}
	if page := h.send(t, olaf, "/plant/C-1/back", url.Values{"why": {"wrong"}}); !strings.Contains(page, "Taken back.") || string(h.plant.Load().Document()) != string(old.Document()) {
		t.Errorf("not back: %s", page)
	}
	if v := must(h.desk.PlantChange(h.ctx, a, "C-1")); v.State != approvals.ChangeBack {
		t.Errorf("it is %s", v.State)
	}
}

func sampleAsset() assetView {
	return assetView{Name: "filler-plc", Tag: "FIL-1-PLC-01", Title: "Filler controller", Zone: "Filling line 1", Level: "1", Is: "Krall FX5 4.2.1", Owner: "Line 1 process owner", Opener: "Filling shift supervisor",
		Backup: &backupView{after(-61 * 24 * 60), "61 days", true, "vault://plc/fil-1", "KrallStudio 9", ""}, MayBackup: true, Today: "2026-11-22",
		Stops: []string{"Filling line 1"}, Locks: []string{"Guard door 3 of Filler controller, FIL-1-PLC-01 trips Line 1 safety controller, SIS-1-PLC-01"}, At: after(0), Asked: "Sun 02:00",
		Reach:   []reachLine{{"by SSH as viewer", "look", "Filling shift supervisor", ""}, {"by SSH as maint", "look, take files out, change values, start and stop, load programs", "", "this work waits for line-1-outage: Sun 00:00-06:00; next Sun 29 Nov 00:00 CET"}},
		InThen:  []assetJob{{"W-208", "Krall Fillers", "Ann Keller", "open", "look", "Alarm F-417", "", after(-20)}},
		History: []assetJob{{"W-201", "Krall Fillers", "Ann Keller, Ben Ito", "closed", "look, set", "Alarm F-417, fill volume drifts", "Fill volume 812 to 800 ml: sensor 3 had drifted", after(-40000)}},
		Same:    []assetLine{{"filler-2-plc", "FIL-2-PLC-01", "Second filler", ""}}, Neighbours: []assetLine{{"capper-drive", "CAP-1-DRV-01", "Capper drive", ""}}}
}

// The machine's page answers from the plant file and from what was done there.
func TestAssetPages(t *testing.T) {
	h := newHouse(t, 1)
	mia, ann := h.cookie("mia0"), h.cookie("ann")
	q := h.askToLook()
	a, _ := h.actor("mia0")
	must(h.desk.Answer(h.ctx, a, q.ID, q.Hash, approvals.Reply{Says: "yes"}))
	must(h.desk.Open(h.ctx, a, "W-1"))
	page := h.send(t, mia, "/assets/filler-plc?at=Tue+03:07", nil)
	for _, want := range []string{"Filling line 1</bdi> stops", "Guard door 3", "Line 1 process owner</bdi> answers for it", "Alarm F-417", "W-1", "Nobody had an open window then", "no: <bdi>this work waits for line-1-outage", "yes, if <bdi>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if page := h.send(t, mia, "/assets/filler-plc", nil); !strings.Contains(page, "In then:") {
		t.Error("who is in now is not said")
	}
	for path, want := range map[string]string{"/assets": "Filler controller", "/assets/filler-plc?at=x": "Write the moment as", "/assets/nobody": "Not shown", "/debt": "no backup is known", "/plant": "What is owed"} {
		if page := h.send(t, mia, path, nil); !strings.Contains(page, want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
	for _, path := range []string{"/assets", "/assets/filler-plc", "/debt"} {
		if page := h.send(t, ann, path, nil); strings.Contains(page, "FIL-1-PLC-01") {
			t.Errorf("a vendor reads %s", path)
		}
	}
}

// Somebody who answers for a machine says that it is backed up, by one tap; the
// page, a request's red line and the list of what is owed follow.
func TestBackupOnPages(t *testing.T) {
	h := newHouse(t, 1)
	mia, ann := h.cookie("mia0"), h.cookie("ann")
	before := h.send(t, mia, "/assets/filler-plc", nil)
	if !strings.Contains(before, "By the plant file.") || !strings.Contains(before, "It is backed up") {
		t.Errorf("the machine's page: %s", before)
	}
	day := time.Now().In(h.plant.Load().Location()).Format(time.DateOnly)
	page := h.send(t, mia, "/assets/filler-plc/backup", url.Values{"day": {day}, "where": {"vault://plc/fil-2"}, "tool": {"KrallStudio 9"}})
	for _, want := range []string{"under a minute old", "vault://plc/fil-2", "Said by"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q: %s", want, page)
		}
	}
	if status, _ := h.post(ann, "/assets/filler-plc/backup", url.Values{"day": {day}}); status != 403 {
		t.Errorf("a vendor says it: %d", status)
	}
	if page := h.send(t, mia, "/assets/filler-plc/backup", url.Values{"day": {"22.11."}}); !strings.Contains(page, "Write the day as") {
		t.Errorf("a day that is none: %s", page)
	}
	a, _ := h.actor("lena")
	if lines := must(h.desk.Backups(h.ctx)); lines["filler-plc"].By != "mia0" || a.Person != "lena" {
		t.Errorf("%+v", lines["filler-plc"])
	}
}

// Where the rules ask for keys, a change of them is signed with a passkey, and a
// code is not enough.
func TestPlantChangeByPasskey(t *testing.T) {
	h := newHouseOf(t, 1, false)
	olaf, key := h.cookie("olaf"), h.enrolled("olaf", "olaf", true)
	to, problems := policy.ParseBundle([]byte(strings.Replace(string(h.plant.Load().Document()), "viewer:  {rights: [look], enforced: device}", "viewer:  {rights: [look, copy], enforced: device}", 1)))
	if problems != nil {
		t.Fatal(problems)
	}
	lena, _ := h.actor("lena")
	c := must(h.desk.Propose(h.ctx, lena, to.Document(), "take logs"))
	form := url.Values{"document": {c.Hash.String()}}
	if page := h.get(h.cookie("lena"), "/plant/C-1"); !strings.Contains(page.text, "A yes needs a key of your own") {
		t.Error("the page does not say to lena that a key is wanted")
	}
	if status, _ := h.post(h.cookie("lena"), "/plant/C-1/yes", form); status != 403 {
		t.Errorf("a code was enough: %d", status)
	}
	h.dropCode(olaf)
	plan := h.plan(olaf, "/plant/C-1/yes/draft", form)
	if plan.Go != "sign" || plan.Document != c.Hash.String() {
		t.Fatalf("plan %+v", plan)
	}
	form.Set(signedAssertion, assertionOf("cred-olaf", key.Assert(plan.Ask.Challenge)))
	form.Set(signedText, plan.Text)
	if status, text := h.post(olaf, "/plant/C-1/yes", form); status != 303 {
		t.Fatalf("status %d: %s", status, text)
	}
	if c = must(h.desk.PlantChange(h.ctx, lena, "C-1")); len(c.Answers) != 1 || c.Answers[0].Person != "olaf" || len(c.Left) != 1 {
		t.Errorf("%+v", c)
	}
}
