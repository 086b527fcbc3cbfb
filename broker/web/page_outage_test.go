package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/broker/api"
	"penstock/policy"
)

// An outage on the pages: checked before anything is asked for, signed as one
// list by who must agree, on the board as what comes, opened as a crew.
func TestOutagePages(t *testing.T) {
	h := newHouse(t, 2)
	mia, paul := h.cookie("mia0"), h.cookie("mia1")
	h.signed("ann")
	zone := h.plant.Load().Location()
	from := time.Now().In(zone).Truncate(time.Minute) // it runs already, so that its crew can be opened
	form := url.Values{"name": {"Winter overhaul"}, "from": {from.Format("2006-01-02T15:04")}, "to": {from.Add(8 * time.Hour).Format("2006-01-02T15:04")}}
	rows := func(people string) string {
		return "crew;area;firm;people;targets;rights;minutes;after;why\nA;Hall 1;krall;" + people + ";viewer@filler-plc;look;60;;Trend\nA;Hall 1;krall;ann;viewer@filler-plc;look;60;1;Compare\n"
	}
	form.Set("rows", "crew;colour\n")
	if _, page := h.post(paul, "/outages/plan", form); !strings.Contains(page, "is no column") {
		t.Errorf("a table that does not read:\n%s", page)
	}
	form.Set("rows", rows("zoe"))
	if _, page := h.post(paul, "/outages/plan", form); !strings.Contains(page, "Row 1: <bdi>zoe is not an active person") || strings.Contains(page, "Ask for all of it") {
		t.Errorf("somebody who is not there:\n%s", page)
	}
	form.Set("rows", rows("ben"))
	if _, page := h.post(paul, "/outages/plan", form); !strings.Contains(page, "2 rows, all possible") || !strings.Contains(page, "Ask for all of it") {
		t.Errorf("a good plan:\n%s", page)
	}
	if page := h.get(mia, "/requests").text; strings.Contains(page, "R-1") {
		t.Error("checking a plan asked for something")
	}
	if status, page := h.post(paul, "/outages", form); status != http.StatusSeeOther {
		t.Fatalf("asking for it: %d %s", status, page)
	}
	if page := h.get(mia, "/").text; !strings.Contains(page, "Winter overhaul") || !strings.Contains(page, "2 rows wait") || strings.Contains(page, `href="/requests/R-1"`) {
		t.Errorf("the board before it is signed:\n%s", page)
	}
	page := h.get(mia, "/outages/O-1").text
	document := regexp.MustCompile(`name="document" value="([^"]+)"`).FindStringSubmatch(page)
	if document == nil || !strings.Contains(page, "I take all 2") {
		t.Fatalf("the list:\n%s", page)
	}
	if strings.Contains(h.get(paul, "/outages/O-1").text, `name="document"`) {
		t.Error("whoever wrote the rows is asked to sign them")
	}
	if status, page := h.post(mia, "/outages/O-1/yes", url.Values{"document": {document[1]}}); status != http.StatusSeeOther {
		t.Fatalf("signing: %d %s", status, page)
	}
	if page := h.get(mia, "/outages/O-1").text; !strings.Contains(page, "Signed: 2 rows.") || !strings.Contains(page, "Open 2 windows") {
		t.Errorf("after signing:\n%s", page)
	}
	if status, _ := h.post(mia, "/outages/O-1/open", url.Values{"crew": {"A"}}); status != http.StatusSeeOther {
		t.Errorf("opening the crew: %d", status)
	}
	if page := h.get(mia, "/outages/O-1").text; !strings.Contains(page, "1 window is open.") || !strings.Contains(page, "R-2 comes after R-1") {
		t.Errorf("after the crew was opened:\n%s", page)
	}
	if status, _ := h.post(h.cookie("ann"), "/outages/plan", form); status != http.StatusForbidden {
		t.Errorf("a vendor plans: %d", status)
	}
	if status, _ := h.post(mia, "/outages/O-1/withdraw", url.Values{"why": {"x"}}); status != http.StatusSeeOther {
		t.Errorf("taking it back: %d", status)
	}
	if page := h.get(mia, "/outages").text; !strings.Contains(page, "taken back") || !strings.Contains(page, api.RowColumns()) {
		t.Errorf("the list of outages:\n%s", page)
	}
}

// At a handover in an outage each window says where in it it is.
func TestHandoverInAnOutage(t *testing.T) {
	h := newHouse(t, 1)
	mia, now := h.signed("mia0"), time.Now()
	lena := h.signed("lena")
	ask := approvals.Ask{Firm: "krall", People: []policy.PersonID{"ann"}, Targets: []policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "viewer"}}, Rights: policy.Look, Reason: "Trend", Minutes: 60, From: now, To: now.Add(4 * time.Hour)}
	o := must(h.desk.ProposeOutage(h.ctx, lena, approvals.OutageAsk{Name: "Overhaul", From: now, To: now.Add(8 * time.Hour), Rows: []approvals.RowAsk{{Ask: ask, Crew: "B", Area: "Hall 2"}}}))
	taken := must(h.desk.AnswerList(h.ctx, mia, o.ID, o.Hash, approvals.ListReply{}))
	must(h.desk.Open(h.ctx, mia, taken.Outage.Rows[0].Window))
	must(h.desk.HandOver(h.ctx, mia, "shift", time.Now(), ""))
	if page := h.get(h.cookie("mia0"), "/handover").text; !strings.Contains(page, "O-1 · Hall 2 · B") {
		t.Errorf("the handover:\n%s", page)
	}
}
