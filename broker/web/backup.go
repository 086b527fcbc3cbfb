package web

import (
	"context"
	"io"
	"net/http"
	"time"

	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// BackUp checks who asks, writes the event, and gives what streams the copy;
// that is called once, whatever comes.
type BackUp func(ctx context.Context, by people.Actor, recipient string) (func(context.Context, io.Writer) error, error)

// readerPatience is how long a caller who takes a backup may read nothing.
const readerPatience = time.Minute

// backup streams a copy of everything. An error on the way breaks the
// connection off, so that nobody takes a part for the whole.
func (s *server) backup(w http.ResponseWriter, r *http.Request) {
	a, err := s.actor(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if r.TLS != nil { // all there is leaves in one stream: only beside the machine itself
		s.fail(w, r, &policy.Refusal{Rule: "backup-here-only", Say: "A backup is taken on the broker's own machine: penstock backup --socket …",
			Why: "asked for over https from " + r.RemoteAddr})
		return
	}
	in, err := read[api.Backup](r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	stream, err := s.BackUp(r.Context(), a, in.Recipient)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/zstd")
	if stream(r.Context(), patient{w, http.NewResponseController(w)}) != nil { // it was told where it broke off
		panic(http.ErrAbortHandler)
	}
}

// patient gives each write some time, so that a caller who never reads holds
// nothing for ever.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(readerPatience)); err != nil {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}
