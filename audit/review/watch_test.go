package review_test

import (
	"errors"
	"io/fs"
	"testing"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/audit/review"
)

func TestWatchingIsAnEventBeforeTheFirstFrame(t *testing.T) {
	archive, _ := library(t)
	log := &events{}
	book := review.NewBook(archive, log, security)
	line1 := func(roles []string, asset string) bool { return asset == "filler-plc" && len(roles) > 0 }
	if _, err := book.Watch(t.Context(), mia, "S-3", 0, "filler-plc"); !errors.Is(err, review.ErrMayNot) {
		t.Errorf("with nobody to say who may: %v", err)
	}
	book.Watched(line1)
	w, _, _, err := archive.Create(t.Context(), recording.Header{Session: "S-3", Person: "ann"})
	must(t, err)
	s, err := w.Stream(0, "shell")
	must(t, err)
	must(t, s.Commit(t.Context(), recording.Out, []byte("flow 812")))
	rows := []struct {
		story, session, asset string
		who                   review.Reader
		ch                    int
		want                  error
		events                int
	}{
		{"nobody", "S-3", "filler-plc", review.Reader{Roles: []string{"shift"}}, 0, review.ErrMayNot, 0},
		{"no role", "S-3", "filler-plc", review.Reader{Person: "ann"}, 0, review.ErrMayNot, 0},
		{"another machine", "S-3", "chiller-plc", mia, 0, review.ErrMayNot, 0},
		{"no such channel", "S-3", "filler-plc", mia, 7, fs.ErrNotExist, 1},
		{"a session that is over", "S-1", "filler-plc", mia, 0, recording.ErrNotRunning, 1},
	}
	for _, row := range rows {
		log.all = nil
		if _, err := book.Watch(t.Context(), row.who, row.session, row.ch, row.asset); !errors.Is(err, row.want) || len(log.all) != row.events {
			t.Errorf("%s: %v, %d events", row.story, err, len(log.all))
		}
	}
	broken := errors.New("log broken")
	log.refuse = broken
	if _, err := book.Watch(t.Context(), mia, "S-3", 0, "filler-plc"); !errors.Is(err, broken) {
		t.Errorf("with a log that fails: %v", err)
	}
	log.all, log.refuse = nil, nil
	watching, err := book.Watch(t.Context(), mia, "S-3", 0, "filler-plc")
	must(t, err)
	if want := (audit.ReviewOpened{Session: "S-3", Person: "mia", What: "watch", Form: "channel 0"}); len(log.all) != 1 || log.all[0].Body != want {
		t.Errorf("events before the first frame: %+v", log.all)
	}
	if f, err := watching.Next(t.Context()); err != nil || string(f.Data) != "flow 812" {
		t.Errorf("%q, %v", f.Data, err)
	}
	must(t, watching.Leave(t.Context(), "left"))
	if want := (audit.ReviewClosed{Session: "S-3", Person: "mia", Form: "channel 0", Why: "left"}); len(log.all) != 2 || log.all[1].Body != want {
		t.Errorf("events at the end: %+v", log.all)
	}
	_, err = w.Close(t.Context(), "client")
	must(t, err)
}
