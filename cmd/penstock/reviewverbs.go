package main

import (
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/audit/review"
	"penstock/broker/api"
)

// reviewVerbs are those of penstock recording for what is over.
func reviewVerbs() []*cobra.Command {
	return []*cobra.Command{waitsCommand(), reviewCommand(), replyCommand(), holdCommand(), expireCommand(), deleteCommand()}
}

func waitsCommand() *cobra.Command {
	return listCommand("waits", "List what waits for review, oldest first", "/reviews", "Nothing waits for review.",
		func(w *tabwriter.Writer, r api.Review, l *time.Location) {
			late := ""
			if r.Late {
				late = "LATE"
			}
			fmt.Fprintf(w, "%s\t%s of %s\t%s\t%s\t%s\t%s\n", r.Session, r.Person, r.Firm, strings.Join(r.Windows, ", "), local(r.Ended, l), strings.Join(r.Reasons, ", "), late)
		})
}

// aVerdict reads the words before a password and a code are asked for.
func aVerdict(cmd *cobra.Command, args []string) error {
	if err := exactly(2, "a session and a verdict, such as S-1 in-order")(cmd, args); err != nil {
		return err
	}
	switch args[1] {
	case review.InOrder, review.Question, review.Finding:
		return nil
	}
	return usage("%q is no verdict: say in-order, question or finding", args[1])
}

func reviewCommand() *cobra.Command {
	var c caller
	var in api.Verdict
	cmd := &cobra.Command{Use: "review S-1 in-order|question|finding", Short: "Say a second person's verdict on a recording",
		Long: `Say a verdict on a recording: in-order, question (--to somebody of the plant) or finding.
Whoever worked in it, agreed to it, opened it or watched it is no second person. The
verdict is for the recording as it was closed, and an event of the log.`,
		Args: aVerdict,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withCode)
			if err != nil {
				return err
			}
			path := "/recordings/" + url.PathEscape(args[0])
			var now api.Review
			if err := client.Get(cmd.Context(), path+"/review", &now); err != nil {
				return apiError(err)
			}
			in.Verdict, in.Seen = args[1], len(now.Verdicts)
			return sends(&c, cmd, client, path+"/verdict", in, func(w *tabwriter.Writer, r api.Review) {
				fmt.Fprintf(w, "%s: %s.\n", r.Session, args[1])
				if v := r.Verdicts; len(v) > 0 && v[len(v)-1].Thread > 0 {
					fmt.Fprintf(w, "It goes on as thread %d: penstock recording reply %s %d\n", v[len(v)-1].Thread, r.Session, v[len(v)-1].Thread)
				}
			})
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&in.To, "to", "", "of a question: person of the plant who is asked")
	cmd.Flags().StringSliceVar(&in.Outside, "outside", nil, "window that was used outside its pattern's purpose, such as W-1; --text says how")
	cmd.Flags().StringVar(&in.Text, "text", "", "what is asked or was found; for in-order if there is something to say")
	return cmd
}

func replyCommand() *cobra.Command {
	var c caller
	var in api.Reply
	cmd := &cobra.Command{Use: "reply S-1 THREAD", Short: "Go on with a question or a finding, or settle it", Args: exactly(2, "a session and a thread, such as S-1 1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/recordings/" + url.PathEscape(args[0]) + "/threads/" + url.PathEscape(args[1])
			return does(&c, cmd, withoutCode, path, itself(&in), func(w *tabwriter.Writer, r api.Review) {
				fmt.Fprintf(w, "%s, thread %s: noted.\n", r.Session, args[1])
			})
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&in.Text, "text", "", "what you say")
	cmd.Flags().BoolVar(&in.Settle, "settle", false, "it is settled by this")
	cmd.Flags().IntVar(&in.Seen, "seen", 0, "how many replies you have read")
	return cmd
}

func holdCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "hold", Short: "Legal holds: keep recordings whatever their retention says"}
	cmd.AddCommand(listCommand("list", "List the holds that stand", "/holds", "No hold stands.",
		func(w *tabwriter.Writer, h api.Hold, l *time.Location) {
			fmt.Fprintf(w, "%s\t%s\tby %s\t%s\t%s\n", h.Hold, holdWords(h), h.By, local(h.At, l), printable(h.Why))
		}), holdSetCommand(), holdLiftCommand())
	return cmd
}

func holdWords(h api.Hold) string {
	if h.All {
		return "everything"
	}
	for _, one := range [][2]string{{"", h.Session}, {"", h.Window}, {"person ", h.Person}, {"firm ", h.Firm}, {"asset ", h.Asset}} {
		if one[1] != "" {
			return one[0] + one[1]
		}
	}
	return "nothing"
}

