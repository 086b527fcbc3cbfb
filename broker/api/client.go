package api

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"time"
)

// ErrNoReach is returned, wrapped, where the broker did not answer at all.
var ErrNoReach = errors.New("the broker cannot be reached")

// maxAnswer bounds what a broker may answer to one call, exports aside.
const maxAnswer = 16 << 20

// Client speaks to one broker. Token is empty until somebody has signed in.
type Client struct {
	base  string
	http  *http.Client
	Token string
}

// Unix makes a client for the private socket of a running broker.
func Unix(path string) *Client {
	var d net.Dialer
	return &Client{base: "http://penstock", http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		},
		ResponseHeaderTimeout: time.Minute,
	}}}
}

// SignIn proves a person and keeps the token for the calls that follow.
func (c *Client) SignIn(ctx context.Context, s SignIn) (Token, error) {
	var t Token
	if err := c.Post(ctx, "/sign-in", s, &t); err != nil {
		return Token{}, err
	}
	c.Token = t.Token
	return t, nil
}

// Get reads path (below /api/v1) into to.
func (c *Client) Get(ctx context.Context, path string, to any) error {
	return c.call(ctx, http.MethodGet, path, nil, to)
}

// Post sends body as JSON to path (below /api/v1) and reads the answer into to, unless to is nil.
func (c *Client) Post(ctx context.Context, path string, body, to any) error {
	return c.call(ctx, http.MethodPost, path, body, to)
}

// Export streams a recording's export; close it. A stream that the broker broke
// off ends with an error, never with io.EOF.
func (c *Client) Export(ctx context.Context, session string, q url.Values) (io.ReadCloser, error) {
	resp, err := c.do(ctx, http.MethodGet, "/recordings/"+url.PathEscape(session)+"/export?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// Watch yields what a watched channel shows, until it ends (WatchLine). Where
// the line broke before that, the last yield is an error.
func (c *Client) Watch(ctx context.Context, session string, channel int) iter.Seq2[WatchLine, error] {
	return func(yield func(WatchLine, error) bool) {
		resp, err := c.do(ctx, http.MethodGet, fmt.Sprintf("/sessions/%s/watch?channel=%d", url.PathEscape(session), channel), nil)
		if err != nil {
			yield(WatchLine{}, err)
			return
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, maxWatchLine)
		for lines.Scan() {
			var l WatchLine
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				yield(l, fmt.Errorf("read what is watched: %w", err))
				return
			}
			if !yield(l, nil) || l.Mark == "end" || l.Mark == "out" {
				return
			}
		}
		if err := cmp.Or(ctx.Err(), lines.Err(), io.ErrUnexpectedEOF); err != nil {
			yield(WatchLine{}, fmt.Errorf("the line broke: %w", err))
		}
	}
}

// maxWatchLine bounds one WatchLine: 64 KiB of data in base64, and what is around it.
const maxWatchLine = 1 << 20

func (c *Client) call(ctx context.Context, method, path string, body, to any) error {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("write the call: %w", err)
		}
		send = bytes.NewReader(b)
	}
	resp, err := c.do(ctx, method, path, send)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if to == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(to); err != nil {
		return fmt.Errorf("read the broker's answer: %w", err)
	}
	return nil
}

// do makes one call; an answer that is no success becomes a *Problem.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/api/v1"+path, body)
	if err != nil {
		return nil, fmt.Errorf("write the call: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoReach, err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	p := &Problem{Title: resp.Status, Status: resp.StatusCode}
	if b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10)); err == nil {
		_ = json.Unmarshal(b, p) // what is no problem document keeps the status line
	}
	return nil, p
}
