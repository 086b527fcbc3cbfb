package main

import (
	"crypto/rand"
	"io"
	"net/http"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
)

// largeRecording is S-8, whose output nobody's buffers hold.
func (h *pagesHouse) largeRecording(t *testing.T) (size int) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w, header, keys, err := h.archive.Create(ctx, recording.Header{V: 1, Session: "S-8", Node: "a", Person: "ann", Firm: "krall", Windows: []string{}, Serial: "1",
		Source: "127.0.0.1", Client: "c", Kex: "k", Started: time.Now().UTC(), Mode: "readable"})
	must(err)
	s, err := w.Stream(0, "shell")
	must(err)
	b := make([]byte, 64<<10)
	for range 512 {
		_, _ = rand.Read(b) // never fails
		must(s.Commit(ctx, recording.Out, b))
		size += len(b)
	}
	must(s.Close(ctx))
	_, err = h.log.Append(ctx, audit.Event{Subject: "S-8", Actor: "ann", Body: audit.SessionStarted{Session: "S-8", Person: "ann", Firm: "krall", Windows: []string{}, Header: header, Keys: keys, Mode: h.archive.Mode()}})
	must(err)
	_, err = w.Close(ctx, "client")
	must(err)
	return size
}

// TestALeavingRecordingStops: somebody is disabled while a recording leaves for
// them. What lies in buffers arrives; the rest never does, and no part is taken for the whole.
func TestALeavingRecordingStops(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	size := h.largeRecording(t)
	sam, sec := h.signedIn(t, "sam"), h.signedIn(t, "sec")
	begin := func() *http.Response {
		t.Helper()
		resp, err := sam.http.Get(h.server.URL + "/recordings/S-8/export?form=raw-out&channel=0")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		return resp
	}
	whole := begin()
	n, err := io.Copy(io.Discard, whole.Body)
	whole.Body.Close()
	if err != nil || n != int64(size) {
		t.Fatalf("while all is well: %d bytes of %d, %v", n, size, err)
	}
	part := begin()
	defer part.Body.Close()
	if _, err := io.ReadFull(part.Body, make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	sec.post("/people/sam/disable").want(t, http.StatusSeeOther)
	if n, err := io.Copy(io.Discard, part.Body); err == nil || n >= int64(size)/2 {
		t.Errorf("disabled, and %d bytes of %d came (%v)", n, size, err)
	}
}
