package web

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"penstock/approvals/people"
	"penstock/audit/review"
	"penstock/broker/api"
	"penstock/policy"
)

// Evidence checks who asks, writes the event, and gives what streams the pack of
// a window; that is called once, whatever comes. It writes nothing before an
// error that somebody should read.
type Evidence func(ctx context.Context, who review.Reader, window policy.WindowID, exports bool) (func(context.Context, io.Writer) error, error)

// evidence streams a pack to a program.
func (s *server) evidence(w http.ResponseWriter, r *http.Request) {
	a, err := s.actor(r)
	if err == nil && !a.Plant {
		err = review.ErrMayNot
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	in, err := read[api.Evidence](r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.evidenceFor(w, r, a, in.Exports, func(err error) { s.fail(w, r, err) })
}

// evidencePage is the same for somebody with a session.
func (g *Pages) evidencePage(v *visit) error {
	g.evidenceFor(v.w, v.r, v.actor, v.r.PostForm.Get("exports") != "", func(err error) { g.failPage(v, err) })
	return nil
}

func (p *Parts) evidenceFor(w http.ResponseWriter, r *http.Request, a people.Actor, exports bool, fail func(error)) {
	id := policy.WindowID(r.PathValue("id"))
	if _, err := p.Desk.Window(r.Context(), a, id); err != nil {
		fail(err)
		return
	}
	who := reader(a, "export", "evidence")
	stream, err := p.Evidence(r.Context(), who, id, exports)
	if err != nil {
		fail(err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=\"evidence-%s.zip\"", id)) // an id that the Desk knows has no quote
	out := &begun{to: p.leaves(r.Context(), patient{w, http.NewResponseController(w)}, who)}
	err = stream(r.Context(), out)
	switch {
	case err == nil:
	case !out.begun:
		h.Del("Content-Disposition")
		fail(err)
	default: // it was told where it broke off; nobody shall take a part for the whole
		panic(http.ErrAbortHandler)
	}
}

// begun knows whether anything was written.
type begun struct {
	to    io.Writer
	begun bool
}

func (b *begun) Write(p []byte) (int, error) {
	b.begun = true
	return b.to.Write(p)
}
