package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// step is one command line of one of the cast, and what must come of it.
type step struct {
	say   string // why, in a sentence
	who   string
	line  string         // for a shell, in the demo's folder, with env read
	types []Turn         // what is typed into what runs
	shows func(string)   // see Start
	most  int            // show at most so many lines; 0 is all
	code  int            // the exit code that it must have
	want  *regexp.Regexp // what must be shown
}

// outcome is what a step's terminal showed.
type outcome struct {
	raw  string
	text string // without escapes and secrets
	code int
}

// does runs a step and tells it, unless the demo is quiet. Anything but what was
// expected is an error.
func (d *show) does(ctx context.Context, s step) (outcome, error) {
	d.tell(s)
	out, err := d.run(ctx, s)
	if err != nil {
		return out, err
	}
	return out, d.judge(ctx, s, out)
}

func (d *show) tell(s step) {
	if d.quiet {
		return
	}
	if s.say != "" {
		d.screen.say(s.say)
	}
	d.screen.prompt(s.who, s.line)
}

// run lets the step's person type its line at a terminal of their own.
func (d *show) run(ctx context.Context, s step) (outcome, error) {
	p := d.players[s.who]
	p.Waits = func() {
		if !d.quiet {
			d.screen.line("    " + d.screen.paint(dim, waitsForCode))
		}
	}
	before := p.knows()
	said, err := p.Talk(ctx, Start{Dir: string(d.folder), Env: d.environment(p), OnTTY: true,
		Args:  []string{"/bin/sh", "-c", "exec " + s.line}, // nothing stands between the person and the command
		Types: s.types, Shows: s.shows, Limit: 3 * time.Minute})
	if e := d.folder.keep(p, before); err == nil {
		err = e
	}
	if ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	if err != nil {
		return outcome{}, fmt.Errorf("%s: %w", s.who, err)
	}
	return outcome{raw: said.TTY, text: clean(said.TTY, p.secrets()), code: said.Code}, nil
}

// judge shows what came back and says whether it is what was expected.
func (d *show) judge(ctx context.Context, s step, out outcome) error {
	if !d.quiet {
		d.screen.output(out.text, s.most)
		if out.code != 0 {
			d.screen.line("    " + d.screen.paint(dim, fmt.Sprintf("(exit code %d)", out.code)))
		}
	}
	var wrong string
	switch {
	case out.code != s.code:
		wrong = fmt.Sprintf("it ended with exit code %d, and should have with %d", out.code, s.code)
	case s.want != nil && !s.want.MatchString(out.text):
		wrong = fmt.Sprintf("it should have shown %q", s.want)
	}
	if wrong != "" {
		shown := "" // stands on the screen
		if d.quiet {
			shown = "\n" + s.who + "$ " + s.line + "\n" + out.text
		}
		return fmt.Errorf("not what was expected: %s%s\nThe broker's own log is %s. If this folder was left half made, start afresh: rm -r %s",
			wrong, shown, d.folder.at("penstock.log"), d.o.Dir)
	}
	if !d.quiet {
		d.screen.pause(ctx, len(s.say)+len(out.text))
	}
	return nil
}

// environment is what a person's commands see: their home, the demo's socket,
// and nothing of whoever runs the demo but the language.
func (d *show) environment(p *player) []string {
	path := os.Getenv("PATH")
	return []string{"HOME=" + p.Home, "USER=" + p.Name, "LOGNAME=" + p.Name, "TERM=xterm", "LANG=" + os.Getenv("LANG"),
		"PATH=" + filepath.Dir(d.o.Self) + ":" + filepath.Dir(d.o.Verify) + ":" + path, "PENSTOCK_SOCKET=" + d.folder.socket(), "PENSTOCK_DEMO=" + string(d.folder)}
}

// asks is the start of every ssh line of a person, ends with a space.
func asks(name string) string { return "ssh -F " + configOf(name) + " " }

// onTerminal is the same where the other side asks for a terminal.
func onTerminal(name string) string { return "ssh -t -F " + configOf(name) + " " }

// configOf is sshFiles as it is typed in the demo's folder.
func configOf(name string) string {
	if name == "ann" {
		return "ssh_config"
	}
	return "people/" + name + "/.ssh/config"
}

// shell is a line's argument that reaches a desk verb as one word.
func shell(text string) string { return `"'` + strings.ReplaceAll(text, `'`, "") + `'"` }
