package recording_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
)

// crashed is a room as a killed process left it: session S-1 with a channel of
// several parts and one of one, heads of some frames beside the log, no close.json.
func crashed(t *testing.T) *room {
	t.Helper()
	before := newRoom(t, t.TempDir())
	recording.SmallParts(before.Archive, 400, 1<<20, time.Hour)
	w := before.create(t, "S-1")
	shell, tcp := stream(t, w, 0, "shell"), stream(t, w, 1, "tcp")
	for i := range 6 {
		must(t, shell.Append('o', []byte(strings.Repeat("output ", 9))))
		must(t, shell.Commit(t.Context(), 'i', fmt.Appendf(nil, "in %d", i)))
	}
	must(t, tcp.Commit(t.Context(), 'i', []byte("one")))
	must(t, tcp.Commit(t.Context(), 'i', []byte("two")))
	after := t.TempDir()
	must(t, os.CopyFS(after, os.DirFS(before.dir)))
	_, err := w.Close(t.Context(), "client")
	must(t, err)
	return newRoom(t, after)
}

// parts of the shell's channel, in order.
func parts(t *testing.T, r *room) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(r.path("S-1"), "c00-shell.*.brf"))
	must(t, err)
	slices.Sort(found)
	return found
}

func (r *room) writeHeads(t *testing.T, heads ...recording.Head) {
	t.Helper()
	var text []byte
	for _, h := range heads {
		line, err := audit.Canonical(h)
		must(t, err)
		text = append(append(text, line...), '\n')
	}
	name := time.Now().UTC().Format("2006-01") + ".txt"
	must(t, os.WriteFile(filepath.Join(r.parts.HeadsDir, name), text, 0o600))
}

func headAt(t *testing.T, r *room, path string, seq uint64) recording.Head {
	t.Helper()
	h, err := recording.HeadAt(r.path("S-1"), filepath.Base(path), seq)
	must(t, err)
	return h
}

func TestRecover(t *testing.T) {
	type outcome struct{ recovered, failed int } // events
	rows := []struct {
		story string
		harm  func(t *testing.T, r *room)
		want  outcome
		whole bool
	}{
		{"nothing is torn", func(*testing.T, *room) {}, outcome{0, 0}, true},
		{"the last frame of a channel is torn", func(t *testing.T, r *room) {
			cutBy(t, filepath.Join(r.path("S-1"), "c01-tcp.000.brf"), 10)
		}, outcome{1, 0}, true},
		{"both channels are torn", func(t *testing.T, r *room) {
			cutBy(t, filepath.Join(r.path("S-1"), "c01-tcp.000.brf"), 10)
			addTo(t, parts(t, r)[len(parts(t, r))-1], "BRF1 the beginning of a frame")
		}, outcome{2, 0}, true},
		{"zeros stand behind the last frame", func(t *testing.T, r *room) {
			addTo(t, filepath.Join(r.path("S-1"), "c01-tcp.000.brf"), string(make([]byte, 4096)))
		}, outcome{1, 0}, true},
		{"torn behind the last committed head", func(t *testing.T, r *room) {
			tcp := filepath.Join(r.path("S-1"), "c01-tcp.000.brf")
			r.writeHeads(t, headAt(t, r, tcp, 0))
			cutBy(t, tcp, 10)
		}, outcome{1, 0}, true},
		{"shorter than the last committed head", func(t *testing.T, r *room) {
			tcp := filepath.Join(r.path("S-1"), "c01-tcp.000.brf")
			r.writeHeads(t, headAt(t, r, tcp, 0), headAt(t, r, tcp, 1))
			cutBy(t, tcp, 10)
		}, outcome{0, 1}, false},
		{"cut at a frame's border before the last committed head", func(t *testing.T, r *room) {
			tcp := filepath.Join(r.path("S-1"), "c01-tcp.000.brf")
			r.writeHeads(t, headAt(t, r, tcp, 1))
			must(t, os.Truncate(tcp, headAt(t, r, tcp, 0).Bytes))
		}, outcome{0, 1}, false},
		{"a committed frame was changed", func(t *testing.T, r *room) {
			tcp := filepath.Join(r.path("S-1"), "c01-tcp.000.brf")
			r.writeHeads(t, headAt(t, r, tcp, 1))
			flip(t, tcp, 60)
		}, outcome{0, 1}, false},
		{"an earlier part was changed", func(t *testing.T, r *room) {
			flip(t, parts(t, r)[1], 60)
		}, outcome{0, 1}, false},
		{"a part in the middle is gone", func(t *testing.T, r *room) {
			must(t, os.Remove(parts(t, r)[1]))
		}, outcome{0, 2}, false},
		{"a committed file is gone", func(t *testing.T, r *room) {
			tcp := filepath.Join(r.path("S-1"), "c01-tcp.000.brf")
			r.writeHeads(t, headAt(t, r, tcp, 0))
			must(t, os.Remove(tcp))
		}, outcome{0, 1}, true}, // to the folder alone; the heads tell the verifier
	}
	for _, row := range rows {
		t.Run(row.story, func(t *testing.T) {
			r := crashed(t)
			row.harm(t, r)
			must(t, r.Recover(t.Context()))
			got := outcome{len(r.log.of("recording.recovered")), len(r.log.of("recording.failed"))}
			if got != row.want {
				t.Errorf("events: %+v, want %+v: %v", got, row.want, r.log.all)
			}
			report, err := recording.VerifyFolder(r.path("S-1"), audit.Hash{}, nil)
			must(t, err)
			if report.Whole() != row.whole || report.Closed == nil || report.Closed.Cause != "crash" {
				t.Errorf("afterwards: %+v", report.Findings)
			}
			ended := r.log.of("session.ended")
			if len(ended) != 1 || ended[0].(audit.SessionEnded).Close != report.Close || ended[0].(audit.SessionEnded).Cause != "crash" {
				t.Errorf("session.ended: %+v", ended)
			}
			events := len(r.log.all)
			must(t, r.Recover(t.Context()))
			if len(r.log.all) != events {
				t.Errorf("the second time: %v", r.log.all[events:])
			}
		})
	}
}

