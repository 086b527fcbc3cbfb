package review_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"go.uber.org/goleak"

	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
	"penstock/audit/review"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// events is a log that keeps what it is told, or refuses. seen is called
// before an event is kept.
type events struct {
	all    []audit.Event
	refuse error
	seen   func()
}

func (l *events) Append(_ context.Context, ev audit.Event) (audit.Leaf, error) {
	if l.refuse != nil {
		return audit.Leaf{}, l.refuse
	}
	if l.seen != nil {
		l.seen()
	}
	l.all = append(l.all, ev)
	return audit.Leaf{Event: ev}, nil
}

// library is an archive with recordings of S-2 and S-1, in that order of making.
func library(t *testing.T) (*recording.Archive, string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	must(t, err)
	a, dir := archive(t, recording.Parts{Mode: "readable", Recipients: []string{id.Recipient().String()}, Identity: id.String()})
	for session, day := range map[string]int{"S-2": 22, "S-1": 21} {
		w, _, _, err := a.Create(t.Context(), recording.Header{Session: session, Person: "ann", Started: time.Date(2026, 11, day, 3, 0, 0, 0, time.UTC)})
		must(t, err)
		s, err := w.Stream(0, "exec")
		must(t, err)
		must(t, s.Commit(t.Context(), recording.In, []byte("secret of "+session)))
		_, err = w.Close(t.Context(), "client")
		must(t, err)
	}
	return a, filepath.Join(dir, "recordings")
}

// archive is an empty one in a folder of its own, on a disk that runs until the test ends.
func archive(t *testing.T, p recording.Parts) (*recording.Archive, string) {
	t.Helper()
	dir := t.TempDir()
	disk, err := durable.OpenDisk(dir)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); disk.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ran })
	p.Dir, p.HeadsDir, p.Disk, p.Log, p.MinFree = filepath.Join(dir, "recordings"), filepath.Join(dir, "heads"), disk, &events{}, -1
	a, err := recording.OpenArchive(p)
	must(t, err)
	return a, dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func security(roles []string) bool { return slices.Contains(roles, "security") }

var mia = review.Reader{Person: "mia", Roles: []string{"shift", "security"}, What: "export", Form: "asciicast-v3+input"}

func TestReadWritesTheEventAndThenOpens(t *testing.T) {
	archive, dir := library(t)
	log := &events{}
	// While the event is being written the recording cannot be opened: an open
	// before the event would fail and be noticed.
	keys := filepath.Join(dir, "2026/11/22/S-2/keys.age")
	must(t, os.Rename(keys, keys+".away"))
	log.seen = func() { must(t, os.Rename(keys+".away", keys)) }
	r, err := review.NewBook(archive, log, security).Read(t.Context(), mia, "S-2")
	must(t, err)
	defer r.Close()
	if r.Header().Session != "S-2" {
		t.Errorf("opened %s", r.Header().Session)
	}
	want := audit.ReviewOpened{Session: "S-2", Person: "mia", What: "export", Form: "asciicast-v3+input"}
	if len(log.all) != 1 || log.all[0].Body != want || log.all[0].Actor != "mia" || log.all[0].Subject != "S-2" {
		t.Errorf("events: %+v", log.all)
	}
}

func TestWhoMayNotReadOpensNothing(t *testing.T) {
	archive, _ := library(t)
	rows := []struct {
		story string
		who   review.Reader
		may   func([]string) bool
	}{
		{"no roles", review.Reader{Person: "ann", What: "play"}, security},
		{"another role", review.Reader{Person: "ann", Roles: []string{"shift"}, What: "play"}, security},
		{"nobody", review.Reader{Roles: []string{"security"}, What: "play"}, security},
		{"no rule at all", mia, nil},
	}
	for _, row := range rows {
		t.Run(row.story, func(t *testing.T) {
			log := &events{}
			book := review.NewBook(archive, log, row.may)
			if r, err := book.Read(t.Context(), row.who, "S-1"); !errors.Is(err, review.ErrMayNot) || r != nil {
				t.Errorf("Read: %v", err)
			}
			if all, err := book.List(t.Context(), row.who); !errors.Is(err, review.ErrMayNot) || all != nil {
				t.Errorf("List: %v", err)
			}
			if len(log.all) != 0 {
				t.Errorf("events: %v", log.all)
			}
		})
	}
}

func TestAFailingLogOpensNothing(t *testing.T) {
	archive, _ := library(t)
	broken := errors.New("log broken")
	book := review.NewBook(archive, &events{refuse: broken}, security)
	if r, err := book.Read(t.Context(), mia, "S-1"); !errors.Is(err, broken) || r != nil {
		t.Errorf("Read: %v, %v", r, err)
	}
	if all, err := book.List(t.Context(), mia); !errors.Is(err, broken) || all != nil {
		t.Errorf("List: %v, %v", all, err)
	}
}

func TestAskingForWhatIsNotThereIsAnEventToo(t *testing.T) {
	archive, _ := library(t)
	for _, session := range []string{"S-9", "../../keys", strings.Repeat("é", 5000), ""} {
		log := &events{}
		_, err := review.NewBook(archive, log, security).Read(t.Context(), mia, session)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%.20q: %v", session, err)
		}
		if len(log.all) != 1 || len(log.all[0].Subject) > 100 {
			t.Errorf("%.20q: events %v", session, log.all)
		}
	}
}

func TestListIsAnEventAndOldestFirst(t *testing.T) {
	archive, _ := library(t)
	log := &events{}
	all, err := review.NewBook(archive, log, security).List(t.Context(), mia)
	must(t, err)
	if len(all) != 2 || all[0].Session != "S-1" || all[1].Session != "S-2" {
		t.Errorf("%+v", all)
	}
	if len(log.all) != 1 || log.all[0].Body != (audit.ReviewOpened{Person: "mia", What: "list"}) {
		t.Errorf("events: %+v", log.all)
	}
}

func TestAnUnknownWayOfReadingIsRefused(t *testing.T) {
	archive, _ := library(t)
	log := &events{}
	who := mia
	who.What = "peek"
	if _, err := review.NewBook(archive, log, security).Read(t.Context(), who, "S-1"); err == nil || len(log.all) != 0 {
		t.Errorf("%v, %v", err, log.all)
	}
}
