package web

import (
	"crypto/ed25519"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/broker/brokertest"
	"penstock/configs"
	"penstock/policy"
)

// standingPlantAt is the example, with a frame for machines whose owners are here.
func standingPlantAt(t *testing.T, origin string) *policy.Plant {
	t.Helper()
	files := configs.Plant()
	text := strings.Replace(string(files[configs.PlantMain]), "owners: [ot-security, it-network], why: Condition monitoring, review: 2027-03-31", "owners: [line-1-owner, ot-security], why: Condition monitoring, review: 2137-03-31", 1)
	files[configs.PlantMain] = []byte(strings.Replace(text, "https://penstock.kiel.example:8443", origin, 1))
	p, problems := policy.ParseWith(policy.Options{Inspectors: []string{"modbus"}}, configs.PlantMain, files)
	if problems != nil {
		t.Fatal(problems)
	}
	return p
}

// A machine on every page: invited, asked for, agreed by two keys, on the board,
// and confirmed by nobody who is no owner.
func TestStandingOnThePages(t *testing.T) {
	h := newHouse(t, 1)
	h.plant.Store(standingPlantAt(t, h.origin))
	says := func(who, path string, words ...string) {
		t.Helper()
		page := h.get(h.cookie(who), path)
		for _, w := range words {
			if page.status != http.StatusOK || !strings.Contains(page.text, w) {
				t.Errorf("%s (%d) does not say %q:\n%s", path, page.status, w, page.text)
			}
		}
	}
	says("lena", "/standing", "No machine has a confirmed key", "Invite it first")
	status, page := h.post(h.cookie("olaf"), "/people/invite", url.Values{"firm": {"krall"}, "name": {"Krall monitor"}, "id": {"krall-monitor"}, "machine": {"yes"}})
	_, code, found := strings.Cut(page, `class="secret">`)
	if status != http.StatusOK || !found {
		t.Fatalf("invited: %d %s", status, page)
	}
	pub := must(ssh.NewPublicKey(ed25519.NewKeyFromSeed(slices.Repeat([]byte{99}, 32)).Public()))
	must(h.roster.Join(h.ctx, code[:19], string(ssh.MarshalAuthorizedKey(pub))))
	if err := h.roster.Confirm(h.ctx, must2(h.actor("olaf")), "krall-monitor", ssh.FingerprintSHA256(pub)); err != nil {
		t.Fatal(err)
	}
	if page := h.get(h.cookie("lena"), "/requests/new"); strings.Contains(page.text, "Krall monitor") {
		t.Error("a machine can be ticked where people are asked for")
	}
	says("ann", "/standing", "Krall monitor", "filler-monitor", "FIL-1-GW-01")
	form := url.Values{"machine": {"krall-monitor"}, "keeper": {"ann"}, "frame": {"filler-monitor"}, "way": {"filler-gateway/https/"}, "reason": {"Condition monitoring"}, "networks": {"192.0.2.7"}}
	if status, page := h.post(h.cookie("ann"), "/standing/new", form); status < 400 || !strings.Contains(page, "is in none of the firm") || !strings.Contains(page, "192.0.2.7") {
		t.Fatalf("from elsewhere: %d %s", status, page)
	}
	form.Set("networks", "127.0.0.9, 127.0.1.0/28")
	last := time.Now().In(h.plant.Load().Location()).AddDate(0, 6, 0)
	form.Set("until", last.Format(time.DateOnly))
	if status, page := h.post(h.cookie("ann"), "/standing/new", form); status != http.StatusSeeOther {
		t.Fatalf("asked: %d %s", status, page)
	}
	q := must(h.desk.Requests(h.ctx, must2(h.actor("lena"))))[0]
	if d := q.Document; d.Kind != evidence.Machine || d.Minutes != 90*24*60 || !slices.Equal(d.Machine.Networks, []string{"127.0.0.9/32", "127.0.1.0/28"}) {
		t.Fatalf("the text is %+v", d)
	} else if want := time.Date(last.Year(), last.Month(), last.Day()+1, 0, 0, 0, 0, last.Location()); !d.To.Equal(want) {
		t.Errorf("its last day is %s, and it ends %s, not with that day", last.Format(time.DateOnly), d.To)
	}
	says("lena", "/requests/"+string(q.ID), "STANDING.", "127.0.1.0/28", "Closes after 90 days")
	if page := h.get(h.cookie("lena"), "/requests/"+string(q.ID)); strings.Contains(page.text, "30 minutes") {
		t.Error("half an hour of a machine is offered")
	}
	says("lena", "/standing", "Waits for an answer", string(q.ID))
	for i, who := range []string{"olaf", "lena"} {
		by, _ := h.actor(who)
		a := must(h.desk.Draft(h.ctx, by, q.ID, q.Hash, approvals.Reply{Says: evidence.Yes}))
		evidencetest.Signed(func(namespace string, text []byte) evidence.Proof {
			return evidencetest.SSHSignWith(bootKey(i+2), namespace, text)
		})(&a)
		q = must(h.desk.Answer(h.ctx, by, q.ID, q.Hash, approvals.Reply{Signed: &a}))
	}
	brokertest.Until(t, "it is open", func() bool {
		return must(h.desk.Window(h.ctx, must2(h.actor("lena")), q.Window)).State == approvals.WindowOpen
	})
	says("mia0", "/", ">Standing</a>", "Krall monitor")
	says("lena", "/windows/"+string(q.Window), "STANDING.", "Keeper <bdi>ann</bdi>", strings.ReplaceAll(ssh.FingerprintSHA256(pub), "+", "&#43;"))
	says("lena", "/standing", "Closes by itself", "confirms it")
	if page := h.get(h.cookie("mia0"), "/windows/"+string(q.Window)); strings.Contains(page.text, "/extend") {
		t.Error("the shift, who owns no frame, is offered to confirm it")
	}
	if status, page := h.post(h.cookie("mia0"), "/windows/"+string(q.Window)+"/extend", url.Values{"confirm": {"yes"}}); status < 400 {
		t.Errorf("the shift confirms it: %d %s", status, page)
	}
	must(h.desk.Cut(h.ctx, must2(h.actor("mia0")), q.Window, "odd"))
	says("lena", "/standing", "No machine stands.")
}
