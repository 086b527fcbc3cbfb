package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"penstock/approvals"
	"penstock/broker/inputs"
	"penstock/policy"
)

// drainTime is how long sessions may go on after serve was told to stop, where
// penstock.yaml does not say; and how long the last event may take.
const drainTime = 10 * time.Second

func serveCommand() *cobra.Command {
	var config string
	var newKeys bool
	cmd := &cobra.Command{Use: "serve --config penstock.yaml", Short: "Run the broker",
		Long: `Run the broker until SIGTERM or Ctrl-C, the first of which lets sessions go on for the
time that drain: gives, the second for none. SIGHUP reads the server's file, the plant
file and the certificate again, all or nothing: a broken one changes nothing, and a new
plant file is asked about every session that is running.`,
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sleepSounder() // before anything is open
			f, err := readServerFile(config)
			if err != nil {
				return err
			}
			f.NewKeys = newKeys
			if err := keepMemoryPrivate(); err != nil {
				return err
			}
			f.Level = new(slog.LevelVar)
			f.Level.Set(f.LogLevel)
			logger := slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: f.Level}))
			slog.SetDefault(logger) // the rooms' own words go the same way
			return serve(cmd.Context(), f, logger)
		}}
	cmd.Flags().StringVar(&config, "config", "penstock.yaml", "the server's file")
	cmd.Flags().BoolVar(&newKeys, "new-keys", false, "make keys that are lost for good anew: vendors and targets must be given the new ones, and what was sealed to the old ones stays shut")
	return cmd
}

// serve opens everything, listens when all of it stands, and takes it down in
// reverse: doors, sessions, archive, log, store.
func serve(ctx context.Context, f serverFile, logger *slog.Logger) (err error) {
	// From the first moment to the last: a SIGHUP that nobody waits for ends a process.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	logger.Info("starting", "version", version(), "config", f.Path, "data", f.Data)
	plant, err := readPlantFile(f.Plant)
	if err != nil {
		return err
	}
	h, err := open(ctx, f, plant, logger)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("stopped while starting: %w", err)
		}
		return err
	}
	h.hangups = hangups
	defer func() { err = errors.Join(err, h.close()) }()

	if err := h.door.SelfTest(ctx); err != nil {
		return fmt.Errorf("the self-test at the door failed, so nothing listens: %w", err)
	}
	if err := h.sound(); err != nil { // the host's certificate was the first row of this life
		return fmt.Errorf("the record failed during the self-test, so nothing listens: %w", err)
	}
	h.tested.Store(true)
	ssh, https, err := h.listen()
	if err != nil {
		return err
	}
	defer ssh.Close()
	if https != nil {
		defer https.Close()
	}
	socket, err := listenPrivate(f.Socket)
	if err != nil {
		return err
	}
	defer socket.Close()
	watched, err := listenPrivately(f.Private)
	if err != nil {
		return err
	}
	if watched != nil {
		defer watched.Close()
		h.ownAddress(watched.Addr())
	}
	return h.run(ctx, ssh, socket, watched, https)
}

// maxSocketPath is what sockaddr_un holds on Linux (unix(7)), without the final zero; bytes.
const maxSocketPath = 107

// listenPrivate listens on a unix socket that only its owner can reach. A
// socket left by a crash is replaced; one on which somebody answers is a server
// with another data directory, and stays.
func listenPrivate(path string) (net.Listener, error) {
	if len(path) > maxSocketPath { // the system says only "invalid argument"
		return nil, fmt.Errorf("the path of the private socket has %d bytes and may have %d: give a shorter one with socket: in the server's file (%s)", len(path), maxSocketPath, path)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("%s is in the way of the private socket", path)
		}
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
			return nil, fmt.Errorf("another server answers on %s: give this one a socket of its own", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("take away the old private socket: %w", err)
		}
	}
	// The data directory is 0700, so nobody slips in before the chmod. Elsewhere it
	// is the umask that keeps others out for that moment, and the password after it.
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on the private socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("close the private socket to others: %w", err)
	}
	return l, nil
}