func holdSetCommand() *cobra.Command {
	var c caller
	var in api.Hold
	cmd := &cobra.Command{Use: "set --why TEXT", Short: "Hold one thing: a session, a window, a person's, a firm's or an asset's recordings, or all", Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return does(&c, cmd, withoutCode, "/holds", itself(&in), func(w *tabwriter.Writer, h api.Hold) {
				fmt.Fprintf(w, "%s holds %s until OT security lifts it.\n", h.Hold, holdWords(h))
			})
		}}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&in.Session, "session", "", "such as S-1")
	f.StringVar(&in.Window, "window", "", "such as W-1")
	f.StringVar(&in.Person, "person", "", "who worked")
	f.StringVar(&in.Firm, "firm", "", "whose people worked")
	f.StringVar(&in.Asset, "asset", "", "on which they worked")
	f.BoolVar(&in.All, "all", false, "every recording")
	f.StringVar(&in.Why, "why", "", "why, for the log")
	return cmd
}

func holdLiftCommand() *cobra.Command {
	var c caller
	var in api.Hold
	cmd := &cobra.Command{Use: "lift H-1 --why TEXT", Short: "Let the retention count again", Args: exactly(1, "a hold, such as H-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, "/holds/"+url.PathEscape(args[0])+"/lift", itself(&in), func(w *tabwriter.Writer, _ struct{}) {
				fmt.Fprintf(w, "%s is lifted.\n", args[0])
			})
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&in.Why, "why", "", "why, for the log")
	return cmd
}

func expireCommand() *cobra.Command {
	var c caller
	var dry bool
	var seen int
	cmd := &cobra.Command{Use: "expire --dry-run", Short: "Show, or let go, recordings whose retention is over",
		Long: `Show which recordings' retention is over: which would go, and which stay and why. They go
by themselves once a day, unless the date may be wrong or too many would go at once: then
OT security looks here first and lets them go with --go N, the number that was shown.`,
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dry == (seen > 0) {
				return usage("say --dry-run, or --go and the number that the dry run showed")
			}
			if !dry {
				return does(&c, cmd, withCode, "/expiry", itself(&api.DoExpire{Seen: seen}), func(w *tabwriter.Writer, e api.Expiry) {
					fmt.Fprintf(w, "%d gone. Each is an event of the log, and penstock-verify accepts it.\n", len(e.Goes))
				})
			}
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var e api.Expiry
			if err := client.Get(cmd.Context(), "/expiry", &e); err != nil {
				return apiError(err)
			}
			return c.show(cmd, e, func(w *tabwriter.Writer) { showExpiry(w, e, c.zone) })
		}}
	c.flags(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only show")
	cmd.Flags().IntVar(&seen, "go", 0, "let them go: how many the dry run showed")
	return cmd
}

func showExpiry(w *tabwriter.Writer, e api.Expiry, l *time.Location) {
	for _, d := range e.Goes {
		fmt.Fprintf(w, "%s\tgoes\tdue since %s\t%s\n", d.Session, local(d.Due, l), d.Rule)
	}
	for _, d := range e.Stays {
		fmt.Fprintf(w, "%s\tstays\tdue since %s\t%s: %s\n", d.Session, local(d.Due, l), d.Rule, d.Why)
	}
	fmt.Fprintf(w, "%d of %d recordings would go, and %d stay although their time is over.\n", len(e.Goes), e.All, len(e.Stays))
	switch {
	case len(e.Goes) == 0:
	case e.Asks != "":
		fmt.Fprintf(w, "They do not go by themselves: %s. If the date is right: penstock recording expire --go %d\n", e.Asks, len(e.Goes))
	default:
		fmt.Fprintln(w, "They go by themselves within the hour.")
	}
}

func deleteCommand() *cobra.Command {
	var c caller
	var in api.Delete
	cmd := &cobra.Command{Use: "delete S-1 --why TEXT", Short: "Delete a recording before its time: one of OT security asks, a second person confirms",
		Long: `Delete a recording before its time. OT security says why; then, within 7 days, somebody else
who reads recordings runs it with --confirm, and it goes. Nobody of the two may have had a
part in the session. What is held, or waits for review, or is in question, stays.`,
		Args: exactly(1, "a session, such as S-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !in.Confirm && !in.DryRun && in.Why == "" {
				return usage("say --why, --confirm or --dry-run")
			}
			if in.Confirm && in.DryRun {
				return usage("--confirm and --dry-run do not go together")
			}
			need := withCode
			if in.DryRun {
				need = withoutCode
			}
			return does(&c, cmd, need, "/recordings/"+url.PathEscape(args[0])+"/delete", itself(&in), func(w *tabwriter.Writer, d api.Deleted) {
				switch {
				case in.DryRun:
					fmt.Fprintf(w, "%s could go: nothing keeps it. Nothing was done.\n", args[0])
				case d.Gone:
					fmt.Fprintf(w, "The recording of %s is gone.\n", args[0])
				default:
					fmt.Fprintf(w, "Asked. A second person confirms within 7 days: penstock recording delete %s --confirm\n", args[0])
				}
			})
		}}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&in.Why, "why", "", "why it must go before its time, for the log")
	f.BoolVar(&in.Confirm, "confirm", false, "confirm what somebody else has asked for")
	f.BoolVar(&in.DryRun, "dry-run", false, "only say whether it could go")
	return cmd
}
