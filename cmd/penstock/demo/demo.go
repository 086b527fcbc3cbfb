package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Options are what a run of the demo is given.
type Options struct {
	Dir    string // everything is in here
	SSH    string // the broker's loopback address; port 0 takes a free one
	HTTPS  string // the pages' loopback address; likewise
	Walk   bool   // play the whole thread, then end
	JSON   bool   // say what runs as one JSON object, then stay
	Out    io.Writer
	Self   string // the penstock binary
	Verify string // the penstock-verify binary

	Plant   map[string][]byte // the example plant.yaml, and the files it names
	Stories []byte            // its plant.test.yaml
	// Serve runs the broker of a penstock.yaml until ctx ends.
	Serve func(ctx context.Context, config string, logger *slog.Logger) error
}

// show is one running demo.
type show struct {
	o       Options
	folder  folder
	ground  ground
	players map[string]*player
	screen  *screen
	broker  *broker
	plant   *plant
	panel   *panel
	quiet   bool // enrols without telling

	aside sync.Mutex // what is told while the demo stays
}

// Run sets up the demo in its folder, or goes on where an earlier run ended, and
// plays it or stays until ctx ends. It leaves no process behind.
func Run(ctx context.Context, o Options) (err error) {
	for _, need := range []string{"ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(need); err != nil {
			return fmt.Errorf("%s is missing: install the package openssh-client", need)
		}
	}
	d := &show{o: o, screen: newScreen(o.Out, o.Walk), quiet: !o.Walk}
	defer d.screen.close()
	if d.o.SSH, err = listenAddress("--ssh", o.SSH); err != nil {
		return err
	}
	if d.o.HTTPS, err = listenAddress("--https", o.HTTPS); err != nil {
		return err
	}
	var unlock func()
	if d.folder, unlock, err = openFolder(o.Dir); err != nil {
		return err
	}
	defer unlock()
	if err := adoptOrphans(); err != nil {
		return err
	}
	defer sweep()
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := d.start(ctx); err != nil {
		return err
	}
	switch {
	case o.Walk:
		return d.walk(ctx)
	case o.JSON:
		err = d.printJSON()
	default:
		d.printSummary()
	}
	if err != nil {
		return err
	}
	return d.stay(ctx)
}

