package notify

import (
	"context"
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
	s.learn(leaf)
	defer s.forget(leaf)
	if !wanted {
		return nil
	}
	n := Notice{ID: leaf.Place().String(), At: leaf.Wall, About: leaf.Subject}
	for _, fill := range []func(context.Context, audit.Leaf, *Notice) []string{s.ofRequest, s.ofWindow, s.ofFile, s.ofMachines, s.ofEnding} {
		if to := fill(ctx, leaf, &n); n.Type != "" {
			n.People = s.reachable(ctx, to)
			break
		}
	}
	loud := s.loud(leaf)
	if loud.Type != "" {
		loud.People = s.whomToTell(ctx)
	}
	var all []Notice
	for _, one := range []Notice{loud, s.tapped(ctx, leaf), n} {
		if one.Type != "" {
			one.Title, one.Words = "Penstock "+s.o.Plant().Site.Name, s.words(leaf.Subject)
			all = append(all, one)
		}
	}
	return all
}

// learn takes in what has to be known to tell of what comes after.
func (s *story) learn(leaf audit.Leaf) {
	switch b := leaf.Body.(type) {
	case audit.RequestSubmitted:
		s.requests[b.Request] = &asked{by: b.By, document: b.Document}
	case audit.RequestRevised:
		s.requests[b.Request] = &asked{by: b.By, document: b.Document}
	case audit.AnswerGiven:
		if r := s.requests[b.Request]; r != nil && b.Says == "question" && len(r.asks) < 16 {
			r.asks = append(r.asks, b.Person)
		}
	case audit.WindowAgreed:
		if r := s.requests[b.Request]; r != nil {
			r.window = b.Window
		}
		s.windows[b.Window] = b.Request
	case audit.FileMoved:
		s.fileMoved(b)
	}
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

// reachable are those of the people who are known and not disabled.
func (s *story) reachable(ctx context.Context, to []string) (list []people.Person) {
	for _, id := range to {
		if p, err := s.o.Roster.Person(ctx, policy.PersonID(id)); err == nil && !p.Disabled {
			list = append(list, p)
		}
	}
	return list
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
