package web

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strings"

	"penstock/approvals"
	"penstock/audit"
	"penstock/audit/recording"
	"penstock/audit/review"
	"penstock/broker/api"
	"penstock/policy"
)

// fail is the one place where an error becomes a status and words (RFC 9457).
// What is no refusal and no fault of the call is a fault of ours: the person
// reads a reference, the log has the rest.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problem(err)
	p.Detail = policy.Typed(p.Detail, s.sshLine("desk"))
	if p.Status >= 500 {
		p.Reference = reference()
		p.Detail = "Something went wrong here. Nothing was changed that you were not told of. Tell OT security this reference: " + p.Reference
		s.Slog.Error("a call failed", "method", short(r.Method), "path", short(r.URL.Path), "reference", p.Reference, "err", err)
	} else if p.Rule != "" && !strings.HasPrefix(p.Rule, "login") { // sign-ins are events, and told with measure: strangers make as many as they like
		s.Slog.Info("a call was refused", "method", short(r.Method), "path", short(r.URL.Path), "rule", p.Rule, "err", err)
	}
	b, err := json.Marshal(p)
	if err != nil {
		http.Error(w, p.Title, p.Status)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(b, '\n')) // the caller may be gone
}

// short keeps what a caller made up from filling the log.
func short(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

func problem(err error) *api.Problem {
	status := func(code int, detail string) *api.Problem {
		return &api.Problem{Title: http.StatusText(code), Status: code, Detail: detail}
	}
	if refusal, ok := errors.AsType[*policy.Refusal](err); ok {
		p := status(http.StatusForbidden, refusal.Say)
		p.Rule = refusal.Rule
		return p
	}
	if no, ok := errors.AsType[*review.Refused](err); ok {
		p := status(http.StatusForbidden, no.Say)
		p.Rule = no.Rule
		return p
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return status(http.StatusRequestEntityTooLarge, "The call is larger than 64 KiB.")
	}
	if bad, ok := errors.AsType[badCall](err); ok {
		return status(http.StatusBadRequest, bad.Error())
	}
	switch {
	case errors.Is(err, errSignedOut):
		return status(http.StatusUnauthorized, errSignedOut.Error())
	case errors.Is(err, review.ErrMayNot):
		p := status(http.StatusForbidden, "Your roles do not include one that reads recordings. Ask OT security.")
		p.Rule = "may-not-read"
		return p
	case errors.Is(err, recording.ErrSealed):
		p := status(http.StatusForbidden, "Sealed. It opens with an auditor's key: on its page, or with penstock recording export DIR SESSION --identity FILE.")
		p.Rule = "sealed"
		return p
	case errors.Is(err, recording.ErrWrongKey):
		p := status(http.StatusForbidden, "This key opens nothing of this recording. It stays sealed.")
		p.Rule = "sealed"
		return p
	case errors.Is(err, review.ErrNoInput):
		p := status(http.StatusForbidden, "Your roles read recordings, but not what was typed in them. Ask OT security, or export it without.")
		p.Rule = "may-not-read-input"
		return p
	case errors.Is(err, review.ErrNoPlaying):
		return status(http.StatusGone, "This playing is over. Load the page again.")
	case errors.Is(err, review.ErrTooMany):
		return status(http.StatusConflict, "Too many sealed recordings are open at once. Close one, or wait until one closes by itself.")
	case errors.Is(err, approvals.ErrConflict):
		return status(http.StatusConflict, "Somebody else changed this in the same moment. Look again, then decide.")
	case errors.Is(err, recording.ErrDiskFull), errors.Is(err, audit.ErrFull):
		return status(http.StatusInsufficientStorage, "The broker's disk is full. What ends or takes still works. Call whoever runs the broker.")
	case errors.Is(err, fs.ErrNotExist):
		return status(http.StatusNotFound, "There is nothing of that name that you may see.")
	}
	return status(http.StatusInternalServerError, "")
}
