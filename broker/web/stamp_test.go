package web

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestStamp: the plant's clock, and the reader's beside it where it shows
// another hour; one row a story.
func TestStamp(t *testing.T) {
	zone := func(name string) *time.Location {
		if name == "" {
			return nil
		}
		return must(time.LoadLocation(name))
	}
	berlin := zone("Europe/Berlin")
	now := time.Date(2026, 11, 22, 3, 7, 0, 0, berlin)
	for _, row := range []struct{ name, at, yours, text, clock string }{
		{"the browser did not say", "2026-11-22T05:10:09+01:00", "", "05:10", "05:10:09"},
		{"the same zone", "2026-11-22T05:10:09+01:00", "Europe/Berlin", "05:10", "05:10:09"},
		{"another zone of the same hour", "2026-11-22T05:10:09+01:00", "Europe/Paris", "05:10", "05:10:09"},
		{"it is yesterday there", "2026-11-22T05:10:09+01:00", "America/New_York", "05:10 (Sat 21 Nov 23:10 for you)", "05:10:09 (23:10 for you)"},
		{"the same day there", "2026-11-22T05:10:09+01:00", "Asia/Kolkata", "05:10 (09:40 for you)", "05:10:09 (09:40 for you)"},
		{"zones that differ in winter only", "2026-07-22T05:10:09+02:00", "Africa/Johannesburg", "Wed 22 Jul 05:10", "05:10:09"},
		{"and in winter", "2026-12-24T05:10:09+01:00", "Africa/Johannesburg", "Thu 24 Dec 05:10 (06:10 for you)", "05:10:09 (06:10 for you)"},
		{"long ago", "2020-07-22T05:10:09+02:00", "", "22 Jul 2020 05:10", "05:10:09"},
	} {
		s := stamp{must(time.Parse(time.RFC3339, row.at)).In(berlin), now, zone(row.yours)}
		if s.Text() != row.text || s.Clock() != row.clock {
			t.Errorf("%s: %q and %q", row.name, s.Text(), s.Clock())
		}
	}
	if s := (stamp{}); s.Text() != "not said" || s.Yours() != "" {
		t.Errorf("no moment is %q", s.Text())
	}
}

// TestDays: a day has its year where that is not this one, and what the plant
// file wrote as a day stays it in every zone.
func TestDays(t *testing.T) {
	h := newHouse(t, 1)
	zone := h.pages.Plant().Location()
	v := &visit{plant: h.pages.Plant(), now: time.Date(2026, 11, 22, 3, 7, 0, 0, zone)}
	for _, row := range []struct{ got, want string }{
		{v.date(time.Time{}), ""},
		{v.date(time.Date(2026, 12, 31, 23, 59, 0, 0, zone)), "Thu 31 Dec"},
		{v.date(time.Date(2027, 1, 1, 0, 0, 0, 0, zone)), "1 Jan 2027"},
		{v.day(time.Date(2027, 1, 1, 0, 0, 0, 0, zone)), "Thu 31 Dec"},
		{v.date(time.Date(2025, 11, 22, 3, 7, 0, 0, zone)), "22 Nov 2025"},
		{v.dateOf(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)), "Sun 1 Mar"},
		{v.days("next Sun 2026-11-29 00:00 CET"), "next Sun 29 Nov 00:00 CET"},
		{v.days("its review was due 2026-09-22; WO-2026-1204-77, 2026-13-40"), "its review was due Tue 22 Sep; WO-2026-1204-77, 2026-13-40"},
	} {
		if row.got != row.want {
			t.Errorf("%q, want %q", row.got, row.want)
		}
	}
}

// TestZoneCookie: what a browser names is a zone or nothing.
func TestZoneCookie(t *testing.T) {
	var z zones
	for name, want := range map[string]string{"America/New_York": "America/New_York", "Asia/Kolkata": "Asia/Kolkata", "": "", "Local": "", "../../etc/passwd": "", "/etc/localtime": "", "Nowhere": "",
		strings.Repeat("A", 65): "", "<script>": ""} {
		r := must(http.NewRequest(http.MethodGet, "/", nil))
		r.AddCookie(&http.Cookie{Name: zoneCookie, Value: name})
		got := ""
		if at := z.of(r); at != nil {
			got = at.String()
		}
		if got != want {
			t.Errorf("%q is %q", name, got)
		}
	}
	for i := range 2 * maxZones {
		r := must(http.NewRequest(http.MethodGet, "/", nil))
		r.AddCookie(&http.Cookie{Name: zoneCookie, Value: "x" + strings.Repeat("y", i%60) + string(rune('a'+i%26)) + string(rune('a'+i/26%26))})
		z.of(r)
	}
	if len(z.known) > maxZones {
		t.Errorf("%d names are kept", len(z.known))
	}
	h := newHouse(t, 1)
	cookie := h.cookie("mia0")
	cookie.Value += "; " + zoneCookie + "=Asia/Kolkata"
	req := must(http.NewRequest(http.MethodGet, h.server.URL+"/", nil))
	req.Header.Set("Cookie", cookieName+"="+cookie.Value)
	resp := must(h.server.Client().Do(req))
	defer resp.Body.Close()
	if page := string(must(readAll(resp))); !strings.Contains(page, "for you") || !strings.Contains(page, "yours, Asia/Kolkata") {
		t.Errorf("the page says only the plant's time: %s", page)
	}
}
