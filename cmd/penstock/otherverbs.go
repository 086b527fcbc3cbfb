package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

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