func cutBy(t *testing.T, path string, n int64) {
	info, err := os.Stat(path)
	must(t, err)
	must(t, os.Truncate(path, info.Size()-n))
}

func addTo(t *testing.T, path, text string) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString(text)
	must(t, errors.Join(err, f.Close()))
}

func flip(t *testing.T, path string, at int64) {
	b, err := os.ReadFile(path)
	must(t, err)
	b[at] ^= 1
	must(t, os.WriteFile(path, b, 0o600))
}

// Every cut of the newest part, byte by byte, is mended to the last whole frame.
func TestRecoverEveryCut(t *testing.T) {
	r := crashed(t)
	dir := r.path("S-1")
	tcp := filepath.Join(dir, "c01-tcp.000.brf")
	whole, err := os.ReadFile(tcp)
	must(t, err)
	border := headAt(t, r, tcp, 0).Bytes
	for cut := range whole {
		must(t, os.WriteFile(tcp, whole[:cut], 0o600))
		must(t, errors.Join(r.Recover(t.Context())))
		want := int64(0)
		if int64(cut) >= border {
			want = border
		}
		info, err := os.Stat(tcp)
		must(t, err)
		if info.Size() != want {
			t.Fatalf("cut to %d: %d bytes are left, want %d", cut, info.Size(), want)
		}
		must(t, os.Remove(filepath.Join(dir, "close.json")))
	}
}

// Recovery itself is interrupted by a log that fails at its n-th event.
func TestRecoverIsTakenUpAgain(t *testing.T) {
	for n := range 3 {
		r := crashed(t)
		cutBy(t, filepath.Join(r.path("S-1"), "c01-tcp.000.brf"), 10)
		addTo(t, parts(t, r)[len(parts(t, r))-1], "torn")
		ended := map[string]bool{}
		log := &failsAt{events: r.log, n: n}
		p := r.parts
		p.Log, p.Ended = log, func(s string) bool { return ended[s] }
		a, err := recording.OpenArchive(p)
		must(t, err)
		if err := a.Recover(t.Context()); !errors.Is(err, errFault) {
			t.Fatalf("%d: %v", n, err)
		}
		log.n = -1
		must(t, a.Recover(t.Context()))
		if got := r.log.of("session.ended"); len(got) != 1 {
			t.Errorf("%d: %d times session.ended", n, len(got))
		}
		ended["S-1"] = true
		events := len(r.log.all)
		must(t, a.Recover(t.Context()))
		if len(r.log.all) != events {
			t.Errorf("%d: events though all is done: %v", n, r.log.all[events:])
		}
		report, err := recording.VerifyFolder(r.path("S-1"), audit.Hash{}, nil)
		must(t, err)
		if !report.Whole() {
			t.Errorf("%d: %v", n, report.Findings)
		}
	}
}

