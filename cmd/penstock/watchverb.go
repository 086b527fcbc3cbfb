package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"penstock/audit/recording"
	"penstock/broker/api"
)

func watchCommand() *cobra.Command {
	var c caller
	var channel int
	cmd := &cobra.Command{Use: "watch S-1", Short: "Look on while somebody works, from the first byte on",
		Long: `Look on while somebody works: what their terminal was shown, from the first byte
on, and then as it comes. What they type is never shown. They read that you
watch, and the log has it. Ctrl-C leaves. Of a channel that shows nothing to read
(files, a forward) it tells how much passes; where Penstock reads along in a
forward, each operation.

What could do more to your terminal than draw (titles, clipboard, questions,
key modes) is left out. --json gives a line for each thing that happens, with the
output's bytes as they were.`,
		Args: exactly(1, "a session, such as S-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			return c.watch(cmd, client, args[0], channel)
		}}
	c.flags(cmd)
	cmd.Flags().IntVar(&channel, "channel", -1, "channel of the session; without it the first that shows something")
	return cmd
}

func (c *caller) watch(cmd *cobra.Command, client *api.Client, session string, channel int) error {
	ctx := cmd.Context()
	s, ch, err := watchable(ctx, client, session, channel)
	if err != nil {
		return err
	}
	screen := &onlookerScreen{out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), json: c.json}
	if !c.json {
		fmt.Fprintf(screen.err, "%s: %s of %s, channel %d: %s on %s. They read that you watch. Ctrl-C leaves.\n",
			s.ID, s.Person, s.Firm, ch.Number, ch.Kind, targetWords([]api.Target{ch.Target}))
	}
	defer screen.restore()
	for l, err := range client.Watch(ctx, s.ID, ch.Number) {
		if ctx.Err() != nil {
			return nil // Ctrl-C leaves
		}
		if err != nil {
			return apiError(err)
		}
		if err := screen.line(l); err != nil {
			return err
		}
	}
	return nil
}

// watchable finds the session, and the channel if none was named.
func watchable(ctx context.Context, client *api.Client, session string, channel int) (s api.Session, ch api.Channel, err error) {
	var all []api.Session
	if err := client.Get(ctx, "/sessions", &all); err != nil {
		return s, ch, apiError(err)
	}
	for _, one := range all {
		if one.ID != session {
			continue
		}
		for i, c := range one.Channels {
			legible := c.Kind == "shell" || c.Kind == "exec"
			if c.Number == channel || channel < 0 && (legible || i == len(one.Channels)-1) {
				return one, c, nil
			}
		}
		return s, ch, exit{exitNo, fmt.Errorf("%s has no such channel open now; see penstock sessions", session)}
	}
	return s, ch, exit{exitNo, fmt.Errorf("%s is not in now; see penstock sessions, and penstock recording list for what is over", printable(session))}
}

// onlookerScreen is the terminal of whoever looks on.
type onlookerScreen struct {
	out, err io.Writer
	json     bool
	tame     recording.DrawOnly
	drew     bool
	in, to   int64 // as told last
}

func (s *onlookerScreen) line(l api.WatchLine) error {
	if s.json {
		if err := json.NewEncoder(s.out).Encode(l); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	switch {
	case l.Mark == "out":
		s.restore()
		return exit{exitNo, errors.New(l.Text)}
	case s.json:
	case l.Mark == "o":
		s.drew = true
		if _, err := s.out.Write(s.tame.Filter(l.Data)); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	case l.Mark == "r":
		s.size(l.Cols, l.Rows)
	case l.Mark == "s":
		fmt.Fprintln(s.err, l.Text)
	case l.Mark == "d":
		if _, err := fmt.Fprintln(s.out, printable(l.Text)); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	case l.Mark == "p" && (l.In != s.in || l.Out != s.to):
		s.in, s.to = l.In, l.Out
		fmt.Fprintf(s.out, "to the machine %d bytes, to them %d bytes\n", l.In, l.Out)
	case l.Mark == "end":
		s.restore()
		fmt.Fprintln(s.err, l.Text)
	}
	return nil
}

// size says so where theirs does not fit into the watcher's own.
func (s *onlookerScreen) size(cols, rows int) {
	f, ok := s.out.(*os.File)
	if !ok {
		return
	}
	if w, h, err := term.GetSize(int(f.Fd())); err == nil && (w < cols || h < rows) {
		fmt.Fprintf(s.err, "Their terminal is %dx%d, yours is %dx%d: make it larger, or it will not look right.\n", cols, rows, w, h)
	}
}

// restore leaves the watcher's terminal in order.
func (s *onlookerScreen) restore() {
	if s.drew {
		s.drew = false
		_, _ = io.WriteString(s.out, recording.DrawRestore+"\n") // the terminal may be gone
	}
}
