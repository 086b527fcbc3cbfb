package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/audit/review"
	"penstock/broker/api"
	"penstock/policy"
)

// reviews are the calls around recordings that are over: verdicts, holds, expiry.
func (s *server) reviews(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/reviews", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Book.Waits(r.Context(), reader(a, "list", ""))
		return each(list, err, func(w review.Waiting) api.Review { return reviewJSON(w.Session, w.Reasons, w.Late) })
	}))
	mux.HandleFunc("GET /api/v1/recordings/{id}/review", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		ses, why, err := s.Book.Session(r.Context(), reader(a, "", ""), r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		out := reviewJSON(ses, why, false)
		out.Held = s.Book.HeldBy(ses.ID)
		return out, nil
	}))
	mux.HandleFunc("POST /api/v1/recordings/{id}/verdict", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Verdict](r)
		if err != nil {
			return nil, err
		}
		ses, err := s.sign(r.Context(), a, r.PathValue("id"), review.Opinion{Verdict: in.Verdict, To: in.To, Text: in.Text, Seen: in.Seen}, names[policy.WindowID](in.Outside))
		return reviewJSON(ses, nil, false), err
	}))
	mux.HandleFunc("POST /api/v1/recordings/{id}/threads/{n}", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Reply](r)
		if err != nil {
			return nil, err
		}
		n, _ := strconv.Atoi(r.PathValue("n")) // 0 is no thread
		ses, err := s.Book.Reply(r.Context(), reader(a, "", ""), r.PathValue("id"), n, in.Text, in.Settle, in.Seen)
		return reviewJSON(ses, nil, false), err
	}))
	mux.HandleFunc("POST /api/v1/recordings/{id}/notes", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Note](r)
		if err != nil {
			return nil, err
		}
		ses, err := s.Book.Note(r.Context(), reader(a, "", ""), r.PathValue("id"), in.Channel, time.Duration(in.Millis)*time.Millisecond, in.Text)
		return reviewJSON(ses, nil, false), err
	}))
	s.holds(mux)
}

func (s *server) holds(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/holds", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Book.Holds(r.Context(), reader(a, "", ""))
		return each(list, err, holdJSON)
	}))
	mux.HandleFunc("POST /api/v1/holds", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Hold](r)
		if err != nil {
			return nil, err
		}
		h, err := s.Book.SetHold(r.Context(), reader(a, "", ""), audit.HoldSet{Session: in.Session, Window: in.Window, Person: in.Person, Firm: in.Firm, Asset: in.Asset, All: in.All, Why: in.Why})
		return holdJSON(h), err
	}))
	mux.HandleFunc("POST /api/v1/holds/{id}/lift", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Hold](r)
		if err != nil {
			return nil, err
		}
		return struct{}{}, s.lift(r.Context(), a, r.PathValue("id"), in.Why)
	}))
	mux.HandleFunc("GET /api/v1/expiry", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		p, err := s.Book.Plan(r.Context(), reader(a, "", ""))
		return expiryJSON(p), err
	}))
	mux.HandleFunc("POST /api/v1/expiry", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.DoExpire](r)
		if err != nil {
			return nil, err
		}
		p, err := s.expire(r.Context(), a, in.Seen)
		return expiryJSON(p), err
	}))
	mux.HandleFunc("POST /api/v1/recordings/{id}/delete", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Delete](r)
		if err != nil {
			return nil, err
		}
		if in.DryRun {
			return api.Deleted{}, s.Book.Deletable(r.Context(), reader(a, "", ""), r.PathValue("id"))
		}
		gone, err := s.delete(r.Context(), a, r.PathValue("id"), in.Why, in.Confirm)
		return api.Deleted{Gone: gone}, err
	}))
}

// What follows is the same for pages and API: who signs, lifts, expires or
// deletes has just given a code.

