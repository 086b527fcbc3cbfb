package web

import (
	"fmt"
	"net/http"
	"time"

	"penstock/approvals/people"
	"penstock/audit/publish"
	"penstock/broker/api"
	"penstock/policy"
)

// outsideView says how far copies outside cover the log. Line empty: not known here.
type outsideView struct {
	Line   string
	Red    bool
	Places []outsidePlace
}

// outsidePlace is one place in words: what it has, and what is wrong.
type outsidePlace struct{ Name, Where, Last, Bad string }

func (g *Pages) outside(v *visit) outsideView {
	if g.Outside == nil {
		return outsideView{}
	}
	return v.outsideOf(g.Outside())
}

func (v *visit) outsideOf(s publish.State) outsideView {
	view := outsideView{Line: v.outsideLine(s), Red: s.Alarm != "" || s.Refuse}
	all := s.Places
	if s.Person != nil {
		all = append(all[:len(all):len(all)], *s.Person)
	}
	for _, p := range all {
		view.Places = append(view.Places, v.outsidePlace(p))
	}
	return view
}

// outsideLine is the board's last line (pages.md S3).
func (v *visit) outsideLine(s publish.State) string {
	switch {
	case s.Alarm != "" || s.Refuse:
		line := "Copies outside: " + s.Alarm + "."
		if s.Alarm == "" {
			line = "No copy outside for " + span(s.Age) + "."
		}
		if s.Refuse {
			line += " Nobody new is let in."
		}
		return line
	case s.By.Size == 0:
		line := "Nobody outside holds a copy: who owns this machine could rewrite everything"
		if !s.Since.IsZero() {
			line += " since " + v.at(s.Since).Text()
		}
		return line + "."
	case len(s.Places) == 0 && s.Age > 0:
		return fmt.Sprintf("The last copy outside is %s old, %s; who owns this machine could rewrite what came after it.", span(v.now.Sub(s.By.At)), s.By.Said)
	}
	ago := v.now.Sub(s.By.At)
	text := span(ago)
	if ago >= 0 && ago.Seconds() < 60 {
		text = fmt.Sprintf("%d s", int(ago.Seconds()))
	}
	return "Copy outside " + text + " ago."
}

func (v *visit) outsidePlace(p publish.PlaceState) outsidePlace {
	line := outsidePlace{Name: p.Name, Where: p.Where, Bad: p.Contrary}
	if p.Last.Size > 0 {
		line.Last = fmt.Sprintf("Last %s, %d leaves: %s.", v.at(p.Last.At).Text(), p.Last.Size, p.Last.Said)
	} else if p.Failing.IsZero() {
		line.Last = "Nothing yet."
	}
	if line.Bad == "" && !p.Failing.IsZero() {
		line.Bad = "Not reached for " + span(v.now.Sub(p.Failing)) + ": " + p.Why + "."
		if p.Waiting > 0 {
			line.Bad += " " + count(int(p.Waiting), "checkpoint waits", "checkpoints wait") + "; the newest covers the others."
		}
	}
	return line
}

// siemQuiet is how long a SIEM may be behind before the board says so.
const siemQuiet = 5 * time.Minute

// siemLines say which SIEM is not told what happens. It holds up nobody's work,
// so it is a line and no alarm.
func (g *Pages) siemLines() (lines []string) {
	if g.SIEM == nil {
		return nil
	}
	for _, s := range g.SIEM() {
		if s.Lag < siemQuiet {
			continue
		}
		line := fmt.Sprintf("Security monitoring (%s) has not been told of %s for %s.", s.Name, count(int(s.Behind), "event", "events"), span(s.Lag))
		if s.Why != "" {
			line += " " + s.Why + "."
		}
		lines = append(lines, line)
	}
	return lines
}

var errNoPublisher = &policy.Refusal{Rule: "no-checkpoint", Say: "This broker gives no checkpoints out.", Why: "no publisher"}

// takenByPage gives the newest checkpoint to who asked, as a file. It is a POST:
// a link on another page must not make the log believe that a copy is outside.
func (g *Pages) takenByPage(v *visit) error {
	if g.TakeCheckpoint == nil {
		return errNoPublisher
	}
	b, err := g.TakeCheckpoint(v.ctx(), v.actor, "page")
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	v.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=\"checkpoint-%s.txt\"", v.now.UTC().Format("2006-01-02-150405")))
	_, _ = v.w.Write(b) // the reader may be gone
	return nil
}

func (s *server) takenByCommand(r *http.Request, a people.Actor) (any, error) {
	if s.TakeCheckpoint == nil {
		return nil, errNoPublisher
	}
	b, err := s.TakeCheckpoint(r.Context(), a, "command")
	if err != nil {
		return nil, err
	}
	return api.Checkpoint{Note: string(b)}, nil
}
