package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// story is what has to be known of the log to tell of its newest leaf: requests
// that are not over, and whose they are.
type story struct {
	o        Options
	requests map[string]*asked
	windows  map[string]string // window → request
	files    map[string]*held  // by window: files that were looked at, and wait
}

type asked struct {
	by       string
	document audit.Hash
	window   string
	asks     []string // of the plant, who asked something
}

func newStory(o Options) *story {
	return &story{o: o, requests: map[string]*asked{}, windows: map[string]string{}, files: map[string]*held{}}
}

// tell takes a leaf in, and gives what it is to be told of where that is wanted.
func (s *story) tell(ctx context.Context, leaf audit.Leaf, wanted bool) []Notice {
	n := Notice{ID: leaf.Place().String(), At: leaf.Wall, About: leaf.Subject, Path: "/requests/" + leaf.Subject}
	defer s.forget(leaf)
	var to []string
	switch b := leaf.Body.(type) {
	case audit.RequestSubmitted:
		s.requests[b.Request] = &asked{by: b.By, document: b.Document}
	case audit.RequestRevised:
		s.requests[b.Request] = &asked{by: b.By, document: b.Document}
	case audit.PersonAsked:
		n.Type, to = "request.asked", b.People
		n.Text = s.askedText(leaf, b)
		if strings.HasPrefix(leaf.Subject, "O-") {
			n.Type, n.Path = "outage.asked", "/outages/"+leaf.Subject
			n.Text = fmt.Sprintf("The list of outage %s waits for %s.", leaf.Subject, s.team(b.Role))
		}
	case audit.HostKeyChanged:
		n.Type, n.Path, to = "hostkey.changed", "/targets", s.security(ctx)
		n.Text = "A machine shows another key than the plant pinned. Nothing was sent to it, and nothing new is opened on it until somebody decides."
	case audit.HostKeyAccepted:
		n.Type, n.Path, to = "hostkey.accepted", "/targets", s.security(ctx)
		n.Text = "A machine's new key was accepted for " + b.Window + " alone. OT security confirms it, or it is not good after that."
	case audit.SecretKept:
		if b.Lost {
			n.Type, n.Path, to = "secret.kept", "/targets", s.security(ctx)
			n.Text = "It is not known which of two secrets of a machine logs in. Both are kept and tried."
		}
	case audit.HandoverRang:
		n.Type, n.Path, to = "handover.rang", "/handover", b.People
		n.Text = fmt.Sprintf("%s is not taken over: %d wait. In ten minutes the vendors' input is paused.", b.Handover, len(b.Windows))
	case audit.LeftDue:
		n.Type, n.Path, to = "left.due", "/windows/"+b.Window, s.asker(s.windows[b.Window])
		n.Text = fmt.Sprintf("What was left behind in %s must be gone by %s.", b.Window, s.day(b.Due))
	case audit.LeftRang:
		n.Type, n.Path, to = "left.rang", "/windows/"+b.Window, b.People
		n.Text = fmt.Sprintf("What was left behind in %s was to be gone by %s, and is not. Say on its page that it is gone, or by when it must be.", b.Window, s.day(b.Due))
	case audit.AnswerGiven:
		n.Type = "request.answered"
		if r := s.requests[b.Request]; r != nil && b.Says == "question" && len(r.asks) < 16 {
			r.asks = append(r.asks, b.Person)
		}
		to, n.Text = s.asker(b.Request), s.answeredText(b)
		if b.Heard != "" { // whoever asked hears that it is open
			n.Type, n.Path, to = "spoken.heard", "/spoken", []string{b.Person}
			n.Text = fmt.Sprintf("Your yes to %s was heard on the telephone and written down. Sign it within twelve hours, or say that it was not you.", b.Request)
		}
	case audit.SpokenMissed:
		n.Type, n.Path, to = "spoken.missed", "/spoken", b.People
		n.Text = "A yes to " + b.Window + " that was heard on the telephone is not signed, or is denied. No other can be spoken until it is settled."
	case audit.WindowAgreed:
		if r := s.requests[b.Request]; r != nil {
			r.window = b.Window
		}
		s.windows[b.Window] = b.Request
	case audit.QuestionAnswered:
		n.Type, n.Text = "question.answered", "Your question about "+b.Request+" was answered."
		if r := s.requests[b.Request]; r != nil {
			to = r.asks
		}
	case audit.CallAnswered:
		n.Type, to = "call.answered", s.asker(b.Request)
		n.Text = "Somebody whom you called in for " + b.Request + " is here. It can be opened."
	case audit.WindowMoved:
		n.Path = "/windows/" + b.Window
		n.Type, n.Text = s.movedText(b)
		to = s.asker(s.windows[b.Window])
	case audit.AccessListed:
		n.Type, n.Path = "access.listed", "/access/"+b.Scope
		n.Text = fmt.Sprintf("Who is in %s is to be confirmed by %s. Whom nobody confirms is kept out then.", strings.Replace(b.Scope, "/", " ", 1), b.Due.In(s.o.Plant().Location()).Format("2 Jan 2006"))
		to = s.answersFor(ctx, b.Sponsor, "")
	case audit.EndingTold:
		n.Type, n.Path, n.Text = "ending.told", "/firms/"+b.Firm, s.endingText(b)
		to = s.answersFor(ctx, b.Sponsor, b.Person)
		if id, is := strings.CutPrefix(b.What, people.StandingEnds); is {
			n.Path, to = "/windows/"+id, append(to, s.ofTeams(ctx, b.Teams, to)...)
		}
	case audit.FileMoved:
		if to = s.fileAsks(ctx, b, wanted); len(to) > 0 {
			n.Type, n.Path, n.About = "file.waits", "/windows/"+b.Window+"#files", b.Window
			n.Text = "A file waits at " + b.Window + ". It was looked at, and does not go on before somebody lets it through."
			to = slices.DeleteFunc(to, func(id string) bool { return id == nobody })
		}
	case audit.ScannerChanged:
		n.Type, n.Path, to = "scanner.changed", "/", s.security(ctx)
		n.Text = "The scanner looks into files that wait again."
		if b.Alarm != "" {
			n.Text = "The scanner has not looked into files for minutes. What vendors send or take out waits until it does."
		}
	case audit.RequestUnanswered:
		n.Type, to = "request.unanswered", s.asker(leaf.Subject)
		n.Text = leaf.Subject + " was not answered in time. Call the plant, or ask anew."
	}
	if !wanted {
		return nil
	}
	loud, tapped := s.loud(leaf), s.tapped(ctx, leaf)
	if n.Type == "" && loud.Type == "" && tapped.Type == "" {
		return nil
	}
	n.Title = "Penstock " + s.o.Plant().Site.Name
	n.Words = s.words(leaf.Subject)
	for _, id := range to {
		if p, err := s.o.Roster.Person(ctx, policy.PersonID(id)); err == nil && !p.Disabled {
			n.People = append(n.People, p)
		}
	}
	if loud.Type != "" {
		loud.People = s.whomToTell(ctx)
	}
	var all []Notice
	for _, one := range []Notice{loud, tapped, n} {
		if one.Type != "" {
			one.Title, one.Words = n.Title, n.Words
			all = append(all, one)
		}
	}
	return all
}

