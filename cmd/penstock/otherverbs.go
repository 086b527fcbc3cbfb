package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

// printable shows somebody's text so that it cannot move the cursor, ring, or
// change the direction of writing: what is not printable is escaped.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !strconv.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

func recordingCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "recording", Short: "List and export recordings; each reading is an event"}
	cmd.AddCommand(recordingListCommand(), recordingExportCommand())
	return cmd
}

func recordingListCommand() *cobra.Command {
	return listCommand("list", "List recordings", "/recordings", "Nothing was recorded.",
		func(w *tabwriter.Writer, r api.Recording, l *time.Location) {
			fmt.Fprintf(w, "%s\t%s of %s\t%s\t%s\t%s\n", r.Session, r.Person, r.Firm, strings.Join(r.Windows, ", "), local(r.Started, l), r.Mode)
		})
}

func recordingExportCommand() *cobra.Command {
	var c caller
	var form, to string
	var channel int
	var input bool
	cmd := &cobra.Command{Use: "export S-1", Short: "Export one channel of a recording",
		Long: `Export one channel of a recording: asciicast-v3 (the default), asciicast-v2, text, or
raw-in, raw-out and raw-err for the bytes of one direction. A TCP forward exports as
pcapng, both directions, which Wireshark dissects. What the vendor typed is
left out of casts and texts unless --input is given, which the event says.`,
		Args: exactly(1, "a session, such as S-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			q := url.Values{"form": {form}, "channel": {strconv.Itoa(channel)}}
			if input {
				q.Set("input", "true")
			}
			body, err := client.Export(cmd.Context(), args[0], q)
			if err != nil {
				return apiError(err)
			}
			defer body.Close()
			return writeOut(cmd.OutOrStdout(), to, body)
		}}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&form, "form", "asciicast-v3", "asciicast-v3, asciicast-v2, text, pcapng, raw-in, raw-out or raw-err")
	f.IntVar(&channel, "channel", 0, "channel of the session, from 0")
	f.BoolVar(&input, "input", false, "with what the vendor typed")
	f.StringVarP(&to, "output", "o", "", "file to write; it is replaced only by a whole export")
	return cmd
}

// writeOut copies to a file whole or not at all, or to standard output.
func writeOut(stdout io.Writer, path string, from io.Reader) error {
	if path == "" {
		if _, err := io.Copy(stdout, from); err != nil {
			return fmt.Errorf("the export broke off: %w", err)
		}
		return nil
	}
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	_, err = io.Copy(f, from)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		os.Remove(part)
		return fmt.Errorf("the export broke off, %s is as it was: %w", path, err)
	}
	return nil
}

func authoritiesCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "ca", Short: "The broker's public keys"}
	show := &cobra.Command{Use: "show", Short: "Show the lines for known_hosts and for the targets' sshd", Args: exactly(0, "nothing more"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.socket == "" {
				return usage("say which broker: --socket DATA/penstock.sock, or set PENSTOCK_SOCKET")
			}
			var a api.Authorities
			if err := api.Unix(c.socket).Get(cmd.Context(), "/authorities", &a); err != nil {
				return apiError(err)
			}
			return c.show(cmd, a, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "# known_hosts of vendors\n%s\n\n", knownHostsLine(a))
				fmt.Fprintf(w, "# for clients that know no certificates (PuTTY)\n%s\n\n", a.HostKey)
				fmt.Fprintf(w, "# each target's TrustedUserCAKeys file\n%s\n\n", a.Out)
				fmt.Fprintf(w, "# each target's AuthorizedPrincipalsFile of an account\nACCOUNT@ASSET.%s\n\n", a.Site)
				fmt.Fprintf(w, "# verifier key of the log, for penstock-verify --key\n%s\n", a.LogKey)
			})
		}}
	show.Flags().StringVar(&c.socket, "socket", os.Getenv("PENSTOCK_SOCKET"), "private socket of the running broker ($PENSTOCK_SOCKET)")
	show.Flags().BoolVar(&c.json, "json", false, "answer as JSON")
	cmd.AddCommand(show)
	return cmd
}

func clockCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "clock", Short: "What to do after the clock was wrong"}
	accept := &cobra.Command{Use: "accept", Short: "Say that the clock is right again, or that a restored broker may go on; two people must",
		Args: exactly(0, "nothing more"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Never a code: a code is the clock's own word.
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var answer struct {
				Say string `json:"say"`
			}
			if err := client.Post(cmd.Context(), "/clock/accept", struct{}{}, &answer); err != nil {
				return apiError(err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), answer.Say)
			return nil
		}}
	c.flags(accept)
	cmd.AddCommand(accept)
	return cmd
}
