package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Evidence asks for the evidence pack of a window. Exports puts what passed in,
// readable, without what was typed.
type Evidence struct {
	Exports bool `json:"exports,omitempty"`
}

// Evidence streams an evidence pack (zip); close it. A stream that the broker
// broke off ends with an error, never with io.EOF.
func (c *Client) Evidence(ctx context.Context, window string, e Evidence) (io.ReadCloser, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write the call: %w", err)
	}
	resp, err := c.do(ctx, http.MethodPost, "/windows/"+url.PathEscape(window)+"/evidence", bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