// failsAt is a log that refuses its n-th event (from 0); below 0 none.
type failsAt struct {
	*events
	n int
}

func (l *failsAt) Append(ctx context.Context, ev audit.Event) (audit.Leaf, error) {
	l.n--
	if l.n == -1 {
		return audit.Leaf{}, errFault
	}
	return l.events.Append(ctx, ev)
}

// A folder without a header, or with a broken one, does not keep the plant from starting.
func TestABrokenHeaderIsToldAndPassedOver(t *testing.T) {
	r := crashed(t)
	flip(t, filepath.Join(r.path("S-1"), "session.json"), 3)
	must(t, r.Recover(t.Context()))
	if len(r.log.of("recording.failed")) != 1 || len(r.log.of("session.ended")) != 0 {
		t.Errorf("%v", r.log.all)
	}
	if _, err := r.Open("S-1"); err == nil {
		t.Error("it was opened")
	}
}

// A crash, or a full disk, between the folder and session.started leaves nothing.
func TestAnUnadmittedSessionIsSwept(t *testing.T) {
	r := crashed(t)
	_, _, _, err := r.Create(t.Context(), header("S-2")) // and its event was never written
	must(t, err)
	p := r.parts
	p.Started = func(s string) bool { return false }
	a, err := recording.OpenArchive(p)
	must(t, err)
	must(t, a.Recover(t.Context()))
	if _, err := os.Stat(filepath.Join(filepath.Dir(r.path("S-1")), "S-2")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("S-2 is left: %v", err)
	}
	if _, err := os.Stat(r.path("S-1")); err != nil {
		t.Errorf("S-1, which has channels, was taken away: %v", err)
	}
	if n := len(r.log.of("session.ended")); n != 0 {
		t.Errorf("%d times session.ended of sessions that never started", n)
	}
	if _, _, _, err := a.Create(t.Context(), header("S-2")); err != nil {
		t.Errorf("the name is not free: %v", err)
	}
}

// Somebody gives a recording the name that Remove gives it, so that the next
// start destroys it: without an event that lets it go it stays, and is told.
func TestAHiddenRecordingThatMayNotGoStays(t *testing.T) {
	for _, gone := range []bool{false, true} {
		r := crashed(t)
		folder := r.path("S-1")
		hidden := filepath.Join(filepath.Dir(folder), ".S-1")
		must(t, os.Rename(folder, hidden))
		p := r.parts
		p.Started = func(string) bool { return true }
		p.Gone = func(string) bool { return gone }
		a, err := recording.OpenArchive(p)
		must(t, err)
		must(t, a.Recover(t.Context()))
		if _, err := os.Stat(hidden); (err != nil) != gone {
			t.Errorf("gone by the log %t, and the folder: %v", gone, err)
		}
		if told := len(r.log.of("recording.failed")); (told == 0) != gone {
			t.Errorf("gone by the log %t, told %d times", gone, told)
		}
	}
}

// A session whose close.json found no room has ended all the same: it gets one
// now, and no second end.
func TestRecoverEndsNoSessionTwice(t *testing.T) {
	r := crashed(t)
	p := r.parts
	p.Ended = func(string) bool { return true }
	a, err := recording.OpenArchive(p)
	must(t, err)
	must(t, a.Recover(t.Context()))
	if n := len(r.log.of("session.ended")); n != 0 {
		t.Errorf("session.ended was written %d times more", n)
	}
	report, err := recording.VerifyFolder(r.path("S-1"), audit.Hash{}, nil)
	must(t, err)
	if !report.Whole() || report.Closed == nil {
		t.Errorf("closed %v, found %v", report.Closed, report.Findings)
	}
}
