package demo

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

//go:embed panel
var panelFiles embed.FS

var panelPage = template.Must(template.ParseFS(panelFiles, "panel/panel.html"))

// panel is the plant's own panel at the line, and the demo's fault button. It
// is no part of Penstock: whoever stands at a line may start and stop it. It
// listens on loopback only.
type panel struct {
	line   *line
	pages  string                                    // Penstock's, for the link
	ask    func(ctx context.Context) (string, error) // Ann asks; the request's number
	told   func(line string)                         // for the demo's terminal
	server *http.Server
	done   sync.WaitGroup

	mu      sync.Mutex
	request string // of the fault that stands
	asking  bool
	why     string // Ann could not ask
}

// panelState is the panel for programs, and for its own page.
type panelState struct {
	values
	Deviation float64 `json:"deviation"` // %
	Request   string  `json:"request,omitempty"`
	Asking    bool    `json:"asking,omitempty"`
	Failed    string  `json:"failed,omitempty"` // why there is no request
	Says      string  `json:"says"`
}

func (p *panel) state() panelState {
	v := p.line.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := panelState{values: v, Deviation: math.Round(v.deviation()*10) / 10, Request: p.request, Asking: p.asking, Failed: p.why}
	s.Flow, s.Bottles, s.Product, s.Stood = math.Round(v.Flow), math.Floor(v.Bottles), math.Round(v.Product*10)/10, math.Floor(v.Stood)
	switch {
	case v.Alarm && p.why != "":
		s.Says = "The line stands. Ann could not ask: " + p.why
	case v.Alarm && p.request == "":
		s.Says = "The line stands. Fill volume drifts: the filler's maker is called."
	case v.Alarm:
		s.Says = "The line stands. Ann Keller of Krall has asked to come in: " + p.request + "."
	case !v.Running:
		s.Says = "The fill volume is right again. The line can be started."
	default:
		s.Says = "The line runs."
	}
	return s
}

func (p *panel) serve(l net.Listener) {
	p.server = &http.Server{Handler: p.handler(), ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}
	p.done.Go(func() { _ = p.server.Serve(l) }) // ends with stop
}

func (p *panel) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.page)
	for _, name := range []string{"panel.css", "panel.js"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, panelFiles, "panel/"+name)
		})
	}
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { p.answer(w, http.StatusOK) })
	mux.HandleFunc("POST /fault", p.fault)
	mux.HandleFunc("POST /start", p.start)
	mux.HandleFunc("POST /key", func(w http.ResponseWriter, r *http.Request) {
		p.line.turnKey("panel")
		p.back(w, r)
	})
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, r *http.Request) {
		p.line.stop("panel")
		p.back(w, r)
	})
	return guarded(http.NewCrossOriginProtection().Handler(mux))
}

func (p *panel) stop() {
	if p.server != nil {
		_ = p.server.Close()
	}
	p.done.Wait()
}

// guarded answers to loopback names only, so that no page of the network can
// pass itself off as this one by its name.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if a, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !a.IsLoopback()) {
			http.Error(w, "the panel is on this computer only", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
		next.ServeHTTP(w, r)
	})
}

func (p *panel) page(w http.ResponseWriter, _ *http.Request) {
	var out strings.Builder
	if err := panelPage.Execute(&out, map[string]any{"S": p.state(), "Pages": p.pages, "Recipe": recipeVolume}); err != nil {
		http.Error(w, "the panel cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(out.String())) // the browser may be gone
}

func (p *panel) answer(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p.state()) // likewise
}

// back is the end of a button: a page for browsers, the state for programs.
func (p *panel) back(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	p.answer(w, http.StatusOK)
}

func (p *panel) start(w http.ResponseWriter, r *http.Request) {
	if err := p.line.start("panel"); err != nil && !strings.Contains(r.Header.Get("Accept"), "text/html") {
		p.answer(w, http.StatusConflict)
		return
	}
	p.back(w, r)
}

// fault stops the filler; then Ann asks, with her own key and ssh.
func (p *panel) fault(w http.ResponseWriter, r *http.Request) {
	if err := p.line.fault(); errors.Is(err, errStands) {
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			p.back(w, r)
			return
		}
		p.answer(w, http.StatusConflict)
		return
	}
	p.mu.Lock()
	p.request, p.why, p.asking = "", "", true
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 30*time.Second) // the story goes on without this browser
	defer cancel()
	request, err := p.ask(ctx)
	p.mu.Lock()
	p.request, p.asking = request, false
	if err != nil {
		p.why = "see the demo's terminal"
	}
	p.mu.Unlock()
	if err != nil {
		p.told("The filler stands, but Ann could not ask: " + err.Error())
	} else {
		p.told(fmt.Sprintf("%s  The filler stands, alarm F-417. Ann has asked to come in: %s.\n       penstock answer %s yes --as olaf    or on the pages, as olaf", time.Now().Format("15:04"), request, request))
	}
	p.back(w, r)
}
