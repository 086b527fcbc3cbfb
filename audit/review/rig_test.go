package review_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
	"penstock/audit/review"
)

const day = 24 * time.Hour

// rig is a real log whose wall clock a test moves, a real archive, and the Book.
type rig struct {
	t        *testing.T
	dir      string
	id       *age.X25519Identity
	disk     *durable.Disk
	log      *audit.Log
	archive  *recording.Archive
	book     *review.Book
	rules    review.Rules
	untimely error
	covered  func() audit.Index

	mu   sync.Mutex
	wall time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	must(t, err)
	return openRig(t, t.TempDir(), id, time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC))
}

// openRig is a broker that starts at a time with what lies in a folder.
func openRig(t *testing.T, dir string, id *age.X25519Identity, wall time.Time) *rig {
	t.Helper()
	r := &rig{t: t, dir: dir, id: id, wall: wall}
	var err error
	r.disk, err = durable.OpenDisk(r.dir, durable.Patience(time.Minute)) // a busy machine is no fault
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); r.disk.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ran })
	signer, _, err := audit.LogKeys(filepath.Join(r.dir, "keys"), "kiel/penstock/audit/a")
	must(t, err)
	mono := time.Duration(0)
	r.log, err = audit.OpenLog(filepath.Join(r.dir, "log"), r.disk, audit.Options{Origin: "kiel/penstock/audit/a", Node: "a", Signer: signer,
		Clock: audit.Clock{Wall: r.now, Mono: func() time.Duration { r.mu.Lock(); defer r.mu.Unlock(); mono += time.Millisecond; return mono }, Boot: "b"}})
	must(t, err)
	t.Cleanup(func() { r.log.Close() })
	docs, err := audit.OpenDocuments(filepath.Join(r.dir, "documents"), r.disk)
	must(t, err)
	plant, err := docs.Put(ctx, []byte("plant"))
	must(t, err)
	r.rules = review.Rules{Plant: plant, Always: []string{"load", "device", "refusal", "first-visit"}, OneIn: 10, Within: 7 * day,
		Security: security, Keeps: func(tg review.Target) (string, time.Duration, bool) {
			switch {
			case tg.Asset == "for-ever":
				return "", 0, false
			case slices.Contains(tg.Rights, "load"):
				return "keep-load", 2555 * day, true
			}
			return "keep-look", 90 * day, true
		}}
	r.covered = r.log.Size
	r.restart()
	return r
}

// restart opens archive and Book anew, as a broker does that starts.
func (r *rig) restart() {
	r.t.Helper()
	var err error
	r.archive, err = recording.OpenArchive(recording.Parts{Dir: filepath.Join(r.dir, "recordings"), HeadsDir: filepath.Join(r.dir, "log", "heads"), Disk: r.disk, Log: r.log,
		Mode: "readable", Recipients: []string{r.id.Recipient().String()}, Identity: r.id.String(), MinFree: -1, Ended: func(string) bool { return true }})
	must(r.t, err)
	must(r.t, r.archive.Recover(r.t.Context()))
	r.book = review.NewBook(r.archive, r.log, reads)
	r.book.Keeps(review.House{Log: r.log, Rules: func() review.Rules { return r.rules }, Covered: func() audit.Index { return r.covered() }, Clock: func() error { return r.untimely }, Now: r.now})
}

func reads(roles []string) bool {
	return slices.Contains(roles, "security") || slices.Contains(roles, "manager")
}

func (r *rig) now() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.wall }

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wall = r.wall.Add(d)
}

// days pass, with something in the log on each, as in a plant.
func (r *rig) days(n int) {
	r.t.Helper()
	for range n {
		r.pass(day)
		r.tell("a", "penstock", audit.FirmChanged{Firm: "x"})
	}
}

func (r *rig) tell(subject, actor string, b audit.Body) audit.Leaf {
	r.t.Helper()
	leaf, err := r.log.Append(r.t.Context(), audit.Event{Subject: subject, Actor: actor, Body: b})
	must(r.t, err)
	return leaf
}

// session is one of ann's in W-1 that has ended, with its recording.
func (r *rig) session(id string, targets ...review.Target) {
	r.t.Helper()
	w, header, keys, err := r.archive.Create(r.t.Context(), recording.Header{Session: id, Person: "ann", Firm: "krall", Windows: []string{"W-1"}, Started: r.now()})
	must(r.t, err)
	r.tell(id, "ann", audit.SessionStarted{Session: id, Person: "ann", Firm: "krall", Windows: []string{"W-1"}, Mode: "readable", Header: header, Keys: keys})
	for i, tg := range targets {
		s, err := w.Stream(i, "shell")
		must(r.t, err)
		must(r.t, s.Commit(r.t.Context(), recording.In, []byte("x")))
		r.tell(id, "ann", audit.ChannelOpened{Session: id, Channel: i, Window: "W-1", Kind: "shell", Asset: tg.Asset, Port: tg.Port, Account: tg.Account, Rights: tg.Rights})
	}
	closed, err := w.Close(r.t.Context(), "client")
	must(r.t, err)
	r.tell(id, "ann", audit.SessionEnded{Session: id, Cause: "client", Close: closed})
}

// agreed is W-1: asked for by ann, agreed by olaf, opened by mia, extended by eve.
func (r *rig) agreed() {
	r.t.Helper()
	r.tell("R-1", "sue", audit.RequestSubmitted{Request: "R-1", Rev: 1, By: "sue"})
	r.tell("R-1", "olaf", audit.AnswerGiven{Request: "R-1", Rev: 1, Person: "olaf", Says: "yes"})
	r.tell("W-1", "penstock", audit.WindowAgreed{Window: "W-1", Request: "R-1"})
	r.tell("W-1", "mia", audit.WindowMoved{Window: "W-1", To: "opened", By: "mia"})
	r.tell("W-1", "eve", audit.WindowMoved{Window: "W-1", To: "extended", By: "eve"})
}

func sec(name string) review.Reader { return review.Reader{Person: name, Roles: []string{"security"}} }

var look = review.Target{Asset: "filler-plc", Port: "ssh", Account: "viewer", Rights: []string{"look"}}
var load = review.Target{Asset: "filler-plc", Port: "ssh", Account: "maint", Rights: []string{"look", "load"}}

// refusedBy says which rule refused.
func refusedBy(err error) string {
	var no *review.Refused
	if errors.As(err, &no) {
		return no.Rule
	}
	return fmt.Sprint(err)
}

func (r *rig) reviewed(id string) {
	r.t.Helper()
	s, _, err := r.book.Session(r.t.Context(), sec("lena"), id)
	must(r.t, err)
	_, err = r.book.Sign(r.t.Context(), sec("lena"), id, review.Opinion{Verdict: review.InOrder, Seen: len(s.Verdicts)})
	must(r.t, err)
}
