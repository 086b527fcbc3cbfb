package inputs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"penstock/policy"
)

// maxPage bounds an answer: a state is a word, not a page.
const maxPage = 64 << 10

// page is an input that answers GET with a text or with JSON.
type page struct {
	gate   policy.Gate
	client *http.Client
}

func newPage(g policy.Gate) *page {
	t := &http.Transport{DisableCompression: true, MaxResponseHeaderBytes: 16 << 10, MaxConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
		TLSClientConfig: tlsFor(g.Cert)} // no Proxy: an input is reached straight, or not at all
	return &page{g, &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// tlsFor trusts exactly one certificate where the plant file names it by its
// SHA-256: what stands in a cabinet has no name that an authority vouches for.
func tlsFor(cert string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if cert == "" {
		return c
	}
	c.InsecureSkipVerify = true // VerifyConnection below is stricter
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("it shows no certificate")
		}
		return pinned(cert, s.PeerCertificates[0])
	}
	return c
}

func pinned(cert string, shown *x509.Certificate) error {
	sum := sha256.Sum256(shown.Raw)
	if is := hex.EncodeToString(sum[:]); is != cert {
		return fmt.Errorf("it shows the certificate %s, and the plant file names %s", is, cert)
	}
	return nil
}

func (p *page) close() { p.client.CloseIdleConnections() }

func (p *page) read(ctx context.Context) (yes bool, says string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.gate.At, nil)
	if err != nil {
		return false, "", fmt.Errorf("ask it: %w", err)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return false, "", fmt.Errorf("reach it: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false, "", fmt.Errorf("it answers %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
	if err != nil {
		return false, "", fmt.Errorf("hear it: %w", err)
	}
	says, err = value(body, p.gate.Pointer)
	if err != nil {
		return false, "", err
	}
	return says == p.gate.Is, says, nil
}

// value is what a JSON pointer (RFC 6901) points at, as text; of an empty
// pointer, the whole text without the space around it. Objects, lists and null
// are no value.
func value(body []byte, pointer string) (string, error) {
	if len(body) > maxPage {
		return "", fmt.Errorf("it answers more than %d bytes", maxPage)
	}
	if !utf8.Valid(body) {
		return "", errors.New("its answer is not UTF-8")
	}
	if pointer == "" {
		return strings.TrimSpace(string(body)), nil
	}
	var at any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&at); err != nil {
		return "", fmt.Errorf("its answer is no JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("its answer is more than one JSON value")
	}
	for _, step := range strings.Split(pointer, "/")[1:] {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		var there bool
		switch v := at.(type) {
		case map[string]any:
			at, there = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if there = err == nil && i >= 0 && i < len(v) && strconv.Itoa(i) == step; there {
				at = v[i]
			}
		}
		if !there {
			return "", fmt.Errorf("its answer has no %s", pointer)
		}
	}
	switch v := at.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", fmt.Errorf("%s of its answer is no text, number, true or false", pointer)
}
