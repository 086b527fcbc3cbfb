// Package demo is the cast and the scenery of a walk through Penstock: people
// at terminals who answer what they are asked, and a small plant with machines of
// its own, a panel and a fault button. Stories and the demo use it; it knows
// nothing of Penstock's rooms and speaks to the broker only as people do.
package demo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

// Person is one of the cast: somebody at a terminal of their own who
// answers what they are asked, and remembers the secret that they were shown once.
type Person struct {
	Name     string
	Home     string
	Password string

	Waits func()           // called before waiting for a fresh code; may be nil
	Now   func() time.Time // what the code generator goes by; nil: the machine's clock

	mu         sync.Mutex
	Secret     string   // of the code generator, once it was shown
	spent      int64    // newest step that was given
	given      []string // codes that were typed, for hiding them
	Invitation string   // code that this person was given
}

// Move is the same person with another home; codes that were given stay spent.
func (p *Person) Move(home string) *Person {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &Person{Name: p.Name, Home: home, Password: p.Password, Secret: p.Secret, spent: p.spent}
}

// Said is what a command left behind.
type Said struct {
	Stdout, Stderr, TTY string
	Code                int
}

// A question ends with a colon and a space, so that half of a sentence that
// ends in "code:" is not taken for one.
var (
	asksInvitation = regexp.MustCompile(`(?i)invitation[^\n]*: $`)
	asksPassword   = regexp.MustCompile(`(?i)(password|once more)[^\n]*: $`)
	asksCode       = regexp.MustCompile(`(?i)code[^\n]*: $`)
	showsSecret    = regexp.MustCompile(`secret=([A-Z2-7]{16,})`)
	// ShowsCode finds an invitation's code where one is printed.
	ShowsCode = regexp.MustCompile(`(?m)^\s+([0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})\s*$`)
)

// Start is one command of a person.
type Start struct {
	Dir, Stdin string
	Env        []string
	Args       []string
	OnTTY      bool          // standard input and output are the terminal too
	Types      []Turn        // what is typed there, each after what is waited for
	Limit      time.Duration // how long it may take; 0 is 3 min, of which a code may take half a one
	Began      func(*exec.Cmd)
	Shows      func(all string) // called with all that the terminal has shown, each time there is more; may be nil
}

// Turn is one exchange on a terminal.
type Turn struct{ After, Typed string }

// Talk runs a command with a controlling terminal and answers its questions.
func (p *Person) Talk(ctx context.Context, s Start) (Said, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.Limit, 3*time.Minute))
	defer cancel()
	ptmx, tty, err := pty.Open()
	if err != nil {
		return Said{}, fmt.Errorf("open a terminal: %w", err)
	}
	defer ptmx.Close()
	if err := pty.Setsize(ptmx, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		return Said{}, fmt.Errorf("size the terminal: %w", err)
	}
	cmd := exec.CommandContext(ctx, s.Args[0], s.Args[1:]...)
	cmd.Dir, cmd.Env = s.Dir, s.Env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Stdin = strings.NewReader(s.Stdin)
	if s.OnTTY {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	}
	cmd.ExtraFiles = []*os.File{tty}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		tty.Close()
		return Said{}, fmt.Errorf("start %s: %w", s.Args[0], err)
	}
	if s.Began != nil {
		s.Began(cmd)
	}
	shown := make(chan string, 1)
	answers := make(chan error, 1)
	go func() {
		text, err := p.answer(ctx, ptmx, s)
		shown <- text
		answers <- err
	}()
	err = cmd.Wait()
	tty.Close() // not before: ssh closes what it inherits, and a terminal that nobody holds is gone
	text := <-shown
	if e := <-answers; e != nil {
		return Said{}, e
	}
	out := Said{Stdout: stdout.String(), Stderr: stderr.String(), TTY: text, Code: cmd.ProcessState.ExitCode()}
	p.remember(out.Stdout + "\n" + out.TTY)
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return out, fmt.Errorf("%s: %w", strings.Join(s.Args, " "), err)
	}
	return out, nil
}

// answer reads the terminal until the command has gone, typing what is asked.
func (p *Person) answer(ctx context.Context, ptmx io.ReadWriter, s Start) (string, error) {
	types := s.Types
	var all, line strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := ptmx.Read(buf)
		all.Write(buf[:n])
		line.Write(buf[:n])
		if err != nil {
			return all.String(), nil // EIO: the other side has closed
		}
		p.remember(all.String())
		if s.Shows != nil {
			s.Shows(all.String())
		}
		if len(types) > 0 && strings.Contains(line.String(), types[0].After) {
			if _, err := io.WriteString(ptmx, types[0].Typed); err != nil {
				return all.String(), fmt.Errorf("type on the terminal: %w", err)
			}
			types = types[1:]
			line.Reset()
			continue
		}
		reply, asked, err := p.reply(ctx, line.String())
		if err != nil {
			return all.String(), err
		}
		if asked {
			if _, err := io.WriteString(ptmx, reply+"\n"); err != nil {
				return all.String(), fmt.Errorf("type on the terminal: %w", err)
			}
			line.Reset()
		}
	}
}

func (p *Person) reply(ctx context.Context, shown string) (string, bool, error) {
	switch {
	case asksInvitation.MatchString(shown):
		return p.Invitation, true, nil
	case asksPassword.MatchString(shown):
		return p.Password, true, nil
	case asksCode.MatchString(shown):
		code, err := p.Code(ctx)
		return code, true, err
	}
	return "", false, nil
}

func (p *Person) remember(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := showsSecret.FindStringSubmatch(text); m != nil {
		p.Secret = m[1]
	}
}

// codeMargin is how long a code must still count when it is given: a busy
// machine takes its time over the password before it.
const codeMargin = 12 * time.Second

// Code is the oldest code that still counts and was not given yet. Where all of
// them were, it waits for the next step, as a person would. The broker takes one
// step to either side of its own (RFC 6238, 5.2); a code that counts no
// longer than codeMargin is passed over, since it may be late when it arrives.
func (p *Person) Code(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	step, err := p.rest(ctx)
	if err != nil {
		return "", err
	}
	code, err := totp.GenerateCodeCustom(p.Secret, time.Unix(step*30, 0), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return "", fmt.Errorf("code of %s: %w", p.Name, err)
	}
	p.spent = step
	p.given = append(p.given, code)
	return code, nil
}

// Rest waits until there is a code that can be given at once. Who has little
// time for what comes next does it before.
func (p *Person) Rest(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.rest(ctx)
	return err
}

// rest waits for the next step that can be given. The mutex is held: nobody else is this person.
func (p *Person) rest(ctx context.Context) (step int64, err error) {
	if p.Secret == "" {
		return 0, fmt.Errorf("%s has no code generator yet", p.Name)
	}
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	step = max(p.spent+1, now().Add(codeMargin).Unix()/30-1)
	begin := time.Unix((step-1)*30, 0)
	if !begin.After(now()) {
		return step, nil
	}
	if p.Waits != nil {
		p.Waits()
	}
	select {
	case <-time.After(begin.Sub(now())):
		return step, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// secrets are what nobody else should read of what this person typed or saw.
func (p *Person) secrets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{p.Password, p.Secret, p.Invitation}, p.given...)
}
