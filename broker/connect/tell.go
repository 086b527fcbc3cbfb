package connect

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"time"
)

// teller speaks to the person, or in JSON to a program: one line an event.
type teller struct {
	json bool
	out  io.Writer // lines
	live io.Writer // the line that counts down; nil: none

	mu      sync.Mutex
	shown   int // characters of the counting line that stand on the screen
	streams int
}

func newTeller(o Options, t Terminal) *teller {
	s := &teller{json: o.JSON, out: t.Out}
	if t.Live && !o.JSON {
		s.live = t.Err
	}
	return s
}

// line tells an event. detail is for programs.
func (t *teller) line(event, text string, detail map[string]any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.json {
		m := map[string]any{"event": event, "say": text, "at": time.Now().UTC().Format(time.RFC3339)}
		maps.Copy(m, detail)
		b, err := json.Marshal(m)
		if err == nil {
			fmt.Fprintf(t.out, "%s\n", b)
		}
		return
	}
	t.wipe()
	if event == "listening" || event == "socks" {
		fmt.Fprintf(t.out, "  %s\n", strings.ReplaceAll(text, "\n", "\n  "))
		return
	}
	fmt.Fprintf(t.out, "%s  %s\n", time.Now().Format("15:04:05"), text)
}

// wipe takes the counting line away, by blanks: a console of Windows shows what
// moves the cursor of others as it stands. mu is held.
func (t *teller) wipe() {
	if t.shown > 0 {
		fmt.Fprint(t.live, "\r"+strings.Repeat(" ", t.shown)+"\r")
		t.shown = 0
	}
}

// left shows how long is left, where there is a screen.
func (t *teller) left(left time.Duration, up bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live == nil {
		return
	}
	state := ""
	if !up {
		state = "; the line is down, trying again"
	}
	text := fmt.Sprintf("%s left, %d open%s", spell(left), t.streams, state)
	fmt.Fprintf(t.live, "\r%-*s", t.shown, text)
	t.shown = max(t.shown, len(text))
}

// spell is a duration as people read it on a clock.
func spell(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	if d >= time.Hour {
		return fmt.Sprintf("%d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d:%02d min", d/time.Minute, d%time.Minute/time.Second)
}

func (t *teller) opened(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.streams += n
}

func (t *teller) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
}
