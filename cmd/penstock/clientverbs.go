package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"penstock/broker/api"
	"penstock/policy"
)

// caller is what every verb that goes through the running broker shares: which
// broker, who speaks, and how the answer is shown.
type caller struct {
	socket string
	as     string
	json   bool
	keep   string         // file for the receipt
	zone   *time.Location // the plant's, once signed in
}

// flags gives cmd the flags of a caller.
func (c *caller) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.socket, "socket", os.Getenv("PENSTOCK_SOCKET"), "private socket of the running broker ($PENSTOCK_SOCKET)")
	f.StringVar(&c.as, "as", os.Getenv("PENSTOCK_AS"), "person who speaks ($PENSTOCK_AS); password and code are asked for on the terminal")
	f.BoolVar(&c.json, "json", false, "answer as JSON")
}

// proof says what a verb asks its person for: giving access needs a code,
// looking and taking never do.
type proof bool

const (
	withCode    proof = true
	withoutCode proof = false
)

// signIn asks for password and code on the terminal. Root on this machine is
// nobody: without them the broker answers nothing.
func (c *caller) signIn(ctx context.Context, p proof) (*api.Client, error) {
	if c.socket == "" {
		return nil, usage("say which broker: --socket DATA/penstock.sock, or set PENSTOCK_SOCKET")
	}
	if c.as == "" {
		return nil, usage("say who you are: --as PERSON, or set PENSTOCK_AS")
	}
	client := api.Unix(c.socket)
	var a api.Authorities
	if err := client.Get(ctx, "/authorities", &a); err != nil { // before anybody types a secret
		return nil, apiError(err)
	}
	var err error
	if c.zone, err = time.LoadLocation(a.TimeZone); err != nil {
		return nil, fmt.Errorf("the plant's time zone: %w", err)
	}
	in := api.SignIn{Person: c.as}
	if in.Password, err = askSecret("Password for " + c.as + ": "); err != nil {
		return nil, err
	}
	if p == withCode {
		if in.Code, err = askSecret("Code for " + c.as + ": "); err != nil {
			return nil, err
		}
	}
	if _, err := client.SignIn(ctx, in); err != nil {
		return nil, apiError(err)
	}
	return client, nil
}

// askSecret reads a line from the terminal without showing it. Never from
// standard input that is no terminal: a secret in a pipe is a secret in a file.
func askSecret(prompt string) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", errNoTerminal
	}
	defer tty.Close()
	// Echo goes off before the prompt: a fast typist is not shown either.
	shown, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		return "", errNoTerminal
	}
	hidden := *shown
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, &hidden); err != nil {
		return "", fmt.Errorf("hide what is typed: %w", err)
	}
	defer func() { _ = unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, shown) }() // the terminal may be gone
	if _, err := fmt.Fprint(tty, prompt); err != nil {
		return "", fmt.Errorf("ask on the terminal: %w", err)
	}
	b, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(tty)
	if err != nil {
		return "", fmt.Errorf("read from the terminal: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// apiError gives an error of the API its exit code.
func apiError(err error) error {
	if errors.Is(err, api.ErrNoReach) {
		return exit{exitNoReach, fmt.Errorf("%w; is penstock serve running on this socket?", err)}
	}
	if p, ok := errors.AsType[*api.Problem](err); ok {
		switch p.Status {
		case http.StatusForbidden, http.StatusUnauthorized, http.StatusConflict, http.StatusNotFound:
			return exit{exitNo, err}
		case http.StatusBadRequest:
			return exit{exitUsage, err}
		}
	}
	return err
}

// show prints v as JSON where asked for, else text makes the lines for people.
func (c *caller) show(cmd *cobra.Command, v any, text func(*tabwriter.Writer)) error {
	out := cmd.OutOrStdout()
	if c.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	text(w)
	return w.Flush()
}

// local shows a time as the plant does, with its zone.
func local(t time.Time, l *time.Location) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(l).Format("Mon 2 Jan 15:04 MST")
}

// parseTime reads 15:04 (today, or tomorrow if that is past), 2006-01-02 15:04,
// both in the plant's zone, +90m, or RFC 3339.
func parseTime(s string, now time.Time, l *time.Location) (time.Time, error) {
	if after, ok := strings.CutPrefix(s, "+"); ok {
		d, err := time.ParseDuration(after)
		if days, is := strings.CutSuffix(after, "d"); is {
			n, bad := strconv.ParseUint(days, 10, 16)
			d, err = time.Duration(n)*24*time.Hour, bad
		}
		if err != nil || d <= 0 {
			return time.Time{}, usage("%q is no time: say +90m, +90d, 05:10, 2026-11-22 05:10 or RFC 3339", s)
		}
		return now.Add(d), nil
	}
	if t, err := time.ParseInLocation("15:04", s, l); err == nil {
		n := now.In(l)
		at, err := policy.OnClock(n.Year(), n.Month(), n.Day(), t.Hour(), t.Minute(), l)
		if err == nil && at.Before(now) {
			n = n.AddDate(0, 0, 1)
			at, err = policy.OnClock(n.Year(), n.Month(), n.Day(), t.Hour(), t.Minute(), l)
		}
		return at, skipped(err)
	}
	t, err := policy.ParseClock("2006-01-02 15:04", s, l)
	if no := skipped(err); err == nil || no != nil {
		return t, no
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Time{}, usage("%q is no time: say +90m, 05:10, 2026-11-22 05:10 or RFC 3339", s)
}

// timeForm is parseTime for whether it is a time at all: before anybody spends a
// code on it, and before the plant's clock is known.
func timeForm(s string) error {
	if s == "" {
		return nil
	}
	_, err := parseTime(s, time.Now(), time.UTC)
	return err
}

// skipped is a time that the plant's clock leaps over, as a usage error.
func skipped(err error) error {
	if no, ok := errors.AsType[*policy.Refusal](err); ok {
		return usage("%s", no.Say)
	}
	return nil
}

func targetWords(list []api.Target) string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = t.Asset
		if t.Account != "" {
			out[i] = t.Account + "@" + t.Asset
		}
		if t.Port != "ssh" && t.Port != "" {
			out[i] += " by " + t.Port
		}
	}
	return strings.Join(out, ", ")
}

