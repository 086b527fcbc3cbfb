package web

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
)

func sampleRoster() rosterView {
	return rosterView{Teams: []teamView{
		{ID: "shift", Name: "Filling shift supervisor", Kept: true, May: true, Zone: "Europe/Berlin", All: 130, Shown: "43 to 84 of 130", Sooner: "?team=shift&turn=0#shift", Later: "?team=shift&turn=84#shift", Unfolded: true, Now: []onView{{"Mia Voss", "", after(230), "+494315550101"}, {"Jan Brandt", "Olaf Holm", after(600), ""}},
			Turns:   []turnView{{"Mia Voss", "mia", after(-240), after(230), true}, {"Max Beck", "max", after(230), after(710), false}},
			Members: []tick{{"max", "Max Beck", false}, {"mia", "Mia Voss", false}}, Lent: []lentView{{"olaf", "jan", "Olaf Holm", "Jan Brandt", after(-60), after(600), true}}},
		{ID: "duty-engineer", Name: "Duty engineer", Kept: true, Hole: "Nobody of Duty engineer is on duty now. Next: Jan Brandt, 06:00. Call the control room, +49 431 555 0100."},
		{ID: "safety", Name: "Functional safety", May: true, Members: []tick{{"sam", "Sam Ito", false}}}},
		Lend: []tick{{"shift", "Filling shift supervisor", false}}, To: []tick{{"jan", "Jan Brandt", false}}}
}

