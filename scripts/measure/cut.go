package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sync/errgroup"
)

const (
	cutSessions  = 500                    // as many as one broker holds
	cutCrowd     = 63                     // people; each may have eight sessions
	cutEntering  = 24                     // handshakes under way, below the broker's 64
	cutEnrolling = 4                      // ssh beside one another: they share the processors with the broker
	cutGoal      = 250                    // ms, p99
	cutTick      = 50 * time.Millisecond  // between two writes of one stream's side
	cutWarm      = 3 * time.Second        // of streaming before a click, at least
	cutStarts    = 20 * time.Second       // until all of them flow at once
	cutFresh     = 500 * time.Millisecond // a stream that brought nothing for so long before the click has stalled
	cutAtMost    = 10 * time.Second       // until every stream has ended
	cutTries     = 4                      // to have all of them flow at once
	cutRests     = time.Minute            // until the broker has let all of a try go
)

// cut is how long bytes still pass after somebody of the plant has clicked: 500
// sessions, each on a connection of its own, with a stream in both directions. The
// first click cuts the window of their commands over ssh; the connections stay,
// since a second window holds for them. In that one each opens a TCP forward, and
// the second click makes the plant an island. Both ends of every stream are here,
// so one clock times them; a side writes every 50 ms, so "last byte" may come out as
// much too early, and "closed" is the bound that it may not. The island stays: this is the last part.
func cut(ctx context.Context, p *plant, _ int) ([]line, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	shift, err := p.crowd(ctx)
	if err != nil {
		return nil, err
	}
	commands, forwards := &meters{}, &meters{}
	end, err := p.ends(ctx, commands, forwards)
	if err != nil {
		return nil, err
	}
	defer end()
	var clients []*ssh.Client
	defer func() { leaveAll(clients) }()
	window, err := p.click(ctx, shift, &clients, commands, runs, func() error {
		return shift.post(ctx, "/windows/W-2/cut", map[string]any{"why": "measured"}, nil)
	})
	if err != nil {
		return nil, fmt.Errorf("cut a window: %w", err)
	}
	island, err := p.click(ctx, shift, &clients, forwards, dials(p.cutPort), func() error {
		return shift.post(ctx, "/island", map[string]any{"why": "measured"}, nil)
	})
	if err != nil {
		return nil, fmt.Errorf("make the plant an island: %w", err)
	}
	synced, err := disk(ctx, p, 1)
	if err != nil {
		return nil, err
	}
	synced[0].What = "  fdatasync p50 beside it"
	return append(append(cutLines("window cut", window), cutLines("island", island)...), synced...), nil
}

// cutLines are one click's: the goal is on p99 of what arrived after it.
func cutLines(what string, l lasts) []line {
	one := func(name string, values []float64, q float64, g *goal) line {
		return line{What: name, Unit: "ms", Value: map[string]float64{penstock: quantile(values, q)}, Goal: g}.judged()
	}
	most := &goal{Of: plain, Limit: cutGoal}
	return []line{
		one(fmt.Sprintf("%s, %d sessions: last byte at the target, p50", what, len(l.target)), l.target, 0.5, nil),
		one("  p99", l.target, 0.99, most),
		one("  last byte at the vendor, p50", l.vendor, 0.5, nil),
		one("  p99", l.vendor, 0.99, most),
		one("  stream closed at both, p99", l.closed, 0.99, nil),
	}
}

// lasts are how long after the click, ms, the last byte came to each end of each
// stream, and until each end was closed.
type lasts struct{ target, vendor, closed []float64 }

// opener begins one stream of a connection, the vendor's end of which it gives.
type opener func(*ssh.Client) (end, error)

// click has a stream flow in each connection, takes what click takes, and waits
// until every stream has ended at both ends. A machine that is busy with other
// things may be too slow for 500 recordings at once, which ends sessions: all of
// them come anew then. What is tried again is only what comes before the click:
// nothing that was measured is left out.
func (p *plant) click(ctx context.Context, shift caller, clients *[]*ssh.Client, target *meters, opens opener, takes func() error) (lasts, error) {
	var vendor *meters
	for try := 1; ; try++ {
		var err error
		if *clients == nil {
			*clients, err = p.enterAll(ctx)
		}
		if err == nil {
			vendor, err = streamAll(ctx, *clients, target, opens)
		}
		if err == nil {
			break
		}
		if try == cutTries || ctx.Err() != nil {
			return lasts{}, fmt.Errorf("after %d tries: %w", try, err)
		}
		p.tell(fmt.Sprintf("not all of them flow (%v): trying again", err))
		leaveAll(*clients)
		*clients = nil
		if err := empty(ctx, shift, target); err != nil {
			return lasts{}, err
		}
	}
	clicked := time.Now()
	if err := takes(); err != nil {
		return lasts{}, err
	}
	var l lasts
	for side, to := range map[*meters]*[]float64{target: &l.target, vendor: &l.vendor} {
		last, closed, err := side.after(ctx, clicked)
		if err != nil {
			return lasts{}, err
		}
		*to = last
		l.closed = append(l.closed, closed...)
	}
	return l, nil
}