// doing is flags for a verb that leaves a trace: the broker signs a receipt of it.
func (c *caller) doing(cmd *cobra.Command) {
	c.flags(cmd)
	cmd.Flags().StringVar(&c.keep, "receipt", "", "file for the broker's receipt of what you did (penstock-verify --receipt); it must not be there yet")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { // a code is good once: a slip of the finger is not to cost one
		for _, name := range []string{"until", "not-before"} {
			if f := cmd.Flags().Lookup(name); f != nil {
				if err := timeForm(f.Value.String()); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// does signs in, sends what body gives to path, shows the answer, and keeps the
// receipt. body is asked after the sign-in: times are in the plant's zone.
func does[T any](c *caller, cmd *cobra.Command, need proof, path string, body func() (any, error), text func(*tabwriter.Writer, T)) error {
	client, err := c.signIn(cmd.Context(), need)
	if err != nil {
		return err
	}
	send, err := body()
	if err != nil {
		return err
	}
	return sends(c, cmd, client, path, send, text)
}

// itself is the body of a verb whose flags say all of it.
func itself[T any](v *T) func() (any, error) { return func() (any, error) { return *v, nil } }

// sends is does for who is signed in already.
func sends[T any](c *caller, cmd *cobra.Command, client *api.Client, path string, send any, text func(*tabwriter.Writer, T)) error {
	var made T
	if err := client.Post(cmd.Context(), path, send, &made); err != nil {
		return apiError(err)
	}
	if err := c.show(cmd, made, func(w *tabwriter.Writer) { text(w, made) }); err != nil {
		return err
	}
	receipted, ok := any(made).(interface{ Given() string })
	if !ok || c.keep == "" {
		return nil
	}
	if receipted.Given() == "" {
		return errors.New("it is done, but the broker gave no receipt of it; its log says why. Ask again: penstock receipt INDEX")
	}
	if err := keepReceipt(c.keep, receipted.Given()); err != nil {
		return fmt.Errorf("it is done, but the receipt was not saved: %w; ask again: penstock receipt INDEX", err)
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "Receipt saved: "+c.keep)
	return nil
}

// listCommand is a verb that shows a list, a line or more each: what path
// answers, or the sentence empty where there is nothing.
func listCommand[T any](use, short, path, empty string, line func(*tabwriter.Writer, T, *time.Location)) *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: use, Short: short, Args: exactly(0, "nothing more"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var list []T
			if err := client.Get(cmd.Context(), path, &list); err != nil {
				return apiError(err)
			}
			return c.show(cmd, list, func(w *tabwriter.Writer) {
				if len(list) == 0 {
					fmt.Fprintln(w, empty)
				}
				for _, v := range list {
					line(w, v, c.zone)
				}
			})
		}}
	c.flags(cmd)
	return cmd
}