// The roster on the pages: a hole is said on board and request with whom to
// call, the button goes, and comes back with the turn.
func TestRosterPages(t *testing.T) {
	h := newHouse(t, 2)
	q := h.askToLook()
	lena, mia := h.cookie("lena"), h.cookie("mia0")
	if page := h.get(mia, "/requests/"+string(q.ID)).text; !strings.Contains(page, "/requests/"+string(q.ID)+"/yes") {
		t.Fatal("without a roster whoever holds the role answers, and there is no button")
	}
	now := time.Now().In(h.pages.Plant().Location())
	// Ahead by more than the hour that comes twice in October, of which a form means the first.
	form := url.Values{"person": {"mia1"}, "from": {now.Add(3 * time.Hour).Format("2006-01-02T15:04")}, "to": {now.Add(9 * time.Hour).Format("2006-01-02T15:04")}}
	h.posts(t, lena, "/roster/shift/turns", form, http.StatusSeeOther)
	h.posts(t, mia, "/roster/shift/turns", form, http.StatusForbidden)
	for _, path := range []string{"/", "/requests/" + string(q.ID), "/roster"} {
		page := h.get(mia, path).text
		if !strings.Contains(page, "Nobody of") || !strings.Contains(page, "mia1") || !strings.Contains(page, "Call ") {
			t.Errorf("%s does not say that nobody is on duty, who is next, and whom to call:\n%s", path, page)
		}
	}
	if page := h.get(mia, "/requests/"+string(q.ID)).text; strings.Contains(page, "/requests/"+string(q.ID)+"/yes") {
		t.Error("a button for somebody whose word does not count")
	}
	if page := h.page("ann", "/requests/"+string(q.ID)); !strings.Contains(page, "Nobody of") || !strings.Contains(page, "the control room") {
		t.Errorf("the vendor does not read that nobody is on duty:\n%s", page)
	}
	if err := h.desk.AddTurn(h.ctx, h.signed("lena"), "shift", evidence.Turn{Person: "mia0", From: now.Add(-time.Hour), To: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	page := h.get(mia, "/requests/"+string(q.ID)).text
	if !strings.Contains(page, "/requests/"+string(q.ID)+"/yes") || !strings.Contains(page, "on duty until") {
		t.Errorf("on duty, and no button, or it does not say why:\n%s", page)
	}
	h.posts(t, mia, "/roster/deputies", url.Values{"team": {"shift"}, "person": {"mia1"}, "until": {now.Add(2 * time.Hour).Format("2006-01-02T15:04")}}, http.StatusSeeOther)
	if page := h.page("mia1", "/requests/"+string(q.ID)); !strings.Contains(page, "for mia0 until") {
		t.Errorf("the deputy does not read for whom:\n%s", page)
	}
}

// A roster of half a year is shown whole, some turns at a time, and says how many there are.
func TestALongRoster(t *testing.T) {
	h := newHouse(t, 2)
	first := time.Now().Truncate(time.Hour).Add(-time.Hour)
	var all []evidence.Turn
	for i := range 2*mostTurns + 3 {
		at := first.Add(time.Duration(i) * 8 * time.Hour)
		all = append(all, evidence.Turn{Person: "mia" + strconv.Itoa(i%2), From: at.UTC(), To: at.Add(8 * time.Hour).UTC()})
	}
	if err := h.desk.WriteRoster(h.ctx, h.signed("lena"), "shift", 0, all); err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`href="(/roster\?[^"#]*)#shift">Later`)
	page, seen := h.page("mia0", "/roster"), 0
	for _, shown := range []string{"1 to 42 of 87", "43 to 84 of 87", "85 to 87 of 87"} {
		if !strings.Contains(page, shown) || !strings.Contains(page, "87 turns") {
			t.Fatalf("no %q in:\n%s", shown, page)
		}
		seen += strings.Count(page, "<strong class=\"flag\">now</strong>") // once in all
		if later := link.FindStringSubmatch(page); later != nil {
			page = h.page("mia0", html.UnescapeString(later[1]))
		}
	}
	if seen != 1 || strings.Contains(page, "Later ones") || !strings.Contains(page, "Sooner ones") {
		t.Errorf("now %d times; the last page:\n%s", seen, page)
	}
	for _, odd := range []string{"-1", "x", "99999"} {
		if page := h.page("mia0", "/roster?team=shift&turn="+odd); !strings.Contains(page, "of 87") {
			t.Errorf("turn %s: %s", odd, page)
		}
	}
}

func (h *house) page(who, path string) string { return h.get(h.cookie(who), path).text }

func (h *house) posts(t *testing.T, cookie *http.Cookie, path string, form url.Values, want int) {
	t.Helper()
	if status, body := h.post(cookie, path, form); status != want {
		t.Fatalf("POST %s: %d, want %d: %s", path, status, want, body)
	}
}

func (h *house) signed(who string) people.Actor {
	a, _ := h.actor(who)
	return a
}

// The plant's clock leaps over an hour in March: nobody's turn begins then, and no
// shift changes.
func TestNoTurnInTheHourThatDoesNotCome(t *testing.T) {
	h := newHouse(t, 1)
	zone := h.pages.Plant().Location()
	v := &visit{plant: h.pages.Plant(), now: time.Date(2027, 3, 28, 1, 0, 0, 0, zone)}
	for said, read := range map[string]func(string) (time.Time, error){"2027-03-28T02:30": v.dayAndHour, "02:30": v.nextClock} {
		if at, err := read(said); !strings.Contains(say(err), "02:30 does not come on 2027-03-28") {
			t.Errorf("%s is %v, %v", said, at, err)
		}
	}
	for said, want := range map[string]time.Time{"06:00": time.Date(2027, 3, 28, 6, 0, 0, 0, zone), "23:30": time.Date(2027, 3, 27, 23, 30, 0, 0, zone), "00:45": v.now.Add(-15 * time.Minute)} {
		if at, err := v.nextClock(said); err != nil || !at.Equal(want) {
			t.Errorf("%s is %v, %v", said, at, err)
		}
	}
}

// An exercise is as real as any, and no emergency too often.
func TestDrillsAreNoEmergencies(t *testing.T) {
	h := newHouse(t, 1)
	plant := *h.pages.Plant()
	plant.Emergency.NoticeAbove, plant.Emergency.NoticeIn = 1, 30*24*time.Hour
	v := &visit{plant: &plant, now: time.Now()}
	one, drill := approvals.Window{Emergency: true, Opened: v.now.Add(-time.Hour)}, approvals.Window{Emergency: true, Drill: true, Opened: v.now.Add(-time.Hour)}
	if said, above := v.howOften([]approvals.Window{one, drill, drill}); above || said != "1 in 30 days; more than 1 is too often" {
		t.Errorf("%q %t", said, above)
	}
	if _, above := v.howOften([]approvals.Window{one, drill, one}); !above {
		t.Error("two in earnest are not too often")
	}
}
