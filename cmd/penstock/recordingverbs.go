package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"penstock/audit/recording"
	"penstock/broker/api"
)

func recordingCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "recording", Short: "List, export and play recordings; each reading through the broker is an event"}
	cmd.AddCommand(recordingListCommand(), recordingExportCommand(), recordingVerifyCommand(), recordingPlayCommand(), recordingSearchCommand())
	cmd.AddCommand(reviewVerbs()...)
	return cmd
}

func recordingListCommand() *cobra.Command {
	return listCommand("list", "List recordings", "/recordings", "Nothing was recorded.",
		func(w *tabwriter.Writer, r api.Recording, l *time.Location) {
			fmt.Fprintf(w, "%s\t%s of %s\t%s\t%s\t%s\n", r.Session, r.Person, r.Firm, strings.Join(r.Windows, ", "), local(r.Started, l), r.Mode)
		})
}

// export is what the words of an export say.
type export struct {
	caller
	form, to, identity string
	channel            int
	input, unmasked    bool
}

func recordingExportCommand() *cobra.Command {
	var e export
	cmd := &cobra.Command{Use: "export [DIR] S-1", Short: "Export one channel of a recording",
		Long: `Export one channel of a recording: asciicast-v3 (the default), asciicast-v2, text, or
raw-in, raw-out and raw-err for the bytes of one direction. A TCP forward exports as
pcapng, both directions, which Wireshark dissects; where Penstock reads along in it,
operations is a CSV of what was done, old and new values with it. What the vendor typed is
left out of casts and texts unless --input is given, which the event says; lines
that the screen did not show, passwords among them, are then dots, unless
--unmasked is given. raw-in and pcapng hold it always. All of that is a right of
its own in the plant file (recordings: input).

With DIR, a data folder or a copy of one, and --identity, an age key, the recording
is read from there, without a broker; so an auditor opens a sealed one. That is no
event: nobody sees it.`,
		Args: sessionOrFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return e.offline(cmd, args[0], args[1])
			}
			if e.identity != "" {
				return usage("--identity reads a folder: penstock recording export DIR %s --identity FILE", args[0])
			}
			return e.ask(cmd, args[0])
		}}
	e.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&e.form, "form", "asciicast-v3", recording.FormNames)
	f.IntVar(&e.channel, "channel", 0, "channel of the session, from 0")
	f.BoolVar(&e.input, "input", false, "with what the vendor typed; dots where the screen did not show it")
	f.BoolVar(&e.unmasked, "unmasked", false, "with all that the vendor typed, passwords too")
	f.StringVarP(&e.to, "output", "o", "", "file to write; it is replaced only by a whole export")
	f.StringVar(&e.identity, "identity", "", "with DIR: file with the age identity that opens it; asks for its passphrase if it has one")
	return cmd
}

