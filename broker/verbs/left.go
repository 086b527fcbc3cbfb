package verbs

import (
	"time"

	"penstock/approvals"
	"penstock/policy"
)

// leftLine is something still left behind, for a program.
type leftLine struct {
	N    int       `json:"n"`
	What string    `json:"what"`
	Due  time.Time `json:"due,omitzero"` // it must be gone by then
}

// stillLeft is what of a window's work is still there.
func stillLeft(w approvals.Window) (all []leftLine) {
	for _, l := range w.Left {
		if l.GoneBy == "" {
			all = append(all, leftLine{l.N, l.What, l.Due})
		}
	}
	return all
}

// left tells the plant what stays behind, or lists it.
func (c *call) left() error {
	id, err := c.args.id(0, "W")
	if err != nil {
		return err
	}
	var w approvals.Window
	text := c.args.rest(1)
	if text == "" {
		w, err = c.Desk.Window(c.ctx, c.by, policy.WindowID(id))
	} else {
		w, err = c.Desk.NoteLeft(c.ctx, c.by, policy.WindowID(id), text, time.Time{})
	}
	if err != nil {
		return err
	}
	if c.args.json {
		line := c.windowLine(w)
		line.Receipt, _ = c.receipt()
		c.json(line)
		return nil
	}
	if text != "" {
		c.printf("Noted. The plant closes %s once it has looked and it is gone; to come in and take it out, ask: %s\n", w.ID, c.command("desk", "more "+id+" --minutes 30 --why TEXT"))
	}
	c.leftLines(w)
	if text == "" && len(stillLeft(w)) == 0 {
		c.printf("Nothing is left behind in %s.\n", w.ID)
	}
	return nil
}

func (c *call) leftLines(w approvals.Window) {
	for _, l := range stillLeft(w) {
		by := ""
		if !l.Due.IsZero() {
			by = ", must be gone by " + c.when(l.Due)
		}
		c.printf("  left behind: %s%s\n", l.What, by)
	}
}
