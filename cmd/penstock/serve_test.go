package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"penstock/cmd/penstock/demo"
	"penstock/policy"
)

// A record that breaks while the broker starts: it is never said to be ready.
// One that breaks later: nobody is let in, though nothing is written meanwhile.
func TestABrokenRecordIsNotReady(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"while starting": true, "when it serves": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := make(heard, 1)
			h, listen := bareHouse(t, slog.New(said))
			breaks := func() {
				if err := h.disk.SyncDir(filepath.Join(t.TempDir(), "gone")); err == nil {
					t.Fatal("a folder that is not there was synced")
				}
			}
			if early {
				breaks()
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ran := make(chan error, 1)
			go func() { ran <- h.run(ctx, listeners{ssh: listen(), socket: listen()}) }()
			if !early {
				<-said
				if err := within(patience, 20*time.Millisecond, "ready", func() (bool, error) { return h.broker.Ready() == nil, nil }); err != nil {
					t.Error(err)
				}
				breaks()
				err := within(patience, 20*time.Millisecond, "the refusal", func() (bool, error) {
					r, ok := errors.AsType[*policy.Refusal](h.broker.Ready())
					return ok && (r.Rule == "broker-failed" || r.Rule == "recording-failed") && h.health.err() != nil, nil
				})
				if err != nil {
					t.Errorf("%v: ready says %v, health %v", err, h.broker.Ready(), h.health.err())
				}
				cancel()
				<-ran
				return
			}
			select {
			case err := <-ran:
				if err == nil {
					t.Error("it ended well")
				}
			case <-said:
				t.Error("it said that it is ready")
				cancel()
				<-ran
			}
		})
	}
}

// openedHouse is a new broker over the story plant, with its file and the plant's people; nobody has enrolled anything yet. Whoever asks for it closes it.
func openedHouse(t *testing.T, logger *slog.Logger) (*plantHouse, serverFile, map[string]*demo.Person) {
	t.Helper()
	s := &story{dir: t.TempDir(), people: map[string]*demo.Person{}}
	if err := s.write("tester"); err != nil {
		t.Fatal(err)
	}
	f, err := readServerFile(s.path("penstock.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := readPlantFile(f.Plant)
	if err != nil {
		t.Fatal(err)
	}
	h, err := open(t.Context(), f, p, logger)
	if err != nil {
		t.Fatal(err)
	}
	return h, f, s.people
}

// bareHouse is a broker that does not run yet, and listeners for it.
func bareHouse(t *testing.T, logger *slog.Logger) (*plantHouse, func() net.Listener) {
	t.Helper()
	h, _, _ := openedHouse(t, logger)
	t.Cleanup(func() { _ = h.close() }) // it cannot write that it stopped
	return h, func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Error(err)
		}
		return l
	}
}

// heard takes the line "ready" out of what the broker says.
type heard chan struct{}

func (h heard) Enabled(context.Context, slog.Level) bool { return true }
func (h heard) WithAttrs([]slog.Attr) slog.Handler       { return slog.NewTextHandler(io.Discard, nil) }
func (h heard) WithGroup(string) slog.Handler            { return slog.NewTextHandler(io.Discard, nil) }
func (h heard) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "ready" {
		h <- struct{}{}
	}
	return nil
}
