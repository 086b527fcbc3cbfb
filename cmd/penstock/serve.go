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
	at, err := h.listenAll()
	if err != nil {
		return err
	}
	defer at.close()
	return h.run(ctx, at)
}

// run serves until ctx ends or a part fails for good.
func (h *plantHouse) run(ctx context.Context, at listeners) error {
	parts, failed := errgroup.WithContext(context.WithoutCancel(ctx)) // Run loops outlive ctx until sessions are drained
	loops, endLoops := context.WithCancel(failed)
	defer endLoops()
	doors, endDoors := context.WithCancel(loops)
	defer endDoors()

	if at.private != nil {
		metrics, err := h.metrics()
		if err != nil {
			return err
		}
		parts.Go(func() error { // until the end: who watches sees the drain too
			return servePrivate(loops, at.private, private(metrics, h.health.err, h.broker.Ready), h.slog)
		})
	}
	h.startLoops(loops, parts)
	reload := &reloader{plantHouse: h, taken: h.file, https: at.https}
	parts.Go(h.loop(doors, "reload", reload.run))
	parts.Go(func() error { return h.door.Serve(doors, at.ssh) })
	api, pages := h.apiServer(), h.pagesServer(doors)
	parts.Go(func() error { return serveHTTP(api, at.socket, "the private socket") })
	if at.https != nil {
		parts.Go(func() error { return serveHTTP(pages, at.https, "HTTPS") })
	}

	unsound := h.sound() // the last look before anybody is told
	var cause error
	if unsound != nil {
		cause = fmt.Errorf("the record failed while starting: %w", unsound)
	} else {
		h.slog.Info("ready", h.ready(at)...)
		select {
		case <-ctx.Done():
		case <-failed.Done():
			cause = context.Cause(failed)
		}
	}
	if cause == nil {
		h.slog.Info("stopping", "cause", "told to")
	} else {
		h.slog.Error("stopping", "cause", cause.Error())
	}
	endDoors()
	err := h.drain(api, pages)
	endLoops()
	return errors.Join(unsound, err, parts.Wait())
}

// startLoops starts what runs until the last session is over.
func (h *plantHouse) startLoops(ctx context.Context, parts *errgroup.Group) {
	start := func(name string, run func(context.Context) error) { parts.Go(h.loop(ctx, name, run)) }
	start("record", h.record)
	start("recordings", h.archive.Run)
	start("desk", h.desk.Run)
	start("broker", h.broker.Run)
	start("clock", h.clock.watch)
	start("memory", giveBack)
	start("copies outside", h.outside.Run)
	start("reviews", h.book.Run)
	start("siem", h.siem.Run)
	start("gates", h.gates().Run)
	start("secrets", h.vault.Run)
	start("holding", h.holding.Run)
	start("notices", h.notices.Run)
	if h.search != nil {
		start("search", h.search.Run)
	}
}

// apiServer answers the command line, on the private socket.
func (h *plantHouse) apiServer() *http.Server {
	return &http.Server{Handler: h.web, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(h.slog.Handler(), slog.LevelWarn)}
}

// serveHTTP returns once s is shut down, and else why it cannot serve.
func serveHTTP(s *http.Server, l net.Listener, what string) error {
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", what, err)
	}
	return nil
}

// ready is what whoever started serve has to know to reach it.
func (h *plantHouse) ready(at listeners) []any {
	says := []any{"ssh", at.ssh.Addr().String(), "socket", at.socket.Addr().String(), "site", h.plant().Site.ID,
		"loopback_targets", h.file.Loopback, "host_key", h.hostKeyPrint()}
	if at.https != nil {
		says = append(says, "https", at.https.Addr().String(), "https_fingerprint", at.https.fingerprint())
	}
	return says
}

// drain lets sessions go on for the time that the server's file gives, or until
// serve is told again to stop; then it takes the servers down.
func (h *plantHouse) drain(servers ...*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), h.file.Drain)
	defer cancel()
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	go func() {
		select {
		case <-again:
			h.slog.Info("told again to stop: sessions end now")
			cancel()
		case <-ctx.Done():
		}
	}()
	err := h.broker.Drain(ctx)
	for _, s := range servers {
		if e := s.Shutdown(ctx); e != nil {
			err = errors.Join(err, s.Close())
		}
	}
	return err
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
