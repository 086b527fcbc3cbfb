package web

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// Whoever is refused, or asked for a code, gets back to a page that there is, and
// not to the board from a button that stands elsewhere.
func TestBackFromEveryButton(t *testing.T) {
	mux, posts, ids := http.NewServeMux(), []string{}, regexp.MustCompile(`\{[a-z]+\}`)
	for _, r := range newHouse(t, 1).pages.table() {
		if path, is := strings.CutPrefix(r.Pattern, "POST "); is {
			posts = append(posts, ids.ReplaceAllString(path, "X-1"))
		} else {
			mux.Handle(r.Pattern, http.NotFoundHandler())
		}
	}
	onBoard := map[string]bool{"sign-in": true, "sign-out": true, "gates": true, "island": true}
	for _, path := range posts {
		back := backTo(path)
		_, found := mux.Handler(httptest.NewRequest(http.MethodGet, back, nil))
		if found == "" || strings.Contains(found, "{id}") && !strings.Contains(back, "X-1") {
			t.Errorf("back from %s is %s, which is no page (%q)", path, back, found)
		}
		if back == "/" && !onBoard[strings.Split(path, "/")[1]] {
			t.Errorf("back from %s is the board", path)
		}
	}
}
