package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// ofEnding tells of what ends by itself, and of who is to be confirmed, to those who can renew it.
func (s *story) ofEnding(ctx context.Context, leaf audit.Leaf, n *Notice) (to []string) {
	switch b := leaf.Body.(type) {
	case audit.AccessListed:
		n.Type, n.Path = "access.listed", "/access/"+b.Scope
		n.Text = fmt.Sprintf("Who is in %s is to be confirmed by %s. Whom nobody confirms is kept out then.", strings.Replace(b.Scope, "/", " ", 1), b.Due.In(s.o.Plant().Location()).Format("2 Jan 2006"))
		return s.answersFor(ctx, b.Sponsor, "")
	case audit.EndingTold:
		n.Type, n.Path, n.Text = "ending.told", "/firms/"+b.Firm, s.endingText(b)
		to = s.answersFor(ctx, b.Sponsor, b.Person)
		if id, is := strings.CutPrefix(b.What, people.StandingEnds); is {
			n.Path, to = "/windows/"+id, append(to, s.ofTeams(ctx, b.Teams, to)...)
		}
	}
	return to
}

// endingText says what of whom ends, and what to do.
func (s *story) endingText(b audit.EndingTold) string {
	who := b.Firm
	if b.Person != "" {
		who = b.Person + " of " + b.Firm
	}
	if id, is := strings.CutPrefix(b.What, people.StandingEnds); is {
		return fmt.Sprintf("%s: %s, a machine's, is to be confirmed by %s; else it closes by itself.", who, id, b.Until.In(s.o.Plant().Location()).Format("2 Jan 2006 15:04"))
	}
	if b.Days == 0 {
		return fmt.Sprintf("%s: %s has ended. Nobody works by it until it is written anew.", who, b.What)
	}
	return fmt.Sprintf("%s: %s ends %s, in %d days at most.", who, b.What, b.Until.In(s.o.Plant().Location()).Format("2 Jan 2006"), b.Days)
}

// ofTeams are those who hold one of the roles, and are not in have.
func (s *story) ofTeams(ctx context.Context, teams, have []string) (to []string) {
	all, err := s.o.Roster.People(ctx)
	if err != nil {
		return nil // nobody to be told can be found now; the debts say it as well
	}
	for _, p := range all {
		if !p.Disabled && !slices.Contains(have, string(p.ID)) && slices.ContainsFunc(teams, func(t string) bool { return p.Has(policy.Role(t)) }) {
			to = append(to, string(p.ID))
		}
	}
	return to
}

// answersFor are the firm's sponsor, OT security, and the person whom it is about.
func (s *story) answersFor(ctx context.Context, sponsor, person string) (to []string) {
	if sponsor != "" {
		to = append(to, sponsor)
	}
	all, err := s.o.Roster.People(ctx)
	if err != nil {
		return to // nobody to be told can be found now; the pages say it as well
	}
	for _, p := range all {
		if (string(p.ID) == person || p.Has("ot-security")) && !p.Disabled && !slices.Contains(to, string(p.ID)) {
			to = append(to, string(p.ID))
		}
	}
	return to
}
