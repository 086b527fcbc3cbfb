package main

import (
	"fmt"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/approvals/evidence"
	"penstock/broker/api"
)

// spokenCommand is what was said on the telephone: to list it, sign it, or let it
// stand. It is written down by answer R-1 yes --spoken PERSON.
func spokenCommand() *cobra.Command {
	list := listCommand("spoken", "List what was said on the telephone, and what of it is to be signed", "/spoken", "No yes was spoken.",
		func(w *tabwriter.Writer, s api.Spoken, l *time.Location) {
			fmt.Fprintf(w, "%s\t%s\t%s, heard by %s %s\t%s\n", s.Window, s.Firm, s.Person, s.Heard, local(s.At, l), spokenState(s, l))
		})
	list.AddCommand(spokenSignCommand(), spokenClearCommand())
	return list
}

func spokenState(s api.Spoken, l *time.Location) string {
	switch {
	case s.Cleared != "":
		return "stands without a signature, by " + s.Cleared
	case s.Says == evidence.Countersign:
		return "signed " + local(s.Signed, l)
	case s.Says == evidence.Deny:
		return "denied " + local(s.Signed, l)
	case s.Missed:
		return "not signed in time"
	}
	return "to be signed by " + local(s.Due, l)
}

func spokenSignCommand() *cobra.Command {
	var c caller
	var deny bool
	var key string
	cmd := &cobra.Command{Use: "sign W-1", Short: "Sign that you said yes on the telephone, or with --deny that you did not", Args: exactly(1, "a window, such as W-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a := api.Answer{Says: evidence.Countersign}
			if deny {
				a.Says = evidence.Deny
			}
			need := withCode
			if key != "" {
				need = withoutCode
				if err := keyFile(key); err != nil {
					return err
				}
			}
			client, err := c.signIn(cmd.Context(), need)
			if err != nil {
				return err
			}
			path := "/spoken/" + url.PathEscape(args[0]) + "/answer"
			if key != "" {
				d, said, err := meant{by: c.as, says: a.Says}.draft(cmd.Context(), client, path, a)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "You sign: %s, about the yes to %s, of the text %s.\n", said.Says, args[0], said.Request)
				if a.Signed, err = sign(cmd.Context(), key, d, cmd.ErrOrStderr()); err != nil {
					return err
				}
			}
			return sends(&c, cmd, client, path, a, func(w *tabwriter.Writer, s api.Spoken) { fmt.Fprintf(w, "%s\t%s\n", s.Window, spokenState(s, c.zone)) })
		}}
	c.doing(cmd)
	cmd.Flags().BoolVar(&deny, "deny", false, "you did not say it: OT security is told")
	cmd.Flags().StringVar(&key, "sign-with", "", signFlag)
	return cmd
}

func spokenClearCommand() *cobra.Command {
	var c caller
	var step api.Step
	cmd := &cobra.Command{Use: "clear W-1", Short: "As OT security, let a yes stand that nobody signed; it proves nothing", Args: exactly(1, "a window, such as W-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, "/spoken/"+url.PathEscape(args[0])+"/clear", itself(&step), func(w *tabwriter.Writer, _ struct{}) { fmt.Fprintf(w, "%s\tstands without a signature\n", args[0]) })
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&step.Why, "why", "", "why")
	return cmd
}
