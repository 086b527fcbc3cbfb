package approvals

import (
	"slices"
	"strings"
	"testing"

	"penstock/approvals/evidence"
	"penstock/audit"
)

// walked is what the verifier finds in the log, once change has altered each leaf;
// a leaf for which it says no is left out.
func (w *world) walked(change func(*audit.Leaf) (keep bool)) (found []string) {
	walk := evidence.NewWalk(w.docs)
	for _, leaf := range w.log.leaves() {
		if change(&leaf) {
			found = append(found, walk.Leaf(w.ctx, leaf)...)
		}
	}
	return found
}

// verify walks the log as penstock-verify does.
func (w *world) verify() (found []string) {
	return w.walked(func(*audit.Leaf) bool { return true })
}

// verified fails if the verifier finds anything.
func (w *world) verified() {
	if found := w.verify(); len(found) > 0 {
		w.t.Fatalf("the verifier finds: %q", found)
	}
}

// finds fails unless the verifier finds this in the log as change alters it; empty:
// it finds nothing at all.
func (w *world) finds(t testing.TB, want string, change func(*world, *audit.Leaf)) {
	t.Helper()
	found := w.walked(func(l *audit.Leaf) bool { change(w, l); return true })
	says(t, found, want)
}

// says fails unless one finding has these words; empty: there is none.
func says(t testing.TB, found []string, want string) {
	t.Helper()
	if want == "" && len(found) > 0 || want != "" && !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, want) }) {
		t.Errorf("found %q, want %q", found, want)
	}
}

// asItIs alters nothing.
func asItIs(*world, *audit.Leaf) {}

// claimed alters the claim that window.agreed names.
func claimed(change func(*evidence.WindowClaim)) func(*world, *audit.Leaf) {
	return func(w *world, l *audit.Leaf) {
		b, is := l.Body.(audit.WindowAgreed)
		if !is {
			return
		}
		text, err := w.docs.Get(w.ctx, b.Claim)
		w.ok(err)
		c, err := evidence.ParseClaim(text)
		w.ok(err)
		change(&c)
		text, err = audit.Canonical(c)
		w.ok(err)
		b.Claim = w.put(text)
		l.Body = b
	}
}

// noted fails unless the verifier notes these words.
func (w *world) noted(t testing.TB, wants ...string) {
	t.Helper()
	walk, said := evidence.NewWalk(w.docs), ""
	for _, leaf := range w.log.leaves() {
		walk.Leaf(w.ctx, leaf)
		said += strings.Join(walk.Notes(), "\n") + "\n"
	}
	walk.Done(w.ctx)
	said += strings.Join(walk.Notes(), "\n")
	for _, want := range wants {
		if !strings.Contains(said, want) {
			t.Errorf("the verifier does not say %q:\n%s", want, said)
		}
	}
}
