package main

import (
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

func requestCommands() []*cobra.Command {
	return []*cobra.Command{requestCommand(), requestsCommand(), callInCommand(), tellCommand(), answerCommand()}
}

func requestCommand() *cobra.Command {
	var c caller
	var ask api.Ask
	var flags askFlags
	cmd := &cobra.Command{
		Use:   "request [R-1]",
		Short: "Ask for access for a firm's people, or show one request",
		Example: `  penstock request --as mia --firm krall --person ann --target maint@filler-plc \
    --rights look,set --minutes 120 --why "Alarm F-417"
  penstock request R-1 --as mia`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			l := c.zone
			var q api.Request
			if len(args) == 1 {
				if err := client.Get(cmd.Context(), "/requests/"+url.PathEscape(args[0]), &q); err != nil {
					return apiError(err)
				}
				return c.show(cmd, q, func(w *tabwriter.Writer) { requestLines(l)(w, q) })
			}
			if err := flags.fill(&ask, l); err != nil {
				return err
			}
			return sends(&c, cmd, client, "/requests", ask, requestLines(l))
		},
	}
	c.doing(cmd)
	flags.bind(cmd, &ask)
	return cmd
}

func tellCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "tell R-1 TEXT", Short: "Answer a question about a request of yours",
		Args: exactly(2, "a request and what you say"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			return sends(&c, cmd, client, "/requests/"+url.PathEscape(args[0])+"/tell", api.Told{Text: args[1]}, requestLines(c.zone))
		}}
	c.doing(cmd)
	return cmd
}

func callInCommand() *cobra.Command {
	var c caller
	var ask api.Ask
	var flags askFlags
	cmd := &cobra.Command{
		Use:   "call-in [R-1]",
		Short: "Call a firm's people in: the ask and your own yes in one; or make a new code for R-1",
		Example: `  penstock call-in --as mia --firm krall --person ann --target viewer@filler-plc --rights look --minutes 60 --why "Alarm F-417"
  penstock call-in R-1 --as mia`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withCode)
			if err != nil {
				return err
			}
			lines := func(w *tabwriter.Writer, made api.Call) {
				fmt.Fprintf(w, "%s\t%s\n", made.Request, made.State)
				fmt.Fprintf(w, "Read this code out on the phone; it is good once, to %s:\n\n    %s\n\nThey type:\n\n    %s\n", local(made.Until, c.zone), made.Code, made.Line)
			}
			if len(args) == 1 {
				return sends(&c, cmd, client, "/requests/"+url.PathEscape(args[0])+"/call", api.Step{}, lines)
			}
			if err := flags.fill(&ask, c.zone); err != nil {
				return err
			}
			return sends(&c, cmd, client, "/call-in", ask, lines)
		},
	}
	c.doing(cmd)
	flags.bind(cmd, &ask)
	return cmd
}

func parseTargets(list []string) ([]api.Target, error) {
	var out []api.Target
	for _, s := range list {
		if account, asset, ok := strings.Cut(s, "@"); ok {
			out = append(out, api.Target{Asset: asset, Port: "ssh", Account: account})
		} else if asset, port, ok := strings.Cut(s, ":"); ok {
			out = append(out, api.Target{Asset: asset, Port: port})
		} else {
			return nil, usage("%q is no target: say account@asset, or asset:port", s)
		}
	}
	return out, nil
}

func requestLines(l *time.Location) func(*tabwriter.Writer, api.Request) {
	return func(w *tabwriter.Writer, q api.Request) {
		fmt.Fprintf(w, "%s\t%s, revision %d\n", q.ID, q.State, q.Rev)
		askedLines(w, q, l)
		answeredLines(w, q, l)
	}
}

