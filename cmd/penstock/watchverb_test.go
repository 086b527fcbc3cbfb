package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker/api"
)

// TestWatchVerb: the command line shows what draws, ends with the channel, and
// says no in the words and the exit code of DESIGN 5.3.
func TestWatchVerb(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	mia := h.signedIn(t, "mia")
	session, c, _ := h.inNow(t, mia)
	shows(t, c, "flow \x1b[1m812\x1b[0m\r\n")
	if _, err := c.In(t.Context(), []byte("hunter2\r")); err != nil {
		t.Fatal(err)
	}
	shows(t, c, hostileOutput)
	dir, err := os.MkdirTemp("/tmp", "s") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h.web}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-served })
	as := func(name string) *api.Client {
		client := api.Unix(path)
		if _, err := client.SignIn(t.Context(), api.SignIn{Person: name, Password: h.people[name].Password}); err != nil {
			t.Fatal(err)
		}
		return client
	}
	run := func(ctx context.Context, client *api.Client, id string, channel int, asJSON bool) (out, errs string, code int) {
		var o, e bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetContext(ctx)
		cmd.SetOut(&o)
		cmd.SetErr(&e)
		err := (&caller{json: asJSON}).watch(cmd, client, id, channel)
		return o.String(), e.String(), exitCode(err)
	}
	for story, ask := range map[string]struct {
		who, id string
		channel int
	}{"a session that is not there": {"mia", "S-9", -1}, "a channel that is not there": {"mia", "S-1", 7}, "the vendor": {"ann", "S-1", 0}} {
		if out, _, code := run(t.Context(), as(ask.who), ask.id, ask.channel, false); code != exitNo || out != "" {
			t.Errorf("%s: exit %d, %q", story, code, out)
		}
	}
	for _, err := range as("ann").Watch(t.Context(), "S-1", 0) {
		if p, ok := err.(*api.Problem); !ok || p.Rule != "watch-not-yours" {
			t.Errorf("the vendor's own call: %v", err)
		}
	}
	leaves, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, code := run(leaves, as("mia"), "S-1", -1, false); code == 0 {
		t.Error("a call that was never made is no success") // Ctrl-C before anything was shown
	}
	client := as("mia")
	type end struct {
		out, errs string
		code      int
	}
	ends, before := make(chan end, 2), h.log.Size()
	for _, asJSON := range []bool{false, true} {
		go func() {
			out, errs, code := run(t.Context(), client, "S-1", -1, asJSON)
			ends <- end{out, errs, code}
		}()
	}
	looks := 0
	for leaf, err := range h.log.Follow(t.Context(), before) { // until both look on
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := leaf.Body.(audit.ReviewOpened); ok {
			looks++
		}
		if looks == 2 {
			break
		}
	}
	shows(t, c, "the last line\r\n")
	session.End(nil)
	<-session.Done()
	for range 2 {
		e := <-ends
		if e.code != 0 || strings.Contains(e.out, "hunter2") {
			t.Errorf("exit %d: %q %s", e.code, e.out, e.errs)
		}
		if strings.HasPrefix(e.out, "{") {
			var raw []byte
			for line := range strings.Lines(e.out) {
				var l api.WatchLine
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatal(err)
				}
				raw = append(raw, l.Data...)
			}
			if want := "flow \x1b[1m812\x1b[0m\r\n" + hostileOutput + "the last line\r\n"; string(raw) != want {
				t.Errorf("the bytes are %q", raw)
			}
			continue
		}
		for _, bad := range []string{"\x1b]", "\x1b[c", "\x1b[6n", "\x07", "\u202e", "\x1bP"} {
			if strings.Contains(e.out, bad) {
				t.Errorf("the terminal is sent %q", bad)
			}
		}
		if !strings.HasPrefix(e.out, "flow \x1b[1m812\x1b[0m\r\n") || !strings.Contains(e.out, "a link") || !strings.HasSuffix(e.out, "the last line\r\n"+recording.DrawRestore+"\n") || !strings.Contains(e.errs, "It has ended.") {
			t.Errorf("shown: %q, said: %q", e.out, e.errs)
		}
	}
	if _, errs, code := run(t.Context(), client, "S-1", -1, false); code != exitNo || errs != "" {
		t.Errorf("after its end: exit %d %q", code, errs)
	}
}
