package web

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"penstock/approvals/calendar"
)

// upload posts a file as a browser does.
func (h *house) upload(cookie *http.Cookie, path, who string, file []byte) (int, string) {
	h.t.Helper()
	return h.uploads(cookie, path, [2]string{"who", who}, "calendar", file)
}

func (h *house) uploads(cookie *http.Cookie, path string, field [2]string, name string, file []byte) (int, string) {
	h.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField(field[0], field[1]); err != nil {
		h.t.Fatal(err)
	}
	part := must(form.CreateFormFile(name, "file"))
	must(part.Write(file))
	if err := form.Close(); err != nil {
		h.t.Fatal(err)
	}
	r := must(http.NewRequest("POST", h.server.URL+path, &body))
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Host = strings.TrimPrefix(h.origin, "https://")
	r.AddCookie(cookie)
	resp := must(h.server.Client().Do(r))
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body)))
}

// A calendar is shown before it is written, with its holes; what is written is
// what was shown; and nobody reads one in who may not write the roster.
func TestRosterFromACalendar(t *testing.T) {
	h := newHouse(t, 2)
	lena, mia := h.cookie("lena"), h.cookie("mia0")
	begin := time.Now().UTC().Add(2 * time.Hour).Truncate(time.Hour)
	event := func(n int, who string, from time.Time) string {
		const form = "20060102T150405Z"
		return fmt.Sprintf("BEGIN:VEVENT\r\nUID:%d\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:%s\r\nDTSTART:%s\r\nDTEND:%s\r\nEND:VEVENT\r\n", n, who, from.Format(form), from.Add(8*time.Hour).Format(form))
	}
	file := []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n" + event(1, "mia0", begin) + event(2, "M. Voss", begin.Add(10*time.Hour)) + "END:VCALENDAR\r\n")

	if status, page := h.upload(mia, "/roster/shift/calendar", "", file); status != http.StatusForbidden {
		t.Errorf("who may not write the roster reads a calendar in: %d %s", status, page)
	}
	if status, page := h.upload(lena, "/roster/shift/calendar", "", file); status != http.StatusUnprocessableEntity || !strings.Contains(page, "M. Voss") || strings.Contains(page, "Write this roster") {
		t.Errorf("a name of nobody's: %d %s", status, page)
	}
	if status, _ := h.upload(lena, "/roster/shift/calendar", "", bytes.Repeat([]byte("x"), uploadForm)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a file of %d bytes: %d", uploadForm, status)
	}
	if status, page := h.upload(lena, "/roster/shift/calendar", "", bytes.Repeat([]byte("x"), calendar.MaxBytes+1)); status != http.StatusUnprocessableEntity {
		t.Errorf("a calendar one byte too long: %d %s", status, page)
	}
	status, page := h.upload(lena, "/roster/shift/calendar", "M. Voss = mia1", file)
	if status != http.StatusOK || !strings.Contains(page, "2 turns") || strings.Count(page[strings.Index(page, "Nobody would be on duty"):], " to <time") < 4 {
		t.Fatalf("what it would write: %d %s", status, page)
	}
	if duty := must(h.desk.Duty(h.ctx)); duty.Kept("shift") {
		t.Fatal("showing has written")
	}
	turns := regexp.MustCompile(`name="turns" value="([^"]*)"`).FindStringSubmatch(page)
	if turns == nil {
		t.Fatal(page)
	}
	h.posts(t, mia, "/roster/shift/calendar/write", url.Values{"turns": {turns[1]}}, http.StatusForbidden)
	h.posts(t, lena, "/roster/shift/calendar/write", url.Values{"turns": {"mia0 1 2 3"}}, http.StatusBadRequest)
	h.posts(t, lena, "/roster/shift/calendar/write", url.Values{"turns": {""}}, http.StatusForbidden)
	h.posts(t, lena, "/roster/shift/calendar/write", url.Values{"turns": {turns[1]}}, http.StatusSeeOther)
	list := must(h.desk.Duty(h.ctx)).Turns("shift")
	if len(list) != 2 || list[0].Person != "mia0" || !list[0].From.Equal(begin) || list[1].Person != "mia1" || !list[1].To.Equal(begin.Add(18*time.Hour)) {
		t.Errorf("%v", list)
	}
}
