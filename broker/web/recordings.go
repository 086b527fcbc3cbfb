package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"penstock/approvals/people"
	"penstock/audit/recording"
	"penstock/audit/review"
	"penstock/broker/api"
)

func (s *server) recordings(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/recordings", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Book.List(r.Context(), reader(a, "list", ""))
		return each(list, err, func(h recording.Header) api.Recording {
			return api.Recording{Session: h.Session, Person: h.Person, Firm: h.Firm, Windows: h.Windows, Started: h.Started, Mode: h.Mode}
		})
	}))
	mux.HandleFunc("GET /api/v1/recordings/{id}/export", s.export)
	mux.HandleFunc("GET /api/v1/search", s.plant(s.searchAPI))
	mux.HandleFunc("POST /api/v1/recordings/{id}/verify", s.plant(s.verified))
}

func reader(a people.Actor, what, form string) review.Reader {
	return review.Reader{Person: string(a.Person), Roles: words(a.Roles), What: what, Form: form}
}

// export streams one channel. The event stands before the first byte; damage
// breaks the connection off, so that nobody takes a part for the whole.
func (s *server) export(w http.ResponseWriter, r *http.Request) {
	a, err := s.actor(r)
	if err == nil && !a.Plant {
		err = review.ErrMayNot
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.exportFor(w, r, reader(a, "export", ""), func(err error) { s.fail(w, r, err) })
}

// exportFor is export for somebody who is known already.
func (s *server) exportFor(w http.ResponseWriter, r *http.Request, who review.Reader, fail func(error)) {
	q := r.URL.Query()
	name := q.Get("form")
	f, ok := recording.FormOf(name)
	ch, cherr := strconv.Atoi(q.Get("channel"))
	if !ok || cherr != nil || ch < 0 {
		fail(badCall{errors.New("say form=" + recording.FormNames + ", and channel=0 or above")})
		return
	}
	var options []recording.ExportOption
	who.Form = name
	switch asked := q.Get("input"); {
	case f.Input:
		who.Input = review.Inherent
	case asked == "true":
		options, who.Input = append(options, recording.WithInput()), review.Masked
	case asked == "unmasked":
		options, who.Input = append(options, recording.WithUnmaskedInput()), review.Unmasked
	case asked != "" && asked != "false":
		fail(badCall{errors.New("say input=true for what was typed and shown, input=unmasked for passwords too, or nothing")})
		return
	}
	rec, err := s.Book.Read(r.Context(), who, r.PathValue("id"))
	if err != nil {
		fail(err)
		return
	}
	defer rec.Close()
	out := &stretched{to: w, body: s.leaves(r.Context(), w, who), kind: f.ContentType, name: rec.Header().Session + "-" + strconv.Itoa(ch) + f.Ending}
	if err := f.Write(out, rec, ch, options...); err != nil {
		if !out.begun {
			fail(err)
			return
		}
		s.Slog.Error("an export broke off", "session", rec.Header().Session, "channel", ch, "err", err)
		panic(http.ErrAbortHandler)
	}
	_, _ = out.Write(nil) // an empty one is one, too
}

// stretched is an answer as long as a recording. Until its first byte it can
// still be another answer: there is no such channel, or nothing of that form in it.
type stretched struct {
	to    http.ResponseWriter
	body  io.Writer // of to
	kind  string    // content type
	name  string    // of the file that it is saved as; empty: shown
	begun bool
}

func (s *stretched) Write(b []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.to.Header().Set("Content-Type", s.kind)
		if s.name != "" {
			s.to.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", s.name))
		}
	}
	return s.body.Write(b)
}