func sessionOrFolder(cmd *cobra.Command, args []string) error {
	if len(args) != 1 && len(args) != 2 {
		return usage("%s wants a session, such as S-1, or a data folder and a session; see %s --help", cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

// ask exports through the broker.
func (e *export) ask(cmd *cobra.Command, session string) error {
	client, err := e.signIn(cmd.Context(), withoutCode)
	if err != nil {
		return err
	}
	q := url.Values{"form": {e.form}, "channel": {strconv.Itoa(e.channel)}}
	if e.unmasked {
		q.Set("input", "unmasked")
	} else if e.input {
		q.Set("input", "true")
	}
	body, err := client.Export(cmd.Context(), session, q)
	if err != nil {
		return apiError(err)
	}
	defer body.Close()
	return writeOut(cmd.OutOrStdout(), e.to, body)
}

// offline exports from a folder, for who has the key.
func (e *export) offline(cmd *cobra.Command, dir, session string) error {
	form, ok := recording.FormOf(e.form)
	if !ok || e.channel < 0 {
		return usage("say --form %s, and --channel 0 or above", recording.FormNames)
	}
	r, err := openOffline(dir, session, e.identity)
	if err != nil {
		return err
	}
	defer r.Close()
	var options []recording.ExportOption
	if e.unmasked {
		options = append(options, recording.WithUnmaskedInput())
	} else if e.input {
		options = append(options, recording.WithInput())
	}
	return exportOut(cmd.OutOrStdout(), e.to, func(w io.Writer) error { return form.Write(w, r, e.channel, options...) })
}

// exportOut writes what f writes, to a file whole or not at all.
func exportOut(stdout io.Writer, to string, f func(io.Writer) error) error {
	from, into := io.Pipe()
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		into.CloseWithError(f(into))
	}()
	err := writeOut(stdout, to, from)
	from.Close() // an f that still writes is told
	<-wrote
	return err
}

var sessionID = regexp.MustCompile(`^S-[0-9]{1,19}$`)

// openOffline opens a session of a data folder, of its folder of recordings, or
// the session's folder itself, with the key in file.
func openOffline(dir, session, file string) (*recording.Reader, error) {
	if !sessionID.MatchString(session) {
		return nil, usage("%q is no session: such as S-1", printable(session))
	}
	if file == "" {
		return nil, usage("say which key opens it: --identity FILE, an age identity (AGE-SECRET-KEY-1…)")
	}
	ids, err := readIdentities(file)
	if err != nil {
		return nil, err
	}
	found, err := findSession(dir, session)
	if err != nil {
		return nil, err
	}
	r, err := recording.OpenFolder(found, ids...)
	if _, foreign := errors.AsType[*age.NoIdentityMatchError](err); foreign {
		return nil, exit{exitNo, fmt.Errorf("%s is not sealed to this key", session)}
	}
	if err == nil && r.Header().Session != session {
		r.Close()
		return nil, fmt.Errorf("%s holds the recording of %s", found, r.Header().Session)
	}
	return r, err
}

// readIdentities reads an auditor's key, and asks on the terminal for its passphrase where it has one.
func readIdentities(file string) ([]age.Identity, error) {
	b, err := readAtMost(file, 64<<10)
	if err != nil {
		return nil, fmt.Errorf("read the identity: %w", err)
	}
	text, err := recording.IdentityText(b, func() (string, error) { return askSecret("Passphrase for " + filepath.Base(file) + ": ") })
	if err != nil {
		return nil, err
	}
	ids, err := recording.Identities(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return ids, nil
}

func readAtMost(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", file, most)
	}
	return b, err
}

// findSession finds the folder of a session: dir itself, or by day below it.
func findSession(dir, session string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, "session.json")); err == nil {
		return dir, nil
	}
	for _, root := range []string{filepath.Join(dir, "recordings"), dir} {
		days := []string{root}
		for range 3 { // year, month, day
			days = foldersIn(days)
		}
		i := slices.IndexFunc(days, func(d string) bool {
			_, err := os.Stat(filepath.Join(d, session, "session.json"))
			return err == nil
		})
		if i >= 0 {
			return filepath.Join(days[i], session), nil
		}
	}
	return "", exit{exitNo, fmt.Errorf("there is no recording of %s in %s", session, dir)}
}

// foldersIn are the folders right below some; what is none, or cannot be read, has none.
func foldersIn(above []string) (below []string) {
	for _, d := range above {
		entries, err := os.ReadDir(d)
		if err != nil {
			continue // not a folder of recordings
		}
		for _, e := range entries {
			if e.IsDir() {
				below = append(below, filepath.Join(d, e.Name()))
			}
		}
	}
	return below
}

func recordingPlayCommand() *cobra.Command {
	var identity string
	var channel int
	var speed float64
	var at string
	cmd := &cobra.Command{Use: "play DIR S-1 --identity FILE", Short: "Play one channel of a recording in this terminal, from a folder",
		Long: `Play one channel of a recording from a data folder, or a copy of one, with an age
key: what was shown, as text, at its pace; a silence lasts two seconds at most. No
escape sequence of the recording reaches this terminal, so a full-screen program is
better seen with "recording export" and asciinema. --at 1:23:45 begins there, with
what stood on the screen. Reading a folder is no event.`,
		Args: exactly(2, "a data folder and a session"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if speed <= 0 || speed > 1000 || channel < 0 {
				return usage("--speed is above 0 and at most 1000, --channel 0 or above")
			}
			from, err := clockTime(at)
			if err != nil {
				return err
			}
			r, err := openOffline(args[0], args[1], identity)
			if err != nil {
				return err
			}
			defer r.Close()
			return recording.Play(cmd.Context(), cmd.OutOrStdout(), r, channel, from, speed)
		}}
	f := cmd.Flags()
	f.StringVar(&identity, "identity", "", "file with the age identity that opens it; asks for its passphrase if it has one")
	f.IntVar(&channel, "channel", 0, "channel of the session, from 0")
	f.Float64Var(&speed, "speed", 1, "how many times as fast")
	f.StringVar(&at, "at", "", "where to begin, from the channel's beginning: 1:23:45, 23:45 or 45")
	return cmd
}

// clockTime reads hours, minutes and seconds as a player shows them; empty is 0.
func clockTime(text string) (at time.Duration, err error) {
	if text == "" {
		return 0, nil
	}
	parts := strings.Split(text, ":")
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 32)
		if err != nil || len(parts) > 3 || i > 0 && (n > 59 || len(p) != 2) || n > 1e6 {
			return 0, usage("--at is %q: say 1:23:45, 23:45 or 45", printable(text))
		}
		at = at*60 + time.Duration(n)*time.Second
	}
	return at, nil
}
