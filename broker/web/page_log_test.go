package web

import (
	"strings"
	"testing"
	"time"

	"penstock/audit"
)

// TestEveryEventHasWords: no list of events shows a person a type's name.
func TestEveryEventHasWords(t *testing.T) {
	v := &visit{plant: demoPlant(t), now: time.Date(2026, 11, 22, 2, 7, 0, 0, time.UTC)}
	all := audit.Bodies()
	all["window.moved"] = audit.WindowMoved{To: "opened"}
	for name, body := range all {
		if says, _ := v.sentence(body, roll{}); says == "" || strings.Contains(says, name) {
			t.Errorf("%s is told as %q", name, says)
		}
	}
	for _, to := range []string{"opened", "paused", "wenton", "extended", "ending", "grace", "ended", "cut", "unused"} {
		says := v.movedWords(audit.WindowMoved{To: to, Until: v.now.Add(time.Hour), Why: "door open"})
		if says == to || !strings.HasSuffix(says, ": door open") || strings.Contains(says, "wenton") {
			t.Errorf("a window moved to %s is told as %q", to, says)
		}
	}
	if len(all) < 40 {
		t.Errorf("only %d types of events are known", len(all))
	}
	if says, _ := v.sentence(audit.Unknown{Name: "moon.rose"}, roll{}); says != "moon.rose" {
		t.Errorf("an event of another build is told as %q", says)
	}
}
