package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/api"
	"penstock/policy"
)

// accessCalls are the access reviews: who may come in for a firm, or holds a role.
func (s *server) accessCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/access", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.accessReviews(r.Context(), a)
		return each(list, err, func(v api.AccessReview) api.AccessReview { return v })
	}))
	mux.HandleFunc("GET /api/v1/access/{kind}/{id}", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		return s.accessReview(r.Context(), a, scopeOf(r))
	}))
	mux.HandleFunc("POST /api/v1/access/{kind}/{id}/begin", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		if err := s.Desk.BeginAccess(r.Context(), a, scopeOf(r)); err != nil {
			return nil, err
		}
		return s.accessReview(r.Context(), a, scopeOf(r))
	}))
	mux.HandleFunc("POST /api/v1/access/{kind}/{id}/sign", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.AccessWord](r)
		if err != nil {
			return nil, err
		}
		hash, err := audit.ParseHash(in.Document)
		if err != nil {
			return nil, badCall{err}
		}
		if err := s.Desk.SignAccess(r.Context(), a, scopeOf(r), hash, names[policy.PersonID](in.Keep), names[policy.PersonID](in.End)); err != nil {
			return nil, err
		}
		return s.accessReview(r.Context(), a, scopeOf(r))
	}))
}

func scopeOf(r *http.Request) string { return r.PathValue("kind") + "/" + r.PathValue("id") }

// accessReviews are all scopes, with the newest list of each; one that never had
// a list has no moment.
func (s *server) accessReviews(ctx context.Context, by people.Actor) (list []api.AccessReview, err error) {
	scopes, err := s.Roster.Scopes(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.Roster.AccessReviews(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if !slices.Contains(scopes, a.Scope) {
			scopes = append(scopes, a.Scope)
		}
	}
	slices.Sort(scopes)
	for _, scope := range scopes {
		i := slices.IndexFunc(all, func(a people.Access) bool { return a.Scope == scope })
		v := api.AccessReview{Scope: scope}
		if i >= 0 {
			if v, err = s.accessJSON(ctx, all[i]); err != nil {
				return nil, err
			}
		}
		v.May = s.Roster.MaySignAccess(ctx, by, scope) == nil
		list = append(list, v)
	}
	return list, nil
}

func (s *server) accessJSON(ctx context.Context, a people.Access) (api.AccessReview, error) {
	waits, err := s.Roster.Waits(ctx, a)
	if err != nil {
		return api.AccessReview{}, err
	}
	v := api.AccessReview{Scope: a.Scope, Document: a.Document.String(), At: a.At, Due: a.Due, Open: words(waits), Overdue: len(waits) > 0 && !s.Now().Before(a.Due)}
	for _, one := range a.Signed {
		v.Signed = append(v.Signed, api.AccessSigned(one))
	}
	return v, nil
}

// accessReview is one scope with the lines of its list.
func (s *server) accessReview(ctx context.Context, by people.Actor, scope string) (api.AccessReview, error) {
	a, ok, err := s.Roster.Access(ctx, scope)
	v := api.AccessReview{Scope: scope}
	if err == nil && ok {
		v, err = s.accessJSON(ctx, a)
	}
	if err != nil {
		return v, err
	}
	v.May = s.Roster.MaySignAccess(ctx, by, scope) == nil
	if !ok {
		return v, nil
	}
	list, err := s.Desk.AccessList(ctx, a.Document)
	for _, l := range list.Lines {
		v.Lines = append(v.Lines, api.AccessLine{Person: l.Person, Since: l.Since, By: l.By, Used: l.Used, Open: slices.Contains(v.Open, l.Person)})
	}
	return v, err
}

// scopeWords is "firm krall" or "role shift".
func scopeWords(scope string) string { return strings.Replace(scope, "/", " ", 1) }
