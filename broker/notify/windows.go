package notify

import (
	"context"
	"fmt"

	"penstock/audit"
)

// ofWindow tells of a window: to whoever asked for it that it moved, to the plant's people what they owe it.
func (s *story) ofWindow(_ context.Context, leaf audit.Leaf, n *Notice) (to []string) {
	switch b := leaf.Body.(type) {
	case audit.WindowMoved:
		n.Path = "/windows/" + b.Window
		n.Type, n.Text = s.movedText(b)
		return s.asker(s.windows[b.Window])
	case audit.SpokenMissed:
		n.Type, n.Path = "spoken.missed", "/spoken"
		n.Text = "A yes to " + b.Window + " that was heard on the telephone is not signed, or is denied. No other can be spoken until it is settled."
		return b.People
	case audit.HandoverRang:
		n.Type, n.Path = "handover.rang", "/handover"
		n.Text = fmt.Sprintf("%s is not taken over: %d wait. In ten minutes the vendors' input is paused.", b.Handover, len(b.Windows))
		return b.People
	case audit.LeftDue:
		n.Type, n.Path = "left.due", "/windows/"+b.Window
		n.Text = fmt.Sprintf("What was left behind in %s must be gone by %s.", b.Window, s.day(b.Due))
		return s.asker(s.windows[b.Window])
	case audit.LeftRang:
		n.Type, n.Path = "left.rang", "/windows/"+b.Window
		n.Text = fmt.Sprintf("What was left behind in %s was to be gone by %s, and is not. Say on its page that it is gone, or by when it must be.", b.Window, s.day(b.Due))
		return b.People
	}
	return nil
}

func (s *story) movedText(b audit.WindowMoved) (kind, text string) {
	switch b.To {
	case "opened":
		return "window.opened", fmt.Sprintf("%s is open and ends at %s.", b.Window, s.clock(b.Until))
	case "extended":
		return "window.extended", fmt.Sprintf("%s ends at %s now.", b.Window, s.clock(b.Until))
	case "paused":
		return "window.paused", b.Window + " is paused."
	case "cut":
		return "window.cut", b.Window + " was cut. Call the control room."
	case "ended":
		return "window.ended", b.Window + " has ended. Tell the plant what you changed."
	case "unused":
		return "window.unused", b.Window + " was not opened in time and is over."
	}
	return "", ""
}
