package web

import "testing"

// TestEveryPageParses: a page is parsed when it is first asked for, and what
// cannot be parsed must not wait until somebody does.
func TestEveryPageParses(t *testing.T) {
	pages, err := listTemplates()
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 40 {
		t.Fatalf("%d pages are listed", len(pages))
	}
	for name := range pages {
		set, err := pages.of(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if again, err := pages.of(name); err != nil || again != set {
			t.Errorf("page %s was parsed twice, or %v", name, err)
		}
		for _, part := range []string{"layout", "state", "page"} {
			if set.Lookup(part) == nil {
				t.Errorf("page %s has no part %q", name, part)
			}
		}
	}
	if _, err := pages.of("nowhere"); err == nil {
		t.Error("there is a page nowhere")
	}
}
