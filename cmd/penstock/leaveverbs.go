package main

import (
	"fmt"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

func showPersonCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "show PERSON", Short: "What a person may do, in words, and where it stands",
		Args: exactly(1, "a person"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var p api.PersonShown
			if err := client.Get(cmd.Context(), "/people/"+url.PathEscape(args[0]), &p); err != nil {
				return apiError(err)
			}
			return c.show(cmd, p, func(w *tabwriter.Writer) {
				personLine(w, p.Person)
				for _, m := range p.May {
					from := m.From
					if m.Role != "" {
						from = m.Role + ", " + from
					}
					fmt.Fprintf(w, "may %s\t%s\t%s\n", printable(m.Does), printable(from), printable(m.Not))
				}
			})
		}}
	c.flags(cmd)
	return cmd
}

func disableCommand() *cobra.Command {
	return leavingCommand("disable PERSON", "End everything that a person has here, now and for good", "a person", "/people/", "/disable")
}

func firmEndCommand() *cobra.Command {
	return leavingCommand("firm-end FIRM", "End a firm's contract now, and what its people do", "a firm", "/firms/", "/end")
}

// leavingCommand ends somebody's access and says what ended with it; with
// --dry-run what would.
func leavingCommand(use, short, what, before, after string) *cobra.Command {
	var c caller
	var step api.Step
	var dry bool
	cmd := &cobra.Command{Use: use, Short: short, Args: exactly(1, what),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := before + url.PathEscape(args[0])
			says := func(w *tabwriter.Writer, l api.Leaving) {
				for _, s := range l.Says {
					fmt.Fprintln(w, printable(s))
				}
			}
			if !dry {
				return does(&c, cmd, withoutCode, path+after, itself(&step), says)
			}
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var l api.Leaving
			if err := client.Get(cmd.Context(), path+"/leaving", &l); err != nil {
				return apiError(err)
			}
			return c.show(cmd, l, func(w *tabwriter.Writer) { says(w, l) })
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&step.Why, "why", "", "why")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would end, and end nothing")
	return cmd
}

func linkCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "link PERSON SUBJECT", Short: "Let a person sign in by their account at the plant's sign-in service",
		Long: `Let a person sign in by their account at the plant's sign-in service. They sign in by
it once, and the page says who they are there; they read it to you, face to face or on a
number you know. To take it away again: penstock people remove-key PERSON oidc:…`,
		Args: exactly(2, "a person and who they are at the service"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, "/people/"+url.PathEscape(args[0])+"/link", itself(&api.Account{Subject: args[1]}), personLine)
		}}
	c.flags(cmd)
	return cmd
}