func leaveAll(clients []*ssh.Client) {
	for _, c := range clients {
		_ = c.Close() // the broker may have
	}
}

// empty returns once nobody is in any more, and forgets the streams there were.
func empty(ctx context.Context, shift caller, target *meters) error {
	for end := time.Now().Add(cutRests); ; {
		var in []struct{ ID string }
		if err := shift.call(ctx, http.MethodGet, "/sessions", nil, &in); err != nil {
			return err
		}
		if len(in) == 0 {
			return target.forget(ctx)
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d sessions are still there %v after their people have left", len(in), cutRests)
		}
		if err := pause(ctx, 10*cutTick); err != nil {
			return err
		}
	}
}

// streamAll opens a stream in each connection, and lets all of them run a while.
func streamAll(ctx context.Context, clients []*ssh.Client, target *meters, opens opener) (*meters, error) {
	vendor := &meters{}
	var streams errgroup.Group
	streams.SetLimit(cutEntering)
	for _, c := range clients {
		streams.Go(func() error {
			e, err := opens(c)
			if err != nil {
				return err
			}
			vendor.add(e)
			return nil
		})
	}
	if err := streams.Wait(); err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	return vendor, warm(ctx, len(clients), map[string]*meters{"target": target, "vendor": vendor})
}

// warm returns once so many streams flow at each side and have for a while.
func warm(ctx context.Context, streams int, sides map[string]*meters) error {
	flow := func() error {
		for _, name := range []string{"vendor", "target"} { // who knows more first
			if err := sides[name].flowing(streams, time.Now()); err != nil {
				return fmt.Errorf("at the %s: %w", name, err)
			}
		}
		return nil
	}
	for begun := time.Now(); ; {
		err := flow()
		if err == nil && time.Since(begun) >= cutWarm {
			return nil
		}
		if errors.Is(err, errEnded) || err != nil && time.Since(begun) > cutStarts {
			return err
		}
		if err := pause(ctx, 2*cutTick); err != nil {
			return err
		}
	}
}

