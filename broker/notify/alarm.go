package notify

import (
	"context"
	"slices"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// loud is what those whom the plant file names under emergency: tell hear of a
// leaf, at once and whoever else does; no Type: nothing.
func (s *story) loud(leaf audit.Leaf) Notice {
	n := Notice{ID: leaf.Place().String() + "/alarm", At: leaf.Wall, About: leaf.Subject, Path: "/windows/" + leaf.Subject}
	if b, moved := leaf.Body.(audit.WindowMoved); moved {
		switch {
		case b.To == "opened" && b.Emergency:
			n.Type, n.Text = "emergency.opened", "EMERGENCY: "+b.Window+" was opened by one yes, and ends at "+s.clock(b.Until)+"."
		case b.To == "stepped":
			n.Type, n.Text = "emergency.stepped", "EMERGENCY: "+b.Window+" may do more since now, by a second tap."
		}
	}
	if b, opened := leaf.Body.(audit.EnvelopeOpened); opened {
		n.Path, n.Type, n.Text = "/envelopes", "envelope.opened", "ALARM: "+people.Envelope{ID: policy.PersonID(b.Envelope)}.Title()+" was opened at "+s.clock(b.At)+", by somebody who says to be "+b.Says+"."
	}
	return n
}

// whomToTell are all who hold a role that an emergency is told to. On duty or
// not: an emergency is no question to a shift.
func (s *story) whomToTell(ctx context.Context) (list []people.Person) {
	all, err := s.o.Roster.People(ctx)
	if err != nil {
		return nil // the board and the log say it all the same
	}
	for _, p := range all {
		if !p.Disabled && (slices.ContainsFunc(s.o.Plant().Emergency.Tell, p.Has) || p.Has("ot-security")) {
			list = append(list, p)
		}
	}
	return list
}
