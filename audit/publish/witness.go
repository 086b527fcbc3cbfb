package publish

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"penstock/audit"
)

// maxAnswer bounds what any server may answer.
const maxAnswer = 64 << 10

// skew is how far a witness's clock may be from ours before it is said.
const skew = 5 * time.Minute

// Witness asks a witness for cosignatures (c2sp.org/tlog-witness). Its answer
// is believed only with its own signature under this very checkpoint.
type Witness struct {
	prefix string
	key    audit.WitnessVerifier
	log    interface {
		ProveTree(from, to audit.Index) (tlog.TreeProof, error)
	}
	verifier note.Verifier
	client   *http.Client
	now      func() time.Time
	size     audit.Index // what it has seen, as it said last
}

// NewWitness is the witness at an https URL, the submission prefix. config says
// whose certificate is believed.
func NewWitness(address string, key audit.WitnessVerifier, log Log, verifier note.Verifier, config *tls.Config, now func() time.Time) (*Witness, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is no address of a witness: https://HOST:7443", address)
	}
	return &Witness{prefix: strings.TrimSuffix(u.String(), "/"), key: key, log: log, verifier: verifier, client: plainClient(config), now: now}, nil
}

// plainClient takes no proxy and no redirect: it talks to who was named.
func plainClient(config *tls.Config) *http.Client {
	return &http.Client{Timeout: sendTime,
		Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
			ResponseHeaderTimeout: sendTime, MaxResponseHeaderBytes: 16 << 10, TLSHandshakeTimeout: 10 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Send gets a cosignature of c.
func (w *Witness) Send(ctx context.Context, c audit.Checkpoint) (Copy, error) {
	if w.size > c.Size { // an answer that was lost, or a claim that was never proved: ask anew
		w.size = 0
	}
	for range 3 { // once to learn its size, once to use it, once for somebody between
		code, body, err := w.post(ctx, c)
		if err != nil {
			return Copy{}, err
		}
		switch code {
		case http.StatusOK:
			return w.cosigned(c, body)
		case http.StatusConflict:
			if err := w.conflict(c, body); err != nil {
				return Copy{}, err
			}
		default:
			return Copy{}, w.refusal(code, body)
		}
	}
	return Copy{}, errors.New("the witness says each time that it has seen another size: is somebody else sending this log to it?")
}

func (w *Witness) post(ctx context.Context, c audit.Checkpoint) (int, []byte, error) {
	body := fmt.Appendf(nil, "old %d\n", w.size)
	if w.size > 0 && w.size < c.Size {
		proof, err := w.log.ProveTree(w.size, c.Size)
		if err != nil {
			return 0, nil, fmt.Errorf("prove to the witness that the log continues %d leaves: %w", w.size, err)
		}
		for _, h := range proof {
			body = fmt.Appendf(body, "%s\n", h)
		}
	}
	body = append(append(body, '\n'), c.Note...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.prefix+"/add-checkpoint", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("the witness was not reached: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = errors.New("it is too long")
	}
	if err != nil {
		return 0, nil, fmt.Errorf("the witness's answer: %w", err)
	}
	return resp.StatusCode, b, nil
}

// cosigned takes the witness's own line out of its answer, and nothing else of it.
func (w *Witness) cosigned(c audit.Checkpoint, body []byte) (Copy, error) {
	found, _, err := audit.Cosignatures(append(bytes.Clone(c.Note), body...), w.verifier, w.key)
	if err != nil {
		return Copy{}, fmt.Errorf("the witness answered with something that is no cosignature of this checkpoint: %w", err)
	}
	i := slices.IndexFunc(found, func(s audit.Cosignature) bool { return s.Witness == w.key.Name() })
	if i < 0 {
		return Copy{}, errors.New("the witness answered without a signature of its key: is key: in penstock.yaml what it printed?")
	}
	w.size = c.Size
	said := "cosigned " + found[i].At.Format(time.RFC3339) + " by " + w.key.Name()
	if d := found[i].At.Sub(w.now()); d.Abs() > skew {
		said += fmt.Sprintf("; its clock and ours differ by %s", d.Abs().Round(time.Second))
	}
	return Copy{Said: said, Note: append(bytes.Clone(c.Note), found[i].Line...)}, nil
}

// conflict learns what the witness has seen; an error where that cannot be.
func (w *Witness) conflict(c audit.Checkpoint, body []byte) error {
	digits := strings.TrimSuffix(string(body), "\n")
	n, err := strconv.ParseUint(digits, 10, 53)
	seen := audit.Index(n)
	switch {
	case err != nil || strconv.FormatUint(n, 10) != digits:
		return errors.New("the witness answered 409 without the size that it has seen")
	case seen > c.Size:
		w.size = 0
		return &Contradiction{fmt.Sprintf("the witness says that it has seen %d leaves of this log, which has %d: this machine was rolled back, or the witness is wrong. Compare: penstock witness show", seen, c.Size)}
	case seen == w.size && seen == c.Size:
		w.size = 0
		return &Contradiction{fmt.Sprintf("the witness has seen another tree of %d leaves: the log was written anew, or is a fork. Compare: penstock witness show", seen)}
	case seen == w.size:
		return errors.New("the witness answered 409 with the size that it was asked with")
	}
	w.size = seen
	return nil
}

func (w *Witness) refusal(code int, body []byte) error {
	old := w.size
	w.size = 0
	switch code {
	case http.StatusUnprocessableEntity:
		return &Contradiction{fmt.Sprintf("the witness says that this log does not continue the %d leaves that it has seen: the log was written anew, or is a fork. Compare: penstock witness show", old)}
	case http.StatusNotFound:
		return errors.New("the witness does not know this log, or the address is another server's: start it with --log-key and this broker's log.pub")
	case http.StatusForbidden:
		return errors.New("the witness knows this log by another key: give it this broker's log.pub")
	}
	return fmt.Errorf("the witness answered %d %s", code, short(string(body)))
}
