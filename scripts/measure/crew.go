package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

// person is one of the demo's, or of Ann's colleagues, whom the demo does not know.
type person struct{ Name, Password, Home string }

// colleague is what a person of the bench's own has beside.
type colleague struct {
	source     string // address they come from: a firm's people need not share one
	invitation string
	secret     string // of the code generator, once it was shown
	spent      int64  // newest step of it that was given
}

// colleagueNames with Ann are eight, who between them may have 64 sessions open.
var colleagueNames = []string{"ben", "cora", "dirk", "edda", "finn", "gitta", "hugo"}

// crew is Ann and her colleagues.
func crew() []string { return append([]string{"ann"}, colleagueNames...) }

// colleagues become known the way that Ann did: invited, joined, confirmed, each
// with a generator. Jan signs in to the API once: each command of his would want
// a code of its own, and the next comes within 30 s.
func (p *plant) colleagues(ctx context.Context) error {
	var err error
	if p.jan, err = p.signIn(ctx, "jan"); err != nil {
		return err
	}
	p.others = map[string]*colleague{}
	for i, name := range colleagueNames {
		p.join(name, fmt.Sprintf("127.0.0.%d", 11+i))
		if err := p.enrol(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// join says that there is somebody, who comes from source and is not known yet.
func (p *plant) join(name, source string) {
	p.demo.People = append(p.demo.People, person{Name: name, Home: p.at("homes", name)})
	p.others[name] = &colleague{source: source}
}

// enrol makes somebody known. Several may be at it, each with a name of their own.
func (p *plant) enrol(ctx context.Context, name string) error {
	if err := p.colleague(ctx, p.jan, name, filepath.Join(p.person(name).Home, ".ssh", "id_ed25519")); err != nil {
		return fmt.Errorf("make %s known: %w", name, err)
	}
	return nil
}

func (p *plant) colleague(ctx context.Context, jan caller, name, key string) error {
	if err := os.MkdirAll(filepath.Dir(key), 0o700); err != nil {
		return fmt.Errorf("make a home: %w", err)
	}
	if err := makeKey(ctx, key, name); err != nil {
		return err
	}
	shown, err := exec.CommandContext(ctx, "ssh-keygen", "-lf", key+".pub").Output()
	if err != nil || len(strings.Fields(string(shown))) < 2 {
		return fmt.Errorf("ask for a key's fingerprint: %w: %s", err, shown)
	}
	var made struct{ Code string }
	if err := jan.post(ctx, "/people/invite", map[string]any{"person": name, "firm": "krall", "name": name + " Krall"}, &made); err != nil {
		return err
	}
	p.others[name].invitation = made.Code
	if err := p.types(ctx, name, p.asks(name)+"join@"+p.demo.Broker.Name); err != nil {
		return err
	}
	if err := jan.post(ctx, "/people/"+name+"/confirm", map[string]any{"key": strings.Fields(string(shown))[1]}, nil); err != nil {
		return err
	}
	return p.types(ctx, name, p.asks(name)+"-t desk@"+p.demo.Broker.Name+" totp")
}

// asks is the start of an ssh line that somebody types and answers.
func (p *plant) asks(who string) string {
	return strings.Join(p.ssh(who), " ") + " -o BatchMode=no "
}

// ssh is the same for a program.
func (p *plant) ssh(who string) []string {
	args := []string{"ssh", "-F", p.at("ssh_config")}
	if c := p.others[who]; c != nil {
		args = append(args, "-b", c.source)
	}
	return args
}

func makeKey(ctx context.Context, file, comment string) error {
	if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file).CombinedOutput(); err != nil {
		return fmt.Errorf("make a key: %w: %s", err, out)
	}
	return nil
}

var showsSecret = regexp.MustCompile(`secret=([A-Z2-7]{16,})`)

// code is one that somebody has not given yet.
func (p *plant) code(ctx context.Context, who, shown string) (string, error) {
	c := p.others[who]
	if c == nil {
		out, err := exec.CommandContext(ctx, p.binary, "demo", "code", who, "--dir", p.demo.Dir).Output()
		if err != nil {
			return "", fmt.Errorf("ask for a code of %s: %w", who, err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	if found := showsSecret.FindStringSubmatch(shown); found != nil {
		c.secret = found[1]
	}
	// The broker takes one step to either side (RFC 6238, 5.2), each once: the
	// step before this one is left alone, since it may be late.
	const seconds = 30
	c.spent = max(c.spent+1, time.Now().Unix()/seconds)
	if err := pause(ctx, time.Until(time.Unix((c.spent-1)*seconds, 0))); err != nil {
		return "", err
	}
	code, err := totp.GenerateCodeCustom(c.secret, time.Unix(c.spent*seconds, 0), totp.ValidateOpts{Period: seconds, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return "", fmt.Errorf("make a code of %s: %w", who, err)
	}
	return code, nil
}

// caller speaks to the broker's API as one person.
type caller struct {
	http  *http.Client
	token string
}

func (p *plant) signIn(ctx context.Context, who string) (caller, error) {
	c := caller{http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true, // the broker is measured later, without it
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", p.demo.Broker.Socket)
		}}}}
	code, err := p.code(ctx, who, "")
	if err != nil {
		return c, err
	}
	var got struct{ Token string }
	err = c.post(ctx, "/sign-in", map[string]any{"person": who, "password": p.person(who).Password, "code": code}, &got)
	c.token = got.Token
	return c, err
}

func (c caller) post(ctx context.Context, path string, body map[string]any, to any) error {
	return c.call(ctx, http.MethodPost, path, body, to)
}

// call reads the answer into to, unless that is nil.
func (c caller) call(ctx context.Context, method, path string, body map[string]any, to any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("write a call: %w", err)
	}
	ask, err := http.NewRequestWithContext(ctx, method, "http://penstock/api/v1"+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("write a call: %w", err)
	}
	ask.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		ask.Header.Set("Authorization", "Bearer "+c.token)
	}
	got, err := c.http.Do(ask)
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	defer got.Body.Close()
	text, err = io.ReadAll(io.LimitReader(got.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	if got.StatusCode >= 300 {
		return fmt.Errorf("call %s: %s: %s", path, got.Status, text)
	}
	if to == nil {
		return nil
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	return nil
}