// askedLines are who wants to do what, where and when, and what is unusual in it.
func askedLines(w *tabwriter.Writer, q api.Request, l *time.Location) {
	fmt.Fprintf(w, "who\t%s of %s\n", strings.Join(q.Ask.People, ", "), q.Ask.Firm)
	fmt.Fprintf(w, "where\t%s\n", targetWords(q.Ask.Targets))
	fmt.Fprintf(w, "may\t%s\n", strings.Join(q.Ask.Rights, ", "))
	if q.Ask.Laptop != "" {
		recorded := "not recorded"
		if q.Ask.Jack != "" {
			recorded = "recorded, at the service jack " + printable(q.Ask.Jack)
		}
		fmt.Fprintf(w, "ON SITE\twith the laptop %s; %s\n", printable(q.Ask.Laptop), recorded)
	}
	if q.Ask.Kind == "exception" {
		fmt.Fprintf(w, "EXCEPTION\twaives %s\n", strings.Join(q.Ask.Waives, ", "))
	}
	if m := q.Ask.Machine; m != nil {
		fmt.Fprintf(w, "STANDING\ta machine, day and night, without a code: keeper %s, from %s, frame %s, key %s\n", m.Keeper, strings.Join(m.Networks, ", "), printable(m.Frame), printable(m.Key))
	}
	if len(q.Ask.Starts) > 0 {
		fmt.Fprintf(w, "EMERGENCY\tbegins with %s; the rest by a second tap\n", strings.Join(q.Ask.Starts, ", "))
		if len(q.Ask.Waives) > 0 {
			fmt.Fprintf(w, "waived\t%s\n", strings.Join(q.Ask.Waives, ", "))
		}
	}
	fmt.Fprintf(w, "why\t%s\n", printable(q.Ask.Reason))
	for _, x := range []struct{ name, text string }{{"work order", q.Ask.WorkOrder}, {"change", q.Ask.Change},
		{"backup", q.Ask.Backup}, {"way back", q.Ask.Backout}, {"area clear", q.Ask.AreaClear}} {
		if x.text != "" {
			fmt.Fprintf(w, "%s\t%s\n", x.name, printable(x.text))
		}
	}
	for _, sum := range q.Ask.FileHashes {
		fmt.Fprintf(w, "file by hash\t%s, released by itself once it was looked at\n", printable(sum))
	}
	fmt.Fprintf(w, "when\t%d min, between %s and %s\n", q.Ask.Minutes, local(q.Ask.From, l), local(q.Ask.To, l))
	if len(q.Words) >= 2 {
		fmt.Fprintf(w, "say on the phone\t%s\n", strings.ToUpper(strings.Join(q.Words[:2], " ")))
	}
}

// answeredLines are what was said to it, and what is still missing.
func answeredLines(w *tabwriter.Writer, q api.Request, l *time.Location) {
	for _, a := range q.Answers {
		fmt.Fprintf(w, "answer\t%s (%s) said %s %s%s%s\n", a.Person, a.Role, a.Says, local(a.At, l), map[string]string{"totp": ", by a code (the server's word)", "webauthn": ", signed with a passkey", "sshsig": ", signed with an SSH key"}[a.Proof], suffix(a.Why))
	}
	for _, t := range q.Told {
		fmt.Fprintf(w, "says\t%s: %s %s\n", t.Person, printable(t.Text), local(t.At, l))
	}
	if u := q.Under; u != nil && u.Stands {
		fmt.Fprintf(w, "under\t%s (%s): %s\n", u.ID, u.Frame, printable(u.Purpose))
	} else if u != nil {
		fmt.Fprintf(w, "under\t%s, which does not count: %s\n", u.ID, printable(u.Why))
	}
	for _, n := range q.Needs {
		fmt.Fprintf(w, "waits for\t%d × %s (rule %s)\n", n.Count, n.Role, n.Rule)
	}
	if q.Window != "" {
		fmt.Fprintf(w, "window\t%s\n", q.Window)
	}
}

func suffix(why string) string {
	if why == "" {
		return ""
	}
	return ": " + printable(why)
}

func requestsCommand() *cobra.Command {
	return listCommand("requests", "List requests", "/requests", "Nothing was asked for.",
		func(w *tabwriter.Writer, q api.Request, l *time.Location) {
			fmt.Fprintf(w, "%s\t%s\t%s of %s\t%s\t%s\t%s\n", q.ID, q.State, strings.Join(q.Ask.People, ", "),
				q.Ask.Firm, targetWords(q.Ask.Targets), strings.Join(q.Ask.Rights, ","), local(q.At, l))
		})
}