// runs is a command over ssh.
func runs(c *ssh.Client) (end, error) {
	s, err := c.NewSession()
	if err != nil {
		return end{}, fmt.Errorf("open a session: %w", err)
	}
	in, err := s.StdinPipe()
	if err != nil {
		return end{}, fmt.Errorf("open a session: %w", err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		return end{}, fmt.Errorf("open a session: %w", err)
	}
	said, err := s.StderrPipe() // what the broker says
	if err != nil {
		return end{}, fmt.Errorf("open a session: %w", err)
	}
	if err := s.Start("stream"); err != nil {
		return end{}, fmt.Errorf("start a command: %w", err)
	}
	return end{from: out, to: in, said: sync.OnceValue(func() string {
		text, _ := io.ReadAll(io.LimitReader(said, 4096)) // the end of the channel is its end
		return string(text)
	})}, nil
}

// dials is a TCP forward.
func dials(port int) opener {
	return func(c *ssh.Client) (end, error) {
		s, err := c.Dial("tcp", fmt.Sprintf("cut-plc:%d", port))
		if err != nil {
			return end{}, fmt.Errorf("open a forward: %w", err)
		}
		return end{from: s, to: s}, nil
	}
}

// crowd makes the people known, opens a window for each kind of stream, and
// certifies everybody for both. It gives whoever can end them.
func (p *plant) crowd(ctx context.Context) (shift caller, err error) {
	var names []string
	for i := range cutCrowd {
		name := fmt.Sprintf("v%02d", i+1)
		names = append(names, name)
		p.join(name, fmt.Sprintf("127.0.0.%d", 20+i))
	}
	each := func(do func(context.Context, string) error) error {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(cutEnrolling)
		for _, name := range names {
			g.Go(func() error { return do(ctx, name) })
		}
		return g.Wait()
	}
	var signing errgroup.Group // a fresh code of hers may take 30 s
	signing.Go(func() (err error) {
		shift, err = p.signIn(ctx, "mia")
		return err
	})
	if p.served > 1 { // nobody is signed in at a broker that was started again
		if p.jan, err = p.signIn(ctx, "jan"); err != nil {
			return shift, cmp.Or(err, signing.Wait())
		}
	}
	err = each(p.enrol)
	if err = cmp.Or(signing.Wait(), err); err != nil {
		return shift, err
	}
	for i, target := range []string{"maint@cut-plc", "cut-plc:https"} {
		line := p.asks(names[0]) + "desk@" + p.demo.Broker.Name + " request --people " + strings.Join(names, ",") + " --target " + target + " --rights look --minutes 60 --why Bench"
		if err := p.types(ctx, names[0], line); err != nil {
			return shift, err
		}
		if err := opens(ctx, shift, fmt.Sprintf("R-%d", i+2), fmt.Sprintf("W-%d", i+2)); err != nil {
			return shift, err
		}
	}
	return shift, each(func(ctx context.Context, name string) error {
		return p.types(ctx, name, p.asks(name)+"cert@"+p.demo.Broker.Name+" > "+p.certificate(name))
	})
}

// opens says yes to a request where that is still needed, and opens its window.
func opens(ctx context.Context, shift caller, request, window string) error {
	var r struct{ State, Document, Window string }
	if err := shift.call(ctx, http.MethodGet, "/requests/"+request, nil, &r); err != nil {
		return err
	}
	if r.State != "agreed" {
		if err := shift.post(ctx, "/requests/"+request+"/answer", map[string]any{"document": r.Document, "says": "yes"}, &r); err != nil {
			return err
		}
	}
	if r.Window != window {
		return fmt.Errorf("%s is %s, and its window is %q, not %s", request, r.State, r.Window, window)
	}
	return shift.post(ctx, "/windows/"+window+"/open", map[string]any{}, nil)
}

func (p *plant) certificate(who string) string {
	return filepath.Join(p.person(who).Home, ".ssh", "id_ed25519-cert.pub")
}

// enterAll opens the connections. What it gives has to be closed, also beside an error.
func (p *plant) enterAll(ctx context.Context) ([]*ssh.Client, error) {
	known, err := knownhosts.New(p.at("known_hosts"))
	if err != nil {
		return nil, fmt.Errorf("read whom vendors trust: %w", err)
	}
	var mu sync.Mutex
	var all []*ssh.Client
	var g errgroup.Group
	g.SetLimit(cutEntering)
	for i := range cutSessions {
		g.Go(func() error {
			c, err := p.enterOne(ctx, fmt.Sprintf("v%02d", i%cutCrowd+1), known)
			if err != nil {
				return fmt.Errorf("connection %d: %w", i+1, err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, c)
			return nil
		})
	}
	err = g.Wait()
	return all, err
}

func (p *plant) enterOne(ctx context.Context, who string, known ssh.HostKeyCallback) (*ssh.Client, error) {
	signer, err := p.certified(who)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(p.others[who].source)}, Timeout: operationAtMost}
	raw, err := d.DialContext(ctx, "tcp", p.demo.Broker.SSH)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	// NewClientConn has no deadline of its own.
	err = raw.SetDeadline(time.Now().Add(operationAtMost))
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	c, channels, requests, err := ssh.NewClientConn(raw, p.demo.Broker.Name+":22", &ssh.ClientConfig{User: who + "+maint+cut-plc",
		Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: known})
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("log in as %s: %w", who, err)
	}
	if err := raw.SetDeadline(time.Time{}); err != nil {
		c.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return ssh.NewClient(c, channels, requests), nil
}

// certified is somebody's key with today's certificate.
func (p *plant) certified(who string) (ssh.Signer, error) {
	key, err := os.ReadFile(filepath.Join(p.person(who).Home, ".ssh", "id_ed25519"))
	if err != nil {
		return nil, fmt.Errorf("read a key: %w", err)
	}
	text, err := os.ReadFile(p.certificate(who))
	if err != nil {
		return nil, fmt.Errorf("read a certificate: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("read a key: %w", err)
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, fmt.Errorf("read a certificate: %w", err)
	}
	cert, ok := public.(*ssh.Certificate)
	if !ok {
		return nil, errors.New("what cert@ gave is no certificate")
	}
	return ssh.NewCertSigner(cert, signer)
}
