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

// tapped is what somebody hears of a tap of their own key at a screen of the control
// room, on their own telephone: a key shows no text, and a screen that was taken
// over can show another one than is signed. No Type: it was tapped at none.
func (s *story) tapped(ctx context.Context, leaf audit.Leaf) (n Notice) {
	var who, did string
	var answer audit.Hash
	switch b := leaf.Body.(type) {
	case audit.AnswerGiven:
		who, answer, did, n.Path = b.Person, b.Document, "answer "+b.Request+": "+b.Says, "/requests/"+b.Request
	case audit.WindowMoved:
		who, answer, n.Path = b.By, b.Answer, "/windows/"+b.Window
		did = map[string]string{"opened": "open " + b.Window, "wenton": "let " + b.Window + " go on"}[b.To]
	case audit.HandoverAccepted:
		who, answer, did, n.Path = b.By, b.Answer, "take over "+b.Handover, "/handover"
	}
	if s.o.Screen == nil || did == "" || answer.IsZero() {
		return Notice{}
	}
	p, err := s.o.Roster.Person(ctx, policy.PersonID(who))
	at := s.o.Screen(ctx, answer)
	if at == "" || err != nil || p.Disabled {
		return Notice{}
	}
	n.ID, n.At, n.About, n.Type, n.People = leaf.Place().String()+"/tap", leaf.Wall, leaf.Subject, "screen.tapped", []people.Person{p}
	n.Text = "Your key was tapped at the screen " + at + ", to " + did + ". If that is not what you read there, cut it now, here or by the control room's telephone, and call OT security."
	return n
}
