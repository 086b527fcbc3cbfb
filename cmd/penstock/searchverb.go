package main

import (
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"penstock/audit/search"
	"penstock/broker/api"
)

func recordingSearchCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "search WORDS…", Short: "Find what stood on screens, was run, passed as a file, or is in the log",
		Long: `Look for ` + search.Help + `

All of it has to fit one line of a screen, one command, one file or one event. A word of
three or more letters also finds longer words that begin so. Newest first, 100 at most.
What is looked for is an event, with who. Exit 3: nothing was found.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("say what to look for: %s", search.Help)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			for i, a := range args { // the shell has taken the quotes of a phrase
				if strings.ContainsRune(a, ' ') && !strings.ContainsRune(a, '"') {
					args[i] = `"` + a + `"`
				}
			}
			var found api.Found
			if err := client.Get(cmd.Context(), "/search?q="+url.QueryEscape(strings.Join(args, " ")), &found); err != nil {
				return apiError(err)
			}
			if err := c.show(cmd, found, func(w *tabwriter.Writer) {
				for _, h := range found.Hits {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", local(h.At, c.zone), h.Kind, h.Session, h.Person, h.Asset, h.Text)
				}
				if found.More {
					fmt.Fprintln(w, "There is more than these: say more words, or a person, asset or day.")
				}
			}); err != nil {
				return err
			}
			for _, l := range append(found.Limits, found.Broke) {
				if l != "" {
					fmt.Fprintln(cmd.ErrOrStderr(), l)
				}
			}
			if len(found.Hits) == 0 {
				return exit{exitNo, fmt.Errorf("nothing was found")}
			}
			return nil
		}}
	c.flags(cmd)
	return cmd
}
