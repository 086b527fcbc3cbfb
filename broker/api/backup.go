package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Backup asks for a copy of everything. Recipient is an age key (age1…) that
// the broker's keys are sealed to; empty: the copy has none.
type Backup struct {
	Recipient string `json:"recipient,omitempty"`
}

// Backup streams a backup; close it. A stream that the broker broke off ends
// with an error, never with io.EOF.
func (c *Client) Backup(ctx context.Context, b Backup) (io.ReadCloser, error) {
	text, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("write the call: %w", err)
	}
	resp, err := c.do(ctx, http.MethodPost, "/backup", bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
