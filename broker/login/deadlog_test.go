package login

import "testing"

// TestADeadLogKeepsNobodyFromTaking: the disk is full and the shift wants to
// cut. Password alone still makes an actor, who may take; a code, which would
// give, does not count where it cannot be spent.
func TestADeadLogKeepsNobodyFromTaking(t *testing.T) {
	w := newWorld(t)
	w.log.mu.Lock()
	w.log.dead = true
	w.log.mu.Unlock()
	a, err := w.SignIn(t.Context(), here, "mia", password, "")
	if err != nil || a.Person != "mia" || a.Step != 0 {
		t.Fatalf("to take: %+v, %v", a, err)
	}
	if a, err := w.SignIn(t.Context(), here, "mia", password, w.code()); err == nil {
		t.Fatalf("to give: %+v", a)
	}
}
