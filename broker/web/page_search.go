package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"penstock/approvals/people"
	"penstock/audit/search"
	"penstock/broker/api"
	"penstock/policy"
)

// searchTime is how long one search may look.
const searchTime = 3 * time.Second

type searchView struct {
	Query, Help, Say string // Say: what a person is told in place of an answer
	Asked            bool
	Lines            []hitLine
	More, Broke      string
	Limits           []string // what is not in the index
}

// hitLine is one thing found, and where it leads.
type hitLine struct {
	What, Text, Link, Session, Who, Asset string
	At                                    stamp
	Sealed                                bool
}

var errNoSearch = &policy.Refusal{Rule: "no-search", Say: "This broker has no search.", Why: "no index"}

// find is the one way to search: the event first, then the index.
func (s *server) find(ctx context.Context, a people.Actor, text string) (search.Found, error) {
	if s.Search == nil {
		return search.Found{}, errNoSearch
	}
	q, err := search.ParseQuery(text, s.Plant().Location())
	if err != nil {
		return search.Found{}, err
	}
	if err := s.Book.Searching(ctx, reader(a, "search", ""), text); err != nil {
		return search.Found{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	return s.Search(ctx, q)
}

// searchPage without a query is the form alone, and no event.
func (g *Pages) searchPage(v *visit) error {
	view := searchView{Query: v.r.URL.Query().Get("q"), Help: search.Help}
	if view.Query == "" {
		return g.show(v, http.StatusOK, "search", "Search", view)
	}
	found, err := g.find(v.ctx(), v.actor, view.Query)
	if bad, ok := errors.AsType[*search.QueryError](err); ok {
		view.Say = bad.Say
		return g.show(v, http.StatusBadRequest, "search", "Search", view)
	}
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view.Asked, view.Limits, view.Broke = true, searchLimits(found.State), found.Broke
	for _, h := range found.Hits {
		view.Lines = append(view.Lines, v.hitLine(n, h))
	}
	if found.More {
		view.More = fmt.Sprintf("These are the newest %d. Say more words, or a person, asset or day.", len(found.Hits))
	}
	return g.show(v, http.StatusOK, "search", "Search", view)
}

func (v *visit) hitLine(n roll, h search.Hit) hitLine {
	line := hitLine{Text: h.Text, Session: h.Session, At: v.at(h.Wall), Link: hitLink(h), What: hitWord(h.Kind), Sealed: h.Sealed}
	if h.Person != "" {
		line.Who = n.person(personID(h.Person))
	}
	if h.Asset != "" {
		line.Asset = h.Asset
		if t, ok := v.plant.Asset(assetName(h.Asset)); ok && t.Tag != "" {
			line.Asset = t.Tag
		}
	}
	return line
}

// hitLink leads into the recording at that second, or to where the log says it.
func hitLink(h search.Hit) string {
	switch {
	case h.Session == "":
		return fmt.Sprintf("/log?before=%d", h.Leaf+1)
	case h.Kind == search.KindScreen || h.Kind == search.KindCommand:
		return fmt.Sprintf("/recordings/%s/play?channel=%d&t=%.3f", h.Session, h.Channel, h.Second)
	}
	return "/recordings/" + h.Session
}

func hitWord(kind byte) string {
	return map[byte]string{search.KindScreen: "shown", search.KindCommand: "ran", search.KindFile: "file", search.KindEvent: "log", search.KindSession: "session"}[kind]
}

// searchLimits say what cannot be found.
func searchLimits(s search.State) (lines []string) {
	if s.Next < s.Size {
		lines = append(lines, fmt.Sprintf("The index is being made: %d of %d leaves are in.", s.Next, s.Size))
	}
	if s.Sealed > 0 {
		lines = append(lines, fmt.Sprintf("Of %s only what the log says is found: the recordings are sealed.", count(s.Sealed, "session", "sessions")))
	}
	if s.Left > 0 {
		lines = append(lines, fmt.Sprintf("Of %s something that was shown is not in the index: the recording is gone or damaged, or it was too much.", count(s.Left, "session", "sessions")))
	}
	return lines
}

// searchAPI is the same for programs.
func (s *server) searchAPI(r *http.Request, a people.Actor) (any, error) {
	found, err := s.find(r.Context(), a, r.URL.Query().Get("q"))
	if bad, ok := errors.AsType[*search.QueryError](err); ok {
		return nil, badCall{bad}
	}
	if err != nil {
		return nil, err
	}
	answer := api.Found{Hits: []api.Hit{}, More: found.More, Broke: found.Broke, Limits: searchLimits(found.State)}
	for _, h := range found.Hits {
		one := api.Hit{Kind: hitWord(h.Kind), Session: h.Session, Person: h.Person, Firm: h.Firm, Asset: h.Asset, Channel: h.Channel,
			At: h.Wall, Second: h.Second, Text: h.Text, Link: hitLink(h)}
		if h.Kind == search.KindFile || h.Kind == search.KindEvent {
			leaf := uint64(h.Leaf)
			one.Leaf = &leaf
		}
		answer.Hits = append(answer.Hits, one)
	}
	return answer, nil
}
