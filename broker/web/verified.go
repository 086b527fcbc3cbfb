package web

import (
	"errors"
	"net/http"

	"penstock/approvals/people"
	"penstock/audit/recording"
	"penstock/audit/verify"
	"penstock/broker/api"
)

// verified checks one recording against the log, as penstock-verify would. The
// event stands first; a sealed one is checked as far as its hashes go.
func (s *server) verified(r *http.Request, a people.Actor) (any, error) {
	id := r.PathValue("id")
	rec, err := s.Book.Read(r.Context(), reader(a, "verify", ""), id)
	if err == nil {
		rec.Close()
	} else if _, damaged := errors.AsType[*recording.Damage](err); !damaged && !errors.Is(err, recording.ErrSealed) {
		return nil, err
	}
	report, err := s.VerifyRecording(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return verifiedOf(id, report), nil
}

func verifiedOf(id string, r verify.Report) api.Verified {
	out := api.Verified{Session: id, Proved: r.Proved(), Opened: r.Opened > 0, Size: uint64(r.Size), Findings: []api.Finding{}}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, api.Finding{Weight: f.Weight.String(), Where: f.Where, What: f.What})
	}
	return out
}
