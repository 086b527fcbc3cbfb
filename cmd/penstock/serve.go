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

	"penstock/policy"
)

// drainTime is how long sessions may go on after serve was told to stop.
const drainTime = 10 * time.Second

func serveCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{Use: "serve --config penstock.yaml", Short: "Run the broker",
		Long: `Run the broker until SIGTERM or Ctrl-C. SIGHUP reads the plant file again: a broken
one changes nothing, a good one is asked about every session that is running.`,
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := readServerFile(config)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), f, slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil)))
		}}
	cmd.Flags().StringVar(&config, "config", "penstock.yaml", "the server's file")
	return cmd
}

// serve opens everything, listens when all of it stands, and takes it down in
// reverse: doors, sessions, archive, log, store.
func serve(ctx context.Context, f serverFile, logger *slog.Logger) (err error) {
	plant, err := readPlantFile(f.Plant)
	if err != nil {
		return err
	}
	h, err := open(ctx, f, plant, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()

	if err := h.door.SelfTest(ctx); err != nil {
		return fmt.Errorf("the self-test at the door failed, so nothing listens: %w", err)
	}
	ssh, err := net.Listen("tcp", f.SSH)
	if err != nil {
		return fmt.Errorf("listen for SSH: %w", err)
	}
	defer ssh.Close()
	h.ownAddress(ssh.Addr())
	socket, err := listenPrivate(f.Socket)
	if err != nil {
		return err
	}
	defer socket.Close()
	return h.run(ctx, ssh, socket)
}

// listenPrivate listens on a unix socket that only its owner can reach. A
// socket left by a crash is replaced: the log's lock has shown that no other
// server runs on this directory.
func listenPrivate(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("%s is in the way of the private socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("take away the old private socket: %w", err)
		}
	}
	// The data directory is 0700, so nobody slips in before the chmod.
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
func (h *plantHouse) run(ctx context.Context, ssh, socket net.Listener) error {
	parts, failed := errgroup.WithContext(context.WithoutCancel(ctx)) // Run loops outlive ctx until sessions are drained
	loops, endLoops := context.WithCancel(failed)
	defer endLoops()
	doors, endDoors := context.WithCancel(loops)
	defer endDoors()

	parts.Go(h.loop(loops, "recordings", h.archive.Run))
	parts.Go(h.loop(loops, "desk", h.desk.Run))
	parts.Go(h.loop(loops, "broker", h.broker.Run))
	parts.Go(h.loop(loops, "clock", h.clock.watch))
	parts.Go(h.loop(doors, "reload", h.reloadOnHangup))
	parts.Go(func() error { return h.door.Serve(doors, ssh) })
	api := &http.Server{Handler: h.web, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(h.slog.Handler(), slog.LevelWarn)}
	parts.Go(func() error {
		if err := api.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the private socket: %w", err)
		}
		return nil
	})
	h.slog.Info("ready", "ssh", ssh.Addr().String(), "socket", socket.Addr().String(), "site", h.plant().Site.ID,
		"loopback_targets", h.file.Loopback, "host_key", h.hostKeyPrint())

	var cause error
	select {
	case <-ctx.Done():
	case <-failed.Done():
		cause = context.Cause(failed)
	}
	h.slog.Info("stopping", "cause", fmt.Sprint(cause))
	endDoors()
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	err := h.broker.Drain(drain)
	if e := api.Shutdown(drain); e != nil {
		err = errors.Join(err, api.Close())
	}
	endLoops()
	return errors.Join(err, parts.Wait())
}

// loop runs one part. If it fails, nobody more is let in and everybody is told
// why at the door: a broker that only vanishes helps nobody at 03:00.
func (h *plantHouse) loop(ctx context.Context, name string, run func(context.Context) error) func() error {
	return func() error {
		err := run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		h.slog.Error("a part of the broker failed: nobody is let in until it is started again", "part", name, "err", err)
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

// reloadOnHangup reads the plant file again at each SIGHUP.
func (h *plantHouse) reloadOnHangup(ctx context.Context) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
		}
		if err := h.reload(ctx); err != nil {
			h.slog.Error("the plant file was not taken; the one in force stays", "err", err)
		}
	}
}

// reload takes a new plant file, or changes nothing: document and event first,
// then it counts, then every session is asked about again.
func (h *plantHouse) reload(ctx context.Context) error {
	p, err := readPlantFile(h.file.Plant)
	if err != nil {
		return err
	}
	if p.plant.Site.ID != h.plant().Site.ID {
		return fmt.Errorf("the file is of site %q, and this broker serves %q: another plant is another broker", p.plant.Site.ID, h.plant().Site.ID)
	}
	old := h.inForce.Load()
	if p.hash == old.hash {
		h.slog.Info("the plant file is as it was")
		return nil
	}
	if _, err := putIntoForce(ctx, h.log, h.docs, "plant", p.plant.Document(), old.hash); err != nil {
		return err
	}
	h.inForce.Store(&p)
	h.broker.Recheck(ctx)
	h.slog.Info("the plant file was taken", "plant", p.hash.String())
	return nil
}

// plant is the plant file in force.
func (h *plantHouse) plant() *policy.Plant { return h.inForce.Load().plant }

// inForce is swapped whole by reload.
type inForce = atomic.Pointer[plantFile]