// listenAddress finds out early, and in one line, whether the broker could
// listen there; between here and serve somebody else may be faster.
func listenAddress(flag, text string) (string, error) {
	at, err := netip.ParseAddrPort(text)
	if err != nil || !at.Addr().IsLoopback() {
		return "", fmt.Errorf("%s %q is no loopback address with a port, such as 127.0.0.1:2300; the demo's secrets lie in the clear, so it stays on this machine", flag, text)
	}
	l, err := net.Listen("tcp", text)
	if errors.Is(err, syscall.EADDRINUSE) {
		return "", fmt.Errorf("%s is in use; choose another port, such as: %s %s", text, flag, netip.AddrPortFrom(at.Addr(), at.Port()%60000+1000))
	}
	if err != nil {
		return "", fmt.Errorf("cannot listen on %s: %w; choose another: %s 127.0.0.1:0 takes any free port", text, err, flag)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// start brings up broker and plant, and people who can sign in.
func (d *show) start(ctx context.Context) error {
	earlier, err := d.folder.settings()
	if err != nil {
		return err
	}
	if d.ground, err = takeGround(ctx, earlier.Ports); err != nil {
		return err
	}
	if err := d.folder.prepare(ctx, d.ground, d.o); err != nil {
		return err
	}
	if d.players, err = d.folder.players(); err != nil {
		return err
	}
	if err := d.folder.env(filepath.Dir(d.o.Self), filepath.Dir(d.o.Verify)); err != nil {
		return fmt.Errorf("write the file env: %w", err)
	}
	if d.broker, err = startBroker(ctx, d.folder, d.o.Serve); err != nil {
		return err
	}
	authority, err := d.folder.trust(ctx, d.o.Self)
	if err != nil {
		return err
	}
	if d.plant, err = startPlant(d.folder, d.ground, authority); err != nil {
		return err
	}
	d.panel = &panel{line: d.plant.line, pages: "https://" + d.o.HTTPS, ask: d.askAsAnn, told: d.tellAside}
	if !d.o.Walk { // enrolling is told as a part of the walk
		if err := d.enrolAll(ctx); err != nil {
			return err
		}
	}
	d.panel.serve(d.ground[panelPlace]) // its button needs Ann
	return nil
}

// stop takes down broker and plant; sessions are drained first.
func (d *show) stop() error {
	var err error
	if d.panel != nil {
		d.panel.stop()
		d.panel = nil
	}
	if d.broker != nil {
		err = d.broker.stop()
		d.broker = nil
	}
	if d.plant != nil {
		d.plant.stop()
		d.plant = nil
	}
	d.ground.free()
	return err
}

// stay waits for the end, which is either asked for or the broker's own.
func (d *show) stay(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-d.broker.ended:
		return fmt.Errorf("the broker ended by itself; %s says why", d.folder.at("penstock.log"))
	}
	if d.o.JSON {
		return d.stop()
	}
	d.screen.line("\nStopping: who is in is told and has ten seconds, then the log is closed …")
	if err := d.stop(); err != nil {
		return err
	}
	d.screen.line("Stopped. All of it is kept; the same line goes on with it. To forget it: rm -r " + d.o.Dir)
	return nil
}

// broker is penstock serve, run in this process.
type broker struct {
	cancel context.CancelFunc
	ended  chan struct{}
	err    error  // once ended
	print  string // SHA-256 fingerprint of the pages' certificate
}

// startBroker returns when the broker is ready.
func startBroker(ctx context.Context, f folder, serve func(context.Context, string, *slog.Logger) error) (*broker, error) {
	log, err := os.OpenFile(f.at("penstock.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the broker's log: %w", err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx)) // Ctrl-C ends the walk first, then the broker
	b := &broker{cancel: cancel, ended: make(chan struct{})}
	ready := make(chan string, 1)
	logger := slog.New(readyHandler{slog.NewJSONHandler(log, nil), ready})
	go func() {
		defer close(b.ended)
		defer log.Close()
		b.err = serve(run, f.at("penstock.yaml"), logger)
	}()
	select {
	case b.print = <-ready:
		return b, nil
	case <-b.ended:
		cancel()
		return nil, fmt.Errorf("the broker did not start: %w", b.err)
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), b.stop())
	}
}

// stop may be called again.
func (b *broker) stop() error {
	b.cancel()
	<-b.ended
	if b.err != nil {
		return fmt.Errorf("stop the broker: %w", b.err)
	}
	return nil
}

// readyHandler hears the broker say that it is ready.
type readyHandler struct {
	slog.Handler
	ready chan<- string // the pages' fingerprint
}

func (h readyHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "ready" {
		var print string
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "https_fingerprint" {
				print = a.Value.String()
			}
			return true
		})
		select {
		case h.ready <- print:
		default:
		}
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs and WithGroup keep the ear on loggers that are made of this one.
func (h readyHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return readyHandler{h.Handler.WithAttrs(a), h.ready}
}

func (h readyHandler) WithGroup(name string) slog.Handler {
	return readyHandler{h.Handler.WithGroup(name), h.ready}
}

// command is this binary as somebody types it where the demo was started.
func (d *show) command() string {
	if found, err := exec.LookPath("penstock"); err == nil && found == d.o.Self {
		return "penstock"
	}
	here, err := os.Getwd()
	if err != nil {
		return d.o.Self
	}
	rel, err := filepath.Rel(here, d.o.Self)
	switch {
	case err != nil || strings.HasPrefix(rel, ".."):
		return d.o.Self
	case !strings.Contains(rel, "/"):
		return "./" + rel
	}
	return rel
}