// run serves until ctx ends or a part fails for good.
func (h *plantHouse) run(ctx context.Context, ssh, socket, watched net.Listener, https *httpsListener) error {
	parts, failed := errgroup.WithContext(context.WithoutCancel(ctx)) // Run loops outlive ctx until sessions are drained
	loops, endLoops := context.WithCancel(failed)
	defer endLoops()
	doors, endDoors := context.WithCancel(loops)
	defer endDoors()

	if watched != nil {
		metrics, err := h.metrics()
		if err != nil {
			return err
		}
		parts.Go(func() error { // until the end: who watches sees the drain too
			return servePrivate(loops, watched, private(metrics, h.health.err, h.broker.Ready), h.slog)
		})
	}
	parts.Go(h.loop(loops, "record", h.record))
	parts.Go(h.loop(loops, "recordings", h.archive.Run))
	parts.Go(h.loop(loops, "desk", h.desk.Run))
	parts.Go(h.loop(loops, "broker", h.broker.Run))
	parts.Go(h.loop(loops, "clock", h.clock.watch))
	parts.Go(h.loop(loops, "memory", giveBack))
	parts.Go(h.loop(loops, "copies outside", h.outside.Run))
	parts.Go(h.loop(loops, "reviews", h.book.Run))
	parts.Go(h.loop(loops, "siem", h.siem.Run))
	parts.Go(h.loop(loops, "gates", h.gates().Run))
	parts.Go(h.loop(loops, "secrets", h.vault.Run))
	parts.Go(h.loop(loops, "holding", h.holding.Run))
	parts.Go(h.loop(loops, "notices", h.notices.Run))
	if h.search != nil {
		parts.Go(h.loop(loops, "search", h.search.Run))
	}
	reload := &reloader{plantHouse: h, taken: h.file, https: https}
	parts.Go(h.loop(doors, "reload", reload.run))
	parts.Go(func() error { return h.door.Serve(doors, ssh) })
	api := &http.Server{Handler: h.web, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(h.slog.Handler(), slog.LevelWarn)}
	parts.Go(func() error {
		if err := api.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the private socket: %w", err)
		}
		return nil
	})
	ready := []any{"ssh", ssh.Addr().String(), "socket", socket.Addr().String(), "site", h.plant().Site.ID,
		"loopback_targets", h.file.Loopback, "host_key", h.hostKeyPrint()}
	pages := h.pagesServer(doors)
	if https != nil {
		parts.Go(func() error {
			if err := pages.Serve(https); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve HTTPS: %w", err)
			}
			return nil
		})
		ready = append(ready, "https", https.Addr().String(), "https_fingerprint", https.fingerprint())
	}
	unsound := h.sound() // the last look before anybody is told
	var cause error
	if unsound != nil {
		cause = fmt.Errorf("the record failed while starting: %w", unsound)
	} else {
		h.slog.Info("ready", ready...)
		select {
		case <-ctx.Done():
		case <-failed.Done():
			cause = context.Cause(failed)
		}
	}
	h.slog.Info("stopping", "cause", fmt.Sprint(cause))
	endDoors()
	drain, cancel := context.WithTimeout(context.Background(), h.file.Drain)
	defer cancel()
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	go func() {
		select {
		case <-again:
			h.slog.Info("told again to stop: sessions end now")
			cancel()
		case <-drain.Done():
		}
	}()
	err := h.broker.Drain(drain)
	if e := api.Shutdown(drain); e != nil {
		err = errors.Join(err, api.Close())
	}
	if e := pages.Shutdown(drain); e != nil {
		err = errors.Join(err, pages.Close())
	}
	endLoops()
	return errors.Join(unsound, err, parts.Wait())
}

// sound says why nothing can be kept any more, nil while it can.
func (h *plantHouse) sound() error {
	return errors.Join(h.journal.Err(), h.log.Err(), h.disk.Err())
}

// record waits for the log, the disk or the rows to break. Whoever writes next
// would learn of it; /readyz, and who wants to come in, learn of it here.
func (h *plantHouse) record(ctx context.Context) error {
	select {
	case <-h.log.Failed():
	case <-h.disk.Failed():
	case <-h.journal.Failed():
	case <-ctx.Done():
	}
	return h.sound()
}

// gates reads the plant's inputs for the Desk.
func (h *plantHouse) gates() *inputs.Reader {
	return &inputs.Reader{Plant: h.plant, Slog: h.slog, Take: func(ctx context.Context, g policy.Gate, r inputs.Reading) error {
		return h.desk.GateRead(ctx, g, approvals.Reading(r))
	}}
}

// loop runs one part. If it fails, nobody more is let in and everybody is told
// why at the door: a broker that only vanishes helps nobody at 03:00.
func (h *plantHouse) loop(ctx context.Context, name string, run func(context.Context) error) func() error {
	h.health.runs(name)
	return func() error {
		err := run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		h.slog.Error("a part of the broker failed: nobody is let in until it is started again", "part", name, "err", err)
		h.health.fails(name, err)
		h.admission.refuse(name, &policy.Refusal{Rule: "broker-failed",
			Say: "The broker cannot keep its record any more, so nobody is let in. Call the control room.",
			Why: fmt.Sprintf("%s: %v", name, err)})
		return nil
	}
}

// admission joins the reasons of several parts not to let anybody in.
type admission struct {
	set func(*policy.Refusal)

	mu      sync.Mutex
	reasons map[string]*policy.Refusal
}

// refuse notes, or with nil takes back, one part's reason; one that is left counts.
func (a *admission) refuse(part string, why *policy.Refusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if why == nil {
		delete(a.reasons, part)
	} else {
		a.reasons[part] = why
	}
	for _, left := range a.reasons {
		a.set(left)
		return
	}
	a.set(nil)
}

// plant is the plant file in force.
func (h *plantHouse) plant() *policy.Plant { return h.inForce.Load().plant }

// inForce is swapped whole by reload.
type inForce = atomic.Pointer[plantFile]
