package web

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/broker"
	"penstock/policy"
)

// silentGuest is a vendor's end that shows nothing.
type silentGuest struct{}

func (silentGuest) Tell(string) {}
func (silentGuest) Close(error) {}

// TestNightInABrowser walks pages.md S2 to S4 on a phone, in one night: a request
// with its sheets and its variants, the board with people in, and the handover in
// the morning; each by one tap of a passkey. The words of each screen are counted.
func TestNightInABrowser(t *testing.T) {
	h := newHouse(t, 2)
	mia, max := h.enrolled("mia0", "mia", true), h.enrolled("mia1", "max", true)
	ann, _ := h.actor("ann")
	shift, _ := h.actor("mia0")
	now := time.Now()
	ask := func(account string, rights policy.Rights, minutes int) approvals.Request {
		a := approvals.Ask{Firm: "krall", People: []policy.PersonID{"ann"}, Targets: []policy.Target{{Asset: "filler-plc", Port: "ssh", Account: policy.AccountName(account)}},
			Rights: rights, Reason: "Alarm F-417, fill volume drifts", WorkOrder: "WO 88-1204", Minutes: minutes, From: now, To: now.Add(6 * time.Hour), Change: "C-7", Backup: "vault/7", Backout: "Recipe 14 of 3 March", AreaClear: "Mia stands there"}
		return must(h.desk.Submit(h.ctx, ann, a))
	}
	agreed := func(q approvals.Request) policy.WindowID {
		return must(h.desk.Answer(h.ctx, shift, q.ID, q.Hash, approvals.Reply{Says: evidence.Yes})).Window
	}
	ask("viewer", policy.Look, 120)                        // the shift's own
	ask("recipes", policy.Look|policy.Copy|policy.Set, 60) // the owner's
	left := agreed(ask("viewer", policy.Look, 60))         // W-1 is left behind
	must(h.desk.Open(h.ctx, shift, left))
	must(h.desk.End(h.ctx, shift, left, ""))
	inside := agreed(ask("viewer", policy.Look, 60)) // W-2: ann is in
	must(h.desk.Open(h.ctx, shift, inside))
	agreed(ask("viewer", policy.Look, 30)) // W-3 is ready
	s, err := h.pages.Broker.Admit(h.ctx, broker.Arrival{Person: "ann", Windows: []policy.WindowID{inside}, Serial: "1", Source: netip.MustParseAddr("127.0.0.1"), Client: "test", Kex: "k"}, silentGuest{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.End(nil); <-s.Done() }()
	must(s.Open(h.ctx, policy.Query{Asset: "filler-plc", Port: "ssh", Account: "viewer", Kind: "shell"}))
	helper := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // Max answers on his own phone
		a, _ := h.actor("mia1")
		q := must(h.desk.Request(h.ctx, a, policy.RequestID(r.URL.Path[1:])))
		must(h.desk.Answer(h.ctx, a, q.ID, q.Hash, approvals.Reply{Says: evidence.Yes, Limits: evidence.Limits{Minutes: 30}}))
	}))
	defer helper.Close()
	extra := ask("viewer", policy.Look, 60) // somebody else is faster
	key := func(p []byte) string { return base64.StdEncoding.EncodeToString(p) }
	credential := func(name, person string, pkcs8 []byte) map[string]string {
		return map[string]string{"id": key(must(base64.RawURLEncoding.DecodeString("cred-" + name))), "key": key(pkcs8), "user": key([]byte(person))}
	}
	for _, who := range []string{"mia0", "mia1"} { // no code stands for them tonight
		h.dropCode(h.cookie(who))
	}
	cookies := map[string]string{"mia": h.spent("mia0"), "max": h.spent("mia1"), "olaf": h.cookie("olaf").Value}
	runBrowser(t, "night.mjs", map[string]any{"url": h.origin, "cookies": cookies, "faster": helper.URL + "/" + string(extra.ID), "extra": string(extra.ID), "inside": string(inside), "left": string(left), "shots": os.Getenv("PENSTOCK_SHOTS"),
		"keys": map[string]any{"mia": credential("mia", "mia0", mia.PKCS8()), "max": credential("max", "mia1", max.PKCS8())}})
	q := must(h.desk.Request(h.ctx, shift, "R-1"))
	w := must(h.desk.Window(h.ctx, shift, q.Window))
	if w.OpenedBy != "mia0" || len(q.Answers) != 1 || q.Answers[0].Proof != evidence.ProofWebAuthn || q.Answers[0].Limits.Minutes != 60 {
		t.Errorf("R-1: %+v, opened by %s", q.Answers, w.OpenedBy)
	}
	if open := must(h.desk.Handovers(h.ctx, shift)); len(open) != 0 {
		t.Errorf("not taken: %+v", open)
	}
	h.whole(t, "no certificate with the serial 1 was issued") // ann came in by the broker itself
}

// spent is a session whose code counts no more.
func (h *house) spent(who string) string {
	c := h.cookie(who)
	h.dropCode(c)
	return c.Value
}

// A handover is offered by the time that the page proposes, whatever the hour is.
func TestAHandoverIsProposedInTime(t *testing.T) {
	plant := plantAt(t, "", true)
	for minute := range 60 {
		now := time.Date(2026, 11, 22, 4, minute, 30, 0, time.UTC)
		due := (&visit{now: now, plant: plant}).changesAt()
		if late := now.Sub(due); late > evidence.HandoverRings/2 || late < -30*time.Minute || due.Minute()%30 != 0 {
			t.Errorf("at %s it proposes %s", now.Format("15:04"), due.UTC().Format("15:04"))
		}
	}
}
