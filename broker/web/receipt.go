package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/audit/receipt"
	"penstock/broker/api"
)

// receipts serves receipts of what a person did, and the public keys to check
// them with, which are no secret and need nobody signed in.
func (s *server) receipts(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/keys", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json") // RFC 7517 section 8.5
		_, _ = w.Write(append(s.Receipts.Set(), '\n'))             // the caller may be gone
	})
	mux.HandleFunc("GET /api/v1/receipts/{index}", s.signedIn(func(r *http.Request, a people.Actor) (any, error) {
		at, err := strconv.ParseUint(r.PathValue("index"), 10, 53)
		if err != nil {
			return nil, badCall{fmt.Errorf("%.40q is no leaf: leaves are counted from 0", r.PathValue("index"))}
		}
		text, err := s.receiptOf(r.Context(), a, audit.Index(at))
		return api.Receipted{Receipt: text}, err
	}))
}

// receiptOf is the receipt of one leaf that the person made.
func (p *Parts) receiptOf(ctx context.Context, a people.Actor, at audit.Index) (string, error) {
	text, err := p.Receipts.Again(ctx, at, string(a.Person))
	if errors.Is(err, receipt.ErrNotTheirs) {
		return "", fmt.Errorf("there is no receipt of leaf %d for you: receipts are of your own requests, answers, steps of windows, hand-backs and blocks: %w", at, fs.ErrNotExist)
	}
	return text, err
}

// does is signedIn for what leaves a trace under the person's name: the answer
// carries the receipt of it. What was done stays done where none can be given;
// then the log says why, and GET /receipts/{index} gives it later.
func (s *server) does(f func(*http.Request, people.Actor) (any, error)) http.HandlerFunc {
	return s.signedIn(func(r *http.Request, a people.Actor) (any, error) {
		from := s.Receipts.Mark()
		v, err := f(r, a)
		if err != nil {
			return nil, err
		}
		text, _, err := s.Receipts.Since(r.Context(), from, string(a.Person))
		if err != nil {
			s.Slog.Warn("no receipt could be given", "person", a.Person, "path", r.URL.Path, "err", err)
		}
		return withReceipt(v, text), nil
	})
}

// plantDoes is does for the plant's own people.
func (s *server) plantDoes(f func(*http.Request, people.Actor) (any, error)) http.HandlerFunc {
	return s.does(s.ofPlant(f))
}

func withReceipt(v any, text string) any {
	switch v := v.(type) {
	case api.Request:
		v.Receipt = text
		return v
	case api.Window:
		v.Receipt = text
		return v
	case api.Block:
		v.Receipt = text
		return v
	case api.Lifting:
		v.Receipt = text
		return v
	case api.Outage:
		v.Receipt = text
		return v
	case api.ListTaken:
		v.Receipt = text
		return v
	case api.Receipted:
		v.Receipt = text
		return v
	}
	return v
}
