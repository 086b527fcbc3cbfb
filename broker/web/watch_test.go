package web

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
	"penstock/audit/review"
	"penstock/broker/api"
)

type noLog struct{}

func (noLog) Append(_ context.Context, ev audit.Event) (audit.Leaf, error) {
	return audit.Leaf{Event: ev}, nil
}

// TestWatchOfAReaderWhoDoesNotRead: a reader whose line takes nothing is left,
// with the reason; the recorder has not noticed. What was typed is in no line.
func TestWatchOfAReaderWhoDoesNotRead(t *testing.T) {
	dir := t.TempDir()
	disk := must(durable.OpenDisk(dir))
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = disk.Run(ctx) }()
	defer func() { stop(); <-ran }()
	id := must(age.GenerateX25519Identity())
	archive := must(recording.OpenArchive(recording.Parts{Dir: filepath.Join(dir, "recordings"), HeadsDir: filepath.Join(dir, "heads"), Disk: disk, Log: noLog{},
		Mode: "readable", Recipients: []string{id.Recipient().String()}, Identity: id.String(), MinFree: -1}))
	w, _, _, err := archive.Create(ctx, recording.Header{Session: "S-1", Person: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	s := must(w.Stream(0, "shell"))
	for _, f := range []recording.Frame{{Mark: recording.Out, Data: []byte("login: ")}, {Mark: recording.In, Data: []byte("hunter2\r")}, {Mark: recording.Request, Data: []byte(`{"kind":"pty-req","cols":100,"rows":30,"allowed":true}`)},
		{Mark: recording.Note, Data: []byte("paused")}, {Mark: recording.Exit, Data: []byte("0")}} {
		if err := s.Commit(ctx, f.Mark, f.Data); err != nil {
			t.Fatal(err)
		}
	}
	book := review.NewBook(archive, noLog{}, nil)
	book.Watched(func([]string, string) bool { return true })
	l := look{s: &server{Parts: Parts{Slog: slog.New(slog.DiscardHandler), Now: time.Now}}, session: "S-1",
		still: func(context.Context) (people.Actor, error) { return people.Actor{}, errSignedOut }}
	watching := must(book.Watch(ctx, review.Reader{Person: "mia"}, "S-1", 0, "filler-plc"))
	if why := l.frames(ctx, watching, func([]byte) error { return os.ErrDeadlineExceeded }); why != watcherSlow {
		t.Errorf("left because %q", why)
	}
	if err := s.Commit(ctx, recording.Out, []byte("it goes on")); err != nil {
		t.Errorf("the recorder after that: %v", err)
	}
	again := must(book.Watch(ctx, review.Reader{Person: "mia"}, "S-1", 0, "filler-plc"))
	var got bytes.Buffer
	if why := l.frames(ctx, again, func(p []byte) error { got.Write(p); return nil }); why != "signed out" { // after a second
		t.Errorf("ended because %q", why)
	}
	marks := ""
	for line := range bytes.Lines(got.Bytes()) {
		var one api.WatchLine
		if err := json.Unmarshal(line, &one); err != nil {
			t.Fatal(err)
		}
		marks += one.Mark
		if one.Mark == "o" && one.At < 0 || one.Mark == "r" && (one.Cols != 100 || one.Rows != 30) {
			t.Errorf("%+v", one)
		}
	}
	if marks != "ormxo.out" || bytes.Contains(got.Bytes(), []byte("hunter2")) {
		t.Errorf("lines %q: %s", marks, got.Bytes())
	}
	if _, err := w.Close(ctx, "client"); err != nil {
		t.Fatal(err)
	}
}
