package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

func accessReviewCommand() *cobra.Command {
	cmd := listCommand("review", "List access reviews: of each firm and role, who waits to be confirmed", "/access", "There is nobody.",
		func(w *tabwriter.Writer, a api.AccessReview, zone *time.Location) {
			state := "never looked at"
			switch {
			case a.Overdue:
				state = "kept out: " + strings.Join(a.Open, ",")
			case len(a.Open) > 0:
				state = "wait: " + strings.Join(a.Open, ",")
			case !a.At.IsZero():
				state = "signed"
			}
			fmt.Fprintf(w, "%s\t%s\tmade %s\tdue %s\n", printable(a.Scope), printable(state), local(a.At, zone), local(a.Due, zone))
		})
	cmd.AddCommand(accessShowCommand(), accessBeginCommand(), accessSignCommand())
	return cmd
}

const scopeWord = "a scope, such as firm/krall or role/shift"

// accessPath is a scope's, which has a slash of its own.
func accessPath(scope string) (string, error) {
	kind, of, ok := strings.Cut(scope, "/")
	if !ok || kind != "firm" && kind != "role" || of == "" || strings.ContainsAny(of, "/?#%") {
		return "", usage("%q is no scope, such as firm/krall or role/shift", scope)
	}
	return "/access/" + kind + "/" + of, nil
}

func accessLines(zone func() *time.Location) func(*tabwriter.Writer, api.AccessReview) {
	return func(w *tabwriter.Writer, a api.AccessReview) {
		fmt.Fprintf(w, "%s\tmade %s\tdue %s\t%s\n", printable(a.Scope), local(a.At, zone()), local(a.Due, zone()), a.Document)
		for _, l := range a.Lines {
			state, by := "", l.By
			if l.Open {
				state = "waits"
			}
			if by == "" {
				by = "the first file"
			}
			fmt.Fprintf(w, "  %s\tsince %s by %s\tlast here %s\t%s\n", l.Person, local(l.Since, zone()), by, local(l.Used, zone()), state)
		}
		for _, s := range a.Signed {
			fmt.Fprintf(w, "  %s\t%s\tgo on: %s\tended: %s\n", s.By, local(s.At, zone()), strings.Join(s.Kept, ","), strings.Join(s.Ended, ","))
		}
	}
}

func accessShowCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "show SCOPE", Short: "Show the newest list of a firm or a role", Args: exactly(1, scopeWord),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := accessPath(args[0])
			if err != nil {
				return err
			}
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var a api.AccessReview
			if err := client.Get(cmd.Context(), path, &a); err != nil {
				return apiError(err)
			}
			return c.show(cmd, a, func(w *tabwriter.Writer) { accessLines(func() *time.Location { return c.zone })(w, a) })
		}}
	c.flags(cmd)
	return cmd
}

func accessBeginCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "begin SCOPE", Short: "Make a list now, to be signed", Args: exactly(1, scopeWord),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := accessPath(args[0])
			if err != nil {
				return err
			}
			return does(&c, cmd, withoutCode, path+"/begin", itself(&struct{}{}), accessLines(func() *time.Location { return c.zone }))
		}}
	c.flags(cmd)
	return cmd
}

func accessSignCommand() *cobra.Command {
	var c caller
	var in api.AccessWord
	cmd := &cobra.Command{Use: "sign SCOPE LIST", Short: "Say who of a list goes on and who ends; LIST is its hash, as show prints it",
		Example: `  penstock people review sign firm/krall sha256:… --keep ann --end ben --as olaf`,
		Args:    exactly(2, scopeWord+", and the hash of the list that you have looked at"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := accessPath(args[0])
			if err != nil {
				return err
			}
			in.Document = args[1]
			return does(&c, cmd, withCode, path+"/sign", itself(&in), accessLines(func() *time.Location { return c.zone }))
		}}
	c.flags(cmd)
	cmd.Flags().StringSliceVar(&in.Keep, "keep", nil, "people who go on")
	cmd.Flags().StringSliceVar(&in.End, "end", nil, "people who end: of a firm they have left, of a role they lose it")
	return cmd
}