// forget drops what nothing more will be told of, so that a log of years leaves
// in memory what is under way.
func (s *story) forget(leaf audit.Leaf) {
	switch b := leaf.Body.(type) {
	case audit.RequestUnanswered, audit.RequestWithdrawn:
		delete(s.requests, leaf.Subject)
	case audit.AnswerGiven:
		if b.Says == "no" {
			delete(s.requests, b.Request)
		}
	case audit.WindowMoved:
		if b.To == "closed" || b.To == "unused" {
			delete(s.requests, s.windows[b.Window])
			delete(s.windows, b.Window)
		}
	}
}

// asker is who wrote a request.
func (s *story) asker(request string) []string {
	if r := s.requests[request]; r != nil {
		return []string{r.by}
	}
	return nil
}

func (s *story) words(subject string) []string {
	if request, ok := s.windows[subject]; ok {
		subject = request
	}
	if r := s.requests[subject]; r != nil && s.o.Words != nil {
		return s.o.Words(r.document)
	}
	return nil
}

func (s *story) team(role string) string {
	if t, ok := s.o.Plant().Team(policy.Role(role)); ok && t.Title != "" {
		return t.Title
	}
	return role
}

// clock is a moment on the plant's clock.
func (s *story) clock(t time.Time) string { return t.In(s.o.Plant().Location()).Format("15:04") }

// day is a moment on the plant's clock that may be another day's.
func (s *story) day(t time.Time) string {
	return t.In(s.o.Plant().Location()).Format("2 Jan 15:04")
}

// askedText says that a request waits, and who is asked next (pages.md S2).
func (s *story) askedText(leaf audit.Leaf, b audit.PersonAsked) string {
	text := fmt.Sprintf("Request %s waits for %s.", leaf.Subject, s.team(b.Role))
	if b.For != "" {
		text = fmt.Sprintf("Request %s waits for %s, because %s did not answer.", leaf.Subject, s.team(b.Role), s.team(b.For))
	}
	if len(b.People) == 0 {
		text += " Nobody of them is on duty now."
	}
	if t, ok := s.o.Plant().Team(policy.Role(b.Role)); ok && t.AsksNext != "" {
		at := "now"
		if len(b.People) > 0 {
			at = s.clock(leaf.Wall.Add(t.After))
		}
		text += fmt.Sprintf(" Next asked at %s: %s.", at, s.team(string(t.AsksNext)))
	}
	return strings.ReplaceAll(text, " at now:", " now:")
}

func (s *story) answeredText(b audit.AnswerGiven) string {
	switch b.Says {
	case "yes":
		return "Somebody of the plant said yes to " + b.Request + ". What is still missing stands on its page."
	case "no":
		return "The plant said no to " + b.Request + ". Why stands on its page."
	case "not-before":
		return fmt.Sprintf("%s sleeps until %s, and is asked again then.", b.Request, s.clock(b.NotBefore))
	}
	return "The plant asks you something about " + b.Request + "."
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

// security are all of OT security.
func (s *story) security(ctx context.Context) (to []string) {
	all, err := s.o.Roster.People(ctx)
	if err != nil {
		return nil // nobody to be told can be found now; the board says it as well
	}
	for _, p := range all {
		if p.Has("ot-security") && !p.Disabled {
			to = append(to, string(p.ID))
		}
	}
	return to
}

// ids are people as a program reads them.
func ids(list []people.Person) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = string(p.ID)
	}
	return out
}