// sign is one verdict; outside are windows of the session that the same reviewer
// says were used outside their pattern's purpose.
func (s *server) sign(ctx context.Context, a people.Actor, session string, o review.Opinion, outside []policy.WindowID) (review.Session, error) {
	if err := s.Roster.Proved(ctx, a); err != nil {
		return review.Session{}, err
	}
	if len(outside) > 0 {
		if err := s.signable(ctx, a, session, o, outside); err != nil {
			return review.Session{}, err
		}
	}
	if o.Verdict == review.Question {
		if err := s.askable(ctx, o.To); err != nil {
			return review.Session{}, err
		}
	}
	signed, err := s.Book.Sign(ctx, reader(a, "", ""), session, o)
	if err != nil {
		return signed, err
	}
	return signed, s.Desk.Outside(ctx, a, outside, o.Text)
}

// signable: the windows are this session's, and what they were used for is said.
func (s *server) signable(ctx context.Context, a people.Actor, session string, o review.Opinion, outside []policy.WindowID) error {
	ses, _, err := s.Book.Session(ctx, reader(a, "", ""), session)
	if err != nil {
		return err
	}
	for _, id := range outside {
		if !slices.Contains(ses.Windows, string(id)) {
			return &policy.Refusal{Rule: "other-window", Say: "Name windows of this recording.", Why: session + " was not in " + strconv.Quote(short(string(id)))}
		}
	}
	if strings.TrimSpace(o.Text) == "" {
		return &policy.Refusal{Rule: "bad-text", Say: "Say what was outside the purpose.", Why: "no text"}
	}
	return nil
}

// askable: a question goes to an active person of the plant.
func (s *server) askable(ctx context.Context, to string) error {
	p, err := s.Roster.Person(ctx, policy.PersonID(to))
	if err == nil && !p.Disabled {
		if f, ferr := s.Roster.Firm(ctx, p.Firm); ferr == nil && f.Plant {
			return nil
		}
	}
	return &policy.Refusal{Rule: "question-to", Say: "Say to whom the question is: somebody else of the plant.", Why: "a question to " + strconv.Quote(short(to))}
}

func (s *server) lift(ctx context.Context, a people.Actor, hold, why string) error {
	if err := s.Roster.Proved(ctx, a); err != nil {
		return err
	}
	return s.Book.LiftHold(ctx, reader(a, "", ""), hold, why)
}

func (s *server) expire(ctx context.Context, a people.Actor, seen int) (review.Plan, error) {
	if err := s.Roster.Proved(ctx, a); err != nil {
		return review.Plan{}, err
	}
	return s.Book.Expire(ctx, reader(a, "", ""), seen)
}

func (s *server) delete(ctx context.Context, a people.Actor, session, why string, confirm bool) (bool, error) {
	if err := s.Roster.Proved(ctx, a); err != nil {
		return false, err
	}
	return s.Book.Delete(ctx, reader(a, "", ""), session, why, confirm)
}

func reviewJSON(s review.Session, why []string, late bool) api.Review {
	out := api.Review{Session: s.ID, Person: s.Person, Firm: s.Firm, Windows: s.Windows, Ended: s.Ended, Reasons: why, Late: late, Reviewed: s.Reviewed()}
	for _, v := range s.Verdicts {
		out.Verdicts = append(out.Verdicts, api.Verdict{Person: v.Person, Verdict: v.Verdict, To: v.To, Text: v.Text, At: v.At, Thread: v.Thread})
	}
	if g := s.Gone; g != nil {
		out.Gone = "expired by " + g.Rule
		if g.By != "" {
			out.Gone = "deleted by " + g.Asked + " and " + g.By + ": " + g.Why
		}
	}
	return out
}

func holdJSON(h review.Hold) api.Hold {
	return api.Hold{Hold: h.Hold, Session: h.Session, Window: h.Window, Person: h.Person, Firm: h.Firm, Asset: h.Asset, All: h.All, By: h.By, Why: h.Why, At: h.At}
}

func expiryJSON(p review.Plan) api.Expiry {
	out := api.Expiry{All: p.All, Asks: p.Asks, Goes: []api.Due{}, Stays: []api.Due{}}
	for _, d := range p.Goes {
		out.Goes = append(out.Goes, api.Due{Session: d.Session, Rule: d.Rule, Due: d.Due})
	}
	for _, k := range p.Stays {
		out.Stays = append(out.Stays, api.Due{Session: k.Session, Rule: k.Rule, Due: k.Due.Due, Why: k.Why})
	}
	return out
}
