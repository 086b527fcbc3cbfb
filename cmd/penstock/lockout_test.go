package main

import (
	"net/http"
	"testing"
)

// TestTheShiftSignsInBesideAGuesser: somebody at the same address types the
// supervisor's name with wrong passwords. At the browser where she has signed in
// before she comes in, and her code counts.
func TestTheShiftSignsInBesideAGuesser(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	mia, ann := h.signedIn(t, "mia"), h.signedIn(t, "ann")
	ann.post("/requests/new", askToLook...).want(t, http.StatusSeeOther)
	for _, name := range []string{"mia", "olaf", "nobody"} {
		for range 10 {
			h.browser(t).post("/sign-in", "name", name, "password", "not the password")
		}
	}
	right := []string{"name", "mia", "password", h.people["mia"].Password}
	h.browser(t).post("/sign-in", right...).want(t, http.StatusTooManyRequests, "Too many wrong attempts")
	mia.post("/sign-out").want(t, http.StatusSeeOther)
	mia.post("/sign-in", right...).want(t, http.StatusSeeOther)
	mia.post("/requests/R-1/yes", "document", mia.get("/requests/R-1").document(t), "code", h.code(t, "mia")).want(t, http.StatusSeeOther)
}
