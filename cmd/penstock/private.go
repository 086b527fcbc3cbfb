package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"penstock/policy"
	"penstock/policy/source"
)

// maxDrain bounds drain: in penstock.yaml: a stop that takes longer is no stop.
const maxDrain = 10 * time.Minute

// readRunning reads the settings that are about running the process.
func (f *serverFile) readRunning(dir string, fields source.Fields) {
	f.Private = privateAddress(dir, fields.Get("private").Fields("listen"))
	f.LogLevel = slog.LevelInfo
	if fields.Get("log").OneOf("info", "debug") == "debug" {
		f.LogLevel = slog.LevelDebug
	}
	f.Drain = drainTime
	if d := fields.Get("drain"); d.Here() {
		f.Drain = d.Duration(0, maxDrain)
	}
	if f.Private != "" && f.Private == f.Socket {
		fields.Get("private").Refuse("private.listen and socket are one file", "give the private listener a path of its own")
	}
}

// privateAddress is an address of this machine alone, or the path of a unix
// socket; "" without private: in the file: no listener.
func privateAddress(dir string, private source.Fields) string {
	v := private.Get("listen")
	s := v.Text()
	const hint = "say 127.0.0.1:9464, [::1]:9464 or the path of a unix socket; something on this machine may fetch the metrics and carry them on"
	switch {
	case s == "":
		return ""
	case strings.Contains(s, "/"):
		return beside(dir, s)
	}
	host, port, err := net.SplitHostPort(s)
	n, nerr := strconv.Atoi(port)
	addr, aerr := netip.ParseAddr(host)
	switch {
	case err != nil || nerr != nil || n < 1 || n > 65535:
		v.Refuse(fmt.Sprintf("%q is no address to listen on", s), hint)
	case host == "" || aerr == nil && !addr.IsLoopback():
		v.Refuse(fmt.Sprintf("%q can be reached from other machines, and metrics and profiles tell who works in the plant and when", s), hint)
	case aerr != nil || addr.Zone() != "":
		v.Refuse(fmt.Sprintf("%q is a name, and what it stands for may change", host), hint)
	default:
		return s
	}
	return ""
}

// listenPrivate opens the private listener; nil where none is configured.
func listenPrivate(address string) (net.Listener, error) {
	switch {
	case address == "":
		return nil, nil
	case filepath.IsAbs(address) || strings.Contains(address, "/"):
		return listenSocket(address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen privately: %w", err)
	}
	return l, nil
}

// health knows which loops of the broker have failed.
type health struct {
	mu     sync.Mutex
	parts  map[string]bool // false: failed
	failed map[string]string
}

func newHealth() *health { return &health{parts: map[string]bool{}, failed: map[string]string{}} }

func (h *health) runs(part string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts[part] = true
}

func (h *health) fails(part string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts[part] = false
	h.failed[part] = fmt.Sprint(err)
	if err == nil {
		h.failed[part] = "it ended"
	}
}

// err is nil while every part runs.
func (h *health) err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for _, part := range slices.Sorted(maps.Keys(h.failed)) {
		errs = append(errs, fmt.Errorf("%s: %s", part, h.failed[part]))
	}
	return errors.Join(errs...)
}

// running is each part, and whether it runs.
func (h *health) running() map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.parts)
}

// private answers on the private listener: metrics, health, readiness and
// profiles, and nothing else. It knows nobody: whoever reaches it may read.
func private(metrics http.Handler, alive, ready func() error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", says("ok: the process lives and its parts run", alive))
	mux.HandleFunc("GET /readyz", says("ready: people are let in", ready))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A page in a browser on this machine may name us by a host name that it
		// points to loopback (DNS rebinding); scrapers say the address.
		if !isLocal(r.Host) {
			http.Error(w, "ask for this by 127.0.0.1, [::1] or localhost", http.StatusForbidden)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

func isLocal(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && a.IsLoopback()
}

// says answers 200 while check is nil, else 503 with the plain reason.
func says(well string, check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		text := well
		if err := check(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			text = err.Error()
			if r, ok := errors.AsType[*policy.Refusal](err); ok {
				text = r.Say + " (" + r.Rule + ")"
			}
		}
		fmt.Fprintln(w, text)
	}
}

// servePrivate serves until ctx ends. Profiles take a minute, so there is no
// limit on an answer; connections are few and local.
func servePrivate(ctx context.Context, l net.Listener, handler http.Handler, logger *slog.Logger) error {
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn)}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the private listener: %w", err)
	}
	return nil
}
