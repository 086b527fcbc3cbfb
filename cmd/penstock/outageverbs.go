package main

import (
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/approvals/evidence"
	"penstock/broker/api"
	"penstock/policy"
)

// outageCommand is everything about lists of work.
func outageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "outage", Short: "Plan an outage, sign its list, open its crews"}
	cmd.AddCommand(
		listCommand("list", "List outages", "/outages", "No outage was planned.", func(w *tabwriter.Writer, o api.Outage, l *time.Location) { outageHead(w, o, l) }),
		outagePlanCommand("plan", "Say what is wrong with a plan; nothing is asked for", "/outages/plan"),
		outagePlanCommand("propose", "Ask for every row of a plan, and put the list before those who must agree", "/outages"),
		outageShowCommand(), outageAnswerCommand(), outageOpenCommand(), outageWithdrawCommand())
	return cmd
}

func outagePath(id string) string { return "/outages/" + url.PathEscape(id) }

// outagePlanCommand reads a planner's file.
func outagePlanCommand(use, short, path string) *cobra.Command {
	var c caller
	var name, from, to string
	cmd := &cobra.Command{Use: use + " FILE.csv", Short: short, Args: exactly(1, "the file with the rows; its first line: "+api.RowColumns()),
		Example: `  penstock outage ` + use + ` overhaul.csv --as paul --name "Winter overhaul" --from "2026-12-05 22:00" --to "2026-12-07 06:00"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := os.Open(args[0])
			if err != nil {
				return usage("%v", err)
			}
			defer file.Close()
			text, err := io.ReadAll(io.LimitReader(file, api.MaxRowFile+1))
			if err != nil {
				return fmt.Errorf("read %s: %w", args[0], err)
			}
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			ask := api.OutageAsk{Name: name}
			if ask.From, err = parseTime(from, time.Now(), c.zone); err != nil {
				return err
			}
			if ask.To, err = parseTime(to, time.Now(), c.zone); err != nil {
				return err
			}
			if ask.Rows, err = api.ParseRows(string(text), policy.ClockOf(c.zone), ask.From, ask.To); err != nil {
				return usage("%s: %v", args[0], err)
			}
			if use == "propose" {
				return sends(&c, cmd, client, path, ask, func(w *tabwriter.Writer, o api.Outage) { outageLines(w, o, c.zone) })
			}
			var plan api.Plan
			if err := client.Post(cmd.Context(), path, ask, &plan); err != nil {
				return apiError(err)
			}
			return showPlan(&c, cmd, plan, len(ask.Rows))
		}}
	c.doing(cmd)
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "what the outage is called")
	f.StringVar(&from, "from", "", "begin, such as 2026-12-05 22:00")
	f.StringVar(&to, "to", "", "end")
	for _, must := range []string{"name", "from", "to"} {
		_ = cmd.MarkFlagRequired(must) // only fails for a flag that is not there
	}
	return cmd
}

// showPlan says what is wrong with a plan; exit 3 where a row is not possible.
func showPlan(c *caller, cmd *cobra.Command, p api.Plan, rows int) error {
	bad := 0
	for _, r := range p.Rows {
		if r.Impossible != "" {
			bad++
		}
	}
	err := c.show(cmd, p, func(w *tabwriter.Writer) {
		for _, r := range p.Rows {
			if r.Impossible != "" {
				fmt.Fprintf(w, "row %d\tnot possible: %s\n", r.Row, printable(r.Impossible))
			} else {
				fmt.Fprintf(w, "row %d\tto be looked at: %s\n", r.Row, printable(strings.Join(r.Look, "; ")))
			}
		}
		conflictLines(w, p.Conflicts, p.Escorts)
		fmt.Fprintf(w, "%d rows, %d not possible. Nothing was asked for.\n", rows, bad)
	})
	if err == nil && bad > 0 {
		return exit{exitNo, fmt.Errorf("%d of %d rows are not possible", bad, rows)}
	}
	return err
}

func conflictLines(w io.Writer, list []api.Conflict, escorts string) {
	for _, c := range list {
		fmt.Fprintf(w, "conflict\t%s\n", printable(c.Say))
	}
	if escorts != "" {
		fmt.Fprintf(w, "escorts\t%s\n", printable(escorts))
	}
}

func outageHead(w io.Writer, o api.Outage, l *time.Location) {
	state := ""
	if o.Withdrawn != "" {
		state = ", taken back by " + o.Withdrawn
	}
	fmt.Fprintf(w, "%s\t%s\t%s to %s\t%d rows%s\n", o.ID, printable(o.Name), local(o.From, l), local(o.To, l), o.Listed, state)
}

func outageLines(w io.Writer, o api.Outage, l *time.Location) {
	outageHead(w, o, l)
	for _, r := range o.Rows {
		state := r.State
		switch {
		case r.Window != "":
			state = r.Window + " " + r.Runs
		case len(r.Needs) > 0:
			var roles []string
			for _, n := range r.Needs {
				roles = append(roles, n.Role)
			}
			state = "waits for " + strings.Join(roles, ", ")
		}
		note := ""
		if len(r.Look) > 0 {
			note = "look: " + strings.Join(r.Look, "; ")
		}
		if len(r.After) > 0 {
			note = strings.TrimPrefix(note+"; after "+strings.Join(r.After, ", "), "; ")
		}
		fmt.Fprintf(w, "%s\t%s\t%s of %s\t%s\t%s\t%s\t%s\n", r.Request, printable(r.Crew), strings.Join(r.Ask.People, ", "), r.Ask.Firm, targetWords(r.Ask.Targets), strings.Join(r.Ask.Rights, ","), state, printable(note))
	}
	conflictLines(w, o.Conflicts, o.Escorts)
	if len(o.Unlisted) > 0 {
		fmt.Fprintf(w, "not on the list\t%s\n", strings.Join(o.Unlisted, ", "))
	}
}

func outageShowCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "show O-1", Short: "Show an outage with its rows", Args: exactly(1, "an outage, such as O-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var o api.Outage
			if err := client.Get(cmd.Context(), outagePath(args[0]), &o); err != nil {
				return apiError(err)
			}
			return c.show(cmd, o, func(w *tabwriter.Writer) { outageLines(w, o, c.zone) })
		}}
	c.flags(cmd)
	return cmd
}

// outageAnswerCommand is one yes to many rows of exactly the list that is there now.
func outageAnswerCommand() *cobra.Command {
	var c caller
	var a api.ListAnswer
	var key string
	cmd := &cobra.Command{Use: "answer O-1", Short: "Say yes to all rows that wait for you and have nothing unusual, and to those that you have looked at",
		Example: `  penstock outage answer O-1 --as olaf --looked R-3,R-9
  penstock outage answer O-1 --as lena --sign-with ~/.ssh/id_ed25519`,
		Args: exactly(1, "an outage, such as O-1; a no is said to its row: penstock answer R-3 no"),
		RunE: func(cmd *cobra.Command, args []string) error {
			need := withCode
			if key != "" {
				if err := keyFile(key); err != nil {
					return err
				}
				need = withoutCode
			}
			client, err := c.signIn(cmd.Context(), need)
			if err != nil {
				return err
			}
			path := outagePath(args[0])
			var o api.Outage
			if err := client.Get(cmd.Context(), path, &o); err != nil {
				return apiError(err)
			}
			if a.Document == "" {
				a.Document = o.Document
			}
			if key != "" {
				m := meant{by: c.as, says: evidence.Yes, text: a.Document}
				a.Signed, err = signs(cmd, client, key, path+"/answer", a, m, evidence.ParseOutage, func(said evidence.Answer, list evidence.Outage) ([]string, error) {
					if list.Outage != args[0] || len(a.Rows) > 0 && !onlyOf(said.Rows, a.Rows) || !onlyOf(said.Looked, a.Looked) {
						return nil, errNotMeant
					}
					return signedList(said, list, o, c.zone)
				})
				if err != nil {
					return err
				}
			}
			return sends(&c, cmd, client, path+"/answer", a, func(w *tabwriter.Writer, t api.ListTaken) {
				fmt.Fprintf(w, "%d rows are answered: %s\n", len(t.Rows), strings.Join(t.Rows, ", "))
				for _, id := range slices.Sorted(maps.Keys(t.Not)) {
					fmt.Fprintf(w, "%s\tis not answered: %s\n", id, printable(t.Not[id]))
				}
			})
		}}
	c.doing(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&a.Looked, "looked", nil, "rows with something unusual that you have looked at, one by one")
	f.StringSliceVar(&a.Rows, "rows", nil, "only these rows; without it all that wait for you")
	f.StringVar(&a.Document, "document", "", "hash of the list that you read; default: the newest")
	f.StringVar(&key, "sign-with", "", signFlag)
	return cmd
}

func onlyOf(list, of []string) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !slices.Contains(of, s) })
}

// signedList is which rows of a list are signed, each as shown where it was the
// row's own text.
func signedList(a evidence.Answer, o evidence.Outage, shown api.Outage, zone *time.Location) ([]string, error) {
	lines := []string{fmt.Sprintf("You sign: %s, as %s, to %d rows of %s, %s, %s to %s.", a.Says, a.Role, len(a.Rows), o.Outage, printable(o.Name), local(o.From, zone), local(o.To, zone))}
	for _, id := range a.Rows {
		row, ok := o.Row(id)
		if !ok {
			return nil, errNotMeant
		}
		what := ""
		for _, r := range shown.Rows {
			if r.Request == id && r.Document == row.Document.String() {
				what = fmt.Sprintf(" %s of %s, %s, %s", strings.Join(r.Ask.People, ", "), r.Ask.Firm, targetWords(r.Ask.Targets), strings.Join(r.Ask.Rights, ","))
			}
		}
		look := ""
		if len(row.Look) > 0 {
			look = " (looked at: " + printable(strings.Join(row.Look, "; ")) + ")"
		}
		lines = append(lines, fmt.Sprintf("  %s%s%s", id, what, look))
	}
	return lines, nil
}

func outageOpenCommand() *cobra.Command {
	var c caller
	var in api.CrewOpen
	cmd := &cobra.Command{Use: "open O-1 --crew A", Short: "Open every agreed window of a crew, each by the rules for it alone", Args: exactly(1, "an outage, such as O-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, outagePath(args[0])+"/open", itself(&in), func(w *tabwriter.Writer, list []api.Opened) {
				for _, o := range list {
					if o.Say == "" {
						fmt.Fprintf(w, "%s\tis open and ends at %s\n", o.Window, o.Until)
					} else {
						fmt.Fprintf(w, "%s\tstays closed: %s\n", o.Window, printable(o.Say))
					}
				}
			})
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&in.Crew, "crew", "", "the crew; empty: rows without one")
	return cmd
}

func outageWithdrawCommand() *cobra.Command {
	var c caller
	var step api.Step
	cmd := &cobra.Command{Use: "withdraw O-1", Short: "Take an outage back, with every row that has not begun", Args: exactly(1, "an outage, such as O-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withoutCode, outagePath(args[0])+"/withdraw", itself(&step), func(w *tabwriter.Writer, _ api.Receipted) { fmt.Fprintf(w, "%s is taken back.\n", args[0]) })
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&step.Why, "why", "", "why")
	return cmd
}
