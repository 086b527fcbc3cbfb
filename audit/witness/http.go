package witness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"penstock/audit"
)

// maxBody bounds a request: 63 hashes, and a checkpoint with many lines.
const maxBody = 72 << 10

// maxProof is as many hashes as a consistency proof may have (tlog-witness).
const maxProof = 63

// ServeHTTP answers POST /add-checkpoint (c2sp.org/tlog-witness) and GET /logs:
// what is remembered, as JSON, for whoever compares.
func (w *Witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	out.Header().Set("Cache-Control", "no-store")
	out.Header().Set("X-Content-Type-Options", "nosniff")
	switch {
	case r.URL.Path == "/add-checkpoint" && r.Method == http.MethodPost:
		w.add(out, r)
	case r.URL.Path == "/logs" && r.Method == http.MethodGet:
		out.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(out).Encode(w.Seen()) // the reader may be gone
	case r.URL.Path == "/add-checkpoint" || r.URL.Path == "/logs":
		http.Error(out, "POST /add-checkpoint or GET /logs", http.StatusMethodNotAllowed)
	default:
		http.NotFound(out, r)
	}
}

func (w *Witness) add(out http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(out, r.Body, maxBody))
	if err != nil {
		http.Error(out, "the request cannot be read, or is too large", http.StatusBadRequest)
		return
	}
	old, proof, signed, err := parseRequest(b)
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	line, err := w.Add(old, proof, signed)
	conflict, _ := errors.AsType[*Conflict](err)
	switch {
	case err == nil:
		out.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = out.Write(line) // the caller may be gone
	case conflict != nil:
		out.Header().Set("Content-Type", "text/x.tlog.size")
		out.WriteHeader(http.StatusConflict)
		fmt.Fprintf(out, "%d\n", conflict.Size)
	case errors.Is(err, ErrUnknownLog):
		http.Error(out, ErrUnknownLog.Error(), http.StatusNotFound)
	case errors.Is(err, ErrSignature):
		http.Error(out, ErrSignature.Error(), http.StatusForbidden)
	case errors.Is(err, ErrOldSize):
		http.Error(out, ErrOldSize.Error(), http.StatusBadRequest)
	case errors.Is(err, ErrProof):
		http.Error(out, ErrProof.Error(), http.StatusUnprocessableEntity)
	default:
		w.o.Slog.Error("a checkpoint could not be witnessed", "err", err)
		http.Error(out, "this witness cannot remember anything now", http.StatusInternalServerError)
	}
}

// parseRequest reads the body of add-checkpoint: "old N", hashes in base64, an
// empty line, the checkpoint. Each line ends with a newline.
func parseRequest(b []byte) (old audit.Index, proof tlog.TreeProof, signed []byte, err error) {
	head, signed, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok || len(signed) == 0 {
		return 0, nil, nil, errors.New("there is no empty line before the checkpoint")
	}
	lines := strings.Split(string(head), "\n")
	digits, ok := strings.CutPrefix(lines[0], "old ")
	n, err := strconv.ParseUint(digits, 10, 53)
	if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
		return 0, nil, nil, errors.New(`the first line is not "old" and a size`)
	}
	if len(lines)-1 > maxProof {
		return 0, nil, nil, fmt.Errorf("more than %d hashes", maxProof)
	}
	for _, l := range lines[1:] {
		h, err := tlog.ParseHash(l)
		if err != nil || h.String() != l {
			return 0, nil, nil, errors.New("a line of the proof is no hash in base64")
		}
		proof = append(proof, h)
	}
	return audit.Index(n), proof, signed, nil
}
